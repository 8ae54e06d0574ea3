/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text.h - the text of values that no printf() knows, for people and for outputs that keep
 * them as text.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_BATCH_VALUE_TEXT_H
#define CHSINKD_BATCH_VALUE_TEXT_H

#include "daemons/chsinkd/route/type.h"
#include "lib/base/buf.h"

/* (U)Int128, (U)Int256 and Decimal in decimal digits, with all digits of the scale: -0.10. */
void value_number_text(const struct ch_type *t, const char *value, struct pl_buf *out);

/* An Enum's name, or an address as inet_ntop(3) writes it. Points into the type or into `text`. */
#define VALUE_NAME_SIZE 46 /* INET6_ADDRSTRLEN */
struct pl_slice value_name_text(const struct ch_type *t, const char *value,
                                char text[VALUE_NAME_SIZE]);

#endif

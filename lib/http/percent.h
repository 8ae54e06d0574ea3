/* SPDX-License-Identifier: Apache-2.0 */
/*
 * percent.h - percent encoding for queries and forms: all but the unreserved characters of RFC
 * 3986, section 2.3. Threads: any.
 */
#ifndef PL_HTTP_PERCENT_H
#define PL_HTTP_PERCENT_H

#include "lib/base/buf.h"

/* Appends `text` encoded. false: the buffer's maximum, and nothing was added. The text may be a
 * secret: no copy of it stays in freed memory, if `out` has room for it (three bytes for one). */
bool pl_percent_add(struct pl_buf *out, const char *text);

#endif

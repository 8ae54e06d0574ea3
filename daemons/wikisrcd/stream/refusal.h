/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h - an answer that is no stream as an error, with what to do about it. Pure. */
#ifndef WIKISRCD_STREAM_REFUSAL_H
#define WIKISRCD_STREAM_REFUSAL_H

#include "lib/base/err.h"

/* `body`: how it begins, as one line. Always -1. */
int refusal_err(struct pl_err *err, long status, const char *url, const char *body);

#endif

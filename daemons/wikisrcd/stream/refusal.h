/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h - the error for an answer that is not a stream, with what to do about it. Pure. */
#ifndef WIKISRCD_STREAM_REFUSAL_H
#define WIKISRCD_STREAM_REFUSAL_H

#include "lib/base/err.h"

/* `body`: its beginning, as one line. Always returns -1. */
int refusal_err(struct pl_err *err, long status, const char *url, const char *body);

#endif

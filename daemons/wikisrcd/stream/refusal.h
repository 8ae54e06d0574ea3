/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusal.h - an answer that is not a stream: the error, with what to do about it, and how long to
 * wait. Pure.
 */
#ifndef WIKISRCD_STREAM_REFUSAL_H
#define WIKISRCD_STREAM_REFUSAL_H

#include <stdint.h>

#include "lib/base/err.h"

/* `body`: its beginning, as one line. Always returns -1. */
int refusal_err(struct pl_err *err, long status, const char *url, const char *body);

/* The wait that it asks for, at least. retry_after: the header or NULL; now_ms as for
 * pl_http_retry_after_ms(). */
int64_t refusal_wait_ms(long status, const char *retry_after, int64_t now_ms);

#endif

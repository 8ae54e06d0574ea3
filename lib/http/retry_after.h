/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_after.h - how long a server asks us to wait (RFC 9110, section 10.2.3).
 *
 * Pure.
 */
#ifndef PL_HTTP_RETRY_AFTER_H
#define PL_HTTP_RETRY_AFTER_H

#include <stdint.h>

/* The header's value, seconds or an HTTP date, as ms from `now_ms` (our clock, since 1970): at
 * least 0, at most one day; -1 when malformed or NULL. */
int64_t pl_http_retry_after_ms(const char *value, int64_t now_ms);

#endif

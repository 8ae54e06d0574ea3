/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - times as int64_t milliseconds since 1970 UTC, and their texts. Pure but for the two
 * that ask the clock. Proleptic Gregorian, no leap seconds, no time zone database.
 */
#ifndef PL_BASE_CLOCK_H
#define PL_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t pl_clock_realtime_ms(void);
int64_t pl_clock_monotonic_ms(void);

/* RFC 3339 / ISO 8601 as found in the field: YYYY-MM-DD, then 'T', 't' or a space,
 * HH:MM[:SS[.digits]], then Z, z, +HH:MM, +HHMM, -HH:MM or nothing (UTC). The date alone is its
 * midnight. Second 60 is refused. All of `text` must be used. The result is in units of 10^-scale
 * seconds (scale 0..9; 3 is ms); digits beyond the scale: false in *ret_exact if any of them is not
 * zero (ret_exact may be NULL). Years 0001 to 9999; false when malformed or when the result does
 * not fit. */
bool pl_time_parse(const char *text, size_t len, unsigned scale, int64_t *ret_value,
                   bool *ret_exact);

/* "2026-11-21T09:00:00.123Z"; `out` at least 32 bytes. */
void pl_time_format_ms(int64_t ms, char *out);

/* RFC 9110 section 5.6.7 IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT"), as in Retry-After. */
bool pl_time_parse_http(const char *text, size_t len, int64_t *ret_ms);

#endif

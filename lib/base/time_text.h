/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_text.h - texts of times to numbers and back: the one parser of times, for rows, --schema,
 * options and positions.
 *
 * Numbers count units of 10^-scale seconds (scale 0 to 9; 3 is milliseconds) since 1970 UTC, in the
 * proleptic Gregorian calendar, without leap seconds. There is no time zone database.
 *
 * Pure. Threads: any; a memo has one owner.
 */
#ifndef PL_BASE_TIME_TEXT_H
#define PL_BASE_TIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer texts are not times; with nine digits and an offset one has 35 bytes. */
#define PL_TIME_TEXT_MAX 64

/* RFC 3339 / ISO 8601 as found in the field: YYYY-MM-DD, then 'T', 't' or a space,
 * HH:MM[:SS[.digits]], then Z, z, +HH:MM, +HHMM, -HH:MM or nothing (UTC). The date alone is its
 * midnight. Hour 24 and second 60 are refused. *ret_exact (may be NULL): false if a digit beyond
 * the scale is not zero. Years 0001 to 9999; false if malformed or if the result does not fit. */
bool pl_time_parse(const char *text, size_t len, unsigned scale, int64_t *ret_value,
                   bool *ret_exact);

/* The same for many times of few days: the last date is not computed again. Zero-initialised. */
struct pl_time_memo {
    char date[10];
    int64_t midnight; /* seconds since 1970 */
};
bool pl_time_parse_memo(struct pl_time_memo *memo, const char *text, size_t len, unsigned scale,
                        int64_t *ret_value, bool *ret_exact);

/* "2026-11-21T09:00:00.123Z", with as many digits as the scale says; `out` at least 32 bytes. */
void pl_time_format(int64_t value, unsigned scale, char *out);
static inline void pl_time_format_ms(int64_t ms, char *out)
{
    pl_time_format(ms, 3, out);
}

/* RFC 9110 section 5.6.7 IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT"), as in Retry-After. */
bool pl_time_parse_http(const char *text, size_t len, int64_t *ret_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_time_text.c - clocks, and texts of times: a table of spellings, and libc's timegm() and
 * gmtime_r() as the judge of the arithmetic.
 *
 * pl_time_parse() has a short way for the usual spelling; each byte of it is changed to every
 * other, and both ways must agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "tests/unit/unit.h"

enum outcome { BAD, EXACT, CUT };

static const struct {
    const char *text;
    unsigned scale;
    enum outcome outcome;
    int64_t value;
} times[] = {
    /* spellings */
    {"1970-01-01T00:00:00Z", 3, EXACT, 0},
    {"1970-01-01t00:00:01z", 3, EXACT, 1000},
    {"1970-01-01 00:00:01", 0, EXACT, 1},
    {"1970-01-02", 3, EXACT, 86400000},
    {"1970-01-01T00:01", 3, EXACT, 60000},
    {"1970-01-01T00:01Z", 3, EXACT, 60000},
    {"2026-11-21T09:00:00.123Z", 3, EXACT, 1795251600123},
    {"2026-11-21T09:00:00.1Z", 3, EXACT, 1795251600100},
    {"2026-11-21T09:00:00.12", 3, EXACT, 1795251600120},
    {"2026-11-21T09:00:00.123456789Z", 9, EXACT, 1795251600123456789},
    {"2026-11-21T09:00:00.123Z", 9, EXACT, 1795251600123000000},
    {"2026-11-21T09:00:00.123Z", 6, EXACT, 1795251600123000},
    {"2026-11-21T09:00:00Z", 6, EXACT, 1795251600000000},
    {"2026-11-21T09:00:00Z", 0, EXACT, 1795251600},
    /* offsets */
    {"2026-11-21T10:00:00+01:00", 0, EXACT, 1795251600},
    {"2026-11-21T10:00:00+0100", 0, EXACT, 1795251600},
    {"2026-11-21T03:30:00-05:30", 0, EXACT, 1795251600},
    {"2026-11-21T03:30-0530", 0, EXACT, 1795251600},
    {"2026-11-21T09:00:00.123-00:00", 3, EXACT, 1795251600123},
    {"2026-11-22T08:59:00+23:59", 0, EXACT, 1795251600},
    {"2026-11-21T10:00:00+01", 0, BAD, 0},
    {"2026-11-21T10:00:00+24:00", 0, BAD, 0},
    {"2026-11-21T10:00:00+01:60", 0, BAD, 0},
    {"2026-11-21T10:00:00+1:00", 0, BAD, 0},
    {"2026-11-21T10:00:00+01-00", 0, BAD, 0},
    {"2026-11-21T10:00:00 +01:00", 0, BAD, 0},
    {"2026-11-21T10:00:00UTC", 0, BAD, 0},
    {"2026-11-21T10:00:00Zx", 0, BAD, 0},
    {"2026-11-21+01:00", 0, BAD, 0},
    {"2026-11-21Z", 0, BAD, 0},
    /* digits beyond the scale: cut towards the past, before 1970 as well */
    {"2026-11-21T09:00:00.1239Z", 3, CUT, 1795251600123},
    {"2026-11-21T09:00:00.1230Z", 3, EXACT, 1795251600123},
    {"2026-11-21T09:00:00.123000000000000000000000Z", 3, EXACT, 1795251600123},
    {"2026-11-21T09:00:00.123000000000000000000001Z", 3, CUT, 1795251600123},
    {"2026-11-21T09:00:00.999Z", 0, CUT, 1795251600},
    {"2026-11-21T09:00:00.000Z", 0, EXACT, 1795251600},
    {"2026-11-21T09:00:00.9999999999Z", 9, CUT, 1795251600999999999},
    {"1969-12-31T23:59:59.9999Z", 3, CUT, -1},
    {"1969-12-31T23:59:59.5Z", 0, CUT, -1},
    /* leap years */
    {"2024-02-29T00:00:00Z", 0, EXACT, 1709164800},
    {"2000-02-29", 0, EXACT, 951782400},
    {"2023-02-29T00:00:00Z", 0, BAD, 0},
    {"1900-02-29", 0, BAD, 0},
    {"2100-02-29T00:00:00.000Z", 3, BAD, 0},
    {"2024-02-30T00:00:00Z", 3, BAD, 0},
    /* fields out of range */
    {"2026-00-10T00:00:00Z", 3, BAD, 0},
    {"2026-13-10T00:00:00Z", 3, BAD, 0},
    {"2026-01-00T00:00:00Z", 3, BAD, 0},
    {"2026-01-32T00:00:00Z", 3, BAD, 0},
    {"2026-04-31T00:00:00Z", 3, BAD, 0},
    {"2026-01-01T24:00:00Z", 3, BAD, 0},
    {"2026-01-01T00:60:00Z", 3, BAD, 0},
    {"2016-12-31T23:59:60Z", 3, BAD, 0},
    {"2016-12-31T23:59:60.000Z", 3, BAD, 0},
    /* malformed */
    {"", 3, BAD, 0},
    {"2026", 3, BAD, 0},
    {"2026-11", 3, BAD, 0},
    {"2026-11-2", 3, BAD, 0},
    {"2026-11-21T", 3, BAD, 0},
    {"2026-11-21T09", 3, BAD, 0},
    {"2026-11-21T09:00:", 3, BAD, 0},
    {"2026-11-21T09:00:00.", 3, BAD, 0},
    {"2026-11-21T09:00:00.Z", 3, BAD, 0},
    {"2026-11-21T09:00:00,123Z", 3, BAD, 0},
    {"2026-11-21T09:00.5Z", 3, BAD, 0},
    {"2026-11-21_09:00:00Z", 3, BAD, 0},
    {"+026-11-21T09:00:00Z", 3, BAD, 0},
    {"2026-11-21T09:00:00.+23Z", 3, BAD, 0},
    {" 2026-11-21T09:00:00Z", 3, BAD, 0},
    {"2026-11-21T09:00:00Z ", 3, BAD, 0},
    {"1795251600", 3, BAD, 0},
    /* years */
    {"0001-01-01T00:00:00Z", 0, EXACT, -62135596800},
    {"9999-12-31T23:59:59.999Z", 3, EXACT, 253402300799999},
    {"0000-12-31T23:59:59Z", 0, BAD, 0},
    {"10000-01-01T00:00:00Z", 0, BAD, 0},
    /* int64_t at scale 9 */
    {"2262-04-11T23:47:16.854775807Z", 9, EXACT, INT64_MAX},
    {"2262-04-11T23:47:16.854775808Z", 9, BAD, 0},
    {"2262-04-12T00:47:16.854775807+01:00", 9, EXACT, INT64_MAX},
    {"1677-09-21T00:12:43.145224192Z", 9, EXACT, INT64_MIN},
    {"1677-09-21T00:12:43.145224191Z", 9, BAD, 0},
    {"9999-12-31T23:59:59Z", 9, BAD, 0},
    {"0001-01-01T00:00:00Z", 9, BAD, 0},
};

START_TEST(test_parse)
{
    int64_t value = 4711;
    bool exact = false;
    /* A copy of just this length: a read behind the end is the sanitizer's to find. */
    size_t len = strlen(times[_i].text);
    char *copy = malloc(len + (len == 0));
    memcpy(copy, times[_i].text, len);
    bool ok = pl_time_parse(copy, len, times[_i].scale, &value, &exact);
    ck_assert_msg(ok == (times[_i].outcome != BAD), "%s", times[_i].text);
    if (ok) {
        ck_assert_int_eq(value, times[_i].value);
        ck_assert_int_eq(exact, times[_i].outcome == EXACT);
        ck_assert(pl_time_parse(copy, len, times[_i].scale, &value, NULL));
    } else {
        ck_assert_int_eq(value, 4711); /* untouched */
        ck_assert(!exact);
    }
    free(copy);
}
END_TEST

/* "…123Z" goes the short way, "…1230Z" never does. */
START_TEST(test_both_ways_agree)
{
    for (size_t at = 0; at < 23; at++) {
        for (int c = 0; c < 256; c++) {
            char shorter[] = "2024-02-29T19:38:57.123Z", longer[] = "2024-02-29T19:38:57.1230Z";
            int64_t a = 0, b = 0;
            shorter[at] = longer[at] = (char)c;
            bool a_ok = pl_time_parse(shorter, 24, 3, &a, NULL);
            ck_assert_msg(a_ok == pl_time_parse(longer, 25, 3, &b, NULL), "%s", shorter);
            ck_assert_int_eq(a, b);
            char none[] = "2024-02-29T19:38:57Z", small[] = "2024-02-29T19:38:57z";
            if (at < 19) {
                none[at] = small[at] = (char)c;
                a_ok = pl_time_parse(none, 20, 3, &a, NULL);
                ck_assert_msg(a_ok == pl_time_parse(small, 20, 3, &b, NULL), "%s", none);
                ck_assert_int_eq(a, b);
            }
        }
    }
}
END_TEST

static void judge(int64_t ms)
{
    int64_t seconds = ms / 1000 - (ms % 1000 < 0);
    time_t t = seconds;
    struct tm tm;
    char expected[64], text[32];
    ck_assert_ptr_nonnull(gmtime_r(&t, &tm));
    snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             (int)(ms - seconds * 1000));
    pl_time_format_ms(ms, text);
    ck_assert_str_eq(text, expected);
    int64_t back;
    ck_assert(pl_time_parse(text, strlen(text), 3, &back, NULL));
    ck_assert_int_eq(back, ms);
    ck_assert_int_eq(timegm(&tm), seconds);
}

#define MS_FIRST INT64_C(-62135596800000) /* 0001-01-01 */
#define MS_LAST  INT64_C(253402300799999) /* 9999-12-31 */

START_TEST(test_against_libc)
{
    /* Each day at its first and last millisecond in the years that matter, then all years at
     * random. */
    for (int64_t day = -40000; day < 60000; day++) {
        judge(day * 86400000);
        judge(day * 86400000 + 86399999);
    }
    judge(MS_FIRST);
    judge(MS_LAST);
    uint64_t rng = 1;
    for (int i = 0; i < 200000; i++) {
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        judge(MS_FIRST + (int64_t)((rng >> 1) % (uint64_t)(MS_LAST - MS_FIRST + 1)));
    }
}
END_TEST

START_TEST(test_format_beyond)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {MS_LAST + 1, "10000-01-01T00:00:00.000Z"},
        {MS_FIRST - 1, "0000-12-31T23:59:59.999Z"},
        {INT64_MAX, "292278994-08-17T07:12:55.807Z"},
        {INT64_MIN, "-292275055-05-16T16:47:04.192Z"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        char *text = malloc(32);
        pl_time_format_ms(cases[i].ms, text);
        ck_assert_str_eq(text, cases[i].text);
        free(text);
    }
}
END_TEST

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
} http_dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777000},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800000},
    {"Mon, 06 Nov 1994 08:49:37 GMT", 784111777000}, /* the date decides */
    {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
    {"Sun, 06 Nov 1994 08:49:37 +0000", -1},
    {"Sun, 06 nov 1994 08:49:37 GMT", -1},
    {"Xxx, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 31 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:37 GM", -1},
    {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
    {"Sunday, 06-Nov-94 08:49:37 GMT", -1},
    {"Sun Nov  6 08:49:37 1994", -1},
    {"120", -1},
    {"", -1},
};

START_TEST(test_http)
{
    int64_t ms = 4711;
    bool ok = pl_time_parse_http(http_dates[_i].text, strlen(http_dates[_i].text), &ms);
    ck_assert_msg(ok == (http_dates[_i].ms != -1), "%s", http_dates[_i].text);
    ck_assert_int_eq(ms, ok ? http_dates[_i].ms : 4711);
}
END_TEST

START_TEST(test_clocks)
{
    int64_t a = pl_clock_monotonic_ms(), b = pl_clock_monotonic_ms();
    ck_assert_int_le(a, b);
    ck_assert_int_gt(pl_clock_realtime_ms(), INT64_C(1700000000000));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_parse, .count = PL_COUNT(times)),
        TEST(test_both_ways_agree),
        TEST(test_against_libc),
        TEST(test_format_beyond),
        TEST(test_http, .count = PL_COUNT(http_dates)),
        TEST(test_clocks),
    };
    return unit_main("time_text", tests, PL_COUNT(tests));
}

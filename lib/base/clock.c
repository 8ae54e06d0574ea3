/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - texts of times to numbers and back.
 *
 * A text is first taken apart into a struct stamp (fields in range, offset in seconds, fraction as
 * digits), then days_from_civil() makes a number of it. The two forms that nearly all rows have go
 * through a path without branches on each digit.
 */
#include "lib/base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)

int64_t pl_clock_realtime_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t pl_clock_monotonic_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct stamp {
    unsigned year, month, day, hour, minute, second;
};

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": the year begins in March, so that
 * the leap day is its last; 146097 days make 400 years; day 719468 is 1970-01-01. */
static int64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year - (month <= 2); /* year >= 1 */
    unsigned era = y / 400, yoe = y % 400;
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (int64_t)era * 146097 + doe - 719468;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[16] = {0,  31, 28, 31, 30, 31, 30, 31,
                                           31, 30, 31, 30, 31, 0,  0,  0};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month & 15] + (month == 2 && leap);
}

static bool stamp_seconds(const struct stamp *s, int64_t *ret)
{
    if (s->year < 1 || s->month < 1 || s->month > 12 || s->day < 1 || s->hour > 23 ||
        s->minute > 59 || s->second > 59)
        return false;
    /* Most days need no look at the month's length. */
    if (s->day > 28 && s->day > days_in_month(s->year, s->month))
        return false;
    *ret = days_from_civil(s->year, s->month, s->day) * 86400 + s->hour * 3600 + s->minute * 60 +
           s->second;
    return true;
}

/* The digit's value, or something above 9. */
static inline unsigned digit(char c)
{
    return (unsigned char)(c - '0');
}

/* Two digits; what is none of them leaves a mark in *bad (above 9). */
static inline unsigned two(const char *p, unsigned *bad)
{
    unsigned a = digit(p[0]), b = digit(p[1]);
    *bad |= (a > 9) | (b > 9);
    return a * 10 + b;
}

static const int64_t pow10_table[] = {1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};

/* seconds and `fraction` (in units of 10^-scale seconds) together. */
static bool combine(int64_t seconds, unsigned scale, int64_t fraction, int64_t *ret)
{
    __int128 v = (__int128)seconds * pow10_table[scale] + fraction;
    if (v < INT64_MIN || v > INT64_MAX)
        return false;
    *ret = (int64_t)v;
    return true;
}

/* "YYYY-MM-DDTHH:MM:SS" at p (19 bytes there), only this spelling. */
static inline bool parse_canonical(const char *p, struct stamp *s)
{
    unsigned bad = (p[4] ^ '-') | (p[7] ^ '-') | (p[10] ^ 'T') | (p[13] ^ ':') | (p[16] ^ ':');
    s->year = two(p, &bad) * 100 + two(p + 2, &bad);
    s->month = two(p + 5, &bad);
    s->day = two(p + 8, &bad);
    s->hour = two(p + 11, &bad);
    s->minute = two(p + 14, &bad);
    s->second = two(p + 17, &bad);
    return bad == 0;
}

/* "Z", "z", "+HH:MM", "+HHMM", the same with '-', or nothing. */
static bool parse_offset(const char *p, size_t len, int *ret_seconds)
{
    if (len == 0 || (len == 1 && (*p == 'Z' || *p == 'z'))) {
        *ret_seconds = 0;
        return true;
    }
    if ((*p != '+' && *p != '-') || !(len == 5 || (len == 6 && p[3] == ':')))
        return false;
    unsigned bad = 0, hour = two(p + 1, &bad), minute = two(p + len - 2, &bad);
    if (bad || hour > 23 || minute > 59)
        return false;
    int seconds = (int)(hour * 3600 + minute * 60);
    *ret_seconds = *p == '-' ? -seconds : seconds;
    return true;
}

/* All the spellings that the header names. */
static bool parse_general(const char *p, size_t len, unsigned scale, int64_t *ret, bool *ret_exact)
{
    const char *end = p + len;
    struct stamp s = {0};
    int64_t seconds, fraction = 0;
    int offset = 0;
    bool exact = true;
    unsigned bad = 0;

    if (len < 10)
        return false;
    bad |= (p[4] ^ '-') | (p[7] ^ '-');
    s.year = two(p, &bad) * 100 + two(p + 2, &bad);
    s.month = two(p + 5, &bad);
    s.day = two(p + 8, &bad);
    p += 10;
    if (p < end) {
        if (end - p < 6 || (*p != 'T' && *p != 't' && *p != ' ') || p[3] != ':')
            return false;
        s.hour = two(p + 1, &bad);
        s.minute = two(p + 4, &bad);
        p += 6;
        if (end - p >= 3 && *p == ':') {
            s.second = two(p + 1, &bad);
            p += 3;
            if (p < end && *p == '.') {
                unsigned n = 0;
                for (p++; p < end && digit(*p) <= 9; p++, n++) {
                    if (n < scale)
                        fraction = fraction * 10 + digit(*p);
                    else if (*p != '0')
                        exact = false;
                }
                if (n == 0)
                    return false;
                if (n < scale)
                    fraction *= pow10_table[scale - n];
            }
        }
        if (!parse_offset(p, (size_t)(end - p), &offset))
            return false;
    }
    if (bad || !stamp_seconds(&s, &seconds) || !combine(seconds - offset, scale, fraction, ret))
        return false;
    if (ret_exact)
        *ret_exact = exact;
    return true;
}

/* "YYYY-MM-DDTHH:MM:SS.mmmZ" or "YYYY-MM-DDTHH:MM:SSZ" to milliseconds, by its 24 or 20 bytes.
 * false: not this spelling, or wrong; parse_general() decides. */
static bool parse_usual_ms(const char *p, size_t len, int64_t *ret_ms)
{
    unsigned bad = p[len - 1] ^ 'Z', ms = 0;
    struct stamp s;
    int64_t seconds;

    if (len == 24) {
        unsigned last = digit(p[22]);
        bad |= (p[19] ^ '.') | (last > 9);
        ms = two(p + 20, &bad) * 10 + last;
    }
    if (!parse_canonical(p, &s) || bad || !stamp_seconds(&s, &seconds))
        return false;
    *ret_ms = seconds * 1000 + ms;
    return true;
}

bool pl_time_parse(const char *text, size_t len, unsigned scale, int64_t *ret_value,
                   bool *ret_exact)
{
    assert(scale <= 9);
    /* What EventStreams and most APIs send. Each row comes by here. */
    if (scale == 3 && (len == 24 || len == 20) && parse_usual_ms(text, len, ret_value)) {
        if (ret_exact)
            *ret_exact = true;
        return true;
    }
    return parse_general(text, len, scale, ret_value, ret_exact);
}

static char *put_two(char *p, char before, unsigned value)
{
    p[0] = before;
    p[1] = (char)('0' + value / 10);
    p[2] = (char)('0' + value % 10);
    return p + 3;
}

void pl_time_format_ms(int64_t ms, char *out)
{
    int64_t days = ms / MS_PER_DAY, rest = ms % MS_PER_DAY;
    if (rest < 0) {
        rest += MS_PER_DAY;
        days--;
    }
    /* days_from_civil() the other way round, from the same source. */
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    unsigned month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = era * 400 + yoe + (month <= 2);
    unsigned t = (unsigned)rest;

    /* The longest, INT64_MIN, is "-292275055-05-16T16:47:04.192Z" with 30 characters. */
    int n =
        snprintf(out, 12, "%s%04lld", year < 0 ? "-" : "", (long long)(year < 0 ? -year : year));
    char *p = put_two(out + n, '-', month);
    p = put_two(p, '-', doy - (153 * mp + 2) / 5 + 1);
    p = put_two(p, 'T', t / 3600000);
    p = put_two(p, ':', t / 60000 % 60);
    p = put_two(p, ':', t / 1000 % 60);
    p = put_two(p, '.', t % 1000 / 10);
    *p++ = (char)('0' + t % 10);
    memcpy(p, "Z", 2);
}

/* The index of a three-letter name in a string of them, or -1. */
static int name_index(const char *names, const char *name)
{
    for (int i = 0; names[i * 3] != '\0'; i++)
        if (memcmp(names + i * 3, name, 3) == 0)
            return i;
    return -1;
}

bool pl_time_parse_http(const char *text, size_t len, int64_t *ret_ms)
{
    /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    if (len != 29 || memcmp(text + 3, ", ", 2) != 0 || text[7] != ' ' || text[11] != ' ' ||
        text[16] != ' ' || text[19] != ':' || text[22] != ':' || memcmp(text + 25, " GMT", 4) != 0)
        return false;
    /* A wrong day of the week is let pass: the date decides, and this is only ever a wait. */
    int month = name_index("JanFebMarAprMayJunJulAugSepOctNovDec", text + 8);
    if (month < 0 || name_index("MonTueWedThuFriSatSun", text) < 0)
        return false;
    unsigned bad = 0;
    struct stamp s = {
        .year = two(text + 12, &bad) * 100 + two(text + 14, &bad),
        .month = (unsigned)month + 1,
        .day = two(text + 5, &bad),
        .hour = two(text + 17, &bad),
        .minute = two(text + 20, &bad),
        .second = two(text + 23, &bad),
    };
    /* The grammar allows a leap second here; it is the moment after second 59. */
    bool leap = s.second == 60;
    s.second -= leap;
    int64_t seconds;
    if (bad || !stamp_seconds(&s, &seconds))
        return false;
    *ret_ms = (seconds + leap) * 1000;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_text.c - see time_text.h.
 *
 * The form that nearly all producers write, "2026-11-21T09:00:00.123Z", has a fast path without a
 * branch per digit, parse_usual(); parse_general() takes the rest.
 */
#include "lib/base/time_text.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#define DATE_LEN 10 /* "2026-11-21" */

/* Day 0, 1970-01-01, counted from 0000-03-01. */
#define DAYS_TO_1970 719468

static const int64_t pow10_table[] = {1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};

/* ---- the calendar ---- */

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": the year begins in March, so that
 * the leap day is its last; 146097 days make 400 years. */
static int64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year - (month <= 2); /* year >= 1 */
    unsigned era = y / 400, yoe = y % 400;
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (int64_t)era * 146097 + doe - DAYS_TO_1970;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[16] = {0,  31, 28, 31, 30, 31, 30, 31,
                                           31, 30, 31, 30, 31, 0,  0,  0};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month & 15] + (month == 2 && leap);
}

static bool date_seconds(unsigned year, unsigned month, unsigned day, int64_t *ret)
{
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    if (day > 28 && day > days_in_month(year, month))
        return false;
    *ret = days_from_civil(year, month, day) * 86400;
    return true;
}

/* ---- digits ---- */

/* The digit's value, or something above 9. */
static inline unsigned digit(char c)
{
    return (unsigned char)(c - '0');
}

/* Two digits; anything else sets *bad. */
static inline unsigned two(const char *p, unsigned *bad)
{
    unsigned a = digit(p[0]), b = digit(p[1]);
    *bad |= (a > 9) | (b > 9);
    return a * 10 + b;
}

/* The seconds of a time of day; an impossible one sets *bad. */
static inline unsigned clock_seconds(unsigned hour, unsigned minute, unsigned second, unsigned *bad)
{
    *bad |= (hour > 23) | (minute > 59) | (second > 59);
    return hour * 3600 + minute * 60 + second;
}

/* seconds and `fraction` (in units of 10^-scale seconds) together. */
static bool combine(int64_t seconds, unsigned scale, int64_t fraction, int64_t *ret)
{
    __int128 v = (__int128)seconds * pow10_table[scale] + fraction;
    if (v < INT64_MIN || v > INT64_MAX)
        return false;
    *ret = (int64_t)v;
    return true;
}

/* "YYYY-MM-DD" (DATE_LEN bytes) to the seconds of its midnight. */
static bool parse_date(const char *p, int64_t *ret)
{
    unsigned bad = (p[4] ^ '-') | (p[7] ^ '-');
    unsigned year = two(p, &bad) * 100 + two(p + 2, &bad);
    unsigned month = two(p + 5, &bad), day = two(p + 8, &bad);
    return !bad && date_seconds(year, month, day, ret);
}

/* ---- all spellings ---- */

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
    int seconds = (int)clock_seconds(hour, minute, 0, &bad);
    if (bad)
        return false;
    *ret_seconds = *p == '-' ? -seconds : seconds;
    return true;
}

/* ".digits"; *p is moved past them. false: there are none. */
static bool parse_fraction(const char **p, const char *end, unsigned scale, int64_t *ret,
                           bool *exact)
{
    int64_t fraction = 0;
    unsigned n = 0;
    for ((*p)++; *p < end && digit(**p) <= 9; (*p)++, n++) {
        if (n < scale)
            fraction = fraction * 10 + digit(**p);
        else if (**p != '0')
            *exact = false;
    }
    if (n == 0)
        return false;
    *ret = n < scale ? fraction * pow10_table[scale - n] : fraction;
    return true;
}

static bool parse_general(const char *p, size_t len, unsigned scale, int64_t *ret, bool *ret_exact)
{
    const char *end = p + len;
    int64_t seconds, fraction = 0;
    int offset = 0;
    bool exact = true;
    if (len < DATE_LEN || len > PL_TIME_TEXT_MAX || !parse_date(p, &seconds))
        return false;
    p += DATE_LEN;
    if (p < end) {
        unsigned bad = 0, second = 0;
        if (end - p < 6 || (*p != 'T' && *p != 't' && *p != ' ') || p[3] != ':')
            return false;
        unsigned hour = two(p + 1, &bad), minute = two(p + 4, &bad);
        p += 6;
        if (end - p >= 3 && *p == ':') {
            second = two(p + 1, &bad);
            p += 3;
            if (p < end && *p == '.' && !parse_fraction(&p, end, scale, &fraction, &exact))
                return false;
        }
        seconds += clock_seconds(hour, minute, second, &bad);
        if (bad || !parse_offset(p, (size_t)(end - p), &offset))
            return false;
    }
    if (!combine(seconds - offset, scale, fraction, ret))
        return false;
    if (ret_exact)
        *ret_exact = exact;
    return true;
}

/* ---- the usual one ---- */

/* "HH:MM:SS", its eight bytes at once. */
static inline bool parse_clock(const char *p, unsigned *ret_seconds)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    /* The first byte is the lowest. Digits become 0 to 9, colons 0. */
    v = le64toh(v) ^ UINT64_C(0x30303a30303a3030);
    if (((v + UINT64_C(0x76767f76767f7676)) | v) & UINT64_C(0x8080808080808080))
        return false;      /* one is larger */
    v = v * 10 + (v >> 8); /* each byte with the next: two digits */
    unsigned bad = 0;
    *ret_seconds = clock_seconds(v & 0xff, v >> 24 & 0xff, v >> 48 & 0xff, &bad);
    return !bad;
}

/* "YYYY-MM-DDTHH:MM:SSZ" or "YYYY-MM-DDTHH:MM:SS.digitsZ" with no digit beyond the scale. false:
 * not this spelling, or wrong; parse_general() decides. */
static inline bool parse_usual(struct pl_time_memo *memo, const char *p, size_t len, unsigned scale,
                               int64_t *ret)
{
    if (len < 20 || len == 21 || len > 21 + scale)
        return false;
    unsigned digits = len > 20 ? (unsigned)len - 21 : 0;
    unsigned seconds;
    if (p[10] != 'T' || p[len - 1] != 'Z' || !parse_clock(p + 11, &seconds))
        return false;
    int64_t fraction = 0;
    if (digits > 0) {
        unsigned bad = p[19] ^ '.';
        for (const char *d = p + 20; d < p + len - 1; d++) {
            bad |= digit(*d) > 9;
            fraction = fraction * 10 + digit(*d);
        }
        if (bad)
            return false;
        fraction *= pow10_table[scale - digits];
    }
    if (!*memo->date || memcmp(memo->date, p, DATE_LEN) != 0) {
        if (!parse_date(p, &memo->midnight))
            return false;
        memcpy(memo->date, p, DATE_LEN);
    }
    return combine(memo->midnight + seconds, scale, fraction, ret);
}

bool pl_time_parse_memo(struct pl_time_memo *memo, const char *text, size_t len, unsigned scale,
                        int64_t *ret_value, bool *ret_exact)
{
    assert(scale <= 9);
    if (!parse_usual(memo, text, len, scale, ret_value))
        return parse_general(text, len, scale, ret_value, ret_exact);
    if (ret_exact)
        *ret_exact = true;
    return true;
}

bool pl_time_parse(const char *text, size_t len, unsigned scale, int64_t *ret_value,
                   bool *ret_exact)
{
    struct pl_time_memo none = {0};
    return pl_time_parse_memo(&none, text, len, scale, ret_value, ret_exact);
}

/* ---- writing ---- */

static char *put_two(char *p, char before, unsigned value)
{
    p[0] = before;
    p[1] = (char)('0' + value / 10);
    p[2] = (char)('0' + value % 10);
    return p + 3;
}

/* "YYYY-MM-DD", with more digits and a sign where the year needs them: the inverse of
 * days_from_civil(), from the same source. */
static char *put_date(char *p, int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    unsigned month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = era * 400 + yoe + (month <= 2);

    /* The longest, INT64_MIN seconds, is "-292277022657-01-27T08:29:52Z" with 29 characters. */
    p += snprintf(p, 14, "%s%04lld", year < 0 ? "-" : "", (long long)(year < 0 ? -year : year));
    p = put_two(p, '-', month);
    return put_two(p, '-', doy - (153 * mp + 2) / 5 + 1);
}

void pl_time_format(int64_t value, unsigned scale, char *out)
{
    assert(scale <= 9);
    int64_t unit = pow10_table[scale], seconds = value / unit, fraction = value % unit;
    if (fraction < 0) {
        fraction += unit;
        seconds--;
    }
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    char *p = put_date(out, days);
    p = put_two(p, 'T', (unsigned)rest / 3600);
    p = put_two(p, ':', (unsigned)rest / 60 % 60);
    p = put_two(p, ':', (unsigned)rest % 60);
    if (scale > 0)
        *p++ = '.';
    for (unsigned i = scale; i-- > 0; fraction /= 10)
        p[i] = (char)('0' + fraction % 10);
    memcpy(p + scale, "Z", 2);
}

/* ---- HTTP ---- */

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
    /* A wrong day of the week passes: the date decides, and this is only ever a wait. */
    int month = name_index("JanFebMarAprMayJunJulAugSepOctNovDec", text + 8);
    if (month < 0 || name_index("MonTueWedThuFriSatSun", text) < 0)
        return false;
    unsigned bad = 0;
    unsigned year = two(text + 12, &bad) * 100 + two(text + 14, &bad), day = two(text + 5, &bad);
    unsigned hour = two(text + 17, &bad), minute = two(text + 20, &bad);
    unsigned second = two(text + 23, &bad);
    /* The grammar allows a leap second here; it is the moment after second 59. */
    bool leap = second == 60;
    unsigned seconds = clock_seconds(hour, minute, second - leap, &bad) + leap;
    int64_t midnight;
    if (bad || !date_seconds(year, (unsigned)month + 1, day, &midnight))
        return false;
    *ret_ms = (midnight + seconds) * 1000;
    return true;
}

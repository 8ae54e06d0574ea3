/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - numbers and times in words: see page.h. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/time_text.h"
#include "lib/page/page.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

struct pl_words pl_words_count(uint64_t n)
{
    struct pl_words w;
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            w.text[at++] = ',';
        w.text[at++] = digits[i];
    }
    w.text[at] = '\0';
    return w;
}

struct pl_words pl_words_rate(double per_s)
{
    struct pl_words w;
    if (!(per_s > 0))
        snprintf(w.text, sizeof(w.text), "0");
    else if (per_s < 0.05)
        snprintf(w.text, sizeof(w.text), "under 0.1");
    else if (per_s < 99.95)
        snprintf(w.text, sizeof(w.text), "%.1f", per_s);
    else
        w = pl_words_count(per_s < 1e18 ? (uint64_t)(per_s + 0.5) : (uint64_t)1e18);
    return w;
}

/* "2 h 5 min", or "2 h" */
static struct pl_words two_units(int64_t value, int64_t of, const char *big, int64_t rest,
                                 const char *small)
{
    struct pl_words w;
    int64_t left = value % of / rest;
    if (left > 0)
        snprintf(w.text, sizeof(w.text), "%" PRId64 " %s %" PRId64 " %s", value / of, big, left,
                 small);
    else
        snprintf(w.text, sizeof(w.text), "%" PRId64 " %s", value / of, big);
    return w;
}

struct pl_words pl_words_duration(int64_t ms)
{
    struct pl_words w;
    int64_t s = ms / 1000;
    if (s >= DAY_S)
        return two_units(s, DAY_S, "d", HOUR_S, "h");
    if (s >= HOUR_S)
        return two_units(s, HOUR_S, "h", MINUTE_S, "min");
    if (s >= MINUTE_S)
        return two_units(s, MINUTE_S, "min", 1, "s");
    if (s >= 10)
        snprintf(w.text, sizeof(w.text), "%" PRId64 " s", s);
    else if (s >= 1)
        snprintf(w.text, sizeof(w.text), "%" PRId64 ".%" PRId64 " s", s, ms % 1000 / 100);
    else
        snprintf(w.text, sizeof(w.text), "%" PRId64 " ms", ms > 0 ? ms : 0);
    return w;
}

struct pl_words pl_words_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    struct pl_words w;
    double value = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(w.text, sizeof(w.text), "%" PRIu64 " B", bytes);
        return w;
    }
    for (; value >= 1023.95 && unit < PL_COUNT(units) - 1; unit++)
        value /= 1024;
    snprintf(w.text, sizeof(w.text), value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return w;
}

struct pl_words pl_words_time(int64_t ms)
{
    struct pl_words w;
    if (ms < 1) {
        snprintf(w.text, sizeof(w.text), "never");
        return w;
    }
    pl_time_format(ms / 1000, 0, w.text); /* 2026-11-21T09:00:00Z */
    char *t = strchr(w.text, 'T'), *z = strchr(w.text, 'Z');
    if (t)
        *t = ' ';
    if (z)
        *z = '\0';
    return w;
}

struct pl_words pl_words_time_short(int64_t ms)
{
    struct pl_words w = pl_words_time(ms);
    if (ms < 1)
        return w;
    memmove(w.text, w.text + 5, 11); /* behind the year, without the seconds */
    w.text[11] = '\0';
    return w;
}

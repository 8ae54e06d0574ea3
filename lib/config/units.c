/* SPDX-License-Identifier: Apache-2.0 */
/*
 * units.c - numbers, sizes ("64MiB") and durations ("15m"), parsed and formatted; times, parsed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/time_text.h"
#include "lib/config/internal.h"

/* 1973: a smaller number was meant as seconds. */
#define MOMENT_LEAST_MS INT64_C(100000000000)

struct unit {
    const char *name;
    int64_t factor;
};

/* Larger ones first, for formatting. */
static const struct unit size_units[] = {
    {"GiB", 1 << 30}, {"GB", 1000000000}, {"MiB", 1 << 20}, {"MB", 1000000},
    {"KiB", 1 << 10}, {"kB", 1000},       {"B", 1},         {NULL, 0},
};
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

/* Decimal digits without leading zeros, which YAML 1.1 reads as octal. */
static int digits_parse(const char *text, const char **ret_end, int64_t *ret)
{
    const char *p = text;
    int64_t v = 0;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return -1;
    if (p == text)
        return -1;
    *ret_end = p;
    *ret = v;
    return 0;
}

/* `bare`: a number without a unit is allowed; 0 always is. */
static int united_parse(const char *text, const struct unit *units, bool bare, int64_t *ret)
{
    const char *end;
    int64_t v;
    if (digits_parse(text, &end, &v) < 0)
        return -1;
    const struct unit *u = units;
    while (u->name && strcmp(u->name, end) != 0)
        u++;
    int64_t factor = u->name ? u->factor : 1;
    if ((!u->name && (*end || (v != 0 && !bare))) || __builtin_mul_overflow(v, factor, &v))
        return -1;
    *ret = v;
    return 0;
}

int pl_size_parse(const char *text, int64_t *ret_bytes)
{
    return united_parse(text, size_units, true, ret_bytes);
}

int pl_duration_parse(const char *text, int64_t *ret_ms)
{
    return united_parse(text, duration_units, false, ret_ms);
}

bool pl_moment_parse(const char *text, int64_t now_ms, int64_t *ret_ms, const char **ret_why)
{
    size_t len = strlen(text);
    *ret_why = "none of now, -12d (12 days ago), 1767205800000 (milliseconds since 1970), "
               "2026-01-01T00:00:00Z";
    int64_t ms;
    if (strcmp(text, "now") == 0) {
        ms = now_ms;
    } else if (text[0] == '-') {
        if (pl_duration_parse(text + 1, &ms) < 0)
            return false;
        ms = ms < now_ms ? now_ms - ms : 0;
    } else if (len > 0 && strspn(text, "0123456789") == len) {
        ms = len <= 15 ? strtoll(text, NULL, 10) : INT64_MAX;
        if (ms != 0 && ms < MOMENT_LEAST_MS) {
            *ret_why = "apparently in seconds: milliseconds since 1970 are needed";
            return false;
        }
    } else if (!pl_time_parse(text, len, 3, &ms, NULL)) {
        return false;
    }
    if (ms < 0 || ms > PL_MOMENT_MAX_MS) {
        *ret_why = "not between the years 1970 and 9999";
        return false;
    }
    *ret_ms = ms;
    return true;
}

int pl_int_parse(const char *text, int64_t *ret)
{
    bool negative = *text == '-';
    if (strcmp(text, "-9223372036854775808") == 0) { /* its digits alone do not fit */
        *ret = INT64_MIN;
        return 0;
    }
    int64_t v;
    const char *end;
    if (digits_parse(text + negative, &end, &v) < 0 || *end != '\0')
        return -1;
    *ret = negative ? -v : v;
    return 0;
}

static void united_format(int64_t v, const struct unit *units, char *out)
{
    const struct unit *u = units;
    while (u[1].name && v % u->factor != 0)
        u++;
    snprintf(out, PL_NUMBER_TEXT, "%" PRId64 "%s", v / u->factor, v == 0 ? "" : u->name);
}

void pl_number_format(const struct pl_option *o, int64_t v, char *out)
{
    if (o->type == PL_OPT_SIZE)
        united_format(v, size_units, out);
    else if (o->type == PL_OPT_DURATION)
        united_format(v, duration_units, out);
    else
        snprintf(out, PL_NUMBER_TEXT, "%" PRId64, v);
}

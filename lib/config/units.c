/* SPDX-License-Identifier: Apache-2.0 */
/*
 * units.c - numbers, sizes ("64MiB") and durations ("15m"): parsed and formatted.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/config/internal.h"

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

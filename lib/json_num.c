/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_num.c - exact values of JSON's numbers.
 *
 * Layer: libc. The idea: a literal is a row of digits and the place of the decimal point in it; with
 * that, 1.50e1 and 15 are the same thing, and "is it an integer" and "does it fit" are questions
 * about digits, never about rounded doubles. The reader has checked the grammar.
 */
#include "json.h"

#include "json_text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

/* Literals up to this many digits cannot overflow a uint64_t. */
#define U64_DIGITS_SAFE 19

/* No double needs more than 767 significant digits to tell it from the middle between two others
 * (2^-1074 is the worst); of what follows, it matters only whether any of it is not zero. */
#define F64_DIGITS_MAX 800

/* Beyond this the exponent decides alone, however many digits there are: a document is shorter. */
#define EXPONENT_MAX (INT64_MAX / 4)

/* Every integer up to here is exactly a double. */
#define F64_INTEGER_MAX (UINT64_C(1) << DBL_MANT_DIG)

/* A literal taken apart: the value is 0.DIGITS * 10^point, where DIGITS are the digits from `p` on
 * (a '.' among them is to be passed over), without zeros in front. */
struct digits {
    const char *p, *end;
    int64_t point;
};

static bool byte_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static int64_t exponent_parse(const char *p, const char *end)
{
    bool negative = *p == '-';
    int64_t value = 0;

    if (*p == '-' || *p == '+')
        p++;
    for (; p < end && value < EXPONENT_MAX / 10; p++)
        value = value * 10 + (*p - '0');
    if (p < end)
        value = EXPONENT_MAX;
    return negative ? -value : value;
}

static struct digits digits_of(const struct pl_json_num *n)
{
    const char *end = n->p + n->len;
    struct digits d = {.p = n->p + n->negative};
    const char *p = d.p;

    while (p < end && byte_is_digit(*p))
        p++;
    d.point = p - d.p;
    if (p < end && *p == '.') {
        do
            p++;
        while (p < end && byte_is_digit(*p));
    }
    d.end = p;
    if (p < end)
        d.point += exponent_parse(p + 1, end);

    for (; d.p < d.end && (*d.p == '0' || *d.p == '.'); d.p++)
        d.point -= *d.p == '0';
    return d;
}

/* The literal without its sign as an integer. */
static enum pl_json_num_result magnitude_slow(const struct pl_json_num *n, uint64_t *ret_value)
{
    struct digits d = digits_of(n);
    const char *p = d.p;
    uint64_t value = 0;

    if (d.p == d.end) {
        *ret_value = 0;
        return PL_JSON_NUM_OK;
    }
    /* There is a digit that is not zero in front, so a value with 21 places fits no more. */
    if (d.point > 20)
        return PL_JSON_NUM_RANGE;
    for (int64_t i = 0; i < d.point; i++) {
        if (p < d.end && *p == '.')
            p++;
        unsigned digit = p < d.end ? (unsigned)(*p++ - '0') : 0;
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, digit, &value))
            return PL_JSON_NUM_RANGE;
    }
    for (; p < d.end; p++) {
        if (*p != '0' && *p != '.') {
            *ret_value = value;
            return PL_JSON_NUM_PRECISION;
        }
    }
    *ret_value = value;
    return PL_JSON_NUM_OK;
}

/* The same with the usual case in front. On PRECISION, *ret_value is the integer part. */
static inline enum pl_json_num_result magnitude(const struct pl_json_num *n, uint64_t *ret_value)
{
    const char *p = n->p + n->negative, *end = n->p + n->len;

    if (!n->integer || end - p > U64_DIGITS_SAFE)
        return magnitude_slow(n, ret_value);
    uint64_t value = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; end - p >= 8; p += 8)
        value = value * 100000000 + json_word_digits_value(json_word_load(p));
#endif
    for (; p < end; p++)
        value = value * 10 + (unsigned)(*p - '0');
    *ret_value = value;
    return PL_JSON_NUM_OK;
}

enum pl_json_num_result pl_json_num_u64(const struct pl_json_num *n, uint64_t *ret_value)
{
    uint64_t value;
    enum pl_json_num_result result = magnitude(n, &value);

    if (result == PL_JSON_NUM_RANGE || (n->negative && value > 0))
        return PL_JSON_NUM_RANGE;
    if (result == PL_JSON_NUM_OK)
        *ret_value = value;
    return result;
}

enum pl_json_num_result pl_json_num_i64(const struct pl_json_num *n, int64_t *ret_value)
{
    uint64_t value;
    enum pl_json_num_result result = magnitude(n, &value);

    if (result == PL_JSON_NUM_RANGE || value > (uint64_t)INT64_MAX + n->negative)
        return PL_JSON_NUM_RANGE;
    if (result == PL_JSON_NUM_OK)
        *ret_value = n->negative ? (int64_t)(0 - value) : (int64_t)value;
    return result;
}

/* Clinger's fast path: when mantissa and power of ten are both exactly doubles, the one rounding of
 * the one operation is the right rounding. */
static bool f64_fast(const struct digits *d, double *ret_value)
{
#if FLT_EVAL_METHOD == 0
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const int64_t power_max = PL_COUNT(powers) - 1;
    uint64_t mantissa = 0;
    int64_t digits = 0;

    /* A '.' is among these bytes at most once. */
    if (d->end - d->p > U64_DIGITS_SAFE + 1)
        return false;
    for (const char *p = d->p; p < d->end; p++) {
        if (*p != '.') {
            mantissa = mantissa * 10 + (unsigned)(*p - '0');
            digits++;
        }
    }
    int64_t exponent = d->point - digits;
    if (mantissa > F64_INTEGER_MAX || digits > U64_DIGITS_SAFE || exponent > power_max ||
        exponent < -power_max)
        return false;
    double value = (double)mantissa;
    *ret_value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    return true;
#else
    (void)d, (void)ret_value;
    return false;
#endif
}

/* strtod() is right for every literal, but wants a terminated copy and asks the locale for the
 * decimal point: it gets neither a point nor the process's locale. */
static double f64_slow(const struct digits *d)
{
    char text[F64_DIGITS_MAX + 32];
    size_t len = 0;
    bool rest = false;

    for (const char *p = d->p; p < d->end; p++) {
        if (*p == '.')
            continue;
        if (len < F64_DIGITS_MAX)
            text[len++] = *p;
        else
            rest |= *p != '0';
    }
    int64_t exponent = d->point - (int64_t)len;
    if (rest) {
        text[len++] = '1';
        exponent--;
    }
    /* With at most 801 digits, these bounds are infinity and zero already. */
    if (exponent > 9999)
        exponent = 9999;
    if (exponent < -9999)
        exponent = -9999;
    snprintf(text + len, sizeof(text) - len, "e%d", (int)exponent);

    /* In glibc "C" is a constant: nothing is allocated here. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = c_locale ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
    if (c_locale)
        freelocale(c_locale);
    return value;
}

/* Whether the double that an integer literal was rounded to has just the literal's digits. */
static bool f64_holds(double value, const struct digits *d)
{
    char text[DBL_MAX_10_EXP + 3];
    int len = snprintf(text, sizeof(text), "%.0f", value);

    return len == d->end - d->p && memcmp(text, d->p, (size_t)len) == 0;
}

enum pl_json_num_result pl_json_num_f64(const struct pl_json_num *n, double *ret_value)
{
    struct digits d = digits_of(n);
    double value = 0;

    if (d.p < d.end && !f64_fast(&d, &value)) {
        value = f64_slow(&d);
        if (isinf(value))
            return PL_JSON_NUM_RANGE;
        if (n->integer && !f64_holds(value, &d))
            return PL_JSON_NUM_PRECISION;
    }
    *ret_value = n->negative ? -value : value;
    return PL_JSON_NUM_OK;
}

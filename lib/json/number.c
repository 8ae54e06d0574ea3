/* SPDX-License-Identifier: Apache-2.0 */
/*
 * number.c - exact values of JSON's numbers.
 *
 * A literal is its digits and the place of the decimal point: 1.50e1 and 15 are the same, and
 * whether it is an integer or fits is decided by digits, never by rounded doubles. The reader has
 * checked the grammar.
 */
#include "lib/json/reader.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

/* Literals up to this many digits cannot overflow a uint64_t. */
#define U64_DIGITS_SAFE 19

/* No double needs more than 767 significant digits to tell it from the middle between two others
 * (2^-1074 is the worst); of further digits it only matters whether one is not zero. */
#define F64_DIGITS_MAX 800

/* Beyond this the exponent alone decides: a document has fewer digits. */
#define EXPONENT_MAX (INT64_MAX / 4)

/* Every integer up to here is exactly a double. */
#define F64_INTEGER_MAX (UINT64_C(1) << DBL_MANT_DIG)

/* The value is 0.DIGITS * 10^point, where DIGITS are the digits from `p` on (a '.' among them is
 * skipped), without leading zeros. */
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

/* The literal without its sign, times 10^scale, as an integer. */
static enum pl_json_num_result magnitude_slow(const struct pl_json_num *n, int scale,
                                              uint64_t *ret_value)
{
    struct digits d = digits_of(n);
    d.point += scale;
    const char *p = d.p;
    uint64_t value = 0;
    /* The first digit is not zero, so a value with 21 places does not fit. */
    if (d.p < d.end && d.point > 20)
        return PL_JSON_NUM_RANGE;
    if (d.p == d.end)
        d.point = 0;
    for (int64_t i = 0; i < d.point; i++) {
        if (p < d.end && *p == '.')
            p++;
        unsigned digit = p < d.end ? (unsigned)(*p++ - '0') : 0;
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, digit, &value))
            return PL_JSON_NUM_RANGE;
    }
    *ret_value = value;
    while (p < d.end && (*p == '0' || *p == '.'))
        p++;
    return p < d.end ? PL_JSON_NUM_PRECISION : PL_JSON_NUM_OK;
}

/* The same, the usual case first. On PRECISION, *ret_value is the integer part. */
static inline enum pl_json_num_result magnitude(const struct pl_json_num *n, uint64_t *ret_value)
{
    const char *p = n->p + n->negative, *end = n->p + n->len;
    if (!n->integer || end - p > U64_DIGITS_SAFE)
        return magnitude_slow(n, 0, ret_value);
    uint64_t value = 0;
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

static enum pl_json_num_result with_sign(const struct pl_json_num *n,
                                         enum pl_json_num_result result, uint64_t value,
                                         int64_t *ret_value)
{
    if (result == PL_JSON_NUM_RANGE || value > (uint64_t)INT64_MAX + n->negative)
        return PL_JSON_NUM_RANGE;
    if (result == PL_JSON_NUM_OK)
        *ret_value = n->negative ? (int64_t)(0 - value) : (int64_t)value;
    return result;
}

enum pl_json_num_result pl_json_num_i64(const struct pl_json_num *n, int64_t *ret_value)
{
    uint64_t value;
    enum pl_json_num_result result = magnitude(n, &value);
    return with_sign(n, result, value, ret_value);
}

enum pl_json_num_result pl_json_num_scaled(const struct pl_json_num *n, int scale,
                                           int64_t *ret_value)
{
    uint64_t value;
    enum pl_json_num_result result = magnitude_slow(n, scale, &value);
    return with_sign(n, result, value, ret_value);
}

/* value * factor + add; false: it does not fit. */
static bool wide_multiply_add(uint32_t value[8], uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (unsigned i = 0; i < 8; i++) {
        carry += (uint64_t)value[i] * factor;
        value[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return carry == 0;
}

enum pl_json_num_result pl_json_num_wide(const struct pl_json_num *n, unsigned scale,
                                         unsigned digits_max, uint32_t ret_value[8])
{
    const uint32_t chunk_max = 1000000000;
    struct digits d = digits_of(n);
    const char *p = d.p;
    int64_t places = d.p < d.end ? d.point + (int64_t)scale : 0;
    uint32_t value[8] = {0}, chunk = 0, factor = 1;
    if (places > (int64_t)digits_max)
        return PL_JSON_NUM_RANGE;
    for (int64_t i = 0; i < places; i++) {
        if (p < d.end && *p == '.')
            p++;
        chunk = chunk * 10 + (p < d.end ? (unsigned)(*p++ - '0') : 0);
        factor *= 10;
        if (factor < chunk_max)
            continue;
        if (!wide_multiply_add(value, factor, chunk))
            return PL_JSON_NUM_RANGE;
        chunk = 0;
        factor = 1;
    }
    if (!wide_multiply_add(value, factor, chunk))
        return PL_JSON_NUM_RANGE;
    memcpy(ret_value, value, sizeof(value));
    while (p < d.end && (*p == '0' || *p == '.'))
        p++;
    return p < d.end ? PL_JSON_NUM_PRECISION : PL_JSON_NUM_OK;
}

#ifdef __SIZEOF_INT128__
/* 5^27 is the last power of five below 2^63. */
#define POWER_OF_FIVE_MAX 27

static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(DBL_MAX_EXP - 1 + exponent) << (DBL_MANT_DIG - 1);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* mantissa * 10^exponent for a mantissa that is not 0 and a small exponent, rounded once. The value
 * is cut to 63 or 64 bits and a bit that says whether anything was lost; the conversion to double
 * rounds that as it would round the whole. 10^n is 5^n * 2^n, and a power of two is exact. */
static double f64_scale_wide(uint64_t mantissa, int exponent)
{
    uint64_t five = 1;
    for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--)
        five *= 5;
    unsigned __int128 rest;
    unsigned __int128 wide;
    if (exponent < 0) {
        int up = __builtin_clzll(mantissa), down = __builtin_clzll(five);
        unsigned __int128 dividend = (unsigned __int128)(mantissa << up) << 63;
        uint64_t divisor = five << down;
        wide = dividend / divisor;
        rest = dividend % divisor;
        exponent += down - up - 63;
    } else {
        unsigned __int128 product = (unsigned __int128)mantissa * five;
        uint64_t high = (uint64_t)(product >> 64);
        int shift = high > 0 ? 64 - __builtin_clzll(high) : 0;
        wide = product >> shift;
        rest = product - (wide << shift);
        exponent += shift;
    }
    return (double)((uint64_t)wide | (rest != 0)) * power_of_two(exponent);
}
#endif

/* mantissa * 10^exponent, rightly rounded; false where that takes strtod(). */
static bool f64_scale(uint64_t mantissa, int64_t exponent, double *ret_value)
{
#if FLT_EVAL_METHOD == 0
    /* Clinger's fast path: when mantissa and power of ten are both exactly doubles, the one
     * rounding of the one operation is the right rounding. */
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const int64_t power_max = PL_COUNT(powers) - 1;
    if (mantissa <= F64_INTEGER_MAX && exponent <= power_max && exponent >= -power_max) {
        double value = (double)mantissa;
        *ret_value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
        return true;
    }
#ifdef __SIZEOF_INT128__
    if (mantissa > 0 && exponent <= POWER_OF_FIVE_MAX && exponent >= -POWER_OF_FIVE_MAX) {
        *ret_value = f64_scale_wide(mantissa, (int)exponent);
        return true;
    }
#endif
#endif
    (void)mantissa, (void)exponent, (void)ret_value;
    return false;
}

/* The usual literal: no exponent, and few enough digits for an integer. */
static bool f64_usual(const struct pl_json_num *n, double *ret_value)
{
    const char *p = n->p + n->negative, *end = n->p + n->len, *point = NULL;
    uint64_t mantissa = 0;
    if (end - p > U64_DIGITS_SAFE)
        return false;
    for (; p < end; p++) {
        if (byte_is_digit(*p))
            mantissa = mantissa * 10 + (unsigned)(*p - '0');
        else if (*p == '.')
            point = p;
        else
            return false;
    }
    /* An integer beyond 2^53 may not be a double. */
    if (n->integer && mantissa > F64_INTEGER_MAX)
        return false;
    return f64_scale(mantissa, point ? point + 1 - end : 0, ret_value);
}

static bool f64_fast(const struct digits *d, double *ret_value)
{
    uint64_t mantissa = 0;
    int digits = 0;
    if (d->end - d->p > U64_DIGITS_SAFE + 1) /* one may be a '.' */
        return false;
    for (const char *p = d->p; p < d->end; p++) {
        if (*p != '.') {
            mantissa = mantissa * 10 + (unsigned)(*p - '0');
            digits++;
        }
    }
    return digits <= U64_DIGITS_SAFE && f64_scale(mantissa, d->point - digits, ret_value);
}

/* strtod() is right for every literal, but needs a terminated copy and the locale's decimal point:
 * it gets neither a point nor the process's locale. */
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

/* Whether the value is an integer with all its digits written: 17, 17.0 and 1.7e1, not 17e3. */
static bool integer_is_written(const struct digits *d)
{
    int64_t place = 0;
    for (const char *p = d->p; p < d->end; p++)
        if (*p != '.' && ++place > d->point && *p != '0')
            return false;
    return d->p == d->end || place >= d->point;
}

/* Whether the double that such an integer was rounded to has exactly its digits. */
static bool f64_holds(double value, const struct digits *d)
{
    char text[DBL_MAX_10_EXP + 3];
    int len = snprintf(text, sizeof(text), "%.0f", value);
    const char *p = d->p;
    if (len != d->point)
        return false;
    for (int i = 0; i < len; i++, p++) {
        p += *p == '.';
        if (*p != text[i])
            return false;
    }
    return true;
}

enum pl_json_num_result pl_json_num_f64(const struct pl_json_num *n, double *ret_value)
{
    double value = 0;
    if (!f64_usual(n, &value)) {
        struct digits d = digits_of(n);
        if (d.p < d.end && !f64_fast(&d, &value))
            value = f64_slow(&d);
        if (isinf(value))
            return PL_JSON_NUM_RANGE;
        if (n->integer && d.p < d.end && !f64_holds(value, &d))
            return PL_JSON_NUM_PRECISION;
    }
    *ret_value = n->negative ? -value : value;
    return PL_JSON_NUM_OK;
}

bool pl_json_num_is_integer(const struct pl_json_num *n)
{
    if (n->integer)
        return true;
    struct digits d = digits_of(n);
    return integer_is_written(&d);
}

enum pl_json_num_result pl_json_num_f64_exact(const struct pl_json_num *n, double *ret_value)
{
    double value;
    enum pl_json_num_result result = pl_json_num_f64(n, &value);
    if (result != PL_JSON_NUM_OK)
        return result;
    if (!n->integer && fabs(value) >= (double)F64_INTEGER_MAX) {
        struct digits d = digits_of(n);
        if (integer_is_written(&d) && !f64_holds(fabs(value), &d))
            return PL_JSON_NUM_PRECISION;
    }
    *ret_value = value;
    return PL_JSON_NUM_OK;
}

/* The next digit, 0 behind the last. */
static char digit_take(struct digits *d)
{
    if (d->p < d->end && *d->p == '.')
        d->p++;
    return d->p < d->end ? *d->p++ : '0';
}

/* Without their signs. */
static int magnitude_compare(struct digits a, struct digits b)
{
    bool none_a = a.p == a.end, none_b = b.p == b.end;
    if (none_a || none_b)
        return none_b - none_a;
    if (a.point != b.point)
        return a.point < b.point ? -1 : 1;
    while (a.p < a.end || b.p < b.end) {
        char x = digit_take(&a), y = digit_take(&b);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

int pl_json_num_compare(const struct pl_json_num *a, const struct pl_json_num *b)
{
    struct digits x = digits_of(a), y = digits_of(b);
    bool negative_x = a->negative && x.p < x.end, negative_y = b->negative && y.p < y.end;
    if (negative_x != negative_y)
        return negative_x ? -1 : 1;
    return negative_x ? magnitude_compare(y, x) : magnitude_compare(x, y);
}

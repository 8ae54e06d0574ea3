/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_number.c - numbers: integers that fit or not, doubles rounded rightly, in any locale.
 */
#include "lib/json/reader.h"
#include "tests/unit/unit.h"

#include <locale.h>
#include <stdio.h>

#define OK        PL_JSON_NUM_OK
#define RANGE     PL_JSON_NUM_RANGE
#define PRECISION PL_JSON_NUM_PRECISION

static struct pl_json_num number_read(const char *text)
{
    struct pl_json j;
    struct pl_json_num n;

    pl_json_init(&j, text, strlen(text), 0);
    ck_assert_msg(pl_json_number(&j, &n) && pl_json_end(&j), "%s", text);
    return n;
}

#define ZEROS_20 "00000000000000000000"

static const struct {
    const char *text;
    enum pl_json_num_result i64, u64;
    int64_t i;
    uint64_t u;
} integers[] = {
    {"0", OK, OK, 0, 0},
    {"-0", OK, OK, 0, 0},
    {"-0.0", OK, OK, 0, 0},
    {"0e999999999999999999999", OK, OK, 0, 0},
    {"0.000e5", OK, OK, 0, 0},
    {"1", OK, OK, 1, 1},
    {"1234567", OK, OK, 1234567, 1234567},
    {"12345678", OK, OK, 12345678, 12345678},
    {"-98765432109", OK, RANGE, -98765432109, 0},
    {"9876543210987654", OK, OK, 9876543210987654, 9876543210987654},
    {"1234567890123456789", OK, OK, 1234567890123456789, 1234567890123456789},
    {"-1", OK, RANGE, -1, 0},
    {"1.0", OK, OK, 1, 1},
    {"1e3", OK, OK, 1000, 1000},
    {"1E+3", OK, OK, 1000, 1000},
    {"-1.50e1", OK, RANGE, -15, 0},
    {"1200e-2", OK, OK, 12, 12},
    {"0.00012e5", OK, OK, 12, 12},
    {"12.5", PRECISION, PRECISION, 0, 0},
    {"-12.5", PRECISION, RANGE, 0, 0},
    {"-0.5", PRECISION, PRECISION, 0, 0},
    {"0.1", PRECISION, PRECISION, 0, 0},
    {"1e-1", PRECISION, PRECISION, 0, 0},
    {"1e-400", PRECISION, PRECISION, 0, 0},
    {"1e-99999999999999999999999999", PRECISION, PRECISION, 0, 0},
    {"12345e-3", PRECISION, PRECISION, 0, 0},
    {"9223372036854775807", OK, OK, INT64_MAX, INT64_MAX},
    {"9223372036854775808", RANGE, OK, 0, UINT64_C(9223372036854775808)},
    {"-9223372036854775808", OK, RANGE, INT64_MIN, 0},
    {"-9223372036854775809", RANGE, RANGE, 0, 0},
    {"9223372036854775807.0", OK, OK, INT64_MAX, INT64_MAX},
    {"9223372036854775807.5", PRECISION, PRECISION, 0, 0},
    {"-9223372036854775808.5", PRECISION, RANGE, 0, 0},
    {"9223372036854775808.5", RANGE, PRECISION, 0, 0},
    {"922337203685477580.7e1", OK, OK, INT64_MAX, INT64_MAX},
    {"18446744073709551615", RANGE, OK, 0, UINT64_MAX},
    {"18446744073709551616", RANGE, RANGE, 0, 0},
    {"1844674407370955161.5e1", RANGE, OK, 0, UINT64_MAX},
    {"99999999999999999999", RANGE, RANGE, 0, 0},
    {"100000000000000000000", RANGE, RANGE, 0, 0},
    {"123456789012345678901234567890", RANGE, RANGE, 0, 0},
    {"1e18", OK, OK, INT64_C(1000000000000000000), UINT64_C(1000000000000000000)},
    {"1e19", RANGE, OK, 0, UINT64_C(10000000000000000000)},
    {"1e20", RANGE, RANGE, 0, 0},
    {"1e400", RANGE, RANGE, 0, 0},
    {"-1e99999999999999999999999999", RANGE, RANGE, 0, 0},
    {"1" ZEROS_20 "e-20", OK, OK, 1, 1},
    {"1" ZEROS_20 ZEROS_20 "e-40", OK, OK, 1, 1},
    {"0." ZEROS_20 "1e21", OK, OK, 1, 1},
    {"1." ZEROS_20 ZEROS_20, OK, OK, 1, 1},
    {"1." ZEROS_20 ZEROS_20 "1", PRECISION, PRECISION, 0, 0},
};

START_TEST(test_integers)
{
    for (size_t k = 0; k < PL_COUNT(integers); k++) {
        struct pl_json_num n = number_read(integers[k].text);
        int64_t i = 4711;
        uint64_t u = 4711;
        ck_assert_msg(pl_json_num_i64(&n, &i) == integers[k].i64, "%s", integers[k].text);
        ck_assert_msg(pl_json_num_u64(&n, &u) == integers[k].u64, "%s", integers[k].text);
        ck_assert_int_eq(i, integers[k].i64 == OK ? integers[k].i : 4711);
        ck_assert_uint_eq(u, integers[k].u64 == OK ? integers[k].u : 4711);
    }
}
END_TEST

static const struct {
    const char *text;
    enum pl_json_num_result result;
    double value;
} doubles[] = {
    {"0", OK, 0.0},
    {"-0", OK, -0.0},
    {"-0.0", OK, -0.0},
    {"0e400", OK, 0.0},
    {"1", OK, 1.0},
    {"-1.5", OK, -1.5},
    {"0.1", OK, 0.1},
    {"123.456", OK, 123.456},
    {"1e22", OK, 1e22},
    {"1e23", OK, 1e23},
    {"1e-22", OK, 1e-22},
    {"1e-23", OK, 1e-23},
    {"9007199254740992", OK, 9007199254740992.0},
    {"9007199254740993", PRECISION, 0},
    {"-9007199254740993", PRECISION, 0},
    {"9007199254740994", OK, 9007199254740994.0},
    {"9007199254740993.0", OK, 9007199254740992.0},
    {"9007199254740993.000000000000000000001", OK, 9007199254740994.0},
    {"18446744073709551615", PRECISION, 0},
    {"18446744073709551616", OK, 18446744073709551616.0},
    {"1180591620717411303424", OK, 0x1p70},
    {"1180591620717411303425", PRECISION, 0},
    {"100000000000000000000000", PRECISION, 0},
    {"10000000000000000000000", OK, 1e22},
    {"1e400", RANGE, 0},
    {"-1e400", RANGE, 0},
    {"1e309", RANGE, 0},
    {"1e99999999999999999999999999", RANGE, 0},
    {"1.7976931348623157e308", OK, 1.7976931348623157e308},
    {"1.7976931348623158e308", OK, 1.7976931348623157e308},
    {"1.797693134862315808e308", RANGE, 0},
    {"17976931348623157e292", OK, 1.7976931348623157e308},
    {"5e-324", OK, 5e-324},
    {"4.9406564584124654e-324", OK, 5e-324},
    {"2.4703282292062327e-324", OK, 0.0},
    {"2.4703282292062328e-324", OK, 5e-324},
    {"2.2250738585072011e-308", OK, 2.2250738585072011e-308},
    {"2.2250738585072014e-308", OK, 2.2250738585072014e-308},
    {"1e-400", OK, 0.0},
    {"-1e-400", OK, -0.0},
    {"1e-99999999999999999999999999", OK, 0.0},
    {"8.533e+68", OK, 8.533e+68},
    {"7.3177701707893310e+15", OK, 7.3177701707893310e+15},
    {"3.141592653589793238462643383279502884197169399375105820974944592307", OK,
     0x1.921fb54442d18p1},
    {"0.00000000000000000000000000000000000001e38", OK, 1.0},
};

/* As if the scale were the literal's exponent. */
/* In ascending order; those of a line are equal. */
static const char *const ordered[][4] = {
    {"-1e400", "-10e399"},
    {"-18446744073709551616"},
    {"-18446744073709551615", "-184467440737095516150e-1"},
    {"-2"},
    {"-1.5", "-15e-1", "-0.15E+1"},
    {"-1e-400"},
    {"0", "-0", "0.00", "-0e5"},
    {"1e-400", "0.1e-399"},
    {"0.1"},
    {"0.10000000000000000001"},
    {"1", "1.0", "10e-1", "0.001e3"},
    {"1.00000000000000000000000001"},
    {"9"},
    {"10", "1e1"},
    {"9007199254740992"},
    {"9007199254740993", "9007199254740993.0"},
    {"1e400"},
};

START_TEST(test_compare)
{
    for (size_t i = 0; i < PL_COUNT(ordered); i++)
        for (size_t k = 0; k < PL_COUNT(ordered); k++)
            for (size_t n = 0; n < 16; n++) {
                const char *a = ordered[i][n / 4], *b = ordered[k][n % 4];
                if (!a || !b)
                    continue;
                struct pl_json_num x = number_read(a), y = number_read(b);
                ck_assert_msg(pl_json_num_compare(&x, &y) == (i > k) - (i < k), "%s %s", a, b);
            }
}
END_TEST

START_TEST(test_scaled)
{
    for (unsigned i = 0; i < PL_COUNT(integers); i++) {
        const char *plain = integers[i].text;
        struct pl_json_num n = number_read(plain);
        for (int scale = -32; scale <= 32 && !strpbrk(plain, "eE"); scale++) {
            PL_FREE char *text = pl_strf("%se%d", plain, scale);
            struct pl_json_num with_exponent = number_read(text);
            int64_t want = 7, got = 7;
            ck_assert_int_eq(pl_json_num_scaled(&n, scale, &got),
                             pl_json_num_i64(&with_exponent, &want));
            ck_assert_msg(got == want, "%s", text);
        }
    }
}
END_TEST

/* As the narrow ones say, where those hold the value; the ends of 256 bits and of the digits. */
START_TEST(test_wide)
{
    uint32_t v[8];
    for (unsigned i = 0; i < PL_COUNT(integers); i++) {
        struct pl_json_num n = number_read(integers[i].text);
        uint64_t narrow;
        enum pl_json_num_result want = pl_json_num_u64(&n, &narrow);
        if (n.negative)
            continue;
        enum pl_json_num_result got = pl_json_num_wide(&n, 0, 78, v);
        ck_assert_msg(got == want || want == RANGE, "%s", integers[i].text);
        for (unsigned k = 0; got == OK && want == OK && k < 8; k++)
            ck_assert_uint_eq(v[k], k < 2 ? (uint32_t)(narrow >> 32 * k) : 0);
    }
#define TWO_256 "11579208923731619542357098500868790785326998466564056403945758400791312963993"
    static const struct {
        const char *text;
        unsigned scale, digits_max;
        enum pl_json_num_result result;
        uint32_t low, high;
    } cases[] = {
        {TWO_256 "5", 0, 78, OK, UINT32_MAX, UINT32_MAX},
        {"-" TWO_256 "5", 0, 78, OK, UINT32_MAX, UINT32_MAX},
        {"1." TWO_256 "5", 0, 78, PRECISION, 1, 0},
        {TWO_256 "6", 0, 78, RANGE, 0, 0},
        {TWO_256 "5e-76", 76, 78, OK, UINT32_MAX, UINT32_MAX},
        {TWO_256 "5e-77", 76, 78, PRECISION, 0x99999999, 0x19999999},
        {"999999999999999999999999999999999999999999999999999999999999999999999999999999", 0, 78,
         RANGE, 0, 0},
        {"123", 0, 2, RANGE, 0, 0},
        {"12.0", 0, 2, OK, 12, 0},
        {"0.0012e3", 1, 2, OK, 12, 0},
        {"1.2", 2, 2, RANGE, 0, 0},
        {"0.12", 2, 2, OK, 12, 0},
        {"0.125", 2, 2, PRECISION, 12, 0},
        {"0e99999999999999999999", 76, 1, OK, 0, 0},
        {"0.000", 0, 1, OK, 0, 0},
        {"1e-99999999999999999999", 76, 76, PRECISION, 0, 0},
        {"1e99999999999999999999", 0, 78, RANGE, 0, 0},
        {"1000000001", 0, 78, OK, 1000000001, 0},
    };
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        struct pl_json_num n = number_read(cases[i].text);
        memset(v, 7, sizeof(v));
        ck_assert_msg(pl_json_num_wide(&n, cases[i].scale, cases[i].digits_max, v) ==
                          cases[i].result,
                      "%s", cases[i].text);
        uint32_t low = cases[i].result != RANGE ? cases[i].low : 0x07070707;
        uint32_t high = cases[i].result != RANGE ? cases[i].high : 0x07070707;
        ck_assert_uint_eq(v[0], low);
        ck_assert_uint_eq(v[7], high);
    }
}
END_TEST

START_TEST(test_doubles)
{
    for (size_t k = 0; k < PL_COUNT(doubles); k++) {
        struct pl_json_num n = number_read(doubles[k].text);
        double d = 4711;
        double expected = doubles[k].result == OK ? doubles[k].value : 4711;
        ck_assert_msg(pl_json_num_f64(&n, &d) == doubles[k].result, "%s", doubles[k].text);
        /* Bytes, because -0.0 == 0.0. */
        ck_assert_msg(memcmp(&d, &expected, sizeof(d)) == 0, "%s gave %a", doubles[k].text, d);
    }
}
END_TEST

static uint64_t random_next(uint64_t *state)
{
    /* xorshift64, Marsaglia 2003 */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Random bit patterns in several notations are read as strtod() reads them (this process is in the
 * C locale here). */
START_TEST(test_doubles_random)
{
    static const int places[] = {17, 15, 16, 6, 3, 25, 9};
    uint64_t state = UINT64_C(88172645463325252);

    for (unsigned k = 0; k < 200000; k++) {
        char text[512];
        double value, got;
        uint64_t bits = random_next(&state);
        /* Half of them in the range of everyday numbers, where the fast path is. */
        if (k % 2 == 0)
            bits = (bits & ~(UINT64_C(0x7FF) << 52)) | (UINT64_C(990) + bits % 80) << 52;
        memcpy(&value, &bits, sizeof(value));
        if (value - value != 0) /* neither NaN nor infinity */
            continue;
        int digits = places[k % PL_COUNT(places)];
        if (k % 3 == 0)
            snprintf(text, sizeof(text), "%.*g", digits, value);
        else if (k % 3 == 1)
            snprintf(text, sizeof(text), "%.*e", digits, value);
        else
            snprintf(text, sizeof(text), "%.*f", digits, value);
        struct pl_json_num n = number_read(text);
        double expected = strtod(text, NULL);
        enum pl_json_num_result result = pl_json_num_f64(&n, &got);
        if (result != OK) {
            ck_assert_msg(n.integer || expected - expected != 0, "%s", text);
            continue;
        }
        ck_assert_msg(memcmp(&got, &expected, sizeof(got)) == 0, "%s", text);
    }
}
END_TEST

/* Whatever the spelling, an integer whose digits are all written is exact or refused. */
START_TEST(test_doubles_exact)
{
    static const struct {
        const char *text;
        bool integer;
        enum pl_json_num_result result;
        double value;
    } cases[] = {
        {"0.0", true, OK, 0},
        {"-0.0e9", true, OK, -0.0},
        {"0.5", false, OK, 0.5},
        {"1.7e1", true, OK, 17},
        {"1.70e1", true, OK, 17},
        {"170e-1", true, OK, 17},
        {"171e-1", false, OK, 17.1},
        {"17e3", false, OK, 17000},
        {"9007199254740992.0", true, OK, 9007199254740992.0},
        {"9007199254740993.0", true, PRECISION, 0},
        {"-9007199254740993.000", true, PRECISION, 0},
        {"9.007199254740993e15", true, PRECISION, 0},
        {"0.9007199254740993E+16", true, PRECISION, 0},
        {"9007199254740993000e-3", true, PRECISION, 0},
        {"9007199254740993.1", false, OK, 9007199254740994.0},
        {"9007199254740994.0", true, OK, 9007199254740994.0},
        {"9.007199254740994e15", true, OK, 9007199254740994.0},
        {"18446744073709551616.0", true, OK, 18446744073709551616.0},
        {"18446744073709551615.0", true, PRECISION, 0},
        {"1180591620717411303424.00", true, OK, 0x1p70},
        {"1e23", false, OK, 1e23},
        {"6.02214076e23", false, OK, 6.02214076e23},
        {"100000000000000000000000.0", true, PRECISION, 0},
        {"1e400", false, RANGE, 0},
    };
    for (size_t k = 0; k < PL_COUNT(cases); k++) {
        struct pl_json_num n = number_read(cases[k].text);
        double d = 4711, expected = cases[k].result == OK ? cases[k].value : 4711;
        ck_assert_msg(pl_json_num_f64_exact(&n, &d) == cases[k].result, "%s", cases[k].text);
        ck_assert_msg(memcmp(&d, &expected, sizeof(d)) == 0, "%s gave %a", cases[k].text, d);
        ck_assert_msg(pl_json_num_is_integer(&n) == cases[k].integer, "%s", cases[k].text);
    }
}
END_TEST

static void decimal_check(const char *text)
{
    struct pl_json_num n = number_read(text);
    double expected = strtod(text, NULL), got = 0;

    ck_assert_msg(pl_json_num_f64(&n, &got) == OK, "%s", text);
    ck_assert_msg(memcmp(&got, &expected, sizeof(got)) == 0, "%s gave %a, not %a", text, got,
                  expected);
}

/* Mantissas of all lengths up to 64 bits with small exponents, where no power of ten needs to be
 * rounded; and those just at, above and below the middle between two doubles. */
START_TEST(test_doubles_decimal)
{
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    char text[64];

    for (unsigned k = 0; k < 200000; k++) {
        uint64_t mantissa = random_next(&state) >> (k % 60);
        int exponent = (int)(random_next(&state) % 61) - 30;
        snprintf(text, sizeof(text), "%llue%d", (unsigned long long)mantissa, exponent);
        decimal_check(text);

        /* 54 bits, the last one set: the middle. With a factor of ten, its neighbours, too. */
        unsigned long long middle = (random_next(&state) >> 11 | UINT64_C(1) << 52) << 1 | 1;
        snprintf(text, sizeof(text), "%llu.0", middle);
        decimal_check(text);
        snprintf(text, sizeof(text), "%llu.%u", middle - k % 2, k % 2 ? 9 : 1);
        decimal_check(text);
        snprintf(text, sizeof(text), "%llue-2", middle * 100 + k % 3 - 1);
        decimal_check(text);
        snprintf(text, sizeof(text), "%llue%u", middle, 1 + k % 12);
        decimal_check(text);
    }
}
END_TEST

/* Halfway between two doubles, the 1000th digit decides. */
START_TEST(test_doubles_many_digits)
{
    struct pl_buf b = {0};
    double d;

    pl_buf_add_str(&b, "9007199254740993.");
    for (unsigned i = 0; i < 5000; i++)
        pl_buf_add_byte(&b, '0');
    struct pl_json_num n = number_read(pl_buf_cstr(&b));
    ck_assert_int_eq(pl_json_num_f64(&n, &d), OK);
    ck_assert_double_eq(d, 9007199254740992.0);
    pl_buf_add_byte(&b, '1');
    n = number_read(pl_buf_cstr(&b));
    ck_assert_int_eq(pl_json_num_f64(&n, &d), OK);
    ck_assert_double_eq(d, 9007199254740994.0);

    /* 2^1023 has 308 digits; as a literal with 5,000 more, it is out of range. */
    pl_buf_reset(&b);
    pl_buf_addf(&b, "%.0f", 0x1p1023);
    n = number_read(pl_buf_cstr(&b));
    ck_assert_int_eq(pl_json_num_f64(&n, &d), OK);
    ck_assert_double_eq(d, 0x1p1023);
    b.data[b.len - 1] ^= 1;
    n = number_read(pl_buf_cstr(&b));
    ck_assert_int_eq(pl_json_num_f64(&n, &d), PRECISION);
    for (unsigned i = 0; i < 5000; i++)
        pl_buf_add_byte(&b, '0');
    n = number_read(pl_buf_cstr(&b));
    ck_assert_int_eq(pl_json_num_f64(&n, &d), RANGE);
    pl_buf_add_str(&b, "e-5308");
    n = number_read(pl_buf_cstr(&b));
    ck_assert_int_eq(pl_json_num_f64(&n, &d), OK);
    ck_assert(d > 0.8 && d < 0.9);
    pl_buf_release(&b);
}
END_TEST

/* A process whose locale writes 1,5 reads 1.5 all the same. */
START_TEST(test_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    bool found = false;

    for (size_t i = 0; i < PL_COUNT(names) && !found; i++)
        found = setlocale(LC_ALL, names[i]) != NULL;
    if (!found)
        printf("check_json_num: no locale with a decimal comma here; run in \"%s\" only\n",
               setlocale(LC_ALL, NULL));
    struct pl_json_num fast = number_read("1.5"), slow = number_read("3.14159265358979323846");
    struct pl_json_num integer = number_read("1180591620717411303424");
    double d;
    ck_assert_int_eq(pl_json_num_f64(&fast, &d), OK);
    ck_assert_double_eq(d, 1.5);
    ck_assert_int_eq(pl_json_num_f64(&slow, &d), OK);
    ck_assert_double_eq(d, 0x1.921fb54442d18p1);
    ck_assert_int_eq(pl_json_num_f64(&integer, &d), OK);
    ck_assert_double_eq(d, 0x1p70);
    setlocale(LC_ALL, "C");
}
END_TEST

/* A slice of the input is not terminated: nothing behind it is read. */
START_TEST(test_bounds)
{
    static const char *const texts[] = {"12345", "1.5", "1e5", "3.14159265358979323846",
                                        "12345678901234567890123"};

    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        size_t len = strlen(texts[i]);
        char *copy = malloc(len);
        struct pl_json j;
        struct pl_json_num n;
        int64_t v;
        uint64_t u;
        double d, expected;
        memcpy(copy, texts[i], len);
        pl_json_init(&j, copy, len, 0);
        ck_assert(pl_json_number(&j, &n));
        pl_json_num_i64(&n, &v);
        pl_json_num_u64(&n, &u);
        expected = strtod(texts[i], NULL);
        if (pl_json_num_f64(&n, &d) == OK)
            ck_assert_double_eq(d, expected);
        free(copy);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_integers),       TEST(test_compare),         TEST(test_scaled),
        TEST(test_wide),           TEST(test_doubles),         TEST(test_doubles_exact),
        TEST(test_doubles_random), TEST(test_doubles_decimal), TEST(test_doubles_many_digits),
        TEST(test_locale),         TEST(test_bounds),
    };
    return unit_main("number", tests, PL_COUNT(tests));
}

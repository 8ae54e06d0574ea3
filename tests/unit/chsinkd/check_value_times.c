/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_value_times.c - numbers, texts and Kafka's timestamps into times: every scale and unit at
 * both ends of the range, one unit to each side, and where 64 bits would wrap. What is stored,
 * converted back, is what was given.
 *
 * links: chsinkd
 */
#include "lib/base/time_text.h"
#include "tests/unit/rows_fixture.h"

#define SCALES    10
#define MIN_S     INT64_C(-2208988800) /* 1900-01-01 */
#define END_S     INT64_C(10413792000) /* 2300-01-01 */
#define YEAR_7900 INT64_C(187133587200)

static const struct {
    const char *name;
    unsigned digits;
} units[] = {{"s", 0}, {"ms", 3}, {"us", 6}, {"ns", 9}};

static __int128 power(unsigned n)
{
    __int128 v = 1;
    while (n-- > 0)
        v *= 10;
    return v;
}

static __int128 floor_div(__int128 a, __int128 b)
{
    return a / b - (a % b < 0);
}

static const char *column(const char *type, int scale, const char *rest)
{
    static char text[160];
    char args[16] = "";
    if (scale >= 0)
        snprintf(args, sizeof(args), "(%d)", scale);
    snprintf(text, sizeof(text), "columns:\n  - {name: v, type: \"%s%s\", %s}\n", type, args, rest);
    return text;
}

/* The only value of the block, or false: the message was refused. */
static bool stored(struct fixture *f, const struct rows_message *m, int64_t *ret)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf bytes = {0};
    struct native native;
    uint64_t v = 0;
    block_reset(f->block);
    if (rows_decode(f->rows, m, NULL, f->block, on_reject, f) == 0)
        return false;
    block_native(f->block, &bytes);
    ck_assert(native_read(bytes.data, bytes.len, &native));
    const struct native_column *c = &native.columns[0];
    memcpy(&v, c->data, c->width); /* little-endian, like the machine */
    *ret = (int64_t)v;
    native_release(&native);
    return true;
}

static bool stored_json(struct fixture *f, const char *value, int64_t *ret)
{
    PL_FREE char *json = pl_strf("{\"v\":%s}", value);
    const struct rows_message m = {.topic = "t", .value = json, .value_len = strlen(json)};
    return stored(f, &m, ret);
}

/* A number in a unit; `scale` -1: DateTime. */
static void number_check(struct fixture *f, int scale, unsigned digits, __int128 in)
{
    if (in < INT64_MIN || in > INT64_MAX)
        return;
    char text[24];
    unsigned to = scale < 0 ? 0 : (unsigned)scale;
    int64_t got;
    snprintf(text, sizeof(text), "%lld", (long long)in);
    __int128 seconds = floor_div(in, power(digits));
    __int128 want = in * power(to) / power(digits);
    bool exact = want * power(digits) == in * power(to);
    bool fits = scale < 0 ? seconds >= 0 && seconds <= UINT32_MAX
                          : seconds >= MIN_S && seconds < END_S && want <= INT64_MAX;
    bool taken = stored_json(f, text, &got);
    ck_assert_msg(taken == (exact && fits), "scale %d, 10^-%u s: %s is %s", scale, digits, text,
                  taken ? "taken" : "refused");
    if (taken) {
        ck_assert_msg(got == want, "scale %d, 10^-%u s: %s", scale, digits, text);
        ck_assert(got * power(digits) == in * power(to));
    }
}

static void around(struct fixture *f, int scale, unsigned digits, __int128 middle)
{
    for (int i = -2; i <= 2; i++)
        number_check(f, scale, digits, middle + i);
}

START_TEST(numbers)
{
    for (unsigned u = 0; u < PL_COUNT(units); u++) {
        unsigned digits = units[u].digits;
        PL_FREE char *rest = pl_strf("path: $.v, unit: %s", units[u].name);
        for (int scale = -1; scale < SCALES; scale++) {
            FIXTURE f = fixture_new(column(scale < 0 ? "DateTime" : "DateTime64", scale, rest));
            const __int128 seconds[] = {0,          -1,           1795251600,    UINT32_MAX,
                                        MIN_S,      END_S,        END_S + 86400, YEAR_7900,
                                        -YEAR_7900, 2 * YEAR_7900};
            for (unsigned i = 0; i < PL_COUNT(seconds); i++)
                around(&f, scale, digits, seconds[i] * power(digits));
            unsigned to = scale < 0 ? 0 : (unsigned)scale;
            /* Where the product wraps once and again, and comes out inside the range. */
            for (unsigned wraps = 0; wraps < 4 && to > digits; wraps++) {
                __int128 product = wraps * (power(1) * ((__int128)1 << 64) / 10);
                around(&f, scale, digits, product / power(to - digits));
                around(&f, scale, digits, -product / power(to - digits));
                around(&f, scale, digits, (product + 1795251600 * power(to)) / power(to - digits));
            }
            around(&f, scale, digits, INT64_MAX / power(to > digits ? to - digits : 0));
            around(&f, scale, digits, INT64_MIN / power(to > digits ? to - digits : 0));
            around(&f, scale, digits, INT64_MAX);
            around(&f, scale, digits, INT64_MIN);
        }
    }
}
END_TEST

static void text_check(struct fixture *f, unsigned scale, int64_t value)
{
    char text[48], quoted[64];
    int64_t got;
    pl_time_format(value, scale, text);
    snprintf(quoted, sizeof(quoted), "\"%s\"", text);
    __int128 seconds = floor_div(value, power(scale));
    bool taken = stored_json(f, quoted, &got);
    ck_assert_msg(taken == (seconds >= MIN_S && seconds < END_S), "scale %u: %s is %s", scale, text,
                  taken ? "taken" : "refused");
    if (taken)
        ck_assert_msg(got == value, "scale %u: %s", scale, text);
}

START_TEST(texts)
{
    for (unsigned scale = 0; scale < SCALES; scale++) {
        FIXTURE f = fixture_new(column("DateTime64", (int)scale, "path: $.v"));
        const __int128 middles[] = {0, MIN_S * power(scale), END_S * power(scale), INT64_MAX - 1};
        for (unsigned i = 0; i < PL_COUNT(middles); i++)
            for (int k = -1; k <= 1; k++)
                if (middles[i] + k <= INT64_MAX &&
                    floor_div(middles[i], power(scale)) < INT64_C(253402300800)) /* year 10000 */
                    text_check(&f, scale, (int64_t)(middles[i] + k));
        /* Years whose count wraps at one scale or the other. */
        for (unsigned year = 2300; year < 10000; year++) {
            char text[32];
            int64_t got;
            snprintf(text, sizeof(text), "\"%04u-01-01T00:00:00Z\"", year);
            ck_assert_msg(!stored_json(&f, text, &got), "scale %u: %s", scale, text);
        }
    }
}
END_TEST

START_TEST(timestamps_of_kafka)
{
    static const int64_t ends[] = {0,
                                   END_S * 1000,
                                   YEAR_7900 * 1000,
                                   INT64_MAX - 1,
                                   INT64_MAX / 10,
                                   INT64_MAX / 1000,
                                   INT64_MAX / 1000000};
    for (int scale = 3; scale < SCALES; scale++) {
        FIXTURE f = fixture_new(column("DateTime64", scale, "from: timestamp"));
        for (unsigned i = 0; i < PL_COUNT(ends); i++)
            for (int k = ends[i] == 0 ? 0 : -1; k <= 1; k++) {
                int64_t ms = ends[i] + k, got;
                __int128 want = ms * power((unsigned)scale - 3);
                const struct rows_message m = {
                    .topic = "t", .timestamp_ms = ms, .value = "{}", .value_len = 2};
                bool taken = stored(&f, &m, &got);
                ck_assert_msg(taken == (ms < END_S * 1000 && want <= INT64_MAX), "scale %d: %lld",
                              scale, (long long)ms);
                if (taken)
                    ck_assert(got == want);
            }
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(numbers),
        TEST(texts),
        TEST(timestamps_of_kafka),
    };
    return unit_main("value_times", tests, PL_COUNT(tests));
}

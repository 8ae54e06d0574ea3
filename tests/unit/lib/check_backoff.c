/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_backoff.c - the range of each wait, the floor, and that nothing overflows.
 *
 * Waits are random, so the bounds are checked over many seeds, and that the bounds are nearly
 * reached.
 */
#include <stdlib.h>

#include "lib/base/backoff.h"
#include "lib/base/buf.h"
#include "tests/unit/unit.h"

#define SEEDS 2000

static const struct {
    int64_t base_ms, max_ms;
    unsigned attempt; /* earlier ones, not looked at */
    int64_t low, high;
} ranges[] = {
    {1000, 60000, 0, 500, 1000},
    {1000, 60000, 1, 500, 2000},
    {1000, 60000, 5, 500, 32000},
    {1000, 60000, 6, 500, 60000},
    {1000, 60000, 200, 500, 60000},
    {1000, 1000, 3, 500, 1000},
    {1000, 100, 0, 100, 100},
    {1, 10, 0, 0, 1},
    {INT64_MAX, INT64_MAX, 0, INT64_MAX / 2, INT64_MAX},
    {1, INT64_MAX, 62, 0, INT64_C(1) << 62},
    {1, INT64_MAX, 63, 0, INT64_MAX},
};

START_TEST(test_range)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct pl_backoff b;
        pl_backoff_init(&b, ranges[_i].base_ms, ranges[_i].max_ms, seed);
        for (unsigned i = 0; i < ranges[_i].attempt; i++)
            pl_backoff_next(&b, 0);
        int64_t wait = pl_backoff_next(&b, 0);
        ck_assert_int_ge(wait, ranges[_i].low);
        ck_assert_int_le(wait, ranges[_i].high);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    /* With 2,000 draws the outer twentieths are hit for certain, were they drawn from evenly. */
    int64_t span = ranges[_i].high - ranges[_i].low;
    ck_assert_int_le(least, ranges[_i].low + span / 20 + 1);
    ck_assert_int_ge(most, ranges[_i].high - span / 20 - 1);
}
END_TEST

START_TEST(test_floor)
{
    static const struct {
        int64_t floor_ms, low, high;
    } cases[] = {
        {10000, 10000, 11000}, {1, 500, 1000}, /* below the range: nothing changes */
        {-1, 500, 1000},       {1005, 1005, 1105}, {INT64_MAX, INT64_MAX, INT64_MAX},
    };
    for (size_t c = 0; c < PL_COUNT(cases); c++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct pl_backoff b;
            pl_backoff_init(&b, 1000, 60000, seed);
            int64_t wait = pl_backoff_next(&b, cases[c].floor_ms);
            ck_assert_int_ge(wait, cases[c].low);
            ck_assert_int_le(wait, cases[c].high);
        }
    }
}
END_TEST

START_TEST(test_reset_and_seed)
{
    struct pl_backoff a, b;
    pl_backoff_init(&a, 100, 100000, 7);
    pl_backoff_init(&b, 100, 100000, 7);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(pl_backoff_next(&a, 0), pl_backoff_next(&b, 0));
    pl_backoff_reset(&a);
    ck_assert_uint_eq(a.attempt, 0);
    ck_assert_int_le(pl_backoff_next(&a, 0), 100);
    a.attempt = UINT32_MAX; /* stays there */
    pl_backoff_next(&a, 0);
    ck_assert_uint_eq(a.attempt, UINT32_MAX);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_range, .count = PL_COUNT(ranges)),
        TEST(test_floor),
        TEST(test_reset_and_seed),
    };
    return unit_main("backoff", tests, PL_COUNT(tests));
}

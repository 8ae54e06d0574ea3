/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_retry.c - the wait before the next connection, by how the last ones ended.
 * links: wikisrcd
 */
#include "daemons/wikisrcd/stream/retry.h"
#include "tests/unit/unit.h"

#define DAY_MS INT64_C(86400000)

/* The same end repeatedly: requests in a day, and the longest of the first three waits. */
static const struct retry_case {
    const char *name;
    struct retry_end end;
    int64_t requests_max, first_ms_max;
} cases[] = {
    {"closed every 15 minutes", {true, 900000, 30000, false, 0}, 96, 100},
    {"closed after an idle minute or two", {true, 120000, 0, false, 0}, 720, 1000},
    {"one event in ten seconds", {true, 10000, 1, false, 0}, 8640, 100},
    {"a hundred events at once", {true, 3000, 100, false, 0}, 28800, 100},
    {"closed after each first event, a new one", {true, 10, 1, false, 0}, 3100, 400},
    {"closed after each first event, which we had", {true, 10, 0, false, 0}, 3100, 4000},
    {"99 events and gone", {true, 100, 99, false, 0}, 3100, 400},
    {"silent at once", {true, 10000, 0, false, 0}, 2400, 4000},
    {"an error event after many", {true, 3000, 500, true, 0}, 26000, 1000},
    {"an error event after one", {true, 10, 1, true, 0}, 3100, 4000},
    {"refused", {false, 0, 0, true, 0}, 3100, 4000},
    {"refused, a minute is asked for", {false, 0, 0, true, 60000}, 1440, 66000},
    {"no answer", {false, 0, 0, false, 0}, 3100, 4000},
};

START_TEST(for_a_day)
{
    const struct retry_case *c = &cases[_i];
    struct retry r;
    retry_init(&r, 5);
    int64_t at_ms = 0, requests = 0, first_ms = 0;
    for (; at_ms < DAY_MS; requests++) {
        int64_t wait_ms = retry_wait_ms(&r, &c->end);
        ck_assert_int_gt(wait_ms, 0);
        ck_assert_int_ge(wait_ms, c->end.floor_ms);
        if (requests < 3 && wait_ms > first_ms)
            first_ms = wait_ms;
        at_ms += c->end.lived_ms + wait_ms;
    }
    ck_assert_msg(requests <= c->requests_max, "%s: %ld requests", c->name, (long)requests);
    ck_assert_msg(first_ms <= c->first_ms_max, "%s: waits %ld", c->name, (long)first_ms);
}
END_TEST

/* Whatever came before, one connection with progress makes waits short again. */
START_TEST(progress)
{
    static const struct retry_end bad[] = {
        {true, 10, 1, false, 0}, {true, 10, 0, false, 0}, {false, 0, 0, true, 0}};
    static const struct retry_end good[] = {
        {true, 10000, 1, false, 0}, {true, 10, 100, false, 0}, {true, 60000, 1, false, 0}};
    for (size_t b = 0; b < PL_COUNT(bad); b++)
        for (size_t g = 0; g < PL_COUNT(good); g++) {
            struct retry r;
            int64_t longest_ms = 0;
            retry_init(&r, b * 10 + g);
            for (unsigned i = 0; i < 30; i++) {
                int64_t wait_ms = retry_wait_ms(&r, &bad[b]);
                longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
            }
            ck_assert_int_gt(longest_ms, 20000);
            ck_assert_int_le(longest_ms, 60000);
            ck_assert_int_le(retry_wait_ms(&r, &good[g]), 100);
            ck_assert_int_le(retry_wait_ms(&r, &bad[b]), 1000);
        }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(for_a_day, .count = PL_COUNT(cases)),
        TEST(progress),
    };
    return unit_main("retry", tests, PL_COUNT(tests));
}

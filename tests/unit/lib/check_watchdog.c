/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_watchdog.c - the rules behind the watchdog, as tables of moments: what was asked, and when,
 * and whether that is alive.
 */
#include "lib/service/watchdog.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "tests/unit/unit.h"

enum { LIMIT = 1000, MOMENTS = 6 };

static const struct moments {
    const char *what;
    struct moment {
        int64_t now_ms; /* 0: the end */
        uint64_t done;
        bool pending, known, moves;
    } v[MOMENTS];
} progress_cases[] = {
    {"idle for ever",
     {{1, 0, false, false, true}, {5000, 0, false, false, true}, {90000, 0, false, false, true}}},
    {"work that moves each time",
     {{1, 1, true, false, true}, {5000, 2, true, false, true}, {90000, 3, true, false, true}}},
    {"work that stands still, up to the limit and past it",
     {{1, 7, true, false, true},
      {1000, 7, true, false, true},
      {1001, 7, true, false, false},
      {90000, 7, true, false, false}}},
    {"the first look counts as movement, whatever stood there before",
     {{90000, 7, true, false, true}, {90999, 7, true, false, true}}},
    {"a known reason for as long as it lasts, then the limit again",
     {{1, 7, true, true, true},
      {90000, 7, true, true, true},
      {90999, 7, true, false, true},
      {91000, 7, true, false, false}}},
    {"dead, then alive again by one step",
     {{1, 7, true, false, true},
      {1001, 7, true, false, false},
      {1002, 8, true, false, true},
      {2001, 8, true, false, true},
      {2002, 8, true, false, false}}},
    {"time without work does not count",
     {{1, 7, true, false, true}, {900, 7, false, false, true}, {1800, 7, true, false, true}}},
    {"a count that went back has moved as well",
     {{1, 7, true, false, true}, {1001, 6, true, false, true}}},
};

START_TEST(progress)
{
    const struct moments *c = &progress_cases[_i];
    struct pl_progress p = {0};

    for (size_t i = 0; i < MOMENTS && c->v[i].now_ms != 0; i++) {
        const struct moment *m = &c->v[i];
        const struct pl_progress_now now = {m->now_ms, m->done, m->pending, m->known};
        ck_assert_msg(pl_progress_moves(&p, &now, LIMIT) == m->moves, "%s: moment %zu", c->what, i);
    }
}
END_TEST

static const struct deadline_case {
    int64_t begun_ms, max_ms, now_ms;
    bool overdue;
} deadline_cases[] = {
    {1000, 500, 1000, false},
    {1000, 500, 1500, false},
    {1000, 500, 1500 + PL_DEADLINE_GRACE_MS, false},
    {1000, 500, 1501 + PL_DEADLINE_GRACE_MS, true},
    {1000, 0, 1000 + PL_DEADLINE_GRACE_MS, false},
    {1000, 0, 1001 + PL_DEADLINE_GRACE_MS, true},
    {1000, -1, INT64_C(1) << 40, false},
};

START_TEST(deadline)
{
    const struct deadline_case *c = &deadline_cases[_i];
    struct pl_deadline d = {0};

    ck_assert(!pl_deadline_is_overdue(&d, INT64_C(1) << 40)); /* nothing was begun */
    pl_deadline_begin(&d, "testing", c->begun_ms, c->max_ms);
    ck_assert_str_eq(d.doing, "testing");
    ck_assert(pl_deadline_is_overdue(&d, c->now_ms) == c->overdue);
    pl_deadline_begin(&d, "other", c->now_ms, 0); /* came round */
    ck_assert(!pl_deadline_is_overdue(&d, c->now_ms));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(progress, .count = PL_COUNT(progress_cases)),
        TEST(deadline, .count = PL_COUNT(deadline_cases)),
    };
    return unit_main("watchdog", tests, PL_COUNT(tests));
}

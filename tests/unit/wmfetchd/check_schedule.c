/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_schedule.c - which range is fetched next, times that a person writes, and the record of a
 * position. links: wmfetchd
 */
#include <stdio.h>

#include "daemons/wmfetchd/window/schedule.h"
#include "tests/unit/unit.h"

#define HOUR INT64_C(3600000)
#define MIN  INT64_C(60000)

START_TEST(windows)
{
    static const struct {
        const char *name;
        struct schedule s;
        struct schedule_position p;
        int64_t now, from, end, wait;
    } cases[] = {
        {"first",
         {HOUR, 10 * MIN, 2 * HOUR},
         {100 * HOUR, 100 * HOUR},
         102 * HOUR,
         100 * HOUR,
         101 * HOUR,
         0},
        {"overlap reaches the start",
         {HOUR, 0, 2 * HOUR},
         {100 * HOUR, 101 * HOUR},
         200 * HOUR,
         100 * HOUR,
         102 * HOUR,
         0},
        {"overlap",
         {HOUR, 0, 2 * HOUR},
         {100 * HOUR, 110 * HOUR},
         200 * HOUR,
         108 * HOUR,
         111 * HOUR,
         0},
        {"no overlap",
         {HOUR, 0, 0},
         {100 * HOUR, 110 * HOUR},
         200 * HOUR,
         110 * HOUR,
         111 * HOUR,
         0},
        {"due to the millisecond",
         {HOUR, 10 * MIN, 0},
         {0, 100 * HOUR},
         101 * HOUR + 10 * MIN,
         100 * HOUR,
         101 * HOUR,
         0},
        {"not yet",
         {HOUR, 10 * MIN, 0},
         {0, 100 * HOUR},
         101 * HOUR + 10 * MIN - 1,
         100 * HOUR,
         101 * HOUR,
         1},
        {"an hour to wait",
         {HOUR, 10 * MIN, 0},
         {0, 100 * HOUR},
         100 * HOUR + 10 * MIN,
         100 * HOUR,
         101 * HOUR,
         HOUR},
        {"the clock was set back",
         {HOUR, 0, HOUR},
         {0, 100 * HOUR},
         50 * HOUR,
         99 * HOUR,
         101 * HOUR,
         51 * HOUR},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct schedule_window w;
        int64_t wait = schedule_next(&cases[i].s, &cases[i].p, cases[i].now, &w);
        ck_assert_msg(wait == cases[i].wait, "%s: wait %lld", cases[i].name, (long long)wait);
        ck_assert_msg(w.from_ms == cases[i].from && w.end_ms == cases[i].end, "%s: %lld to %lld",
                      cases[i].name, (long long)w.from_ms, (long long)w.end_ms);
    }
}
END_TEST

/* From one window to the next: without a gap, each once, up to the last that is due, whatever the
 * clock does on the way. */
START_TEST(catching_up)
{
    const struct schedule s = {HOUR, 10 * MIN, 2 * HOUR};
    struct schedule_position p = {1000 * HOUR, 1000 * HOUR};
    struct schedule_window w;
    int64_t now = 1288 * HOUR;
    int n = 0;
    ck_assert_int_eq(schedule_behind(&s, &p, now), 287);
    while (schedule_next(&s, &p, n % 7 == 3 ? now - 3 * HOUR : now, &w) == 0) {
        ck_assert_int_eq(w.end_ms, p.end_ms + HOUR);
        ck_assert_int_le(w.from_ms, p.end_ms);
        p.end_ms = w.end_ms;
        n++;
    }
    while (schedule_next(&s, &p, now, &w) == 0) {
        p.end_ms = w.end_ms;
        n++;
    }
    ck_assert_int_eq(n, 287);
    ck_assert_int_eq(p.end_ms, 1287 * HOUR);
    ck_assert_int_eq(schedule_behind(&s, &p, now), 0);
    ck_assert_int_eq(schedule_behind(&s, &p, 0), 0);
}
END_TEST

START_TEST(starts)
{
    const struct schedule s = {HOUR, 0, 0};
    ck_assert_int_eq(schedule_start(&s, 12345, 100 * HOUR), 12345);
    ck_assert_int_eq(schedule_start(&s, 0, 100 * HOUR), 0);
    ck_assert_int_eq(schedule_start(&s, -1, 100 * HOUR), 99 * HOUR);
    ck_assert_int_eq(schedule_start(&s, -1, 100 * HOUR + 59 * MIN), 99 * HOUR);
    ck_assert_int_eq(schedule_start(&s, -1, 10), 0);
}
END_TEST

START_TEST(positions)
{
    struct pl_buf out = {0};
    const struct schedule_position p = {INT64_C(1767205800000), INT64_C(1768242540000)};
    struct schedule_position again;
    struct pl_err err;
    schedule_position_encode(&p, INT64_C(1768242540001), &out);
    ck_assert_str_eq(pl_buf_cstr(&out),
                     "{\"version\":1,\"start\":1767205800000,"
                     "\"end\":1768242540000,\"at\":\"2026-01-12T18:29:00.001Z\"}");
    ck_assert_int_eq(schedule_position_decode(out.data, out.len, &again, &err), 0);
    ck_assert_int_eq(again.start_ms, p.start_ms);
    ck_assert_int_eq(again.end_ms, p.end_ms);
    pl_buf_release(&out);
}
END_TEST

START_TEST(positions_of_others)
{
    static const struct {
        const char *text, *has; /* NULL: taken */
    } cases[] = {
        {"{\"version\":1,\"start\":1,\"end\":2}", NULL},
        {"{\"more\":[{}],\"version\":1,\"start\":1,\"end\":1}", NULL},
        {"", "not a position"},
        {"x", "not a position"},
        {"{}", "lacks"},
        {"{\"version\":1,\"start\":1}", "lacks"},
        {"{\"version\":1,\"end\":1}", "lacks"},
        {"{\"version\":1,\"start\":2,\"end\":1}", "lacks"},
        {"{\"version\":2,\"start\":1,\"end\":2}", "newer"},
        {"{\"version\":2,\"start\":\"2026\"}", "newer"},
        {"{\"version\":\"1\",\"start\":1,\"end\":2}", "lacks"},
        {"{\"version\":1,\"start\":1,\"end\":\"2\"}", "not a number"},
        {"{\"version\":1,\"start\":1,\"end\":2.5}", "not a number"},
        {"{\"version\":1,\"start\":-1,\"end\":2}", "too large"},
        {"{\"version\":1,\"start\":1,\"end\":99999999999999999}", "too large"},
        {"{\"version\":1,\"start\":1,\"end\":2} x", "not a position"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct schedule_position p;
        struct pl_err err = {0};
        int r = schedule_position_decode(cases[i].text, strlen(cases[i].text), &p, &err);
        ck_assert_msg((r == 0) == (cases[i].has == NULL), "%s: %s", cases[i].text, err.msg);
        if (!cases[i].has)
            continue;
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, cases[i].has), "%s: %s", cases[i].text, err.msg);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(windows), TEST(catching_up), TEST(starts), TEST(positions), TEST(positions_of_others),
    };
    return unit_main("schedule", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_bar.c - the progress line: what is drawn at each width, how fast it says the work goes, and
 * when it says how long it takes.
 */
#include "lib/service/bar.h"

#include <string.h>

#include "lib/base/text.h"
#include "tests/unit/unit.h"

/* As after a while at these rates. */
static struct pl_bar bar_at(double speed, double rate)
{
    return (struct pl_bar){
        .begun_ms = 1000, .at_ms = 61000, .speed = speed, .rate = rate, .look = PL_BAR_ASCII};
}

static unsigned columns_of(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += !pl_utf8_continues(*text);
    return n;
}

#define ROWS .count = 5160000, .unit = "rows"

static const struct line_case {
    struct pl_bar_now now;
    double speed, rate;
    unsigned columns;
    const char *line;
} line_cases[] = {
    {{43, 100, NULL, ROWS},
     1,
     118000,
     79,
     "[############................]  43 %  5160000 rows, 118000 rows/s, 0:00:58 left"},
    {{43, 100, NULL, ROWS},
     1,
     118000,
     200,
     "[############................]  43 %  5160000 rows, 118000 rows/s, 0:00:58 left"},
    {{43, 100, NULL, ROWS},
     1,
     118000,
     60,
     "[###......]  43 %  5160000 rows, 118000 rows/s, 0:00:58 left"},
    {{43, 100, NULL, ROWS}, 1, 118000, 58, " 43 %  5160000 rows, 118000 rows/s, 0:00:58 left"},
    {{43, 100, NULL, ROWS}, 1, 118000, 45, "[###.....]  43 %  5160000 rows, 118000 rows/s"},
    {{43, 100, NULL, ROWS}, 1, 118000, 34, " 43 %  5160000 rows, 118000 rows/s"},
    {{43, 100, NULL, ROWS}, 1, 118000, 33, "[####.......]  43 %  5160000 rows"},
    {{43, 100, NULL, ROWS}, 1, 118000, 20, " 43 %  5160000 rows"},
    {{43, 100, NULL, ROWS}, 1, 118000, 18, "[####......]  43 %"},
    {{43, 100, NULL, ROWS}, 1, 118000, 10, " 43 %"},
    {{43, 100, NULL, ROWS}, 1, 118000, 3, " 43"},
    {{43, 100, NULL, ROWS}, 1, 118000, 0, " 43 %  5160000 rows, 118000 rows/s, 0:00:58 left"},
    /* 0 and 100 %, which is for all of it only. */
    {{0, 100, NULL, .unit = "rows"}, 0, 0, 0, "  0 %  0 rows, 0 rows/s"},
    {{99.9, 100, NULL, ROWS}, 0.01, 10, 0, " 99 %  5160000 rows, 10 rows/s, 0:00:10 left"},
    {{100, 100, NULL, ROWS}, 1, 10, 42, "[#########] 100 %  5160000 rows, 10 rows/s"},
    {{100, 100, NULL, ROWS}, 1, 10, 0, "100 %  5160000 rows, 10 rows/s"},
    {{101, 100, NULL, ROWS}, 1, 10, 0, "100 %  5160000 rows, 10 rows/s"},
    {{-5, 100, NULL, .unit = "rows"}, 0, 0, 0, "  0 %  0 rows, 0 rows/s"},
    /* The total is not known. */
    {{0, 0, NULL, ROWS}, 1, 118000, 79, "5160000 rows, 118000 rows/s"},
    {{0, 0, "7/HOURLY", .count = 12340000, .note = "3 records"},
     0,
     2100000,
     79,
     "7/HOURLY  12.3 MB, 2.1 MB/s; 3 records"},
    {{0, 0, NULL, ROWS}, 1, 118000, 20, "5160000 rows"},
    {{0, 0, NULL, ROWS}, 1, 118000, 5, "51600"},
    /* What and note go first. */
    {{1, 4, "7/HOURLY", ROWS, "committing"},
     0.5,
     0.25,
     79,
     "[##.......]  25 %  7/HOURLY  5160000 rows, 0.2 rows/s, 0:00:07 left; committing"},
    {{1, 4, "7/HOURLY", ROWS, "committing"},
     0.5,
     0.25,
     60,
     " 25 %  7/HOURLY  5160000 rows, 0.2 rows/s, 0:00:07 left"},
    {{1, 4, "7/HOURLY", ROWS, "committing"},
     0.5,
     0.25,
     50,
     " 25 %  5160000 rows, 0.2 rows/s, 0:00:07 left"},
    {{1, 4, NULL, ROWS, ""}, 0, 0.25, 0, " 25 %  5160000 rows, 0.2 rows/s"},
    /* The time left: hours, and what nobody believes. */
    {{1, 7201, NULL, ROWS}, 1, 10, 0, "  0 %  5160000 rows, 10 rows/s, 2:00:01 left"},
    {{1, 360000, NULL, ROWS}, 1, 10, 0, "  0 %  5160000 rows, 10 rows/s, 100:00:00 left"},
    {{1, 360002, NULL, ROWS}, 1, 10, 0, "  0 %  5160000 rows, 10 rows/s"},
    {{1, 1e300, NULL, ROWS}, 1e-300, 10, 0, "  0 %  5160000 rows, 10 rows/s"},
    /* Text from outside makes no line of its own. */
    {{0, 0, "a\nb\033[31m", ROWS}, 0, 0, 0, "a b [31m  5160000 rows, 0 rows/s"},
};

START_TEST(line)
{
    const struct line_case *c = &line_cases[_i];
    struct pl_bar bar = bar_at(c->speed, c->rate);
    char got[PL_BAR_TEXT_MAX];
    size_t len = pl_bar_render(&bar, &c->now, c->columns, got);
    ck_assert_str_eq(got, c->line);
    ck_assert_uint_eq(len, strlen(got));
}
END_TEST

/* Whatever the terminal's width, no line is wider, and no character is cut in two. */
START_TEST(widths)
{
    const struct pl_bar_now nows[] = {
        {43, 100, "Überprüfung", ROWS, "wartet auf ClickHouse, das nicht antwortet – schon länger"},
        {0, 100, NULL, ROWS},
        {100, 100, "x", ROWS},
        {0, 0, "Überprüfung", ROWS, "…"},
    };
    char got[PL_BAR_TEXT_MAX];
    for (unsigned columns = 1; columns <= 200; columns++)
        for (size_t i = 0; i < PL_COUNT(nows) * 2; i++) {
            struct pl_bar bar = bar_at(1, 118000);
            bar.look = i < PL_COUNT(nows) ? PL_BAR_ASCII : PL_BAR_UTF8;
            size_t len = pl_bar_render(&bar, &nows[i % PL_COUNT(nows)], columns, got);
            ck_assert_uint_le(columns_of(got), columns);
            ck_assert_uint_gt(len, 0);
            ck_assert_uint_eq(pl_text_cut(got, len, len), len);
            for (size_t at = 0, n; at < len; at += n) {
                n = pl_utf8_char(got + at, len - at);
                ck_assert_uint_gt(n, 0);
            }
        }
}
END_TEST

START_TEST(blocks)
{
    struct pl_bar bar = bar_at(1, 10);
    const struct pl_bar_now now = {50, 100, NULL, .count = 1, .unit = "rows"};
    char got[PL_BAR_TEXT_MAX];
    bar.look = PL_BAR_UTF8;
    pl_bar_render(&bar, &now, 50, got);
    ck_assert_str_eq(got, "█████░░░░░░  50 %  1 rows, 10 rows/s, 0:00:51 left");
}
END_TEST

/* A steady pace is told at once, and its end after PL_BAR_LEFT_FROM_MS. */
START_TEST(steady)
{
    struct pl_bar bar = {0};
    char got[PL_BAR_TEXT_MAX];
    struct pl_bar_now now = {.total = 100, .unit = "rows"};
    for (int64_t s = 0; s <= 60; s++) {
        now.done = (double)s;
        now.count = (uint64_t)s * 50;
        pl_bar_next(&bar, 1000 + s * 1000, &now);
        pl_bar_render(&bar, &now, 0, got);
        ck_assert_int_eq(strstr(got, " 50 rows/s") != NULL, s > 0);
        ck_assert_int_eq(strstr(got, " left") != NULL, s * 1000 >= PL_BAR_LEFT_FROM_MS);
    }
    ck_assert_double_eq_tol(bar.speed, 1, 1e-9);
}
END_TEST

/* After a change of pace the rate follows within some PL_BAR_SMOOTH_MS, without a jump. */
START_TEST(change)
{
    struct pl_bar bar = {0};
    struct pl_bar_now now = {.total = 1e6, .unit = "rows"};
    int64_t ms = 1000;
    pl_bar_next(&bar, ms, &now);
    for (int i = 0; i < 100; i++) {
        now.count += 100;
        pl_bar_next(&bar, ms += 1000, &now);
    }
    ck_assert_double_eq_tol(bar.rate, 100, 1e-6);
    double before = bar.rate;
    for (int i = 0; i < 50; i++) {
        now.count += 200;
        pl_bar_next(&bar, ms += 1000, &now);
        ck_assert_double_ge(bar.rate, before);
        ck_assert_double_lt(bar.rate - before, 15);
        before = bar.rate;
    }
    ck_assert_double_eq_tol(bar.rate, 200, 2);
    /* Nothing moves: the rate goes down, and with it the time left grows until it is not told. */
    for (int i = 0; i < 300; i++)
        pl_bar_next(&bar, ms += 1000, &now);
    ck_assert_double_lt(bar.rate, 0.1);
}
END_TEST

/* The clock goes back or stands, counts begin again: no rate below 0, none without end. */
START_TEST(backwards)
{
    struct pl_bar bar = {0};
    struct pl_bar_now now = {.done = 10, .total = 100, .count = 1000, .unit = "rows"};
    pl_bar_next(&bar, 5000, &now);
    now.done = 20, now.count = 2000;
    pl_bar_next(&bar, 15000, &now);
    ck_assert_double_eq_tol(bar.rate, 100, 1e-9);
    const int64_t times[] = {15000, 14000, 1, 15000};
    for (size_t i = 0; i < PL_COUNT(times); i++) {
        now.count += 1000000;
        pl_bar_next(&bar, times[i], &now);
        ck_assert_double_eq_tol(bar.rate, 100, 1e-9);
    }
    now.done = 0, now.count = 0;
    pl_bar_next(&bar, 16000, &now);
    ck_assert_double_ge(bar.rate, 0);
    ck_assert_double_ge(bar.speed, 0);
    now.count = 100;
    pl_bar_next(&bar, 17000, &now);
    ck_assert_double_le(bar.rate, 200);
    ck_assert_double_ge(bar.rate, 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(line, .count = PL_COUNT(line_cases)),
        TEST(widths),
        TEST(blocks),
        TEST(steady),
        TEST(change),
        TEST(backwards),
    };
    return unit_main("bar", tests, PL_COUNT(tests));
}

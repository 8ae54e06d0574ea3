/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_ends.c - the rule of ends, its whole table, and how often a refusal is logged.
 */
#include <sysexits.h>

#include "lib/service/ends.h"
#include "tests/unit/unit.h"

#define KINDS (PL_ERR_FENCED + 1)

/* One row a kind and side: never worked, not known, has worked. */
static const struct {
    enum pl_err_kind kind;
    enum pl_end_side side;
    enum pl_end ends[3];
} rows[] = {
    {PL_ERR_NONE, PL_END_OURS, {PL_END_NONE, PL_END_NONE, PL_END_NONE}},
    {PL_ERR_NONE, PL_END_FAR, {PL_END_NONE, PL_END_NONE, PL_END_NONE}},
    {PL_ERR_RETRY, PL_END_OURS, {PL_END_AGAIN, PL_END_AGAIN, PL_END_AGAIN}},
    {PL_ERR_RETRY, PL_END_FAR, {PL_END_AGAIN, PL_END_AGAIN, PL_END_AGAIN}},
    {PL_ERR_REJECT, PL_END_OURS, {PL_END_LOUDLY, PL_END_LOUDLY, PL_END_LOUDLY}},
    {PL_ERR_REJECT, PL_END_FAR, {PL_END_LOUDLY, PL_END_LOUDLY, PL_END_LOUDLY}},
    {PL_ERR_CONFIG, PL_END_OURS, {PL_END_CONFIG, PL_END_CONFIG, PL_END_CONFIG}},
    {PL_ERR_CONFIG, PL_END_FAR, {PL_END_CONFIG, PL_END_RESTART, PL_END_LOUDLY}},
    {PL_ERR_FATAL, PL_END_OURS, {PL_END_RESTART, PL_END_RESTART, PL_END_RESTART}},
    {PL_ERR_FATAL, PL_END_FAR, {PL_END_RESTART, PL_END_RESTART, PL_END_RESTART}},
    {PL_ERR_FENCED, PL_END_OURS, {PL_END_FENCED, PL_END_FENCED, PL_END_FENCED}},
    {PL_ERR_FENCED, PL_END_FAR, {PL_END_FENCED, PL_END_FENCED, PL_END_FENCED}},
};

static const enum pl_worked worked[] = {PL_WORKED_NEVER, PL_WORKED_UNKNOWN, PL_WORKED};

START_TEST(test_table_is_whole)
{
    ck_assert_uint_eq(PL_COUNT(rows), KINDS * 2);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        ck_assert_int_eq((int)rows[i].kind, (int)i / 2);
        ck_assert_int_eq(rows[i].side, i % 2 ? PL_END_FAR : PL_END_OURS);
    }
}
END_TEST

START_TEST(test_table)
{
    for (size_t i = 0; i < PL_COUNT(worked); i++)
        ck_assert_int_eq(pl_end_decide(rows[_i].kind, rows[_i].side, worked[i]), rows[_i].ends[i]);
}
END_TEST

/* What an end is, and with which status, for each row: 78 exactly where the table says so, and
 * nothing of the far side's once it has worked. */
START_TEST(test_status)
{
    for (size_t i = 0; i < PL_COUNT(worked); i++) {
        struct pl_err err;
        pl_err_set(&err, rows[_i].kind, rows[_i].side == PL_END_FAR ? 403 : 0, "no");
        enum pl_end end = pl_end_of(&err, worked[i]);
        int status = pl_err_exit_status(err.kind);
        ck_assert_int_eq(end, rows[_i].ends[i]);
        ck_assert_str_eq(err.msg, "no");
        if (end == PL_END_CONFIG)
            ck_assert_int_eq(status, EX_CONFIG);
        if (end == PL_END_FENCED)
            ck_assert_int_eq(status, PL_EXIT_FENCED);
        if (end == PL_END_RESTART)
            ck_assert_int_eq(status, rows[_i].kind == PL_ERR_FATAL ? 1 : EX_UNAVAILABLE);
    }
}
END_TEST

/* Where it cannot be tried again in the process it ends, and only what is ours or never worked with
 * 78. */
START_TEST(test_last)
{
    for (size_t i = 0; i < PL_COUNT(worked); i++) {
        struct pl_err err;
        pl_err_set(&err, rows[_i].kind, rows[_i].side == PL_END_FAR ? 53 : 0, "no");
        enum pl_end end = pl_end_of_last(&err, worked[i]);
        int status = pl_err_exit_status(err.kind);
        if (rows[_i].kind == PL_ERR_NONE)
            ck_assert_int_eq(end, PL_END_NONE);
        else if (rows[_i].ends[i] == PL_END_CONFIG)
            ck_assert(end == PL_END_CONFIG && status == EX_CONFIG);
        else if (rows[_i].ends[i] == PL_END_FENCED)
            ck_assert(end == PL_END_FENCED && status == PL_EXIT_FENCED);
        else
            ck_assert(end == PL_END_RESTART &&
                      status == (rows[_i].kind == PL_ERR_FATAL ? 1 : EX_UNAVAILABLE));
    }
}
END_TEST

/* A try each second for a day. */
START_TEST(test_lines_grow)
{
    static const int64_t at_s[] = {0, 60, 360, 1260, 4860, 8460, 12060};
    struct pl_refusal r = {0};
    size_t n = 0;
    int64_t begin_ms = 5000;
    for (int64_t s = 0; s < 86400; s++) {
        if (!pl_refusal_next(&r, begin_ms + s * 1000))
            continue;
        if (n < PL_COUNT(at_s))
            ck_assert_int_eq(s, at_s[n]);
        n++;
        ck_assert_int_eq(pl_refusal_seconds(&r, begin_ms + s * 1000), s);
    }
    ck_assert_uint_eq(n, 5 + (86399 - 4860) / 3600); /* four gaps, then hourly */
}
END_TEST

START_TEST(test_over)
{
    struct pl_refusal r = {0};
    ck_assert(!pl_refusal_over(&r));
    ck_assert_int_eq(pl_refusal_seconds(&r, 1000), 0);
    ck_assert(pl_refusal_next(&r, 1000));
    ck_assert(!pl_refusal_next(&r, 2000));
    ck_assert(pl_refusal_over(&r));
    ck_assert(!pl_refusal_over(&r));
    ck_assert(pl_refusal_next(&r, 3000)); /* a new one is logged at once */
    /* Tries rarer than the lines: each is logged. */
    ck_assert(pl_refusal_next(&r, 3000 + 3600000));
    ck_assert(pl_refusal_next(&r, 3000 + 7200000));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_table_is_whole),
        TEST(test_table, .count = PL_COUNT(rows)),
        TEST(test_status, .count = PL_COUNT(rows)),
        TEST(test_last, .count = PL_COUNT(rows)),
        TEST(test_lines_grow),
        TEST(test_over),
    };
    return unit_main("ends", tests, PL_COUNT(tests));
}

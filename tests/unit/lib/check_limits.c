/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_limits.c - when a batch is to be closed, as a table.
 */
#include "lib/batch/limits.h"
#include "tests/unit/unit.h"

#define NEVER INT64_MAX

static const struct {
    struct pl_limits limits;
    struct pl_fill fill;
    int64_t due_ms;
} cases[] = {
    {{1000, 500, 10, 5000}, {0}, NEVER},
    {{1000, 500, 10, 5000}, {.moved_ms = 70}, 5070},
    /* From its first message on the age counts, however long the position has been moving. */
    {{1000, 500, 10, 5000}, {.messages = 1, .bytes = 1, .first_ms = 4000, .moved_ms = 70}, 5000},
    {{1000, 500, 10, 5000}, {.messages = 9, .bytes = 499, .first_ms = 90, .moved_ms = 90}, 1090},
    {{1000, 500, 10, 5000}, {.messages = 10, .bytes = 1, .first_ms = 90, .moved_ms = 90}, 0},
    {{1000, 500, 10, 5000}, {.messages = 1, .bytes = 500, .first_ms = 90, .moved_ms = 90}, 0},
    /* 0: no such limit. */
    {{0}, {.messages = 10, .bytes = 500, .first_ms = 90, .moved_ms = 90}, NEVER},
    {{.age_ms = 1000}, {.moved_ms = 90}, NEVER},
    {{.position_ms = 1000}, {.messages = 10, .first_ms = 90, .moved_ms = 90}, NEVER},
    {{.bytes = 500}, {.messages = 10, .bytes = 500, .first_ms = 90}, 0},
    {{.messages = 10}, {.messages = 10, .bytes = 500, .first_ms = 90}, 0},
};

START_TEST(due)
{
    ck_assert_int_eq(pl_limits_due_ms(&cases[_i].limits, &cases[_i].fill), cases[_i].due_ms);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {TEST(due, .count = PL_COUNT(cases))};
    return unit_main("limits", tests, PL_COUNT(tests));
}

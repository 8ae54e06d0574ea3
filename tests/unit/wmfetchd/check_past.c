/* SPDX-License-Identifier: Apache-2.0 */
/* check_past.c - the strip of windows done, due and not due yet, by tables. links: wmfetchd */
#include "daemons/wmfetchd/window/past.h"

#include "tests/unit/unit.h"

#define HOUR  INT64_C(3600000)
#define BEGIN INT64_C(1795168800000) /* 2026-11-20 10:00 */

static const struct schedule hourly = {HOUR, 5 * 60000, 0};

/* A letter a cell. */
static const char *strip(const struct past *p, int64_t done, int64_t now_hours)
{
    static char text[PAST_CELLS + 1];
    static const char letters[] = {[PL_PAGE_DONE] = 'D',
                                   [PL_PAGE_EMPTY] = 'e',
                                   [PL_PAGE_PASSED] = 'X',
                                   [PL_PAGE_DUE] = 'd',
                                   [PL_PAGE_LATER] = '.'};
    struct pl_page_cell cells[PAST_CELLS];
    const struct schedule_position position = {BEGIN, BEGIN + done * HOUR};
    unsigned n =
        past_strip(p, &hourly, &position, BEGIN + now_hours * HOUR + hourly.delay_ms, cells);
    ck_assert_uint_le(n, PAST_CELLS);
    for (unsigned i = 0; i < n; i++)
        text[i] = letters[cells[i].day];
    text[n] = '\0';
    return text;
}

START_TEST(young)
{
    struct past p = {0};
    ck_assert_str_eq(strip(&p, 0, 0), ".");
    ck_assert_str_eq(strip(&p, 0, 3), "ddd.");
    ck_assert_str_eq(strip(&p, 2, 3), "DDd.");
    ck_assert_str_eq(strip(&p, 3, 3), "DDD.");
    ck_assert_str_eq(strip(&p, 3, 2), "DDD."); /* ahead of the clock */
}
END_TEST

START_TEST(what_became_of_them)
{
    struct past p = {0};
    past_add(&p, &(struct past_window){.end_ms = BEGIN + 2 * HOUR, .records = 7});
    past_add(&p, &(struct past_window){.end_ms = BEGIN + 3 * HOUR});
    past_add(&p, &(struct past_window){.end_ms = BEGIN + 4 * HOUR, .passed = true});
    ck_assert_str_eq(strip(&p, 4, 5), "DDeXd.");
    struct pl_page_cell cells[PAST_CELLS];
    const struct schedule_position position = {BEGIN, BEGIN + 4 * HOUR};
    past_strip(&p, &hourly, &position, BEGIN + 5 * HOUR + hourly.delay_ms, cells);
    ck_assert_str_eq(cells[0].text, "11-20 10:00 to 11-20 11:00: done");
    ck_assert_str_eq(cells[1].text, "11-20 11:00 to 11-20 12:00: 7 records");
    ck_assert_str_eq(cells[2].text, "11-20 12:00 to 11-20 13:00: no record");
    ck_assert_str_eq(cells[3].text, "11-20 13:00 to 11-20 14:00: passed, a dead letter");
    ck_assert_str_eq(cells[4].text, "11-20 14:00 to 11-20 15:00: due");
    ck_assert_str_eq(cells[5].text, "11-20 15:00 to 11-20 16:00: not due yet");
}
END_TEST

/* However many are done and due, all that are due are seen, in cells of several windows. */
START_TEST(many)
{
    struct past p = {0};
    for (int64_t done = 0; done < 500; done += 7)
        for (int64_t due = 0; due < 2000; due += 13) {
            const char *text = strip(&p, done, done + due);
            int64_t each = due > PAST_CELLS_DUE ? (due + PAST_CELLS_DUE - 1) / PAST_CELLS_DUE : 1;
            size_t d = strspn(text, "D"), u = strspn(text + d, "d");
            ck_assert_uint_eq(u, (size_t)((due + each - 1) / each));
            ck_assert_str_eq(text + d + u, ".");
            ck_assert(d == (size_t)((done + each - 1) / each) || d + u + 1 == PAST_CELLS);
        }
    ck_assert_str_eq(strip(&p, 0, 72), "dddddddddddddddddddddddddddddddddddd.");
}
END_TEST

/* Only the last windows are kept. */
START_TEST(forgotten)
{
    struct past p = {0};
    for (int64_t i = 1; i <= 3 * PAST_WINDOWS; i++)
        past_add(&p, &(struct past_window){.end_ms = BEGIN + i * HOUR, .passed = true});
    const char *text = strip(&p, 3 * PAST_WINDOWS, 3 * PAST_WINDOWS);
    ck_assert_uint_eq(strspn(text, "X"), PAST_CELLS - 1);
    text = strip(&p, 3 * PAST_WINDOWS + 10, 3 * PAST_WINDOWS + 10);
    ck_assert_uint_eq(strspn(text, "X"), PAST_CELLS - 11);
    ck_assert_str_eq(text + PAST_CELLS - 11, "DDDDDDDDDD.");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(young),
        TEST(what_became_of_them),
        TEST(many),
        TEST(forgotten),
    };
    return unit_main("past", tests, PL_COUNT(tests));
}

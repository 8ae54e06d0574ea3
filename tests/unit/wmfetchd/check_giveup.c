/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_giveup.c - when a window is passed: a table, and all sequences of failures.
 * links: wmfetchd
 */
#include <stdio.h>

#include "daemons/wmfetchd/window/giveup.h"
#include "tests/unit/unit.h"

/* d: fails because of the data; a: the API is away; with the overlap unless it was left out.
 * Expected: A again, N narrow, P pass. */
START_TEST(sequences)
{
    static const struct {
        int64_t after;
        bool overlap;
        const char *failures, *answers;
    } cases[] = {
        {0, true, "dddddddd", "AAAAAAAA"}, /* the default: never */
        {0, false, "dddd", "AAAA"},
        {1, false, "d", "P"},
        {1, true, "dd", "NP"},
        {3, false, "ddd", "AAP"},
        {3, true, "dddd", "AANP"},
        {3, true, "adadad", "AAAAAN"},
        {3, true, "dddad", "AANAP"},
        {3, true, "dddaad", "AANAAP"},
        {2, true, "aaaaaaaa", "AAAAAAAA"},
        {2, false, "aaaada", "AAAAAA"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct giveup g = {0};
        char answers[16] = "";
        for (size_t k = 0; cases[i].failures[k]; k++)
            answers[k] = "ANP"[giveup_failed(&g, cases[i].after, cases[i].failures[k] == 'd',
                                             cases[i].overlap && !g.narrow)];
        ck_assert_msg(strcmp(answers, cases[i].answers) == 0, "case %zu: %s", i, answers);
    }
}
END_TEST

/* In any order: passed only after the configured number of failures because of the data and, if
 * there is an overlap, one without it; never if switched off. */
START_TEST(all_sequences)
{
    for (int64_t after = 0; after <= 4; after++)
        for (int overlap = 0; overlap < 2; overlap++)
            for (unsigned bits = 0; bits < 1u << 8; bits++) {
                struct giveup g = {0};
                int64_t data = 0;
                bool was_narrow = false;
                for (unsigned k = 0; k < 8; k++) {
                    bool by_data = bits & 1u << k;
                    was_narrow = g.narrow;
                    enum giveup_next next =
                        giveup_failed(&g, after, by_data, overlap && !was_narrow);
                    data += by_data;
                    bool enough = after > 0 && by_data && data >= after;
                    enum giveup_next want = !enough                  ? GIVEUP_AGAIN
                                            : overlap && !was_narrow ? GIVEUP_NARROW
                                                                     : GIVEUP_PASS;
                    ck_assert_int_eq(next, want);
                    ck_assert(g.narrow == (was_narrow || next == GIVEUP_NARROW));
                    if (next == GIVEUP_PASS)
                        break;
                }
            }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("giveup"),
        TEST(sequences),
        TEST(all_sequences),
    };
    return unit_main("giveup", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_giveup.c - when a window is passed: a table, and all sequences of failures.
 * links: wmfetchd
 */
#include <stdio.h>

#include "daemons/wmfetchd/window/giveup.h"
#include "tests/unit/unit.h"

/* Each failure comes a minute after the one before. d: because of the data; a: the API is away;
 * with the overlap unless it was left out. Expected: A again, N narrow, P pass. */
START_TEST(sequences)
{
    static const struct {
        int64_t after, minutes;
        bool overlap;
        const char *failures, *answers;
    } cases[] = {
        {0, 0, true, "dddddddd", "AAAAAAAA"}, /* the default: never */
        {0, 3, false, "dddd", "AAAA"},
        {1, 0, false, "d", "P"},
        {1, 0, true, "dd", "NP"},
        {3, 0, false, "ddd", "AAP"},
        {3, 0, true, "dddddd", "AANAAP"},
        {3, 0, true, "adadad", "AAAAAN"},
        {3, 0, true, "dddadadd", "AANAAAAP"},
        {2, 0, true, "aaaaaaaa", "AAAAAAAA"},
        {2, 0, false, "aaaada", "AAAAAA"},
        /* The tries alone are not enough. */
        {1, 3, false, "dddd", "AAAP"},
        {2, 3, false, "dddd", "AAAP"},
        {5, 3, false, "ddddd", "AAAAP"},
        {1, 3, true, "dddddddd", "AAANAAAP"},
        {1, 3, false, "daad", "AAAP"},
        {2, 3, false, "aaaadddd", "AAAAAAAP"},
        {1, 99, false, "dddddddd", "AAAAAAAA"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        const struct giveup_limits limits = {cases[i].after, cases[i].minutes * 60000};
        struct giveup g = {0};
        char answers[16] = "";
        for (size_t k = 0; cases[i].failures[k]; k++) {
            const struct giveup_try failed = {.now_ms = 1000 + (int64_t)k * 60000,
                                              .by_data = cases[i].failures[k] == 'd',
                                              .overlap = cases[i].overlap && !g.narrow};
            answers[k] = "ANP"[giveup_failed(&g, &limits, &failed)];
        }
        ck_assert_msg(strcmp(answers, cases[i].answers) == 0, "case %zu: %s", i, answers);
    }
}
END_TEST

#define FAILURES 6
enum { GAPS = 3 }; /* between two failures: none, short, as long as it must be tried */

/* All failures of a stage because of the data, counted apart from the code. */
struct stage {
    int64_t tries, first_ms;
};

/* `code`: for each failure its kind and the gap before it. */
static void sequence_check(const struct giveup_limits *limits, bool has_overlap, unsigned code)
{
    static const int64_t gaps_ms[GAPS] = {0, 4, 10};
    struct giveup g = {0};
    struct stage stage = {0};
    int64_t now_ms = 0;
    for (unsigned k = 0; k < FAILURES; k++, code /= 2 * GAPS) {
        now_ms += gaps_ms[code % GAPS];
        const struct giveup_try failed = {
            .now_ms = now_ms, .by_data = code / GAPS % 2, .overlap = has_overlap && !g.narrow};
        if (failed.by_data && stage.tries++ == 0)
            stage.first_ms = now_ms;
        bool enough = failed.by_data && limits->tries > 0 && stage.tries >= limits->tries &&
                      now_ms - stage.first_ms >= limits->time_ms;
        enum giveup_next want = !enough          ? GIVEUP_AGAIN
                                : failed.overlap ? GIVEUP_NARROW
                                                 : GIVEUP_PASS;
        bool was_narrow = g.narrow;
        enum giveup_next next = giveup_failed(&g, limits, &failed);
        if (next != want || g.narrow != (was_narrow || want == GIVEUP_NARROW))
            ck_abort_msg("failure %u of %x: %d, not %d", k, code, next, want);
        if (want == GIVEUP_NARROW)
            stage = (struct stage){0};
        if (want == GIVEUP_PASS)
            return;
    }
}

/* In any order and at any pace: passed only after enough failures because of the data over enough
 * time and, if there is an overlap, as many again without it; never if switched off. */
START_TEST(all_sequences)
{
    unsigned codes = 1;
    for (unsigned k = 0; k < FAILURES; k++)
        codes *= 2 * GAPS;
    for (int64_t after = 0; after <= 3; after++)
        for (int64_t time_ms = 0; time_ms <= 10; time_ms += 10)
            for (unsigned code = 0; code < 2 * codes; code++)
                sequence_check(&(struct giveup_limits){after, time_ms}, code % 2, code / 2);
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

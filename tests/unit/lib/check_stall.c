/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_stall.c - when Kafka is away: tables of looks.
 */
#include "lib/kafka/stall.h"
#include "tests/unit/unit.h"

#define LOOKS_MAX 16

/* A look: seconds, what waits, answers so far; and what is expected. */
struct look {
    int at_s;
    bool waits;
    unsigned answers;
    bool away;
};

static const struct history {
    const char *what;
    struct look looks[LOOKS_MAX]; /* one at 0 s ends them */
} histories[] = {
    {"nothing waits", {{1, false, 0, false}, {9, false, 0, false}, {99, false, 0, false}}},
    {"queued in an open transaction, and no report",
     {{1, true, 0, false},
      {2, true, 0, false},
      {3, true, 0, false},
      {4, true, 0, false},
      {5, true, 0, false},
      {6, true, 0, true},
      {7, true, 0, true}}},
    {"slow, but it answers",
     {{1, true, 0, false},
      {2, true, 0, false},
      {3, true, 1, false},
      {4, true, 1, false},
      {5, true, 2, false},
      {6, true, 2, false},
      {7, true, 2, false},
      {8, true, 3, false}}},
    {"5 s count from the last answer",
     {{1, true, 0, false},
      {2, true, 7, false},
      {3, true, 7, false},
      {4, true, 7, false},
      {5, true, 7, false},
      {6, true, 7, false},
      {7, true, 7, true},
      {8, true, 8, false},
      {9, true, 8, false}}},
    {"all is taken, then a commit without an answer",
     {{1, true, 0, false},
      {2, false, 3, false},
      {8, false, 3, false},
      {9, true, 3, false},
      {10, true, 3, false},
      {11, true, 3, false},
      {12, true, 3, false},
      {13, true, 3, false},
      {14, true, 3, true},
      {15, false, 3, false}}},
    {"its end is no waiting",
     {{1, true, 0, false},
      {2, true, 0, false},
      {3, true, 0, false},
      {4, true, 0, false},
      {5, true, 0, false},
      {6, true, 0, true},
      {7, false, 0, false},
      {8, true, 0, false},
      {9, true, 0, false}}},
    {"we were stopped for a minute, and its answer is here but not taken yet",
     {{1, true, 0, false}, {2, true, 0, false}, {62, true, 0, false}, {63, true, 4, false}}},
    {"we were stopped, and it is away as well: what was looked at counts",
     {{1, true, 0, false},
      {2, true, 0, false},
      {3, true, 0, false},
      {63, true, 0, false},
      {64, true, 0, false},
      {65, true, 0, true}}},
};

START_TEST(looks)
{
    const struct history *h = &histories[_i];
    struct pl_stall stall = {0};

    for (size_t i = 0; i < LOOKS_MAX && h->looks[i].at_s; i++) {
        const struct look *l = &h->looks[i];
        const struct pl_stall_now now = {l->at_s * 1000, l->waits, l->answers};
        ck_assert_msg(pl_stall_look(&stall, &now) == l->away, "%s: at %d s", h->what, l->at_s);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(looks, .count = PL_COUNT(histories)),
    };
    return unit_main("stall", tests, PL_COUNT(tests));
}

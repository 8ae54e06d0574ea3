/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_turns.c - which series begins next: all sequences of a few series, slots and events.
 * links: wmfetchd
 */
#include <stdio.h>
#include <string.h>

#include "daemons/wmfetchd/window/turns.h"
#include "tests/unit/unit.h"

enum { N = 4 };

static const int64_t *waits;

static int64_t wait_of(const void *userdata, size_t i)
{
    (void)userdata;
    return waits[i];
}

static struct turns_next next_of(const struct turns *t, const int64_t *w, int64_t want)
{
    struct turns_next next = {SIZE_MAX, UINT32_MAX};
    waits = w;
    int64_t ms = turns_next(t, wait_of, NULL, &next);
    ck_assert_msg(ms == want, "in %lld ms, not %lld", (long long)ms, (long long)want);
    return next;
}

/* With one slot, all take turns. */
START_TEST(one_slot)
{
    static const int64_t due[N] = {0};
    struct turn v[N] = {{.group = 0}, {.group = 0}, {.group = 1}, {.group = 1, .fresh = true}};
    static const size_t order[] = {3, 0, 1, 2, 3, 0, 1, 2, 3};
    struct turns t = {.slots_n = 1, .n = N, .v = v};
    for (size_t k = 0; k < PL_COUNT(order); k++) {
        struct turns_next next = next_of(&t, due, 0);
        ck_assert_uint_eq(next.slot, 0);
        ck_assert_msg(next.i == order[k], "turn %zu: %zu", k, next.i);
        turns_begin(&t, &next);
        v[3].fresh = false;
        ck_assert_uint_eq(turns_busy(&t), 1);
        next_of(&t, due, INT64_MAX);
        turns_end(&t, 0, k % 2);
    }
}
END_TEST

/* One slow request: all others continue beside it. */
START_TEST(slow_request)
{
    static const int64_t due[N] = {0};
    struct turn v[N] = {{.group = 0}, {.group = 1}, {.group = 2}, {.group = 0}};
    struct turns t = {.slots_n = 2, .n = N, .v = v};
    struct turns_next slow = next_of(&t, due, 0);
    turns_begin(&t, &slow);
    for (size_t k = 0; k < 6; k++) {
        struct turns_next next = next_of(&t, due, 0);
        ck_assert_uint_eq(next.slot, 1);
        ck_assert_uint_eq(next.i, 1 + k % 2); /* never 3, of the slow application */
        turns_begin(&t, &next);
        turns_end(&t, 1, false);
    }
    turns_end(&t, slow.slot, true);
    ck_assert_uint_eq(next_of(&t, due, 0).i, 3);
}
END_TEST

START_TEST(waiting)
{
    static const struct {
        int64_t waits[N];
        int64_t want;
    } cases[] = {
        {{500, 300, 400, 900}, 300},
        {{INT64_MAX, INT64_MAX, 7, INT64_MAX}, 7},
        {{500, 300, 0, 900}, 0},
        {{-5, 300, 200, 900}, 0},
    };
    for (size_t k = 0; k < PL_COUNT(cases); k++) {
        struct turn v[N] = {{.group = 0}, {.group = 1}, {.group = 2}, {.group = 3}};
        struct turns t = {.slots_n = 2, .n = N, .v = v};
        next_of(&t, cases[k].waits, cases[k].want);
    }
    struct turns none = {.slots_n = 2};
    next_of(&none, NULL, INT64_MAX);
    /* A series that cannot begin has no say in the wait: its application is running. */
    struct turn v[2] = {{.group = 0}, {.group = 0}};
    struct turns t = {.slots_n = 2, .n = 2, .v = v};
    static const int64_t w[2] = {0, 5};
    struct turns_next next = next_of(&t, w, 0);
    turns_begin(&t, &next);
    next_of(&t, w, INT64_MAX);
}
END_TEST

/* ---- all sequences ---- */

struct walk {
    unsigned slots_n;
    size_t groups[N];
    uint64_t states, begun;
    /* How often another series began while this one was due and allowed to. */
    unsigned passed[N];
    const char *broken; /* the first broken rule */
};

/* Counted here, as libcheck would write each of millions of assertions to its log. */
static void hold(struct walk *w, bool holds, const char *rule)
{
    if (!holds && !w->broken)
        w->broken = rule;
}

static bool is_running(const struct turns *t, size_t i)
{
    for (unsigned k = 0; k < t->slots_n; k++)
        if (t->slots[k] == i + 1)
            return true;
    return false;
}

/* The rules in turns.h, independent of turns.c. */
static bool might_begin(const struct turns *t, size_t i, int64_t wait_ms)
{
    unsigned busy = 0, failed = 0;
    bool group = false;
    for (size_t k = 0; k < t->n; k++) {
        if (!is_running(t, k))
            continue;
        busy++;
        failed += t->v[k].failed;
        group |= t->v[k].group == t->v[i].group;
    }
    return wait_ms == 0 && busy < t->slots_n && !group &&
           !(t->v[i].failed && t->slots_n > 1 && failed >= t->slots_n - 1);
}

static void check_rules(struct walk *w, const struct turns *t)
{
    unsigned failed = 0;
    for (unsigned k = 0; k < t->slots_n; k++) {
        if (!turns_is_busy(t, k))
            continue;
        failed += t->v[t->slots[k] - 1].failed;
        for (unsigned other = 0; other < k; other++)
            hold(w,
                 !turns_is_busy(t, other) ||
                     t->v[t->slots[other] - 1].group != t->v[t->slots[k] - 1].group,
                 "an application is in one slot at most");
    }
    hold(w, t->slots_n == 1 || failed < t->slots_n, "one slot is kept free of what failed");
}

/* Begins all that may, then tries everything that can follow: any slot ends, in success or failure,
 * and another set of series is due. */
static void walk(struct walk *w, struct turns t, struct turn *v, unsigned depth)
{
    struct turn here[N];
    for (unsigned due = 1; due < 1u << N; due++) {
        int64_t times[N];
        struct turns u = t;
        unsigned before[N];
        memcpy(before, w->passed, sizeof(before));
        memcpy(here, v, sizeof(here));
        u.v = here;
        for (size_t i = 0; i < N; i++)
            times[i] = due & 1u << i ? 0 : 1000;
        struct turns_next next;
        waits = times;
        while (turns_next(&u, wait_of, NULL, &next) == 0) {
            hold(w, !is_running(&u, next.i), "a series is in one slot at most");
            hold(w, might_begin(&u, next.i, times[next.i]), "what begins may begin");
            for (size_t i = 0; i < N; i++)
                if (i != next.i && might_begin(&u, i, times[i]) && !here[next.i].fresh) {
                    hold(w, here[i].last >= here[next.i].last, "the longest ago is first");
                    hold(w, ++w->passed[i] < N, "nothing goes before another again and again");
                }
            w->passed[next.i] = 0;
            turns_begin(&u, &next);
            here[next.i].fresh = false;
            check_rules(w, &u);
            w->begun++;
        }
        for (size_t i = 0; i < N; i++) /* nothing that might begin is left */
            hold(w, is_running(&u, i) || !might_begin(&u, i, times[i]), "all that may begin does");
        w->states++;
        for (unsigned k = 0; depth > 0 && k < u.slots_n; k++) {
            if (!turns_is_busy(&u, k))
                continue;
            for (int failed = 0; failed < 2; failed++) {
                struct turn ended[N];
                struct turns after = u;
                unsigned kept[N];
                memcpy(kept, w->passed, sizeof(kept));
                memcpy(ended, here, sizeof(ended));
                after.v = ended;
                turns_end(&after, k, failed);
                walk(w, after, ended, depth - 1);
                memcpy(w->passed, kept, sizeof(kept));
            }
        }
        memcpy(w->passed, before, sizeof(before));
    }
}

START_TEST(all_sequences)
{
    static const size_t groups[][N] = {
        {0, 1, 2, 3}, {0, 0, 1, 2}, {0, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 0, 0}};
    uint64_t states = 0, begun = 0;
    for (unsigned slots_n = 1; slots_n <= 3; slots_n++)
        for (size_t g = 0; g < PL_COUNT(groups); g++)
            for (unsigned fresh = 0; fresh < 1u << N; fresh += 5) {
                struct walk w = {.slots_n = slots_n};
                struct turn v[N] = {{0}};
                for (size_t i = 0; i < N; i++)
                    v[i] = (struct turn){.group = groups[g][i], .fresh = fresh & 1u << i};
                walk(&w, (struct turns){.slots_n = slots_n, .n = N}, v, 2);
                ck_assert_msg(!w.broken, "%u slots: %s", slots_n, w.broken);
                states += w.states;
                begun += w.begun;
            }
    printf("%llu states, %llu beginnings\n", (unsigned long long)states, (unsigned long long)begun);
    ck_assert_uint_gt(states, 100000);
}
END_TEST

/* In whatever order slots end: of many series that are always due, none gets more than three times
 * the turns of another. */
START_TEST(none_starves)
{
    static const int64_t due[64] = {0};
    uint64_t rng = 1;
    for (unsigned slots_n = 1; slots_n <= TURNS_SLOTS_MAX; slots_n++) {
        struct turn v[64] = {{0}};
        struct turns t = {.slots_n = slots_n, .n = PL_COUNT(v), .v = v};
        uint64_t turns[64] = {0};
        for (size_t i = 0; i < PL_COUNT(v); i++)
            v[i].group = i / 2;
        for (unsigned k = 0; k < 20000; k++) {
            struct turns_next next;
            waits = due;
            while (turns_next(&t, wait_of, NULL, &next) == 0) {
                turns_begin(&t, &next);
                turns[next.i]++;
            }
            rng = rng * 6364136223846793005u + 1442695040888963407u;
            unsigned slot = (unsigned)(rng >> 33) % slots_n;
            if (turns_is_busy(&t, slot)) /* a third of the series always fails */
                turns_end(&t, slot, (t.slots[slot] - 1) % 3 == 0);
        }
        uint64_t least = UINT64_MAX, most = 0;
        for (size_t i = 0; i < PL_COUNT(v); i++) {
            least = turns[i] < least ? turns[i] : least;
            most = turns[i] > most ? turns[i] : most;
        }
        ck_assert_msg(least > 0 && most <= 3 * least, "%u slots: %llu to %llu turns", slots_n,
                      (unsigned long long)least, (unsigned long long)most);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("turns"), TEST(one_slot),      TEST(slow_request),
        TEST(waiting),  TEST(all_sequences), TEST(none_starves),
    };
    return unit_main("turns", tests, PL_COUNT(tests));
}

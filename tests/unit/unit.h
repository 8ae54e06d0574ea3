/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.h - what every unit test program has: main() from a table of libcheck tests, and a temporary
 * folder.
 *
 *     int main(void)
 *     {
 *         const struct unit_test tests[] = {
 *             TEST(plain),
 *             TEST(each, .count = PL_COUNT(cases)),         a loop test: _i is 0 to count - 1
 *             TCASE("server", .set_up = f, .tear_down = g), for the tests from here on
 *             TEST(asks_twice),
 *             TEST(real, .skip = getenv("X") ? NULL : "X is not set"),
 *         };
 *         return unit_main("name", tests, PL_COUNT(tests));
 *     }
 *
 * What is skipped is not run and is printed as "skipped: N (why)", which check.sh counts; a TCASE
 * may be skipped as a whole. Each test runs in a process of its own; CK_FORK=no (for a debugger)
 * runs all in one, without those that must end by a signal. TEST_SECONDS is for a test that hangs,
 * on a loaded machine and under sanitizers too: no test may rest on it.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/err.h"

#define TEST_SECONDS 120

struct unit_test {
    const TTest *test; /* NULL: a test case begins */
    int count;         /* of a loop test */
    int signal;        /* by which it must end */
    const char *skip;  /* why it is not run */
    const char *name;  /* of the test case */
    void (*set_up)(void), (*tear_down)(void);
};

#define TEST(test_, ...)                                                                           \
    {                                                                                              \
        .test = (test_), __VA_ARGS__                                                               \
    }
#define TCASE(name_, ...)                                                                          \
    {                                                                                              \
        .name = (name_), __VA_ARGS__                                                               \
    }

/* The call answered 0; err says why not. */
#define ck_assert_done(call, err) ck_assert_msg((call) == 0, "%s", (err).msg)

static char unit_base[64];

static inline int unit_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* A new empty folder, which is removed when the program ends, with what is in it. The caller's. */
static inline char *unit_dir(void)
{
    char *dir = pl_strf("%s/XXXXXX", unit_base);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

static inline void unit_tests_add(Suite *suite, const struct unit_test *tests, size_t n, bool fork)
{
    const char *skip_case = NULL;
    TCase *tc = NULL;
    int skipped = 0;
    for (const struct unit_test *t = tests; t < tests + n; t++) {
        if (!tc || !t->test) {
            tc = tcase_create(t->test ? "tests" : t->name);
            tcase_set_timeout(tc, TEST_SECONDS);
            suite_add_tcase(suite, tc);
        }
        if (!t->test) {
            skip_case = t->skip;
            if (t->set_up || t->tear_down)
                tcase_add_checked_fixture(tc, t->set_up, t->tear_down);
            continue;
        }
        const char *skip = skip_case ? skip_case : t->skip;
        if (!skip && t->signal && !fork)
            skip = "a signal ends it";
        if (!skip && t->count)
            tcase_add_loop_test_raise_signal(tc, t->test, t->signal, 0, t->count);
        else if (!skip)
            tcase_add_test_raise_signal(tc, t->test, t->signal);
        else
            skipped += t->count ? t->count : 1;
        if (skipped && (t == tests + n - 1 || !t[1].test || !skip_case)) {
            printf("skipped: %d (%s)\n", skipped, skip);
            skipped = 0;
        }
    }
}

/* Runs the table; what main() returns. */
static inline int unit_main(const char *name, const struct unit_test *tests, size_t n)
{
    Suite *suite = suite_create(name);
    SRunner *runner = srunner_create(suite);
    snprintf(unit_base, sizeof(unit_base), "/tmp/check-%s-XXXXXX", name);
    if (!mkdtemp(unit_base)) {
        perror(unit_base);
        return 1;
    }
    unit_tests_add(suite, tests, n, srunner_fork_status(runner) == CK_FORK);
    fflush(stdout); /* or each child would print it again */
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    nftw(unit_base, unit_remove, 16, FTW_DEPTH | FTW_PHYS);
    return failed > 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* check_step.c - named steps: what is armed happens at its passing, one after another. */
#ifndef PL_STEPS
#define PL_STEPS
#endif
#include "lib/base/step.c"

#include <sys/wait.h>

#include "tests/unit/unit.h"

static char *log_path;

/* A child that passes a and b in turn, ten times, and ends with 3. */
static pid_t child(const char *armed)
{
    PL_FREE char *dir = unit_dir();
    free(log_path);
    log_path = pl_strf("%s/steps", dir);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    signal(SIGTERM, SIG_DFL); /* libcheck has a handler */
    setenv("PIPELINE_STEP", armed, 1);
    setenv("PIPELINE_STEP_LOG", log_path, 1);
    for (int i = 0; i < 10; i++) {
        PL_STEP("a");
        PL_STEP("b");
    }
    _exit(3);
}

static int status_of(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    return status;
}

/* How many passings were noted, and the last line. */
static int passings(char *last, size_t size)
{
    int n = 0;
    FILE *file = fopen(log_path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(last, (int)size, file))
        n++;
    fclose(file);
    last[strcspn(last, "\n")] = '\0';
    return n;
}

START_TEST(nothing_is_armed)
{
    char last[64] = "";
    int status = status_of(child(""));
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    ck_assert_int_eq(passings(last, sizeof(last)), 20);
    ck_assert_str_eq(last, "b");
}
END_TEST

START_TEST(killed_at_its_passing)
{
    char last[64] = "";
    int status = status_of(child("b:3:KILL"));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_int_eq(passings(last, sizeof(last)), 6);
    ck_assert_str_eq(last, "b KILL");
}
END_TEST

/* A count begins when the action before was done. */
START_TEST(one_after_another)
{
    char last[64] = "";
    pid_t pid = child("a:2:STOP b:1:STOP a:3:TERM");
    ck_assert(WIFSTOPPED(status_of(pid)));
    kill(pid, SIGCONT);
    ck_assert(WIFSTOPPED(status_of(pid)));
    kill(pid, SIGCONT);
    int status = status_of(pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    ck_assert_int_eq(passings(last, sizeof(last)), 9);
    ck_assert_str_eq(last, "a TERM");
}
END_TEST

START_TEST(a_word_that_is_not_understood)
{
    int status = status_of(child("a:0:KILL"));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    status = status_of(child("a-KILL"));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(nothing_is_armed),
        TEST(killed_at_its_passing),
        TEST(one_after_another),
        TEST(a_word_that_is_not_understood),
    };
    return unit_main("step", tests, PL_COUNT(tests));
}

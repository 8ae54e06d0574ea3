/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_daemon_watchdog.c - the watchdog, ticks and wakers of daemons.
 */
#include "tests/unit/lib/daemon_run.h"

static unsigned ticks, asked;

/* ---- the watchdog ---- */

static bool alive_thrice_of_six(void *userdata)
{
    (void)userdata;
    asked++;
    if (asked == 7)
        pl_daemon_stop(daemon_obj, NULL);
    return asked < 3 || asked > 5;
}

static int run_watchdog(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish, .on_watchdog = alive_thrice_of_six};
    char pid[32];

    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "10000", 1);
    return make_and_run(&ops, LONG_MS);
}

START_TEST(watchdog)
{
    struct watch w;
    int i;

    watch_open(&w, false);
    watch_start(&w, run_watchdog);
    expect(&w, "READY=1");
    for (i = 0; i < 3; i++) /* the 1st, 2nd and 6th; the 7th is fed after STOPPING=1 */
        expect(&w, "WATCHDOG=1");
    expect(&w, "STOPPING=1");
    expect(&w, "WATCHDOG=1");
    expect_beside_watchdog(&w, "STATUS=drained");
    expect_exit(&w, 0);
    expect_no_more(&w);
    ck_assert_uint_eq(logged(&w, "the watchdog is not fed"), 1);
    ck_assert_uint_eq(logged(&w, "progress again"), 1);
    watch_close(&w);
}
END_TEST

static bool not_alive(void *userdata)
{
    (void)userdata;
    return false;
}

static int run_watchdog_while_stopping(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever, .on_watchdog = not_alive};
    char pid[32];

    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "10000", 1);
    return make_and_run(&ops, LONG_MS);
}

/* A long drain has its own bound: the watchdog must not cut it short. */
START_TEST(watchdog_while_stopping)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_watchdog_while_stopping);
    expect(&w, "READY=1");
    watch_kill(&w, SIGTERM);
    expect(&w, "STOPPING=1");
    expect_beside_watchdog(&w, "STATUS=draining");
    expect(&w, "WATCHDOG=1");
    expect(&w, "WATCHDOG=1");
    watch_kill(&w, SIGTERM);
    expect_exit(&w, 1);
    watch_close(&w);
}
END_TEST

static bool never_asked(void *userdata)
{
    (void)userdata;
    abort();
}

static void tick_and_stop(void *userdata)
{
    (void)userdata;
    if (++ticks == 2)
        pl_daemon_stop(daemon_obj, NULL);
}

/* Two ticks take two seconds; a watchdog of another process must not be fed meanwhile. */
static int run_ticks(void)
{
    static const struct pl_daemon_ops ops = {
        .on_stop = finish, .on_watchdog = never_asked, .on_tick = tick_and_stop};

    setenv("WATCHDOG_PID", "1", 1);
    setenv("WATCHDOG_USEC", "1000", 1);
    return make_and_run(&ops, LONG_MS);
}

START_TEST(ticks_and_no_watchdog)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_ticks);
    expect(&w, "READY=1");
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=drained");
    expect_exit(&w, 0);
    watch_close(&w);
}
END_TEST

/* ---- wakers ---- */

enum { WAKES = 1000 };
static struct pl_waker *waker;
static _Atomic unsigned posted;
static unsigned woken;
static pthread_t loop_thread;

static void *wake_from_thread(void *arg)
{
    int i;

    (void)arg;
    for (i = 0; i < WAKES; i++) {
        posted++;
        pl_waker_wake(waker);
    }
    return NULL;
}

static void on_wake(void *userdata)
{
    if (userdata != &woken || !pthread_equal(pthread_self(), loop_thread))
        abort();
    woken++;
    if (posted == WAKES) { /* the last wake is never lost, though wakes may join */
        pl_waker_free(PL_TAKE(waker));
        pl_daemon_finish(daemon_obj);
    }
}

START_TEST(waker_from_a_thread)
{
    static const struct pl_daemon_ops ops = {0};
    struct pl_err err;
    sigset_t mask;
    pthread_t thread;

    loop_thread = pthread_self();
    ck_assert_int_eq(pl_daemon_new(&ops, NULL, LONG_MS, &daemon_obj, &err), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&mask, SIGINT), 1);
    ck_assert_int_eq(sigismember(&mask, SIGHUP), 1);
    ck_assert_int_eq(pl_waker_new(daemon_obj, on_wake, &woken, &waker, &err), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wake_from_thread, NULL), 0);
    ck_assert_int_eq(pl_daemon_run(daemon_obj), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_ge(woken, 1);
    ck_assert_uint_le(woken, WAKES);
    pl_daemon_free(daemon_obj);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGTERM), 0);
    pl_waker_free(NULL);
    pl_daemon_free(NULL);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(watchdog),
        TEST(watchdog_while_stopping),
        TEST(ticks_and_no_watchdog),
        TEST(waker_from_a_thread),
    };
    return unit_main("daemon_watchdog", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_daemon.c - starting, reloading and stopping of daemons (watchdog and wakers:
 * check_daemon_watchdog.c).
 */
#include "tests/unit/lib/daemon_run.h"

static int run_plain(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish, .on_reload = reload};
    return make_and_run(&ops, LONG_MS);
}

static const struct stop_case {
    int signo;
    bool abstract;
    const char *logged;
} stop_cases[] = {
    {SIGTERM, false, "testd: stopping signal=SIGTERM"},
    {SIGINT, true, "testd: stopping signal=SIGINT"},
};

START_TEST(stop_in_order)
{
    const struct stop_case *c = &stop_cases[_i];
    struct watch w;

    watch_open(&w, c->abstract);
    watch_start(&w, run_plain);
    expect(&w, "READY=1");
    watch_kill(&w, c->signo);
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=drained");
    expect_exit(&w, 0);
    expect_no_more(&w);
    ck_assert_uint_eq(logged(&w, "testd: ready version="), 1);
    ck_assert_uint_eq(logged(&w, c->logged), 1);
    watch_close(&w);
}
END_TEST

START_TEST(reload_then_stop)
{
    struct watch w;
    int i;

    watch_open(&w, false);
    watch_start(&w, run_plain);
    expect(&w, "READY=1");
    for (i = 0; i < 2; i++) {
        watch_kill(&w, SIGHUP);
        expect(&w, "RELOADING=1");
        ck_assert(message_has(w.last, "MONOTONIC_USEC="));
        if (i == 0)
            expect(&w, "STATUS=reloaded"); /* the same text is not sent again */
        expect(&w, "READY=1");
    }
    watch_kill(&w, SIGTERM);
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=drained");
    expect_exit(&w, 0);
    watch_close(&w);
}
END_TEST

static void reload_that_stops(void *userdata)
{
    (void)userdata;
    pl_daemon_stop(daemon_obj, NULL);
}

static int run_reload_that_stops(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish, .on_reload = reload_that_stops};
    return make_and_run(&ops, LONG_MS);
}

/* READY=1 behind STOPPING=1 would tell systemd that the service is up again. */
START_TEST(reload_that_leads_to_a_stop)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_reload_that_stops);
    expect(&w, "READY=1");
    watch_kill(&w, SIGHUP);
    expect(&w, "RELOADING=1");
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=drained"); /* and no READY=1 before */
    expect_exit(&w, 0);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

static void reload_that_starts_again(void *userdata)
{
    (void)userdata;
    pl_daemon_again(daemon_obj);
}

static int run_again(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish,
                                             .on_reload = reload_that_starts_again};
    int status = make_and_run_keep(&ops, LONG_MS);
    status += pl_daemon_is_again(daemon_obj) ? 20 : 0;
    pl_daemon_free(daemon_obj);
    return status;
}

/* For systemd it is reloading, until the next image is ready. */
START_TEST(reload_that_starts_again_is_no_stop)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_again);
    expect(&w, "READY=1");
    watch_kill(&w, SIGHUP);
    expect(&w, "RELOADING=1");
    expect(&w, "STATUS=Reloading");
    ck_assert(!message_has(w.last, "STOPPING=1"));
    ck_assert(message_has(w.last, "EXTEND_TIMEOUT_USEC="));
    expect(&w, "STATUS=drained");
    expect_exit(&w, 20);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

static int run_again_slowly(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever,
                                             .on_reload = reload_that_starts_again};
    return make_and_run(&ops, LONG_MS);
}

START_TEST(a_stop_signal_ends_what_was_to_start_again)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_again_slowly);
    expect(&w, "READY=1");
    watch_kill(&w, SIGHUP);
    expect(&w, "RELOADING=1");
    expect(&w, "STATUS=Reloading");
    expect(&w, "STATUS=draining");
    watch_kill(&w, SIGHUP); /* nothing more to do */
    watch_kill(&w, SIGTERM);
    expect(&w, "STOPPING=1");
    watch_kill(&w, SIGTERM);
    expect_exit(&w, 1);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

static void drain_that_fails(void *userdata)
{
    struct pl_err err;

    (void)userdata;
    pl_err_set(&err, PL_ERR_FENCED, 0, "another took over");
    pl_daemon_stop(daemon_obj, &err);
    pl_daemon_finish(daemon_obj);
}

static int run_again_in_vain(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_that_fails,
                                             .on_reload = reload_that_starts_again};
    int status = make_and_run_keep(&ops, LONG_MS);
    if (pl_daemon_is_again(daemon_obj))
        return 99;
    pl_daemon_free(daemon_obj);
    return status;
}

/* What must stay down does not come back by a reload. */
START_TEST(an_error_ends_what_was_to_start_again)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_again_in_vain);
    expect(&w, "READY=1");
    watch_kill(&w, SIGHUP);
    expect(&w, "RELOADING=1");
    expect(&w, "STATUS=Reloading");
    expect(&w, "STATUS=Stopping: another took over");
    expect(&w, "STOPPING=1");
    expect_exit(&w, PL_EXIT_FENCED);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

static int run_no_callbacks(void)
{
    static const struct pl_daemon_ops ops = {0};
    return make_and_run(&ops, LONG_MS);
}

START_TEST(no_callbacks)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_no_callbacks);
    expect(&w, "READY=1");
    watch_kill(&w, SIGHUP);
    expect(&w, "RELOADING=1");
    expect(&w, "READY=1");
    watch_kill(&w, SIGPIPE); /* ignored */
    watch_kill(&w, SIGTERM);
    expect(&w, "STOPPING=1");
    expect_exit(&w, 0);
    ck_assert_uint_eq(logged(&w, "nothing here can be reloaded"), 1);
    watch_close(&w);
}
END_TEST

static int run_slow_drain(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever, .on_reload = reload};
    return make_and_run(&ops, LONG_MS);
}

static void block_for_ever(void *userdata)
{
    (void)userdata;
    pl_daemon_status(daemon_obj, "draining");
    for (;;)
        pause();
}

static int run_stuck_drain(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = block_for_ever};
    return make_and_run(&ops, LONG_MS);
}

static const struct second_case {
    int (*run)(void);
    int second;
    const char *logged;
} second_cases[] = {
    {run_slow_drain, SIGTERM, "second signal while stopping"},
    {run_slow_drain, SIGINT, "signal=SIGINT"},
    {run_stuck_drain, SIGTERM, "second signal while stopping"},
};

START_TEST(second_signal)
{
    const struct second_case *c = &second_cases[_i];
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, c->run);
    expect(&w, "READY=1");
    watch_kill(&w, SIGTERM);
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=draining");
    watch_kill(&w, SIGHUP); /* ignored */
    watch_kill(&w, c->second);
    expect_exit(&w, 1);
    expect_no_more(&w);
    ck_assert_uint_eq(logged(&w, "ERROR  testd: second signal while stopping"), 1);
    ck_assert_uint_eq(logged(&w, c->logged), 1);
    watch_close(&w);
}
END_TEST

/* A deadline of 1 ms passes by itself: nothing has to be waited for. */
static int run_deadline(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever,
                                             .on_stop_deadline = give_up};
    return make_and_run(&ops, 1);
}

static int run_deadline_unhandled(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever};
    return make_and_run(&ops, 1);
}

static int run_deadline_zero(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever,
                                             .on_stop_deadline = give_up};
    return make_and_run(&ops, 0);
}

static const struct deadline_case {
    int (*run)(void);
    int status;
    bool gave_up;
} deadline_cases[] = {
    {run_deadline, 0, true}, {run_deadline_unhandled, 1, false}, {run_deadline_zero, 0, true}};

START_TEST(deadline)
{
    const struct deadline_case *c = &deadline_cases[_i];
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, c->run);
    expect(&w, "READY=1");
    watch_kill(&w, SIGTERM);
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=draining");
    if (c->gave_up)
        expect(&w, "STATUS=gave up");
    expect_exit(&w, c->status);
    ck_assert_uint_eq(logged(&w, "time to stop is over"), 1);
    watch_close(&w);
}
END_TEST

/* ---- stopping from inside ---- */

static enum pl_err_kind stop_kind; /* set before the fork */

static int run_stop_by_error(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish};
    struct pl_err err, first, second;
    int status;

    pl_err_set(&first, stop_kind, 5, "the first\nerror");
    pl_err_set(&second, PL_ERR_FATAL, 6, "the second error");
    if (pl_daemon_new(&ops, NULL, LONG_MS, &daemon_obj, &err) < 0)
        return 99;
    pl_daemon_ready(daemon_obj);
    if (pl_daemon_stopping(daemon_obj))
        return 98;
    pl_daemon_stop(daemon_obj, stop_kind == PL_ERR_NONE ? NULL : &first);
    if (stop_kind != PL_ERR_NONE)
        pl_daemon_stop(daemon_obj, &second);
    if (!pl_daemon_stopping(daemon_obj))
        return 97;
    status = pl_daemon_run(daemon_obj);
    pl_daemon_free(daemon_obj);
    return status;
}

static const struct error_case {
    enum pl_err_kind kind;
    int status;
} error_cases[] = {
    {PL_ERR_NONE, 0},    {PL_ERR_RETRY, 69}, {PL_ERR_REJECT, 65},
    {PL_ERR_CONFIG, 78}, {PL_ERR_FATAL, 1},
};

START_TEST(stop_by_error)
{
    const struct error_case *c = &error_cases[_i];
    struct watch w;

    stop_kind = c->kind;
    watch_open(&w, false);
    watch_start(&w, run_stop_by_error);
    expect(&w, "READY=1");
    if (c->kind != PL_ERR_NONE)
        expect(&w, "STATUS=Stopping: the first error");
    expect(&w, "STOPPING=1");
    ck_assert(message_has(w.last, "STATUS=Stopping") == (c->kind == PL_ERR_NONE));
    if (c->kind == PL_ERR_NONE)
        expect(&w, "STATUS=drained"); /* the error stays */
    expect_exit(&w, c->status);
    expect_no_more(&w);
    ck_assert_uint_eq(logged(&w, "stopping because of an error error=\"the first error\""),
                      c->kind != PL_ERR_NONE);
    ck_assert_uint_eq(logged(&w, "another error while stopping"), c->kind != PL_ERR_NONE);
    watch_close(&w);
}
END_TEST

static int run_stop_then_signals(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever};
    struct pl_err err;

    if (pl_daemon_new(&ops, NULL, LONG_MS, &daemon_obj, &err) < 0)
        return 99;
    pl_daemon_ready(daemon_obj);
    pl_daemon_stop(daemon_obj, NULL);
    return pl_daemon_run(daemon_obj);
}

/* systemd answers STOPPING=1 of a daemon that ends by itself with a SIGTERM at most: it must go on
 * draining. */
START_TEST(first_signal_after_own_stop)
{
    struct watch w;
    char chunk[4096];
    ssize_t n;

    watch_open(&w, false);
    watch_start(&w, run_stop_then_signals);
    expect(&w, "READY=1");
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=draining");
    watch_kill(&w, SIGTERM);
    do { /* until it says so; a daemon that ended gives 0 */
        n = read(w.err_fd, chunk, sizeof(chunk));
        ck_assert_int_gt(n, 0);
        ck_assert(pl_buf_add(&w.err_text, chunk, (size_t)n));
    } while (logged(&w, "already stopping") == 0);
    watch_kill(&w, SIGTERM);
    expect_exit(&w, 1);
    watch_close(&w);
}
END_TEST

static int run_finish_only(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = drain_for_ever};
    struct pl_err err;

    if (pl_daemon_new(&ops, NULL, LONG_MS, &daemon_obj, &err) < 0)
        return 99;
    pl_daemon_ready(daemon_obj);
    pl_daemon_finish(daemon_obj);
    return pl_daemon_run(daemon_obj);
}

START_TEST(finish_without_stop)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_finish_only);
    expect(&w, "READY=1");
    expect(&w, "STOPPING=1");
    expect_exit(&w, 0);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

/* A signal during a long start: asked for, not lost. */
static int run_signal_while_starting(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish};
    struct pl_err err;

    if (pl_daemon_new(&ops, NULL, LONG_MS, &daemon_obj, &err) < 0)
        return 99;
    if (pl_daemon_stopping(daemon_obj))
        return 98;
    kill(getpid(), SIGTERM);
    if (!pl_daemon_stopping(daemon_obj))
        return 97;
    return pl_daemon_run(daemon_obj);
}

START_TEST(signal_while_starting)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_signal_while_starting);
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=drained");
    expect_exit(&w, 0);
    watch_close(&w);
}
END_TEST

/* ---- how long systemd is to wait ---- */

static int run_steps(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish};
    struct pl_err err;
    int status;

    if (pl_daemon_new(&ops, NULL, 600000, &daemon_obj, &err) < 0)
        return 99;
    pl_daemon_step(daemon_obj, 30000, "waiting for %s", "Kafka");
    pl_daemon_step(daemon_obj, 60000, "waiting for %s", "Kafka");
    pl_daemon_ready(daemon_obj);
    pl_daemon_step(daemon_obj, 90000, "too late");
    status = pl_daemon_run(daemon_obj);
    pl_daemon_free(daemon_obj);
    return status;
}

START_TEST(time_to_start_and_stop)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_steps);
    expect(&w, "STATUS=waiting for Kafka");
    expect(&w, "EXTEND_TIMEOUT_USEC=40000000"); /* with ten seconds of grace */
    expect(&w, "EXTEND_TIMEOUT_USEC=70000000"); /* though the text is the same */
    expect(&w, "READY=1");
    watch_kill(&w, SIGTERM);
    expect(&w, "STOPPING=1");
    ck_assert_msg(message_has(w.last, "EXTEND_TIMEOUT_USEC=610000000"), "%s", w.last);
    ck_assert(message_has(w.last, "STATUS=Stopping"));
    expect(&w, "STATUS=drained");
    expect_exit(&w, 0);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

static bool stop_before; /* set before the fork */

static int run_start_failed(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = finish};
    struct pl_err err;
    int status;

    if (pl_daemon_new(&ops, NULL, LONG_MS, &daemon_obj, &err) < 0)
        return 99;
    if (pl_signals_stop_is_pending())
        return 98;
    if (stop_before)
        kill(getpid(), SIGTERM);
    if (pl_signals_stop_is_pending() != stop_before)
        return 97;
    pl_err_set(&err, PL_ERR_RETRY, 5, "no answer");
    status = pl_daemon_start_failed(daemon_obj, &err);
    pl_daemon_free(daemon_obj);
    return status;
}

START_TEST(start_failed)
{
    struct watch w;

    stop_before = _i == 1;
    watch_open(&w, false);
    watch_start(&w, run_start_failed);
    expect(&w, stop_before ? "STOPPING=1" : "STATUS=Cannot start: no answer");
    expect_exit(&w, stop_before ? 0 : 69);
    expect_no_more(&w);
    ck_assert_uint_eq(logged(&w, "ERROR  testd: cannot start"), !stop_before);
    ck_assert_uint_eq(logged(&w, "stopped before the start was over"), stop_before);
    watch_close(&w);
}
END_TEST

static int run_status(void)
{
    struct pl_err err;
    static const struct pl_daemon_ops ops = {0};
    char big[1000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    memcpy(big + 251, "\u20ac", 3); /* with "..." behind it, its last two bytes have no room */
    if (pl_daemon_new(&ops, NULL, LONG_MS, &daemon_obj, &err) < 0)
        return 99;
    pl_daemon_status(daemon_obj, "rows %d", 1);
    pl_daemon_status(daemon_obj, "rows %d", 1);
    pl_daemon_status(daemon_obj, "two\nREADY=1");
    pl_daemon_status(daemon_obj, "%s", big);
    pl_daemon_status(daemon_obj, "%s", big + 2); /* fits to the byte */
    pl_daemon_step(daemon_obj, 1000, "y%s", big + 2);
    /* What a format like %.2s leaves of a character, and what a server says that knows none. */
    pl_daemon_status(daemon_obj, "%.2s, \xff\xc0\xafz", "\u20ac");
    pl_daemon_free(daemon_obj);
    return 0;
}

START_TEST(status_text)
{
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, run_status);
    expect(&w, "STATUS=rows 1");
    expect(&w, "STATUS=two READY=1");
    expect(&w, "STATUS=");
    ck_assert_uint_eq(strspn(w.last + 7, "x"), 251);
    ck_assert_str_eq(w.last + 7 + 251, "...");
    expect(&w, "STATUS=");
    ck_assert_uint_eq(strspn(w.last + 7, "x"), 249);
    ck_assert_str_eq(w.last + 7 + 249, "\u20ac...");
    expect(&w, "STATUS=");
    ck_assert_uint_eq(strspn(w.last + 7, "yx"), 250);
    ck_assert_str_eq(w.last + 7 + 250, "...");
    expect(&w, "EXTEND_TIMEOUT_USEC=");
    expect(&w, "STATUS=??, ???z");
    expect_exit(&w, 0);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(stop_in_order, .count = PL_COUNT(stop_cases)),
        TEST(reload_then_stop),
        TEST(reload_that_leads_to_a_stop),
        TEST(reload_that_starts_again_is_no_stop),
        TEST(a_stop_signal_ends_what_was_to_start_again),
        TEST(an_error_ends_what_was_to_start_again),
        TEST(no_callbacks),
        TEST(second_signal, .count = PL_COUNT(second_cases)),
        TEST(deadline, .count = PL_COUNT(deadline_cases)),
        TEST(stop_by_error, .count = PL_COUNT(error_cases)),
        TEST(first_signal_after_own_stop),
        TEST(finish_without_stop),
        TEST(signal_while_starting),
        TEST(status_text),
        TEST(time_to_start_and_stop),
        TEST(start_failed, .count = 2),
    };
    return unit_main("daemon", tests, PL_COUNT(tests));
}

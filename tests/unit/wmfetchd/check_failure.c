/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_failure.c - which failure ends the daemon: what a person must fix for one series does so
 * only where all others wait for a person, each for itself. links: wmfetchd
 */
#include "daemons/wmfetchd/internal.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/log/log.h"
#include "tests/unit/unit.h"

static const struct pl_daemon_ops daemon_ops;
static struct series series[2];
static struct wmfetchd w;

static void set_up(void)
{
    struct pl_err err;
    memset(series, 0, sizeof(series));
    w = (struct wmfetchd){.series = series, .turns.n = PL_COUNT(series), .worked = PL_WORKED};
    pl_backoff_init(&w.backoff, 1000, 300000, 1);
    for (size_t i = 0; i < PL_COUNT(series); i++) {
        series[i] = (struct series){.application = "a", .index = "HOURLY", .known = true};
        pl_backoff_init(&series[i].backoff, 1000, 300000, i);
    }
    w.metrics = pl_metrics_new(wmfetchd_metrics, M_COUNT);
    ck_assert_msg(pl_daemon_new(&daemon_ops, NULL, 1000, &w.daemon, &err) == 0, "%s", err.msg);
}

static void tear_down(void)
{
    pl_metrics_free(w.metrics);
    pl_daemon_free(w.daemon);
}

static void fails(struct series *s, enum pl_err_kind kind, int code, bool no_token)
{
    const struct load_result result = {.fetch = {.no_token = no_token, .retry_after_ms = -1}};
    struct pl_err err;
    pl_err_set(&err, kind, code, "made");
    failure_of_window(&w, s, &result, &err);
}

/* A limit of ours, of one series: the other goes on. */
START_TEST(limit_of_one)
{
    fails(&series[0], PL_ERR_CONFIG, 0, false);
    ck_assert(!pl_daemon_stopping(w.daemon));
    fails(&series[1], PL_ERR_CONFIG, 0, false);
    ck_assert(pl_daemon_stopping(w.daemon));
}
END_TEST

/* While no token was given all were refused; that says nothing about the other series now. */
START_TEST(limit_of_one_after_a_refusal_of_all)
{
    fails(&series[1], PL_ERR_CONFIG, 401, true);
    ck_assert(!pl_daemon_stopping(w.daemon));
    fails(&series[0], PL_ERR_CONFIG, 0, false);
    ck_assert(!pl_daemon_stopping(w.daemon));
}
END_TEST

/* Nobody has a token, and nothing ever worked: not the first series alone. */
START_TEST(refusal_of_all_at_the_first_start)
{
    w.worked = PL_WORKED_NEVER;
    fails(&series[1], PL_ERR_CONFIG, 401, true);
    ck_assert(pl_daemon_stopping(w.daemon));
}
END_TEST

START_TEST(claim_refused)
{
    const struct load_result result = {.by_kafka = true};
    struct pl_err err;
    pl_err_set(&err, PL_ERR_CONFIG, 0, "made");
    failure_of_claim(&w, &result, &err);
    ck_assert(pl_daemon_stopping(w.daemon));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("failure", .set_up = set_up, .tear_down = tear_down),
        TEST(limit_of_one),
        TEST(limit_of_one_after_a_refusal_of_all),
        TEST(refusal_of_all_at_the_first_start),
        TEST(claim_refused),
    };
    pl_log_set_level(PL_ERROR);
    return unit_main("failure", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure.c - what a failure leads to: which series wait and how long, whether it is logged, and
 * whether it ends the daemon (lib/service/ends.h).
 */
#include "daemons/wmfetchd/internal.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/auth/auth.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/log/log.h"

enum {
    REFUSED_WAIT_MS = 60000, /* after a refusal: Keycloak counts failures */
    LIMIT_WAIT_MS = 3600000, /* after one of our limits: only a person raises it */
    BUSY_WAIT_MS = 10000,    /* 429 without Retry-After */
};

/* What only a person can fix ends the daemon only when every series waits for it, each by a failure
 * of its own; `all`: it is one failure of them all. */
static enum pl_end end_of(const struct wmfetchd *w, const struct load_result *result, bool all,
                          struct pl_err *err)
{
    enum pl_end end = pl_end_of(err, result->by_kafka ? w->kafka_worked : w->worked);
    for (size_t i = 0; end == PL_END_CONFIG && !all && i < w->turns.n; i++)
        if (!w->series[i].refused)
            end = PL_END_LOUDLY;
    return end;
}

static bool asks_to_wait(const struct load_result *result, const struct pl_err *err)
{
    return err->code == 429 || (err->code == 503 && result->fetch.retry_after_ms >= 0);
}

static int64_t floor_ms(const struct load_result *result, const struct pl_err *err)
{
    if (asks_to_wait(result, err))
        return result->fetch.retry_after_ms >= 0 ? result->fetch.retry_after_ms : BUSY_WAIT_MS;
    if (err->kind != PL_ERR_CONFIG)
        return 0;
    if (result->fetch.no_token && result->fetch.retry_after_ms >= 0)
        return result->fetch.retry_after_ms; /* until the credentials are tried again */
    return err->code != 0 ? REFUSED_WAIT_MS : LIMIT_WAIT_MS;
}

/* Whether it concerns all series: no token, refused by Kafka, or asked to wait. */
static bool is_for_all(const struct load_result *result, const struct pl_err *err)
{
    return result->fetch.no_token || asks_to_wait(result, err) ||
           (result->by_kafka && err->kind == PL_ERR_CONFIG && err->code != 0);
}

/* Delays all series. Concurrent requests that fail together add up to one delay. */
static int64_t hold_all(struct wmfetchd *w, int64_t floor)
{
    int64_t mono_ms = pl_clock_monotonic_ms(), wait_ms = w->not_before_ms - mono_ms;
    if (wait_ms <= 0 || wait_ms < floor)
        wait_ms = pl_backoff_next(&w->backoff, floor);
    w->not_before_ms = mono_ms + wait_ms;
    return wait_ms;
}

/* Delays what the failure concerns; returns how long. */
static int64_t hold(struct wmfetchd *w, struct series *s, const struct load_result *result,
                    const struct pl_err *err)
{
    int64_t floor = floor_ms(result, err);
    if (is_for_all(result, err))
        return hold_all(w, floor);
    int64_t wait_ms = pl_backoff_next(&s->backoff, floor);
    s->refused = err->kind == PL_ERR_CONFIG;
    s->not_before_ms = pl_clock_monotonic_ms() + wait_ms;
    return wait_ms;
}

/* Whether to log it now. Refused credentials only the first time: lib/auth logs the rest. */
static bool refusal_is_news(struct wmfetchd *w, struct series *s, const struct load_result *result,
                            const struct pl_err *err)
{
    struct pl_refusal *refusal = is_for_all(result, err) ? &w->refusal : &s->refusal;
    return pl_refusal_next(refusal, pl_clock_monotonic_ms()) &&
           (!result->fetch.no_token || refusal->lines == 1);
}

void failure_of_window(struct wmfetchd *w, struct series *s, const struct load_result *result,
                       const struct pl_err *why)
{
    struct pl_err copy = *why, *err = &copy;
    if (s->known)
        pl_metrics_inc(w->metrics, M_WINDOWS_FAILED, 1);
    s->fault_ms = pl_clock_realtime_ms();
    pl_text_copy(err->msg, strlen(err->msg), s->fault, sizeof(s->fault));
    bool said = is_for_all(result, err) && w->not_before_ms > pl_clock_monotonic_ms();
    int64_t wait_ms = hold(w, s, result, err);
    enum pl_end end = end_of(w, result, is_for_all(result, err), err);
    if (end >= PL_END_RESTART) {
        pl_daemon_stop(w->daemon, err);
        return;
    }
    if (!s->failing)
        s->failing_ms = pl_clock_monotonic_ms();
    s->failing = s->known;
    if (said) /* by another series that failed with it */
        return;
    bool long_wait =
        asks_to_wait(result, err) && result->fetch.retry_after_ms > PL_HTTP_RETRY_AFTER_LONG_MS;
    if (end == PL_END_AGAIN)
        pl_log_err(long_wait ? PL_ERROR : PL_WARNING, PL_EVENT_SOURCE_LOST,
                   "window not fetched, nothing of it is written, it is tried again", err,
                   PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
                   PL_F_UINT("UNDONE", result->sums.messages), PL_F_INT("WAIT_MS", wait_ms));
    else if (refusal_is_news(w, s, result, err))
        pl_log_err(PL_ERROR, err->kind == PL_ERR_CONFIG ? PL_EVENT_REFUSED : PL_EVENT_SOURCE_LOST,
                   "window refused, nothing of it is written, it is tried again", err,
                   PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
                   PL_F_UINT("UNDONE", result->sums.messages), PL_F_INT("WAIT_MS", wait_ms));
}

void failure_of_claim(struct wmfetchd *w, const struct load_result *result,
                      const struct pl_err *why)
{
    struct pl_err copy = *why, *err = &copy;
    int64_t wait_ms = hold_all(w, floor_ms(result, err));
    enum pl_end end = end_of(w, result, true, err);
    if (end >= PL_END_RESTART)
        pl_daemon_stop(w->daemon, err);
    else if (end == PL_END_LOUDLY && pl_refusal_next(&w->refusal, pl_clock_monotonic_ms()))
        pl_log_err(PL_ERROR, PL_EVENT_REFUSED, "cannot write to position_topic, it is tried again",
                   err, PL_F_STR("TOPIC", w->conf->position_topic), PL_F_INT("WAIT_MS", wait_ms));
    else if (end == PL_END_AGAIN)
        pl_log_err(PL_WARNING, NULL, "cannot write to position_topic, it is tried again", err,
                   PL_F_STR("TOPIC", w->conf->position_topic), PL_F_INT("WAIT_MS", wait_ms));
}

void failure_of_token(struct wmfetchd *w, const struct pl_err *why)
{
    struct pl_err copy = *why, *err = &copy;
    const struct load_result result = {
        .fetch = {.no_token = true, .retry_after_ms = pl_auth_retry_after_ms(w->env.auth)}};
    enum pl_end end = pl_end_of(err, w->worked);
    if (end >= PL_END_RESTART) {
        pl_daemon_stop(w->daemon, err);
    } else if (end == PL_END_LOUDLY) {
        hold_all(w, floor_ms(&result, err));
        pl_refusal_next(&w->refusal, pl_clock_monotonic_ms());
        pl_log_err(PL_ERROR, PL_EVENT_REFUSED, "no token, it is tried again", err);
    } else {
        pl_log_err(PL_WARNING, PL_EVENT_SOURCE_LOST, "no token yet, it is tried again", err);
    }
}

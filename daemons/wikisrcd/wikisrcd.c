/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wikisrcd.c - see wikisrcd.h.
 */
#include "daemons/wikisrcd/wikisrcd.h"

#include <inttypes.h>

#include "daemons/wikisrcd/delivery.h"
#include "daemons/wikisrcd/internal.h"
#include "daemons/wikisrcd/metrics.h"
#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "lib/batch/worked.h"
#include "lib/kafka/errors.h"
#include "lib/log/log.h"
#include "lib/service/skew.h"

enum {
    ABORT_WAIT_BASE_MS = 500,
    ABORT_WAIT_MAX_MS = 60000,
};

/* ---- refusals ---- */

/* The caller retries; `what`: a literal. */
static void refused(struct peer *peer, const char *what, const struct pl_err *err)
{
    if (pl_refusal_next(&peer->refusal, pl_clock_monotonic_ms()))
        pl_log_err(PL_ERROR, PL_EVENT_REFUSED,
                   "refused, although it worked before: retrying until it is accepted", err,
                   PL_F_STR("WHAT", what));
}

static void accepted(struct peer *peer, const char *what)
{
    peer->worked = PL_WORKED;
    if (pl_refusal_over(&peer->refusal))
        pl_log(PL_NOTICE, PL_EVENT_REFUSED, "no longer refused", PL_F_STR("WHAT", what));
}

/* ---- the source's answers ---- */

static void ready(struct wikisrcd *w)
{
    if (w->ready)
        return;
    w->ready = true;
    pl_service_ready(w->service);
}

/* A step of the start that continues in the loop: on_tick ends it after start_timeout. */
static void step(struct wikisrcd *w, const char *what, const char *of)
{
    w->step_ms = pl_clock_monotonic_ms();
    pl_daemon_step(w->daemon, w->conf->start_timeout_ms, "%s %s", what, of);
}

static void source_first_start(struct wikisrcd *w)
{
    w->started = true;
    step(w, "waiting for the source at", w->conf->source.url);
    source_start(w->source, 0);
}

/* At the very first start: not what --once has loaded. */
static int start_behind_loaded(const struct wikisrcd *w, int64_t *start_ms, struct pl_err *err)
{
    const struct wikisrcd_conf *conf = w->conf;
    int64_t from_ms = *start_ms;
    bool not_known_yet = wikisrcd_conf_start_is_relative(conf->source.start) && w->looked_ms == 0;
    if (!w->loaded || !w->loaded->topic || not_known_yet)
        return 0;
    if (backfill_service_start(w->loaded, conf->topic, &conf->source.streams, from_ms, start_ms,
                               err) < 0)
        return -1;
    char start[32];
    pl_time_format_ms(*start_ms, start);
    if (*start_ms != from_ms)
        pl_log(PL_NOTICE, NULL, "beginning behind what --once has loaded",
               PL_F_STR("START", start));
    return 0;
}

/* 1: from a committed position; 0: it is not committed yet; -1: error. */
static int position_begin(struct wikisrcd *w, struct pl_slice record, struct pl_err *err)
{
    struct position *position = NULL;
    int64_t start_ms = 0;
    int committed = record.len > 0;
    if (w->once) {
        committed = once_begin(w->once, w->conf, record, &position, err);
        if (committed < 0)
            return -1;
    } else if (committed) {
        if (position_decode(record.p, record.len, w->conf->source.slack_ms, &position, err) < 0)
            return pl_err_prefix(err, "position %s in topic %s", w->conf->name,
                                 w->conf->position_topic);
    } else {
        wikisrcd_conf_start(w->conf->source.start,
                            w->looked_ms != 0 ? w->looked_ms : pl_clock_realtime_ms(), &start_ms);
        if (start_behind_loaded(w, &start_ms, err) < 0)
            return -1;
        position = position_new(&w->conf->source.streams, start_ms, w->conf->source.slack_ms);
    }
    position_free(w->position);
    w->position = position;
    return committed;
}

/* The position is committed before anything is read. At the very first start: after a crash before
 * the first event, the next start must not begin at a later "now". At each start: whoever is fenced
 * by it finds our name (lib/kafka/successor.h). */
static void begin_commit(struct wikisrcd *w)
{
    step(w, "waiting for Kafka to record where to begin, in topic", w->conf->position_topic);
    pl_delivery_moved(w->delivery);
    pl_delivery_flush(w->delivery);
}

/* Ready after the first answer: a refusal that a person must fix shows at the first start; a source
 * that is away is normal operation. */
static void on_answer(void *userdata, const struct pl_err *answer)
{
    struct wikisrcd *w = userdata;
    struct pl_err err = answer ? *answer : (struct pl_err){0};
    switch (pl_end_of(&err, w->stream.worked)) {
    case PL_END_NONE:
        accepted(&w->stream, "source");
        break;
    case PL_END_AGAIN:
        break;
    case PL_END_LOUDLY:
        refused(&w->stream, "source", &err);
        break;
    case PL_END_RESTART:
    case PL_END_CONFIG:
    case PL_END_FENCED:
        pl_daemon_stop(w->daemon, &err);
        return;
    }
    ready(w);
}

static void on_looked(void *userdata, int64_t now_ms)
{
    struct wikisrcd *w = userdata;
    const struct pl_slice none = {0};
    struct pl_err err;
    w->looked_ms = now_ms;
    if (position_begin(w, none, &err) < 0)
        pl_daemon_stop(w->daemon, &err);
    else
        begin_commit(w);
}

static const struct source_ops source_ops = {intake_event, on_answer, on_looked};

/* ---- the delivery's answers ---- */

static void encode_position(void *userdata, struct pl_buf *out)
{
    struct wikisrcd *w = userdata;
    if (w->once)
        once_encode(w->once, w->position, pl_clock_realtime_ms(), out);
    else
        position_encode(w->position, pl_clock_realtime_ms(), out);
}

static void finish(struct wikisrcd *w)
{
    source_stop(w->source);
    pl_daemon_finish(w->daemon);
}

static void on_delivery_ready(void *userdata)
{
    struct wikisrcd *w = userdata;
    if (pl_daemon_stopping(w->daemon)) {
        if (!pl_delivery_flush(w->delivery) && pl_delivery_is_idle(w->delivery))
            finish(w);
        return;
    }
    if (!w->started) { /* the position to start from is safe now */
        source_first_start(w);
        return;
    }
    source_resume(w->source);
}

/* The transaction is undone: back to the position committed last. */
static void rewind_to(struct wikisrcd *w, struct pl_slice record, int64_t wait_ms)
{
    source_stop(w->source);
    pl_metrics_inc(w->metrics, M_LOST_REWIND, 1);
    if (pl_daemon_stopping(w->daemon)) {
        finish(w); /* nothing is open, and the position in Kafka is right */
        return;
    }
    struct pl_err err;
    int committed = position_begin(w, record, &err);
    if (committed < 0) {
        pl_daemon_stop(w->daemon, &err);
        return;
    }
    w->started = committed;
    if (w->started)
        source_start(w->source, wait_ms);
    else
        pl_delivery_moved(w->delivery); /* commits the start's position first */
}

static void on_delivery_done(void *userdata, const struct pl_delivery_sums *sums,
                             const struct pl_err *err)
{
    struct wikisrcd *w = userdata;
    if (!err) {
        accepted(&w->kafka, "Kafka");
        pl_backoff_reset(&w->backoff);
        w->committed_ms = pl_clock_monotonic_ms();
        w->committed_events = sums->items;
        if (w->once && once_committed(w->once))
            pl_daemon_stop(w->daemon, NULL);
        on_delivery_ready(w);
        return;
    }
    struct pl_err why = *err;
    if (pl_kafka_err_kind(why.code) == PL_ERR_REJECT)
        why.code = 0; /* it would be refused again: a person must choose, as for our own limit */
    enum pl_end end = pl_end_of(&why, w->kafka.worked);
    if (end == PL_END_CONFIG || end == PL_END_RESTART || end == PL_END_FENCED) {
        pl_delivery_fail(w->delivery, &why);
        return;
    }
    int64_t wait_ms = pl_backoff_next(&w->backoff, 0);
    if (end == PL_END_LOUDLY)
        refused(&w->kafka, "Kafka", &why);
    else
        pl_log_err(PL_WARNING, PL_EVENT_TXN_ABORTED,
                   "transaction aborted, its events are fetched again", &why,
                   PL_F_STR("TOPIC", w->conf->topic), PL_F_UINT("MESSAGES", sums->items),
                   PL_F_INT("WAIT_MS", wait_ms));
    rewind_to(w, pl_delivery_position(w->delivery), wait_ms);
}

static void on_failed(void *userdata, const struct pl_err *why)
{
    struct wikisrcd *w = userdata;
    bool stopping = pl_daemon_stopping(w->daemon);
    struct pl_err copy = *why, *err = &copy;
    pl_end_of_last(err, w->kafka.worked); /* a dead producer needs a new process */
    pl_daemon_stop(w->daemon, err);
    if (stopping)
        finish(w); /* nothing that on_stop waits for will come */
}

static const struct pl_delivery_ops delivery_ops = {
    .encode_position = encode_position,
    .on_room = on_delivery_ready,
    .on_done = on_delivery_done,
    .on_failed = on_failed,
};

/* ---- the daemon's calls ---- */

static void on_stop(void *userdata)
{
    struct wikisrcd *w = userdata;
    pl_metrics_set_ready(w->metrics, "stopping");
    source_stop(w->source);
    if (pl_delivery_flush(w->delivery) || !pl_delivery_is_idle(w->delivery))
        pl_daemon_status(w->daemon,
                         "Stopping: waiting for Kafka to take the last %" PRIu64 " events",
                         status_in_flight(w));
    else
        finish(w);
}

static void on_stop_deadline(void *userdata)
{
    struct wikisrcd *w = userdata;
    pl_log(PL_WARNING, PL_EVENT_STOPPING,
           "the last transaction is not committed, its events will be fetched again",
           PL_F_STR("TOPIC", w->conf->topic), PL_F_UINT("MESSAGES", status_in_flight(w)));
}

static void on_reload(void *userdata)
{
    struct wikisrcd *w = userdata;
    if (!pl_service_reload(w->service, NULL))
        return;
    plan_free(w->plan);
    w->plan = plan_new(w->conf, false);
    delivery_reloaded(w->delivery, w->conf);
}

static void on_tick(void *userdata)
{
    struct wikisrcd *w = userdata;
    int64_t now_ms = source_now_ms(w->source), mono_ms = pl_clock_monotonic_ms();
    double rate = pl_rate_next(&w->rate, pl_metrics_get(w->metrics, M_RECEIVED), mono_ms);
    pl_series_look(&w->hour, mono_ms, pl_metrics_get(w->metrics, M_RECEIVED));
    double lag = w->newest_ms > 0 ? (double)(now_ms - w->newest_ms) / 1000 : 0;
    pl_service_tick(w->service, status_in_flight(w));
    pl_skew_show(source_clock(w->source), w->metrics, M_CLOCK_SKEW);
    pl_metrics_set(w->metrics, M_WINDOW_IDS, position_ids(w->position));
    pl_metrics_set(w->metrics, M_REFUSED_SECONDS, (double)status_refused_seconds(w, mono_ms));
    if (w->newest_ms > 0)
        pl_metrics_set(w->metrics, M_LAG_SECONDS, lag);
    pl_delivery_log(w->delivery, false);
    if (pl_daemon_stopping(w->daemon))
        return;
    if (w->once && once_tick(w->once, w->position, w->source, w->delivery))
        intake_end(w);
    if (w->ready)
        status_show(w, rate, lag);
    else if (mono_ms - w->step_ms >= w->conf->start_timeout_ms)
        ready(w); /* from now on the running service waits for it */
}

static bool on_watchdog(void *userdata)
{
    const char *why = status_stuck(userdata);
    if (why)
        pl_log(PL_ERROR, PL_EVENT_STUCK, "no progress, and no reason for it is known",
               PL_F_STR("REASON", why));
    return !why;
}

static const struct pl_daemon_ops daemon_ops = {
    .on_stop = on_stop,
    .on_stop_deadline = on_stop_deadline,
    .on_reload = on_reload,
    .on_watchdog = on_watchdog,
    .on_tick = on_tick,
};

/* ---- service mode ---- */

static void release(struct wikisrcd *w)
{
    source_free(w->source);
    pl_delivery_free(w->delivery);
    position_free(w->position);
    event_release(&w->event);
    plan_free(w->plan);
    if (w->loaded)
        backfill_record_release(w->loaded);
    free(w->loaded);
}

/* A committed position proves that Kafka has worked with us; and that the source has, if it holds
 * an event of the same streams (the first position is committed before anything is read). */
static void worked_look(struct wikisrcd *w)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    if (pl_delivery_position(w->delivery).len == 0)
        return;
    w->kafka.worked = PL_WORKED;
    if (position_last_event_id(w->position, &id) &&
        !position_streams_differ(w->position, &w->conf->source.streams))
        w->stream.worked = PL_WORKED;
}

/* The order of steps: what can fail for a wrong configuration first, the source last. */
static int start(struct wikisrcd *w, struct pl_err *err)
{
    const struct wikisrcd_conf *conf = w->conf;
    pl_backoff_init(&w->backoff, ABORT_WAIT_BASE_MS, ABORT_WAIT_MAX_MS,
                    (uint64_t)pl_clock_realtime_ms());
    if (pl_service_start(w->service, &daemon_ops, w, err) < 0)
        return -1;
    w->daemon = w->service->daemon;
    w->metrics = w->service->metrics;
    w->plan = plan_new(conf, false);
    const char *key = w->once ? w->once->key : conf->name;
    const struct delivery_use use = {w->once ? ".once" : "", key};
    if (delivery_new(w->daemon, conf, use, w->metrics, &delivery_ops, w, &w->delivery, err) < 0) {
        const struct pl_worked_ask ask = {.daemon = w->daemon,
                                          .kafka = &conf->kafka,
                                          .topic = conf->position_topic,
                                          .keys = &key,
                                          .keys_n = 1,
                                          .timeout_ms = conf->start_timeout_ms};
        pl_worked_end(&ask, err);
        return -1;
    }
    if (w->once && once_look(w->once, conf, w->delivery, err) < 0)
        return -1;
    if (!w->once && pl_delivery_position(w->delivery).len == 0) {
        w->loaded = pl_alloc(sizeof(*w->loaded));
        if (once_loaded_read(conf, w->delivery, w->loaded, err) < 0)
            return -1;
    }
    int committed = position_begin(w, pl_delivery_position(w->delivery), err);
    if (committed < 0 || (w->once && w->once->is_done))
        return committed;
    if (source_new(w->daemon, conf, w->metrics, &w->position, &source_ops, w, &w->source, err) < 0)
        return -1;
    pl_rate_next(&w->rate, 0, pl_clock_monotonic_ms());
    pl_series_look(&w->hour, pl_clock_monotonic_ms(), 0);
    w->newest_ms = position_high(w->position);
    worked_look(w);
    if (!committed && !w->once && wikisrcd_conf_start_is_relative(conf->source.start)) {
        step(w, "asking the time at", conf->source.url);
        source_look(w->source);
    } else {
        begin_commit(w);
    }
    return 0;
}

int wikisrcd_run(struct pl_service *service, struct once *once)
{
    PL_CLEANUP(release)
    struct wikisrcd w = {.service = service, .conf = service->conf, .once = once};
    struct pl_err err;
    if (start(&w, &err) < 0)
        return pl_daemon_start_failed(service->daemon, &err);
    if (once && once->is_done)
        return once_end(once, w.conf, w.metrics, NULL, 0);
    pl_service_page(service, w.conf->name, page_fill, &w);
    int status = pl_daemon_run(w.daemon);
    pl_service_law_check(service, status_in_flight(&w), 1);
    pl_delivery_log(w.delivery, true);
    pl_service_stopped(service, status, status_in_flight(&w));
    return once ? once_end(once, w.conf, w.metrics, w.position, status) : status;
}

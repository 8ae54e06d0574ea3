/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wikisrcd.c - see wikisrcd.h.
 *
 * An event moves the position exactly when it is accounted for (delivered, filtered or dropped as
 * a duplicate), in the same call. So between any two events the position, the open transaction and
 * the counters agree, and it is safe to commit.
 */
#include "daemons/wikisrcd/wikisrcd.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/wikisrcd/delivery.h"
#include "daemons/wikisrcd/event/plan.h"
#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/position/position.h"
#include "daemons/wikisrcd/report.h"
#include "daemons/wikisrcd/stream/source.h"
#include "lib/base/backoff.h"
#include "lib/base/clock.h"
#include "lib/batch/worked.h"
#include "lib/kafka/errors.h"
#include "lib/log/log.h"
#include "lib/service/skew.h"
#include "lib/service/watchdog.h"

/* Work that waits for this long beyond a batch's age while Kafka answers: something is wrong here.
 * The longest legitimate wait is transaction.timeout.ms, for a transaction that Kafka has not let
 * begin. */
#define STUCK_MS 120000

enum {
    ABORT_WAIT_BASE_MS = 500,
    ABORT_WAIT_MAX_MS = 60000,
};

/* The far side of one kind: whether it has worked with us, and what it refuses. */
struct peer {
    enum pl_worked worked;
    struct pl_refusal refusal;
};

struct wikisrcd {
    struct pl_service *service; /* conf, daemon and metrics are its */
    const struct wikisrcd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct pl_delivery *delivery;
    struct source *source;
    struct peer kafka, stream;
    struct position *position;
    struct once *once;  /* NULL: the service */
    struct plan *plan;  /* made anew at a reload */
    struct event event; /* reused */
    bool started;       /* the source was started */
    int64_t looked_ms;  /* what time it was there, for a first start now; 0: not asked */
    bool ready;
    int64_t newest_ms;
    struct pl_rate rate; /* of what is received */
    int64_t step_ms;     /* when the start's last step began, in the loop */
    struct pl_progress progress;
    struct pl_backoff backoff; /* after aborted transactions */
    int64_t committed_ms;      /* monotonic, of the last commit; 0: none yet */
    uint64_t committed_events;
};

static uint64_t in_flight(const struct wikisrcd *w)
{
    return pl_delivery_sums(w->delivery)->items;
}

/* ---- one event ---- */

/* --once has all of its range. */
static void whole(struct wikisrcd *w)
{
    source_stop(w->source);
    pl_delivery_moved(w->delivery);
    pl_delivery_flush(w->delivery); /* false: being committed, or limits will */
}

/* The event is accounted for: `metric` is where. DELIVERED is counted at the commit. */
static void event_account(struct wikisrcd *w, const struct position_mark *mark,
                          enum wikisrcd_metric metric)
{
    pl_metrics_inc(w->metrics, M_RECEIVED, 1);
    if (metric != M_DELIVERED)
        pl_metrics_inc(w->metrics, metric, 1);
    if (mark->believable && mark->time_ms > w->newest_ms)
        w->newest_ms = mark->time_ms;
    report_add(w->metrics, w->position, mark);
    if (mark->verdict != POSITION_NEW)
        return;
    if (w->once)
        once_add(w->once, mark, w->event.canary, metric);
    if (w->once && once_is_whole(w->once, w->position))
        whole(w);
    else
        pl_delivery_moved(w->delivery);
}

/* Above message_bytes_max, by our parser or by Kafka's client. */
static bool event_is_too_large(struct wikisrcd *w, const struct sse_event *sse,
                               const struct position_mark *mark, const char *topic)
{
    if (w->conf->too_large == TOO_LARGE_SKIP) {
        pl_log(PL_ERROR, PL_EVENT_DATA_LOST, "event skipped, it is larger than message_bytes_max",
               PL_F_STR("TOPIC", topic), PL_F_UINT("BYTES", sse->size),
               PL_F_SLICE("ID", sse->id.p, sse->id.len));
        event_account(w, mark, M_SKIPPED);
        return true;
    }
    struct pl_err err;
    pl_err_set(&err, PL_ERR_CONFIG, 0,
               "an event of %" PRIu64 " bytes is larger than message_bytes_max: raise it (and %s's "
               "max.message.bytes), or set too_large: skip; nothing is lost, the position is "
               "before it",
               sse->size, topic);
    pl_daemon_stop(w->daemon, &err);
    return false;
}

/* The filter has looked at the event, and it is accounted for. */
static void fields_account(struct wikisrcd *w)
{
    struct plan_absence a;
    pl_metrics_inc(w->metrics, M_FIELD_ABSENT, plan_account(w->plan, &w->event));
    while (plan_absence_take(w->plan, PLAN_LOOKS, PLAN_REDACT_LOOKS, &a))
        pl_log(PL_WARNING, PL_EVENT_FIELD_ABSENT, "no event has a field that an option names",
               PL_F_STR("OPTION", a.option), PL_F_STR("FIELD", a.paths),
               PL_F_STR("STREAM", a.stream ? a.stream : "any"),
               PL_F_STR("RESULT", plan_absence_result(&a)));
}

/* What cannot be redacted must not get into Kafka, and the stream goes on. */
static void not_redactable(struct wikisrcd *w, const struct sse_event *sse,
                           const struct position_mark *mark, const char *why)
{
    pl_log(PL_ERROR, PL_EVENT_DATA_LOST, "event left out, it cannot be redacted",
           PL_F_STR("TOPIC", w->conf->topic), PL_F_STR("REASON", why),
           PL_F_SLICE("ID", sse->id.p, sse->id.len));
    event_account(w, mark, M_NOT_REDACTABLE);
}

static bool event_deliver(struct wikisrcd *w, const struct sse_event *sse,
                          const struct position_mark *mark, int64_t now_ms)
{
    struct pl_err err;
    struct pl_slice data;
    const char *why;
    if (!plan_redact(w->plan, &w->event, sse->data, &data, &why)) {
        not_redactable(w, sse, mark, why);
        return true;
    }
    struct delivery_message message;
    const struct delivery_now now = {now_ms, pl_clock_realtime_ms()};
    delivery_message(w->conf, &w->event, data, now, &message);
    switch (pl_delivery_send(w->delivery, &message.m, &err)) {
    case PL_SEND_OK:
        pl_delivery_item_end(w->delivery, 0);
        pl_metrics_inc(w->metrics, M_TIME_REPLACED, message.time_replaced);
        fields_account(w);
        if (w->event.malformed) {
            pl_metrics_inc(w->metrics, M_MALFORMED, 1);
            pl_log(PL_WARNING, NULL, "an event is not valid JSON, passed on as it is",
                   PL_F_STR("TOPIC", w->conf->topic), PL_F_STR("REASON", w->event.malformed_why),
                   PL_F_SLICE("ID", sse->id.p, sse->id.len));
        }
        event_account(w, mark, M_DELIVERED);
        return true;
    case PL_SEND_FULL:
        return false;
    case PL_SEND_ERROR:
        if (err.kind == PL_ERR_REJECT)
            return event_is_too_large(w, sse, mark, message.m.topic);
        if (pl_err_is_final(&err))
            pl_delivery_fail(w->delivery, &err);
        else
            pl_delivery_abort(w->delivery, &err);
        return false;
    }
    return false;
}

static void event_filtered(struct wikisrcd *w, const struct position_mark *mark)
{
    fields_account(w);
    event_account(w, mark, M_FILTERED);
}

static bool on_event(void *userdata, const struct sse_event *sse)
{
    struct wikisrcd *w = userdata;
    if (pl_daemon_stopping(w->daemon) || !pl_delivery_can_take(w->delivery))
        return false;
    int64_t now_ms = source_now_ms(w->source);
    plan_read(w->plan, &w->event, sse->data.p ? sse->data.p : "", sse->data.len);
    if (sse->too_large) /* its data was not kept, so the service's id must do */
        w->event.identity = event_hash(sse->id.p, sse->id.len);
    struct position_mark mark;
    position_check(w->position, &w->event, sse->id, now_ms, &mark);
    if (mark.verdict != POSITION_NEW)
        event_account(w, &mark, M_DUPLICATES);
    else if (w->once && !backfill_has(&w->once->record.now, &mark))
        event_account(w, &mark, M_FILTERED);
    else if (sse->too_large)
        return event_is_too_large(w, sse, &mark, w->conf->topic);
    else if (w->event.canary && w->conf->filter.canaries == CANARIES_DROP)
        event_account(w, &mark, M_CANARIES);
    else if (w->event.canary || plan_passes(w->plan, &w->event))
        return event_deliver(w, sse, &mark, now_ms);
    else
        event_filtered(w, &mark);
    return true;
}

/* ---- refusals ---- */

/* Tried again by the caller; `what`: a literal. */
static void refused(struct peer *peer, const char *what, const struct pl_err *err)
{
    if (pl_refusal_next(&peer->refusal, pl_clock_monotonic_ms()))
        pl_log_err(PL_ERROR, PL_EVENT_REFUSED,
                   "refused, although it has worked before: it is tried again until a person or "
                   "time mends it",
                   err, PL_F_STR("WHAT", what));
}

static void accepted(struct peer *peer, const char *what)
{
    peer->worked = PL_WORKED;
    if (pl_refusal_over(&peer->refusal))
        pl_log(PL_NOTICE, PL_EVENT_REFUSED, "no longer refused", PL_F_STR("WHAT", what));
}

static int64_t refused_seconds(const struct wikisrcd *w, int64_t mono_ms)
{
    int64_t kafka_s = pl_refusal_seconds(&w->kafka.refusal, mono_ms);
    int64_t stream_s = pl_refusal_seconds(&w->stream.refusal, mono_ms);
    return kafka_s > stream_s ? kafka_s : stream_s;
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
        position = position_new(&w->conf->source.streams, start_ms, w->conf->source.slack_ms);
    }
    position_free(w->position);
    w->position = position;
    return committed;
}

/* Where the very first start begins is committed before anything is read: after a crash before the
 * first event, the next start must not begin at a later "now". */
static void begin_commit(struct wikisrcd *w)
{
    step(w, "waiting for Kafka to write down where to begin, in topic", w->conf->position_topic);
    pl_delivery_moved(w->delivery);
    pl_delivery_flush(w->delivery);
}

/* Ready after the first answer: a refusal that a person must fix shows at the first start; a source
 * that is away is everyday work. */
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
    position_begin(w, none, &err);
    begin_commit(w);
}

static const struct source_ops source_ops = {on_event, on_answer, on_looked};

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
    if (!w->started) { /* the position of the very first start is safe now */
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
        why.code = 0; /* the same message comes again: a person must choose, as for our own limit */
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
    pl_end_of_last(err, w->kafka.worked); /* a producer that is dead needs a new process */
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
                         in_flight(w));
    else
        finish(w);
}

static void on_stop_deadline(void *userdata)
{
    struct wikisrcd *w = userdata;
    pl_log(PL_WARNING, PL_EVENT_STOPPING,
           "the last transaction is not committed, its events come again",
           PL_F_STR("TOPIC", w->conf->topic), PL_F_UINT("MESSAGES", in_flight(w)));
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

static void status_show(struct wikisrcd *w, double rate, double lag)
{
    uint64_t waiting = in_flight(w);
    char last[64] = "nothing committed yet";
    if (w->committed_ms > 0)
        snprintf(last, sizeof(last), "last commit %" PRId64 " s ago, %" PRIu64 " events",
                 (pl_clock_monotonic_ms() - w->committed_ms) / 1000, w->committed_events);
    char source[64], absence[256] = "";
    struct plan_absence a;
    source_describe(w->source, source, sizeof(source));
    if (plan_absence_now(w->plan, &a))
        snprintf(absence, sizeof(absence), "; %s: stream %s has no %s, %s", a.option, a.stream,
                 a.paths, a.drops ? "all its events are left out" : "so it leaves out nothing");
    if (pl_delivery_is_stalled(w->delivery))
        pl_service_status(w->service, "Kafka does not answer",
                          "Kafka does not answer; reading is paused, %" PRIu64 " events wait, %s",
                          waiting, last);
    else if (w->kafka.refusal.since_ms || w->stream.refusal.since_ms)
        pl_service_status(w->service, "refused", "%s refuses us for %" PRId64 " s now; %s, %s",
                          w->kafka.refusal.since_ms ? "Kafka" : "the source",
                          refused_seconds(w, pl_clock_monotonic_ms()), source, last);
    else
        pl_service_status(w->service, NULL, "%s: %.0f events/s, %.1f s behind, to %s, %s%s", source,
                          rate, lag, w->conf->topic, last, absence);
}

static void on_tick(void *userdata)
{
    struct wikisrcd *w = userdata;
    int64_t now_ms = source_now_ms(w->source), mono_ms = pl_clock_monotonic_ms();
    double rate = pl_rate_next(&w->rate, pl_metrics_get(w->metrics, M_RECEIVED), mono_ms);
    double lag = w->newest_ms > 0 ? (double)(now_ms - w->newest_ms) / 1000 : 0;
    pl_service_tick(w->service, in_flight(w));
    pl_skew_show(source_clock(w->source), w->metrics, M_CLOCK_SKEW);
    pl_metrics_set(w->metrics, M_WINDOW_IDS, position_ids(w->position));
    pl_metrics_set(w->metrics, M_REFUSED_SECONDS, (double)refused_seconds(w, mono_ms));
    if (w->newest_ms > 0)
        pl_metrics_set(w->metrics, M_LAG_SECONDS, lag);
    pl_delivery_log(w->delivery, false);
    if (pl_daemon_stopping(w->daemon))
        return;
    if (w->once && once_tick(w->once, w->position, w->source, w->delivery, rate))
        whole(w);
    if (w->ready)
        status_show(w, rate, lag);
    else if (mono_ms - w->step_ms >= w->conf->start_timeout_ms)
        ready(w); /* from now on the running service waits for it */
}

/* Fed while what is taken from the source is committed, and the source does what is due. Kafka may
 * be away for long, which STATUS and the log show; a client library that hangs is another thing. */
static bool on_watchdog(void *userdata)
{
    struct wikisrcd *w = userdata;
    bool stuck = pl_delivery_is_stuck(w->delivery), overdue = source_is_overdue(w->source);
    const struct pl_progress_now now = {
        .now_ms = pl_clock_monotonic_ms(),
        .done = pl_metrics_get(w->metrics, M_COMMITTED) + pl_metrics_get(w->metrics, M_ABORTED),
        .pending = !pl_delivery_is_idle(w->delivery) || source_is_held(w->source),
        .known = pl_delivery_is_stalled(w->delivery),
    };
    bool moves = pl_progress_moves(&w->progress, &now, w->conf->batch.age_ms + STUCK_MS);
    if (moves && !stuck && !overdue)
        return true;
    pl_log(PL_ERROR, PL_EVENT_STUCK, "no progress, and no reason for it is known",
           PL_F_STR("REASON", stuck     ? "librdkafka does not come back"
                              : overdue ? "the connection to the source does nothing"
                                        : "nothing is committed"));
    return false;
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
}

/* A committed position proves that Kafka has worked with us; and the source, if it holds an event
 * of the same streams: the very first is committed before anything is read. */
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
    int committed = position_begin(w, pl_delivery_position(w->delivery), err);
    if (committed < 0 || (w->once && w->once->is_done))
        return committed;
    if (source_new(w->daemon, conf, w->metrics, &w->position, &source_ops, w, &w->source, err) < 0)
        return -1;
    pl_rate_next(&w->rate, 0, pl_clock_monotonic_ms());
    w->newest_ms = position_high(w->position);
    worked_look(w);
    if (committed) {
        source_first_start(w);
    } else if (!w->once && strcmp(conf->source.start, "now") == 0) {
        step(w, "asking what time it is at", conf->source.url);
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
    int status = pl_daemon_run(w.daemon);
    pl_service_law_check(service, in_flight(&w), 1);
    pl_delivery_log(w.delivery, true);
    pl_service_stopped(service, status, in_flight(&w));
    return once ? once_end(once, w.conf, w.metrics, w.position, status) : status;
}

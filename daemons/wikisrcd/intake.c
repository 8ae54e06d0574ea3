/* SPDX-License-Identifier: Apache-2.0 */
/* intake.c - handles an event: a duplicate, left out, or a message. */
#include <inttypes.h>

#include "daemons/wikisrcd/delivery.h"
#include "daemons/wikisrcd/internal.h"
#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/report.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/log/log.h"

void intake_end(struct wikisrcd *w)
{
    source_stop(w->source);
    pl_delivery_moved(w->delivery);
    pl_delivery_flush(w->delivery); /* false: already committing, or the limits will do it */
}

/* Accounts for the event under `metric`. DELIVERED is counted at the commit. */
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
        intake_end(w);
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

/* The filter has seen the event, and it is accounted for. */
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

/* What cannot be redacted must not get into Kafka; the stream continues. */
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
        pl_metrics_inc(w->metrics, M_REDACT_ABSENT, plan_redact_account(w->plan, &w->event));
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

bool intake_event(void *userdata, const struct sse_event *sse)
{
    struct wikisrcd *w = userdata;
    if (pl_daemon_stopping(w->daemon) || !pl_delivery_can_take(w->delivery))
        return false;
    PL_STEP("wikisrcd.received");
    int64_t now_ms = source_now_ms(w->source);
    plan_read(w->plan, &w->event, sse->data.p ? sse->data.p : "", sse->data.len);
    if (sse->too_large) /* its data was not kept: use the service's id */
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

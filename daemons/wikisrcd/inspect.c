/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.c - see inspect.h.
 *
 * All three modes take the events that the service would take, through the same source, position,
 * filter and delivery; they differ in event_show().
 */
#include "daemons/wikisrcd/inspect.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/wikisrcd/delivery.h"
#include "daemons/wikisrcd/event/plan.h"
#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/position/position.h"
#include "daemons/wikisrcd/stream/source.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/json/schema.h"
#include "lib/log/log.h"
#include "lib/service/bar.h"
#include "lib/service/daemon.h"

enum {
    PRODUCE_BATCH = 500, /* a transaction of --produce, or a second's worth */
    VALUE_SHOWN = 120,
};

struct inspect {
    const struct wikisrcd_conf *conf;
    enum inspect_mode mode;
    int64_t wanted, taken;
    uint64_t dropped; /* canaries, filtered, repeated */
    struct pl_daemon *daemon;
    struct position *position;
    struct source *source;
    struct plan *plan;
    struct event event, shown_event; /* as received, and as it would be delivered */
    struct pl_schema *profile;
    struct pl_metrics *metrics;   /* counted, not shown */
    struct pl_delivery *delivery; /* --produce; else NULL */
    int64_t shown, committed;     /* --produce: messages */
    bool worked, interrupted, failed;
    struct pl_bar bar; /* --schema */
    struct pl_err why; /* the first error */
    int64_t begun_ms;  /* monotonic */
};

/* ---- text for a terminal ---- */

/* Adds at most `width` characters, padded to it by spaces if `pad`. Characters are counted as one
 * column each: wide ones shift a line, which a sample can bear. */
static void text_add(struct pl_buf *out, const char *s, size_t len, unsigned width, bool pad)
{
    unsigned columns = 0;
    size_t at = out->len;
    pl_text_add(out, s, len);
    size_t n;
    for (; at < out->len; at += n, columns++) {
        n = pl_utf8_char(out->data + at, out->len - at);
        if (columns + 1 == width && at + n < out->len) {
            out->len = at;
            pl_buf_add_str(out, "…");
            columns++;
            break;
        }
    }
    for (; pad && columns < width; columns++)
        pl_buf_add_byte(out, ' ');
}

static void field_add(struct pl_buf *out, const struct pl_json_str *text, unsigned width, bool pad)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf plain = {0};
    const char *s = text->p ? text->p : "-";
    size_t len = text->p ? text->len : 1;
    if (text->p && text->escaped && pl_json_unescape_buf(text, &plain)) {
        s = plain.data ? plain.data : "";
        len = plain.len;
    }
    text_add(out, s, len, width, pad);
    if (pad)
        pl_buf_add_str(out, "  ");
}

static void line_print(struct pl_buf *line)
{
    pl_buf_add_byte(line, '\n');
    fwrite(line->data, 1, line->len, stdout);
    fflush(stdout);
}

/* ---- the three modes ---- */

static void sample_show(struct inspect *in)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf line = {0};
    char time[32] = "-";
    if (in->taken == 0)
        printf("%6s  %-24s  %-10s  %-16s  %-24s  %s\n", "number", "time", "type", "wiki", "user",
               "title");
    const struct event *e = &in->shown_event;
    if (e->has_dt)
        pl_time_format_ms(e->dt_ms, time);
    pl_buf_addf(&line, "%6" PRId64 "  %-24s  ", in->taken + 1, time);
    field_add(&line, &e->type, 10, true);
    field_add(&line, &e->wiki, 16, true);
    field_add(&line, &e->user, 24, true);
    field_add(&line, &e->title, 80, false);
    line_print(&line);
}

static void headers_add(struct pl_buf *text, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len, i = 0;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        for (; rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++) {
            pl_buf_addf(text, "%s%s=", i > 0 ? " " : "", name);
            text_add(text, value, len, VALUE_SHOWN, false);
        }
    if (i == 0)
        pl_buf_add_str(text, "none");
}

static void message_show(void *userdata, const rd_kafka_message_t *message)
{
    struct inspect *in = userdata;
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    char time[32];
    pl_time_format_ms(rd_kafka_message_timestamp(message, NULL), time);
    pl_buf_addf(&text, "message    %" PRId64 "\n  value      ", ++in->shown);
    text_add(&text, message->payload, message->len, VALUE_SHOWN, false);
    pl_buf_addf(&text, " (%zu bytes)\n  key        ", message->len);
    if (message->key)
        text_add(&text, message->key, message->key_len, VALUE_SHOWN, false);
    else
        pl_buf_add_str(&text, "none");
    pl_buf_addf(&text, "\n  timestamp  %s\n  headers    ", time);
    headers_add(&text, message);
    pl_buf_addf(&text, "\n  topic      %s\n  partition  %" PRId32 "\n  offset     %" PRId64,
                rd_kafka_topic_name(message->rkt), message->partition, message->offset);
    line_print(&text);
}

static void stop_with(struct inspect *in, const struct pl_err *err)
{
    if (err && !in->failed)
        in->why = *err;
    in->failed |= err != NULL;
    pl_daemon_stop(in->daemon, err);
}

/* false: not now. */
static bool message_send(struct inspect *in, struct pl_slice data, int64_t now_ms)
{
    struct delivery_message message;
    struct pl_err err;
    const struct delivery_now now = {now_ms, pl_clock_realtime_ms()};
    delivery_message(in->conf, &in->event, data, now, &message);
    if (!pl_delivery_can_take(in->delivery))
        return false;
    switch (pl_delivery_send(in->delivery, &message.m, &err)) {
    case PL_SEND_OK:
        pl_delivery_item_end(in->delivery, 0);
        return true;
    case PL_SEND_FULL:
        return false;
    case PL_SEND_ERROR:
        stop_with(in, &err);
        return false;
    }
    return false;
}

static void produce_commit(struct inspect *in)
{
    if (in->delivery && !pl_delivery_is_idle(in->delivery) && pl_delivery_can_take(in->delivery))
        pl_delivery_commit(in->delivery, NULL);
}

/* ---- events ---- */

static bool event_show(struct inspect *in, struct pl_slice data, int64_t now_ms)
{
    const char *why;
    switch (in->mode) {
    case INSPECT_SAMPLE:
        plan_read(in->plan, &in->shown_event, data.p ? data.p : "", data.len);
        sample_show(in);
        return true;
    case INSPECT_SCHEMA:
        if (!pl_schema_add(in->profile, data.p, data.len, &why))
            pl_log(PL_WARNING, NULL, "an event is not valid JSON", PL_F_STR("REASON", why));
        return true;
    case INSPECT_PRODUCE:
        return message_send(in, data, now_ms);
    case INSPECT_TRY:
        return true;
    case INSPECT_MODES:
        break;
    }
    return false;
}

/* Shown at once: when a filter leaves out everything, nothing else would appear. */
static void absences_show(struct inspect *in, uint64_t looks, uint64_t redact_looks)
{
    struct plan_absence a;
    while (plan_absence_take(in->plan, looks, redact_looks, &a))
        pl_log(PL_WARNING, PL_EVENT_FIELD_ABSENT, "no event had a field that an option names",
               PL_F_STR("OPTION", a.option), PL_F_STR("FIELD", a.paths),
               PL_F_STR("STREAM", a.stream ? a.stream : "any"),
               PL_F_STR("RESULT", plan_absence_result(&a)));
}

static bool event_passes(struct inspect *in)
{
    if (in->event.canary)
        return in->conf->filter.canaries == CANARIES_KEEP;
    plan_account(in->plan, &in->event);
    absences_show(in, PLAN_LOOKS, PLAN_REDACT_LOOKS);
    return plan_passes(in->plan, &in->event);
}

static bool on_event(void *userdata, const struct sse_event *sse)
{
    struct inspect *in = userdata;
    int64_t now_ms = source_now_ms(in->source);
    if (in->taken >= in->wanted || pl_daemon_stopping(in->daemon))
        return false;
    plan_read(in->plan, &in->event, sse->data.p ? sse->data.p : "", sse->data.len);
    struct position_mark mark;
    struct pl_slice data;
    const char *why;
    position_check(in->position, &in->event, sse->id, now_ms, &mark);
    if (mark.verdict != POSITION_NEW || sse->too_large || !event_passes(in) ||
        !plan_redact(in->plan, &in->event, sse->data, &data, &why)) {
        in->dropped++;
    } else {
        if (!event_show(in, data, now_ms))
            return false;
        plan_redact_account(in->plan, &in->event);
        in->taken++;
    }
    position_add(in->position, &mark);
    if (in->taken >= in->wanted && in->mode != INSPECT_PRODUCE)
        stop_with(in, NULL);
    else if (in->taken >= in->wanted ||
             (in->delivery && pl_delivery_sums(in->delivery)->items >= PRODUCE_BATCH))
        produce_commit(in);
    return true;
}

/* A first failure ends it, so that a person sees at once what is wrong; later ones are retried. */
static void on_answer(void *userdata, const struct pl_err *err)
{
    struct inspect *in = userdata;
    if (err && !in->worked)
        stop_with(in, err);
    else if (err && err->kind == PL_ERR_CONFIG)
        pl_log_err(PL_ERROR, PL_EVENT_REFUSED, "the source refuses us, trying again", err);
    in->worked |= err == NULL;
}

static void on_looked(void *userdata, int64_t now_ms)
{
    struct inspect *in = userdata;
    position_free(in->position);
    in->position = position_new(&in->conf->source.streams, now_ms, in->conf->source.slack_ms);
    source_start(in->source, 0);
}

static const struct source_ops source_ops = {on_event, on_answer, on_looked};

/* ---- the delivery's answers ---- */

static void on_room(void *userdata)
{
    source_resume(((struct inspect *)userdata)->source);
}

static void on_done(void *userdata, const struct pl_delivery_sums *sums, const struct pl_err *err)
{
    struct inspect *in = userdata;
    if (!err)
        in->committed += (int64_t)sums->items;
    if (err || in->committed >= in->wanted)
        stop_with(in, err);
    if (err || pl_daemon_stopping(in->daemon))
        pl_daemon_finish(in->daemon);
    else
        source_resume(in->source);
}

static void on_failed(void *userdata, const struct pl_err *err)
{
    stop_with(userdata, err);
    pl_daemon_finish(((struct inspect *)userdata)->daemon);
}

static const struct pl_delivery_ops delivery_ops = {
    .on_room = on_room,
    .on_done = on_done,
    .on_failed = on_failed,
    .on_delivered = message_show,
};

/* ---- the daemon's calls ---- */

static void on_stop(void *userdata)
{
    struct inspect *in = userdata;
    in->interrupted = !in->failed && in->taken < in->wanted;
    source_stop(in->source);
    produce_commit(in);
    if (!in->delivery || pl_delivery_is_idle(in->delivery))
        pl_daemon_finish(in->daemon);
}

static void on_tick(void *userdata)
{
    struct inspect *in = userdata;
    if (!pl_daemon_stopping(in->daemon))
        produce_commit(in);
    if (in->mode == INSPECT_TRY && pl_clock_monotonic_ms() - in->begun_ms >= INSPECT_TRY_MS)
        stop_with(in, in->worked ? NULL : &in->why);
    const struct pl_bar_now now = {.done = (double)in->taken,
                                   .total = (double)in->wanted,
                                   .count = (uint64_t)in->taken,
                                   .unit = "events"};
    if (in->mode == INSPECT_SCHEMA)
        pl_bar_show(&in->bar, &now);
}

static const struct pl_daemon_ops daemon_ops = {.on_stop = on_stop, .on_tick = on_tick};

/* ---- running ---- */

static void release(struct inspect *in)
{
    source_free(in->source);
    pl_delivery_free(in->delivery);
    pl_metrics_free(in->metrics);
    pl_schema_free(in->profile);
    position_free(in->position);
    event_release(&in->event);
    event_release(&in->shown_event);
    plan_free(in->plan);
    pl_daemon_free(in->daemon);
}

static int start(struct inspect *in, struct pl_err *err)
{
    const struct wikisrcd_conf *conf = in->conf;
    int64_t start_ms = 0;
    in->begun_ms = pl_clock_monotonic_ms();
    if (pl_daemon_new(&daemon_ops, in, conf->stop_timeout_ms, &in->daemon, err) < 0)
        return -1;
    in->plan = plan_new(conf, true);
    wikisrcd_conf_start(conf->source.start, pl_clock_realtime_ms(), &start_ms);
    in->position = position_new(&conf->source.streams, start_ms, conf->source.slack_ms);
    if (in->mode == INSPECT_SCHEMA)
        in->profile = pl_schema_new();
    in->metrics = pl_metrics_new(wikisrcd_metrics, M_COUNT);
    const struct delivery_use use = {".produce", NULL};
    if (in->mode == INSPECT_PRODUCE &&
        delivery_new(in->daemon, conf, use, in->metrics, &delivery_ops, in, &in->delivery, err) < 0)
        return -1;
    return source_new(in->daemon, conf, in->metrics, &in->position, &source_ops, in, &in->source,
                      err);
}

static void summary_print(struct inspect *in)
{
    absences_show(in, 1, 1);
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    if (in->mode == INSPECT_SCHEMA) {
        pl_schema_print(in->profile, "TYPE", pl_schema_type, &text);
        fwrite(text.data, 1, text.len, stdout);
    }
    fprintf(stderr, "%" PRId64 " events shown, %" PRIu64 " left out by filters or as canaries",
            in->taken, in->dropped);
    if (in->mode == INSPECT_PRODUCE)
        fprintf(stderr, ", %" PRId64 " committed to %s", in->committed, in->conf->topic);
    fprintf(stderr, "%s\n", in->mode == INSPECT_PRODUCE ? "" : "; nothing was written");
}

static int run(struct inspect *in)
{
    if (strcmp(in->conf->source.start, "now") == 0)
        source_look(in->source);
    else
        source_start(in->source, 0);
    return pl_daemon_run(in->daemon);
}

int inspect_run(const struct wikisrcd_conf *conf, enum inspect_mode mode, int64_t count)
{
    PL_CLEANUP(release) struct inspect in = {.conf = conf, .mode = mode, .wanted = count};
    struct pl_err err;
    if (start(&in, &err) < 0) {
        pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot start", &err);
        return pl_err_exit_status(err.kind);
    }
    int status = run(&in);
    pl_log_progress_end();
    if (!in.failed || in.taken > 0)
        summary_print(&in);
    return status == 0 && in.interrupted ? 1 : status;
}

int inspect_try(const struct wikisrcd_conf *conf, struct pl_err *err)
{
    PL_CLEANUP(release) struct inspect in = {.conf = conf, .mode = INSPECT_TRY, .wanted = 1};
    if (start(&in, err) < 0)
        return -1;
    pl_err_set(&in.why, PL_ERR_RETRY, 0, "no answer within %d s", INSPECT_TRY_MS / 1000);
    run(&in);
    if (in.taken > 0 || in.worked)
        return in.taken > 0;
    *err = in.why;
    return -1;
}

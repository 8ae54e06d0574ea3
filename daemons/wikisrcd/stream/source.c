/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.c - see source.h, which has the states.
 *
 * However a connection ends, connection_lost() decides how long to wait; connect_next() decides
 * what to ask.
 */
#include "daemons/wikisrcd/stream/source.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/stream/refusal.h"
#include "daemons/wikisrcd/stream/retry.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/http/request.h"
#include "lib/log/log.h"
#include "lib/service/watchdog.h"

enum {
    BODY_KEPT = 512,   /* of an answer that is not a stream, for the error text */
    BODY_MAX = 65536,  /* … that is read at most */
    ANSWER_MS = 60000, /* limit of an answer without a stall_timeout */
    TYPE_SHOWN = 64,   /* bytes of an unknown event type in the log */
    DISCOVERY_STALL_MS = 30000,
    DISCOVERY_RETRY_MS = 3600000,
};

/* In the order of M_LOST_*. */
enum source_loss { LOST_CLOSED, LOST_NETWORK, LOST_STALL, LOST_ERROR_EVENT, LOST_REFUSED };
static const char *const loss_names[] = {"closed", "network", "stall", "error event", "refused"};

enum source_state { STOPPED, WAITING, CONNECTING, STREAMING };

struct source {
    const struct wikisrcd_conf *conf;
    struct pl_metrics *metrics;
    struct position **position;
    const struct source_ops *ops;
    void *userdata;

    enum source_state state;
    enum position_ask ask; /* of this connection */
    bool asked_with_id;
    int64_t asked_ms; /* since= of this connection */
    bool fall_back;   /* ask by time at the next connect */
    bool first_event; /* none came on this connection yet */
    bool looking;     /* source_look(): only for the time there */
    bool refused;     /* receiving an answer that is not a stream */
    bool held;
    bool feeding;
    uint64_t body_size;
    uint64_t taken;        /* position_taken() when this connection began */
    char type[TYPE_SHOWN]; /* the unknown one logged last */
    struct pl_peer_clock clock;
    bool saw_error, saw_topics;                      /* found while feeding; acted upon after it */
    int64_t streaming_since_ms, discovery_failed_ms; /* monotonic */
    int64_t lost_since_ms;                           /* monotonic; 0: never, or connected */
    int64_t again_ms;                                /* monotonic: the last asks_again() */
    int64_t connect_ms;                              /* WAITING: until then */
    int64_t silence_ms;  /* the longest allowed on this connection; below 0: no limit */
    const char *lost_by; /* why the last connection ended; NULL: none has */
    bool told_to_wait;   /* WAITING: for long, by Retry-After */
    struct pl_deadline deadline;

    struct pl_http *http;
    struct pl_http_request *request;
    struct sse_parser parser;
    struct pl_buf rest; /* bytes after an event that was not taken */
    struct pl_buf body; /* of an answer that is not a stream */
    struct retry retry;
    sd_event_source *timer;
    char *url, *user_agent;
};

static void connect_next(struct source *s);
static void answer_late(struct source *s);

/* ---- waiting ---- */

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
    struct source *s = userdata;
    (void)timer;
    (void)usec;
    if (s->state == WAITING)
        connect_next(s);
    else if (s->state == CONNECTING)
        answer_late(s);
    return 0;
}

static void timer_arm(struct source *s, int64_t wait_ms)
{
    sd_event_source_set_time_relative(s->timer, (uint64_t)wait_ms * 1000);
    sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static void connect_after(struct source *s, int64_t wait_ms)
{
    s->state = WAITING;
    s->connect_ms = pl_clock_monotonic_ms() + wait_ms;
    pl_deadline_begin(&s->deadline, "waiting to connect", s->connect_ms, 0);
    timer_arm(s, wait_ms);
}

static void connection_drop(struct source *s)
{
    if (s->request)
        pl_http_request_cancel(PL_TAKE(s->request));
    s->held = false;
    pl_buf_reset(&s->rest);
    pl_buf_reset(&s->body);
    if (!s->feeding)
        sse_reset(&s->parser);
    pl_metrics_set(s->metrics, M_CONNECTED, 0);
}

static int64_t wait_after(struct source *s, enum source_loss loss, int64_t floor_ms)
{
    bool streamed = s->state == STREAMING;
    const struct retry_end end = {
        .streamed = streamed,
        .lived_ms = streamed ? pl_clock_monotonic_ms() - s->streaming_since_ms : 0,
        .taken = position_taken(*s->position) - s->taken,
        .bad = loss == LOST_ERROR_EVENT || loss == LOST_REFUSED,
        .floor_ms = floor_ms,
    };
    return retry_wait_ms(&s->retry, &end);
}

static void loss_log(const struct source *s, enum source_loss loss, const struct pl_err *err,
                     int64_t wait_ms)
{
    if (s->told_to_wait)
        pl_log(PL_ERROR, PL_EVENT_SOURCE_LOST,
               "the source asks us to wait, nothing is read until then",
               PL_F_STR("ERROR", err ? err->msg : NULL), PL_F_INT("WAIT_MS", wait_ms));
    else if (loss == LOST_CLOSED)
        pl_log(PL_INFO, PL_EVENT_SOURCE_LOST, "the source closed the connection",
               PL_F_INT("WAIT_MS", wait_ms));
    else
        pl_log(PL_WARNING, PL_EVENT_SOURCE_LOST, "the connection to the source ended",
               PL_F_STR("REASON", loss_names[loss]), PL_F_STR("ERROR", err ? err->msg : NULL),
               PL_F_INT("WAIT_MS", wait_ms));
}

static void connection_lost(struct source *s, enum source_loss loss, int64_t floor_ms,
                            const struct pl_err *err)
{
    int64_t wait_ms = wait_after(s, loss, floor_ms);
    connection_drop(s);
    if (s->lost_since_ms == 0)
        s->lost_since_ms = pl_clock_monotonic_ms();
    s->lost_by = loss_names[loss];
    s->told_to_wait = floor_ms > PL_HTTP_RETRY_AFTER_LONG_MS; /* our own waits are shorter */
    pl_metrics_inc(s->metrics, M_LOST_CLOSED + loss, 1);
    if (s->ask == POSITION_DISCOVERY) { /* the known topics will do; look again later */
        s->discovery_failed_ms = pl_clock_monotonic_ms();
        s->fall_back = position_streams_differ(*s->position, &s->conf->source.streams);
    }
    if (!err || err->kind == PL_ERR_RETRY)
        loss_log(s, loss, err, wait_ms); /* else the owner logs it, or ends */
    connect_after(s, wait_ms);
    if (err)
        s->ops->on_answer(s->userdata, err);
}

/* ---- events ---- */

/* The first event of a connection without Last-Event-ID shows all topics. */
static void topics_read(struct source *s, const struct sse_event *event)
{
    if (s->ask == POSITION_BY_ID)
        return;
    if (!position_discover(*s->position, event->id, &s->conf->source.streams, source_now_ms(s))) {
        pl_log(PL_WARNING, PL_EVENT_SOURCE_FALLBACK,
               "the source's event id names no topics; resuming by time only",
               PL_F_SLICE("ID", event->id.p, event->id.len < 200 ? event->id.len : 200));
        s->discovery_failed_ms = pl_clock_monotonic_ms();
    } else if (!position_is_whole(*s->position)) {
        pl_log(PL_NOTICE, NULL, "the source names no topic of one of the streams yet",
               PL_F_SLICE("ID", event->id.p, event->id.len < 200 ? event->id.len : 200));
        s->discovery_failed_ms = pl_clock_monotonic_ms(); /* look again in an hour */
    }
}

/* Whether a topic that the first event has shown begins before the time asked for: by id each is
 * asked for its own. (Not at once again: by id it may be refused.) */
static bool asks_again(struct source *s)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    bool again = s->ask == POSITION_BY_TIME && position_begins_earlier(*s->position) &&
                 (s->again_ms == 0 || now_ms - s->again_ms >= DISCOVERY_RETRY_MS);
    if (again)
        s->again_ms = now_ms;
    return again;
}

/* A type that the service does not send today: not a record. Logged whenever the type changes. */
static void type_report(struct source *s, struct pl_slice type)
{
    char name[TYPE_SHOWN];
    size_t len = type.len < sizeof(name) - 1 ? type.len : sizeof(name) - 1;
    memcpy(name, type.p, len);
    name[len] = '\0';
    pl_text_flatten(name, len);
    if (s->ask == POSITION_DISCOVERY)
        return;
    pl_metrics_inc(s->metrics, M_RECEIVED, 1);
    pl_metrics_inc(s->metrics, M_OTHER_TYPE, 1);
    if (strcmp(name, s->type) == 0)
        return;
    memcpy(s->type, name, len + 1);
    pl_log(PL_WARNING, PL_EVENT_SOURCE_STRANGE, "events of an unknown type are skipped",
           PL_F_STR("TYPE", name));
}

static bool on_sse_event(void *userdata, const struct sse_event *event)
{
    struct source *s = userdata;
    if (s->state != STREAMING)
        return false; /* stopped from inside the one before */
    if (pl_slice_eq(event->type, "error")) {
        pl_log(PL_WARNING, PL_EVENT_SOURCE_LOST, "the source reports an error inside the stream",
               PL_F_SLICE("ERROR", event->data.p,
                          event->data.len < BODY_KEPT ? event->data.len : BODY_KEPT));
        s->saw_error = true;
        return false;
    }
    if (!pl_slice_eq(event->type, "message")) {
        type_report(s, event->type);
        return true;
    }
    bool first = s->first_event;
    if (first)
        topics_read(s, event);
    s->first_event = false;
    if (s->ask == POSITION_DISCOVERY || (first && asks_again(s))) {
        s->saw_topics = true;
        return false;
    }
    return s->ops->on_event(s->userdata, event);
}

/* Feeds bytes to the parser and acts on what it found. What is left is kept in `rest`. */
static void feed(struct source *s, const char *data, size_t len)
{
    s->feeding = true;
    size_t used = sse_feed(&s->parser, data, len);
    s->feeding = false;
    if (s->state != STREAMING) {
        sse_reset(&s->parser);
        return;
    }
    if (s->saw_error) {
        struct pl_err err;
        pl_err_set(&err, PL_ERR_RETRY, 0, "the source sent an error event");
        connection_lost(s, LOST_ERROR_EVENT, 0, &err);
        return;
    }
    if (s->saw_topics) {
        connection_drop(s);
        connect_after(s, 0);
        return;
    }
    s->held = sse_pending(&s->parser);
    pl_deadline_begin(&s->deadline, "streaming", pl_clock_monotonic_ms(),
                      s->held ? -1 : s->silence_ms);
    if (s->held)
        pl_buf_add(&s->rest, data + used, len - used);
    pl_http_request_pause(s->request, s->held);
}

void source_resume(struct source *s)
{
    if (s->state != STREAMING || !s->held)
        return;
    struct pl_buf rest = s->rest;
    s->rest = (struct pl_buf){0};
    feed(s, rest.data, rest.len);
    pl_buf_release(&rest);
}

/* ---- answers ---- */

/* The service refuses the position: its topics are gone (404), it cannot parse it (400), or the
 * header is too long (431). */
static void position_refused(struct source *s, long status)
{
    pl_log(PL_WARNING, PL_EVENT_SOURCE_FALLBACK,
           "the source refused the position, asking by time instead", PL_F_INT("STATUS", status),
           PL_F_SLICE("ERROR", s->body.data, s->body.len));
    pl_metrics_inc(s->metrics, M_FALLBACKS, 1);
    connection_drop(s);
    s->fall_back = true;
    connect_after(s, 0);
}

static void answer_refused(struct source *s, struct pl_http_request *r)
{
    long status = 0;
    curl_easy_getinfo(pl_http_request_easy(r), CURLINFO_RESPONSE_CODE, &status);
    const struct pl_peer_answer heard = pl_http_request_heard(r);
    int64_t floor_ms = refusal_wait_ms(status, pl_http_request_header(r, "Retry-After"),
                                       heard.date_ms != 0 ? heard.date_ms : heard.now_ms);
    pl_text_flatten(s->body.data, s->body.len);
    s->request = NULL;
    if ((status == 400 || status == 404 || status == 431) && s->asked_with_id) {
        position_refused(s, status);
        return;
    }
    struct pl_err err;
    refusal_err(&err, status, s->url, pl_buf_cstr(&s->body));
    connection_lost(s, LOST_REFUSED, floor_ms, &err);
}

/* Time limit for the whole of an answer that is not a stream, and for the start of one that is. */
static int64_t answer_limit_ms(const struct source *s)
{
    return s->conf->source.connect_timeout_ms + (s->silence_ms > 0 ? s->silence_ms : ANSWER_MS);
}

/* Time is up without a stream: no answer, or one that does not end. */
static void answer_late(struct source *s)
{
    struct pl_http_request *r = s->request;
    struct pl_err err;
    if (s->refused) {
        answer_refused(s, r);
        pl_http_request_cancel(r);
        return;
    }
    pl_err_set(&err, PL_ERR_RETRY, CURLE_OPERATION_TIMEDOUT, "%s: no answer in %" PRId64 " ms",
               s->url, answer_limit_ms(s));
    connection_lost(s, LOST_STALL, 0, &err);
}

/* Reports the time there. `heard`: the time of this answer, surely not later than now. */
static void looked(struct source *s, const struct pl_peer_answer *heard)
{
    int64_t now_ms = source_now_ms(s);
    source_stop(s);
    s->ops->on_looked(s->userdata,
                      heard->date_ms != 0 && heard->date_ms < now_ms ? heard->date_ms : now_ms);
}

static void on_headers(void *userdata, struct pl_http_request *r, long status)
{
    struct source *s = userdata;
    const char *type = pl_http_request_header(r, "Content-Type");
    s->refused = status != 200 || !type || strncasecmp(type, "text/event-stream", 17) != 0;
    if (s->refused)
        return; /* on_done knows more: the body says why */
    const struct pl_peer_answer heard = pl_http_request_heard(r);
    pl_peer_clock_hear(&s->clock, &heard);
    if (s->looking) {
        looked(s, &heard);
        return;
    }
    sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    s->state = STREAMING;
    s->first_event = true;
    s->fall_back = false;
    s->streaming_since_ms = pl_clock_monotonic_ms();
    s->taken = position_taken(*s->position);
    position_connected(*s->position, s->ask, s->asked_ms, source_now_ms(s));
    if (s->ask == POSITION_DISCOVERY)
        return;
    pl_metrics_set(s->metrics, M_CONNECTED, 1);
    char since[32] = "";
    if (!s->asked_with_id)
        pl_time_format_ms(s->asked_ms, since);
    PL_STEP("wikisrcd.connected");
    pl_log(PL_INFO, PL_EVENT_SOURCE_CONNECTED, "connected to the source", PL_F_STR("URL", s->url),
           PL_F_STR("RESUMED_BY", s->asked_with_id ? "position" : "time"),
           PL_F_STR("SINCE", s->asked_with_id ? NULL : since),
           PL_F_INT("LOST_SECONDS",
                    s->lost_since_ms ? (s->streaming_since_ms - s->lost_since_ms) / 1000 : 0));
    s->lost_since_ms = 0;
    s->ops->on_answer(s->userdata, NULL);
}

static bool on_data(void *userdata, struct pl_http_request *r, const char *data, size_t len)
{
    struct source *s = userdata;
    (void)r;
    pl_metrics_inc(s->metrics, M_SOURCE_BYTES, len);
    if (s->state != STREAMING) {
        size_t room = BODY_KEPT - (s->body.len < BODY_KEPT ? s->body.len : BODY_KEPT);
        pl_buf_add(&s->body, data, len < room ? len : room);
        s->body_size += len;
        return s->body_size <= BODY_MAX;
    }
    if (s->held)
        pl_buf_add(&s->rest, data, len);
    else
        feed(s, data, len);
    return true;
}

static void on_done(void *userdata, struct pl_http_request *r, const struct pl_err *err)
{
    struct source *s = userdata;
    if (s->state != STREAMING && (!err || s->refused)) {
        answer_refused(s, r); /* even if the body did not end: the status is enough */
        return;
    }
    s->request = NULL;
    enum source_loss loss = LOST_NETWORK;
    /* The service often ends without the last chunk: ordinary for a stream that delivered. */
    if (!err || (s->state == STREAMING && !s->first_event &&
                 (err->code == CURLE_PARTIAL_FILE || err->code == CURLE_RECV_ERROR)))
        loss = LOST_CLOSED;
    else if (err->code == CURLE_OPERATION_TIMEDOUT)
        loss = LOST_STALL;
    connection_lost(s, loss, 0, err);
}

static const struct pl_http_ops http_ops = {on_headers, on_data, on_done};

/* ---- connecting ---- */

static bool discovery_is_due(const struct source *s, int64_t now_ms)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    int64_t failed_ms = pl_clock_monotonic_ms() - s->discovery_failed_ms;
    if (s->fall_back || !position_last_event_id(*s->position, &id))
        return false; /* by time, which shows all topics */
    if (s->discovery_failed_ms > 0 && failed_ms < DISCOVERY_RETRY_MS)
        return false;
    return position_streams_differ(*s->position, &s->conf->source.streams) ||
           now_ms - position_discovered(*s->position) > s->conf->source.discover_every_ms;
}

/* Chooses what to ask. ret_header gets the Last-Event-ID header or stays empty. */
static void ask_choose(struct source *s, struct pl_buf *ret_header)
{
    int64_t now_ms = source_now_ms(s);
    s->asked_with_id = false;
    if (discovery_is_due(s, now_ms)) {
        s->ask = POSITION_DISCOVERY;
        /* Each topic had a canary since then: the first event comes at once. */
        s->asked_ms = now_ms - POSITION_HEARTBEAT_MS;
        return;
    }
    pl_buf_add_str(ret_header, "Last-Event-ID: ");
    if (!s->fall_back && position_last_event_id(*s->position, ret_header)) {
        s->ask = POSITION_BY_ID;
        s->asked_with_id = true;
        return;
    }
    pl_buf_reset(ret_header);
    s->ask = POSITION_BY_TIME;
    s->asked_ms = position_since(*s->position);
}

static void connect_next(struct source *s)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf header = {0};
    char since[32];
    if (!s->looking)
        ask_choose(s, &header);
    const char *headers[] = {"Accept: text/event-stream",
                             header.len > 0 ? pl_buf_cstr(&header) : NULL, NULL};
    /* A date, which, unlike a number, can only be taken for a time. */
    pl_time_format_ms(position_time_out(s->asked_ms), since);
    PL_FREE char *url =
        s->looking || s->asked_with_id ? pl_strdup(s->url) : pl_strf("%s?since=%s", s->url, since);
    struct pl_http_conf conf = {
        .user_agent = s->user_agent,
        .tls = s->conf->source.tls,
        .connect_timeout_ms = s->conf->source.connect_timeout_ms,
        .stall_timeout_ms =
            s->ask == POSITION_DISCOVERY ? DISCOVERY_STALL_MS : s->conf->source.stall_timeout_ms,
        .interface_proxy = s->conf->source.proxy,
        .proxy_user = s->conf->source.proxy_user,
        .proxy_password = s->conf->source.proxy_password.value,
    };
    s->state = CONNECTING;
    s->silence_ms = conf.stall_timeout_ms > 0 ? conf.stall_timeout_ms : -1;
    pl_deadline_begin(&s->deadline, "connecting", pl_clock_monotonic_ms(), answer_limit_ms(s));
    timer_arm(s, answer_limit_ms(s));
    s->saw_error = s->saw_topics = s->refused = false;
    s->body_size = 0;
    s->taken = position_taken(*s->position);
    pl_log(PL_DEBUG, NULL, "connecting", PL_F_STR("URL", url),
           PL_F_STR("HEADER", header.len > 0 ? headers[1] : NULL));
    struct pl_err err;
    if (pl_http_request_new(s->http, &conf, url, headers, NULL, 0, &http_ops, s, &s->request,
                            &err) < 0)
        connection_lost(s, LOST_NETWORK, 0, &err);
}

/* ---- construction ---- */

int source_new(struct pl_daemon *d, const struct wikisrcd_conf *conf, struct pl_metrics *metrics,
               struct position **position, const struct source_ops *ops, void *userdata,
               struct source **ret, struct pl_err *err)
{
    PL_CLEANUP(source_freep) struct source *s = pl_alloc(sizeof(*s));
    uint64_t seed = (uint64_t)pl_clock_realtime_ms() ^ (uint64_t)(uintptr_t)s << 20;
    s->conf = conf;
    s->metrics = metrics;
    s->position = position;
    s->ops = ops;
    s->userdata = userdata;
    s->url = wikisrcd_conf_url(conf);
    s->user_agent =
        pl_strf("wikisrcd/" PL_VERSION " (%s) libcurl/%s", conf->source.user_agent_contact,
                curl_version_info(CURLVERSION_NOW)->version);
    retry_init(&s->retry, seed);
    sse_init(&s->parser, (size_t)conf->message_bytes_max, on_sse_event, s);
    if (pl_http_new(pl_daemon_event(d), &s->http, err) < 0)
        return -1;
    int r = sd_event_add_time(pl_daemon_event(d), &s->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, s);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot make a timer: %s", strerror(-r));
    sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    *ret = PL_TAKE(s);
    return 0;
}

void source_free(struct source *s)
{
    if (!s)
        return;
    sd_event_source_disable_unref(s->timer);
    pl_http_free(s->http); /* ends the request */
    sse_release(&s->parser);
    pl_buf_release(&s->rest);
    pl_buf_release(&s->body);
    free(s->url);
    free(s->user_agent);
    free(s);
}

void source_start(struct source *s, int64_t wait_ms)
{
    connect_after(s, wait_ms);
}

void source_look(struct source *s)
{
    connect_after(s, 0);
    s->looking = true;
}

void source_stop(struct source *s)
{
    connection_drop(s);
    s->state = STOPPED;
    s->looking = false;
    pl_deadline_begin(&s->deadline, "stopped", 0, -1);
    sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
}

void source_describe(const struct source *s, char *out, size_t size)
{
    static const char *const names[] = {"stopped", "", "connecting to the source", "streaming"};
    int64_t wait_ms = s->connect_ms - pl_clock_monotonic_ms();
    if (s->state == WAITING && wait_ms > 0)
        snprintf(out, size, "%sconnecting again in %" PRId64 " s%s%s%s",
                 s->told_to_wait ? "told to wait: " : "", (wait_ms + 999) / 1000,
                 s->lost_by ? " (" : "", s->lost_by ? s->lost_by : "", s->lost_by ? ")" : "");
    else
        snprintf(out, size, "%s",
                 s->held ? "waiting for Kafka"
                         : names[s->state == WAITING ? CONNECTING : s->state]);
}

int64_t source_streaming_ms(const struct source *s)
{
    return s->state == STREAMING ? pl_clock_monotonic_ms() - s->streaming_since_ms : -1;
}

int64_t source_now_ms(const struct source *s)
{
    return pl_peer_clock_now(&s->clock, pl_clock_realtime_ms(), pl_clock_boot_ms());
}

struct pl_peer_clock *source_clock(struct source *s)
{
    return &s->clock;
}

bool source_is_told_to_wait(const struct source *s)
{
    return s->state == WAITING && s->told_to_wait;
}

bool source_is_held(const struct source *s)
{
    return s->held;
}

bool source_is_overdue(const struct source *s)
{
    return pl_deadline_is_overdue(&s->deadline, pl_clock_monotonic_ms());
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.c - see delivery.h.
 *
 * `committed` holds the position that Kafka has, `pending` the one inside the transaction being
 * committed; the second becomes the first when Kafka says so, and not before.
 */
#include "daemons/wikisrcd/delivery.h"

#include <stdio.h>

#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/position/position.h"
#include "lib/base/backoff.h"
#include "lib/base/clock.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"

enum {
    LOG_EVERY_MS = 60000,
    ABORT_WAIT_BASE_MS = 500,
    ABORT_WAIT_MAX_MS = 60000,
};

struct delivery {
    const struct wikisrcd_conf *conf;
    struct pl_metrics *metrics;
    const struct delivery_ops *ops;
    void *userdata;
    struct pl_producer *producer;
    struct pl_buf committed, pending;
    sd_event_source *timer;
    uint64_t events, bytes;      /* in the open transaction */
    bool moved;                  /* the position is ahead of what was last put into a transaction */
    bool timer_armed, age_armed; /* age_armed: it runs for the transaction's age */
    bool commit_wanted;          /* the position's record found no room; on_room goes on */
    bool wants_ready;            /* something was refused */
    bool stalled, failed;
    int64_t committed_ms;
    uint64_t committed_events; /* of the last commit */
    struct {
        uint64_t transactions, events, bytes;
        int64_t took_ms;
    } sums;            /* not logged yet */
    int64_t logged_ms; /* monotonic: when they were last; 0: never */
    struct pl_backoff backoff;
};

/* ---- time ---- */

static void timer_arm(struct delivery *d, int64_t ms)
{
    if (d->timer_armed)
        return;
    d->timer_armed = true;
    sd_event_source_set_time_relative(d->timer, (uint64_t)ms * 1000);
    sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

static void timer_disarm(struct delivery *d)
{
    d->timer_armed = d->age_armed = false;
    sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
    struct delivery *d = userdata;
    (void)timer;
    (void)usec;
    d->timer_armed = d->age_armed = false;
    delivery_flush(d);
    return 0;
}

/* ---- committing ---- */

static void fail(struct delivery *d, const struct pl_err *err)
{
    if (d->failed)
        return;
    d->failed = true;
    timer_disarm(d);
    d->ops->on_failed(d->userdata, err);
}

/* An error of send: what is in the transaction is undone, or all ends. */
static void trouble(struct delivery *d, const struct pl_err *err)
{
    if (err->kind == PL_ERR_FATAL || err->kind == PL_ERR_CONFIG)
        fail(d, err);
    else if (pl_producer_state(d->producer) == PL_PRODUCER_OPEN)
        pl_producer_abort(d->producer, err);
}

static bool transaction_open(struct delivery *d)
{
    struct pl_err err;
    if (pl_producer_state(d->producer) == PL_PRODUCER_OPEN)
        return true;
    if (pl_producer_begin(d->producer, &err) < 0) {
        fail(d, &err); /* it asks no broker: only an unusable producer refuses */
        return false;
    }
    return true;
}

/* Puts the position's record in and commits. */
static void transaction_commit(struct delivery *d)
{
    struct pl_err err;
    if (!transaction_open(d))
        return;
    pl_buf_reset(&d->pending);
    d->ops->encode_position(d->userdata, &d->pending);
    struct pl_message record = {
        .topic = d->conf->position_topic,
        .key = d->conf->name,
        .key_len = strlen(d->conf->name),
        .value = d->pending.data,
        .value_len = d->pending.len,
    };
    switch (pl_producer_send(d->producer, &record, &err)) {
    case PL_SEND_OK:
        d->commit_wanted = d->moved = false;
        timer_disarm(d);
        pl_producer_commit(d->producer);
        return;
    case PL_SEND_FULL:
        d->commit_wanted = true;
        return;
    case PL_SEND_ERROR:
        /* Without its position the transaction must not be committed, whatever the error. */
        if (err.kind == PL_ERR_REJECT) {
            err.kind = PL_ERR_CONFIG;
            pl_err_prefix(&err, "the position (%zu bytes) is refused, raise message_bytes_max",
                          d->pending.len);
        }
        trouble(d, &err);
        return;
    }
}

static void transaction_forget(struct delivery *d)
{
    d->events = d->bytes = 0;
    pl_metrics_set(d->metrics, M_IN_FLIGHT, 0);
}

static void back(struct delivery *d)
{
    if (d->stalled)
        pl_log(PL_NOTICE, PL_EVENT_KAFKA_BACK, "Kafka answers again",
               PL_F_STR("TOPIC", d->conf->topic));
    d->stalled = false;
}

static void on_committed(void *userdata, uint64_t messages, uint64_t bytes, int64_t duration_ms)
{
    struct delivery *d = userdata;
    struct pl_buf before = d->committed;
    d->committed = d->pending;
    d->pending = before;
    d->committed_ms = pl_clock_monotonic_ms();
    d->committed_events = d->events;
    pl_backoff_reset(&d->backoff);
    back(d);
    pl_metrics_inc(d->metrics, M_DELIVERED, d->events);
    pl_metrics_inc(d->metrics, M_DELIVERED_BYTES, bytes);
    pl_metrics_inc(d->metrics, M_COMMITTED, 1);
    pl_metrics_observe(d->metrics, M_COMMIT_SECONDS, (double)duration_ms / 1000);
    (void)messages; /* events and the position's record */
    if (d->events > 0) {
        d->sums.transactions++;
        d->sums.events += d->events;
        d->sums.bytes += bytes;
        d->sums.took_ms += duration_ms;
    }
    pl_log(PL_DEBUG, NULL, "transaction committed", PL_F_STR("TOPIC", d->conf->topic),
           PL_F_UINT("MESSAGES", d->events), PL_F_UINT("BYTES", bytes),
           PL_F_INT("DURATION_MS", duration_ms));
    transaction_forget(d);
    d->wants_ready = false;
    d->ops->on_ready(d->userdata);
}

static void on_aborted(void *userdata, const struct pl_err *why)
{
    struct delivery *d = userdata;
    int64_t wait_ms = pl_backoff_next(&d->backoff, 0);
    back(d);
    pl_metrics_inc(d->metrics, M_REFETCHED, d->events);
    pl_metrics_inc(d->metrics, M_ABORTED, 1);
    timer_disarm(d);
    d->moved = d->commit_wanted = d->wants_ready = false;
    uint64_t events = d->events;
    transaction_forget(d);
    if (why->code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        struct pl_err err = *why;
        err.kind = PL_ERR_CONFIG;
        pl_err_prefix(&err, "%s accepts only smaller messages: raise its max.message.bytes to %lld",
                      d->conf->topic, (long long)d->conf->message_bytes_max);
        fail(d, &err);
        return;
    }
    if (why->kind == PL_ERR_CONFIG) {
        fail(d, why);
        return;
    }
    pl_log_err(PL_WARNING, PL_EVENT_TXN_ABORTED,
               "transaction aborted, its events are fetched again", why,
               PL_F_STR("TOPIC", d->conf->topic), PL_F_UINT("MESSAGES", events),
               PL_F_INT("WAIT_MS", wait_ms));
    d->ops->on_rewind(d->userdata, delivery_position(d), wait_ms);
}

static void on_stalled(void *userdata, const struct pl_err *why)
{
    struct delivery *d = userdata;
    d->stalled = true;
    pl_log_err(PL_WARNING, PL_EVENT_KAFKA_AWAY, "Kafka does not answer, reading is paused", why,
               PL_F_STR("TOPIC", d->conf->topic));
}

static void on_room(void *userdata)
{
    struct delivery *d = userdata;
    if (d->commit_wanted) {
        transaction_commit(d);
        return;
    }
    if (d->wants_ready) {
        d->wants_ready = false;
        d->ops->on_ready(d->userdata);
    }
}

static void on_producer_failed(void *userdata, const struct pl_err *err)
{
    fail(userdata, err);
}

static const struct pl_producer_ops producer_ops = {
    .on_committed = on_committed,
    .on_aborted = on_aborted,
    .on_stalled = on_stalled,
    .on_room = on_room,
    .on_failed = on_producer_failed,
};

/* ---- taking events ---- */

bool delivery_can_take(const struct delivery *d)
{
    enum pl_producer_state state = pl_producer_state(d->producer);
    return !d->failed && !d->commit_wanted &&
           (state == PL_PRODUCER_IDLE || state == PL_PRODUCER_OPEN);
}

struct pl_message delivery_message(const char *topic, const struct event *event,
                                   struct pl_slice data, int64_t now_ms, bool *ret_replaced)
{
    /* Brokers refuse times more than an hour ahead (log.message.timestamp.after.max.ms); 0 would
     * mean "now" to the producer. */
    bool usable = event->has_dt && event->dt_ms > 0 && event->dt_ms <= now_ms + POSITION_BELIEVE_MS;
    *ret_replaced = !usable;
    return (struct pl_message){
        .topic = topic,
        .key = event->has_key ? (event->key.data ? event->key.data : "") : NULL,
        .key_len = event->has_key ? event->key.len : 0,
        .value = data.p,
        .value_len = data.len,
        .timestamp_ms = usable ? event->dt_ms : now_ms,
    };
}

enum delivery_result delivery_send(struct delivery *d, const struct event *event,
                                   struct pl_slice data, int64_t now_ms)
{
    struct pl_err err;
    bool replaced;
    struct pl_message message = delivery_message(d->conf->topic, event, data, now_ms, &replaced);
    if (!transaction_open(d))
        return DELIVERY_LATER;
    switch (pl_producer_send(d->producer, &message, &err)) {
    case PL_SEND_OK:
        break;
    case PL_SEND_FULL:
        d->wants_ready = true;
        return DELIVERY_LATER;
    case PL_SEND_ERROR:
        if (err.kind == PL_ERR_REJECT)
            return DELIVERY_TOO_LARGE;
        trouble(d, &err);
        return DELIVERY_LATER;
    }
    d->events++;
    d->bytes += message.key_len + message.value_len;
    if (replaced)
        pl_metrics_inc(d->metrics, M_TIME_REPLACED, 1);
    return DELIVERY_OK;
}

void delivery_moved(struct delivery *d)
{
    d->moved = true;
    if (d->events >= (uint64_t)d->conf->batch.messages ||
        d->bytes >= (uint64_t)d->conf->batch.bytes) {
        transaction_commit(d);
        return;
    }
    if (d->events == 0) {
        timer_arm(d, DELIVERY_POSITION_MS);
    } else if (!d->age_armed) { /* from its first event on the transaction's age counts */
        timer_disarm(d);
        timer_arm(d, d->conf->batch.age_ms);
        d->age_armed = true;
    }
}

void delivery_reloaded(struct delivery *d)
{
    if (d->age_armed) { /* the transaction that is open gets the new age, from now */
        timer_disarm(d);
        timer_arm(d, d->conf->batch.age_ms);
        d->age_armed = true;
    }
}

bool delivery_flush(struct delivery *d)
{
    if (!delivery_can_take(d) || (!d->moved && d->events == 0))
        return false;
    transaction_commit(d);
    return true;
}

bool delivery_is_idle(const struct delivery *d)
{
    return d->failed || (pl_producer_state(d->producer) == PL_PRODUCER_IDLE && !d->moved);
}

struct pl_slice delivery_position(const struct delivery *d)
{
    return (struct pl_slice){d->committed.data, d->committed.len};
}

uint64_t delivery_in_flight(const struct delivery *d)
{
    return d->events;
}

int64_t delivery_committed_ms(const struct delivery *d, uint64_t *ret_events)
{
    *ret_events = d->committed_events;
    return d->committed_ms;
}

void delivery_log(struct delivery *d, bool now)
{
    int64_t mono_ms = pl_clock_monotonic_ms();
    bool due = now || d->logged_ms == 0 || mono_ms - d->logged_ms >= LOG_EVERY_MS;
    if (d->sums.transactions == 0 || !due)
        return;
    pl_log(PL_INFO, PL_EVENT_TXN_COMMITTED, "committed", PL_F_STR("TOPIC", d->conf->topic),
           PL_F_UINT("MESSAGES", d->sums.events), PL_F_UINT("TRANSACTIONS", d->sums.transactions),
           PL_F_UINT("BYTES", d->sums.bytes), PL_F_INT("DURATION_MS", d->sums.took_ms));
    memset(&d->sums, 0, sizeof(d->sums));
    d->logged_ms = mono_ms;
}

bool delivery_is_stalled(const struct delivery *d)
{
    return d->stalled;
}

bool delivery_is_stuck(const struct delivery *d)
{
    return pl_producer_is_stuck(d->producer);
}

/* ---- start ---- */

int delivery_topic_ensure(rd_kafka_t *rk, const struct wikisrcd_conf *conf, struct pl_err *err)
{
    char bytes[32], retention[32];
    snprintf(bytes, sizeof(bytes), "%lld", (long long)conf->message_bytes_max);
    snprintf(retention, sizeof(retention), "%lld", (long long)conf->create.retention_ms);
    /* Events carry their own times, and some lie by years. A broker rolls a segment when a time is
     * segment.ms after the segment's first, so an old first event would be alone in its segment,
     * which retention then deletes at once: segments are to end by their size only. */
    const char *config[] = {"max.message.bytes",
                            bytes,
                            "segment.ms",
                            "9223372036854775807",
                            conf->create.retention_ms > 0 ? "retention.ms" : NULL,
                            retention,
                            NULL};
    const struct pl_kafka_topic_spec spec = {conf->topic, (int)conf->create.partitions,
                                             (int)conf->create.replication, config};
    return pl_kafka_topic_need(rk, &spec, conf->create.enabled, (int)conf->start_timeout_ms, err);
}

static int position_read(struct delivery *d, struct pl_err *err)
{
    char *value = NULL;
    size_t len = 0;
    if (pl_kafka_read_last(&d->conf->kafka, d->conf->position_topic, d->conf->name,
                           (int)d->conf->start_timeout_ms, &value, &len, err) < 0)
        return -1;
    pl_buf_reset(&d->committed);
    if (value)
        pl_buf_add(&d->committed, value, len);
    free(value);
    return 0;
}

/* The order matters: init_transactions ends what an earlier instance left open, so that the
 * position read afterwards is the last that will ever be committed by it. */
static int start(struct delivery *d, struct pl_daemon *daemon,
                 const struct pl_producer_conf *producer_conf, struct pl_err *err)
{
    const struct wikisrcd_conf *conf = d->conf;
    const int timeout_ms = (int)conf->start_timeout_ms;
    if (pl_producer_new(daemon, producer_conf, &producer_ops, d, timeout_ms, &d->producer, err) < 0)
        return -1;
    rd_kafka_t *rk = pl_producer_client(d->producer);
    pl_daemon_step(daemon, timeout_ms, "waiting for Kafka's topic %s", conf->topic);
    if (delivery_topic_ensure(rk, conf, err) < 0)
        return -1;
    pl_daemon_step(daemon, timeout_ms, "waiting for Kafka's topic %s", conf->position_topic);
    if (pl_kafka_position_topic_need(rk, conf->position_topic, (int)conf->create.replication,
                                     conf->create.enabled, timeout_ms, err) < 0)
        return -1;
    /* Once to look the topic up, once to read it. */
    pl_daemon_step(daemon, 2 * timeout_ms, "reading the position from topic %s",
                   conf->position_topic);
    return position_read(d, err);
}

int delivery_new(struct pl_daemon *daemon, const struct wikisrcd_conf *conf,
                 struct pl_metrics *metrics, const struct delivery_ops *ops, void *userdata,
                 struct delivery **ret, struct pl_err *err)
{
    PL_CLEANUP(delivery_freep) struct delivery *d = pl_alloc(sizeof(*d));
    char *transactional_id PL_FREE = pl_strf("wikisrcd-%s", conf->name);
    const struct pl_producer_conf producer_conf = {
        .kafka = &conf->kafka,
        .transactional_id = transactional_id,
        .client_id = "wikisrcd",
        .queue_bytes_max = conf->queue_bytes_max,
        .message_bytes_max = conf->message_bytes_max,
    };
    d->conf = conf;
    d->metrics = metrics;
    d->ops = ops;
    d->userdata = userdata;
    pl_backoff_init(&d->backoff, ABORT_WAIT_BASE_MS, ABORT_WAIT_MAX_MS,
                    (uint64_t)pl_clock_realtime_ms());
    int r = sd_event_add_time(pl_daemon_event(daemon), &d->timer, CLOCK_MONOTONIC, 0, 1000,
                              on_timer, d);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot make a timer: %s", strerror(-r));
    timer_disarm(d);
    if (start(d, daemon, &producer_conf, err) < 0)
        return -1;
    *ret = PL_TAKE(d);
    return 0;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    pl_producer_free(d->producer);
    sd_event_source_disable_unref(d->timer);
    pl_buf_release(&d->committed);
    pl_buf_release(&d->pending);
    free(d);
}

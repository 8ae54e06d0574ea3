/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.c - see delivery.h.
 *
 * The states are the producer's, plus a commit that waits for room (`commit_wanted`) and our own
 * failure. `pending`, the position in the transaction, becomes `committed` when Kafka has confirmed
 * the commit, and not before.
 */
#include "lib/batch/delivery.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/base/time_text.h"
#include "lib/config/common.h"
#include "lib/kafka/stall.h"
#include "lib/kafka/successor.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"
#include "lib/service/ends.h"

#define LOG_EVERY_MS 60000
/* A successor writes as soon as it has read its positions: some seconds after it has fenced us,
 * which we notice later still. Well below the watchdog's interval. */
#define FENCED_LOOK_MS 10000
/* Nobody reads a message before its transaction is committed, which sends what waits: a slow stream
 * needs no more requests than this. A fast one fills its batches sooner. */
#define LINGER_MS 500

struct pl_delivery {
    struct pl_delivery_conf conf;
    struct pl_daemon *daemon;
    const struct pl_delivery_ops *ops;
    void *userdata;
    struct pl_producer *producer;
    struct pl_buf committed, pending;
    const char *key; /* of `pending`; NULL: the transaction has no position */
    struct pl_delivery_sums sums;
    uint64_t in_flight; /* our share of the metric */
    struct pl_limits limits;
    struct pl_fill fill; /* since the last commit began */
    sd_event_source *timer;
    int64_t timer_ms;   /* when it ends, monotonic; INT64_MAX: it is off */
    bool commit_wanted; /* the position's record found no room; on_room continues */
    bool stalled, failed;
    struct pl_refusal away; /* Kafka; for the log */
    struct {
        uint64_t transactions, items, bytes;
        int64_t took_ms;
    } unlogged;
    int64_t logged_ms;         /* monotonic; 0: never */
    char *writer;              /* our name, written with each position */
    struct pl_kafka_ends ends; /* of position_topic when positions were read */
};

static void in_flight_show(struct pl_delivery *d)
{
    pl_metrics_shift(d->conf.metrics.values, d->conf.metrics.in_flight,
                     (double)d->sums.items - (double)d->in_flight);
    d->in_flight = d->sums.items;
}

static bool is_in(const struct pl_delivery *d, enum pl_producer_state state)
{
    return pl_producer_state(d->producer) == state;
}

/* ---- limits ---- */

/* Returns when the transaction is due. */
static int64_t timer_arm(struct pl_delivery *d)
{
    int64_t due_ms = pl_limits_due_ms(&d->limits, &d->fill);
    if (due_ms == d->timer_ms)
        return due_ms;
    d->timer_ms = due_ms;
    if (due_ms != INT64_MAX)
        sd_event_source_set_time(d->timer, (uint64_t)due_ms * 1000);
    sd_event_source_set_enabled(d->timer, due_ms == INT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    return due_ms;
}

static void fill_reset(struct pl_delivery *d)
{
    d->fill = (struct pl_fill){0};
    timer_arm(d);
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
    struct pl_delivery *d = userdata;
    (void)timer;
    (void)usec;
    d->timer_ms = INT64_MAX;
    pl_delivery_flush(d);
    return 0;
}

int64_t pl_delivery_open_ms_max(const struct pl_delivery *d)
{
    const rd_kafka_conf_t *conf = rd_kafka_conf(pl_producer_client(d->producer));
    return pl_transaction_open_ms_max(pl_kafka_conf_int(conf, "transaction.timeout.ms"));
}

void pl_delivery_limit(struct pl_delivery *d, const struct pl_limits *limits)
{
    int64_t age_ms_max = pl_delivery_open_ms_max(d);
    d->limits = *limits;
    /* The configuration was checked, but a reload applies only the age. */
    if (d->limits.age_ms > age_ms_max) {
        pl_log(PL_WARNING, NULL,
               "batch.age is too long for the transaction.timeout.ms in use since the start: "
               "limited until a restart",
               PL_F_INT("AGE_MS", age_ms_max));
        d->limits.age_ms = age_ms_max;
    }
    timer_arm(d);
}

void pl_delivery_moved(struct pl_delivery *d)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    d->fill.messages = d->sums.messages;
    d->fill.bytes = d->sums.bytes;
    if (d->fill.moved_ms == 0)
        d->fill.moved_ms = now_ms;
    if (d->fill.first_ms == 0 && d->sums.messages > 0)
        d->fill.first_ms = now_ms;
    if (timer_arm(d) <= now_ms)
        pl_delivery_flush(d);
}

bool pl_delivery_flush(struct pl_delivery *d)
{
    if (!pl_delivery_can_take(d) || (d->fill.moved_ms == 0 && d->sums.messages == 0))
        return false;
    pl_delivery_commit(d, d->conf.position_key);
    return true;
}

/* ---- ends ---- */

/* `err` says that we are fenced: by whom? Where nobody is found, there may be nobody, and a daemon
 * that stays down for that would stay down for good. A restart is safe: if somebody is there after
 * all, each instance takes over once and writes, so the next one that is fenced finds a writer. */
static void fenced_explain(struct pl_delivery *d, struct pl_err *err)
{
    const struct pl_delivery_conf *conf = &d->conf;
    int64_t limit_ms =
        conf->start_timeout_ms < FENCED_LOOK_MS ? conf->start_timeout_ms : FENCED_LOOK_MS;
    const struct pl_kafka_successor_ask ask = {
        conf->kafka, conf->position_topic, conf->fence_key, d->writer, &d->ends, limit_ms};
    PL_FREE char *writer = NULL;
    struct pl_err why = {0};
    if (err->kind != PL_ERR_FENCED || !conf->fence_key || pl_daemon_stopping(d->daemon))
        return; /* stopping: nobody restarts us */
    pl_daemon_status(d->daemon, "fenced: looking in topic %s who took over", conf->position_topic);
    if (pl_kafka_successor_find(&ask, &writer, &why) > 0)
        pl_err_set(err, PL_ERR_FENCED, err->code, "%s; it is %s; this one stays down (status %d)",
                   err->msg, writer, PL_EXIT_FENCED);
    else
        pl_err_set(err, PL_ERR_FATAL, err->code,
                   "Kafka has fenced us, but nobody else has written to topic %s in %" PRId64
                   " s%s%s: it has undone our transaction for its age, if a broker's clock was set "
                   "forward, or another instance has not written yet (the header \"%s\" of its "
                   "records will name it): start again",
                   conf->position_topic, limit_ms / 1000, why.msg[0] ? ": " : "", why.msg,
                   PL_KAFKA_WRITER_HEADER);
}

void pl_delivery_fail(struct pl_delivery *d, const struct pl_err *err)
{
    if (d->failed)
        return;
    d->failed = true;
    fill_reset(d); /* no more commits */
    struct pl_err copy = *err;
    fenced_explain(d, &copy);
    d->ops->on_failed(d->userdata, &copy);
}

/* The transaction is over. */
static struct pl_delivery_sums sums_take(struct pl_delivery *d)
{
    struct pl_delivery_sums sums = d->sums;
    d->sums = (struct pl_delivery_sums){0};
    d->commit_wanted = false;
    in_flight_show(d);
    return sums;
}

/* `messages` and `bytes` include the position's record, `bytes` the headers. */
static void on_committed(void *userdata, uint64_t messages, uint64_t bytes, int64_t duration_ms)
{
    struct pl_delivery *d = userdata;
    const struct pl_delivery_metrics *m = &d->conf.metrics;
    struct pl_delivery_sums sums = sums_take(d);
    (void)messages;
    PL_STEP("delivery.known");
    sums.commit_ms = duration_ms;
    if (d->key) {
        struct pl_buf before = d->committed;
        d->committed = d->pending;
        d->pending = before;
    }
    pl_metrics_inc(m->values, m->delivered, sums.items);
    pl_metrics_inc(m->values, m->records, sums.records);
    pl_metrics_inc(m->values, m->messages, sums.messages);
    pl_metrics_inc(m->values, m->bytes, bytes);
    pl_metrics_inc(m->values, m->committed, 1);
    pl_metrics_observe(m->values, m->commit_seconds, (double)duration_ms / 1000);
    if (sums.items > 0) {
        d->unlogged.transactions++;
        d->unlogged.items += sums.items;
        d->unlogged.bytes += bytes;
        d->unlogged.took_ms += duration_ms;
    }
    pl_log(PL_DEBUG, NULL, "transaction committed", PL_F_STR("TOPIC", d->conf.topic),
           PL_F_UINT("MESSAGES", sums.messages), PL_F_UINT("BYTES", bytes),
           PL_F_INT("DURATION_MS", duration_ms));
    if (!d->failed)
        d->ops->on_done(d->userdata, &sums, NULL);
}

static void on_aborted(void *userdata, const struct pl_err *why)
{
    struct pl_delivery *d = userdata;
    struct pl_delivery_sums sums = sums_take(d);
    struct pl_err err = *why;
    fill_reset(d);
    pl_metrics_inc(d->conf.metrics.values, d->conf.metrics.refetched, sums.items);
    pl_metrics_inc(d->conf.metrics.values, d->conf.metrics.aborted, 1);
    if (err.code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && err.kind == PL_ERR_CONFIG) {
        char advice[64];
        snprintf(advice, sizeof(advice), "raise its max.message.bytes to %" PRId64,
                 d->conf.message_bytes_max);
        pl_err_prefix(&err, "%s accepts only smaller messages: %s",
                      d->conf.more_topics && d->conf.more_topics->n > 0 ? "one of the topics"
                                                                        : d->conf.topic,
                      d->conf.too_large_advice ? d->conf.too_large_advice : advice);
    }
    if (err.code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && d->conf.timestamp_advice)
        pl_err_set(&err, err.kind, err.code, "%s; or set %s", why->msg, d->conf.timestamp_advice);
    if (!d->failed)
        d->ops->on_done(d->userdata, &sums, &err);
}

/* How long nothing came: it is called away after the first of those seconds. */
static int64_t away_s(const struct pl_delivery *d, int64_t now_ms)
{
    return pl_refusal_seconds(&d->away, now_ms) + PL_STALL_MS / 1000;
}

static void on_stalled(void *userdata, const struct pl_err *why)
{
    struct pl_delivery *d = userdata;
    int64_t now_ms = pl_clock_monotonic_ms();
    d->stalled = true;
    if (pl_refusal_next(&d->away, now_ms))
        pl_log_err(PL_WARNING, PL_EVENT_KAFKA_AWAY, "Kafka does not answer", why,
                   PL_F_STR("TOPIC", d->conf.topic), PL_F_INT("SECONDS", away_s(d, now_ms)));
}

static void on_recovered(void *userdata)
{
    struct pl_delivery *d = userdata;
    d->stalled = false;
    pl_log(PL_NOTICE, PL_EVENT_KAFKA_BACK, "Kafka answers again", PL_F_STR("TOPIC", d->conf.topic),
           PL_F_INT("SECONDS", away_s(d, pl_clock_monotonic_ms())));
    pl_refusal_over(&d->away);
}

static void on_producer_failed(void *userdata, const struct pl_err *err)
{
    struct pl_delivery *d = userdata;
    if (d->stalled) /* it has answered: our transaction is undone */
        on_recovered(d);
    pl_delivery_fail(d, err);
}

static void on_delivered(void *userdata, const rd_kafka_message_t *message)
{
    struct pl_delivery *d = userdata;
    if (d->ops->on_delivered)
        d->ops->on_delivered(d->userdata, message);
}

/* ---- committing ---- */

/* Begins a transaction unless there is one, which may be ending. */
static int transaction_open(struct pl_delivery *d, struct pl_err *err)
{
    if (!is_in(d, PL_PRODUCER_IDLE))
        return 0;
    if (pl_producer_begin(d->producer, err) < 0)
        return -1;
    PL_STEP("delivery.begun");
    return 0;
}

void pl_delivery_abort(struct pl_delivery *d, const struct pl_err *why)
{
    if (is_in(d, PL_PRODUCER_OPEN))
        pl_producer_abort(d->producer, why);
}

/* Sends the position's record, then commits. */
static void commit_continue(struct pl_delivery *d)
{
    d->commit_wanted = false;
    if (!is_in(d, PL_PRODUCER_OPEN))
        return; /* a message has failed: on_aborted follows */
    if (d->key) {
        const struct pl_header writer = {PL_KAFKA_WRITER_HEADER, d->writer, strlen(d->writer)};
        const struct pl_message record = {
            .topic = d->conf.position_topic,
            .key = d->key,
            .key_len = strlen(d->key),
            .value = d->pending.data,
            .value_len = d->pending.len,
            .headers = &writer,
            .headers_n = 1,
        };
        struct pl_err err;
        switch (pl_producer_send(d->producer, &record, &err)) {
        case PL_SEND_OK:
            PL_STEP("delivery.positioned");
            break;
        case PL_SEND_FULL:
            d->commit_wanted = true;
            return;
        case PL_SEND_ERROR:
            /* Without its position the transaction must not be committed, whatever the error. */
            if (err.kind == PL_ERR_REJECT) {
                err.kind = PL_ERR_CONFIG;
                err.code = 0; /* it is not the data topic that accepts only smaller ones */
                pl_err_prefix(&err, "the position (%zu bytes) is refused, raise message_bytes_max",
                              d->pending.len);
            }
            pl_delivery_abort(d, &err);
            return;
        }
    }
    pl_producer_commit(d->producer);
}

void pl_delivery_commit(struct pl_delivery *d, const char *key)
{
    struct pl_err err;
    assert(!key || d->conf.position_topic);
    fill_reset(d);
    d->key = key;
    pl_buf_reset(&d->pending);
    if (key)
        d->ops->encode_position(d->userdata, &d->pending);
    if (transaction_open(d, &err) < 0)
        pl_delivery_fail(d, &err); /* no broker is asked: the producer is unusable */
    else
        commit_continue(d);
}

static void on_room(void *userdata)
{
    struct pl_delivery *d = userdata;
    if (d->commit_wanted)
        commit_continue(d);
    else if (pl_delivery_can_take(d) && d->ops->on_room) /* otherwise on_done follows */
        d->ops->on_room(d->userdata);
}

static const struct pl_producer_ops producer_ops = {
    .on_committed = on_committed,
    .on_aborted = on_aborted,
    .on_stalled = on_stalled,
    .on_recovered = on_recovered,
    .on_room = on_room,
    .on_failed = on_producer_failed,
    .on_delivered = on_delivered,
};

/* ---- messages ---- */

bool pl_delivery_can_take(const struct pl_delivery *d)
{
    return !d->failed && !d->commit_wanted &&
           (is_in(d, PL_PRODUCER_IDLE) || is_in(d, PL_PRODUCER_OPEN));
}

enum pl_send_result pl_delivery_send(struct pl_delivery *d, const struct pl_message *m,
                                     struct pl_err *err)
{
    assert(!d->commit_wanted);
    if (transaction_open(d, err) < 0)
        return PL_SEND_ERROR;
    enum pl_send_result result = pl_producer_send(d->producer, m, err);
    if (result == PL_SEND_OK) {
        d->sums.messages++;
        d->sums.bytes += m->key_len + m->value_len;
        PL_STEP("delivery.sent");
    }
    return result;
}

void pl_delivery_item_end(struct pl_delivery *d, uint64_t records)
{
    d->sums.items++;
    d->sums.records += records;
    in_flight_show(d);
}

/* ---- state ---- */

bool pl_delivery_is_idle(const struct pl_delivery *d)
{
    return d->failed || (is_in(d, PL_PRODUCER_IDLE) && d->fill.moved_ms == 0);
}

bool pl_delivery_is_stalled(const struct pl_delivery *d)
{
    return d->stalled;
}

bool pl_delivery_is_stuck(const struct pl_delivery *d)
{
    return pl_producer_is_stuck(d->producer);
}

struct pl_slice pl_delivery_position(const struct pl_delivery *d)
{
    return (struct pl_slice){d->committed.data, d->committed.len};
}

const struct pl_delivery_sums *pl_delivery_sums(const struct pl_delivery *d)
{
    return &d->sums;
}

rd_kafka_t *pl_delivery_client(struct pl_delivery *d)
{
    return pl_producer_client(d->producer);
}

void pl_delivery_log(struct pl_delivery *d, bool now)
{
    int64_t mono_ms = pl_clock_monotonic_ms();
    if (d->unlogged.transactions == 0 ||
        (!now && d->logged_ms != 0 && mono_ms - d->logged_ms < LOG_EVERY_MS))
        return;
    pl_log(PL_INFO, PL_EVENT_TXN_COMMITTED, "committed", PL_F_STR("TOPIC", d->conf.topic),
           PL_F_UINT("MESSAGES", d->unlogged.items),
           PL_F_UINT("TRANSACTIONS", d->unlogged.transactions),
           PL_F_UINT("BYTES", d->unlogged.bytes), PL_F_INT("DURATION_MS", d->unlogged.took_ms));
    memset(&d->unlogged, 0, sizeof(d->unlogged));
    d->logged_ms = mono_ms;
}

/* ---- start ---- */

static int topic_need(struct pl_delivery *d, const char *topic, struct pl_err *err)
{
    const struct pl_delivery_conf *conf = &d->conf;
    char bytes[32];
    const char *config[7] = {"max.message.bytes", bytes};
    size_t n = 2;
    snprintf(bytes, sizeof(bytes), "%" PRId64, conf->message_bytes_max);
    char retention[32];
    if (conf->create.retention_ms > 0) {
        snprintf(retention, sizeof(retention), "%" PRId64, conf->create.retention_ms);
        config[n++] = "retention.ms";
        config[n++] = retention;
    }
    if (conf->create.segment_ms) {
        config[n++] = "segment.ms";
        config[n++] = conf->create.segment_ms;
    }
    const struct pl_kafka_topic_spec spec = {topic, (int)conf->create.partitions,
                                             (int)conf->create.replication, config};
    pl_daemon_step(d->daemon, conf->start_timeout_ms, "waiting for Kafka's topic %s", topic);
    return pl_kafka_topic_need(pl_delivery_client(d), &spec, conf->create.enabled,
                               (int)conf->start_timeout_ms, err);
}

static int topics_need(struct pl_delivery *d, struct pl_err *err)
{
    const struct pl_delivery_conf *conf = &d->conf;
    if (topic_need(d, conf->topic, err) < 0)
        return -1;
    for (size_t i = 0; conf->more_topics && i < conf->more_topics->n; i++)
        if (topic_need(d, conf->more_topics->v[i].value, err) < 0)
            return -1;
    if (!conf->position_topic)
        return 0;
    pl_daemon_step(d->daemon, conf->start_timeout_ms, "waiting for Kafka's topic %s",
                   conf->position_topic);
    return pl_kafka_position_topic_need(pl_delivery_client(d), conf->position_topic,
                                        (int)conf->create.replication, conf->create.enabled,
                                        (int)conf->start_timeout_ms, err);
}

/* Tells whoever finds an instance fenced by whom. */
static void writer_log(const struct pl_delivery *d, const struct pl_kafka_position *positions,
                       size_t n)
{
    const struct pl_kafka_position *last = NULL;
    for (size_t i = 0; i < n; i++)
        if (positions[i].writer && (!last || positions[i].timestamp_ms > last->timestamp_ms))
            last = &positions[i];
    if (!last)
        return;
    char at[32];
    pl_time_format_ms(last->timestamp_ms, at);
    pl_log(PL_INFO, NULL, "the position found was written by an earlier instance, which is fenced",
           PL_F_STR("TOPIC", d->conf.position_topic), PL_F_STR("WRITER", last->writer),
           PL_F_STR("TIME", at));
}

/* The same for all deliveries of a process. */
static char *writer_make(const struct pl_daemon *daemon)
{
    char host[HOST_NAME_MAX + 1] = "?", since[32];
    gethostname(host, sizeof(host) - 1);
    pl_time_format_ms(pl_daemon_begun_ms(daemon), since);
    return pl_strf("%s pid %ld since %s", host, (long)getpid(), since);
}

int pl_delivery_positions_read(struct pl_delivery *d, struct pl_kafka_position *positions, size_t n,
                               struct pl_err *err)
{
    const struct pl_delivery_conf *conf = &d->conf;
    pl_daemon_step(d->daemon, 3 * conf->start_timeout_ms, "reading the position from topic %s",
                   conf->position_topic);
    if (pl_kafka_positions_read_ends(d->daemon, conf->kafka, conf->position_topic,
                                     conf->start_timeout_ms, positions, n,
                                     d->ends.n == 0 ? &d->ends : NULL, err) < 0)
        return -1;
    writer_log(d, positions, n);
    PL_STEP("delivery.read");
    return 0;
}

int pl_delivery_position_read(struct pl_delivery *d, struct pl_slice *ret, struct pl_err *err)
{
    struct pl_kafka_position position = {.key = d->conf.position_key};
    if (pl_delivery_positions_read(d, &position, 1, err) < 0)
        return -1;
    bool there = position.value;
    pl_buf_reset(&d->committed);
    pl_buf_add(&d->committed, position.value, position.len);
    pl_kafka_positions_release(&position, 1);
    *ret = pl_delivery_position(d);
    return there;
}

/* init_transactions (in pl_producer_new()) ends what an earlier instance left open, so that a
 * position read afterwards is the last it will ever commit. Hence reading needs a pl_delivery. */
int pl_delivery_new(struct pl_daemon *daemon, const struct pl_delivery_conf *conf,
                    const struct pl_delivery_ops *ops, void *userdata, struct pl_delivery **ret,
                    struct pl_err *err)
{
    PL_CLEANUP(pl_delivery_freep) struct pl_delivery *d = pl_alloc(sizeof(*d));
    const struct pl_producer_conf producer_conf = {
        .kafka = conf->kafka,
        .transactional_id = conf->transactional_id,
        .client_id = conf->client_id,
        .queue_bytes_max = conf->queue_bytes_max,
        .message_bytes_max = conf->message_bytes_max,
        .linger_ms = LINGER_MS,
        .transaction_timeout_ms = conf->transaction_timeout_ms,
    };
    d->conf = *conf;
    d->conf.transactional_id = d->conf.client_id = NULL;
    d->writer = writer_make(daemon);
    d->daemon = daemon;
    d->ops = ops;
    d->userdata = userdata;
    int r = sd_event_add_time(pl_daemon_event(daemon), &d->timer, CLOCK_MONOTONIC, 0, 1000,
                              on_timer, d);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot make a timer: %s", strerror(-r));
    fill_reset(d); /* the timer is off */
    if (pl_producer_new(daemon, &producer_conf, &producer_ops, d, conf->start_timeout_ms,
                        &d->producer, err) < 0)
        return -1;
    PL_STEP("delivery.fenced");
    if (topics_need(d, err) < 0)
        return -1;
    *ret = PL_TAKE(d);
    return 0;
}

void pl_delivery_free(struct pl_delivery *d)
{
    if (!d)
        return;
    pl_producer_free(d->producer);
    sd_event_source_disable_unref(d->timer);
    pl_buf_release(&d->committed);
    pl_buf_release(&d->pending);
    pl_kafka_ends_release(&d->ends);
    free(d->writer);
    free(d);
}

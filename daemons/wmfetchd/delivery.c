/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.c - see delivery.h.
 *
 * The producer's state is ours; what is kept besides are the sums, and what found no room: how
 * many parts of an element went in, or the position's record before the commit.
 */
#include "daemons/wmfetchd/delivery.h"

#include <assert.h>
#include <stdio.h>

#include "daemons/wmfetchd/api/element.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/base/clock.h"
#include "lib/kafka/client.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"

enum {
    /* What a message has besides its value: librdkafka's own bound of a record (36 bytes) and a
     * batch around it (61), our headers, and some room; the key is counted. */
    MESSAGE_OVERHEAD = 1024,
    /* The broker ends an open transaction after so long: an answer may take long to arrive. The
     * broker's own limit (transaction.max.timeout.ms) is the same. */
    TRANSACTION_TIMEOUT_MS = 900000,
    COMMIT_ROOM_MS = 30000, /* of that, for the commit */
};

struct delivery {
    const struct wmfetchd_conf *conf;
    bool once;
    struct pl_metrics *metrics;
    const struct delivery_ops *ops;
    void *userdata;
    struct pl_producer *producer;
    size_t message_max; /* of key, value and overhead */

    struct element element; /* reused */
    struct pl_buf part;     /* reused */
    uint32_t parts_sent;    /* of the element that is offered */
    char *window;
    struct delivery_sums sums;

    struct pl_buf position; /* its record, while it found no room */
    char *position_key;
    bool commit_wanted; /* … goes on in on_room */
    bool stalled, failed;
};

static void count(struct delivery *d, enum wmfetchd_metric metric, uint64_t by)
{
    if (d->metrics)
        pl_metrics_inc(d->metrics, metric, by);
}

/* ---- ends ---- */

static void fail(struct delivery *d, const struct pl_err *err)
{
    if (d->failed)
        return;
    d->failed = true;
    d->ops->on_failed(d->userdata, err);
}

static void back(struct delivery *d)
{
    if (d->stalled)
        pl_log(PL_NOTICE, PL_EVENT_KAFKA_BACK, "Kafka answers again");
    d->stalled = false;
}

static struct delivery_sums sums_take(struct delivery *d)
{
    struct delivery_sums sums = d->sums;
    d->sums = (struct delivery_sums){0};
    d->parts_sent = 0;
    d->commit_wanted = false;
    if (d->metrics)
        pl_metrics_set(d->metrics, M_IN_FLIGHT, 0);
    return sums;
}

static void on_committed(void *userdata, uint64_t messages, uint64_t bytes, int64_t duration_ms)
{
    struct delivery *d = userdata;
    struct delivery_sums sums = sums_take(d);
    (void)messages; /* the position's record among them */
    back(d);
    sums.commit_ms = duration_ms;
    count(d, M_DELIVERED, sums.elements);
    count(d, M_RECORDS, sums.records);
    count(d, M_MESSAGES, sums.messages);
    count(d, M_DELIVERED_BYTES, bytes);
    count(d, M_COMMITTED, 1);
    if (d->metrics)
        pl_metrics_observe(d->metrics, M_COMMIT_SECONDS, (double)duration_ms / 1000);
    d->ops->on_done(d->userdata, &sums, NULL);
}

static void on_aborted(void *userdata, const struct pl_err *why)
{
    struct delivery *d = userdata;
    struct delivery_sums sums = sums_take(d);
    struct pl_err err = *why;
    back(d);
    count(d, M_REFETCHED, sums.elements);
    count(d, M_ABORTED, 1);
    if (err.code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && err.kind == PL_ERR_CONFIG)
        pl_err_prefix(&err,
                      "%s accepts only smaller messages: lower message_bytes_max to its "
                      "max.message.bytes, so that transactions are split, or raise that",
                      d->conf->topic);
    if (err.kind == PL_ERR_CONFIG)
        err.code = 0; /* as for our own limits: no waiting for Kafka's administrator (fetch.h) */
    d->ops->on_done(d->userdata, &sums, &err);
}

static void on_stalled(void *userdata, const struct pl_err *why)
{
    struct delivery *d = userdata;
    d->stalled = true;
    pl_log_err(PL_WARNING, PL_EVENT_KAFKA_AWAY, "Kafka does not answer, fetching is paused", why);
}

static void on_producer_failed(void *userdata, const struct pl_err *err)
{
    fail(userdata, err);
}

/* ---- committing ---- */

void delivery_abort(struct delivery *d, const struct pl_err *why)
{
    d->commit_wanted = false;
    if (delivery_is_open(d))
        pl_producer_abort(d->producer, why);
}

/* The position's record, then the commit. */
static void commit_go_on(struct delivery *d)
{
    struct pl_err err;
    d->commit_wanted = false;
    if (!delivery_is_open(d))
        return; /* a message has failed: on_aborted follows */
    if (d->position_key) {
        struct pl_message record = {
            .topic = d->conf->position_topic,
            .key = d->position_key,
            .key_len = strlen(d->position_key),
            .value = d->position.data,
            .value_len = d->position.len,
        };
        switch (pl_producer_send(d->producer, &record, &err)) {
        case PL_SEND_OK:
            break;
        case PL_SEND_FULL:
            d->commit_wanted = true;
            return;
        case PL_SEND_ERROR: /* without its position the window must not be committed */
            if (delivery_is_open(d))
                pl_producer_abort(d->producer, &err);
            return;
        }
    }
    pl_producer_commit(d->producer);
}

void delivery_commit(struct delivery *d, const char *key, const struct schedule_position *position)
{
    assert(!key || !d->once);
    pl_buf_reset(&d->position);
    free(d->position_key);
    d->position_key = pl_strdup(key);
    if (key)
        schedule_position_encode(position, pl_clock_realtime_ms(), &d->position);
    commit_go_on(d);
}

static void on_room(void *userdata)
{
    struct delivery *d = userdata;
    if (d->commit_wanted)
        commit_go_on(d);
    else
        d->ops->on_room(d->userdata);
}

static const struct pl_producer_ops producer_ops = {
    .on_committed = on_committed,
    .on_aborted = on_aborted,
    .on_stalled = on_stalled,
    .on_room = on_room,
    .on_failed = on_producer_failed,
};

/* ---- elements ---- */

int delivery_begin(struct delivery *d, const char *window, struct pl_err *err)
{
    assert(delivery_is_idle(d) || d->failed);
    if (pl_producer_begin(d->producer, err) < 0)
        return -1;
    free(d->window);
    d->window = pl_strdup(window);
    d->sums = (struct delivery_sums){0};
    d->parts_sent = 0;
    return 0;
}

/* One message: the element, or the part `i` of `n` (from 0). */
static enum pl_send_result message_send(struct delivery *d, struct pl_slice value, uint32_t i,
                                        uint32_t n, struct pl_err *err)
{
    char part[32];
    int len = snprintf(part, sizeof(part), "%u/%u", i + 1, n);
    const struct pl_header headers[] = {
        {"wmfetchd-window", d->window, strlen(d->window)},
        {"wmfetchd-part", part, (size_t)len},
    };
    const struct pl_message m = {
        .topic = d->conf->topic,
        .key = d->element.has_key ? (d->element.key.data ? d->element.key.data : "") : NULL,
        .key_len = d->element.has_key ? d->element.key.len : 0,
        .value = value.p,
        .value_len = value.len,
        .headers = headers,
        .headers_n = n > 1 ? 2 : 1,
    };
    enum pl_send_result result = pl_producer_send(d->producer, &m, err);
    if (result == PL_SEND_OK) {
        d->sums.messages++;
        d->sums.bytes += m.key_len + m.value_len;
    }
    return result;
}

static enum delivery_result result_of(struct delivery *d, enum pl_send_result result,
                                      struct pl_err *err)
{
    switch (result) {
    case PL_SEND_OK:
        return DELIVERY_OK;
    case PL_SEND_FULL:
        return DELIVERY_LATER;
    case PL_SEND_ERROR:
        break;
    }
    if (err->kind == PL_ERR_REJECT) {
        err->kind = PL_ERR_CONFIG;
        err->code = 0;
        pl_err_prefix(err, "message_bytes_max is larger than kafka.message.max.bytes");
    }
    (void)d;
    return DELIVERY_BAD;
}

/* Parts that went in before are passed over: the element is offered whole again. */
static enum delivery_result parts_send(struct delivery *d, size_t value_max, uint32_t n,
                                       struct pl_err *err)
{
    struct element_cut cut;
    enum delivery_result result = DELIVERY_OK;
    element_cut_init(&cut, &d->element, value_max);
    for (uint32_t i = 0; i < n && result == DELIVERY_OK; i++) {
        pl_buf_reset(&d->part);
        if (!element_cut_next(&cut, &d->part))
            break;
        if (i < d->parts_sent)
            continue;
        struct pl_slice part = {d->part.data, d->part.len};
        result = result_of(d, message_send(d, part, i, n, err), err);
        if (result == DELIVERY_OK)
            d->parts_sent++;
    }
    return result;
}

enum delivery_result delivery_send(struct delivery *d, struct pl_slice element, struct pl_err *err)
{
    uint32_t parts = 1;
    enum delivery_result result;
    if (!delivery_is_open(d)) { /* a message has failed: on_done follows */
        pl_err_set(err, PL_ERR_RETRY, 0, "the Kafka transaction is being undone");
        return DELIVERY_BAD;
    }
    element_read(&d->element, element);
    if (element_check(&d->element, err) < 0)
        return DELIVERY_BAD;
    size_t overhead = d->element.key.len + MESSAGE_OVERHEAD;
    size_t value_max = d->message_max > overhead ? d->message_max - overhead : 1;
    if (element_parts(&d->element, value_max, &parts, err) < 0)
        return DELIVERY_BAD;
    if (parts == 1)
        result = result_of(d, message_send(d, element, 0, 1, err), err);
    else
        result = parts_send(d, value_max, parts, err);
    if (result != DELIVERY_OK)
        return result;
    if (parts > 1) {
        count(d, M_SPLIT, 1);
        pl_log(PL_INFO, NULL, "a transaction is larger than a message may be, written in parts",
               PL_F_SLICE("KEY", d->element.key.data,
                          d->element.key.len < 200 ? d->element.key.len : 200),
               PL_F_UINT("BYTES", element.len), PL_F_UINT("MESSAGES", parts));
    }
    d->parts_sent = 0;
    d->sums.elements++;
    d->sums.records += d->element.records;
    if (d->metrics)
        pl_metrics_set(d->metrics, M_IN_FLIGHT, (double)d->sums.elements);
    return DELIVERY_OK;
}

bool delivery_is_idle(const struct delivery *d)
{
    return pl_producer_state(d->producer) == PL_PRODUCER_IDLE;
}

bool delivery_is_open(const struct delivery *d)
{
    return pl_producer_state(d->producer) == PL_PRODUCER_OPEN;
}

bool delivery_is_stalled(const struct delivery *d)
{
    return d->stalled;
}

bool delivery_is_stuck(const struct delivery *d)
{
    return pl_producer_is_stuck(d->producer);
}

const struct delivery_sums *delivery_sums(const struct delivery *d)
{
    return &d->sums;
}

int64_t delivery_open_ms_max(const struct delivery *d)
{
    char text[32] = "";
    size_t size = sizeof(text);
    rd_kafka_conf_get(rd_kafka_conf(pl_producer_client(d->producer)), "transaction.timeout.ms",
                      text, &size);
    int64_t ms = strtoll(text, NULL, 10);
    return ms - (ms / 10 < COMMIT_ROOM_MS ? ms / 10 : COMMIT_ROOM_MS);
}

/* ---- start ---- */

static int data_topic_ensure(struct delivery *d, struct pl_err *err)
{
    char bytes[32], retention[32];
    snprintf(bytes, sizeof(bytes), "%lld", (long long)d->conf->message_bytes_max);
    snprintf(retention, sizeof(retention), "%lld", (long long)d->conf->create.retention_ms);
    const char *config[] = {"max.message.bytes", bytes,
                            d->conf->create.retention_ms > 0 ? "retention.ms" : NULL, retention,
                            NULL};
    const struct pl_kafka_topic_spec spec = {d->conf->topic, (int)d->conf->create.partitions,
                                             (int)d->conf->create.replication, config};
    return pl_kafka_topic_need(pl_producer_client(d->producer), &spec, d->conf->create.enabled,
                               (int)d->conf->start_timeout_ms, err);
}

static int position_topic_ensure(struct delivery *d, struct pl_err *err)
{
    return pl_kafka_position_topic_need(pl_producer_client(d->producer), d->conf->position_topic,
                                        (int)d->conf->create.replication, d->conf->create.enabled,
                                        (int)d->conf->start_timeout_ms, err);
}

int delivery_position_read(struct delivery *d, const char *key, struct schedule_position *ret,
                           struct pl_err *err)
{
    char *value PL_FREE = NULL;
    size_t len = 0;
    if (pl_kafka_read_last(&d->conf->kafka, d->conf->position_topic, key,
                           (int)d->conf->start_timeout_ms, &value, &len, err) < 0)
        return -1;
    if (!value)
        return 0;
    if (schedule_position_decode(value, len, ret, err) < 0)
        return pl_err_prefix(err, "position %s in topic %s", key, d->conf->position_topic);
    return 1;
}

/* The user's properties, with a longer transaction.timeout.ms where they have none. The entries are
 * borrowed. */
static struct pl_map map_with_timeout(const struct pl_map *map, char *timeout)
{
    struct pl_map longer = {.v = pl_alloc_array(map->n + 1, sizeof(*map->v)), .n = map->n};
    if (map->n > 0)
        memcpy(longer.v, map->v, map->n * sizeof(*map->v));
    if (!pl_map_get(map, "transaction.timeout.ms"))
        longer.v[longer.n++] =
            (struct pl_map_entry){.key = (char *)"transaction.timeout.ms", .value = timeout};
    return longer;
}

static int producer_start(struct delivery *d, struct pl_daemon *daemon, struct pl_err *err)
{
    /* With a topic that accepts less, batches must be smaller, too. */
    const struct wmfetchd_conf *conf = d->conf;
    char *id PL_FREE = pl_strf("wmfetchd-%s%s", conf->name, d->once ? ".once" : "");
    char *timeout PL_FREE = pl_strf("%d", TRANSACTION_TIMEOUT_MS);
    struct pl_map map = map_with_timeout(&conf->kafka, timeout);
    const struct pl_producer_conf producer_conf = {
        .kafka = &map,
        .transactional_id = id,
        .client_id = "wmfetchd",
        .queue_bytes_max = conf->queue_bytes_max,
        .message_bytes_max = (int64_t)d->message_max,
    };
    int r = pl_producer_new(daemon, &producer_conf, &producer_ops, d, conf->start_timeout_ms,
                            &d->producer, err);
    free(map.v);
    return r;
}

/* The smaller of what we, librdkafka's configuration and the topic allow. */
static int limit_apply(struct delivery *d, struct pl_daemon *daemon, struct pl_err *err)
{
    char text[32] = "";
    size_t size = sizeof(text);
    rd_kafka_t *rk = pl_producer_client(d->producer);
    /* Only part of the time: where there is no answer, one can do without. */
    pl_daemon_step(daemon, d->conf->start_timeout_ms / 2,
                   "asking for the limits of Kafka's topic %s", d->conf->topic);
    int64_t topic_max =
        pl_kafka_topic_limit(rk, d->conf->topic, (int)d->conf->start_timeout_ms / 4);
    rd_kafka_conf_get(rd_kafka_conf(rk), "message.max.bytes", text, &size);
    long long client_max = strtoll(text, NULL, 10);
    if (client_max > 0 && (size_t)client_max < d->message_max)
        d->message_max = (size_t)client_max;
    if (topic_max <= 0 || (size_t)topic_max >= d->message_max)
        return 0;
    pl_log(PL_NOTICE, NULL,
           "the topic accepts smaller messages than message_bytes_max, splitting by its limit",
           PL_F_STR("TOPIC", d->conf->topic), PL_F_INT("MAX_MESSAGE_BYTES", topic_max));
    d->message_max = (size_t)topic_max;
    pl_producer_free(PL_TAKE(d->producer));
    return producer_start(d, daemon, err);
}

int delivery_new(struct pl_daemon *daemon, const struct wmfetchd_conf *conf, bool once,
                 struct pl_metrics *metrics, const struct delivery_ops *ops, void *userdata,
                 struct delivery **ret, struct pl_err *err)
{
    PL_CLEANUP(delivery_freep) struct delivery *d = pl_alloc(sizeof(*d));
    d->conf = conf;
    d->once = once;
    d->metrics = metrics;
    d->ops = ops;
    d->userdata = userdata;
    d->message_max = (size_t)conf->message_bytes_max;
    /* The order matters: init_transactions ends what an earlier instance left open, so that the
     * position read afterwards is the last that will ever be committed by it. */
    if (producer_start(d, daemon, err) < 0)
        return -1;
    pl_daemon_step(daemon, conf->start_timeout_ms, "waiting for Kafka's topic %s", conf->topic);
    if (data_topic_ensure(d, err) < 0)
        return -1;
    pl_daemon_step(daemon, conf->start_timeout_ms, "waiting for Kafka's topic %s",
                   conf->position_topic);
    if ((!once && position_topic_ensure(d, err) < 0) || limit_apply(d, daemon, err) < 0)
        return -1;
    *ret = PL_TAKE(d);
    return 0;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    pl_producer_free(d->producer);
    element_release(&d->element);
    pl_buf_release(&d->part);
    pl_buf_release(&d->position);
    free(d->position_key);
    free(d->window);
    free(d);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* delivery.c - see delivery.h. */
#include "daemons/wmfetchd/delivery.h"

#include <stdio.h>

#include "daemons/wmfetchd/api/element.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/kafka/fence.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"

enum {
    /* A message without key and value: librdkafka's bounds of a record (36 bytes) and the batch
     * around it (61), our headers, and some room. */
    MESSAGE_OVERHEAD = 1024,
};

struct delivery {
    const struct wmfetchd_conf *conf;
    struct pl_metrics *metrics;
    struct pl_delivery *kafka;
    int64_t message_max; /* of key, value and overhead */

    struct element element; /* reused */
    struct pl_buf part;     /* reused */
    uint32_t parts_sent;    /* of the current element */
    bool too_large;         /* the last element was */
    char *window;
    char *keys; /* what all positions' keys begin with; only slot 0 looks, see slot_lost() */
};

/* ---- elements ---- */

void delivery_begin(struct delivery *d, const char *window)
{
    free(d->window);
    d->window = pl_strdup(window);
    d->parts_sent = 0;
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
    enum pl_send_result result = pl_delivery_send(d->kafka, &m, err);
    if (result == PL_SEND_ERROR && err->kind == PL_ERR_REJECT) {
        err->kind = PL_ERR_CONFIG;
        err->code = 0;
        pl_err_prefix(err, "message_bytes_max is larger than kafka.message.max.bytes");
    }
    return result;
}

/* Parts sent before are skipped: the element is offered whole again. */
static enum pl_send_result parts_send(struct delivery *d, size_t value_max, uint32_t n,
                                      struct pl_err *err)
{
    struct element_cut cut;
    enum pl_send_result result = PL_SEND_OK;
    element_cut_init(&cut, &d->element, value_max);
    for (uint32_t i = 0; i < n && result == PL_SEND_OK; i++) {
        pl_buf_reset(&d->part);
        element_cut_next(&cut, &d->part);
        if (i < d->parts_sent)
            continue;
        result = message_send(d, (struct pl_slice){d->part.data, d->part.len}, i, n, err);
        d->parts_sent += result == PL_SEND_OK;
    }
    return result;
}

enum pl_send_result delivery_send(struct delivery *d, struct pl_slice element, struct pl_err *err)
{
    uint32_t parts = 1;
    d->too_large = false;
    if (!pl_delivery_can_take(d->kafka)) { /* a message has failed: on_done follows */
        pl_err_set(err, PL_ERR_RETRY, 0, "the Kafka transaction is being undone");
        return PL_SEND_ERROR;
    }
    element_read(&d->element, &d->conf->api.record, element);
    if (element_check(&d->element, err) < 0)
        return PL_SEND_ERROR;
    size_t overhead = d->element.key.len + MESSAGE_OVERHEAD;
    size_t max = (size_t)d->message_max, value_max = max > overhead ? max - overhead : 1;
    d->too_large = element_parts(&d->element, value_max, &parts, err) < 0;
    if (d->too_large)
        return PL_SEND_ERROR;
    enum pl_send_result result =
        parts == 1 ? message_send(d, element, 0, 1, err) : parts_send(d, value_max, parts, err);
    if (result != PL_SEND_OK)
        return result;
    if (parts > 1) {
        pl_metrics_inc(d->metrics, M_SPLIT, 1);
        pl_log(PL_INFO, NULL, "a transaction is larger than a message may be, written in parts",
               PL_F_SLICE("KEY", d->element.key.data,
                          d->element.key.len < 200 ? d->element.key.len : 200),
               PL_F_UINT("BYTES", element.len), PL_F_UINT("MESSAGES", parts));
    }
    d->parts_sent = 0;
    pl_delivery_item_end(d->kafka, d->element.records);
    return PL_SEND_OK;
}

bool delivery_is_too_large(const struct delivery *d)
{
    return d->too_large;
}

int delivery_letter_send(struct delivery *d, const struct delivery_letter *letter,
                         struct pl_err *err)
{
    const struct pl_header headers[] = {
        {"wmfetchd-window", d->window, strlen(d->window)},
        {"wmfetchd-reason", letter->reason, strlen(letter->reason)},
        {"wmfetchd-begin", letter->begin, strlen(letter->begin)},
    };
    const struct pl_message m = {
        .topic = d->conf->dead_letter_topic,
        .key = letter->key,
        .key_len = strlen(letter->key),
        .value = letter->fault.p,
        .value_len = letter->fault.len,
        .headers = headers,
        .headers_n = PL_COUNT(headers),
    };
    switch (pl_delivery_send(d->kafka, &m, err)) {
    case PL_SEND_OK:
        return 0;
    case PL_SEND_FULL: /* not expected: nothing else is queued */
        return pl_err_set(err, PL_ERR_RETRY, 0, "Kafka's queue is full");
    case PL_SEND_ERROR:
        break;
    }
    return -1;
}

struct pl_delivery *delivery_kafka(const struct delivery *d)
{
    return d->kafka;
}

int64_t delivery_open_ms_max(const struct delivery *d)
{
    return pl_delivery_open_ms_max(d->kafka);
}

/* ---- start ---- */

static int position_decode(const struct delivery *d, const struct pl_kafka_position *record,
                           struct delivery_position *ret, struct pl_err *err)
{
    int64_t unit_ms = wmfetchd_time_unit_ms(d->conf);
    ret->there = record->value;
    if (!ret->there)
        return 0;
    if (schedule_position_decode(record->value, record->len, &ret->position, err) < 0)
        return -1;
    if (ret->position.start_ms % unit_ms == 0 && ret->position.end_ms % unit_ms == 0)
        return 0;
    return pl_err_set(
        err, PL_ERR_CONFIG, 0,
        "it is not a whole second, as api.time.format: s needs: use ms or rfc3339, or "
        "another name, which starts over");
}

int delivery_positions_read(struct delivery *d, struct delivery_position *positions, size_t n,
                            struct pl_err *err)
{
    PL_FREE struct pl_kafka_position *records = pl_alloc_array(n, sizeof(*records));
    for (size_t i = 0; i < n; i++)
        records[i].key = positions[i].key;
    int r = pl_delivery_positions_read(d->kafka, records, n, err);
    for (size_t i = 0; i < n && r == 0; i++)
        if (position_decode(d, &records[i], &positions[i], err) < 0)
            r = pl_err_prefix(err, "position %s in topic %s", records[i].key,
                              d->conf->position_topic);
    pl_kafka_positions_release(records, n);
    return r;
}

/* The smallest of our, librdkafka's and the topic's limit. true: it is the topic's. */
static bool limit_find(struct delivery *d, struct pl_daemon *daemon)
{
    rd_kafka_t *rk = pl_delivery_client(d->kafka);
    int64_t client_max = pl_kafka_conf_int(rd_kafka_conf(rk), "message.max.bytes");
    /* Only part of the time: it also works without an answer. */
    pl_daemon_step(daemon, d->conf->start_timeout_ms / 2,
                   "asking for the limits of Kafka's topic %s", d->conf->topic);
    int64_t topic_max =
        pl_kafka_topic_limit(rk, d->conf->topic, (int)d->conf->start_timeout_ms / 4);
    if (client_max > 0 && client_max < d->message_max)
        d->message_max = client_max;
    if (topic_max <= 0 || topic_max >= d->message_max)
        return false;
    pl_log(PL_NOTICE, NULL,
           "the topic accepts smaller messages than message_bytes_max, splitting by its limit",
           PL_F_STR("TOPIC", d->conf->topic), PL_F_INT("MAX_MESSAGE_BYTES", topic_max));
    d->message_max = topic_max;
    return true;
}

char *delivery_id(const struct wmfetchd_conf *conf, int slot)
{
    if (slot == DELIVERY_ONCE)
        return pl_strf("wmfetchd-%s/once", conf->name);
    return slot == 0 ? pl_strf("wmfetchd-%s", conf->name)
                     : pl_strf("wmfetchd-%s/%d", conf->name, slot);
}

char *delivery_claim_key(const struct wmfetchd_conf *conf)
{
    return pl_strf("%s/claim", conf->name);
}

int delivery_fence(struct delivery_env *env, int from, struct pl_err *err)
{
    const struct wmfetchd_conf *conf = env->conf;
    const struct pl_producer_conf producer = {.kafka = &conf->kafka, .client_id = "wmfetchd"};
    char *ids[TURNS_SLOTS_MAX];
    size_t n = 0;
    for (int slot = from; slot < TURNS_SLOTS_MAX; slot++)
        ids[n++] = delivery_id(conf, slot);
    pl_daemon_step(env->daemon, conf->start_timeout_ms,
                   "taking over the transactional ids of an earlier instance");
    int r = pl_kafka_fence(&producer, (const char *const *)ids, n, conf->start_timeout_ms, err);
    while (n > 0)
        free(ids[--n]);
    return r;
}

static int dead_letter_topic_need(struct delivery *d, struct pl_daemon *daemon, struct pl_err *err)
{
    const struct wmfetchd_conf *conf = d->conf;
    const struct pl_kafka_topic_spec spec = {conf->dead_letter_topic, (int)conf->create.partitions,
                                             (int)conf->create.replication, NULL};
    pl_daemon_step(daemon, conf->start_timeout_ms, "waiting for Kafka's topic %s", spec.name);
    return pl_kafka_topic_need(pl_delivery_client(d->kafka), &spec, conf->create.enabled,
                               (int)conf->start_timeout_ms, err);
}

/* Connects. Only the first asks for the topic's limit. */
static int kafka_new(struct delivery *d, struct delivery_env *env, struct pl_delivery_conf *kafka,
                     const struct pl_delivery_ops *ops, void *userdata, struct pl_err *err)
{
    bool known = env->message_max > 0;
    if (known)
        kafka->message_bytes_max = d->message_max = env->message_max;
    if (pl_delivery_new(env->daemon, kafka, ops, userdata, &d->kafka, err) < 0)
        return -1;
    if (!known && limit_find(d, env->daemon)) { /* librdkafka's batches must be smaller, too */
        kafka->message_bytes_max = d->message_max;
        pl_delivery_free(PL_TAKE(d->kafka));
        if (pl_delivery_new(env->daemon, kafka, ops, userdata, &d->kafka, err) < 0)
            return -1;
    }
    env->message_max = d->message_max;
    return 0;
}

int delivery_new(struct delivery_env *env, int slot, const struct pl_delivery_ops *ops,
                 void *userdata, struct delivery **ret, struct pl_err *err)
{
    PL_CLEANUP(delivery_freep) struct delivery *d = pl_alloc(sizeof(*d));
    const struct wmfetchd_conf *conf = env->conf;
    PL_FREE char *id = delivery_id(conf, slot);
    d->keys = slot == 0 ? pl_strf("%s/", conf->name) : NULL;
    struct pl_delivery_conf kafka = {
        .kafka = &conf->kafka,
        .transactional_id = id,
        .client_id = "wmfetchd",
        .topic = conf->topic,
        .position_topic = slot == DELIVERY_ONCE ? NULL : conf->position_topic,
        .fence_key = d->keys,
        .transaction_timeout_ms = WMFETCHD_TRANSACTION_TIMEOUT_MS,
        .message_bytes_max = conf->message_bytes_max,
        .queue_bytes_max = conf->queue_bytes_max,
        .create = {conf->create.enabled, conf->create.partitions, conf->create.replication,
                   conf->create.retention_ms, .segment_ms = NULL},
        .start_timeout_ms = conf->start_timeout_ms,
        .too_large_advice = "lower message_bytes_max to its max.message.bytes, so that "
                            "transactions are split, or raise that",
        .metrics = {.values = env->metrics,
                    .delivered = M_DELIVERED,
                    .records = M_RECORDS,
                    .messages = M_MESSAGES,
                    .bytes = M_DELIVERED_BYTES,
                    .refetched = M_REFETCHED,
                    .committed = M_COMMITTED,
                    .aborted = M_ABORTED,
                    .commit_seconds = M_COMMIT_SECONDS,
                    .in_flight = M_IN_FLIGHT},
    };
    d->conf = conf;
    d->metrics = env->metrics;
    d->message_max = conf->message_bytes_max;
    if (kafka_new(d, env, &kafka, ops, userdata, err) < 0 ||
        (slot == 0 && conf->window.give_up_after > 0 &&
         dead_letter_topic_need(d, env->daemon, err) < 0))
        return -1;
    *ret = PL_TAKE(d);
    return 0;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    pl_delivery_free(d->kafka);
    element_release(&d->element);
    pl_buf_release(&d->part);
    free(d->window);
    free(d->keys);
    free(d);
}

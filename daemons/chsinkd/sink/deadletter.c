/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadletter.c - dead letters and the transactions that write them.
 */
#include "daemons/chsinkd/sink/deadletter.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/log/log.h"

#define TXN_CALL_MS   10000
#define INIT_CALL_MS  30000
#define FLUSH_POLL_MS 100

/* A dead letter that was one before (--replay) keeps its first origin. */
struct origin {
    char *topic;
    int64_t partition, offset, timestamp_ms, attempt;
};

static bool is_our_header(const char *name)
{
    return strncmp(name, DEADLETTER_HEADER_PREFIX, strlen(DEADLETTER_HEADER_PREFIX)) == 0;
}

static int64_t number_parse(const void *value, size_t len)
{
    char digits[24] = "";

    if (len < sizeof(digits))
        memcpy(digits, value, len);
    return strtoll(digits, NULL, 10);
}

/* Copies the headers that are not ours; ours tell the origin. */
static rd_kafka_headers_t *headers_split(const rd_kafka_headers_t *all, struct origin *origin)
{
    rd_kafka_headers_t *rest = rd_kafka_headers_new(8);
    const char *name;
    const void *value;
    size_t len;

    for (size_t i = 0;
         rd_kafka_header_get_all(all, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const char *field = name + strlen(DEADLETTER_HEADER_PREFIX);

        if (!is_our_header(name)) {
            rd_kafka_header_add(rest, name, -1, value, value ? (ssize_t)len : 0);
        } else if (strcmp(field, "topic") == 0 && value) {
            free(origin->topic);
            origin->topic = pl_strndup(value, len);
        } else if (strcmp(field, "partition") == 0 && value) {
            origin->partition = number_parse(value, len);
        } else if (strcmp(field, "offset") == 0 && value) {
            origin->offset = number_parse(value, len);
        } else if (strcmp(field, "timestamp") == 0 && value) {
            origin->timestamp_ms = number_parse(value, len);
        } else if (strcmp(field, "attempt") == 0 && value) {
            origin->attempt = number_parse(value, len);
        }
    }
    return rest;
}

static char *bytes_copy(const void *data, size_t len)
{
    char *copy;

    if (!data)
        return NULL;
    copy = pl_alloc(len + 1);
    memcpy(copy, data, len);
    return copy;
}

void dead_letters_add(struct dead_letters *l, const rd_kafka_message_t *message, int64_t row,
                      const char *text, const char *column)
{
    struct dead_letter *d = pl_alloc(sizeof(*d));
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers;
    struct origin origin = {NULL, message->partition, message->offset,
                            rd_kafka_message_timestamp(message, &type), 0};

    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        d->headers = headers_split(headers, &origin);
    d->topic = origin.topic ? origin.topic : pl_strdup(rd_kafka_topic_name(message->rkt));
    d->partition = (int32_t)origin.partition;
    d->offset = origin.offset;
    d->timestamp_ms = origin.timestamp_ms;
    d->attempt = (unsigned)origin.attempt + 1;
    d->row = row;
    d->reason = pl_strdup(text);
    d->column = pl_strdup(column);
    d->key = bytes_copy(message->key, message->key_len);
    d->key_len = message->key_len;
    d->value = bytes_copy(message->payload, message->len);
    d->value_len = message->len;
    if (l->last)
        l->last->next = d;
    else
        l->first = d;
    l->last = d;
    l->count++;
    l->bytes += sizeof(*d) + d->key_len + d->value_len + strlen(text);
}

void dead_letters_release(struct dead_letters *l)
{
    while (l->first) {
        struct dead_letter *d = l->first;

        l->first = d->next;
        if (d->headers)
            rd_kafka_headers_destroy(d->headers);
        free(d->topic);
        free(d->reason);
        free(d->column);
        free(d->key);
        free(d->value);
        free(d);
    }
    *l = (struct dead_letters){0};
}

/* ---- writing ---- */

struct deadletter_writer {
    struct deadletter_conf conf;
    char *transactional_id;
    struct pl_kafka_health health;
    pthread_mutex_t lock;
    rd_kafka_t *rk;             /* NULL: not connected, or thrown away after a fatal error */
    rd_kafka_resp_err_t failed; /* a delivery of the open transaction that failed */
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct pl_kafka_health *health = opaque;
    struct deadletter_writer *w =
        (struct deadletter_writer *)((char *)health - offsetof(struct deadletter_writer, health));

    (void)rk;
    if (m->err && !w->failed)
        w->failed = m->err;
}

struct deadletter_writer *deadletter_writer_new(const struct deadletter_conf *conf)
{
    struct deadletter_writer *w = pl_alloc(sizeof(*w));

    w->conf = *conf;
    w->transactional_id = pl_strdup(conf->transactional_id);
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

static void writer_disconnect(struct deadletter_writer *w)
{
    if (w->rk)
        rd_kafka_destroy(w->rk);
    w->rk = NULL;
}

void deadletter_writer_free(struct deadletter_writer *w)
{
    if (!w)
        return;
    writer_disconnect(w);
    pthread_mutex_destroy(&w->lock);
    free(w->transactional_id);
    free(w);
}

/* An error of a transactional call as ours. *ret_abort: the transaction must be aborted first. */
static int txn_error(struct deadletter_writer *w, rd_kafka_error_t *error, const char *what,
                     struct pl_err *err)
{
    bool fatal = rd_kafka_error_is_fatal(error);

    pl_kafka_err(err, rd_kafka_error_code(error), "%s: %s", what, rd_kafka_error_string(error));
    if (rd_kafka_error_is_retriable(error) || rd_kafka_error_txn_requires_abort(error))
        err->kind = PL_ERR_RETRY;
    rd_kafka_error_destroy(error);
    if (fatal) /* this client is of no use any more; the next write makes another */
        writer_disconnect(w);
    return -1;
}

static int writer_connect(struct deadletter_writer *w, struct pl_err *err)
{
    char size[24];
    const char *defaults[] = {
        "client.id", "chsinkd", "message.max.bytes", size, "compression.type", "lz4",
        /* Short: what a killed sink leaves open holds the group's offsets back so long. */
        "transaction.timeout.ms", "10000", NULL};
    const char *forced[] = {"transactional.id", w->transactional_id, "enable.idempotence", "true",
                            NULL};
    PL_FREE char *ignored = NULL;
    struct pl_map map = {0};
    rd_kafka_conf_t *conf;
    rd_kafka_error_t *error;

    if (w->rk)
        return 0;
    snprintf(size, sizeof(size), "%" PRId64, w->conf.message_bytes_max);
    /* The user's mapping is for the consumer; what only a consumer knows is left out. */
    map.v = pl_alloc_array(w->conf.kafka->n + 1, sizeof(*map.v));
    for (size_t i = 0; i < w->conf.kafka->n; i++)
        if (!deadletter_consumer_only(w->conf.kafka->v[i].key))
            map.v[map.n++] = w->conf.kafka->v[i];
    ignored = (char *)map.v;
    conf = pl_kafka_conf_new(&map, defaults, forced, &w->health, err);
    if (!conf)
        return -1;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    w->rk = pl_kafka_new(RD_KAFKA_PRODUCER, conf, err);
    if (!w->rk)
        return -1;
    error = rd_kafka_init_transactions(w->rk, INIT_CALL_MS);
    if (!error)
        return 0;
    txn_error(w, error, "cannot begin to write dead letters", err);
    writer_disconnect(w);
    return -1;
}

bool deadletter_consumer_only(const char *property)
{
    static const char *const names[] = {
        "group.id",
        "group.instance.id",
        "partition.assignment.strategy",
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "group.protocol.type",
        "max.poll.interval.ms",
        "auto.commit.interval.ms",
        "queued.min.messages",
        "queued.max.messages.kbytes",
        "fetch.wait.max.ms",
        "fetch.message.max.bytes",
        "max.partition.fetch.bytes",
        "fetch.max.bytes",
        "fetch.min.bytes",
        "fetch.error.backoff.ms",
        "check.crcs",
        "coordinator.query.interval.ms",
        "allow.auto.create.topics",
        "offset.store.method",
    };

    for (size_t i = 0; i < PL_COUNT(names); i++)
        if (strcmp(property, names[i]) == 0)
            return true;
    return false;
}

static void header_add(rd_kafka_headers_t *h, const char *name, const char *text)
{
    PL_FREE char *full = pl_strf(DEADLETTER_HEADER_PREFIX "%s", name);

    if (text)
        rd_kafka_header_add(h, full, -1, text, -1);
}

static void header_add_number(rd_kafka_headers_t *h, const char *name, int64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, n);
    header_add(h, name, text);
}

static rd_kafka_headers_t *letter_headers(const struct dead_letter *d, const char *route)
{
    rd_kafka_headers_t *h =
        d->headers ? rd_kafka_headers_copy(d->headers) : rd_kafka_headers_new(8);

    header_add(h, "route", route);
    header_add(h, "topic", d->topic);
    header_add_number(h, "partition", d->partition);
    header_add_number(h, "offset", d->offset);
    header_add_number(h, "timestamp", d->timestamp_ms);
    if (d->row >= 0)
        header_add_number(h, "row", d->row);
    header_add(h, "reason", d->reason);
    header_add(h, "column", d->column);
    header_add_number(h, "attempt", d->attempt);
    return h;
}

static void commit_deadline(const struct deadletter_commit *commit, const char *doing,
                            int64_t max_ms)
{
    if (commit->deadline)
        pl_deadline_begin(commit->deadline, doing, pl_clock_monotonic_ms(), max_ms);
}

static int letter_send(struct deadletter_writer *w, const struct dead_letter *d,
                       const struct deadletter_commit *commit, struct pl_err *err)
{
    for (;;) {
        commit_deadline(commit, "writing dead letters", FLUSH_POLL_MS);
        rd_kafka_headers_t *h = letter_headers(d, commit->route);
        rd_kafka_resp_err_t code = rd_kafka_producev(
            w->rk, RD_KAFKA_V_TOPIC(w->conf.topic), RD_KAFKA_V_HEADERS(h),
            RD_KAFKA_V_KEY(d->key, d->key_len), RD_KAFKA_V_VALUE(d->value, d->value_len),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);

        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        rd_kafka_headers_destroy(h);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return pl_kafka_err(err, code, "cannot write a dead letter of %zu bytes to topic %s",
                                d->value_len, w->conf.topic);
        if (*commit->give_up)
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
        rd_kafka_poll(w->rk, FLUSH_POLL_MS);
    }
}

static int transaction_fill(struct deadletter_writer *w, const struct deadletter_commit *commit,
                            struct pl_err *err)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(w->rk);

    if (error)
        return txn_error(w, error, "cannot begin a transaction", err);
    w->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (const struct dead_letter *d = commit->letters->first; d; d = d->next)
        if (letter_send(w, d, commit, err) < 0)
            return -1;
    commit_deadline(commit, "committing offsets with dead letters", 2 * TXN_CALL_MS);
    error =
        rd_kafka_send_offsets_to_transaction(w->rk, commit->offsets, commit->group, TXN_CALL_MS);
    if (error)
        return txn_error(w, error, "cannot commit offsets with dead letters", err);
    return 0;
}

static int transaction_commit(struct deadletter_writer *w, const struct deadletter_commit *commit,
                              struct pl_err *err)
{
    rd_kafka_error_t *error;

    do {
        commit_deadline(commit, "committing dead letters", TXN_CALL_MS);
        error = rd_kafka_commit_transaction(w->rk, TXN_CALL_MS);
        if (!error)
            return 0;
        if (!rd_kafka_error_is_retriable(error) || *commit->give_up)
            break;
        rd_kafka_error_destroy(error);
    } while (true);
    txn_error(w, error, "cannot write dead letters", err);
    if (w->failed)
        pl_kafka_err(err, w->failed, "topic %s does not take a dead letter", w->conf.topic);
    return -1;
}

int deadletter_write(struct deadletter_writer *w, const struct deadletter_commit *commit,
                     struct pl_err *err)
{
    int rc;

    commit_deadline(commit, "waiting for another's dead letters", -1);
    pthread_mutex_lock(&w->lock);
    commit_deadline(commit, "beginning to write dead letters", 2 * INIT_CALL_MS);
    rc = writer_connect(w, err);
    if (rc == 0) {
        rc = transaction_fill(w, commit, err);
        if (rc == 0)
            rc = transaction_commit(w, commit, err);
        commit_deadline(commit, "undoing dead letters", 2 * TXN_CALL_MS);
        if (rc < 0 && w->rk) {
            rd_kafka_error_t *error = rd_kafka_abort_transaction(w->rk, TXN_CALL_MS);
            if (error) { /* its state is unknown: the next write fences it with a new client */
                rd_kafka_error_destroy(error);
                writer_disconnect(w);
            }
        }
    }
    pthread_mutex_unlock(&w->lock);
    return rc;
}

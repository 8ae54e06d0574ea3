/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transaction.c - see transaction.h.
 *
 * When a commit fails although every message is in the log, the request that ends the transaction
 * has been sent, and the broker may have carried it out. An abort would then report as undone what
 * readers see, and the caller would send it twice. So that is UNKNOWN, not REFUSED.
 *
 * Every message carries the memory it takes as its opaque, so that queued bytes are exact.
 */
#include "lib/kafka/transaction.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/config/common.h"

/* A time-out below a slice shortens the slices, but to no less than an answer needs. */
#define SLICE_MIN_MS 500
#define LINGER_MS    50
/* What librdkafka 2.0 keeps of a message besides its bytes: its own record and the headers' */
#define MESSAGE_OVERHEAD 512
/* Pause after a retriable error that came at once, so as not to spin. */
#define PAUSE_MS 100

PL_DEFINE_CLEANUP(rd_kafka_error_t *, rd_kafka_error_destroy);

/* ---- errors ---- */

static int fatal_err(struct pl_txn *t, rd_kafka_resp_err_t code, const char *text,
                     struct pl_err *err)
{
    int64_t age_ms = pl_clock_ms(CLOCK_BOOTTIME) - t->begun_ms;
    bool fenced = code == RD_KAFKA_RESP_ERR__FENCED ||
                  code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
                  code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    /* The coordinator also fences us when it ended our transaction for its age, for example because
     * the machine was suspended. Where its own clock was set forward, the age we see is less than
     * that: then successor.h tells the two apart. */
    if (fenced && t->begun_ms != 0 && age_ms > t->timeout_ms)
        return pl_err_set(err, PL_ERR_FATAL, code,
                          "Kafka has undone the transaction of transactional.id %s, which was open "
                          "for %" PRId64 " s (transaction.timeout.ms is %" PRId64 "), or another "
                          "instance took over: start again",
                          t->transactional_id, age_ms / 1000, t->timeout_ms);
    if (fenced)
        return pl_err_set(err, PL_ERR_FENCED, code,
                          "another instance with transactional.id %s took over: run only one, or "
                          "give each its own name",
                          t->transactional_id);
    if (pl_kafka_err_kind(code) != PL_ERR_CONFIG)
        return pl_err_set(err, PL_ERR_FATAL, code,
                          "the Kafka producer of transactional.id %s cannot go on: %s",
                          t->transactional_id, text);
    return pl_err_set(err, PL_ERR_CONFIG, code, "transactional.id %s cannot be used: %s%s",
                      t->transactional_id, text,
                      code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT
                          ? ": lower kafka.transaction.timeout.ms"
                          : "");
}

bool pl_txn_is_dead(struct pl_txn *t, struct pl_err *err)
{
    char text[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(t->rk, text, sizeof(text));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    fatal_err(t, code, text, err);
    return true;
}

static int error_fatal(struct pl_txn *t, const rd_kafka_error_t *error, struct pl_err *err)
{
    if (!pl_txn_is_dead(t, err))
        fatal_err(t, rd_kafka_error_code(error), rd_kafka_error_string(error), err);
    return -1;
}

/* ---- blocking calls ---- */

typedef rd_kafka_error_t *txn_call(rd_kafka_t *rk, int timeout_ms);

enum verdict { VERDICT_RETRY, VERDICT_ABORT, VERDICT_DEAD };

/* What the call's error asks for. */
static enum verdict error_verdict(txn_call *call, const rd_kafka_error_t *error)
{
    if (rd_kafka_error_is_fatal(error))
        return VERDICT_DEAD;
    if (rd_kafka_error_txn_requires_abort(error))
        return call == rd_kafka_abort_transaction ? VERDICT_RETRY : VERDICT_ABORT;
    if (call == rd_kafka_init_transactions &&
        pl_kafka_err_kind(rd_kafka_error_code(error)) == PL_ERR_CONFIG)
        return VERDICT_DEAD;
    return rd_kafka_error_is_retriable(error) ? VERDICT_RETRY : VERDICT_DEAD;
}

/* librdkafka's text is for programmers (poll the queue, retry the call). */
static void waiting_for(struct pl_txn *t, const rd_kafka_error_t *error, char *out, size_t size)
{
    if (t->outstanding > 0)
        snprintf(out, size, "%" PRIu64 " messages are not acknowledged", t->outstanding);
    else if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT)
        snprintf(out, size, "the transaction coordinator does not answer");
    else
        snprintf(out, size, "%s", rd_kafka_error_string(error));
}

/* Makes the call, slice after slice. COMMITTED: it succeeded. Else err is set; for STOPPED its code
 * is 0 when given up rather than timed out. */
static enum pl_txn_result call_wait(struct pl_txn *t, txn_call *call,
                                    const struct pl_txn_wait *wait, struct pl_err *err)
{
    int64_t began_ms = pl_clock_monotonic_ms();
    int slice_ms = PL_TXN_SLICE_MS;
    if (wait->timeout_ms >= 0 && wait->timeout_ms < slice_ms)
        slice_ms = wait->timeout_ms > SLICE_MIN_MS ? (int)wait->timeout_ms : SLICE_MIN_MS;
    char why[256];
    for (;;) {
        int64_t start_ms = pl_clock_monotonic_ms();
        if (wait->deadline)
            pl_deadline_begin(wait->deadline, wait->doing, start_ms, slice_ms);
        PL_CLEANUP(rd_kafka_error_destroyp) rd_kafka_error_t *error = call(t->rk, slice_ms);
        if (call == rd_kafka_init_transactions)
            rd_kafka_poll(t->rk, 0); /* the error callback: no messages are in flight yet */
        if (!error)
            return PL_TXN_COMMITTED;
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        enum verdict verdict = error_verdict(call, error);
        if (verdict == VERDICT_ABORT) {
            pl_err_set(err, pl_kafka_err_kind(code), code, "%s", rd_kafka_error_string(error));
            return PL_TXN_REFUSED;
        }
        if (verdict == VERDICT_DEAD) {
            error_fatal(t, error, err);
            return PL_TXN_FAILED;
        }
        waiting_for(t, error, why, sizeof(why));
        if (wait->timeout_ms >= 0 && start_ms - began_ms >= wait->timeout_ms) {
            pl_err_set(err, PL_ERR_RETRY, code, "%s", why);
            return PL_TXN_STOPPED;
        }
        if (pl_clock_monotonic_ms() - start_ms < PAUSE_MS)
            poll(NULL, 0, PAUSE_MS);
        if (!wait->go_on(wait->userdata, why)) {
            pl_err_set(err, PL_ERR_RETRY, 0, "stopped while waiting for Kafka");
            return PL_TXN_STOPPED;
        }
    }
}

int pl_txn_init(struct pl_txn *t, const struct pl_txn_wait *wait, struct pl_err *err)
{
    enum pl_txn_result result = call_wait(t, rd_kafka_init_transactions, wait, err);
    if (result == PL_TXN_STOPPED && err->code != 0)
        pl_err_prefix(err, "Kafka does not let transactional.id %s begin within %" PRId64 " ms",
                      t->transactional_id, wait->timeout_ms);
    return result == PL_TXN_COMMITTED ? 0 : -1;
}

enum pl_txn_result pl_txn_commit(struct pl_txn *t, const struct pl_txn_wait *wait,
                                 struct pl_err *err)
{
    enum pl_txn_result result = call_wait(t, rd_kafka_commit_transaction, wait, err);
    if (result != PL_TXN_REFUSED)
        return result;
    if ((t->sent > 0 || t->has_offsets) && t->outstanding == 0 && t->failed == 0)
        return PL_TXN_UNKNOWN; /* see the head of this file */
    pl_err_prefix(err, "Kafka transaction failed");
    return PL_TXN_REFUSED;
}

enum pl_txn_result pl_txn_abort(struct pl_txn *t, const struct pl_txn_wait *wait,
                                struct pl_err *err)
{
    enum pl_txn_result result = call_wait(t, rd_kafka_abort_transaction, wait, err);
    return result == PL_TXN_COMMITTED ? PL_TXN_ABORTED : result;
}

/* ---- filling ---- */

int pl_txn_begin(struct pl_txn *t, struct pl_err *err)
{
    t->sent = t->failed = t->bytes = 0;
    t->has_offsets = false;
    t->cause.kind = PL_ERR_NONE;
    t->begun_ms = pl_clock_ms(CLOCK_BOOTTIME);
    PL_CLEANUP(rd_kafka_error_destroyp) rd_kafka_error_t *error = rd_kafka_begin_transaction(t->rk);
    return error ? error_fatal(t, error, err) : 0;
}

static size_t message_size(const struct pl_message *m)
{
    size_t size = m->key_len + m->value_len;
    for (unsigned i = 0; i < m->headers_n; i++)
        size += strlen(m->headers[i].name) + m->headers[i].len;
    return size;
}

static rd_kafka_headers_t *message_headers(const struct pl_message *m)
{
    if (m->headers_n == 0)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(m->headers_n);
    for (unsigned i = 0; i < m->headers_n; i++)
        rd_kafka_header_add(headers, m->headers[i].name, -1, m->headers[i].value,
                            (ssize_t)m->headers[i].len);
    return headers;
}

/* Kept for the next message, which mostly has the same one: by name, librdkafka would search its
 * topics under the lock that its threads want. NULL: see rd_kafka_last_error(). */
static rd_kafka_topic_t *topic_handle(struct pl_txn *t, const char *name)
{
    if (t->topic && strcmp(rd_kafka_topic_name(t->topic), name) == 0)
        return t->topic;
    if (t->topic)
        rd_kafka_topic_destroy(t->topic);
    t->topic = rd_kafka_topic_new(t->rk, name, NULL);
    return t->topic;
}

static enum pl_send_result send_failed(struct pl_txn *t, const struct pl_message *m,
                                       rd_kafka_resp_err_t code, struct pl_err *err)
{
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return PL_SEND_FULL;
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        pl_err_set(err, PL_ERR_REJECT, code,
                   "a message of %zu bytes for topic \"%s\" is larger than kafka.message.max.bytes",
                   message_size(m), m->topic);
        return PL_SEND_ERROR;
    }
    if (pl_txn_is_dead(t, err))
        return PL_SEND_ERROR;
    if (code == RD_KAFKA_RESP_ERR__STATE) /* its reports are coming */
        pl_err_set(err, PL_ERR_RETRY, code, "the Kafka transaction has failed");
    else
        pl_kafka_err(err, code, "cannot send to topic \"%s\"", m->topic);
    return PL_SEND_ERROR;
}

enum pl_send_result pl_txn_send(struct pl_txn *t, const struct pl_message *m, struct pl_err *err)
{
    size_t size = message_size(m), memory = size + MESSAGE_OVERHEAD;
    /* librdkafka counts values only; a message larger than the whole queue passes when alone. */
    if (t->queued_bytes > 0 && t->queued_bytes + memory > t->queued_bytes_max)
        return PL_SEND_FULL;
    rd_kafka_topic_t *topic = topic_handle(t, m->topic);
    if (!topic)
        return send_failed(t, m, rd_kafka_last_error(), err);
    /* Before the call: the thread that commits reads it. */
    t->outstanding++;
    rd_kafka_headers_t *headers = message_headers(m);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        t->rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_KEY(m->key, m->key_len),
        RD_KAFKA_V_VALUE((void *)m->value, m->value_len), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_TIMESTAMP(m->timestamp_ms), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)memory),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (headers) /* librdkafka takes them only on success */
            rd_kafka_headers_destroy(headers);
        t->outstanding--;
        return send_failed(t, m, code, err);
    }
    t->sent++;
    t->queued_bytes += memory;
    t->bytes += size;
    return PL_SEND_OK;
}

static const char *report_advice(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return ": raise the topic's max.message.bytes or lower kafka.message.max.bytes";
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
        return ": its time is further from the broker's than the topic allows: raise its "
               "message.timestamp.before.max.ms (times of the past) or .after.max.ms (of the "
               "future; "
               "is this machine's clock right?); both are message.timestamp.difference.max.ms in "
               "Kafka before 3.6";
    default:
        return "";
    }
}

void pl_txn_report(struct pl_txn *t, const rd_kafka_message_t *m)
{
    t->queued_bytes -= (uintptr_t)m->_private;
    t->outstanding--;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    t->failed++;
    /* PURGE: thrown away because the transaction has failed already, which is no cause. */
    if (t->cause.kind != PL_ERR_NONE || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    /* REJECT is the broker's here, not librdkafka's: sending again cannot help, and which message
     * of the batch it was is unknown. */
    enum pl_err_kind kind = pl_kafka_err_kind(m->err);
    pl_err_set(&t->cause, kind == PL_ERR_REJECT ? PL_ERR_CONFIG : kind, m->err,
               "Kafka did not take a message for topic \"%s\": %s%s",
               m->rkt ? rd_kafka_topic_name(m->rkt) : "?", rd_kafka_err2str(m->err),
               report_advice(m->err));
}

int pl_txn_send_offsets(struct pl_txn *t, const rd_kafka_topic_partition_list_t *offsets,
                        const rd_kafka_consumer_group_metadata_t *group, int timeout_ms,
                        struct pl_err *err)
{
    /* In one piece: librdkafka can repeat this call, but not resume it. */
    PL_CLEANUP(rd_kafka_error_destroyp)
    rd_kafka_error_t *error =
        rd_kafka_send_offsets_to_transaction(t->rk, offsets, group, timeout_ms);
    if (!error) {
        t->has_offsets = true;
        return 0;
    }
    if (pl_txn_is_dead(t, err))
        return -1;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    enum pl_err_kind kind = pl_kafka_err_kind(code);
    if (code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        kind = PL_ERR_FATAL;
    else if (code == RD_KAFKA_RESP_ERR__STATE) /* the transaction has failed before */
        kind = PL_ERR_RETRY;
    return pl_err_set(err, kind, code, "cannot commit offsets in a transaction: %s",
                      rd_kafka_error_string(error));
}

/* ---- the client ---- */

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    _Static_assert(offsetof(struct pl_txn, health) == 0, "the opaque is the health record");
    (void)rk;
    pl_txn_report(opaque, m);
}

static rd_kafka_conf_t *client_conf(struct pl_txn *t, const struct pl_producer_conf *conf,
                                    struct pl_err *err)
{
    char linger_ms[32], timeout_ms[32], queue_kbytes[32], message_bytes[32];
    int64_t kbytes = conf->queue_bytes_max > 1024 ? conf->queue_bytes_max / 1024 : 1;
    snprintf(linger_ms, sizeof(linger_ms), "%" PRId64,
             conf->linger_ms > 0 ? conf->linger_ms : LINGER_MS);
    snprintf(timeout_ms, sizeof(timeout_ms), "%" PRId64,
             conf->transaction_timeout_ms > 0 ? conf->transaction_timeout_ms
                                              : PL_TRANSACTION_TIMEOUT_MS);
    snprintf(queue_kbytes, sizeof(queue_kbytes), "%" PRId64, kbytes);
    snprintf(message_bytes, sizeof(message_bytes), "%" PRId64, conf->message_bytes_max);
    /* clang-format off */
    const char *const forced[] = {
        "enable.idempotence", "true",
        "acks", "all",
        "transactional.id", conf->transactional_id,
        /* Reports count what is queued, and logs have a callback. */
        "delivery.report.only.error", "false",
        "log.queue", "false",
        NULL};
    const char *defaults[17] = {
        "client.id", conf->client_id,
        "linger.ms", linger_ms,
        "compression.type", "lz4",
        "transaction.timeout.ms", timeout_ms,
        "partitioner", "murmur2_random",
        "allow.auto.create.topics", "false"};
    /* clang-format on */
    size_t n = 12;
    if (conf->queue_bytes_max > 0) {
        defaults[n++] = "queue.buffering.max.kbytes";
        defaults[n++] = queue_kbytes;
    }
    if (conf->message_bytes_max > 0) {
        defaults[n++] = "message.max.bytes";
        defaults[n++] = message_bytes;
    }
    return pl_kafka_conf_new(conf->kafka, defaults, forced, &t->health, err);
}

int pl_txn_open(struct pl_txn *t, const struct pl_producer_conf *conf, bool reports_as_events,
                struct pl_err *err)
{
    assert(!t->rk);
    rd_kafka_conf_t *rkconf = client_conf(t, conf, err);
    if (!rkconf)
        return -1;
    t->timeout_ms = pl_kafka_conf_int(rkconf, "transaction.timeout.ms");
    t->queued_bytes_max = (uint64_t)pl_kafka_conf_int(rkconf, "queue.buffering.max.kbytes") * 1024;
    t->queued_messages_max = (uint64_t)pl_kafka_conf_int(rkconf, "queue.buffering.max.messages");
    if (reports_as_events)
        rd_kafka_conf_set_events(rkconf, RD_KAFKA_EVENT_DR);
    else
        rd_kafka_conf_set_dr_msg_cb(rkconf, on_report);
    t->health.borrowed_map = conf->borrowed_map;
    t->rk = pl_kafka_new(RD_KAFKA_PRODUCER, rkconf, err);
    if (!t->rk)
        return -1;
    t->transactional_id = pl_strdup(conf->transactional_id);
    return 0;
}

void pl_txn_close(struct pl_txn *t)
{
    if (t->topic)
        rd_kafka_topic_destroy(t->topic);
    if (t->rk)
        rd_kafka_destroy(t->rk);
    free(t->transactional_id);
    pthread_mutex_destroy(&t->health.lock);
    memset(t, 0, sizeof(*t)); /* zero is a valid mutex, see pl_kafka_health */
}

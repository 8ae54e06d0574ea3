/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer.c - the loop's side of producer.h: sending, delivery reports, the states.
 *
 * Only this side takes events from librdkafka (an eventfd says when), only the thread of
 * transaction.h makes calls that wait. Every message carries its size as its opaque, so that what
 * is queued is known to the byte.
 */
#include "lib/kafka/producer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/kafka/transaction.h"

#define STALLED_MS    5000 /* BUSY for longer: on_stalled */
#define FREE_MS       1000 /* what pl_producer_free() may wait, of that: */
#define FREE_SERVE_MS 700  /* … for the thread to come back from its call */
#define TOPICS_MAX                                                                                 \
    1024 /* topic handles kept; more topics than that and one is found by name again */
#define EVENTS_MAX       64    /* taken in one turn of the loop, so that others have theirs */
#define HEALTH_WITHIN_MS 60000 /* a fault older than that does not explain a stall */

struct pl_producer {
    struct pl_daemon *daemon;
    const struct pl_producer_ops *ops;
    void *userdata;

    struct pl_txn *txn;
    rd_kafka_t *rk;          /* txn's */
    rd_kafka_queue_t *queue; /* rk's main queue: delivery reports, errors */
    int fd;                  /* librdkafka writes here when the queue is no longer empty */
    sd_event_source *io, *stall_timer;
    struct pl_waker *waker;

    enum pl_producer_state state;
    rd_kafka_topic_t **topics; /* the one used last stands first */
    size_t topics_n;

    uint64_t messages, bytes; /* of this transaction */
    uint64_t queued_bytes, queued_bytes_max, queued_messages_max;
    bool full;        /* PL_SEND_FULL was said, on_room is owed */
    bool closing;     /* no callbacks any more */
    bool cause_known; /* `failure` says why this transaction is undone */
    struct pl_err failure;
    int64_t busy_since_ms;
};

/* ---- states ---- */

static void producer_fail(struct pl_producer *p, const struct pl_err *err)
{
    if (p->state == PL_PRODUCER_FAILED)
        return;
    p->state = PL_PRODUCER_FAILED;
    sd_event_source_set_enabled(p->stall_timer, SD_EVENT_OFF);
    p->ops->on_failed(p->userdata, err);
}

static void producer_busy(struct pl_producer *p, enum pl_txn_job job)
{
    p->state = PL_PRODUCER_BUSY;
    p->busy_since_ms = pl_clock_monotonic_ms();
    sd_event_source_set_time_relative(p->stall_timer, STALLED_MS * 1000);
    sd_event_source_set_enabled(p->stall_timer, SD_EVENT_ONESHOT);
    pl_txn_request(p->txn, job);
}

/* A message has failed for good. What librdkafka throws away because the transaction has failed
 * already (PURGE) says nothing of the cause. */
static void producer_note_failure(struct pl_producer *p, const rd_kafka_message_t *m)
{
    enum pl_err_kind kind = pl_kafka_err_kind(m->err);

    p->txn->failed++;
    if (p->cause_known || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    p->cause_known = true;
    /* The broker refuses messages that librdkafka took: sending them again cannot help, and which
     * one of a batch it was is not told. */
    pl_err_set(&p->failure, kind == PL_ERR_REJECT ? PL_ERR_CONFIG : kind, m->err,
               "Kafka did not take a message for topic \"%s\": %s%s",
               m->rkt ? rd_kafka_topic_name(m->rkt) : "?", rd_kafka_err2str(m->err),
               m->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                   ? ": raise the topic's max.message.bytes or lower kafka.message.max.bytes"
                   : "");
}

/* ---- events ---- */

static void producer_take_reports(struct pl_producer *p, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;

    while ((m = rd_kafka_event_message_next(event))) {
        p->queued_bytes -= (uintptr_t)m->_private;
        p->txn->outstanding--;
        if (p->closing)
            continue;
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            producer_note_failure(p, m);
        else if (p->ops->on_delivered)
            p->ops->on_delivered(p->userdata, m);
    }
}

static void producer_offer_room(struct pl_producer *p)
{
    if (!p->full || p->queued_bytes > p->queued_bytes_max / 2 ||
        p->txn->outstanding > p->queued_messages_max / 2)
        return;
    p->full = false;
    if (p->ops->on_room && p->state != PL_PRODUCER_FAILED)
        p->ops->on_room(p->userdata);
}

static void producer_check_failed(struct pl_producer *p)
{
    struct pl_err err;
    char text[256];

    /* While BUSY the thread's call returns with the same, and says which call it was. */
    if (p->txn->health.fatal && (p->state == PL_PRODUCER_IDLE || p->state == PL_PRODUCER_OPEN)) {
        rd_kafka_resp_err_t code = rd_kafka_fatal_error(p->rk, text, sizeof(text));
        pl_txn_fatal_err(p->txn, code, text, &err);
        producer_fail(p, &err);
    } else if (p->state == PL_PRODUCER_OPEN && p->txn->failed > 0) {
        /* Where the cause is not known yet, a commit is asked for: a transaction that has failed is
         * never committed, but the refusal says why; the thread then aborts. */
        producer_busy(p, p->cause_known ? PL_TXN_ABORT : PL_TXN_COMMIT);
    }
}

/* Takes events until there are none or `max` were taken; false: there may be more. */
static bool producer_serve(struct pl_producer *p, unsigned max)
{
    rd_kafka_event_t *event = NULL;
    unsigned n;

    for (n = 0; n < max && (event = rd_kafka_queue_poll(p->queue, 0)); n++) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            producer_take_reports(p, event);
        else
            pl_kafka_event(&p->txn->health, event);
        rd_kafka_event_destroy(event);
    }
    if (p->closing)
        return n < max;
    producer_check_failed(p);
    producer_offer_room(p);
    return n < max;
}

static int producer_on_events(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
    struct pl_producer *p = userdata;
    uint64_t count;

    (void)s;
    (void)revents;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return -errno;
    if (!producer_serve(p, EVENTS_MAX)) {
        count = 1; /* librdkafka writes only when the queue was empty */
        if (write(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
            return -errno;
    }
    return 0;
}

static int producer_on_stall(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct pl_producer *p = userdata;
    char why[256] = "";
    struct pl_err err;

    (void)s;
    (void)usec;
    if (p->state != PL_PRODUCER_BUSY || !p->ops->on_stalled)
        return 0;
    if (!pl_kafka_health_text(&p->txn->health, HEALTH_WITHIN_MS, why))
        pl_txn_waiting_for(p->txn, why);
    pl_err_set(&err, PL_ERR_RETRY, RD_KAFKA_RESP_ERR__TIMED_OUT,
               "Kafka has not ended the transaction for %d s%s%s", STALLED_MS / 1000,
               why[0] ? ": " : "", why);
    p->ops->on_stalled(p->userdata, &err);
    return 0;
}

static void producer_on_result(void *userdata)
{
    struct pl_producer *p = userdata;
    enum pl_txn_result result;
    struct pl_err why;

    /* Reports before the verdict. */
    while (!producer_serve(p, EVENTS_MAX))
        ;
    if (!pl_txn_take(p->txn, &result, &why) || p->state != PL_PRODUCER_BUSY)
        return;
    sd_event_source_set_enabled(p->stall_timer, SD_EVENT_OFF);
    switch (result) {
    case PL_TXN_COMMITTED:
        p->state = PL_PRODUCER_IDLE;
        p->ops->on_committed(p->userdata, p->messages, p->bytes,
                             pl_clock_monotonic_ms() - p->busy_since_ms);
        break;
    case PL_TXN_ABORTED:
        p->state = PL_PRODUCER_IDLE;
        if (p->cause_known)
            why = p->failure;
        p->ops->on_aborted(p->userdata, &why);
        break;
    case PL_TXN_FAILED:
        producer_fail(p, &why);
        break;
    }
}

/* ---- sending ---- */

int pl_producer_begin(struct pl_producer *p, struct pl_err *err)
{
    assert(p->state == PL_PRODUCER_IDLE || p->state == PL_PRODUCER_FAILED);
    if (p->state == PL_PRODUCER_FAILED)
        return pl_err_set(err, PL_ERR_FATAL, 0, "the Kafka producer has failed before");
    p->messages = p->bytes = 0;
    p->txn->sent = p->txn->failed = 0;
    p->txn->begun_ms = pl_clock_monotonic_ms();
    p->cause_known = false;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);
    if (error) {
        pl_txn_fatal_err(p->txn, rd_kafka_error_code(error), rd_kafka_error_string(error), err);
        rd_kafka_error_destroy(error);
        return -1;
    }
    p->state = PL_PRODUCER_OPEN;
    return 0;
}

static rd_kafka_topic_t *topic_handle(struct pl_producer *p, const char *name)
{
    rd_kafka_topic_t *rkt;

    for (size_t i = 0; i < p->topics_n; i++) {
        rkt = p->topics[i];
        if (strcmp(rd_kafka_topic_name(rkt), name) != 0)
            continue;
        p->topics[i] = p->topics[0];
        p->topics[0] = rkt;
        return rkt;
    }
    rkt = rd_kafka_topic_new(p->rk, name, NULL);
    if (!rkt)
        return NULL;
    if (p->topics_n == TOPICS_MAX) /* messages under way hold their topic by themselves */
        rd_kafka_topic_destroy(p->topics[--p->topics_n]);
    p->topics = pl_realloc_array(p->topics, p->topics_n + 1, sizeof(*p->topics));
    p->topics[p->topics_n++] = rkt;
    return rkt;
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
    rd_kafka_headers_t *headers;

    if (m->headers_n == 0)
        return NULL;
    headers = rd_kafka_headers_new(m->headers_n);
    for (unsigned i = 0; i < m->headers_n; i++)
        rd_kafka_header_add(headers, m->headers[i].name, -1, m->headers[i].value,
                            (ssize_t)m->headers[i].len);
    return headers;
}

static enum pl_send_result send_failed(struct pl_producer *p, const struct pl_message *m,
                                       const rd_kafka_error_t *error, struct pl_err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    char text[256];

    switch ((int)code) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        p->full = true;
        return PL_SEND_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        pl_err_set(err, PL_ERR_REJECT, code,
                   "a message of %zu bytes for topic \"%s\" is larger than kafka.message.max.bytes",
                   message_size(m), m->topic);
        return PL_SEND_ERROR;
    default:
        break;
    }
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(p->rk, text, sizeof(text));
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR)
        pl_txn_fatal_err(p->txn, fatal, text, err);
    else if (code ==
             RD_KAFKA_RESP_ERR__STATE) /* the transaction has failed; its reports are coming */
        pl_err_set(err, PL_ERR_RETRY, code, "the Kafka transaction has failed");
    else
        pl_err_set(err, pl_kafka_err_kind(code), code, "cannot send to topic \"%s\": %s", m->topic,
                   rd_kafka_error_string(error));
    return PL_SEND_ERROR;
}

static rd_kafka_error_t *send_now(struct pl_producer *p, rd_kafka_topic_t *rkt,
                                  const struct pl_message *m, size_t size)
{
    rd_kafka_headers_t *headers = message_headers(m);
    rd_kafka_vu_t vu[7];
    size_t n = 0;

    vu[n].vtype = RD_KAFKA_VTYPE_RKT;
    vu[n++].u.rkt = rkt;
    vu[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    vu[n++].u.i = RD_KAFKA_MSG_F_COPY;
    vu[n].vtype = RD_KAFKA_VTYPE_VALUE;
    vu[n].u.mem.ptr = (void *)m->value;
    vu[n++].u.mem.size = m->value_len;
    vu[n].vtype = RD_KAFKA_VTYPE_KEY;
    vu[n].u.mem.ptr = (void *)m->key;
    vu[n++].u.mem.size = m->key_len;
    vu[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    vu[n++].u.i64 = m->timestamp_ms;
    vu[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
    vu[n++].u.ptr = (void *)(uintptr_t)size; /* see the head of this file */
    if (headers) {
        vu[n].vtype = RD_KAFKA_VTYPE_HEADERS;
        vu[n++].u.headers = headers;
    }
    rd_kafka_error_t *error = rd_kafka_produceva(p->rk, vu, n);
    if (error && headers) /* only a success takes them over */
        rd_kafka_headers_destroy(headers);
    return error;
}

enum pl_send_result pl_producer_send(struct pl_producer *p, const struct pl_message *m,
                                     struct pl_err *err)
{
    size_t size = message_size(m);

    if (p->state != PL_PRODUCER_OPEN) {
        assert(p->state != PL_PRODUCER_IDLE);
        if (p->state == PL_PRODUCER_FAILED)
            pl_err_set(err, PL_ERR_FATAL, 0, "the Kafka producer has failed before");
        else
            pl_err_set(err, PL_ERR_RETRY, 0, "the Kafka transaction is being ended");
        return PL_SEND_ERROR;
    }
    /* librdkafka counts values only; a message larger than the whole queue passes when it is alone.
     */
    if (p->queued_bytes > 0 && p->queued_bytes + size > p->queued_bytes_max) {
        p->full = true;
        return PL_SEND_FULL;
    }
    rd_kafka_topic_t *rkt = topic_handle(p, m->topic);
    if (!rkt) {
        pl_kafka_err(err, rd_kafka_last_error(), "topic \"%s\"", m->topic);
        return PL_SEND_ERROR;
    }
    /* Before the call: its report may be taken only by this thread, but the thread that commits
     * reads these. */
    p->txn->outstanding++;
    rd_kafka_error_t *error = send_now(p, rkt, m, size);
    if (error) {
        p->txn->outstanding--;
        enum pl_send_result result = send_failed(p, m, error, err);
        rd_kafka_error_destroy(error);
        return result;
    }
    p->txn->sent++;
    p->queued_bytes += size;
    p->messages++;
    p->bytes += size;
    return PL_SEND_OK;
}

void pl_producer_commit(struct pl_producer *p)
{
    assert(p->state != PL_PRODUCER_IDLE);
    if (p->state == PL_PRODUCER_OPEN)
        producer_busy(p, PL_TXN_COMMIT);
}

void pl_producer_abort(struct pl_producer *p, const struct pl_err *why)
{
    assert(p->state != PL_PRODUCER_IDLE);
    if (p->state != PL_PRODUCER_OPEN)
        return;
    if (!p->cause_known) {
        if (why)
            p->failure = *why;
        else
            pl_err_set(&p->failure, PL_ERR_RETRY, 0, "the transaction was given up");
        p->cause_known = true;
    }
    producer_busy(p, PL_TXN_ABORT);
}

enum pl_producer_state pl_producer_state(const struct pl_producer *p)
{
    return p->state;
}

rd_kafka_t *pl_producer_client(struct pl_producer *p)
{
    return p->rk;
}

uint64_t pl_producer_queued_bytes(const struct pl_producer *p)
{
    return p->queued_bytes;
}

bool pl_producer_is_stuck(const struct pl_producer *p)
{
    return pl_deadline_is_overdue(&p->txn->deadline, pl_clock_monotonic_ms());
}

/* ---- start and end ---- */

static int producer_client_new(struct pl_producer *p, const struct pl_producer_conf *conf,
                               struct pl_err *err)
{
    char queue_kbytes[32], message_bytes[32];
    int64_t kbytes = conf->queue_bytes_max > 1024 ? conf->queue_bytes_max / 1024 : 1;
    /* clang-format off: one pair a line */
    const char *const forced[] = {
        "enable.idempotence", "true", "acks", "all", "transactional.id", conf->transactional_id,
        /* What is queued is counted by reports, and logs have a callback. */
        "delivery.report.only.error", "false", "log.queue", "false", NULL};
    const char *defaults[] = {"client.id", conf->client_id,
                              /* Fewer, larger requests; a commit does not wait for it. */
                              "linger.ms", "50", "compression.type", "lz4",
                              "transaction.timeout.ms", "60000", "partitioner", "murmur2_random",
                              "allow.auto.create.topics", "false", NULL, NULL, NULL, NULL, NULL};
    /* clang-format on */
    size_t n = PL_COUNT(defaults) - 5;

    snprintf(queue_kbytes, sizeof(queue_kbytes), "%lld", (long long)kbytes);
    snprintf(message_bytes, sizeof(message_bytes), "%lld", (long long)conf->message_bytes_max);
    if (conf->queue_bytes_max > 0) {
        defaults[n++] = "queue.buffering.max.kbytes";
        defaults[n++] = queue_kbytes;
    }
    if (conf->message_bytes_max > 0) {
        defaults[n++] = "message.max.bytes";
        defaults[n++] = message_bytes;
    }
    rd_kafka_conf_t *rkconf =
        pl_kafka_conf_new(conf->kafka, defaults, forced, &p->txn->health, err);
    if (!rkconf)
        return -1;
    /* Reports as events, not callbacks: so no call of the thread can make them. */
    rd_kafka_conf_set_events(rkconf, RD_KAFKA_EVENT_DR);
    rd_kafka_t *rk = pl_kafka_new(RD_KAFKA_PRODUCER, rkconf, err);
    if (!rk || pl_txn_start(p->txn, rk, p->waker, err) < 0)
        return -1;
    p->rk = rk;
    return 0;
}

static int producer_check_conf(struct pl_producer *p, const struct pl_producer_conf *conf,
                               struct pl_err *err)
{
    p->txn->timeout_ms = pl_kafka_conf_int(p->rk, "transaction.timeout.ms");
    p->queued_bytes_max = (uint64_t)pl_kafka_conf_int(p->rk, "queue.buffering.max.kbytes") * 1024;
    p->queued_messages_max = (uint64_t)pl_kafka_conf_int(p->rk, "queue.buffering.max.messages");
    if (conf->transaction_ms_max > 0 && p->txn->timeout_ms <= conf->transaction_ms_max)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "kafka.transaction.timeout.ms (%lld) must be longer than a batch stays "
                          "open (%lld ms)",
                          (long long)p->txn->timeout_ms, (long long)conf->transaction_ms_max);
    return 0;
}

static int producer_attach(struct pl_producer *p, struct pl_err *err)
{
    static const uint64_t one = 1;
    sd_event *event = pl_daemon_event(p->daemon);
    int r;

    /* Begins as readable: for what came before librdkafka knew of it. */
    p->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    r = p->fd < 0 ? -errno : sd_event_add_io(event, &p->io, p->fd, EPOLLIN, producer_on_events, p);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &p->stall_timer, CLOCK_MONOTONIC, 0, 0,
                                       producer_on_stall, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->stall_timer, SD_EVENT_OFF);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot join Kafka to the event loop: %s",
                          strerror(-r));
    p->queue = rd_kafka_queue_get_main(p->rk);
    rd_kafka_queue_io_event_enable(p->queue, p->fd, &one, sizeof(one));
    return 0;
}

/* Waits for the brokers, then for the transaction coordinator. */
static int producer_meet(struct pl_producer *p, const char *servers, int64_t timeout_ms,
                         struct pl_err *err)
{
    int64_t end = pl_clock_monotonic_ms() + timeout_ms;

    pl_daemon_step(p->daemon, timeout_ms, "waiting for Kafka at %s", servers);
    if (pl_kafka_probe(p->rk, &p->txn->health, servers, timeout_ms, err) < 0)
        return -1;
    pl_daemon_step(p->daemon, timeout_ms, "waiting for Kafka to take transactional.id %s",
                   p->txn->transactional_id);
    return pl_txn_init(p->txn, p->daemon, end - pl_clock_monotonic_ms(), err);
}

int pl_producer_new(struct pl_daemon *d, const struct pl_producer_conf *conf,
                    const struct pl_producer_ops *ops, void *userdata, int64_t timeout_ms,
                    struct pl_producer **ret, struct pl_err *err)
{
    PL_CLEANUP(pl_producer_freep) struct pl_producer *p = pl_alloc(sizeof(*p));
    p->daemon = d;
    p->ops = ops;
    p->userdata = userdata;
    p->fd = -1;
    p->txn = pl_txn_new();
    p->txn->transactional_id = pl_strdup(conf->transactional_id);
    if (pl_waker_new(d, producer_on_result, p, &p->waker, err) < 0 ||
        producer_client_new(p, conf, err) < 0 || producer_check_conf(p, conf, err) < 0 ||
        producer_meet(p, pl_kafka_servers(conf->kafka), timeout_ms, err) < 0 ||
        producer_attach(p, err) < 0)
        return -1;
    *ret = PL_TAKE(p);
    return 0;
}

/* Lets the thread come back from its call. Its abort waits until the reports of what it threw away
 * are taken, so they are. */
static void producer_quit(struct pl_producer *p)
{
    int64_t end = pl_clock_monotonic_ms() + FREE_SERVE_MS;

    pl_txn_quit(p->txn, p->state == PL_PRODUCER_OPEN);
    while (!pl_txn_calls_over(p->txn) && pl_clock_monotonic_ms() < end) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(p->queue, 10);
        if (event)
            rd_kafka_event_destroy(event);
    }
}

void pl_producer_free(struct pl_producer *p)
{
    int64_t end = pl_clock_monotonic_ms() + FREE_MS;

    if (!p)
        return;
    p->closing = true;
    sd_event_source_disable_unref(p->io);
    sd_event_source_disable_unref(p->stall_timer);
    if (p->queue) {
        producer_quit(p);
        rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(p->queue);
    }
    for (size_t i = 0; i < p->topics_n; i++)
        rd_kafka_topic_destroy(p->topics[i]);
    free(p->topics);
    int64_t left = end - pl_clock_monotonic_ms();
    pl_txn_free(p->txn, left > 0 ? left : 0);
    pl_waker_free(p->waker);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

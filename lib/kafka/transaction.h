/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transaction.h - a transactional Kafka client: the properties it needs, librdkafka's transactional
 * calls, and what their errors mean. For a thread that may block, as producer.h has one.
 *
 *             open, init            begin                commit
 *     closed ─────────────> ready ─────────> in progress ──────> ready      COMMITTED
 *        ^                    ^               send, offsets │
 *        │                    │ ABORTED                     ├──> REFUSED, UNKNOWN
 *        │                    └─────────────────────────────┴─── abort
 *        └──── close: always, and after FAILED and STOPPED the only way
 *
 * librdkafka's blocking calls (init, commit, abort) can be resumed after a time-out, so they are
 * made in slices of less than a second; between two slices the caller's go_on() decides.
 *
 * Memory: unacknowledged messages are in librdkafka's queue, up to queued_bytes_max.
 *
 * Threads: one at a time, except that with reports as events one thread calls pl_txn_report() while
 * another waits in commit or abort.
 */
#ifndef PL_KAFKA_TRANSACTION_H
#define PL_KAFKA_TRANSACTION_H

#include <stdatomic.h>

#include "lib/kafka/client.h"
#include "lib/service/watchdog.h"

struct pl_producer_conf {
    const struct pl_map *kafka;   /* the user's properties; borrowed during the call */
    bool borrowed_map;            /* they were written for a consumer, see pl_kafka_health */
    const char *transactional_id; /* fences a second instance */
    const char *client_id;        /* default for client.id */
    int64_t queue_bytes_max;   /* librdkafka's queue.buffering.max.kbytes; 0: its default, 1 GiB */
    int64_t message_bytes_max; /* message.max.bytes; 0: its default, 1,000,000 */
    int64_t linger_ms;         /* default for linger.ms; 0: 50 */
    int64_t transaction_timeout_ms; /* default for transaction.timeout.ms; 0: that of common.h */
};

struct pl_message {
    const char *topic;
    const void *key; /* NULL: no key */
    size_t key_len;
    const void *value; /* NULL: tombstone */
    size_t value_len;
    int64_t timestamp_ms; /* 0: now */
    const struct pl_header {
        const char *name;
        const void *value; /* NULL: a header without a value */
        size_t len;
    } * headers;
    unsigned headers_n;
};

/* Zero-initialised it is closed. Users read the fields, transaction.c writes them. */
struct pl_txn {
    struct pl_kafka_health health; /* first: librdkafka hands it to the callback of reports */
    rd_kafka_t *rk;                /* NULL: closed */
    char *transactional_id;
    int64_t timeout_ms;      /* transaction.timeout.ms */
    rd_kafka_topic_t *topic; /* of the last message */
    uint64_t queued_bytes, queued_bytes_max, queued_messages_max;

    /* Of this transaction. sent, outstanding, failed: messages. */
    _Atomic uint64_t sent, outstanding, failed;
    _Atomic int64_t begun_ms; /* CLOCK_BOOTTIME: the coordinator's clock runs on while we sleep */
    uint64_t bytes;           /* keys, values and headers */
    bool has_offsets;
    struct pl_err cause; /* why a message failed; kind NONE: unknown, or none did */
};

/* Defaults, unless the user's map has them: linger.ms (fewer, larger requests; a commit does not
 * wait for it), compression.type=lz4, transaction.timeout.ms, partitioner=murmur2_random (Java's:
 * the same key gets the same partition from every client), allow.auto.create.topics=false. Forced:
 * acks=all, enable.idempotence=true, transactional.id.
 *
 * reports_as_events: the caller takes RD_KAFKA_EVENT_DR from the client's main queue and hands each
 * message to pl_txn_report(); commit and abort wait for that, so another thread must do it.
 * Otherwise the calls here take the reports themselves.
 *
 * Does not talk to the brokers. On failure it stays closed. */
int pl_txn_open(struct pl_txn *t, const struct pl_producer_conf *conf, bool reports_as_events,
                struct pl_err *err);
/* From any state, also when closed. Waits for librdkafka's threads, which may take seconds when a
 * broker or name server does not answer. The coordinator undoes an open transaction after
 * transaction.timeout.ms. */
void pl_txn_close(struct pl_txn *t);

/* Short enough to stop within a second, long enough for librdkafka's own thread to answer within
 * one (rdkafka.h warns of slices that end too early). */
#define PL_TXN_SLICE_MS 800
struct pl_txn_wait {
    /* Asked after each slice that ended without an answer; `why`. false: give up. */
    bool (*go_on)(void *userdata, const char *why);
    void *userdata;
    int64_t timeout_ms;           /* negative: none */
    struct pl_deadline *deadline; /* the calling thread's, renewed for each slice; may be NULL */
    const char *doing;            /* a literal, for `deadline` */
};

/* init_transactions: fences an earlier instance and ends what it left open. RETRY: no answer within
 * the time-out, or given up; CONFIG: the id is not allowed; FATAL. */
int pl_txn_init(struct pl_txn *t, const struct pl_txn_wait *wait, struct pl_err *err);

/* Does not wait. */
int pl_txn_begin(struct pl_txn *t, struct pl_err *err);

enum pl_send_result {
    PL_SEND_OK = 0,
    PL_SEND_FULL,  /* the queue is full, nothing was taken: retry when reports have come */
    PL_SEND_ERROR, /* err: REJECT (too large) - the transaction goes on; other kinds - abort it.
                    * Code __STATE: the transaction has failed already, a commit says why */
};
/* Copies the message into the transaction. Does not wait. */
enum pl_send_result pl_txn_send(struct pl_txn *t, const struct pl_message *m, struct pl_err *err);

/* A message's delivery report, when they are taken as events. */
void pl_txn_report(struct pl_txn *t, const rd_kafka_message_t *m);

/* Adds the consumer group's offsets to the transaction. Blocks up to timeout_ms. On an error abort.
 * FATAL with code ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID: the group has taken
 * the partitions away. Code __STATE as above. */
int pl_txn_send_offsets(struct pl_txn *t, const rd_kafka_topic_partition_list_t *offsets,
                        const rd_kafka_consumer_group_metadata_t *group, int timeout_ms,
                        struct pl_err *err);

enum pl_txn_result {
    PL_TXN_COMMITTED,
    PL_TXN_ABORTED,
    PL_TXN_REFUSED, /* of a commit: not committed, err says why (so may t->cause); abort it */
    PL_TXN_UNKNOWN, /* of a commit: it may be in the log; err has librdkafka's text */
    PL_TXN_FAILED,  /* err: FENCED, FATAL or CONFIG; the client is dead */
    PL_TXN_STOPPED, /* err: RETRY; given up or timed out, the call may still take effect */
};
/* A transaction that has failed is never committed: REFUSED. */
enum pl_txn_result pl_txn_commit(struct pl_txn *t, const struct pl_txn_wait *wait,
                                 struct pl_err *err);
enum pl_txn_result pl_txn_abort(struct pl_txn *t, const struct pl_txn_wait *wait,
                                struct pl_err *err);

/* librdkafka has declared the client dead; err says why. Any thread. */
bool pl_txn_is_dead(struct pl_txn *t, struct pl_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer.h - a transactional Kafka producer on the event loop: messages and the source's position in one
 * transaction.
 *
 *            begin              commit                on_committed
 *   IDLE ───────────> OPEN ───────────────> BUSY ──────────────────────> IDLE
 *     ^                 │ abort / a message failed    │ could not commit
 *     │                 v                             v
 *     └──────────── BUSY (aborting) <─────────────────┘        fatal or fenced: FAILED
 *          on_aborted
 *
 * librdkafka's init, commit and abort calls block, so a thread of the producer's makes them; begin and send do
 * not block and run on the loop. While BUSY nothing may be sent: the source holds its input back. After an
 * abort nothing of the transaction exists: the caller goes back to the position committed last and fetches
 * again. Nothing is kept here for a retry, so memory is librdkafka's queue and nothing else.
 *
 * A commit is tried until it succeeds, the transaction has failed, or the producer is freed; a broker that is
 * away means that it stays BUSY (on_stalled tells, once, after 5 s; then on_committed or on_aborted comes).
 *
 * Layer: kafka, daemon (waker), log. Threads: calls and callbacks on the loop's thread.
 */
#ifndef PL_PRODUCER_H
#define PL_PRODUCER_H

#include "daemon.h"
#include "kafka.h"
#include "stats.h"

struct pl_producer;

struct pl_producer_ops {
    void (*on_committed)(void *userdata, uint64_t messages, uint64_t bytes, int64_t duration_ms);
    void (*on_aborted)(void *userdata, const struct pl_err *why); /* all of the transaction is undone */
    void (*on_stalled)(void *userdata, const struct pl_err *why); /* Kafka is away; may be NULL */
    void (*on_room)(void *userdata);  /* after PL_SEND_FULL: there is room again */
    void (*on_failed)(void *userdata, const struct pl_err *err); /* FATAL: fenced by another instance … */
    /* One message is now in the log (its offset may still be undone by an abort). May be NULL; for --produce. */
    void (*on_delivered)(void *userdata, const rd_kafka_message_t *message);
};

struct pl_producer_conf {
    const struct pl_map *kafka;   /* the user's properties; borrowed during _new */
    const char *transactional_id; /* fences a second instance */
    const char *client_id;        /* default for client.id */
    int64_t queue_bytes_max;      /* librdkafka's queue.buffering.max.kbytes */
    int64_t message_bytes_max;    /* message.max.bytes */
};

/* Creates the client, probes the brokers and runs init_transactions (which fences and ends what an earlier
 * instance left open): blocks up to timeout_ms, for use at start. */
int pl_producer_new(struct pl_daemon *d, const struct pl_producer_conf *conf, const struct pl_producer_ops *ops,
                    void *userdata, int64_t timeout_ms, struct pl_producer **ret, struct pl_err *err);
/* Drops an open transaction (the coordinator undoes it). Waits at most 1 s for librdkafka's threads. */
void pl_producer_free(struct pl_producer *p);
PL_DEFINE_CLEANUP(struct pl_producer *, pl_producer_free);

enum pl_producer_state { PL_PRODUCER_IDLE, PL_PRODUCER_OPEN, PL_PRODUCER_BUSY, PL_PRODUCER_FAILED };
enum pl_producer_state pl_producer_state(const struct pl_producer *p);

/* IDLE -> OPEN. Does not talk to the broker. */
int pl_producer_begin(struct pl_producer *p, struct pl_err *err);

enum pl_send_result {
    PL_SEND_OK = 0,
    PL_SEND_FULL,   /* the queue is full: nothing was taken; wait for on_room */
    PL_SEND_ERROR,  /* err: REJECT (too large) - the transaction goes on; other kinds - abort it */
};

struct pl_message {
    const char *topic;
    const void *key;   /* NULL: no key */
    size_t key_len;
    const void *value; /* NULL: tombstone */
    size_t value_len;
    int64_t timestamp_ms; /* 0: now */
    const struct pl_header { const char *name; const void *value; size_t len; } *headers;
    unsigned headers_n;
};

/* Copies the message into the open transaction. */
enum pl_send_result pl_producer_send(struct pl_producer *p, const struct pl_message *m, struct pl_err *err);

/* OPEN -> BUSY; on_committed or on_aborted follows. */
void pl_producer_commit(struct pl_producer *p);
/* OPEN -> BUSY; on_aborted follows. */
void pl_producer_abort(struct pl_producer *p, const struct pl_err *why);

rd_kafka_t *pl_producer_client(struct pl_producer *p); /* for topic checks at start */
uint64_t pl_producer_queued_bytes(const struct pl_producer *p); /* sent but not yet acknowledged */

#endif

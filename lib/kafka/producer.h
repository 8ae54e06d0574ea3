/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer.h - a transactional Kafka producer on the event loop: messages and the source's position
 * in one transaction.
 *
 *            begin              commit                on_committed
 *   IDLE ───────────> OPEN ───────────────> BUSY ──────────────────────> IDLE
 *     ^                 │ abort / a message failed    │ could not commit
 *     │                 v                             v
 *     └──────────── BUSY (aborting) <─────────────────┘        fatal or fenced: FAILED
 *          on_aborted
 *
 * librdkafka's init, commit and abort calls block (transaction.h), so the producer's thread makes
 * them; begin and send do not block and run on the loop. While BUSY nothing may be sent: the source
 * pauses its input. After an abort nothing of the transaction exists: the caller returns to the
 * position committed last and fetches again. Nothing is kept for a retry: the only memory is
 * librdkafka's queue.
 *
 * A commit is tried until it succeeds, the transaction has failed, or the producer is freed; while
 * the broker is away it stays BUSY, then on_committed or on_aborted. on_stalled says so after 5 s.
 *
 * When it is unknown whether a commit was carried out, on_failed is called (FATAL): a restart reads
 * the valid position. The same when Kafka was away for longer than transaction.timeout.ms and has
 * undone the transaction: the coordinator then refuses this producer.
 *
 * Threads: calls and callbacks on the loop's thread. Callbacks may call all functions here but
 * pl_producer_free().
 */
#ifndef PL_KAFKA_PRODUCER_H
#define PL_KAFKA_PRODUCER_H

#include "lib/kafka/transaction.h"
#include "lib/service/daemon.h"

struct pl_producer;

struct pl_producer_ops {
    /* bytes: keys, values and headers, uncompressed. duration_ms: since pl_producer_commit(). */
    void (*on_committed)(void *userdata, uint64_t messages, uint64_t bytes, int64_t duration_ms);
    /* All of the transaction is undone. `why` is that of pl_producer_abort(), or what failed:
     * RETRY, or CONFIG where trying again cannot help (topic gone, no permission, a message that
     * the broker refuses). */
    void (*on_aborted)(void *userdata, const struct pl_err *why);
    /* Kafka is away (stall.h), in OPEN or BUSY: at each look, once a second; it answers again. Both
     * NULL or neither. */
    void (*on_stalled)(void *userdata, const struct pl_err *why);
    void (*on_recovered)(void *userdata);
    /* After PL_SEND_FULL: less than half of the queue is taken. Also while BUSY; may be NULL. */
    void (*on_room)(void *userdata);
    /* FENCED: by another instance; else FATAL. */
    void (*on_failed)(void *userdata, const struct pl_err *err);
    /* One message is now in the log (an abort may still undo it). May be NULL; for --produce. */
    void (*on_delivered)(void *userdata, const rd_kafka_message_t *message);
};

/* Creates the client, probes the brokers and runs init_transactions. Blocks up to timeout_ms, for
 * use at start; a stop signal ends it. */
int pl_producer_new(struct pl_daemon *d, const struct pl_producer_conf *conf,
                    const struct pl_producer_ops *ops, void *userdata, int64_t timeout_ms,
                    struct pl_producer **ret, struct pl_err *err);
/* Undoes an open transaction if that is quick, else the coordinator does after
 * transaction.timeout.ms. Calls no callbacks. Waits at most 1 s for librdkafka's threads, then
 * abandons them. */
void pl_producer_free(struct pl_producer *p);
PL_DEFINE_CLEANUP(struct pl_producer *, pl_producer_free);

enum pl_producer_state { PL_PRODUCER_IDLE, PL_PRODUCER_OPEN, PL_PRODUCER_BUSY, PL_PRODUCER_FAILED };
enum pl_producer_state pl_producer_state(const struct pl_producer *p);

/* IDLE -> OPEN. Does not talk to the broker. */
int pl_producer_begin(struct pl_producer *p, struct pl_err *err);

/* Copies the message into the open transaction. PL_SEND_FULL: wait for on_room. PL_SEND_ERROR also
 * when an abort has begun because a message failed: on_aborted follows. */
enum pl_send_result pl_producer_send(struct pl_producer *p, const struct pl_message *m,
                                     struct pl_err *err);

/* OPEN -> BUSY; on_committed or on_aborted follows. Ignored when an abort has begun (a message has
 * failed) or the producer has failed. */
void pl_producer_commit(struct pl_producer *p);
/* OPEN -> BUSY; on_aborted follows. Ignored in the same cases. `why` NULL: no particular reason. */
void pl_producer_abort(struct pl_producer *p, const struct pl_err *why);

rd_kafka_t *pl_producer_client(struct pl_producer *p); /* for topic checks at start */
uint64_t
pl_producer_queued_bytes(const struct pl_producer *p); /* of memory, not yet acknowledged */
/* Its thread is in a call that should have ended long ago: librdkafka hangs, which is not the same
 * as a broker that is away. For on_watchdog. */
bool pl_producer_is_stuck(const struct pl_producer *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - a source's messages and its position, into Kafka in one transaction.
 *
 *          send                 commit: the position's record, then the end
 *   IDLE ─────────> OPEN ─────────────────────────────────────────────────────> COMMITTING
 *     ^              │ abort, or a message failed         it has failed         │   │
 *     │              v                                                          │   │
 *     ├────────── UNDOING <─────────────────────────────────────────────────────┘   │
 *     │ on_done with the error                                                      │
 *     └─────────────────────────────────────────────────────────────────────────────┘
 *       on_done without an error
 *
 *   any ──fenced, or it is not known whether a commit was carried out──> FAILED: on_failed
 *
 * The position's record is the last message before the commit, so readers always see messages with
 * the position where they end. While the queue is full the commit waits for room for that record.
 * Nothing is kept for a retry: after an abort the source returns to the position committed last and
 * fetches again.
 *
 * The caller commits, or with limits (pl_delivery_limit()) the delivery itself, by age, bytes or
 * count; a position that moved without any message is then committed alone, after a while.
 *
 * An item is what the source counts (an event, an element of an answer): one message or several.
 *
 * A commit has no time limit (lib/kafka/producer.h): while Kafka is away nothing is taken, so the
 * source pauses; while a transaction is open, only once the queue is full. It is logged, again at
 * growing intervals and with its length when it is over, and shown by pl_delivery_is_stalled().
 *
 * Fenced: on_failed says who has taken over (FENCED), after at most 10 s in which the loop stands
 * still. If nobody has written, the error is FATAL, for a restart. So that a successor can be found
 * soon, a source commits once when it has read its positions, moved or not.
 *
 * Threads: the loop's.
 */
#ifndef PL_BATCH_DELIVERY_H
#define PL_BATCH_DELIVERY_H

#include "lib/batch/limits.h"
#include "lib/kafka/positions.h"
#include "lib/kafka/producer.h"
#include "lib/metrics/metrics.h"
#include "lib/service/daemon.h"

struct pl_delivery;

/* Of one transaction, without the position's record. */
struct pl_delivery_sums {
    uint64_t items, records;  /* records: inside the items, if the source counts them */
    uint64_t messages, bytes; /* bytes: keys and values */
    int64_t commit_ms;
};

struct pl_delivery_ops {
    /* Appends the present position, to be committed with the transaction. */
    void (*encode_position)(void *userdata, struct pl_buf *out);
    /* Room again after PL_SEND_FULL; not once the transaction is being ended, when on_done follows.
     * May be NULL. */
    void (*on_room)(void *userdata);
    /* The transaction is over. `err` NULL: committed. Else nothing of it is in the topic: RETRY, or
     * CONFIG if trying again cannot help. */
    void (*on_done)(void *userdata, const struct pl_delivery_sums *sums, const struct pl_err *err);
    /* No further work is possible. Called once, and nothing after it. */
    void (*on_failed)(void *userdata, const struct pl_err *err);
    /* As in struct pl_producer_ops. May be NULL. */
    void (*on_delivered)(void *userdata, const rd_kafka_message_t *message);
};

/* Indexes; PL_METRICS_NONE if the daemon has no such metric. */
struct pl_delivery_metrics {
    struct pl_metrics *values;
    unsigned delivered, records, messages, bytes; /* of what is committed */
    unsigned refetched;                           /* items undone */
    unsigned committed, aborted, commit_seconds;  /* transactions */
    unsigned in_flight; /* items of the open one, summed over the deliveries that share it */
};

/* Strings, maps and metrics are borrowed and outlive the delivery, except the ids. */
struct pl_delivery_conf {
    const struct pl_map *kafka; /* the user's properties */
    const char *transactional_id, *client_id;
    const char *topic;
    const struct pl_map *more_topics; /* its values: more topics like `topic`; may be NULL */
    const char *position_topic;       /* NULL: no positions are kept */
    const char *position_key;         /* for commits by limits */
    /* Where a successor's records are found (lib/kafka/successor.h): position_key, or a text that
     * ends in '/' for all keys that begin with it. NULL: a fenced delivery does not look. */
    const char *fence_key;
    int64_t transaction_timeout_ms; /* as in struct pl_producer_conf */
    int64_t message_bytes_max, queue_bytes_max;
    struct {
        bool enabled;
        int64_t partitions, replication, retention_ms; /* -1: the broker's; retention: 0 too */
        const char *segment_ms;                        /* NULL: the broker's */
    } create;                                          /* of missing topics */
    int64_t start_timeout_ms;
    /* What to do if the topic accepts only smaller messages; NULL: raise its limit to ours. */
    const char *too_large_advice;
    /* The option that stamps messages by arrival; NULL: none. */
    const char *timestamp_advice;
    struct pl_delivery_metrics metrics;
};

/* Connects to Kafka, fences an earlier instance and ends what it left open, then ensures the
 * topics. For use at start: blocks, each step up to start_timeout. */
int pl_delivery_new(struct pl_daemon *daemon, const struct pl_delivery_conf *conf,
                    const struct pl_delivery_ops *ops, void *userdata, struct pl_delivery **ret,
                    struct pl_err *err);
/* As pl_producer_free(): undoes an open transaction; one being committed may be undone or not. */
void pl_delivery_free(struct pl_delivery *d);
PL_DEFINE_CLEANUP(struct pl_delivery *, pl_delivery_free);

/* pl_kafka_positions_read() of position_topic, with STATUS. A source with several deliveries makes
 * them all before it reads: only then can no earlier instance commit a position any more. */
int pl_delivery_positions_read(struct pl_delivery *d, struct pl_kafka_position *positions, size_t n,
                               struct pl_err *err);
/* Reads the position of position_key. 1: found; 0: there is none; -1: error. Valid until the next
 * commit or read. */
int pl_delivery_position_read(struct pl_delivery *d, struct pl_slice *ret, struct pl_err *err);
/* The record committed or read last, under any key; len 0: none. Where a source with one position
 * resumes after an abort. Valid until the next commit. */
struct pl_slice pl_delivery_position(const struct pl_delivery *d);

/* IDLE or OPEN: messages are taken. */
bool pl_delivery_can_take(const struct pl_delivery *d);
/* As pl_producer_send(), and begins a transaction if none is open. After an error other than REJECT
 * the caller aborts (or fails, if FATAL). Only while pl_delivery_can_take(), but an abort may have
 * begun meanwhile: RETRY. */
enum pl_send_result pl_delivery_send(struct pl_delivery *d, const struct pl_message *m,
                                     struct pl_err *err);
/* All messages of one more item were sent. */
void pl_delivery_item_end(struct pl_delivery *d, uint64_t records);

/* Sends the position and commits; on_done follows. `key` NULL: without a position; else borrowed
 * until on_done. Begins a transaction if none is open, for the position alone. An abort that has
 * begun continues. */
void pl_delivery_commit(struct pl_delivery *d, const char *key);
/* Undoes; on_done follows, with `why`. Ignored when nothing is open. */
void pl_delivery_abort(struct pl_delivery *d, const struct pl_err *why);
/* The caller cannot continue: FAILED; calls on_failed, unless it was called before. */
void pl_delivery_fail(struct pl_delivery *d, const struct pl_err *err);

/* pl_transaction_open_ms_max() of transaction.timeout.ms in use. */
int64_t pl_delivery_open_ms_max(const struct pl_delivery *d);
/* From now on it commits by these limits, also an open transaction, and by age no later than
 * pl_delivery_open_ms_max(). For a source whose items are one message each: it may commit after
 * any. */
void pl_delivery_limit(struct pl_delivery *d, const struct pl_limits *limits);
/* The position has moved; call it for each item, after it was sent. With limits it may begin a
 * commit. */
void pl_delivery_moved(struct pl_delivery *d);
/* Commits now, under `position_key`. false: there is nothing to commit, or a commit or abort is
 * under way (see pl_delivery_is_idle()). */
bool pl_delivery_flush(struct pl_delivery *d);

/* Nothing is open or waits to be committed; or FAILED. */
bool pl_delivery_is_idle(const struct pl_delivery *d);
bool pl_delivery_is_stalled(const struct pl_delivery *d); /* Kafka is away (lib/kafka/stall.h) */
bool pl_delivery_is_stuck(const struct pl_delivery *d);   /* pl_producer_is_stuck() */
/* Of the open transaction. */
const struct pl_delivery_sums *pl_delivery_sums(const struct pl_delivery *d);
/* Logs the sums of many transactions, the first at once, then once a minute: call it each tick.
 * `now`: what is not logged yet, at the end. */
void pl_delivery_log(struct pl_delivery *d, bool now);
rd_kafka_t *pl_delivery_client(struct pl_delivery *d);

#endif

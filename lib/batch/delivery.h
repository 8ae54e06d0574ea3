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
 * The position's record is the last message before the commit, so what readers see always is "these
 * messages, and exactly this is where they end". While the queue is full the commit waits for room
 * for that record, and goes on by itself. Nothing is kept here for a second try: after an abort the
 * source goes back to the position committed last and fetches again.
 *
 * Who commits: the caller, or with limits (pl_delivery_limit()) the delivery itself, by age, bytes
 * or count; a position that moved without any message is then committed alone, after a while.
 *
 * An item is what the source counts (an event, an element of an answer); it becomes one message or
 * several.
 *
 * A commit has no time limit (lib/kafka/producer.h): Kafka's absence is logged, shown by
 * pl_delivery_is_stalled(), and holds the source back, as nothing is taken meanwhile.
 *
 * Threads: the loop's.
 */
#ifndef PL_BATCH_DELIVERY_H
#define PL_BATCH_DELIVERY_H

#include "lib/batch/limits.h"
#include "lib/kafka/producer.h"
#include "lib/metrics/metrics.h"
#include "lib/service/daemon.h"

struct pl_delivery;

/* Of one transaction, without the position's record. */
struct pl_delivery_sums {
    uint64_t items, records;  /* records: what is inside of items, where the source counts it */
    uint64_t messages, bytes; /* bytes: keys and values */
    int64_t commit_ms;
};

struct pl_delivery_ops {
    /* Appends the position as it is now: the transaction is about to be committed with it. */
    void (*encode_position)(void *userdata, struct pl_buf *out);
    /* There is room again for what PL_SEND_FULL refused; not once the transaction is being ended,
     * since on_done follows then. May be NULL. */
    void (*on_room)(void *userdata);
    /* The transaction is over. `err` NULL: committed. Else nothing of it is in the topic: RETRY, or
     * CONFIG where trying again cannot help. */
    void (*on_done)(void *userdata, const struct pl_delivery_sums *sums, const struct pl_err *err);
    /* No further work is possible. Called once; nothing else is called afterwards. */
    void (*on_failed)(void *userdata, const struct pl_err *err);
};

/* Indexes; PL_METRICS_NONE where the daemon has no such metric. */
struct pl_delivery_metrics {
    struct pl_metrics *values;
    unsigned delivered, records, messages, bytes; /* of what is committed */
    unsigned refetched;                           /* items undone */
    unsigned committed, aborted, commit_seconds;  /* transactions */
    unsigned in_flight;                           /* items of the open one */
};

/* Strings, maps and metrics are borrowed and outlive the delivery, but for the ids. */
struct pl_delivery_conf {
    const struct pl_map *kafka; /* the user's properties */
    const char *transactional_id, *client_id;
    const char *topic;
    const char *position_topic; /* NULL: no positions are kept */
    const char *position_key;   /* for commits by limits */
    int64_t message_bytes_max, queue_bytes_max;
    struct {
        bool enabled;
        int64_t partitions, replication, retention_ms; /* -1: the broker's; retention 0: as well */
        const char *segment_ms;                        /* NULL: the broker's */
    } create;                                          /* topics that are missing */
    int64_t start_timeout_ms;
    /* What to do where the topic accepts only smaller messages; NULL: raise its limit to ours. */
    const char *too_large_advice;
    struct pl_delivery_metrics metrics;
};

/* Connects to Kafka, fences an earlier instance and ends what it left open, then ensures both
 * topics. Blocks, each step up to start_timeout; for use at start. */
int pl_delivery_new(struct pl_daemon *daemon, const struct pl_delivery_conf *conf,
                    const struct pl_delivery_ops *ops, void *userdata, struct pl_delivery **ret,
                    struct pl_err *err);
/* See pl_producer_free(): an open transaction is undone, one that is being committed may be or not.
 * Calls no callbacks. */
void pl_delivery_free(struct pl_delivery *d);
PL_DEFINE_CLEANUP(struct pl_delivery *, pl_delivery_free);

/* Creates the data topic where it is missing and that is wanted; CONFIG if missing. Part of
 * pl_delivery_new(); for those who send without one. Uses `topic`, `message_bytes_max`, `create`
 * and `start_timeout_ms`. */
int pl_delivery_topic_need(rd_kafka_t *rk, const struct pl_delivery_conf *conf, struct pl_err *err);

/* Reads the record that was committed last under `key`. 1: it is there; 0: there is none; -1:
 * error. Valid until the next commit or reading. For use at start: blocks up to twice start_timeout
 * (to look the topic up, and to read it). */
int pl_delivery_position_read(struct pl_delivery *d, const char *key, struct pl_slice *ret,
                              struct pl_err *err);
/* The record that was committed or read last, under whatever key; len 0: none. Where a source with
 * one position goes on after an abort. Valid until the next commit. */
struct pl_slice pl_delivery_position(const struct pl_delivery *d);

/* IDLE or OPEN: messages are taken. */
bool pl_delivery_can_take(const struct pl_delivery *d);
/* As pl_producer_send(), and begins a transaction where none is open. After an error other than
 * REJECT the caller aborts (or fails, when it is FATAL). Only while pl_delivery_can_take(), but an
 * abort may have begun meanwhile: RETRY. */
enum pl_send_result pl_delivery_send(struct pl_delivery *d, const struct pl_message *m,
                                     struct pl_err *err);
/* All messages of one more item are in, with so many records in it. */
void pl_delivery_item_end(struct pl_delivery *d, uint64_t records);

/* Puts the position behind what was sent and commits; on_done follows. `key` NULL: without a
 * position; else it is borrowed until on_done. Begins a transaction where none is open: the
 * position alone may be committed. Where an abort is under way, it goes on. */
void pl_delivery_commit(struct pl_delivery *d, const char *key);
/* Undoes; on_done follows, with `why`. Nothing happens where nothing is open. */
void pl_delivery_abort(struct pl_delivery *d, const struct pl_err *why);
/* The caller cannot go on: FAILED, on_failed is called from inside unless it was before. */
void pl_delivery_fail(struct pl_delivery *d, const struct pl_err *err);

/* From now on it commits by these limits, an open transaction included. For a source whose items
 * are one message each: it may commit after any. */
void pl_delivery_limit(struct pl_delivery *d, const struct pl_limits *limits);
/* The position has moved; call it for each item that is accounted for, after it was sent. With
 * limits it may begin a commit. */
void pl_delivery_moved(struct pl_delivery *d);
/* Commits under `position_key` what was sent or moved, now. false: there is nothing, or a commit or
 * abort runs already (pl_delivery_is_idle() tells). */
bool pl_delivery_flush(struct pl_delivery *d);

/* Nothing is open and nothing waits to be committed; or FAILED. */
bool pl_delivery_is_idle(const struct pl_delivery *d);
bool pl_delivery_is_stalled(const struct pl_delivery *d); /* Kafka is away */
bool pl_delivery_is_stuck(const struct pl_delivery *d);   /* pl_producer_is_stuck() */
/* Of the open transaction. */
const struct pl_delivery_sums *pl_delivery_sums(const struct pl_delivery *d);
/* For a source whose transactions come by the second, for ever: logs them as sums, the first at
 * once, then one line a minute; call it each tick. `now`: what is not logged yet, at the end. */
void pl_delivery_log(struct pl_delivery *d, bool now);
rd_kafka_t *pl_delivery_client(struct pl_delivery *d);

#endif

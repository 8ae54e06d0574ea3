/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - events and the position into Kafka, in one transaction.
 *
 * A transaction opens with its first event and is committed by age, bytes or count; the record of
 * the position goes in last, so what is committed always is "these events, and exactly this is
 * where they end". Where only the position moved (canaries, filtered events), it is committed
 * alone, every few seconds.
 *
 * While a commit or abort runs nothing is taken (delivery_can_take() is false), on_ready follows.
 *
 * Threads: the loop's.
 */
#ifndef WIKISRCD_DELIVERY_H
#define WIKISRCD_DELIVERY_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"
#include "lib/kafka/producer.h"
#include "lib/metrics/metrics.h"
#include "lib/service/daemon.h"

/* How long a position that moved without any event to deliver may stay uncommitted. */
#define DELIVERY_POSITION_MS 5000

struct delivery;

struct delivery_ops {
    /* Appends the position as it is now; called when a transaction is about to be committed. */
    void (*encode_position)(void *userdata, struct pl_buf *out);
    /* Events are taken again: after a commit, or when there is room. */
    void (*on_ready)(void *userdata);
    /* The transaction is undone: go back to `position` (the bytes committed last; len 0: there is
     * none) and fetch again after wait_ms. */
    void (*on_rewind)(void *userdata, struct pl_slice position, int64_t wait_ms);
    /* No further work is possible: end with this error. */
    void (*on_failed)(void *userdata, const struct pl_err *err);
};

/* Connects to Kafka, fences an earlier instance, creates the topics where that is wanted, and reads
 * the position. Blocks, each step up to start_timeout; for use at start. `conf`, `metrics` outlive
 * it.
 */
int delivery_new(struct pl_daemon *d, const struct wikisrcd_conf *conf, struct pl_metrics *metrics,
                 const struct delivery_ops *ops, void *userdata, struct delivery **ret,
                 struct pl_err *err);
void delivery_free(struct delivery *d);
PL_DEFINE_CLEANUP(struct delivery *, delivery_free);

/* The position that stands in Kafka; len 0: none. Valid until the next commit. */
struct pl_slice delivery_position(const struct delivery *d);

bool delivery_can_take(const struct delivery *d);

enum delivery_result {
    DELIVERY_OK,
    DELIVERY_LATER,     /* nothing taken; on_ready follows */
    DELIVERY_TOO_LARGE, /* nothing taken; Kafka's client refuses it for its size */
};
/* Only while delivery_can_take(). After DELIVERY_OK the caller moves the position and calls
 * delivery_moved(). */
enum delivery_result delivery_send(struct delivery *d, const struct event *event,
                                   struct pl_slice data, int64_t now_ms);
/* The position has moved. May begin a commit. */
void delivery_moved(struct delivery *d);
/* The batch options may have changed (SIGHUP). */
void delivery_reloaded(struct delivery *d);
/* Commits what there is, now. false: nothing is open and nothing moved, or a commit runs already
 * (delivery_is_idle() tells). */
bool delivery_flush(struct delivery *d);
/* Nothing is open and nothing waits to be committed. */
bool delivery_is_idle(const struct delivery *d);

uint64_t delivery_in_flight(const struct delivery *d); /* events in the open transaction */
/* For the loop's tick: logs what was committed, as sums, since transactions come by the second, for
 * ever: the first at once, then one line a minute; `now`: what is not logged yet, at the end. */
void delivery_log(struct delivery *d, bool now);
/* Monotonic time of the last commit, 0: none yet; and how many events it had. */
int64_t delivery_committed_ms(const struct delivery *d, uint64_t *ret_events);
bool delivery_is_stalled(const struct delivery *d); /* Kafka is away */
bool delivery_is_stuck(const struct delivery *d);   /* pl_producer_is_stuck() */

/* The message for an event: key, value and time. `*ret_replaced`: its own time was absent or not to
 * be believed, so it gets the time of arrival. Pure; shared with --produce. */
struct pl_message delivery_message(const char *topic, const struct event *event,
                                   struct pl_slice data, int64_t now_ms, bool *ret_replaced);
/* Creates the topic for events where it is missing and that is wanted; CONFIG if missing. */
int delivery_topic_ensure(rd_kafka_t *rk, const struct wikisrcd_conf *conf, struct pl_err *err);

#endif

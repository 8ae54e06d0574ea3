/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - elements of one window and the position behind it into Kafka, in one transaction.
 *
 *   IDLE ──begin──> OPEN ──commit──> ENDING ──> IDLE, on_done without an error
 *                     └──abort, or a message failed──> ENDING ──> IDLE, on_done with the error
 *
 * The record of the position is the last message before the commit, so what readers see is whole
 * windows, and the position always stands at the end of the last of them. (--once gives no
 * position: a range that a person loads does not disturb that of the service.)
 *
 * One transaction at a time, so one window at a time.
 *
 * A message is an element as it came. Headers: wmfetchd-window "APPLICATION/INDEX/FROM/END" and,
 * where an element is too large for one message, wmfetchd-part "1/3" (element.h).
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_DELIVERY_H
#define WMFETCHD_DELIVERY_H

#include "daemons/wmfetchd/conf.h"
#include "daemons/wmfetchd/window/schedule.h"
#include "lib/kafka/producer.h"
#include "lib/metrics/metrics.h"
#include "lib/service/daemon.h"

struct delivery;

struct delivery_sums {
    uint64_t elements, records, messages, bytes; /* bytes: keys and values */
    int64_t commit_ms;
};

struct delivery_ops {
    /* The element that was refused by DELIVERY_LATER may be offered again; or the transaction has
     * begun to be undone, and on_done follows: see delivery_is_open(). */
    void (*on_room)(void *userdata);
    /* The transaction is over. `err` NULL: committed. Else nothing of it is in the topic: RETRY, or
     * CONFIG where trying again cannot help. */
    void (*on_done)(void *userdata, const struct delivery_sums *sums, const struct pl_err *err);
    /* No further work is possible: end with this error. */
    void (*on_failed)(void *userdata, const struct pl_err *err);
};

/* Connects to Kafka, fences an earlier instance of the same name, creates the topics where that is
 * wanted. Blocks up to some times start_timeout. `once`: under an id of its own, without positions.
 * `conf`, `metrics` outlive it. */
int delivery_new(struct pl_daemon *d, const struct wmfetchd_conf *conf, bool once,
                 struct pl_metrics *metrics, const struct delivery_ops *ops, void *userdata,
                 struct delivery **ret, struct pl_err *err);
void delivery_free(struct delivery *d);
PL_DEFINE_CLEANUP(struct delivery *, delivery_free);

/* Reads the position of a series from Kafka. 1: it is there, 0: there is none, -1: error. Blocks.
 */
int delivery_position_read(struct delivery *d, const char *key, struct schedule_position *ret,
                           struct pl_err *err);

/* Only while idle. `window`: the header's text, copied. FATAL where the producer is unusable. */
int delivery_begin(struct delivery *d, const char *window, struct pl_err *err);

enum delivery_result {
    DELIVERY_OK,
    DELIVERY_LATER, /* nothing, or only parts of it, taken: offer it again after on_room */
    DELIVERY_BAD,   /* it cannot be written, the error says why: abort */
};
enum delivery_result delivery_send(struct delivery *d, struct pl_slice element, struct pl_err *err);

/* Puts the position (both NULL: none) behind what was sent, and commits; on_done follows. Where an
 * abort has begun already, it goes on. */
void delivery_commit(struct delivery *d, const char *key, const struct schedule_position *position);
/* Undoes; on_done follows, with `why`. */
void delivery_abort(struct delivery *d, const struct pl_err *why);

bool delivery_is_idle(const struct delivery *d);
bool delivery_is_open(const struct delivery *d);    /* takes elements */
bool delivery_is_stalled(const struct delivery *d); /* Kafka is away */
bool delivery_is_stuck(const struct delivery *d);   /* pl_producer_is_stuck() */
/* Of the open transaction. */
const struct delivery_sums *delivery_sums(const struct delivery *d);
/* How long a transaction may take to be filled, so that the broker does not end it meanwhile. */
int64_t delivery_open_ms_max(const struct delivery *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - elements of one window and the position after it into Kafka: what wmfetchd adds to
 * lib/batch/delivery.h, which is how an element becomes one message or several, and the topic's
 * limit. One transaction at a time, so one window at a time: each slot of the service
 * (window/turns.h) has a delivery with its own transactional id.
 *
 * A message is an element as it came. Headers: wmfetchd-window "APPLICATION/INDEX/FROM/END" and,
 * where an element is too large for one message, wmfetchd-part "1/3" (element.h).
 *
 * With --once there is no position, so a range that a person loads leaves the service's alone.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_DELIVERY_H
#define WMFETCHD_DELIVERY_H

#include "daemons/wmfetchd/conf.h"
#include "daemons/wmfetchd/window/schedule.h"
#include "daemons/wmfetchd/window/turns.h"
#include "lib/batch/delivery.h"

struct delivery;

/* In place of a slot, for --once: an id of its own, no positions. */
#define DELIVERY_ONCE (-1)

/* The transactional.id of a slot: wmfetchd-NAME for the first, wmfetchd-NAME/1 … for the others,
 * wmfetchd-NAME/once for DELIVERY_ONCE; as a name has no '/', never that of another name. Freed by
 * the caller. */
char *delivery_id(const struct wmfetchd_conf *conf, int slot);

/* The key of the claim (load_claim()). Other sources may keep positions in the same topic, under
 * their NAME alone. Freed by the caller. */
char *delivery_claim_key(const struct wmfetchd_conf *conf);

/* Fences the ids of slots `from` to TURNS_SLOTS_MAX - 1, which an earlier instance with more slots
 * may still use; our own are fenced by delivery_new(). To be called before positions are read.
 * Blocks up to start_timeout. */
struct delivery_env;
int delivery_fence(struct delivery_env *env, int from, struct pl_err *err);

struct delivery_env {
    struct pl_daemon *daemon;
    const struct wmfetchd_conf *conf;
    struct pl_metrics *metrics;
    int64_t message_max; /* bytes, found by the first delivery; 0: not known yet */
};

/* Connects (pl_delivery_new()). `env` and what it refers to must outlive the delivery. */
int delivery_new(struct delivery_env *env, int slot, const struct pl_delivery_ops *ops,
                 void *userdata, struct delivery **ret, struct pl_err *err);
void delivery_free(struct delivery *d);
PL_DEFINE_CLEANUP(struct delivery *, delivery_free);

/* For committing, aborting, sums and states. */
struct pl_delivery *delivery_kafka(const struct delivery *d);

struct delivery_position {
    const char *key; /* asked for; borrowed */
    bool there;
    struct schedule_position position;
};

/* Reads the positions of all series from Kafka, in one pass. Blocks
 * (pl_delivery_positions_read()). */
int delivery_positions_read(struct delivery *d, struct delivery_position *positions, size_t n,
                            struct pl_err *err);

/* Another window begins. `window`: the header's text, copied. Only while idle. */
void delivery_begin(struct delivery *d, const char *window);
/* FULL: none or only parts of it are taken; offer the same again after on_room. ERROR: it cannot be
 * written, abort. */
enum pl_send_result delivery_send(struct delivery *d, struct pl_slice element, struct pl_err *err);

/* Whether delivery_send() last failed because the element is too large for messages. */
bool delivery_is_too_large(const struct delivery *d);

/* The record of a window that is passed (giveup.h). */
struct delivery_letter {
    const char *key; /* of the position */
    const char *reason, *begin;
    struct pl_slice fault;
};
/* Writes a dead letter instead of elements, after delivery_begin(): `fault` to dead_letter_topic,
 * with the headers wmfetchd-window, wmfetchd-reason and wmfetchd-begin. */
int delivery_letter_send(struct delivery *d, const struct delivery_letter *letter,
                         struct pl_err *err);

/* How long filling a transaction may take before the broker might end it. */
int64_t delivery_open_ms_max(const struct delivery *d);

#endif

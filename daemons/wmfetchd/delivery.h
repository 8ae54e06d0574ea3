/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - elements of one window and the position after it into Kafka: what wmfetchd adds to
 * lib/batch/delivery.h, which is how an element becomes one message or several, and the topic's
 * limit. One transaction at a time, so one window at a time.
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
#include "lib/batch/delivery.h"

struct delivery;

/* pl_delivery_new(). `once`: under its own id, without positions. `conf`, `metrics` outlive
 * it. */
int delivery_new(struct pl_daemon *d, const struct wmfetchd_conf *conf, bool once,
                 struct pl_metrics *metrics, const struct pl_delivery_ops *ops, void *userdata,
                 struct delivery **ret, struct pl_err *err);
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

/* How long filling a transaction may take before the broker might end it. */
int64_t delivery_open_ms_max(const struct delivery *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - elements of one window and the position behind it into Kafka: what wmfetchd adds to
 * lib/batch/delivery.h, which is how an element becomes a message or several, and the limit of the
 * topic. One transaction at a time, so one window at a time.
 *
 * A message is an element as it came. Headers: wmfetchd-window "APPLICATION/INDEX/FROM/END" and,
 * where an element is too large for one message, wmfetchd-part "1/3" (element.h).
 *
 * With --once there is no position: a range that a person loads does not disturb that of the
 * service.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_DELIVERY_H
#define WMFETCHD_DELIVERY_H

#include "daemons/wmfetchd/conf.h"
#include "daemons/wmfetchd/window/schedule.h"
#include "lib/batch/delivery.h"

struct delivery;

/* pl_delivery_new(). `once`: under an id of its own, without positions. `conf`, `metrics` outlive
 * it. */
int delivery_new(struct pl_daemon *d, const struct wmfetchd_conf *conf, bool once,
                 struct pl_metrics *metrics, const struct pl_delivery_ops *ops, void *userdata,
                 struct delivery **ret, struct pl_err *err);
void delivery_free(struct delivery *d);
PL_DEFINE_CLEANUP(struct delivery *, delivery_free);

/* For committing, aborting, sums and states. */
struct pl_delivery *delivery_kafka(const struct delivery *d);

/* Reads the position of a series from Kafka. 1: it is there, 0: there is none, -1: error.
 * Blocks. */
int delivery_position_read(struct delivery *d, const char *key, struct schedule_position *ret,
                           struct pl_err *err);

/* What follows is of another window. `window`: the header's text, copied. Only while idle. */
void delivery_begin(struct delivery *d, const char *window);
/* FULL: nothing, or only parts of it, is taken: offer it again, as it was, after on_room. ERROR: it
 * cannot be written, abort. */
enum pl_send_result delivery_send(struct delivery *d, struct pl_slice element, struct pl_err *err);

/* How long a transaction may take to be filled, so that the broker does not end it meanwhile. */
int64_t delivery_open_ms_max(const struct delivery *d);

#endif

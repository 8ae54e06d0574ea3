/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - what lib/batch/delivery.h has to know of wikisrcd: its configuration, its metrics,
 * and how an event becomes a message.
 */
#ifndef WIKISRCD_DELIVERY_H
#define WIKISRCD_DELIVERY_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"
#include "lib/batch/delivery.h"

/* pl_delivery_new(), with the limits set and the position read. `conf`, `metrics` outlive it. */
int delivery_new(struct pl_daemon *d, const struct wikisrcd_conf *conf, struct pl_metrics *metrics,
                 const struct pl_delivery_ops *ops, void *userdata, struct pl_delivery **ret,
                 struct pl_err *err);
/* The batch options may have changed (SIGHUP). */
void delivery_reloaded(struct pl_delivery *d, const struct wikisrcd_conf *conf);

/* The message for an event: key, value and time. `*ret_replaced`: its own time was absent or not to
 * be believed, so it gets the time of arrival. Pure; shared with --produce. */
struct pl_message delivery_message(const char *topic, const struct event *event,
                                   struct pl_slice data, int64_t now_ms, bool *ret_replaced);
/* Creates the topic for events where it is missing and that is wanted; CONFIG if missing. */
int delivery_topic_ensure(rd_kafka_t *rk, const struct wikisrcd_conf *conf, struct pl_err *err);

#endif

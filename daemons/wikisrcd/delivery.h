/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - what lib/batch/delivery.h needs from wikisrcd: configuration, metrics, and how an
 * event becomes a message.
 */
#ifndef WIKISRCD_DELIVERY_H
#define WIKISRCD_DELIVERY_H

#include "daemons/wikisrcd/conf.h"
#include "daemons/wikisrcd/event/event.h"
#include "lib/batch/delivery.h"

struct delivery_use {
    const char *id;           /* suffix of the transactional.id, after wikisrcd-NAME */
    const char *position_key; /* NULL: without positions or limits */
};

/* pl_delivery_new(), with the limits set and the position read. `conf`, `metrics` and the key
 * outlive it. */
int delivery_new(struct pl_daemon *d, const struct wikisrcd_conf *conf, struct delivery_use use,
                 struct pl_metrics *metrics, const struct pl_delivery_ops *ops, void *userdata,
                 struct pl_delivery **ret, struct pl_err *err);
/* The batch options may have changed (SIGHUP). */
void delivery_reloaded(struct pl_delivery *d, const struct wikisrcd_conf *conf);

/* The message for an event. It borrows from delivery_message()'s arguments and points into itself,
 * so it must not be moved. */
struct delivery_message {
    struct pl_message m;
    struct pl_header headers[2]; /* wikisrcd-stream, wikisrcd-id: where the event has them */
    bool time_replaced;          /* the event's own was absent or not believable */
};

/* The source's clock, and ours, which Kafka's brokers may share. */
struct delivery_now {
    int64_t source_ms, ours_ms;
};

/* Topic, key, value (`data`: the event as received, or redacted), headers and time. Pure. */
void delivery_message(const struct wikisrcd_conf *conf, const struct event *event,
                      struct pl_slice data, struct delivery_now now, struct delivery_message *ret);

#endif

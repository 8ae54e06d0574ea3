/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlap.h - two routes that take the same topic: each message would belong to one of them by the
 * order of files, and the other's table would lack it.
 *
 * A topic's name that both take is searched for, by writing names that one pattern takes and trying
 * them on the other. So what is found is so; two patterns of which nothing is found may still
 * overlap, and a topic of both is refused when it is met (chsinkd_conf_topic_check()).
 *
 * Pure.
 */
#ifndef CHSINKD_ROUTE_OVERLAP_H
#define CHSINKD_ROUTE_OVERLAP_H

#include "daemons/chsinkd/route/route.h"

/* The longest name of a topic (org.apache.kafka.common.internals.Topic). */
#define ROUTE_TOPIC_MAX 249

/* true: both take the topic `ret_topic` (ROUTE_TOPIC_MAX + 1 bytes). */
bool route_overlaps(const struct route *a, const struct route *b, char *ret_topic);

#endif

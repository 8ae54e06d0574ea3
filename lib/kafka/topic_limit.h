/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_limit.h - asks Kafka how large a message of a topic may be (max.message.bytes).
 *
 * Threads: any; blocks, for use at start.
 */
#ifndef PL_KAFKA_TOPIC_LIMIT_H
#define PL_KAFKA_TOPIC_LIMIT_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

/* -1 where it cannot be known (no right to describe it): then our own limit has to do, and a
 * message that the broker refuses is an error that says so. */
int64_t pl_kafka_topic_limit(rd_kafka_t *rk, const char *topic, int timeout_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic.h - topics: whether one exists, creating it, its message size limit.
 *
 * All calls block, up to `timeout_ms`, and are for use at start; a pending stop signal ends them
 * (RETRY), except pl_kafka_topic_limit(). Threads: any.
 */
#ifndef PL_KAFKA_TOPIC_H
#define PL_KAFKA_TOPIC_H

#include "lib/kafka/client.h"

struct pl_kafka_topic_spec {
    const char *name;
    int partitions;            /* -1: the broker's default */
    int replication;           /* -1: the broker's default */
    const char *const *config; /* pairs, NULL-terminated; may be NULL */
};

/* 1: it exists; 0: it does not; -1: error. ret_partitions may be NULL. (With
 * allow.auto.create.topics=true, librdkafka's default for producers, asking may make the broker
 * create it: pl_producer sets false.) */
int pl_kafka_topic_exists(rd_kafka_t *rk, const char *topic, int timeout_ms, int *ret_partitions,
                          struct pl_err *err);
/* Creates it if missing, and waits until its leaders are known. ret_created may be NULL. */
int pl_kafka_topic_ensure(rd_kafka_t *rk, const struct pl_kafka_topic_spec *spec, int timeout_ms,
                          bool *ret_created, struct pl_err *err);

/* Creates it if missing, and logs that. Without `may_create` a missing one is a CONFIG error. */
int pl_kafka_topic_need(rd_kafka_t *rk, const struct pl_kafka_topic_spec *spec, bool may_create,
                        int timeout_ms, struct pl_err *err);

/* The same for a source's position topic: compacted, one partition, with short segments and eager
 * compaction, since one record is overwritten all the time and a start reads the whole topic. */
int pl_kafka_position_topic_need(rd_kafka_t *rk, const char *name, int replication, bool may_create,
                                 int timeout_ms, struct pl_err *err);

/* The topic's max.message.bytes; -1 when unknown (no permission to describe it). */
int64_t pl_kafka_topic_limit(rd_kafka_t *rk, const char *topic, int timeout_ms);

#endif

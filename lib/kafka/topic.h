/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic.h - topics: whether one exists, creating it, its message limit, and the last value of a key
 * in a compacted one.
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

/* Reads a compacted topic (all partitions, committed records only, from the beginning to its
 * present end) and returns the value of the last record with `key`: malloc()ed in *ret_value, or
 * NULL with length 0 when there is none (or a tombstone). The end is the last stable offset: an
 * open transaction hides what follows it, so run init_transactions (pl_producer_new) first. CONFIG
 * when the topic is missing, RETRY when the end is not reached within timeout_ms. */
int pl_kafka_read_last(const struct pl_map *map, const char *topic, const char *key, int timeout_ms,
                       char **ret_value, size_t *ret_len, struct pl_err *err);

/* The topic's max.message.bytes; -1 when unknown (no permission to describe it). */
int64_t pl_kafka_topic_limit(rd_kafka_t *rk, const char *topic, int timeout_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic.h - topics: whether one is there, creating it, its limit for a message, and the last value
 * of a key in a compacted one.
 *
 * All of it blocks, up to `timeout_ms`, and is for use at start; a stop signal that waits for the
 * loop ends it (RETRY; pl_kafka_topic_limit() alone ignores it). Threads: any.
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

/* 1: it is there; 0: it is not; -1: error. ret_partitions may be NULL. (With
 * allow.auto.create.topics=true, librdkafka's default for producers, a broker may create the topic
 * for being asked: pl_producer sets it to false.) */
int pl_kafka_topic_exists(rd_kafka_t *rk, const char *topic, int timeout_ms, int *ret_partitions,
                          struct pl_err *err);
/* Creates it when missing (already there is success). *ret_created may be NULL. Waits until its
 * leaders are known. */
int pl_kafka_topic_ensure(rd_kafka_t *rk, const struct pl_kafka_topic_spec *spec, int timeout_ms,
                          bool *ret_created, struct pl_err *err);

/* The topic is there afterwards: it was, or it is created and that is logged. Without `may_create`
 * a missing one is a CONFIG error that says what to do. */
int pl_kafka_topic_need(rd_kafka_t *rk, const struct pl_kafka_topic_spec *spec, bool may_create,
                        int timeout_ms, struct pl_err *err);

/* A source's topic of positions: compacted, one partition, with short segments and eager
 * compaction, since one record is overwritten all the time and the whole topic is read at a
 * start. */
int pl_kafka_position_topic_need(rd_kafka_t *rk, const char *name, int replication, bool may_create,
                                 int timeout_ms, struct pl_err *err);

/* Reads a compacted topic (all its partitions, committed records only, from the beginning to its
 * end as it is now) with a consumer of its own and returns the value of the last record with `key`:
 * malloc()ed in *ret_value, or NULL with length 0 when there is none (or a tombstone). The end is
 * the last stable offset: an open transaction hides what is behind it, so run init_transactions
 * (pl_producer_new) first. A topic that is not there is a CONFIG error, no end within timeout_ms a
 * RETRY. */
int pl_kafka_read_last(const struct pl_map *map, const char *topic, const char *key, int timeout_ms,
                       char **ret_value, size_t *ret_len, struct pl_err *err);

/* How large a message of the topic may be (its max.message.bytes). -1 where that cannot be
 * known (no right to describe it): then the caller's own limit has to do, and a message that the
 * broker refuses is an error that says so. */
int64_t pl_kafka_topic_limit(rd_kafka_t *rk, const char *topic, int timeout_ms);

#endif

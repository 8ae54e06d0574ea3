/* SPDX-License-Identifier: Apache-2.0 */
/*
 * successor.h - who has taken over a source's positions: for an instance that Kafka has fenced.
 *
 * Kafka says only that a transactional id is no longer ours, and it says the same when no other
 * instance is there: a coordinator ends a transaction whose age, by the coordinator's own wall
 * clock, exceeds transaction.timeout.ms, and fences its producer. A clock that is set forward
 * (a new coordinator's may be, too) makes any open transaction too old. So the position topic is
 * asked: each instance writes there as soon as it has read its positions, and each record names its
 * writer. Whatever others wrote under our keys after we had read them is by an instance that came
 * after us, since those before us were fenced by then.
 *
 * Uncommitted records count: a successor's first transaction may still be open, and waiting for it
 * would be waiting for a stranger.
 *
 * Threads: any; blocks.
 */
#ifndef PL_KAFKA_SUCCESSOR_H
#define PL_KAFKA_SUCCESSOR_H

#include "lib/kafka/positions.h"

struct pl_kafka_successor_ask {
    const struct pl_map *kafka; /* the user's properties */
    const char *topic;          /* of positions */
    const char *key;            /* of our records; one that ends in '/': what the keys begin with */
    const char *us;             /* our own writer header */
    const struct pl_kafka_ends *since; /* found with our positions; n 0: only what comes now */
    int64_t timeout_ms;                /* of the whole call */
};

/* Reads at most the last SUCCESSOR_TAIL records of each partition, then waits for more until
 * timeout_ms or a stop signal. 1: *ret is the writer (malloc()ed, at most PL_KAFKA_WRITER_MAX
 * bytes, "?" if the record has none); 0: nobody has written; -1: the topic cannot be read. */
int pl_kafka_successor_find(const struct pl_kafka_successor_ask *ask, char **ret,
                            struct pl_err *err);

/* A successor's first record is among the newest. Several names may share the topic, but it is a
 * matter of seconds. */
#define SUCCESSOR_TAIL 500

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer.h - what the consumer's thread has, for the files that are it (sink.h).
 *
 * Threads: the consumer's, but for consumer_sink().
 */
#ifndef CHSINKD_SINK_CONSUMER_H
#define CHSINKD_SINK_CONSUMER_H

#include "daemons/chsinkd/sink/sink.h"

/* Messages taken from librdkafka in one call. */
#define CONSUMER_PENDING_MAX 10000

/* A turn: CONSUMER_PENDING_MAX messages decoded. Calls that wait have a limit of their own. */
#define TURN_MS 30000

struct consumer {
    struct sink *sink;
    rd_kafka_queue_t *data;    /* the partitions' queues are forwarded to it */
    rd_kafka_queue_t *commits; /* answers */
    rd_kafka_message_t *pending[CONSUMER_PENDING_MAX];
    ssize_t pending_at, pending_n;
    size_t pending_want, pending_bytes; /* how many are asked for; for so many bytes */
    int64_t busy_ms; /* monotonic: when an array was full last; 0: memory was given back since */
    struct partition *last; /* of the last message: they come in runs */
    /* What the group asks back, while its inserts under way may finish; NULL: nothing. */
    rd_kafka_topic_partition_list_t *revoking;
    int64_t revoke_until_ms; /* monotonic */
    bool closing;            /* nothing is waited for any more */
};

/* The sink whose client it is. */
struct sink *consumer_sink(const rd_kafka_t *rk);

/* Waits until sink_wake(), at most wait_ms. */
void consumer_wait(struct sink *s, int64_t wait_ms);

/* Drops what was fetched of a partition and waits to be decoded. */
void consumer_forget(struct consumer *c, const struct partition *p);

#endif

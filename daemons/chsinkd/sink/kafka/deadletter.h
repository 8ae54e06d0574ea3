/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadletter.h - the writer of dead letters (batch/letters.h): those of a batch go to their topic
 * in one Kafka transaction with the offset after them.
 *
 * Threads: a writer may be called by several threads and serialises them (dead letters are rare; a
 * transaction has one owner).
 */
#ifndef CHSINKD_SINK_DEADLETTER_H
#define CHSINKD_SINK_DEADLETTER_H

#include "daemons/chsinkd/batch/letters.h"
#include "lib/kafka/transaction.h"

/* max.message.bytes of a dead-letter topic that we create: above a broker's default (1 MiB), since
 * what is too large for a row must fit here. */
#define DEADLETTER_MESSAGE_BYTES_MAX (16 * 1024 * 1024)

struct deadletter_writer;

struct deadletter_conf {
    const struct pl_map *kafka; /* borrowed for the writer's life */
    const char *topic;
    const char *transactional_id;
    int64_t message_bytes_max;
};

/* Connects at the first write, not before: most sinks never need it. */
struct deadletter_writer *deadletter_writer_new(const struct deadletter_conf *conf);
void deadletter_writer_free(struct deadletter_writer *w);

struct deadletter_commit {
    const struct dead_letters *letters;
    const rd_kafka_topic_partition_list_t *offsets;  /* after them, with metadata */
    const rd_kafka_consumer_group_metadata_t *group; /* fences a member that lost the partition */
    const _Atomic bool *give_up;                     /* true: stop retrying */
    struct pl_deadline *deadline;                    /* the calling thread's; may be NULL */
};

enum deadletter_result {
    DEADLETTER_COMMITTED,
    DEADLETTER_RETRY,   /* nothing was committed: the same again later */
    DEADLETTER_UNKNOWN, /* it may be committed, or may still be: ask the group's offset, which must
                         * be stable (courier.h), before trying again */
    DEADLETTER_FENCED,  /* nothing was committed: the group does not know us any more, so the
                         * consumer's own rebalance follows */
    DEADLETTER_NEEDS,   /* nothing was committed: a person must act, err says how; the same again
                         * later */
};

/* Writes all letters and commits the offsets, in one transaction; err unless COMMITTED. What stands
 * in the way of that is dealt with:
 *
 * - A letter that is larger than the client's message.max.bytes or the topic's max.message.bytes is
 *   written without its value, with a header chsinkd-value-omitted that says how large it was and
 *   why; chsinkd-topic, -partition and -offset say where the original is. If it still is too
 *   large, its key and the original headers are left out, too. Logged as an ERROR. A letter that
 *   fits is never cut.
 * - A transaction that was not done after transaction.timeout.ms: the next try has twice as long,
 *   up to the broker's transaction.max.timeout.ms or 15 minutes. Logged. It stays so for the
 *   writer's life.
 * - Another client with our transactional.id: the next try takes it back. The group decides who
 *   owns a partition, not this id. */
enum deadletter_result deadletter_write(struct deadletter_writer *w,
                                        const struct deadletter_commit *commit, struct pl_err *err);

#endif

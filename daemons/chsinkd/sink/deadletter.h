/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadletter.h - the writer of dead letters (batch/letters.h): those of a batch go to their topic in
 * one Kafka transaction with the offset after them.
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

/* One transaction, tried once. 0: committed. Errors: RETRY: nothing was written, or it is not
 * known; read the group's committed offset before trying again. FATAL with code
 * RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION and the like: the partition is no longer ours, nothing was
 * written. REJECT/CONFIG: a person must act (topic missing, too large). */
int deadletter_write(struct deadletter_writer *w, const struct deadletter_commit *commit,
                     struct pl_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadletter.h - messages that do not fit: kept with their batch, then written to the dead-letter
 * topic in one Kafka transaction with the offset after them.
 *
 * A dead letter is the original message (key, value and headers unchanged, a tombstone stays one)
 * with further headers: chsinkd-route, -topic, -partition, -offset, -timestamp (those of the first
 * origin, also after a replay), -row (index of the element; absent: the whole message), -reason,
 * -column, -attempt (1 at first, counted up by --replay).
 *
 * Threads: a list belongs to its batch's owner; a writer may be called by several threads and
 * serialises them (dead letters are rare; a transaction has one owner).
 */
#ifndef CHSINKD_SINK_DEADLETTER_H
#define CHSINKD_SINK_DEADLETTER_H

#include "daemons/chsinkd/sink/message.h"
#include "lib/kafka/transaction.h"

/* max.message.bytes of a dead-letter topic that we create: above a broker's default (1 MiB), since
 * what is too large for a row must fit here. */
#define DEADLETTER_MESSAGE_BYTES_MAX (16 * 1024 * 1024)

struct dead_letter {
    struct dead_letter *next;
    int64_t offset; /* of the original message, also for a replayed one */
    char *reason;
    char *key, *value; /* NULL: none */
    size_t key_len, value_len;
    struct pl_header *headers; /* the original ones, then ours */
    unsigned headers_n;
};

struct dead_letters {
    struct dead_letter *first, *last;
    uint64_t count;
    size_t bytes;
};

struct dead_letter_why {
    const char *route;
    int64_t row;        /* -1: the whole message */
    const char *text;   /* for people: "column x: value is out of range (byte 17)" */
    const char *column; /* may be NULL */
};
/* Copies the message and all of `why`. */
void dead_letters_add(struct dead_letters *l, const rd_kafka_message_t *message,
                      const struct dead_letter_why *why);
void dead_letters_release(struct dead_letters *l);

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

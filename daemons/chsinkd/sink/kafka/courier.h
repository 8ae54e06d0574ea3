/* SPDX-License-Identifier: Apache-2.0 */
/*
 * courier.h - threads for the calls to Kafka that block in librdkafka, so that the consumer's thread
 * never waits: dead letters with the offset after them, the group's offset, where a partition
 * begins and ends, one message.
 *
 *     consumer's thread ──courier_submit()──> jobs ──> a thread for each kind, one after another
 *            ^                                                │
 *            └──courier_take_done()── answers <───────────────┘  notify()
 *
 * The kinds wait for different brokers: a partition without a leader holds up neither dead letters
 * nor the group's offsets.
 *
 * A job is tried once, in bounded time; its answer says whether to try again. The caller keeps the
 * back-off.
 *
 * Threads: submit, take_done, stop and is_overdue: any. new and free: the owner.
 */
#ifndef CHSINKD_SINK_COURIER_H
#define CHSINKD_SINK_COURIER_H

#include "daemons/chsinkd/sink/kafka/deadletter.h"
#include "daemons/chsinkd/sink/kafka/extent.h"

enum courier_kind {
    COURIER_LETTERS, /* commits `offset` with `metadata`, and `letters` in the same transaction */
    COURIER_OFFSET,  /* reads the group's offset of the partition */
    COURIER_EXTENT,  /* reads where the partition's log begins and ends */
    COURIER_MESSAGE, /* reads the message at `offset` again */
    COURIER_KINDS,
};

enum courier_answer {
    COURIER_OK,
    COURIER_RETRY,   /* without effect: the same again later */
    COURIER_UNKNOWN, /* LETTERS: it may be committed, or may still be: COURIER_OFFSET tells */
    COURIER_FENCED,  /* LETTERS: not committed; we are no member any more, a rebalance follows */
    COURIER_NEEDS,   /* without effect: a person must act (err says how); the same again later */
    COURIER_GONE,    /* MESSAGE: retention or compaction has deleted it */
};

struct courier_job {
    /* The caller's; what they point to stays until the answer is taken. */
    enum courier_kind kind;
    void *userdata;
    const char *topic;
    int32_t partition;
    int64_t offset;
    int wait_ms; /* EXTENT: at most */
    bool again;  /* the same has failed before: goes behind all that have not */
    const struct dead_letters *letters; /* these three: LETTERS only */
    const char *metadata;
    /* Taken by the thread that handles rebalances while the partition is ours, never later: it is
     * what makes Kafka refuse a commit for a partition that we have lost since. */
    const rd_kafka_consumer_group_metadata_t *group;

    /* The courier's. */
    enum courier_answer answer;
    struct pl_err err;           /* unless OK */
    int64_t group_offset;        /* OFFSET, OK: -1: the group has none */
    char *group_metadata;        /* OFFSET, OK: malloc()ed, NULL: none */
    struct extent extent;        /* EXTENT, OK */
    rd_kafka_message_t *message; /* MESSAGE, OK: the taker destroys it, before courier_free() */
    struct courier_job *next;
};

struct courier_conf {
    struct deadletter_conf deadletters;
    /* Its group is asked. With isolation.level=read_committed (which is checked) librdkafka 2.0.2
     * demands stable offsets (rd_kafka_committed() in rdkafka.c; OffsetFetch v7, RequireStable, of
     * KIP-447): while a transaction with an offset of the partition is open, or its end is not
     * applied yet, the broker answers UNSTABLE_OFFSET_COMMIT, librdkafka asks again until its time
     * is over, and the answer here is RETRY. So an offset that is OK shows what our transaction
     * came to. Brokers before 2.5 know no such demand: they give that of this moment. Borrowed,
     * outlives the courier. */
    rd_kafka_t *consumer;
    /* Called on a thread of the courier's when an answer waits; must not block. May be NULL. */
    void (*notify)(void *userdata);
    void *userdata;
};

struct courier;

/* Copies `conf`, but not the texts and the map of `deadletters`. Connects only when a job needs
 * it. */
int courier_new(const struct courier_conf *conf, struct courier **ret, struct pl_err *err);
/* The job is the courier's until courier_take_done() has returned it. After courier_stop() it is
 * answered at once. */
void courier_submit(struct courier *c, struct courier_job *job);
/* Answered jobs, in the order of their answers, linked by `next`. NULL: none. */
struct courier_job *courier_take_done(struct courier *c);
/* Gives up: the jobs under way and all others are answered within seconds (RETRY, or UNKNOWN). */
void courier_stop(struct courier *c);
/* Stops and waits for the threads. What an answer that was not taken holds is freed; the jobs are
 * the caller's. NULL is allowed. */
void courier_free(struct courier *c);
PL_DEFINE_CLEANUP(struct courier *, courier_free);

/* What a thread should have finished long ago; NULL: all is well. For the watchdog. */
const char *courier_overdue(const struct courier *c, int64_t now_ms);

#endif

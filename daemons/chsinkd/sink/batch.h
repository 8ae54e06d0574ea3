/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h - a batch: the rows of a range of offsets of one partition (lib/batch/range.h), and its
 * dead letters.
 *
 * Pure: no I/O, no clock. Threads: a batch is handed from the consumer's thread to an inserter's
 * by the queue, and has one owner at a time.
 */
#ifndef CHSINKD_SINK_BATCH_H
#define CHSINKD_SINK_BATCH_H

#include "daemons/chsinkd/decode/rows.h"
#include "daemons/chsinkd/sink/deadletter.h"
#include "lib/batch/range.h"

/* The format of our announcements. */
#define BATCH_PROGRAM "chsinkd"

struct partition; /* sink.h */

struct batch {
    struct partition *partition;
    unsigned epoch;     /* the partition's when it was read; another now: no longer ours */
    int64_t start, end; /* offsets; end is the last message's + 1 */
    uint64_t messages;  /* all that were read: decoded, dead, skipped */
    uint64_t dead_messages, skipped_messages;
    struct block *block;
    struct dead_letters dead;
    int64_t opened_ms; /* monotonic */
    int64_t newest_ms; /* greatest message timestamp, realtime; 0 none */
    bool announced;    /* found announced: [start, end) is fixed */
    struct batch *next;
};

struct batch_limits {
    uint64_t rows, bytes, messages; /* messages: UINT64_MAX, or fewer while bisecting */
};
/* Whether a batch is to be closed for its size. */
static inline bool batch_is_full(const struct batch *b, const struct batch_limits *limits)
{
    return block_rows(b->block) >= limits->rows || b->messages >= limits->messages ||
           block_bytes(b->block) + b->dead.bytes >= limits->bytes;
}

/* The age at which a batch closes: age_ms, or more where `open` batches would otherwise make more
 * than per_second inserts a second. */
static inline int64_t batch_age_effective(int64_t age_ms, unsigned open, int64_t per_second)
{
    int64_t spread_ms = (int64_t)open * 1000 / per_second;
    return spread_ms > age_ms ? spread_ms : age_ms;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h - a batch is a range of offsets of one partition, and everything that makes it
 * repeatable.
 *
 * Before rows are inserted, the range [start, end) they come from is *announced*: start is
 * committed to the consumer group with the end as its metadata. Whoever owns the partition after a
 * crash finds the announcement, reads exactly that range again, decodes it to the same block, and
 * inserts it with the same token, which ClickHouse knows if the first insert arrived.
 *
 *     committed offset   metadata                 meaning
 *     start              ""                       nothing in flight; the next batch begins at start
 *     start              "chsinkd/1 end=E at=T"   [start, E) was announced at T (Unix, ms)
 *
 * Pure: no I/O, no clock. Threads: a batch is handed from the consumer's thread to an inserter's
 * by the queue, and has one owner at a time.
 */
#ifndef CHSINKD_SINK_BATCH_H
#define CHSINKD_SINK_BATCH_H

#include "daemons/chsinkd/decode/rows.h"
#include "daemons/chsinkd/sink/deadletter.h"

struct announcement {
    int64_t end;   /* offset behind the last one of the range */
    int64_t at_ms; /* Unix milliseconds */
};

#define ANNOUNCEMENT_MAX 80
/* Text for the commit's metadata; `out` at least ANNOUNCEMENT_MAX bytes. */
void announcement_format(const struct announcement *a, char *out);
/* False when the text is not ours (empty, another program's, a newer version): then nothing is
 * announced. */
bool announcement_parse(const char *text, size_t len, struct announcement *ret);

struct partition; /* sink.h */

struct batch {
    struct partition *partition;
    unsigned epoch; /* of the assignment in which it was read; another one now: it is not ours any
                       more */
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
/* Whether a batch that holds so much is to be closed (age apart). */
bool batch_is_full(const struct batch *b, const struct batch_limits *limits);

/* The age at which a batch closes: age_ms, but when `open` batches would make more than per_second
 * inserts a second by age, as long as it takes not to. */
int64_t batch_age_effective(int64_t age_ms, unsigned open, int64_t per_second);

/* insert_deduplication_token: table, topic, partition, start, end and the announcement's time,
 * which whoever repeats the batch reads from the group. The time tells apart what has the same
 * offsets but is another load: a topic that was deleted and made again, another group that reads
 * the topic anew. `out` is reset first. */
struct batch_place {
    const char *table, *topic;
    int32_t partition;
    int64_t announced_ms;
};
const char *batch_token(const struct batch *b, const struct batch_place *place, struct pl_buf *out);

#endif

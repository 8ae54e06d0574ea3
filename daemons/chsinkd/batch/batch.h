/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h - the rows of a range of offsets of one partition, with the boundaries of the messages
 * that gave them, and its dead letters.
 *
 * A batch can be halved in memory at a boundary (the server refuses it for its content or size); a
 * message's rows can be taken out (the message becomes a dead letter), and any rows can (the table
 * has them already). The order of messages and rows never changes.
 *
 * Limits: none of its own; the owner closes it by batch_is_full(), and one message is bounded by
 * its route.
 *
 * Pure: no I/O, no clock. Threads: one owner at a time.
 */
#ifndef CHSINKD_BATCH_BATCH_H
#define CHSINKD_BATCH_BATCH_H

#include "daemons/chsinkd/batch/block.h"
#include "daemons/chsinkd/batch/letters.h"
#include "daemons/chsinkd/batch/whole.h"

enum batch_fate {
    BATCH_ROWS,    /* rows, or an empty array */
    BATCH_DEAD,    /* no rows, a dead letter */
    BATCH_SKIPPED, /* a tombstone that the route skips; --replay: a dead letter of another route */
};

struct batch_message {
    int64_t offset;
    uint32_t rows; /* in the block */
    uint8_t fate;  /* enum batch_fate */
    bool there;    /* all its rows were in the table already and are taken out */
};

struct batch {
    int64_t start, end; /* offsets; end: after the last message, or of an announced range */
    struct batch_message *messages;
    size_t messages_n, messages_cap;
    uint64_t messages_rows; /* the sum of theirs; what the block has beyond belongs to the next */
    struct block *block;
    struct dead_letters dead;
    struct whole whole; /* --replay */

    /* The owner's to set. */
    int64_t opened_ms; /* monotonic */
    int64_t newest_ms; /* greatest message timestamp, realtime; 0 none */
    int64_t last_ms;   /* of the last message, for outputs that keep the position; -1: not known */
    uint64_t value_bytes; /* of all messages, as they came */
    bool recovered;       /* an announced range, read again */
    int64_t aged_end;     /* the log's end when the batch came of age; -1: it has not */
    struct batch *next;
};

struct batch *batch_new(struct block *block, int64_t start); /* takes the block, which is empty */
void batch_free(struct batch *b); /* and the block, unless batch_block_take() took it */
PL_DEFINE_CLEANUP(struct batch *, batch_free);
struct block *batch_block_take(struct batch *b);

/* The rows that the decoder appended to b->block since the last call are those of this message.
 * Moves b->end behind it. Offsets ascend. */
void batch_message_add(struct batch *b, int64_t offset, enum batch_fate fate);

struct batch_limits {
    uint64_t rows, bytes;
    size_t dead_bytes; /* of dead letters: they go into one Kafka transaction */
};
bool batch_is_full(const struct batch *b, const struct batch_limits *limits);
size_t batch_memory(const struct batch *b); /* held, spare capacity included */
size_t batch_messages_with_rows(const struct batch *b);

struct batch_counts {
    uint64_t messages, delivered, dead, skipped; /* the first is the sum of the others */
    uint64_t rows;                               /* in the block */
    uint64_t dead_letters;
};
struct batch_counts batch_counts(const struct batch *b);

/* Halves it by the number of messages with rows: the second half of them, and what lies behind its
 * first, moves to the batch returned, which takes `spare` (empty, of the same route) for its rows;
 * b->end becomes the second's start. Dead letters go with their message; times are copied,
 * value_bytes is divided by the number of messages. Needs two messages with rows. */
struct batch *batch_split(struct batch *b, struct block *spare);

/* Takes out the rows of the only message that has any, which becomes BATCH_DEAD. Returns its
 * offset: the caller adds a dead letter for the whole message. */
int64_t batch_bury(struct batch *b);

/* The rows for which message i has a dead letter are in the table: by another version of the route,
 * which took them. The letter is removed. */
void batch_letter_drop(struct batch *b, size_t i);

/* Takes out the rows that are marked (bit i % 64 of word i / 64 for row i of the block). A message
 * that loses its last row so is `there`. */
void batch_rows_drop(struct batch *b, const uint64_t *there_bits);

#endif

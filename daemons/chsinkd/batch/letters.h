/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letters.h - dead letters as data: messages that do not fit, kept with their batch until they are
 * written. One a message, however many of its rows are refused.
 *
 * A dead letter is the original message (key, value and headers unchanged, a tombstone stays one)
 * with further headers, each beginning with chsinkd-:
 *
 *     route
 *     topic, partition, offset, timestamp    of the first origin, also after a replay
 *     row, rows    which elements of its array, or of its documents, are refused: "7", or of
 *                  several "0,3,7-12"; the others are in the table. None: the message as a whole
 *     reason, column    why; of several rows, the first
 *     rejected     how many rows, where they are several
 *     attempt      1 at first, counted up by --replay
 *
 * Limits: a list has none; its owner closes a batch by dead_letters.bytes. The header of the rows
 * is bounded by ROW_SET_RANGES_MAX.
 *
 * Pure. Threads: a list belongs to its batch's owner.
 */
#ifndef CHSINKD_BATCH_LETTERS_H
#define CHSINKD_BATCH_LETTERS_H

#include "daemons/chsinkd/batch/row_set.h"
#include "lib/kafka/producer.h"

/* Begins the name of each header that a dead letter has from us. */
#define DEADLETTER_HEADER_PREFIX "chsinkd-"

struct dead_letter {
    struct dead_letter *next;
    int64_t offset; /* of the message, in the partition that it was read from */
    char *reason;
    char *key, *value; /* NULL: none */
    size_t key_len, value_len;
    struct pl_header *headers; /* the original ones, then ours */
    unsigned headers_n;
    size_t bytes; /* of memory, about */

    /* letters.c's own: the list of rows while it grows. */
    unsigned row_header; /* index of chsinkd-row or -rows */
    int64_t row_first, row_last;
    uint64_t rows;          /* 0: the message as a whole */
    struct pl_buf row_text; /* that header's value */
    size_t row_text_last;   /* where the last range begins in it */
    char rejected_text[24]; /* the value of chsinkd-rejected */
};

struct dead_letters { /* zeroed: empty; by ascending offset */
    struct dead_letter *first, *last;
    uint64_t count;
    size_t bytes;
};

struct dead_letter_why {
    const char *route;
    int64_t row;        /* -1: the whole message */
    const char *text;   /* for people: "column x: value is out of range (byte 17)" */
    const char *column; /* may be NULL */
    bool replayed;      /* the message is a dead letter: of the rows that its own headers name */
};
/* Copies the message and all of `why`. Rows of one message come in ascending order; they are put
 * together. The whole message (row -1) takes the place of its rows. A batch's messages come in
 * ascending order, but for one that was found to be bad later. */
void dead_letters_add(struct dead_letters *l, const rd_kafka_message_t *message,
                      const struct dead_letter_why *why);
/* One for a message that is gone from Kafka: without key and value, with a header that says so. */
void dead_letters_add_gone(struct dead_letters *l, const char *topic, int32_t partition,
                           int64_t offset, const struct dead_letter_why *why);
/* Removes the letter of that message, if there is one. */
void dead_letters_remove(struct dead_letters *l, int64_t offset);
/* Moves those from this offset on to the empty list `ret_rest`. */
void dead_letters_split(struct dead_letters *l, int64_t offset, struct dead_letters *ret_rest);
void dead_letters_release(struct dead_letters *l);

/* The letter's header of ours with that name after the prefix; NULL: it has none. */
const struct pl_header *dead_letter_own(const struct dead_letter *d, const char *field);

/* The last header of that name, ours or not; without a value its length is 0. `headers` may be
 * NULL. False: there is none. */
bool message_header_last(const rd_kafka_headers_t *headers, const char *name, struct pl_slice *ret);

/* What our headers on a message say. */
struct dead_letter_origin {
    const char *topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
};
/* Replaces what the headers give. `headers` may be NULL. */
void dead_letter_origin(const rd_kafka_headers_t *headers, struct dead_letter_origin *origin);

/* The last of our headers with that name after the prefix. False: there is none. */
bool dead_letter_header(const rd_kafka_headers_t *headers, const char *field, struct pl_slice *ret);

/* Which rows are to be taken again; none: all. False: the headers cannot be read. */
bool dead_letter_rows(const rd_kafka_headers_t *headers, struct row_set *rows);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - from a Kafka message to rows in a block's columns. The hot path.
 *
 * A `struct rows` is a route compiled for decoding: a trie of the keys that columns want, with
 * which the strict reader of lib/json/reader.h walks along the message once; what a column wants is
 * converted straight into that column's buffer, the rest is checked and skipped. Nothing is
 * allocated for a message.
 *
 * A key that a column wants, or one on the way to it, refuses the row when it is there twice: which
 * one was meant cannot be known. null is absent. Unknown fields are named by their path, keys with
 * a dot or a quote in quotes (a."b.c"), those of the message around the rows after "$."; duplicates
 * are all kept.
 *
 * A message cannot become more than its route allows: when its rows take more memory than
 * message_memory_max, or more than ROW_SET_RANGES_MAX ranges of them are refused, it is refused as
 * a whole.
 *
 * With documents: many a message is any number of documents, with white space or not between them,
 * or the record separators of RFC 7464; each is taken as the only one would be. What is no JSON
 * refuses all of them, since where the next one begins cannot be known.
 *
 * A row for which the route's `when` is false is neither there nor refused, whatever its values;
 * but its JSON is checked, and that a key which `when` wants is there once. What is around the rows
 * of an array must fit, unless `when` is false for all of them by it alone.
 *
 * A byte order mark before the message is passed over. A tombstone (no value at all) is refused,
 * unless the route makes a row of it, in which no path has a value; one that the route skips must
 * not come here.
 *
 * Nothing is converted silently: a value either fits its column exactly, or the column's policy
 * (missing, invalid) says what happens, and a counter says how often. A refused row leaves no trace
 * in the block.
 *
 * Decoding is a pure function of route and message: the same bytes give the same block, at any
 * time; exactly-once rests on that.
 *
 * No I/O, no clock, no logging. Threads: one owner; the route is shared.
 */
#ifndef CHSINKD_DECODE_ROWS_H
#define CHSINKD_DECODE_ROWS_H

#include "daemons/chsinkd/batch/block.h"
#include "daemons/chsinkd/batch/row_set.h"
#include "daemons/chsinkd/route/route.h"
#include "lib/json/reader.h"

/* Counted up with each change of what the same message becomes under the same route, as
 * check_decode_version.c demands: a range that was announced by another version is not taken to be
 * the same (route/digest.h). */
#define DECODE_VERSION 2

struct rows_message {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1: none */
    const char *key;      /* NULL: none */
    size_t key_len;
    const char *value; /* NULL: tombstone */
    size_t value_len;
    /* For COLUMN_HEADER; may be NULL when the message has none. The bytes of the last header with
     * that name; false: there is none. */
    bool (*header)(const void *userdata, const char *name, struct pl_slice *ret);
    const void *header_userdata;
};

/* Why a row (or a whole message: row -1) was refused. With rows: $ it is always the message (-1);
 * with rows out of an array it is for a value that comes from the message around them, or for all
 * of them together. Of several documents the rows are numbered through, by their JSON alone: a
 * document counts the elements of its array, at least one, and one that is refused as a whole has a
 * reject for each. */
struct rows_reject {
    int64_t row;        /* index of the element in the message; -1: the message itself */
    const char *reason; /* constant: "not valid JSON", "value is out of range for the column" … */
    const char *detail; /* constant: the reader's sentence for "not valid JSON"; else NULL */
    size_t offset;      /* byte in the message where it was found */
    const char *column; /* name, or NULL */
};

struct rows_counts {
    uint64_t messages, rows; /* given to rows_decode, appended */
    uint64_t rejected_messages, rejected_rows;
    uint64_t nulled;    /* invalid: null or on_overflow: null was applied */
    uint64_t clamped;   /* on_overflow: clamp was applied */
    uint64_t defaulted; /* missing: default was applied */
    uint64_t filtered;  /* rows that `when` does not take; of a document that it does not take as a
                         * whole: its elements, at least one */
    uint64_t unknown_fields; /* fields that no column took, in what was appended */
};

struct rows;
struct rows *rows_new(const struct route *route);
void rows_free(struct rows *r);
PL_DEFINE_CLEANUP(struct rows *, rows_free);

/* Decodes one message into `block`. For each refused row calls on_reject (which may be NULL) with a
 * struct that is valid during the call, rows in ascending order. A message that is refused as a
 * whole (row -1) has no rows in the block; rejects of its rows that were reported before are void.
 * `only`: takes just these elements (replay of a dead letter); NULL or empty: all. Returns the
 * number of rows appended. An empty array of elements is 0 rows and no reject, and so is a message
 * whose rows `when` does not take. */
uint64_t rows_decode(struct rows *r, const struct rows_message *m, const struct row_set *only,
                     struct block *block,
                     void (*on_reject)(void *userdata, const struct rows_reject *), void *userdata);
/* From now on it is noted which elements of a message (several documents' numbered through) gave
 * neither a row nor a reject. rows_skipped(), to be called after each message, hands them over;
 * false: they are more than ROW_SET_RANGES_MAX ranges. */
void rows_note_skipped(struct rows *r);
bool rows_skipped(struct rows *r, struct row_set *ret_skipped);

const struct rows_counts *rows_counts(const struct rows *r);

#endif

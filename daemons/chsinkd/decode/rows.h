/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - from a Kafka message to rows in columns, and from columns to a Native block. The hot
 * path.
 *
 * A `struct rows` is a route compiled for decoding: a trie of the keys that columns want, walked
 * along the message once by the strict reader of lib/json/reader.h; what a column wants is
 * converted straight into that column's buffer, what none wants is checked and skipped. Nothing is
 * allocated for a message. A `struct block` is the columns' buffers, laid out as ClickHouse's
 * Native format has them, so that sending is an iovec and no copy.
 *
 * A key that a column wants, or one on the way to it, refuses the row when it stands there twice:
 * which of them was meant cannot be known. null is absent. Unknown fields are named by their path,
 * keys with a dot or a quote in quotes (a."b.c"), those of the message around the rows behind "$.";
 * what stands there twice is kept twice.
 *
 * Nothing is converted silently: a value either fits its column exactly, or the column's policy
 * (missing, invalid) says what happens, and a counter says how often. A row that is refused leaves
 * no trace in the block.
 *
 * Decoding is a pure function of route and message: the same bytes give the same block, at any
 * time; exactly-once rests on that.
 *
 * No I/O, no clock, no logging. Threads: one owner; the route is shared.
 */
#ifndef CHSINKD_DECODE_ROWS_H
#define CHSINKD_DECODE_ROWS_H

#include "daemons/chsinkd/clickhouse/block.h"
#include "daemons/chsinkd/route/route.h"
#include "lib/json/reader.h"

struct rows_message {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1: none */
    const char *key;      /* NULL: none */
    size_t key_len;
    const char *value; /* NULL: tombstone */
    size_t value_len;
    /* For COLUMN_HEADER; may be NULL when the message has none. Returns the bytes of the last
     * header with that name; false: not there. */
    bool (*header)(const void *userdata, const char *name, struct pl_slice *ret);
    const void *header_userdata;
};

/* Why a row (or a whole message: row -1) was refused. With rows: $ the message is the row, and all
 * of its refusals are the message's (-1). With rows out of an array, so is a value that comes from
 * the message around them. The reason "not valid JSON" has the reader's sentence as its detail. */
struct rows_reject {
    int64_t row;        /* index of the element in the message; -1: the message itself */
    const char *reason; /* constant: "not valid JSON", "value is out of range for the column" … */
    const char *detail; /* constant or NULL: the reader's sentence */
    size_t offset;      /* byte in the value where it was found */
    const char *column; /* name, or NULL */
};

struct rows_counts {
    uint64_t messages, rows; /* given to rows_decode / appended */
    uint64_t rejected_messages, rejected_rows;
    uint64_t nulled;         /* invalid: null was applied */
    uint64_t defaulted;      /* missing: default was applied */
    uint64_t unknown_fields; /* fields that no column took, in what was appended */
};

struct rows;
struct rows *rows_new(const struct route *route);
void rows_free(struct rows *r);
PL_DEFINE_CLEANUP(struct rows *, rows_free);

/* Decodes one message into `block`. For each refused row calls on_reject (which may be NULL) with a
 * struct that is valid during the call. `only_row` >= 0: takes just that element (replay of a dead
 * letter of one row); -1: all. Returns the number of rows appended. An empty array of elements is 0
 * rows and no reject. */
uint64_t rows_decode(struct rows *r, const struct rows_message *m, int64_t only_row,
                     struct block *block,
                     void (*on_reject)(void *userdata, const struct rows_reject *), void *userdata);
const struct rows_counts *rows_counts(const struct rows *r);

#endif

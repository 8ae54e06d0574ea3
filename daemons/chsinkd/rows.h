/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - from a Kafka message to rows in columns, and from columns to a Native block. The hot
 * path.
 *
 * A `struct rows` is a route compiled for decoding: a trie of the keys that columns want, walked
 * along the message once by the strict reader of json.h; what a column wants is converted straight
 * into that column's buffer, what none wants is checked and skipped. Nothing is allocated for a
 * message. A `struct block` is the columns' buffers, laid out as ClickHouse's Native format has
 * them, so that sending is an iovec and no copy.
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
 * Native format: ClickHouse docs, "Native" and src/Formats/NativeWriter.cpp (revision 0: no block
 * info): varint columns, varint rows, then for each column: name, type (each varint length +
 * bytes), data. Nullable: a byte a row (1 = null), then the values. String: varint length + bytes.
 * UUID: two little-endian UInt64, the high half first.
 *
 * Layer: route, json, clock, buf. No I/O, no clock, no logging. Threads: one owner; the route is
 * shared.
 */
#ifndef CHSINKD_ROWS_H
#define CHSINKD_ROWS_H

#include <sys/uio.h>

#include "json.h"
#include "route.h"

struct block;

struct block *block_new(const struct route *route);
void block_free(struct block *b);
PL_DEFINE_CLEANUP(struct block *, block_free);
void block_reset(struct block *b); /* keeps the memory for the next batch */
uint64_t block_rows(const struct block *b);
size_t block_bytes(const struct block *b); /* of data, as it would be sent */
size_t block_capacity(
    const struct block *b); /* of memory held. A block has no maximum of its own: the caller
                             * closes it by rows and bytes; a message is bounded by its route */

/* The block as Native: fills iov[0..n), valid until the next change. iov_max >= block_iov_max(). */
unsigned block_iov_max(const struct block *b);
unsigned block_iov(struct block *b, struct iovec *iov, size_t *ret_bytes);

/* "INSERT INTO db.table (`a`, `b`) FORMAT Native": only the columns that are sent. Appended to
 * `out`. */
void block_insert_sql(const struct route *route, const char *default_database, struct pl_buf *out);

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

/* For people and tests: row `i` as one line of JSON with the columns' names. */
void block_print_row(const struct block *b, uint64_t i, struct pl_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_match.h - which rows of a block a table has already, by their values.
 *
 * Rows are compared as RowBinary has them (ClickHouse docs, "RowBinary"): one value after the other
 * as they lie in the block; of a Nullable first a byte, 1 and nothing more for null; of an Array
 * the number of its elements as a varint, and these; of a Map the same with a key and a value each.
 * Columns of which the table has something else than was sent are left out: with JSON, whose text
 * the server writes in its way, EPHEMERAL ones, those with missing: table; and those that the table
 * got by unknown_fields: add, where a message is a row: rows of before have NULL there.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_CLICKHOUSE_ROWS_MATCH_H
#define CHSINKD_CLICKHOUSE_ROWS_MATCH_H

#include "daemons/chsinkd/batch/block.h"

bool row_column_compared(const struct column *c);

/* Goes forward through the rows of a block. */
struct row_walk {
    const struct block *block;
    uint64_t row;
    const char **at;           /* of each column: the row's value */
    struct row_walk *elements; /* of each column that is a container; NULL: none is */
};
void row_walk_init(struct row_walk *w, const struct block *b);
void row_walk_release(struct row_walk *w);
void row_walk_to(struct row_walk *w, uint64_t row);        /* not before the present one */
void row_walk_add(struct row_walk *w, struct pl_buf *out); /* appends the row; goes to the next */

/* The length of the row at the beginning of [p, p + len), which are rows with the block's columns.
 * 0: it is not whole. */
size_t row_binary_len(const struct block *b, const char *p, size_t len);

/* The value of block column i in a row, which is whole; without the byte that says not null. */
struct pl_slice row_binary_value(const struct block *b, struct pl_slice row, unsigned i);

/* Marks which of `ours` are among `theirs`, each of theirs for one of ours, as if both were bags.
 * What is left of theirs then was made of the same message in another way (by another version of
 * the route), and stands for those of ours that have the most values in common with it, the first
 * of several. `ret_there` holds ours_n; which of two equal rows is marked makes no difference. */
void rows_match(const struct block *b, const struct pl_slice *ours, size_t ours_n,
                const struct pl_slice *theirs, size_t theirs_n, bool *ret_there);

/* One of `ours` is equal to one of `theirs`. */
bool rows_match_any(const struct pl_slice *ours, size_t ours_n, const struct pl_slice *theirs,
                    size_t theirs_n);

/* Rows that dead letters of one message stand for. */
struct letter_rows {
    const struct pl_slice *rows;
    const size_t *letters; /* which letter each was made of, ascending */
    size_t n;
};

/* Marks those of `ours` that need not be inserted. `whole` are all rows of the message, once more
 * for each letter that takes only some of them, and `theirs` those of the table. Equal rows of
 * several letters may be the same row again: a letter, and what became of it when it was replayed.
 *
 * Of each value as many are left as the message has, less those among `theirs`; the first ones.
 * At most `there_max` are taken to be among theirs: the others of theirs are what the message's
 * other rows have become by another version of the route. `ret_there` holds ours->n. */
void rows_match_letters(const struct letter_rows *ours, const struct letter_rows *whole,
                        const struct pl_slice *theirs, size_t theirs_n, uint64_t there_max,
                        bool *ret_there);

#endif

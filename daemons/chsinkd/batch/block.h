/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.h - rows as columns in memory, for any output. How values lie there is in column.h.
 *
 * A block has no maximum: the caller closes it by rows and bytes; a message is bounded by its
 * route.
 *
 * Threads: one owner; the route is shared and outlives the block.
 */
#ifndef CHSINKD_BATCH_BLOCK_H
#define CHSINKD_BATCH_BLOCK_H

#include "daemons/chsinkd/route/route.h"

struct block;

struct block *block_new(const struct route *route);
void block_free(struct block *b);
PL_DEFINE_CLEANUP(struct block *, block_free);
void block_reset(struct block *b); /* keeps the memory for the next batch */
uint64_t block_rows(const struct block *b);
size_t block_bytes(const struct block *b);    /* of data, as they lie in memory */
size_t block_capacity(const struct block *b); /* of memory held */

/* Moves the rows from `row` on to `rest`: empty, of the same route. */
void block_split(struct block *b, uint64_t row, struct block *rest);
/* Takes rows from the end, so that `rows` are left. */
void block_rows_truncate(struct block *b, uint64_t rows);
/* Takes out the rows that are marked: bit i % 64 of word i / 64 for row i. */
void block_rows_drop(struct block *b, const uint64_t *bits);
/* All three walk along the strings, of which only the last end is known: not for the hot path. */

/* For people and tests: row `i` as one line of JSON with the columns' names. */
void block_print_row(const struct block *b, uint64_t i, struct pl_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.h - rows as columns, laid out as ClickHouse's Native format has them, so that sending is an
 * iovec and no copy.
 *
 * Native format: ClickHouse docs, "Native" and src/Formats/NativeWriter.cpp (revision 0: no block
 * info): varint columns, varint rows, then for each column: name, type (each varint length +
 * bytes), data. Nullable: a byte a row (1 = null), then the values. String: varint length + bytes.
 * UUID: two little-endian UInt64, the high half first.
 *
 * A block has no maximum: the caller closes it by rows and bytes; a message is bounded by its
 * route.
 *
 * Threads: one owner; the route is shared and outlives the block.
 */
#ifndef CHSINKD_CLICKHOUSE_BLOCK_H
#define CHSINKD_CLICKHOUSE_BLOCK_H

#include <sys/uio.h>

#include "daemons/chsinkd/route/route.h"

struct block;

struct block *block_new(const struct route *route);
void block_free(struct block *b);
PL_DEFINE_CLEANUP(struct block *, block_free);
void block_reset(struct block *b); /* keeps the memory for the next batch */
uint64_t block_rows(const struct block *b);
size_t block_bytes(const struct block *b);    /* of data, as it would be sent */
size_t block_capacity(const struct block *b); /* of memory held */

/* The block as Native: fills iov[0..n), valid until the next change. iov_max >= block_iov_max(). */
unsigned block_iov_max(const struct block *b);
unsigned block_iov(struct block *b, struct iovec *iov);

/* For people and tests: row `i` as one line of JSON with the columns' names. */
void block_print_row(const struct block *b, uint64_t i, struct pl_buf *out);

#endif

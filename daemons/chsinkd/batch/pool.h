/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - empty blocks that keep their memory for the next batch of their route.
 *
 * Limits: at most bytes_max of capacity are held; a block with more than half of it (one large
 * message made it so) is freed instead, and the ones that were given first go before others. What
 * is held counts as the sink's memory: block_pool_bytes(). A full batch's block has a capacity of
 * up to twice its bytes, so with bytes_max below four times batch.bytes it may be made anew each
 * time.
 *
 * Pure. Threads: one owner, or under its lock. The routes outlive the pool.
 */
#ifndef CHSINKD_BATCH_POOL_H
#define CHSINKD_BATCH_POOL_H

#include "daemons/chsinkd/batch/block.h"

struct block_pool;

struct block_pool *block_pool_new(size_t bytes_max);
void block_pool_free(struct block_pool *pool);
struct block *block_pool_take(struct block_pool *pool, const struct route *route); /* empty */
void block_pool_give(struct block_pool *pool, struct block *block); /* resets it; NULL: nothing */
void block_pool_trim(struct block_pool *pool, size_t bytes);        /* frees down to that */
size_t block_pool_bytes(const struct block_pool *pool);

#endif

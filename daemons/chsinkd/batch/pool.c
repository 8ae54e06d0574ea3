/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - see pool.h.
 */
#include "daemons/chsinkd/batch/pool.h"

#include "daemons/chsinkd/batch/column.h"

#define BLOCKS_MAX 64

struct block_pool {
    size_t bytes_max, bytes;
    struct block *blocks[BLOCKS_MAX]; /* the one given last is last */
    unsigned n;
};

struct block_pool *block_pool_new(size_t bytes_max)
{
    struct block_pool *pool = pl_alloc(sizeof(*pool));
    pool->bytes_max = bytes_max;
    return pool;
}

void block_pool_free(struct block_pool *pool)
{
    if (!pool)
        return;
    block_pool_trim(pool, 0);
    free(pool);
}

static struct block *block_remove(struct block_pool *pool, unsigned i)
{
    struct block *b = pool->blocks[i];
    pool->bytes -= block_capacity(b);
    pool->n--;
    memmove(pool->blocks + i, pool->blocks + i + 1, (pool->n - i) * sizeof(*pool->blocks));
    return b;
}

struct block *block_pool_take(struct block_pool *pool, const struct route *route)
{
    for (unsigned i = pool->n; i-- > 0;)
        if (pool->blocks[i]->route == route)
            return block_remove(pool, i);
    return block_new(route);
}

void block_pool_give(struct block_pool *pool, struct block *block)
{
    if (!block)
        return;
    size_t bytes = block_capacity(block);
    if (bytes > pool->bytes_max / 2) {
        block_free(block);
        return;
    }
    block_pool_trim(pool, pool->bytes_max - bytes);
    if (pool->n == BLOCKS_MAX)
        block_free(block_remove(pool, 0));
    block_reset(block);
    pool->blocks[pool->n++] = block;
    pool->bytes += bytes;
}

void block_pool_trim(struct block_pool *pool, size_t bytes)
{
    while (pool->bytes > bytes || (bytes == 0 && pool->n > 0))
        block_free(block_remove(pool, 0));
}

size_t block_pool_bytes(const struct block_pool *pool)
{
    return pool->bytes;
}

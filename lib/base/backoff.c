/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.c - see backoff.h.
 */
#include "lib/base/backoff.h"

#include <assert.h>
#include <limits.h>

/* splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014): good
 * enough for jitter, and any seed will do, zero included. */
static uint64_t rng_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Random in [low, high]. */
static int64_t rng_between(uint64_t *state, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    return low + (int64_t)(((unsigned __int128)rng_next(state) * span) >> 64);
}

void pl_backoff_init(struct pl_backoff *b, int64_t base_ms, int64_t max_ms, uint64_t seed)
{
    assert(base_ms >= 1 && max_ms >= 1);
    *b = (struct pl_backoff){.base_ms = base_ms, .max_ms = max_ms, .rng = seed};
}

int64_t pl_backoff_next(struct pl_backoff *b, int64_t floor_ms)
{
    int64_t high = b->max_ms;
    if (b->attempt < 63 && b->base_ms <= b->max_ms >> b->attempt)
        high = b->base_ms << b->attempt;
    int64_t low = b->base_ms / 2 < high ? b->base_ms / 2 : high;
    int64_t wait_ms = rng_between(&b->rng, low, high);
    if (b->attempt < UINT_MAX)
        b->attempt++;
    if (wait_ms < floor_ms) {
        /* Else all that were told the same Retry-After would come at the same moment. */
        int64_t top_ms;
        if (__builtin_add_overflow(floor_ms, floor_ms / 10, &top_ms))
            top_ms = INT64_MAX;
        wait_ms = rng_between(&b->rng, floor_ms, top_ms);
    }
    return wait_ms;
}

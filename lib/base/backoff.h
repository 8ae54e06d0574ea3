/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h - how long to wait before the next try: exponential with full jitter (AWS Architecture
 * Blog, "Exponential Backoff And Jitter"), so that clients that failed together spread out; a floor
 * given by the far side (Retry-After) is respected. Pure: no clock, a small random generator seeded
 * by the caller. Threads: one owner.
 */
#ifndef PL_BASE_BACKOFF_H
#define PL_BASE_BACKOFF_H

#include <stdint.h>

struct pl_backoff {
    int64_t base_ms, max_ms;
    unsigned attempt;
    uint64_t rng;
};

/* Both at least 1. */
void pl_backoff_init(struct pl_backoff *b, int64_t base_ms, int64_t max_ms, uint64_t seed);
/* The wait before the next try: random in [base_ms/2, min(max_ms, base_ms * 2^attempt)], at least
 * floor_ms (then plus up to a tenth). Counts the attempt. */
int64_t pl_backoff_next(struct pl_backoff *b, int64_t floor_ms);
static inline void pl_backoff_reset(struct pl_backoff *b)
{
    b->attempt = 0;
}

#endif

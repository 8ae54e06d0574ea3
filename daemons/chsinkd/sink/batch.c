/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.c - when a batch closes.
 */
#include "daemons/chsinkd/sink/batch.h"

bool batch_is_full(const struct batch *b, const struct batch_limits *limits)
{
    return block_rows(b->block) >= limits->rows || b->messages >= limits->messages ||
           block_bytes(b->block) + b->dead.bytes >= limits->bytes;
}

int64_t batch_age_effective(int64_t age_ms, unsigned open, int64_t per_second)
{
    int64_t spread_ms = (int64_t)open * 1000 / per_second;
    return spread_ms > age_ms ? spread_ms : age_ms;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* retry.c - see retry.h. */
#include "daemons/wikisrcd/stream/retry.h"

enum {
    QUICK_BASE_MS = 100, /* spread by the backoff: clients must not all return at once */
    SLOW_BASE_MS = 1000,
    MAX_MS = 60000,
};

void retry_init(struct retry *r, uint64_t seed)
{
    pl_backoff_init(&r->quick, QUICK_BASE_MS, MAX_MS, seed);
    pl_backoff_init(&r->slow, SLOW_BASE_MS, MAX_MS, seed + 1);
}

static bool made_progress(const struct retry_end *end)
{
    return end->streamed &&
           (end->taken >= RETRY_PROGRESS_EVENTS || end->lived_ms >= RETRY_LONG_LIVED_MS ||
            (end->taken > 0 && end->lived_ms >= RETRY_PROGRESS_MS));
}

int64_t retry_wait_ms(struct retry *r, const struct retry_end *end)
{
    if (made_progress(end)) {
        pl_backoff_reset(&r->quick);
        pl_backoff_reset(&r->slow);
    }
    if (end->streamed && end->taken > 0 && !end->bad)
        return pl_backoff_next(&r->quick, end->floor_ms);
    return pl_backoff_next(&r->slow, end->floor_ms);
}

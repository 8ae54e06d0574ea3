/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog.c - see watchdog.h.
 */
#include "lib/service/watchdog.h"

bool pl_progress_moves(struct pl_progress *p, const struct pl_progress_now *now, int64_t limit_ms)
{
    if (p->since_ms == 0 || now->done != p->done || !now->pending || now->known)
        p->since_ms = now->now_ms;
    p->done = now->done;
    return now->now_ms - p->since_ms < limit_ms;
}

void pl_deadline_begin(struct pl_deadline *d, const char *doing, int64_t now_ms, int64_t max_ms)
{
    atomic_store(&d->due_ms, max_ms < 0 ? 0 : now_ms + max_ms);
    atomic_store(&d->doing, doing);
}

bool pl_deadline_is_overdue(const struct pl_deadline *d, int64_t now_ms)
{
    int64_t due_ms = atomic_load(&d->due_ms);
    return due_ms != 0 && now_ms > due_ms + PL_DEADLINE_GRACE_MS;
}

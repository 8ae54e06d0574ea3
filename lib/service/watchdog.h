/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog.h - whether work moves: the two rules behind a daemon's on_watchdog (daemon.h), which
 * feeds the watchdog.
 *
 * Nothing is alive because its loop turns. Work that is there must have moved lately, or what
 * holds it up is known and has been said (progress); and who makes a call that waits has said
 * before by when it will be back (deadline).
 *
 * Pure but for a deadline's atomics. Times are monotonic milliseconds.
 */
#ifndef PL_SERVICE_WATCHDOG_H
#define PL_SERVICE_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise; one owner. */
struct pl_progress {
    uint64_t done;
    int64_t since_ms; /* when it was in order the last time; 0: never looked */
};

struct pl_progress_now {
    int64_t now_ms;
    uint64_t done; /* a count that changes whenever work was done */
    bool pending;  /* there is work to do */
    bool known;    /* … which waits for a known reason: the far side is away, and that was said */
};

/* False when there has been work for limit_ms, none of it was done, and no reason is known. To be
 * asked again and again: it counts from the last time that all was in order. */
bool pl_progress_moves(struct pl_progress *p, const struct pl_progress_now *now, int64_t limit_ms);

/* What a thread does just now and by when it must have come round again. Written by the thread,
 * read by any. Zero-initialised it is never overdue. */
struct pl_deadline {
    _Atomic(const char *) doing; /* a literal: "inserting" */
    _Atomic int64_t due_ms;      /* 0: no limit */
};

/* max_ms: the longest that it can take when all is in order, by the time-outs of the calls it
 * makes; below 0: no limit (it waits for another thread, which has a deadline of its own). */
void pl_deadline_begin(struct pl_deadline *d, const char *doing, int64_t now_ms, int64_t max_ms);

/* For so long a thread may be late before it counts as stuck: a machine under load, a call that
 * ends a little after its time-out. */
#define PL_DEADLINE_GRACE_MS 30000
bool pl_deadline_is_overdue(const struct pl_deadline *d, int64_t now_ms);

#endif

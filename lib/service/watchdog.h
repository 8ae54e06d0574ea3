/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog.h - whether work moves: the two rules for a daemon's on_watchdog (daemon.h). A loop that
 * turns is not enough: pending work must have moved lately, or wait for a known and logged reason
 * (progress), and a thread in a blocking call must return from it in time (deadline).
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
    int64_t since_ms; /* of the last look at which all was well; 0: never looked */
};

struct pl_progress_now {
    int64_t now_ms;
    uint64_t done; /* a count that changes whenever work was done */
    bool pending;  /* there is work to do */
    bool known;    /* … which waits for a known reason: the far side is away, which was logged */
};

/* False when work has been pending for limit_ms, none was done, and no reason is known. Call it
 * regularly: it counts from the last look at which all was well. */
bool pl_progress_moves(struct pl_progress *p, const struct pl_progress_now *now, int64_t limit_ms);

/* What a thread does and when it must be done. Written by the thread, read by any. Zero-initialised
 * it is never overdue. */
struct pl_deadline {
    _Atomic(const char *) doing; /* a literal: "inserting" */
    _Atomic int64_t due_ms;      /* 0: no limit */
};

/* max_ms: the longest it can take, by the time-outs of the calls it makes; negative: no limit (it
 * waits for another thread, which has its own deadline). */
void pl_deadline_begin(struct pl_deadline *d, const char *doing, int64_t now_ms, int64_t max_ms);

/* How late a thread may be before it counts as stuck: the machine may be under load, a call end
 * after its time-out. */
#define PL_DEADLINE_GRACE_MS 30000
bool pl_deadline_is_overdue(const struct pl_deadline *d, int64_t now_ms);

#endif

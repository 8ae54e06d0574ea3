/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - what every daemon does the same way: the event loop, signals, sd_notify, the watchdog,
 * stopping within a bound.
 *
 * States:
 *
 *     STARTING --pl_daemon_ready()--> RUNNING --SIGTERM/SIGINT or pl_daemon_stop()--> STOPPING
 *              --pl_daemon_finish()--> the loop ends
 *
 * When stop_timeout_ms passes while STOPPING, on_stop_deadline is called and the loop ends whatever
 * it does. A second signal while STOPPING ends the process at once with status 1, even where the
 * loop is stuck in a callback. (After pl_daemon_stop() the first signal counts as the first: it
 * finds the daemon stopping already.)
 *
 * systemd waits as long as needed, whatever TimeoutStartSec and TimeoutStopSec say: each step of
 * the start and the stop tell it how long they may take (EXTEND_TIMEOUT_USEC; it lengthens only).
 *
 * STATUS: while STARTING what is waited for (pl_daemon_step()), then what the daemon says
 * (pl_daemon_status()), while STOPPING "Stopping" or what on_stop says; an error that ends it
 * stays.
 *
 * SIGHUP while RUNNING: RELOADING=1 (with MONOTONIC_USEC), on_reload, READY=1.
 *
 * Watchdog: when systemd asks for one ($WATCHDOG_USEC) a timer asks on_watchdog at half of the
 * interval and sends WATCHDOG=1 only if it answers true: the daemon says whether its work moved, or
 * that it waits for a known reason (watchdog.h has the rules). While STOPPING it is fed without
 * asking: the deadline bounds that.
 *
 * Logged here: ready, stopping (why), the error given to pl_daemon_stop(), the deadline, reloading,
 * a watchdog that is not fed. The daemon itself logs PL_EVENT_RELOADED (what changed) and
 * PL_EVENT_STOPPED (the sums).
 *
 * Threads: all calls from the loop's thread, but for pl_waker_wake(). pl_daemon_new() blocks the
 * signals, so call it before any thread starts; one daemon object a process.
 */
#ifndef PL_SERVICE_DAEMON_H
#define PL_SERVICE_DAEMON_H

#include <stdarg.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "lib/base/err.h"

struct pl_daemon;

struct pl_daemon_ops {
    /* Take no new input, drain, then pl_daemon_finish(). Called once, from the loop's next turn,
     * never from inside pl_daemon_stop(). NULL: the loop ends at once. */
    void (*on_stop)(void *userdata);
    /* Time is over, drop what is in flight. May be NULL, and then the exit status is 1. */
    void (*on_stop_deadline)(void *userdata);
    void (*on_reload)(void *userdata);   /* may be NULL */
    bool (*on_watchdog)(void *userdata); /* may be NULL: always alive */
    void (*on_tick)(void *userdata);     /* may be NULL: once a second; STATUS, rates, checks */
};

/* `ops` outlives the daemon. stop_timeout_ms: 0 and more. */
int pl_daemon_new(const struct pl_daemon_ops *ops, void *userdata, int64_t stop_timeout_ms,
                  struct pl_daemon **ret, struct pl_err *err);
void pl_daemon_free(struct pl_daemon *d);
static inline void pl_daemon_freep(struct pl_daemon **d)
{
    if (*d)
        pl_daemon_free(*d);
}

sd_event *pl_daemon_event(struct pl_daemon *d); /* borrowed */

/* A step of the start begins, which may take max_ms when all is in order: STATUS=… ("waiting for
 * Kafka at …"), and systemd gives it the time. After pl_daemon_ready() it does nothing. */
void pl_daemon_step(struct pl_daemon *d, int64_t max_ms, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A step of the start has failed, and the loop will not run: says why (log, STATUS) and returns the
 * exit status. 0 where it failed because a stop was asked for. `d` NULL: pl_daemon_new() failed. */
int pl_daemon_start_failed(struct pl_daemon *d, const struct pl_err *err);
/* READY=1, after the last step that can fail. */
void pl_daemon_ready(struct pl_daemon *d);
/* STATUS=…; unchanged text is not sent again, nor any text after an error that ends the daemon. At
 * most 255 bytes, cut at a character; one line; what is not UTF-8 becomes '?'. */
void pl_daemon_status(struct pl_daemon *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pl_daemon_statusv(struct pl_daemon *d, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Begins stopping, as SIGTERM does. `err` NULL: in order; else it is logged and becomes the exit
 * status. The first error is kept. */
void pl_daemon_stop(struct pl_daemon *d, const struct pl_err *err);
/* True from the stop on. While STARTING also when a SIGTERM or SIGINT waits for the loop, so that
 * start steps that take long can ask and give up. */
bool pl_daemon_stopping(const struct pl_daemon *d);
/* The same for steps that have no daemon at hand: a SIGTERM or SIGINT waits, which nobody takes
 * while the loop does not run. Never to be asked while it runs. */
bool pl_daemon_stop_pending(void);
/* Drained, or (without a stop before) the work is done: the loop ends. */
void pl_daemon_finish(struct pl_daemon *d);
/* Runs until finished. Returns the exit status (0, or that of the error given to stop; 1 after the
 * deadline when *on_stop_deadline is NULL*). */
int pl_daemon_run(struct pl_daemon *d);

/* A callback on the loop's thread, asked for from any thread: an eventfd on the loop. Several wakes
 * may become one call. */
struct pl_waker;
int pl_waker_new(struct pl_daemon *d, void (*fn)(void *userdata), void *userdata,
                 struct pl_waker **ret, struct pl_err *err);
void pl_waker_wake(struct pl_waker *w); /* any thread; async-signal-safe */
/* After the threads that wake it; its own callback may call this. NULL is fine. */
void pl_waker_free(struct pl_waker *w);
static inline void pl_waker_freep(struct pl_waker **w)
{
    pl_waker_free(*w);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - what every daemon does the same way: the event loop, signals, sd_notify, the watchdog,
 * stopping within a bound.
 *
 *     STARTING --pl_daemon_ready()--> RUNNING --SIGTERM/SIGINT or pl_daemon_stop()--> STOPPING
 *              --pl_daemon_finish()--> the loop ends
 *
 * When stop_timeout_ms has passed while STOPPING, on_stop_deadline is called and the loop ends. A
 * second signal while STOPPING ends the process at once with status 1, even if the loop is stuck in
 * a callback. (After pl_daemon_stop() the first signal counts as the first.)
 *
 * systemd waits as long as needed, whatever TimeoutStartSec and TimeoutStopSec are: each step of
 * the start and the stop tell it how long they may take (EXTEND_TIMEOUT_USEC; it lengthens only).
 *
 * STATUS: while STARTING what is waited for (pl_daemon_step()), then the daemon's text
 * (pl_daemon_status()), while STOPPING "Stopping" or on_stop's text; an error that ends it stays.
 *
 * SIGHUP while RUNNING: RELOADING=1 (with MONOTONIC_USEC), on_reload, READY=1. Where on_reload
 * calls pl_daemon_again(), the daemon stops as always, but is still reloading for systemd: the next
 * image's start sends READY=1 (again.h). A stop signal or an error makes it an ordinary stop.
 *
 * Watchdog: when systemd asks for one ($WATCHDOG_USEC) on_watchdog is called at half the interval
 * and WATCHDOG=1 sent if it returns true: the work moved, or waits for a known reason (watchdog.h
 * has the rules). While STOPPING it is always sent: the deadline bounds that.
 *
 * Logged here: ready, stopping (why), the error given to pl_daemon_stop(), the deadline, reloading,
 * a watchdog that is not fed. The daemon itself logs PL_EVENT_RELOADED (what changed) and
 * PL_EVENT_STOPPED (the sums).
 *
 * Threads: the loop's, except pl_waker_wake(). pl_daemon_new() blocks the signals: call it before
 * any thread starts; one daemon object a process.
 */
#ifndef PL_SERVICE_DAEMON_H
#define PL_SERVICE_DAEMON_H

#include <stdarg.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "lib/base/alloc.h"
#include "lib/base/err.h"

struct pl_daemon;

struct pl_daemon_ops {
    /* Take no new input, drain, then pl_daemon_finish(). Called once, from the loop's next turn,
     * never from inside pl_daemon_stop(). NULL: the loop ends at once. */
    void (*on_stop)(void *userdata);
    /* Drop what is in flight. NULL: the exit status is 1. */
    void (*on_stop_deadline)(void *userdata);
    void (*on_reload)(void *userdata);   /* may be NULL */
    bool (*on_watchdog)(void *userdata); /* may be NULL: always alive */
    void (*on_tick)(void *userdata);     /* once a second: STATUS, rates, checks; may be NULL */
};

/* `ops` outlives the daemon. stop_timeout_ms: 0 and more. */
int pl_daemon_new(const struct pl_daemon_ops *ops, void *userdata, int64_t stop_timeout_ms,
                  struct pl_daemon **ret, struct pl_err *err);
void pl_daemon_free(struct pl_daemon *d);
PL_DEFINE_CLEANUP(struct pl_daemon *, pl_daemon_free);

sd_event *pl_daemon_event(struct pl_daemon *d); /* borrowed */
/* When it was made (ms since 1970, by our clock): with host and pid the name of this process. */
int64_t pl_daemon_begun_ms(const struct pl_daemon *d);

/* A step of the start begins, which may take max_ms: STATUS=… ("waiting for Kafka at …"), and
 * systemd allows the time. Ignored after pl_daemon_ready(). */
void pl_daemon_step(struct pl_daemon *d, int64_t max_ms, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A step of the start has failed, and the loop will not run: reports why (log, STATUS) and returns
 * the exit status, 0 if a stop was asked for. `d` NULL: pl_daemon_new() failed. */
int pl_daemon_start_failed(struct pl_daemon *d, const struct pl_err *err);
/* READY=1, after the last step that can fail. */
void pl_daemon_ready(struct pl_daemon *d);
/* STATUS=…, formatted by pl_text_format() to at most 255 bytes. Not sent when unchanged, nor after
 * an error that ends the daemon. */
void pl_daemon_status(struct pl_daemon *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pl_daemon_statusv(struct pl_daemon *d, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Calls `fn` with each new STATUS. One only. */
void pl_daemon_on_status(struct pl_daemon *d, void (*fn)(void *userdata, const char *text),
                         void *userdata);
/* Begins stopping, as SIGTERM does. `err`, unless NULL, is logged and sets the exit status. The
 * first error is kept. */
void pl_daemon_stop(struct pl_daemon *d, const struct pl_err *err);
/* Begins stopping in order to start again in the same process; for systemd it is reloading. */
void pl_daemon_again(struct pl_daemon *d);
/* Whether that is so still. */
bool pl_daemon_is_again(const struct pl_daemon *d);
/* True from the stop on. While STARTING also when a stop signal is pending, so that long steps of
 * the start can give up. */
bool pl_daemon_stopping(const struct pl_daemon *d);
/* Drained, or (without a stop before) the work is done: the loop ends. */
void pl_daemon_finish(struct pl_daemon *d);
/* Runs until finished. Returns the exit status: 0, that of the error given to stop, or 1 after the
 * deadline if on_stop_deadline is NULL. */
int pl_daemon_run(struct pl_daemon *d);

/* Calls `fn` on the loop's thread when any thread asks. Several wakes may become one call. */
struct pl_waker;
int pl_waker_new(struct pl_daemon *d, void (*fn)(void *userdata), void *userdata,
                 struct pl_waker **ret, struct pl_err *err);
void pl_waker_wake(struct pl_waker *w); /* any thread */
/* After the threads that wake it; its own callback may call this. NULL is allowed. */
void pl_waker_free(struct pl_waker *w);
PL_DEFINE_CLEANUP(struct pl_waker *, pl_waker_free);

#endif

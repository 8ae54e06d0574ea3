/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - what every daemon does the same way: the event loop, signals, sd_notify, the watchdog,
 * stopping within a bound, and the common command line.
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
 * Watchdog: when systemd asks for one ($WATCHDOG_USEC) a timer asks on_alive at half of the
 * interval and sends WATCHDOG=1 only if it answers true: the daemon says whether its work moved, or
 * that it waits for a known reason (alive.h has the rules). While STOPPING it is fed without
 * asking: the deadline bounds that.
 *
 * Logged here: ready, stopping (why), the error given to pl_daemon_stop(), the deadline, reloading,
 * a watchdog that is not fed. The daemon itself logs PL_MSG_RELOADED (what changed) and
 * PL_MSG_STOPPED (the sums).
 *
 * Layer: log, sd-event, sd-daemon. Threads: all calls from the loop's thread, but for
 * pl_waker_wake(). pl_daemon_new() blocks the signals, so call it before any thread starts; one
 * daemon object a process.
 */
#ifndef PL_DAEMON_H
#define PL_DAEMON_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "err.h"

struct pl_daemon;

struct pl_daemon_ops {
    /* Take no new input, drain, then pl_daemon_finish(). Called once, from the loop's next turn,
     * never from inside pl_daemon_stop(). NULL: the loop ends at once. */
    void (*on_stop)(void *userdata);
    /* Time is over, drop what is in flight. May be NULL, and then the exit status is 1. */
    void (*on_stop_deadline)(void *userdata);
    void (*on_reload)(void *userdata); /* may be NULL */
    bool (*on_alive)(void *userdata);  /* may be NULL: always alive */
    void (*on_tick)(void *userdata);   /* may be NULL: once a second; STATUS, rates, checks */
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
 * most 255 bytes, one line. */
void pl_daemon_status(struct pl_daemon *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
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

/* ---- the command line ---- */

/* Options all daemons have: -c/--config FILE, --check-config, --print-config, --help-config,
 * -h/--help, -V/--version, -v/--verbose (log level debug). A daemon adds its own modes by a table
 * of at most 32, ended by {0}. */
struct pl_cli_opt {
    const char *name; /* "sample" */
    bool has_value;
    const char *value_name; /* "N" */
    const char *help;
};

#define PL_CLI_OPTS_MAX 32

/* Not to be copied: it points into itself. */
struct pl_cli {
    const char *config; /* "/etc/NAME/NAME.yaml", or that of -c, borrowed from argv */
    bool config_given;  /* by -c */
    bool check_config, print_config, help_config, verbose;
    const char *const *values; /* parallel to the table: NULL not given, "" given without value */
    const char *storage[PL_CLI_OPTS_MAX];
    char config_default[128];
};

/* Parses. Returns -1 to go on, or the exit status to end with (0 after --help/--version, 64
 * EX_USAGE after a message on stderr that says what was wrong and names --help). `summary`: a
 * sentence or two for --help. An option given twice: the last one counts. Positional arguments
 * are refused. */
int pl_cli_parse(int argc, char **argv, const char *name, const char *summary,
                 const struct pl_cli_opt *table, struct pl_cli *ret);

/* Logs what pl_conf_errs holds: each finding as an error line (MESSAGE_ID PL_MSG_CONFIG_ERROR),
 * each warning as a warning. All of them: the rate limit does not apply. */
struct pl_conf_errs;
void pl_cli_findings_log(const struct pl_conf_errs *errs);

/* Logs what a reload did: the options taken over, and those that need a restart (of
 * pl_conf_reload()). */
struct pl_strings;
void pl_cli_reload_log(const struct pl_strings *changed, const struct pl_strings *needs_restart);

/* Which of the table's first `n` options, its modes, is given: its index, `n` where none is, or -1
 * after a message on stderr: they exclude each other. */
int pl_cli_mode(const struct pl_cli *cli, const char *name, const struct pl_cli_opt *table, int n);

/* --check-config and --print-config, after the configuration was read: prints the findings and what
 * is asked for, in the same words in all daemons. Returns the exit status, or -1 to go on (findings
 * are then logged). `more` is said behind "in order" (NULL: nothing). */
struct pl_opt;
int pl_cli_config(const struct pl_cli *cli, struct pl_conf_errs *errs, const struct pl_opt *options,
                  const void *conf, const char *more);

/* A positive count from the command line; 64 with a message on stderr when it is none; -1 = ok. */
int pl_cli_count(const char *option, const char *text, int64_t max, int64_t *ret_n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - the signals of a daemon's process: blocked, so the loop gets them by signalfd and
 * no thread is interrupted; and the second stop signal, which must work even if the loop is stuck.
 *
 * Stop signals are SIGTERM and SIGINT. SIGPIPE is ignored: a peer that closes its socket is an
 * error of write(2), not the end of the process.
 *
 * Threads: the loop's, before any other starts (they inherit the mask). One object a process.
 */
#ifndef PL_SERVICE_SIGNALS_H
#define PL_SERVICE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* The state before. Zero-initialise. */
struct pl_signals {
    sigset_t mask;
    struct sigaction pipe, term, interrupt;
    bool blocked, armed;
};

/* Blocks SIGTERM, SIGINT and SIGHUP. 0 or -errno. */
int pl_signals_block(struct pl_signals *s);
void pl_signals_restore(struct pl_signals *s);

/* From now on a stop signal, also one that is pending, ends the process at once with status 1.
 * Nothing else may take them then. Only this thread unblocks them, so the handler runs in it. */
void pl_signals_arm(struct pl_signals *s);

/* A stop signal is pending: for steps of the start, which can then give up. Not while the loop
 * runs, which takes them. */
bool pl_signals_stop_is_pending(void);
/* Takes the pending ones, which would end the process when they are unblocked. */
void pl_signals_stop_take(void);

#endif

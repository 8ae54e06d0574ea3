/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - the signals of a daemon's process: blocked, so that the loop gets them by signalfd
 * and no thread is interrupted; and the second signal, which must work where the loop is stuck.
 *
 * Stop signals are SIGTERM and SIGINT. SIGPIPE is ignored: a peer that closes its socket is an
 * error of write(2), not the end of the process.
 *
 * Threads: the loop's; blocked before any other starts, which inherits that. One object a process.
 */
#ifndef PL_SERVICE_SIGNALS_H
#define PL_SERVICE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* What was there before. Zero-initialise. */
struct pl_signals {
    sigset_t mask;
    struct sigaction pipe, term, interrupt;
    bool blocked, armed;
};

/* Blocks SIGTERM, SIGINT and SIGHUP. 0 or -errno. */
int pl_signals_block(struct pl_signals *s);
/* Undoes all that was done. */
void pl_signals_restore(struct pl_signals *s);

/* From now on a stop signal, one that waits already included, ends the process at once with status
 * 1. Nobody else may take them then. Only this thread unblocks them, so the handler runs in it,
 * between its instructions. */
void pl_signals_arm(struct pl_signals *s);

/* A stop signal waits, which nobody has taken. */
bool pl_signals_stop_is_pending(void);
/* Takes those that wait: else they end the process when they are let in again. */
void pl_signals_stop_take(void);

#endif

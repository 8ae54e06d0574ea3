/* SPDX-License-Identifier: Apache-2.0 */
/*
 * again.h - a service that starts anew in its own process: the program is executed again, with the
 * same arguments and environment, so that what a reload changes is taken over by the start that any
 * start is. systemd sees one main process all the time, which is reloading.
 *
 * What survives: pid, environment ($NOTIFY_SOCKET, $WATCHDOG_USEC, $CREDENTIALS_DIRECTORY …),
 * working directory, standard streams, and blocked signals that are pending: the new image's loop
 * takes them. All other descriptors are closed. The program is the file of that name as it is now,
 * so an upgrade is taken over, too; where it is gone, the one that runs.
 *
 * Threads: the main one; all others end with the old image.
 */
#ifndef PL_SERVICE_AGAIN_H
#define PL_SERVICE_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct pl_again {
    char **argv;    /* main()'s, borrowed */
    char exe[4096]; /* "": not known */
    bool is_again;  /* this image was started by pl_again_exec() */
};

/* At the start of main(), before anything is replaced on the disk. Takes the mark of an earlier
 * image out of the environment. */
void pl_again_begin(struct pl_again *a, char **argv);

/* Asks systemd for `start_ms` until the new image's first step, then executes it. Only a failure
 * returns: -1, FATAL. */
int pl_again_exec(const struct pl_again *a, int64_t start_ms, struct pl_err *err);

#endif

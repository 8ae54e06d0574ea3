/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon_run.h - a daemon for tests, in a forked child that is watched as systemd would (watch.h).
 */
#ifndef TESTS_UNIT_LIB_DAEMON_RUN_H
#define TESTS_UNIT_LIB_DAEMON_RUN_H

#include "lib/service/daemon.h"
#include "lib/service/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "tests/unit/unit.h"
#include "tests/unit/watch.h"

enum { LONG_MS = 600000 }; /* never reached */

/* One daemon a process, so that its state may be static. */
static struct pl_daemon *daemon_obj;

static inline void finish(void *userdata)
{
    (void)userdata;
    pl_daemon_status(daemon_obj, "drained");
    pl_daemon_finish(daemon_obj);
}

static inline void drain_for_ever(void *userdata)
{
    (void)userdata;
    pl_daemon_status(daemon_obj, "draining");
}

static inline void give_up(void *userdata)
{
    (void)userdata;
    pl_daemon_status(daemon_obj, "gave up");
}

static inline void reload(void *userdata)
{
    (void)userdata;
    pl_daemon_status(daemon_obj, "reloaded");
}

/* The daemon can be asked afterwards. */
static inline int make_and_run_keep(const struct pl_daemon_ops *ops, int64_t stop_timeout_ms)
{
    struct pl_err err;

    if (pl_daemon_new(ops, NULL, stop_timeout_ms, &daemon_obj, &err) < 0)
        return 99;
    pl_daemon_ready(daemon_obj);
    return pl_daemon_run(daemon_obj);
}

static inline int make_and_run(const struct pl_daemon_ops *ops, int64_t stop_timeout_ms)
{
    int status = make_and_run_keep(ops, stop_timeout_ms);

    if (status != 99)
        pl_daemon_free(daemon_obj);
    return status;
}

#endif

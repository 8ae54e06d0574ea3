/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.h - --position: shows the position of each series; with --set moves one.
 *
 * Showing does not disturb a running service. Moving takes over its transactional ids, so that a
 * running instance ends (status 150) at its next commit.
 *
 * Threads: none; it blocks until done.
 */
#ifndef WMFETCHD_MOVE_H
#define WMFETCHD_MOVE_H

#include "daemons/wmfetchd/conf.h"

struct move_ask {
    const char *key; /* NAME/APPLICATION/INDEX, or without NAME/; "": all */
    bool set;
    int64_t to_ms; /* since 1970 */
};

/* Prints to stdout, errors to stderr. Returns the exit status. */
int move_run(const struct wmfetchd_conf *conf, const struct move_ask *ask);

#endif

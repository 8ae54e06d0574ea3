/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.h - --position: shows where the service is in each series, and with --set moves one.
 *
 * Showing fences nobody. Moving takes the service's transactional ids, so an instance that runs
 * ends (status 150) at its next commit.
 */
#ifndef WMFETCHD_MOVE_H
#define WMFETCHD_MOVE_H

#include "daemons/wmfetchd/conf.h"

struct move_ask {
    const char *key; /* NAME/APPLICATION/INDEX, or without NAME/; "": all */
    bool set;
    int64_t to_ms;
};

/* Returns the exit status. */
int move_run(const struct wmfetchd_conf *conf, const struct move_ask *ask);

#endif

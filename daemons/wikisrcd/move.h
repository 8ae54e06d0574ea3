/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.h - --position: shows where the service is in the source, and with --set moves it.
 *
 * Showing fences nobody. Moving takes the service's transactional id, so a running instance ends
 * (status 150). The new position asks every topic by time and remembers no ids: events after that
 * time are delivered again.
 */
#ifndef WIKISRCD_MOVE_H
#define WIKISRCD_MOVE_H

#include "daemons/wikisrcd/conf.h"

/* `to_ms` -1: only show. Returns the exit status. */
int move_run(const struct wikisrcd_conf *conf, int64_t to_ms);

#endif

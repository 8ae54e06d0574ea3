/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wmfetchd.h - the daemon: the one place that joins schedule, token, fetch and delivery to the
 * loop.
 *
 *   schedule ──window──> load: oauth2 ──token──> fetch ──element──> delivery ──commit──> Kafka
 *      ^                                                               │
 *      └──────────── the position moves, or the same window again <────┘
 *
 * A series is an application and an index, and has a position of its own. Those that are due are
 * fetched in turn, one window at a time. A series whose window failed waits for itself and holds up
 * no other; but where no token is to be had, or the API asks to wait, all wait. A refusal that a
 * person must mend ends the daemon while nothing has worked, and a limit of ours at any time, but
 * only when it is so for every series.
 *
 * Threads: the loop's.
 */
#ifndef WMFETCHD_WMFETCHD_H
#define WMFETCHD_WMFETCHD_H

#include "daemons/wmfetchd/conf.h"

/* The program: command line, configuration, mode. Returns the exit status. (program.c) */
int wmfetchd_main(int argc, char **argv);

/* Service mode until stopped. `file` is read again at a reload; `conf` is changed by it. */
int wmfetchd_run(struct wmfetchd_conf *conf, const char *file);

#endif

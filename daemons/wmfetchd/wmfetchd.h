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
#include "lib/service/service.h"

/* Service mode until stopped; the service is configured. Returns the exit status. */
int wmfetchd_run(struct pl_service *service);

#endif

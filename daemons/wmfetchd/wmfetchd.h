/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wmfetchd.h - the daemon: the one place that joins schedule, token, fetch and delivery to the
 * loop.
 *
 *   schedule ──window──> load: oauth2 ──token──> fetch ──element──> delivery ──commit──> Kafka
 *      ^                                                               │
 *      └──────────── the position moves, or the same window again <────┘
 *
 * A series is an application and an index, with its own position. Those that are due are fetched in
 * turn, up to api.requests at once (window/turns.h). A series whose window failed waits alone, and
 * may be let pass one that cannot be read (window/giveup.h); but without a token, or where the API
 * asks to wait, all wait. The daemon ends when every series meets a refusal that a
 * person must fix while nothing has worked yet, or a limit of ours at any time.
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

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
 * may pass a window that cannot be read (window/giveup.h); without a token, or when the API asks to
 * wait, all wait. The daemon ends when every series is refused in a way that only a person can fix
 * and nothing has worked yet, or when every series has hit one of our limits.
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wikisrcd.h - the daemon: the one place that joins source, position, filter and delivery to the
 * loop.
 *
 *   source ──event──> position (new?) ──> filter ──> delivery ──commit──> Kafka
 *      ^                                                │
 *      └── asks from the position <── rewind on abort ──┘
 *
 * Threads: the loop's.
 */
#ifndef WIKISRCD_WIKISRCD_H
#define WIKISRCD_WIKISRCD_H

#include "daemons/wikisrcd/once.h"
#include "lib/service/service.h"

/* Service mode until stopped, or --once; the service is configured. Returns the exit status. `once`
 * NULL: the service; released by the caller. */
int wikisrcd_run(struct pl_service *service, struct once *once);

#endif

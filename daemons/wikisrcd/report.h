/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - logs and counts what an event shows about the source: a gap, events lost there, a time
 * in the future, too many ids. Threads: the loop's.
 */
#ifndef WIKISRCD_REPORT_H
#define WIKISRCD_REPORT_H

#include "daemons/wikisrcd/position/position.h"
#include "lib/metrics/metrics.h"

/* Also adds the event to the position. */
void report_add(struct pl_metrics *metrics, struct position *position,
                const struct position_mark *mark);

#endif

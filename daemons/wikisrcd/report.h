/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what an event says about the source is logged and counted: a gap, an event that is
 * late (something is gone there), a time in the future, too many ids. Threads: the loop's.
 */
#ifndef WIKISRCD_REPORT_H
#define WIKISRCD_REPORT_H

#include "daemons/wikisrcd/position/position.h"
#include "lib/metrics/metrics.h"

/* Reports it, and adds it to the position. */
void report_add(struct pl_metrics *metrics, struct position *position,
                const struct position_mark *mark);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * past.h - what became of a series' last windows, and the strip of a calendar that shows them with
 * those that are due, for people.
 *
 *     ▪ ▪ ▪ ▪ ▪ ▪ ▪ ▪ ▫ ▪ ▪ ▖ ▖ ▖ □
 *     done ──────────────┘   due  └ not due yet
 *
 * A cell is a window, or as many of them as it takes for all that are due to be seen.
 *
 * Limits: PAST_WINDOWS windows, 1 KiB.
 *
 * Pure: time is given. Threads: one owner.
 */
#ifndef WMFETCHD_WINDOW_PAST_H
#define WMFETCHD_WINDOW_PAST_H

#include "daemons/wmfetchd/window/schedule.h"
#include "lib/page/page.h"

#define PAST_WINDOWS 48
#define PAST_CELLS   48
/* Of them, at most so many are due. */
#define PAST_CELLS_DUE 36

struct past_window {
    int64_t end_ms;
    uint64_t records;
    bool passed; /* given up: it is a dead letter */
};

/* Zero-initialise. */
struct past {
    struct past_window v[PAST_WINDOWS]; /* number i is at i modulo PAST_WINDOWS */
    uint64_t n;                         /* ever */
};

void past_add(struct past *p, const struct past_window *w);

/* Writes the cells, oldest first; returns how many, up to PAST_CELLS. */
unsigned past_strip(const struct past *p, const struct schedule *s,
                    const struct schedule_position *position, int64_t now_ms,
                    struct pl_page_cell *cells);

#endif

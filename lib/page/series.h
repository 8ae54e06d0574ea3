/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series.h - how fast a count grew during the last hour, in slots of half a minute: for a plot.
 *
 * The slots begin with the first look. Half a KiB each.
 *
 * Pure; times are monotonic milliseconds. Threads: one owner.
 */
#ifndef PL_PAGE_SERIES_H
#define PL_PAGE_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#define PL_SERIES_SLOTS   120
#define PL_SERIES_SLOT_MS 30000

/* Zero-initialise. */
struct pl_series {
    bool begun;
    int64_t begun_ms;
    int64_t slot; /* the newest, counted from the first look */
    uint64_t count;
    float grown[PL_SERIES_SLOTS]; /* slot i is at i modulo PL_SERIES_SLOTS */
};

/* What the count is now: call it regularly, at least once a slot. A count that went down restarted
 * at 0. A clock that went back changes nothing. */
void pl_series_look(struct pl_series *s, int64_t now_ms, uint64_t count);

/* How many slots there are, up to PL_SERIES_SLOTS; the newest is not over yet. */
unsigned pl_series_slots(const struct pl_series *s);

/* Growth per second in the slot `back` before the newest (below pl_series_slots()). The newest
 * counts up to now. */
double pl_series_rate(const struct pl_series *s, unsigned back, int64_t now_ms);

#endif

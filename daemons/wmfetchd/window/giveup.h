/* SPDX-License-Identifier: Apache-2.0 */
/*
 * giveup.h - when a window whose data cannot be read is passed, that is skipped
 * (window.give_up_after).
 *
 *   tries with the overlap ──give_up_after──> one try without it ──also fails──> passed
 *
 * Only faults inside an element count (not JSON, not UTF-8, too large), because no retry cures
 * them. An API that is away, refuses, or reports that its answer is incomplete never counts.
 *
 * The overlap was fetched before, so bad data in it must not cost the window: on the last try it is
 * left out, and the series continues as if it had begun where the window does.
 *
 * Pure. Threads: none.
 */
#ifndef WMFETCHD_WINDOW_GIVEUP_H
#define WMFETCHD_WINDOW_GIVEUP_H

#include <stdbool.h>
#include <stdint.h>

/* The state of the current window; zeroed when that is committed or passed. */
struct giveup {
    int64_t tries; /* that failed because of the data */
    bool narrow;   /* fetch it without its overlap */
};

enum giveup_next {
    GIVEUP_AGAIN,  /* try again as before */
    GIVEUP_NARROW, /* from now on try without the overlap */
    GIVEUP_PASS,   /* write a dead letter and pass the window */
};

/* A try has failed. `after`: window.give_up_after, 0: never. `by_data`: because of a fault inside
 * an element. `overlap`: the window was fetched with one. */
enum giveup_next giveup_failed(struct giveup *g, int64_t after, bool by_data, bool overlap);

#endif

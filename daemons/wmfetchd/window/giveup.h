/* SPDX-License-Identifier: Apache-2.0 */
/*
 * giveup.h - when a window whose data cannot be read is passed (window.give_up_after).
 *
 *   tries with the overlap ──give_up_after──> tries without it ──also fails──> passed
 *
 * Only what stands in an element of the answer counts (not JSON, not UTF-8, larger than we take):
 * the same comes again however often it is asked for. Nothing else moves this on: not a far side
 * that is away, refuses, or says that its answer is not whole.
 *
 * The overlap was fetched before, so what is bad in it must not cost the window: once it is left
 * out, and the series goes on from the window's beginning as if it had begun there.
 *
 * Pure. Threads: none.
 */
#ifndef WMFETCHD_WINDOW_GIVEUP_H
#define WMFETCHD_WINDOW_GIVEUP_H

#include <stdbool.h>
#include <stdint.h>

/* Of the window that is due; zeroed when it is committed or passed. */
struct giveup {
    int64_t tries; /* that failed by the data */
    bool narrow;   /* it is asked for without its overlap */
};

enum giveup_next {
    GIVEUP_AGAIN,  /* ask again as before */
    GIVEUP_NARROW, /* ask again without the overlap, from now on */
    GIVEUP_PASS,   /* write a dead letter, and pass it */
};

/* A try has failed. `after`: window.give_up_after, 0: never. `by_data`: for what stands in an
 * element. `overlap`: the window was asked for with one. */
enum giveup_next giveup_failed(struct giveup *g, int64_t after, bool by_data, bool overlap);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * giveup.h - when a window whose data cannot be read is passed, that is skipped
 * (window.give_up_after, window.give_up_time).
 *
 *   with the overlap ──enough tries, for long enough──> without it ──the same again──> passed
 *
 * Only faults inside an element count (not JSON, not UTF-8, too large), because no retry cures
 * them; unless the API merely has a bad minute, which is why the tries must also span a time. An
 * API that is away, refuses, or reports that its answer is incomplete never counts.
 *
 * The overlap was fetched before, so bad data in it must not cost the window: it is left out in the
 * end, and the series continues as if it had begun where the window does. The window's own data are
 * then given as many tries and as much time again.
 *
 * Pure. Threads: none.
 */
#ifndef WMFETCHD_WINDOW_GIVEUP_H
#define WMFETCHD_WINDOW_GIVEUP_H

#include <stdbool.h>
#include <stdint.h>

/* The state of the current window; zeroed when that is committed or passed. */
struct giveup {
    int64_t tries;    /* that failed because of the data; of this stage (`narrow`) */
    int64_t since_ms; /* when the first of them did */
    bool narrow;      /* fetch it without its overlap */
};

enum giveup_next {
    GIVEUP_AGAIN,  /* try again as before */
    GIVEUP_NARROW, /* from now on try without the overlap */
    GIVEUP_PASS,   /* write a dead letter and pass the window */
};

struct giveup_limits {
    int64_t tries;   /* at least this many; 0: never */
    int64_t time_ms; /* and at least this long from the first to the last */
};

/* A try that failed. */
struct giveup_try {
    int64_t now_ms; /* monotonic */
    bool by_data;   /* because of a fault inside an element */
    bool overlap;   /* the window was fetched with one */
};

enum giveup_next giveup_failed(struct giveup *g, const struct giveup_limits *limits,
                               const struct giveup_try *failed);

#endif

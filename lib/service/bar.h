/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bar.h - how far long one-shot work is, for a person: --once, --replay, --schema.
 *
 *     █████████░░░░░░░░░░░  43 %  5160000 rows, 118000 rows/s, 0:00:57 left; committing
 *
 * On a terminal one line that is drawn again, as wide as the terminal is now; elsewhere the same
 * without the bar, a line each PL_LOG_PROGRESS_MS (lib/log/log.h), none where all is done within
 * PL_BAR_LINES_FROM_MS. Without colours. Blocks where
 * the locale says UTF-8, else "[####....]".
 *
 * The rates are smoothed over PL_BAR_SMOOTH_MS. The time left is shown once it can be believed:
 * after PL_BAR_LEFT_FROM_MS, while the work moves, and below 100 hours.
 *
 * pl_bar_next() and pl_bar_render() are pure. Threads: one owner.
 */
#ifndef PL_SERVICE_BAR_H
#define PL_SERVICE_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_BAR_SMOOTH_MS     10000
#define PL_BAR_LEFT_FROM_MS  3000
#define PL_BAR_DRAW_MS       200 /* no sooner is it drawn again */
#define PL_BAR_LINES_FROM_MS 1000
#define PL_BAR_TEXT_MAX      1024

struct pl_bar_now {
    double done, total; /* of the work, in any unit; total 0: not known */
    const char *what;   /* stands before the counts: "31854/HOURLY"; NULL: nothing */
    uint64_t count;     /* what the rate is of */
    const char *unit;   /* "rows"; NULL: bytes, shown as MB */
    const char *note;   /* stands at the end: "Kafka does not answer"; NULL or "": nothing */
};

/* Zero-initialise. */
struct pl_bar {
    int64_t begun_ms, at_ms; /* monotonic: the first look, the last; 0: not looked yet */
    double done, count;      /* at the last */
    double speed, rate;      /* of them, a second; smoothed */
    int64_t drawn_ms;        /* monotonic; 0: not yet */
    enum { PL_BAR_UNKNOWN, PL_BAR_ASCII, PL_BAR_UTF8 } look;
};

/* Takes what was reached at now_ms (monotonic, above 0) into the rates. A clock that stands still
 * or goes back, and counts that went down (a try that begins again), count as no time and no
 * work. */
void pl_bar_next(struct pl_bar *bar, int64_t now_ms, const struct pl_bar_now *now);

/* The line, at most `columns` wide (0: no terminal, as long as it is and without a bar), cut at a
 * character to what PL_BAR_TEXT_MAX bytes of `out` hold. When it is too long, first the bar goes,
 * then the note, what, the time left, the rate, the count. Returns its length. */
size_t pl_bar_render(const struct pl_bar *bar, const struct pl_bar_now *now, unsigned columns,
                     char *out);

/* Both at the present time, on stderr; draws at most each PL_BAR_DRAW_MS. Ends with
 * pl_log_progress_end(), before anything else is printed. */
void pl_bar_show(struct pl_bar *bar, const struct pl_bar_now *now);

#endif

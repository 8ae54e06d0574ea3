/* SPDX-License-Identifier: Apache-2.0 */
/* past.c - see past.h. */
#include "daemons/wmfetchd/window/past.h"

#include <inttypes.h>
#include <stdio.h>

void past_add(struct past *p, const struct past_window *w)
{
    p->v[p->n++ % PAST_WINDOWS] = *w;
}

/* What is known of the windows that end in (begin, end]. */
struct seen {
    unsigned windows, passed;
    uint64_t records;
};

static struct seen seen_in(const struct past *p, int64_t begin_ms, int64_t end_ms)
{
    struct seen seen = {0};
    uint64_t kept = p->n < PAST_WINDOWS ? p->n : PAST_WINDOWS;
    for (uint64_t i = 0; i < kept; i++) {
        const struct past_window *w = &p->v[i];
        if (w->end_ms <= begin_ms || w->end_ms > end_ms)
            continue;
        seen.windows++;
        seen.passed += w->passed;
        seen.records += w->records;
    }
    return seen;
}

/* "11-20 10:00 to 11-20 11:00: 5 records" */
static void cell_make(struct pl_page_cell *cell, enum pl_page_day day, int64_t begin_ms,
                      int64_t end_ms, const char *what)
{
    cell->day = day;
    snprintf(cell->text, sizeof(cell->text), "%.11s to %.11s: %s",
             pl_words_time_short(begin_ms).text, pl_words_time_short(end_ms).text, what);
}

static void done_make(const struct past *p, int64_t begin_ms, int64_t end_ms, bool is_whole,
                      struct pl_page_cell *cell)
{
    const struct seen seen = seen_in(p, begin_ms, end_ms);
    char what[40] = "done";
    if (seen.windows > 0)
        snprintf(what, sizeof(what), "%.28s records", pl_words_count(seen.records).text);
    if (seen.passed > 0)
        cell_make(cell, PL_PAGE_PASSED, begin_ms, end_ms, "passed, a dead letter");
    else if (is_whole && seen.windows > 0 && seen.records == 0)
        cell_make(cell, PL_PAGE_EMPTY, begin_ms, end_ms, "no record");
    else
        cell_make(cell, PL_PAGE_DONE, begin_ms, end_ms, what);
}

unsigned past_strip(const struct past *p, const struct schedule *s,
                    const struct schedule_position *position, int64_t now_ms,
                    struct pl_page_cell *cells)
{
    const int64_t due = schedule_behind(s, position, now_ms);
    const int64_t each = due > PAST_CELLS_DUE ? (due + PAST_CELLS_DUE - 1) / PAST_CELLS_DUE : 1;
    const int64_t cell_ms = each * s->size_ms, end_ms = position->end_ms;
    const int64_t due_cells = (due + each - 1) / each;
    int64_t done_cells = (end_ms - position->start_ms + cell_ms - 1) / cell_ms;
    unsigned n = 0;
    if (done_cells > PAST_CELLS - 1 - due_cells)
        done_cells = PAST_CELLS - 1 - due_cells;
    for (int64_t i = done_cells; i > 0; i--) {
        int64_t begin_ms = end_ms - i * cell_ms;
        if (begin_ms < position->start_ms)
            begin_ms = position->start_ms;
        done_make(p, begin_ms, end_ms - (i - 1) * cell_ms, each == 1, &cells[n++]);
    }
    for (int64_t i = 0; i < due_cells; i++) {
        int64_t until_ms = (i + 1) * each < due ? (i + 1) * each : due;
        cell_make(&cells[n++], PL_PAGE_DUE, end_ms + i * cell_ms, end_ms + until_ms * s->size_ms,
                  "due");
    }
    int64_t next_ms = end_ms + due * s->size_ms;
    cell_make(&cells[n++], PL_PAGE_LATER, next_ms, next_ms + s->size_ms, "not due yet");
    return n;
}

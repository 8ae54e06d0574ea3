/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - a page for people in one self-contained HTML document: what a daemon is doing, in words,
 * figures, tables, plots and calendar strips.
 *
 *     pl_page_begin -> pl_page_figure … -> pl_page_section -> pl_page_table, _row, _cell …, _end
 *                   -> pl_page_section -> … -> pl_page_end
 *
 * No script, font or picture comes from elsewhere; the browser asks again every PL_PAGE_AGAIN_S by
 * itself. Light and dark follow the reader's system, and a narrow screen scrolls wide tables in
 * their own box. What is written is HTML 5 and well-formed XML at once, so that a test can hold it
 * against a strict parser.
 *
 * All text is from outside: it is escaped, made one line that cannot act (base/text.h), and cut to
 * PL_PAGE_TEXT_MAX bytes. A table shows PL_PAGE_ROWS_MAX rows and says how many more there are.
 *
 * Pure: no I/O, no clock. Threads: one owner.
 */
#ifndef PL_PAGE_PAGE_H
#define PL_PAGE_PAGE_H

#include "lib/base/buf.h"
#include "lib/page/series.h"

#define PL_PAGE_AGAIN_S   10
#define PL_PAGE_TEXT_MAX  240
#define PL_PAGE_ROWS_MAX  100
#define PL_PAGE_BYTES_MAX (2 << 20)

/* How a text is to be taken; shown by a word as well as by a colour. */
enum pl_page_tone { PL_PAGE_PLAIN, PL_PAGE_DIM, PL_PAGE_GOOD, PL_PAGE_WARN, PL_PAGE_BAD };

struct pl_page_column {
    const char *title;
    bool number; /* to the right */
};

/* Zero-initialise. */
struct pl_page {
    struct pl_buf out;
    bool cut;       /* PL_PAGE_BYTES_MAX was passed */
    bool figures;   /* their list is open */
    bool section;   /* one is open */
    bool row;       /* one is open */
    unsigned cells; /* of it */
    const struct pl_page_column *columns;
    unsigned columns_n;
    const char *rows_what; /* "partitions" */
    unsigned rows, rows_more;
};

struct pl_page_head {
    const char *name;     /* "chsinkd" */
    const char *instance; /* what tells it from others of that name, or NULL */
    const char *version;
    const char *status; /* a sentence: what it does or waits for */
    enum pl_page_tone tone;
    int64_t now_ms; /* since 1970 */
    int64_t up_ms;  /* how long it runs */
};

void pl_page_begin(struct pl_page *p, const struct pl_page_head *head);
/* Closes what is open. False: the page would be too large, and is none; nothing is handed out. */
bool pl_page_end(struct pl_page *p, struct pl_buf *ret_html);
/* Where pl_page_end() is not reached. */
void pl_page_release(struct pl_page *p);

/* One of the numbers at the top, directly after pl_page_begin() or a section's title. */
void pl_page_figure(struct pl_page *p, const char *label, enum pl_page_tone tone, const char *fmt,
                    ...) __attribute__((format(printf, 4, 5)));

/* `note` may be NULL. */
void pl_page_section(struct pl_page *p, const char *title, const char *note);
void pl_page_text(struct pl_page *p, enum pl_page_tone tone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* `what` are its rows, in the plural: "partitions"; the table is named so for who cannot see it. */
void pl_page_table(struct pl_page *p, const char *what, const struct pl_page_column *columns,
                   unsigned n);
/* False: there are enough, it is only counted, and has no cells. */
bool pl_page_row(struct pl_page *p);
/* The first of a row is its heading. */
void pl_page_cell(struct pl_page *p, enum pl_page_tone tone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void pl_page_cell_plot(struct pl_page *p, const struct pl_series *s, int64_t mono_ms,
                       const char *what);
/* Closes it; without a row it says `none` ("no batch yet"). */
void pl_page_table_end(struct pl_page *p, const char *none);

/* The last hour over the whole width. `what`: "Events a second". */
void pl_page_plot(struct pl_page *p, const struct pl_series *s, int64_t mono_ms, const char *what);

/* A strip of a calendar: cells from left to right, each with a text for who points at it. */
enum pl_page_day { PL_PAGE_DONE, PL_PAGE_EMPTY, PL_PAGE_PASSED, PL_PAGE_DUE, PL_PAGE_LATER };
struct pl_page_cell {
    enum pl_page_day day;
    char text[96];
};
void pl_page_cell_strip(struct pl_page *p, const struct pl_page_cell *cells, unsigned n,
                        const char *what);
/* What the cells mean. */
void pl_page_strip_legend(struct pl_page *p);

/* ---- numbers and times in words ---- */

struct pl_words {
    char text[48];
};

struct pl_words pl_words_count(uint64_t n);      /* "1,234,567" */
struct pl_words pl_words_rate(double per_s);     /* "0", "0.3", "12.5", "1,234" */
struct pl_words pl_words_duration(int64_t ms);   /* "35 ms", "1.2 s", "2 min 5 s", "3 d 4 h" */
struct pl_words pl_words_bytes(uint64_t bytes);  /* "12 B", "3.4 KiB", "5.0 MiB" */
struct pl_words pl_words_time(int64_t ms);       /* "2026-11-21 09:00:00" UTC; "never" below 1 */
struct pl_words pl_words_time_short(int64_t ms); /* "11-21 09:00" */

#endif

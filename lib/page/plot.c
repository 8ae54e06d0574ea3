/* SPDX-License-Identifier: Apache-2.0 */
/* plot.c - plots and calendar strips as SVG inside the page: see page.h. */
#include <inttypes.h>

#include "lib/page/internal.h"

/* A slot is a unit wide; the newest ends at the right. */
enum { HEIGHT = 40, TOP = 2, CELL = 10, CELL_GAP = 2, STRIP_HEIGHT = 20 };

static double rate_max(const struct pl_series *s, int64_t mono_ms)
{
    double most = 0;
    for (unsigned i = 0; i < pl_series_slots(s); i++) {
        double rate = pl_series_rate(s, i, mono_ms);
        most = rate > most ? rate : most;
    }
    return most;
}

static void line_add(struct pl_page *p, const struct pl_series *s, int64_t mono_ms, double most)
{
    unsigned n = pl_series_slots(s);
    for (unsigned i = 0; i < n; i++) {
        double rate = pl_series_rate(s, n - 1 - i, mono_ms);
        double y = most > 0 ? HEIGHT - rate / most * (HEIGHT - TOP) : HEIGHT;
        page_rawf(p, " %u %.1f %u %.1f", PL_SERIES_SLOTS - n + i, y, PL_SERIES_SLOTS - n + i + 1,
                  y);
    }
}

static void series_add(struct pl_page *p, const struct pl_series *s, int64_t mono_ms,
                       const char *class, const char *what)
{
    double most = rate_max(s, mono_ms);
    unsigned begin = PL_SERIES_SLOTS - pl_series_slots(s);
    page_rawf(p,
              "<svg class=\"%s\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
              "role=\"img\"><title>",
              class, PL_SERIES_SLOTS, HEIGHT);
    page_escaped(p, what);
    page_rawf(p, " in the last hour: at most %s</title>", pl_words_rate(most).text);
    page_rawf(p, "<path class=\"b\" d=\"M0 %d H%d\"/>", HEIGHT, PL_SERIES_SLOTS);
    if (pl_series_slots(s) > 0) {
        page_rawf(p, "<path class=\"a\" d=\"M%u %d L", begin, HEIGHT);
        line_add(p, s, mono_ms, most);
        page_rawf(p, " %d %d Z\"/><polyline class=\"l\" points=\"", PL_SERIES_SLOTS, HEIGHT);
        line_add(p, s, mono_ms, most);
        page_raw(p, "\"/>");
    }
    page_raw(p, "</svg>");
}

void pl_page_cell_plot(struct pl_page *p, const struct pl_series *s, int64_t mono_ms,
                       const char *what)
{
    page_cell_begin(p, PL_PAGE_PLAIN);
    series_add(p, s, mono_ms, "plot", what);
    page_cell_end(p);
}

void pl_page_plot(struct pl_page *p, const struct pl_series *s, int64_t mono_ms, const char *what)
{
    if (p->figures)
        page_raw(p, "</dl>");
    p->figures = false;
    page_raw(p, "<figure><figcaption><span>");
    page_escaped(p, what);
    page_rawf(p, ", the last hour</span><span>at most %s</span></figcaption>",
              pl_words_rate(rate_max(s, mono_ms)).text);
    series_add(p, s, mono_ms, "wide", what);
    page_raw(p, "<div class=\"ends\"><span>1 h ago</span><span>now</span></div></figure>");
}

/* ---- strips ---- */

static const char *day_class(enum pl_page_day day)
{
    switch (day) {
    case PL_PAGE_DONE:
        return "done";
    case PL_PAGE_EMPTY:
        return "empty";
    case PL_PAGE_PASSED:
        return "passed";
    case PL_PAGE_DUE:
        return "due";
    case PL_PAGE_LATER:
        break;
    }
    return "later";
}

/* A shape for each as well as a colour: due is half as high, empty lies low, passed is crossed. */
static void day_add(struct pl_page *p, enum pl_page_day day, unsigned x, const char *title)
{
    int top = day == PL_PAGE_DUE ? STRIP_HEIGHT / 2 : day == PL_PAGE_EMPTY ? 15 : 2;
    int height = STRIP_HEIGHT - 1 - top;
    page_raw(p, "<g>");
    if (title[0]) {
        page_raw(p, "<title>");
        page_escaped(p, title);
        page_raw(p, "</title>");
    }
    page_rawf(p, "<rect class=\"%s\" x=\"%u\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"1\"/>",
              day_class(day), x, top, CELL - CELL_GAP, height);
    if (day == PL_PAGE_PASSED)
        page_rawf(p, "<path class=\"x\" d=\"M%u %d l%d %d m0 -%d l-%d %d\"/>", x, top,
                  CELL - CELL_GAP, height, height, CELL - CELL_GAP, height);
    page_raw(p, "</g>");
}

void pl_page_cell_strip(struct pl_page *p, const struct pl_page_cell *cells, unsigned n,
                        const char *what)
{
    page_cell_begin(p, PL_PAGE_PLAIN);
    page_rawf(p, "<svg class=\"strip\" width=\"%u\" viewBox=\"0 0 %u %d\" role=\"img\"><title>",
              n * CELL, n * CELL, STRIP_HEIGHT);
    page_escaped(p, what);
    page_raw(p, "</title>");
    for (unsigned i = 0; i < n; i++)
        day_add(p, cells[i].day, i * CELL + 1, cells[i].text);
    page_raw(p, "</svg>");
    page_cell_end(p);
}

void pl_page_strip_legend(struct pl_page *p)
{
    static const struct {
        enum pl_page_day day;
        const char *text;
    } meanings[] = {{PL_PAGE_DONE, "done"},
                    {PL_PAGE_EMPTY, "done, without a record"},
                    {PL_PAGE_PASSED, "passed: a dead letter"},
                    {PL_PAGE_DUE, "due"},
                    {PL_PAGE_LATER, "not due yet"}};
    page_raw(p, "<ul class=\"legend\">");
    for (size_t i = 0; i < PL_COUNT(meanings); i++) {
        page_rawf(p, "<li><svg class=\"strip\" width=\"%d\" viewBox=\"0 0 %d %d\">", CELL, CELL,
                  STRIP_HEIGHT);
        day_add(p, meanings[i].day, 1, "");
        page_raw(p, "</svg>");
        page_escaped(p, meanings[i].text);
        page_raw(p, "</li>");
    }
    page_raw(p, "</ul>");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - the document, its sections, figures and tables: see page.h. */
#include "lib/page/page.h"

#include <assert.h>
#include <stdio.h>

#include "lib/base/text.h"
#include "lib/page/internal.h"

/* ---- writing ---- */

void page_raw(struct pl_page *p, const char *markup)
{
    p->cut |= !pl_buf_add_str(&p->out, markup);
}

void page_rawf(struct pl_page *p, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    assert(len >= 0 && (size_t)len < sizeof(text));
    (void)len;
    page_raw(p, text);
}

/* XML 1.0 has no U+FFFE and U+FFFF either. */
static bool is_no_character(const char *c, size_t n)
{
    return n == 3 && memcmp(c, "\xef\xbf", 2) == 0 && (unsigned char)c[2] >= 0xbe;
}

static void character_add(struct pl_page *p, const char *c, size_t n)
{
    if (n == 0 || is_no_character(c, n))
        page_raw(p, "\xef\xbf\xbd");
    else if (pl_text_acts(c, n))
        page_raw(p, " ");
    else if (*c == '<')
        page_raw(p, "&lt;");
    else if (*c == '>')
        page_raw(p, "&gt;");
    else if (*c == '&')
        page_raw(p, "&amp;");
    else if (*c == '"')
        page_raw(p, "&quot;");
    else
        p->cut |= !pl_buf_add(&p->out, c, n);
}

void page_escaped(struct pl_page *p, const char *text)
{
    size_t len = strlen(text), shown = pl_text_cut(text, len, PL_PAGE_TEXT_MAX), n;
    for (size_t i = 0; i<shown; i += n> 0 ? n : 1) {
        n = pl_utf8_char(text + i, shown - i);
        character_add(p, text + i, n);
    }
    if (shown < len)
        page_raw(p, "\xe2\x80\xa6");
}

static void escapedv(struct pl_page *p, const char *fmt, va_list ap)
{
    char text[2 * PL_PAGE_TEXT_MAX];
    vsnprintf(text, sizeof(text), fmt, ap);
    page_escaped(p, text);
}

static const char *tone_class(enum pl_page_tone tone)
{
    switch (tone) {
    case PL_PAGE_DIM:
        return "dim";
    case PL_PAGE_GOOD:
        return "good";
    case PL_PAGE_WARN:
        return "warn";
    case PL_PAGE_BAD:
        return "bad";
    case PL_PAGE_PLAIN:
        break;
    }
    return "plain";
}

/* ---- the document ---- */

static void head_meta(struct pl_page *p, const struct pl_page_head *head)
{
    page_raw(p, "<p class=\"meta\"><span>");
    page_escaped(p, pl_words_time(head->now_ms).text);
    page_raw(p, " UTC</span><span>up ");
    page_escaped(p, pl_words_duration(head->up_ms).text);
    page_rawf(p,
              "</span><span>looks again every %d s</span><span><a href=\"/metrics\">metrics</a> "
              "\xc2\xb7 <a href=\"/healthz\">healthz</a> \xc2\xb7 <a "
              "href=\"/readyz\">readyz</a></span></p>",
              PL_PAGE_AGAIN_S);
}

void pl_page_begin(struct pl_page *p, const struct pl_page_head *head)
{
    *p = (struct pl_page){0};
    pl_buf_init(&p->out, PL_PAGE_BYTES_MAX);
    page_raw(p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta "
                "name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    page_rawf(p, "<meta http-equiv=\"refresh\" content=\"%d\"/><title>", PL_PAGE_AGAIN_S);
    page_escaped(p, head->name);
    if (head->instance) {
        page_raw(p, " ");
        page_escaped(p, head->instance);
    }
    page_raw(p, "</title><link rel=\"icon\" href=\"data:,\"/><style>");
    page_raw(p, page_style);
    page_raw(p, "</style></head>\n<body><header><h1>");
    page_escaped(p, head->name);
    page_raw(p, "<small>");
    if (head->instance) {
        page_escaped(p, head->instance);
        page_raw(p, " \xc2\xb7 ");
    }
    page_escaped(p, head->version);
    page_raw(p, "</small></h1>");
    head_meta(p, head);
    page_rawf(p, "<p class=\"status %s\" role=\"status\">", tone_class(head->tone));
    page_escaped(p, head->status);
    page_raw(p, "</p></header>\n<main>");
}

static void figures_close(struct pl_page *p)
{
    if (p->figures)
        page_raw(p, "</dl>");
    p->figures = false;
}

bool pl_page_end(struct pl_page *p, struct pl_buf *ret_html)
{
    figures_close(p);
    if (p->section)
        page_raw(p, "</section>");
    page_raw(p, "</main>\n<footer>Times are UTC. No message contents are shown here.</footer>"
                "</body></html>\n");
    bool whole = !p->cut;
    if (whole) {
        *ret_html = p->out;
        p->out = (struct pl_buf){0};
    }
    pl_page_release(p);
    return whole;
}

void pl_page_release(struct pl_page *p)
{
    pl_buf_release(&p->out);
    *p = (struct pl_page){0};
}

void pl_page_figure(struct pl_page *p, const char *label, enum pl_page_tone tone, const char *fmt,
                    ...)
{
    if (!p->figures)
        page_raw(p, "<dl class=\"figures\">");
    p->figures = true;
    page_raw(p, "<div><dt>");
    page_escaped(p, label);
    page_rawf(p, "</dt><dd class=\"%s\">", tone_class(tone));
    va_list ap;
    va_start(ap, fmt);
    escapedv(p, fmt, ap);
    va_end(ap);
    page_raw(p, "</dd></div>");
}

void pl_page_section(struct pl_page *p, const char *title, const char *note)
{
    figures_close(p);
    page_raw(p, p->section ? "</section>\n<section><h2>" : "<section><h2>");
    p->section = true;
    page_escaped(p, title);
    page_raw(p, "</h2>");
    if (note) {
        page_raw(p, "<p class=\"note\">");
        page_escaped(p, note);
        page_raw(p, "</p>");
    }
}

void pl_page_text(struct pl_page *p, enum pl_page_tone tone, const char *fmt, ...)
{
    figures_close(p);
    page_rawf(p, "<p class=\"%s\">", tone_class(tone));
    va_list ap;
    va_start(ap, fmt);
    escapedv(p, fmt, ap);
    va_end(ap);
    page_raw(p, "</p>");
}

/* ---- tables ---- */

void pl_page_table(struct pl_page *p, const char *what, const struct pl_page_column *columns,
                   unsigned n)
{
    figures_close(p);
    p->columns = columns;
    p->columns_n = n;
    p->rows_what = what;
    p->rows = p->rows_more = 0;
    p->row = false;
}

/* Nothing is written before there is a row: a table without one is a sentence. */
static void table_open(struct pl_page *p)
{
    page_raw(p, p->columns_n > 2 ? "<div class=\"box\"><table><caption>"
                                 : "<div class=\"box few\"><table><caption>");
    page_escaped(p, p->rows_what);
    page_raw(p, "</caption><thead><tr>");
    for (unsigned i = 0; i < p->columns_n; i++) {
        page_rawf(p, "<th scope=\"col\"%s>", p->columns[i].number ? " class=\"n\"" : "");
        page_escaped(p, p->columns[i].title);
        page_raw(p, "</th>");
    }
    page_raw(p, "</tr></thead><tbody>");
}

static void row_close(struct pl_page *p)
{
    assert(!p->row || p->cells == p->columns_n);
    if (p->row)
        page_raw(p, "</tr>");
    p->row = false;
}

bool pl_page_row(struct pl_page *p)
{
    row_close(p);
    if (p->rows == PL_PAGE_ROWS_MAX) {
        p->rows_more++;
        return false;
    }
    if (p->rows++ == 0)
        table_open(p);
    page_raw(p, "<tr>");
    p->row = true;
    p->cells = 0;
    return true;
}

void page_cell_begin(struct pl_page *p, enum pl_page_tone tone)
{
    assert(p->row && p->cells < p->columns_n);
    bool number = p->columns[p->cells].number;
    page_rawf(p, "<%s class=\"%s%s\">", p->cells == 0 ? "th scope=\"row\"" : "td",
              number ? "n " : "", tone_class(tone));
}

void page_cell_end(struct pl_page *p)
{
    page_raw(p, p->cells == 0 ? "</th>" : "</td>");
    p->cells++;
}

/* Text that is longer than that may be broken into lines. */
#define CELL_LINE 44

void pl_page_cell(struct pl_page *p, enum pl_page_tone tone, const char *fmt, ...)
{
    char text[2 * PL_PAGE_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    page_cell_begin(p, tone);
    if (len > CELL_LINE)
        page_raw(p, "<div class=\"long\">");
    page_escaped(p, text);
    if (len > CELL_LINE)
        page_raw(p, "</div>");
    page_cell_end(p);
}

void pl_page_table_end(struct pl_page *p, const char *none)
{
    row_close(p);
    if (p->rows == 0)
        pl_page_text(p, PL_PAGE_DIM, "%s", none);
    else
        page_raw(p, "</tbody></table></div>");
    if (p->rows_more > 0)
        page_rawf(p, "<p class=\"more\">and %u more ", p->rows_more);
    if (p->rows_more > 0) {
        page_escaped(p, p->rows_what);
        page_raw(p, "</p>");
    }
    p->rows = p->rows_more = 0;
}

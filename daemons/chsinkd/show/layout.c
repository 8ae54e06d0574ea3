/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - see layout.h. */
#include "daemons/chsinkd/show/layout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/text.h"
#include "lib/base/time_text.h"

#define INDENT "   "
#define GAP    "  "

/* ---- cells ---- */

void layout_add_bytes(struct layout *l, const char *p, size_t len)
{
    size_t cut = pl_text_cut(p, len, l->cell_max > 0 ? l->cell_max : LAYOUT_CELL_MAX);
    struct pl_buf cell = {0};
    pl_text_add(&cell, p, cut);
    if (cut < len)
        pl_buf_add_str(&cell, "...");
    /* Grown by doubling: at powers of two. */
    if ((l->n & (l->n - 1)) == 0)
        l->cells = pl_realloc_array(l->cells, l->n > 0 ? 2 * l->n : 1, sizeof(*l->cells));
    pl_buf_cstr(&cell);
    l->cells[l->n++] = pl_buf_take(&cell);
}

void layout_add(struct layout *l, const char *text)
{
    layout_add_bytes(l, text, strlen(text));
}

void layout_addf(struct layout *l, const char *fmt, ...)
{
    char text[2 * LAYOUT_CELL_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    layout_add(l, text);
}

void layout_add_number(struct layout *l, int64_t n)
{
    char text[32] = "-";
    if (n >= 0)
        layout_number(n, text, sizeof(text));
    layout_add(l, text);
}

void layout_add_offset(struct layout *l, int64_t offset)
{
    if (offset >= 0)
        layout_addf(l, "%" PRId64, offset);
    else
        layout_add(l, "-");
}

void layout_release(struct layout *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->cells[i]);
    free(l->cells);
    l->cells = NULL;
    l->n = 0;
}

/* ---- lines ---- */

static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += !pl_utf8_continues(*text);
    return n;
}

static size_t column_width(const struct layout *l, unsigned column)
{
    size_t widest = 0;
    for (size_t i = column; i < l->n; i += l->columns) {
        size_t n = width_of(l->cells[i]);
        widest = n > widest ? n : widest;
    }
    return widest;
}

size_t layout_width(const struct layout *l)
{
    size_t width = 0;
    for (unsigned c = 0; c < l->columns; c++)
        width += column_width(l, c) + (c > 0 ? strlen(GAP) : 0);
    return width;
}

static void pad(struct pl_buf *out, size_t n)
{
    while (n-- > 0)
        pl_buf_add_byte(out, ' ');
}

void layout_print(const struct layout *l, struct pl_buf *out)
{
    size_t widths[LAYOUT_COLUMNS_MAX];
    for (unsigned c = 0; c < l->columns; c++)
        widths[c] = column_width(l, c);
    for (size_t i = 0; i < l->n; i++) {
        unsigned c = (unsigned)(i % l->columns);
        bool last = c + 1 == l->columns;
        size_t more = widths[c] - width_of(l->cells[i]);
        pl_buf_add_str(out, c == 0 ? INDENT : GAP);
        if (l->right[c])
            pad(out, more);
        pl_buf_add_str(out, l->cells[i]);
        if (!l->right[c] && !last)
            pad(out, more);
        if (!last)
            continue;
        while (out->len > 0 && out->data[out->len - 1] == ' ')
            out->len--;
        pl_buf_add_byte(out, '\n');
    }
}

/* ---- numbers ---- */

void layout_number(int64_t n, char *out, size_t size)
{
    char digits[24], text[32];
    size_t at = 0;
    int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
    for (int i = 0; i < len; i++) {
        text[at++] = digits[i];
        if (digits[i] != '-' && i + 1 < len && (len - i - 1) % 3 == 0)
            text[at++] = ',';
    }
    text[at] = '\0';
    snprintf(out, size, "%s", text);
}

void layout_size(int64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double n = (double)bytes / 1024;
    unsigned unit = 0;
    if (bytes < 0) {
        snprintf(out, size, "-");
        return;
    }
    if (bytes < 1024) {
        snprintf(out, size, "%" PRId64 " bytes", bytes);
        return;
    }
    for (; n >= 1023.95 && unit + 1 < PL_COUNT(units); unit++)
        n /= 1024;
    snprintf(out, size, "%.1f %s", n, units[unit]);
}

/* "3 min" */
static void span(int64_t ms, char *out, size_t size)
{
    static const struct {
        int64_t ms; /* of one */
        int64_t until_ms;
        const char *unit;
    } steps[] = {{1000, 120000, "s"}, {60000, 7200000, "min"}, {3600000, 172800000, "h"}};
    for (unsigned i = 0; i < PL_COUNT(steps); i++)
        if (ms < steps[i].until_ms) {
            snprintf(out, size, "%" PRId64 " %s", ms / steps[i].ms, steps[i].unit);
            return;
        }
    snprintf(out, size, "%" PRId64 " days", ms / 86400000);
}

void layout_time(int64_t at_ms, int64_t now_ms, char *out, size_t size)
{
    char text[32], age[40] = "";
    if (at_ms < 0) {
        snprintf(out, size, "-");
        return;
    }
    pl_time_format(at_ms / 1000, 0, text);
    char *t = strchr(text, 'T'), *z = strchr(text, 'Z');
    if (t)
        *t = ' ';
    if (z)
        *z = '\0';
    if (now_ms >= at_ms) {
        char ago[32];
        span(now_ms - at_ms, ago, sizeof(ago));
        snprintf(age, sizeof(age), " (%s ago)", ago);
    }
    snprintf(out, size, "%s%s", text, age);
}

void layout_duration(int64_t ms, char *out, size_t size)
{
    if (ms < 0)
        snprintf(out, size, "-");
    else if (ms < 1000)
        snprintf(out, size, "%" PRId64 " ms", ms);
    else if (ms < 10000)
        snprintf(out, size, "%.1f s", (double)ms / 1000);
    else
        span(ms, out, size);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_print.c - a profile as a table for a terminal.
 *
 * All cells are made first, then the columns get the width of their widest cell, counted in
 * characters and not in bytes.
 */
#include "lib/json/schema.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/text.h"

enum column { PATH, PRESENT, SEEN, TYPE, RANGE, EXAMPLE, COLUMNS };

/* Wider cells push their row to the right instead of all rows. */
#define WIDTH_MAX 48

struct row {
    char *cells[COLUMNS];
};

static size_t text_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += !pl_utf8_continues(*s);
    return n;
}

/* Rounded down, so that only what is always there is 100%. */
static char *present_cell(const struct pl_schema_field *f, uint64_t rows)
{
    double thousandths = rows > 0 ? (double)f->present * 1000 / (double)rows : 0;
    unsigned tenths = f->present == rows ? 1000 : (unsigned)thousandths;
    if (tenths == 1000 && f->present < rows)
        tenths = 999;
    return tenths == 0 ? pl_strdup("<0.1%") : pl_strf("%u.%u%%", tenths / 10, tenths % 10);
}

static char *seen_cell(const struct pl_schema_field *f)
{
    const struct {
        const char *name;
        uint64_t n;
    } types[] = {{"string", f->strings}, {"int", f->integers},   {"float", f->floats},
                 {"bool", f->bools},     {"object", f->objects}, {"array", f->arrays},
                 {"null", f->nulls}};
    struct pl_buf b = {0};

    for (unsigned i = 0; i < PL_COUNT(types); i++) {
        if (types[i].n > 0)
            pl_buf_addf(&b, "%s%s", b.len > 0 ? "|" : "", types[i].name);
    }
    return pl_buf_take(&b);
}

static char *range_cell(const struct pl_schema_field *f)
{
    struct pl_buf b = {0};
    if (f->int_overflow)
        pl_buf_add_str(&b, "beyond Int64");
    else if (f->integers > 0)
        pl_buf_addf(&b, "%" PRId64 "..%" PRId64, f->int_min, f->int_max);
    if (f->strings > 0) {
        pl_buf_addf(&b, "%sup to %" PRIu64 " bytes, ", b.len > 0 ? "; " : "", f->string_len_max);
        pl_buf_addf(&b, f->distinct == PL_SCHEMA_DISTINCT_MAX ? "64+ distinct" : "%u distinct",
                    f->distinct);
    }
    return pl_buf_take(&b);
}

/* Paths are made of keys from outside. */
static char *flat_copy(const char *text)
{
    char *copy = pl_strdup(text);
    pl_text_flatten(copy, strlen(copy));
    return copy;
}

static struct row row_make(const struct pl_schema *p, unsigned i, pl_schema_type_fn *type)
{
    const struct pl_schema_field *f = pl_schema_field(p, i);
    struct pl_buf text = {0};
    type(p, i, &text);
    return (struct row){{
        [PATH] = flat_copy(f->path),
        [PRESENT] = present_cell(f, pl_schema_field_rows(p, i)),
        [SEEN] = seen_cell(f),
        [TYPE] = pl_buf_take(&text),
        [RANGE] = range_cell(f),
        [EXAMPLE] = pl_strdup(f->example),
    }};
}

static void row_print(const struct row *row, const size_t widths[static COLUMNS],
                      struct pl_buf *out)
{
    size_t line = out->len;
    for (unsigned c = 0; c < COLUMNS; c++) {
        size_t width = text_width(row->cells[c]);
        pl_buf_add_str(out, row->cells[c]);
        for (; width < widths[c] + 2; width++)
            pl_buf_add_byte(out, ' ');
    }
    while (out->len > line && out->data[out->len - 1] == ' ')
        out->len--;
    pl_buf_add_byte(out, '\n');
}

void pl_schema_print(const struct pl_schema *p, const char *title, pl_schema_type_fn *type,
                     struct pl_buf *out)
{
    const char *const titles[COLUMNS] = {"FIELD", "PRESENT", "SEEN", title, "RANGE", "EXAMPLE"};
    unsigned n = pl_schema_count(p) + 1;
    struct row *rows = pl_alloc_array(n, sizeof(*rows));
    size_t widths[COLUMNS] = {0};

    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            rows[i] = row_make(p, i - 1, type);
        for (unsigned c = 0; c < COLUMNS; c++) {
            if (i == 0)
                rows[i].cells[c] = pl_strdup(titles[c]);
            size_t width = text_width(rows[i].cells[c]);
            if (width > widths[c] && width <= WIDTH_MAX)
                widths[c] = width;
        }
    }
    widths[EXAMPLE] = 0;
    for (unsigned i = 0; i < n; i++) {
        row_print(&rows[i], widths, out);
        for (unsigned c = 0; c < COLUMNS; c++)
            free(rows[i].cells[c]);
    }
    free(rows);

    pl_buf_addf(out, "%" PRIu64 " documents, %u fields", pl_schema_documents(p),
                pl_schema_count(p));
    if (pl_schema_left_out(p) > 0)
        pl_buf_addf(out, ", %" PRIu64 " values at further paths left out", pl_schema_left_out(p));
    if (pl_schema_invalid(p) > 0)
        pl_buf_addf(out, ", not valid JSON: %" PRIu64, pl_schema_invalid(p));
    pl_buf_add_byte(out, '\n');
}

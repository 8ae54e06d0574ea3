/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_print.c - the table of schema.h. Columns are as wide as their widest cell, in characters.
 */
#include "lib/json/schema.h"

#include <inttypes.h>

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
    unsigned tenths = (unsigned)(f->present * 1000 / rows);
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

static struct row row_make(const struct pl_schema *p, unsigned i, pl_schema_type_fn *type)
{
    const struct pl_schema_field *f = p->fields[i];
    struct pl_buf path = {0}, text = {0};
    pl_text_add(&path, f->path, strlen(f->path));
    type(p, i, &text);
    return (struct row){{
        [PATH] = pl_buf_take(&path),
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
    unsigned n = p->n + 1;
    struct row *rows = pl_alloc_array(n, sizeof(*rows));
    for (unsigned c = 0; c < COLUMNS; c++)
        rows[0].cells[c] = pl_strdup(titles[c]);
    for (unsigned i = 0; i < p->n; i++)
        rows[i + 1] = row_make(p, i, type);

    size_t widths[COLUMNS] = {0};
    for (unsigned i = 0; i < n; i++) {
        for (unsigned c = 0; c < COLUMNS; c++) {
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

    pl_buf_addf(out, "%" PRIu64 " documents, %u fields", p->documents, p->n);
    if (p->left_out > 0)
        pl_buf_addf(out, ", %" PRIu64 " values at further paths left out", p->left_out);
    if (p->invalid > 0)
        pl_buf_addf(out, ", not valid JSON: %" PRIu64, p->invalid);
    pl_buf_add_byte(out, '\n');
}

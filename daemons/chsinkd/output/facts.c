/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - see facts.h. */
#include "daemons/chsinkd/output/facts.h"

#include <ctype.h>
#include <strings.h>

/* ---- a target ---- */

void output_facts_release(struct output_facts *f)
{
    for (unsigned i = 0; i < f->views_n; i++)
        free(f->views[i].name);
    free(f->views);
    for (unsigned i = 0; i < f->columns_n; i++) {
        free(f->columns[i].name);
        free(f->columns[i].type);
        free(f->columns[i].wanted);
    }
    for (unsigned i = 0; i < f->loads_n; i++)
        free(f->loads[i].topic);
    for (unsigned i = 0; i < f->places_n; i++)
        free(f->places[i].topic);
    free(f->columns);
    free(f->loads);
    free(f->places);
    free(f->newest_sql);
    *f = (struct output_facts){0};
}

void output_facts_view(struct output_facts *f, const struct output_view_fact *view)
{
    f->views = pl_realloc_array(f->views, f->views_n + 1, sizeof(*f->views));
    f->views[f->views_n] = *view;
    f->views[f->views_n++].name = pl_strdup(view->name);
}

void output_facts_column(struct output_facts *f, const char *name, const char *type,
                         const char *wanted, bool differs)
{
    f->columns = pl_realloc_array(f->columns, f->columns_n + 1, sizeof(*f->columns));
    f->columns[f->columns_n++] = (struct output_column_fact){.name = pl_strdup(name),
                                                             .type = pl_strdup(type),
                                                             .wanted = pl_strdup(wanted),
                                                             .differs = differs};
}

bool output_facts_load(struct output_facts *f, const struct output_load *load)
{
    if (f->loads_n >= OUTPUT_LOADS_MAX)
        return false;
    f->loads = pl_realloc_array(f->loads, f->loads_n + 1, sizeof(*f->loads));
    f->loads[f->loads_n] = *load;
    f->loads[f->loads_n++].topic = pl_strdup(load->topic);
    return true;
}

void output_facts_place(struct output_facts *f, const struct output_place_fact *place)
{
    f->places = pl_realloc_array(f->places, f->places_n + 1, sizeof(*f->places));
    f->places[f->places_n] = *place;
    f->places[f->places_n++].topic = pl_strdup(place->topic);
}

/* ---- a statement, and what it gave ---- */

/* Past white space, opening brackets and comments (-- and # to the end of the line). */
static const char *statement_begin(const char *p)
{
    for (;;) {
        if (isspace((unsigned char)*p) || *p == '(') {
            p++;
        } else if (*p == '#' || (p[0] == '-' && p[1] == '-')) {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            if (!end)
                return "";
            p = end + 2;
        } else {
            return p;
        }
    }
}

bool output_statement_reads(const char *sql)
{
    static const char *const words[] = {"SELECT",    "WITH",    "FROM",  "VALUES",
                                        "TABLE",     "SHOW",    "DESC",  "DESCRIBE",
                                        "SUMMARIZE", "EXPLAIN", "EXISTS"};
    const char *p = statement_begin(sql);
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    for (size_t i = 0; i < PL_COUNT(words); i++)
        if (n == strlen(words[i]) && strncasecmp(p, words[i], n) == 0)
            return true;
    return false;
}

void output_rows_release(struct output_rows *r)
{
    for (unsigned i = 0; i < r->columns_n; i++) {
        free(r->columns[i].name);
        free(r->columns[i].type);
    }
    free(r->columns);
    free(r->cells);
    pl_buf_release(&r->text);
    *r = (struct output_rows){0};
}

void output_rows_column(struct output_rows *r, const char *name, const char *type,
                        enum output_value value)
{
    r->columns = pl_realloc_array(r->columns, r->columns_n + 1, sizeof(*r->columns));
    r->columns[r->columns_n++] =
        (struct output_rows_column){pl_strdup(name), pl_strdup(type), value};
}

bool output_rows_cell(struct output_rows *r, const char *p, size_t len)
{
    struct output_cell cell = {p ? r->text.len : SIZE_MAX, p ? len : 0};
    r->text.max = OUTPUT_QUERY_BYTES_MAX;
    if (p && !pl_buf_add(&r->text, p, len))
        return false;
    /* Grown by doubling: at powers of two. */
    if ((r->cells_n & (r->cells_n - 1)) == 0)
        r->cells =
            pl_realloc_array(r->cells, r->cells_n > 0 ? 2 * r->cells_n : 1, sizeof(*r->cells));
    r->cells[r->cells_n++] = cell;
    return true;
}

struct pl_slice output_rows_get(const struct output_rows *r, size_t row, unsigned column)
{
    const struct output_cell *cell = &r->cells[row * r->columns_n + column];
    if (cell->at == SIZE_MAX)
        return (struct pl_slice){NULL, 0};
    return (struct pl_slice){r->text.len > 0 ? r->text.data + cell->at : "", cell->len};
}

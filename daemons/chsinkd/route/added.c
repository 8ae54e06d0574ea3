/* SPDX-License-Identifier: Apache-2.0 */
/* added.c - see added.h. */
#include "daemons/chsinkd/route/added.h"

#include <strings.h>

#include "daemons/chsinkd/route/internal.h"

#define COMMENT "added by chsinkd: path "

/* ---- what a table has ---- */

void column_notes_add(struct column_notes *notes, const char *name, const char *type,
                      const char *comment)
{
    notes->v = pl_realloc_array(notes->v, notes->n + 1, sizeof(*notes->v));
    notes->v[notes->n++] =
        (struct column_note){pl_strdup(name), pl_strdup(type), pl_strdup(comment)};
}

void column_notes_release(struct column_notes *notes)
{
    for (unsigned i = 0; i < notes->n; i++) {
        free(notes->v[i].name);
        free(notes->v[i].type);
        free(notes->v[i].comment);
    }
    free(notes->v);
    *notes = (struct column_notes){0};
}

const struct column_note *column_notes_find(const struct column_notes *notes, const char *name)
{
    for (unsigned i = 0; i < notes->n; i++)
        if (strcasecmp(notes->v[i].name, name) == 0)
            return &notes->v[i];
    return NULL;
}

/* ---- the comment ---- */

void added_comment(const struct column_path *path, struct pl_buf *out)
{
    pl_buf_add_str(out, COMMENT);
    column_path_print(path, out);
}

/* False: somebody else's. */
static bool comment_parse(const char *comment, struct column_path *ret)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf again = {0};
    struct pl_err err;
    if (strncmp(comment, COMMENT, strlen(COMMENT)) != 0 ||
        column_path_parse(comment + strlen(COMMENT), ret, &err) < 0)
        return false;
    if (ret->keys_n > 0 && ret->each == 0)
        added_comment(ret, &again);
    if (strcmp(pl_buf_cstr(&again), comment) == 0)
        return true;
    column_path_release(ret);
    return false;
}

/* ---- a column of a route ---- */

static bool type_is_taken(const struct ch_type *t)
{
    return t->nullable && !ch_type_is_nested(t) && t->kind != CH_OTHER && t->kind != CH_JSON;
}

/* False: it is none for the route. */
static bool column_make(const struct route *r, const struct column_note *note, struct column *ret)
{
    struct column_path path = {0};
    struct pl_err err;
    *ret = (struct column){.missing = MISSING_NULL,
                           .invalid = INVALID_NULL,
                           .added = true,
                           .not_compared = !r->rows_each};
    if (r->columns_n == ROUTE_COLUMNS_MAX || !name_valid(note->name) ||
        route_column_nocase(r, note->name) || !comment_parse(note->comment, &path))
        return false;
    ret->paths = pl_alloc_array(1, sizeof(*ret->paths));
    ret->paths[ret->paths_n++] = path;
    if (!path_is_below_rows(r, &path) && ch_type_parse(note->type, &ret->type, &err) == 0 &&
        type_is_taken(&ret->type)) {
        ret->name = pl_strdup(note->name);
        ret->comment = pl_strdup(note->comment);
        return true;
    }
    column_release(ret);
    return false;
}

bool added_takes(const struct route *r, const struct column_note *note)
{
    struct column c;
    if (r->add.after == 0 || !column_make(r, note, &c))
        return false;
    column_release(&c);
    return true;
}

static unsigned columns_append(struct route *r, const struct column_notes *notes)
{
    unsigned n = 0;
    r->columns = pl_realloc_array(r->columns, r->columns_n + notes->n + 1, sizeof(*r->columns));
    for (unsigned i = 0; i < notes->n; i++)
        if (column_make(r, &notes->v[i], &r->columns[r->columns_n])) {
            r->columns_n++;
            n++;
        }
    return n;
}

unsigned added_take(struct route *r, const struct column_notes *notes)
{
    return r->add.after > 0 ? columns_append(r, notes) : 0;
}

struct route *added_grow(const struct route *r, const struct column_notes *more)
{
    struct route *grown = pl_alloc(sizeof(*grown));
    *grown = *r;
    grown->columns = pl_alloc_array(r->columns_n, sizeof(*r->columns));
    memcpy(grown->columns, r->columns, r->columns_n * sizeof(*r->columns));
    columns_append(grown, more);
    return grown;
}

void added_grown_free(struct route *grown, const struct route *r)
{
    for (unsigned i = r->columns_n; i < grown->columns_n; i++)
        column_release(&grown->columns[i]);
    free(grown->columns);
    free(grown);
}

unsigned added_n(const struct route *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->columns_n; i++)
        n += r->columns[i].added;
    return n;
}

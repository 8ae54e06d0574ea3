/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column_nested.c - columns of containers: what is inside is a column again.
 */
#include "daemons/chsinkd/route/internal.h"

bool column_takes_object(const struct column *c)
{
    return c->json || c->type.kind == CH_MAP || c->type.kind == CH_TUPLE || c->type.kind == CH_JSON;
}

/* ---- elements ---- */

void column_nest(struct column *c)
{
    c->elements_n = c->type.parts_n;
    if (c->elements_n == 0)
        return;
    c->elements = pl_alloc_array(c->elements_n, sizeof(*c->elements));
    for (unsigned i = 0; i < c->elements_n; i++) {
        struct column *e = &c->elements[i];
        *e = (struct column){.name = c->name,
                             .type = c->type.parts[i],
                             .source = c->source,
                             .unit = c->unit,
                             .unit_given = c->unit_given,
                             .from_text = c->from_text,
                             .from_number = c->from_number};
        column_nest(e);
    }
}

/* Their names and types are the column's. */
void column_nest_release(struct column *c)
{
    for (unsigned i = 0; i < c->elements_n; i++)
        column_nest_release(&c->elements[i]);
    free(c->elements);
    free(c->each_keys);
}

unsigned type_kinds(const struct ch_type *t)
{
    unsigned kinds = t->parts_n == 0 ? 1U << t->kind : 0;
    for (unsigned i = 0; i < t->parts_n; i++)
        kinds |= type_kinds(&t->parts[i]);
    return kinds;
}

/* ---- $.a[*].x ---- */

static bool each_is_same(const struct column *a, const struct column *b)
{
    if (a->paths_n != 1 || b->paths_n != 1)
        return false;
    const struct column_path *p = &a->paths[0], *q = &b->paths[0];
    bool same = p->each > 0 && p->each == q->each && p->from_row == q->from_row;
    for (unsigned i = 0; same && i < p->each; i++)
        same = strcmp(p->keys[i], q->keys[i]) == 0;
    return same;
}

void columns_group_each(struct column *columns, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned first = 0;
        while (first < i && !each_is_same(&columns[first], &columns[i]))
            first++;
        struct column *of = &columns[first];
        if (!each_is_same(of, &columns[i]))
            continue;
        const struct column_path *p = &columns[i].paths[0];
        of->each_keys =
            pl_realloc_array(of->each_keys, of->each_keys_n + 1, sizeof(*of->each_keys));
        of->each_keys[of->each_keys_n++] = p->keys[p->each];
    }
}

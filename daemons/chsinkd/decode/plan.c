/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - a route compiled for decoding: the tries of wanted keys, and for each column whether it
 * is set by the walk (direct), at the end of a row (late), or once per message (the stash).
 */
#include "daemons/chsinkd/decode/internal.h"

static bool path_in_message(const struct route *route, const struct column_path *p)
{
    return route->rows_each && !p->from_row;
}

static bool column_of_message(const struct route *route, const struct column *c)
{
    /* What a container has lies in several places: it is converted for each row. */
    if (!route->rows_each || c->source == COLUMN_UNKNOWN || ch_type_is_nested(&c->type))
        return false;
    for (unsigned i = 0; i < c->paths_n; i++)
        if (!path_in_message(route, &c->paths[i]))
            return false;
    return true;
}

/* Makes a column a target of the node at one of its paths. */
static void column_want(struct rows *r, unsigned i, unsigned path, int capture)
{
    const struct column *c = r->plans[i].column;
    const struct column_path *p = &c->paths[path];
    struct trie_node *root = path_in_message(r->route, p) || !r->element ? r->message : r->element;
    struct trie_node *n = trie_add(root, p->keys, p->each > 0 ? p->each : p->keys_n);
    trie_target_add(n, i, capture);
    n->covered |= column_takes_object(c);
}

static bool column_is_captured(const struct route *route, const struct column *c)
{
    return c->source == COLUMN_JSON && (c->paths_n > 1 || path_in_message(route, &c->paths[0]));
}

static void captures_add(struct rows *r, bool in_message)
{
    for (unsigned i = 0; i < r->plans_n; i++) {
        const struct column *c = r->plans[i].column;
        if (!column_is_captured(r->route, c))
            continue;
        for (unsigned k = 0; k < c->paths_n; k++) {
            if (path_in_message(r->route, &c->paths[k]) != in_message)
                continue;
            r->captures_column[r->plans[i].captures_first + k] = r->captures_n;
            column_want(r, i, k, (int)r->captures_n++);
        }
    }
}

static void captures_plan(struct rows *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->plans_n; i++) {
        struct plan *p = &r->plans[i];
        if (!column_is_captured(r->route, p->column))
            continue;
        p->captures_first = n;
        p->captures_n = p->column->paths_n;
        n += p->captures_n;
    }
    r->captures_column = pl_alloc_array(n + 1, sizeof(*r->captures_column));
    r->captures = pl_alloc_array(n + r->route->condition.paths_n + 1, sizeof(*r->captures));
    captures_add(r, true);
    r->captures_message_n = r->captures_n;
    captures_add(r, false);
}

/* The keys that `when` wants, in tries of its own. */
static void filter_plan(struct rows *r)
{
    const struct condition *c = &r->route->condition;
    struct filter *f = &r->filter;
    r->verdict = VERDICT_TRUE;
    if (c->nodes_n == 0)
        return;
    f->condition = c;
    f->captures_first = r->captures_n;
    f->verdicts = pl_alloc_array(c->nodes_n, sizeof(*f->verdicts));
    for (unsigned i = 0; i < c->paths_n; i++) {
        const struct column_path *p = &c->paths[i];
        struct trie_node **root =
            path_in_message(r->route, p) || !r->element ? &f->message : &f->element;
        if (!*root)
            *root = trie_new("");
        (*root)->covered = true; /* other fields are not its affair */
        trie_target_add(trie_add(*root, p->keys, p->keys_n), 0, (int)(f->captures_first + i));
    }
    if (f->message)
        trie_build(f->message);
    if (f->element)
        trie_build(f->element);
}

static void plan_add(struct rows *r, const struct column *c)
{
    unsigned i = r->plans_n++;
    struct plan *p = &r->plans[i];
    p->column = c;
    p->of_message = column_of_message(r->route, c);
    if (c->source == COLUMN_UNKNOWN)
        r->unknown_column = (int)i;
    if (c->source == COLUMN_JSON && !column_is_captured(r->route, c)) {
        column_want(r, i, 0, -1);
        r->direct[i / 64] |= 1ULL << (i % 64);
    } else if (!p->of_message) {
        r->late[r->late_n++] = i;
    }
}

/* Whether a row can be finished before the message around it is read to its end. */
static bool can_once(const struct rows *r)
{
    for (unsigned i = 0; i < r->plans_n; i++) {
        const struct plan *p = &r->plans[i];
        for (unsigned k = 0; k < p->captures_n && !p->of_message; k++)
            if (path_in_message(r->route, &p->column->paths[k]))
                return false;
    }
    return r->unknown_column < 0;
}

struct rows *rows_new(const struct route *route)
{
    struct rows *r = pl_alloc(sizeof(*r));
    bool elements = route->rows_each;
    r->route = route;
    r->unknown_column = -1;
    r->message = trie_new(elements ? "$." : "");
    r->element = elements ? trie_new("") : NULL;
    r->plans = pl_alloc_array(route->columns_n, sizeof(*r->plans));
    r->late = pl_alloc_array(route->columns_n, sizeof(*r->late));
    for (unsigned i = 0; i < route->columns_n; i++)
        if (route->columns[i].source != COLUMN_EXPRESSION)
            plan_add(r, &route->columns[i]);
    captures_plan(r);
    filter_plan(r);
    r->can_once = elements && can_once(r);
    if (elements) {
        trie_add(r->message, route->rows.keys, route->rows.keys_n)->rows = true;
        trie_build(r->element);
    }
    trie_build(r->message);
    return r;
}

void rows_free(struct rows *r)
{
    if (!r)
        return;
    trie_free(r->message);
    trie_free(r->element);
    trie_free(r->filter.message);
    trie_free(r->filter.element);
    free(r->filter.verdicts);
    row_set_release(&r->skipped);
    free(r->plans);
    free(r->late);
    free(r->before.sizes);
    free(r->captures_column);
    free(r->captures);
    pl_buf_release(&r->unknown);
    pl_buf_release(&r->name);
    pl_buf_release(&r->stash);
    free(r);
}

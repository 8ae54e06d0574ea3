/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c - `when:` of a route, asked before anything is converted: a row that is not taken is not
 * refused for its values either.
 *
 * A walk of its own notes where the values of its paths are. With rows out of an array the paths of
 * the document come first; where they do not decide (a value of a row counts as open then: not
 * true, not false), each element is asked.
 */
#include "daemons/chsinkd/decode/internal.h"

/* What a message has at a path. */
struct operand {
    enum pl_json_type type; /* NONE: absent, or equal to nothing */
    struct pl_slice text;
    struct pl_json_num num;
};

static bool path_in_element(const struct rows *r, unsigned path)
{
    return r->element && r->filter.condition->paths[path].from_row;
}

static struct operand operand_of(struct rows *r, const struct capture *c)
{
    struct operand o = {.type = PL_JSON_NONE};
    struct pl_json_str str;
    struct pl_json j;
    if (!c->raw.p || c->wrong)
        return o;
    pl_json_init(&j, c->raw.p, c->raw.len, PL_JSON_DEPTH_MAX);
    o.type = pl_json_peek(&j);
    if (o.type == PL_JSON_NUMBER)
        pl_json_number(&j, &o.num);
    if (o.type != PL_JSON_STRING)
        return o;
    pl_json_string(&j, &str);
    o.text = (struct pl_slice){str.p, str.len};
    if (str.escaped) {
        pl_buf_reset(&r->name);
        if (!pl_json_unescape_buf(&str, &r->name))
            o.type = PL_JSON_NONE; /* a lone surrogate */
        o.text = (struct pl_slice){r->name.data, r->name.len};
    }
    return o;
}

/* False: they are of two types. */
static bool operand_order(const struct operand *o, const struct condition_value *v, int *ret)
{
    if (o->type != v->type)
        return false;
    if (o->type == PL_JSON_NUMBER) {
        *ret = pl_json_num_compare(&o->num, &v->num);
    } else if (o->type == PL_JSON_STRING) {
        size_t both = o->text.len < v->text.len ? o->text.len : v->text.len;
        *ret = both > 0 ? memcmp(o->text.p, v->text.data, both) : 0;
        if (*ret == 0)
            *ret = (o->text.len > v->text.len) - (o->text.len < v->text.len);
    } else {
        *ret = 0; /* true or false */
    }
    return true;
}

static bool comparison_holds(struct rows *r, const struct condition_node *n)
{
    const struct condition_value *values = &r->filter.condition->values[n->value_at];
    const struct operand o = operand_of(r, &r->captures[r->filter.captures_first + n->path]);
    int order;
    if (n->kind == CONDITION_EQUAL) {
        for (unsigned i = 0; i < n->values_n; i++)
            if (operand_order(&o, &values[i], &order) && order == 0)
                return true;
        return false;
    }
    if (!operand_order(&o, values, &order))
        return false;
    return n->kind == CONDITION_LESS            ? order < 0
           : n->kind == CONDITION_LESS_EQUAL    ? order <= 0
           : n->kind == CONDITION_GREATER_EQUAL ? order >= 0
                                                : order > 0;
}

static enum verdict node_verdict(struct rows *r, const struct condition_node *n, bool elements_open)
{
    const enum verdict *v = r->filter.verdicts;
    switch (n->kind) {
    case CONDITION_AND:
        return v[n->left] < v[n->right] ? v[n->left] : v[n->right];
    case CONDITION_OR:
        return v[n->left] > v[n->right] ? v[n->left] : v[n->right];
    case CONDITION_NOT:
        return VERDICT_TRUE - v[n->left];
    case CONDITION_EXISTS:
    case CONDITION_EQUAL:
    case CONDITION_LESS:
    case CONDITION_LESS_EQUAL:
    case CONDITION_GREATER:
    case CONDITION_GREATER_EQUAL:
        break;
    }
    if (elements_open && path_in_element(r, n->path))
        return VERDICT_OPEN;
    const struct capture *c = &r->captures[r->filter.captures_first + n->path];
    bool holds = n->kind == CONDITION_EXISTS ? c->raw.p && !c->wrong : comparison_holds(r, n);
    return holds ? VERDICT_TRUE : VERDICT_FALSE;
}

static enum verdict condition_verdict(struct rows *r, bool elements_open)
{
    const struct condition *c = r->filter.condition;
    for (unsigned i = 0; i < c->nodes_n; i++)
        r->filter.verdicts[i] = node_verdict(r, &c->nodes[i], elements_open);
    return r->filter.verdicts[c->nodes_n - 1];
}

static void captures_clear(struct rows *r, bool of_element)
{
    for (unsigned i = 0; i < r->filter.condition->paths_n; i++)
        if (path_in_element(r, i) == of_element)
            r->captures[r->filter.captures_first + i].raw.p = NULL;
}

bool filter_document(struct rows *r)
{
    captures_clear(r, false);
    if (r->filter.message && r->m->value && !walk_document(r, r->filter.message))
        return false;
    r->verdict = condition_verdict(r, true);
    return true;
}

enum verdict filter_element(struct rows *r)
{
    bool object = pl_json_peek(&r->j) == PL_JSON_OBJECT;
    captures_clear(r, true);
    if (!(object ? walk_root : walk_value)(r, r->filter.element))
        return VERDICT_OPEN;
    return condition_verdict(r, false);
}

void filter_drop(struct rows *r, int64_t places)
{
    r->counts.filtered += (uint64_t)places;
    rows_skip(r, places);
}

void rows_skip(struct rows *r, int64_t places)
{
    if (r->notes_skipped && !row_set_add(&r->skipped, r->place, r->place + places - 1))
        r->skipped_lost = true;
    r->place += places;
}

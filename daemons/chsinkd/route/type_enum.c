/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_enum.c - the names of an Enum and their numbers.
 *
 * ClickHouse numbers names that have no number itself; where only some have one its rules are
 * involved, and such a list is refused. The default value is the name with the least number.
 */
#include <stdlib.h>

#include "daemons/chsinkd/route/type_cursor.h"

static int compare_numbers(const void *a, const void *b)
{
    const struct ch_enum_name *x = a, *y = b;
    return x->number - y->number;
}

static int compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_names(const void *a, const void *b)
{
    const struct ch_enum_name *x = *(struct ch_enum_name *const *)a,
                              *y = *(struct ch_enum_name *const *)b;
    return compare_text(x->name, x->len, y->name, y->len);
}

/* 'name', with \' or '' for a quote and \\ for a backslash. */
static bool name_parse(struct cursor *c, struct pl_buf *out)
{
    if (!cursor_take(c, '\''))
        return false;
    for (; *c->p && out->len <= CH_ENUM_NAME_MAX; c->p++) {
        char next = c->p[1];
        if (*c->p == '\'' && next != '\'') {
            c->p++;
            return true;
        }
        if (*c->p == '\'' || (*c->p == '\\' && (next == '\\' || next == '\'')))
            c->p++;
        else if (*c->p == '\\' || iscntrl((unsigned char)*c->p))
            return false;
        pl_buf_add_byte(out, *c->p);
    }
    return false;
}

/* One name, with its number or without: *numbered is what the first one had. */
static bool entry_parse(struct cursor *c, struct ch_type *t, bool *numbered)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
    int number = (int)t->names_n + 1;
    if (!name_parse(c, &name))
        return false;
    bool has = cursor_take(c, '=');
    if (t->names_n == 0)
        *numbered = has;
    if (has != *numbered || (has && !cursor_number(c, &number)) || number < INT16_MIN ||
        number > INT16_MAX)
        return false;
    t->names = pl_realloc_array(t->names, t->names_n + 1, sizeof(*t->names));
    t->names[t->names_n++] = (struct ch_enum_name){
        pl_strndup(name.len > 0 ? name.data : "", name.len), name.len, (int16_t)number};
    return true;
}

bool type_enum_parse(struct cursor *c, bool any_width, struct ch_type *t)
{
    bool numbered = false;
    if (!cursor_take(c, '('))
        return false;
    do {
        if (!entry_parse(c, t, &numbered))
            return false;
    } while (cursor_take(c, ','));
    if (!cursor_take(c, ')'))
        return false;

    qsort(t->names, t->names_n, sizeof(*t->names), compare_numbers);
    t->by_name = pl_alloc_array(t->names_n, sizeof(struct ch_enum_name *));
    for (unsigned i = 0; i < t->names_n; i++)
        t->by_name[i] = &t->names[i];
    qsort(t->by_name, t->names_n, sizeof(struct ch_enum_name *), compare_names);
    for (unsigned i = 1; i < t->names_n; i++)
        if (t->names[i - 1].number == t->names[i].number ||
            compare_names(&t->by_name[i - 1], &t->by_name[i]) == 0)
            return false;

    t->zero = t->names[0].number;
    bool narrow = t->names[0].number >= INT8_MIN && t->names[t->names_n - 1].number <= INT8_MAX;
    if (any_width)
        t->kind = narrow ? CH_ENUM8 : CH_ENUM16;
    return narrow || t->kind == CH_ENUM16;
}

void type_enum_spell(const struct ch_type *t, struct pl_buf *out)
{
    for (unsigned i = 0; i < t->names_n; i++) {
        const struct ch_enum_name *n = &t->names[i];
        pl_buf_add_str(out, i == 0 ? "('" : ", '");
        for (size_t k = 0; k < n->len; k++) {
            if (n->name[k] == '\'' || n->name[k] == '\\')
                pl_buf_add_byte(out, '\\');
            pl_buf_add_byte(out, n->name[k]);
        }
        pl_buf_addf(out, "' = %d", n->number);
    }
    pl_buf_add_byte(out, ')');
}

bool type_enum_equal(const struct ch_type *a, const struct ch_type *b)
{
    if (a->names_n != b->names_n)
        return false;
    for (unsigned i = 0; i < a->names_n; i++) {
        const struct ch_enum_name *x = &a->names[i], *y = &b->names[i];
        if (x->number != y->number || compare_text(x->name, x->len, y->name, y->len) != 0)
            return false;
    }
    return true;
}

void type_enum_release(struct ch_type *t)
{
    for (unsigned i = 0; i < t->names_n; i++)
        free(t->names[i].name);
    free(t->names);
    free(t->by_name);
}

const struct ch_enum_name *ch_enum_find(const struct ch_type *t, const char *name, size_t len)
{
    unsigned low = 0, high = t->names_n;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct ch_enum_name *n = t->by_name[middle];
        int order = compare_text(name, len, n->name, n->len);
        if (order == 0)
            return n;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct ch_enum_name *ch_enum_at(const struct ch_type *t, int64_t number)
{
    unsigned low = 0, high = t->names_n;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (t->names[middle].number == number)
            return &t->names[middle];
        if (number < t->names[middle].number)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

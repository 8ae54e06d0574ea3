/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split.c - `table_by`: a route for each value of a field, out of one file.
 *
 * Such a route is like one that has been written: its table, name and group have the value in them,
 * and its condition takes the rows with that value.
 */
#include "daemons/chsinkd/route/internal.h"

#define MARK      "{}"
#define VALUE_MAX 64 /* bytes: it stands in names of tables, groups and routes */

bool split_fill(char **text, const char *value)
{
    struct pl_buf out = {0};
    const char *rest = *text, *mark;
    bool any = false;
    for (; (mark = strstr(rest, MARK)); rest = mark + strlen(MARK), any = true) {
        pl_buf_add(&out, rest, (size_t)(mark - rest));
        pl_buf_add_str(&out, value);
    }
    pl_buf_add_str(&out, rest);
    free(*text);
    *text = pl_buf_take(&out);
    return any;
}

static bool is_condition(const char *text)
{
    struct condition c = {0};
    struct pl_err err;
    if (condition_parse(text, &c, &err) < 0)
        return false;
    condition_release(&c);
    return true;
}

/* `by` has the value: as a string, and as the number or truth value that it may be, too. */
static char *condition_text(const char *by, const char *value)
{
    struct pl_buf out = {0};
    bool plain = value[strspn(value, "-+.0123456789eE")] == '\0' || strcmp(value, "true") == 0 ||
                 strcmp(value, "false") == 0;
    PL_FREE char *alone = pl_strf("$.x == %s", value);
    pl_buf_addf(&out, "%s in [", by);
    pl_json_quote(&out, value, strlen(value));
    if (plain && is_condition(alone))
        pl_buf_addf(&out, ", %s", value);
    pl_buf_add_byte(&out, ']');
    return pl_buf_take(&out);
}

static void when_join(struct route *r, const char *by, const char *value)
{
    PL_FREE char *equal = condition_text(by, value);
    if (r->when && !is_condition(r->when))
        return; /* told by its own check */
    char *both = r->when ? pl_strf("(%s) and %s", r->when, equal) : PL_TAKE(equal);
    free(r->when);
    r->when = both;
}

static bool values_check(const struct pl_strings *values, const struct pl_node *node,
                         struct pl_findings *errs)
{
    unsigned before = errs->count;
    for (size_t i = 0; i < values->n; i++) {
        const char *value = values->v[i];
        if (!name_valid(value) || strlen(value) > VALUE_MAX)
            finding(errs, node,
                    "table_values: a value is 1 to %d bytes of UTF-8 without control characters",
                    VALUE_MAX);
        for (size_t k = 0; k < i; k++)
            if (strcmp(value, values->v[k]) == 0)
                finding(errs, node, "table_values: %s is there twice", value);
    }
    return errs->count == before;
}

void split_apply(struct route *r, const char *by, const struct pl_strings *values, unsigned i,
                 const struct pl_node *root, struct pl_findings *errs)
{
    const struct pl_node *node = node_of(root, by ? "table_by" : "table_values");
    PL_CLEANUP(column_path_release) struct column_path path = {0};
    struct pl_err err;
    if (!by && values->n == 0)
        return;
    if (!by || values->n == 0) {
        finding(errs, node, "table_by and table_values belong together");
        return;
    }
    if (column_path_parse(by, &path, &err) < 0) {
        finding(errs, node, "table_by: %s", err.msg);
        return;
    }
    if (!values_check(values, node_of(root, "table_values"), errs))
        return;
    const char *value = values->v[i];
    bool named = split_fill(&r->table, value);
    if (r->database)
        named |= split_fill(&r->database, value);
    if (!named)
        finding(errs, node_of(root, "table"),
                "table: with table_by its name has " MARK " in it, for the value");
    char *name = pl_strf("%s.%s", r->name, value);
    free(r->name);
    r->name = name;
    r->value = pl_strdup(value);
    r->values_n = (unsigned)values->n;
    when_join(r, by, value);
}

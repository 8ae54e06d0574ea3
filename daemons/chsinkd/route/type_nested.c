/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_nested.c - see type_nested.h.
 */
#include "daemons/chsinkd/route/type_nested.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"

const char type_nested_supported[] =
    "a container is Array(T), Map(String, T), Map(LowCardinality(String), T), Tuple(T, ...) or "
    "Tuple(name T, ...) with up to 64 elements, at most 4 within each other, not inside Nullable "
    "or LowCardinality; and JSON or JSON(parameters)";

static const struct {
    const char *name;
    enum ch_kind kind;
} names[] = {{"Array", CH_ARRAY}, {"Map", CH_MAP}, {"Tuple", CH_TUPLE}, {"JSON", CH_JSON}};

/* A word that may hold _ as well. */
static struct pl_slice name_word(struct cursor *c)
{
    cursor_space(c);
    const char *start = c->p;
    while (isalnum((unsigned char)*c->p) || *c->p == '_')
        c->p++;
    return (struct pl_slice){start, (size_t)(c->p - start)};
}

static bool kind_take(struct cursor *c, enum ch_kind *ret)
{
    struct pl_slice word = name_word(c);
    for (unsigned i = 0; i < PL_COUNT(names); i++) {
        if (!pl_slice_eq(word, names[i].name))
            continue;
        *ret = names[i].kind;
        return true;
    }
    return false;
}

bool type_nested_begins(struct cursor c)
{
    enum ch_kind kind;
    return kind_take(&c, &kind);
}

/* ---- parts ---- */

static bool part_add(struct cursor *c, unsigned depth, struct ch_type *t)
{
    struct ch_type part;
    if (t->parts_n == CH_TUPLE_MAX || !type_parse(c, depth + 1, &part))
        return false;
    t->parts = pl_realloc_array(t->parts, t->parts_n + 1, sizeof(*t->parts));
    t->parts[t->parts_n++] = part;
    return true;
}

/* A name in backticks or double quotes; behind a backslash anything is itself. */
static char *quoted_take(struct cursor *c)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
    char quote = *c->p++;
    for (; *c->p && *c->p != quote; c->p++) {
        if (*c->p == '\\' && c->p[1])
            c->p++;
        pl_buf_add_byte(&name, *c->p);
    }
    if (!cursor_take(c, quote) || name.len == 0)
        return NULL;
    return pl_buf_take(&name);
}

/* A word is a name when a type follows it; a type is followed by one of ( , ). *ret NULL: no name
 * is there. */
static bool name_take(struct cursor *c, char **ret)
{
    cursor_space(c);
    if (*c->p == '`' || *c->p == '"') {
        *ret = quoted_take(c);
        return *ret != NULL;
    }
    struct cursor try = *c;
    struct pl_slice word = name_word(&try);
    cursor_space(&try);
    if (word.len > 0 && !isdigit((unsigned char)*word.p) && !strchr("(,)", *try.p)) {
        *c = try;
        *ret = pl_strndup(word.p, word.len);
    }
    return true;
}

static bool name_is_there(const struct ch_type *t, const char *name)
{
    for (unsigned i = 0; i < t->parts_n; i++)
        if (strcmp(t->part_names[i], name) == 0)
            return true;
    return false;
}

/* All elements have names or none. */
static bool tuple_part_add(struct cursor *c, unsigned depth, struct ch_type *t)
{
    PL_FREE char *name = NULL;
    if (!name_take(c, &name) || (t->parts_n > 0 && !name != !t->part_names))
        return false;
    if (name) {
        if (name_is_there(t, name))
            return false;
        t->part_names = pl_realloc_array(t->part_names, t->parts_n + 1, sizeof(*t->part_names));
        t->part_names[t->parts_n] = NULL;
    }
    if (!part_add(c, depth, t))
        return false;
    if (name)
        t->part_names[t->parts_n - 1] = PL_TAKE(name);
    return true;
}

static bool parts_parse(struct cursor *c, unsigned depth, struct ch_type *t)
{
    if (t->kind == CH_ARRAY)
        return part_add(c, depth, t);
    if (t->kind == CH_MAP)
        return part_add(c, depth, t) && cursor_take(c, ',') && part_add(c, depth, t) &&
               t->parts[0].kind == CH_STRING && !t->parts[0].nullable;
    do {
        if (!tuple_part_add(c, depth, t))
            return false;
    } while (cursor_take(c, ','));
    return true;
}

bool type_nested_parse(struct cursor *c, unsigned depth, struct ch_type *ret)
{
    struct ch_type t = {0};
    struct cursor at = *c;
    if (!kind_take(&at, &t.kind))
        return false;
    bool ok = t.kind == CH_JSON ? type_json_parse(c, &t)
                                : depth < CH_NESTED_MAX && cursor_take(&at, '(') &&
                                      parts_parse(&at, depth, &t) && cursor_take(&at, ')');
    if (!ok) {
        ch_type_release(&t);
        return false;
    }
    if (t.kind != CH_JSON)
        *c = at;
    type_nested_spell(&t);
    *ret = t;
    return true;
}

/* ---- JSON ---- */

/* White space between words is one space; around a comma, '=' and brackets it is the server's. */
static void space_put(struct cursor *c, struct pl_buf *out)
{
    cursor_space(c);
    char last = out->len > 0 ? out->data[out->len - 1] : '(';
    if (!strchr("(= ", last) && !strchr("(,)=", *c->p))
        pl_buf_add_byte(out, ' ');
}

/* What is between the brackets; strings and quoted names as they are. */
static bool parameters_take(struct cursor *c, struct pl_buf *out)
{
    char quote = '\0';
    for (unsigned depth = 0; *c->p && (quote || depth > 0 || *c->p != ')');) {
        if (!quote && isspace((unsigned char)*c->p)) {
            space_put(c, out);
            continue;
        }
        char byte = *c->p++;
        pl_buf_add_byte(out, byte);
        if (quote && byte == '\\' && *c->p)
            pl_buf_add_byte(out, *c->p++);
        else if (quote)
            quote = byte == quote ? '\0' : quote;
        else if (strchr("'`\"", byte))
            quote = byte;
        else if (byte == ',')
            pl_buf_add_byte(out, ' ');
        else
            depth += byte == '(' ? 1U : byte == ')' ? -1U : 0U;
    }
    return cursor_take(c, ')');
}

bool type_json_parse(struct cursor *c, struct ch_type *ret)
{
    struct cursor at = *c;
    PL_CLEANUP(pl_buf_release) struct pl_buf parameters = {0};
    if (!kind_take(&at, &ret->kind) || ret->kind != CH_JSON)
        return false;
    if (cursor_take(&at, '(')) {
        if (!parameters_take(&at, &parameters))
            return false;
        if (parameters.len > 0)
            ret->parameters = pl_buf_take(&parameters);
    }
    *c = at;
    return true;
}

/* ---- spelling ---- */

static void name_add(struct pl_buf *out, const char *name)
{
    static const char *const words[] = {"distinct", "all", "table", "select", "from"};
    bool plain = !isdigit((unsigned char)*name);
    for (const char *p = name; *p; p++)
        plain = plain && (isalnum((unsigned char)*p) || *p == '_');
    for (unsigned i = 0; i < PL_COUNT(words); i++)
        plain = plain && strcasecmp(name, words[i]) != 0;
    if (plain) {
        pl_buf_add_str(out, name);
        return;
    }
    pl_buf_add_byte(out, '`');
    for (; *name; name++) {
        if (*name == '`' || *name == '\\')
            pl_buf_add_byte(out, '\\');
        pl_buf_add_byte(out, *name);
    }
    pl_buf_add_byte(out, '`');
}

static char *spell(const struct ch_type *t, bool wire)
{
    struct pl_buf b = {0};
    for (unsigned i = 0; i < PL_COUNT(names); i++)
        if (names[i].kind == t->kind)
            pl_buf_addf(&b, "%s(", names[i].name);
    for (unsigned i = 0; i < t->parts_n; i++) {
        if (i > 0)
            pl_buf_add_str(&b, ", ");
        if (t->part_names) {
            name_add(&b, t->part_names[i]);
            pl_buf_add_byte(&b, ' ');
        }
        pl_buf_add_str(&b, wire ? t->parts[i].wire : t->parts[i].ddl);
    }
    pl_buf_add_byte(&b, ')');
    return pl_buf_take(&b);
}

void type_nested_spell(struct ch_type *t)
{
    if (t->kind != CH_JSON) {
        t->ddl = spell(t, false);
        t->wire = spell(t, true);
        return;
    }
    PL_FREE char *json = t->parameters ? pl_strf("JSON(%s)", t->parameters) : pl_strdup("JSON");
    t->ddl = pl_strf(t->nullable ? "Nullable(%s)" : "%s", json);
    t->wire = pl_strdup(t->ddl);
}

void type_nested_release(struct ch_type *t)
{
    for (unsigned i = 0; i < t->parts_n; i++) {
        ch_type_release(&t->parts[i]);
        if (t->part_names)
            free(t->part_names[i]);
    }
    free(t->parts);
    free(t->part_names);
    free(t->parameters);
}

bool ch_type_has_json(const struct ch_type *t)
{
    for (unsigned i = 0; i < t->parts_n; i++)
        if (ch_type_has_json(&t->parts[i]))
            return true;
    return t->kind == CH_JSON;
}

bool type_nested_same(const struct ch_type *a, const struct ch_type *b)
{
    if (a->parts_n != b->parts_n || !a->part_names != !b->part_names ||
        strcmp(a->parameters ? a->parameters : "", b->parameters ? b->parameters : "") != 0)
        return false;
    for (unsigned i = 0; i < a->parts_n; i++)
        if (!type_same(&a->parts[i], &b->parts[i]) ||
            (a->part_names && strcmp(a->part_names[i], b->part_names[i]) != 0))
            return false;
    return true;
}

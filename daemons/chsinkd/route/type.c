/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type.c - a type is parsed into what matters (kind, scale, zone, wrappers) and spelled again from
 * that, so that aliases, letter case and spaces cannot make two texts of one type differ.
 */
#include "daemons/chsinkd/route/type.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"

static const struct {
    const char *name;
    enum ch_kind kind;
    bool any_case; /* names that ClickHouse registers as case-insensitive, and its SQL aliases */
} type_names[] = {
    {"String", CH_STRING, false},
    {"Bool", CH_BOOL, true},
    {"Int8", CH_INT8, false},
    {"Int16", CH_INT16, false},
    {"Int32", CH_INT32, false},
    {"Int64", CH_INT64, false},
    {"UInt8", CH_UINT8, false},
    {"UInt16", CH_UINT16, false},
    {"UInt32", CH_UINT32, false},
    {"UInt64", CH_UINT64, false},
    {"Float32", CH_FLOAT32, false},
    {"Float64", CH_FLOAT64, false},
    {"Date", CH_DATE, true},
    {"DateTime", CH_DATETIME, true},
    {"DateTime64", CH_DATETIME64, true},
    {"UUID", CH_UUID, false},
    /* Aliases after the names: the first entry of a kind is how the type is spelled. */
    {"boolean", CH_BOOL, true},
    {"text", CH_STRING, true},
    {"varchar", CH_STRING, true},
    {"tinyint", CH_INT8, true},
    {"smallint", CH_INT16, true},
    {"int", CH_INT32, true},
    {"integer", CH_INT32, true},
    {"bigint", CH_INT64, true},
    {"float", CH_FLOAT32, true},
    {"double", CH_FLOAT64, true},
    {"timestamp", CH_DATETIME, true},
};
#define SUPPORTED                                                                                  \
    "supported are String, Bool, Int8 to Int64, UInt8 to UInt64, Float32, Float64, Date, "         \
    "DateTime[('zone')], DateTime64(0 to 9[, 'zone']), UUID, Nullable(...) of them, and "          \
    "LowCardinality(String) or LowCardinality(Nullable(String))"

/* A place in the text; spaces before each token are skipped. */
struct cursor {
    const char *p;
};

static bool cursor_take(struct cursor *c, char token)
{
    while (isspace((unsigned char)*c->p))
        c->p++;
    if (*c->p != token)
        return false;
    c->p++;
    return true;
}

static struct pl_slice cursor_word(struct cursor *c)
{
    while (isspace((unsigned char)*c->p))
        c->p++;
    const char *start = c->p;
    while (isalnum((unsigned char)*c->p))
        c->p++;
    return (struct pl_slice){start, (size_t)(c->p - start)};
}

/* 'Europe/Berlin': only what names of zones are made of, so nothing needs escaping later. */
static bool cursor_zone(struct cursor *c, struct ch_type *t)
{
    if (!cursor_take(c, '\''))
        return false;
    const char *start = c->p;
    while (isalnum((unsigned char)*c->p) || (*c->p && strchr("/_+-", *c->p)))
        c->p++;
    if (c->p == start || c->p - start > 64 || *c->p != '\'')
        return false;
    t->timezone = pl_strndup(start, (size_t)(c->p - start));
    c->p++;
    return true;
}

static bool kind_find(struct pl_slice word, enum ch_kind *ret)
{
    for (unsigned i = 0; i < PL_COUNT(type_names); i++) {
        const char *name = type_names[i].name;
        if (strlen(name) != word.len)
            continue;
        if (type_names[i].any_case ? strncasecmp(name, word.p, word.len) == 0
                                   : memcmp(name, word.p, word.len) == 0) {
            *ret = type_names[i].kind;
            return true;
        }
    }
    return false;
}

/* A type without wrappers. */
static bool base_parse(struct cursor *c, struct ch_type *t)
{
    if (!kind_find(cursor_word(c), &t->kind))
        return false;
    if (t->kind == CH_DATETIME)
        return !cursor_take(c, '(') || (cursor_zone(c, t) && cursor_take(c, ')'));
    if (t->kind != CH_DATETIME64)
        return true;
    t->scale = 3; /* ClickHouse's default precision */
    if (!cursor_take(c, '('))
        return true;
    struct pl_slice digits = cursor_word(c);
    if (digits.len != 1 || !isdigit((unsigned char)*digits.p))
        return false;
    t->scale = (unsigned)(*digits.p - '0');
    if (cursor_take(c, ',') && !cursor_zone(c, t))
        return false;
    return cursor_take(c, ')');
}

static bool wrapper_take(struct cursor *c, const char *name)
{
    struct cursor try = *c;
    struct pl_slice word = cursor_word(&try);
    if (!pl_slice_eq(word, name) || !cursor_take(&try, '('))
        return false;
    *c = try;
    return true;
}

static void type_spell(struct ch_type *t)
{
    const char *name = "";
    for (unsigned i = PL_COUNT(type_names); i-- > 0;)
        if (type_names[i].kind == t->kind)
            name = type_names[i].name;
    char args[96] = "";
    const char *zone = t->timezone;
    if (t->kind == CH_DATETIME64)
        snprintf(args, sizeof(args), zone ? "(%u, '%s')" : "(%u)", t->scale, zone);
    else if (zone)
        snprintf(args, sizeof(args), "('%s')", zone);
    t->wire = pl_strf(t->nullable ? "Nullable(%s%s)" : "%s%s", name, args);
    t->ddl = pl_strf(t->low_cardinality ? "LowCardinality(%s)" : "%s", t->wire);
}

int ch_type_parse(const char *text, struct ch_type *ret, struct pl_err *err)
{
    struct ch_type t = {0};
    struct cursor c = {text};
    t.low_cardinality = wrapper_take(&c, "LowCardinality");
    t.nullable = wrapper_take(&c, "Nullable");
    if (t.nullable && wrapper_take(&c, "LowCardinality"))
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "type %.100s: Nullable goes inside LowCardinality: "
                          "LowCardinality(Nullable(String))",
                          text);
    bool ok = base_parse(&c, &t) && (!t.nullable || cursor_take(&c, ')')) &&
              (!t.low_cardinality || cursor_take(&c, ')'));
    while (isspace((unsigned char)*c.p))
        c.p++;
    if (!ok || *c.p || (t.low_cardinality && t.kind != CH_STRING)) {
        ch_type_release(&t);
        return pl_err_set(err, PL_ERR_CONFIG, 0, "type %.100s is not one a route can fill: %s",
                          text, SUPPORTED);
    }
    type_spell(&t);
    *ret = t;
    return 0;
}

void ch_type_release(struct ch_type *t)
{
    free(t->timezone);
    free(t->ddl);
    free(t->wire);
    *t = (struct ch_type){0};
}

bool ch_type_matches(const struct ch_type *t, const char *server_type)
{
    struct ch_type other;
    struct pl_err err;
    if (ch_type_parse(server_type, &other, &err) < 0)
        return false;
    bool same = t->kind == other.kind && t->nullable == other.nullable &&
                t->low_cardinality == other.low_cardinality && t->scale == other.scale;
    /* A zone only changes how a time is shown, never what is stored; without one it is the server's
     * default. Two that are named and differ were meant to differ. */
    if (t->timezone && other.timezone && strcasecmp(t->timezone, other.timezone) != 0)
        same = false;
    ch_type_release(&other);
    return same;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type.c - a type is parsed into what matters (kind, scale, zone, wrappers) and spelled again from
 * that, so that aliases, letter case and spaces cannot make two texts of one type differ.
 */
#include "daemons/chsinkd/route/type.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemons/chsinkd/route/type_cursor.h"
#include "daemons/chsinkd/route/type_nested.h"

static const struct type_name {
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
    {"Int128", CH_INT128, false},
    {"Int256", CH_INT256, false},
    {"UInt128", CH_UINT128, false},
    {"UInt256", CH_UINT256, false},
    {"Decimal", CH_DECIMAL, true},
    {"Date32", CH_DATE32, true},
    {"Enum8", CH_ENUM8, false},
    {"Enum16", CH_ENUM16, false},
    {"IPv4", CH_IPV4, false},
    {"IPv6", CH_IPV6, false},
    {"FixedString", CH_FIXED_STRING, false},
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
    {"Decimal32", CH_DECIMAL, true},
    {"Decimal64", CH_DECIMAL, true},
    {"Decimal128", CH_DECIMAL, true},
    {"Decimal256", CH_DECIMAL, true},
    {"dec", CH_DECIMAL, true},
    {"numeric", CH_DECIMAL, true},
    {"enum", CH_ENUM8, true}, /* or CH_ENUM16 */
    {"inet4", CH_IPV4, true},
    {"inet6", CH_IPV6, true},
};
#define SUPPORTED                                                                                  \
    "it takes String, FixedString(N), Bool, (U)Int8 to 256, Float32/64, Decimal(P, S), Date, "     \
    "Date32, DateTime, DateTime64(N), UUID, IPv4/6, Enum8/16('a' = 1), and Nullable or "           \
    "LowCardinality of them, Array, Map, Tuple, JSON: see chsinkd-route(5)"

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

static const struct type_name *name_find(struct pl_slice word)
{
    for (unsigned i = 0; i < PL_COUNT(type_names); i++) {
        const struct type_name *n = &type_names[i];
        if (strlen(n->name) == word.len &&
            (n->any_case ? strncasecmp(n->name, word.p, word.len) == 0
                         : memcmp(n->name, word.p, word.len) == 0))
            return n;
    }
    return NULL;
}

static bool number_within(struct cursor *c, unsigned min, unsigned max, unsigned *ret)
{
    int n;
    if (!cursor_number(c, &n) || n < (int)min || n > (int)max)
        return false;
    *ret = (unsigned)n;
    return true;
}

/* Decimal[(P[, S])], and Decimal64(S) with its precision in the name. */
static bool decimal_parse(struct cursor *c, const char *name, struct ch_type *t)
{
    static const struct {
        const char *name;
        unsigned precision;
    } named[] = {{"Decimal32", 9}, {"Decimal64", 18}, {"Decimal128", 38}, {"Decimal256", 76}};
    unsigned precision = 0;
    for (unsigned i = 0; i < PL_COUNT(named); i++)
        if (strcmp(name, named[i].name) == 0)
            precision = named[i].precision;
    t->precision = precision;
    if (precision > 0)
        return cursor_take(c, '(') && number_within(c, 0, precision, &t->scale) &&
               cursor_take(c, ')');
    t->precision = 10; /* ClickHouse's defaults: Decimal(10, 0) */
    if (!cursor_take(c, '('))
        return true;
    if (!number_within(c, 1, CH_DECIMAL_PRECISION_MAX, &t->precision) ||
        (cursor_take(c, ',') && !number_within(c, 0, t->precision, &t->scale)))
        return false;
    return cursor_take(c, ')');
}

static bool datetime64_parse(struct cursor *c, struct ch_type *t)
{
    t->scale = 3; /* ClickHouse's default precision */
    if (!cursor_take(c, '('))
        return true;
    if (!number_within(c, 0, 9, &t->scale) || (cursor_take(c, ',') && !cursor_zone(c, t)))
        return false;
    return cursor_take(c, ')');
}

/* A type without wrappers. */
static bool base_parse(struct cursor *c, struct ch_type *t)
{
    const struct type_name *name = name_find(cursor_word(c));
    if (!name)
        return false;
    t->kind = name->kind;
    t->zero = t->kind == CH_DATE32 ? CH_DATE32_MIN : 0;
    switch (t->kind) {
    case CH_DATETIME:
        return !cursor_take(c, '(') || (cursor_zone(c, t) && cursor_take(c, ')'));
    case CH_DATETIME64:
        return datetime64_parse(c, t);
    case CH_DECIMAL:
        return decimal_parse(c, name->name, t);
    case CH_ENUM8:
    case CH_ENUM16:
        return type_enum_parse(c, strcmp(name->name, "enum") == 0, t);
    case CH_FIXED_STRING:
        return cursor_take(c, '(') && number_within(c, 1, CH_FIXED_STRING_MAX, &t->length) &&
               cursor_take(c, ')');
    case CH_STRING:
    case CH_BOOL:
    case CH_INT8:
    case CH_INT16:
    case CH_INT32:
    case CH_INT64:
    case CH_INT128:
    case CH_INT256:
    case CH_UINT8:
    case CH_UINT16:
    case CH_UINT32:
    case CH_UINT64:
    case CH_UINT128:
    case CH_UINT256:
    case CH_FLOAT32:
    case CH_FLOAT64:
    case CH_DATE:
    case CH_DATE32:
    case CH_UUID:
    case CH_IPV4:
    case CH_IPV6:
    case CH_OTHER:
    case CH_ARRAY: /* type_nested.c */
    case CH_MAP:
    case CH_TUPLE:
    case CH_JSON:
        break;
    }
    return true;
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
    PL_CLEANUP(pl_buf_release) struct pl_buf args = {0};
    const char *zone = t->timezone;
    if (t->kind == CH_DATETIME64)
        pl_buf_addf(&args, zone ? "(%u, '%s')" : "(%u)", t->scale, zone);
    else if (zone)
        pl_buf_addf(&args, "('%s')", zone);
    else if (t->kind == CH_DECIMAL)
        pl_buf_addf(&args, "(%u, %u)", t->precision, t->scale);
    else if (t->kind == CH_FIXED_STRING)
        pl_buf_addf(&args, "(%u)", t->length);
    else if (t->names_n > 0)
        type_enum_spell(t, &args);
    t->wire = pl_strf(t->nullable ? "Nullable(%s%s)" : "%s%s", name, pl_buf_cstr(&args));
    t->ddl = pl_strf(t->low_cardinality ? "LowCardinality(%s)" : "%s", t->wire);
}

/* What ClickHouse takes inside LowCardinality (canBeInsideLowCardinality() of its types). */
static bool low_cardinality_takes(enum ch_kind kind)
{
    return kind != CH_DECIMAL && kind != CH_DATETIME64 && kind != CH_ENUM8 && kind != CH_ENUM16 &&
           kind != CH_JSON;
}

bool type_parse(struct cursor *c, unsigned depth, struct ch_type *ret)
{
    struct ch_type t = {0};
    bool ok;
    if (type_nested_begins(*c)) {
        ok = type_nested_parse(c, depth, &t);
    } else {
        t.low_cardinality = wrapper_take(c, "LowCardinality");
        t.nullable = wrapper_take(c, "Nullable");
        ok = type_nested_begins(*c) ? type_json_parse(c, &t) : base_parse(c, &t);
        ok = ok && (!t.nullable || cursor_take(c, ')')) &&
             (!t.low_cardinality || (cursor_take(c, ')') && low_cardinality_takes(t.kind)));
        if (ok && t.kind != CH_JSON)
            type_spell(&t);
        else if (ok)
            type_nested_spell(&t);
    }
    if (ok)
        *ret = t;
    else
        ch_type_release(&t);
    return ok;
}

int ch_type_parse(const char *text, struct ch_type *ret, struct pl_err *err)
{
    struct cursor c = {text}, inside = c;
    struct ch_type t = {0};
    bool nullable = wrapper_take(&inside, "Nullable");
    if (nullable && wrapper_take(&inside, "LowCardinality"))
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "type %.100s: Nullable goes inside LowCardinality: "
                          "LowCardinality(Nullable(String))",
                          text);
    bool ok = type_parse(&c, 0, &t);
    cursor_space(&c);
    if (!ok || *c.p) {
        bool nested = type_nested_begins(inside);
        ch_type_release(&t);
        return pl_err_set(err, PL_ERR_CONFIG, 0, "type %.100s is not one a route can fill: %s",
                          text, nested ? type_nested_supported : SUPPORTED);
    }
    *ret = t;
    return 0;
}

int ch_type_parse_other(const char *text, struct ch_type *ret, struct pl_err *err)
{
    int depth = 0;
    const char *p = text;
    bool ok = isalpha((unsigned char)*p);
    for (; *p && ok; p++) {
        depth += (*p == '(') - (*p == ')');
        ok = depth >= 0 && !iscntrl((unsigned char)*p) && *p != ';';
    }
    if (!ok || depth != 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "type %.100s is none", text);
    *ret = (struct ch_type){.kind = CH_OTHER, .ddl = pl_strdup(text), .wire = pl_strdup(text)};
    return 0;
}

void ch_type_release(struct ch_type *t)
{
    type_enum_release(t);
    type_nested_release(t);
    free(t->timezone);
    free(t->ddl);
    free(t->wire);
    *t = (struct ch_type){0};
}

bool type_same(const struct ch_type *t, const struct ch_type *other)
{
    bool same = t->kind == other->kind && t->nullable == other->nullable &&
                t->low_cardinality == other->low_cardinality && t->scale == other->scale &&
                t->precision == other->precision && t->length == other->length &&
                type_enum_equal(t, other) && type_nested_same(t, other);
    /* A zone only changes how a time is shown, never what is stored; without one it is the server's
     * default. Two that are named and differ were meant to differ. */
    if (t->timezone && other->timezone && strcasecmp(t->timezone, other->timezone) != 0)
        same = false;
    return same;
}

bool ch_type_matches(const struct ch_type *t, const char *server_type)
{
    struct ch_type other;
    struct pl_err err;
    if (t->kind == CH_OTHER)
        return true;
    if (ch_type_parse(server_type, &other, &err) < 0)
        return false;
    bool same = type_same(t, &other);
    ch_type_release(&other);
    return same;
}

unsigned ch_type_width(const struct ch_type *t)
{
    static const uint8_t widths[] = {
        [CH_STRING] = 0,   [CH_BOOL] = 1,     [CH_INT8] = 1,       [CH_INT16] = 2,
        [CH_INT32] = 4,    [CH_INT64] = 8,    [CH_INT128] = 16,    [CH_INT256] = 32,
        [CH_UINT8] = 1,    [CH_UINT16] = 2,   [CH_UINT32] = 4,     [CH_UINT64] = 8,
        [CH_UINT128] = 16, [CH_UINT256] = 32, [CH_FLOAT32] = 4,    [CH_FLOAT64] = 8,
        [CH_DATE] = 2,     [CH_DATETIME] = 4, [CH_DATETIME64] = 8, [CH_DATE32] = 4,
        [CH_UUID] = 16,    [CH_ENUM8] = 1,    [CH_ENUM16] = 2,     [CH_IPV4] = 4,
        [CH_IPV6] = 16,    [CH_ARRAY] = 8,    [CH_MAP] = 8,        [CH_TUPLE] = 0,
        [CH_JSON] = 0,
    };
    if (t->kind == CH_FIXED_STRING)
        return t->length;
    if (t->kind != CH_DECIMAL)
        return widths[t->kind];
    return t->precision <= 9 ? 4 : t->precision <= 18 ? 8 : t->precision <= 38 ? 16 : 32;
}

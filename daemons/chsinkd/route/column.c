/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column.c - one column of a route file: its options, where its values come from, and the policies
 * that its type allows.
 */
#include <ctype.h>

#include "daemons/chsinkd/route/internal.h"
#include "daemons/chsinkd/route/zone.h"
#include "lib/json/reader.h"

/* A column as in the file. */
struct column_file {
    char *name, *type, *from, *expression, *codec, *comment;
    struct pl_strings path;
    bool json, ephemeral, unknown, from_text, from_number;
    int missing, invalid, on_overflow, unit;
};

static const char *const missing_choices[] = {"reject", "default", "null", "table", NULL};
static const char *const invalid_choices[] = {"reject", "null", NULL};
static const char *const overflow_choices[] = {"reject", "null", "clamp", NULL};
static const char *const unit_choices[] = {"s", "ms", "us", "ns", "d", NULL};

#define COLUMN_TEXT(field, length_min, length_max, flags_, text)                                   \
    PL_OPTION(#field, STRING, struct column_file, field, .min = (length_min), .max = (length_max), \
              .flags = (flags_), .help = text)
#define COLUMN_ENUM(field, list, text)                                                             \
    PL_OPTION(#field, ENUM, struct column_file, field, .choices = (list), .help = text)

static const struct pl_option column_opts[] = {
    COLUMN_TEXT(name, 1, 255, PL_OPT_REQUIRED, "The column's name."),
    COLUMN_TEXT(type, 1, ROUTE_TEXT_MAX, PL_OPT_REQUIRED, "Its ClickHouse type."),
    PL_OPTION("path", STRINGS, struct column_file, path, .max = 16,
              .help = "Where its value is: $.a.b in the message, @.c in the row's element; of a "
                      "list the first present. Array columns: $.a[*].b, field b of each object."),
    COLUMN_TEXT(from, 1, 255, 0,
                "Its value from Kafka: topic, partition, offset, timestamp, key, header:NAME or "
                "schema_id."),
    COLUMN_TEXT(expression, 1, ROUTE_TEXT_MAX, 0, "Computed by the server (DEFAULT), not sent."),
    PL_OPTION("unknown", BOOL, struct column_file, unknown,
              .help = "Takes all fields that no column takes, as one JSON object."),
    PL_OPTION("ephemeral", BOOL, struct column_file, ephemeral,
              .help = "Sent for the table's DEFAULT expressions, not kept (EPHEMERAL)."),
    PL_OPTION("json", BOOL, struct column_file, json,
              .help = "String columns: any value as its JSON text."),
    COLUMN_ENUM(missing, missing_choices, "Absent or null: reject, default, null or table."),
    COLUMN_ENUM(invalid, invalid_choices, "What does not fit: reject or null."),
    COLUMN_ENUM(on_overflow, overflow_choices,
                "Numbers out of range: reject, null, or clamp to the nearest that fits."),
    COLUMN_ENUM(unit, unit_choices,
                "Numbers into Date, Date32, DateTime and DateTime64: s, ms, us, ns or d."),
    PL_OPTION("from_text", BOOL, struct column_file, from_text,
              .help = "Numbers, Bool and times in numbers: also a string that holds just the "
                      "number, or true or false."),
    PL_OPTION("from_number", BOOL, struct column_file, from_number,
              .help = "Bool: also 0 and 1. Enum: also the number of a name."),
    COLUMN_TEXT(codec, 0, 255, 0, "CODEC of the column."),
    COLUMN_TEXT(comment, 0, ROUTE_TEXT_MAX, 0, "COMMENT of the column."),
    PL_OPT_END,
};

/* One column while it is checked. */
struct column_check {
    const struct pl_node *node;
    struct column_file file;
    struct column *column;
    struct pl_findings *errs;
};

#define column_finding(k, key, ...) finding((k)->errs, node_of((k)->node, (key)), __VA_ARGS__)

bool name_valid(const char *name)
{
    for (const char *p = name; *p; p++)
        if (iscntrl((unsigned char)*p))
            return false;
    return *name && pl_utf8_valid(name, strlen(name));
}

#define KIND(k)     (1U << CH_##k)
#define KINDS_INT64 (KIND(INT64) | KIND(UINT64))

/* The parts of a Kafka message, and the types that hold all of their values. */
static const struct {
    const char *from;
    enum column_source source;
    unsigned kinds;
    const char *types;
} froms[] = {
    {"topic", COLUMN_TOPIC, KIND(STRING), "String"},
    {"partition", COLUMN_PARTITION, KINDS_INT64 | KIND(INT32) | KIND(UINT32),
     "Int32, UInt32, Int64 or UInt64"},
    {"offset", COLUMN_OFFSET, KINDS_INT64, "Int64 or UInt64"},
    {"timestamp", COLUMN_TIMESTAMP, KINDS_INT64 | KIND(DATETIME64),
     "DateTime64(3) to DateTime64(9), or Int64 or UInt64 (milliseconds)"},
    {"key", COLUMN_KEY, KIND(STRING), "String"},
    {"header:", COLUMN_HEADER, KIND(STRING), "String"},
    {"schema_id", COLUMN_SCHEMA_ID, KINDS_INT64 | KIND(UINT32), "UInt32, Int64 or UInt64"},
};

static void column_check_from(struct column_check *k)
{
    struct column *c = k->column;
    const char *from = k->file.from;
    bool header = strncmp(from, "header:", 7) == 0 && from[7];
    unsigned i = 0;
    while (i < PL_COUNT(froms) &&
           (froms[i].source == COLUMN_HEADER ? !header : strcmp(froms[i].from, from) != 0))
        i++;
    if (i == PL_COUNT(froms)) {
        column_finding(k, "from",
                       "from: %.100s: must be topic, partition, offset, timestamp, key, "
                       "header:NAME or schema_id",
                       from);
        return;
    }
    c->source = froms[i].source;
    c->header = header ? pl_strdup(from + 7) : NULL;
    bool seconds = c->type.kind == CH_DATETIME64 && c->type.scale < 3;
    if (!(froms[i].kinds >> c->type.kind & 1) || seconds)
        column_finding(k, "type", "column %s: from: %s needs the type %s", c->name, from,
                       froms[i].types);
    bool always =
        c->source == COLUMN_TOPIC || c->source == COLUMN_PARTITION || c->source == COLUMN_OFFSET;
    if (always && pl_node_get(k->node, "missing"))
        column_finding(k, "missing", "column %s: %s is never missing", c->name, from);
}

static void column_check_paths(struct column_check *k)
{
    struct column *c = k->column;
    const struct pl_strings *texts = &k->file.path;
    c->source = COLUMN_JSON;
    c->paths = pl_alloc_array(texts->n, sizeof(*c->paths));
    for (size_t i = 0; i < texts->n; i++) {
        struct pl_err err;
        if (column_path_parse(texts->v[i], &c->paths[c->paths_n], &err) < 0) {
            column_finding(k, "path", "column %s: %s", c->name, err.msg);
            continue;
        }
        const struct column_path *p = &c->paths[c->paths_n];
        if (p->keys_n == 0 && !p->from_row && !column_takes_object(c))
            column_finding(k, "path", "column %s: %s is an object: it needs json: true", c->name,
                           texts->v[i]);
        if (p->each > 0 && (c->type.kind != CH_ARRAY || texts->n > 1))
            column_finding(k, "path",
                           "column %s: a path with [*] is the only one of a column with "
                           "the type Array(T)",
                           c->name);
        c->paths_n++;
    }
}

/* Options only for values that come from the JSON text. */
static void column_check_json_only(struct column_check *k)
{
    static const char *const keys[] = {"json", "ephemeral", "invalid",    "on_overflow",
                                       "unit", "from_text", "from_number"};
    for (unsigned i = 0; i < PL_COUNT(keys); i++)
        if (pl_node_get(k->node, keys[i]) && k->column->source != COLUMN_JSON)
            column_finding(k, keys[i], "column %s: %s belongs to columns with a path",
                           k->column->name, keys[i]);
}

static void column_check_overflow(struct column_check *k)
{
    const unsigned numbers = KIND(INT8) | KIND(INT16) | KIND(INT32) | KIND(INT64) | KIND(INT128) |
                             KIND(INT256) | KIND(UINT8) | KIND(UINT16) | KIND(UINT32) |
                             KIND(UINT64) | KIND(UINT128) | KIND(UINT256) | KIND(DECIMAL);
    struct column *c = k->column;
    if (!pl_node_get(k->node, "on_overflow"))
        return;
    c->on_overflow = (enum column_overflow)(OVERFLOW_REJECT + k->file.on_overflow);
    if (!(numbers >> c->type.kind & 1))
        column_finding(k, "on_overflow", "column %s: on_overflow belongs to integers and Decimal",
                       c->name);
    else if (c->on_overflow == OVERFLOW_NULL && !c->type.nullable)
        column_finding(k, "on_overflow", "column %s: on_overflow: null needs Nullable(%s)", c->name,
                       c->type.ddl);
}

/* unit, from_text and from_number. */
static void column_check_from_kinds(struct column_check *k)
{
    const unsigned words = KIND(ENUM8) | KIND(ENUM16) | KIND(IPV4) | KIND(IPV6) |
                           KIND(FIXED_STRING) | KIND(STRING) | KIND(UUID) | KIND(JSON);
    const unsigned times = KIND(DATE) | KIND(DATE32) | KIND(DATETIME) | KIND(DATETIME64);
    const unsigned numbered = KIND(BOOL) | KIND(ENUM8) | KIND(ENUM16);
    struct column *c = k->column;
    const unsigned kinds = type_kinds(&c->type);
    if (c->unit_given && !(kinds & times))
        column_finding(k, "unit",
                       "column %s: unit belongs to Date, Date32, DateTime and DateTime64", c->name);
    if (c->from_text && !(kinds & ~(words | (c->unit_given ? 0 : times))))
        column_finding(k, "from_text",
                       "column %s: from_text belongs to numbers, Bool, and times with a unit",
                       c->name);
    if (c->from_number && !(kinds & numbered))
        column_finding(k, "from_number", "column %s: from_number belongs to Bool and Enum",
                       c->name);
}

#define NEVER_NULL "column %s: %s is never null; missing: default makes it empty"

static void column_check_policies(struct column_check *k)
{
    struct column *c = k->column;
    const struct pl_node *missing = pl_node_get(k->node, "missing");
    c->missing = missing            ? (enum column_missing)k->file.missing
                 : c->type.nullable ? MISSING_NULL
                                    : MISSING_REJECT;
    c->invalid = (enum column_invalid)k->file.invalid;
    c->unit = (enum column_unit)k->file.unit;
    c->unit_given = pl_node_get(k->node, "unit") != NULL;
    bool nested = ch_type_is_nested(&c->type);
    if (nested && c->missing == MISSING_NULL)
        column_finding(k, "missing", NEVER_NULL, c->name, c->type.ddl);
    else if (c->missing == MISSING_NULL && !c->type.nullable)
        column_finding(k, "missing", "column %s: missing: null needs Nullable(%s)", c->name,
                       c->type.ddl);
    if (c->missing == MISSING_TABLE && (nested || c->type.nullable))
        column_finding(k, "missing",
                       "column %s: missing: table needs a type that is not Nullable and no "
                       "container: null stands for the table's DEFAULT",
                       c->name);
    if (nested && c->invalid == INVALID_NULL)
        column_finding(k, "invalid", NEVER_NULL, c->name, c->type.ddl);
    else if (c->invalid == INVALID_NULL && !c->type.nullable)
        column_finding(k, "invalid", "column %s: invalid: null needs Nullable(%s)", c->name,
                       c->type.ddl);
    if (c->json && c->type.kind != CH_STRING)
        column_finding(k, "json", "column %s: json: true needs the type String", c->name);
    column_check_overflow(k);
    column_check_from_kinds(k);
    bool computed = c->source == COLUMN_EXPRESSION || c->source == COLUMN_UNKNOWN;
    if (missing && computed)
        column_finding(k, "missing", "column %s: an %s column is never missing", c->name,
                       c->source == COLUMN_EXPRESSION ? "expression" : "unknown");
    column_check_json_only(k);
}

static void column_check_source(struct column_check *k)
{
    const struct column_file *f = &k->file;
    struct column *c = k->column;
    int sources = (f->path.n > 0) + (f->from != NULL) + (f->expression != NULL) + f->unknown;
    if (sources != 1) {
        finding(k->errs, k->node,
                "column %s: needs one of path, from, expression and unknown: true", c->name);
        return;
    }
    if (f->from) {
        column_check_from(k);
    } else if (f->expression) {
        c->source = COLUMN_EXPRESSION;
        c->expression = PL_TAKE(k->file.expression);
    } else if (f->unknown) {
        c->source = COLUMN_UNKNOWN;
        if (strcmp(c->type.ddl, "String") != 0)
            column_finding(k, "type", "column %s: unknown: true needs the type String", c->name);
    } else {
        column_check_paths(k);
    }
}

void column_load(struct pl_node *node, struct column *c, struct pl_findings *errs)
{
    struct column_check k = {.node = node, .column = c, .errs = errs};
    unsigned before = errs->count;
    if (pl_options_apply(column_opts, node, &k.file, errs) == 0 && errs->count == before) {
        struct pl_err err;
        c->name = PL_TAKE(k.file.name);
        c->codec = PL_TAKE(k.file.codec);
        c->comment = PL_TAKE(k.file.comment);
        text_normalize(&c->codec);
        text_normalize(&c->comment);
        c->json = k.file.json;
        c->ephemeral = k.file.ephemeral;
        c->from_text = k.file.from_text;
        c->from_number = k.file.from_number;
        if (!name_valid(c->name))
            column_finding(&k, "name", "a column's name is UTF-8 without control characters");
        if (ch_type_parse(k.file.type, &c->type, &err) < 0 &&
            (!k.file.expression || ch_type_parse_other(k.file.type, &c->type, &err) < 0)) {
            column_finding(&k, "type", "column %s: %s", c->name, err.msg);
        } else {
            if (c->type.timezone && zone_is_unknown(c->type.timezone))
                column_finding(&k, "type",
                               "column %s: there is no time zone %s in " ZONES_DIR
                               " (names are as in Europe/Berlin)",
                               c->name, c->type.timezone);
            column_check_source(&k);
            column_check_policies(&k);
            column_nest(c);
        }
    }
    pl_options_release(column_opts, &k.file);
}

void column_release(struct column *c)
{
    column_nest_release(c);
    ch_type_release(&c->type);
    for (unsigned i = 0; i < c->paths_n; i++)
        column_path_release(&c->paths[i]);
    free(c->paths);
    free(c->name);
    free(c->header);
    free(c->expression);
    free(c->codec);
    free(c->comment);
}

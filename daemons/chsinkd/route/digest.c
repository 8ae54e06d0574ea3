/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.c - see digest.h. The hash is FNV-1a with 64 bits (draft-eastlake-fnv): a route's author
 * is no adversary.
 *
 * What is hashed is a text, not the struct: numbers as decimal digits, each value with its name,
 * strings with their length, so that no two routes have the same text.
 */
#include "daemons/chsinkd/route/digest.h"

#include <inttypes.h>

#include "daemons/chsinkd/route/table_name.h"

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

static void number_add(struct pl_buf *b, const char *name, int64_t n)
{
    pl_buf_addf(b, "%s=%" PRId64 "\n", name, n);
}

static void text_add(struct pl_buf *b, const char *name, const char *text)
{
    if (text)
        pl_buf_addf(b, "%s=%zu:%s\n", name, strlen(text), text);
}

static void path_add(struct pl_buf *b, const char *name, const struct column_path *path)
{
    pl_buf_addf(b, "%s=%c%u\n", name, path->from_row ? '@' : '$', path->keys_n);
    for (unsigned i = 0; i < path->keys_n; i++)
        text_add(b, "key", path->keys[i]);
    if (path->each > 0)
        number_add(b, "each", path->each);
}

/* Words, not the enums' numbers, which a later release may assign anew. */
static const char *source_name(enum column_source source)
{
    switch (source) {
    case COLUMN_JSON:
        return "json";
    case COLUMN_TOPIC:
        return "topic";
    case COLUMN_PARTITION:
        return "partition";
    case COLUMN_OFFSET:
        return "offset";
    case COLUMN_TIMESTAMP:
        return "timestamp";
    case COLUMN_KEY:
        return "key";
    case COLUMN_HEADER:
        return "header";
    case COLUMN_SCHEMA_ID:
        return "schema_id";
    case COLUMN_EXPRESSION:
        return "expression";
    case COLUMN_UNKNOWN:
        return "unknown";
    }
    return "";
}

static const char *missing_name(enum column_missing missing)
{
    switch (missing) {
    case MISSING_REJECT:
        return "reject";
    case MISSING_DEFAULT:
        return "default";
    case MISSING_NULL:
        return "null";
    case MISSING_TABLE:
        return "table";
    }
    return "";
}

static const char *tombstones_name(enum route_tombstones tombstones)
{
    switch (tombstones) {
    case TOMBSTONES_SKIP:
        return "skip";
    case TOMBSTONES_DEAD_LETTER:
        return "dead_letter";
    case TOMBSTONES_ROW:
        return "row";
    }
    return "";
}

static const char *overflow_name(enum column_overflow overflow)
{
    switch (overflow) {
    case OVERFLOW_NOT_GIVEN:
        break;
    case OVERFLOW_REJECT:
        return "reject";
    case OVERFLOW_NULL:
        return "null";
    case OVERFLOW_CLAMP:
        return "clamp";
    }
    return "";
}

static const char *unit_name(enum column_unit unit)
{
    switch (unit) {
    case UNIT_S:
        return "s";
    case UNIT_MS:
        return "ms";
    case UNIT_US:
        return "us";
    case UNIT_NS:
        return "ns";
    case UNIT_D:
        return "d";
    }
    return "";
}

static void column_add(struct pl_buf *b, const struct column *c)
{
    if (c->source == COLUMN_EXPRESSION)
        return;
    text_add(b, "column", c->name);
    text_add(b, "type", c->type.ddl);
    text_add(b, "from", source_name(c->source));
    text_add(b, "header", c->header);
    for (unsigned i = 0; i < c->paths_n; i++)
        path_add(b, "path", &c->paths[i]);
    number_add(b, "json", c->json);
    text_add(b, "missing", missing_name(c->missing));
    text_add(b, "invalid", c->invalid == INVALID_NULL ? "null" : "reject");
    if (c->on_overflow != OVERFLOW_NOT_GIVEN)
        text_add(b, "on_overflow", overflow_name(c->on_overflow));
    if (c->unit_given)
        text_add(b, "unit", unit_name(c->unit));
    if (c->ephemeral)
        number_add(b, "ephemeral", true);
    if (c->from_text)
        number_add(b, "from_text", true);
    if (c->from_number)
        number_add(b, "from_number", true);
}

uint64_t route_digest(const struct route *r, const char *database, unsigned decoder)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    uint64_t hash = FNV_BASIS;
    number_add(&b, "decoder", decoder);
    text_add(&b, "database", r->database ? r->database : database);
    text_add(&b, "table", r->table);
    /* Earlier releases did not quote in tokens, which differ by this. */
    const char *in = r->database ? r->database : database;
    if (in && table_name_is_quoted(in, r->table))
        number_add(&b, "quoted", true);
    path_add(&b, "rows", &r->rows);
    /* Options that came later stand in the text only where they are given: the digests of the
     * routes before them stay. */
    if (r->rows_each && r->rows.keys_n == 0)
        number_add(&b, "rows_each", true);
    if (r->rows_optional)
        number_add(&b, "rows_optional", true);
    if (r->documents_many)
        number_add(&b, "documents_many", true);
    if (r->strip == STRIP_SCHEMA_REGISTRY)
        text_add(&b, "strip", "schema_registry");
    if (r->tombstones != TOMBSTONES_SKIP)
        text_add(&b, "tombstones", tombstones_name(r->tombstones));
    text_add(&b, "when", r->when);
    number_add(&b, "unknown_keep", r->unknown_keep);
    number_add(&b, "message_bytes_max", r->message_bytes_max);
    number_add(&b, "message_memory_max", r->message_memory_max);
    number_add(&b, "depth_max", r->depth_max);
    for (unsigned i = 0; i < r->columns_n; i++)
        column_add(&b, &r->columns[i]);
    for (size_t i = 0; i < b.len; i++)
        hash = (hash ^ (unsigned char)b.data[i]) * FNV_PRIME;
    return hash != 0 ? hash : 1;
}

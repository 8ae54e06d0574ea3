/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.c - see suggest.h.
 */
#include "daemons/chsinkd/route/suggest.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemons/chsinkd/route/route.h"
#include "daemons/chsinkd/route/type_suggest.h"
#include "lib/base/text.h"

#define NAME_MAX_LEN    200
#define KAFKA_COLUMNS_N 3 /* _topic, _partition, _offset */

/* The fields of a message that is an array: its elements' are below it. */
#define ELEMENT "$[*]"

struct suggestion {
    const struct pl_schema *schema;
    bool rows_each; /* each message is an array: a row for each element */
    struct pl_strings names;
    struct pl_buf *out;
};

/* ---- what a field becomes ---- */

/* Its values have no type in common, or are arrays, or no text: kept as they are written. */
static bool kept_as_json(const struct pl_schema *p, unsigned i)
{
    const struct pl_schema_field *f = p->fields[i];
    uint64_t values = f->present - f->nulls;
    PL_CLEANUP(pl_buf_release) struct pl_buf type = {0};
    type_suggest(p, i, &type);
    return f->no_text || (strstr(pl_buf_cstr(&type), "String") && f->strings < values);
}

/* Why there is no column for it; NULL: there may be one. */
static const char *left_out_why(const struct pl_schema_field *f)
{
    return f->nameless ? "a path cannot name it" : f->repeated ? "an object holds it twice" : NULL;
}

/* What is above it is a column as a whole, or is left out. */
static bool is_covered(const struct pl_schema *p, unsigned i)
{
    const char *path = p->fields[i]->path;
    for (unsigned k = 0; k < i; k++) {
        const struct pl_schema_field *f = p->fields[k];
        size_t len = strlen(f->path);
        if (strncmp(path, f->path, len) == 0 && (path[len] == '.' || path[len] == '[') &&
            strcmp(f->path, "$") != 0 && (left_out_why(f) || kept_as_json(p, k)))
            return true;
    }
    return false;
}

/* The field's path in a route, from the row on: ".a.b"; NULL: it is not in the row. */
static const char *path_in_row(const struct suggestion *s, const struct pl_schema_field *f)
{
    size_t len = strlen(ELEMENT);
    bool element = strncmp(f->path, ELEMENT, len) == 0;
    if (!s->rows_each)
        return f->path[0] == '$' && (f->path[1] == '\0' || f->path[1] == '[') ? NULL : f->path;
    return element ? f->path + len : NULL;
}

/* ---- text ---- */

/* The character at *p, which is moved behind it. */
static unsigned character_next(const char **p)
{
    const unsigned char *q = (const unsigned char *)*p;
    unsigned n = *q < 0x80 ? 0 : *q < 0xE0 ? 1 : *q < 0xF0 ? 2 : 3;
    unsigned c = n == 0 ? *q : *q & (0x3Fu >> n);
    for (unsigned i = 1; i <= n; i++)
        c = c << 6 | (q[i] & 0x3Fu);
    *p += n + 1;
    return c;
}

/* YAML 1.1, 5.1 and 5.4: what is not printable, and what ends a line. */
static bool must_be_escaped(unsigned c)
{
    return (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
           (c & 0xFFFE) == 0xFFFE;
}

/* A YAML scalar in quotes, single ones where they can hold it. `text` is UTF-8 without controls
 * below space. */
static void yaml_quote(struct pl_buf *out, const char *text)
{
    bool plain = !strchr(text, '\'');
    for (const char *p = text; *p && plain;)
        plain = !must_be_escaped(character_next(&p));
    if (plain) {
        pl_buf_addf(out, "'%s'", text);
        return;
    }
    pl_buf_add_byte(out, '"');
    for (const char *p = text; *p;) {
        const char *start = p;
        unsigned c = character_next(&p);
        if (c == '"' || c == '\\')
            pl_buf_add_byte(out, '\\');
        if (must_be_escaped(c))
            pl_buf_addf(out, "\\U%08X", c);
        else
            pl_buf_add(out, start, (size_t)(p - start));
    }
    pl_buf_add_byte(out, '"');
}

/* meta.id -> meta_id; what is awkward in a name becomes '_'. */
void suggest_name(const char *path, struct pl_buf *out)
{
    for (const char *p = path; *p; p++)
        if (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80)
            pl_buf_add_byte(out, *p);
        else if (out->len > 0 && out->data[out->len - 1] != '_' && *p != '"')
            pl_buf_add_byte(out, '_');
    if (out->len > NAME_MAX_LEN) {
        out->len = NAME_MAX_LEN;
        while (pl_utf8_continues(out->data[out->len]))
            out->len--;
    }
    if (out->len == 0)
        pl_buf_add_str(out, "value");
}

/* DuckDB and Iceberg take names that differ in case for the same. */
static bool name_is_taken(const struct pl_strings *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcasecmp(names->v[i], name) == 0)
            return true;
    return false;
}

/* Not taken so far; owned by s->names. */
static const char *name_make(struct suggestion *s, const char *path)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
    suggest_name(path, &name);
    size_t len = name.len;
    for (unsigned n = 2; name_is_taken(&s->names, pl_buf_cstr(&name)); n++) {
        name.len = len;
        pl_buf_addf(&name, "_%u", n);
    }
    pl_strings_add(&s->names, pl_buf_cstr(&name));
    return s->names.v[s->names.n - 1];
}

/* A name that YAML takes for a text without quotes. */
static bool name_is_plain(const char *name)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    if (strspn(name, "0123456789_") == strlen(name) ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") <
            strlen(name))
        return false;
    for (unsigned i = 0; i < PL_COUNT(words); i++)
        if (strcasecmp(words[i], name) == 0)
            return false;
    return true;
}

/* ---- the route ---- */

static void column_add(struct suggestion *s, unsigned i, const char *in_row)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf type = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf path = {0};
    const char *name = name_make(s, in_row);
    type_suggest(s->schema, i, &type);
    pl_buf_addf(&path, "%s%s%s", s->rows_each ? "@" : "$", s->rows_each ? "" : ".", in_row);
    pl_buf_add_str(s->out, "  - { name: ");
    if (name_is_plain(name))
        pl_buf_add_str(s->out, name);
    else
        yaml_quote(s->out, name);
    pl_buf_addf(s->out, ", type: \"%s\", path: ", pl_buf_cstr(&type));
    yaml_quote(s->out, pl_buf_cstr(&path));
    pl_buf_add_str(s->out, kept_as_json(s->schema, i) ? ", json: true }\n" : " }\n");
}

static void left_out_add(struct suggestion *s, const char *path, const char *why)
{
    pl_buf_add_str(s->out, "  # left out: ");
    pl_text_add(s->out, path, strlen(path));
    pl_buf_addf(s->out, " (%s)\n", why);
}

static void field_add(struct suggestion *s, unsigned i)
{
    const struct pl_schema *p = s->schema;
    const struct pl_schema_field *f = p->fields[i];
    const char *in_row = path_in_row(s, f), *why = left_out_why(f);
    PL_CLEANUP(pl_buf_release) struct pl_buf type = {0};
    if (!in_row || strstr(in_row, "[*]") || is_covered(p, i))
        return;
    type_suggest(p, i, &type);
    if (!why && type.len > 0 && s->names.n + KAFKA_COLUMNS_N == ROUTE_COLUMNS_MAX)
        why = "there are too many columns";
    if (why)
        left_out_add(s, f->path, why);
    else if (type.len > 0)
        column_add(s, i, in_row);
}

static const struct pl_schema_field *field_find(const struct pl_schema *p, const char *path)
{
    for (unsigned i = 0; i < p->n; i++)
        if (strcmp(p->fields[i]->path, path) == 0)
            return p->fields[i];
    return NULL;
}

/* What the route cannot take. */
static void refused_add(const struct suggestion *s, const struct pl_schema_field *others)
{
    const struct pl_schema_field *e = field_find(s->schema, ELEMENT);
    if (others && !s->rows_each)
        pl_buf_addf(s->out, "# %" PRIu64 " of them are no objects: dead letters.\n",
                    others->present);
    if (s->rows_each && e && e->nulls > 0 && e->objects == e->present - e->nulls)
        pl_buf_addf(s->out, "# %" PRIu64 " elements are null: dead letters.\n", e->nulls);
}

void route_suggest(const struct pl_schema *p, const char *topic, struct pl_buf *out)
{
    const struct pl_schema_field *others = field_find(p, "$"); /* that are no objects */
    struct suggestion s = {.schema = p, .out = out};
    s.rows_each = others && others->arrays == p->documents;
    pl_buf_addf(out,
                "# A route made from %" PRIu64
                " messages. Read it, then put it into a file under routes:.\n",
                p->documents);
    refused_add(&s, others);
    PL_CLEANUP(pl_buf_release) struct pl_buf table = {0};
    suggest_name(topic, &table);
    pl_buf_addf(out, "topic: %s\ntable: %s\n", topic, pl_buf_cstr(&table));
    pl_buf_addf(out, "rows: %s\nunknown_fields: drop\ncolumns:\n", s.rows_each ? "$[*]" : "$");
    for (unsigned i = 0; i < p->n; i++)
        field_add(&s, i);
    pl_buf_add_str(out, "  - { name: _topic, type: LowCardinality(String), from: topic }\n"
                        "  - { name: _partition, type: Int32, from: partition }\n"
                        "  - { name: _offset, type: Int64, from: offset }\n"
                        "engine: MergeTree\norder_by: \"(_topic, _partition, _offset)\"\n");
    pl_strings_release(&s.names);
}

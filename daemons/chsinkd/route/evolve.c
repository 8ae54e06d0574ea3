/* SPDX-License-Identifier: Apache-2.0 */
/* evolve.c - see evolve.h. */
#include "daemons/chsinkd/route/evolve.h"

#include <ctype.h>
#include <strings.h>

#include "daemons/chsinkd/route/added.h"
#include "daemons/chsinkd/route/suggest.h"

/* Integers that a double holds without gaps. */
#define EXACT_MAX (INT64_C(1) << 53)

void evolve_release(struct evolve_fields *f)
{
    for (unsigned i = 0; i < f->n; i++) {
        free(f->v[i].path);
        free(f->v[i].name);
    }
    free(f->v);
    *f = (struct evolve_fields){0};
}

/* ---- keys ---- */

static bool is_year(const char *digits)
{
    return strncmp(digits, "19", 2) == 0 || strncmp(digits, "20", 2) == 0;
}

bool evolve_key_is_data(const char *key)
{
    size_t len = strlen(key), digits = 0, run = 0, hex = 0;
    const char *first = key + strspn(key, "_@$");
    if (len > EVOLVE_KEY_MAX || !*first || !(isalpha((unsigned char)*first) || *first < 0))
        return true;
    for (const char *p = first; *p; p++) {
        bool digit = isdigit((unsigned char)*p);
        if (!isalnum((unsigned char)*p) && *p >= 0 && !strchr("_-.", *p))
            return true;
        digits += digit;
        run = digit ? run + 1 : 0;
        hex += isxdigit((unsigned char)*p) || *p == '-' || *p == '_';
        if (run == 5 || (run == 4 && is_year(p - 3)))
            return true;
    }
    size_t hex_least = digits >= 2 ? 6 : 8;
    return (digits >= 4 && 3 * digits > len) || (digits > 0 && hex == len && len >= hex_least);
}

/* The end of the key that begins at p in a path of pl_schema. */
static const char *key_end(const char *p)
{
    if (*p != '"')
        return p + strcspn(p, ".[");
    for (p++; *p && *p != '"'; p++)
        p += *p == '\\' && p[1];
    return p + (*p == '"');
}

/* Where the path goes into an array: its "[*]"; NULL: it does not. */
static const char *array_find(const char *path)
{
    for (const char *p = path; *p; p++) {
        p = key_end(p);
        if (*p == '[')
            return p;
        if (!*p)
            break;
    }
    return NULL;
}

/* ---- one field ---- */

struct judge {
    const struct route *route;
    const struct pl_schema *sample;
    struct evolve_fields *out;
    unsigned added; /* columns so far, with those to be added */
};

struct candidate {
    const struct pl_schema_field *field;
    const char *keys; /* the path's, from the row or the message on */
    struct column_path path;
};

static bool keys_are_equal(const struct column_path *a, const struct column_path *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(a->keys[i], b->keys[i]) != 0)
            return false;
    return true;
}

static bool path_parse(char root, const char *keys, struct column_path *ret)
{
    PL_FREE char *text = pl_strf("%c%s%s", root, keys[0] ? "." : "", keys);
    struct pl_err err;
    return column_path_parse(text, ret, &err) == 0;
}

/* [path, end) is the array of the rows. */
static bool is_rows(const struct route *r, const char *path, const char *end)
{
    PL_CLEANUP(column_path_release) struct column_path head = {0};
    PL_FREE char *keys = pl_strndup(path, (size_t)(end - path));
    if (r->rows.keys_n == 0)
        return strcmp(keys, "$") == 0;
    return path_parse('$', keys, &head) && head.keys_n == r->rows.keys_n &&
           keys_are_equal(&head, &r->rows, head.keys_n);
}

/* False: the field is not in a row, or inside of an array. The path may not be released then. */
static bool candidate_find(const struct route *r, const struct pl_schema_field *f,
                           struct candidate *ret)
{
    const char *array = array_find(f->path), *keys = f->path;
    bool element = r->rows_each && array && is_rows(r, f->path, array);
    if (element)
        keys = array + strlen("[*]");
    if (element ? *keys++ != '.' : strcmp(keys, "$") == 0 || (r->rows_each && !r->rows.keys_n))
        return false;
    if (array_find(keys))
        return false;
    *ret = (struct candidate){.field = f, .keys = keys};
    return path_parse(element ? '@' : '$', keys, &ret->path) && ret->path.keys_n > 0;
}

/* A column reads it, or something on the way to it or below it. */
static bool is_read(const struct route *r, const struct column_path *p)
{
    const struct column_path rows = {.keys = r->rows.keys, .keys_n = r->rows.keys_n};
    unsigned least = p->keys_n < rows.keys_n ? p->keys_n : rows.keys_n;
    if (r->rows_each && !p->from_row && keys_are_equal(p, &rows, least))
        return true;
    for (unsigned i = 0; i < r->columns_n; i++)
        for (unsigned k = 0; k < r->columns[i].paths_n; k++) {
            const struct column_path *c = &r->columns[i].paths[k];
            least = c->keys_n < p->keys_n ? c->keys_n : p->keys_n;
            if ((!r->rows_each || c->from_row == p->from_row) && keys_are_equal(c, p, least))
                return true;
        }
    return false;
}

static const struct pl_schema_field *field_at(const struct pl_schema *s, const char *path,
                                              size_t len)
{
    for (unsigned i = 0; i < s->n; i++)
        if (strncmp(s->fields[i]->path, path, len) == 0 && s->fields[i]->path[len] == '\0')
            return s->fields[i];
    return NULL;
}

/* What can be compared: one letter for a type, "" for nothing, "?" for several. */
static const char *kind_of(const struct pl_schema_field *f)
{
    uint64_t values = f->present - f->nulls;
    return values == 0                         ? ""
           : f->objects == values              ? "{"
           : f->arrays == values               ? "["
           : f->bools == values                ? "b"
           : f->strings == values              ? "s"
           : f->integers + f->floats == values ? "n"
                                               : "?";
}

/* Of the object that holds the key at `key`: it has many keys alike, each of them seldom. */
static bool keys_are_alike(const struct judge *j, const struct candidate *c, const char *key,
                           uint64_t objects)
{
    const char *path = c->field->path, *kind = NULL;
    size_t parent = (size_t)(key - path), own = (size_t)(key_end(key) - path);
    unsigned alike = 0, others = 0;
    const struct pl_schema_field *self = field_at(j->sample, path, own);
    if (!self || 2 * self->present >= objects)
        return false;
    kind = kind_of(self);
    for (unsigned i = 0; i < j->sample->n; i++) {
        const struct pl_schema_field *f = j->sample->fields[i];
        if (strncmp(f->path, path, parent) != 0 || !f->path[parent] ||
            *key_end(f->path + parent) != '\0' || 2 * f->present >= objects)
            continue;
        if (strcmp(kind_of(f), kind) == 0)
            alike++;
        else
            others++;
    }
    return alike >= (key == c->keys ? EVOLVE_ALIKE_ROW_MAX : EVOLVE_ALIKE_MAX) &&
           alike >= 9 * others;
}

static bool key_is_data(const struct column_path *path)
{
    for (unsigned i = 0; i < path->keys_n; i++)
        if (evolve_key_is_data(path->keys[i]))
            return true;
    return false;
}

/* How many keys lead to the first object on the way whose keys are alike; -1: there is none. */
static int alike_find(const struct judge *j, const struct candidate *c)
{
    const struct pl_schema_field *f = c->field;
    uint64_t objects = f->base ? f->base->objects : j->sample->documents;
    int keys = 0;
    for (const char *key = c->keys;; key = key_end(key) + 1, keys++) {
        if (keys_are_alike(j, c, key, objects))
            return keys;
        if (*key_end(key) != '.')
            return -1;
        const struct pl_schema_field *above =
            field_at(j->sample, f->path, (size_t)(key_end(key) - f->path));
        objects = above ? above->objects : 0;
    }
}

/* Something above it is not always an object, or is there twice. */
static bool is_below_others(const struct judge *j, const struct candidate *c)
{
    const char *path = c->field->path;
    for (const char *end = key_end(c->keys); *end == '.'; end = key_end(end + 1)) {
        const struct pl_schema_field *f = field_at(j->sample, path, (size_t)(end - path));
        if (!f || f->repeated || f->nameless || f->objects + f->nulls != f->present)
            return true;
    }
    return false;
}

/* NULL: *ret_why. */
static const char *type_of(const struct pl_schema_field *f, const char **ret_why)
{
    switch (*kind_of(f)) {
    case 'b':
        return "Nullable(Bool)";
    case 's':
        *ret_why = "its texts are no Unicode";
        return f->no_text ? NULL : "Nullable(String)";
    case '[':
        *ret_why = "it is an array: give it a column of your own, or rows";
        return NULL;
    case 'n':
        break;
    default:
        *ret_why = "its values are of several types";
        return NULL;
    }
    *ret_why = "no Int64 or Float64 holds all its numbers";
    if (f->int_overflow || f->float_overflow)
        return NULL;
    if (f->floats == 0)
        return "Nullable(Int64)";
    bool exact = f->integers == 0 || (f->int_min >= -EXACT_MAX && f->int_max <= EXACT_MAX);
    return exact ? "Nullable(Float64)" : NULL;
}

static bool name_is_taken(const struct judge *j, const char *name)
{
    if (route_column_nocase(j->route, name))
        return true;
    for (unsigned i = 0; i < j->out->n; i++)
        if (!j->out->v[i].why && strcasecmp(j->out->v[i].name, name) == 0)
            return true;
    return false;
}

/* Sets name and type. Why there is no column; NULL: it is to be added. */
static const char *judge_one(struct judge *j, const struct candidate *c, struct evolve_field *ret)
{
    const struct pl_schema_field *f = c->field;
    const char *why = NULL;
    PL_CLEANUP(pl_buf_release) struct pl_buf name = {0};
    if (f->repeated)
        return "an object holds it twice";
    if (c->path.keys_n > EVOLVE_DEPTH_MAX)
        return "it lies too deep";
    if (key_is_data(&c->path))
        return "its key looks like data";
    if (!(ret->type = type_of(f, &why)))
        return why;
    suggest_name(c->keys, &name);
    ret->name = pl_buf_take(&name);
    if (name_is_taken(j, ret->name))
        return "its column's name is another's";
    if (j->added >= j->route->add.columns_max ||
        j->route->columns_n - added_n(j->route) + j->added >= ROUTE_COLUMNS_MAX)
        return "add.columns_max is reached";
    j->added++;
    return NULL;
}

static bool is_out(const struct evolve_fields *out, const char *path)
{
    for (unsigned i = 0; i < out->n; i++)
        if (strcmp(out->v[i].path, path) == 0)
            return true;
    return false;
}

static void judge_candidate(struct judge *j, const struct candidate *c)
{
    const struct pl_schema_field *f = c->field;
    struct evolve_field found = {.seen = f->present - f->nulls,
                                 .of = f->base ? f->base->present : j->sample->documents};
    PL_CLEANUP(pl_buf_release) struct pl_buf path = {0};
    struct column_path told = c->path;
    int alike = alike_find(j, c);
    if (alike >= 0)
        told.keys_n = (unsigned)alike;
    column_path_print(&told, &path);
    if (is_out(j->out, pl_buf_cstr(&path)))
        return; /* an object is told once */
    found.why = alike >= 0 ? "its keys are many and alike, as data are" : judge_one(j, c, &found);
    found.path = pl_buf_take(&path);
    j->out->v = pl_realloc_array(j->out->v, j->out->n + 1, sizeof(*j->out->v));
    j->out->v[j->out->n++] = found;
}

static void judge_field(struct judge *j, const struct pl_schema_field *f)
{
    uint64_t values = f->present - f->nulls;
    struct candidate c = {0};
    if (values < (uint64_t)j->route->add.after || f->objects == values || f->nameless)
        return;
    if (candidate_find(j->route, f, &c) && !is_read(j->route, &c.path) && !is_below_others(j, &c))
        judge_candidate(j, &c);
    column_path_release(&c.path);
}

void evolve_judge(const struct route *r, const struct pl_schema *sample, struct evolve_fields *ret)
{
    struct judge j = {.route = r, .sample = sample, .out = ret, .added = added_n(r)};
    for (unsigned i = 0; i < sample->n; i++)
        judge_field(&j, sample->fields[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - see schema.h.
 *
 * A document is checked whole before it is walked, so that a bad one changes no figures and the
 * walk has no errors to handle. Each object and each array element is an "instance" with a number,
 * which distinguishes a key that an object has twice from one that is in two documents.
 */
#include "lib/json/schema.h"

#include <ctype.h>

#include "lib/base/text.h"
#include "lib/base/time_text.h"

#define PATH_MAX_LEN 1024
#define LEVELS_MAX   16

struct pl_schema *pl_schema_new(void)
{
    return pl_alloc(sizeof(struct pl_schema));
}

void pl_schema_free(struct pl_schema *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->n; i++) {
        free(p->fields[i]->distinct_hashes);
        free(p->fields[i]->path);
        free(p->fields[i]);
    }
    pl_buf_release(&p->path);
    pl_buf_release(&p->text);
    free(p);
}

/* FNV-1a, 64 bits: the paths and strings of a sample are no adversary. */
static uint64_t bytes_hash(const char *p, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The field at the current path, made if it is new; NULL when it is not kept. */
static struct pl_schema_field *field_at_path(struct pl_schema *p,
                                             const struct pl_schema_field *base)
{
    struct pl_slice path = {.p = p->path.data, .len = p->path.len};
    uint64_t hash = bytes_hash(path.p, path.len);
    unsigned slot = hash % PL_SCHEMA_SLOTS;
    for (; p->slots[slot] != 0; slot = (slot + 1) % PL_SCHEMA_SLOTS) {
        struct pl_schema_field *f = p->fields[p->slots[slot] - 1];
        if (f->hash == hash && pl_slice_eq(path, f->path))
            return f;
    }
    if (p->n == PL_SCHEMA_FIELDS_MAX || path.len > PATH_MAX_LEN)
        return NULL;
    struct pl_schema_field *f = pl_alloc(sizeof(*f));
    f->path = pl_strndup(path.p, path.len);
    f->hash = hash;
    f->base = base;
    f->nameless = p->nameless;
    p->fields[p->n++] = f;
    p->slots[slot] = (uint16_t)p->n;
    return f;
}

/* Else it is quoted with escapes that no path of a route has. */
static bool key_is_printable(struct pl_slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.p[i] < ' ')
            return false;
    return true;
}

static bool key_is_plain(struct pl_slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.p[i];
        if (c <= ' ' || c == 0x7F || strchr(".[]\"\\", c))
            return false;
    }
    return key.len > 0 && key.p[0] != '$';
}

/* The string unescaped. With half of a surrogate pair, which is no text, as it is written. */
static struct pl_slice string_text(struct pl_schema *p, const struct pl_json_str *str,
                                   bool *ret_no_text)
{
    pl_buf_reset(&p->text);
    *ret_no_text = str->escaped && !pl_json_unescape_buf(str, &p->text);
    if (str->escaped && !*ret_no_text)
        return (struct pl_slice){.p = p->text.data, .len = p->text.len};
    return (struct pl_slice){.p = str->p, .len = str->len};
}

static void path_add_key(struct pl_schema *p, const struct pl_json_str *str)
{
    bool no_text;
    struct pl_slice key = string_text(p, str, &no_text);
    p->nameless |= no_text || !key_is_printable(key);
    if (p->path.len > 0)
        pl_buf_add_byte(&p->path, '.');
    if (key_is_plain(key))
        pl_buf_add(&p->path, key.p, key.len);
    else
        pl_json_quote(&p->path, key.p, key.len);
}

static void example_take(struct pl_schema_field *f, const char *p, size_t len)
{
    if (f->example[0] == '\0')
        pl_text_copy(p, len, f->example, sizeof(f->example));
}

/* Of a time's fraction: its digits as written, and without the zeros at their end. */
static void digits_count(struct pl_slice time, unsigned *ret_written, unsigned *ret_needed)
{
    const char *dot = memchr(time.p, '.', time.len), *end = time.p + time.len;
    *ret_written = *ret_needed = 0;
    for (const char *p = dot ? dot + 1 : end; p < end && *p >= '0' && *p <= '9'; p++) {
        ++*ret_written;
        if (*p != '0')
            *ret_needed = *ret_written;
    }
}

static void time_count(struct pl_schema_field *f, struct pl_slice text)
{
    int64_t seconds;
    if (!pl_time_parse(text.p, text.len, 0, &seconds, NULL)) {
        f->all_times = false;
        return;
    }
    bool first = f->strings == 1;
    unsigned written, needed;
    digits_count(text, &written, &needed);
    f->all_times |= first;
    f->time_digits = written > f->time_digits ? written : f->time_digits;
    f->time_digits_needed = needed > f->time_digits_needed ? needed : f->time_digits_needed;
    f->time_min_s = first || seconds < f->time_min_s ? seconds : f->time_min_s;
    f->time_max_s = first || seconds > f->time_max_s ? seconds : f->time_max_s;
    int64_t nanoseconds;
    f->nanoseconds_overflow |= !pl_time_parse(text.p, text.len, 9, &nanoseconds, NULL);
}

static bool text_is_uuid(struct pl_slice s)
{
    if (s.len != 36)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = s.p[i];
        if (dash ? c != '-' : !isxdigit((unsigned char)c))
            return false;
    }
    return true;
}

static void distinct_count(struct pl_schema_field *f, struct pl_slice text)
{
    if (f->distinct == PL_SCHEMA_DISTINCT_MAX)
        return;
    uint64_t hash = bytes_hash(text.p, text.len);
    for (unsigned i = 0; i < f->distinct; i++) {
        if (f->distinct_hashes[i] == hash)
            return;
    }
    if (!f->distinct_hashes)
        f->distinct_hashes = pl_alloc_array(PL_SCHEMA_DISTINCT_MAX, sizeof(*f->distinct_hashes));
    f->distinct_hashes[f->distinct++] = hash;
}

static void string_count(struct pl_schema *p, struct pl_schema_field *f,
                         const struct pl_json_str *str)
{
    bool no_text;
    struct pl_slice text = string_text(p, str, &no_text);
    bool first = f->strings++ == 0;
    f->no_text |= no_text;
    time_count(f, text);
    f->all_uuids = (first || f->all_uuids) && text_is_uuid(text);
    f->string_len_max = text.len > f->string_len_max ? text.len : f->string_len_max;
    distinct_count(f, text);
    example_take(f, text.p, text.len);
}

static void number_count(struct pl_schema_field *f, const struct pl_json_num *num)
{
    example_take(f, num->p, num->len);
    double ignored;
    if (!num->integer) {
        f->floats++;
        f->float_overflow |= pl_json_num_f64_exact(num, &ignored) != PL_JSON_NUM_OK;
        return;
    }
    bool first = f->integers++ == 0;
    uint64_t magnitude;
    f->uint_fits = (first || f->uint_fits) && pl_json_num_u64(num, &magnitude) == PL_JSON_NUM_OK;
    int64_t value;
    if (pl_json_num_i64(num, &value) != PL_JSON_NUM_OK) {
        f->int_overflow = true;
        return;
    }
    f->int_min = !f->int_fitted || value < f->int_min ? value : f->int_min;
    f->int_max = !f->int_fitted || value > f->int_max ? value : f->int_max;
    f->int_fitted = true;
}

static void value_walk(struct pl_schema *p, struct pl_json *j, struct pl_schema_field *f,
                       unsigned level);

/* The next value belongs to the current path. */
static void field_walk(struct pl_schema *p, struct pl_json *j, const struct pl_schema_field *base,
                       uint64_t instance, unsigned level)
{
    struct pl_schema_field *f = field_at_path(p, base);
    if (!f)
        p->left_out++;
    if (!f || f->instance == instance) {
        if (f)
            f->repeated = true;
        pl_json_skip(j, NULL);
        return;
    }
    f->instance = instance;
    f->present++;
    value_walk(p, j, f, level);
}

static void object_walk(struct pl_schema *p, struct pl_json *j, const struct pl_schema_field *base,
                        unsigned level)
{
    size_t path_len = p->path.len;
    bool nameless = p->nameless;
    uint64_t instance = ++p->instances;
    pl_json_object_begin(j);
    struct pl_json_str key;
    while (pl_json_object_next(j, &key)) {
        path_add_key(p, &key);
        field_walk(p, j, base, instance, level + 1);
        p->path.len = path_len;
        p->nameless = nameless;
    }
}

static void array_walk(struct pl_schema *p, struct pl_json *j, unsigned level)
{
    size_t path_len = p->path.len;
    pl_json_array_begin(j);
    pl_buf_add_str(&p->path, "[*]");
    while (pl_json_array_next(j)) {
        struct pl_schema_field *f = field_at_path(p, NULL);
        if (f)
            f->base = f;
        field_walk(p, j, f, ++p->instances, level + 1);
    }
    p->path.len = path_len;
}

static void value_walk(struct pl_schema *p, struct pl_json *j, struct pl_schema_field *f,
                       unsigned level)
{
    struct pl_json_str str;
    struct pl_json_num num;
    bool value;
    switch (pl_json_peek(j)) {
    case PL_JSON_NULL:
        f->nulls++;
        pl_json_null(j);
        break;
    case PL_JSON_FALSE:
    case PL_JSON_TRUE:
        f->bools++;
        if (pl_json_bool(j, &value))
            example_take(f, value ? "true" : "false", value ? 4 : 5);
        break;
    case PL_JSON_NUMBER:
        if (pl_json_number(j, &num))
            number_count(f, &num);
        break;
    case PL_JSON_STRING:
        if (pl_json_string(j, &str))
            string_count(p, f, &str);
        break;
    case PL_JSON_ARRAY:
        f->arrays++;
        if (level < LEVELS_MAX)
            array_walk(p, j, level);
        else
            pl_json_skip(j, NULL);
        break;
    case PL_JSON_OBJECT:
        f->objects++;
        if (level < LEVELS_MAX)
            object_walk(p, j, f->base, level);
        else
            pl_json_skip(j, NULL);
        break;
    case PL_JSON_NONE:
        break;
    }
}

bool pl_schema_add(struct pl_schema *p, const char *json, size_t len, const char **ret_error)
{
    struct pl_json j;
    if (len >= 3 && memcmp(json, "\xef\xbb\xbf", 3) == 0) {
        json += 3;
        len -= 3;
    }
    pl_json_init(&j, json, len, PL_JSON_DEPTH_MAX);
    pl_json_skip(&j, NULL);
    if (!pl_json_end(&j)) {
        p->invalid++;
        *ret_error = j.error;
        return false;
    }
    p->documents++;
    pl_buf_reset(&p->path);
    pl_json_init(&j, json, len, PL_JSON_DEPTH_MAX);
    if (pl_json_peek(&j) == PL_JSON_OBJECT) {
        object_walk(p, &j, NULL, 0);
    } else {
        pl_buf_add_byte(&p->path, '$');
        field_walk(p, &j, NULL, ++p->instances, 0);
    }
    return true;
}

uint64_t pl_schema_field_rows(const struct pl_schema *p, unsigned i)
{
    const struct pl_schema_field *base = p->fields[i]->base;
    return base ? base->present : p->documents;
}

bool pl_schema_field_is_optional(const struct pl_schema *p, unsigned i)
{
    const struct pl_schema_field *f = p->fields[i];
    return f->nulls > 0 || f->present < pl_schema_field_rows(p, i);
}

void pl_schema_type(const struct pl_schema *p, unsigned i, struct pl_buf *out)
{
    const struct pl_schema_field *f = p->fields[i];
    uint64_t values = f->present - f->nulls;
    const char *type = "Mixed";
    if (values == 0)
        type = "Null";
    else if (f->objects == values)
        return;
    else if (f->bools == values)
        type = "Boolean";
    else if (f->integers == values)
        type = "Integer";
    else if (f->integers + f->floats == values)
        type = "Number";
    else if (f->strings == values)
        type = f->all_uuids ? "UUID" : f->all_times ? "Time" : "String";
    else if (f->arrays == values)
        type = "Array";
    bool optional = values > 0 && pl_schema_field_is_optional(p, i);
    pl_buf_addf(out, "%s%s", type, optional ? ", optional" : "");
}

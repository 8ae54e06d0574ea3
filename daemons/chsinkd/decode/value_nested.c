/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_nested.c - see value.h. The elements of a container are rows of its own block, and each is
 * put and committed like any row.
 */
#include "daemons/chsinkd/decode/value_nested.h"

#include <stdlib.h>

static const char null_element[] = "a value inside is null, and its type is not Nullable";
static const char absent_field[] = "an object inside lacks a field whose type is not Nullable";
static const char unknown_field[] =
    "an object inside has a field that the type has not (unknown_fields is keep)";
static const char duplicate_key[] = "a key is there twice";
static const char wrong_length[] = "array has another length than the tuple";
static const char not_an_object[] = "an element is not an object";
static const char lone_surrogate[] = "string holds a lone surrogate";
static const char bad_number[] = "a number inside does not fit Int64, UInt64 or Float64 exactly";

/* After so many elements of a row it is asked how much memory they take. */
#define PARTS_BETWEEN_CHECKS 256

/* Keys of a Map up to so many are compared with each other, more are sorted. */
#define KEYS_PAIRS_MAX 16

static enum value_result invalid(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return VALUE_INVALID;
}

static enum value_result broken_or(const struct pl_json *j, enum value_result result)
{
    return j->error ? VALUE_BROKEN : result;
}

static enum value_result wrong_type(struct pl_json *j, const char **ret_reason)
{
    if (!pl_json_skip(j, NULL))
        return VALUE_BROKEN;
    return invalid(ret_reason, value_wrong_type);
}

/* One value inside. */
static enum value_result part_put(struct block *e, unsigned i, struct pl_json *j,
                                  const char **ret_reason)
{
    struct block_column *c = &e->columns[i];
    enum value_result result = value_put(e, c, j, ret_reason);
    if (result != VALUE_ABSENT)
        return result;
    if (!c->nulls)
        return invalid(ret_reason, null_element);
    block_set_null(e, c);
    return VALUE_OK;
}

static enum value_result part_absent(struct block *e, unsigned i, const char **ret_reason)
{
    if (!e->columns[i].nulls)
        return invalid(ret_reason, absent_field);
    block_set_null(e, &e->columns[i]);
    return VALUE_OK;
}

/* False: what the open row has takes more than a message may: an element's text may be much shorter
 * than the element. What is found so depends on the row alone. */
static bool part_commit(struct block *e)
{
    struct block *outer = e->outer;
    size_t before = outer->nested_bytes, now = 0;
    block_row_commit(e);
    if (++outer->parts % PARTS_BETWEEN_CHECKS != 0)
        return true;
    for (unsigned i = 0; i < outer->nested_n; i++)
        now += block_data_bytes(outer->nested[i]);
    return now - before <= (size_t)outer->route->message_memory_max;
}

static enum value_result end_put(const struct block *b, struct block_column *c)
{
    uint64_t end = c->elements->rows;
    memcpy(block_fixed(b, c), &end, sizeof(end));
    return VALUE_OK;
}

/* ---- Array ---- */

static enum value_result put_array(const struct block *b, struct block_column *c, struct pl_json *j,
                                   const char **ret_reason)
{
    struct block *e = c->elements;
    pl_json_array_begin(j);
    while (pl_json_array_next(j)) {
        block_row_open(e);
        enum value_result result = part_put(e, 0, j, ret_reason);
        if (result != VALUE_OK)
            return result;
        if (!part_commit(e))
            return invalid(ret_reason, value_too_much_memory);
    }
    return j->error ? VALUE_BROKEN : end_put(b, c);
}

/* ---- objects with known keys ---- */

/* Which of the names the key is, `guess` being tried first; n: none. */
static unsigned key_find(const struct pl_json_str *key, char *const *names, unsigned n,
                         unsigned guess)
{
    if (guess < n && pl_json_str_eq(key, names[guess]))
        return guess;
    for (unsigned i = 0; i < n; i++)
        if (pl_json_str_eq(key, names[i]))
            return i;
    return n;
}

/* A field that no column takes; false: it is none to be dropped. */
static bool unknown_take(struct block *outer, struct pl_json *j)
{
    outer->unknown_fields++;
    return !outer->route->unknown_keep && pl_json_skip(j, NULL);
}

/* ---- Tuple ---- */

static enum value_result put_named(struct block *e, const struct ch_type *t, struct pl_json *j,
                                   const char **ret_reason)
{
    struct pl_json_str key;
    uint64_t seen = 0;
    unsigned i = 0;
    pl_json_object_begin(j);
    while (pl_json_object_next(j, &key)) {
        unsigned k = key_find(&key, t->part_names, t->parts_n, i);
        if (k == t->parts_n) {
            if (!unknown_take(e->outer, j))
                return broken_or(j, invalid(ret_reason, unknown_field));
            continue;
        }
        if (seen >> k & 1)
            return invalid(ret_reason, duplicate_key);
        seen |= UINT64_C(1) << k;
        i = k + 1;
        enum value_result result = part_put(e, k, j, ret_reason);
        if (result != VALUE_OK)
            return result;
    }
    if (j->error)
        return VALUE_BROKEN;
    for (unsigned k = 0; k < t->parts_n; k++)
        if (!(seen >> k & 1) && part_absent(e, k, ret_reason) != VALUE_OK)
            return VALUE_INVALID;
    return VALUE_OK;
}

static enum value_result put_unnamed(struct block *e, struct pl_json *j, const char **ret_reason)
{
    unsigned n = 0;
    pl_json_array_begin(j);
    while (pl_json_array_next(j)) {
        if (n == e->columns_n)
            return invalid(ret_reason, wrong_length);
        enum value_result result = part_put(e, n++, j, ret_reason);
        if (result != VALUE_OK)
            return result;
    }
    return broken_or(j, n == e->columns_n ? VALUE_OK : invalid(ret_reason, wrong_length));
}

static enum value_result put_tuple(struct block_column *c, struct pl_json *j,
                                   const char **ret_reason)
{
    struct block *e = c->elements;
    const struct ch_type *t = &c->column->type;
    block_row_open(e);
    enum value_result result =
        t->part_names ? put_named(e, t, j, ret_reason) : put_unnamed(e, j, ret_reason);
    if (result == VALUE_OK && !part_commit(e))
        return invalid(ret_reason, value_too_much_memory);
    return result;
}

/* ---- $.a[*].b ---- */

static bool each_knows(const struct column *c, const struct pl_json_str *key)
{
    for (unsigned i = 0; i < c->each_keys_n; i++)
        if (pl_json_str_eq(key, c->each_keys[i]))
            return true;
    return c->each_keys_n == 0; /* not the first column of these objects: that one counts */
}

static enum value_result put_each_object(struct block *e, const struct column *c, struct pl_json *j,
                                         const char **ret_reason)
{
    const struct column_path *path = &c->paths[0];
    struct pl_json_str key;
    bool seen = false;
    if (pl_json_peek(j) != PL_JSON_OBJECT)
        return broken_or(j, invalid(ret_reason, not_an_object));
    pl_json_object_begin(j);
    while (pl_json_object_next(j, &key)) {
        if (pl_json_str_eq(&key, path->keys[path->each])) {
            if (seen)
                return invalid(ret_reason, duplicate_key);
            seen = true;
            enum value_result result = part_put(e, 0, j, ret_reason);
            if (result != VALUE_OK)
                return result;
        } else if (each_knows(c, &key) ? !pl_json_skip(j, NULL) : !unknown_take(e->outer, j)) {
            return broken_or(j, invalid(ret_reason, unknown_field));
        }
    }
    if (j->error)
        return VALUE_BROKEN;
    return seen ? VALUE_OK : part_absent(e, 0, ret_reason);
}

static enum value_result put_each(const struct block *b, struct block_column *c, struct pl_json *j,
                                  const char **ret_reason)
{
    struct block *e = c->elements;
    pl_json_array_begin(j);
    while (pl_json_array_next(j)) {
        block_row_open(e);
        enum value_result result = put_each_object(e, c->column, j, ret_reason);
        if (result != VALUE_OK)
            return result;
        if (!part_commit(e))
            return invalid(ret_reason, value_too_much_memory);
    }
    return j->error ? VALUE_BROKEN : end_put(b, c);
}

/* ---- Map ---- */

static int key_compare(const void *a, const void *b)
{
    const struct pl_slice *x = a, *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->len > 0 ? memcmp(x->p, y->p, x->len) : 0;
}

/* The keys of the last `n` rows, which begin at `p`. */
static bool keys_differ(const char *p, uint64_t n)
{
    struct pl_slice few[KEYS_PAIRS_MAX];
    PL_FREE struct pl_slice *many = n > KEYS_PAIRS_MAX ? pl_alloc_array(n, sizeof(*many)) : NULL;
    struct pl_slice *keys = many ? many : few;
    for (uint64_t i = 0; i < n; i++) {
        p += block_varint_read(p, &keys[i].len);
        keys[i].p = p;
        p += keys[i].len;
    }
    if (many)
        qsort(keys, n, sizeof(*keys), key_compare);
    for (uint64_t i = 1; i < n; i++)
        for (uint64_t k = many ? i - 1 : 0; k < i; k++)
            if (key_compare(&keys[i], &keys[k]) == 0)
                return false;
    return true;
}

static enum value_result put_map(const struct block *b, struct block_column *c, struct pl_json *j,
                                 const char **ret_reason)
{
    struct block *e = c->elements;
    struct block_column *keys = &e->columns[0];
    struct pl_json_str key;
    uint64_t rows = e->rows;
    size_t keys_at = keys->len;
    pl_json_object_begin(j);
    while (pl_json_object_next(j, &key)) {
        block_row_open(e);
        char *at = block_string_begin(e, keys, key.len);
        ssize_t len = pl_json_unescape(&key, at);
        if (len < 0)
            return invalid(ret_reason, lone_surrogate);
        block_string_end(keys, at, (size_t)len);
        enum value_result result = part_put(e, 1, j, ret_reason);
        if (result != VALUE_OK)
            return result;
        if (!part_commit(e))
            return invalid(ret_reason, value_too_much_memory);
    }
    if (j->error)
        return VALUE_BROKEN;
    if (e->rows > rows && !keys_differ(keys->data + keys_at, e->rows - rows))
        return invalid(ret_reason, duplicate_key);
    return end_put(b, c);
}

/* ---- JSON ---- */

static const char *number_refused(const struct pl_json_num *n)
{
    int64_t i;
    uint64_t u;
    double f;
    bool fits = pl_json_num_i64(n, &i) == PL_JSON_NUM_OK ||
                pl_json_num_u64(n, &u) == PL_JSON_NUM_OK ||
                pl_json_num_f64_exact(n, &f) == PL_JSON_NUM_OK;
    return fits ? NULL : bad_number;
}

/* The reason why the server could not read this as it is written; NULL: it can. The text is whole:
 * what is between its strings and numbers is passed over. `room` is as long as it is. */
static const char *json_refused(struct pl_slice text, char *room)
{
    const char *p = text.p, *end = p + text.len, *reason = NULL;
    while (p < end && !reason) {
        struct pl_json j;
        struct pl_json_str s;
        struct pl_json_num n;
        pl_json_init(&j, p, (size_t)(end - p), 1);
        if (*p == '"') {
            if (pl_json_string(&j, &s) && s.escaped && pl_json_unescape(&s, room) < 0)
                reason = lone_surrogate;
            p = j.p;
        } else if (*p == '-' || (unsigned char)(*p - '0') < 10) {
            if (pl_json_number(&j, &n))
                reason = number_refused(&n);
            p = j.p;
        } else {
            p++;
        }
    }
    return reason;
}

static enum value_result put_json(const struct block *b, struct block_column *c, struct pl_json *j,
                                  const char **ret_reason)
{
    struct pl_slice text;
    if (!pl_json_skip(j, &text))
        return VALUE_BROKEN;
    const char *reason = json_refused(text, block_string_begin(b, c, text.len));
    if (reason)
        return invalid(ret_reason, reason);
    block_string_add(b, c, text.p, text.len);
    return VALUE_OK;
}

enum value_result value_put_nested(const struct block *b, struct block_column *c, struct pl_json *j,
                                   const char **ret_reason)
{
    const struct ch_type *t = &c->column->type;
    char first = j->p < j->end ? *j->p : '\0';
    bool array = t->kind == CH_ARRAY || (t->kind == CH_TUPLE && !t->part_names);
    if (first != (array ? '[' : '{'))
        return wrong_type(j, ret_reason);
    if (t->kind == CH_ARRAY)
        return c->column->paths_n > 0 && c->column->paths[0].each > 0
                   ? put_each(b, c, j, ret_reason)
                   : put_array(b, c, j, ret_reason);
    return t->kind == CH_MAP     ? put_map(b, c, j, ret_reason)
           : t->kind == CH_TUPLE ? put_tuple(c, j, ret_reason)
                                 : put_json(b, c, j, ret_reason);
}

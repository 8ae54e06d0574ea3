/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.c - the walk along an object, and the end of a row.
 *
 * A column with one path inside the row takes its value when the walk meets it. All other columns
 * (several paths, or a path in the message around the rows) only note where their values are
 * (captures), because the whole row or message must be seen first.
 */
#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/decode/internal.h"
#include "daemons/chsinkd/decode/value.h"

static void seen_set(struct rows *r, unsigned column)
{
    r->seen[column / 64] |= 1ULL << (column % 64);
}

/* `at` is on the number, or on the quote before it. */
static void column_clamp(struct rows *r, unsigned i, const char *at)
{
    value_put_limit(r->block, &r->block->columns[i], at[*at == '"'] == '-');
    r->clamped++;
    seen_set(r, i);
}

static bool column_invalid(struct rows *r, unsigned i, const char *reason, const char *at)
{
    const struct column *c = r->plans[i].column;
    enum column_overflow overflow =
        reason == value_out_of_range ? c->on_overflow : OVERFLOW_NOT_GIVEN;
    if (overflow == OVERFLOW_CLAMP) {
        column_clamp(r, i, at);
        return true;
    }
    if (overflow == OVERFLOW_REJECT ||
        (overflow == OVERFLOW_NOT_GIVEN && c->invalid == INVALID_REJECT))
        return refuse(r, reason, at, c);
    block_set_null(r->block, &r->block->columns[i]);
    r->nulled++;
    seen_set(r, i);
    return true;
}

static inline __attribute__((always_inline)) bool column_missing(struct rows *r, unsigned i)
{
    struct block_column *bc = &r->block->columns[i];
    switch (r->plans[i].column->missing) {
    case MISSING_REJECT:
        return refuse(r, "no value for the column", NULL, r->plans[i].column);
    case MISSING_DEFAULT:
        block_set_default(r->block, bc);
        r->defaulted++;
        break;
    case MISSING_TABLE:
        r->defaulted++;
        block_set_null(r->block, bc);
        break;
    case MISSING_NULL:
        block_set_null(r->block, bc);
        break;
    }
    return true;
}

/* --- the walk --- */

/* One value from a reader into a column; a null leaves the column unset. */
static bool column_put(struct rows *r, unsigned i, struct pl_json *j)
{
    const char *reason, *at = j->p;
    switch (value_put(r->block, &r->block->columns[i], j, &reason)) {
    case VALUE_OK:
        seen_set(r, i);
        return true;
    case VALUE_ABSENT:
        return true;
    case VALUE_INVALID:
        return column_invalid(r, i, reason, at);
    case VALUE_BROKEN:
        break;
    }
    return false;
}

static bool column_put_raw(struct rows *r, unsigned i, struct pl_slice raw)
{
    struct pl_json j;
    /* Its depth was checked by the reader that skipped it. */
    pl_json_init(&j, raw.p, raw.len, PL_JSON_DEPTH_MAX);
    return column_put(r, i, &j);
}

/* Something other than an object is on the way to these columns. */
static bool subtree_wrong(struct rows *r, const struct trie_node *n, const char *at)
{
    for (unsigned i = 0; i < n->children_n; i++) {
        const struct trie_node *child = n->children[i];
        r->array_wrong |= child->rows;
        for (unsigned k = 0; k < child->targets_n; k++) {
            const struct trie_target *t = &child->targets[k];
            if (t->capture >= 0)
                r->captures[t->capture] = (struct capture){{at, 1}, true};
            else if (!column_invalid(r, t->column, value_wrong_type, at))
                return false;
        }
        if (!subtree_wrong(r, child, at))
            return false;
    }
    return true;
}

/* A field that no column takes: counted, and kept if the route says so: "path":value. */
static bool unknown_take(struct rows *r, const struct trie_node *n, const struct pl_json_str *key)
{
    if (n->covered)
        return pl_json_skip(&r->j, NULL);
    r->unknown_n++;
    if (r->unknown_column < 0)
        return pl_json_skip(&r->j, NULL);
    struct pl_slice raw, name = {key->p, key->len};
    if (!pl_json_skip(&r->j, &raw))
        return false;
    if (key->escaped) { /* with a lone surrogate it stays as it is written */
        pl_buf_reset(&r->name);
        if (pl_json_unescape_buf(key, &r->name))
            name = (struct pl_slice){r->name.data, r->name.len};
    }
    pl_buf_add(&r->unknown, r->unknown.len > 0 ? ",\"" : "\"", r->unknown.len > 0 ? 2 : 1);
    pl_buf_add(&r->unknown, n->prefix, n->prefix_len);
    trie_name_key(&r->unknown, name.p, name.len);
    pl_buf_add(&r->unknown, "\":", 2);
    pl_buf_add(&r->unknown, raw.p, raw.len);
    return true;
}

/* What a node's targets do with its value. */
static bool targets_take(struct rows *r, const struct trie_node *n, struct pl_slice raw)
{
    for (unsigned i = 0; i < n->targets_n; i++) {
        const struct trie_target *t = &n->targets[i];
        if (t->capture >= 0)
            r->captures[t->capture] = (struct capture){raw, false};
        else if (!column_put_raw(r, t->column, raw))
            return false;
    }
    return true;
}

static bool object_walk(struct rows *r, struct trie_node *n);

/* A value that is not just one column's: something below it, several columns, a capture, the
 * rows. */
bool walk_value(struct rows *r, struct trie_node *n)
{
    const char *start = r->j.p;
    enum pl_json_type type = pl_json_peek(&r->j);
    if (type == PL_JSON_NULL)
        return pl_json_null(&r->j);
    if (n->children_n > 0 && type == PL_JSON_OBJECT) {
        if (!object_walk(r, n))
            return false;
    } else {
        bool take = r->array_take && n->rows && type == PL_JSON_ARRAY;
        if (!(take ? r->array_take(r) : pl_json_skip(&r->j, NULL)) ||
            (n->children_n > 0 && !subtree_wrong(r, n, start)))
            return false;
    }
    struct pl_slice raw = {start, (size_t)(r->j.p - start)};
    if (n->rows) {
        r->array = raw;
        r->array_wrong = type != PL_JSON_ARRAY;
    }
    return targets_take(r, n, raw);
}

static inline bool node_take(struct rows *r, struct trie_node *n)
{
    if (__builtin_expect(n->stamp == r->walk, 0))
        return refuse(r, "duplicate key", r->j.p, NULL);
    n->stamp = r->walk;
    if (n->targets_n == 1 && n->children_n == 0 && n->targets[0].capture < 0)
        return column_put(r, n->targets[0].column, &r->j);
    return walk_value(r, n);
}

/* A key with escapes. */
static __attribute__((noinline)) struct trie_node *escaped_find(struct rows *r, struct trie_node *n,
                                                                struct trie_node *prev,
                                                                const struct pl_json_str *key)
{
    pl_buf_reset(&r->name);
    if (!pl_json_unescape_buf(key, &r->name) || r->name.len == 0)
        return NULL;
    return trie_find(n, prev, r->name.data, r->name.len);
}

/* Recursion is as deep as the route's longest path, not as the message. */
static bool object_walk(struct rows *r, struct trie_node *n)
{
    struct trie_node *prev = NULL;
    struct pl_json_str key;
    if (!pl_json_object_begin(&r->j))
        return false;
    for (;;) {
        struct trie_node *child = trie_guess(n, prev, &r->j);
        if (!child) {
            if (!pl_json_object_next(&r->j, &key))
                break;
            child = __builtin_expect(key.escaped, 0) ? escaped_find(r, n, prev, &key)
                                                     : trie_find(n, prev, key.p, key.len);
            if (!child && !key.escaped)
                child = trie_learn(n, prev, key.p, key.len);
        } else if (child->unknown) {
            key = (struct pl_json_str){.p = child->key, .len = child->key_len};
        }
        if (child && !child->unknown ? !node_take(r, child) : !unknown_take(r, n, &key))
            return false;
        prev = child ? child : prev;
    }
    return !r->j.error;
}

/* Walks an object from its root, which a column may want as a whole. */
bool walk_root(struct rows *r, struct trie_node *root)
{
    r->walk = ++r->walks;
    if (__builtin_expect(root->targets_n == 0, 1))
        return object_walk(r, root);
    const char *start = r->j.p;
    return object_walk(r, root) &&
           targets_take(r, root, (struct pl_slice){start, (size_t)(r->j.p - start)});
}

/* The whole document, which is the row or around the rows. */
bool walk_document(struct rows *r, struct trie_node *root)
{
    const char *start = r->j.p;
    if (root->rows) {
        pl_json_skip(&r->j, NULL);
        r->array = (struct pl_slice){start, (size_t)(r->j.p - start)};
    } else {
        walk_root(r, root);
    }
    if (r->reject.reason)
        return false;
    if (r->j.error)
        return refuse_json(r);
    return r->route->documents_many || pl_json_end(&r->j) || refuse_rest(r);
}

/* --- the end of a row --- */

static bool captured_set(struct rows *r, unsigned i)
{
    const struct plan *p = &r->plans[i];
    for (unsigned k = 0; k < p->captures_n; k++) {
        const struct capture *c = &r->captures[r->captures_column[p->captures_first + k]];
        if (!c->raw.p)
            continue;
        return c->wrong ? column_invalid(r, i, value_wrong_type, c->raw.p)
                        : column_put_raw(r, i, c->raw);
    }
    return column_missing(r, i);
}

static bool bytes_set(struct rows *r, unsigned i, const char *p, size_t len)
{
    if (!p)
        return column_missing(r, i);
    block_string_add(r->block, &r->block->columns[i], p, len);
    return true;
}

static bool unknown_set(struct rows *r, struct block_column *bc)
{
    char *at = block_string_begin(r->block, bc, r->unknown.len + 2);
    *at = '{';
    if (r->unknown.len > 0)
        memcpy(at + 1, r->unknown.data, r->unknown.len);
    at[r->unknown.len + 1] = '}';
    block_string_end(bc, at, r->unknown.len + 2);
    return true;
}

/* A column that is not set by the walk. */
bool row_column_late(struct rows *r, unsigned i)
{
    const struct rows_message *m = r->m;
    const struct column *c = r->plans[i].column;
    struct block_column *bc = &r->block->columns[i];
    struct pl_slice header;
    int64_t v;
    switch (c->source) {
    case COLUMN_JSON:
        return captured_set(r, i);
    case COLUMN_TOPIC:
        return bytes_set(r, i, m->topic, strlen(m->topic));
    case COLUMN_PARTITION:
        v = m->partition;
        memcpy(block_fixed(r->block, bc), &v, bc->width);
        return true;
    case COLUMN_OFFSET:
        memcpy(block_fixed(r->block, bc), &m->offset, bc->width);
        return true;
    case COLUMN_TIMESTAMP:
        if (m->timestamp_ms < 0)
            return column_missing(r, i);
        return value_put_timestamp_ms(r->block, bc, m->timestamp_ms) ||
               refuse(r, "message timestamp is out of range for the column", NULL, c);
    case COLUMN_SCHEMA_ID:
        if (!m->value)
            return column_missing(r, i);
        v = r->schema_id;
        memcpy(block_fixed(r->block, bc), &v, bc->width);
        return true;
    case COLUMN_KEY:
        return bytes_set(r, i, m->key, m->key_len);
    case COLUMN_HEADER:
        if (!m->header || !m->header(m->header_userdata, c->header, &header))
            return column_missing(r, i);
        return bytes_set(r, i, header.p ? header.p : "", header.len);
    case COLUMN_UNKNOWN:
        return unknown_set(r, bc);
    case COLUMN_EXPRESSION:
        break;
    }
    abort();
}

void row_begin(struct rows *r)
{
    block_row_open(r->block);
    memset(r->seen, 0, (r->plans_n + 63) / 64 * sizeof(*r->seen));
    r->nulled = r->clamped = r->defaulted = r->unknown_n = 0;
    r->unknown.len = r->unknown_message;
    for (unsigned i = r->captures_message_n; i < r->captures_n; i++)
        r->captures[i].raw.p = NULL;
}

/* Sets what the walk has not set. */
bool row_end(struct rows *r)
{
    for (unsigned w = 0; w * 64 < r->plans_n; w++)
        for (uint64_t unset = r->direct[w] & ~r->seen[w]; unset; unset &= unset - 1)
            if (!column_missing(r, w * 64 + (unsigned)__builtin_ctzll(unset)))
                return false;
    for (unsigned i = 0; i < r->late_n; i++)
        if (!row_column_late(r, r->late[i]))
            return false;
    return true;
}

void row_commit(struct rows *r)
{
    block_row_commit(r->block);
    r->over = block_data_bytes(r->block) > r->bytes_max;
    r->counts.rows++;
    r->counts.nulled += r->nulled;
    r->counts.clamped += r->clamped;
    r->counts.defaulted += r->defaulted;
    r->counts.unknown_fields += r->unknown_n + r->block->unknown_fields;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - the walk along a message, and what happens to rows whose values are missing or do not
 * fit.
 *
 * A column with one path inside the row takes its value when the walk meets it. All other columns
 * (several paths, or a path in the message around the rows) only note where their values are
 * (captures), because the whole row or message must be seen first.
 *
 *     rows: $              walk the message, straight into the open row; then the captures; commit
 *     rows: $.a[*], $[*]   walk the message, and the elements where they are met: walk, captures,
 *                          commit; the columns that come from the message are converted once (the
 *                          stash) and added to all rows
 *
 * Such a message that is not good in every respect, or whose rows need more of it than the stash,
 * is read twice:
 *
 *                          walk the message, checking all of it: captures, and where the array is;
 *                          the stash; then for each element: walk, captures, stash, commit
 */
#include "daemons/chsinkd/decode/rows.h"

#include "daemons/chsinkd/decode/internal.h"
#include "daemons/chsinkd/decode/payload.h"
#include "daemons/chsinkd/decode/value.h"

static const char not_json[] = "not valid JSON";
static const char empty_value[] = "empty value";
static const char tombstone[] = "no value (a tombstone)";
static const char second_document[] =
    "a second document begins here; a message is one document, and several rows are an array "
    "(rows: $[*])";
static const char too_many_refused[] = "too many rows of the message are refused";
static const char too_much_memory[] = "rows of the message are larger than message_memory_max";

const struct rows_counts *rows_counts(const struct rows *r)
{
    return &r->counts;
}

/* --- refusing --- */

/* The first reason is kept. Returns false, so that a walk can end with it. */
static bool reject_set(struct rows *r, const char *reason, const char *at, const struct column *c)
{
    if (!r->reject.reason) {
        r->reject.reason = reason;
        r->reject.detail = reason == not_json ? r->j.error : NULL;
        r->reject.offset = at ? (size_t)(at - r->m->value) : 0;
        r->reject.column = c ? c->name : NULL;
    }
    return false;
}

static void seen_set(struct rows *r, unsigned column)
{
    r->seen[column / 64] |= 1ULL << (column % 64);
}

static bool column_invalid(struct rows *r, unsigned i, const char *reason, const char *at)
{
    const struct column *c = r->plans[i].column;
    if (c->invalid == INVALID_REJECT)
        return reject_set(r, reason, at, c);
    block_set_null(r->block, &r->block->columns[i]);
    r->nulled++;
    seen_set(r, i);
    return true;
}

static bool column_missing(struct rows *r, unsigned i)
{
    struct block_column *bc = &r->block->columns[i];
    switch (r->plans[i].column->missing) {
    case MISSING_REJECT:
        return reject_set(r, "no value for the column", NULL, r->plans[i].column);
    case MISSING_DEFAULT:
        block_set_default(r->block, bc);
        r->defaulted++;
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
static bool elements_once(struct rows *r);

/* A value that is not just one column's: something below it, several columns, a capture, the
 * rows. */
static bool node_take_all(struct rows *r, struct trie_node *n)
{
    const char *start = r->j.p;
    enum pl_json_type type = pl_json_peek(&r->j);
    if (type == PL_JSON_NULL)
        return pl_json_null(&r->j);
    if (n->children_n > 0 && type == PL_JSON_OBJECT) {
        if (!object_walk(r, n))
            return false;
    } else {
        bool once = r->once && n->rows && type == PL_JSON_ARRAY;
        if (!(once ? elements_once(r) : pl_json_skip(&r->j, NULL)) ||
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
        return reject_set(r, "duplicate key", r->j.p, NULL);
    n->stamp = r->walk;
    if (n->targets_n == 1 && n->children_n == 0 && n->targets[0].capture < 0)
        return column_put(r, n->targets[0].column, &r->j);
    return node_take_all(r, n);
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
static bool root_walk(struct rows *r, struct trie_node *root)
{
    r->walk = ++r->walks;
    if (__builtin_expect(root->targets_n == 0, 1))
        return object_walk(r, root);
    const char *start = r->j.p;
    return object_walk(r, root) &&
           targets_take(r, root, (struct pl_slice){start, (size_t)(r->j.p - start)});
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
static bool column_late(struct rows *r, unsigned i)
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
               reject_set(r, "message timestamp is out of range for the column", NULL, c);
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

static void row_begin(struct rows *r)
{
    block_row_open(r->block);
    memset(r->seen, 0, (r->plans_n + 63) / 64 * sizeof(*r->seen));
    r->nulled = r->defaulted = r->unknown_n = 0;
    r->unknown.len = r->unknown_message;
    for (unsigned i = r->captures_message_n; i < r->captures_n; i++)
        r->captures[i].raw.p = NULL;
}

/* Sets what the walk has not set. */
static bool row_end(struct rows *r)
{
    for (unsigned w = 0; w * 64 < r->plans_n; w++)
        for (uint64_t unset = r->direct[w] & ~r->seen[w]; unset; unset &= unset - 1)
            if (!column_missing(r, w * 64 + (unsigned)__builtin_ctzll(unset)))
                return false;
    for (unsigned i = 0; i < r->late_n; i++)
        if (!column_late(r, r->late[i]))
            return false;
    return true;
}

static void row_commit(struct rows *r)
{
    block_row_commit(r->block);
    r->over = block_data_bytes(r->block) > r->bytes_max;
    r->counts.rows++;
    r->counts.nulled += r->nulled;
    r->counts.defaulted += r->defaulted;
    r->counts.unknown_fields += r->unknown_n;
}

/* --- columns that are the same for all rows of a message --- */

/* Converts them into the open row and keeps the bytes. */
static bool stash_fill(struct rows *r)
{
    row_begin(r);
    pl_buf_reset(&r->stash);
    for (unsigned i = 0; i < r->plans_n; i++) {
        struct plan *p = &r->plans[i];
        if (!p->of_message)
            continue;
        if (!column_late(r, i))
            return false;
        const struct block_column *bc = &r->block->columns[i];
        const char *from = bc->width ? bc->data + r->block->rows * bc->width : bc->data + bc->len;
        p->stash_at = r->stash.len;
        p->stash_len = bc->width ? bc->width : bc->end - bc->len;
        p->null = bc->nulls && bc->nulls[r->block->rows];
        pl_buf_add(&r->stash, from, p->stash_len);
    }
    r->stash_nulled = r->nulled;
    r->stash_defaulted = r->defaulted;
    return true;
}

static void stash_put(struct rows *r)
{
    for (unsigned i = 0; i < r->plans_n; i++) {
        const struct plan *p = &r->plans[i];
        if (!p->of_message)
            continue;
        struct block_column *bc = &r->block->columns[i];
        const char *from = r->stash.data + p->stash_at;
        if (bc->width == 0) {
            if (bc->cap - bc->len < p->stash_len)
                block_string_grow(bc, p->stash_len);
            memcpy(bc->data + bc->len, from, p->stash_len);
            bc->end = bc->len + p->stash_len;
        } else {
            memcpy(bc->data + r->block->rows * bc->width, from, p->stash_len);
        }
        if (bc->nulls)
            bc->nulls[r->block->rows] = p->null;
    }
    r->nulled += r->stash_nulled;
    r->defaulted += r->stash_defaulted;
}

/* Whether the message stays within its memory when the stash is added to so many rows of it. The
 * columns of fixed width have been counted with the rows. */
static bool stash_fits(const struct rows *r, uint64_t rows)
{
    size_t each = 0, bytes;
    for (unsigned i = 0; i < r->plans_n; i++)
        if (r->plans[i].of_message && r->block->columns[i].width == 0)
            each += r->plans[i].stash_len;
    return !__builtin_mul_overflow(each, rows, &bytes) &&
           !__builtin_add_overflow(bytes, block_data_bytes(r->block), &bytes) &&
           bytes <= r->bytes_max;
}

/* Adds it to the rows from `first` on, which have nothing in these columns yet. */
static void stash_spread(struct rows *r, uint64_t first)
{
    struct block *b = r->block;
    uint64_t rows = b->rows - first;
    for (unsigned i = 0; i < r->plans_n; i++) {
        const struct plan *p = &r->plans[i];
        if (!p->of_message)
            continue;
        struct block_column *bc = &b->columns[i];
        const size_t len = p->stash_len, all = rows * len;
        if (bc->width == 0 && bc->cap - bc->len < all)
            block_string_grow(bc, all);
        char *at = bc->data + (bc->width == 0 ? bc->len : first * len);
        for (uint64_t row = 0; row < rows; row++)
            memcpy(at + row * len, r->stash.data + p->stash_at, len);
        if (bc->nulls)
            memset(bc->nulls + first, p->null, rows);
        if (bc->width == 0) {
            bc->len = bc->end = bc->len + all;
            b->string_bytes += all;
        }
    }
    r->counts.nulled += rows * r->stash_nulled;
    r->counts.defaulted += rows * r->stash_defaulted;
}

/* --- messages --- */

/* What is broken within its first bytes may be something else altogether. */
static bool not_json_set(struct rows *r)
{
    const char *name = r->j.p - r->m->value < 4 ? payload_name(r->m->value, r->m->value_len) : NULL;
    reject_set(r, not_json, r->j.p, NULL);
    if (name)
        r->reject.detail = name;
    return false;
}

/* The checks before the walk. */
static bool message_check(struct rows *r)
{
    const struct rows_message *m = r->m;
    if (!m->value || m->value_len == 0)
        return reject_set(r, m->value ? empty_value : tombstone, NULL, NULL);
    if (m->value_len > (uint64_t)r->route->message_bytes_max)
        return reject_set(r, "message is larger than message_bytes_max", NULL, NULL);
    size_t bom = payload_bom(m->value, m->value_len);
    pl_json_init(&r->j, m->value + bom, m->value_len - bom, r->route->depth_max);
    enum pl_json_type type = pl_json_peek(&r->j),
                      wanted = r->message->rows ? PL_JSON_ARRAY : PL_JSON_OBJECT;
    if (type == wanted)
        return true;
    if (type == PL_JSON_NONE && !r->j.error)
        return reject_set(r, empty_value, NULL, NULL); /* white space alone */
    if (type != PL_JSON_NONE)
        return reject_set(r,
                          wanted == PL_JSON_ARRAY ? "message is not a JSON array"
                                                  : "message is not a JSON object",
                          r->j.p, NULL);
    return not_json_set(r);
}

/* The whole message, which is the row or around the rows. */
static bool message_walk(struct rows *r)
{
    const char *start = r->j.p;
    if (r->message->rows) {
        pl_json_skip(&r->j, NULL);
        r->array = (struct pl_slice){start, (size_t)(r->j.p - start)};
    } else {
        root_walk(r, r->message);
    }
    bool whole = !r->j.error && !r->reject.reason;
    if (whole && pl_json_end(&r->j))
        return true;
    if (r->reject.reason)
        return false;
    not_json_set(r);
    if (whole && r->j.p < r->j.end && (*r->j.p == '{' || *r->j.p == '['))
        r->reject.detail = second_document;
    return false;
}

/* The message is refused as a whole, after rows of it. */
static bool message_take_back(struct rows *r, const char *reason, const char *at)
{
    r->reject = (struct rows_reject){0};
    block_rows_truncate(r->block, r->rows_before);
    r->counts = r->counts_before;
    return reject_set(r, reason, at, NULL);
}

static bool message_as_row(struct rows *r)
{
    row_begin(r);
    if ((r->m->value && !message_walk(r)) || !row_end(r)) /* no value: a tombstone that is a row */
        return false;
    row_commit(r);
    return !r->over || message_take_back(r, too_much_memory, r->m->value);
}

/* What is no object is a row where a column takes the element itself (path: "@"). */
static bool element_walk(struct rows *r)
{
    if (pl_json_peek(&r->j) == PL_JSON_OBJECT)
        return root_walk(r, r->element);
    if (r->element->targets_n == 0)
        return reject_set(r, "element is not a JSON object", r->j.p, NULL);
    return node_take_all(r, r->element);
}

static bool element_decode(struct rows *r)
{
    row_begin(r);
    if (!element_walk(r) || !row_end(r))
        return false;
    if (!r->once)
        stash_put(r);
    row_commit(r);
    return true;
}

static void reject_report(struct rows *r, int64_t row)
{
    r->reject.row = row;
    if (row < 0)
        r->counts.rejected_messages++;
    else
        r->counts.rejected_rows++;
    if (r->on_reject)
        r->on_reject(r->userdata, &r->reject);
    r->reject = (struct rows_reject){0};
}

/* The elements of the array, which the walk has checked. A refused one is skipped as a whole. */
static bool elements_decode(struct rows *r, const struct row_set *only)
{
    int64_t row = 0, refused = -2; /* the one that was refused last */
    unsigned ranges = 0, at = 0;
    pl_json_init(&r->j, r->array.p, r->array.len, PL_JSON_DEPTH_MAX);
    pl_json_array_begin(&r->j);
    for (; pl_json_array_next(&r->j); row++) {
        struct pl_json before = r->j;
        bool wanted = !only || row_set_has(only, row, &at);
        if (wanted && element_decode(r)) {
            if (__builtin_expect(r->over, 0))
                return message_take_back(r, too_much_memory, before.p);
            continue;
        }
        if (wanted) {
            ranges += row != refused + 1;
            if (ranges > ROW_SET_RANGES_MAX)
                return message_take_back(r, too_many_refused, before.p);
            reject_report(r, row);
            refused = row;
        }
        r->j = before;
        pl_json_skip(&r->j, NULL);
    }
    if (only && only->ranges[only->n - 1].last >= row)
        return message_take_back(r, "message has no such element", r->array.p);
    return true;
}

static bool array_is_empty(struct rows *r)
{
    pl_json_init(&r->j, r->array.p, r->array.len, PL_JSON_DEPTH_MAX);
    return !(pl_json_array_begin(&r->j) && pl_json_array_next(&r->j));
}

static void message_begin(struct rows *r)
{
    r->array = (struct pl_slice){0};
    r->array_wrong = false;
    for (unsigned i = 0; i < r->captures_message_n; i++)
        r->captures[i].raw.p = NULL;
    r->unknown_n = 0;
    r->unknown.len = 0;
}

/* The reader is at the array, perhaps inside the walk along the message. */
static bool elements_once(struct rows *r)
{
    uint64_t walk = r->walk, unknown_n = r->unknown_n;
    r->array = (struct pl_slice){r->j.p, 1};
    bool good = pl_json_array_begin(&r->j);
    while (good && pl_json_array_next(&r->j))
        good = element_decode(r) && !r->over;
    r->walk = walk;
    r->unknown_n = unknown_n;
    return good && !r->j.error;
}

static bool once_walk(struct rows *r)
{
    bool good = r->message->rows ? elements_once(r) : root_walk(r, r->message);
    return good && pl_json_end(&r->j) && !r->array_wrong && (r->array.p || r->route->rows_optional);
}

/* False: it is not good in every respect, and nothing has changed. */
static bool message_once(struct rows *r)
{
    struct block *b = r->block;
    message_begin(r);
    for (unsigned i = 0; i < b->strings_n; i++) {
        r->before[i] = b->strings[i]->len;
        b->strings[i]->end = b->strings[i]->len; /* what a row that was given up has left */
    }
    size_t bytes = b->string_bytes;
    r->once = true;
    bool good = once_walk(r);
    r->once = false;
    uint64_t unknown_n = r->unknown_n;
    if (good && b->rows > r->rows_before) {
        good = stash_fill(r) && stash_fits(r, b->rows - r->rows_before);
        if (good)
            stash_spread(r, r->rows_before);
    }
    r->counts.unknown_fields += unknown_n;
    if (good)
        return true;
    r->reject = (struct rows_reject){0};
    r->counts = r->counts_before;
    b->rows = r->rows_before;
    b->string_bytes = bytes;
    for (unsigned i = 0; i < b->strings_n; i++)
        b->strings[i]->len = b->strings[i]->end = r->before[i];
    return false;
}

static bool message_of_rows(struct rows *r, const struct row_set *only)
{
    if (r->can_once && !only) {
        if (message_once(r))
            return true;
        message_check(r); /* the reader begins again */
    }
    message_begin(r);
    if (!message_walk(r))
        return false;
    if (r->array_wrong)
        return reject_set(r, value_wrong_type, r->array.p, NULL);
    if (!r->array.p && !(r->route->rows_optional && !only))
        return reject_set(r, "message has no array of rows at the route's path", NULL, NULL);
    uint64_t unknown_n = r->unknown_n;
    r->unknown_message = r->unknown.len;
    bool empty = !r->array.p || array_is_empty(r);
    if (empty && !only) {
        r->counts.unknown_fields += unknown_n;
        return true;
    }
    if (!empty && !stash_fill(r))
        return false;
    r->counts.unknown_fields += unknown_n;
    return elements_decode(r, only);
}

uint64_t rows_decode(struct rows *r, const struct rows_message *m, const struct row_set *only,
                     struct block *block,
                     void (*on_reject)(void *userdata, const struct rows_reject *), void *userdata)
{
    r->m = m;
    r->block = block;
    r->on_reject = on_reject;
    r->userdata = userdata;
    r->counts.messages++;
    r->counts_before = r->counts;
    r->rows_before = block->rows;
    r->bytes_max = block_data_bytes(block) + (size_t)r->route->message_memory_max;
    r->unknown_message = 0;
    if (only && only->n == 0)
        only = NULL;
    bool row = !m->value && r->route->tombstones == TOMBSTONES_ROW;
    if (!(row || message_check(r)) || !(r->element ? message_of_rows(r, only) : message_as_row(r)))
        reject_report(r, -1);
    r->m = NULL;
    r->block = NULL;
    return block->rows - r->rows_before;
}

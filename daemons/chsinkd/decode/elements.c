/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elements.c - rows out of an array.
 *
 *     rows: $.a[*], $[*]   walk the message, and the elements where they are met: walk, captures,
 *                          commit; the columns that come from the message are converted once (the
 *                          stash) and added to all rows
 *
 * A message that is not good in every respect, or whose rows need more of it than the stash, is
 * read twice:
 *
 *                          walk the message, checking all of it: captures, and where the array is;
 *                          the stash; then for each element: walk, captures, stash, commit
 */
#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/decode/internal.h"
#include "daemons/chsinkd/decode/value.h"

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
        if (!row_column_late(r, i))
            return false;
        const struct block_column *bc = &r->block->columns[i];
        const char *from = bc->width ? bc->data + r->block->rows * bc->width : bc->data + bc->len;
        p->stash_at = r->stash.len;
        p->stash_len = bc->width ? bc->width : bc->end - bc->len;
        p->null = bc->nulls && bc->nulls[r->block->rows];
        pl_buf_add(&r->stash, from, p->stash_len);
    }
    r->stash_nulled = r->nulled;
    r->stash_clamped = r->clamped;
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
    r->clamped += r->stash_clamped;
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
    r->counts.clamped += rows * r->stash_clamped;
    r->counts.defaulted += rows * r->stash_defaulted;
}

/* --- elements --- */

/* What is no object is a row where a column takes the element itself (path: "@"). */
static bool element_walk(struct rows *r)
{
    if (pl_json_peek(&r->j) == PL_JSON_OBJECT)
        return walk_root(r, r->element);
    if (r->element->targets_n == 0)
        return refuse(r, "element is not a JSON object", r->j.p, NULL);
    return walk_value(r, r->element);
}

/* False: it is refused. */
static bool element_decode(struct rows *r)
{
    if (__builtin_expect(r->verdict == VERDICT_OPEN, 0)) {
        const struct pl_json before = r->j;
        enum verdict verdict = filter_element(r);
        if (verdict == VERDICT_FALSE)
            filter_drop(r, 1);
        if (verdict != VERDICT_TRUE)
            return verdict == VERDICT_FALSE;
        r->j = before;
    }
    row_begin(r);
    if (!element_walk(r) || !row_end(r))
        return false;
    if (!r->array_take)
        stash_put(r);
    row_commit(r);
    r->place++;
    return true;
}

/* The elements of the array, which the walk has checked. A refused one is skipped as a whole. */
static bool elements_decode(struct rows *r, const struct row_set *only)
{
    pl_json_init(&r->j, r->array.p, r->array.len, PL_JSON_DEPTH_MAX);
    pl_json_array_begin(&r->j);
    while (pl_json_array_next(&r->j)) {
        struct pl_json before = r->j;
        bool wanted = !only || row_set_has(only, r->place, &r->only_at);
        if (wanted && element_decode(r)) {
            if (__builtin_expect(r->over, 0))
                return refuse_back(r, value_too_much_memory, before.p);
            continue;
        }
        if (wanted && !refuse_row(r, before.p))
            return false;
        r->place++;
        r->j = before;
        pl_json_skip(&r->j, NULL);
    }
    return true;
}

static bool array_is_empty(struct rows *r)
{
    pl_json_init(&r->j, r->array.p, r->array.len, PL_JSON_DEPTH_MAX);
    return !(pl_json_array_begin(&r->j) && pl_json_array_next(&r->j));
}

static void document_begin(struct rows *r)
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
    bool good = r->message->rows ? elements_once(r) : walk_root(r, r->message);
    return good && (r->route->documents_many ? !r->j.error : pl_json_end(&r->j)) &&
           !r->array_wrong && (r->array.p || r->route->rows_optional);
}

/* False: it is not good in every respect, and nothing has changed. */
static bool document_once(struct rows *r)
{
    struct block *b = r->block;
    const struct pl_json begin = r->j;
    const struct rows_counts counts = r->counts;
    const uint64_t rows = b->rows;
    const int64_t place = r->place;
    document_begin(r);
    block_mark_set(b, &r->before);
    block_cut(b, &r->before); /* what a row that was given up has left */
    r->array_take = elements_once;
    bool good = once_walk(r);
    r->array_take = NULL;
    uint64_t unknown_n = r->unknown_n;
    if (good && r->place > place) {
        good = stash_fill(r) && stash_fits(r, b->rows - rows);
        if (good)
            stash_spread(r, rows);
    }
    r->counts.unknown_fields += unknown_n;
    if (good)
        return true;
    r->reject = (struct rows_reject){0};
    r->over = false;
    r->j = begin;
    r->counts = counts;
    r->place = place;
    block_cut(b, &r->before);
    return false;
}

bool elements_of_document(struct rows *r, const struct row_set *only)
{
    if (r->can_once && !only && document_once(r))
        return true;
    document_begin(r);
    if (!walk_document(r, r->message))
        return false;
    const struct pl_json end = r->j;
    if (r->array_wrong)
        return refuse(r, value_wrong_type, r->array.p, NULL);
    if (!r->array.p && !(r->route->rows_optional && (!only || r->route->documents_many)))
        return refuse(r, "message has no array of rows at the route's path", NULL, NULL);
    uint64_t unknown_n = r->unknown_n;
    r->unknown_message = r->unknown.len;
    bool empty = !r->array.p || array_is_empty(r);
    if (!empty && !stash_fill(r))
        return false;
    r->counts.unknown_fields += unknown_n;
    bool good = empty || elements_decode(r, only);
    r->j = end;
    return good;
}

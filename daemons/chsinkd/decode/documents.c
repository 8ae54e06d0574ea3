/* SPDX-License-Identifier: Apache-2.0 */
/*
 * documents.c - several documents in a message.
 *
 * They are read one after the other, each as the only one would be. The rows of all of them are
 * numbered through: a document counts its elements, at least one (itself, where it has none), by
 * its JSON alone. So the numbers in a dead letter hold whatever becomes of the route.
 */
#include "daemons/chsinkd/decode/internal.h"

/* Moves to the key's value. */
static bool key_find(struct pl_json *j, const char *name)
{
    struct pl_json_str key;
    if (pl_json_peek(j) != PL_JSON_OBJECT || !pl_json_object_begin(j))
        return false;
    while (pl_json_object_next(j, &key)) {
        if (pl_json_str_eq(&key, name))
            return true;
        pl_json_skip(j, NULL);
    }
    return false;
}

int64_t document_places(struct rows *r)
{
    const struct column_path *path = &r->route->rows;
    struct pl_slice raw;
    struct pl_json j;
    int64_t n = 0;
    if (!pl_json_skip(&r->j, &raw) || !r->element)
        return 1;
    pl_json_init(&j, raw.p, raw.len, PL_JSON_DEPTH_MAX);
    for (unsigned i = 0; i < path->keys_n; i++)
        if (!key_find(&j, path->keys[i]))
            return 1;
    if (pl_json_peek(&j) != PL_JSON_ARRAY || !pl_json_array_begin(&j))
        return 1;
    for (; pl_json_array_next(&j); n++)
        pl_json_skip(&j, NULL);
    return n > 0 ? n : 1;
}

/* Where the next one begins cannot be known: the message is refused as a whole. */
static bool document_broken(struct rows *r)
{
    rows_take_back(r);
    return refuse_json(r);
}

/* The document is refused that begins there: all it counts, of those asked for. */
static bool document_refused(struct rows *r, const struct row_set *only,
                             const struct pl_json *begin, int64_t place)
{
    const struct rows_reject why = r->reject;
    r->j = *begin;
    int64_t n = document_places(r);
    if (r->j.error)
        return document_broken(r);
    for (r->place = place; r->place < place + n; r->place++) {
        if (only && !row_set_has(only, r->place, &r->only_at))
            continue;
        r->reject = why;
        if (!refuse_row(r, begin->p))
            return false;
    }
    return true;
}

/* Space between two documents, or the record separator of RFC 7464. */
static bool is_between(char c)
{
    return c == '\n' || c == ' ' || c == '\r' || c == '\t' || c == '\x1e';
}

/* False: that was the last one. */
static bool documents_next(struct rows *r)
{
    while (r->j.p < r->j.end && is_between(*r->j.p))
        r->j.p++;
    return r->j.p < r->j.end;
}

static bool documents_rest(struct rows *r, const struct row_set *only)
{
    while (documents_next(r)) {
        struct pl_json begin = r->j;
        int64_t place = r->place;
        if (only) {
            int64_t n = document_places(r);
            if (r->j.error)
                return document_broken(r);
            if (!row_set_meets(only, place, place + n - 1, &r->only_at)) {
                r->place += n;
                continue;
            }
            r->j = begin;
        }
        if (!document_decode(r, only)) {
            if (r->whole || !document_refused(r, only, &begin, place))
                return false;
        } else if (r->place == place) {
            rows_skip(r, 1); /* it has no elements */
        }
    }
    return true;
}

bool documents_decode(struct rows *r, const struct row_set *only)
{
    return documents_next(r) ? documents_rest(r, only) : refuse(r, empty_value, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_walk.h - walks a whole document through the reader's calls, taking every value.
 *
 * For the tests and the fuzzer of lib/json. What a walk accepts must be just what pl_json_skip()
 * accepts, and a walk's summary must not depend on where in memory the input lies.
 */
#ifndef TESTS_UNIT_JSON_WALK_H
#define TESTS_UNIT_JSON_WALK_H

#include "lib/json/reader.h"

/* FNV-1a over all that the walk was given. */
struct json_walk {
    uint64_t hash;
    size_t values;
};

static inline void json_walk_note(struct json_walk *w, char kind, const char *p, size_t len)
{
    w->hash = (w->hash ^ (unsigned char)kind) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < len; i++)
        w->hash = (w->hash ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
}

static inline void json_walk_value(struct pl_json *j, struct json_walk *w)
{
    struct pl_json_str str;
    struct pl_json_num num;
    bool value;

    w->values++;
    switch (pl_json_peek(j)) {
    case PL_JSON_NULL:
        if (pl_json_null(j))
            json_walk_note(w, '0', NULL, 0);
        break;
    case PL_JSON_FALSE:
    case PL_JSON_TRUE:
        if (pl_json_bool(j, &value))
            json_walk_note(w, value ? 't' : 'f', NULL, 0);
        break;
    case PL_JSON_NUMBER:
        if (pl_json_number(j, &num))
            json_walk_note(w, num.integer ? 'i' : 'd', num.p, num.len);
        break;
    case PL_JSON_STRING:
        if (pl_json_string(j, &str))
            json_walk_note(w, str.escaped ? 'S' : 's', str.p, str.len);
        break;
    case PL_JSON_ARRAY:
        json_walk_note(w, '[', NULL, 0);
        if (pl_json_array_begin(j)) {
            while (pl_json_array_next(j))
                json_walk_value(j, w);
        }
        break;
    case PL_JSON_OBJECT:
        json_walk_note(w, '{', NULL, 0);
        if (pl_json_object_begin(j)) {
            while (pl_json_object_next(j, &str)) {
                json_walk_note(w, str.escaped ? 'K' : 'k', str.p, str.len);
                json_walk_value(j, w);
            }
        }
        break;
    case PL_JSON_NONE:
        /* The input ends here, which is an error where a value has to be. */
        pl_json_skip(j, NULL);
        break;
    }
}

/* The whole input is one document. */
static inline bool json_walk(struct pl_json *j, const char *data, size_t len, unsigned depth_max,
                             struct json_walk *w)
{
    *w = (struct json_walk){.hash = UINT64_C(0xcbf29ce484222325)};
    pl_json_init(j, data, len, depth_max);
    json_walk_value(j, w);
    return pl_json_end(j);
}

static inline bool json_skip_all(struct pl_json *j, const char *data, size_t len,
                                 unsigned depth_max)
{
    pl_json_init(j, data, len, depth_max);
    pl_json_skip(j, NULL);
    return pl_json_end(j);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_cursor.h - what the parsers of types share: a place in the text of a type. Spaces before
 * each token are skipped.
 */
#ifndef CHSINKD_ROUTE_TYPE_CURSOR_H
#define CHSINKD_ROUTE_TYPE_CURSOR_H

#include <ctype.h>

#include "daemons/chsinkd/route/type.h"
#include "lib/base/buf.h"

struct cursor {
    const char *p;
};

static inline void cursor_space(struct cursor *c)
{
    while (isspace((unsigned char)*c->p))
        c->p++;
}

static inline bool cursor_take(struct cursor *c, char token)
{
    cursor_space(c);
    if (*c->p != token)
        return false;
    c->p++;
    return true;
}

static inline struct pl_slice cursor_word(struct cursor *c)
{
    cursor_space(c);
    const char *start = c->p;
    while (isalnum((unsigned char)*c->p))
        c->p++;
    return (struct pl_slice){start, (size_t)(c->p - start)};
}

/* A number of up to eight digits, perhaps with a minus. */
static inline bool cursor_number(struct cursor *c, int *ret)
{
    int value = 0;
    bool negative = cursor_take(c, '-');
    struct pl_slice word = cursor_word(c);
    if (word.len == 0 || word.len > 8)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (!isdigit((unsigned char)word.p[i]))
            return false;
        value = value * 10 + (word.p[i] - '0');
    }
    *ret = negative ? -value : value;
    return true;
}

/* ('a' = 1, 'b' = 2) behind Enum8, Enum16, or (any_width) Enum, whose numbers choose the kind. */
bool type_enum_parse(struct cursor *c, bool any_width, struct ch_type *t);
void type_enum_spell(const struct ch_type *t, struct pl_buf *out);
bool type_enum_equal(const struct ch_type *a, const struct ch_type *b);
void type_enum_release(struct ch_type *t);

#endif

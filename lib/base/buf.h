/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growing run of bytes with a maximum. Threads: one owner.
 */
#ifndef PL_BASE_BUF_H
#define PL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/alloc.h"

/* A buffer owns `data`. Zero-initialised it is empty and unlimited; pl_buf_init() sets a maximum.
 * The bytes are not terminated, except after pl_buf_cstr(). */
struct pl_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; 0: SIZE_MAX / 4 */
};

/* A borrowed run of bytes, not terminated. */
struct pl_slice {
    const char *p;
    size_t len;
};

#define PL_SLICE_LIT(s) ((struct pl_slice){(s), sizeof(s) - 1})

void pl_buf_init(struct pl_buf *b, size_t max);
void pl_buf_release(struct pl_buf *b); /* frees, leaves it empty and usable with the same max */
void pl_buf_wipe(struct pl_buf *b);    /* the same, overwritten: it held a secret */
static inline void pl_buf_reset(struct pl_buf *b)
{
    b->len = 0;
}

/* Makes room for `extra` more bytes. false: the maximum would be passed, nothing changed. */
bool pl_buf_reserve_slow(struct pl_buf *b, size_t extra);
static inline bool pl_buf_reserve(struct pl_buf *b, size_t extra)
{
    return extra <= b->cap - b->len ? true : pl_buf_reserve_slow(b, extra);
}

/* Append; false: the maximum would be passed, nothing was added. */
static inline bool pl_buf_add(struct pl_buf *b, const void *data, size_t len)
{
    if (!pl_buf_reserve(b, len))
        return false;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return true;
}
static inline bool pl_buf_add_byte(struct pl_buf *b, char c)
{
    return pl_buf_add(b, &c, 1);
}
static inline bool pl_buf_add_str(struct pl_buf *b, const char *s)
{
    return pl_buf_add(b, s, strlen(s));
}
bool pl_buf_addf(struct pl_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The contents, NUL-terminated (not counted in len). Valid until the next change. */
const char *pl_buf_cstr(struct pl_buf *b);

/* Hands over the contents as a NUL-terminated string to free(); leaves the buffer empty. */
char *pl_buf_take(struct pl_buf *b);

static inline bool pl_slice_eq(struct pl_slice a, const char *s)
{
    size_t n = strlen(s);
    return a.len == n && memcmp(a.p, s, n) == 0;
}

#endif

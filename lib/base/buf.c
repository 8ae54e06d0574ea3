/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c - see buf.h.
 *
 * `data` is one byte longer than `cap`, so that the NUL of pl_buf_cstr() and pl_buf_take() fits
 * even at the maximum.
 */
#include "lib/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

/* The first allocation: most buffers hold a line or a key. */
#define CAP_MIN 64

static void buf_resize(struct pl_buf *b, size_t cap)
{
    b->data = pl_realloc_array(b->data, cap + 1, 1);
    b->cap = cap;
}

void pl_buf_init(struct pl_buf *b, size_t max)
{
    *b = (struct pl_buf){.max = max};
}

void pl_buf_release(struct pl_buf *b)
{
    free(b->data);
    *b = (struct pl_buf){.max = b->max};
}

void pl_buf_wipe(struct pl_buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    pl_buf_release(b);
}

bool pl_buf_reserve_slow(struct pl_buf *b, size_t extra)
{
    size_t max = b->max > 0 && b->max < SIZE_MAX / 4 ? b->max : SIZE_MAX / 4;
    if (b->len > max || extra > max - b->len)
        return false;
    /* Neither sum can overflow: both terms are below SIZE_MAX / 4. */
    size_t need = b->len + extra;
    size_t cap = b->cap * 2 > CAP_MIN ? b->cap * 2 : CAP_MIN;
    if (cap < need)
        cap = need;
    if (cap > max)
        cap = max;
    buf_resize(b, cap);
    return true;
}

bool pl_buf_addf(struct pl_buf *b, const char *fmt, ...)
{
    if (!b->data && !pl_buf_reserve_slow(b, 0))
        return false;
    size_t room = b->cap - b->len; /* without that for the NUL */
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(b->data + b->len, room + 1, fmt, ap);
    va_end(ap);
    if (n < 0)
        return false;
    if ((size_t)n > room) {
        if (!pl_buf_reserve(b, (size_t)n))
            return false;
        va_start(ap, fmt);
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    b->len += (size_t)n;
    return true;
}

const char *pl_buf_cstr(struct pl_buf *b)
{
    if (!b->data)
        buf_resize(b, b->cap);
    b->data[b->len] = '\0';
    return b->data;
}

char *pl_buf_take(struct pl_buf *b)
{
    pl_buf_cstr(b);
    char *data = PL_TAKE(b->data);
    pl_buf_release(b);
    return data;
}

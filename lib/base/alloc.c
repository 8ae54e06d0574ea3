/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc.c - see alloc.h.
 */
#include "lib/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *memory_check(void *p)
{
    if (!p) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *pl_alloc(size_t size)
{
    return memory_check(calloc(1, size > 0 ? size : 1));
}

void *pl_alloc_array(size_t n, size_t size)
{
    /* calloc() checks the product. */
    return n > 0 && size > 0 ? memory_check(calloc(n, size)) : pl_alloc(1);
}

void *pl_realloc_array(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        memory_check(NULL);
    return memory_check(realloc(p, bytes > 0 ? bytes : 1));
}

char *pl_strdup(const char *s)
{
    return s ? memory_check(strdup(s)) : NULL;
}

char *pl_strndup(const char *s, size_t len)
{
    /* Not strndup(): a slice may hold NUL bytes, and the length is to be trusted. */
    char *copy = memory_check(len < SIZE_MAX ? malloc(len + 1) : NULL);

    if (len > 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *pl_strf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s;
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        memory_check(NULL);
    return s;
}

void pl_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

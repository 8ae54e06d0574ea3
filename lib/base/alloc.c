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
    return pl_alloc_array(1, size);
}

void *pl_alloc_array(size_t n, size_t size)
{
    return memory_check(calloc(n, size)); /* glibc: NULL only for want of memory, not for 0 bytes */
}

void *pl_realloc_array(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        memory_check(NULL);
    return memory_check(realloc(p, bytes > 0 ? bytes : 1)); /* with 0 it would free */
}

char *pl_strdup(const char *s)
{
    return s ? memory_check(strdup(s)) : NULL;
}

char *pl_strndup(const char *s, size_t len)
{
    /* Not strndup(): a slice may hold NUL bytes. */
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
    return memory_check(n < 0 ? NULL : s);
}

void pl_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc.h - allocation that cannot fail, and the ownership helpers that all code shares.
 *
 * An allocation that fails ends the process (abort after one line on stderr): everything that grows
 * has a maximum, so the machine is out of memory; a daemon can be killed at any byte without loss,
 * and systemd starts it again. A *maximum* that is reached is an error reported to the caller.
 *
 * Threads: any.
 */
#ifndef PL_BASE_ALLOC_H
#define PL_BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

/* Products are checked for overflow. The caller frees with free(). */
void *pl_alloc(size_t size);                 /* zeroed */
void *pl_alloc_array(size_t n, size_t size); /* zeroed */
void *pl_realloc_array(void *p, size_t n, size_t size);
char *pl_strdup(const char *s); /* NULL gives NULL */
char *pl_strndup(const char *s, size_t len);
char *pl_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Overwrites and frees a string that holds a secret. NULL is allowed. */
void pl_wipe(char *text);

/* A local that owns carries a cleanup attribute; success hands over with PL_TAKE. */
#define PL_CLEANUP(f) __attribute__((cleanup(f)))
#define PL_FREE       PL_CLEANUP(pl_freep)
#define PL_TAKE(p)                                                                                 \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })
#define PL_DEFINE_CLEANUP(type, func)                                                              \
    static inline void func##p(type *p)                                                            \
    {                                                                                              \
        if (*p)                                                                                    \
            func(*p);                                                                              \
    }                                                                                              \
    struct pl_swallow_semicolon
static inline void pl_freep(void *p)
{
    free(*(void **)p);
}

#define PL_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif

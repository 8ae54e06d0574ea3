/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strings.c - see strings.h.
 */
#include "lib/base/strings.h"

#include "lib/base/alloc.h"

void pl_strings_add(struct pl_strings *s, const char *text)
{
    /* The room doubles whenever n is a power of two: no capacity to keep. */
    if ((s->n & (s->n - 1)) == 0)
        s->v = pl_realloc_array(s->v, s->n > 0 ? s->n * 2 : 1, sizeof(*s->v));
    s->v[s->n++] = pl_strdup(text);
}

void pl_strings_release(struct pl_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct pl_strings){0};
}

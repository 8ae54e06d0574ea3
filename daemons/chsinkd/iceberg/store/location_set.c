/* SPDX-License-Identifier: Apache-2.0 */
/*
 * location_set.c - see location_set.h. Open addressing, at most half full.
 */
#include "daemons/chsinkd/iceberg/store/location_set.h"

#include <stdint.h>

#include "daemons/chsinkd/iceberg/store/store_local.h"

#define CAP_MIN 64

/* The one spelling of a location. To free(). */
static char *spell(struct pl_slice location)
{
    PL_FREE char *text = pl_strndup(location.p, location.len);
    const char *path = iceberg_local_path(text);
    if (path)
        return pl_strdup(path);
    if (strncmp(text, "s3a://", 6) == 0 || strncmp(text, "s3n://", 6) == 0)
        return pl_strf("s3%s", text + 3);
    return PL_TAKE(text);
}

static uint64_t hash(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *s != '\0'; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(1099511628211);
    return h;
}

static size_t slot_of(const struct location_set *s, const char *text)
{
    size_t i = hash(text) & (s->cap - 1);
    while (s->slots[i] && strcmp(s->slots[i], text) != 0)
        i = (i + 1) & (s->cap - 1);
    return i;
}

static void grow(struct location_set *s)
{
    struct location_set bigger = {.cap = s->cap ? 2 * s->cap : CAP_MIN, .n = s->n};
    bigger.slots = pl_alloc_array(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i])
            bigger.slots[slot_of(&bigger, s->slots[i])] = s->slots[i];
    free(s->slots);
    *s = bigger;
}

bool location_set_add(struct location_set *s, struct pl_slice location)
{
    PL_FREE char *text = spell(location);
    if (2 * s->n >= s->cap)
        grow(s);
    size_t i = slot_of(s, text);
    if (s->slots[i])
        return false;
    s->slots[i] = PL_TAKE(text);
    s->n++;
    return true;
}

bool location_set_has(const struct location_set *s, struct pl_slice location)
{
    PL_FREE char *text = spell(location);
    return s->cap > 0 && s->slots[slot_of(s, text)];
}

void location_set_release(struct location_set *s)
{
    for (size_t i = 0; i < s->cap; i++)
        free(s->slots[i]);
    free(s->slots);
    *s = (struct location_set){0};
}

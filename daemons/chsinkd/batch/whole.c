/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whole.c - see whole.h.
 */
#include "daemons/chsinkd/batch/whole.h"

#include <stdlib.h>

#include "daemons/chsinkd/batch/column.h"

static void message_push(struct whole *w, const struct whole_message *m)
{
    if (w->messages_n == w->messages_cap) {
        w->messages_cap = w->messages_cap ? 2 * w->messages_cap : 16;
        w->messages = pl_realloc_array(w->messages, w->messages_cap, sizeof(*w->messages));
    }
    w->messages[w->messages_n++] = *m;
    w->messages_rows += m->rows;
}

void whole_add(struct whole *w, int64_t offset, struct row_set *only, struct row_set *skipped,
               uint64_t elements)
{
    const struct whole_message m = {.offset = offset,
                                    .only = *only,
                                    .skipped = *skipped,
                                    .elements = elements,
                                    .rows = block_rows(w->block) - w->messages_rows};
    *only = *skipped = (struct row_set){0};
    message_push(w, &m);
}

static int range_order(const void *a, const void *b)
{
    const struct row_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

uint64_t whole_others(const struct whole_message *const *letters, size_t n)
{
    size_t ranges_n = 0;
    uint64_t others = 0, next = 0, elements = letters[0]->elements;
    for (size_t i = 0; i < n; i++) {
        if (letters[i]->elements == WHOLE_UNKNOWN)
            return WHOLE_UNKNOWN;
        ranges_n += letters[i]->only.n + letters[i]->skipped.n;
    }
    PL_FREE struct row_range *ranges = pl_alloc_array(ranges_n + 1, sizeof(*ranges));
    for (size_t i = 0, at = 0; i < n; i++) {
        for (unsigned k = 0; k < letters[i]->only.n; k++)
            ranges[at++] = letters[i]->only.ranges[k];
        for (unsigned k = 0; k < letters[i]->skipped.n; k++)
            ranges[at++] = letters[i]->skipped.ranges[k];
    }
    qsort(ranges, ranges_n, sizeof(*ranges), range_order);
    for (size_t i = 0; i < ranges_n && next < elements; i++) {
        uint64_t first = (uint64_t)ranges[i].first, end = (uint64_t)ranges[i].last + 1;
        if (first > next)
            others += (first < elements ? first : elements) - next;
        next = end > next ? end : next;
    }
    return others + (next < elements ? elements - next : 0);
}

/* The first that is not before the offset. */
static size_t message_at(const struct whole *w, int64_t offset)
{
    size_t low = 0, high = w->messages_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->messages[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct whole_message *whole_find(const struct whole *w, int64_t offset)
{
    size_t i = message_at(w, offset);
    return i < w->messages_n && w->messages[i].offset == offset ? &w->messages[i] : NULL;
}

void whole_split(struct whole *w, int64_t offset, struct whole *ret_rest)
{
    size_t at = message_at(w, offset);
    if (!w->block)
        return;
    ret_rest->block = block_new(w->block->route);
    for (size_t i = at; i < w->messages_n; i++)
        message_push(ret_rest, &w->messages[i]);
    w->messages_n = at;
    w->messages_rows -= ret_rest->messages_rows;
    block_split(w->block, w->messages_rows, ret_rest->block);
}

size_t whole_bytes(const struct whole *w)
{
    return w->block ? block_bytes(w->block) : 0;
}

size_t whole_memory(const struct whole *w)
{
    size_t sum = w->block ? block_capacity(w->block) : 0;
    for (size_t i = 0; i < w->messages_n; i++)
        sum += ((size_t)w->messages[i].only.cap + w->messages[i].skipped.cap) *
               sizeof(struct row_range);
    return sum + w->messages_cap * sizeof(*w->messages);
}

void whole_release(struct whole *w)
{
    for (size_t i = 0; i < w->messages_n; i++) {
        row_set_release(&w->messages[i].only);
        row_set_release(&w->messages[i].skipped);
    }
    free(w->messages);
    block_free(w->block);
    *w = (struct whole){0};
}

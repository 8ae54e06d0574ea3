/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c - the remembered ids: a ring of (id, time) for each topic in order of arrival, those
 * from the future apart, and one hash set over all of them. See position.h.
 */
#include "daemons/wikisrcd/position/internal.h"

#include <stdlib.h>

/* ---- the set of ids: open addressing, linear probing, at most half full ---- */

static unsigned set_slot(const struct position *p, const struct event_identity *id)
{
    /* Fibonacci hashing: the high bits of the product depend on all bits. */
    return (unsigned)(((id->hi ^ id->lo) * 0x9E3779B97F4A7C15ULL) >> (64 - p->set_bits));
}

static unsigned set_mask(const struct position *p)
{
    return (1u << p->set_bits) - 1;
}

static bool id_equal(const struct event_identity *a, const struct event_identity *b)
{
    return a->hi == b->hi && a->lo == b->lo;
}

/* The slot that holds the id, or the free one where it would go. */
static unsigned set_find(const struct position *p, const struct event_identity *id)
{
    unsigned slot = set_slot(p, id);
    while (!position_id_is_zero(&p->set[slot]) && !id_equal(&p->set[slot], id))
        slot = (slot + 1) & set_mask(p);
    return slot;
}

bool position_set_has(const struct position *p, const struct event_identity *id)
{
    return !position_id_is_zero(&p->set[set_find(p, id)]);
}

/* As large as the ids need: they are few in the everyday stream, and a set that is small stays in
 * the processor's cache. */
static void set_grow(struct position *p)
{
    struct event_identity *before = p->set;
    unsigned n = 1u << p->set_bits++;
    p->set = pl_alloc_array((size_t)n * 2, sizeof(*p->set));
    for (unsigned i = 0; i < n; i++)
        if (!position_id_is_zero(&before[i]))
            p->set[set_find(p, &before[i])] = before[i];
    free(before);
}

/* The id is counted already. */
static void set_add(struct position *p, const struct event_identity *id)
{
    if ((p->ids + p->ahead_ids) * 2 > 1u << p->set_bits)
        set_grow(p);
    p->set[set_find(p, id)] = *id;
}

/* Removes and closes the gap, so that no search ends too early (Knuth 6.4, algorithm R). */
static void set_remove(struct position *p, const struct event_identity *id)
{
    const unsigned mask = set_mask(p);
    unsigned hole = set_find(p, id);
    if (position_id_is_zero(&p->set[hole]))
        return;
    for (unsigned i = (hole + 1) & mask; !position_id_is_zero(&p->set[i]); i = (i + 1) & mask) {
        unsigned home = set_slot(p, &p->set[i]);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            p->set[hole] = p->set[i];
            hole = i;
        }
    }
    p->set[hole] = (struct event_identity){0, 0};
}

/* ---- the window ---- */

static void window_drop_front(struct position *p, struct position_topic *t)
{
    set_remove(p, &position_entry(t, 0)->key);
    t->head = (t->head + 1) & (t->capacity - 1);
    t->count--;
    p->ids--;
}

static void window_grow(struct position_topic *t)
{
    unsigned capacity = t->capacity ? t->capacity * 2 : 64;
    struct position_id *ring = pl_alloc_array(capacity, sizeof(*ring));
    for (unsigned i = 0; i < t->count; i++)
        ring[i] = *position_entry(t, i);
    free(t->ring);
    t->ring = ring;
    t->capacity = capacity;
    t->head = 0;
}

/* Makes room when all windows together are full. None is emptied: a topic without ids counts as one
 * that has delivered nothing. */
static void window_cut(struct position *p, struct position_topic *growing)
{
    struct position_topic *t = growing;
    for (unsigned i = 0; growing->count == 0 && i < p->topics_n; i++)
        if (p->topics[i].count > t->count)
            t = &p->topics[i];
    if (position_entry(t, 0)->time_ms > t->cut_ms)
        t->cut_ms = position_entry(t, 0)->time_ms;
    window_drop_front(p, t);
    p->ids_cut++;
}

bool position_window_push(struct position *p, struct position_topic *t,
                          const struct event_identity *key, int64_t time_ms)
{
    if (position_set_has(p, key))
        return false;
    if (p->ids >= POSITION_IDS_MAX)
        window_cut(p, t);
    if (t->count == t->capacity)
        window_grow(t);
    t->ring[(t->head + t->count) & (t->capacity - 1)] = (struct position_id){*key, time_ms};
    t->count++;
    p->ids++;
    set_add(p, key);
    return true;
}

static void ahead_drop(struct position *p, struct position_topic *t, unsigned i)
{
    set_remove(p, &t->ahead[i].key);
    memmove(&t->ahead[i], &t->ahead[i + 1], (t->ahead_n - i - 1) * sizeof(*t->ahead));
    t->ahead_n--;
    p->ahead_ids--;
}

bool position_ahead_push(struct position *p, struct position_topic *t,
                         const struct event_identity *key, int64_t time_ms)
{
    if (position_set_has(p, key))
        return false;
    if (p->ahead_ids >= POSITION_AHEAD_MAX) {
        p->ahead_cut++;
        if (t->ahead_n == 0)
            return true; /* other topics hold them all: this one is judged by its time */
        ahead_drop(p, t, 0);
    }
    t->ahead = pl_realloc_array(t->ahead, t->ahead_n + 1, sizeof(*t->ahead));
    t->ahead[t->ahead_n++] = (struct position_id){*key, time_ms};
    p->ahead_ids++;
    set_add(p, key);
    return true;
}

static int time_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The median of the last times, so that a single wrong one does not count. */
static int64_t ahead_median(const struct position_topic *t)
{
    int64_t times[POSITION_AHEAD_MAX];
    unsigned n = t->ahead_run < t->ahead_n ? t->ahead_run : t->ahead_n;
    for (unsigned i = 0; i < n; i++)
        times[i] = t->ahead[t->ahead_n - n + i].time_ms;
    qsort(times, n, sizeof(*times), time_compare);
    return times[n / 2];
}

void position_ahead_believe(struct position *p, struct position_topic *t)
{
    t->believe_ms = ahead_median(t);
    t->ahead_run = 0;
    for (unsigned i = 0; i < t->ahead_n;) {
        const struct position_id id = t->ahead[i];
        if (id.time_ms > t->believe_ms + POSITION_BELIEVE_MS) {
            i++;
            continue;
        }
        ahead_drop(p, t, i);
        position_window_push(p, t, &id.key, id.time_ms);
        if (id.time_ms > t->high_ms)
            t->high_ms = id.time_ms;
    }
    position_window_trim(p, t);
}

void position_window_release(struct position *p, struct position_topic *t)
{
    for (unsigned i = 0; i < t->count; i++)
        set_remove(p, &position_entry(t, i)->key);
    for (unsigned i = 0; i < t->ahead_n; i++)
        set_remove(p, &t->ahead[i].key);
    p->ids -= t->count;
    p->ahead_ids -= t->ahead_n;
    free(t->ring);
    free(t->ahead);
}

void position_window_trim(struct position *p, struct position_topic *t)
{
    int64_t keep_ms = t->high_ms - 2 * p->slack_ms;
    while (t->count > 0 && position_entry(t, 0)->time_ms < keep_ms)
        window_drop_front(p, t);
    for (unsigned i = t->ahead_n; i-- > 0;)
        if (t->ahead[i].time_ms < keep_ms)
            ahead_drop(p, t, i);
}

bool position_ahead_has(const struct position_topic *t, const struct event_identity *key)
{
    for (unsigned i = 0; i < t->ahead_n; i++)
        if (id_equal(&t->ahead[i].key, key))
            return true;
    return false;
}

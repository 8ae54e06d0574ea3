/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition_world.h - the world in which check_partition.c runs two owners, and its state as bytes.
 *
 * Two messages, three rows. Message 0 is row 0. Message 1 is the rows 1 and 2: the old route takes
 * 1 and rejects 2, the new one takes 2 and rejects 1. Row 2 goes to a part (a month's partition) of
 * its own, so half an insert can be in the table.
 */
#ifndef TESTS_UNIT_CHSINKD_PARTITION_WORLD_H
#define TESTS_UNIT_CHSINKD_PARTITION_WORLD_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/chsinkd/sink/partition.h"

/* Times: tokens that are old are numbered from 1, young ones from YOUNG_FROM, in their order; now
 * is the next number. Of a time it only matters whether it is old, and which is later. */
enum {
    OWNERS = 2,
    MESSAGES = 2,
    ROWS = 3,
    ORPHANS = 1, /* inserts under way whose sender is gone or tries again */
    ENDS = 2,    /* how often an owner is killed, cut off, revoked or stopped */
    DEPTH = 16,  /* of the search in make check */
    TOKENS = 12, /* all that can be referred to at once */
    YOUNG_FROM = 100,
    YOUNG = 90,
    LEASE = 10, /* a call is made at 0, or after the lease */
};

/* By route (0 old, 1 new) and message. */
static const uint8_t taken[2][MESSAGES] = {{1, 2}, {1, 4}};
static const uint8_t rejected[2][MESSAGES] = {{0, 4}, {0, 2}};
static const uint8_t part_of[2] = {3, 4}; /* the rows of each part of the table */

struct batch {
    int8_t start, end;
    uint8_t rows, dead; /* to insert, to write as dead letters */
};

struct insert {
    uint8_t at;   /* the token; 0: none */
    uint8_t rows; /* what is not in the table yet */
};

/* A token that the table remembers, and for which of its parts. */
struct token {
    uint8_t at, parts;
};

struct owner {
    bool route;   /* the new one */
    bool cut_off; /* the group has moved on, and the lease is over */
    bool has_head, has_queued;
    bool applied;   /* the commit under way took effect */
    bool waiting;   /* for EVENT_TIME */
    uint8_t action; /* the call under way */
    struct batch head, queued;
    struct insert insert;
    struct partition_state state;
};

struct world {
    int8_t owner; /* -1: none */
    int8_t offset;
    struct partition_announcement announced;
    struct owner owners[OWNERS];
    struct insert orphans[ORPHANS]; /* sent; nobody waits for the answer */
    uint8_t table[ROWS], dead[ROWS];
    struct token window[TOKENS];
    uint8_t now;
    uint8_t ends; /* how often an owner may still be killed, cut off, revoked or stopped */
};

/* ---- a state as bytes ---- */

/* The same for states whose differences do not matter: times are renumbered, tokens without a
 * reference forgotten, owners interchangeable. */
struct packed {
    uint8_t bytes[128];
};

struct times {
    uint8_t v[64];
    unsigned n;
};

static void times_add(struct times *t, int64_t at)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->v[i] == at)
            return;
    if (at > 0)
        t->v[t->n++] = (uint8_t)at;
}

static void announcement_clear(struct partition_announcement *a)
{
    if (a->end < 0)
        *a = (struct partition_announcement){.end = -1};
}

static void times_of(struct world *w, struct times *t)
{
    announcement_clear(&w->announced);
    times_add(t, w->announced.at_ms);
    for (unsigned i = 0; i < ORPHANS; i++)
        times_add(t, w->orphans[i].at);
    for (unsigned i = 0; i < OWNERS; i++) {
        struct owner *o = &w->owners[i];
        announcement_clear(&o->state.announced);
        announcement_clear(&o->state.wanted);
        times_add(t, o->state.announced.at_ms);
        times_add(t, o->state.wanted.at_ms);
        times_add(t, o->insert.at);
    }
}

static int byte_order(const void *a, const void *b)
{
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

static uint8_t time_new(const struct times *t, int64_t at)
{
    uint8_t old = 0, young = 0;
    for (unsigned i = 0; i < t->n; i++) {
        old += t->v[i] < YOUNG_FROM;
        young += t->v[i] >= YOUNG_FROM;
        if (t->v[i] == at)
            return at < YOUNG_FROM ? old : (uint8_t)(YOUNG_FROM + young);
    }
    return 0;
}

static void times_renumber(struct world *w)
{
    struct times t = {0};
    struct token kept[TOKENS] = {0};
    unsigned n = 0;
    times_of(w, &t);
    qsort(t.v, t.n, 1, byte_order);
    for (unsigned k = 0; k < t.n; k++)
        for (unsigned i = 0; i < TOKENS; i++)
            if (w->window[i].at == t.v[k] && w->window[i].parts)
                kept[n++] = (struct token){time_new(&t, t.v[k]), w->window[i].parts};
    memcpy(w->window, kept, sizeof(kept));
    w->announced.at_ms = time_new(&t, w->announced.at_ms);
    for (unsigned i = 0; i < ORPHANS; i++)
        w->orphans[i].at = time_new(&t, w->orphans[i].at);
    for (unsigned i = 0; i < OWNERS; i++) {
        struct owner *o = &w->owners[i];
        o->state.announced.at_ms = time_new(&t, o->state.announced.at_ms);
        o->state.wanted.at_ms = time_new(&t, o->state.wanted.at_ms);
        o->insert.at = time_new(&t, o->insert.at);
    }
    w->now = YOUNG_FROM + 1;
    for (unsigned i = 0; i < t.n; i++)
        w->now += t.v[i] >= YOUNG_FROM;
}

/* One byte after another, in either direction. */
struct packer {
    uint8_t *p;
    bool out;
};

#define PACK(k, field)                                                                             \
    do {                                                                                           \
        if ((k)->out)                                                                              \
            *(k)->p = (uint8_t)(field);                                                            \
        else                                                                                       \
            (field) = (__typeof__(field))(int8_t) * (k)->p;                                        \
        (k)->p++;                                                                                  \
    } while (0)

#define PACK_BITS(k, a, b, c, d)                                                                   \
    do {                                                                                           \
        uint8_t bits = (uint8_t)((a) | (b) << 1 | (c) << 2 | (d) << 3);                            \
        PACK(k, bits);                                                                             \
        (a) = bits & 1, (b) = bits >> 1 & 1, (c) = bits >> 2 & 1, (d) = bits >> 3 & 1;             \
    } while (0)

static void announcement_pack(struct packer *k, struct partition_announcement *a)
{
    PACK(k, a->end);
    PACK(k, a->at_ms);
    PACK(k, a->digest);
    PACK(k, a->until);
}

static void batch_pack(struct packer *k, struct batch *b)
{
    PACK(k, b->start);
    PACK(k, b->end);
    PACK(k, b->rows);
    PACK(k, b->dead);
}

static void owner_pack(struct packer *k, struct owner *o)
{
    struct partition_state *s = &o->state;
    bool spare = false, called = s->called_ms > 0, proof = s->proof_ms > 0;
    PACK_BITS(k, o->route, o->cut_off, o->applied, o->waiting);
    PACK_BITS(k, o->has_head, o->has_queued, called, proof);
    PACK_BITS(k, s->doubt, s->refused, s->asked, spare);
    PACK(k, s->until);
    PACK(k, o->action);
    batch_pack(k, &o->head);
    batch_pack(k, &o->queued);
    PACK(k, o->insert.at);
    PACK(k, o->insert.rows);
    PACK(k, s->phase);
    PACK(k, s->start);
    PACK(k, s->end);
    announcement_pack(k, &s->announced);
    announcement_pack(k, &s->wanted);
    s->called_ms = called ? LEASE : 0;
    s->proof_ms = proof ? LEASE : 0;
    s->sent_ms = 0;
    s->born_ms = s->announced.end >= 0 && s->announced.at_ms < YOUNG_FROM ? -YOUNG_FROM : 0;
}

static void world_pack(struct world *w, struct packed *packed, bool out)
{
    struct packer k = {packed->bytes, out};
    PACK(&k, w->owner);
    PACK(&k, w->offset);
    announcement_pack(&k, &w->announced);
    for (unsigned i = 0; i < ORPHANS; i++) {
        PACK(&k, w->orphans[i].at);
        PACK(&k, w->orphans[i].rows);
    }
    for (unsigned r = 0; r < ROWS; r++) {
        PACK(&k, w->table[r]);
        PACK(&k, w->dead[r]);
    }
    for (unsigned i = 0; i < TOKENS; i++) {
        PACK(&k, w->window[i].at);
        PACK(&k, w->window[i].parts);
    }
    PACK(&k, w->now);
    PACK(&k, w->ends);
    for (unsigned i = 0; i < OWNERS; i++)
        owner_pack(&k, &w->owners[i]);
    assert((size_t)(k.p - packed->bytes) <= sizeof(packed->bytes));
}

static void owners_order(struct world *w)
{
    struct packed a = {0}, b = {0};
    owner_pack(&(struct packer){a.bytes, true}, &w->owners[0]);
    owner_pack(&(struct packer){b.bytes, true}, &w->owners[1]);
    if (memcmp(&a, &b, sizeof(a)) <= 0)
        return;
    struct owner other = w->owners[0];
    w->owners[0] = w->owners[1];
    w->owners[1] = other;
    w->owner = w->owner < 0 ? w->owner : (int8_t)!w->owner;
}

#endif

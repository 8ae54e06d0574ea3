/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition_world.h - the world in which check_partition.c runs two owners, and its state as bytes.
 *
 * Two messages, three rows. Message 0 is the rows 0 and 1: one route takes both, the other takes 0
 * and rejects 1. Message 1 is row 2. One row goes to a part (a month's partition) of its own, so
 * half an insert can be in the table.
 */
#ifndef TESTS_UNIT_CHSINKD_PARTITION_WORLD_H
#define TESTS_UNIT_CHSINKD_PARTITION_WORLD_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/chsinkd/sink/protocol/partition.h"

/* Wall clock: tokens that are old are numbered from 1, young ones from YOUNG_FROM, in their order;
 * now is the next number. Monotonic: it is always NOW, and what was before is moved into the past.
 * Of a time it only matters whether it is too old, and which is later. */
enum {
    OWNERS = 2,
    MESSAGES = 2,
    ROWS = 3,
    ORPHANS_MAX = 2,
    TOKENS = 14, /* all that can be referred to at once */
    YOUNG_FROM = 100,
    YOUNG = 50,
    LEASE = 10,
    SETTLE = 1,
    NOW = 1000,
    FAIR_STEPS = 40, /* more than it takes to deliver all */
};

/* By route and message. */
static const uint8_t taken[2][MESSAGES] = {{1, 4}, {3, 4}};
static const uint8_t rejected[2][MESSAGES] = {{2, 0}, {0, 0}};
/* The rows of each part of the table. First: half a message can be there. Second, where the table
 * cannot be asked: the rows of a part depend on the route. */
static const uint8_t parts_rows[2][2] = {{5, 2}, {3, 4}};

struct batch {
    int8_t start, end;
    uint8_t rows, dead; /* to insert, to write as dead letters */
};

struct insert {
    uint8_t at;   /* the token; 0: none */
    uint8_t rows; /* what is not in the table yet */
    /* Where the output keeps the position: only if it is still `position`. */
    int8_t position, end;
    uint8_t dead; /* the note: dead letters that are to follow */
};

/* The position that the output keeps, and its note. */
struct kept {
    int8_t position; /* -1: none */
    uint8_t at, dead;
};

/* A token that the table remembers, and for which of its parts. */
struct token {
    uint8_t at, parts;
};

/* A commit that nobody waits for, which may still take effect. */
struct commit {
    bool is; /* there is one */
    int8_t offset;
    uint8_t dead;
    struct partition_announcement announced;
};

struct owner {
    bool route;
    bool has_head, has_queued;
    bool applied;     /* the commit under way took effect */
    bool waiting;     /* for EVENT_TIME */
    uint8_t action;   /* the call under way */
    uint8_t batch_at; /* the head's, which makes its note another than all others; 0: not sent */
    struct batch head, queued;
    struct insert insert;
    struct kept kept; /* as the output has told */
    struct partition_state state;
};

struct world {
    int8_t owner;  /* to whom the group has given the partition; -1: nobody */
    int8_t offset; /* the group's; -1: none */
    struct partition_announcement announced;
    struct owner owners[OWNERS];
    struct insert orphans[ORPHANS_MAX]; /* sent; nobody waits for the answer */
    struct commit late;                 /* answered as failed, it is still on its way */
    struct commit pending;              /* an undecided transaction */
    uint8_t table[ROWS], dead[ROWS];
    struct kept kept;
    struct token window[TOKENS];
    uint8_t now;
    uint8_t ends; /* how often an owner may still be killed, cut off, set aside or stopped */
};

/* ---- times ---- */

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

/* All wall clock times of announcements. */
enum { ANNOUNCED = 3 + 2 * OWNERS };
static void announcements_of(struct world *w, struct partition_announcement *ret[ANNOUNCED])
{
    unsigned n = 0;
    ret[n++] = &w->announced;
    ret[n++] = &w->late.announced;
    ret[n++] = &w->pending.announced;
    for (unsigned i = 0; i < OWNERS; i++) {
        ret[n++] = &w->owners[i].state.announced;
        ret[n++] = &w->owners[i].state.wanted;
    }
}

static void times_of(struct world *w, struct times *t)
{
    struct partition_announcement *announced[ANNOUNCED];
    announcements_of(w, announced);
    for (unsigned i = 0; i < ANNOUNCED; i++) {
        if (announced[i]->end < 0)
            *announced[i] = (struct partition_announcement){.end = -1};
        times_add(t, announced[i]->at_ms);
    }
    for (unsigned i = 0; i < ORPHANS_MAX; i++)
        times_add(t, w->orphans[i].at);
    for (unsigned i = 0; i < OWNERS; i++) {
        times_add(t, w->owners[i].insert.at);
        times_add(t, w->owners[i].batch_at);
    }
    times_add(t, w->kept.at);
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

/* So that states whose differences do not matter are the same: times are renumbered, tokens without
 * a reference forgotten. */
static void times_renumber(struct world *w)
{
    struct times t = {0};
    struct token kept[TOKENS] = {0};
    struct partition_announcement *announced[ANNOUNCED];
    unsigned n = 0;
    times_of(w, &t);
    qsort(t.v, t.n, 1, byte_order);
    for (unsigned k = 0; k < t.n; k++)
        for (unsigned i = 0; i < TOKENS; i++)
            if (w->window[i].at == t.v[k] && w->window[i].parts)
                kept[n++] = (struct token){time_new(&t, t.v[k]), w->window[i].parts};
    memcpy(w->window, kept, sizeof(kept));
    announcements_of(w, announced);
    for (unsigned i = 0; i < ANNOUNCED; i++)
        announced[i]->at_ms = time_new(&t, announced[i]->at_ms);
    for (unsigned i = 0; i < ORPHANS_MAX; i++)
        w->orphans[i].at = time_new(&t, w->orphans[i].at);
    for (unsigned i = 0; i < OWNERS; i++) {
        w->owners[i].insert.at = time_new(&t, w->owners[i].insert.at);
        w->owners[i].batch_at = time_new(&t, w->owners[i].batch_at);
        w->owners[i].kept.at = 0; /* of no use to an owner */
    }
    w->kept.at = time_new(&t, w->kept.at);
    w->now = YOUNG_FROM + 1;
    for (unsigned i = 0; i < t.n; i++)
        w->now += t.v[i] >= YOUNG_FROM;
}

/* ---- a state as bytes ---- */

struct packed {
    uint64_t words[9];
};

/* Some bits after another, in either direction. */
struct packer {
    uint64_t *words;
    unsigned at;
    bool out;
};

static int64_t bits(struct packer *k, int64_t value, unsigned n)
{
    uint64_t mask = (UINT64_C(1) << n) - 1;
    if (k->at % 64 + n > 64)
        k->at += 64 - k->at % 64;
    uint64_t *word = &k->words[k->at / 64];
    unsigned shift = k->at % 64;
    k->at += n;
    assert(!k->out || (value >= 0 && (uint64_t)value <= mask));
    if (k->out)
        *word |= (uint64_t)value << shift;
    return k->out ? value : (int64_t)(*word >> shift & mask);
}

#define PACK(k, field, n)       ((field) = (__typeof__(field))bits(k, (field), n))
#define PACK_FROM_MINUS_1(k, f) ((f) = (__typeof__(f))(bits(k, (f) + 1, 2) - 1))
#define PACK_TIME(k, f)                                                                            \
    do {                                                                                           \
        int64_t t_ = bits(k, (f) < YOUNG_FROM ? (f) : (f)-YOUNG_FROM + 16, 5);                     \
        (f) = (__typeof__(f))(t_ < 16 ? t_ : t_ - 16 + YOUNG_FROM);                                \
    } while (0)

static void announcement_pack(struct packer *k, struct partition_announcement *a)
{
    PACK_FROM_MINUS_1(k, a->end);
    PACK_TIME(k, a->at_ms);
    PACK(k, a->digest, 2);
    PACK(k, a->until, 2);
}

static void batch_pack(struct packer *k, struct batch *b)
{
    PACK(k, b->start, 2);
    PACK(k, b->end, 2);
    PACK(k, b->rows, 3);
    PACK(k, b->dead, 3);
}

static void insert_pack(struct packer *k, struct insert *insert)
{
    PACK_TIME(k, insert->at);
    PACK(k, insert->rows, 3);
    PACK_FROM_MINUS_1(k, insert->position);
    PACK_FROM_MINUS_1(k, insert->end);
    PACK(k, insert->dead, 3);
}

static void kept_pack(struct packer *k, struct kept *kept)
{
    PACK_FROM_MINUS_1(k, kept->position);
    PACK_TIME(k, kept->at);
    PACK(k, kept->dead, 3);
}

static void commit_pack(struct packer *k, struct commit *c)
{
    PACK(k, c->is, 1);
    PACK(k, c->offset, 2);
    PACK(k, c->dead, 3);
    announcement_pack(k, &c->announced);
}

/* Monotonic: 0 within the lease, 1 after it, 2 longer ago than a token is relied on. */
static int64_t age_pack(struct packer *k, int64_t ms)
{
    static const int64_t times[] = {NOW, NOW - LEASE, 0};
    return times[bits(k, ms > NOW - LEASE ? 0 : (ms > NOW - YOUNG ? 1 : 2), 2)];
}

/* The latest that an insert can have been sent: long ago, now, within the lease. */
static int64_t sent_pack(struct packer *k, int64_t ms)
{
    static const int64_t times[] = {NOW - SETTLE, NOW, NOW + LEASE};
    return times[bits(k, ms < NOW ? 0 : (ms > NOW ? 2 : 1), 2)];
}

static void owner_pack(struct packer *k, struct owner *o)
{
    struct partition_state *s = &o->state;
    PACK(k, o->route, 1);
    PACK(k, o->has_head, 1);
    PACK(k, o->has_queued, 1);
    PACK(k, o->applied, 1);
    PACK(k, o->waiting, 1);
    PACK(k, o->action, 4);
    batch_pack(k, &o->head);
    batch_pack(k, &o->queued);
    insert_pack(k, &o->insert);
    PACK_TIME(k, o->batch_at);
    kept_pack(k, &o->kept);
    PACK_FROM_MINUS_1(k, s->position);
    PACK(k, s->phase, 4);
    PACK_FROM_MINUS_1(k, s->start);
    PACK_FROM_MINUS_1(k, s->end);
    announcement_pack(k, &s->announced);
    announcement_pack(k, &s->wanted);
    PACK(k, s->doubt, 1);
    PACK(k, s->refused, 1);
    PACK(k, s->asked, 1);
    PACK(k, s->stopping, 1);
    PACK(k, s->until, 2);
    s->called_ms = age_pack(k, s->called_ms);
    s->proof_ms = age_pack(k, s->proof_ms);
    s->born_ms = bits(k, s->born_ms > NOW - YOUNG, 1) * NOW;
    s->sent_ms = sent_pack(k, s->sent_ms);
}

static void world_pack(struct world *w, struct packed *packed, bool out)
{
    struct packer k = {packed->words, 0, out};
    PACK_FROM_MINUS_1(&k, w->owner);
    PACK_FROM_MINUS_1(&k, w->offset);
    announcement_pack(&k, &w->announced);
    for (unsigned i = 0; i < ORPHANS_MAX; i++)
        insert_pack(&k, &w->orphans[i]);
    commit_pack(&k, &w->late);
    commit_pack(&k, &w->pending);
    for (unsigned r = 0; r < ROWS; r++) {
        PACK(&k, w->table[r], 2);
        PACK(&k, w->dead[r], 2);
    }
    kept_pack(&k, &w->kept);
    for (unsigned i = 0; i < TOKENS; i++) {
        PACK_TIME(&k, w->window[i].at);
        PACK(&k, w->window[i].parts, 2);
    }
    PACK_TIME(&k, w->now);
    PACK(&k, w->ends, 2);
    for (unsigned i = 0; i < OWNERS; i++)
        owner_pack(&k, &w->owners[i]);
    assert(k.at <= 8 * sizeof(packed->words));
}

/* Owners and orphans are interchangeable. */
static void world_order(struct world *w)
{
    struct packed a = {0}, b = {0};
    if (w->orphans[0].at < w->orphans[1].at) {
        struct insert orphan = w->orphans[0];
        w->orphans[0] = w->orphans[1];
        w->orphans[1] = orphan;
    }
    owner_pack(&(struct packer){a.words, 0, true}, &w->owners[0]);
    owner_pack(&(struct packer){b.words, 0, true}, &w->owners[1]);
    if (memcmp(&a, &b, sizeof(a)) <= 0)
        return;
    struct owner other = w->owners[0];
    w->owners[0] = w->owners[1];
    w->owners[1] = other;
    w->owner = w->owner < 0 ? w->owner : (int8_t)!w->owner;
}

#endif

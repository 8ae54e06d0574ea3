/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turns.h - which series is fetched next, when only a limited number is fetched at once.
 *
 *   due ──turns_next()──> begins in a free slot ──turns_end()──> last in the line
 *
 * A slot is a request to the API with its Kafka transaction. A slow one (an answer may take
 * api.timeout) occupies its slot while the others continue in theirs. The rules:
 *   - an application is in at most one slot, with one of its series: if it is slow for one index,
 *     it is slow for the others, and must not take all slots;
 *   - with two or more slots, one is kept free of series whose last try failed: those that hang
 *     again and again never block those that work;
 *   - within these limits, a series that is due begins as soon as a slot is free: first those
 *     without a position (a short commit), then the one whose last turn is longest ago.
 * So none starves: nothing gets ahead of a waiting series twice.
 *
 * Pure: the caller says how long each has to wait. Threads: none.
 */
#ifndef WMFETCHD_WINDOW_TURNS_H
#define WMFETCHD_WINDOW_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TURNS_SLOTS_MAX 8

struct turn {
    size_t group;  /* the application */
    uint64_t last; /* the number of its last turn; 0: none yet */
    bool fresh;    /* it has no position yet */
    bool failed;   /* its last try failed */
};

/* The caller sets slots_n (1 to TURNS_SLOTS_MAX), v and n, owns v, and zeroes the rest. */
struct turns {
    unsigned slots_n;
    size_t n;
    struct turn *v;
    uint64_t count;                /* turns so far */
    size_t slots[TURNS_SLOTS_MAX]; /* 1 + its series; 0: free */
};

/* How long until series `i` is due, in ms; 0 or less: it is. */
typedef int64_t turns_wait_fn(const void *userdata, size_t i);

struct turns_next {
    size_t i;
    unsigned slot;
};
/* 0: *ret may begin, in a free slot. Else the ms until one may, if nothing ends before; INT64_MAX:
 * something must end first. */
int64_t turns_next(const struct turns *t, turns_wait_fn *wait_ms, const void *userdata,
                   struct turns_next *ret);

/* Begins what turns_next() returned. */
void turns_begin(struct turns *t, const struct turns_next *next);
/* The slot's series has ended. */
void turns_end(struct turns *t, unsigned slot, bool failed);

bool turns_is_busy(const struct turns *t, unsigned slot);
unsigned turns_busy(const struct turns *t); /* how many slots are busy */

#endif

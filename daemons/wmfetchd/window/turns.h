/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turns.h - which series is asked for next, where a bounded number is asked for at once.
 *
 *   due ──turns_next()──> begins in a free slot ──turns_end()──> last in the line
 *
 * A slot is a request to the API with its Kafka transaction. One that is slow (an answer may take
 * api.timeout) holds its slot, the others go on in theirs. The rules:
 *   - a series is in one slot at most, and so is its application: what is slow for one index is
 *     slow for the others, and must not take all slots;
 *   - of two or more slots one is kept free of series whose last try failed: what hangs again and
 *     again never holds up what works;
 *   - whatever these two leave begins at once while a slot is free: first what has no position yet
 *     (a short commit), then whose last turn is longest ago.
 * So each has its turn: nothing is before it in the line twice.
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
    uint64_t last; /* its place in the line: the last turn's number, 0: none yet */
    bool fresh;    /* it has no position yet */
    bool failed;   /* its last try did */
};

/* The caller fills slots_n (1 to TURNS_SLOTS_MAX) and v, of n, and zeroes the rest. */
struct turns {
    unsigned slots_n;
    size_t n;
    struct turn *v;
    uint64_t count;                /* of turns so far */
    size_t slots[TURNS_SLOTS_MAX]; /* the series in it and 1; 0: free */
};

/* How long until series `i` has something to do; 0: it has. */
typedef int64_t turns_wait_fn(const void *userdata, size_t i);

struct turns_next {
    size_t i;
    unsigned slot;
};
/* 0: *ret may begin, in a slot that is free. Else how long until one may, if nothing ends before;
 * INT64_MAX: something must end first. */
int64_t turns_next(const struct turns *t, turns_wait_fn *wait_ms, const void *userdata,
                   struct turns_next *ret);

/* What turns_next() said begins. */
void turns_begin(struct turns *t, const struct turns_next *next);
/* What is in the slot has ended. */
void turns_end(struct turns *t, unsigned slot, bool failed);

bool turns_is_busy(const struct turns *t, unsigned slot);
unsigned turns_busy(const struct turns *t); /* how many slots are */

#endif

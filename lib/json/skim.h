/* SPDX-License-Identifier: Apache-2.0 */
/*
 * skim.h - checks one JSON value that arrives in pieces, and keeps none of it.
 *
 * Lib's reader (reader.h) wants a document whole; what stands beside the array of transactions in
 * an answer ("status", "paging", or megabytes of something else) is of no use to us, but must be
 * JSON all the same. So this is the same grammar as a machine of one byte a step: RFC 8259, UTF-8
 * by RFC 3629, 64 levels deep. What it takes, pl_json_skip() takes, and the other way round (the
 * fuzzer compares).
 *
 * Pure. Threads: one owner.
 */
#ifndef PL_JSON_SKIM_H
#define PL_JSON_SKIM_H

#include <stdbool.h>
#include <stdint.h>

#define PL_SKIM_DEPTH_MAX 64 /* a bit each in `objects`; reader.h's default depth */

struct pl_skim {
    uint8_t state;          /* enum skim_state of skim.c */
    bool key;               /* the string is a key */
    bool done;              /* the value has ended */
    uint8_t left;           /* digits of \u, continuation bytes of UTF-8 that are still to come */
    uint8_t low, high;      /* what the next continuation byte may be */
    uint8_t around, inside; /* containers: around the value, and of it that are open */
    uint64_t objects;       /* the open ones: a bit set for an object, the innermost is bit 0 */
    const char *word;       /* the rest of true, false, null */
    const char *error;      /* a constant sentence, or NULL */
};

/* `depth`: how many containers stand around the value already. */
void pl_skim_init(struct pl_skim *s, unsigned depth);

/* Takes bytes until the value or the input ends, or an error (see `done`, `error`). Returns what it
 * did not take: `end`, or behind the value. A number outside of containers ends at the first byte
 * that is not of it. */
const char *pl_skim_feed(struct pl_skim *s, const char *p, const char *end);

#endif

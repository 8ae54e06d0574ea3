/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - when to close the batch that is being filled: by count or bytes at once; by age from
 * its first message on, so that the tail of a quiet stream is never stuck; and when only the
 * position moves (all is filtered) after a longer time.
 *
 * Pure: times are ms of any one clock that never shows 0.
 */
#ifndef PL_BATCH_LIMITS_H
#define PL_BATCH_LIMITS_H

#include <stdint.h>

/* Each 0: no such limit. */
struct pl_limits {
    int64_t age_ms, bytes, messages;
    int64_t position_ms; /* for a position that moved without any message */
};

/* Zeroed: nothing to close. */
struct pl_fill {
    uint64_t messages, bytes;
    int64_t first_ms; /* of the first message; 0: there is none */
    int64_t moved_ms; /* when the position first moved; 0: it has not */
};

/* When to close it: 0 at once, INT64_MAX not until something changes. */
int64_t pl_limits_due_ms(const struct pl_limits *limits, const struct pl_fill *fill);

#endif

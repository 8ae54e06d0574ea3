/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whole.h - what the messages are as a whole of which a batch of dead letters takes some rows.
 *
 * A table that has rows of such a message has the others, too. Where one of those is equal in every
 * column to a row of the letter, only their number tells whether that row is there.
 *
 * Limits: none of its own; a batch is closed by its bytes.
 *
 * Pure. Threads: one owner, the batch's.
 */
#ifndef CHSINKD_BATCH_WHOLE_H
#define CHSINKD_BATCH_WHOLE_H

#include "daemons/chsinkd/batch/block.h"
#include "daemons/chsinkd/batch/row_set.h"

#define WHOLE_UNKNOWN UINT64_MAX

struct whole_message {
    int64_t offset;         /* of the letter, in the partition that it was read from */
    struct row_set only;    /* the elements that the letter takes */
    struct row_set skipped; /* the elements that are no rows, by the route's `when` */
    uint64_t elements; /* of its array. WHOLE_UNKNOWN: the message cannot be taken as a whole */
    uint64_t rows;     /* in the block: those that fit, the letter's too */
};

struct whole { /* zeroed: empty */
    struct block *block;
    struct whole_message *messages; /* by ascending offset */
    size_t messages_n, messages_cap;
    uint64_t messages_rows; /* the sum of theirs */
};

/* The rows that the decoder appended to w->block since the last call are those of this message.
 * Takes both sets, which are empty then. */
void whole_add(struct whole *w, int64_t offset, struct row_set *only, struct row_set *skipped,
               uint64_t elements);
/* NULL: the letter takes all rows of its message. */
const struct whole_message *whole_find(const struct whole *w, int64_t offset);
/* How many rows of a message none of these letters takes, one at least, all of that message.
 * WHOLE_UNKNOWN: if one's number is. */
uint64_t whole_others(const struct whole_message *const *letters, size_t n);
/* Moves those from this offset on to the empty `ret_rest`. */
void whole_split(struct whole *w, int64_t offset, struct whole *ret_rest);
size_t whole_bytes(const struct whole *w);  /* of the rows */
size_t whole_memory(const struct whole *w); /* held */
void whole_release(struct whole *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of the decoder share.
 *
 *     plan.c      a route compiled
 *     refuse.c    refusing
 *     walk.c      the walk along an object, and the end of a row
 *     elements.c  rows out of an array
 *     rows.c      a message
 */
#ifndef CHSINKD_DECODE_INTERNAL_H
#define CHSINKD_DECODE_INTERNAL_H

#include "daemons/chsinkd/decode/rows.h"
#include "daemons/chsinkd/decode/trie.h"

#define SEEN_WORDS (ROUTE_COLUMNS_MAX / 64)

struct capture {
    struct pl_slice raw; /* where the value is; p NULL: nowhere */
    bool wrong;          /* something other than an object is on the way to it */
};

/* What a column of the block needs beyond its buffer. */
struct plan {
    const struct column *column;
    unsigned captures_first, captures_n; /* in captures_column; n 0: direct, or not from the JSON */
    bool of_message;                     /* the same for all rows of a message */
    /* The stash: */
    bool null;
    size_t stash_at, stash_len;
};

struct rows {
    const struct route *route;
    struct trie_node *message, *element; /* element: NULL when the message is the row */
    struct plan *plans;                  /* in the order of the block's columns */
    unsigned plans_n;
    unsigned *captures_column; /* for each column, its captures in the order of its paths */
    struct capture *captures;  /* those of the message first */
    unsigned captures_n, captures_message_n;
    uint64_t direct[SEEN_WORDS], seen[SEEN_WORDS];
    unsigned *late; /* columns that are set at the end of each row: not direct, not stashed */
    unsigned late_n;
    int unknown_column; /* -1: unknown fields are dropped */
    bool can_once;      /* no row needs more of the message than the stash */
    struct rows_counts counts;

    /* While a message is decoded: */
    const struct rows_message *m;
    struct block *block;
    void (*on_reject)(void *userdata, const struct rows_reject *reject);
    void *userdata;
    struct pl_json j;
    uint64_t rows_before; /* of the block */
    size_t bytes_max;     /* the message may fill the block up to here */
    bool over;            /* it has filled more */
    struct rows_counts counts_before;
    uint64_t walks; /* of objects with a trie, in all */
    uint64_t walk;  /* which of them it is: stamped on the nodes that were met */
    bool (*array_take)(struct rows *r); /* decodes the array where the walk meets it; or NULL */
    size_t *before; /* with array_take: the lengths of the block's strings before the message */
    struct pl_slice array;
    bool array_wrong;
    struct pl_buf unknown, name, stash;
    size_t unknown_message; /* the part of `unknown` that comes from the message around the rows */
    uint64_t nulled, defaulted, unknown_n; /* of the open row, counted when it is committed */
    uint64_t stash_nulled, stash_defaulted;
    struct rows_reject reject; /* reason NULL: none */
};

/* ---- refuse.c ---- */

extern const char too_much_memory[];

/* The first reason is kept. Returns false, so that a walk can end with it. */
bool refuse(struct rows *r, const char *reason, const char *at, const struct column *c);
/* The reader's error. What is broken within its first bytes may be something else altogether. */
bool refuse_json(struct rows *r);
/* The same, where the message should have ended. */
bool refuse_rest(struct rows *r);
/* The message is refused as a whole, after rows of it. */
bool refuse_back(struct rows *r, const char *reason, const char *at);
/* Tells the caller; `row` -1: the message. */
void refuse_report(struct rows *r, int64_t row);

/* ---- walk.c: false where the row is refused, or the JSON broken ---- */

/* Along an object from its root, which a column may want as a whole. */
bool walk_root(struct rows *r, struct trie_node *root);
/* A value that is not just one column's. */
bool walk_value(struct rows *r, struct trie_node *n);
/* The whole message, which is the row or around the rows. */
bool walk_message(struct rows *r);

void row_begin(struct rows *r);
/* A column that is not set by the walk. */
bool row_column_late(struct rows *r, unsigned i);
/* Sets what the walk has not set. */
bool row_end(struct rows *r);
void row_commit(struct rows *r);

/* ---- elements.c ---- */

bool elements_of_message(struct rows *r, const struct row_set *only);

#endif

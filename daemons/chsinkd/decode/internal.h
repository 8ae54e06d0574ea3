/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of the decoder share.
 *
 *     plan.c      a route compiled
 *     refuse.c    refusing
 *     walk.c      the walk along an object, and the end of a row
 *     filter.c    `when:`
 *     elements.c  rows out of an array
 *     documents.c several documents
 *     rows.c      a message, a document
 */
#ifndef CHSINKD_DECODE_INTERNAL_H
#define CHSINKD_DECODE_INTERNAL_H

#include "daemons/chsinkd/batch/column.h"
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

/* In this order: "and" is the least of two, "or" the greatest. */
enum verdict {
    VERDICT_FALSE,
    VERDICT_OPEN, /* the elements have to be asked */
    VERDICT_TRUE,
};

struct filter {
    const struct condition *condition;   /* NULL: all rows are taken */
    struct trie_node *message, *element; /* NULL: it asks for nothing there */
    unsigned captures_first;             /* one for each of its paths */
    enum verdict *verdicts;              /* of its nodes */
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
    struct filter filter;
    bool notes_skipped;
    struct rows_counts counts;

    /* While a message is decoded: */
    const struct rows_message *m;
    const char *json; /* where it begins in the message's value */
    uint32_t schema_id;
    struct block *block;
    void (*on_reject)(void *userdata, const struct rows_reject *reject);
    void *userdata;
    struct pl_json j;
    uint64_t rows_before; /* of the block */
    size_t bytes_max;     /* the message may fill the block up to here */
    struct rows_counts counts_before;
    int64_t place;          /* of the row in the message, as dead letters name it */
    size_t unknown_message; /* the part of `unknown` that comes from the message around the rows */
    unsigned ranges;        /* of rows that were refused */
    unsigned only_at;
    bool over;              /* the message has filled more than bytes_max */
    bool whole;             /* it is refused as a whole */
    int64_t refused;        /* the row that was refused last, where there are ranges */
    enum verdict verdict;   /* of the filter about the document; TRUE where there is none */
    struct row_set skipped; /* with notes_skipped: what gave neither a row nor a reject */
    bool skipped_lost;
    uint64_t walks; /* of objects with a trie, in all */
    uint64_t walk;  /* which of them it is: stamped on the nodes that were met */
    bool (*array_take)(struct rows *r); /* decodes the array where the walk meets it; or NULL */
    struct block_mark before;           /* with array_take: the block before the message */
    struct pl_slice array;
    bool array_wrong;
    struct pl_buf unknown, name, stash;
    /* Of the open row, counted when it is committed: */
    uint64_t nulled, clamped, defaulted, unknown_n;
    uint64_t stash_nulled, stash_clamped, stash_defaulted;
    struct rows_reject reject; /* reason NULL: none */
};

/* ---- refuse.c ---- */

extern const char empty_value[];

/* The first reason is kept. Returns false, so that a walk can end with it. */
bool refuse(struct rows *r, const char *reason, const char *at, const struct column *c);
/* The reader's error. What is broken within its first bytes may be something else altogether. */
bool refuse_json(struct rows *r);
/* The same, where the message should have ended. */
bool refuse_rest(struct rows *r);
/* The message is to be refused as a whole, after rows of it. */
void rows_take_back(struct rows *r);
bool refuse_back(struct rows *r, const char *reason, const char *at);
/* Tells the caller; `row` -1: the message. */
void refuse_report(struct rows *r, int64_t row);
/* The row is refused that r->place names. False: those are too many for the message. */
bool refuse_row(struct rows *r, const char *at);

/* ---- walk.c: false where the row is refused, or the JSON broken ---- */

/* Along an object from its root, which a column may want as a whole. */
bool walk_root(struct rows *r, struct trie_node *root);
/* A value that is not just one column's. */
bool walk_value(struct rows *r, struct trie_node *n);
/* The whole document, which is the row or around the rows. */
bool walk_document(struct rows *r, struct trie_node *root);

void row_begin(struct rows *r);
/* A column that is not set by the walk. */
bool row_column_late(struct rows *r, unsigned i);
/* Sets what the walk has not set. */
bool row_end(struct rows *r);
void row_commit(struct rows *r);

/* ---- filter.c ---- */

/* Walks along the document and sets r->verdict. False: it is refused. */
bool filter_document(struct rows *r);
/* Where that is OPEN: of the element that the reader is on, which it moves behind. OPEN: it is
 * refused. */
enum verdict filter_element(struct rows *r);
/* So many rows are not taken, from r->place on, which moves behind them. */
void filter_drop(struct rows *r, int64_t places);
/* The same for what is no row. */
void rows_skip(struct rows *r, int64_t places);

/* ---- elements.c ---- */

bool elements_of_document(struct rows *r, const struct row_set *only);

/* ---- rows.c ---- */

/* The document that the reader is on; no value at all: a tombstone that is a row. False: it is
 * refused, and nothing of it is in the block; or r->whole. */
bool document_decode(struct rows *r, const struct row_set *only);

/* ---- documents.c ---- */

/* How many places the document counts that the reader is on; moves behind it. */
int64_t document_places(struct rows *r);
bool documents_decode(struct rows *r, const struct row_set *only);

#endif

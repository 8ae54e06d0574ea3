/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what an output tells about a target, and what a statement gave: for --show.
 *
 * Both are zero-initialised, own their texts (copies), and are released whatever happened. Lists
 * grow by the functions here and are bounded by their makers: columns by the table's, loads by
 * OUTPUT_LOADS_MAX, rows by the statement's limit.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_OUTPUT_FACTS_H
#define CHSINKD_OUTPUT_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define OUTPUT_LOADS_MAX       10
#define OUTPUT_QUERY_BYTES_MAX (16 * 1024 * 1024)

/* ---- a target ---- */

struct output_column_fact {
    char *name;
    char *type;   /* there, in the output's words; NULL: it is missing */
    char *wanted; /* by the route, in the output's words; NULL: not in the route */
    bool differs; /* both, and they are not the same: a start would refuse it */
};

struct output_load {
    char *topic; /* NULL: not known */
    int32_t partition;
    int64_t start, end; /* offsets, `end` after the last one; -1: not known */
    int64_t rows;       /* -1: not known */
    int64_t at_ms;      /* since 1970; -1: not known */
    int64_t took_ms;    /* -1: not known */
};

struct output_place_fact {
    char *topic;
    int32_t partition;
    int64_t next; /* offset */
    int64_t rows; /* of this partition that are there; -1: not known */
};

struct output_view_fact {
    char *name;
    bool exists;
    int64_t rows, bytes; /* -1: not known */
};

struct output_facts {
    bool exists;
    char engine[64];     /* "MergeTree", "DuckDB v1.5.6", "Iceberg v2 at PATH" */
    int64_t rows, bytes; /* bytes as they lie there, compressed; -1: not known */
    char note[160];      /* what else a reader should know of these; "" */

    struct output_view_fact *views; /* of the route; none where the output makes none */
    unsigned views_n;

    struct output_column_fact *columns; /* in the table's order, missing ones last */
    unsigned columns_n;

    struct output_load *loads; /* newest first */
    unsigned loads_n;
    char loads_note[160]; /* where they come from, or why there are none */

    /* POSITION: the kept position of the group, for each topic and partition that has one. Else the
     * offset behind the highest one that is there. */
    struct output_place_fact *places;
    unsigned places_n;
    bool kept;             /* POSITION */
    char places_note[160]; /* why they are not known; "": they are */

    /* A statement for query() that gives the newest rows, newest first; NULL: there is none. The
     * limit is query()'s. */
    char *newest_sql;
    /* With a statement: what rows it does not see. Without: why there is none; "": the route has no
     * column to tell by. */
    char newest_note[160];
};

void output_facts_release(struct output_facts *f);

/* Texts may be NULL where the struct says so. */
void output_facts_view(struct output_facts *f, const struct output_view_fact *view);
void output_facts_column(struct output_facts *f, const char *name, const char *type,
                         const char *wanted, bool differs);
/* `load` is copied, its topic as well. False: OUTPUT_LOADS_MAX are there. */
bool output_facts_load(struct output_facts *f, const struct output_load *load);
void output_facts_place(struct output_facts *f, const struct output_place_fact *place);

/* ---- a statement, and what it gave ---- */

/* Whether it begins as one that reads: SELECT, WITH, FROM, VALUES, TABLE, SHOW, DESC, DESCRIBE,
 * SUMMARIZE, EXPLAIN, EXISTS, or a bracket before one; comments are passed. A statement that begins
 * so may write all the same: an output's query() refuses those, but not all of the others, as
 * ClickHouse's SYSTEM is taken from a read-only user (seen with 26.7). */
bool output_statement_reads(const char *sql);

/* How a value is written in JSON; a text that is no number or boolean of JSON is quoted anyway. */
enum output_value { OUTPUT_TEXT, OUTPUT_NUMBER, OUTPUT_BOOL };

struct output_rows {
    struct output_rows_column {
        char *name, *type; /* in the output's words */
        enum output_value value;
    } * columns;
    unsigned columns_n;
    struct output_cell {
        size_t at, len; /* in `text`; at SIZE_MAX: null */
    } * cells;          /* row by row */
    size_t cells_n;
    bool more; /* there are more rows than were asked for */
    struct pl_buf text;
};

void output_rows_release(struct output_rows *r);
void output_rows_column(struct output_rows *r, const char *name, const char *type,
                        enum output_value value);
/* The next cell, row by row, once all columns are there; copied. p NULL: null. False: the text is
 * full (OUTPUT_QUERY_BYTES_MAX). */
bool output_rows_cell(struct output_rows *r, const char *p, size_t len);
static inline size_t output_rows_n(const struct output_rows *r)
{
    return r->columns_n > 0 ? r->cells_n / r->columns_n : 0;
}
/* p NULL: null. Valid until the next cell is added. */
struct pl_slice output_rows_get(const struct output_rows *r, size_t row, unsigned column);

#endif

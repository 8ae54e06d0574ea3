/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - asking a table for rows: what presence.c and presence_origin.c share.
 */
#ifndef CHSINKD_CLICKHOUSE_INTERNAL_H
#define CHSINKD_CLICKHOUSE_INTERNAL_H

#include "daemons/chsinkd/clickhouse/presence.h"

#define LOOK_BYTES       (8U << 20) /* of our rows that one query is for, as RowBinary */
#define ANSWER_BYTES_MAX (256U << 20)

struct look {
    struct clickhouse *client;
    const struct presence_table *table;
    const char *topic; /* not by origin */
    int32_t partition;
    bool replicated; /* the others' inserts must be there, too */
    enum presence presence;
};
/* Asks for the engine, and makes sure that the server can answer for the others. */
int look_begin(struct look *l, struct pl_err *err);
/* A query failed: says whose. */
void look_failed(const struct look *l, struct pl_err *err);

/* Parts of a statement: "`da ta`.`t`", "`column`", "'text'", the values of a row as it lies in a
 * block, the settings and the format. */
void look_add_table(struct pl_buf *sql, const struct look *l);
void look_add_column(struct pl_buf *sql, const struct look *l, int column);
void look_add_values(struct pl_buf *sql, const struct look *l);
void look_add_end(struct pl_buf *sql, const struct look *l, const char *format);

struct rows { /* zeroed: empty */
    struct pl_buf bytes;
    size_t *ends; /* of each row, in bytes */
    size_t n, cap;
};
void rows_release(struct rows *r);
void rows_ended(struct rows *r, size_t end); /* one more row */
struct pl_slice rows_get(const struct rows *r, size_t i);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select.h - rows of a statement that only reads, as text, and what there is of a table: for
 * --show.
 *
 * Threads: one owner (that of the client).
 */
#ifndef CHSINKD_CLICKHOUSE_SELECT_H
#define CHSINKD_CLICKHOUSE_SELECT_H

#include "daemons/chsinkd/clickhouse/client.h"
#include "daemons/chsinkd/output/facts.h"

/* Reads an answer in CLICKHOUSE_SELECT_FORMAT; of the rows at most `rows_max` (0: all). False: it
 * is cut, or too large. Pure. */
bool select_parse(const char *text, size_t len, int64_t rows_max, struct output_rows *ret);

/* What a value of the type is in JSON. */
enum output_value select_value(const char *type);

/* As struct output_kind's query() and describe(). */
int select_query(struct clickhouse *c, const char *sql, int64_t rows_max, struct output_rows *ret,
                 struct pl_err *err);
int select_describe(struct clickhouse *c, const struct output_target *t, struct output_facts *ret,
                    struct pl_err *err);

/* The range in a token of a target, "TARGET:TOPIC:PARTITION:START:END:TIME" (lib/batch/range.h);
 * `ret->topic` points into `topic`, of `size` bytes. False: no token of this target. Pure. */
bool select_token_range(const char *token, const char *target, char *topic, size_t size,
                        struct output_load *ret);

#endif

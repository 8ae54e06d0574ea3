/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expression.h - a column's `expression`, which is ClickHouse's SQL, in DuckDB's: only what means
 * the same in both.
 *
 *     now(), now64(3, 'UTC')     the time of the insert, as the whole expression
 *     else                       integer columns of the route and integers, + - * ( ), ifNull and
 *                                coalesce; exact, where ClickHouse wraps around
 *
 * Many functions have one name and two meanings (length counts bytes there, characters here), so
 * nothing else is passed on.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_DUCKDB_EXPRESSION_H
#define CHSINKD_DUCKDB_EXPRESSION_H

#include "daemons/chsinkd/route/route.h"

/* Appends the value of `c`, which has an expression, with its type; `now_ms` is realtime. CONFIG:
 * it is none of these. */
int duckdb_expression(const struct route *r, const struct column *c, int64_t now_ms,
                      struct pl_buf *out, struct pl_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - a route's table in a DuckDB database, and the table of positions beside it: created,
 * columns added, compared. Nothing is ever dropped, narrowed or modified.
 *
 * Of a route only the columns count. What is ClickHouse's alone (engine, order, partitions, TTL,
 * codecs, settings, cluster, views) has no effect.
 *
 * Positions: main._chsinkd_offsets(group_id, topic, partition, table_name, next_offset, note,
 * updated_at), one row for each partition of a topic that a group loads into a table; the last
 * loads: loads.h. When the table is made (again), its positions and loads are forgotten with the
 * rows.
 *
 * Threads: one owner of the database.
 */
#ifndef CHSINKD_DUCKDB_TABLE_H
#define CHSINKD_DUCKDB_TABLE_H

#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/output/output.h"
#include "daemons/chsinkd/route/added.h"

#define DUCKDB_OFFSETS "main._chsinkd_offsets"

/* What can be said without a database: every column has a type that holds it, every expression is
 * one that DuckDB can have, rows are kept at all. CONFIG. */
int duckdb_route_check(const struct route *r, struct pl_err *err);

/* The least duckdb.memory_limit with which a table of the route can be written: DuckDB has blocks
 * of 256 KiB for each column, however few rows there are. (Tried with 1.5.6: 256, 512 and 768
 * columns are written with 0.75 MiB for each; 1,024 with 1.25 MiB, not with 1.) With the columns
 * that may be added. */
int64_t duckdb_memory_least(const struct route *r);

/* "CREATE TABLE …" with its comments, statements each ended by ";\n". Appended. */
void duckdb_table_sql(const struct route *r, struct pl_buf *out);

/* The same as output.h's ensure(). `db` NULL: there is no file yet, in a dry run. */
int duckdb_table_ensure(struct duckdb *db, const struct route *r, const struct output_ensure *how,
                        struct output_state *ret, struct pl_err *err);

/* The table has the route's columns with their types, now. CONFIG. */
int duckdb_table_check(struct duckdb *db, const struct route *r, struct pl_err *err);

/* As output.h's columns(). */
int duckdb_table_columns(struct duckdb *db, const struct route *r, struct column_notes *ret,
                         struct pl_err *err);

/* "main", or the schema that the route names. */
const char *duckdb_schema(const struct route *r);
/* Appended: "schema"."table" */
void duckdb_table_name(const struct route *r, struct pl_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loads.h - the last loads of each table, beside its rows: what --show tells, and whoever reads the
 * file can ask.
 *
 * main._chsinkd_loads(number, group_id, topic, partition, table_name, start_offset, end_offset,
 * row_count, loaded_at, took_ms) has the last OUTPUT_LOADS_MAX of a group and a table, numbered as
 * they came. Nothing rests on it but what is shown: the position is _chsinkd_offsets' (table.h),
 * which it leaves as older versions of chsinkd know it. A file that such a one has made gets the
 * table at the next start; one that has it is written by them as before.
 *
 * A load is added in the transaction of its rows. How long it took is known behind the commit,
 * which is the larger part of it, and is written by itself: who dies between leaves NULL.
 *
 * Errors: duckdb_error_kind()'s. Threads: one owner of the database.
 */
#ifndef CHSINKD_DUCKDB_LOADS_H
#define CHSINKD_DUCKDB_LOADS_H

#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/output/facts.h"
#include "daemons/chsinkd/output/output.h"

#define DUCKDB_LOADS_TABLE "_chsinkd_loads"
#define DUCKDB_LOADS       "main." DUCKDB_LOADS_TABLE

/* CREATE TABLE IF NOT EXISTS …; */
extern const char duckdb_loads_sql[];

/* Within the transaction: the range, with this many rows; the oldest goes. */
int duckdb_load_add(struct duckdb *db, const struct output_target *t,
                    const struct output_range *range, int64_t rows, struct pl_err *err);
/* Behind it, for the load that was added last. */
int duckdb_load_took(struct duckdb *db, const struct output_target *t,
                     const struct output_range *range, int64_t took_ms, struct pl_err *err);

/* Tells the loads of group and target, newest first, and where they come from. None: it tells
 * nothing. */
int duckdb_loads_tell(struct duckdb *db, const struct output_target *t, const char *group,
                      struct output_facts *ret, struct pl_err *err);

#endif

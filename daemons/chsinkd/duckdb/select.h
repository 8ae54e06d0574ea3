/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select.h - a person's statement in a DuckDB database, for --show.
 *
 * Threads: one owner of the database.
 */
#ifndef CHSINKD_DUCKDB_SELECT_H
#define CHSINKD_DUCKDB_SELECT_H

#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/output/facts.h"

/* As output.h's query(); 0: all rows. What is not a table's rows (EXPLAIN) is refused: REJECT. From
 * here on the database opens no other file but those of allowed_paths. */
int duckdb_select(struct duckdb *db, const char *sql, int64_t rows_max, struct output_rows *ret,
                  struct pl_err *err);

/* What a value of the type is in JSON. Pure. */
enum output_value duckdb_value(const char *type);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe.h - what a DuckDB file holds of a table: for --show. The database is open to read only.
 *
 * Threads: one owner of the database.
 */
#ifndef CHSINKD_DUCKDB_DESCRIBE_H
#define CHSINKD_DUCKDB_DESCRIBE_H

#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/output/facts.h"
#include "daemons/chsinkd/output/output.h"

/* As output.h's describe(). `db` NULL: there is no file yet. `file`: its path. */
int duckdb_describe(struct duckdb *db, const char *file, const struct output_target *t,
                    const char *group, struct output_facts *ret, struct pl_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - the rows of Iceberg tables for --show: read by DuckDB from the Parquet files of the
 * current snapshot.
 *
 * Rows are read of tables in a local folder, whose snapshot has no delete files and at most
 * ICEBERG_VIEW_FILES_MAX others. What else there is of Iceberg (a column that was renamed since) is
 * for a reader of Iceberg.
 *
 * Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_VIEW_H
#define CHSINKD_ICEBERG_VIEW_H

#include "daemons/chsinkd/iceberg/append.h"
#include "daemons/chsinkd/output/facts.h"

#define ICEBERG_VIEW_FILES_MAX 5000

/* Tables as DuckDB's views. Zero-initialised there is none. */
struct iceberg_views {
    struct pl_buf paths; /* 'file', 'file', …: all that may be read */
    struct pl_buf sql;   /* CREATE SCHEMA …; CREATE OR REPLACE VIEW …; */
    char why_not[200];   /* of the last table that is not among them; "": all are */
};
void iceberg_views_release(struct iceberg_views *v);

/* Adds a table, as its metadata says it is now, and tells the statement for its newest rows. One
 * that cannot be read is left out. */
void iceberg_views_add(struct iceberg_views *views, const struct iceberg_table *t,
                       const cJSON *metadata, struct output_facts *facts);

/* As output.h's query(). */
int iceberg_query(const struct duckdb_library *lib, struct iceberg_views *views, const char *sql,
                  int64_t rows_max, struct output_rows *ret, struct pl_err *err);

#endif

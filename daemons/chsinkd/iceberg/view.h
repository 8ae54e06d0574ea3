/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - the rows of Iceberg tables for --show: read by DuckDB from the Parquet files of the
 * current snapshot.
 *
 * Rows are read of tables whose snapshot has no delete files, and at most ICEBERG_VIEW_FILES_MAX
 * others in a local folder; or in S3, from where files are fetched for each statement that names
 * the table (fetch.h has the limits). The newest rows of one in S3 are those of its newest files.
 * What else there is of Iceberg (a column that was renamed since) is for a reader of Iceberg.
 *
 * Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_VIEW_H
#define CHSINKD_ICEBERG_VIEW_H

#include "daemons/chsinkd/iceberg/fetch.h"
#include "daemons/chsinkd/output/facts.h"

#define ICEBERG_VIEW_FILES_MAX 5000

struct iceberg_remote { /* a table in S3 */
    char *namespace_, *table;
    char *columns; /* a SELECT of its columns without rows */
    struct iceberg_snapshot_files files;
};

/* Tables as DuckDB's views. Zero-initialised there is none. */
struct iceberg_views {
    struct pl_buf paths; /* 'file', 'file', …: all that may be read */
    struct pl_buf sql;   /* CREATE SCHEMA …; CREATE OR REPLACE VIEW …; */
    struct iceberg_remote *remote;
    unsigned remote_n;
    char why_not[200]; /* of the last table that is not among them; "": all are */
};
void iceberg_views_release(struct iceberg_views *v);

/* Adds a table, as its metadata says it is now, and tells the statement for its newest rows. One
 * that cannot be read is left out. */
void iceberg_views_add(struct iceberg_views *views, const struct iceberg_table *t,
                       const cJSON *metadata, struct output_facts *facts);

/* Whether a statement names the table, and its newest files by the name that iceberg_views_add()
 * has given them: as an identifier, or quoted. What only looks so costs a fetch. Pure. */
void iceberg_names(const char *sql, const char *table, bool *ret_table, bool *ret_newest);

/* As output.h's query(). */
int iceberg_query(const struct duckdb_library *lib, struct iceberg_views *views, const char *sql,
                  int64_t rows_max, struct output_rows *ret, struct pl_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parquet.h - a block's rows as Parquet files of an Iceberg table, written by DuckDB's COPY.
 *
 * The rows go into a table in memory; each partition of them becomes a file, with the table's ids
 * of columns in it (FIELD_IDS), by which readers find them whatever their names are by then. One
 * database for each call: nothing is left between two, neither memory nor errors.
 *
 * Needs DuckDB's library (duckdb/library.h). Threads: one at a time.
 */
#ifndef CHSINKD_ICEBERG_PARQUET_H
#define CHSINKD_ICEBERG_PARQUET_H

#include "daemons/chsinkd/batch/block.h"
#include "daemons/chsinkd/duckdb/library.h"
#include "daemons/chsinkd/iceberg/format/manifest.h"
#include "daemons/chsinkd/iceberg/store/store.h"

/* More partitions in one batch are too large: halves have fewer. */
#define ICEBERG_PARTITIONS_MAX 500

struct iceberg_written { /* owns all */
    struct iceberg_data_file *files;
    unsigned n;
};
void iceberg_written_release(struct iceberg_written *w, const struct iceberg_layout *l);

/* Writes all rows (at least one) into new files in `folder`, durable when it returns 0. RETRY,
 * CONFIG; REJECT: a value that the file cannot hold; FATAL: too large, halves may fit. After an
 * error none of the files is there, as far as they could be removed. */
int iceberg_parquet_write(const struct duckdb_library *lib, const struct block *b,
                          const struct iceberg_layout *l, struct iceberg_store *store,
                          const char *folder, struct iceberg_written *ret, struct pl_err *err);

#endif

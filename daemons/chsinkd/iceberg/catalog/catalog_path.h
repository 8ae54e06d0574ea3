/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog_path.h - a path as the catalogue: the table NAMESPACE.TABLE is the folder
 * WAREHOUSE/NAMESPACE/TABLE, its metadata are metadata/vN.metadata.json with ascending N, and
 * metadata/version-hint.text says the newest N (as Hadoop tables of Iceberg's have it, which Spark,
 * DuckDB and ClickHouse read by path).
 *
 * A commit creates the next N, which one of several writers can; the others have a conflict. The
 * hint is written after it and may be late: what counts is the highest N that follows it without a
 * gap. So an N must not be free again while a writer may still be at the one before: metadata
 * files are removed by --maintain alone, a day after.
 *
 * A folder with metadata of other names (00001-UUID.metadata.json) belongs to another catalogue,
 * which knows what is current; it is refused.
 */
#ifndef CHSINKD_ICEBERG_CATALOG_PATH_H
#define CHSINKD_ICEBERG_CATALOG_PATH_H

#include "daemons/chsinkd/iceberg/catalog/catalog.h"
#include "daemons/chsinkd/iceberg/store/store.h"

/* Borrows both. */
struct iceberg_catalog *iceberg_catalog_path_new(const struct iceberg_conf *conf,
                                                 struct iceberg_store *store);

#endif

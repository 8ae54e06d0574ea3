/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append.h - a batch into a table: Parquet files, a manifest, a manifest list, and the commit that
 * makes them count together with the position.
 *
 *     load ── position as expected? ── Parquet ── manifest ─┬─ list ── commit ── done
 *               │ no: done, or moved                        └── conflict: load, ask again
 *
 * Until the commit nothing of it is there for a reader. What a failed try has written is removed,
 * unless the commit may have been done; what a killed process leaves are files that no snapshot
 * names.
 */
#ifndef CHSINKD_ICEBERG_APPEND_H
#define CHSINKD_ICEBERG_APPEND_H

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/duckdb/library.h"
#include "daemons/chsinkd/iceberg/catalog/catalog.h"
#include "daemons/chsinkd/iceberg/store/store.h"
#include "daemons/chsinkd/output/output.h"

struct iceberg_table { /* a target with what serves it; borrowed */
    struct iceberg_catalog *catalog;
    struct iceberg_name name;
    const char *shown; /* for messages */
    const struct route *route;
    const struct duckdb_library *library;
    int uint64;                    /* enum iceberg_uint64 */
    struct iceberg_vended *vended; /* replaced by what each load gives; NULL: not kept */
    /* The store of a location; NULL: err says why. */
    struct iceberg_store *(*store_of)(void *userdata, const char *location, struct pl_err *err);
    void *userdata;
};

/* Loads and checks it. 0 and ret->metadata NULL: there is none. */
int iceberg_table_load(const struct iceberg_table *t, struct iceberg_loaded *ret,
                       struct pl_err *err);

/* Whether files can be written where the table has its data and its metadata: makes the folders.
 * RETRY, CONFIG. (S3 tells it only of a file that is sent.) */
int iceberg_folders_check(const struct iceberg_table *t, const cJSON *metadata, struct pl_err *err);

/* What an insert of the range finds, by the kept position (-1: none) and its note. Pure. */
enum iceberg_verdict { ICEBERG_GO, ICEBERG_THERE, ICEBERG_MOVED };
enum iceberg_verdict iceberg_judge(const struct output_range *range, int64_t kept,
                                   const char *kept_note);

enum output_answer iceberg_append(const struct iceberg_table *t, const struct output_range *range,
                                  const struct batch *b, struct pl_err *err);

#endif

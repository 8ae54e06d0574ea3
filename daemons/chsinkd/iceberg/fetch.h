/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.h - the data files of a table in S3, brought here for one statement of --show: DuckDB's
 * library reads files of this machine, and S3 only with an extension that nobody may have.
 *
 * Files are fetched whole, the newest first, into the store's staging folder, and removed with the
 * struct. At most `bytes_max` of them lie there; one of them is in memory at a time.
 *
 * Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_FETCH_H
#define CHSINKD_ICEBERG_FETCH_H

#include "daemons/chsinkd/iceberg/append.h"

#define ICEBERG_FETCH_BYTES_MAX (INT64_C(256) << 20)
#define ICEBERG_FETCH_FILES_MAX 5000 /* of all of a table */
/* For the newest rows: as a commit a minute gives them, of about the last hour. */
#define ICEBERG_FETCH_NEWEST_MAX 64

enum iceberg_fetch {
    ICEBERG_FETCH_ALL,    /* or none: REJECT, which says what else can be done */
    ICEBERG_FETCH_NEWEST, /* as many as the limits allow */
};

/* A table's current snapshot. Owns texts; the store is asked for as append.h says. */
struct iceberg_snapshot_files {
    char *manifest_list;
    int64_t bytes, files; /* of all data files; -1: the snapshot does not say it */
    int64_t bytes_max;    /* to be fetched: ICEBERG_FETCH_BYTES_MAX */
    struct iceberg_store *(*store_of)(void *userdata, const char *location, struct pl_err *err);
    void *userdata;
};

struct iceberg_fetched { /* zero-initialised it is empty */
    struct pl_buf paths; /* 'file', 'file', … quoted for DuckDB */
    char **staged;       /* those that are removed */
    unsigned n, staged_n;
    int64_t bytes;
};

/* `ret` is to be released in any case. Kinds as the store has them; CONFIG: other writers' delete
 * files, a file that is missing. */
int iceberg_fetch(const struct iceberg_snapshot_files *from, enum iceberg_fetch what,
                  struct iceberg_fetched *ret, struct pl_err *err);
void iceberg_fetched_release(struct iceberg_fetched *f);

#endif

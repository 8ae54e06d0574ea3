/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - the options of `output: iceberg`, as conf.c's table fills them; and how its calls are
 * ended from outside.
 *
 * Threads: the configuration is read-only after load.
 */
#ifndef CHSINKD_ICEBERG_CONF_H
#define CHSINKD_ICEBERG_CONF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum iceberg_catalog_choice { ICEBERG_CATALOG_PATH, ICEBERG_CATALOG_REST };
enum iceberg_uint64 { ICEBERG_UINT64_DECIMAL, ICEBERG_UINT64_REFUSE }; /* Iceberg has none */

struct iceberg_conf {
    int catalog;        /* enum iceberg_catalog_choice */
    char *warehouse;    /* PATH: the directory (or s3://bucket/prefix) that holds namespace/table;
                       * REST: the catalogue's name for it, may be NULL */
    char *namespace_;   /* of a route that names no database; levels are separated by dots */
    char *library;      /* libduckdb, which writes the Parquet files; NULL: searched for */
    int uint64;         /* enum iceberg_uint64 */
    int64_t timeout_ms; /* for one request to the catalogue, and for one file */
};

/* One for each output. Catalogue and store look at it about once a second while they wait, and
 * before they begin: a call is ended (RETRY, "stopped") when it says so. */
struct iceberg_stop {
    atomic_bool aborted;
    bool (*asked)(void); /* may be NULL; called in the thread of the call */
};

static inline bool iceberg_stopped(struct iceberg_stop *s)
{
    return atomic_load(&s->aborted) || (s->asked && s->asked());
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - the options of `output: duckdb`, as conf.c's table fills them.
 *
 * Threads: read-only after load.
 */
#ifndef CHSINKD_DUCKDB_CONF_H
#define CHSINKD_DUCKDB_CONF_H

#include <stdint.h>
#include <string.h>

#include "lib/config/options.h"

#define DUCKDB_LAKE "ducklake:" /* what duckdb.attach begins with; a path follows */

enum duckdb_hold { DUCKDB_HOLD_BATCH, DUCKDB_HOLD_ALWAYS };

struct duckdb_conf {
    char *file;   /* or */
    char *attach; /* "ducklake:/path" of a catalogue, which is a DuckDB file */
    char *library;
    struct pl_strings extensions; /* files, loaded in this order */
    int hold;                     /* enum duckdb_hold */
    int64_t memory_bytes, threads;
    char *storage_version;
};

/* The file that one process at a time has open: the database, or the catalogue. */
static inline char *duckdb_conf_file(const struct duckdb_conf *conf)
{
    return conf->attach ? conf->attach + strlen(DUCKDB_LAKE) : conf->file;
}

#endif

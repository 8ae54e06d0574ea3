/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - the options of `output: duckdb`, as conf.c's table fills them.
 *
 * Threads: read-only after load.
 */
#ifndef CHSINKD_DUCKDB_CONF_H
#define CHSINKD_DUCKDB_CONF_H

#include <stdint.h>

enum duckdb_hold { DUCKDB_HOLD_BATCH, DUCKDB_HOLD_ALWAYS };

struct duckdb_conf {
    char *file, *library;
    int hold; /* enum duckdb_hold */
    int64_t memory_bytes, threads;
    char *storage_version;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - a DuckDB file as an output: rows and position in one transaction. Its configuration is
 * struct duckdb_conf.
 */
#ifndef CHSINKD_DUCKDB_OUTPUT_H
#define CHSINKD_DUCKDB_OUTPUT_H

#include "daemons/chsinkd/duckdb/conf.h"
#include "daemons/chsinkd/output/output.h"

extern const struct output_kind duckdb_output;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - Iceberg tables as an output (daemons/chsinkd/output/output.h). Its configuration is a
 * struct iceberg_conf.
 *
 * Rows and position are one snapshot: positions.h. The Parquet files are DuckDB's, the commit is
 * ours: append.h.
 */
#ifndef CHSINKD_ICEBERG_OUTPUT_H
#define CHSINKD_ICEBERG_OUTPUT_H

#include "daemons/chsinkd/output/output.h"

extern const struct output_kind iceberg_output;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - ClickHouse as an output (daemons/chsinkd/output/output.h). Its configuration is a
 * struct clickhouse_conf.
 */
#ifndef CHSINKD_CLICKHOUSE_OUTPUT_H
#define CHSINKD_CLICKHOUSE_OUTPUT_H

#include "daemons/chsinkd/output/output.h"

extern const struct output_kind clickhouse_output;

#endif

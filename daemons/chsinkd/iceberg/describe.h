/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe.h - what an Iceberg table's metadata tells about it, for --show: columns beside the
 * route's, rows and bytes, the last loads, the kept positions. No data file is read.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_DESCRIBE_H
#define CHSINKD_ICEBERG_DESCRIBE_H

#include "daemons/chsinkd/output/facts.h"
#include "daemons/chsinkd/route/route.h"
#include "lib/json/document.h"

/* `group` is whose positions are told. CONFIG: the positions are damaged. */
int iceberg_describe(const cJSON *metadata, const struct route *r, int uint64, const char *group,
                     struct output_facts *ret, struct pl_err *err);

#endif

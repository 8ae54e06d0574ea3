/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_suggest.h - the ClickHouse type for a field of sampled JSON, for `--schema`.
 *
 * Types and their ranges: ClickHouse docs, "Data types". Pure. Threads: none.
 */
#ifndef CHSINKD_ROUTE_TYPE_SUGGEST_H
#define CHSINKD_ROUTE_TYPE_SUGGEST_H

#include "lib/json/schema.h"

/* A pl_schema_type_fn: the type that holds all values seen without loss. "String",
 * "LowCardinality(String)" (few distinct ones over many), "UInt32", "Int64", "Float64", "Bool",
 * "DateTime64(3)", "UUID"; Nullable(...) where null or absent, LowCardinality(Nullable(String)) for
 * both; nothing for objects (their members are columns); "String" for arrays and mixed types (raw
 * JSON). Integers get 32 bits only where the sample leaves the upper half of the range unused:
 * identifiers grow. */
void type_suggest(const struct pl_schema *p, unsigned i, struct pl_buf *out);

#endif

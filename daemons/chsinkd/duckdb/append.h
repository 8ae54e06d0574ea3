/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append.h - a block's columns as DuckDB's: which type each one has there, and the rows into an
 * appender, vector by vector, without another form between.
 *
 *     String, LowCardinality(String)   VARCHAR (UTF-8 only)
 *     Bool, (U)Int8-64, Float32/64     BOOLEAN, (U)TINYINT … (U)BIGINT, FLOAT, DOUBLE
 *     Int128, UInt128                  HUGEINT, UHUGEINT
 *     Decimal of up to 38 digits       DECIMAL
 *     Date, Date32                     DATE
 *     DateTime, DateTime64(0)          TIMESTAMP_S
 *     DateTime64(1-3)                  TIMESTAMP_MS
 *     DateTime64(4-6)                  TIMESTAMP
 *     DateTime64(7-9)                  TIMESTAMP_NS (1677 to 2262)
 *     the same with a zone, up to 6    TIMESTAMP WITH TIME ZONE (µs; the zone is not kept)
 *     UUID                             UUID
 *     Enum, IPv4, IPv6                 VARCHAR: the name, the address
 *
 * Exact: what the type cannot hold is refused, never changed. Source: DuckDB docs, "Data Types".
 *
 * Threads: one owner of the appender.
 */
#ifndef CHSINKD_DUCKDB_APPEND_H
#define CHSINKD_DUCKDB_APPEND_H

#include "daemons/chsinkd/batch/block.h"
#include "daemons/chsinkd/duckdb/library.h"

struct duckdb_type {
    enum duckdb_type_id id;
    char sql[32]; /* as DuckDB's own catalogue spells it */
};

/* CONFIG: DuckDB has none that holds it; the message says which types there are instead. */
int duckdb_type_of(const struct ch_type *t, struct duckdb_type *ret, struct pl_err *err);

/* The types of the block's columns, in their order (those of the route without `expression`), for
 * appender_create_query(). All of them have one. `ret` has room for route->columns_n; the caller
 * destroys each. */
unsigned duckdb_block_types(const struct duckdb_library *lib, const struct route *r,
                            struct duckdb_logical_type **ret);

/* Appends all rows of the block to an appender whose columns are the block's, in this order. Not
 * flushed. REJECT: a value is not UTF-8, or a time does not fit; else what DuckDB says, as in
 * database.h. The appender is of no use after an error. */
int duckdb_block_append(const struct duckdb_library *lib, struct duckdb_appender *appender,
                        const struct block *b, struct pl_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transform.h - Iceberg's types and partition transforms, as far as chsinkd writes them.
 *
 * Spec: "Primitive Types", "Partition Transforms", "Appendix D: Single-value serialization". A
 * partition's value is an integer (year, month, day, hour: since 1970), or the column's own.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_ICEBERG_TRANSFORM_H
#define CHSINKD_ICEBERG_TRANSFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

enum iceberg_type {
    ICEBERG_BOOLEAN,
    ICEBERG_INT,
    ICEBERG_LONG,
    ICEBERG_FLOAT,
    ICEBERG_DOUBLE,
    ICEBERG_DECIMAL, /* (20, 0): all of UInt64 */
    ICEBERG_DATE,
    ICEBERG_TIMESTAMP,   /* microseconds, without a zone: UTC's */
    ICEBERG_TIMESTAMPTZ, /* microseconds */
    ICEBERG_STRING,
    ICEBERG_UUID,
};

enum iceberg_transform {
    ICEBERG_IDENTITY,
    ICEBERG_YEAR,
    ICEBERG_MONTH,
    ICEBERG_DAY,
    ICEBERG_HOUR,
};

/* As table metadata spells it: "long", "decimal(20, 0)". */
const char *iceberg_type_name(enum iceberg_type t);
/* false: a type that chsinkd does not write. Spaces do not count. */
bool iceberg_type_parse(const char *name, enum iceberg_type *ret);

const char *iceberg_transform_name(enum iceberg_transform t);
bool iceberg_transform_parse(const char *name, enum iceberg_transform *ret);
/* Whether a partition can be made of a column of that type. */
bool iceberg_transform_takes(enum iceberg_transform t, enum iceberg_type source);
/* The type of its values. */
enum iceberg_type iceberg_transform_type(enum iceberg_transform t, enum iceberg_type source);

/* A partition field's value, or a bound of a column. */
struct iceberg_value {
    bool null;
    int64_t number; /* boolean, int, long, date, timestamps */
    char *text;     /* string: owned by whoever made it */
    size_t text_len;
};

/* Whether a value of that type fits into a struct iceberg_value. */
bool iceberg_type_has_value(enum iceberg_type t);
/* Appends its single-value serialization. */
void iceberg_value_bytes(const struct iceberg_value *v, enum iceberg_type t, struct pl_buf *out);

/* ---- in SQL, for what DuckDB computes ---- */

/* The type that a column is cast to before it is written, so that Parquet has what Iceberg wants
 * (spec, "Appendix A: Parquet"). */
const char *iceberg_type_sql(enum iceberg_type t);

/* Appends the expression of a partition field's value as BIGINT or VARCHAR, of a column of that
 * type; `column` is quoted already. */
void iceberg_transform_sql(enum iceberg_transform t, enum iceberg_type source, const char *column,
                           struct pl_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - a route's columns as those of an Iceberg table: which types, which ids, what is to be
 * added, what cannot be.
 *
 *     String, LowCardinality        string      Bool             boolean
 *     Int8 Int16 Int32 UInt8 UInt16 int         Int64 UInt32     long
 *     UInt64                        decimal(20, 0), or refused (iceberg.uint64); long where it is
 *                                   an offset or a time of Kafka's, which never has the top bit
 *     Float32, Float64              float, double    UUID        uuid
 *     Enum, IPv4, IPv6              string: the name, the address
 *     Date, Date32                  date             DateTime, DateTime64(0..6)  timestamptz
 *
 * DateTime64(7..9) is refused: Iceberg's times end at microseconds. So are Decimal, FixedString and
 * the integers of 128 and 256 bits. A table that is there may have
 * a wider type (long for int, double for float), or timestamp for timestamptz (taken as UTC).
 *
 * Pure. Threads: any; a layout has one owner.
 */
#ifndef CHSINKD_ICEBERG_SCHEMA_H
#define CHSINKD_ICEBERG_SCHEMA_H

#include "daemons/chsinkd/iceberg/conf.h"
#include "daemons/chsinkd/iceberg/format/transform.h"
#include "daemons/chsinkd/route/added.h"
#include "lib/json/document.h"

#define ICEBERG_PARTITION_FIELDS_MAX 16

struct iceberg_field { /* a column that is written */
    const struct column *column;
    int64_t id;
    enum iceberg_type type;
};

struct iceberg_partition_field {
    int64_t id;
    char *name;      /* owned */
    unsigned source; /* index of the layout's fields */
    enum iceberg_transform transform;
    enum iceberg_type type; /* of its values */
};

/* How a batch of a route is written into a table. Owns its arrays; borrows the route. */
struct iceberg_layout {
    struct iceberg_field *fields;
    unsigned fields_n;
    int64_t schema_id, spec_id;
    struct iceberg_partition_field partition[ICEBERG_PARTITION_FIELDS_MAX];
    unsigned partition_n;
};

void iceberg_layout_release(struct iceberg_layout *l);

/* Of a column with a value (no `expression`). CONFIG: it has no type there, and what to do. */
int iceberg_type_of(const struct column *c, int uint64, enum iceberg_type *ret, struct pl_err *err);

/* Whether a column that is there, of that type (NULL: a nested one), can be written. */
bool iceberg_column_fits(const struct column *c, int uint64, const char *type, bool required);

/* The schema and the partition spec that a new table gets: the route's columns in their order with
 * ids from 1, NOT NULL ones required; partition_by as in ClickHouse, if it is a column,
 * toYYYYMM(column), toYYYYMMDD(column), toDate(column), toYear(column), toStartOfHour(column), or
 * several of these in brackets. CONFIG: what has no counterpart. */
int iceberg_schema_new(const struct route *r, int uint64, cJSON **ret_schema, cJSON **ret_spec,
                       struct pl_err *err);

/* Whether a table can be made of it: the same, without one. */
int iceberg_route_check(const struct route *r, int uint64, struct pl_err *err);

/* The current schema with the columns that it lacks added, optional, with new ids; *ret_schema is
 * NULL if it lacks none. `added` is called for each. */
int iceberg_schema_grow(const struct route *r, int uint64, const cJSON *metadata,
                        cJSON **ret_schema, int64_t *ret_last_column_id,
                        void (*added)(void *userdata, const char *column), void *userdata,
                        struct pl_err *err);

/* How to write into the table as it is. CONFIG, with what a person can do: a column is missing, or
 * of a type that cannot hold the route's; a required one that the route has not; a partition that
 * chsinkd cannot make. */
int iceberg_layout_of(const struct route *r, int uint64, const cJSON *metadata,
                      struct iceberg_layout *ret, struct pl_err *err);

/* As output.h's columns(): the comments are the fields' "doc". */
void iceberg_schema_columns(const cJSON *metadata, struct column_notes *ret);

/* The schema or spec that metadata says is the current one; NULL: none. */
const cJSON *iceberg_schema_current(const cJSON *metadata);
const cJSON *iceberg_spec_current(const cJSON *metadata);

#endif

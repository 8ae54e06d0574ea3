/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type.h - the ClickHouse types that a column can have: from text, and compared with a server's.
 *
 * Types and their spelling: ClickHouse docs, "Data types"; system.data_type_families has aliases
 * and which names are case-insensitive. Pure. Threads: immutable after parsing.
 */
#ifndef CHSINKD_ROUTE_TYPE_H
#define CHSINKD_ROUTE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum ch_kind {
    CH_STRING,
    CH_BOOL,
    CH_INT8,
    CH_INT16,
    CH_INT32,
    CH_INT64,
    CH_UINT8,
    CH_UINT16,
    CH_UINT32,
    CH_UINT64,
    CH_FLOAT32,
    CH_FLOAT64,
    CH_DATE,
    CH_DATETIME,
    CH_DATETIME64,
    CH_UUID,
    CH_INT128,
    CH_INT256,
    CH_UINT128,
    CH_UINT256,
    CH_DECIMAL, /* of all widths */
    CH_DATE32,
    CH_ENUM8,
    CH_ENUM16,
    CH_IPV4,
    CH_IPV6,
    CH_FIXED_STRING,
    CH_OTHER, /* only the server knows it: of columns with an expression, which are not sent */
    CH_ARRAY,
    CH_MAP,
    CH_TUPLE,
    CH_JSON,
};

#define CH_DECIMAL_PRECISION_MAX 76
#define CH_FIXED_STRING_MAX      256 /* beyond it ClickHouse wants a setting, too */
#define CH_ENUM_NAME_MAX         255 /* ours */

/* The days of a Date32: 1900-01-01 to 2299-12-31. */
#define CH_DATE32_MIN (-25567)
#define CH_DATE32_MAX 120529

/* Containers within each other: Array(Map(String, Tuple(...))) is 3 deep. */
#define CH_NESTED_MAX 4
#define CH_TUPLE_MAX  64 /* elements */

/* The seconds of a DateTime64: 1900-01-01 00:00:00 to 2299-12-31 23:59:59. At scale 9 int64 ends in
 * 2262. */
#define CH_DATETIME64_MIN_S INT64_C(-2208988800)
#define CH_DATETIME64_END_S INT64_C(10413792000)

struct ch_enum_name {
    char *name;
    size_t len;
    int16_t number;
};

struct ch_type {
    enum ch_kind kind;
    bool nullable, low_cardinality;
    unsigned scale;             /* DateTime64: 0..9; Decimal: 0..precision */
    unsigned precision;         /* Decimal: all its digits, 1..76 */
    unsigned length;            /* FixedString: its bytes */
    struct ch_enum_name *names; /* Enum: by number */
    struct ch_enum_name **by_name;
    unsigned names_n;
    int32_t zero;          /* the default, where it is not 0: Enum, Date32 */
    char *timezone;        /* DateTime('UTC'): as given, or NULL */
    struct ch_type *parts; /* Array: of its elements; Map: keys and values; Tuple: each element's */
    unsigned parts_n;
    char **part_names; /* of a named Tuple; else NULL */
    char *parameters;  /* JSON(...): as given, between the brackets; or NULL */
    char *ddl;  /* the whole type as ClickHouse spells it: "LowCardinality(Nullable(String))" */
    char *wire; /* as sent in a Native block: without LowCardinality */
};

/* JSON, or JSON somewhere inside. */
bool ch_type_has_json(const struct ch_type *t);

/* Made of other values: Array, Map and Tuple. JSON is not, it is a text. */
static inline bool ch_type_is_nested(const struct ch_type *t)
{
    return t->parts_n > 0;
}

/* Parses a type's text; CONFIG error naming what is supported. */
int ch_type_parse(const char *text, struct ch_type *ret, struct pl_err *err);
/* Takes a text that is none of them but looks like a type: CH_OTHER. */
int ch_type_parse_other(const char *text, struct ch_type *ret, struct pl_err *err);
void ch_type_release(struct ch_type *t);
/* True when the text that the server gives for a column is the same type (spaces, letter case of
 * aliases and a default time zone apart). What only the server knows only the server can compare:
 * true for CH_OTHER. */
bool ch_type_matches(const struct ch_type *t, const char *server_type);

/* Bytes of a value in a block and in a Native column; 0: String. */
unsigned ch_type_width(const struct ch_type *t);

/* Of an Enum's names; NULL: it has none such. */
const struct ch_enum_name *ch_enum_find(const struct ch_type *t, const char *name, size_t len);
const struct ch_enum_name *ch_enum_at(const struct ch_type *t, int64_t number);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - the fields of a sample of JSON documents: paths, types, how often, ranges, examples.
 * Behind `--schema` of all daemons. The type that a database needs for a field comes from a
 * function that is given to pl_schema_print().
 *
 * Paths are dotted ("meta.id"; a key that is empty, begins with a dollar or holds a dot, a bracket,
 * a quote, a backslash, white space or a control character is quoted: a."b.c"), elements of arrays
 * are "path[*]". A document that is an object is not a field, only its members are; any other is
 * "$", its elements "$[*]". The first 2,000 paths of at most 1,024 bytes are kept (values at others
 * are counted), depth 16. Of a key that an object holds twice, the first value counts.
 *
 * Threads: one owner. No I/O.
 */
#ifndef PL_JSON_SCHEMA_H
#define PL_JSON_SCHEMA_H

#include "lib/json/reader.h"

#define PL_SCHEMA_DISTINCT_MAX 64
#define PL_SCHEMA_FIELDS_MAX   2000
#define PL_SCHEMA_SLOTS        4096 /* a power of two, less than half full */

struct pl_schema_field {
    char *path;
    uint64_t present; /* documents (below [*]: elements) in which it is there, null included */
    uint64_t nulls, bools, integers, floats, strings, arrays, objects;
    int64_t int_min, int_max;       /* integers that fit; else the flags */
    bool int_overflow;              /* an integer beyond int64 */
    bool uint_fits;                 /* all integers >= 0 */
    bool float_overflow;            /* a fraction or exponent that no double holds */
    bool all_times;                 /* every string is a time, as pl_time_parse() has it */
    int64_t time_min_s, time_max_s; /* of the times, seconds since 1970 */
    unsigned time_digits;           /* greatest number of fraction digits in them */
    unsigned time_digits_needed;    /* the same without the zeros at their end */
    bool nanoseconds_overflow;      /* a time of which int64 cannot count the nanoseconds */
    bool all_uuids;                 /* every string is a UUID in 8-4-4-4-12 form */
    uint64_t string_len_max;
    unsigned distinct; /* distinct strings seen; PL_SCHEMA_DISTINCT_MAX means "or more" */
    char example[64];  /* first non-null scalar, cut at a character */
    bool repeated;     /* an object holds it twice */
    bool no_text;      /* a string holds half of a surrogate pair */
    bool nameless;     /* a key on its path does, or a control character */

    /* For schema.c. */
    uint64_t hash;                      /* of the path */
    const struct pl_schema_field *base; /* the array element that it is in; NULL: the document */
    uint64_t instance;                  /* in which it was last seen */
    bool int_fitted;                    /* int_min and int_max are set */
    uint64_t *distinct_hashes;          /* of the strings, `distinct` of them */
};

struct pl_schema {
    uint64_t documents; /* the valid ones */
    uint64_t invalid;
    uint64_t left_out; /* values at paths that are not kept */
    unsigned n;
    struct pl_schema_field *fields[PL_SCHEMA_FIELDS_MAX]; /* as first seen, parents first */

    /* For schema.c. */
    uint16_t slots[PL_SCHEMA_SLOTS]; /* hash table: index + 1 into fields; 0: empty */
    uint64_t instances;
    struct pl_buf path; /* of the value that the walk is at */
    struct pl_buf text; /* of the string that the walk is at */
    bool nameless;      /* a key above the value is */
};

struct pl_schema *pl_schema_new(void);
void pl_schema_free(struct pl_schema *p);
PL_DEFINE_CLEANUP(struct pl_schema *, pl_schema_free);

/* One document; a byte order mark before it is passed over (RFC 8259, 8.1). false: not valid JSON,
 * *ret_error is a constant sentence; it is counted and changes nothing else. */
bool pl_schema_add(struct pl_schema *p, const char *json, size_t len, const char **ret_error);

/* How many documents (below [*]: elements) could have had the field: `present` is at most this. */
uint64_t pl_schema_field_rows(const struct pl_schema *p, unsigned i);

/* It is null or absent somewhere. */
bool pl_schema_field_is_optional(const struct pl_schema *p, unsigned i);

/* Appends the type for field `i`; nothing where it has none. */
typedef void pl_schema_type_fn(const struct pl_schema *p, unsigned i, struct pl_buf *out);

/* One such function: "String", "Integer", "Number", "Boolean", "Time", "UUID", "Array", "Mixed",
 * "Null"; "…, optional" where null or absent; nothing for objects (their members are fields). */
void pl_schema_type(const struct pl_schema *p, unsigned i, struct pl_buf *out);

/* A table for a terminal: path, presence, what was seen, the type (titled `title`), range,
 * example. */
void pl_schema_print(const struct pl_schema *p, const char *title, pl_schema_type_fn *type,
                     struct pl_buf *out);

#endif

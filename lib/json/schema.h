/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - what fields a sample of JSON documents has: paths, types, how often, ranges,
 * examples. Behind `--schema` of all daemons. Which type a database needs for it is the business of
 * who knows the database: it gives a function that pl_schema_print() asks.
 *
 * Paths are dotted ("meta.id"; a key that is empty or holds a dot, a bracket, a quote, white space
 * or a control character stands in quotes: a."b.c"), elements of arrays are "path[*]". A document
 * that is an object is not a field itself, only its members are; one that is something else is "$",
 * its elements "$[*]". Only the first 2,000 paths of at most 1,024 bytes are kept (values at others
 * are counted), depth 16. Of a key that an object holds twice, the first value counts.
 *
 * Threads: one owner. No I/O.
 */
#ifndef PL_JSON_SCHEMA_H
#define PL_JSON_SCHEMA_H

#include "lib/json/reader.h"

#define PL_SCHEMA_DISTINCT_MAX 64

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
};

struct pl_schema;
struct pl_schema *pl_schema_new(void);
void pl_schema_free(struct pl_schema *p);
PL_DEFINE_CLEANUP(struct pl_schema *, pl_schema_free);

/* One document. false: not valid JSON (counted, *ret_error a constant sentence; nothing else of it
 * enters the profile). */
bool pl_schema_add(struct pl_schema *p, const char *json, size_t len, const char **ret_error);

uint64_t pl_schema_documents(const struct pl_schema *p); /* the valid ones */
uint64_t pl_schema_invalid(const struct pl_schema *p);
uint64_t pl_schema_left_out(const struct pl_schema *p); /* values at paths that are not kept */
/* In the order first seen, parents before children. */
unsigned pl_schema_count(const struct pl_schema *p);
const struct pl_schema_field *pl_schema_field(const struct pl_schema *p, unsigned i);

/* How many documents (below [*]: elements) there were that could have had the field; `present` is
 * at most this. */
uint64_t pl_schema_field_rows(const struct pl_schema *p, unsigned i);

/* Whether it is null or absent somewhere. */
bool pl_schema_field_is_optional(const struct pl_schema *p, unsigned i);

/* Appends the type for field `i`; nothing where it has none of its own. */
typedef void pl_schema_type_fn(const struct pl_schema *p, unsigned i, struct pl_buf *out);

/* The types of JSON, and what its texts hold: "String", "Integer", "Number", "Boolean", "Time",
 * "UUID", "Array", "Mixed", "Null"; "…, optional" where null or absent; nothing for objects (their
 * members are fields). */
void pl_schema_type(const struct pl_schema *p, unsigned i, struct pl_buf *out);

/* A table for a terminal: path, presence %, what was seen, the type with `title` above it, range,
 * example. */
void pl_schema_print(const struct pl_schema *p, const char *title, pl_schema_type_fn *type,
                     struct pl_buf *out);

#endif

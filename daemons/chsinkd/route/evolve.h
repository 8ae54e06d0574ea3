/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evolve.h - `unknown_fields: add`: which fields of the messages become columns, and why others
 * never do.
 *
 * A field is judged once it has come add.after times with a value. It becomes a column if
 *
 *     its values are all of one type: integers (Int64), numbers (Float64), booleans (Bool) or texts
 *     (String), which the column takes as Nullable, the widest of its kind: what else comes later
 *     is NULL there and counted (invalid: null), and no time or UUID is guessed;
 *     no column of the route reads it, something above it or below it;
 *     it is not inside of an array, and at most EVOLVE_DEPTH_MAX keys deep;
 *     none of its keys looks like data: 1 to EVOLVE_KEY_MAX letters, digits and _ - . that begin
 *     with a letter (or _ @ $ before one), no run of five digits and no year, not a third of it
 *     digits, not hexadecimal from end to end; nor does an object above it hold many keys alike
 *     that come seldom, as one by user or country does: EVOLVE_ALIKE_MAX of the same type, each in
 *     less than half of the objects (in the row itself EVOLVE_ALIKE_ROW_MAX);
 *     its name, made of the path as by --schema, is not another column's, letter case apart;
 *     add.columns_max is not reached.
 *
 * Pure. Threads: none.
 */
#ifndef CHSINKD_ROUTE_EVOLVE_H
#define CHSINKD_ROUTE_EVOLVE_H

#include "daemons/chsinkd/route/route.h"
#include "lib/json/schema.h"

#define EVOLVE_DEPTH_MAX     4
#define EVOLVE_KEY_MAX       64
#define EVOLVE_ALIKE_MAX     8
#define EVOLVE_ALIKE_ROW_MAX 32

struct evolve_field {
    char *path;       /* $.a.b; that of the object whose keys are alike, once */
    char *name;       /* NULL where `why` is said before it has one */
    const char *type; /* a constant; NULL as name */
    uint64_t seen;    /* how often a value has come, */
    uint64_t of;      /* of so many messages (elements) */
    const char *why;  /* a constant: why there is no column; NULL: it is to be added */
};

struct evolve_fields {
    struct evolve_field *v;
    unsigned n;
};

void evolve_release(struct evolve_fields *f);

/* The fields of a sample of the route's messages that are judged. */
void evolve_judge(const struct route *r, const struct pl_schema *sample, struct evolve_fields *ret);

/* A key of an object that is data, not a name. */
bool evolve_key_is_data(const char *key);

#endif

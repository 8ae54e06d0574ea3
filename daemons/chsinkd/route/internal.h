/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what route.c (the file) and column.c (one column) share.
 */
#ifndef CHSINKD_ROUTE_INTERNAL_H
#define CHSINKD_ROUTE_INTERNAL_H

#include "daemons/chsinkd/route/route.h"

#define ROUTE_TEXT_MAX 65536

#define finding(errs, node, ...) pl_findings_add((errs), (node)->line, (node)->column, __VA_ARGS__)

/* A key's value, or the mapping if it has no such key: the place for a finding. */
static inline const struct pl_node *node_of(const struct pl_node *map, const char *key)
{
    const struct pl_node *n = pl_node_get(map, key);
    return n ? n : map;
}

/* A name that can be shown and quoted: UTF-8 without control characters. */
bool name_valid(const char *name);

/* The path goes from the message into the array of the rows: it never has a value. */
bool path_is_below_rows(const struct route *r, const struct column_path *p);

/* "" becomes NULL, so that readers of a route need to know one form only. */
void text_normalize(char **text);

/* Puts the value in the place of each {} of a text; false: there is none. */
bool split_fill(char **text, const char *value);
/* `table_by`: makes the route that of the i-th value. Database, table and when are set. */
void split_apply(struct route *r, const char *by, const struct pl_strings *values, unsigned i,
                 const struct pl_node *root, struct pl_findings *errs);

/* Fills *c (zeroed) from a mapping as far as possible; it is released in any case. */
void column_load(struct pl_node *node, struct column *c, struct pl_findings *errs);
void column_release(struct column *c);

/* column_nested.c: columns inside containers. Once the column's options are set: */
void column_nest(struct column *c);
void column_nest_release(struct column *c);
/* A bit for the kind of each value that the column has, or has inside. */
unsigned type_kinds(const struct ch_type *t);
/* Once all columns are there: the keys of those whose arrays are made of the same array. */
void columns_group_each(struct column *columns, unsigned n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_nested.h - types made of types: Array(T), Map(K, V), Tuple(T, ...), Tuple(name T, ...); and
 * JSON, whose parameters are the server's affair. For type.c.
 *
 * Spelling: ClickHouse docs, "Array", "Map", "Tuple", "JSON"; names of a Tuple as backQuoteIfNeed()
 * (src/Common/quoteString.cpp) writes them.
 */
#ifndef CHSINKD_ROUTE_TYPE_NESTED_H
#define CHSINKD_ROUTE_TYPE_NESTED_H

#include "daemons/chsinkd/route/type_cursor.h"

/* What a finding says is possible. */
extern const char type_nested_supported[];

/* One of the four names stands there. */
bool type_nested_begins(struct cursor c);

/* Each moves *c behind the type; `depth` containers are around it. *ret is untouched if it is no
 * type. The first is any type (type.c). */
bool type_parse(struct cursor *c, unsigned depth, struct ch_type *ret);
bool type_nested_parse(struct cursor *c, unsigned depth, struct ch_type *ret);

/* JSON alone, unspelled: it may stand in Nullable. */
bool type_json_parse(struct cursor *c, struct ch_type *ret);
void type_nested_spell(struct ch_type *t);
void type_nested_release(struct ch_type *t);

bool type_same(const struct ch_type *a, const struct ch_type *b); /* type.c */
bool type_nested_same(const struct ch_type *a, const struct ch_type *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.h - a route for a sample of messages, as text: `--schema`.
 *
 * The route takes each message of its own sample: no dead letter comes of them, but for messages
 * that are no objects where others are, and for null among the objects of an array; a comment
 * counts them. A field that no column can
 * have (below) is left out, with a comment that says why. Columns beyond ROUTE_COLUMNS_MAX are left
 * out.
 *
 *     an object in every message          its members are columns
 *     an array, or of several types, or   a String with json: true: the value's own text
 *     a text that is no Unicode
 *     a key that an object holds twice    left out with all below it: which one is meant?
 *     a key that no path can name         left out
 *
 * Names are made of the path, meta.id -> meta_id; of two that would be the same the second gets a
 * number.
 *
 * Pure. Threads: none.
 */
#ifndef CHSINKD_ROUTE_SUGGEST_H
#define CHSINKD_ROUTE_SUGGEST_H

#include "lib/json/schema.h"

/* Appends the YAML of a route for messages of `topic`. */
void route_suggest(const struct pl_schema *p, const char *topic, struct pl_buf *out);

/* Into an empty buffer: the name of a column for a path, of letters, digits and '_'. */
void suggest_name(const char *path, struct pl_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - the paths of a route: $.meta.dt, @.x."a.b", $.series[*].
 *
 * '$' (the message) or '@' (the row's element), then any number of ".key"; then perhaps "[*].key".
 * A key with a dot, a bracket, a quote or a space is in double quotes, where \" and \\ are the
 * quote and the backslash. Keys are compared with the unescaped keys of the JSON text.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_ROUTE_PATH_H
#define CHSINKD_ROUTE_PATH_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define ROUTE_PATH_KEYS_MAX 32

struct column_path {
    bool from_row;
    char **keys;
    unsigned keys_n;
    unsigned each; /* $.a[*].b: the keys before the [*], one follows; 0: there is none */
};

/* A column's path ("$.a.\"b.c\"", "@.x", "$.a[*].b"), and that of the rows ("$"; with *ret_each
 * "$.a[*]", "$[*]"). CONFIG errors. */
int column_path_parse(const char *text, struct column_path *ret, struct pl_err *err);
int rows_path_parse(const char *text, struct column_path *ret, bool *ret_each, struct pl_err *err);
void column_path_release(struct column_path *path);

/* Appends the path as column_path_parse() takes it, a key in quotes only where it needs them: of
 * two equal paths the same text. Without [*]. */
void column_path_print(const struct column_path *path, struct pl_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition.h - `when:` of a route, which rows it takes, as a text and parsed.
 *
 *     $.type == "edit" and not exists($.log_id) or @.n in [1, 2]
 *
 *     condition = both { "or" both }
 *     both      = one { "and" one }
 *     one       = "not" one | "(" condition ")" | "exists" "(" path ")" | path test
 *     test      = ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) scalar
 *               | "in" "[" scalar { "," scalar } "]"
 *     scalar    = a string, a number, true or false, as in JSON
 *     path      = as of columns (path.h); a key with one of = ! < > ( ) , is in quotes, too
 *
 * White space may stand between all of these. "!=" is "not" of "==".
 *
 * Parsed, it is a list of nodes, each behind those that it joins, so that one pass from the first
 * to the last evaluates it, without recursion; the last one is the whole.
 *
 * Limits: below. Pure. Threads: any; a parsed condition is not changed.
 */
#ifndef CHSINKD_ROUTE_CONDITION_H
#define CHSINKD_ROUTE_CONDITION_H

#include "daemons/chsinkd/route/path.h"
#include "lib/json/reader.h"

#define CONDITION_NODES_MAX  256  /* comparisons, and, or, not */
#define CONDITION_VALUES_MAX 1024 /* that paths are compared with, in all */
#define CONDITION_DEPTH_MAX  32   /* of parentheses and nots */

enum condition_kind {
    CONDITION_AND,
    CONDITION_OR,
    CONDITION_NOT,
    CONDITION_EXISTS,
    CONDITION_EQUAL, /* to one of the values */
    CONDITION_LESS,  /* these have one value, a string or a number */
    CONDITION_LESS_EQUAL,
    CONDITION_GREATER,
    CONDITION_GREATER_EQUAL,
};

struct condition_node {
    enum condition_kind kind;
    unsigned left, right;        /* AND, OR: nodes; NOT: left */
    unsigned path;               /* the others: index in `paths` */
    unsigned value_at, values_n; /* comparisons: in `values` */
};

struct condition_value {
    enum pl_json_type type; /* STRING, NUMBER, TRUE or FALSE */
    struct pl_buf text;     /* STRING: unescaped */
    struct pl_json_num num; /* NUMBER: in `text` */
};

struct condition { /* zeroed: none */
    struct condition_node *nodes;
    unsigned nodes_n;
    struct column_path *paths;
    unsigned paths_n;
    struct condition_value *values;
    unsigned values_n;
};

/* CONFIG errors, with the character at which it is wrong; then *ret is not touched. */
int condition_parse(const char *text, struct condition *ret, struct pl_err *err);
void condition_release(struct condition *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - --show: what was loaded, where loading stands, and whether output and group agree.
 *
 *     show.c      asks, in this order: the group, the output, the group again, the dead letters
 *     group.c     Kafka's side: offsets, announcements, ends, members
 *     letters.c   dead letters by reason, and the newest of them
 *     agree.c     pure: do output and group agree?
 *     text.c, json.c   what was found, for people and for programs; pure but for stdout
 *     layout.c    pure: tables, sizes, times
 *
 * Works beside a running service and without one: nothing is written or committed, no group is
 * joined. What cannot be asked is told in its place; the first such error is the result.
 *
 * Threads: one (and librdkafka's own).
 */
#ifndef CHSINKD_SHOW_SHOW_H
#define CHSINKD_SHOW_SHOW_H

#include "daemons/chsinkd/conf.h"
#include "daemons/chsinkd/output/facts.h"
#include "daemons/chsinkd/show/group.h"
#include "daemons/chsinkd/show/letters.h"

#define SHOW_ROWS_DFLT 3
#define SHOW_ROWS_MAX  1000
/* Rows of --sql. */
#define SHOW_SQL_ROWS_MAX 1000

struct show_ask {
    const char *route; /* NULL: all */
    const char *sql;   /* only this statement; NULL: none */
    int64_t dead;      /* so many of the newest dead letters are shown */
    int64_t rows;      /* so many of the newest rows */
    bool json;
};

struct show_group {
    const char *name;
    struct show_client client;
    struct show_members members; /* unless Kafka does not answer */
};

struct show_route {
    const struct route *route;
    struct show_group *group;
    struct output_target *target;

    struct pl_err output_err; /* kind NONE: the facts are there */
    struct output_facts facts;
    struct pl_err rows_err;
    struct output_rows newest;
    struct pl_err ensure_err;
    struct output_state state;
    struct pl_buf plan; /* what a start would run; "": nothing */

    struct pl_err group_err;
    struct show_partitions partitions; /* of the route's topics */
};

struct show {
    const struct chsinkd_conf *conf;
    const struct show_ask *ask;
    const struct output_kind *kind;
    const char *where;
    int64_t now_ms;
    size_t width; /* of the terminal, in characters */
    struct show_route *routes;
    unsigned routes_n;
    struct show_group *groups; /* of the configuration's routes, each once */
    unsigned groups_n;
    struct pl_err kafka_err; /* Kafka does not answer: there are neither partitions nor letters */
    struct pl_err letters_err;
    struct show_letters letters;
};

/* Prints to stdout. The error is the first of what could not be asked; for a route that does not
 * exist it is CONFIG. */
int show_run(const struct chsinkd_conf *conf, const struct show_ask *ask, struct pl_err *err);

/* text.c: one route in all its parts, several as a line each. */
void show_text(struct show *s, struct pl_buf *out);
/* As a table where it is not wider than `width`, else each row as lines of column and value. */
void show_text_rows(const struct output_rows *rows, size_t width, struct pl_buf *out);
/* json.c: one document, ended by a newline. */
void show_json(struct show *s, struct pl_buf *out);
void show_json_rows(const struct output_rows *rows, struct pl_buf *out);

#endif

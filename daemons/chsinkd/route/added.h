/* SPDX-License-Identifier: Apache-2.0 */
/*
 * added.h - columns that `unknown_fields: add` has given to a table: how the table tells them from
 * a person's, and a route with them.
 *
 * Nothing but the table knows them, so each instance and each start sees the same. A column is one
 * of them by its comment, to the letter:
 *
 *     added by chsinkd: path $.meta.device
 *
 * with a path just as column_path_print() writes it. Name and type are the table's: a person may
 * rename the column, give it another type (Nullable), or take it over by a comment of his own or by
 * writing it into the route's file. Of a message without the field, or with one that does not fit,
 * it has NULL: no message becomes a dead letter by a column that came by itself.
 *
 * Pure. Threads: a route's owner.
 */
#ifndef CHSINKD_ROUTE_ADDED_H
#define CHSINKD_ROUTE_ADDED_H

#include "daemons/chsinkd/route/route.h"

/* A column as a table has it. */
struct column_note {
    char *name;
    char *type;    /* ClickHouse's, or one that no column of ours has */
    char *comment; /* "": none */
};

struct column_notes {
    struct column_note *v;
    unsigned n;
};

/* Copies. */
void column_notes_add(struct column_notes *notes, const char *name, const char *type,
                      const char *comment);
void column_notes_release(struct column_notes *notes);
/* Without regard to case. NULL: there is none. */
const struct column_note *column_notes_find(const struct column_notes *notes, const char *name);

/* Appends the comment of a column for that path. */
void added_comment(const struct column_path *path, struct pl_buf *out);

/* The table's column is one that the route is to have, and has not. */
bool added_takes(const struct route *r, const struct column_note *note);
/* Appends all such columns; how many. For a route that nobody uses yet. */
unsigned added_take(struct route *r, const struct column_notes *notes);

/* The route with further columns, for the statements that add them; borrows from it. */
struct route *added_grow(const struct route *r, const struct column_notes *more);
void added_grown_free(struct route *grown, const struct route *r);

/* How many of the route's columns are such. */
unsigned added_n(const struct route *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - makes sure that a route's table and views exist: CREATE, ADD COLUMN, and the checks
 * that keep conversions from being silent. Nothing is ever dropped, narrowed or modified.
 *
 * The SQL texts are pure functions; those that build one append it to `out`. Threads: one owner
 * (that of the client).
 */
#ifndef CHSINKD_CLICKHOUSE_TABLE_H
#define CHSINKD_CLICKHOUSE_TABLE_H

#include "daemons/chsinkd/clickhouse/client.h"
#include "daemons/chsinkd/route/added.h"

/* CREATE TABLE IF NOT EXISTS … (columns, engine, order, partition, TTL, settings; ON CLUSTER
 * where the route names a cluster). For the MergeTree family the deduplication window is added
 * where the settings do not have it: non_replicated_deduplication_window = 10000 (as many blocks
 * as replicated tables remember by default). */
void table_create_sql(const struct route *r, const char *default_database, struct pl_buf *out);
/* CREATE MATERIALIZED VIEW IF NOT EXISTS …; the view's table remembers tokens, too. */
void table_view_sql(const struct route *r, const struct route_view *v, const char *default_database,
                    struct pl_buf *out);
void table_add_column_sql(const struct route *r, const struct column *c,
                          const char *default_database, struct pl_buf *out);
/* "INSERT INTO db.table (`a`, `b`) FORMAT Native": only the columns that are sent. */
void table_insert_sql(const struct route *r, const char *default_database, struct pl_buf *out);

/* The engine's name in "ReplacingMergeTree(ver)", and whether one of that name is replicated. */
void table_engine_name(const char *engine, char *out, size_t out_len);
bool table_engine_is_replicated(const char *name);
bool table_engine_is_merge_tree(const char *name); /* of that family */

/* How many tokens the server's tables remember by default. */
struct table_windows {
    uint64_t plain, replicated;
};
/* Whether a table of this engine remembers tokens: by the settings in `engine_full` (of
 * system.tables; a CREATE statement has them in the same form), else by the server's defaults.
 * false: `why`. Engine Null remembers nothing itself and passes tokens on to its views. */
bool table_engine_remembers(const char *engine, const char *engine_full,
                            const struct table_windows *dflt, char *why, size_t why_len);

struct table_state {
    bool created; /* by this call */
    unsigned columns_added, views_created;
    bool deduplicates; /* tokens are remembered: exactly once */
    char why_not[160]; /* "engine Log", "non_replicated_deduplication_window is 0" */
    char engine[64];
};

/* Creates what is missing, checks what is there: every column of the route must exist with the same
 * type (CONFIG, all differences in one message: "column x is Int32 in the table, Int64 in the
 * route; …"); the table may have more columns (their types give defaults); a column with
 * `expression` must have a DEFAULT in the table. Checks that the user may insert (an empty insert),
 * and that no setting of the user's profile breaks the promise.
 * `dry_run`: only reads; the statements that would be run are appended to `ret_sql` (may be NULL
 * otherwise). Tokens are remembered if the table and every table behind its materialized views
 * (also those that the route does not name) remember them, if the user's profile does not switch
 * deduplication off, and, with several URLs, if the table is replicated. Views of views are not
 * followed. Errors are CONFIG or RETRY. `on_fact` (may be NULL) is called for each thing done:
 * "table created", "column added", with the name. */
int table_ensure(struct clickhouse *c, const struct route *r, const char *default_database,
                 bool dry_run, struct pl_buf *ret_sql,
                 void (*on_fact)(void *userdata, const char *what, const char *name),
                 void *userdata, struct table_state *ret, struct pl_err *err);

/* As output.h's columns(). */
int table_columns(struct clickhouse *c, const struct route *r, const char *default_database,
                  struct column_notes *ret, struct pl_err *err);

/* Whether materialized views read the table. */
int table_has_views(struct clickhouse *c, const struct route *r, const char *default_database,
                    bool *ret, struct pl_err *err);

#endif

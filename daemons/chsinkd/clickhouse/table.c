/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - compares a route's table and views with the server's, and creates what is missing.
 *
 * After a change the server is asked again, so that the result is always what the server says,
 * whatever else changed the table meanwhile.
 */
#include "daemons/chsinkd/clickhouse/table.h"

#include <stdio.h>

#include "daemons/chsinkd/route/table_name.h"

/* Room for 1,024 columns with long types, or some hundred views. */
#define ANSWER_BYTES_MAX (4 * 1024 * 1024)

struct job {
    struct clickhouse *client;
    const struct route *route;
    const char *default_database;
    bool dry_run;
    struct pl_buf *ret_sql;
    void (*on_fact)(void *userdata, const char *what, const char *name);
    void *userdata;
    struct table_state state;
    bool exists;
    struct table_windows windows;
};

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

/* ---- TSV, as the server writes it ---- */

/* A line of exactly `n` fields, cut off and unescaped in place; false at the end. */
static bool tsv_line(char **at, char **fields, unsigned n)
{
    char *in = *at, *out = in;
    if (!*in)
        return false;
    for (unsigned i = 0; i < n; i++) {
        fields[i] = out;
        for (; *in && *in != '\t' && *in != '\n'; in++) {
            if (*in == '\\' && in[1]) {
                in++;
                *out++ = *in == 'n' ? '\n' : *in == 't' ? '\t' : *in == 'r' ? '\r' : *in;
            } else {
                *out++ = *in;
            }
        }
        if ((*in == '\t') != (i + 1 < n))
            return false;
        in += *in != '\0';
        *out++ = '\0';
    }
    *at = in;
    return true;
}

/* ---- asking and doing ---- */

static const char *job_database(const struct job *j)
{
    return j->route->database ? j->route->database : j->default_database;
}

/* A statement of ours that is refused stays refused, and at the start a person can act. */
static int job_failed(struct pl_err *err, const char *what, const char *name)
{
    if (err->kind == PL_ERR_REJECT)
        err->kind = PL_ERR_CONFIG;
    return pl_err_prefix(err, "cannot %s %s", what, name);
}

static int job_ask(struct job *j, struct pl_buf *sql, struct pl_buf *ret, struct pl_err *err)
{
    pl_buf_add_str(sql, " FORMAT TSV");
    ret->max = ANSWER_BYTES_MAX;
    if (clickhouse_query(j->client, pl_buf_cstr(sql), ret, err) < 0)
        return job_failed(err, "look at table", j->route->table);
    pl_buf_cstr(ret);
    return 0;
}

/* Runs a statement, or in a dry run only notes it. */
static int job_do(struct job *j, struct pl_buf *sql, const char *what, const char *fact,
                  const char *name, struct pl_err *err)
{
    if (j->dry_run) {
        if (j->ret_sql) {
            pl_buf_add(j->ret_sql, sql->data, sql->len);
            pl_buf_add_str(j->ret_sql, ";\n");
        }
        return 0;
    }
    if (clickhouse_query(j->client, pl_buf_cstr(sql), NULL, err) < 0)
        return job_failed(err, what, name);
    if (j->on_fact)
        j->on_fact(j->userdata, fact, name);
    return 0;
}

static void add_equal(struct pl_buf *sql, const char *column, const char *value)
{
    pl_buf_addf(sql, "%s = ", column);
    if (value && value[0])
        clickhouse_quote_string(sql, value, strlen(value));
    else
        pl_buf_add_str(sql, "currentDatabase()");
}

/* ---- the table's columns ---- */

struct server_column {
    char *name, *type, *kind; /* kind: "", DEFAULT, MATERIALIZED, ALIAS, EPHEMERAL */
};

struct server_columns {
    struct pl_buf text; /* what the fields point into */
    struct server_column *v;
    size_t n;
};

static void server_columns_release(struct server_columns *s)
{
    free(s->v);
    pl_buf_release(&s->text);
    *s = (struct server_columns){0};
}

static int server_columns_read(struct job *j, struct server_columns *ret, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    server_columns_release(ret);
    pl_buf_add_str(&sql, "SELECT name, type, default_kind FROM system.columns WHERE ");
    add_equal(&sql, "database", job_database(j));
    add_equal(&sql, " AND table", j->route->table);
    pl_buf_add_str(&sql, " ORDER BY position");
    if (job_ask(j, &sql, &ret->text, err) < 0)
        return -1;
    char *fields[3];
    for (char *at = ret->text.data; tsv_line(&at, fields, 3);) {
        ret->v = pl_realloc_array(ret->v, ret->n + 1, sizeof(*ret->v));
        ret->v[ret->n++] = (struct server_column){fields[0], fields[1], fields[2]};
    }
    return 0;
}

int table_columns(struct clickhouse *c, const struct route *r, const char *default_database,
                  struct column_notes *ret, struct pl_err *err)
{
    struct job j = {.client = c, .route = r, .default_database = default_database};
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf answer = {0};
    /* One with an expression is not sent, whatever its comment says. */
    pl_buf_add_str(&sql, "SELECT name, if(default_kind = '', type, default_kind), comment FROM "
                         "system.columns WHERE ");
    add_equal(&sql, "database", job_database(&j));
    add_equal(&sql, " AND table", r->table);
    pl_buf_add_str(&sql, " ORDER BY position");
    if (job_ask(&j, &sql, &answer, err) < 0)
        return -1;
    char *f[3];
    for (char *at = answer.data; tsv_line(&at, f, 3);)
        column_notes_add(ret, f[0], f[1], f[2]);
    return 0;
}

static const struct server_column *server_columns_find(const struct server_columns *s,
                                                       const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].name, name) == 0)
            return &s->v[i];
    return NULL;
}

/* Appends what is wrong with one column of the table. */
static void column_compare(const struct column *c, const struct server_column *s,
                           struct pl_buf *out)
{
    const char *sep = out->len > 0 ? "; " : "";
    if (!ch_type_matches(&c->type, s->type))
        pl_buf_addf(out, "%scolumn %s is %s in the table, %s in the route", sep, c->name, s->type,
                    c->type.ddl);
    else if (c->source == COLUMN_EXPRESSION && s->kind[0] == '\0')
        pl_buf_addf(out, "%scolumn %s has an expression in the route but no DEFAULT in the table",
                    sep, c->name);
    else if (c->ephemeral != (strcmp(s->kind, "EPHEMERAL") == 0))
        pl_buf_addf(out, "%scolumn %s is %s in the table, and ephemeral: %s in the route", sep,
                    c->name, s->kind[0] ? s->kind : "kept", c->ephemeral ? "true" : "false");
    else if (c->missing == MISSING_TABLE && strcmp(s->kind, "DEFAULT") != 0)
        pl_buf_addf(out, "%scolumn %s has missing: table in the route but no DEFAULT in the table",
                    sep, c->name);
    else if (c->source != COLUMN_EXPRESSION && !c->ephemeral && s->kind[0] &&
             strcmp(s->kind, "DEFAULT") != 0)
        pl_buf_addf(out, "%scolumn %s is %s in the table: it cannot be inserted into", sep, c->name,
                    s->kind);
}

/* What the route cannot say how to make. */
static int column_check_made(const struct job *j, const struct column *c, struct pl_err *err)
{
    if (c->missing != MISSING_TABLE)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0,
                      "table %s: column %s has missing: table in the route, and is not there: make "
                      "it, with its DEFAULT, by hand",
                      j->route->table, c->name);
}

/* Reads the table's columns, and checks those that the route has too. */
static int columns_check(struct job *j, struct server_columns *s, struct pl_err *err)
{
    OWNED_BUF struct pl_buf wrong = {0};
    if (server_columns_read(j, s, err) < 0)
        return -1;
    for (unsigned i = 0; i < j->route->columns_n; i++) {
        const struct column *c = &j->route->columns[i];
        const struct server_column *have = server_columns_find(s, c->name);
        if (have)
            column_compare(c, have, &wrong);
    }
    if (wrong.len == 0)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0, "table %s: %s", j->route->table, pl_buf_cstr(&wrong));
}

static int columns_add(struct job *j, const struct server_columns *s, struct pl_err *err)
{
    for (unsigned i = 0; i < j->route->columns_n; i++) {
        const struct column *c = &j->route->columns[i];
        OWNED_BUF struct pl_buf sql = {0};
        if (server_columns_find(s, c->name))
            continue;
        if (column_check_made(j, c, err) < 0)
            return -1;
        table_add_column_sql(j->route, c, j->default_database, &sql);
        if (job_do(j, &sql, "add column", "column added", c->name, err) < 0)
            return -1;
        j->state.columns_added++;
    }
    return 0;
}

static int table_make(struct job *j, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    for (unsigned i = 0; i < j->route->columns_n; i++)
        if (column_check_made(j, &j->route->columns[i], err) < 0)
            return -1;
    table_create_sql(j->route, j->default_database, &sql);
    if (job_do(j, &sql, "create table", "table created", j->route->table, err) < 0)
        return -1;
    j->state.created = true;
    return 0;
}

static int ensure_table(struct job *j, struct pl_err *err)
{
    PL_CLEANUP(server_columns_release) struct server_columns have = {0};
    if (columns_check(j, &have, err) < 0)
        return -1;
    j->exists = have.n > 0;
    if ((j->exists ? columns_add(j, &have, err) : table_make(j, err)) < 0)
        return -1;
    bool changed = j->state.created || j->state.columns_added > 0;
    if (j->dry_run || !changed)
        return 0;
    j->exists = true;
    return columns_check(j, &have, err);
}

/* ---- views ---- */

static int ensure_view(struct job *j, const struct route_view *v, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf answer = {0};
    pl_buf_add_str(&sql, "SELECT engine FROM system.tables WHERE ");
    add_equal(&sql, "database", job_database(j));
    add_equal(&sql, " AND name", v->name);
    if (job_ask(j, &sql, &answer, err) < 0)
        return -1;
    char *at = answer.data, *engine;
    if (tsv_line(&at, &engine, 1)) {
        if (strcmp(engine, "MaterializedView") == 0)
            return 0;
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%s is a table of engine %s, the route has it as a view", v->name,
                          engine);
    }
    pl_buf_reset(&sql);
    table_view_sql(j->route, v, j->default_database, &sql);
    if (job_do(j, &sql, "create view", "view created", v->name, err) < 0)
        return -1;
    j->state.views_created++;
    return 0;
}

/* ---- settings ---- */

/* Those of the user's profile that are not sent with each insert. A server that does not know one
 * has nothing to say. */
static int check_settings(struct job *j, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf answer = {0};
    const struct pl_map *configured = &clickhouse_conf(j->client)->settings;
    const char *name, *wanted;
    pl_buf_add_str(&sql, "SELECT name, value FROM system.settings WHERE name IN (''");
    for (size_t i = 0; (name = clickhouse_setting_checked(i)); i++)
        pl_buf_addf(&sql, ", '%s'", name);
    pl_buf_add_str(&sql, ") ORDER BY name");
    if (job_ask(j, &sql, &answer, err) < 0)
        return -1;
    char *f[2];
    for (char *at = answer.data; tsv_line(&at, f, 2);) {
        const char *own = pl_map_get(configured, f[0]);
        if (!clickhouse_setting_allowed(f[0], own ? own : f[1], &wanted))
            return pl_err_set(
                err, PL_ERR_CONFIG, 0,
                "%s is %s for clickhouse.user: rows could be lost or doubled; set it to "
                "%s in the user's profile, or under clickhouse.settings",
                f[0], own ? own : f[1], wanted);
    }
    return 0;
}

/* ---- whether tokens are remembered ---- */

/* The server's defaults, and whether this user's inserts are deduplicated at all. */
static int ask_defaults(struct job *j, bool *ret_enabled, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf answer = {0};
    const char *configured =
        pl_map_get(&clickhouse_conf(j->client)->settings, "deduplicate_insert");
    /* deduplicate_insert exists since 26.2 and overrides the insert_deduplicate that we send. */
    pl_buf_add_str(&sql,
                   "SELECT (SELECT max(value) FROM system.merge_tree_settings WHERE name = "
                   "'non_replicated_deduplication_window'), (SELECT max(value) FROM "
                   "system.replicated_merge_tree_settings WHERE name = "
                   "'replicated_deduplication_window'), (SELECT max(value) FROM system.settings "
                   "WHERE name = 'deduplicate_insert')");
    if (job_ask(j, &sql, &answer, err) < 0)
        return -1;
    char *at = answer.data, *fields[3];
    if (!tsv_line(&at, fields, 3))
        return pl_err_set(err, PL_ERR_RETRY, 0, "the server's settings cannot be read");
    j->windows.plain = strtoull(fields[0], NULL, 10);
    j->windows.replicated = strtoull(fields[1], NULL, 10);
    *ret_enabled = strcmp(configured ? configured : fields[2], "disable") != 0;
    return 0;
}

/* Whether the table that `where` selects remembers tokens. */
static int ask_remembers(struct job *j, const char *where, bool *ret_remembers, char *ret_engine,
                         char *why, size_t why_len, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf answer = {0};
    pl_buf_addf(&sql, "SELECT engine, engine_full FROM system.tables WHERE %s", where);
    if (job_ask(j, &sql, &answer, err) < 0)
        return -1;
    char *at = answer.data, *fields[2];
    if (!tsv_line(&at, fields, 2)) {
        snprintf(why, why_len, "its table cannot be looked at");
        *ret_remembers = false;
        return 0;
    }
    if (ret_engine)
        table_engine_name(fields[0], ret_engine, sizeof(j->state.engine));
    *ret_remembers = table_engine_remembers(fields[0], fields[1], &j->windows, why, why_len);
    return 0;
}

/* A name, with its database or without, in a CREATE statement as the server writes it. */
#define NAME_RE "(?:`(?:[^`\\\\\\\\]|\\\\\\\\.)*`|[^ (`])+"

/* The table behind a view: the one that it writes TO (`to` as in the statement), else its inner
 * one, named by the view's UUID, or by its name in databases without UUIDs. */
static void add_behind(struct pl_buf *where, char *const view[static 3], const char *to)
{
    PL_FREE char *database = NULL;
    PL_FREE char *table = NULL;
    struct pl_err err;
    if (*to && strcmp(to, "INNER") != 0) {
        if (table_name_parse(to, &database, &table, &err) < 0) {
            pl_buf_add_str(where, "false");
            return;
        }
        add_equal(where, "database", database);
        add_equal(where, " AND name", table);
        return;
    }
    PL_FREE char *by_id = pl_strf(".inner_id.%s", view[2]);
    PL_FREE char *by_name = pl_strf(".inner.%s", view[1]);
    add_equal(where, "database", view[0]);
    add_equal(where, " AND (name", by_id);
    add_equal(where, " OR name", by_name);
    pl_buf_add_byte(where, ')');
}

/* The materialized views that read the table, with the table behind each. */
static int ask_views(struct job *j, unsigned *ret_views, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf answer = {0};
    pl_buf_add_str(
        &sql, /* The UUID is taken from the statement: an Overlay database shows no other. */
        "SELECT database, name, extract(create_table_query, 'UUID .([0-9a-f-]{36})'), "
        "extract(create_table_query, '^CREATE MATERIALIZED VIEW " NAME_RE "(?: UUID "
        ".[0-9a-f-]{36}.)? TO (" NAME_RE ")') FROM system.tables WHERE engine = "
        "'MaterializedView' AND (database, name) IN (SELECT d, t FROM system.tables ARRAY "
        "JOIN dependencies_database AS d, dependencies_table AS t WHERE ");
    add_equal(&sql, "database", job_database(j));
    add_equal(&sql, " AND name", j->route->table);
    pl_buf_add_str(&sql, ") ORDER BY name "
                         "SETTINGS show_table_uuid_in_table_create_query_if_not_nil = 1");
    if (job_ask(j, &sql, &answer, err) < 0)
        return -1;
    *ret_views = 0;
    char *f[4];
    for (char *at = answer.data; tsv_line(&at, f, 4); ++*ret_views) {
        OWNED_BUF struct pl_buf where = {0};
        char why[96] = "";
        bool remembers;
        add_behind(&where, f, f[3]);
        if (ask_remembers(j, pl_buf_cstr(&where), &remembers, NULL, why, sizeof(why), err) < 0)
            return -1;
        if (!remembers && j->state.deduplicates) {
            j->state.deduplicates = false;
            snprintf(j->state.why_not, sizeof(j->state.why_not), "view %.50s: %s", f[1], why);
        }
    }
    return 0;
}

int table_has_views(struct clickhouse *c, const struct route *r, const char *default_database,
                    bool *ret, struct pl_err *err)
{
    struct job j = {.client = c, .route = r, .default_database = default_database};
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf answer = {0};
    pl_buf_add_str(&sql, "SELECT count() FROM system.tables WHERE notEmpty(dependencies_table)");
    add_equal(&sql, " AND database", job_database(&j));
    add_equal(&sql, " AND name", r->table);
    if (job_ask(&j, &sql, &answer, err) < 0)
        return -1;
    *ret = strtoull(answer.data, NULL, 10) > 0;
    return 0;
}

static void state_not(struct table_state *s, const char *why)
{
    s->deduplicates = false;
    snprintf(s->why_not, sizeof(s->why_not), "%s", why);
}

/* Of a table that does not exist yet (a dry run). */
static void state_of_plan(struct job *j)
{
    OWNED_BUF struct pl_buf sql = {0};
    const char *engine = j->route->engine;
    table_create_sql(j->route, j->default_database, &sql);
    table_engine_name(engine, j->state.engine, sizeof(j->state.engine));
    /* The views that a route makes remember tokens by their own CREATE. */
    j->state.deduplicates = (strcmp(j->state.engine, "Null") == 0 && j->route->views_n > 0) ||
                            table_engine_remembers(engine, pl_buf_cstr(&sql), &j->windows,
                                                   j->state.why_not, sizeof(j->state.why_not));
}

static int state_ask(struct job *j, struct pl_err *err)
{
    struct table_state *s = &j->state;
    OWNED_BUF struct pl_buf where = {0};
    bool enabled = true;
    unsigned views = 0;
    if (ask_defaults(j, &enabled, err) < 0)
        return -1;
    if (!j->exists) {
        state_of_plan(j);
        return 0;
    }
    add_equal(&where, "database", job_database(j));
    add_equal(&where, " AND name", j->route->table);
    if (ask_remembers(j, pl_buf_cstr(&where), &s->deduplicates, s->engine, s->why_not,
                      sizeof(s->why_not), err) < 0)
        return -1;
    if (strcmp(s->engine, "Null") == 0)
        s->deduplicates = true; /* as far as its views do */
    if (ask_views(j, &views, err) < 0)
        return -1;
    if (strcmp(s->engine, "Null") == 0 && views == 0)
        state_not(s, "engine Null, and no view reads it");
    else if (s->deduplicates && !enabled)
        state_not(s, "deduplicate_insert is 'disable' in the user's profile");
    else if (s->deduplicates && clickhouse_conf(j->client)->urls.n > 1 &&
             !table_engine_is_replicated(s->engine))
        state_not(s,
                  "several URLs, but the table is not replicated: only one server knows a token");
    if (s->deduplicates)
        s->why_not[0] = '\0';
    return 0;
}

/* ---- access ---- */

/* An insert of no rows fails where a real one would for lack of rights. */
static int check_insert(struct job *j, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    table_insert_sql(j->route, j->default_database, &sql);
    const struct clickhouse_insert insert = {.sql = pl_buf_cstr(&sql)};
    if (clickhouse_insert(j->client, &insert, err) != OUTPUT_DONE)
        return job_failed(err, "insert into table", j->route->table);
    return 0;
}

int table_ensure(struct clickhouse *c, const struct route *r, const char *default_database,
                 bool dry_run, struct pl_buf *ret_sql,
                 void (*on_fact)(void *userdata, const char *what, const char *name),
                 void *userdata, struct table_state *ret, struct pl_err *err)
{
    struct job j = {.client = c,
                    .route = r,
                    .default_database = default_database,
                    .dry_run = dry_run,
                    .ret_sql = ret_sql,
                    .on_fact = on_fact,
                    .userdata = userdata};
    if (check_settings(&j, err) < 0 || ensure_table(&j, err) < 0)
        return -1;
    for (unsigned i = 0; i < r->views_n; i++)
        if (ensure_view(&j, &r->views[i], err) < 0)
            return -1;
    if (state_ask(&j, err) < 0)
        return -1;
    if (!dry_run && check_insert(&j, err) < 0)
        return -1;
    *ret = j.state;
    return 0;
}

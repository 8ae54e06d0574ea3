/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - see output.h. What is kept here between calls: the connection, the body's iovec, and
 * how often the server had no room for which insert.
 */
#include "daemons/chsinkd/clickhouse/output.h"

#include <stdio.h>

#include "daemons/chsinkd/clickhouse/native.h"
#include "daemons/chsinkd/clickhouse/presence.h"
#include "daemons/chsinkd/clickhouse/presence_origin.h"
#include "daemons/chsinkd/clickhouse/select.h"
#include "daemons/chsinkd/clickhouse/table.h"
#include "daemons/chsinkd/route/table_name.h"

/* When the server as a whole is short of memory or time, the same insert often goes through a
 * little later, and smaller ones would only be more; but one that has failed so often is halved. */
#define PRESSED_MAX 4
#define PRESSED_N   8 /* inserts that are remembered, the last ones */

struct target {
    struct output_target base;
    struct presence_table table;
    char *name;
    struct pl_buf insert_sql;
    bool null_as_default; /* a column has missing: table */
};

struct output {
    struct clickhouse *client;
    struct native_body body;
    struct pressed {
        char *token;
        unsigned times;
    } pressed[PRESSED_N];
    unsigned pressed_next;
};

static const struct target *target_of(const struct output_target *t)
{
    return (const struct target *)t; /* base is the first */
}

static struct output_target *target_new(const void *conf, const struct route *r)
{
    const struct clickhouse_conf *c = conf;
    struct target *t = pl_alloc(sizeof(*t));
    const char *database = r->database ? r->database : c->database;
    t->name = table_name_text(database, r->table);
    t->base = (struct output_target){r, t->name, database};
    t->table = (struct presence_table){r, database};
    table_insert_sql(r, database, &t->insert_sql);
    pl_buf_cstr(&t->insert_sql);
    for (unsigned i = 0; i < r->columns_n; i++)
        t->null_as_default |= r->columns[i].missing == MISSING_TABLE;
    return &t->base;
}

static void target_free(struct output_target *base)
{
    struct target *t = (struct target *)base;
    if (!t)
        return;
    pl_buf_release(&t->insert_sql);
    free(t->name);
    free(t);
}

static void target_print(const struct output_target *t, struct pl_buf *out)
{
    table_create_sql(t->route, t->database, out);
    pl_buf_add_str(out, ";\n");
}

static const char *output_where(const void *conf)
{
    const struct clickhouse_conf *c = conf;
    return c->urls.v[0];
}

/* Each URL may take its time-out to refuse, then one has its own to work. */
static int64_t output_call_ms(const void *conf)
{
    const struct clickhouse_conf *c = conf;
    return c->timeout_ms + (int64_t)c->urls.n * c->connect_timeout_ms;
}

static struct output *output_open(const void *conf)
{
    struct output *o = pl_alloc(sizeof(*o));
    o->client = clickhouse_new(conf);
    return o;
}

static void output_close(struct output *o)
{
    if (!o)
        return;
    clickhouse_free(o->client);
    native_body_release(&o->body);
    for (unsigned i = 0; i < PRESSED_N; i++)
        free(o->pressed[i].token);
    free(o);
}

static void output_abort(struct output *o, bool aborted)
{
    clickhouse_abort(o->client, aborted);
}

static void output_stop_when(struct output *o, bool (*asked)(void))
{
    clickhouse_stop_when(o->client, asked);
}

/* ---- ensure ---- */

static int output_ensure(struct output *o, const struct output_target *t,
                         const struct output_ensure *how, struct output_state *ret,
                         struct pl_err *err)
{
    static const struct output_ensure plain;
    struct table_state state;
    how = how ? how : &plain;
    if (table_ensure(o->client, t->route, t->database, how->dry_run, how->ret_plan, how->on_fact,
                     how->userdata, &state, err) < 0)
        return -1;
    *ret = (struct output_state){.created = state.created,
                                 .columns_added = state.columns_added,
                                 .views_created = state.views_created};
    snprintf(ret->engine, sizeof(ret->engine), "%s", state.engine);
    snprintf(ret->why_not, sizeof(ret->why_not), "%s", state.why_not);
    ret->grows = table_engine_is_merge_tree(state.engine);
    /* Of several servers that are no replicas of each other, one cannot answer for another. */
    bool others =
        clickhouse_conf(o->client)->urls.n > 1 && !table_engine_is_replicated(state.engine);
    ret->can_look = presence_route_can(t->route) && !others &&
                    presence_of_engine(state.engine) != PRESENCE_NONE;
    ret->guarantee = state.deduplicates ? OUTPUT_TOKEN
                     : ret->can_look    ? OUTPUT_LOOK_UP
                                        : OUTPUT_NONE;
    return 0;
}

static int output_columns(struct output *o, const struct output_target *t, struct column_notes *ret,
                          struct pl_err *err)
{
    return table_columns(o->client, t->route, t->database, ret, err);
}

/* ---- insert ---- */

static struct pressed *pressed_find(struct output *o, const char *token)
{
    for (unsigned i = 0; i < PRESSED_N; i++)
        if (o->pressed[i].token && strcmp(o->pressed[i].token, token) == 0)
            return &o->pressed[i];
    struct pressed *p = &o->pressed[o->pressed_next++ % PRESSED_N];
    free(p->token);
    *p = (struct pressed){pl_strdup(token), 0};
    return p;
}

/* Halved, unless a view may lack what the table has: not every such error says where it was thrown
 * (a timeout inside a view does not, with 26.7). */
static enum output_answer pressed_often(struct output *o, const struct output_target *t,
                                        struct pl_err *err)
{
    struct pl_err failed;
    bool views;
    if (table_has_views(o->client, t->route, t->database, &views, &failed) < 0)
        return OUTPUT_UNKNOWN;
    if (!views)
        return OUTPUT_TOO_LARGE;
    err->kind = PL_ERR_CONFIG;
    return OUTPUT_HELD;
}

/* TIMEOUT_EXCEEDED, TOO_SLOW, CANNOT_ALLOCATE_MEMORY, MEMORY_LIMIT_EXCEEDED (not the query's). */
static bool code_is_pressure(int code)
{
    return code == 159 || code == 160 || code == 173 || code == 241;
}

static enum output_answer output_insert(struct output *o, const struct output_target *t,
                                        const struct output_range *range, const struct batch *b,
                                        const char *token, struct pl_err *err)
{
    (void)range; /* the token has it */
    native_body_set(&o->body, b->block);
    const struct clickhouse_insert insert = {.sql = target_of(t)->insert_sql.data,
                                             .token = token,
                                             .iov = o->body.iov,
                                             .iov_n = o->body.iov_n,
                                             .null_as_default = target_of(t)->null_as_default};
    enum output_answer answer = clickhouse_insert(o->client, &insert, err);
    if (answer != OUTPUT_UNKNOWN || !code_is_pressure(err->code))
        return answer;
    struct pressed *p = pressed_find(o, token);
    if (++p->times < PRESSED_MAX)
        return answer;
    p->times = 0;
    return pressed_often(o, t, err);
}

/* ---- what is there ---- */

static int output_holds(struct output *o, const struct output_target *t,
                        const struct output_range *range, struct batch *b, struct output_found *ret,
                        struct pl_err *err)
{
    const struct presence_table *table = &target_of(t)->table;
    return range->origin ? presence_holds_origin(o->client, table, b, ret, err)
                         : presence_holds(o->client, table, range, b, ret, err);
}

static int output_position(struct output *o, const struct output_target *t,
                           const struct output_range *range, int64_t *ret_offset,
                           struct pl_buf *ret_note, struct pl_err *err)
{
    (void)ret_note;
    return presence_position(o->client, &target_of(t)->table, range->topic, range->partition,
                             ret_offset, err);
}

/* ---- for --show ---- */

static int output_describe(struct output *o, const struct output_target *t, const char *group,
                           struct output_facts *ret, struct pl_err *err)
{
    (void)group; /* the rows are what they are, whoever inserted them */
    return select_describe(o->client, t, ret, err);
}

static int output_query(struct output *o, const char *sql, int64_t rows_max,
                        struct output_rows *ret, struct pl_err *err)
{
    return select_query(o->client, sql, rows_max, ret, err);
}

const struct output_kind clickhouse_output = {
    .name = "ClickHouse",
    .batch = {.rows = 100000, .bytes = 64 * PL_MIB, .age_ms = 1000},
    .beside = true,
    .target_new = target_new,
    .target_free = target_free,
    .target_print = target_print,
    .where = output_where,
    .call_ms = output_call_ms,
    .open = output_open,
    .close = output_close,
    .abort = output_abort,
    .stop_when = output_stop_when,
    .ensure = output_ensure,
    .columns = output_columns,
    .insert = output_insert,
    .holds = output_holds,
    .position = output_position,
    .describe = output_describe,
    .query = output_query,
};

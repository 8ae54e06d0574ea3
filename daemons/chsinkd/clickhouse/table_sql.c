/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table_sql.c - a route as SQL, and what an engine's text says about tokens.
 *
 * Names are always quoted; what is written in ClickHouse's own language (engines, orders,
 * expressions, SELECT) is the route's text, unchanged. A route is as trusted as the configuration.
 */
#include <ctype.h>
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/table.h"

/* As many as replicated tables remember by default (replicated_deduplication_window since 25.9). */
#define LOW_CARDINALITY_SETTING "allow_suspicious_low_cardinality_types"
#define WINDOW_SETTING          "non_replicated_deduplication_window"
#define WINDOW_DFLT             "10000"

void table_engine_name(const char *engine, char *out, size_t out_len)
{
    size_t n = 0;
    while (isspace((unsigned char)*engine))
        engine++;
    while (isalnum((unsigned char)engine[n]) || engine[n] == '_')
        n++;
    snprintf(out, out_len, "%.*s", (int)n, engine);
}

bool table_engine_is_merge_tree(const char *name)
{
    size_t n = strlen(name), m = strlen("MergeTree");
    return n >= m && strcmp(name + n - m, "MergeTree") == 0;
}

bool table_engine_is_replicated(const char *name)
{
    return strncmp(name, "Replicated", strlen("Replicated")) == 0 ||
           strncmp(name, "Shared", strlen("Shared")) == 0;
}

static void add_name(struct pl_buf *out, const struct route *r, const char *default_database,
                     const char *name)
{
    const char *database = r->database ? r->database : default_database;
    if (database && database[0]) {
        clickhouse_quote_ident(out, database);
        pl_buf_add_byte(out, '.');
    }
    clickhouse_quote_ident(out, name);
}

static void add_cluster(struct pl_buf *out, const struct route *r)
{
    if (!r->cluster)
        return;
    pl_buf_add_str(out, " ON CLUSTER ");
    clickhouse_quote_ident(out, r->cluster);
}

static void add_column(struct pl_buf *out, const struct column *c)
{
    clickhouse_quote_ident(out, c->name);
    pl_buf_addf(out, " %s%s", c->type.ddl, c->ephemeral ? " EPHEMERAL" : "");
    if (c->expression)
        pl_buf_addf(out, " DEFAULT %s", c->expression);
    if (c->comment) {
        pl_buf_add_str(out, " COMMENT ");
        clickhouse_quote_string(out, c->comment, strlen(c->comment));
    }
    if (c->codec)
        pl_buf_addf(out, " CODEC(%s)", c->codec);
}

static void add_clause(struct pl_buf *out, const char *keyword, const char *text)
{
    if (text)
        pl_buf_addf(out, "\n%s %s", keyword, text);
}

static void add_setting(struct pl_buf *out, unsigned *count, const char *name, const char *value)
{
    bool number = value[0] && value[strspn(value, "0123456789.")] == '\0';
    pl_buf_addf(out, "%s%s = ", (*count)++ == 0 ? "\nSETTINGS " : ", ", name);
    if (number)
        pl_buf_add_str(out, value);
    else
        clickhouse_quote_string(out, value, strlen(value));
}

/* ENGINE and its clauses, for tables and views. */
struct engine {
    const char *engine, *order_by, *primary_key, *partition_by, *sample_by, *ttl;
    const struct pl_map *settings;
    bool low_cardinality; /* of what is no string */
};

/* ClickHouse makes such a column only if it is asked for by name; the route does. */
static bool column_is_suspicious(const struct column *c)
{
    return c->type.low_cardinality && c->type.kind != CH_STRING && c->type.kind != CH_FIXED_STRING;
}

static bool route_is_suspicious(const struct route *r)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        if (column_is_suspicious(&r->columns[i]))
            return true;
    return false;
}

static void add_engine(struct pl_buf *out, const struct engine *e)
{
    char name[64];
    unsigned settings = 0;
    bool window = false;
    table_engine_name(e->engine, name, sizeof(name));
    pl_buf_addf(out, "\nENGINE = %s", e->engine);
    add_clause(out, "PARTITION BY", e->partition_by);
    add_clause(out, "PRIMARY KEY", e->primary_key);
    add_clause(out, "ORDER BY", e->order_by);
    add_clause(out, "SAMPLE BY", e->sample_by);
    add_clause(out, "TTL", e->ttl);
    for (size_t i = 0; e->settings && i < e->settings->n; i++) {
        add_setting(out, &settings, e->settings->v[i].key, e->settings->v[i].value);
        window = window || strcmp(e->settings->v[i].key, WINDOW_SETTING) == 0;
    }
    if (!window && table_engine_is_merge_tree(name) && !table_engine_is_replicated(name))
        add_setting(out, &settings, WINDOW_SETTING, WINDOW_DFLT);
    if (e->low_cardinality && !(e->settings && pl_map_get(e->settings, LOW_CARDINALITY_SETTING)))
        add_setting(out, &settings, LOW_CARDINALITY_SETTING, "1");
}

void table_create_sql(const struct route *r, const char *default_database, struct pl_buf *out)
{
    struct engine e = {r->engine,    r->order_by, r->primary_key, r->partition_by,
                       r->sample_by, r->ttl,      &r->settings,   route_is_suspicious(r)};
    pl_buf_add_str(out, "CREATE TABLE IF NOT EXISTS ");
    add_name(out, r, default_database, r->table);
    add_cluster(out, r);
    pl_buf_add_str(out, "\n(");
    for (unsigned i = 0; i < r->columns_n; i++) {
        pl_buf_add_str(out, i == 0 ? "\n    " : ",\n    ");
        add_column(out, &r->columns[i]);
    }
    pl_buf_add_str(out, "\n)");
    add_engine(out, &e);
}

void table_view_sql(const struct route *r, const struct route_view *v, const char *default_database,
                    struct pl_buf *out)
{
    struct engine e = {.engine = v->engine,
                       .order_by = v->order_by,
                       .partition_by = v->partition_by,
                       .ttl = v->ttl};
    const char *rest = v->select;
    pl_buf_add_str(out, "CREATE MATERIALIZED VIEW IF NOT EXISTS ");
    add_name(out, r, default_database, v->name);
    add_cluster(out, r);
    add_engine(out, &e);
    pl_buf_add_str(out, "\nAS ");
    const char *mark;
    while ((mark = strstr(rest, "{table}"))) {
        pl_buf_add(out, rest, (size_t)(mark - rest));
        add_name(out, r, default_database, r->table);
        rest = mark + strlen("{table}");
    }
    pl_buf_add_str(out, rest);
}

void table_add_column_sql(const struct route *r, const struct column *c,
                          const char *default_database, struct pl_buf *out)
{
    pl_buf_add_str(out, "ALTER TABLE ");
    add_name(out, r, default_database, r->table);
    add_cluster(out, r);
    pl_buf_add_str(out, " ADD COLUMN IF NOT EXISTS ");
    add_column(out, c);
    if (column_is_suspicious(c))
        add_setting(out, &(unsigned){0}, LOW_CARDINALITY_SETTING, "1");
}

void table_insert_sql(const struct route *r, const char *default_database, struct pl_buf *out)
{
    const char *separator = " (";
    pl_buf_add_str(out, "INSERT INTO ");
    add_name(out, r, default_database, r->table);
    for (unsigned i = 0; i < r->columns_n; i++) {
        if (r->columns[i].source == COLUMN_EXPRESSION)
            continue;
        pl_buf_add_str(out, separator);
        clickhouse_quote_ident(out, r->columns[i].name);
        separator = ", ";
    }
    pl_buf_add_str(out, ") FORMAT Native");
}

/* "name = 123" as a whole word: "replicated_deduplication_window" is also the end of
 * "non_replicated_deduplication_window". */
static bool setting_find(const char *text, const char *name, uint64_t *ret)
{
    size_t len = strlen(name);
    for (const char *p = text; (p = strstr(p, name)); p += len) {
        if (p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_'))
            continue;
        if (strncmp(p + len, " = ", 3) != 0 || !isdigit((unsigned char)p[len + 3]))
            continue;
        *ret = strtoull(p + len + 3, NULL, 10);
        return true;
    }
    return false;
}

bool table_engine_remembers(const char *engine, const char *engine_full,
                            const struct table_windows *dflt, char *why, size_t why_len)
{
    char name[64];
    table_engine_name(engine, name, sizeof(name));
    if (!table_engine_is_merge_tree(name)) {
        snprintf(why, why_len, "engine %s", name);
        return false;
    }
    bool replicated = table_engine_is_replicated(name);
    const char *setting = replicated ? "replicated_deduplication_window" : WINDOW_SETTING;
    uint64_t window = replicated ? dflt->replicated : dflt->plain;
    setting_find(engine_full, setting, &window);
    if (window == 0)
        snprintf(why, why_len, "%s is 0", setting);
    return window > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - see table.h. Names are compared without regard to case, as DuckDB does.
 */
#include "daemons/chsinkd/duckdb/table.h"

#include <stdio.h>
#include <strings.h>

#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/expression.h"
#include "daemons/chsinkd/duckdb/loads.h"
#include "daemons/chsinkd/route/table_name.h"

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

static const char offsets_sql[] =
    "CREATE TABLE IF NOT EXISTS " DUCKDB_OFFSETS " (group_id VARCHAR NOT NULL, "
    "topic VARCHAR NOT NULL, \"partition\" INTEGER NOT NULL, table_name VARCHAR NOT NULL, "
    "next_offset BIGINT NOT NULL, note VARCHAR, updated_at TIMESTAMP_S);\n";

const char *duckdb_schema(const struct route *r)
{
    return r->database ? r->database : "main";
}

void duckdb_table_name(const struct route *r, struct pl_buf *out)
{
    duckdb_quote_ident(out, duckdb_schema(r));
    pl_buf_add_byte(out, '.');
    duckdb_quote_ident(out, r->table);
}

/* ---- what a route can be here ---- */

int duckdb_route_check(const struct route *r, struct pl_err *err)
{
    if (strncmp(r->engine, "Null", 4) == 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "engine Null keeps no rows, and its views are ClickHouse's: a route for "
                          "DuckDB needs another engine");
    if (strcasecmp(r->table, "_chsinkd_offsets") == 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "table _chsinkd_offsets is where positions are");
    if (strcasecmp(r->table, DUCKDB_LOADS_TABLE) == 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "table " DUCKDB_LOADS_TABLE " is where the last loads are");
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        struct duckdb_type type;
        OWNED_BUF struct pl_buf sql = {0};
        if (duckdb_type_of(&c->type, &type, err) < 0)
            return pl_err_prefix(err, "column %s", c->name);
        if (c->ephemeral || c->missing == MISSING_TABLE)
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "column %s: %s is ClickHouse's: a route for DuckDB cannot have it",
                              c->name, c->ephemeral ? "ephemeral" : "missing: table");
        if (c->source == COLUMN_EXPRESSION && duckdb_expression(r, c, 0, &sql, err) < 0)
            return -1;
    }
    return 0;
}

int64_t duckdb_memory_least(const struct route *r)
{
    int64_t columns = r->columns_n + (r->add.after > 0 ? r->add.columns_max : 0);
    return columns * (PL_MIB + PL_MIB / 4);
}

/* "engine, order_by, views (edits_per_minute)": said once, when the table is made. */
static void unused_list(const struct route *r, struct pl_buf *out)
{
    bool codec = false;
    for (unsigned i = 0; i < r->columns_n; i++)
        codec |= r->columns[i].codec != NULL;
    const struct {
        const char *key, *value;
    } keys[] = {
        {"engine", r->engine},           {"order_by", r->order_by},
        {"primary_key", r->primary_key}, {"partition_by", r->partition_by},
        {"sample_by", r->sample_by},     {"ttl", r->ttl},
        {"cluster", r->cluster},         {"settings", r->settings.n > 0 ? "" : NULL},
        {"codec", codec ? "" : NULL},
    };
    for (size_t i = 0; i < PL_COUNT(keys); i++)
        if (keys[i].value)
            pl_buf_addf(out, "%s%s", out->len > 0 ? ", " : "", keys[i].key);
    for (unsigned i = 0; i < r->views_n; i++)
        pl_buf_addf(out, "%sview %s", out->len > 0 ? ", " : "", r->views[i].name);
}

/* ---- statements ---- */

static struct duckdb_type column_type(const struct column *c)
{
    struct duckdb_type type = {0};
    struct pl_err err;
    duckdb_type_of(&c->type, &type, &err); /* duckdb_route_check() has asked */
    return type;
}

static void add_comment(const struct route *r, const struct column *c, struct pl_buf *out)
{
    if (!c->comment)
        return;
    pl_buf_add_str(out, "COMMENT ON COLUMN ");
    duckdb_table_name(r, out);
    pl_buf_add_byte(out, '.');
    duckdb_quote_ident(out, c->name);
    pl_buf_add_str(out, " IS ");
    duckdb_quote_string(out, c->comment);
    pl_buf_add_str(out, ";\n");
}

static void create_sql(const struct route *r, struct pl_buf *out)
{
    if (r->database) {
        pl_buf_add_str(out, "CREATE SCHEMA IF NOT EXISTS ");
        duckdb_quote_ident(out, r->database);
        pl_buf_add_str(out, ";\n");
    }
    pl_buf_add_str(out, "CREATE TABLE ");
    duckdb_table_name(r, out);
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        pl_buf_add_str(out, i == 0 ? " (\n    " : ",\n    ");
        duckdb_quote_ident(out, c->name);
        const struct duckdb_type type = column_type(c);
        pl_buf_addf(out, " %s%s", type.sql, c->type.nullable ? "" : " NOT NULL");
    }
    pl_buf_add_str(out, "\n);\n");
}

static void comments_sql(const struct route *r, struct pl_buf *out)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        add_comment(r, &r->columns[i], out);
}

void duckdb_table_sql(const struct route *r, struct pl_buf *out)
{
    create_sql(r, out);
    comments_sql(r, out);
}

/* What rows that are there already have in a new column: the type's zero, as with ClickHouse. NOT
 * NULL cannot be added with a column. */
static const char *column_default(const struct column *c)
{
    if (c->type.nullable || c->source == COLUMN_EXPRESSION)
        return NULL;
    switch (c->type.kind) {
    case CH_STRING:
    case CH_FIXED_STRING:
        return "";
    case CH_BOOL:
        return "false";
    case CH_DATE32:
        return "1900-01-01";
    case CH_DATE:
    case CH_DATETIME:
    case CH_DATETIME64:
        return c->type.timezone ? "1970-01-01 00:00:00+00" : "1970-01-01";
    case CH_UUID:
        return "00000000-0000-0000-0000-000000000000";
    case CH_ENUM8:
    case CH_ENUM16:
        return c->type.names[0].name;
    case CH_IPV4:
        return "0.0.0.0";
    case CH_IPV6:
        return "::";
    case CH_INT8:
    case CH_INT16:
    case CH_INT32:
    case CH_INT64:
    case CH_INT128:
    case CH_INT256:
    case CH_UINT8:
    case CH_UINT16:
    case CH_UINT32:
    case CH_UINT64:
    case CH_UINT128:
    case CH_UINT256:
    case CH_FLOAT32:
    case CH_FLOAT64:
    case CH_DECIMAL:
        return "0";
    case CH_OTHER: /* refused by duckdb_route_check() */
        break;
    case CH_ARRAY: /* refused */
    case CH_MAP:
    case CH_TUPLE:
    case CH_JSON:
        return NULL;
    }
    return NULL;
}

/* A DuckLake takes a literal only, and a text is one for every type. */
static void add_column_sql(const struct route *r, const struct column *c, bool lake,
                           struct pl_buf *out)
{
    const char *dflt = column_default(c);
    const struct duckdb_type type = column_type(c);
    if (c->added) /* known by its comment alone: never there without it */
        pl_buf_add_str(out, "BEGIN;\n");
    pl_buf_add_str(out, "ALTER TABLE ");
    duckdb_table_name(r, out);
    pl_buf_add_str(out, " ADD COLUMN ");
    duckdb_quote_ident(out, c->name);
    pl_buf_addf(out, " %s", type.sql);
    if (dflt) {
        pl_buf_add_str(out, lake ? " DEFAULT " : " DEFAULT CAST(");
        duckdb_quote_string(out, dflt);
        if (!lake)
            pl_buf_addf(out, " AS %s)", type.sql);
    }
    pl_buf_add_str(out, ";\n");
    add_comment(r, c, out);
    if (c->added)
        pl_buf_add_str(out, "COMMIT;\n");
}

/* ---- what is there ---- */

struct there {
    struct pl_buf text; /* name, type, YES (nullable), default: for each column */
    size_t columns_n;
    bool is_table, has_ours; /* _chsinkd_offsets and _chsinkd_loads */
};

static void there_release(struct there *t)
{
    pl_buf_release(&t->text);
}

static void add_where(const struct route *r, struct pl_buf *sql)
{
    pl_buf_add_str(sql,
                   " WHERE database_name = current_database() AND lower(schema_name) = lower(");
    duckdb_quote_string(sql, duckdb_schema(r));
    pl_buf_add_str(sql, ") AND lower(table_name) = lower(");
    duckdb_quote_string(sql, r->table);
    pl_buf_add_byte(sql, ')');
}

static int there_read(struct duckdb *db, const struct route *r, struct there *ret,
                      struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    OWNED_BUF struct pl_buf tables = {0};
    size_t rows;
    pl_buf_add_str(&sql, "SELECT 1 FROM duckdb_tables()");
    add_where(r, &sql);
    if (duckdb_ask(db, pl_buf_cstr(&sql), &tables, &rows, err) < 0)
        return -1;
    ret->is_table = rows > 0;
    pl_buf_reset(&sql);
    pl_buf_add_str(&sql, "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() "
                         "AND schema_name = 'main' AND table_name IN ('_chsinkd_offsets', "
                         "'" DUCKDB_LOADS_TABLE "')");
    if (duckdb_ask(db, pl_buf_cstr(&sql), &tables, &rows, err) < 0)
        return -1;
    ret->has_ours = rows == 2;
    pl_buf_reset(&sql);
    pl_buf_add_str(&sql, "SELECT column_name, data_type, CASE WHEN is_nullable THEN 'YES' END, "
                         "column_default FROM duckdb_columns()");
    add_where(r, &sql);
    pl_buf_add_str(&sql, " ORDER BY column_index");
    return duckdb_ask(db, pl_buf_cstr(&sql), &ret->text, &ret->columns_n, err);
}

struct there_column {
    const char *name, *type, *nullable, *dflt;
};

/* The next one; `at` begins as text.data. */
static struct there_column there_next(const char **at)
{
    const char *fields[4];
    for (unsigned i = 0; i < 4; i++) {
        fields[i] = *at;
        *at += strlen(*at) + 1;
    }
    return (struct there_column){fields[0], fields[1], fields[2], fields[3]};
}

static bool there_find(const struct there *t, const char *name, struct there_column *ret)
{
    const char *at = t->text.data;
    for (size_t i = 0; i < t->columns_n; i++) {
        *ret = there_next(&at);
        if (strcasecmp(ret->name, name) == 0)
            return true;
    }
    return false;
}

/* Columns of the table that cannot take what the route has, and those that need a value from it. */
static int there_compare(const struct there *t, const struct route *r, bool all, struct pl_err *err)
{
    OWNED_BUF struct pl_buf wrong = {0};
    struct there_column have;
    const char *at = t->text.data;
    if (!t->is_table && t->columns_n > 0)
        pl_buf_add_str(&wrong, "it is a view");
    for (unsigned i = 0; i < r->columns_n; i++) {
        const struct column *c = &r->columns[i];
        const struct duckdb_type wanted = column_type(c);
        const char *type = wanted.sql, *sep = wrong.len > 0 ? "; " : "";
        bool found = there_find(t, c->name, &have);
        if (!found && all)
            pl_buf_addf(&wrong, "%scolumn %s is not in the table", sep, c->name);
        else if (found && strcmp(have.type, type) != 0)
            pl_buf_addf(&wrong, "%scolumn %s is %s in the table, %s in the route (%s)", sep,
                        c->name, have.type, type, c->type.ddl);
        else if (found && c->type.nullable && !have.nullable[0])
            pl_buf_addf(&wrong, "%scolumn %s is NOT NULL in the table, Nullable in the route", sep,
                        c->name);
    }
    for (size_t i = 0; i < t->columns_n; i++) {
        have = there_next(&at);
        if (!route_column_nocase(r, have.name) && !have.nullable[0] && !have.dflt[0])
            pl_buf_addf(&wrong,
                        "%scolumn %s is NOT NULL in the table, has no default, and is not in the "
                        "route",
                        wrong.len > 0 ? "; " : "", have.name);
    }
    if (wrong.len == 0)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0, "table %s: %s", r->table, pl_buf_cstr(&wrong));
}

int duckdb_table_check(struct duckdb *db, const struct route *r, struct pl_err *err)
{
    PL_CLEANUP(there_release) struct there t = {0};
    if (there_read(db, r, &t, err) < 0)
        return -1;
    if (t.columns_n == 0)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "table %s is not there", r->table);
    return there_compare(&t, r, true, err);
}

/* A type that an added column can have, as ClickHouse calls it. */
static const char *added_type(const char *type)
{
    return strcmp(type, "BIGINT") == 0    ? "Nullable(Int64)"
           : strcmp(type, "DOUBLE") == 0  ? "Nullable(Float64)"
           : strcmp(type, "BOOLEAN") == 0 ? "Nullable(Bool)"
           : strcmp(type, "VARCHAR") == 0 ? "Nullable(String)"
                                          : type;
}

int duckdb_table_columns(struct duckdb *db, const struct route *r, struct column_notes *ret,
                         struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, answer = {0};
    size_t rows;
    pl_buf_add_str(&sql, "SELECT column_name, CASE WHEN is_nullable THEN data_type ELSE 'NOT NULL' "
                         "END, comment FROM duckdb_columns()");
    add_where(r, &sql);
    pl_buf_add_str(&sql, " ORDER BY column_index");
    if (duckdb_ask(db, pl_buf_cstr(&sql), &answer, &rows, err) < 0)
        return pl_err_prefix(err, "cannot look at table %s", r->table);
    const char *at = answer.data;
    for (size_t i = 0; i < rows; i++) {
        const char *name = at, *type = name + strlen(name) + 1, *comment = type + strlen(type) + 1;
        column_notes_add(ret, name, added_type(type), comment);
        at = comment + strlen(comment) + 1;
    }
    return 0;
}

/* ---- making it so ---- */

static void add_columns_sql(const struct there *t, const struct route *r, bool lake,
                            struct output_state *state, struct pl_buf *out)
{
    struct there_column have;
    for (unsigned i = 0; i < r->columns_n; i++)
        if (!there_find(t, r->columns[i].name, &have)) {
            add_column_sql(r, &r->columns[i], lake, out);
            state->columns_added++;
        }
}

/* A table that is made again has lost its rows: a position, or a load, would be a lie. */
static int positions_forget(struct duckdb *db, const struct route *r, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0};
    PL_FREE char *name = table_name_text(duckdb_schema(r), r->table);
    pl_buf_add_str(&sql, "DELETE FROM " DUCKDB_OFFSETS " WHERE table_name = ");
    duckdb_quote_string(&sql, name);
    pl_buf_add_str(&sql, "; DELETE FROM " DUCKDB_LOADS " WHERE table_name = ");
    duckdb_quote_string(&sql, name);
    return duckdb_run(db, pl_buf_cstr(&sql), NULL, err);
}

static int table_create(struct duckdb *db, const struct route *r, struct pl_err *err)
{
    OWNED_BUF struct pl_buf create = {0}, comments = {0};
    struct pl_err rolled_back;
    create_sql(r, &create);
    comments_sql(r, &comments);
    if (duckdb_run(db, "BEGIN", NULL, err) < 0)
        return -1;
    if (duckdb_run(db, pl_buf_cstr(&create), NULL, err) < 0 || positions_forget(db, r, err) < 0 ||
        duckdb_run(db, "COMMIT", NULL, err) < 0) {
        duckdb_run(db, "ROLLBACK", NULL, &rolled_back);
        return -1;
    }
    return comments.len > 0 ? duckdb_run(db, pl_buf_cstr(&comments), NULL, err) : 0;
}

static void tell(const struct there *t, const struct route *r, const struct output_ensure *how,
                 const struct output_state *state)
{
    OWNED_BUF struct pl_buf unused = {0};
    struct there_column have;
    if (!how->on_fact)
        return;
    for (unsigned i = 0; i < r->columns_n && !state->created; i++)
        if (!there_find(t, r->columns[i].name, &have))
            how->on_fact(how->userdata, "column added", r->columns[i].name);
    if (!state->created)
        return;
    how->on_fact(how->userdata, "table created", r->table);
    unused_list(r, &unused);
    how->on_fact(how->userdata, "without what is ClickHouse's alone", pl_buf_cstr(&unused));
}

/* Each column by itself: DuckDB 1.5 refuses to commit several changes of one table. */
static int table_make(struct duckdb *db, const struct route *r, const struct output_state *state,
                      struct pl_buf *columns, struct pl_err *err)
{
    if (duckdb_run(db, offsets_sql, NULL, err) < 0 ||
        duckdb_run(db, duckdb_loads_sql, NULL, err) < 0 ||
        (state->created && table_create(db, r, err) < 0) ||
        (columns->len > 0 && duckdb_run(db, pl_buf_cstr(columns), NULL, err) < 0))
        return pl_err_prefix(err, "cannot make table %s ready", r->table);
    return 0;
}

int duckdb_table_ensure(struct duckdb *db, const struct route *r, const struct output_ensure *how,
                        struct output_state *ret, struct pl_err *err)
{
    PL_CLEANUP(there_release) struct there t = {0};
    OWNED_BUF struct pl_buf columns = {0};
    struct output_state state = {.guarantee = OUTPUT_POSITION, .can_look = true, .grows = true};
    if (duckdb_route_check(r, err) < 0 || (db && there_read(db, r, &t, err) < 0) ||
        there_compare(&t, r, false, err) < 0)
        return -1;
    state.created = t.columns_n == 0;
    if (!state.created)
        add_columns_sql(&t, r, db && db->lake, &state, &columns);
    if (how->dry_run && how->ret_plan) {
        if (state.created)
            duckdb_table_sql(r, how->ret_plan);
        pl_buf_add(how->ret_plan, columns.data, columns.len);
    }
    if (!how->dry_run && (state.created || columns.len > 0 || !t.has_ours)) {
        if (table_make(db, r, &state, &columns, err) < 0)
            return -1;
        tell(&t, r, how, &state);
    }
    snprintf(state.engine, sizeof(state.engine), "%s %s",
             db && db->lake ? "DuckLake, DuckDB" : "DuckDB", db ? db->lib->library_version() : "");
    *ret = state;
    return 0;
}

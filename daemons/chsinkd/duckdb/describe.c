/* SPDX-License-Identifier: Apache-2.0 */
/* describe.c - see describe.h. */
#include "daemons/chsinkd/duckdb/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/loads.h"
#include "daemons/chsinkd/duckdb/table.h"

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

/* ---- the table ---- */

struct look {
    struct duckdb *db;
    const struct output_target *target;
    const char *group;
    struct output_facts *facts;
};

/* Fields of an answer, one after the other; NULL is "". */
static int look_ask(const struct look *l, struct pl_buf *sql, struct pl_buf *ret, size_t *rows,
                    struct pl_err *err)
{
    pl_buf_reset(ret);
    if (duckdb_ask(l->db, pl_buf_cstr(sql), ret, rows, err) < 0)
        return pl_err_prefix(err, "cannot look at table %s", l->target->name);
    return 0;
}

static const char *field_next(const char **at)
{
    const char *field = *at;
    *at += strlen(field) + 1;
    return field;
}

static void add_where(const struct look *l, struct pl_buf *sql)
{
    pl_buf_add_str(sql,
                   " WHERE database_name = current_database() AND lower(schema_name) = lower(");
    duckdb_quote_string(sql, duckdb_schema(l->target->route));
    pl_buf_add_str(sql, ") AND lower(table_name) = lower(");
    duckdb_quote_string(sql, l->target->route->table);
    pl_buf_add_byte(sql, ')');
}

/* Blocks that the table has some of: small ones share them. */
static int ask_size(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, name = {0}, answer = {0};
    size_t rows;
    duckdb_table_name(l->target->route, &name);
    pl_buf_addf(&sql, "SELECT (SELECT count(*) FROM %s), ", pl_buf_cstr(&name));
    if (l->db->lake) {
        pl_buf_add_str(&sql, "(SELECT sum(file_size_bytes) FROM ducklake_table_info("
                             "current_database()) WHERE lower(table_name) = lower(");
        duckdb_quote_string(&sql, l->target->route->table);
        pl_buf_add_str(&sql, "))");
    } else {
        pl_buf_add_str(&sql, "(SELECT count(DISTINCT block_id) FROM pragma_storage_info(");
        duckdb_quote_string(&sql, pl_buf_cstr(&name));
        pl_buf_add_str(&sql, ") WHERE persistent) * (SELECT max(block_size) FROM "
                             "pragma_database_size())");
    }
    if (look_ask(l, &sql, &answer, &rows, err) < 0)
        return -1;
    const char *at = answer.data;
    l->facts->rows = strtoll(field_next(&at), NULL, 10);
    l->facts->bytes = strtoll(field_next(&at), NULL, 10);
    return 0;
}

static void wanted_text(const struct column *c, struct pl_buf *out)
{
    struct duckdb_type type;
    struct pl_err err;
    pl_buf_reset(out);
    if (duckdb_type_of(&c->type, &type, &err) < 0)
        pl_buf_addf(out, "%s (which DuckDB cannot hold)", c->type.ddl);
    else
        pl_buf_addf(out, "%s%s", type.sql, c->type.nullable ? "" : " NOT NULL");
}

static void column_add(const struct look *l, const char *name, const char *type, bool nullable)
{
    const struct column *c = route_column_nocase(l->target->route, name);
    OWNED_BUF struct pl_buf wanted = {0};
    PL_FREE char *there = pl_strf("%s%s", type, nullable ? "" : " NOT NULL");
    bool differs = false;
    if (c) {
        wanted_text(c, &wanted);
        /* A column that was added is nullable: NOT NULL cannot be added with one. */
        differs = strcmp(c->name, name) != 0 || (c->type.nullable && !nullable) ||
                  strncmp(pl_buf_cstr(&wanted), type, strlen(type)) != 0 ||
                  (wanted.data[strlen(type)] != '\0' && wanted.data[strlen(type)] != ' ');
    }
    output_facts_column(l->facts, name, there, c ? pl_buf_cstr(&wanted) : NULL, differs);
}

static int ask_columns(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, answer = {0};
    size_t rows = 0;
    pl_buf_add_str(&sql, "SELECT column_name, data_type, CASE WHEN is_nullable THEN 'YES' END "
                         "FROM duckdb_columns()");
    add_where(l, &sql);
    pl_buf_add_str(&sql, " ORDER BY column_index");
    if (look_ask(l, &sql, &answer, &rows, err) < 0)
        return -1;
    l->facts->exists = rows > 0;
    const char *at = answer.data;
    for (size_t i = 0; i < rows; i++) {
        const char *name = field_next(&at), *type = field_next(&at);
        column_add(l, name, type, field_next(&at)[0] != '\0');
    }
    return 0;
}

static void columns_missing(const struct look *l)
{
    const struct route *r = l->target->route;
    OWNED_BUF struct pl_buf wanted = {0};
    unsigned there = l->facts->columns_n;
    for (unsigned i = 0; i < r->columns_n; i++) {
        bool found = false;
        for (unsigned k = 0; k < there && !found; k++)
            found = strcasecmp(l->facts->columns[k].name, r->columns[i].name) == 0;
        if (found)
            continue;
        wanted_text(&r->columns[i], &wanted);
        output_facts_column(l->facts, r->columns[i].name, NULL, pl_buf_cstr(&wanted), false);
    }
}

/* ---- positions ---- */

static int ask_places(const struct look *l, struct pl_err *err)
{
    OWNED_BUF struct pl_buf sql = {0}, answer = {0};
    size_t rows;
    pl_buf_add_str(&sql, "SELECT count(*) FROM duckdb_tables() WHERE database_name = "
                         "current_database() AND schema_name = 'main' AND table_name = "
                         "'_chsinkd_offsets'");
    if (look_ask(l, &sql, &answer, &rows, err) < 0)
        return -1;
    if (strcmp(answer.data, "0") == 0)
        return 0;
    pl_buf_reset(&sql);
    pl_buf_add_str(
        &sql, "SELECT topic, \"partition\", next_offset, epoch_ms(updated_at) FROM " DUCKDB_OFFSETS
              " WHERE group_id = ");
    duckdb_quote_string(&sql, l->group);
    pl_buf_add_str(&sql, " AND table_name = ");
    duckdb_quote_string(&sql, l->target->name);
    pl_buf_add_str(&sql, " ORDER BY updated_at DESC, topic, \"partition\"");
    if (look_ask(l, &sql, &answer, &rows, err) < 0)
        return -1;
    const char *at = answer.data;
    bool no_loads = l->facts->loads_n == 0;
    for (size_t i = 0; i < rows; i++) {
        struct output_place_fact place = {.topic = (char *)field_next(&at), .rows = -1};
        place.partition = (int32_t)strtol(field_next(&at), NULL, 10);
        place.next = strtoll(field_next(&at), NULL, 10);
        const char *updated = field_next(&at);
        output_facts_place(l->facts, &place);
        const struct output_load load = {.topic = place.topic,
                                         .partition = place.partition,
                                         .start = -1,
                                         .end = place.next,
                                         .rows = -1,
                                         .at_ms = updated[0] ? strtoll(updated, NULL, 10) : -1,
                                         .took_ms = -1};
        if (no_loads)
            output_facts_load(l->facts, &load);
    }
    if (no_loads && rows > 0)
        snprintf(l->facts->loads_note, sizeof(l->facts->loads_note),
                 "the last one of each partition, and where it ended: no newer one has come since "
                 "chsinkd keeps loads");
    return 0;
}

/* ---- newest rows ---- */

static void newest_set(const struct look *l)
{
    const struct route *r = l->target->route;
    OWNED_BUF struct pl_buf sql = {0};
    int timestamp = -1;
    for (unsigned i = 0; i < r->columns_n; i++)
        if (r->columns[i].source == COLUMN_TIMESTAMP)
            timestamp = (int)i;
    if (timestamp < 0 && r->has_offset < 0)
        return;
    pl_buf_add_str(&sql, "SELECT * FROM ");
    duckdb_table_name(r, &sql);
    pl_buf_add_str(&sql, " ORDER BY ");
    if (timestamp >= 0)
        duckdb_quote_ident(&sql, r->columns[timestamp].name);
    if (timestamp >= 0 && r->has_offset >= 0)
        pl_buf_add_str(&sql, " DESC, ");
    if (r->has_offset >= 0)
        duckdb_quote_ident(&sql, r->columns[r->has_offset].name);
    pl_buf_add_str(&sql, " DESC");
    pl_buf_cstr(&sql);
    l->facts->newest_sql = pl_buf_take(&sql);
}

static double file_mib(const char *file)
{
    struct stat st;
    return stat(file, &st) == 0 ? (double)st.st_size / (1 << 20) : 0;
}

/* `file` NULL: there is none. What is in the WAL is in no block yet. */
static void file_note(const char *file, bool lake, struct output_facts *f)
{
    if (!file) {
        snprintf(f->note, sizeof(f->note), "there is no file yet");
        return;
    }
    PL_FREE char *wal = pl_strf("%s.wal", file);
    snprintf(f->note, sizeof(f->note), "SIZE: %s has %.1f MiB, its WAL %.1f MiB",
             lake ? "of its Parquet files; the catalogue"
                  : "the blocks that have some of it; the file",
             file_mib(file), file_mib(wal));
}

int duckdb_describe(struct duckdb *db, const char *file, const struct output_target *t,
                    const char *group, struct output_facts *ret, struct pl_err *err)
{
    const struct look l = {db, t, group, ret};
    ret->rows = ret->bytes = -1;
    ret->kept = true;
    if (db && ask_columns(&l, err) < 0)
        return -1;
    columns_missing(&l);
    file_note(db ? file : NULL, db && db->lake, ret);
    if (!ret->exists)
        return 0;
    snprintf(ret->engine, sizeof(ret->engine), "%s %s", db->lake ? "DuckLake, DuckDB" : "DuckDB",
             db->lib->library_version());
    if (ask_size(&l, err) < 0 || duckdb_loads_tell(db, t, group, ret, err) < 0 ||
        ask_places(&l, err) < 0)
        return -1;
    newest_set(&l);
    return 0;
}

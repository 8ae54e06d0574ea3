/* SPDX-License-Identifier: Apache-2.0 */
/* describe.c - see describe.h. */
#include "daemons/chsinkd/duckdb/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/table.h"

#define OWNED_BUF  PL_CLEANUP(pl_buf_release)
#define OWNED_ROWS PL_CLEANUP(output_rows_release)

/* ---- rows ---- */

enum output_value duckdb_value(const char *type)
{
    static const char *const numbers[] = {"TINYINT", "SMALLINT", "INTEGER",   "BIGINT",
                                          "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                                          "UBIGINT", "UHUGEINT", "FLOAT",     "DOUBLE"};
    if (strcmp(type, "BOOLEAN") == 0)
        return OUTPUT_BOOL;
    for (size_t i = 0; i < PL_COUNT(numbers); i++)
        if (strcmp(type, numbers[i]) == 0)
            return OUTPUT_NUMBER;
    bool list = type[0] && type[strlen(type) - 1] == ']';
    return strncmp(type, "DECIMAL(", 8) == 0 && !list ? OUTPUT_NUMBER : OUTPUT_TEXT;
}

static bool cell_add(const struct duckdb_library *lib, struct duckdb_chunk *chunk, uint64_t row,
                     uint64_t column, struct output_rows *ret)
{
    struct duckdb_vector *v = lib->data_chunk_get_vector(chunk, column);
    const uint64_t *valid = lib->vector_get_validity(v);
    if (valid && !(valid[row / 64] >> (row % 64) & 1))
        return output_rows_cell(ret, NULL, 0);
    const struct duckdb_string *s = (const struct duckdb_string *)lib->vector_get_data(v) + row;
    uint32_t len = s->near.len;
    return output_rows_cell(ret, len <= sizeof(s->near.bytes) ? s->near.bytes : s->far.p, len);
}

static bool chunk_add(const struct duckdb_library *lib, struct duckdb_chunk *chunk,
                      int64_t rows_max, struct output_rows *ret)
{
    for (uint64_t row = 0, n = lib->data_chunk_get_size(chunk); row < n; row++) {
        if (rows_max > 0 && output_rows_n(ret) == (size_t)rows_max) {
            ret->more = true;
            return true;
        }
        for (unsigned i = 0; i < ret->columns_n; i++)
            if (!cell_add(lib, chunk, row, i, ret))
                return false;
    }
    return true;
}

/* Of columns that are all texts; ret has their names. */
static int texts_read(struct duckdb *db, const char *sql, int64_t rows_max, struct output_rows *ret,
                      struct pl_err *err)
{
    const struct duckdb_library *lib = db->lib;
    struct duckdb_result result = {0};
    struct duckdb_chunk *chunk;
    bool fits = true;
    int rc = lib->query(db->connection, sql, &result);
    if (rc != 0)
        rc = duckdb_error(err, lib->result_error(&result));
    else if (lib->column_count(&result) != ret->columns_n)
        rc = pl_err_set(err, PL_ERR_REJECT, 0, "one statement at a time");
    while (rc == 0 && fits && !ret->more && (chunk = lib->fetch_chunk(result))) {
        fits = chunk_add(lib, chunk, rows_max, ret);
        lib->destroy_data_chunk(&chunk);
    }
    lib->destroy_result(&result);
    if (!fits)
        rc = pl_err_set(err, PL_ERR_REJECT, 0, "the answer is longer than %d MiB: ask for less",
                        OUTPUT_QUERY_BYTES_MAX >> 20);
    return rc;
}

/* Names and types of what a statement gives. */
static int columns_read(struct duckdb *db, const char *sql, struct output_rows *ret,
                        struct pl_err *err)
{
    OWNED_ROWS struct output_rows columns = {0};
    OWNED_BUF struct pl_buf name = {0}, type = {0};
    PL_FREE char *ask =
        pl_strf("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM (%s\n))", sql);
    output_rows_column(&columns, "", "", OUTPUT_TEXT);
    output_rows_column(&columns, "", "", OUTPUT_TEXT);
    if (texts_read(db, ask, 0, &columns, err) < 0)
        return -1;
    for (size_t i = 0; i < output_rows_n(&columns); i++) {
        struct pl_slice n = output_rows_get(&columns, i, 0), t = output_rows_get(&columns, i, 1);
        pl_buf_reset(&name);
        pl_buf_reset(&type);
        pl_buf_add(&name, n.p, n.len);
        pl_buf_add(&type, t.p, t.len);
        output_rows_column(ret, pl_buf_cstr(&name), pl_buf_cstr(&type),
                           duckdb_value(pl_buf_cstr(&type)));
    }
    return 0;
}

/* Nothing that a statement says opens another file, or changes that: COPY … TO writes though the
 * database is read only. */
static int confine(struct duckdb *db, struct pl_err *err)
{
    struct pl_err without_icu; /* then times are shown in UTC anyway */
    duckdb_run(db, "SET TimeZone = 'UTC'", NULL, &without_icu);
    return duckdb_run(db, "SET enable_external_access = false; SET lock_configuration = true", NULL,
                      err);
}

/* The file is open: what is wrong is the statement. DuckDB shows it, as we have put it. */
static void statement_failed(struct pl_err *err)
{
    char *shown = strstr(err->msg, "  LINE ");
    if (err->kind == PL_ERR_CONFIG)
        err->kind = PL_ERR_REJECT;
    if (shown)
        *shown = '\0';
}

int duckdb_select(struct duckdb *db, const char *sql, int64_t rows_max, struct output_rows *ret,
                  struct pl_err *err)
{
    OWNED_BUF struct pl_buf one = {0}, ask = {0};
    pl_buf_add_str(&one, sql);
    while (one.len > 0 && strchr("; \t\r\n", one.data[one.len - 1]))
        one.len--;
    if (confine(db, err) < 0)
        return -1;
    int rc = columns_read(db, pl_buf_cstr(&one), ret, err);
    pl_buf_addf(&ask, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (%s\n)", pl_buf_cstr(&one));
    if (rc == 0 && rows_max > 0)
        pl_buf_addf(&ask, " LIMIT %" PRId64, rows_max + 1);
    if (rc == 0)
        rc = texts_read(db, pl_buf_cstr(&ask), rows_max, ret, err);
    if (rc < 0)
        statement_failed(err);
    return rc;
}

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
    pl_buf_addf(&sql,
                "SELECT (SELECT count(*) FROM %s), (SELECT count(DISTINCT block_id) FROM "
                "pragma_storage_info(",
                pl_buf_cstr(&name));
    duckdb_quote_string(&sql, pl_buf_cstr(&name));
    pl_buf_add_str(&sql, ") WHERE persistent) * (SELECT max(block_size) FROM "
                         "pragma_database_size())");
    if (look_ask(l, &sql, &answer, &rows, err) < 0)
        return -1;
    const char *at = answer.data;
    l->facts->rows = strtoll(field_next(&at), NULL, 10);
    l->facts->bytes = strtoll(field_next(&at), NULL, 10);
    return 0;
}

static const struct column *route_column(const struct route *r, const char *name)
{
    for (unsigned i = 0; i < r->columns_n; i++)
        if (strcasecmp(r->columns[i].name, name) == 0)
            return &r->columns[i];
    return NULL;
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
    const struct column *c = route_column(l->target->route, name);
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
    for (size_t i = 0; i < rows; i++) {
        struct output_place_fact place = {.topic = (char *)field_next(&at), .rows = -1};
        place.partition = (int32_t)strtol(field_next(&at), NULL, 10);
        place.next = strtoll(field_next(&at), NULL, 10);
        const char *updated = field_next(&at);
        output_facts_place(l->facts, &place);
        output_facts_load(
            l->facts, &(struct output_load){.topic = place.topic,
                                            .partition = place.partition,
                                            .start = -1,
                                            .end = place.next,
                                            .rows = -1,
                                            .at_ms = updated[0] ? strtoll(updated, NULL, 10) : -1,
                                            .took_ms = -1});
    }
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

int duckdb_describe(struct duckdb *db, const char *file, const struct output_target *t,
                    const char *group, struct output_facts *ret, struct pl_err *err)
{
    const struct look l = {db, t, group, ret};
    struct stat st;
    ret->rows = ret->bytes = -1;
    ret->kept = true;
    if (db && ask_columns(&l, err) < 0)
        return -1;
    columns_missing(&l);
    if (!db)
        snprintf(ret->note, sizeof(ret->note), "there is no file yet");
    else if (stat(file, &st) == 0)
        snprintf(ret->note, sizeof(ret->note),
                 "SIZE: the blocks that have some of it, of the "
                 "file's %.1f MiB",
                 (double)st.st_size / (1 << 20));
    if (!ret->exists)
        return 0;
    snprintf(ret->engine, sizeof(ret->engine), "DuckDB %s", db->lib->library_version());
    snprintf(ret->loads_note, sizeof(ret->loads_note),
             "the last one of each partition, and where it ended: the file keeps no others");
    if (ask_size(&l, err) < 0 || ask_places(&l, err) < 0)
        return -1;
    newest_set(&l);
    return 0;
}

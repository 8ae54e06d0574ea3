/* SPDX-License-Identifier: Apache-2.0 */
/* select.c - see select.h. */
#include "daemons/chsinkd/duckdb/select.h"

#include <inttypes.h>

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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parquet.c - see parquet.h. The columns of the table in memory are c0, c1, … as in the layout.
 */
#include "daemons/chsinkd/iceberg/parquet.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/iceberg/format/unique.h"

#define MEMORY_BYTES (INT64_C(1) << 30) /* of DuckDB's; a batch has 128 MiB */
#define NAME_SIZE    16

struct job {
    struct duckdb db;
    const struct duckdb_library *lib;
    const struct block *block;
    const struct iceberg_layout *layout;
    struct iceberg_store *store;
    const char *folder;
    struct iceberg_written out;
};

void iceberg_written_release(struct iceberg_written *w, const struct iceberg_layout *l)
{
    for (unsigned i = 0; i < w->n; i++)
        iceberg_data_file_release(&w->files[i], l);
    free(w->files);
    *w = (struct iceberg_written){0};
}

static const char *sql_name(unsigned i, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "c%u", i);
    return out;
}

/* ---- rows into memory ---- */

static int table_create(struct job *j, struct pl_err *err)
{
    struct pl_buf sql = {0};
    pl_buf_add_str(&sql, "CREATE TABLE rows (");
    for (unsigned i = 0; i < j->layout->fields_n; i++) {
        struct duckdb_type type;
        if (duckdb_type_of(&j->layout->fields[i].column->type, &type, err) < 0) {
            pl_buf_release(&sql);
            return -1;
        }
        pl_buf_addf(&sql, "%sc%u %s", i > 0 ? ", " : "", i, type.sql);
    }
    pl_buf_add_byte(&sql, ')');
    int rc = duckdb_run(&j->db, pl_buf_cstr(&sql), NULL, err);
    pl_buf_release(&sql);
    return rc;
}

static int rows_append(struct job *j, struct pl_err *err)
{
    struct duckdb_appender *a = NULL;
    int rc = j->lib->appender_create_ext(j->db.connection, NULL, NULL, "rows", &a) == 0
                 ? duckdb_block_append(j->lib, a, j->block, err)
                 : duckdb_appender_failed(j->lib, a, err);
    if (rc == 0 && j->lib->appender_close(a) != 0)
        rc = duckdb_appender_failed(j->lib, a, err);
    if (a)
        j->lib->appender_destroy(&a);
    return rc;
}

/* ---- partitions ---- */

/* Of each field two columns: whether it is null, and its value as text; strings in hex, since the
 * answer's fields are ended by a NUL. */
static void partitions_sql(const struct iceberg_layout *l, struct pl_buf *sql)
{
    char name[NAME_SIZE];
    pl_buf_add_str(sql, "SELECT DISTINCT ");
    for (unsigned i = 0; i < l->partition_n; i++) {
        const struct iceberg_partition_field *p = &l->partition[i];
        bool text = p->type == ICEBERG_STRING;
        struct pl_buf value = {0};
        iceberg_transform_sql(p->transform, l->fields[p->source].type, sql_name(p->source, name),
                              &value);
        pl_buf_addf(sql, "%s(%s) IS NULL AS n%u, %s(%s) AS v%u", i > 0 ? ", " : "",
                    pl_buf_cstr(&value), i, text ? "hex" : "", value.data, i);
        pl_buf_release(&value);
    }
    pl_buf_add_str(sql, " FROM rows");
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void value_parse(const char *null, const char *text, enum iceberg_type t,
                        struct iceberg_value *ret)
{
    ret->null = strcmp(null, "true") == 0;
    if (ret->null)
        return;
    if (t != ICEBERG_STRING) {
        ret->number = strtoll(text, NULL, 10);
        return;
    }
    ret->text_len = strlen(text) / 2;
    ret->text = pl_alloc(ret->text_len + 1);
    for (size_t i = 0; i < ret->text_len; i++)
        ret->text[i] = (char)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
}

/* One file for each partition that the rows have. */
static int partitions_find(struct job *j, struct pl_err *err)
{
    const struct iceberg_layout *l = j->layout;
    size_t n = 1;
    struct pl_buf sql = {0}, answer = {0};
    if (l->partition_n > 0) {
        partitions_sql(l, &sql);
        int rc = duckdb_ask(&j->db, pl_buf_cstr(&sql), &answer, &n, err);
        if (rc == 0 && n > ICEBERG_PARTITIONS_MAX)
            rc = pl_err_set(err, PL_ERR_FATAL, 0, "rows of %zu partitions in one batch, at most %d",
                            n, ICEBERG_PARTITIONS_MAX);
        pl_buf_release(&sql);
        if (rc < 0) {
            pl_buf_release(&answer);
            return -1;
        }
    }
    j->out.files = pl_alloc_array(n, sizeof(*j->out.files));
    j->out.n = (unsigned)n;
    const char *p = answer.data;
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < l->partition_n; k++) {
            const char *null = p, *text = null + strlen(null) + 1;
            value_parse(null, text, l->partition[k].type, &j->out.files[i].partition[k]);
            p = text + strlen(text) + 1;
        }
    pl_buf_release(&answer);
    return 0;
}

/* " WHERE …": the rows of a file. */
static void where_add(const struct iceberg_layout *l, const struct iceberg_data_file *f,
                      struct pl_buf *sql)
{
    char name[NAME_SIZE];
    for (unsigned i = 0; i < l->partition_n; i++) {
        const struct iceberg_partition_field *p = &l->partition[i];
        const struct iceberg_value *v = &f->partition[i];
        bool text = p->type == ICEBERG_STRING;
        pl_buf_addf(sql, "%s%s(", i > 0 ? " AND " : " WHERE ", text && !v->null ? "hex" : "");
        iceberg_transform_sql(p->transform, l->fields[p->source].type, sql_name(p->source, name),
                              sql);
        if (v->null) {
            pl_buf_add_str(sql, ") IS NULL");
        } else if (!text) {
            pl_buf_addf(sql, ") = %" PRId64, v->number);
        } else {
            pl_buf_add_str(sql, ") = '");
            for (size_t k = 0; k < v->text_len; k++)
                pl_buf_addf(sql, "%02X", (unsigned char)v->text[k]);
            pl_buf_add_byte(sql, '\'');
        }
    }
}

/* ---- what is known of a file ---- */

/* Numbers and times have one order, and their bounds are exact. */
static bool type_has_bounds(enum iceberg_type t)
{
    return iceberg_type_has_value(t) && t != ICEBERG_STRING && t != ICEBERG_BOOLEAN;
}

static void statistics_sql(const struct iceberg_layout *l, const struct iceberg_data_file *f,
                           struct pl_buf *sql)
{
    pl_buf_add_str(sql, "SELECT count(*) AS n");
    for (unsigned i = 0; i < l->fields_n; i++) {
        char name[NAME_SIZE];
        pl_buf_addf(sql, ", count(*) - count(c%u) AS n%u", i, i);
        if (!type_has_bounds(l->fields[i].type))
            continue;
        struct pl_buf value = {0};
        iceberg_transform_sql(ICEBERG_IDENTITY, l->fields[i].type, sql_name(i, name), &value);
        pl_buf_addf(sql, ", min(%s) AS a%u, max(%s) AS z%u", pl_buf_cstr(&value), i, value.data, i);
        pl_buf_release(&value);
    }
    pl_buf_add_str(sql, " FROM rows");
    where_add(l, f, sql);
}

static const char *number_next(const char *p, int64_t *ret)
{
    *ret = strtoll(p, NULL, 10);
    return p + strlen(p) + 1;
}

static int statistics_ask(struct job *j, struct iceberg_data_file *f, struct pl_err *err)
{
    const struct iceberg_layout *l = j->layout;
    struct pl_buf sql = {0}, answer = {0};
    size_t rows;
    statistics_sql(l, f, &sql);
    int rc = duckdb_ask(&j->db, pl_buf_cstr(&sql), &answer, &rows, err);
    pl_buf_release(&sql);
    if (rc < 0) {
        pl_buf_release(&answer);
        return -1;
    }
    int64_t n;
    const char *p = number_next(answer.data, &n);
    f->rows = (uint64_t)n;
    f->bounds = pl_alloc_array(l->fields_n, sizeof(*f->bounds));
    for (unsigned i = 0; i < l->fields_n; i++) {
        struct iceberg_bounds *b = &f->bounds[i];
        p = number_next(p, &b->nulls);
        if (!type_has_bounds(l->fields[i].type))
            continue;
        b->known = *p != '\0'; /* null: no row has a value */
        p = number_next(p, &b->min);
        p = number_next(p, &b->max);
    }
    pl_buf_release(&answer);
    return 0;
}

/* ---- a file ---- */

static void column_sql(const struct iceberg_field *f, unsigned i, struct pl_buf *sql)
{
    switch (f->type) {
    case ICEBERG_TIMESTAMPTZ:
        pl_buf_addf(sql, "make_timestamptz(epoch_us(c%u))", i);
        break;
    case ICEBERG_TIMESTAMP:
        pl_buf_addf(sql, "make_timestamp(epoch_us(c%u))", i);
        break;
    case ICEBERG_BOOLEAN:
    case ICEBERG_INT:
    case ICEBERG_LONG:
    case ICEBERG_FLOAT:
    case ICEBERG_DOUBLE:
    case ICEBERG_DECIMAL:
    case ICEBERG_DATE:
    case ICEBERG_STRING:
    case ICEBERG_UUID:
        pl_buf_addf(sql, "CAST(c%u AS %s)", i, iceberg_type_sql(f->type));
        break;
    }
    pl_buf_add_str(sql, " AS ");
    duckdb_quote_ident(sql, f->column->name);
}

static void copy_sql(const struct iceberg_layout *l, const struct iceberg_data_file *f,
                     const char *path, struct pl_buf *sql)
{
    pl_buf_add_str(sql, "COPY (SELECT ");
    for (unsigned i = 0; i < l->fields_n; i++) {
        pl_buf_add_str(sql, i > 0 ? ", " : "");
        column_sql(&l->fields[i], i, sql);
    }
    pl_buf_add_str(sql, " FROM rows");
    where_add(l, f, sql);
    pl_buf_add_str(sql, ") TO ");
    duckdb_quote_string(sql, path);
    pl_buf_add_str(sql, " (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {");
    for (unsigned i = 0; i < l->fields_n; i++) {
        pl_buf_add_str(sql, i > 0 ? ", " : "");
        duckdb_quote_ident(sql, l->fields[i].column->name);
        pl_buf_addf(sql, ": %" PRId64, l->fields[i].id);
    }
    pl_buf_add_str(sql, "})");
}

static int file_write(struct job *j, struct iceberg_data_file *f, struct pl_err *err)
{
    char uuid[ICEBERG_UUID_SIZE];
    iceberg_uuid(uuid);
    if (statistics_ask(j, f, err) < 0)
        return -1;
    PL_FREE char *location = pl_strf("%s/%s.parquet", j->folder, uuid);
    PL_FREE char *path = j->store->ops->stage(j->store, location, err);
    if (!path)
        return -1;
    struct pl_buf sql = {0};
    copy_sql(j->layout, f, path, &sql);
    int rc = duckdb_run(&j->db, pl_buf_cstr(&sql), NULL, err);
    pl_buf_release(&sql);
    if (rc == 0)
        rc = j->store->ops->put_staged(j->store, location, path, &f->size, err);
    if (rc < 0) {
        j->store->ops->unstage(j->store, location, path);
        return -1;
    }
    f->location = PL_TAKE(location);
    return 0;
}

static int job_run(struct job *j, struct pl_err *err)
{
    const struct duckdb_open how = {.memory_bytes = MEMORY_BYTES, .threads = 1};
    /* What does not fit is halved, not spilled to wherever the working directory is. */
    if (duckdb_open(&j->db, j->lib, &how, err) < 0 ||
        duckdb_run(&j->db, "SET temp_directory = ''", NULL, err) < 0 || table_create(j, err) < 0 ||
        rows_append(j, err) < 0 || partitions_find(j, err) < 0)
        return -1;
    for (unsigned i = 0; i < j->out.n; i++)
        if (file_write(j, &j->out.files[i], err) < 0)
            return -1;
    return 0;
}

int iceberg_parquet_write(const struct duckdb_library *lib, const struct block *b,
                          const struct iceberg_layout *l, struct iceberg_store *store,
                          const char *folder, struct iceberg_written *ret, struct pl_err *err)
{
    struct job j = {.lib = lib, .block = b, .layout = l, .store = store, .folder = folder};
    int rc = job_run(&j, err);
    duckdb_close(&j.db);
    if (rc == 0) {
        *ret = j.out;
        return 0;
    }
    for (unsigned i = 0; i < j.out.n; i++) {
        struct pl_err ignored;
        if (j.out.files[i].location)
            store->ops->remove(store, j.out.files[i].location, &ignored);
    }
    iceberg_written_release(&j.out, l);
    return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - see view.h. */
#include "daemons/chsinkd/iceberg/view.h"

#include <stdio.h>

#include "daemons/chsinkd/duckdb/select.h"
#include "daemons/chsinkd/iceberg/format/manifest.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/store/store_local.h"
#include "lib/base/text.h"

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

#define FILE_BYTES_MAX (256U << 20)       /* of a manifest or a list */
#define MEMORY_BYTES   (INT64_C(1) << 30) /* DuckDB's memory_limit */

struct look {
    const struct iceberg_table *table;
    const cJSON *metadata;
};

/* NULL: the route has no column to order by. */
static char *newest_sql(const struct look *l)
{
    const struct route *r = l->table->route;
    OWNED_BUF struct pl_buf sql = {0};
    int timestamp = -1;
    for (unsigned i = 0; i < r->columns_n; i++)
        if (r->columns[i].source == COLUMN_TIMESTAMP)
            timestamp = (int)i;
    if (timestamp < 0 && r->has_offset < 0)
        return NULL;
    pl_buf_add_str(&sql, "SELECT * FROM ");
    duckdb_quote_ident(&sql, l->table->name.namespace_);
    pl_buf_add_byte(&sql, '.');
    duckdb_quote_ident(&sql, l->table->name.table);
    pl_buf_add_str(&sql, " ORDER BY ");
    if (timestamp >= 0)
        duckdb_quote_ident(&sql, r->columns[timestamp].name);
    if (timestamp >= 0 && r->has_offset >= 0)
        pl_buf_add_str(&sql, " DESC, ");
    if (r->has_offset >= 0)
        duckdb_quote_ident(&sql, r->columns[r->has_offset].name);
    pl_buf_add_str(&sql, " DESC");
    pl_buf_cstr(&sql);
    return pl_buf_take(&sql);
}

/* ---- its files, as a view ---- */

void iceberg_views_release(struct iceberg_views *v)
{
    pl_buf_release(&v->paths);
    pl_buf_release(&v->sql);
}

struct files {
    struct pl_buf paths;
    unsigned n;
    bool remote;
};

static void on_file(void *userdata, struct pl_slice location)
{
    struct files *files = userdata;
    PL_FREE char *text = pl_strndup(location.p, location.len);
    const char *path = iceberg_local_path(text);
    files->remote |= !path;
    if (!path || files->n++ >= ICEBERG_VIEW_FILES_MAX)
        return;
    if (files->paths.len > 0)
        pl_buf_add_str(&files->paths, ", ");
    duckdb_quote_string(&files->paths, path);
}

static int file_get(const struct look *l, const char *location, struct pl_buf *ret,
                    struct pl_err *err)
{
    struct iceberg_store *store = l->table->store_of(l->table->userdata, location, err);
    bool there = false;
    if (!store || store->ops->get(store, location, FILE_BYTES_MAX, ret, &there, err) < 0)
        return -1;
    return there ? 0 : pl_err_set(err, PL_ERR_CONFIG, 0, "%.200s is missing", location);
}

static int files_find(const struct look *l, const char *manifest_list, struct files *ret,
                      struct pl_err *err)
{
    OWNED_BUF struct pl_buf file = {0};
    struct iceberg_manifest_list list = {0};
    if (file_get(l, manifest_list, &file, err) < 0)
        return -1;
    int rc = iceberg_manifest_list_read((struct pl_slice){file.data, file.len}, &list, err);
    for (unsigned i = 0; i < list.n && rc == 0 && !ret->remote; i++) {
        OWNED_BUF struct pl_buf manifest = {0};
        PL_FREE char *location = pl_strndup(list.v[i].location.p, list.v[i].location.len);
        if (list.v[i].content != 0)
            rc = pl_err_set(err, PL_ERR_CONFIG, 0,
                            "it has delete files, which a reader of Iceberg applies");
        else if ((rc = file_get(l, location, &manifest, err)) == 0)
            rc = iceberg_manifest_files((struct pl_slice){manifest.data, manifest.len}, on_file,
                                        ret, err);
    }
    iceberg_manifest_list_release(&list);
    if (rc == 0 && ret->remote)
        rc = pl_err_set(err, PL_ERR_CONFIG, 0, "its files are not in a local folder");
    if (rc == 0 && ret->n > ICEBERG_VIEW_FILES_MAX)
        rc = pl_err_set(err, PL_ERR_CONFIG, 0, "it has %u files, more than %d: have them merged",
                        ret->n, ICEBERG_VIEW_FILES_MAX);
    return rc;
}

/* A table without files: its columns, and no rows. */
static void columns_add(const struct look *l, struct pl_buf *sql)
{
    const cJSON *fields = pl_doc_get(iceberg_schema_current(l->metadata), "fields"), *f;
    const char *between = "SELECT ";
    cJSON_ArrayForEach(f, fields)
    {
        enum iceberg_type type;
        const char *name = pl_doc_str(f, "name"), *text = pl_doc_str(f, "type");
        bool known = text && iceberg_type_parse(text, &type);
        pl_buf_addf(sql, "%sCAST(NULL AS %s) AS ", between,
                    known ? iceberg_type_sql(type) : "VARCHAR");
        duckdb_quote_ident(sql, name ? name : "");
        between = ", ";
    }
    pl_buf_add_str(sql, " WHERE false");
}

static int view_add(const struct look *l, struct iceberg_views *views, struct pl_err *err)
{
    const struct iceberg_name *name = &l->table->name;
    struct iceberg_snapshot s;
    struct files files = {0};
    if (iceberg_snapshot_current(l->metadata, &s) &&
        (s.manifest_list ? files_find(l, s.manifest_list, &files, err)
                         : pl_err_set(err, PL_ERR_CONFIG, 0, "it has no manifest list")) < 0) {
        pl_buf_release(&files.paths);
        return -1;
    }
    struct pl_buf *sql = &views->sql;
    pl_buf_add_str(sql, "CREATE SCHEMA IF NOT EXISTS ");
    duckdb_quote_ident(sql, name->namespace_);
    pl_buf_add_str(sql, "; CREATE OR REPLACE VIEW ");
    duckdb_quote_ident(sql, name->namespace_);
    pl_buf_add_byte(sql, '.');
    duckdb_quote_ident(sql, name->table);
    pl_buf_add_str(sql, " AS ");
    if (files.n == 0) {
        columns_add(l, sql);
    } else {
        pl_buf_addf(sql, "SELECT * FROM read_parquet([%s], union_by_name = true)",
                    pl_buf_cstr(&files.paths));
        pl_buf_addf(&views->paths, "%s%s", views->paths.len > 0 ? ", " : "",
                    pl_buf_cstr(&files.paths));
    }
    pl_buf_add_str(sql, ";\n");
    pl_buf_release(&files.paths);
    return 0;
}

void iceberg_views_add(struct iceberg_views *views, const struct iceberg_table *t,
                       const cJSON *metadata, struct output_facts *facts)
{
    const struct look l = {t, metadata};
    struct pl_err err;
    if (view_add(&l, views, &err) == 0) {
        facts->newest_sql = newest_sql(&l);
    } else {
        pl_text_format(facts->newest_note, sizeof(facts->newest_note), "%s", err.msg);
        pl_text_format(views->why_not, sizeof(views->why_not),
                       "table %.60s cannot be read here: %s", t->shown, err.msg);
    }
}

/* ---- a statement ---- */

int iceberg_query(const struct duckdb_library *lib, struct iceberg_views *views, const char *sql,
                  int64_t rows_max, struct output_rows *ret, struct pl_err *err)
{
    const struct duckdb_open how = {.memory_bytes = MEMORY_BYTES};
    PL_CLEANUP(duckdb_close) struct duckdb db = {0};
    PL_FREE char *paths = pl_strf("SET allowed_paths = [%s]", pl_buf_cstr(&views->paths));
    if (duckdb_open(&db, lib, &how, err) < 0 || duckdb_run(&db, paths, NULL, err) < 0 ||
        (views->sql.len > 0 && duckdb_run(&db, pl_buf_cstr(&views->sql), NULL, err) < 0))
        return -1;
    if (duckdb_select(&db, sql, rows_max, ret, err) == 0)
        return 0;
    return views->why_not[0] ? pl_err_prefix(err, "%s", views->why_not) : -1;
}

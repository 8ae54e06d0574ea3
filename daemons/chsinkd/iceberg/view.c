/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - see view.h. */
#include "daemons/chsinkd/iceberg/view.h"

#include <ctype.h>
#include <stdio.h>

#include "daemons/chsinkd/duckdb/select.h"
#include "daemons/chsinkd/iceberg/format/manifest.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/store/store_local.h"
#include "lib/base/text.h"

#define OWNED_BUF PL_CLEANUP(pl_buf_release)

#define FILE_BYTES_MAX (256U << 20)       /* of a manifest or a list */
#define MEMORY_BYTES   (INT64_C(1) << 30) /* DuckDB's memory_limit */
#define NEWEST         " (newest files)"  /* behind the table's name */

struct look {
    const struct iceberg_table *table;
    const cJSON *metadata;
};

static void name_add(struct pl_buf *sql, const char *namespace_, const char *table,
                     const char *suffix)
{
    PL_FREE char *name = pl_strf("%s%s", table, suffix);
    duckdb_quote_ident(sql, namespace_);
    pl_buf_add_byte(sql, '.');
    duckdb_quote_ident(sql, name);
}

/* NULL: the route has no column to order by. */
static char *newest_sql(const struct look *l, const char *suffix)
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
    name_add(&sql, l->table->name.namespace_, l->table->name.table, suffix);
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

static void remote_release(struct iceberg_remote *r)
{
    free(r->namespace_);
    free(r->table);
    free(r->columns);
    free(r->files.manifest_list);
    *r = (struct iceberg_remote){0};
}

void iceberg_views_release(struct iceberg_views *v)
{
    for (unsigned i = 0; i < v->remote_n; i++)
        remote_release(&v->remote[i]);
    free(v->remote);
    pl_buf_release(&v->paths);
    pl_buf_release(&v->sql);
    *v = (struct iceberg_views){0};
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

static void view_begin(struct pl_buf *sql, const char *namespace_, const char *table,
                       const char *suffix)
{
    pl_buf_add_str(sql, "CREATE SCHEMA IF NOT EXISTS ");
    duckdb_quote_ident(sql, namespace_);
    pl_buf_add_str(sql, "; CREATE OR REPLACE VIEW ");
    name_add(sql, namespace_, table, suffix);
    pl_buf_add_str(sql, " AS ");
}

/* A folder KEY=VALUE in a path is no column. */
static void files_add(struct pl_buf *sql, struct pl_buf *paths, const char *files)
{
    pl_buf_addf(sql,
                "SELECT * FROM read_parquet([%s], union_by_name = true, hive_partitioning = false)",
                files);
    pl_buf_addf(paths, "%s%s", paths->len > 0 ? ", " : "", files);
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
    view_begin(&views->sql, name->namespace_, name->table, "");
    if (files.n == 0)
        columns_add(l, &views->sql);
    else
        files_add(&views->sql, &views->paths, pl_buf_cstr(&files.paths));
    pl_buf_add_str(&views->sql, ";\n");
    pl_buf_release(&files.paths);
    return 0;
}

/* ---- in S3: what is there is fetched when a statement names it ---- */

static int64_t summary_number(const struct iceberg_snapshot *s, const char *name)
{
    const char *text = pl_doc_str(pl_doc_get(s->json, "summary"), name);
    return text ? strtoll(text, NULL, 10) : -1;
}

/* It is asked for by describe(), and may be again: the newest snapshot counts. */
static struct iceberg_remote *remote_of(struct iceberg_views *views,
                                        const struct iceberg_name *name)
{
    for (unsigned i = 0; i < views->remote_n; i++) {
        struct iceberg_remote *r = &views->remote[i];
        if (strcmp(r->namespace_, name->namespace_) == 0 && strcmp(r->table, name->table) == 0) {
            remote_release(r);
            return r;
        }
    }
    views->remote = pl_realloc_array(views->remote, views->remote_n + 1, sizeof(*views->remote));
    return &views->remote[views->remote_n++];
}

static void remote_add(struct iceberg_views *views, const struct look *l,
                       const struct iceberg_snapshot *s, struct output_facts *facts)
{
    const struct iceberg_table *t = l->table;
    struct iceberg_remote *r = remote_of(views, &t->name);
    struct pl_buf columns = {0};
    columns_add(l, &columns);
    pl_buf_cstr(&columns);
    *r = (struct iceberg_remote){
        .columns = pl_buf_take(&columns),
        .namespace_ = pl_strdup(t->name.namespace_),
        .table = pl_strdup(t->name.table),
        .files = {.manifest_list = pl_strdup(s->manifest_list),
                  .bytes = summary_number(s, "total-files-size"),
                  .files = summary_number(s, "total-data-files"),
                  .bytes_max = ICEBERG_FETCH_BYTES_MAX,
                  .store_of = t->store_of,
                  .userdata = t->userdata},
    };
    facts->newest_sql = newest_sql(l, NEWEST);
    if (facts->newest_sql &&
        (r->files.bytes > ICEBERG_FETCH_BYTES_MAX || r->files.files > ICEBERG_FETCH_NEWEST_MAX))
        snprintf(facts->newest_note, sizeof(facts->newest_note),
                 "of the newest files in S3 only: %d of them, and %d MiB, at most",
                 ICEBERG_FETCH_NEWEST_MAX, (int)(ICEBERG_FETCH_BYTES_MAX >> 20));
}

static bool is_remote(const struct look *l, struct iceberg_snapshot *ret)
{
    return iceberg_snapshot_current(l->metadata, ret) && ret->manifest_list &&
           !iceberg_local_path(ret->manifest_list) &&
           summary_number(ret, "total-delete-files") <= 0;
}

void iceberg_views_add(struct iceberg_views *views, const struct iceberg_table *t,
                       const cJSON *metadata, struct output_facts *facts)
{
    const struct look l = {t, metadata};
    struct iceberg_snapshot s;
    struct pl_err err;
    if (is_remote(&l, &s)) {
        remote_add(views, &l, &s, facts);
    } else if (view_add(&l, views, &err) == 0) {
        facts->newest_sql = newest_sql(&l, "");
    } else {
        pl_text_format(facts->newest_note, sizeof(facts->newest_note), "%s", err.msg);
        pl_text_format(views->why_not, sizeof(views->why_not),
                       "table %.60s cannot be read here: %s", t->shown, err.msg);
    }
}

/* ---- a statement ---- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

void iceberg_names(const char *sql, const char *table, bool *ret_table, bool *ret_newest)
{
    struct pl_buf quoted = {0};
    duckdb_quote_ident(&quoted, table);
    quoted.data[quoted.len - 1] = '\0';
    const char *name = quoted.data + 1; /* with its quotes doubled */
    size_t len = strlen(name);
    *ret_table = *ret_newest = false;
    for (const char *at = sql; (at = strcasestr(at, name)); at++) {
        if ((at > sql && is_word(at[-1]) && is_word(name[0])) ||
            (is_word(at[len]) && is_word(name[len - 1])))
            continue;
        if (strncmp(at + len, NEWEST, strlen(NEWEST)) == 0)
            *ret_newest = true;
        else
            *ret_table = true;
    }
    pl_buf_release(&quoted);
}

struct query {
    struct pl_buf paths, sql; /* of the views, and of what was fetched */
    struct iceberg_fetched *fetched;
    unsigned fetched_n;
    struct pl_err why; /* the last table that could not be; NONE: all are there */
};

static void query_release(struct query *q)
{
    for (unsigned i = 0; i < q->fetched_n; i++)
        iceberg_fetched_release(&q->fetched[i]);
    free(q->fetched);
    pl_buf_release(&q->paths);
    pl_buf_release(&q->sql);
}

/* One that cannot be is left out: the statement fails if it meant that. */
static void remote_take(struct query *q, const struct iceberg_remote *r, enum iceberg_fetch what,
                        const char *suffix)
{
    struct pl_err err;
    q->fetched = pl_realloc_array(q->fetched, q->fetched_n + 1, sizeof(*q->fetched));
    struct iceberg_fetched *fetched = &q->fetched[q->fetched_n++];
    *fetched = (struct iceberg_fetched){0};
    if (iceberg_fetch(&r->files, what, fetched, &err) < 0) {
        iceberg_fetched_release(fetched);
        pl_err_prefix(&err, "table %.60s.%.60s", r->namespace_, r->table);
        q->why = err;
        return;
    }
    view_begin(&q->sql, r->namespace_, r->table, suffix);
    if (fetched->n == 0)
        pl_buf_add_str(&q->sql, r->columns);
    else
        files_add(&q->sql, &q->paths, pl_buf_cstr(&fetched->paths));
    pl_buf_add_str(&q->sql, ";\n");
}

static void remotes_take(struct query *q, const struct iceberg_views *views, const char *sql)
{
    for (unsigned i = 0; i < views->remote_n; i++) {
        bool table, newest;
        iceberg_names(sql, views->remote[i].table, &table, &newest);
        if (table)
            remote_take(q, &views->remote[i], ICEBERG_FETCH_ALL, "");
        if (newest)
            remote_take(q, &views->remote[i], ICEBERG_FETCH_NEWEST, NEWEST);
    }
}

static int query_run(const struct duckdb_library *lib, struct query *q, const char *sql,
                     int64_t rows_max, struct output_rows *ret, struct pl_err *err)
{
    const struct duckdb_open how = {.memory_bytes = MEMORY_BYTES};
    PL_CLEANUP(duckdb_close) struct duckdb db = {0};
    PL_FREE char *paths = pl_strf("SET allowed_paths = [%s]", pl_buf_cstr(&q->paths));
    if (duckdb_open(&db, lib, &how, err) < 0 || duckdb_run(&db, paths, NULL, err) < 0 ||
        (q->sql.len > 0 && duckdb_run(&db, pl_buf_cstr(&q->sql), NULL, err) < 0))
        return -1;
    return duckdb_select(&db, sql, rows_max, ret, err);
}

int iceberg_query(const struct duckdb_library *lib, struct iceberg_views *views, const char *sql,
                  int64_t rows_max, struct output_rows *ret, struct pl_err *err)
{
    PL_CLEANUP(query_release) struct query q = {.why = {.kind = PL_ERR_NONE}};
    pl_buf_add(&q.paths, views->paths.data, views->paths.len);
    pl_buf_add(&q.sql, views->sql.data, views->sql.len);
    remotes_take(&q, views, sql);
    if (query_run(lib, &q, sql, rows_max, ret, err) == 0)
        return 0;
    if (q.why.kind != PL_ERR_NONE) {
        *err = q.why;
        return -1;
    }
    return views->why_not[0] ? pl_err_prefix(err, "%s", views->why_not) : -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - see output.h.
 */
#include "daemons/chsinkd/iceberg/output.h"

#include <stdio.h>

#include "daemons/chsinkd/iceberg/append.h"
#include "daemons/chsinkd/iceberg/catalog/catalog_path.h"
#include "daemons/chsinkd/iceberg/catalog/catalog_rest.h"
#include "daemons/chsinkd/iceberg/describe.h"
#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/positions.h"
#include "daemons/chsinkd/iceberg/maintain.h"
#include "daemons/chsinkd/iceberg/store/store_local.h"
#include "daemons/chsinkd/iceberg/store/store_s3.h"
#include "daemons/chsinkd/iceberg/view.h"
#include "daemons/chsinkd/route/table_name.h"
#include "lib/config/options.h"

#define ENSURE_TRIES 10 /* conflicts with others that create or change the table */

struct target {
    struct output_target base; /* first */
    char *shown;
};

/* A table's place in an output: what its catalogue gives out for its files. */
struct place {
    struct output *output;
    char *namespace_, *table;
    struct iceberg_vended vended;
    struct s3_lender lender;
};

struct output {
    const struct iceberg_conf *conf;
    struct place **places; /* of the tables that were asked for */
    unsigned places_n;
    struct iceberg_stop stop;
    struct iceberg_store *local;
    struct iceberg_store *s3; /* NULL until a location is there */
    struct iceberg_catalog *catalog;
    struct duckdb_library library;
    bool library_loaded;
    struct iceberg_views views; /* of the tables that were described */
};

static const char *namespace_of(const struct iceberg_conf *c, const struct route *r)
{
    return r->database ? r->database : c->namespace_;
}

static struct output_target *target_new(const void *conf, const struct route *r)
{
    const struct iceberg_conf *c = conf;
    struct target *t = pl_alloc(sizeof(*t));
    t->shown = table_name_text(namespace_of(c, r), r->table);
    t->base = (struct output_target){r, t->shown, namespace_of(c, r)};
    return &t->base;
}

static void target_free(struct output_target *base)
{
    struct target *t = (struct target *)base;
    if (!t)
        return;
    free(t->shown);
    free(t);
}

static const char *output_where(const void *conf)
{
    const struct iceberg_conf *c = conf;
    return c->catalog == ICEBERG_CATALOG_REST ? c->rest.url : c->warehouse;
}

/* Metadata, manifest list, data file, manifest, list and commit, each with its time; and once more
 * for a conflict. */
static int64_t output_call_ms(const void *conf)
{
    const struct iceberg_conf *c = conf;
    return 8 * c->timeout_ms;
}

static struct output *output_open(const void *conf)
{
    struct output *o = pl_alloc(sizeof(*o));
    o->conf = conf;
    o->local = iceberg_store_local_new();
    if (o->conf->catalog == ICEBERG_CATALOG_REST) {
        o->catalog = iceberg_catalog_rest_new(o->conf, &o->stop);
        return o;
    }
    bool remote = iceberg_store_is_s3(o->conf->warehouse);
    if (remote)
        o->s3 = iceberg_store_s3_new(o->conf, &o->stop);
    o->catalog = iceberg_catalog_path_new(o->conf, remote ? o->s3 : o->local);
    return o;
}

static void place_free(struct place *p)
{
    free(p->namespace_);
    free(p->table);
    iceberg_vended_release(&p->vended);
    free(p);
}

static void output_close(struct output *o)
{
    if (!o)
        return;
    iceberg_catalog_free(o->catalog);
    iceberg_store_free(o->local);
    iceberg_store_free(o->s3);
    iceberg_views_release(&o->views);
    for (unsigned i = 0; i < o->places_n; i++)
        place_free(o->places[i]);
    free(o->places);
    free(o);
}

static void output_abort(struct output *o, bool aborted)
{
    atomic_store(&o->stop.aborted, aborted);
}

static void output_stop_when(struct output *o, bool (*asked)(void))
{
    o->stop.asked = asked;
}

static struct iceberg_store *store_of(void *userdata, const char *location, struct pl_err *err)
{
    struct place *p = userdata;
    struct output *o = p->output;
    if (iceberg_local_path(location))
        return o->local;
    if (iceberg_store_is_s3(location)) {
        if (!o->s3)
            o->s3 = iceberg_store_s3_new(o->conf, &o->stop);
        iceberg_store_s3_lend(o->s3, &p->lender);
        return o->s3;
    }
    pl_err_set(err, PL_ERR_CONFIG, 0, "%.200s is in no store that chsinkd knows", location);
    return NULL;
}

static int library_load(struct output *o, struct pl_err *err)
{
    const char *path = o->conf->library ? o->conf->library : DUCKDB_LIBRARY_DFLT;
    if (!o->library_loaded && duckdb_library_load(&o->library, path, err) < 0)
        return -1;
    o->library_loaded = true;
    return 0;
}

static int keys_renew(void *userdata, struct pl_err *err)
{
    struct place *p = userdata;
    const struct iceberg_name name = {p->namespace_, p->table};
    struct iceberg_loaded loaded = {0};
    if (p->output->catalog->ops->load(p->output->catalog, &name, &loaded, err) < 0) {
        if (err->kind == PL_ERR_REJECT)
            err->kind = PL_ERR_CONFIG;
        return -1;
    }
    iceberg_vended_replace(&p->vended, &loaded.vended);
    iceberg_loaded_release(&loaded);
    return 0;
}

static struct place *place_of(struct output *o, const struct output_target *t)
{
    for (unsigned i = 0; i < o->places_n; i++)
        if (strcmp(o->places[i]->namespace_, t->database) == 0 &&
            strcmp(o->places[i]->table, t->route->table) == 0)
            return o->places[i];
    struct place *p = pl_alloc(sizeof(*p));
    *p = (struct place){.output = o,
                        .namespace_ = pl_strdup(t->database),
                        .table = pl_strdup(t->route->table),
                        .lender = {&p->vended, keys_renew, p}};
    o->places = pl_realloc_array(o->places, o->places_n + 1, sizeof(struct place *));
    o->places[o->places_n++] = p;
    return p;
}

static struct iceberg_table table_of(struct output *o, const struct output_target *t)
{
    struct place *place = place_of(o, t);
    return (struct iceberg_table){.catalog = o->catalog,
                                  .name = {t->database, t->route->table},
                                  .shown = t->name,
                                  .route = t->route,
                                  .library = &o->library,
                                  .uint64 = o->conf->uint64,
                                  .vended = &place->vended,
                                  .store_of = store_of,
                                  .userdata = place};
}

/* ---- what a table is made with ---- */

static int request_new(const struct iceberg_conf *conf, const struct route *r, cJSON **ret,
                       struct pl_err *err)
{
    cJSON *schema, *spec;
    if (iceberg_schema_new(r, conf->uint64, &schema, &spec, err) < 0)
        return -1;
    cJSON *request = cJSON_CreateObject(), *order = cJSON_CreateObject();
    cJSON_AddStringToObject(request, "name", r->table);
    cJSON_AddItemToObject(request, "schema", schema);
    cJSON_AddItemToObject(request, "partition-spec", spec);
    iceberg_json_add_int(order, "order-id", 0);
    cJSON_AddArrayToObject(order, "fields");
    cJSON_AddItemToObject(request, "write-order", order);
    cJSON *properties = cJSON_AddObjectToObject(request, "properties");
    cJSON_AddStringToObject(properties, "format-version", "2");
    cJSON_AddStringToObject(properties, "write.parquet.compression-codec", "zstd");
    *ret = request;
    return 0;
}

/* As SQL that people of Iceberg know (Spark's). */
static void table_print(const char *name, const cJSON *request, struct pl_buf *out)
{
    const cJSON *fields = pl_doc_get(pl_doc_get(request, "schema"), "fields"), *f;
    const char *between = "";
    pl_buf_addf(out, "CREATE TABLE %s (", name);
    cJSON_ArrayForEach(f, fields)
    {
        pl_buf_addf(out, "%s\n    `%s` %s%s", between, pl_doc_str(f, "name"), pl_doc_str(f, "type"),
                    cJSON_IsTrue(pl_doc_get(f, "required")) ? " NOT NULL" : "");
        between = ",";
    }
    pl_buf_add_str(out, "\n) USING iceberg");
    between = "\nPARTITIONED BY (";
    cJSON_ArrayForEach(f, pl_doc_get(pl_doc_get(request, "partition-spec"), "fields"))
    {
        int64_t id = 1; /* from 1 in a new table */
        iceberg_json_int(f, "source-id", &id);
        pl_buf_addf(out, "%s%s(`%s`)", between, pl_doc_str(f, "transform"),
                    pl_doc_str(cJSON_GetArrayItem(fields, (int)id - 1), "name"));
        between = ", ";
    }
    if (between[0] == ',')
        pl_buf_add_byte(out, ')');
}

static void target_print(const struct output_target *t, struct pl_buf *out)
{
    const struct iceberg_conf conf = {.uint64 = ICEBERG_UINT64_DECIMAL};
    PL_CLEANUP(cJSON_Deletep) cJSON *request = NULL;
    struct pl_err err;
    if (request_new(&conf, t->route, &request, &err) < 0)
        pl_buf_addf(out, "-- %s: %s\n", t->name, err.msg);
    else {
        table_print(t->name, request, out);
        pl_buf_add_str(out, ";\n");
    }
}

/* ---- ensure ---- */

static void fact(const struct output_ensure *how, const char *what, const char *name)
{
    if (how->on_fact)
        how->on_fact(how->userdata, what, name);
}

/* 1: another was faster. */
static int table_create(struct output *o, const struct output_target *t,
                        const struct output_ensure *how, struct output_state *ret,
                        struct pl_err *err)
{
    struct iceberg_table table = table_of(o, t);
    PL_CLEANUP(cJSON_Deletep) cJSON *request = NULL;
    struct iceberg_loaded made = {0};
    if (request_new(o->conf, t->route, &request, err) < 0)
        return -1;
    if (how->dry_run) {
        table_print(t->name, request, how->ret_plan);
        pl_buf_add_str(how->ret_plan, ";\n");
        return 0;
    }
    switch (o->catalog->ops->create(o->catalog, &table.name, request, &made, err)) {
    case ICEBERG_COMMITTED:
        break;
    case ICEBERG_CONFLICT:
        return 1;
    case ICEBERG_COMMIT_FAILED:
    case ICEBERG_COMMIT_UNKNOWN:
        return -1;
    }
    iceberg_vended_replace(table.vended, &made.vended);
    int rc = iceberg_folders_check(&table, made.metadata, err);
    iceberg_loaded_release(&made);
    ret->created = true;
    fact(how, "table created", t->name);
    return rc;
}

struct growth {
    const struct output_ensure *how;
    const char *table;
    struct pl_buf names; /* each ended by a NUL */
    unsigned n;
};

static void on_added(void *userdata, const char *column)
{
    struct growth *g = userdata;
    g->n++;
    pl_buf_add(&g->names, column, strlen(column) + 1);
}

static void growth_tell(const struct growth *g, bool dry_run)
{
    const char *p = g->names.data;
    for (unsigned i = 0; i < g->n; i++, p += strlen(p) + 1) {
        if (dry_run)
            pl_buf_addf(g->how->ret_plan, "ALTER TABLE %s ADD COLUMN `%s`;\n", g->table, p);
        else
            fact(g->how, "column added", p);
    }
}

static int columns_commit(struct output *o, const struct iceberg_table *table,
                          struct iceberg_loaded *loaded, cJSON *schema, int64_t last_column_id,
                          struct pl_err *err)
{
    struct iceberg_change change;
    struct iceberg_loaded after = {0};
    iceberg_change_init(&change, loaded->metadata);
    iceberg_change_schema(&change, loaded->metadata, schema, last_column_id);
    enum iceberg_committed committed = o->catalog->ops->commit(
        o->catalog, &table->name, loaded, change.requirements, change.updates, &after, err);
    iceberg_change_release(&change);
    switch (committed) {
    case ICEBERG_COMMITTED:
        iceberg_loaded_release(loaded);
        *loaded = after;
        return 0;
    case ICEBERG_CONFLICT:
        return 1;
    case ICEBERG_COMMIT_FAILED:
    case ICEBERG_COMMIT_UNKNOWN:
        break;
    }
    return -1;
}

/* Adds what is missing, and checks the rest. 1: another was faster. */
static int table_grow(struct output *o, const struct output_target *t,
                      struct iceberg_loaded *loaded, const struct output_ensure *how,
                      struct output_state *ret, struct pl_err *err)
{
    struct iceberg_table table = table_of(o, t);
    struct growth g = {.how = how, .table = t->name};
    cJSON *schema = NULL;
    int64_t last;
    int rc = iceberg_schema_grow(t->route, o->conf->uint64, loaded->metadata, &schema, &last,
                                 on_added, &g, err);
    if (rc == 0 && schema && how->dry_run) {
        growth_tell(&g, true);
        cJSON_Delete(schema);
        pl_buf_release(&g.names);
        return 0;
    }
    if (rc == 0 && schema) {
        rc = columns_commit(o, &table, loaded, schema, last, err);
        if (rc == 0) {
            ret->columns_added = g.n;
            growth_tell(&g, false);
        }
    }
    pl_buf_release(&g.names);
    if (rc != 0)
        return rc;
    struct iceberg_layout layout;
    if (iceberg_layout_of(t->route, o->conf->uint64, loaded->metadata, &layout, err) < 0)
        return pl_err_prefix(err, "the Iceberg table %.100s", t->name);
    iceberg_layout_release(&layout);
    PL_CLEANUP(cJSON_Deletep) cJSON *positions = NULL;
    if (!how->dry_run && iceberg_folders_check(&table, loaded->metadata, err) < 0)
        return -1;
    return iceberg_positions_of(loaded->metadata, &positions, err);
}

static int output_ensure(struct output *o, const struct output_target *t,
                         const struct output_ensure *how, struct output_state *ret,
                         struct pl_err *err)
{
    static const struct output_ensure plain;
    struct iceberg_table table = table_of(o, t);
    struct output_state state = {.guarantee = OUTPUT_POSITION, .can_look = true, .grows = true};
    snprintf(state.engine, sizeof(state.engine), "Iceberg");
    how = how ? how : &plain;
    if (library_load(o, err) < 0)
        return -1;
    for (unsigned i = 0; i < ENSURE_TRIES; i++) {
        struct iceberg_loaded loaded = {0};
        if (iceberg_table_load(&table, &loaded, err) < 0)
            return -1;
        int rc = loaded.metadata ? table_grow(o, t, &loaded, how, &state, err)
                                 : table_create(o, t, how, &state, err);
        iceberg_loaded_release(&loaded);
        if (rc == 0)
            *ret = state;
        if (rc <= 0)
            return rc;
    }
    return pl_err_set(err, PL_ERR_RETRY, 0,
                      "other writers of the Iceberg table %.100s were faster %d times in a row",
                      t->name, ENSURE_TRIES);
}

static int output_columns(struct output *o, const struct output_target *t, struct column_notes *ret,
                          struct pl_err *err)
{
    struct iceberg_table table = table_of(o, t);
    struct iceberg_loaded loaded = {0};
    if (iceberg_table_load(&table, &loaded, err) < 0)
        return -1;
    if (loaded.metadata)
        iceberg_schema_columns(loaded.metadata, ret);
    iceberg_loaded_release(&loaded);
    return 0;
}

/* ---- rows ---- */

static enum output_answer output_insert(struct output *o, const struct output_target *t,
                                        const struct output_range *range, const struct batch *b,
                                        const char *token, struct pl_err *err)
{
    (void)token;
    struct iceberg_table table = table_of(o, t);
    if (library_load(o, err) < 0)
        return OUTPUT_HELD;
    return iceberg_append(&table, range, b, err);
}

static int output_position(struct output *o, const struct output_target *t,
                           const struct output_range *range, int64_t *ret_offset,
                           struct pl_buf *ret_note, struct pl_err *err)
{
    struct iceberg_table table = table_of(o, t);
    struct iceberg_loaded loaded = {0};
    PL_CLEANUP(cJSON_Deletep) cJSON *positions = NULL;
    if (iceberg_table_load(&table, &loaded, err) < 0)
        return -1;
    int rc = loaded.metadata ? iceberg_positions_of(loaded.metadata, &positions, err) : 0;
    iceberg_loaded_release(&loaded);
    if (rc < 0)
        return -1;
    const char *note;
    *ret_offset =
        iceberg_position_get(positions, range->group, range->topic, range->partition, &note);
    pl_buf_add_str(ret_note, note);
    return 0;
}

static int output_maintain(struct output *o, const struct output_target *t,
                           const struct output_maintain *how, struct pl_err *err)
{
    struct iceberg_table table = table_of(o, t);
    return iceberg_maintain(&table, how, o->conf->keep_snapshots_ms, err);
}

/* ---- for --show ---- */

static int output_describe(struct output *o, const struct output_target *t, const char *group,
                           struct output_facts *ret, struct pl_err *err)
{
    struct iceberg_table table = table_of(o, t);
    struct iceberg_loaded loaded = {0};
    if (iceberg_table_load(&table, &loaded, err) < 0)
        return -1;
    ret->kept = true;
    int rc = loaded.metadata
                 ? iceberg_describe(loaded.metadata, t->route, o->conf->uint64, group, ret, err)
                 : 0;
    if (rc == 0 && loaded.metadata)
        iceberg_views_add(&o->views, &table, loaded.metadata, ret);
    iceberg_loaded_release(&loaded);
    return rc;
}

static int output_query(struct output *o, const char *sql, int64_t rows_max,
                        struct output_rows *ret, struct pl_err *err)
{
    if (library_load(o, err) < 0)
        return -1;
    return iceberg_query(&o->library, &o->views, sql, rows_max, ret, err);
}

const struct output_kind iceberg_output = {
    .name = "Iceberg",
    .batch = {.rows = 500000, .bytes = 128 * PL_MIB, .age_ms = PL_MINUTE_MS},
    .writers_max = 1,
    .where = output_where,
    .call_ms = output_call_ms,
    .target_new = target_new,
    .target_free = target_free,
    .target_print = target_print,
    .open = output_open,
    .close = output_close,
    .abort = output_abort,
    .stop_when = output_stop_when,
    .ensure = output_ensure,
    .columns = output_columns,
    .insert = output_insert,
    .position = output_position,
    .maintain = output_maintain,
    .describe = output_describe,
    .query_described = true,
    .query = output_query,
};

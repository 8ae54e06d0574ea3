/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_iceberg_output.c - batches into Iceberg tables by path: rows and position in one commit,
 * other writers between, what a failed try leaves. Run with DUCKDB_LIBRARY=PATH in the environment,
 * as tests/services/duckdb.sh prints it. That other programs read the tables is
 * tests/e2e/test_iceberg.py's.
 *
 * links: chsinkd
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/iceberg/append.h"
#include "daemons/chsinkd/iceberg/catalog/catalog_path.h"
#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/positions.h"
#include "daemons/chsinkd/iceberg/output.h"
#include "daemons/chsinkd/iceberg/store/store_local.h"
#include "daemons/chsinkd/output/facts.h"
#include "lib/base/clock.h"
#include "lib/config/options.h"
#include "tests/unit/rows_fixture.h"

#define TEXT(s) ((char *)(s))

#define COLUMNS                                                                                    \
    "columns:\n"                                                                                   \
    "  - {name: time, path: $.t, type: DateTime64(3)}\n"                                           \
    "  - {name: s, path: $.s, type: String, missing: default}\n"                                   \
    "  - {name: n, path: $.n, type: Nullable(Int32)}\n"                                            \
    "  - {name: u, path: $.u, type: Nullable(UInt64)}\n"                                           \
    "  - {name: d, path: $.d, type: Nullable(Date)}\n"                                             \
    "  - {name: id, path: $.id, type: Nullable(UUID)}\n"                                           \
    "  - {name: b, path: $.b, type: Nullable(Bool)}\n"                                             \
    "  - {name: f, path: $.f, type: Nullable(Float64)}\n"                                          \
    "  - {name: _offset, from: offset, type: UInt64}\n"
#define MORE    "  - {name: extra, path: $.extra, type: Nullable(String)}\n"
#define MONTHLY "partition_by: toYYYYMM(time)\n"

static char *warehouse; /* a folder for each test */

static void warehouse_make(void)
{
    warehouse = unit_dir();
}

static void warehouse_free(void)
{
    free(warehouse);
}

struct world {
    struct iceberg_conf conf;
    struct fixture f;
    struct output_target *target;
    struct output *output;
};

static void world_open(struct world *w, const char *route)
{
    w->conf = (struct iceberg_conf){.warehouse = warehouse,
                                    .namespace_ = TEXT("db"),
                                    .library = getenv("DUCKDB_LIBRARY"),
                                    .timeout_ms = 1000};
    w->f = fixture_new(route);
    w->target = iceberg_output.target_new(&w->conf, w->f.route);
    w->output = iceberg_output.open(&w->conf);
}

static void world_close(struct world *w)
{
    iceberg_output.close(w->output);
    iceberg_output.target_free(w->target);
    fixture_free(&w->f);
}

static struct output_state ensure(struct world *w)
{
    struct output_state state;
    struct pl_err err;
    ck_assert_done(iceberg_output.ensure(w->output, w->target, NULL, &state, &err), err);
    ck_assert_int_eq(state.guarantee, OUTPUT_POSITION);
    return state;
}

/* Messages from `start` on, one row each. */
static struct batch *batch_of(struct world *w, int64_t start, const char *const *values, size_t n)
{
    struct batch *b = batch_new(block_new(w->f.route), start);
    for (size_t i = 0; i < n; i++) {
        struct rows_message m = {.topic = "t",
                                 .partition = 3,
                                 .offset = start + (int64_t)i,
                                 .timestamp_ms = 1000,
                                 .value = values[i],
                                 .value_len = strlen(values[i])};
        rows_decode(w->f.rows, &m, NULL, b->block, on_reject, &w->f);
        batch_message_add(b, m.offset, BATCH_ROWS);
    }
    ck_assert_uint_eq(block_rows(b->block), n);
    return b;
}

static enum output_answer insert(struct world *w, int64_t start, int64_t position, const char *note,
                                 const char *const *values, size_t n, struct pl_err *err)
{
    struct batch *b = batch_of(w, start, values, n);
    const struct output_range range = {.group = "g",
                                       .topic = "t",
                                       .partition = 3,
                                       .start = start,
                                       .end = start + (int64_t)n,
                                       .position = position,
                                       .note = note};
    enum output_answer answer =
        iceberg_output.insert(w->output, w->target, &range, b, "token", err);
    batch_free(b);
    return answer;
}

static int64_t position(struct world *w, const char *group, struct pl_buf *note)
{
    const struct output_range range = {.group = group, .topic = "t", .partition = 3};
    struct pl_err err;
    int64_t offset = -2;
    ck_assert_done(iceberg_output.position(w->output, w->target, &range, &offset, note, &err), err);
    return offset;
}

static void assert_position(struct world *w, int64_t offset, const char *note)
{
    struct pl_buf has = {0};
    ck_assert_int_eq(position(w, "g", &has), offset);
    ck_assert_str_eq(pl_buf_cstr(&has), note);
    pl_buf_release(&has);
}

/* The current metadata, as another writer sees it. */
static struct iceberg_loaded load(struct world *w)
{
    struct iceberg_store *store = iceberg_store_local_new();
    struct iceberg_catalog *catalog = iceberg_catalog_path_new(&w->conf, store);
    const struct iceberg_name name = {"db", "t"};
    struct iceberg_loaded loaded = {0};
    struct pl_err err;
    ck_assert_done(catalog->ops->load(catalog, &name, &loaded, &err), err);
    iceberg_catalog_free(catalog);
    iceberg_store_free(store);
    return loaded;
}

/* A commit of another writer: what its snapshot has is not ours. */
static void others_commit(struct world *w)
{
    struct iceberg_store *store = iceberg_store_local_new();
    struct iceberg_catalog *catalog = iceberg_catalog_path_new(&w->conf, store);
    const struct iceberg_name name = {"db", "t"};
    struct iceberg_loaded loaded = load(w), after = {0};
    struct iceberg_snapshot before;
    struct pl_err err;
    ck_assert(iceberg_snapshot_current(loaded.metadata, &before));
    cJSON *updates = cJSON_CreateArray(), *update = cJSON_CreateObject();
    cJSON_AddStringToObject(update, "action", "add-snapshot");
    cJSON *snapshot = cJSON_Duplicate(before.json, true);
    cJSON_ReplaceItemInObject(snapshot, "snapshot-id", iceberg_json_new_int(before.id ^ 1));
    cJSON_DeleteItemFromObject(snapshot, "parent-snapshot-id");
    iceberg_json_add_int(snapshot, "parent-snapshot-id", before.id);
    cJSON_DeleteItemFromObject(cJSON_GetObjectItem(snapshot, "summary"), ICEBERG_OFFSETS_KEY);
    cJSON_ReplaceItemInObject(snapshot, "sequence-number",
                              iceberg_json_new_int(iceberg_sequence_next(loaded.metadata)));
    cJSON_AddItemToObject(update, "snapshot", snapshot);
    cJSON_AddItemToArray(updates, update);
    update = cJSON_CreateObject();
    cJSON_AddStringToObject(update, "action", "set-snapshot-ref");
    cJSON_AddStringToObject(update, "ref-name", "main");
    cJSON_AddStringToObject(update, "type", "branch");
    iceberg_json_add_int(update, "snapshot-id", before.id ^ 1);
    cJSON_AddItemToArray(updates, update);
    ck_assert_int_eq(catalog->ops->commit(catalog, &name, &loaded, NULL, updates, &after, &err),
                     ICEBERG_COMMITTED);
    cJSON_Delete(updates);
    iceberg_loaded_release(&loaded);
    iceberg_loaded_release(&after);
    iceberg_catalog_free(catalog);
    iceberg_store_free(store);
}

/* "total-records" of the current snapshot. */
static int64_t rows_there(struct world *w)
{
    struct iceberg_loaded loaded = load(w);
    struct iceberg_snapshot s;
    int64_t rows = 0;
    if (iceberg_snapshot_current(loaded.metadata, &s))
        rows = strtoll(pl_doc_str(pl_doc_get(s.json, "summary"), "total-records"), NULL, 10);
    iceberg_loaded_release(&loaded);
    return rows;
}

static bool count_parquet(void *userdata, const struct iceberg_file *f)
{
    unsigned *n = userdata;
    *n += strstr(f->location, ".parquet") != NULL;
    return true;
}

static unsigned parquet_there(void)
{
    struct iceberg_store *store = iceberg_store_local_new();
    struct pl_err err;
    unsigned n = 0;
    ck_assert_done(store->ops->list(store, warehouse, count_parquet, &n, &err), err);
    iceberg_store_free(store);
    return n;
}

static const char *const two_months[] = {
    "{\"t\":\"2026-01-05T01:02:03.004Z\",\"s\":\"Zürich\\u0000\",\"n\":-1,\"d\":\"2026-01-31\","
    "\"id\":\"00112233-4455-6677-8899-aabbccddeeff\",\"u\":18446744073709551615,\"b\":true}",
    "{\"t\":\"2026-02-05T01:02:03.004Z\",\"n\":2147483647,\"f\":0.1}",
    "{\"t\":\"1969-12-31T23:59:59.999Z\",\"s\":\"before\"}",
};

START_TEST(rows_and_position_are_one_commit)
{
    struct world w;
    struct pl_err err;
    world_open(&w, _i == 1 ? MONTHLY COLUMNS : COLUMNS);
    ck_assert(ensure(&w).created);
    ck_assert(!ensure(&w).created);
    assert_position(&w, -1, "");
    ck_assert_int_eq(insert(&w, 10, -1, "note 1", two_months, 3, &err), OUTPUT_DONE);
    assert_position(&w, 13, "note 1");
    ck_assert_int_eq(rows_there(&w), 3);
    ck_assert_uint_eq(parquet_there(), _i == 1 ? 3 : 1);
    ck_assert_int_eq(insert(&w, 13, 13, "note 2", two_months, 2, &err), OUTPUT_DONE);
    assert_position(&w, 15, "note 2");
    /* without rows the position moves as well */
    ck_assert_int_eq(insert(&w, 15, 15, "", NULL, 0, &err), OUTPUT_DONE);
    ck_assert_int_eq(rows_there(&w), 5);
    struct pl_buf note = {0};
    ck_assert_int_eq(position(&w, "another group", &note), -1);
    pl_buf_release(&note);
    world_close(&w);
}
END_TEST

START_TEST(what_is_there_is_not_written_again)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 10, -1, "a", two_months, 3, &err), OUTPUT_DONE);
    /* the answer was lost: the same again */
    ck_assert_int_eq(insert(&w, 10, -1, "a", two_months, 3, &err), OUTPUT_DONE);
    /* another owner's batch ends there */
    ck_assert_int_eq(insert(&w, 10, -1, "b", two_months, 3, &err), OUTPUT_MOVED);
    ck_assert_int_eq(insert(&w, 10, 10, "a", two_months, 2, &err), OUTPUT_MOVED);
    ck_assert_int_eq(insert(&w, 20, 20, "a", two_months, 2, &err), OUTPUT_MOVED);
    ck_assert_msg(strstr(err.msg, "has 13 as the position of t [3], not 20"), "%s", err.msg);
    ck_assert_int_eq(rows_there(&w), 3);
    ck_assert_uint_eq(parquet_there(), 1);
    world_close(&w);
}
END_TEST

START_TEST(other_writers_commits_are_kept)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    others_commit(&w);
    assert_position(&w, 1, "a"); /* an ancestor's */
    ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 1, &err), OUTPUT_DONE);
    ck_assert_int_eq(rows_there(&w), 2);
    struct iceberg_loaded loaded = load(&w);
    ck_assert_int_eq(cJSON_GetArraySize(pl_doc_get(loaded.metadata, "snapshots")), 3);
    iceberg_loaded_release(&loaded);
    world_close(&w);
}
END_TEST

/* A start that cannot work is refused, of a table that is there already as well. */
START_TEST(a_warehouse_that_cannot_be_written_is_refused)
{
    static const struct {
        const char *command, *why; /* W is the warehouse, with a table in it */
        bool root;                 /* only as root: it mounts */
    } cases[] = {
        {"rm -rf $W; : > $W", "Not a directory", false},
        {"rm -rf $W; ln -s nowhere $W", "is a link to what is not there", false},
        {"rm -rf $W/db/t/data; : > $W/db/t/data", "is a file: it must be a folder", false},
        {"mount --bind $W $W && mount -o remount,bind,ro $W", "Read-only file system", true},
        {"rm -rf $W/db/t/data && mkdir $W/db/t/data && mount --bind $W/db/t/data $W/db/t/data && "
         "mount -o remount,bind,ro $W/db/t/data",
         "Read-only file system", true},
    };
    PL_FREE char *folder = pl_strf("%s/w", warehouse);
    struct world w;
    struct pl_err err;
    struct output_state state;
    if (cases[_i].root && (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
                           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        return;
    free(warehouse);
    warehouse = folder;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "", two_months, 1, &err), OUTPUT_DONE);
    PL_FREE char *line = pl_strf("W=%s; %s", folder, cases[_i].command);
    ck_assert_int_eq(system(line), 0);
    int rc = iceberg_output.ensure(w.output, w.target, NULL, &state, &err);
    ck_assert_msg(rc == -1 && err.kind == PL_ERR_CONFIG && strstr(err.msg, cases[_i].why),
                  "%s: %d, %s", cases[_i].command, rc, rc < 0 ? err.msg : "");
    world_close(&w);
    warehouse = NULL;
}
END_TEST

/* So many old snapshots with such positions. */
static void history_make(struct world *w, unsigned snapshots, unsigned partitions)
{
    struct iceberg_loaded loaded = load(w);
    struct iceberg_snapshot current;
    struct pl_buf offsets = {0}, text = {0};
    ck_assert(iceberg_snapshot_current(loaded.metadata, &current));
    pl_buf_add_str(&offsets, "{\"g\":{\"t\":{\"3\":0");
    for (unsigned i = 0; i < partitions; i++)
        pl_buf_addf(&offsets, ",\"%u\":1234567890", 1000 + i);
    pl_buf_add_str(&offsets, "}}}");
    cJSON *all = cJSON_CreateArray();
    for (unsigned i = 0; i < snapshots; i++) {
        cJSON *s = cJSON_Duplicate(current.json, true);
        cJSON_ReplaceItemInObject(s, "snapshot-id", iceberg_json_new_int(1000 + i));
        cJSON_ReplaceItemInObject(cJSON_GetObjectItem(s, "summary"), ICEBERG_OFFSETS_KEY,
                                  cJSON_CreateString(pl_buf_cstr(&offsets)));
        cJSON_AddItemToArray(all, s);
    }
    cJSON_AddItemToArray(all, cJSON_Duplicate(current.json, true));
    cJSON_ReplaceItemInObject(loaded.metadata, "snapshots", all);
    iceberg_json_print(loaded.metadata, &text);
    FILE *f = fopen(iceberg_local_path(loaded.metadata_location), "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text.data, 1, text.len, f), text.len);
    ck_assert_int_eq(fclose(f), 0);
    pl_buf_release(&offsets);
    pl_buf_release(&text);
    iceberg_loaded_release(&loaded);
}

static int64_t metadata_bytes(struct world *w)
{
    struct iceberg_loaded loaded = load(w);
    struct stat st;
    ck_assert_int_eq(stat(iceberg_local_path(loaded.metadata_location), &st), 0);
    iceberg_loaded_release(&loaded);
    return st.st_size;
}

/* 200 partitions, an hour of commits, and nobody who expires: the metadata stay readable, and the
 * table takes what comes. */
START_TEST(the_history_does_not_grow_for_ever)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    history_make(&w, 8000, 200);
    ck_assert_int_gt(metadata_bytes(&w), 30 * PL_MIB);
    ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 1, &err), OUTPUT_DONE);
    ck_assert_int_lt(metadata_bytes(&w), 12 * PL_MIB);
    ck_assert_int_eq(insert(&w, 2, 2, "c", two_months, 1, &err), OUTPUT_DONE);
    assert_position(&w, 3, "c");
    ck_assert_int_eq(rows_there(&w), 3);
    struct iceberg_loaded loaded = load(&w);
    struct iceberg_snapshot s;
    ck_assert(!iceberg_snapshot_find(loaded.metadata, 1000, &s)); /* the oldest */
    ck_assert(iceberg_snapshot_find(loaded.metadata, 8999, &s));  /* the newest of them */
    iceberg_loaded_release(&loaded);
    world_close(&w);
}
END_TEST

/* A catalogue in which another commits between our load and our commit, a number of times; or (no
 * `meddle`) our request is repeated on its way, so that it is answered to conflict with itself. */
struct meddler {
    struct iceberg_catalog base;
    struct iceberg_catalog *real;
    struct world *world;
    unsigned times;
    void (*meddle)(struct world *w);
};

static int meddler_load(struct iceberg_catalog *c, const struct iceberg_name *name,
                        struct iceberg_loaded *ret, struct pl_err *err)
{
    struct meddler *m = (struct meddler *)c;
    return m->real->ops->load(m->real, name, ret, err);
}

static enum iceberg_committed meddler_commit(struct iceberg_catalog *c,
                                             const struct iceberg_name *name,
                                             const struct iceberg_loaded *base,
                                             const cJSON *requirements, const cJSON *updates,
                                             struct iceberg_loaded *ret, struct pl_err *err)
{
    struct meddler *m = (struct meddler *)c;
    if (m->times > 0) {
        m->times--;
        if (m->meddle)
            m->meddle(m->world);
        else if (m->real->ops->commit(m->real, name, base, requirements, updates, ret, err) ==
                 ICEBERG_COMMITTED)
            iceberg_loaded_release(ret);
    }
    return m->real->ops->commit(m->real, name, base, requirements, updates, ret, err);
}

static const struct iceberg_catalog_ops meddler_ops = {.load = meddler_load,
                                                       .commit = meddler_commit};

static struct iceberg_store *store_local(void *userdata, const char *location, struct pl_err *err)
{
    (void)location, (void)err;
    return userdata;
}

static enum output_answer append_meddled(struct world *w, unsigned times,
                                         void (*meddle)(struct world *w), struct pl_err *err)
{
    struct iceberg_store *store = iceberg_store_local_new();
    struct meddler m = {
        {&meddler_ops}, iceberg_catalog_path_new(&w->conf, store), w, times, meddle};
    struct duckdb_library library;
    ck_assert_done(duckdb_library_load(&library, w->conf.library, err), *err);
    const struct iceberg_table table = {.catalog = &m.base,
                                        .name = {"db", "t"},
                                        .shown = "db.t",
                                        .route = w->f.route,
                                        .library = &library,
                                        .store_of = store_local,
                                        .userdata = store};
    struct batch *b = batch_of(w, 1, two_months, 2);
    const struct output_range range = {.group = "g",
                                       .topic = "t",
                                       .partition = 3,
                                       .start = 1,
                                       .end = 3,
                                       .position = 1,
                                       .note = "mine"};
    enum output_answer answer = iceberg_append(&table, &range, b, err);
    batch_free(b);
    iceberg_catalog_free(m.real);
    iceberg_store_free(store);
    return answer;
}

static void another_owner(struct world *w)
{
    struct pl_err err;
    ck_assert_int_eq(insert(w, 1, 1, "theirs", two_months, 3, &err), OUTPUT_DONE);
}

static void the_same_batch(struct world *w)
{
    struct pl_err err;
    ck_assert_int_eq(insert(w, 1, 1, "mine", two_months, 2, &err), OUTPUT_DONE);
}

START_TEST(conflicts_are_tried_again)
{
    static const struct {
        void (*meddle)(struct world *w);
        unsigned times;
        enum output_answer answer;
        int64_t rows, position;
        unsigned files;
    } cases[] = {
        {others_commit, 0, OUTPUT_DONE, 3, 3, 2},
        {others_commit, 3, OUTPUT_DONE, 3, 3, 2},
        {others_commit, 100, OUTPUT_RETRY, 1, 1, 1}, /* its files are removed */
        {another_owner, 1, OUTPUT_MOVED, 4, 4, 2},
        {the_same_batch, 1, OUTPUT_DONE, 3, 3, 2},
        {NULL, 1, OUTPUT_DONE, 3, 3, 2},
    };
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    ck_assert_int_eq(append_meddled(&w, cases[_i].times, cases[_i].meddle, &err), cases[_i].answer);
    ck_assert_int_eq(rows_there(&w), cases[_i].rows);
    struct pl_buf note = {0};
    ck_assert_int_eq(position(&w, "g", &note), cases[_i].position);
    pl_buf_release(&note);
    ck_assert_uint_eq(parquet_there(), cases[_i].files);
    world_close(&w);
}
END_TEST

START_TEST(columns_are_added)
{
    struct world w, more;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    world_open(&more, COLUMNS MORE);
    ck_assert_uint_eq(ensure(&more).columns_added, 1);
    ck_assert_uint_eq(ensure(&more).columns_added, 0);
    ck_assert_int_eq(insert(&more, 1, 1, "b", two_months, 1, &err), OUTPUT_DONE);
    ck_assert_uint_eq(ensure(&w).columns_added, 0); /* the one with fewer goes on */
    ck_assert_int_eq(insert(&w, 2, 2, "c", two_months, 1, &err), OUTPUT_DONE);
    world_close(&more);
    world_close(&w);
}
END_TEST

START_TEST(a_table_that_is_gone_is_held)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_HELD);
    ck_assert_msg(strstr(err.msg, "db.t is not there"), "%s", err.msg);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    PL_FREE char *cmd = pl_strf("mv %s/db/t %s/db/old", warehouse, warehouse);
    ck_assert_int_eq(system(cmd), 0);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 1, &err), OUTPUT_MOVED);
    assert_position(&w, -1, "");
    world_close(&w);
}
END_TEST

/* Snapshots that others expired: the property still has the positions. A table that is rolled back
 * has those of its rows. */
START_TEST(positions_survive_other_peoples_housekeeping)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 2, &err), OUTPUT_DONE);
    others_commit(&w);
    struct iceberg_loaded loaded = load(&w);
    PL_CLEANUP(cJSON_Deletep) cJSON *kept = NULL, *rolled = NULL;
    cJSON *snapshots = cJSON_GetObjectItem(loaded.metadata, "snapshots");
    const char *note;
    int64_t first;
    iceberg_json_int(cJSON_GetArrayItem(snapshots, 0), "snapshot-id", &first);

    cJSON *back = cJSON_Duplicate(loaded.metadata, true);
    cJSON_ReplaceItemInObject(back, "current-snapshot-id", iceberg_json_new_int(first));
    ck_assert_done(iceberg_positions_of(back, &rolled, &err), err);
    ck_assert_int_eq(iceberg_position_get(rolled, "g", "t", 3, &note), 1);
    ck_assert_str_eq(note, ""); /* the property has another batch's */
    cJSON_Delete(back);

    cJSON_DeleteItemFromArray(snapshots, 0);
    cJSON_DeleteItemFromArray(snapshots, 0);
    ck_assert_done(iceberg_positions_of(loaded.metadata, &kept, &err), err);
    ck_assert_int_eq(iceberg_position_get(kept, "g", "t", 3, &note), 3);
    ck_assert_str_eq(note, "b");
    iceberg_loaded_release(&loaded);
    world_close(&w);
}
END_TEST

START_TEST(the_table_is_described)
{
    struct world w;
    struct pl_err err;
    struct output_facts none = {0}, f = {0};
    world_open(&w, COLUMNS);
    ck_assert_done(iceberg_output.describe(w.output, w.target, "g", &none, &err), err);
    ck_assert(!none.exists);
    output_facts_release(&none);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 10, -1, "a", two_months, 3, &err), OUTPUT_DONE);
    ck_assert_int_eq(insert(&w, 13, 13, "b", two_months, 2, &err), OUTPUT_DONE);
    others_commit(&w);
    world_close(&w);
    world_open(&w, COLUMNS MORE);
    ck_assert_done(iceberg_output.describe(w.output, w.target, "g", &f, &err), err);
    ck_assert(f.exists && f.kept && f.rows == 5 && f.bytes > 0);
    ck_assert_uint_eq(f.columns_n, 10);
    ck_assert_str_eq(f.columns[0].name, "time");
    ck_assert_str_eq(f.columns[0].type, "timestamptz");
    ck_assert(!f.columns[0].differs);
    ck_assert_str_eq(f.columns[9].name, "extra");
    ck_assert_ptr_null(f.columns[9].type);
    ck_assert_uint_eq(f.loads_n, 2);
    ck_assert(f.loads[0].start == 13 && f.loads[0].end == 15 && f.loads[0].rows == 2);
    ck_assert(f.loads[1].start == -1 && f.loads[1].end == 13 && f.loads[1].rows == 3);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_msg(f.loads[i].took_ms >= 0 && f.loads[i].took_ms < 60000, "%lld ms",
                      (long long)f.loads[i].took_ms);
    ck_assert_str_eq(f.loads[1].topic, "t");
    ck_assert_uint_eq(f.places_n, 1);
    ck_assert(f.places[0].next == 15 && f.places[0].partition == 3);
    output_facts_release(&f);
    ck_assert_done(iceberg_output.describe(w.output, w.target, "another", &none, &err), err);
    ck_assert_uint_eq(none.places_n, 0);
    output_facts_release(&none);
    world_close(&w);
}
END_TEST

/* What is maintained `days` from now, in words. */
static char *maintain(struct world *w, bool dry_run, int days)
{
    struct pl_buf plan = {0};
    struct pl_err err;
    const struct output_maintain how = {
        .dry_run = dry_run, .now_ms = pl_clock_realtime_ms() + days * PL_DAY_MS, .ret_plan = &plan};
    w->conf.keep_snapshots_ms = 5 * PL_DAY_MS;
    ck_assert_done(iceberg_output.maintain(w->output, w->target, &how, &err), err);
    return pl_buf_take(&plan);
}

static void assert_says(char *plan, const char *says)
{
    ck_assert_msg(strstr(plan, says) != NULL, "%s", plan);
    free(plan);
}

START_TEST(old_snapshots_and_files_go)
{
    struct world w;
    struct pl_err err;
    world_open(&w, MONTHLY COLUMNS);
    assert_says(maintain(&w, false, 0), "db.t: is not there");
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 3, &err), OUTPUT_DONE);
    ck_assert_int_eq(insert(&w, 3, 3, "b", two_months, 3, &err), OUTPUT_DONE);
    others_commit(&w); /* the current one has no offsets */
    /* what a killed writer left: one of ours, one that somebody put there */
    PL_FREE char *cmd = pl_strf("cd %s/db/t && touch data/killed.parquet metadata/.v9.Ab12xY "
                                "data/mine.txt",
                                warehouse);
    ck_assert_int_eq(system(cmd), 0);
    assert_says(maintain(&w, true, 0), "0 of 3 snapshots expire\ndb.t: 0 files");
    assert_says(maintain(&w, false, 2), "db.t: 2 files that nothing names, 0 bytes");
    assert_says(maintain(&w, true, 6), "2 of 3 snapshots expire\ndb.t: 1 file ");
    struct iceberg_loaded loaded = load(&w);
    ck_assert_int_eq(cJSON_GetArraySize(pl_doc_get(loaded.metadata, "snapshots")), 3);
    iceberg_loaded_release(&loaded);
    assert_says(maintain(&w, false, 6), "2 of 3 snapshots expire\ndb.t: 1 file ");
    assert_says(maintain(&w, false, 6), "0 of 1 snapshots expire\ndb.t: 0 files");
    loaded = load(&w);
    ck_assert_int_eq(cJSON_GetArraySize(pl_doc_get(loaded.metadata, "snapshots")), 1);
    ck_assert_int_eq(cJSON_GetArraySize(pl_doc_get(loaded.metadata, "snapshot-log")), 1);
    iceberg_loaded_release(&loaded);
    /* rows, positions and what is not ours are there, and it goes on */
    ck_assert_int_eq(rows_there(&w), 6);
    ck_assert_uint_eq(parquet_there(), 6);
    assert_position(&w, 6, "b");
    PL_FREE char *mine = pl_strf("%s/db/t/data/mine.txt", warehouse);
    ck_assert_int_eq(access(mine, F_OK), 0);
    ck_assert_int_eq(insert(&w, 6, 6, "c", two_months, 3, &err), OUTPUT_DONE);
    world_close(&w);
}
END_TEST

/* A table of which a file is missing is not touched. */
START_TEST(a_damaged_table_is_not_cleaned)
{
    struct world w;
    struct pl_err err;
    struct pl_buf plan = {0};
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 3, &err), OUTPUT_DONE);
    PL_FREE char *cmd =
        pl_strf("cd %s/db/t && touch data/killed.parquet && rm metadata/*-m0.avro", warehouse);
    ck_assert_int_eq(system(cmd), 0);
    const struct output_maintain how = {.now_ms = pl_clock_realtime_ms() + 9 * PL_DAY_MS,
                                        .ret_plan = &plan};
    ck_assert_int_eq(iceberg_output.maintain(w.output, w.target, &how, &err), -1);
    ck_assert_msg(strstr(err.msg, "nothing was removed") && strstr(err.msg, "is missing"), "%s",
                  err.msg);
    ck_assert_uint_eq(parquet_there(), 2);
    pl_buf_release(&plan);
    world_close(&w);
}
END_TEST

/* A day of one commit a minute: what a commit costs at the first and at the last. */
/* ---- what other hands leave ---- */

static void metadata_file_put(const char *name, const char *text, size_t len)
{
    struct iceberg_store *store = iceberg_store_local_new();
    PL_FREE char *location = pl_strf("%s/db/t/metadata/%s", warehouse, name);
    struct pl_err err;
    ck_assert_done(store->ops->put(store, location, (struct pl_slice){text, len}, &err), err);
    iceberg_store_free(store);
}

/* Version 2 again, with a property that makes it `size` bytes long. */
static void metadata_fill(struct world *w, size_t size)
{
    struct iceberg_loaded loaded = load(w);
    struct pl_buf text = {0};
    cJSON *properties = cJSON_GetObjectItem(loaded.metadata, "properties");
    iceberg_json_print(loaded.metadata, &text);
    size_t more = size - text.len - strlen(",\"filler\":\"\"");
    PL_FREE char *filler = memset(pl_alloc(more + 1), 'x', more);
    filler[more] = '\0';
    cJSON_AddStringToObject(properties, "filler", filler);
    pl_buf_reset(&text);
    iceberg_json_print(loaded.metadata, &text);
    ck_assert_uint_eq(text.len, size);
    metadata_file_put("v2.metadata.json", text.data, text.len);
    pl_buf_release(&text);
    iceberg_loaded_release(&loaded);
}

/* Whatever is wrong with the table's own files, no message is refused for it. */
START_TEST(a_table_that_cannot_be_read_refuses_no_message)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    if (_i == 0) {
        metadata_fill(&w, ICEBERG_METADATA_MAX + 1);
    } else if (_i == 1) { /* the next one would be too large for anybody to read */
        metadata_fill(&w, ICEBERG_METADATA_MAX - 100);
        ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 1, &err), OUTPUT_HELD);
        assert_position(&w, 1, "a");
    } else {
        metadata_file_put("v2.metadata.json", "{", 1);
    }
    ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 1, &err), OUTPUT_HELD);
    ck_assert_msg(strstr(err.msg, _i < 2 ? "expire_snapshots" : "is damaged"), "%s", err.msg);
    world_close(&w);
}
END_TEST

START_TEST(a_hint_that_is_none_is_passed)
{
    struct world w;
    struct pl_err err;
    char long_one[200];
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    memset(long_one, '2', sizeof(long_one));
    metadata_file_put("version-hint.text", long_one, sizeof(long_one));
    ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 1, &err), OUTPUT_DONE);
    ck_assert_int_eq(rows_there(&w), 2);
    world_close(&w);
}
END_TEST

/* Spark has written version 3 so that it cannot be read here: another version 3 would take its rows
 * out of the table. */
START_TEST(a_compressed_version_is_not_overtaken)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    metadata_file_put("v3.gz.metadata.json", "\x1f\x8b", 2);
    ck_assert_int_eq(insert(&w, 1, 1, "b", two_months, 1, &err), OUTPUT_HELD);
    ck_assert_msg(strstr(err.msg, "v3.gz.metadata.json is compressed"), "%s", err.msg);
    world_close(&w);
}
END_TEST

/* Column s is taken out, and one of the same name added: it has another id. */
static void column_made_anew(struct world *w)
{
    struct iceberg_loaded loaded = load(w), after = {0};
    struct iceberg_store *store = iceberg_store_local_new();
    struct iceberg_catalog *catalog = iceberg_catalog_path_new(&w->conf, store);
    const struct iceberg_name name = {"db", "t"};
    struct iceberg_change change;
    struct pl_err err;
    int64_t last;
    ck_assert(iceberg_json_int(loaded.metadata, "last-column-id", &last));
    cJSON *schema = cJSON_Duplicate(iceberg_schema_current(loaded.metadata), true);
    cJSON *column = cJSON_GetArrayItem(cJSON_GetObjectItem(schema, "fields"), 1);
    ck_assert_str_eq(pl_doc_str(column, "name"), "s");
    cJSON_ReplaceItemInObject(column, "id", iceberg_json_new_int(last + 1));
    cJSON_ReplaceItemInObject(column, "required", cJSON_CreateFalse());
    iceberg_change_init(&change, loaded.metadata);
    iceberg_change_schema(&change, loaded.metadata, schema, last + 1);
    ck_assert_int_eq(catalog->ops->commit(catalog, &name, &loaded, change.requirements,
                                          change.updates, &after, &err),
                     ICEBERG_COMMITTED);
    iceberg_change_release(&change);
    iceberg_loaded_release(&loaded);
    iceberg_loaded_release(&after);
    iceberg_catalog_free(catalog);
    iceberg_store_free(store);
}

START_TEST(files_of_columns_that_were_changed_are_written_anew)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    ck_assert_int_eq(insert(&w, 0, -1, "a", two_months, 1, &err), OUTPUT_DONE);
    ck_assert_int_eq(append_meddled(&w, 1, column_made_anew, &err), OUTPUT_RETRY);
    ck_assert_msg(strstr(err.msg, "columns or partitions"), "%s", err.msg);
    ck_assert_uint_eq(parquet_there(), 1);
    assert_position(&w, 1, "a");
    ck_assert_int_eq(append_meddled(&w, 0, NULL, &err), OUTPUT_DONE);
    ck_assert_int_eq(rows_there(&w), 3);
    world_close(&w);
}
END_TEST

START_TEST(many_commits)
{
    struct world w;
    struct pl_err err;
    world_open(&w, COLUMNS);
    ensure(&w);
    const int64_t n = strtoll(getenv("ICEBERG_COMMITS"), NULL, 10);
    for (int64_t i = 0, began = pl_clock_monotonic_ms(); i < n; i++) {
        ck_assert_int_eq(insert(&w, i, i > 0 ? i : -1, "note", two_months, 1, &err), OUTPUT_DONE);
        if (i % (n / 10) != n / 10 - 1)
            continue;
        struct iceberg_loaded loaded = load(&w);
        struct stat st;
        ck_assert_int_eq(stat(iceberg_local_path(loaded.metadata_location), &st), 0);
        printf("%lld commits: %lld ms each, metadata %lld bytes\n", (long long)i + 1,
               (long long)(pl_clock_monotonic_ms() - began) / (n / 10), (long long)st.st_size);
        iceberg_loaded_release(&loaded);
        began = pl_clock_monotonic_ms();
    }
    ck_assert_int_eq(rows_there(&w), n);
    assert_position(&w, n, "note");
    if (getenv("ICEBERG_KEEP")) {
        PL_FREE char *cmd = pl_strf("cp -r %s %s", warehouse, getenv("ICEBERG_KEEP"));
        ck_assert_int_eq(system(cmd), 0);
    }
    world_close(&w);
}
END_TEST

int main(void)
{
    const char *few = getenv("ICEBERG_COMMITS") ? NULL : "ICEBERG_COMMITS is not set";
    const char *skip = getenv("DUCKDB_LIBRARY") ? NULL : "DUCKDB_LIBRARY is not set";
    const struct unit_test tests[] = {
        TCASE("iceberg", .skip = skip, .set_up = warehouse_make, .tear_down = warehouse_free),
        TEST(rows_and_position_are_one_commit, .count = 2),
        TEST(a_warehouse_that_cannot_be_written_is_refused, .count = 5),
        TEST(what_is_there_is_not_written_again),
        TEST(the_history_does_not_grow_for_ever),
        TEST(other_writers_commits_are_kept),
        TEST(conflicts_are_tried_again, .count = 6),
        TEST(columns_are_added),
        TEST(a_table_that_is_gone_is_held),
        TEST(positions_survive_other_peoples_housekeeping),
        TEST(the_table_is_described),
        TEST(old_snapshots_and_files_go),
        TEST(a_damaged_table_is_not_cleaned),
        TEST(a_table_that_cannot_be_read_refuses_no_message, .count = 3),
        TEST(a_hint_that_is_none_is_passed),
        TEST(a_compressed_version_is_not_overtaken),
        TEST(files_of_columns_that_were_changed_are_written_anew),
        TCASE("many", .skip = skip ? skip : few, .set_up = warehouse_make,
              .tear_down = warehouse_free),
        TEST(many_commits),
    };
    return unit_main("iceberg_output", tests, PL_COUNT(tests));
}

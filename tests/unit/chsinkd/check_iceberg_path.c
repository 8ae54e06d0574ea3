/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_iceberg_path.c - files of this machine as a store, a path as a catalogue, and, with
 * DUCKDB_LIBRARY=PATH in the environment, the partition values that DuckDB computes.
 *
 * links: chsinkd
 */
#include <sys/stat.h>
#include <unistd.h>

#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/iceberg/catalog/catalog_path.h"
#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/format/metadata.h"
#include "daemons/chsinkd/iceberg/format/transform.h"
#include "daemons/chsinkd/iceberg/store/store_local.h"
#include "tests/unit/unit.h"

static char *folder;
static struct iceberg_store *store;

static void set_up(void)
{
    folder = unit_dir();
    store = iceberg_store_local_new();
}

static void tear_down(void)
{
    iceberg_store_free(store);
    free(folder);
}

static char *location(const char *name)
{
    return pl_strf("file://%s/%s", folder, name);
}

static void put(const char *name, const char *text)
{
    struct pl_err err;
    PL_FREE char *at = location(name);
    ck_assert_done(store->ops->put(store, at, (struct pl_slice){text, strlen(text)}, &err), err);
}

static void assert_text(const char *name, const char *text)
{
    struct pl_err err;
    struct pl_buf found = {0};
    bool there = false;
    PL_FREE char *at = location(name);
    ck_assert_done(store->ops->get(store, at, 1000, &found, &there, &err), err);
    ck_assert_int_eq(there, text != NULL);
    if (text)
        ck_assert_str_eq(pl_buf_cstr(&found), text);
    pl_buf_release(&found);
}

/* ---- the store ---- */

START_TEST(locations)
{
    ck_assert_str_eq(iceberg_local_path("/a/b"), "/a/b");
    ck_assert_str_eq(iceberg_local_path("file:/a"), "/a");
    ck_assert_str_eq(iceberg_local_path("file:///a"), "/a");
    ck_assert_ptr_null(iceberg_local_path("s3://b/k"));
    ck_assert_ptr_null(iceberg_local_path("file://host/a"));
    ck_assert_ptr_null(iceberg_local_path("relative"));
}
END_TEST

START_TEST(files_are_written_read_and_removed)
{
    struct pl_err err;
    PL_FREE char *at = location("a/b/c.txt");
    assert_text("a/b/c.txt", NULL);
    put("a/b/c.txt", "one");
    assert_text("a/b/c.txt", "one");
    put("a/b/c.txt", "two");
    assert_text("a/b/c.txt", "two");
    struct pl_buf out = {0};
    bool there;
    ck_assert_int_eq(store->ops->get(store, at, 2, &out, &there, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_done(store->ops->remove(store, at, &err), err);
    ck_assert_done(store->ops->remove(store, at, &err), err);
    assert_text("a/b/c.txt", NULL);
}
END_TEST

START_TEST(one_creates_and_the_others_do_not)
{
    struct pl_err err;
    PL_FREE char *at = location("x/v1");
    ck_assert_int_eq(store->ops->create(store, at, PL_SLICE_LIT("one"), &err), ICEBERG_CREATED);
    ck_assert_int_eq(store->ops->create(store, at, PL_SLICE_LIT("two"), &err), ICEBERG_EXISTS);
    assert_text("x/v1", "one");
}
END_TEST

static bool list_add(void *userdata, const struct iceberg_file *f)
{
    pl_buf_addf(userdata, "%s:%d ", f->location + strlen("file://") + strlen(folder), (int)f->size);
    return true;
}

/* Nothing is left beside the files, also of those that failed. */
START_TEST(what_is_there_is_listed)
{
    struct pl_err err;
    struct pl_buf found = {0};
    PL_FREE char *at = location("t"), *none = location("nowhere");
    put("t/deep/er/a", "12345");
    PL_FREE char *again = location("t/deep/er/a");
    ck_assert_int_eq(store->ops->create(store, again, PL_SLICE_LIT("x"), &err), ICEBERG_EXISTS);
    ck_assert_done(store->ops->list(store, at, list_add, &found, &err), err);
    ck_assert_str_eq(pl_buf_cstr(&found), "/t/deep/er/a:5 ");
    ck_assert_done(store->ops->list(store, none, list_add, &found, &err), err);
    pl_buf_release(&found);
}
END_TEST

START_TEST(what_cannot_be_written)
{
    struct pl_err err;
    put("file", "x");
    PL_FREE char *below = location("file/below");
    ck_assert_int_eq(store->ops->put(store, below, PL_SLICE_LIT("x"), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(store->ops->create(store, below, PL_SLICE_LIT("x"), &err),
                     ICEBERG_CREATE_FAILED);
    ck_assert_ptr_null(store->ops->stage(store, below, &err));
    ck_assert_msg(strstr(err.msg, "is a file: it must be a folder") != NULL, "%s", err.msg);
    ck_assert_int_eq(store->ops->put(store, "s3://b/k", PL_SLICE_LIT("x"), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
}
END_TEST

/* ---- the catalogue ---- */

#define REQUEST                                                                                    \
    "{\"name\":\"t\",\"schema\":{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,"       \
    "\"name\":\"a\",\"required\":true,\"type\":\"int\"}]},\"partition-spec\":{\"spec-id\":0,"      \
    "\"fields\":[]},\"write-order\":{\"order-id\":0,\"fields\":[]},"                               \
    "\"properties\":{\"format-version\":\"2\",\"p\":\"x\"}}"

static const struct iceberg_name name = {"a.b", "t"};

static struct iceberg_catalog *catalog_open(struct iceberg_conf *conf)
{
    *conf = (struct iceberg_conf){.warehouse = folder};
    return iceberg_catalog_path_new(conf, store);
}

static cJSON *parse(const char *text)
{
    cJSON *doc;
    struct pl_err err;
    ck_assert_done(iceberg_json_parse(text, strlen(text), 1 << 20, &doc, &err), err);
    return doc;
}

static enum iceberg_committed create(struct iceberg_catalog *c, struct iceberg_loaded *ret)
{
    struct pl_err err;
    PL_CLEANUP(cJSON_Deletep) cJSON *request = parse(REQUEST);
    return c->ops->create(c, &name, request, ret, &err);
}

static enum iceberg_committed commit(struct iceberg_catalog *c, struct iceberg_loaded *base)
{
    struct pl_err err;
    struct iceberg_loaded after = {0};
    PL_CLEANUP(cJSON_Deletep)
    cJSON *updates = parse("[{\"action\":\"set-properties\",\"updates\":{\"q\":\"y\"}}]");
    enum iceberg_committed answer = c->ops->commit(c, &name, base, NULL, updates, &after, &err);
    if (answer == ICEBERG_COMMITTED) {
        iceberg_loaded_release(base);
        *base = after;
    }
    return answer;
}

static void load(struct iceberg_catalog *c, struct iceberg_loaded *ret)
{
    struct pl_err err;
    iceberg_loaded_release(ret);
    ck_assert_done(c->ops->load(c, &name, ret, &err), err);
}

START_TEST(versions_ascend)
{
    struct iceberg_conf conf;
    struct iceberg_loaded t = {0}, other = {0};
    PL_CLEANUP(iceberg_catalog_freep) struct iceberg_catalog *c = catalog_open(&conf);
    load(c, &t);
    ck_assert_ptr_null(t.metadata);
    ck_assert_int_eq(create(c, &t), ICEBERG_COMMITTED);
    ck_assert_int_eq(create(c, &other), ICEBERG_CONFLICT);
    assert_text("a/b/t/metadata/version-hint.text", "1");
    ck_assert_ptr_null(iceberg_property(t.metadata, "format-version"));
    ck_assert_str_eq(iceberg_property(t.metadata, "p"), "x");
    load(c, &other);
    ck_assert_int_eq(commit(c, &t), ICEBERG_COMMITTED);
    ck_assert_int_eq(commit(c, &other), ICEBERG_CONFLICT);
    load(c, &other);
    ck_assert_str_eq(iceberg_property(other.metadata, "q"), "y");
    ck_assert_str_eq(strrchr(other.metadata_location, '/'), "/v2.metadata.json");
    ck_assert_int_eq(commit(c, &other), ICEBERG_COMMITTED);
    assert_text("a/b/t/metadata/version-hint.text", "3");
    iceberg_loaded_release(&t);
    iceberg_loaded_release(&other);
}
END_TEST

/* What a crash between metadata and hint leaves, and what people do to the hint. */
START_TEST(the_hint_may_be_wrong)
{
    static const char *const hints[] = {"1", "2", "", "99", "nonsense", NULL};
    struct iceberg_conf conf;
    struct iceberg_loaded t = {0};
    PL_CLEANUP(iceberg_catalog_freep) struct iceberg_catalog *c = catalog_open(&conf);
    ck_assert_int_eq(create(c, &t), ICEBERG_COMMITTED);
    ck_assert_int_eq(commit(c, &t), ICEBERG_COMMITTED);
    ck_assert_int_eq(commit(c, &t), ICEBERG_COMMITTED);
    for (size_t i = 0; i < PL_COUNT(hints); i++) {
        PL_FREE char *path = pl_strf("%s/a/b/t/metadata/version-hint.text", folder);
        unlink(path);
        if (hints[i])
            put("a/b/t/metadata/version-hint.text", hints[i]);
        load(c, &t);
        ck_assert_str_eq(strrchr(t.metadata_location, '/'), "/v3.metadata.json");
    }
    iceberg_loaded_release(&t);
}
END_TEST

START_TEST(metadata_of_others_is_not_taken)
{
    struct iceberg_conf conf;
    struct iceberg_loaded t = {0};
    struct pl_err err;
    PL_CLEANUP(iceberg_catalog_freep) struct iceberg_catalog *c = catalog_open(&conf);
    put("a/b/t/metadata/00001-2dc1.metadata.json", "{}");
    ck_assert_int_eq(c->ops->load(c, &name, &t, &err), -1);
    ck_assert(err.kind == PL_ERR_CONFIG && strstr(err.msg, "of another catalogue"));
    put("a/b/t/metadata/v1.metadata.json", "{\"cut\":");
    ck_assert_int_eq(c->ops->load(c, &name, &t, &err), -1);
    ck_assert(err.kind == PL_ERR_CONFIG && strstr(err.msg, "v1.metadata.json is damaged"));
}
END_TEST

START_TEST(metadata_that_is_old_is_no_base)
{
    struct iceberg_conf conf;
    struct iceberg_loaded t = {0};
    PL_CLEANUP(iceberg_catalog_freep) struct iceberg_catalog *c = catalog_open(&conf);
    ck_assert_int_eq(create(c, &t), ICEBERG_COMMITTED);
    t.loaded_ms -= 61 * 60 * 1000;
    ck_assert_int_eq(commit(c, &t), ICEBERG_CONFLICT);
    load(c, &t);
    ck_assert_int_eq(commit(c, &t), ICEBERG_COMMITTED);
    iceberg_loaded_release(&t);
}
END_TEST

/* ---- partition values, as DuckDB computes them ---- */

#define TS(text)  "TIMESTAMP '" text "'"
#define TSZ(text) "TIMESTAMPTZ '" text "'"

static const struct {
    enum iceberg_transform transform;
    enum iceberg_type type;
    const char *value, *wanted;
} values[] = {
    {ICEBERG_YEAR, ICEBERG_TIMESTAMP, TS("1969-12-31 23:59:59.999999"), "-1"},
    {ICEBERG_YEAR, ICEBERG_TIMESTAMPTZ, TSZ("2026-01-01 00:00:00+00"), "56"},
    {ICEBERG_YEAR, ICEBERG_TIMESTAMPTZ, TSZ("2026-01-01 00:00:00+01"), "55"},
    {ICEBERG_MONTH, ICEBERG_TIMESTAMP, TS("1970-01-31 00:00:00"), "0"},
    {ICEBERG_MONTH, ICEBERG_TIMESTAMP, TS("1969-12-31 23:59:59"), "-1"},
    {ICEBERG_MONTH, ICEBERG_TIMESTAMP, TS("1900-01-01 00:00:00"), "-840"},
    {ICEBERG_MONTH, ICEBERG_DATE, "DATE '2026-11-29'", "682"},
    {ICEBERG_DAY, ICEBERG_TIMESTAMP, TS("1970-01-01 23:59:59"), "0"},
    {ICEBERG_DAY, ICEBERG_TIMESTAMP, TS("1969-12-31 23:59:59.999999"), "-1"},
    {ICEBERG_DAY, ICEBERG_TIMESTAMP, TS("1969-12-31 00:00:00"), "-1"},
    {ICEBERG_DAY, ICEBERG_TIMESTAMP, TS("1969-12-30 23:59:59"), "-2"},
    {ICEBERG_DAY, ICEBERG_TIMESTAMPTZ, TSZ("2299-12-31 23:59:59.999999+00"), "120529"},
    {ICEBERG_DAY, ICEBERG_DATE, "DATE '1970-01-02'", "1"},
    {ICEBERG_HOUR, ICEBERG_TIMESTAMP, TS("1970-01-01 01:59:59"), "1"},
    {ICEBERG_HOUR, ICEBERG_TIMESTAMP, TS("1969-12-31 23:00:00"), "-1"},
    {ICEBERG_IDENTITY, ICEBERG_TIMESTAMP, TS("1969-12-31 23:59:59.999999"), "-1"},
    {ICEBERG_IDENTITY, ICEBERG_TIMESTAMPTZ, "TIMESTAMP_S '1970-01-01 00:00:01'", "1000000"},
    {ICEBERG_IDENTITY, ICEBERG_TIMESTAMPTZ, "TIMESTAMP_MS '1969-12-31 23:59:59.999'", "-1000"},
    {ICEBERG_IDENTITY, ICEBERG_DATE, "DATE '1969-12-31'", "-1"},
    {ICEBERG_IDENTITY, ICEBERG_LONG, "(-9223372036854775808)::BIGINT", "-9223372036854775808"},
    {ICEBERG_IDENTITY, ICEBERG_INT, "(-128)::TINYINT", "-128"},
    {ICEBERG_IDENTITY, ICEBERG_BOOLEAN, "true", "1"},
    {ICEBERG_IDENTITY, ICEBERG_STRING, "'it''s'", "it's"},
    {ICEBERG_DAY, ICEBERG_TIMESTAMP, "NULL::TIMESTAMP", ""},
};

START_TEST(partition_values_are_icebergs)
{
    struct duckdb_library lib;
    struct duckdb db;
    struct pl_err err;
    const struct duckdb_open how = {.threads = 1};
    ck_assert_done(duckdb_library_load(&lib, getenv("DUCKDB_LIBRARY"), &err), err);
    ck_assert_done(duckdb_open(&db, &lib, &how, &err), err);
    /* the session's zone must not count */
    ck_assert_done(duckdb_run(&db, "SET TimeZone = 'Asia/Tokyo'", NULL, &err), err);
    for (size_t i = 0; i < PL_COUNT(values); i++) {
        struct pl_buf sql = {0}, answer = {0};
        size_t rows;
        pl_buf_add_str(&sql, "SELECT ");
        iceberg_transform_sql(values[i].transform, values[i].type, "x", &sql);
        pl_buf_addf(&sql, " AS v FROM (SELECT %s AS x)", values[i].value);
        ck_assert_done(duckdb_ask(&db, pl_buf_cstr(&sql), &answer, &rows, &err), err);
        ck_assert_msg(strcmp(answer.data, values[i].wanted) == 0, "%s of %s: %s",
                      iceberg_transform_name(values[i].transform), values[i].value, answer.data);
        pl_buf_release(&sql);
        pl_buf_release(&answer);
    }
    duckdb_close(&db);
}
END_TEST

int main(void)
{
    const char *skip = getenv("DUCKDB_LIBRARY") ? NULL : "DUCKDB_LIBRARY is not set";
    const struct unit_test tests[] = {
        TCASE("path", .set_up = set_up, .tear_down = tear_down),
        TEST(locations),
        TEST(files_are_written_read_and_removed),
        TEST(one_creates_and_the_others_do_not),
        TEST(what_is_there_is_listed),
        TEST(what_cannot_be_written),
        TEST(versions_ascend),
        TEST(the_hint_may_be_wrong),
        TEST(metadata_of_others_is_not_taken),
        TEST(metadata_that_is_old_is_no_base),
        TCASE("DuckDB", .skip = skip),
        TEST(partition_values_are_icebergs),
    };
    return unit_main("iceberg_path", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_iceberg_view.c - rows of Iceberg tables for --show, in a folder and in S3 (a bucket of this
 * process): what is fetched, what is too much, and that nothing of it stays. Run with
 * DUCKDB_LIBRARY=PATH in the environment, as tests/services/duckdb.sh prints it.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/iceberg/fetch.h"
#include "daemons/chsinkd/iceberg/output.h"
#include "daemons/chsinkd/iceberg/store/store_s3.h"
#include "daemons/chsinkd/iceberg/view.h"
#include "daemons/chsinkd/output/facts.h"
#include "tests/unit/rows_fixture.h"
#include "tests/unit/s3_bucket.h"

#define TEXT(s) ((char *)(s))
#define ROUTE                                                                                      \
    "columns:\n  - {name: a, path: $.a, type: Int64}\n"                                            \
    "  - {name: _offset, from: offset, type: Int64}\n"

START_TEST(names_are_found)
{
    static const struct {
        const char *sql, *table;
        bool is_table, is_newest;
    } cases[] = {
        {"SELECT * FROM db.t", "t", true, false},
        {"SELECT * FROM t", "t", true, false},
        {"FROM \"db\".\"t\" LIMIT 1", "t", true, false},
        {"select * from DB.EDITS e", "edits", true, false},
        {"SELECT 1", "t", false, false},
        {"SELECT * FROM db.t2", "t", false, false},
        {"SELECT * FROM db.at", "t", false, false},
        {"SELECT * FROM t_1 JOIN t USING (x)", "t", true, false},
        {"SELECT * FROM \"db\".\"t (newest files)\"", "t", false, true},
        {"SELECT * FROM \"db\".\"t (newest files)\", t", "t", true, true},
        {"SELECT * FROM \"a\"\"b\"", "a\"b", true, false},
        {"SELECT * FROM \"a b\"", "a b", true, false},
        {"", "t", false, false},
        {"t", "t", true, false},
    };
    bool table, newest;
    iceberg_names(cases[_i].sql, cases[_i].table, &table, &newest);
    ck_assert_msg(table == cases[_i].is_table && newest == cases[_i].is_newest, "%s: %d %d",
                  cases[_i].sql, table, newest);
}
END_TEST

/* ---- with the library ---- */

static char *folder;
static struct server server;
static struct bucket bucket;
static struct iceberg_conf conf;
static struct fixture fixture;
static struct output_target *target;
static struct output *output;
static struct pl_err err;
static int64_t next;

static void open_at(char *warehouse)
{
    conf = (struct iceberg_conf){.warehouse = warehouse,
                                 .namespace_ = TEXT("db"),
                                 .library = getenv("DUCKDB_LIBRARY"),
                                 .timeout_ms = 10000,
                                 .s3 = {.endpoint = server.url,
                                        .region = TEXT("us-east-1"),
                                        .access_key = {.value = TEXT("AKID")},
                                        .secret_key = {.value = TEXT("geheim")},
                                        .staging = folder}};
    fixture = fixture_new(ROUTE);
    target = iceberg_output.target_new(&conf, fixture.route);
    output = iceberg_output.open(&conf);
    next = 0;
    struct output_state state;
    ck_assert_done(iceberg_output.ensure(output, target, NULL, &state, &err), err);
}

static void set_up(void)
{
    folder = unit_dir();
    bucket = (struct bucket){.lock = PTHREAD_MUTEX_INITIALIZER};
    server_start(&server, bucket_answer, &bucket);
    open_at(TEXT("s3://lake/w"));
}

static void close_all(void)
{
    iceberg_output.close(output);
    iceberg_output.target_free(target);
    fixture_free(&fixture);
}

static void tear_down(void)
{
    close_all();
    server_stop(&server);
    bucket_release(&bucket);
    free(folder);
}

/* A commit of `n` rows, whose `a` is their offset. */
static void insert(int64_t n)
{
    struct batch *b = batch_new(block_new(fixture.route), next);
    for (int64_t i = next; i < next + n; i++) {
        PL_FREE char *value = pl_strf("{\"a\":%lld}", (long long)i);
        struct rows_message m = {
            .topic = "t", .offset = i, .value = value, .value_len = strlen(value)};
        rows_decode(fixture.rows, &m, NULL, b->block, on_reject, &fixture);
        batch_message_add(b, i, BATCH_ROWS);
    }
    const struct output_range range = {.group = "g",
                                       .topic = "t",
                                       .start = next,
                                       .end = next + n,
                                       .position = next > 0 ? next : -1,
                                       .note = ""};
    enum output_answer answer = iceberg_output.insert(output, target, &range, b, "", &err);
    ck_assert_msg(answer == OUTPUT_DONE, "%s", err.msg);
    batch_free(b);
    next += n;
}

static void describe(struct output_facts *ret)
{
    ck_assert_done(iceberg_output.describe(output, target, "g", ret, &err), err);
}

static int ask(const char *sql, int64_t rows_max, struct pl_buf *ret)
{
    PL_CLEANUP(output_rows_release) struct output_rows rows = {0};
    pl_buf_reset(ret);
    if (iceberg_output.query(output, sql, rows_max, &rows, &err) < 0)
        return -1;
    for (size_t i = 0; i < output_rows_n(&rows); i++)
        for (unsigned c = 0; c < rows.columns_n; c++) {
            struct pl_slice s = output_rows_get(&rows, i, c);
            pl_buf_addf(ret, "%.*s|", (int)s.len, s.p ? s.p : "");
        }
    pl_buf_cstr(ret);
    return 0;
}

static void assert_answer(const char *sql, int64_t rows_max, const char *want)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf got = {0};
    ck_assert_done(ask(sql, rows_max, &got), err);
    ck_assert_str_eq(pl_buf_cstr(&got), want);
}

static void assert_refused(const char *sql, enum pl_err_kind kind, const char *why)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf got = {0};
    ck_assert_int_eq(ask(sql, 10, &got), -1);
    ck_assert_msg(err.kind == kind && strstr(err.msg, why), "%d %s", err.kind, err.msg);
}

/* Files below the staging folder. */
static unsigned staged(void)
{
    PL_FREE char *line = pl_strf("find %s -type f | wc -l", folder);
    FILE *f = popen(line, "r");
    unsigned n = 99;
    ck_assert_int_eq(fscanf(f, "%u", &n), 1);
    pclose(f);
    return n;
}

START_TEST(rows_in_s3_are_fetched)
{
    struct output_facts empty = {0}, f = {0};
    describe(&empty); /* no snapshot yet */
    assert_answer("SELECT count(*) FROM db.t", 10, "0|");
    output_facts_release(&empty);
    insert(3);
    insert(2);
    describe(&f);
    ck_assert_str_eq(f.newest_note, "");
    ck_assert_uint_eq(bucket.gets, 0);
    assert_answer(f.newest_sql, 3, "4|4|3|3|2|2|");
    ck_assert_uint_eq(bucket.gets, 2);
    ck_assert_uint_eq(staged(), 0);
    assert_answer("SELECT count(*), sum(a) FROM db.t", 10, "5|10|");
    /* A statement that does not name it fetches nothing. */
    unsigned gets = bucket.gets;
    assert_answer("SELECT 1 AS x", 10, "1|");
    ck_assert_uint_eq(bucket.gets, gets);
    /* Other files of the folder stay closed, and fetched ones are gone. */
    assert_refused("SELECT * FROM read_text('/etc/hostname'), db.t", PL_ERR_REJECT, "");
    ck_assert_uint_eq(staged(), 0);
    output_facts_release(&f);
}
END_TEST

START_TEST(what_is_gone_is_said)
{
    struct output_facts f = {0};
    insert(3);
    describe(&f);
    for (unsigned i = 0; i < bucket.n; i++)
        if (bucket.objects[i].key && strstr(bucket.objects[i].key, ".parquet"))
            free(PL_TAKE(bucket.objects[i].key));
    assert_refused("SELECT * FROM db.t", PL_ERR_CONFIG, "is missing");
    ck_assert_msg(strstr(err.msg, "table db.t: s3://lake/w/db/t/data/"), "%s", err.msg);
    server_stop(&server);
    assert_refused(f.newest_sql, PL_ERR_RETRY, "table db.t: ");
    server_start(&server, bucket_answer, &bucket);
    output_facts_release(&f);
}
END_TEST

static struct iceberg_store *the_store(void *userdata, const char *location, struct pl_err *e)
{
    (void)location, (void)e;
    return userdata;
}

static struct iceberg_snapshot_files files_of(struct iceberg_store *store, char *manifest_list)
{
    return (struct iceberg_snapshot_files){.manifest_list = manifest_list,
                                           .bytes = -1,
                                           .files = -1,
                                           .bytes_max = ICEBERG_FETCH_BYTES_MAX,
                                           .store_of = the_store,
                                           .userdata = store};
}

START_TEST(limits_hold)
{
    struct iceberg_stop stop = {.asked = NULL};
    struct iceberg_fetched got = {0};
    insert(3);
    insert(2);
    insert(4);
    char *list = NULL;
    size_t size = 0;
    for (unsigned i = 0; i < bucket.n; i++) { /* the newest list is the last one that was made */
        const char *key = bucket.objects[i].key;
        if (key && strstr(key, "/snap-")) {
            free(list);
            list = pl_strf("s3://%s", key);
        }
        if (key && strstr(key, ".parquet"))
            size = bucket.objects[i].data.len;
    }
    ck_assert_ptr_nonnull(list);
    struct iceberg_store *store = iceberg_store_s3_new(&conf, &stop);
    struct iceberg_snapshot_files from = files_of(store, list);
    ck_assert_done(iceberg_fetch(&from, ICEBERG_FETCH_ALL, &got, &err), err);
    ck_assert_uint_eq(got.n, 3);
    ck_assert_uint_eq(staged(), 3);
    iceberg_fetched_release(&got);
    ck_assert_uint_eq(staged(), 0);

    /* Room for two: the newest two, or none. */
    from.bytes_max = (int64_t)size * 5 / 2;
    ck_assert_done(iceberg_fetch(&from, ICEBERG_FETCH_NEWEST, &got, &err), err);
    ck_assert_uint_eq(got.n, 2);
    ck_assert_int_le(got.bytes, from.bytes_max);
    iceberg_fetched_release(&got);
    ck_assert_int_eq(iceberg_fetch(&from, ICEBERG_FETCH_ALL, &got, &err), -1);
    ck_assert_msg(err.kind == PL_ERR_REJECT && strstr(err.msg, "ask a reader of Iceberg"), "%s",
                  err.msg);
    iceberg_fetched_release(&got);

    /* What the snapshot says of its size is believed before anything is fetched. */
    unsigned gets = bucket.gets;
    from.bytes = from.bytes_max + 1;
    ck_assert_int_eq(iceberg_fetch(&from, ICEBERG_FETCH_ALL, &got, &err), -1);
    ck_assert_msg(strstr(err.msg, "MiB)"), "%s", err.msg);
    ck_assert_uint_eq(bucket.gets, gets);
    from.bytes_max = 1; /* not one fits */
    ck_assert_int_eq(iceberg_fetch(&from, ICEBERG_FETCH_NEWEST, &got, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    iceberg_fetched_release(&got);
    iceberg_store_free(store);
    free(list);
    ck_assert_uint_eq(staged(), 0);
}
END_TEST

/* A folder on the way to the files that is spelled as a partition of Hive's is no column. */
START_TEST(folders_are_no_columns)
{
    struct output_facts f = {0};
    close_all();
    PL_FREE char *warehouse = pl_strf("%s/by=path", folder);
    open_at(warehouse);
    insert(2);
    describe(&f);
    assert_answer(f.newest_sql, 3, "1|1|0|0|");
    output_facts_release(&f);
}
END_TEST

int main(void)
{
    const char *skip = getenv("DUCKDB_LIBRARY") ? NULL : "DUCKDB_LIBRARY is not set";
    const struct unit_test tests[] = {
        TCASE("none"),
        TEST(names_are_found, .count = 14),
        TCASE("rows", .skip = skip, .set_up = set_up, .tear_down = tear_down),
        TEST(rows_in_s3_are_fetched),
        TEST(what_is_gone_is_said),
        TEST(limits_hold),
        TEST(folders_are_no_columns),
    };
    return unit_main("iceberg_view", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_duckdb_lake.c - a DuckLake as what the DuckDB output writes: rows and position are one
 * there as well, its tables, who holds the catalogue, and --show. Run with DUCKLAKE_LIBRARY=PATH
 * and DUCKLAKE_EXTENSION=PATH in the environment, as tests/services/duckdb.sh prints them.
 *
 * links: chsinkd
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemons/chsinkd/duckdb/table.h"
#include "daemons/chsinkd/output/facts.h"
#include "tests/unit/chsinkd/duckdb_fixture.h"

static void lake_set_up(void)
{
    char *extension = getenv("DUCKLAKE_EXTENSION");
    dir = unit_dir();
    conf = (struct duckdb_conf){.attach = pl_strf("ducklake:%s/rows.ducklake", dir),
                                .library = getenv("DUCKLAKE_LIBRARY"),
                                .hold = DUCKDB_HOLD_BATCH,
                                .memory_bytes = 200 * PL_MIB,
                                .threads = 1,
                                .storage_version = TEXT("v1.4.0")};
    pl_strings_add(&conf.extensions, extension ? extension : "");
    output = duckdb_output.open(&conf);
}

static void lake_tear_down(void)
{
    duckdb_output.close(output);
    pl_strings_release(&conf.extensions);
    free(conf.attach);
    free(dir);
}

START_TEST(rows_and_position_are_one)
{
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    assert_position(&l, -1, "");
    l.range.note = "dead 'letters'";
    ck_assert_msg(insert(&l, 10, 1013, NULL) == OUTPUT_DONE, "%s", l.err.msg);
    assert_position(&l, 1013, "dead 'letters'");
    others_answer("SELECT count(*), min(a), max(a) FROM t", "1003|10|1012|");
    /* The answer was lost; another's batch; one that comes late. */
    ck_assert_int_eq(insert(&l, 10, 1013, NULL), OUTPUT_DONE);
    l.range.note = "other";
    ck_assert_int_eq(insert(&l, 10, 1013, NULL), OUTPUT_MOVED);
    l.range.position = 12;
    ck_assert_int_eq(insert(&l, 12, 14, NULL), OUTPUT_MOVED);
    others_answer("SELECT count(*) FROM t", "1003|");
    l.range.position = 1013;
    ck_assert_int_eq(insert(&l, 1013, 1014, NULL), OUTPUT_DONE);
    assert_position(&l, 1014, "other");
    others_answer("SELECT count(*) FROM t", "1004|");
    /* A table that is made again has lost its rows, and so its positions. */
    others_do("DROP TABLE t");
    ck_assert_int_eq(insert(&l, 1014, 1015, NULL), OUTPUT_HELD);
    ensure(&l, NULL);
    assert_position(&l, -1, "");
}
END_TEST

/* Of every type that has a default of its own. */
START_TEST(columns_are_added)
{
    struct facts facts = {0};
    LOAD l, more;
    load_begin(&l, PLAIN);
    ck_assert(ensure(&l, &facts).created);
    ck_assert_int_eq(insert(&l, 0, 2, NULL), OUTPUT_DONE);
    load_begin(&more,
               "columns:\n"
               "  - {name: s, path: $.s, type: String, missing: default}\n"
               "  - {name: a, path: $.a, type: Int64, comment: \"it's a\"}\n"
               "  - {name: n, path: $.n, type: Nullable(Int8)}\n"
               "  - {name: at, path: $.t, type: \"DateTime64(3, 'UTC')\", missing: default}\n"
               "  - {name: day, path: $.d, type: Date, missing: default}\n"
               "  - {name: u, path: $.u, type: UUID, missing: default}\n"
               "  - {name: f, path: $.f, type: Float32, missing: default}\n"
               "  - {name: y, path: $.y, type: Bool, missing: default}\n"
               "  - {name: x, type: Nullable(Int64), expression: \"a - 1\"}\n");
    ck_assert_uint_eq(ensure(&more, &facts).columns_added, 8);
    ck_assert_uint_eq(ensure(&more, &facts).columns_added, 0);
    more.range.position = 2;
    ck_assert_msg(insert(&more, 2, 3, "{\"a\":7,\"s\":\"x\",\"n\":1,\"y\":true}") == OUTPUT_DONE,
                  "%s", more.err.msg);
    others_answer("SELECT a, s, n, epoch_ms(\"at\"), day, u, f, y, x FROM t ORDER BY s, a",
                  "0|||0|1970-01-01|00000000-0000-0000-0000-000000000000|0.0|false||"
                  "1|||0|1970-01-01|00000000-0000-0000-0000-000000000000|0.0|false||"
                  "7|x|1|0|1970-01-01|00000000-0000-0000-0000-000000000000|0.0|true|6|");
    pl_buf_release(&facts.text);
}
END_TEST

/* Another process has the catalogue open until it is killed, in the middle of a transaction. */
START_TEST(held_and_killed)
{
    int ready[2];
    char byte;
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 5, NULL), OUTPUT_DONE);
    l.range.position = 5;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct duckdb_library lib;
        struct duckdb db;
        const struct duckdb_open how = {
            .file = duckdb_conf_file(&conf), .lake = true, .extensions = &conf.extensions};
        bool ok = duckdb_library_load(&lib, conf.library, &l.err) == 0 &&
                  duckdb_open(&db, &lib, &how, &l.err) == 0 &&
                  duckdb_run(&db, "BEGIN; INSERT INTO t SELECT range FROM range(50000)", NULL,
                             &l.err) == 0;
        if (write(ready[1], ok ? "y" : "n", 1) == 1)
            pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    duckdb_output.abort(output, false);
    ck_assert_int_eq(insert(&l, 5, 9, NULL), OUTPUT_RETRY); /* after 10 s */
    PL_FREE char *pid = pl_strf("(PID %d)", (int)child);
    ck_assert_msg(strstr(l.err.msg, pid) && strstr(l.err.msg, "rows.ducklake"), "%s", l.err.msg);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    ck_assert_msg(insert(&l, 5, 9, NULL) == OUTPUT_DONE, "%s", l.err.msg);
    others_answer("SELECT count(*), count(DISTINCT a) FROM t", "9|9|");
    assert_position(&l, 9, "");
    close(ready[0]);
    close(ready[1]);
}
END_TEST

static void assert_query(const char *sql, const char *want)
{
    PL_CLEANUP(output_rows_release) struct output_rows rows = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf got = {0};
    struct pl_err err;
    int rc = duckdb_output.query(output, sql, 10, &rows, &err);
    for (size_t i = 0; i < output_rows_n(&rows) * rows.columns_n; i++) {
        struct pl_slice s = output_rows_get(&rows, i / rows.columns_n, i % rows.columns_n);
        pl_buf_addf(&got, "%.*s|", (int)s.len, s.p ? s.p : "");
    }
    if (want) {
        ck_assert_done(rc, err);
        ck_assert_str_eq(pl_buf_cstr(&got), want);
    } else {
        ck_assert_msg(rc < 0 && err.kind == PL_ERR_REJECT, "%s: %s", sql, rc < 0 ? err.msg : "");
    }
}

START_TEST(it_is_shown)
{
    struct output_facts none = {0}, f = {0};
    LOAD l;
    load_begin(&l, PLAIN "  - {name: _offset, from: offset, type: Int64}\n");
    ck_assert_done(duckdb_output.describe(output, l.target, l.range.group, &none, &l.err), l.err);
    ck_assert(!none.exists);
    output_facts_release(&none);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 500, NULL), OUTPUT_DONE);
    ck_assert_done(duckdb_output.describe(output, l.target, l.range.group, &f, &l.err), l.err);
    ck_assert(f.exists && f.kept && f.rows == 500 && f.bytes > 100);
    ck_assert_msg(strncmp(f.engine, "DuckLake, DuckDB v", 18) == 0, "%s", f.engine);
    ck_assert_msg(strstr(f.note, "the catalogue has"), "%s", f.note);
    ck_assert_uint_eq(f.columns_n, 2);
    ck_assert(!f.columns[0].differs && f.columns[0].wanted);
    ck_assert_uint_eq(f.loads_n, 1);
    ck_assert(f.loads[0].start == 0 && f.loads[0].end == 500 && f.loads[0].rows == 500);
    ck_assert_uint_eq(f.places_n, 1);
    ck_assert_int_eq(f.places[0].next, 500);
    PL_FREE char *newest = pl_strf("SELECT a FROM (%s) LIMIT 2", f.newest_sql);
    assert_query(newest, "499|498|");
    assert_query("SELECT count(*), sum(a) FROM t", "500|124750|");
    assert_query("SELECT * FROM read_text('/etc/hostname')", NULL);
    assert_query("SELECT 1) TO '/tmp/never.csv'; COPY (SELECT 1", NULL);
    others_answer("SELECT count(*) FROM t", "500|");
    output_facts_release(&f);
}
END_TEST

START_TEST(an_extension_of_another_version_is_refused)
{
    LOAD l;
    struct output_state state;
    load_begin(&l, PLAIN);
    PL_FREE char *other = pl_strf("%s/ducklake.duckdb_extension", dir);
    PL_FREE char *line = pl_strf("echo no extension > %s", other);
    ck_assert_int_eq(system(line), 0);
    pl_strings_release(&conf.extensions);
    pl_strings_add(&conf.extensions, other);
    ck_assert_int_eq(duckdb_output.ensure(output, l.target, NULL, &state, &l.err), -1);
    ck_assert_int_eq(l.err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(l.err.msg, "duckdb.extensions: ") && strstr(l.err.msg, other), "%s",
                  l.err.msg);
}
END_TEST

int main(void)
{
    const char *skip = getenv("DUCKLAKE_EXTENSION") ? NULL : "DUCKLAKE_EXTENSION is not set";
    const struct unit_test tests[] = {
        TCASE("lake", .skip = skip, .set_up = lake_set_up, .tear_down = lake_tear_down),
        TEST(rows_and_position_are_one),
        TEST(columns_are_added),
        TEST(held_and_killed),
        TEST(it_is_shown),
        TEST(an_extension_of_another_version_is_refused),
    };
    return unit_main("duckdb_lake", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_duckdb_output.c - a DuckDB file as an output: its tables, its positions, what becomes of a
 * batch. What needs the library is run with DUCKDB_LIBRARY=PATH in the environment, as
 * tests/services/duckdb.sh prints it.
 *
 * links: chsinkd
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemons/chsinkd/duckdb/expression.h"
#include "daemons/chsinkd/duckdb/table.h"
#include "daemons/chsinkd/output/facts.h"
#include "lib/base/clock.h"
#include "tests/unit/chsinkd/duckdb_fixture.h"

/* ---- expressions ---- */

#define EXPRESSION_COLUMNS                                                                         \
    "columns:\n"                                                                                   \
    "  - {name: a, path: $.a, type: Nullable(Int64)}\n"                                            \
    "  - {name: b, path: $.b, type: UInt64, missing: default}\n"                                   \
    "  - {name: f, path: $.f, type: Float64, missing: default}\n"                                  \
    "  - {name: s, path: $.s, type: String, missing: default}\n"

START_TEST(expressions)
{
#define A "CAST(\"a\" AS HUGEINT)"
#define B "CAST(\"b\" AS HUGEINT)"
    static const struct {
        const char *type, *text, *want; /* NULL: refused */
    } cases[] = {
        {"Nullable(Int64)", "a - ifNull(b, 0)",
         "CAST(" A " - coalesce ( " B " , CAST(0 AS HUGEINT) )  AS BIGINT)"},
        {"UInt8", "a--b", "CAST(" A " - - " B "  AS UTINYINT)"},
        {"DateTime64(3, 'UTC')", "now64(3, 'UTC')",
         "CAST('2026-01-02T03:04:05.678Z' AS TIMESTAMP WITH TIME ZONE)"},
        {"DateTime", " now( ) ", "CAST('2026-01-02T03:04:05Z' AS TIMESTAMP_S)"},
        {"DateTime64(6)", "now64()", "CAST('2026-01-02T03:04:05.678Z' AS TIMESTAMP)"},
        {"Int64", "a + c", NULL},
        {"Int64", "a + f", NULL},
        {"Int64", "length(s)", NULL},
        {"Int64", "a / 2", NULL},
        {"Int64", "a); DROP TABLE t; --", NULL},
        {"Int64", "'a'", NULL},
        {"Int64", "ifNull", NULL},
        {"String", "s", NULL},
        {"Float64", "a", NULL},
        {"DateTime", "now() + 1", NULL},
        {"DateTime", "now('x", NULL},
        {"DateTime64(9, 'UTC')", "now64(3, 'UTC')", NULL},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *yaml =
            pl_strf(EXPRESSION_COLUMNS "  - {name: x, type: \"%s\", expression: \"%s\"}\n",
                    cases[i].type, cases[i].text);
        FIXTURE f = fixture_new(yaml);
        struct pl_buf got = {0};
        struct pl_err err;
        int rc =
            duckdb_expression(f.route, &f.route->columns[4], INT64_C(1767323045678), &got, &err);
        ck_assert_msg((rc == 0) == (cases[i].want != NULL), "%s: %s", cases[i].text,
                      rc < 0 ? err.msg : pl_buf_cstr(&got));
        ck_assert_str_eq(pl_buf_cstr(&got), cases[i].want ? cases[i].want : "");
        ck_assert(rc == 0 || (err.kind == PL_ERR_CONFIG && strstr(err.msg, "column x")));
        pl_buf_release(&got);
    }
}
END_TEST

/* ---- with the library ---- */

/* Rows and position are one: what is expected counts, the same batch again has no effect, anything
 * else is another owner's. */
START_TEST(compare_and_set)
{
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    assert_position(&l, -1, "");
    l.range.note = "dead 'letters'";
    ck_assert_int_eq(insert(&l, 10, 13, NULL), OUTPUT_DONE);
    assert_position(&l, 13, "dead 'letters'");
    others_answer("SELECT count(*), min(a), max(a) FROM t", "3|10|12|");

    /* The answer was lost. */
    ck_assert_int_eq(insert(&l, 10, 13, NULL), OUTPUT_DONE);
    others_answer("SELECT count(*) FROM t", "3|");
    /* Another's batch to the same end. */
    l.range.note = "other";
    ck_assert_int_eq(insert(&l, 10, 13, NULL), OUTPUT_MOVED);
    ck_assert_msg(strstr(l.err.msg, "is 13, not -1"), "%s", l.err.msg);
    l.range.position = 12;
    ck_assert_int_eq(insert(&l, 12, 14, NULL), OUTPUT_MOVED);
    others_answer("SELECT count(*) FROM t", "3|");
    assert_position(&l, 13, "dead 'letters'");

    /* Without rows; a message was skipped. */
    l.range.position = 13;
    l.range.note = "";
    ck_assert_int_eq(insert(&l, 20, 20, NULL), OUTPUT_DONE);
    assert_position(&l, 20, "");
    l.range.position = 20;
    ck_assert_int_eq(insert(&l, 21, 22, NULL), OUTPUT_DONE);
    others_answer("SELECT count(*), max(a) FROM t", "4|21|");

    /* Positions are a group's, a topic's and a partition's. */
    l.range.partition = 4;
    assert_position(&l, -1, "");
    l.range.partition = 3;
    l.range.topic = "u";
    assert_position(&l, -1, "");
    l.range.group = "other";
    l.range.topic = "t";
    assert_position(&l, -1, "");
    l.range.position = -1;
    ck_assert_int_eq(insert(&l, 0, 1, NULL), OUTPUT_DONE);
    others_answer("SELECT group_id, topic, \"partition\", table_name, next_offset FROM "
                  "_chsinkd_offsets ORDER BY next_offset",
                  "other|t|3|main.t|1|it's a group|t|3|main.t|22|");
}
END_TEST

/* A schema and a table whose names have dots. */
START_TEST(names_with_dots)
{
    struct output_facts facts = {0};
    LOAD l;
    load_begin(&l, PLAIN);
    duckdb_output.target_free(l.target);
    free(l.f.route->table);
    l.f.route->table = pl_strdup("e.v");
    l.f.route->database = pl_strdup("my.db");
    l.target = duckdb_output.target_new(&conf, l.f.route);
    ck_assert_str_eq(l.target->name, "\"my.db\".\"e.v\"");
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 10, 13, NULL), OUTPUT_DONE);
    assert_position(&l, 13, "");
    others_answer("SELECT count(*), min(a), max(a) FROM \"my.db\".\"e.v\"", "3|10|12|");
    others_answer("SELECT table_name FROM _chsinkd_offsets", "\"my.db\".\"e.v\"|");
    ck_assert_done(duckdb_output.describe(output, l.target, "it's a group", &facts, &l.err), l.err);
    ck_assert(facts.exists);
    ck_assert_int_eq(facts.rows, 3);
    ck_assert_uint_eq(facts.places_n, 1);
    output_facts_release(&facts);
    /* Made again, it has no position. */
    others_do("DROP TABLE \"my.db\".\"e.v\"");
    ensure(&l, NULL);
    assert_position(&l, -1, "");
}
END_TEST

/* What fails for its content leaves neither rows nor position. */
START_TEST(refused)
{
    LOAD l;
    load_begin(&l, PLAIN);
    others_do("CREATE TABLE t (a BIGINT CHECK (a < 100))");
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_DONE);
    l.range.position = 10;
    ck_assert_int_eq(insert(&l, 99, 101, NULL), OUTPUT_REFUSED);
    ck_assert_msg(strstr(l.err.msg, "CHECK"), "%s", l.err.msg);
    assert_position(&l, 10, "");
    others_answer("SELECT count(*) FROM t", "10|");
    ck_assert_int_eq(insert(&l, 98, 99, NULL), OUTPUT_DONE);
}
END_TEST

/* A batch for which memory_limit is not enough is halved by the sink; nothing of it is there. */
START_TEST(memory)
{
    LOAD l;
    load_begin(&l, "columns:\n  - {name: s, path: $.s, type: String}\n");
    conf.memory_bytes = 12 * PL_MIB;
    ensure(&l, NULL);
    PL_FREE char *value = malloc(1000001);
    struct batch *b = batch_new(block_new(l.f.route), 0);
    for (int64_t offset = 0; offset < 60; offset++) {
        int n = snprintf(value, 1000001, "{\"s\":\"");
        for (; n < 999990; n++) /* nothing that can be compressed */
            value[n] = "abcdefghijklmnopqrstuvwxyz012345"[rand() % 32];
        strcpy(value + n, "\"}");
        struct rows_message m = {
            .topic = "t", .offset = offset, .value = value, .value_len = strlen(value)};
        rows_decode(l.f.rows, &m, NULL, b->block, on_reject, &l.f);
        batch_message_add(b, offset, BATCH_ROWS);
    }
    l.range.end = 60;
    ck_assert_int_eq(duckdb_output.insert(output, l.target, &l.range, b, "", &l.err),
                     OUTPUT_TOO_LARGE);
    ck_assert_msg(strstr(l.err.msg, "duckdb.memory_limit") && !strstr(l.err.msg, "solutions"), "%s",
                  l.err.msg);
    batch_free(b);
    assert_position(&l, -1, "");
}
END_TEST

/* The table went away, was changed, came back. */
START_TEST(held)
{
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_DONE);
    l.range.position = 10;
    others_do("ALTER TABLE t ALTER a TYPE VARCHAR");
    ck_assert_int_eq(insert(&l, 10, 20, NULL), OUTPUT_HELD);
    ck_assert_msg(strstr(l.err.msg, "a is VARCHAR in the table, BIGINT in the route"), "%s",
                  l.err.msg);
    others_do("ALTER TABLE t ALTER a TYPE BIGINT");
    ck_assert_int_eq(insert(&l, 10, 20, NULL), OUTPUT_DONE);
    l.range.position = 20;
    others_do("DROP TABLE t");
    ck_assert_int_eq(insert(&l, 20, 30, NULL), OUTPUT_HELD);
    /* Made again it has no rows, and so no position. */
    ck_assert(ensure(&l, NULL).created);
    assert_position(&l, -1, "");
    ck_assert_int_eq(insert(&l, 20, 30, NULL), OUTPUT_MOVED);
}
END_TEST

/* Runs a command in the test's folder: F is the file. */
static void others_run(const char *command)
{
    PL_FREE char *line = pl_strf("F=%s; %s", conf.file, command);
    ck_assert_int_eq(system(line), 0);
}

/* The file is taken away while it is held open: nothing is written where nobody will find it. */
START_TEST(a_file_that_is_taken_away_is_noticed)
{
    LOAD l;
    conf.hold = _i == 0 ? DUCKDB_HOLD_ALWAYS : DUCKDB_HOLD_BATCH;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_DONE);
    others_run("rm $F");
    l.range.position = 10;
    ck_assert_int_eq(insert(&l, 10, 20, NULL), OUTPUT_HELD);
    ck_assert(ensure(&l, NULL).created);
    assert_position(&l, -1, "");
    ck_assert_int_eq(insert(&l, 10, 20, NULL), OUTPUT_MOVED);
}
END_TEST

START_TEST(a_copy_that_is_put_back_is_noticed)
{
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_DONE);
    others_run("cp $F $F.old");
    conf.hold = _i == 0 ? DUCKDB_HOLD_ALWAYS : DUCKDB_HOLD_BATCH;
    l.range.position = 10;
    ck_assert_int_eq(insert(&l, 10, 20, NULL), OUTPUT_DONE);
    others_run("mv $F.old $F");
    l.range.position = 20;
    ck_assert_int_eq(insert(&l, 20, 30, NULL), OUTPUT_MOVED);
    l.range.position = 10;
    ck_assert_int_eq(insert(&l, 10, 30, NULL), OUTPUT_DONE);
    conf.hold = DUCKDB_HOLD_BATCH;
    assert_position(&l, 30, "");
    others_answer("SELECT count(*), count(DISTINCT a) FROM t", "30|30|");
}
END_TEST

/* Exit status: the kind of the error. */
static void make_at_once(struct load *l, int gate)
{
    struct output_state state;
    char go;
    if (read(gate, &go, 1) < 0)
        _exit(99);
    int rc = duckdb_output.ensure(output, l->target, NULL, &state, &l->err);
    if (rc < 0)
        fprintf(stderr, "%s\n", l->err.msg);
    _exit(rc < 0 ? (int)l->err.kind : 0);
}

/* Several instances begin in the same moment: who finds the file in the making waits. */
START_TEST(made_by_several_at_once)
{
    enum { MAKERS = 8 };
    LOAD l;
    int gate[2], status;
    pid_t makers[MAKERS];
    load_begin(&l, PLAIN);
    ensure(&l, NULL); /* loads the library, which takes longer than all else */
    others_run("rm $F");
    ck_assert_int_eq(pipe(gate), 0);
    for (int i = 0; i < MAKERS; i++) {
        makers[i] = fork();
        if (makers[i] == 0) {
            close(gate[1]);
            make_at_once(&l, gate[0]);
        }
    }
    close(gate[0]);
    close(gate[1]); /* opens it */
    for (int i = 0; i < MAKERS; i++) {
        ck_assert_int_eq(waitpid(makers[i], &status, 0), makers[i]);
        ck_assert(WIFEXITED(status));
        ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == PL_ERR_RETRY,
                      "an instance ends with an error of kind %d", WEXITSTATUS(status));
    }
    ensure(&l, NULL);
    PL_FREE char *left = pl_strf("test \"$(ls -A %s)\" = t.duckdb", dir);
    ck_assert_msg(system(left) == 0, "something is left beside the file");
}
END_TEST

/* After a kill the WAL of a newer file lies beside an older copy of it: it must not be replayed
 * there, as the rows between are in neither. */
START_TEST(a_wal_of_a_newer_file_is_refused)
{
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_DONE);
    others_run("cp $F $F.old");
    l.range.position = 10;
    ck_assert_int_eq(insert(&l, 10, 20, NULL), OUTPUT_DONE);
    pid_t child = fork();
    if (child == 0) {
        conf.hold = DUCKDB_HOLD_ALWAYS;
        l.range.position = 20;
        if (insert(&l, 20, 30, NULL) == OUTPUT_DONE)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    others_run("test -e $F.wal && mv $F.old $F");
    l.range.position = 30;
    ck_assert_int_eq(insert(&l, 30, 40, NULL), OUTPUT_HELD);
    ck_assert_msg(strstr(l.err.msg, "WAL"), "%s", l.err.msg);
    others_run("rm $F.wal");
    assert_position(&l, 10, "");
}
END_TEST

START_TEST(tables)
{
    struct facts facts = {0};
    struct output_state state;
    LOAD l;
    load_begin(&l, "columns:\n"
                   "  - {name: a, path: $.a, type: Int64, codec: ZSTD(1), comment: \"it's a\"}\n"
                   "  - {name: b, path: $.b, type: Nullable(UInt8)}\n");
    /* A dry run makes nothing. */
    struct pl_buf plan = {0};
    const struct output_ensure dry = {.dry_run = true, .ret_plan = &plan};
    ck_assert_done(duckdb_output.ensure(output, l.target, &dry, &state, &l.err), l.err);
    ck_assert_msg(strstr(pl_buf_cstr(&plan), "CREATE TABLE \"main\".\"t\""), "%s",
                  pl_buf_cstr(&plan));
    ck_assert(access(conf.file, F_OK) < 0);

    ck_assert(ensure(&l, &facts).created);
    ck_assert_str_eq(pl_buf_cstr(&facts.text),
                     "table created: t\n"
                     "without what is ClickHouse's alone: engine, order_by, codec\n");
    pl_buf_reset(&facts.text);
    ck_assert(!ensure(&l, &facts).created);
    ck_assert_str_eq(pl_buf_cstr(&facts.text), "");
    others_answer("SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
                  "WHERE table_name = 't'",
                  "a|BIGINT|false|it's a|b|UTINYINT|true||");
    ck_assert_int_eq(insert(&l, 0, 2, NULL), OUTPUT_DONE);

    /* Columns are added, in any place; rows that are there have the type's zero. */
    LOAD more;
    load_begin(&more,
               "columns:\n"
               "  - {name: s, path: $.s, type: String, missing: default}\n"
               "  - {name: a, path: $.a, type: Int64}\n"
               "  - {name: n, path: $.n, type: Nullable(Int8)}\n"
               "  - {name: at, path: $.t, type: \"DateTime64(3, 'UTC')\", missing: default}\n"
               "  - {name: u, path: $.u, type: UUID, missing: default}\n"
               "  - {name: f, path: $.f, type: Float32, missing: default}\n"
               "  - {name: y, path: $.y, type: Bool, missing: default}\n");
    pl_buf_reset(&plan);
    ck_assert_done(duckdb_output.ensure(output, more.target, &dry, &state, &more.err), more.err);
    ck_assert_uint_eq(state.columns_added, 6);
    others_answer("SELECT count(*) FROM duckdb_columns() WHERE table_name = 't'", "2|");
    ck_assert_uint_eq(ensure(&more, &facts).columns_added, 6);
    ck_assert_msg(strstr(pl_buf_cstr(&facts.text), "column added: u\n"), "%s",
                  pl_buf_cstr(&facts.text));
    more.range.position = 2;
    ck_assert_msg(insert(&more, 2, 3, "{\"a\":7,\"s\":\"x\",\"n\":1,\"y\":true}") == OUTPUT_DONE,
                  "%s", more.err.msg);
    others_answer("SELECT a, b, s, n, epoch_ms(\"at\"), u, f, y FROM t ORDER BY s, a",
                  "0||||0|00000000-0000-0000-0000-000000000000|0.0|false|"
                  "1||||0|00000000-0000-0000-0000-000000000000|0.0|false|"
                  "7||x|1|0|00000000-0000-0000-0000-000000000000|0.0|true|");
    pl_buf_release(&plan);
    pl_buf_release(&facts.text);
}
END_TEST

START_TEST(differences)
{
    LOAD l;
    load_begin(&l, "columns:\n  - {name: a, path: $.a, type: Int64}\n"
                   "  - {name: b, path: $.b, type: Nullable(String)}\n");
    others_do("CREATE TABLE t (a INTEGER, b VARCHAR NOT NULL)");
    assert_ensure_refuses(&l, "column a is INTEGER in the table, BIGINT in the route (Int64); "
                              "column b is NOT NULL in the table, Nullable in the route");
    others_do("DROP TABLE t; CREATE TABLE t (a BIGINT, b VARCHAR, c INTEGER NOT NULL)");
    assert_ensure_refuses(&l, "column c is NOT NULL in the table, has no default");
    others_do("DROP TABLE t; CREATE TABLE t (a BIGINT, c INTEGER NOT NULL DEFAULT 5, b VARCHAR)");
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 1, "{\"a\":1,\"b\":\"x\"}"), OUTPUT_DONE);
    others_answer("SELECT * FROM t", "1|5|x|");
    others_do("DROP TABLE t; CREATE TABLE T (A BIGINT, b VARCHAR)");
    ensure(&l, NULL);
    l.range.position = 1;
    ck_assert_int_eq(insert(&l, 1, 2, "{\"a\":2}"), OUTPUT_DONE);
    others_do("DROP TABLE t; CREATE VIEW t AS SELECT 1::BIGINT AS a, 'x' AS b");
    assert_ensure_refuses(&l, "it is a view");
}
END_TEST

/* Computed while inserted; what does not fit refuses the batch. */
START_TEST(computed)
{
    char now[32];
    LOAD l;
    load_begin(&l, "columns:\n"
                   "  - {name: x, type: Nullable(Int64), expression: \"a - ifNull(b, 0)\"}\n"
                   "  - {name: a, path: $.a, type: Nullable(Int64)}\n"
                   "  - {name: b, path: $.b, type: Nullable(Int64)}\n"
                   "  - {name: at, type: \"DateTime64(3, 'UTC')\", expression: \"now64(3, "
                   "'UTC')\"}\n");
    ensure(&l, NULL);
    int64_t before_ms = pl_clock_realtime_ms();
    ck_assert_int_eq(insert(&l, 0, 1, "{\"a\":10,\"b\":12}"), OUTPUT_DONE);
    l.range.position = 1;
    ck_assert_int_eq(insert(&l, 1, 2, "{\"a\":10}"), OUTPUT_DONE);
    l.range.position = 2;
    ck_assert_int_eq(insert(&l, 2, 3, "{\"b\":1}"), OUTPUT_DONE);
    others_answer("SELECT x, a, b FROM t ORDER BY a, b", "-2|10|12|10|10||||1|");
    snprintf(now, sizeof(now), "%" PRId64, before_ms);
    PL_FREE char *sql = pl_strf(
        "SELECT count(*) FROM t WHERE epoch_ms(\"at\") BETWEEN %s AND %s + 60000", now, now);
    others_answer(sql, "3|");
    l.range.position = 3;
    ck_assert_int_eq(insert(&l, 3, 4, "{\"a\":-9223372036854775808,\"b\":1}"), OUTPUT_REFUSED);
    assert_position(&l, 3, "");
}
END_TEST

/* hold: always keeps the file; batch leaves it between the calls. */
START_TEST(holds)
{
    struct duckdb_library lib;
    struct duckdb db;
    LOAD l;
    load_begin(&l, PLAIN);
    conf.hold = DUCKDB_HOLD_ALWAYS;
    ensure(&l, NULL);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_DONE);
    ck_assert_done(duckdb_library_load(&lib, conf.library, &l.err), l.err);
    ck_assert_int_eq(duckdb_open(&db, &lib, &(struct duckdb_open){.file = conf.file}, &l.err), -1);
    l.range.position = 10;
    ck_assert_int_eq(insert(&l, 10, 20, NULL), OUTPUT_DONE);
    assert_position(&l, 20, "");
    duckdb_output.close(output);
    others_answer("SELECT count(*) FROM t", "20|");
    output = duckdb_output.open(&conf);
    l.range.position = 20;
    ck_assert_int_eq(insert(&l, 20, 30, NULL), OUTPUT_DONE);
    assert_position(&l, 30, "");
}
END_TEST

static void *abort_soon(void *arg)
{
    (void)arg;
    usleep(300000);
    duckdb_output.abort(output, true);
    return NULL;
}

/* A wait for who holds the file ends when it is to stop; then nothing begins. */
START_TEST(aborted)
{
    struct duckdb_library lib;
    struct duckdb db;
    pthread_t thread;
    LOAD l;
    load_begin(&l, PLAIN);
    ensure(&l, NULL);
    ck_assert_done(duckdb_library_load(&lib, conf.library, &l.err), l.err);
    ck_assert_done(duckdb_open(&db, &lib, &(struct duckdb_open){.file = conf.file}, &l.err), l.err);
    ck_assert_int_eq(pthread_create(&thread, NULL, abort_soon, NULL), 0);
    int64_t began_ms = pl_clock_monotonic_ms();
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_RETRY);
    ck_assert_int_lt(pl_clock_monotonic_ms() - began_ms, 8000);
    ck_assert_str_eq(l.err.msg, "stopped");
    pthread_join(thread, NULL);
    duckdb_close(&db);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_RETRY);
    duckdb_output.abort(output, false);
    ck_assert_int_eq(insert(&l, 0, 10, NULL), OUTPUT_DONE);
}
END_TEST

/* The routes of the package: made, and loaded into. */
START_TEST(presets)
{
    static const char *const files[] = {"etc/routes/wikipedia_edits.yaml",
                                        "etc/routes/transaction_metrics.yaml"};
    struct pl_findings errs;
    struct pl_err err;
    pl_findings_init(&errs);
    for (size_t i = 0; i < PL_COUNT(files); i++) {
        PL_CLEANUP(route_freep) struct route *r = route_load(files[i], &errs);
        ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
        ck_assert_done(duckdb_route_check(r, &err), err);
        struct output_target *t = duckdb_output.target_new(&conf, r);
        struct output_state state;
        ck_assert_done(duckdb_output.ensure(output, t, NULL, &state, &err), err);
        ck_assert(state.created);
        duckdb_output.target_free(t);
    }
    pl_findings_release(&errs);
    others_answer("SELECT DISTINCT table_name FROM duckdb_columns() WHERE column_name = '_offset' "
                  "ORDER BY 1",
                  "transaction_metrics|wikipedia_edits|");
}
END_TEST

/* What is no file, and never becomes one by waiting, is refused at once. F is the file. */
START_TEST(what_is_no_file_is_refused)
{
    static const struct {
        const char *command, *why; /* NULL: it can be the file */
    } cases[] = {
        {"mkdir $F", "is a folder"},
        {"mkfifo $F", "is a pipe"},
        {"ln -s /dev/full $F", "is a device"},
        {"ln -s /dev/null $F", "is a device"},
        {"ln -s nowhere $F", "is a link to what is not there"},
        {"ln -s $F $F", "Too many levels"},
        {"ln -s $(dirname $F) $F", "is a folder"},
        {"python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' $F",
         "is a socket"},
        {"mkfifo $F.wal", ".wal is a pipe"},
        {"mkdir $F.wal", ".wal is a folder"},
        {"ln -s nowhere $F.wal", ".wal is a link to what is not there"},
        {":", NULL},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        LOAD l;
        struct output_state state;
        struct output_ensure how = {.dry_run = true};
        load_begin(&l, PLAIN);
        PL_FREE char *line = pl_strf("F=%s; rm -rf $F $F.*; %s", conf.file, cases[i].command);
        ck_assert_int_eq(system(line), 0);
        for (unsigned real = 0; real < 2; real++) {
            how.dry_run = !real;
            int rc = duckdb_output.ensure(output, l.target, &how, &state, &l.err);
            if (cases[i].why)
                ck_assert_msg(rc < 0 && l.err.kind == PL_ERR_CONFIG &&
                                  strstr(l.err.msg, cases[i].why) && strstr(l.err.msg, conf.file),
                              "%s: %d, %s", cases[i].command, rc, rc < 0 ? l.err.msg : "");
            else
                ck_assert_done(rc, l.err);
        }
    }
    others_run("mv $F $F.real; ln -s $F.real $F");
    LOAD l;
    load_begin(&l, PLAIN);
    ck_assert(!ensure(&l, NULL).created);
}
END_TEST

/* Rows that are in no table, and schemas. */
START_TEST(routes)
{
    struct pl_err err;
    FIXTURE null = fixture_new(PLAIN "engine: \"Null\"\n");
    ck_assert_int_eq(duckdb_route_check(null.route, &err), -1);
    ck_assert_msg(err.kind == PL_ERR_CONFIG && strstr(err.msg, "engine Null"), "%s", err.msg);
    FIXTURE zone = fixture_new("columns:\n  - {name: a, path: $.a, type: \"DateTime64(9, "
                               "'UTC')\"}\n");
    ck_assert_int_eq(duckdb_route_check(zone.route, &err), -1);
    ck_assert_msg(strstr(err.msg, "column a: "), "%s", err.msg);
}
END_TEST

int main(void)
{
    const char *skip = getenv("DUCKDB_LIBRARY") ? NULL : "DUCKDB_LIBRARY is not set";
    const struct unit_test tests[] = {
        TCASE("none"),
        TEST(expressions),
        TEST(routes),
        TCASE("file", .skip = skip, .set_up = set_up, .tear_down = tear_down),
        TEST(compare_and_set),
        TEST(names_with_dots),
        TEST(refused),
        TEST(memory),
        TEST(a_file_that_is_taken_away_is_noticed, .count = 2),
        TEST(a_copy_that_is_put_back_is_noticed, .count = 2),
        TEST(made_by_several_at_once, .count = 10),
        TEST(a_wal_of_a_newer_file_is_refused),
        TEST(held),
        TEST(what_is_no_file_is_refused),
        TEST(tables),
        TEST(differences),
        TEST(computed),
        TEST(holds),
        TEST(aborted),
        TEST(presets),
    };
    return unit_main("duckdb_output", tests, PL_COUNT(tests));
}

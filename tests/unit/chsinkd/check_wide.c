/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_wide.c - the widest tables and many partitions, into DuckDB and Iceberg: each row is
 * there, each position its own. What it costs is printed, and asserted nowhere. Run with
 * DUCKDB_LIBRARY=PATH in the environment, as tests/services/duckdb.sh prints it.
 *
 * links: chsinkd
 */
#include <inttypes.h>
#include <sys/resource.h>

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/duckdb/conf.h"
#include "daemons/chsinkd/duckdb/output.h"
#include "daemons/chsinkd/duckdb/table.h"
#include "daemons/chsinkd/iceberg/conf.h"
#include "daemons/chsinkd/iceberg/output.h"
#include "daemons/chsinkd/output/facts.h"
#include "lib/base/clock.h"
#include "lib/config/options.h"
#include "tests/unit/rows_fixture.h"

#define TEXT(s)    ((char *)(s))
#define PARTITIONS 200 /* of the topic, or of the table */

static char *dir;
static struct duckdb_conf duckdb_conf;
static struct iceberg_conf iceberg_conf;

static const struct {
    const struct output_kind *kind;
    const void *conf;
} outputs[] = {{&duckdb_output, &duckdb_conf}, {&iceberg_output, &iceberg_conf}};

struct world {
    const struct output_kind *kind;
    struct fixture f;
    struct output_target *target;
    struct output *output;
};

static void world_open(struct world *w, int output, const char *route)
{
    struct output_state state;
    struct pl_err err;
    dir = unit_dir();
    duckdb_conf = (struct duckdb_conf){.file = pl_strf("%s/t.duckdb", dir),
                                       .library = getenv("DUCKDB_LIBRARY"),
                                       .hold = DUCKDB_HOLD_ALWAYS,
                                       .memory_bytes = 64 * PL_MIB,
                                       .threads = 1,
                                       .storage_version = TEXT("v1.2.0")};
    iceberg_conf = (struct iceberg_conf){.warehouse = dir,
                                         .namespace_ = TEXT("main"),
                                         .library = getenv("DUCKDB_LIBRARY"),
                                         .timeout_ms = 60000};
    w->kind = outputs[output].kind;
    w->f = fixture_new(route);
    if (duckdb_conf.memory_bytes < duckdb_memory_least(w->f.route))
        duckdb_conf.memory_bytes = duckdb_memory_least(w->f.route);
    w->target = w->kind->target_new(outputs[output].conf, w->f.route);
    w->output = w->kind->open(outputs[output].conf);
    ck_assert_done(w->kind->ensure(w->output, w->target, NULL, &state, &err), err);
}

static void world_close(struct world *w)
{
    w->kind->close(w->output);
    w->kind->target_free(w->target);
    fixture_free(&w->f);
    free(duckdb_conf.file);
    free(dir);
}

struct rows {
    int32_t partition; /* of the topic */
    int64_t start, n;
    char *(*value)(int64_t offset);
};

static void insert(struct world *w, const struct rows *rows)
{
    struct batch *b = batch_new(block_new(w->f.route), rows->start);
    struct pl_err err;
    for (int64_t i = 0; i < rows->n; i++) {
        PL_FREE char *value = rows->value(rows->start + i);
        struct rows_message m = {.topic = "t",
                                 .partition = rows->partition,
                                 .offset = rows->start + i,
                                 .value = value,
                                 .value_len = strlen(value)};
        rows_decode(w->f.rows, &m, NULL, b->block, on_reject, &w->f);
        batch_message_add(b, m.offset, BATCH_ROWS);
    }
    const struct output_range range = {.group = "a group",
                                       .topic = "t",
                                       .partition = rows->partition,
                                       .start = rows->start,
                                       .end = rows->start + rows->n,
                                       .position = rows->start > 0 ? rows->start : -1,
                                       .note = "a note"};
    ck_assert_uint_eq(block_rows(b->block), rows->n);
    enum output_answer answer = w->kind->insert(w->output, w->target, &range, b, "", &err);
    ck_assert_msg(answer == OUTPUT_DONE, "%d: %s", answer, err.msg);
    batch_free(b);
}

/* The one field of an answer, by the output's own reader. */
static void assert_answer(struct world *w, const char *sql, const char *want)
{
    struct output_facts facts = {0};
    struct output_rows answer = {0};
    struct pl_err err;
    ck_assert_done(w->kind->describe(w->output, w->target, "a group", &facts, &err), err);
    ck_assert_done(w->kind->query(w->output, sql, 10, &answer, &err), err);
    ck_assert_uint_eq(answer.cells_n, 1);
    ck_assert_uint_eq(answer.cells[0].len, strlen(want));
    ck_assert_int_eq(memcmp(answer.text.data + answer.cells[0].at, want, strlen(want)), 0);
    output_rows_release(&answer);
    output_facts_release(&facts);
}

struct cost {
    double cpu_s;
    int64_t memory; /* the most so far */
};

static struct cost cost_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (struct cost){(double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 +
                             (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6,
                         u.ru_maxrss * INT64_C(1024)};
}

static void cost_print(const struct world *w, const struct cost *before, const char *what)
{
    struct cost now = cost_now();
    printf("%s, %s: %.1f s of CPU, at most %" PRId64 " MiB\n", w->kind->name, what,
           now.cpu_s - before->cpu_s, now.memory / PL_MIB);
}

/* ---- as many columns as a route can have ---- */

static const char *const types[] = {"Nullable(Int64)", "Nullable(String)", "Nullable(Float64)",
                                    "Nullable(UInt64)", "Nullable(DateTime64(3))"};
/* What stands before and behind the offset. */
static const char *const values[][2] = {
    {"", ""}, {"\"text ", "\""}, {"", ".5"}, {"", ""}, {"17672688000", ""}};

/* `unit` of the times is milliseconds. */
static char *wide_route(const char *more)
{
    struct pl_buf out = {0};
    pl_buf_addf(&out, "%scolumns:\n  - {name: _offset, type: Int64, from: offset}\n", more);
    for (unsigned i = 1; i < ROUTE_COLUMNS_MAX; i++)
        pl_buf_addf(&out, "  - {name: column_%u, type: \"%s\", path: $.c%u%s}\n", i,
                    types[i % PL_COUNT(types)], i,
                    strstr(types[i % PL_COUNT(types)], "Date") ? ", unit: ms" : "");
    pl_buf_cstr(&out);
    return pl_buf_take(&out);
}

static char *wide_value(int64_t offset)
{
    struct pl_buf out = {0};
    for (unsigned i = 1; i < ROUTE_COLUMNS_MAX; i++) {
        pl_buf_addf(&out, "%s\"c%u\":", i == 1 ? "{" : ",", i);
        pl_buf_addf(&out, "%s%" PRId64 "%s", values[i % PL_COUNT(values)][0], offset % 100,
                    values[i % PL_COUNT(values)][1]);
    }
    pl_buf_add_byte(&out, '}');
    pl_buf_cstr(&out);
    return pl_buf_take(&out);
}

START_TEST(columns)
{
    struct world w;
    struct cost before = cost_now();
    PL_FREE char *route = wide_route("");
    world_open(&w, _i, route);
    for (int i = 0; i < 3; i++)
        insert(&w, &(struct rows){0, i * 1000, 1000, wide_value});
    cost_print(&w, &before, "1,024 columns, 3 batches of 1,000 rows");
    assert_answer(&w, "SELECT sum(column_1020) FROM main.t", "148500");
    assert_answer(&w, "SELECT max(column_1021) FROM main.t", "text 99");
    world_close(&w);
}
END_TEST

/* ---- many partitions ---- */

#define NARROW                                                                                     \
    "columns:\n"                                                                                   \
    "  - {name: p, type: String, path: $.p}\n"                                                     \
    "  - {name: _partition, type: Int32, from: partition}\n"                                       \
    "  - {name: _offset, type: Int64, from: offset}\n"

static char *narrow_value(int64_t offset)
{
    return pl_strf("{\"p\":\"p%" PRId64 "\"}", offset % PARTITIONS);
}

/* Of the topic: each has its own position, and none is another's. */
START_TEST(partitions)
{
    struct world w;
    struct cost before = cost_now();
    world_open(&w, _i, NARROW);
    for (int turn = 0; turn < 2; turn++)
        for (int32_t p = 0; p < PARTITIONS; p++)
            insert(&w, &(struct rows){p, turn * 10, 10, narrow_value});
    cost_print(&w, &before, "200 partitions of a topic, 2 batches each");
    for (int32_t p = 0; p < PARTITIONS; p++) {
        const struct output_range range = {.group = "a group", .topic = "t", .partition = p};
        struct pl_buf note = {0};
        struct pl_err err;
        int64_t next;
        ck_assert_done(w.kind->position(w.output, w.target, &range, &next, &note, &err), err);
        ck_assert_int_eq(next, 20);
        pl_buf_release(&note);
    }
    assert_answer(&w, "SELECT count(DISTINCT (_partition, _offset)) FROM main.t", "4000");
    world_close(&w);
}
END_TEST

/* Of the table, in one batch; and some of the widest one. */
START_TEST(table_partitions)
{
    struct world w;
    struct cost before = cost_now();
    PL_FREE char *wide = wide_route("partition_by: column_1\n");
    world_open(&w, 1, _i ? wide : "partition_by: p\n" NARROW);
    insert(&w, &(struct rows){0, 0, _i ? 20 : 2000, _i ? wide_value : narrow_value});
    cost_print(&w, &before, _i ? "1,024 columns, 20 partitions" : "200 partitions");
    assert_answer(&w, "SELECT count(DISTINCT _offset) FROM main.t", _i ? "20" : "2000");
    world_close(&w);
}
END_TEST

int main(void)
{
    const char *skip = getenv("DUCKDB_LIBRARY") ? NULL : "DUCKDB_LIBRARY is not set";
    const struct unit_test tests[] = {
        TCASE("wide", .skip = skip),
        TEST(columns, .count = PL_COUNT(outputs)),
        TEST(partitions, .count = PL_COUNT(outputs)),
        TEST(table_partitions, .count = 2),
    };
    return unit_main("wide", tests, PL_COUNT(tests));
}

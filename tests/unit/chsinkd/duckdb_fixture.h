/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duckdb_fixture.h - a DuckDB file of each test's own, and loads into it, for the tests of the
 * DuckDB output. They need the library: DUCKDB_LIBRARY=PATH in the environment.
 */
#ifndef UNIT_CHSINKD_DUCKDB_FIXTURE_H
#define UNIT_CHSINKD_DUCKDB_FIXTURE_H

#include <inttypes.h>

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/duckdb/output.h"
#include "tests/unit/rows_fixture.h"

#define TEXT(s) ((char *)(s))

static char *dir;
static struct duckdb_conf conf;
static struct output *output;

static inline void set_up(void)
{
    dir = unit_dir();
    conf = (struct duckdb_conf){.file = pl_strf("%s/t.duckdb", dir),
                                .library = getenv("DUCKDB_LIBRARY"),
                                .hold = DUCKDB_HOLD_BATCH,
                                .memory_bytes = 200 * PL_MIB,
                                .threads = 1,
                                .storage_version = TEXT("v1.4.0")};
    output = duckdb_output.open(&conf);
}

static inline void tear_down(void)
{
    duckdb_output.close(output);
    free(conf.file);
    free(dir);
}

/* What somebody else does with the file, between. */
static inline void others_answer(const char *sql, const char *want)
{
    struct duckdb_library lib;
    struct duckdb db;
    struct pl_buf got = {0};
    struct pl_err err;
    size_t rows;
    ck_assert_done(duckdb_library_load(&lib, conf.library, &err), err);
    const struct duckdb_open how = {
        .file = duckdb_conf_file(&conf), .lake = conf.attach, .extensions = &conf.extensions};
    ck_assert_done(duckdb_open(&db, &lib, &how, &err), err);
    if (want)
        ck_assert_done(duckdb_ask(&db, sql, &got, &rows, &err), err);
    else
        ck_assert_done(duckdb_run(&db, sql, NULL, &err), err);
    duckdb_close(&db);
    for (size_t i = 0; i < got.len; i++)
        if (!got.data[i])
            got.data[i] = '|';
    if (want)
        ck_assert_str_eq(pl_buf_cstr(&got), want);
    pl_buf_release(&got);
}

static inline void others_do(const char *sql)
{
    others_answer(sql, NULL);
}

struct facts {
    struct pl_buf text;
};

static inline void on_fact(void *userdata, const char *what, const char *name)
{
    struct facts *f = userdata;
    pl_buf_addf(&f->text, "%s: %s\n", what, name);
}

/* A route, its target, and one partition of it. */
struct load {
    struct fixture f;
    struct output_target *target;
    struct output_range range;
    struct pl_err err;
};

static inline void load_begin(struct load *l, const char *columns)
{
    *l = (struct load){
        .f = fixture_new(columns),
        .range = {
            .group = "it's a group", .topic = "t", .partition = 3, .position = -1, .note = ""}};
    l->target = duckdb_output.target_new(&conf, l->f.route);
}

static inline void load_end(struct load *l)
{
    duckdb_output.target_free(l->target);
    fixture_free(&l->f);
}
#define LOAD PL_CLEANUP(load_end) struct load

static inline struct output_state ensure(struct load *l, struct facts *facts)
{
    struct output_state state = {0};
    const struct output_ensure how = {.on_fact = facts ? on_fact : NULL, .userdata = facts};
    ck_assert_done(duckdb_output.ensure(output, l->target, &how, &state, &l->err), l->err);
    ck_assert_int_eq(state.guarantee, OUTPUT_POSITION);
    return state;
}

static inline void assert_ensure_refuses(struct load *l, const char *why)
{
    struct output_state state;
    ck_assert_int_eq(duckdb_output.ensure(output, l->target, NULL, &state, &l->err), -1);
    ck_assert_msg(l->err.kind == PL_ERR_CONFIG && strstr(l->err.msg, why), "%s", l->err.msg);
}

/* The messages start to end - 1, each one row {"a": its offset}, or `value`. */
static inline enum output_answer insert(struct load *l, int64_t start, int64_t end,
                                        const char *value)
{
    struct batch *b = batch_new(block_new(l->f.route), start);
    for (int64_t offset = start; offset < end; offset++) {
        PL_FREE char *own = pl_strf("{\"a\":%" PRId64 "}", offset);
        struct rows_message m = {.topic = "t",
                                 .partition = 3,
                                 .offset = offset,
                                 .value = value ? value : own,
                                 .value_len = strlen(value ? value : own)};
        rows_decode(l->f.rows, &m, NULL, b->block, on_reject, &l->f);
        batch_message_add(b, offset, BATCH_ROWS);
    }
    l->range.start = start;
    l->range.end = end;
    enum output_answer answer = duckdb_output.insert(output, l->target, &l->range, b, "", &l->err);
    batch_free(b);
    return answer;
}

static inline void assert_position(struct load *l, int64_t want, const char *want_note)
{
    struct pl_buf note = {0};
    int64_t got = -2;
    ck_assert_done(duckdb_output.position(output, l->target, &l->range, &got, &note, &l->err),
                   l->err);
    ck_assert_int_eq(got, want);
    ck_assert_str_eq(pl_buf_cstr(&note), want_note);
    pl_buf_release(&note);
}

#define PLAIN "columns:\n  - {name: a, path: $.a, type: Int64}\n"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output_fixture.h - ClickHouse as an output, for tests: batches of a route with all kinds of
 * columns, a server in this process that answers as told, and a real one.
 */
#ifndef TESTS_UNIT_CHSINKD_OUTPUT_FIXTURE_H
#define TESTS_UNIT_CHSINKD_OUTPUT_FIXTURE_H

#include "daemons/chsinkd/batch/batch.h"
#include "daemons/chsinkd/clickhouse/client.h"
#include "daemons/chsinkd/clickhouse/output.h"
#include "daemons/chsinkd/clickhouse/rows_match.h"
#include "tests/unit/chsinkd/real_clickhouse.h"
#include "tests/unit/http_server.h"
#include "tests/unit/rows_fixture.h"

#define COLUMNS                                                                                    \
    "rows: $.r[*]\npartition_by: toYYYYMM(time)\ncolumns:\n"                                       \
    "  - {name: time, path: '@.t', type: DateTime64(3)}\n"                                         \
    "  - {name: s, path: '@.s', type: String, missing: default}\n"                                 \
    "  - {name: ns, path: '@.ns', type: Nullable(String)}\n"                                       \
    "  - {name: low, path: '@.low', type: LowCardinality(String), missing: default}\n"             \
    "  - {name: lown, path: '@.ns', type: LowCardinality(Nullable(String))}\n"                     \
    "  - {name: n, path: '@.n', type: Nullable(Int32)}\n"                                          \
    "  - {name: f, path: '@.n', type: Float64, missing: default}\n"                                \
    "  - {name: b, path: '@.b', type: Bool, missing: default}\n"                                   \
    "  - {name: id, path: '@.id', type: Nullable(UUID)}\n"                                         \
    "  - {name: d, path: '@.d', type: Nullable(Date)}\n"                                           \
    "  - {name: tags, path: '@.tags', type: Array(LowCardinality(Nullable(String))), missing: "    \
    "default}\n"                                                                                   \
    "  - {name: map, path: '@.map', type: 'Map(String, Array(UInt16))', missing: default}\n"       \
    "  - {name: pair, path: '@.pair', type: 'Tuple(a Float32, b String)', missing: default}\n"     \
    "  - {name: e.x, path: '@.e[*].x', type: Array(Int8), missing: default}\n"                     \
    "  - {name: x2, type: Nullable(Int64), expression: 'n * 2'}\n"                                 \
    "  - {name: _topic, from: topic, type: LowCardinality(String)}\n"                              \
    "  - {name: _partition, from: partition, type: Int32}\n"                                       \
    "  - {name: count(), from: offset, type: UInt64}\n"

#define TOPIC "it's"

/* ---- batches ---- */

static inline struct batch *batch_begin(const struct fixture *f, int64_t start)
{
    return batch_new(block_new(f->route), start);
}

static inline void message_add(struct fixture *f, struct batch *b, int64_t offset,
                               const char *value)
{
    struct rows_message m = {.topic = TOPIC,
                             .partition = 3,
                             .offset = offset,
                             .timestamp_ms = 1000,
                             .value = value,
                             .value_len = strlen(value)};
    unsigned rejects = f->rejects;
    rows_decode(f->rows, &m, NULL, b->block, on_reject, f);
    batch_message_add(b, offset, f->rejects > rejects ? BATCH_DEAD : BATCH_ROWS);
}

/* Five messages with gaps between them: rows in two months, equal rows, one without rows, one that
 * is refused. 10 rows, 6 of them in January. */
#define ROWS_ALL     10
#define ROWS_JANUARY 6
static inline struct batch *batch_of_two_months(struct fixture *f)
{
    struct batch *b = batch_begin(f, 10);
    message_add(
        f, b, 10,
        "{\"r\":[{\"t\":\"2026-01-05T01:02:03.004Z\",\"s\":\"a\",\"ns\":\"\",\"n\":-1},"
        "{\"t\":\"2026-02-05T01:02:03.004Z\",\"low\":\"l\",\"n\":7,\"b\":true,"
        "\"tags\":[\"x\",null],\"map\":{\"k\":[1,2],\"\":[]},\"pair\":{\"a\":1.5,\"b\":\"p\"}},"
        "{\"t\":\"2026-01-05T01:02:03.004Z\",\"s\":\"a\",\"ns\":\"\",\"n\":-1}]}");
    message_add(f, b, 11, "{\"r\":[]}");
    message_add(f, b, 13, "not JSON");
    message_add(f, b, 14,
                "{\"r\":[{\"t\":\"2026-02-01T00:00:00Z\",\"s\":\"\\nCode: 60. DB::Exception: x\"},"
                "{\"t\":\"2026-02-01T00:00:00Z\",\"s\":\"\\nCode: 60. DB::Exception: x\"},"
                "{\"t\":\"2026-01-31T00:00:00Z\",\"ns\":\"Zürich\\u0000\"},"
                "{\"t\":\"2026-01-31T00:00:00Z\",\"id\":\"00112233-4455-6677-8899-aabbccddeeff\","
                "\"d\":\"2026-01-31\",\"tags\":[\"y\"],\"e\":[{\"x\":1},{\"x\":-2}]}]}");
    message_add(f, b, 17, "{\"r\":[{\"t\":\"2026-01-01T00:00:00Z\"}]}");
    message_add(f, b, 18,
                "{\"r\":[{\"t\":\"2026-01-01T00:00:00Z\"},{\"t\":\"2026-02-01T00:00:00Z\"}]}");
    ck_assert_uint_eq(block_rows(b->block), ROWS_ALL);
    return b;
}

/* ---- a block's rows ---- */

struct bag {
    struct pl_buf bytes;
    struct pl_slice rows[16];
    size_t n;
};

static inline void bag_release(struct bag *bag)
{
    pl_buf_release(&bag->bytes);
}
#define BAG PL_CLEANUP(bag_release) struct bag

static inline void bag_fill(struct bag *bag, const struct block *b)
{
    size_t ends[16];
    struct row_walk walk;
    row_walk_init(&walk, b);
    for (bag->n = 0; bag->n < block_rows(b); bag->n++) {
        row_walk_add(&walk, &bag->bytes);
        ends[bag->n] = bag->bytes.len;
    }
    row_walk_release(&walk);
    for (size_t i = 0; i < bag->n; i++) {
        size_t start = i > 0 ? ends[i - 1] : 0;
        bag->rows[i] = (struct pl_slice){bag->bytes.data + start, ends[i] - start};
    }
}

/* ---- a server that answers as told ---- */

static struct server server;
static struct output *output;
static struct output_target *target;

static inline void output_set_up(const struct fixture *f)
{
    output = clickhouse_output.open(&conf);
    target = clickhouse_output.target_new(&conf, f->route);
}

static inline void output_tear_down(void)
{
    clickhouse_output.close(output);
    clickhouse_output.target_free(target);
}

/* The next answers: what a statement must have in it, and the answer's body or code. */
static struct script {
    const char *has;
    int code; /* 0: success */
    const char *body;
    size_t len; /* 0: of the string */
} script[8];
static _Atomic unsigned script_at;

static inline bool answer_script(struct server *s, int fd, const struct server_request *r)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0}, request = {0};
    const struct script *step = &script[script_at < 8 ? script_at : 7];
    pl_buf_add(&request, r->head.data, r->head.len);
    pl_buf_add(&request, r->body.data, r->body.len);
    if (!step->has || !strstr(pl_buf_cstr(&request), step->has)) {
        fprintf(stderr, "step %u: no %s in %s\n", script_at, step->has ? step->has : "request",
                request.data);
        return false;
    }
    script_at++;
    size_t len = step->len ? step->len : strlen(step->body);
    pl_buf_addf(&out, "HTTP/1.1 %d X\r\nX-ClickHouse-Query-Id: 1\r\n", step->code ? 500 : 200);
    if (step->code)
        pl_buf_addf(&out, "X-ClickHouse-Exception-Code: %d\r\n", step->code);
    pl_buf_addf(&out, "Content-Length: %zu\r\n\r\n", len);
    pl_buf_add(&out, step->body, len);
    return server_send(s, fd, out.data, out.len);
}

static inline void script_start(const struct fixture *f, const struct script *steps, size_t n)
{
    memset(script, 0, sizeof(script));
    for (size_t i = 0; i < n; i++)
        script[i] = steps[i];
    script_at = 0;
    server_start(&server, answer_script, NULL);
    conf_set_up(server.url, "da ta");
    output_set_up(f);
}

static inline void script_end(unsigned steps)
{
    ck_assert_uint_eq(script_at, steps);
    output_tear_down();
    server_stop(&server);
}

#define ENGINE                                                                                     \
    {                                                                                              \
        "SELECT engine", 0, "MergeTree\n", 0                                                       \
    }

/* The range of batch_of_two_months(). */
static const struct output_range months = {.topic = TOPIC, .partition = 3, .start = 10, .end = 19};
static const struct output_range months_compared = {
    .topic = TOPIC, .partition = 3, .start = 10, .end = 19, .compare = true};

static inline int holds_of(const struct output_range *range, struct batch *b,
                           struct output_found *ret, struct pl_err *err)
{
    return clickhouse_output.holds(output, target, range, b, ret, err);
}

/* ---- a real server ---- */

static inline void real_set_up(void)
{
    real_begin("check_output");
    conf.database = TEXT("check_output");
}

static inline struct output_state ensure(void)
{
    struct output_state state;
    struct pl_err err;
    ck_assert_msg(clickhouse_output.ensure(output, target, NULL, &state, &err) == 0, "%s", err.msg);
    return state;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_clickhouse.c - what is sent to ClickHouse (a server in this process that looks at each
 * byte), and, with CLICKHOUSE=http://127.0.0.1:PORT in the environment, the same against a real
 * server as tests/services/clickhouse.sh starts it.
 *
 * links: chsinkd
 */
#include <lz4frame.h>
#include <zstd.h>

#include "daemons/chsinkd/clickhouse/client.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

/* ---- what is sent ---- */

static struct server server;

/* The last request, copied by the server's thread; read after the call has returned. */
static struct pl_buf got_head, got_body;
static _Atomic int got_n;

static void keep(const struct server_request *r)
{
    pl_buf_reset(&got_head);
    pl_buf_add(&got_head, r->head.data, r->head.len);
    pl_buf_cstr(&got_head);
    pl_buf_reset(&got_body);
    pl_buf_add(&got_body, r->body.data, r->body.len);
    got_n++;
}

#define QUERY_ID "X-ClickHouse-Query-Id: 1-2-3\r\n"
#define OK       "HTTP/1.1 200 OK\r\n" QUERY_ID "Content-Length: 0\r\n\r\n"

static bool answer_ok(struct server *s, int fd, const struct server_request *r)
{
    keep(r);
    return server_send_str(s, fd, s->arg ? s->arg : OK);
}

/* Reads a whole insert on a kept connection and hangs up without a word, once. */
static bool answer_hang_up(struct server *s, int fd, const struct server_request *r)
{
    if (r->n == 1)
        return false;
    return answer_ok(s, fd, r);
}

static bool answer_never(struct server *s, int fd, const struct server_request *r)
{
    (void)s;
    keep(r);
    server_wait_close(fd);
    return false;
}

static char *urls[3];
static struct clickhouse_conf conf;

static void conf_set_up(void)
{
    conf = (struct clickhouse_conf){
        .urls = {urls, 1},
        .database = (char *)"da ta",
        .user = (char *)"me",
        .password = {.value = (char *)"geheim"},
        .connect_timeout_ms = 3000,
        .timeout_ms = 20000,
    };
    urls[0] = server.url;
}

static void got_has(const char *text)
{
    ck_assert_msg(strstr(got_head.data, text), "no %s in\n%s", text, got_head.data);
}

static void got_has_not(const char *text)
{
    ck_assert_msg(!strstr(got_head.data, text), "%s in\n%s", text, got_head.data);
}

START_TEST(insert_request)
{
    struct pl_map_entry settings[] = {
        {.key = (char *)"async_insert", .value = (char *)"1"},
        {.key = (char *)"insert_deduplication_token", .value = (char *)"theirs"},
        {.key = (char *)"max_partitions_per_insert_block", .value = (char *)"7"},
        {.key = (char *)"log_comment", .value = (char *)"a&b"},
    };
    const struct iovec iov[] = {{(void *)"ab", 2}, {(void *)"", 0}, {(void *)"cde", 3}};
    const struct clickhouse_insert insert = {"INSERT INTO t FORMAT Native", "db.t/0 1-2", iov, 3,
                                             false};
    struct clickhouse *c;
    struct pl_err err;

    server_start(&server, answer_ok, NULL);
    conf_set_up();
    conf.settings = (struct pl_map){settings, PL_COUNT(settings)};
    c = clickhouse_new(&conf);
    ck_assert_int_eq(clickhouse_insert(c, &insert, &err), 0);
    got_has("POST /?database=da%20ta&");
    got_has("&wait_end_of_query=1&");
    got_has("&async_insert=0&");
    got_has("&materialized_views_ignore_errors=0&");
    got_has_not("use_strict"); /* 23.8 does not know it */
    got_has("&insert_deduplicate=1&");
    got_has("&deduplicate_blocks_in_dependent_materialized_views=1&");
    got_has("&input_format_native_allow_types_conversion=0&");
    got_has("&input_format_null_as_default=0&");
    got_has("&input_format_skip_unknown_fields=0&");
    got_has("&insert_deduplication_token=db.t%2F0%201-2&");
    got_has("&query=INSERT%20INTO%20t%20FORMAT%20Native");
    got_has("&max_partitions_per_insert_block=7&");
    got_has("&log_comment=a%26b&");
    got_has("\r\nX-ClickHouse-User: me\r\n");
    got_has("\r\nX-ClickHouse-Key: geheim\r\n");
    got_has("\r\nContent-Length: 5\r\n");
    got_has_not("Expect");
    got_has_not("async_insert=1");
    got_has_not("theirs");
    *strstr(got_head.data, "\r\n") = '\0'; /* the request line: never the password */
    got_has_not("geheim");
    ck_assert_str_eq(pl_buf_cstr(&got_body), "abcde");
    clickhouse_free(c);
    server_stop(&server);
}
END_TEST

#define PIECES 700
static char data[3 * 1024 * 1024];
static struct iovec data_iov[PIECES];

/* Pieces of all sizes, some empty, some larger than any buffer on the way. */
static void data_make(void)
{
    size_t at = 0;
    unsigned x = 1;

    for (size_t i = 0; i < sizeof(data); i++) {
        x = x * 1103515245 + 12345;
        data[i] = (char)(i % 300 < 200 ? 'a' : x >> 16);
    }
    for (int i = 0; i < PIECES; i++) {
        size_t len = i == PIECES - 1 ? sizeof(data) - at : i == 5 ? 1500000 : (size_t)i % 40 * 50;

        data_iov[i] = (struct iovec){data + at, len};
        at += len;
    }
}

static void got_inflate_lz4(struct pl_buf *out)
{
    LZ4F_dctx *d;
    size_t at = 0, r = 1;

    ck_assert(!LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)));
    while (r != 0) {
        char piece[65536];
        size_t out_len = sizeof(piece), in_len = got_body.len - at;

        r = LZ4F_decompress(d, piece, &out_len, got_body.data + at, &in_len, NULL);
        ck_assert(!LZ4F_isError(r) && (out_len > 0 || in_len > 0 || r == 0));
        pl_buf_add(out, piece, out_len);
        at += in_len;
    }
    ck_assert_uint_eq(at, got_body.len);
    LZ4F_freeDecompressionContext(d);
}

static void got_is_data(enum clickhouse_compression compression)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};

    switch (compression) {
    case CLICKHOUSE_NONE:
        pl_buf_add(&b, got_body.data, got_body.len);
        got_has_not("Content-Encoding");
        break;
    case CLICKHOUSE_LZ4:
        got_inflate_lz4(&b);
        got_has("Content-Encoding: lz4");
        break;
    case CLICKHOUSE_ZSTD:
        pl_buf_reserve(&b, sizeof(data) + 1);
        b.len = ZSTD_decompress(b.data, b.cap, got_body.data, got_body.len);
        got_has("Content-Encoding: zstd");
        break;
    }
    ck_assert_uint_eq(b.len, sizeof(data));
    ck_assert(memcmp(b.data, data, sizeof(data)) == 0);
    if (compression != CLICKHOUSE_NONE)
        ck_assert_uint_lt(got_body.len, sizeof(data) / 2);
}

/* For each compression: an insert, and one on a connection that dies, which curl sends again from
 * the body's start. */
START_TEST(insert_bodies)
{
    const struct clickhouse_insert insert = {"INSERT", "tok", data_iov, PIECES, false};
    const struct clickhouse_insert empty = {.sql = "INSERT"};
    struct clickhouse *c;
    struct pl_err err;

    data_make();
    server_start(&server, answer_hang_up, NULL);
    conf_set_up();
    conf.compression = _i;
    c = clickhouse_new(&conf);
    ck_assert_msg(clickhouse_insert(c, &insert, &err) == 0, "%s", err.msg);
    got_is_data((enum clickhouse_compression)_i);
    ck_assert_msg(clickhouse_insert(c, &insert, &err) == 0, "%s", err.msg);
    got_is_data((enum clickhouse_compression)_i);
    ck_assert_int_eq(server.requests, 3);
    ck_assert_int_eq(clickhouse_insert(c, &empty, &err), 0);
    ck_assert_uint_eq(got_body.len, 0);
    got_has("Content-Length: 0");
    got_has_not("Content-Encoding");
    clickhouse_free(c);
    server_stop(&server);
}
END_TEST

START_TEST(query_request)
{
    struct pl_buf rows = {.max = 10};
    struct clickhouse *c;
    struct pl_err err;

    server_start(&server, answer_ok,
                 (void *)"HTTP/1.1 200 OK\r\n" QUERY_ID "Content-Length: 4\r\n\r\n1\n2\n");
    conf_set_up();
    c = clickhouse_new(&conf);
    ck_assert_int_eq(clickhouse_query(c, "SELECT 1", &rows, &err), 0);
    got_has("&wait_end_of_query=1&");
    got_has_not("insert_deduplicate"); /* a read-only user may ask, too, but not set */
    ck_assert_str_eq(pl_buf_cstr(&got_body), "SELECT 1");
    ck_assert_int_eq(clickhouse_query(c, "SELECT 1", &rows, &err), 0);
    ck_assert_str_eq(pl_buf_cstr(&rows), "1\n2\n1\n2\n");
    ck_assert_int_eq(clickhouse_query(c, "SELECT 1", &rows, &err), -1);
    ck_assert_msg(strstr(err.msg, "longer than 10 bytes"), "%s", err.msg);
    ck_assert_str_eq(pl_buf_cstr(&rows), "1\n2\n1\n2\n"); /* untouched by what failed */
    ck_assert_int_eq(clickhouse_query(c, "CREATE", NULL, &err), 0);
    pl_buf_release(&rows);
    clickhouse_free(c);
    server_stop(&server);
}
END_TEST

START_TEST(bad_answers)
{
    static const struct {
        const char *answer;
        enum output_answer insert;
        int code;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n" QUERY_ID "X-ClickHouse-Exception-Code: 252\r\nContent-Length: "
         "0\r\n\r\n",
         OUTPUT_RETRY, 252},
        {"HTTP/1.1 200 OK\r\n" QUERY_ID "Content-Length: 46\r\n\r\nCode: 469. DB::Exception: c "
         "(VIOLATED) (version ",
         OUTPUT_REFUSED, 469},
        /* chunks that end in the middle, with and without an exception in them */
        {"HTTP/1.1 200 OK\r\n" QUERY_ID "Transfer-Encoding: chunked\r\n\r\n40\r\n1\nCode: 241. "
         "DB::Exception: m (M)",
         OUTPUT_UNKNOWN, 241},
        {"HTTP/1.1 200 OK\r\n" QUERY_ID "Transfer-Encoding: chunked\r\n\r\n40\r\n1\n2\n",
         OUTPUT_UNKNOWN, 0},
        {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad", OUTPUT_UNKNOWN, 0},
        {"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", OUTPUT_TOO_LARGE, 0},
        {"HTTP/1.1 500 Error\r\nContent-Length: 99\r\n\r\nCode: 516. DB::Exception: x (A)",
         OUTPUT_HELD, 516},
        /* A proxy's page, and what ClickHouse itself says without a query. */
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSorry", OUTPUT_UNKNOWN, 0},
        {"HTTP/1.1 200 OK\r\nX-ClickHouse-Summary: {}\r\nContent-Length: 4\r\n\r\nOk.\n",
         OUTPUT_UNKNOWN, 0},
        {"HTTP/1.1 204 No Content\r\n\r\n", OUTPUT_UNKNOWN, 0},
        {"SSH-2.0-OpenSSH_9.2\r\n", OUTPUT_UNKNOWN, 0},
    };
    const struct iovec iov = {(void *)"x", 1};
    const struct clickhouse_insert insert = {"INSERT", NULL, &iov, 1, false};

    for (size_t i = 0; i < PL_COUNT(cases) * 2; i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf rows = {0};
        PL_FREE char *answer = pl_strf("%s", cases[i / 2].answer);
        struct clickhouse *c;
        struct pl_err err = {0};

        server_start(&server, answer_ok, answer);
        conf_set_up();
        conf.timeout_ms = 500; /* where the answer is incomplete the server says no more */
        c = clickhouse_new(&conf);
        if (i % 2)
            ck_assert_int_eq(clickhouse_query(c, "SELECT", &rows, &err), -1);
        else
            ck_assert_msg(clickhouse_insert(c, &insert, &err) == cases[i / 2].insert,
                          "case %zu: %d %s", i / 2, err.code, err.msg);
        ck_assert_msg(err.code == cases[i / 2].code, "case %zu: %d %s", i / 2, err.code, err.msg);
        ck_assert_uint_eq(rows.len, 0);
        clickhouse_free(c);
        server_stop(&server);
    }
}
END_TEST

START_TEST(several_urls)
{
    const struct clickhouse_insert empty = {.sql = "INSERT"};
    char dead[2][64];
    int port, fds[2];
    struct clickhouse *c;
    struct pl_err err;

    server_start(&server, answer_ok, NULL);
    conf_set_up();
    for (int i = 0; i < 2; i++) {
        fds[i] = server_bind(&port); /* bound, but nobody listens */
        snprintf(dead[i], sizeof(dead[i]), "http://127.0.0.1:%d", port);
    }
    urls[0] = dead[0];
    urls[1] = server.url;
    urls[2] = dead[1];
    conf.urls.n = 3;
    c = clickhouse_new(&conf);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(clickhouse_query(c, "SELECT 1", NULL, &err), 0);
    ck_assert_int_eq(server.requests, 3);
    ck_assert_int_eq(server.connections, 1); /* the one that answered is kept */
    server_stop(&server);
    ck_assert_int_eq(clickhouse_query(c, "SELECT 1", NULL, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_int_eq(clickhouse_insert(c, &empty, &err), OUTPUT_RETRY); /* nothing was sent */
    ck_assert_int_eq(err.code, 0); /* not curl's 7, which would be a code of ClickHouse's */
    ck_assert_msg(strstr(err.msg, "none of 3 servers"), "%s", err.msg);
    clickhouse_free(c);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void *abort_when_asked(void *arg)
{
    while (got_n == 0)
        sched_yield();
    clickhouse_abort(arg, true);
    return NULL;
}

START_TEST(abort_a_call)
{
    const struct iovec iov = {(void *)"x", 1};
    const struct clickhouse_insert insert = {"INSERT", NULL, &iov, 1, false};
    struct clickhouse *c;
    struct pl_err err;
    pthread_t thread;

    got_n = 0;
    server_start(&server, answer_never, NULL);
    conf_set_up();
    c = clickhouse_new(&conf);
    ck_assert_int_eq(pthread_create(&thread, NULL, abort_when_asked, c), 0);
    ck_assert_int_eq(clickhouse_insert(c, &insert, &err), OUTPUT_UNKNOWN);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, "ended by the caller"), "%s", err.msg);
    pthread_join(thread, NULL);
    ck_assert_int_eq(clickhouse_insert(c, &insert, &err), OUTPUT_RETRY);
    ck_assert_int_eq(server.requests, 1); /* later ones are not even sent */
    clickhouse_abort(c, false);
    server.answer = answer_ok;
    ck_assert_int_eq(clickhouse_query(c, "SELECT 1", NULL, &err), 0);
    clickhouse_free(c);
    server_stop(&server);
}
END_TEST

START_TEST(bad_user)
{
    struct clickhouse *c;
    struct pl_err err;

    server_start(&server, answer_ok, NULL);
    conf_set_up();
    conf.password.value = (char *)"a\r\nX-Other: b";
    c = clickhouse_new(&conf);
    ck_assert_int_eq(clickhouse_query(c, "SELECT 1", NULL, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(server.requests, 0);
    clickhouse_free(c);
    server_stop(&server);
}
END_TEST

/* ---- a real server ---- */

static void real_set_up(void)
{
    conf_set_up();
    urls[0] = getenv("CLICKHOUSE");
    conf.database = (char *)"check_clickhouse";
    conf.user = (char *)"pipeline";
    conf.password.value = (char *)"secret";
}

static void real_do(struct clickhouse *c, const char *sql)
{
    struct pl_err err;

    ck_assert_msg(clickhouse_query(c, sql, NULL, &err) == 0, "%s: %s", sql, err.msg);
}

static void real_is(struct clickhouse *c, const char *sql, const char *want)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf b = {0};
    struct pl_err err;

    ck_assert_msg(clickhouse_query(c, sql, &b, &err) == 0, "%s: %s", sql, err.msg);
    ck_assert_msg(strcmp(pl_buf_cstr(&b), want) == 0, "%s: %s", sql, b.data);
}

/* Two columns and three rows, by hand: varints, names, types, then the values. */
static const char block[] = "\x02\x03"
                            "\x01"
                            "a\x06"
                            "UInt64"
                            "\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"
                            "\x01"
                            "s\x06"
                            "String"
                            "\x01"
                            "x\0\x02yz";

static enum output_answer real_insert(struct clickhouse *c, const char *table, const char *token,
                                      struct pl_err *err)
{
    const struct iovec iov[] = {{(void *)block, 5}, {(void *)(block + 5), sizeof(block) - 1 - 5}};
    PL_FREE char *sql = pl_strf("INSERT INTO %s FORMAT Native", table);
    struct clickhouse_insert insert = {sql, token, iov, 2, false};

    return clickhouse_insert(c, &insert, err);
}

/* Tokens: into a table, its view, and through engine Null into a view; with each compression. */
START_TEST(real_tokens)
{
#define WINDOW " SETTINGS non_replicated_deduplication_window = 100"
    struct clickhouse *c;
    struct pl_err err = {0};

    real_set_up();
    conf.compression = _i;
    c = clickhouse_new(&conf);
    conf.database = NULL;
    real_do(c, "CREATE DATABASE IF NOT EXISTS check_clickhouse");
    conf.database = (char *)"check_clickhouse";
    real_do(c, "DROP TABLE IF EXISTS mv SYNC");
    real_do(c, "DROP TABLE IF EXISTS nv SYNC");
    real_do(c, "DROP TABLE IF EXISTS t SYNC");
    real_do(c, "DROP TABLE IF EXISTS n SYNC");
    real_do(
        c,
        "CREATE TABLE t (a UInt64, s LowCardinality(String)) ENGINE = MergeTree PARTITION BY a % 2 "
        "ORDER BY a" WINDOW);
    real_do(c, "CREATE TABLE n (a UInt64, s String) ENGINE = Null");
    real_do(c, "CREATE MATERIALIZED VIEW mv ENGINE = SummingMergeTree ORDER BY k" WINDOW
               " AS SELECT 1 AS k, count() AS n, sum(a) AS s FROM t GROUP BY k");
    real_do(c, "CREATE MATERIALIZED VIEW nv ENGINE = SummingMergeTree ORDER BY k" WINDOW
               " AS SELECT 1 AS k, count() AS n, sum(a) AS s FROM n GROUP BY k");
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(real_insert(c, "t", "one", &err) == 0, "%s", err.msg);
        ck_assert_msg(real_insert(c, "n", "one", &err) == 0, "%s", err.msg);
    }
    real_is(c, "SELECT a, s FROM t ORDER BY a FORMAT TSV", "1\tx\n2\t\n3\tyz\n");
    real_is(c, "SELECT sum(n), sum(s) FROM mv FORMAT TSV", "3\t6\n");
    real_is(c, "SELECT sum(n), sum(s) FROM nv FORMAT TSV", "3\t6\n");
    /* the same rows under another token are other rows */
    ck_assert_int_eq(real_insert(c, "t", "two", &err), 0);
    ck_assert_int_eq(real_insert(c, "n", "two", &err), 0);
    real_is(c, "SELECT count() FROM t FORMAT TSV", "6\n");
    real_is(c, "SELECT sum(n), sum(s) FROM mv FORMAT TSV", "6\t12\n");
    real_is(c, "SELECT sum(n), sum(s) FROM nv FORMAT TSV", "6\t12\n");
    clickhouse_free(c);
}
END_TEST

START_TEST(real_errors)
{
    struct clickhouse *c;
    struct pl_err err;

    real_set_up();
    conf.database = NULL;
    c = clickhouse_new(&conf);
    real_do(c, "CREATE DATABASE IF NOT EXISTS check_clickhouse");
    real_do(c, "DROP TABLE IF EXISTS check_clickhouse.cv SYNC");
    real_do(c, "DROP TABLE IF EXISTS check_clickhouse.c SYNC");
    real_do(c, "CREATE TABLE check_clickhouse.c (a UInt64, s String, CONSTRAINT k CHECK a < 3) "
               "ENGINE = MergeTree ORDER BY a");
    ck_assert_int_eq(real_insert(c, "check_clickhouse.c", "t", &err), OUTPUT_REFUSED);
    ck_assert_msg(err.kind == PL_ERR_REJECT && err.code == 469, "%s", err.msg);
    real_is(c, "SELECT count() FROM check_clickhouse.c FORMAT TSV", "0\n");
    /* a table that was altered under us: never converted silently */
    real_do(c, "DROP TABLE IF EXISTS check_clickhouse.narrow SYNC");
    real_do(
        c,
        "CREATE TABLE check_clickhouse.narrow (a UInt8, s String) ENGINE = MergeTree ORDER BY a");
    ck_assert_int_eq(real_insert(c, "check_clickhouse.narrow", "t", &err), OUTPUT_HELD);
    ck_assert_msg(err.code == 53, "%s", err.msg);
    real_do(c, "ALTER TABLE check_clickhouse.narrow DROP COLUMN s");
    real_do(c, "ALTER TABLE check_clickhouse.narrow ADD COLUMN b UInt64");
    ck_assert_int_eq(real_insert(c, "check_clickhouse.narrow (a, b)", "t", &err), OUTPUT_HELD);
    ck_assert_msg(err.kind == PL_ERR_CONFIG, "%s", err.msg);
    ck_assert_int_eq(real_insert(c, "check_clickhouse.narrow (a, s)", "t", &err), OUTPUT_HELD);
    ck_assert_msg(err.kind == PL_ERR_CONFIG, "%s", err.msg);
    real_is(c, "SELECT count() FROM check_clickhouse.narrow FORMAT TSV", "0\n");
    /* what a view refuses is in the table all the same: never to be halved */
    real_do(c, "ALTER TABLE check_clickhouse.c DROP CONSTRAINT k");
    real_do(c, "CREATE MATERIALIZED VIEW check_clickhouse.cv ENGINE = MergeTree ORDER BY a AS "
               "SELECT a, throwIf(a = 3) AS x FROM check_clickhouse.c");
    ck_assert_int_eq(real_insert(c, "check_clickhouse.c", "t", &err), OUTPUT_HELD);
    ck_assert_msg(err.kind == PL_ERR_CONFIG && err.code == 395, "%s", err.msg);
    ck_assert_int_eq(real_insert(c, "check_clickhouse.none", NULL, &err), OUTPUT_HELD);
    ck_assert_msg(err.kind == PL_ERR_CONFIG && err.code == 60, "%s", err.msg);
    ck_assert_int_eq(clickhouse_query(c, "SELEC 1", NULL, &err), -1);
    ck_assert_msg(err.kind == PL_ERR_CONFIG && err.code == 62, "%s", err.msg);
    ck_assert_int_eq(
        clickhouse_query(c, "SELECT throwIf(number = 2000000) FROM numbers(3000000)", NULL, &err),
        -1);
    ck_assert_msg(err.code == 395, "%s", err.msg);
    clickhouse_free(c);
}
END_TEST

START_TEST(real_access)
{
    static const struct {
        const char *user, *password, *database, *sql;
        enum pl_err_kind kind;
        int code;
        const char *has;
    } cases[] = {
        {"pipeline", "wrong", "default", "SELECT 1", PL_ERR_CONFIG, 516, "check clickhouse.user"},
        {"nobody", "secret", "default", "SELECT 1", PL_ERR_CONFIG, 516, "check clickhouse.user"},
        {"pipeline", "secret", "no_such", "SELECT 1", PL_ERR_CONFIG, 81, "create the database"},
        {"writer", "secret", "default", "CREATE TABLE w (a Int8) ENGINE = Null", PL_ERR_CONFIG, 497,
         "GRANT"},
        {"reader", "secret", "default", "SELECT 1", PL_ERR_NONE, 0, NULL},
        {"reader", "secret", "default", "CREATE TABLE w (a Int8) ENGINE = Null", PL_ERR_CONFIG, 164,
         "read-only"},
    };

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct clickhouse *c;
        struct pl_err err = {0};

        real_set_up();
        conf.user = (char *)cases[i].user;
        conf.password.value = (char *)cases[i].password;
        conf.database = (char *)cases[i].database;
        c = clickhouse_new(&conf);
        clickhouse_query(c, cases[i].sql, NULL, &err);
        ck_assert_msg(err.kind == cases[i].kind && err.code == cases[i].code &&
                          (!cases[i].has || strstr(err.msg, cases[i].has)),
                      "case %zu: %d %s", i, err.code, err.msg);
        clickhouse_free(c);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("requests"),
        TEST(insert_request),
        TEST(insert_bodies, .count = CLICKHOUSE_ZSTD + 1),
        TEST(query_request),
        TEST(bad_answers),
        TEST(several_urls),
        TEST(abort_a_call),
        TEST(bad_user),
        TCASE("real server", .skip = getenv("CLICKHOUSE") ? NULL : "CLICKHOUSE is not set"),
        TEST(real_tokens, .count = CLICKHOUSE_ZSTD + 1),
        TEST(real_errors),
        TEST(real_access),
    };
    return unit_main("clickhouse", tests, PL_COUNT(tests));
}

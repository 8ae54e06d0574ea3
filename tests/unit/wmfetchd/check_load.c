/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_load.c - a window from an API in this process into librdkafka's mock cluster: all
 * of it with its position, or an error; with queues that are full, parts, and a broker that
 * refuses. links: wmfetchd
 *
 * What is in the topic is read back with a consumer. The mock keeps no transactions, so that an
 * abort undoes is for the e2e tests; here is what is sent, and what is said about it.
 */
#include <stdio.h>

#include "daemons/wmfetchd/api/element.h"
#include "daemons/wmfetchd/metrics.h"
#include "daemons/wmfetchd/window/load.h"
#include "lib/base/clock.h"
#include "lib/json/split.h"
#include "lib/log/log.h"
#include "tests/unit/http_server.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC     "series"
#define POSITIONS "positions"
#define LETTERS   "letters"
#define WAIT_MS   30000 /* the limit of a wait: only a failing test meets it */

enum { API_PRODUCE = 0 }; /* Kafka's request types (protocol, "api_key") */

struct record {
    struct load_result result;
    struct pl_err err;
    unsigned done, failed;
};

static struct kafka_mock mock;
static struct pl_daemon *daemon_;
static struct load_env env;
static struct load *load;
static struct pl_metrics *metrics;
static struct server server;
static struct pl_buf body; /* of the API's answer */
static const char *head;   /* its head; NULL: 200, whole */
static atomic_bool half;   /* stops in the middle of the body, until the server stops */
static struct wmfetchd_conf conf;
static struct record record;

static bool answer(struct server *s, int fd, const struct server_request *r)
{
    static const char token[] = "{\"access_token\":\"t\",\"expires_in\":3600}";
    char text[128];
    if (strncmp(r->head.data, "POST ", 5) == 0) {
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(token), token);
        return server_send_str(s, fd, text);
    }
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.len);
    /* The test may be done with a refused answer before all of it is sent. */
    PL_CLEANUP(pl_buf_release) struct pl_buf copy = {0};
    pl_buf_add(&copy, body.data, half ? body.len / 2 : body.len);
    server_send_str(s, fd, head ? head : text);
    server_send(s, fd, copy.data, copy.len);
    if (half)
        server_wait_close(fd);
    return false;
}

static void on_done(void *userdata, const struct load_result *result, const struct pl_err *err)
{
    struct record *r = userdata;
    r->result = *result;
    r->err = err ? *err : (struct pl_err){0};
    r->done++;
}

static void on_failed(void *userdata, const struct pl_err *err)
{
    struct record *r = userdata;
    r->err = *err;
    r->failed++;
}

static const struct load_ops load_ops = {.on_done = on_done, .on_failed = on_failed};
static const struct pl_daemon_ops daemon_ops;

static char *const keys[] = {(char *)"transactionId", (char *)"transactionName"};

static void set_up(void)
{
    struct pl_err err;
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 1);
    kafka_mock_topic(&mock, POSITIONS, 1);
    kafka_mock_topic(&mock, LETTERS, 1);
    kafka_mock_set(&mock, "retry.backoff.ms", "20");
    memset(&record, 0, sizeof(record));
    head = NULL;
    half = false;
    pl_buf_reset(&body);
    server_start(&server, answer, NULL);
    ck_assert_int_eq(pl_daemon_new(&daemon_ops, NULL, 1000, &daemon_, &err), 0);
    metrics = pl_metrics_new(wmfetchd_metrics, M_COUNT);
    conf = (struct wmfetchd_conf){
        .name = (char *)"check",
        .api = {.url = server.url,
                .path = (char *)"x",
                .query = {(char *)"application_id", (char *)"index", (char *)"start_time",
                          (char *)"end_time", (char *)"CUSTOM", WMFETCHD_TIME_MS},
                .answer = {.accept_no_content = true},
                .record = {{(char **)keys, 2}, (char *)"transactionSeries"},
                .connect_timeout_ms = 5000,
                .timeout_ms = 20000,
                .answer_bytes_max = 1 << 30,
                .element_bytes_max = 1 << 24},
        .auth = {.method = PL_AUTH_TOKEN,
                 .url = server.url,
                 .realm = (char *)"w",
                 .grant = PL_GRANT_CLIENT_CREDENTIALS,
                 .client_id = (char *)"c",
                 .client_secret = {.value = (char *)"s"},
                 .timeout_ms = 10000},
        .kafka = mock.map,
        .topic = (char *)TOPIC,
        .position_topic = (char *)POSITIONS,
        .dead_letter_topic = (char *)LETTERS,
        .message_bytes_max = 65536,
        .queue_bytes_max = 262144,
        .start_timeout_ms = 6000, /* a quarter of it is spent: the mock cannot describe topics */
    };
}

static void load_make(void)
{
    struct pl_err err = {0};
    ck_assert_done(load_env_init(&env, daemon_, &conf, metrics, &err), err);
    ck_assert_done(load_new(&env, 0, &load_ops, &record, &load, &err), err);
}

static void tear_down(void)
{
    load_free(load);
    load_env_release(&env);
    pl_metrics_free(metrics);
    pl_daemon_free(daemon_);
    server_stop(&server);
}

static void run_until(const unsigned *counter, unsigned value)
{
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;
    while (*counter < value) {
        ck_assert_int_ge(sd_event_run(pl_daemon_event(daemon_), 100000), 0);
        ck_assert_msg(pl_clock_monotonic_ms() < end, "waited in vain: %s", record.err.msg);
    }
}

static void start(int64_t due_ms)
{
    const struct load_window window = {.ask = {"31854", "HOURLY", 1000, 2000},
                                       .key = "check/31854/HOURLY",
                                       .position = {500, 2000},
                                       .due_ms = due_ms};
    load_start(load, &window);
}

static void run(int64_t due_ms)
{
    unsigned before = record.done;
    start(due_ms);
    run_until(&record.done, before + 1);
    ck_assert(load_is_idle(load));
}

/* ---- reading back ---- */

static void on_message(const rd_kafka_message_t *m, void *userdata)
{
    pl_buf_addf(userdata, "%.*s|", (int)m->key_len, m->key ? (const char *)m->key : "-");
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++)
            if (strcmp(name, PL_KAFKA_WRITER_HEADER) != 0) /* this process */
                pl_buf_addf(userdata, "%s=%.*s|", name, (int)len, (const char *)value);
    pl_buf_addf(userdata, "%.*s\n", (int)m->len, (const char *)m->payload);
}

/* All messages of a topic as text, one a line: key|header=value|…|value. */
static void read_all(const char *topic, struct pl_buf *out)
{
    char text[256];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    rd_kafka_conf_set(c, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(c, "enable.partition.eof", "true", text, sizeof(text));
    rd_kafka_conf_set(c, "group.id", "check", text, sizeof(text));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, c, text, sizeof(text));
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 0;
    rd_kafka_assign(rk, list);
    for (bool end = false; !end;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, WAIT_MS);
        ck_assert_ptr_nonnull(m);
        end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        ck_assert_msg(end || m->err == 0, "%s", rd_kafka_message_errstr(m));
        if (!end)
            on_message(m, out);
        rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

/* ---- tests ---- */

#define T(id, series) "{\"transactionId\":" id ",\"transactionSeries\":[" series "]}"

START_TEST(window_with_its_position)
{
    struct pl_buf text = {0};
    load_make();
    pl_buf_add_str(&body, "{\"data\":[" T("1", "{}") ", " T("\"b\"", "{},{}") "]}");
    run(0);
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_uint_eq(record.result.sums.items, 2);
    ck_assert_uint_eq(record.result.sums.messages, 2);
    ck_assert_uint_eq(record.result.sums.records, 3);
    read_all(TOPIC, &text);
    ck_assert_str_eq(
        pl_buf_cstr(&text),
        "1|wmfetchd-window=31854/HOURLY/1000/2000|" T(
            "1", "{}") "\n"
                       "b|wmfetchd-window=31854/HOURLY/1000/2000|" T("\"b\"", "{},{}") "\n");
    pl_buf_reset(&text);
    read_all(POSITIONS, &text);
    ck_assert_msg(
        strstr(pl_buf_cstr(&text), "check/31854/HOURLY|{\"version\":1,\"start\":500,\"end\":2000,"),
        "%s", pl_buf_cstr(&text));
    ck_assert_uint_eq(pl_metrics_get(metrics, M_DELIVERED), 2);
    ck_assert_uint_eq(pl_metrics_get(metrics, M_RECORDS), 3);
    pl_buf_release(&text);
}
END_TEST

START_TEST(empty_window)
{
    struct pl_buf text = {0};
    load_make();
    pl_buf_add_str(&body, "[]");
    run(0);
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    head = "HTTP/1.1 204 No Content\r\n\r\n";
    pl_buf_reset(&body);
    run(0);
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    const struct schedule_position p = {7, 8};
    load_position(load, "check/other", &p);
    run_until(&record.done, 3);
    ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
    read_all(POSITIONS, &text);
    unsigned lines = 0;
    for (const char *c = pl_buf_cstr(&text); *c; c++)
        lines += *c == '\n';
    ck_assert_uint_eq(lines, 3);
    ck_assert_ptr_nonnull(
        strstr(pl_buf_cstr(&text), "check/other|{\"version\":1,\"start\":7,\"end\":8"));
    pl_buf_release(&text);
}
END_TEST

/* A position with milliseconds, but the API now takes seconds: refused, not rounded. */
START_TEST(position_between_seconds)
{
    static const struct {
        struct schedule_position position;
        bool fits;
    } cases[] = {{{5000, 8000}, true}, {{5000, 8001}, false}, {{4999, 8000}, false}};
    load_make();
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct delivery_position read = {.key = "check/other"};
        struct pl_err err = {0};
        load_position(load, read.key, &cases[i].position);
        run_until(&record.done, (int)i + 1);
        ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
        conf.api.query.time_format = WMFETCHD_TIME_S;
        int r = delivery_positions_read(load_delivery(load), &read, 1, &err);
        ck_assert_msg((r == 0) == cases[i].fits, "%zu: %s", i, err.msg);
        if (!cases[i].fits)
            ck_assert_msg(err.kind == PL_ERR_CONFIG && strstr(err.msg, "not a whole second"), "%s",
                          err.msg);
        conf.api.query.time_format = WMFETCHD_TIME_MS;
        ck_assert_msg(delivery_positions_read(load_delivery(load), &read, 1, &err) == 0, "%s",
                      err.msg);
        ck_assert(read.there && read.position.end_ms == cases[i].position.end_ms);
    }
}
END_TEST

/* More than the queue takes: the request is paused and goes on. */
START_TEST(queue_is_full)
{
    struct pl_buf text = {0}, want = {0};
    load_make();
    for (int i = 0; i < 300; i++) {
        pl_buf_addf(&body, "%s{\"transactionId\":%d,\"transactionSeries\":[\"", i > 0 ? "," : "[",
                    i);
        for (int k = 0; k < 1000; k++)
            pl_buf_add_str(&body, "0123456789");
        pl_buf_add_str(&body, "\"]}");
    }
    pl_buf_add_str(&body, "]");
    run(0);
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_uint_eq(record.result.sums.messages, 300);
    read_all(TOPIC, &text);
    const char *line = pl_buf_cstr(&text);
    for (int i = 0; i < 300; i++) {
        char begin[32];
        snprintf(begin, sizeof(begin), "%d|", i);
        ck_assert_msg(strncmp(line, begin, strlen(begin)) == 0, "message %d: %.40s", i, line);
        line = strchr(line, '\n') + 1;
    }
    ck_assert_str_eq(line, "");
    pl_buf_release(&text);
    pl_buf_release(&want);
}
END_TEST

/* One transaction larger than a message, and its parts larger than the queue. */
START_TEST(parts)
{
    struct pl_buf text = {0}, joined = {0}, want = {0};
    load_make();
    pl_buf_add_str(&body, "[{\"transactionId\":\"big\",\"transactionSeries\":[");
    for (int i = 0; i < 12000; i++)
        pl_buf_addf(&want, "%s{\"n\":%d,\"v\":\"0123456789012345678901234567890123456789\"}",
                    i > 0 ? "," : "", i);
    pl_buf_add(&body, want.data, want.len);
    pl_buf_add_str(&body, "],\"z\":1}]");
    run(0);
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_uint_eq(record.result.sums.items, 1);
    ck_assert_uint_eq(record.result.sums.records, 12000);
    ck_assert_uint_gt(record.result.sums.messages, 10);
    read_all(TOPIC, &text);
    unsigned n = (unsigned)record.result.sums.messages, i = 0;
    char *line = (char *)pl_buf_cstr(&text);
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        char begin[160];
        *end = '\0';
        int len = snprintf(begin, sizeof(begin),
                           "big|wmfetchd-window=31854/HOURLY/1000/2000|wmfetchd-part=%u/%u|"
                           "{\"transactionId\":\"big\",\"transactionSeries\":[",
                           ++i, n);
        ck_assert_msg(strncmp(line, begin, (size_t)len) == 0, "part %u: %.160s", i, line);
        ck_assert_str_eq(end - 8, "],\"z\":1}");
        if (i > 1)
            pl_buf_add_byte(&joined, ',');
        pl_buf_add(&joined, line + len, (size_t)(end - 8 - line) - (size_t)len);
    }
    ck_assert_uint_eq(i, n);
    ck_assert_str_eq(pl_buf_cstr(&joined), pl_buf_cstr(&want));
    ck_assert_uint_eq(pl_metrics_get(metrics, M_SPLIT), 1);
    pl_buf_release(&text);
    pl_buf_release(&joined);
    pl_buf_release(&want);
}
END_TEST

/* What an element says of our request is told without what is secret in it. */
START_TEST(element_repeats_our_secret)
{
    struct pl_map_entry secret = {
        .key = (char *)"key", .value = (char *)"K3y-0123456789abcdef", .secret = true};
    conf.api.parameters = (struct pl_map){&secret, 1};
    load_make();
    pl_buf_add_str(&body, "[" T("1", "") ",{\"error\":\"bad key K3y-0123456789abcdef\"}]");
    run(0);
    ck_assert_int_eq(record.err.kind, PL_ERR_REJECT);
    ck_assert_msg(strstr(record.err.msg, "without a transactionSeries") &&
                      strstr(record.err.msg, "{\"error\":\"bad key"),
                  "%s", record.err.msg);
    ck_assert_msg(!strstr(record.err.msg, "K3y"), "%s", record.err.msg);
}
END_TEST

/* What cannot be written or is no good ends the window with an error, and the next one works. */
START_TEST(errors)
{
    static const struct {
        const char *head, *body;
        enum pl_err_kind kind;
        const char *has;
        unsigned undone;
        int64_t due_ms;
    } cases[] = {
        {NULL, "[" T("1", "") "," T("2", "") ",", PL_ERR_RETRY, "ends too early", 2, 0},
        {NULL, "[" T("1", "") ",{\"error\":\"no\"}]", PL_ERR_REJECT, "without a transactionSeries",
         1, 0},
        {NULL, "<html>", PL_ERR_REJECT, "begins with: <html>", 0, 0},
        {"HTTP/1.1 500 Oops\r\n\r\n", "", PL_ERR_RETRY, "500", 0, 0},
        {"HTTP/1.1 200 OK\r\nDate: Fri, 01 Jan 2021 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n",
         "[]", PL_ERR_RETRY, "by the API's clock", 0, INT64_C(1609459203000)},
        {"HTTP/1.1 200 OK\r\nDate: Fri, 01 Jan 2021 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n",
         "[]", PL_ERR_NONE, "", 0, INT64_C(1609459202000)},
    };
    uint64_t undone = 0;
    load_make();
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        head = cases[i].head;
        pl_buf_reset(&body);
        pl_buf_add_str(&body, cases[i].body);
        run(cases[i].due_ms);
        ck_assert_msg(record.err.kind == cases[i].kind, "%zu: %s", i, record.err.msg);
        ck_assert_msg(strstr(record.err.msg, cases[i].has), "%zu: %s", i, record.err.msg);
        ck_assert_uint_eq(record.result.sums.items, cases[i].undone);
        undone += cases[i].undone;
        ck_assert_uint_eq(pl_metrics_get(metrics, M_REFETCHED), undone);
        ck_assert_uint_eq(pl_metrics_get(metrics, M_RECEIVED), undone);
    }
}
END_TEST

/* A fault in an element lets the window be passed: a dead letter and a position that keeps later
 * overlaps out of it. Other faults do not. */
START_TEST(passed)
{
    static const char *const others[] = {"<html>", "[" T("1", "") ",", "{\"data\":{}}",
                                         "[" T("1", "") ",{\"error\":\"no\"}]", "[1]"};
    struct pl_buf text = {0};
    load_make();
    for (size_t i = 0; i < PL_COUNT(others); i++) {
        pl_buf_reset(&body);
        pl_buf_add_str(&body, others[i]);
        run(0);
        ck_assert_int_ne(record.err.kind, PL_ERR_NONE);
        ck_assert_msg(record.result.fetch.fault.len == 0, "%s", others[i]);
    }
    pl_buf_reset(&body);
    pl_buf_add_str(&body, "[" T("1", "") "," T("2", "\"caf\xe9\"") "]");
    run(0);
    ck_assert_int_eq(record.err.kind, PL_ERR_REJECT);
    struct pl_err why = record.err;
    load_pass(load, &why);
    run_until(&record.done, PL_COUNT(others) + 2);
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_uint_eq(record.result.sums.items, 0);
    read_all(LETTERS, &text);
    ck_assert_msg(strncmp(pl_buf_cstr(&text),
                          "check/31854/HOURLY|wmfetchd-window=31854/HOURLY/1000/2000|"
                          "wmfetchd-reason=",
                          73) == 0,
                  "%s", pl_buf_cstr(&text));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&text), why.msg));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&text), "|wmfetchd-begin=[{\"transactionId\":1,"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&text), "|" T("2", "\"caf\xe9\"") "\n"));
    pl_buf_reset(&text);
    read_all(POSITIONS, &text);
    ck_assert_msg(strstr(pl_buf_cstr(&text), "\"start\":2000,\"end\":2000,"), "%s",
                  pl_buf_cstr(&text));
    pl_buf_release(&text);
}
END_TEST

START_TEST(record_too_large)
{
    load_make();
    pl_buf_add_str(&body, "[{\"transactionId\":1,\"transactionSeries\":[\"");
    for (int i = 0; i < 10000; i++)
        pl_buf_add_str(&body, "0123456789");
    pl_buf_add_str(&body, "\"]}]");
    run(0);
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(record.err.code, 0);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "message_bytes_max"));
    ck_assert_uint_eq(record.result.fetch.fault.len, PL_SPLIT_FAULT_MAX);
}
END_TEST

/* The broker refuses a message while the answer still arrives: its reason is the one that is told,
 * and the request ends. */
START_TEST(refused_by_the_broker)
{
    load_make();
    pl_buf_add_str(&body, "[" T("1", "") "," T("2", "") ",");
    for (int i = 0; i < 1000; i++)
        pl_buf_add_str(&body, "                                                  ");
    half = true;
    rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    run(0);
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(record.err.code, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert(record.result.by_kafka);
    ck_assert(!fetch_is_running(load_fetch(load)));
    ck_assert_uint_eq(pl_metrics_get(metrics, M_REFETCHED), 2);
}
END_TEST

START_TEST(stopped)
{
    load_make();
    ck_assert(load_stop(load)); /* nothing runs */
    pl_buf_add_str(&body, "[" T("1", "") "," T("2", "") ",");
    half = true;
    start(0);
    ck_assert(load_stop(load)); /* nothing is open yet */
    ck_assert(load_is_idle(load));
    start(0);
    while (pl_delivery_sums(load_kafka(load))->items == 0)
        ck_assert_int_ge(sd_event_run(pl_daemon_event(daemon_), 100000), 0);
    ck_assert(!load_stop(load));
    ck_assert(!load_stop(load));
    run_until(&record.done, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert(load_stop(load));
    ck_assert_uint_eq(record.done, 1);
}
END_TEST

/* wikisrcd keeps its position under its name; it may share ours, and the topic. */
START_TEST(claim_is_nobodys_position)
{
    char name[] = "prod";
    const struct wmfetchd_conf named = {.name = name};
    PL_FREE char *key = delivery_claim_key(&named);
    ck_assert_str_ne(key, "prod");
    const char *slash = strchr(key, '/');
    ck_assert_ptr_nonnull(slash);
    ck_assert_ptr_null(strchr(slash + 1, '/')); /* NAME/APPLICATION/INDEX */
}
END_TEST

/* Nor is any transactional.id that of another name: its owner would be fenced. */
START_TEST(ids_are_apart)
{
    static const char *const names[] = {"prod", "prod.once", "prod-once", "prod.1", "prod-1"};
    char *ids[PL_COUNT(names) * (1 + TURNS_SLOTS_MAX)];
    size_t n = 0;
    for (size_t i = 0; i < PL_COUNT(names); i++)
        for (int slot = DELIVERY_ONCE; slot < TURNS_SLOTS_MAX; slot++)
            ids[n++] = delivery_id(&(struct wmfetchd_conf){.name = (char *)names[i]}, slot);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(ids[i], ids[k]);
    while (n > 0)
        free(ids[--n]);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("load", .set_up = set_up, .tear_down = tear_down),
        TEST(window_with_its_position),
        TEST(empty_window),
        TEST(position_between_seconds),
        TEST(queue_is_full),
        TEST(parts),
        TEST(errors),
        TEST(element_repeats_our_secret),
        TEST(passed),
        TEST(record_too_large),
        TEST(refused_by_the_broker),
        TEST(stopped),
        TCASE("names"),
        TEST(claim_is_nobodys_position),
        TEST(ids_are_apart),
    };
    pl_http_global_init();
    pl_log_set_level(PL_ERROR);
    return unit_main("load", tests, PL_COUNT(tests));
}

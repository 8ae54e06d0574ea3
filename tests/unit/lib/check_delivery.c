/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_delivery.c - messages and the position against librdkafka's mock cluster, which answers
 * with the errors it is told to.
 *
 * The mock keeps no transactions: that an abort undoes what is in the topic is for the e2e tests;
 * here is what is sent, in which order, and what is said about it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/batch/delivery.h"
#include "lib/log/log.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC     "events"
#define POSITIONS "positions"
#define KEY       "source"
#define WAIT_MS   30000 /* the limit of a wait: only a failing test meets it */

/* Kafka's request types (protocol, "api_key"). */
enum { API_PRODUCE = 0, API_END_TXN = 26 };

enum { DELIVERED, RECORDS, BYTES, REFETCHED, COMMITTED, ABORTED, SECONDS, IN_FLIGHT, METRICS };
static const struct pl_metric metrics_table[METRICS] = {
    [DELIVERED] = {"delivered", NULL, PL_COUNTER, ""},
    [RECORDS] = {"records", NULL, PL_COUNTER, ""},
    [BYTES] = {"bytes", NULL, PL_COUNTER, ""},
    [REFETCHED] = {"refetched", NULL, PL_COUNTER, ""},
    [COMMITTED] = {"committed", NULL, PL_COUNTER, ""},
    [ABORTED] = {"aborted", NULL, PL_COUNTER, ""},
    [SECONDS] = {"seconds", NULL, PL_HISTOGRAM, ""},
    [IN_FLIGHT] = {"in_flight", NULL, PL_GAUGE, ""},
};

static struct record {
    unsigned done, committed, room, failed, encoded;
    struct pl_delivery_sums sums;
    struct pl_err err; /* of the last on_done or on_failed */
} record;

static struct kafka_mock mock;
static struct pl_daemon *daemon_;
static struct pl_metrics *metrics;
static struct pl_delivery *delivery;
static struct pl_buf position; /* what is encoded */

static void encode_position(void *userdata, struct pl_buf *out)
{
    ((struct record *)userdata)->encoded++;
    pl_buf_add(out, position.data, position.len);
}

static void on_room(void *userdata)
{
    ((struct record *)userdata)->room++;
}

static void on_done(void *userdata, const struct pl_delivery_sums *sums, const struct pl_err *err)
{
    struct record *r = userdata;
    r->done++;
    r->committed += !err;
    r->sums = *sums;
    r->err = err ? *err : (struct pl_err){0};
    ck_assert(pl_delivery_can_take(delivery));
    ck_assert_uint_eq(pl_delivery_sums(delivery)->items, 0);
}

static void on_failed(void *userdata, const struct pl_err *err)
{
    struct record *r = userdata;
    r->failed++;
    r->err = *err;
}

static const struct pl_delivery_ops ops = {
    .encode_position = encode_position,
    .on_room = on_room,
    .on_done = on_done,
    .on_failed = on_failed,
};
static const struct pl_daemon_ops daemon_ops;

static int64_t start_timeout_ms = 20000;

static void delivery_make(const char *advice)
{
    struct pl_err err = {0};
    const struct pl_delivery_conf conf = {
        .kafka = &mock.map,
        .transactional_id = "check-1",
        .client_id = "check",
        .topic = TOPIC,
        .position_topic = POSITIONS,
        .position_key = KEY,
        .fence_key = KEY,
        .message_bytes_max = 10000,
        .queue_bytes_max = 64 * 1024,
        .create = {.partitions = -1, .replication = -1},
        .start_timeout_ms = start_timeout_ms,
        .too_large_advice = advice,
        .timestamp_advice = "timestamp: arrival",
        .metrics = {.values = metrics,
                    .delivered = DELIVERED,
                    .records = RECORDS,
                    .messages = PL_METRICS_NONE,
                    .bytes = BYTES,
                    .refetched = REFETCHED,
                    .committed = COMMITTED,
                    .aborted = ABORTED,
                    .commit_seconds = SECONDS,
                    .in_flight = IN_FLIGHT},
    };
    ck_assert_done(pl_delivery_new(daemon_, &conf, &ops, &record, &delivery, &err), err);
}

static void set_up(void)
{
    struct pl_err err;
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 1);
    kafka_mock_topic(&mock, POSITIONS, 1);
    /* Errors are to be seen soon. */
    kafka_mock_set(&mock, "retry.backoff.ms", "20");
    kafka_mock_set(&mock, "reconnect.backoff.max.ms", "200");
    pl_log_set_level(PL_ERROR);
    metrics = pl_metrics_new(metrics_table, METRICS);
    ck_assert_done(pl_daemon_new(&daemon_ops, NULL, 1000, &daemon_, &err), err);
    delivery_make(NULL);
}

static void tear_down(void)
{
    pl_delivery_free(delivery);
    pl_buf_release(&position);
    pl_metrics_free(metrics);
    pl_daemon_free(daemon_);
}

static void run_until(const unsigned *counter, unsigned value)
{
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;
    while (*counter < value) {
        ck_assert_int_ge(sd_event_run(pl_daemon_event(daemon_), 100000), 0);
        ck_assert_msg(pl_clock_monotonic_ms() < end, "waited in vain: %u done, %u failed (%s)",
                      record.done, record.failed, record.err.msg);
    }
}

static void position_set(const char *text)
{
    pl_buf_reset(&position);
    pl_buf_add_str(&position, text);
}

static enum pl_send_result send_bytes(size_t len, struct pl_err *err)
{
    static const char value[100000];
    const struct pl_message m = {
        .topic = TOPIC, .key = "key", .key_len = 3, .value = value, .value_len = len};
    return pl_delivery_send(delivery, &m, err);
}

static void send_items(unsigned n)
{
    struct pl_err err = {0};
    for (unsigned i = 0; i < n; i++) {
        ck_assert_msg(send_bytes(100, &err) == PL_SEND_OK, "%s", err.msg);
        pl_delivery_item_end(delivery, 7);
        pl_delivery_moved(delivery);
    }
}

static void commit_good(const char *text)
{
    unsigned before = record.committed;
    position_set(text);
    pl_delivery_commit(delivery, KEY);
    run_until(&record.committed, before + 1);
}

static bool position_is(const char *text)
{
    struct pl_slice found = pl_delivery_position(delivery);
    return found.len > 0 ? pl_slice_eq(found, text) : text[0] == '\0';
}

/* What a restart would find. */
static void position_in_kafka_is(const char *text)
{
    struct pl_err err = {0};
    struct pl_slice found;
    int there = pl_delivery_position_read(delivery, &found, &err);
    ck_assert_msg(there == (text != NULL), "%d %s", there, err.msg);
    ck_assert(!text || pl_slice_eq(found, text));
}

/* The record names its writer; returns the length of the name. */
static size_t writer_check(void)
{
    struct pl_kafka_position found = {.key = KEY};
    struct pl_err err;
    char pid[32];
    snprintf(pid, sizeof(pid), " pid %ld since 2", (long)getpid());
    ck_assert_done(pl_delivery_positions_read(delivery, &found, 1, &err), err);
    ck_assert_ptr_nonnull(found.writer);
    ck_assert_ptr_nonnull(strstr(found.writer, pid));
    size_t len = strlen(found.writer);
    pl_kafka_positions_release(&found, 1);
    return len;
}

/* ---- committing ---- */

START_TEST(commits_with_the_position)
{
    position_in_kafka_is(NULL);
    ck_assert(pl_delivery_is_idle(delivery));
    send_items(3);
    ck_assert(!pl_delivery_is_idle(delivery));
    ck_assert_uint_eq(pl_metrics_get(metrics, IN_FLIGHT), 3);
    position_set("one");
    pl_delivery_commit(delivery, KEY);
    ck_assert(!pl_delivery_can_take(delivery));
    ck_assert(!pl_delivery_is_idle(delivery));
    ck_assert(!pl_delivery_flush(delivery)); /* one runs */
    ck_assert(position_is(""));              /* not before Kafka has it */
    run_until(&record.done, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
    ck_assert(pl_delivery_is_idle(delivery));
    ck_assert(position_is("one"));
    ck_assert_uint_eq(record.sums.items, 3);
    ck_assert_uint_eq(record.sums.records, 21);
    ck_assert_uint_eq(record.sums.messages, 3);
    ck_assert_uint_eq(record.sums.bytes, 3 * 103);
    ck_assert_uint_eq(pl_metrics_get(metrics, DELIVERED), 3);
    ck_assert_uint_eq(pl_metrics_get(metrics, RECORDS), 21);
    ck_assert_uint_eq(pl_metrics_get(metrics, BYTES),
                      3 * 103 + strlen(KEY "one" PL_KAFKA_WRITER_HEADER) + writer_check());
    ck_assert_uint_eq(pl_metrics_get(metrics, COMMITTED), 1);
    ck_assert_uint_eq(pl_metrics_get(metrics, SECONDS), 1);
    ck_assert_uint_eq(pl_metrics_get(metrics, IN_FLIGHT), 0);
    position_in_kafka_is("one");
}
END_TEST

START_TEST(commits_the_position_alone)
{
    commit_good("one");
    ck_assert_uint_eq(record.sums.items, 0);
    ck_assert_uint_eq(record.sums.messages, 0);
    commit_good("two");
    ck_assert(position_is("two"));
    position_in_kafka_is("two");
    ck_assert(!pl_delivery_flush(delivery)); /* nothing has moved */
}
END_TEST

START_TEST(commits_without_a_position)
{
    commit_good("one");
    send_items(2);
    pl_delivery_commit(delivery, NULL);
    run_until(&record.committed, 2);
    ck_assert_uint_eq(record.encoded, 1);
    ck_assert_uint_eq(record.sums.items, 2);
    ck_assert(position_is("one"));
    position_in_kafka_is("one");
}
END_TEST

/* ---- aborts ---- */

START_TEST(abort_gives_the_committed_position_back)
{
    struct pl_err why;
    pl_delivery_abort(delivery, NULL); /* nothing is open */
    commit_good("one");
    send_items(2);
    position_set("two");
    pl_err_set(&why, PL_ERR_RETRY, 42, "the source was cut");
    pl_delivery_abort(delivery, &why);
    ck_assert(!pl_delivery_can_take(delivery));
    run_until(&record.done, 2);
    ck_assert_str_eq(record.err.msg, "the source was cut");
    ck_assert_int_eq(record.err.code, 42);
    ck_assert_uint_eq(record.sums.items, 2);
    ck_assert(position_is("one"));
    ck_assert_uint_eq(pl_metrics_get(metrics, REFETCHED), 2);
    ck_assert_uint_eq(pl_metrics_get(metrics, ABORTED), 1);
    ck_assert_uint_eq(pl_metrics_get(metrics, DELIVERED), 0);
    ck_assert(pl_delivery_is_idle(delivery)); /* nor is what had moved owed any more */
    position_in_kafka_is("one");
    send_items(1);
    commit_good("two");
    position_in_kafka_is("two");
    ck_assert_uint_eq(pl_metrics_get(metrics, DELIVERED), 1);
}
END_TEST

START_TEST(commit_after_an_abort_has_begun)
{
    struct pl_err why;
    send_items(2);
    position_set("one");
    pl_err_set(&why, PL_ERR_RETRY, 42, "the source was cut");
    pl_delivery_abort(delivery, &why);
    pl_delivery_commit(delivery, KEY);
    run_until(&record.done, 1);
    ck_assert_int_eq(record.err.code, 42);
    ck_assert_uint_eq(record.committed, 0);
    ck_assert(position_is(""));
}
END_TEST

START_TEST(refused_while_committing)
{
    commit_good("one");
    rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    send_items(2);
    position_set("two");
    pl_delivery_commit(delivery, KEY);
    run_until(&record.done, 2);
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_uint_eq(record.failed, 0);
    ck_assert_uint_eq(record.sums.items, 2);
    ck_assert(position_is("one"));
}
END_TEST

/* ---- the queue is full ---- */

static void queue_fill(struct pl_err *err)
{
    enum pl_send_result result;
    rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 200);
    while ((result = send_bytes(5000, err)) == PL_SEND_OK)
        pl_delivery_item_end(delivery, 0);
    ck_assert_int_eq(result, PL_SEND_FULL);
}

START_TEST(full_queue_then_room)
{
    struct pl_err err;
    queue_fill(&err);
    uint64_t items = pl_delivery_sums(delivery)->items;
    ck_assert_uint_eq(record.room, 0);
    run_until(&record.room, 1);
    ck_assert_int_eq(send_bytes(5000, &err), PL_SEND_OK);
    pl_delivery_item_end(delivery, 0);
    commit_good("one");
    ck_assert_uint_eq(record.sums.items, items + 1);
    ck_assert_uint_eq(record.room, 1);
}
END_TEST

/* The position's record is what finds no room: the commit goes on by itself. */
START_TEST(full_queue_for_the_position)
{
    struct pl_err err;
    char text[8001];
    memset(text, 'p', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    queue_fill(&err);
    uint64_t items = pl_delivery_sums(delivery)->items;
    position_set(text);
    pl_delivery_commit(delivery, KEY);
    position_set("too late");
    ck_assert(!pl_delivery_can_take(delivery));
    ck_assert(!pl_delivery_is_idle(delivery));
    ck_assert(!pl_delivery_flush(delivery));
    run_until(&record.done, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
    ck_assert_uint_eq(record.sums.items, items);
    ck_assert_uint_eq(record.encoded, 1);
    ck_assert_uint_eq(record.room, 0);
    ck_assert(position_is(text));
    rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 0);
    position_in_kafka_is(text);
}
END_TEST

/* … or is given up: an abort ends the wait, that of the position (0) or of the caller (1). */
START_TEST(abort_while_the_queue_is_full)
{
    struct pl_err err;
    char text[8001];
    memset(text, 'p', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    queue_fill(&err);
    position_set(text);
    if (_i == 0)
        pl_delivery_commit(delivery, KEY);
    pl_err_set(&err, PL_ERR_RETRY, 0, "given up");
    pl_delivery_abort(delivery, &err);
    run_until(&record.done, 1);
    ck_assert_str_eq(record.err.msg, "given up");
    ck_assert_uint_eq(record.committed, 0);
    ck_assert_uint_eq(record.room, 0); /* not for a transaction that is over */
    rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 0);
    send_items(1);
    commit_good("one");
    ck_assert_uint_eq(record.room, 0);
    position_in_kafka_is("one");
}
END_TEST

/* ---- sizes ---- */

START_TEST(message_too_large_and_the_rest_goes_on)
{
    struct pl_err err;
    send_items(1);
    ck_assert_int_eq(send_bytes(20000, &err), PL_SEND_ERROR);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    send_items(1);
    commit_good("one");
    ck_assert_uint_eq(record.sums.messages, 2);
}
END_TEST

static const char *const advices[][2] = {
    {NULL, TOPIC " accepts only smaller messages: raise its max.message.bytes to 10000: "},
    {"make them smaller", TOPIC " accepts only smaller messages: make them smaller: "},
};

START_TEST(message_too_large_for_the_topic)
{
    pl_delivery_free(PL_TAKE(delivery));
    delivery_make(advices[_i][0]);
    rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    send_items(2);
    position_set("one");
    pl_delivery_commit(delivery, KEY);
    run_until(&record.done, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strncmp(record.err.msg, advices[_i][1], strlen(advices[_i][1])) == 0, "%s",
                  record.err.msg);
    ck_assert_uint_eq(pl_metrics_get(metrics, REFETCHED), 2);
    ck_assert(position_is(""));
}
END_TEST

START_TEST(time_that_the_topic_does_not_allow)
{
    rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP);
    send_items(2);
    position_set("one");
    pl_delivery_commit(delivery, KEY);
    run_until(&record.done, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(record.err.msg, "message.timestamp.before.max.ms") &&
                      strstr(record.err.msg, "; or set timestamp: arrival"),
                  "%s", record.err.msg);
    ck_assert(position_is(""));
}
END_TEST

/* Without its position a transaction must not be committed. */
START_TEST(position_too_large)
{
    static char text[20001];
    memset(text, 'p', sizeof(text) - 1);
    send_items(2);
    position_set(text);
    pl_delivery_commit(delivery, KEY);
    run_until(&record.done, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(record.err.code, 0);
    ck_assert_msg(strncmp(record.err.msg, "the position (20000 bytes) is refused, raise ", 45) == 0,
                  "%s", record.err.msg);
    ck_assert_uint_eq(record.committed, 0);
    position_in_kafka_is(NULL);
}
END_TEST

/* ---- ends ---- */

/* A successor's record of the position. */
static void another_writes(void)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_conf_set(conf, "bootstrap.servers", mock.map.v[0].value, NULL, 0);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    rd_kafka_header_add(headers, PL_KAFKA_WRITER_HEADER, -1, "there pid 2", -1);
    ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(POSITIONS),
                                       RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY(KEY, strlen(KEY)),
                                       RD_KAFKA_V_VALUE((void *)"two", 3),
                                       RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
                     0);
    ck_assert_int_eq(rd_kafka_flush(producer, 10000), 0);
    rd_kafka_destroy(producer);
}

static void fenced_at_a_commit(void)
{
    rd_kafka_mock_push_request_errors(mock.cluster, API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    send_items(1);
    position_set("two");
    pl_delivery_commit(delivery, KEY);
    run_until(&record.failed, 1);
}

/* The coordinator says the same where it has undone a transaction for its age. */
START_TEST(fenced_by_nobody)
{
    pl_delivery_free(delivery);
    start_timeout_ms = 2000; /* of the search */
    delivery_make(NULL);
    position_in_kafka_is(NULL);
    commit_good("one");
    fenced_at_a_commit();
    ck_assert_int_eq(record.err.kind, PL_ERR_FATAL);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "nobody else has written to topic positions"));
    ck_assert_ptr_nonnull(strstr(record.err.msg, "start again"));
}
END_TEST

START_TEST(fenced)
{
    struct pl_err err;
    position_in_kafka_is(NULL);
    commit_good("one");
    another_writes();
    fenced_at_a_commit();
    ck_assert_int_eq(record.err.kind, PL_ERR_FENCED);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "took over"));
    ck_assert_ptr_nonnull(strstr(record.err.msg, "; it is there pid 2; this one stays down"));
    ck_assert(pl_delivery_is_idle(delivery)); /* nobody waits for it */
    ck_assert(!pl_delivery_can_take(delivery));
    ck_assert(!pl_delivery_flush(delivery));
    ck_assert_int_eq(send_bytes(1, &err), PL_SEND_ERROR);
    ck_assert_int_eq(err.kind, PL_ERR_FATAL);
    pl_delivery_fail(delivery, &err);
    ck_assert_uint_eq(record.failed, 1);
    ck_assert_uint_eq(record.done, 1);
    ck_assert(position_is("one"));
}
END_TEST

/* The caller's own end: said once, and what Kafka still answers is not passed on. */
START_TEST(failed_by_the_caller)
{
    struct pl_err err;
    send_items(1);
    position_set("one");
    pl_delivery_commit(delivery, KEY);
    pl_err_set(&err, PL_ERR_CONFIG, 0, "no more");
    pl_delivery_fail(delivery, &err);
    pl_delivery_fail(delivery, &err);
    ck_assert_uint_eq(record.failed, 1);
    ck_assert_str_eq(record.err.msg, "no more");
    ck_assert(pl_delivery_is_idle(delivery));
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;
    while (pl_metrics_get(metrics, COMMITTED) == 0 && pl_clock_monotonic_ms() < end)
        sd_event_run(pl_daemon_event(daemon_), 100000);
    ck_assert_uint_eq(pl_metrics_get(metrics, COMMITTED), 1);
    ck_assert_uint_eq(record.done, 0);
}
END_TEST

START_TEST(stopped_during_a_commit)
{
    rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 300);
    send_items(3);
    position_set("one");
    ck_assert(pl_delivery_flush(delivery));
    ck_assert(!pl_delivery_flush(delivery));
    ck_assert(!pl_delivery_is_idle(delivery));
    pl_delivery_free(PL_TAKE(delivery));
    ck_assert_uint_eq(record.done + record.failed, 0);
}
END_TEST

static void stalled_until(bool stalled)
{
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;
    while (pl_delivery_is_stalled(delivery) != stalled && pl_clock_monotonic_ms() < end)
        sd_event_run(pl_daemon_event(daemon_), 100000);
    ck_assert(pl_delivery_is_stalled(delivery) == stalled);
}

/* A source fills its transaction for minutes: it must not wait for the commit to notice. */
START_TEST(stalls_in_an_open_transaction)
{
    rd_kafka_mock_broker_set_down(mock.cluster, -1);
    send_items(3);
    stalled_until(true);
    ck_assert(pl_delivery_can_take(delivery));
    rd_kafka_mock_broker_set_up(mock.cluster, -1);
    stalled_until(false);
    ck_assert_uint_eq(record.done, 0); /* still open */
    commit_good("one");
    ck_assert_uint_eq(record.sums.items, 3);
}
END_TEST

START_TEST(stalls_while_the_broker_is_away)
{
    send_items(3);
    rd_kafka_mock_broker_set_down(mock.cluster, -1);
    position_set("one");
    pl_delivery_commit(delivery, KEY);
    stalled_until(true);
    ck_assert(!pl_delivery_can_take(delivery));
    ck_assert(!pl_delivery_is_stuck(delivery));
    rd_kafka_mock_broker_set_up(mock.cluster, -1);
    run_until(&record.committed, 1);
    ck_assert(!pl_delivery_is_stalled(delivery));
    ck_assert(position_is("one"));
}
END_TEST

/* ---- limits ---- */

START_TEST(commits_by_its_limits)
{
    const struct pl_limits limits = {
        .age_ms = 200, .bytes = 3 * 103, .messages = 1000, .position_ms = 400};
    int64_t begun_ms = pl_clock_monotonic_ms();
    pl_delivery_limit(delivery, &limits);
    position_set("one");
    send_items(2);
    ck_assert_uint_eq(record.encoded, 0);
    run_until(&record.committed, 1); /* by age */
    ck_assert_int_ge(pl_clock_monotonic_ms() - begun_ms, 200);
    ck_assert_uint_eq(record.sums.items, 2);
    position_in_kafka_is("one");
    position_set("two");
    send_items(3); /* by bytes, at once */
    ck_assert_uint_eq(record.encoded, 2);
    run_until(&record.committed, 2);
    begun_ms = pl_clock_monotonic_ms();
    position_set("three");
    pl_delivery_moved(delivery);
    ck_assert(!pl_delivery_is_idle(delivery)); /* a stop has to commit that */
    run_until(&record.committed, 3);
    ck_assert_int_ge(pl_clock_monotonic_ms() - begun_ms, 400);
    ck_assert_uint_eq(record.sums.items, 0);
    position_in_kafka_is("three");
}
END_TEST

/* New limits hold for the transaction that is open. */
START_TEST(limits_change)
{
    struct pl_limits limits = {.age_ms = 3600000, .position_ms = 3600000};
    pl_delivery_limit(delivery, &limits);
    position_set("one");
    send_items(2);
    limits.age_ms = 1;
    pl_delivery_limit(delivery, &limits);
    run_until(&record.committed, 1);
    ck_assert_uint_eq(record.sums.items, 2);
    position_in_kafka_is("one");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up, .tear_down = tear_down),
        TEST(commits_with_the_position),
        TEST(commits_the_position_alone),
        TEST(commits_without_a_position),
        TEST(abort_gives_the_committed_position_back),
        TEST(commit_after_an_abort_has_begun),
        TEST(refused_while_committing),
        TEST(full_queue_then_room),
        TEST(full_queue_for_the_position),
        TEST(abort_while_the_queue_is_full, .count = 2),
        TEST(message_too_large_and_the_rest_goes_on),
        TEST(message_too_large_for_the_topic, .count = PL_COUNT(advices)),
        TEST(time_that_the_topic_does_not_allow),
        TEST(position_too_large),
        TEST(fenced),
        TEST(fenced_by_nobody),
        TEST(failed_by_the_caller),
        TEST(stopped_during_a_commit),
        TEST(stalls_while_the_broker_is_away),
        TEST(stalls_in_an_open_transaction),
        TEST(commits_by_its_limits),
        TEST(limits_change),
    };
    return unit_main("delivery", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_sink.c - chsinkd's threads between librdkafka's mock cluster and a ClickHouse of this
 * process: an announced range after a crash, whose commit the group refuses; when the threads count
 * as stuck; what is logged of batches. links: chsinkd
 *
 * The ClickHouse here is a table that remembers offsets and no tokens, so what is inserted twice
 * stands there twice.
 */
#include <poll.h>
#include <stdio.h>

#include "daemons/chsinkd/sink/sink.h"
#include "lib/log/log.h"
#include "tests/unit/http_server.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC    "edits"
#define DEAD     "dead"
#define GROUP    "sink"
#define MESSAGES 6
#define THERE    3     /* so many of them are in the table from before the crash */
#define WAIT_MS  30000 /* the limit of a wait: only a failing test meets it */

enum { API_OFFSET_COMMIT = 8, API_TXN_OFFSET_COMMIT = 28 }; /* Kafka's request types */

static const char route_yaml[] = "topic: " TOPIC "\ntable: edits\nrows: $\ncolumns:\n"
                                 "  - {name: n, type: Int64, path: $.n}\n"
                                 "  - {name: _topic, type: String, from: topic}\n"
                                 "  - {name: _partition, type: Int32, from: partition}\n"
                                 "  - {name: _offset, type: Int64, from: offset}\n"
                                 "engine: MergeTree\norder_by: n\n";

/* ---- the table ---- */

static struct {
    pthread_mutex_t lock;
    unsigned rows, asked, inserts;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* LEB128, as Native has its counts. */
static uint64_t varint(const char **p)
{
    uint64_t n = 0;
    unsigned shift = 0;

    do
        n |= (uint64_t)(**p & 0x7f) << shift, shift += 7;
    while (*(*p)++ & 0x80);
    return n;
}

/* A question is about the offsets: the first `rows` are there. An insert's rows are counted. */
static bool answer(struct server *s, int fd, const struct server_request *r)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf body = {0}, out = {0};

    pthread_mutex_lock(&table.lock);
    if (strstr(r->head.data, "insert_deduplication_token=")) {
        const char *p = r->body.data;

        varint(&p); /* columns */
        table.rows += (unsigned)varint(&p);
        table.inserts++;
    } else {
        for (unsigned i = 0; i < table.rows; i++)
            pl_buf_addf(&body, "%u\n", i);
        table.asked++;
    }
    pthread_mutex_unlock(&table.lock);
    pl_buf_addf(&out,
                "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: 1\r\nContent-Length: %zu\r\n\r\n%s",
                body.len, pl_buf_cstr(&body));
    return server_send(s, fd, out.data, out.len);
}

/* ---- the parts ---- */

static struct kafka_mock mock;
static struct server server;
static struct pl_metrics *metrics;
static struct route *route;
static char *urls[1];
static struct chsinkd_conf conf;
static struct sink sink;
static pthread_t consumer, inserter;

static void set_up(void)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;

    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 1);
    kafka_mock_topic(&mock, DEAD, 1);
    kafka_mock_set(&mock, "group.id", GROUP);
    /* Short, since the mock holds a group up until a member that has come back as another is
     * forgotten. */
    kafka_mock_set(&mock, "session.timeout.ms", "6000");
    kafka_mock_set(&mock, "heartbeat.interval.ms", "1000");
    server_start(&server, answer, NULL);
    urls[0] = server.url;
    pl_findings_init(&errs);
    route = route_parse("edits", route_yaml, strlen(route_yaml), &errs);
    ck_assert_msg(route != NULL, "%s", pl_buf_cstr(&errs.text));
    conf = (struct chsinkd_conf){
        .kafka = mock.map,
        .clickhouse = {.urls = {urls, 1},
                       .database = (char *)"default",
                       .user = (char *)"default",
                       .connect_timeout_ms = 5000,
                       .timeout_ms = 20000},
        .dead_letter_topic = (char *)DEAD,
        .batch_rows = 1000,
        .batch_bytes = 1 << 20,
        .batch_age_ms = 100,
        .inserts_per_second = 100,
        .insert_threads = 1,
        .memory_bytes_max = 1 << 26,
        .start_timeout_ms = 10000,
        .routes = &route,
        .routes_n = 1,
    };
    metrics = pl_metrics_new(chsinkd_metrics, M_COUNT);
    table.rows = THERE;
    table.asked = table.inserts = 0;
    sink_init(&sink, &conf, metrics);
}

static void tear_down(void)
{
    consumer_free(&sink);
    sink_release(&sink);
    pl_metrics_free(metrics);
    route_free(route);
    server_stop(&server);
}

static void until(bool (*is_so)(void), const char *what)
{
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;

    while (!is_so()) {
        ck_assert_msg(pl_clock_monotonic_ms() < end, "in vain: %s", what);
        poll(NULL, 0, 10);
    }
}

/* ---- a range that was announced before a crash ---- */

static void topic_fill(bool one_is_bad)
{
    rd_kafka_conf_t *kafka = rd_kafka_conf_new();
    char text[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set(kafka, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, kafka, text, sizeof(text));
    for (int i = 0; i < MESSAGES; i++) {
        int len =
            snprintf(text, sizeof(text), one_is_bad && i == MESSAGES - 1 ? "{" : "{\"n\":%d}", i);
        ck_assert_int_eq(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(0),
                                           RD_KAFKA_V_VALUE(text, (size_t)len),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         0);
    }
    ck_assert_int_eq(rd_kafka_flush(rk, WAIT_MS), 0);
    rd_kafka_destroy(rk);
}

/* What the instance that crashed has left in the group. */
static void range_announce(void)
{
    static const struct pl_announcement announcement = {.end = MESSAGES, .at_ms = 1};
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, TOPIC, 0);
    rd_kafka_conf_t *kafka = rd_kafka_conf_new();
    char text[256];
    rd_kafka_t *rk;

    tp->offset = 0;
    tp->metadata = pl_alloc(PL_ANNOUNCEMENT_MAX);
    pl_announcement_format(&announcement, BATCH_PROGRAM, tp->metadata);
    tp->metadata_size = strlen(tp->metadata);
    rd_kafka_conf_set(kafka, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(kafka, "group.id", GROUP, text, sizeof(text));
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, kafka, text, sizeof(text));
    ck_assert_int_eq(rd_kafka_commit(rk, list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

static bool all_is_accounted(void)
{
    ck_assert_msg(sink.failed.kind == PL_ERR_NONE, "%s", sink.failed.msg);
    return pl_metrics_get(metrics, M_DELIVERED) + pl_metrics_get(metrics, M_DEAD) >= MESSAGES;
}

static bool is_drained(void)
{
    return sink.drained;
}

/* The first commit of the range's end is refused, after its rows were inserted. */
static const struct refusal {
    int16_t api;
    rd_kafka_resp_err_t code;
    bool stays_ours; /* the partition: the same instance reads the range again */
    bool one_is_bad; /* a dead letter: the offsets are committed in its transaction */
} refusals[] = {
    {API_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_NO_ERROR, true, false}, /* not refused */
    /* The consumer itself hears of it, and gives the partition up; it comes back. */
    {API_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, false, false},
    /* Only the writer of dead letters hears of it. */
    {API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, true, true},
};

START_TEST(announced_range)
{
    const struct refusal *c = &refusals[_i];
    struct pl_err err;

    topic_fill(c->one_is_bad);
    range_announce();
    if (c->code)
        rd_kafka_mock_push_request_errors(mock.cluster, c->api, 1, c->code);
    ck_assert_msg(consumer_new(&sink, &err) == 0, "%s", err.msg);
    sink.deadletters = deadletter_writer_new(&(struct deadletter_conf){
        .kafka = &conf.kafka,
        .topic = DEAD,
        .transactional_id = "check",
        .message_bytes_max = 1 << 20,
    });
    ck_assert_int_eq(inserter_start(&sink, &inserter, &err), 0);
    ck_assert_msg(consumer_start(&sink, &consumer, &err) == 0, "%s", err.msg);
    until(all_is_accounted, "all messages are accounted for");
    sink.stopping = true;
    until(is_drained, "the consumer ends");
    pthread_join(consumer, NULL);
    pthread_join(inserter, NULL);
    ck_assert_uint_eq(table.rows, MESSAGES - c->one_is_bad);
    ck_assert_uint_eq(table.inserts, 1);
    ck_assert_uint_eq(table.asked, c->code ? 2 : 1);
    ck_assert_uint_eq(sink.partitions[0]->epoch, c->stays_ours ? 2 : 4); /* came, went */
}
END_TEST

/* ---- when it counts as stuck ---- */

enum { OLD_MS = 10 * PL_DEADLINE_GRACE_MS };

START_TEST(stuck)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    struct pl_progress progress = {0}, old = {.since_ms = now_ms - OLD_MS};

    sink.inserters_n = 2;
    ck_assert_ptr_null(sink_stuck(&sink, &progress)); /* nobody has begun anything */
    sink_deadline_begin(&sink.consumer_deadline, "decoding messages", 30000);
    sink_deadline_begin(&sink.inserter_deadlines[0], "inserting", 300000);
    sink_deadline_begin(&sink.inserter_deadlines[1], "waiting for a batch", 1000);
    ck_assert_ptr_null(sink_stuck(&sink, &progress));

    pl_deadline_begin(&sink.inserter_deadlines[1], "committing offsets", now_ms - OLD_MS, 1000);
    ck_assert_str_eq(sink_stuck(&sink, &progress), "committing offsets");
    pl_deadline_begin(&sink.inserter_deadlines[1], "waiting for another thread's dead letters",
                      now_ms - OLD_MS, -1);
    ck_assert_ptr_null(sink_stuck(&sink, &progress));

    pl_deadline_begin(&sink.consumer_deadline, "decoding messages", now_ms - OLD_MS, 30000);
    ck_assert_str_eq(sink_stuck(&sink, &progress), "decoding messages");
    sink_deadline_begin(&sink.consumer_deadline, "decoding messages", 30000);

    /* A batch waits, and no inserter has one. */
    progress = old;
    sink.queued = 1;
    ck_assert_str_eq(sink_stuck(&sink, &progress), "taking a batch");
    sink.taken++;
    ck_assert_ptr_null(sink_stuck(&sink, &progress));
    progress = old;
    progress.done = sink.taken;
    sink.busy = 1; /* one has: it may wait for ClickHouse as long as it likes */
    ck_assert_ptr_null(sink_stuck(&sink, &progress));
    sink.queued = sink.busy = 0;
}
END_TEST

/* ---- what is logged of batches ---- */

static const char *logged(FILE *file)
{
    static char text[8192];

    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    rewind(file);
    ck_assert_int_eq(ftruncate(fileno(file), 0), 0);
    return text;
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

START_TEST(log_of_batches)
{
    const struct sink_sums sums = {2, 30, 40, 500, 7, 47, 11};
    struct partition *a = sink_partition(&sink, TOPIC, 0), *b = sink_partition(&sink, TOPIC, 1);
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    const char *text;

    dup2(fileno(file), STDERR_FILENO);
    sink_log(&sink, 1000, false);
    ck_assert_str_eq(logged(file), "");

    a->sums = b->sums = sums; /* the first are logged at once, one a call */
    sink_log(&sink, 1000, false);
    text = logged(file);
    ck_assert_msg(strstr(text, " rows inserted table=edits database=default rows=30 batches=2 "
                               "messages=40 bytes=500 topic=edits partition=0 offset_start=7 "
                               "offset_end=47 duration_ms=11\n") != NULL,
                  "%s", text);
    ck_assert_uint_eq(lines(text), 1);
    sink_log(&sink, 2000, false);
    ck_assert_ptr_nonnull(strstr(logged(file), "partition=1"));
    sink_log(&sink, 3000, false);
    ck_assert_str_eq(logged(file), "");

    a->sums = b->sums = sums; /* then a minute must pass */
    sink_log(&sink, 60999, false);
    ck_assert_str_eq(logged(file), "");
    sink_log(&sink, 61000, false);
    ck_assert_ptr_nonnull(strstr(logged(file), "partition=0"));
    a->sums = sums;
    sink_log(&sink, 61500, true); /* or the end come */
    ck_assert_uint_eq(lines(logged(file)), 2);
    sink_log(&sink, 61500, true);
    ck_assert_str_eq(logged(file), "");
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(file);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("threads", .set_up = set_up, .tear_down = tear_down),
        TEST(announced_range, .count = PL_COUNT(refusals)),
        TEST(stuck),
        TEST(log_of_batches),
    };
    return unit_main("sink", tests, PL_COUNT(tests));
}

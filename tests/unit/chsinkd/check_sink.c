/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_sink.c - chsinkd's threads between librdkafka's mock cluster and an output of this process
 * (fake_output.h): what they make of announced ranges, refusals, faults, stops and restarts; when
 * they count as stuck; what is logged of batches. links: chsinkd
 */
#include <poll.h>
#include <stdio.h>

#include "daemons/chsinkd/sink/drive.h"
#include "daemons/chsinkd/sink/protocol/announce.h"
#include "lib/log/log.h"
#include "tests/unit/chsinkd/fake_output.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC   "edits"
#define OTHER   "other"
#define DEAD    "dead"
#define GROUP   "sink"
#define WAIT_MS 30000 /* the limit of a wait: only a failing test meets it */

enum { API_OFFSET_COMMIT = 8, API_TXN_OFFSET_COMMIT = 28 }; /* Kafka's request types */

static const char route_yaml[] = "topic: %s\ntable: %s\nrows: $\ncolumns:\n"
                                 "  - {name: n, type: Int64, path: $.n}\n"
                                 "engine: MergeTree\norder_by: n\n";

/* ---- the parts ---- */

static struct kafka_mock mock;
static struct pl_metrics *metrics;
static struct route *routes[2];
static struct chsinkd_conf conf;
static struct sink sink;
static pthread_t consumer;
static bool running;

static struct route *route_make(const char *topic)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *text = pl_strf(route_yaml, topic, topic);

    pl_findings_init(&errs);
    struct route *r = route_parse(topic, text, strlen(text), &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    return r;
}

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 1);
    kafka_mock_topic(&mock, OTHER, 1);
    kafka_mock_topic(&mock, DEAD, 1);
    kafka_mock_set(&mock, "group.id", GROUP);
    /* Short, since the mock holds a group up until a member that has come back as another is
     * forgotten. */
    kafka_mock_set(&mock, "session.timeout.ms", "6000");
    kafka_mock_set(&mock, "heartbeat.interval.ms", "1000");
    routes[0] = route_make(TOPIC);
    routes[1] = route_make(OTHER);
    conf = (struct chsinkd_conf){
        .kafka = mock.map,
        .clickhouse = {.connect_timeout_ms = 100, .timeout_ms = 100},
        .dead_letter_topic = (char *)DEAD,
        .batch_rows = 1000,
        .batch_bytes = 1 << 20,
        .batch_age_ms = 100,
        .inserts_per_second = 100,
        .insert_threads = 2,
        .memory_bytes_max = 1 << 26,
        .ask_table_after_ms = 60000,
        .start_timeout_ms = 10000,
        .routes = routes,
        .routes_n = 2,
    };
    fake.tables_n = 0;
    metrics = pl_metrics_new(chsinkd_metrics, M_COUNT);
}

static void tear_down(void)
{
    pl_metrics_free(metrics);
    route_free(routes[0]);
    route_free(routes[1]);
}

static void on_answer(void *userdata)
{
    sink_wake(userdata);
}

static void sink_begin(unsigned other_route)
{
    sink_init(&sink, &conf, &fake_output, NULL, metrics);
    for (unsigned i = 0; i < conf.routes_n; i++) {
        sink.routes[i].machine.can_look = true;
        sink.routes[i].machine.digest += other_route;
        sink.routes[i].machine.lease_ms = sink.routes[i].machine.settle_ms = 200;
    }
}

/* other_route: as if the route were another than before. */
static void sink_start(unsigned other_route)
{
    struct pl_err err;
    sink_begin(other_route);
    ck_assert_msg(consumer_new(&sink, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(
        courier_new(&(struct courier_conf){.deadletters = {.kafka = &conf.kafka,
                                                           .topic = DEAD,
                                                           .transactional_id = "check",
                                                           .message_bytes_max = 1 << 20},
                                           .consumer = sink.rk,
                                           .notify = on_answer,
                                           .userdata = &sink},
                    &sink.courier, &err),
        0);
    ck_assert_int_eq(workers_start(&(struct workers_conf){.output = &fake_output,
                                                          .threads = 2,
                                                          .call_ms = 1000,
                                                          .ensure_ms = 1000,
                                                          .done = on_answer,
                                                          .userdata = &sink},
                                   &sink.workers, &err),
                     0);
    ck_assert_msg(consumer_start(&sink, &consumer, &err) == 0, "%s", err.msg);
    running = true;
}

static void sink_free(void)
{
    consumer_free(&sink);
    sink_release(&sink);
}

/* By a stop that finishes what was read, or one that does not. */
static void sink_end(bool give_up)
{
    struct timespec until;
    sink.stopping = true;
    if (give_up)
        sink_give_up(&sink);
    sink_wake(&sink);
    pthread_join(consumer, NULL);
    sink_give_up(&sink);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    ck_assert(workers_join(sink.workers, &until));
    ck_assert_uint_eq(sink.in_flight, give_up ? (uint64_t)sink.in_flight : 0);
    sink_free();
    running = false;
}

static void until(bool (*is_so)(void), const char *what)
{
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;

    while (!is_so()) {
        pthread_mutex_lock(&sink.lock);
        struct pl_err failed = sink.failed;
        pthread_mutex_unlock(&sink.lock);
        ck_assert_msg(failed.kind == PL_ERR_NONE, "%s", failed.msg);
        ck_assert_msg(pl_clock_monotonic_ms() < end, "in vain: %s", what);
        poll(NULL, 0, 5);
    }
}

static rd_kafka_t *client_new(rd_kafka_type_t type)
{
    rd_kafka_conf_t *kafka = rd_kafka_conf_new();
    char text[256];
    rd_kafka_conf_set(kafka, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(kafka, "group.id", GROUP, text, sizeof(text));
    rd_kafka_t *rk = rd_kafka_new(type, kafka, text, sizeof(text));
    ck_assert_msg(rk != NULL, "%s", text);
    return rk;
}

/* Message i is {"n": i}, but for those that are bad. */
static void topic_fill(const char *topic, int n, int bad_every)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER);
    char text[64];
    for (int i = 0; i < n; i++) {
        bool bad = bad_every > 0 && i % bad_every == bad_every - 1;
        int len = snprintf(text, sizeof(text), bad ? "{" : "{\"n\":%d}", i);
        ck_assert_int_eq(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                                           RD_KAFKA_V_VALUE(text, (size_t)len),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         0);
    }
    ck_assert_int_eq(rd_kafka_flush(rk, WAIT_MS), 0);
    rd_kafka_destroy(rk);
}

/* What an instance that crashed has left in the group. */
static void group_set(int64_t offset, const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, TOPIC, 0);
    tp->offset = offset;
    tp->metadata = pl_strdup(metadata);
    tp->metadata_size = strlen(metadata);
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER);
    ck_assert_int_eq(rd_kafka_commit(rk, list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

static uint64_t metric(enum chsinkd_metric m)
{
    return pl_metrics_get(metrics, m);
}

static uint64_t messages_wanted;

static bool all_is_accounted(void)
{
    return metric(M_DELIVERED) + metric(M_DEAD) >= messages_wanted;
}

/* Messages 0..n-1 are rows, each once, but for those that are bad. */
static void table_check(const char *name, int n, int bad_every, int64_t buried)
{
    const struct fake_table *t = fake_table(name);
    for (int i = 0; i < n; i++) {
        bool bad = (bad_every > 0 && i % bad_every == bad_every - 1) || i == buried;
        ck_assert_msg(t->rows[i] == !bad, "message %d is %u rows", i, t->rows[i]);
    }
}

/* ---- a range that was announced before a crash ---- */

#define MESSAGES 6
#define THERE    3 /* so many of them are in the table from before the crash */

/* The first commit of the range's end is refused, after its rows were inserted. */
static const struct announced {
    const char *what;
    bool same;     /* by one with our route, just now: its rows are there with its token */
    bool old_text; /* by the version before */
    int16_t api;
    rd_kafka_resp_err_t code;
    bool one_is_bad; /* a dead letter: the offsets are committed in its transaction */
} announced[] = {
    {"the version before", .old_text = true},
    {"another route", .same = false},
    {"the same route", .same = true},
    /* The consumer itself hears of it, and gives the partition up; it comes back. */
    {"a refused commit", .api = API_OFFSET_COMMIT, .code = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
    {"the same, refused", .same = true, .api = API_OFFSET_COMMIT,
     .code = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
    /* Only the writer of dead letters hears of it. */
    {"refused dead letters", .api = API_TXN_OFFSET_COMMIT,
     .code = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, .one_is_bad = true},
};

START_TEST(announced_range)
{
    const struct announced *c = &announced[_i];
    int64_t now_ms = pl_clock_realtime_ms();
    struct fake_table *t = fake_table(TOPIC);
    char text[PL_ANNOUNCEMENT_MAX];

    t->other = true; /* another route's rows are others: this doubt is not to be compared */
    sink_begin(0);
    struct partition_announcement a = {MESSAGES, now_ms, sink.routes[0].machine.digest + !c->same,
                                       0};
    announcement_text(&a, text);
    sink_free();
    topic_fill(TOPIC, MESSAGES, c->one_is_bad ? MESSAGES : 0);
    group_set(0, c->old_text ? "chsinkd/1 end=6 at=1" : text);
    for (int i = 0; i < (c->same ? MESSAGES : THERE); i++)
        t->rows[i] = 1;
    if (c->same) {
        PL_CLEANUP(pl_buf_release) struct pl_buf token = {0};
        const struct pl_range range = {TOPIC, 0, 0, MESSAGES, now_ms};
        fake_token_take(t, pl_range_token(&range, TOPIC, &token));
    }
    if (c->code)
        rd_kafka_mock_push_request_errors(mock.cluster, c->api, 1, c->code);
    sink_start(0);
    messages_wanted = MESSAGES;
    until(all_is_accounted, c->what);
    sink_end(false);
    table_check(TOPIC, MESSAGES, c->one_is_bad ? MESSAGES : 0, -1);
    ck_assert_uint_eq(metric(M_DEAD), c->one_is_bad);
    ck_assert_uint_eq(t->compares, 0);
    if (c->same)
        ck_assert_uint_eq(t->looks, 0);
    else
        ck_assert_uint_ge(t->looks, 1);
}
END_TEST

/* ---- a group without offsets, and a table with rows ---- */

static bool is_aside(void)
{
    pthread_mutex_lock(&sink.lock);
    bool aside = sink.partitions_n > 0 && sink.partitions[0]->aside == ASIDE_BEGIN;
    pthread_mutex_unlock(&sink.lock);
    return aside;
}

static void rows_check(const struct fake_table *t, const unsigned *rows, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(t->rows[i] == rows[i], "message %d is %u rows", i, t->rows[i]);
}

/* Its rows are this topic's: the doubt is looked up and compared, and no longer than that. */
START_TEST(offsets_lost)
{
    static const unsigned rows[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct fake_table *t = fake_table(TOPIC);
    conf.batch_rows = 2;
    t->rows[0] = t->rows[1] = t->rows[4] = 1;
    topic_fill(TOPIC, 8, 0);
    sink_start(0);
    messages_wanted = 8;
    until(all_is_accounted, "the rest is loaded");
    ck_assert_uint_eq(t->looks, 3);
    ck_assert_uint_eq(t->compares, 3);
    ck_assert(!sink.partitions[0]->probe);
    sink_end(false);
    rows_check(t, rows, 8);
}
END_TEST

/* They are of a topic that had the same name. The batches before the one that shows it, and a
 * restart, change nothing; only `offsets_lost: start` goes on, from the beginning. */
START_TEST(topic_made_again)
{
    static const unsigned before[8] = {1, 1, 1, 1, 0, 1}, after[8] = {2, 2, 2, 2, 1, 2, 1, 1};
    struct fake_table *t = fake_table(TOPIC);
    conf.batch_rows = 2;
    t->rows[5] = 1;
    t->other = true;
    topic_fill(TOPIC, 8, 0);
    for (unsigned run = 0; run < 3; run++) {
        unsigned compares = t->compares;
        conf.offsets_lost = run < 2 ? CHSINKD_LOST_TABLE : CHSINKD_LOST_STOP;
        sink_start(run);
        until(is_aside, "a person must say");
        sink_end(false);
        ck_assert_uint_eq(t->compares - compares, run == 0 ? 3 : 1);
        rows_check(t, before, 8);
    }
    conf.offsets_lost = CHSINKD_LOST_START;
    sink_start(0);
    messages_wanted = metric(M_DELIVERED) + 8;
    until(all_is_accounted, "all is loaded again");
    sink_end(false);
    rows_check(t, after, 8);
}
END_TEST

/* ---- what the output does ---- */

START_TEST(refused_message)
{
    enum { N = 500, BAD = 321 };
    struct fake_table *t = fake_table(TOPIC);
    t->refuse_offset = BAD;
    topic_fill(TOPIC, N, 50);
    sink_start(0);
    messages_wanted = N;
    until(all_is_accounted, "the others are in the table");
    sink_end(false);
    table_check(TOPIC, N, 50, BAD);
    ck_assert_uint_eq(metric(M_DEAD), N / 50 + 1);
    ck_assert_uint_le(t->inserts, 40); /* halves */
}
END_TEST

START_TEST(too_large)
{
    enum { N = 500 };
    struct fake_table *t = fake_table(TOPIC);
    t->rows_max = 70;
    topic_fill(TOPIC, N, 0);
    sink_start(0);
    messages_wanted = N;
    until(all_is_accounted, "all are in the table");
    sink_end(false);
    table_check(TOPIC, N, 0, -1);
    ck_assert_uint_eq(metric(M_DEAD), 0);
}
END_TEST

static bool other_is_there(void)
{
    pthread_mutex_lock(&fake.lock);
    bool there = fake_table(OTHER)->rows[99] > 0;
    pthread_mutex_unlock(&fake.lock);
    return there;
}

/* A table that needs a person holds up its own topic only, and is loaded when it is healed. */
START_TEST(held)
{
    struct fake_table *t = fake_table(TOPIC);
    t->held = true;
    conf.insert_threads = 1;
    topic_fill(TOPIC, 3000, 0);
    topic_fill(OTHER, 100, 0);
    sink_start(0);
    until(other_is_there, "the other topic goes on");
    messages_wanted = 3100;
    pthread_mutex_lock(&fake.lock);
    t->held = false;
    pthread_mutex_unlock(&fake.lock);
    until(all_is_accounted, "the held one is loaded");
    sink_end(false);
    table_check(TOPIC, 3000, 0, -1);
    table_check(OTHER, 100, 0, -1);
}
END_TEST

/* Answers are lost, before or after the insert was done, while tokens are remembered. */
START_TEST(lost_answers)
{
    struct fake_table *t = fake_table(TOPIC);
    t->every_lose = 3;
    t->every_late = 2;
    conf.batch_rows = 100;
    topic_fill(TOPIC, 1000, 70);
    sink_start(0);
    messages_wanted = 1000;
    until(all_is_accounted, "all are loaded");
    sink_end(false);
    table_check(TOPIC, 1000, 70, -1);
}
END_TEST

/* ---- restarts ---- */

/* Ends at many moments, each way, with faults of the output all the time. The one that comes next
 * does not always know the route's digest, nor trust a token. */
START_TEST(restarts)
{
    enum { N = 2000, RUNS = 5 };
    struct fake_table *t = fake_table(TOPIC);
    unsigned seed = (unsigned)_i * 7919 + 17;
    t->every_late = 5;
    t->every_lose = 7;
    t->refuse_offset = 1234;
    conf.batch_rows = 50;
    conf.batch_age_ms = 20;
    topic_fill(TOPIC, N, 90);
    for (unsigned run = 0; run < RUNS; run++) {
        bool last = run == RUNS - 1;
        conf.ask_table_after_ms = rand_r(&seed) % 3 == 0 ? 1 : 60000;
        sink_start(rand_r(&seed) % 3 == 0 ? run : 0);
        if (!last)
            poll(NULL, 0, rand_r(&seed) % 400);
        messages_wanted = N;
        while (last && !t->rows[N - 2])
            poll(NULL, 0, 10);
        sink_end(!last && rand_r(&seed) % 2);
    }
    table_check(TOPIC, N, 90, 1234);
}
END_TEST

/* ---- what goes ---- */

/* A refused message was to be read again when its partition went. */
START_TEST(wait_that_is_over)
{
    sink_begin(0);
    struct partition *p = sink_partition(&sink, TOPIC, 0);
    p->bury_ms = 1;
    drive_leave(&sink, p);
    ck_assert(!drive_is_stalled(p));
    drive_time(&sink);
    sink_release(&sink);
}
END_TEST

/* Past the commit that claims them, too. */
static bool is_read(const struct partition *p)
{
    return p->next_offset > 0 && p->state.phase == PARTITION_OPEN;
}

static bool both_are_read(void)
{
    return sink.partitions_n == 2 && is_read(sink.partitions[0]) && is_read(sink.partitions[1]);
}

static bool one_went(void)
{
    return !sink.partitions[0]->assigned || !sink.partitions[1]->assigned;
}

/* The group takes one of two partitions while messages come all the time: of the other all are
 * read. (Without assignment.c's partitions_seek() some thirty are not.) */
START_TEST(one_goes_one_stays)
{
    char text[256], value[] = "{\"n\":1}";
    int n = 0;
    conf.batch_age_ms = 60000; /* a commit would be refused in a rebalance */
    conf.batch_rows = FAKE_ROWS_MAX;
    topic_fill(TOPIC, 1, 0);
    topic_fill(OTHER, 1, 0);
    sink_start(0);
    until(both_are_read, "both are read");
    rd_kafka_conf_t *kafka = rd_kafka_conf_new();
    rd_kafka_conf_set(kafka, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(kafka, "group.id", GROUP, text, sizeof(text));
    rd_kafka_conf_set(kafka, "partition.assignment.strategy", "cooperative-sticky", text,
                      sizeof(text));
    rd_kafka_t *second = rd_kafka_new(RD_KAFKA_CONSUMER, kafka, text, sizeof(text));
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(topics, TOPIC, RD_KAFKA_PARTITION_UA);
    rd_kafka_topic_partition_list_add(topics, OTHER, RD_KAFKA_PARTITION_UA);
    ck_assert_int_eq(rd_kafka_subscribe(second, topics), 0);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER);
    for (int after = 0; after < 200; after += one_went()) {
        for (int t = 0; t < 2; t++)
            rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(t ? TOPIC : OTHER), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_VALUE(value, 7), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_END);
        n++;
        ck_assert_int_lt(n, 15000);
        rd_kafka_poll(rk, 3);
    }
    rd_kafka_flush(rk, WAIT_MS);
    rd_kafka_destroy(rk);
    const struct partition *p = sink.partitions[!sink.partitions[0]->assigned];
    for (int64_t end = pl_clock_monotonic_ms() + WAIT_MS; p->next_offset < n + 1;) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end);
        poll(NULL, 0, 10);
    }
    ck_assert_int_eq((int)p->open->messages_n, n + 1);
    sink_end(true);
    /* `second` is left to the end of the process, as sink.c leaves its client: librdkafka's #4381. */
    rd_kafka_set_log_level(second, 0);
}
END_TEST

/* ---- when it counts as stuck ---- */

/* A worker that has no work to do is not stuck, nor is a consumer that turns. */
START_TEST(stuck)
{
    struct pl_progress progress = {0};
    int64_t now_ms = pl_clock_monotonic_ms();
    sink_start(0);
    ck_assert_ptr_null(sink_stuck(&sink, &progress));
    sink_end(false);
    (void)now_ms;
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
    sink_begin(0);
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

/* For LeakSanitizer: the sink leaves its client to the end of the process (sink.c). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:librdkafka\n";
}

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("threads", .set_up = set_up, .tear_down = tear_down),
        TEST(announced_range, .count = PL_COUNT(announced)),
        TEST(offsets_lost),
        TEST(topic_made_again),
        TEST(refused_message),
        TEST(too_large),
        TEST(held),
        TEST(lost_answers),
        TEST(restarts, .count = 1),
        TEST(wait_that_is_over),
        TEST(one_goes_one_stays),
        TEST(stuck),
        TEST(log_of_batches),
    };
    return unit_main("sink", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_run.h - chsinkd's threads between librdkafka's mock cluster and an output of this process
 * (fake_output.h): two topics of one partition, each with a route; a sink that is started and
 * ended as often as a test likes.
 */
#ifndef TESTS_UNIT_CHSINKD_SINK_RUN_H
#define TESTS_UNIT_CHSINKD_SINK_RUN_H

#include <poll.h>
#include <stdio.h>

#include "daemons/chsinkd/sink/sink.h"
#include "tests/unit/chsinkd/fake_output.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC   "edits"
#define OTHER   "other"
#define DEAD    "dead"
#define GROUP   "sink"
#define WAIT_MS 30000 /* the limit of a wait: only a failing test meets it */

static const char sink_route_yaml[] = "topic: %s\ntable: %s\nrows: $\ncolumns:\n"
                                      "  - {name: n, type: Int64, path: $.n}\n"
                                      "engine: MergeTree\norder_by: n\n";

static struct kafka_mock mock;
static struct pl_metrics *metrics;
static struct route *routes[2];
static struct chsinkd_conf conf;
static struct sink sink;
static const struct output_kind *sink_output = &fake_output; /* or &fake_keeper */
static pthread_t consumer;
static bool once; /* the next sink ends with its partitions */
static bool running;
static int topic_partitions = 1, brokers = 1; /* TOPIC's; the mock's; before set_up() */

static inline struct route *route_make(const char *topic)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *text = pl_strf(sink_route_yaml, topic, topic);

    pl_findings_init(&errs);
    struct route *r = route_parse(topic, text, strlen(text), &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    return r;
}

static inline void set_up(void)
{
    kafka_mock_start_of(&mock, brokers);
    kafka_mock_topic(&mock, TOPIC, topic_partitions);
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

static inline void tear_down(void)
{
    pl_metrics_free(metrics);
    route_free(routes[0]);
    route_free(routes[1]);
}

static inline void on_answer(void *userdata)
{
    sink_wake(userdata);
}

static inline void sink_begin(unsigned other_route)
{
    const bool keeps = sink_output == &fake_keeper;
    sink_init(&sink, &conf, NULL, sink_output, NULL, metrics);
    sink.once = once;
    for (unsigned i = 0; i < conf.routes_n; i++) {
        sink.routes[i].machine.can_look = !keeps;
        sink.routes[i].machine.keeps_position = keeps;
        sink.routes[i].machine.digest += other_route;
        sink.routes[i].machine.lease_ms = sink.routes[i].machine.settle_ms = 200;
    }
}

/* All but the consumer's thread. other_route: as if the route were another than before. */
static inline void sink_make(unsigned other_route)
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
    ck_assert_int_eq(workers_start(&(struct workers_conf){.output = sink_output,
                                                          .threads = 2,
                                                          .call_ms = 1000,
                                                          .ensure_ms = 1000},
                                   &sink.workers, &err),
                     0);
}

static inline void sink_start(unsigned other_route)
{
    struct pl_err err;
    sink_make(other_route);
    ck_assert_msg(consumer_start(&sink, &consumer, &err) == 0, "%s", err.msg);
    running = true;
}

static inline void sink_free(void)
{
    workers_free(sink.workers);
    consumer_free(&sink);
    sink_release(&sink);
}

/* By a stop that finishes what was read, or one that does not. */
static inline void sink_end(bool give_up)
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

static inline void until(bool (*is_so)(void), const char *what)
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

static inline rd_kafka_t *client_new(rd_kafka_type_t type)
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
static inline void topic_fill(const char *topic, int n, int bad_every)
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
static inline void group_set(int64_t offset, const char *metadata)
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

static inline uint64_t metric(enum chsinkd_metric m)
{
    return pl_metrics_get(metrics, m);
}

static uint64_t messages_wanted;

static inline bool all_is_accounted(void)
{
    return metric(M_DELIVERED) + metric(M_DEAD) >= messages_wanted;
}

/* Messages 0..n-1 are rows, each once, but for those that are bad. */
static inline void table_check(const char *name, int n, int bad_every, int64_t buried)
{
    const struct fake_table *t = fake_table(name);
    for (int i = 0; i < n; i++) {
        bool bad = (bad_every > 0 && i % bad_every == bad_every - 1) || i == buried;
        ck_assert_msg(t->rows[i] == !bad, "message %d is %u rows", i, t->rows[i]);
    }
}

/* For LeakSanitizer: the sink leaves its client to the end of the process (sink.c). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:librdkafka\n";
}

#endif

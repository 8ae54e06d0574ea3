/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_common.c - the options that all daemons share: what their rows take, and what is checked
 * behind them.
 */

#include "lib/config/common.h"
#include "tests/unit/unit.h"

struct conf {
    struct pl_map kafka;
    char *topic, *position_topic;
    int64_t message_bytes_max, queue_bytes_max;
    struct pl_create_topics create;
    struct {
        char *listen;
    } metrics;
    int log_level;
    int64_t start_timeout_ms, stop_timeout_ms;
};

static const struct pl_option opts[] = {
    PL_KAFKA_OPT(struct conf, 0, ""),
    PL_TOPIC_OPT("topic", struct conf, topic, "events", "Where to."),
    PL_POSITION_TOPIC_OPT(struct conf, "positions"),
    PL_BYTES_MAX_OPTS(struct conf, "The largest.", "16MiB"),
    PL_CREATE_TOPICS_OPTS(struct conf, "topic", "3", ""),
    PL_CREATE_RETENTION_OPT(struct conf, ""),
    PL_SERVICE_OPTS(struct conf, "9464", "Kafka.", "it may take."),
    PL_OPT_END,
};

static void load(const char *text, struct conf *c, struct pl_findings *errs)
{
    pl_findings_init(errs);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, strlen(text), errs);
    *c = (struct conf){0};
    pl_options_apply(opts, root, c, errs);
    pl_common_check_kafka(&c->kafka, "--sample", errs);
    pl_common_check_topics(c->topic, c->position_topic, errs);
    pl_common_check_create(&c->create, errs);
    pl_common_check_bytes(c->message_bytes_max, c->queue_bytes_max, errs);
    pl_common_check_listen(c->metrics.listen, errs);
}

#define KAFKA "kafka: {bootstrap.servers: k}\n"

START_TEST(defaults)
{
    struct conf c;
    struct pl_findings errs;
    load(KAFKA, &c, &errs);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), "");
    ck_assert_str_eq(c.topic, "events");
    ck_assert_str_eq(c.position_topic, "positions");
    ck_assert_int_eq(c.message_bytes_max, 8 << 20);
    ck_assert_int_eq(c.queue_bytes_max, 16 << 20);
    ck_assert(c.create.enabled && c.create.partitions == 3 && c.create.replication == -1);
    ck_assert_int_eq(c.create.retention_ms, 0);
    ck_assert_ptr_null(c.metrics.listen);
    ck_assert_int_eq(PL_ERROR + c.log_level, PL_INFO);
    ck_assert_int_eq(c.start_timeout_ms, 30000);
    ck_assert_int_eq(c.stop_timeout_ms, 4000);
    pl_options_release(opts, &c);
    pl_findings_release(&errs);
}
END_TEST

/* Kafka undoes a transaction for its age: one that is filled for as long is never committed. */
START_TEST(transactions)
{
    static const struct {
        const char *timeout; /* NULL: not set */
        int64_t dflt_ms, open_ms;
        const char *finding;
    } cases[] = {
        {NULL, 60000, 1000, NULL},
        {NULL, 60000, 54000, NULL},
        {NULL, 60000, 60000,
         "input: batch.age: keeps a transaction open for 60000ms, and Kafka undoes it after "
         "kafka.transaction.timeout.ms, 60000 by default: set it to at most 54000ms, or that to at "
         "least 66667 (above 900000 the broker's transaction.max.timeout.ms too)\n"},
        {"66667", 60000, 60000, NULL},
        {"66666", 60000, 60001,
         "input: batch.age: keeps a transaction open for 60001ms, and Kafka undoes it after "
         "kafka.transaction.timeout.ms, 66666: set it to at most 60000ms, or that to at least "
         "66668 "
         "(above 900000 the broker's transaction.max.timeout.ms too)\n"},
        {NULL, 900000, 870000, NULL},
        {"899999", 900000, 870000,
         "input: batch.age: keeps a transaction open for 870000ms, and Kafka undoes it after "
         "kafka.transaction.timeout.ms, 899999: set it to at most 869999ms, or that to at least "
         "900000 (above 900000 the broker's transaction.max.timeout.ms too)\n"},
        {"soon", 60000, 90000, NULL}, /* librdkafka says what is wrong with it */
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_map_entry entry = {.key = (char *)"transaction.timeout.ms",
                                     .value = (char *)cases[i].timeout};
        const struct pl_map kafka = {&entry, cases[i].timeout != NULL};
        struct pl_findings errs;
        pl_findings_init(&errs);
        pl_common_check_transaction(&kafka, cases[i].dflt_ms, "batch.age", cases[i].open_ms, &errs);
        ck_assert_str_eq(pl_buf_cstr(&errs.text), cases[i].finding ? cases[i].finding : "");
        pl_findings_release(&errs);
    }
}
END_TEST

START_TEST(findings)
{
    static const struct {
        const char *text, *finding; /* NULL: none */
    } cases[] = {
        {"topic: t\n", "input: kafka: needs bootstrap.servers, such as \"localhost:9092\" (only "
                       "--sample work without)\n"},
        {"kafka: {a: b}\n", "input: kafka: needs bootstrap.servers, such as \"localhost:9092\" "
                            "(only --sample work without)\n"},
        {"kafka: {metadata.broker.list: k}\n", NULL},
        {KAFKA "topic: positions\n", "input: position_topic: must be another topic than `topic`\n"},
        {KAFKA "create_topics: {partitions: 0}\n",
         "input: create_topics: partitions and replication are -1 (the broker's default) or at "
         "least 1\n"},
        {KAFKA "create_topics: {replication: 0}\n",
         "input: create_topics: partitions and replication are -1 (the broker's default) or at "
         "least 1\n"},
        {KAFKA "create_topics: {partitions: -1, replication: 1, retention: 3650d}\n", NULL},
        {KAFKA "message_bytes_max: 17MiB\n",
         "input: queue_bytes_max: must be at least message_bytes_max, or the largest message never "
         "fits\n"},
        {KAFKA "message_bytes_max: 16MiB\n", NULL},
        {KAFKA "metrics: {listen: nowhere}\n",
         "input: metrics.listen: 'nowhere' is not an address to listen on: use 127.0.0.1:9464, "
         "[::1]:9464 or :9464\n"},
        {KAFKA "metrics: {listen: \":9464\"}\n", NULL},
        {KAFKA "stop_timeout: 11m\n",
         "input:2:15: stop_timeout: 11m is out of range; from 100ms to 10m\n"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct conf c;
        struct pl_findings errs;
        load(cases[i].text, &c, &errs);
        ck_assert_str_eq(pl_buf_cstr(&errs.text), cases[i].finding ? cases[i].finding : "");
        pl_options_release(opts, &c);
        pl_findings_release(&errs);
    }
    struct pl_findings errs;
    pl_findings_init(&errs);
    pl_common_check_kafka(&(struct pl_map){0}, NULL, &errs);
    pl_common_check_topics(NULL, NULL, &errs); /* they have their findings */
    pl_common_check_listen(NULL, &errs);
    ck_assert_str_eq(pl_buf_cstr(&errs.text),
                     "input: kafka: needs bootstrap.servers, such as \"localhost:9092\"\n");
    pl_findings_release(&errs);
}
END_TEST

START_TEST(log_levels)
{
    static const enum pl_log_level levels[] = {PL_ERROR, PL_WARNING, PL_NOTICE, PL_INFO, PL_DEBUG};
    for (int i = 0; pl_log_level_names[i]; i++) {
        struct conf c;
        struct pl_findings errs;
        PL_FREE char *text = pl_strf(KAFKA "log_level: %s\n", pl_log_level_names[i]);
        load(text, &c, &errs);
        ck_assert_uint_eq(errs.count, 0);
        ck_assert_int_eq(PL_ERROR + c.log_level, levels[i]);
        pl_options_release(opts, &c);
        pl_findings_release(&errs);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(defaults),
        TEST(transactions),
        TEST(findings),
        TEST(log_levels),
    };
    return unit_main("common", tests, PL_COUNT(tests));
}

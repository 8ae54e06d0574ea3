/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_kafka.c - configurations, kinds of errors, start checks and topics, against librdkafka's
 * mock cluster.
 *
 * The mock keeps records like a broker but no transactions and no passwords; those are for the e2e
 * tests with a real one.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/kafka/topic.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC "positions"

/* ---- without a cluster ---- */

static const struct {
    rd_kafka_resp_err_t code;
    enum pl_err_kind kind;
} kinds[] = {
    {RD_KAFKA_RESP_ERR_NO_ERROR, PL_ERR_NONE},
    {RD_KAFKA_RESP_ERR__TRANSPORT, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR__RESOLVE, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_UNKNOWN, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, PL_ERR_RETRY}, /* a checksum that does not fit: sent again */
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, PL_ERR_RETRY},
    {(rd_kafka_resp_err_t)12345, PL_ERR_RETRY}, /* of a Kafka newer than us */
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, PL_ERR_REJECT},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, PL_ERR_REJECT},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, PL_ERR_REJECT},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, PL_ERR_REJECT},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR__SSL, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, PL_ERR_CONFIG},
    {RD_KAFKA_RESP_ERR__FATAL, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR__FENCED, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, PL_ERR_FENCED},
};

START_TEST(each_error_has_its_kind)
{
    struct pl_err err;

    ck_assert_msg(pl_kafka_err_kind(kinds[_i].code) == kinds[_i].kind, "%s: %s",
                  rd_kafka_err2name(kinds[_i].code),
                  pl_err_kind_name(pl_kafka_err_kind(kinds[_i].code)));
    ck_assert_int_eq(pl_kafka_err(&err, kinds[_i].code, "topic \"%s\"", "x"), -1);
    ck_assert_int_eq(err.kind, kinds[_i].kind);
    ck_assert_int_eq(err.code, kinds[_i].code);
    ck_assert_msg(strncmp(err.msg, "topic \"x\": ", 11) == 0, "%s", err.msg);
}
END_TEST

static const char *const conf_defaults[] = {"linger.ms", "7", "client.id", "check", NULL};
static const char *const conf_forced[] = {"acks", "all", "enable.idempotence", "true", NULL};

/* The servers and one more property. */
static rd_kafka_conf_t *conf_with(const char *key, const char *value, bool secret,
                                  struct pl_kafka_health *health, struct pl_err *err)
{
    struct pl_map_entry entries[] = {
        {.key = (char *)"bootstrap.servers", .value = (char *)"127.0.0.1:1", .line = 3},
        {.key = (char *)key, .value = (char *)value, .secret = secret, .line = 4}};
    const struct pl_map map = {entries, key ? 2 : 1};

    return pl_kafka_conf_new(&map, conf_defaults, conf_forced, health, err);
}

static const struct {
    const char *key, *value, *name, *expected; /* what `name` is in the end */
} good_confs[] = {
    {NULL, NULL, "bootstrap.servers", "127.0.0.1:1"},
    {NULL, NULL, "linger.ms", "7"},
    {NULL, NULL, "socket.nagle.disable", "true"},
    {"socket.nagle.disable", "false", "socket.nagle.disable", "false"},
    {"linger.ms", "9", "linger.ms", "9"},
    {"queue.buffering.max.ms", "9", "linger.ms", "9"}, /* librdkafka's alias */
    {NULL, NULL, "acks", "-1"},
    {"acks", "-1", "acks", "-1"}, /* the same by another word */
    {"acks", "all", "acks", "-1"},
    {"request.required.acks", "all", "acks", "-1"},
    {"enable.idempotence", "t", "enable.idempotence", "true"},
    {"message.timeout.ms", "1234", "message.timeout.ms", "1234"}, /* a topic's property */
    {"sasl.password", "pw", "sasl.password", "pw"},
};

START_TEST(good_configurations)
{
    struct pl_kafka_health health = {0};
    struct pl_err err = {0};
    char got[256] = "";
    size_t size = sizeof(got);
    rd_kafka_conf_t *conf =
        conf_with(good_confs[_i].key, good_confs[_i].value, false, &health, &err);

    ck_assert_msg(conf != NULL, "%s", err.msg);
    ck_assert_int_eq(rd_kafka_conf_get(conf, good_confs[_i].name, got, &size), RD_KAFKA_CONF_OK);
    ck_assert_str_eq(got, good_confs[_i].expected);
    rd_kafka_conf_destroy(conf);
}
END_TEST

#define OIDC "sasl.oauthbearer."

/* librdkafka may not know them: they are taken by lib/kafka/oauth.h, and hidden. */
START_TEST(oidc_is_ours)
{
    struct pl_map_entry entries[] = {
        {.key = (char *)"bootstrap.servers", .value = (char *)"127.0.0.1:1", .line = 3},
        {.key = (char *)OIDC "method", .value = (char *)"oidc", .line = 4},
        {.key = (char *)OIDC "token.endpoint.url", .value = (char *)"https://k/token", .line = 5},
        {.key = (char *)OIDC "client.id", .value = (char *)"me", .line = 6},
        {.key = (char *)OIDC "client.secret", .value = (char *)"hush", .secret = true, .line = 7}};
    struct pl_kafka_health health = {0};
    struct pl_err err = {0};
    for (size_t n = 2; n <= PL_COUNT(entries); n++) {
        const struct pl_map map = {entries, n};
        rd_kafka_conf_t *conf = pl_kafka_conf_new(&map, NULL, NULL, &health, &err);
        ck_assert_msg((conf != NULL) == (n == PL_COUNT(entries)), "%zu: %s", n, err.msg);
        if (!conf) {
            ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
            ck_assert_ptr_nonnull(strstr(err.msg, entries[n].key));
            continue;
        }
        char config[256] = "";
        size_t size = sizeof(config);
        ck_assert_int_eq(rd_kafka_conf_get(conf, OIDC "config", config, &size), RD_KAFKA_CONF_OK);
        ck_assert_str_eq(config, "https://k/token\nme\nhush\n\n\n");
        rd_kafka_conf_destroy(conf);
    }
    entries[3].value = (char *)"two\nlines";
    const struct pl_map map = {entries, PL_COUNT(entries)};
    ck_assert_ptr_null(pl_kafka_conf_new(&map, NULL, NULL, &health, &err));
    ck_assert_ptr_nonnull(strstr(err.msg, OIDC "client.id: must be one line"));
}
END_TEST

static const struct {
    const char *key, *value;
    bool secret;
    const char *says, *not_says;
} bad_confs[] = {
    {"compresion.type", "lz4", false, "No such configuration property", NULL},
    {"compression.type", "lzma", false, "kafka.compression.type (line 4)", NULL},
    {"linger.ms", "soon", false, "kafka.linger.ms (line 4)", NULL},
    {"linger.ms", "hush", true, "not shown", "hush"},
    {"acks", "1", false, "kafka.acks (line 4) is set by ", NULL},
    {"request.required.acks", "1", false, "kafka.request.required.acks (line 4) is set by", NULL},
    {"enable.idempotence", "false", false, "is set by", NULL},
    {"log_cb", "x", false, "log_cb", NULL},
};

START_TEST(bad_configurations)
{
    struct pl_kafka_health health = {0};
    struct pl_err err = {0};

    ck_assert_ptr_null(
        conf_with(bad_confs[_i].key, bad_confs[_i].value, bad_confs[_i].secret, &health, &err));
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(err.code, 0); /* ours, not the far side's (lib/service/ends.h) */
    ck_assert_msg(strstr(err.msg, bad_confs[_i].says) != NULL, "%s", err.msg);
    if (bad_confs[_i].not_says)
        ck_assert_msg(strstr(err.msg, bad_confs[_i].not_says) == NULL, "%s", err.msg);
}
END_TEST

START_TEST(servers_are_required)
{
    struct pl_kafka_health health = {0};
    struct pl_err err = {0};
    const struct pl_map map = {0};

    ck_assert_ptr_null(pl_kafka_conf_new(&map, conf_defaults, conf_forced, &health, &err));
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "bootstrap.servers"));
}
END_TEST

START_TEST(a_client_that_librdkafka_refuses)
{
    struct pl_kafka_health health = {0};
    struct pl_err err = {0};
    /* Each is fine alone; rd_kafka_new() finds that they contradict each other. */
    rd_kafka_conf_t *conf = conf_with("retries", "0", false, &health, &err);

    ck_assert_ptr_nonnull(conf);
    ck_assert_ptr_null(pl_kafka_new(RD_KAFKA_PRODUCER, conf, &err));
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "retries"));
}
END_TEST

/* A port of this machine that nobody listens on while the socket is held. */
static int port_reserve(int *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

START_TEST(nobody_listens)
{
    struct pl_kafka_health health = {0};
    struct pl_err err = {0};
    char servers[64], text[256];
    int port, fd = port_reserve(&port);

    snprintf(servers, sizeof(servers), "127.0.0.1:%d", port);
    struct pl_map_entry entry = {.key = (char *)"bootstrap.servers", .value = servers};
    const struct pl_map map = {&entry, 1};
    rd_kafka_conf_t *conf = pl_kafka_conf_new(&map, NULL, NULL, &health, &err);
    ck_assert_msg(conf != NULL, "%s", err.msg);
    rd_kafka_t *rk = pl_kafka_new(_i ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, &err);
    ck_assert_msg(rk != NULL, "%s", err.msg);
    ck_assert_int_eq(pl_kafka_probe(rk, &health, servers, 1500, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, servers) && strstr(err.msg, "bootstrap.servers") &&
                      strstr(err.msg, "refused"),
                  "%s", err.msg);
    ck_assert(pl_kafka_health_text(&health, 60000, text));
    ck_assert_ptr_nonnull(strstr(text, "refused"));
    ck_assert(!health.fatal);
    rd_kafka_destroy(rk);
    close(fd);
}
END_TEST

/* ---- with a mock cluster ---- */

static struct kafka_mock mock;
static struct pl_kafka_health health_;

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 3);
    /* A daemon's map is written for a producer; reading from it must do as well. */
    kafka_mock_set(&mock, "linger.ms", "0");
    memset(&health_, 0, sizeof(health_));
}

static rd_kafka_t *producer_new(void)
{
    struct pl_err err;
    rd_kafka_conf_t *conf = pl_kafka_conf_new(&mock.map, NULL, NULL, &health_, &err);

    ck_assert_msg(conf != NULL, "%s", err.msg);
    rd_kafka_t *rk = pl_kafka_new(RD_KAFKA_PRODUCER, conf, &err);
    ck_assert_msg(rk != NULL, "%s", err.msg);
    return rk;
}

START_TEST(a_broker_answers)
{
    struct pl_err err = {0};
    int partitions = -1;
    rd_kafka_t *rk = producer_new();

    ck_assert_msg(pl_kafka_probe(rk, &health_, "mock", 10000, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(pl_kafka_topic_exists(rk, TOPIC, 5000, &partitions, &err), 1);
    ck_assert_int_eq(partitions, 3);
    rd_kafka_destroy(rk);
}
END_TEST

START_TEST(an_existing_topic_is_ensured)
{
    const struct pl_kafka_topic_spec spec = {TOPIC, -1, -1, NULL};
    struct pl_err err = {0};
    bool created = true;
    rd_kafka_t *rk = producer_new();

    ck_assert_msg(pl_kafka_topic_ensure(rk, &spec, 10000, &created, &err) == 0, "%s", err.msg);
    ck_assert(!created);
    rd_kafka_destroy(rk);
}
END_TEST

START_TEST(a_topic_without_leader_is_waited_for)
{
    const struct pl_kafka_topic_spec spec = {TOPIC, -1, -1, NULL};
    struct pl_err err = {0};
    rd_kafka_t *rk = producer_new();

    rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, 1, -1);
    ck_assert_int_eq(pl_kafka_topic_ensure(rk, &spec, 500, NULL, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(err.msg, TOPIC));
    rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, 1, 1);
    ck_assert_msg(pl_kafka_topic_ensure(rk, &spec, 10000, NULL, &err) == 0, "%s", err.msg);
    rd_kafka_destroy(rk);
}
END_TEST

static void *broker_up_later(void *arg)
{
    (void)arg;
    poll(NULL, 0, 1000);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    return NULL;
}

/* A connection that is lost while a start asks is no reason to end it. */
START_TEST(a_lost_connection_is_waited_for)
{
    struct pl_err err = {0};
    pthread_t thread;
    rd_kafka_t *rk = producer_new();

    ck_assert_done(pl_kafka_probe(rk, &health_, "mock", 10000, &err), err);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, broker_up_later, NULL), 0);
    ck_assert_msg(pl_kafka_topic_exists(rk, TOPIC, 30000, NULL, &err) == 1, "%s", err.msg);
    pthread_join(thread, NULL);
    rd_kafka_destroy(rk);
}
END_TEST

START_TEST(a_topic_that_is_not_allowed)
{
    struct pl_err err = {0};
    rd_kafka_t *rk = producer_new();

    rd_kafka_mock_topic_set_error(mock.cluster, TOPIC,
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(pl_kafka_topic_exists(rk, TOPIC, 5000, NULL, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    rd_kafka_destroy(rk);
}
END_TEST

static const struct slice_case {
    int64_t waited_ms, left_ms;
    int slice_ms;
} slice_cases[] = {
    {0, 30000, 200},   {150, 29850, 200},   {200, 29800, 200},   {400, 29600, 400},
    {800, 29200, 800}, {1900, 28100, 1900}, {2000, 28000, 2000}, {9000, 21000, 2000},
    {29900, 100, 100}, {0, 50, 50},         {30000, 0, 0},
};

START_TEST(slice)
{
    const struct slice_case *c = &slice_cases[_i];

    ck_assert_int_eq(pl_kafka_slice_ms(c->waited_ms, c->left_ms), c->slice_ms);
}
END_TEST

START_TEST(servers)
{
    struct pl_map_entry v[] = {{.key = (char *)"client.id", .value = (char *)"x"},
                               {.key = (char *)"metadata.broker.list", .value = (char *)"a:1"}};

    ck_assert_str_eq(pl_kafka_servers(&(struct pl_map){v, 2}), "a:1");
    v[1].key = (char *)"bootstrap.servers";
    ck_assert_str_eq(pl_kafka_servers(&(struct pl_map){v, 2}), "a:1");
    ck_assert_str_eq(pl_kafka_servers(&(struct pl_map){v, 1}), "(not set)");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("no cluster"),
        TEST(slice, .count = PL_COUNT(slice_cases)),
        TEST(servers),
        TEST(each_error_has_its_kind, .count = PL_COUNT(kinds)),
        TEST(good_configurations, .count = PL_COUNT(good_confs)),
        TEST(oidc_is_ours),
        TEST(bad_configurations, .count = PL_COUNT(bad_confs)),
        TEST(servers_are_required),
        TEST(a_client_that_librdkafka_refuses),
        TEST(nobody_listens, .count = 2),
        TCASE("mock cluster", .set_up = set_up),
        TEST(a_broker_answers),
        TEST(an_existing_topic_is_ensured),
        TEST(a_topic_without_leader_is_waited_for),
        TEST(a_lost_connection_is_waited_for),
        TEST(a_topic_that_is_not_allowed),
    };
    return unit_main("kafka", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_transaction.c - the transactional calls on a thread that waits, against librdkafka's mock
 * cluster. What each broker error comes to is in check_producer.c, which goes the same way. The
 * mock keeps no transactions and fences nobody by itself: real ones are for the e2e tests.
 */
#include "lib/base/clock.h"
#include "lib/kafka/transaction.h"
#include "tests/unit/kafka_mock.h"

#define TOPIC "events"
#define GROUP "readers"

/* Kafka's request types (protocol, "api_key"). */
enum { API_ADD_PARTITIONS = 24, API_END_TXN = 26, API_TXN_OFFSET_COMMIT = 28 };

static struct kafka_mock mock;
static struct pl_txn txn;
static struct pl_err err;
static rd_kafka_topic_partition_list_t *offsets;
static rd_kafka_consumer_group_metadata_t *group;

/* How often a wait is asked whether to go on, and what it was told. */
static struct waiting {
    unsigned asked, limit;
    char why[256];
} waiting;
static struct pl_deadline deadline;

static bool go_on(void *userdata, const char *why)
{
    struct waiting *w = userdata;

    snprintf(w->why, sizeof(w->why), "%s", why);
    return ++w->asked < w->limit;
}

static const struct pl_txn_wait patient = {.go_on = go_on,
                                           .userdata = &waiting,
                                           .timeout_ms = -1,
                                           .deadline = &deadline,
                                           .doing = "testing"};

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 1);
    kafka_mock_set(&mock, "retry.backoff.ms", "20");
    kafka_mock_set(&mock, "reconnect.backoff.max.ms", "200");
    kafka_mock_set(&mock, "group.id", GROUP);
    offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(offsets, TOPIC, 0);
    tp->offset = 42;
    tp->metadata = pl_strdup("note");
    tp->metadata_size = strlen("note");
    group = rd_kafka_consumer_group_metadata_new(GROUP);
    waiting = (struct waiting){.limit = 30};
}

static void tear_down(void)
{
    pl_txn_close(&txn);
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_consumer_group_metadata_destroy(group);
}

static void open_one(struct pl_txn *t)
{
    const struct pl_producer_conf conf = {.kafka = &mock.map,
                                          .borrowed_map = true,
                                          .transactional_id = "check-1",
                                          .client_id = "check",
                                          .message_bytes_max = 10000,
                                          .transaction_timeout_ms = 12345};

    ck_assert_msg(pl_txn_open(t, &conf, false, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(t->timeout_ms, 12345);
}

static void ready(void)
{
    open_one(&txn);
    ck_assert_msg(pl_txn_init(&txn, &patient, &err) == 0, "%s", err.msg);
}

static void send_some(struct pl_txn *t, unsigned n)
{
    const struct pl_header headers[] = {{"source", "check", 5}, {"none", NULL, 0}};
    const struct pl_message m = {.topic = TOPIC,
                                 .key = "key",
                                 .key_len = 3,
                                 .value = "value",
                                 .value_len = 5,
                                 .headers = headers,
                                 .headers_n = 2};

    ck_assert_msg(pl_txn_begin(t, &err) == 0, "%s", err.msg);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(pl_txn_send(t, &m, &err), PL_SEND_OK);
    ck_assert_uint_eq(t->sent, n);
    ck_assert_uint_eq(t->bytes, n * (3 + 5 + 6 + 5 + 4));
}

static int send_offsets(void)
{
    return pl_txn_send_offsets(&txn, offsets, group, 10000, &err);
}

START_TEST(commits_and_aborts)
{
    ready();
    for (unsigned round = 0; round < 2; round++) {
        send_some(&txn, 5);
        ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_COMMITTED);
        ck_assert_uint_eq(txn.outstanding + txn.queued_bytes + txn.failed, 0);
        send_some(&txn, 3);
        ck_assert_int_eq(pl_txn_abort(&txn, &patient, &err), PL_TXN_ABORTED);
        ck_assert_uint_eq(txn.outstanding + txn.queued_bytes, 0);
        ck_assert_int_eq(txn.cause.kind, PL_ERR_NONE); /* thrown away is not refused */
    }
    ck_assert_str_eq(deadline.doing, "testing");
    ck_assert(!pl_txn_is_dead(&txn, &err));
    pl_txn_close(&txn);
    ck_assert_ptr_null(txn.rk);
    ready(); /* again, with the same id */
    send_some(&txn, 1);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_COMMITTED);
}
END_TEST

START_TEST(offsets_are_part_of_it)
{
    ready();
    send_some(&txn, 2);
    ck_assert(!txn.has_offsets);
    ck_assert_msg(send_offsets() == 0, "%s", err.msg);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_COMMITTED);
    send_some(&txn, 1);
    ck_assert(!txn.has_offsets);
}
END_TEST

static const struct membership {
    rd_kafka_resp_err_t code;
    enum pl_err_kind kind;
} memberships[] = {
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, PL_ERR_FATAL},
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, PL_ERR_RETRY},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, PL_ERR_CONFIG},
};

START_TEST(offsets_of_a_member_that_is_none)
{
    const struct membership *c = &memberships[_i];

    ready();
    send_some(&txn, 2);
    rd_kafka_mock_push_request_errors(mock.cluster, API_TXN_OFFSET_COMMIT, 1, c->code);
    ck_assert_int_eq(send_offsets(), -1);
    ck_assert_msg(err.kind == c->kind && err.code == (int)c->code, "%s %d: %s",
                  pl_err_kind_name(err.kind), err.code, err.msg);
    ck_assert_int_eq(pl_txn_abort(&txn, &patient, &err), PL_TXN_ABORTED);
    send_some(&txn, 2);
    ck_assert(!txn.has_offsets);
    ck_assert_msg(send_offsets() == 0, "%s", err.msg);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_COMMITTED);
}
END_TEST

START_TEST(fenced)
{
    ready();
    send_some(&txn, 1);
    rd_kafka_mock_push_request_errors(mock.cluster, API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_FAILED);
    ck_assert_int_eq(err.kind, PL_ERR_FENCED);
    ck_assert_msg(strstr(err.msg, "another instance with transactional.id check-1 took over"), "%s",
                  err.msg);
    err = (struct pl_err){0};
    ck_assert(pl_txn_is_dead(&txn, &err));
    ck_assert_msg(strstr(err.msg, "took over"), "%s", err.msg);
    ck_assert_int_eq(pl_txn_begin(&txn, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_FENCED);
    ck_assert_int_eq(pl_txn_abort(&txn, &patient, &err), PL_TXN_FAILED);
    pl_txn_close(&txn);
    ready(); /* a new client, which fences the other in turn */
    send_some(&txn, 1);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_COMMITTED);
}
END_TEST

/* The coordinator ends a transaction for its age, as after a machine slept, and then refuses the
 * producer like a fenced one: a restart fixes that. */
START_TEST(undone_for_its_age)
{
    ready();
    send_some(&txn, 1);
    txn.begun_ms -= txn.timeout_ms + 1;
    rd_kafka_mock_push_request_errors(mock.cluster, API_END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_FAILED);
    ck_assert_int_eq(err.kind, PL_ERR_FATAL);
    ck_assert_msg(strstr(err.msg, "has undone the transaction"), "%s", err.msg);
}
END_TEST

/* All messages are in the log, and the broker does not say whether it has ended the transaction;
 * the same where there are only offsets. */
START_TEST(an_unknown_end)
{
    ready();
    send_some(&txn, _i == 0 ? 2 : 0);
    if (_i > 0)
        ck_assert_msg(send_offsets() == 0, "%s", err.msg);
    rd_kafka_mock_push_request_errors(mock.cluster, API_END_TXN, 1, RD_KAFKA_RESP_ERR_UNKNOWN);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_UNKNOWN);
    ck_assert_int_eq(err.code, RD_KAFKA_RESP_ERR_UNKNOWN);
    ck_assert_int_eq(pl_txn_abort(&txn, &patient, &err), PL_TXN_ABORTED);
    send_some(&txn, 1);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_COMMITTED);
}
END_TEST

/* The transaction fails in the background; the next call hears only that it has, a commit why. */
START_TEST(a_refusal_says_why)
{
    ready();
    rd_kafka_mock_push_request_errors(mock.cluster, API_ADD_PARTITIONS, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    send_some(&txn, 1);
    int64_t end_ms = pl_clock_monotonic_ms() + 30000;
    const struct pl_message m = {.topic = TOPIC, .value = "v", .value_len = 1};
    while (pl_txn_send(&txn, &m, &err) == PL_SEND_OK) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        rd_kafka_poll(txn.rk, 10);
    }
    ck_assert_msg(err.kind == PL_ERR_RETRY && err.code == RD_KAFKA_RESP_ERR__STATE, "%s", err.msg);
    ck_assert_int_eq(send_offsets(), -1); /* that one may know why already */
    ck_assert_int_eq(err.kind, err.code == RD_KAFKA_RESP_ERR__STATE ? PL_ERR_RETRY : PL_ERR_CONFIG);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_REFUSED);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(err.code, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(pl_txn_abort(&txn, &patient, &err), PL_TXN_ABORTED);
}
END_TEST

START_TEST(waiting_ends_when_asked)
{
    struct pl_txn_wait impatient = patient;

    ready();
    send_some(&txn, 1);
    rd_kafka_mock_broker_set_down(mock.cluster, -1);
    waiting = (struct waiting){.limit = 2};
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_STOPPED);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_uint_eq(waiting.asked, 2);
    ck_assert_str_eq(waiting.why, "1 messages are not acknowledged");
    pl_txn_close(&txn);

    open_one(&txn);
    waiting = (struct waiting){.limit = 2};
    ck_assert_int_eq(pl_txn_init(&txn, &patient, &err), -1);
    ck_assert_str_eq(err.msg, "stopped while waiting for Kafka");
    int64_t began_ms = pl_clock_monotonic_ms();
    waiting = (struct waiting){.limit = 1000};
    impatient.timeout_ms = 600;
    ck_assert_int_eq(pl_txn_init(&txn, &impatient, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, "transactional.id check-1 begin within 600 ms"), "%s", err.msg);
    ck_assert_int_ge(pl_clock_monotonic_ms() - began_ms, 600);
    rd_kafka_mock_broker_set_up(mock.cluster, -1); /* and the call that was left alone goes on */
    ck_assert_msg(pl_txn_init(&txn, &patient, &err) == 0, "%s", err.msg);
}
END_TEST

START_TEST(properties)
{
    static const struct {
        const char *key, *value, *name, *expected; /* NULL: refused, err says the name */
    } cases[] = {
        {"client.id", "mine", "client.id", "mine"},
        {"linger.ms", "7", "linger.ms", "7"},
        {"partitioner", "random", "partitioner", "random"},
        {"transaction.timeout.ms", "54321", "transaction.timeout.ms", "54321"},
        {"session.timeout.ms", "9000", "linger.ms", "50"}, /* a consumer's: ignored */
        {"session.timeout.ms", "9000", "compression.type", "lz4"},
        {"session.timeout.ms", "9000", "partitioner", "murmur2_random"},
        {"session.timeout.ms", "9000", "allow.auto.create.topics", "false"},
        {"session.timeout.ms", "9000", "transaction.timeout.ms", "60000"},
        {"session.timeout.ms", "9000", "acks", "-1"},
        {"session.timeout.ms", "9000", "enable.idempotence", "true"},
        {"session.timeout.ms", "9000", "transactional.id", "check-2"},
        {"acks", "1", "kafka.acks", NULL},
        {"enable.idempotence", "false", "kafka.enable.idempotence", NULL},
        {"transactional.id", "mine", "kafka.transactional.id", NULL},
    };
    char got[64];

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_map_entry v[] = {mock.settings[0],
                                   {.key = (char *)cases[i].key, .value = (char *)cases[i].value}};
        const struct pl_map map = {v, 2};
        const struct pl_producer_conf conf = {.kafka = &map,
                                              .borrowed_map = true,
                                              .transactional_id = "check-2",
                                              .client_id = "check"};
        int rc = pl_txn_open(&txn, &conf, false, &err);
        if (!cases[i].expected) {
            ck_assert_int_eq(rc, -1);
            ck_assert_msg(strstr(err.msg, cases[i].name) != NULL, "%s", err.msg);
            ck_assert_ptr_null(txn.rk);
            continue;
        }
        size_t size = sizeof(got);
        ck_assert_msg(rc == 0, "%s", err.msg);
        rd_kafka_conf_get(rd_kafka_conf(txn.rk), cases[i].name, got, &size);
        ck_assert_str_eq(got, cases[i].expected);
        pl_txn_close(&txn);
    }
}
END_TEST

/* All that a consumer may have in its map, at values that are not the defaults. */
START_TEST(properties_of_a_consumer)
{
    static const char *const pairs[][2] = {
        {"group.id", "g"},
        {"group.instance.id", "i"},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"session.timeout.ms", "6000"},
        {"heartbeat.interval.ms", "1000"},
        {"group.protocol.type", "consumer"},
        {"max.poll.interval.ms", "400000"},
        {"auto.commit.interval.ms", "1000"},
        {"auto.offset.reset", "earliest"},
        {"isolation.level", "read_committed"},
        {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"},
        {"queued.min.messages", "1000"},
        {"queued.max.messages.kbytes", "1024"},
        {"fetch.wait.max.ms", "100"},
        {"fetch.message.max.bytes", "100000"},
        {"max.partition.fetch.bytes", "100000"},
        {"fetch.max.bytes", "1000000"},
        {"fetch.min.bytes", "2"},
        {"fetch.error.backoff.ms", "100"},
        {"check.crcs", "true"},
        {"coordinator.query.interval.ms", "1000"},
        {"offset.store.method", "broker"},
    };
    struct pl_map_entry v[PL_COUNT(pairs) + 1] = {mock.settings[0]};
    const struct pl_map map = {v, PL_COUNT(v)};
    const struct pl_producer_conf conf = {
        .kafka = &map, .borrowed_map = true, .transactional_id = "check-1", .client_id = "check"};

    for (size_t i = 0; i < PL_COUNT(pairs); i++)
        v[i + 1] = (struct pl_map_entry){.key = (char *)pairs[i][0], .value = (char *)pairs[i][1]};
    ck_assert_msg(pl_txn_open(&txn, &conf, false, &err) == 0, "%s", err.msg);
    ck_assert_msg(pl_txn_init(&txn, &patient, &err) == 0, "%s", err.msg);
    send_some(&txn, 1);
    ck_assert_int_eq(pl_txn_commit(&txn, &patient, &err), PL_TXN_COMMITTED);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up, .tear_down = tear_down),
        TEST(commits_and_aborts),
        TEST(offsets_are_part_of_it),
        TEST(offsets_of_a_member_that_is_none, .count = PL_COUNT(memberships)),
        TEST(fenced),
        TEST(undone_for_its_age),
        TEST(an_unknown_end, .count = 2),
        TEST(a_refusal_says_why),
        TEST(waiting_ends_when_asked),
        TEST(properties),
        TEST(properties_of_a_consumer),
    };
    return unit_main("transaction", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_producer.c - the transactional producer against librdkafka's mock cluster, which answers
 * with the errors it is told to.
 *
 * A fixture owns the mock cluster, the loop and a record of the callbacks; a test runs the loop
 * until the record says what it waits for. What a real broker makes of transactions (isolation,
 * fencing, crashes) is for the e2e tests: the mock keeps no transactions.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/kafka/producer.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC   "events"
#define WAIT_MS 30000 /* the limit of a wait: only a failing test meets it */

/* Kafka's request types (protocol, "api_key"). */
enum { API_PRODUCE = 0, API_INIT_PRODUCER_ID = 22, API_ADD_PARTITIONS = 24, API_END_TXN = 26 };

struct record {
    unsigned committed, aborted, stalled, recovered, room, failed, delivered;
    uint64_t messages, bytes;
    struct pl_err err; /* of the last aborted, stalled or failed */
};

static struct kafka_mock mock;
static struct pl_daemon *daemon_;
static struct record record;

static void on_committed(void *userdata, uint64_t messages, uint64_t bytes, int64_t duration_ms)
{
    struct record *r = userdata;

    ck_assert_int_ge(duration_ms, 0);
    r->messages = messages;
    r->bytes = bytes;
    r->committed++;
}

static void on_aborted(void *userdata, const struct pl_err *why)
{
    struct record *r = userdata;

    r->err = *why;
    r->aborted++;
}

static void on_recovered(void *userdata)
{
    ((struct record *)userdata)->recovered++;
}

static void on_stalled(void *userdata, const struct pl_err *why)
{
    struct record *r = userdata;

    r->err = *why;
    r->stalled++;
}

static void on_room(void *userdata)
{
    ((struct record *)userdata)->room++;
}

static void on_failed(void *userdata, const struct pl_err *err)
{
    struct record *r = userdata;

    r->err = *err;
    r->failed++;
}

static void on_delivered(void *userdata, const rd_kafka_message_t *message)
{
    ck_assert_int_ge(message->offset, 0);
    ((struct record *)userdata)->delivered++;
}

static const struct pl_producer_ops ops = {
    .on_committed = on_committed,
    .on_aborted = on_aborted,
    .on_stalled = on_stalled,
    .on_recovered = on_recovered,
    .on_room = on_room,
    .on_failed = on_failed,
    .on_delivered = on_delivered,
};
static const struct pl_daemon_ops daemon_ops;

static void set_up(void)
{
    struct pl_err err;

    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 2);
    /* Errors are to be seen soon. */
    kafka_mock_set(&mock, "retry.backoff.ms", "20");
    kafka_mock_set(&mock, "reconnect.backoff.max.ms", "200");
    memset(&record, 0, sizeof(record));
    ck_assert_msg(pl_daemon_new(&daemon_ops, NULL, 1000, &daemon_, &err) == 0, "%s", err.msg);
}

static void tear_down(void)
{
    pl_daemon_free(daemon_);
}

static struct pl_producer *producer_make(const char *transactional_id, struct record *r,
                                         struct pl_err *err)
{
    const struct pl_producer_conf conf = {.kafka = &mock.map,
                                          .transactional_id = transactional_id,
                                          .client_id = "check",
                                          .queue_bytes_max = 64 * 1024,
                                          .message_bytes_max = 10000};
    struct pl_producer *p = NULL;

    return pl_producer_new(daemon_, &conf, &ops, r, 20000, &p, err) == 0 ? p : NULL;
}

static struct pl_producer *producer_good(void)
{
    struct pl_err err = {0};
    struct pl_producer *p = producer_make("check-1", &record, &err);

    ck_assert_msg(p != NULL, "%s", err.msg);
    ck_assert_int_eq(pl_producer_state(p), PL_PRODUCER_IDLE);
    return p;
}

static void run_until(const unsigned *counter, unsigned value)
{
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;

    while (*counter < value) {
        ck_assert_int_ge(sd_event_run(pl_daemon_event(daemon_), 100000), 0);
        ck_assert_msg(pl_clock_monotonic_ms() < end,
                      "waited in vain: %u committed, %u aborted, %u stalled, %u failed (%s)",
                      record.committed, record.aborted, record.stalled, record.failed,
                      record.err.msg);
    }
}

/* Until the transaction has ended, one way or another. */
static void run_until_ended(void)
{
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;

    while (record.committed + record.aborted + record.failed == 0) {
        ck_assert_int_ge(sd_event_run(pl_daemon_event(daemon_), 100000), 0);
        ck_assert_msg(pl_clock_monotonic_ms() < end, "the transaction does not end");
    }
}

static enum pl_send_result send_bytes(struct pl_producer *p, const char *key, size_t len,
                                      struct pl_err *err)
{
    static char value[100000];
    const struct pl_header headers[] = {{"source", "check", 5}};
    const struct pl_message m = {.topic = TOPIC,
                                 .key = key,
                                 .key_len = strlen(key),
                                 .value = value,
                                 .value_len = len,
                                 .headers = headers,
                                 .headers_n = 1};

    return pl_producer_send(p, &m, err);
}

static void send_good(struct pl_producer *p, unsigned n)
{
    struct pl_err err;

    ck_assert_msg(pl_producer_begin(p, &err) == 0, "%s", err.msg);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(send_bytes(p, "key", 100, &err), PL_SEND_OK);
}

START_TEST(commits_what_was_sent)
{
    struct pl_producer *p = producer_good();

    for (unsigned round = 1; round <= 3; round++) {
        send_good(p, 10);
        ck_assert_int_eq(pl_producer_state(p), PL_PRODUCER_OPEN);
        pl_producer_commit(p);
        ck_assert_int_eq(pl_producer_state(p), PL_PRODUCER_BUSY);
        run_until(&record.committed, round);
        ck_assert_int_eq(pl_producer_state(p), PL_PRODUCER_IDLE);
        ck_assert_uint_eq(record.messages, 10);
        ck_assert_uint_eq(record.bytes, 10 * (3 + 100 + 6 + 5));
        ck_assert_uint_eq(record.delivered, 10 * round);
        ck_assert_uint_eq(pl_producer_queued_bytes(p), 0);
    }
    ck_assert_uint_eq(record.aborted + record.failed, 0);
    pl_producer_free(p);
}
END_TEST

START_TEST(commits_nothing)
{
    struct pl_producer *p = producer_good();

    send_good(p, 0);
    pl_producer_commit(p);
    run_until(&record.committed, 1);
    ck_assert_uint_eq(record.messages, 0);
    pl_producer_free(p);
}
END_TEST

START_TEST(aborts_with_the_reason)
{
    struct pl_producer *p = producer_good();
    struct pl_err why;

    send_good(p, 10);
    pl_err_set(&why, PL_ERR_RETRY, 42, "the source was cut");
    pl_producer_abort(p, &why);
    pl_producer_abort(p, NULL); /* ignored, as is: */
    pl_producer_commit(p);
    run_until(&record.aborted, 1);
    ck_assert_str_eq(record.err.msg, "the source was cut");
    ck_assert_int_eq(record.err.code, 42);
    ck_assert_uint_eq(pl_producer_queued_bytes(p), 0);
    send_good(p, 1);
    pl_producer_commit(p);
    run_until(&record.committed, 1);
    ck_assert_uint_eq(record.messages, 1);
    pl_producer_free(p);
}
END_TEST

/* What a transaction of three messages comes to when the broker answers with an error. */
static const struct {
    int api;
    rd_kafka_resp_err_t code;
    unsigned times;
    enum { COMMITTED, ABORTED, FAILED } outcome;
    enum pl_err_kind kind;
    const char *says;
} faults[] = {
    {API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 3, COMMITTED, 0, NULL},
    {API_END_TXN, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 2, COMMITTED, 0, NULL},
    {API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2, COMMITTED, 0, NULL},
    {API_END_TXN, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, 2, COMMITTED, 0, NULL},
    {API_END_TXN, RD_KAFKA_RESP_ERR__TRANSPORT, 2, COMMITTED, 0, NULL},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, 1, FAILED, PL_ERR_FATAL, "cannot go on"},
    {API_END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, FAILED, PL_ERR_FENCED,
     "another instance with transactional.id check-1 took over"},
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, FAILED, PL_ERR_FENCED, "took over"},
    {API_END_TXN, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1, FAILED, PL_ERR_CONFIG,
     "uthorization"},
    /* The broker refused, but an attempt before this one may have got through. */
    {API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, 1, FAILED, PL_ERR_FATAL,
     "not known whether"},
    {API_END_TXN, RD_KAFKA_RESP_ERR_UNKNOWN, 1, FAILED, PL_ERR_FATAL, "not known whether"},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, 2, COMMITTED, 0, NULL},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, 2, COMMITTED, 0, NULL},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1, ABORTED, PL_ERR_CONFIG,
     "uthorization"},
    {API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1, FAILED, PL_ERR_FENCED, "took over"},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 2, COMMITTED, 0, NULL},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 2, COMMITTED, 0, NULL},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 2, COMMITTED, 0, NULL},
    {API_PRODUCE, RD_KAFKA_RESP_ERR__TRANSPORT, 2, COMMITTED, 0, NULL},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1, ABORTED, PL_ERR_CONFIG,
     "topic \"" TOPIC "\""},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, 1, ABORTED, PL_ERR_CONFIG,
     "did not take a message"},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1, ABORTED, PL_ERR_CONFIG,
     "max.message.bytes"},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1, FAILED, PL_ERR_FATAL,
     "sequence desynchronization"},
    {API_PRODUCE, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, 1, ABORTED, PL_ERR_RETRY, NULL},
};

/* The producer is good for more transactions. After a batch was refused librdkafka misses its
 * sequence numbers and gives up one more transaction to get a new epoch. */
static void goes_on(struct pl_producer *p, rd_kafka_resp_err_t code)
{
    struct pl_err err;

    for (int tries = 0; tries < 3; tries++) {
        memset(&record, 0, sizeof(record));
        ck_assert_int_eq(pl_producer_begin(p, &err), 0);
        /* librdkafka remembers that a topic is not allowed, until its next look at the metadata. */
        if (send_bytes(p, "key", 100, &err) == PL_SEND_ERROR &&
            code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
            ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
            return;
        }
        pl_producer_commit(p);
        run_until_ended();
        ck_assert_uint_eq(record.failed, 0);
        if (record.committed == 1)
            return;
    }
    ck_abort_msg("three transactions failed after %s", rd_kafka_err2name(code));
}

START_TEST(answers_faults)
{
    struct pl_producer *p = producer_good();
    int outcome = faults[_i].outcome;

    for (unsigned i = 0; i < faults[_i].times; i++)
        rd_kafka_mock_push_request_errors(mock.cluster, (int16_t)faults[_i].api, 1,
                                          faults[_i].code);
    send_good(p, 3);
    pl_producer_commit(p);
    run_until_ended();
    ck_assert_msg(record.committed == (outcome == COMMITTED) &&
                      record.aborted == (outcome == ABORTED) &&
                      record.failed == (outcome == FAILED),
                  "%s: %u committed, %u aborted, %u failed: %s", rd_kafka_err2name(faults[_i].code),
                  record.committed, record.aborted, record.failed, record.err.msg);
    if (outcome != COMMITTED)
        ck_assert_msg(record.err.kind == faults[_i].kind, "%s: %s: %s",
                      rd_kafka_err2name(faults[_i].code), pl_err_kind_name(record.err.kind),
                      record.err.msg);
    if (faults[_i].says)
        ck_assert_msg(strstr(record.err.msg, faults[_i].says) != NULL, "%s", record.err.msg);
    if (outcome == FAILED) {
        ck_assert_int_eq(pl_producer_state(p), PL_PRODUCER_FAILED);
        ck_assert_int_eq(pl_producer_begin(p, &record.err), -1);
    } else {
        goes_on(p, faults[_i].code);
    }
    pl_producer_free(p);
}
END_TEST

START_TEST(aborts_by_itself_when_a_message_fails)
{
    struct pl_producer *p = producer_good();
    struct pl_err err;

    rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    send_good(p, 3);
    int64_t end = pl_clock_monotonic_ms() + WAIT_MS;
    while (pl_producer_state(p) == PL_PRODUCER_OPEN && pl_clock_monotonic_ms() < end)
        sd_event_run(pl_daemon_event(daemon_), 100000);
    if (pl_producer_state(p) == PL_PRODUCER_BUSY) {
        ck_assert_int_eq(send_bytes(p, "key", 1, &err), PL_SEND_ERROR);
        ck_assert_int_eq(err.kind, PL_ERR_RETRY);
        pl_producer_commit(p); /* ignored: on_aborted is on its way */
    }
    run_until(&record.aborted, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_uint_eq(record.committed, 0);
    pl_producer_free(p);
}
END_TEST

START_TEST(too_large_is_rejected_and_the_rest_goes_on)
{
    struct pl_producer *p = producer_good();
    struct pl_err err = {0};

    send_good(p, 2);
    ck_assert_int_eq(send_bytes(p, "key", 20000, &err), PL_SEND_ERROR);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    ck_assert_ptr_nonnull(strstr(err.msg, "message.max.bytes"));
    ck_assert_int_eq(send_bytes(p, "key", 100, &err), PL_SEND_OK);
    pl_producer_commit(p);
    run_until(&record.committed, 1);
    ck_assert_uint_eq(record.messages, 3);
    pl_producer_free(p);
}
END_TEST

START_TEST(full_queue_then_room)
{
    struct pl_producer *p = producer_good();
    struct pl_err err = {0};
    unsigned sent = 0;
    enum pl_send_result res;

    rd_kafka_mock_broker_set_rtt(mock.cluster, -1, 200);
    send_good(p, 0);
    while ((res = send_bytes(p, "key", 5000, &err)) == PL_SEND_OK)
        ck_assert_uint_lt(++sent, 1000);
    ck_assert_int_eq(res, PL_SEND_FULL);
    ck_assert_uint_le(pl_producer_queued_bytes(p), 64 * 1024);
    ck_assert_uint_ge(pl_producer_queued_bytes(p), 64 * 1024 - 6000);
    ck_assert_uint_eq(record.room, 0);
    run_until(&record.room, 1);
    ck_assert_uint_le(pl_producer_queued_bytes(p), 32 * 1024);
    ck_assert_int_eq(send_bytes(p, "key", 5000, &err), PL_SEND_OK);
    pl_producer_commit(p);
    run_until(&record.committed, 1);
    ck_assert_uint_eq(record.messages, sent + 1);
    ck_assert_uint_eq(record.room, 1);
    pl_producer_free(p);
}
END_TEST

START_TEST(stalls_while_the_broker_is_away_then_commits)
{
    struct pl_producer *p = producer_good();

    send_good(p, 3);
    rd_kafka_mock_broker_set_down(mock.cluster, -1);
    pl_producer_commit(p);
    run_until(&record.stalled, 1);
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert_int_eq(pl_producer_state(p), PL_PRODUCER_BUSY);
    rd_kafka_mock_broker_set_up(mock.cluster, -1);
    run_until(&record.committed, 1);
    ck_assert_uint_eq(record.messages, 3);
    ck_assert_uint_ge(record.stalled, 1); /* at each look */
    ck_assert_uint_eq(record.recovered, 1);
    pl_producer_free(p);
}
END_TEST

/* Several rounds: librdkafka 2.0.2 can abort() when a client is destroyed while it registers
 * partitions (see txn_end()); without the care taken there one round in eight of state 3 did. */
START_TEST(is_freed_in_every_state)
{
    struct pl_producer *p = producer_good();

    switch (_i % 5) {
    case 0:
        break;
    case 1:
        send_good(p, 10);
        break;
    case 2:
        send_good(p, 10);
        pl_producer_commit(p);
        break;
    case 3: /* the thread waits for a broker that does not come back */
        send_good(p, 10);
        rd_kafka_mock_broker_set_down(mock.cluster, -1);
        pl_producer_commit(p);
        break;
    case 4:
        send_good(p, 10);
        rd_kafka_mock_broker_set_down(mock.cluster, -1);
        break;
    }
    pl_producer_free(p);
    ck_assert_uint_eq(record.committed + record.aborted + record.failed + record.delivered, 0);
}
END_TEST

static const struct {
    rd_kafka_resp_err_t code;
    enum pl_err_kind kind; /* NONE: the start succeeds after all */
    const char *says;
} starts[] = {
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, PL_ERR_NONE, NULL},
    {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, PL_ERR_NONE, NULL},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, PL_ERR_CONFIG, "check-1"},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, PL_ERR_CONFIG, "kafka.transaction.timeout.ms"},
};

START_TEST(starts_or_says_why_not)
{
    struct pl_err err = {0};

    rd_kafka_mock_push_request_errors(mock.cluster, API_INIT_PRODUCER_ID, 1, starts[_i].code);
    struct pl_producer *p = producer_make("check-1", &record, &err);
    ck_assert_msg(err.kind == starts[_i].kind, "%s: %s", pl_err_kind_name(err.kind), err.msg);
    ck_assert((p != NULL) == (starts[_i].kind == PL_ERR_NONE));
    if (starts[_i].says)
        ck_assert_msg(strstr(err.msg, starts[_i].says) != NULL, "%s", err.msg);
    pl_producer_free(p);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up, .tear_down = tear_down),
        TEST(commits_what_was_sent),
        TEST(commits_nothing),
        TEST(aborts_with_the_reason),
        TEST(answers_faults, .count = PL_COUNT(faults)),
        TEST(aborts_by_itself_when_a_message_fails),
        TEST(too_large_is_rejected_and_the_rest_goes_on),
        TEST(full_queue_then_room),
        TEST(stalls_while_the_broker_is_away_then_commits),
        TEST(is_freed_in_every_state, .count = 20),
        TEST(starts_or_says_why_not, .count = PL_COUNT(starts)),
    };
    return unit_main("producer", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_courier.c - the courier against librdkafka's mock cluster: what each job comes to, and that
 * a stop ends all of them. (Dead letters and their faults: check_deadletter.c.)
 *
 * links: chsinkd
 */
#include <poll.h>

#include "daemons/chsinkd/sink/kafka/courier.h"
#include "lib/base/clock.h"
#include "tests/unit/kafka_mock.h"

#define TOPIC   "edits"
#define DEAD    "dead"
#define GROUP   "sink"
#define WAIT_MS 30000 /* the limit of a wait: only a failing test meets it */

#define DOWN 2 /* the second broker, which leads nothing unless a test says so */

/* Kafka's request types (protocol, "api_key"). */
enum { API_OFFSET_FETCH = 9, API_END_TXN = 26, API_TXN_OFFSET_COMMIT = 28 };

static struct kafka_mock mock;
static rd_kafka_t *consumer;
static struct courier *courier;
static rd_kafka_consumer_group_metadata_t *group;
static _Atomic unsigned notified;
static struct dead_letter letter = {.value = (char *)"bad", .value_len = 3};
static struct dead_letters letters = {.first = &letter, .last = &letter, .count = 1, .bytes = 3};

static void on_done(void *userdata)
{
    ck_assert_ptr_eq(userdata, &notified);
    notified++;
}

static rd_kafka_t *client_new(rd_kafka_type_t type, const char *isolation)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];

    rd_kafka_conf_set(conf, "bootstrap.servers", mock.settings[0].value, text, sizeof(text));
    rd_kafka_conf_set(conf, "group.id", GROUP, text, sizeof(text));
    rd_kafka_conf_set(conf, "isolation.level", isolation, text, sizeof(text));
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    ck_assert_msg(rk != NULL, "%s", text);
    return rk;
}

static int courier_make(rd_kafka_t *rk, struct pl_err *err)
{
    const struct courier_conf conf = {.deadletters = {.kafka = &mock.map,
                                                      .topic = DEAD,
                                                      .transactional_id = "check",
                                                      .message_bytes_max = 1000000},
                                      .consumer = rk,
                                      .notify = on_done,
                                      .userdata = &notified};
    return courier_new(&conf, &courier, err);
}

static void set_up(void)
{
    struct pl_err err;

    kafka_mock_start_of(&mock, 2);
    kafka_mock_topic(&mock, TOPIC, 2);
    kafka_mock_topic(&mock, DEAD, 1);
    for (int i = 0; i < 2; i++)
        rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, i, 1);
    rd_kafka_mock_partition_set_leader(mock.cluster, DEAD, 0, 1);
    rd_kafka_mock_coordinator_set(mock.cluster, "group", GROUP, 1);
    rd_kafka_mock_coordinator_set(mock.cluster, "transaction", "check", 1);
    kafka_mock_set(&mock, "group.id", GROUP);
    kafka_mock_set(&mock, "auto.offset.reset", "latest");
    kafka_mock_set(&mock, "retry.backoff.ms", "20");
    kafka_mock_set(&mock, "reconnect.backoff.max.ms", "200");
    consumer = client_new(RD_KAFKA_CONSUMER, "read_committed");
    group = rd_kafka_consumer_group_metadata_new(GROUP);
    notified = 0;
    ck_assert_msg(courier_make(consumer, &err) == 0, "%s", err.msg);
}

static void tear_down(void)
{
    courier_free(courier);
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_destroy(consumer);
}

static void check_done(struct courier_job *job, enum courier_answer answer)
{
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    struct courier_job *done;

    while (!(done = courier_take_done(courier))) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        poll(NULL, 0, 5);
    }
    ck_assert_ptr_eq(done, job);
    ck_assert_ptr_null(done->next);
    ck_assert_msg(job->answer == answer, "%d, not %d: %s", (int)job->answer, (int)answer,
                  job->err.msg);
    ck_assert_int_eq(job->err.kind == PL_ERR_NONE, answer == COURIER_OK);
}

static void check_letters(int64_t offset, enum courier_answer answer)
{
    struct courier_job job = {.kind = COURIER_LETTERS,
                              .topic = TOPIC,
                              .partition = 1,
                              .offset = offset,
                              .letters = &letters,
                              .metadata = "note",
                              .group = group};

    courier_submit(courier, &job);
    check_done(&job, answer);
}

static void check_offset(int32_t partition, int64_t offset, const char *metadata)
{
    struct courier_job job = {.kind = COURIER_OFFSET, .topic = TOPIC, .partition = partition};

    courier_submit(courier, &job);
    check_done(&job, COURIER_OK);
    ck_assert_int_eq(job.group_offset, offset);
    ck_assert_str_eq(job.group_metadata ? job.group_metadata : "", metadata);
    free(job.group_metadata);
}

/* The mock cluster does not keep the offsets of transactions. */
static void offset_commit(int32_t partition, int64_t offset, const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, TOPIC, partition);

    tp->offset = offset;
    tp->metadata = pl_strdup(metadata);
    tp->metadata_size = strlen(metadata);
    ck_assert_int_eq(rd_kafka_commit(consumer, list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
}

START_TEST(the_offset)
{
    check_offset(1, -1, "");
    offset_commit(1, 8, "note");
    check_offset(1, 8, "note");
    check_offset(0, -1, "");
    offset_commit(0, 0, "");
    check_offset(0, 0, "");
    ck_assert_uint_eq(notified, 4);
}
END_TEST

START_TEST(dead_letters)
{
    check_letters(8, COURIER_OK);
    rd_kafka_mock_push_request_errors(mock.cluster, API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    check_letters(9, COURIER_FENCED);
    rd_kafka_mock_push_request_errors(mock.cluster, API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    check_letters(9, COURIER_RETRY);
    rd_kafka_mock_push_request_errors(mock.cluster, API_TXN_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    check_letters(9, COURIER_NEEDS);
    rd_kafka_mock_push_request_errors(mock.cluster, API_END_TXN, 1, RD_KAFKA_RESP_ERR_UNKNOWN);
    check_letters(9, COURIER_UNKNOWN);
    ck_assert_uint_eq(notified, 5);
}
END_TEST

/* While a transaction with the offset is open, there is none: not the one before, not -1. */
START_TEST(an_unstable_offset)
{
    struct courier_job job = {.kind = COURIER_OFFSET, .topic = TOPIC, .partition = 1};

    offset_commit(1, 8, "note");
    for (int i = 0; i < 500; i++) /* librdkafka asks again and again */
        rd_kafka_mock_push_request_errors(mock.cluster, API_OFFSET_FETCH, 1,
                                          RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT);
    courier_submit(courier, &job);
    check_done(&job, COURIER_RETRY);
    rd_kafka_mock_clear_request_errors(mock.cluster, API_OFFSET_FETCH);
    check_offset(1, 8, "note");
}
END_TEST

START_TEST(the_offset_is_refused)
{
    struct courier_job job = {.kind = COURIER_OFFSET, .topic = TOPIC, .partition = 1};

    check_offset(1, -1, "");
    rd_kafka_mock_push_request_errors(mock.cluster, API_OFFSET_FETCH, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    courier_submit(courier, &job);
    check_done(&job, COURIER_NEEDS);
}
END_TEST

/* An answer from another than a stable offset would say that nothing was committed. */
START_TEST(stable_offsets_are_demanded)
{
    rd_kafka_t *other = client_new(RD_KAFKA_CONSUMER, "read_uncommitted");
    struct courier *kept = courier;
    struct pl_err err;

    ck_assert_int_eq(courier_make(other, &err), -1);
    ck_assert_msg(strstr(err.msg, "isolation.level"), "%s", err.msg);
    courier = kept;
    rd_kafka_destroy(other);
}
END_TEST

static void messages_write(int n)
{
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, "read_committed");

    for (char c = 'a'; c < 'a' + n; c++)
        ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC),
                                           RD_KAFKA_V_PARTITION(1), RD_KAFKA_V_VALUE(&c, 1),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         0);
    ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), 0);
    rd_kafka_destroy(producer);
}

START_TEST(one_message)
{
    static const int64_t offsets[] = {2, 0, 4, 0};
    static struct courier_job job = {.kind = COURIER_MESSAGE, .topic = TOPIC, .partition = 1};

    messages_write(5);
    for (size_t i = 0; i < PL_COUNT(offsets); i++) {
        job.offset = offsets[i];
        courier_submit(courier, &job);
        check_done(&job, COURIER_OK);
        ck_assert_int_eq(job.message->offset, offsets[i]);
        ck_assert_uint_eq(job.message->len, 1);
        ck_assert_int_eq(*(char *)job.message->payload, (char)('a' + offsets[i]));
        rd_kafka_message_destroy(job.message);
    }
    job.offset = 100;
    courier_submit(courier, &job);
    check_done(&job, COURIER_GONE);
    ck_assert_msg(strstr(job.err.msg, "offset 100 of topic edits, partition 1"), "%s", job.err.msg);
    ck_assert_ptr_null(job.message);
    /* One that is not taken, which tear_down() frees. */
    job.offset = 1;
    courier_submit(courier, &job);
    while (notified < PL_COUNT(offsets) + 2)
        poll(NULL, 0, 5);
}
END_TEST

static void check_extent(int32_t partition, int64_t high)
{
    struct courier_job job = {
        .kind = COURIER_EXTENT, .topic = TOPIC, .partition = partition, .wait_ms = WAIT_MS};

    courier_submit(courier, &job);
    check_done(&job, COURIER_OK);
    ck_assert_int_eq(job.extent.low, 0);
    ck_assert_int_eq(job.extent.high, high);
}

START_TEST(an_extent)
{
    messages_write(5);
    check_extent(1, 5);
    check_extent(0, 0);
}
END_TEST

/* A partition without a leader is told at once, and holds up nothing of another. */
START_TEST(no_leader)
{
    struct courier_job jobs[] = {
        {.kind = COURIER_MESSAGE, .topic = TOPIC},
        {.kind = COURIER_EXTENT, .topic = TOPIC, .wait_ms = WAIT_MS},
    };

    messages_write(5);
    check_extent(0, 0);
    rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, 0, -1);
    int64_t since_ms = pl_clock_monotonic_ms();
    for (size_t i = 0; i < PL_COUNT(jobs); i++) {
        courier_submit(courier, &jobs[i]);
        check_done(&jobs[i], COURIER_RETRY);
        ck_assert_msg(strstr(jobs[i].err.msg, "topic edits, partition 0 has no leader"), "%s",
                      jobs[i].err.msg);
    }
    check_extent(1, 5);
    ck_assert_int_lt(pl_clock_monotonic_ms() - since_ms, 10000);
}
END_TEST

/* One whose leader does not answer holds up only what is of its kind. */
START_TEST(silent_leader)
{
    struct courier_job slow = {
        .kind = COURIER_EXTENT, .topic = TOPIC, .partition = 1, .wait_ms = 5000};
    check_offset(1, -1, "");
    check_extent(0, 0);
    rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, 1, DOWN);
    rd_kafka_mock_broker_set_down(mock.cluster, DOWN);
    courier_submit(courier, &slow);
    check_letters(8, COURIER_OK);
    check_offset(1, -1, "");
    check_done(&slow, COURIER_RETRY); /* it was under way: check_done() takes all that is done */
}
END_TEST

/* Kafka is away: a stop answers the jobs under way, those that wait, and those that come later. */
START_TEST(stop)
{
    struct courier_job jobs[] = {
        {.kind = COURIER_LETTERS,
         .topic = TOPIC,
         .letters = &letters,
         .metadata = "",
         .group = group},
        {.kind = COURIER_MESSAGE, .topic = TOPIC},
        {.kind = COURIER_OFFSET, .topic = TOPIC},
        {.kind = COURIER_EXTENT, .topic = TOPIC, .wait_ms = 5000},
        {.kind = COURIER_MESSAGE, .topic = TOPIC}, /* waits */
    };
    int64_t now_ms = pl_clock_monotonic_ms();

    rd_kafka_mock_broker_set_down(mock.cluster, -1);
    for (size_t i = 0; i < PL_COUNT(jobs); i++)
        courier_submit(courier, &jobs[i]);
    poll(NULL, 0, 300);
    ck_assert_ptr_null(courier_overdue(courier, now_ms));
    ck_assert_ptr_nonnull(courier_overdue(courier, now_ms + 10 * WAIT_MS));
    ck_assert_uint_eq(notified, 0);
    now_ms = pl_clock_monotonic_ms();
    courier_stop(courier);
    while (notified < PL_COUNT(jobs)) {
        ck_assert_int_lt(pl_clock_monotonic_ms() - now_ms, 10000);
        poll(NULL, 0, 5);
    }
    struct courier_job *done = courier_take_done(courier);
    for (size_t i = 0; i < PL_COUNT(jobs); i++, done = done->next)
        ck_assert_int_eq(done->answer, COURIER_RETRY);
    ck_assert_ptr_null(done);
    courier_submit(courier, &jobs[0]);
    check_done(&jobs[0], COURIER_RETRY);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up, .tear_down = tear_down),
        TEST(the_offset),
        TEST(dead_letters),
        TEST(an_unstable_offset),
        TEST(the_offset_is_refused),
        TEST(stable_offsets_are_demanded),
        TEST(one_message),
        TEST(an_extent),
        TEST(no_leader),
        TEST(silent_leader),
        TEST(stop),
    };
    return unit_main("courier", tests, PL_COUNT(tests));
}

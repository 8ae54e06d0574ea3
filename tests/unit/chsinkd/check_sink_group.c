/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_sink_group.c - what the sink does when Kafka's group refuses: it has moved on, a right is
 * missing, its offset cannot be read. links: chsinkd
 */
#include "daemons/chsinkd/sink/answers.h"
#include "daemons/chsinkd/sink/calls.h"
#include "daemons/chsinkd/sink/drive.h"
#include "tests/unit/chsinkd/sink_run.h"

enum { API_OFFSET_COMMIT = 8, API_OFFSET_FETCH = 9, API_HEARTBEAT = 12 }; /* Kafka's requests */
enum { API_TXN_OFFSET_COMMIT = 28 };

static void refuse(int16_t api, rd_kafka_resp_err_t code, unsigned times)
{
    while (times-- > 0)
        rd_kafka_mock_push_request_errors(mock.cluster, api, 1, code);
}

/* ---- the group has moved on ---- */

/* A step of the consumer's thread, which this test is. */
static void turn(void)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(sink.rk, 10);
    if (m)
        rd_kafka_message_destroy(m);
    answers_take(&sink);
    drive_time(&sink);
}

static struct partition *assigned_wait(void)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    rd_kafka_topic_partition_list_add(topics, TOPIC, RD_KAFKA_PARTITION_UA);
    ck_assert_int_eq(rd_kafka_subscribe(sink.rk, topics), 0);
    rd_kafka_topic_partition_list_destroy(topics);
    while (sink.partitions_n == 0 || sink.partitions[0]->state.phase != PARTITION_OPEN) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        turn();
    }
    return sink.partitions[0];
}

/* Of a member that was forgotten the group's metadata say nothing, and with those Kafka would take
 * a transaction's offsets though another owns the partition. */
START_TEST(dead_letters_of_a_lost_partition)
{
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    topic_fill(TOPIC, 1, 0);
    sink_make(0);
    struct partition *p = assigned_wait();
    refuse(API_HEARTBEAT, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1);
    while (!rd_kafka_assignment_lost(sink.rk)) {
        ck_assert_int_lt(pl_clock_monotonic_ms(), end_ms);
        poll(NULL, 0, 10);
    }
    p->working = batch_new(block_pool_take(sink.pool, p->route->route), 0);
    p->state.phase = PARTITION_COMMIT;
    p->state.asked = true;
    call_letters(&sink, p);
    ck_assert_int_eq(p->call, CALL_NONE);
    ck_assert_int_eq(p->aside, ASIDE_FENCED);
    ck_assert_ptr_null(p->working);
    ck_assert_ptr_null(courier_take_done(sink.courier));
}
END_TEST

/* ---- a right is missing ---- */

/* For each request that can be refused. Who has asked for a run that ends does not wait for it. */
static const struct {
    int16_t api;
    int bad_every;
} refused[] = {{API_OFFSET_COMMIT, 0}, {API_TXN_OFFSET_COMMIT, 5}, {API_OFFSET_FETCH, 0}};

static bool has_failed(void)
{
    pthread_mutex_lock(&sink.lock);
    bool failed = sink.failed.kind != PL_ERR_NONE;
    pthread_mutex_unlock(&sink.lock);
    return failed;
}

START_TEST(once_without_a_right)
{
    int64_t end_ms = pl_clock_monotonic_ms() + WAIT_MS;
    topic_fill(TOPIC, 10, refused[_i].bad_every);
    refuse(refused[_i].api, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 100);
    once = true;
    sink_start(0);
    while (!has_failed()) {
        ck_assert_msg(pl_clock_monotonic_ms() < end_ms, "it tries for ever");
        poll(NULL, 0, 10);
    }
    ck_assert_int_eq(sink.failed.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(sink.failed.msg, "authorization failed") != NULL, "%s", sink.failed.msg);
    sink_end(true);
}
END_TEST

/* ---- whether the group still has our offset ---- */

/* After a pause a commit waits for that, and is asked again when it is not answered. */
START_TEST(verify_fails)
{
    topic_fill(TOPIC, 5, 0);
    sink_start(0);
    messages_wanted = 5;
    until(all_is_accounted, "the first are loaded");
    poll(NULL, 0, 700); /* longer than intake.c's VERIFY_AFTER_MS */
    refuse(API_OFFSET_FETCH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 2);
    topic_fill(TOPIC, 5, 0);
    messages_wanted = 10;
    until(all_is_accounted, "the others are loaded");
    sink_end(false);
    table_check(TOPIC, 10, 0, -1);
    /* Both were met: not the first alone, after which the commit goes unasked. */
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, TOPIC, 0);
    ck_assert_int_eq(rd_kafka_committed(rk, list, WAIT_MS), 0);
    ck_assert_int_eq(tp->err, 0);
    ck_assert_int_eq(tp->offset, 10);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("group", .set_up = set_up, .tear_down = tear_down),
        TEST(dead_letters_of_a_lost_partition),
        TEST(once_without_a_right, .count = PL_COUNT(refused)),
        TEST(verify_fails),
    };
    return unit_main("sink_group", tests, PL_COUNT(tests));
}

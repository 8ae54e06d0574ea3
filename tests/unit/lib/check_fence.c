/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_fence.c - fencing transactional ids, against librdkafka's mock cluster: all are asked for,
 * and one refusal fails the call. That an old user can no longer commit is for the e2e tests: the
 * mock fences nobody.
 */
#include "lib/base/clock.h"
#include "lib/kafka/fence.h"
#include "lib/log/log.h"
#include "tests/unit/kafka_mock.h"

enum { API_INIT_PRODUCER_ID = 22 }; /* Kafka's request type (protocol, "api_key") */

static struct kafka_mock mock;
static struct pl_err err;
static const char *const ids[] = {"check/1", "check/2", "check/3", "check/4"};

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_set(&mock, "retry.backoff.ms", "20");
    err = (struct pl_err){0};
}

static int fence(size_t n, int64_t timeout_ms)
{
    const struct pl_producer_conf conf = {.kafka = &mock.map, .client_id = "check"};
    return pl_kafka_fence(&conf, ids, n, timeout_ms, &err);
}

START_TEST(all)
{
    ck_assert_done(fence(PL_COUNT(ids), 20000), err);
    ck_assert_done(fence(1, 20000), err);
    ck_assert_done(fence(0, 20000), err);
}
END_TEST

START_TEST(one_is_refused)
{
    rd_kafka_mock_push_request_errors(mock.cluster, API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    ck_assert_int_eq(fence(PL_COUNT(ids), 20000), -1);
    ck_assert_msg(err.kind == PL_ERR_CONFIG && strstr(err.msg, "check/"), "%s", err.msg);
}
END_TEST

START_TEST(nobody_answers)
{
    int64_t began_ms = pl_clock_monotonic_ms();
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    ck_assert_int_eq(fence(PL_COUNT(ids), 1000), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_int_ge(pl_clock_monotonic_ms() - began_ms, 1000);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("fence", .set_up = set_up),
        TEST(all),
        TEST(one_is_refused),
        TEST(nobody_answers),
    };
    pl_log_set_level(PL_ERROR);
    return unit_main("fence", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_worked.c - what a committed position says about a start that Kafka has refused, against the
 * mock cluster.
 */
#include <sysexits.h>

#include "lib/batch/worked.h"
#include "tests/unit/kafka_mock.h"

#define TOPIC "positions"
#define KEY   "mine"

static struct kafka_mock mock;
static struct pl_daemon *loop;
static const char *const keys[] = {"first", KEY};
static struct pl_worked_ask ask;

static void set_up(void)
{
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 1);
    static const struct pl_daemon_ops ops = {0};
    struct pl_err err;
    ck_assert_done(pl_daemon_new(&ops, NULL, 1000, &loop, &err), err);
    ask = (struct pl_worked_ask){loop, &mock.map, TOPIC, keys, PL_COUNT(keys), 5000};
}

static void tear_down(void)
{
    pl_daemon_free(loop);
}

static void put(const char *key)
{
    ck_assert_int_eq(rd_kafka_producev(mock.host, RD_KAFKA_V_TOPIC(TOPIC),
                                       RD_KAFKA_V_KEY(key, strlen(key)),
                                       RD_KAFKA_V_VALUE((void *)"{}", 2), RD_KAFKA_V_END),
                     0);
    ck_assert_int_eq(rd_kafka_flush(mock.host, 10000), 0);
}

static const struct {
    const char *key; /* of the position that is there; NULL: none */
    rd_kafka_resp_err_t topic_error;
    enum pl_worked worked;
    enum pl_err_kind kind; /* of the error before */
    int code, status;      /* its code, and the exit status that becomes of it */
} starts[] = {
    {KEY, 0, PL_WORKED, PL_ERR_CONFIG, 53, EX_UNAVAILABLE},
    {"another's", 0, PL_WORKED_NEVER, PL_ERR_CONFIG, 53, EX_CONFIG},
    {NULL, 0, PL_WORKED_NEVER, PL_ERR_CONFIG, 53, EX_CONFIG},
    {KEY, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, PL_WORKED_NEVER, PL_ERR_CONFIG, 53, EX_CONFIG},
    {KEY, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, PL_WORKED_UNKNOWN, PL_ERR_CONFIG, 53,
     EX_UNAVAILABLE},
    /* What is ours, and what passes, whatever the position says. */
    {KEY, 0, PL_WORKED, PL_ERR_CONFIG, 0, EX_CONFIG},
    {NULL, 0, PL_WORKED_NEVER, PL_ERR_RETRY, 7, EX_UNAVAILABLE},
    {NULL, 0, PL_WORKED_NEVER, PL_ERR_FATAL, 47, 1},
    /* Nobody can read where the password is refused. */
    {NULL, 0, PL_WORKED_NEVER, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR__AUTHENTICATION, EX_UNAVAILABLE},
};

START_TEST(test_a_refused_start)
{
    struct pl_err err;
    pl_err_set(&err, starts[_i].kind, starts[_i].code, "refused");
    if (starts[_i].key) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "bootstrap.servers", pl_map_get(&mock.map, "bootstrap.servers"),
                          NULL, 0);
        mock.host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
        put(starts[_i].key);
    }
    if (starts[_i].topic_error)
        rd_kafka_mock_topic_set_error(mock.cluster, TOPIC, starts[_i].topic_error);
    ck_assert_int_eq(pl_worked_look(&ask), starts[_i].worked);
    pl_worked_end(&ask, &err);
    ck_assert_int_eq(pl_err_exit_status(err.kind), starts[_i].status);
    ck_assert_str_eq(err.msg, "refused");
}
END_TEST

START_TEST(test_nobody_answers)
{
    rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, 0, -1);
    ask.timeout_ms = 500;
    ck_assert_int_eq(pl_worked_look(&ask), PL_WORKED_UNKNOWN);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("a start", .set_up = set_up, .tear_down = tear_down),
        TEST(test_a_refused_start, .count = PL_COUNT(starts)),
        TEST(test_nobody_answers),
    };
    return unit_main("worked", tests, PL_COUNT(tests));
}

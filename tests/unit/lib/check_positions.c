/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_positions.c - the last values of keys, read from librdkafka's mock cluster.
 *
 * The mock keeps no transactions: what another's open one hides is shown by the e2e tests.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/kafka/positions.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC "positions"

static struct kafka_mock mock;
static struct pl_daemon *daemon_;
static rd_kafka_t *producer;

static void set_up(void)
{
    static const struct pl_daemon_ops ops;
    struct pl_err err;
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    ck_assert_done(pl_daemon_new(&ops, NULL, 1000, &daemon_, &err), err);
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 3);
    /* A daemon's map is written for a producer; reading from it must do as well. */
    kafka_mock_set(&mock, "linger.ms", "0");
    kafka_mock_set(&mock, "client.rack", "of-a-follower");
    rd_kafka_conf_set(conf, "bootstrap.servers", mock.map.v[0].value, NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    ck_assert_msg(producer != NULL, "%s", text);
}

static void put(int partition, const char *key, const char *value, int64_t timestamp_ms)
{
    ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC),
                                       RD_KAFKA_V_PARTITION(partition),
                                       RD_KAFKA_V_KEY(key, strlen(key)),
                                       RD_KAFKA_V_VALUE((void *)value, value ? strlen(value) : 0),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_END),
                     0);
}

static int positions_read(struct pl_kafka_position *positions, size_t n, struct pl_err *err)
{
    return pl_kafka_positions_read(daemon_, &mock.map, TOPIC, 20000, positions, n, err);
}

static const struct {
    const char *key, *expected; /* NULL: none */
} lasts[] = {
    {"never", NULL}, /* not there */
    {"a", "a3"},     /* the highest offset, although its time is earlier */
    {"ab", "longer than a"},
    {"", ""},
    {"b", "b1"},
    {"moved", "new home"}, /* in two partitions: the later time */
    {"gone", NULL},        /* a tombstone */
};

START_TEST(the_last_values_of_keys_in_one_pass)
{
    struct pl_kafka_position positions[PL_COUNT(lasts)] = {0};
    struct pl_err err;

    put(0, "a", "a1", 1000);
    put(0, "a", "a2", 3000);
    put(0, "a", "a3", 2000);
    put(0, "ab", "longer than a", 1000);
    put(1, "b", "b1", 1000);
    put(2, "gone", "was here", 1000);
    put(2, "gone", NULL, 2000);
    put(0, "moved", "old home", 1000);
    put(1, "moved", "new home", 2000);
    put(1, "nobody asks", "for it", 2000);
    put(2, "", "", 1000);
    ck_assert_int_eq(rd_kafka_flush(producer, 10000), 0);
    for (size_t i = 0; i < PL_COUNT(lasts); i++)
        positions[i].key = lasts[i].key;
    ck_assert_done(positions_read(positions, PL_COUNT(lasts), &err), err);
    for (size_t i = 0; i < PL_COUNT(lasts); i++) {
        ck_assert_str_eq(positions[i].key, lasts[i].key);
        ck_assert_pstr_eq(positions[i].value, lasts[i].expected);
        ck_assert_uint_eq(positions[i].len, lasts[i].expected ? strlen(lasts[i].expected) : 0);
    }
    pl_kafka_positions_release(positions, PL_COUNT(lasts));
    ck_assert_ptr_null(positions[1].value);
}
END_TEST

/* As many series as wmfetchd may have (1,000 applications of 16 indexes). */
START_TEST(sixteen_thousand_keys)
{
    enum { KEYS = 16000 };
    struct pl_kafka_position *positions = pl_alloc_array(KEYS, sizeof(*positions));
    char key[32], value[32];
    struct pl_err err;

    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < KEYS; i++) {
            snprintf(key, sizeof(key), "watermelon/%u", i * 7 % KEYS);
            snprintf(value, sizeof(value), "%u of %u", round, i * 7 % KEYS);
            put((int)(i % 3), key, value, 1000 + round);
        }
    ck_assert_int_eq(rd_kafka_flush(producer, 60000), 0);
    for (unsigned i = 0; i < KEYS; i++)
        positions[i].key = pl_strf("watermelon/%u", i);
    ck_assert_done(positions_read(positions, KEYS, &err), err);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(value, sizeof(value), "1 of %u", i);
        ck_assert_pstr_eq(positions[i].value, value);
        free((char *)positions[i].key);
    }
    pl_kafka_positions_release(positions, KEYS);
    free(positions);
}
END_TEST

START_TEST(an_empty_topic_has_none)
{
    struct pl_kafka_position position = {.key = "a"};
    struct pl_err err;

    ck_assert_done(positions_read(&position, 1, &err), err);
    ck_assert_ptr_null(position.value);
    ck_assert_uint_eq(position.len, 0);
}
END_TEST

/* No position is not the same as an unknown one. */
START_TEST(a_partition_without_leader_is_no_empty_one)
{
    struct pl_kafka_position position = {.key = "a", .value = (char *)"untouched", .len = 99};
    struct pl_err err = {0};

    rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, 1, -1);
    ck_assert_int_eq(pl_kafka_positions_read(daemon_, &mock.map, TOPIC, 1000, &position, 1, &err),
                     -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_str_eq(position.value, "untouched");
    ck_assert_uint_eq(position.len, 99);
}
END_TEST

START_TEST(a_missing_topic)
{
    struct pl_kafka_position position = {.key = "a"};
    struct pl_err err = {0};

    rd_kafka_mock_topic_set_error(mock.cluster, "other", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    ck_assert_int_eq(pl_kafka_positions_read(daemon_, &mock.map, "other", 5000, &position, 1, &err),
                     -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "\"other\" is missing"));
}
END_TEST

/* Metadata of a topic that is just being made. */
START_TEST(no_partitions_are_no_answer)
{
    struct pl_kafka_position position = {.key = "a"};
    struct pl_err err = {0};

    kafka_mock_topic(&mock, "bare", 0);
    ck_assert_int_eq(pl_kafka_positions_read(daemon_, &mock.map, "bare", 1000, &position, 1, &err),
                     -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, "partitions") != NULL, "%s", err.msg);
}
END_TEST

/* Slow, but something always comes: systemd is told, or it ends us. */
START_TEST(a_long_read_extends_the_start)
{
    struct pl_kafka_position position = {.key = "a"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct pl_err err = {0};
    char text[1024] = "";
    unsigned extended = 0;
    PL_FREE char *dir = unit_dir();
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", dir);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    for (unsigned i = 0; i < 15; i++) { /* the mock gives what was sent at once in one answer */
        put(0, "a", "a1", 1000 + i);
        ck_assert_int_eq(rd_kafka_flush(producer, 10000), 0);
    }
    rd_kafka_mock_broker_set_rtt(mock.cluster, 1, 200);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    ck_assert_done(positions_read(&position, 1, &err), err);
    unsetenv("NOTIFY_SOCKET");
    for (ssize_t n; (n = recv(fd, text, sizeof(text) - 1, 0)) > 0;) {
        text[n] = '\0';
        extended += strstr(text, "EXTEND_TIMEOUT_USEC=") != NULL;
    }
    ck_assert_uint_gt(extended, 1);
    pl_kafka_positions_release(&position, 1);
    close(fd);
}
END_TEST

START_TEST(a_stop_signal_ends_it)
{
    struct pl_kafka_position position = {.key = "a"};
    struct pl_err err = {0};

    rd_kafka_mock_partition_set_leader(mock.cluster, TOPIC, 1, -1);
    raise(SIGTERM); /* blocked, so pending */
    ck_assert_int_eq(positions_read(&position, 1, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(err.msg, "stopped"));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up),
        TEST(the_last_values_of_keys_in_one_pass),
        TEST(sixteen_thousand_keys),
        TEST(an_empty_topic_has_none),
        TEST(a_partition_without_leader_is_no_empty_one),
        TEST(a_missing_topic),
        TEST(no_partitions_are_no_answer),
        TEST(a_long_read_extends_the_start),
        TEST(a_stop_signal_ends_it),
    };
    return unit_main("positions", tests, PL_COUNT(tests));
}

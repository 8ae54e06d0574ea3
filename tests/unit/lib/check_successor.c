/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_successor.c - who has written under our keys since we read them, from librdkafka's mock
 * cluster. (That an open transaction's records count is for the e2e tests: the mock has none.)
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/kafka/successor.h"
#include "lib/log/log.h"
#include "tests/unit/kafka_mock.h"
#include "tests/unit/unit.h"

#define TOPIC "positions"
#define US    "here pid 1 since 2026"
#define THEM  "there pid 2 since 2026"

static struct kafka_mock mock;
static rd_kafka_t *producer;

static void set_up(void)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kafka_mock_start(&mock);
    kafka_mock_topic(&mock, TOPIC, 2);
    rd_kafka_conf_set(conf, "bootstrap.servers", mock.map.v[0].value, NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    ck_assert_msg(producer != NULL, "%s", text);
    pl_log_set_level(PL_ERROR);
}

static void put(int partition, const char *key, const char *writer)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    if (writer)
        rd_kafka_header_add(headers, PL_KAFKA_WRITER_HEADER, -1, writer, (ssize_t)strlen(writer));
    ck_assert_int_eq(
        rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE((void *)"{}", 2),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
        0);
    ck_assert_int_eq(rd_kafka_flush(producer, 10000), 0);
}

/* "": nobody */
static void is(const char *key, const struct pl_kafka_ends *since, const char *writer)
{
    const struct pl_kafka_successor_ask ask = {&mock.map, TOPIC, key,
                                               US,        since, writer[0] ? 20000 : 1000};
    PL_FREE char *found = NULL;
    struct pl_err err = {0};
    int r = pl_kafka_successor_find(&ask, &found, &err);
    ck_assert_msg(r == (writer[0] ? 1 : 0), "%d %s", r, r < 0 ? err.msg : found);
    if (writer[0])
        ck_assert_str_eq(found, writer);
}

START_TEST(found_behind_the_ends)
{
    int64_t ends[] = {2, 1};
    const struct pl_kafka_ends since = {ends, 2}, none = {0};
    put(0, "name", "before us");
    put(0, "name/a", "before us");
    put(1, "name/b", "before us");
    put(0, "name", US);
    put(0, "another", THEM);
    put(0, "names", THEM);
    put(1, "name/c", US);
    is("name", &since, "");
    is("name/", &since, "");
    put(1, "name/b", THEM);
    put(1, "name/b", US); /* nobody can, but it would not hide the other */
    is("name", &since, "");
    is("name/", &since, THEM);
    put(0, "name", NULL);
    is("name", &since, "?");
    is("name", &none, ""); /* nothing is known of what was there: only what comes now counts */
}
END_TEST

/* Only so many of the last records are read. */
START_TEST(a_long_topic)
{
    int64_t ends[] = {0, 0};
    const struct pl_kafka_ends since = {ends, 2};
    put(0, "name", THEM);
    for (unsigned i = 0; i < SUCCESSOR_TAIL; i++)
        put(0, "name", US);
    is("name", &since, "");
    put(0, "name", THEM);
    is("name", &since, THEM);
}
END_TEST

START_TEST(cannot_be_read)
{
    const struct pl_kafka_ends none = {0};
    const struct pl_kafka_successor_ask ask = {&mock.map, TOPIC, "name", US, &none, 1000};
    char *found = NULL;
    struct pl_err err = {0};
    int64_t began_ms = pl_clock_monotonic_ms();
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    ck_assert_int_eq(pl_kafka_successor_find(&ask, &found, &err), -1);
    ck_assert_ptr_null(found);
    ck_assert_int_le(pl_clock_monotonic_ms() - began_ms, 10000);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("mock cluster", .set_up = set_up),
        TEST(found_behind_the_ends),
        TEST(a_long_topic),
        TEST(cannot_be_read),
    };
    return unit_main("successor", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_intake.c - when a batch closes by age; which dead letters belong to a route. links: chsinkd
 */

#include "daemons/chsinkd/sink/intake.h"
#include "daemons/chsinkd/sink/message.h"
#include "tests/unit/unit.h"

START_TEST(age_grows_with_open_batches)
{
    static const struct {
        int64_t age_ms;
        unsigned open;
        int64_t per_second, wanted_ms;
    } cases[] = {{1000, 0, 4, 1000},    {1000, 1, 4, 1000},    {1000, 4, 4, 1000},
                 {1000, 5, 4, 1250},    {1000, 100, 4, 25000}, {100, 1, 4, 250},
                 {60000, 100, 4, 60000}};

    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_int_eq(batch_age_effective(cases[i].age_ms, cases[i].open, cases[i].per_second),
                         cases[i].wanted_ms);
}
END_TEST

static struct route *route_make(const char *name)
{
    static const char text[] =
        "topic: t\ntable: t\norder_by: v\ncolumns:\n  - {name: v, type: Int64, path: $.v}\n";
    struct pl_findings errs;
    struct route *r;

    pl_findings_init(&errs);
    r = route_parse(name, text, strlen(text), &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    return r;
}

START_TEST(dead_letters_find_their_route)
{
    struct route *route = route_make("mine");
    rd_kafka_headers_t *h = rd_kafka_headers_new(8);
    struct rows_message m = {.topic = "dead", .partition = 0, .offset = 5, .timestamp_ms = 6};
    PL_CLEANUP(row_set_release) struct row_set rows = {0};

    ck_assert(!message_replay(&m, route, &rows));
    m.header_userdata = h;
    ck_assert(!message_replay(&m, route, &rows));
    rd_kafka_header_add(h, "chsinkd-route", -1, "mine too", -1);
    ck_assert(!message_replay(&m, route, &rows));
    rd_kafka_header_add(h, "chsinkd-route", -1, "mine", -1);
    rd_kafka_header_add(h, "chsinkd-topic", -1, "origin", -1);
    rd_kafka_header_add(h, "chsinkd-partition", -1, "3", -1);
    rd_kafka_header_add(h, "chsinkd-offset", -1, "12345678901", -1);
    rd_kafka_header_add(h, "chsinkd-timestamp", -1, "1763715600000", -1);
    ck_assert(message_replay(&m, route, &rows));
    ck_assert_str_eq(m.topic, "origin");
    ck_assert_int_eq(m.partition, 3);
    ck_assert_int_eq(m.offset, 12345678901);
    ck_assert_int_eq(m.timestamp_ms, 1763715600000);
    ck_assert_uint_eq(rows.n, 0);
    rd_kafka_header_add(h, "chsinkd-row", -1, "9", -1);
    ck_assert(message_replay(&m, route, &rows));
    ck_assert_uint_eq(rows.n, 1);
    ck_assert(rows.ranges[0].first == 9 && rows.ranges[0].last == 9);
    rd_kafka_header_add(h, "chsinkd-rows", -1, "0,3,7-12", -1);
    ck_assert(message_replay(&m, route, &rows));
    ck_assert_uint_eq(rows.n, 3);
    ck_assert(rows.ranges[2].first == 7 && rows.ranges[2].last == 12);
    ck_assert_ptr_null(m.value); /* a tombstone */
    rd_kafka_header_add(h, "chsinkd-value-omitted", -1, "it was too large", -1);
    ck_assert(message_replay(&m, route, &rows));
    ck_assert(m.value && m.value_len == 0); /* none */
    /* What cannot be read is not taken for all rows, of which some are in the table. */
    rd_kafka_header_add(h, "chsinkd-rows", -1, "0,3,", -1);
    ck_assert(!message_replay(&m, route, &rows));
    rd_kafka_headers_destroy(h);
    route_free(route);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(age_grows_with_open_batches),
        TEST(dead_letters_find_their_route),
    };
    return unit_main("intake", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_batch.c - announcements, tokens, when a batch closes; which dead letters belong to a route.
 * links: chsinkd
 */
#include <stdio.h>

#include "daemons/chsinkd/sink/batch.h"
#include "daemons/chsinkd/sink/replay.h"
#include "tests/unit/unit.h"

START_TEST(announcement_round_trip)
{
    static const struct announcement cases[] = {
        {0, 0}, {1, 1763715600}, {999999999999999999, 999999999999999999}};
    char text[ANNOUNCEMENT_MAX];

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct announcement a = {-1, -1};

        announcement_format(&cases[i], text);
        ck_assert_uint_lt(strlen(text), ANNOUNCEMENT_MAX);
        ck_assert(announcement_parse(text, strlen(text), &a));
        ck_assert_int_eq(a.end, cases[i].end);
        ck_assert_int_eq(a.at_ms, cases[i].at_ms);
        /* No prefix of it is one, but for a shorter last number. */
        for (size_t n = 0; n < strlen(text) - 20 && i == 2; n++)
            ck_assert(!announcement_parse(text, n, &a));
    }
}
END_TEST

START_TEST(announcement_of_others)
{
    static const char *const cases[] = {
        "",
        "x",
        "{\"v\":1}",
        "chsinkd/2 end=5 at=6",
        "chsinkd/1 end=-5 at=6",
        "chsinkd/1 end=5 at=",
        "chsinkd/1 end= at=6",
        "chsinkd/1 end=5 at=6 ",
        "chsinkd/1 end=5  at=6",
        "chsinkd/1 end=1234567890123456789 at=6",
        "chsinkd/1 end=5 at=6\n",
    };
    struct announcement a = {7, 8};

    ck_assert(!announcement_parse(NULL, 0, &a));
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(!announcement_parse(cases[i], strlen(cases[i]), &a), "accepted: %s",
                      cases[i]);
    ck_assert_int_eq(a.end, 7); /* untouched */
}
END_TEST

START_TEST(tokens_tell_loads_apart)
{
    static const struct {
        struct batch_place place;
        int64_t start, end;
    } cases[] = {
        {{"d.t", "a", 0, 5}, 0, 1},  {{"d.t", "a", 0, 5}, 0, 2},  {{"d.t", "a", 0, 5}, 1, 2},
        {{"d.t", "a", 1, 5}, 0, 1},  {{"d.t", "b", 0, 5}, 0, 1},  {{"d.u", "a", 0, 5}, 0, 1},
        {{"d.t", "a", 0, 5}, 1, 12}, {{"d.t", "a", 0, 5}, 11, 2}, {{"d.t", "a", 0, 6}, 0, 1},
    };
    char seen[PL_COUNT(cases)][64];
    struct pl_buf buf = {0};

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct batch b = {.start = cases[i].start, .end = cases[i].end};

        snprintf(seen[i], sizeof(seen[i]), "%s", batch_token(&b, &cases[i].place, &buf));
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(seen[i], seen[k]);
    }
    ck_assert_str_eq(seen[0], "d.t:a:0:0:1:5");
    pl_buf_release(&buf);
}
END_TEST

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

START_TEST(batch_is_full_by_each_limit)
{
    static const char value[] = "{\"v\":1}";
    struct route *route = route_make("r");
    struct rows *rows = rows_new(route);
    struct batch b = {.block = block_new(route)};
    struct rows_message m = {.topic = "t", .value = value, .value_len = strlen(value)};
    const struct batch_limits none = {UINT64_MAX, UINT64_MAX, UINT64_MAX};

    ck_assert(!batch_is_full(&b, &none));
    for (b.messages = 0; b.messages < 3; b.messages++)
        ck_assert_uint_eq(rows_decode(rows, &m, -1, b.block, NULL, NULL), 1);
    ck_assert(!batch_is_full(&b, &none));
    ck_assert(batch_is_full(&b, &(struct batch_limits){3, UINT64_MAX, UINT64_MAX}));
    ck_assert(!batch_is_full(&b, &(struct batch_limits){4, UINT64_MAX, UINT64_MAX}));
    ck_assert(batch_is_full(&b, &(struct batch_limits){UINT64_MAX, UINT64_MAX, 3}));
    ck_assert(batch_is_full(&b, &(struct batch_limits){UINT64_MAX, 24, UINT64_MAX}));
    ck_assert(!batch_is_full(&b, &(struct batch_limits){UINT64_MAX, 100, UINT64_MAX}));
    b.dead.bytes = 100; /* dead letters are held in memory, too */
    ck_assert(batch_is_full(&b, &(struct batch_limits){UINT64_MAX, 100, UINT64_MAX}));
    b.dead.bytes = 0;
    block_free(b.block);
    rows_free(rows);
    route_free(route);
}
END_TEST

START_TEST(dead_letters_find_their_route)
{
    struct route *route = route_make("mine");
    rd_kafka_headers_t *h = rd_kafka_headers_new(8);
    struct rows_message m = {.topic = "dead", .partition = 0, .offset = 5, .timestamp_ms = 6};
    int64_t row = 77;

    ck_assert(!replay_unwrap(route, NULL, &m, &row));
    ck_assert(!replay_unwrap(route, h, &m, &row));
    rd_kafka_header_add(h, "chsinkd-route", -1, "mine too", -1);
    ck_assert(!replay_unwrap(route, h, &m, &row));
    rd_kafka_header_add(h, "chsinkd-route", -1, "mine", -1);
    rd_kafka_header_add(h, "chsinkd-topic", -1, "origin", -1);
    rd_kafka_header_add(h, "chsinkd-partition", -1, "3", -1);
    rd_kafka_header_add(h, "chsinkd-offset", -1, "12345678901", -1);
    rd_kafka_header_add(h, "chsinkd-timestamp", -1, "1763715600000", -1);
    ck_assert(replay_unwrap(route, h, &m, &row));
    ck_assert_str_eq(m.topic, "origin");
    ck_assert_int_eq(m.partition, 3);
    ck_assert_int_eq(m.offset, 12345678901);
    ck_assert_int_eq(m.timestamp_ms, 1763715600000);
    ck_assert_int_eq(row, -1);
    rd_kafka_header_add(h, "chsinkd-row", -1, "9", -1);
    ck_assert(replay_unwrap(route, h, &m, &row));
    ck_assert_int_eq(row, 9);
    rd_kafka_headers_destroy(h);
    route_free(route);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(announcement_round_trip),     TEST(announcement_of_others),
        TEST(tokens_tell_loads_apart),     TEST(age_grows_with_open_batches),
        TEST(batch_is_full_by_each_limit), TEST(dead_letters_find_their_route),
    };
    return unit_main("batch", tests, PL_COUNT(tests));
}

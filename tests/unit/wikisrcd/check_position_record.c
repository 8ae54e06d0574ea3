/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_position_record.c - the position as a record in Kafka, and odd things that are kept in it.
 * links: wikisrcd
 */
#include "tests/unit/wikisrcd/position_steps.h"

/* ---- the record ---- */

static struct position *position_full(void)
{
    struct position *p = position_fresh(12345);
    struct position_mark mark;
    position_connected(p, POSITION_BY_TIME, 12345, NOW_MS);
    for (unsigned i = 0; i < 300; i++) {
        struct event e = event_of(names[i % 7 == 0], NOW_MS - 3000 + i - i % 50 * 20, i + 1);
        e.identity.hi = 0xfedcba9876543210 * (i + 1);
        if (i % 100 == 99)
            e.dt_ms = NOW_MS + 10 * POSITION_BELIEVE_MS;
        take(p, &e, "", &mark);
    }
    return p;
}

START_TEST(test_record)
{
    struct position *p = position_full(), *back;
    PL_CLEANUP(pl_buf_release) struct pl_buf first = {0}, second = {0};
    struct pl_err err;
    position_encode(p, NOW_MS, &first);
    ck_assert_int_eq(position_decode(first.data, first.len, SLACK_MS, &back, &err), 0);
    position_encode(back, NOW_MS, &second);
    ck_assert_str_eq(pl_buf_cstr(&first), pl_buf_cstr(&second));
    ck_assert_uint_eq(position_ids(back), position_ids(p));
    ck_assert_ptr_nonnull(strstr(first.data, "\"ahead\":[\""));
    /* Each cut of it is refused, and nothing crashes. */
    for (size_t len = 0; len < first.len; len++) {
        struct position *none;
        char *copy = malloc(len + 1);
        memcpy(copy, first.data, len);
        ck_assert_int_eq(position_decode(copy, len, SLACK_MS, &none, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        free(copy);
    }
    position_free(p);
    position_free(back);
}
END_TEST

/* A person moves the position: what the service wrote before stays known. Records of version 1 did
 * not have it. */
START_TEST(test_begun)
{
    static const struct {
        int64_t begun_ms, to_ms, expect_ms;
    } moves[] = {{5000, 9000, 5000}, {5000, 3000, 3000}, {0, 9000, 0}, {9000, 0, 0}};
    static const char old[] =
        "{\"version\":1,\"streams\":[\"a\"],\"since\":77,\"at\":1,\"slack\":5000,\"topics\":[]}";
    struct position *p, *back;
    struct pl_err err;
    for (size_t i = 0; i < PL_COUNT(moves); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        p = position_fresh(moves[i].begun_ms);
        ck_assert_int_eq(position_begun(p), moves[i].begun_ms);
        position_free(p);
        p = position_fresh(moves[i].to_ms);
        position_begun_keep(p, moves[i].begun_ms);
        position_encode(p, NOW_MS, &text);
        ck_assert_int_eq(position_decode(text.data, text.len, SLACK_MS, &back, &err), 0);
        ck_assert_int_eq(position_begun(back), moves[i].expect_ms);
        ck_assert_int_eq(position_since(back), moves[i].to_ms);
        position_free(p);
        position_free(back);
    }
    ck_assert_int_eq(position_decode(old, strlen(old), SLACK_MS, &p, &err), 0);
    ck_assert_int_eq(position_begun(p), 77);
    position_free(p);
}
END_TEST

#define HEAD                                                                                       \
    "{\"version\":1,\"streams\":[\"a\"],\"since\":1,\"discovered\":1,\"at\":1,\"slack\":5000,"
#define TOPIC "{\"topic\":\"t\",\"partition\":0,\"high\":9,\"active\":true,"
#define AN_ID "\"AAAAAAAAAAAAAAAAAAAAAQ\""

static const struct record_case {
    const char *text, *says; /* says NULL: accepted */
} records[] = {
    {HEAD "\"topics\":[]}", NULL},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[]}]}", NULL},
    {HEAD "\"topics\":[" TOPIC "\"cut\":5,\"ids\":[" AN_ID ",3],\"ahead\":[]}]}", NULL},
    {"{\"version\":2,\"streams\":[],\"since\":1,\"begun\":-1,\"slack\":1}", "out of range"},
    {"{\"version\":3,\"other\":{}}", "newer wikisrcd"},
    {"{\"version\":0}", "out of range"},
    {"{\"streams\":[]}", "no version"},
    {"{\"streams\":[],\"version\":1}", "`since`"},
    {"{\"version\":\"1\"}", "out of range"},
    {"{\"version\":1}", "`since`"},
    {"", "not wikisrcd's"},
    {"{}", "not wikisrcd's"},
    {"hello", "not wikisrcd's"},
    {HEAD "\"topics\":[],\"more\":1}", "unknown member"},
    {HEAD "\"topics\":[],\"since\":1}", "there twice"},
    {HEAD "\"topics\":1}", "no array"},
    {HEAD "\"topics\":[1]}", "unknown member of a topic"},
    {HEAD "\"topics\":[" TOPIC "\"high\":9,\"ids\":[]}]}", "of a topic, or one there twice"},
    {HEAD "\"topics\":[{\"topic\":\"t\",\"partition\":0,\"high\":9.5,\"ids\":[]}]}",
     "out of range"},
    {HEAD "\"topics\":[{\"topic\":\"t\",\"partition\":0,\"high\":9,\"active\":1,\"ids\":[]}]}",
     "neither true nor false"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":{}}]}", "no array"},
    {"{\"version\":1,\"streams\":[1],\"since\":1,\"slack\":1}", "not a stream"},
    {"{\"version\":1,\"since\":-1,\"slack\":1}", "out of range"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[],\"x\":1}]}", "unknown member of a topic"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[" AN_ID ",3," AN_ID ",4]}]}", "twice"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[" AN_ID "]}]}", "without a time"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[\"AAAAAAAAAAAAAAAAAAAAAB\",3]}]}", "not an id"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[\"AAAAAAAAAAAAAAAAAAAAA\",3]}]}", "not an id"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[\"AAAAAAAAAAAAAAAAAAA+AQ\",3]}]}", "not an id"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[" AN_ID ",1e99]}]}", "out of range"},
    {HEAD "\"topics\":[" TOPIC "\"ids\":[]}," TOPIC "\"ids\":[]}]}", "there twice"},
    {HEAD "\"topics\":[{\"topic\":\"t\",\"ids\":[]}]}", "incomplete"},
    {HEAD "\"topics\":[{\"topic\":\"t\",\"partition\":0,\"high\":1}]}", "without ids"},
    {HEAD "\"topics\":[{\"topic\":\"a\\u0000b\",\"partition\":0,\"high\":1,\"ids\":[]}]}",
     "a NUL character"},
    {HEAD "\"topics\":[]} x", "not wikisrcd's"},
};

START_TEST(test_record_strict)
{
    const struct record_case *c = &records[_i];
    struct position *p = NULL;
    struct pl_err err;
    int r = position_decode(c->text, strlen(c->text), SLACK_MS, &p, &err);
    ck_assert_msg(r == (c->says ? -1 : 0), "%s: %s", c->text, r < 0 ? err.msg : "accepted");
    if (c->says) {
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, c->says) != NULL, "%s: %s", c->text, err.msg);
    }
    position_free(p);
}
END_TEST

/* The largest record passes the limits that Kafka has by default (1,000,000 bytes). */
START_TEST(test_record_largest)
{
    struct position *p = position_fresh(0);
    PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
    struct position_mark mark;
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    for (unsigned i = 0; i < POSITION_IDS_MAX + 1000; i++) {
        struct event e = event_of("eqiad.x", NOW_MS - 4000 + i % 4000, i + 1);
        take(p, &e, "", &mark);
    }
    ck_assert_uint_eq(position_ids(p), POSITION_IDS_MAX);
    ck_assert_uint_eq(position_ids_cut(p), 1000);
    position_encode(p, NOW_MS, &record);
    ck_assert_uint_lt(record.len, 600000);
    position_free(p);
    while (record.len < POSITION_BYTES_MAX)
        pl_buf_add_byte(&record, ' ');
    struct pl_err err;
    ck_assert_int_eq(position_decode(record.data, record.len, SLACK_MS, &p, &err), 0);
    position_free(p);
    pl_buf_add_byte(&record, ' ');
    ck_assert_int_eq(position_decode(record.data, record.len, SLACK_MS, &p, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
}
END_TEST

/* Whatever a service sends, the record can be read again: if it could not, the next start would end
 * for good. */
static const struct {
    const char *name, *id, *topic;
    int64_t partition, dt_ms;
} odd_cases[] = {
    {"no time in Kafka", "[{\"topic\":\"eqiad.x\",\"partition\":0,\"timestamp\":0}]", "eqiad.x", 0,
     NOW_MS},
    {"before 1970", "", "eqiad.x", 0, -62135596800000},
    {"microseconds", "[{\"topic\":\"eqiad.x\",\"partition\":0,\"timestamp\":1800000000000000}]",
     "eqiad.x", 0, NOW_MS},
    {"seconds that are none", "", "eqiad.x", 0, INT64_MAX / 1000 * 1000},
    {"partition below 0", "[{\"topic\":\"eqiad.x\",\"partition\":-1,\"timestamp\":1800000000000}]",
     "eqiad.x", -1, NOW_MS},
    {"partition of 33 bits", "[{\"topic\":\"eqiad.x\",\"partition\":4294967296,\"offset\":-1}]",
     "eqiad.x", INT64_C(4294967296), NOW_MS},
    {"lone surrogate", "", "\\ud800", 0, NOW_MS},
    {"NUL", "", "eqiad.x\\u0000y", 0, NOW_MS},
};

START_TEST(test_odd_answers)
{
    struct position *p = position_fresh(1), *other;
    PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
    struct position_mark mark;
    struct pl_err err;
    position_connected(p, POSITION_BY_TIME, 1, NOW_MS);
    for (unsigned i = 0; i < 20; i++) { /* more than POSITION_AHEAD_RUN */
        struct event e = event_of(odd_cases[_i].topic, odd_cases[_i].dt_ms, i + 1);
        e.topic.escaped = strchr(odd_cases[_i].topic, '\\') != NULL;
        e.partition = odd_cases[_i].partition;
        ck_assert_int_eq(take(p, &e, odd_cases[_i].id, &mark), POSITION_NEW);
        pl_buf_reset(&record);
        position_encode(p, NOW_MS, &record);
        int decoded = position_decode(record.data, record.len, SLACK_MS, &other, &err);
        ck_assert_msg(decoded == 0, "%s: %s", odd_cases[_i].name, err.msg);
        position_free(other);
        ck_assert_uint_eq(position_topics(p), 1);
    }
    position_free(p);
}
END_TEST

/* A service whose first id names one topic only: one that delivers all the same is asked for. */
START_TEST(test_delivers_is_asked)
{
    static const char *const ids[] = {
        "[{\"topic\":\"eqiad.mediawiki.recentchange\",\"partition\":0,\"offset\":-1}]",
        "[{\"topic\":\"codfw.mediawiki.recentchange\",\"partition\":0,\"offset\":-1}]"};
    struct pl_strings streams = streams_of("recentchange", NULL);
    struct position *p = position_fresh(NOW_MS - 60000);
    struct position_mark mark;
    for (unsigned k = 0; k < 4; k++) { /* the id names it, or only the event does */
        const char *id = k % 2 == 0 ? ids[1] : "";
        position_connected(p, POSITION_BY_TIME, NOW_MS - 60000, NOW_MS);
        ck_assert(position_discover(p, slice_of(ids[0]), &streams, NOW_MS));
        struct event e = event_of(names[1], NOW_MS - 100 + k, k + 1);
        ck_assert_int_eq(take(p, &e, id, &mark), POSITION_NEW);
        PL_CLEANUP(pl_buf_release) struct pl_buf asked = {0};
        ck_assert(position_last_event_id(p, &asked));
        ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&asked), names[0]));
        ck_assert_msg(strstr(pl_buf_cstr(&asked), names[1]), "%u: %s", k, pl_buf_cstr(&asked));
    }
    position_free(p);
    pl_strings_release(&streams);
}
END_TEST

/* Names longer than Kafka's are no topics: 256 of them would be a record that Kafka refuses. */
START_TEST(test_long_topic)
{
    struct position *p = position_fresh(1);
    PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
    struct position_mark mark;
    char name[8000];
    memset(name, 'x', sizeof(name) - 1);
    position_connected(p, POSITION_BY_TIME, 1, NOW_MS);
    for (unsigned i = 0; i < POSITION_TOPICS_MAX; i++) {
        snprintf(name + sizeof(name) - 8, 8, "%07u", i);
        struct event e = event_of(name, NOW_MS, i + 1);
        ck_assert_int_eq(take(p, &e, "", &mark), POSITION_NEW);
    }
    position_encode(p, NOW_MS, &record);
    ck_assert_uint_le(record.len, POSITION_BYTES_MAX);
    position_free(p);
}
END_TEST

/* When all windows are full, a quiet topic keeps the id that made its high: without any it would
 * count as one that has delivered nothing, and what is repeated would be taken again. */
START_TEST(test_cut_spares_quiet)
{
    struct position *p = position_fresh(NOW_MS - 60000);
    struct position_mark mark;
    position_connected(p, POSITION_BY_TIME, NOW_MS - 60000, NOW_MS);
    struct event quiet = event_of("eqiad.quiet", NOW_MS - 3000, 1);
    take(p, &quiet, "", &mark);
    for (unsigned i = 1; i < POSITION_IDS_MAX; i++) {
        struct event e = event_of("eqiad.busy", NOW_MS - 3000, i + 1);
        take(p, &e, "", &mark);
    }
    struct event third = event_of("eqiad.third", NOW_MS - 3000, 1);
    take(p, &third, "", &mark);
    ck_assert_uint_eq(position_ids_cut(p), 1);
    position_connected(p, POSITION_BY_ID, 0, NOW_MS);
    ck_assert_int_eq(take(p, &quiet, "", &mark), POSITION_DUPLICATE);
    position_free(p);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("record"),
        TEST(test_begun),
        TEST(test_record),
        TEST(test_record_strict, .count = PL_COUNT(records)),
        TEST(test_record_largest),
        TCASE("odd"),
        TEST(test_odd_answers, .count = PL_COUNT(odd_cases)),
        TEST(test_delivers_is_asked),
        TEST(test_long_topic),
        TEST(test_cut_spares_quiet),
    };
    return unit_main("position_record", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_position_rules.c - the position's rules one by one: times, ids, gaps, late and absurd
 * events, and which topics there are. links: wikisrcd
 */
#include "tests/unit/wikisrcd/position_steps.h"

/* ---- single rules ---- */

START_TEST(test_last_event_id)
{
    struct position *p = position_fresh(NOW_MS - 100000);
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    struct position_mark mark;
    struct event e = event_of("eqiad.x", 5, 1);
    ck_assert(!position_last_event_id(p, &id));
    ck_assert_int_eq(position_since(p), NOW_MS - 100000);
    position_connected(p, POSITION_BY_TIME, NOW_MS - 100000, NOW_MS);
    /* The id's time less 1 ms counts, not meta.dt; the silent topic is asked for as at first. */
    ck_assert_int_eq(take(p, &e, ID("1799999990001"), &mark), POSITION_NEW);
    ck_assert_int_eq(mark.time_ms, 1799999990000);
    ck_assert(position_last_event_id(p, &id));
    ck_assert_str_eq(pl_buf_cstr(&id),
                     "[{\"topic\":\"eqiad.x\",\"partition\":0,\"timestamp\":1799999985000},"
                     "{\"topic\":\"codfw.x\",\"partition\":0,\"timestamp\":1799999900000}]");
    ck_assert_int_eq(position_since(p), NOW_MS - 100000);
    ck_assert_int_eq(position_high(p), 1799999990000);
    position_free(p);
}
END_TEST

#define OWN(members) "[{\"topic\":\"eqiad.x\"," members "}]"

static const struct time_case {
    const char *name, *id;
    bool has_dt;
    int64_t time_ms;
} time_cases[] = {
    {"from the id", ID("1799999990001"), true, 1799999990000},
    {"id without a time: meta.dt", ID("null"), true, 77},
    {"no id: meta.dt", "", true, 77},
    {"an id of another form: meta.dt", "42", true, 77},
    {"broken id: meta.dt", "[{\"topic\":\"eqiad.x\"", true, 77},
    {"neither: the highest so far", "", false, SLACK_MS},
    {"no partition is the first", OWN("\"timestamp\":50"), true, 49},
    {"a whole number with a fraction", OWN("\"partition\":0.0,\"timestamp\":5e1"), true, 49},
    {"the first of two members", OWN("\"topic\":null,\"timestamp\":50,\"timestamp\":9"), true, 49},
    {"more members", OWN("\"partition\":0,\"timestamp\":50,\"epoch\":[{\"topic\":1}]"), true, 49},
    {"escapes", "[{\"t\\u006fpic\":\"eqiad\\u002ex\",\"timestamp\":50}]", true, 49},
    {"white space", " [ {\"topic\" : \"eqiad.x\" , \"timestamp\" : 50 } ] ", true, 49},
    {"a time that is text is none", OWN("\"timestamp\":\"50\""), true, 77},
    {"half a millisecond", OWN("\"timestamp\":50.5"), true, 77},
    {"a time that JSON does not carry", OWN("\"timestamp\":9007199254740992"), true, 77},
    {"partition null", OWN("\"partition\":null,\"timestamp\":50"), true, 77},
    {"partition -1", OWN("\"partition\":-1,\"timestamp\":50"), true, 77},
    {"partition 2^31", OWN("\"partition\":2147483648,\"timestamp\":50"), true, 77},
    {"no topic", "[{\"topic\":\"eqiad.x\",\"timestamp\":50},{\"timestamp\":9}]", true, 77},
    {"one that is no object", "[{\"topic\":\"eqiad.x\",\"timestamp\":50},7]", true, 77},
    {"a topic with half a surrogate pair",
     "[{\"topic\":\"eqiad.x\",\"timestamp\":50},{\"topic\":\"\\ud800\"}]", true, 77},
    {"a topic with NUL", "[{\"topic\":\"eqiad.x\",\"timestamp\":50},{\"topic\":\"\\u0000\"}]", true,
     77},
    {"no entry", "[]", true, 77},
    {"an object", "{\"topic\":\"eqiad.x\",\"timestamp\":50}", true, 77},
    {"text behind it", OWN("\"timestamp\":50") "]", true, 77},
};

START_TEST(test_time)
{
    const struct time_case *c = &time_cases[_i];
    struct position *p = position_fresh(0);
    struct position_mark mark;
    struct event e = event_of("eqiad.x", 77, 1);
    e.has_dt = c->has_dt;
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    ck_assert_int_eq(take(p, &e, c->id, &mark), POSITION_NEW);
    ck_assert_msg(mark.time_ms == c->time_ms, "%s: %lld", c->name, (long long)mark.time_ms);
    position_free(p);
}
END_TEST

/* An event that is not JSON names no topic: the id's entry with the latest time is its own. */
START_TEST(test_topicless)
{
    struct position *p = position_fresh(0);
    struct position_mark mark;
    struct event e = {.partition = -1, .offset = -1, .malformed = true, .identity = {1, 1}};
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    take(p, &e,
         "[{\"topic\":\"a.x\",\"partition\":0,\"timestamp\":10},"
         "{\"topic\":\"b.x\",\"partition\":0,\"timestamp\":30}]",
         &mark);
    ck_assert_str_eq(position_topic_name(p, mark.topic), "b.x");
    ck_assert_int_eq(mark.time_ms, 29);
    ck_assert_int_eq(take(p, &e, "", &mark), POSITION_DUPLICATE);
    position_free(p);
    /* A source without ids at all can be resumed by time. */
    p = position_fresh(0);
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    e.has_dt = true;
    e.dt_ms = 1000000;
    ck_assert_int_eq(take(p, &e, "", &mark), POSITION_NEW);
    ck_assert(!position_last_event_id(p, &id));
    ck_assert_int_eq(position_since(p), 1000000 - SLACK_MS);
    position_free(p);
}
END_TEST

START_TEST(test_streams_share_ids)
{
    struct position *p = position_fresh(0);
    struct position_mark mark;
    struct event a = event_of("eqiad.one", 10, 1), b = event_of("eqiad.two", 10, 1);
    struct event c = event_of("codfw.one", 10, 1);
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    ck_assert_int_eq(take(p, &a, "", &mark), POSITION_NEW);
    ck_assert_int_eq(take(p, &b, "", &mark), POSITION_NEW);       /* another stream */
    ck_assert_int_eq(take(p, &c, "", &mark), POSITION_DUPLICATE); /* the other data centre's */
    position_free(p);
}
END_TEST

START_TEST(test_gap)
{
    static const struct {
        int64_t offset;
        uint64_t gap;
    } steps[] = {{10, 0}, {11, 0}, {13, 1}, {14, 0}, {5, 0}, {6, 0}, {-1, 0}, {90, 0}, {100, 9}};
    struct position *p = position_fresh(0);
    struct position_mark mark;
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    for (unsigned i = 0; i < PL_COUNT(steps); i++) {
        struct event e = event_of("eqiad.x", 10 + i, i + 1);
        e.offset = steps[i].offset;
        take(p, &e, "", &mark);
        ck_assert_msg(mark.gap == steps[i].gap, "step %u: %lu", i, (unsigned long)mark.gap);
    }
    const struct position_look look = position_topic_look(p, 0);
    ck_assert_str_eq(look.name, "eqiad.x");
    ck_assert_int_eq(look.high_ms, position_high(p));
    ck_assert_uint_eq(look.taken, PL_COUNT(steps));
    ck_assert_uint_eq(look.gaps, 2);
    ck_assert_uint_eq(look.gap_events, 10);
    position_connected(p, POSITION_BY_ID, 0, NOW_MS); /* another cluster, other offsets */
    struct event e = event_of("eqiad.x", 30, 100);
    e.offset = 7000;
    take(p, &e, "", &mark);
    ck_assert_uint_eq(mark.gap, 0);
    position_free(p);
}
END_TEST

/* The first event after a connect says whether the source still has what was asked for. */
START_TEST(test_late)
{
    struct position_mark mark;
    int64_t asked_ms = NOW_MS - 86400000;
    struct position *p = position_fresh(asked_ms);
    position_connected(p, POSITION_BY_TIME, asked_ms, NOW_MS);
    struct event e = event_of("eqiad.x", asked_ms + POSITION_HEARTBEAT_MS + 1, 1);
    take(p, &e, "", &mark);
    ck_assert(mark.late);
    ck_assert_int_eq(mark.asked_ms, asked_ms);
    e = event_of("eqiad.x", NOW_MS - 3600000, 2);
    take(p, &e, "", &mark);
    ck_assert(!mark.late); /* not the first */

    position_connected(p, POSITION_BY_ID, 0, NOW_MS); /* as it should be: what we had comes again */
    take(p, &e, "", &mark);
    ck_assert(mark.verdict == POSITION_DUPLICATE && !mark.late);
    position_connected(p, POSITION_BY_ID, 0, NOW_MS); /* something newer comes first */
    e = event_of("eqiad.x", NOW_MS - 1000, 3);
    take(p, &e, "", &mark);
    ck_assert(mark.verdict == POSITION_NEW && mark.late);
    position_free(p);

    p = position_fresh(asked_ms);
    position_connected(p, POSITION_BY_TIME, asked_ms, NOW_MS);
    e = event_of("eqiad.x", asked_ms + POSITION_HEARTBEAT_MS, 1);
    take(p, &e, "", &mark);
    ck_assert(!mark.late);
    position_free(p);

    p = position_fresh(NOW_MS - 1000); /* from now: a quiet stream's first event an hour later */
    position_connected(p, POSITION_BY_TIME, NOW_MS - 1000, NOW_MS - 1000);
    position_check(p, &e, slice_of(""), NOW_MS, &mark);
    e = event_of("eqiad.x", NOW_MS + 3600000, 1);
    position_check(p, &e, slice_of(""), NOW_MS + 3600000, &mark);
    ck_assert(mark.believable && !mark.late);
    position_free(p);
}
END_TEST

/* The position is the highest believable time, and a lying event moves nothing. */
START_TEST(test_believable)
{
    struct position *p = position_fresh(0);
    struct position_mark mark;
    struct event e = event_of("eqiad.x", NOW_MS - 5000, 1);
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    take(p, &e, "", &mark);
    e = event_of("eqiad.x", NOW_MS + POSITION_BELIEVE_MS + 1, 2);
    ck_assert_int_eq(take(p, &e, "", &mark), POSITION_NEW);
    ck_assert(!mark.believable);
    ck_assert_int_eq(take(p, &e, "", &mark), POSITION_DUPLICATE);
    e = event_of("eqiad.x", 1, 3);
    ck_assert_int_eq(take(p, &e, "", &mark), POSITION_NEW);
    ck_assert_int_eq(position_high(p), NOW_MS - 5000);
    position_free(p);
}
END_TEST

/* The service takes 0 for "not given"; negative ones are words to Kafka. */
START_TEST(test_times_that_go_out)
{
    struct position *p = position_fresh(0);
    struct position_mark mark;
    struct event e = event_of("eqiad.x", 5, 1);
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    ck_assert_int_eq(take(p, &e, ID("6"), &mark), POSITION_NEW);
    ck_assert(position_last_event_id(p, &id));
    ck_assert_str_eq(pl_buf_cstr(&id), "[{\"topic\":\"eqiad.x\",\"partition\":0,\"timestamp\":1},"
                                       "{\"topic\":\"codfw.x\",\"partition\":0,\"timestamp\":1}]");
    static const int64_t times[][2] = {{INT64_MIN, 1}, {-1, 1}, {0, 1},
                                       {1, 1},         {2, 2},  {NOW_MS, NOW_MS}};
    for (size_t i = 0; i < PL_COUNT(times); i++)
        ck_assert_int_eq(position_time_out(times[i][0]), times[i][1]);
    position_free(p);
}
END_TEST

/* POSITION_AHEAD_RUN in a row are believed; fewer, or interrupted ones, are not. */
START_TEST(test_run_from_the_future)
{
    const int64_t ahead_ms = NOW_MS + 3600000;
    for (unsigned pause = 2; pause <= POSITION_AHEAD_RUN + 1; pause++) {
        struct position *p = position_fresh(NOW_MS - 1000);
        struct position_mark mark;
        position_connected(p, POSITION_BY_TIME, NOW_MS - 1000, NOW_MS);
        for (unsigned i = 0; i < 3 * POSITION_AHEAD_RUN; i++) {
            bool good = i % pause == pause - 1;
            struct event e = event_of("eqiad.x", good ? NOW_MS + i : ahead_ms + i, i + 1);
            ck_assert_int_eq(take(p, &e, "", &mark), POSITION_NEW);
        }
        bool run = pause > POSITION_AHEAD_RUN;
        ck_assert_msg((position_high(p) > ahead_ms) == run, "pause %u", pause);
        ck_assert_uint_eq(position_ahead_cut(p), 0);
        ck_assert_uint_eq(position_taken(p), 3 * POSITION_AHEAD_RUN);
        position_free(p);
    }
}
END_TEST

/* However many there are, and whatever comes between: the position never gets beyond what the
 * service still has when that time comes. */
START_TEST(test_absurd_times)
{
    static const int64_t steps[] = {0,
                                    1,
                                    POSITION_BELIEVE_MS,
                                    POSITION_BELIEVE_MS + 1,
                                    3600000,
                                    86400000,
                                    POSITION_AHEAD_MS_MAX,
                                    POSITION_AHEAD_MS_MAX + 1,
                                    10 * POSITION_AHEAD_MS_MAX,
                                    YEAR_9999_MS - NOW_MS};
    for (unsigned round = 0; round < 300; round++) {
        struct position *p = position_fresh(NOW_MS - 1000);
        struct position_mark mark;
        int64_t ahead_ms = 0, least_ms = NOW_MS;
        rng_state = round;
        position_connected(p, POSITION_BY_TIME, NOW_MS - 1000, NOW_MS);
        for (unsigned i = 0; i < 1000; i++) {
            if (i % 40 == 0)
                ahead_ms = steps[rng(PL_COUNT(steps))];
            struct event e = event_of(names[rng(TOPICS)], NOW_MS + ahead_ms, i + 1);
            if (rng(50) == 0)
                e.dt_ms = YEAR_9999_MS;
            ck_assert_int_eq(take(p, &e, "", &mark), POSITION_NEW);
            ck_assert_int_eq(take(p, &e, "", &mark), POSITION_DUPLICATE);
            ck_assert_int_le(position_high(p), HIGHEST_MS);
            ck_assert(position_high(p) == 0 || position_high(p) >= least_ms - 1000);
        }
        position_free(p);
    }
}
END_TEST

/* More of them than fit are counted. */
START_TEST(test_ahead_cut)
{
    struct position *p = position_fresh(0);
    struct position_mark mark;
    position_connected(p, POSITION_BY_TIME, 0, NOW_MS);
    for (unsigned i = 0; i < 2 * (POSITION_AHEAD_MAX + 7); i++) {
        struct event e = event_of("eqiad.x", i % 2 ? NOW_MS : NOW_MS + 86400000, i + 1);
        take(p, &e, "", &mark);
    }
    ck_assert_uint_eq(position_ahead_cut(p), 7);
    ck_assert_int_eq(position_high(p), NOW_MS);
    position_free(p);
}
END_TEST

/* A start in the future, or from a clock that was ahead: the source's now at the latest. */
START_TEST(test_start_to_come)
{
    struct position *p = position_fresh(NOW_MS + 86400000);
    struct position_mark mark;
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    struct event e = event_of("eqiad.x", NOW_MS + 5, 1);
    ck_assert_int_eq(position_since(p), NOW_MS + 86400000);
    position_connected(p, POSITION_BY_TIME, NOW_MS + 86400000, NOW_MS);
    ck_assert_int_eq(position_since(p), NOW_MS);
    take(p, &e, ID("1800000000006"), &mark);
    ck_assert(position_last_event_id(p, &id));
    ck_assert_ptr_nonnull(
        strstr(pl_buf_cstr(&id), "codfw.x\",\"partition\":0,\"timestamp\":1800000000000}"));
    position_free(p);
}
END_TEST

/* ---- discovery ---- */

#define ENTRY(topic) "{\"topic\":\"" topic "\",\"partition\":0,\"timestamp\":1799999990001}"

START_TEST(test_discover)
{
    struct pl_strings old = streams_of("recentchange", NULL);
    struct pl_strings more = streams_of("recentchange", "page-create");
    struct pl_strings other = streams_of("page-create", NULL);
    struct position *p = position_fresh(NOW_MS - 900000);
    const char *id = "[" ENTRY("eqiad.mediawiki.recentchange") "]";
    struct event e = event_of("eqiad.mediawiki.recentchange", 0, 1);
    struct position_mark mark;
    char *text;

    position_connected(p, POSITION_BY_TIME, NOW_MS - 900000, NOW_MS);
    ck_assert(position_discover(p, slice_of(id), &old, NOW_MS - 800000));
    take(p, &e, id, &mark);
    ck_assert(!position_discover(p, slice_of("x"), &old, NOW_MS));
    ck_assert_int_eq(position_discovered(p), NOW_MS - 800000);

    /* A new data centre's topic: from when it was known not to be there. */
    position_connected(p, POSITION_DISCOVERY, 0, NOW_MS);
    id = "[" ENTRY("eqiad.mediawiki.recentchange") "," ENTRY("drmrs.mediawiki.recentchange") "]";
    ck_assert(position_discover(p, slice_of(id), &old, NOW_MS - 1000));
    text = last_event_id(p);
    ck_assert_ptr_nonnull(strstr(text, "drmrs.mediawiki.recentchange\",\"partition\":0,"
                                       "\"timestamp\":1799999200000}"));
    free(text);

    /* A new stream begins now; an old stream's topic that is gone is asked for no more. */
    ck_assert(position_streams_differ(p, &more));
    position_connected(p, POSITION_DISCOVERY, 0, NOW_MS);
    id = "[" ENTRY("eqiad.mediawiki.recentchange") "," ENTRY("eqiad.mediawiki.page-create") "]";
    ck_assert(position_discover(p, slice_of(id), &more, NOW_MS));
    ck_assert(!position_streams_differ(p, &more));
    text = last_event_id(p);
    ck_assert_ptr_nonnull(strstr(text, "eqiad.mediawiki.page-create\",\"partition\":0,"
                                       "\"timestamp\":1800000000000}"));
    ck_assert_ptr_null(strstr(text, "drmrs"));
    free(text);

    /* A stream no longer configured is forgotten, with its ids. */
    ck_assert_uint_eq(position_ids(p), 1);
    position_connected(p, POSITION_DISCOVERY, 0, NOW_MS);
    ck_assert(position_discover(p, slice_of("[" ENTRY("eqiad.mediawiki.page-create") "]"), &other,
                                NOW_MS));
    ck_assert_uint_eq(position_ids(p), 0);
    text = last_event_id(p);
    ck_assert_ptr_null(strstr(text, "recentchange"));
    free(text);
    pl_strings_release(&old);
    pl_strings_release(&more);
    pl_strings_release(&other);
    position_free(p);
}
END_TEST

/* Where the entry of the topic begins in the next Last-Event-ID; -1: it is not asked for. */
static int64_t asked_from(const struct position *p, const char *topic)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    position_last_event_id(p, &id);
    const char *entry = strstr(pl_buf_cstr(&id), topic);
    return entry ? strtoll(strstr(entry, "\"timestamp\":") + 12, NULL, 10) : -1;
}

#define RECENT "eqiad.mediawiki.recentchange"
#define CREATE "eqiad.mediawiki.page-create"

/* The first id names the topic of only one of two streams. Whenever the other is named, it begins
 * where the service did: lost would be what came before, and nothing of it was taken. */
START_TEST(test_discover_part)
{
    const int64_t since_ms = NOW_MS - 900000;
    struct pl_strings both = streams_of("recentchange", "page-create");
    struct position *p = position_new(&both, since_ms, SLACK_MS);
    struct event e = event_of(RECENT, NOW_MS - 10000, 1);
    struct position_mark mark;
    position_connected(p, POSITION_BY_TIME, since_ms, NOW_MS);
    ck_assert(position_discover(p, slice_of("[" ENTRY(RECENT) "]"), &both, NOW_MS - 800000));
    ck_assert(!position_is_whole(p) && !position_begins_earlier(p));
    take(p, &e, "[" ENTRY(RECENT) "]", &mark);
    for (unsigned i = 0; i < 3; i++) { /* discoveries in vain, and over a restart */
        PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
        position_connected(p, POSITION_DISCOVERY, 0, NOW_MS);
        ck_assert(position_discover(p, slice_of("[" ENTRY(RECENT) "]"), &both, NOW_MS - 700000));
        ck_assert_int_eq(position_discovered(p), since_ms);
        position_encode(p, NOW_MS, &record);
        p = crash(p, &record);
    }
    position_connected(p, _i == 0 ? POSITION_DISCOVERY : POSITION_BY_TIME, position_since(p),
                       NOW_MS);
    ck_assert(
        position_discover(p, slice_of("[" ENTRY(RECENT) "," ENTRY(CREATE) "]"), &both, NOW_MS));
    ck_assert_int_eq(asked_from(p, CREATE), since_ms);
    ck_assert_int_eq(asked_from(p, RECENT), NOW_MS - 10000 - SLACK_MS);
    ck_assert(position_is_whole(p));
    ck_assert_int_eq(position_begins_earlier(p), _i == 1); /* by time its past was not asked for */
    ck_assert_int_eq(position_discovered(p), NOW_MS);
    pl_strings_release(&both);
    position_free(p);
}
END_TEST

/* The id of a discovery lacks a stream that has delivered, and a stream is new: what is known of
 * the first one stays, and it goes on from there when it is named again. */
START_TEST(test_discover_less)
{
    struct pl_strings old = streams_of("recentchange", NULL);
    struct pl_strings both = streams_of("recentchange", "page-create");
    struct position *p = position_new(&old, NOW_MS - 900000, SLACK_MS);
    struct event e = event_of(RECENT, NOW_MS - 10000, 1);
    struct position_mark mark;
    position_connected(p, POSITION_BY_TIME, NOW_MS - 900000, NOW_MS);
    ck_assert(position_discover(p, slice_of("[" ENTRY(RECENT) "]"), &old, NOW_MS - 800000));
    take(p, &e, "[" ENTRY(RECENT) "]", &mark);
    position_connected(p, POSITION_DISCOVERY, 0, NOW_MS);
    ck_assert(position_discover(p, slice_of("[" ENTRY(CREATE) "]"), &both, NOW_MS));
    ck_assert(!position_is_whole(p));
    ck_assert_int_eq(asked_from(p, RECENT), -1);
    ck_assert_int_eq(asked_from(p, CREATE), NOW_MS);
    position_connected(p, POSITION_DISCOVERY, 0, NOW_MS);
    ck_assert(
        position_discover(p, slice_of("[" ENTRY(RECENT) "," ENTRY(CREATE) "]"), &both, NOW_MS));
    ck_assert_int_eq(asked_from(p, RECENT), NOW_MS - 10000 - SLACK_MS);
    ck_assert_int_eq(take(p, &e, "[" ENTRY(RECENT) "]", &mark), POSITION_DUPLICATE);
    pl_strings_release(&old);
    pl_strings_release(&both);
    position_free(p);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("rules"),
        TEST(test_last_event_id),
        TEST(test_time, .count = PL_COUNT(time_cases)),
        TEST(test_topicless),
        TEST(test_streams_share_ids),
        TEST(test_gap),
        TEST(test_late),
        TEST(test_believable),
        TEST(test_times_that_go_out),
        TEST(test_run_from_the_future),
        TEST(test_absurd_times),
        TEST(test_ahead_cut),
        TEST(test_start_to_come),
        TEST(test_discover),
        TEST(test_discover_part, .count = 2),
        TEST(test_discover_less),
    };
    return unit_main("position_rules", tests, PL_COUNT(tests));
}

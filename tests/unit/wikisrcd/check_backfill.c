/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_backfill.c - which events belong to a range, when it is complete, what is recorded.
 * links: wikisrcd
 *
 * Tries all orders of a few events in two topics, with wrong times, canaries and stops
 * at each event, and compared with what Kafka's index by time says.
 */
#include "daemons/wikisrcd/backfill/backfill.h"

#include "lib/base/buf.h"
#include "tests/unit/unit.h"

enum { TOPICS = 2, EVENTS_MAX = 5, MINUTE = 60000 };

struct item {
    unsigned topic;
    int64_t time_ms;
    bool canary, believable;
};

struct upstream {
    struct item items[EVENTS_MAX];
    unsigned n;
};

/* ---- all small logs ---- */

/* Where Kafka begins when asked by time: the first event of the topic at or above it. */
static unsigned seek(const struct upstream *u, unsigned topic, int64_t time_ms)
{
    unsigned i = 0;
    while (i < u->n &&
           (u->items[i].topic != topic || !u->items[i].believable || u->items[i].time_ms < time_ms))
        i++;
    return i;
}

static bool belongs(const struct upstream *u, unsigned i, const struct backfill_range *range)
{
    unsigned topic = u->items[i].topic;
    return i >= seek(u, topic, range->start_ms) && i < seek(u, topic, range->end_ms);
}

static struct position_mark mark_of(const struct item *item)
{
    return (struct position_mark){
        .topic = item->topic, .time_ms = item->time_ms, .believable = item->believable};
}

static bool is_whole(const struct backfill *b)
{
    return backfill_topic_is_over(b, 0, 1) && backfill_topic_is_over(b, 1, 1);
}

/* Reads from where the service would begin until the range is complete or the log ends, with a stop
 * before event `stop`. Adds what it takes to `taken`. false: it was complete too early. */
static bool load(const struct upstream *u, const struct backfill_range *range, unsigned stop,
                 unsigned *taken)
{
    struct backfill b = {.range = *range};
    unsigned from[TOPICS] = {seek(u, 0, range->start_ms), seek(u, 1, range->start_ms)};
    unsigned i = 0;
    for (; i < u->n && !is_whole(&b); i++) {
        if (i == stop) { /* all that the record keeps of a topic */
            struct backfill again = {.range = *range, .topics_n = b.topics_n};
            for (unsigned t = 0; t < b.topics_n; t++)
                again.topics[t] = (struct backfill_topic){.reached_ms = b.topics[t].reached_ms,
                                                          .passed = b.topics[t].passed};
            b = again;
        }
        if (i < from[u->items[i].topic])
            continue;
        const struct position_mark mark = mark_of(&u->items[i]);
        taken[i] += backfill_has(&b, &mark);
        backfill_add(&b, &mark, u->items[i].canary, BACKFILL_WRITTEN);
    }
    while (i < u->n && !belongs(u, i, range)) /* what it did not wait for */
        i++;
    return i == u->n;
}

static bool takes(const struct upstream *u, const unsigned *taken,
                  const struct backfill_range *range)
{
    for (unsigned i = 0; i < u->n; i++)
        if (taken[i] != belongs(u, i, range))
            return false;
    return true;
}

/* (An assertion each would take a system call each.) */
static bool log_holds(const struct upstream *u, int64_t times)
{
    bool holds = true;
    for (int64_t a = 1; a <= times; a++)
        for (int64_t b = a + 1; b <= times + 1; b++) {
            const struct backfill_range range = {a, b};
            for (unsigned stop = 0; stop <= u->n; stop++) {
                unsigned taken[EVENTS_MAX] = {0};
                holds &= load(u, &range, stop, taken) && takes(u, taken, &range);
            }
        }
    /* Any two adjoining ranges: each event once, and the same as in one range. */
    for (int64_t b = 2; b <= times; b++) {
        unsigned taken[EVENTS_MAX] = {0};
        const struct backfill_range first = {1, b}, second = {b, times + 1}, both = {1, times + 1};
        holds &= load(u, &first, EVENTS_MAX, taken) && load(u, &second, EVENTS_MAX, taken) &&
                 takes(u, taken, &both);
    }
    return holds;
}

/* Every log of n events; kinds: 1, or with canaries 2, or with times of the future 3. */
static unsigned logs_check(unsigned n, int64_t times, unsigned kinds)
{
    unsigned each = TOPICS * (unsigned)times * kinds, all = 1;
    for (unsigned i = 0; i < n; i++)
        all *= each;
    for (unsigned code = 0; code < all; code++) {
        struct upstream u = {.n = n};
        for (unsigned i = 0, rest = code; i < n; i++, rest /= each) {
            unsigned kind = rest % each / (TOPICS * (unsigned)times);
            u.items[i] = (struct item){.topic = rest % TOPICS,
                                       .time_ms = 1 + rest / TOPICS % times,
                                       .canary = kind == 1,
                                       .believable = kind != 2};
        }
        if (!log_holds(&u, times))
            ck_abort_msg("log %u of %u events", code, n);
    }
    return all;
}

START_TEST(every_small_log)
{
    ck_assert_uint_eq(logs_check(5, 4, 1), 32768);
    ck_assert_uint_eq(logs_check(4, 3, 3), 104976);
    ck_assert_uint_eq(logs_check(3, 5, 3), 27000);
}
END_TEST

/* ---- the end ---- */

static void add(struct backfill *b, unsigned topic, int64_t time_ms, bool canary)
{
    const struct position_mark mark = {.topic = topic, .time_ms = time_ms, .believable = true};
    backfill_add(b, &mark, canary, BACKFILL_WRITTEN);
}

/* One event with a time much too high ends the range early; what follows is counted. */
START_TEST(behind_a_wrong_time)
{
    struct backfill b = {.range = {100000, 200000}, .slack_ms = 5000};
    add(&b, 0, 120000, false);
    add(&b, 0, 250000, false); /* wrong */
    ck_assert(!backfill_topic_is_over(&b, 0, 1));
    add(&b, 0, 121000, false);
    add(&b, 0, 196000, false); /* out of order as usual: counted as outside only */
    add(&b, 0, 90000, false);
    ck_assert_uint_eq(b.sums[BACKFILL_BEHIND], 1);
    ck_assert_uint_eq(b.sums[BACKFILL_OUTSIDE], 4);
    ck_assert_uint_eq(b.sums[BACKFILL_WRITTEN], 1);
    ck_assert(!backfill_topic_is_over(&b, 0, 1));
    add(&b, 0, 200000, false);
    ck_assert(backfill_topic_is_over(&b, 0, 1));
    add(&b, 0, 121000, false);
    ck_assert_uint_eq(b.sums[BACKFILL_BEHIND], 1);
    add(&b, 1, 200000, true);
    ck_assert(backfill_topic_is_over(&b, 1, 1));
    ck_assert_int_eq(backfill_reached(&b), 200000);
}
END_TEST

/* A topic without canaries is over once it is still while another is at the present. */
START_TEST(still_topics)
{
    struct backfill b = {.range = {1000 * MINUTE, 1010 * MINUTE}};
    const int64_t now = 1020 * MINUTE;
    add(&b, 1, 1015 * MINUTE, true);
    add(&b, 0, 1009 * MINUTE, false);
    backfill_tick(&b, now, 1);
    ck_assert(backfill_topic_is_over(&b, 1, 1));
    ck_assert(!backfill_topic_is_over(&b, 0, 1 + 10 * BACKFILL_STILL_MS)); /* none is at present */
    add(&b, 1, now - MINUTE / 2, false);
    add(&b, 0, 1009 * MINUTE, false);
    ck_assert(!backfill_topic_is_over(&b, 0, 1000));
    backfill_tick(&b, now, 1000);
    ck_assert(!backfill_topic_is_over(&b, 0, 1000 + BACKFILL_STILL_MS - 1));
    ck_assert(backfill_topic_is_over(&b, 0, 1000 + BACKFILL_STILL_MS));
    ck_assert(backfill_topic_is_over(&b, 2, 1000 + BACKFILL_STILL_MS)); /* nothing ever came */
    add(&b, 0, 1009 * MINUTE, false);
    ck_assert(!backfill_topic_is_over(&b, 0, 1000 + BACKFILL_STILL_MS));
    /* Time moves on but no topic does: we are behind, or cut off. */
    backfill_tick(&b, now + 5 * MINUTE, 2000);
    ck_assert(!backfill_topic_is_over(&b, 2, 2000 + BACKFILL_STILL_MS));
}
END_TEST

/* ---- what is recorded ---- */

static void record_make(struct backfill_record *r, const char *topic)
{
    *r = (struct backfill_record){.topic = pl_strdup(topic)};
    pl_strings_add(&r->streams, "recentchange");
    pl_strings_add(&r->streams, "page_change");
}

static void close_range(struct backfill_record *r, int64_t start_ms, int64_t end_ms)
{
    r->open = true;
    r->now = (struct backfill){.range = {start_ms, end_ms}, .sums = {[BACKFILL_WRITTEN] = 1}};
    backfill_record_close(r);
    ck_assert(!r->open);
}

static void done_is(const struct backfill_record *r, const char *expect)
{
    struct pl_buf text = {0};
    for (unsigned i = 0; i < r->done_n; i++)
        pl_buf_addf(&text, "%s%d-%d:%u", i > 0 ? " " : "", (int)r->done[i].range.start_ms,
                    (int)r->done[i].range.end_ms, (unsigned)r->done[i].written);
    ck_assert_str_eq(pl_buf_cstr(&text), expect);
    pl_buf_release(&text);
}

START_TEST(ranges_merge)
{
    struct backfill_record r;
    record_make(&r, "t");
    close_range(&r, 50, 60);
    close_range(&r, 10, 20);
    close_range(&r, 30, 40);
    done_is(&r, "10-20:1 30-40:1 50-60:1");
    close_range(&r, 20, 25);
    close_range(&r, 28, 30);
    done_is(&r, "10-25:2 28-40:2 50-60:1");
    close_range(&r, 60, 61);
    close_range(&r, 70, 80);
    done_is(&r, "10-25:2 28-40:2 50-61:2 70-80:1");
    close_range(&r, 24, 55);
    done_is(&r, "10-61:7 70-80:1");
    close_range(&r, 1, 100);
    done_is(&r, "1-100:9");
    backfill_record_release(&r);
}
END_TEST

#define NOW 1000000

static const struct choose_case {
    int64_t open[2]; /* 0: none */
    int64_t start_ms, end_ms, service_ms;
    bool overlap;
    const char *expect; /* "begin 1-2", "continue …", "done …", or a part of the error */
} chosen[] = {
    /* no service, nothing yet */
    {{0}, 100, 200, -1, false, "begin 100-200"},
    {{0}, 5000, -1, -1, false, "begin 5000-1000000"},
    {{0}, 0, 200, -1, false, "begin 1-200"},
    {{0}, -1, -1, -1, false, "needs --start"},
    {{0}, NOW, -1, -1, false, "before now"},
    /* the service */
    {{0}, 100, -1, 200, false, "begin 100-200"},
    {{0}, 100, 200, 200, false, "begin 100-200"},
    {{0}, 100, 201, 200, false, "--end 1970-01-01T00:00:00.200Z is the latest"},
    {{0}, 100, 201, 200, true, "begin 100-201"},
    {{0}, 300, -1, 200, false, "before where the service began"},
    {{0}, 100, 200, 0, false, "written everything since 1970"},
    {{0}, 5000, -1, NOW + 5, false, "begin 5000-1000000"},
    /* ranges 1000-2000 and 3000-4000 are done */
    {{0}, 1000, 2000, -1, false, "done 1000-2000"},
    {{0}, 1001, 1999, 1500, false, "done 1001-1999"},
    {{0}, 1000, 2000, -1, true, "begin 1000-2000"},
    {{0}, 2000, 3000, -1, false, "begin 2000-3000"},
    {{0}, 1999, 3000, -1, false, "from 1970-01-01T00:00:01.000Z to 1970-01-01T00:00:02.000Z"},
    {{0}, 2000, 3001, -1, false, "from 1970-01-01T00:00:03.000Z to"},
    {{0}, 500, 5000, -1, false, "is loaded already"},
    {{0}, 500, 5000, -1, true, "begin 500-5000"},
    /* one is under way */
    {{100, 200}, -1, -1, -1, false, "continue 100-200"},
    {{100, 200}, -1, -1, 150, true, "continue 100-200"},
    {{100, 200}, 100, 200, -1, false, "continue 100-200"},
    {{100, 200}, 100, -1, -1, false, "continue 100-200"},
    {{100, 200}, 100, 201, -1, false, "is not complete yet"},
    {{100, 200}, 300, 400, -1, true, "finish it first"},
};

START_TEST(what_to_do)
{
    static const char *const names[] = {"begin", "continue", "done"};
    const struct choose_case *c = &chosen[_i];
    struct backfill_record r;
    record_make(&r, "t");
    close_range(&r, 1000, 2000);
    close_range(&r, 3000, 4000);
    r.open = c->open[0] > 0;
    r.now.range = (struct backfill_range){c->open[0], c->open[1]};
    const struct backfill_ask ask = {c->start_ms, c->end_ms, NOW, c->service_ms, c->overlap};
    struct backfill_range range;
    enum backfill_choice choice;
    struct pl_err err = {0};
    char text[512];
    if (backfill_choose(&r, &ask, &range, &choice, &err) < 0) {
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        snprintf(text, sizeof(text), "%s", err.msg);
    } else {
        snprintf(text, sizeof(text), "%s %d-%d", names[choice], (int)range.start_ms,
                 (int)range.end_ms);
    }
    ck_assert_msg(strstr(text, c->expect), "%d: %s, not %s", _i, text, c->expect);
    backfill_record_release(&r);
}
END_TEST

/* The service's first start; ranges 1000-2000, 2500-2600 and 3000-4000 are done. */
static const struct start_case {
    int64_t open[2]; /* 0: none */
    int64_t start_ms;
    bool other;        /* of other streams */
    int64_t expect_ms; /* -1: refused */
    const char *says[2];
} starts[] = {
    {{0}, 4000, false, 4000, {0}},
    {{0}, 4000, true, 4000, {0}},
    {{0}, 9000, false, 9000, {0}},
    {{0}, 3000, false, 4000, {0}},
    {{0}, 3999, false, 4000, {0}},
    {{0}, 3999, true, -1, {"source.start: 1970-01-01T00:00:04.000Z", "of other source.streams"}},
    {{0},
     2999,
     false,
     -1,
     {"source.start: 1970-01-01T00:00:04.000Z", "(from 1970-01-01T00:00:02.999Z)"}},
    {{0},
     1500,
     false,
     -1,
     {"source.start: 1970-01-01T00:00:04.000Z", "(from 1970-01-01T00:00:02.000Z)"}},
    {{0},
     0,
     false,
     -1,
     {"source.start: 1970-01-01T00:00:04.000Z", "(from 1970-01-01T00:00:00.001Z)"}},
    {{5000, 6000}, 3500, false, -1, {"source.start: 1970-01-01T00:00:06.000Z", "is loading"}},
    {{5000, 6000}, 5500, false, -1, {"source.start: 1970-01-01T00:00:06.000Z", "is loading"}},
    {{5000, 6000}, 6000, false, 6000, {0}},
    {{100, 200}, 3500, false, 4000, {0}},
};

START_TEST(where_the_service_begins)
{
    const struct start_case *c = &starts[_i];
    struct backfill_record r;
    record_make(&r, "t");
    close_range(&r, 1000, 2000);
    close_range(&r, 2500, 2600);
    close_range(&r, 3000, 4000);
    r.open = c->open[0] > 0;
    r.now.range = (struct backfill_range){c->open[0], c->open[1]};
    PL_CLEANUP(pl_strings_release) struct pl_strings other = {0};
    pl_strings_add(&other, "other");
    int64_t begin_ms = -1;
    struct pl_err err = {0};
    int done = backfill_service_start(&r, "t", c->other ? &other : &r.streams, c->start_ms,
                                      &begin_ms, &err);
    ck_assert_int_eq(done, c->expect_ms < 0 ? -1 : 0);
    ck_assert_int_eq(begin_ms, c->expect_ms);
    for (size_t i = 0; i < 2 && c->says[i]; i++)
        ck_assert_msg(err.kind == PL_ERR_CONFIG && strstr(err.msg, c->says[i]), "%s", err.msg);
    backfill_record_release(&r);
}
END_TEST

START_TEST(the_oldest_stays_the_oldest)
{
    struct backfill_record r;
    struct pl_err err;
    int64_t begin_ms = -1;
    record_make(&r, "t");
    ck_assert_int_eq(backfill_service_start(&r, "t", &r.streams, 0, &begin_ms, &err), 0);
    ck_assert_int_eq(begin_ms, 0);
    backfill_record_release(&r);
}
END_TEST

/* Out of room: refused before loading, not after. */
START_TEST(too_many_ranges)
{
    struct backfill_record r;
    record_make(&r, "t");
    for (int64_t i = 0; i < BACKFILL_DONE_MAX; i++)
        close_range(&r, 1000 + 20 * i, 1010 + 20 * i);
    const struct backfill_ask ask = {100, 200, NOW, -1, true};
    struct backfill_range range;
    enum backfill_choice choice;
    struct pl_err err;
    ck_assert_int_lt(backfill_choose(&r, &ask, &range, &choice, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "256 separate ranges"));
    backfill_record_release(&r);
}
END_TEST

/* ---- the record ---- */

static const char sse_id[] =
    "[{\"topic\":\"eqiad.mediawiki.recentchange\",\"partition\":0,\"timestamp\":150001},"
    "{\"topic\":\"codfw.mediawiki.recentchange\",\"partition\":0,\"offset\":-1}]";

START_TEST(record_again)
{
    struct backfill_record r, again = {0};
    record_make(&r, "data \"x\"");
    close_range(&r, 1000, 2000);
    close_range(&r, 3000, 4000);
    r.open = true;
    r.now = (struct backfill){.range = {100000, 200000}, .slack_ms = 5000};
    struct position *position = position_new(&r.streams, 100000, 5000), *position_again = NULL;
    static const char json[] = "{\"meta\":{\"id\":\"01234567-89ab-4def-8123-456789abcdef\","
                               "\"topic\":\"eqiad.mediawiki.recentchange\",\"partition\":0}}";
    struct event event = {0};
    struct event_wants wants;
    event_wants_init(&wants, false);
    event_read(&event, json, strlen(json), &wants);
    event_wants_release(&wants);
    struct position_mark mark;
    position_connected(position, POSITION_BY_TIME, 100000, NOW);
    position_check(position, &event, (struct pl_slice){sse_id, strlen(sse_id)}, NOW, &mark);
    ck_assert_int_eq(mark.time_ms, 150000);
    ck_assert(backfill_has(&r.now, &mark));
    position_add(position, &mark);
    backfill_add(&r.now, &mark, false, BACKFILL_FILTERED);
    add(&r.now, 1, 250000, true);

    struct pl_buf text = {0}, text_again = {0};
    struct pl_err err;
    backfill_encode(&r, position, NOW, &text);
    ck_assert_msg(backfill_decode(text.data, text.len, 5000, &again, &position_again, &err) == 0,
                  "%s", err.msg);
    ck_assert_uint_eq(again.now.sums[BACKFILL_FILTERED], 1);
    ck_assert_int_eq(again.now.topics[0].reached_ms, 150000);
    ck_assert(again.now.topics[1].passed);
    ck_assert_str_eq(again.topic, r.topic);
    position_check(position_again, &event, (struct pl_slice){sse_id, strlen(sse_id)}, NOW, &mark);
    ck_assert_int_eq(mark.verdict, POSITION_DUPLICATE);
    backfill_encode(&again, position_again, NOW, &text_again);
    ck_assert_str_eq(pl_buf_cstr(&text_again), pl_buf_cstr(&text));

    /* Complete: small, without a position. */
    backfill_record_release(&again);
    pl_buf_reset(&text);
    backfill_record_close(&r);
    backfill_encode(&r, NULL, NOW, &text);
    position_free(PL_TAKE(position_again));
    ck_assert_int_eq(backfill_decode(text.data, text.len, 5000, &again, &position_again, &err), 0);
    ck_assert_ptr_null(position_again);
    ck_assert(!again.open);
    done_is(&again, "1000-2000:1 3000-4000:1 100000-200000:0");
    event_release(&event);
    position_free(position);
    backfill_record_release(&r);
    backfill_record_release(&again);
    pl_buf_release(&text);
    pl_buf_release(&text_again);
}
END_TEST

#define POSITION                                                                                   \
    "{\"version\":1,\"streams\":[],\"since\":1,\"discovered\":0,\"at\":1,\"slack\":1,\"topics\":"  \
    "[]}"
#define OPEN(members)                                                                              \
    "{\"version\":1,\"topic\":\"t\",\"streams\":[],\"done\":[],\"open\":{" members "}}"
#define SUMS "\"sums\":[0,0,0,0,0,0]"

static const struct {
    const char *text, *has; /* NULL: taken */
} records[] = {
    {"{\"version\":1,\"topic\":\"t\",\"streams\":[],\"done\":[]}", NULL},
    {OPEN("\"start\":1,\"end\":2," SUMS ",\"topics\":[],\"position\":" POSITION), NULL},
    {OPEN("\"start\":1,\"end\":2," SUMS ",\"topics\":[3,0],\"position\":" POSITION), "more"},
    {OPEN("\"start\":1,\"end\":2," SUMS ",\"topics\":[3],\"position\":" POSITION), "topics"},
    {OPEN("\"start\":1,\"end\":2," SUMS ",\"topics\":[3,2],\"position\":" POSITION), "range"},
    {OPEN("\"start\":1,\"end\":2," SUMS ",\"topics\":[-2,0],\"position\":" POSITION), "range"},
    {OPEN("\"start\":1,\"end\":2," SUMS ",\"topics\":[]"), "no `position`"},
    {OPEN("\"start\":1,\"end\":2," SUMS ",\"topics\":[],\"position\":{}"), "no version"},
    {OPEN("\"start\":1,\"end\":2,\"sums\":[0],\"topics\":[],\"position\":" POSITION), "sums"},
    {OPEN("\"start\":2,\"end\":2," SUMS ",\"topics\":[],\"position\":" POSITION), "no `end`"},
    {OPEN("\"start\":0,\"end\":2," SUMS ",\"topics\":[],\"position\":" POSITION), "no `start`"},
    {OPEN("\"more\":1,\"start\":1,\"end\":2," SUMS ",\"topics\":[],\"position\":" POSITION),
     "unknown member of `open`"},
    {"{\"version\":1,\"topic\":\"t\",\"streams\":[],\"done\":[1,2,0,2,3,0]}", "in order"},
    {"{\"version\":1,\"topic\":\"t\",\"streams\":[],\"done\":[1,2]}", "not a list of ranges"},
    {"{\"version\":1,\"topic\":\"t\",\"streams\":[],\"done\":[1,2,-1]}", "in order"},
    {"{\"version\":1,\"topic\":\"t\",\"streams\":[]}", "not a list of ranges"},
    {"{\"version\":1,\"topic\":\"t\",\"done\":[]}", "no `streams`"},
    {"{\"version\":1,\"streams\":[],\"done\":[]}", "no `topic`"},
    {"{\"version\":1,\"topic\":\"t\",\"streams\":[1],\"done\":[]}", "not a stream"},
    {"{\"version\":1,\"topic\":\"t\",\"streams\":[],\"done\":[],\"more\":1}", "unknown member"},
    {"{\"version\":2,\"topic\":\"t\"}", "newer"},
    {"{\"topic\":\"t\"}", "no version"},
    {POSITION, "unknown member"}, /* the service's */
    {"", "too early"},
};

START_TEST(records_of_others)
{
    struct backfill_record r = {0};
    struct position *position = NULL;
    struct pl_err err = {0};
    int read = backfill_decode(records[_i].text, strlen(records[_i].text), 1, &r, &position, &err);
    ck_assert_msg((read == 0) == (records[_i].has == NULL), "%s: %s", records[_i].text, err.msg);
    if (records[_i].has) {
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, records[_i].has), "%s: %s", records[_i].text, err.msg);
        ck_assert_ptr_null(r.topic);
        ck_assert_ptr_null(position);
    }
    backfill_record_release(&r);
    position_free(position);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("the range"),
        TEST(every_small_log),
        TEST(behind_a_wrong_time),
        TEST(still_topics),
        TCASE("what is remembered"),
        TEST(ranges_merge),
        TEST(what_to_do, .count = PL_COUNT(chosen)),
        TEST(where_the_service_begins, .count = PL_COUNT(starts)),
        TEST(the_oldest_stays_the_oldest),
        TEST(too_many_ranges),
        TEST(record_again),
        TEST(records_of_others, .count = PL_COUNT(records)),
    };
    return unit_main("backfill", tests, PL_COUNT(tests));
}

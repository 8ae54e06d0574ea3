/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_position.c - nothing lost, nothing twice: the position against a model of the service.
 * links: wikisrcd
 *
 * `struct upstream` is a few Kafka topics that answer as the service does (by time: the first
 * offset whose time is at or above it; its ids are the time plus 1 ms, or offset -1). A reader is
 * cut, crashed (back to the last committed record) and sent away by random choice, and at the end
 * each event was taken exactly once.
 */
#include <stdio.h>

#include "daemons/wikisrcd/position/position.h"
#include "tests/unit/unit.h"

enum { TOPICS = 2, EVENTS_MAX = 40000 };

#define NOW_MS   INT64_C(1800000000000)
#define SLACK_MS INT64_C(5000)
/* POSITION_AHEAD_MS_MAX, by the median of a run */
#define HIGHEST_MS   (NOW_MS + POSITION_AHEAD_MS_MAX + POSITION_BELIEVE_MS)
#define YEAR_9999_MS INT64_C(253402300799999)

static const char *const names[] = {"eqiad.mediawiki.recentchange", "codfw.mediawiki.recentchange"};

struct item {
    unsigned topic;
    int64_t time_ms;
    uint64_t number;
    unsigned taken;
};

/* One log in order of arrival; each topic's offset is its place among its own. */
struct upstream {
    struct item *items;
    unsigned n;
    int64_t served_ms[TOPICS]; /* the last time delivered on this connection; -1: none */
};

static uint64_t rng_state;

static uint64_t rng(uint64_t n)
{
    rng_state = rng_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (rng_state >> 33) % n;
}

static void upstream_add(struct upstream *u, unsigned topic, int64_t time_ms)
{
    ck_assert(u->n < EVENTS_MAX);
    u->items[u->n] = (struct item){topic, time_ms, u->n + 1, 0};
    u->n++;
}

/* What Kafka's offsetsForTimes answers; u->n: nothing so new. */
static unsigned upstream_seek(const struct upstream *u, unsigned topic, int64_t time_ms)
{
    for (unsigned i = 0; i < u->n; i++)
        if (u->items[i].topic == topic && u->items[i].time_ms >= time_ms)
            return i;
    return u->n;
}

static void upstream_id(const struct upstream *u, char *out, size_t size)
{
    size_t len = 0;
    for (unsigned t = 0; t < TOPICS; t++)
        len += (size_t)snprintf(out + len, size - len,
                                u->served_ms[t] >= 0
                                    ? "%s{\"topic\":\"%s\",\"partition\":0,\"timestamp\":%lld}"
                                    : "%s{\"topic\":\"%s\",\"partition\":0,\"offset\":-1}",
                                t == 0 ? "[" : ",", names[t], (long long)u->served_ms[t] + 1);
    snprintf(out + len, size - len, "]");
}

static struct pl_strings streams_of(const char *a, const char *b)
{
    struct pl_strings s = {0};
    if (a)
        pl_strings_add(&s, a);
    if (b)
        pl_strings_add(&s, b);
    return s;
}

static struct position *position_fresh(int64_t since_ms)
{
    struct pl_strings streams = streams_of("recentchange", NULL);
    struct position *p = position_new(&streams, since_ms, SLACK_MS);
    pl_strings_release(&streams);
    return p;
}

static struct pl_slice slice_of(const char *text)
{
    return (struct pl_slice){text, strlen(text)};
}

/* An event as event_read() would give it. */
static struct event event_of(const char *topic, int64_t time_ms, uint64_t number)
{
    return (struct event){.topic = {topic, strlen(topic), false},
                          .partition = 0,
                          .offset = -1,
                          .dt_ms = time_ms,
                          .has_dt = true,
                          .identity = {0x1234, number}};
}

static enum position_verdict take(struct position *p, const struct event *e, const char *id,
                                  struct position_mark *mark)
{
    struct position_mark first;
    position_check(p, e, slice_of(id), NOW_MS, &first);
    position_check(p, e, slice_of(id), NOW_MS, mark); /* judging again changes nothing */
    ck_assert_int_eq(first.verdict, mark->verdict);
    position_add(p, mark);
    return mark->verdict;
}

/* Where each topic begins: from the Last-Event-ID, read back as the service would. */
static void ask(struct upstream *u, struct position *p, bool by_time, unsigned *ret_from)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf id = {0};
    bool known = position_last_event_id(p, &id);
    const char *text = pl_buf_cstr(&id);
    for (unsigned t = 0; t < TOPICS; t++) {
        u->served_ms[t] = -1;
        const char *entry = known && !by_time ? strstr(text, names[t]) : NULL;
        if (known && !by_time && !entry) {
            ret_from[t] = UINT32_MAX; /* not subscribed: the id pins the topics */
            continue;
        }
        int64_t from_ms = position_since(p);
        if (entry)
            from_ms = strtoll(strstr(entry, "\"timestamp\":") + 12, NULL, 10);
        ret_from[t] = upstream_seek(u, t, from_ms);
    }
    ck_assert_ptr_null(strstr(text, "\"offset\""));
    position_connected(p, known && !by_time ? POSITION_BY_ID : POSITION_BY_TIME, position_since(p),
                       NOW_MS);
}

/* One connection until `events` were delivered or all are. */
static void connection_run(struct upstream *u, struct position *p, bool by_time, unsigned events)
{
    struct pl_strings streams = streams_of("recentchange", NULL);
    unsigned from[TOPICS], start = UINT32_MAX, served = 0;
    bool pinned = !by_time && position_high(p) > 0;
    char id[512];
    ask(u, p, by_time, from);
    for (unsigned t = 0; t < TOPICS; t++)
        start = from[t] < start ? from[t] : start;
    for (unsigned i = start; i < u->n && served < events; i++) {
        struct item *item = &u->items[i];
        struct position_mark mark;
        if (i < from[item->topic])
            continue;
        struct event e = event_of(names[item->topic], item->time_ms, item->number);
        u->served_ms[item->topic] = item->time_ms;
        upstream_id(u, id, sizeof(id));
        if (served++ == 0 && !pinned)
            ck_assert(position_discover(p, slice_of(id), &streams, NOW_MS));
        if (take(p, &e, id, &mark) == POSITION_NEW)
            item->taken++;
    }
    pl_strings_release(&streams);
}

static const struct model_case {
    const char *name;
    unsigned events, step_ms; /* step: mean distance of neighbours */
    unsigned codfw;           /* one in so many */
    unsigned back_ms;         /* jitter of times */
    unsigned past, future;    /* one in so many lies; 0: none */
    unsigned burst;           /* events delivered between two cuts */
    unsigned by_time;         /* one connect in so many is by `since` */
    bool crash;               /* also goes back to the last record */
    unsigned broken;          /* so many in a row, in the middle, are of the year 9999 */
} models[] = {
    {"plain", 3000, 30, 10, 0, 0, 0, 50, 0, false, 0},
    {"shared milliseconds", 3000, 1, 10, 0, 0, 0, 200, 0, false, 0},
    {"out of order", 3000, 30, 10, 51, 0, 0, 50, 0, false, 0},
    {"one event a connection", 300, 3000, 3, 51, 0, 0, 4, 0, true, 0},
    {"crashes", 3000, 30, 10, 51, 0, 0, 300, 0, true, 0},
    {"years old", 3000, 30, 10, 51, 50, 0, 300, 0, true, 0},
    {"from the future", 3000, 30, 10, 0, 0, 400, 400, 0, true, 0},
    {"all lies", 3000, 30, 5, 51, 60, 500, 300, 0, true, 0},
    {"a broken clock", 3000, 30, 10, 51, 0, 0, 300, 0, true, 1000},
    {"a broken clock, lies and by time", 3000, 30, 5, 51, 60, 500, 400, 5, true, 700},
    {"a broken clock for longer than the window", 36000, 1, 10, 0, 0, 0, 30000, 0, true, 18000},
    {"a broken clock until the end", 2000, 30, 10, 51, 0, 0, 300, 0, true, 2000},
    {"by time", 3000, 30, 10, 0, 0, 0, 600, 3, true, 0},
    {"by time, a silent topic", 3000, 30, 1000, 0, 0, 0, 2000, 2, true, 0},
    {"more than the window", 36000, 0, 10, 0, 0, 0, 30000, 0, true, 0},
    {"more than the window, by time", 36000, 0, 10, 0, 0, 0, 34000, 2, true, 0},
};

static void upstream_fill(struct upstream *u, const struct model_case *m)
{
    /* The last times are just before now, so that all are believable but the liars'. */
    int64_t time_ms = NOW_MS - (int64_t)m->events * m->step_ms * 2 - 1000;
    for (unsigned i = 0; i < m->events; i++) {
        time_ms += (int64_t)rng(2 * m->step_ms + 1);
        int64_t own_ms = time_ms - (m->back_ms ? (int64_t)rng(m->back_ms + 1) : 0);
        if (m->past && rng(m->past) == 0)
            own_ms -= (int64_t)rng(300000000000);
        if (m->future && rng(m->future) == 0)
            own_ms = NOW_MS + POSITION_BELIEVE_MS + 1 + (int64_t)rng(1000000000);
        if (m->broken && i >= m->events / 3 && i < m->events / 3 + m->broken)
            own_ms = YEAR_9999_MS - (int64_t)rng(1000);
        upstream_add(u, rng(m->codfw) == 0, own_ms);
    }
}

static struct position *crash(struct position *p, struct pl_buf *record)
{
    struct position *back;
    struct pl_err err;
    ck_assert_int_eq(position_decode(record->data, record->len, SLACK_MS, &back, &err), 0);
    position_free(p);
    return back;
}

static bool all_taken(const struct upstream *u)
{
    for (unsigned i = 0; i < u->n; i++)
        if (!u->items[i].taken)
            return false;
    return true;
}

START_TEST(test_model)
{
    const struct model_case *m = &models[_i];
    struct upstream u = {.items = pl_alloc_array(EVENTS_MAX, sizeof(struct item))};
    struct item *saved = pl_alloc_array(EVENTS_MAX, sizeof(struct item));
    struct position *p = position_fresh(0);
    PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
    rng_state = 42 + (uint64_t)_i;
    upstream_fill(&u, m);
    position_encode(p, NOW_MS, &record);
    memcpy(saved, u.items, u.n * sizeof(*saved));
    for (unsigned connection = 0; connection < 20000 && !all_taken(&u); connection++) {
        bool by_time = m->by_time && rng(m->by_time) == 0;
        /* Repeated events take a part of each connection, so it must be long enough to get on. */
        connection_run(&u, p, by_time, (unsigned)rng(m->burst) + m->burst * connection / 8 + 2);
        if (m->crash && rng(3) == 0) { /* what was taken since the record is undone with it */
            memcpy(u.items, saved, u.n * sizeof(*saved));
            p = crash(p, &record);
        } else if (rng(2) == 0) {
            pl_buf_reset(&record);
            position_encode(p, NOW_MS, &record);
            memcpy(saved, u.items, u.n * sizeof(*saved));
        }
    }
    for (unsigned i = 0; i < 3; i++) /* and nothing comes again */
        connection_run(&u, p, m->by_time && i == 1, UINT32_MAX);
    for (unsigned i = 0; i < u.n; i++)
        ck_assert_msg(u.items[i].taken == 1, "%s: event %u of topic %u, time %lld: taken %u times",
                      m->name, i, u.items[i].topic, (long long)u.items[i].time_ms,
                      u.items[i].taken);
    ck_assert_uint_le(position_ids(p), POSITION_IDS_MAX + POSITION_AHEAD_MAX);
    ck_assert_int_le(position_high(p), HIGHEST_MS);
    position_free(p);
    free(saved);
    free(u.items);
}
END_TEST

/* ---- single rules ---- */

#define ID(ts)                                                                                     \
    "[{\"topic\":\"eqiad.x\",\"partition\":0,\"timestamp\":" ts "},"                               \
    "{\"topic\":\"codfw.x\",\"partition\":0,\"offset\":-1}]"

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

static char *last_event_id(const struct position *p)
{
    struct pl_buf id = {0};
    return position_last_event_id(p, &id) ? pl_buf_take(&id) : NULL;
}

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

/* A slack that is changed between two starts loses and doubles nothing. */
START_TEST(test_slack_changes)
{
    static const int64_t slacks[] = {0, 1000, 5000, 9000, 10000, 10001, 60000};
    struct upstream u = {.items = pl_alloc_array(EVENTS_MAX, sizeof(struct item))};
    struct position *p = position_fresh(NOW_MS - 100000);
    struct pl_err err;
    for (unsigned i = 0; i < 1000; i++)
        upstream_add(&u, 0, NOW_MS - 100000 + i * 100);
    connection_run(&u, p, false, 900);
    for (unsigned s = 0; s < PL_COUNT(slacks); s++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf record = {0};
        struct position *next;
        position_encode(p, NOW_MS, &record);
        position_free(p);
        ck_assert_int_eq(position_decode(record.data, record.len, slacks[s], &next, &err), 0);
        p = next;
        char *id = last_event_id(p); /* the silent topic: from the same time as ever */
        ck_assert_ptr_nonnull(strstr(id, "codfw.mediawiki.recentchange\",\"partition\":0,"
                                         "\"timestamp\":1799999900000}"));
        free(id);
        connection_run(&u, p, false, 700);
    }
    connection_run(&u, p, false, UINT32_MAX);
    for (unsigned i = 0; i < u.n; i++)
        ck_assert_msg(u.items[i].taken == 1, "event %u taken %u times", i, u.items[i].taken);
    position_free(p);
    free(u.items);
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
        TCASE("model"),
        TEST(test_model, .count = PL_COUNT(models)),
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
        TCASE("record"),
        TEST(test_begun),
        TEST(test_record),
        TEST(test_record_strict, .count = PL_COUNT(records)),
        TEST(test_slack_changes),
        TEST(test_record_largest),
        TCASE("odd"),
        TEST(test_odd_answers, .count = PL_COUNT(odd_cases)),
        TEST(test_delivers_is_asked),
        TEST(test_long_topic),
        TEST(test_cut_spares_quiet),
    };
    return unit_main("position", tests, PL_COUNT(tests));
}

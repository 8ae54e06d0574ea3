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
#include "tests/unit/wikisrcd/position_steps.h"

enum { EVENTS_MAX = 40000 };

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

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("model"),
        TEST(test_model, .count = PL_COUNT(models)),
        TEST(test_slack_changes),
    };
    return unit_main("position", tests, PL_COUNT(tests));
}

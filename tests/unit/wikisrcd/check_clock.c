/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_clock.c - nothing lost and nothing twice, whatever our clock says.
 * links: wikisrcd
 *
 * A model of the service (topics that answer by time, Date in whole seconds or now and then wrong,
 * or never there; cuts) and of the daemon (its first look at the time there, the position, commits,
 * crashes). Our clock is wrong by up to a day, is set while running, and stops for a while.
 * `true_ms` is the real time, which no part of the model knows.
 */
#include <stdio.h>

#include "daemons/wikisrcd/position/position.h"
#include "lib/http/peer_clock.h"
#include "tests/unit/unit.h"

enum { TOPICS = 2, EVENTS = 2000, STEP_MS = 1000, BACK_MS = 51 };

#define BEGIN_MS INT64_C(1800000000000)
#define SLACK_MS INT64_C(5000)
#define DAY_MS   INT64_C(86400000)
/* Ids that may be kept: those that arrived in two slacks and a little, several times over. */
#define IDS_MAX 100

static const char *const names[TOPICS] = {"eqiad.mediawiki.recentchange",
                                          "codfw.mediawiki.recentchange"};

struct item {
    unsigned topic;
    int64_t time_ms, arrived_ms;
    unsigned taken;
    bool committed;
};

struct model {
    uint64_t rng;
    struct item items[EVENTS];

    /* our clock */
    int64_t offset_ms, still_ms; /* still_ms: where it stopped; 0: it runs */
    uint64_t jumps;

    /* the daemon */
    struct pl_peer_clock clock;
    struct position *position;
    struct pl_buf record;
    bool dates; /* the service sends Date */
    unsigned ids_most, connections, crashes;
};

static uint64_t rng(struct model *m, uint64_t n)
{
    m->rng = m->rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (m->rng >> 33) % n;
}

/* ---- clocks ---- */

static int64_t ours_ms(const struct model *m, int64_t true_ms)
{
    return m->still_ms != 0 ? m->still_ms : true_ms + m->offset_ms;
}

static int64_t boot_ms(int64_t true_ms)
{
    return true_ms - BEGIN_MS + 5000000;
}

/* Small and large ones alike. */
static int64_t offset_any(struct model *m)
{
    static const int64_t sizes[] = {1500, 3000, 61000, 600000, 3600000, DAY_MS};
    int64_t size = sizes[rng(m, PL_COUNT(sizes))];
    return (int64_t)rng(m, (uint64_t)(2 * size)) - size;
}

static void clock_changes(struct model *m, int64_t true_ms)
{
    m->jumps++;
    if (rng(m, 3) == 0)
        m->still_ms = ours_ms(m, true_ms);
    else
        m->still_ms = 0;
    if (m->still_ms == 0)
        m->offset_ms = offset_any(m);
}

static int64_t source_now_ms(const struct model *m, int64_t true_ms)
{
    return pl_peer_clock_now(&m->clock, ours_ms(m, true_ms), boot_ms(true_ms));
}

/* An answer's headers. Returns the time there, as far as known. */
static int64_t date_hear(struct model *m, int64_t true_ms)
{
    int64_t took_ms = (int64_t)rng(m, 300);
    struct pl_peer_answer answer = {(true_ms - took_ms) / 1000 * 1000, ours_ms(m, true_ms),
                                    boot_ms(true_ms), took_ms};
    if (!m->dates || (m->connections > 0 && rng(m, 20) == 0))
        answer.date_ms =
            rng(m, 2) == 0 || !m->dates ? 0 : answer.date_ms - 3600000; /* from a cache */
    pl_peer_clock_hear(&m->clock, &answer);
    int64_t now_ms = source_now_ms(m, true_ms);
    return answer.date_ms > 0 && answer.date_ms < now_ms ? answer.date_ms : now_ms;
}

/* ---- the service ---- */

/* The second data centre is active in the second half only. */
static void events_make(struct model *m)
{
    int64_t arrived_ms = BEGIN_MS;
    for (unsigned i = 0; i < EVENTS; i++) {
        arrived_ms += (int64_t)rng(m, 2 * STEP_MS);
        int64_t time_ms = arrived_ms - (int64_t)rng(m, BACK_MS + 1);
        if (rng(m, 300) == 0)
            time_ms -= (int64_t)rng(m, 300000000000); /* a wrong time */
        m->items[i] =
            (struct item){.topic = i >= EVENTS / 2, .time_ms = time_ms, .arrived_ms = arrived_ms};
    }
}

/* The first event of the topic at or above the time, or, if there is none, the next to arrive. */
static unsigned seek(const struct model *m, unsigned topic, int64_t time_ms, int64_t true_ms)
{
    unsigned i;
    for (i = 0; i < EVENTS && m->items[i].arrived_ms <= true_ms; i++)
        if (m->items[i].topic == topic && m->items[i].time_ms >= time_ms)
            break;
    return i;
}

static void id_write(const struct model *m, const int64_t *served_ms, char *out, size_t size)
{
    size_t len = 0;
    (void)m;
    for (unsigned t = 0; t < TOPICS; t++)
        len += (size_t)snprintf(out + len, size - len,
                                served_ms[t] >= 0
                                    ? "%s{\"topic\":\"%s\",\"partition\":0,\"timestamp\":%lld}"
                                    : "%s{\"topic\":\"%s\",\"partition\":0,\"offset\":-1}",
                                t == 0 ? "[" : ",", names[t], (long long)served_ms[t] + 1);
    snprintf(out + len, size - len, "]");
}

/* ---- the daemon ---- */

static void commit(struct model *m)
{
    pl_buf_reset(&m->record);
    position_encode(m->position, BEGIN_MS, &m->record);
    for (unsigned i = 0; i < EVENTS; i++)
        m->items[i].committed = m->items[i].taken > 0;
}

static void crash(struct model *m)
{
    struct pl_err err;
    m->crashes++;
    for (unsigned i = 0; i < EVENTS; i++)
        if (m->items[i].taken > 0 && !m->items[i].committed)
            m->items[i].taken--;
    position_free(m->position);
    m->position = NULL;
    m->clock = (struct pl_peer_clock){0};
    ck_assert_int_eq(position_decode(m->record.data, m->record.len, SLACK_MS, &m->position, &err),
                     0);
}

/* source.start is "now", without a position. */
static void first_start(struct model *m, int64_t true_ms)
{
    PL_CLEANUP(pl_strings_release) struct pl_strings streams = {0};
    pl_strings_add(&streams, "recentchange");
    int64_t start_ms = date_hear(m, true_ms);
    m->position = position_new(&streams, start_ms, SLACK_MS);
    commit(m);
}

static void take(struct model *m, unsigned i, const char *id, int64_t true_ms, bool first)
{
    struct pl_strings streams = {0};
    struct item *item = &m->items[i];
    struct position_mark mark;
    const struct pl_slice sse_id = {id, strlen(id)};
    const struct event event = {.topic = {names[item->topic], strlen(names[item->topic]), false},
                                .offset = -1,
                                .dt_ms = item->time_ms,
                                .has_dt = true,
                                .identity = {7, i + 1}};
    int64_t now_ms = source_now_ms(m, true_ms);
    if (first) {
        pl_strings_add(&streams, "recentchange");
        position_discover(m->position, sse_id, &streams, now_ms);
        pl_strings_release(&streams);
    }
    position_check(m->position, &event, sse_id, now_ms, &mark);
    item->taken += mark.verdict == POSITION_NEW;
    position_add(m->position, &mark);
    if (position_ids(m->position) > m->ids_most)
        m->ids_most = position_ids(m->position);
}

/* Runs until `end_ms`, from the position. */
static void connection_run(struct model *m, int64_t true_ms, int64_t end_ms)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf ask = {0};
    bool by_id = position_last_event_id(m->position, &ask), first = true;
    const char *text = by_id ? pl_buf_cstr(&ask) : "";
    int64_t served_ms[TOPICS], since_ms = position_since(m->position);
    unsigned from[TOPICS], start = EVENTS;
    char id[512];
    m->connections++;
    for (unsigned t = 0; t < TOPICS; t++) {
        const char *entry = by_id ? strstr(text, names[t]) : NULL;
        ck_assert(!by_id || entry);
        int64_t from_ms = entry ? strtoll(strstr(entry, "timestamp\":") + 11, NULL, 10) : since_ms;
        served_ms[t] = -1;
        from[t] = seek(m, t, from_ms, true_ms);
        start = from[t] < start ? from[t] : start;
    }
    date_hear(m, true_ms);
    position_connected(m->position, by_id ? POSITION_BY_ID : POSITION_BY_TIME, since_ms,
                       source_now_ms(m, true_ms));
    for (unsigned i = start; i < EVENTS && m->items[i].arrived_ms <= end_ms; i++) {
        const struct item *item = &m->items[i];
        if (i < from[item->topic])
            continue;
        int64_t at_ms = item->arrived_ms > true_ms ? item->arrived_ms : true_ms;
        served_ms[item->topic] = item->time_ms;
        id_write(m, served_ms, id, sizeof(id));
        take(m, i, id, at_ms, first && !by_id);
        first = false;
        if (rng(m, 200) == 0)
            clock_changes(m, at_ms);
        if (rng(m, 10) == 0)
            commit(m);
    }
}

static uint64_t lost[TOPICS], doubled;

static void model_run(struct model *m, int64_t offset_ms, uint64_t seed)
{
    m->rng = seed;
    m->offset_ms = offset_ms;
    events_make(m);
    int64_t last_ms = m->items[EVENTS - 1].arrived_ms;
    int64_t true_ms = BEGIN_MS + 60000;
    const int64_t looked_ms = true_ms;
    first_start(m, true_ms);
    while (true_ms <= last_ms) {
        true_ms += 200 + (int64_t)rng(m, rng(m, 4) == 0 ? 60000 : 1000);
        int64_t end_ms = true_ms + (int64_t)rng(m, rng(m, 3) == 0 ? 300000 : 20000);
        connection_run(m, true_ms, end_ms);
        true_ms = end_ms;
        if (rng(m, 6) == 0)
            crash(m);
        else if (rng(m, 2) == 0)
            commit(m);
        if (rng(m, 4) == 0)
            clock_changes(m, true_ms);
    }
    for (unsigned i = 0; i < 3; i++) /* the rest, then nothing more */
        connection_run(m, last_ms + 1000 * (1 + i), INT64_MAX);
    /* A clock that is ahead, and no Date: "now" is when the first event comes. */
    bool began[TOPICS] = {m->dates || offset_ms <= 0, m->dates || offset_ms <= 0};
    for (unsigned i = 0; i < EVENTS; i++) {
        const struct item *item = &m->items[i];
        began[item->topic] |= item->taken > 0;
        bool wanted = began[item->topic] && item->time_ms >= looked_ms;
        lost[item->topic] += wanted && item->taken == 0;
        doubled += item->taken > 1 ? item->taken - 1 : 0;
    }
}

static const int64_t offsets[] = {-DAY_MS, -DAY_MS / 4, -3600000, -600000,    -61000, -30000,
                                  -3000,   -1500,       0,        1500,       3000,   30000,
                                  61000,   600000,      3600000,  DAY_MS / 4, DAY_MS};

#define SEEDS 12

START_TEST(any_clock)
{
    struct model *m = pl_alloc(sizeof(*m));
    uint64_t jumps = 0, connections = 0, crashes = 0, runs = 0;
    unsigned ids_most = 0;
    lost[0] = lost[1] = doubled = 0;
    for (size_t i = 0; i < PL_COUNT(offsets); i++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            memset(m, 0, sizeof(*m));
            m->dates = _i == 0;
            model_run(m, offsets[i], seed * 1000 + i);
            jumps += m->jumps;
            connections += m->connections;
            crashes += m->crashes;
            runs++;
            ids_most = m->ids_most > ids_most ? m->ids_most : ids_most;
            position_free(m->position);
            pl_buf_release(&m->record);
        }
    printf("our clock wrong by -1 day to +1 day, %s: %lu runs of %d events, %lu connections, %lu "
           "crashes, %lu changes of the clock; %lu+%lu lost, %lu doubled, at most %u ids kept\n",
           _i == 0 ? "dates" : "no dates", (unsigned long)runs, EVENTS, (unsigned long)connections,
           (unsigned long)crashes, (unsigned long)jumps, (unsigned long)lost[0],
           (unsigned long)lost[1], (unsigned long)doubled, ids_most);
    free(m);
    fflush(stdout);
    ck_assert_uint_eq(lost[0] + lost[1], 0);
    ck_assert_uint_eq(doubled, 0);
    ck_assert_uint_le(ids_most, IDS_MAX);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {TEST(any_clock, .count = 2)};
    return unit_main("clock", tests, PL_COUNT(tests));
}

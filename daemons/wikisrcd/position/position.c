/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position.c - see position.h, which holds the argument. The ids are in window.c, the record in
 * record.c.
 */
#include "daemons/wikisrcd/position/position.h"

#include <assert.h>

#include "daemons/wikisrcd/position/internal.h"

/* ---- topics ---- */

/* "eqiad.mediawiki.recentchange" and "codfw.mediawiki.recentchange" are one stream. */
static struct event_identity salt_of_topic(const char *name)
{
    const char *dot = strchr(name, '.');
    const char *stream = dot ? dot + 1 : name;
    return event_hash(stream, strlen(stream));
}

struct position_topic *position_topic_add(struct position *p, const char *name, size_t len,
                                          int64_t partition, int64_t high_ms)
{
    assert(p->topics_n < POSITION_TOPICS_MAX);
    p->topics = pl_realloc_array(p->topics, p->topics_n + 1, sizeof(*p->topics));
    struct position_topic *t = &p->topics[p->topics_n++];
    *t = (struct position_topic){.name = pl_strndup(name, len),
                                 .partition = partition,
                                 .high_ms = high_ms,
                                 .cut_ms = INT64_MIN,
                                 .next_offset = -1,
                                 .active = true,
                                 .fresh = true};
    t->salt = salt_of_topic(t->name);
    return t;
}

static void topic_release(struct position *p, struct position_topic *t)
{
    position_window_release(p, t);
    free(t->name);
}

int position_topic_find(const struct position *p, const struct pl_json_str *name, int64_t partition)
{
    for (unsigned i = 0; i < p->topics_n; i++)
        if (p->topics[i].partition == partition && pl_json_str_eq(name, p->topics[i].name))
            return (int)i;
    return -1;
}

/* A topic first seen now: all since the time asked for is asked for again. -1: there is no room, or
 * it is no topic's name. */
static int topic_learn(struct position *p, const struct pl_json_str *name, int64_t partition,
                       int64_t from_ms)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    if (p->topics_n == POSITION_TOPICS_MAX || !pl_json_unescape_buf(name, &text) ||
        text.len > POSITION_TOPIC_LEN_MAX || memchr(pl_buf_cstr(&text), '\0', text.len))
        return -1;
    position_topic_add(p, pl_buf_cstr(&text), text.len, partition, from_ms + p->slack_ms);
    return (int)p->topics_n - 1;
}

/* ---- construction ---- */

struct position *position_new(const struct pl_strings *streams, int64_t since_ms, int64_t slack_ms)
{
    struct position *p = pl_alloc(sizeof(*p));
    p->set_bits = POSITION_SET_BITS;
    p->set = pl_alloc_array((size_t)1 << p->set_bits, sizeof(*p->set));
    p->since_ms = p->begun_ms = since_ms;
    p->asked_ms = since_ms;
    p->slack_ms = slack_ms;
    for (size_t i = 0; i < streams->n; i++)
        pl_strings_add(&p->streams, streams->v[i]);
    return p;
}

void position_free(struct position *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->topics_n; i++)
        topic_release(p, &p->topics[i]);
    free(p->topics);
    free(p->id.v);
    free(p->set);
    pl_strings_release(&p->streams);
    free(p);
}

/* ---- connecting ---- */

static bool topic_is_asked(const struct position_topic *t)
{
    return t->active && t->name[0] != '\0';
}

bool position_last_event_id(const struct position *p, struct pl_buf *out)
{
    bool any = false;
    for (unsigned i = 0; i < p->topics_n; i++) {
        const struct position_topic *t = &p->topics[i];
        if (!topic_is_asked(t))
            continue;
        int64_t from_ms = t->high_ms - p->slack_ms;
        pl_buf_add_str(out, any ? ",{\"topic\":" : "[{\"topic\":");
        pl_json_quote(out, t->name, strlen(t->name));
        pl_buf_addf(out, ",\"partition\":%lld,\"timestamp\":%lld}", (long long)t->partition,
                    (long long)position_time_out(from_ms));
        any = true;
    }
    if (any)
        pl_buf_add_byte(out, ']');
    return any;
}

int64_t position_since(const struct position *p)
{
    int64_t least = INT64_MAX;
    for (unsigned i = 0; i < p->topics_n; i++)
        if (p->topics[i].active && p->topics[i].high_ms < least)
            least = p->topics[i].high_ms;
    if (least == INT64_MAX)
        return p->since_ms;
    return least > p->slack_ms ? least - p->slack_ms : 0;
}

static bool strings_have(const struct pl_strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->n; i++)
        if (strcmp(strings->v[i], text) == 0)
            return true;
    return false;
}

bool position_streams_differ(const struct position *p, const struct pl_strings *streams)
{
    for (size_t i = 0; i < streams->n; i++)
        if (!strings_have(&p->streams, streams->v[i]))
            return true;
    for (size_t i = 0; i < p->streams.n; i++)
        if (!strings_have(streams, p->streams.v[i]))
            return true;
    return false;
}

int64_t position_discovered(const struct position *p)
{
    return p->discovered_ms;
}

/* Whether the topic belongs to a stream: the URL's "recentchange" or "mediawiki.recentchange" is
 * the end of "eqiad.mediawiki.recentchange". */
static bool topic_is_of(const char *topic, const struct pl_strings *streams)
{
    size_t len = strlen(topic);
    for (size_t i = 0; i < streams->n; i++) {
        size_t n = strlen(streams->v[i]);
        if (n < len && topic[len - n - 1] == '.' && strcmp(topic + len - n, streams->v[i]) == 0)
            return true;
    }
    return false;
}

/* An id may lack a topic of a stream that stays. */
static void topics_forget(struct position *p, const struct pl_strings *streams)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < p->topics_n; i++) {
        if (p->topics[i].active || topic_is_of(p->topics[i].name, streams))
            p->topics[kept++] = p->topics[i];
        else
            topic_release(p, &p->topics[i]);
    }
    p->topics_n = kept;
}

/* Where a topic that was not known begins. */
static int64_t topic_start(const struct position *p, const char *name, bool streams_differ,
                           int64_t now_ms)
{
    if (streams_differ && !topic_is_of(name, &p->streams))
        return p->ask == POSITION_DISCOVERY ? now_ms : p->asked_ms;
    return p->discovered_ms > 0 && p->discovered_ms < p->asked_ms ? p->discovered_ms : p->asked_ms;
}

bool position_is_whole(const struct position *p)
{
    for (size_t i = 0; i < p->streams.n; i++) {
        const struct pl_strings one = {.v = &p->streams.v[i], .n = 1};
        bool found = false;
        for (unsigned k = 0; k < p->topics_n && !found; k++)
            found = p->topics[k].active && topic_is_of(p->topics[k].name, &one);
        if (!found)
            return false;
    }
    return true;
}

bool position_begins_earlier(const struct position *p)
{
    bool earlier = false;
    for (unsigned i = 0; i < p->topics_n; i++)
        earlier |=
            topic_is_asked(&p->topics[i]) && p->topics[i].high_ms - p->slack_ms < p->asked_ms;
    return earlier;
}

bool position_discover(struct position *p, struct pl_slice id, const struct pl_strings *streams,
                       int64_t now_ms)
{
    bool differ = position_streams_differ(p, streams);
    if (!position_id_read(id, &p->id))
        return false;
    for (unsigned i = 0; i < p->topics_n; i++)
        p->topics[i].active = false;
    for (size_t k = 0; k < p->id.n; k++) {
        const struct position_id_entry *e = &p->id.v[k];
        int i = position_topic_find(p, &e->topic, e->partition);
        if (i < 0) {
            i = topic_learn(p, &e->topic, e->partition, 0);
            if (i < 0)
                continue;
            struct position_topic *t = &p->topics[i];
            t->high_ms = topic_start(p, t->name, differ, now_ms) + p->slack_ms;
        }
        p->topics[i].active = true;
    }
    if (differ) {
        topics_forget(p, streams);
        pl_strings_release(&p->streams);
        for (size_t i = 0; i < streams->n; i++)
            pl_strings_add(&p->streams, streams->v[i]);
    }
    if (position_is_whole(p))
        p->discovered_ms = now_ms;
    else if (p->discovered_ms == 0)
        p->discovered_ms = p->asked_ms;
    return true;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

void position_connected(struct position *p, enum position_ask ask, int64_t asked_ms, int64_t now_ms)
{
    p->ask = ask;
    p->asked_ms = ask == POSITION_BY_TIME ? asked_ms : p->discovered_ms;
    p->connected_ms = now_ms;
    p->since_ms = earlier(p->since_ms, now_ms);
    p->begun_ms = earlier(p->begun_ms, now_ms);
    p->asked_ms = earlier(p->asked_ms, now_ms);
    p->discovered_ms = earlier(p->discovered_ms, now_ms);
    for (unsigned i = 0; i < p->topics_n; i++) {
        struct position_topic *t = &p->topics[i];
        if (t->count == 0)
            t->high_ms = earlier(t->high_ms, now_ms + p->slack_ms);
        bool cut = t->cut_ms >= t->high_ms - p->slack_ms;
        t->next_offset = -1;
        t->fresh = true;
        t->catching_up = t->count > 0 && (ask == POSITION_BY_TIME || t->ahead_n > 0 || cut);
    }
}

/* ---- events ---- */

static int64_t partition_of(const struct event *event)
{
    return position_partition_is_valid(event->partition) ? event->partition : 0;
}

/* Learns the topics that the id names. Returns the index of the event's own topic or -1, and its
 * time. An event without meta.topic counts as one of the topic with the latest time, which has just
 * delivered. */
static int id_read(struct position *p, struct pl_slice id, const struct event *event,
                   int64_t *ret_time_ms)
{
    int64_t partition = partition_of(event);
    int64_t latest_ms = -1;
    int own = event->topic.p ? position_topic_find(p, &event->topic, partition) : -1;
    position_id_read(id, &p->id);
    for (size_t k = 0; k < p->id.n; k++) {
        const struct position_id_entry *e = &p->id.v[k];
        int i = position_topic_find(p, &e->topic, e->partition);
        if (i < 0) {
            i = topic_learn(p, &e->topic, e->partition, p->asked_ms);
            if (i < 0)
                continue;
            own = event->topic.p ? position_topic_find(p, &event->topic, partition) : own;
        }
        p->topics[i].active = true;
        bool is_own = event->topic.p ? i == own : e->timestamp_ms > latest_ms;
        if (!is_own || e->timestamp_ms < 0)
            continue;
        own = i;
        latest_ms = e->timestamp_ms;
        *ret_time_ms = e->timestamp_ms - 1; /* the service adds 1 ms */
    }
    if (own >= 0)
        p->topics[own].active = true; /* whatever the connection's first id has named */
    return own;
}

/* The topic of an event whose own is not known yet. Where neither it nor its id names one: any
 * known one, or a nameless one, which can be resumed by time. */
static int topic_for(struct position *p, const struct event *event)
{
    static const struct pl_json_str nameless = {"", 0, false};
    int i = -1;
    if (event->topic.p)
        i = topic_learn(p, &event->topic, partition_of(event), p->asked_ms);
    if (i < 0 && p->topics_n == 0)
        i = topic_learn(p, &nameless, 0, p->asked_ms);
    return i >= 0 ? i : 0;
}

/* Kafka itself has -1 for "no time", and nothing keeps a producer from microseconds. */
static int64_t time_fit(int64_t ms)
{
    return ms < 0 ? 0 : ms < POSITION_TIME_MAX_MS ? ms : POSITION_TIME_MAX_MS;
}

/* The first event of a topic after a connect: does what was asked for still exist? If the topic has
 * delivered, the event that made `high` should have come again. If not, there should have been a
 * canary in the time between. */
static bool first_is_late(const struct position *p, const struct position_topic *t,
                          const struct position_mark *mark)
{
    if (mark->verdict != POSITION_NEW || !mark->believable)
        return false;
    if (t->count > 0)
        return (t->fresh || t->catching_up) && mark->time_ms > t->high_ms;
    if (!t->fresh)
        return false;
    int64_t expected_ms = t->high_ms - p->slack_ms + POSITION_HEARTBEAT_MS;
    return mark->time_ms > expected_ms && p->connected_ms > expected_ms;
}

static enum position_verdict verdict_of(const struct position *p, const struct position_topic *t,
                                        const struct position_mark *mark)
{
    if (position_set_has(p, &mark->key))
        return POSITION_DUPLICATE;
    if (t->catching_up && !(mark->believable && mark->time_ms > t->high_ms))
        return POSITION_OLD;
    return POSITION_NEW;
}

void position_check(struct position *p, const struct event *event, struct pl_slice sse_id,
                    int64_t now_ms, struct position_mark *ret)
{
    int64_t time_ms = INT64_MIN;
    int topic = id_read(p, sse_id, event, &time_ms);
    if (topic < 0)
        topic = topic_for(p, event);
    const struct position_topic *t = &p->topics[topic];
    if (time_ms == INT64_MIN)
        time_ms = event->has_dt ? event->dt_ms : t->high_ms;
    time_ms = time_fit(time_ms);
    *ret = (struct position_mark){
        .topic = (unsigned)topic,
        .time_ms = time_ms,
        .beyond = time_ms > now_ms + POSITION_AHEAD_MS_MAX,
        .key = {event->identity.hi ^ t->salt.hi, event->identity.lo ^ t->salt.lo},
        .offset = event->offset,
    };
    ret->believable = !ret->beyond && (time_ms <= now_ms + POSITION_BELIEVE_MS ||
                                       time_ms <= t->believe_ms + POSITION_BELIEVE_MS);
    if (position_id_is_zero(&ret->key))
        ret->key.lo = 1; /* zero marks a free slot */
    ret->verdict = verdict_of(p, t, ret);
    if (t->next_offset >= 0 && event->offset > t->next_offset)
        ret->gap = (uint64_t)(event->offset - t->next_offset);
    ret->late = first_is_late(p, t, ret);
    ret->asked_ms = t->high_ms - p->slack_ms;
}

void position_add(struct position *p, const struct position_mark *mark)
{
    struct position_topic *t = &p->topics[mark->topic];
    t->next_offset = mark->offset >= 0 ? mark->offset + 1 : -1;
    t->fresh = false;
    t->ahead_run = mark->believable || mark->beyond ? 0 : t->ahead_run + 1;
    t->beyond_run = mark->beyond ? t->beyond_run + 1 : 0;
    t->gaps += mark->gap > 0;
    t->gap_events += mark->gap;
    switch (mark->verdict) {
    case POSITION_OLD:
        return;
    case POSITION_DUPLICATE:
        if (!position_ahead_has(t, &mark->key))
            t->catching_up = false;
        return;
    case POSITION_NEW:
        break;
    }
    t->catching_up = false;
    p->taken++;
    t->taken++;
    /* `ahead` is small, and what is in there already has the topic catch up. */
    if (t->beyond_run > POSITION_AHEAD_RUN && t->ahead_n > 0) {
        position_window_push(p, t, &mark->key, t->high_ms);
        return;
    }
    if (!mark->believable) {
        position_ahead_push(p, t, &mark->key, mark->time_ms);
        if (t->ahead_run >= POSITION_AHEAD_RUN && t->ahead_n > 0)
            position_ahead_believe(p, t);
        return;
    }
    if (t->count == 0 && mark->time_ms < t->high_ms - p->slack_ms)
        t->high_ms = t->cut_ms = mark->time_ms; /* asked for the future: it began at the latest */
    position_window_push(p, t, &mark->key, mark->time_ms);
    if (mark->time_ms > t->high_ms)
        t->high_ms = mark->time_ms;
    position_window_trim(p, t);
}

unsigned position_topics(const struct position *p)
{
    return p->topics_n;
}

bool position_topic_is_active(const struct position *p, unsigned topic)
{
    return p->topics[topic].active;
}

int64_t position_begun(const struct position *p)
{
    return p->begun_ms;
}

void position_begun_keep(struct position *p, int64_t begun_ms)
{
    p->begun_ms = earlier(p->begun_ms, begun_ms);
}

const char *position_topic_name(const struct position *p, unsigned topic)
{
    return p->topics[topic].name;
}

struct position_look position_topic_look(const struct position *p, unsigned topic)
{
    const struct position_topic *t = &p->topics[topic];
    return (struct position_look){
        .name = t->name,
        .partition = t->partition,
        .high_ms = t->high_ms,
        .taken = t->taken,
        .gaps = t->gaps,
        .gap_events = t->gap_events,
        .active = t->active,
        .catching_up = t->catching_up,
    };
}

int64_t position_high(const struct position *p)
{
    int64_t high_ms = 0;
    for (unsigned i = 0; i < p->topics_n; i++)
        if (p->topics[i].count > 0 && p->topics[i].high_ms > high_ms)
            high_ms = p->topics[i].high_ms;
    return high_ms;
}

unsigned position_ids(const struct position *p)
{
    return p->ids + p->ahead_ids;
}

uint64_t position_ids_cut(const struct position *p)
{
    return p->ids_cut;
}

uint64_t position_ahead_cut(const struct position *p)
{
    return p->ahead_cut;
}

uint64_t position_taken(const struct position *p)
{
    return p->taken;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position_steps.h - for tests of the position: events, times, and what becomes of one event.
 */
#ifndef TESTS_UNIT_WIKISRCD_POSITION_STEPS_H
#define TESTS_UNIT_WIKISRCD_POSITION_STEPS_H

#include <stdio.h>

#include "daemons/wikisrcd/position/position.h"
#include "tests/unit/unit.h"

#define NOW_MS   INT64_C(1800000000000)
#define SLACK_MS INT64_C(5000)
/* POSITION_AHEAD_MS_MAX, by the median of a run */
#define HIGHEST_MS   (NOW_MS + POSITION_AHEAD_MS_MAX + POSITION_BELIEVE_MS)
#define YEAR_9999_MS INT64_C(253402300799999)

enum { TOPICS = 2 };

static const char *const names[] = {"eqiad.mediawiki.recentchange", "codfw.mediawiki.recentchange"};

static uint64_t rng_state;

static inline uint64_t rng(uint64_t n)
{
    rng_state = rng_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (rng_state >> 33) % n;
}

#define ID(ts)                                                                                     \
    "[{\"topic\":\"eqiad.x\",\"partition\":0,\"timestamp\":" ts "},"                               \
    "{\"topic\":\"codfw.x\",\"partition\":0,\"offset\":-1}]"

static inline struct pl_strings streams_of(const char *a, const char *b)
{
    struct pl_strings s = {0};
    if (a)
        pl_strings_add(&s, a);
    if (b)
        pl_strings_add(&s, b);
    return s;
}

static inline struct position *position_fresh(int64_t since_ms)
{
    struct pl_strings streams = streams_of("recentchange", NULL);
    struct position *p = position_new(&streams, since_ms, SLACK_MS);
    pl_strings_release(&streams);
    return p;
}

static inline struct pl_slice slice_of(const char *text)
{
    return (struct pl_slice){text, strlen(text)};
}

/* An event as event_read() would give it. */
static inline struct event event_of(const char *topic, int64_t time_ms, uint64_t number)
{
    return (struct event){.topic = {topic, strlen(topic), false},
                          .partition = 0,
                          .offset = -1,
                          .dt_ms = time_ms,
                          .has_dt = true,
                          .identity = {0x1234, number}};
}

static inline enum position_verdict take(struct position *p, const struct event *e, const char *id,
                                         struct position_mark *mark)
{
    struct position_mark first;
    position_check(p, e, slice_of(id), NOW_MS, &first);
    position_check(p, e, slice_of(id), NOW_MS, mark); /* judging again changes nothing */
    ck_assert_int_eq(first.verdict, mark->verdict);
    position_add(p, mark);
    return mark->verdict;
}

/* Back to the last record. */
static inline struct position *crash(struct position *p, struct pl_buf *record)
{
    struct position *back;
    struct pl_err err;
    ck_assert_int_eq(position_decode(record->data, record->len, SLACK_MS, &back, &err), 0);
    position_free(p);
    return back;
}

static inline char *last_event_id(const struct position *p)
{
    struct pl_buf id = {0};
    return position_last_event_id(p, &id) ? pl_buf_take(&id) : NULL;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backfill.h - a bounded part of the streams, loaded beside the service: which events belong to it,
 * when it is complete, and the record of its progress.
 *
 * In each upstream topic (and partition), the range [start, end) runs from the first event whose
 * time is at or above `start` up to, but not including, the first at or above `end`. The time is
 * Kafka's own, as in position.h; one in the future (by more than POSITION_BELIEVE_MS) does not
 * count. In other words: an event belongs to the range that contains the highest time of its topic
 * so far, its own included.
 *
 * That is where Kafka's index begins for a request by time. So membership depends on the topic
 * alone, not on when, how often or over how many connections it is read. Adjoining ranges have each
 * event once, even one with a wrong time; and the service, whose first start is a request by time,
 * adjoins a range that ends where it began.
 *
 * An event with a time much too high ends its topic's range early: what follows belongs to a later
 * range. So reading continues until a second event (or a canary, whose time is the service's own)
 * is beyond the end, and events before that with times within the range are counted (`behind`).
 *
 * A range is complete when each topic is over: it has passed the end, as its canary events prove
 * every 15 minutes; or it has been still for BACKFILL_STILL_MS while another was at the present
 * (streams that are no longer fed have no canaries).
 *
 * All ranges ever loaded under one `name` are remembered, so that nothing is loaded twice unless
 * asked for.
 *
 * No I/O, no clock. Threads: one owner.
 */
#ifndef WIKISRCD_BACKFILL_BACKFILL_H
#define WIKISRCD_BACKFILL_BACKFILL_H

#include "daemons/wikisrcd/position/position.h"

struct backfill_range {
    int64_t start_ms, end_ms; /* ms since 1970, start included, end not */
};

/* Counts of events, over all runs of a range. */
enum backfill_sum {
    BACKFILL_WRITTEN,
    BACKFILL_FILTERED,
    BACKFILL_CANARIES,
    BACKFILL_SKIPPED, /* too large, not redactable */
    BACKFILL_OUTSIDE, /* read, but not in the range */
    BACKFILL_BEHIND,  /* of these: with a time in the range, after their topic had passed its end */
    BACKFILL_SUMS
};

#define BACKFILL_STILL_MS POSITION_HEARTBEAT_MS
/* A topic this close to now has reached the present. */
#define BACKFILL_PRESENT_MS 60000

struct backfill_topic {
    int64_t reached_ms; /* the highest time so far; -1: none */
    bool passed;        /* its end, as a canary or two events prove */
    bool moved;         /* since the last tick */
    int64_t still_ms;   /* monotonic, when it last moved */
};

/* Zero-initialise, then set `range` and `slack_ms`. */
struct backfill {
    struct backfill_range range;
    int64_t slack_ms; /* how far out of order the times of one topic may be */
    uint64_t sums[BACKFILL_SUMS];
    struct backfill_topic topics[POSITION_TOPICS_MAX]; /* numbered as in the position */
    unsigned topics_n;
    int64_t present_ms; /* monotonic, since when a topic has been at the present; 0: none is */
};

/* Whether the event belongs to the range. Only for POSITION_NEW events: repeated ones prove
 * nothing. Changes nothing. */
bool backfill_has(const struct backfill *b, const struct position_mark *mark);
/* The event was accounted for as `sum`; counts it as OUTSIDE if it is not in the range. */
void backfill_add(struct backfill *b, const struct position_mark *mark, bool canary,
                  enum backfill_sum sum);
/* Once a second; now_ms as in position_check(). */
void backfill_tick(struct backfill *b, int64_t now_ms, int64_t mono_ms);
/* For topics that are active in the position. */
bool backfill_topic_is_over(const struct backfill *b, unsigned topic, int64_t mono_ms);
/* The time reached by the topic that is farthest, within the range. */
int64_t backfill_reached(const struct backfill *b);

/* ---- the record ---- */

/* Complete ranges, in order; they neither overlap nor adjoin. */
#define BACKFILL_DONE_MAX 256
struct backfill_done {
    struct backfill_range range;
    uint64_t written;
};

/* Zero-initialised: no record yet. Owns its texts. */
struct backfill_record {
    char *topic;               /* the events went there */
    struct pl_strings streams; /* and came from these */
    struct backfill_done done[BACKFILL_DONE_MAX];
    unsigned done_n;
    bool open; /* `now` is under way */
    struct backfill now;
};

void backfill_record_release(struct backfill_record *r);
/* `now` is complete: it moves to `done`, merged with what it adjoins or overlaps. `done` must have
 * room; backfill_choose() makes sure. */
void backfill_record_close(struct backfill_record *r);

/* One line of JSON: {"version":1,"topic":…,"streams":[…],"done":[start,end,written,…],
 * "open":{"start":…,"end":…,"sums":[…],"topics":[reached,passed,…],"position":{…}}}. The position
 * is that of the open range; `at_ms` as in position_encode(). */
void backfill_encode(const struct backfill_record *r, const struct position *position,
                     int64_t at_ms, struct pl_buf *out);
/* Into a zeroed record, which is zeroed after an error; *ret_position stays unchanged if no range
 * is open. Strict. CONFIG, with what to do, for a newer version or anything that is not such a
 * record. */
int backfill_decode(const char *text, size_t len, int64_t slack_ms, struct backfill_record *ret,
                    struct position **ret_position, struct pl_err *err);

/* ---- what to do ---- */

struct backfill_ask {
    int64_t start_ms, end_ms; /* -1: not given */
    int64_t now_ms;
    int64_t service_ms; /* the service has written everything since; -1: it has not begun */
    bool overlap;       /* load even what is in the topic already */
};

enum backfill_choice {
    BACKFILL_BEGIN,    /* *ret is the range */
    BACKFILL_CONTINUE, /* the open one */
    BACKFILL_IS_DONE,  /* *ret is loaded already */
};

/* Changes nothing. CONFIG: refused; says why, and what to ask for instead. The default end is where
 * the service began, or now. */
int backfill_choose(const struct backfill_record *r, const struct backfill_ask *ask,
                    struct backfill_range *ret, enum backfill_choice *ret_choice,
                    struct pl_err *err);

/* Where a service begins that has no position yet and is to start at start_ms (0: the oldest), with
 * these streams into this topic: there, or behind the complete range that has this time. CONFIG,
 * with what to set instead, where it would write again what a range has or is going to have. A
 * range and the first start of the service that begin in the same second do not see each other. */
int backfill_service_start(const struct backfill_record *r, const char *topic,
                           const struct pl_strings *streams, int64_t start_ms, int64_t *ret_ms,
                           struct pl_err *err);

/* Whether the ranges are of these streams in this topic. */
bool backfill_is_of(const struct backfill_record *r, const char *topic,
                    const struct pl_strings *streams);

#endif

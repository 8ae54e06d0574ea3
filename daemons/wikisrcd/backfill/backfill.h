/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backfill.h - a bounded part of the streams, loaded beside the service: which events belong to it,
 * when it is whole, and the record that holds how far it is.
 *
 * Of each upstream topic (and partition), the range [start, end) is what lies from the first event
 * whose time is at or above `start` up to, but not including, the first whose time is at or above
 * `end`. The time is Kafka's own, as in position.h; one in the future (by more than
 * POSITION_BELIEVE_MS) counts as none. In other words: an event belongs to the range in which the
 * highest time of its topic so far, its own included, lies.
 *
 * That is where Kafka's index begins for a request by time. So what belongs to a range depends on
 * the topic alone, not on when, how often or after how many connections it is read; ranges that
 * adjoin have each event once, those with a wrong time too; and the service, which begins at its
 * first start as a request by time does, adjoins a range that ends where it began.
 *
 * An event with a time much too high ends its topic's range early: what follows it belongs to a
 * later range. So reading goes on until a second event (or a canary, whose time is the service's
 * own) lies beyond the end, and what comes before that from within the range is counted (`behind`).
 *
 * A range is whole when each topic is over: it has passed the end, as its canary events prove every
 * 15 minutes; or it has been still for BACKFILL_STILL_MS while others had reached the present
 * (streams that are no longer fed have no canaries).
 *
 * Everything that was ever loaded this way under one `name` is remembered, so that nothing is
 * loaded twice unless it is asked for.
 *
 * No I/O, no clock. Threads: one owner.
 */
#ifndef WIKISRCD_BACKFILL_BACKFILL_H
#define WIKISRCD_BACKFILL_BACKFILL_H

#include "daemons/wikisrcd/position/position.h"

struct backfill_range {
    int64_t start_ms, end_ms; /* ms since 1970, start included, end not */
};

/* Events of a range, over all runs of it. */
enum backfill_sum {
    BACKFILL_WRITTEN,
    BACKFILL_FILTERED,
    BACKFILL_CANARIES,
    BACKFILL_SKIPPED, /* too large, not redactable */
    BACKFILL_OUTSIDE, /* read, but not of the range */
    BACKFILL_BEHIND,  /* of these: from within the range, after their topic had passed the end */
    BACKFILL_SUMS
};

#define BACKFILL_STILL_MS POSITION_HEARTBEAT_MS
/* So near to now a topic has reached the present. */
#define BACKFILL_PRESENT_MS 60000

struct backfill_topic {
    int64_t reached_ms; /* the highest time so far; -1: none */
    bool passed;        /* more than one event says that the end is passed */
    bool moved;         /* since the last tick */
    int64_t still_ms;   /* monotonic, when it last moved */
};

/* Zero-initialise but for `range` and `slack_ms`. */
struct backfill {
    struct backfill_range range;
    int64_t slack_ms; /* how far times of one topic are out of order without being wrong */
    uint64_t sums[BACKFILL_SUMS];
    struct backfill_topic topics[POSITION_TOPICS_MAX]; /* as the position numbers them */
    unsigned topics_n;
    int64_t present_ms; /* monotonic, since when some topic is at the present; 0: none is */
};

/* Whether the event belongs to the range. Only for events that are POSITION_NEW: repeated ones say
 * nothing. Changes nothing, so the same event may be judged again. */
bool backfill_has(const struct backfill *b, const struct position_mark *mark);
/* The event was accounted for as `sum`, or as OUTSIDE if it does not belong to the range. */
void backfill_add(struct backfill *b, const struct position_mark *mark, bool canary,
                  enum backfill_sum sum);
/* Once a second; now_ms as in position_check(). */
void backfill_tick(struct backfill *b, int64_t now_ms, int64_t mono_ms);
/* The topics are those of the position that are asked for. */
bool backfill_topic_is_over(const struct backfill *b, unsigned topic, int64_t mono_ms);
/* How far the farthest topic is, within the range. */
int64_t backfill_reached(const struct backfill *b);

/* ---- the record ---- */

/* Ranges that are whole, in order; they neither overlap nor adjoin. */
#define BACKFILL_DONE_MAX 256
struct backfill_done {
    struct backfill_range range;
    uint64_t written;
};

/* Zero-initialised: there is none yet. */
struct backfill_record {
    char *topic;               /* where the events went */
    struct pl_strings streams; /* and whose they are */
    struct backfill_done done[BACKFILL_DONE_MAX];
    unsigned done_n;
    bool open; /* `now` is under way */
    struct backfill now;
};

void backfill_record_release(struct backfill_record *r);
/* `now` is whole: it becomes one of those done, merged with what it adjoins or overlaps. */
void backfill_record_close(struct backfill_record *r);

/* One line of JSON: {"version":1,"topic":…,"streams":[…],"done":[start,end,written,…],
 * "open":{"start":…,"end":…,"sums":[…],"topics":[reached,passed,…],"position":{…}}}. The position
 * is that of the open range; `at_ms` as in position_encode(). */
void backfill_encode(const struct backfill_record *r, const struct position *position,
                     int64_t at_ms, struct pl_buf *out);
/* Into a zeroed record; *ret_position stays as it is if no range is open. Strict. CONFIG, with what
 * to do, for a newer version or what is none. */
int backfill_decode(const char *text, size_t len, int64_t slack_ms, struct backfill_record *ret,
                    struct position **ret_position, struct pl_err *err);

/* ---- what to do ---- */

struct backfill_ask {
    int64_t start_ms, end_ms; /* -1: not given */
    int64_t now_ms;
    int64_t service_ms; /* where the service began, which has written all since; -1: it has not */
    bool overlap;       /* also what is there already */
};

enum backfill_choice {
    BACKFILL_BEGIN,    /* *ret is the range */
    BACKFILL_CONTINUE, /* the open one */
    BACKFILL_IS_DONE,  /* *ret, given or found, is there already */
};

/* Only looks. CONFIG: it must not begin; says why, and what to ask for instead. Without an end it
 * ends where the service began, else now. */
int backfill_choose(const struct backfill_record *r, const struct backfill_ask *ask,
                    struct backfill_range *ret, enum backfill_choice *ret_choice,
                    struct pl_err *err);

#endif

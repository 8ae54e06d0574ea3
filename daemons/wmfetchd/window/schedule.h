/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h - which range is fetched next, and the record of how far we have come.
 *
 *        start      end=p     p+size                now
 *   ───────┼──────────┼─────────┼──────────┼─────────┼──>
 *          └ fetched ─┘  due <──┘── delay ─┘
 *                └─overlap─┘ is asked for again with it: data that came late
 *
 * A series (one application, one index) has a position: `end`, up to where all is in Kafka. Its
 * next window is [end, end + size), due when it is `delay` old; what is asked for begins `overlap`
 * before it, but not before the series began. After an outage window follows window until the last
 * one that is due: windows are never enlarged to catch up, so that transactions stay small.
 *
 * `end_time` of a request is the window's end itself. Whether the API counts that millisecond in or
 * not, nothing is lost: the next window begins with it.
 *
 * Pure: time is given. Threads: none.
 */
#ifndef WMFETCHD_WINDOW_SCHEDULE_H
#define WMFETCHD_WINDOW_SCHEDULE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* All in ms; times since 1970. */
struct schedule {
    int64_t size_ms, delay_ms, overlap_ms;
};

struct schedule_position {
    int64_t start_ms; /* where the series began */
    int64_t end_ms;   /* all before is in Kafka */
};

struct schedule_window {
    int64_t from_ms; /* asked for: [from, end) */
    int64_t end_ms;  /* becomes the position */
};

/* The next window. Returns how long until it is due; 0: it is. */
int64_t schedule_next(const struct schedule *s, const struct schedule_position *p, int64_t now_ms,
                      struct schedule_window *ret);

/* Where a series without a position begins: `start_ms`, or (-1) one window back, on a multiple of
 * the window's size, so that hourly windows are hours. */
int64_t schedule_start(const struct schedule *s, int64_t start_ms, int64_t now_ms);

/* How many windows are due and not fetched. */
int64_t schedule_behind(const struct schedule *s, const struct schedule_position *p,
                        int64_t now_ms);

/* The record in the topic of positions: {"version":1,"start":ms,"end":ms,"at":"…"}. */
void schedule_position_encode(const struct schedule_position *p, int64_t now_ms,
                              struct pl_buf *out);
/* CONFIG when it is not one of ours. */
int schedule_position_decode(const char *data, size_t len, struct schedule_position *ret,
                             struct pl_err *err);

#endif

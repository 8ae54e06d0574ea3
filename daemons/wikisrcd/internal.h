/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the service's state: wikisrcd.c joins its parts, intake.c takes events, status.c
 * looks at it. Threads: the loop's.
 */
#ifndef WIKISRCD_INTERNAL_H
#define WIKISRCD_INTERNAL_H

#include "daemons/wikisrcd/event/plan.h"
#include "daemons/wikisrcd/position/position.h"
#include "daemons/wikisrcd/stream/source.h"
#include "daemons/wikisrcd/wikisrcd.h"
#include "lib/base/backoff.h"
#include "lib/batch/delivery.h"
#include "lib/service/ends.h"
#include "lib/service/watchdog.h"

/* The far side of one kind: whether it has worked with us, and what it refuses. */
struct peer {
    enum pl_worked worked;
    struct pl_refusal refusal;
};

struct wikisrcd {
    struct pl_service *service; /* conf, daemon and metrics are its */
    const struct wikisrcd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct pl_delivery *delivery;
    struct source *source;
    struct peer kafka, stream;
    struct position *position;
    struct once *once;  /* NULL: the service */
    struct plan *plan;  /* made anew at a reload */
    struct event event; /* reused */
    bool started;       /* the source was started */
    int64_t looked_ms;  /* what time it was there, for a start counted from now; 0: not asked */
    bool ready;
    int64_t newest_ms;
    struct pl_rate rate; /* of what is received */
    int64_t step_ms;     /* when the start's last step began, in the loop */
    struct pl_progress progress;
    struct pl_backoff backoff; /* after aborted transactions */
    int64_t committed_ms;      /* monotonic, of the last commit; 0: none yet */
    uint64_t committed_events;
};

/* ---- intake.c ---- */

/* The source's on_event. An event moves the position exactly when it is accounted for (delivered,
 * filtered or dropped as a duplicate), in the same call. So between any two events the position,
 * the open transaction and the counters agree, and it is safe to commit. */
bool intake_event(void *userdata, const struct sse_event *sse);
/* --once has all of its range: nothing more is read, and it is committed. */
void intake_end(struct wikisrcd *w);

/* ---- status.c ---- */

/* Events in the open transaction. */
uint64_t status_in_flight(const struct wikisrcd *w);
void status_show(struct wikisrcd *w, double rate, double lag);
/* The longest that we are refused, by anyone. */
int64_t status_refused_seconds(const struct wikisrcd *w, int64_t mono_ms);
/* Why nothing moves; NULL: it does, or waits for a known reason. */
const char *status_stuck(struct wikisrcd *w);

#endif

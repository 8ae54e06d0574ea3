/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the service's state: wikisrcd.c connects the parts, intake.c handles events,
 * status.c and page.c report. Threads: the loop's.
 */
#ifndef WIKISRCD_INTERNAL_H
#define WIKISRCD_INTERNAL_H

#include "daemons/wikisrcd/event/plan.h"
#include "daemons/wikisrcd/position/position.h"
#include "daemons/wikisrcd/stream/source.h"
#include "daemons/wikisrcd/wikisrcd.h"
#include "lib/base/backoff.h"
#include "lib/batch/delivery.h"
#include "lib/page/page.h"
#include "lib/service/ends.h"
#include "lib/service/watchdog.h"

/* Kafka or the source: whether it has worked with us, and what it refuses. */
struct peer {
    enum pl_worked worked;
    struct pl_refusal refusal;
};

struct wikisrcd {
    struct pl_service *service; /* owns conf, daemon and metrics */
    const struct wikisrcd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct pl_delivery *delivery;
    struct source *source;
    struct peer kafka, stream;
    struct position *position;
    struct once *once;              /* NULL: service mode */
    struct backfill_record *loaded; /* by --once, at the very first start; else NULL */
    struct plan *plan;              /* replaced at a reload */
    struct event event;             /* reused */
    bool started;                   /* the source was started */
    int64_t looked_ms; /* the source's time, for a start counted from now; 0: not asked */
    bool ready;
    int64_t newest_ms;
    struct pl_rate rate;   /* of what is received */
    struct pl_series hour; /* the same, of the last hour */
    int64_t step_ms;       /* monotonic, when the last step of the start began */
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
/* --once has its whole range: stops reading and commits. */
void intake_end(struct wikisrcd *w);

/* ---- status.c ---- */

/* Events in the open transaction. */
uint64_t status_in_flight(const struct wikisrcd *w);
void status_show(struct wikisrcd *w, double rate, double lag);
/* How long we have been refused; the longer of Kafka's and the source's. 0: by neither. */
int64_t status_refused_seconds(const struct wikisrcd *w, int64_t mono_ms);
/* Why there is no progress; NULL: there is, or it waits for a known reason. */
const char *status_stuck(struct wikisrcd *w);

/* ---- page.c ---- */

/* The page at /, for pl_service_page(). */
void page_fill(void *userdata, struct pl_page *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the service's state, which wmfetchd.c and failure.c change and status.c looks at.
 */
#ifndef WMFETCHD_INTERNAL_H
#define WMFETCHD_INTERNAL_H

#include "daemons/wmfetchd/api/look.h"
#include "daemons/wmfetchd/window/giveup.h"
#include "daemons/wmfetchd/window/load.h"
#include "daemons/wmfetchd/window/turns.h"
#include "daemons/wmfetchd/wmfetchd.h"
#include "lib/base/backoff.h"
#include "lib/service/ends.h"

struct series {
    const char *application, *index; /* as in struct wmfetchd_series */
    char *key;                       /* of the position: NAME/APPLICATION/INDEX */
    bool known;
    struct schedule_position position;
    struct pl_backoff backoff;
    int64_t not_before_ms; /* monotonic */
    struct giveup giveup;
    bool failing, refused; /* refused: a person must fix what failed last */
    struct pl_refusal refusal;
    bool ahead;     /* logged that the position is in the future */
    uint64_t empty; /* windows without a record up to the last, since the start */
    unsigned lag_metric;
};

/* One request at a time, with its Kafka transaction. */
struct slot {
    struct wmfetchd *w;
    struct load *load;
    struct series *series; /* whose window is under way; NULL: none */
    struct schedule_window window;
    struct schedule_position position; /* behind it */
    bool passing;                      /* a dead letter is being written in place of it */
    int64_t begun_ms;                  /* monotonic */
};

struct wmfetchd {
    struct pl_service *service; /* conf, daemon and metrics are its */
    const struct wmfetchd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct load_env env;
    struct pl_auth_waiter waiter; /* for the first token */
    sd_event_source *timer;
    struct series *series; /* of turns.n */
    struct turns turns;
    struct slot slots[TURNS_SLOTS_MAX]; /* turns.slots_n are used */
    int64_t not_before_ms;              /* monotonic: none is asked for before */
    struct pl_backoff backoff;          /* of what delays all series */
    struct pl_refusal refusal;          /* of all series */
    enum pl_worked worked;              /* a window was committed, now or before */
    enum pl_worked kafka_worked;        /* the same of anything */
    bool ready;
    bool claimed;               /* we are the only one of this name, see lib/kafka/fence.h */
    struct pl_peer_clock clock; /* the API's */
    struct look look;           /* what time it is there, where no window told it yet … */
    struct slot *looking;       /* … is asked in this slot; NULL: it is not */
    bool looked;
    int64_t idle_due_ms;   /* monotonic: since when something might begin and does not; 0: not */
    bool slow;             /* logged that slow requests hold all slots */
    uint64_t last_records; /* of the window committed last */
    int64_t last_ms;       /* monotonic: when that was */
    struct pl_rate rate;   /* of the bytes of answers */
    uint64_t windows;
};

/* ---- wmfetchd.c ---- */

struct schedule wmfetchd_schedule(const struct wmfetchd *w);
int64_t wmfetchd_api_now_ms(const struct wmfetchd *w);
/* turns_next() by the clocks as they are. */
int64_t wmfetchd_next(const struct wmfetchd *w, struct turns_next *ret);

/* ---- failure.c ---- */

/* Each holds up what it concerns, says so, or ends the daemon. */
void failure_of_window(struct wmfetchd *w, struct series *s, const struct load_result *result,
                       const struct pl_err *err);
void failure_of_claim(struct wmfetchd *w, const struct load_result *result,
                      const struct pl_err *err);
void failure_of_token(struct wmfetchd *w, const struct pl_err *err); /* of the start */

/* ---- status.c ---- */

/* Elements in open transactions. Exact between elements, where the loop looks. */
uint64_t status_in_flight(const struct wmfetchd *w);
void status_show(struct wmfetchd *w);
/* A window with so many records was committed. One without may be true, at night; many one after
 * another are said. */
void status_records_note(struct wmfetchd *w, struct series *s, uint64_t records);
/* The longest that we are refused, by anyone. */
int64_t status_refused_seconds(const struct wmfetchd *w);
/* Why it makes no progress; NULL: it does, or waits for a known reason. */
const char *status_stuck(struct wmfetchd *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the service's state, shared by wmfetchd.c, failure.c, status.c and page.c.
 */
#ifndef WMFETCHD_INTERNAL_H
#define WMFETCHD_INTERNAL_H

#include "daemons/wmfetchd/api/look.h"
#include "daemons/wmfetchd/window/giveup.h"
#include "daemons/wmfetchd/window/load.h"
#include "daemons/wmfetchd/window/past.h"
#include "daemons/wmfetchd/window/turns.h"
#include "daemons/wmfetchd/wmfetchd.h"
#include "lib/base/backoff.h"
#include "lib/page/page.h"
#include "lib/service/ends.h"

struct series {
    const char *application, *index; /* as in struct wmfetchd_series */
    char *key;                       /* of the position: NAME/APPLICATION/INDEX */
    bool known;
    struct schedule_position position;
    struct pl_backoff backoff;
    int64_t not_before_ms; /* monotonic */
    struct giveup giveup;
    bool failing, refused; /* refused: only a person can fix its own last failure */
    int64_t failing_ms;    /* monotonic: since when */
    struct pl_refusal refusal;
    bool ahead;     /* logged that the position is in the future */
    uint64_t empty; /* the latest windows in a row without a record, since the start */
    unsigned lag_metric;
    struct past past;
    int64_t fault_ms; /* since 1970, of the last failure */
    char fault[160];  /* "": there was none */
};

/* One request at a time, with its Kafka transaction. */
struct slot {
    struct wmfetchd *w;
    struct load *load;
    struct series *series; /* being fetched; NULL: none */
    struct schedule_window window;
    struct schedule_position position; /* after it */
    bool passing;                      /* a dead letter is being written instead */
    int64_t begun_ms;                  /* monotonic */
};

struct wmfetchd {
    struct pl_service *service; /* owns conf, daemon and metrics */
    const struct wmfetchd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct load_env env;
    struct pl_auth_waiter waiter; /* for the first token */
    sd_event_source *timer;
    struct series *series; /* of turns.n */
    struct turns turns;
    struct slot slots[TURNS_SLOTS_MAX]; /* turns.slots_n are used */
    int64_t not_before_ms;              /* monotonic: no series begins before */
    struct pl_backoff backoff;          /* of failures that delay all series */
    struct pl_refusal refusal;          /* of all series */
    enum pl_worked worked;              /* whether a window was ever committed */
    enum pl_worked kafka_worked;        /* the same for anything in Kafka */
    bool ready;
    char *claim_key;            /* of the record that claims the name */
    bool claimed;               /* proved that we alone use this name: lib/kafka/fence.h */
    struct pl_err lost;         /* another slot is fenced: is slot 0? kind NONE: none is */
    struct pl_peer_clock clock; /* the API's */
    struct look look;           /* asks for the API's time where no window has shown it yet */
    struct slot *looking;       /* the slot that waits for it; NULL: none */
    bool looked;
    int64_t idle_due_ms;   /* monotonic: since when something is due but not begun; 0: nothing */
    bool slow;             /* logged that slow requests occupy all slots */
    uint64_t last_records; /* of the window committed last */
    int64_t last_ms;       /* monotonic: when that was */
    struct pl_rate rate;   /* of the bytes of answers */
    struct pl_series hour; /* records in Kafka */
    uint64_t windows;
};

/* ---- wmfetchd.c ---- */

struct schedule wmfetchd_schedule(const struct wmfetchd *w);
int64_t wmfetchd_api_now_ms(const struct wmfetchd *w);
/* turns_next() at the current time. */
int64_t wmfetchd_next(const struct wmfetchd *w, struct turns_next *ret);

/* ---- failure.c ---- */

/* Each delays the series concerned and logs it, or ends the daemon. */
void failure_of_window(struct wmfetchd *w, struct series *s, const struct load_result *result,
                       const struct pl_err *err);
void failure_of_claim(struct wmfetchd *w, const struct load_result *result,
                      const struct pl_err *err);
void failure_of_token(struct wmfetchd *w, const struct pl_err *err); /* at the start */

/* ---- status.c ---- */

/* Elements in open transactions; exact whenever the loop is between two elements. */
uint64_t status_in_flight(const struct wmfetchd *w);
void status_show(struct wmfetchd *w);
/* Notes how many records a committed window had. One without may be right, as at night; several in
 * a row are logged. */
void status_records_note(struct wmfetchd *w, struct series *s, uint64_t records);
/* How long the oldest current refusal has lasted; 0: none. */
int64_t status_refused_seconds(const struct wmfetchd *w);
/* Why there is no progress; NULL: there is, or it waits for a known reason. */
const char *status_stuck(struct wmfetchd *w);

/* ---- page.c ---- */

/* The page at /, for pl_service_page(). */
void page_fill(void *userdata, struct pl_page *p);

#endif

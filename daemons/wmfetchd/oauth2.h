/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2.h - the access token: kept, renewed before its end, one renewal for all who wait.
 *
 *   EMPTY ──get──> RENEWING ──200──> KEPT ──get──> answered at once
 *     ^               │ failed         │ get, in the last part of its life ──> RENEWING
 *     └───────────────┴─ forgotten ────┘ refused by the API
 *
 * A token is kept until 70 to 90 % of its life are over (monotonic clock, counted from before it
 * was asked for), then the next one who asks starts a renewal. It is done by the refresh token
 * where there is one that has not ended, else (or when that is refused: the session ended) by the
 * grant. Where a renewal fails for a passing reason, a token that has not ended is given out on.
 *
 * A token that the API refuses is forgotten only while it is still the kept one: who comes with an
 * older one gets what has been renewed in the meantime.
 *
 * Errors: CONFIG where Keycloak refuses us, with what to do; RETRY otherwise. Nothing here waits
 * and tries again: that is for who asks. No token and no secret is logged, and what held one is
 * wiped.
 *
 * Layer: http, oauth2_answer, clock, stats, log. Threads: the loop's.
 */
#ifndef WMFETCHD_OAUTH2_H
#define WMFETCHD_OAUTH2_H

#include "conf.h"
#include "stats.h"

struct oauth2;

/* `token` NULL: `err` says why. Borrowed during the call. */
typedef void oauth2_fn(void *userdata, const char *token, const struct pl_err *err);

/* Of who waits; zeroed before its first use. */
struct oauth2_waiter {
    oauth2_fn *fn;
    void *userdata;
    struct oauth2_waiter *next;
    unsigned round;
    bool waiting;
};

/* `conf` outlives it, and may change between two renewals (a reload). `stats` may be NULL. */
int oauth2_new(struct pl_http *http, const struct wmfetchd_auth_conf *conf, struct pl_stats *stats,
               struct oauth2 **ret, struct pl_err *err);
/* Before the http. Who waits is not called. */
void oauth2_free(struct oauth2 *o);
PL_DEFINE_CLEANUP(struct oauth2 *, oauth2_free);

/* The token, borrowed until the loop's next turn; or NULL, and then fn is called later, never from
 * inside this call. A waiter waits once at a time. */
const char *oauth2_get(struct oauth2 *o, struct oauth2_waiter *w, oauth2_fn *fn, void *userdata);
void oauth2_cancel(struct oauth2 *o, struct oauth2_waiter *w); /* also where it does not wait */

/* The API has answered 401 to this token. */
void oauth2_refused(struct oauth2 *o, const char *token);
/* Nothing is kept any more, the next token comes by the grant: the secrets have changed, or what is
 * got by the refresh token is refused again and again. */
void oauth2_forget(struct oauth2 *o);

/* Retry-After of the last failure; -1: none. */
int64_t oauth2_retry_after_ms(const struct oauth2 *o);

/* What is known of the kept token, for a person. */
struct oauth2_info {
    const char *access; /* for oauth2_claims_print() */
    const char *scope;
    int64_t life_ms, left_ms; /* of it, in whole and from now */
    bool has_refresh;
    int64_t refresh_life_ms; /* 0: no end, or not known */
};
bool oauth2_info(const struct oauth2 *o, struct oauth2_info *ret);

#endif

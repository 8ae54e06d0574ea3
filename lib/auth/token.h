/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - the access token: kept, renewed before its end, one renewal for all waiters.
 *
 *   EMPTY ──get──> RENEWING ──200──> KEPT ──get──> answered at once
 *     ^               │ failed         │ get, in the last part of its life ──> RENEWING
 *     └───────────────┴─ forgotten ────┘ refused by the API
 *
 * A token is kept until 70 to 90 % of its life are over (monotonic clock, counted from before the
 * request for it), then the next caller starts a renewal: by the refresh token where there is one
 * that has not ended, else (or when it is refused: the session ended) by the grant. If a renewal
 * fails, a token that has not ended stays in use.
 *
 * A token that the API refuses is forgotten only if it is still the kept one: a caller with an
 * older one gets the one that has replaced it.
 *
 * Errors: CONFIG where the server refuses us, with what to do; RETRY otherwise. Nothing here tries
 * again: that is for the caller. Tokens and secrets are never logged, and are wiped.
 *
 * Trying refused credentials again and again may lock the account, so they are tried three times
 * and then once an hour (pl_token_denied_wait_ms()), however many callers ask: in between, all get
 * the same error. Logged when the hourly tries begin and when the credentials are accepted.
 * pl_token_forget() (new secrets) ends it.
 *
 * Threads: the loop's.
 */
#ifndef PL_AUTH_TOKEN_H
#define PL_AUTH_TOKEN_H

#include <sys/queue.h>

#include "lib/auth/conf.h"
#include "lib/metrics/metrics.h"

struct pl_http;
struct pl_token;

/* `token` NULL: `err` says why. Borrowed during the call. */
typedef void pl_token_fn(void *userdata, const char *token, const struct pl_err *err);

/* The caller's; zeroed before its first use. */
struct pl_token_waiter {
    pl_token_fn *fn;
    void *userdata;
    TAILQ_ENTRY(pl_token_waiter) list;
    unsigned round;
    bool waiting;
};

/* What is counted. */
enum pl_token_event {
    PL_TOKEN_GRANTED,
    PL_TOKEN_REFRESHED,
    PL_TOKEN_FAILED,  /* an attempt */
    PL_TOKEN_REFUSED, /* a token, before its end */
    PL_TOKEN_DENIED,  /* a gauge: refusals of our credentials in a row */
};

/* What the daemon lends: borrowed, the struct itself is copied. */
struct pl_auth_owner {
    const char *user_agent;     /* NULL: the library's */
    struct pl_metrics *metrics; /* may be NULL */
    unsigned first_metric;      /* of five, in the order of enum pl_token_event */
};

/* `conf` outlives it, and its secrets and user may change between two renewals (a reload). */
struct pl_token *pl_token_new(struct pl_http *http, const struct pl_auth_conf *conf,
                              const struct pl_auth_owner *owner);
/* Before the http. Waiters are not called. */
void pl_token_free(struct pl_token *o);
PL_DEFINE_CLEANUP(struct pl_token *, pl_token_free);

/* The token, borrowed until the loop's next turn; or NULL, and fn is called later, never from
 * inside this call. A waiter waits once at a time. */
const char *pl_token_get(struct pl_token *o, struct pl_token_waiter *w, pl_token_fn *fn,
                         void *userdata);
/* Also where it does not wait. */
void pl_token_cancel(struct pl_token *o, struct pl_token_waiter *w);

/* The API has answered 401 to this token. */
void pl_token_refused(struct pl_token *o, const char *token);
/* Keeps nothing, the next token comes by the grant: the secrets have changed, or tokens from the
 * refresh token are refused again and again. */
void pl_token_forget(struct pl_token *o);

/* How long to wait after the last failure: Retry-After, or until refused credentials may be tried
 * again; -1: up to the caller. */
int64_t pl_token_retry_after_ms(const struct pl_token *o);

/* What is known of the kept token, for a person. */
struct pl_token_info {
    const char *access; /* for pl_token_claims_print() */
    int64_t left_ms;    /* of its life, from now */
    bool has_refresh;
    int64_t refresh_life_ms; /* 0: no end, or not known */
};
bool pl_token_info(const struct pl_token *o, struct pl_token_info *ret);

#endif

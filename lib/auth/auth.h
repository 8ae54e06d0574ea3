/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - the header line that authenticates a request to a peer, by any of the methods of conf.h.
 *
 *     header = pl_auth_get(auth, &waiter, on_header, userdata);     NULL: on_header() comes later
 *     … the request, with the line unless it is "" …
 *     on 401: if (pl_auth_refused(auth, header)) ask once more; else it is final
 *
 * Lines are made from the current configuration, so a reload applies from the next request on. Only
 * a token is kept (token.h), until pl_auth_forget().
 *
 * Errors: those of the token, with what to do. Secrets are never logged nor shown by
 * pl_auth_describe(), and are wiped.
 *
 * Threads: the loop's.
 */
#ifndef PL_AUTH_AUTH_H
#define PL_AUTH_AUTH_H

#include "lib/auth/token.h"

struct pl_auth;

/* `header` NULL: `err` says why there is none. Borrowed during the call. */
typedef void pl_auth_fn(void *userdata, const char *header, const struct pl_err *err);

/* The caller's; zeroed before its first use. */
struct pl_auth_waiter {
    struct pl_token_waiter token;
    pl_auth_fn *fn;
    void *userdata;
};

/* `http` and `conf` (checked) outlive it. */
struct pl_auth *pl_auth_new(struct pl_http *http, const struct pl_auth_conf *conf,
                            const struct pl_auth_owner *owner);
/* Before the http. Waiters are not called. */
void pl_auth_free(struct pl_auth *a);
PL_DEFINE_CLEANUP(struct pl_auth *, pl_auth_free);

/* "Authorization: Bearer …", or "" for the method none: borrowed until the next call. NULL when a
 * token must be fetched first: fn is called later, never from inside this call. A waiter waits once
 * at a time. */
const char *pl_auth_get(struct pl_auth *a, struct pl_auth_waiter *w, pl_auth_fn *fn,
                        void *userdata);
/* Also where it does not wait. */
void pl_auth_cancel(struct pl_auth *a, struct pl_auth_waiter *w);

/* The peer has answered 401 to this line. true: try once with another one: the token is renewed
 * (unless it has been already), or the configuration has changed. false: a person must act. */
bool pl_auth_refused(struct pl_auth *a, const char *header);

/* What to look at when the peer's 401 is final. */
const char *pl_auth_refused_advice(const struct pl_auth *a);

/* pl_token_forget(). */
void pl_auth_forget(struct pl_auth *a);

/* pl_token_retry_after_ms(). */
int64_t pl_auth_retry_after_ms(const struct pl_auth *a);

/* Lines for a terminal: method, user, and what is known of a token. Of one that is fetched, only
 * after that. */
void pl_auth_describe(const struct pl_auth *a, struct pl_buf *out);

/* For people: what is known, without any secret. The rest only of PL_AUTH_TOKEN. */
struct pl_auth_look {
    enum pl_auth_method method;
    bool kept; /* there is a token, and what follows is known */
    bool has_refresh;
    int64_t left_ms; /* of its life */
};
void pl_auth_look(const struct pl_auth *a, struct pl_auth_look *ret);

/* How much of a peer's text is before any secret of ours: servers like to repeat what they refuse.
 * `header`: the line that was sent. */
size_t pl_auth_before_secret(const struct pl_auth *a, const char *header, const char *text,
                             size_t len);

#endif

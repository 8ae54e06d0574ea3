/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_answer.h - requests to a token endpoint and what its answers mean: forms, tokens, errors
 * with advice, and when to renew a token.
 *
 * RFC 6749 (OAuth 2.0): 2.3.1 client authentication, 4.3 password grant, 4.4 client credentials,
 * 5.1 and 5.2 answers, 6 refresh. Keycloak's own: refresh_expires_in, its error descriptions.
 *
 * Pure: no I/O, no clock, no logging. What holds a secret is wiped when it is released.
 */
#ifndef PL_AUTH_TOKEN_ANSWER_H
#define PL_AUTH_TOKEN_ANSWER_H

#include "lib/auth/conf.h"

/* Bytes of an answer; a token with many roles has some KB. */
#define PL_TOKEN_ANSWER_MAX 262144

/* Where the server does not give one (expires_in is only recommended). */
#define PL_TOKEN_LIFE_UNKNOWN_MS 60000

struct pl_token_answer {
    char *access;
    char *refresh; /* NULL: none */
    int64_t life_ms;
    int64_t refresh_life_ms; /* 0: no end (an offline token), or not known */
};

void pl_token_answer_release(struct pl_token_answer *t);

/* The server's answer. All borrowed. */
struct pl_token_reply {
    long status;
    const char *body;
    size_t len;
    const char *refresh; /* the refresh token that was sent; NULL: none */
};

/* The token, or an error that says what is wrong, in the server's own words (`error` and
 * `error_description`, also with status 200, cut before any secret that they repeat), and what to
 * do. CONFIG where a person must act (code: the status), RETRY for what may pass by itself.
 * ret_denied is always set; true: the credentials were refused (invalid_grant, invalid_client,
 * unauthorized_client, or 401 without a reason), and trying them again may lock the account. */
int pl_token_reply_read(const struct pl_auth_conf *conf, const struct pl_token_reply *reply,
                        struct pl_token_answer *ret, bool *ret_denied, struct pl_err *err);

/* How long to hold back credentials after `denied` refusals in a row: 10 s, 1 min, then an hour
 * each. That is 15 tries in 12 hours; Keycloak's brute force detection locks an account at 30
 * failures (failureFactor) and forgets them after 12 hours without one. */
int64_t pl_token_denied_wait_ms(unsigned denied);
#define PL_TOKEN_DENIED_OFTEN 3 /* from this many on, an hour */

/* The form for the grant, or (`refresh` not NULL) for a refresh. Does not reallocate what holds a
 * secret. */
void pl_token_form(const struct pl_auth_conf *conf, const char *refresh, struct pl_buf *ret);
/* "Authorization: Basic …" for user and password as they are (RFC 7617); nor does this. */
void pl_auth_basic(const char *user, const char *password, struct pl_buf *ret);
/* The same for the client's id and secret, encoded as RFC 6749 (2.3.1) requires; empty where the
 * secret is sent in the form or there is none. */
void pl_token_basic(const struct pl_auth_conf *conf, struct pl_buf *ret);

/* After how much of its life a token is renewed: 70 to 90 %, and 5 s before its end, but not in the
 * first half. `random`: any number. */
int64_t pl_token_renew_after_ms(int64_t life_ms, uint64_t random);

#endif

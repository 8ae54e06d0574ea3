/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2_answer.h - what is said to Keycloak's token endpoint and what its answers mean: forms,
 * tokens, errors with advice, the claims of a token, and when to renew it.
 *
 * RFC 6749 (OAuth 2.0): 2.3.1 client authentication, 4.3 password grant, 4.4 client credentials,
 * 5.1 and 5.2 answers, 6 refresh. Keycloak's own: refresh_expires_in, its error descriptions.
 *
 * Layer: conf, json, http (kinds of statuses). Pure: no I/O, no clock, no logging. What holds a
 * secret is wiped when it is released.
 */
#ifndef WMFETCHD_OAUTH2_ANSWER_H
#define WMFETCHD_OAUTH2_ANSWER_H

#include "conf.h"

/* Where a server does not say how long its token lives (expires_in is only recommended). */
#define OAUTH2_LIFE_UNKNOWN_MS 60000

struct oauth2_token {
    char *access;
    char *refresh; /* NULL: none */
    char *scope;   /* what was granted; NULL: not said */
    int64_t life_ms;
    int64_t refresh_life_ms; /* 0: it has no end (an offline token) or is not known */
};

void oauth2_token_release(struct oauth2_token *t);

/* Frees a text that holds a secret. NULL is allowed. */
void oauth2_wipe(char *text);
void oauth2_wipe_buf(struct pl_buf *b);

/* The answer of status 200. CONFIG (code 200) when it is none: the URL is not that of a token
 * endpoint. */
int oauth2_answer_read(const char *body, size_t len, struct oauth2_token *ret, struct pl_err *err);

/* The answer of any other status: what is wrong and what to do. RETRY for what time heals. */
int oauth2_err_from_status(struct pl_err *err, const struct wmfetchd_auth_conf *conf, long status,
                           const char *body, size_t len);

/* The form for the grant, or (`refresh` not NULL) for a refresh. Does not reallocate what holds a
 * secret. */
void oauth2_form(const struct wmfetchd_auth_conf *conf, const char *refresh, struct pl_buf *ret);
/* "Authorization: Basic …", or empty where the secret is sent in the form or there is none. */
void oauth2_basic(const struct wmfetchd_auth_conf *conf, struct pl_buf *ret);

/* After how much of its life a token is renewed: 70 to 90 %, and 5 s before its end, but not in the
 * first half. `random`: any number. */
int64_t oauth2_renew_after_ms(int64_t life_ms, uint64_t random);

/* What a token says of itself, as lines for a terminal ("  issuer    https://…"); never the token.
 * Nothing is verified: that is the API's part. false: it is no JWT (some servers give opaque
 * tokens). `ret_exp_ms` (may be NULL): its end, 0 unknown. */
bool oauth2_claims_print(const char *access, struct pl_buf *out, int64_t *ret_exp_ms);

/* Copies a text of the server's for a message: one line of printable characters, at most size - 1
 * bytes, and where `secret` (a token, may be NULL) begins in it, what follows is left out. */
void oauth2_scrub(const char *text, size_t len, const char *secret, char *out, size_t size);

#endif

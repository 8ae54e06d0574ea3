/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_answer.h - what is said to Keycloak's token endpoint and what its answers mean: forms,
 * tokens, errors with advice, the claims of a token, and when to renew it.
 *
 * RFC 6749 (OAuth 2.0): 2.3.1 client authentication, 4.3 password grant, 4.4 client credentials,
 * 5.1 and 5.2 answers, 6 refresh. Keycloak's own: refresh_expires_in, its error descriptions.
 *
 * Pure: no I/O, no clock, no logging. What holds a secret is wiped when it is released.
 */
#ifndef PL_AUTH_TOKEN_ANSWER_H
#define PL_AUTH_TOKEN_ANSWER_H

#include "lib/http/request.h"

enum pl_token_grant { PL_GRANT_PASSWORD, PL_GRANT_CLIENT_CREDENTIALS };
enum pl_token_client_auth { PL_CLIENT_AUTH_BASIC, PL_CLIENT_AUTH_BODY };

struct pl_token_conf {
    char *url, *realm;
    int grant; /* enum pl_token_grant */
    char *client_id;
    struct pl_secret client_secret;
    int client_auth; /* enum pl_token_client_auth */
    char *user;
    struct pl_secret password;
    char *scope;
    int64_t timeout_ms;
    struct pl_tls tls;
};

/* Where a server does not say how long its token lives (expires_in is only recommended). */
#define PL_TOKEN_LIFE_UNKNOWN_MS 60000

struct pl_token_answer {
    char *access;
    char *refresh; /* NULL: none */
    char *scope;   /* what was granted; NULL: not said */
    int64_t life_ms;
    int64_t refresh_life_ms; /* 0: it has no end (an offline token) or is not known */
};

void pl_token_answer_release(struct pl_token_answer *t);

/* Frees a text that holds a secret. NULL is allowed. */
void pl_wipe(char *text);
void pl_buf_wipe(struct pl_buf *b);

/* The answer of status 200. CONFIG (code 200) when it is none: the URL is not that of a token
 * endpoint. */
int pl_token_answer_read(const char *body, size_t len, struct pl_token_answer *ret,
                         struct pl_err *err);

/* The answer of any other status: what is wrong and what to do. RETRY for what time heals. */
int pl_token_err_from_status(struct pl_err *err, const struct pl_token_conf *conf, long status,
                             const char *body, size_t len);

/* The form for the grant, or (`refresh` not NULL) for a refresh. Does not reallocate what holds a
 * secret. */
void pl_token_form(const struct pl_token_conf *conf, const char *refresh, struct pl_buf *ret);
/* "Authorization: Basic …", or empty where the secret is sent in the form or there is none. */
void pl_token_basic(const struct pl_token_conf *conf, struct pl_buf *ret);

/* After how much of its life a token is renewed: 70 to 90 %, and 5 s before its end, but not in the
 * first half. `random`: any number. */
int64_t pl_token_renew_after_ms(int64_t life_ms, uint64_t random);

/* What a token says of itself, as lines for a terminal ("  issuer    https://…"); never the token.
 * Nothing is verified: that is the API's part. false: it is no JWT (some servers give opaque
 * tokens). `ret_exp_ms` (may be NULL): its end, 0 unknown. */
bool pl_token_claims_print(const char *access, struct pl_buf *out, int64_t *ret_exp_ms);

/* Copies a text of the server's for a message: one line of printable characters, at most size - 1
 * bytes, and where `secret` (a token, may be NULL) begins in it, what follows is left out. */
void pl_token_scrub(const char *text, size_t len, const char *secret, char *out, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c - see auth.h.
 */
#include "lib/auth/auth.h"

#include <inttypes.h>

#include "lib/auth/token_answer.h"
#include "lib/auth/token_claims.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"

#define BEARER "Authorization: Bearer "

struct pl_auth {
    const struct pl_auth_conf *conf;
    struct pl_token *token; /* NULL for other methods */
    struct pl_buf header;   /* the last one that was given out */
};

/* ---- lines ---- */

/* Does not reallocate what holds a secret. */
static void line_make(struct pl_buf *out, const char *begin, const char *secret)
{
    pl_buf_reserve(out, strlen(begin) + strlen(secret) + 1);
    pl_buf_add_str(out, begin);
    pl_buf_add_str(out, secret);
}

/* Of the methods that need only the configuration; empty for the others. */
static void fixed_make(const struct pl_auth_conf *conf, struct pl_buf *out)
{
    PL_FREE char *begin = NULL;
    switch ((enum pl_auth_method)conf->method) {
    case PL_AUTH_NONE:
    case PL_AUTH_TOKEN:
        break;
    case PL_AUTH_BASIC:
        pl_auth_basic(conf->user, conf->password.value, out);
        break;
    case PL_AUTH_BEARER:
        line_make(out, BEARER, conf->bearer.value);
        break;
    case PL_AUTH_HEADER:
        begin = pl_strf("%s: ", conf->header.name);
        line_make(out, begin, conf->header.value.value);
        break;
    }
}

static void on_token(void *userdata, const char *token, const struct pl_err *err)
{
    struct pl_auth_waiter *w = userdata;
    PL_CLEANUP(pl_buf_wipe) struct pl_buf header = {0};
    if (token)
        line_make(&header, BEARER, token);
    w->fn(w->userdata, token ? pl_buf_cstr(&header) : NULL, err);
}

const char *pl_auth_get(struct pl_auth *a, struct pl_auth_waiter *w, pl_auth_fn *fn, void *userdata)
{
    pl_buf_wipe(&a->header);
    if (a->token) {
        w->fn = fn;
        w->userdata = userdata;
        const char *token = pl_token_get(a->token, &w->token, on_token, w);
        if (!token)
            return NULL;
        line_make(&a->header, BEARER, token);
    } else {
        fixed_make(a->conf, &a->header);
    }
    return pl_buf_cstr(&a->header);
}

void pl_auth_cancel(struct pl_auth *a, struct pl_auth_waiter *w)
{
    if (a->token)
        pl_token_cancel(a->token, &w->token);
}

/* ---- refusals ---- */

bool pl_auth_refused(struct pl_auth *a, const char *header)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf now = {0};
    if (a->token) {
        pl_token_refused(a->token, header + strlen(BEARER));
        return true;
    }
    fixed_make(a->conf, &now);
    return strcmp(pl_buf_cstr(&now), header) != 0;
}

const char *pl_auth_refused_advice(const struct pl_auth *a)
{
    switch ((enum pl_auth_method)a->conf->method) {
    case PL_AUTH_NONE:
        return "it wants to know who asks: set auth.method";
    case PL_AUTH_BASIC:
        return "check auth.user and auth.password";
    case PL_AUTH_BEARER:
        return "check auth.bearer: has the token ended, is it for this server?";
    case PL_AUTH_HEADER:
        return "check auth.header.name and auth.header.value";
    case PL_AUTH_TOKEN:
        break;
    }
    return a->conf->token_url
               ? "it refuses a token that was just given: is auth.token_url that of a server which "
                 "it trusts, does the token have its audience, are the clocks right?"
               : "it refuses a token that Keycloak has just given: are auth.url and auth.realm "
                 "those that the API trusts, does the token have its audience, are the clocks "
                 "right?";
}

void pl_auth_forget(struct pl_auth *a)
{
    if (a->token)
        pl_token_forget(a->token);
}

int64_t pl_auth_retry_after_ms(const struct pl_auth *a)
{
    return a->token ? pl_token_retry_after_ms(a->token) : -1;
}

size_t pl_auth_before_secret(const struct pl_auth *a, const char *header, const char *text,
                             size_t len)
{
    const char *value = strchr(header, ':');
    len = pl_text_before_secret(text, len, a->conf->password.value);
    len = pl_text_before_secret(text, len, a->conf->client_secret.value);
    if (!value)
        return len;
    /* Of "Authorization: Bearer …" the word after the scheme. */
    const char *word = a->conf->method == PL_AUTH_HEADER ? NULL : strrchr(value, ' ');
    return pl_text_before_secret(text, len, word ? word + 1 : value + 2);
}

/* ---- for a person ---- */

static void until_print(struct pl_buf *out, const char *label, int64_t at_ms, int64_t left_ms)
{
    char until[32];
    pl_time_format_ms(at_ms, until);
    pl_buf_addf(out, "  %-9s %s (%" PRId64 " s)\n", label, until, (left_ms + 500) / 1000);
}

static void token_describe(const struct pl_auth *a, struct pl_buf *out)
{
    const struct pl_auth_conf *conf = a->conf;
    int64_t now_ms = pl_clock_realtime_ms();
    struct pl_token_info info;
    if (!pl_token_info(a->token, &info))
        return;
    char host[256];
    pl_auth_token_host(conf, host, sizeof(host));
    pl_buf_addf(out, "token: given by %s, ", host);
    if (!conf->token_url)
        pl_buf_addf(out, "realm %s, ", conf->realm);
    pl_buf_addf(out, "grant %s\n", pl_auth_grants[conf->grant]);
    if (!pl_token_claims_print(info.access, out, NULL))
        pl_buf_add_str(out, "  it is opaque: only the server can read what it is good for\n");
    until_print(out, "until", now_ms + info.left_ms, info.left_ms);
    if (!info.has_refresh)
        pl_buf_add_str(out, "  renewal   by the grant (no refresh token)\n");
    else if (info.refresh_life_ms > 0)
        until_print(out, "refresh", now_ms + info.refresh_life_ms, info.refresh_life_ms);
    else
        pl_buf_add_str(out, "  refresh   by a refresh token without an end\n");
}

static void bearer_describe(const struct pl_auth *a, struct pl_buf *out)
{
    int64_t now_ms = pl_clock_realtime_ms();
    pl_buf_addf(out, "token: from %s\n", a->conf->bearer.origin);
    int64_t end_ms;
    if (!pl_token_claims_print(a->conf->bearer.value, out, &end_ms))
        pl_buf_add_str(out, "  it is opaque: only the server can read what it is good for\n");
    else if (end_ms > 0)
        until_print(out, end_ms > now_ms ? "until" : "ENDED", end_ms, end_ms - now_ms);
}

void pl_auth_look(const struct pl_auth *a, struct pl_auth_look *ret)
{
    struct pl_token_info info;
    *ret = (struct pl_auth_look){.method = (enum pl_auth_method)a->conf->method};
    if (!a->token || !pl_token_info(a->token, &info))
        return;
    ret->kept = true;
    ret->has_refresh = info.has_refresh;
    ret->left_ms = info.left_ms;
}

void pl_auth_describe(const struct pl_auth *a, struct pl_buf *out)
{
    const struct pl_auth_conf *conf = a->conf;
    switch ((enum pl_auth_method)conf->method) {
    case PL_AUTH_NONE:
        pl_buf_add_str(out, "auth: none, requests do not say who asks\n");
        break;
    case PL_AUTH_BASIC:
        pl_buf_addf(out, "auth: user %s, password from %s\n", conf->user, conf->password.origin);
        break;
    case PL_AUTH_BEARER:
        bearer_describe(a, out);
        break;
    case PL_AUTH_HEADER:
        pl_buf_addf(out, "auth: header %s from %s\n", conf->header.name, conf->header.value.origin);
        break;
    case PL_AUTH_TOKEN:
        token_describe(a, out);
        break;
    }
}

/* ---- construction ---- */

struct pl_auth *pl_auth_new(struct pl_http *http, const struct pl_auth_conf *conf,
                            const struct pl_auth_owner *owner)
{
    struct pl_auth *a = pl_alloc(sizeof(*a));
    a->conf = conf;
    if (conf->method == PL_AUTH_TOKEN)
        a->token = pl_token_new(http, conf, owner);
    return a;
}

void pl_auth_free(struct pl_auth *a)
{
    if (!a)
        return;
    pl_token_free(a->token);
    pl_buf_wipe(&a->header);
    free(a);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.c - see token.h, which has the states.
 *
 * A renewal is one request, or two where the refresh token is refused. Callers meanwhile are put on
 * the list, which is answered once, from done().
 */
#include "lib/auth/token.h"

#include <assert.h>
#include <inttypes.h>

#include "lib/auth/token_answer.h"
#include "lib/base/clock.h"
#include "lib/http/request.h"
#include "lib/log/log.h"

enum {
    CONNECT_TIMEOUT_MS = 10000,
    RENEW_AGAIN_MS = 10000, /* at least, after a failed renewal of a token that has not ended */
};

struct pl_token {
    struct pl_http *http;
    const struct pl_auth_conf *conf;
    struct pl_auth_owner owner;
    char *url;

    struct pl_token_answer token; /* access NULL: none is kept */
    int64_t ends_ms, renew_ms;    /* monotonic */
    int64_t refresh_ends_ms;      /* monotonic; INT64_MAX: no end */
    char *refresh;                /* outlives the access token */

    struct pl_http_request *request;
    bool by_refresh, stale; /* stale: pl_token_forget() was called while it ran */
    int64_t asked_ms;
    struct pl_buf body;
    int64_t retry_after_ms;
    unsigned denied;      /* credentials refused, in a row */
    int64_t tried_ms;     /* monotonic, the last of those */
    struct pl_err denial; /* the last of those */
    sd_event_source *soon;
    TAILQ_HEAD(, pl_token_waiter) waiters;
    unsigned round; /* of answering: a waiter that is added during one waits for the next */
};

static void renew(struct pl_token *o);

static int64_t held_ms(const struct pl_token *o)
{
    int64_t left_ms = o->tried_ms + pl_token_denied_wait_ms(o->denied) - pl_clock_monotonic_ms();
    return o->denied > 0 && left_ms > 0 ? left_ms : 0;
}

static void count(struct pl_token *o, enum pl_token_event event)
{
    if (o->owner.metrics)
        pl_metrics_inc(o->owner.metrics, o->owner.first_metric + event, 1);
}

/* ---- waiters ---- */

void pl_token_cancel(struct pl_token *o, struct pl_token_waiter *w)
{
    if (w->waiting)
        TAILQ_REMOVE(&o->waiters, w, list);
    w->waiting = false;
}

/* Each is removed from the list before it is called: it may ask again, or cancel another. */
static void waiters_answer(struct pl_token *o, const struct pl_err *err)
{
    /* A copy: one of them may call pl_token_forget(). */
    char *token = err ? NULL : pl_strdup(o->token.access);
    unsigned round = o->round++;
    struct pl_token_waiter *w;
    while ((w = TAILQ_FIRST(&o->waiters)) && w->round == round) {
        pl_token_cancel(o, w);
        w->fn(w->userdata, token, err);
    }
    pl_wipe(token);
}

/* ---- refused credentials ---- */

static void denied_set(struct pl_token *o, unsigned denied)
{
    bool often = denied >= PL_TOKEN_DENIED_OFTEN, was_often = o->denied >= PL_TOKEN_DENIED_OFTEN;
    o->denied = denied;
    if (o->owner.metrics)
        pl_metrics_set(o->owner.metrics, o->owner.first_metric + PL_TOKEN_DENIED, denied);
    if (often && !was_often)
        pl_log_err(PL_ERROR, PL_EVENT_CREDENTIALS,
                   "our credentials are refused again and again: from now on they are tried once "
                   "an hour, so that no account is locked; other secrets are tried at once after a "
                   "reload",
                   &o->denial, PL_F_UINT("TRIES", denied));
}

static void denied_over(struct pl_token *o)
{
    if (o->denied >= PL_TOKEN_DENIED_OFTEN)
        pl_log(PL_NOTICE, PL_EVENT_CREDENTIALS, "our credentials are accepted again",
               PL_F_UINT("TRIES", o->denied));
    denied_set(o, 0);
}

static void denied_note(struct pl_token *o, const struct pl_err *err)
{
    o->denial = *err;
    o->tried_ms = pl_clock_monotonic_ms();
    denied_set(o, o->denied + 1);
}

/* Answers those who ask while refused credentials are held back. */
static int on_soon(sd_event_source *soon, void *userdata)
{
    struct pl_token *o = userdata;
    int64_t left_ms = held_ms(o);
    (void)soon;
    if (o->request || TAILQ_EMPTY(&o->waiters))
        return 0; /* they get its answer */
    if (left_ms == 0) {
        renew(o); /* the secrets have changed */
        return 0;
    }
    struct pl_err err = o->denial;
    pl_err_prefix(&err, "refused (%u in a row), not tried again for %" PRId64 " s", o->denied,
                  (left_ms + 999) / 1000);
    waiters_answer(o, &err);
    return 0;
}

/* ---- keeping ---- */

static void refresh_drop(struct pl_token *o)
{
    pl_wipe(PL_TAKE(o->refresh));
}

static void keep(struct pl_token *o, struct pl_token_answer *fresh)
{
    pl_token_answer_release(&o->token);
    o->token = *fresh;
    *fresh = (struct pl_token_answer){0};
    uint64_t random;
    arc4random_buf(&random, sizeof(random));
    o->ends_ms = o->asked_ms + o->token.life_ms;
    o->renew_ms = o->asked_ms + pl_token_renew_after_ms(o->token.life_ms, random);
    if (!o->token.refresh && o->by_refresh)
        return; /* RFC 6749, 6: without a new one the old one stays valid */
    refresh_drop(o);
    o->refresh = PL_TAKE(o->token.refresh);
    o->refresh_ends_ms =
        o->token.refresh_life_ms > 0 ? o->asked_ms + o->token.refresh_life_ms : INT64_MAX;
}

void pl_token_forget(struct pl_token *o)
{
    pl_token_answer_release(&o->token);
    refresh_drop(o);
    o->stale = o->request != NULL;
    denied_set(o, 0);
}

void pl_token_refused(struct pl_token *o, const char *token)
{
    if (!o->token.access || strcmp(o->token.access, token) != 0)
        return;
    count(o, PL_TOKEN_REFUSED);
    pl_token_answer_release(&o->token); /* the refresh token may still be valid */
}

/* ---- renewing ---- */

static void done(struct pl_token *o, const struct pl_err *err)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    int64_t again_ms =
        now_ms + (o->retry_after_ms > RENEW_AGAIN_MS ? o->retry_after_ms : RENEW_AGAIN_MS);
    pl_buf_wipe(&o->body);
    pl_buf_init(&o->body, PL_TOKEN_ANSWER_MAX);
    if (err)
        count(o, PL_TOKEN_FAILED);
    if (err && o->token.access && now_ms < o->ends_ms) {
        pl_log(PL_WARNING, NULL, "the token could not be renewed, the old one is still good",
               PL_F_STR("ERROR", err->msg), PL_F_INT("LEFT_MS", o->ends_ms - now_ms));
        o->renew_ms = again_ms < o->ends_ms ? again_ms : o->ends_ms;
        err = NULL;
    }
    waiters_answer(o, err);
}

static void answer_take(struct pl_token *o, long status)
{
    PL_CLEANUP(pl_token_answer_release) struct pl_token_answer fresh = {0};
    const struct pl_token_reply reply = {status, o->body.data ? o->body.data : "", o->body.len,
                                         o->by_refresh ? o->refresh : NULL};
    struct pl_err err;
    bool denied;
    if (pl_token_reply_read(o->conf, &reply, &fresh, &denied, &err) == 0) {
        denied_over(o);
        keep(o, &fresh);
        count(o, o->by_refresh ? PL_TOKEN_REFRESHED : PL_TOKEN_GRANTED);
        pl_log(PL_DEBUG, NULL, "token received",
               PL_F_STR("WAY", o->by_refresh ? "refresh token" : "grant"),
               PL_F_INT("LIFE_MS", o->token.life_ms));
        done(o, NULL);
        return;
    }
    if (o->by_refresh && err.kind != PL_ERR_RETRY) {
        pl_log(PL_DEBUG, NULL, "the refresh token is refused, asking by the grant",
               PL_F_STR("ERROR", err.msg));
        refresh_drop(o);
        renew(o);
        return;
    }
    if (denied)
        denied_note(o, &err);
    done(o, &err);
}

static bool on_data(void *userdata, struct pl_http_request *r, const char *data, size_t len)
{
    struct pl_token *o = userdata;
    (void)r;
    return pl_buf_add(&o->body, data, len);
}

static void on_done(void *userdata, struct pl_http_request *r, const struct pl_err *failed)
{
    struct pl_token *o = userdata;
    long status = 0;
    o->request = NULL;
    curl_easy_getinfo(pl_http_request_easy(r), CURLINFO_RESPONSE_CODE, &status);
    o->retry_after_ms =
        pl_http_retry_after_ms(pl_http_request_header(r, "Retry-After"), pl_clock_realtime_ms());
    if (o->stale) { /* the secrets have changed since */
        renew(o);
    } else if (!failed) {
        answer_take(o, status);
    } else {
        struct pl_err err = *failed;
        if (err.kind == PL_ERR_REJECT)
            pl_err_set(&err, PL_ERR_CONFIG, 200,
                       "the token endpoint's answer is larger than %d bytes: check %s",
                       PL_TOKEN_ANSWER_MAX, pl_auth_url_options(o->conf));
        pl_err_prefix(&err, "no token");
        done(o, &err);
    }
}

static const struct pl_http_ops http_ops = {.on_data = on_data, .on_done = on_done};

static int request_start(struct pl_token *o, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf form = {0};
    PL_CLEANUP(pl_buf_wipe) struct pl_buf basic = {0};
    const struct pl_http_conf http_conf = {
        .user_agent = o->owner.user_agent,
        .tls = o->conf->tls,
        .connect_timeout_ms =
            o->conf->timeout_ms < CONNECT_TIMEOUT_MS ? o->conf->timeout_ms : CONNECT_TIMEOUT_MS,
        .total_timeout_ms = o->conf->timeout_ms,
    };
    pl_token_form(o->conf, o->by_refresh ? o->refresh : NULL, &form);
    pl_token_basic(o->conf, &basic);
    const char *headers[] = {"Accept: application/json",
                             "Content-Type: application/x-www-form-urlencoded",
                             basic.len > 0 ? pl_buf_cstr(&basic) : NULL, NULL};
    return pl_http_request_new(o->http, &http_conf, o->url, headers, form.data, form.len, &http_ops,
                               o, &o->request, err);
}

static void renew(struct pl_token *o)
{
    pl_buf_reset(&o->body);
    /* So that it seldom moves, leaving tokens in freed memory. */
    pl_buf_reserve(&o->body, PL_TOKEN_ANSWER_MAX / 4);
    o->stale = false;
    o->retry_after_ms = -1;
    o->asked_ms = pl_clock_monotonic_ms();
    if (o->refresh && o->asked_ms >= o->refresh_ends_ms)
        refresh_drop(o);
    o->by_refresh = o->refresh != NULL;
    struct pl_err err;
    if (request_start(o, &err) < 0) { /* out of memory: the policy of alloc.h */
        pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot ask for a token", &err);
        abort();
    }
}

const char *pl_token_get(struct pl_token *o, struct pl_token_waiter *w, pl_token_fn *fn,
                         void *userdata)
{
    assert(!w->waiting);
    int64_t now_ms = pl_clock_monotonic_ms();
    if (o->token.access && now_ms < (held_ms(o) > 0 ? o->ends_ms : o->renew_ms))
        return o->token.access;
    *w = (struct pl_token_waiter){
        .fn = fn, .userdata = userdata, .round = o->round, .waiting = true};
    TAILQ_INSERT_TAIL(&o->waiters, w, list);
    if (!o->request && held_ms(o) > 0)
        sd_event_source_set_enabled(o->soon, SD_EVENT_ONESHOT);
    else if (!o->request)
        renew(o);
    return NULL;
}

int64_t pl_token_retry_after_ms(const struct pl_token *o)
{
    int64_t hold_ms = held_ms(o);
    return hold_ms > 0 && hold_ms > o->retry_after_ms ? hold_ms : o->retry_after_ms;
}

bool pl_token_info(const struct pl_token *o, struct pl_token_info *ret)
{
    if (!o->token.access)
        return false;
    *ret = (struct pl_token_info){
        .access = o->token.access,
        .left_ms = o->ends_ms - pl_clock_monotonic_ms(),
        .has_refresh = o->refresh != NULL,
        .refresh_life_ms = o->token.refresh_life_ms,
    };
    return true;
}

/* ---- construction ---- */

struct pl_token *pl_token_new(struct pl_http *http, const struct pl_auth_conf *conf,
                              const struct pl_auth_owner *owner)
{
    struct pl_token *o = pl_alloc(sizeof(*o));
    o->http = http;
    o->conf = conf;
    o->owner = *owner;
    o->url = pl_auth_token_url(conf);
    TAILQ_INIT(&o->waiters);
    o->retry_after_ms = -1;
    pl_buf_init(&o->body, PL_TOKEN_ANSWER_MAX);
    if (sd_event_add_defer(pl_http_event(http), &o->soon, on_soon, o) < 0)
        abort(); /* without memory: the policy of alloc.h */
    sd_event_source_set_enabled(o->soon, SD_EVENT_OFF);
    return o;
}

void pl_token_free(struct pl_token *o)
{
    if (!o)
        return;
    if (o->request)
        pl_http_request_cancel(o->request);
    sd_event_source_disable_unref(o->soon);
    pl_token_answer_release(&o->token);
    refresh_drop(o);
    pl_buf_wipe(&o->body);
    free(o->url);
    free(o);
}

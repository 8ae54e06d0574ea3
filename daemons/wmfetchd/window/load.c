/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - see load.h, which has the states.
 *
 * Fetch and delivery each end once; an error of one ends the other, and the window is over when
 * both are.
 */
#include "daemons/wmfetchd/window/load.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemons/wmfetchd/metrics.h"
#include "lib/base/clock.h"
#include "lib/base/step.h"
#include "lib/base/time_text.h"
#include "lib/http/request.h"
#include "lib/json/split.h"
#include "lib/kafka/errors.h"
#include "lib/log/log.h"

/* Date counts whole seconds, and clocks differ a little. */
#define CLOCK_SLACK_MS 2000

enum load_state { IDLE, FETCHING, COMMITTING, ABORTING };

struct load {
    struct fetch *fetch;
    struct delivery *delivery;
    const struct load_ops *ops;
    void *userdata;
    enum load_state state;
    struct load_window window;
    bool claim;  /* in place of a position */
    bool undone; /* by Kafka: its error is reported */
    struct load_result result;
    struct pl_buf fault; /* result.fetch.fault */
    char begin[PL_SPLIT_BEGIN_MAX];
    struct pl_err err;
};

static void done(struct load *l, const struct pl_err *err)
{
    struct pl_err copy = err ? *err : (struct pl_err){0};
    l->state = IDLE;
    l->undone = l->claim = false;
    l->ops->on_done(l->userdata, &l->result, err ? &copy : NULL);
}

static void abort_with(struct load *l, const struct pl_err *err)
{
    l->err = *err;
    if (pl_delivery_is_idle(load_kafka(l))) {
        done(l, &l->err);
        return;
    }
    l->state = ABORTING;
    pl_delivery_abort(load_kafka(l), err);
}

static void commit(struct load *l)
{
    l->state = COMMITTING;
    pl_delivery_commit(load_kafka(l), l->window.key);
}

/* ---- fetch ---- */

static void fault_keep(struct load *l, struct pl_slice fault)
{
    pl_buf_reset(&l->fault);
    pl_buf_add(&l->fault, fault.p, fault.len < PL_SPLIT_FAULT_MAX ? fault.len : PL_SPLIT_FAULT_MAX);
}

static enum fetch_take on_element(void *userdata, struct pl_slice element, struct pl_err *err)
{
    struct load *l = userdata;
    switch (delivery_send(l->delivery, element, err)) {
    case PL_SEND_OK:
        PL_STEP("wmfetchd.taken");
        return FETCH_TAKEN;
    case PL_SEND_FULL:
        return FETCH_LATER;
    case PL_SEND_ERROR:
        if (delivery_is_too_large(l->delivery))
            fault_keep(l, element);
        l->undone = !pl_delivery_can_take(load_kafka(l));
        return FETCH_REFUSED;
    }
    return FETCH_REFUSED;
}

static int on_bytes(void *userdata, const char *data, size_t len, struct pl_err *err)
{
    struct load *l = userdata;
    return l->ops->on_bytes ? l->ops->on_bytes(l->userdata, data, len, err) : 0;
}

/* Where our clock is ahead of the API's, a window may not be over although we think so. */
static bool window_is_over(const struct load *l, struct pl_err *err)
{
    int64_t server_ms = l->result.fetch.heard.date_ms;
    if (l->window.due_ms == 0 || server_ms == 0 || server_ms + CLOCK_SLACK_MS >= l->window.due_ms)
        return true;
    char server[32], due[32];
    pl_time_format_ms(server_ms, server);
    pl_time_format_ms(l->window.due_ms, due);
    pl_err_set(err, PL_ERR_RETRY, 0,
               "by the API's clock it is %s, and the window is due at %s: is our clock ahead?",
               server, due);
    return false;
}

static void on_fetched(void *userdata, const struct fetch_result *result, const struct pl_err *err)
{
    struct load *l = userdata;
    l->result.fetch = *result;
    if (result->fault.len > 0)
        fault_keep(l, result->fault);
    l->result.fetch.fault = (struct pl_slice){l->fault.data, l->fault.len};
    snprintf(l->begin, sizeof(l->begin), "%s", result->begin);
    l->result.fetch.begin = l->begin;
    struct pl_err early;
    PL_STEP("wmfetchd.answered");
    if (err || !window_is_over(l, &early))
        abort_with(l, err ? err : &early);
    else
        commit(l);
}

static const struct fetch_ops fetch_ops = {on_element, on_bytes, on_fetched};

/* ---- delivery ---- */

/* The record's header says who wrote it (lib/batch/delivery.c). */
static void claim_encode(int64_t now_ms, struct pl_buf *out)
{
    char at[32];
    pl_time_format_ms(now_ms, at);
    pl_buf_addf(out, "{\"version\":1,\"at\":\"%s\"}", at);
}

static void encode_position(void *userdata, struct pl_buf *out)
{
    struct load *l = userdata;
    if (l->claim)
        claim_encode(pl_clock_realtime_ms(), out);
    else
        schedule_position_encode(&l->window.position, pl_clock_realtime_ms(), out);
}

static void on_room(void *userdata)
{
    struct load *l = userdata;
    if (l->state == FETCHING)
        fetch_resume(l->fetch);
}

static void on_delivery_done(void *userdata, const struct pl_delivery_sums *sums,
                             const struct pl_err *why)
{
    struct load *l = userdata;
    struct pl_err copy = why ? *why : (struct pl_err){0};
    const struct pl_err *err = why ? &copy : NULL;
    if (pl_kafka_err_kind(copy.code) == PL_ERR_REJECT)
        copy.code = 0; /* our message is at fault: as for our limits (fetch.h) */
    l->result.sums = *sums;
    l->result.by_kafka = err && (l->state != ABORTING || l->undone);
    switch (l->state) {
    case FETCHING: /* a message has failed */
        fetch_stop(l->fetch);
        done(l, err);
        return;
    case ABORTING:
        if (l->undone && err)
            l->result.fetch.fault = (struct pl_slice){0};
        done(l, l->undone && err ? err : &l->err);
        return;
    case COMMITTING:
        done(l, err);
        return;
    case IDLE:
        assert(false);
    }
}

static void on_failed(void *userdata, const struct pl_err *err)
{
    struct load *l = userdata;
    fetch_stop(l->fetch);
    l->state = IDLE;
    l->ops->on_failed(l->userdata, err);
}

static const struct pl_delivery_ops delivery_ops = {
    .encode_position = encode_position,
    .on_room = on_room,
    .on_done = on_delivery_done,
    .on_failed = on_failed,
};

/* ---- the public face ---- */

void load_start(struct load *l, const struct load_window *window)
{
    char header[320];
    assert(l->state == IDLE);
    l->window = *window;
    l->result = (struct load_result){0};
    l->state = FETCHING;
    pl_buf_reset(&l->fault);
    snprintf(header, sizeof(header), "%s/%s/%" PRId64 "/%" PRId64, window->ask.application,
             window->ask.index, window->ask.from_ms, window->ask.end_ms);
    delivery_begin(l->delivery, header);
    fetch_start(l->fetch, &window->ask);
    PL_STEP("wmfetchd.asked");
}

void load_position(struct load *l, const char *key, const struct schedule_position *position)
{
    assert(l->state == IDLE);
    l->window = (struct load_window){.key = key, .position = *position};
    l->result = (struct load_result){0};
    commit(l);
}

void load_pass(struct load *l, const struct pl_err *why)
{
    const struct pl_err reason = *why; /* may point into *l */
    const struct delivery_letter letter = {
        .key = l->window.key,
        .reason = reason.msg,
        .begin = l->begin,
        .fault = {l->fault.data, l->fault.len},
    };
    assert(l->state == IDLE && l->fault.len > 0);
    /* The next windows' overlap must not reach into it. */
    l->window.position.start_ms = l->window.position.end_ms;
    l->result = (struct load_result){.fetch.retry_after_ms = -1};
    struct pl_err err;
    if (delivery_letter_send(l->delivery, &letter, &err) < 0)
        abort_with(l, &err);
    else
        commit(l);
}

void load_claim(struct load *l, const char *key)
{
    assert(l->state == IDLE);
    l->window = (struct load_window){.key = key};
    l->result = (struct load_result){0};
    l->claim = true;
    commit(l);
}

bool load_stop(struct load *l)
{
    if (l->state != FETCHING)
        return l->state == IDLE;
    fetch_stop(l->fetch);
    l->state = IDLE;
    if (pl_delivery_is_idle(load_kafka(l)))
        return true;
    struct pl_err err;
    pl_err_set(&err, PL_ERR_RETRY, 0, "stopped");
    abort_with(l, &err);
    return false;
}

bool load_is_idle(const struct load *l)
{
    return l->state == IDLE;
}

struct delivery *load_delivery(const struct load *l)
{
    return l->delivery;
}

struct pl_delivery *load_kafka(const struct load *l)
{
    return delivery_kafka(l->delivery);
}

const struct fetch *load_fetch(const struct load *l)
{
    return l->fetch;
}

int load_env_init(struct load_env *env, struct pl_daemon *d, const struct wmfetchd_conf *conf,
                  struct pl_metrics *metrics, struct pl_err *err)
{
    const struct pl_auth_owner owner = wmfetchd_auth_owner(metrics);
    *env = (struct load_env){.kafka = {.daemon = d, .conf = conf, .metrics = metrics}};
    if (pl_http_new(pl_daemon_event(d), &env->http, err) < 0)
        return -1;
    env->auth = pl_auth_new(env->http, &conf->auth, &owner);
    return 0;
}

void load_env_release(struct load_env *env)
{
    pl_auth_free(env->auth);
    pl_http_free(env->http);
    *env = (struct load_env){0};
}

int load_new(struct load_env *env, int slot, const struct load_ops *ops, void *userdata,
             struct load **ret, struct pl_err *err)
{
    PL_CLEANUP(load_freep) struct load *l = pl_alloc(sizeof(*l));
    const struct wmfetchd_api_conf *api = &env->kafka.conf->api;
    l->ops = ops;
    l->userdata = userdata;
    l->fetch = fetch_new(env->http, api, env->auth, env->kafka.metrics, &fetch_ops, l);
    if (delivery_new(&env->kafka, slot, &delivery_ops, l, &l->delivery, err) < 0)
        return -1;
    fetch_limit(l->fetch, delivery_open_ms_max(l->delivery));
    *ret = PL_TAKE(l);
    return 0;
}

void load_free(struct load *l)
{
    if (!l)
        return;
    fetch_free(l->fetch);
    delivery_free(l->delivery);
    pl_buf_release(&l->fault);
    free(l);
}

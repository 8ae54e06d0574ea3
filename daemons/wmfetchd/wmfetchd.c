/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wmfetchd.c - see wmfetchd.h.
 *
 * Whenever something ends (a window, a wait, the start), next() begins what is due in the free
 * slots and sets the timer for what will be. Nothing else begins anything.
 */
#include "daemons/wmfetchd/internal.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/auth/auth.h"
#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "lib/batch/worked.h"
#include "lib/log/log.h"
#include "lib/service/skew.h"

enum {
    WAIT_BASE_MS = 1000,
    WAIT_MAX_MS = 300000,
    RECHECK_MS = 30000, /* the clock may have been set meanwhile */
};

/* ---- what is next ---- */

struct schedule wmfetchd_schedule(const struct wmfetchd *w)
{
    return (struct schedule){w->conf->window.size_ms, w->conf->window.delay_ms,
                             w->conf->window.overlap_ms};
}

int64_t wmfetchd_api_now_ms(const struct wmfetchd *w)
{
    return pl_peer_clock_now(&w->clock, pl_clock_realtime_ms(), pl_clock_boot_ms());
}

static void series_begin(struct wmfetchd *w, struct slot *slot, struct series *s)
{
    struct schedule schedule = wmfetchd_schedule(w);
    int64_t start_ms = -1, now_ms = wmfetchd_api_now_ms(w);
    const char *why;
    struct pl_err err;
    if (!w->clock.known && !w->looked && look_is_needed(w->conf->window.start)) {
        w->looking = slot;
        if (look_start(&w->look, w->env.http, &w->conf->api, fetch_address(load_fetch(slot->load)),
                       &err) < 0)
            pl_daemon_stop(w->daemon, &err);
        return;
    }
    if (w->conf->window.start)
        pl_moment_parse(w->conf->window.start, now_ms, &start_ms, &why);
    start_ms = schedule_start(&schedule, start_ms, now_ms);
    start_ms -=
        start_ms % wmfetchd_time_unit_ms(w->conf); /* "now" and "-12d" may have a fraction */
    /* Committed before anything is fetched: after a crash it must not begin at a later "now". */
    s->position = (struct schedule_position){start_ms, start_ms};
    load_position(slot->load, s->key, &s->position);
}

static void window_begin(struct wmfetchd *w, struct slot *slot, struct series *s)
{
    struct schedule schedule = wmfetchd_schedule(w);
    struct schedule_position position = s->position;
    if (s->giveup.narrow)
        position.start_ms = position.end_ms;
    schedule_next(&schedule, &position, wmfetchd_api_now_ms(w), &slot->window);
    slot->position = (struct schedule_position){position.start_ms, slot->window.end_ms};
    const struct load_window window = {
        .ask = {s->application, s->index, slot->window.from_ms, slot->window.end_ms},
        .key = s->key,
        .position = slot->position,
        .due_ms = slot->window.end_ms + schedule.delay_ms,
    };
    pl_log(PL_DEBUG, NULL, "fetching a window", PL_F_STR("APPLICATION", s->application),
           PL_F_STR("INDEX", s->index), PL_F_INT("FROM", window.ask.from_ms),
           PL_F_INT("END", window.ask.end_ms));
    load_start(slot->load, &window);
}

struct moment {
    const struct wmfetchd *w;
    struct schedule schedule;
    int64_t now_ms, mono_ms;
};

static int64_t series_wait_ms(const void *userdata, size_t i)
{
    const struct moment *m = userdata;
    const struct series *s = &m->w->series[i];
    struct schedule_window window;
    if (!s->known && m->w->looking)
        return INT64_MAX; /* the API's time is being asked for */
    int64_t due_ms = s->known ? schedule_next(&m->schedule, &s->position, m->now_ms, &window) : 0;
    int64_t held_ms = s->not_before_ms - m->mono_ms;
    return due_ms > held_ms ? due_ms : held_ms;
}

int64_t wmfetchd_next(const struct wmfetchd *w, struct turns_next *ret)
{
    const struct moment m = {w, wmfetchd_schedule(w), wmfetchd_api_now_ms(w),
                             pl_clock_monotonic_ms()};
    int64_t held_ms = w->not_before_ms - m.mono_ms;
    return held_ms > 0 ? held_ms : turns_next(&w->turns, series_wait_ms, &m, ret);
}

static void slot_begin(struct wmfetchd *w, const struct turns_next *next)
{
    struct slot *slot = &w->slots[next->slot];
    struct series *s = &w->series[next->i];
    turns_begin(&w->turns, next);
    slot->series = s;
    slot->begun_ms = pl_clock_monotonic_ms();
    if (s->known)
        window_begin(w, slot, s);
    else
        series_begin(w, slot, s);
}

/* A series has left its slot. */
static void slot_end(struct wmfetchd *w, struct slot *slot, bool failed)
{
    struct series *s = PL_TAKE(slot->series);
    w->turns.v[s - w->series].fresh = !s->known;
    turns_end(&w->turns, (unsigned)(slot - w->slots), failed);
}

/* Begins what may begin, the claim first; returns the ms until something else may. */
static int64_t begin_all(struct wmfetchd *w)
{
    int64_t held_ms = w->not_before_ms - pl_clock_monotonic_ms();
    if (!w->claimed && held_ms <= 0 && !w->slots[0].series && load_is_idle(w->slots[0].load))
        load_claim(w->slots[0].load, w->claim_key);
    if (!w->claimed)
        return held_ms > 0 ? held_ms : INT64_MAX;
    struct turns_next next;
    int64_t wait_ms = 0;
    while (!pl_daemon_stopping(w->daemon) && (wait_ms = wmfetchd_next(w, &next)) == 0)
        slot_begin(w, &next);
    return wait_ms;
}

static void next(struct wmfetchd *w)
{
    w->idle_due_ms = 0;
    if (!w->ready || pl_daemon_stopping(w->daemon))
        return;
    int64_t wait_ms = begin_all(w);
    if (pl_daemon_stopping(w->daemon))
        return;
    if (wait_ms > RECHECK_MS)
        wait_ms = RECHECK_MS;
    sd_event_source_set_time_relative(w->timer, (uint64_t)wait_ms * 1000);
    sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

static void begin(struct wmfetchd *w)
{
    if (!w->ready)
        pl_service_ready(w->service);
    w->ready = true;
    next(w);
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
    (void)timer;
    (void)usec;
    begin(userdata);
    return 0;
}

/* ---- how it ended ---- */

/* The position is now after the window. */
static void window_over(struct wmfetchd *w, const struct slot *slot)
{
    struct series *s = slot->series;
    s->failing = s->refused = false;
    s->giveup = (struct giveup){0};
    s->position = slot->position;
    w->last_ms = pl_clock_monotonic_ms();
    if (pl_refusal_over(&s->refusal) | pl_refusal_over(&w->refusal))
        pl_log(PL_NOTICE, PL_EVENT_REFUSED, "no longer refused",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index));
}

static void passed(struct wmfetchd *w, struct slot *slot)
{
    struct series *s = slot->series;
    char from[32], end[32];
    slot->position.start_ms = slot->position.end_ms;
    window_over(w, slot);
    past_add(&s->past, &(struct past_window){.end_ms = slot->window.end_ms, .passed = true});
    pl_backoff_reset(&s->backoff);
    s->not_before_ms = 0;
    pl_metrics_inc(w->metrics, M_WINDOWS_PASSED, 1);
    pl_time_format_ms(slot->window.from_ms, from);
    pl_time_format_ms(slot->window.end_ms, end);
    pl_log(PL_ERROR, PL_EVENT_WINDOW_PASSED, "window passed, its data is a dead letter",
           PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
           PL_F_STR("FROM", from), PL_F_STR("END", end),
           PL_F_STR("TOPIC", w->conf->dead_letter_topic));
}

static void committed(struct wmfetchd *w, const struct slot *slot, const struct load_result *result)
{
    struct series *s = slot->series;
    pl_backoff_reset(&s->backoff);
    pl_backoff_reset(&w->backoff);
    w->kafka_worked = PL_WORKED;
    s->not_before_ms = 0;
    char from[32], end[32];
    if (!s->known) {
        s->known = true;
        pl_time_format_ms(s->position.end_ms, end);
        pl_log(PL_NOTICE, NULL, "no position yet, beginning",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
               PL_F_STR("START", end));
        return;
    }
    if (s->failing)
        pl_log(PL_NOTICE, PL_EVENT_SOURCE_CONNECTED, "fetching works again",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
               PL_F_INT("SECONDS", (pl_clock_monotonic_ms() - s->failing_ms) / 1000));
    window_over(w, slot);
    w->worked = PL_WORKED;
    w->windows++;
    w->last_records = result->sums.records;
    pl_metrics_inc(w->metrics, M_WINDOWS_COMMITTED, 1);
    status_records_note(w, s, result->sums.records);
    past_add(&s->past,
             &(struct past_window){.end_ms = slot->window.end_ms, .records = result->sums.records});
    pl_time_format_ms(slot->window.from_ms, from);
    pl_time_format_ms(slot->window.end_ms, end);
    pl_log(PL_INFO, PL_EVENT_TXN_COMMITTED, "window committed",
           PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
           PL_F_STR("FROM", from), PL_F_STR("END", end), PL_F_STR("TOPIC", w->conf->topic),
           PL_F_UINT("MESSAGES", result->sums.messages), PL_F_UINT("RECORDS", result->sums.records),
           PL_F_UINT("BYTES", result->sums.bytes),
           PL_F_INT("DURATION_MS", result->fetch.duration_ms + result->sums.commit_ms));
}

/* Begins to pass the window that failed, if it is to be; whether it did. */
static bool gives_up(struct wmfetchd *w, struct slot *slot, const struct load_result *result,
                     const struct pl_err *err)
{
    struct series *s = slot->series;
    const struct giveup_limits limits = {w->conf->window.give_up_after,
                                         w->conf->window.give_up_time_ms};
    const struct giveup_try failed = {
        .now_ms = pl_clock_monotonic_ms(),
        .by_data = result->fetch.fault.len > 0,
        .overlap = slot->window.from_ms < s->position.end_ms,
    };
    switch (giveup_failed(&s->giveup, &limits, &failed)) {
    case GIVEUP_AGAIN:
        return false;
    case GIVEUP_NARROW:
        pl_log(PL_WARNING, NULL, "window unreadable, trying it without its overlap",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index));
        return false;
    case GIVEUP_PASS:
        break;
    }
    slot->passing = true;
    load_pass(slot->load, err);
    return true;
}

static void claim_done(struct wmfetchd *w, const struct load_result *result,
                       const struct pl_err *err)
{
    w->claimed = !err;
    if (!err && w->lost.kind != PL_ERR_NONE)
        pl_daemon_stop(w->daemon, &w->lost);
    else if (!err)
        w->kafka_worked = PL_WORKED;
    else if (!pl_daemon_stopping(w->daemon))
        failure_of_claim(w, result, err);
}

static bool all_idle(const struct wmfetchd *w)
{
    bool idle = true;
    for (unsigned k = 0; k < w->turns.slots_n; k++)
        idle &= load_is_idle(w->slots[k].load);
    return idle;
}

static void on_done(void *userdata, const struct load_result *result, const struct pl_err *err)
{
    struct slot *slot = userdata;
    struct wmfetchd *w = slot->w;
    pl_peer_clock_hear(&w->clock, &result->fetch.heard);
    struct pl_err copy = err ? *err : (struct pl_err){0};
    if (result->fetch.fault.len > 0 && w->conf->window.give_up_after > 0)
        copy.kind = PL_ERR_REJECT; /* even if it is our limit: the window can be passed */
    err = err ? &copy : NULL;
    bool was_passing = slot->passing;
    slot->passing = false;
    if (!slot->series)
        claim_done(w, result, err);
    else if (!err && was_passing)
        passed(w, slot);
    else if (!err)
        committed(w, slot, result);
    else if (!pl_daemon_stopping(w->daemon) && slot->series->known &&
             gives_up(w, slot, result, err))
        return;
    else if (!pl_daemon_stopping(w->daemon))
        failure_of_window(w, slot->series, result, err);
    if (slot->series)
        slot_end(w, slot, err != NULL);
    if (!pl_daemon_stopping(w->daemon))
        next(w);
    else if (all_idle(w))
        pl_daemon_finish(w->daemon);
}

/* Whoever takes over has taken slot 0 first. If that is still ours (claim_done()), an instance that
 * began with us has lost slot 0 to us, but took this one after us before it noticed; or Kafka has
 * undone the transaction by a clock that was set forward. Then a restart gives us all of them. */
static void slot_lost(struct wmfetchd *w, const struct pl_err *why)
{
    w->claimed = false;
    w->not_before_ms = 0; /* what the API asks for does not matter any more */
    pl_err_set(
        &w->lost, PL_ERR_FATAL, why->code,
        "fenced by nobody that is still there, for the first transactional.id is still ours: "
        "start again (%s)",
        why->msg);
    next(w);
}

static void on_failed(void *userdata, const struct pl_err *why)
{
    struct slot *slot = userdata;
    struct wmfetchd *w = slot->w;
    bool stopping = pl_daemon_stopping(w->daemon);
    struct pl_err copy = *why, *err = &copy;
    if (!stopping && err->kind == PL_ERR_FENCED && slot != w->slots) {
        slot_lost(w, err);
        return;
    }
    pl_end_of_last(err, w->kafka_worked); /* a producer that is dead needs a new process */
    pl_daemon_stop(w->daemon, err);
    if (stopping && all_idle(w))
        pl_daemon_finish(w->daemon); /* on_stop() waits for nothing more */
}

static void on_looked(void *userdata, const struct pl_peer_answer *heard, const struct pl_err *err)
{
    struct wmfetchd *w = userdata;
    struct slot *slot = PL_TAKE(w->looking);
    if (heard) {
        w->looked = true; /* without a Date our clock must do */
        pl_peer_clock_hear(&w->clock, heard);
    } else {
        failure_of_window(w, slot->series, &(struct load_result){.fetch.retry_after_ms = -1}, err);
    }
    slot_end(w, slot, err != NULL);
    next(w);
}

static const struct load_ops load_ops = {.on_done = on_done, .on_failed = on_failed};

/* ---- the first token ---- */

/* Ready after Keycloak's first answer: a refusal that a person must fix shows at the first start; a
 * Keycloak that is away is everyday work. */
static void on_auth(void *userdata, const char *header, const struct pl_err *err)
{
    struct wmfetchd *w = userdata;
    (void)header;
    if (err)
        failure_of_token(w, err);
    if (!pl_daemon_stopping(w->daemon))
        begin(w);
}

/* ---- the daemon's calls ---- */

static void on_stop(void *userdata)
{
    struct wmfetchd *w = userdata;
    pl_metrics_set_ready(w->metrics, "stopping");
    sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
    pl_auth_cancel(w->env.auth, &w->waiter);
    look_stop(&w->look);
    for (unsigned k = 0; k < w->turns.slots_n; k++)
        load_stop(w->slots[k].load);
    if (all_idle(w))
        pl_daemon_finish(w->daemon);
}

static void on_stop_deadline(void *userdata)
{
    struct wmfetchd *w = userdata;
    pl_log(PL_WARNING, NULL, "windows are not committed in time, they are fetched again",
           PL_F_UINT("COUNT", status_in_flight(w)));
}

static void on_reload(void *userdata)
{
    struct wmfetchd *w = userdata;
    PL_CLEANUP(pl_strings_release) struct pl_strings changed = {0};
    if (!pl_service_reload(w->service, &changed))
        return;
    bool secrets = false;
    for (size_t i = 0; i < changed.n; i++)
        secrets |= strncmp(changed.v[i], "auth.", 5) == 0;
    if (secrets)
        pl_auth_forget(w->env.auth);
    w->not_before_ms = 0; /* a person says: try now */
    for (size_t i = 0; i < w->turns.n; i++)
        w->series[i].not_before_ms = 0;
    next(w);
}

static void on_tick(void *userdata)
{
    struct wmfetchd *w = userdata;
    pl_service_tick(w->service, status_in_flight(w));
    pl_series_look(&w->hour, pl_clock_monotonic_ms(), pl_metrics_get(w->metrics, M_RECORDS));
    pl_metrics_set(w->metrics, M_REFUSED_SECONDS, (double)status_refused_seconds(w));
    pl_skew_show(&w->clock, w->metrics, M_CLOCK_SKEW);
    if (w->ready && !pl_daemon_stopping(w->daemon))
        status_show(w);
}

static bool on_watchdog(void *userdata)
{
    const char *why = status_stuck(userdata);
    if (why)
        pl_log(PL_ERROR, PL_EVENT_STUCK, "no progress, and no reason for it is known",
               PL_F_STR("REASON", why));
    return !why;
}

static const struct pl_daemon_ops daemon_ops = {
    .on_stop = on_stop,
    .on_stop_deadline = on_stop_deadline,
    .on_reload = on_reload,
    .on_watchdog = on_watchdog,
    .on_tick = on_tick,
};

/* ---- service mode ---- */

static void release(struct wmfetchd *w)
{
    look_stop(&w->look);
    for (unsigned k = 0; k < w->turns.slots_n; k++)
        load_free(w->slots[k].load);
    load_env_release(&w->env);
    sd_event_source_disable_unref(w->timer);
    for (size_t i = 0; i < w->turns.n; i++)
        free(w->series[i].key);
    free(w->series);
    free(w->turns.v);
    free(w->claim_key);
}

static unsigned lag_metric_add(struct wmfetchd *w, const struct series *s)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf labels = {0};
    pl_metrics_label(&labels, "application", s->application);
    pl_metrics_label(&labels, "index", s->index);
    const struct pl_metric lag = {"wmfetchd_lag_seconds", pl_buf_cstr(&labels), PL_GAUGE,
                                  "Now less the end of the last window committed."};
    return pl_metrics_add(w->metrics, &lag);
}

static int positions_read(struct wmfetchd *w, struct pl_err *err)
{
    PL_FREE struct delivery_position *positions = pl_alloc_array(w->turns.n, sizeof(*positions));
    for (size_t i = 0; i < w->turns.n; i++)
        positions[i].key = w->series[i].key;
    if (delivery_positions_read(load_delivery(w->slots[0].load), positions, w->turns.n, err) < 0)
        return -1;
    for (size_t i = 0; i < w->turns.n; i++) {
        struct series *s = &w->series[i];
        s->known = positions[i].there;
        w->turns.v[i] = (struct turn){.group = i / w->conf->api.index.n, .fresh = !s->known};
        if (!s->known)
            continue;
        s->position = positions[i].position;
        w->kafka_worked = PL_WORKED;
        if (s->position.end_ms >
            s->position.start_ms) /* else it was written before the first fetch */
            w->worked = PL_WORKED;
        char end[32];
        pl_time_format_ms(s->position.end_ms, end);
        pl_log(PL_INFO, NULL, "continuing from the position",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
               PL_F_STR("END", end));
    }
    return 0;
}

static void series_make(struct wmfetchd *w)
{
    size_t n = wmfetchd_series_count(w->conf);
    uint64_t seed = (uint64_t)pl_clock_realtime_ms();
    pl_backoff_init(&w->backoff, WAIT_BASE_MS, WAIT_MAX_MS, seed - 1);
    w->claim_key = delivery_claim_key(w->conf);
    w->series = pl_alloc_array(n, sizeof(*w->series));
    w->turns.v = pl_alloc_array(n, sizeof(*w->turns.v));
    for (size_t i = 0; i < n; i++) {
        struct series *s = &w->series[w->turns.n++];
        const struct wmfetchd_series names = wmfetchd_series(w->conf, i);
        s->application = names.application;
        s->index = names.index;
        s->key = pl_strf("%s/%s/%s", w->conf->name, s->application, s->index);
        s->lag_metric = lag_metric_add(w, s);
        pl_backoff_init(&s->backoff, WAIT_BASE_MS, WAIT_MAX_MS, seed + i);
    }
}

/* Kafka has refused the start: has this service worked before? */
static void worked_look(const struct wmfetchd *w, struct pl_err *err)
{
    PL_FREE const char **keys = pl_alloc_array(w->turns.n, sizeof(*keys));
    for (size_t i = 0; i < w->turns.n; i++)
        keys[i] = w->series[i].key;
    const struct pl_worked_ask ask = {.daemon = w->daemon,
                                      .kafka = &w->conf->kafka,
                                      .topic = w->conf->position_topic,
                                      .keys = keys,
                                      .keys_n = w->turns.n,
                                      .timeout_ms = w->conf->start_timeout_ms};
    pl_worked_end(&ask, err);
}

static int slots_start(struct wmfetchd *w, struct pl_err *err)
{
    size_t n = w->conf->api.applications.n, most = (size_t)w->conf->api.requests;
    if (load_env_init(&w->env, w->daemon, w->conf, w->metrics, err) < 0)
        return -1;
    n = n < most ? n : most;
    while (w->turns.slots_n < n) {
        struct slot *slot = &w->slots[w->turns.slots_n];
        slot->w = w;
        if (load_new(&w->env, (int)w->turns.slots_n, &load_ops, slot, &slot->load, err) < 0)
            return -1;
        w->turns.slots_n++;
    }
    return delivery_fence(&w->env.kafka, (int)w->turns.slots_n, err);
}

/* The order of steps: what can fail for a wrong configuration first, the source last. */
static int start(struct wmfetchd *w, struct pl_err *err)
{
    const struct wmfetchd_conf *conf = w->conf;
    if (pl_service_start(w->service, &daemon_ops, w, err) < 0)
        return -1;
    w->daemon = w->service->daemon;
    w->metrics = w->service->metrics;
    int r = sd_event_add_time(pl_daemon_event(w->daemon), &w->timer, CLOCK_MONOTONIC, 0, 1000,
                              on_timer, w);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot make a timer: %s", strerror(-r));
    sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
    series_make(w);
    if (slots_start(w, err) < 0 || positions_read(w, err) < 0) {
        worked_look(w, err);
        return -1;
    }
    char host[256];
    pl_auth_token_host(&conf->auth, host, sizeof(host));
    if (pl_auth_get(w->env.auth, &w->waiter, on_auth, w)) /* none is needed: begin in the loop */
        sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
    else
        pl_daemon_step(w->daemon, conf->auth.timeout_ms, "waiting for a token from %s", host);
    return 0;
}

int wmfetchd_run(struct pl_service *service)
{
    PL_CLEANUP(release) struct wmfetchd w = {.service = service, .conf = service->conf};
    w.look = (struct look){.on_done = on_looked, .userdata = &w};
    struct pl_err err;
    if (start(&w, &err) < 0)
        return pl_daemon_start_failed(service->daemon, &err);
    pl_series_look(&w.hour, pl_clock_monotonic_ms(), 0);
    pl_service_page(service, w.conf->name, page_fill, &w);
    int status = pl_daemon_run(w.daemon);
    pl_service_law_check(service, status_in_flight(&w), 1);
    pl_service_stopped(service, status, status_in_flight(&w));
    return status;
}

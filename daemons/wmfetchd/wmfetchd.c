/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wmfetchd.c - see wmfetchd.h.
 *
 * Whenever something ends (a window, a wait, the start) next() looks at all series and begins what
 * is due, or waits for what will be. Nothing else begins anything.
 */
#include "daemons/wmfetchd/wmfetchd.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemons/wmfetchd/api/look.h"
#include "daemons/wmfetchd/metrics.h"
#include "daemons/wmfetchd/window/load.h"
#include "lib/auth/auth.h"
#include "lib/base/backoff.h"
#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "lib/log/log.h"
#include "lib/service/skew.h"

enum {
    WAIT_BASE_MS = 1000,
    WAIT_MAX_MS = 300000,
    REFUSED_WAIT_MS = 60000, /* after a refusal that a person must fix: Keycloak counts failures */
    LIMIT_WAIT_MS = 3600000, /* after a limit of ours: it stays until a person raises it */
    BUSY_WAIT_MS = 10000,    /* 429 without Retry-After */
    RECHECK_MS = 30000,      /* the clock may have been set meanwhile */
    STUCK_MS = 120000,       /* due for this long and not begun: a bug, for the watchdog */
    HOUR_MS = 3600000,
};

struct series {
    const char *application, *index; /* as in struct wmfetchd_series */
    char *key;                       /* of the position: NAME/APPLICATION/INDEX */
    bool known;
    struct schedule_position position;
    struct pl_backoff backoff;
    int64_t not_before_ms; /* monotonic */
    uint64_t turn;         /* the last time that it had its turn, see wmfetchd.turns */
    bool failing, refused; /* refused: a person must fix what failed last */
    bool ahead;            /* logged that the position is in the future */
    unsigned lag_metric;
};

struct wmfetchd {
    struct pl_service *service; /* conf, daemon and metrics are its */
    const struct wmfetchd_conf *conf;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct pl_auth_waiter waiter; /* for the first token */
    struct load *load;
    sd_event_source *timer;
    struct series *series;
    size_t series_n;
    struct series *current; /* whose window is under way */
    struct schedule_window window;
    int64_t window_begun_ms;    /* monotonic */
    struct pl_backoff backoff;  /* of what delays all series */
    bool ready, worked;         /* worked: a window was committed since the start */
    struct pl_peer_clock clock; /* the API's */
    struct look look;           /* what time it is there, where no window told it yet */
    bool looked;
    int64_t idle_due_ms;   /* monotonic: since when something is due and nothing runs; 0: not */
    uint64_t last_records; /* of the window committed last */
    int64_t last_ms;       /* monotonic: when that was */
    struct pl_rate rate;   /* of the bytes of the answer under way */
    uint64_t windows, turns;
};

/* ---- what is next ---- */

static struct schedule schedule_of(const struct wmfetchd *w)
{
    return (struct schedule){w->conf->window.size_ms, w->conf->window.delay_ms,
                             w->conf->window.overlap_ms};
}

static int64_t api_now_ms(const struct wmfetchd *w)
{
    return pl_peer_clock_now(&w->clock, pl_clock_realtime_ms(), pl_clock_boot_ms());
}

static void series_begin(struct wmfetchd *w, struct series *s)
{
    struct schedule schedule = schedule_of(w);
    int64_t start_ms = -1, now_ms = api_now_ms(w);
    const char *why;
    struct pl_err err;
    if (!w->clock.known && !w->looked && look_is_needed(w->conf->window.start)) {
        w->current = s;
        if (look_start(&w->look, load_http(w->load), &w->conf->api,
                       fetch_address(load_fetch(w->load)), &err) < 0)
            pl_daemon_stop(w->daemon, &err);
        return;
    }
    if (w->conf->window.start)
        pl_moment_parse(w->conf->window.start, now_ms, &start_ms, &why);
    start_ms = schedule_start(&schedule, start_ms, now_ms);
    /* Committed before anything is fetched: after a crash it must not begin at a later "now". */
    s->position = (struct schedule_position){start_ms, start_ms};
    w->current = s;
    load_position(w->load, s->key, &s->position);
}

static void window_begin(struct wmfetchd *w, struct series *s)
{
    struct schedule schedule = schedule_of(w);
    w->current = s;
    s->turn = ++w->turns;
    w->window_begun_ms = pl_clock_monotonic_ms();
    schedule_next(&schedule, &s->position, api_now_ms(w), &w->window);
    const struct load_window window = {
        .ask = {s->application, s->index, w->window.from_ms, w->window.end_ms},
        .key = s->key,
        .position = {s->position.start_ms, w->window.end_ms},
        .due_ms = w->window.end_ms + schedule.delay_ms,
    };
    pl_log(PL_DEBUG, NULL, "fetching a window", PL_F_STR("APPLICATION", s->application),
           PL_F_STR("INDEX", s->index), PL_F_INT("FROM", window.ask.from_ms),
           PL_F_INT("END", window.ask.end_ms));
    load_start(w->load, &window);
}

/* How long until the series has something to do. */
static int64_t series_wait_ms(const struct wmfetchd *w, const struct series *s, int64_t now_ms,
                              int64_t mono_ms)
{
    struct schedule schedule = schedule_of(w);
    struct schedule_window window;
    int64_t due_ms = s->known ? schedule_next(&schedule, &s->position, now_ms, &window) : 0;
    int64_t hold_ms = s->not_before_ms - mono_ms;
    return due_ms > hold_ms ? due_ms : hold_ms > 0 ? hold_ms : 0;
}

/* In turn, so that one with much to catch up does not delay the others; first those that have no
 * position yet. */
static bool goes_before(const struct series *a, const struct series *b)
{
    return !b || (a->known == b->known ? a->turn < b->turn : !a->known);
}

static void next(struct wmfetchd *w)
{
    int64_t now_ms = api_now_ms(w), mono_ms = pl_clock_monotonic_ms(), wait_ms = RECHECK_MS;
    struct series *best = NULL;
    w->idle_due_ms = 0;
    if (!w->ready || pl_daemon_stopping(w->daemon) || !load_is_idle(w->load) || w->look.request)
        return;
    for (size_t i = 0; i < w->series_n; i++) {
        int64_t ms = series_wait_ms(w, &w->series[i], now_ms, mono_ms);
        if (ms > 0)
            wait_ms = ms < wait_ms ? ms : wait_ms;
        else if (goes_before(&w->series[i], best))
            best = &w->series[i];
    }
    if (best && !best->known) {
        series_begin(w, best);
    } else if (best) {
        window_begin(w, best);
    } else {
        sd_event_source_set_time_relative(w->timer, (uint64_t)wait_ms * 1000);
        sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
    }
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

static void committed(struct wmfetchd *w, struct series *s, const struct load_result *result)
{
    pl_backoff_reset(&s->backoff);
    pl_backoff_reset(&w->backoff);
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
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index));
    s->failing = s->refused = false;
    w->worked = true;
    w->windows++;
    w->last_records = result->sums.records;
    w->last_ms = pl_clock_monotonic_ms();
    s->position.end_ms = w->window.end_ms;
    pl_metrics_inc(w->metrics, M_WINDOWS_COMMITTED, 1);
    pl_time_format_ms(w->window.from_ms, from);
    pl_time_format_ms(w->window.end_ms, end);
    pl_log(PL_INFO, PL_EVENT_TXN_COMMITTED, "window committed",
           PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
           PL_F_STR("FROM", from), PL_F_STR("END", end), PL_F_STR("TOPIC", w->conf->topic),
           PL_F_UINT("MESSAGES", result->sums.messages), PL_F_UINT("RECORDS", result->sums.records),
           PL_F_UINT("BYTES", result->sums.bytes),
           PL_F_INT("DURATION_MS", result->fetch.duration_ms + result->sums.commit_ms));
}

/* Whether nothing can continue until a person acts: every series waits for that. A refusal of the
 * far side counts only while nothing has worked yet: then it is the configuration, later it is
 * theirs to fix. */
static bool must_end(const struct wmfetchd *w, const struct pl_err *err)
{
    bool refusal = err->code != 0;
    if (err->kind != PL_ERR_CONFIG || (refusal && w->worked))
        return pl_err_is_final(err);
    for (size_t i = 0; i < w->series_n; i++)
        if (!w->series[i].refused)
            return false;
    return true;
}

static bool asks_to_wait(const struct load_result *result, const struct pl_err *err)
{
    return err->code == 429 || (err->code == 503 && result->fetch.retry_after_ms >= 0);
}

static int64_t floor_ms(const struct load_result *result, const struct pl_err *err)
{
    if (asks_to_wait(result, err))
        return result->fetch.retry_after_ms >= 0 ? result->fetch.retry_after_ms : BUSY_WAIT_MS;
    if (err->kind != PL_ERR_CONFIG)
        return 0;
    return err->code != 0 ? REFUSED_WAIT_MS : LIMIT_WAIT_MS;
}

/* Notes a failure. What does not depend on the series delays all of them: no token (Keycloak counts
 * wrong passwords), and being asked to wait. */
static int64_t hold(struct wmfetchd *w, struct series *s, const struct load_result *result,
                    const struct pl_err *err)
{
    bool all = result->fetch.no_token || asks_to_wait(result, err);
    int64_t wait_ms = pl_backoff_next(all ? &w->backoff : &s->backoff, floor_ms(result, err));
    int64_t until_ms = pl_clock_monotonic_ms() + wait_ms;
    for (size_t i = 0; i < w->series_n; i++) {
        struct series *other = &w->series[i];
        if (other != s && !all)
            continue;
        other->refused = err->kind == PL_ERR_CONFIG;
        if (other->not_before_ms < until_ms)
            other->not_before_ms = until_ms;
    }
    return wait_ms;
}

static void failed(struct wmfetchd *w, struct series *s, const struct load_result *result,
                   const struct pl_err *err)
{
    if (s->known)
        pl_metrics_inc(w->metrics, M_WINDOWS_FAILED, 1);
    int64_t wait_ms = hold(w, s, result, err);
    if (must_end(w, err)) {
        pl_daemon_stop(w->daemon, err);
        return;
    }
    s->failing = s->known;
    if (err->kind == PL_ERR_RETRY)
        pl_log_err(PL_WARNING, PL_EVENT_SOURCE_LOST,
                   "window not fetched, nothing of it is written, it is tried again", err,
                   PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
                   PL_F_UINT("UNDONE", result->sums.messages), PL_F_INT("WAIT_MS", wait_ms));
    else
        pl_log_err(PL_ERROR, PL_EVENT_SOURCE_LOST,
                   "window refused, nothing of it is written, it is tried again", err,
                   PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
                   PL_F_UINT("UNDONE", result->sums.messages), PL_F_INT("WAIT_MS", wait_ms));
}

static void on_done(void *userdata, const struct load_result *result, const struct pl_err *err)
{
    struct wmfetchd *w = userdata;
    struct series *s = PL_TAKE(w->current);
    pl_peer_clock_hear(&w->clock, &result->fetch.heard);
    if (!err)
        committed(w, s, result);
    else if (!pl_daemon_stopping(w->daemon))
        failed(w, s, result, err);
    if (pl_daemon_stopping(w->daemon))
        pl_daemon_finish(w->daemon);
    else
        next(w);
}

static void on_failed(void *userdata, const struct pl_err *err)
{
    struct wmfetchd *w = userdata;
    bool stopping = pl_daemon_stopping(w->daemon);
    w->current = NULL;
    pl_daemon_stop(w->daemon, err);
    if (stopping)
        pl_daemon_finish(w->daemon); /* nothing that on_stop waits for will come */
}

static void on_looked(void *userdata, const struct pl_peer_answer *heard, const struct pl_err *err)
{
    struct wmfetchd *w = userdata;
    struct series *s = PL_TAKE(w->current);
    if (heard) {
        w->looked = true; /* without a Date ours must do */
        pl_peer_clock_hear(&w->clock, heard);
    } else {
        failed(w, s, &(struct load_result){.fetch.retry_after_ms = -1}, err);
    }
    next(w);
}

static const struct load_ops load_ops = {.on_done = on_done, .on_failed = on_failed};

/* ---- the first token ---- */

/* Ready after Keycloak's first answer: a refusal that a person must fix shows at the start; a
 * Keycloak that is away is everyday work. */
static void on_auth(void *userdata, const char *header, const struct pl_err *err)
{
    struct wmfetchd *w = userdata;
    (void)header;
    if (err && err->kind != PL_ERR_RETRY) {
        pl_daemon_stop(w->daemon, err);
        return;
    }
    if (err)
        pl_log_err(PL_WARNING, PL_EVENT_SOURCE_LOST, "no token yet, it is tried again", err);
    begin(w);
}

/* ---- the daemon's calls ---- */

static void on_stop(void *userdata)
{
    struct wmfetchd *w = userdata;
    pl_metrics_set_ready(w->metrics, "stopping");
    sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
    pl_auth_cancel(load_auth(w->load), &w->waiter);
    look_stop(&w->look);
    if (load_stop(w->load))
        pl_daemon_finish(w->daemon);
}

static void on_stop_deadline(void *userdata)
{
    struct wmfetchd *w = userdata;
    pl_log(PL_WARNING, NULL, "the last window is not committed, it is fetched again",
           PL_F_UINT("MESSAGES", pl_delivery_sums(load_kafka(w->load))->messages));
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
        pl_auth_forget(load_auth(w->load));
    for (size_t i = 0; i < w->series_n; i++) /* a person says: try now */
        w->series[i].not_before_ms = 0;
    next(w);
}

/* Exact between elements, where the loop looks. */
static uint64_t in_flight(const struct wmfetchd *w)
{
    return pl_delivery_sums(load_kafka(w->load))->items;
}

/* Sets the gauges and returns how many windows are due. */
static int64_t lag_measure(struct wmfetchd *w, int64_t *ret_oldest_ms)
{
    struct schedule schedule = schedule_of(w);
    int64_t now_ms = api_now_ms(w), behind = 0;
    *ret_oldest_ms = INT64_MAX;
    for (size_t i = 0; i < w->series_n; i++) {
        struct series *s = &w->series[i];
        if (!s->known)
            continue;
        behind += schedule_behind(&schedule, &s->position, now_ms);
        if (s->position.end_ms < *ret_oldest_ms)
            *ret_oldest_ms = s->position.end_ms;
        pl_metrics_set(w->metrics, s->lag_metric, (double)(now_ms - s->position.end_ms) / 1000);
        bool ahead = s->position.end_ms > now_ms + HOUR_MS;
        if (ahead && !s->ahead)
            pl_log(PL_WARNING, NULL,
                   "the position is in the future, waiting for the clock to reach it",
                   PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
                   PL_F_INT("END", s->position.end_ms));
        s->ahead = ahead;
    }
    pl_metrics_set(w->metrics, M_WINDOWS_BEHIND, (double)behind);
    return behind;
}

static void status_show(struct wmfetchd *w)
{
    char oldest[32] = "-", last[64] = "none committed yet";
    int64_t oldest_ms, behind = lag_measure(w, &oldest_ms);
    const struct series *s = w->current;
    uint64_t bytes = fetch_bytes(load_fetch(w->load));
    double rate = pl_rate_next(&w->rate, bytes, pl_clock_monotonic_ms());
    if (oldest_ms != INT64_MAX)
        pl_time_format_ms(oldest_ms, oldest);
    if (w->windows > 0)
        snprintf(last, sizeof(last), "last window %" PRIu64 " records %" PRId64 " s ago",
                 w->last_records, (pl_clock_monotonic_ms() - w->last_ms) / 1000);
    if (pl_delivery_is_stalled(load_kafka(w->load)))
        pl_service_status(w->service, "Kafka does not answer",
                          "Kafka does not answer; fetching is paused, %" PRId64
                          " windows due, all to %s, %s",
                          behind, oldest, last);
    else if (s && fetch_is_running(load_fetch(w->load)))
        pl_service_status(
            w->service, NULL,
            "fetching %.40s/%.20s, %.1f MB, %.1f MB/s; %" PRId64 " windows due, all to %s, %s",
            s->application, s->index, (double)bytes / 1e6, rate / 1e6, behind, oldest, last);
    else
        pl_service_status(w->service, NULL,
                          "waiting for the next window; %" PRId64
                          " windows due, all to %s, %" PRIu64 " done, %s",
                          behind, oldest, w->windows, last);
}

static void on_tick(void *userdata)
{
    struct wmfetchd *w = userdata;
    pl_service_tick(w->service, in_flight(w));
    pl_skew_show(&w->clock, w->metrics, M_CLOCK_SKEW);
    if (w->ready && !pl_daemon_stopping(w->daemon))
        status_show(w);
}

/* Whether something has been due for STUCK_MS and nothing is under way. */
static bool is_asleep(struct wmfetchd *w, int64_t mono_ms)
{
    int64_t now_ms = api_now_ms(w);
    bool due = false;
    for (size_t i = 0; i < w->series_n; i++)
        due |= series_wait_ms(w, &w->series[i], now_ms, mono_ms) == 0;
    if (!due || !w->ready || pl_daemon_stopping(w->daemon) || !load_is_idle(w->load) ||
        w->look.request)
        w->idle_due_ms = 0;
    else if (w->idle_due_ms == 0)
        w->idle_due_ms = mono_ms;
    return w->idle_due_ms != 0 && mono_ms - w->idle_due_ms >= STUCK_MS;
}

/* Whether a window takes longer than all its limits together: twice a token (by refreshing, by the
 * grant) and the answer (the first is a 401), then waiting for room while Kafka is away. */
static bool is_overdue(const struct wmfetchd *w, int64_t mono_ms)
{
    int64_t limit_ms = 2 * (2 * w->conf->auth.timeout_ms + w->conf->api.timeout_ms) +
                       delivery_open_ms_max(load_delivery(w->load)) + STUCK_MS;
    return fetch_is_running(load_fetch(w->load)) && mono_ms - w->window_begun_ms >= limit_ms;
}

/* But for a bug, every wait has its limit except a commit's: Kafka's absence is logged, and the
 * thread that waits for it returns in time. */
static bool on_watchdog(void *userdata)
{
    struct wmfetchd *w = userdata;
    int64_t mono_ms = pl_clock_monotonic_ms();
    const char *why = pl_delivery_is_stuck(load_kafka(w->load)) ? "librdkafka does not come back"
                      : is_asleep(w, mono_ms)  ? "a window is due, and nothing is under way"
                      : is_overdue(w, mono_ms) ? "a window is being fetched for longer than it may"
                                               : NULL;
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
    load_free(w->load);
    sd_event_source_disable_unref(w->timer);
    for (size_t i = 0; i < w->series_n; i++)
        free(w->series[i].key);
    free(w->series);
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
    PL_FREE struct delivery_position *positions = pl_alloc_array(w->series_n, sizeof(*positions));
    for (size_t i = 0; i < w->series_n; i++)
        positions[i].key = w->series[i].key;
    if (delivery_positions_read(load_delivery(w->load), positions, w->series_n, err) < 0)
        return -1;
    for (size_t i = 0; i < w->series_n; i++) {
        struct series *s = &w->series[i];
        s->known = positions[i].there;
        if (!s->known)
            continue;
        s->position = positions[i].position;
        char end[32];
        pl_time_format_ms(s->position.end_ms, end);
        pl_log(PL_INFO, NULL, "continuing from the position",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
               PL_F_STR("END", end));
    }
    return 0;
}

static int series_start(struct wmfetchd *w, struct pl_err *err)
{
    size_t n = wmfetchd_series_count(w->conf);
    uint64_t seed = (uint64_t)pl_clock_realtime_ms();
    pl_backoff_init(&w->backoff, WAIT_BASE_MS, WAIT_MAX_MS, seed - 1);
    w->series = pl_alloc_array(n, sizeof(*w->series));
    for (size_t i = 0; i < n; i++) {
        struct series *s = &w->series[w->series_n++];
        const struct wmfetchd_series names = wmfetchd_series(w->conf, i);
        s->application = names.application;
        s->index = names.index;
        s->key = pl_strf("%s/%s/%s", w->conf->name, s->application, s->index);
        s->lag_metric = lag_metric_add(w, s);
        pl_backoff_init(&s->backoff, WAIT_BASE_MS, WAIT_MAX_MS, seed + i);
    }
    return positions_read(w, err);
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
    if (load_new(w->daemon, conf, false, w->metrics, &load_ops, w, &w->load, err) < 0 ||
        series_start(w, err) < 0)
        return -1;
    char host[256];
    pl_auth_token_host(&conf->auth, host, sizeof(host));
    if (pl_auth_get(load_auth(w->load), &w->waiter, on_auth,
                    w)) /* no token is needed: begin in the loop */
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
    int status = pl_daemon_run(w.daemon);
    pl_service_law_check(service, in_flight(&w), 1);
    pl_service_stopped(service, status, in_flight(&w));
    return status;
}

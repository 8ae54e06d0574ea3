/* SPDX-License-Identifier: Apache-2.0 */
/*
 * once.c - see once.h.
 *
 * Series after series, each tried a few times where waiting may help; a person waits, so what a
 * person must fix ends it at once.
 */
#include "daemons/wmfetchd/once.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "daemons/wmfetchd/metrics.h"
#include "daemons/wmfetchd/window/load.h"
#include "lib/base/backoff.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/time_text.h"
#include "lib/log/log.h"
#include "lib/service/bar.h"
#include "lib/service/daemon.h"

enum {
    TRIES_MAX = 5,
    WAIT_BASE_MS = 1000,
    WAIT_MAX_MS = 30000,
};

struct once {
    const struct wmfetchd_conf *conf;
    const struct once_range *range;
    struct pl_daemon *daemon;
    struct pl_metrics *metrics; /* counted, not shown */
    struct load_env env;
    struct load *load;
    sd_event_source *timer;
    struct pl_backoff backoff;
    size_t at, series_n;
    struct wmfetchd_series series; /* the one under way */
    unsigned tries;
    struct pl_new_file dump;
    char *dump_path;
    struct pl_bar bar;
    uint64_t elements, messages, records, bytes; /* committed, of all series */
    bool failed, finished;
};

static void stop_with(struct once *o, const struct pl_err *err)
{
    o->failed |= err != NULL;
    pl_daemon_stop(o->daemon, err);
}

/* ---- the copy of the answer ---- */

/* The first series gets the path as given, the others NAME.APPLICATION-INDEX.json. */
static char *dump_path_make(const struct once *o)
{
    const char *path = o->range->dump;
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    if (o->at == 0)
        return pl_strdup(path);
    if (!dot || (slash && dot < slash))
        dot = path + strlen(path);
    return pl_strf("%.*s.%s-%s%s", (int)(dot - path), path, o->series.application, o->series.index,
                   dot);
}

static void dump_close(struct once *o)
{
    pl_new_file_release(&o->dump);
    free(PL_TAKE(o->dump_path));
}

static int dump_failed(const struct once *o, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, errno, "--dump: cannot write %s: %s", o->dump_path,
                      pl_new_file_error(errno));
}

/* A new file at each try. */
static int dump_open(struct once *o, struct pl_err *err)
{
    dump_close(o);
    if (!o->range->dump)
        return 0;
    o->dump_path = dump_path_make(o);
    return pl_new_file_open(&o->dump, o->dump_path) ? 0 : dump_failed(o, err);
}

static int on_bytes(void *userdata, const char *data, size_t len, struct pl_err *err)
{
    struct once *o = userdata;
    FILE *dump = o->dump.stream;
    return !dump || fwrite(data, 1, len, dump) == len ? 0 : dump_failed(o, err);
}

/* The series is over; `whole`: it is committed. What came of another answer is worth a look, too,
 * but under a name that says so. */
static int dump_end(struct once *o, bool whole, struct pl_err *err)
{
    if (o->dump.stream && (whole || ftell(o->dump.stream) > 0)) {
        PL_FREE char *path = pl_strf("%s%s", o->dump_path, whole ? "" : ".part");
        if (!pl_new_file_commit(&o->dump, path))
            return dump_failed(o, err);
        fprintf(stderr, whole ? "the answer is in %s\n" : "what came of the answer is in %s\n",
                path);
    }
    dump_close(o);
    return 0;
}

/* ---- series after series ---- */

static void series_start(struct once *o)
{
    struct pl_err err;
    o->series = wmfetchd_series(o->conf, o->at);
    const struct load_window window = {
        .ask = {o->series.application, o->series.index, o->range->start_ms, o->range->end_ms},
    };
    if (dump_open(o, &err) < 0) {
        stop_with(o, &err);
        return;
    }
    load_start(o->load, &window);
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
    struct once *o = userdata;
    (void)timer;
    (void)usec;
    if (!pl_daemon_stopping(o->daemon))
        series_start(o);
    return 0;
}

static void series_print(const struct once *o, const struct load_result *r)
{
    char start[32], end[32];
    pl_time_format_ms(o->range->start_ms, start);
    pl_time_format_ms(o->range->end_ms, end);
    printf("%s/%s %s to %s: %" PRIu64 " transactions, %" PRIu64 " messages, %" PRIu64
           " records, %.1f MB in %.1f s, committed to %s\n",
           o->series.application, o->series.index, start, end, r->sums.items, r->sums.messages,
           r->sums.records, (double)r->fetch.bytes / 1e6,
           (double)(r->fetch.duration_ms + r->sums.commit_ms) / 1000, o->conf->topic);
    fflush(stdout);
}

static void series_done(struct once *o, const struct load_result *r)
{
    series_print(o, r);
    o->elements += r->sums.items;
    o->messages += r->sums.messages;
    o->records += r->sums.records;
    o->bytes += r->fetch.bytes;
    o->tries = 0;
    pl_backoff_reset(&o->backoff);
    o->at++;
    struct pl_err err;
    if (dump_end(o, true, &err) < 0) { /* the copy only: the series itself is in Kafka */
        stop_with(o, &err);
    } else if (o->at == o->series_n) {
        o->finished = true;
        stop_with(o, NULL);
    } else if (!pl_daemon_stopping(o->daemon)) {
        series_start(o);
    }
}

static void series_failed(struct once *o, const struct load_result *r, const struct pl_err *err)
{
    int64_t floor_ms = r->fetch.retry_after_ms >= 0 ? r->fetch.retry_after_ms : 0;
    struct pl_err dump_err;
    if (err->kind != PL_ERR_RETRY || ++o->tries >= TRIES_MAX) {
        stop_with(o, err);
        if (dump_end(o, false, &dump_err) < 0)
            pl_log_err(PL_WARNING, NULL, "the copy of the answer is not complete", &dump_err);
        return;
    }
    int64_t wait_ms = pl_backoff_next(&o->backoff, floor_ms);
    pl_log_err(PL_WARNING, PL_EVENT_SOURCE_LOST,
               "range not fetched, nothing of it is written, it is tried again", err,
               PL_F_STR("APPLICATION", o->series.application), PL_F_STR("INDEX", o->series.index),
               PL_F_INT("WAIT_MS", wait_ms), PL_F_UINT("TRIES_LEFT", TRIES_MAX - o->tries));
    sd_event_source_set_time_relative(o->timer, (uint64_t)wait_ms * 1000);
    sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
}

static void on_done(void *userdata, const struct load_result *result, const struct pl_err *err)
{
    struct once *o = userdata;
    pl_log_progress_end();
    /* A commit that ended while stopping counts, too. */
    if (!err)
        series_done(o, result);
    else if (!pl_daemon_stopping(o->daemon))
        series_failed(o, result, err);
    if (pl_daemon_stopping(o->daemon))
        pl_daemon_finish(o->daemon);
}

static void on_failed(void *userdata, const struct pl_err *err)
{
    stop_with(userdata, err);
    pl_daemon_finish(((struct once *)userdata)->daemon);
}

static const struct load_ops load_ops = {on_bytes, on_done, on_failed};

/* ---- the daemon's calls ---- */

static void on_stop(void *userdata)
{
    struct once *o = userdata;
    sd_event_source_set_enabled(o->timer, SD_EVENT_OFF);
    if (load_stop(o->load))
        pl_daemon_finish(o->daemon);
}

static void on_tick(void *userdata)
{
    struct once *o = userdata;
    const struct pl_delivery_sums *sums = pl_delivery_sums(load_kafka(o->load));
    uint64_t bytes = fetch_bytes(load_fetch(o->load));
    if (load_is_idle(o->load) || pl_daemon_stopping(o->daemon))
        return;
    char name[200], note[96];
    snprintf(name, sizeof(name), "%s/%s", o->series.application, o->series.index);
    snprintf(note, sizeof(note), "%" PRIu64 " transactions, %" PRIu64 " records%s", sums->items,
             sums->records, fetch_is_running(load_fetch(o->load)) ? "" : ", committing");
    /* How large an answer is, nobody says before its end: the series count. */
    const struct pl_bar_now now = {.done = (double)o->at,
                                   .total = o->series_n > 1 ? (double)o->series_n : 0,
                                   .what = name,
                                   .count = o->bytes + bytes,
                                   .note = note};
    pl_bar_show(&o->bar, &now);
}

static const struct pl_daemon_ops daemon_ops = {.on_stop = on_stop, .on_tick = on_tick};

/* ---- running ---- */

static void release(struct once *o)
{
    dump_close(o);
    load_free(o->load);
    load_env_release(&o->env);
    pl_metrics_free(o->metrics);
    sd_event_source_disable_unref(o->timer);
    pl_daemon_free(o->daemon);
}

static int start(struct once *o, struct pl_err *err)
{
    const struct wmfetchd_conf *conf = o->conf;
    o->series_n = wmfetchd_series_count(conf);
    pl_backoff_init(&o->backoff, WAIT_BASE_MS, WAIT_MAX_MS, (uint64_t)pl_clock_realtime_ms());
    if (pl_daemon_new(&daemon_ops, o, conf->stop_timeout_ms, &o->daemon, err) < 0)
        return -1;
    int r = sd_event_add_time(pl_daemon_event(o->daemon), &o->timer, CLOCK_MONOTONIC, 0, 1000,
                              on_timer, o);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot make a timer: %s", strerror(-r));
    o->metrics = pl_metrics_new(wmfetchd_metrics, M_COUNT);
    /* The timer is due: the first series begins in the loop. */
    if (load_env_init(&o->env, o->daemon, conf, o->metrics, err) < 0)
        return -1;
    return load_new(&o->env, DELIVERY_ONCE, &load_ops, o, &o->load, err);
}

int once_run(const struct wmfetchd_conf *conf, const struct once_range *range)
{
    PL_CLEANUP(release) struct once o = {.conf = conf, .range = range};
    struct pl_err err;
    int status =
        start(&o, &err) < 0 ? pl_daemon_start_failed(o.daemon, &err) : pl_daemon_run(o.daemon);
    if (o.finished && o.series_n > 1)
        printf("in all: %" PRIu64 " transactions, %" PRIu64 " messages, %" PRIu64
               " records, %.1f MB\n",
               o.elements, o.messages, o.records, (double)o.bytes / 1e6);
    if (!o.finished)
        fprintf(stderr, "ended before the end: %zu of %zu series are committed%s\n", o.at,
                o.series_n, o.at < o.series_n ? ", nothing is written of the others" : "");
    return status == 0 && !o.finished ? 1 : status;
}

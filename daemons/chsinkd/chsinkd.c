/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chsinkd.c - the daemon object: joins configuration, loaders and the loop.
 *
 * Start: tables, Kafka, threads, READY. Stop: the consumers read no more, what was read goes into
 * the tables, the groups are left; at the deadline all retries end, and what is not committed is
 * read again next time. A reload of other routes is a stop and a start in the same process.
 */
#include "daemons/chsinkd/chsinkd.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "daemons/chsinkd/page.h"
#include "daemons/chsinkd/status.h"
#include "daemons/chsinkd/worked.h"
#include "lib/base/clock.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"
#include "lib/service/signals.h"

/* At the end, the wait for threads that are inside a library's call. */
#define JOIN_MS 500
/* How soon after a start a group is still being joined, and how often that is looked at. */
#define JOINING_MS       10000
#define JOINING_PAUSE_MS 20
/* What ensure() asks of a table that is there, and of its views. */
#define SCHEMA_QUERIES 10

struct chsinkd {
    struct pl_service *service;
    const struct chsinkd_conf *conf; /* the service's */
    struct pl_daemon *daemon;        /* the service's */
    const struct chsinkd_mode *mode;
    const struct output_kind *output;
    const void *output_conf;
    struct loader *loaders; /* one for each consumer group */
    unsigned loaders_n;
    struct workers *workers; /* of all loaders */
    struct pl_waker *waker;
    bool failed;
    struct pl_rate rate; /* of the rows inserted */
    struct pl_bar bar;   /* --once, --replay */
    struct page_past past;
};

/* ---- starting ---- */

static void loaders_init(struct chsinkd *d)
{
    const struct loader_common common = {d->conf, d->daemon, d->service->metrics, d->waker};
    const char **groups;
    unsigned n = chsinkd_conf_groups(d->conf, &groups);
    bool all_in_one = d->mode->replay || n == 0;
    if (all_in_one)
        n = 1;
    d->loaders = pl_alloc_array(n, sizeof(*d->loaders));
    for (; d->loaders_n < n; d->loaders_n++) {
        struct loader *l = &d->loaders[d->loaders_n];
        const struct sink_part part = {groups[d->loaders_n], n};
        loader_init(l, &common, all_in_one ? NULL : &part);
        l->sink.once = d->mode->once;
        l->sink.replay = d->mode->replay;
    }
    free(groups);
}

static int tables_start(struct chsinkd *d, struct pl_err *err)
{
    struct output *o = d->output->open(d->output_conf);
    int64_t until_ms = pl_clock_monotonic_ms() + d->conf->start_timeout_ms;
    int rc = 0;
    d->output->stop_when(o, pl_signals_stop_is_pending);
    for (unsigned i = 0; i < d->loaders_n && rc == 0; i++)
        rc = loader_tables(&d->loaders[i], o, until_ms, err);
    d->output->close(o);
    return rc;
}

static int dead_letter_topic_start(struct chsinkd *d, struct pl_err *err)
{
    char size[24];
    snprintf(size, sizeof(size), "%d", DEADLETTER_MESSAGE_BYTES_MAX);
    const char *config[] = {"max.message.bytes", size, "retention.ms", "-1", NULL};
    struct pl_kafka_topic_spec spec = {d->conf->dead_letter_topic, (int)d->conf->create.partitions,
                                       (int)d->conf->create.replication, config};
    pl_daemon_step(d->daemon, d->conf->start_timeout_ms, "waiting for Kafka's topic %s", spec.name);
    return pl_kafka_topic_need(d->loaders->sink.rk, &spec,
                               d->conf->create.enabled && !d->mode->replay,
                               (int)d->conf->start_timeout_ms, err);
}

/* Overlaps that --check-config cannot find. */
static int topics_check(struct chsinkd *d, struct pl_err *err)
{
    const rd_kafka_metadata_t *md;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(d->loaders->sink.rk, 1, NULL, &md, (int)d->conf->start_timeout_ms);
    if (code)
        return pl_kafka_err(err, code, "cannot list the topics");
    int rc = 0;
    for (int i = 0; i < md->topic_cnt && rc == 0; i++)
        rc = chsinkd_conf_topic_check(d->conf, md->topics[i].topic, err);
    rd_kafka_metadata_destroy(md);
    return rc;
}

static int workers_begin(struct chsinkd *d, struct pl_err *err)
{
    unsigned each = (unsigned)d->conf->insert_threads, max = d->output->writers_max;
    unsigned threads = each * d->loaders_n;
    max = max > 0 ? max : WORKERS_MAX;
    int64_t call_ms = d->output->call_ms(d->output_conf);
    int rc = workers_start(&(struct workers_conf){.output = d->output,
                                                  .output_conf = d->output_conf,
                                                  .threads = threads > max ? max : threads,
                                                  .each = each,
                                                  .call_ms = call_ms,
                                                  .ensure_ms = SCHEMA_QUERIES * call_ms},
                           &d->workers, err);
    for (unsigned i = 0; i < d->loaders_n; i++)
        d->loaders[i].sink.workers = d->workers;
    return rc;
}

static int start(struct chsinkd *d, struct pl_err *err)
{
    if (tables_start(d, err) < 0)
        return -1;
    for (unsigned i = 0; i < d->loaders_n; i++)
        if (loader_connect(&d->loaders[i], err) < 0)
            return -1;
    if (topics_check(d, err) < 0)
        return -1;
    for (unsigned i = 0; i < d->loaders_n && d->mode->once; i++)
        if (loader_group_wait(&d->loaders[i], err) < 0)
            return -1;
    if (dead_letter_topic_start(d, err) < 0 || workers_begin(d, err) < 0)
        return -1;
    for (unsigned i = 0; i < d->loaders_n; i++)
        if (loader_begin(&d->loaders[i], err) < 0)
            return -1;
    return 0;
}

/* Whether any of the groups has. */
static enum pl_worked groups_worked(struct chsinkd *d)
{
    enum pl_worked all = PL_WORKED_NEVER;
    for (unsigned i = 0; i < d->loaders_n && all != PL_WORKED; i++) {
        struct sink *s = &d->loaders[i].sink;
        pl_daemon_step(d->daemon, 2 * d->conf->start_timeout_ms,
                       "refused; checking whether group %s has worked before", s->group);
        enum pl_worked one = worked_look(s);
        all = one == PL_WORKED_NEVER ? all : one;
    }
    return all;
}

/* Kafka or the output refuse us for good: exit 78 only if no group has ever worked. */
static void refused_look(struct chsinkd *d, struct pl_err *err)
{
    enum pl_end_side side = pl_end_side(err);
    if (pl_end_decide(err->kind, side, PL_WORKED_NEVER) !=
        pl_end_decide(err->kind, side, PL_WORKED))
        pl_end_of_last(err, groups_worked(d));
}

/* ---- running ---- */

static bool is_drained(const struct chsinkd *d)
{
    bool all = true;
    for (unsigned i = 0; i < d->loaders_n; i++)
        all &= d->loaders[i].sink.drained || !d->loaders[i].consumer_started;
    return all;
}

/* The first error of any. */
static struct pl_err failure_of(struct chsinkd *d)
{
    struct pl_err failed = {.kind = PL_ERR_NONE};
    for (unsigned i = 0; i < d->loaders_n && failed.kind == PL_ERR_NONE; i++) {
        struct sink *s = &d->loaders[i].sink;
        pthread_mutex_lock(&s->lock);
        failed = s->failed;
        pthread_mutex_unlock(&s->lock);
    }
    return failed;
}

/* A member that leaves while it joins is missed by the group for session.timeout.ms, in which
 * nobody gets partitions: so soon after a start that is waited for. */
static void joined_wait(const struct chsinkd *d)
{
    bool all = false;
    while (!all && !pl_signals_stop_is_pending() &&
           pl_clock_monotonic_ms() < d->service->begun_ms + JOINING_MS) {
        all = true;
        for (unsigned i = 0; i < d->loaders_n; i++)
            all &= d->loaders[i].sink.assigned_once;
        if (!all)
            usleep(JOINING_PAUSE_MS * 1000);
    }
}

/* A route's table has got columns: the next start takes them. */
static void again_look(struct chsinkd *d)
{
    bool again = false;
    for (unsigned i = 0; i < d->loaders_n; i++)
        again |= d->loaders[i].sink.again;
    if (!again || pl_daemon_stopping(d->daemon))
        return;
    pl_log(PL_NOTICE, PL_EVENT_RELOADED,
           "starting again in the same process, to load the columns that were added");
    joined_wait(d);
    pl_daemon_again(d->daemon);
}

static void on_wake(void *userdata)
{
    struct chsinkd *d = userdata;
    struct pl_err failed = failure_of(d);
    bool drained = is_drained(d);
    if (failed.kind != PL_ERR_NONE && !d->failed) {
        d->failed = true;
        if (!d->mode->once)
            refused_look(d, &failed);
        pl_daemon_stop(d->daemon, &failed); /* logs it */
    } else if (drained && !pl_daemon_stopping(d->daemon)) {
        pl_daemon_stop(d->daemon, NULL);
    }
    if (drained)
        pl_daemon_finish(d->daemon);
    else if (failed.kind == PL_ERR_NONE)
        again_look(d);
}

static void on_stop(void *userdata)
{
    struct chsinkd *d = userdata;
    status_show_stopping(d->service, d->loaders, d->loaders_n);
    for (unsigned i = 0; i < d->loaders_n; i++)
        loader_stop(&d->loaders[i]);
    if (is_drained(d))
        pl_daemon_finish(d->daemon);
}

static void all_give_up(struct chsinkd *d)
{
    for (unsigned i = 0; i < d->loaders_n; i++)
        sink_give_up(&d->loaders[i].sink);
}

static void on_stop_deadline(void *userdata)
{
    pl_log(PL_WARNING, PL_EVENT_STOPPING,
           "the time to stop is over; what is not committed is read again at the next start");
    all_give_up(userdata);
}

static void on_reload(void *userdata)
{
    struct chsinkd *d = userdata;
    if (d->mode->once) {
        pl_log(PL_NOTICE, PL_EVENT_RELOADED, "nothing is reloaded in a run that ends");
        return;
    }
    switch (pl_service_reload(d->service, NULL)) {
    case PL_RELOAD_REFUSED:
        break;
    case PL_RELOAD_AGAIN:
        joined_wait(d);
        pl_daemon_again(d->daemon);
        break;
    case PL_RELOAD_TAKEN:
        for (unsigned i = 0; i < d->loaders_n; i++)
            sink_limits_set(&d->loaders[i].sink, d->conf);
        break;
    }
}

/* Every wait of a thread has a limit, also while the output or Kafka is away. */
static bool on_watchdog(void *userdata)
{
    struct chsinkd *d = userdata;
    const char *stuck = NULL;
    for (unsigned i = 0; i < d->loaders_n && !stuck; i++) {
        struct loader *l = &d->loaders[i];
        stuck = l->sink.drained ? NULL : sink_stuck(&l->sink, &l->progress);
    }
    if (stuck)
        pl_log(PL_ERROR, PL_EVENT_STUCK,
               "no progress, and no reason for it is known: a thread hangs",
               PL_F_STR("REASON", stuck));
    return !stuck;
}

static void on_tick(void *userdata)
{
    struct chsinkd *d = userdata;
    struct pl_metrics *metrics = d->service->metrics;
    int64_t now_ms = pl_clock_monotonic_ms();
    double rate = pl_rate_next(&d->rate, pl_metrics_get(metrics, M_ROWS), now_ms);
    page_look(&d->past, d->loaders, d->loaders_n, now_ms);
    const struct status status = status_look(d->loaders, d->loaders_n);
    pl_service_tick(d->service, (uint64_t)status.in_flight);
    pl_metrics_set(metrics, M_LAG, status.lag);
    pl_metrics_set(metrics, M_PARTITIONS, status.assigned);
    pl_metrics_set(metrics, M_ASIDE, status.aside);
    d->service->page.warns = status.aside > 0;
    for (unsigned i = 0; i < d->loaders_n; i++) {
        sink_log(&d->loaders[i].sink, now_ms, false);
        loader_kafka_look(&d->loaders[i], now_ms);
    }
    if (pl_daemon_stopping(d->daemon))
        status_show_stopping(d->service, d->loaders, d->loaders_n);
    else
        status_show(d->service, d->loaders, d->loaders_n, &status, rate);
    if (d->mode->once)
        status_progress(&d->bar, d->loaders, d->loaders_n);
}

static void on_page(void *userdata, struct pl_page *p)
{
    struct chsinkd *d = userdata;
    page_fill(&d->past, d->loaders, d->loaders_n, pl_clock_monotonic_ms(), p);
}

/* ---- the end ---- */

/* Waits for the threads. False: one is still inside a library's call. */
static bool threads_join(struct chsinkd *d)
{
    bool all = true;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += JOIN_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    for (unsigned i = 0; i < d->loaders_n; i++)
        all &= loader_join(&d->loaders[i], &until);
    return workers_join(d->workers, &until) && all;
}

static void release(struct chsinkd *d)
{
    workers_free(d->workers);
    for (unsigned i = 0; i < d->loaders_n; i++)
        loader_release(&d->loaders[i]);
    free(d->loaders);
    page_past_release(&d->past);
    pl_waker_free(d->waker);
}

static void start_tell(const struct chsinkd *d)
{
    const char *mode = d->mode->replay ? "replay" : d->mode->once ? "once" : "service";
    for (unsigned i = 0; i < d->loaders_n; i++)
        pl_log(PL_NOTICE, NULL, "loading", PL_F_STR("MODE", mode),
               PL_F_STR("GROUP", d->loaders[i].sink.group),
               PL_F_UINT("ROUTES", d->mode->replay ? 1 : d->loaders[i].sink.routes_n),
               PL_F_STR("URL", d->output->where(d->output_conf)));
}

/* Runs until it is stopped; returns the exit status. */
static int run(struct chsinkd *d)
{
    struct pl_err err;
    if (start(d, &err) < 0) {
        if (!d->mode->once)
            refused_look(d, &err);
        return pl_daemon_start_failed(d->daemon, &err);
    }
    start_tell(d);
    pl_service_ready(d->service);
    pl_rate_next(&d->rate, 0, pl_clock_monotonic_ms());
    page_look(&d->past, d->loaders, d->loaders_n, pl_clock_monotonic_ms());
    pl_service_page(d->service, d->loaders->sink.group, on_page, d);
    return pl_daemon_run(d->daemon);
}

int chsinkd_run(struct pl_service *service, const struct chsinkd_mode *mode)
{
    static const struct pl_daemon_ops ops = {on_stop, on_stop_deadline, on_reload, on_watchdog,
                                             on_tick};
    PL_CLEANUP(release)
    struct chsinkd d = {.service = service, .conf = service->conf, .mode = mode};
    struct pl_err err;
    if (pl_service_start(service, &ops, &d, &err) < 0)
        return pl_daemon_start_failed(service->daemon, &err);
    d.daemon = service->daemon;
    d.output = chsinkd_conf_output(d.conf, &d.output_conf);
    if (pl_waker_new(d.daemon, on_wake, &d, &d.waker, &err) < 0)
        return pl_daemon_start_failed(d.daemon, &err);
    loaders_init(&d);
    int status = run(&d);
    pl_log_progress_end();
    all_give_up(&d);
    bool joined = threads_join(&d);
    uint64_t in_flight = (uint64_t)status_in_flight(d.loaders, d.loaders_n);
    if (joined)
        pl_service_law_check(service, in_flight, 1);
    for (unsigned i = 0; i < d.loaders_n; i++)
        sink_log(&d.loaders[i].sink, pl_clock_monotonic_ms(), true);
    pl_service_stopped(service, status, in_flight);
    if (joined)
        workers_free(PL_TAKE(d.workers)); /* closes the output, which may be a file */
    if (pl_daemon_is_again(d.daemon))
        status = pl_service_again(service);
    if (!joined)
        _exit(status); /* nothing may be freed under a thread that still runs */
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chsinkd.c - the daemon object: joins configuration, threads and the loop.
 *
 * Start: tables, Kafka, threads, READY. Stop: the consumer reads no more, what was read goes into
 * the table, the group is left; at the deadline all retries end, and what is not committed is read
 * again next time.
 */
#include "daemons/chsinkd/chsinkd.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "daemons/chsinkd/sink/sink.h"
#include "daemons/chsinkd/worked.h"
#include "lib/base/clock.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"
#include "lib/service/signals.h"

/* While no rows move, an error that librdkafka reported this recently counts as not over: it
 * repeats one only after 30 s. */
#define KAFKA_AWAY_MS 35000
/* --once, --replay: how long Kafka may take to say who is in the group, and how soon it is asked
 * again. */
#define GROUP_ASK_MS   5000
#define GROUP_PAUSE_MS 200
/* At the end, the wait for threads that are inside a library's call. */
#define JOIN_MS 500
/* What ensure() asks of a table that is there, and of its views. */
#define SCHEMA_QUERIES 10

struct chsinkd {
    struct pl_service *service;
    const struct chsinkd_conf *conf; /* the service's */
    struct pl_daemon *daemon;        /* the service's */
    struct sink sink;
    pthread_t consumer;
    bool consumer_started, failed;
    char *transactional_id; /* of the dead letters' writer */
    struct pl_rate rate;    /* of the rows inserted */
    struct pl_progress progress;
};

/* ---- starting ---- */

struct table_step {
    struct chsinkd *d;
    const struct sink_route *sr;
};

/* Statements are sent one by one, each with its own time-out: systemd is told before the first and
 * after each that may last (CREATE, ALTER). */
static void table_step(const struct table_step *step)
{
    const struct chsinkd *d = step->d;
    pl_daemon_step(d->daemon, d->conf->start_timeout_ms + d->sink.call_ms,
                   "waiting for %s at %s, table %s", d->sink.output->name,
                   d->sink.output->where(d->sink.output_conf), step->sr->target->name);
}

static void on_table_fact(void *userdata, const char *what, const char *name)
{
    const struct table_step *step = userdata;
    pl_log(PL_NOTICE, strstr(what, "column") ? PL_EVENT_COLUMN_ADDED : PL_EVENT_TABLE_CREATED,
           "table made ready", PL_F_STR("WHAT", what), PL_F_STR("NAME", name),
           SINK_F_TABLE(step->sr), PL_F_STR("ROUTE", step->sr->route->name));
    table_step(step);
}

static int table_start(struct chsinkd *d, struct output *o, struct sink_route *sr, int64_t until_ms,
                       struct pl_err *err)
{
    struct table_step step = {d, sr};
    const struct output_ensure how = {.on_fact = on_table_fact, .userdata = &step};
    table_step(&step);
    struct output_state state;
    while (d->sink.output->ensure(o, sr->target, &how, &state, err) < 0) {
        if (err->kind != PL_ERR_RETRY || pl_clock_monotonic_ms() >= until_ms ||
            pl_daemon_stopping(d->daemon))
            return -1;
        pl_log_err(PL_WARNING, PL_EVENT_SINK_AWAY, "the output does not answer, trying again", err,
                   SINK_F_OUTPUT(&d->sink), SINK_F_TABLE(sr));
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        table_step(&step);
    }
    sink_route_state(sr, &state);
    if (state.guarantee == OUTPUT_LOOK_UP || state.guarantee == OUTPUT_NONE)
        pl_log(PL_WARNING, PL_EVENT_AT_LEAST_ONCE,
               "the table does not deduplicate inserts: after a crash rows may be doubled (at "
               "least once)",
               SINK_F_TABLE(sr), PL_F_STR("REASON", state.why_not));
    return 0;
}

static int tables_start(struct chsinkd *d, struct pl_err *err)
{
    const struct output_kind *kind = d->sink.output;
    struct output *o = kind->open(d->sink.output_conf);
    int64_t until_ms = pl_clock_monotonic_ms() + d->conf->start_timeout_ms;
    int rc = 0;
    kind->stop_when(o, pl_signals_stop_is_pending);
    for (unsigned i = 0; i < d->sink.routes_n && rc == 0; i++)
        if (!d->sink.replay || d->sink.replay == d->sink.routes[i].route)
            rc = table_start(d, o, &d->sink.routes[i], until_ms, err);
    kind->close(o);
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
    return pl_kafka_topic_need(d->sink.rk, &spec, d->conf->create.enabled && !d->sink.replay,
                               (int)d->conf->start_timeout_ms, err);
}

/* Overlaps that --check-config cannot find. */
static int topics_check(struct chsinkd *d, struct pl_err *err)
{
    const rd_kafka_metadata_t *md;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(d->sink.rk, 1, NULL, &md, (int)d->conf->start_timeout_ms);
    if (code)
        return pl_kafka_err(err, code, "cannot list the topics");
    int rc = 0;
    for (int i = 0; i < md->topic_cnt && rc == 0; i++)
        rc = chsinkd_conf_topic_check(d->conf, md->topics[i].topic, err);
    rd_kafka_metadata_destroy(md);
    return rc;
}

static void on_answer(void *userdata)
{
    sink_wake(userdata);
}

/* A static member's writer gets a fixed name, so that it fences its own earlier life at once; any
 * other a name that nobody has. */
static int courier_start(struct chsinkd *d, struct pl_err *err)
{
    const char *group = chsinkd_conf_group(d->conf);
    const char *instance = pl_map_get(&d->conf->kafka, "group.instance.id");
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    d->transactional_id = instance ? pl_strf("chsinkd.%s.%s", group, instance)
                                   : pl_strf("chsinkd.%s.%s.%d.%" PRId64, group, host, getpid(),
                                             pl_clock_realtime_ms());
    return courier_new(
        &(struct courier_conf){.deadletters = {.kafka = &d->conf->kafka,
                                               .topic = d->conf->dead_letter_topic,
                                               .transactional_id = d->transactional_id,
                                               .message_bytes_max = DEADLETTER_MESSAGE_BYTES_MAX},
                               .consumer = d->sink.rk,
                               .notify = on_answer,
                               .userdata = &d->sink},
        &d->sink.courier, err);
}

static unsigned insert_threads(const struct chsinkd *d)
{
    unsigned wanted = (unsigned)d->conf->insert_threads, max = d->sink.output->writers_max;
    return max > 0 && wanted > max ? max : wanted;
}

static int workers_begin(struct chsinkd *d, struct pl_err *err)
{
    return workers_start(&(struct workers_conf){.output = d->sink.output,
                                                .output_conf = d->sink.output_conf,
                                                .threads = insert_threads(d),
                                                .call_ms = d->sink.call_ms,
                                                .ensure_ms = SCHEMA_QUERIES * d->sink.call_ms,
                                                .done = on_answer,
                                                .userdata = &d->sink},
                         &d->sink.workers, err);
}

/* Describes one member of the group; false: it has none, or Kafka does not tell (joining will). */
static bool member_find(rd_kafka_t *rk, const char *group, char *ret, size_t size)
{
    const struct rd_kafka_group_list *list;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(rk, group, &list, GROUP_ASK_MS);
    bool found = false;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__PARTIAL)
        return false;
    for (int i = 0; i < list->group_cnt && !found; i++) {
        const struct rd_kafka_group_info *g = &list->groups[i];
        found = strcmp(g->group, group) == 0 && g->member_cnt > 0;
        if (found)
            snprintf(ret, size, "%.60s at %.60s", g->members[0].client_id,
                     g->members[0].client_host);
    }
    rd_kafka_group_list_destroy(list);
    return found;
}

/* A run that ends must be alone in its group: beside the service it would get a share of the
 * partitions, perhaps none, and wait for ever. A member that was killed stays for
 * session.timeout.ms. */
static int group_wait(struct chsinkd *d, struct pl_err *err)
{
    char group[256], member[160];
    size_t size = sizeof(group);
    int64_t wait_ms =
        pl_kafka_conf_int(rd_kafka_conf(d->sink.rk), "session.timeout.ms") + GROUP_ASK_MS;
    int64_t until_ms = pl_clock_monotonic_ms() + wait_ms;
    if (rd_kafka_conf_get(rd_kafka_conf(d->sink.rk), "group.id", group, &size) != RD_KAFKA_CONF_OK)
        return 0;
    for (bool said = false; member_find(d->sink.rk, group, member, sizeof(member)); said = true) {
        if (!said)
            pl_log(PL_NOTICE, NULL, "waiting for the consumer group to be free",
                   PL_F_STR("GROUP", group), PL_F_STR("REASON", member));
        pl_daemon_step(d->daemon, wait_ms, "waiting for group %s to be free: %s is a member", group,
                       member);
        if (pl_signals_stop_is_pending())
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
        if (pl_clock_monotonic_ms() >= until_ms)
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "group %s is in use (by %s), and a run that ends needs it for "
                              "itself: stop the service first",
                              group, member);
        usleep(GROUP_PAUSE_MS * 1000);
    }
    return 0;
}

static int start(struct chsinkd *d, struct pl_err *err)
{
    if (tables_start(d, err) < 0)
        return -1;
    pl_daemon_step(d->daemon, d->conf->start_timeout_ms, "waiting for Kafka at %s",
                   pl_kafka_servers(&d->conf->kafka));
    if (consumer_new(&d->sink, err) < 0 || topics_check(d, err) < 0 ||
        (d->sink.once && group_wait(d, err) < 0) || dead_letter_topic_start(d, err) < 0)
        return -1;
    if (courier_start(d, err) < 0 || workers_begin(d, err) < 0)
        return -1;
    pl_daemon_step(d->daemon, d->conf->routes_n * d->conf->start_timeout_ms,
                   "waiting for the routes' topics in Kafka");
    if (consumer_start(&d->sink, &d->consumer, err) < 0)
        return -1;
    d->consumer_started = true;
    return 0;
}

/* Kafka or the output refuse us for good: exit 78 only if the group has never worked. */
static void refused_look(struct chsinkd *d, struct pl_err *err)
{
    enum pl_end_side side = pl_end_side(err);
    if (pl_end_decide(err->kind, side, PL_WORKED_NEVER) !=
        pl_end_decide(err->kind, side, PL_WORKED)) {
        pl_daemon_step(d->daemon, 2 * d->conf->start_timeout_ms,
                       "refused; checking whether group %s has worked before",
                       chsinkd_conf_group(d->conf));
        pl_end_of_last(err, worked_look(&d->sink));
    }
}

/* ---- running ---- */

static void on_wake(void *userdata)
{
    struct chsinkd *d = userdata;
    pthread_mutex_lock(&d->sink.lock);
    struct pl_err failed = d->sink.failed;
    pthread_mutex_unlock(&d->sink.lock);
    if (failed.kind != PL_ERR_NONE && !d->failed) {
        d->failed = true;
        if (!d->sink.once)
            refused_look(d, &failed);
        pl_daemon_stop(d->daemon, &failed); /* logs it */
    } else if (d->sink.drained && !pl_daemon_stopping(d->daemon)) {
        pl_daemon_stop(d->daemon, NULL);
    }
    if (d->sink.drained)
        pl_daemon_finish(d->daemon);
}

/* "ClickHouse does not answer", or how it is for the first such table. False: all answer. */
static bool away_describe(struct sink *s, char *out, size_t size)
{
    const struct sink_route *away = sink_away(s);
    if (away && s->routes_n > 1)
        snprintf(out, size, "%s does not answer for table %.60s", s->output->name,
                 away->target->name);
    else if (away)
        snprintf(out, size, "%s does not answer", s->output->name);
    return away != NULL;
}

static void stopping_show(struct chsinkd *d)
{
    char away[128];
    bool is_away = away_describe(&d->sink, away, sizeof(away));
    pl_service_status(d->service, "stopping",
                      "Stopping: %" PRId64 " messages on their way into the table%s%s",
                      (int64_t)d->sink.in_flight, is_away ? ", " : "", is_away ? away : "");
}

static void on_stop(void *userdata)
{
    struct chsinkd *d = userdata;
    stopping_show(d);
    d->sink.stopping = true;
    sink_wake(&d->sink);
    if (d->sink.drained || !d->consumer_started)
        pl_daemon_finish(d->daemon);
}

static void on_stop_deadline(void *userdata)
{
    struct chsinkd *d = userdata;
    pl_log(PL_WARNING, PL_EVENT_STOPPING,
           "the time to stop is over; what is not committed is read again at the next start");
    sink_give_up(&d->sink);
}

static void on_reload(void *userdata)
{
    struct chsinkd *d = userdata;
    if (pl_service_reload(d->service, NULL))
        sink_limits_set(&d->sink, d->conf);
}

/* Every wait of a thread has a limit, also while the output or Kafka is away. */
static bool on_watchdog(void *userdata)
{
    struct chsinkd *d = userdata;
    const char *stuck = d->sink.drained ? NULL : sink_stuck(&d->sink, &d->progress);
    if (stuck)
        pl_log(PL_ERROR, PL_EVENT_STUCK,
               "no progress, and no reason for it is known: a thread hangs",
               PL_F_STR("REASON", stuck));
    return !stuck;
}

struct assigned {
    unsigned n, aside, settle;
    const struct partition *one; /* of those that wait for a person; NULL: none */
    double lag;
};

static struct assigned assigned_look(struct sink *s)
{
    struct assigned a = {0};
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->partitions_n; i++) {
        const struct partition *p = s->partitions[i];
        int64_t low = 0, high = 0;
        if (!p->assigned)
            continue;
        a.n++;
        if (p->aside != ASIDE_NO) {
            a.aside++;
            if (p->aside != ASIDE_FENCED)
                a.one = p;
        }
        a.settle += p->settles;
        if (rd_kafka_get_watermark_offsets(s->rk, p->topic, p->id, &low, &high) ==
                RD_KAFKA_RESP_ERR_NO_ERROR &&
            high > p->next_offset)
            a.lag += (double)(high - p->next_offset);
    }
    pthread_mutex_unlock(&s->lock);
    return a;
}

/* "; last batch 5000 rows into default.edits 2 s ago" */
static void last_describe(struct sink *s, char *out, size_t size)
{
    pthread_mutex_lock(&s->lock);
    struct sink_last last = s->last;
    pthread_mutex_unlock(&s->lock);
    if (last.route)
        snprintf(out, size, "; last batch %" PRIu64 " rows into %.100s %" PRId64 " s ago",
                 last.rows, last.route->target->name,
                 (pl_clock_monotonic_ms() - last.at_ms) / 1000);
    else
        snprintf(out, size, "; no batch yet");
}

/* " (1 wait for a person: topic edits, table default.edits; see the log)" */
static void aside_describe(const struct assigned *a, char *out, size_t size)
{
    out[0] = '\0';
    if (a->one)
        snprintf(out, size, " (%u wait for a person: topic %.60s, table %.60s; see the log)",
                 a->aside, a->one->topic, a->one->route->target->name);
    else if (a->settle > 0)
        snprintf(out, size, " (%u wait until no insert can arrive any more, to ask the table)",
                 a->settle);
}

static void status_show(struct chsinkd *d, double rows_per_s, const struct assigned *a)
{
    struct sink *s = &d->sink;
    uint64_t rows = pl_metrics_get(s->metrics, M_ROWS);
    char last[160], aside[224], kafka[256], away[128];
    last_describe(s, last, sizeof(last));
    aside_describe(a, aside, sizeof(aside));
    if (away_describe(s, away, sizeof(away)))
        pl_service_status(d->service, away,
                          "waiting for %s; %" PRIu64 " rows inserted, lag %.0f messages%s",
                          s->output->name, rows, a->lag, last);
    else if (rows_per_s <= 0 && pl_kafka_health_text(&s->health, KAFKA_AWAY_MS, kafka))
        pl_service_status(d->service, NULL, "waiting for Kafka: %.110s%s", kafka, last);
    else if (a->n == 0)
        pl_service_status(d->service, NULL,
                          "waiting for the group %s to assign partitions; %" PRIu64
                          " rows inserted%s",
                          chsinkd_conf_group(d->conf), rows, last);
    else
        pl_service_status(d->service, a->aside == a->n ? "no partition can be read" : NULL,
                          "%u partitions%s, %.0f rows/s, %" PRIu64
                          " rows inserted, lag %.0f messages, %" PRIu64 " dead letters%s",
                          a->n, aside, rows_per_s, rows, a->lag,
                          pl_metrics_get(s->metrics, M_DEAD_ROWS), last);
}

static void on_tick(void *userdata)
{
    struct chsinkd *d = userdata;
    struct sink *s = &d->sink;
    int64_t now_ms = pl_clock_monotonic_ms();
    double rate = pl_rate_next(&d->rate, pl_metrics_get(s->metrics, M_ROWS), now_ms);
    const struct assigned assigned = assigned_look(s);
    pl_service_tick(d->service, (uint64_t)s->in_flight);
    pl_metrics_set(s->metrics, M_LAG, assigned.lag);
    pl_metrics_set(s->metrics, M_PARTITIONS, assigned.n);
    pl_metrics_set(s->metrics, M_ASIDE, assigned.aside);
    pl_metrics_set(s->metrics, M_IN_FLIGHT, (double)s->in_flight);
    sink_log(s, now_ms, false);
    if (pl_daemon_stopping(d->daemon))
        stopping_show(d);
    else
        status_show(d, rate, &assigned);
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
    if (d->consumer_started)
        all &= pthread_timedjoin_np(d->consumer, NULL, &until) == 0;
    return workers_join(d->sink.workers, &until) && all;
}

static void release(struct chsinkd *d)
{
    courier_free(PL_TAKE(d->sink.courier)); /* its thread wakes the consumer */
    consumer_free(&d->sink);
    sink_release(&d->sink);
    pl_waker_free(d->sink.waker);
    free(d->transactional_id);
}

int chsinkd_run(struct pl_service *service, const struct chsinkd_mode *mode)
{
    static const struct pl_daemon_ops ops = {on_stop, on_stop_deadline, on_reload, on_watchdog,
                                             on_tick};
    PL_CLEANUP(release) struct chsinkd d = {.service = service, .conf = service->conf};
    struct pl_err err;
    if (pl_service_start(service, &ops, &d, &err) < 0)
        return pl_daemon_start_failed(service->daemon, &err);
    const void *output_conf;
    const struct output_kind *output = chsinkd_conf_output(d.conf, &output_conf);
    sink_init(&d.sink, d.conf, output, output_conf, service->metrics);
    d.daemon = service->daemon;
    if (pl_waker_new(d.daemon, on_wake, &d, &d.sink.waker, &err) < 0)
        return pl_daemon_start_failed(d.daemon, &err);
    d.sink.once = mode->once;
    d.sink.replay = mode->replay;
    int status;
    if (start(&d, &err) == 0) {
        const char *name = mode->replay ? "replay" : mode->once ? "once" : "service";
        pl_log(PL_NOTICE, NULL, "loading", PL_F_STR("MODE", name),
               PL_F_STR("GROUP", chsinkd_conf_group(d.conf)), PL_F_UINT("ROUTES", d.conf->routes_n),
               PL_F_STR("URL", output->where(output_conf)));
        pl_service_ready(service);
        pl_rate_next(&d.rate, 0, pl_clock_monotonic_ms());
        status = pl_daemon_run(d.daemon);
    } else {
        if (!d.sink.once)
            refused_look(&d, &err);
        status = pl_daemon_start_failed(d.daemon, &err);
        d.sink.drained = true;
    }
    sink_give_up(&d.sink);
    bool joined = threads_join(&d);
    if (joined)
        pl_service_law_check(service, (uint64_t)d.sink.in_flight, 1);
    sink_log(&d.sink, pl_clock_monotonic_ms(), true);
    pl_service_stopped(service, status, (uint64_t)d.sink.in_flight);
    if (!joined)
        _exit(status); /* nothing may be freed under a thread that still runs */
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chsinkd.c - the daemon object: joins configuration, threads and the loop.
 *
 * Start: configuration, tables, Kafka, threads, READY. Stop: the consumer reads no more, what was
 * read goes into the table, the group is left; at the deadline all retries end, and what is not
 * committed is read again next time.
 */
#include "daemons/chsinkd/chsinkd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemons/chsinkd/inspect.h"
#include "daemons/chsinkd/sink/sink.h"
#include "lib/base/clock.h"
#include "lib/kafka/topic.h"
#include "lib/log/log.h"
#include "lib/service/cli.h"
#include "lib/service/daemon.h"

#define DEFAULT_CONFIG "/etc/chsinkd/chsinkd.yaml"
/* What librdkafka said was wrong so lately counts as still wrong, while no rows move: it says the
 * same thing again only after 30 s. */
#define KAFKA_AWAY_MS 35000
/* After the deadline, so long for threads that are inside of a library's call. */
#define JOIN_MS 500

struct chsinkd {
    struct chsinkd_conf conf;
    const char *config_file;
    struct pl_metrics *metrics;
    struct pl_metrics_server *metrics_server;
    struct pl_daemon *daemon;
    struct pl_waker *waker;
    struct sink sink;
    pthread_t consumer, inserters[SINK_INSERTERS_MAX];
    bool consumer_started, failed, verbose;
    unsigned inserters_started;
    int64_t started_ms;
    uint64_t rows_before; /* at the last tick */
    struct pl_progress progress;
    int64_t law_broken; /* the difference seen at the last tick */
    unsigned law_broken_ticks;
    const char *mode;
};

enum {
    OPT_SAMPLE,
    OPT_SCHEMA,
    OPT_DRY_RUN,
    OPT_ONCE,
    OPT_REPLAY,
    MODES,
    OPT_TOPIC = MODES,
    OPT_COUNT
};
static const struct pl_cli_opt cli_options[] = {
    [OPT_SAMPLE] = {"sample", true, "N", "show the last N messages and their rows; write nothing"},
    [OPT_SCHEMA] = {"schema", true, "N",
                    "show the fields of the last N messages, and a route for them"},
    [OPT_DRY_RUN] = {"dry-run", false, NULL,
                     "show the statements a start would run, try the last 1000 messages"},
    [OPT_ONCE] = {"once", false, NULL, "load to the end of the topics as it is now, then exit"},
    [OPT_REPLAY] = {"replay", true, "ROUTE", "bring the dead letters of a route back, then exit"},
    [OPT_TOPIC] = {"topic", true, "NAME",
                   "with --sample and --schema: this topic, not the routes'"},
    [OPT_COUNT] = {0},
};

/* ---- starting ---- */

struct table_step {
    struct chsinkd *d;
    const struct sink_route *sr;
};

/* Statement after statement is sent, each with its own time-out: systemd is told before the first
 * and whenever one that lasts (CREATE, ALTER) is done. */
static void table_step(const struct table_step *step)
{
    const struct chsinkd *d = step->d;

    pl_daemon_step(d->daemon, d->conf.start_timeout_ms + d->sink.clickhouse_ms,
                   "waiting for ClickHouse at %s, table %s", d->conf.clickhouse.urls.v[0],
                   step->sr->table);
}

static void on_table_fact(void *userdata, const char *what, const char *name)
{
    const struct table_step *step = userdata;

    pl_log(PL_NOTICE, strstr(what, "column") ? PL_EVENT_COLUMN_ADDED : PL_EVENT_TABLE_CREATED,
           "table made ready", PL_F_STR("WHAT", what), PL_F_STR("NAME", name),
           SINK_F_TABLE(step->sr), PL_F_STR("ROUTE", step->sr->route->name));
    table_step(step);
}

static int table_start(struct chsinkd *d, struct clickhouse *c, const struct sink_route *sr,
                       int64_t until_ms, struct pl_err *err)
{
    struct table_step step = {d, sr};
    struct table_state state;

    table_step(&step);
    while (table_ensure(c, sr->route, d->conf.clickhouse.database, false, NULL, on_table_fact,
                        &step, &state, err) < 0) {
        if (err->kind != PL_ERR_RETRY || pl_clock_monotonic_ms() >= until_ms ||
            pl_daemon_stopping(d->daemon))
            return -1;
        pl_log_err(PL_WARNING, PL_EVENT_SINK_AWAY, "ClickHouse does not answer, trying again", err,
                   SINK_F_TABLE(sr));
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        table_step(&step);
    }
    if (!state.deduplicates)
        pl_log(PL_WARNING, PL_EVENT_AT_LEAST_ONCE,
               "the table does not deduplicate inserts: after a crash rows may be doubled (at "
               "least once)",
               SINK_F_TABLE(sr), PL_F_STR("REASON", state.why_not));
    return 0;
}

static int tables_start(struct chsinkd *d, struct pl_err *err)
{
    PL_CLEANUP(clickhouse_freep) struct clickhouse *c = clickhouse_new(&d->conf.clickhouse);
    int64_t until_ms = pl_clock_monotonic_ms() + d->conf.start_timeout_ms;

    clickhouse_stop_when(c, pl_daemon_stop_pending);
    for (unsigned i = 0; i < d->sink.routes_n; i++)
        if (!d->sink.replay || d->sink.replay == d->sink.routes[i].route)
            if (table_start(d, c, &d->sink.routes[i], until_ms, err) < 0)
                return -1;
    return 0;
}

static int dead_letter_topic_start(struct chsinkd *d, struct pl_err *err)
{
    /* Room for the largest message that any route reads, and a bit for our headers. */
    char size[24];
    const char *config[] = {"max.message.bytes", size, NULL};
    struct pl_kafka_topic_spec spec = {d->conf.dead_letter_topic, (int)d->conf.create.partitions,
                                       (int)d->conf.create.replication, config};

    snprintf(size, sizeof(size), "%d", DEADLETTER_MESSAGE_BYTES_MAX);
    pl_daemon_step(d->daemon, d->conf.start_timeout_ms, "waiting for Kafka's topic %s", spec.name);
    return pl_kafka_topic_need(d->sink.rk, &spec, d->conf.create.enabled && !d->sink.replay,
                               (int)d->conf.start_timeout_ms, err);
}

/* Names the writer so that a static member fences its own earlier life at once; others get a name
 * that no one has. */
static void deadletters_start(struct chsinkd *d)
{
    const char *instance = pl_map_get(&d->conf.kafka, "group.instance.id");
    char host[256] = "";
    PL_FREE char *id = NULL;

    gethostname(host, sizeof(host) - 1);
    id = instance ? pl_strf("chsinkd.%s.%s", chsinkd_conf_group(&d->conf), instance)
                  : pl_strf("chsinkd.%s.%s.%d.%" PRId64, chsinkd_conf_group(&d->conf), host,
                            getpid(), pl_clock_realtime_ms());
    d->sink.deadletters = deadletter_writer_new(&(struct deadletter_conf){
        .kafka = &d->conf.kafka,
        .topic = d->conf.dead_letter_topic,
        .transactional_id = id,
        .message_bytes_max = DEADLETTER_MESSAGE_BYTES_MAX,
    });
}

static int threads_start(struct chsinkd *d, struct pl_err *err)
{
    for (; d->inserters_started < (unsigned)d->conf.insert_threads; d->inserters_started++)
        if (inserter_start(&d->sink, &d->inserters[d->inserters_started], err) < 0)
            return -1;
    pl_daemon_step(d->daemon, d->conf.routes_n * d->conf.start_timeout_ms,
                   "waiting for Kafka's topics of the routes");
    if (consumer_start(&d->sink, &d->consumer, err) < 0)
        return -1;
    d->consumer_started = true;
    return 0;
}

static int chsinkd_start(struct chsinkd *d, struct pl_err *err)
{
    if (d->conf.clickhouse.tls.insecure_skip_verify)
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "clickhouse.tls.insecure_skip_verify: anyone on the way can read and "
               "change what is sent, the password included");
    if (d->conf.metrics.listen &&
        pl_metrics_serve(d->metrics, d->conf.metrics.listen, &d->metrics_server, err) < 0)
        return -1;
    if (tables_start(d, err) < 0)
        return -1;
    pl_daemon_step(d->daemon, d->conf.start_timeout_ms, "waiting for Kafka at %s",
                   pl_kafka_servers(&d->conf.kafka));
    if (consumer_new(&d->sink, err) < 0 || dead_letter_topic_start(d, err) < 0)
        return -1;
    deadletters_start(d);
    return threads_start(d, err);
}

/* ---- running ---- */

static void on_wake(void *userdata)
{
    struct chsinkd *d = userdata;
    struct pl_err failed;

    pthread_mutex_lock(&d->sink.lock);
    failed = d->sink.failed;
    pthread_mutex_unlock(&d->sink.lock);
    if (failed.kind != PL_ERR_NONE && !d->failed)
        pl_daemon_stop(d->daemon, &failed); /* logs it */
    else if (d->sink.drained && !pl_daemon_stopping(d->daemon))
        pl_daemon_stop(d->daemon, NULL);
    d->failed |= failed.kind != PL_ERR_NONE;
    if (d->sink.drained)
        pl_daemon_finish(d->daemon);
}

static void sink_wake(void *userdata)
{
    pl_waker_wake(userdata);
}

static void stopping_show(struct chsinkd *d)
{
    pl_daemon_status(d->daemon, "Stopping: %" PRId64 " messages on their way into the table%s",
                     (int64_t)d->sink.in_flight,
                     d->sink.away ? ", ClickHouse does not answer" : "");
}

static void on_stop(void *userdata)
{
    struct chsinkd *d = userdata;

    pl_metrics_set_ready(d->metrics, "stopping");
    stopping_show(d);
    d->sink.stopping = true;
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
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_CLEANUP(pl_strings_release) struct pl_strings changed = {0}, restart = {0};
    struct chsinkd_conf fresh;

    pl_findings_init(&errs);
    if (chsinkd_conf_load(d->config_file, &fresh, &errs) < 0) {
        pl_cli_findings_log(&errs);
        pl_log(PL_ERROR, PL_EVENT_RELOADED, "the file has faults: nothing was changed",
               PL_F_STR("FILE", d->config_file));
    } else {
        pl_options_reload(chsinkd_options, &d->conf, &fresh, &changed, &restart);
        sink_limits_set(&d->sink, &d->conf);
        pl_log_set_level(d->verbose ? PL_DEBUG : pl_common_log_level(d->conf.log_level));
        pl_cli_reload_log(&changed, &restart);
    }
    chsinkd_conf_release(&fresh);
}

/* Each thread has said by when it comes round again, whatever it waits for: ClickHouse and Kafka
 * may be away as long as they like. */
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

static double lag_sum(struct sink *s, unsigned *ret_assigned)
{
    double sum = 0;
    unsigned assigned = 0;

    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->partitions_n; i++) {
        const struct partition *p = s->partitions[i];
        int64_t low = 0, high = 0;

        if (!p->assigned)
            continue;
        assigned++;
        if (rd_kafka_get_watermark_offsets(s->rk, p->topic, p->id, &low, &high) ==
                RD_KAFKA_RESP_ERR_NO_ERROR &&
            high > p->next_offset)
            sum += (double)(high - p->next_offset);
    }
    pthread_mutex_unlock(&s->lock);
    *ret_assigned = assigned;
    return sum;
}

/* The counters move while they are read, so a difference counts when it stays the same for three
 * seconds. */
static void law_check(struct chsinkd *d)
{
    int64_t difference = 0;

    if (pl_conservation_holds(d->metrics, &chsinkd_law, d->sink.in_flight, &difference)) {
        d->law_broken_ticks = 0;
    } else if (difference == d->law_broken && ++d->law_broken_ticks == 3) {
        pl_log(PL_ERROR, PL_EVENT_CONSERVATION,
               "received = delivered + dead + skipped + given back + in flight does "
               "not hold: a fault of chsinkd's, please report it",
               PL_F_INT("DIFFERENCE", difference));
    }
    d->law_broken = difference;
}

/* "; last batch 5000 rows into default.edits 2 s ago" */
static void last_describe(struct sink *s, char *out, size_t size)
{
    struct sink_last last;

    pthread_mutex_lock(&s->lock);
    last = s->last;
    pthread_mutex_unlock(&s->lock);
    if (last.route)
        snprintf(out, size, "; last batch %" PRIu64 " rows into %.100s %" PRId64 " s ago",
                 last.rows, last.route->table, (pl_clock_monotonic_ms() - last.at_ms) / 1000);
    else
        snprintf(out, size, "; no batch yet");
}

static void status_show(struct chsinkd *d, uint64_t rows_per_s, double lag, unsigned assigned)
{
    struct sink *s = &d->sink;
    uint64_t rows = pl_metrics_get(d->metrics, M_ROWS);
    char last[160], kafka[256];

    last_describe(s, last, sizeof(last));
    if (s->away)
        pl_daemon_status(d->daemon,
                         "waiting for ClickHouse; %" PRIu64 " rows inserted, lag %.0f messages%s",
                         rows, lag, last);
    else if (rows_per_s == 0 && pl_kafka_health_text(&s->health, KAFKA_AWAY_MS, kafka))
        pl_daemon_status(d->daemon, "waiting for Kafka: %.110s%s", kafka, last);
    else if (assigned == 0)
        pl_daemon_status(
            d->daemon, "waiting for the group %s to assign partitions; %" PRIu64 " rows inserted%s",
            chsinkd_conf_group(&d->conf), rows, last);
    else
        pl_daemon_status(d->daemon,
                         "%u partitions, %" PRIu64 " rows/s, %" PRIu64
                         " rows inserted, lag %.0f messages, %" PRIu64 " dead letters%s",
                         assigned, rows_per_s, rows, lag, pl_metrics_get(d->metrics, M_DEAD_ROWS),
                         last);
}

static void on_tick(void *userdata)
{
    struct chsinkd *d = userdata;
    struct sink *s = &d->sink;
    uint64_t rows = pl_metrics_get(d->metrics, M_ROWS);
    unsigned assigned = 0;
    double lag = lag_sum(s, &assigned);

    pl_metrics_heartbeat(d->metrics);
    pl_metrics_set(d->metrics, M_LAG, lag);
    pl_metrics_set(d->metrics, M_PARTITIONS, assigned);
    pl_metrics_set(d->metrics, M_IN_FLIGHT, (double)s->in_flight);
    law_check(d);
    sink_log(s, pl_clock_monotonic_ms(), false);
    if (pl_daemon_stopping(d->daemon)) {
        stopping_show(d);
        return;
    }
    pl_metrics_set_ready(d->metrics, s->away ? "ClickHouse does not answer" : NULL);
    status_show(d, rows - d->rows_before, lag, assigned);
    d->rows_before = rows;
}

/* ---- the end ---- */

/* Waits for the threads. False: one is still inside of a library's call. */
static bool threads_join(struct chsinkd *d)
{
    struct timespec until;
    bool all = true;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += JOIN_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (d->consumer_started)
        all &= pthread_timedjoin_np(d->consumer, NULL, &until) == 0;
    for (unsigned i = 0; i < d->inserters_started; i++)
        all &= pthread_timedjoin_np(d->inserters[i], NULL, &until) == 0;
    return all;
}

static void final_line(struct chsinkd *d, int status)
{
    struct pl_metrics *s = d->metrics;

    sink_log(&d->sink, pl_clock_monotonic_ms(), true);
    pl_log(PL_NOTICE, PL_EVENT_STOPPED, "stopped", PL_F_INT("STATUS", status),
           PL_F_UINT("MESSAGES", pl_metrics_get(s, M_RECEIVED)),
           PL_F_UINT("DELIVERED", pl_metrics_get(s, M_DELIVERED)),
           PL_F_UINT("DEAD_LETTERED", pl_metrics_get(s, M_DEAD)),
           PL_F_UINT("SKIPPED", pl_metrics_get(s, M_SKIPPED)),
           PL_F_UINT("GIVEN_BACK", pl_metrics_get(s, M_GIVEN_BACK)),
           PL_F_INT("IN_FLIGHT", d->sink.in_flight), PL_F_UINT("ROWS", pl_metrics_get(s, M_ROWS)),
           PL_F_UINT("BATCHES", pl_metrics_get(s, M_BATCHES)),
           PL_F_UINT("BYTES", pl_metrics_get(s, M_BYTES)),
           PL_F_INT("DURATION_MS", pl_clock_monotonic_ms() - d->started_ms));
}

static void chsinkd_release(struct chsinkd *d)
{
    consumer_free(&d->sink);
    sink_release(&d->sink);
    pl_metrics_server_free(d->metrics_server);
    pl_metrics_free(d->metrics);
    chsinkd_conf_release(&d->conf);
    if (d->waker)
        pl_waker_free(d->waker);
    pl_daemon_free(d->daemon);
}

/* Runs the service (or --once, --replay) to its end. */
static int chsinkd_run(struct chsinkd *d)
{
    static const struct pl_daemon_ops ops = {on_stop, on_stop_deadline, on_reload, on_watchdog,
                                             on_tick};
    struct pl_err err;
    int status;

    if (pl_daemon_new(&ops, d, d->conf.stop_timeout_ms, &d->daemon, &err) < 0 ||
        pl_waker_new(d->daemon, on_wake, d, &d->waker, &err) < 0)
        return pl_daemon_start_failed(d->daemon, &err);
    d->sink.wake = sink_wake;
    d->sink.wake_userdata = d->waker;
    if (chsinkd_start(d, &err) < 0) {
        status = pl_daemon_start_failed(d->daemon, &err);
        d->sink.drained = true;
    } else {
        pl_log(PL_NOTICE, NULL, "loading", PL_F_STR("MODE", d->mode),
               PL_F_STR("GROUP", chsinkd_conf_group(&d->conf)),
               PL_F_UINT("ROUTES", d->conf.routes_n),
               PL_F_STR("URL", d->conf.clickhouse.urls.v[0]));
        pl_daemon_ready(d->daemon);
        pl_metrics_set_ready(d->metrics, NULL);
        status = pl_daemon_run(d->daemon);
    }
    sink_give_up(&d->sink);
    if (!threads_join(d)) {
        final_line(d, status);
        _exit(status); /* a thread is inside of a library's call; nothing may be freed under it */
    }
    law_check(d);
    final_line(d, status);
    return status;
}

static int mode_inspect(const struct chsinkd_conf *conf, const struct pl_cli *cli)
{
    struct pl_err err = {0};
    int64_t n = 0;
    int rc, status;

    if (cli->values[OPT_DRY_RUN]) {
        rc = inspect_dry_run(conf, 1000, &err);
    } else {
        int which = cli->values[OPT_SAMPLE] ? OPT_SAMPLE : OPT_SCHEMA;

        status = pl_cli_count(cli_options[which].name, cli->values[which], 1000000, &n);
        if (status >= 0)
            return status;
        rc = which == OPT_SAMPLE ? inspect_sample(conf, cli->values[OPT_TOPIC], n, &err)
                                 : inspect_schema(conf, cli->values[OPT_TOPIC], n, &err);
    }
    if (rc == 0)
        return 0;
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot look", &err);
    return pl_err_exit_status(err.kind);
}

static int replay_route(struct chsinkd *d, const char *name)
{
    for (unsigned i = 0; i < d->conf.routes_n; i++)
        if (strcmp(d->conf.routes[i]->name, name) == 0) {
            d->sink.replay = d->conf.routes[i];
            d->sink.once = true;
            d->mode = "replay";
            return -1;
        }
    pl_log(PL_ERROR, PL_EVENT_CONFIG_ERROR, "--replay: no route has that name",
           PL_F_STR("ROUTE", name));
    return pl_err_exit_status(PL_ERR_CONFIG);
}

static int chsinkd_configured(struct chsinkd *d, const struct pl_cli *cli)
{
    struct pl_err err;
    int status;

    pl_log_set_level(cli->verbose ? PL_DEBUG : pl_common_log_level(d->conf.log_level));
    if (cli->values[OPT_SAMPLE] || cli->values[OPT_SCHEMA] || cli->values[OPT_DRY_RUN])
        return mode_inspect(&d->conf, cli);
    d->metrics = pl_metrics_new(chsinkd_metrics, M_COUNT);
    d->started_ms = pl_clock_monotonic_ms();
    d->mode = cli->values[OPT_ONCE] ? "once" : "service";
    if (sink_init(&d->sink, &d->conf, d->metrics, &err) < 0) {
        pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot start", &err);
        return pl_err_exit_status(err.kind);
    }
    d->verbose = cli->verbose;
    d->sink.once = cli->values[OPT_ONCE] != NULL;
    if (cli->values[OPT_REPLAY] && (status = replay_route(d, cli->values[OPT_REPLAY])) >= 0)
        return status;
    status = chsinkd_run(d);
    chsinkd_release(d);
    return status;
}

int chsinkd_main(int argc, char **argv)
{
    static struct chsinkd daemon; /* large: pointers for the threads */
    struct pl_cli cli = {.config = DEFAULT_CONFIG};
    PL_CLEANUP(pl_findings_release) struct pl_findings errs = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    int status = pl_cli_parse(argc, argv, "chsinkd",
                              "Loads Kafka topics into ClickHouse tables, each row exactly once.",
                              cli_options, &cli);

    if (status >= 0)
        return status;
    if (pl_cli_mode(&cli, "chsinkd", cli_options, MODES) < 0)
        return EX_USAGE;
    if (cli.help_config) {
        pl_options_print_reference(chsinkd_options, chsinkd_conf_intro, &text);
        fputs(pl_buf_cstr(&text), stdout);
        return 0;
    }
    pl_log_open("chsinkd");
    pl_http_global_init();
    daemon.config_file = cli.config;
    pl_findings_init(&errs);
    chsinkd_conf_load(cli.config, &daemon.conf, &errs);
    pl_buf_addf(&text, "%u route%s", daemon.conf.routes_n, daemon.conf.routes_n == 1 ? "" : "s");
    status = pl_cli_config(&cli, &errs, chsinkd_options, &daemon.conf, pl_buf_cstr(&text));
    if (status < 0)
        return chsinkd_configured(&daemon, &cli);
    chsinkd_conf_release(&daemon.conf);
    return status;
}

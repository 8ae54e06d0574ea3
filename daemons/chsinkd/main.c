/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the command line: which mode, which configuration.
 */
#include <errno.h>

#include "daemons/chsinkd/chsinkd.h"
#include "daemons/chsinkd/init.h"
#include "daemons/chsinkd/inspect.h"
#include "daemons/chsinkd/maintain.h"
#include "daemons/chsinkd/metrics.h"
#include "daemons/chsinkd/reload.h"
#include "daemons/chsinkd/show/show.h"
#include "lib/log/log.h"

enum { SAMPLE, SCHEMA, DRY_RUN, SHOW, MAINTAIN, ONCE, REPLAY, MODES };
enum { TOPIC = MODES, SQL, DEAD, ROWS, JSON, OPTS };

static const struct pl_cli_opt opts[] = {
    [SAMPLE] = {"sample", "N", "show the last N messages and their rows; write nothing"},
    [SCHEMA] = {"schema", "N", "show the fields of the last N messages, and a route for them"},
    [DRY_RUN] = {"dry-run", NULL,
                 "show the statements a start would run, try the last 1000 messages"},
    [SHOW] = {"show", "[ROUTE]", "show what was loaded, and where loading stands"},
    [MAINTAIN] = {"maintain", "[yes]",
                  "show what can go of Iceberg tables, snapshots and files; yes: remove it"},
    [ONCE] = {"once", NULL, "load to the end of the topics as it is now, then exit"},
    [REPLAY] = {"replay", "ROUTE", "bring the dead letters of a route back, then exit"},
    [TOPIC] = {"topic", "NAME", "with --sample and --schema: this topic, not the routes'"},
    [SQL] = {"sql", "TEXT", "with --show: run this statement, which only reads, and show its rows"},
    [DEAD] = {"dead", "N", "with --show: the newest N dead letters, too"},
    [ROWS] = {"rows", "N", "with --show: so many of the newest rows (3)"},
    [JSON] = {"json", NULL, "with --show: as JSON"},
    [OPTS] = {0},
};

static void conf_check(void *conf, bool for_service, struct pl_findings *errs)
{
    (void)for_service; /* all modes need Kafka */
    chsinkd_conf_check(conf, errs);
}

static void conf_release(void *conf)
{
    chsinkd_conf_release(conf);
}

static void conf_describe(const void *conf, struct pl_buf *out)
{
    const struct chsinkd_conf *c = conf;
    pl_buf_addf(out, "%u route%s", c->routes_n, c->routes_n == 1 ? "" : "s");
    for (size_t i = 0; i < c->routes_skipped.n; i++)
        pl_buf_addf(out, "%s %s", i == 0 ? "; for other outputs:" : ",", c->routes_skipped.v[i]);
}

static void conf_compare(const void *conf, const void *fresh, struct pl_buf *out)
{
    chsinkd_conf_compare(conf, fresh, out);
}

static int conf_try(void *fresh, struct pl_err *err)
{
    return reload_try(fresh, err);
}

static const struct pl_service_sum sums[] = {
    {"MESSAGES", M_RECEIVED}, {"DELIVERED", M_DELIVERED},   {"DEAD_LETTERED", M_DEAD},
    {"SKIPPED", M_SKIPPED},   {"GIVEN_BACK", M_GIVEN_BACK}, {"ROWS", M_ROWS},
    {"BATCHES", M_BATCHES},   {"BYTES", M_BYTES},           {0},
};

static const struct pl_program chsinkd = {
    .cli = {"chsinkd", "Loads Kafka topics into tables, each row exactly once.", opts, MODES,
            .count_max = 1000000},
    .options = chsinkd_options,
    .options_intro = chsinkd_conf_intro,
    .conf_size = sizeof(struct chsinkd_conf),
    .conf_check = conf_check,
    .conf_release = conf_release,
    .conf_describe = conf_describe,
    .conf_compare = conf_compare,
    .conf_try = conf_try,
    .metrics = chsinkd_metrics,
    .metrics_n = M_COUNT,
    .law = &chsinkd_law,
    .law_text = "received = delivered + dead + skipped + given back + in flight",
    .law_looks = 4, /* counters move while they are read: the same for three seconds */
    .sums = sums,
    .init = &chsinkd_init,
};

static int inspect(const struct chsinkd_conf *conf, const struct pl_cli *cli)
{
    const char *topic = cli->values[TOPIC];
    struct pl_err err;
    int r = cli->mode == DRY_RUN  ? inspect_dry_run(conf, 1000, &err)
            : cli->mode == SAMPLE ? inspect_sample(conf, topic, cli->count, &err)
                                  : inspect_schema(conf, topic, cli->count, &err);
    if (r == 0)
        return 0;
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot inspect", &err);
    return pl_err_exit_status(err.kind);
}

/* -1, or the exit status. */
static int number_take(const struct pl_cli *cli, int option, int64_t max, int64_t *ret)
{
    const char *text = cli->values[option];
    char *end;
    if (!text)
        return -1;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno == ERANGE || n > max)
        return pl_cli_refuse(&chsinkd.cli,
                             "option '--%s' needs a number from 0 to %" PRId64 ", not '%s'",
                             opts[option].name, max, text);
    *ret = n;
    return -1;
}

/* -1, or the exit status. */
static int show_take(const struct pl_cli *cli, struct show_ask *ret)
{
    const char *route = cli->values[SHOW];
    *ret = (struct show_ask){.route = route && route[0] ? route : NULL,
                             .sql = cli->values[SQL],
                             .rows = SHOW_ROWS_DFLT,
                             .json = cli->values[JSON] != NULL};
    for (int i = SQL; i < OPTS && cli->mode != SHOW; i++)
        if (cli->values[i])
            return pl_cli_refuse(&chsinkd.cli, "--%s is for --show", opts[i].name);
    int status = number_take(cli, DEAD, SHOW_LETTERS_SAMPLE_MAX, &ret->dead);
    return status >= 0 ? status : number_take(cli, ROWS, SHOW_ROWS_MAX, &ret->rows);
}

static int show(const struct chsinkd_conf *conf, const struct show_ask *ask)
{
    struct pl_err err;
    if (show_run(conf, ask, &err) == 0)
        return 0;
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot show what was asked for", &err);
    return pl_err_exit_status(err.kind);
}

static int maintain(const struct chsinkd_conf *conf, const char *answer)
{
    struct pl_err err;
    if (answer[0] != '\0' && strcmp(answer, "yes") != 0)
        return pl_cli_refuse(&chsinkd.cli, "option '--maintain' takes yes, or nothing");
    if (maintain_run(conf, answer[0] != '\0', &err) == 0)
        return 0;
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "not all tables were maintained", &err);
    return pl_err_exit_status(err.kind);
}

static const struct route *route_find(const struct chsinkd_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->routes_n; i++)
        if (strcmp(conf->routes[i]->name, name) == 0)
            return conf->routes[i];
    return NULL;
}

int main(int argc, char **argv)
{
    PL_CLEANUP(pl_service_release) struct pl_service service = {0};
    int status = pl_service_parse(&service, &chsinkd, argc, argv), mode = service.cli.mode;
    struct show_ask ask;
    if (status < 0)
        status = show_take(&service.cli, &ask);
    if (status < 0)
        status = pl_service_configure(&service, mode >= ONCE);
    if (status >= 0)
        return status;
    if (mode == SHOW)
        return show(service.conf, &ask);
    if (mode == MAINTAIN)
        return maintain(service.conf, service.cli.values[MAINTAIN]);
    if (mode < ONCE)
        return inspect(service.conf, &service.cli);
    struct chsinkd_mode run = {.once = mode != MODES};
    if (mode == REPLAY && !(run.replay = route_find(service.conf, service.cli.values[REPLAY]))) {
        pl_log(PL_ERROR, PL_EVENT_CONFIG_ERROR, "--replay: no route has that name",
               PL_F_STR("ROUTE", service.cli.values[REPLAY]));
        return pl_err_exit_status(PL_ERR_CONFIG);
    }
    if (run.once)
        chsinkd_conf_one_shot(service.conf);
    return chsinkd_run(&service, &run);
}

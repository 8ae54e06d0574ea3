/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the command line: which mode, which configuration.
 */
#include "daemons/chsinkd/chsinkd.h"
#include "daemons/chsinkd/inspect.h"
#include "daemons/chsinkd/metrics.h"
#include "lib/log/log.h"

enum { SAMPLE, SCHEMA, DRY_RUN, ONCE, REPLAY, MODES, TOPIC = MODES, OPTS };

static const struct pl_cli_opt opts[] = {
    [SAMPLE] = {"sample", "N", "show the last N messages and their rows; write nothing"},
    [SCHEMA] = {"schema", "N", "show the fields of the last N messages, and a route for them"},
    [DRY_RUN] = {"dry-run", NULL,
                 "show the statements a start would run, try the last 1000 messages"},
    [ONCE] = {"once", NULL, "load to the end of the topics as it is now, then exit"},
    [REPLAY] = {"replay", "ROUTE", "bring the dead letters of a route back, then exit"},
    [TOPIC] = {"topic", "NAME", "with --sample and --schema: this topic, not the routes'"},
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
    unsigned n = ((const struct chsinkd_conf *)conf)->routes_n;
    pl_buf_addf(out, "%u route%s", n, n == 1 ? "" : "s");
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
    .metrics = chsinkd_metrics,
    .metrics_n = M_COUNT,
    .law = &chsinkd_law,
    .law_text = "received = delivered + dead + skipped + given back + in flight",
    .law_looks = 4, /* counters move while they are read: the same for three seconds */
    .sums = sums,
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
    if (status < 0)
        status = pl_service_configure(&service, mode >= ONCE);
    if (status >= 0)
        return status;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the command line: which mode, which configuration. All else is in wikisrcd.c and
 * inspect.c, which tests can link.
 */
#include "daemons/wikisrcd/init.h"
#include "daemons/wikisrcd/inspect.h"
#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/move.h"
#include "daemons/wikisrcd/wikisrcd.h"
#include "lib/base/clock.h"

enum { ONCE = INSPECT_MODES, POSITION, MODES, START = MODES, END, OVERLAP, SET, OPTS };

static const struct pl_cli_opt opts[] = {
    [INSPECT_SAMPLE] = {"sample", "N", "Print N events for a person to read; write nothing."},
    [INSPECT_SCHEMA] = {"schema", "N", "Print the fields that N events have, and their types."},
    [INSPECT_PRODUCE] = {"produce", "N", "Write N events to the topic and show each."},
    [ONCE] = {"once", NULL, "Load the range --start to --end into the topic, and exit."},
    [POSITION] = {"position", NULL, "Show where the service is in the source."},
    [START] = {"start", "TIME", "Start of the range: -2d, 2026-01-01T00:00:00Z, milliseconds."},
    [END] = {"end", "TIME",
             "Its end, in the same forms; default: where the service began, or now."},
    [OVERLAP] = {"overlap", NULL, "With --once: also load what is in the topic already."},
    [SET] = {"set", "TIME", "With --position: move it there. Stop the service first."},
    [OPTS] = {0},
};

static const struct pl_service_sum sums[] = {
    {"RECEIVED", M_RECEIVED},
    {"DELIVERED", M_DELIVERED},
    {"DUPLICATES", M_DUPLICATES},
    {"CANARIES", M_CANARIES},
    {"FILTERED", M_FILTERED},
    {"SKIPPED", M_SKIPPED},
    {"NOT_REDACTABLE", M_NOT_REDACTABLE},
    {"REFETCHED", M_REFETCHED},
    {"MALFORMED", M_MALFORMED},
    {"TRANSACTIONS", M_COMMITTED},
    {0},
};

static const struct pl_program wikisrcd = {
    .cli = {"wikisrcd", "Wikimedia EventStreams to a Kafka topic, exactly once.", opts, MODES,
            .count_max = 10000000},
    .options = wikisrcd_opts,
    .options_intro = wikisrcd_conf_intro,
    .conf_size = sizeof(struct wikisrcd_conf),
    .conf_check = wikisrcd_conf_check,
    .metrics = wikisrcd_metrics,
    .metrics_n = M_COUNT,
    .law = &wikisrcd_conservation,
    .law_text = "received = delivered + dropped + refetched + in flight",
    .law_looks = 1, /* between events it holds exactly */
    .sums = sums,
    .init = &wikisrcd_init,
};

/* -1: continue; else the exit status. */
static int time_take(const struct pl_cli *cli, int option, int64_t now_ms, int64_t *ret_ms)
{
    const char *why, *text = cli->values[option];
    *ret_ms = -1;
    if (!text || pl_moment_parse(text, now_ms, ret_ms, &why))
        return -1;
    return pl_cli_refuse(&wikisrcd.cli, "--%s: '%s' is %s", opts[option].name, text, why);
}

/* The same, for --start, --end and --overlap. */
static int range_take(const struct pl_cli *cli, struct backfill_ask *ret)
{
    ret->now_ms = pl_clock_realtime_ms();
    ret->overlap = cli->values[OVERLAP];
    if (cli->mode != ONCE && (cli->values[START] || cli->values[END] || ret->overlap))
        return pl_cli_refuse(&wikisrcd.cli, "--start, --end and --overlap go with --once");
    int status = time_take(cli, START, ret->now_ms, &ret->start_ms);
    if (status < 0)
        status = time_take(cli, END, ret->now_ms, &ret->end_ms);
    if (status >= 0)
        return status;
    if (ret->start_ms < 0 && (ret->end_ms >= 0 || ret->overlap))
        return pl_cli_refuse(&wikisrcd.cli, "--end and --overlap need --start, such as --start "
                                            "-2d");
    if (ret->end_ms > ret->now_ms)
        return pl_cli_refuse(&wikisrcd.cli, "--end is in the future, which is left to the service");
    if (ret->end_ms >= 0 && ret->start_ms >= ret->end_ms)
        return pl_cli_refuse(&wikisrcd.cli, "--start must be before --end");
    return -1;
}

int main(int argc, char **argv)
{
    PL_CLEANUP(pl_service_release) struct pl_service service = {0};
    PL_CLEANUP(once_release) struct once once = {.ask = {.service_ms = -1}};
    int status = pl_service_parse(&service, &wikisrcd, argc, argv), mode = service.cli.mode;
    if (status < 0)
        status = range_take(&service.cli, &once.ask);
    int64_t to_ms = -1;
    if (status < 0)
        status = time_take(&service.cli, SET, once.ask.now_ms, &to_ms);
    if (status < 0 && to_ms >= 0 && mode != POSITION)
        status = pl_cli_refuse(&wikisrcd.cli, "--set goes with --position");
    if (status < 0)
        status = pl_service_configure(&service, mode >= INSPECT_PRODUCE);
    if (status >= 0)
        return status;
    if (mode < INSPECT_MODES)
        return inspect_run(service.conf, (enum inspect_mode)mode, service.cli.count);
    if (mode == POSITION)
        return move_run(service.conf, to_ms);
    if (mode == ONCE) { /* metrics.listen is the service's */
        struct wikisrcd_conf *conf = service.conf;
        free(PL_TAKE(conf->metrics.listen));
        once.key = once_key(conf);
    }
    return wikisrcd_run(&service, mode == ONCE ? &once : NULL);
}

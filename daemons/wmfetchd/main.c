/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the command line: which mode, which range, which configuration. All else is in
 * wmfetchd.c, once.c and inspect.c, which tests can link.
 *
 * All that a person can get wrong is found here, with status 64 (usage) or 78 (configuration),
 * before anything is connected.
 */
#include <malloc.h>

#include "daemons/wmfetchd/init.h"
#include "daemons/wmfetchd/inspect.h"
#include "daemons/wmfetchd/metrics.h"
#include "daemons/wmfetchd/move.h"
#include "daemons/wmfetchd/once.h"
#include "daemons/wmfetchd/wmfetchd.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"

#define DUMP_FILE    "api_response_debug.json"
#define AUTH_BACK_MS INT64_C(3600000)  /* --auth-test asks for the last hour */
#define LOOK_BACK_MS INT64_C(86400000) /* --sample, --schema for the last day */

enum { AUTH_TEST, ONCE, SAMPLE, SCHEMA, POSITION, MODES, START = MODES, END, DUMP, SET, OPTS };

static const struct pl_cli_opt opts[] = {
    [AUTH_TEST] = {"auth-test", NULL,
                   "Get a token and fetch the last hour into " INSPECT_ANSWER_FILE "."},
    [ONCE] = {"once", NULL, "Load --start to --end into the topic and exit."},
    [SAMPLE] = {"sample", "N", "Print N transactions for a person to read."},
    [SCHEMA] = {"schema", "N", "Print the fields that N transactions have, with types."},
    [POSITION] = {"position", "[KEY]",
                  "Show the position of a series (APPLICATION/INDEX), or of all."},
    [START] = {"start", "TIME", "Start of the range: -12d, 2026-01-01T00:00:00Z, milliseconds."},
    [END] = {"end", "TIME", "End of the range, in the same forms; default: now."},
    [DUMP] = {"dump", "[FILE]", "With --once: keep the answer as it came (" DUMP_FILE ")."},
    [SET] = {"set", "TIME", "With --position KEY: move it. The service must be stopped."},
    [OPTS] = {0},
};

static const struct pl_service_sum sums[] = {
    {"WINDOWS", M_WINDOWS_COMMITTED}, {"RECEIVED", M_RECEIVED},      {"DELIVERED", M_DELIVERED},
    {"REFETCHED", M_REFETCHED},       {"MESSAGES", M_MESSAGES},      {"RECORDS", M_RECORDS},
    {"BYTES", M_DELIVERED_BYTES},     {"TRANSACTIONS", M_COMMITTED}, {0},
};

static const struct pl_program wmfetchd = {
    .cli = {"wmfetchd", "Watermelon's hourly series to a Kafka topic, exactly once.", opts, MODES,
            .count_max = 10000000},
    .options = wmfetchd_opts,
    .options_intro = wmfetchd_conf_intro,
    .conf_size = sizeof(struct wmfetchd_conf),
    .conf_check = wmfetchd_conf_check,
    .metrics = wmfetchd_metrics,
    .metrics_n = M_COUNT,
    .law = &wmfetchd_conservation,
    .law_text = "received = delivered + refetched + in flight",
    .law_looks = 1, /* between elements it holds exactly */
    .sums = sums,
    .init = &wmfetchd_init,
};

/* -1: continue; else the exit status. */
static int time_take(const struct pl_cli *cli, int option, int64_t now_ms, int64_t *ret_ms)
{
    const char *why, *text = cli->values[option];
    if (!text || pl_moment_parse(text, now_ms, ret_ms, &why))
        return -1;
    return pl_cli_refuse(&wmfetchd.cli, "--%s: '%s' is %s", opts[option].name, text, why);
}

/* The same, for --start, --end and --dump. */
static int range_take(const struct pl_cli *cli, struct once_range *ret)
{
    int64_t now_ms = pl_clock_realtime_ms();
    bool given = cli->values[START] || cli->values[END];
    ret->dump = cli->values[DUMP];
    if (ret->dump && !ret->dump[0])
        ret->dump = DUMP_FILE;
    if (ret->dump && cli->mode != ONCE)
        return pl_cli_refuse(&wmfetchd.cli, "--dump goes with --once");
    if (cli->mode == MODES && given)
        return pl_cli_refuse(&wmfetchd.cli, "--start and --end need a mode, such as --once (the "
                                            "service goes by its position)");
    if (cli->mode == POSITION && given)
        return pl_cli_refuse(&wmfetchd.cli, "--position goes with --set, not --start and --end");
    if (cli->mode == ONCE && !cli->values[START])
        return pl_cli_refuse(&wmfetchd.cli, "--once needs --start, such as --start -12d");
    ret->end_ms = now_ms;
    int status = time_take(cli, END, now_ms, &ret->end_ms);
    if (status >= 0)
        return status;
    ret->start_ms = ret->end_ms - (cli->mode == AUTH_TEST ? AUTH_BACK_MS : LOOK_BACK_MS);
    if (ret->start_ms < 0)
        ret->start_ms = 0;
    status = time_take(cli, START, now_ms, &ret->start_ms);
    if (status < 0 && ret->start_ms >= ret->end_ms)
        return pl_cli_refuse(&wmfetchd.cli, "--start must be before --end");
    return status;
}

/* The same, for --position and --set. */
static int move_take(const struct pl_cli *cli, struct move_ask *ret)
{
    ret->key = cli->values[POSITION];
    ret->set = cli->values[SET];
    if (ret->set && cli->mode != POSITION)
        return pl_cli_refuse(&wmfetchd.cli, "--set goes with --position KEY");
    if (ret->set && !ret->key[0])
        return pl_cli_refuse(&wmfetchd.cli, "--set needs the key of one series: --position KEY; "
                                            "--position alone shows them");
    return time_take(cli, SET, pl_clock_realtime_ms(), &ret->to_ms);
}

/* A time that the API's form cannot express: given as such it is refused, "now" and "-12d" are its
 * second. -1: continue; else the exit status. */
static int unit_take(const struct pl_service *service, int option, int64_t *ms)
{
    int64_t rest_ms = *ms % wmfetchd_time_unit_ms(service->conf);
    const char *text = service->cli.values[option];
    if (rest_ms != 0 && text && text[0] >= '0' && text[0] <= '9')
        return pl_cli_refuse(&wmfetchd.cli,
                             "--%s: '%s' must be a whole second, as api.time.format is s",
                             opts[option].name, text);
    *ms -= rest_ms;
    return -1;
}

static void exposed_warn(const struct wmfetchd_conf *conf)
{
    bool token = conf->auth.method == PL_AUTH_TOKEN;
    if (wmfetchd_url_is_exposed(conf->api.url) && token)
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "api.url is http: the token can be read on the way, use https");
    else if (wmfetchd_url_is_exposed(conf->api.url))
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "api.url is http: what auth sends can be read on the way, use https");
    if (token && !conf->auth.token_url && wmfetchd_url_is_exposed(conf->auth.url))
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "auth.url is http: password and secret can be read on the way, use https");
    if (token && conf->auth.token_url && wmfetchd_url_is_exposed(conf->auth.token_url))
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "auth.token_url is http: password and secret can be read on the way, use https");
}

int main(int argc, char **argv)
{
    static const enum inspect_mode looks[] = {
        [AUTH_TEST] = INSPECT_AUTH_TEST, [SAMPLE] = INSPECT_SAMPLE, [SCHEMA] = INSPECT_SCHEMA};
    PL_CLEANUP(pl_service_release) struct pl_service service = {0};
    /* glibc raises this limit when a large block is freed, and then keeps elements' blocks as holes
     * in the heap. Fixed, 1 GB through us peaks at 24 MB instead of 29, for a tenth more CPU. */
    mallopt(M_MMAP_THRESHOLD, 131072);
    int status = pl_service_parse(&service, &wmfetchd, argc, argv), mode = service.cli.mode;
    struct once_range range;
    if (status < 0)
        status = range_take(&service.cli, &range);
    struct move_ask move = {0};
    if (status < 0)
        status = move_take(&service.cli, &move);
    if (status < 0)
        status = pl_service_configure(&service, mode == MODES || mode == ONCE || mode == POSITION);
    if (status < 0)
        status = unit_take(&service, START, &range.start_ms);
    if (status < 0)
        status = unit_take(&service, END, &range.end_ms);
    if (status < 0)
        status = unit_take(&service, SET, &move.to_ms);
    if (status >= 0)
        return status;
    if (mode == POSITION)
        return move_run(service.conf, &move);
    exposed_warn(service.conf);
    if (mode == MODES)
        return wmfetchd_run(&service);
    if (mode == ONCE)
        return once_run(service.conf, &range);
    const struct inspect_ask ask = {looks[mode], service.cli.count, range.start_ms, range.end_ms};
    return inspect_run(service.conf, &ask);
}

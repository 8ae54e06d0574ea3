/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - the command line: which mode, which range, which configuration.
 *
 * All that a person can get wrong is found here, with status 64 (use) or 78 (configuration),
 * before anything is connected.
 */
#include <malloc.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemons/wmfetchd/inspect.h"
#include "daemons/wmfetchd/once.h"
#include "daemons/wmfetchd/window/schedule.h"
#include "daemons/wmfetchd/wmfetchd.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"
#include "lib/service/cli.h"
#include "lib/service/daemon.h"

enum { EXIT_USAGE = 64 }; /* sysexits(3) */

#define DUMP_FILE    "api_response_debug.json"
#define AUTH_BACK_MS INT64_C(3600000)  /* --auth-test asks for the last hour */
#define LOOK_BACK_MS INT64_C(86400000) /* --sample, --schema for the last day */
#define SAMPLE_MAX   INT64_C(10000000)

enum {
    OPT_AUTH_TEST,
    OPT_ONCE,
    OPT_SAMPLE,
    OPT_SCHEMA,
    MODES,
    OPT_START = MODES,
    OPT_END,
    OPT_DUMP
};

static const struct pl_cli_opt cli_opts[] = {
    [OPT_AUTH_TEST] = {"auth-test", false, NULL,
                       "Get a token, fetch the last hour, keep it in " INSPECT_ANSWER_FILE "."},
    [OPT_ONCE] = {"once", false, NULL, "Load --start to --end into the topic and exit."},
    [OPT_SAMPLE] = {"sample", true, "N", "Print N transactions for a person to read."},
    [OPT_SCHEMA] = {"schema", true, "N", "Print the fields that N transactions have, with types."},
    [OPT_START] = {"start", true, "TIME",
                   "Begin of the range: -12d, 2026-01-01T00:00:00Z, milliseconds."},
    [OPT_END] = {"end", true, "TIME", "End of the range, of the same forms; default: now."},
    [OPT_DUMP] = {"dump", true, "FILE", "With --once: keep the answer as it came (" DUMP_FILE ")."},
    {0},
};

struct request {
    int mode; /* OPT_AUTH_TEST … OPT_SCHEMA; MODES: the service */
    int64_t count, start_ms, end_ms;
    const char *dump;
};

static int usage_error(const char *text)
{
    fprintf(stderr, "wmfetchd: %s\nTry 'wmfetchd --help'.\n", text);
    return EXIT_USAGE;
}

/* 0 or the exit status. */
static int time_take(const struct pl_cli *cli, int option, int64_t now_ms, int64_t *ret_ms)
{
    const char *why, *text = cli->values[option];
    if (!text || schedule_time_parse(text, now_ms, ret_ms, &why))
        return 0;
    fprintf(stderr, "wmfetchd: --%s: '%s' is %s\n", cli_opts[option].name, text, why);
    return EXIT_USAGE;
}

static int range_take(const struct pl_cli *cli, struct request *ret)
{
    int64_t now_ms = pl_clock_realtime_ms();
    bool given = cli->values[OPT_START] || cli->values[OPT_END];
    if (ret->mode == MODES && given)
        return usage_error("--start and --end need a mode, such as --once (the service goes by its "
                           "position)");
    if (ret->mode == OPT_ONCE && !cli->values[OPT_START])
        return usage_error("--once needs --start, such as --start -12d");
    ret->end_ms = now_ms;
    int status = time_take(cli, OPT_END, now_ms, &ret->end_ms);
    if (status != 0)
        return status;
    ret->start_ms = ret->end_ms - (ret->mode == OPT_AUTH_TEST ? AUTH_BACK_MS : LOOK_BACK_MS);
    if (ret->start_ms < 0)
        ret->start_ms = 0;
    status = time_take(cli, OPT_START, now_ms, &ret->start_ms);
    if (status == 0 && ret->start_ms >= ret->end_ms)
        return usage_error("--start must be before --end");
    return status;
}

/* 0 or the exit status. */
static int request_take(const struct pl_cli *cli, struct request *ret)
{
    ret->mode = pl_cli_mode(cli, "wmfetchd", cli_opts, MODES);
    if (ret->mode < 0)
        return EXIT_USAGE;
    if (ret->mode == OPT_SAMPLE || ret->mode == OPT_SCHEMA) {
        int status =
            pl_cli_count(cli_opts[ret->mode].name, cli->values[ret->mode], SAMPLE_MAX, &ret->count);
        if (status >= 0)
            return status;
    }
    ret->dump = cli->values[OPT_DUMP];
    if (ret->dump && ret->mode != OPT_ONCE)
        return usage_error("--dump goes with --once");
    return range_take(cli, ret);
}

/* -1: go on; else the exit status. */
static int conf_load(const struct pl_cli *cli, bool needs_kafka, struct wmfetchd_conf *conf)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = cli->config;
    pl_options_load(wmfetchd_opts, cli->config, conf, NULL, &errs);
    if (conf->name) /* it could be read: all that is wrong is shown at once */
        wmfetchd_conf_check(conf, needs_kafka, &errs);
    return pl_cli_config(cli, &errs, wmfetchd_opts, conf, NULL);
}

static void conf_release(struct wmfetchd_conf *conf)
{
    pl_options_release(wmfetchd_opts, conf);
}

static void warn_of_what_is_open(const struct wmfetchd_conf *conf)
{
    if (conf->api.tls.insecure_skip_verify)
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "api.tls.insecure_skip_verify: the API's certificate is NOT verified");
    if (conf->auth.tls.insecure_skip_verify)
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "auth.tls.insecure_skip_verify: Keycloak's certificate is NOT verified");
    bool token = conf->auth.method == PL_AUTH_TOKEN,
         exposed = wmfetchd_url_is_exposed(conf->api.url);
    if (exposed && token)
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "api.url is http: the token can be read on the way, use https");
    else if (exposed)
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "api.url is http: what auth sends can be read on the way, use https");
    if (token && !conf->auth.token_url && wmfetchd_url_is_exposed(conf->auth.url))
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "auth.url is http: password and secret can be read on the way, use https");
    if (token && conf->auth.token_url && wmfetchd_url_is_exposed(conf->auth.token_url))
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "auth.token_url is http: password and secret can be read on the way, use https");
}

/* "--dump" without a file means the usual one. */
static void dump_default(int argc, char **argv)
{
    static char with_file[] = "--dump=" DUMP_FILE;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--dump") == 0 && (i + 1 == argc || argv[i + 1][0] == '-'))
            argv[i] = with_file;
}

/* Neither a core dump nor a debugger of the same user sees secrets. Not where sanitizers look for
 * leaks by means of a debugger's. */
static void memory_hide(void)
{
#if !defined(__SANITIZE_ADDRESS__)
    static const struct rlimit none = {0, 0};
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
#endif
}

/* glibc raises this limit when a large block is freed, and then keeps elements' blocks as holes in
 * the heap. Fixed, 1 GB through us peaks at 24 MB instead of 29, for a tenth more CPU. */
static void memory_spare(void)
{
    mallopt(M_MMAP_THRESHOLD, 131072);
}

static int mode_run(struct wmfetchd_conf *conf, const struct pl_cli *cli, const struct request *r)
{
    static const enum inspect_mode looks[] = {[OPT_AUTH_TEST] = INSPECT_AUTH_TEST,
                                              [OPT_SAMPLE] = INSPECT_SAMPLE,
                                              [OPT_SCHEMA] = INSPECT_SCHEMA};
    const struct once_range range = {r->start_ms, r->end_ms, r->dump};
    if (r->mode == MODES)
        return wmfetchd_run(conf, cli->config);
    if (r->mode == OPT_ONCE)
        return once_run(conf, &range);
    const struct inspect_ask ask = {looks[r->mode], r->count, r->start_ms, r->end_ms};
    return inspect_run(conf, &ask);
}

int wmfetchd_main(int argc, char **argv)
{
    PL_CLEANUP(conf_release) struct wmfetchd_conf conf = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct request request = {0};
    struct pl_cli cli;
    memory_hide();
    memory_spare();
    pl_log_open("wmfetchd");
    dump_default(argc, argv);
    int status =
        pl_cli_parse(argc, argv, "wmfetchd",
                     "Watermelon's hourly series to a Kafka topic, exactly once.", cli_opts, &cli);
    if (status >= 0)
        return status;
    if (cli.help_config) {
        pl_options_print_reference(wmfetchd_opts, wmfetchd_conf_intro, &text);
        fputs(pl_buf_cstr(&text), stdout);
        return 0;
    }
    status = request_take(&cli, &request);
    if (status != 0)
        return status;
    bool needs_kafka = request.mode == MODES || request.mode == OPT_ONCE;
    status = conf_load(&cli, needs_kafka, &conf);
    if (status >= 0)
        return status;
    pl_log_set_level(cli.verbose ? PL_DEBUG : pl_common_log_level(conf.log_level));
    pl_http_global_init();
    warn_of_what_is_open(&conf);
    return mode_run(&conf, &cli, &request);
}

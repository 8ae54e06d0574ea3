/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_service.c - what lies between main() and a daemon's work, with a small daemon of its own:
 * its rates and its law by tables, its configuration by files, its life in forked children.
 */
#include "lib/service/service.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "lib/base/clock.h"
#include "lib/config/common.h"
#include "lib/http/http.h"
#include "lib/log/log.h"
#include "tests/unit/capture.h"
#include "tests/unit/unit.h"
#include "tests/unit/watch.h"

/* ---- a daemon ---- */

struct conf {
    int64_t rows, start_timeout_ms, stop_timeout_ms;
    char *topic;
    struct pl_tls tls;
    struct {
        char *listen;
    } metrics;
    int log_level;
    char *loaded; /* by conf_check */
};

static const struct pl_option options[] = {
    PL_OPTION("rows", INT, struct conf, rows, .min = 1, .max = 9, .dflt = "5",
              .flags = PL_OPT_RELOADABLE, .help = "Rows."),
    PL_OPTION("topic", STRING, struct conf, topic, .min = 1, .dflt = "t", .help = "Topic."),
    PL_HTTP_TLS_OPTS("source.tls", struct conf, tls),
    PL_SERVICE_OPTS(struct conf, "9469", "it.", "it takes."),
    PL_OPT_END,
};

static unsigned checked;

static void conf_check(void *conf, bool for_service, struct pl_findings *errs)
{
    struct conf *c = conf;

    checked++;
    c->loaded = pl_strdup("a leak where nobody releases it");
    if (c->rows == 6)
        pl_findings_warn(errs, 0, 0, "mind the six");
    if (c->rows == 7)
        pl_findings_add(errs, 0, 0, "seven is bad");
    if (for_service && c->rows == 8)
        pl_findings_add(errs, 0, 0, "eight is bad for a service");
}

static void conf_release(void *conf)
{
    free(((struct conf *)conf)->loaded);
}

static void conf_describe(const void *conf, struct pl_buf *out)
{
    pl_buf_addf(out, "%d rows", (int)((const struct conf *)conf)->rows);
}

enum { RECEIVED, DELIVERED, METRICS };
static const struct pl_metric metrics[METRICS] = {
    [RECEIVED] = {"testd_received_total", NULL, PL_COUNTER, "Received."},
    [DELIVERED] = {"testd_delivered_total", NULL, PL_COUNTER, "Delivered."},
};
static const unsigned received[] = {RECEIVED}, delivered[] = {DELIVERED};
static const struct pl_conservation law = {received, delivered, 1, 1};
static const struct pl_service_sum sums[] = {{"RECEIVED", RECEIVED}, {"DELIVERED", DELIVERED}, {0}};
static const struct pl_cli_opt opts[] = {{"sample", "N", "Look."}, {0}};

static const struct pl_program testd = {
    .cli = {"testd", "Does a test.", opts, 1, 9},
    .options = options,
    .options_intro = "testd: a test.",
    .conf_size = sizeof(struct conf),
    .conf_check = conf_check,
    .conf_release = conf_release,
    .metrics = metrics,
    .metrics_n = METRICS,
    .law = &law,
    .law_text = "received = delivered + in flight",
    .law_looks = 2,
    .sums = sums,
};

static char *conf_path;

/* Again over the same file, for a reload. */
static void conf_write(const char *text)
{
    if (!conf_path) {
        PL_FREE char *dir = unit_dir();
        conf_path = pl_strf("%s/testd.yaml", dir);
    }
    FILE *f = fopen(conf_path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static int parse(struct pl_service *s, const struct pl_program *program, const char *arg)
{
    char *argv[] = {(char[]){"testd"}, (char[]){"-c"}, conf_path, (char *)(uintptr_t)arg, NULL};

    return pl_service_parse(s, program, arg ? 4 : 3, argv);
}

static struct capture capture;

/* ---- rates ---- */

START_TEST(rate)
{
    static const struct {
        uint64_t count;
        int64_t now_ms;
        double per_s;
    } looks[] = {
        {100, 5000, 0}, /* nothing to compare with */
        {150, 6000, 50},  {150, 7000, 0}, {151, 7500, 2}, {153, 7500, 0}, /* no time passed */
        {173, 8500, 20},  {30, 9500, 30},                                 /* began again at 0 */
        {31, 11500, 0.5},
    };
    struct pl_rate r = {0};

    for (size_t i = 0; i < PL_COUNT(looks); i++)
        ck_assert_double_eq_tol(pl_rate_next(&r, looks[i].count, looks[i].now_ms), looks[i].per_s,
                                1e-9);
}
END_TEST

/* ---- the law ---- */

static const struct law_case {
    unsigned looks;
    int64_t differences[12];
    const char *reported; /* a letter a look: R or . */
} law_cases[] = {
    {1, {0, 0, 0}, "..."},
    {1, {0, 5, 5, 6, 0, 5}, ".R...R"}, /* once, until it held */
    {1, {-5, 0, -5}, "R.R"},
    {4, {5, 5, 5, 5, 5}, "...R."},
    {4, {5, 5, 6, 6, 6, 6, 6}, ".....R."}, /* the same difference, in a row */
    {4, {5, 5, 5, 0, 5, 5, 5, 5}, ".......R"},
    {4, {1, 2, 3, 4, 5, 6, 7}, "......."}, /* counters that move while they are read */
    {2, {5, -5, 5, -5, -5}, "....R"},
};

START_TEST(law_watch)
{
    const struct law_case *c = &law_cases[_i];
    struct pl_law_watch w = {0};

    for (size_t i = 0; i < strlen(c->reported); i++)
        ck_assert_msg(pl_law_watch_next(&w, c->differences[i], c->looks) == (c->reported[i] == 'R'),
                      "look %zu", i);
}
END_TEST

/* ---- --check-config, --print-config, neither ---- */

static const struct config_case {
    const char *conf, *arg; /* NULL: none */
    int status;
    const char *text; /* stands in stdout and stderr, after FILE where it begins with ':' */
} config_cases[] = {
    {"rows: 3\n", "--check-config", 0, ": valid\n"},
    {"rows: 6\n", "--check-config", 0, ": valid\n"},
    {"rows: 6\n", "--check-config", 0, ": mind the six\n"},
    {"rows: 6\n", "--check-config", 0, "warning: /tmp/"},
    {"rows: 7\n", "--check-config", 78, ": seven is bad\n"},
    {"rows: 8\n", "--check-config", 78, ": eight is bad for a service\n"},
    {"rows: x\nrow: 1\n", "--check-config", 78, ":1:7: "}, /* all that is wrong */
    {"rows: x\nrow: 1\n", "--check-config", 78, ":2:1: unknown key row (did you mean rows?)\n"},
    {"row: 1\nrows: 7\n", "--check-config", 78, ": seven is bad\n"},
    {"rows: [\n", "--check-config", 78, ":2:1: "},
    {"rows: 3\n", "--print-config", 0, "rows: 3\n"},
    {"rows: 7\n", "--print-config", 78, "configuration error=\""},
    {"rows: 7\n", NULL, 78, "seven is bad\"\n"},
    {"rows: 7\n", NULL, 78, "ERROR  testd: configuration error=\"/tmp/"},
    {"rows: 6\n", NULL, -1, "WARN   testd: configuration error=\"/tmp/"},
    {"rows: 3\n", NULL, -1, NULL},
    {"rows: 3\nsource: {tls: {insecure_skip_verify: true}}\n", NULL, -1,
     "WARN   testd: certificates are NOT verified"},
    {"source: {tls: {insecure_skip_verify: true}}\n", NULL, -1,
     "option=source.tls.insecure_skip_verify\n"},
};

START_TEST(configure)
{
    const struct config_case *c = &config_cases[_i];
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};
    char expected[256] = "";
    int status;

    conf_write(c->conf);
    ck_assert_int_eq(parse(&s, &testd, c->arg), -1);
    capture_begin(&capture);
    status = pl_service_configure(&s, true);
    capture_end(&capture);
    ck_assert_msg(status == c->status, "%d: %s", status, capture.text);
    if (c->text)
        snprintf(expected, sizeof(expected), "%s%s", c->text[0] == ':' ? conf_path : "", c->text);
    ck_assert_msg(c->text ? strstr(capture.text, expected) != NULL : !capture.text[0], "%s",
                  capture.text);
    if (c->arg && c->status == 0 && strcmp(c->arg, "--check-config") == 0)
        ck_assert_ptr_null(strstr(capture.text, "rows: "));
}
END_TEST

/* Of a file that cannot be read nothing is checked: all of it would be missing. */
START_TEST(configure_without_a_file)
{
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};
    char expected[256];

    conf_write("");
    ck_assert_int_eq(remove(conf_path), 0);
    ck_assert_int_eq(parse(&s, &testd, NULL), -1);
    capture_begin(&capture);
    ck_assert_int_eq(pl_service_configure(&s, true), 78);
    capture_end(&capture);
    snprintf(expected, sizeof(expected),
             "configuration error=\"%s: cannot read it: No such file or directory\"\n", conf_path);
    ck_assert_str_eq(strstr(capture.text, "configuration"), expected); /* and nothing else */
    ck_assert_uint_eq(checked, 0);
}
END_TEST

/* What a mode needs is less than what the service needs; and what a daemon says of its own. */
START_TEST(configure_for_a_mode)
{
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};
    struct pl_program program = testd;
    char expected[256];

    program.conf_describe = conf_describe;
    conf_write("rows: 8\n");
    ck_assert_int_eq(parse(&s, &program, "--check-config"), -1);
    capture_begin(&capture);
    ck_assert_int_eq(pl_service_configure(&s, false), 0);
    capture_end(&capture);
    snprintf(expected, sizeof(expected), "%s: valid, 8 rows\n", conf_path);
    ck_assert_str_eq(capture.text, expected);
}
END_TEST

static const struct parse_case {
    const char *arg;
    int status;
    const char *text;
} parse_cases[] = {
    {"--help-config", 0, "# testd: a test.\n"},
    {"--help-config", 0, "#rows: 5\n"},
    {"--version", 0, "testd "},
    {"--sampel=3", 64, "did you mean '--sample'?"},
    {"--sample=10", 64, "from 1 to 9"},
    {"--sample=9", -1, ""},
};

START_TEST(parsed)
{
    const struct parse_case *c = &parse_cases[_i];
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};
    int status;

    conf_write("");
    capture_begin(&capture);
    status = parse(&s, &testd, c->arg);
    capture_end(&capture);
    ck_assert_int_eq(status, c->status);
    ck_assert_msg(strstr(capture.text, c->text), "%s", capture.text);
    if (status == -1)
        ck_assert_int_eq(s.cli.count, 9);
}
END_TEST

/* No core, no reader of our memory from the first call on, whatever the command line. */
START_TEST(memory_is_hidden)
{
    const struct rlimit some = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
    struct rlimit core;
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};

    conf_write("");
    setrlimit(RLIMIT_CORE, &some);
    prctl(PR_SET_DUMPABLE, 1);
    capture_begin(&capture);
    parse(&s, &testd, "--nonsense");
    capture_end(&capture);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &core), 0);
    ck_assert(core.rlim_cur == 0 && core.rlim_max == 0);
}
END_TEST

/* ---- reload ---- */

static const struct reload_case {
    const char *conf;
    bool taken;
    int64_t rows;
    const char *changed; /* NULL: none */
    const char *text;
} reload_cases[] = {
    {"rows: 4\n", true, 4, "rows", "configuration reloaded changed=rows\n"},
    {"rows: 3\n", true, 3, NULL, "configuration reloaded changed=nothing\n"},
    {"rows: 4\ntopic: u\n", true, 4, "rows", "change only with a restart options=topic\n"},
    {"rows: 6\n", true, 6, "rows", "mind the six"},
    {"rows: 7\n", false, 3, NULL, "configuration not reloaded, the old one stays file=/tmp/"},
    {"rows: 8\n", false, 3, NULL, "eight is bad for a service"},
    {"rows: 4\nrow: 5\n", false, 3, NULL, "did you mean rows?"},
    {"rows: [\n", false, 3, NULL, "configuration error="},
};

START_TEST(reload)
{
    const struct reload_case *c = &reload_cases[_i];
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};
    PL_CLEANUP(pl_strings_release) struct pl_strings changed = {0};
    bool taken;

    conf_write("rows: 3\n");
    ck_assert_int_eq(parse(&s, &testd, NULL), -1);
    ck_assert_int_eq(pl_service_configure(&s, true), -1);
    conf_write(c->conf);
    capture_begin(&capture);
    taken = pl_service_reload(&s, &changed);
    capture_end(&capture);
    ck_assert_int_eq(taken, c->taken);
    ck_assert_msg(strstr(capture.text, c->text), "%s", capture.text);
    ck_assert_int_eq(((struct conf *)s.conf)->rows, c->rows);
    ck_assert_str_eq(((struct conf *)s.conf)->topic, "t");
    ck_assert_uint_eq(changed.n, c->changed != NULL);
    if (c->changed)
        ck_assert_str_eq(changed.v[0], c->changed);
    capture_begin(&capture);
    pl_service_reload(&s, NULL);
    capture_end(&capture);
}
END_TEST

static void conf_compare(const void *conf, const void *fresh, struct pl_buf *out)
{
    const char *before = ((const struct conf *)conf)->topic;
    const char *after = ((const struct conf *)fresh)->topic;

    if (strcmp(before, after) != 0)
        pl_buf_addf(out, "%s to %s", before, after);
}

static int conf_try(void *fresh, struct pl_err *err)
{
    if (((struct conf *)fresh)->rows < 9)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, 0, "no table has so many rows");
}

/* Nothing is applied: the start that follows takes over all. */
START_TEST(reload_that_needs_a_start)
{
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};
    struct pl_program program = testd;
    enum pl_reload result;

    program.conf_compare = conf_compare;
    conf_write("rows: 3\n");
    ck_assert_int_eq(parse(&s, &program, NULL), -1);
    ck_assert_int_eq(pl_service_configure(&s, true), -1);
    conf_write("rows: 4\n");
    ck_assert_int_eq(pl_service_reload(&s, NULL), PL_RELOAD_TAKEN);
    conf_write("rows: 5\ntopic: u\n");
    capture_begin(&capture);
    result = pl_service_reload(&s, NULL);
    capture_end(&capture);
    ck_assert_int_eq(result, PL_RELOAD_AGAIN);
    ck_assert_msg(strstr(capture.text, "to take over the configuration changed=\"t to u\"\n"), "%s",
                  capture.text);
    ck_assert_int_eq(((struct conf *)s.conf)->rows, 4);
    program.conf_try = conf_try;
    ck_assert_int_eq(pl_service_reload(&s, NULL), PL_RELOAD_AGAIN);
    conf_write("rows: 9\ntopic: u\n");
    capture_begin(&capture);
    result = pl_service_reload(&s, NULL);
    capture_end(&capture);
    ck_assert_int_eq(result, PL_RELOAD_REFUSED);
    ck_assert_msg(
        strstr(capture.text, "not reloaded, the old one stays error=\"no table has so many rows\""),
        "%s", capture.text);
    ck_assert_int_eq(((struct conf *)s.conf)->rows, 4);
    conf_write("rows: 7\ntopic: u\n");
    capture_begin(&capture);
    result = pl_service_reload(&s, NULL);
    capture_end(&capture);
    ck_assert_int_eq(result, PL_RELOAD_REFUSED);
}
END_TEST

/* grep tells its process id, signals, mark, and (2) that a descriptor is not there. A shell would
 * unblock signals. */
static int run_again(const char *argv0, const char *exe)
{
    char *argv[] = {(char *)(uintptr_t)argv0,      (char[]){"-ahoe"},
                    (char[]){"^Pid:.*"},           (char[]){"-eShdPnd:.*"},
                    (char[]){"-eSigBlk:.*"},       (char[]){"-ePIPELINE_STARTED_AGAIN=1"},
                    (char[]){"/proc/self/status"}, (char[]){"/proc/self/environ"},
                    (char[]){"/proc/self/fd/77"},  NULL};
    struct pl_again again;
    struct pl_err err;
    sigset_t set;

    pl_again_begin(&again, argv);
    if (again.is_again || again.exe[0] != '/')
        return 98;
    snprintf(again.exe, sizeof(again.exe), "%s", exe);
    dup2(STDERR_FILENO, 77);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGTERM);
    pl_again_exec(&again, 5000, &err);
    return 99;
}

static int run_again_as_called(void)
{
    return run_again("/bin/grep", "/nowhere");
}

static int run_again_elsewhere(void)
{
    return run_again("/nowhere/grep", "/bin/grep");
}

static int run_again_by_name(void)
{
    return run_again("grep", "/bin/grep");
}

/* The same process with its streams and a signal that waits, and no other descriptor. */
START_TEST(executed_again)
{
    static int (*const runs[])(void) = {run_again_as_called, run_again_elsewhere,
                                        run_again_by_name};
    struct watch w;

    watch_open(&w, false);
    watch_start(&w, runs[_i]);
    PL_FREE char *pid = pl_strf("Pid:\t%d\n", (int)w.pid);
    expect(&w, "WATCHDOG=1");
    ck_assert(message_has(w.last, "EXTEND_TIMEOUT_USEC=5000000"));
    expect_exit(&w, 2);
    expect_no_more(&w);
    ck_assert_uint_eq(logged(&w, pid), 1);
    ck_assert_uint_eq(logged(&w, "/proc/self/fd/77: No such file"), 1);
    ck_assert_uint_eq(logged(&w, "PIPELINE_STARTED_AGAIN=1\n"), 1);
    ck_assert_uint_eq(logged(&w, "ShdPnd:\t0000000000004000\n"), 1);
    ck_assert_uint_eq(logged(&w, "SigBlk:\t0000000000004000\n"), 1);
    watch_close(&w);
}
END_TEST

static int run_mended(void)
{
    PL_CLEANUP(pl_service_release) struct pl_service s = {0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    setenv("PIPELINE_STARTED_AGAIN", "1", 1);
    if (parse(&s, &testd, NULL) != -1)
        return 99;
    int status = pl_service_configure(&s, true);
    return status == -1 ? 30 + (int)((struct conf *)s.conf)->rows : status;
}

/* The file was good when the reload began: it is being written. */
START_TEST(a_file_that_is_being_written)
{
    bool stop = _i == 1;
    struct watch w;

    watch_open(&w, false);
    conf_write("rows: [\n");
    watch_start(&w, run_mended);
    expect(&w, "STATUS=The configuration has faults: waiting until it is mended");
    ck_assert(message_has(w.last, "WATCHDOG=1"));
    if (stop)
        watch_kill(&w, SIGTERM);
    else
        conf_write("rows: 4\n");
    expect_exit(&w, stop ? 0 : 34);
    watch_close(&w);
}
END_TEST

/* -v counts more than the file, after a reload too. */
START_TEST(log_level)
{
    for (int verbose = 0; verbose < 2; verbose++) {
        PL_CLEANUP(pl_service_release) struct pl_service s = {0};

        conf_write("log_level: warning\n");
        ck_assert_int_eq(parse(&s, &testd, verbose ? "-v" : NULL), -1);
        ck_assert_int_eq(pl_service_configure(&s, true), -1);
        ck_assert_int_eq(pl_log_level(), verbose ? PL_DEBUG : PL_WARNING);
        conf_write("log_level: error\n");
        ck_assert(pl_service_reload(&s, NULL));
        ck_assert_int_eq(pl_log_level(), verbose ? PL_DEBUG : PL_ERROR);
    }
}
END_TEST

/* ---- a life ---- */

static struct pl_service service;
static unsigned ticks;

static void on_stop(void *userdata)
{
    (void)userdata;
    pl_service_status(&service, "stopping", "drained");
    pl_daemon_finish(service.daemon);
}

static bool is_ready(const char *why_not)
{
    char why[256] = "";

    return pl_metrics_is_ready(service.metrics, why, sizeof(why)) == !why_not &&
           (!why_not || strcmp(why, why_not) == 0);
}

/* The first two ticks find one message lost, the third finds it again. */
static void on_tick(void *userdata)
{
    (void)userdata;
    pl_metrics_heartbeat_at(service.metrics, 0);
    pl_service_tick(&service, ticks < 2 ? 1 : 2);
    if (!pl_metrics_is_healthy(service.metrics, pl_clock_monotonic_ms()))
        abort();
    if (++ticks == 3)
        pl_daemon_stop(service.daemon, NULL);
}

static int live(void)
{
    static const struct pl_daemon_ops ops = {.on_stop = on_stop, .on_tick = on_tick};
    struct pl_err err;
    int status;

    if (parse(&service, &testd, NULL) >= 0 || pl_service_configure(&service, true) >= 0)
        return 99;
    if (pl_service_start(&service, &ops, NULL, &err) < 0) {
        status = pl_daemon_start_failed(service.daemon, &err);
        pl_service_release(&service);
        return status;
    }
    if (!is_ready("starting"))
        return 98;
    pl_service_ready(&service);
    if (!is_ready(NULL))
        return 97;
    pl_service_status(&service, "away", "%s is away", "it");
    if (!is_ready("away"))
        return 96;
    pl_service_status(&service, NULL, "all is well");
    if (!is_ready(NULL))
        return 95;
    pl_metrics_inc(service.metrics, RECEIVED, 7);
    pl_metrics_inc(service.metrics, DELIVERED, 5);
    status = pl_daemon_run(service.daemon);
    if (!is_ready("stopping"))
        return 94;
    pl_service_law_check(&service, 0, 1); /* nothing moves any more: at once */
    pl_service_stopped(&service, status, 2);
    pl_service_release(&service);
    return status;
}

START_TEST(life)
{
    struct watch w;

    conf_write("metrics: {listen: '127.0.0.1:0'}\nstop_timeout: 20s\n");
    watch_open(&w, false);
    watch_start(&w, live);
    expect(&w, "READY=1");
    expect(&w, "STATUS=it is away");
    expect(&w, "STATUS=all is well");
    expect(&w, "STOPPING=1");
    ck_assert(message_has(w.last, "EXTEND_TIMEOUT_USEC=30000000")); /* stop_timeout and grace */
    expect(&w, "STATUS=drained");
    expect_exit(&w, 0);
    /* The second look reports, the third finds it to hold, so that the last one reports again. */
    ck_assert_uint_eq(logged(&w, "ERROR  testd: the conservation law does not hold"), 2);
    ck_assert_uint_eq(logged(&w, "law=\"received = delivered + in flight\" difference=1\n"), 1);
    ck_assert_uint_eq(logged(&w, "difference=2\n"), 1);
    ck_assert_uint_eq(
        logged(&w,
               "NOTICE testd: stopped status=0 received=7 delivered=5 in_flight=2 duration_ms="),
        1);
    watch_close(&w);
}
END_TEST

START_TEST(sums_below_the_level)
{
    struct watch w;

    conf_write("log_level: warning\n");
    watch_open(&w, false);
    watch_start(&w, live);
    expect(&w, "READY=1");
    watch_kill(&w, SIGTERM);
    expect(&w, "STATUS=it is away");
    expect(&w, "STATUS=all is well");
    expect(&w, "STOPPING=1");
    expect(&w, "STATUS=drained");
    expect_exit(&w, 0);
    ck_assert_uint_eq(logged(&w, "stopped status="), 0);
    watch_close(&w);
}
END_TEST

START_TEST(metrics_address_refused)
{
    struct watch w;

    conf_write("metrics: {listen: 'nonsense'}\n");
    watch_open(&w, false);
    watch_start(&w, live);
    expect(&w, "STATUS=Cannot start: 'nonsense' is not an address to listen on: use "
               "127.0.0.1:9464, [::1]:9464 or :9464");
    expect_exit(&w, 78);
    expect_no_more(&w);
    watch_close(&w);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(rate),
        TEST(law_watch, .count = PL_COUNT(law_cases)),
        TEST(parsed, .count = PL_COUNT(parse_cases)),
#if defined(__SANITIZE_ADDRESS__)
        TEST(memory_is_hidden, .skip = "AddressSanitizer finds leaks by ptrace"),
#else
        TEST(memory_is_hidden),
#endif
        TEST(configure, .count = PL_COUNT(config_cases)),
        TEST(configure_without_a_file),
        TEST(configure_for_a_mode),
        TEST(reload, .count = PL_COUNT(reload_cases)),
        TEST(reload_that_needs_a_start),
        TEST(executed_again, .count = 3),
        TEST(a_file_that_is_being_written, .count = 2),
        TEST(log_level),
        TEST(life),
        TEST(sums_below_the_level),
        TEST(metrics_address_refused),
    };
    return unit_main("service", tests, PL_COUNT(tests));
}

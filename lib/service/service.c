/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.c - see service.h.
 */
#include "lib/service/service.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/config/common.h"
#include "lib/http/http.h"
#include "lib/log/log.h"
#include "lib/service/internal.h"
#include "lib/service/signals.h"

/* ---- the pure parts ---- */

double pl_rate_next(struct pl_rate *r, uint64_t count, int64_t now_ms)
{
    uint64_t growth = count >= r->before ? count - r->before : count;
    int64_t elapsed_ms = r->at_ms > 0 ? now_ms - r->at_ms : 0;
    *r = (struct pl_rate){count, now_ms};
    return elapsed_ms > 0 ? (double)growth * 1000 / (double)elapsed_ms : 0;
}

bool pl_law_watch_next(struct pl_law_watch *w, int64_t difference, unsigned looks)
{
    if (difference == 0) {
        *w = (struct pl_law_watch){0};
        return false;
    }
    w->seen = difference == w->difference ? w->seen + 1 : 1;
    w->difference = difference;
    if (w->reported || w->seen < looks)
        return false;
    w->reported = true;
    return true;
}

/* ---- the configuration ---- */

/* The field of an option that each daemon's table has. */
static const void *option_field(const struct pl_service *s, const char *path,
                                enum pl_option_type type)
{
    const struct pl_option *o = s->program->options;
    while (o->path && strcmp(o->path, path) != 0)
        o++;
    assert(o->path && o->type == type);
    return (const char *)s->conf + o->offset;
}

void pl_service_conf_free(const struct pl_program *p, void *conf)
{
    if (!conf)
        return;
    if (p->conf_release)
        p->conf_release(conf);
    pl_options_release(p->options, conf);
    free(conf);
}

/* Returns what could be loaded, whatever the findings; freed by
 * pl_service_conf_free(). */
static void *conf_load(const struct pl_service *s, bool for_service, struct pl_findings *errs)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *root = NULL;
    void *conf = pl_alloc(s->program->conf_size);
    pl_options_load(s->program->options, s->cli.config, conf, &root, errs);
    if (root) /* it could be read: show all findings at once */
        s->program->conf_check(conf, for_service, errs);
    return conf;
}

static void log_level_set(const struct pl_service *s)
{
    const int *choice = option_field(s, "log_level", PL_OPT_ENUM);
    pl_log_set_level(s->cli.verbose ? PL_DEBUG : PL_ERROR + *choice);
}

/* `print`: on stderr, else to the log. */
static void lines_show(struct pl_buf *lines, enum pl_log_level level, bool print)
{
    const char *end;
    for (const char *line = pl_buf_cstr(lines); (end = strchr(line, '\n')); line = end + 1) {
        /* A new site for each line, so that none is rate limited. */
        struct pl_log_site site = {.file = __FILE__, .line = __LINE__, .func = __func__};
        size_t len = (size_t)(end - line);
        if (print)
            fprintf(stderr, "%s%.*s\n", level == PL_WARNING ? "warning: " : "", (int)len, line);
        else
            pl_log_at(&site, level, PL_EVENT_CONFIG_ERROR, "configuration",
                      (const struct pl_log_field[]){PL_F_SLICE("ERROR", line, len), {0}});
    }
}

static void findings_show(struct pl_findings *errs, bool print)
{
    lines_show(&errs->text, PL_ERROR, print);
    lines_show(&errs->warnings, PL_WARNING, print);
}

/* --check-config, --print-config. */
static void conf_print(const struct pl_service *s)
{
    const struct pl_program *p = s->program;
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    if (s->cli.print_config) {
        pl_options_print(p->options, s->conf, &text);
    } else {
        pl_buf_addf(&text, "%s: valid", s->cli.config);
        if (p->conf_describe) {
            pl_buf_add_str(&text, ", ");
            p->conf_describe(s->conf, &text);
        }
        pl_buf_add_byte(&text, '\n');
    }
    fputs(pl_buf_cstr(&text), stdout);
}

static void insecure_warn(const struct pl_service *s)
{
    for (const struct pl_option *o = s->program->options; o->path; o++) {
        const char *name = strrchr(o->path, '.');
        if (o->type == PL_OPT_BOOL && name && strcmp(name, ".insecure_skip_verify") == 0 &&
            *(const bool *)((const char *)s->conf + o->offset))
            pl_log(PL_WARNING, PL_EVENT_INSECURE,
                   "certificates are NOT verified: anyone on the network can read and change all",
                   PL_F_STR("OPTION", o->path));
    }
}

/* Keeps secrets out of core dumps and from other processes of the same user (ptrace,
 * /proc/PID/mem); root still sees them. Both calls are needed: RLIMIT_CORE does not stop a core
 * that is piped to systemd-coredump. Not under AddressSanitizer, which finds leaks by ptrace. */
static void memory_hide(void)
{
#if !defined(__SANITIZE_ADDRESS__)
    static const struct rlimit none = {0, 0};
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
#endif
}

int pl_service_parse(struct pl_service *s, const struct pl_program *program, int argc, char **argv)
{
    s->program = program;
    pl_again_begin(&s->again, argv);
    memory_hide();
    int status = pl_cli_parse(argc, argv, &program->cli, &s->cli);
    if (status >= 0)
        return status;
    if (s->cli.help_config) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        pl_options_print_reference(program->options, program->options_intro, &text);
        fputs(pl_buf_cstr(&text), stdout);
        return 0;
    }
    pl_log_open(program->cli.name);
    return s->cli.init ? pl_init_run(program, &s->cli) : -1;
}

/* Systemd is told that we live, about once a second. */
#define MENDING_MS     1000
#define MENDING_LOOKS  60 /* so many of them for each time that it is said */
#define MENDING_EXTEND "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS="

/* In a service that has started again. -1: the file is good; else the exit status, 0: stopped. */
static int mending_wait(struct pl_service *s, bool for_service)
{
    for (unsigned looks = 1; !pl_signals_stop_is_pending(); looks++) {
        PL_CLEANUP(pl_findings_release) struct pl_findings errs;
        sd_notify(0, MENDING_EXTEND "The configuration has faults: waiting until it is mended");
        nanosleep(&(struct timespec){.tv_sec = MENDING_MS / 1000}, NULL);
        pl_findings_init(&errs);
        pl_service_conf_free(s->program, PL_TAKE(s->conf));
        s->conf = conf_load(s, for_service, &errs);
        if (errs.count == 0)
            return -1;
        if (looks % MENDING_LOOKS == 0)
            findings_show(&errs, false);
    }
    pl_log(PL_INFO, PL_EVENT_STOPPING, "stopped before the configuration was mended");
    return 0;
}

int pl_service_configure(struct pl_service *s, bool for_service)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    pl_findings_init(&errs);
    s->conf = conf_load(s, for_service, &errs);
    findings_show(&errs, s->cli.check_config);
    int status = errs.count == 0     ? -1
                 : s->again.is_again ? mending_wait(s, for_service)
                                     : EX_CONFIG;
    if (status >= 0)
        return status;
    if (s->cli.check_config || s->cli.print_config) {
        conf_print(s);
        return 0;
    }
    log_level_set(s);
    insecure_warn(s);
    pl_http_global_init();
    return -1;
}

static void strings_join(const struct pl_strings *strings, struct pl_buf *out)
{
    for (size_t i = 0; i < strings->n; i++) {
        pl_buf_add_str(out, i > 0 ? " " : "");
        pl_buf_add_str(out, strings->v[i]);
    }
}

static void reload_log(const struct pl_strings *changed, const struct pl_strings *needs_restart)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf taken = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf left = {0};
    strings_join(changed, &taken);
    strings_join(needs_restart, &left);
    pl_log(PL_NOTICE, PL_EVENT_RELOADED, "configuration reloaded",
           PL_F_STR("CHANGED", changed->n > 0 ? pl_buf_cstr(&taken) : "nothing"));
    if (needs_restart->n > 0)
        pl_log(PL_WARNING, PL_EVENT_RELOADED, "these options change only with a restart",
               PL_F_STR("OPTIONS", pl_buf_cstr(&left)));
}

static void options_take(struct pl_service *s, void *fresh, struct pl_strings *ret_changed)
{
    PL_CLEANUP(pl_strings_release) struct pl_strings changed = {0}, needs_restart = {0};
    pl_options_reload(s->program->options, s->conf, fresh, &changed, &needs_restart);
    log_level_set(s);
    reload_log(&changed, &needs_restart);
    if (ret_changed) {
        *ret_changed = changed;
        changed = (struct pl_strings){0};
    }
}

enum pl_reload pl_service_reload(struct pl_service *s, struct pl_strings *ret_changed)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_CLEANUP(pl_buf_release) struct pl_buf differs = {0};
    enum pl_reload result = PL_RELOAD_TAKEN;
    struct pl_err err;
    pl_findings_init(&errs);
    void *fresh = conf_load(s, true, &errs);
    findings_show(&errs, false);
    if (errs.count == 0 && s->program->conf_compare)
        s->program->conf_compare(s->conf, fresh, &differs);
    if (errs.count > 0) {
        pl_log(PL_ERROR, PL_EVENT_RELOADED, "configuration not reloaded, the old one stays",
               PL_F_STR("FILE", s->cli.config));
        result = PL_RELOAD_REFUSED;
    } else if (differs.len > 0 && s->program->conf_try && s->program->conf_try(fresh, &err) < 0) {
        pl_log_err(PL_ERROR, PL_EVENT_RELOADED, "configuration not reloaded, the old one stays",
                   &err, PL_F_STR("FILE", s->cli.config));
        result = PL_RELOAD_REFUSED;
    } else if (differs.len > 0) {
        pl_log(PL_NOTICE, PL_EVENT_RELOADED,
               "starting again in the same process, to take over the configuration",
               PL_F_STR("CHANGED", pl_buf_cstr(&differs)));
        result = PL_RELOAD_AGAIN;
    } else {
        options_take(s, fresh, ret_changed);
    }
    pl_service_conf_free(s->program, fresh);
    return result;
}

/* ---- the run ---- */

static void on_status(void *userdata, const char *text)
{
    struct pl_service *s = userdata;
    pl_metrics_set_status(s->metrics, text);
}

int pl_service_start(struct pl_service *s, const struct pl_daemon_ops *ops, void *userdata,
                     struct pl_err *err)
{
    const int64_t *stop_timeout_ms = option_field(s, "stop_timeout", PL_OPT_DURATION);
    char *const *listen = option_field(s, "metrics.listen", PL_OPT_STRING);
    s->begun_ms = pl_clock_monotonic_ms();
    if (pl_daemon_new(ops, userdata, *stop_timeout_ms, &s->daemon, err) < 0)
        return -1;
    s->metrics = pl_metrics_new(s->program->metrics, s->program->metrics_n);
    pl_metrics_set_name(s->metrics, s->program->cli.name);
    pl_daemon_on_status(s->daemon, on_status, s);
    if (*listen && pl_metrics_serve(s->metrics, *listen, &s->metrics_server, err) < 0)
        return -1;
    return 0;
}

void pl_service_ready(struct pl_service *s)
{
    pl_metrics_set_ready(s->metrics, NULL);
    pl_daemon_ready(s->daemon);
}

void pl_service_status(struct pl_service *s, const char *why_not_ready, const char *fmt, ...)
{
    pl_metrics_set_ready(s->metrics, why_not_ready);
    if (!why_not_ready)
        s->page.not_ready_ms = 0;
    else if (s->page.not_ready_ms == 0)
        s->page.not_ready_ms = pl_clock_realtime_ms();
    va_list ap;
    va_start(ap, fmt);
    pl_daemon_statusv(s->daemon, fmt, ap);
    va_end(ap);
}

/* ---- the page ---- */

static void page_head(struct pl_service *s, struct pl_page *p)
{
    char why_not[256], status[256], text[384];
    const struct pl_service_page *page = &s->page;
    bool ready = pl_metrics_is_ready(s->metrics, why_not, sizeof(why_not));
    pl_metrics_status(s->metrics, status, sizeof(status));
    status[0] = (char)toupper((unsigned char)status[0]);
    if (page->not_ready_ms > 0)
        snprintf(text, sizeof(text), "Since %s: %s", pl_words_time(page->not_ready_ms).text,
                 status);
    else
        snprintf(text, sizeof(text), "%s", status[0] ? status : "Running");
    pl_page_begin(p, &(struct pl_page_head){
                         .name = s->program->cli.name,
                         .instance = page->instance,
                         .version = PL_VERSION,
                         .status = text,
                         .tone = ready && page->not_ready_ms == 0 && !page->warns ? PL_PAGE_GOOD
                                                                                  : PL_PAGE_WARN,
                         .now_ms = pl_clock_realtime_ms(),
                         .up_ms = pl_clock_monotonic_ms() - s->begun_ms,
                     });
}

static int on_page(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct pl_service *s = userdata;
    struct pl_page p;
    struct pl_buf html = {0};
    (void)source, (void)fd, (void)events;
    page_head(s, &p);
    s->page.fill(s->page.userdata, &p);
    pl_page_end(&p, &html); /* too large: the server's own, short one */
    pl_metrics_page_answer(s->metrics, &html);
    return 0;
}

void pl_service_page(struct pl_service *s, const char *instance,
                     void (*fill)(void *userdata, struct pl_page *p), void *userdata)
{
    if (!s->metrics_server)
        return;
    s->page.instance = instance;
    s->page.fill = fill;
    s->page.userdata = userdata;
    int fd = pl_metrics_page_open(s->metrics);
    if (fd < 0 ||
        sd_event_add_io(pl_daemon_event(s->daemon), &s->page.source, fd, EPOLLIN, on_page, s) < 0)
        pl_metrics_page_close(s->metrics); /* without it, the server's own */
}

/* What it shows is the daemon's, and may be gone next. */
static void page_end(struct pl_service *s)
{
    if (s->metrics)
        pl_metrics_page_close(s->metrics);
    sd_event_source_disable_unref(PL_TAKE(s->page.source));
}

void pl_service_law_check(struct pl_service *s, uint64_t in_flight, unsigned looks)
{
    int64_t difference = pl_conservation_difference(s->metrics, s->program->law, in_flight);
    if (pl_law_watch_next(&s->law, difference, looks))
        pl_log(PL_ERROR, PL_EVENT_CONSERVATION,
               "the conservation law does not hold: please report this",
               PL_F_STR("LAW", s->program->law_text), PL_F_INT("DIFFERENCE", difference));
}

void pl_service_tick(struct pl_service *s, uint64_t in_flight)
{
    pl_metrics_heartbeat(s->metrics);
    pl_service_law_check(s, in_flight, s->program->law_looks);
}

void pl_service_stopped(struct pl_service *s, int status, uint64_t in_flight)
{
    struct pl_log_field fields[PL_LOG_FIELDS_MAX] = {PL_F_INT("STATUS", status)};
    static struct pl_log_site site = {.file = __FILE__, .line = __LINE__, .func = __func__};
    size_t n = 1;
    page_end(s);
    for (const struct pl_service_sum *sum = s->program->sums; sum->field; sum++) {
        assert(n < PL_LOG_FIELDS_MAX - 3);
        fields[n++] = PL_F_UINT(sum->field, pl_metrics_get(s->metrics, sum->metric));
    }
    fields[n++] = PL_F_UINT("IN_FLIGHT", in_flight);
    fields[n++] = PL_F_INT("DURATION_MS", pl_clock_monotonic_ms() - s->begun_ms);
    if (pl_log_level() >= PL_NOTICE)
        pl_log_at(&site, PL_NOTICE, PL_EVENT_STOPPED,
                  pl_daemon_is_again(s->daemon) ? "stopped, to start again" : "stopped", fields);
}

/* For the new image until its first step, which asks for its own time: it reads the files. */
#define AGAIN_MS 60000

int pl_service_again(struct pl_service *s)
{
    struct pl_err err;
    pl_again_exec(&s->again, AGAIN_MS, &err);
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot start again", &err);
    return pl_err_exit_status(err.kind);
}

void pl_service_release(struct pl_service *s)
{
    page_end(s);
    pl_metrics_server_free(s->metrics_server);
    pl_metrics_free(s->metrics);
    pl_daemon_free(s->daemon);
    if (s->program)
        pl_service_conf_free(s->program, s->conf);
    *s = (struct pl_service){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h - what all daemons do the same way between main() and the work: the command line, the
 * configuration (load, check, print, reload), metrics, readiness and STATUS, the conservation law,
 * the sums at the end.
 *
 * A daemon describes itself (struct pl_program, constants) and calls these functions:
 *
 *     main    pl_service_parse() -> its own checks -> pl_service_configure()
 *     start   pl_service_start() -> its own steps -> pl_service_ready()
 *     loop    pl_service_page(); pl_service_tick(), pl_service_status(), pl_service_reload()
 *     end     pl_service_law_check(), pl_service_stopped() -> pl_service_release()
 *
 * Each option table has log_level, metrics.listen and stop_timeout, and X.insecure_skip_verify
 * wherever there is TLS; they are found by these paths.
 *
 * Exit statuses are those of sysexits(3): pl_err_exit_status() of an error, EX_USAGE of a wrong
 * command line, EX_CONFIG of findings in the configuration.
 *
 * Threads: the loop's.
 */
#ifndef PL_SERVICE_SERVICE_H
#define PL_SERVICE_SERVICE_H

#include "lib/config/options.h"
#include "lib/metrics/metrics.h"
#include "lib/page/page.h"
#include "lib/service/again.h"
#include "lib/service/cli.h"
#include "lib/service/daemon.h"
#include "lib/service/init.h"

/* ---- the pure parts ---- */

/* A count's growth over ticks. Zero-initialise. */
struct pl_rate {
    uint64_t before;
    int64_t at_ms; /* monotonic; 0: not looked yet */
};

/* Per second since the last look; 0 at the first. A count that went down restarted at 0. */
double pl_rate_next(struct pl_rate *r, uint64_t count, int64_t now_ms);

/* When a broken law is reported: once it was seen `looks` times in a row with the same difference
 * (1 if nothing moves the counters during a look; more if threads do, so that differences come and
 * go), and then not again until it held. Zero-initialise. */
struct pl_law_watch {
    int64_t difference;
    unsigned seen;
    bool reported;
};

/* difference 0: the law holds. True: report it now. */
bool pl_law_watch_next(struct pl_law_watch *w, int64_t difference, unsigned looks);

/* ---- what a daemon is ---- */

struct pl_service_sum {
    const char *field; /* "DELIVERED"; NULL ends a list */
    unsigned metric;
};

struct pl_program {
    struct pl_cli_spec cli; /* its name as well */

    const struct pl_option *options;
    const char *options_intro; /* the comment at the top of the reference */
    size_t conf_size;          /* of the struct that `options` fill */
    /* Checks what the table cannot, after it was applied: adds to `errs`, may load more into conf.
     * for_service: all that the service needs must be set; false for modes that need less. */
    void (*conf_check)(void *conf, bool for_service, struct pl_findings *errs);
    void (*conf_release)(void *conf); /* what conf_check loaded; may be NULL */
    /* What --check-config adds ("3 routes"); may be NULL. */
    void (*conf_describe)(const void *conf, struct pl_buf *out);
    /* What differs between two configurations beside the options, as a text for the log ("changed
     * route edits"); "": nothing. Such a reload is a start in the same process. May be NULL. */
    void (*conf_compare)(const void *conf, const void *fresh, struct pl_buf *out);
    /* Whether what differs so can work, as far as it can be told while the old one runs: -1, CONFIG
     * refuses the reload. `fresh` is not used after it. Blocks the loop: for far less than the
     * watchdog's time. May be NULL. */
    int (*conf_try)(void *fresh, struct pl_err *err);

    const struct pl_metric *metrics;
    unsigned metrics_n;
    const struct pl_conservation *law;
    const char *law_text; /* "received = delivered + in flight" */
    unsigned law_looks;   /* at each tick, see struct pl_law_watch */
    const struct pl_service_sum *sums;
    const struct pl_init *init; /* --init */
};

/* ---- a run of it ---- */

/* The page at / of metrics.listen. */
struct pl_service_page {
    sd_event_source *source;
    const char *instance;
    void (*fill)(void *userdata, struct pl_page *p);
    void *userdata;
    int64_t not_ready_ms; /* since 1970: since when it is not ready; 0: it is */
    bool warns;           /* the daemon's to set: it is ready, but not all is well */
};

/* Zero-initialise; not to be copied. */
struct pl_service {
    const struct pl_program *program;
    struct pl_again again;
    struct pl_cli cli;
    void *conf; /* of program->conf_size bytes; changed by a reload */

    /* From pl_service_start(). */
    struct pl_daemon *daemon;
    struct pl_metrics *metrics;
    struct pl_metrics_server *metrics_server;
    int64_t begun_ms; /* monotonic */
    struct pl_law_watch law;
    struct pl_service_page page;
};

/* Call it first: from then on no core is dumped and no other process of the same user can read our
 * memory. Reads the command line; does --help-config and --init. Returns the exit status, or -1 to
 * continue. */
int pl_service_parse(struct pl_service *s, const struct pl_program *program, int argc, char **argv);

/* Loads and checks the configuration; --check-config, --print-config. Then sets the log level,
 * warns of unverified TLS, and prepares libcurl. Returns the exit status, or -1 to continue.
 * In a service that has started again (pl_service_again()) a file with faults is waited for: it was
 * good a moment ago, and whoever writes it is not done. */
int pl_service_configure(struct pl_service *s, bool for_service);

/* The daemon object, metrics (not ready: "starting") and their server. A failure, here or later in
 * the start, is reported by pl_daemon_start_failed(). `ops` outlives the service. */
int pl_service_start(struct pl_service *s, const struct pl_daemon_ops *ops, void *userdata,
                     struct pl_err *err);

/* /readyz and READY=1, after the last step that can fail. */
void pl_service_ready(struct pl_service *s);

/* STATUS=…, and what /readyz answers: NULL, or why it is not ready. */
void pl_service_status(struct pl_service *s, const char *why_not_ready, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Just before the loop: from now on the page at / is made, where metrics.listen is set. `fill` adds
 * figures and sections below the head, which is made here of the name, `instance` (borrowed, may be
 * NULL) and the status; it is called by the loop when somebody looks, at most once a second. */
void pl_service_page(struct pl_service *s, const char *instance,
                     void (*fill)(void *userdata, struct pl_page *p), void *userdata);

/* Reports a law that was seen broken `looks` times in a row. */
void pl_service_law_check(struct pl_service *s, uint64_t in_flight, unsigned looks);

/* Once a second: the heartbeat and the law. */
void pl_service_tick(struct pl_service *s, uint64_t in_flight);

enum pl_reload {
    PL_RELOAD_REFUSED, /* the file has faults: nothing was changed */
    PL_RELOAD_TAKEN,   /* what may change is applied */
    PL_RELOAD_AGAIN, /* nothing is applied: pl_daemon_again() is to follow, which takes over all */
};

/* At SIGHUP: loads the file again and applies what may change; a file with faults changes nothing.
 * Logs either. TAKEN: ret_changed (may be NULL) has the paths of the options that changed. Their
 * old values are freed: replace borrowed ones before anything else. */
enum pl_reload pl_service_reload(struct pl_service *s, struct pl_strings *ret_changed);

/* The last line: the sums. */
void pl_service_stopped(struct pl_service *s, int status, uint64_t in_flight);

/* After pl_service_stopped(), where pl_daemon_is_again(): executes the program again. Nothing has
 * to be released. Only a failure returns, which is logged: the exit status. */
int pl_service_again(struct pl_service *s);

/* After all that uses the daemon, the metrics or the configuration. */
void pl_service_release(struct pl_service *s);

#endif

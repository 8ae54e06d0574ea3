/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.c - see daemon.h.
 *
 * Everything is a source on one sd-event loop (signals by signalfd, timers, wakers), so callbacks
 * never run inside each other. Only after a stop signal do SIGTERM and SIGINT go to an ordinary
 * handler, which works even if the loop is stuck.
 */
#include "lib/service/daemon.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/log/log.h"
#include "lib/service/signals.h"

enum state { STARTING, RUNNING, STOPPING, FINISHED };

enum {
    USEC_PER_MS = 1000,
    TICK_USEC = 1000000,
    TICK_ACCURACY_USEC = 50000, /* lets the kernel join our wake-ups with others */
    STATUS_MAX = 256,
    STEP_GRACE_MS = 10000, /* beyond a step's own limit, on a machine under load */
    STOP_GRACE_MS = 10000, /* after the deadline: to join threads, close connections */
    /* Signals, the watchdog and the deadline come before ordinary work, which may never pause. */
    PRIORITY_CONTROL = SD_EVENT_PRIORITY_IMPORTANT,
};

struct pl_daemon {
    const struct pl_daemon_ops *ops;
    void *userdata;
    int64_t stop_timeout_ms, begun_ms;
    enum state state;
    sd_event *event;
    sd_event_source *sigterm, *sigint, *sighup;
    sd_event_source *stop, *deadline, *tick, *watchdog;
    uint64_t watchdog_usec; /* 0: systemd asks for none */
    bool watchdog_hungry;   /* on_watchdog said no the last time */
    bool deadline_passed;
    bool reloading;    /* systemd was told so */
    bool again;        /* STOPPING in order to start again */
    struct pl_err err; /* the first one given to pl_daemon_stop() */
    char status[STATUS_MAX];
    void (*on_status)(void *userdata, const char *text); /* may be NULL */
    void *on_status_userdata;
    struct pl_signals signals;
};

/* ---- stopping ---- */

/* A loop that cannot take a source cannot stop cleanly; this happens only without memory. */
static void event_check(struct pl_daemon *d, int r, const char *what)
{
    if (r >= 0 || d->err.kind != PL_ERR_NONE)
        return;
    pl_err_set(&d->err, PL_ERR_FATAL, -r, "cannot %s: %s", what, strerror(-r));
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "the event loop fails", &d->err);
    sd_event_exit(d->event, 1);
}

/* `r`: what sd_event_add_…() returned. */
static int ranked(int r, sd_event_source *source, int64_t priority)
{
    return r < 0 ? r : sd_event_source_set_priority(source, priority);
}

static int on_stop_source(sd_event_source *source, void *userdata)
{
    struct pl_daemon *d = userdata;
    (void)source;
    if (d->ops->on_stop)
        d->ops->on_stop(d->userdata);
    else
        pl_daemon_finish(d);
    return 0;
}

static int on_deadline_source(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pl_daemon *d = userdata;
    (void)source;
    (void)usec;
    d->deadline_passed = true;
    pl_log(PL_WARNING, PL_EVENT_STOPPING, "time to stop is over, leaving what is in flight",
           PL_F_INT("DURATION_MS", d->stop_timeout_ms));
    if (d->ops->on_stop_deadline)
        d->ops->on_stop_deadline(d->userdata);
    pl_daemon_finish(d);
    return 0;
}

/* Without the extension TimeoutStopSec of the unit would cut stop_timeout short, by SIGKILL. */
static void stopping_notify(const struct pl_daemon *d)
{
    sd_notifyf(0, "%sEXTEND_TIMEOUT_USEC=%" PRIu64 "%s", d->again ? "" : "STOPPING=1\n",
               (uint64_t)(d->stop_timeout_ms + STOP_GRACE_MS) * USEC_PER_MS,
               d->err.kind != PL_ERR_NONE ? ""
               : d->again                 ? "\nSTATUS=Reloading"
                                          : "\nSTATUS=Stopping");
}

/* It was to start again, and ends instead. */
static void again_cancel(struct pl_daemon *d)
{
    if (!d->again)
        return;
    d->again = false;
    stopping_notify(d);
}

static void stop_begin(struct pl_daemon *d)
{
    if (d->state >= STOPPING)
        return;
    d->state = STOPPING;
    stopping_notify(d);
    int r = sd_event_add_time_relative(d->event, &d->deadline, CLOCK_MONOTONIC,
                                       (uint64_t)d->stop_timeout_ms * USEC_PER_MS, USEC_PER_MS,
                                       on_deadline_source, d);
    event_check(d, ranked(r, d->deadline, PRIORITY_CONTROL + 1), /* after on_stop */
                "set the deadline for stopping");
    r = sd_event_add_defer(d->event, &d->stop, on_stop_source, d);
    event_check(d, ranked(r, d->stop, PRIORITY_CONTROL), "begin to stop");
}

void pl_daemon_stop(struct pl_daemon *d, const struct pl_err *err)
{
    if (err && err->kind != PL_ERR_NONE && d->err.kind != PL_ERR_NONE) {
        pl_log_err(PL_ERROR, PL_EVENT_EXITING, "another error while stopping", err);
    } else if (err && err->kind != PL_ERR_NONE) {
        pl_log_err(PL_ERROR, PL_EVENT_EXITING, "stopping because of an error", err);
        pl_daemon_status(d, "Stopping: %s", err->msg);
        d->err = *err;
        again_cancel(d);
    } else if (d->state < STOPPING) {
        pl_log(PL_INFO, PL_EVENT_STOPPING, "stopping");
    }
    stop_begin(d);
}

static void reloading_notify(struct pl_daemon *d)
{
    struct timespec now;
    if (d->reloading)
        return;
    d->reloading = true;
    /* systemd.service(5), Type=notify-reload; systemd before 253 knows RELOADING=1 only. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
               (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void pl_daemon_again(struct pl_daemon *d)
{
    if (d->state >= STOPPING)
        return;
    reloading_notify(d);
    d->again = true;
    stop_begin(d);
}

bool pl_daemon_is_again(const struct pl_daemon *d)
{
    return d->again;
}

bool pl_daemon_stopping(const struct pl_daemon *d)
{
    return d->state >= STOPPING || (d->state == STARTING && pl_signals_stop_is_pending());
}

void pl_daemon_finish(struct pl_daemon *d)
{
    if (d->state == FINISHED)
        return;
    if (d->state < STOPPING)
        stopping_notify(d);
    d->state = FINISHED;
    sd_event_exit(d->event, 0);
}

/* ---- signals ---- */

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *si,
                          void *userdata)
{
    struct pl_daemon *d = userdata;
    const char *name = si->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
    (void)source;
    if (d->state < STOPPING || d->again)
        pl_log(PL_INFO, PL_EVENT_STOPPING, "stopping", PL_F_STR("SIGNAL", name),
               PL_F_UINT("SENDER_PID", si->ssi_pid));
    else
        pl_log(PL_NOTICE, PL_EVENT_STOPPING, "already stopping, the next signal ends it at once",
               PL_F_STR("SIGNAL", name));
    again_cancel(d);
    stop_begin(d);
    d->sigterm = sd_event_source_disable_unref(d->sigterm);
    d->sigint = sd_event_source_disable_unref(d->sigint);
    pl_signals_arm(&d->signals);
    return 0;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *si,
                            void *userdata)
{
    struct pl_daemon *d = userdata;
    (void)source;
    (void)si;
    if (d->again) {
        pl_log(PL_INFO, NULL, "SIGHUP: the start that is to come reads the configuration anyway");
        return 0;
    }
    if (d->state != RUNNING) {
        pl_log(PL_NOTICE, PL_EVENT_RELOADED,
               "SIGHUP ignored: nothing is reloaded while starting or stopping");
        return 0;
    }
    reloading_notify(d);
    if (d->ops->on_reload) {
        pl_log(PL_INFO, NULL, "reloading");
        d->ops->on_reload(d->userdata);
    } else {
        pl_log(PL_NOTICE, PL_EVENT_RELOADED, "nothing here can be reloaded, restart instead");
    }
    if (d->state == RUNNING) { /* on_reload may have stopped it */
        sd_notify(0, "READY=1");
        d->reloading = false;
    }
    return 0;
}

static int signals_add(struct pl_daemon *d)
{
    const struct {
        int signo;
        sd_event_source **source;
        sd_event_signal_handler_t fn;
    } table[] = {
        {SIGTERM, &d->sigterm, on_stop_signal},
        {SIGINT, &d->sigint, on_stop_signal},
        {SIGHUP, &d->sighup, on_reload_signal},
    };
    int r = 0;
    for (size_t i = 0; r >= 0 && i < PL_COUNT(table); i++) {
        r = sd_event_add_signal(d->event, table[i].source, table[i].signo, table[i].fn, d);
        r = ranked(r, *table[i].source, PRIORITY_CONTROL);
    }
    return r;
}

/* ---- the object ---- */

int pl_daemon_new(const struct pl_daemon_ops *ops, void *userdata, int64_t stop_timeout_ms,
                  struct pl_daemon **ret, struct pl_err *err)
{
    PL_CLEANUP(pl_daemon_freep) struct pl_daemon *d = pl_alloc(sizeof(*d));
    assert(stop_timeout_ms >= 0);
    d->ops = ops;
    d->userdata = userdata;
    d->stop_timeout_ms = stop_timeout_ms;
    d->begun_ms = pl_clock_realtime_ms();
    int r = pl_signals_block(&d->signals);
    if (r >= 0)
        r = sd_event_new(&d->event);
    if (r >= 0)
        r = signals_add(d);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot set up the event loop: %s", strerror(-r));
    *ret = PL_TAKE(d);
    return 0;
}

void pl_daemon_free(struct pl_daemon *d)
{
    if (!d)
        return;
    sd_event_source_disable_unref(d->watchdog);
    sd_event_source_disable_unref(d->tick);
    sd_event_source_disable_unref(d->deadline);
    sd_event_source_disable_unref(d->stop);
    sd_event_source_disable_unref(d->sighup);
    sd_event_source_disable_unref(d->sigint);
    sd_event_source_disable_unref(d->sigterm);
    sd_event_unref(d->event);
    pl_signals_restore(&d->signals);
    free(d);
}

int64_t pl_daemon_begun_ms(const struct pl_daemon *d)
{
    return d->begun_ms;
}

sd_event *pl_daemon_event(struct pl_daemon *d)
{
    return d->event;
}

/* ---- timers: the watchdog and the tick ---- */

static void timer_set(struct pl_daemon *d, sd_event_source *timer, uint64_t usec)
{
    event_check(d, sd_event_source_set_time_relative(timer, usec), "set a timer");
    event_check(d, sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT), "set a timer");
}

static int on_watchdog_source(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pl_daemon *d = userdata;
    bool alive = d->state >= STOPPING || !d->ops->on_watchdog || d->ops->on_watchdog(d->userdata);
    (void)usec;
    if (alive)
        sd_notify(0, "WATCHDOG=1");
    if (!alive && !d->watchdog_hungry)
        pl_log(PL_WARNING, PL_EVENT_STUCK,
               "no progress: the watchdog is not fed, systemd may restart the service",
               PL_F_UINT("DURATION_MS", d->watchdog_usec / USEC_PER_MS));
    if (alive && d->watchdog_hungry)
        pl_log(PL_NOTICE, PL_EVENT_STUCK, "progress again: the watchdog is fed");
    d->watchdog_hungry = !alive;
    timer_set(d, source, d->watchdog_usec / 2);
    return 0;
}

/* sd_watchdog_enabled() also looks whether $WATCHDOG_PID is us. */
static void watchdog_begin(struct pl_daemon *d)
{
    int r = sd_watchdog_enabled(0, &d->watchdog_usec);
    if (r < 0)
        pl_log(PL_WARNING, NULL, "WATCHDOG_USEC is not a number, no watchdog");
    if (r <= 0) {
        d->watchdog_usec = 0;
        return;
    }
    r = sd_event_add_time_relative(d->event, &d->watchdog, CLOCK_MONOTONIC, d->watchdog_usec / 2,
                                   d->watchdog_usec / 16 + 1, on_watchdog_source, d);
    event_check(d, ranked(r, d->watchdog, PRIORITY_CONTROL), "start the watchdog's timer");
}

static int on_tick_source(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pl_daemon *d = userdata;
    (void)usec;
    timer_set(d, source, TICK_USEC);
    d->ops->on_tick(d->userdata);
    return 0;
}

/* ---- what systemd is told ---- */

void pl_daemon_statusv(struct pl_daemon *d, const char *fmt, va_list ap)
{
    if (d->err.kind != PL_ERR_NONE)
        return;
    /* systemd takes UTF-8 only, and a newline would begin another assignment. */
    char text[STATUS_MAX];
    pl_text_formatv(text, sizeof(text), fmt, ap);
    if (strcmp(text, d->status) == 0)
        return;
    memcpy(d->status, text, sizeof(text));
    sd_notifyf(0, "STATUS=%s", text);
    if (d->on_status)
        d->on_status(d->on_status_userdata, text);
}

void pl_daemon_on_status(struct pl_daemon *d, void (*fn)(void *userdata, const char *text),
                         void *userdata)
{
    d->on_status = fn;
    d->on_status_userdata = userdata;
}

void pl_daemon_status(struct pl_daemon *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pl_daemon_statusv(d, fmt, ap);
    va_end(ap);
}

void pl_daemon_step(struct pl_daemon *d, int64_t max_ms, const char *fmt, ...)
{
    if (d->state != STARTING)
        return;
    va_list ap;
    va_start(ap, fmt);
    pl_daemon_statusv(d, fmt, ap);
    va_end(ap);
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, (uint64_t)(max_ms + STEP_GRACE_MS) * USEC_PER_MS);
}

int pl_daemon_start_failed(struct pl_daemon *d, const struct pl_err *err)
{
    if (d && pl_daemon_stopping(d)) {
        pl_signals_stop_take();
        pl_log(PL_INFO, PL_EVENT_STOPPING, "stopped before the start was over",
               PL_F_STR("REASON", err->msg));
        stopping_notify(d);
        return 0;
    }
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "cannot start", err);
    if (d)
        pl_daemon_status(d, "Cannot start: %s", err->msg);
    return pl_err_exit_status(err->kind);
}

void pl_daemon_ready(struct pl_daemon *d)
{
    if (d->state != STARTING)
        return;
    d->state = RUNNING;
    watchdog_begin(d);
    sd_notify(0, "READY=1");
    pl_log(PL_INFO, PL_EVENT_READY, "ready", PL_F_STR("VERSION", PL_VERSION));
}

int pl_daemon_run(struct pl_daemon *d)
{
    if (d->ops->on_tick)
        event_check(d,
                    sd_event_add_time_relative(d->event, &d->tick, CLOCK_MONOTONIC, TICK_USEC,
                                               TICK_ACCURACY_USEC, on_tick_source, d),
                    "start the tick's timer");
    event_check(d, sd_event_loop(d->event), "run the event loop");
    d->state = FINISHED;
    if (d->err.kind != PL_ERR_NONE)
        return pl_err_exit_status(d->err.kind);
    return d->deadline_passed && !d->ops->on_stop_deadline ? 1 : 0;
}

/* ---- wakers ---- */

struct pl_waker {
    int fd;
    sd_event_source *source;
    void (*fn)(void *userdata);
    void *userdata;
};

static int on_waker_source(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct pl_waker *w = userdata;
    (void)source;
    (void)revents;
    eventfd_t count;
    /* Emptied before the call: a wake during the call leads to another one. */
    if (eventfd_read(fd, &count) == 0)
        w->fn(w->userdata); /* it may free w */
    return 0;
}

int pl_waker_new(struct pl_daemon *d, void (*fn)(void *userdata), void *userdata,
                 struct pl_waker **ret, struct pl_err *err)
{
    PL_CLEANUP(pl_waker_freep) struct pl_waker *w = pl_alloc(sizeof(*w));
    w->fn = fn;
    w->userdata = userdata;
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = w->fd < 0 ? -errno
                      : sd_event_add_io(d->event, &w->source, w->fd, EPOLLIN, on_waker_source, w);
    if (r < 0)
        return pl_err_set(err, PL_ERR_FATAL, -r, "cannot make a waker of the event loop: %s",
                          strerror(-r));
    *ret = PL_TAKE(w);
    return 0;
}

void pl_waker_wake(struct pl_waker *w)
{
    eventfd_write(w->fd, 1); /* fails only when the counter is full, and then the loop wakes */
}

void pl_waker_free(struct pl_waker *w)
{
    if (!w)
        return;
    sd_event_source_disable_unref(w->source);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

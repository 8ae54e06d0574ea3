/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - see signals.h.
 */
#include "lib/service/signals.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "lib/log/log.h"

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

int pl_signals_block(struct pl_signals *s)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set = stop_signals();
    sigaddset(&set, SIGHUP);
    if (sigaction(SIGPIPE, &ignore, &s->pipe) < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, &set, &s->mask);
    s->blocked = true;
    return 0;
}

/* pl_log() is async-signal-safe as long as no field is a float. */
static void leave_at_once(int signo)
{
    pl_log(PL_ERROR, PL_EVENT_EXITING, "second signal while stopping, leaving what is in flight",
           PL_F_STR("SIGNAL", signo == SIGTERM ? "SIGTERM" : "SIGINT"));
    _exit(1);
}

void pl_signals_arm(struct pl_signals *s)
{
    const struct sigaction leave = {.sa_handler = leave_at_once};
    sigset_t set = stop_signals();
    if (s->armed)
        return;
    sigaction(SIGTERM, &leave, &s->term);
    sigaction(SIGINT, &leave, &s->interrupt);
    s->armed = true;
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void pl_signals_restore(struct pl_signals *s)
{
    sigset_t set = stop_signals();
    if (s->armed) {
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        sigaction(SIGTERM, &s->term, NULL);
        sigaction(SIGINT, &s->interrupt, NULL);
    }
    if (s->blocked) {
        sigaction(SIGPIPE, &s->pipe, NULL);
        pthread_sigmask(SIG_SETMASK, &s->mask, NULL);
    }
    *s = (struct pl_signals){0};
}

bool pl_signals_stop_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

void pl_signals_stop_take(void)
{
    static const struct timespec at_once = {0};
    sigset_t set = stop_signals();
    while (sigtimedwait(&set, NULL, &at_once) > 0)
        ;
}

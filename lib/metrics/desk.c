/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desk.c - where the HTTP server's thread asks the daemon's for the page, and waits: see metrics.h.
 *
 *     CLOSED ──open──> IDLE ──asked──> ASKED ──answered──> IDLE
 *
 * Who finds it ASKED already, by somebody who gave up waiting, does not wait: a loop that hangs
 * costs the server one wait, and /healthz still answers.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/metrics/internal.h"

void desk_init(struct desk *d)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->answered, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&d->lock, NULL);
    d->fd = -1;
}

void desk_release(struct desk *d)
{
    pl_buf_release(&d->html);
    if (d->fd >= 0)
        close(d->fd);
    pthread_cond_destroy(&d->answered);
    pthread_mutex_destroy(&d->lock);
}

void pl_metrics_set_name(struct pl_metrics *s, const char *name)
{
    pthread_mutex_lock(&s->desk.lock);
    pl_text_copy(name, strlen(name), s->desk.name, sizeof(s->desk.name));
    pthread_mutex_unlock(&s->desk.lock);
}

void pl_metrics_set_status(struct pl_metrics *s, const char *text)
{
    pthread_mutex_lock(&s->desk.lock);
    pl_text_copy(text, strlen(text), s->desk.status, sizeof(s->desk.status));
    pthread_mutex_unlock(&s->desk.lock);
}

void pl_metrics_status(struct pl_metrics *s, char *out, size_t size)
{
    pthread_mutex_lock(&s->desk.lock);
    pl_text_copy(s->desk.status, strlen(s->desk.status), out, size);
    pthread_mutex_unlock(&s->desk.lock);
}

int pl_metrics_page_open(struct pl_metrics *s)
{
    struct desk *d = &s->desk;
    pthread_mutex_lock(&d->lock);
    if (d->fd < 0)
        d->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->open = d->fd >= 0;
    d->asked = false;
    pthread_mutex_unlock(&d->lock);
    return d->fd;
}

void pl_metrics_page_close(struct pl_metrics *s)
{
    struct desk *d = &s->desk;
    pthread_mutex_lock(&d->lock);
    d->open = false;
    pthread_cond_broadcast(&d->answered);
    pthread_mutex_unlock(&d->lock);
}

void pl_metrics_page_answer(struct pl_metrics *s, struct pl_buf *html)
{
    struct desk *d = &s->desk;
    eventfd_t asks;
    pthread_mutex_lock(&d->lock);
    eventfd_read(d->fd, &asks);
    pl_buf_release(&d->html);
    d->html = *html;
    d->made_ms = pl_clock_monotonic_ms();
    d->asked = false;
    pthread_cond_broadcast(&d->answered);
    pthread_mutex_unlock(&d->lock);
    *html = (struct pl_buf){0};
}

static bool is_fresh(const struct desk *d)
{
    return d->html.len > 0 && pl_clock_monotonic_ms() - d->made_ms < PL_METRICS_PAGE_KEPT_MS;
}

/* With the lock held. */
static void wait_answer(struct desk *d)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PL_METRICS_PAGE_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    d->asked = true;
    eventfd_write(d->fd, 1);
    while (d->open && d->asked && pthread_cond_timedwait(&d->answered, &d->lock, &until) == 0)
        ;
}

bool desk_get(struct desk *d, struct pl_buf *out)
{
    pthread_mutex_lock(&d->lock);
    if (d->open && !d->asked && !is_fresh(d))
        wait_answer(d);
    bool fresh = d->open && !d->asked && is_fresh(d);
    if (fresh)
        pl_buf_add(out, d->html.data, d->html.len);
    pthread_mutex_unlock(&d->lock);
    return fresh;
}

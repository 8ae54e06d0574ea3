/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the inside of struct pl_metrics, for metrics.c (values), render.c (text), desk.c
 * (the page) and server.c only.
 *
 * There is room for PL_METRICS_MAX series from the start (256 KiB, of which the kernel gives what
 * is touched), so none ever moves. The lock is for adding and for walking all; a value is reached
 * by its index without it, and on a cache line of its own, so that threads which count different
 * things do not contend.
 *
 * Series of one name are a family: a list by indexes that begins at the first one added.
 */
#ifndef PL_METRICS_INTERNAL_H
#define PL_METRICS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/metrics/metrics.h"

#define METRICS_BUCKETS 20 /* without the one for +Inf */
#define CACHE_LINE      64

struct histogram {
    _Alignas(CACHE_LINE) _Atomic uint64_t counts[METRICS_BUCKETS + 1]; /* not cumulative */
    _Atomic double sum;
};

struct series {
    union {
        _Alignas(CACHE_LINE) _Atomic uint64_t counter;
        _Atomic double gauge;
    };
    enum pl_metric_type type;
    unsigned next; /* of the same family; PL_METRICS_NONE: the last */
    struct histogram *histogram;
    char *name, *labels, *help; /* labels: "" for none */
    bool leads;                 /* first of its family */
};

/* Under its own lock. */
struct desk {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int fd;           /* -1: never opened */
    bool open, asked; /* asked: the loop has not answered yet */
    struct pl_buf html;
    int64_t made_ms; /* monotonic */
    char name[64], status[256];
};

struct pl_metrics {
    struct series *series;
    _Atomic unsigned n; /* grows under the lock */
    _Atomic uint64_t left_out;
    _Atomic int64_t alive_ms;
    double start_time;    /* of the process, seconds since 1970 */
    pthread_mutex_t lock; /* families; why_not */
    char why_not[256];    /* "": ready */
    struct desk desk;
};

void desk_init(struct desk *d);
void desk_release(struct desk *d);
/* The server's: the page, made now or lately. False: there is none, or the loop does not answer. */
bool desk_get(struct desk *d, struct pl_buf *out);

extern const double metrics_buckets[METRICS_BUCKETS];

#endif

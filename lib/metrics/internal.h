/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the inside of struct pl_metrics, for metrics.c (values) and render.c (text) only.
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

struct pl_metrics {
    struct series *series;
    _Atomic unsigned n; /* grows under the lock */
    _Atomic uint64_t left_out;
    _Atomic int64_t alive_ms;
    double start_time;    /* of the process, seconds since 1970 */
    pthread_mutex_t lock; /* families; why_not */
    char why_not[256];    /* "": ready */
};

extern const double metrics_buckets[METRICS_BUCKETS];

#endif

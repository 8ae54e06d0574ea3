/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the inside of struct pl_metrics, for metrics.c (values) and render.c (text) only.
 *
 * There is room for PL_METRICS_MAX series from the start (256 KiB, of which the kernel gives what
 * is touched), so none ever moves. The lock is for adding and for walking through all; a value is
 * reached by its index without it.
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
    _Atomic uint64_t sum;                                              /* the bits of a double */
};

/* Two threads that count different things do not take the line from each other. */
struct series {
    /* A counter's value; a gauge's, as the bits of a double. */
    _Alignas(CACHE_LINE) _Atomic uint64_t value;
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

static inline double double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline uint64_t bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

#endif

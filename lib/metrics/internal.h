/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the inside of struct pl_metrics, for metrics.c (values) and render.c (text)
 * only.
 *
 *   stats ──> chunk 0 ──> series 0 … 63        a chunk never moves, so an index stays good while
 *        └──> chunk 1 ──> series 64 … 127      another thread adds: chunks, then `n`, are published
 *
 * Series of one name are a family: a list by indexes that begins at the first one added.
 */
#ifndef PL_METRICS_INTERNAL_H
#define PL_METRICS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/metrics/metrics.h"

#define METRICS_BUCKETS 20 /* without the one for +Inf */
#define METRICS_CHUNK   64
#define METRICS_CHUNKS  (PL_METRICS_MAX / METRICS_CHUNK)
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
    _Atomic unsigned next; /* of the same family; PL_METRICS_NONE: the last */
    struct histogram *histogram;
    char *name, *labels, *help; /* labels: "" for none */
    bool leads;                 /* first of its family */
};

struct chunk {
    struct series series[METRICS_CHUNK];
};

struct pl_metrics {
    _Atomic(struct chunk *) chunks[METRICS_CHUNKS];
    _Atomic unsigned n;
    _Atomic uint64_t left_out;
    _Atomic int64_t alive_ms;
    double start_time;    /* of the process, seconds since 1970 */
    pthread_mutex_t lock; /* adding; why_not */
    char why_not[256];    /* "": ready */
};

extern const double metrics_buckets[METRICS_BUCKETS];

static inline struct series *metrics_series(const struct pl_metrics *s, unsigned metric)
{
    struct chunk *c =
        atomic_load_explicit(&s->chunks[metric / METRICS_CHUNK], memory_order_acquire);

    return &c->series[metric % METRICS_CHUNK];
}

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

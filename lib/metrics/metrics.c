/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c - see metrics.h: the values. Counting costs one atomic addition and no lock
 * (internal.h).
 */
#include "lib/metrics/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/metrics/internal.h"

enum { ALIVE_WITHIN_MS = 60000 };

/* Latencies, seconds: from a commit on the same machine to a backlog of an hour. */
const double metrics_buckets[METRICS_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                 0.25,  0.5,    1,     2.5,  5,     10,   25,
                                                 60,    150,    300,   600,  1500,  3600};

/* ---- adding ---- */

/* https://prometheus.io/docs/concepts/data_model/: [a-zA-Z_:][a-zA-Z0-9_:]* */
static bool name_is_valid(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789";
    size_t len = strlen(name);
    return len > 0 && strspn(name, letters) == len && !(name[0] >= '0' && name[0] <= '9');
}

/* The first series of a name, or PL_METRICS_NONE. */
static unsigned family_find(const struct pl_metrics *s, const char *name)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->series[i].leads && strcmp(s->series[i].name, name) == 0)
            return i;
    return PL_METRICS_NONE;
}

/* The series with these labels, or PL_METRICS_NONE and the last one of the family. */
static unsigned family_walk(const struct pl_metrics *s, unsigned first, const char *labels,
                            unsigned *ret_last)
{
    for (unsigned i = first; i != PL_METRICS_NONE; i = s->series[i].next) {
        if (strcmp(s->series[i].labels, labels) == 0)
            return i;
        *ret_last = i;
    }
    return PL_METRICS_NONE;
}

/* Whole cache lines; not zeroed. */
static void *lines_alloc(size_t size)
{
    void *p = aligned_alloc(CACHE_LINE, size);
    if (!p)
        abort(); /* the policy of alloc.h, which has no aligned allocation */
    return p;
}

static struct histogram *histogram_new(void)
{
    return memset(lines_alloc(sizeof(struct histogram)), 0, sizeof(struct histogram));
}

unsigned pl_metrics_add(struct pl_metrics *s, const struct pl_metric *m)
{
    const char *labels = m->labels ? m->labels : "";
    unsigned found = PL_METRICS_NONE, last = PL_METRICS_NONE;
    assert(name_is_valid(m->name));
    pthread_mutex_lock(&s->lock);
    unsigned first = family_find(s, m->name);
    if (first != PL_METRICS_NONE) {
        assert(s->series[first].type == m->type);
        found = family_walk(s, first, labels, &last);
    }
    if (found == PL_METRICS_NONE && s->n == PL_METRICS_MAX) {
        atomic_fetch_add(&s->left_out, 1);
    } else if (found == PL_METRICS_NONE) {
        found = s->n;
        s->series[found] = (struct series){
            .type = m->type,
            .next = PL_METRICS_NONE,
            .histogram = m->type == PL_HISTOGRAM ? histogram_new() : NULL,
            .name = pl_strdup(m->name),
            .labels = pl_strdup(labels),
            .help = pl_strdup(m->help ? m->help : ""),
            .leads = first == PL_METRICS_NONE,
        };
        if (last != PL_METRICS_NONE)
            s->series[last].next = found;
        s->n = found + 1;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

bool pl_metrics_label(struct pl_buf *labels, const char *name, const char *value)
{
    size_t before = labels->len, len = strlen(value), n;
    bool ok = (before == 0 || pl_buf_add_byte(labels, ',')) && pl_buf_addf(labels, "%s=\"", name);
    for (size_t i = 0; i < len && ok; i += n) {
        n = pl_utf8_char(value + i, len - i);
        if (n == 0) {
            n = 1;
            ok = pl_buf_add_str(labels, "\xef\xbf\xbd");
        } else if (value[i] == '\n') {
            ok = pl_buf_add_str(labels, "\\n");
        } else if (value[i] == '"' || value[i] == '\\') {
            ok = pl_buf_add_byte(labels, '\\') && pl_buf_add_byte(labels, value[i]);
        } else {
            ok = pl_buf_add(labels, value + i, n);
        }
    }
    if (!ok || !pl_buf_add_byte(labels, '"')) {
        labels->len = before;
        return false;
    }
    return true;
}

/* ---- the object ---- */

/* proc(5): field 22 of /proc/self/stat is the start in clock ticks since boot; the second field may
 * hold spaces and brackets, so counting begins after its last bracket, at field 3. */
static double process_start_time(void)
{
    struct timespec real, boot;
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return (double)real.tv_sec;
    char text[1024];
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    char *c = strrchr(text, ')');
    unsigned long long ticks;
    if (!c ||
        sscanf(c + 1, "%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%llu", &ticks) != 1)
        return (double)real.tv_sec;
    return (double)(real.tv_sec - boot.tv_sec) + (double)(real.tv_nsec - boot.tv_nsec) / 1e9 +
           (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

struct pl_metrics *pl_metrics_new(const struct pl_metric *table, unsigned n)
{
    struct pl_metrics *s = pl_alloc(sizeof(*s));
    assert(n <= PL_METRICS_MAX);
    s->series = lines_alloc(PL_METRICS_MAX * sizeof(*s->series));
    pthread_mutex_init(&s->lock, NULL);
    strcpy(s->why_not, "starting");
    desk_init(&s->desk);
    s->start_time = process_start_time();
    for (unsigned i = 0; i < n; i++) {
        unsigned metric = pl_metrics_add(s, &table[i]);
        assert(metric == i); /* the caller's enum: a doubled entry would shift it */
        (void)metric;
    }
    pl_metrics_heartbeat(s);
    return s;
}

void pl_metrics_free(struct pl_metrics *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++) {
        free(s->series[i].histogram);
        free(s->series[i].name);
        free(s->series[i].labels);
        free(s->series[i].help);
    }
    free(s->series);
    desk_release(&s->desk);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- values ---- */

/* NULL for PL_METRICS_NONE. A wrong index or type is our bug. */
static struct series *series_of(const struct pl_metrics *s, unsigned metric,
                                enum pl_metric_type type)
{
    if (metric == PL_METRICS_NONE)
        return NULL;
    assert(metric < atomic_load_explicit(&s->n, memory_order_acquire));
    struct series *series = &s->series[metric];
    assert(series->type == type);
    (void)type;
    return series;
}

void pl_metrics_inc(struct pl_metrics *s, unsigned metric, uint64_t by)
{
    struct series *series = series_of(s, metric, PL_COUNTER);
    if (series)
        atomic_fetch_add_explicit(&series->counter, by, memory_order_relaxed);
}

void pl_metrics_set(struct pl_metrics *s, unsigned metric, double value)
{
    struct series *series = series_of(s, metric, PL_GAUGE);
    if (series)
        atomic_store_explicit(&series->gauge, value, memory_order_relaxed);
}

void pl_metrics_shift(struct pl_metrics *s, unsigned metric, double by)
{
    struct series *series = series_of(s, metric, PL_GAUGE);
    if (!series)
        return;
    double before = atomic_load_explicit(&series->gauge, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&series->gauge, &before, before + by,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void pl_metrics_observe(struct pl_metrics *s, unsigned metric, double value)
{
    struct series *series = series_of(s, metric, PL_HISTOGRAM);
    if (!series || !isfinite(value))
        return;
    if (value < 0)
        value = 0; /* a sum that goes down would look like a restart */
    unsigned bucket = 0;
    while (bucket < METRICS_BUCKETS && value > metrics_buckets[bucket])
        bucket++;
    struct histogram *h = series->histogram;
    atomic_fetch_add_explicit(&h->counts[bucket], 1, memory_order_relaxed);
    double before = atomic_load_explicit(&h->sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&h->sum, &before, before + value,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t pl_metrics_get(const struct pl_metrics *s, unsigned metric)
{
    if (metric == PL_METRICS_NONE)
        return 0;
    assert(metric < atomic_load_explicit(&s->n, memory_order_acquire));
    const struct series *series = &s->series[metric];
    uint64_t count = 0;
    double gauge;
    switch (series->type) {
    case PL_COUNTER:
        return atomic_load_explicit(&series->counter, memory_order_relaxed);
    case PL_GAUGE:
        gauge = atomic_load_explicit(&series->gauge, memory_order_relaxed);
        /* Beyond the range the conversion would be undefined; a NaN is not greater either. */
        return !(gauge > 0) ? 0 : gauge >= 0x1p64 ? UINT64_MAX : (uint64_t)gauge;
    case PL_HISTOGRAM:
        for (unsigned i = 0; i <= METRICS_BUCKETS; i++)
            count += atomic_load_explicit(&series->histogram->counts[i], memory_order_relaxed);
    }
    return count;
}

/* ---- ready, alive, conserved ---- */

void pl_metrics_set_ready(struct pl_metrics *s, const char *why_not)
{
    pthread_mutex_lock(&s->lock);
    snprintf(s->why_not, sizeof(s->why_not), "%s",
             !why_not     ? ""
             : why_not[0] ? why_not
                          : "not ready");
    pthread_mutex_unlock(&s->lock);
}

bool pl_metrics_is_ready(struct pl_metrics *s, char *ret_why_not, size_t size)
{
    pthread_mutex_lock(&s->lock);
    bool ready = s->why_not[0] == '\0';
    if (!ready)
        snprintf(ret_why_not, size, "%s", s->why_not);
    pthread_mutex_unlock(&s->lock);
    return ready;
}

void pl_metrics_heartbeat_at(struct pl_metrics *s, int64_t now_ms)
{
    atomic_store_explicit(&s->alive_ms, now_ms, memory_order_relaxed);
}

void pl_metrics_heartbeat(struct pl_metrics *s)
{
    pl_metrics_heartbeat_at(s, pl_clock_monotonic_ms());
}

bool pl_metrics_is_healthy(const struct pl_metrics *s, int64_t now_ms)
{
    return now_ms - atomic_load_explicit(&s->alive_ms, memory_order_relaxed) <= ALIVE_WITHIN_MS;
}

int64_t pl_conservation_difference(const struct pl_metrics *s, const struct pl_conservation *law,
                                   uint64_t in_flight)
{
    uint64_t difference = -in_flight; /* modulo 2^64: negative when doubled */
    for (unsigned i = 0; i < law->received_n; i++)
        difference += pl_metrics_get(s, law->received[i]);
    for (unsigned i = 0; i < law->accounted_n; i++)
        difference -= pl_metrics_get(s, law->accounted[i]);
    return (int64_t)difference;
}

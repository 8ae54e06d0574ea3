/* SPDX-License-Identifier: Apache-2.0 */
/*
 * render.c - see metrics.h: all values as Prometheus text.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/: HELP and TYPE once for a name, then
 * all its lines together. Values are read while other threads count: a scrape is no snapshot, but
 * each histogram is consistent, because its count is the sum of the buckets that were read.
 */
#include "lib/metrics/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/metrics/internal.h"

static const char *const type_names[] = {
    [PL_COUNTER] = "counter", [PL_GAUGE] = "gauge", [PL_HISTOGRAM] = "histogram"};

/* The shortest decimal that is read back as the same number. */
static void add_double(struct pl_buf *out, double value)
{
    char text[32];
    if (isnan(value)) {
        pl_buf_add_str(out, "NaN");
    } else if (isinf(value)) {
        pl_buf_add_str(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        snprintf(text, sizeof(text), "%.15g", value);
        if (strtod(text, NULL) != value)
            snprintf(text, sizeof(text), "%.17g", value);
        pl_buf_add_str(out, text);
    }
}

static void add_head(struct pl_buf *out, const char *name, enum pl_metric_type type,
                     const char *help)
{
    pl_buf_addf(out, "# HELP %s ", name);
    for (const char *c = help; *c; c++) {
        if (*c == '\n')
            pl_buf_add_str(out, "\\n");
        else if (*c == '\\')
            pl_buf_add_str(out, "\\\\");
        else
            pl_buf_add_byte(out, *c);
    }
    pl_buf_addf(out, "\n# TYPE %s %s\n", name, type_names[type]);
}

/* "name_suffix{labels,le="x"} ": all but the value. */
static void add_name(struct pl_buf *out, const struct series *series, const char *suffix,
                     const char *le)
{
    pl_buf_addf(out, "%s%s", series->name, suffix);
    if (series->labels[0] || le)
        pl_buf_addf(out, "{%s%s%s%s%s}", series->labels, series->labels[0] && le ? "," : "",
                    le ? "le=\"" : "", le ? le : "", le ? "\"" : "");
    pl_buf_add_byte(out, ' ');
}

static void add_histogram(struct pl_buf *out, const struct series *series)
{
    const struct histogram *h = series->histogram;
    uint64_t count = 0;
    char le[32];
    for (unsigned i = 0; i <= METRICS_BUCKETS; i++) {
        count += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        if (i < METRICS_BUCKETS)
            snprintf(le, sizeof(le), "%g", metrics_buckets[i]);
        add_name(out, series, "_bucket", i < METRICS_BUCKETS ? le : "+Inf");
        pl_buf_addf(out, "%" PRIu64 "\n", count);
    }
    add_name(out, series, "_sum", NULL);
    add_double(out, atomic_load_explicit(&h->sum, memory_order_relaxed));
    pl_buf_add_byte(out, '\n');
    add_name(out, series, "_count", NULL);
    pl_buf_addf(out, "%" PRIu64 "\n", count);
}

static void add_series(struct pl_buf *out, const struct series *series)
{
    switch (series->type) {
    case PL_COUNTER:
        add_name(out, series, "", NULL);
        pl_buf_addf(out, "%" PRIu64 "\n",
                    atomic_load_explicit(&series->counter, memory_order_relaxed));
        break;
    case PL_GAUGE:
        add_name(out, series, "", NULL);
        add_double(out, atomic_load_explicit(&series->gauge, memory_order_relaxed));
        pl_buf_add_byte(out, '\n');
        break;
    case PL_HISTOGRAM:
        add_histogram(out, series);
        break;
    }
}

/* ---- the process ---- */

static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return NAN;
    unsigned long long pages = 0;
    if (fscanf(f, "%*u%llu", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) < 0)
        return NAN;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;
    if (!dir)
        return NAN;
    struct dirent *e;
    while ((e = readdir(dir)))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* the directory's own */
}

static void add_process(const struct pl_metrics *s, struct pl_buf *out)
{
    const struct {
        const char *name;
        enum pl_metric_type type;
        const char *help;
        double value;
    } table[] = {
        {"process_resident_memory_bytes", PL_GAUGE, "Resident memory.", resident_bytes()},
        {"process_cpu_seconds_total", PL_COUNTER, "User and system CPU time.", cpu_seconds()},
        {"process_start_time_seconds", PL_GAUGE, "Start of the process since 1970.", s->start_time},
        {"process_open_fds", PL_GAUGE, "Open file descriptors.", open_fds()},
        {"metrics_left_out_total", PL_COUNTER, "Metrics left out, there are too many.",
         (double)atomic_load(&s->left_out)},
    };
    for (size_t i = 0; i < PL_COUNT(table); i++) {
        add_head(out, table[i].name, table[i].type, table[i].help);
        pl_buf_addf(out, "%s ", table[i].name);
        add_double(out, table[i].value);
        pl_buf_add_byte(out, '\n');
    }
}

void pl_metrics_render(struct pl_metrics *s, struct pl_buf *out)
{
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n; i++) {
        const struct series *first = &s->series[i];
        if (!first->leads)
            continue;
        add_head(out, first->name, first->type, first->help);
        for (unsigned k = i; k != PL_METRICS_NONE; k = s->series[k].next)
            add_series(out, &s->series[k]);
    }
    pthread_mutex_unlock(&s->lock);
    add_process(s, out);
}

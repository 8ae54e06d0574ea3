/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - counters, gauges and histograms; Prometheus text, /healthz and /readyz over HTTP; the
 * conservation law.
 *
 * A daemon declares its metrics once in a const table and gets an array of values; a metric is named
 * by its index (an enum of the daemon). Labels are few and fixed: a "family" may be declared several
 * times with different constant labels. Dynamic labels (topic, table) are added at start by
 * pl_stats_add(), which returns the new index.
 *
 * Text format: Prometheus exposition format 0.0.4. Names follow its conventions (base units seconds
 * and bytes, counters end in _total).
 *
 * Threads: values are atomics, any thread. add/free: before and after the threads. The HTTP server
 * runs in a thread of its own (libmicrohttpd) and reads only atomics.
 */
#ifndef PL_STATS_H
#define PL_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

enum pl_metric_type { PL_COUNTER, PL_GAUGE, PL_HISTOGRAM };

struct pl_metric {
    const char *name;   /* "chsinkd_rows_inserted_total" */
    const char *labels; /* "reason=\"duplicate\"" or NULL */
    enum pl_metric_type type;
    const char *help;
};

struct pl_stats;

/* `table` has `n` entries and outlives the stats. */
struct pl_stats *pl_stats_new(const struct pl_metric *table, unsigned n);
void pl_stats_free(struct pl_stats *s);
PL_DEFINE_CLEANUP(struct pl_stats *, pl_stats_free);

/* One more metric at run time, copied; same name and labels give the same index. At most 4,096. */
unsigned pl_stats_add(struct pl_stats *s, const struct pl_metric *m);

void pl_stats_inc(struct pl_stats *s, unsigned metric, uint64_t by); /* COUNTER */
void pl_stats_set(struct pl_stats *s, unsigned metric, double value); /* GAUGE */
void pl_stats_observe(struct pl_stats *s, unsigned metric, double value); /* HISTOGRAM: 1 ms to 1 h
                                                                             in powers of about 2.5, seconds */
uint64_t pl_stats_get(const struct pl_stats *s, unsigned metric); /* COUNTER; a gauge truncated */

/* All metrics plus process_resident_memory_bytes, process_cpu_seconds_total,
 * process_start_time_seconds, process_open_fds. Families of one name stand together. */
void pl_stats_render(struct pl_stats *s, struct pl_buf *out);

/* /readyz answers 200 "ready" or 503 with `why_not` (copied; NULL: ready). */
void pl_stats_set_ready(struct pl_stats *s, const char *why_not);

/* Listens on "127.0.0.1:9464" or "[::1]:9464" (":9464": all addresses). GET /metrics, /healthz (200
 * while `pl_stats_alive` was called within 60 s), /readyz; 404 for others, 405 for other methods.
 * CONFIG error when it cannot listen. */
struct pl_stats_server;
int pl_stats_serve(struct pl_stats *s, const char *address, struct pl_stats_server **ret, struct pl_err *err);
void pl_stats_server_free(struct pl_stats_server *srv);
PL_DEFINE_CLEANUP(struct pl_stats_server *, pl_stats_server_free);
void pl_stats_alive(struct pl_stats *s);

/* received == delivered + filtered + dead-lettered + in flight. Sums over metric indexes. Call at a
 * quiescent point (between messages). Returns true when it holds; otherwise `ret_difference`. */
struct pl_conservation {
    const unsigned *received, *accounted; /* indexes; accounted includes delivered, filtered, dead */
    unsigned received_n, accounted_n;
};
bool pl_conservation_holds(const struct pl_stats *s, const struct pl_conservation *law,
                           uint64_t in_flight, int64_t *ret_difference);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - counters, gauges and histograms; Prometheus text, /healthz and /readyz over HTTP, and
 * a page for people; the conservation law.
 *
 * A daemon declares its metrics in a const table and names each by its index (an enum). Labels are
 * few and fixed: a name may be declared several times with different constant labels. Those known
 * only at start (topic, table) are added by pl_metrics_add(), which returns the new index.
 *
 * Text format: Prometheus exposition format 0.0.4. Names follow its conventions (base units seconds
 * and bytes, counters end in _total).
 *
 * Threads: any; values are atomics and need no lock. Adding takes a lock, which rendering holds
 * too. Free after all threads. The HTTP server has its own thread, with all signals blocked.
 */
#ifndef PL_METRICS_METRICS_H
#define PL_METRICS_METRICS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum pl_metric_type { PL_COUNTER, PL_GAUGE, PL_HISTOGRAM };

struct pl_metric {
    const char *name;   /* "chsinkd_rows_inserted_total" */
    const char *labels; /* "reason=\"duplicate\"" or NULL */
    enum pl_metric_type type;
    const char *help;
};

struct pl_metrics;

/* `table` has `n` entries and outlives the metrics. */
struct pl_metrics *pl_metrics_new(const struct pl_metric *table, unsigned n);
void pl_metrics_free(struct pl_metrics *s);
PL_DEFINE_CLEANUP(struct pl_metrics *, pl_metrics_free);

#define PL_METRICS_MAX  4096
#define PL_METRICS_NONE UINT_MAX /* no metric: its values are ignored */

/* One more metric at run time, copied; same name and labels give the same index. At most
 * PL_METRICS_MAX in all; beyond that PL_METRICS_NONE, and metrics_left_out_total counts it. */
unsigned pl_metrics_add(struct pl_metrics *s, const struct pl_metric *m);

/* Appends `name="value"` to a text for pl_metric.labels, with a comma if it is not the first;
 * escapes the value, with U+FFFD for what is not UTF-8. false: the buffer's maximum would be
 * passed, nothing was added. */
bool pl_metrics_label(struct pl_buf *labels, const char *name, const char *value);

void pl_metrics_inc(struct pl_metrics *s, unsigned metric, uint64_t by);  /* COUNTER */
void pl_metrics_set(struct pl_metrics *s, unsigned metric, double value); /* GAUGE */
/* GAUGE: adds `by` (below 0: subtracts), where several share one. */
void pl_metrics_shift(struct pl_metrics *s, unsigned metric, double by);
/* HISTOGRAM of seconds: 1 ms to 1 h in powers of about 2.5. Below 0 (clocks differ) counts as 0. */
void pl_metrics_observe(struct pl_metrics *s, unsigned metric, double value);
/* COUNTER; a gauge truncated (below 0: 0); a histogram's number of observations. */
uint64_t pl_metrics_get(const struct pl_metrics *s, unsigned metric);

/* All metrics plus process_resident_memory_bytes, process_cpu_seconds_total,
 * process_start_time_seconds, process_open_fds. */
void pl_metrics_render(struct pl_metrics *s, struct pl_buf *out);

/* /readyz answers 200 "ready" or 503 with `why_not` (copied, at most 255 bytes; NULL: ready). At
 * first: "starting". */
void pl_metrics_set_ready(struct pl_metrics *s, const char *why_not);

/* The loop turned: call it in on_tick. pl_metrics_new() counts as the first time. */
void pl_metrics_heartbeat(struct pl_metrics *s);

/* What /readyz and /healthz answer; times are monotonic. */
bool pl_metrics_is_ready(struct pl_metrics *s, char *ret_why_not, size_t size);
bool pl_metrics_is_healthy(const struct pl_metrics *s, int64_t now_ms);
void pl_metrics_heartbeat_at(struct pl_metrics *s, int64_t now_ms);

/* ---- the page at / ----
 *
 * It is made when it is asked for, by the thread whose state it shows, the loop's. The server's
 * thread waits for it, PL_METRICS_PAGE_WAIT_MS at most: before pl_metrics_page_open(), and where
 * the loop does not come, it answers with a short page of its own, with the name and the status. A
 * page serves all who ask within PL_METRICS_PAGE_KEPT_MS, so that nobody's reloading keeps the loop
 * busy. */
#define PL_METRICS_PAGE_WAIT_MS 500
#define PL_METRICS_PAGE_KEPT_MS 1000

/* Copied; at most 63 and 255 bytes. */
void pl_metrics_set_name(struct pl_metrics *s, const char *name);
void pl_metrics_set_status(struct pl_metrics *s, const char *text);
void pl_metrics_status(struct pl_metrics *s, char *out, size_t size);

/* From now on pages are made. The descriptor is borrowed, and readable while one is asked for;
 * -1: there is no page. */
int pl_metrics_page_open(struct pl_metrics *s);
/* Takes the contents. Also without having been asked. */
void pl_metrics_page_answer(struct pl_metrics *s, struct pl_buf *html);
void pl_metrics_page_close(struct pl_metrics *s);

/* ---- over HTTP ---- */

/* Listens on "127.0.0.1:9464" or "[::1]:9464" (":9464": all addresses; port 0: any free one). Names
 * are not resolved, "localhost" is 127.0.0.1. GET and HEAD of /, /metrics, /healthz (200 while
 * pl_metrics_heartbeat() was called within 60 s), /readyz. CONFIG error when the address is invalid
 * or cannot be listened on.
 *
 * There is no password or TLS: it is for loopback and trusted networks. Limits: 32 connections, 8
 * from one address (more are refused), one request and 10 s each, so that a slow or silent peer
 * cannot shut out others. */
struct pl_metrics_server;
int pl_metrics_serve(struct pl_metrics *s, const char *address, struct pl_metrics_server **ret,
                     struct pl_err *err);
void pl_metrics_server_free(struct pl_metrics_server *srv); /* before pl_metrics_free() */
PL_DEFINE_CLEANUP(struct pl_metrics_server *, pl_metrics_server_free);
unsigned pl_metrics_server_port(const struct pl_metrics_server *srv); /* the bound one */

/* For --check-config: CONFIG error if pl_metrics_serve() would not understand the address. */
int pl_metrics_address_check(const char *address, struct pl_err *err);

/* received == delivered + filtered + dead-lettered + in flight: sums over metric indexes, to be
 * checked when nothing moves (between messages). Returns the difference: 0 when it holds. */
struct pl_conservation {
    const unsigned *received;  /* indexes */
    const unsigned *accounted; /* delivered, filtered, dead-lettered */
    unsigned received_n, accounted_n;
};
int64_t pl_conservation_difference(const struct pl_metrics *s, const struct pl_conservation *law,
                                   uint64_t in_flight);

#endif

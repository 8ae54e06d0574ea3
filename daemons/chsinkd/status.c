/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - see status.h. */
#include "daemons/chsinkd/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"

/* While no rows move, an error that librdkafka reported this recently counts as not over: it
 * repeats one only after 30 s. */
#define KAFKA_AWAY_MS 35000

static void sink_look(struct sink *s, struct status *st)
{
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->partitions_n; i++) {
        const struct partition *p = s->partitions[i];
        int64_t low = 0, high = 0;
        if (!p->assigned)
            continue;
        st->assigned++;
        if (p->aside != ASIDE_NO) {
            st->aside++;
            if (p->aside != ASIDE_FENCED)
                st->one = p;
        }
        st->settle += p->settles;
        int64_t at = sink_read_to(p);
        if (rd_kafka_get_watermark_offsets(s->rk, p->topic, p->id, &low, &high) ==
                RD_KAFKA_RESP_ERR_NO_ERROR &&
            high > at)
            st->lag += (double)(high - at);
    }
    pthread_mutex_unlock(&s->lock);
}

int64_t status_in_flight(const struct loader *loaders, unsigned n)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += loaders[i].sink.in_flight;
    return sum;
}

struct status status_look(struct loader *loaders, unsigned n)
{
    struct status st = {.in_flight = status_in_flight(loaders, n)};
    for (unsigned i = 0; i < n; i++) {
        unsigned before = st.assigned;
        sink_look(&loaders[i].sink, &st);
        if (!st.idle && st.assigned == before)
            st.idle = &loaders[i];
    }
    return st;
}

/* "ClickHouse does not answer", or how it is for the first such table. False: all answer. */
static bool away_describe(struct loader *loaders, unsigned n, char *out, size_t size)
{
    const struct sink *s = &loaders->sink;
    const struct sink_route *away = NULL;
    for (unsigned i = 0; i < n && !away; i++)
        away = sink_away(&loaders[i].sink);
    if (away && s->conf->routes_n > 1)
        snprintf(out, size, "%s does not answer for table %.60s", s->output->name,
                 away->target->name);
    else if (away)
        snprintf(out, size, "%s does not answer", s->output->name);
    return away != NULL;
}

void status_show_stopping(struct pl_service *service, struct loader *loaders, unsigned n)
{
    char away[128];
    bool is_away = away_describe(loaders, n, away, sizeof(away));
    bool again = pl_daemon_is_again(service->daemon);
    pl_service_status(service, again ? "reloading" : "stopping",
                      "%s: %" PRId64 " messages on their way into the table%s%s",
                      again ? "Reloading" : "Stopping", status_in_flight(loaders, n),
                      is_away ? ", " : "", is_away ? away : "");
}

/* "; last batch 5000 rows into default.edits 2 s ago" */
static void last_describe(struct loader *loaders, unsigned n, char *out, size_t size)
{
    struct sink_last last = {0};
    for (unsigned i = 0; i < n; i++) {
        struct sink *s = &loaders[i].sink;
        pthread_mutex_lock(&s->lock);
        if (s->last.route && (!last.route || s->last.at_ms > last.at_ms))
            last = s->last;
        pthread_mutex_unlock(&s->lock);
    }
    if (last.route)
        snprintf(out, size, "; last batch %" PRIu64 " rows into %.100s %" PRId64 " s ago",
                 last.rows, last.route->target->name,
                 (pl_clock_monotonic_ms() - last.at_ms) / 1000);
    else
        snprintf(out, size, "; no batch yet");
}

/* " (1 wait for a person: topic edits, table default.edits; see the log)" */
static void aside_describe(const struct status *st, char *out, size_t size)
{
    out[0] = '\0';
    if (st->one)
        snprintf(out, size, " (%u wait for a person: topic %.60s, table %.60s; see the log)",
                 st->aside, st->one->topic, st->one->route->target->name);
    else if (st->settle > 0)
        snprintf(out, size, " (%u wait until no insert can arrive any more, to ask the table)",
                 st->settle);
}

static bool kafka_describe(struct loader *loaders, unsigned n, char *out)
{
    for (unsigned i = 0; i < n; i++)
        if (pl_kafka_health_text(&loaders[i].sink.health, KAFKA_AWAY_MS, out))
            return true;
    return false;
}

void status_show(struct pl_service *service, struct loader *loaders, unsigned n,
                 const struct status *st, double rows_per_s)
{
    const struct sink *s = &loaders->sink;
    uint64_t rows = pl_metrics_get(s->metrics, M_ROWS);
    char last[160], aside[224], kafka[256], away[128];
    last_describe(loaders, n, last, sizeof(last));
    aside_describe(st, aside, sizeof(aside));
    if (away_describe(loaders, n, away, sizeof(away)))
        pl_service_status(service, away,
                          "waiting for %s; %" PRIu64 " rows inserted, lag %.0f messages%s",
                          s->output->name, rows, st->lag, last);
    else if (rows_per_s <= 0 && kafka_describe(loaders, n, kafka))
        pl_service_status(service, NULL, "waiting for Kafka: %.110s%s", kafka, last);
    else if (st->assigned == 0)
        pl_service_status(service, NULL,
                          "waiting for the group %s to assign partitions; %" PRIu64
                          " rows inserted%s",
                          st->idle->sink.group, rows, last);
    else
        pl_service_status(service, st->aside == st->assigned ? "no partition can be read" : NULL,
                          "%u partitions%s, %.0f rows/s, %" PRIu64
                          " rows inserted, lag %.0f messages, %" PRIu64 " dead letters%s",
                          st->assigned, aside, rows_per_s, rows, st->lag,
                          pl_metrics_get(s->metrics, M_DEAD_ROWS), last);
}

/* ---- progress ---- */

/* Offsets from where we began to the end. What is in flight is not yet done; it is counted in
 * messages, of which offsets have no fewer. */
static void sink_progress(struct sink *s, struct pl_bar_now *now)
{
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->partitions_n; i++) {
        struct partition *p = s->partitions[i];
        int64_t next = p->next_offset, end = p->once_end;
        if (next < 0 || end < 0)
            continue;
        if (p->shown_begin < 0)
            p->shown_begin = next;
        if (end <= p->shown_begin)
            continue;
        now->total += (double)(end - p->shown_begin);
        now->done += (double)((next < end ? next : end) - p->shown_begin);
    }
    pthread_mutex_unlock(&s->lock);
    now->done -= (double)s->in_flight;
}

void status_progress(struct pl_bar *bar, struct loader *loaders, unsigned n)
{
    char why[256];
    struct pl_bar_now now = {.count = pl_metrics_get(loaders->sink.metrics, M_ROWS),
                             .unit = "rows"};
    for (unsigned i = 0; i < n; i++)
        sink_progress(&loaders[i].sink, &now);
    now.done = now.done > 0 ? now.done : 0;
    if (away_describe(loaders, n, why, sizeof(why)) ||
        (bar->rate < 1 && kafka_describe(loaders, n, why)))
        now.note = why;
    pl_bar_show(bar, &now);
}

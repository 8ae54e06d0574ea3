/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - STATUS, and for the watchdog whether there is progress. */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/wikisrcd/internal.h"
#include "daemons/wikisrcd/metrics.h"
#include "lib/base/clock.h"

/* If work waits this much longer than a batch's age while Kafka answers, something is wrong here.
 * The longest legitimate wait is transaction.timeout.ms, for a transaction that Kafka has not let
 * begin. */
#define STUCK_MS 120000

uint64_t status_in_flight(const struct wikisrcd *w)
{
    return pl_delivery_sums(w->delivery)->items;
}

int64_t status_refused_seconds(const struct wikisrcd *w, int64_t mono_ms)
{
    int64_t kafka_s = pl_refusal_seconds(&w->kafka.refusal, mono_ms);
    int64_t stream_s = pl_refusal_seconds(&w->stream.refusal, mono_ms);
    return kafka_s > stream_s ? kafka_s : stream_s;
}

void status_show(struct wikisrcd *w, double rate, double lag)
{
    uint64_t waiting = status_in_flight(w);
    char last[64] = "nothing committed yet";
    if (w->committed_ms > 0)
        snprintf(last, sizeof(last), "last commit %" PRId64 " s ago, %" PRIu64 " events",
                 (pl_clock_monotonic_ms() - w->committed_ms) / 1000, w->committed_events);
    char source[64], absence[256] = "";
    struct plan_absence a;
    source_describe(w->source, source, sizeof(source));
    if (plan_absence_now(w->plan, &a))
        snprintf(absence, sizeof(absence), "; %s: stream %s has no %s, %s", a.option, a.stream,
                 a.paths, a.drops ? "all its events are left out" : "none is left out");
    if (pl_delivery_is_stalled(w->delivery))
        pl_service_status(w->service, "Kafka does not answer",
                          "Kafka does not answer; reading is paused, %" PRIu64 " events wait, %s",
                          waiting, last);
    else if (w->kafka.refusal.since_ms || w->stream.refusal.since_ms)
        pl_service_status(w->service, "refused", "%s refuses us, for %" PRId64 " s so far; %s, %s",
                          w->kafka.refusal.since_ms ? "Kafka" : "the source",
                          status_refused_seconds(w, pl_clock_monotonic_ms()), source, last);
    else if (source_is_told_to_wait(w->source))
        pl_service_status(w->service, "the source asks us to wait", "%s; %.1f s behind, %s", source,
                          lag, last);
    else
        pl_service_status(w->service, NULL, "%s: %.0f events/s, %.1f s behind, to %s, %s%s", source,
                          rate, lag, w->conf->topic, last, absence);
}

/* Progress: what is taken from the source is committed, and the source does what is due. Kafka may
 * be away for long, which STATUS and the log show; a client library that hangs is stuck. */
const char *status_stuck(struct wikisrcd *w)
{
    const struct pl_progress_now now = {
        .now_ms = pl_clock_monotonic_ms(),
        .done = pl_metrics_get(w->metrics, M_COMMITTED) + pl_metrics_get(w->metrics, M_ABORTED),
        .pending = !pl_delivery_is_idle(w->delivery) || source_is_held(w->source),
        .known = pl_delivery_is_stalled(w->delivery),
    };
    bool moves = pl_progress_moves(&w->progress, &now, w->conf->batch.age_ms + STUCK_MS);
    return pl_delivery_is_stuck(w->delivery) ? "librdkafka does not come back"
           : source_is_overdue(w->source)    ? "the connection to the source does nothing"
           : moves                           ? NULL
                                             : "nothing is committed";
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c - how the service is doing: STATUS, lag, empty windows, and for the watchdog, progress.
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/wmfetchd/internal.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "lib/log/log.h"

enum {
    STUCK_MS = 120000, /* due for this long but not begun: a bug */
    SLOW_MS = 60000,   /* a request that takes longer is slow */
    HOUR_MS = 3600000,
    EMPTY_MANY = 3, /* windows in a row without a record */
};

uint64_t status_in_flight(const struct wmfetchd *w)
{
    uint64_t items = 0;
    for (unsigned k = 0; k < w->turns.slots_n; k++)
        if (w->slots[k].load)
            items += pl_delivery_sums(load_kafka(w->slots[k].load))->items;
    return items;
}

/* ---- lag ---- */

/* Sets the gauges and returns how many windows are due. */
static int64_t lag_measure(struct wmfetchd *w, int64_t *ret_oldest_ms)
{
    struct schedule schedule = wmfetchd_schedule(w);
    int64_t now_ms = wmfetchd_api_now_ms(w), behind = 0;
    *ret_oldest_ms = INT64_MAX;
    for (size_t i = 0; i < w->turns.n; i++) {
        struct series *s = &w->series[i];
        if (!s->known)
            continue;
        behind += schedule_behind(&schedule, &s->position, now_ms);
        if (s->position.end_ms < *ret_oldest_ms)
            *ret_oldest_ms = s->position.end_ms;
        pl_metrics_set(w->metrics, s->lag_metric, (double)(now_ms - s->position.end_ms) / 1000);
        bool ahead = s->position.end_ms > now_ms + HOUR_MS;
        if (ahead && !s->ahead)
            pl_log(PL_WARNING, NULL,
                   "the position is in the future, waiting for the clock to reach it",
                   PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
                   PL_F_INT("END", s->position.end_ms));
        s->ahead = ahead;
    }
    pl_metrics_set(w->metrics, M_WINDOWS_BEHIND, (double)behind);
    return behind;
}

/* ---- empty windows ---- */

/* 3, 10, 30, 100, 300 … */
static bool is_milestone(uint64_t n)
{
    while (n > 10 && n % 10 == 0)
        n /= 10;
    return n == 10 || n == EMPTY_MANY;
}

void status_records_note(struct wmfetchd *w, struct series *s, uint64_t records)
{
    if (records > 0 && s->empty >= EMPTY_MANY)
        pl_log(PL_NOTICE, PL_EVENT_WINDOWS_EMPTY, "windows have records again",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
               PL_F_UINT("WINDOWS", s->empty));
    s->empty = records > 0 ? 0 : s->empty + 1;
    if (records > 0)
        return;
    pl_metrics_inc(w->metrics, M_WINDOWS_EMPTY, 1);
    if (is_milestone(s->empty))
        pl_log(PL_WARNING, PL_EVENT_WINDOWS_EMPTY,
               "several windows in a row without a record: is that right?",
               PL_F_STR("APPLICATION", s->application), PL_F_STR("INDEX", s->index),
               PL_F_UINT("WINDOWS", s->empty));
}

/* The series with the most empty windows in a row, NULL if no run is long. Sets the gauge. */
static const struct series *empty_measure(struct wmfetchd *w)
{
    const struct series *most = &w->series[0];
    for (size_t i = 1; i < w->turns.n; i++)
        if (w->series[i].empty > most->empty)
            most = &w->series[i];
    pl_metrics_set(w->metrics, M_WINDOWS_EMPTY_RUN, (double)most->empty);
    return most->empty >= EMPTY_MANY ? most : NULL;
}

/* ---- STATUS ---- */

static bool is_stalled(const struct wmfetchd *w)
{
    bool stalled = false;
    for (unsigned k = 0; k < w->turns.slots_n; k++)
        stalled |= pl_delivery_is_stalled(load_kafka(w->slots[k].load));
    return stalled;
}

int64_t status_refused_seconds(const struct wmfetchd *w)
{
    int64_t now_ms = pl_clock_monotonic_ms(), most = pl_refusal_seconds(&w->refusal, now_ms);
    for (size_t i = 0; i < w->turns.n; i++) {
        int64_t seconds = pl_refusal_seconds(&w->series[i].refusal, now_ms);
        most = seconds > most ? seconds : most;
    }
    return most;
}

/* Writes what is being fetched: "31854/HOURLY for 12 s, 7/HOURLY for 0 s", as many as fit. Returns
 * how many there are; *ret_slow: how many of them are slow. */
static unsigned fetching_describe(const struct wmfetchd *w, char *out, size_t size,
                                  unsigned *ret_slow)
{
    int64_t mono_ms = pl_clock_monotonic_ms();
    unsigned n = 0;
    size_t len = 0;
    out[0] = '\0';
    *ret_slow = 0;
    for (unsigned k = 0; k < w->turns.slots_n; k++) {
        const struct slot *slot = &w->slots[k];
        if (!slot->series || !fetch_is_running(load_fetch(slot->load)))
            continue;
        int64_t took_ms = mono_ms - slot->begun_ms;
        char one[96];
        int one_len =
            snprintf(one, sizeof(one), "%s%.40s/%.20s for %" PRId64 " s", n > 0 ? ", " : "",
                     slot->series->application, slot->series->index, took_ms / 1000);
        *ret_slow += took_ms >= SLOW_MS;
        n++;
        if (len + (size_t)one_len < size)
            len += (size_t)snprintf(out + len, size - len, "%s", one);
    }
    return n;
}

/* Writes ", 2 of 16 series fail (31854/HOURLY …)"; "" if none does. */
static void failing_describe(const struct wmfetchd *w, char *out, size_t size)
{
    const struct series *first = NULL;
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < w->turns.n; i++) {
        first = first || !w->series[i].failing ? first : &w->series[i];
        n += w->series[i].failing;
    }
    if (first)
        snprintf(out, size, ", %zu of %zu series %s (%.40s/%.20s%s)", n, w->turns.n,
                 n == 1 ? "fails" : "fail", first->application, first->index, n > 1 ? " …" : "");
}

static void slow_log(struct wmfetchd *w, bool slow, const char *fetching)
{
    if (slow && !w->slow)
        pl_log(PL_WARNING, NULL, "slow requests use up api.requests, other applications wait",
               PL_F_STR("REASON", fetching));
    w->slow = slow;
}

void status_show(struct wmfetchd *w)
{
    char oldest[32] = "-", last[192] = "none committed yet", fetching[128], failing[128];
    unsigned slow, n = fetching_describe(w, fetching, sizeof(fetching), &slow);
    bool all_slow = slow == w->turns.slots_n && w->turns.n > slow;
    int64_t oldest_ms, mono_ms = pl_clock_monotonic_ms(), behind = lag_measure(w, &oldest_ms);
    double rate = pl_rate_next(&w->rate, pl_metrics_get(w->metrics, M_ANSWER_BYTES), mono_ms);
    if (oldest_ms != INT64_MAX)
        pl_time_format_ms(oldest_ms, oldest);
    if (w->windows > 0)
        snprintf(last, sizeof(last), "last window %" PRIu64 " records %" PRId64 " s ago",
                 w->last_records, (mono_ms - w->last_ms) / 1000);
    const struct series *empty = empty_measure(w);
    size_t len = strlen(last);
    if (empty)
        snprintf(last + len, sizeof(last) - len, "; %.40s/%.20s empty for %" PRIu64 " windows",
                 empty->application, empty->index, empty->empty);
    slow_log(w, all_slow, fetching);
    failing_describe(w, failing, sizeof(failing));
    w->service->page.warns = failing[0];
    int64_t held_ms = w->not_before_ms - mono_ms;
    if (is_stalled(w))
        pl_service_status(w->service, "Kafka does not answer",
                          "Kafka does not answer; fetching is paused, %" PRId64
                          " windows due, all to %s, %s",
                          behind, oldest, last);
    else if (w->refusal.since_ms != 0)
        pl_service_status(w->service, "refused",
                          "refused for %" PRId64 " s now, trying again; %" PRId64
                          " windows due, all to %s, %s",
                          pl_refusal_seconds(&w->refusal, mono_ms), behind, oldest, last);
    else if (all_slow)
        pl_service_status(w->service, NULL,
                          "slow requests block the others: %s; %" PRId64
                          " windows due, all to %s, %s",
                          fetching, behind, oldest, last);
    else if (n > 0)
        pl_service_status(w->service, NULL,
                          "fetching %s, %.1f MB/s; %" PRId64 " windows due, all to %s%s, %s",
                          fetching, rate / 1e6, behind, oldest, failing, last);
    else if (held_ms > 0)
        pl_service_status(w->service, held_ms > PL_HTTP_RETRY_AFTER_LONG_MS ? "told to wait" : NULL,
                          "nothing is asked for another %" PRId64 " s, the log says why; %" PRId64
                          " windows due, all to %s, %s",
                          held_ms / 1000 + 1, behind, oldest, last);
    else
        pl_service_status(w->service, NULL,
                          "waiting for the next window; %" PRId64
                          " windows due, all to %s%s, %" PRIu64 " done, %s",
                          behind, oldest, failing, w->windows, last);
}

/* ---- the watchdog ---- */

/* Whether something might have begun for STUCK_MS and has not. */
static bool is_asleep(struct wmfetchd *w, int64_t mono_ms)
{
    struct turns_next next;
    bool idle =
        w->ready && w->claimed && !pl_daemon_stopping(w->daemon) && wmfetchd_next(w, &next) == 0;
    if (!idle)
        w->idle_due_ms = 0;
    else if (w->idle_due_ms == 0)
        w->idle_due_ms = mono_ms;
    return w->idle_due_ms != 0 && mono_ms - w->idle_due_ms >= STUCK_MS;
}

/* Whether a window takes longer than all its limits together: twice a token (by refreshing, by the
 * grant) and the answer (the first is a 401), then waiting for room while Kafka is away. */
static bool is_overdue(const struct wmfetchd *w, const struct slot *slot, int64_t mono_ms)
{
    int64_t limit_ms = 2 * (2 * w->conf->auth.timeout_ms + w->conf->api.timeout_ms) +
                       delivery_open_ms_max(load_delivery(slot->load)) + STUCK_MS;
    return fetch_is_running(load_fetch(slot->load)) && mono_ms - slot->begun_ms >= limit_ms;
}

/* But for a bug, every wait has its limit except a commit's: Kafka's absence is logged, and the
 * thread that waits for it returns in time. */
const char *status_stuck(struct wmfetchd *w)
{
    int64_t mono_ms = pl_clock_monotonic_ms();
    for (unsigned k = 0; k < w->turns.slots_n; k++) {
        const struct slot *slot = &w->slots[k];
        if (pl_delivery_is_stuck(load_kafka(slot->load)))
            return "librdkafka does not come back";
        if (is_overdue(w, slot, mono_ms))
            return "a window is being fetched for longer than it may";
    }
    return is_asleep(w, mono_ms) ? "a window is due, and nothing is under way" : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - see report.h. */
#include "daemons/wikisrcd/report.h"

#include "daemons/wikisrcd/metrics.h"
#include "lib/base/time_text.h"
#include "lib/log/log.h"

static void gap_report(struct pl_metrics *metrics, const struct position *position,
                       const struct position_mark *mark)
{
    pl_metrics_inc(metrics, M_GAPS, 1);
    pl_metrics_inc(metrics, M_GAP_EVENTS, mark->gap);
    pl_log(PL_WARNING, PL_EVENT_SOURCE_GAP, "upstream offsets have a gap",
           PL_F_STR("TOPIC", position_topic_name(position, mark->topic)),
           PL_F_INT("OFFSET", mark->offset), PL_F_UINT("COUNT", mark->gap));
}

static void late_report(struct pl_metrics *metrics, const struct position *position,
                        const struct position_mark *mark)
{
    char asked[32], first[32];
    pl_time_format_ms(mark->asked_ms, asked);
    pl_time_format_ms(mark->time_ms, first);
    if (mark->asked_ms <= 0) {
        pl_log(PL_INFO, NULL, "the oldest event that the source has",
               PL_F_STR("TOPIC", position_topic_name(position, mark->topic)),
               PL_F_STR("FIRST", first));
        return;
    }
    pl_metrics_inc(metrics, M_TOO_OLD, 1);
    pl_log(PL_WARNING, PL_EVENT_SOURCE_TOO_OLD,
           "the source no longer has what was asked for: the events in between are lost",
           PL_F_STR("TOPIC", position_topic_name(position, mark->topic)), PL_F_STR("ASKED", asked),
           PL_F_STR("FIRST", first));
}

static void ahead_report(struct pl_metrics *metrics, const struct position *position,
                         const struct position_mark *mark)
{
    char time[32];
    pl_time_format_ms(mark->time_ms, time);
    pl_metrics_inc(metrics, M_AHEAD, 1);
    pl_log(PL_WARNING, PL_EVENT_SOURCE_STRANGE,
           "an event's time is in the service's future: it does not move the position",
           PL_F_STR("TOPIC", position_topic_name(position, mark->topic)), PL_F_STR("TIME", time));
}

void report_add(struct pl_metrics *metrics, struct position *position,
                const struct position_mark *mark)
{
    uint64_t cut = position_ids_cut(position), ahead_cut = position_ahead_cut(position);
    if (mark->gap > 0)
        gap_report(metrics, position, mark);
    if (mark->late)
        late_report(metrics, position, mark);
    if (!mark->believable && mark->verdict == POSITION_NEW)
        ahead_report(metrics, position, mark);
    position_add(position, mark);
    ahead_cut = position_ahead_cut(position) - ahead_cut;
    pl_metrics_inc(metrics, M_WINDOW_CUT, position_ids_cut(position) - cut);
    pl_metrics_inc(metrics, M_AHEAD_CUT, ahead_cut);
    if (ahead_cut > 0)
        pl_log(PL_WARNING, PL_EVENT_SOURCE_STRANGE,
               "too many events from the service's future to remember: one may be doubled",
               PL_F_STR("TOPIC", position_topic_name(position, mark->topic)),
               PL_F_UINT("COUNT", ahead_cut));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* skew.c - see skew.h. */
#include "lib/service/skew.h"

#include "lib/base/clock.h"
#include "lib/log/log.h"

void pl_skew_show(struct pl_peer_clock *source, struct pl_metrics *metrics, unsigned metric)
{
    int64_t now_ms = pl_clock_realtime_ms(), boot_ms = pl_clock_boot_ms(), skew_ms;
    pl_metrics_set(metrics, metric, (double)pl_peer_clock_skew(source, now_ms, boot_ms) / 1000);
    if (!pl_peer_clock_notable(source, now_ms, boot_ms, &skew_ms))
        return;
    if (skew_ms != 0)
        pl_log(PL_WARNING, PL_EVENT_CLOCK_SKEW,
               "our clock differs from the source's, which is used", PL_F_INT("SKEW_MS", skew_ms));
    else
        pl_log(PL_NOTICE, PL_EVENT_CLOCK_SKEW, "our clock and the source's agree again",
               PL_F_INT("SKEW_MS", skew_ms));
}

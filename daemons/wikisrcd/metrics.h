/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - wikisrcd's metrics. */
#ifndef WIKISRCD_METRICS_H
#define WIKISRCD_METRICS_H

#include "lib/metrics/metrics.h"

enum wikisrcd_metric {
    M_RECEIVED,
    M_DELIVERED,
    M_CANARIES,
    M_DUPLICATES,
    M_FILTERED,
    M_SKIPPED,
    M_OTHER_TYPE,
    M_NOT_REDACTABLE,
    M_REFETCHED,
    M_MALFORMED,
    M_FIELD_ABSENT,
    M_REDACT_ABSENT,
    M_SOURCE_BYTES,
    M_DELIVERED_BYTES,
    /* Why a connection ended; in the order of enum source_loss; REWIND is
     * ours: an aborted transaction is fetched again. */
    M_LOST_CLOSED,
    M_LOST_NETWORK,
    M_LOST_STALL,
    M_LOST_ERROR_EVENT,
    M_LOST_REFUSED,
    M_LOST_REWIND,
    M_FALLBACKS,
    M_GAPS,
    M_GAP_EVENTS,
    M_TOO_OLD,
    M_TIME_REPLACED,
    M_WINDOW_CUT,
    M_AHEAD,
    M_AHEAD_CUT,
    M_COMMITTED,
    M_ABORTED,
    M_COMMIT_SECONDS,
    M_IN_FLIGHT,
    M_WINDOW_IDS,
    M_LAG_SECONDS,
    M_CLOCK_SKEW,
    M_CONNECTED,
    M_REFUSED_SECONDS,
    M_COUNT
};

extern const struct pl_metric wikisrcd_metrics[M_COUNT];
extern const struct pl_conservation wikisrcd_conservation;

#endif

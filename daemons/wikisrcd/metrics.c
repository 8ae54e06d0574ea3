/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - see metrics.h. */
#include "daemons/wikisrcd/metrics.h"

#define LOST         "wikisrcd_connections_lost_total"
#define LOST_HELP    "Connections to the source that ended, by reason."
#define DROPPED      "wikisrcd_events_dropped_total"
#define DROPPED_HELP "Events not written, by reason."

const struct pl_metric wikisrcd_metrics[M_COUNT] = {
    [M_RECEIVED] = {"wikisrcd_events_received_total", NULL, PL_COUNTER,
                    "Events taken from the source, repeated ones included."},
    [M_DELIVERED] = {"wikisrcd_events_delivered_total", NULL, PL_COUNTER,
                     "Events in committed transactions."},
    [M_CANARIES] = {DROPPED, "reason=\"canary\"", PL_COUNTER, DROPPED_HELP},
    [M_DUPLICATES] = {DROPPED, "reason=\"duplicate\"", PL_COUNTER, DROPPED_HELP},
    [M_FILTERED] = {DROPPED, "reason=\"filter\"", PL_COUNTER, DROPPED_HELP},
    [M_SKIPPED] = {DROPPED, "reason=\"too_large\"", PL_COUNTER, DROPPED_HELP},
    [M_NOT_REDACTABLE] = {DROPPED, "reason=\"not_redactable\"", PL_COUNTER, DROPPED_HELP},
    [M_OTHER_TYPE] = {DROPPED, "reason=\"type\"", PL_COUNTER, DROPPED_HELP},
    [M_REFETCHED] = {"wikisrcd_events_refetched_total", NULL, PL_COUNTER,
                     "Events of aborted transactions, which are fetched again."},
    [M_MALFORMED] = {"wikisrcd_events_malformed_total", NULL, PL_COUNTER,
                     "Events that are not valid JSON; passed on without a key."},
    [M_REDACT_ABSENT] = {"wikisrcd_redact_field_absent_total", NULL, PL_COUNTER,
                         "Events without a field that `redact` names."},
    [M_FIELD_ABSENT] = {"wikisrcd_filter_field_absent_total", NULL, PL_COUNTER,
                        "Events without a field that a filter tests."},
    [M_SOURCE_BYTES] = {"wikisrcd_source_bytes_total", NULL, PL_COUNTER,
                        "Bytes received from the source."},
    [M_DELIVERED_BYTES] = {"wikisrcd_delivered_bytes_total", NULL, PL_COUNTER,
                           "Bytes of keys and values in committed transactions, the position's "
                           "included."},
    [M_LOST_CLOSED] = {LOST, "reason=\"closed\"", PL_COUNTER, LOST_HELP},
    [M_LOST_NETWORK] = {LOST, "reason=\"network\"", PL_COUNTER, LOST_HELP},
    [M_LOST_STALL] = {LOST, "reason=\"stall\"", PL_COUNTER, LOST_HELP},
    [M_LOST_ERROR_EVENT] = {LOST, "reason=\"error_event\"", PL_COUNTER, LOST_HELP},
    [M_LOST_REFUSED] = {LOST, "reason=\"refused\"", PL_COUNTER, LOST_HELP},
    [M_LOST_REWIND] = {LOST, "reason=\"rewind\"", PL_COUNTER, LOST_HELP},
    [M_FALLBACKS] = {"wikisrcd_source_fallbacks_total", NULL, PL_COUNTER,
                     "Times the source refused the position and was asked by time."},
    [M_GAPS] = {"wikisrcd_source_gaps_total", NULL, PL_COUNTER,
                "Jumps in an upstream topic's offsets within a connection."},
    [M_GAP_EVENTS] = {"wikisrcd_source_gap_offsets_total", NULL, PL_COUNTER,
                      "Upstream offsets that were jumped over."},
    [M_TOO_OLD] = {"wikisrcd_source_too_old_total", NULL, PL_COUNTER,
                   "Times the source no longer had what was asked for."},
    [M_TIME_REPLACED] = {"wikisrcd_times_replaced_total", NULL, PL_COUNTER,
                         "Messages with the time of arrival, because the event's own was absent "
                         "or in the future."},
    [M_WINDOW_CUT] = {"wikisrcd_window_cut_ids_total", NULL, PL_COUNTER,
                      "Remembered ids dropped because there were too many."},
    [M_AHEAD] = {"wikisrcd_events_ahead_total", NULL, PL_COUNTER,
                 "Events with a time more than a minute in the service's future."},
    [M_AHEAD_CUT] = {"wikisrcd_window_cut_ahead_ids_total", NULL, PL_COUNTER,
                     "Ids of such events forgotten because there were too many; these events "
                     "may be doubled."},
    [M_COMMITTED] = {"wikisrcd_transactions_total", "result=\"committed\"", PL_COUNTER,
                     "Kafka transactions by result."},
    [M_ABORTED] = {"wikisrcd_transactions_total", "result=\"aborted\"", PL_COUNTER,
                   "Kafka transactions by result."},
    [M_COMMIT_SECONDS] = {"wikisrcd_commit_seconds", NULL, PL_HISTOGRAM,
                          "Duration of commits, the flush included."},
    [M_IN_FLIGHT] = {"wikisrcd_events_in_flight", NULL, PL_GAUGE,
                     "Events in the open transaction."},
    [M_WINDOW_IDS] = {"wikisrcd_window_ids", NULL, PL_GAUGE,
                      "Ids remembered to recognise repeated events."},
    [M_LAG_SECONDS] = {"wikisrcd_lag_seconds", NULL, PL_GAUGE,
                       "Now less the time of the newest event."},
    [M_CLOCK_SKEW] = {"wikisrcd_clock_skew_seconds", NULL, PL_GAUGE,
                      "The service's clock (Date) minus ours; 0: not known."},
    [M_CONNECTED] = {"wikisrcd_source_connected", NULL, PL_GAUGE,
                     "1 while the source delivers, else 0."},
    [M_REFUSED_SECONDS] = {"wikisrcd_refused_seconds", NULL, PL_GAUGE,
                           "How long Kafka or the source has been refusing us; 0: neither does."},
};

static const unsigned received[] = {M_RECEIVED};
static const unsigned accounted[] = {M_DELIVERED, M_CANARIES,       M_DUPLICATES, M_FILTERED,
                                     M_SKIPPED,   M_NOT_REDACTABLE, M_OTHER_TYPE, M_REFETCHED};

const struct pl_conservation wikisrcd_conservation = {received, accounted, PL_COUNT(received),
                                                      PL_COUNT(accounted)};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - chsinkd's metrics by index; names and help texts are in metrics.c.
 */
#ifndef CHSINKD_METRICS_H
#define CHSINKD_METRICS_H

#include "lib/metrics/metrics.h"

enum chsinkd_metric {
    M_RECEIVED,   /* messages put into a batch */
    M_DELIVERED,  /* messages whose rows are in the table */
    M_DEAD,       /* messages in the dead-letter topic */
    M_SKIPPED,    /* by --replay: dead letters of other routes */
    M_GIVEN_BACK, /* messages dropped with their batch, to be read again */
    M_BYTES,
    M_ROWS,
    M_DEAD_ROWS,
    M_BATCHES,
    M_RECOVERED,
    M_RETRIES,
    M_REFUSED,
    M_LOST, /* messages that retention deleted before they were read */
    M_NULLED,
    M_CLAMPED,
    M_DEFAULTED,
    M_FILTERED,
    M_UNKNOWN_FIELDS,
    M_COLUMNS_ADDED,
    M_IN_FLIGHT,
    M_LAG,
    M_PARTITIONS,
    M_ASIDE, /* of them */
    M_MEMORY,
    M_BATCH_ROWS_LAST,
    M_INSERT_SECONDS,
    M_COMMIT_SECONDS,
    M_DELAY_SECONDS,
    M_COUNT,
};

extern const struct pl_metric chsinkd_metrics[M_COUNT];

/* received = delivered + dead + skipped + given back + in flight */
extern const struct pl_conservation chsinkd_law;

#endif

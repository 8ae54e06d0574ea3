/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - wmfetchd's metrics.
 *
 * "Elements" are the transaction objects of answers; "transactions" are Kafka's.
 */
#ifndef WMFETCHD_METRICS_H
#define WMFETCHD_METRICS_H

#include "lib/auth/token.h"
#include "lib/metrics/metrics.h"

enum wmfetchd_metric {
    M_RECEIVED,
    M_DELIVERED,
    M_REFETCHED,
    M_IN_FLIGHT,
    M_RECORDS,
    M_MESSAGES,
    M_DELIVERED_BYTES,
    M_SPLIT,
    M_ANSWER_BYTES,
    M_WINDOWS_COMMITTED,
    M_WINDOWS_FAILED,
    M_WINDOWS_PASSED,
    M_WINDOWS_BEHIND,
    M_WINDOWS_EMPTY,
    M_WINDOWS_EMPTY_RUN,
    M_CLOCK_SKEW,
    /* Answers of the API by status; NONE: no answer, or a broken one. */
    M_ANSWER_2XX,
    M_ANSWER_401,
    M_ANSWER_429,
    M_ANSWER_4XX,
    M_ANSWER_5XX,
    M_ANSWER_OTHER,
    M_ANSWER_NONE,
    M_TOKENS_GRANT, /* these five: enum pl_token_event */
    M_TOKENS_REFRESH,
    M_TOKENS_FAILED,
    M_TOKENS_REFUSED,
    M_CREDENTIALS_REFUSED,
    M_REFUSED_SECONDS,
    M_FETCH_SECONDS,
    M_COMMIT_SECONDS,
    M_COMMITTED,
    M_ABORTED,
    M_COUNT
};

extern const struct pl_metric wmfetchd_metrics[M_COUNT];
extern const struct pl_conservation wmfetchd_conservation;

/* The counter for an HTTP status. */
enum wmfetchd_metric wmfetchd_metric_of_status(long status);

/* The user agent that asks for tokens, and what is counted. */
struct pl_auth_owner wmfetchd_auth_owner(struct pl_metrics *metrics);

#endif

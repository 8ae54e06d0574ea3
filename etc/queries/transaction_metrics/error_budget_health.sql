-- SPDX-License-Identifier: Apache-2.0
-- How the error budgets are: for each application and state the transactions that are in it now (by their newest
-- hour), and the hours that were spent in it.
SELECT
    application_id,
    eb_health,
    any(eb_severity) AS colour,
    uniqExactIf(transaction_name, is_newest) AS transactions_now,
    count() AS hours,
    countIf(eb_breached) AS hours_breached,
    round(avg(eb_consumed_percent), 2) AS consumed_percent_avg,
    min(eb_left_percent) AS left_percent_min
FROM
(
    SELECT
        *,
        timestamp = max(timestamp) OVER (PARTITION BY application_id, transaction_id, transaction_name) AS is_newest
    FROM transaction_metrics FINAL
    WHERE index_type = 'HOURLY'
)
GROUP BY application_id, eb_health
ORDER BY application_id, hours DESC, eb_health

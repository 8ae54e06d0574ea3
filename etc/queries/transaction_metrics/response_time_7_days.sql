-- SPDX-License-Identifier: Apache-2.0
-- The average response time of each transaction over the last seven days, up to the newest hour in the table.
-- Each request counts the same: an average of the hours' averages would give a quiet hour too much weight.
SELECT
    application_id,
    transaction_name,
    sum(total_count) AS requests,
    round(sum(sum_response_time) / nullIf(requests, 0), 2) AS avg_response_time_ms
FROM transaction_metrics FINAL
WHERE timestamp > (SELECT max(timestamp) FROM transaction_metrics) - INTERVAL 7 DAY
    AND index_type = 'HOURLY'
GROUP BY application_id, transaction_name
ORDER BY avg_response_time_ms DESC NULLS LAST, application_id, transaction_name

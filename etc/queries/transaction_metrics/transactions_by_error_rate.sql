-- SPDX-License-Identifier: Apache-2.0
-- Transactions by the share of their requests that failed, in percent; those without requests are left out.
SELECT
    application_id,
    transaction_name,
    sum(total_count) AS requests,
    sum(error_count) AS errors,
    round(100 * errors / requests, 4) AS error_rate
FROM transaction_metrics FINAL
WHERE index_type = 'HOURLY'
GROUP BY application_id, transaction_name
HAVING requests > 0
ORDER BY error_rate DESC, errors DESC, application_id, transaction_name

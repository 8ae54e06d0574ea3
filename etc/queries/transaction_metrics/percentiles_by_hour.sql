-- SPDX-License-Identifier: Apache-2.0
-- p95, p99 and requests of one transaction, hour by hour.
-- Parameter: transaction_name (clickhouse-client --param_transaction_name=…, HTTP ?param_transaction_name=…)
SELECT
    timestamp,
    percentile_95,
    percentile_99,
    total_count AS requests
FROM transaction_metrics FINAL
WHERE transaction_name = {transaction_name:String} AND index_type = 'HOURLY'
ORDER BY timestamp, application_id, transaction_id

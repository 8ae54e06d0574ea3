-- SPDX-License-Identifier: Apache-2.0
-- How many hours there are of each transaction, and from when to when.
SELECT
    application_id,
    transaction_name,
    count() AS hours,
    min(timestamp) AS first_hour,
    max(timestamp) AS last_hour
FROM transaction_metrics FINAL
WHERE index_type = 'HOURLY'
GROUP BY application_id, transaction_name
ORDER BY hours DESC, application_id, transaction_name

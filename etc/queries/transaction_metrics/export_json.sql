-- SPDX-License-Identifier: Apache-2.0
-- All of it as JSON, a line for each row.
SELECT * EXCEPT (_topic, _partition, _offset, _timestamp)
FROM transaction_metrics FINAL
ORDER BY application_id, transaction_id, transaction_name, index_type, timestamp
SETTINGS output_format_json_quote_64bit_integers = 0
FORMAT JSONEachRow

-- SPDX-License-Identifier: Apache-2.0
-- All of it as CSV, with a line of names.
SELECT * EXCEPT (_topic, _partition, _offset, _timestamp)
FROM transaction_metrics FINAL
ORDER BY application_id, transaction_id, transaction_name, index_type, timestamp
FORMAT CSVWithNames

-- SPDX-License-Identifier: Apache-2.0
-- What the table takes on disk. Rows that are replaced count until ClickHouse has merged them away.
SELECT
    sum(rows) AS rows_stored,
    count() AS parts,
    formatReadableSize(sum(bytes_on_disk)) AS on_disk,
    formatReadableSize(sum(data_uncompressed_bytes)) AS uncompressed,
    round(sum(data_uncompressed_bytes) / nullIf(sum(data_compressed_bytes), 0), 1) AS ratio
FROM system.parts
WHERE active AND database = currentDatabase() AND table = 'transaction_metrics'

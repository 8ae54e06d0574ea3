-- SPDX-License-Identifier: Apache-2.0
-- The same for each partition (a month).
SELECT
    partition,
    sum(rows) AS rows_stored,
    count() AS parts,
    formatReadableSize(sum(bytes_on_disk)) AS on_disk,
    formatReadableSize(sum(data_uncompressed_bytes)) AS uncompressed
FROM system.parts
WHERE active AND database = currentDatabase() AND table = 'transaction_metrics'
GROUP BY partition
ORDER BY partition

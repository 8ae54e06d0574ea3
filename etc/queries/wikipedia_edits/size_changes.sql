-- SPDX-License-Identifier: Apache-2.0
-- How much an edit changes: bytes added and removed by wiki, the middle edit and the largest ones. A new page counts
-- whole; changes without a length (log entries, categories) are left out.
SELECT
    wiki,
    count() AS edits,
    sumIf(size_change, size_change > 0) AS added,
    -sumIf(size_change, size_change < 0) AS removed,
    quantileExact(0.5)(abs(size_change)) AS median_bytes,
    quantileExact(0.95)(abs(size_change)) AS p95_bytes,
    max(size_change) AS largest_added,
    min(size_change) AS largest_removed
FROM wikipedia_edits
WHERE size_change IS NOT NULL
GROUP BY wiki
ORDER BY edits DESC, wiki

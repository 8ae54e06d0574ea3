-- SPDX-License-Identifier: Apache-2.0
-- Changes by minute and wiki in the last hour that the table knows, from the view: it has some thousandths of the
-- table's rows. SummingMergeTree adds up when it merges, so sum() is always needed.
SELECT
    minute,
    wiki,
    sum(changes) AS changes_in_minute,
    sum(bots) AS by_bots,
    sum(bytes_added) AS added,
    sum(bytes_removed) AS removed
FROM wikipedia_edits_per_minute
WHERE minute > (SELECT max(minute) FROM wikipedia_edits_per_minute) - INTERVAL 1 HOUR
GROUP BY minute, wiki
ORDER BY minute, changes_in_minute DESC, wiki

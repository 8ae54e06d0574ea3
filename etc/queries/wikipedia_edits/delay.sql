-- SPDX-License-Identifier: Apache-2.0
-- How late events are: seconds from the change (timestamp, whole seconds) to its event in the stream (time), and how old
-- each wiki's newest row is. From the event to its row: the metric chsinkd_delay_seconds. Imports carry times of years
-- ago, so changes older than a day are left out.
SELECT
    wiki,
    count() AS changes,
    round(quantileExact(0.5)(late), 3) AS median_seconds,
    round(quantileExact(0.99)(late), 3) AS p99_seconds,
    round(toFloat64(now64(3, 'UTC')) - toFloat64(max(time)), 3) AS newest_is_old
FROM
(
    SELECT
        wiki,
        time,
        toFloat64(time) - toFloat64(timestamp) AS late
    FROM wikipedia_edits
    WHERE timestamp IS NOT NULL
)
WHERE late < 86400
GROUP BY wiki
ORDER BY changes DESC, wiki

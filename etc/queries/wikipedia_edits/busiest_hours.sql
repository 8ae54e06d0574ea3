-- SPDX-License-Identifier: Apache-2.0
-- At which hours (UTC) a wiki is edited: the average of each hour of the day over the days in the table, people and
-- bots apart. From the view.
SELECT
    wiki,
    toHour(hour) AS hour_of_day,
    round(avg(people), 1) AS edits_by_people,
    round(avg(by_bots), 1) AS edits_by_bots,
    count() AS days
FROM
(
    SELECT
        wiki,
        toStartOfHour(minute) AS hour,
        sum(changes) - sum(bots) AS people,
        sum(bots) AS by_bots
    FROM wikipedia_edits_per_minute
    WHERE type IN ('edit', 'new')
    GROUP BY wiki, hour
)
GROUP BY wiki, hour_of_day
ORDER BY wiki, edits_by_people DESC, hour_of_day

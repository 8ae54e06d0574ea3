-- SPDX-License-Identifier: Apache-2.0
-- The pages that were edited most, on the newest day in the table: how often, by how many, how much grew or went.
SELECT
    wiki,
    title,
    count() AS edits,
    uniqExact(user) AS editors,
    countIf(bot) AS by_bots,
    sum(size_change) AS bytes
FROM wikipedia_edits
WHERE type IN ('edit', 'new') AND time > (SELECT max(time) FROM wikipedia_edits) - INTERVAL 1 DAY
GROUP BY wiki, title
ORDER BY edits DESC, wiki, title
LIMIT 20

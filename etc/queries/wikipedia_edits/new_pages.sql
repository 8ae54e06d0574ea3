-- SPDX-License-Identifier: Apache-2.0
-- New pages by wiki and namespace (0: articles): how many, by bots, how long the middle one is.
SELECT
    wiki,
    namespace,
    count() AS new_pages,
    countIf(bot) AS by_bots,
    quantileExact(0.5)(length_new) AS median_bytes,
    max(time) AS newest
FROM wikipedia_edits
WHERE type = 'new'
GROUP BY wiki, namespace
ORDER BY new_pages DESC, wiki, namespace

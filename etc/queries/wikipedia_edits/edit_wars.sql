-- SPDX-License-Identifier: Apache-2.0
-- Pages that look like edit wars, on the newest day in the table: at least three people edit, and the text goes back and
-- forth. Back and forth is a change of the page's length that the next edit takes back.
SELECT
    wiki,
    title,
    count() AS edits,
    uniqExact(user) AS editors,
    countIf(size_change = -size_change_before AND size_change != 0 AND user != user_before) AS taken_back,
    max(time) AS newest
FROM
(
    SELECT
        wiki,
        title,
        user,
        time,
        size_change,
        lagInFrame(size_change) OVER page AS size_change_before,
        lagInFrame(user) OVER page AS user_before
    FROM wikipedia_edits
    WHERE type = 'edit' AND NOT bot AND time > (SELECT max(time) FROM wikipedia_edits) - INTERVAL 1 DAY
    WINDOW page AS (PARTITION BY wiki, title ORDER BY time, revision_new ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
GROUP BY wiki, title
HAVING editors >= 3 AND taken_back >= 2
ORDER BY taken_back DESC, edits DESC, wiki, title

-- SPDX-License-Identifier: Apache-2.0
-- What else is done in the wikis: blocks, deletions, moves, uploads and the like.
SELECT
    wiki,
    log_type,
    log_action,
    count() AS actions,
    max(time) AS newest
FROM wikipedia_edits
WHERE type = 'log'
GROUP BY wiki, log_type, log_action
ORDER BY actions DESC, wiki, log_type, log_action

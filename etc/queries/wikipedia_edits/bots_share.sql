-- SPDX-License-Identifier: Apache-2.0
-- What share of each wiki's changes bots make, in percent; `bot` is the account's flag.
SELECT
    wiki,
    countIf(type IN ('edit', 'new')) AS edits,
    countIf(type IN ('edit', 'new') AND bot) AS by_bots,
    round(100 * by_bots / edits, 1) AS bots_percent
FROM wikipedia_edits
GROUP BY wiki
HAVING edits > 0
ORDER BY edits DESC, wiki

-- SPDX-License-Identifier: Apache-2.0
-- What share of the edits by people was made without an account, in percent: by an IP address, or by a temporary
-- account (~2026-12345-6). An edit whose user was redacted or hidden counts as unknown.
SELECT
    wiki,
    count() AS edits,
    countIf(isIPv4String(user) OR isIPv6String(user)) AS by_address,
    countIf(match(user, '^~[0-9]{4}-[0-9-]+$')) AS by_temporary_account,
    countIf(user = '') AS unknown,
    round(100 * (by_address + by_temporary_account) / edits, 1) AS anonymous_percent
FROM wikipedia_edits
WHERE type IN ('edit', 'new') AND NOT bot
GROUP BY wiki
ORDER BY edits DESC, wiki

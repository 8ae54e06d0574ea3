-- SPDX-License-Identifier: Apache-2.0
-- Edits that undo others, by wiki, and their share of the edits by people, in percent.
-- A recentchange event has no tags (mw-undo, mw-rollback): only its comment tells. These are the comments that
-- MediaWiki itself writes, in English, German, French and Spanish; another language is another line.
WITH
    [
        'Undid revision', 'Reverted edit', 'Reverted 1 edit', 'Reverted 2 edits', 'Reverted 3 edits', 'Undo revision',
        'Restored revision', 'rückgängig gemacht', 'auf die letzte Version von', 'Annulation de la modification',
        'Révocation des modifications', 'Deshecha la edición', 'Deshecha la revisión', 'Revertidos los cambios'
    ] AS texts
SELECT
    wiki,
    count() AS edits,
    countIf(multiSearchAnyCaseInsensitiveUTF8(comment, texts)) AS reverts_seen,
    round(100 * reverts_seen / edits, 2) AS reverts_percent
FROM wikipedia_edits
WHERE type = 'edit' AND NOT bot
GROUP BY wiki
ORDER BY reverts_seen DESC, edits DESC, wiki

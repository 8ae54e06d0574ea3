-- SPDX-License-Identifier: Apache-2.0
-- The latest edits of one wiki, with a link to what each changed.
-- Parameter: wiki (clickhouse-client --param_wiki=enwiki, HTTP ?param_wiki=enwiki)
SELECT
    time,
    title,
    size_change AS bytes,
    bot,
    comment,
    notify_url
FROM wikipedia_edits
WHERE wiki = {wiki:String} AND type IN ('edit', 'new')
ORDER BY time DESC, _partition, _offset DESC
LIMIT 20

-- SPDX-License-Identifier: Apache-2.0
-- Whether each event is there once, by day: rows, different events, different places in Kafka. All three are the same,
-- unless the stream itself sent an event twice under another id.
SELECT
    toDate(time) AS day,
    count() AS rows_stored,
    uniqExact(event_id) AS events,
    uniqExact(_topic, _partition, _offset) AS places
FROM wikipedia_edits
GROUP BY day
ORDER BY day

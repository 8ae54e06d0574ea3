# SPDX-License-Identifier: Apache-2.0
"""The pages at / of wikisrcd and chsinkd while they load, and while ClickHouse is away, in a real browser. (wmfetchd's:
test_wmfetchd.py.)"""
from browser import looked_at, page, readable, served
from pipeline import free_port, make_events, wait_until


def test_stream_and_sink(pipeline, browser):
    p = pipeline
    ports = free_port(2)
    p.kafka.create(p.topic, 3)
    file = make_events(p.folder / 'events.jsonl', 4000, '--rate', 400, '--canaries')
    replay = p.replay(file, '--rate', 800, '--from-start')
    source = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'}, name='wikisrcd',
                        metrics={'listen': f'127.0.0.1:{ports}'})
    sink = p.chsinkd(batch={'rows': 500, 'age': '300ms'}, metrics={'listen': f'127.0.0.1:{ports + 1}'})
    source.start()
    sink.start()
    secret = 'what only the message says'
    p.kafka.produce(p.topic, [(None, f'{{"{secret}"'.encode()), (None, b'{"id":1}'), (None, f'"{secret}"'.encode())])
    wait_until(lambda: p.rows() >= 3000, 60, '3,000 rows')
    wait_until(lambda: 'not valid JSON' in page(ports + 1), 30, 'dead letters')
    readable(page(ports))
    text = page(ports + 1)
    assert secret not in text
    assert 'password' not in text and 'secret' not in text
    looked_at(browser, ports, 'wikisrcd', 'wikisrcd', 'Connected for', 'Events a second', 'eqiad.mediawiki.recentchange',
              'Into Kafka', 'canary')
    looked_at(browser, ports + 1, 'chsinkd', 'chsinkd', 'Rows a second', p.table, p.topic, 'Lag by partition', 'loading',
              'Last batches', 'inserted', 'not valid JSON', 'Dead letters by reason')
    p.clickhouse.kill()
    try:
        p.kafka.produce(p.topic, [(None, line.encode()) for line in file.read_text(encoding='utf-8').splitlines()[:50]])
        wait_until(lambda: all(t in page(ports + 1) for t in ('waits for ClickHouse', 'Waiting for ClickHouse')), 60,
                   'the page says that it waits')
        looked_at(browser, ports + 1, 'chsinkd-waits', 'Since 20', 'Waiting for ClickHouse', 'What is waited for')
        # One that starts meanwhile: its loop does not run yet, and the page says what is waited for all the same.
        port = free_port()
        late = p.chsinkd(name='late', kafka={'group.id': f'late-{p.tag}'}, metrics={'listen': f'127.0.0.1:{port}'})
        late.start(timeout=0)
        wait_until(lambda: 'Waiting for ClickHouse' in (served(port) or ''), 30, 'the page of one that starts')
        looked_at(browser, port, 'chsinkd-starts', 'Waiting for ClickHouse', 'as soon as')
    finally:
        p.clickhouse.start()
    late.wait_ready()
    wait_until(lambda: 'waits for ClickHouse' not in page(ports + 1), 60, 'and that it goes on')
    for daemon in source, sink, late:
        assert daemon.terminate(15)[0] == 0, daemon.tail()

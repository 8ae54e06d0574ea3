# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost, nothing is doubled: cuts of the stream, kills of daemons and of ClickHouse."""
import collections
import json
import os
import random
import time

from pipeline import events, make_events, wait_until, without_lone_surrogates

SEED = int(os.environ.get('SEED', '1'))


def ids_in_topic(p):
    return collections.Counter(json.loads(m.value())['meta']['id'] for m in p.kafka.read(p.topic))


def ids_in_table(p):
    return collections.Counter(dict(p.clickhouse.rows(
        f'SELECT toString(event_id), toUInt32(count()) FROM {p.table} GROUP BY 1')))


def assert_once(wanted, found, where):
    wanted = set(wanted)
    missing, doubled = wanted - found.keys(), [i for i, n in found.items() if n > 1]
    assert not missing and not doubled and found.keys() == wanted, \
        f'{where}: {len(missing)} missing, {len(doubled)} doubled, {len(found.keys() - wanted)} strange'


def test_stream_cut_20_times(pipeline):
    """50,000 events, 200 sharing milliseconds, cut 20 times at any byte: each id once in topic and table."""
    p = pipeline
    rng = random.Random(SEED)
    file = without_lone_surrogates(make_events(
        p.folder / 'events.jsonl', 52000, '--seed', SEED, '--rate', 300, '--shared-ms', 220, '--backwards', '--liar',
        '--canaries', '--hard', '--codfw-share', 3))
    wanted = [e['meta']['id'] for e in events(file)]
    assert len(wanted) >= 50000
    replay = p.replay(file, '--fast', '--from-start')
    size = file.stat().st_size
    replay.control(cut_every=','.join(str(rng.randrange(1, size // 12)) for _ in range(20)))
    source = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'}).start()
    sink = p.chsinkd().start()
    wait_until(lambda: p.rows() >= len(wanted), 180, 'all rows')
    assert replay.control()['cuts_left'] == 0
    status, _ = source.terminate()
    assert status == 0
    status, _ = sink.terminate()
    assert status == 0
    assert_once(wanted, ids_in_topic(p), 'topic')
    assert_once(wanted, ids_in_table(p), 'table')


def test_killed_50_times(pipeline):
    """500,000 events under load, 4 partitions, two sinks of one group; kill -9 of anything, 50 times at random."""
    p = pipeline
    rng = random.Random(SEED)
    count = int(os.environ.get('KILL_EVENTS', '500000'))
    kills = int(os.environ.get('KILLS', '50'))
    p.kafka.create(p.topic, 4)
    file = make_events(p.folder / 'events.jsonl', count, '--seed', SEED + 1, '--rate', 400, '--shared-ms', 2000,
                       '--backwards', '--canaries')
    wanted = [e['meta']['id'] for e in events(file)]
    replay = p.replay(file, '--rate', count // 100, '--from-start', '--max-connections', 10)
    source = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'})
    sinks = [p.chsinkd(f'chsinkd-{i}', kafka={'group.instance.id': f'sink-{i}', 'session.timeout.ms': 6000},
                       batch={'rows': 20000}) for i in (1, 2)]
    daemons = [source, *sinks]
    source.start()
    for sink in sinks:
        sink.start()
    wait_until(lambda: p.rows() > 0, 60, 'first rows')
    killed = collections.Counter()
    while sum(killed.values()) < kills:
        victim = rng.choice([*daemons, p.clickhouse])
        if victim is p.clickhouse:
            p.clickhouse.kill()
            p.clickhouse.start()
            killed['clickhouse'] += 1
        else:
            # What died by itself (its start failed while ClickHouse was away) is started again as systemd does.
            if victim.running():
                victim.kill()
                killed[victim.name] += 1
            victim.start(timeout=0)
        # Not a wait for luck: the pause only spreads the kills over the load.
        time.sleep(rng.uniform(0.1, 2.0))
    print(f'killed: {dict(killed)}; rows then: {p.rows()} of {count}')
    for daemon in daemons:
        if not daemon.running():
            daemon.start()
    wait_until(lambda: p.distinct() >= count, 300, f'{count} distinct rows', 0.5)
    for daemon in daemons:
        status, _ = daemon.terminate()
        assert status == 0, daemon.tail()
    assert_once(wanted, ids_in_topic(p), 'topic')
    assert_once(wanted, ids_in_table(p), 'table')
    assert int(p.clickhouse.value(f'SELECT sum(changes) FROM {p.table}_per_minute')) == count, 'the view'


def test_sigterm_while_loaded(pipeline):
    """SIGTERM under load: exit 0 within 5 s, nothing lost or doubled, the final line sums up."""
    p = pipeline
    count = 200000
    p.kafka.create(p.topic, 2)
    file = make_events(p.folder / 'events.jsonl', count, '--seed', SEED + 2, '--rate', 400, '--canaries')
    wanted = [e['meta']['id'] for e in events(file)]
    replay = p.replay(file, '--fast', '--from-start', '--max-connections', 10)
    source = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'})
    sink = p.chsinkd(batch={'rows': 5000})
    stops = 0
    while (before := p.rows()) < count:
        assert stops < 30, 'no progress between stops'
        for daemon in (source, sink):
            if not daemon.running():
                daemon.start()
        wait_until(lambda: p.rows() > before, 60, 'progress')
        for daemon in (source, sink) if stops < 4 else ():
            status, seconds = daemon.terminate()
            assert status == 0, daemon.tail()
            assert seconds < 5, f'{daemon.name} took {seconds:.1f} s'
            assert 'stopped' in daemon.tail(1), daemon.tail(3)
        stops += 1
    assert stops > 2, 'stopped under load'
    for daemon in (source, sink):
        if daemon.running():
            assert daemon.terminate()[0] == 0
    assert_once(wanted, ids_in_topic(p), 'topic')
    assert_once(wanted, ids_in_table(p), 'table')

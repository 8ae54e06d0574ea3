# SPDX-License-Identifier: Apache-2.0
"""One topic of positions for two names: an open transaction of the one hides what the other committed behind it."""
import collections
import json

import confluent_kafka
import pytest

from pipeline import events, make_events, wait_until

COUNT = 1200


def another_name(p, seconds=120):
    producer = confluent_kafka.Producer({'bootstrap.servers': p.kafka.servers, 'transactional.id': f'other-{p.tag}',
                                         'transaction.timeout.ms': seconds * 1000})
    producer.init_transactions(60)
    return producer


def freeze(producer, topic):
    """It has an open transaction in the topic, as a process that was stopped (SIGSTOP) has one: Kafka ends it after its
    transaction.timeout.ms."""
    producer.begin_transaction()
    producer.produce(topic, key='other', value='{}')
    assert producer.flush(60) == 0


def messages(p):
    return list(p.kafka.read(p.topic))


def held(daemon):
    """The STATUS that says for what the start waits."""
    return [m for m in daemon.messages if m.startswith('STATUS=waiting for topic') and 'another name' in m]


def assert_once(p, file):
    found = collections.Counter(json.loads(m.value())['meta']['id'] for m in messages(p))
    doubled = sum(1 for n in found.values() if n > 1)
    assert not doubled, f'{doubled} of {len(found)} doubled'
    wanted = {e['meta']['id'] for e in events(file)}
    assert not wanted - found.keys(), f'{len(wanted - found.keys())} of {len(wanted)} missing'


@pytest.mark.parametrize('ends_by', ['abort', 'commit', 'timeout'])
def test_position_behind_an_open_transaction(pipeline, ends_by):
    """An ordinary stop and start while another name is frozen: the start waits for the position, and says for whom."""
    p = pipeline
    positions = f'positions-{p.tag}'
    other = another_name(p, 8 if ends_by == 'timeout' else 120)
    file = make_events(p.folder / 'events.jsonl', COUNT, '--seed', 11)
    replay = p.replay(file, '--rate', '150', '--from-start', '--max-connections', '10')
    daemon = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'}).start()
    wait_until(lambda: len(messages(p)) > 50, 30, 'the first events')
    freeze(other, positions)
    seen = len(messages(p))
    wait_until(lambda: len(messages(p)) > seen + 50, 30, 'events whose position is hidden')
    assert daemon.terminate()[0] == 0
    daemon.start(timeout=0)
    wait_until(lambda: held(daemon) or 'READY=1' in daemon.messages, 30, 'the STATUS of the wait')
    assert held(daemon), 'started although the position is hidden: ' + daemon.tail()
    assert positions in held(daemon)[0]
    if ends_by == 'timeout':
        daemon.wait_ready(60)
    else:
        status, seconds = daemon.terminate()  # a stop ends the wait
        assert status == 0 and seconds < 5, f'{status} after {seconds:.1f} s: {daemon.tail()}'
        daemon.start(timeout=0)
        wait_until(lambda: held(daemon), 30, 'the STATUS of the wait')
        other.abort_transaction(30) if ends_by == 'abort' else other.commit_transaction(30)
        daemon.wait_ready(30)
    wait_until(lambda: len(messages(p)) >= COUNT, 60, 'all events')
    assert daemon.terminate()[0] == 0
    assert_once(p, file)


def test_first_position_behind_an_open_transaction(pipeline):
    """All that a name ever committed is hidden: that is no "there is no position"."""
    p = pipeline
    file = make_events(p.folder / 'events.jsonl', COUNT, '--seed', 12)
    replay = p.replay(file, '--rate', '150', '--from-start', '--max-connections', '10')
    start = {'start': '2000-01-01T00:00:00Z'}
    daemon = p.wikisrcd(replay.url, source=start).start()
    wait_until(lambda: len(messages(p)) > 100, 30, 'the first events')
    assert daemon.terminate()[0] == 0
    last = list(p.kafka.read(f'positions-{p.tag}'))[-1]
    moved = f'moved-{p.tag}'
    p.kafka.create(moved, cleanup_policy='compact')
    other = another_name(p)
    freeze(other, moved)
    p.kafka.produce(moved, [(last.key(), last.value())])
    daemon = p.wikisrcd(replay.url, 'again', source=start, position_topic=moved).start(timeout=0)
    wait_until(lambda: held(daemon) or 'READY=1' in daemon.messages, 30, 'the STATUS of the wait')
    assert held(daemon), 'started as if there were no position: ' + daemon.tail()
    other.abort_transaction(30)
    daemon.wait_ready(30)
    wait_until(lambda: len(messages(p)) >= COUNT, 60, 'all events')
    assert daemon.terminate()[0] == 0
    assert_once(p, file)

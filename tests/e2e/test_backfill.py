# SPDX-License-Identifier: Apache-2.0
"""wikisrcd --once: a bounded part of the streams, killed and begun again, beside the service."""
import collections
import datetime
import json
import re
import signal

import confluent_kafka
import pytest

from helpers import CONFIG, USAGE, run_to_end
from pipeline import make_events, wait_until

# Two events a second of event time, from 00:00 to 00:50; canaries in both topics every 15 minutes.
DAY = '2026-11-20T'
A, B, SERVICE = f'{DAY}00:05:00Z', f'{DAY}00:17:00Z', f'{DAY}00:25:00.500Z'


def ms(text):
    return round(datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp() * 1000)


class Backfill:
    def __init__(self, p):
        self.p = p
        file = make_events(p.folder / 'events.jsonl', 6000, '--seed', 5, '--start', f'{DAY}00:00:00Z', '--rate', '2',
                           '--canaries', '--codfw-share', '20', '--shared-ms', '300', '--backwards', '--liar')
        with open(file, encoding='utf-8') as lines:
            self.log = [json.loads(line) for line in lines]
        self.replay = p.replay(file, '--fast', '--max-connections', '10')
        self.options = {'batch': {'messages': 100}}

    def once(self, *args, name='once'):
        return self.p.wikisrcd(self.replay.url, name=name, args=['--once', *args], **self.options)

    def run(self, *args, status=0):
        found, text = run_to_end(self.once(*args, name=f'once-{len(self.p.processes)}'), 60)
        assert found == status, text
        return text

    def between(self, start, end):
        """The ids that Kafka's index by time gives: of each topic, from the first event at or above `start` up to the
        first at or above `end`, wrong times and all."""
        ids, high = [], collections.defaultdict(int)
        for event in self.log:
            topic = event['meta'].get('topic')
            high[topic] = max(high[topic], ms(event['meta']['dt']))
            if ms(start) <= high[topic] < ms(end) and event['meta'].get('domain') != 'canary':
                ids.append(event['meta']['id'])
        return ids

    def messages(self):
        consumer = confluent_kafka.Consumer({'bootstrap.servers': self.p.kafka.servers, 'group.id': 'none'})
        there = self.p.topic in consumer.list_topics(timeout=10).topics
        consumer.close()
        return [json.loads(m.value())['meta']['id'] for m in self.p.kafka.read(self.p.topic)] if there else []

    def assert_has(self, *ranges):
        """Each event of the ranges once, nothing else."""
        wanted = collections.Counter(i for r in ranges for i in self.between(*r))
        found = collections.Counter(self.messages())
        assert max(wanted.values()) == 1
        assert found == wanted, f'{len(wanted - found)} missing, {len(found - wanted)} doubled or strange'

    def record(self, key):
        last = None
        for m in self.p.kafka.read(f'positions-{self.p.tag}'):
            if m.key() == key.encode():
                last = m.value()
        return last

    def serve(self):
        """The service, from SERVICE to the end of the log; its position."""
        daemon = self.p.wikisrcd(self.replay.url, name='service', source={'start': SERVICE}, **self.options)
        daemon.start()
        count = len(self.between(SERVICE, f'{DAY}23:00:00Z'))
        wait_until(lambda: len(self.messages()) >= count, 60, f'{count} messages', 0.3)
        assert daemon.terminate()[0] == 0
        return self.record('wikipedia')


def test_killed_and_adjoining(pipeline):
    """A range out of the middle, killed in its middle, then the one that adjoins it, up to where the service began."""
    b = Backfill(pipeline)
    position = b.serve()
    b.replay.control(stall_after_bytes=1_200_000)
    first = b.once('--start', A, '--end', B)
    served = len(b.messages())
    first.start(timeout=0)
    wait_until(lambda: len(b.messages()) >= served + 500, 60, '500 events')
    progress = r'^ *\d+ %  2026-11-20T00:\d\d:\S+  \d+ events, \d+ events/s'
    wait_until(lambda: re.search(progress, first.text(), re.M), 20, 'a line of progress')
    first.kill()
    assert len(b.messages()) < served + len(b.between(A, B))

    text = b.run('--start', A, '--end', B)
    count = len(b.between(A, B))
    assert f'{count} events written to {pipeline.topic}' in text, text
    for site in ('eqiad', 'codfw'):
        assert f'  {site}.mediawiki.recentchange: read up to {DAY}00:' in text, text
    b.assert_has((A, B), (SERVICE, f'{DAY}23:00:00Z'))

    # Again: nothing to do.
    before = b.record('wikipedia/once')
    assert 'is loaded already' in b.run('--start', A, '--end', B)
    assert b.record('wikipedia/once') == before

    # The next one ends where the service began, of itself.
    b.run('--start', B)
    b.assert_has((A, B), (B, SERVICE), (SERVICE, f'{DAY}23:00:00Z'))
    b.assert_has((A, f'{DAY}23:00:00Z'))
    assert b.record('wikipedia') == position, 'the position of the service has moved'
    done = json.loads(b.record('wikipedia/once'))['done']
    assert done == [ms(A), ms(SERVICE), len(b.between(A, SERVICE))]

    # What is there is not written again, unless it is asked for.
    for args, words in ((('--start', f'{DAY}00:00:00Z', '--end', B), 'is loaded already'),
                        (('--start', SERVICE, '--end', f'{DAY}00:30:00Z'), f'--end {SERVICE} is the latest')):
        assert words in b.run(*args, status=CONFIG), words
    b.assert_has((A, f'{DAY}23:00:00Z'))
    text = b.run('--start', f'{DAY}00:20:00Z', '--end', f'{DAY}00:21:00Z', '--overlap')
    again = b.between(f'{DAY}00:20:00Z', f'{DAY}00:21:00Z')
    assert f'{len(again)} events written' in text
    found = collections.Counter(b.messages())
    assert again and [i for i, n in found.items() if n == 2] and {i for i, n in found.items() if n == 2} == set(again)


def test_stopped_and_gone_on_with(pipeline):
    """SIGINT stops it cleanly; --once alone goes on with it; another range must wait."""
    b = Backfill(pipeline)
    b.replay.control(stall_after_bytes=1_200_000)
    first = b.once('--start', A, '--end', B)
    first.start(timeout=0)
    wait_until(lambda: len(b.messages()) >= 500, 60, '500 events')
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(30) == 1
    assert re.search(r'not complete, \d+ % .*; --once continues from there', first.text()), first.tail()
    assert 'is not complete yet: finish it first, with --once' in b.run('--start', B, '--end', SERVICE, status=CONFIG)
    assert f'{len(b.between(A, B))} events written' in b.run()
    b.assert_has((A, B))
    assert '--once needs --start' in b.run(status=CONFIG)


def test_kafka_goes_away(pipeline):
    """In the middle of a range: it waits, says so, and has each event once."""
    b = Backfill(pipeline)
    b.replay.control(stall_after_bytes=1_200_000)
    b.options['source'] = {'stall_timeout': '3s'}
    first = b.once('--start', A, '--end', B)
    first.start(timeout=0)
    wait_until(lambda: len(b.messages()) >= 500, 60, '500 events')
    pipeline.kafka.kill()
    wait_until(lambda: 'Kafka does not answer' in first.text(), 60, 'the stall is seen')
    pipeline.kafka.start()
    assert first.process.wait(120) == 0, first.tail()
    b.assert_has((A, B))


def test_the_service_begins_after_it(pipeline):
    """A first start inside a loaded range begins behind it, one before it is refused; and a position set by hand does
    not make --once forget what the service wrote."""
    b = Backfill(pipeline)
    b.run('--start', A, '--end', B)

    def service(start):
        return b.p.wikisrcd(b.replay.url, name='service', source={'start': start}, **b.options)

    found, text = run_to_end(service(f'{DAY}00:01:00Z'), 30)
    assert found == CONFIG and 'source.start: ' + B.replace('Z', '.000Z') in text, text
    daemon = service(f'{DAY}00:10:00Z').start()
    count = len(b.between(A, f'{DAY}23:00:00Z'))
    wait_until(lambda: len(b.messages()) >= count, 60, f'{count} messages', 0.3)
    assert daemon.terminate()[0] == 0
    b.assert_has((A, B), (B, f'{DAY}23:00:00Z'))

    found, text = run_to_end(b.p.wikisrcd(b.replay.url, name='move', args=['--position', '--set', f'{DAY}00:30:00Z']))
    assert found == 0, text
    assert 'has written everything since' in b.run('--start', f'{DAY}00:20:00Z', '--end', f'{DAY}00:28:00Z',
                                                   status=CONFIG)
    b.assert_has((A, B), (B, f'{DAY}23:00:00Z'))


@pytest.mark.parametrize('args, words', (
    (['--once', '--start', 'soon'], "--start: 'soon' is none of now"),
    (['--once', '--start', '1767205800'], 'apparently in seconds'),
    (['--once', '--start', '-1h', '--end', '-2h'], '--start must be before --end'),
    (['--once', '--start', '-1h', '--end', '2999-01-01T00:00:00Z'], '--end is in the future'),
    (['--once', '--end', '-1h'], 'need --start'),
    (['--start', '-1h'], 'go with --once'),
    (['--once', '--sample', '3', '--start', '-1h'], '--once'),
))
def test_command_line(pipeline, args, words):
    p = pipeline
    found, text = run_to_end(p.wikisrcd('http://127.0.0.1:1/v2/stream', args=args))
    assert found == USAGE and words in text, text

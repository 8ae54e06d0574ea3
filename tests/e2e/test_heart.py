# SPDX-License-Identifier: Apache-2.0
"""The sink's protocol at the moments that matter: each row is in the table once, or in a dead letter once, whatever
dies, stops or changes between an announcement and its commit. Messages have many rows; rows are counted one by one."""
import itertools
import json
import os
import random
import re
import signal
import time

import pytest

from heart import BAD, Heart, group_delete, partitions_add, topic_delete
from helpers import CONFIG, error_lines, its_end, metrics
from pipeline import free_port, wait_until

SEED = int(os.environ.get('SEED', '1'))


@pytest.fixture
def heart(pipeline):
    h = Heart(pipeline)
    yield h
    h.close()


def crash(h, sink, when='after', **where):
    """Kills it while an insert is on its way ('before' ClickHouse has it), or is in the table and not committed."""
    hold = h.between.hold(when, **where)
    if not sink.running():
        sink.start()
    hold.wait()
    sink.kill()
    hold.release()


# ---- a stop while an announced range is read again ----

def test_stop_while_recovering(heart):
    """kill -9, start, SIGTERM within the first moments, again and again: a range that is read only half is not loaded
    as another."""
    h = heart
    moments = (.02, .05, .08, .12, .2, .35, .5, .7)
    h.kafka.create(h.topic)
    h.kafka.create(h.dead)
    slow = {'fetch.message.max.bytes': 500}
    sink = h.sink(kafka=slow, batch={'rows': 6000, 'age': '10m'})
    for moment in moments:
        # More than a batch, each in a request of its own, so that reading a range takes its time.
        h.produce(h.messages.many(400, 20, bad_every=50), together=1)
        crash(h, sink)
        began = len(sink.text())
        sink.start(timeout=0)
        wait_until(lambda: 'partition assigned' in sink.text()[began:],  # pylint: disable=cell-var-from-loop
                   30, 'an assignment', 0.01)
        time.sleep(moment)  # not a wait for luck: the moments are spread over the reading of the range
        status, _ = sink.terminate(20)
        assert status == 0, sink.tail()
    h.load_rest(h.sink('rest'))
    h.assert_each_once()


# ---- another route after the crash ----

CHANGES = {'null': ({'invalid': 'reject'}, {'invalid': 'null'}),
           'reject': ({'invalid': 'null'}, {'invalid': 'reject'}),
           'more': ({}, {'more': '  - {name: also, type: Int64, path: "@.i"}\n'})}


def test_route_changed_after_a_crash(heart):
    """The row for which the route was changed is somewhere, and nowhere twice: with a policy and with a column, where
    the insert never came to ClickHouse and where it did. (All at once, since the table is asked only when nothing can
    be on its way any more.)"""
    h, m = heart, heart.messages
    cases, old, new, holds, marks = {}, [], [], [], []
    for change, when in itertools.product(CHANGES, ('before', 'after')):
        topic, table = f'{h.topic}-{change}-{when}', f'{h.table}_{change}_{when}'
        h.kafka.create(topic)
        h.tables.append(table)
        marks.append(m.next * 1000)
        values = [m.make(), m.make(bad=[0]), m.make(3, bad=[1]), m.make(4), m.make(2, bad=[0, 1]), m.make(5)]
        h.produce(values, topic=topic)
        cases[topic] = values
        old.append(h.route(f'{table}_old', topic=topic, table=table, **CHANGES[change][0]))
        new.append(h.route(topic=topic, table=table, **CHANGES[change][1]))
        holds.append(h.between.hold(when, table=table))
    sink = h.sink(routes=old, insert_threads=8).start()
    for hold in holds:
        hold.wait()
    sink.kill()
    for hold in holds:
        hold.release()
    for topic in cases:
        h.produce([m.make(), m.make(bad=[0])], topic=topic)
    h.load_rest(h.sink('changed', routes=new))
    table, dead = h.table_ids(), h.dead_ids()
    wanted = m.fit | m.unfit
    nowhere, twice = ([i for i in wanted if table[i] + dead[i] == 0], [i for i in wanted if table[i] + dead[i] > 1])
    assert not nowhere and not twice, f'{sorted(nowhere)} nowhere; {sorted(twice)} twice; the cases begin at ' \
                                      f'{dict(zip(marks, cases))}; unfit are {sorted(m.unfit)}'
    assert m.fit <= table.keys()


@pytest.mark.parametrize('beside', [False, True], ids=['alone', 'beside another'])
def test_storm(heart, beside):
    """Crashes at both moments and stops under load, alone or in a group with another, where each is a rebalance; in the
    end another route after a crash. Each row is in one place once."""
    h = heart
    rng = random.Random(SEED)
    h.kafka.create(h.topic, 2)
    h.kafka.create(h.dead)
    kafka = {'fetch.message.max.bytes': 4000}
    if beside:
        kafka.update({'group.instance.id': None, 'session.timeout.ms': 2000, 'heartbeat.interval.ms': 300})
        other = h.sink('other', batch={'rows': 150}, kafka=kafka).start()
    rounds = 8 if beside else 10
    for n in range(rounds):
        for partition in (0, 1):
            h.produce(h.messages.many(80, 10, bad_every=10), partition=partition, together=5)
        sink = h.sink(f'chsinkd-{n}', batch={'rows': rng.choice((100, 200, 300))}, kafka=kafka)
        if rng.random() < .6 or n == rounds - 1:
            crash(h, sink, rng.choice(('before', 'after')), skip=rng.randrange(3))
        else:
            sink.start(timeout=0)
            wait_until(lambda: 'partition assigned' in sink.text(),  # pylint: disable=cell-var-from-loop
                       30, 'an assignment', 0.01)
            time.sleep(rng.uniform(0, 1))  # spreads the stops
            assert sink.terminate(20)[0] == 0, sink.tail()
    if beside:
        assert other.terminate(20)[0] == 0, other.tail()
    h.load_rest(h.sink('rest', route=h.route('changed', invalid='null'), kafka=kafka))
    table, dead = h.table_ids(), h.dead_ids()
    wanted = h.messages.fit | h.messages.unfit
    nowhere, twice = ([i for i in wanted if table[i] + dead[i] == 0], [i for i in wanted if table[i] + dead[i] > 1])
    assert not nowhere and not twice, f'{len(nowhere)} nowhere: {nowhere[:5]}, {len(twice)} twice: {twice[:5]}'
    assert h.messages.fit <= table.keys()


# ---- a token that is too old ----

VIEW = '''views:
  - name: {table}_view
    engine: SummingMergeTree
    order_by: _offset
    select: SELECT _offset, count() AS c FROM {{table}} GROUP BY _offset
'''


def test_recovery_by_asking_the_table(heart):
    """Of an announced range some rows of some messages are in the table; the token is not relied on any more."""
    h = heart
    h.kafka.create(h.topic)
    m = h.messages
    values = [m.make(4), m.make(3, bad=[2]), m.make(2, bad=[0]), m.make(2, bad=[0, 1]), m.make(2), m.make(1)]
    h.produce(values)
    route = h.route(end=VIEW.format(table=h.table))
    crash(h, h.sink(route=route), 'before')
    assert not h.table_ids()
    # What a part that ClickHouse wrote and another that it did not would leave: (id, offset).
    there = [(0, 0), (2, 0), (1000, 1), (1001, 1), (4000, 4), (4001, 4)]
    rows = ', '.join(f"({i}, {i % 1000}, '{h.topic}', 0, {offset})" for i, offset in there)
    h.clickhouse.query(f'INSERT INTO {h.table} (id, n, _topic, _partition, _offset) VALUES {rows}')
    h.load_rest(h.sink('later', route=route, ask_table_after='0ms'))
    h.assert_each_once()
    counted = int(h.clickhouse.value(f'SELECT sum(c) FROM {h.table}_view'))
    assert counted == len(m.fit), f'the view counted {counted} rows of {len(m.fit)}'


# ---- no offset in the group ----

def test_group_without_offsets(heart):
    """Kafka has forgotten them: the table knows how far it is."""
    h = heart
    h.kafka.create(h.topic, 2)
    for partition in (0, 1):
        h.produce(h.messages.many(50, 3), partition=partition)
    h.load_rest(h.sink(kafka={'group.instance.id': None}))
    group_delete(h.kafka, f'sink-{h.p.tag}')
    for partition in (0, 1):
        h.produce(h.messages.many(10, 3), partition=partition)
    h.load_rest(h.sink('again', kafka={'group.instance.id': None}))
    h.assert_each_once()


def test_replay_without_offsets(heart):
    """A --replay whose group has been forgotten reads all dead letters again: the table is asked what it has of their
    messages, at once, and nothing is doubled."""
    h = heart
    h.kafka.create(h.topic)
    h.produce(h.messages.many(60, 5, bad_every=3))
    # Three rows that are equal once the route is mended, of which one fits before.
    h.produce([json.dumps({'a': [{'i': -1, 'n': n} for n in (BAD, None, BAD)]})])
    h.load_rest(h.sink())
    assert h.dead_ids() == {-1: 2, **{i: 1 for i in h.messages.unfit}}
    route = h.route(invalid='null')
    for name in ('replay-1', 'replay-2'):
        replay = h.sink(name, route=route, args=['--replay', route.stem], kafka={'group.instance.id': None},
                        clickhouse={'timeout': '5m'})
        status, text = its_end(replay.start(timeout=0), 60)
        assert status == 0, text
        assert 'has no offset here: the table is asked which rows it has' in text, text
        assert h.table_ids() == {-1: 3, **{i: 1 for i in h.messages.fit | h.messages.unfit}}, name
        group_delete(h.kafka, f'sink-{h.p.tag}-replay-{route.stem}')


@pytest.mark.parametrize('how', ['at once', 'later'])
def test_topic_made_again_while_running(heart, how):
    """Longer than the old one, as soon as Kafka lets us or when chsinkd has been told (and, frozen for a moment, does
    not see it empty): its first messages are read too, or it reads no further and says what to do."""
    h = heart
    h.kafka.create(h.topic)
    sink = h.sink(kafka={'topic.metadata.refresh.interval.ms': 500, 'group.instance.id': None,
                         'session.timeout.ms': 30000})
    h.produce(h.messages.many(5))
    sink.start()
    h.wait_rows(5)
    wait_until(lambda: h.kafka_committed() == 5, 20, 'the commit')
    topic_delete(h.kafka, h.topic)
    if how == 'later':
        wait_until(lambda: 'partition given up' in sink.text() or not sink.running(), 30, 'it sees that')
        sink.process.send_signal(signal.SIGSTOP)
    h.kafka.create(h.topic)
    h.produce(h.messages.many(30))
    sink.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not sink.running() or 34000 in h.table_ids() or 'made again' in sink.text(), 60,
               'the last message loaded, or a word')
    if 'made again' not in sink.text():
        h.wait_rows(35, timeout=20)
        assert sink.terminate(20)[0] == 0, sink.tail()
        h.assert_each_once()
        return
    lines = '\n'.join(error_lines(sink.text()))
    assert h.topic in lines and 'made again' in lines and 'group.id' in lines, sink.tail()
    if not sink.running():
        assert sink.process.returncode == CONFIG, sink.tail()
    assert len(h.table_ids()) == 5, 'it says so, and has skipped messages before'


def received(port):
    return metrics(port)['chsinkd_messages_received_total']


def test_latest_holds_over_a_kill(heart):
    """`start: latest`: what came after the assignment and before the first commit is loaded after a kill."""
    h = heart
    h.kafka.create(h.topic)
    h.produce([h.messages.make() for _ in range(10)])
    h.messages.fit.clear()  # these are not to be loaded
    port = free_port()
    options = {'start': 'latest', 'metrics': {'listen': f'127.0.0.1:{port}'}}
    sink = h.sink(batch={'age': '10m'}, **options).start()
    wait_until(lambda: 'partition assigned' in sink.text(), 30, 'an assignment')

    def receives():
        h.produce(h.messages.many(1, 3))
        return received(port) > 0

    wait_until(receives, 30, 'a message received', 0.3)
    h.produce(h.messages.many(5, 3))
    seen = wait_until(lambda: received(port) >= 6 and received(port), 20, 'all received')
    first = (h.messages.next - seen) * 1000  # those before came when it had not yet looked where the end is
    h.messages.fit = {i for i in h.messages.fit if i >= first}
    sink.kill()
    h.produce(h.messages.many(2, 3))
    h.load_rest(h.sink('again', **options), 30)
    h.assert_each_once()


@pytest.mark.parametrize('running', [True, False])
def test_latest_and_a_partition_more(heart, running):
    """`start: latest` is where a group begins; a partition that is added later is read from its beginning."""
    h = heart
    h.kafka.create(h.topic)
    h.produce([h.messages.make() for _ in range(10)])
    h.messages.fit.clear()
    kafka = {'topic.metadata.refresh.interval.ms': 4000, 'group.instance.id': None}
    sink = h.sink(start='latest', kafka=kafka).start()
    wait_until(lambda: 'partition assigned' in sink.text(), 30, 'an assignment')

    def loads():
        h.produce(h.messages.many(1))
        return h.table_ids()

    wait_until(loads, 30, 'the first row', 0.5)
    loaded = h.table_ids().keys()
    h.messages.fit = {i for i in h.messages.fit if i >= min(loaded)}
    if not running:
        assert sink.terminate(20)[0] == 0
    partitions_add(h.kafka, h.topic, 2)
    h.produce(h.messages.many(20, 2), partition=1)
    if running:
        wait_until(lambda: sink.text().count('partition assigned') >= 2, 60, 'the new partition')
        assert sink.terminate(20)[0] == 0
    h.load_rest(h.sink('again', start='latest', kafka=kafka), 20)
    h.assert_each_once()


# ---- two of one group ----

def test_once_beside_the_service(heart):
    """A --once with the service's configuration, group.instance.id included, does not end the service."""
    h = heart
    h.kafka.create(h.topic)
    h.produce(h.messages.many(50, 3))
    service = h.sink('service').start()
    h.wait_rows(150)
    once = h.sink('once', args=['--once'])
    status, text = its_end(once.start(timeout=0), 60)
    assert status == 0 or error_lines(text), text
    h.produce(h.messages.many(50, 3))
    wait_until(lambda: not service.running() or len(h.table_ids()) == 300, 60, 'new rows')
    assert service.running(), service.tail()
    assert service.terminate(20)[0] == 0, service.tail()
    h.assert_each_once()


@pytest.mark.parametrize('moment, asks', [('answer', False), ('retry', False), ('retry', True)])
def test_frozen_and_taken_over(heart, moment, asks):
    """The first is frozen for longer than its session lasts: with the answer to its insert unread, or about to repeat
    an insert that failed. The second loads all; the first wakes up, and changes nothing more."""
    h = heart
    h.kafka.create(h.topic)
    h.kafka.create(h.dead)
    h.produce(h.messages.many(300, 5, bad_every=20))
    kafka = {'group.instance.id': None, 'session.timeout.ms': 3000, 'heartbeat.interval.ms': 500,
             'auto.commit.interval.ms': 1000, 'topic.metadata.refresh.interval.ms': 1000}
    first = h.sink('first', kafka=kafka, batch={'rows': 300})
    sorry = (503, [('X-ClickHouse-Exception-Code', '202')],
             b'Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)')
    asked = itertools.count()
    hold = h.between.hold('after')
    if moment == 'retry':
        h.between.answer = lambda insert: sorry if next(asked) == 0 else None
    first.start()
    hold.wait()
    if moment == 'answer':
        first.process.send_signal(signal.SIGSTOP)
        hold.release()
    else:
        hold.release()
        wait_until(lambda: re.search('insert failed', first.text()), 20, 'the failed insert', 0.01)
        first.process.send_signal(signal.SIGSTOP)
    try:
        second = h.sink('second', kafka=kafka, batch={'rows': 400}, **({'ask_table_after': '0ms'} if asks else {}))
        second.start()
        m = h.messages
        wait_until(lambda: m.fit <= h.table_ids().keys() and m.unfit <= h.dead_ids().keys(), 120, 'all by the second',
                   0.3)
    finally:
        first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not first.running() or 'partition given up' in first.text() or
               first.text().count('partition assigned') > 1, 60, 'the first knows')
    time.sleep(1)  # what it would do wrong, it does at once
    for sink in (first, second):
        if sink.running():
            assert sink.terminate(20)[0] == 0, sink.tail()
    h.assert_each_once()

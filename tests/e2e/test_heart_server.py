# SPDX-License-Identifier: Apache-2.0
"""The sink's heart against a server, a proxy or a topic that does not take what it gets: a refused message is found, a
batch that is too large is halved, one topic does not hold up another, and memory stays bounded."""
import contextlib
import itertools
import os
import pathlib
import re
import time

import confluent_kafka
import pytest

from heart import Heart, topic_configure
from helpers import CONFIG, error_lines
from pipeline import wait_until


@pytest.fixture
def heart(pipeline):
    h = Heart(pipeline)
    yield h
    h.close()


# ---- an answer that is not ClickHouse's ----

@pytest.mark.parametrize('page', [b'<html><body>Sorry, we are moving.</body></html>\n', b''], ids=['html', 'empty'])
def test_page_is_no_insert(heart, page):
    """A proxy that answers 200 by itself has inserted nothing."""
    h = heart
    asked = itertools.count()
    h.between.answer = lambda insert: (200, [('Content-Type', 'text/html')], page) if next(asked) < 3 else None
    h.kafka.create(h.topic)
    h.produce(h.messages.many(40, 3, bad_every=9))
    sink = h.sink()
    h.load_rest(sink)
    h.assert_each_once()
    assert ' WARN ' in sink.text() and 'ClickHouse' in sink.text()


# ---- a message that the server refuses ----

def transactions(h, values, each):
    """As wikisrcd writes them: behind each transaction stands a marker, which has an offset of its own."""
    producer = confluent_kafka.Producer({'bootstrap.servers': h.kafka.servers, 'transactional.id': f't-{h.p.tag}'})
    producer.init_transactions(30)
    for at in range(0, len(values), each):
        producer.begin_transaction()
        for value in values[at:at + each]:
            producer.produce(h.topic, value, partition=0)
        producer.commit_transaction(30)


@pytest.mark.parametrize('refused', [(24,), (23,), (0, 30, 47)], ids=['behind a marker', 'before a marker', 'three'])
def test_refused_message(heart, refused):
    """It is found in a few inserts, by its own offset, and becomes a dead letter as a whole; the others are loaded."""
    h = heart
    h.kafka.create(h.topic)
    values = h.messages.many(48, 3)
    ids = [number * 1000 + 1 for number in refused]  # one row of three is what the server minds
    h.create_table(more=f", CONSTRAINT liked CHECK id NOT IN ({', '.join(map(str, ids))})")
    for number in refused:
        whole = set(range(number * 1000, number * 1000 + 3))
        h.messages.fit -= whole
        h.messages.unfit |= whole
    transactions(h, values, 6)
    h.load_rest(h.sink(batch={'age': '1s'}), 30)
    h.assert_each_once()
    letters = list(h.kafka.read(h.dead))
    assert len(letters) == len(refused)
    for letter in letters:
        assert b'liked' in dict(letter.headers())['chsinkd-reason'], letter.headers()
    count = len(h.between.inserts)
    assert count <= 5 + 15 * len(refused), f'{count} inserts'


# ---- a batch that is too large for the server ----

def test_too_many_partitions(heart):
    """Each row is a partition of the table; the server takes ten in an insert."""
    h = heart
    h.kafka.create(h.topic)
    h.create_table(partition_by='PARTITION BY id')
    h.produce(h.messages.many(64, 1, bad_every=20))
    h.load_rest(h.sink(batch={'age': '1s'}, clickhouse={'settings': {'max_partitions_per_insert_block': '10'}}), 30)
    h.assert_each_once()
    assert len(h.between.inserts) < 40


def test_too_much_memory(heart):
    """An insert may use 40 MB; the batch has 60 MB."""
    h = heart
    h.kafka.create(h.topic, max_message_bytes=4 << 20)
    text = '  - {name: text, type: String, path: $.text, missing: default}\n'
    h.produce([h.messages.make(text='x' * 1_000_000) for _ in range(60)])
    sink = h.sink(route=h.route(more=text), batch={'age': '5s', 'bytes': '100MiB'}, clickhouse={
        'settings': {'max_memory_usage': '40000000'}})
    h.load_rest(sink, 60)
    h.assert_each_once()
    assert len(h.between.inserts) < 40


# ---- a topic whose table is held up ----

@pytest.mark.parametrize('fault', ['table dropped', 'grant revoked', 'view refuses'])
def test_one_topic_held(heart, fault):
    """The other topic goes on with one thread for both; what was held is loaded once when a person has helped."""
    h = heart
    other, table = f'{h.topic}-other', f'{h.table}_other'
    h.tables.append(table)
    for topic, name in ((h.topic, h.table), (other, table)):
        h.kafka.create(topic)
        h.create_table(name)
    sink = h.sink(routes=[h.route(), h.route(topic=other, table=table)], insert_threads=1, batch={'rows': 20},
                  clickhouse={'user': 'writer'}).start()
    h.produce(h.messages.many(10, 3))
    h.wait_rows(30)
    wait_until(lambda: h.kafka_committed() == 10, 20, 'the commit')
    if fault == 'table dropped':
        h.clickhouse.query(f'DROP TABLE {h.table}')
        h.messages.fit.clear()
    elif fault == 'grant revoked':
        h.between.user = lambda insert: 'reader' if insert.table == h.table else None
    else:
        h.clickhouse.query(f'CREATE MATERIALIZED VIEW {h.table}_view ENGINE = MergeTree ORDER BY c AS '
                           f"SELECT throwIf(id >= 0, 'not today') AS c FROM {h.table}")
    began = len(sink.text())
    h.produce(h.messages.many(50, 3))
    wait_until(lambda: h.table in sink.text()[began:], 30, 'it says so')
    for n in (1, 2, 3):
        h.produce(h.messages.many(50, 3), topic=other)
        h.wait_rows(150 * n, table, 30)
    if fault == 'table dropped':
        h.create_table()
    elif fault == 'grant revoked':
        h.between.user = None
    else:
        h.clickhouse.query(f'DROP TABLE {h.table}_view')
    held = 150 if fault == 'table dropped' else 180
    h.wait_rows(held, h.table, 60)
    h.produce(h.messages.many(10, 3))
    h.wait_rows(held + 30, h.table)
    assert sink.terminate(20)[0] == 0, sink.tail()
    h.assert_each_once()


@pytest.mark.parametrize('change', ['column dropped', 'table renamed'])
def test_schema_changed_while_running(heart, change):
    """Whether it waits or makes again what is missing, it says so; what comes then is in the table once."""
    h = heart
    h.kafka.create(h.topic)
    sink = h.sink().start()
    h.produce(h.messages.many(5, 3))
    h.wait_rows(15)
    wait_until(lambda: h.kafka_committed() == 5, 20, 'the commit')
    if change == 'column dropped':
        h.clickhouse.query(f'ALTER TABLE {h.table} DROP COLUMN n')
    else:
        h.clickhouse.query(f'RENAME TABLE {h.table} TO {h.table}_old')
        h.tables.append(f'{h.table}_old')
    began = len(sink.text())
    h.produce(h.messages.many(5, 3))

    def told():
        return [line for line in sink.text()[began:].splitlines()
                if line.split()[1] in ('WARN', 'ERROR', 'NOTICE') and h.table in line]

    wait_until(told, 30, 'a word')
    with contextlib.suppress(AssertionError):  # it need not
        wait_until(lambda: len(h.table_ids()) == 30, 10, 'the rows')
    made = len(h.table_ids()) == 30
    assert not made or any(re.search('created|added|made', line) for line in told()), 'made again silently'
    with contextlib.suppress(AssertionError):  # where it has made them again itself
        if change == 'column dropped':
            h.clickhouse.query(f'ALTER TABLE {h.table} ADD COLUMN n Nullable(Int32) AFTER id')
        else:
            h.create_table()
    wait_until(lambda: len(h.table_ids()) == 30, 60, 'the rows')
    assert sink.terminate(20)[0] == 0, sink.tail()
    h.assert_each_once()


def test_view_errors_are_not_ignored(heart):
    """A setting that lets views lose rows is refused, or has no effect."""
    h = heart
    h.kafka.create(h.topic)
    h.create_table()
    h.clickhouse.query(f'CREATE MATERIALIZED VIEW {h.table}_view ENGINE = MergeTree ORDER BY id AS '
                       f"SELECT throwIf(id = 2000, 'not this') AS c, id FROM {h.table}")
    sink = h.sink(clickhouse={'settings': {'materialized_views_ignore_errors': '1'}})
    h.produce(h.messages.many(5))
    sink.start(timeout=0)
    wait_until(lambda: not sink.running() or h.dead_topic_has(1) or len(h.table_ids()) == 5 or
               'not this' in sink.text(), 60, 'what it makes of it')
    if not sink.running():
        assert sink.process.returncode == CONFIG, sink.tail()
        assert 'materialized_views_ignore_errors' in '\n'.join(error_lines(sink.text()))
        return
    wait_until(lambda: 'not this' in sink.text() or h.kafka_committed() == 5, 30, 'a refusal')
    assert 'not this' in sink.text(), f'the view has lost rows silently: {sink.tail()}'


# ---- dead letters that the topic does not take ----

def test_dead_letter_over_the_topics_size(heart):
    """It is written without the message's value, or it is said what is wrong; no other topic is held up."""
    h = heart
    other, table = f'{h.topic}-other', f'{h.table}_other'
    h.tables.append(table)
    for topic in (h.topic, other):
        h.kafka.create(topic)
    h.kafka.create(h.dead, max_message_bytes=2000)
    routes = [h.route(), h.route(topic=other, table=table)]
    sink = h.sink(routes=routes, insert_threads=1).start()
    h.produce([*h.messages.many(5), h.messages.make(2, [1], pad=os.urandom(10000).hex()), *h.messages.many(5)])
    wait_until(lambda: 'max.message.bytes' in sink.text() or h.dead_topic_has(1) or not sink.running(), 40,
               'a word about the topic\'s max.message.bytes')
    if sink.running():
        h.produce(h.messages.many(20), topic=other)
        h.wait_rows(20, table, 40)
    else:
        lines = '\n'.join(error_lines(sink.text()))
        assert 'max.message.bytes' in lines and h.dead in lines, sink.tail()
    topic_configure(h.kafka, h.dead, max_message_bytes=16 << 20)
    if sink.running():
        wait_until(lambda: h.dead_topic_has(1), 60, 'the dead letter')
        assert sink.terminate(20)[0] == 0, sink.tail()
    h.load_rest(h.sink('again', routes=routes))
    h.assert_each_once()


def test_kafka_away_during_dead_letters(heart):
    """Killed while an insert is answered whose dead letters come next: they are written once, with the commit."""
    h = heart
    h.kafka.create(h.topic)
    sink = h.sink(batch={'rows': 200}).start()
    hold = h.between.hold('after')
    h.produce(h.messages.many(200, 5, bad_every=4))
    hold.wait()
    h.kafka.kill()
    try:
        hold.release()
        wait_until(lambda: ' WARN ' in sink.text() and 'Kafka' in sink.text(), 60, 'it says so')
        time.sleep(3)  # an outage has some length
        assert sink.running(), sink.tail()
    finally:
        h.kafka.start()
    m = h.messages
    wait_until(lambda: m.fit <= h.table_ids().keys() and m.unfit <= h.dead_ids().keys(), 120, 'all', 0.5)
    assert sink.terminate(20)[0] == 0, sink.tail()
    h.assert_each_once()


# ---- small messages that become much ----

def peak_bytes(process):
    status = pathlib.Path(f'/proc/{process.process.pid}/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) * 1024


def test_small_message_that_makes_gigabytes(heart):
    """A value of the envelope is in each row: 220 KB would become 1.2 GB. The message is a dead letter as a whole."""
    h = heart
    h.kafka.create(h.topic)
    column = '  - {name: k, type: String, path: $.k, missing: default}\n'
    bomb = ('{"k": "' + 'x' * 60000 + '", "a": [' + ','.join(['{"i": 7}'] * 20000) + ']}').encode()
    h.produce([*h.messages.many(20, 3), bomb, *h.messages.many(20, 3)])
    sink = h.sink(route=h.route(more=column), memory_max='64MiB').start()
    wait_until(lambda: peak_bytes(sink) > 500e6 or h.dead_topic_has(1), 90, 'what it makes of it')
    assert peak_bytes(sink) < 500e6, f'{peak_bytes(sink) / 1e6:.0f} MB'
    h.wait_rows(len(h.messages.fit))
    assert sink.terminate(20)[0] == 0, sink.tail()
    letters = list(h.kafka.read(h.dead))
    assert len(letters) == 1 and letters[0].value() == bomb
    headers = dict(letters[0].headers())
    assert headers['chsinkd-reason'] and not {'chsinkd-row', 'chsinkd-rows'} & headers.keys(), headers
    assert h.table_ids().keys() == h.messages.fit


def test_message_with_many_refused_rows(heart):
    """One dead letter with the list of its rows, not a copy of the message for each."""
    h = heart
    h.kafka.create(h.topic)
    h.produce([h.messages.make(1000, range(0, 1000, 2)), h.messages.make(1000, range(1000)), *h.messages.many(5, 2)])
    h.load_rest(h.sink())
    h.assert_each_once()
    letters = [dict(letter.headers())['chsinkd-offset'] for letter in h.kafka.read(h.dead)]
    assert sorted(letters) == [b'0', b'1'], f'{len(letters)} dead letters for two messages'

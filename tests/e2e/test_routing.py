# SPDX-License-Identifier: Apache-2.0
"""Routes: several for one topic, names with dots, and other ones by SIGHUP while messages come."""
import json
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from helpers import metrics
from pipeline import BUILD, SERVICES, free_port, wait_until, write_whole

ROUTE = '''\
topic: {topic}
table: {table}
{more}columns:
  - {{name: n, type: Int64, path: $.n}}
{columns}  - {{name: _topic, type: LowCardinality(String), from: topic}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: Int64, from: offset}}
order_by: n
'''
SQUARE = '  - {name: square, type: Int64, path: $.square, missing: default}\n'


class Routes:
    """chsinkd with a folder of routes of our own; the topic's messages are {"n": 0}, {"n": 1} ..."""

    def __init__(self, p, **options):
        self.p = p
        self.dir = p.folder / 'routes'
        self.dir.mkdir()
        self.sent = {}
        self.options = {'batch': {'age': '200ms'}, 'kafka': {'session.timeout.ms': 6000}, **options}
        p.kafka.create(p.topic, 2)

    def write(self, name, table, topic=None, more='', columns=''):
        return write_whole(self.dir / f'{name}.yaml', ROUTE.format(topic=topic or self.p.topic, table=table, more=more,
                                                                   columns=columns))

    def daemon(self):
        return self.p.chsinkd(route=self.dir / '*.yaml', **self.options)

    def send(self, count, topic=None):
        topic = topic or self.p.topic
        first = self.sent.get(topic, 0)
        self.sent[topic] = first + count
        self.p.kafka.produce(topic, [(None, json.dumps({'n': n, 'square': n * n}).encode())
                                     for n in range(first, first + count)])

    def look(self, table):
        """How many rows, how many different ones, the sum of them."""
        row, = self.p.clickhouse.rows(f'SELECT count(), uniqExact(n), sum(n) FROM {table}')
        return tuple(map(int, row))

    def assert_once(self, table, topic=None, timeout=60):
        n = self.sent[topic or self.p.topic]
        wait_until(lambda: self.look(table)[1] >= n, timeout, f'{n} rows in {table}')
        assert self.look(table) == (n, n, n * (n - 1) // 2), table


class Load(threading.Thread):
    """Sends all the time, until it is ended."""

    def __init__(self, routes):
        super().__init__(daemon=True)
        self.routes, self.over = routes, threading.Event()

    def run(self):
        while not self.over.is_set():
            self.routes.send(200)
            time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(60)


def reload(daemon, timeout=60):
    """SIGHUP, until systemd is told that it is over; what it was told."""
    began = len(daemon.messages)

    def is_over():
        states = [m for m in daemon.messages[began:] if m in ('RELOADING=1', 'READY=1')]
        return 'RELOADING=1' in states and states[-1] == 'READY=1' or not daemon.running()

    daemon.process.send_signal(signal.SIGHUP)
    wait_until(is_over, timeout, 'ready again', 0.02)
    assert daemon.running(), daemon.tail()
    assert 'STOPPING=1' not in daemon.messages[began:]
    return daemon.messages[began:]


def test_one_topic_into_two_tables(pipeline):
    """Each by a group of its own; one whose table refuses all does not hold up the other."""
    p = pipeline
    port = free_port()
    r = Routes(p, metrics={'listen': f'127.0.0.1:{port}'})
    database = f'my.db_{p.tag}'
    other, behind = f'`{database}`.`e.v`', f'`{database}`.behind'
    make_behind = (f'CREATE TABLE {behind} (n Int64) ENGINE = MergeTree ORDER BY n '
                   'SETTINGS non_replicated_deduplication_window = 1000')
    p.clickhouse.query(f'CREATE DATABASE `{database}`')
    r.write('plain', p.table)
    r.write('dots', f"""'"{database}"."e.v"'""", more=f'group: dots-{p.tag}\n')
    r.send(3000)
    daemon = r.daemon().start()
    r.assert_once(p.table)
    r.assert_once(other)
    p.clickhouse.query(make_behind)
    p.clickhouse.query(f'CREATE MATERIALIZED VIEW `{database}`.`vi.ew` TO {behind} AS SELECT n FROM {other}')
    p.clickhouse.query(f'DROP TABLE {behind} SYNC')
    r.send(2000)
    r.assert_once(p.table)
    wait_until(lambda: any('"."e.v"' in m and 'wait for a person' in m for m in daemon.messages), 20, 'told in STATUS')
    p.clickhouse.query(make_behind)
    r.assert_once(other)
    # A message counts in each group, and the law holds.
    wait_until(lambda: metrics(port)['chsinkd_messages_delivered_total'] == 10000, 20, 'all delivered')
    assert metrics(port)['chsinkd_messages_received_total'] >= 10000
    shown = json.loads(subprocess.run([BUILD / 'chsinkd', '-c', daemon.args[2], '--show', '--json'], check=True,
                                      stdout=subprocess.PIPE, text=True).stdout)
    assert {g['name']: g['members_n'] for g in shown['groups']} == {f'sink-{p.tag}': 1, f'dots-{p.tag}': 1}
    assert {(s['route'], s['group'], s['table']['name'], s['table']['rows']) for s in shown['routes']} == {
        ('plain', f'sink-{p.tag}', f'default.{p.table}', 5000), ('dots', f'dots-{p.tag}', f'"{database}"."e.v"', 5000)}
    assert daemon.terminate(30)[0] == 0
    assert 'conservation' not in daemon.text()
    # A run that ends goes through both.
    r.send(1000)
    once = p.process('once', [BUILD / 'chsinkd', '-c', daemon.args[2], '--once'], notify=True).start(timeout=0)
    assert once.process.wait(60) == 0, once.tail()
    assert r.look(p.table)[0] == r.look(other)[0] == 6000


def test_a_table_for_each_value(pipeline):
    """Of one file; rows with other values go nowhere, and are counted."""
    p = pipeline
    port = free_port()
    r = Routes(p, metrics={'listen': f'127.0.0.1:{port}'})
    r.write('split', p.table + '_{}', more='table_by: $.type\ntable_values: [edit, new, 7]\n')
    types = ['edit', 'new', 7, 'log', None]
    p.kafka.produce(p.topic, [(None, json.dumps({'n': n, 'type': types[n % 5]}).encode()) for n in range(1000)])
    daemon = r.daemon().start()
    for i, value in enumerate(types[:3]):
        table = f'{p.table}_{value}'
        wait_until(lambda t=table: r.look(t)[1] >= 200, 60, f'rows in {table}')
        assert r.look(table) == (200, 200, sum(range(i, 1000, 5)))
    # Each of three groups leaves out four fifths.
    wait_until(lambda: metrics(port)['chsinkd_rows_filtered_total'] == 2400, 20, 'all filtered')
    assert daemon.terminate(30)[0] == 0
    assert 'conservation' not in daemon.text()


def test_two_groups_into_one_file(pipeline):
    """DuckDB allows one writer, which the groups share."""
    p = pipeline
    library = subprocess.run([SERVICES / 'duckdb.sh', 'library'], check=True, text=True, stdout=subprocess.PIPE).stdout
    r = Routes(p, output='duckdb', duckdb={'file': str(p.folder / 'rows.duckdb'), 'library': library.strip()})
    r.write('one', 'one')
    r.write('two', """'"a.b"."two"'""", more=f'group: two-{p.tag}\n')
    r.send(2000)
    daemon = r.daemon().start()

    def delivered():
        shown = subprocess.run([BUILD / 'chsinkd', '-c', daemon.args[2], '--show', '--json'],
                               stdout=subprocess.PIPE, text=True).stdout
        return [s['table'].get('rows') for s in json.loads(shown)['routes']]

    wait_until(lambda: any('4000 rows inserted' in m for m in daemon.messages), 60, 'all rows')
    r.write('two', """'"a.b"."two"'""", more=f'group: two-{p.tag}\n', columns=SQUARE)
    assert 'STATUS=Reloading' in reload(daemon)
    r.send(500)
    wait_until(lambda: any('1000 rows inserted' in m for m in daemon.messages), 60, 'rows after the reload')
    assert daemon.terminate(30)[0] == 0
    assert delivered() == [2500, 2500]


def test_routes_by_sighup(pipeline):
    """While messages come: a column more, a new route, one that goes, a bad file. Every row once, by one process."""
    p = pipeline
    r = Routes(p)
    second = f'second-{p.tag}'
    p.kafka.create(second)
    r.write('first', p.table)
    r.write('gone', f'{p.table}_gone', more=f'group: gone-{p.tag}\n')
    daemon = r.daemon().start()
    pid = daemon.process.pid
    with Load(r):
        wait_until(lambda: p.rows() > 0, 30, 'rows')
        # Only options that change by themselves: no new start.
        assert 'STATUS=Reloading' not in reload(daemon)
        # A column more.
        r.write('first', p.table, columns=SQUARE)
        assert 'STATUS=Reloading' in reload(daemon)
        squares = f'SELECT count() FROM {p.table} WHERE square > 0'
        wait_until(lambda: int(p.clickhouse.value(squares)) > 0, 30, 'squares')
        # A new route, and one that goes: it has finished its batches.
        r.write('second', f'{p.table}_second', topic=second)
        (r.dir / 'gone.yaml').unlink()
        reload(daemon)
        gone = r.look(f'{p.table}_gone')
        assert gone[0] == gone[1] > 0
        r.send(500, second)
        r.assert_once(f'{p.table}_second', second)
        # A bad one changes nothing.
        began = len(daemon.text())
        r.write('bad', p.table, columns='  - {name: n, type: Int, path: x}\n')
        r.write('first', f'{p.table}_wrong')
        assert 'STATUS=Reloading' not in reload(daemon)
        said = daemon.text()[began:]
        assert 'bad.yaml:' in said and 'the old one stays' in said, said
        seen = p.rows()
        wait_until(lambda: p.rows() > seen, 30, 'rows by the old routes')
        (r.dir / 'bad.yaml').unlink()
        # Nor does one that its table does not fit: only ClickHouse knows.
        began = len(daemon.text())
        r.write('first', p.table, columns=SQUARE.replace('Int64', 'String'))
        assert 'STATUS=Reloading' not in reload(daemon)
        said = daemon.text()[began:]
        assert 'square' in said and 'the old one stays' in said, said
        r.write('first', p.table, columns=SQUARE)
        reload(daemon)
    r.assert_once(p.table)
    assert r.look(f'{p.table}_gone') == gone
    assert daemon.process.pid == pid and daemon.terminate(30)[0] == 0
    assert 'conservation' not in daemon.text()


def test_twenty_reloads(pipeline):
    """Each with another route, as fast as they come: also while the one before is under way. The last one counts."""
    p = pipeline
    r = Routes(p)
    r.write('first', p.table)
    daemon = r.daemon().start()
    with Load(r):
        for i in range(20):
            r.write('first', p.table, columns=SQUARE if i % 2 == 0 else '')
            if i == 19:
                r.write('first', p.table, columns=SQUARE.replace('name: square', 'name: last'))
            if i % 3 == 0:
                daemon.process.send_signal(signal.SIGHUP)
                time.sleep(i / 100)
            else:
                began = len(daemon.messages)
                daemon.process.send_signal(signal.SIGHUP)
                wait_until(lambda n=began: 'READY=1' in daemon.messages[n:], 60, 'ready', 0.02)
        wait_until(lambda: int(p.clickhouse.value(f"SELECT count() FROM system.columns WHERE table = '{p.table}' "
                                                  "AND name = 'last'")) == 1, 60, 'the last route')
    r.assert_once(p.table, timeout=120)
    assert daemon.running() and daemon.terminate(30)[0] == 0


@pytest.mark.parametrize('wait', [0, 0.2, 1])
def test_a_stop_during_a_reload(pipeline, wait):
    p = pipeline
    r = Routes(p)
    r.write('first', p.table)
    r.send(2000)
    daemon = r.daemon().start()
    r.write('first', p.table, columns=SQUARE)
    daemon.process.send_signal(signal.SIGHUP)
    time.sleep(wait)
    assert daemon.terminate(60)[0] == 0, daemon.tail()
    daemon = r.daemon().start()
    r.assert_once(p.table)


def test_a_file_that_is_written_during_a_reload(pipeline):
    """What was good when the reload began is not when the new image reads it: it waits, and goes on."""
    p = pipeline
    r = Routes(p)
    r.write('first', p.table)
    r.send(2000)
    daemon = r.daemon().start()
    r.assert_once(p.table)
    path = r.write('first', p.table, columns=SQUARE)
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: 'STATUS=Reloading' in daemon.messages, 20, 'reloading', 0.001)
    pathlib.Path(path).write_text('topic: [')
    r.send(1000)
    time.sleep(1)
    assert daemon.running(), daemon.tail()
    r.write('first', p.table, columns=SQUARE)
    r.assert_once(p.table)
    assert daemon.terminate(30)[0] == 0

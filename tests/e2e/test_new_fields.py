# SPDX-License-Identifier: Apache-2.0
"""unknown_fields: add: fields that were not thought of get columns, and every message is there once all the same."""
import json
import subprocess
import time
import zlib

import pytest

from pipeline import BUILD, SERVICES, wait_until, write_whole

ROUTE = '''\
topic: {topic}
table: {table}
unknown_fields: add
add: {{after: 20}}
columns:
  - {{name: n, type: Int64, path: $.n}}
  - {{name: _topic, type: LowCardinality(String), from: topic}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: Int64, from: offset}}
order_by: n
'''
KEYS = [next(k for k in (b'a', b'b', b'c', b'd') if zlib.crc32(k) % 2 == i) for i in range(2)]
COMMENT = 'added by chsinkd: path '


class Topic:
    """Numbered messages, {"n": 0} and so on, each with what `more` gives it; and sinks."""

    def __init__(self, p, partitions=1):
        self.p, self.n = p, 0
        p.kafka.create(p.topic, partitions)
        self.route = write_whole(p.folder / 'fields.yaml', ROUTE.format(topic=p.topic, table=p.table))

    def sink(self, name='chsinkd', args=(), **options):
        kafka = {'session.timeout.ms': 6000, **options.pop('kafka', {})}
        return self.p.chsinkd(name, args, route=self.route, batch={'age': '100ms'}, kafka=kafka, **options)

    def send(self, count, more):
        """Of two partitions odd ones go into one."""
        self.p.kafka.produce(self.p.topic, [(KEYS[n % 2], json.dumps({'n': n, **more(n)}).encode())
                                            for n in range(self.n, self.n + count)])
        self.n += count

    def columns(self):
        """Those that were added, by name."""
        rows = self.p.clickhouse.rows("SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() "
                                      f"AND table = '{self.p.table}' AND comment != ''")
        return {name: (kind, comment.removeprefix(COMMENT)) for name, kind, comment in rows}

    def keep_sending(self, more, condition, timeout, what):
        """As a topic does: further messages come until then."""
        until = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < until, f'{what} in {timeout} s; added: {self.columns()}'
            self.send(50, more)
            time.sleep(0.1)

    def assert_once(self):
        def look():
            row, = self.p.clickhouse.rows(f'SELECT count(), uniqExact(n), sum(n) FROM {self.p.table}')
            return tuple(map(int, row))
        wait_until(lambda: look()[1] >= self.n, 60, f'{self.n} rows')
        assert look() == (self.n, self.n, self.n * (self.n - 1) // 2)

    def loaded_with(self, column, sql):
        """Whether rows have a value in a new column, all of them the right one."""
        if column not in self.columns():
            return False
        found = self.p.clickhouse.rows(f'SELECT count(), countIf(NOT ({sql})) FROM {self.p.table} '
                                       f'WHERE `{column}` IS NOT NULL')
        assert int(found[0][1]) == 0, found
        return int(found[0][0]) > 0


def fields(n):
    """A new version of the messages: with what becomes columns, and what does not."""
    return {'color': f'c{n}', 'meta': {'http.status': n, 'größe': n / 2}, 'bot': n % 2 == 0, f'id{n:06}': 1,
            'list': [n], 'mixed': n if n % 2 else str(n), 'by': {f'user{chr(97 + n % 9)}': 1}}


def test_new_fields_get_columns(pipeline):
    p = pipeline
    t = Topic(p)
    daemon = t.sink().start()
    pid = daemon.process.pid
    t.send(100, lambda n: {})
    t.assert_once()
    t.keep_sending(fields, lambda: t.loaded_with('color', "color = concat('c', n)"), 60, 'rows with a new column')
    t.assert_once()
    assert t.columns() == {'color': ('Nullable(String)', '$.color'), 'bot': ('Nullable(Bool)', '$.bot'),
                           'meta_http_status': ('Nullable(Int64)', '$.meta."http.status"'),
                           'meta_größe': ('Nullable(Float64)', '$.meta.größe')}
    assert t.loaded_with('meta_http_status', 'meta_http_status = n') and t.loaded_with('meta_größe', '`meta_größe` = n / 2')
    assert t.loaded_with('bot', 'bot = (n % 2 = 0)')
    # In one process, which is only reloading for systemd; once for all of them.
    assert daemon.process.pid == pid and daemon.running() and 'STOPPING=1' not in daemon.messages
    assert daemon.text().count('to load the columns that were added') == 1
    assert daemon.text().count('a new field has got a column') == 4
    never = [('$.list', 'it is an array'), ('$.mixed', 'of several types'), ('$.by', 'many and alike')]

    def told(path, why):
        lines = [line for line in daemon.text().splitlines() if f'field={path} ' in line]
        assert len(lines) <= 2 and all(why in line for line in lines), lines  # in each of its two lives
        return lines

    t.keep_sending(fields, lambda: all([told(*one) for one in never]), 60, 'what is never added told')
    t.assert_once()
    assert len(t.columns()) == 4
    # What does not fit any longer is NULL, and no dead letter.
    t.send(100, lambda n: {'color': n, 'bot': 'yes', 'meta': 7})
    t.assert_once()
    assert p.clickhouse.value(f"SELECT count() FROM {p.table} WHERE n >= {t.n - 100} AND color IS NULL") == 100
    assert not list(p.kafka.read(p.dead))
    shown = json.loads(subprocess.run([BUILD / 'chsinkd', '-c', daemon.args[2], '--show', '--json'], check=True,
                                      stdout=subprocess.PIPE, text=True).stdout)
    assert all('route_type' in c for c in shown['routes'][0]['table']['columns']), shown
    assert daemon.terminate(30)[0] == 0
    assert 'conservation' not in daemon.text()


@pytest.mark.parametrize('after', [0.0, 0.5])
def test_killed_once_the_column_is_there(pipeline, after):
    """kill -9 so long after the ALTER: before the end of the old process, on the way, in the new one."""
    t = Topic(pipeline)
    daemon = t.sink().start()
    t.keep_sending(lambda n: {'color': n}, lambda: 'color' in t.columns(), 60, 'a new column')
    time.sleep(after)
    daemon.kill()
    t.send(100, lambda n: {'color': n})
    daemon.start()
    t.keep_sending(lambda n: {'color': n}, lambda: t.loaded_with('color', 'color = n'), 60, 'rows with it')
    t.assert_once()


def test_two_that_do_not_agree(pipeline):
    """Each sees another type of the same field: one is first, and the other takes what the table has."""
    p = pipeline
    t = Topic(p, 2)
    sinks = [t.sink(f'chsinkd-{i}', kafka={'group.instance.id': f'i{i}'}).start() for i in range(2)]

    wait_until(lambda: all(any('1 partition' in m for m in sink.messages) for sink in sinks), 60, 'one partition each')

    def more(n):
        return {'x': str(n) if n % 2 else n}

    def told(sink):
        return 'to load the columns that were added' in sink.text()

    t.keep_sending(more, lambda: all(map(told, sinks)), 90, 'both start again')
    t.keep_sending(more, lambda: t.loaded_with('x', 'toString(x) = toString(n)'), 60, 'rows with it')
    t.assert_once()
    assert list(t.columns()) == ['x']
    for sink in sinks:
        assert sink.terminate(30)[0] == 0
        assert 'ERROR' not in sink.text(), sink.tail()


def test_user_without_alter(pipeline):
    """Is told what to grant, once; loading goes on as before, and nothing starts again for it."""
    p = pipeline
    t = Topic(p)
    t.send(10, lambda n: {})
    maker = t.sink('maker', args=['--once']).start(timeout=0)
    assert maker.process.wait(60) == 0, maker.tail()
    daemon = t.sink(clickhouse={'user': 'writer'}).start()
    t.keep_sending(lambda n: {'color': 'red'}, lambda: 'cannot be added' in daemon.text(), 60, 'told')
    t.send(1000, lambda n: {'color': 'red'})
    t.assert_once()
    line, = [line for line in daemon.text().splitlines() if ' ERROR ' in line]
    assert 'ALTER ADD COLUMN' in line and 'GRANT' in line.upper() and 'secret' not in line, line
    assert daemon.running() and 'RELOADING=1' not in daemon.messages and not t.columns()

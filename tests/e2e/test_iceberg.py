# SPDX-License-Identifier: Apache-2.0
"""chsinkd into Iceberg tables by path, read by three programs that are not ours: pyiceberg, DuckDB, ClickHouse."""
import contextlib
import datetime
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from lake import kill_at_random
from pipeline import BUILD, SERVICES, ROOT, wait_until, write_whole

SEED = int(os.environ.get('SEED', '1'))
COLUMNS = ['_partition', '_offset', 'time', 'title', 'n', 'u', 'bot', 'day', 'id', 'share']
ROUTE = '''
topic: {topic}
table: {table}
order_by: tuple()
{more}
columns:
  - {{name: time, type: DateTime64(3), path: $.time, unit: ms}}
  - {{name: title, type: LowCardinality(String), path: $.title}}
  - {{name: n, type: Nullable(Int32), path: $.n}}
  - {{name: u, type: Nullable(UInt64), path: $.u}}
  - {{name: bot, type: Nullable(Bool), path: $.bot}}
  - {{name: day, type: Nullable(Date), path: $.day}}
  - {{name: id, type: Nullable(UUID), path: $.id}}
  - {{name: share, type: Nullable(Float64), path: $.share}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: UInt64, from: offset}}
'''
MORE_COLUMN = '  - {name: comment, type: Nullable(String), path: $.comment}\n'


def output_of(script, *args):
    return subprocess.run([SERVICES / script, *args], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def ask(*args):
    """What iceberg_read.py says."""
    done = subprocess.run([sys.executable, ROOT / 'tests' / 'e2e' / 'iceberg_read.py', *map(str, args)], text=True,
                          env={**os.environ, 'PYTHONPATH': output_of('iceberg.sh', 'python')}, stdout=subprocess.PIPE)
    assert done.returncode == 0, args
    return json.loads(done.stdout)


class Lake:
    def __init__(self, p, warehouse):
        self.p, self.warehouse = p, warehouse
        self.table = f'{warehouse}/db/{p.table}'
        self.library = output_of('duckdb.sh', 'library')
        self.sinks = 0

    def route(self, more='', columns=''):
        text = ROUTE.format(topic=self.p.topic, table=self.p.table, more=more) + columns
        return write_whole(self.p.folder / f'{self.p.table}.yaml', text)

    def sink(self, *args, route=None, name=None, **options):
        self.sinks += 1
        return self.p.chsinkd(name or f'chsinkd-{self.sinks}', args, route=route or self.route(), output='iceberg',
                              iceberg={'warehouse': self.warehouse, 'namespace': 'db', 'library': self.library},
                              **options)

    def once(self, **options):
        sink = self.sink('--once', **options).start(timeout=0)
        assert sink.process.wait(90) == 0, sink.tail()
        return sink

    def clickhouse_rows(self, columns):
        def value(column, found):
            return f'{found}000' if column == 'time' and len(found) == 23 else found
        # Numbers and true as JSON has them; all else as text.
        rows = self.p.clickhouse.rows(f"SELECT {', '.join(map(in_text, columns))} FROM icebergLocal('{self.table}')")
        return sorted(([value(c, v) for c, v in zip(columns, row)] for row in rows), key=lambda row: json.dumps(row))

    def assert_rows(self, wanted, columns=COLUMNS):
        wanted = sorted(([row.get(c) for c in columns] for row in wanted), key=lambda row: json.dumps(row))
        found = ask('read', self.table, *columns)
        found['clickhouse'] = self.clickhouse_rows(columns)
        for reader, rows in found.items():
            assert len(rows) == len(wanted), f'{reader}: {len(rows)} rows, not {len(wanted)}'
            assert rows == wanted, f'{reader}: {next((r, w) for r, w in zip(rows, wanted) if r != w)}'


def in_text(column):
    if column in ('_partition', 'n', 'share', 'bot'):
        return column
    return f'toInt64({column})::Int32' if column == '_offset' else f'toString({column})'


@pytest.fixture
def warehouse():
    """ClickHouse reads only below the folder that it was started in."""
    path = tempfile.mkdtemp(prefix='iceberg-', dir=BUILD)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def lake(pipeline, warehouse):
    return Lake(pipeline, warehouse)


def messages(n, first=0):
    """Over two months and the time before 1970; all types, nulls and the greatest values."""
    days = [datetime.datetime(2026, 1, 31, 23, 59, 59, 999000), datetime.datetime(2026, 2, 1),
            datetime.datetime(1969, 12, 31, 23, 59, 59, 999000)]
    for i in range(first, first + n):
        at = days[i % 3].replace(tzinfo=datetime.timezone.utc)
        yield {'time': at, 'title': f'Title "{i}" Zürich \u2028', 'n': None if i % 5 == 0 else i - 2**31,
               'u': 2**64 - 1 - i if i % 2 else None, 'bot': [True, False, None][i % 3],
               'day': None if i % 4 == 0 else f'2026-02-{i % 28 + 1:02}',
               'id': None if i % 7 == 0 else f'00112233-4455-6677-8899-{i:012x}', 'share': None if i % 6 == 0 else i / 7,
               'comment': f'comment {i}'}


def produce(p, rows):
    """Into partition 0; what the tables must have."""
    rows = list(rows)
    first = len(list(p.kafka.read(p.topic)))
    p.kafka.produce(p.topic, [(None, json.dumps({**row, 'time': round(row['time'].timestamp() * 1000)}))
                              for row in rows])
    return [{**row, '_partition': 0, '_offset': first + i, 'time': row['time'].strftime('%Y-%m-%d %H:%M:%S.%f'),
             'u': None if row['u'] is None else str(row['u'])} for i, row in enumerate(rows)]


@pytest.mark.parametrize('partition', ['', 'partition_by: toYYYYMM(time)', 'partition_by: (toDate(time), title)'])
def test_read_by_others(lake, partition):
    """Created, filled by several commits, a column added: each reader has the same rows, value by value."""
    p = lake.p
    p.kafka.create(p.topic, 1)
    wanted = produce(p, messages(60))
    lake.once(route=lake.route(partition), batch={'rows': 25})
    lake.assert_rows(wanted)
    for row in wanted:
        row['comment'] = None
    wanted += produce(p, messages(10, 60))
    sink = lake.once(route=lake.route(partition, MORE_COLUMN))
    assert 'column added' in sink.text()
    lake.assert_rows(wanted, [*COLUMNS, 'comment'])
    # What is loaded stays as it is, and nothing is loaded again.
    lake.once(route=lake.route(partition, MORE_COLUMN))
    house = lake.sink('--maintain', 'yes', route=lake.route(partition, MORE_COLUMN)).start(timeout=0)
    assert house.process.wait(60) == 0 and ' 0 of 4 snapshots expire' in house.text(), house.text()
    lake.assert_rows(wanted, [*COLUMNS, 'comment'])


def test_new_fields(lake):
    """unknown_fields: add: a column comes, is loaded after a start of its own and after a kill; each message once."""
    p = lake.p
    p.kafka.create(p.topic, 1)
    route = write_whole(p.folder / 'fields.yaml', f'''
topic: {p.topic}
table: {p.table}
unknown_fields: add
add: {{after: 20}}
columns:
  - {{name: n, type: Int64, path: $.n}}
order_by: n
''')
    sent = 0

    def look():
        """How many rows, how many different ones, how many with the new columns, how many of these wrong."""
        try:
            row, = p.clickhouse.rows('SELECT count(), uniqExact(n), countIf(color IS NOT NULL AND deep_x IS NOT NULL), '
                                     "countIf(color != concat('c', toString(n)) OR deep_x != n) "
                                     f"FROM icebergLocal('{lake.table}')")
            return tuple(map(int, row))
        except AssertionError:  # there is no such table, or column, yet
            return (0, 0, 0, 0)

    def send_until(condition, what):
        def step():
            nonlocal sent
            p.kafka.produce(p.topic, [(None, json.dumps({'n': n, 'deep': {'x': n}, 'color': f'c{n}'}))
                                      for n in range(sent, sent + 50)])
            sent += 50
            return condition()
        wait_until(step, 60, what, 0.3)

    sink = lake.sink(route=route, batch={'age': '300ms'}, kafka={'session.timeout.ms': 6000}).start()
    send_until(lambda: look()[2] > 0, 'rows with new columns')
    sink.kill()
    with_them = look()[2]
    sink.start()
    send_until(lambda: look()[2] > with_them, 'more of them')
    wait_until(lambda: look()[:2] == (sent, sent), 60, 'each once')
    assert look()[3] == 0
    assert sink.terminate(30)[0] == 0, sink.tail()
    with open(sorted(glob.glob(f'{lake.table}/metadata/v*.metadata.json'), key=os.path.getmtime)[-1],
              encoding='utf-8') as text:
        document = json.load(text)
    fields = next(s for s in document['schemas'] if s['schema-id'] == document['current-schema-id'])['fields']
    assert [(f['name'], f['type'], f.get('doc')) for f in fields] == [
        ('n', 'long', None), ('deep_x', 'long', 'added by chsinkd: path $.deep.x'),
        ('color', 'string', 'added by chsinkd: path $.color')]


def test_table_of_others(lake):
    """A table that pyiceberg made, with a spec, a sort order, properties and a nested column: kept, and written into."""
    p = lake.p
    folder = ask('adopt', lake.warehouse, f'db.{p.table}')['folder']
    with open(f'{folder}/metadata/v1.metadata.json', encoding='utf-8') as text:
        before = json.load(text)
    p.kafka.create(p.topic, 1)
    route = write_whole(p.folder / 'adopted.yaml', f'''
topic: {p.topic}
table: {p.table}
order_by: tuple()
columns:
  - {{name: title, type: String, path: $.title}}
  - {{name: n, type: Nullable(Int32), path: $.n}}
  - {{name: time, type: Nullable(DateTime64(3)), path: $.time, unit: ms}}
  - {{name: wiki, type: Nullable(String), path: $.wiki}}
  - {{name: added, type: Nullable(Int64), path: $.n}}
''')
    p.kafka.produce(p.topic, [(None, json.dumps({'title': f'ours {i}', 'n': i, 'time': 1767268800000 + i * 43200000,
                                                 'wiki': ['a', 'b', None][i % 3]})) for i in range(6)])
    lake.once(route=route)
    wanted = [['theirs', 1, '2026-01-01 12:00:00.000000', 'a', True, None],
              ['theirs too', None, None, None, None, None]]
    wanted += [[f'ours {i}', i, (datetime.datetime(2026, 1, 1, 12) + datetime.timedelta(hours=12 * i))
                .strftime('%Y-%m-%d %H:%M:%S.%f'), ['a', 'b', None][i % 3], None, i] for i in range(6)]
    found = ask('read', folder, 'title', 'n', 'time', 'wiki', 'bot', 'added')
    for reader, rows in found.items():
        assert rows == sorted(wanted, key=lambda row: json.dumps(row)), reader
    after = ask('metadata', folder)
    for kept in ('table-uuid', 'location', 'partition-specs', 'sort-orders', 'default-sort-order-id'):
        assert after[kept] == before[kept], kept
    assert before['properties'].items() <= after['properties'].items()
    assert after['schemas'][0] == before['schemas'][0]
    assert after['snapshots'][0] == before['snapshots'][0]


def test_others_between(lake):
    """While it loads pyiceberg compacts the table, and rolls it back: positions are those of the rows that are there."""
    p = lake.p
    p.kafka.create(p.topic, 1)
    sink = lake.sink(batch={'age': '200ms'}).start()
    wanted = produce(p, messages(30))
    wait_until(lambda: position(lake) == 30, 30, 'the first rows')
    first = newest_snapshot(lake.table)['snapshot-id']
    wanted += produce(p, messages(30, 30))
    wait_until(lambda: position(lake) == 60, 30, 'more')
    ask('compact', lake.table)
    compacted = newest_snapshot(lake.table)
    assert 'chsinkd.offsets' not in compacted['summary'] and compacted['snapshot-id'] != first
    lake.assert_rows(wanted)
    wanted += produce(p, messages(30, 60))
    wait_until(lambda: position(lake) == 90, 60, f'on top of it: {sink.tail()}')
    lake.assert_rows(wanted)
    ask('rollback', lake.table, first)
    lake.assert_rows(wanted[:30])
    wanted += produce(p, messages(30, 90))
    wait_until(lambda: position(lake) == 120, 60, f'all again from there: {sink.tail()}')
    assert sink.terminate(30)[0] == 0, sink.tail()
    lake.assert_rows(wanted)
    # Compacted, and nothing of ours on top when it starts.
    ask('compact', lake.table)
    lake.once()
    lake.assert_rows(wanted)


def test_killed(lake):
    """Two sinks of one group into one table, kill -9 at random moments: rows, positions and source agree."""
    p = lake.p
    kills, count = int(os.environ.get('KILLS', '5')), int(os.environ.get('KILL_EVENTS', '4000'))
    p.kafka.create(p.topic, 4)
    sinks = [lake.sink(name=f'chsinkd-{i}', batch={'rows': max(10, count // 50), 'age': '200ms'},
                       kafka={'group.instance.id': f'i{i}', 'session.timeout.ms': 6000}) for i in (1, 2)]

    def feed():
        p.kafka.produce(p.topic, [(str(i), json.dumps({'time': 1767268800000 + i, 'title': f't{i}'}))
                                  for i in range(count)])
        return count

    def loaded():
        with contextlib.suppress(FileNotFoundError, StopIteration):
            summary = newest_snapshot(lake.table)['summary']
            offsets = json.loads(summary['chsinkd.offsets'])[f'sink-{p.tag}'][p.topic]
            return sum(offsets.values()), int(summary['total-records'])
        return 0, 0
    within, given = kill_at_random(random.Random(SEED), sinks, kills, feed, loaded)
    wait_until(lambda: loaded() == (given, given), 240, 'all messages', 0.5)
    for sink in sinks:
        assert sink.terminate(30)[0] == 0, sink.tail()
    for reader, found in ask('sums', lake.table).items():
        assert found == [given, given], reader
    print(f'{kills} kills, {within} of them before all was loaded, {given} rows')


def data_files(lake):
    return len(glob.glob(f'{lake.table}/data/*.parquet'))


def test_owner_asleep(lake):
    """An owner that is stopped for longer than its session in the middle of a commit's files, and wakes when another has
    loaded the same messages: its commit fails, and its files go."""
    p = lake.p
    p.kafka.create(p.topic, 1)
    one, two = (lake.sink(name=name, route=lake.route('partition_by: title'), batch={'age': '1s'},
                          kafka={'session.timeout.ms': 2000, 'heartbeat.interval.ms': 300}) for name in ('one', 'two'))
    one.start()
    wanted = produce(p, messages(30))
    wait_until(lambda: position(lake) == 30, 30, 'the first rows')
    wanted += produce(p, messages(150, 30))
    wait_until(lambda: data_files(lake) > 30, 30, 'a file for each title is written', 0.001)
    os.kill(one.process.pid, signal.SIGSTOP)
    written = data_files(lake)
    assert position(lake) == 30 and written < 180, 'it was stopped too late'
    two.start(timeout=0)
    wait_until(lambda: position(lake) == 180, 60, f'the other goes on: {two.tail()}')
    os.kill(one.process.pid, signal.SIGCONT)
    wait_until(lambda: 'partition given up' in one.text(), 30, f'it hears of it: {one.tail()}')
    wanted += produce(p, messages(30, 180))
    wait_until(lambda: position(lake) == 210, 60, 'the rest')
    for sink in (one, two):
        assert sink.terminate(30)[0] == 0, sink.tail()
    lake.assert_rows(wanted)
    assert data_files(lake) == 210


def position(lake):
    """Of partition 0, in the current snapshot; None: there is none."""
    with contextlib.suppress(OSError, KeyError, ValueError, StopIteration):
        offsets = json.loads(newest_snapshot(lake.table)['summary']['chsinkd.offsets'])
        return offsets[f'sink-{lake.p.tag}'][lake.p.topic]['0']
    return None


def newest_snapshot(table):
    with open(f'{table}/metadata/version-hint.text', encoding='ascii') as hint:
        name = f'{table}/metadata/v{hint.read().strip()}.metadata.json'
    with open(name, encoding='utf-8') as text:
        document = json.load(text)
    return next(s for s in document['snapshots'] if s['snapshot-id'] == document['current-snapshot-id'])


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root: a small file system is mounted')
def test_disk_full(lake):
    """A full disk: one line that says so, nothing lost or doubled; it goes on when there is room."""
    p = lake.p
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=600k', 'tmpfs', lake.warehouse], check=True)
    try:
        p.kafka.create(p.topic, 1)
        rng = random.Random(SEED)
        p.kafka.produce(p.topic, [(None, json.dumps({'time': 1767268800000 + i, 'title': rng.randbytes(500).hex()}))
                                  for i in range(2000)])
        sink = lake.sink(batch={'rows': 200, 'age': '500ms'}).start()
        wait_until(lambda: 'No space left' in sink.text(), 60, 'the disk is full')
        assert sink.running()
        subprocess.run(['mount', '-o', 'remount,size=64m', lake.warehouse], check=True)

        wait_until(lambda: position(lake) == 2000, 120, 'all messages')
        assert sink.terminate(30)[0] == 0, sink.tail()
        for reader, found in ask('sums', lake.table).items():
            assert found == [2000, 2000], reader
    finally:
        subprocess.run(['umount', '-l', lake.warehouse], check=True)

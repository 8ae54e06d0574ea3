# SPDX-License-Identifier: Apache-2.0
"""A DuckDB file as the output: rows and position are one, whoever dies, reads or fills the disk meanwhile.

KILLS=50 for as many kills of each `hold` as the output was accepted with, HOLD_SECONDS=60 for a reader that holds the
file so long; the defaults are for each run."""
import collections
import contextlib
import fcntl
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import textwrap
import time

import confluent_kafka
import pytest

from heart import Messages, admin
from helpers import metrics
from pipeline import BUILD, ROOT, SERVICES, Pipeline, free_port, make_events, wait_until, write_whole

LIBRARY, CLIENT = (subprocess.run([SERVICES / 'duckdb.sh', what], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.strip() for what in ('library', 'python'))
sys.path.insert(0, CLIENT)
duckdb = pytest.importorskip('duckdb')

LAKE_LIBRARY, LAKE_EXTENSION = subprocess.run([SERVICES / 'duckdb.sh', 'lake'], check=True, text=True,
                                              stdout=subprocess.PIPE).stdout.split()
# A client of just the extension's version.
LAKE_CLIENT = subprocess.run([SERVICES / 'iceberg.sh', 'python'], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()

SEED = int(os.environ.get('SEED', '1'))
KILLS = int(os.environ.get('KILLS', '5'))

ROUTE = '''topic: {topic}
table: rows
rows: $.a[*]
columns:
  - {{name: id, type: Int64, path: "@.i"}}
  - {{name: n, type: Nullable(Int32), path: "@.n"}}
  - {{name: twice, type: Nullable(Int64), expression: "n * 2"}}
  - {{name: _topic, type: LowCardinality(String), from: topic}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: Int64, from: offset}}
order_by: id
{end}'''


class Duck:
    """A topic of numbered messages, a DuckDB file, and sinks between them."""

    def __init__(self, folder, kafka):
        self.p = Pipeline(folder, kafka, None)
        self.kafka, self.topic, self.folder = kafka, self.p.topic, folder
        self.file = folder / 'rows.duckdb'
        self.messages = Messages()

    def place(self):
        return {'file': str(self.file), 'library': LIBRARY}

    def route(self, end=''):
        return write_whole(self.folder / 'rows.yaml', ROUTE.format(topic=self.topic, end=end))

    def sink(self, name='chsinkd', args=(), route=None, env=None, **options):
        kafka = {'bootstrap.servers': self.kafka.servers, 'group.id': f'sink-{self.p.tag}',
                 'group.instance.id': name, 'session.timeout.ms': 6000, **options.pop('kafka', {})}
        conf = {'kafka': {k: v for k, v in kafka.items() if v is not None}, 'output': 'duckdb',
                'duckdb': {**self.place(), **options.pop('duckdb', {})},
                'dead_letter_topic': self.p.dead, 'routes': [str(route or self.route())],
                'batch': {'age': '200ms', 'inserts_per_second': 100, **options.pop('batch', {})}, **options}
        path = write_whole(self.folder / f'{name}.yaml', json.dumps(conf, indent=1))
        # A write beyond RLIMIT_FSIZE (test_disk_full) is to fail, not to kill.
        return self.p.process(name, ['/bin/sh', '-c', 'trap "" XFSZ; exec "$@"', 'sh', BUILD / 'chsinkd', '-c', path,
                                     *args], notify=True, env=env)

    def produce(self, values, partition=0):
        producer = confluent_kafka.Producer({'bootstrap.servers': self.kafka.servers, 'linger.ms': 5,
                                             'queue.buffering.max.messages': 1000000})
        for value in values:
            producer.produce(self.topic, value, partition=partition)
            producer.poll(0)
        assert producer.flush(60) == 0

    def ask(self, sql):
        """By a reader that waits for its turn; None: there is no table yet."""
        for _ in range(600):
            try:
                with duckdb.connect(str(self.file), read_only=True) as c:
                    return c.execute(sql).fetchall()
            except (duckdb.IOException, duckdb.ConnectionException):
                time.sleep(0.05)
            except duckdb.CatalogException:
                return None
        raise AssertionError(f'{self.file} was never free')

    def ids(self):
        return collections.Counter({i: n for i, n in self.ask('SELECT id, count(*) FROM rows GROUP BY 1') or []})

    def wait_rows(self, count, timeout=60):
        def there():
            found = self.ask('SELECT count(*) FROM rows')
            return found and found[0][0] >= count
        wait_until(there, timeout, f'{count} rows', 0.2)

    def wait_committed(self, offsets, timeout=60):
        """Until the group's offsets are these."""
        def committed():
            consumer = confluent_kafka.Consumer({'bootstrap.servers': self.kafka.servers,
                                                 'group.id': f'sink-{self.p.tag}'})
            try:
                places = consumer.committed([confluent_kafka.TopicPartition(self.topic, p) for p in offsets], 10)
                return {place.partition: place.offset for place in places} == offsets
            finally:
                consumer.close()
        wait_until(committed, timeout, f'the group at {offsets}')

    def assert_agree(self):
        """In one look at the file: positions and rows are the same, of each partition, without gap or double."""
        looked = self.ask('''
            SELECT coalesce(o."partition", r.p), o.next_offset, r.n, r.offsets, r.first, r.past
            FROM (SELECT * FROM _chsinkd_offsets) o FULL JOIN (
                SELECT _partition AS p, count(*) AS n, count(DISTINCT _offset) AS offsets, min(_offset) AS first,
                       max(_offset) + 1 AS past FROM rows GROUP BY 1) r ON r.p = o."partition"''')
        for partition, position, rows, offsets, first, past in looked or []:
            if rows is not None:
                assert position == past == offsets == rows and first == 0, \
                    f'partition {partition}: position {position}, {rows} rows of {offsets} offsets {first} to {past}'
        return sum(row[2] or 0 for row in looked or [])

    def assert_each_once(self):
        found = self.ids()
        assert found.keys() == self.messages.fit and set(found.values()) <= {1}, \
            f'{len(self.messages.fit - found.keys())} missing, {sum(n > 1 for n in found.values())} doubled'
        assert self.ask('SELECT count(*) FROM rows WHERE twice IS DISTINCT FROM n * 2') == [(0,)]

    def dead_letters(self):
        if self.p.dead not in admin(self.kafka).list_topics(timeout=10).topics:
            return []
        return [dict(m.headers()) for m in self.kafka.read(self.p.dead)]


LAKE_READER = '''
import duckdb, json, sys, time
extension, catalogue, sql = sys.argv[1:]
c = duckdb.connect()
c.execute(f"LOAD '{extension}'")
for _ in range(600):
    try:
        c.execute(f"ATTACH 'ducklake:{catalogue}' AS lake (READ_ONLY); USE lake")
        print(json.dumps(c.execute(sql).fetchall()))
        break
    except duckdb.CatalogException:
        print('null')
        break
    except duckdb.IOException:
        time.sleep(0.05)
'''


class DuckLake(Duck):
    """The same rows in a DuckLake."""

    def __init__(self, folder, kafka):
        super().__init__(folder, kafka)
        self.file = folder / 'rows.ducklake'

    def place(self):
        return {'attach': f'ducklake:{self.file}', 'library': LAKE_LIBRARY, 'extensions': [LAKE_EXTENSION]}

    def ask(self, sql):
        if not self.file.exists():
            return None
        done = subprocess.run([sys.executable, '-c', LAKE_READER, LAKE_EXTENSION, self.file, sql], text=True, check=False,
                              env={**os.environ, 'PYTHONPATH': LAKE_CLIENT}, stdout=subprocess.PIPE)
        assert done.returncode == 0 and done.stdout, f'{self.file} was never free'
        found = json.loads(done.stdout)
        return found and [tuple(row) for row in found]


@pytest.fixture
def duck(folder, kafka, request):
    path = folder / re.sub(r'[^\w.-]', '_', request.node.name)
    path.mkdir()
    d = (DuckLake if getattr(request, 'param', None) == 'lake' else Duck)(path, kafka)
    yield d
    for process in d.p.processes:
        process.close()




def test_load(duck):
    """Rows, dead letters, messages without rows; the group's offset follows; a second start goes on."""
    d = duck
    d.kafka.create(d.topic, 2)
    m = d.messages
    d.produce(m.many(3000, bad_every=500) + [m.make(0)])
    d.produce(m.many(2000), 1)
    sink = d.sink().start()
    d.wait_rows(len(m.fit))
    d.wait_committed({0: 3001, 1: 2000})
    wait_until(lambda: len(d.dead_letters()) == 6, 30, 'dead letters')
    assert d.ask('SELECT "partition", next_offset FROM _chsinkd_offsets ORDER BY 1') == [(0, 3001), (1, 2000)]
    assert sink.terminate(20)[0] == 0, sink.tail()
    assert 'table created' in sink.text() and "ClickHouse's alone" in sink.text(), sink.text()
    d.produce(m.many(500), 1)
    sink.start()
    d.wait_rows(len(m.fit))
    d.wait_committed({0: 3001, 1: 2500})
    assert sink.terminate(20)[0] == 0, sink.tail()
    d.assert_each_once()


@pytest.mark.parametrize('duck', ['file', 'lake'], indirect=True)
def test_new_fields(duck):
    """unknown_fields: add: a column comes, is loaded after a start of its own and after a kill; each message once."""
    d = duck
    d.kafka.create(d.topic, 1)
    route = write_whole(d.folder / 'fields.yaml', f'''topic: {d.topic}
table: rows
unknown_fields: add
add: {{after: 20}}
columns:
  - {{name: id, type: Int64, path: $.i}}
order_by: id
''')
    sent = 0

    def send_until(condition, what):
        def step():
            nonlocal sent
            d.produce([json.dumps({'i': n, 'meta': {'a.b': n / 2}, 'color': f'c{n}'}).encode()
                       for n in range(sent, sent + 50)])
            sent += 50
            return condition()
        wait_until(step, 60, what, 0.2)

    def loaded_since(first):
        try:
            found = d.ask(f"SELECT count(*), count(*) FILTER (color <> 'c' || id OR meta_a_b <> id / 2) FROM rows "
                          f'WHERE id >= {first} AND color IS NOT NULL AND meta_a_b IS NOT NULL')
        except (AssertionError, duckdb.BinderException):  # there is no such column yet
            return False
        assert not found or found[0][1] == 0, found
        return found and found[0][0] > 0

    sink = d.sink(route=route).start()
    pid = sink.process.pid
    send_until(lambda: loaded_since(0), 'rows with new columns')
    assert sink.process.pid == pid and sink.running(), sink.tail()
    sink.kill()
    first = sent
    sink.start()
    send_until(lambda: loaded_since(first), 'rows with them again')
    wait_until(lambda: d.ask('SELECT count(*), count(DISTINCT id) FROM rows') == [(sent, sent)], 60, 'each once')
    assert sink.terminate(20)[0] == 0, sink.tail()
    assert sorted(d.ask("SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = 'rows' "
                        'AND comment IS NOT NULL')) == [
        ('color', 'VARCHAR', 'added by chsinkd: path $.color'),
        ('meta_a_b', 'DOUBLE', 'added by chsinkd: path $.meta."a.b"')]


def test_preset(duck):
    """The package's route, into DuckDB, with made events."""
    d = duck
    events = make_events(d.folder / 'events.jsonl', 2000, '--seed', SEED)
    d.kafka.create(d.topic, 1)
    d.produce(events.read_bytes().splitlines())
    route = write_whole(d.folder / 'edits.yaml', (ROOT / 'etc/routes/wikipedia_edits.yaml').read_text()
                        .replace('topic: wikipedia-data', f'topic: {d.topic}'))
    sink = d.sink(args=['--once'], route=route, kafka={'group.instance.id': None}).start(timeout=0)
    assert sink.process.wait(60) == 0, sink.tail()
    rows, wrong, newest = d.ask('''
        SELECT count(*), count(*) FILTER (size_change IS DISTINCT FROM length_new - coalesce(length_old, 0)),
               max(time) FROM wikipedia_edits''')[0]
    assert rows == len(events.read_bytes().splitlines()) and wrong == 0 and newest.tzinfo


@pytest.mark.parametrize('duck, hold, count, load',
                         [('file', 'batch', 2000, 0.6), ('file', 'always', 8000, 0.6), ('lake', 'always', 2000, 1.5)],
                         ids=['batch', 'always', 'lake'], indirect=['duck'])
def test_killed(duck, hold, count, load):
    """kill -9 at random moments of a load: each time what lies in the file agrees with itself; in the end each row once."""
    d = duck
    rng = random.Random(SEED)
    kills = KILLS // 2 if isinstance(d, DuckLake) and 'KILLS' not in os.environ else KILLS
    d.kafka.create(d.topic, 2)
    sink = d.sink(duckdb={'hold': hold}, batch={'rows': 500, 'age': '50ms'})
    before, progress = 0, 0
    for _ in range(kills):
        for partition in (0, 1):
            d.produce(d.messages.many(count), partition)
        sink.start()
        time.sleep(rng.uniform(0, load))  # about what it takes: most kills fall into it
        sink.kill()
        rows = d.assert_agree()
        assert rows >= before, f'{before} rows, then {rows}'
        progress += before < rows < len(d.messages.fit)
        before = rows
    print(f'hold {hold}: {kills} kills, {progress} of them within the load, {before} rows then of {len(d.messages.fit)}')
    sink.start()
    d.produce(d.messages.many(1000))
    wait_until(lambda: sink.running() and 'lag 0 messages' in ''.join(sink.messages[-40:]), 120, 'all read', 0.5)
    assert sink.terminate(20)[0] == 0, sink.tail()
    d.assert_agree()
    d.assert_each_once()


@pytest.mark.parametrize('duck', ['file', 'lake'] if 'KILLS' in os.environ else ['file'], indirect=True)
def test_two_owners(duck):
    """Two of one group on one file: partitions move while batches are under way."""
    d = duck
    d.kafka.create(d.topic, 4)
    sinks = [d.sink(name, batch={'rows': 500, 'age': '100ms'}) for name in ('one', 'two')]
    sinks[0].start()
    for turn in range(4):
        for partition in range(4):
            d.produce(d.messages.many(1500), partition)
        if turn == 0:
            sinks[1].start(timeout=0)
        elif turn == 1:
            d.wait_rows(1)
            sinks[1].kill()
        elif turn == 2:
            sinks[1].start(timeout=0)
        else:
            sinks[0].terminate(30)
    d.wait_rows(len(d.messages.fit), 120)
    d.wait_committed({p: 6000 for p in range(4)}, 60)
    assert sinks[1].terminate(30)[0] == 0, sinks[1].tail()
    d.assert_agree()
    d.assert_each_once()


def file_is_open(file):
    """By a process that writes it: DuckDB's lock."""
    with open(file, 'rb') as f:
        try:
            fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


@pytest.mark.parametrize('while_', ['gathering', 'writing'])
def test_asleep(duck, while_):
    """An owner that is stopped for longer than its session, with a batch in hand or while it writes one, and wakes when
    its partitions are another's."""
    d = duck
    d.kafka.create(d.topic, 2)
    port = free_port()
    session = {'group.instance.id': None, 'session.timeout.ms': 2000, 'heartbeat.interval.ms': 300}
    one, two = (d.sink(name, batch={'age': '1500ms', 'rows': 30000}, kafka=session, **more)
                for name, more in (('one', {'metrics': {'listen': f'127.0.0.1:{port}'}}), ('two', {})))
    one.start()
    d.produce(d.messages.many(100))
    d.wait_committed({0: 100})
    for partition in (0, 1):
        d.produce(d.messages.many(20000), partition)
    wait_until(lambda: metrics(port)['chsinkd_messages_in_flight'] == 40000, 30, 'two batches', 0.02)
    if while_ == 'writing':
        wait_until(lambda: file_is_open(d.file), 30, 'it writes', 0.001)
    os.kill(one.process.pid, signal.SIGSTOP)
    two.start(timeout=0)
    if while_ == 'writing':
        wait_until(lambda: f'(PID {one.process.pid})' in two.text(), 40, f'the file is held: {two.tail()}')
    else:
        d.wait_committed({0: 20100, 1: 20000})
    os.kill(one.process.pid, signal.SIGCONT)
    wait_until(lambda: 'partition given up' in one.text(), 40, f'it hears of it: {one.tail()}')
    for partition in (0, 1):
        d.produce(d.messages.many(300), partition)
    d.wait_committed({0: 20400, 1: 20300})
    for sink in (one, two):
        assert sink.terminate(30)[0] == 0, sink.tail()
    d.assert_agree()
    d.assert_each_once()


def test_reader_holds_it(duck):
    """Who has the file open to read is waited for, named with its PID, and holds up nothing for good."""
    d = duck
    d.kafka.create(d.topic, 1)
    d.produce(d.messages.many(100))
    sink = d.sink().start()
    d.wait_rows(100)
    d.wait_committed({0: 100})
    code = textwrap.dedent(f'''
        import sys; sys.path.insert(0, {CLIENT!r}); import duckdb, time
        while True:
            try:
                c = duckdb.connect({str(d.file)!r}, read_only=True); break
            except duckdb.IOException:
                time.sleep(0.02)
        print("open", flush=True); sys.stdin.read()''')
    reader = subprocess.Popen(['/usr/bin/python3', '-c', code], text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        assert reader.stdout.readline() == 'open\n'
        d.produce(d.messages.many(100))
        wait_until(lambda: f'(PID {reader.pid})' in sink.text(), 40, f'PID {reader.pid} in the log: {sink.tail()}')
        wait_until(lambda: any(m.startswith('STATUS=') and 'DuckDB' in m for m in sink.messages[-10:]), 20,
                   'the status says it')
        time.sleep(float(os.environ.get('HOLD_SECONDS', '0')))
        assert sink.running()
    finally:
        reader.stdin.close()
        reader.wait(30)
    d.wait_rows(200)
    assert sink.terminate(20)[0] == 0, sink.tail()
    d.assert_each_once()


def test_start_beside_reader(duck):
    """A start waits for a reader as well, and then begins."""
    d = duck
    d.kafka.create(d.topic, 1)
    d.produce(d.messages.many(10))
    first = d.sink(args=['--once'], kafka={'group.instance.id': None}).start(timeout=0)
    assert first.process.wait(60) == 0, first.tail()
    d.produce(d.messages.many(10))
    with duckdb.connect(str(d.file), read_only=True):
        sink = d.sink('second').start(timeout=0)
        wait_until(lambda: f'(PID {os.getpid()})' in sink.text(), 40, f'the PID in the log: {sink.tail()}')
    sink.wait_ready()
    d.wait_rows(20)
    assert sink.terminate(20)[0] == 0, sink.tail()
    d.assert_each_once()


def limit_files(pid, size):
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.parametrize('hold', ['batch', 'always'])
def test_disk_full(duck, hold):
    """No room for a time: nothing is lost or doubled, it is said, and it goes on."""
    d = duck
    d.kafka.create(d.topic, 1)
    d.produce(d.messages.many(2000))
    sink = d.sink(duckdb={'hold': hold}, batch={'rows': 2000}).start()
    d.wait_committed({0: 2000})
    size = d.file.stat().st_size
    limit_files(sink.process.pid, size // 2)
    d.produce(d.messages.many(30000))
    wait_until(lambda: 'File too large' in sink.text() or not sink.running(), 60, f'it is said: {sink.tail()}')
    assert sink.running(), sink.tail()
    limit_files(sink.process.pid, resource.RLIM_INFINITY)
    d.wait_committed({0: 32000})
    assert sink.terminate(20)[0] == 0, sink.tail()
    d.assert_agree()
    d.assert_each_once()


def test_never_worked(duck):
    """A start that cannot work ends with 78 and says what is missing."""
    d = duck
    d.kafka.create(d.topic, 1)
    for name, options, why in (('library', {'library': '/nowhere/libduckdb.so'}, 'npm'),
                               ('device', {'file': '/dev/full'}, 'is a device: it must be a regular file'),
                               ('folder', {'file': str(d.folder / 'no' / 'x.duckdb')}, 'No such file or directory')):
        sink = d.sink(name, duckdb=options).start(timeout=0)
        assert sink.process.wait(60) == 78, sink.tail()
        assert why in sink.text(), sink.tail()


def test_replay(duck):
    """A dead letter comes back through a mended route."""
    d = duck
    d.kafka.create(d.topic, 1)
    m = d.messages
    d.produce(m.many(10, bad_every=5))
    once = {'args': ['--once'], 'kafka': {'group.instance.id': None}}
    sink = d.sink(**once).start(timeout=0)
    assert sink.process.wait(60) == 0, sink.tail()
    assert len(d.dead_letters()) == 2 and len(d.ids()) == 8
    mended = write_whole(d.folder / 'rows.yaml', (d.folder / 'rows.yaml').read_text()
                         .replace('path: "@.n"', 'path: "@.n", invalid: "null"'))
    for _ in range(2):
        sink = d.sink('replay', args=['--replay', 'rows'], route=mended,
                      kafka={'group.instance.id': None}).start(timeout=0)
        assert sink.process.wait(60) == 0, sink.tail()
    assert d.ids() == collections.Counter(m.fit | m.unfit)


def test_table_taken_away(duck):
    """Dropped while it runs: made again, and what is read from then on is in it; nobody dies."""
    d = duck
    d.kafka.create(d.topic, 1)
    d.produce(d.messages.many(100))
    sink = d.sink().start()
    d.wait_committed({0: 100})
    with contextlib.ExitStack() as stack:
        def opened():
            with contextlib.suppress(duckdb.IOException):
                return duckdb.connect(str(d.file))
            return None
        c = wait_until(opened, 30, 'the file is free', 0.02)
        stack.callback(c.close)
        c.execute('DROP TABLE rows')
    d.produce(d.messages.many(100))
    wait_until(lambda: d.ask('SELECT count(*) FROM rows WHERE _offset >= 100') == [(100,)], 90,
               f'what came later: {sink.tail()}', 0.3)
    assert sink.terminate(20)[0] == 0, sink.tail()

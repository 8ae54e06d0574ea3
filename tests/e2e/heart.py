# SPDX-License-Identifier: Apache-2.0
"""What the tests of the sink's heart share: a proxy before ClickHouse that stops an insert at a known moment, messages
of many rows, and where each row is in the end."""
import collections
import contextlib
import http.client
import http.server
import itertools
import json
import re
import socket
import struct
import threading
import time
import urllib.parse

import confluent_kafka
import confluent_kafka.admin

from pipeline import free_port, wait_until, write_whole

# ---- between chsinkd and ClickHouse ----

Insert = collections.namedtuple('Insert', 'table token bytes')


class Hold:
    """The next insert (into `table`, where given; behind `skip` others) is held: 'before' it reaches ClickHouse, or
    'after' ClickHouse has answered, so that its rows are in the table and chsinkd does not know."""

    def __init__(self, when, table, skip):
        self.when, self.table, self.skip, self.taken = when, table, skip, False
        self.reached, self.released = threading.Event(), threading.Event()

    def wait(self, timeout=60):
        assert self.reached.wait(timeout), f'no insert within {timeout} s'

    def release(self):
        self.released.set()


class Between:
    """A proxy in this process. What it did with inserts is in `inserts`, in the order of their arrival."""

    def __init__(self, clickhouse):
        self.target, self.port = clickhouse.port, free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.inserts, self.holds = [], []
        self.answer = None  # a function: (Insert) -> None (pass it on), or (status, headers, body)
        self.user = None  # a function: (Insert) -> None, or another user of ClickHouse
        self.lock = threading.Lock()
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):  # pylint: disable=invalid-name
                with contextlib.suppress(OSError, http.client.HTTPException):
                    between.pass_on(self)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', self.port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self):
        for hold in self.holds:
            hold.release()
        self.server.shutdown()
        self.server.server_close()

    def hold(self, when='after', table=None, skip=0):
        hold = Hold(when, table, skip)
        with self.lock:
            self.holds.append(hold)
        return hold

    def _insert(self, path, size):
        parameters = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        match = re.match(r'INSERT INTO (?:`\w+`\.)?`(\w+)`', parameters.get('query', ''))
        token = parameters.get('insert_deduplication_token')
        return Insert(match[1], token, size) if match and token else None  # without one: the start's look at the table

    def _held(self, insert):
        with self.lock:
            for hold in self.holds:
                if not hold.taken and hold.table in (None, insert.table):
                    hold.skip -= 1
                    hold.taken = hold.skip < 0
                    return hold if hold.taken else None
        return None

    def pass_on(self, request):
        body = request.rfile.read(int(request.headers.get('Content-Length', 0)))
        insert = self._insert(request.path, len(body))
        hold = answer = None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ('host', 'connection')}
        if insert:
            self.inserts.append(insert)
            hold = self._held(insert)
            if hold and hold.when == 'before':
                hold.reached.set()
                if not hold.released.wait(120) or not connected(request.connection):
                    return  # killed meanwhile: what it sent never comes to ClickHouse
            answer = self.answer(insert) if self.answer else None
            if self.user and self.user(insert):
                headers['X-ClickHouse-User'] = self.user(insert)
        status, kept, text = answer or self._ask(request.path, body, headers)
        if hold and hold.when == 'after':
            hold.reached.set()
            hold.released.wait(120)
        request.send_response(status)
        for name, value in kept:
            request.send_header(name, value)
        request.send_header('Content-Length', str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def _ask(self, path, body, headers):
        connection = http.client.HTTPConnection('127.0.0.1', self.target, timeout=120)
        try:
            connection.request('POST', path, body, headers)
            answer = connection.getresponse()
            kept = [(k, v) for k, v in answer.getheaders()
                    if k.lower() not in ('content-length', 'transfer-encoding', 'connection', 'keep-alive')]
            return answer.status, kept, answer.read()
        finally:
            connection.close()


def connected(client):
    """Whether the other side has its end still open."""
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) != b''
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        client.setblocking(True)


# ---- Kafka's group ----

def group_delete(kafka, group):
    """As retention does with the offsets of a group that nobody was in for a time. The group must be empty."""
    name = group.encode()
    body = struct.pack(f'>hhih1sih{len(name)}s', 42, 0, 1, 1, b't', 1, len(name), name)  # DeleteGroups v0

    def read(connection, n):
        data = b''
        while len(data) < n:
            data += connection.recv(n - len(data)) or 1 / 0
        return data

    def gone():
        with socket.create_connection(('127.0.0.1', kafka.port), timeout=30) as connection:
            connection.sendall(struct.pack('>i', len(body)) + body)
            answer = read(connection, struct.unpack('>i', read(connection, 4))[0])
        return struct.unpack('>h', answer[-2:])[0] in (0, 69)  # 69: GROUP_ID_NOT_FOUND; 68: not empty yet

    wait_until(gone, 30, f'group {group} deleted')


def admin(kafka):
    return confluent_kafka.admin.AdminClient({'bootstrap.servers': kafka.servers})


def topic_delete(kafka, topic):
    client = admin(kafka)
    client.delete_topics([topic])[topic].result(30)
    wait_until(lambda: topic not in client.list_topics(timeout=10).topics, 30, f'topic {topic} gone')


def topic_configure(kafka, topic, **config):
    resource = confluent_kafka.admin.ConfigResource('topic', topic, {k.replace('_', '.'): v for k, v in config.items()})
    client = admin(kafka)  # lives until its answer is there
    for future in client.alter_configs([resource]).values():
        future.result(30)


def partitions_add(kafka, topic, count):
    new = confluent_kafka.admin.NewPartitions(topic, count)
    client = admin(kafka)
    for future in client.create_partitions([new]).values():
        future.result(30)


# ---- messages and rows ----

BAD = 'no number'
ROWS_OF_MESSAGE = 1000  # at most; the id of a row is its message's number times this, and its place

ROUTE = '''topic: {topic}
table: {table}
rows: {rows}
message_bytes_max: 8MiB
columns:
  - {{name: id, type: Int64, path: "@.i"}}
  - {{name: n, type: Nullable(Int32), path: "@.n", invalid: "{invalid}"}}
{more}  - {{name: _topic, type: LowCardinality(String), from: topic}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: Int64, from: offset}}
engine: MergeTree
order_by: id
{end}'''
COLUMNS = ('id Int64, n Nullable(Int32), _topic LowCardinality(String), _partition Int32, _offset Int64')
ENGINE = 'ENGINE = MergeTree {} ORDER BY id SETTINGS non_replicated_deduplication_window = 10000'


class Messages:
    """Numbered messages of some rows each; what must become of each row."""

    def __init__(self):
        self.next, self.fit, self.unfit = 0, set(), set()

    def make(self, rows=1, bad=(), **fields):
        """One message whose rows at the places in `bad` do not fit."""
        first = self.next * ROWS_OF_MESSAGE
        self.next += 1
        bad = {first + place for place in bad}
        ids = range(first, first + rows)
        self.fit |= set(ids) - bad
        self.unfit |= bad
        return json.dumps({'a': [{'i': i, 'n': BAD if i in bad else i % 1000} for i in ids], **fields}).encode()

    def many(self, count, rows=1, bad_every=0):
        """`count` of them; in each `bad_every`th message the row in the middle does not fit."""
        return [self.make(rows, [rows // 2] if bad_every and k % bad_every == bad_every - 1 else [])
                for k in range(count)]


class Heart:
    """A topic of such messages, its table behind the proxy, its dead letters."""

    def __init__(self, pipeline):
        self.p, self.kafka, self.clickhouse = pipeline, pipeline.kafka, pipeline.clickhouse
        self.between = Between(pipeline.clickhouse)
        self.topic, self.table, self.dead = pipeline.topic, pipeline.table, pipeline.dead
        self.tables = [self.table]
        self.messages = Messages()
        self.kafka_options = {'group.instance.id': 'heart', 'session.timeout.ms': 6000}

    def close(self):
        self.between.close()
        for process in self.p.processes:
            process.close()
        for name, in self.clickhouse.rows(f"SELECT name FROM system.tables WHERE name LIKE '%{self.p.tag}%' AND "
                                          "name NOT LIKE '.inner%' ORDER BY engine = 'MaterializedView' DESC"):
            self.clickhouse.query(f'DROP TABLE IF EXISTS {name}')

    def route(self, name=None, **changes):
        """The file. Its name is the route's."""
        values = {'topic': self.topic, 'table': self.table, 'rows': '$.a[*]', 'invalid': 'reject', 'more': '',
                  'end': '', **changes}
        return write_whole(self.p.folder / f'{name or values["table"]}.yaml', ROUTE.format(**values))

    def create_table(self, table=None, more='', partition_by=''):
        self.clickhouse.query(f'CREATE TABLE {table or self.table} ({COLUMNS}{more}) {ENGINE.format(partition_by)}')

    def sink(self, name='chsinkd', route=None, routes=None, **options):
        """Behind the proxy; a static member, which has its partitions at once after a kill."""
        kafka = {k: v for k, v in {**self.kafka_options, **options.pop('kafka', {})}.items() if v is not None}
        clickhouse = {'urls': [self.between.url], 'timeout': '4s', 'connect_timeout': '1s',
                      **options.pop('clickhouse', {})}
        batch = {'age': '200ms', **options.pop('batch', {})}
        if routes:
            options['routes'] = [str(r) for r in routes]
        return self.p.chsinkd(name, route=route or self.route(), kafka=kafka, clickhouse=clickhouse, batch=batch,
                              **options)

    def produce(self, values, topic=None, partition=0, together=None):
        """`together`: so many in one request, for a consumer that is to read slowly; else as many as there are."""
        producer = confluent_kafka.Producer({'bootstrap.servers': self.kafka.servers, 'linger.ms': 5,
                                             'message.max.bytes': 16 << 20, 'batch.num.messages': together or 10000})
        for value in values:
            while True:
                try:
                    producer.produce(topic or self.topic, value, partition=partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60) == 0

    def kafka_committed(self, partition=0):
        consumer = confluent_kafka.Consumer({'bootstrap.servers': self.kafka.servers, 'group.id': f'sink-{self.p.tag}'})
        try:
            return consumer.committed([confluent_kafka.TopicPartition(self.topic, partition)], 10)[0].offset
        finally:
            consumer.close()

    # ---- where rows are ----

    def table_ids(self, table=None):
        """How often each row is in the table, or in all of the test's."""
        found = collections.Counter()
        names = ', '.join(f"'{name}'" for name in ([table] if table else self.tables))
        for name, in self.clickhouse.rows(f'SELECT name FROM system.tables WHERE name IN ({names})'):
            found.update({int(i): int(n) for i, n in self.clickhouse.rows(
                f'SELECT id, toUInt32(count()) FROM {name} GROUP BY 1')})
        return found

    def dead_topic_has(self, count):
        if self.dead not in admin(self.kafka).list_topics(timeout=10).topics:
            return False
        return len(list(self.kafka.read(self.dead))) >= count

    def dead_ids(self):
        """Rows in dead letters: those that the letter's header names, else all of its message."""
        found = collections.Counter()
        for message in self.kafka.read(self.dead):
            headers = dict(message.headers())
            value = message.value() or self.origin(headers)
            ids = [element.get('i') for element in json.loads(value)['a']]
            rows = headers.get('chsinkd-rows', headers.get('chsinkd-row'))
            found.update(ids if rows is None else [ids[place] for place in places(rows.decode())])
        return found

    def origin(self, headers):
        """The message of a dead letter without its value, which was too large."""
        place = int(headers['chsinkd-partition']), int(headers['chsinkd-offset'])
        return next(m.value() for m in self.kafka.read(headers['chsinkd-topic'].decode())
                    if (m.partition(), m.offset()) == place)

    def wait_rows(self, count, table=None, timeout=60):
        wait_until(lambda: sum(self.table_ids(table).values()) >= count, timeout,
                   f'{count} rows in {table or self.table}; there are {sum(self.table_ids(table).values())}')

    def load_rest(self, sink, timeout=120):
        """Runs it until each row is somewhere, and stops it."""
        m = self.messages
        sink.start()

        def arrived():
            return not (m.fit | m.unfit) - self.table_ids().keys() - self.dead_ids().keys()

        with contextlib.suppress(AssertionError):  # the caller says better what is missing
            wait_until(arrived, timeout, 'all rows somewhere', 0.3)
        time.sleep(0.5)  # what would come a second time, comes now
        assert sink.terminate(20)[0] == 0, sink.tail()

    def assert_each_once(self):
        """Each row that fits is in the table once, each other in a dead letter once."""
        m = self.messages
        table, dead = self.table_ids(), self.dead_ids()
        faults = list(itertools.chain(
            said('lost', m.fit - table.keys() - dead.keys()),
            said('lost, and should be dead letters', m.unfit - table.keys() - dead.keys()),
            said('doubled in the table', [i for i, n in table.items() if n > 1]),
            said('doubled in dead letters', [i for i, n in dead.items() if n > 1]),
            said('in the table and in dead letters', table.keys() & dead.keys()),
            said('dead letters though they fit', dead.keys() & m.fit),
            said('in the table though they do not fit', table.keys() & m.unfit)))
        assert not faults, '; '.join(faults)


def places(text):
    """'3', '1,4,7' or '1-3,9'"""
    for first, last in re.findall(r'(\d+)(?:-(\d+))?', text):
        yield from range(int(first), int(last or first) + 1)


def said(what, ids):
    ids = sorted(ids)
    if ids:
        yield f'{len(ids)} {what}: {ids[:5]}'

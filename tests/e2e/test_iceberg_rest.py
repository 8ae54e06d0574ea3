# SPDX-License-Identifier: Apache-2.0
"""chsinkd into Iceberg tables of a REST catalogue (Apache's own), with files in an S3 that checks signatures, through
proxies that ask for tokens and break what they can."""
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from helpers import CONFIG, assert_ends, run_to_end
from lake import CUT, HALVE, LOSE, PASS, REPEAT, Front, Services, Tokens, Vendor, error, kill_at_random
from pipeline import ROOT, wait_until, write_whole
from test_iceberg import COLUMNS, MORE_COLUMN, ROUTE, in_text, messages, output_of, produce
from test_show import ask_json

SEED = int(os.environ.get('SEED', '1'))
SLOW_DOWN = (503, {}, b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>')


@pytest.fixture(scope='module')
def services(folder):
    services = Services(folder / 'lake')
    yield services
    services.stop()


class Lake:
    """A pipeline's table, with a proxy before each."""

    def __init__(self, p, services, by_path):
        self.p, self.services, self.by_path = p, services, by_path
        self.name = f's3://lake/by=path/db/{p.table}' if by_path else f'db.{p.table}'
        self.tokens = Tokens()
        self.catalog = Front(services.catalog_port, self.tokens)
        self.s3 = Front(services.s3_port)
        self.sinks = 0
        self.env = {**os.environ, 'PYTHONPATH': output_of('iceberg.sh', 'python'), 'LAKE_KEYS': str(services.keys),
                    'LAKE_CATALOG': f'http://127.0.0.1:{services.catalog_port}',
                    'LAKE_S3': f'http://127.0.0.1:{services.s3_port}'}

    def close(self):
        for process in self.p.processes:
            process.close()
        for front in (self.catalog, self.s3):
            front.stop()

    def reader(self, *args):
        return [sys.executable, ROOT / 'tests' / 'e2e' / 'iceberg_rest_read.py', *map(str, args)]

    def ask(self, what, *args):
        done = subprocess.run(self.reader(what, self.name, *args), text=True, env=self.env, stdout=subprocess.PIPE,
                              check=False)
        assert done.returncode == 0, (what, args)
        return json.loads(done.stdout)

    def route(self, more='', columns=''):
        text = ROUTE.format(topic=self.p.topic, table=self.p.table, more=more) + columns
        return write_whole(self.p.folder / f'{self.p.table}.yaml', text)

    def sink(self, *args, route=None, name=None, secret=None, s3_secret=None, **options):
        self.sinks += 1
        secret = write_whole(self.p.folder / 'client-secret', (secret or self.tokens.secret) + '\n')
        s3_secret = write_whole(self.p.folder / 's3-secret', (s3_secret or self.services.secret) + '\n')
        auth = {'method': 'token', 'token_url': self.catalog.url + '/v1/oauth/tokens', 'grant': 'client_credentials',
                'client_id': self.tokens.client, 'client_secret': {'file': str(secret)}, 'client_auth': 'body'}
        iceberg = {'catalog': 'rest', 'namespace': 'db', 'library': output_of('duckdb.sh', 'library'), 'timeout': '20s',
                   'rest': {'url': self.catalog.url, 'auth': auth},
                   's3': {'endpoint': self.s3.url, 'access_key': self.services.access,
                          'secret_key': {'file': str(s3_secret)}, 'staging': str(self.p.folder)}}
        if self.by_path:
            iceberg = {**iceberg, 'catalog': 'path', 'warehouse': 's3://lake/by=path'}
        if self.catalog.vendor:
            iceberg['s3'] = {'credentials': 'vended', 'staging': str(self.p.folder)}
        return self.p.chsinkd(name or f'chsinkd-{self.sinks}', args, route=route or self.route(), output='iceberg',
                              iceberg=iceberg, **options)

    def once(self, **options):
        sink = self.sink('--once', **options).start(timeout=0)
        assert sink.process.wait(90) == 0, sink.tail()
        return sink

    def clickhouse_rows(self, columns):
        def value(column, found):
            return f'{found}000' if column == 'time' and len(found) == 23 else found
        place = f"{self.env['LAKE_S3']}/lake/{'by=path' if self.by_path else 'warehouse'}/db/{self.p.table}/"
        rows = self.p.clickhouse.rows(f"SELECT {', '.join(map(in_text, columns))} FROM icebergS3('{place}', "
                                      f"'{self.services.access}', '{self.services.secret}')")
        return sorted(([value(c, v) for c, v in zip(columns, row)] for row in rows), key=json.dumps)

    def assert_rows(self, wanted, columns=COLUMNS):
        wanted = sorted(([row.get(c) for c in columns] for row in wanted), key=json.dumps)
        found = self.ask('read', *columns)
        found['clickhouse'] = self.clickhouse_rows(columns)
        for reader, rows in found.items():
            assert len(rows) == len(wanted), f'{reader}: {len(rows)} rows, not {len(wanted)}'
            assert rows == wanted, f'{reader}: {next((r, w) for r, w in zip(rows, wanted) if r != w)}'

    def loaded(self):
        return self.loaded_rows()[0]

    def loaded_rows(self):
        """How many messages the positions say, of the newest snapshot that has them, as the output reads them; how many
        rows the table had then."""
        if self.by_path:
            return tuple(self.ask('loaded', f'sink-{self.p.tag}', self.p.topic))
        url = f"{self.env['LAKE_CATALOG']}/v1/namespaces/db/tables/{self.p.table}"
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(url, timeout=30) as answer:
            for snapshot in reversed(json.load(answer)['metadata'].get('snapshots', [])):
                if 'chsinkd.offsets' in snapshot['summary']:
                    offsets = json.loads(snapshot['summary']['chsinkd.offsets'])
                    return (sum(offsets[f'sink-{self.p.tag}'][self.p.topic].values()),
                            int(snapshot['summary']['total-records']))
        return 0, 0

    def assert_each_once(self, count, theirs=0):
        for reader, found in self.ask('sums').items():
            assert found == [count + theirs, count + theirs], reader


@pytest.fixture
def lake(pipeline, services, request):
    """With the parameter 'path': in S3, without the catalogue."""
    lake = Lake(pipeline, services, getattr(request, 'param', 'rest') == 'path')
    yield lake
    lake.close()


def produce_plain(p, count):
    p.kafka.create(p.topic, 1)
    produce_more(p, count)


def produce_more(p, count):
    p.kafka.produce(p.topic, [(str(i), json.dumps({'time': 1767268800000 + i, 'title': f't{i}'}))
                              for i in range(count)])


@pytest.mark.parametrize('lake', ['rest', 'path'], indirect=True)
def test_read_by_others(lake):
    """Created (the namespace, too), partitioned, filled by several commits, a column added; tokens of two seconds."""
    p = lake.p
    lake.tokens.seconds = 2
    p.kafka.create(p.topic, 1)
    wanted = produce(p, messages(60))
    lake.once(route=lake.route('partition_by: toYYYYMM(time)'), batch={'rows': 25})
    lake.assert_rows(wanted)
    for row in wanted:
        row['comment'] = None
    wanted += produce(p, messages(10, 60))
    sink = lake.once(route=lake.route('partition_by: toYYYYMM(time)', MORE_COLUMN))
    assert 'column added' in sink.text()
    lake.assert_rows(wanted, [*COLUMNS, 'comment'])
    lake.once(route=lake.route('partition_by: toYYYYMM(time)', MORE_COLUMN))
    lake.assert_rows(wanted, [*COLUMNS, 'comment'])


def test_beside_another_writer(lake):
    """pyiceberg commits all the while: each commit that meets another is made again, by both."""
    count, theirs = 3000, 12
    produce_plain(lake.p, 1)
    lake.once()
    with subprocess.Popen(lake.reader('append', lake.name, theirs), env=lake.env, stdout=subprocess.PIPE) as writer:
        sink = lake.sink(batch={'rows': 100, 'age': '100ms'}).start()
        produced = 1
        while writer.poll() is None and produced < count:
            lake.p.kafka.produce(lake.p.topic, [(None, json.dumps({'time': 1767268800000, 'title': f't{i}'}))
                                                for i in range(produced, produced + 20)])
            produced += 20
            time.sleep(0.1)  # so that commits go on as long as the other's
        assert json.loads(writer.stdout.read())['done'] == theirs
    wait_until(lambda: lake.loaded() == produced, 60, 'all messages')
    assert sink.terminate(30)[0] == 0, sink.tail()
    lake.assert_each_once(produced, theirs)


def commits(method, path):
    return method == 'POST' and '/tables/' in path


def puts(method, path):
    return method == 'PUT'


# What breaks, by which proxy, for which requests; what the log says in one clear line.
FAULTS = {
    'S3 has too much to do': ('s3', puts, SLOW_DOWN, 'SlowDown'),
    'uploads are cut': ('s3', puts, CUT, 'PUT s3://lake/'),
    'answers of S3 are lost': ('s3', puts, LOSE, 'PUT s3://lake/'),
    'lists are cut': ('s3', lambda method, path: method == 'GET' and path.endswith('.avro'), HALVE, 'GET s3://lake/'),
    'commits are lost': ('catalog', commits, LOSE, 'commit to db.'),
    'answers of commits are cut': ('catalog', commits, HALVE, 'commit to db.'),
    'commits are repeated': ('catalog', commits, REPEAT, None),
    'commits are in doubt': ('catalog', commits, error(500, 'CommitStateUnknownException', 'Who knows'), 'Who knows'),
    'the catalogue asks to wait': ('catalog', commits, error(503, 'Busy', 'Come back', **{'Retry-After': '1'}),
                                   'Come back'),
}


def test_faults(lake):
    """One after the other, twice each, while messages come: nothing is lost or doubled, and it goes on."""
    produce_plain(lake.p, 10)
    sink = lake.sink(batch={'rows': 1000, 'age': '100ms'}).start()
    wait_until(lambda: lake.loaded() == 10, 60, 'the first messages')
    count = 10
    for what, (front, concerns, fault, words) in FAULTS.items():
        left, lock, began = [2], threading.Lock(), len(sink.text())

        def breaks(method, path, concerns=concerns, fault=fault, left=left, lock=lock):
            with lock:
                if not concerns(method, path) or left[0] == 0:
                    return PASS
                left[0] -= 1
                return fault

        getattr(lake, front).fault = breaks
        while left[0] > 0:  # more than one message's batch, where the first try does it
            lake.p.kafka.produce(lake.p.topic, [(None, json.dumps({'time': 1767268800000, 'title': what}))] * 10)
            count += 10
            wait_until(lambda: lake.loaded() == count, 90, f'it goes on when {what}')  # pylint: disable=all
        if words:
            assert words in sink.text()[began:], f'{what}: {sink.tail()}'
    assert sink.terminate(30)[0] == 0, sink.tail()
    lake.assert_each_once(count)


def test_away(lake):
    """The catalogue, then S3, is not there at all; tokens are revoked. It says which, waits, and goes on."""
    produce_plain(lake.p, 10)
    sink = lake.sink(batch={'age': '100ms'}).start()
    wait_until(lambda: lake.loaded() == 10, 60, 'the first messages')
    count = 10
    for front in (lake.catalog, lake.s3):
        front.stop()
        began = len(sink.text())
        lake.p.kafka.produce(lake.p.topic, [(None, json.dumps({'time': 1767268800000, 'title': 'away'}))] * 10)
        count += 10
        wait_until(lambda: 'is it running' in sink.text()[began:], 60, 'a line that says so')
        assert f'127.0.0.1:{front.port}' in sink.text()[began:]
        front.start()
        wait_until(lambda: lake.loaded() == count, 90, 'it goes on')
    lake.tokens.revoke()
    lake.p.kafka.produce(lake.p.topic, [(None, json.dumps({'time': 1767268800000, 'title': 'revoked'}))] * 10)
    wait_until(lambda: lake.loaded() == count + 10, 60, 'it has got another token')
    assert lake.tokens.refused == 1 and lake.tokens.granted == 3  # the start's, the worker's, the new one
    assert sink.terminate(30)[0] == 0, sink.tail()
    lake.assert_each_once(count + 10)


def test_refused(lake):
    """A start whose credentials the catalogue refuses ends with 78; a table whose files S3 refuses is set aside until
    they are taken. No secret is shown."""
    produce_plain(lake.p, 10)
    assert_ends(run_to_end(lake.sink('--once', secret='wrong-client-secret'), 40), CONFIG, 'iceberg.rest.auth',
                'invalid_client', hidden=['wrong-client-secret'])
    sink = lake.sink(s3_secret='wrong-s3-secret', batch={'age': '200ms'}).start()
    wait_until(lambda: 'check iceberg.s3.secret_key' in sink.text(), 60, 'a line that says so')
    assert sink.running() and 'wrong-s3-secret' not in sink.text()
    sink.terminate(30)  # leaves the group
    lake.once()
    lake.assert_each_once(10)


def show_check(lake, sink, count):
    """--show of a table in S3: its newest rows, and a statement; nothing that was fetched stays."""
    route, = ask_json(sink, '--rows', '2')['routes']
    assert route['table']['rows'] == count and not route['newest']['note'], route
    rows = [dict(zip((c['name'] for c in route['newest']['columns']), row)) for row in route['newest']['rows']]
    assert [row['title'] for row in rows] == [f't{count - 1}', f't{count - 2}'], rows
    answer = ask_json(sink, '--sql', f'SELECT count(*), count(DISTINCT _offset) FROM db.{lake.p.table}')
    assert answer['rows'] == [[count, count]], answer
    assert not list(lake.p.folder.glob('chsinkd-iceberg-*/*')), 'what was fetched stayed'


@pytest.mark.parametrize('lake', ['rest', 'path'], indirect=True)
def test_show_in_s3(lake):
    produce_plain(lake.p, 50)
    sink = lake.once(batch={'rows': 20})
    show_check(lake, sink, 50)
    lake.s3.fault = lambda method, path: SLOW_DOWN
    route, = ask_json(sink, status=69)['routes']
    assert 'SlowDown' in json.dumps(route), route


def test_credentials_of_the_catalogue(lake):
    """Without keys of its own: what the catalogue gives out signs each request, as moto checks, token and all. Every
    other time they have ended already, and others are asked for. No secret is told."""
    ended, good = ((*lake.services.session(), seconds) for seconds in (0, 3600))
    lake.catalog.vendor = Vendor(itertools.cycle([ended, good]), lake.s3.url)
    used = []
    lake.s3.seen = lambda headers: used.append((headers['Authorization'].partition('Credential=')[2].partition('/')[0],
                                                headers['X-Amz-Security-Token']))
    produce_plain(lake.p, 50)
    sink = lake.once(batch={'rows': 20})
    lake.assert_each_once(50)
    show_check(lake, sink, 50)
    assert set(used) == {(good[0], good[2])}, used
    assert lake.catalog.vendor.asked >= 8  # a batch: the load, and another for newer ones
    for secret in (*ended[1:3], *good[1:3]):
        assert secret not in sink.text()
    # Ones that S3 refuses: the table waits for a person, and is loaded once there are others.
    lake.catalog.vendor.sessions = itertools.repeat((good[0], good[1], 'not-the-token', 3600))
    produce_more(lake.p, 10)
    sink = lake.sink(batch={'age': '200ms'}).start()
    wait_until(lambda: 'the catalogue gave out these credentials' in sink.text(), 60, 'a line that says so')
    assert sink.running() and 'not-the-token' not in sink.text()
    lake.catalog.vendor.sessions = itertools.repeat(good)
    sink.terminate(30)
    lake.once()
    lake.assert_each_once(60)


@pytest.mark.parametrize('lake', ['rest', 'path'] if 'KILLS' in os.environ else ['rest'], indirect=True)
def test_killed(lake):
    """Two sinks of one group into one table, kill -9 at random moments: rows, positions and source agree."""
    kills, count = int(os.environ.get('KILLS', '3')), int(os.environ.get('KILL_EVENTS', '2000'))
    lake.p.kafka.create(lake.p.topic, 4)
    sinks = [lake.sink(name=f'chsinkd-{i}', batch={'rows': max(10, count // 4), 'age': '200ms'},
                       kafka={'group.instance.id': f'i{i}', 'session.timeout.ms': 6000}) for i in (1, 2)]

    def feed():
        produce_more(lake.p, count)
        return count
    within, given = kill_at_random(random.Random(SEED), sinks, kills, feed, lake.loaded_rows)
    wait_until(lambda: lake.loaded() == given, 240, 'all messages')
    for sink in sinks:
        assert sink.terminate(30)[0] == 0, sink.tail()
    lake.assert_each_once(given)
    print(f'{kills} kills, {within} of them before all was loaded, {given} rows')

# SPDX-License-Identifier: Apache-2.0
"""The service: reloading, what systemd is told, metrics and health, outages of Kafka and ClickHouse, secrets."""
import collections
import json
import pathlib
import signal

import pytest

from helpers import http_get, metrics, silent_server
from pipeline import events, free_port, make_events, wait_until

DAEMONS = ('wikisrcd', 'chsinkd')


class Served:
    """One daemon with work to do, metrics on."""

    def __init__(self, p, name, env=None, args=(), **options):
        self.p, self.name = p, name
        if name == 'wikisrcd':
            file = make_events(p.folder / 'events.jsonl', 20000, '--seed', 31)
            self.replay = p.replay(file, '--rate', '50', '--from-start', '--max-connections', '10')
        self.port = free_port()  # after the replay server has its own
        options['metrics'] = {'listen': f'127.0.0.1:{self.port}'}
        if name == 'wikisrcd':
            options['source'] = {'start': '2000-01-01T00:00:00Z'}
            self.daemon = p.wikisrcd(self.replay.url, args=args, **options)
        else:
            p.kafka.create(p.topic)
            self.daemon = p.chsinkd(args=args, **options)
        self.daemon.env = env or {}

    def start(self):
        self.daemon.start()
        return self

    def work(self):
        """Something new to deliver; the source has always something."""
        if self.name == 'chsinkd':
            produce(self.p, 10)

    def delivered(self):
        kind = 'events' if self.name == 'wikisrcd' else 'messages'
        return metrics(self.port)[f'{self.name}_{kind}_delivered_total']

    def change(self, **options):
        path = pathlib.Path(self.daemon.args[2])
        conf = json.loads(path.read_text())
        for key, value in options.items():
            conf.setdefault(key, {}).update(value)
        path.write_text(json.dumps(conf))

    def reload(self):
        """SIGHUP; what systemd and the log were told."""
        began, log = len(self.daemon.messages), len(self.daemon.text())
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: 'READY=1' in self.daemon.messages[began:], 10, 'ready again', 0.02)
        told = self.daemon.messages[began:]
        assert told.index('RELOADING=1') < told.index('READY=1')
        assert [m for m in told if m.startswith('MONOTONIC_USEC=')]
        return self.daemon.text()[log:]


def produce(p, count, seed=32):
    file = make_events(p.folder / f'produced-{seed}.jsonl', count, '--seed', seed)
    found = list(events(file))
    p.kafka.produce(p.topic, [(e['title'].encode(), json.dumps(e).encode()) for e in found])
    return found


# ---- reload ----

@pytest.mark.parametrize('name', DAEMONS)
def test_reload(pipeline, name):
    """A good file takes effect at once; a bad one changes nothing and says so; what needs a restart is named."""
    options = {'wikisrcd': {'batch': {'age': '1m'}, 'kafka': {'transaction.timeout.ms': '120000'}},
               'chsinkd': {'batch': {'age': '10m'}}}[name]
    s = Served(pipeline, name, **options).start()
    s.work()
    kind = 'events' if name == 'wikisrcd' else 'messages'
    wait_until(lambda: metrics(s.port)[f'{name}_{kind}_received_total'] >= 10, 20, 'something received')
    assert s.delivered() == 0
    # Bad: one unknown key, and the good change beside it must not be taken over.
    s.change(batch={'age': '100ms', 'agee': '1s'})
    said = s.reload()
    assert 'unknown key batch.agee' in said and 'did you mean' in said, said
    assert 'nothing was changed' in said or 'the old one stays' in said, said
    assert s.delivered() == 0
    conf = json.loads(pathlib.Path(s.daemon.args[2]).read_text())
    del conf['batch']['agee']
    conf['stop_timeout'] = '3s'
    pathlib.Path(s.daemon.args[2]).write_text(json.dumps(conf))
    said = s.reload()
    assert ' ERROR ' not in said, said
    assert 'stop_timeout' in said and 'restart' in said, said
    assert 'batch.age' in said, said
    # What waits already is delivered by the new age, too: nobody wants to wait out the old one.
    wait_until(lambda: s.delivered() >= 10, 10, 'delivered by the new age')
    assert s.daemon.terminate()[0] == 0


@pytest.mark.parametrize('name', DAEMONS)
def test_reload_of_a_file_that_is_gone(pipeline, name):
    s = Served(pipeline, name).start()
    path = pathlib.Path(s.daemon.args[2])
    text = path.read_text()
    path.unlink()
    said = s.reload()
    assert str(path) in said and 'No such file' in said, said
    path.write_text('kafka: [')
    said = s.reload()
    assert f'{path}:2:1: ' in said, said
    path.write_text(text)
    said = s.reload()
    assert ' ERROR ' not in said, said
    s.work()
    wait_until(lambda: s.delivered() >= 10, 20, 'still delivering')
    assert s.daemon.terminate()[0] == 0


# ---- systemd ----

@pytest.mark.parametrize('name', DAEMONS)
def test_notify(pipeline, name):
    """READY after the start, a STATUS for people, WATCHDOG=1 in time, STOPPING at the end, and in this order."""
    s = Served(pipeline, name, env={'WATCHDOG_USEC': '2000000'}).start()
    s.work()
    seen = s.daemon.messages
    wait_until(lambda: seen.count('WATCHDOG=1') >= 3, 10, 'the watchdog fed')
    rate = {'wikisrcd': ('streaming', 'events/s', 's behind', s.p.topic, 'last commit', 's ago'),
            'chsinkd': ('1 partitions', 'rows/s', 'lag', 'last batch 10 rows into', s.p.table, 's ago')}[name]

    def status():
        return [m for m in seen if m.startswith('STATUS=') and all(word in m for word in rate)]

    wait_until(status, 10, f'a STATUS with {rate}: {seen}')
    assert s.daemon.terminate()[0] == 0
    wait_until(lambda: 'STOPPING=1' in seen, 5, 'STOPPING=1')
    assert seen.index('READY=1') < seen.index('STOPPING=1')
    assert 'WATCHDOG=1' not in seen[:seen.index('READY=1')]
    # Whatever TimeoutStartSec and TimeoutStopSec are: how long each step and the stop may take.
    assert any(m.startswith('EXTEND_TIMEOUT_USEC=') for m in seen[:seen.index('READY=1')])
    assert 'EXTEND_TIMEOUT_USEC=14000000' in seen[seen.index('STOPPING=1'):]
    assert f'STATUS=waiting for Kafka at {s.p.kafka.servers}' in seen


@pytest.mark.parametrize('name, away', [('wikisrcd', 'Kafka'), ('chsinkd', 'Kafka'), ('chsinkd', 'ClickHouse')])
def test_stop_while_starting(pipeline, name, away):
    """What the start waits for is told; a stop is obeyed at once, and is no failure."""
    p = pipeline
    with silent_server() as port:
        where = f'127.0.0.1:{port}'
        options = {'Kafka': {'kafka': {'bootstrap.servers': where}},
                   'ClickHouse': {'clickhouse': {'urls': [f'http://{where}']}}}[away]
        daemon = p.wikisrcd('http://127.0.0.1:1/v2/stream', **options) if name == 'wikisrcd' else p.chsinkd(**options)
        daemon.start(timeout=0)
        told = f'STATUS=waiting for {away} at '
        wait_until(lambda: any(m.startswith(told) and where in m for m in daemon.messages), 10,
                   f'what it waits for: {daemon.messages}')
        assert 'EXTEND_TIMEOUT_USEC=40000000' in daemon.messages or away == 'ClickHouse'
        status, seconds = daemon.terminate()
    assert status == 0, daemon.tail()
    assert seconds < 5, f'{seconds:.1f} s'
    assert ' ERROR ' not in daemon.text(), daemon.text()
    assert 'READY=1' not in daemon.messages


# ---- metrics and health ----

@pytest.mark.parametrize('name', DAEMONS)
def test_metrics_and_health(pipeline, name):
    s = Served(pipeline, name).start()
    s.work()
    wait_until(lambda: s.delivered() >= 10, 20, 'delivered')
    values = metrics(s.port)  # parses all of it
    assert len(values) > 20
    assert all(key.startswith((f'{name}_', 'process_', 'metrics_left_out_total')) for key in values), sorted(values)
    assert http_get(s.port, '/healthz')[0] == 200
    wait_until(lambda: http_get(s.port, '/readyz')[0] == 200, 10, 'ready')
    assert http_get(s.port, '/nothing')[0] == 404
    assert s.daemon.terminate()[0] == 0


def test_conservation_of_the_sink(pipeline):
    """At rest: received = delivered + dead-lettered + skipped + given back; the sums of the last line are the same."""
    p = pipeline
    s = Served(p, 'chsinkd').start()
    good = produce(p, 500)
    p.kafka.produce(p.topic, [(b'bad', b'{no json')] * 30 + [(b'bad', b'[]')] * 20 + [(b'bad', b'')] * 5)

    def rest():
        values = metrics(s.port)
        accounted = sum(values[f'chsinkd_messages_{where}_total']
                        for where in ('delivered', 'dead_lettered', 'skipped', 'given_back'))
        return values['chsinkd_messages_received_total'] == len(good) + 55 == accounted and (
            values['chsinkd_messages_in_flight'] == 0) and values

    values = wait_until(rest, 20, 'received = delivered + dead-lettered + skipped + given back')
    assert values['chsinkd_messages_dead_lettered_total'] == 55
    assert values['chsinkd_rows_inserted_total'] == p.rows() == len(good)
    assert len(list(p.kafka.read(p.dead))) == 55
    wait_until(lambda: metrics(s.port)['chsinkd_lag_messages'] == 0, 5, 'no lag')
    assert s.daemon.terminate()[0] == 0
    last = s.daemon.tail(1)
    assert f'messages={len(good) + 55} delivered={len(good)} dead_lettered=55' in last, last
    assert 'does not hold' not in s.daemon.text()


# ---- outages ----

def assert_once(wanted, found):
    missing, doubled = wanted - found.keys(), [i for i, n in found.items() if n > 1]
    assert not missing and not doubled and found.keys() == wanted, \
        f'{len(missing)} missing, {len(doubled)} doubled, {len(found.keys() - wanted)} strange'


def ids_in_table(p):
    return collections.Counter(dict(p.clickhouse.rows(
        f'SELECT toString(event_id), toUInt32(count()) FROM {p.table} GROUP BY 1')))


def test_clickhouse_away(pipeline):
    """Not ready while ClickHouse is away, alive all the time, and afterwards each row once."""
    p = pipeline
    s = Served(p, 'chsinkd', env={'WATCHDOG_USEC': '2000000'}, batch={'rows': 200}).start()
    wanted = {e['meta']['id'] for e in produce(p, 1000, 41)}
    wait_until(lambda: p.rows() > 0, 30, 'first rows')
    p.clickhouse.kill()
    try:
        wanted |= {e['meta']['id'] for e in produce(p, 1000, 42)}
        wait_until(lambda: http_get(s.port, '/readyz')[0] == 503, 20, 'not ready')
        assert 'ClickHouse' in http_get(s.port, '/readyz')[1]
        assert http_get(s.port, '/healthz')[0] == 200
        wait_until(lambda: any(m.startswith('STATUS=waiting for ClickHouse') for m in s.daemon.messages), 10, 'STATUS')
        fed = s.daemon.messages.count('WATCHDOG=1')
        wait_until(lambda: s.daemon.messages.count('WATCHDOG=1') >= fed + 2, 10, 'the watchdog fed')
    finally:
        p.clickhouse.start()
    wait_until(lambda: http_get(s.port, '/readyz')[0] == 200, 30, 'ready again')
    wait_until(lambda: p.rows() >= 2000, 30, 'all rows')
    wait_until(lambda: metrics(s.port)['chsinkd_messages_in_flight'] == 0, 10, 'at rest')
    assert s.daemon.terminate()[0] == 0
    assert_once(wanted, ids_in_table(p))
    assert ' ERROR ' not in s.daemon.text(), s.daemon.tail(30)
    assert 'the output answers again' in s.daemon.text()


def test_stop_while_clickhouse_is_away(pipeline):
    """SIGTERM is obeyed within its time; the rows come after the next start, once."""
    p = pipeline
    s = Served(p, 'chsinkd', batch={'rows': 100}).start()
    p.clickhouse.kill()
    try:
        wanted = {e['meta']['id'] for e in produce(p, 500, 43)}
        wait_until(lambda: http_get(s.port, '/readyz')[0] == 503, 20, 'not ready')
        status, seconds = s.daemon.terminate()
        assert status == 0 and seconds < 6, (status, seconds, s.daemon.tail())
    finally:
        p.clickhouse.start()
    s.start()
    wait_until(lambda: p.rows() >= 500, 30, 'all rows')
    assert s.daemon.terminate()[0] == 0
    assert_once(wanted, ids_in_table(p))


def test_kafka_away(pipeline):
    """Kafka is killed under load and comes back: both daemons wait, go on, and each event is in the table once."""
    p = pipeline
    count = 6000
    file = make_events(p.folder / 'events.jsonl', count, '--seed', 44, '--shared-ms', 300, '--backwards')
    replay = p.replay(file, '--rate', '500', '--from-start', '--max-connections', '10')
    port = free_port()
    source = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'},
                        metrics={'listen': f'127.0.0.1:{port}'}).start()
    sink = p.chsinkd(batch={'rows': 500}).start()
    wait_until(lambda: p.rows() > 0, 30, 'first rows')
    p.kafka.kill()
    try:
        wait_until(lambda: http_get(port, '/readyz') == (503, 'Kafka does not answer\n'), 60, 'wikisrcd is not ready')
        wait_until(lambda: any('Kafka does not answer' in m for m in source.messages if m.startswith('STATUS=')), 60,
                   'wikisrcd says so')
        wait_until(lambda: ' WARN ' in sink.text() and 'Kafka' in sink.text(), 30, 'chsinkd says so')
        assert source.running() and sink.running()
    finally:
        p.kafka.start()
    wait_until(lambda: http_get(port, '/readyz')[0] == 200, 60, 'ready again')
    wait_until(lambda: p.rows() >= count, 90, 'all rows')
    for daemon in (source, sink):
        assert daemon.running()
        assert daemon.terminate()[0] == 0, daemon.tail()
    in_topic = collections.Counter(json.loads(m.value())['meta']['id'] for m in p.kafka.read(p.topic))
    wanted = {e['meta']['id'] for e in events(file)}
    assert_once(wanted, in_topic)
    assert_once(wanted, ids_in_table(p))
    assert 'does not hold' not in source.text() + sink.text()


def test_stop_while_kafka_is_away(pipeline):
    """SIGTERM is obeyed within its time by both; afterwards nothing is lost or doubled."""
    p = pipeline
    count = 3000
    file = make_events(p.folder / 'events.jsonl', count, '--seed', 45)
    replay = p.replay(file, '--rate', '500', '--from-start', '--max-connections', '10')
    source = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'}).start()
    sink = p.chsinkd(batch={'rows': 500}).start()
    wait_until(lambda: p.rows() > 0, 30, 'first rows')
    p.kafka.kill()
    try:
        for daemon in (source, sink):
            _, seconds = daemon.terminate(15)
            assert seconds < 7, (daemon.name, seconds, daemon.tail())
    finally:
        p.kafka.start()
    source.start()
    sink.start()
    wait_until(lambda: p.rows() >= count, 60, 'all rows')
    for daemon in (source, sink):
        assert daemon.terminate()[0] == 0, daemon.tail()
    assert_once({e['meta']['id'] for e in events(file)}, ids_in_table(p))


# ---- secrets ----

@pytest.mark.parametrize('inline', [False, True])
@pytest.mark.parametrize('name', DAEMONS)
def test_secrets(pipeline, name, inline):
    """From a file, a credential, the environment or the YAML: in no argument, log line (even of debugging), metric."""
    p = pipeline
    secrets = {kind: f'{kind}-S3cret-{p.tag}' for kind in ('file', 'credential', 'environment')}
    credentials = p.folder / 'credentials'
    credentials.mkdir()
    for kind in ('file', 'credential'):
        (credentials / kind).write_text(secrets[kind] + '\n')
    references = {'file': {'file': str(credentials / 'file')}, 'credential': {'credential': 'credential'},
                  'environment': {'env': 'FROM_ENVIRONMENT'}}
    given = secrets if inline else references
    kafka = {'debug': 'security,broker,protocol,conf', 'sasl.password': given['file'],
             'ssl.key.password': given['credential'], 'ssl.keystore.password': given['environment']}
    s = Served(p, name, env={'CREDENTIALS_DIRECTORY': str(credentials), 'FROM_ENVIRONMENT': secrets['environment']},
               args=['-v'], kafka=kafka)
    if name == 'chsinkd' and not inline:  # the server's own password, by a reference
        (credentials / 'clickhouse').write_text('secret\n')
        s.change(clickhouse={'password': {'credential': 'clickhouse'}})
    s.start()
    s.work()
    wait_until(lambda: s.delivered() >= 10, 30, 'delivered')
    cmdline = pathlib.Path(f'/proc/{s.daemon.process.pid}/cmdline').read_text(encoding='utf-8')
    exposed = http_get(s.port, '/metrics')[1]
    assert s.daemon.terminate()[0] == 0
    text = s.daemon.text()
    assert ' DEBUG ' in text and 'librdkafka' in text
    for kind, secret in secrets.items():
        for where, what in (('cmdline', cmdline), ('log', text), ('metrics', exposed),
                            ('notify', '\n'.join(s.daemon.messages))):
            assert secret not in what, f'{kind} stands in {where}'
    assert 'Key: secret' not in text and 'password=secret' not in text

# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at a start: it ends by itself, with one clear line and the right exit status, without secrets."""
import json
import re
import socket
import subprocess

import confluent_kafka
import confluent_kafka.admin
import pytest

from helpers import (CONFIG, FENCED, UNAVAILABLE, USAGE, TlsProxy, assert_ends, error_lines, http_get, its_end, make_pki,
                     run_to_end, silent_server)
from pipeline import BUILD, CONTACT, Kafka, Replay, free_port, make_events, wait_until

WRONG = 'Wr0ng-pa55word'
DAEMONS = ('wikisrcd', 'chsinkd')
# wikisrcd waits 30 s for Kafka, chsinkd for its start_timeout.
KAFKA_SECONDS = 45


@pytest.fixture(scope='module')
def pki(folder):
    return make_pki(folder / 'pki')


@pytest.fixture(scope='module')
def secure_kafka(folder, pki):
    """A second Kafka: SASL_SSL on PORT+2, pipeline/secret."""
    service = Kafka(folder / 'kafka-tls', KAFKA_SASL_TLS=str(pki), KAFKA_HEAP='512m')
    service.sasl = f'127.0.0.1:{service.port + 2}'
    yield service
    service.stop()


@pytest.fixture(scope='module')
def file(folder):
    return make_events(folder / 'errors.jsonl', 300, '--seed', 5)


@pytest.fixture(scope='module')
def replay(folder, file):
    path = folder / 'errors-replay'
    path.mkdir()
    server = Replay(path, file, '--fast', '--max-connections', '50')
    yield server
    server.close()


def daemon(p, program, url='http://127.0.0.1:1/v2/stream', **options):
    """One or the other with the same options; waits two seconds at most for what does not answer."""
    if program == 'wikisrcd':
        options['source'] = {'start': '2000-01-01T00:00:00Z', **options.get('source', {})}
        return p.wikisrcd(url, **options)
    return p.chsinkd(start_timeout='2s', **options)


def loaded(p, count, seed=6):
    """Puts events into the topic as the source would."""
    p.kafka.create(p.topic)
    file = make_events(p.folder / 'loaded.jsonl', count, '--seed', seed)
    p.kafka.produce(p.topic, [(None, line.encode()) for line in file.read_text().splitlines()])


# ---- what the file says ----

def write(p, name, text):
    path = p.folder / f'{name}.yaml'
    path.write_text(text)
    return p.process(name, [BUILD / name, '-c', path]), path


FAULTY = {
    'wikisrcd': (f'''kafka: {{bootstrap.servers: "127.0.0.1:1", sasl.password: {WRONG}}}
sources: {{}}
source:
  user_agent_contact: me@example.org
  stall_timeout: 10
  slack: 5h
batch: {{messages: many}}
topic: a
topic: b
''', ((2, 1, 'unknown key sources', 'did you mean source'),
      (5, 18, 'source.stall_timeout', 'duration'),
      (6, 10, 'source.slack', 'out of range'),
      (7, 19, 'batch.messages', 'number'),
      (9, 1, 'duplicate key topic', 'line 8'))),
    'chsinkd': (f'''kafka: {{bootstrap.servers: "127.0.0.1:1", sasl.password: {WRONG}}}
clickhouse:
  urls: http://127.0.0.1:1
  pasword: {{env: HOME}}
  password: {WRONG}
  timeout: 9
routes: [ROUTE]
batch: {{rows: 0, age: many}}
start: earliest
start: latest
''', ((4, 3, 'unknown key clickhouse.pasword', 'did you mean clickhouse.password'),
      (6, 12, 'clickhouse.timeout', 'duration'),
      (8, 15, 'batch.rows', 'out of range'),
      (8, 23, 'batch.age', 'duration'),
      (10, 1, 'duplicate key start', 'line 9'))),
}


@pytest.mark.parametrize('name', DAEMONS)
def test_all_faults_of_a_file_at_once(pipeline, name):
    p = pipeline
    text, faults = FAULTY[name]
    process, path = write(p, name, text.replace('ROUTE', str(p.route())))
    path.chmod(0o600)
    status, text = run_to_end(process)
    lines = error_lines(text)
    for line, column, *words in faults:
        place = f'{path}:{line}:{column}: '
        found = [one for one in lines if place in one]
        assert len(found) == 1, f'{place}:\n{text}'
        assert all(w in found[0] for w in words), found
    assert_ends((status, text), CONFIG, errors=len(faults), hidden=[WRONG])


@pytest.mark.parametrize('name', DAEMONS)
def test_check_config_shows_the_same_faults(pipeline, name):
    p = pipeline
    text, faults = FAULTY[name]
    process, path = write(p, name, text.replace('ROUTE', str(p.route())))
    process.args.append('--check-config')
    status, text = run_to_end(process)
    assert status == CONFIG
    for line, column, *words in faults:
        assert f'{path}:{line}:{column}: ' in text
        assert all(w in text for w in words), text
    assert WRONG not in text


@pytest.mark.parametrize('name', DAEMONS)
def test_yaml_syntax(pipeline, name):
    process, path = write(pipeline, name, 'kafka: {bootstrap.servers: "127.0.0.1:1"}\nsource: {a: [}\n')
    assert_ends(run_to_end(process), CONFIG, f'{path}:2:14: ')


@pytest.mark.parametrize('name', DAEMONS)
def test_no_file(pipeline, name):
    path = pipeline.folder / 'nowhere.yaml'
    process = pipeline.process(name, [BUILD / name, '-c', path])
    assert_ends(run_to_end(process), CONFIG, str(path), 'No such file')


def test_no_route_file(pipeline):
    p = pipeline
    path = p.folder / 'nowhere-route.yaml'
    assert_ends(run_to_end(p.chsinkd(route=path)), CONFIG, str(path), 'No such file')


def test_no_route_matches(pipeline):
    p = pipeline
    pattern = p.folder / 'nowhere' / '*.yaml'
    assert_ends(run_to_end(p.chsinkd(route=pattern)), CONFIG, 'no file matches', str(pattern))


def test_faults_of_a_route(pipeline):
    """Place and name of the fault in the route's own file, and those of the main file in the same run."""
    p = pipeline
    route = p.route(lambda t: t.replace('unknown_fields: drop', 'unknown_feelds: drop')
                    .replace('{name: bot, type: Bool,', '{name: bot, type: Boool,'))
    text = route.read_text().splitlines()
    line = next(i for i, one in enumerate(text, 1) if 'unknown_feelds' in one)
    column = next(i for i, one in enumerate(text, 1) if 'Boool' in one)
    end = run_to_end(p.chsinkd(route=route, batch={'row': 1}))
    assert_ends(end, CONFIG, f'{route}:{line}:1: ', 'did you mean unknown_fields', f'{route}:{column}:', 'Boool',
                'unknown key batch.row', errors=3)


@pytest.mark.parametrize('name', DAEMONS)
def test_usage(pipeline, name):
    for args, words in ((['--bogus'], '--bogus'), (['more'], 'more'), (['--sample'], '--sample')):
        done = subprocess.run([BUILD / name, *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=20, check=False)
        assert done.returncode == USAGE, (args, done)
        assert words in done.stderr and name in done.stderr and '--help' in done.stderr, done.stderr
        assert not done.stdout
    process, path = write(pipeline, name, '')
    process.close()
    conf = {'kafka': {'bootstrap.servers': '127.0.0.1:1'}, 'source': {'user_agent_contact': CONTACT}}
    if name == 'chsinkd':
        conf = {'kafka': conf['kafka'], 'clickhouse': {'urls': ['http://127.0.0.1:1']},
                'routes': [str(pipeline.route())]}
    path.write_text(json.dumps(conf))
    for args in (['--sample', 'x'], ['--sample', '0'], ['--sample', '-3'], ['--sample', '2', '--schema', '2']):
        done = subprocess.run([BUILD / name, '-c', path, *args], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=20, check=False)
        assert done.returncode == USAGE, (args, done)
        assert '--sample' in done.stderr, done.stderr


# ---- what does not answer ----

def test_kafka_is_not_there(pipeline):
    """No such host, nothing listening, no answer; both daemons at once, for each waits for its time to start."""
    p = pipeline
    with silent_server() as silent, socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))  # bound, not listening: refused, and no one else's
        cases = {'host': 'kafka.invalid:9092', 'refused': f'127.0.0.1:{closed.getsockname()[1]}',
                 'silent': f'127.0.0.1:{silent}'}
        started = [(servers, daemon(p, name, name=f'{name}-{case}', kafka={'bootstrap.servers': servers})
                    .start(timeout=0)) for case, servers in cases.items() for name in DAEMONS]
        for servers, process in started:
            words = ['kafka.bootstrap.servers', servers]
            if 'invalid' in servers:
                words.append('resolve')
            assert_ends(its_end(process, KAFKA_SECONDS), UNAVAILABLE, *words)


def test_clickhouse_is_not_there(pipeline):
    p = pipeline
    p.kafka.create(p.topic)
    with silent_server() as silent, socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))
        port = closed.getsockname()[1]
        for case, url, words in (('host', 'http://clickhouse.invalid:8123', ['clickhouse.invalid']),
                                 ('refused', f'http://127.0.0.1:{port}', [str(port)]),
                                 ('silent', f'http://127.0.0.1:{silent}', [str(silent)])):
            process = p.chsinkd(f'chsinkd-{case}', start_timeout='2s', clickhouse={'urls': [url], 'timeout': '1s'})
            assert_ends(run_to_end(process), UNAVAILABLE, *words, hidden=['secret'])


def test_source_is_not_there(pipeline, file):
    """The service waits for its source (with a warning that names it); a mode of a person's ends."""
    p = pipeline
    port = free_port()
    for case, url in (('host', 'http://stream.invalid/v2/stream'), ('refused', f'http://127.0.0.1:{port}/v2/stream')):
        host = url.split('/')[2]
        sample = p.wikisrcd(url, f'sample-{case}', args=['--sample', '3'])
        assert_ends(run_to_end(sample), UNAVAILABLE, host)
    source = p.wikisrcd(f'http://127.0.0.1:{port}/v2/stream', source={'start': '2000-01-01T00:00:00Z'}).start()
    wait_until(lambda: ' WARN ' in source.text(), 10, 'a warning')
    assert not error_lines(source.text())
    assert str(port) in source.text()
    server = p.process('late', [BUILD / 'services' / 'eventstreams', '--port', port, '--file', file, '--fast'])
    server.start()
    wait_until(lambda: len(list(p.kafka.read(p.topic))) == 300, 40, 'the events, once the source is there')
    assert source.terminate()[0] == 0


# ---- who may not ----

# Where Kafka lets us in nowhere, nobody can say whether it has worked before: systemd is to try again (UNAVAILABLE).

SASL = {'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'PLAIN', 'sasl.username': 'pipeline'}


@pytest.mark.parametrize('name', DAEMONS)
def test_kafka_password(pipeline, secure_kafka, pki, name):
    process = daemon(pipeline, name, kafka={'bootstrap.servers': secure_kafka.sasl, **SASL, 'sasl.password': WRONG,
                                            'ssl.ca.location': str(pki / 'ca.pem')})
    assert_ends(run_to_end(process), UNAVAILABLE, secure_kafka.sasl, 'sasl.password', hidden=[WRONG])


@pytest.mark.parametrize('name', DAEMONS)
def test_kafka_certificate(pipeline, secure_kafka, pki, replay, name):
    """Refused without the CA and with another; the same works with the CA and the password given."""
    p = pipeline
    kafka = {'bootstrap.servers': secure_kafka.sasl, **SASL, 'sasl.password': 'secret'}
    process = daemon(p, name, kafka=kafka)
    assert_ends(run_to_end(process), UNAVAILABLE, secure_kafka.sasl, 'ssl.ca.location')
    process = daemon(p, name, kafka={**kafka, 'ssl.ca.location': str(pki / 'other-ca.pem')})
    assert_ends(run_to_end(process), UNAVAILABLE, secure_kafka.sasl, 'ssl.ca.location')
    secure_kafka.create(p.topic)
    process = daemon(p, name, replay.url, kafka={**kafka, 'ssl.ca.location': str(pki / 'ca.pem')})
    process.start()
    assert process.terminate()[0] == 0


def test_clickhouse_password(pipeline):
    p = pipeline
    p.kafka.create(p.topic)
    process = p.chsinkd(clickhouse={'password': WRONG})
    assert_ends(run_to_end(process), CONFIG, f':{p.clickhouse.port}', 'clickhouse.user', 'password', hidden=[WRONG])


@pytest.mark.parametrize('pem', ['server', 'expired', 'wrong-name'])
def test_clickhouse_certificate(pipeline, pki, pem):
    p = pipeline
    loaded(p, 100)
    proxy = TlsProxy(p.folder, p.clickhouse.port, pki / f'{pem}.pem')
    p.processes.append(proxy)
    url = f'https://127.0.0.1:{proxy.port}'
    process = p.chsinkd(clickhouse={'urls': [url]})
    assert_ends(run_to_end(process), CONFIG, str(proxy.port), 'certificate', 'tls', 'ca_file', hidden=['secret'])
    process = p.chsinkd('with-ca', clickhouse={'urls': [url], 'tls': {'ca_file': str(pki / 'ca.pem')}})
    if pem == 'server':
        process.start()
        wait_until(lambda: p.rows() == 100, 30, 'rows through TLS')
        assert process.terminate()[0] == 0
    else:
        assert_ends(run_to_end(process), CONFIG, str(proxy.port), hidden=['secret'])


def test_source_certificate(pipeline, pki, replay):
    p = pipeline
    proxy = TlsProxy(p.folder, replay.port, pki / 'server.pem')
    p.processes.append(proxy)
    url = f'https://127.0.0.1:{proxy.port}/v2/stream'
    process = p.wikisrcd(url, source={'start': '2000-01-01T00:00:00Z'})
    assert_ends(run_to_end(process), CONFIG, str(proxy.port), 'certificate', 'tls', 'ca_file')
    process = p.wikisrcd(url, 'sample', args=['--sample', '3'])
    assert_ends(run_to_end(process), CONFIG, str(proxy.port), 'certificate', 'tls', 'ca_file')
    process = p.wikisrcd(url, 'with-ca', source={'start': '2000-01-01T00:00:00Z',
                                                 'tls': {'ca_file': str(pki / 'ca.pem')}}).start()
    wait_until(lambda: len(list(p.kafka.read(p.topic))) == 300, 30, 'events through TLS')
    assert process.terminate()[0] == 0


@pytest.mark.parametrize('name,option', [('chsinkd', 'clickhouse'), ('wikisrcd', 'source')])
def test_ca_file_is_not_there(pipeline, replay, name, option):
    p = pipeline
    path = p.folder / 'no-ca.pem'
    conf = {option: {'tls': {'ca_file': str(path)}}}
    if name == 'chsinkd':
        conf[option]['urls'] = [f'https://127.0.0.1:{replay.port}']
    process = daemon(p, name, f'https://127.0.0.1:{replay.port}/v2/stream', **conf)
    assert_ends(run_to_end(process), CONFIG, str(path))


def test_read_only_user(pipeline):
    p = pipeline
    loaded(p, 100)
    process = p.chsinkd(clickhouse={'user': 'reader'})
    assert_ends(run_to_end(process), CONFIG, p.table, 'read-only', hidden=['secret'])
    # The same where the table is there.
    p.chsinkd('maker', args=['--once']).start(timeout=0).process.wait(40)
    assert p.rows() == 100
    process = p.chsinkd('again', clickhouse={'user': 'reader'}, kafka={'group.id': f'other-{p.tag}'})
    assert_ends(run_to_end(process), CONFIG, p.table, 'read-only', hidden=['secret'])


def test_user_without_ddl(pipeline):
    """May not create the table: says what to grant. With the table there the same user's rows arrive."""
    p = pipeline
    loaded(p, 100)
    process = p.chsinkd(clickhouse={'user': 'writer'})
    assert_ends(run_to_end(process), CONFIG, p.table, 'CREATE TABLE', 'GRANT', hidden=['secret'])
    maker = p.chsinkd('maker').start()
    wait_until(lambda: p.rows() == 100, 30, 'rows')
    assert maker.terminate()[0] == 0
    writer = p.chsinkd('writer', clickhouse={'user': 'writer'}).start()
    p.kafka.produce(p.topic, [(None, line.encode()) for line in
                              make_events(p.folder / 'more.jsonl', 50, '--seed', 7).read_text().splitlines()])
    wait_until(lambda: p.rows() == 150, 30, 'the writer\'s rows')
    assert writer.terminate()[0] == 0


# ---- what does not fit ----

def test_no_topic_to_read(pipeline):
    p = pipeline
    assert_ends(run_to_end(p.chsinkd()), CONFIG, p.topic, 'does not exist', 'create')


def test_no_dead_letter_topic(pipeline):
    p = pipeline
    p.kafka.create(p.topic)
    process = p.chsinkd(create_topics={'enabled': False})
    assert_ends(run_to_end(process), CONFIG, p.dead, 'missing', 'create_topics.enabled')


def test_no_topic_to_write(pipeline, replay):
    p = pipeline
    process = p.wikisrcd(replay.url, create_topics={'enabled': False})
    assert_ends(run_to_end(process), CONFIG, p.topic, 'missing', 'create_topics.enabled')
    p.kafka.create(p.topic)
    assert_ends(run_to_end(process), CONFIG, f'positions-{p.tag}', 'missing', 'create_topics.enabled')


def test_column_of_another_type(pipeline):
    p = pipeline
    p.kafka.create(p.topic)
    p.clickhouse.query(f"CREATE TABLE {p.table} (time DateTime64(3, 'UTC'), title UInt64) ORDER BY time")
    assert_ends(run_to_end(p.chsinkd()), CONFIG, p.table, 'title', 'UInt64', 'String')
    # Nothing was changed on the way.
    assert p.clickhouse.rows(f"SELECT name FROM system.columns WHERE table = '{p.table}' ORDER BY 1") == [['time'],
                                                                                                       ['title']]


def test_database_is_not_there(pipeline):
    p = pipeline
    p.kafka.create(p.topic)
    process = p.chsinkd(clickhouse={'database': f'nowhere_{p.tag}'})
    assert_ends(run_to_end(process), CONFIG, f'nowhere_{p.tag}', 'clickhouse.database')


def test_clickhouse_native_port(pipeline):
    p = pipeline
    p.kafka.create(p.topic)
    process = p.chsinkd(start_timeout='2s', clickhouse={'urls': [f'http://127.0.0.1:{p.clickhouse.port + 1}']})
    status, text = run_to_end(process)
    assert status in (CONFIG, UNAVAILABLE), text
    assert_ends((status, text), status, f':{p.clickhouse.port + 1}', 'HTTP')


def test_kafka_property_unknown(pipeline):
    for name in DAEMONS:
        process = daemon(pipeline, name, kafka={'bootstrap.server': 'x:1'})
        assert_ends(run_to_end(process), CONFIG, 'kafka.bootstrap.server')


def test_stream_unknown(pipeline, replay):
    p = pipeline
    process = p.wikisrcd(replay.url, source={'streams': ['recentchanges']})
    assert_ends(run_to_end(process), CONFIG, 'recentchanges', '404', 'source.streams')
    process = p.wikisrcd(replay.url, 'sample', args=['--sample', '3'], source={'streams': ['recentchanges']})
    assert_ends(run_to_end(process), CONFIG, 'recentchanges', '404', 'source.streams')


def test_user_agent_refused(pipeline, replay):
    p = pipeline
    replay.control(status=403, times=100)
    try:
        process = p.wikisrcd(replay.url)
        assert_ends(run_to_end(process), CONFIG, '403', 'source.user_agent_contact')
        assert CONTACT in replay.control()['last']['user_agent']
        assert replay.control()['last']['user_agent'].startswith('wikisrcd/')
    finally:
        replay.control(reset=1)


def test_second_instance_fences_the_first(pipeline, file):
    """The first ends with a status of its own, which systemd does not restart, and one clear line; the second goes on
    and says whose position it found; each event once."""
    p = pipeline
    server = p.replay(make_events(p.folder / 'events.jsonl', 3000, '--seed', 8), '--rate', '200', '--from-start',
                      '--max-connections', '10')
    first = p.wikisrcd(server.url, 'first', source={'start': '2000-01-01T00:00:00Z'}).start()
    wait_until(lambda: 'committed' in first.text(), 20, 'a commit of the first')
    second = p.wikisrcd(server.url, 'second', source={'start': '2000-01-01T00:00:00Z'}).start()
    end = its_end(first, 20)
    # Where the fencing meets a commit on its way, Kafka 4.1 answers that with UNKNOWN_SERVER_ERROR (-1), which says
    # neither who nor whether it was carried out.
    # Then it is restarted, and one of the two meets a clear answer.
    if 'Unknown broker error' in end[1]:
        assert_ends(end, 1, 'not known whether Kafka has committed')
    else:
        assert_ends(end, FENCED, 'wikisrcd-wikipedia', 'another instance', 'stays down')
    assert re.search(rf'position found was written by.* writer="\S+ pid {first.process.pid} since 20', second.text()), \
        second.tail()
    wait_until(lambda: server.control()['head'] == 3000, 60, 'all played')
    wait_until(lambda: len(list(p.kafka.read(p.topic))) >= 3000, 30, 'all events')
    assert second.terminate()[0] == 0
    ids = [json.loads(m.value())['meta']['id'] for m in p.kafka.read(p.topic)]
    assert len(ids) == len(set(ids)) == 3000


def test_second_static_member_fences_the_first(pipeline):
    """Two sinks with one group.instance.id: the first ends and stays down, or they would take over for ever."""
    p = pipeline
    loaded(p, 100)
    member = {'group.instance.id': 'one'}
    first = p.chsinkd('first', kafka=member).start()
    wait_until(lambda: p.rows() == 100, 30, 'rows')
    second = p.chsinkd('second', kafka=member).start()
    assert_ends(its_end(first, 30), FENCED, 'group.instance.id', 'took over', 'stays down')
    assert second.terminate()[0] == 0
    assert p.rows() == 100


@pytest.mark.parametrize('mode', ['--once', '--replay'])
def test_one_shot_beside_a_static_member(pipeline, mode):
    """With the service's own file: --replay is no second static member and does not write dead letters as the service;
    --once would be in its group and says so. The service runs on, and loads what comes later."""
    p = pipeline
    loaded(p, 100)
    route, member = p.route(), {'group.instance.id': 'one', 'session.timeout.ms': 6000}
    service = p.chsinkd('service', kafka=member).start()
    p.kafka.produce(p.topic, [(None, b'no JSON')])
    wait_until(lambda: p.rows() == 100 and len(list(p.kafka.read(p.dead))) == 1, 30, 'rows and a dead letter')
    one_shot = p.chsinkd('one-shot', kafka=member, args=[mode, *([route.stem] if mode == '--replay' else [])])
    status, text = run_to_end(one_shot, 60)
    letters = 2 if mode == '--replay' else 1
    assert status == (0 if mode == '--replay' else CONFIG), text
    assert mode == '--replay' or f'group sink-{p.tag} is in use' in text, text
    p.kafka.produce(p.topic, [(None, b'neither')] + [
        (None, line.encode()) for line in make_events(p.folder / 'later.jsonl', 50, '--seed', 7).read_text().splitlines()])
    wait_until(lambda: p.rows() == 150 and len(list(p.kafka.read(p.dead))) == letters + 1 or not service.running(), 60,
               'rows and another dead letter')
    assert service.running(), service.tail()
    assert service.terminate()[0] == 0, service.tail()
    assert 'fenced' not in service.text(), service.tail(30)
    assert p.rows() == 150


def test_offset_beyond_the_end(pipeline):
    """The group's offset is beyond the topic's end (it was cut or restored): said, not read from just anywhere. The
    service waits for a person, --once ends."""
    p = pipeline
    loaded(p, 100)
    consumer = confluent_kafka.Consumer({'bootstrap.servers': p.kafka.servers, 'group.id': f'sink-{p.tag}'})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(p.topic, 0, 5000)], asynchronous=False)
    consumer.close()
    said = p.topic, 'partition 0', '5000', 'beyond the end', 'group.id'
    assert_ends(run_to_end(p.chsinkd(args=['--once']), 60), CONFIG, *said)
    port = free_port()
    service = p.chsinkd('waits', metrics={'listen': f'127.0.0.1:{port}'}).start()
    wait_until(lambda: all(word in service.text() for word in said), 60, 'it says so')
    wait_until(lambda: http_get(port, '/readyz')[0] == 503, 30, 'not ready')
    assert service.terminate()[0] == 0
    assert p.rows() == 0


def test_topic_made_again(pipeline):
    """Kafka forgets the group's offsets with the topic. The same range of offsets then holds other messages: they are
    no repetition of those that the table has. They are not taken for that: a person says whether to load them."""
    p = pipeline
    loaded(p, 100)
    sink = p.chsinkd().start()
    wait_until(lambda: p.rows() == 100, 30, 'rows')
    assert sink.terminate()[0] == 0
    admin = confluent_kafka.admin.AdminClient({'bootstrap.servers': p.kafka.servers})
    admin.delete_topics([p.topic])[p.topic].result(30)
    wait_until(lambda: p.topic not in admin.list_topics(timeout=10).topics, 30, 'topic gone')
    loaded(p, 100, seed=7)
    # It asks the table only when no insert can be on its way any more.
    soon = {'timeout': '4s', 'connect_timeout': '1s'}
    status, text = run_to_end(p.chsinkd('again', args=['--once'], clickhouse=soon), 120)
    assert status == CONFIG, text
    assert "the table's rows at offset 99 are of other messages" in text and 'offsets_lost: start' in text
    assert p.rows() == 100
    again = p.chsinkd('anew', args=['--once'], offsets_lost='start')
    status, text = run_to_end(again, 60)
    assert status == 0, text
    ids = int(p.clickhouse.value(f'SELECT uniqExact(event_id) FROM {p.table}'))
    assert ids == p.rows() == 200, again.tail()


def test_metrics_port_taken(pipeline, replay):
    p = pipeline
    p.kafka.create(p.topic)
    with silent_server() as port:
        for name in DAEMONS:
            process = daemon(p, name, replay.url, metrics={'listen': f'127.0.0.1:{port}'})
            assert_ends(run_to_end(process), CONFIG, str(port))

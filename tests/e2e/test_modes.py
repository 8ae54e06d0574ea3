# SPDX-License-Identifier: Apache-2.0
"""The modes of the daemons beside the service, and what a route can do."""
import json
import re
import socket
import subprocess

import confluent_kafka
import confluent_kafka.admin
import pytest

from helpers import run_to_end
from pipeline import BUILD, CONTACT, events, make_events, wait_until, without_lone_surrogates

DAEMONS = ('wikisrcd', 'chsinkd')
PASSWORD = 'Hidd3n-pa55word'


@pytest.fixture
def played(pipeline):
    """A replay server with 1,000 events that are all there from the start."""
    p = pipeline
    file = make_events(p.folder / 'events.jsonl', 1000, '--seed', 21, '--canaries', '--hard')
    p.server = p.replay(file, '--fast', '--max-connections', '10')
    p.file = file
    return p


def loaded(p, count=1000, partitions=1, seed=22):
    """Puts events into the topic as the source would; the events."""
    p.kafka.create(p.topic, partitions)
    file = without_lone_surrogates(make_events(p.folder / 'loaded.jsonl', count, '--seed', seed, '--hard'))
    found = list(events(file))
    p.kafka.produce(p.topic, [(e['title'].encode(), json.dumps(e).encode()) for e in found])
    return found


def run(*args):
    return subprocess.run([str(a) for a in args], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30,
                          check=False)


def topics(p):
    return confluent_kafka.admin.AdminClient({'bootstrap.servers': p.kafka.servers}).list_topics(timeout=10).topics


def tables(p):
    return [name for name, in p.clickhouse.rows(f"SELECT name FROM system.tables WHERE name LIKE '%{p.tag}%'")]


def process_of(p, program, **options):
    if program == 'wikisrcd':
        return p.wikisrcd('http://127.0.0.1:1/v2/stream', **options)
    return p.chsinkd(**options)


# ---- asked for by a person ----

@pytest.mark.parametrize('name', DAEMONS)
def test_help_and_version(name):
    done = run(BUILD / name, '--help')
    assert done.returncode == 0 and not done.stderr
    modes = {'wikisrcd': ('--sample', '--schema', '--produce', '--once', '--start', '--end'),
             'chsinkd': ('--sample', '--schema', '--topic', '--dry-run', '--show', '--sql', '--json', '--once',
                         '--replay')}[name]
    for option in (*modes, '--config', '--check-config', '--print-config', '--help-config', '--version', '--verbose',
                   f'/etc/{name}/{name}.yaml'):
        assert option in done.stdout, option
    assert max(map(len, done.stdout.splitlines())) <= 100
    done = run(BUILD / name, '--version')
    assert done.returncode == 0 and re.fullmatch(rf'{name} \d+\.\d+\.\d+\n', done.stdout), done


@pytest.mark.parametrize('name', DAEMONS)
def test_check_config(pipeline, name):
    p = pipeline
    path = process_of(p, name).args[2]
    done = run(BUILD / name, '-c', path, '--check-config')
    assert done.returncode == 0, done
    assert done.stdout == f'{path}: valid' + (', 1 route' if name == 'chsinkd' else '') + '\n'
    assert not done.stderr
    assert not topics(p).keys() & {p.topic, p.dead} and not tables(p)


@pytest.mark.parametrize('name', DAEMONS)
def test_print_config(pipeline, name):
    """What is in force, with secrets hidden; loads again and prints the same."""
    p = pipeline
    secret = p.folder / 'password'
    secret.write_text(PASSWORD + '\n')
    options = {'kafka': {'sasl.password': {'file': str(secret)}, 'ssl.key.password': PASSWORD},
               'batch': {'age': '1500ms', 'bytes': '5MiB'}}
    if name == 'chsinkd':
        options['clickhouse'] = {'password': PASSWORD}
    path = process_of(p, name, **options).args[2]
    done = run(BUILD / name, '-c', path, '--print-config')
    assert done.returncode == 0, done
    assert PASSWORD not in done.stdout + done.stderr
    for word in ('(hidden)', '1500ms', '5MiB', p.kafka.servers, 'log_level', 'stop_timeout'):
        assert word in done.stdout, word
    again = p.folder / 'again.yaml'
    again.write_text(done.stdout)
    again.chmod(0o600)
    assert run(BUILD / name, '-c', again, '--check-config').returncode == 0, done.stdout
    assert run(BUILD / name, '-c', again, '--print-config').stdout == done.stdout


@pytest.mark.parametrize('name', DAEMONS)
def test_help_config(pipeline, name):
    """The reference of all options is a file that loads once the required ones are given."""
    p = pipeline
    done = run(BUILD / name, '--help-config')
    assert done.returncode == 0, done
    text = done.stdout
    for option in ('log_level', 'stop_timeout', 'batch', 'metrics'):
        assert re.search(rf'^#? *{option}:', text, re.M), option
    path = p.folder / 'reference.yaml'
    if name == 'chsinkd':
        text = re.sub(r'^kafka:.*$', 'kafka: {bootstrap.servers: "127.0.0.1:1"}', text, flags=re.M)
        text = re.sub(r'^#clickhouse:$', 'clickhouse:', text, flags=re.M)
        text = re.sub(r'^( +)#urls:.*$', r'\1urls: [http://127.0.0.1:1]', text, count=1, flags=re.M)
        text = re.sub(r'^routes:.*$', f'routes: {p.route()}', text, flags=re.M)
    else:
        text = re.sub(r'^( +)user_agent_contact:.*$', rf'\1user_agent_contact: {CONTACT}', text, flags=re.M)
        text += '\nkafka: {bootstrap.servers: "127.0.0.1:1"}\n'
    path.write_text(text)
    done = run(BUILD / name, '-c', path, '--check-config')
    assert done.returncode == 0, (done, text)


# ---- wikisrcd ----

def test_source_sample(played):
    """So many events, a line each; nothing is written; no Kafka is needed."""
    p = played
    conf = p.folder / 'no-kafka.yaml'
    conf.write_text(json.dumps({'source': {'url': p.server.url, 'user_agent_contact': CONTACT,
                                           'start': '2000-01-01T00:00:00Z'}}))
    before = set(topics(p))
    done = run(BUILD / 'wikisrcd', '-c', conf, '--sample', '7')
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert len(lines) == 8 and lines[0].split()[:2] == ['number', 'time'], lines
    wanted = list(events(p.file))[:7]
    for line, event in zip(lines[1:], wanted):
        assert event['meta']['dt'][:19] in line, (line, event)
        if re.fullmatch('[a-z]+', event.get('wiki', '?')):
            assert event['wiki'][:15] in line
    assert 'nothing was written' in done.stderr
    assert set(topics(p)) == before


def test_source_sample_cannot_act_on_the_terminal(played):
    done = run(BUILD / 'wikisrcd', '-c', played.wikisrcd(played.server.url, source={'start': 'oldest'}).args[2],
               '--sample', '900')
    assert done.returncode == 0, done
    assert not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]', done.stdout)


def test_source_schema(played):
    p = played
    path = p.wikisrcd(p.server.url, source={'start': '2000-01-01T00:00:00Z'}).args[2]
    before = set(topics(p))
    done = run(BUILD / 'wikisrcd', '-c', path, '--schema', '500')
    assert done.returncode == 0, done
    for field in ('meta.id', 'meta.dt', 'title', 'namespace', 'bot', 'length.new'):
        assert re.search(rf'(^|\s){re.escape(field)}\s', done.stdout), field
    assert '500' in done.stdout + done.stderr
    assert set(topics(p)) == before


def test_source_produce(played):
    """Writes so many, shows each with where it is, and leaves the service's position alone."""
    p = played
    path = p.wikisrcd(p.server.url, source={'start': '2000-01-01T00:00:00Z'}).args[2]
    done = run(BUILD / 'wikisrcd', '-c', path, '--produce', '12')
    assert done.returncode == 0, done
    messages = list(p.kafka.read(p.topic))
    wanted = [e['meta']['id'] for e in events(p.file)][:12]
    assert [json.loads(m.value())['meta']['id'] for m in messages] == wanted
    shown = re.findall(r'partition\s+(\d+)\s+offset\s+(\d+)', done.stdout)
    assert [(int(a), int(b)) for a, b in shown] == [(m.partition(), m.offset()) for m in messages]
    assert '12 committed' in done.stderr
    assert f'positions-{p.tag}' not in topics(p)


# ---- chsinkd, reading only ----

def committed(p):
    consumer = confluent_kafka.Consumer({'bootstrap.servers': p.kafka.servers, 'group.id': f'sink-{p.tag}'})
    try:
        return [t.offset for t in consumer.committed([confluent_kafka.TopicPartition(p.topic, 0)], 10)]
    finally:
        consumer.close()


def test_sink_modes_that_write_nothing(pipeline):
    """--sample, --schema and --dry-run: no table, no topic, no offset of the group."""
    p = pipeline
    loaded(p, 300)
    path = p.chsinkd().args[2]
    done = run(BUILD / 'chsinkd', '-c', path, '--sample', '5')
    assert done.returncode == 0, done
    assert len(re.findall(r'^\d+\. partition 0 offset', done.stdout, re.M)) == 5, done.stdout
    assert '5 messages: 5 rows, 0 refused' in done.stdout
    done = run(BUILD / 'chsinkd', '-c', path, '--schema', '200')
    assert done.returncode == 0 and 'CREATE TABLE' in done.stdout and 'meta.id' in done.stdout, done
    done = run(BUILD / 'chsinkd', '-c', path, '--dry-run')
    assert done.returncode == 0, done
    assert 'CREATE TABLE' in done.stdout and 'CREATE MATERIALIZED VIEW' in done.stdout and p.table in done.stdout
    count = len(list(p.kafka.read(p.topic)))
    assert f'{count} messages: {count} rows, 0 refused' in done.stdout
    assert not tables(p)
    assert p.dead not in topics(p)
    assert committed(p) == [confluent_kafka.OFFSET_INVALID]


def test_sink_modes_cannot_act_on_the_terminal(pipeline):
    """Keys of messages, keys and values of JSON, in all three modes that print them."""
    p = pipeline
    found = loaded(p, 10)
    acting = 'a\x1b[31mb\x9bc\u202ed\u2028e\x7f'
    event = found[0] | {'title': acting, acting: 1, 'log_params': {acting: [acting]}}
    p.kafka.produce(p.topic, [(f'key {acting}'.encode() + b'\xff', json.dumps(event).encode()),
                              (b'key \x9b', json.dumps(event, ensure_ascii=False).encode())])
    for mode in (['--sample', '20'], ['--schema', '20'], ['--dry-run']):
        done = run(BUILD / 'chsinkd', '-c', p.chsinkd().args[2], *mode)
        assert done.returncode == 0, done
        assert not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ufffd]', done.stdout), (mode, done)
        if mode[0] == '--sample':
            assert 'key key a [31mb  c   d   e ?' in done.stdout and 'key key ?' in done.stdout, done.stdout


def test_dry_run_shows_refused_messages(pipeline):
    p = pipeline
    loaded(p, 50)
    p.kafka.produce(p.topic, [(b'bad', b'{no json')])
    done = run(BUILD / 'chsinkd', '-c', p.chsinkd().args[2], '--dry-run')
    assert done.returncode == 0 and '1 refused' in done.stdout and 'offset 50' in done.stdout, done.stdout


def test_dry_run_of_a_table_that_is_there(pipeline):
    """Shows only what is missing, and changes nothing."""
    p = pipeline
    loaded(p, 50)
    status, text = run_to_end(p.chsinkd(args=['--once']), 40)
    assert status == 0, text
    done = run(BUILD / 'chsinkd', '-c', p.chsinkd().args[2], '--dry-run')
    assert done.returncode == 0 and 'a start would run nothing' in done.stdout, done.stdout
    added = p.route(add_column)
    done = run(BUILD / 'chsinkd', '-c', p.chsinkd(route=added).args[2], '--dry-run')
    assert 'ADD COLUMN' in done.stdout and 'request_id' in done.stdout and 'CREATE' not in done.stdout, done.stdout
    assert 'request_id' not in columns(p)


def columns(p):
    return [c for c, in p.clickhouse.rows(f"SELECT name FROM system.columns WHERE table = '{p.table}'")]


def suggested_route(text):
    """What --schema prints between its comment and the table, as a file."""
    return text[text.index('# A route made from'):text.index('\n-- its table:')]


def test_suggested_route_loads_the_topic(pipeline):
    p = pipeline
    found = loaded(p, 800, 2)
    done = run(BUILD / 'chsinkd', '-c', p.chsinkd().args[2], '--schema', '100000')
    assert done.returncode == 0, done
    assert 'does not load' not in done.stdout, done.stdout
    route = p.folder / 'suggested-route.yaml'
    route.write_text(suggested_route(done.stdout))
    p.table = re.search(r'^table: (\S+)$', route.read_text(), re.M).group(1)
    try:
        once = p.chsinkd('suggested', args=['--once'], route=route, dead_letter_topic=p.dead + '-s')
        status, text = run_to_end(once, 60)
        assert status == 0, text
        assert p.rows() == len(found), text
        assert 'dead_lettered=0' in text
        # Values, not only rows: what the events hold is in the columns.
        titles = {t for t, in p.clickhouse.rows(f'SELECT DISTINCT title FROM {p.table}')}
        assert titles == {e['title'] for e in found}
        ids = {i for i, in p.clickhouse.rows(f'SELECT toString(meta_id) FROM {p.table}')}
        assert ids == {e['meta']['id'] for e in found}
    finally:
        p.clickhouse.query(f'DROP TABLE IF EXISTS {p.table}')


def test_schema_of_a_topic_without_route(pipeline):
    p = pipeline
    loaded(p, 10)
    other = f'other-{p.tag}'
    p.kafka.create(other)
    p.kafka.produce(other, [(None, json.dumps({'n': n, 'deep': {'t': 'x'}}).encode()) for n in range(20)])
    path = p.chsinkd().args[2]
    done = run(BUILD / 'chsinkd', '-c', path, '--schema', '50', '--topic', other)
    assert done.returncode == 0 and 'deep.t' in done.stdout and f'topic: {other}' in done.stdout, done
    done = run(BUILD / 'chsinkd', '-c', path, '--sample', '5', '--topic', other)
    assert done.returncode == 78 and other in done.stderr and '--schema' in done.stderr, done
    done = run(BUILD / 'chsinkd', '-c', path, '--sample', '5', '--topic', f'nowhere-{p.tag}')
    assert done.returncode == 78 and f'nowhere-{p.tag}' in done.stderr, done


# ---- chsinkd, loading ----

def test_once(pipeline):
    """To the end as it is now, then ends with 0 and the sums; again: nothing more; then only what came since."""
    p = pipeline
    found = loaded(p, 1000, 3)
    once = p.chsinkd(args=['--once'])
    status, text = run_to_end(once, 60)
    assert status == 0, text
    assert p.rows() == len(found)
    assert f'rows={len(found)}' in text.splitlines()[-1] and 'stopped' in text.splitlines()[-1]
    status, text = run_to_end(once, 60)
    assert status == 0 and 'rows=0' in text.splitlines()[-1], text
    p.kafka.produce(p.topic, [(b'x', json.dumps(found[0] | {'title': 'later'}).encode())])
    status, text = run_to_end(once, 60)
    assert status == 0 and 'rows=1' in text.splitlines()[-1], text
    assert p.rows() == len(found) + 1


def test_once_beside_an_open_transaction(pipeline):
    """What was committed behind it cannot be read yet: said, and left to the next run."""
    p = pipeline
    found = loaded(p, 300)
    other = confluent_kafka.Producer({'bootstrap.servers': p.kafka.servers, 'transactional.id': f'other-{p.tag}'})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(p.topic, json.dumps(found[0]))
    assert other.flush(30) == 0
    p.kafka.produce(p.topic, [(b'x', json.dumps(found[0] | {'title': 'behind'}).encode())])
    once = p.chsinkd(args=['--once'])
    status, text = run_to_end(once, 60)
    assert status == 0 and 'hides the rest' in text and p.rows() == len(found), text
    other.abort_transaction(30)
    status, text = run_to_end(once, 60)
    assert status == 0 and 'hides' not in text and p.rows() == len(found) + 1, text


def test_once_of_an_empty_topic(pipeline):
    p = pipeline
    p.kafka.create(p.topic)
    status, text = run_to_end(p.chsinkd(args=['--once']), 30)
    assert status == 0 and 'rows=0' in text, text


def add_column(text):
    line = '  - {name: request_id, type: String, path: $.meta.request_id, missing: default, codec: ZSTD(1)}\n'
    assert line in text.replace('#   - {name', '  - {name') or 'request_id' in text
    return text.replace('\n  - {name: _topic,', '\n' + line + '  - {name: _topic,')


def test_column_added(pipeline):
    """As the preset's comment says: a column more in the route, one in the table; older rows keep all they have."""
    p = pipeline
    found = loaded(p, 200)
    status, text = run_to_end(p.chsinkd(args=['--once']), 40)
    assert status == 0 and p.rows() == len(found), text
    before = p.clickhouse.query(f'SELECT event_id, title, time FROM {p.table} ORDER BY _offset')
    event = found[0] | {'meta': found[0]['meta'] | {'request_id': 'the-request'}}
    p.kafka.produce(p.topic, [(b'x', json.dumps(event).encode())])
    status, text = run_to_end(p.chsinkd(args=['--once'], route=p.route(add_column)), 40)
    assert status == 0 and 'column added' in text, text
    assert p.rows() == len(found) + 1
    assert p.clickhouse.query(f'SELECT event_id, title, time FROM {p.table} WHERE _offset < '
                              f'{len(found)} ORDER BY _offset') == before
    assert p.clickhouse.rows(f"SELECT count(), countIf(request_id = 'the-request') FROM {p.table} "
                             f"WHERE request_id != ''")[0][1] in (1, '1')
    # A column fewer in the route stays in the table.
    status, text = run_to_end(p.chsinkd(args=['--once']), 40)
    assert status == 0 and 'request_id' in columns(p), text


def null_engine(text):
    """As the preset's comment says: engine "Null", without order_by, partition_by and settings (and without ttl)."""
    text, n = re.subn(r'^engine: MergeTree$', 'engine: "Null"', text, flags=re.M)
    assert n == 1
    text, n = re.subn(r'^(order_by|partition_by): .*\n', '', text, flags=re.M)
    assert n == 2
    text, n = re.subn(r'^settings:\n(  .*\n)+', '', text, flags=re.M)
    assert n == 1
    return text


def test_aggregates_only(pipeline):
    """engine: "Null": only the view's sums are kept, exact over kills of chsinkd."""
    p = pipeline
    count, view = 120000, f'{p.table}_per_minute'
    p.kafka.create(p.topic, 2)
    file = make_events(p.folder / 'many.jsonl', count, '--seed', 23)
    found = list(events(file))
    p.kafka.produce(p.topic, [(e['title'].encode(), json.dumps(e).encode()) for e in found])
    # Other sizes of batches in turn: only the announced range makes a repeated insert the same again.
    sinks = [p.chsinkd(f'chsinkd-{rows}', route=p.route(null_engine), batch={'rows': rows}, kafka={
        'group.instance.id': 'null', 'session.timeout.ms': 6000, 'queued.max.messages.kbytes': 4096})
        for rows in (1000, 700, 1300)]

    def changes():
        if view not in tables(p):
            return 0
        return int(p.clickhouse.value(f'SELECT sum(changes) FROM {view}'))

    for kills in range(12):
        before = changes()
        sink = sinks[kills % len(sinks)].start()
        # As soon as rows are there: often before their offsets are committed.
        wait_until(lambda: changes() > before, 60, 'progress', 0)  # pylint: disable=cell-var-from-loop
        sink.kill()
    assert changes() < count, 'killed under load'
    status, text = run_to_end(p.chsinkd('rest', args=['--once'], route=p.route(null_engine), kafka={
        'group.instance.id': 'null', 'session.timeout.ms': 6000}), 60)
    assert status == 0, text
    assert changes() == count
    assert int(p.clickhouse.value(f'SELECT count() FROM {p.table}')) == 0
    bots = int(p.clickhouse.value(f'SELECT sum(bots) FROM {view}'))
    assert bots == sum(e['bot'] for e in found)
    assert 'does not deduplicate' not in text, text


def test_first_url_dead(pipeline):
    """The next URL is used; with a table that is not replicated it says what that means for repeated inserts."""
    p = pipeline
    found = loaded(p, 200)
    with socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))
        dead = f'http://127.0.0.1:{closed.getsockname()[1]}'
        sink = p.chsinkd(clickhouse={'urls': [dead, p.clickhouse.url]}).start()
        wait_until(lambda: p.rows() == len(found), 30, 'rows by the second URL')
        assert sink.terminate()[0] == 0
        assert ' ERROR ' not in sink.text()
        assert 'several URLs' in sink.text()

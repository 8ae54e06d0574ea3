# SPDX-License-Identifier: Apache-2.0
"""chsinkd --show: known data, asked for while the service runs and while it is stopped."""
import json
import os
import re
import subprocess

import confluent_kafka
import pytest

from pipeline import BUILD, SERVICES, ClickHouse, wait_until, write_whole

ROUTE = '''
topic: {topic}
table: {table}
columns:
  - {{name: id, type: Int64, path: $.id}}
  - {{name: name, type: String, path: $.name, missing: default}}
  - {{name: big, type: Nullable(UInt64), path: $.big}}
  - {{name: ok, type: Bool, path: $.ok, missing: default}}
  - {{name: _topic, type: LowCardinality(String), from: topic}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: Int64, from: offset}}
  - {{name: _time, type: DateTime64(3), from: timestamp}}
engine: MergeTree
order_by: id
'''
ESCAPE = '\x1b[2J'
SIZES = (30, 20)  # messages that fit, in partitions 0 and 1


KINDS = ('clickhouse', 'duckdb', 'iceberg')


def output_options(p, kind):
    if kind == 'clickhouse':
        return {}
    library = subprocess.run([SERVICES / 'duckdb.sh', 'library'], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    if kind == 'iceberg':
        return {'output': 'iceberg', 'batch': {'age': '200ms'},
                'iceberg': {'warehouse': str(p.folder / 'lake'), 'namespace': 'db', 'library': library}}
    return {'output': 'duckdb', 'duckdb': {'file': str(p.folder / 'things.duckdb'), 'library': library},
            'batch': {'age': '200ms'}}


def route_write(p, text=ROUTE):
    return write_whole(p.folder / 'things.yaml', text.format(topic=p.topic, table=p.table))


def produce(p, partition, values):
    producer = confluent_kafka.Producer({'bootstrap.servers': p.kafka.servers})
    for value in values:
        producer.produce(p.topic, key=b'k', value=value, partition=partition)
    assert producer.flush(60) == 0


def fill(p):
    """Both partitions, and behind the good messages of the first one three bad ones, of two kinds."""
    p.kafka.create(p.topic, 2)
    for partition, n in enumerate(SIZES):
        produce(p, partition, [json.dumps({'id': i, 'name': f'n{i}{ESCAPE}' if i == n - 1 else f'n{i}', 'ok': True,
                                           'big': 2**64 - 1 if i == n - 1 else None}) for i in range(n)])
    produce(p, 0, ['{"id": "x"}', '{"id": 1.5' + ESCAPE, '{"id": "y"}'])


def ask(sink, *args, status=0):
    done = subprocess.run([*sink.args[:3], '--show', *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, check=False)
    assert done.returncode == status, done
    assert '\x1b' not in done.stdout, done.stdout
    assert 'secret' not in done.stdout + done.stderr
    return done


def ask_json(sink, *args, status=0):
    return json.loads(ask(sink, *args, '--json', status=status).stdout)


def state(sink):
    found, = ask_json(sink)['routes']
    return {p['partition']: p for p in found['state']['partitions']}


def loaded(sink):
    return [p['next'] for _, p in sorted(state(sink).items())] == [SIZES[0] + 3, SIZES[1]]


def facts_check(p, sink, running, kind):
    """Whatever the output is: the same data gives the same answers."""
    kept = kind != 'clickhouse'
    found = ask_json(sink, '--dead', '2')
    route, = found['routes']
    table = route['table']
    assert found['group']['name'] == f'sink-{p.tag}'
    assert bool(found['group']['members']) == running, found['group']
    assert table['exists'] and table['rows'] == sum(SIZES) and table['bytes'] > 100, table
    assert [c['name'] for c in table['columns']][:3] == ['id', 'name', 'big']
    assert not any(c['difference'] for c in table['columns']), table['columns']
    assert route['exactly_once'] == {'given': True, 'by': 'position' if kept else 'token', 'why_not': None,
                                     'a_start_would_run': None}, route
    for partition, size in enumerate(SIZES):
        place = route['state']['partitions'][partition]
        assert place['agree'] == 'yes', place
        assert place['lag'] == 0 and place['announced_end'] is None, place
        assert place['low'] == 0 and place['high'] == place['next'] == size + (3 if partition == 0 else 0), place
        assert place['output_next'] == (place['next'] if kept else size), place
    loads = table['loads']['last']
    assert {load['partition']: load['end'] for load in loads}[1] == SIZES[1], table['loads']
    assert sum(load['rows'] for load in loads) == sum(SIZES), table['loads']
    if kept:
        assert all(0 <= load['duration_ms'] < 60000 for load in loads), loads
    if kind == 'duckdb':
        assert {0, 1} == {load['partition'] for load in loads if load['start'] == 0}, loads
    assert all(re.fullmatch(r'\d{4}-\d\d-\d\dT[\d:.]+Z', load['at']) for load in loads)
    letters = found['dead_letters']
    assert letters['exists'] and letters['all_read']
    reasons = {r['reason']: r for r in letters['reasons']}
    assert sum(r['waiting'] for r in reasons.values()) == 3 and not any(r['replayed'] for r in reasons.values()), reasons
    assert reasons['column id: value has the wrong type for the column']['waiting'] == 2, reasons
    assert [x['value'] for x in letters['sample']] == ['{"id": "y"}', '{"id": 1.5' + ESCAPE]
    assert letters['sample'][0]['offset'] == SIZES[0] + 2 and letters['sample'][0]['attempt'] == 1
    newest = route['newest']
    assert len(newest['rows']) == 3
    rows = [dict(zip((c['name'] for c in newest['columns']), row)) for row in newest['rows']]
    assert rows[0]['_partition'] == 1 and rows[0]['id'] == SIZES[1] - 1, rows
    assert rows[0]['name'] == f'n{SIZES[1] - 1}{ESCAPE}' and rows[0]['ok'] is True, rows
    assert rows[0]['big'] == 2**64 - 1 and rows[1]['big'] is None, rows


def text_check(p, sink):
    text = ask(sink, 'things', '--dead', '1').stdout
    heads = re.findall(r'^(\d)\. ', text, re.M)
    assert heads == list('123456789'), text
    for words in (f'Route things: topic {p.topic} into table', f'{sum(SIZES)}', 'all as in the route',
                  'a start would change nothing', r'\n +%s +0 +0 +33 +33 +0 +nothing' % p.topic,
                  'lag of all 2 partitions: 0', r' +2 +0 .* column id: value has the wrong type for the column',
                  r'value +\{"id": "y"\}', r'n19 \[2J', 'brings the waiting ones back'):
        assert re.search(words, text), f'{words} not in:\n{text}'
    assert ' NO ' not in text and 'cannot be told' not in text, text


def written(p):
    """The files of an output that has some, and when each was written last."""
    return {file: file.stat().st_mtime_ns for file in p.folder.rglob('*')
            if 'things.duckdb' in file.name or 'lake' in file.parts}


@pytest.mark.parametrize('kind', KINDS)
def test_show(pipeline, kind):
    """The nine questions, beside the service and without it; asking changes nothing."""
    p = pipeline
    fill(p)
    sink = p.chsinkd(route=route_write(p), **output_options(p, kind)).start()
    wait_until(lambda: loaded(sink), 60, 'all is loaded')
    facts_check(p, sink, True, kind)
    text_check(p, sink)
    sink.terminate(30)
    before = written(p)
    facts_check(p, sink, False, kind)
    text_check(p, sink)
    assert before == written(p)

    # The same service goes on, and nothing is there twice.
    sink.start()
    produce(p, 1, [json.dumps({'id': 100})])
    wait_until(lambda: state(sink)[1]['next'] == SIZES[1] + 1, 60, 'one more')
    found = ask_json(sink, '--rows', '1')['routes'][0]
    assert found['table']['rows'] == sum(SIZES) + 1 and found['newest']['rows'][0][0] == 100, found


def differences(sink):
    route, = ask_json(sink)['routes']
    return route, {c['name']: c['difference'] for c in route['table']['columns'] if c['difference']}


def test_show_other_table(pipeline):
    """A table that differs from its route: one column is of another type, one is missing, one is more."""
    p = pipeline
    p.kafka.create(p.topic, 1)
    sink = p.chsinkd(route=route_write(p))
    p.clickhouse.query(f'CREATE TABLE {p.table} (id Int64, name LowCardinality(String), ok Bool, '
                       '_topic LowCardinality(String), _partition Int32, _offset Int64, _time DateTime64(3), more Date) '
                       'ENGINE = MergeTree ORDER BY id')
    route, found = differences(sink)
    assert found == {'name': 'another type', 'more': 'not in the route', 'big': 'missing'}, found
    assert 'name is LowCardinality(String) in the table' in route['exactly_once']['error']['message'], route
    text = ask(sink).stdout
    assert re.search(r'name +LowCardinality\(String\) +DIFFERS: String\n', text), text
    assert re.search(r'big +- +MISSING here: Nullable\(UInt64\)\n', text), text
    assert '1 missing (a start adds them), 1 of another type, 1 not in the route' in text, text


def test_show_other_table_duckdb(pipeline):
    p = pipeline
    p.kafka.create(p.topic, 1)
    once = p.chsinkd(route=route_write(p), args=['--once'], **output_options(p, 'duckdb'))
    once.start(timeout=0).process.wait(60)
    other = ROUTE.replace('Int64, path: $.id', 'Int32, path: $.id').replace('name: big', 'name: bigger')
    sink = p.chsinkd(route=route_write(p, other), **output_options(p, 'duckdb'))
    route, found = differences(sink)
    assert found == {'id': 'another type', 'big': 'not in the route', 'bigger': 'missing'}, found
    assert 'id is BIGINT in the table, INTEGER in the route' in route['exactly_once']['error']['message'], route


def test_show_held(pipeline):
    """A file that the service holds: by whom is said in its place, and Kafka's side is told."""
    p = pipeline
    fill(p)
    options = output_options(p, 'duckdb')
    options['duckdb']['hold'] = 'always'
    sink = p.chsinkd(route=route_write(p), **options).start()

    consumer = confluent_kafka.Consumer({'bootstrap.servers': p.kafka.servers, 'group.id': f'sink-{p.tag}'})
    places = [confluent_kafka.TopicPartition(p.topic, i) for i in range(2)]
    wait_until(lambda: [x.offset for x in consumer.committed(places, 10)] == [33, 20], 90, 'all is loaded')
    consumer.close()
    found, = ask_json(sink, status=69)['routes']
    assert [x['next'] for x in found['state']['partitions']] == [33, 20], found
    assert found['table']['error']['kind'] == 'retry', found
    assert f'(PID {sink.process.pid})' in found['table']['error']['message'], found
    # What a killed one has left in its WAL is told, and stays as it is.
    sink.kill()
    before = written(p)
    found, = ask_json(sink)['routes']
    assert found['table']['rows'] == sum(SIZES) and 'its WAL' in found['table']['note'], found
    assert before == written(p)


def test_check_config_outputs(pipeline):
    """An instance takes the routes that name its output, or none; what it skips is said."""
    p = pipeline
    ours = write_whole(p.folder / 'ours.yaml', 'outputs: duckdb' + ROUTE.format(topic='ours', table='ours'))
    any_ = write_whole(p.folder / 'any.yaml', ROUTE.format(topic='any', table='any'))
    for name, kind, said in (('a', 'duckdb', '2 routes'), ('b', 'clickhouse', '1 route; for other outputs: ours')):
        sink = p.chsinkd(name=name, routes=[str(ours), str(any_)], **output_options(p, kind))
        done = subprocess.run([*sink.args[:3], '--check-config'], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0 and done.stdout == f'{sink.args[2]}: valid, {said}\n', done


def test_show_disagreement(pipeline):
    """An offset that was set back is seen, and so is a table without the rows that the group has passed."""
    p = pipeline
    fill(p)
    sink = p.chsinkd(route=route_write(p), args=['--once'])
    sink.start(timeout=0).process.wait(60)
    assert sink.process.returncode == 0, sink.tail()
    consumer = confluent_kafka.Consumer({'bootstrap.servers': p.kafka.servers, 'group.id': f'sink-{p.tag}'})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(p.topic, 0, 10)], asynchronous=False)
    consumer.close()
    places = state(sink)
    assert [places[i]['agree'] for i in (0, 1)] == ['NO', 'yes'], places
    assert f'there are rows up to {SIZES[0]}, 20 offsets beyond' in places[0]['agree_text'], places
    assert places[0]['lag'] == SIZES[0] + 3 - 10
    p.clickhouse.query(f'TRUNCATE TABLE {p.table}')
    places = state(sink)
    assert [places[i]['agree'] for i in (0, 1)] == ['unclear', 'unclear'], places
    p.clickhouse.query(f'DROP TABLE {p.table}')
    route, = ask_json(sink)['routes']
    assert not route['table']['exists'] and 'CREATE TABLE' in route['exactly_once']['a_start_would_run'], route


def test_show_replayed(pipeline):
    """Dead letters that --replay has read no longer wait; what still does not fit is a new one."""
    p = pipeline
    fill(p)
    once = p.chsinkd(route=route_write(p), args=['--once'])
    once.start(timeout=0).process.wait(60)
    replay = p.chsinkd(name='replay', route=route_write(p), args=['--replay', 'things'])
    replay.start(timeout=0).process.wait(60)
    assert replay.process.returncode == 0, replay.tail()
    letters = ask_json(once, '--dead', '10')['dead_letters']
    assert sum(r['waiting'] for r in letters['reasons']) == 3, letters
    assert sum(r['replayed'] for r in letters['reasons']) == 3, letters
    assert sorted((x['attempt'], x['replayed']) for x in letters['sample']) == [(1, True)] * 3 + [(2, False)] * 3


def test_show_several(pipeline):
    """A line for each route."""
    p = pipeline
    fill(p)
    things = route_write(p)
    empty = write_whole(p.folder / 'empty.yaml', ROUTE.format(topic=f'none-{p.tag}', table=f'{p.table}_none'))
    sink = p.chsinkd(route=things, args=['--once'])
    sink.start(timeout=0).process.wait(60)
    assert sink.process.returncode == 0, sink.tail()
    sink = p.chsinkd(name='both', routes=[str(things), str(empty)])
    text = ask(sink).stdout
    assert re.search(rf'\n +things +default\.{p.table} +50 .* ok +0 +yes +3\n', text), text
    assert re.search(rf'\n +empty +default\.{p.table}_none +- +- +no table +- +yes +0\n', text), text
    assert '1. ' not in text
    assert [r['route'] for r in ask_json(sink)['routes']] == ['things', 'empty']
    assert [r['route'] for r in ask_json(sink, 'empty')['routes']] == ['empty']
    assert 'no route has the name other' in ask(sink, 'other', status=78).stderr


def test_show_sql(pipeline):
    """Any statement that reads, and no other."""
    p = pipeline
    fill(p)
    sink = p.chsinkd(route=route_write(p), args=['--once'])
    sink.start(timeout=0).process.wait(60)
    t = p.table
    assert ask(sink, '--sql', f'SELECT _partition AS part, count() AS n FROM {t} GROUP BY 1 ORDER BY 1').stdout == (
        '   part   n\n'
        '      0  30\n'
        '      1  20\n')
    answer = ask_json(sink, '--sql', f'SELECT id, name, big FROM {t} WHERE _partition = 1 ORDER BY id DESC LIMIT 1')
    assert answer == {'columns': [{'name': 'id', 'type': 'Int64'}, {'name': 'name', 'type': 'String'},
                                  {'name': 'big', 'type': 'Nullable(UInt64)'}],
                      'rows': [[19, f'n19{ESCAPE}', 2**64 - 1]], 'more': False}
    answer = ask_json(sink, '--sql', 'SELECT number FROM numbers(100000)')
    assert len(answer['rows']) == 1000 and answer['more'] is True
    for sql in (f'INSERT INTO {t} (id) VALUES (1)', f'DROP TABLE {t}', f'ALTER TABLE {t} DELETE WHERE 1',
                f'TRUNCATE TABLE {t}', 'CREATE TEMPORARY TABLE x (a Int8)', 'SYSTEM STOP MERGES', 'KILL QUERY WHERE 1',
                'WITH 1 AS x INSERT INTO t SELECT x', f'EXPLAIN AST DROP TABLE {t}; DROP TABLE {t}',
                f'INSERT INTO {t} (id) SETTINGS readonly = 0 VALUES (1)', 'SET readonly = 0',
                'SELECT 1 SETTINGS readonly = 0', 'SELECT nothing', 'SELECT 1 FORMAT JSON'):
        ask(sink, '--sql', sql, status=65)
    assert p.rows() == sum(SIZES)
    # A user who is read-only already can ask the same.
    reader = p.chsinkd(name='reader', route=route_write(p), clickhouse={'user': 'reader'})
    assert ask(reader, '--sql', f'SELECT count() AS n FROM {t}').stdout == '    n\n   50\n'


@pytest.mark.parametrize('kind', KINDS[1:])
def test_show_sql_by_duckdb(pipeline, kind):
    """There other files are as closed as these are to writing."""
    p = pipeline
    fill(p)
    once = p.chsinkd(route=route_write(p), args=['--once'], **output_options(p, kind))
    once.start(timeout=0).process.wait(60)
    t = f'db.{p.table}' if kind == 'iceberg' else p.table
    assert ask(once, '--sql', f'SELECT _partition AS part, count(*) AS n FROM {t} GROUP BY 1 ORDER BY 1; ').stdout == (
        '   part   n\n'
        '      0  30\n'
        '      1  20\n')
    answer = ask_json(once, '--sql', f'SELECT id, name, big FROM {t} WHERE _partition = 1 ORDER BY id DESC LIMIT 1')
    assert answer['rows'] == [[19, f'n19{ESCAPE}', 2**64 - 1]], answer
    answer = ask_json(once, '--sql', 'SELECT range FROM range(5000) ORDER BY range DESC')
    assert len(answer['rows']) == 1000 and answer['more'] is True and answer['rows'][0] == [4999]
    out = p.folder / 'out.csv'
    for sql in (f'INSERT INTO {t} (id) VALUES (1)', f'DROP TABLE {t}', f"COPY {t} TO '{out}'",
                f"SELECT 1) TO '{out}'; COPY (SELECT 1", f"SELECT 1; COPY {t} TO '{out}'",
                f"SELECT * FROM (SELECT 1); DROP TABLE {t}", f"SELECT * FROM read_text('{p.folder}/chsinkd.yaml')",
                f"FROM '{p.folder}/chsinkd.yaml'", 'SELECT nothing'):
        ask(once, '--sql', sql, status=65)
    assert not out.exists()
    assert ask_json(once)['routes'][0]['table']['rows'] == sum(SIZES)


def test_show_away(pipeline):
    """What cannot be asked is told in its place, with the status of a service that is away."""
    p = pipeline
    fill(p)
    sink = p.chsinkd(route=route_write(p), clickhouse={'urls': ['http://127.0.0.1:1']})
    found = ask_json(sink, status=69)
    assert found['routes'][0]['table']['error']['kind'] == 'retry'
    assert [x['high'] for x in found['routes'][0]['state']['partitions']] == [33, 20]
    sink = p.chsinkd(name='nokafka', route=route_write(p), kafka={'bootstrap.servers': '127.0.0.1:1'},
                     start_timeout='1s')
    text = ask(sink, status=69).stdout
    assert '1. Table' in text and '(not there)' in text and 'cannot be told' in text, text


@pytest.fixture
def logged(folder, request):
    """A ClickHouse that keeps system.query_log, as installed ones do."""
    os.environ['CLICKHOUSE_QUERY_LOG'] = '1'
    try:
        service = ClickHouse(folder / request.node.name)
    finally:
        del os.environ['CLICKHOUSE_QUERY_LOG']
    yield service
    service.stop()


def test_show_query_log(pipeline, logged):
    """There each load has its exact range and how long it took; rows are the table's, not the views' as well."""
    p = pipeline
    p.clickhouse = logged
    fill(p)
    view = 'views: [{{name: {table}_view, engine: Log, select: "SELECT id FROM {{table}}"}}]\n'
    sink = p.chsinkd(route=route_write(p, ROUTE + view), args=['--once'], clickhouse={'urls': [logged.url]})
    sink.start(timeout=0).process.wait(60)
    assert sink.process.returncode == 0, sink.tail()
    logged.query('SYSTEM FLUSH LOGS')
    table = ask_json(sink)['routes'][0]['table']
    loads = {x['partition']: x for x in table['loads']['last']}
    assert table['loads']['note'] == 'from system.query_log'
    assert [(x['start'], x['end'], x['rows']) for _, x in sorted(loads.items())] == [(0, 33, 30), (0, 20, 20)], loads
    assert all(0 <= x['duration_ms'] < 60000 for x in loads.values())
    assert table['views'] == [{'name': f'{p.table}_view', 'exists': True, 'rows': 50, 'bytes': table['views'][0]['bytes']}]
    sink.close()

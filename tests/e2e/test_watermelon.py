# SPDX-License-Identifier: Apache-2.0
"""transaction_metrics: the route and its queries, with messages as wmfetchd writes them (test_wmfetchd.py: from it)."""
import collections
import csv
import datetime
import io
import json
import re

import pytest

from pipeline import wait_until
from wm import APP, COLUMNS, DAY, END, OWN_COLUMNS, START, WmPipeline, expected_rows, watermelon

SUMS = re.compile(r'stopped.*')


@pytest.fixture
def pipeline(folder, kafka, clickhouse, request):
    path = folder / re.sub(r'[^\w.-]', '_', request.node.name)
    path.mkdir()
    p = WmPipeline(path, kafka, clickhouse)
    yield p
    p.close()


@pytest.fixture(scope='module')
def twelve_days():
    return list(watermelon.Data().pieces(APP, START, END))


def produce(p, pieces):
    """One message for each transaction, as it came, under its id."""
    p.kafka.produce(p.topic, [(str(json.loads(piece)['transactionId']).encode(), piece) for piece in pieces])


def read(pieces):
    return [json.loads(piece) for piece in pieces]


def sums(sink):
    """messages, rows … of the last line."""
    last = sink.tail(1)
    assert 'stopped' in last, sink.tail()
    return {k: int(v) for k, v in re.findall(r'\b(\w+)=(\d+)', last)}


def test_the_example_is_like_the_source(twelve_days):
    """What is tested with has the shape that the source is said to have."""
    transactions = read(twelve_days)
    lengths = [len(t['transactionSeries']) for t in transactions]
    assert len(transactions) == 122 and min(lengths) == 1 and max(lengths) == 288
    assert 21000 <= sum(lengths) <= 35000
    assert 27 << 20 < sum(map(len, twelve_days)) < 30 << 20
    keys = {k for t in transactions for e in t['transactionSeries'] for k in (*e, *t)}
    assert len(keys) == len(COLUMNS) + 1  # transactionSeries itself
    # A range in parts has the same rows as in one.
    parts = watermelon.Data()
    found = {}
    for day in range(12):
        found.update(expected_rows(parts.answer(APP, START + day * DAY, START + (day + 1) * DAY - 1)))
    assert found == expected_rows(transactions)


def test_every_column_of_every_row(pipeline, twelve_days):
    """One row for each element, 5,000 in a batch; each column as in the source; all are typed as the source is."""
    p = pipeline
    p.kafka.create(p.topic, 3)
    produce(p, twelve_days)
    sink = p.load(batch={'rows': 5000})
    rows = p.assert_table(read(twelve_days))
    said = sums(sink)
    assert said['messages'] == 122 and said['rows'] == len(rows), said
    described = p.clickhouse.rows(f'DESCRIBE TABLE {p.table}')
    assert [c[0] for c in described] == COLUMNS + OWN_COLUMNS
    # No column is always empty here: each was compared with something.
    for column in COLUMNS:
        assert any(row[column] not in (None, '') for row in rows.values()), column
    assert {row['other_fields'] for row in rows.values()} == {'{}'}
    assert p.clickhouse.value(f'SELECT countIf(ingestion_time < now64(3) - 600 OR ingestion_time > now64(3)) '
                              f'FROM {p.table}') in (0, '0')
    assert {r[0] for r in p.clickhouse.rows(f"SELECT DISTINCT partition FROM system.parts WHERE table = '{p.table}' "
                                            f'AND active')} == {'202512', '202601'}
    assert not p.clickhouse.rows(f"SELECT 1 FROM system.tables WHERE name = '{p.dead}'")


def test_a_hour_fetched_again_replaces_the_old_one(pipeline):
    """Newer values win, also before ClickHouse merged, in one batch or in two, and when the topic is read again."""
    p = pipeline
    p.kafka.create(p.topic, 2)
    data = watermelon.Data(transactions=20)
    first = list(data.pieces(APP, START, START + 2 * DAY))
    produce(p, first)
    p.load()
    data.revise_from, data.revision = START + DAY, 1
    second = list(data.pieces(APP, START + DAY, START + 3 * DAY))
    third_data = watermelon.Data(transactions=20)
    third_data.revise_from, third_data.revision = START + 2 * DAY, 2
    third = list(third_data.pieces(APP, START + 2 * DAY, START + 3 * DAY))
    produce(p, second)
    produce(p, third)
    p.load()
    wanted = {**expected_rows(read(first)), **expected_rows(read(second)), **expected_rows(read(third))}
    found = p.table_rows()
    assert found.keys() == wanted.keys()
    assert all(found[k][c] == v for k, row in wanted.items() for c, v in row.items())
    # While the old messages are read again, they are the last inserted, but not the last fetched.
    p.clickhouse.query(f'SYSTEM STOP MERGES {p.table}')
    p.load(group=f'again-{p.tag}', offsets_lost='start')
    again = p.table_rows()
    stored = int(p.clickhouse.value(f'SELECT count() FROM {p.table}'))
    assert stored > len(again)
    p.clickhouse.query(f'SYSTEM START MERGES {p.table}')
    strip = without('ingestion_time')
    assert strip(again) == strip(found)
    p.clickhouse.query(f'OPTIMIZE TABLE {p.table} FINAL')
    assert strip(p.table_rows(final=False)) == strip(found)


def without(*columns):
    return lambda rows: {k: {c: v for c, v in row.items() if c not in columns} for k, row in rows.items()}


def test_a_new_group_loads_the_same_table(pipeline, twelve_days):
    """The table dropped and the topic read again by a new group: made anew, the same rows."""
    p = pipeline
    p.kafka.create(p.topic, 2)
    produce(p, twelve_days)
    p.load()
    before = p.table_rows()
    p.clickhouse.query(f'DROP TABLE {p.table} SYNC')
    p.load(group=f'again-{p.tag}')
    assert without('ingestion_time')(p.table_rows()) == without('ingestion_time')(before)
    assert len(before) == len(expected_rows(read(twelve_days)))


def test_what_does_not_fit_is_a_dead_letter(pipeline):
    """Element by element; the other elements of the transaction are rows. Unknown fields are kept."""
    p = pipeline
    p.kafka.create(p.topic)
    transaction = watermelon.Data().answer(APP, START, START + DAY)[0]
    series = transaction['transactionSeries']
    good = json.loads(json.dumps(transaction))
    series[3]['totalCount'] = 'many'
    series[5].pop('timestamp')
    series[7]['ebBreached'] = 1
    series[9]['timestamp'] = '2026-02-01T04:00:00.000+05:30'
    series[10].update(newField={'a': [1, 2]})
    transaction['newHead'] = 'x'
    nameless = dict(transaction, transactionSeries=[series[0]])
    nameless.pop('transactionName')
    p.kafka.produce(p.topic, [(b'1', json.dumps(transaction).encode()), (b'2', json.dumps(nameless).encode()),
                              (b'3', b'{"transactionName":"empty","transactionSeries":[]}'), (b'4', b'<html>')])
    p.load()
    rows = p.table_rows()
    fit = [e for i, e in enumerate(good['transactionSeries']) if i not in (3, 5, 7, 9)]
    wanted = expected_rows([dict(good, transactionSeries=fit)])
    odd = [k for k in rows if k not in wanted]
    assert len(odd) == 1 and odd[0][3] == 1769898600000
    assert len(rows) == len(wanted) + 1
    others = collections.Counter(row['other_fields'] for row in rows.values())
    assert others == {'{"$.newHead":"x"}': len(rows) - 1,
                      '{"$.newHead":"x","newField":{"a": [1, 2]}}': 1}, others
    dead = [dict(m.headers()) for m in p.kafka.read(p.dead)]
    columns = sorted((h.get('chsinkd-column') or b'').decode() for h in dead)
    assert columns == ['', 'total_count', 'transaction_name'], dead
    assert [h['chsinkd-rejected'] for h in dead if 'chsinkd-rejected' in h] == [b'3'], dead  # rows of one message


# ---- the queries ----

@pytest.fixture(scope='module')
def answered(folder, kafka, clickhouse, twelve_days):
    """A table with the twelve days, and their last three fetched again with other values; by the day as well, which
    must not be counted again."""
    path = folder / 'queries'
    path.mkdir()
    p = WmPipeline(path, kafka, clickhouse)
    p.kafka.create(p.topic, 2)
    data = watermelon.Data()
    data.revise_from, data.revision = END - 3 * DAY, 1
    late = list(data.pieces(APP, END - 3 * DAY, END))
    produce(p, twelve_days)
    p.load()
    p.clickhouse.query(f'SYSTEM STOP MERGES {p.table}')  # what is replaced is still there
    produce(p, late)
    p.load()
    p.known = {**expected_rows(read(twelve_days)), **expected_rows(read(late))}
    daily = list(data.pieces(APP, START, END, 'DAILY'))
    produce(p, daily)
    p.load()
    p.all_known = {**p.known, **expected_rows(read(daily))}
    assert len(p.all_known) > len(p.known)
    yield p
    p.clickhouse.query(f'SYSTEM START MERGES {p.table}')
    p.close()


def stamp(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime('%Y-%m-%d %H:%M:%S.%f')[:-3]


def by_name(p):
    found = collections.defaultdict(list)
    for key in sorted(p.known):
        found[p.known[key]['transaction_name']].append(p.known[key])
    return found


def near(a, b):
    """The same but for the order in which floats were added up and rounded."""
    if a is None or b is None:
        return a is b
    return a == b or isinstance(a, float) and abs(a - b) <= 0.0101 + 1e-9 * abs(b)


def assert_same(found, wanted):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        assert len(a) == len(b) and all(near(x, y) for x, y in zip(a, b)), (a, b)


def test_query_rows_per_transaction(answered):
    wanted = [[APP, name, len(rows), stamp(rows[0]['timestamp']), stamp(rows[-1]['timestamp'])]
              for name, rows in by_name(answered).items()]
    assert answered.ask('rows_per_transaction') == sorted(wanted, key=lambda r: (-r[2], r[1]))
    assert len(wanted) == 122


def test_query_response_time(answered):
    newest = max(row['timestamp'] for row in answered.known.values())
    wanted = []
    for name, rows in by_name(answered).items():
        rows = [r for r in rows if r['timestamp'] > newest - 7 * DAY]
        requests = sum(r['total_count'] for r in rows)
        if rows:
            wanted.append([APP, name, requests,
                           round(sum(r['sum_response_time'] for r in rows) / requests, 2) if requests else None])
    wanted.sort(key=lambda r: (r[3] is None, -(r[3] or 0), r[1]))
    assert_same(answered.ask('response_time_7_days'), wanted)
    assert len(wanted) > 100
    assert min(row['timestamp'] for row in answered.known.values()) < newest - 7 * DAY


def test_query_percentiles(answered):
    for t, name in ((0, 'GET /wm/v1/service-000/item'), (7, 'POST /wm/v2/service-007/größe')):
        rows = by_name(answered)[name]
        wanted = [[stamp(r['timestamp']), r['percentile_95'], r['percentile_99'], r['total_count']] for r in rows]
        assert answered.ask('percentiles_by_hour', transaction_name=name) == wanted, t
        assert len(wanted) == 288


def test_query_health(answered):
    newest = {name: rows[-1]['timestamp'] for name, rows in by_name(answered).items()}
    states = collections.defaultdict(list)
    for row in answered.known.values():
        states[row['eb_health']].append(row)
    wanted = []
    for state, rows in states.items():
        now = {r['transaction_name'] for r in rows if r['timestamp'] == newest[r['transaction_name']]}
        wanted.append([APP, state, watermelon.SEVERITIES[state], len(now), len(rows),
                       sum(r['eb_breached'] for r in rows),
                       round(sum(r['eb_consumed_percent'] for r in rows) / len(rows), 2),
                       min(r['eb_left_percent'] for r in rows)])
    assert_same(answered.ask('error_budget_health'), sorted(wanted, key=lambda r: (-r[4], r[1])))
    assert {'HEALTHY', 'BREACHED', 'NO_DATA'} <= states.keys()
    assert sum(r[3] for r in wanted) == 122


def test_query_error_rate(answered):
    wanted = []
    for name, rows in by_name(answered).items():
        requests, errors = sum(r['total_count'] for r in rows), sum(r['error_count'] for r in rows)
        if requests:
            wanted.append([APP, name, requests, errors, round(100 * errors / requests, 4)])
    wanted.sort(key=lambda r: (-r[4], -r[3], r[1]))
    assert_same(answered.ask('transactions_by_error_rate'), wanted)


def test_query_sizes(answered):
    (stored, parts, *_, ratio), = answered.ask('table_size')
    assert stored >= len(answered.all_known) and parts >= 2 and ratio > 1
    partitions = answered.ask('partition_sizes')
    assert [p[0] for p in partitions] == ['202512', '202601']
    assert sum(p[1] for p in partitions) == stored


def test_exports(answered):
    """CSV and JSON hold each row once, with all of its columns."""
    lines = answered.clickhouse.query(answered.sql('export_json')).splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len(answered.all_known)
    for row in rows:
        known = answered.all_known[(row['application_id'], row['transaction_name'], row['index_type'],
                                ms_of(row['timestamp']))]
        assert {c: row[c] for c in COLUMNS if c != 'timestamp'} == {c: v for c, v in known.items() if c != 'timestamp'}
    table = list(csv.DictReader(io.StringIO(answered.clickhouse.query(answered.sql('export_csv')))))
    assert len(table) == len(rows)
    for row, line in zip(rows, table):
        assert line['transaction_name'] == row['transaction_name'] and line['timestamp'] == row['timestamp']
        for column in COLUMNS:
            if isinstance(row[column], float):
                assert float(line[column]) == row[column]
            elif row[column] is None:
                assert line[column] == '\\N'


def ms_of(text):
    when = datetime.datetime.strptime(text, '%Y-%m-%d %H:%M:%S.%f').replace(tzinfo=datetime.timezone.utc)
    return round(when.timestamp() * 1000)


def test_verbose_names_each_message(pipeline):
    """The transaction and its records, message by message, when asked to be verbose; a line for each batch."""
    p = pipeline
    p.kafka.create(p.topic)
    pieces = list(watermelon.Data(transactions=12).pieces(APP, START, START + DAY))
    produce(p, pieces)
    sink = p.chsinkd(log_level='debug').start()
    wanted = expected_rows(read(pieces))
    wait_until(lambda: p.rows() >= len(wanted), 60, 'all rows')
    assert sink.terminate()[0] == 0
    text = sink.text()
    for transaction in read(pieces):
        line = [one for one in text.splitlines() if f'key={transaction["transactionId"]}' in one.lower()
                or transaction['transactionName'] in one]
        assert line, f'{transaction["transactionName"]}: {sink.tail(30)}'
        assert any(f'rows={len(transaction["transactionSeries"])}' in one for one in line), line
    assert sums(sink)['rows'] == len(wanted)

# SPDX-License-Identifier: Apache-2.0
"""Columns whose value is the table's: EPHEMERAL ones that are only sent, and DEFAULTs for what a message lacks."""
import json

from pipeline import wait_until, write_whole

TABLE = '''CREATE TABLE {table} (id UInt32, raw String EPHEMERAL, amount Decimal(18, 2) DEFAULT toDecimal64OrZero(raw, 2),
 size Int64 DEFAULT 42, kind LowCardinality(String) DEFAULT concat('k', toString(id)), flag Bool DEFAULT true,
 _topic LowCardinality(String), _partition Int32, _offset UInt64) ENGINE = MergeTree ORDER BY id
 SETTINGS non_replicated_deduplication_window = 10000'''
ROUTE = '''topic: {topic}
table: {table}
order_by: id
columns:
  - {{name: id, type: UInt32, path: $.id}}
  - {{name: raw, type: String, path: $.amount, json: true, ephemeral: true}}
  - {{name: size, type: Int64, path: $.size, missing: table}}
  - {{name: kind, type: LowCardinality(String), path: $.kind, missing: table}}
  - {{name: flag, type: Bool, path: $.flag, missing: table}}
  - {{name: _topic, type: LowCardinality(String), from: topic}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: UInt64, from: offset}}
'''


def message(i):
    """One in three has no size, one in five no kind, one in seven a null for the flag."""
    fields = {'id': i, 'amount': i / 4}
    row = [i, f'{i / 4:g}', 42, f'k{i}', True]
    if i % 3:
        fields['size'] = row[2] = -i
    if i % 5:
        fields['kind'] = row[3] = f'K{i % 2}'
    fields['flag'] = None if i % 7 == 0 else False
    row[4] = i % 7 == 0
    return json.dumps(fields), row


def rows_of(p):
    return p.clickhouse.rows(f'SELECT id, toString(amount), size, kind, flag FROM {p.table} ORDER BY id')


def test_table_defaults(pipeline):
    p, count = pipeline, 3000
    p.kafka.create(p.topic, 2)
    p.kafka.produce(p.topic, [(str(i).encode(), message(i)[0].encode()) for i in range(count)])
    route = write_whole(p.folder / 'defaults.yaml', ROUTE.format(topic=p.topic, table=p.table))
    sink = p.chsinkd(route=route, batch={'rows': 100})

    # Without the table it cannot be known what the DEFAULTs are.
    sink.start(timeout=0)
    assert sink.process.wait(60) == 78
    assert 'column size has missing: table in the route, and is not there: make it, with its DEFAULT' in sink.text()

    p.clickhouse.query(TABLE.format(table=p.table))
    sink.start()
    wait_until(lambda: p.rows() > 0, 60, 'rows')
    sink.kill()
    sink.start()
    wait_until(lambda: p.rows() >= count, 90, 'all rows')
    assert sink.terminate()[0] == 0
    assert [[int(a), b, int(c), d, e in (True, 'true')] for a, b, c, d, e in rows_of(p)] == [
        message(i)[1] for i in range(count)]


def test_table_other_kinds(pipeline):
    """The route and the table must agree about what a column is."""
    p = pipeline
    p.kafka.create(p.topic)
    p.clickhouse.query(TABLE.format(table=p.table))
    route = ROUTE.format(topic=p.topic, table=p.table)
    for old, new, why in ((', ephemeral: true', '', 'column raw is EPHEMERAL in the table, and ephemeral: false in the route'),
                          ('path: $.size', 'path: $.size, ephemeral: true',
                           'column size is DEFAULT in the table, and ephemeral: true in the route'),
                          ('path: $.id', 'path: $.id, missing: table',
                           'column id has missing: table in the route but no DEFAULT in the table')):
        assert old in route
        file = write_whole(p.folder / 'other.yaml', route.replace(old, new))
        sink = p.chsinkd(f'other {len(why)}', route=file).start(timeout=0)
        assert sink.process.wait(60) == 78
        assert why in sink.text(), sink.tail()

# SPDX-License-Identifier: Apache-2.0
"""Arrays, maps, tuples, parallel arrays and JSON as columns: what ClickHouse has of random messages is what Python's
json says, whatever dies in between."""
import json
import random
import string

from pipeline import wait_until, write_whole

ROWS = 10000
BAD = 40  # of each kind

ROUTE = '''topic: {topic}
table: {table}
order_by: id
columns:
  - {{name: id, type: UInt32, path: $.id}}
  - {{name: tags, type: Array(LowCardinality(Nullable(String))), path: $.tags, missing: default}}
  - {{name: nums, type: Array(Nullable(Int64)), path: $.nums, missing: default}}
  - {{name: grid, type: Array(Array(Float64)), path: $.grid, missing: default}}
  - {{name: attrs, type: "Map(String, Int64)", path: $.attrs, missing: default}}
  - {{name: labels, type: "Map(LowCardinality(String), Array(String))", path: $.labels, missing: default}}
  - {{name: pos, type: "Tuple(Float64, Nullable(UInt8))", path: $.pos}}
  - {{name: user, type: "Tuple(id UInt64, name Nullable(String), `all roles` Array(String))", path: $.user}}
  - {{name: items.sku, type: Array(String), path: "$.items[*].sku", missing: default}}
  - {{name: items.n, type: Array(Nullable(Int32)), path: "$.items[*].n", missing: default}}
  - {{name: objs, type: "Array(Tuple(k String, v Map(String, Bool)))", path: $.objs, missing: default}}
  - {{name: times, type: Array(DateTime64(3)), path: $.times, unit: ms, missing: default}}
  - {{name: doc, type: JSON, path: $.doc, missing: default}}
  - {{name: docs, type: Array(JSON), path: $.docs, missing: default}}
  - {{name: _topic, type: LowCardinality(String), from: topic}}
  - {{name: _partition, type: Int32, from: partition}}
  - {{name: _offset, type: UInt64, from: offset}}
'''


class Maker:
    """A random message, and the row it must become."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def text(self):
        alphabet = string.ascii_letters + ' "\\/\n\té€😀\0'
        return ''.join(self.rng.choice(alphabet) for _ in range(self.rng.choice((0, 1, 3, 10, 130))))

    def some(self, make, most=5):
        return [make() for _ in range(self.rng.randrange(most))]

    def or_null(self, make):
        return None if self.rng.random() < 0.3 else make()

    def keyed(self, make, most=5):
        return {self.text() + str(i): make() for i in range(self.rng.randrange(most))}

    def int64(self):
        return self.rng.choice((0, -1, 2 ** 63 - 1, -2 ** 63, self.rng.randrange(-10 ** 6, 10 ** 6)))

    def number(self):
        return self.rng.choice((0.0, -1.5, 1e300, self.rng.random(), self.rng.uniform(-1e9, 1e9)))

    def doc(self, depth=2):
        """Without null, an empty object or a mixed array: ClickHouse's JSON has no word for these."""
        kinds = [self.int64, self.text, lambda: self.rng.random() < 0.5, lambda: [1, 2, self.int64()]]
        if depth > 0:
            kinds.append(lambda: self.doc(depth - 1))
        return {f'k{i}': self.rng.choice(kinds)() for i in range(1, 1 + self.rng.randrange(1, 4))}

    def message(self, i):
        rng = self.rng
        items = [{'sku': self.text(), 'n': self.or_null(lambda: rng.randrange(-9, 9)), 'more': [1]}
                 for _ in range(rng.randrange(4))]
        message = {
            'id': i, 'tags': self.some(lambda: self.or_null(self.text)),
            'nums': self.some(lambda: self.or_null(self.int64)), 'grid': self.some(lambda: self.some(self.number)),
            'attrs': self.keyed(self.int64, 40 if rng.random() < 0.05 else 5),
            'labels': self.keyed(lambda: self.some(self.text)),
            'pos': [self.number(), self.or_null(lambda: rng.randrange(256))],
            'user': {'id': rng.randrange(2 ** 64), 'name': self.text(), 'all roles': self.some(self.text)},
            'items': items, 'objs': self.some(lambda: {'v': self.keyed(lambda: rng.random() < 0.5), 'k': self.text()}),
            'times': self.some(lambda: rng.randrange(-10 ** 12, 4 * 10 ** 12)),
            'doc': self.doc(), 'docs': self.some(self.doc, 3)}
        row = dict(message)
        row['items.sku'] = [item['sku'] for item in items]
        row['items.n'] = [item['n'] for item in items]
        del row['items']
        for item in items:
            if item['n'] is None and rng.random() < 0.5:
                del item['n']
        if rng.random() < 0.2:
            del message['user']['name']
            row['user'] = {**message['user'], 'name': None}
        for name, empty in (('tags', []), ('attrs', {}), ('objs', []), ('doc', {}), ('grid', [])):
            if rng.random() < 0.1:
                message.pop(name)
                row[name] = empty
        return json.dumps(message, ensure_ascii=rng.random() < 0.5), row


def bad_messages(maker):
    """Each is refused as a whole, with this reason."""
    for kind in range(BAD):
        message = json.loads(maker.message(10 ** 6 + kind)[0])
        yield 'a key is there twice', json.dumps({**message, 'attrs': {}}).replace('"attrs": {}', '"attrs": {"x": 1, "x": 2}')
        yield 'array has another length than the tuple', json.dumps({**message, 'pos': [1.0]})
        yield 'a value inside is null', json.dumps({**message, 'grid': [[1.0], None]})
        yield 'an object inside lacks a field', json.dumps({**message, 'user': {'name': 'x', 'all roles': []}})
        yield 'does not fit Int64', json.dumps({**message, 'doc': {'a': 2 ** 64 + 1}})


def test_nested(pipeline):
    p = pipeline
    maker = Maker(7)
    p.kafka.create(p.topic, 3)
    messages, want, reasons = [], {}, {}
    for i in range(ROWS):
        text, want[i] = maker.message(i)
        messages.append((str(i).encode(), text.encode()))
    for reason, text in bad_messages(maker):
        messages.append((f'bad {len(reasons)}'.encode(), text.encode()))
        reasons[messages[-1][0]] = reason
    maker.rng.shuffle(messages)
    p.kafka.produce(p.topic, messages)
    route = write_whole(p.folder / 'nested.yaml', ROUTE.format(topic=p.topic, table=p.table))

    for rows in (ROWS // 10, ROWS // 2):
        sink = p.chsinkd(route=route, batch={'rows': 500}).start()
        wait_until(lambda rows=rows: p.rows() >= rows, 90, 'some rows')
        sink.kill()
    sink = p.chsinkd(route=route, batch={'rows': 3000}).start()
    wait_until(lambda: p.rows() >= ROWS, 120, 'the rows')
    # Only the server finds these: after the kills, as one that is refused with its outcome in doubt waits for minutes.
    for i in range(2):
        text = json.dumps({**json.loads(maker.message(2 * 10 ** 6 + i)[0]), 'doc': {'a.b': 1, 'a': {'b': 2}}})
        p.kafka.produce(p.topic, [(f'server {i}'.encode(), text.encode())])
        reasons[f'server {i}'.encode()] = 'Duplicate path'
    wait_until(lambda: len(list(p.kafka.read(p.dead))) >= len(reasons), 60, 'the dead letters')
    assert sink.terminate()[0] == 0

    have = {}
    times = 'arrayMap(t -> toUnixTimestamp64Milli(t), times)'
    for line in p.clickhouse.query(
            f'SELECT * EXCEPT (_topic, _partition, _offset) REPLACE ({times} AS times) FROM {p.table} FORMAT JSONEachRow '
            'SETTINGS output_format_json_quote_64bit_integers = 0').split('\n'):
        if line:
            row = json.loads(line)
            assert row['id'] not in have
            have[row['id']] = row
    assert have.keys() == want.keys()
    for i, row in want.items():
        assert have[i] == row, i
    for letter in p.kafka.read(p.dead):
        headers = dict(letter.headers())
        assert reasons[letter.key()].encode() in headers['chsinkd-reason'], headers

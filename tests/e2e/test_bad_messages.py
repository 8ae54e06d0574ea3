# SPDX-License-Identifier: Apache-2.0
"""Bad messages never block and never vanish: row by row to the dead-letter topic, and back by --replay."""
import collections
import json
import random
import uuid

from pipeline import events, make_events, wait_until, without_lone_surrogates

EVENTS = 28000
BAD_EACH = 20  # of 14 kinds: 280, 1 %


def bad_kinds():
    """name -> (value, can be brought back by the mended route)"""
    def event(**change):
        e = {'$schema': '/mediawiki/recentchange/1.0.0', 'type': 'edit', 'title': 'T', 'wiki': 'testwiki', 'namespace': 0,
             'user': 'U', 'bot': False, 'comment': 'c', 'timestamp': 1767225600,
             'meta': {'id': str(uuid.uuid4()), 'dt': '2026-01-01T00:00:00.000Z', 'domain': 'test.example.org',
                      'stream': 'mediawiki.recentchange'}}
        e['meta'].update(change.pop('meta', {}))
        e.update(change)
        return e

    def text(**change):
        return json.dumps(event(**change)).encode()

    return {
        'not JSON': lambda: (b'\x00\x01 this is no JSON', False),
        'cut JSON': lambda: (text()[:-20], False),
        'wrong type': lambda: (text(bot='yes'), False),
        'number out of range': lambda: (text(namespace=2 ** 40), True),
        'null where a value must be': lambda: (text(meta={'dt': None}), True),
        'absent field': lambda: (json.dumps({k: v for k, v in event().items() if k != 'meta'}).encode(), True),
        'invalid UTF-8': lambda: (text(title='TITLE').replace(b'TITLE', b'\xff\xfe'), False),
        'lone surrogate': lambda: (text(title='TITLE').replace(b'TITLE', b'\\ud83d'), False),
        'empty value': lambda: (b'', False),
        '5 MB comment': lambda: (text(comment='x' * 5_000_000), True),
        'deep nesting': lambda: (text(log_params='DEEP').replace(b'"DEEP"', b'[' * 200 + b']' * 200), True),
        'duplicate key': lambda: (text().replace(b'"title":', b'"title": "first", "title":'), False),
        'array for an object': lambda: (b'[' + text() + b']', False),
    }


def test_bad_messages(pipeline):
    p = pipeline
    rng = random.Random(3)
    p.kafka.create(p.topic, 2, max_message_bytes=16 << 20)
    file = without_lone_surrogates(make_events(p.folder / 'events.jsonl', EVENTS, '--seed', 3, '--rate', 300, '--hard'))
    good = [(e['title'].encode(), json.dumps(e).encode()) for e in events(file)]
    assert len(good) > EVENTS * 0.9
    bad, back = [], set()
    for kind, make in bad_kinds().items():
        for i in range(BAD_EACH):
            value, can_return = make()
            key = f'{kind} {i}'.encode()
            bad.append((key, value, [('kind', kind.encode())]))
            if can_return:
                back.add(key)
    messages = good + bad
    rng.shuffle(messages)
    p.kafka.produce(p.topic, messages)

    sink = p.chsinkd(batch={'rows': 3000}).start()
    wait_until(lambda: p.rows() >= len(good), 90, 'the good rows')
    wait_until(lambda: len(list(p.kafka.read(p.dead))) >= len(bad), 30, 'the dead letters')
    assert sink.terminate()[0] == 0
    assert p.rows() == len(good)
    dead = list(p.kafka.read(p.dead))
    check_dead_letters(p, dead, bad)

    # Mended: larger messages, deeper nesting, a wider namespace, a time of its own for events without one.
    def mend(text):
        text = text.replace('message_bytes_max: 1MiB', 'message_bytes_max: 8MiB\ndepth_max: 256')
        text = text.replace('{name: namespace, type: Nullable(Int32), path: $.namespace,',
                            '{name: namespace, type: Nullable(Int32), path: $.namespace, invalid: "null",')
        assert 'path: $.meta.dt, missing: reject' in text
        return text.replace('path: $.meta.dt, missing: reject', 'path: $.meta.dt, missing: default')

    route = p.route(mend)
    replay = p.chsinkd('replay', args=['--replay', route.stem], route=route, batch={'rows': 1000})
    replay.start(timeout=0)
    assert replay.process.wait(90) == 0, replay.tail()
    assert p.rows() == len(good) + len(back), replay.tail()
    # What still does not fit is a dead letter again, with its origin; a second replay changes nothing more.
    again = list(p.kafka.read(p.dead))[len(dead):]
    assert len(list(p.kafka.read(p.dead))) == len(dead) + len(bad) - len(back)
    assert again
    replay.start(timeout=0)
    assert replay.process.wait(90) == 0, replay.tail()
    assert p.rows() == len(good) + len(back)


def test_bad_rows(pipeline):
    """Of a message with many rows the bad ones are one dead letter; --replay takes these and no others."""
    p = pipeline
    p.kafka.create(p.topic, 1)

    def route(invalid):
        text = (f'topic: {p.topic}\ntable: {p.table}\norder_by: n\nrows: $.r[*]\nmessage_memory_max: 1MiB\ncolumns:\n'
                '  - {name: n, path: "@.n", type: Int64}\n'
                f'  - {{name: v, path: "@.v", type: Nullable(Int8), invalid: {invalid}}}\n'
                '  - {name: w, path: "@.w", type: Nullable(Int8)}\n'
                '  - {name: e, path: $.e, type: String}\n')
        path = p.folder / f'{p.table}.yaml'
        path.write_text(text)
        return path

    def message(numbers, e=''):
        return json.dumps({'e': e, 'r': [{'n': n, 'v': 1000 if n % 10 in (5, 6, 7) else 1, 'w': 1000 if n % 10 == 2 else 1}
                                         for n in numbers]}).encode()

    small = {'e': 'x' * 20000, 'r': [{'n': n} for n in range(1000, 1100)]}  # 22 KB, 2 MB of rows
    p.kafka.produce(p.topic, [(b'a', message(range(10))), (b'b', message([20, 21])),
                              (b'c', json.dumps(small).encode()), (b'd', message([32, 33]))])
    sink = p.chsinkd(route=route('reject')).start()
    wait_until(lambda: len(list(p.kafka.read(p.dead))) >= 3, 60, 'the dead letters')
    assert sink.terminate()[0] == 0

    def rows():
        return [int(n) for n, in p.clickhouse.rows(f'SELECT n FROM {p.table} ORDER BY n')]

    def letters():
        return [(m.key().decode(), *(headers.get(f'chsinkd-{name}', b'').decode()
                                     for name in ('row', 'rows', 'rejected', 'attempt')))
                for m in p.kafka.read(p.dead) for headers in [dict(m.headers())]]

    assert rows() == [0, 1, 3, 4, 8, 9, 20, 21, 33]
    first = [('a', '', '2,5-7', '4', '1'), ('c', '', '', '', '1'), ('d', '0', '', '', '1')]
    assert sorted(letters()) == first
    reasons = {m.key(): dict(m.headers())['chsinkd-reason'].decode() for m in p.kafka.read(p.dead)}
    assert 'message_memory_max' in reasons[b'c'] and 'column w' in reasons[b'a']

    mended = route('"null"')
    replay = p.chsinkd('replay', args=['--replay', mended.stem], route=mended)
    replay.start(timeout=0)
    assert replay.process.wait(90) == 0, replay.tail()
    # 5 to 7 are taken now; 2 and the others are a dead letter again, about themselves alone.
    assert rows() == [0, 1, 3, 4, 5, 6, 7, 8, 9, 20, 21, 33], replay.tail()
    assert sorted(letters()) == sorted([*first, ('a', '2', '', '', '2'), ('c', '', '', '', '2'), ('d', '0', '', '', '2')])


def test_tombstones(pipeline):
    """A message without a value: a dead letter, passed over (from the topic and by --replay), a row; as the route says."""
    p = pipeline
    p.kafka.create(p.topic, 1)

    def route(tombstones):
        path = p.folder / f'{p.table}.yaml'
        path.write_text(f'topic: {p.topic}\ntable: {p.table}\norder_by: tuple()\ntombstones: {tombstones}\ncolumns:\n'
                        '  - {name: n, path: $.n, type: Nullable(Int64)}\n  - {name: k, from: key, type: String}\n')
        return path

    def load(name, tombstones, *args):
        sink = p.chsinkd(name, route=route(tombstones), args=args or ('--once',)).start(timeout=0)
        assert sink.process.wait(90) == 0, sink.tail()
        return p.clickhouse.rows(f'SELECT k, n FROM {p.table} ORDER BY k'), len(list(p.kafka.read(p.dead)))

    p.kafka.produce(p.topic, [(b'a', b'{"n":1}'), (b'b', None)])
    assert load('dead', 'dead_letter') == ([['a', 1]], 1)
    p.kafka.produce(p.topic, [(b'c', None), (b'd', b'\xef\xbb\xbf{"n":4}')])
    assert load('skip', 'skip') == ([['a', 1], ['d', 4]], 1)
    assert load('replay', 'skip', '--replay', p.table) == ([['a', 1], ['d', 4]], 1)
    p.kafka.produce(p.topic, [(b'e', None)])
    assert load('row', 'row') == ([['a', 1], ['d', 4], ['e', None]], 1)


def test_json_lines(pipeline):
    """Documents a line behind a registry's frame, filtered: a dead letter names the lines, --replay takes just these."""
    p = pipeline
    p.kafka.create(p.topic, 1)
    frame = b'\0\0\0\0\x2a'

    def load(name, invalid, *args):
        route = p.folder / f'{p.table}.yaml'
        route.write_text(f'topic: {p.topic}\ntable: {p.table}\norder_by: n\ndocuments: many\n'
                         'message: {strip: schema_registry}\nwhen: \'$.k in ["x", "z"]\'\ncolumns:\n'
                         '  - {name: n, path: $.n, type: Int64}\n'
                         f'  - {{name: v, path: $.v, type: Nullable(Int8), invalid: {invalid}}}\n'
                         '  - {name: id, from: schema_id, type: UInt32}\n')
        sink = p.chsinkd(name, route=route, args=args or ('--once',)).start(timeout=0)
        assert sink.process.wait(90) == 0, sink.tail()
        letters = [(m.key().decode(), *(headers.get(f'chsinkd-{name}', b'').decode() for name in ('row', 'rows', 'attempt')))
                   for m in p.kafka.read(p.dead) for headers in [dict(m.headers())]]
        return p.clickhouse.rows(f'SELECT toInt32(n), v, id FROM {p.table} ORDER BY n'), sorted(letters)

    def lines(*documents):
        return frame + b'\n'.join(json.dumps(dict(zip('nkv', d))).encode() for d in documents)

    p.kafka.produce(p.topic, [
        (b'a', lines((0, 'x', 1), (1, 'y', 1000), (2, 'x', 1000), (3, 'z', 3), (4, 'x', 1000), (5, 'x', 5))),
        (b'b', lines((6, 'y', 1), (7, 'y', 'text'))), (b'c', b'{"n": 8, "k": "x", "v": 1}'), (b'd', lines((9, 'x', 9)) + b'\n{')])
    first = [('a', '', '2,4', '1'), ('c', '', '', '1'), ('d', '', '', '1')]
    rows = [[0, 1, 42], [3, 3, 42], [5, 5, 42]]
    assert load('load', 'reject') == (rows, first)
    rows = [[0, 1, 42], [2, None, 42], [3, 3, 42], [4, None, 42], [5, 5, 42]]
    assert load('replay', '"null"', '--replay', p.table) == (rows, sorted([*first, ('c', '', '', '2'), ('d', '', '', '2')]))


def check_dead_letters(p, dead, bad):
    wanted = {key: value for key, value, _ in bad}
    found = collections.Counter(m.key() for m in dead)
    assert found.keys() == wanted.keys() and set(found.values()) == {1}
    origin = {(m.partition(), m.offset()): m.key() for m in p.kafka.read(p.topic)}
    for m in dead:
        headers = dict(m.headers())
        # The Python client gives an empty value as None or b''.
        assert (m.value() or b'') == (wanted[m.key()] or b''), m.key()
        assert headers['kind'] == m.key().rsplit(b' ', 1)[0]
        assert headers['chsinkd-reason']
        assert headers['chsinkd-topic'].decode() == p.topic
        place = (int(headers['chsinkd-partition']), int(headers['chsinkd-offset']))
        assert origin[place] == m.key()
    reasons = {dict(m.headers())['kind'].decode(): dict(m.headers())['chsinkd-reason'].decode() for m in dead}
    for kind, reason in sorted(reasons.items()):
        print(f'{kind}: {reason}')

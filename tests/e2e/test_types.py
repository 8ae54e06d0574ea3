# SPDX-License-Identifier: Apache-2.0
"""Every type of a column, 10,000 values each: what ClickHouse answers is what Python's json, decimal, datetime,
ipaddress and uuid say of the same text; and what must be refused is refused, and nothing else."""
import datetime
import decimal
import ipaddress
import json
import random
import re
import struct
import uuid

MESSAGES = 10000
decimal.getcontext().prec = 1000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
NAMES = {'': -128, 'a': -1, 'A': 0, "it's": 1, 'back\\slash': 2, 'é€😀': 3, 'a longer name': 127}
NAMES16 = {**{f'n{i}': i * 37 - 32000 for i in range(1500)}, 'last': 32767, 'first': -32768}


class Numbers:
    """Integers and decimals: exactly, or not at all."""
    sql = 'toString({})'

    def __init__(self, low, high, scale=0, text=False, clamp=False):
        self.low, self.high, self.scale, self.text, self.clamp = low, high, scale, text, clamp

    def make(self, rng):
        step = decimal.Decimal(10) ** -self.scale
        low, high = self.low * step, self.high * step
        kind = rng.random()
        if kind < 0.2:
            d = rng.choice([low, high, low - step, high + step, decimal.Decimal(0), step, -step, high * 10])
        elif kind < 0.5:  # of any length
            d = (decimal.Decimal(rng.randrange(1 << rng.randrange(1, self.high.bit_length() + 2))) *
                 rng.choice([1, -1]) * step)
        else:
            d = rng.randrange(self.low, self.high + 1) * step
        if rng.random() < 0.1:
            d += step * rng.choice([decimal.Decimal('0.5'), decimal.Decimal('0.001'), decimal.Decimal('-0.1')])
        text = spell(rng, d)
        return json.dumps(text) if self.text and rng.random() < 0.7 else text

    def expect(self, literal):
        d = decimal.Decimal(literal.strip('"')).scaleb(self.scale)
        if self.clamp and not self.low - 1 < d < self.high + 1:
            d = decimal.Decimal(self.low if d < 0 else self.high)
        if d != d.to_integral_value() or not self.low <= d <= self.high:
            return None
        return d.scaleb(-self.scale)

    @staticmethod
    def read(text):
        return decimal.Decimal(text)


def spell(rng, d):
    """A number of JSON in one of its spellings."""
    plain = f'{d:f}'
    kind = rng.random()
    if kind < 0.6:
        return plain
    if kind < 0.7:
        return plain + ('000' if '.' in plain else '.00')
    sign, digits, exponent = d.as_tuple()
    digits = ''.join(map(str, digits))
    if kind < 0.85:
        return f'{"-" if sign else ""}{digits}{rng.choice("eE")}{rng.choice(["", "+"]) if exponent >= 0 else ""}{exponent}'
    tail = '.' + digits[1:] if len(digits) > 1 else ''
    return f'{"-" if sign else ""}{digits[0]}{tail}e{exponent + len(digits) - 1}'


class Floats:
    sql = 'toString({})'

    def __init__(self, code):
        self.code = code

    def make(self, rng):
        kind = rng.random()
        if kind < 0.3:
            return spell(rng, decimal.Decimal(rng.randrange(-2 ** 70, 2 ** 70) >> rng.randrange(70)))
        if kind < 0.4:
            return rng.choice(['1e400', '-1e39', '9007199254740993', '9007199254740993.0', '16777217', '1.6777217e7',
                               '1e23', '1e-400', '0.0', '-0', '3.5e38', '1.7976931348623157e308'])
        return f'{rng.uniform(-1, 1) * 10 ** rng.randrange(-30, 38)!r}'

    def expect(self, literal):
        d, f = decimal.Decimal(literal), float(literal)
        if f in (float('inf'), float('-inf')):
            return None
        if self.code == 'f':
            try:
                f = struct.unpack('<f', struct.pack('<f', f))[0]
            except OverflowError:
                return None
        # An integer whose digits are all written must be exact; others round.
        written = d.as_tuple().exponent <= 0 and d == d.to_integral_value()
        return None if written and decimal.Decimal(f) != d else f

    def read(self, text):
        return float(text) if self.code == 'd' else struct.unpack('<f', struct.pack('<f', float(text)))[0]


class Bools:
    sql = 'toString({})'

    def __init__(self, number=False):
        self.number = number

    def make(self, rng):
        return rng.choice(['true', 'false', '0', '1', '1.0', '-0', '2', '0.5', '"true"', '[]'])

    def expect(self, literal):
        if literal in ('true', 'false'):
            return literal
        value = json.loads(literal)
        return {0: 'false', 1: 'true'}.get(value) if self.number and isinstance(value, (int, float)) else None

    @staticmethod
    def read(text):
        return text


class Strings:
    sql = 'hex({})'
    alphabet = ['a', 'Z', '0', ' ', '"', '\\', '\n', '\x00', 'é', '€', '😀', '\u2028']

    def __init__(self, size=None):
        self.size = size

    def make(self, rng):
        if rng.random() < 0.05:
            return rng.choice(['"\\ud800"', '"\\udc00\\ud800"', '1', 'true', '{"a":[1]}'])
        text = ''.join(rng.choice(self.alphabet) for _ in range(rng.randrange(7)))
        return json.dumps(text, ensure_ascii=rng.random() < 0.5)

    def expect(self, literal):
        value = json.loads(literal)
        if not isinstance(value, str):
            return None
        try:
            data = value.encode()
        except UnicodeEncodeError:
            return None
        if self.size is None:
            return data
        return data.ljust(self.size, b'\0') if len(data) <= self.size else None

    @staticmethod
    def read(text):
        return bytes.fromhex(text)


class Names:
    sql = 'toString({})'

    def __init__(self, names, number=False):
        self.names, self.number = names, number

    def make(self, rng):
        kind = rng.random()
        if kind < 0.7:
            return json.dumps(rng.choice(list(self.names)), ensure_ascii=rng.random() < 0.5)
        if kind < 0.85:
            return str(rng.choice(list(self.names.values())) + rng.choice([0, 0, 0, 5, 256, 65536]))
        return rng.choice(['"b"', '"a "', '"1"', '0.5', '1.0', 'true', '"\\ud800"'])

    def expect(self, literal):
        value = json.loads(literal)
        if isinstance(value, str):
            return value if value in self.names else None
        if not self.number or isinstance(value, bool):
            return None
        return next((name for name, number in self.names.items() if number == value), None)

    @staticmethod
    def read(text):
        return text


class Addresses:
    sql = 'toString({})'

    def __init__(self, version):
        self.version = version

    def make(self, rng):
        v4 = ipaddress.IPv4Address(rng.getrandbits(32))
        v6 = ipaddress.IPv6Address(rng.getrandbits(128) & rng.choice([-1, 0xffff, ~0xffffffff0000, 0xffff << 96]))
        good = rng.choice([str(v4), str(v4), str(v6), v6.exploded, str(v6).upper(), f'::ffff:{v4}', f'64:ff9b::{v4}'])
        bad = rng.choice(['', 'x', good + '.', good + ' ', good + '%eth0', '0' + good, '1.2.3', '1.2.3.256', '01.2.3.4',
                          '1::2::3', ':::', '12345::', good + '\0', '[' + good + ']', '1:2:3:4:5:6:7:8:9', '0x1.2.3.4'])
        return json.dumps(good if rng.random() < 0.8 else bad) if rng.random() < 0.97 else '3221225985'

    def expect(self, literal):
        value = json.loads(literal)
        try:
            if not isinstance(value, str) or '%' in value:
                return None
            address = ipaddress.ip_address(value)
        except ValueError:
            return None
        if self.version == 4:
            return address if address.version == 4 else None
        return ipaddress.IPv6Address(f'::ffff:{address}') if address.version == 4 else address

    def read(self, text):
        return ipaddress.IPv4Address(text) if self.version == 4 else ipaddress.IPv6Address(text)


class Uuids:
    sql = 'toString({})'

    def make(self, rng):
        text = str(uuid.UUID(int=rng.getrandbits(128)))
        text = rng.choice([text, text, text.upper(), text.replace('-', '')])
        if rng.random() < 0.1:
            text = rng.choice([text[:-1], text + '0', text.replace('-', '', 1), 'g' + text[1:], '{' + text + '}', ''])
        return json.dumps(text)

    def expect(self, literal):
        text = json.loads(literal)
        shape = r'[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'
        return uuid.UUID(text) if re.fullmatch(shape, text) else None

    @staticmethod
    def read(text):
        return uuid.UUID(text)


class Times:
    """As nanoseconds since 1970, from text or (unit) numbers; a date has no time."""
    sql = 'toString({})'

    def __init__(self, first, last, digits, date=False, unit=None):
        self.low, self.high = nanoseconds(first), nanoseconds(last)
        self.digits, self.date, self.unit = digits, date, unit

    def make(self, rng):
        if self.unit and rng.random() < 0.7:
            whole = rng.randrange(self.low, self.high) // self.unit
            return spell(rng, whole + decimal.Decimal(rng.choice(['0', '0', '0', '0.5', '0.001', '0.0000001'])))
        year = rng.choice([rng.randrange(1895, 2305), rng.randrange(1970, 2107)])
        day = datetime.date(year, rng.randrange(1, 13), rng.randrange(1, 29))
        if rng.random() < (0.7 if self.date else 0.05):
            return json.dumps(rng.choice([f'{day}', f'{day}T00:00:00Z', f'{year}-02-30', f'{day} 00:00']))
        fraction = ''.join(rng.choice('0123456789') for _ in range(rng.choice([0, 1, 3, 6, 9])))
        zeros = rng.choice(['', '000'])
        fraction = '.' + fraction + zeros if fraction else ''
        clock = f'{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}'
        zone = rng.choice(['Z', 'Z', '', '+00:00', '+05:30', '-11:00'])
        return json.dumps(f'{day}{rng.choice("T ")}{clock}{fraction}{zone}')

    def expect(self, literal):
        ticks = self._of_text(json.loads(literal)) if literal[0] == '"' else self._of_number(literal)
        if ticks is None or ticks % 10 ** (9 - self.digits) != 0 or not self.low <= ticks <= self.high:
            return None
        return None if self.date and ticks % (86400 * 10 ** 9) != 0 else ticks

    def _of_number(self, literal):
        ticks = decimal.Decimal(literal) * self.unit
        return int(ticks) if ticks == ticks.to_integral_value() else None

    @staticmethod
    def _of_text(text):
        parts = re.fullmatch(r'(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?)?', text)
        day, minutes, seconds, fraction, zone = parts.groups()
        zone = '+00:00' if zone in (None, 'Z') else zone
        try:
            t = datetime.datetime.fromisoformat(f'{day}T{minutes or "00:00"}{seconds or ":00"}{zone}')
        except ValueError:
            return None
        rest = (fraction or '').ljust(9, '0')
        return nanoseconds(t) + int(rest[:9]) if int(rest[9:] or '0') == 0 else None

    def read(self, text):
        return self._of_text(text)


def nanoseconds(t):
    if isinstance(t, str):
        t = datetime.datetime.fromisoformat(t).replace(tzinfo=datetime.timezone.utc)
    since = t - EPOCH
    return (since.days * 86400 + since.seconds) * 10 ** 9 + since.microseconds * 1000


def enum(bits, names):
    quoted = (n.replace('\\', '\\\\').replace("'", "\\'") for n in names)
    return f'Enum{bits}(' + ', '.join(f"'{name}' = {number}" for name, number in zip(quoted, names.values())) + ')'


def columns():
    ints = {f'{u}Int{bits}': Numbers(0 if u else -2 ** (bits - 1), 2 ** (bits if u else bits - 1) - 1)
            for u in ('', 'U') for bits in (8, 16, 32, 64, 128, 256)}
    decimals = {f'Decimal({p}, {s})': Numbers(1 - 10 ** p, 10 ** p - 1, s)
                for p, s in ((3, 3), (9, 2), (18, 6), (19, 0), (38, 10), (76, 20))}
    latest = '2262-04-11T23:47:16'
    times = {'Date': Times('1970-01-01', '2149-06-06', 0, date=True),
             'Date32': Times('1900-01-01', '2299-12-31', 0, date=True),
             "DateTime('UTC')": Times('1970-01-01', '2106-02-07T06:28:15', 0),
             **{f"DateTime64({d}, 'UTC')": Times('1900-01-01', '2299-12-31T23:59:59.999999', d) for d in (0, 3, 6)},
             "DateTime64(9, 'UTC')": Times('1900-01-01', latest, 9)}
    others = {'String': Strings(), 'FixedString(5)': Strings(5), 'Bool': Bools(), 'UUID': Uuids(),
              'Float32': Floats('f'), 'Float64': Floats('d'), 'IPv4': Addresses(4), 'IPv6': Addresses(6),
              enum(8, NAMES): Names(NAMES), enum(16, NAMES16): Names(NAMES16)}
    plain = [(type, '', made) for type, made in {**ints, **decimals, **times, **others}.items()]
    asked = [('Bool', 'from_number: true', Bools(number=True)),
             (enum(8, NAMES), 'from_number: true', Names(NAMES, number=True)),
             ('Int128', 'on_overflow: clamp', Numbers(-2 ** 127, 2 ** 127 - 1, clamp=True)),
             ('Decimal(9, 2)', 'on_overflow: clamp', Numbers(1 - 10 ** 9, 10 ** 9 - 1, 2, clamp=True)),
             ('UInt64', 'from_text: true', Numbers(0, 2 ** 64 - 1, text=True)),
             ('Int256', 'from_text: true', Numbers(-2 ** 255, 2 ** 255 - 1, text=True)),
             ('Decimal(38, 10)', 'from_text: true', Numbers(1 - 10 ** 38, 10 ** 38 - 1, 10, text=True)),
             ("DateTime64(3, 'UTC')", 'unit: ms', Times('1900-01-01', '2299-12-31T23:59:59.999999', 3, unit=10 ** 6)),
             ('Date32', 'unit: d', Times('1900-01-01', '2299-12-31', 0, date=True, unit=86400 * 10 ** 9))]
    low = [('UInt16', '', Numbers(0, 65535)), ('String', '', Strings()), ('FixedString(5)', '', Strings(5))]
    return [Column(f'c{i}', *c, False) for i, c in enumerate(plain + asked)] + \
        [Column(f'l{i}', *c, True) for i, c in enumerate(low)]


class Column:
    def __init__(self, name, type, options, made, low):
        self.name, self.type, self.options, self.made, self.low = name, type, options, made, low

    def route(self, nullable, options):
        type = f'Nullable({self.type})' if nullable else self.type
        type = f'LowCardinality({type})' if self.low else type
        more = ''.join(f', {o}' for o in (options, self.options) if o)
        return f'  - {{name: {self.name}, path: $.{self.name}, type: {json.dumps(type, ensure_ascii=False)}{more}}}\n'


def write_route(p, nullable, options):
    path = p.folder / f'{p.table}.yaml'
    path.write_text(f'topic: {p.topic}\ntable: {p.table}\norder_by: k\ncolumns:\n'
                    '  - {name: k, type: Int64, path: $.k}\n' +
                    ''.join(c.route(nullable, options) for c in columns()) +
                    '  - {name: p, type: Point, expression: "(1, 2)"}\n')  # a type that only the server knows
    return path


def load(p, route, name):
    done = p.chsinkd(name, args=['--once'], route=route).start(timeout=0)
    assert done.process.wait(120) == 0, done.tail()


def test_round_trip(pipeline):
    p, rng = pipeline, random.Random(14)
    p.kafka.create(p.topic, 1)
    route = write_route(p, True, 'invalid: "null"')
    literals = {c.name: [c.made.make(rng) for _ in range(MESSAGES)] for c in columns()}
    p.kafka.produce(p.topic, ((b'', ('{"k":%d,' % k + ','.join(f'"{n}":{v[k]}' for n, v in literals.items()) + '}')
                               .encode()) for k in range(MESSAGES)))
    load(p, route, 'load')
    for c in columns():
        got = p.clickhouse.rows(f'SELECT {c.made.sql.format(c.name)} FROM {p.table} ORDER BY k')
        assert len(got) == MESSAGES
        nulls = 0
        for literal, (text,) in zip(literals[c.name], got):
            want, have = c.made.expect(literal), None if text is None else c.made.read(text)
            assert have == want, f'{c.type[:80]} {c.options}: {literal} became {text}, not {want}'
            nulls += text is None
        assert MESSAGES / 200 < nulls < MESSAGES * 0.95, f'{c.type[:80]} {c.options}: {nulls} refused'
    # The table as the server describes it is the route's: another start refuses nothing and changes nothing.
    p.kafka.produce(p.topic, [(b'', b'{"k":-1}')])
    load(p, route, 'again')
    assert int(p.clickhouse.value(f'SELECT count() FROM {p.table}')) == MESSAGES + 1


def test_defaults(pipeline):
    """missing: default is what ClickHouse itself has for a type."""
    p = pipeline
    p.kafka.create(p.topic, 1)
    route = write_route(p, False, 'missing: default')
    p.kafka.produce(p.topic, [(b'', b'{"k":0}')])
    load(p, route, 'load')
    p.clickhouse.query(f'INSERT INTO {p.table} (k) VALUES (1)')
    ours, theirs = p.clickhouse.rows(f'SELECT * EXCEPT k FROM {p.table} ORDER BY k')
    assert ours == theirs

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Watermelon API on 127.0.0.1 for tests and the demo: hourly error-budget metrics, deterministic, faulty on command.

    watermelon.py --port P --control-port C [--tls server.pem] [--issuer URL --ca ca.pem]

GET /services/wmerrorbudgetstatisticsservice/api/transactions/summary/series/all
    ?application_id=31854&range=CUSTOM&start_time=MS&end_time=MS&index=HOURLY   with a bearer token

answers with 122 transactions. In any twelve days each has 1 to 288 elements in transactionSeries: 28 MB in all. An
element depends on nothing but seed, application, transaction and hour, so that every range has the same rows, and a
test that imports this file knows them: Data.answer(). Both ends of a range belong to it. A transaction without
elements in the range is left out, or there with an empty array (every other one).

With --issuer (Keycloak's https://…/realms/watermelon) a token is checked as a resource server does: signature by the
realm's keys, issuer, audience, end; and the issuer is asked whether it was revoked (introspection). Without it any
bearer token is good, and a request without one is refused.

The control port is plain HTTP. GET / tells what came (requests, tokens as hashes only). POST / lays out what shall go
wrong, JSON in the body: a fault or a list of them, each for one request of the series ("times": N for N, -1: until
"reset"). Keys of a fault, to be combined:
    status, retry_after ("2" or "date:2": in two seconds)     refuses; 401 says error="invalid_token"
    delay            seconds before the answer begins
    shape            one of SHAPES: what is no array of transactions, with status 200
    wrap             data | records | series, or a path such as result.items: the array in an object, other keys around
    before, after    members around it: {"status": "ERROR"}, {"total": 122}
    headers          of the answer: {"Link": "</x>; rel=next"}
    gzip             compressed, where the client takes that
    rate             bytes a second
    cut_after        so many body bytes, then the connection ends ("cut": "fin" or "rst"; "chunk": as if it were whole)
    stall_after      so many body bytes, then silence until "reset" or the client goes
    huge             at least so many bytes: the transactions again under new names
    long_series      one transaction, its series alone has so many bytes
    redirect         the Location of a 307; /elsewhere (here and on the control port) notes if a token came along
    limit            only so many transactions
    latin1           a time in ms: of a range that has it, a byte of the first transaction is Latin-1
    application      only requests for this one meet the fault
With --form FILE it is another API: another path, other names; DEFAULT_FORM has all that can differ.

Other commands: {"reset": true}; {"revise": {"from": MS, "revision": N}}: elements from there on have other values;
{"clock": SECONDS}: Date is so far ahead.
"""
import argparse
import base64
import contextlib
import datetime
import email.utils
import functools
import hashlib
import http.server
import json
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib

PATH = '/services/wmerrorbudgetstatisticsservice/api/transactions/summary/series/all'
HOUR_MS = 3600 * 1000
# The hours of the zone in the answers, Asia/Kolkata, begin at half past in UTC.
ZONE_MS = 30 * 60 * 1000
CYCLE = 288  # hours in twelve days
CHUNK = 64 * 1024
# Names of parameters ('': there is none), the form of times (ms, s, rfc3339), where the array is, other names of
# members, and headers that a request must have.
DEFAULT_FORM = {'path': PATH, 'application': 'application_id', 'index': 'index', 'start': 'start_time',
                'end': 'end_time', 'time': 'ms', 'range': 'CUSTOM', 'wrap': None, 'members': {}, 'headers': {}}
SEVERITIES = {'HEALTHY': '#2E7D32', 'AT_RISK': '#F9A825', 'BREACHED': '#C62828', 'NO_DATA': '#9E9E9E'}

SHAPES = {
    'html': ('text/html', b'<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Maintenance</body></html>'),
    'no-array': ('application/json', b'{"status":"OK","message":"no series here","data":{"count":0}}'),
    'number': ('application/json', b'42'),
    'null': ('application/json', b'null'),
    'null-data': ('application/json', b'{"status":"OK","data":null}'),
    'string': ('application/json', b'"temporarily unavailable"'),
    'empty': ('application/json', b''),
    'numbers': ('application/json', b'[1,2,3]'),
    'error-in-array': ('application/json', b'[{"transactionName":"a","transactionSeries":[]},"oops"]'),
    'not-json': ('application/json', b'[{"transactionName":"a","transactionSeries":[{"key":1,}]}]'),
    'trailing': ('application/json', b'[] trailing'),
    'no-series': ('application/json', b'[{"transactionName":"a","transactionId":1}]'),
    'empty-array': ('application/json', b'[]'),
}


class Data:
    """What the API knows. All of it follows from the seed."""

    def __init__(self, transactions=122, seed=1):
        self.transactions, self.seed = transactions, seed
        self.revise_from, self.revision = None, 0
        self.element = functools.lru_cache(100_000)(self._element)

    def _bits(self, *what):
        text = '/'.join(map(str, (self.seed, *what))).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=32).digest(), 'little')

    def elements_of(self, t):
        """How many elements a transaction has in twelve days: 50 of 122 are always busy, one has a single hour."""
        if t % 122 < 50:
            return CYCLE
        return 1 if t % 122 == 50 else 1 + self._bits('share', t) % 195

    @functools.lru_cache(1000)
    def _hours(self, t):
        """The hours of the cycle that have traffic."""
        order = sorted(range(CYCLE), key=lambda h: self._bits('hour', t, h))
        return frozenset(order[:self.elements_of(t)])

    def times(self, t, start, end, step=1):
        """Beginnings of the hours (or days) with traffic in [start, end], in ms."""
        first = -(-(start - ZONE_MS) // HOUR_MS)
        last = (end - ZONE_MS) // HOUR_MS
        busy = self._hours(t)
        return [h * HOUR_MS + ZONE_MS for h in range(first, last + 1) if h % step == 0 and h % CYCLE in busy]

    def head(self, app, t, index):
        """The fields of a transaction around its series; some have them at the elements instead, some at both."""
        name = ('GET', 'POST', 'PUT')[t % 3] + f' /wm/v{1 + t % 2}/service-{t:03}/' + ('größe' if t == 7 else 'item')
        head = {
            'transactionName': name,
            'transactionId': 700000 + t,
            'applicationId': app,
            'applicationName': 'WMPlatform' if app == 31854 else f'Application {app}',
            'alias': None if t % 11 == 3 else f'svc-{t:03} "{chr(65 + t % 26)}"',
            'timezone': 'Asia/Kolkata',
            'indexType': index,
            'sreProduct': f'Product {t % 7}',
            'shortTargetSlo': (99, 99.5, 99.9, 99.95)[t % 4],
        }
        if self.is_aspirational(t):
            head['aspirationalSlo'] = (99.9, 99.99)[t % 2]
        elif t % 7 == 2:
            head['aspirationalSlo'] = None
        if t % 9 == 4:  # these two only at the elements
            del head['timezone'], head['shortTargetSlo']
        return head

    @staticmethod
    def is_aspirational(t):
        return t % 7 == 0

    def _element(self, t, when, index, revision):  # pylint: disable=too-many-locals
        bits = self._bits('element', t, when, revision)

        def draw(n):
            nonlocal bits
            bits, value = divmod(bits, n)
            return value

        no_data = draw(50) == 0
        total = 0 if no_data else 1 + draw(20000) * (1 if t % 2 else 7)
        errors = 0 if no_data or draw(3) else draw(total // 40 + 1)
        average = 5 + draw(150000) / 100
        breaches = errors + draw(total // 60 + 1)
        slo = (99, 99.5, 99.9, 99.95)[t % 4]
        e = {
            'timestamp': when,
            'timestampStr': time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime((when + 19800000) / 1000)),
            'key': when,
            'noDataFound': no_data,
            'sumResponseTime': round(average * total, 2),
            'avgResponseTime': None if no_data else round(average, 4),
            'totalCount': total,
            'successCount': total - errors,
            'errorCount': errors,
            'successRate': percent(total - errors, total, 100),
            'errorRate': percent(errors, total),
            'totalDataPoints': 0 if no_data else 60,
        }
        e.update(budget('eb', slo, total, errors))
        e.update(responseBreachCount=breaches, responseErrorRate=percent(breaches, total),
                 responseSuccessRate=percent(total - breaches, total, 100), responseSlo=average.__ceil__() * 2,
                 responseTargetPercent=95)
        e.update(budget('response', 95, total, breaches))
        e['timelinessConsumedPercent'] = draw(10000) / 100
        health = {'timeliness': e['timelinessConsumedPercent'], 'response': e['responseConsumedPercent'],
                  'eb': e['ebConsumedPercent']}
        if self.is_aspirational(t):
            hope = (99.9, 99.99)[t % 2]
            e.update(budget('aspirationalEb', hope, total, errors))
            e.update(aspirationalResponseSlo=average.__ceil__(), aspirationalResponseTargetPercent=98.5)
            e.update(budget('aspirationalResponse', 98.5, total, breaches))
            e['aspirationalTimelinessConsumedPercent'] = draw(20000) / 100
            health.update(aspirationalResponse=e['aspirationalResponseConsumedPercent'],
                          aspirationalEb=e['aspirationalEbConsumedPercent'])
        for what, consumed in health.items():
            state = 'BREACHED' if consumed > 100 else 'AT_RISK' if consumed > 75 else 'HEALTHY'
            if no_data:
                state = 'NO_DATA'
            e[what + 'Health'], e[what + 'Severity'] = state, SEVERITIES[state]
        e['ebBreached'] = e['ebConsumedPercent'] > 100
        e['responseBreached'] = e['responseConsumedPercent'] > 100
        e['ebOrResponseBreached'] = e['ebBreached'] or e['responseBreached']
        at = average
        for p in (25, 50, 75, 80, 85, 90, 95, 99):
            at += draw(4000) / 1000 * (1 + p / 20)
            e[f'percentile{p}'] = None if no_data else round(at - average / 2, 3)
        if t % 9 == 4:
            e.update(timezone='Asia/Kolkata', shortTargetSlo=slo)
        if t % 10 == 6:  # at both: the element's is the one that counts
            e.update(alias=f'element {t}', indexType=index)
        text = json.dumps(e, ensure_ascii=False, separators=(',', ':'))
        # As Java writes small and whole doubles.
        if t % 8 == 1:
            text = text.replace('"errorRate":0,', '"errorRate":0.0,').replace('"errorRate":0.01', '"errorRate":1.0E-2')
        return text.encode()

    def revision_at(self, when):
        return self.revision if self.revise_from is not None and when >= self.revise_from else 0

    def transaction(self, app, t, start, end, index='HOURLY'):
        """(fields around, elements) as bytes; None: left out."""
        step = 24 if index == 'DAILY' else 1
        times = self.times(t, start, end, step)
        if not times and t % 2:
            return None
        head = json.dumps(self.head(app, t, index), ensure_ascii=False, separators=(',', ':')).encode()
        return head, [self.element(t, when, index, self.revision_at(when)) for when in times]

    @staticmethod
    def join(head, elements):
        return head[:-1] + b',"transactionSeries":[' + b','.join(elements) + b']}'

    def pieces(self, app, start, end, index='HOURLY', limit=None):
        """The transactions, one bytes object each."""
        for t in range(self.transactions if limit is None else limit):
            found = self.transaction(app, t, start, end, index)
            if found:
                yield self.join(*found)

    def answer(self, app, start, end, index='HOURLY'):
        """What a client should have got, read."""
        return [json.loads(piece) for piece in self.pieces(app, start, end, index)]

    def huge(self, app, size, start, end, index='HOURLY'):
        """The transactions again and again, until they have `size` bytes, each time under new names."""
        done = again = 0
        while done < size:
            for t in range(self.transactions):
                found = self.transaction(app, t, start, end, index)
                if not found:
                    continue
                head = json.loads(found[0])
                head['transactionId'] += 1000 * again
                head['transactionName'] += f' {again}'
                piece = self.join(json.dumps(head).encode(), found[1])
                done += len(piece)
                yield piece
                if done >= size:
                    return
            again += 1

    def long_series(self, app, size, end, index='HOURLY'):
        """One transaction with so many bytes in its series, back in time from `end`."""
        when = (end - ZONE_MS) // HOUR_MS * HOUR_MS + ZONE_MS
        head = json.dumps(self.head(app, 0, index)).encode()
        yield head[:-1] + b',"transactionSeries":['
        done = 0
        while done < size:
            element = self._element(0, when, index, 0)
            yield (b',' if done else b'') + element
            done += len(element)
            when -= HOUR_MS
        yield b']}'


def percent(part, whole, none=0):
    return round(100 * part / whole, 4) if whole else none


def budget(prefix, target, total, bad):
    """An error budget: how much may go wrong, how much did. Counts can be broken numbers."""
    allocated = round(100 - target, 4)
    count = round(total * allocated / 100, 3)
    consumed = round(100 * bad / count, 2) if count else 0
    return {f'{prefix}AllocatedPercent': allocated, f'{prefix}AllocatedCount': count,
            f'{prefix}ConsumedPercent': min(consumed, 999.99), f'{prefix}ConsumedCount': bad,
            f'{prefix}ActualConsumedPercent': consumed, f'{prefix}LeftPercent': round(100 - consumed, 2),
            f'{prefix}LeftCount': round(count - bad, 3)}


class Refused(Exception):
    """A token that is not good; the reason."""


class Tokens:
    """Checks bearer tokens as a resource server of the realm."""

    def __init__(self, issuer, ca, client='watermelon-api', secret='api-S3cret'):
        self.issuer, self.client, self.secret = issuer, client, secret
        context = ssl.create_default_context(cafile=ca) if ca else ssl.create_default_context()
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                                  urllib.request.HTTPSHandler(context=context))
        self.keys, self.lock = {}, threading.Lock()

    def fetch(self, path, form=None):
        data = urllib.parse.urlencode(form).encode() if form else None
        with self.opener.open(f'{self.issuer}/protocol/openid-connect/{path}', data, timeout=20) as answer:
            return json.load(answer)

    def key(self, kid):
        with self.lock:
            if kid not in self.keys:
                self.keys = {k['kid']: k for k in self.fetch('certs')['keys'] if k['kty'] == 'RSA'}
            if kid not in self.keys:
                raise Refused('key is not known')
            return self.keys[kid]

    def check(self, token):
        try:
            head, body, signature = token.split('.')
            header, claims = json.loads(unbase64(head)), json.loads(unbase64(body))
            signature = unbase64(signature)
        except ValueError:
            raise Refused('not a JWT') from None
        if header.get('alg') != 'RS256':
            raise Refused('algorithm')
        if not rs256_verifies(self.key(header.get('kid')), f'{head}.{body}'.encode(), signature):
            raise Refused('signature')
        audience = claims.get('aud')
        if claims.get('iss') != self.issuer:
            raise Refused('issuer')
        if self.client not in (audience if isinstance(audience, list) else [audience]):
            raise Refused('audience')
        if claims.get('exp', 0) <= time.time():
            raise Refused('expired')
        with contextlib.suppress(OSError):  # where Keycloak is away, what the token says itself has to do
            if not self.fetch('token/introspect', {'token': token, 'client_id': self.client,
                                                   'client_secret': self.secret}).get('active'):
                raise Refused('revoked')


def unbase64(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


# RFC 8017, 9.2: the DER that stands before a SHA-256 in a signature.
SHA256_DER = bytes.fromhex('3031300d060960864801650304020105000420')


def rs256_verifies(key, message, signature):
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.2), by building what the signature must open to."""
    n, e = (int.from_bytes(unbase64(key[name]), 'big') for name in 'ne')
    size = (n.bit_length() + 7) // 8
    tail = SHA256_DER + hashlib.sha256(message).digest()
    wanted = b'\0\1' + b'\xff' * (size - len(tail) - 3) + b'\0' + tail
    return len(signature) == size and pow(int.from_bytes(signature, 'big'), e, n).to_bytes(size, 'big') == wanted


class State:
    """What both ports share."""

    def __init__(self, data, tokens, form):
        self.data, self.tokens, self.form = data, tokens, form
        self.lock = threading.Lock()
        self.faults, self.requests, self.elsewhere = [], [], []
        self.open = self.open_most = self.bytes = self.clock = 0
        self.reset = threading.Event()

    def next_fault(self, application):
        with self.lock:
            fault = next((f for f in self.faults if str(f.get('application', application)) == application), None)
            if fault is None:
                return {}
            left = fault.get('times', 1)
            if left > 0:
                fault['times'] = left - 1
            if fault.get('times') == 0:
                self.faults.remove(fault)
            return dict(fault)

    def command(self, body):
        with self.lock:
            for one in body if isinstance(body, list) else [body]:
                if one.get('reset'):
                    self.faults.clear()
                    self.reset.set()
                    self.reset = threading.Event()
                elif 'clock' in one:
                    self.clock = one['clock']
                elif 'revise' in one:
                    self.data.revise_from, self.data.revision = one['revise']['from'], one['revise']['revision']
                else:
                    self.faults.append(dict(one))

    def report(self):
        with self.lock:
            return {'requests': self.requests, 'elsewhere': self.elsewhere, 'faults': self.faults, 'open': self.open,
                    'open_most': self.open_most, 'bytes': self.bytes}


class Cut(Exception):
    """The answer shall end here."""


class Sender:
    """A body in chunks, with what shall happen to it on the way."""

    def __init__(self, handler, fault):
        self.handler, self.fault = handler, fault
        self.sent, self.buffer = 0, bytearray()
        self.gzip = zlib.compressobj(1, wbits=31) if fault.get('gzip') else None
        self.began = time.monotonic()

    def write(self, data):
        self.buffer += self.gzip.compress(data) if self.gzip else data
        while len(self.buffer) >= CHUNK:
            self._send(self.buffer[:CHUNK])
            del self.buffer[:CHUNK]

    def end(self):
        if self.gzip:
            self.buffer += self.gzip.flush()
        if self.buffer:
            self._send(self.buffer)
        self.handler.wfile.write(b'0\r\n\r\n')

    def _send(self, data):
        for kind in 'cut_after', 'stall_after':
            left = self.fault.get(kind, self.sent + len(data)) - self.sent
            if left < len(data):
                if left > 0:
                    self._chunk(data[:left])
                raise Cut(kind)
        self._chunk(data)
        rate = self.fault.get('rate')
        if rate:
            self.handler.state.reset.wait(max(0, self.sent / rate - (time.monotonic() - self.began)))

    def _chunk(self, data):
        self.handler.wfile.write(b'%x\r\n%b\r\n' % (len(data), data))
        self.sent += len(data)
        self.handler.state.bytes += len(data)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version = 'watermelon'
    disable_nagle_algorithm = True
    state = None

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.state.clock)

    def simple(self, status, body, kind='application/json', **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if status != 204:
            self.send_header('Content-Type', kind)
            self.send_header('Content-Length', str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def note_elsewhere(self):
        with self.state.lock:
            self.state.elsewhere.append({'host': self.headers.get('Host'), 'token': 'Authorization' in self.headers})
        self.simple(200, {'elsewhere': True})


class Control(Handler):
    def do_GET(self):
        if self.path.startswith('/elsewhere'):
            self.note_elsewhere()
        else:
            self.simple(200, self.state.report())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        self.state.command(json.loads(body or '[]'))
        self.simple(200, self.state.report())


class Api(Handler):
    note = None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == '/elsewhere':
            return self.note_elsewhere()
        form = self.state.form
        if url.path != form['path']:
            return self.simple(404, {'error': 'no such path'})
        if not url.query and not self.headers.get('Authorization'):  # only looks what time it is
            return self.simple(401, {'error': 'no token'})
        self.note = {'query': dict(urllib.parse.parse_qsl(url.query)), 'at': time.time(), 'status': None, 'sent': 0,
                     'whole': False, 'agent': self.headers.get('User-Agent'),
                     'encoding': self.headers.get('Accept-Encoding')}
        with self.state.lock:
            self.state.requests.append(self.note)
            self.state.open += 1
            self.state.open_most = max(self.state.open_most, self.state.open)
        try:
            self.series(self.state.next_fault(self.note['query'].get(form['application'], '')))
        except OSError as error:  # the client went away
            self.note['error'] = str(error)
            self.close_connection = True
        finally:
            with self.state.lock:
                self.state.open -= 1
            print(json.dumps(self.note), flush=True)
        return None

    def refuse(self, status, text, **headers):
        self.note['status'], self.note['whole'] = status, True
        self.simple(status, {'error': text}, **headers)

    def series(self, fault):
        state = self.state
        if fault.get('delay'):
            state.reset.wait(fault['delay'])
        scheme, _, token = (self.headers.get('Authorization') or '').partition(' ')
        if token:
            self.note['token'] = hashlib.sha256(token.encode()).hexdigest()[:12]
        if 'redirect' in fault:
            return self.refuse(307, 'elsewhere', Location=fault['redirect'])
        if 'status' in fault:
            after = str(fault.get('retry_after', ''))
            headers = {}
            if after.startswith('date:'):
                headers['Retry_After'] = email.utils.formatdate(time.time() + float(after[5:]), usegmt=True)
            elif after:
                headers['Retry_After'] = after
            if fault['status'] == 401:
                headers['WWW_Authenticate'] = 'Bearer error="invalid_token"'
            return self.refuse(fault['status'], 'on command', **headers)
        try:
            name, _, value = fault.get('header', '').partition(': ')
            if name and self.headers.get(name) != value:
                raise Refused('no key')
            if not name and (scheme.lower() != 'bearer' or not token):
                raise Refused('no token')
            if state.tokens and not name:
                state.tokens.check(token)
        except Refused as refused:
            return self.refuse(401, str(refused), WWW_Authenticate=f'Bearer error="invalid_token", '
                               f'error_description="{refused}"')
        except OSError as error:
            return self.refuse(503, f'Keycloak: {error}')
        try:
            asked = self.asked(self.note['query'])
        except (KeyError, ValueError) as error:
            return self.refuse(400, f'bad request: {error}')
        return self.answer(fault, *asked)

    def asked(self, query):
        """(application, start, end, index) by the form; KeyError, ValueError: a bad request."""
        form = self.state.form

        def when(text):
            if form['time'] == 'rfc3339':
                return round(datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp() * 1000)
            return int(text) * (1000 if form['time'] == 's' else 1)

        app = int(query[form['application']]) if form['application'] else 31854
        start, end = when(query[form['start']]), when(query[form['end']])
        index = query[form['index']] if form['index'] else 'HOURLY'
        if query.get('range', '') != form['range'] or index not in ('HOURLY', 'DAILY') or start > end:
            raise ValueError('range, index or times')
        for name, value in form['headers'].items():
            if self.headers.get(name) != value:
                raise ValueError(f'header {name}')
        return app, start, end, index

    def answer(self, fault, app, start, end, index):
        data = self.state.data
        self.note['status'] = 200
        fault['gzip'] = fault.get('gzip') and 'gzip' in (self.headers.get('Accept-Encoding') or '')
        kind, body = SHAPES.get(fault.get('shape'), ('application/json', None))
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Transfer-Encoding', 'chunked')
        if fault['gzip']:
            self.send_header('Content-Encoding', 'gzip')
        for name, value in fault.get('headers', {}).items():
            self.send_header(name, value)
        self.end_headers()
        if 'huge' in fault:
            pieces = data.huge(app, fault['huge'], start, end, index)
        else:
            pieces = data.pieces(app, start, end, index, fault.get('limit'))
        if start <= fault.get('latin1', -1) < end:
            pieces = (p if n else p.replace(b':"', b':"caf\xe9 ', 1) for n, p in enumerate(pieces))
        sender = Sender(self, fault)
        try:
            if body is not None:
                sender.write(body)
            else:
                wrap = fault.get('wrap', self.state.form['wrap'])
                before, after = self.around(fault, wrap)
                sender.write(before + b'[')
                number = 0
                if 'long_series' in fault:
                    for part in data.long_series(app, fault['long_series'], end, index):
                        sender.write(part)
                else:
                    for number, piece in enumerate(map(self.renamed, pieces), 1):
                        sender.write(b',' + piece if number > 1 else piece)
                sender.write(b']' + (b',"count":%d' % number if wrap else b'') + after)
            sender.end()
            self.note['whole'] = True
        except Cut as cut:
            self.cut(str(cut), fault)
        finally:
            self.note['sent'] = sender.sent

    @staticmethod
    def around(fault, wrap):
        """What stands before and after the array; both empty where it is not in an object."""
        if not wrap:
            return b'', b''
        *outer, name = wrap.split('.')
        before = json.dumps(fault.get('before', {'status': 'OK', 'meta': {'pages': [1, 2]}}))[1:-1]
        after = json.dumps(fault.get('after', {}))[1:-1]
        before = '{' + ''.join(f'"{o}":{{' for o in outer) + before + (',' if before else '') + f'"{name}":'
        return before.encode(), ((',' if after else '') + after + '}' * (len(outer) + 1)).encode()

    def renamed(self, piece):
        for old, new in self.state.form['members'].items():
            piece = piece.replace(f'"{old}":'.encode(), f'"{new}":'.encode())
        return piece

    def cut(self, kind, fault):
        """Ends the connection, in one of the ways in which connections end."""
        self.close_connection = True
        if kind == 'stall_after':
            self.wfile.flush()
            self.state.reset.wait(600)
            return
        if fault.get('cut') == 'chunk':
            self.wfile.write(b'0\r\n\r\n')
            return
        raw = self.connection
        if fault.get('cut') == 'rst':
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            raw.close()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, handler, state, pem=None):
        self.context = None
        if pem:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(pem)
        super().__init__(('127.0.0.1', port), type(handler.__name__, (handler,), {'state': state}))

    def get_request(self):
        raw, address = super().get_request()
        if self.context:  # the hands are shaken by the connection's own thread
            raw = self.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        return raw, address

    def handle_error(self, request, client_address):
        """A client that does not trust us, or is gone: a line, not a stack."""
        print(json.dumps({'connection': str(sys.exc_info()[1])}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--port', type=int, required=True)
    parser.add_argument('--control-port', type=int, required=True)
    parser.add_argument('--tls', metavar='PEM', help='key and certificate; without: plain HTTP')
    parser.add_argument('--issuer', help='the realm that issues the tokens; without: any token is good')
    parser.add_argument('--ca', help='the authority of the issuer')
    parser.add_argument('--form', metavar='FILE', help='JSON: what differs from DEFAULT_FORM')
    parser.add_argument('--transactions', type=int, default=122)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    tokens = Tokens(args.issuer, args.ca) if args.issuer else None
    form = dict(DEFAULT_FORM)
    if args.form:
        with open(args.form, encoding='utf-8') as file:
            form.update(json.load(file))
    state = State(Data(args.transactions, args.seed), tokens, form)
    control = Server(args.control_port, Control, state)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    api = Server(args.port, Api, state, args.tls)
    print('listening', flush=True)
    try:
        api.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == '__main__':
    main()

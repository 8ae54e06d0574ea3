# SPDX-License-Identifier: Apache-2.0
"""An Iceberg REST catalogue and an S3 (tests/services/lake.sh), and what stands before them in this process: a proxy
that asks for OAuth2 tokens, refuses, cuts, loses and repeats."""
import base64
import contextlib
import http.client
import http.server
import json
import secrets
import subprocess
import threading
import time
import urllib.parse

from pipeline import SERVICES, free_port, script


class Services:
    def __init__(self, folder):
        self.folder, self.catalog_port, self.s3_port = folder, free_port(), free_port()
        script('lake.sh', 'start', folder, self.catalog_port, self.s3_port)
        self.keys = folder / 'keys'
        self.access, self.secret = self.keys.read_text(encoding='ascii').split()

    def session(self):
        """Temporary credentials: key, secret, token."""
        return subprocess.run([SERVICES / 'lake.sh', 'session', self.folder, str(self.s3_port)], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()

    def stop(self):
        script('lake.sh', 'stop', self.folder)


# What a proxy does with a request: passes it on; or answers by itself (status, headers, body);
PASS = None
CUT = 'cut'        # reads half of the body and closes
LOSE = 'lose'      # passes it on, and closes without an answer
HALVE = 'halve'    # passes it on, and sends half of the answer
REPEAT = 'repeat'  # passes it on twice, and answers what the second was answered


class Front:
    """Between chsinkd and one of them. `fault`: a function (method, path) -> one of the above."""

    def __init__(self, target, tokens=None):
        self.target, self.tokens, self.port = target, tokens, free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.fault = lambda method, path: PASS
        self.seen = lambda headers: None
        self.vendor = None
        self.down = False
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            timeout = 30

            def handle_one_request(self):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    super().handle_one_request()
                    return
                self.close_connection = True

            def answer(self):
                front.answer(self)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

        self.handler = Handler
        self.server = None
        self.start()

    def start(self):
        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', self.port), self.handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.down = False
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self):
        """Connections are refused from now on; those that are kept end at the next request."""
        self.down = True
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        if self.down:
            request.close_connection = True
            return
        length = int(request.headers.get('Content-Length', 0))
        fault = self.fault(request.command, request.path)
        self.seen(request.headers)
        if fault == CUT:
            request.rfile.read(length // 2)
            request.close_connection = True
            return
        body = request.rfile.read(length)
        own = fault if isinstance(fault, tuple) else self.tokens and self.tokens.answer(request, body)
        status, headers, text = own or self.ask(request, body)
        if self.vendor and status == 200:
            text = self.vendor.add(request, text)
        if fault == REPEAT:
            status, headers, text = self.ask(request, body)
        if fault == LOSE:
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header('Content-Length', str(len(text)))
        request.end_headers()
        if request.command != 'HEAD':
            request.wfile.write(text[:len(text) // 2] if fault == HALVE else text)
        request.close_connection = fault == HALVE

    def ask(self, request, body):
        connection = http.client.HTTPConnection('127.0.0.1', self.target, timeout=60)
        try:
            connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():  # Host, too: it is signed
                if name.lower() != 'connection' and not (self.tokens and name.lower() == 'authorization'):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            kept = {k: v for k, v in answer.getheaders()
                    if k.lower() not in ('content-length', 'transfer-encoding', 'connection', 'keep-alive')}
            return answer.status, kept, answer.read()
        finally:
            connection.close()


def error(status, kind, message, **headers):
    text = json.dumps({'error': {'message': message, 'type': kind, 'code': status}}).encode()
    return status, {'Content-Type': 'application/json', **headers}, text


class Tokens:
    """The catalogue's own token endpoint for one client, by client credentials; all else needs a token."""

    def __init__(self, seconds=3600):
        self.client, self.secret, self.seconds = 'chsinkd', secrets.token_hex(16), seconds
        self.good = {}
        self.granted = self.refused = 0

    def revoke(self):
        self.good.clear()

    def answer(self, request, body):
        """None: the request is passed on."""
        if urllib.parse.urlsplit(request.path).path == '/v1/oauth/tokens':
            return self.grant(request, body)
        token = request.headers.get('Authorization', '').removeprefix('Bearer ')
        if self.good.get(token, 0) > time.monotonic():
            return None
        self.refused += 1
        return error(401, 'NotAuthorizedException', f'Not a token: {token}')

    def grant(self, request, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        basic = request.headers.get('Authorization', '').removeprefix('Basic ')
        client = base64.b64decode(basic).decode() if basic else f'{form.get("client_id")}:{form.get("client_secret")}'
        if client != f'{self.client}:{self.secret}' or form.get('grant_type') != 'client_credentials':
            return 401, {'Content-Type': 'application/json'}, b'{"error": "invalid_client"}'
        token = secrets.token_hex(20)
        self.good[token] = time.monotonic() + self.seconds
        self.granted += 1
        text = json.dumps({'access_token': token, 'token_type': 'bearer', 'expires_in': self.seconds}).encode()
        return 200, {'Content-Type': 'application/json'}, text


class Vendor:
    """Adds to a table that the catalogue gives out, where it is asked to, credentials for its files: the next of
    `sessions` (an iterator). Apache's server of the tests gives out none that end, and its own keys whether it is asked
    or not: so this is done here."""

    def __init__(self, sessions, endpoint):
        self.sessions, self.endpoint, self.asked = sessions, endpoint, 0

    def add(self, request, text):
        found = json.loads(text) if '/tables' in request.path else {}
        if 'metadata' not in found or request.headers.get('X-Iceberg-Access-Delegation') != 'vended-credentials':
            return text
        self.asked += 1
        access, secret, token, seconds = next(self.sessions)
        location = found['metadata']['location']
        found.setdefault('config', {}).update({'s3.endpoint': self.endpoint, 's3.path-style-access': 'true'})
        found['storage-credentials'] = [
            {'prefix': 's3://', 'config': {'s3.access-key-id': 'WRONG', 's3.secret-access-key': 'WRONG'}},
            {'prefix': location, 'config': {
                's3.access-key-id': access, 's3.secret-access-key': secret, 's3.session-token': token,
                's3.session-token-expires-at-ms': str(int((time.time() + seconds) * 1000)), 'client.region': 'us-east-1'}}]
        return json.dumps(found).encode()


def kill_at_random(rng, sinks, kills, feed, loaded):
    """kill -9 now this, now that one while they load what `feed` gives (it returns how many messages). `loaded`: how
    many messages the newest snapshot's positions say and how many rows the table has then, which must agree. Returns
    how many kills there were before all was loaded, and how many messages."""
    given = within = 0
    for sink in sinks:
        sink.start()
    for _ in range(kills):
        given += feed()
        time.sleep(rng.uniform(0.1, 1.5))
        victim = rng.choice(sinks)
        victim.kill()
        positions, rows = loaded()
        assert positions == rows, f'the positions say {positions} messages, the table has {rows} rows'
        within += rows < given
        victim.start(timeout=0)
    return within, given

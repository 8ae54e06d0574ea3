# SPDX-License-Identifier: Apache-2.0
"""The unit tests that need a real ClickHouse (without one they count as skipped in `make check`), and a proxy before
it that answers for it."""
import contextlib
import http.server
import json
import os
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from pipeline import BUILD, events, make_events, wait_until, without_lone_surrogates


@pytest.mark.parametrize('program', ['check_clickhouse', 'check_output_origin', 'check_output_real',
                                     'check_table'])
def test_unit(clickhouse, program):
    done = subprocess.run([BUILD / 'unit' / 'chsinkd' / program], env={**os.environ, 'CLICKHOUSE': clickhouse.url},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0 and 'skipped' not in done.stdout, done.stdout


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on to ClickHouse; while `sorry`, it answers inserts of rows with a page of its own and 200."""
    daemon_threads = True

    def __init__(self, target):
        super().__init__(('127.0.0.1', 0), ProxyHandler)
        self.target, self.sorry, self.pages = target, False, 0
        self.url = f'http://127.0.0.1:{self.server_address[1]}'


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        if self.server.sorry and 'query=INSERT' in self.path and body:
            self.server.pages += 1
            self._answer(200, [('Content-Type', 'text/html')], b'<h1>Sorry, we are down for maintenance</h1>')
            return
        names = ('X-ClickHouse-User', 'X-ClickHouse-Key', 'Content-Type')
        request = urllib.request.Request(self.server.target + self.path, data=body,
                                         headers={name: self.headers[name] for name in names})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self._answer(answer.status, answer.headers.items(), answer.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.headers.items(), error.read())

    def _answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            if name.startswith('X-ClickHouse') or name == 'Content-Type':
                self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def proxy(target):
    with Proxy(target) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_proxys_page_is_no_insert(pipeline):
    """Status 200 alone is not ClickHouse's word: the rows are inserted once it answers itself."""
    p = pipeline
    good = list(events(without_lone_surrogates(make_events(p.folder / 'events.jsonl', 200))))
    p.kafka.create(p.topic)
    p.kafka.produce(p.topic, [(b'', json.dumps(event).encode()) for event in good])
    with proxy(p.clickhouse.url) as server:
        server.sorry = True
        sink = p.chsinkd(clickhouse={'urls': [server.url]}).start()
        wait_until(lambda: server.pages >= 2, 60, 'inserts that the proxy answers')
        assert 'no X-ClickHouse-Query-Id' in sink.text() and 'Sorry, we are down' in sink.text()
        assert p.rows() == 0
        server.sorry = False
        wait_until(lambda: p.rows() >= len(good), 60, 'the rows')
        assert sink.terminate()[0] == 0
    assert p.rows() == len(good) and p.distinct() == len({event['meta']['id'] for event in good})

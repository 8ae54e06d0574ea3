#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka, then ClickHouse, is away for ten minutes while everything comes in at full rate.

usage: away.py [kafka] [clickhouse]      (both, one after the other)

All three daemons run. The server is killed, stays away for AWAY_SECONDS (600), and comes back. Then:
memory did not grow once the buffers were full; each event and each hour is there, once; and each daemon that needs the
server has said when it began to miss it, again now and then, and, when it was over, how long it took.
Environment: AWAY_SECONDS, AWAY_RATE (500 events a second), BUILD.
"""
import contextlib
import datetime
import os
import pathlib
import re
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
# pylint: disable=wrong-import-position
from helpers import metrics
from pipeline import ClickHouse, Kafka, events, free_port, make_events, wait_until
from test_exactly_once import assert_once, ids_in_table, ids_in_topic
from wm import APP, Api, WmPipeline, expected_rows, watermelon

SECONDS = int(os.environ.get('AWAY_SECONDS', '600'))
RATE = int(os.environ.get('AWAY_RATE', '500'))
WARM_S = 15  # before
HOUR_MS = watermelon.HOUR_MS
TRANSACTIONS, WINDOW_DELAY_S = 4, 0.25
# Who needs it.
MISSED_BY = {'kafka': ('wikisrcd', 'wmfetchd', 'chsinkd'), 'clickhouse': ('chsinkd',)}
# The words of the lines: that it is away (the first and each reminder), and that it is back, with how long it was.
AWAY = {'kafka': r'WARN .*Kafka does not answer', 'clickhouse': r'WARN .*(insert|question) failed'}
BACK = {'kafka': r'Kafka answers again.*\bseconds=', 'clickhouse': r'the output answers again.*\bseconds='}
GROWS_BYTES = 16 << 20
RESTARTED = {1, 69}  # by systemd (units/*.service)


class Care(threading.Thread):
    """Starts daemons again as systemd would, and notes their resident bytes, each second."""

    def __init__(self, processes):
        super().__init__(daemon=True)
        self.processes = processes
        self.samples = {p.name: [] for p in processes}  # (seconds, bytes)
        self.restarts = {p.name: 0 for p in processes}
        self.failed = ''
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(1):
            for p in self.processes:
                status = p.process.poll()
                if status is None:
                    with contextlib.suppress(OSError, IndexError):  # it may end meanwhile
                        pages = pathlib.Path(f'/proc/{p.process.pid}/statm').read_text(encoding='ascii').split()[1]
                        self.samples[p.name].append((time.monotonic(), int(pages) * os.sysconf('SC_PAGE_SIZE')))
                elif status in RESTARTED:
                    self.restarts[p.name] += 1
                    p.start(timeout=0)
                else:
                    self.failed = f'{p.name} has ended with {status}'

    def most(self, name, since, until):
        return max((size for at, size in self.samples[name] if since <= at <= until), default=0)


class Hours:
    """The API's hours, and what must come of them."""

    def __init__(self, p, seconds):
        self.p, self.data = p, watermelon.Data(TRANSACTIONS)
        windows = int(seconds / WINDOW_DELAY_S)
        self.start_ms = (int(time.time() * 1000) // HOUR_MS - windows) * HOUR_MS
        self.end_ms = self.start_ms + (windows - 2) * HOUR_MS
        self.api = Api(p.folder, None, '--transactions', TRANSACTIONS)
        p.processes.append(self.api)
        self.api.control({'delay': WINDOW_DELAY_S, 'times': -1})

    def rows(self):
        begin, end, answer = self.start_ms, self.p.position(), []
        for begin in range(self.start_ms, end, HOUR_MS):
            answer += self.data.answer(APP, begin, begin + HOUR_MS)
        return expected_rows(answer)


@contextlib.contextmanager
def taken(port):
    """Nobody else may listen there meanwhile: connections are refused."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def bound():  # a killed server's threads may hold it a moment longer
            with contextlib.suppress(OSError):
                s.bind(('127.0.0.1', port))
                return True
            return False

        wait_until(bound, 20, f'port {port}')
        yield


def megabytes(size):
    return f'{size / (1 << 20):.0f}'


def time_of(line):
    """When a line of a daemon's log was written."""
    return datetime.datetime.fromisoformat(line.split(' ')[0].replace('Z', '+00:00')).timestamp()


def start(p, folder, edits, server):
    file = make_events(folder / 'events.jsonl', (2 * WARM_S + SECONDS) * RATE, '--seed', 1, '--rate', 300, '--shared-ms', 30)
    p.wanted = [event['meta']['id'] for event in events(file)]
    p.replay = edits.replay(file, '--rate', RATE, '--from-start', '--max-connections', 10)
    # While Kafka is away no hour is fetched.
    p.hours = Hours(p, WARM_S + (WARM_S if server == 'kafka' else SECONDS))
    p.kafka.create(edits.topic, 4)
    p.ports = {name: free_port() for name in MISSED_BY['kafka']}
    listen = {name: {'listen': f'127.0.0.1:{port}'} for name, port in p.ports.items()}
    p.daemons = [
        edits.wikisrcd(p.replay.url, source={'start': '2000-01-01T00:00:00Z'}, metrics=listen['wikisrcd']),
        edits._daemon('wmfetchd', 'wmfetchd', {  # pylint: disable=protected-access
            'api': {'url': p.hours.api.url, 'applications': [APP]},
            'auth': {'method': 'bearer', 'bearer': p.secret('bearer', 'a-token')},
            'window': {'start': str(p.hours.start_ms), 'size': '1h', 'delay': '0s', 'overlap': '0s'},
            'kafka': {'bootstrap.servers': p.kafka.servers}, 'topic': p.topic, 'position_topic': p.positions,
            'metrics': listen['wmfetchd']}, ()),
        edits.chsinkd(routes=[str(edits.route()), str(p.route())], metrics=listen['chsinkd'])]
    for process in p.daemons:
        process.start()


def lag(p):
    return sum(v for k, v in metrics(p.ports['chsinkd']).items() if k.startswith('chsinkd_lag_messages'))


def said(process, began_s, server):
    """The lines of its log since then that are about the server: (away, back)"""
    lines = [line for line in process.text().splitlines() if re.match(r'\d{4}-', line) and time_of(line) >= began_s]
    return ([line for line in lines if re.search(AWAY[server], line)],
            [line for line in lines if re.search(BACK[server], line)])


def check_log(process, began_s, server):
    away, back = said(process, began_s, server)
    print(f'{process.name}: {len(away)} lines while away, {len(back)} at the end')
    for line in away + back:
        print(f'    {line[:230]}')
    faults, tables = [], 2 if server == 'clickhouse' else 1  # a line for each
    if not away or time_of(away[0]) - began_s > 60:
        faults.append(f'{process.name} has not said within a minute that {server} is away')
    if SECONDS >= 150 and len(away) < 2:
        faults.append(f'{process.name} has not reminded of it')
    if len(away) > 5 * tables:
        faults.append(f'{process.name} has said it {len(away)} times')
    if len(back) != tables:
        faults.append(f'{process.name} has said {len(back)} times that it is over')
    return faults


def run(server, folder):
    kafka, clickhouse = Kafka(folder / 'kafka'), ClickHouse(folder / 'clickhouse')
    p, edits = WmPipeline(folder, kafka, clickhouse), WmPipeline.__mro__[1](folder, kafka, clickhouse)
    p.processes = edits.processes
    try:
        start(p, folder, edits, server)
        wait_until(lambda: edits.rows() > RATE and p.rows() > 0, 60, 'first rows')
        care = Care(p.daemons)
        care.start()
        time.sleep(WARM_S)
        service = {'kafka': kafka, 'clickhouse': clickhouse}[server]
        began, began_s = time.monotonic(), time.time()
        service.kill()
        print(f'\n== {server} is away for {SECONDS} s, {RATE} events/s', flush=True)
        with taken(service.port):
            time.sleep(SECONDS)
        back = time.monotonic()
        service.start()
        wait_until(lambda: p.replay.control()['head'] >= len(p.wanted), SECONDS + 120, 'all played', 1)
        # A range announced long ago: its table is asked when no insert can be on its way any more (clickhouse.timeout).
        wait_until(lambda: edits.rows() >= len(p.wanted), 600, 'all rows', 1)
        wait_until(lambda: p.position() >= p.hours.end_ms, SECONDS + 300, 'all hours', 1)
        wait_until(lambda: lag(p) == 0, 120, 'lag 0', 1)
        print(f'caught up {time.monotonic() - back:.0f} s after it was back (the input goes on for '
              f'{max(0, 2 * WARM_S)} s)')
        ended = time.monotonic()
        care.ended.set()
        care.join()
        assert not care.failed, care.failed
        assert_once(p.wanted, ids_in_topic(edits), 'topic')
        assert_once(p.wanted, ids_in_table(edits), 'table')
        wanted, found = p.hours.rows(), p.table_rows()
        assert wanted.keys() == found.keys(), f'hours: {len(wanted)} rows wanted, {len(found)} found'
        print(f'{len(p.wanted)} events and {len(wanted)} rows of hours, each once; resident MB:')
        faults = []
        for process in p.daemons:
            half = began + SECONDS / 2
            values = [care.most(process.name, *span) for span in
                      ((0, began), (began, half), (half, back), (back, ended))]
            print(f'    {process.name:9} before {megabytes(values[0])}, first half {megabytes(values[1])}, '
                  f'second half {megabytes(values[2])}, afterwards {megabytes(values[3])}')
            if care.restarts[process.name]:
                print(f'    {process.name:9} was started again {care.restarts[process.name]} times')
            if values[2] > values[1] + GROWS_BYTES:
                faults.append(f'{process.name} has grown while {server} was away')
        for process in p.daemons:
            if process.name in MISSED_BY[server]:
                faults += check_log(process, began_s, server)
        for process in p.daemons:
            status = process.terminate(30)[0]
            if status != 0:
                faults.append(f'{process.name} ended with {status}')
        return faults
    finally:
        for process in p.processes:
            process.close()
        kafka.stop()
        clickhouse.stop()


def main():
    faults = []
    for server in sys.argv[1:] or ('kafka', 'clickhouse'):
        folder = pathlib.Path(tempfile.mkdtemp(prefix='away-'))
        faults += run(server, folder)
        if os.environ.get('KEEP_E2E'):
            print(f'kept: {folder}')
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for fault in faults:
        print(f'FAULT: {fault}')
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main()

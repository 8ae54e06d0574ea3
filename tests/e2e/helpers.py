# SPDX-License-Identifier: Apache-2.0
"""What the tests of errors, modes, service and source share: how a daemon ends, TLS, its metrics."""
import contextlib
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import confluent_kafka

from pipeline import SERVICES, Process, free_port, script, wait_until

CONFIG, UNAVAILABLE, USAGE = 78, 69, 64  # sysexits.h
FENCED = 150  # lib/base/err.h


def run_to_end(process, seconds=20):
    """Starts it and waits for its own end; (status, what it wrote)."""
    began = len(process.text())
    process.start(timeout=0)
    return its_end(process, seconds, began)


def its_end(process, seconds=20, began=0):
    """For one that was started already; `began`: where its text in the log file begins."""
    try:
        process.process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise AssertionError(f'{process.name} did not end by itself in {seconds} s:\n{process.tail()}') from None
    return process.process.returncode, process.text()[began:]


def error_lines(text):
    return [line for line in text.splitlines() if re.match(r'\S+ ERROR ', line)]


def assert_ends(end, status, *words, errors=1, hidden=()):
    """The status, exactly so many ERROR lines, all words in them, none of `hidden` anywhere."""
    found, text = end
    lines = error_lines(text)
    assert found == status, f'exit status {found}, not {status}:\n{text}'
    assert len(lines) == errors, f'{len(lines)} ERROR lines, not {errors}:\n{text}'
    missing = [w for w in words if w not in '\n'.join(lines)]
    assert not missing, f'{missing} not in:\n' + '\n'.join(lines)
    for secret in hidden:
        assert secret not in text, f'{secret} stands in:\n{text}'


class TlsProxy(Process):
    """TLS in front of a plain port."""

    def __init__(self, folder, target_port, pem, name='tls-proxy', port=None):
        self.port = port or free_port()
        super().__init__(name, [sys.executable, '-u', SERVICES / 'tls-proxy.py', self.port, target_port, pem], folder)
        began = len(self.text())
        self.start()
        wait_until(lambda: 'listening' in self.text()[began:], 20, 'the TLS proxy listens')


def make_pki(folder):
    script('pki.sh', folder)
    return folder


@contextlib.contextmanager
def silent_server():
    """A port that takes connections and never says anything."""
    with socket.create_server(('127.0.0.1', 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def http_get(port, path):
    """(status, body)"""
    try:
        with urllib.request.urlopen(f'http://127.0.0.1:{port}{path}', timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$')


def metrics(port):
    """The exposition as a dict from 'name{labels}' to value; what is not of the format is an error."""
    status, text = http_get(port, '/metrics')
    assert status == 200, text
    assert text.endswith('\n')
    values, types = {}, {}
    for line in text.splitlines():
        if line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            assert name not in types, f'{name} has two types'
            assert kind in ('counter', 'gauge', 'histogram'), line
            types[name] = kind
        elif line.startswith('# HELP '):
            assert len(line.split(' ', 3)) == 4, line
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f'no sample: {line!r}'
            name, labels, value = match.groups()
            family = name if name in types else re.sub(r'_(bucket|sum|count)$', '', name)
            assert family in types, f'{name} has no TYPE before it'
            assert name + (labels or '') not in values, f'{line} twice'
            values[name + (labels or '')] = float(value)
    for name, kind in types.items():
        if kind == 'histogram':
            assert values[f'{name}_bucket{{le="+Inf"}}'] == values[f'{name}_count'], name
            buckets = [v for k, v in values.items() if k.startswith(f'{name}_bucket')]
            assert buckets == sorted(buckets), f'{name} is not cumulative'
        if kind == 'counter':
            assert name.endswith('_total'), name
    return values


def take(p, transactional_id):
    """What a coordinator does that ends a transaction for its age: the id's epoch moves on, and nobody has it."""
    confluent_kafka.Producer({'bootstrap.servers': p.kafka.servers,
                              'transactional.id': transactional_id}).init_transactions(60)


def begun(pid):
    """How the records of positions name that process."""
    return rf'\S+ pid {pid} since 20'


def one_lives(both):
    """Starts both in the same moment and restarts them as systemd would."""
    pids = {process: [] for process in both}

    def start(process):
        process.start(timeout=0)
        pids[process].append(process.process.pid)

    for process in both:
        start(process)
    down = set()

    def one_is_down():
        for process in both:
            status = process.process.poll()
            if status == FENCED:
                down.add(process)
            elif status is not None and process not in down:
                assert status == 1, f'{status}: {process.tail()}'
                start(process)
        return down

    wait_until(one_is_down, 180, 'one to stay down')
    assert len(down) == 1, 'both stay down'
    alive, = set(both) - down
    dead, = down
    # It may have been restarted since.
    assert any(re.search(rf'it is {begun(pid)}', dead.text()) for pid in pids[alive]), dead.tail()
    return alive, dead

# SPDX-License-Identifier: Apache-2.0
"""The daemons at the live rate, with their default configuration; and how soon they are ready after a start."""
import os
import statistics
import time

from measure import cpu_of, memory_of
from pipeline import make_events, without_lone_surrogates, write_whole
from report import Line
from stage import HERE
from turns import say

SECONDS = int(os.environ.get('LIVE_SECONDS', '600'))
RATE = 33
STARTS = 10
# When the replay server sent it (it writes meta.dt anew, --restamp), and when the table's server took the row.
DELAY_COLUMNS = """
  - {name: sent, type: "DateTime64(3, 'UTC')", path: $.meta.dt, missing: reject}
  - {name: inserted, type: "DateTime64(6, 'UTC')", expression: "now64(6)"}
engine: MergeTree"""
DELAYS = ('SELECT count(), {}(toUnixTimestamp64Micro(inserted) / 1000 - toUnixTimestamp64Milli(sent)) FROM {} '
          'WHERE sent >= fromUnixTimestamp64Milli(toInt64({}))')


def route(p):
    text = (HERE / 'edits.yaml').read_text().replace('TOPIC', p.topic).replace('TABLE', p.table)
    return write_whole(p.folder / f'{p.table}.yaml', text.replace('\nengine: MergeTree', DELAY_COLUMNS))


def file_of(p):
    return without_lone_surrogates(make_events(p.folder / 'live.jsonl', 20000, '--seed', 1, '--rate', RATE))


def run(world, results):
    p, title = world.p, f'live: {RATE} events/s'
    replay = p.replay(file_of(p), '--rate', RATE, '--restamp', '--loop')
    daemons = {'wikisrcd': p.wikisrcd(replay.url).start(), 'chsinkd': p.chsinkd(route=route(p)).start()}
    time.sleep(min(10, SECONDS))  # the start is not what is measured
    began, since = time.monotonic(), time.time() * 1000
    before = {name: cpu_of(daemon.process.pid) for name, daemon in daemons.items()}
    say(f'{title}: {SECONDS} s')
    time.sleep(SECONDS)
    for name, daemon in daemons.items():
        assert daemon.running(), daemon.tail()
        pid, took = daemon.process.pid, time.monotonic() - began
        values = {'cpu_percent': round((cpu_of(pid) - before[name]) / took * 100, 2),
                  'rss_mb': round(memory_of(pid, 'VmRSS'), 1), 'peak_mb': round(memory_of(pid), 1)}
        say(f'  {name}: {values}')
        results.append(Line(title, name, values))
    time.sleep(3)
    values = {}
    for key, how in (('p50_ms', 'quantileExact(0.5)'), ('p99_ms', 'quantileExact(0.99)'), ('max_ms', 'max')):
        rows, values[key] = p.clickhouse.rows(DELAYS.format(how, p.table, int(since)))[0]
    say(f'  event to row, {rows} rows: {values}')
    wrong = '' if int(rows) >= RATE * SECONDS * 0.95 else f'{rows} rows in {SECONDS} s'
    results.append(Line(title, 'event to row', {key: round(value, 1) for key, value in values.items()}, None, wrong))


def start(world, results):
    """From exec to READY=1, with peers that answer; the median."""
    p = world.p
    replay, api = p.replay(file_of(p), '--rate', RATE, '--restamp', '--loop'), p.api()
    p.table = f'start_{p.tag}'
    daemons = {'wikisrcd': p.wikisrcd(replay.url),
               'wmfetchd': p.wmfetchd(api, window={'start': str(int(time.time() * 1000) // 3600000 * 3600000)}),
               'chsinkd': p.chsinkd(route=route(p))}
    for name, daemon in daemons.items():
        took = []
        for _ in range(STARTS + 1):
            daemon.start(timeout=0)
            began = time.monotonic()
            while 'READY=1' not in daemon.messages:
                assert daemon.running() and time.monotonic() - began < 60, daemon.tail()
                time.sleep(0.0005)
            took.append((time.monotonic() - began) * 1000)
            daemon.terminate(20)
        # The first makes its topics and tables.
        values = {'start_ms': round(statistics.median(took[1:]), 1)}
        say(f'start of {name}: {values}, the first {took[0]:.1f}')
        results.append(Line('start', name, values))

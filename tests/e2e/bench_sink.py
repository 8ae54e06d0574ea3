# SPDX-License-Identifier: Apache-2.0
"""How fast chsinkd loads a topic, and with how much memory: `make bench`. Not a test: pytest collects it only by name.

BASE=DIR: another build, whose chsinkd takes turns with this one's; the ratio is what counts on a noisy machine.
"""
import os
import re
import statistics
import time
from pathlib import Path

import pipeline as parts
from pipeline import make_events, without_lone_surrogates

EVENTS = int(os.environ.get('EVENTS', '400000'))
RUNS = int(os.environ.get('RUNS', '3'))
BUILDS = {'this': parts.BUILD, **({'base': Path(os.environ['BASE'])} if 'BASE' in os.environ else {})}


def filled(p, partitions, count=EVENTS):
    p.kafka.create(p.topic, partitions)
    file = without_lone_surrogates(make_events(p.folder / 'events.jsonl', 20000, '--seed', 1))
    lines = [line.encode() for line in file.read_text(encoding='utf-8').split('\n') if line]
    p.kafka.produce(p.topic, [(str(i).encode(), lines[i % len(lines)]) for i in range(count)])


def watched(process):
    """Seconds, peak kB and CPU seconds of a process to its end."""
    process.start(timeout=0)
    pid, peak, ticks, began = process.process.pid, 0, 0, time.monotonic()
    while process.process.poll() is None:
        assert time.monotonic() - began < 600, process.tail()
        try:
            status = Path(f'/proc/{pid}/status').read_text(encoding='ascii')
            peak = max([peak] + [int(n) for n in re.findall(r'VmHWM:\s+(\d+)', status)])
            fields = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rsplit(')', 1)[1].split()
            ticks = max(ticks, int(fields[11]) + int(fields[12]))
        except (OSError, IndexError):
            pass
        time.sleep(0.02)
    took = time.monotonic() - began
    assert process.process.returncode == 0, process.tail()
    return took, peak, ticks / os.sysconf('SC_CLK_TCK')


def run(p, build, number):
    """One load into an empty table."""
    name = f'load{number}'
    conf = p.chsinkd(name, args=['--once'], kafka={'group.id': f'{p.tag}-{number}', 'queued.min.messages': '300000'})
    conf.args[0] = build / 'chsinkd'
    figures = watched(conf)
    assert p.rows() == EVENTS, (p.rows(), EVENTS)
    p.clickhouse.query(f'TRUNCATE TABLE {p.table}')
    return figures


def bench(p, partitions):
    filled(p, partitions)
    runs = {name: [] for name in BUILDS}
    for i in range(RUNS):
        for name, build in BUILDS.items():
            runs[name].append(run(p, build, f'{i}{name}'))
    medians = {}
    for name, found in runs.items():
        took, peak, cpu = (statistics.median(column) for column in zip(*found))
        medians[name] = took
        print(f'\nchsinkd ({name}), {partitions} partitions: {EVENTS} events in {took:.2f} s, {EVENTS / took:.0f} rows/s, '
              f'{cpu:.2f} CPU s, peak {peak} kB')
    if 'base' in medians:
        print(f'rows/s of this to base: {medians["base"] / medians["this"]:.2f}')


def test_one_partition(pipeline):
    bench(pipeline, 1)


def test_four_partitions(pipeline):
    bench(pipeline, 4)

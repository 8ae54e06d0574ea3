# SPDX-License-Identifier: Apache-2.0
"""Loaders side by side on this machine: `make bench`. See tests/run/bench.sh for what chooses parts and sizes."""
import contextlib
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'e2e'))

from pipeline import BUILD, ClickHouse, Kafka, Pipeline, make_events, without_lone_surrogates

import loaders
import report
from measure import median
from stage import HERE, Stage, World

RUNS = int(os.environ.get('RUNS', '3'))
EVENTS = int(os.environ.get('EVENTS', '1000000'))
DISTINCT = 200000  # then they begin again


def say(text):
    print(text, flush=True)


def alternate(stage, ways, results):
    """All of them RUNS times in turn; the medians and what is wrong go into results."""
    runs, sums, wrong = {name: [] for name in ways}, {}, {}
    for number in range(-1, RUNS):
        for name, (load, compared) in ways.items():
            if name in wrong or (number < 0 and not compared):
                continue
            table = stage.table()
            try:
                seen = load(stage, table)
                figures = seen.figures(stage.rows) if hasattr(seen, 'figures') else seen
                if compared:
                    sums.setdefault(name, set()).add(tuple(stage.checksum(table)))
                if number >= 0:
                    runs[name].append(figures)
                    say(f'  {name}: {figures.as_dict()}')
            except AssertionError as error:
                wrong[name] = str(error).strip() or traceback.format_exc(limit=2)
                say(f'  {name} FAILED: {wrong[name]}')
            stage.drop(table)
            stage.world.quiet()
            if number < 0:
                break  # one unmeasured load warms the broker's and the server's caches
    first = next(iter(sums), None)
    for name in ways:
        same = None
        if name in sums:
            same = len(sums[name]) == 1 and sums[name] == sums[first]
        results.append(report.Line(stage.title, name, median(runs[name]) if runs[name] else None, same,
                                   wrong.get(name) or ('' if same is not False else f'rows: {sums[name]}')))


def edits(world, results):
    """recentchange events into 17 columns."""
    file = without_lone_surrogates(make_events(world.p.folder / 'events.jsonl', min(EVENTS, DISTINCT), '--seed', 1))
    lines = [line.encode() for line in file.read_text(encoding='utf-8').split('\n') if line]
    for partitions in map(int, os.environ.get('PARTITIONS', '1,4').split(',')):
        stage = Stage(world, 'edits', (HERE / 'edits.yaml').read_text(), partitions, EVENTS)
        stage.title, stage.file = f'recentchange, 17 columns, {partitions} partition{"s" * (partitions > 1)}', file
        say(f'{stage.title}: {EVENTS} events')
        stage.fill((str(i).encode(), lines[i % len(lines)]) for i in range(EVENTS))
        alternate(stage, loaders.chosen(stage), results)
        stage.close()


PARTS = {'chsinkd': edits}


def main():
    wanted = os.environ.get('BENCH', ','.join(PARTS)).split(',')
    strange = [name for name in wanted if name not in PARTS]
    if strange:
        sys.exit(f'BENCH={strange[0]}: must be of {", ".join(PARTS)}')
    folder = Path(tempfile.mkdtemp(prefix='bench-'))
    results = []
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        kafka = Kafka(folder / 'kafka')
        stack.callback(kafka.stop)
        clickhouse = ClickHouse(folder / 'clickhouse')
        stack.callback(clickhouse.stop)
        pipeline = Pipeline(folder, kafka, clickhouse)
        stack.callback(pipeline.close)
        for name in wanted:
            PARTS[name](World(pipeline), results)
    report.write(results, BUILD / 'bench')
    return 1 if any(line.wrong for line in results) else 0


if __name__ == '__main__':
    sys.exit(main())

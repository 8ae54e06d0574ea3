# SPDX-License-Identifier: Apache-2.0
"""recentchange events into ClickHouse: 17 columns, all loaders; and how chsinkd's cost grows with them (scale)."""
import os

import loaders
from measure import watch
from pipeline import BUILD, make_events, without_lone_surrogates
from stage import HERE, Stage
from turns import alternate

EVENTS = int(os.environ.get('EVENTS', '1000000'))
SCALE_EVENTS = int(os.environ.get('SCALE_EVENTS', '10000000'))
DISTINCT = 199999  # then they begin again; a prime: no insert has the same rows as one before, which would be left out


def file_of(world, count):
    return without_lone_surrogates(make_events(world.p.folder / 'events.jsonl', min(count, DISTINCT), '--seed', 1))


def stage_of(world, partitions, count):
    file = file_of(world, count)
    lines = [line.encode() for line in file.read_text(encoding='utf-8').split('\n') if line]
    stage = Stage(world, 'edits', (HERE / 'edits.yaml').read_text(), partitions, count)
    stage.file = file
    return stage.fill((str(i).encode(), lines[i % len(lines)]) for i in range(count))


def run(world, results):
    for partitions in map(int, os.environ.get('PARTITIONS', '1,4').split(',')):
        stage = stage_of(world, partitions, EVENTS)
        title = f'recentchange, 17 columns, {partitions} partition{"s" * (partitions > 1)}'
        alternate(title, stage.ways(loaders.chosen(stage)), results, world.quiet)
        stage.close()


def together(instances):
    """So many of one group at once."""
    def load(stage, table):
        each = [stage.chsinkd(table, BUILD, name=f'{table}-{i}') for i in range(instances)]
        args = ' & '.join(' '.join(process.args) for process in each) + ' & wait'
        return watch(stage.p.process(table, ['/bin/sh', '-c', args]), stage.world.servers, timeout=3000)
    return load


def scale(world, results):
    """The first is what the others are measured by: a tenth of the events."""
    for count, partitions, ways in ((SCALE_EVENTS // 10, 1, [1]), (SCALE_EVENTS, 4, [1, 2]), (SCALE_EVENTS, 16, [1])):
        stage, found = stage_of(world, partitions, count), []
        alternate(f'scale, {count} events', stage.ways({
            f'{n} instance{"s" * (n > 1)}, {partitions} partition{"s" * (partitions > 1)}': (together(n), True)
            for n in ways}), found, world.quiet)
        for line in found:
            line.part = 'scale'
        results += found
        stage.close()

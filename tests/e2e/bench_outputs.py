# SPDX-License-Identifier: Apache-2.0
"""chsinkd's DuckDB and Iceberg outputs beside what a Python user would write (tests/bench/peer_outputs.py): `make bench`.

All take turns on the same topic, and each must have loaded the same rows: their number and sums over them are
compared. PEERS=PYTHON: one that has dlt, duckdb, pyarrow, pyiceberg, kafka-python-ng and pyyaml.
"""
import os
import shutil
import statistics
import subprocess

import pytest
from bench_sink import RUNS, filled, watched
from pipeline import ROOT

PEERS = os.environ.get('PEERS')
EVENTS = int(os.environ.get('EVENTS', '100000'))  # dlt takes a millisecond and a half for each
SUMS = ('count(*), sum(_offset), count(DISTINCT _offset), sum(length_new), sum(length(title)), '
        'count(*) FILTER (WHERE bot)')
DUCKDB = """
import duckdb, glob, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.execute(f'SELECT {sys.argv[3]} FROM {sys.argv[2]}').fetchone())
"""
PYICEBERG = """
import duckdb, glob, sys
from pyiceberg.table import StaticTable
newest = max(glob.glob(sys.argv[1] + '/**/metadata/*.metadata.json', recursive=True), key=lambda f: __import__('os').stat(f).st_mtime_ns)
rows = StaticTable.from_metadata(newest).scan().to_arrow()
print(duckdb.execute(f'SELECT {sys.argv[3]} FROM rows').fetchone())
"""


def route_without_views(text):
    return text[:text.index('\nviews:')] + '\n' if '\nviews:' in text else text


def ours(p, output, number, **options):
    route = p.route(route_without_views)
    return p.chsinkd(f'{output}{number}', args=['--once'], route=route, output=output,
                     kafka={'group.id': f'{p.tag}-{output}{number}', 'queued.min.messages': '300000'}, **options)


def peer(p, kind, number, folder):
    args = [PEERS, ROOT / 'tests/bench/peer_outputs.py', kind, p.kafka.servers, p.topic, EVENTS, p.route(), folder]
    return p.process(f'{kind}{number}', [str(arg) for arg in args])


def sums(reader, where, table):
    return subprocess.run([PEERS, '-c', reader, str(where), table, SUMS], check=True, capture_output=True,
                          text=True).stdout.strip()


def bench(p, contenders, reader):
    """contenders: {name: (number, folder) -> (process, file or folder, table)}"""
    filled(p, 1, EVENTS)
    figures, found = {name: [] for name in contenders}, {}
    for i in range(RUNS):
        for name, make in contenders.items():
            folder = p.folder / f'{name}{i}'.replace(' ', '_')
            process, where, table = make(i, folder)
            figures[name].append(watched(process))
            found[name] = sums(reader, where, table)
            shutil.rmtree(folder)
    assert len(set(found.values())) == 1, found
    print(f'\nall have loaded the same: {next(iter(found.values()))}')
    medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in figures.items()}
    first = next(iter(medians.values()))
    for name, (took, peak, cpu) in medians.items():
        print(f'{name}: {EVENTS} events in {took:.2f} s, {EVENTS / took:.0f} rows/s ({took / first[0]:.1f} times as long), '
              f'{cpu:.2f} CPU s, peak {peak} kB')


@pytest.mark.skipif(not PEERS, reason='PEERS is not set')
def test_duckdb(pipeline):
    p = pipeline

    def chsinkd(hold):
        def make(number, folder):
            folder.mkdir()
            file = folder / 'edits.duckdb'
            library = {'library': os.environ['DUCKDB_LIBRARY']} if 'DUCKDB_LIBRARY' in os.environ else {}
            return ours(p, 'duckdb', f'{hold}{number}', duckdb={'file': str(file), 'hold': hold, **library}), file, p.table
        return make

    def other(kind):
        return lambda number, folder: (peer(p, kind, number, folder), folder / 'peer.duckdb',
                                       'loaded.edits' if kind == 'dlt' else 'edits')

    bench(p, {'chsinkd, hold always': chsinkd('always'), 'chsinkd, hold batch': chsinkd('batch'),
              'kafka-python and duckdb': other('duckdb'), 'kafka-python and dlt': other('dlt')}, DUCKDB)


@pytest.mark.skipif(not PEERS, reason='PEERS is not set')
def test_iceberg(pipeline):
    p = pipeline

    def chsinkd(number, folder):
        folder.mkdir()
        library = {'library': os.environ['DUCKDB_LIBRARY']} if 'DUCKDB_LIBRARY' in os.environ else {}
        return ours(p, 'iceberg', number, iceberg={'warehouse': str(folder), **library}), folder, p.table

    def other(number, folder):
        return peer(p, 'pyiceberg', number, folder), folder, 'edits'

    bench(p, {'chsinkd': chsinkd, 'kafka-python and pyiceberg': other}, PYICEBERG)

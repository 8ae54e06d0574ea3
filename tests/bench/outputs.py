# SPDX-License-Identifier: Apache-2.0
"""chsinkd's DuckDB and Iceberg outputs beside what a Python user would write (peer_outputs.py)."""
import os
import shutil
import subprocess
import uuid

from edits import file_of
from loaders import HERE, PEERS
from measure import Figures, watch
from pipeline import BUILD
from turns import alternate

EVENTS = int(os.environ.get('OUTPUT_EVENTS', '100000'))  # dlt takes a millisecond and a half for each
LIBRARY = {'library': os.environ['DUCKDB_LIBRARY']} if 'DUCKDB_LIBRARY' in os.environ else {}
SUMS = ('count(*), sum(length_new), sum(length(title)), sum(id), sum(length(user)), sum(length(comment)), '
        'count(*) FILTER (WHERE bot)')
DUCKDB = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.execute(f'SELECT {sys.argv[3]} FROM {sys.argv[2]}').fetchone())
"""
PYICEBERG = """
import duckdb, glob, os, sys
from pyiceberg.table import StaticTable
files = glob.glob(sys.argv[1] + '/**/metadata/*.metadata.json', recursive=True)
newest = max(files, key=lambda f: os.stat(f).st_mtime_ns)
rows = StaticTable.from_metadata(newest).scan().to_arrow()
print(duckdb.execute(f'SELECT {sys.argv[3]} FROM rows').fetchone())
"""


def route(p):
    text = (HERE / 'edits.yaml').read_text().replace('TOPIC', p.topic).replace('TABLE', 'edits')
    file = p.folder / 'edits.yaml'
    # The expression is the server's: DuckDB knows ifNull as coalesce only. It is nobody's here.
    file.write_text('\n'.join(line for line in text.split('\n') if 'expression' not in line))
    return file


def fill(p, file):
    p.kafka.create(p.topic, 1)
    lines = [line.encode() for line in file.read_text(encoding='utf-8').split('\n') if line]
    p.kafka.produce(p.topic, ((str(i).encode(), lines[i % len(lines)]) for i in range(EVENTS)))


def way(world, make, reader, table='edits'):
    """make(folder) -> (process, what the reader opens)."""
    def run():
        folder = world.p.folder / uuid.uuid4().hex[:8]
        process, where = make(folder)
        figures = watch(process, world.servers, timeout=1800).figures(EVENTS)
        figures.server_cpu = 0.0
        sums = subprocess.run([PEERS, '-c', reader, str(where), table, SUMS], check=False, capture_output=True,
                              text=True)
        assert sums.returncode == 0, sums.stderr
        shutil.rmtree(folder)
        return figures, sums.stdout.strip()
    return run


def ours(p, output, section):
    def make(folder):
        folder.mkdir()
        conf = {k: v.replace('FOLDER', str(folder)) for k, v in section.items()}
        process = p.chsinkd(f'chsinkd-{folder.name}', args=['--once'], route=route(p), output=output,
                            kafka={'group.id': folder.name}, **{output: {**conf, **LIBRARY}})
        return process, conf.get('file', folder)
    return make


def peer(p, kind):
    def make(folder):
        args = [PEERS, HERE / 'peer_outputs.py', kind, p.kafka.servers, p.topic, EVENTS, route(p), folder]
        return p.process(f'{kind}-{folder.name}', args), folder if kind == 'pyiceberg' else folder / 'peer.duckdb'
    return make


def bare(p, file):
    """The limit: chsinkd's decoding and a C appender, without Kafka and positions. It measures itself."""
    def run():
        target = p.folder / f'{uuid.uuid4().hex[:8]}.duckdb'
        process = p.process(target.stem, [BUILD / 'bench/bench_duckdb', route(p), file, target, EVENTS,
                                          os.environ['DUCKDB_LIBRARY']])
        seen = watch(process, {}).figures(EVENTS)
        target.unlink()
        return Figures(EVENTS, seen.seconds, seen.loader_cpu, peak_mb=seen.peak_mb), None
    return run


def duckdb(world, results):
    p, file = world.p, file_of(world, EVENTS)
    fill(p, file)
    ways = {}
    for hold in ('always', 'batch'):
        section = {'file': 'FOLDER/edits.duckdb', 'hold': hold}
        ways[f'chsinkd, hold {hold}'] = way(world, ours(p, 'duckdb', section), DUCKDB)
    ways['limit: bare C appender'] = bare(p, file)
    ways['kafka-python, duckdb (Arrow)'] = way(world, peer(p, 'duckdb'), DUCKDB)
    ways['kafka-python, dlt'] = way(world, peer(p, 'dlt'), DUCKDB, 'loaded.edits')
    alternate('DuckDB', ways, results)


def iceberg(world, results):
    fill(world.p, file_of(world, EVENTS))
    alternate('Iceberg', {'chsinkd': way(world, ours(world.p, 'iceberg', {'warehouse': 'FOLDER'}), PYICEBERG),
                          'kafka-python, pyiceberg': way(world, peer(world.p, 'pyiceberg'), PYICEBERG)}, results)

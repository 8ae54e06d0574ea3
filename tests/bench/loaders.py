# SPDX-License-Identifier: Apache-2.0
"""The loaders from Kafka into ClickHouse: a table of names, and how each loads one table."""
import json
import os
import re
from pathlib import Path

import kafka_engine
from measure import Figures, watch
from pipeline import BUILD, ROOT

HERE = ROOT / 'tests' / 'bench'
PEERS = os.environ.get('PEERS')  # a Python with their packages: tests/run/bench.sh
OPTIONS = json.loads(os.environ.get('CHSINKD_OPTIONS', '{}'))


def chsinkd(stage, table, build=BUILD):
    return watch(stage.chsinkd(table, build, **json.loads(json.dumps(OPTIONS))), stage.world.servers)


def base(stage, table):
    return chsinkd(stage, table, Path(os.environ['BASE']))


def command(stage, table, args, ends):
    """Any program, which has what it must know in its environment. ends: by itself, when all is loaded."""
    process = stage.p.process(f'peer-{table}', args, env=stage.environment(table))
    return watch(process, stage.world.servers, None if ends else lambda: stage.count(table) >= stage.rows)


def trial(stage, table):
    return command(stage, table, [BUILD / 'bench/trial', 'all'], True)


def peer(stage, table):
    return command(stage, table, ['/bin/sh', '-c', os.environ['PEER']], False)


def script(reader):
    def load(stage, table):
        return command(stage, table, [PEERS, HERE / 'peer_clickhouse.py', reader, stage.name], False)
    return load


def limit(mode):
    """A part of the trial alone. What it measured itself is without its preparation."""
    def run(stage, table):
        process = stage.p.process(f'{mode}-{table}', [BUILD / 'bench/trial', mode, stage.file],
                                  env=stage.environment(table))
        seen = watch(process, stage.world.servers)
        took, cpu, rows = re.search(r'measured (\S+) (\S+) (\d+)', process.text()).groups()
        found = seen.figures(int(rows))
        server = found.server_cpu if mode == 'insert' else 0.0
        broker = found.broker_cpu if mode == 'consume' else 0.0
        return Figures(int(rows), float(took), float(cpu), server, broker, found.peak_mb)
    return run


def decode(stage, table):
    """chsinkd's own decoding, by bench_rows."""
    process = stage.p.process(f'decode-{table}', [BUILD / 'bench/bench_rows', stage.route(table), stage.file, 3])
    found = watch(process, {}).figures(stage.rows)
    seconds = float(re.search(r'median.* (\d+) ns/row', process.text())[1]) * stage.rows / 1e9
    return Figures(stage.rows, seconds, seconds, peak_mb=found.peak_mb)


# name: (how it loads, True where its table is compared; False: a limit, which leaves out a part)
LOADERS = {
    'chsinkd': (chsinkd, True),
    'chsinkd of BASE': (base, True),
    'trial without protocol': (trial, True),
    'PEER': (peer, True),
    'kafka-python, clickhouse-connect': (script('kafka-python'), True),
    'confluent-kafka, clickhouse-connect': (script('confluent'), True),
    'Kafka engine, JSONAsString': (kafka_engine.engine(True), True),
    'Kafka engine, rows': (kafka_engine.engine(False), True),
    'limit: consume only': (limit('consume'), False),
    'limit: decode only (chsinkd)': (decode, False),
    'limit: decode only (simdjson)': (limit('decode'), False),
    'limit: insert only': (limit('insert'), False),
}
EDITS_ONLY = {'trial without protocol', 'PEER', 'limit: decode only (simdjson)', 'limit: insert only',
              'limit: consume only'}


def chosen(stage):
    """Those that can run here."""
    engine = kafka_engine.there(stage.p.clickhouse)
    lacking = {'chsinkd of BASE': 'BASE' not in os.environ, 'PEER': 'PEER' not in os.environ,
               'kafka-python, clickhouse-connect': not PEERS, 'confluent-kafka, clickhouse-connect': not PEERS,
               'Kafka engine, JSONAsString': not engine, 'Kafka engine, rows': not engine}
    if not engine:
        print('this ClickHouse has no Kafka engine', flush=True)
    return {name: loader for name, loader in LOADERS.items()
            if not lacking.get(name) and (stage.name == 'edits' or name not in EDITS_ONLY)}

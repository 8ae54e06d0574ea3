# SPDX-License-Identifier: Apache-2.0
"""Loaders side by side on this machine: `make bench`. See tests/run/bench.sh for what chooses parts and sizes."""
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'e2e'))

from pipeline import BUILD, ClickHouse, Kafka
from wm import Keycloak, WmPipeline

import edits
import live
import outputs
import report
import series
import sources
from stage import World

PARTS = {'chsinkd': edits.run, 'series': series.run, 'wikisrcd': sources.wikisrcd, 'wmfetchd': sources.wmfetchd,
         'duckdb': outputs.duckdb, 'iceberg': outputs.iceberg, 'start': live.start, 'live': live.run,
         'scale': edits.scale}
GROUPS = {'sources': ['wikisrcd', 'wmfetchd'], 'outputs': ['duckdb', 'iceberg'],
          'all': [name for name in PARTS if name != 'scale']}
WITH_KEYCLOAK = {'wmfetchd', 'start'}


def main():
    words = os.environ.get('BENCH', 'all').split(',')
    wanted = [part for word in words for part in GROUPS.get(word, [word])]
    strange = [name for name in wanted if name not in PARTS]
    if strange:
        sys.exit(f'BENCH={strange[0]}: must be of {", ".join([*PARTS, *GROUPS])}')
    folder, results = Path(tempfile.mkdtemp(prefix='bench-')), []
    with contextlib.ExitStack() as stack:
        if not os.environ.get('KEEP_BENCH'):
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        kafka = Kafka(folder / 'kafka')
        stack.callback(kafka.stop)
        clickhouse = ClickHouse(folder / 'clickhouse')
        stack.callback(clickhouse.stop)
        keycloak = Keycloak(folder / 'keycloak') if WITH_KEYCLOAK & set(wanted) else None
        if keycloak:
            stack.callback(keycloak.stop)
        for name in wanted:
            (folder / name).mkdir()
            pipeline = WmPipeline(folder / name, kafka, clickhouse, keycloak)
            pipeline.topic = f'{name}-{pipeline.tag}'
            try:
                PARTS[name](World(pipeline), results)
            except AssertionError as error:
                results.append(report.Line(name, name, {}, None, str(error)))
            pipeline.close()
    report.write(results, BUILD / 'bench')
    return 1 if any(line.wrong for line in results) else 0


if __name__ == '__main__':
    sys.exit(main())

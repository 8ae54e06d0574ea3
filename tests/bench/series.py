# SPDX-License-Identifier: Apache-2.0
"""Watermelon's messages, made from their seed: each becomes many rows of transaction_metrics."""
import itertools
import os

import loaders
import yaml
from pipeline import ROOT
from stage import Stage
from turns import alternate
from wm import APP, END, START, watermelon

APPLICATIONS = int(os.environ.get('APPLICATIONS', '10'))  # 122 messages, some 25,000 rows and 28 MB each


def run(world, results):
    route = (ROOT / 'etc/routes/transaction_metrics.yaml').read_text()
    route = route.replace('topic: services_series_12days', 'topic: TOPIC').replace('\ntable: transaction_metrics\n',
                                                                                 '\ntable: TABLE\n')
    data = watermelon.Data()
    messages = list(itertools.chain.from_iterable(data.pieces(APP + i, START, END) for i in range(APPLICATIONS)))
    rows = sum(len(data.times(t, START, END)) for t in range(data.transactions)) * APPLICATIONS
    columns = [c['name'] for c in yaml.safe_load(route)['columns'] if 'path' in c]
    stage = Stage(world, 'series', route, 1, rows, columns)
    stage.file = world.p.folder / 'series.jsonl'
    stage.file.write_bytes(b'\n'.join(messages) + b'\n')
    stage.fill((None, message) for message in messages)
    alternate('transaction_metrics, rows by $.transactionSeries[*]', stage.ways(loaders.chosen(stage)), results,
              world.quiet)
    stage.close()

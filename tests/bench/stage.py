# SPDX-License-Identifier: Apache-2.0
"""A topic that is filled, the table that each loader gets empty, and what must be in it: the same for all loaders."""
import time
from pathlib import Path

import yaml

from measure import watch
from pipeline import BUILD, write_whole

HERE = Path(__file__).resolve().parent


class World:
    """Kafka and ClickHouse, and the processes whose CPU counts."""

    def __init__(self, pipeline):
        self.p = pipeline
        self.servers = {'server': int((pipeline.clickhouse.dir / 'pid').read_text()),
                        'broker': int((pipeline.kafka.dir / 'pid').read_text())}

    def quiet(self):
        """Waits until the server merges nothing: the next loader does not pay for the one before."""
        end = time.monotonic() + 60
        while time.monotonic() < end and int(self.p.clickhouse.value('SELECT count() FROM system.merges')):
            time.sleep(0.2)


class Stage:
    """One topic and all loads of it. columns: those that every loader fills."""

    def __init__(self, world, name, route, partitions, rows, columns=None):
        self.world, self.p, self.name, self.partitions, self.rows = world, world.p, name, partitions, rows
        self.route_text, self.tables, self.jobs = route, [], 0
        self.topic = f'{name}-{partitions}-{self.p.tag}'
        self.columns = columns or [c['name'] for c in yaml.safe_load(route)['columns']]
        self.p.kafka.create(self.topic, partitions)
        # chsinkd makes the table that is every loader's pattern, from the topic that is still empty.
        self.pattern = f'pattern_{name}_{partitions}_{self.p.tag}'
        watch(self.chsinkd(self.pattern, BUILD), {}, timeout=60)

    def fill(self, messages, compression='none'):
        self.p.kafka.produce(self.topic, messages, compression)
        return self

    def route(self, table):
        text = self.route_text.replace('TOPIC', self.topic).replace('TABLE', table)
        return write_whole(self.p.folder / f'{table}.yaml', text)

    def chsinkd(self, table, build, name=None, **options):
        """One that ends by itself with the topic."""
        kafka = {'group.id': table, **options.pop('kafka', {})}
        process = self.p.chsinkd(name or f'chsinkd-{table}', args=['--once'], route=self.route(table),
                                 kafka=kafka, **options)
        process.args[0] = str(build / 'chsinkd')
        return process

    def table(self):
        """A new one, empty."""
        self.jobs += 1
        table = f'{self.name}_{self.partitions}_{self.jobs}_{self.p.tag}'
        self.p.clickhouse.query(f'CREATE TABLE {table} AS {self.pattern}')
        return table

    def count(self, table):
        return int(self.p.clickhouse.value(f'SELECT count() FROM {table}'))

    def checksum(self, table):
        """[rows, sum of their hashes]: the order does not matter, each value of each row does."""
        values = ', '.join(f"ifNull(toString({c}), '\\\\N')" for c in self.columns)
        return self.p.clickhouse.rows(f'SELECT count(), toString(sum(cityHash64({values}))) FROM {table}')[0]

    def environment(self, table):
        return {'BENCH_BOOTSTRAP': self.p.kafka.servers, 'BENCH_TOPIC': self.topic, 'BENCH_GROUP': table,
                'BENCH_CLICKHOUSE_URL': self.p.clickhouse.url,
                'BENCH_CLICKHOUSE_TCP_PORT': str(self.p.clickhouse.port + 1),
                'BENCH_CLICKHOUSE_USER': 'pipeline', 'BENCH_CLICKHOUSE_PASSWORD': 'secret',
                'BENCH_DATABASE': 'default', 'BENCH_TABLE': table, 'BENCH_ROWS': str(self.rows),
                'BENCH_ROUTE': str(self.route(table))}

    def ways(self, loaders):
        """For alternate(): each into a table of its own."""
        def way(load, compared):
            def run():
                table = self.table()
                try:
                    seen = load(self, table)
                    return (seen.figures(self.rows) if hasattr(seen, 'figures') else seen,
                            tuple(self.checksum(table)) if compared else None)
                finally:
                    self.drop(table)
            return run
        return {name: way(*loader) for name, loader in loaders.items()}

    def drop(self, *tables):
        for table in tables:
            self.p.clickhouse.query(f'DROP TABLE IF EXISTS {table} SYNC')

    def close(self):
        self.drop(self.pattern)
        self.p.kafka.delete(self.topic)

# SPDX-License-Identifier: Apache-2.0
"""What a Python user would write to load a topic into DuckDB or Iceberg: the other side of outputs.py.

    peer_outputs.py dlt|duckdb|pyiceberg SERVERS TOPIC COUNT ROUTE FOLDER

kafka-python reads batches, json.loads() each message, the route's paths make a row of it, and the batch goes into
FOLDER: by dlt's pipeline, by an Arrow table into DuckDB, or by pyiceberg's append() into a local table. Nothing here
is exactly once. Prints how many rows it has loaded.
"""
import datetime
import json
import sys
from pathlib import Path

import yaml
from kafka import KafkaConsumer

BATCH = 50000


def columns_of(route):
    """[(name, keys, type)] of the columns that a path gives."""
    found = []
    for column in yaml.safe_load(Path(route).read_text(encoding='utf-8'))['columns']:
        if 'path' in column:
            found.append((column['name'], column['path'].replace('$.$', '$.\0').split('.')[1:], column['type'],
                          column.get('json', False)))
    return [(name, [key.replace('\0', '$') for key in keys], kind, as_json) for name, keys, kind, as_json in found]


def value_of(event, keys, kind, as_json):
    for key in keys:
        event = event.get(key) if isinstance(event, dict) else None
    if event is None:
        return None if 'Nullable' in kind else (False if kind == 'Bool' else '')
    if as_json:
        return json.dumps(event)
    if 'DateTime64' in kind:
        return datetime.datetime.fromisoformat(event.replace('Z', '+00:00'))
    if 'DateTime' in kind:
        return datetime.datetime.fromtimestamp(event, datetime.timezone.utc)
    return event


def batches(servers, topic, count, columns):
    consumer = KafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset='earliest', enable_auto_commit=False,
                             group_id=f'peer-{datetime.datetime.now().timestamp()}', max_partition_fetch_bytes=16 << 20)
    rows, seen = [], 0
    while seen < count:
        for messages in consumer.poll(1000, max_records=10000).values():
            for message in messages:
                event = json.loads(message.value)
                row = {name: value_of(event, keys, kind, as_json) for name, keys, kind, as_json in columns}
                row.update(_topic=message.topic, _partition=message.partition, _offset=message.offset)
                rows.append(row)
                seen += 1
        if len(rows) >= BATCH or (rows and seen >= count):
            yield rows
            rows = []
    consumer.close()


def arrow_schema(columns):
    import pyarrow as pa
    kinds = {'DateTime64': pa.timestamp('us', 'UTC'), 'DateTime(': pa.timestamp('us', 'UTC'), 'Bool': pa.bool_(),
             'Int32': pa.int32(), 'Int64': pa.int64()}
    fields = [(name, next((t for k, t in kinds.items() if k in kind), pa.string())) for name, _, kind, _ in columns]
    return pa.schema(fields + [('_topic', pa.string()), ('_partition', pa.int32()), ('_offset', pa.int64())])


def load_dlt(source, columns, folder):
    import dlt
    pipeline = dlt.pipeline('peer', pipelines_dir=str(folder / 'dlt'), dataset_name='loaded',
                            destination=dlt.destinations.duckdb(str(folder / 'peer.duckdb')))
    return sum(len(rows) for rows in source if pipeline.run(rows, table_name='edits', write_disposition='append'))


def load_duckdb(source, columns, folder):
    import duckdb
    import pyarrow as pa
    connection, schema, loaded = duckdb.connect(str(folder / 'peer.duckdb')), arrow_schema(columns), 0
    connection.execute('SET threads = 1')
    for rows in source:
        batch = pa.Table.from_pylist(rows, schema)
        if not loaded:
            connection.register('batch', batch.slice(0, 0))
            connection.execute('CREATE TABLE edits AS SELECT * FROM batch')
        connection.register('batch', batch)
        connection.execute('INSERT INTO edits SELECT * FROM batch')
        loaded += len(rows)
    connection.close()
    return loaded


def load_pyiceberg(source, columns, folder):
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    catalog = SqlCatalog('peer', uri=f'sqlite:///{folder}/catalog.db', warehouse=f'file://{folder}/warehouse')
    catalog.create_namespace('peer')
    schema, loaded = arrow_schema(columns), 0
    table = catalog.create_table('peer.edits', schema)
    for rows in source:
        table.append(pa.Table.from_pylist(rows, schema))
        loaded += len(rows)
    return loaded


def main():
    kind, servers, topic, count, route, folder = sys.argv[1:]
    columns, folder = columns_of(route), Path(folder)
    folder.mkdir(parents=True)
    load = {'dlt': load_dlt, 'duckdb': load_duckdb, 'pyiceberg': load_pyiceberg}[kind]
    print(load(batches(servers, topic, int(count), columns), columns, folder))


if __name__ == '__main__':
    main()

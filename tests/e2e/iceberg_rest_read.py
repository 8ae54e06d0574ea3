# SPDX-License-Identifier: Apache-2.0
"""What others find in a table of a REST catalogue with its files in S3, or (TABLE: s3://…) without a catalogue: run as
iceberg_read.py, with LAKE_CATALOG (URL), LAKE_S3 (URL) and LAKE_KEYS (file) in the environment.

    iceberg_rest_read.py read TABLE COLUMN...    JSON: {reader: [[value, ...], ...]}, sorted
    iceberg_rest_read.py sums TABLE              JSON: {reader: [rows, distinct (_partition, _offset)]}
    iceberg_rest_read.py loaded TABLE GROUP TOPIC    JSON: [messages that the newest snapshot's positions say, rows]
    iceberg_rest_read.py append TABLE N          appends a row N times, each a commit, again where it met another's
"""
import datetime
import glob
import json
import os
import sys
import warnings

warnings.filterwarnings('ignore')
import duckdb_extension_httpfs
import pyarrow
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import load_file_io
from pyiceberg.table import StaticTable

from iceberg_read import sorted_rows, with_duckdb

with open(os.environ['LAKE_KEYS'], encoding='ascii') as keys_file:
    ACCESS, SECRET = keys_file.read().split()
S3 = os.environ['LAKE_S3']


PROPERTIES = {'s3.endpoint': S3, 's3.access-key-id': ACCESS, 's3.secret-access-key': SECRET, 's3.region': 'us-east-1',
              's3.path-style-access': 'true'}


def load(table):
    if table.startswith('s3://'):
        with load_file_io(PROPERTIES).new_input(f'{table}/metadata/version-hint.text').open() as hint:
            newest = f'{table}/metadata/v{hint.read().decode()}.metadata.json'
        return StaticTable.from_metadata(newest, PROPERTIES)
    return load_catalog('rest', type='rest', uri=os.environ['LAKE_CATALOG'], **PROPERTIES).load_table(table)


def in_duckdb(query, table):
    connection = with_duckdb()
    file, = glob.glob(os.path.dirname(duckdb_extension_httpfs.__file__) + '/**/*.duckdb_extension', recursive=True)
    connection.execute(f"LOAD '{file}'")
    connection.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{ACCESS}', SECRET '{SECRET}', REGION 'us-east-1', URL_STYLE "
                       f"'path', USE_SSL false, ENDPOINT '{S3.removeprefix('http://')}')")
    if table.startswith('s3://'):
        return connection.execute(query.format(f"iceberg_scan('{table}')"))
    connection.execute(f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{os.environ['LAKE_CATALOG']}', "
                       "AUTHORIZATION_TYPE 'none')")
    return connection.execute(query.format(f'lake.{table}'))


def read(table, *columns):
    arrow = load(table).scan(selected_fields=columns).to_arrow()
    names = ', '.join(f'"{c}"' for c in columns)
    return {'pyiceberg': sorted_rows(zip(*(arrow[c].to_pylist() for c in columns))),
            'duckdb': sorted_rows(in_duckdb(f'SELECT {names} FROM {{}}', table).fetchall())}


def sums(table):
    arrow = load(table).scan(selected_fields=('_partition', '_offset')).to_arrow()
    keys = list(zip(arrow['_partition'].to_pylist(), arrow['_offset'].to_pylist()))
    found = in_duckdb('SELECT count(*), count(DISTINCT (_partition, _offset)) FROM {}', table).fetchone()
    return {'pyiceberg': [len(keys), len(set(keys))], 'duckdb': list(found)}


def loaded(table, group, topic):
    try:
        snapshot = load(table).current_snapshot()
    except FileNotFoundError:
        snapshot = None
    if not snapshot:
        return [0, 0]
    summary = snapshot.summary.additional_properties
    return [sum(json.loads(summary['chsinkd.offsets']).get(group, {}).get(topic, {}).values()),
            int(summary['total-records'])]


def append(table, count):
    """Their rows have a partition that is none of Kafka's."""
    done, met = 0, 0
    while done < int(count):
        loaded = load(table)
        schema = loaded.schema().as_arrow()
        row = {f.name: None for f in schema} | {'_partition': -1, '_offset': done, 'title': f'theirs {done}',
                                                'time': datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)}
        try:
            loaded.append(pyarrow.Table.from_pylist([row], schema=schema))
            done += 1
        except CommitFailedException:
            met += 1
    return {'done': done, 'met': met}


if __name__ == '__main__':
    json.dump({'read': read, 'sums': sums, 'loaded': loaded, 'append': append}[sys.argv[1]](*sys.argv[2:]), sys.stdout)

# SPDX-License-Identifier: Apache-2.0
"""What others find in an Iceberg table: run with PYTHONPATH="$(tests/services/iceberg.sh python)".

    iceberg_read.py read TABLE COLUMN...    JSON: {reader: [[value, ...], ...]}, sorted
    iceberg_read.py sums TABLE              JSON: {reader: [rows, distinct (_partition, _offset)]}
    iceberg_read.py adopt WAREHOUSE NAME    pyiceberg makes a table with rows of its own and leaves it as a path's
    iceberg_read.py metadata TABLE          JSON: the current metadata
    iceberg_read.py compact TABLE           pyiceberg writes all rows anew and takes their files out
    iceberg_read.py rollback TABLE ID       pyiceberg makes an older snapshot the current one
"""
import datetime
import decimal
import glob
import json
import os
import shutil
import sys
import uuid
import warnings

warnings.filterwarnings('ignore')
import duckdb
import duckdb_extension_avro
import duckdb_extension_iceberg
import pyarrow
from pyiceberg.catalog import load_catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import StaticTable
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import (BooleanType, IntegerType, ListType, LongType, NestedField, StringType, TimestamptzType)


def plain(value):
    """The same for all readers."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M:%S.%f')
    if isinstance(value, (decimal.Decimal, uuid.UUID, datetime.date)):
        return str(value)
    return value


def newest(table):
    with open(f'{table}/metadata/version-hint.text', encoding='ascii') as hint:
        return f'{table}/metadata/v{hint.read().strip()}.metadata.json'


def with_duckdb():
    connection = duckdb.connect(config={'autoinstall_known_extensions': 'false'})
    for module in (duckdb_extension_avro, duckdb_extension_iceberg):
        file, = glob.glob(os.path.dirname(module.__file__) + '/**/*.duckdb_extension', recursive=True)
        connection.execute(f"LOAD '{file}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def sorted_rows(rows):
    return sorted(([plain(v) for v in row] for row in rows), key=lambda row: json.dumps(row))


def read(table, *columns):
    arrow = StaticTable.from_metadata(newest(table)).scan(selected_fields=columns).to_arrow()
    names = ', '.join(f'"{c}"' for c in columns)
    return {'pyiceberg': sorted_rows(zip(*(arrow[c].to_pylist() for c in columns))),
            'duckdb': sorted_rows(with_duckdb().execute(f"SELECT {names} FROM iceberg_scan('{table}')").fetchall())}


def sums(table):
    arrow = StaticTable.from_metadata(newest(table)).scan(selected_fields=('_partition', '_offset')).to_arrow()
    keys = list(zip(arrow['_partition'].to_pylist(), arrow['_offset'].to_pylist()))
    found = with_duckdb().execute(
        f"SELECT count(*), count(DISTINCT (_partition, _offset)) FROM iceberg_scan('{table}')").fetchone()
    return {'pyiceberg': [len(keys), len(set(keys))], 'duckdb': list(found)}


def adopt(warehouse, name):
    folder = f'{warehouse}/{name.replace(".", "/")}'
    catalog = load_catalog('c', type='sql', uri='sqlite:///:memory:', warehouse='file://' + warehouse)
    catalog.create_namespace(name.split('.')[0])
    schema = Schema(NestedField(1, 'title', StringType(), required=True), NestedField(2, 'n', LongType()),
                    NestedField(3, 'time', TimestamptzType()), NestedField(4, 'wiki', StringType()),
                    NestedField(5, 'bot', BooleanType(), doc='by a program'),
                    NestedField(6, 'list', ListType(7, IntegerType())))
    spec = PartitionSpec(PartitionField(4, 1000, IdentityTransform(), 'wiki'))
    table = catalog.create_table(name, schema, location='file://' + folder, partition_spec=spec,
                                 sort_order=SortOrder(SortField(source_id=1, transform=IdentityTransform())),
                                 properties={'owner': 'somebody', 'format-version': '2'})
    at = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)
    table.append(pyarrow.Table.from_pylist(
        [{'title': 'theirs', 'n': 1, 'time': at, 'wiki': 'a', 'bot': True, 'list': [1, 2]},
         {'title': 'theirs too', 'n': None, 'time': None, 'wiki': None, 'bot': None, 'list': None}],
        schema=table.schema().as_arrow()))
    with table.update_spec() as update:  # their rows are of the spec before
        update.add_field('time', DayTransform(), 'day')
    shutil.copy(table.metadata_location.removeprefix('file://'), f'{folder}/metadata/v1.metadata.json')
    return {'folder': folder}


def change(table, how):
    """By pyiceberg, which knows no catalogue that is a path: the metadata that it leaves are put in their place."""
    with open(f'{table}/metadata/version-hint.text', encoding='ascii') as hint:
        version = int(hint.read())
    catalog = load_catalog('c', type='sql', uri='sqlite:///:memory:', warehouse='file://' + table)
    catalog.create_namespace('db')
    found = catalog.register_table('db.t', 'file://' + newest(table))
    how(found)
    os.link(found.metadata_location.removeprefix('file://'), f'{table}/metadata/v{version + 1}.metadata.json')
    with open(f'{table}/metadata/version-hint.text', 'w', encoding='ascii') as hint:
        hint.write(str(version + 1))
    return [snapshot.snapshot_id for snapshot in found.snapshots()]


def compact(table):
    return change(table, lambda t: t.overwrite(t.scan().to_arrow()))


def rollback(table, snapshot):
    return change(table, lambda t: t.manage_snapshots().rollback_to_snapshot(int(snapshot)).commit())


def metadata(table):
    with open(newest(table), encoding='utf-8') as text:
        return json.load(text)


if __name__ == '__main__':
    json.dump({'read': read, 'sums': sums, 'adopt': adopt, 'metadata': metadata, 'compact': compact,
               'rollback': rollback}[sys.argv[1]](*sys.argv[2:]), sys.stdout)

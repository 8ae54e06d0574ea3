# SPDX-License-Identifier: Apache-2.0
"""The demo's Iceberg table: found and read by pyiceberg, whose rows are counted in SQL (by DuckDB, in memory)."""
import importlib
import os
import pathlib
import subprocess
import sys
import warnings

from demo_duckdb import BY_MINUTE, QUESTIONS


class Iceberg:
    name, own, poll_seconds = 'Iceberg', True, 1
    picture_from = 'counted in what pyiceberg has read'

    def __init__(self, services, folder, fetch):
        fetch('duckdb')
        fetch('iceberg')
        self.library = self._output(services / 'duckdb.sh', 'library')
        sys.path.insert(0, self._output(services / 'iceberg.sh', 'python'))
        warnings.filterwarnings('ignore')
        self.tables = importlib.import_module('pyiceberg.table')
        self.duckdb = importlib.import_module('duckdb')
        self.warehouse = folder / 'warehouse'
        version = importlib.import_module('pyiceberg').__version__
        self.where = f'{os.path.relpath(self.warehouse)}, read by pyiceberg {version}'

    @staticmethod
    def _output(*args):
        return subprocess.run(args, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()

    def options(self):
        """A commit every three seconds, so that there is something to see; it is a minute by itself."""
        return {'output': 'iceberg', 'iceberg.warehouse': str(self.warehouse), 'iceberg.library': self.library,
                'batch.age': '3s'}

    def _metadata(self, table):
        folder = self.warehouse / 'default' / table / 'metadata'
        try:
            return folder / f'v{(folder / "version-hint.text").read_text()}.metadata.json'
        except FileNotFoundError:
            return None

    def _opened(self, table):
        return self.tables.StaticTable.from_metadata(str(self._metadata(table)))

    def _sql(self, table, *columns):
        """A connection in which the table is what pyiceberg has read."""
        rows = self._opened(table).scan(selected_fields=columns or ('*',)).to_arrow()
        connection = self.duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.register('read', rows)
        size = '' if columns else ', length_new - coalesce(length_old, 0) AS size_change'
        connection.execute(f'CREATE VIEW {table} AS SELECT *{size} FROM read')
        return connection

    def new_rows(self, table, seen):
        """(partition, offset, the event's time) of those behind the offsets `seen`."""
        if not self._metadata(table):
            return []
        where = ' AND '.join(f'NOT (_partition = {p} AND _offset <= {o})' for p, o in seen.items()) or 'true'
        return self._sql(table, '_partition', '_offset', 'time').execute(
            f'SELECT _partition, _offset, epoch_ms(time) FROM {table} WHERE {where} ORDER BY 1, 2').fetchall()

    def answers(self, table):
        """The questions' titles, and the answers as tables for people."""
        connection = self._sql(table)
        for title, sql in QUESTIONS[:-1]:
            yield title, str(connection.sql(sql.format(table=table))).rstrip()
        summary = self._opened(table).current_snapshot().summary
        yield 'The last commit', '\n'.join(
            f'{key:20} {summary[key]}' for key in ('added-records', 'total-records', 'total-data-files',
                                                   'chsinkd.offsets'))

    def by_minute(self, table):
        """(minute, wiki, changes)."""
        return self._sql(table, 'time', 'wiki').execute(BY_MINUTE.format(table=table)).fetchall()

    def counts(self, table):
        """Rows, and of how many different messages."""
        return self._sql(table, '_topic', '_partition', '_offset').execute(
            f'SELECT count(*), count(DISTINCT (_topic, _partition, _offset)) FROM {table}').fetchone()

    def look(self, table):
        """How a person looks while it goes on running."""
        yield f'PYTHONPATH={pathlib.Path(self.tables.__file__).parents[2]} /usr/bin/python3'
        yield ('from pyiceberg.table import StaticTable; '
               f"StaticTable.from_metadata('{self._metadata(table)}').scan(limit=5).to_arrow()")

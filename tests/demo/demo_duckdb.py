# SPDX-License-Identifier: Apache-2.0
"""The demo's DuckDB file: what `demo.py` asks of a ClickHouse, asked by DuckDB's own Python client."""
import contextlib
import importlib
import os
import subprocess
import sys
import time

QUESTIONS = (
    ('', '''SELECT count(*) AS rows, count(DISTINCT wiki) AS wikis, count(DISTINCT "user") AS users,
            min(time) AS first_event, max(time) AS last_event FROM {table}'''),
    ('Changes per wiki (the ten with most)', '''
        SELECT wiki, count(*) AS changes, count_if(type = 'edit') AS edits, count_if(type = 'new') AS new_pages,
               count_if(bot) AS by_bots, sum(size_change)::BIGINT AS bytes
        FROM {table} GROUP BY wiki ORDER BY changes DESC, wiki LIMIT 10'''),
    ('By type, bots against people', '''
        SELECT type, count(*) AS changes, count_if(bot) AS bots, count_if(NOT bot) AS people,
               round(100 * avg(bot::INTEGER), 1) AS bots_percent
        FROM {table} GROUP BY type ORDER BY changes DESC, type'''),
    ('The biggest changes', '''
        SELECT wiki, substring(title, 1, 48) AS title, if(bot, 'bot', 'person') AS who, size_change AS bytes
        FROM {table} WHERE size_change IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY wiki, title ORDER BY abs(size_change) DESC) = 1
        ORDER BY abs(size_change) DESC, title LIMIT 8'''),
    ('The position, kept with the rows', '''
        SELECT topic, "partition", table_name, next_offset, updated_at FROM _chsinkd_offsets'''))

BY_MINUTE = "SELECT epoch(date_trunc('minute', time))::BIGINT, wiki, count(*) FROM {table} GROUP BY 1, 2"


class DuckDB:
    name, own, poll_seconds = 'DuckDB', True, 0.5
    picture_from = 'counted in the file by DuckDB'

    def __init__(self, services, folder, fetch):
        fetch('duckdb')
        self.library, client = (
            subprocess.run([services / 'duckdb.sh', what], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
            for what in ('library', 'python'))
        sys.path.insert(0, client)
        self.duckdb = importlib.import_module('duckdb')
        self.file = folder / 'edits.duckdb'
        self.where = f"{os.path.relpath(self.file)}, read by Python's duckdb {self.duckdb.__version__}"

    def options(self):
        return {'output': 'duckdb', 'duckdb.file': str(self.file), 'duckdb.library': self.library}

    @contextlib.contextmanager
    def opened(self, seconds=30):
        """Read-only, and briefly: while it is open, chsinkd waits. None: there is no file or table yet."""
        connection, limit = None, time.monotonic() + seconds
        while not connection and self.file.exists():
            try:
                connection = self.duckdb.connect(str(self.file), read_only=True)
            except self.duckdb.IOException:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.02)
        try:
            yield connection
        finally:
            if connection:
                connection.close()

    def new_rows(self, table, seen):
        """(partition, offset, the event's time) of those behind the offsets `seen`."""
        where = ' AND '.join(f'NOT (_partition = {p} AND _offset <= {o})' for p, o in seen.items()) or 'true'
        with self.opened() as c:
            try:
                return c.execute(f'SELECT _partition, _offset, epoch_ms(time) FROM {table} WHERE {where} '
                                 'ORDER BY 1, 2').fetchall() if c else []
            except self.duckdb.CatalogException:
                return []

    def answers(self, table):
        """The questions' titles, and the answers as tables for people."""
        with self.opened() as c:
            c.execute("SET TimeZone = 'UTC'")
            for title, sql in QUESTIONS:
                yield title, str(c.sql(sql.format(table=table))).rstrip()

    def by_minute(self, table):
        """(minute, wiki, changes); DuckDB has no views that are filled by inserts, so the table is asked."""
        with self.opened() as c:
            return c.execute(BY_MINUTE.format(table=table)).fetchall()

    def counts(self, table):
        """Rows, and of how many different messages."""
        with self.opened() as c:
            return c.execute(f'SELECT count(*), count(DISTINCT (_topic, _partition, _offset)) FROM {table}').fetchone()

    def look(self, table):
        """How a person looks while it goes on running."""
        yield f'PYTHONPATH={os.path.dirname(os.path.dirname(self.duckdb.__file__))} /usr/bin/python3'
        yield f"import duckdb; duckdb.connect('{self.file}', read_only=True).sql('FROM {table} LIMIT 5')"

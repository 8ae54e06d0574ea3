# SPDX-License-Identifier: Apache-2.0
"""One run's pipeline: topics, tables, daemons under their supervisors, what goes in, and what is in the end."""
import collections
import contextlib
import json
import subprocess
import sys
import threading
import time

import load
import rights
import schedule
from faults import SESSION_MS, TRANSACTION_MS, Faulty
from heart import COLUMNS, ENGINE, ROUTE, places
from parts import Part
from pipeline import SERVICES, Pipeline, free_port, wait_until, write_whole
from wm import Api, WmPipeline, expected_rows

DELIVER_S = 150  # from the end of the input until all is delivered: a look-up after another route waits for 40 s
SETTLE_S = 40

def output_of(script, *args):
    return subprocess.run([SERVICES / script, *args], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


class World:
    def __init__(self, services, plan, folder):
        self.kafka, self.clickhouse, self.proxy = services.kafka, services.clickhouse, services.proxy
        self.plan, self.folder = plan, folder
        kafka, clickhouse = self.kafka, self.clickhouse
        self.one_at_a_time = threading.RLock()  # faults that kill a server
        self.log = open(folder / 'run.log', 'a', encoding='utf-8')  # pylint: disable=consider-using-with
        self.began, self.parts, self.ports = time.monotonic(), {}, {}
        self.edits, self.wm = Pipeline(folder, kafka, clickhouse), WmPipeline(folder, kafka, clickhouse)
        self.tag = self.wm.tag = self.edits.tag
        self.wm.topic, self.wm.table = f'hours-{self.tag}', f'transaction_metrics_{self.tag}'
        self.wm.positions = f'hours-positions-{self.tag}'
        self.dead, self.rows_topic, self.rows_table = self.edits.dead, f'rows-{self.tag}', f'rows_{self.tag}'
        self.hours, self.rows, self.between, self.rerouted = load.Hours(), None, None, False
        self.events = set()

    def say(self, text):
        with self.one_at_a_time:
            self.log.write(f'{time.monotonic() - self.began:7.2f} {text}\n')
            self.log.flush()

    # ---- beginning ----

    def begin(self):
        plan = self.plan
        self.say(f'seed {plan.seed}\n{plan}')
        self.servers = f'127.0.0.1:{self.proxy.port}'
        for topic, partitions in ((self.edits.topic, plan.partitions), (self.wm.topic, 2),
                                  (self.rows_topic, plan.partitions), (self.dead, 1)):
            self.kafka.create(topic, partitions, max_message_bytes=8 << 20)
        file, self.events = load.stream(self.folder / 'events.jsonl', plan.seed)
        self.rows = load.Rows(self.kafka, self.rows_topic, plan.partitions, plan.seed, plan.refuses)
        replay = self.edits.replay(file, '--rate', load.EVENTS_A_SECOND, '--from-start', '--max-connections', 10)
        if plan.cuts:
            replay.control(cut_every=','.join(map(str, plan.cuts)))
        self.between = Faulty(self.clickhouse, plan.answers, self.say)
        self._prepare_output()
        for part in schedule.SINKS:
            self._supervise(part, self._sink(part))
        self._supervise('wikisrcd', self._wikisrcd(replay))
        self._supervise('wmfetchd', self._wmfetchd())
        for part in self.parts.values():
            part.start()
        self.rows.start()

    def _supervise(self, part, process, script=None):
        self.parts[part] = Part(self, part, process, self.plan.scripts.get(part, []) if script is None else script)
        return self.parts[part]

    def _metrics(self, part):
        self.ports[part] = free_port()
        return {'listen': f'127.0.0.1:{self.ports[part]}'}

    def _wikisrcd(self, replay):
        return self.edits.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'}, batch={'age': '300ms'},
                                   kafka={'bootstrap.servers': self.servers,
                                          'transaction.timeout.ms': TRANSACTION_MS},
                                   metrics=self._metrics('wikisrcd'))

    def _wmfetchd(self):
        api = Api(self.folder, None, '--transactions', load.TRANSACTIONS)
        self.edits.processes.append(api)
        faults = {'status 500': {'status': 500}, 'status 503': {'status': 503},
                  'status 429': {'status': 429, 'retry_after': '1'}, 'html': {'shape': 'html'},
                  'cut': {'cut_after': 300}, 'reset': {'cut_after': 3000, 'cut': 'rst'}}
        api.control(*(faults[kind] for kind in self.plan.api), {'delay': load.WINDOW_DELAY_S, 'times': -1})
        bearer = self.wm.secret('bearer', 'a-token')
        conf = {'api': {'url': api.url, 'applications': [load.APPLICATION], 'timeout': '3s'},
                'auth': {'method': 'bearer', 'bearer': bearer},
                'window': {'start': str(self.hours.start_ms), 'size': f'{load.WINDOW_HOURS}h', 'delay': '0s',
                           'overlap': '0s'},
                'kafka': {'bootstrap.servers': self.servers, 'transaction.timeout.ms': TRANSACTION_MS},
                'topic': self.wm.topic, 'position_topic': self.wm.positions, 'metrics': self._metrics('wmfetchd')}
        return self.edits._daemon('wmfetchd', 'wmfetchd', conf, ())  # pylint: disable=protected-access

    # ---- sinks ----

    def _prepare_output(self):
        output = self.plan.output
        self.lake = {}
        if output == 'clickhouse':
            refused = ', '.join(map(str, sorted(self.rows.refused)))
            constraint = f', CONSTRAINT liked CHECK id NOT IN ({refused})' if refused else ''
            self.clickhouse.query(f'CREATE TABLE {self.rows_table} ({COLUMNS}{constraint}) {ENGINE.format("")}')
        elif output == 'duckdb':
            self.lake = {'file': str(self.folder / 'out.duckdb'), 'library': output_of('duckdb.sh', 'library')}
        else:
            self.lake = {'warehouse': str(self.folder / 'warehouse'), 'namespace': 'db',
                         'library': output_of('duckdb.sh', 'library')}
        self._rows_route('reject')
        self.routes = [self.rows_route, self.edits.route()]
        if output == 'clickhouse':
            self.routes.append(self.wm.route())

    def _rows_route(self, invalid):
        text = ROUTE.format(topic=self.rows_topic, table=self.rows_table, rows='$.a[*]', invalid=invalid, more='',
                            end='')
        if self.plan.output != 'clickhouse':
            text = text.replace('engine: MergeTree\n', '')
        self.rows_route = write_whole(self.folder / f'{self.rows_table}.yaml', text)

    def _sink(self, part):
        kafka = {'bootstrap.servers': self.servers, 'session.timeout.ms': SESSION_MS, 'heartbeat.interval.ms': 300,
                 'partition.assignment.strategy': self.plan.strategy}
        if self.plan.static:
            kafka['group.instance.id'] = part
        options = {'clickhouse': {'urls': [self.between.url], 'timeout': '2s', 'connect_timeout': '1s'}}
        if self.plan.output != 'clickhouse':
            options = {'output': self.plan.output, self.plan.output: self.lake}
        return self.edits.chsinkd(part, kafka=kafka, routes=[str(route) for route in self.routes], memory_max='64MiB',
                                  batch={'age': '200ms', 'rows': self.plan.batch_rows, 'inserts_per_second': 100},
                                  metrics=self._metrics(part), **options)

    def third(self, step):
        """A sink for some time: it dies at its own step, or is stopped at the end."""
        part = self._supervise('sink-3', self._sink('sink-3'), [schedule.Fault('kill', step, 1)])
        part.leave.set()
        part.start()

    # ---- rights, limits, routes ----

    def _right(self, what):
        """(kind of resource, its name, operation)"""
        names = {'edits': self.edits.topic, 'positions': f'positions-{self.tag}', 'hours': self.wm.topic,
                 'hours-positions': self.wm.positions, 'dead': self.dead}
        if what == 'group':
            return rights.GROUP, f'sink-{self.tag}', rights.READ
        return rights.TOPIC, names[what], rights.WRITE

    def deny(self, part, what):
        self.say(f'{part}: {what} is denied')
        rights.deny(self.kafka.port, *self._right(what))

    def allow(self, part, what):
        self.say(f'{part}: {what} is allowed again')
        rights.allow(self.kafka.port, *self._right(what))

    def relimit(self, part):
        """Another size of batches, in its file."""
        path = self.folder / f'{part.process.name}.yaml'
        conf = json.loads(path.read_text(encoding='utf-8'))
        if schedule.program_of(part.part) != 'wmfetchd':
            conf.setdefault('batch', {})['age'] = '150ms'
        write_whole(path, json.dumps(conf, indent=1))

    def reroute(self):
        """What does not fit a column is NULL there, for whoever starts from now on."""
        self._rows_route('null')
        self.rerouted = True

    # ---- what is there ----

    def edit_ids(self):
        return collections.Counter({str(i): int(n) for i, n in self.ask(
            'SELECT event_id, toUInt32(count()) FROM {} GROUP BY 1', self.edits.table)})

    def row_ids(self):
        return collections.Counter({int(i): int(n) for i, n in self.ask(
            'SELECT id, toUInt32(count()) FROM {} GROUP BY 1', self.rows_table)})

    def ask(self, sql, table):
        """Rows; none while there is no table."""
        if self.plan.output == 'duckdb':
            return self._ask_duckdb(sql.replace('toUInt32(count())', 'count(*)').format(table))
        if self.plan.output == 'iceberg':
            path = self.folder / 'warehouse' / 'db' / table
            there = (path / 'metadata' / 'version-hint.text').exists()
            return self.clickhouse.rows(sql.format(f"icebergLocal('{path}')")) if there else []
        there = int(self.clickhouse.value(f"SELECT count() FROM system.tables WHERE name = '{table}'"))
        return self.clickhouse.rows(sql.format(table)) if there else []

    def _ask_duckdb(self, sql):
        client = output_of('duckdb.sh', 'python')
        if client not in sys.path:
            sys.path.insert(0, client)
        import duckdb  # pylint: disable=import-outside-toplevel
        if not (self.folder / 'out.duckdb').exists():
            return []
        for _ in range(600):
            try:
                with duckdb.connect(str(self.folder / 'out.duckdb'), read_only=True) as connection:
                    return connection.execute(sql).fetchall()
            except (duckdb.IOException, duckdb.ConnectionException):  # a sink has it
                time.sleep(0.03)
            except duckdb.CatalogException:
                return []
        raise AssertionError('the DuckDB file was never free')

    def letters(self):
        return list(self.kafka.read(self.dead))

    @staticmethod
    def letter_ids(letters):
        """Rows in dead letters: those that the letter's header names, else all of its message."""
        found = collections.Counter()
        for letter in letters:
            headers = dict(letter.headers())
            ids = [element['i'] for element in json.loads(letter.value())['a']]
            rows = headers.get('chsinkd-rows', headers.get('chsinkd-row'))
            found.update(ids if rows is None else [ids[place] for place in places(rows.decode())])
        return found

    def expected_hours(self, end_ms):
        answer = []
        for begin_ms in range(self.hours.start_ms, end_ms, load.WINDOW_HOURS * load.HOUR_MS):
            answer += self.hours.data.answer(load.APPLICATION, begin_ms, begin_ms + load.WINDOW_HOURS * load.HOUR_MS)
        return expected_rows(answer)

    # ---- waiting ----

    def check_parts(self):
        for part in list(self.parts.values()):
            assert not part.failed, part.failed
        assert not self.rows.failed, self.rows.failed

    def missing(self):
        """What is not delivered yet, in a word; '': all is."""
        self.check_parts()
        with contextlib.suppress(OSError, AssertionError, Exception):
            hours_end = self.wm.position(load.APPLICATION)
            if hours_end < self.hours.end_ms:
                return f'hours: fetched up to {hours_end}, not {self.hours.end_ms}'
            lost = len(self.events - self.edit_ids().keys())
            if lost:
                return f'{lost} edits'
            if self.plan.output == 'clickhouse':
                hours = int(self.ask('SELECT count() FROM {} FINAL', self.wm.table)[0][0])
                if hours < len(self.expected_hours(hours_end)):
                    return f'hours: {hours} rows'
            m = self.rows.messages
            lost = len((m.fit | m.unfit) - self.row_ids().keys() - self.letter_ids(self.letters()).keys())
            return f'{lost} rows' if lost else ''
        return 'a server does not answer'

    def deliver(self):
        self.rows.join(120)
        seen, end = self.missing(), time.monotonic() + DELIVER_S
        while seen:
            assert time.monotonic() < end, f'not delivered within {DELIVER_S} s: {seen}'
            time.sleep(0.5)
            seen = self.missing()

    def stop(self):
        for part in self.parts.values():
            part.stop()
        self.check_parts()

    def passed(self):
        """The steps that all daemons have passed."""
        return {line.split(' ')[0] for part in self.parts.values() if part.steps_log.exists()
                for line in part.steps_log.read_text(encoding='ascii').splitlines()}

    def close(self):
        for part in self.parts.values():
            part.leave.set()
        for process in self.edits.processes:
            process.close()
        if self.between:
            self.between.close()
        self.log.close()

    def forget(self):
        """Topics and tables, so that hundreds of runs do not weigh on the servers."""
        with contextlib.suppress(AssertionError, OSError):
            names = self.clickhouse.rows(f"SELECT name FROM system.tables WHERE name LIKE '%{self.tag}%' AND name NOT "
                                         "LIKE '.inner%' ORDER BY engine = 'MaterializedView' DESC")
            for name, in names:
                self.clickhouse.query(f'DROP TABLE IF EXISTS {name} SYNC')
        for topic in (self.edits.topic, self.wm.topic, self.rows_topic, self.dead, self.wm.positions,
                      f'positions-{self.tag}'):
            with contextlib.suppress(Exception):
                self.kafka.delete(topic)

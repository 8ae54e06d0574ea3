# SPDX-License-Identifier: Apache-2.0
"""The demo: Wikimedia's stream through Kafka into ClickHouse (or a DuckDB file), by the daemons as they are
installed.

    demo.py          run
    demo.py stop     stop what a run with KEEP=1 left

Environment:
    OUTPUT=clickhouse       duckdb: into a file, which DuckDB's own Python client reads; no server but Kafka
                            iceberg: into a table of files, which pyiceberg reads
    DEMO_SECONDS=30         how long events are collected
    DEMO_EVENTS=N           until N rows are in the table, instead
    DEMO_HISTORY=15         minutes before now with which it begins; 0: with what comes now
    DEMO_RATE=40            events a second when replaying, about as many as the live stream has
    DEMO_CONTACT=ADDRESS    your e-mail or URL for the User-Agent, as Wikimedia's policy asks
    SOURCE=URL|replay       another EventStreams service; replay: do not ask the live one
    RECORDED=FILE           events to replay (JSON lines), where the live service is not reachable
    KAFKA=HOST:PORT         your Kafka; else one is started
    CLICKHOUSE=URL          your ClickHouse, with CLICKHOUSE_USER and CLICKHOUSE_PASSWORD; else one
                            is started
    KEEP=1                  leave all running

Everything lies in build/demo/, which is removed at the start of the next run. The one idea: each
process that is started goes into the list build/demo/processes (name, id, start time) first thing,
and what is stopped is what stands there, if it still is the same process.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from demo_duckdb import DuckDB
from demo_iceberg import Iceberg
from picture import Picture

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / 'build'
DEMO = BUILD / 'demo'
SERVICES = ROOT / 'tests' / 'services'
TTY = sys.stdout.isatty()
POLL_SECONDS = 0.2
# Nothing new for so long is not a demo any more.
STANDSTILL_SECONDS = 60


class Failed(Exception):
    """What went wrong, for a person."""


def env(name, default=''):
    return os.environ.get(name) or default


def number(name, default, least=1):
    try:
        value = int(env(name, str(default)))
    except ValueError:
        value = -1
    if value < least:
        raise Failed(f'{name} is a number from {least} on, not "{env(name)}"')
    return value


def say(label, text):
    print(f'  {label:<12} {text}', flush=True)


def title(text):
    print(f'\n== {text}', flush=True)


def relative(path):
    return os.path.relpath(path, ROOT)


# ---- processes ----

def started_at(pid):
    """When a process started, in ticks since boot; None: there is none (or a zombie)."""
    try:
        fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] == 'Z' else fields[19]


def remember(name, pid):
    with open(DEMO / 'processes', 'a', encoding='utf-8') as out:
        out.write(f'{name} {pid} {started_at(pid)}\n')


def running():
    """What is listed and still runs: name, id."""
    with contextlib.suppress(OSError):
        for line in (DEMO / 'processes').read_text().splitlines():
            name, pid, ticks = line.split()
            if started_at(pid) == ticks:
                yield name, int(pid)


def end(pid, seconds=10):
    """TERM, and KILL when that did not help. Our own children are waited for by is_gone."""
    def is_gone():
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return started_at(pid) is None

    for sign in signal.SIGTERM, signal.SIGKILL:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if is_gone():
                return
            time.sleep(0.05)


def stop_all():
    """Ends all that this checkout's demo started; the first in the flow first."""
    for name, pid in list(running()):
        end(pid)
    for service in 'clickhouse', 'kafka':
        if (DEMO / service / 'pid').exists():
            subprocess.run([SERVICES / f'{service}.sh', 'stop', DEMO / service], check=False,
                           start_new_session=True)


def start(name, args, **variables):
    """Starts in a session of its own: a terminal's Ctrl+C comes to us alone."""
    environment = {**os.environ, **variables}
    environment.pop('JOURNAL_STREAM', None)
    with open(DEMO / f'{name}.log', 'ab') as log:
        process = subprocess.Popen([str(a) for a in args], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, env=environment,
                                   start_new_session=True)
    remember(name, process.pid)
    return process


def start_notifying(name, args, seconds=40, **variables):
    """Starts a daemon and waits until it says READY=1, as systemd does."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = f'demo-{os.getpid()}-{name}-{random.getrandbits(32):x}'
    listener.bind('\0' + address)
    listener.settimeout(0.2)
    process = start(name, args, NOTIFY_SOCKET='@' + address, **variables)
    limit = time.monotonic() + seconds
    with listener:
        while time.monotonic() < limit:
            with contextlib.suppress(socket.timeout):
                if b'READY=1' in listener.recv(65536).split(b'\n'):
                    return process
            check_alive(name, process)
    raise Failed(f'{name} was not ready within {seconds} s; the end of its log:\n{tail(name)}')


def tail(name, lines=12):
    with contextlib.suppress(OSError):
        text = (DEMO / f'{name}.log').read_text(errors='replace').splitlines()
        return '\n'.join('    ' + line for line in text[-lines:])
    return ''


def check_alive(name, process):
    if process.poll() is not None:
        raise Failed(f'{name} ended with status {process.returncode}; the end of its log:\n'
                     f'{tail(name)}')


def free_ports(count):
    """The first of `count` free ports in a row, below the range the kernel gives to clients."""
    for _ in range(200):
        first = random.randrange(20000, 32000 - count)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(('127.0.0.1', port))
            except OSError:
                continue
            return first
    raise Failed('no free ports between 20000 and 32000')


# ---- Kafka and ClickHouse ----

def fetch(name):
    """Downloads what is not in the cache yet; can be interrupted at any time."""
    process = subprocess.Popen([SERVICES / f'{name}.sh', 'fetch'], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    output = []
    try:
        for line in process.stdout:
            output.append(line)
            if line.startswith('fetching'):
                say('', f'{line.strip()} (once; kept in the cache)')
        process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode != 0:
        raise Failed(''.join(output).rstrip())


def serve(name, ports):
    """Starts a service on free ports. The script is let finish even if Ctrl+C comes meanwhile: it
    writes down the process that it starts."""
    for attempt in range(3):
        first = free_ports(ports + 1)
        args = [SERVICES / f'{name}.sh', 'start', DEMO / name,
                *(str(first + i) for i in range(1 if name == 'kafka' else ports))]
        process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, start_new_session=True)
        try:
            output = process.communicate()[0]
        except BaseException:
            process.communicate()
            raise
        if process.returncode == 0:
            return first
        # Somebody took a port between our look and the start: others then.
        if attempt < 2 and ('is taken' in output or 'already in use' in output):
            shutil.rmtree(DEMO / name, ignore_errors=True)
            continue
        raise Failed(output.rstrip())


class ClickHouse:
    name, poll_seconds = 'ClickHouse', POLL_SECONDS
    picture_from = 'from the view wikipedia_edits_per_minute, which ClickHouse fills with each insert'

    def __init__(self):
        self.url = env('CLICKHOUSE').rstrip('/')
        self.own = not self.url
        self.user = 'default' if self.own else env('CLICKHOUSE_USER', 'default')
        self.password = '' if self.own else env('CLICKHOUSE_PASSWORD')
        if self.own:
            fetch('clickhouse')
            self.url = f'http://127.0.0.1:{serve("clickhouse", 2)}'
        version = self.query('SELECT version()').strip()
        self.major = int(version.split('.')[0])
        self.where = f'{version} at {self.url}' + ('' if self.own else ' (yours)')

    def query(self, sql, **settings):
        url = self.url + '/?' + urllib.parse.urlencode(settings)
        request = urllib.request.Request(url, data=sql.encode(), headers={
            'X-ClickHouse-User': self.user, 'X-ClickHouse-Key': self.password})
        try:
            with OPENER.open(request, timeout=30) as answer:
                return answer.read().decode(errors='replace')
        except urllib.error.HTTPError as error:
            raise Failed(f'ClickHouse at {self.url} refuses: '
                         f'{error.read().decode(errors="replace").strip()[:400]}') from None
        except OSError as error:
            raise Failed(f'ClickHouse at {self.url} does not answer: {error}') from None

    def table(self, sql):
        """A result as a table for people."""
        settings = {'output_format_pretty_color': 0}
        if self.major >= 24:
            settings['output_format_pretty_row_numbers'] = 0
            settings['output_format_pretty_single_large_number_tip_threshold'] = 0
        if 'utf' not in (sys.stdout.encoding or '').lower():
            settings['output_format_pretty_grid_charset'] = 'ASCII'
        return self.query(sql + ' FORMAT PrettyCompactMonoBlock', **settings).rstrip()

    def options(self):
        options = {'clickhouse.urls': [self.url]}
        if not self.own:
            options['clickhouse.user'] = self.user
            if self.password:
                options['clickhouse.password'] = {'env': 'CLICKHOUSE_PASSWORD'}
        return options

    def new_rows(self, table, seen):
        """(partition, offset, the event's time) of those behind the offsets `seen`."""
        where = ''
        if seen:
            where = (f'WHERE _offset > transform(toInt64(_partition), {list(seen)}, {list(seen.values())}, '
                     f'toInt64(-1))')
        answer = self.query(f'SELECT _partition, _offset, toUnixTimestamp64Milli(time) FROM {table} {where} '
                            f'FORMAT TSV')
        return [tuple(map(int, line.split('\t'))) for line in answer.splitlines()]

    def answers(self, table):
        """The questions' titles, and the answers as tables for people."""
        for text, sql in QUESTIONS:
            yield text, self.table(sql.format(table=table))

    def by_minute(self, table):
        """(minute, wiki, changes), from the view."""
        answer = self.query(f'SELECT toUnixTimestamp(minute), wiki, sum(changes) FROM {table}_per_minute '
                            'GROUP BY minute, wiki FORMAT TSV')
        return [(int(minute), wiki, int(changes)) for minute, wiki, changes in
                (line.split('\t') for line in answer.splitlines())]

    def counts(self, table):
        """Rows, and of how many different messages."""
        answer = self.query(f'SELECT count(), uniqExact(_topic, _partition, _offset) FROM {table} FORMAT TSV')
        return tuple(map(int, answer.split()))

    def look(self, table):
        """How a person looks while it goes on running."""
        yield f'{self.url}/play   user {self.user}' + (', no password' if not self.password else '')
        yield f'SELECT wiki, count() FROM {table} GROUP BY wiki ORDER BY 2 DESC'


QUESTIONS = (
    ('', 'SELECT count() AS rows, countDistinct(wiki) AS wikis, countDistinct(user) AS '
         'users, min(time) AS first_event, max(time) AS last_event FROM {table}'),
    ('Changes per wiki (the ten with most)',
     "SELECT wiki, count() AS changes, countIf(type = 'edit') AS edits, countIf("
     "type = 'new') AS new_pages, countIf(bot) AS by_bots, sum(size_change) AS bytes FROM "
     "{table} GROUP BY wiki ORDER BY changes DESC, wiki LIMIT 10"),
    ('By type, bots against people',
     "SELECT type, count() AS changes, countIf(bot) AS bots, countIf(NOT bot) AS "
     "people, round(100 * avg(bot), 1) AS bots_percent FROM {table} GROUP BY type "
     "ORDER BY changes DESC, type"),
    ('The biggest changes',
     "SELECT wiki, substringUTF8(title, 1, 48) AS title, if(bot, 'bot', 'person') AS "
     "who, size_change AS bytes FROM {table} WHERE size_change IS NOT NULL ORDER BY "
     "abs(size_change) DESC, title LIMIT 1 BY wiki, title LIMIT 8"))


def destination():
    """Where the rows go."""
    kind = env('OUTPUT', 'clickhouse')
    if kind not in ('clickhouse', 'duckdb', 'iceberg'):
        raise Failed(f'OUTPUT is clickhouse, duckdb or iceberg, not "{kind}"')
    if kind == 'clickhouse':
        found = ClickHouse()
    else:
        found = (DuckDB if kind == 'duckdb' else Iceberg)(SERVICES, DEMO, fetch)
    say(found.name, found.where)
    return found


# What is on this machine is not asked for through a proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Kafka:
    def __init__(self):
        self.servers = env('KAFKA')
        self.own = not self.servers
        if self.own:
            fetch('kafka')
            self.servers = f'127.0.0.1:{serve("kafka", 2)}'
        elif not any(map(self.listens, self.servers.split(','))):
            raise Failed(f'Kafka at {self.servers} does not answer: KAFKA is HOST:PORT')
        say('Kafka', self.servers + (' (4.1, started here)' if self.own else ' (yours)'))

    @staticmethod
    def listens(address):
        host, _, port = address.rpartition(':')
        try:
            socket.create_connection((host.strip('[]'), int(port)), 5).close()
            return True
        except (OSError, ValueError):
            return False


# ---- the source ----

def agent(contact):
    return f'wikisrcd-demo/0.1 ({contact}) python-urllib'


def is_live(url, contact):
    """Whether the service answers within 3 s; the reason why not."""
    request = urllib.request.Request(f'{url}/recentchange', headers={
        'User-Agent': agent(contact), 'Accept': 'text/event-stream'})
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:
            answer.read(1)
            return True, ''
    except urllib.error.HTTPError as error:
        hint = ': name yourself with DEMO_CONTACT' if error.code == 403 else ''
        return False, f'answers with status {error.code}{hint}'
    except OSError:
        return False, 'not reachable from here'


def events_file():
    """The events to replay, and what they are called."""
    recorded = env('RECORDED')
    if recorded:
        if not pathlib.Path(recorded).is_file():
            raise Failed(f'RECORDED: there is no file {recorded}')
        return pathlib.Path(recorded), f'recorded events of {recorded}'
    beside = ROOT.parent / 'shared' / 'data' / 'recentchange.jsonl'
    if beside.is_file():
        return beside, f'recorded events of {relative(beside)}'
    made = DEMO / 'events.jsonl'
    with open(made, 'wb') as out:
        subprocess.run([BUILD / 'services' / 'make-events', '--count', '50000', '--canaries'],
                       stdout=out, check=True)
    return made, 'made events (RECORDED=FILE: recorded ones)'


def replay():
    file, name = events_file()
    rate, history = number('DEMO_RATE', 40), number('DEMO_HISTORY', 15, 0)
    port = free_ports(1)
    process = start('eventstreams', [BUILD / 'services' / 'eventstreams', '--port', port, '--file', file, '--rate',
                                     rate, '--loop', *(['--history', 60 * history] if history else [])])
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            OPENER.open(f'http://127.0.0.1:{port}/healthz', timeout=5).close()
            say('', f'{name}, with new times and ids, {rate}/s')
            return f'http://127.0.0.1:{port}/v2/stream'
        check_alive('eventstreams', process)
        time.sleep(0.05)
    raise Failed('the replay server does not answer')


def source(contact):
    """The URL to follow. The live one stands in the configuration's reference."""
    url = env('SOURCE')
    if url == 'replay':
        say('source', 'SOURCE=replay: replaying')
        return replay()
    if not url:
        reference = (ROOT / 'etc' / 'wikisrcd.yaml').read_text()
        url = re.search(r'^ *#?url: *"?(http[^"\s]*)', reference, re.M).group(1)
    live, why = is_live(url.rstrip('/'), contact)
    if live:
        say('source', f'{url}: live')
        return url
    say('source', f'{url}: {why}: replaying')
    return replay()


# ---- configurations ----

def configured(text, values):
    """A reference file with options set: {'source.url': …}. Everything else stays as it is."""
    left = dict(values)
    out, path = [], []
    skip_below = None
    for line in text.splitlines():
        option = re.match(r'( *)(#?)([a-z_][a-z_.]*):(.*)$', line)
        indent = len(line) - len(line.lstrip())
        if skip_below is not None and line.strip() and indent > skip_below \
                and not line.lstrip().startswith('# '):
            continue  # the old value's items
        skip_below = None
        if option:
            path = path[:len(option[1]) // 4] + [option[3]]
            name = '.'.join(path)
            if name in left:
                line = f'{option[1]}{option[3]}: {json.dumps(left.pop(name), ensure_ascii=False)}'
                skip_below = len(option[1])
            elif any(key.startswith(name + '.') for key in left):
                line = f'{option[1]}{option[3]}:'
        out.append(line)
    if left:
        raise Failed(f'no such options in the reference: {", ".join(left)}')
    return '\n'.join(out) + '\n'


def write_configuration(name, values):
    path = DEMO / f'{name}.yaml'
    path.write_text(configured((ROOT / 'etc' / f'{name}.yaml').read_text(), values))
    return path


class Names:
    """The names in Kafka and ClickHouse: those of the presets in what we started; in yours names
    that nobody has."""

    def __init__(self, kafka, output):
        tag = f'demo_{time.strftime("%H%M%S")}_{random.getrandbits(16):04x}'
        self.own = kafka.own and output.own
        self.topic = 'wikipedia-data' if self.own else f'wikipedia-data-{tag}'
        self.positions = 'wikisrcd-positions' if self.own else f'wikisrcd-positions-{tag}'
        self.dead = 'chsinkd-dead-letters' if self.own else f'chsinkd-dead-letters-{tag}'
        self.table = 'wikipedia_edits' if self.own else f'wikipedia_edits_{tag}'
        self.pipeline = 'wikipedia' if self.own else f'wikipedia-{tag}'
        self.group = 'chsinkd' if self.own else f'chsinkd-{tag}'

    def route(self):
        file = ROOT / 'etc' / 'routes' / 'wikipedia_edits.yaml'
        if self.own:
            return file
        path = DEMO / 'wikipedia_edits.yaml'
        path.write_text(file.read_text().replace('wikipedia_edits', self.table)
                        .replace('topic: wikipedia-data', f'topic: {self.topic}'))
        return path


# ---- the run ----

class Metrics:
    """A daemon's counters, by HTTP as Prometheus reads them."""

    def __init__(self, port):
        self.url = f'http://127.0.0.1:{port}/metrics'
        self.values = {}

    def get(self, *names):
        """The sum of the named metrics, their labels summed up; the last known one when the daemon
        does not answer."""
        with contextlib.suppress(OSError):
            with OPENER.open(self.url, timeout=5) as answer:
                text = answer.read().decode()
            self.values = {}
            for line in text.splitlines():
                match = re.match(r'(\w+)(?:\{.*\})? (\S+)', line)
                if match:
                    self.values[match[1]] = self.values.get(match[1], 0) + float(match[2])
        return [int(self.values.get(name, 0)) for name in names]


class Watch:
    """Looks at the table again and again, and notes how old each new row's event is."""

    def __init__(self, output, table):
        self.output, self.table = output, table
        self.seen, self.rows, self.delays = {}, 0, []
        self.since = None

    def look(self):
        found = self.output.new_rows(self.table, self.seen)
        now = time.time()
        for partition, offset, ms in found:
            self.seen[partition] = max(self.seen.get(partition, -1), offset)
            self.rows += 1
            if ms / 1000 >= self.since:
                self.delays.append(now - ms / 1000)

    def quantile(self, share):
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Progress:
    def __init__(self):
        self.began = self.last = time.monotonic()
        self.rows = 0

    def show(self, events, rows):
        now = time.monotonic()
        # On a terminal one line that changes, else a line now and then.
        if now - self.last < (0.5 if TTY else 2):
            return
        rate = (rows - self.rows) / (now - self.last)
        self.last, self.rows = now, rows
        seconds = int(now - self.began)
        text = (f'  {seconds // 60:02}:{seconds % 60:02}  {events:>9,} events seen  '
                f'{rows:>9,} rows in the table  {rate:>7,.0f} rows/s')
        print(f'\r{text}\033[K' if TTY else text, end='' if TTY else '\n', flush=True)

    @staticmethod
    def finish():
        if TTY:
            print()


class Run:
    def __init__(self):
        # Wikimedia wants to know whom to write to; an address is not made up, nor taken from git.
        contact = env('DEMO_CONTACT', 'streaming-daemons demo, DEMO_CONTACT not set')
        self.kafka = Kafka()
        self.output = destination()
        self.names = Names(self.kafka, self.output)
        self.url = source(contact)
        self.ports = free_ports(2)
        self.source_metrics, self.sink_metrics = Metrics(self.ports), Metrics(self.ports + 1)
        self.configurations(contact)
        self.watch = Watch(self.output, self.names.table)
        self.processes = {}

    def configurations(self, contact):
        n = self.names
        history = number('DEMO_HISTORY', 15, 0)
        wiki = {'source.user_agent_contact': contact, 'source.url': self.url,
                'source.start': f'-{history}m' if history else 'now',
                'kafka': {'bootstrap.servers': self.kafka.servers},
                'metrics.listen': f'127.0.0.1:{self.ports}'}
        sink = {'kafka': {'bootstrap.servers': self.kafka.servers},
                'routes': [str(n.route())], 'metrics.listen': f'127.0.0.1:{self.ports + 1}',
                **self.output.options()}
        if not n.own:
            wiki.update({'name': n.pipeline, 'topic': n.topic, 'position_topic': n.positions})
            sink['kafka']['group.id'] = n.group
            sink['dead_letter_topic'] = n.dead
        self.wiki_yaml = write_configuration('wikisrcd', wiki)
        self.sink_yaml = write_configuration('chsinkd', sink)

    def start(self):
        for name, yaml in ('wikisrcd', self.wiki_yaml), ('chsinkd', self.sink_yaml):
            args = [BUILD / name, '-c', yaml]
            self.processes[name] = start_notifying(name, args)
            say(name, f'{relative(args[0])} -c {relative(yaml)}   '
                      f'(log: {relative(DEMO / name)}.log)')
        self.watch.since = time.time()

    def collect(self):
        wanted = number('DEMO_EVENTS', 1) if env('DEMO_EVENTS') else None
        limit = number('DEMO_SECONDS', 30) if env('DEMO_SECONDS') or not wanted else None
        progress = Progress()
        moved, rows = time.monotonic(), 0
        while True:
            for name, process in self.processes.items():
                check_alive(name, process)
            self.watch.look()
            if self.watch.rows != rows:
                moved, rows = time.monotonic(), self.watch.rows
            events, = self.source_metrics.get('wikisrcd_events_received_total')
            progress.show(events, rows)
            if wanted and rows >= wanted or limit and time.monotonic() - progress.began >= limit:
                break
            if time.monotonic() - moved > STANDSTILL_SECONDS:
                raise Failed(f'no new row for {STANDSTILL_SECONDS} s; the ends of the logs:\n'
                             f'{tail("wikisrcd")}\n{tail("chsinkd")}')
            time.sleep(self.output.poll_seconds)
        progress.finish()

    def drain(self):
        """Stops wikisrcd in order; then everything it committed must come to the table."""
        end(self.processes['wikisrcd'].pid)
        match = re.findall(r'stopped.*?\bdelivered=(\d+)',
                           (DEMO / 'wikisrcd.log').read_text(), re.I)
        committed = int(match[-1]) if match else None
        limit = time.monotonic() + 20
        while committed is not None and time.monotonic() < limit:
            check_alive('chsinkd', self.processes['chsinkd'])
            self.watch.look()
            dead, = self.sink_metrics.get('chsinkd_dead_letters_total')
            if self.watch.rows + dead >= committed:
                break
            time.sleep(POLL_SECONDS)
        return committed

    def report(self, committed):
        title(f'What is in {self.names.table}')
        for text, answer in self.output.answers(self.names.table):
            print(f'\n{text}\n{answer}' if text else answer)
        self.picture()
        title('Delay')
        if self.watch.delays:
            say('event to row', f'median {self.watch.quantile(0.5):.2f} s, 95 % within '
                                f'{self.watch.quantile(0.95):.2f} s '
                                f'({len(self.watch.delays):,} rows)')
            say('', "from the event's own time until this program saw its row by a query, made")
            say('', f'every {self.output.poll_seconds} s; events from before both daemons were ready left out')
        self.account(committed)

    def picture(self):
        picture = Picture(self.output.by_minute(self.names.table))
        title(f'The picture: {picture.title()}')
        if 'utf' in (sys.stdout.encoding or '').lower():
            print('\n'.join(picture.text()) + '\n')
        path = DEMO / 'edits.svg'
        path.write_text(picture.svg(self.output.picture_from), encoding='utf-8')
        say('SVG', relative(path))

    def account(self, committed):
        """What went in against what came out."""
        title('Exactly once')
        rows, places = self.output.counts(self.names.table)
        dead, = self.sink_metrics.get('chsinkd_dead_letters_total')
        if committed is not None:
            say('Kafka', f'{committed:>9,} events committed to {self.names.topic} by wikisrcd')
        say(self.output.name, f'{rows:>9,} rows, of {places:,} different messages')
        if dead:
            say('', f'{dead:>9,} messages that no table can hold: in {self.names.dead}')
        if committed is not None:
            self.verdict(committed - places - dead, rows - places)
        warned = re.search(r'does not deduplicate.*reason="([^"]*)"',
                           (DEMO / 'chsinkd.log').read_text())
        if warned:
            say('', f'but a crash could double rows, says chsinkd: {warned[1]}')

    @staticmethod
    def verdict(missing, doubled):
        verdict = 'none lost, none doubled' if missing == doubled == 0 else \
            f'{missing} MISSING, {doubled} DOUBLED'
        say('', verdict)
        if missing or doubled:
            raise Failed('the table does not hold what Kafka holds (see above)')

    def leave(self):
        """How to look at what goes on running."""
        title('Still running')
        for name, pid in running():
            say(name, f'process {pid}')
        for name in 'kafka', 'clickhouse':
            with contextlib.suppress(OSError):
                say(name, f'process {(DEMO / name / "pid").read_text().strip()}')
        for i, line in enumerate(self.output.look(self.names.table)):
            say('' if i else 'look', line)
        say('metrics', f'{self.source_metrics.url}, {self.sink_metrics.url}')
        say('stop', 'make demo-stop')

    def left_over(self):
        """In somebody's Kafka and ClickHouse nothing is removed unasked."""
        n = self.names
        if n.own:
            return
        title('Left behind')
        if not self.output.own:
            say('ClickHouse', f'DROP TABLE {n.table}_per_minute; DROP TABLE {n.table}')
        if not self.kafka.own:
            say('Kafka', f'topics {n.topic}, {n.positions}, {n.dead}; group {n.group}')


# ---- main ----

@contextlib.contextmanager
def alone():
    """One demo a checkout."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / 'demo.lock', 'w', encoding='utf-8') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed('a demo is running in this checkout already') from None
        yield


def demo():
    keep = env('KEEP') not in ('', '0')
    if list(running()) or any((DEMO / s / 'pid').exists() for s in ('kafka', 'clickhouse')):
        say('', 'stopping what the last demo left running')
        stop_all()
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir(parents=True)
    left = False
    try:
        run = Run()
        title('Running')
        run.start()
        print()
        run.collect()
        run.report(None if keep else run.drain())
        if keep:
            run.leave()
            left = True
        else:
            run.left_over()
    finally:
        for sign in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(sign, signal.SIG_IGN)
        if not left:
            stop_all()


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    try:
        with alone():
            if sys.argv[1:] == ['stop']:
                names = [name for name, _ in running()]
                names += [s for s in ('kafka', 'clickhouse') if (DEMO / s / 'pid').exists()]
                stop_all()
                print('stopped: ' + (', '.join(names) or 'nothing was running'))
            else:
                demo()
    except Failed as failed:
        print(f'\ndemo: {failed}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndemo: interrupted; all that it started is stopped', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())

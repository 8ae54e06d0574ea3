# SPDX-License-Identifier: Apache-2.0
"""The real parts for end-to-end tests: Kafka, ClickHouse, the replay server, and the daemons as themselves.

Everything is started on loopback, with ports that the kernel gives, in a folder that is removed afterwards (kept with
KEEP_E2E=1), and ended by its process id. Tests wait for READY=1 on a NOTIFY_SOCKET of their own and for conditions with
a deadline, never for time.
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import confluent_kafka
import confluent_kafka.admin

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ROOT / 'tests' / 'services'
BUILD = pathlib.Path(os.environ.get('BUILD', ROOT / 'build')).resolve()
CONTACT = 'tests@example.org'


def _ports_of(low, high):
    """Each of them once, from a place that differs from run to run."""
    first = low + os.getpid() * 100 % (high - low)
    yield from range(first, high)
    yield from range(low, first)


# Parts of the suite that run at once (tests/run/test.sh) have ports of their own: a port is taken long after it was seen
# to be free.
_PART = int(os.environ.get('E2E_PART', '-1'))
_ports = _ports_of(20000, 32000) if _PART < 0 else _ports_of(20000 + 2500 * _PART, 20000 + 2500 * (_PART + 1))


def free_port(count=1):
    """A port P such that P .. P+count-1 are free now, below the range the kernel gives to clients. None is given twice,
    and runs side by side look in different places: what is killed here for a moment must find its port again."""
    while True:
        port = next(_ports)
        for _ in range(count - 1):
            next(_ports)
        with contextlib.ExitStack() as stack:
            try:
                for p in range(port, port + count):
                    stack.enter_context(socket.socket()).bind(('127.0.0.1', p))
            except OSError:
                continue
            return port


def wait_until(condition, timeout, what, poll=0.1):
    """Polls until condition() is true; returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'not within {timeout} s: {what}')
        time.sleep(poll)


def script(name, *args, **env):
    done = subprocess.run([SERVICES / name, *map(str, args)], env={**os.environ, **env}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f'{name} {args}: {done.stdout}'


class Kafka:
    def __init__(self, folder, **env):
        self.dir, self.port, self.env = folder, free_port(4), env
        self.servers = f'127.0.0.1:{self.port}'
        script('kafka.sh', 'start', self.dir, self.port, **env)

    def start(self):
        script('kafka.sh', 'start', self.dir, self.port, **self.env)

    def kill(self):
        script('kafka.sh', 'kill', self.dir)

    def stop(self):
        script('kafka.sh', 'stop', self.dir)

    @contextlib.contextmanager
    def frozen(self):
        """Its connections stay open, and it does nothing."""
        pid = int((self.dir / 'pid').read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def create(self, topic, partitions=1, **config):
        admin = confluent_kafka.admin.AdminClient({'bootstrap.servers': self.servers})
        config = {k.replace('_', '.'): v for k, v in config.items()}
        new = confluent_kafka.admin.NewTopic(topic, partitions, 1, config=config)
        for future in admin.create_topics([new]).values():
            future.result(30)

    def delete(self, topic):
        admin = confluent_kafka.admin.AdminClient({'bootstrap.servers': self.servers})
        for future in admin.delete_topics([topic]).values():
            future.result(30)

    def produce(self, topic, messages, compression='none'):
        """messages: (key, value) or (key, value, headers)."""
        producer = confluent_kafka.Producer({'bootstrap.servers': self.servers, 'message.max.bytes': 16 << 20,
                                             'queue.buffering.max.messages': 1000000, 'linger.ms': 20,
                                             'compression.type': compression})
        for message in messages:
            while True:
                try:
                    producer.produce(topic, key=message[0], value=message[1],
                                     headers=message[2] if len(message) > 2 else None)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(120) == 0

    def read(self, topic, timeout=120):
        """All committed messages of a topic as it is now; what comes meanwhile is left out, also where it comes so fast
        that the reader never sees an end."""
        consumer = confluent_kafka.Consumer({
            'bootstrap.servers': self.servers, 'group.id': uuid.uuid4().hex, 'isolation.level': 'read_committed',
            'auto.offset.reset': 'earliest', 'enable.partition.eof': True, 'enable.auto.commit': False,
            'fetch.message.max.bytes': 16 << 20})
        partitions = consumer.list_topics(topic, 30).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in partitions])
        high = {p: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), 30)[1] for p in partitions}
        ended, end = set(), time.monotonic() + timeout
        try:
            while len(ended) < len(partitions):
                assert time.monotonic() < end, f'{topic} could not be read in {timeout} s'
                for message in consumer.consume(10000, 0.5):
                    error = message.error()
                    if error and error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        ended.add(message.partition())
                    elif error:
                        raise AssertionError(error)
                    elif message.offset() < high[message.partition()]:
                        yield message
                    else:
                        ended.add(message.partition())
        finally:
            consumer.close()


class ClickHouse:
    def __init__(self, folder, port=None, **env):
        self.dir, self.port, self.env = folder, port or free_port(2), env
        self.url = f'http://127.0.0.1:{self.port}'
        self.start()

    def start(self):
        script('clickhouse.sh', 'start', self.dir, self.port, self.port + 1, **self.env)

    def kill(self):
        script('clickhouse.sh', 'kill', self.dir)

    def stop(self):
        script('clickhouse.sh', 'stop', self.dir)

    def query(self, sql, user='pipeline', password='secret'):
        request = urllib.request.Request(self.url, data=sql.encode(), headers={
            'X-ClickHouse-User': user, 'X-ClickHouse-Key': password})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f'{sql}: {error.read().decode()}') from None

    def rows(self, sql):
        return [json.loads(line) for line in self.query(sql + ' FORMAT JSONCompactEachRow').split('\n') if line]

    def value(self, sql):
        return self.rows(sql)[0][0]


class Process:
    """A process whose output is kept in a file; stopped at the end whatever happens."""

    def __init__(self, name, args, folder, env=None, notify=False):
        self.name, self.args, self.folder, self.env = name, [str(a) for a in args], folder, env or {}
        self.notify = notify
        self.log = folder / f'{name}.log'
        self.process = None
        self.messages = []

    def start(self, timeout=40):
        env = {**os.environ, **self.env}
        env.pop('JOURNAL_STREAM', None)
        listener = None
        if self.notify:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            address = f'\0e2e-{uuid.uuid4().hex}'
            listener.bind(address)
            env['NOTIFY_SOCKET'] = '@' + address[1:]
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.args, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
        if self.notify:
            self.messages = []
            threading.Thread(target=self._listen, args=(listener, self.messages, self.process), daemon=True).start()
            if timeout:
                self.wait_ready(timeout)
        return self

    @staticmethod
    def _listen(listener, messages, process):
        listener.settimeout(0.5)
        while process.poll() is None:
            with contextlib.suppress(socket.timeout):
                messages.extend(listener.recv(65536).decode().split('\n'))
        listener.close()

    def wait_ready(self, timeout=40):
        wait_until(lambda: 'READY=1' in self.messages or self.process.poll() is not None, timeout,
                   f'{self.name} ready:\n{self.tail()}', 0.02)
        assert self.process.poll() is None, f'{self.name} ended with {self.process.returncode}:\n{self.tail()}'

    def tail(self, lines=15):
        return '\n'.join(self.text().splitlines()[-lines:])

    def text(self):
        return self.log.read_text(errors='replace') if self.log.exists() else ''

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def terminate(self, timeout=10):
        """SIGTERM; the exit status and the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        return status, time.monotonic() - began

    def running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        if self.running():
            self.kill()


class Replay(Process):
    """The replay server of EventStreams."""

    def __init__(self, folder, file, *args):
        self.port = free_port()
        self.url = f'http://127.0.0.1:{self.port}/v2/stream'
        super().__init__('eventstreams', [BUILD / 'services' / 'eventstreams', '--port', self.port, '--file', file,
                                          *args], folder)
        self.start()
        wait_until(self._answers, 60, 'the replay server answers')

    def _answers(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f'http://127.0.0.1:{self.port}/healthz', timeout=5).status == 200
        assert self.running(), self.tail()
        return False

    def control(self, **faults):
        url = f'http://127.0.0.1:{self.port}/_control'
        data = urllib.parse.urlencode(faults).encode() if faults else None
        with urllib.request.urlopen(url, data=data, timeout=30) as answer:
            return json.load(answer)


def make_events(path, count, *args):
    with open(path, 'wb') as out:
        subprocess.run([BUILD / 'services' / 'make-events', '--count', str(count), *map(str, args)], stdout=out,
                       check=True)
    return path


def without_lone_surrogates(path):
    """Drops the events whose text UTF-8 cannot carry: a sink can only dead-letter them (test_bad_messages)."""
    lines = path.read_text(encoding='utf-8').split('\n')  # not splitlines(): U+2028 is text

    def fits(line):
        try:
            json.dumps(json.loads(line), ensure_ascii=False).encode()
            return True
        except UnicodeEncodeError:
            return False

    path.write_text('\n'.join(line for line in lines if '\\ud' not in line.lower() or fits(line)), encoding='utf-8')
    return path


def events(path):
    """The events of a file that are not canaries."""
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            event = json.loads(line)
            if event['meta'].get('domain') != 'canary':
                yield event


def write_whole(path, text):
    """Puts the file in its place in one step: a daemon that starts meanwhile reads the old text or the new, no half."""
    new = path.with_name(path.name + '.new')
    new.write_text(text)
    new.chmod(0o600)
    os.replace(new, path)
    return path


class Pipeline:
    """A folder with the real parts and the daemons' configurations."""

    def __init__(self, folder, kafka, clickhouse):
        self.folder, self.kafka, self.clickhouse = folder, kafka, clickhouse
        self.processes = []
        self.tag = uuid.uuid4().hex[:8]
        self.topic = f'wikipedia-data-{self.tag}'
        self.table = f'wikipedia_edits_{self.tag}'
        self.dead = f'dead-{self.tag}'

    def process(self, name, args, **kw):
        process = Process(name, args, self.folder, **kw)
        self.processes.append(process)
        return process

    def replay(self, file, *args):
        replay = Replay(self.folder, file, *args)
        self.processes.append(replay)
        return replay

    def wikisrcd(self, url, name='wikisrcd', args=(), **options):
        conf = {'source': {'url': url, 'streams': ['recentchange'], 'user_agent_contact': CONTACT,
                           **options.pop('source', {})},
                'kafka': {'bootstrap.servers': self.kafka.servers, **options.pop('kafka', {})},
                'topic': self.topic, 'position_topic': f'positions-{self.tag}', **options}
        return self._daemon('wikisrcd', name, conf, args)

    def chsinkd(self, name='chsinkd', args=(), route=None, **options):
        conf = {'kafka': {'bootstrap.servers': self.kafka.servers, 'group.id': f'sink-{self.tag}',
                          **options.pop('kafka', {})},
                'clickhouse': {'urls': [self.clickhouse.url], 'user': 'pipeline', 'password': 'secret',
                               **options.pop('clickhouse', {})},
                'dead_letter_topic': self.dead, 'routes': [str(route or self.route())], **options}
        return self._daemon('chsinkd', name, conf, args)

    def _daemon(self, program, name, conf, args):
        path = write_whole(self.folder / f'{name}.yaml', json.dumps(conf, indent=1))  # JSON is YAML
        return self.process(name, [BUILD / program, '-c', path, *args], notify=True)

    def route(self, change=None):
        """The preset route with this pipeline's topic and table."""
        text = (ROOT / 'etc' / 'routes' / 'wikipedia_edits.yaml').read_text()
        text = text.replace('topic: wikipedia-data', f'topic: {self.topic}')
        text = text.replace('wikipedia_edits', self.table)
        if change:
            text = change(text)
        return write_whole(self.folder / f'{self.table}.yaml', text)

    def rows(self):
        exists = self.clickhouse.value(f"SELECT count() FROM system.tables WHERE name = '{self.table}'")
        return int(self.clickhouse.value(f'SELECT count() FROM {self.table}')) if int(exists) else 0

    def distinct(self):
        return int(self.clickhouse.value(f'SELECT uniqExact(event_id) FROM {self.table}'))

    def close(self):
        for process in self.processes:
            process.close()
        with contextlib.suppress(AssertionError, OSError):
            self.clickhouse.query(f'DROP TABLE IF EXISTS {self.table}_per_minute')
            self.clickhouse.query(f'DROP TABLE IF EXISTS {self.table}')

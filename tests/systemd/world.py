# SPDX-License-Identifier: Apache-2.0
"""What the daemons work between: Kafka (SASL over TLS), ClickHouse, Keycloak, an API and a replayed stream, in the
container; the configurations of an operator who has these; and what must be in topics and tables."""
import collections
import json
import pathlib
import threading
import time

from machine import DAEMONS
from pipeline import ClickHouse, Kafka, Pipeline, Replay, events, make_events, wait_until
from wm import APP, CLIENT_SECRET, USER_PASSWORD, Api, Keycloak, WmPipeline, expected_rows, watermelon

HOUR = watermelon.HOUR_MS
# The API has so many hours behind it, fetched hour by hour.
HOURS = 30 * 24
KAFKA_PASSWORD, CLICKHOUSE_PASSWORD = 'Kafk4-pa55', 'Cl1ckH0use-pa55'  # set by inside.sh

KAFKA = '''\
kafka:
    bootstrap.servers: 127.0.0.1:{port}
    security.protocol: SASL_SSL
    ssl.ca.location: /etc/{daemon}/ca.pem
    sasl.mechanism: PLAIN
    sasl.username: pipeline
    sasl.password: {{ credential: kafka-password }}
'''
CONFIGS = {
    'wikisrcd': '''\
name: {name}
source:
    url: {replay}
    user_agent_contact: tests@example.org
    start: 2000-01-01T00:00:00Z
topic: {topic}
''' + KAFKA,
    'wmfetchd': '''\
name: {name}
api:
    url: {api}
    applications: ["{application}"]
    tls: {{ ca_file: /etc/wmfetchd/ca.pem }}
auth:
    url: {keycloak}
    client_id: watermelon-confidential
    client_secret: {{ credential: client-secret }}
    user: pipeline
    password: {{ credential: keycloak-password }}
    tls: {{ ca_file: /etc/wmfetchd/ca.pem }}
window: {{ start: {start}, size: 1h, delay: 0s, overlap: 0h }}
topic: {topic}
position_topic: {positions}
''' + KAFKA,
    'chsinkd': KAFKA + '''\
    group.id: {name}
    session.timeout.ms: 6000
clickhouse:
    urls: [{clickhouse}]
    user: pipeline
    password: {{ credential: clickhouse-password }}
routes: [{routes}]
''',
}
SECRETS = {
    'wikisrcd': {'kafka-password': KAFKA_PASSWORD},
    'wmfetchd': {'kafka-password': KAFKA_PASSWORD, 'keycloak-password': USER_PASSWORD, 'client-secret': CLIENT_SECRET},
    'chsinkd': {'kafka-password': KAFKA_PASSWORD, 'clickhouse-password': CLICKHOUSE_PASSWORD},
}


class World:
    name = None  # of the daemons' pipelines and groups; else their own
    routes = '/etc/chsinkd/routes/*.yaml'

    def __init__(self, folder):
        self.folder = folder
        # The slowest to start, beside the others. Its certificates are everybody's.
        self.keycloak = None
        keycloak = threading.Thread(target=self._start_keycloak)
        keycloak.start()
        wait_until((folder / 'keycloak' / 'tls' / 'server.pem').exists, 60, 'certificates')
        self.ca = folder / 'keycloak' / 'tls' / 'ca.pem'
        self.kafka = Kafka(folder / 'kafka', KAFKA_SASL_TLS=str(folder / 'keycloak' / 'tls'))
        self.clickhouse = ClickHouse(folder / 'clickhouse')
        file = make_events(folder / 'events.jsonl', 100000, '--seed', 5, '--rate', 400, '--shared-ms', 500,
                           '--backwards')
        self.kinds = {e['meta']['id']: e['type'] for e in events(file)}
        self.ids = list(self.kinds)
        self.replay = Replay(folder, file, '--rate', '250', '--from-start', '--max-connections', '10')
        keycloak.join()
        assert self.keycloak, 'Keycloak did not start'
        self.api = Api(folder, self.keycloak, '--transactions', '6')
        # An hour is fetched each half second: the load lasts as long as the tests.
        self.api.control({'delay': 0.4, 'times': -1})
        self.start = (int(time.time() * 1000) // HOUR - HOURS) * HOUR
        self.data = watermelon.Data(6)
        self.edits = Pipeline(folder, self.kafka, self.clickhouse)
        self.edits.topic, self.edits.table = 'wikipedia-data', 'wikipedia_edits'
        self.metrics = WmPipeline(folder, self.kafka, self.clickhouse, self.keycloak)
        self.metrics.topic, self.metrics.table = 'services_series_12days', 'transaction_metrics'
        self.metrics.positions = 'wmfetchd-positions'
        # chsinkd refuses to start without its topics; which daemon is first is not told.
        self.kafka.create(self.edits.topic)
        self.kafka.create(self.metrics.topic)

    def _start_keycloak(self):
        self.keycloak = Keycloak(self.folder / 'keycloak', KEYCLOAK_TOKEN_SECONDS='30')

    def config(self, daemon, name=None, **values):
        """The text of a configuration; `name` tells one instance's names from another's."""
        topics = {'wikisrcd': self.edits.topic, 'wmfetchd': self.metrics.topic}
        values = {
            'daemon': daemon, 'name': name or self.name or daemon, 'port': self.kafka.port + 2, 'replay': self.replay.url,
            'api': self.api.url, 'keycloak': self.keycloak.url, 'application': APP, 'start': self.start,
            'clickhouse': self.clickhouse.url, 'topic': topics.get(daemon), 'positions': self.metrics.positions,
            'routes': self.routes,
            **values}
        return CONFIGS[daemon].format(**values)

    def configure(self):
        """As an operator does: YAML in /etc/NAME, secrets as files that only root can read."""
        for daemon in DAEMONS:
            folder = pathlib.Path('/etc') / daemon
            (folder / f'{daemon}.yaml').write_text(self.config(daemon))
            (folder / 'ca.pem').write_bytes(self.ca.read_bytes())
            for name, secret in SECRETS[daemon].items():
                write_secret(daemon, name, secret)

    def progress(self, more=300, timeout=60):
        """Until so many more events are rows, and another window, too."""
        rows, windows = self.edits.rows(), self.metrics.rows()
        wait_until(lambda: self.edits.rows() >= rows + more, timeout, f'{more} more rows than {rows}')
        wait_until(lambda: self.metrics.rows() > windows, timeout, f'more rows than {windows} from the API')

    def assert_exact(self, timeout=60):
        """What is in the topics is the beginning of what the sources have, each once; and it is in the tables, each
        once. The daemons may be at work meanwhile."""
        found = collections.Counter(json.loads(m.value())['meta']['id'] for m in self.kafka.read(self.edits.topic))
        assert_same(found, collections.Counter(self.ids[:sum(found.values())]), 'events')
        wait_until(lambda: self.edits.rows() >= len(found), timeout, f'{len(found)} rows')
        rows, distinct = self.clickhouse.rows('SELECT toUInt32(count()), toUInt32(uniqExact(event_id)) '
                                              f'FROM {self.edits.table}')[0]
        assert rows == distinct, f'{rows - distinct} of {rows} rows doubled'
        inside = {r[0] for r in self.clickhouse.rows(f'SELECT toString(event_id) FROM {self.edits.table}')}
        assert not found.keys() - inside, 'events are missing in the table'
        assert inside <= set(self.ids), 'strange rows'
        return len(found)

    def expect_no(self, kind):
        """Events of a type that were filtered until now are not expected any more; says how many."""
        found = [json.loads(m.value())['meta']['id'] for m in self.kafka.read(self.edits.topic)]
        missing = set(self.ids[:self.ids.index(found[-1])]) - set(found)
        assert {self.kinds[i] for i in missing} <= {kind}, f'not only {kind} is missing'
        self.ids = [i for i in self.ids if i not in missing]
        return len(missing)

    def assert_windows_exact(self, timeout=90, name='wmfetchd'):
        """The same for the API; wmfetchd (its instance `name`) is stopped."""
        end = self.metrics.position(name=name)
        wanted = collections.Counter()
        for begin in range(self.start, end, HOUR):
            wanted.update(self.data.pieces(APP, begin, begin + HOUR))
        assert_same(collections.Counter(m.value() for m in self.metrics.messages()), wanted, 'messages')
        answer = [json.loads(piece) for piece in wanted]
        count = len(expected_rows(answer))
        wait_until(lambda: int(self.clickhouse.value(f'SELECT count() FROM {self.metrics.table} FINAL')) >= count,
                   timeout, f'{count} rows of {self.metrics.table}')
        self.metrics.assert_table(answer)
        return count

    def close(self):
        for process in (self.api, self.replay):
            process.close()
        for service in (self.keycloak, self.clickhouse, self.kafka):
            service.stop()


def assert_same(found, wanted, what):
    missing, more = wanted - found, found - wanted
    assert not missing and not more, f'{sum(missing.values())} {what} missing, {sum(more.values())} doubled or strange'
    assert wanted, f'no {what} at all'


def write_secret(daemon, name, secret):
    path = pathlib.Path('/etc') / daemon / 'secrets' / name
    path.write_text(secret + '\n')
    path.chmod(0o600)

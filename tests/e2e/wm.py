# SPDX-License-Identifier: Apache-2.0
"""Watermelon's parts for end-to-end tests: Keycloak, the API, wmfetchd, and what must be in topic and table."""
import collections
import json
import re
import sys
import urllib.request

import confluent_kafka.admin

from pipeline import ROOT, SERVICES, Pipeline, Process, free_port, script, wait_until, write_whole

sys.path.insert(0, str(SERVICES))
import watermelon  # pylint: disable=wrong-import-position  # the API itself: it knows its data

APP = 31854
# The twelve days of the example.
START, END = 1767205800000, 1768242540000
DAY = 24 * watermelon.HOUR_MS
USER_PASSWORD, CLIENT_SECRET = 'user-Pa55word', 'client-S3cret'
SERIES = watermelon.PATH
QUERIES = ROOT / 'etc' / 'queries' / 'transaction_metrics'

# The spec's columns, and what the route adds.
COLUMNS = '''
transaction_name transaction_id application_id application_name alias timestamp timestamp_str key timezone no_data_found
index_type sre_product sum_response_time avg_response_time total_count success_count error_count success_rate error_rate
total_data_points short_target_slo eb_allocated_percent eb_allocated_count eb_consumed_percent eb_consumed_count
eb_actual_consumed_percent eb_left_percent eb_left_count aspirational_slo aspirational_eb_allocated_percent
aspirational_eb_allocated_count aspirational_eb_consumed_percent aspirational_eb_consumed_count
aspirational_eb_actual_consumed_percent aspirational_eb_left_percent aspirational_eb_left_count response_breach_count
response_error_rate response_success_rate response_slo response_target_percent response_allocated_percent
response_allocated_count response_consumed_percent response_consumed_count response_actual_consumed_percent
response_left_percent response_left_count aspirational_response_slo aspirational_response_target_percent
aspirational_response_allocated_percent aspirational_response_allocated_count aspirational_response_consumed_percent
aspirational_response_consumed_count aspirational_response_actual_consumed_percent aspirational_response_left_percent
aspirational_response_left_count timeliness_consumed_percent aspirational_timeliness_consumed_percent timeliness_health
response_health eb_health aspirational_response_health aspirational_eb_health timeliness_severity response_severity
eb_severity aspirational_response_severity aspirational_eb_severity eb_breached response_breached
eb_or_response_breached percentile_25 percentile_50 percentile_75 percentile_80 percentile_85 percentile_90
percentile_95 percentile_99'''.split()
OWN_COLUMNS = ['other_fields', 'ingestion_time', '_topic', '_partition', '_offset', '_timestamp']
# Absent here is '', not NULL.
TEXTS = {c for c in COLUMNS if c.endswith(('_health', '_severity', '_name'))} | {
    'alias', 'timestamp_str', 'timezone', 'index_type', 'sre_product'}


def camel(column):
    first, *rest = column.split('_')
    return first + ''.join(word.capitalize() for word in rest)


def expected_rows(transactions):
    """What the table must hold for an answer: {(application, name, index, timestamp): {column: value}}."""
    rows = {}
    for transaction in transactions:
        for element in transaction['transactionSeries']:
            row = {}
            for column in COLUMNS:
                value = element.get(camel(column))
                if value is None:
                    value = transaction.get(camel(column))
                row[column] = '' if value is None and column in TEXTS else value
            rows[key_of(row)] = row
    return rows


def key_of(row):
    return row['application_id'], row['transaction_name'], row['index_type'], row['timestamp']


class Keycloak:
    def __init__(self, folder, **env):
        self.dir, self.env, self.port = folder, env, free_port()
        self.url = f'https://127.0.0.1:{self.port}'
        self.issuer = f'{self.url}/realms/watermelon'
        self.pki = folder / 'tls'
        self.ca = self.pki / 'ca.pem'
        self.start()

    def start(self):
        script('keycloak.sh', 'start', self.dir, self.port, **self.env)

    def stop(self):
        script('keycloak.sh', 'stop', self.dir)

    def revoke(self, *what):
        script('keycloak.sh', 'revoke', self.dir, *what)


class Api(Process):
    """The Watermelon API. Over TLS and with Keycloak's tokens if a Keycloak is given."""

    def __init__(self, folder, keycloak=None, *args, pem=None):
        self.port = free_port(2)
        self.control_port = self.port + 1
        command = [sys.executable, '-u', SERVICES / 'watermelon.py', '--port', self.port, '--control-port',
                   self.control_port, *args]
        if keycloak:
            command += ['--tls', pem or keycloak.pki / 'server.pem', '--issuer', keycloak.issuer, '--ca', keycloak.ca]
        self.url = f'{"https" if keycloak else "http"}://127.0.0.1:{self.port}'
        super().__init__('watermelon', command, folder)
        self.start()
        wait_until(lambda: 'listening' in self.text() or not self.running(), 30, 'the API listens')
        assert self.running(), self.tail()

    def control(self, *commands):
        """Lays out faults; tells what came so far."""
        data = json.dumps(commands).encode() if commands else None
        with urllib.request.urlopen(f'http://127.0.0.1:{self.control_port}/', data, timeout=30) as answer:
            return json.load(answer)

    def requests(self):
        return self.control()['requests']


class WmPipeline(Pipeline):
    """Keycloak → API → wmfetchd → Kafka → chsinkd → transaction_metrics, under names of its own."""

    def __init__(self, folder, kafka, clickhouse, keycloak=None):
        super().__init__(folder, kafka, clickhouse)
        self.keycloak = keycloak
        self.topic = f'services_series_12days-{self.tag}'
        self.positions = f'wmfetchd-positions-{self.tag}'
        self.table = f'transaction_metrics_{self.tag}'
        self.secrets = {USER_PASSWORD, CLIENT_SECRET}

    def api(self, *args, tls=True, **kw):
        api = Api(self.folder, self.keycloak if tls else None, *args, **kw)
        self.processes.append(api)
        return api

    def secret(self, name, value):
        path = self.folder / name
        path.write_text(value + '\n')
        path.chmod(0o600)
        self.secrets.add(value)
        return {'file': str(path)}

    def auth(self, grant='client_credentials', **more):
        conf = {'url': self.keycloak.url, 'realm': 'watermelon', 'grant': grant,
                'tls': {'ca_file': str(self.keycloak.ca)}}
        if grant == 'password':
            conf.update(client_id='watermelon-public', user='pipeline',
                        password=self.secret('user-password', USER_PASSWORD))
        else:
            conf.update(client_id='watermelon-confidential', client_secret=self.secret('client-secret', CLIENT_SECRET))
        conf.update(more)
        return {k: v for k, v in conf.items() if v is not None}

    def wmfetchd(self, server, name='wmfetchd', args=(), auth=None, **options):
        """Options are merged into sections: api={'timeout': '1s'}."""
        conf = {'api': {'url': server.url, 'applications': [APP], 'tls': {'ca_file': str(self.keycloak.ca)},
                        **options.pop('api', {})},
                'auth': auth or self.auth(),
                'kafka': {'bootstrap.servers': self.kafka.servers, **options.pop('kafka', {})},
                'topic': self.topic, 'position_topic': self.positions, **options}
        return self._daemon('wmfetchd', name, conf, args)

    def once(self, server, start=START, end=END, **options):
        more = options.pop('args', ())
        return self.wmfetchd(server, args=('--once', '--start', str(start), '--end', str(end), *more), **options)

    def route(self, change=None):
        """The preset with this pipeline's topic and table."""
        text = (ROOT / 'etc' / 'routes' / 'transaction_metrics.yaml').read_text()
        text = text.replace('topic: services_series_12days', f'topic: {self.topic}')
        text = text.replace('\ntable: transaction_metrics\n', f'\ntable: {self.table}\n')
        if change:
            text = change(text)
        return write_whole(self.folder / f'{self.table}.yaml', text)

    def load(self, group=None, **options):
        """chsinkd --once with this table."""
        kafka = {'group.id': group} if group else {}
        sink = self.chsinkd(args=('--once',), kafka={**kafka, **options.pop('kafka', {})}, **options)
        sink.start(timeout=0)
        sink.process.wait(120)
        assert sink.process.returncode == 0, sink.tail(40)
        return sink

    def messages(self):
        """The committed messages; none while there is no topic."""
        admin = confluent_kafka.admin.AdminClient({'bootstrap.servers': self.kafka.servers})
        if self.topic not in admin.list_topics(timeout=10).topics:
            return []
        return list(self.kafka.read(self.topic))

    def position(self, app=APP, index='HOURLY', name='watermelon'):
        """Up to where wmfetchd has fetched, by its topic of positions; 0: nothing yet."""
        admin = confluent_kafka.admin.AdminClient({'bootstrap.servers': self.kafka.servers})
        if self.positions not in admin.list_topics(timeout=10).topics:
            return 0
        end = 0
        for message in self.kafka.read(self.positions):
            if message.key().decode() == f'{name}/{app}/{index}':
                end = json.loads(message.value())['end']
        return end

    def assert_no_secrets(self):
        """Neither secrets nor tokens in any file of the test but those that hold them."""
        for path in self.folder.iterdir():
            if path.is_file() and path.name not in (
                    'client-secret', 'user-password', 'wrong', 'watermelon.log'):
                self.assert_no_secrets_in(path.read_bytes(), path.name)

    def assert_no_secrets_in(self, content, where):
        for secret in self.secrets:
            assert secret.encode() not in content, f'{secret} stands in {where}'
        token = re.search(rb'eyJ[\w-]{10,}', content)  # how each JWT begins
        assert not token, f'a token stands in {where}'

    def table_rows(self, final=True):
        """The table as expected_rows() has it; asserts that no row is there twice."""
        sql = (f'SELECT * REPLACE (toUnixTimestamp64Milli(timestamp) AS timestamp) FROM {self.table} '
               f'{"FINAL" if final else ""} SETTINGS output_format_json_quote_64bit_integers = 0 FORMAT JSONEachRow')
        rows = {}
        for line in self.clickhouse.query(sql).splitlines():
            row = json.loads(line)
            key = key_of(row)
            assert key not in rows, f'{key} twice'
            rows[key] = row
        return rows

    def assert_table(self, transactions):
        """Each row of the answer is in the table, with the same value in each column; and no other."""
        wanted, found = expected_rows(transactions), self.table_rows()
        assert wanted.keys() == found.keys(), (f'{len(wanted.keys() - found.keys())} rows missing, '
                                               f'{len(found.keys() - wanted.keys())} strange')
        wrong = collections.Counter()
        example = {}
        for key, row in wanted.items():
            for column, value in row.items():
                if found[key][column] != value or isinstance(found[key][column], bool) != isinstance(value, bool):
                    wrong[column] += 1
                    example[column] = key, value, found[key][column]
        assert not wrong, f'{dict(wrong)}; such as {example}'
        return found

    def sql(self, name, **parameters):
        """One of the queries that the README shows, on this table."""
        text = (QUERIES / f'{name}.sql').read_text()
        text = re.sub(r'\btransaction_metrics\b', self.table, text)
        for key, value in parameters.items():
            text = re.sub(r'\{%s:\w+\}' % key, lambda _, v=value: "'" + v.replace("'", "\\'") + "'", text)
        return text

    def ask(self, name, **parameters):
        return self.clickhouse.rows(self.sql(name, **parameters) +
                                    'SETTINGS output_format_json_quote_64bit_integers = 0')

# SPDX-License-Identifier: Apache-2.0
"""The demo of Watermelon's metrics: token from Keycloak, twelve days from the API, Kafka, transaction_metrics.

    demo_watermelon.py          run
    demo_watermelon.py stop     stop what a run with KEEP=1 left

Environment:
    KAFKA=HOST:PORT         your Kafka; else one is started
    CLICKHOUSE=URL          your ClickHouse, with CLICKHOUSE_USER and CLICKHOUSE_PASSWORD; else one
                            is started
    KEEP=1                  leave all running

Keycloak is the real one; the API is tests/services/watermelon.py, which checks Keycloak's tokens. What is
counted at the end is counted apart: in the answer as it was saved, by both daemons, and in the table. The
machinery (processes, ports, configurations) is that of demo.py.
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import demo
from demo import BUILD, ROOT, SERVICES, Failed, env, relative, say, title

sys.path.insert(0, str(ROOT / 'tests' / 'e2e'))
import wm  # pylint: disable=wrong-import-position  # what the table must hold

demo.DEMO = DEMO = BUILD / 'demo-watermelon'
QUERIES = ROOT / 'etc' / 'queries' / 'transaction_metrics'
ROWS_SHOWN = 6


class Keycloak:
    def __init__(self):
        demo.fetch('keycloak')
        began = time.monotonic()
        self.url = f'https://127.0.0.1:{demo.serve("keycloak", 1)}'
        self.ca = DEMO / 'keycloak' / 'tls' / 'ca.pem'
        self.pem = DEMO / 'keycloak' / 'tls' / 'server.pem'
        say('Keycloak', f'26 at {self.url}, realm watermelon, started in {time.monotonic() - began:.0f} s')


def start_api(keycloak):
    port = demo.free_ports(2)
    process = demo.start('watermelon', [
        sys.executable, '-u', SERVICES / 'watermelon.py', '--port', port, '--control-port', port + 1, '--tls',
        keycloak.pem, '--issuer', f'{keycloak.url}/realms/watermelon', '--ca', keycloak.ca])
    limit = time.monotonic() + 30
    while 'listening' not in (DEMO / 'watermelon.log').read_text():
        demo.check_alive('watermelon', process)
        if time.monotonic() > limit:
            raise Failed('the API does not answer')
        time.sleep(0.05)
    url = f'https://127.0.0.1:{port}'
    say('API', f'{url}, 122 transactions, checks the tokens')
    return url


class Run:
    def __init__(self):
        self.kafka = demo.Kafka()
        self.clickhouse = demo.ClickHouse()
        say(self.clickhouse.name, self.clickhouse.where)
        self.keycloak = Keycloak()
        self.api = start_api(self.keycloak)
        own = self.kafka.own and self.clickhouse.own
        self.tag = '' if own else f'_demo_{time.strftime("%H%M%S")}_{random.getrandbits(16):04x}'
        self.table = f'transaction_metrics{self.tag}'
        self.topic = f'services_series_12days{self.tag}'
        self.configurations()

    def secret(self, name, value):
        path = DEMO / name
        path.write_text(value + '\n')
        path.chmod(0o600)
        return {'file': str(path)}

    def configurations(self):
        fetch = {'api.url': self.api, 'api.applications': [str(wm.APP)], 'api.tls.ca_file': str(self.keycloak.ca),
                 'auth.url': self.keycloak.url, 'auth.grant': 'password', 'auth.client_id': 'watermelon-public',
                 'auth.user': 'pipeline', 'auth.password': self.secret('password', wm.USER_PASSWORD),
                 'auth.tls.ca_file': str(self.keycloak.ca), 'topic': self.topic,
                 'kafka': {'bootstrap.servers': self.kafka.servers}}
        route = ROOT / 'etc' / 'routes' / 'transaction_metrics.yaml'
        if self.tag:
            fetch.update({'name': f'watermelon{self.tag}', 'position_topic': f'wmfetchd-positions{self.tag}'})
            text = route.read_text().replace('\ntopic: services_series_12days', f'\ntopic: {self.topic}')
            route = DEMO / 'transaction_metrics.yaml'
            route.write_text(text.replace('\ntable: transaction_metrics', f'\ntable: {self.table}'))
        sink = {'kafka': {'bootstrap.servers': self.kafka.servers, 'group.id': f'chsinkd{self.tag}'},
                'clickhouse.urls': [self.clickhouse.url], 'routes': [str(route)], 'batch.rows': 5000,
                'dead_letter_topic': f'chsinkd-dead-letters{self.tag}'}
        if not self.clickhouse.own:
            sink['clickhouse.user'] = self.clickhouse.user
            if self.clickhouse.password:
                sink['clickhouse.password'] = {'env': 'CLICKHOUSE_PASSWORD'}
        self.fetch_yaml = demo.write_configuration('wmfetchd', fetch)
        self.sink_yaml = demo.write_configuration('chsinkd', sink)

    def command(self, *args):
        """Runs wmfetchd as a person would, in the demo's folder, its output as it comes."""
        line = [BUILD / 'wmfetchd', '-c', self.fetch_yaml, *args]
        print(f'\n  $ wmfetchd -c {relative(self.fetch_yaml)} {" ".join(args)}', flush=True)
        environment = {k: v for k, v in os.environ.items() if k != 'JOURNAL_STREAM'}
        process = subprocess.Popen([str(a) for a in line], cwd=DEMO, env=environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        demo.remember('wmfetchd', process.pid)
        output = []
        for text in process.stdout:
            output.append(text)
            print('    ' + text, end='', flush=True)
        if process.wait() != 0:
            raise Failed(f'wmfetchd ended with status {process.returncode}')
        return ''.join(output)

    def start_sink(self):
        title('Into the table')
        self.sink = demo.start_notifying('chsinkd', [BUILD / 'chsinkd', '-c', self.sink_yaml])
        say('chsinkd', f'-c {relative(self.sink_yaml)}   (log: {relative(DEMO / "chsinkd")}.log)')

    def rows(self):
        return int(self.clickhouse.query(f'SELECT count() FROM {self.table} FINAL'))

    def wait_rows(self, wanted, seconds=60):
        limit = time.monotonic() + seconds
        while self.rows() < wanted:
            demo.check_alive('chsinkd', self.sink)
            if time.monotonic() > limit:
                raise Failed(f'{self.rows()} rows of {wanted} within {seconds} s; the end of the log:\n'
                             f'{demo.tail("chsinkd")}')
            time.sleep(0.1)

    def fetch(self):
        title('A person tries it: is the token good, what comes?')
        self.command('--auth-test')
        title('The twelve days')
        dump = DEMO / 'api_response_debug.json'
        self.command('--once', '--start', str(wm.START), '--end', str(wm.END), '--dump', dump.name)
        answer = json.loads(dump.read_text())
        self.answer = answer if isinstance(answer, list) else next(v for v in answer.values() if isinstance(v, list))
        self.records = sum(len(t['transactionSeries']) for t in self.answer)
        say('saved', f'{relative(dump)}: {dump.stat().st_size:,} bytes, {len(self.answer)} transactions, '
                     f'{self.records:,} records')

    def stop_sink(self):
        demo.end(self.sink.pid)
        last = [line for line in (DEMO / 'chsinkd.log').read_text().splitlines() if 'stopped' in line][-1]
        return {k: int(v) for k, v in re.findall(r'\b(\w+)=(\d+)', last)}

    def check(self, said):
        title('Sums')
        rows = self.rows()
        say('API', f'{len(self.answer):>9,} transactions with {self.records:,} records in their series')
        say('chsinkd', f'{said["messages"]:>9,} messages read, {said["rows"]:,} rows inserted')
        say('ClickHouse', f'{rows:>9,} rows in {self.table}')
        wanted, different = wm.expected_rows(self.answer), []
        found = {}
        sql = (f'SELECT * REPLACE (toUnixTimestamp64Milli(timestamp) AS timestamp) FROM {self.table} FINAL '
               f'FORMAT JSONEachRow')
        for line in self.clickhouse.query(sql, output_format_json_quote_64bit_integers=0).splitlines():
            row = json.loads(line)
            found[wm.key_of(row)] = row
        for key, row in wanted.items():
            different += [(key, c) for c, v in row.items() if key not in found or found[key][c] != v]
        say('', f'{len(wanted) * len(wm.COLUMNS):,} values ({len(wm.COLUMNS)} columns) compared with the answer: '
                + ('all the same' if not different else f'{len(different)} DIFFERENT, such as {different[0]}'))
        if different or not said['messages'] == len(self.answer) == 122 or \
                not said['rows'] == rows == self.records == len(found):
            raise Failed('the table does not hold what the API sent (see above)')

    def query(self, name):
        text = (QUERIES / f'{name}.sql').read_text()
        return re.sub(r'\btransaction_metrics\b', self.table, text)

    def questions(self):
        for name in ('rows_per_transaction', 'response_time_7_days', 'percentiles_by_hour', 'error_budget_health',
                     'transactions_by_error_rate', 'table_size', 'partition_sizes'):
            text = self.query(name)
            about = re.findall(r'^-- (?!SPDX|Parameter)(.*)', text, re.M)
            title(f'{relative(QUERIES / name)}.sql')
            print('  ' + '\n  '.join(about))
            text = text.replace('{transaction_name:String}', "'GET /wm/v1/service-000/item'")
            body = '\n'.join(line for line in text.splitlines() if not line.startswith('--'))
            print(self.clickhouse.table(f'SELECT * FROM ({body}) LIMIT {ROWS_SHOWN}'))
        for kind in 'csv', 'json':
            path = DEMO / f'transaction_metrics.{kind}'
            path.write_text(self.clickhouse.query(self.query(f'export_{kind}')))
            lines = path.read_text().count('\n') - (kind == 'csv')
            say('' if kind == 'json' else 'exports', f'{relative(path)}: {lines:,} rows, {path.stat().st_size:,} bytes')

    def leave(self):
        title('Still running')
        for name, pid in demo.running():
            say(name, f'process {pid}')
        say('look', f'{self.clickhouse.url}/play   user {self.clickhouse.user}')
        say('stop', 'tests/demo-watermelon.sh stop')


def services():
    return [s for s in ('keycloak', 'clickhouse', 'kafka') if (DEMO / s / 'pid').exists()]


def stop_all():
    for _, pid in list(demo.running()):
        demo.end(pid)
    for service in services():
        subprocess.run([SERVICES / f'{service}.sh', 'stop', DEMO / service], check=False, start_new_session=True)


def run_demo():
    keep = env('KEEP') not in ('', '0')
    if list(demo.running()) or services():
        say('', 'stopping what the last demo left running')
        stop_all()
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir(parents=True)
    left = False
    try:
        run = Run()
        run.fetch()
        run.start_sink()
        run.wait_rows(run.records)
        said = run.stop_sink()
        run.questions()
        run.check(said)
        if keep:
            run.start_sink()
            run.leave()
            left = True
    finally:
        for sign in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(sign, signal.SIG_IGN)
        if not left:
            stop_all()


def main():
    for sign in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(sign, demo.interrupted)
    try:
        with demo.alone():
            if sys.argv[1:] == ['stop']:
                names = [name for name, _ in demo.running()] + services()
                stop_all()
                print('stopped: ' + (', '.join(names) or 'nothing was running'))
            else:
                run_demo()
    except Failed as failed:
        print(f'\ndemo: {failed}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndemo: interrupted; all that it started is stopped', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())

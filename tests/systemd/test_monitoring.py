# SPDX-License-Identifier: Apache-2.0
"""packaging/monitoring as it is installed, in a real Prometheus (Debian's) that scrapes the three daemons at work: its
rules are loaded and evaluated, and each query of the dashboards is asked as Grafana would ask it. Grafana itself
is not run: no dashboard is looked at here."""
import contextlib
import json
import pathlib
import re
import time
import urllib.parse
import urllib.request

import pytest

from machine import DAEMONS, Unit, run
from pipeline import ROOT, Process, free_port, wait_until

EXAMPLES = pathlib.Path('/usr/share/doc/streaming-daemons/examples')
# What Grafana puts in their place: any instance; the interval of a rate (four scrapes, at least); what is looked at.
VARIABLES = {'instance': '.*', '__rate_interval': '8s', '__range': '1m'}
# Of these there is nothing while all is well: a series begins with the first of its kind.
RARE = {'wikisrcd_connections_lost_total'}


class Prometheus:
    def __init__(self, folder, ports):
        folder.mkdir()
        self.url = f'http://127.0.0.1:{free_port()}'
        config = {'global': {'scrape_interval': '1s', 'evaluation_interval': '1s'},
                  'rule_files': [f'{EXAMPLES}/*.alerts.yaml'],
                  'scrape_configs': [{'job_name': name, 'static_configs': [{'targets': [f'127.0.0.1:{port}']}]}
                                     for name, port in ports.items()]}
        (folder / 'prometheus.yml').write_text(json.dumps(config))  # JSON is YAML
        run('promtool', 'check', 'config', folder / 'prometheus.yml')
        self.process = Process('prometheus', [
            'prometheus', f'--config.file={folder}/prometheus.yml', f'--storage.tsdb.path={folder}/data',
            f'--web.listen-address={self.url.removeprefix("http://")}'], folder)
        self.process.start()

    def ask(self, path, **parameters):
        url = f'{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}'
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)
        assert found['status'] == 'success', found
        return found['data']

    def targets(self):
        """{job: health}"""
        with contextlib.suppress(OSError):
            return {t['labels']['job']: t['health'] for t in self.ask('targets')['activeTargets']}
        assert self.process.running(), self.process.tail()
        return {}


@pytest.fixture(scope='module')
def prometheus(world):
    """It looks at the three daemons, which export their metrics for as long."""
    ports = {name: free_port() for name in DAEMONS}
    before = {}
    for name, port in ports.items():
        path = pathlib.Path(f'/etc/{name}/{name}.yaml')
        before[path] = path.read_text()
        path.write_text(f'{before[path]}metrics: {{ listen: "127.0.0.1:{port}" }}\n')
        run('systemctl', 'restart', f'{name}.service')
    p = Prometheus(world.folder / 'prometheus', ports)
    try:
        wait_until(lambda: p.targets() == {name: 'up' for name in DAEMONS}, 60, 'all targets are up')
        world.progress()
        # Rates need samples, and there is nothing else to wait for.
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 8, 20, 'eight scrapes')
        yield p
    finally:
        p.process.close()
        for path, text in before.items():
            path.write_text(text)
            Unit(path.stem).stop()
            Unit(path.stem).start()


def test_rules_are_evaluated(prometheus):
    """All of them, without an error; none has anything to say of a healthy world."""
    def rules():
        return [rule for group in prometheus.ask('rules')['groups'] for rule in group['rules']]

    wanted = {rule for path in EXAMPLES.glob('*.alerts.yaml') for rule in re.findall(r'alert: (\w+)', path.read_text())}
    assert len(wanted) > 20
    wait_until(lambda: rules() and all(rule['health'] == 'ok' for rule in rules()), 30, 'all rules are evaluated')
    assert {rule['name'] for rule in rules()} == wanted
    assert not [rule['lastError'] for rule in rules() if rule.get('lastError')]
    firing = [rule['name'] for rule in rules() if rule['state'] == 'firing']
    assert not firing, firing


def test_rules_by_promtool(tmp_path):
    """What they fire on and what not (tests/data/alerts_test.yaml), and their grammar."""
    tests = (ROOT / 'tests' / 'data' / 'alerts_test.yaml').read_text()
    tests = tests.replace('../../packaging/monitoring', str(EXAMPLES))
    (tmp_path / 'alerts_test.yaml').write_text(tests)
    run('promtool', 'check', 'rules', *sorted(EXAMPLES.glob('*.alerts.yaml')))
    run('promtool', 'test', 'rules', tmp_path / 'alerts_test.yaml')


@pytest.mark.parametrize('name', DAEMONS)
def test_dashboard(prometheus, name):
    """Each query of each panel is understood and has data, each label of a legend is there."""
    board = json.loads((EXAMPLES / f'{name}.dashboard.json').read_text())
    choice, = [v['query']['query'] for v in board['templating']['list'] if v['name'] == 'instance']
    metric = re.fullmatch(r'label_values\((\w+), instance\)', choice)[1]
    assert len(prometheus.ask('label/instance/values', **{'match[]': metric})) == 1
    empty, asked = [], 0
    for panel in board['panels']:
        for target in panel.get('targets', ()):
            query = re.sub(r'\$(\w+)', lambda m: VARIABLES[m[1]], target['expr'])
            found = prometheus.ask('query', query=query)['result']
            asked += 1
            if not found and not any(metric in query for metric in RARE):
                empty.append((panel['title'], query))
            for label in re.findall(r'{{(\w+)}}', target['legendFormat']):
                assert all(label in series['metric'] for series in found), (panel['title'], label, found)
    assert asked > 20 and not empty, empty

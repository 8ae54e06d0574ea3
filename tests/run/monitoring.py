#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""monitoring.py - packaging/monitoring/ against the daemons: each metric and label that an alert or a dashboard names
is one that a daemon exports, and each alert says what to do, by names that exist. Offline, no build, standard library.

The metrics are read from the sources (daemons/*/metrics.c through the preprocessor, and those added at run time), since
the daemons cannot show those of the run time without Kafka. promtool, where there is one, checks the rules' grammar and
runs tests/data/alerts_test.yaml.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / 'packaging' / 'monitoring'
UNIT_TESTS = ROOT / 'tests' / 'data' / 'alerts_test.yaml'
ADDED = {'job', 'instance'}  # by Prometheus, to each series
STRING = r'"(?:\\.|[^"\\])*"'
STRINGS = rf'{STRING}(?:\s+{STRING})*'
PARTS = {'_bucket': {'le'}, '_sum': set(), '_count': set()}


class Findings:
    def __init__(self):
        self.faults = []

    def check(self, holds, text):
        if not holds:
            self.faults.append(text)


# ---- what the daemons export ----

def c_string(text):
    return ''.join(json.loads(part) for part in re.findall(STRING, text))


def metrics_of_tables(found):
    """{"name", "label=\\"value\\"", PL_COUNTER, ... of each metrics.c, its macros resolved."""
    for source in sorted(ROOT.glob('daemons/*/metrics.c')):
        command = [*shlex.split(os.environ.get('CC') or 'cc'), '-E', '-P', '-D_GNU_SOURCE', '-I', ROOT, source]
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        entries = re.findall(rf'=\s*{{\s*({STRINGS}),\s*({STRINGS}|NULL|\(\(void \*\)0\)),\s*PL_([A-Z]+)', text)
        assert len(entries) > 10, f'{source}: not the table that is known here'
        for name, labels, kind in entries:
            metric_add(found, c_string(name), kind, re.findall(r'(\w+)="([^"]*)"', c_string(labels)))


def metrics_of_run_time(found):
    """pl_metrics_add() with its labels by pl_metrics_label(), and the process' own."""
    for source in sorted(ROOT.glob('daemons/**/*.c')):
        text = source.read_text()
        labels = [(label, None) for label in re.findall(r'pl_metrics_label\([^,]+,\s*"(\w+)"', text)]
        for name, kind in re.findall(rf'struct pl_metric \w+ = {{({STRING}),[^;]*?PL_([A-Z]+)', text):
            metric_add(found, c_string(name), kind, labels)
    for name, kind in re.findall(rf'{{({STRING}), PL_([A-Z]+),', (ROOT / 'lib' / 'metrics' / 'render.c').read_text()):
        metric_add(found, c_string(name), kind, [])


def metric_add(found, name, kind, labels):
    """found[name] = (kind, {label: set of values, or None where any can be})."""
    for suffix, more in PARTS.items() if kind == 'HISTOGRAM' else [('', set())]:
        known = found.setdefault(name + suffix, (kind, {}))[1]
        for label, value in [*labels, *((label, None) for label in more)]:
            if value is None:
                known[label] = None
            else:
                known.setdefault(label, set()).add(value)


def metrics_exported():
    found = {'up': ('GAUGE', {})}  # by Prometheus
    metrics_of_tables(found)
    metrics_of_run_time(found)
    return found


# ---- expressions ----

WORDS = {'and', 'or', 'unless', 'by', 'on', 'without', 'ignoring', 'group_left', 'group_right', 'offset', 'bool', 'inf'}
COUNTERS_ONLY, GAUGES_ONLY = {'rate', 'increase', 'irate'}, {'delta', 'deriv'}


def expression_check(findings, where, expr, exported):
    """Names and labels only; the grammar is promtool's. What is understood is taken out step by step. Returns the
    labels that its result can have."""
    used = set()

    def selector(match):
        name, matchers = match.groups()
        used.add(name)
        for label, operator, value in re.findall(rf'(\w+)\s*(=~|!~|!=|=)\s*({STRING})', matchers):
            known = exported.get(name, ('', {}))[1]
            findings.check(label in ADDED or label in known, f'{where}: {name} has no label {label}')
            values = [] if '$' in value or not known.get(label) else json.loads(value).split('|')
            for one in values if operator in ('=', '=~') else []:
                findings.check(one in known[label], f'{where}: {name} has no {label}="{one}"')
        return f'{name} '

    def grouping(match):
        labels.update(re.findall(r'\w+', match.group(1)))
        return ' '

    labels = set()
    expr = re.sub(r'([a-zA-Z_:][\w:]*)\s*{([^}]*)}', selector, expr)
    expr = re.sub(r'\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)', grouping, expr)
    expr = re.sub(r'\[[^]]*\]|\boffset\s+\w+', ' ', expr)
    used.update(name for name, call in re.findall(r'(?<![\w.])([a-zA-Z_:][\w:]*)(\s*\()?', expr)
                if not call and name not in WORDS)
    findings.check(used, f'{where}: no metric in it')
    for name in sorted(used):
        findings.check(name in exported, f'{where}: no daemon exports {name}')
    known = ADDED.union(*(exported[name][1] for name in used if name in exported))
    for label in sorted(labels):
        findings.check(label in known, f'{where}: none of its metrics has the label {label}')
    for function, name in re.findall(r'(\w+)\s*\(\s*([a-zA-Z_:][\w:]*)\s*\)', expr):
        kind = exported.get(name, ('', {}))[0]
        findings.check(not (function in COUNTERS_ONLY and kind == 'GAUGE' or
                            function in GAUGES_ONLY and kind != 'GAUGE'), f'{where}: {function}() of {name}, a {kind}')
    return known


# ---- alerts ----

def alerts_read(path):
    """The alerts of a file, flat: {'alert': name, 'expr': ..., 'severity': ..., 'summary': ...}. Not YAML, but the part
    of it that these files keep to: a key a line, a text behind it or folded below it, labels in braces."""
    found, key = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.fullmatch(r'      (- |  |    )([a-z]+):(?: (.*))?', line)
        if line.startswith('#') or not line.strip() or line.lstrip().startswith('# '):
            continue
        if match:
            key, text = match.group(2), match.group(3) or ''
            if match.group(1) == '- ':
                found.append({})
            labels = re.fullmatch(r'{(\w+): (\w+)}', text)
            if labels:
                key, text = labels.groups()
            assert key not in found[-1], f'{path.name}:{number}: {key} twice'
            found[-1][key] = '' if text == '>-' else text
        elif line.startswith('          ') and found:
            found[-1][key] = f'{found[-1][key]} {line.strip()}'.strip()
        else:
            assert not found, f'{path.name}:{number}: not of the form that is known here: {line}'
    return found


def page_headings(name, number):
    """What a page of the manual has sections about."""
    text = ''.join(path.read_text() for path in (ROOT / 'daemons').glob(f'**/{name}.{number}'))
    return re.findall(r'^\.S[HS] (.*)$', text, re.M)


def alerts_check(findings, path, exported):
    daemon = path.name.split('.')[0]
    ids = re.findall(r'"([0-9a-f]{32})"', (ROOT / 'lib' / 'log' / 'event_ids.h').read_text())
    alerts = alerts_read(path)
    names = [alert.get('alert', '') for alert in alerts]
    findings.check(len(alerts) > 3 and len(set(names)) == len(names), f'{path.name}: alerts missing, or a name twice')
    for alert in alerts:
        where = f'{path.name}: {alert.get("alert")}'
        known = expression_check(findings, where, alert.get('expr', ''), exported)
        findings.check(alert.get('alert', '').startswith(daemon.capitalize()), f'{where}: not named after {daemon}')
        findings.check(alert.get('severity') in ('page', 'ticket'), f'{where}: severity is neither page nor ticket')
        findings.check(alert.get('summary'), f'{where}: no summary')
        text = alert.get('description', '')
        shown = set(re.findall(r'\$labels\.(\w+)', alert.get('summary', '') + text))
        findings.check(shown <= known, f'{where}: no labels {shown - known} to show')
        findings.check('`' in text, f'{where}: no command to look with')
        sections = re.findall(r'([\w-]+)\((\d)\), "([^"]*)"', text)
        findings.check(sections and all(section in page_headings(*page) for *page, section in sections),
                       f'{where}: no section of the manual: {sections}')
        for one in re.findall(r'MESSAGE_ID=(\w+)', text):
            findings.check(one in ids, f'{where}: lib/log/event_ids.h has no {one}')


# ---- dashboards ----

def dashboard_check(findings, path, exported):
    try:
        dashboard = json.loads(path.read_text())
    except ValueError as error:
        findings.check(False, f'{path.name}: {error}')
        return
    panels = dashboard['panels']
    variables = {v['name']: v for v in dashboard['templating']['list']}
    findings.check({'datasource', 'instance'} <= set(variables), f'{path.name}: variables {sorted(variables)}')
    usable = {*variables, '__rate_interval', '__range'}
    probe = re.fullmatch(r'label_values\((\w+), instance\)', variables['instance']['query']['query'])
    findings.check(probe and probe.group(1) in exported, f'{path.name}: the variable instance asks for no metric')
    findings.check(len({p['id'] for p in panels}) == len(panels), f'{path.name}: a panel id twice')
    taken = set()
    for panel in panels:
        where, pos = f'{path.name}: {panel["title"]}', panel['gridPos']
        cells = {(x, y) for x in range(pos['x'], pos['x'] + pos['w']) for y in range(pos['y'], pos['y'] + pos['h'])}
        findings.check(not cells & taken and pos['x'] + pos['w'] <= 24, f'{where}: lies upon another or outside')
        taken |= cells
        if panel['type'] == 'row':
            continue
        findings.check(panel.get('description') and panel['fieldConfig']['defaults'].get('unit'),
                       f'{where}: no description, or no unit')
        findings.check(panel['datasource']['uid'] == '${datasource}', f'{where}: a data source of its own')
        refs = [target['refId'] for target in panel['targets']]
        findings.check(refs and len(set(refs)) == len(refs), f'{where}: refId missing or twice')
        for target in panel['targets']:
            expr = target['expr']
            known = expression_check(findings, where, expr, exported)
            shown = set(re.findall(r'{{(\w+)}}', target['legendFormat']))
            findings.check(shown <= known, f'{where}: no labels {shown - known} to show')
            findings.check(set(re.findall(r'\$(\w+)', expr)) <= usable, f'{where}: unknown variable in {expr}')
            findings.check('instance=~"$instance"' in expr, f'{where}: not of the chosen instance: {expr}')


# ---- promtool ----

def promtool_check(findings, rules):
    promtool = shutil.which('promtool')
    if not promtool:
        print('skipped: 2 (no promtool, Debian: prometheus)')
        return
    for arguments in (['check', 'rules', *rules], ['test', 'rules', UNIT_TESTS]):
        done = subprocess.run([promtool, *arguments], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        findings.check(done.returncode == 0, f'promtool {arguments[0]} rules:\n{done.stdout}')


def main():
    findings, exported = Findings(), metrics_exported()
    daemons = sorted(path.parent.name for path in ROOT.glob('daemons/*/metrics.c'))
    rules = [MONITORING / f'{daemon}.alerts.yaml' for daemon in daemons]
    for path in rules:
        alerts_check(findings, path, exported)
    for daemon in daemons:
        dashboard_check(findings, MONITORING / f'{daemon}.dashboard.json', exported)
    promtool_check(findings, rules)
    for fault in findings.faults:
        print(fault)
    return 1 if findings.faults else 0


if __name__ == '__main__':
    sys.exit(main())

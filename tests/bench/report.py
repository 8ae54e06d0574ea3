# SPDX-License-Identifier: Apache-2.0
"""From figures to a table, a plot and a line of the history.

    report.py compare HISTORY [A [B]]   two commits of the history side by side; without: the last two
"""
import dataclasses
import datetime
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path


@dataclasses.dataclass
class Line:
    """One row of the table. values: {column: number}."""
    part: str
    name: str
    values: dict
    same: bool | None = None  # the table's rows as the others'; None: not compared
    wrong: str = ''


TITLES = {'rows_s': 'rows/s', 'loader_cpu': 'CPU s/1 M', 'server_cpu': 'server CPU', 'broker_cpu': 'broker CPU',
          'peak_mb': 'peak MB', 'cpu_percent': '% of a core', 'rss_mb': 'MB', 'p50_ms': 'p50 ms', 'p99_ms': 'p99 ms',
          'max_ms': 'max ms', 'start_ms': 'ready after ms'}
ONE, FOUR = 'recentchange, 17 columns, 1 partition', 'recentchange, 17 columns, 4 partitions'
TRIAL, WIKI, LIVE = 'trial without protocol', 'wikisrcd: events into a topic', 'live: 33 events/s'
# what, (part, name, column), divided by (part, name, column) or None, the sign and the goal
GOALS = [
    *((f'chsinkd rows/s to the trial, {n}', (part, 'chsinkd', 'rows_s'), (part, TRIAL, 'rows_s'), '>=', goal)
      for n, part, goal in (('1 partition', ONE, 1.0), ('4 partitions', FOUR, 0.95))),
    *((f'chsinkd rows/s to PEER, {n}', (part, 'chsinkd', 'rows_s'), (part, 'PEER', 'rows_s'), '>=', goal)
      for n, part, goal in (('1 partition', ONE, 6), ('4 partitions', FOUR, 5))),
    ('chsinkd CPU to the trial', (ONE, 'chsinkd', 'loader_cpu'), (ONE, TRIAL, 'loader_cpu'), '<=', 1.0),
    ('chsinkd peak MB', (ONE, 'chsinkd', 'peak_mb'), None, '<=', 256),
    ('chsinkd MB, live', (LIVE, 'chsinkd', 'rss_mb'), None, '<=', 32),
    ('wikisrcd CPU to parse + produce', (WIKI, 'wikisrcd', 'loader_cpu'),
     (WIKI, 'limit: parse + produce', 'loader_cpu'), '<=', 2),
    ('wikisrcd peak MB', (WIKI, 'wikisrcd', 'peak_mb'), None, '<=', 32),
    ('DuckDB rows/s to a bare C appender', ('DuckDB', 'chsinkd, hold always', 'rows_s'),
     ('DuckDB', 'limit: bare C appender', 'rows_s'), '>=', 0.9),
    ('Iceberg time to pyiceberg', ('Iceberg', 'kafka-python, pyiceberg', 'rows_s'), ('Iceberg', 'chsinkd', 'rows_s'),
     '<=', 1.5),
    *((f'{daemon} ready after ms', ('start', daemon, 'start_ms'), None, '<=', 100)
      for daemon in ('wikisrcd', 'wmfetchd', 'chsinkd')),
    *((f'chsinkd CPU to that of 1 M, {name}', ('scale', name, 'loader_cpu'), ('scale', '1 instance, 1 partition',
                                                                           'loader_cpu'), '<=', 1.1)
      for name in ('1 instance, 4 partitions', '1 instance, 16 partitions', '2 instances, 4 partitions')),
    ('event to row, p99 ms', (LIVE, 'event to row', 'p99_ms'), None, '<=', 1500),
]


def drawn(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ['| ' + ' | '.join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))) + ' |'
             for row in rows]
    rule = '|' + '|'.join('-' * (w + 1) + (':' if i else '-') for i, w in enumerate(widths)) + '|'
    return '\n'.join([lines[0], rule] + lines[1:]) + '\n'


def shown(number):
    return f'{number:,.0f}' if number >= 100 or number == int(number) else f'{number:.2f}'


def parts_of(lines):
    parts = {}
    for line in lines:
        parts.setdefault(line.part, []).append(line)
    return parts


def tables(lines):
    text = ''
    for part, of_part in parts_of(lines).items():
        columns = [c for c in TITLES if any(c in line.values for line in of_part)]
        rated, compared = 'rows_s' in columns, any(line.same is not None for line in of_part)
        first = of_part[0].values.get('rows_s')
        rows = [[''] + [TITLES[c] for c in columns] + ['of first'] * rated + ['same rows'] * compared]
        for line in of_part:
            rate = line.values.get('rows_s')
            ratio = f'{rate / first:.2f}' if rated and rate and first and line.same is not False else '–'
            rows.append([line.name] + [shown(line.values[c]) if c in line.values else '–' for c in columns] +
                        [ratio] * rated + [{True: 'yes', False: 'NO', None: '–'}[line.same]] * compared)
        text += f'\n### {part}\n\n{drawn(rows)}'
        text += ''.join(f'\n{line.name}: {line.wrong}\n' for line in of_part if line.wrong)
    return text


def goals(lines):
    values = {(line.part, line.name, c): v for line in lines if line.same is not False for c, v in line.values.items()}
    rows = [['goal', 'found', 'wanted', '']]
    for what, of, to, sign, wanted in GOALS:
        if of not in values or (to and not values.get(to)):
            continue
        found = values[of] / values[to] if to else values[of]
        reached = found >= wanted if sign == '>=' else found <= wanted
        rows.append([what, shown(found), f'{sign} {shown(wanted)}', 'reached' if reached else 'not reached'])
    return f'\n### Goals\n\n{drawn(rows)}' if len(rows) > 1 else ''


def plot(lines):
    """Bars of rows/s, part by part; SVG by hand."""
    bars, y, left, width = [], 10, 260, 460

    def text(x, where, words, more=''):
        bars.append(f'<text x="{x}" y="{where}" {more}>{html.escape(words)}</text>')

    for part, of_part in parts_of([line for line in lines if line.values.get('rows_s')]).items():
        text(10, y + 16, part, 'font-weight="bold"')
        most, y = max(line.values['rows_s'] for line in of_part if not line.name.startswith('limit: decode')), y + 26
        for line in of_part:
            rate = line.values['rows_s']
            colour = '#1b6ca8' if line.name.startswith(('chsinkd', 'wikisrcd', 'wmfetchd')) else '#9aa5b1'
            text(left - 8, y + 14, line.name, 'text-anchor="end"')
            long = min(rate / most, 1) * width
            bars.append(f'<rect x="{left}" y="{y + 2}" width="{long:.0f}" height="15" fill="{colour}"/>')
            text(left + long + 6, y + 14, f'{rate:,}')
            y += 20
        y += 14
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="820" height="{y}" font-family="sans-serif" font-size="12">'
            f'<rect width="820" height="{y}" fill="white"/>' + ''.join(bars) + '</svg>\n')


def machine():
    model = re.search(r'model name\s*:\s*(.*)', Path('/proc/cpuinfo').read_text(encoding='utf-8'))
    return f'{model[1] if model else os.uname().machine}, {os.cpu_count()} cores'


def write(lines, folder):
    commit = subprocess.run(['git', 'describe', '--always', '--dirty'], capture_output=True, text=True,
                            check=False).stdout.strip()
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
    text = f'{now}, commit {commit}, {machine()}\n{tables(lines)}{goals(lines)}'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'report.md').write_text(text, encoding='utf-8')
    (folder / 'report.svg').write_text(plot(lines), encoding='utf-8')
    entry = {'commit': commit, 'date': now, 'cpu': machine(),
             'figures': {f'{line.part} / {line.name}': line.values for line in lines if line.values}}
    with open(os.environ.get('BENCH_HISTORY') or folder / 'history.jsonl', 'a', encoding='utf-8') as out:
        out.write(json.dumps(entry) + '\n')
    print(text)


def compare(history, wanted):
    """The last line of each commit."""
    entries = [json.loads(line) for line in Path(history).read_text(encoding='utf-8').splitlines()]
    chosen = entries[-2:]
    if wanted:
        chosen = [next((e for e in reversed(entries) if e['commit'].startswith(w)), None) for w in wanted]
        chosen += entries[-1:] * (2 - len(chosen))
    if len(chosen) < 2 or None in chosen:
        sys.exit(f'{history} has no two such runs: {", ".join(e["commit"] for e in entries)}')
    a, b = chosen
    rows = [['', '', a['commit'], b['commit'], 'second of first']]
    for name in [n for n in a['figures'] if n in b['figures']]:
        for column, before in a['figures'][name].items():
            after = b['figures'][name].get(column)
            if after is not None:
                rows.append([name, TITLES.get(column, column), shown(before), shown(after),
                             f'{after / before:.2f}' if before else '–'])
    print(f'{a["date"]}, {a["cpu"]}\n{b["date"]}, {b["cpu"]}\n\n{drawn(rows)}')


if __name__ == '__main__':
    compare(sys.argv[2], [word for word in sys.argv[3:] if word])

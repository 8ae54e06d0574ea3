# SPDX-License-Identifier: Apache-2.0
"""From figures to a table, a plot and a line of the history."""
import dataclasses
import datetime
import json
import os
import re
import subprocess
from pathlib import Path

from measure import Figures


@dataclasses.dataclass
class Line:
    part: str
    name: str
    figures: Figures | None
    same: bool | None  # the table's rows as the others'; None: not compared
    wrong: str = ''


HEAD = ['loader', 'rows/s', 'of chsinkd', 'CPU s/1 M', 'server', 'broker', 'peak MB', 'same rows']


def cells(line, first):
    if not line.figures:
        return [line.name, 'failed: ' + line.wrong.split('\n')[0][:60]] + [''] * 6
    f = line.figures.as_dict()
    ratio = '' if line.same is False or not first else f'{line.figures.rate / first.rate:.2f}'
    return [line.name, f'{f["rows_s"]:,}', ratio, f'{f["loader_cpu"]:.2f}', f'{f["server_cpu"]:.2f}',
            f'{f["broker_cpu"]:.2f}', str(f['peak_mb']), {True: 'yes', False: 'NO', None: '–'}[line.same]]


def parts_of(lines):
    parts = {}
    for line in lines:
        parts.setdefault(line.part, []).append(line)
    return parts


def table(lines):
    """Markdown."""
    text = ''
    for part, of_part in parts_of(lines).items():
        first = of_part[0].figures
        rows = [HEAD] + [cells(line, first) for line in of_part]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
        drawn = ['| ' + ' | '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                   for i, (cell, width) in enumerate(zip(row, widths))) + ' |' for row in rows]
        drawn.insert(1, '|' + '|'.join('-' * (width + 1) + ('-' if i == 0 else ':') for i, width in enumerate(widths)) + '|')
        text += f'\n### {part}\n\n' + '\n'.join(drawn) + '\n'
    return text


def machine():
    model = re.search(r'model name\s*:\s*(.*)', Path('/proc/cpuinfo').read_text(encoding='utf-8'))
    return f'{model[1] if model else os.uname().machine}, {os.cpu_count()} cores'


def commit():
    return subprocess.run(['git', 'describe', '--always', '--dirty'], capture_output=True, text=True,
                          check=False).stdout.strip()


def write(lines, folder):
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
    text = f'{now}, commit {commit()}, {machine()}\n{table(lines)}'
    (folder / 'report.md').write_text(text, encoding='utf-8')
    history = Path(os.environ.get('BENCH_HISTORY', folder / 'history.jsonl'))
    entry = {'commit': commit(), 'date': now, 'cpu': machine(),
             'figures': {f'{line.part} / {line.name}': line.figures.as_dict() for line in lines if line.figures}}
    with open(history, 'a', encoding='utf-8') as out:
        out.write(json.dumps(entry) + '\n')
    print(text)

# SPDX-License-Identifier: Apache-2.0
"""The one loop: all ways in turn, each RUNS times; medians, and whether all have delivered the same."""
import os
import re
import statistics

from measure import Figures
from report import Line

RUNS = int(os.environ.get('RUNS', '3'))


def say(text):
    print(text, flush=True)


def median(runs):
    return Figures(*(statistics.median(getattr(run, name) for run in runs) for name in Figures.__dataclass_fields__))


def alternate(part, ways, results, after=lambda: None):
    """ways: {name: function -> (Figures, what was delivered)}; None delivered: a limit, not compared. One unmeasured
    turn of the first warms the servers' caches."""
    ways = {name: way for name, way in ways.items() if re.search(os.environ.get('LOADERS', ''), name)}
    runs, delivered, wrong = {name: [] for name in ways}, {}, {}
    say(part)
    for number in range(-1, RUNS):
        for name, way in ways.items():
            if name in wrong:
                continue
            try:
                figures, content = way()
                if number >= 0:
                    runs[name].append(figures)
                    say(f'  {name}: {figures.as_dict()}')
                if content is not None:
                    delivered.setdefault(name, set()).add(content)
            except AssertionError as error:
                wrong[name] = str(error).strip() or 'failed'
                say(f'  {name} FAILED: {wrong[name]}')
            after()
            if number < 0:
                break
    first = next(iter(delivered.values()), None)
    for name in ways:
        same = (len(delivered[name]) == 1 and delivered[name] == first) if name in delivered else None
        why = wrong.get(name, '') or (f'delivered {delivered[name]}, not {first}' if same is False else '')
        results.append(Line(part, name, median(runs[name]).as_dict() if runs[name] else {}, same, why))

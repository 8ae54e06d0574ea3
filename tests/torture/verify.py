# SPDX-License-Identifier: Apache-2.0
"""What must be true of a run: of each sample of the metrics while it goes on, and of topics, outputs, dead letters and
logs in the end. Each check is a list of faults in words."""
import collections
import contextlib
import re
import pathlib
import threading

import load
from helpers import metrics
from pipeline import wait_until

SAMPLE_S = 0.3
TORN_LOOKS = 6  # counters are read one after another while work goes on: the same difference so often is no tear
MEMORY_MAX = {'wikisrcd': 80, 'wmfetchd': 80, 'chsinkd': 250}  # MB; with DuckDB's library:
MEMORY_MAX_LAKE = 800

LAWS = {
    'wikisrcd': ('wikisrcd_events_received_total', ('wikisrcd_events_delivered_total', 'wikisrcd_events_dropped_total',
                                                    'wikisrcd_events_refetched_total', 'wikisrcd_events_in_flight')),
    'wmfetchd': ('wmfetchd_elements_received_total', ('wmfetchd_elements_delivered_total',
                                                      'wmfetchd_elements_refetched_total',
                                                      'wmfetchd_elements_in_flight')),
    'chsinkd': ('chsinkd_messages_received_total', ('chsinkd_messages_delivered_total',
                                                    'chsinkd_messages_dead_lettered_total',
                                                    'chsinkd_messages_skipped_total',
                                                    'chsinkd_messages_given_back_total',
                                                    'chsinkd_messages_in_flight')),
}


def law_difference(program, values):
    """What the law lacks in a sample: 0 where it holds."""
    received, accounted = LAWS[program]
    found = collections.Counter()
    for name, value in values.items():
        found[name.partition('{')[0]] += value
    return int(found[received] - sum(found[name] for name in accounted))


def resident_mb(pid):
    with contextlib.suppress(OSError, IndexError):
        return int(pathlib.Path(f'/proc/{pid}/status').read_text().split('VmRSS:')[1].split()[0]) / 1024
    return 0


class Sampler(threading.Thread):
    """Reads the metrics and the memory of all daemons again and again."""

    def __init__(self, world):
        super().__init__(name='sampler', daemon=True)
        self.world, self.ended = world, threading.Event()
        self.samples, self.faults, self.memory = 0, [], collections.Counter()
        self.lag = {}

    def run(self):
        while not self.ended.wait(SAMPLE_S):
            for name, part in list(self.world.parts.items()):
                if part.process.running():
                    self._look(name, part)

    def _look(self, name, part):
        program = part.process.args[0].rpartition('/')[2]
        with contextlib.suppress(OSError, AssertionError):  # it starts, is frozen, or is dead by now
            pid, seen = part.pid, []
            self.memory[name] = max(self.memory[name], resident_mb(pid))
            while len(seen) < TORN_LOOKS:
                values = metrics(self.world.ports[name])
                self.samples += 1
                seen.append(law_difference(program, values))
                if seen[-1] == 0:
                    self.lag[name] = (values.get('chsinkd_lag_messages', 0),
                                      values.get('chsinkd_messages_in_flight', 0))
                    return
                if seen[-1] != seen[0]:
                    seen = seen[-1:]
            if part.pid == pid:
                self.faults.append(f'{name}: the conservation law lacks {seen[0]} in {TORN_LOOKS} samples')

    def stop(self):
        self.ended.set()
        self.join(30)


def each_once(where, wanted, found):
    """`found`: how often each is there."""
    wanted = set(wanted)
    parts = (('missing', wanted - found.keys()), ('strange', found.keys() - wanted),
             ('doubled', {i for i, n in found.items() if n > 1}))
    return [f'{where}: {len(ids)} {what}: {sorted(ids)[:5]}' for what, ids in parts if ids]


def edits(world):
    ids = collections.Counter(dict(m.headers())['wikisrcd-id'].decode() for m in world.kafka.read(world.edits.topic))
    found = each_once('topic of edits', world.events, ids) + each_once('table of edits', world.events, world.edit_ids())
    if world.plan.output == 'clickhouse':
        changes = int(world.clickhouse.value(f'SELECT sum(changes) FROM {world.edits.table}_per_minute'))
        if changes != len(world.events):
            found.append(f'view of edits: {changes} changes of {len(world.events)}')
    return found


def hours(world):
    end_ms = world.wm.position(load.APPLICATION)
    messages = collections.Counter(m.value() for m in world.wm.messages())
    wanted, found = world.hours.pieces(end_ms), []
    for what, some in (('missing', wanted - messages), ('doubled or strange', messages - wanted)):
        if some:
            found.append(f'topic of hours: {sum(some.values())} messages {what}')
    if world.plan.output == 'clickhouse':
        rows = collections.Counter({tuple(row): 1 for row in world.wm.table_rows()})
        found += each_once('table of hours', world.expected_hours(end_ms), rows)
    return found


def rows(world):
    """Each in the table once or in a dead letter once."""
    m, table, letters = world.rows.messages, world.row_ids(), world.letters()
    dead = world.letter_ids(letters)
    found = each_once('rows', m.fit | m.unfit, table + dead)
    if dead.keys() & m.fit:
        found.append(f'{len(dead.keys() & m.fit)} rows are dead letters though they fit')
    strange = table.keys() & (world.rows.refused if world.rerouted else m.unfit)
    if strange:
        found.append(f'{len(strange)} rows are in the table though they do not fit')
    origins = collections.Counter((h['chsinkd-topic'], h['chsinkd-partition'], h['chsinkd-offset'])
                                  for h in map(dict, (letter.headers() for letter in letters)))
    found += [f'{n} dead letters of {origin}' for origin, n in origins.items() if n > 1]
    return found


# What no run may say, whatever was broken: each of it would be false, or a fault of ours.
NEVER = re.compile(r'conservation law|please report|Assertion|Sanitizer|terminate called|double free|at least once|'
                   r'were deleted|data lost|cannot happen')


def logs(world):
    found = []
    for part in world.parts.values():
        lines = [line for line in part.process.text().splitlines() if NEVER.search(line)]
        found += [f'{part.part} says: {line[:300]}' for line in lines[:3]]
    return found


def memory(world, sampler):
    found = []
    for name, most in sampler.memory.items():
        program = world.parts[name].process.args[0].rpartition('/')[2]
        limit = MEMORY_MAX_LAKE if program == 'chsinkd' and world.plan.output != 'clickhouse' else MEMORY_MAX[program]
        if most > limit:
            found.append(f'{name} had {most:.0f} MB, more than {limit}')
    return found


def wait_idle(world, sampler, timeout=60):
    """Until no sink has lag or messages in flight, by their own word."""
    def busy():
        return [f'{name}: lag {lag:.0f}, {flight:.0f} in flight' for name, (lag, flight) in sampler.lag.items()
                if (lag or flight) and world.parts[name].process.running()]
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not busy(), timeout, 'no lag', SAMPLE_S)
    return busy()


def all_of(world, sampler):
    return edits(world) + hours(world) + rows(world) + logs(world) + memory(world, sampler) + sampler.faults

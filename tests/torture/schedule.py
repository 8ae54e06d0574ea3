# SPDX-License-Identifier: Apache-2.0
"""What a run does, from its seed alone: the pipeline's shape, and for each part a script of faults with their moments.

A moment is a passing of a named step ("the second chsinkd.sent of sink-1"), or the number of an insert that arrives at
the proxy before ClickHouse, or a byte of the stream. Nothing is a time.
"""
import collections
import dataclasses
import random

import steps

SOURCES, SINKS = ('wikisrcd', 'wmfetchd'), ('sink-1', 'sink-2')

# At a step of a daemon. What each does stands in faults.py.
AT_STEP = {  # how often, compared with the others
    'kill': 12,           # kill -9, started again
    'term': 3,            # SIGTERM, started again
    'term, kill': 2,      # SIGTERM, then kill -9 at a step of what it finishes
    'zombie': 1.5,        # frozen until the group or the coordinator has given it up, then it goes on
    'reload': 1,          # frozen, SIGHUP with other limits, goes on
    'kafka': 0.7,         # frozen, Kafka killed and started again, goes on
    'kafka away': 0.7,    # Kafka killed, the daemon goes on without it, Kafka is started again
    'clickhouse': 0.8,    # frozen, ClickHouse killed and started again, goes on
    'clickhouse away': 0.8,  # ClickHouse killed, the daemon goes on without it, ClickHouse is started again
    'join': 1.5,          # frozen, a third sink is started, goes on; the third is killed at a step of its own
    'route': 0.7,         # kill -9, started again with another policy for what does not fit
    'kafka cut': 1,       # all connections to Kafka are reset
    'kafka mute': 1.5,    # Kafka's answers are lost for a time, then the connections
    'kafka slow': 0.7,    # every packet to and from Kafka comes late
    'kafka trickle': 0.7,  # bytes come in small pieces
    'denied': 1,          # an authorization at Kafka is taken away, and given back
}
ONLY_SINKS = {'clickhouse', 'clickhouse away', 'join', 'route'}
NETWORK = {'kafka mute', 'kafka slow', 'kafka trickle'}
# What is denied: to write a topic, or to commit offsets of the group.
RIGHTS = {'wikisrcd': ('edits', 'positions'), 'wmfetchd': ('hours', 'hours-positions'), 'chsinkd': ('dead', 'group')}
ONCE_A_RUN = NETWORK | {'denied', 'kafka', 'kafka away', 'clickhouse', 'clickhouse away', 'join', 'route', 'zombie'}

# What becomes of an insert between chsinkd and ClickHouse.
ANSWERS = ('500', '503', 'html', '241', '252', '242', 'lost', 'late', 'refused', 'twice', 'slow', 'done, 500',
           'done, html')
# What becomes of a request to the API.
API = ('status 500', 'status 503', 'status 429', 'html', 'cut', 'reset')


@dataclasses.dataclass(frozen=True)
class Fault:
    """`kind` at the `count`th passing of `step`, counted from the end of the fault before it."""
    kind: str
    step: str
    count: int
    then: str = ''  # 'term, kill': the step of the second; 'join': that of the third sink; 'denied': what

    def arms(self):
        """The words of PIPELINE_STEP."""
        action = 'KILL' if self.kind in ('kill', 'route') else 'TERM' if self.kind.startswith('term') else 'STOP'
        words = [f'{self.step}:{self.count}:{action}']
        if self.kind == 'term, kill':
            words.append(f'{self.then}:1:KILL')
        return words

    def ends(self):
        """The process, which is started again."""
        return self.arms()[0].split(':')[-1] != 'STOP'

    def __str__(self):
        return f'{self.kind} at {self.step} {self.count}' + (f', then {self.then}' if self.then else '')


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run."""
    seed: int
    output: str       # clickhouse, duckdb, iceberg
    partitions: int
    static: bool      # sinks with a group.instance.id
    strategy: str     # partition.assignment.strategy
    batch_rows: int
    refuses: bool     # a few messages are such that only the server refuses them
    scripts: dict     # part: [Fault, ...]
    answers: dict     # number of an insert: one of ANSWERS
    cuts: tuple       # bytes of the stream after which a connection ends
    api: tuple        # of API, one after another

    def kinds(self):
        """How often each kind of fault is in it."""
        found = collections.Counter(fault.kind for script in self.scripts.values() for fault in script)
        found.update(f'answer {kind}' for kind in self.answers.values())
        found.update(f'api {kind}' for kind in self.api)
        found.update({'stream cut': len(self.cuts)} if self.cuts else {})
        return found

    def __str__(self):
        words = [f'{self.output}, {self.partitions} partitions, {"static" if self.static else "dynamic"} members, '
                 f'{self.strategy}, batches of {self.batch_rows}' + (', refusals' if self.refuses else '')]
        words += [f'{part}: {fault}' for part, script in self.scripts.items() for fault in script]
        words += [f'insert {number}: {kind}' for number, kind in sorted(self.answers.items())]
        words += [f'api: {kind}' for kind in self.api]
        words += [f'stream: cut after {", ".join(map(str, self.cuts))} bytes'] if self.cuts else []
        return '\n'.join(words)


def program_of(part):
    return part if part in SOURCES else 'chsinkd'


def _fault(rng, part, output, taken, fresh):
    """`fresh`: the process is a new one when the fault is armed."""
    kinds = {kind: weight for kind, weight in AT_STEP.items()
             if not (kind in ONLY_SINKS and part in SOURCES) and not (kind in ONCE_A_RUN and kind in taken)
             and not (output != 'clickhouse' and kind in ('clickhouse', 'clickhouse away', 'route'))
             # One outage a run: two take longer than all else together.
             and not ('away' in kind and any('away' in t for t in taken))}
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    names = [name for name in steps.of(program_of(part), output) if fresh or name not in steps.AT_START]
    step = rng.choice(names)
    then = ''
    if kind == 'term, kill':
        after = [n for n in names if n.split('.')[-1] in ('sent', 'committing', 'committed', 'positioned', 'revoked')]
        then = rng.choice(after)
    if kind == 'join':
        then = rng.choice([n for n in names if n not in steps.RARE])
    if kind == 'denied':
        then = rng.choice(RIGHTS[program_of(part)])
    if kind == 'reload' and step in ('delivery.fenced', 'delivery.read'):
        step = 'delivery.begun'  # before the start is done, SIGHUP is an end
    taken.add(kind)
    return Fault(kind, step, rng.randint(1, steps.count_max(step)), then)


def plan(seed):
    rng = random.Random(f'torture {seed}')
    output = rng.choices(('clickhouse', 'duckdb', 'iceberg'), (6, 2, 2))[0]
    shape = {'partitions': rng.randint(2, 4), 'static': rng.random() < .6,
             'strategy': rng.choice(('cooperative-sticky', 'range,roundrobin')),
             'batch_rows': rng.choice((50, 400, 5000))}
    taken, scripts = set(), {}
    for part in rng.sample(SOURCES + SINKS, 4):
        most = 3 if part in SINKS else 2
        script = scripts[part] = []
        for _ in range(rng.randint(1, most)):
            script.append(_fault(rng, part, output, taken, not script or script[-1].ends()))
    answers = {}
    if output == 'clickhouse' and rng.random() < .6:
        answers = {number: rng.choice(ANSWERS) for number in rng.sample(range(1, 40), rng.randint(1, 4))}
    cuts = tuple(rng.randint(1, 150_000) for _ in range(rng.randint(1, 3))) if rng.random() < .5 else ()
    api = tuple(rng.choice(API) for _ in range(rng.randint(1, 2))) if rng.random() < .5 else ()
    # With a kill between, that waits until nothing can be on its way: 40 s. So not in each run.
    refuses = output == 'clickhouse' and rng.random() < .35
    return Plan(seed, output, scripts=scripts, answers=answers, cuts=cuts, api=api, refuses=refuses, **shape)

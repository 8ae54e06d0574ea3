#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Exactly once, shown by breaking things: `make torture SEED=N RUNS=N`.

Each run has both sources with a known input, Kafka, two chsinkd of one group and their output (ClickHouse, a DuckDB
file or Iceberg tables, by the seed), and a schedule of faults that follows from its seed alone (schedule.py). At its
end every id must be in topic and output once, every bad row in a dead letter once, and all else as verify.py says.

    run.py [--seed N] [--runs N] [--seconds N] [--plain OUTPUT,...] [--plan]

--seed N     of the first run; the next has N+1 (1)
--runs N     how many (20)
--seconds N  no run is begun after that
--plain OUTPUT,...  a run without faults into each: every step of steps.py must be passed (but those of steps.RARE)
--plan       print what the runs would do, and do nothing

Daemons are those of $BUILD, built with STEPS=1. What a run that failed has left is in build/torture/SEED: run.log (what
was done when), and the log, configuration and steps of each daemon. A line for each run, as JSON, is added to
build/torture/results.jsonl. Exit status: 0, or 1 if a run failed.

The same seed makes the same schedule, and its moments are passings of named steps, not times; which thread is faster
between two of them is left to the machine. So a seed that fails fails again, as a rule at the first try.

Clocks are not moved: libfaketime 0.9.10 breaks the waits of librdkafka's threads, which then find no broker.
"""
import argparse
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'e2e')]
# pylint: disable=wrong-import-position
import schedule
import steps
import verify
from network import Proxy
from pipeline import BUILD, ROOT, ClickHouse, Kafka, free_port
from world import World

RESULTS = ROOT / 'build' / 'torture'


class Broker(Kafka):
    """Kafka with a second listener, advertised as the proxy's; with authorizations, of which there are none."""

    def __init__(self, folder, proxy_port):  # pylint: disable=super-init-not-called
        self.dir, self.port = folder, free_port(3)
        self.servers, self.behind = f'127.0.0.1:{self.port}', self.port + 2
        own = f'PLAINTEXT://{self.servers}'
        self.env = {'KAFKA_HEAP': '512m', 'KAFKA_PROPERTIES': f'''
listeners={own},CONTROLLER://127.0.0.1:{self.port + 1},BEHIND://127.0.0.1:{self.behind}
advertised.listeners={own},BEHIND://127.0.0.1:{proxy_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,BEHIND:PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
'''}
        self.start()


class Services:
    """Kafka, the proxy before it, and ClickHouse, for all runs; what a run has left dead is started again."""

    def __init__(self, folder):
        proxy_port = free_port()
        self.kafka = Broker(folder / 'kafka', proxy_port)
        self.proxy = Proxy(proxy_port, self.kafka.behind)
        self.clickhouse = ClickHouse(folder / 'clickhouse')

    def ensure(self):
        for service in (self.kafka, self.clickhouse):
            pid = service.dir / 'pid'
            if not pid.exists() or not pathlib.Path(f'/proc/{pid.read_text().strip()}').exists():
                service.start()

    def stop(self):
        self.proxy.close()
        for service in (self.kafka, self.clickhouse):
            with contextlib.suppress(AssertionError):
                service.stop()


def execute(world, sampler):
    """The run itself; faults in words."""
    world.begin()
    sampler.start()
    world.deliver()
    idle = verify.wait_idle(world, sampler)
    world.stop()
    sampler.stop()
    return idle + verify.all_of(world, sampler)


def one(services, plan):
    """A run from its beginning to its end: a result for results.jsonl."""
    services.ensure()
    folder = RESULTS / str(plan.seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began, world = time.monotonic(), World(services, plan, folder)
    sampler = verify.Sampler(world)
    try:
        faults = execute(world, sampler)
    except Exception as error:  # pylint: disable=broad-except
        faults = [str(error) if isinstance(error, AssertionError) else traceback.format_exc()]
    finally:
        world.close()
    result = {'seed': plan.seed, 'output': plan.output, 'seconds': round(time.monotonic() - began, 1),
              'faults': faults, 'planned': dict(plan.kinds()), 'happened': dict(happened(world)),
              'samples': sampler.samples, 'memory_mb': {k: round(v) for k, v in sampler.memory.items()},
              'ends': {p.part: p.ends for p in world.parts.values() if p.ends}}
    if not faults:
        services.ensure()
        world.forget()
        shutil.rmtree(folder, ignore_errors=True)
    return result


def happened(world):
    """How often each kind of fault was carried out."""
    found = collections.Counter(fault.kind for part in world.parts.values() for fault in part.done()
                                if part.part in world.plan.scripts)
    if world.between:
        found.update(f'answer {kind}' for kind in world.between.done)
    found.update(f'api {kind}' for kind in world.plan.api)
    found.update({'stream cut': len(world.plan.cuts)} if world.plan.cuts else {})
    return found


def report(result):
    did, planned = sum(result['happened'].values()), sum(result['planned'].values())
    print(f'  {"ok  " if not result["faults"] else "FAIL"}  seed {result["seed"]:<6} {result["output"]:<10} '
          f'{did} of {planned} faults, {result["samples"]} samples, {result["seconds"]:.0f} s', flush=True)
    for fault in result['faults']:
        print('        ' + fault.replace('\n', '\n        '))
    if result['faults']:
        print(f'        again: make torture SEED={result["seed"]} RUNS=1; what it left: '
              f'{RESULTS / str(result["seed"])}', flush=True)


def summary(results):
    """Faults × outcomes."""
    table = collections.defaultdict(collections.Counter)
    for result in results:
        for kind, n in result['planned'].items():
            table[kind]['planned'] += n
        for kind, n in result['happened'].items():
            table[kind]['happened'] += n
            table[kind]['failed'] += bool(result['faults'])
    print(f'\n  {"fault":<24}{"planned":>9}{"happened":>10}{"in runs that failed":>22}')
    for kind, row in sorted(table.items()):
        print(f'  {kind:<24}{row["planned"]:>9}{row["happened"]:>10}{row["failed"]:>22}')
    failed = [result['seed'] for result in results if result['faults']]
    print(f'\n{len(results)} runs, {len(failed)} failed{": seeds " + str(failed) if failed else ""}; '
          f'{sum(r["samples"] for r in results)} samples of the metrics; '
          f'{sum(r["seconds"] for r in results):.0f} s')
    return 1 if failed or not results else 0


def plain(services, outputs):
    """Without faults: all steps are passed."""
    passed, results = set(), []
    for output in outputs:
        plan = dataclasses.replace(schedule.plan(1), output=output, scripts={}, answers={}, cuts=(), api=(),
                                   seed=output, refuses=output == 'clickhouse')
        results.append(one_plain(services, plan, passed))
        report(results[-1])
    wanted = {name for output in outputs for program in ('wikisrcd', 'wmfetchd', 'chsinkd')
              for name in steps.of(program, output)}
    lacking = wanted - passed - steps.RARE
    print(f'{len(wanted & passed)} of {len(wanted)} steps were passed' +
          (f'; not {", ".join(sorted(lacking))}' if lacking else ''))
    return 1 if lacking or any(result['faults'] for result in results) else 0


def one_plain(services, plan, passed):
    """As one(), and keeps what was passed."""
    forget, World.forget = World.forget, lambda world: (passed.update(world.passed()), forget(world))
    try:
        return one(services, plan)
    finally:
        World.forget = forget


def arguments():
    parser = argparse.ArgumentParser(description='See the head of this file.')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--seconds', type=int, default=10 ** 9)
    parser.add_argument('--plain', type=lambda text: text.split(','))
    parser.add_argument('--plan', action='store_true')
    return parser.parse_args()


def quiet_clients(path):
    """What librdkafka says of the test's own clients goes to a file; Python's stderr stays."""
    sys.stderr = os.fdopen(os.dup(2), 'w', buffering=1)
    with open(path, 'ab') as log:
        os.dup2(log.fileno(), 2)


def main():
    ask = arguments()
    if ask.plan:
        for seed in range(ask.seed, ask.seed + ask.runs):
            print(f'seed {seed}: {schedule.plan(seed)}\n')
        return 0
    assert (BUILD / 'chsinkd').exists(), f'no {BUILD}/chsinkd: make torture builds it'
    RESULTS.mkdir(parents=True, exist_ok=True)
    quiet_clients(RESULTS / 'clients.log')
    folder = pathlib.Path(tempfile.mkdtemp(prefix='torture-'))
    os.chdir(ROOT)  # ClickHouse reads Iceberg tables below where it was started
    services = Services(folder)
    end, results = time.monotonic() + ask.seconds, []
    try:
        if ask.plain:
            return plain(services, ask.plain)
        for seed in range(ask.seed, ask.seed + ask.runs):
            if time.monotonic() > end:
                break
            results.append(one(services, schedule.plan(seed)))
            report(results[-1])
            with open(RESULTS / 'results.jsonl', 'a', encoding='utf-8') as out:
                out.write(json.dumps(results[-1]) + '\n')
    finally:
        services.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return summary(results)


if __name__ == '__main__':
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""The schedule and the checks of make torture, without a service: python3 -m pytest tests/torture/check_torture.py"""
import collections
import pathlib
import re
import sys
import types

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'e2e')]
# pylint: disable=wrong-import-position
import schedule
import steps
import verify

ROOT = HERE.parents[1]
SEEDS = range(1, 301)


def test_steps_are_those_of_the_sources():
    found = collections.Counter()
    for folder in ('lib', 'daemons'):
        for path in (ROOT / folder).rglob('*.c'):
            found.update(re.findall(r'PL_STEP\("([^"]+)"\)', path.read_text(encoding='utf-8')))
    assert found.keys() == steps.STEPS.keys()
    assert set(found.values()) == {1}, 'a name stands in one place'
    assert steps.RARE | steps.ONCE | steps.OFTEN.keys() <= steps.STEPS.keys()


def test_same_seed_same_schedule():
    for seed in SEEDS:
        assert schedule.plan(seed) == schedule.plan(seed)
    assert len({str(schedule.plan(seed)) for seed in SEEDS}) == len(SEEDS)


def test_every_kind_comes_soon():
    """Each kind of fault and output within the first 100 seeds, each step of each program within 300."""
    seen, outputs, armed = collections.Counter(), set(), set()
    for seed in SEEDS:
        plan = schedule.plan(seed)
        if seed <= 100:
            seen.update(plan.kinds())
            outputs.add(plan.output)
        armed.update((schedule.program_of(part), fault.step) for part, script in plan.scripts.items()
                     for fault in script)
    wanted = {*schedule.AT_STEP, *(f'answer {a}' for a in schedule.ANSWERS), *(f'api {a}' for a in schedule.API),
              'stream cut'}
    assert seen.keys() == wanted
    assert outputs == {'clickhouse', 'duckdb', 'iceberg'}
    assert armed == {(program, step) for program in (*schedule.SOURCES, 'chsinkd')
                     for output in outputs for step in steps.of(program, output)}


def test_arms():
    assert schedule.Fault('kill', 'chsinkd.sent', 3).arms() == ['chsinkd.sent:3:KILL']
    assert schedule.Fault('zombie', 'chsinkd.sent', 3).arms() == ['chsinkd.sent:3:STOP']
    assert schedule.Fault('term, kill', 'chsinkd.sent', 3, 'chsinkd.committed').arms() == [
        'chsinkd.sent:3:TERM', 'chsinkd.committed:1:KILL']


def test_law():
    sample = {'chsinkd_messages_received_total': 10.0, 'chsinkd_messages_delivered_total': 6.0,
              'chsinkd_messages_dead_lettered_total': 1.0, 'chsinkd_messages_skipped_total': 0.0,
              'chsinkd_messages_given_back_total': 1.0, 'chsinkd_messages_in_flight': 2.0}
    assert verify.law_difference('chsinkd', sample) == 0
    assert verify.law_difference('chsinkd', {**sample, 'chsinkd_messages_in_flight': 1.0}) == 1
    assert verify.law_difference('wikisrcd', {'wikisrcd_events_received_total': 3.0,
                                              'wikisrcd_events_dropped_total{reason="canary"}': 1.0,
                                              'wikisrcd_events_dropped_total{reason="duplicate"}': 1.0,
                                              'wikisrcd_events_delivered_total': 1.0}) == 0


def test_each_once():
    assert not verify.each_once('here', {1, 2}, collections.Counter([1, 2]))
    assert verify.each_once('here', {1, 2}, collections.Counter([1, 1, 3])) == [
        'here: 1 missing: [2]', 'here: 1 strange: [3]', 'here: 1 doubled: [1]']


def made_world(table, dead, letters=(), rerouted=False):
    """Rows 1 and 2 fit, 3 does not, 4 is refused by the server."""
    messages = types.SimpleNamespace(fit={1, 2}, unfit={3, 4})
    return types.SimpleNamespace(rows=types.SimpleNamespace(messages=messages, refused={4}), rerouted=rerouted,
                                 row_ids=lambda: collections.Counter(table), letters=lambda: letters,
                                 letter_ids=lambda _: collections.Counter(dead))


def test_rows():
    assert not verify.rows(made_world([1, 2], [3, 4]))
    assert verify.rows(made_world([1, 2], [3])) == ['rows: 1 missing: [4]']
    assert verify.rows(made_world([1, 2, 2], [3, 4])) == ['rows: 1 doubled: [2]']
    assert verify.rows(made_world([1, 2, 3], [4])) == ['1 rows are in the table though they do not fit']
    assert not verify.rows(made_world([1, 2, 3], [4], rerouted=True))
    assert verify.rows(made_world([1], [2, 3, 4])) == ['1 rows are dead letters though they fit']


def test_logs():
    def world(text):
        part = types.SimpleNamespace(part='sink-1', process=types.SimpleNamespace(text=lambda: text))
        return types.SimpleNamespace(parts={'sink-1': part})

    assert not verify.logs(world('00:00 INFO partition assigned\n'))
    assert verify.logs(world('00:00 ERROR the conservation law does not hold: please report this\n'))

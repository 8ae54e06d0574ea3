# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the packages, installed once, and the world around them. One boot for all tests, in the order of run.sh:
what a test changes for good (started services, edited configurations) the next one finds; each file also runs alone."""
import pathlib

import pytest

from machine import DAEMONS, Unit, apt, attempt, packages, run
from world import World


@pytest.fixture(scope='session')
def installed():
    """All packages, by apt, without a network; what apt wrote."""
    return apt('install', *packages().values())


@pytest.fixture(scope='session')
def services():
    """What the daemons work between."""
    folder = pathlib.Path('/var/tmp/world')
    folder.mkdir()
    w = World(folder)
    yield w
    w.close()


@pytest.fixture(scope='session')
def world(installed, services):  # pylint: disable=unused-argument
    """Configured and started, events flow."""
    services.configure()
    for name in DAEMONS:
        Unit(name).drop_in('RestartSec=1s')
        run('systemctl', 'enable', '--now', f'{name}.service')
    return services


@pytest.fixture(scope='session')
def second(world):
    """A second of each daemon, with a configuration and names of its own, beside the first."""
    folder = pathlib.Path('/etc/chsinkd/second')
    folder.mkdir()
    route = pathlib.Path('/etc/chsinkd/routes/wikipedia_edits.yaml').read_text()
    (folder / 'second_edits.yaml').write_text(route.replace('topic: wikipedia-data', 'topic: second')
                                              .replace('wikipedia_edits', 'second_edits'))
    world.kafka.create('second')
    units = {name: Unit(f'{name}@second') for name in DAEMONS}
    for name, values in (('wikisrcd', {'topic': 'second'}), ('chsinkd', {'routes': f'{folder}/*.yaml'}), (
            'wmfetchd', {'topic': 'second-series', 'positions': 'second-positions', 'application': 77})):
        pathlib.Path(f'/etc/{name}/second.yaml').write_text(world.config(name, name='second', **values))
        units[name].drop_in('RestartSec=1s\nWatchdogSec=3s')
        run('systemctl', 'enable', '--now', units[name].name)
    return units


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of the journal."""
    report = (yield).get_result()
    if report.failed and call.when != 'teardown':
        for name in DAEMONS:
            text = attempt('journalctl', '-q', '-u', f'{name}*', '-n', '12', '-o', 'short-precise')[1]
            report.sections.append((f'journal of {name}', text))

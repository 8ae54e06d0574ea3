# SPDX-License-Identifier: Apache-2.0
"""The version before, as an operator has it, under load; then this one over it. What the older programs left in Kafka
(positions, announced ranges, dead letters) the newer ones read, and each event is a row, once."""
import collections
import copy
import json
import pathlib
import re
import uuid

import confluent_kafka
import pytest

from heart import Between
from machine import COMMON, DAEMONS, MESSAGES, OLDER, PACKAGES, Unit, apt, attempt, journal, known, packages, run
from pipeline import Pipeline, Replay, events, make_events, wait_until
from wm import WmPipeline

CATALOG = pathlib.Path('/usr/lib/systemd/catalog/streaming-daemons.catalog')
ROUTES = pathlib.Path('/etc/chsinkd/older')
# Instances of chsinkd that are killed with a range announced: before ClickHouse has the rows, and when it has them.
KILLED = ('before', 'after')
LETTERS = 20
UNITS = {name: Unit(name) for name in DAEMONS}


class Older:
    """Names of its own for all that is in Kafka and ClickHouse, and a stream of its own."""

    def __init__(self, services):
        folder = services.folder / 'older'
        folder.mkdir()
        self.world = world = copy.copy(services)
        world.name, world.routes = 'older', f'{ROUTES}/*.yaml'
        file = make_events(folder / 'events.jsonl', 60000, '--seed', 6, '--rate', 400, '--shared-ms', 500,
                           '--backwards')
        world.ids = [e['meta']['id'] for e in events(file)]
        world.replay = Replay(folder, file, '--rate', '250', '--from-start', '--max-connections', '10')
        world.edits = Pipeline(folder, world.kafka, world.clickhouse)
        world.edits.topic, world.edits.table = 'older', 'older_edits'
        world.metrics = WmPipeline(folder, world.kafka, world.clickhouse, world.keycloak)
        world.metrics.topic, world.metrics.table = 'older-series', 'older_metrics'
        world.metrics.positions = 'older-positions'
        self.between = Between(world.clickhouse)
        self.killed = {when: Unit(f'chsinkd@{when}') for when in KILLED}
        self.announced = {}

    def configure(self):
        """After the installation, which makes the folders."""
        for topic in ('older', 'older-series', 'older-bad'):
            self.world.kafka.create(topic)
        ROUTES.mkdir()
        edits, metrics = (pathlib.Path(f'/etc/chsinkd/routes/{name}.yaml').read_text()
                          for name in ('wikipedia_edits', 'transaction_metrics'))

        def route(name, topic, folder=ROUTES):
            (folder / f'{name}.yaml').write_text(edits.replace('topic: wikipedia-data', f'topic: {topic}')
                                                 .replace('wikipedia_edits', name))

        route('older_edits', 'older')
        route('older_bad', 'older-bad')
        (ROUTES / 'older_metrics.yaml').write_text(
            metrics.replace('topic: services_series_12days', 'topic: older-series')
            .replace('table: transaction_metrics', 'table: older_metrics'))
        self.world.configure()
        for when, unit in self.killed.items():
            folder = pathlib.Path(f'/etc/chsinkd/{when}')
            folder.mkdir()
            route(f'older_{when}', 'older', folder)
            pathlib.Path(f'/etc/chsinkd/{when}.yaml').write_text(self.world.config(
                'chsinkd', name=when, routes=f'{folder}/*.yaml', clickhouse=self.between.url))
            unit.drop_in('RestartSec=1h')  # it stays down until the newer one is there

    def rows(self, table):
        """How often each event is there; nothing where there is no table yet."""
        if not int(self.world.clickhouse.value(f"SELECT count() FROM system.tables WHERE name = '{table}'")):
            return collections.Counter()
        return collections.Counter(r[0] for r in self.world.clickhouse.rows(f'SELECT toString(event_id) FROM {table}'))

    def letters(self):
        """Dead letters of the route, as they are in Kafka."""
        admin = confluent_kafka.Consumer({'bootstrap.servers': self.world.kafka.servers, 'group.id': 'look'})
        try:
            if 'chsinkd-dead-letters' not in admin.list_topics(timeout=10).topics:
                return []
        finally:
            admin.close()
        return [m for m in self.world.kafka.read('chsinkd-dead-letters')
                if dict(m.headers())['chsinkd-topic'] == b'older-bad']

    def kill_announced(self, when, unit):
        """kill -9 with a range announced, whose insert is held at a known moment."""
        hold = self.between.hold(when, table=f'older_{when}', skip=1)
        unit.start()
        hold.wait()
        unit.kill('KILL')
        wait_until(lambda: unit.pid == 0, 20, f'{unit.name} is dead')
        hold.release()
        place = self.show(when)
        assert place['announced_end'] and place['announced_end'] > place['next'] > 0, place
        self.announced[when] = place['announced_end']
        unit.mark()

    @staticmethod
    def show(instance):
        """Where loading stands, by the program that is installed."""
        text = run('env', 'CREDENTIALS_DIRECTORY=/etc/chsinkd/secrets', 'chsinkd', '-c', f'/etc/chsinkd/{instance}.yaml',
                   '--show', '--json')
        return json.loads(text[text.index('{'):])['routes'][0]['state']['partitions'][0]


@pytest.fixture(scope='module')
def upgraded(request):
    """The older packages installed, loaded and, in the midst of it, upgraded."""
    if len(packages(OLDER)) < len(DAEMONS):
        pytest.skip((OLDER / 'why').read_text().strip())
    left = [n for n in (*DAEMONS, COMMON) if known(n)]
    if left:  # of the tests before
        apt('purge', *left)
    apt('install', *packages(OLDER).values())
    assert CATALOG.is_symlink() and not known(COMMON)
    o = Older(request.getfixturevalue('services'))
    o.configure()
    for unit in UNITS.values():
        unit.drop_in('RestartSec=1s')
        run('systemctl', 'enable', '--now', unit.name)
    o.world.progress()
    for when, unit in o.killed.items():
        o.kill_announced(when, unit)
    bad = [{'$schema': '/mediawiki/recentchange/1.0.0', 'type': 'edit', 'wiki': 'testwiki', 'namespace': 2 ** 40,
            'meta': {'id': str(uuid.uuid4()), 'dt': '2026-01-01T00:00:00.000Z', 'stream': 'mediawiki.recentchange'}}
           for _ in range(LETTERS)]
    o.bad = {event['meta']['id'] for event in bad}
    o.world.kafka.produce('older-bad', [(b'bad', json.dumps(event).encode()) for event in bad])
    wait_until(lambda: len(o.letters()) == LETTERS, 60, f'{LETTERS} dead letters: {UNITS["chsinkd"].told()[-2000:]}')
    o.version = {name: run(name, '--version') for name in DAEMONS}
    pids = {unit: unit.mark().pid for unit in UNITS.values()}
    assert all(pids.values())
    # As the README has it; the debug symbols come along.
    o.told = apt('-o', 'Dpkg::Options::=--force-confold', 'install', *sorted(PACKAGES.glob('*.deb')))
    for unit, pid in pids.items():
        unit.wait_restarted(pid)
    for unit in o.killed.values():
        unit.drop_out()
        run('systemctl', 'start', unit.name)
    o.world.progress()
    yield o
    for unit in (*UNITS.values(), *o.killed.values()):
        attempt('systemctl', 'stop', unit.name)  # purged already, unless a test failed
        unit.drop_out()
    o.between.close()
    o.world.replay.close()


def test_installed(upgraded):
    """Other programs, one catalog that is a file of the common package and no alternative; apt had no complaint."""
    for name in DAEMONS:
        assert run(name, '--version') != upgraded.version[name]
        assert run('dpkg', '--verify', name) in ('', f'??5?????? c /etc/{name}/{name}.yaml\n')
    assert run('dpkg', '--verify', COMMON) == ''
    assert CATALOG.is_file() and not CATALOG.is_symlink()
    assert run('dpkg', '-S', CATALOG).startswith(f'{COMMON}: ')
    assert attempt('update-alternatives', '--query', 'streaming-daemons.catalog')[0] != 0
    assert not pathlib.Path('/etc/alternatives/streaming-daemons.catalog').is_symlink()
    catalog = run('journalctl', '--list-catalog')
    assert all(catalog.count(number) == 1 for number in MESSAGES.values())
    assert not re.search(r'warning|error|not removing|cannot', upgraded.told, re.I), upgraded.told
    assert attempt('systemctl', '--failed', '--plain', '--no-legend')[1].strip() == ''


def test_positions(upgraded):
    """The newer sources go on where the older ones were; nothing is there twice or left out."""
    world = upgraded.world
    connected, = UNITS['wikisrcd'].entries(f'MESSAGE_ID={MESSAGES["SOURCE_CONNECTED"]}')[:1]
    assert connected['RESUMED_BY'] == 'position', connected
    for name in ('wikisrcd', 'wmfetchd'):
        UNITS[name].stop()
    print(world.assert_exact(), 'events;', world.assert_windows_exact(name='older'), 'elements')
    assert not journal(f'MESSAGE_ID={MESSAGES["CONSERVATION"]}', since=UNITS['wikisrcd'].since)


@pytest.mark.parametrize('when', KILLED)
def test_announced(upgraded, when):
    """A range that the older one announced and was killed in is loaded as just that range, whether ClickHouse had it or
    not."""
    unit = upgraded.killed[when]
    recovered = wait_until(lambda: unit.entries(f'MESSAGE_ID={MESSAGES["BATCH_RECOVERED"]}'), 30, unit.told())
    assert [int(e['OFFSET_END']) for e in recovered] == [upgraded.announced[when]], (recovered, upgraded.announced)
    wanted = collections.Counter(json.loads(m.value())['meta']['id'] for m in upgraded.world.kafka.read('older'))
    wait_until(lambda: sum(upgraded.rows(f'older_{when}').values()) >= len(wanted), 60, f'{len(wanted)} rows')
    assert upgraded.rows(f'older_{when}') == wanted


def test_dead_letters(upgraded):
    """What the older one could not load the newer one's --replay brings back, by a mended route; once."""
    route = ROUTES / 'older_bad.yaml'
    text = route.read_text()
    mended = text.replace('{name: namespace, type: Nullable(Int32), path: $.namespace,',
                          '{name: namespace, type: Nullable(Int32), path: $.namespace, invalid: "null",')
    assert mended != text
    route.write_text(mended)
    assert not upgraded.rows('older_bad')
    for _ in range(2):
        run('env', 'CREDENTIALS_DIRECTORY=/etc/chsinkd/secrets', 'chsinkd', '--replay', 'older_bad')
        assert upgraded.rows('older_bad') == collections.Counter(upgraded.bad)
    status, told = UNITS['chsinkd'].reload()
    assert status == 0, told


def test_purged(upgraded):  # pylint: disable=unused-argument
    """Nothing of the older one is left, either."""
    apt('purge', *DAEMONS, COMMON)
    assert not CATALOG.exists() and not CATALOG.is_symlink()
    left = [p for p in pathlib.Path('/').glob('usr/share/*/streaming-daemons.catalog')]
    assert not left
    assert not list(pathlib.Path('/var/lib/dpkg/alternatives').glob('streaming-daemons*'))

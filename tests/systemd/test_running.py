# SPDX-License-Identifier: Apache-2.0
"""The three daemons at work under systemd, under load all the time: what is shown, reload, outages, instances, stops,
crashes, hangs, secrets. After each disturbance topics and tables hold each event once."""
import contextlib
import importlib
import json
import pathlib
import re
import sys

import pytest

from machine import DAEMONS, MESSAGES, Frozen, Unit, attempt, journal, run
from pipeline import wait_until
from wm import CLIENT_SECRET, USER_PASSWORD
from world import CLICKHOUSE_PASSWORD, KAFKA_PASSWORD, write_secret

UNITS = {name: Unit(name) for name in DAEMONS}
WRONG_PASSWORD = 'Wr0ng-pa55'
# A number with its unit, as people read it.
RATE, LAG = r'[\d.,]+k? (events|rows|messages|windows)/s', r'\blag\b|behind|due'


def test_flow(world):
    """From the sources through Kafka into the tables."""
    world.progress()
    world.assert_exact()
    for unit in UNITS.values():
        assert (unit.active, unit.restarts) == ('active', 0)


# ---- what is shown ----

STATUS = {
    'wikisrcd': [RATE, LAG, r'commit'],
    'wmfetchd': [r'[\d.]+ MB/s', r'\d+ windows due', r'all to \d{4}-', r'last window \d+ records \d+ s ago'],
    'chsinkd': [RATE, LAG, r'batch|insert'],
}


@pytest.mark.parametrize('name', DAEMONS)
def test_status(world, name):  # pylint: disable=unused-argument
    """`systemctl status` shows rate, lag and the last batch."""
    text = UNITS[name].wait_status(*STATUS[name])
    shown = attempt('systemctl', 'status', name)[1]
    assert re.search(r'^ +Status: "', shown, re.M) and 'Active: active (running)' in shown, shown
    print(text)


def kind_of(name, match):
    """Waits for entries: lines about many small things are summed up, and come every some seconds."""
    return wait_until(lambda: journal(match, f'MESSAGE_ID={MESSAGES[name]}'), 30, f'{name} with {match}')


def test_journal(world):
    """Found by unit, by table, by kind; the fields as promised."""
    world.progress()
    for name in DAEMONS:
        entries = journal('-u', name, f'SYSLOG_IDENTIFIER={name}')
        assert entries and all(e['_SYSTEMD_UNIT'] == f'{name}.service' for e in entries)
        # The first line of each start is a stream's (log.c says why).
        assert all(e['_TRANSPORT'] == 'journal' or e['MESSAGE'].startswith('version ') for e in entries)
        ready, = journal('-u', name, f'MESSAGE_ID={MESSAGES["READY"]}')[-1:]
        assert ready['MESSAGE'].startswith('ready')
    for table, topic in ((world.edits.table, world.edits.topic), (world.metrics.table, world.metrics.topic)):
        batches = kind_of('BATCH_INSERTED', f'TABLE={table}')
        for entry in batches:
            assert entry['TOPIC'] == topic and entry['PARTITION'] == '0' and int(entry['ROWS']) > 0
            assert 0 <= int(entry['OFFSET_START']) < int(entry['OFFSET_END'])
            assert {'BYTES', 'MESSAGES', 'DURATION_MS', 'CODE_FILE', 'CODE_LINE'} <= entry.keys()
            assert f'rows={entry["ROWS"]}' in entry['MESSAGE']
        # Batch follows upon batch; the topic's transactions leave gaps of some offsets.
        ends = [(int(e['OFFSET_START']), int(e['OFFSET_END'])) for e in batches]
        assert all(a[1] <= b[0] for a, b in zip(ends, ends[1:])), ends
    for topic in (world.edits.topic, world.metrics.topic):
        commits = kind_of('TXN_COMMITTED', f'TOPIC={topic}')
        assert all(int(e['MESSAGES']) > 0 for e in commits), topic


def test_confined(world):  # pylint: disable=unused-argument
    """The daemons themselves, by their own /proc/PID/status: what the probe in their place showed (test_sandbox.py)."""
    users = set()
    for unit in UNITS.values():
        text = pathlib.Path(f'/proc/{unit.pid}/status').read_text()
        status = dict(line.split(':\t', 1) for line in text.splitlines())
        assert [status[f'Cap{kind}'] for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')] == ['0' * 16] * 5
        assert (status['NoNewPrivs'], status['Seccomp']) == ('1', '2')
        user = set(map(int, status['Uid'].split()))
        assert len(user) == 1 and 61184 <= min(user) <= 65519, user  # systemd.exec(5), DynamicUser=
        users |= user
        limits = pathlib.Path(f'/proc/{unit.pid}/limits').read_text()
        assert re.search(r'Max core file size +0 +0 ', limits), limits
        # Not dumpable: then what is its own below /proc/PID is root's, and nobody but root can trace it.
        assert pathlib.Path(f'/proc/{unit.pid}/mem').stat().st_uid == 0
    assert len(users) == 3


# ---- reload ----

RELOADS = {  # what is changed, and to what
    'wikisrcd': ('filter: {type: {exclude: [categorize]}}\nlog_level: debug\n', 'filter'),
    'wmfetchd': ('log_level: debug\n', 'log_level'),
    'chsinkd': ('batch: {age: 500ms}\nlog_level: debug\n', 'batch.age'),
}


@pytest.mark.parametrize('name', DAEMONS)
def test_reload(world, name):
    """A good file is taken over, by the same process; of a bad one `systemctl reload` tells, and nothing changes."""
    unit, path = UNITS[name], pathlib.Path(f'/etc/{name}/{name}.yaml')
    old, pid = path.read_text(), unit.pid
    more, changed = RELOADS[name]
    try:
        path.write_text(f'{more}agge: 1s\n{old}')
        status, text = unit.reload()
        assert status != 0 and 'failed' in text, text
        told = unit.told()
        assert re.search(rf'{path}:\d+:1: unknown key agge', told), told
        assert (unit.pid, unit.active) == (pid, 'active')
        # Past systemctl (which does not ask for the signal after a failed check), the daemon itself looks, too.
        unit.mark()
        unit.kill('HUP')
        unit.wait_told('old one stays|nothing was changed')
        world.progress(more=50)
        # Neither the level nor the filter of the bad file.
        assert not unit.entries(f'_PID={pid}', 'PRIORITY=7'), 'the bad file was taken over'
        world.assert_exact()

        path.write_text(more + old)
        status, text = unit.reload()
        assert status == 0, text
        unit.wait_told('configuration reloaded')
        entry, = [e for e in unit.entries(f'MESSAGE_ID={MESSAGES["RELOADED"]}') if 'CHANGED' in e]
        assert changed in entry['CHANGED'] and 'log_level' in entry['CHANGED'], entry
        if name != 'wikisrcd':  # which has nothing to add while all goes well; its filter shows instead
            wait_until(lambda: unit.entries(f'_PID={pid}', 'PRIORITY=7'), 30, 'debug lines')
        world.progress(more=50)
    finally:
        path.write_text(old)
        assert unit.reload()[0] == 0
    unit.wait_told('configuration reloaded')
    assert (unit.pid, unit.active) == (pid, 'active')
    world.progress(more=50)
    if name == 'wikisrcd':
        assert world.expect_no('categorize') > 0, 'the filter of the reload was not taken over'
    world.assert_exact()


def test_reload_of_routes(world):
    """A new route: the same process, which stays active and loads it."""
    unit, routes = UNITS['chsinkd'], pathlib.Path('/etc/chsinkd/routes')
    pid, topic = unit.pid, 'routing'
    world.kafka.create(topic)
    world.kafka.produce(topic, [(None, b'{"n": %d}' % n) for n in range(100)])
    file = routes / 'routing.yaml'
    file.write_text(f'topic: {topic}\ntable: {topic}\norder_by: n\ncolumns:\n  - {{name: n, type: Int64, path: $.n}}\n')
    file.chmod(0o644)
    try:
        status, text = unit.reload()
        assert status == 0, f'{text}\n{unit.told()}'
        assert (unit.pid, unit.active, unit.restarts) == (pid, 'active', 0)
        assert 'new route routing' in str(unit.entries(f'MESSAGE_ID={MESSAGES["RELOADED"]}'))
        wait_until(lambda: int(world.clickhouse.value(f'SELECT uniqExact(n) FROM {topic}')) == 100, 60, 'its rows')
        assert int(world.clickhouse.value(f'SELECT count() FROM {topic}')) == 100
        world.progress(more=50)
    finally:
        file.unlink()
        assert unit.reload()[0] == 0
    assert (unit.pid, unit.active) == (pid, 'active')
    world.progress(more=50)
    world.assert_exact()


# ---- what is away ----

def test_clickhouse_away(world):
    """chsinkd says what it waits for, the others do not mind; afterwards all is there."""
    sink = UNITS['chsinkd'].mark()
    world.clickhouse.kill()
    try:
        sink.wait_status('ClickHouse', 'wait|not answer', LAG)
        assert 'SINK_AWAY' in sink.kinds()
        UNITS['wikisrcd'].wait_status(*STATUS['wikisrcd'])
    finally:
        world.clickhouse.start()
    sink.wait_status(*STATUS['chsinkd'])
    assert 'SINK_BACK' in sink.kinds()
    world.progress()
    world.assert_exact()
    assert all((u.active, u.restarts) == ('active', 0) for u in UNITS.values())


def test_kafka_away(world):
    """All three say so, stay, and go on by themselves."""
    for unit in UNITS.values():
        unit.mark()
    world.kafka.kill()
    try:
        for unit in UNITS.values():
            unit.wait_status('Kafka', 'wait|not answer')
    finally:
        world.kafka.start()
    for name, unit in UNITS.items():
        unit.wait_status(*STATUS[name])
    world.progress()
    world.assert_exact()
    assert all((u.active, u.restarts) == ('active', 0) for u in UNITS.values())


# ---- instances ----

def test_instance(world, second):
    """Both at work at the same time, each with its own; a stop of one leaves the other."""
    wait_until(lambda: int(world.clickhouse.value(
        "SELECT count() FROM system.tables WHERE name = 'second_edits'")), 60, 'its table')
    wait_until(lambda: int(world.clickhouse.value('SELECT count() FROM second_edits')) > 500, 60, 'its rows')
    world.progress()
    for name, unit in second.items():
        assert unit.active == UNITS[name].active == 'active'
        assert unit.pid != UNITS[name].pid
        assert pathlib.Path(f'/proc/{unit.pid}/cmdline').read_text().split('\0')[:3] == [
            f'/usr/bin/{name}', '-c', f'/etc/{name}/second.yaml']
        assert journal('-u', unit.name, f'MESSAGE_ID={MESSAGES["READY"]}')
    assert journal('-u', second['chsinkd'].name, 'TABLE=second_edits')
    assert not journal('-u', UNITS['chsinkd'].name, 'TABLE=second_edits')
    found = [json.loads(m.value())['meta']['id'] for m in world.kafka.read('second')]
    assert len(found) == len(set(found))
    wait_until(lambda: any(json.loads(m.value())['applicationId'] == 77 for m in world.kafka.read('second-series')), 60,
               'the second application')
    second['wikisrcd'].stop()
    world.progress()
    second['wikisrcd'].start()
    world.assert_exact()


# ---- DuckDB ----

def test_duckdb(world):
    """Into a file below /var/lib, by an instance of its own in the unit as it is: what DuckDB's library and its threads
    ask of the kernel is allowed. Killed in between, it goes on where the file is."""
    library, client = (run('/tests/tests/services/duckdb.sh', what).strip() for what in ('library', 'python'))
    sys.path.insert(0, client)
    duckdb = importlib.import_module('duckdb')
    file = '/var/lib/chsinkd-duckdb/edits.duckdb'
    pathlib.Path('/etc/chsinkd/duckdb.yaml').write_text(
        world.config('chsinkd', name='duckdb', routes='/etc/chsinkd/routes/wikipedia_edits.yaml') +
        f'output: duckdb\nduckdb: {{ file: {file}, library: {library}, threads: 2 }}\nbatch: {{ age: 500ms }}\n')

    def look():
        with contextlib.suppress(duckdb.IOException, duckdb.CatalogException):
            with duckdb.connect(file, read_only=True) as c:
                return c.execute('SELECT count(*), count(DISTINCT event_id), max(_offset) + 1, '
                                 '(SELECT max(next_offset) FROM _chsinkd_offsets) FROM wikipedia_edits').fetchone()
        return None

    unit = Unit('chsinkd@duckdb')
    unit.start()
    try:
        before = wait_until(lambda: (look() or (0,))[0] and look(), 60, f'rows: {unit.told()}')
        pid = unit.pid
        unit.kill('KILL')
        unit.wait_restarted(pid)
        wait_until(lambda: (look() or (0,))[0] > before[0], 60, f'more rows than {before[0]}: {unit.told()}')
    finally:
        unit.stop()
    rows, distinct, after, position = look()
    # Transactions leave gaps in the offsets.
    read = sum(m.offset() < position for m in world.kafka.read(world.edits.topic))
    assert rows == distinct == read and after == position, (rows, distinct, read, after, position)
    assert unit.show('Result') == 'success', unit.told()
    run('systemctl', 'clean', '--what=state', unit.name)  # what is left of the package is looked at later
    assert not pathlib.Path(file).exists()


# ---- stops, crashes, hangs ----

@pytest.fixture(scope='module')
def deadlock(world, second):  # pylint: disable=unused-argument
    """A process that lives and whose loop turns, but whose work stands still: chsinkd's threads but the first. It may
    take a minute until they count as stuck; other tests run meanwhile."""
    unit = second['chsinkd'].mark()
    pid, restarts = unit.pid, unit.restarts
    frozen = Frozen(pid, 'chsinkd')
    yield unit, pid, restarts
    frozen.close()


def test_deadlock_begins(deadlock):
    unit, pid, _ = deadlock
    assert (unit.pid, unit.active) == (pid, 'active')



def test_stop_and_start(world):
    """Under load: in order, within its time, with its sums; nothing is lost or doubled."""
    for name, unit in UNITS.items():
        unit.mark()
        unit.stop()
        found = unit.show('ActiveState', 'Result', 'ExecMainCode', 'ExecMainStatus')
        assert found == {'ActiveState': 'inactive', 'Result': 'success', 'ExecMainCode': '1', 'ExecMainStatus': '0'}, \
            (found, unit.told())
        assert any('Deactivated successfully' in e['MESSAGE'] for e in unit.entries('_PID=1'))
        assert {'STOPPING', 'STOPPED'} <= unit.kinds()
        assert unit.entries(f'SYSLOG_IDENTIFIER={name}')[-1]['MESSAGE_ID'] == MESSAGES['STOPPED']
        assert not unit.entries(f'SYSLOG_IDENTIFIER={name}', '-p', 'warning'), unit.told('-p', 'warning')
    stored = world.edits.rows()
    for unit in UNITS.values():
        unit.start()
    wait_until(lambda: world.edits.rows() > stored, 60, 'more rows')
    world.progress()
    world.assert_exact()


def test_stop_while_starting(world):
    """What a start waits for may not be there for long: a stop is obeyed, and is no failure."""
    world.kafka.kill()
    try:
        run('systemctl', 'stop', *(unit.name for unit in UNITS.values()))
        for unit in UNITS.values():
            unit.mark()
            run('systemctl', 'start', '--no-block', unit.name)
        for unit in UNITS.values():
            unit.wait_told('Kafka')
            assert unit.active == 'activating'
            unit.stop()
            found = unit.show('ActiveState', 'Result', 'ExecMainStatus')
            wanted = {'ActiveState': 'inactive', 'Result': 'success', 'ExecMainStatus': '0'}
            assert found == wanted, (found, unit.told())
    finally:
        world.kafka.start()
        for unit in UNITS.values():
            attempt('systemctl', 'reset-failed', unit.name)
            unit.start()
    world.progress()


@pytest.mark.parametrize('signal', ['KILL', 'SEGV'])
def test_crash(world, signal):
    """Each is started again by itself; no core is left, where secrets could stand."""
    before = {unit: (unit.mark().pid, unit.restarts) for unit in UNITS.values()}
    for unit in UNITS.values():
        unit.kill(signal)
    for unit, (pid, restarts) in before.items():
        unit.wait_restarted(pid)
        assert unit.restarts == restarts + 1
        text = '\n'.join(e['MESSAGE'] for e in unit.entries('_PID=1'))
        assert re.search(rf'code=killed, status=\d+/{signal}', text), text  # not code=dumped
    world.progress()
    world.assert_exact()


def test_hang(world):
    """Stopped altogether: the watchdog ends and restarts each."""
    for unit in UNITS.values():
        unit.stop()
        unit.drop_in('WatchdogSec=3s', 'watchdog')
        unit.start()
    world.progress()
    before = {unit: (unit.mark().pid, unit.restarts) for unit in UNITS.values()}
    try:
        for unit in UNITS.values():
            unit.kill('STOP')
        for unit, (pid, restarts) in before.items():
            unit.wait_restarted(pid)
            assert unit.restarts == restarts + 1
            text = '\n'.join(e['MESSAGE'] for e in unit.entries('_PID=1'))
            assert 'Watchdog timeout' in text, text
        world.progress()
        world.assert_exact()
        assert all(unit.restarts == before[unit][1] + 1 for unit in UNITS.values()), 'the watchdog bites for nothing'
    finally:
        for unit in UNITS.values():
            unit.drop_out('watchdog')


def test_deadlock_ended(world, deadlock):
    """The watchdog was fed no more, and it is at work again; nothing is lost or doubled."""
    unit, pid, restarts = deadlock
    unit.wait_restarted(pid, timeout=100)
    assert unit.restarts == restarts + 1
    assert 'Watchdog timeout' in '\n'.join(e['MESSAGE'] for e in unit.entries('_PID=1'))
    wanted = {json.loads(m.value())['meta']['id'] for m in world.kafka.read('second')}
    wait_until(lambda: int(world.clickhouse.value('SELECT count() FROM second_edits')) >= len(wanted), 60, 'its rows')
    assert int(world.clickhouse.value('SELECT count() - uniqExact(event_id) FROM second_edits')) == 0


# ---- secrets ----

def test_secrets(world, second):
    """Neither passwords nor tokens stand where somebody could read them, though there was every reason to show them:
    wrong passwords, revoked tokens, librdkafka's and our own debugging, --auth-test."""
    fetch = UNITS['wmfetchd']
    debug = {}
    for name in DAEMONS:
        path = pathlib.Path(f'/etc/{name}/{name}.yaml')
        debug[path] = path.read_text()
        path.write_text('log_level: debug\nmetrics: {listen: "127.0.0.1:94%02d"}\n' % DAEMONS.index(name) +
                        debug[path].replace('kafka:\n', 'kafka:\n    debug: security,broker,conf,feature\n'))
        UNITS[name].stop()
        UNITS[name].start()
    world.progress()
    # A token that is revoked is refused, and another got.
    fetch.mark()
    world.keycloak.revoke('not-before')
    wait_until(lambda: any(r.get('status') == 401 for r in world.api.requests()[-50:]), 60, 'a token refused')
    world.progress()
    assert (fetch.active, fetch.restarts) == ('active', 0)
    # A password that is wrong although it has worked before: said loudly, and tried again.
    write_secret('wmfetchd', 'keycloak-password', WRONG_PASSWORD)
    fetch.stop()
    fetch.start()
    wait_until(lambda: 'auth.password' in fetch.told('-p', 'err'), 60, 'the refusal is said')
    assert (fetch.active, fetch.restarts) == ('active', 0)
    look = ('systemd-run', '--wait', '-q', '--collect', '--unit=auth-test', '-p', 'DynamicUser=yes',
            '-p', 'WorkingDirectory=/tmp', '-p', 'LoadCredential=secrets:/etc/wmfetchd/secrets',
            '/usr/bin/wmfetchd', '--auth-test', '-v')
    assert attempt(*look)[0] != 0
    write_secret('wmfetchd', 'keycloak-password', USER_PASSWORD)
    fetch.stop()
    fetch.start()
    run(*look)
    assert 'watermelon-api' in '\n'.join(e['MESSAGE'] for e in journal('-u', 'auth-test'))
    world.progress()

    places = {'the journal': run('journalctl', '-q', '--all', '-o', 'export').encode()}
    for process in pathlib.Path('/proc').iterdir():
        if process.name.isdigit():
            for what in ('cmdline', 'environ'):
                try:
                    places[f'{process}/{what}'] = (process / what).read_bytes()
                except OSError:  # gone
                    pass
    for name, unit in [*UNITS.items(), *second.items()]:
        places[f'systemctl show {name}'] = run('systemctl', 'show', unit.name).encode()
        places[f'systemctl status {name}'] = attempt('systemctl', 'status', '-l', unit.name)[1].encode()
    for name in DAEMONS:
        places[f'metrics of {name}'] = run('/usr/bin/python3', '-c', 'import sys, urllib.request; print('
                                           'urllib.request.urlopen(sys.argv[1]).read().decode())',
                                           f'http://127.0.0.1:94{DAEMONS.index(name):02}/metrics').encode()
        assert b'process_' in places[f'metrics of {name}']
    assert len(places['the journal']) > 1000000 and b'librdkafka' in places['the journal']
    for where, text in places.items():
        for secret in (KAFKA_PASSWORD, CLICKHOUSE_PASSWORD, USER_PASSWORD, CLIENT_SECRET, WRONG_PASSWORD):
            assert secret.encode() not in text, f'{secret} stands in {where}: {around(text, secret.encode())}'
        token = re.search(rb'eyJ[\w-]{10,}', text)  # how each JWT begins
        assert not token, f'a token stands in {where}: {around(text, token[0])}'
    for unit in UNITS.values():
        credentials = pathlib.Path(f'/run/credentials/{unit.name}')
        assert {f.stat().st_mode & 0o777 for f in credentials.iterdir()} <= {0o400, 0o440}
    for path, text in debug.items():
        path.write_text(text)
    for unit in UNITS.values():
        unit.stop()
        unit.start()


def around(text, what):
    at = text.index(what)
    return text[max(0, at - 200):at + 20]


# ---- the end of it all ----

def test_catalog_explains(world):  # pylint: disable=unused-argument
    """Each kind of event that was seen has its explanation in `journalctl -x`."""
    seen = {e['MESSAGE_ID'] for e in journal() if e.get('MESSAGE_ID') in MESSAGES.values()}
    assert len(seen) > 5
    for number in seen:
        text = run('journalctl', '-q', '-x', '-n', '1', f'MESSAGE_ID={number}')
        explained = [line for line in text.splitlines() if line.startswith('░░')]
        assert len(explained) >= 4, f'{number}: {text}'


def test_all_is_there_once(world):
    """After all this: the windows of the API and the events of the stream, in topics and tables."""
    for name in ('wikisrcd', 'wmfetchd'):
        UNITS[name].stop()
    print(world.assert_exact(), 'events;', world.assert_windows_exact(), 'elements')
    assert not journal(f'MESSAGE_ID={MESSAGES["CONSERVATION"]}')
    for name in ('wikisrcd', 'wmfetchd'):
        UNITS[name].start()

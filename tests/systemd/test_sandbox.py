# SPDX-License-Identifier: Apache-2.0
"""What a daemon could do if somebody took it over: a probe in its place, in its unit as it is, tries; and the same
probe without the unit's confinement shows that each attempt would work there."""
import json
import pathlib
import shutil

import pytest

from machine import DAEMONS, Unit, run

PROBE = pathlib.Path('/usr/local/lib/probe.py')
# Whose secrets the probe looks for.
OTHER = {'wikisrcd': 'wmfetchd', 'wmfetchd': 'chsinkd', 'chsinkd': 'wikisrcd'}
REFUSED = {'EPERM', 'EACCES', 'EROFS', 'ENOENT', 'ESRCH'}


@pytest.fixture(scope='module')
def victims(installed):  # pylint: disable=unused-argument
    """Something to find: secrets and credentials of another daemon, files, a process with a secret."""
    shutil.copy(pathlib.Path(__file__).with_name('probe.py'), PROBE)
    for path in (pathlib.Path('/root/.probe'), pathlib.Path('/tmp/probe-of-the-host')):
        path.write_text('x')
    run('mknod', '-m', '666', '/dev/probe', 'c', '1', '3')
    for name in DAEMONS:
        secret = pathlib.Path(f'/etc/{name}/secrets/kafka-password')
        secret.write_text('x')
        secret.chmod(0o600)
        # The unit's own credentials, and a program that waits.
        unit = Unit(name)
        unit.drop_in('Type=exec\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=/bin/sleep 1000')
        unit.start()
    yield
    for name in DAEMONS:
        Unit(name).stop()
        Unit(name).drop_out()
        pathlib.Path(f'/etc/{name}/secrets/kafka-password').unlink()
    run('rm', *pathlib.Path('/run').glob('probe-*.json'), PROBE, '/root/.probe', '/tmp/probe-of-the-host', '/dev/probe')


@pytest.fixture(scope='module')
def control(victims):  # pylint: disable=unused-argument
    """What the probe can do without confinement: as root, and as a user without rights."""
    found = {}
    for who in ('root', 'nobody'):
        result = pathlib.Path(f'/run/probe-{who}.json')
        result.unlink(missing_ok=True)
        run('systemd-run', '--wait', '-q', '-p', f'User={who}', '-p', f'StandardOutput=truncate:{result}',
            '/usr/bin/python3', PROBE, 'wikisrcd')
        found[who] = json.loads(result.read_text())
        pathlib.Path('/tmp/probe-of-the-service').unlink()
    return found


def confined(name, user=''):
    """What it can do in the daemon's place: only the program is another, and its output goes to a file. (The watchdog
    and restarts would end or repeat it.)"""
    unit = Unit(name)
    result = pathlib.Path(f'/run/probe-{name}.json')
    result.unlink(missing_ok=True)
    unit.stop()
    unit.drop_in('Type=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\n'
                 f'ExecStart=/usr/bin/python3 {PROBE} {OTHER[name]}\n'
                 f'StandardOutput=truncate:{result}\n{user}', 'z-probe')
    try:
        unit.start()  # a oneshot: returns when the probe has ended
        return json.loads(result.read_text())
    finally:
        unit.drop_out('z-probe')
        unit.start()  # the one that waits, for the next probe


@pytest.fixture(scope='module')
def inside(victims):  # pylint: disable=unused-argument
    return {name: confined(name) for name in DAEMONS}


# What needs no rights, so that only the unit's filters can refuse it: with what error they do.
FILTERED = {
    **{f'call {name}': 'EPERM' for name in ('unshare, user namespace', 'ptrace', 'personality', 'io_setup')},
    'socket AF_NETLINK': 'EAFNOSUPPORT', 'memory to write and execute': 'EPERM',
    'a set-user-id file': 'EPERM'}
# What root may do.
PRIVILEGED = [f'call {name}' for name in ('mount', 'umount2', 'unshare', 'setns', 'bpf', 'reboot', 'pivot_root',
                                          'chroot', 'sethostname', 'sched_setscheduler')]
ALLOWED = ['socket AF_INET', 'socket AF_UNIX']


@pytest.mark.parametrize('name', DAEMONS)
def test_system_calls(control, inside, name):
    """Refused by the unit, with EPERM; without it they work, or fail for another reason."""
    found = inside[name]
    for what in ALLOWED:
        assert found[what] == 'done', (what, found[what])
    for what, error in FILTERED.items():
        assert found[what] == error, (what, found[what])
        assert control['nobody'][what] != error, f'{what}: refused without the unit, too: this shows nothing'
    for what in PRIVILEGED:
        assert found[what] == 'EPERM', (what, found[what])
        assert control['root'][what] != 'EPERM', f'{what}: refused without the unit, too: this shows nothing'
    assert found['socket AF_PACKET'] == 'EAFNOSUPPORT' and control['root']['socket AF_PACKET'] == 'done'


@pytest.mark.parametrize('name', DAEMONS)
def test_files(control, inside, name):
    """Nothing to write anywhere, and nobody's secrets to read; /tmp is its own."""
    found = inside[name]
    looked = [what for what in found if what.startswith(('write ', 'read '))]
    assert len(looked) > 20
    for what in looked:
        assert found[what] in REFUSED, (what, found[what])
        if OTHER[name] not in what:
            assert control['root'][what] == 'done', (what, control['root'][what])
    # The control looked for wikisrcd's.
    for what in (w for w in control['root'] if 'wikisrcd' in w):
        assert control['root'][what] == 'done', (what, control['root'][what])
    assert not pathlib.Path('/tmp/probe-of-the-service').exists()
    assert 'probe' not in found['devices'] and 'kmsg' not in found['devices'], found['devices']


@pytest.mark.parametrize('name', DAEMONS)
def test_processes_and_rights(control, inside, name):
    """It sees no process but its own, and has no capability, also none it could get; no cores, no new rights."""
    found = inside[name]
    assert found['see other processes'] == 'ESRCH' and control['nobody']['see other processes'] == 'done'
    status = found['status']
    for kind in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
        assert int(status[kind], 16) == 0, (kind, status[kind])
    assert int(control['root']['status']['CapEff'], 16) != 0
    assert status['NoNewPrivs'] == '1' and control['nobody']['status']['NoNewPrivs'] == '0'
    assert status['Seccomp'] == '2'
    assert 0 not in map(int, status['Uid'].split())
    assert 'Max core file size        0                    0 ' in found['limits']


def test_root_cannot_write_either(control):
    """With root's user id in the same unit it is the mounts, not the owner of the files, that refuse."""
    found = confined('chsinkd', 'DynamicUser=no\nUser=root')
    for what in (w for w in found if w.startswith('write ')):
        assert found[what] in REFUSED, (what, found[what])
    mounted = [f'write {f}' for f in ('/', '/etc', '/run', '/run/lock', '/usr', '/var', '/dev/shm', '/dev/mqueue')]
    assert [found[what] for what in mounted] == ['EROFS'] * len(mounted)
    assert [control['root'][what] for what in mounted] == ['done'] * len(mounted)
    assert int(found['status']['CapEff'], 16) == 0

# SPDX-License-Identifier: Apache-2.0
"""A newer version over what runs, and the end: remove and purge."""
import pathlib
import shutil

import pytest

from machine import COMMON, DAEMONS, MESSAGES, Unit, apt, attempt, known, packages, run
from pipeline import wait_until

# What is not the packages': the tests' own folders, what the kernel shows, and pages that man keeps when it has shown
# them.
NOT_OURS = ('/build', '/dev', '/older', '/out', '/packages', '/proc', '/services', '/src', '/sys', '/tests',
            '/var/cache/man', '/var/tmp/world')


def newer(name, folder):
    """The same package with a higher version, which the others of the same build have, too, and other configuration
    files."""
    tree = folder / name
    run('dpkg-deb', '-R', packages()[name], tree)
    control = tree / 'DEBIAN' / 'control'
    version = run('dpkg-deb', '-f', packages()[name], 'Version').strip()
    control.write_text(control.read_text().replace(f'Version: {version}\n', f'Version: {version}+newer\n')
                       .replace(f'{COMMON} (= {version})', f'{COMMON} (= {version}+newer)'))
    conffiles = tree / 'DEBIAN' / 'conffiles'
    for path in conffiles.read_text().split() if conffiles.exists() else ():
        with open(tree / path.lstrip('/'), 'a', encoding='utf-8') as conffile:
            conffile.write('# newer\n')
    return run('dpkg-deb', '--root-owner-group', '-b', tree, folder / f'{name}.deb') and folder / f'{name}.deb'


@pytest.fixture(scope='module')
def upgrades(world):
    folder = world.folder / 'newer'
    folder.mkdir()
    return {name: newer(name, folder) for name in packages()}


def test_upgrade(world, second, upgrades):
    """What runs is restarted, instances too; what was stopped stays so; edited configurations and secrets are kept."""
    stopped = Unit('wmfetchd')
    stopped.stop()
    running = [Unit('wikisrcd'), Unit('chsinkd'), *second.values()]
    pids = {unit: unit.pid for unit in running}
    edited = [pathlib.Path(f'/etc/{d}/{f}.yaml') for d in DAEMONS for f in (d, 'second')]
    kept = [*edited, *(f for d in DAEMONS for f in pathlib.Path(f'/etc/{d}/secrets').iterdir())]
    before = {path: path.read_bytes() for path in kept}
    assert len(kept) > 10
    apt('-o', 'Dpkg::Options::=--force-confold', 'install', *upgrades.values())
    for name in upgrades:
        assert run('dpkg-query', '-W', '-f', '${Version}', name).endswith('+newer')
    for name in DAEMONS:
        assert run('systemctl', 'is-enabled', f'{name}.service').strip() == 'enabled'
    for unit, pid in pids.items():
        unit.wait_restarted(pid)
    assert stopped.active == 'inactive'
    assert {path: path.read_bytes() for path in kept} == before
    assert pathlib.Path('/etc/chsinkd/secrets').stat().st_mode & 0o777 == 0o700
    # One that nobody edited is the new one.
    assert '# newer' in pathlib.Path('/etc/chsinkd/routes/transaction_metrics.yaml').read_text()
    stopped.start()
    world.progress()
    world.assert_exact()
    assert attempt('systemctl', '--failed', '--plain', '--no-legend')[1].strip() == ''


def left_over(name):
    """Everything in the file system whose name has the daemon's in it, but what is the common package's."""
    prune = [word for path in NOT_OURS for word in ('-path', path, '-prune', '-o')]
    common = attempt('dpkg', '-L', COMMON)[1].split()
    return [p for p in run('find', '/', *prune, '-name', f'*{name}*', '-print').split() if p not in common]


@pytest.mark.parametrize('name', DAEMONS)
def test_remove_and_purge(world, second, name):
    """remove: it is stopped and gone, the configuration stays; purge: nothing is left."""
    units = [Unit(name), second[name]]
    processes = [unit.pid for unit in units]
    assert all(processes)
    files = [pathlib.Path(p) for p in run('dpkg', '-L', name).split()]
    files = [p for p in files if p.is_file()]
    assert len(files) > 8
    other = Unit(next(d for d in DAEMONS if d != name))
    before = other.pid
    apt('remove', name)
    for pid, unit in zip(processes, units):
        wait_until(lambda p=pid: not pathlib.Path(f'/proc/{p}').exists(), 30, f'{unit.name} ends')
    assert not pathlib.Path(f'/usr/bin/{name}').exists()
    assert world.config(name) in pathlib.Path(f'/etc/{name}/{name}.yaml').read_text()
    assert pathlib.Path(f'/etc/{name}/second.yaml').exists()
    apt('purge', name)
    for unit in units:
        shutil.rmtree(f'/run/systemd/system/{unit.name}.d')  # of the tests
    run('systemctl', 'daemon-reload')
    left = left_over(name)
    assert not left, left
    assert [f for f in files if f.exists()] == []
    assert not known(name)
    assert attempt('getent', 'passwd', name)[0] != 0
    for listing in ('list-units', 'list-unit-files'):
        found = attempt('systemctl', listing, '--all', '--plain', '--no-legend', f'{name}*')[1]
        assert found == '', found
    assert other.pid == before, 'another daemon was disturbed'
    catalog = run('journalctl', '--list-catalog')  # the others still explain theirs
    assert all(number in catalog for number in MESSAGES.values())


def test_nothing_is_left_of_what_they_share(installed):  # pylint: disable=unused-argument
    """The common package goes last: catalog, completion, documentation."""
    files = [pathlib.Path(p) for p in run('dpkg', '-L', COMMON).split()]
    files = [p for p in files if p.is_file()]
    assert {f'/usr/share/bash-completion/completions/{d}' for d in DAEMONS} < {str(p) for p in files}
    apt('purge', COMMON)
    assert [f for f in files if f.exists()] == []
    catalog = run('journalctl', '--list-catalog')
    assert not [name for name, number in MESSAGES.items() if number in catalog]
    left = left_over('streaming-daemons')
    assert not left, left

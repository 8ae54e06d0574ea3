# SPDX-License-Identifier: Apache-2.0
"""What the packages put onto a fresh system, and that a daemon which cannot work says so once and stays down."""
import pathlib
import re
import time

import pytest

from machine import COMMON, CONFIG, DAEMONS, MESSAGES, Unit, attempt, journal, run
from pipeline import wait_until


@pytest.mark.parametrize('name', DAEMONS)
def test_installed_but_not_started(installed, name):
    """Neither enabled nor started; one line says what to do; nothing that a person must clean up after."""
    for unit in (name, f'{name}@second'):
        assert attempt('systemctl', 'is-enabled', f'{unit}.service')[1].strip() == 'disabled'
        assert attempt('systemctl', 'is-active', f'{unit}.service')[1].strip() == 'inactive'
        assert not journal('-u', f'{unit}.service')
    lines = [line for line in installed.splitlines() if f'/etc/{name}/{name}.yaml' in line]
    assert len(lines) == 1 and 'systemctl' in lines[0], installed
    secrets = pathlib.Path(f'/etc/{name}/secrets')
    assert secrets.stat().st_mode & 0o777 == 0o700 and secrets.stat().st_uid == 0 and not list(secrets.iterdir())
    assert name not in pathlib.Path('/etc/passwd').read_text()
    assert attempt('systemctl', '--failed', '--plain', '--no-legend')[1].strip() == ''
    assert run(name, '--version').startswith(name)
    for page in (f'{name}(8)', f'{name}.yaml(5)'):
        title, section = page[:-1].split('(')
        assert run('man', '-w', section, title).startswith('/usr/share/man/'), page
    conffiles = run('dpkg-query', '-W', '-f', '${Conffiles}', name)
    assert f'/etc/{name}/{name}.yaml' in conffiles
    assert 'secrets' not in conffiles
    assert run('dpkg', '--verify', name) == ''
    # What the daemons share is there once, and completion finds it by the program's name.
    run('bash', '-c', f'. /usr/share/bash-completion/completions/{name}; complete -p {name}')
    assert run('dpkg', '-S', '/usr/lib/systemd/catalog/streaming-daemons.catalog').startswith(f'{COMMON}: ')


def test_catalog(installed):  # pylint: disable=unused-argument
    """It is in the database already, with each kind of event; making that anew complains of nothing."""
    known = run('journalctl', '--list-catalog')
    missing = [name for name, number in MESSAGES.items() if number not in known]
    assert len(MESSAGES) > 20 and not missing
    assert run('journalctl', '--update-catalog') == ''


@pytest.mark.usefixtures('installed')
def test_units_are_clean():
    """Every complaint counts: systemd-analyze verify ends with 0 also when it has some."""
    units = [f'{d}{instance}.service' for d in DAEMONS for instance in ('', '@second')]
    status, text = attempt('systemd-analyze', 'verify', *units)
    assert (status, text) == (0, '')


@pytest.mark.usefixtures('installed')
def test_exposure(capsys):
    """systemd-analyze security: at most 1.2."""
    figures = {}
    for name in DAEMONS:
        for unit in (f'{name}.service', f'{name}@second.service'):
            text = run('systemd-analyze', 'security', '--no-pager', unit)
            figures[unit] = float(re.search(r'Overall exposure level for \S+: ([\d.]+)', text)[1])
    with capsys.disabled():
        print('\nexposure by systemd-analyze security:', ', '.join(f'{u} {f}' for u, f in figures.items()))
    assert max(figures.values()) <= 1.2, figures


def wait_failed(unit):
    wait_until(lambda: unit.active == 'failed', 20, f'{unit.name} fails: {unit.show("ActiveState", "SubState")}')
    found = unit.show('Result', 'ExecMainStatus', 'NRestarts')
    assert found == {'Result': 'exit-code', 'ExecMainStatus': str(CONFIG), 'NRestarts': '0'}, (found, unit.told())


def error_lines(unit):
    """What an operator sees of the daemon at a glance."""
    return [e['MESSAGE'] for e in unit.entries(f'SYSLOG_IDENTIFIER={unit.daemon}', '-p', 'err')]


# The unedited file, and what an operator may get wrong: what is put in its place, and what is said of it.
FAULTS = {
    'unedited': (None, [r'']),
    'unknown key': ('kafka: {{bootstrap.servers: "127.0.0.1:1"}}\nbach: {{age: 1s}}\n',
                    [r'/etc/{name}/{name}.yaml:2:1: .*bach']),
    'no YAML': ('kafka: [\n', [r'/etc/{name}/{name}.yaml:\d+:\d+: ']),
    'a secret that is not there': ('kafka: {{bootstrap.servers: "127.0.0.1:1", sasl.password: {{credential: nope}}}}\n',
                                   [r'/etc/{name}/{name}.yaml:1:\d+: .*nope']),
    'no file': ('', [r'/etc/{name}/{name}.yaml.*No such file']),
}


@pytest.mark.usefixtures('installed')
@pytest.mark.parametrize('fault', FAULTS)
def test_config_error_does_not_loop(fault):
    """Status 78, said what and where, and no second try: all three daemons at once, since this must wait a while."""
    units = [Unit(name).mark() for name in DAEMONS]
    before = {}
    text, wanted = FAULTS[fault]
    for unit in units:
        unit.drop_in('RestartSec=100ms')
        path = pathlib.Path(f'/etc/{unit.daemon}/{unit.daemon}.yaml')
        before[path] = path.read_text()
        if text:
            path.write_text(text.format(name=unit.daemon))
        elif text is not None:
            path.unlink()
    try:
        for unit in units:
            run('systemctl', 'start', '--no-block', unit.name)
        for unit in units:
            wait_failed(unit)
        # Ten times RestartSec. There is no event to wait for: nothing must happen.
        time.sleep(1)
        for unit in units:
            wait_failed(unit)
            lines = error_lines(unit)
            found = unit.entries(f'SYSLOG_IDENTIFIER={unit.daemon}')
            assert len({e['_PID'] for e in found}) == 1, 'it was started again'
            if fault == 'unedited':
                assert len(lines) == 1, lines
                assert f'/etc/{unit.daemon}/{unit.daemon}.yaml' in lines[0], lines
            for pattern in wanted:
                assert any(re.search(pattern.format(name=unit.daemon), line) for line in lines), (pattern, lines)
            assert 'CONFIG_ERROR' in unit.kinds() or fault == 'unedited', unit.kinds()
    finally:
        for path, old in before.items():
            path.write_text(old)
        for unit in units:
            attempt('systemctl', 'stop', unit.name)
            attempt('systemctl', 'reset-failed', unit.name)
            unit.drop_out()

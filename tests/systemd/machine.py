# SPDX-License-Identifier: Apache-2.0
"""What an operator has at hand in the booted container: apt, systemctl, journalctl. All as root."""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import subprocess
import time

from pipeline import ROOT, wait_until

DAEMONS = ('wikisrcd', 'wmfetchd', 'chsinkd')
# dpkg-query(1), db:Status-Status: of packages of which something is there.
STATES = ('config-files', 'half-installed', 'unpacked', 'half-configured', 'triggers-awaited', 'triggers-pending', 'installed')
COMMON = 'streaming-daemons-common'
PACKAGES, OLDER = pathlib.Path('/packages'), pathlib.Path('/older')
CONFIG = 78  # sysexits.h
# MESSAGE_ID of each kind of event: {'READY': 'fbcb3a…'}
MESSAGES = dict(re.findall(r'^#define PL_EVENT_(\w+) "([0-9a-f]{32})"', (ROOT / 'lib' / 'log' / 'event_ids.h').read_text(), re.M))


def attempt(*command, timeout=120):
    """(status, all it wrote)"""
    done = subprocess.run([str(c) for c in command], text=True, errors='replace', stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    return done.returncode, done.stdout


def run(*command, **kw):
    status, text = attempt(*command, **kw)
    assert status == 0, f'{" ".join(map(str, command))}: status {status}\n{text}'
    return text


def packages(folder=PACKAGES):
    """{name: file} of those that are installed; not the debug symbols."""
    return {name: file for name in (*DAEMONS, COMMON) for file in folder.glob(f'{name}_*.deb')}


def known(name):
    """Whether dpkg has anything of a package, installed or left. (It also knows names that others only mention.)"""
    return attempt('dpkg-query', '-W', '-f', '${db:Status-Status}', name)[1] in STATES


def apt(*arguments):
    return run('apt-get', '-y', '-o', 'Dpkg::Use-Pty=0', *arguments, timeout=300)


def journal(*arguments, since=None):
    """Entries as dicts of text. (Not --after-cursor: with matches, systemd 252 leaves out the first of them.)"""
    run('journalctl', '--sync')
    # With a unit that it has never heard of it fails, and writes that there are no data.
    _, text = attempt('journalctl', '-q', '--all', '-o', 'json', *([f'--since=@{since:.6f}'] if since else []),
                      *arguments)
    if text == 'Failed to add filter for units: No data available\n':
        return []
    return [json.loads(line) for line in text.splitlines()]


class Unit:
    """A service; the journal's entries are those since the last start(), reload() or mark()."""

    def __init__(self, name):
        self.name = f'{name}.service'
        self.daemon = name.partition('@')[0]
        self.since = None

    def mark(self):
        self.since = time.time()
        return self

    def show(self, *properties):
        """One property's value, or a dict of several."""
        text = run('systemctl', 'show', self.name, *(f'-p{p}' for p in properties))
        found = dict(line.split('=', 1) for line in text.splitlines())
        return found if len(properties) > 1 else found[properties[0]]

    @property
    def pid(self):
        return int(self.show('MainPID'))

    @property
    def active(self):
        return self.show('ActiveState')

    @property
    def restarts(self):
        return int(self.show('NRestarts'))

    @property
    def status(self):
        return self.show('StatusText')

    def start(self):
        self.mark()
        status, text = attempt('systemctl', 'start', self.name)
        assert status == 0, f'{text}\n{self.told()}'
        return self

    def stop(self):
        run('systemctl', 'stop', self.name)

    def reload(self):
        """(status, what systemctl wrote)"""
        self.mark()
        return attempt('systemctl', 'reload', self.name)

    def kill(self, signal):
        run('systemctl', 'kill', '--kill-whom=main', f'--signal={signal}', self.name)

    def entries(self, *matches):
        """What the daemon itself and systemd about it wrote."""
        return journal('-u', self.name, *matches, since=self.since)

    def told(self, *matches):
        """The daemon's own lines."""
        return '\n'.join(e['MESSAGE'] for e in self.entries(f'SYSLOG_IDENTIFIER={self.daemon}', *matches))

    def kinds(self):
        """Names of the kinds of events, as in messages.h."""
        names = {number: name for name, number in MESSAGES.items()}
        return {names.get(e.get('MESSAGE_ID')) for e in self.entries(f'SYSLOG_IDENTIFIER={self.daemon}')}

    def wait_told(self, text, timeout=30):
        wait_until(lambda: re.search(text, self.told()), timeout, f'{self.name} tells {text!r}:\n{self.told()[-3000:]}')

    def wait_status(self, *words, timeout=60):
        """Until StatusText matches all of the regular expressions."""
        seen = []

        def fits():
            seen.append(self.status)
            return all(re.search(w, seen[-1]) for w in words) and seen[-1]

        try:
            return wait_until(fits, timeout, 'status')
        except AssertionError:
            raise AssertionError(f'{self.name}: none with {words} in StatusText: {sorted(set(seen))}') from None

    def wait_restarted(self, pid, timeout=60):
        """Until another process is at work."""
        wait_until(lambda: self.pid not in (0, pid) and self.active == 'active', timeout,
                   f'{self.name} works again:\n{run("journalctl", "-u", self.name, "-n", "20", "-o", "short")}')

    def drop_in(self, text, name='test'):
        """A change of the unit's settings for [Service], until the next boot."""
        folder = pathlib.Path(f'/run/systemd/system/{self.name}.d')
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{name}.conf').write_text(f'[Service]\n{text}\n')
        run('systemctl', 'daemon-reload')

    def drop_out(self, name='test'):
        with contextlib.suppress(FileNotFoundError):
            pathlib.Path(f'/run/systemd/system/{self.name}.d/{name}.conf').unlink()
        run('systemctl', 'daemon-reload')


class Frozen:
    """Threads of a process that stand still while its others run, as in a deadlock: they are traced, and stopped."""
    SEIZE, INTERRUPT = 0x4206, 0x4207  # linux/ptrace.h

    def __init__(self, pid, name):
        """All with the name `name` but the first."""
        self.tids = [int(t.name) for t in pathlib.Path(f'/proc/{pid}/task').iterdir()
                     if (t / 'comm').read_text().strip() == name and int(t.name) != pid]
        assert self.tids, f'no thread {name}'
        # The tracer is a process of its own: at its end they would go on.
        self.tracer = os.fork()
        if self.tracer == 0:
            libc = ctypes.CDLL(None)
            for tid in self.tids:
                libc.ptrace(self.SEIZE, tid, None, None)
                libc.ptrace(self.INTERRUPT, tid, None, None)
            try:
                # Their stops, which are not answered; and their ends, without which they would stay zombies.
                while True:
                    os.waitpid(-1, 0x40000000)  # __WALL
            finally:
                os._exit(0)
        wait_until(lambda: all(self._state(pid, t) == 't' for t in self.tids), 10, 'the threads stand still')

    @staticmethod
    def _state(pid, tid):
        return pathlib.Path(f'/proc/{pid}/task/{tid}/stat').read_text().rpartition(') ')[2][0]

    def close(self):
        os.kill(self.tracer, 9)
        os.waitpid(self.tracer, 0)

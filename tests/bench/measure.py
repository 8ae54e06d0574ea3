# SPDX-License-Identifier: Apache-2.0
"""What a load costs: seconds, CPU seconds and peak memory of processes, from /proc and the kernel's own accounts."""
import contextlib
import dataclasses
import os
import re
import signal
import time
from pathlib import Path

TICK = os.sysconf('SC_CLK_TCK')


def cpu_of(pid):
    """CPU seconds of a process, without those of its children; 0 once it is gone."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text(encoding='ascii', errors='replace').rsplit(')', 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(n) for n in fields[11:13]) / TICK


def memory_of(pid, key='VmHWM'):
    """Peak (VmHWM) or present (VmRSS) resident memory in MB; 0 once it is gone."""
    try:
        found = re.search(rf'{key}:\s+(\d+)', Path(f'/proc/{pid}/status').read_text(encoding='ascii', errors='replace'))
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def lives(pid):
    try:
        return ') Z ' not in Path(f'/proc/{pid}/stat').read_text(encoding='ascii', errors='replace')
    except OSError:
        return False


def family_of(pid):
    """The process and all that come from it: a peer may be a script that starts the loader."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        try:
            for task in Path(f'/proc/{found[-1]}/task').iterdir():
                todo += [int(child) for child in (task / 'children').read_text(encoding='ascii').split()]
        except OSError:
            pass
    return found


@dataclasses.dataclass
class Figures:
    """One run; or the medians of some. Rows may be events, too."""
    rows: int
    seconds: float
    loader_cpu: float
    server_cpu: float = 0.0
    broker_cpu: float = 0.0
    peak_mb: float = 0.0

    @property
    def rate(self):
        return self.rows / self.seconds if self.seconds else 0.0

    def as_dict(self):
        """As in the history: CPU is for a million rows."""
        million = self.rows / 1e6
        return {'rows_s': round(self.rate), 'loader_cpu': round(self.loader_cpu / million, 2),
                'server_cpu': round(self.server_cpu / million, 2), 'broker_cpu': round(self.broker_cpu / million, 2),
                'peak_mb': round(self.peak_mb)}


class Watch:
    """From before a loader's start to when its rows are there: figures(). Servers: {'server': pid, 'broker': pid}."""

    def __init__(self, servers):
        self.servers, self.before = servers, {name: cpu_of(pid) for name, pid in servers.items()}
        self.began, self.peaks, self.cpus = time.monotonic(), {}, {}
        self.took, self.spent = None, {}

    def look(self, pid):
        """Every few milliseconds while it runs: what is gone can't be asked. Returns the processes there are."""
        family = family_of(pid)
        for member in family:
            self.peaks[member] = max(self.peaks.get(member, 0), memory_of(member))
            self.cpus[member] = max(self.cpus.get(member, 0), cpu_of(member))
        return family

    def stop(self):
        """The rows are there."""
        if self.took is None:
            self.took = time.monotonic() - self.began
            self.spent = {name: cpu_of(pid) - self.before[name] for name, pid in self.servers.items()}

    def figures(self, rows):
        self.stop()
        return Figures(rows, self.took, sum(self.cpus.values()), self.spent.get('server', 0),
                       self.spent.get('broker', 0), sum(self.peaks.values()))


def end(process, seen):
    """All of them: a shell does not hand the signal on, and a loader that is left alive reads on beside the next."""
    family = seen.look(process.process.pid) if process.running() else []
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        until = time.monotonic() + 20
        while time.monotonic() < until and (process.process.poll() is None or any(lives(pid) for pid in family)):
            time.sleep(0.01)
    process.close()


def watch(process, servers, done=None, timeout=900):
    """Runs a Process to its end, or until done() is true and then ends it by SIGTERM; its Watch. process None: a server
    does the work. done() is asked rarely, since it costs the server something."""
    seen, failed, asked = Watch(servers), None, 0.0
    if process:
        process.start(timeout=0)
    while not failed:
        if process:
            seen.look(process.process.pid)
            status = process.process.poll()
            if status is not None:
                failed = None if status == 0 and not done else f'ended with {status}'
                break
        now = time.monotonic()
        if done and now - asked >= 0.2:
            asked = now
            if done():
                break
        if now - seen.began > timeout:
            failed = f'not done in {timeout} s'
        time.sleep(0.01)
    seen.stop()
    if process:
        end(process, seen)
    if failed:
        raise AssertionError(f'{failed}: {process.tail(8) if process else ""}')
    return seen

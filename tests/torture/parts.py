# SPDX-License-Identifier: Apache-2.0
"""A daemon under a supervisor, as systemd's, that carries out the daemon's script of faults."""
import contextlib
import os
import pathlib
import signal
import threading
import time
import traceback

import faults
from pipeline import wait_until

POLL_S = 0.01
UNAVAILABLE = 69
# What systemd starts again (units/*.service): all but a configuration that a person must mend, and a fenced one.
RESTARTED = {1, UNAVAILABLE}
ENDS_MAX = 60  # by itself: a start is tried again while Kafka is away


class Part(threading.Thread):
    """One daemon. Its thread starts it, does what its script says when the step is there, and starts it again."""

    def __init__(self, world, name, process, script):
        super().__init__(name=name, daemon=True)
        self.world, self.part, self.process = world, name, process
        self.script, self.left = script, list(script)
        self.steps_log = pathlib.Path(f'{process.log}.steps')
        self.ends = []     # statuses that no fault of the script explains
        self.failed = ''   # why the run has failed here
        self.stopping = False  # by a SIGTERM of the script
        self.logged = 0    # length of steps_log when the process began
        self.leave = threading.Event()  # no start after the next end
        process.env['PIPELINE_STEP_LOG'] = str(self.steps_log)

    # ---- what others ask ----

    @property
    def pid(self):
        return self.process.process.pid

    def done(self):
        """Faults that happened."""
        return self.script[:len(self.script) - len(self.left)]

    # ---- the thread ----

    def run(self):
        try:
            while not self.failed:
                self._start()
                if not self._watch():
                    return
        except Exception:  # pylint: disable=broad-except
            self.failed = f'{self.part}: the supervisor has failed: {traceback.format_exc()}'

    def _start(self):
        self.process.env['PIPELINE_STEP'] = ' '.join(word for fault in self.left for word in fault.arms())
        self.logged = self.steps_log.stat().st_size if self.steps_log.exists() else 0
        self.process.start(timeout=0)

    def _watch(self):
        """Until its end. False: it is not to be started again."""
        while True:
            status = self.process.process.poll()
            if status is not None:
                return self._ended(status)
            if self._frozen():
                self._at_step()
            time.sleep(POLL_S)

    def _frozen(self):
        with contextlib.suppress(OSError, IndexError):
            stat = pathlib.Path(f'/proc/{self.pid}/stat').read_text(encoding='ascii', errors='replace')
            return stat.rpartition(')')[2].split()[0] == 'T'
        return False

    def _at_step(self):
        self._term_done()
        fault = self.left[0]
        self.world.say(f'{self.part}: {fault}')
        try:
            with self.world.one_at_a_time:
                faults.AT_STEP[fault.kind](self.world, self, fault)
        finally:
            os.kill(self.pid, signal.SIGCONT)
        # Before the next poll it goes on, or is seen as frozen by the same step.
        wait_until(lambda: not self._frozen() or self.process.process.poll() is not None, 20, f'{self.part} goes on',
                   POLL_S)
        self.left.pop(0)
        faults.after(self.world, self, fault)

    def _term_done(self):
        """What comes after a SIGTERM of the script may come while the daemon stops."""
        if self.left and self.left[0].kind == 'term' and self._fired(self.left[0]):
            self.world.say(f'{self.part}: {self.left.pop(0)}')
            self.stopping = True

    def _ended(self, status):
        self._term_done()
        stopping, self.stopping = self.stopping or self.leave.is_set(), False
        fault = self.left[0] if self.left else None
        if status == -signal.SIGKILL and fault and fault.arms()[-1].endswith('KILL'):
            self._happened(fault)
            faults.after(self.world, self, fault)
        elif status == 0 and fault and fault.kind == 'term, kill' and self._fired(fault):
            self._happened(fault)  # of the second, the stop did not pass the step
        elif status in RESTARTED:
            self.ends.append(status)
            if len(self.ends) > ENDS_MAX:
                self.failed = f'{self.part} ends again and again:\n{self.process.tail()}'
            time.sleep(0.3)  # as RestartSec
        elif status != 0 or not stopping:
            self.failed = f'{self.part} ended with {status}:\n{self.process.tail()}'
        return not self.failed and not self.leave.is_set()

    def _happened(self, fault):
        self.world.say(f'{self.part}: {fault}')
        self.left.pop(0)

    def _fired(self, fault):
        """Since its process began."""
        text = self.steps_log.read_text(encoding='ascii') if self.steps_log.exists() else ''
        return f'{fault.step} TERM\n' in text[self.logged:]

    # ---- the end ----

    def stop(self, seconds=40):
        """SIGTERM; what is armed still happens, and then it is over, too."""
        self.leave.set()
        if self.process.running():
            with contextlib.suppress(ProcessLookupError):
                self.process.process.send_signal(signal.SIGTERM)
        self.join(seconds)
        if self.is_alive():
            self.failed = f'{self.part} does not end within {seconds} s of SIGTERM:\n{self.process.tail()}'

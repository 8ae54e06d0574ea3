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
        self.killed = 0    # by the script
        self.term_then = False
        self.leave = threading.Event()  # no start after the next end
        process.env['PIPELINE_STEP_LOG'] = str(self.steps_log)

    # ---- what others ask ----

    @property
    def pid(self):
        return self.process.process.pid

    def done(self):
        """Faults that happened."""
        return self.script[:len(self.script) - len(self.left)]

    def disarm(self):
        """Goes on without what is left of the script."""
        self.left_over = list(self.left)  # pylint: disable=attribute-defined-outside-init
        self.leave.set()

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
        words = [word for fault in self.left for word in fault.arms()]
        if self.term_then:
            words = words[1:]  # of 'term, kill', the first is done
        self.process.env['PIPELINE_STEP'] = ' '.join(words)
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

    def _ended(self, status):
        fault = self.left[0] if self.left else None
        if status == -signal.SIGKILL and fault and fault.arms()[-1].endswith('KILL'):
            self.world.say(f'{self.part}: {fault}')
            self.killed += 1
            self.term_then = False
            self.left.pop(0)
            faults.after(self.world, self, fault)
        elif status == 0 and fault and fault.kind.startswith('term') and self._fired(fault):
            # Of 'term, kill' the second did not come: the stop did not pass that step.
            self.world.say(f'{self.part}: {fault}')
            self.left.pop(0)
        elif status in RESTARTED and not self.leave.is_set():
            self.ends.append(status)
            if len(self.ends) > ENDS_MAX:
                self.failed = f'{self.part} ends again and again:\n{self.process.tail()}'
            time.sleep(0.3)  # as RestartSec
        elif status == 0 and self.leave.is_set():
            return False
        else:
            self.failed = f'{self.part} ended with {status}:\n{self.process.tail()}'
        return not self.failed and not self.leave.is_set()

    def _fired(self, fault):
        text = self.steps_log.read_text(encoding='ascii') if self.steps_log.exists() else ''
        return f'{fault.step} TERM\n' in text

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

# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own: what it shows, what is typed, what stands on the screen."""
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time


class Terminal:
    def __init__(self, args, columns=80, env=None):
        self.fd, slave = pty.openpty()
        self.resize(columns)
        env = {**os.environ, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8', **(env or {})}
        env.pop('JOURNAL_STREAM', None)
        self.process = subprocess.Popen([str(a) for a in args], stdin=slave, stdout=slave, stderr=slave, env=env,
                                        start_new_session=True)
        os.close(slave)
        self.raw, self.seen = b'', 0

    def resize(self, columns, rows=50):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    @property
    def text(self):
        return self.raw.decode(errors='replace')

    def _read(self, until):
        """False: it has ended."""
        left = until - time.monotonic()
        assert left > 0 and select.select([self.fd], [], [], left)[0], f'nothing more came:\n{self.text}'
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            found = os.read(self.fd, 65536)
            self.raw += found
            return bool(found)
        return False

    def expect(self, pattern, seconds=30):
        """Waits for it, after what was waited for before; the match."""
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text[self.seen:])):
            assert self._read(until), f'ended without {pattern}:\n{self.text}'
        self.seen += found.end()
        return found

    def type(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self, seconds=60):
        """The exit status."""
        until = time.monotonic() + seconds
        while self._read(until):
            pass
        status = self.process.wait(max(0.1, until - time.monotonic()))
        os.close(self.fd)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def screen(self):
        """The lines as they stand at the end: of the control codes those that a line is drawn again with."""
        lines, column = [''], 0
        for part in re.findall(r'\r|\n|\033\[K|\033\[[0-9;]*m|.', self.text):
            if part == '\r':
                column = 0
            elif part == '\n':
                lines.append('')
                column = 0
            elif part == '\033[K':
                lines[-1] = lines[-1][:column]
            elif not part.startswith('\033'):
                lines[-1] = lines[-1][:column].ljust(column) + part + lines[-1][column + 1:]
                column += 1
        return lines

# SPDX-License-Identifier: Apache-2.0
"""Tries what a daemon must not be able to do, and prints as JSON how each ended: "done", or the error's name.

    probe.py OTHER      OTHER: a daemon whose secrets are looked for

Runs in a daemon's place in its unit (test_sandbox.py), and without the unit's confinement for comparison. What would do
harm if it worked is asked with arguments that the kernel refuses after it has looked at the right to ask."""
import ctypes
import errno
import json
import os
import pathlib
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
# Of x86-64 and of all others (asm-generic).
NUMBERS = {'mount': (165, 40), 'umount2': (166, 39), 'unshare': (272, 97), 'setns': (308, 268), 'ptrace': (101, 117),
           'bpf': (321, 280), 'reboot': (169, 142), 'personality': (135, 92), 'pivot_root': (155, 41),
           'chroot': (161, 51), 'sethostname': (170, 161), 'sched_setscheduler': (144, 119),
           'io_setup': (206, 0)}
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
BUFFER = ctypes.create_string_buffer(256)
PRIORITY = ctypes.byref(ctypes.c_int(1))


def call(name, *arguments):
    number = NUMBERS[name][0 if os.uname().machine == 'x86_64' else 1]
    if LIBC.syscall(number, *arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, name)


def write(folder):
    path = pathlib.Path(folder) / 'probe-was-here'
    path.touch()
    path.unlink()


def wx_memory():
    LIBC.mmap.restype = ctypes.c_void_p
    if LIBC.mmap(None, 4096, 7, 0x22, -1, 0) == ctypes.c_void_p(-1).value:  # read, write, execute; private, anonymous
        raise OSError(ctypes.get_errno(), 'mmap')


def suid_file():
    path = pathlib.Path(f'/tmp/probe-{os.getpid()}')
    path.write_text('x')
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def other_processes():
    seen = {int(p) for p in os.listdir('/proc') if p.isdigit()} - {os.getpid(), os.getppid()}
    if not seen:
        raise OSError(errno.ESRCH, 'no others')


def attempts(other):
    found = {f'write {f}': (write, f) for f in (
        '/', '/boot', '/dev', '/dev/mqueue', '/dev/shm', '/etc', f'/etc/{other}', '/home', '/opt', '/root', '/run',
        '/run/lock', '/run/systemd', '/srv', '/usr', '/usr/bin', '/var', '/var/lib', '/var/log')}
    for path in ('/etc/shadow', f'/etc/{other}/secrets/kafka-password', '/proc/1/environ', '/root/.probe', '/dev/probe',
                 f'/run/credentials/{other}.service/secrets_kafka-password', '/tmp/probe-of-the-host'):
        found[f'read {path}'] = (lambda p: pathlib.Path(p).read_bytes(), path)
    found['see other processes'] = (other_processes,)
    for name, arguments in {
            'mount': (None, b'/nowhere', b'tmpfs', 0, None), 'umount2': (b'/nowhere', 0), 'unshare': (CLONE_NEWNS,),
            'setns': (-1, 0), 'ptrace': (0, 0, None, None), 'bpf': (-1, None, 0), 'reboot': (0, 0, 0, None),
            'personality': (8,), 'pivot_root': (b'/nowhere', b'/nowhere'), 'chroot': (b'/',),
            'sethostname': (BUFFER, 9999), 'sched_setscheduler': (0, 1, PRIORITY),
            'io_setup': (0, None)}.items():
        found[f'call {name}'] = (call, name, *arguments)
    found['call unshare, user namespace'] = (call, 'unshare', CLONE_NEWUSER)
    for family, kind, protocol in (('AF_INET', socket.SOCK_STREAM, 0), ('AF_UNIX', socket.SOCK_STREAM, 0),
                                   ('AF_NETLINK', socket.SOCK_RAW, 0), ('AF_PACKET', socket.SOCK_DGRAM, 0)):
        found[f'socket {family}'] = (lambda f, k, p: socket.socket(getattr(socket, f), k, p).close(),
                                     family, kind, protocol)
    found['memory to write and execute'] = (wx_memory,)
    found['a set-user-id file'] = (suid_file,)
    return found


def outcome(function, *arguments):
    """In a process of its own, so that nothing that works disturbs what comes after."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            function(*arguments)
            said = 'done'
        except OSError as error:
            said = errno.errorcode.get(error.errno, str(error.errno))
        except BaseException as error:  # pylint: disable=broad-except  # the table names what is wanted
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    said = os.read(reading, 1000).decode()
    os.close(reading)
    return said or f'killed by signal {status & 127}'


def main():
    other = sys.argv[1]
    found = {what: outcome(*how) for what, how in attempts(other).items()}
    with open('/proc/self/status', encoding='utf-8') as lines:
        found['status'] = dict(line.rstrip('\n').split(':\t', 1) for line in lines)
    with open('/proc/self/limits', encoding='utf-8') as lines:
        found['limits'] = lines.read()
    found['devices'] = sorted(os.listdir('/dev'))
    with open('/tmp/probe-of-the-service', 'w', encoding='utf-8') as file:
        file.write('x')
    json.dump(found, sys.stdout)


main()

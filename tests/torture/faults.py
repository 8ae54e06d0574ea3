# SPDX-License-Identifier: Apache-2.0
"""What each kind of fault does. At a step of a daemon: the daemon is frozen there when the function is called, and goes
on when it returns. Between chsinkd and ClickHouse: a proxy that spoils the inserts of given numbers."""
import contextlib
import os
import re
import signal
import threading
import time

from heart import Between, connected
from pipeline import wait_until

SESSION_MS = 3000      # of the sinks' group
TRANSACTION_MS = 4000  # the sources' transaction.timeout.ms


# ---- at a step ----

def zombie(world, part, fault):
    """Longer than the group's session and a transaction may be: others have gone on without it."""
    del world, part, fault
    time.sleep(max(SESSION_MS, TRANSACTION_MS) / 1000 + 1.5)


def reload(world, part, fault):
    """With other limits, which a batch under way does not have."""
    del fault
    world.relimit(part)
    os.kill(part.pid, signal.SIGHUP)


def kafka(world, part, fault):
    """Killed and there again while the daemon sees nothing of it."""
    del part, fault
    world.kafka.kill()
    world.kafka.start()


def kafka_away(world, part, fault):
    """Killed; the daemon goes on, and must wait."""
    del part, fault
    world.kafka.kill()


def clickhouse(world, part, fault):
    del part, fault
    world.clickhouse.kill()
    world.clickhouse.start()


def clickhouse_away(world, part, fault):
    del part, fault
    world.clickhouse.kill()


def join(world, part, fault):
    """A third member: a rebalance begins, and goes on when the frozen one does."""
    del part
    world.third(fault.then)


def network(mode):
    def begin(world, part, fault):
        """For all daemons, from the moment on at which this one goes on."""
        del part, fault
        if mode:
            world.proxy.mode = mode
        else:
            world.proxy.cut()
    return begin


def denied(world, part, fault):
    """What it needs of Kafka is not allowed any more."""
    world.deny(part.part, fault.then)


AT_STEP = {'zombie': zombie, 'reload': reload, 'kafka': kafka, 'kafka away': kafka_away, 'clickhouse': clickhouse,
           'clickhouse away': clickhouse_away, 'join': join, 'kafka cut': network(''), 'kafka mute': network('mute'),
           'kafka slow': network('slow'), 'kafka trickle': network('trickle'), 'denied': denied}
NETWORK_S = 1.5


def a_word(part, began, seconds):
    """It may have nothing to do there just now."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: re.search(' (WARN|ERROR) ', part.process.text()[began:]) or not part.process.running(),
                   seconds, 'a word')


def after(world, part, fault):
    """When the daemon goes on, or is dead and not started yet."""
    began = len(part.process.text())
    if fault.kind == 'route':
        world.reroute()
    elif fault.kind in ('kafka away', 'clickhouse away'):
        a_word(part, began, 6)
        getattr(world, fault.kind.partition(' ')[0]).start()
    elif fault.kind == 'denied':
        a_word(part, began, 4)
        world.allow(part.part, fault.then)
    elif fault.kind in ('kafka mute', 'kafka slow', 'kafka trickle'):
        time.sleep(NETWORK_S)
        world.proxy.mode = ''
        if fault.kind == 'kafka mute':
            world.proxy.cut()  # what has lost bytes is no connection any more


# ---- answers ----

class Lost(Exception):
    """The connection ends without an answer."""


class Faulty(Between):
    """The proxy; inserts are numbered as they arrive, from 1."""

    def __init__(self, clickhouse_, script, say):
        super().__init__(clickhouse_)
        self.script, self.done, self.say = dict(script), [], say
        self.number, self.here = 0, threading.local()
        self.answer = self._before

    def pass_on(self, request):
        self.here.kind, self.here.connection = None, request.connection
        try:
            super().pass_on(request)
        except Lost:
            request.close_connection = True

    def _before(self, insert):
        """An answer in place of ClickHouse's; None: it is asked."""
        with self.lock:
            self.number += 1
            kind = self.script.pop(self.number, None)
        if not kind:
            return None
        self.here.kind = kind
        self.done.append(kind)
        self.say(f'insert {self.number} into {insert.table}: {kind}')
        if kind == 'refused':
            raise Lost
        if kind == 'late':  # the client goes, then it arrives
            with contextlib.suppress(AssertionError):
                wait_until(lambda: not connected(self.here.connection), 30, 'the client gives up')
        return None if kind in ('lost', 'late', 'twice', 'slow') or kind.startswith('done') else spoilt(kind)

    def _ask(self, path, body, headers):
        kind, self.here.kind = self.here.kind, None
        answer = super()._ask(path, body, headers)
        if kind in ('lost', 'late'):
            raise Lost
        if kind == 'twice':
            return super()._ask(path, body, headers)
        if kind == 'slow':
            time.sleep(1)
        return spoilt(kind.partition(', ')[2]) if kind and kind.startswith('done') else answer


HTML = b'<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Please wait</body></html>'
CODES = {'241': 'Memory limit (total) exceeded', '252': 'Too many parts (300)', '242': 'Table is in readonly mode'}


def spoilt(kind):
    """(status, headers, body)"""
    if kind in CODES:
        text = f'Code: {kind}. DB::Exception: {CODES[kind]}. (MADE_FOR_THE_TEST)\n'
        return 500, [('X-ClickHouse-Exception-Code', kind), ('Content-Type', 'text/plain')], text.encode()
    status = 200 if kind == 'html' else int(kind)
    return status, [('Content-Type', 'text/html')], HTML

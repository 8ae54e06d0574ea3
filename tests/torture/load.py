# SPDX-License-Identifier: Apache-2.0
"""What goes in: the events of the stream, the hours of the API, and messages of many rows, of which some do not fit.
And so what must come out."""
import collections
import json
import random
import sys
import threading
import time

import confluent_kafka

from heart import Messages
from pipeline import SERVICES, events, make_events

sys.path.insert(0, str(SERVICES))
import watermelon  # pylint: disable=wrong-import-position

APPLICATION = 31854
EVENTS, EVENTS_A_SECOND = 2400, 300
HOURS, WINDOW_HOURS, TRANSACTIONS = 24, 2, 8
WINDOW_DELAY_S = 0.5  # the API takes its time, so that there is something to break
MESSAGES, MESSAGES_A_SECOND = 480, 60
BAD_EVERY, REFUSED_EVERY = 25, 160  # a message with a row that does not fit; one that the server refuses
HOUR_MS = watermelon.HOUR_MS


def stream(path, seed):
    """The file of events; their ids."""
    make_events(path, EVENTS, '--seed', seed, '--rate', 200, '--shared-ms', 30, '--backwards', '--canaries')
    return path, {event['meta']['id'] for event in events(path)}


class Hours:
    """The windows of the API that are over."""

    def __init__(self):
        self.start_ms = (int(time.time() * 1000) // HOUR_MS - HOURS) * HOUR_MS
        # The last ends one window's length ago: the hour may turn meanwhile.
        self.end_ms = self.start_ms + (HOURS // WINDOW_HOURS - 1) * WINDOW_HOURS * HOUR_MS
        self.data = watermelon.Data(TRANSACTIONS)

    def pieces(self, end_ms):
        """The messages of all windows up to there, each as often as it must be in the topic."""
        found = collections.Counter()
        for begin_ms in range(self.start_ms, end_ms, WINDOW_HOURS * HOUR_MS):
            found.update(self.data.pieces(APPLICATION, begin_ms, begin_ms + WINDOW_HOURS * HOUR_MS))
        return found


class Rows(threading.Thread):
    """Messages of many rows, over all partitions, while the rest goes on."""

    def __init__(self, kafka, topic, partitions, seed, refuses):
        super().__init__(name='rows', daemon=True)
        self.servers, self.topic, self.partitions = kafka.servers, topic, partitions
        self.rng = random.Random(f'rows {seed}')
        self.failed = ''
        self.messages, self.refused = Messages(), set()
        # Made before they are sent: the table's constraint names them.
        self.values = [self._make(k, refuses) for k in range(MESSAGES)]

    def _make(self, k, refuses):
        rows = self.rng.randint(1, 12)
        refused = refuses and k % REFUSED_EVERY == REFUSED_EVERY // 2
        bad = [self.rng.randrange(rows)] if k % BAD_EVERY == BAD_EVERY - 1 else []
        value = self.messages.make(rows, bad, k=k)
        if refused:  # one row: the message as a whole becomes a dead letter
            ids = {element['i'] for element in json.loads(value)['a']}
            self.refused |= ids
            self.messages.fit -= ids
            self.messages.unfit |= ids
        return value

    def run(self):
        producer = confluent_kafka.Producer({'bootstrap.servers': self.servers, 'linger.ms': 5,
                                             'enable.idempotence': True, 'message.timeout.ms': 120000})
        failures = []
        for k, value in enumerate(self.values):
            producer.produce(self.topic, value, key=str(k).encode(), partition=k % self.partitions,
                             on_delivery=lambda error, _: error and failures.append(str(error)))
            producer.poll(1 / MESSAGES_A_SECOND)
            time.sleep(1 / MESSAGES_A_SECOND)
        left = producer.flush(120)
        if left or failures:
            self.failed = f'the test itself could not write {left} messages: {failures[:1]}'

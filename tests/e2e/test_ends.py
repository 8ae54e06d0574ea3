# SPDX-License-Identifier: Apache-2.0
"""The rule of ends: what is refused after it has worked never ends a daemon for good; it is said, and tried again."""
import json
import socket
import struct

import pytest

from helpers import CONFIG, UNAVAILABLE, TlsProxy, assert_ends, error_lines, http_get, make_pki, metrics, run_to_end
from pipeline import Kafka, free_port, make_events, wait_until

OLDEST = '2000-01-01T00:00:00Z'
# https://kafka.apache.org/protocol.html, and the types of org.apache.kafka.common.resource
CREATE_ACLS, DELETE_ACLS = 30, 31
TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5


@pytest.fixture(scope='module')
def pki(folder):
    return make_pki(folder / 'ends-pki')


class GuardedKafka(Kafka):
    """Kafka with access rules: what has none is allowed; who comes without TLS is the administrator."""

    def __init__(self, folder, pki):
        super().__init__(folder, KAFKA_SASL_TLS=str(pki), KAFKA_HEAP='512m', KAFKA_PROPERTIES='''
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true''')
        self.user = {'bootstrap.servers': f'127.0.0.1:{self.port + 2}', 'security.protocol': 'SASL_SSL',
                     'sasl.mechanism': 'PLAIN', 'sasl.username': 'pipeline', 'sasl.password': 'secret',
                     'ssl.ca.location': str(pki / 'ca.pem')}

    def ask(self, api, version, body):
        """A request of Kafka's own protocol (the Python client here has no access rules); raises on an error."""
        def read(size):
            data = connection.recv(size, socket.MSG_WAITALL)
            assert len(data) == size
            return data

        header = struct.pack('>hhih', api, version, 1, -1)
        with socket.create_connection(('127.0.0.1', self.port), timeout=20) as connection:
            connection.sendall(struct.pack('>i', len(header + body)) + header + body)
            answer = read(struct.unpack('>i', read(4))[0])
        error, = struct.unpack_from('>h', answer, 12)  # correlation, throttle time, count of results
        assert error == 0, answer

    def deny(self, kind, name):
        """The user may do nothing with it; returns how to allow it again."""
        text = [struct.pack('>h', len(t)) + t.encode() for t in (name, 'User:pipeline', '*')]
        literal, everything, denied = 3, 2, 2
        rule = (struct.pack('>ib', 1, kind) + text[0] + struct.pack('>b', literal) + text[1] + text[2] +
                struct.pack('>bb', everything, denied))
        self.ask(CREATE_ACLS, 1, rule)
        return lambda: self.ask(DELETE_ACLS, 1, rule)  # the filter is laid out like the rule


@pytest.fixture(scope='module')
def guarded(folder, pki):
    service = GuardedKafka(folder / 'kafka-guarded', pki)
    yield service
    service.stop()


def ids(kafka, topic):
    return [json.loads(m.value())['meta']['id'] for m in kafka.read(topic)]


def each_once(kafka, topic, count):
    """That many messages; waits for them."""
    wait_until(lambda: len(set(ids(kafka, topic))) >= count, 60, f'{count} events', 0.5)
    found = ids(kafka, topic)
    assert len(found) == len(set(found)) == count


def refused(process, port, *words):
    """It runs, says so once as an error, is not ready, and counts the seconds."""
    wait_until(lambda: error_lines(process.text()) or not process.running(), 40, 'an error line')
    wait_until(lambda: not process.running() or http_get(port, '/readyz')[0] == 503, 20, 'not ready')
    assert process.running(), f'ended with {process.process.returncode}:\n{process.tail()}'
    wait_until(lambda: metrics(port)[f'{process.name}_refused_seconds'] > 0, 20, 'the metric')
    lines = error_lines(process.text())
    assert len(lines) == 1 and all(w in lines[0] for w in words), lines
    wait_until(lambda: any('refuses us' in m for m in process.messages if m.startswith('STATUS=')), 10, 'STATUS')


def wikisrcd(p, url, port, source=None, **options):
    return p.wikisrcd(url, metrics={'listen': f'127.0.0.1:{port}'}, source={'start': OLDEST, **(source or {})},
                      **options)


def test_certificate_refused_at_a_reconnect(pipeline, pki):
    """For a minute somebody else's certificate is in front of the source."""
    p, port = pipeline, free_port()
    server = p.replay(make_events(p.folder / 'events.jsonl', 3000, '--seed', 21), '--rate', '300', '--from-start',
                      '--max-connections', '20')
    good = TlsProxy(p.folder, server.port, pki / 'server.pem')
    p.processes.append(good)
    source = wikisrcd(p, f'https://127.0.0.1:{good.port}/v2/stream', port,
                      source={'tls': {'ca_file': str(pki / 'ca.pem')}}).start()
    wait_until(lambda: 'committed' in source.text(), 30, 'a commit')
    good.kill()
    bad = TlsProxy(p.folder, server.port, pki / 'wrong-name.pem', port=good.port)
    p.processes.append(bad)
    refused(source, port, 'certificate', 'retrying until')
    bad.kill()
    again = TlsProxy(p.folder, server.port, pki / 'server.pem', port=good.port)
    p.processes.append(again)
    each_once(p.kafka, p.topic, 3000)
    assert 'no longer refused' in source.text() and http_get(port, '/readyz')[0] == 200
    assert metrics(port)['wikisrcd_refused_seconds'] == 0
    assert source.terminate()[0] == 0


def test_front_refuses_at_the_start(pipeline):
    """At boot a front answers for the source. That it has worked before stands in Kafka: it waits."""
    p, port = pipeline, free_port()
    server = p.replay(make_events(p.folder / 'events.jsonl', 3000, '--seed', 22), '--rate', '500', '--from-start')
    server.control(status=404, times=100)
    # A start that never worked ends. The very first position was committed, which proves nothing about the source.
    for _ in range(2):
        assert_ends(run_to_end(wikisrcd(p, server.url, port)), CONFIG, '404')
    server.control(reset=1)
    source = wikisrcd(p, server.url, port).start()
    wait_until(lambda: 'committed' in source.text(), 30, 'a commit')
    for status in (302, 403, 404):
        source.kill()
        source.log.unlink()
        server.control(status=status, times=100)
        source.start()
        refused(source, port, str(status))
    source.kill()
    server.control(reset=1)
    source.start()
    each_once(p.kafka, p.topic, 3000)
    assert source.terminate()[0] == 0


def test_kafka_takes_the_right_to_write(pipeline, guarded):
    """The topic's access rules are gone for a while: the transaction is undone, nothing lost or doubled."""
    p, port = pipeline, free_port()
    server = p.replay(make_events(p.folder / 'events.jsonl', 3000, '--seed', 23), '--rate', '300', '--from-start',
                      '--max-connections', '20')
    source = wikisrcd(p, server.url, port, kafka=guarded.user).start()
    wait_until(lambda: 'committed' in source.text(), 30, 'a commit')
    allow = guarded.deny(TOPIC, p.topic)
    wait_until(lambda: error_lines(source.text()) or not source.running(), 40, 'an error line')
    if not source.running():
        # Where the refusal meets the end of a transaction, librdkafka's producer is dead: systemd restarts.
        assert source.process.returncode == 1 and 'in an invalid state' in source.text(), source.tail()
        allow()
        source.start()
        each_once(guarded, p.topic, 3000)
        assert source.terminate()[0] == 0
        return
    refused(source, port, p.topic)
    allow()
    each_once(guarded, p.topic, 3000)
    wait_until(lambda: 'no longer refused' in source.text(), 20, 'said that it is over')
    assert source.terminate()[0] == 0


def test_kafka_takes_the_transactional_id(pipeline, guarded):
    """librdkafka's producer is dead then: it ends so that systemd restarts it, and so do the starts that follow, since
    the position says that it has worked. Only where nobody has ever committed it ends with 78."""
    p, port = pipeline, free_port()
    server = p.replay(make_events(p.folder / 'events.jsonl', 3000, '--seed', 24), '--rate', '300', '--from-start',
                      '--max-connections', '20')
    source = wikisrcd(p, server.url, port, kafka=guarded.user).start()
    wait_until(lambda: 'committed' in source.text(), 30, 'a commit')
    allow = guarded.deny(TRANSACTIONAL_ID, 'wikisrcd-wikipedia')
    source.process.wait(60)
    assert source.process.returncode == UNAVAILABLE, source.tail()
    # If it was the end of a transaction that was refused, Kafka ends it after transaction.timeout.ms, 60 s; until then
    # it hides the position.
    assert_ends(run_to_end(source, 150), UNAVAILABLE, 'wikisrcd-wikipedia')
    nobody = p.wikisrcd(server.url, 'new', kafka=guarded.user, position_topic=f'nobody-{p.tag}')
    assert_ends(run_to_end(nobody, 40), CONFIG, 'wikisrcd-wikipedia')
    # The position cannot be read either: nobody can say whether it has worked.
    allow_reading = guarded.deny(TOPIC, f'positions-{p.tag}')
    assert_ends(run_to_end(source, 60), UNAVAILABLE, 'wikisrcd-wikipedia')
    allow()
    allow_reading()
    source.start()
    each_once(guarded, p.topic, 3000)
    assert source.terminate()[0] == 0


def test_sink_refused_after_it_had_worked(pipeline, guarded):
    """The group's rights are gone in the middle: it says so and goes on when they are back. The topic's are at a start, or
    ClickHouse refuses the password there: the group's offsets say that it has worked, so systemd restarts it; a group
    that is new ends with 78."""
    p = pipeline
    guarded.create(p.topic)

    def put(count, seed):
        file = make_events(p.folder / f'{seed}.jsonl', count, '--seed', seed)
        guarded.produce(p.topic, [(None, line.encode()) for line in file.read_text().splitlines()])

    put(100, 25)
    sink = p.chsinkd(kafka=guarded.user).start()
    wait_until(lambda: p.rows() == 100, 40, 'rows')
    allow = guarded.deny(GROUP, f'sink-{p.tag}')
    put(100, 26)
    wait_until(lambda: sink.text().count('Group authorization failed') > 2, 60, 'it says so, and tries again')
    allow()
    wait_until(lambda: p.rows() == 200, 60, 'the rest')
    put(100, 27)
    assert sink.terminate()[0] == 0, sink.tail()
    allow = guarded.deny(TOPIC, p.topic)
    assert_ends(run_to_end(p.chsinkd('topic', kafka=guarded.user), 60), UNAVAILABLE, p.topic)
    allow()
    wrong = p.chsinkd('wrong', kafka=guarded.user, clickhouse={'password': 'Wr0ng-pa55word'})
    assert_ends(run_to_end(wrong, 40), UNAVAILABLE, 'clickhouse.user', hidden=['Wr0ng-pa55word'])
    new = p.chsinkd('new', kafka={**guarded.user, 'group.id': f'new-{p.tag}'}, clickhouse={'password': 'Wr0ng-pa55word'})
    assert_ends(run_to_end(new, 40), CONFIG, 'clickhouse.user', hidden=['Wr0ng-pa55word'])
    again = p.chsinkd('again', kafka=guarded.user).start()
    wait_until(lambda: p.rows() == 300, 60, 'all rows')
    assert p.distinct() == 300
    assert again.terminate()[0] == 0

# SPDX-License-Identifier: Apache-2.0
"""wikisrcd and wmfetchd beside what a Python user would write (peer_sources.py), from our servers into Kafka."""
import json
import os
import uuid
import zlib

import confluent_kafka

from edits import EVENTS, file_of
from helpers import metrics
from loaders import HERE, PEERS
from measure import watch
from pipeline import BUILD, free_port
from turns import alternate
from wm import APP, CLIENT_SECRET, END, SERIES, START, watermelon

SOURCE_EVENTS = int(os.environ.get('SOURCE_EVENTS', str(min(EVENTS, 200000))))


def delivered(p, canonical=lambda value: value):
    """(messages, sum of their checksums)"""
    number = total = 0
    for message in p.kafka.read(p.topic):
        number, total = number + 1, total + zlib.crc32(canonical(message.value()))
    return number, total


def held(p):
    consumer = confluent_kafka.Consumer({'bootstrap.servers': p.kafka.servers, 'group.id': 'bench-watch'})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(p.topic, 0), 30)[1]
    finally:
        consumer.close()


def renew(p):
    """A topic of its own for each."""
    p.topic = f'{p.topic.split(".")[0]}.{uuid.uuid4().hex[:6]}'
    p.positions = f'positions-{p.topic}'
    p.kafka.create(p.topic, 1)


def environment(p, **more):
    return {'BENCH_BOOTSTRAP': p.kafka.servers, 'BENCH_TOPIC': p.topic, **more}


def figures_of(world, process, done, rows):
    seen = watch(process, {'broker': world.servers['broker']}, done, 1800)
    return seen.figures(rows)


def wikisrcd(world, results):
    p, file = world.p, file_of(world, SOURCE_EVENTS)
    count = sum(1 for line in file.read_text(encoding='utf-8').split('\n') if line)

    def served(make):
        """Each with a server of its own: it plays the whole log at once."""
        def run():
            renew(p)
            replay = p.replay(file, '--fast')
            try:
                process, done = make(replay)
                figures = figures_of(world, process, done, count)
            finally:
                replay.close()
            return figures, delivered(p)
        return run

    def ours(replay):
        port, name = free_port(), p.topic
        process = p.wikisrcd(replay.url, name, source={'start': '2000-01-01T00:00:00Z'},
                             metrics={'listen': f'127.0.0.1:{port}'}, position_topic=p.positions)

        def done():
            try:
                return metrics(port)['wikisrcd_events_delivered_total'] >= count
            except OSError:
                return False
        return process, done

    def peer(replay):
        process = p.process(p.topic, [PEERS, HERE / 'peer_sources.py', 'sse'],
                            env=environment(p, BENCH_URL=replay.url + '/recentchange?since=2000-01-01T00:00:00Z'))
        return process, lambda: held(p) >= count

    def limit():
        renew(p)
        process = p.process(p.topic, [BUILD / 'bench/bench_source', file], env=environment(p))
        figures = figures_of(world, process, None, count)
        assert held(p) == count
        return figures, None  # the file's own bytes: the server gives them other ids

    ways = {'wikisrcd': served(ours), 'limit: parse + produce': limit}
    if PEERS:
        ways['requests-sse, kafka-python'] = served(peer)
    alternate('wikisrcd: events into a topic', ways, results)


def wmfetchd(world, results):
    p, elements = world.p, sum(len(watermelon.Data().times(t, START, END)) for t in range(122))
    api = p.api()

    def canonical(value):
        return json.dumps(json.loads(value), sort_keys=True).encode()

    def run(make):
        def way():
            renew(p)
            return figures_of(world, make(), None, elements), delivered(p, canonical)
        return way

    def ours():
        return p.once(api, name=p.topic)

    def peer():
        query = f'?application_id={APP}&range=CUSTOM&start_time={START}&end_time={END}&index=HOURLY'
        return p.process(p.topic, [PEERS, HERE / 'peer_sources.py', 'oauth'], env=environment(
            p, BENCH_TOKEN_URL=f'{p.keycloak.issuer}/protocol/openid-connect/token', BENCH_CA=str(p.keycloak.ca),
            BENCH_CLIENT='watermelon-confidential', BENCH_SECRET=CLIENT_SECRET, BENCH_URL=api.url + SERIES + query))

    ways = {'wmfetchd': run(ours)}
    if PEERS:
        ways['requests, kafka-python'] = run(peer)
    alternate('wmfetchd: twelve days of series into a topic', ways, results)

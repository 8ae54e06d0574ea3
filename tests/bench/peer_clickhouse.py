# SPDX-License-Identifier: Apache-2.0
"""What a Python user would write to load a topic into ClickHouse: 5,000 messages a batch, by clickhouse-connect.

    peer_clickhouse.py kafka-python|confluent edits|series

The rest is in the environment: see tests/run/bench.sh. Offsets are committed after each insert: at least once.
"""
import json
import os
import sys
import urllib.parse

import clickhouse_connect
import yaml

BATCH = 5000
EDITS = ['title', 'user', 'wiki', 'type', 'time', 'comment', 'revision_old', 'revision_new', 'length_old', 'length_new',
         'bot', 'minor', 'namespace', 'id', 'event_id', 'domain']
E = os.environ


def edit_rows(text):
    e = json.loads(text)
    revision, length, meta = e.get('revision') or {}, e.get('length') or {}, e['meta']
    return [[e.get('title', ''), e.get('user', ''), e.get('wiki', ''), e.get('type', ''), e.get('timestamp', 0),
             e.get('comment', ''), revision.get('old'), revision.get('new'), length.get('old'), length.get('new'),
             e.get('bot', False), e.get('minor', False), e.get('namespace'), e.get('id'), meta.get('id'),
             meta.get('domain', '')]]


def series_reader():
    """By the route's columns: a field of the element, else of the transaction around it."""
    with open(E['BENCH_ROUTE'], encoding='utf-8') as route:
        columns = [c for c in yaml.safe_load(route)['columns'] if 'path' in c]
    keys = [c['path'][0].split('.')[1] for c in columns]
    defaults = [None if 'Nullable' in c['type'] else '' if 'String' in c['type'] else 0 for c in columns]

    def rows_of(text):
        transaction = json.loads(text)
        rows = []
        for element in transaction['transactionSeries']:
            row = []
            for key, default in zip(keys, defaults):
                value = element.get(key)
                if value is None:
                    value = transaction.get(key)
                row.append(default if value is None else value)
            rows.append(row)
        return rows
    return [c['name'] for c in columns], rows_of


def kafka_python():
    import kafka
    consumer = kafka.KafkaConsumer(E['BENCH_TOPIC'], bootstrap_servers=E['BENCH_BOOTSTRAP'], group_id=E['BENCH_GROUP'],
                                   auto_offset_reset='earliest', enable_auto_commit=False, max_poll_records=BATCH,
                                   max_partition_fetch_bytes=16 << 20)
    while True:
        values = [m.value for messages in consumer.poll(500, BATCH).values() for m in messages]
        yield values, consumer.commit


def confluent():
    import confluent_kafka
    consumer = confluent_kafka.Consumer({'bootstrap.servers': E['BENCH_BOOTSTRAP'], 'group.id': E['BENCH_GROUP'],
                                         'auto.offset.reset': 'earliest', 'enable.auto.commit': False})
    consumer.subscribe([E['BENCH_TOPIC']])
    while True:
        values = [m.value() for m in consumer.consume(BATCH, 0.5) if not m.error()]
        yield values, lambda: consumer.commit(asynchronous=False)


def main():
    reader, kind = sys.argv[1:]
    url = urllib.parse.urlsplit(E['BENCH_CLICKHOUSE_URL'])
    client = clickhouse_connect.get_client(host=url.hostname, port=url.port, username=E['BENCH_CLICKHOUSE_USER'],
                                           password=E['BENCH_CLICKHOUSE_PASSWORD'], compress=False)
    columns, rows_of = (EDITS, edit_rows) if kind == 'edits' else series_reader()
    rows = []
    for values, commit in {'kafka-python': kafka_python, 'confluent': confluent}[reader]():
        for value in values:
            rows += rows_of(value)
        if rows and (len(rows) >= BATCH or not values):
            client.insert(E['BENCH_TABLE'], rows, column_names=columns)
            commit()
            rows = []


if __name__ == '__main__':
    main()

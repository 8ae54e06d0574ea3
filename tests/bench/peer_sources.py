# SPDX-License-Identifier: Apache-2.0
"""What a Python user would write to bring EventStreams or an OAuth2 API into Kafka: by kafka-python.

    peer_sources.py sse      every event of the stream at BENCH_URL, until SIGTERM (requests-sse)
    peer_sources.py oauth    a token, one GET, a message for each transaction (requests)
"""
import json
import os
import sys

import requests
from kafka import KafkaProducer

E = os.environ


def sse(producer):
    from requests_sse import EventSource
    with EventSource(E['BENCH_URL'], headers={'User-Agent': 'bench (tests@example.org)'}, timeout=60) as stream:
        for event in stream:
            if event.type == 'message' and event.data:
                title = json.loads(event.data).get('title', '')
                producer.send(E['BENCH_TOPIC'], key=title.encode(), value=event.data.encode())


def oauth(producer):
    token = requests.post(E['BENCH_TOKEN_URL'], verify=E['BENCH_CA'], timeout=60, data={
        'grant_type': 'client_credentials', 'client_id': E['BENCH_CLIENT'], 'client_secret': E['BENCH_SECRET']})
    token.raise_for_status()
    answer = requests.get(E['BENCH_URL'], verify=E['BENCH_CA'], timeout=600,
                          headers={'Authorization': 'Bearer ' + token.json()['access_token']})
    answer.raise_for_status()
    for transaction in answer.json():
        producer.send(E['BENCH_TOPIC'], key=str(transaction['transactionId']).encode(),
                      value=json.dumps(transaction).encode())


def main():
    producer = KafkaProducer(bootstrap_servers=E['BENCH_BOOTSTRAP'], linger_ms=20, max_request_size=16 << 20)
    {'sse': sse, 'oauth': oauth}[sys.argv[1]](producer)
    producer.flush()


if __name__ == '__main__':
    main()

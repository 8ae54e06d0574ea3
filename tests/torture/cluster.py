#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two ClickHouse servers: a Distributed table over both is loaded, while one of them is killed and comes back.

What the embedded engine can do of a cluster. It cannot do the rest, and says so: replicas do not fetch from each other
(only HTTP and TCP listen), and ON CLUSTER is switched off; see `refused` below, which checks that it is still so. (A
Keeper by its keeper_server was not tried; with ZooKeeper beside it replicas register and stay read-only.) A Distributed table is loaded at least once, as the sink says at its start: nothing may be missing.
Environment: CLUSTER_EVENTS (50000), BUILD.
"""
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
# pylint: disable=wrong-import-position
from helpers import run_to_end
from pipeline import ClickHouse, Kafka, Pipeline, events, free_port, make_events, wait_until

EVENTS = int(os.environ.get('CLUSTER_EVENTS', '50000'))
SHARD = ('<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>{}</port>'
         '<user>pipeline</user><password>secret</password></replica></shard>')


def refused(p):
    """ON CLUSTER, by a route: what chsinkd says at its start."""
    route = p.route(lambda text: text.replace('engine: MergeTree', 'engine: MergeTree\ncluster: c', 1))
    status, text = run_to_end(p.chsinkd('on-cluster', args=['--once'], route=route), 60)
    assert status == 78 and 'DDL queries are disabled' in text, text
    print('ON CLUSTER: refused by the engine, status 78:', next(line for line in text.splitlines() if ' ERROR ' in line)[:260])


def run(folder):
    ports = [free_port(2), free_port(2)]
    config = ('<remote_servers><c>' + ''.join(SHARD.format(port + 1) for port in ports) + '</c></remote_servers>')
    kafka = Kafka(folder / 'kafka')
    servers = [ClickHouse(folder / f'clickhouse-{n}', port, CLICKHOUSE_CONFIG=config) for n, port in enumerate(ports)]
    p = Pipeline(folder, kafka, servers[0])
    try:
        kafka.create(p.topic, 2)
        refused(p)
        local = p.chsinkd('maker', args=['--once'])  # the tables below it, by the preset
        assert run_to_end(local, 60)[0] == 0, local.tail()
        ddl = servers[0].value(f"SELECT create_table_query FROM system.tables WHERE name = '{p.table}'")
        for server in servers:
            server.query(ddl.replace(p.table, f'{p.table}_local'))
        servers[0].query(f'DROP TABLE {p.table}_per_minute')
        servers[0].query(f'DROP TABLE {p.table} SYNC')
        servers[0].query(f'CREATE TABLE {p.table} AS {p.table}_local ENGINE = Distributed(c, default, {p.table}_local, '
                         'cityHash64(assumeNotNull(event_id)))')
        file = make_events(folder / 'events.jsonl', EVENTS, '--seed', 1, '--rate', 300, '--shared-ms', 30)
        wanted = {event['meta']['id'] for event in events(file)}
        replay = p.replay(file, '--rate', EVENTS // 15, '--from-start', '--max-connections', 10)
        p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'}).start()
        route = p.route(lambda text: text[:text.index('views:')] if 'views:' in text else text)
        sink = p.chsinkd(route=route, clickhouse={'timeout': '4s', 'connect_timeout': '1s'}).start()

        def found():
            return sum(int(server.value(f'SELECT count() FROM {p.table}_local')) for server in servers)

        wait_until(lambda: found() > EVENTS // 4, 120, 'a quarter of the rows')
        servers[1].kill()
        wait_until(lambda: 'insert failed' in sink.text(), 60, 'an insert fails')
        servers[1].start()
        wait_until(lambda: len(ids(servers, p)) >= len(wanted), 180, 'all rows')
        counts = ids(servers, p)
        assert counts.keys() == wanted, f'{len(wanted - counts.keys())} missing'
        doubled = sum(n > 1 for n in counts.values())
        print(f'Distributed over two servers, one killed: {len(wanted)} events, none missing, {doubled} doubled')
        print('    ' + next(line for line in sink.text().splitlines() if 'at least once' in line)[:260])
    finally:
        p.close()
        for server in servers:
            server.stop()
        kafka.stop()


def ids(servers, p):
    found = {}
    for server in servers:
        for event, n in server.rows(f'SELECT toString(event_id), toUInt32(count()) FROM {p.table}_local GROUP BY 1'):
            found[event] = found.get(event, 0) + n
    return found


if __name__ == '__main__':
    place = pathlib.Path(tempfile.mkdtemp(prefix='cluster-'))
    run(place)
    if not os.environ.get('KEEP_E2E'):
        shutil.rmtree(place, ignore_errors=True)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Other versions than Debian's librdkafka 2.0, Kafka 4.1 and ClickHouse 26.7: what was tried, and what came of it.

usage: versions.py [WORD...]     only the rows in which one of these words stands

A row is a run: 20,000 events (VERSIONS_EVENTS) through wikisrcd, Kafka and chsinkd, while each daemon and Kafka is killed
once; then each event is once in the topic and once in the table. Kafka comes by Maven, a current librdkafka out of pip's
confluent-kafka, ClickHouse 18.16 out of Debian's packages: unpacked, not installed.
Environment: VERSIONS_EVENTS, BUILD, PIPELINE_CACHE.
"""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'e2e'))
# pylint: disable=wrong-import-position
from helpers import run_to_end
from pipeline import BUILD, ClickHouse, Kafka, Pipeline, Process, events, free_port, make_events, wait_until
from test_exactly_once import assert_once, ids_in_table, ids_in_topic

EVENTS = int(os.environ.get('VERSIONS_EVENTS', '20000'))
CACHE = pathlib.Path(os.environ.get('PIPELINE_CACHE', pathlib.Path.home() / '.cache' / 'pipeline-services'))
LIBRDKAFKA, OLD_CLICKHOUSE = '2.16.1', '18.16'
KAFKAS = ('4.1.1', '3.9.1', '2.6.3')
# What Debian's clickhouse-server needs and a machine may lack.
OLD_PACKAGES = '''clickhouse-server clickhouse-common libboost-filesystem1.74.0 libboost-program-options1.74.0
libcapnp-0.9.2 libcctz2 libcpuinfo0 libdouble-conversion3 libfarmhash0 libicu72 libjemalloc2 libltdl7 libmariadb3
libmetrohash1 libodbc2 libodbcinst2 libpococrypto80 libpocodata80 libpocodataodbc80 libpocofoundation80 libpocojson80
libpocomongodb80 libpoconet80 libpoconetssl80 libpocoutil80 libpocoxml80 libre2-9'''.split()


def fetched(name, fetch):
    """A folder of the cache, made by fetch(folder) once."""
    folder = CACHE / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = pathlib.Path(tempfile.mkdtemp(prefix=f'{name}.', dir=CACHE))
        fetch(new)
        os.replace(new, folder)
    return folder


def fetch_librdkafka(folder):
    subprocess.run(['/usr/bin/python3', '-m', 'pip', 'download', '-q', '--no-deps', '--only-binary', ':all:', '-d', folder,
                    f'confluent-kafka=={LIBRDKAFKA}'], check=True)
    wheel, = folder.glob('*.whl')
    shutil.unpack_archive(wheel, folder, 'zip')
    wheel.unlink()
    libraries = folder / 'confluent_kafka.libs'
    found, = libraries.glob('librdkafka-*.so.1')
    (libraries / 'librdkafka.so.1').symlink_to(found.name)


def fetch_old_clickhouse(folder):
    subprocess.run(['apt-get', 'download', '-qq', *OLD_PACKAGES], cwd=folder, check=True)
    for package in folder.glob('*.deb'):
        subprocess.run(['dpkg', '-x', package, folder], check=True)
        package.unlink()


class OldClickHouse(Process):
    """A server of 2018."""

    def __init__(self, folder):
        self.port = free_port(2)
        self.url = f'http://127.0.0.1:{self.port}'
        root = fetched(f'clickhouse-{OLD_CLICKHOUSE}', fetch_old_clickhouse)
        user = '<networks><ip>127.0.0.1</ip></networks><quota>default</quota><profile>default</profile>'
        (folder / 'users.xml').write_text(
            f'<yandex><users><default><password></password>{user}</default><pipeline><password>secret</password>{user}'
            '</pipeline></users><quotas><default/></quotas><profiles><default/></profiles></yandex>', encoding='ascii')
        (folder / 'config.xml').write_text(
            f'<yandex><logger><level>warning</level><console>1</console></logger><path>{folder}/old/</path>'
            f'<tmp_path>{folder}/old/tmp/</tmp_path><listen_host>127.0.0.1</listen_host><http_port>{self.port}</http_port>'
            f'<tcp_port>{self.port + 1}</tcp_port><users_config>{folder}/users.xml</users_config>'
            '<mark_cache_size>100000000</mark_cache_size><default_profile>default</default_profile>'
            '<default_database>default</default_database></yandex>', encoding='ascii')
        super().__init__('clickhouse-old', [root / 'usr/sbin/clickhouse-server', f'--config-file={folder}/config.xml'],
                         folder, env={'LD_LIBRARY_PATH': str(root / 'usr/lib/x86_64-linux-gnu')})
        self.start()
        wait_until(lambda: self.version() or not self.running(), 60, 'the old ClickHouse answers')

    def version(self):
        with contextlib.suppress(OSError, AssertionError):
            return ClickHouse.query(self, 'SELECT version()').strip()
        return ''


def librdkafka_env(current):
    if not current:
        return {}
    return {'LD_LIBRARY_PATH': str(fetched(f'librdkafka-{LIBRDKAFKA}', fetch_librdkafka) / 'confluent_kafka.libs')}


def librdkafka_version(env):
    """Of the library that chsinkd is started with."""
    code = ('import ctypes; l = ctypes.CDLL("librdkafka.so.1"); l.rd_kafka_version_str.restype = ctypes.c_char_p; '
            'print(l.rd_kafka_version_str().decode())')
    return subprocess.run(['/usr/bin/python3', '-c', code], env={**os.environ, **env}, check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def load(folder, kafka, clickhouse, env):
    p = Pipeline(folder, kafka, clickhouse)
    try:
        kafka.create(p.topic, 2)
        file = make_events(folder / 'events.jsonl', EVENTS, '--seed', 1, '--rate', 300, '--shared-ms', 30)
        wanted = [event['meta']['id'] for event in events(file)]
        replay = p.replay(file, '--rate', EVENTS // 20, '--from-start', '--max-connections', 10)
        source = p.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'},
                            kafka={'transaction.timeout.ms': 10000})
        sink = p.chsinkd(kafka={'session.timeout.ms': 6000}, clickhouse={'timeout': '4s', 'connect_timeout': '1s'})
        for process in (source, sink):
            process.env.update(env)
            process.start(timeout=60)

        def again(process):
            """As systemd would."""
            if process.process.poll() in (1, 69):
                process.start(timeout=0)
            assert process.process.poll() in (None, 1, 69), process.tail(40)

        def filled(part):
            for process in (source, sink):
                again(process)
            return p.rows() >= len(wanted) * part

        for part, victim in ((0.2, source), (0.4, sink), (0.6, kafka)):
            wait_until(lambda part=part: filled(part), 120, f'{part:.0%} of the rows')
            victim.kill()
            if victim is kafka:
                victim.start()
            else:
                victim.start(timeout=0)
        wait_until(lambda: filled(1), 180, 'all rows')
        for process in (source, sink):
            assert process.terminate(20)[0] == 0, process.tail(40)
        assert_once(wanted, ids_in_topic(p), 'topic')
        assert_once(wanted, ids_in_table(p), 'table')
        return f'{len(wanted)} events, each once; wikisrcd, chsinkd and Kafka killed'
    finally:
        p.close()


def load_old(folder, kafka, clickhouse):
    """What chsinkd says there, in one line."""
    p = Pipeline(folder, kafka, clickhouse)
    kafka.create(p.topic, 2)
    status, text = run_to_end(p.chsinkd(args=['--once']), 60)
    p.processes[0].close()
    said = re.search(r' ERROR .*?error="(.*?)" kind', text)
    assert status != 0 and said, text
    return f'refused at the start, status {status}: {said[1]}'


def row(kafka_version, current, old, folder):
    env = librdkafka_env(current)
    began = time.monotonic()
    services, kafka = [], None
    try:
        kafka = Kafka(folder / 'kafka', KAFKA_VERSION=kafka_version, KAFKA_HEAP='512m')
        clickhouse = OldClickHouse(folder) if old else ClickHouse(folder / 'clickhouse')
        services = [clickhouse]
        version = clickhouse.version() if old else clickhouse.value('SELECT version()')
        result = load_old(folder, kafka, clickhouse) if old else load(folder, kafka, clickhouse, env)
    except Exception as error:  # pylint: disable=broad-except
        version, result = 'ClickHouse', f'FAILED: {error}'
    finally:
        for service in services:
            (service.close if old else service.stop)()
        if kafka:
            kafka.stop()
    print(f'| {kafka_version} | {version} | {librdkafka_version(env)} | {result} | {time.monotonic() - began:.0f} s |',
          flush=True)
    return 'FAILED' not in result


def main():
    words = sys.argv[1:]
    rows = [(kafka, False, False) for kafka in KAFKAS] + [(kafka, True, False) for kafka in KAFKAS]
    rows.append((KAFKAS[0], False, True))
    print('| Kafka | ClickHouse | librdkafka | result | took |\n|---|---|---|---|---|')
    good = True
    for kafka, current, old in rows:
        text = f'{kafka} {LIBRDKAFKA if current else "debian"} {OLD_CLICKHOUSE if old else "26.7"}'
        if words and not any(word in text for word in words):
            continue
        folder = pathlib.Path(tempfile.mkdtemp(prefix='versions-'))
        good &= row(kafka, current, old, folder)
        if os.environ.get('KEEP_E2E'):
            print(f'kept: {folder}')
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    assert (BUILD / 'chsinkd').exists(), f'no {BUILD}/chsinkd: make first'
    main()

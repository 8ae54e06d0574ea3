# SPDX-License-Identifier: Apache-2.0
"""--init: a first configuration by flags and by a person at a terminal, tried against the real parts; and the progress
that long work shows there."""
import contextlib
import json
import os
import re
import stat
import subprocess

import pytest

from helpers import run_to_end
from pipeline import BUILD, CONTACT, events, make_events, without_lone_surrogates
from terminal import Terminal

SECRET = 'secret'  # of ClickHouse's user pipeline
NOWHERE = 'http://127.0.0.1:1'


def init(name, file, *answers):
    args = [BUILD / name, '--init', '-c', file, *(a for answer in answers for a in ('--answer', answer))]
    done = subprocess.run([str(a) for a in args], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def topic(pipeline):
    """With 500 events in it."""
    p = pipeline
    p.kafka.create(p.topic, 2)
    file = without_lone_surrogates(make_events(p.folder / 'loaded.jsonl', 500, '--seed', 22))
    p.kafka.produce(p.topic, [(e['title'].encode(), json.dumps(e).encode()) for e in events(file)])
    (p.folder / 'given').write_text(SECRET + '\n')
    return p


def sink_answers(p, url):
    return (f'kafka.bootstrap.servers={p.kafka.servers}', f'kafka.group.id=sink-{p.tag}', f'clickhouse.urls={url}',
            'clickhouse.user=pipeline', f'clickhouse.password=@{p.folder}/given', f'routes=topic:{p.topic}',
            f'dead_letter_topic={p.dead}')


def test_chsinkd_by_flags(topic):
    """From nothing but addresses to rows in a table: the route is made from the topic."""
    p, file = topic, topic.folder / 'sink' / 'chsinkd.yaml'
    status, text = init('chsinkd', file, *sink_answers(p, p.clickhouse.url))
    route, secret = file.parent / 'routes' / f'{p.topic}.yaml', file.parent / 'secrets' / 'clickhouse-password'
    assert status == 0, text
    assert f'{route} is written, a route made from the topic' in text
    assert re.search(rf'\nworks: Kafka at \S+: 1 broker\nworks: topic {p.topic}: 2 partitions\n'
                     r'works: ClickHouse at \S+, table \S+: the start makes or changes it', text), text
    assert text.endswith(f'\nnext: chsinkd -c {file}\n'), text
    assert 'FAILS' not in text and SECRET not in file.read_text().replace('secrets/', '')
    assert (mode(file), mode(secret), mode(secret.parent)) == (0o644, 0o600, 0o700)
    assert secret.read_text() == SECRET + '\n'
    table = re.search('^table: (.*)$', route.read_text(), re.M)[1]
    try:
        status, text = run_to_end(p.process('made', [BUILD / 'chsinkd', '-c', file, '--once']), 60)
        assert status == 0, text
        assert int(p.clickhouse.value(f'SELECT count() FROM {table}')) == 500
        # Again, with nothing but one more answer: nothing is lost of the first, which is kept.
        before = file.read_text()
        status, text = init('chsinkd', file, 'batch.rows=1000')
        assert status == 0, text
        assert f'the one before is {file}.bak' in text and (file.parent / 'chsinkd.yaml.bak').read_text() == before
        assert re.search(r'table \S+: it is there\n', text), text
    finally:
        p.clickhouse.query(f'DROP TABLE IF EXISTS {table}')


def test_chsinkd_unreachable(topic):
    """What does not work is named, with what helps; the file is there all the same."""
    p, file = topic, topic.folder / 'sink' / 'chsinkd.yaml'
    status, text = init('chsinkd', file, *sink_answers(p, NOWHERE))
    assert status == 69, text
    assert re.search(r'\nworks: Kafka at ', text) and re.search(rf'\nFAILS: ClickHouse at {NOWHERE}, table ', text), text
    assert f'{file} is written all the same. Mend what fails, then again: chsinkd --init -c {file}' in text
    assert SECRET not in text.replace('secrets/', '') and file.exists()
    # With the mended answer alone.
    status, text = init('chsinkd', file, f'clickhouse.urls={p.clickhouse.url}')
    assert status == 0, text
    # A password that ClickHouse does not take.
    (p.folder / 'wrong').write_text('Wr0ng-password\n')
    status, text = init('chsinkd', file, f'clickhouse.password=@{p.folder}/wrong')
    assert status == 78 and 'FAILS: ClickHouse at' in text and 'Wr0ng' not in text, text


def test_chsinkd_asked(topic):
    """A person, with one wrong word; the password is not shown, and what was said is offered the next time."""
    p, file = topic, topic.folder / 'asked' / 'chsinkd.yaml'
    p.route()
    with contextlib.closing(Terminal([BUILD / 'chsinkd', '--init', '-c', file])) as t:
        t.expect(r'kafka\.bootstrap\.servers \[localhost:9092\]: ')
        t.type(p.kafka.servers + '\n')
        t.expect(r'\[plaintext\]: ')
        t.type('\n')
        t.expect(r'output \(clickhouse, duckdb, iceberg\) \[clickhouse\]: ')
        t.type('postgres\n')
        t.expect(r'\noutput: [^\r]*')
        t.expect(r'\[clickhouse\]: ')
        t.type('\n')
        t.expect(r'\[http://localhost:8123\]: ')
        t.type(p.clickhouse.url + '\n')
        t.expect(r'clickhouse\.database \[default\]: ')
        t.type('\n')
        t.expect(r'clickhouse\.user \[default\]: ')
        t.type('pipeline\n')
        t.expect(r'clickhouse\.password \(not shown\) \[none\]: ')
        assert not t.echoes()
        t.type(SECRET + '\n')
        t.expect(r'\nroutes .*: ')
        assert t.echoes()
        t.type('no-such-route\n')
        t.expect('no-such-route')
        t.expect(r'\nroutes .*: ')
        t.type(f'{p.folder}/{p.table}.yaml\n')
        status = t.end()
        assert status == 0, t.text
        shown = t.text.replace('secrets/', '')
        assert SECRET not in shown, shown
        assert 'works: ClickHouse at' in shown
    assert (file.parent / 'secrets' / 'clickhouse-password').read_text() == SECRET + '\n'


def test_wikisrcd_by_flags(pipeline):
    p, file = pipeline, pipeline.folder / 'source' / 'wikisrcd.yaml'
    server = p.replay(make_events(p.folder / 'events.jsonl', 1000, '--seed', 21), '--rate', '100', '--from-start')
    answers = (f'kafka.bootstrap.servers={p.kafka.servers}', f'source.user_agent_contact={CONTACT}', f'topic={p.topic}')
    status, text = init('wikisrcd', file, *answers, f'source.url={server.url}')
    assert status == 0, text
    assert f'\nworks: {server.url}/recentchange: an event came\nworks: Kafka at ' in text, text
    assert f'\nworks: topic {p.topic}: not there yet, the start makes it\n' in text, text
    status, text = init('wikisrcd', file, 'kafka.bootstrap.servers=127.0.0.1:1')
    assert status == 69 and '\nFAILS: Kafka at 127.0.0.1:1: ' in text and 'an event came' in text, text


# ---- progress ----

def test_progress_on_a_terminal(pipeline):
    """One line that is drawn again, as wide as the terminal is; at the end it is gone."""
    p = pipeline
    server = p.replay(make_events(p.folder / 'events.jsonl', 1000, '--seed', 21), '--rate', '200', '--from-start')
    source = p.wikisrcd(server.url, source={'start': 'oldest'})
    with contextlib.closing(Terminal([*source.args, '--schema', '900'], columns=70)) as t:
        t.expect(r'█+░+ +\d+ %  \d+ events, \d+ events/s')
        t.resize(30)
        t.expect('\033\\[K[^\r\n]*% ')
        t.expect(r'█+░+ +\d+ %  \d+ events(\r|$)')
        assert t.end() == 0, t.text
        screen = t.screen()
    drawn = re.findall('\r\033\\[K([^\r\n]+%[^\r\n]*)', t.text)
    assert len(drawn) >= 2 and max(map(len, drawn)) < 70 and len(drawn[-1]) < 30, drawn
    assert not [line for line in screen if '░' in line or '█' in line], screen
    assert screen[0].startswith('FIELD') or 'meta.id' in '\n'.join(screen), screen


def test_progress_of_a_load(topic):
    p = topic
    sink = p.chsinkd(args=['--once'])
    with contextlib.closing(Terminal(sink.args)) as t:
        assert t.end() == 0, t.text
        screen = t.screen()
    assert p.rows() == 500
    assert not [line for line in screen if '░' in line or '█' in line], screen
    assert all(re.match(r'(\d{4}-|$)', line) for line in screen), screen  # whole lines of the log


def test_progress_elsewhere(pipeline):
    """Not a terminal, or a dumb one: whole lines."""
    p = pipeline
    server = p.replay(make_events(p.folder / 'events.jsonl', 1000, '--seed', 21), '--rate', '200', '--from-start')
    source = p.wikisrcd(server.url, source={'start': 'oldest'})
    with contextlib.closing(Terminal([*source.args, '--schema', '700'], env={'TERM': 'dumb'})) as t:
        assert t.end() == 0, t.text
    assert '\033' not in t.text and '█' not in t.text
    assert len(re.findall(r'^ *\d+ %  \d+ events, \d+ events/s', t.text, re.M)) == 1, t.text

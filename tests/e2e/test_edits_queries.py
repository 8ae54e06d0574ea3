# SPDX-License-Identifier: Apache-2.0
"""wikipedia_edits: the questions of etc/queries, on made events, each with the answer that was counted by hand."""
import datetime
import json
import re
import time
import uuid

import pytest

from helpers import run_to_end
from pipeline import ROOT, Pipeline

QUERIES = ROOT / 'etc' / 'queries' / 'wikipedia_edits'
DAY = datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc)


def event(at, wiki='enwiki', title='Tea', user='Ada', old=100, new=110, late=0.5, **more):
    """An edit at hour:minute:second of the second day; "-" before it: of the day before."""
    hour, minute, second = map(int, at.lstrip('-').split(':'))
    when = DAY + datetime.timedelta(days=-at.startswith('-'), hours=hour, minutes=minute, seconds=second + late)
    found = {'$schema': '/mediawiki/recentchange/1.0.1', 'type': 'edit', 'wiki': wiki, 'title': title, 'user': user,
             'bot': False, 'namespace': 0, 'comment': '', 'timestamp': int(when.timestamp() - late),
             'length': {'old': old, 'new': new}, 'revision': {'old': 1, 'new': 2},
             'meta': {'id': str(uuid.uuid4()), 'stream': 'mediawiki.recentchange', 'domain': 'en.wikipedia.org',
                      'dt': when.strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3] + 'Z'}, **more}
    if old is None:
        found.update(type='new', length={'new': new}, revision={'new': 2})
    return found


def log(at, log_type, action, **more):
    return {k: v for k, v in event(at, type='log', log_type=log_type, log_action=action, **more).items()
            if k not in ('length', 'revision')}


EVENTS = [
    # The day before: nothing of it is "the newest day".
    event('-10:00:00', title='Old', old=None, new=500),
    event('-10:30:00', wiki='dewiki', title='Alt', user='Bot', bot=True, new=90),
    # Back and forth: two take back what the one before did.
    event('10:00:10', title='War', user='Ada', new=200, comment='more'),
    event('10:00:40', title='War', user='Ben', old=200, new=100, comment='Undid revision 2 by someone'),
    event('10:01:10', title='War', user='Cem', new=200, comment='no'),
    event('10:01:40', title='War', user='Ben', old=200, new=100, comment='Reverted edits by someone to the last'),
    # As many edits by three, each adding: no war. One takes back its own.
    event('10:02:10', title='Peace', user='Ada', new=150),
    event('10:02:20', title='Peace', user='Ada', old=150, new=100),
    event('10:02:30', title='Peace', user='Ben', new=101),
    event('10:02:40', title='Peace', user='Cem', old=101, new=103),
    # Without an account; hidden; a name that looks like neither.
    event('10:03:00', title='Tea', user='192.0.2.7', late=2.5),
    event('10:03:10', title='Tea', user='2001:db8::7'),
    event('10:03:20', title='Tea', user='~2026-12345-6'),
    event('10:03:30', title='Tea', user=''),
    event('10:03:40', title='Tea', user='~2026'),
    # Another wiki: bots, new pages, a comment in its language, an old change that was imported.
    event('10:03:50', wiki='dewiki', title='Tee', user='Bot', bot=True, new=120),
    event('11:00:00', wiki='dewiki', title='Neu', user='Bot', bot=True, old=None, new=40),
    event('11:00:01', wiki='dewiki', title='Neu2', user='Eva', old=None, new=60, namespace=2),
    event('11:00:02', wiki='dewiki', title='Tee', user='Eva', old=120, new=100,
          comment='Änderung 7 von jemandem rückgängig gemacht'),
    dict(event('11:00:03', wiki='dewiki', title='Tee', user='Eva', old=100, new=100), timestamp=1000000000),
    # No edits.
    log('11:00:04', 'block', 'block'), log('11:00:05', 'block', 'block'),
    log('11:00:06', 'upload', 'upload', wiki='commonswiki'),
    dict(log('11:00:07', '', ''), type='categorize'),
]


class Answers:
    def __init__(self, p):
        self.p = p

    def ask(self, name, **parameters):
        text = re.sub(r'\bwikipedia_edits(?=\b|_per_minute\b)', self.p.table, (QUERIES / f'{name}.sql').read_text())
        for key, value in parameters.items():
            text = re.sub(r'\{%s:\w+\}' % key, f"'{value}'", text)
        return self.p.clickhouse.rows(text + 'SETTINGS output_format_json_quote_64bit_integers = 0')


@pytest.fixture(scope='module')
def answers(folder, kafka, clickhouse):
    path = folder / 'edits-queries'
    path.mkdir()
    p = Pipeline(path, kafka, clickhouse)
    p.kafka.create(p.topic, 1)
    p.kafka.produce(p.topic, [(e['title'].encode(), json.dumps(e).encode()) for e in EVENTS])
    run_to_end(p.chsinkd(args=('--once',)))
    assert p.rows() == len(EVENTS)
    yield Answers(p)
    p.close()


def at(text, date='2026-03-02'):
    return f'{date} {text}'


def test_each_query_is_tested():
    wanted = set(re.findall(r"ask\('(\w+)'", open(__file__, encoding='utf-8').read()))
    assert {path.stem for path in QUERIES.glob('*.sql')} == wanted


def test_edits_by_minute_and_wiki(answers):
    """Of the last hour only; that is, of the minutes after 10:00 where the newest is 11:00."""
    assert answers.ask('edits_by_minute_and_wiki') == [
        [at('10:01:00'), 'enwiki', 2, 0, 100, 100],
        [at('10:02:00'), 'enwiki', 4, 0, 53, 50],
        [at('10:03:00'), 'enwiki', 5, 0, 50, 0],
        [at('10:03:00'), 'dewiki', 1, 1, 20, 0],
        [at('11:00:00'), 'dewiki', 4, 1, 100, 20],
        [at('11:00:00'), 'enwiki', 3, 0, 0, 0],
        [at('11:00:00'), 'commonswiki', 1, 0, 0, 0]]


def test_top_pages(answers):
    assert answers.ask('top_pages') == [
        ['enwiki', 'Tea', 5, 5, 0, 50], ['enwiki', 'Peace', 4, 3, 0, 3], ['enwiki', 'War', 4, 3, 0, 0],
        ['dewiki', 'Tee', 3, 2, 1, 0], ['dewiki', 'Neu', 1, 1, 1, 40], ['dewiki', 'Neu2', 1, 1, 0, 60]]


def test_bots_share(answers):
    assert answers.ask('bots_share') == [['enwiki', 14, 0, 0], ['dewiki', 6, 3, 50]]


def test_reverts(answers):
    """13 edits of enwiki by people (a new page is none), 2 of dewiki."""
    assert answers.ask('reverts') == [['enwiki', 13, 2, 15.38], ['dewiki', 2, 1, 50]]


def test_size_changes(answers):
    assert answers.ask('size_changes') == [
        ['enwiki', 14, 803, 250, 50, 500, 500, -100], ['dewiki', 6, 120, 30, 20, 60, 60, -20]]


def test_new_pages(answers):
    assert answers.ask('new_pages') == [
        ['dewiki', 0, 1, 1, 40, at('11:00:00.500')], ['dewiki', 2, 1, 0, 60, at('11:00:01.500')],
        ['enwiki', 0, 1, 0, 500, at('10:00:00.500', '2026-03-01')]]


def test_anonymous_share(answers):
    assert answers.ask('anonymous_share') == [['enwiki', 14, 2, 1, 1, 21.4], ['dewiki', 3, 0, 0, 0, 0]]


def test_busiest_hours(answers):
    """enwiki at ten: 1 on the first day, 13 on the second."""
    assert answers.ask('busiest_hours') == [
        ['dewiki', 11, 3, 1, 1], ['dewiki', 10, 0, 1, 2], ['enwiki', 10, 7, 0, 2]]


def test_edit_wars(answers):
    assert answers.ask('edit_wars') == [['enwiki', 'War', 4, 3, 3, at('10:01:40.500')]]


def test_delay(answers):
    """The imported change of 2001 is left out."""
    found = answers.ask('delay')
    newest = [DAY.timestamp() + 3600 * 11 + seconds for seconds in (7.5, 2.5, 6.5)]
    assert [row[:4] for row in found] == [['enwiki', 17, 0.5, 2.5], ['dewiki', 5, 0.5, 0.5],
                                          ['commonswiki', 1, 0.5, 0.5]]
    for row, when in zip(found, newest):
        assert abs(row[4] - (time.time() - when)) < 60


def test_latest_edits(answers):
    found = answers.ask('latest_edits', wiki='dewiki')
    assert [(row[0], row[1], row[2], row[3]) for row in found] == [
        (at('11:00:03.500'), 'Tee', 0, False), (at('11:00:02.500'), 'Tee', -20, False),
        (at('11:00:01.500'), 'Neu2', 60, False), (at('11:00:00.500'), 'Neu', 40, True),
        (at('10:03:50.500'), 'Tee', 20, True), (at('10:30:00.500', '2026-03-01'), 'Alt', -10, True)]
    assert found[1][4] == 'Änderung 7 von jemandem rückgängig gemacht'


def test_log_actions(answers):
    assert answers.ask('log_actions') == [['enwiki', 'block', 'block', 2, at('11:00:05.500')],
                                          ['commonswiki', 'upload', 'upload', 1, at('11:00:06.500')]]


def test_each_event_once(answers):
    second = len(EVENTS) - 2
    assert answers.ask('each_event_once') == [['2026-03-01', 2, 2, 2], ['2026-03-02', second, second, second]]

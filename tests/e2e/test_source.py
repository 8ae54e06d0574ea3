# SPDX-License-Identifier: Apache-2.0
"""wikisrcd and its source: refusals, errors, ends and silences of the stream, topics that come and go, filters."""
import collections
import datetime
import json
import re
import subprocess
import time

import confluent_kafka
import pytest

from helpers import CONFIG, error_lines, http_get, metrics, run_to_end
from pipeline import events, free_port, make_events, wait_until

EQIAD, CODFW, NEW = (f'{site}.mediawiki.recentchange' for site in ('eqiad', 'codfw', 'esams'))
LOST = 'wikisrcd_connections_lost_total{reason="%s"}'


class Source:
    """wikisrcd on a replay server, with metrics, its log at debug (which shows each request)."""

    def __init__(self, p, file, *args, start='2000-01-01T00:00:00Z', **options):
        self.p, self.file = p, file
        self.replay = p.replay(file, *args, '--max-connections', '10')
        self.metrics_port = free_port()
        self.daemon = p.wikisrcd(self.replay.url, args=['-v'], metrics={'listen': f'127.0.0.1:{self.metrics_port}'},
                                 source={'start': start, **options.pop('source', {})}, **options)

    def start(self):
        self.daemon.start()
        return self

    def messages(self):
        # Nothing to read before the daemon has made the topic.
        topics = confluent_kafka.Consumer({'bootstrap.servers': self.p.kafka.servers, 'group.id': 'none'})
        try:
            if self.p.topic not in topics.list_topics(timeout=10).topics:
                return []
        finally:
            topics.close()
        return list(self.p.kafka.read(self.p.topic))

    def wait(self, count, seconds=40):
        wait_until(lambda: len(self.messages()) >= count, seconds, f'{count} messages', 0.3)

    def metric(self, name):
        return metrics(self.metrics_port)[name]

    def waits(self):
        """How long it said it waits after each connection."""
        return [int(ms) for ms in re.findall(r'connection.* wait_ms=(\d+)', self.daemon.text())]

    def wait_connected(self, seconds=20):
        wait_until(lambda: self.replay.control()['connections'] == 1, seconds, 'connected')

    def finish(self, wanted=None):
        """Stops; each wanted event is there once, no request held an offset, the law holds."""
        law(self.metrics_port)
        assert self.daemon.terminate()[0] == 0, self.daemon.tail()
        if wanted is None:
            wanted = [e['meta']['id'] for e in events(self.file)]
        found = collections.Counter(json.loads(m.value())['meta']['id'] for m in self.messages())
        missing, doubled = set(wanted) - found.keys(), [i for i, n in found.items() if n > 1]
        assert not missing and not doubled and found.keys() == set(wanted), \
            f'{len(missing)} missing, {len(doubled)} doubled, {len(found.keys() - set(wanted))} strange'
        headers = re.findall(r'connecting url=\S+ header=(.*)', self.daemon.text())
        assert not [h for h in headers if 'offset' in h], headers
        assert 'offset' not in self.replay.control()['last']['last_event_id']
        assert 'ERROR' not in self.daemon.text().replace('error=', ''), self.daemon.tail()
        return headers


def law(port):
    """At rest received = delivered + dropped + fetched again. (The gauges follow once a second.)"""
    def holds():
        values = metrics(port)
        dropped = sum(v for k, v in values.items() if k.startswith('wikisrcd_events_dropped_total'))
        return values['wikisrcd_events_in_flight'] == 0 and values['wikisrcd_events_received_total'] == (
            values['wikisrcd_events_delivered_total'] + dropped + values['wikisrcd_events_refetched_total'])

    wait_until(holds, 10, 'received = delivered + dropped + fetched again')


def made(p, count=1000, *args):
    return make_events(p.folder / 'events.jsonl', count, '--seed', 11, '--shared-ms', count // 10, '--backwards', *args)


def now_iso(ahead=0):
    return (datetime.datetime.now(datetime.timezone.utc) +
            datetime.timedelta(seconds=ahead)).strftime('%Y-%m-%dT%H:%M:%SZ')


# ---- refusals ----

def test_busy_with_retry_after(pipeline):
    s = Source(pipeline, made(pipeline), '--fast', '--from-start')
    s.replay.control(status=429, times=2, retry_after=2)
    s.start().wait(1000)
    assert len(s.waits()) == 2 and min(s.waits()) >= 2000, s.waits()
    assert max(s.waits()) < 10000, s.waits()
    assert s.metric(LOST % 'refused') == 2
    s.finish()


def test_busy_without_retry_after(pipeline):
    """The service sends none: waits long, for each try counts against the limit."""
    s = Source(pipeline, made(pipeline), '--fast', '--from-start')
    s.replay.control(status=429, times=1)
    s.start().wait(1000)
    assert len(s.waits()) == 1 and 5000 <= s.waits()[0] <= 30000, s.waits()
    s.finish()


def test_told_to_wait_for_a_day(pipeline):
    """An hour is the longest, and it is said loudly."""
    s = Source(pipeline, made(pipeline), '--fast', '--from-start')
    s.replay.control(status=503, times=1, retry_after=86400)
    s.start()
    wait_until(lambda: error_lines(s.daemon.text()), 20, 'an error line')
    line, = error_lines(s.daemon.text())
    wait = int(re.search(r'asks us to wait.* wait_ms=(\d+)', line)[1])
    assert 3_600_000 <= wait < 5_400_000, line
    wait_until(lambda: http_get(s.metrics_port, '/readyz')[0] == 503, 20, 'not ready')
    wait_until(lambda: any('told to wait: connecting again in 3' in m for m in s.daemon.messages), 20, 'STATUS')
    assert s.daemon.terminate()[0] == 0


def test_unavailable(pipeline):
    """503 three times, later again; waits grow."""
    s = Source(pipeline, made(pipeline), '--rate', '400', '--from-start')
    s.replay.control(status=503, times=3)
    s.start()
    s.wait_connected()
    s.replay.control(status=503, times=1, retry_after=1)
    s.replay.control(close_all=1)
    s.wait(1000)
    assert s.metric(LOST % 'refused') == 4
    assert s.waits()[-1] >= 1000, s.waits()
    s.finish()


# ---- ends ----

def test_error_event(pipeline):
    """An error inside the stream is no record but the end of the connection."""
    s = Source(pipeline, made(pipeline), '--fast', '--from-start')
    s.replay.control(error_event_after=300)
    s.start().wait(1000)
    assert s.metric(LOST % 'error_event') == 1
    headers = s.finish()
    assert headers


def test_stall(pipeline):
    """Silent in the middle of an event: noticed, connected anew."""
    s = Source(pipeline, made(pipeline), '--fast', '--from-start', source={'stall_timeout': '1s'})
    s.replay.control(stall_after_bytes=200_000)
    s.start().wait(1000)
    assert s.metric(LOST % 'stall') >= 1
    assert s.finish()


def test_forced_close(pipeline):
    """The service ends connections after a time: ordinary, no warning, resumed at once by position."""
    s = Source(pipeline, made(pipeline, 3000), '--rate', '300', '--from-start', '--close-after', '3')
    s.start().wait(3000)
    assert s.metric(LOST % 'closed') >= 3
    assert max(s.waits()) <= 1500, s.waits()
    assert ' WARN   wikisrcd: the connection' not in s.daemon.text()
    headers = s.finish()
    assert len(headers) >= 3


def test_half_close_and_resets(pipeline):
    s = Source(pipeline, made(pipeline, 3000), '--rate', '500', '--from-start')
    s.replay.control(cut_kind='rst', cut_every='100001,200003,300007')
    s.start()
    wait_until(lambda: s.replay.control()['cuts_left'] == 0, 30, 'three cuts')
    s.wait_connected()
    s.replay.control(half_close=1)
    s.wait(3000)
    s.finish()


def test_endless_page(pipeline):
    """A front's page with 200 that never ends, fast or slowly: it is ended."""
    s = Source(pipeline, made(pipeline), '--fast', '--from-start',
               source={'stall_timeout': '1s', 'connect_timeout': '1s'})
    for speed in (4096, 1):
        s.replay.control(endless=speed)
        sample = pipeline.wikisrcd(s.replay.url, 'sample', args=['--sample', '3']).start(timeout=0)
        wait_until(lambda: not sample.running(), 40, 'the sample ends')  # pylint: disable=cell-var-from-loop
        assert sample.process.returncode != 0 and 'not with an event stream' in sample.text(), sample.tail()
    s.replay.control(endless=1)
    s.start()  # it is ready, as the source is only away
    wait_until(lambda: s.metric(LOST % 'refused') >= 1, 20, 'the end of the page')
    assert 'not with an event stream' in s.daemon.text() and s.replay.control()['requests'] == 3, s.daemon.tail()
    assert s.daemon.terminate()[0] == 0, s.daemon.tail()


def test_closes_after_each_first_event(pipeline):
    """It is not asked twice a second for ever: the events that it plays meanwhile are the clock."""
    s = Source(pipeline, made(pipeline, 2000), '--rate', '100', '--from-start')
    s.replay.control(close_after_events=1)
    s.start()
    wait_until(lambda: s.replay.control()['head'] >= 1000, 60, 'ten seconds of events')
    state = s.replay.control(close_after_events=-1)
    assert 2 <= state['requests'] <= 9, state['requests']
    s.wait(2000, 90)
    s.finish()


# ---- what time it is ----

def test_oldest(pipeline):
    """The oldest that the service has: a time of 0 would be none given, and begin at the latest."""
    s = Source(pipeline, made(pipeline), '--fast', start='oldest')
    s.start().wait(1000)
    s.replay.control(close_all=1)
    wait_until(lambda: EQIAD in s.replay.control()['last']['last_event_id'], 20, 'asked by position')
    asked = s.replay.control()['last']['last_event_id']
    assert CODFW in asked and '"timestamp":0' not in asked, asked
    s.finish()


def whole_of(s):
    """By the upstream offsets of what is delivered: each topic has no gap and nothing twice, to the end."""
    offsets = collections.defaultdict(list)
    for message in s.messages():
        meta = json.loads(message.value())['meta']
        offsets[meta['topic']].append(meta['offset'])
    state = s.replay.control()['topics']
    assert offsets
    for topic, found in offsets.items():
        last = state[topic]['first_offset'] + state[topic]['played'] - 1
        wanted = list(range(min(found), int(last) + 1))
        lost, doubled = len(set(wanted) - set(found)), len(found) - len(set(found))
        assert sorted(found) == wanted, f'{topic}: {lost} lost, {doubled} doubled of {len(wanted)}'


@pytest.mark.parametrize('hours', (-30, 30), ids=['ours is ahead', 'ours is behind'])
def test_first_start_with_a_wrong_clock(pipeline, hours):
    """Begins at the service's now, and loses and doubles nothing while it is away for a while, again and again."""
    s = Source(pipeline, made(pipeline, 6000), '--rate', '100', '--restamp', start='now')
    s.replay.control(clock=hours * 3600)
    s.start()
    for times in range(1, 4):
        s.wait(150 * times)
        s.replay.control(status=503, times=1)
        s.replay.control(close_all=1)
        wait_until(lambda: s.metric(LOST % 'refused') >= times, 20, 'away')  # pylint: disable=cell-var-from-loop
        s.wait_connected()
    s.wait(700)
    s.replay.control(pause=1)
    time.sleep(0.5)
    state = s.replay.control()
    wait_until(lambda: s.metric('wikisrcd_events_received_total') >= state['sent_events'], 20, 'all received')
    law(s.metrics_port)
    skew, text = metrics(s.metrics_port).get('wikisrcd_clock_skew_seconds', 0), s.daemon.text()
    assert s.daemon.terminate()[0] == 0, s.daemon.tail()
    whole_of(s)
    assert abs(skew - hours * 3600) < 120
    assert text.count('our clock differs') == 1, s.daemon.tail()


# ---- positions that are refused, topics that come and go ----

def test_position_refused(pipeline):
    """400 for the Last-Event-ID: asks by time instead, nothing lost or doubled."""
    s = Source(pipeline, made(pipeline, 2000), '--rate', '400', '--from-start')
    s.start()
    wait_until(lambda: s.replay.control()['head'] >= 500, 20, 'half played')
    s.replay.control(status=400, times=1)
    s.replay.control(close_all=1)
    wait_until(lambda: s.metric('wikisrcd_source_fallbacks_total') == 1, 20, 'the fall-back')
    wait_until(lambda: 'since=' in s.replay.control()['last']['path'], 20, 'asked by time')
    s.wait(2000)
    s.finish()


def test_topic_goes(pipeline):
    """A topic of the position is no more there (404): asks by time, goes on with those there are."""
    file = made(pipeline, 2000, '--codfw-share', '20')
    s = Source(pipeline, file, '--rate', '400', '--from-start')
    s.start()
    wait_until(lambda: s.replay.control()['head'] >= 1000, 30, 'half played')
    s.replay.control(pause=1)
    head = s.replay.control()['head']
    everything = list(events(file))
    wanted = [e['meta']['id'] for i, e in enumerate(everything) if i < head or e['meta']['topic'] != CODFW]
    assert head < len(wanted) < 2000
    s.wait(head)  # all that codfw had is delivered before its topic goes
    s.replay.control(drop_topic=CODFW)
    s.replay.control(close_all=1)
    wait_until(lambda: s.metric('wikisrcd_source_fallbacks_total') == 1, 20, 'the fall-back')
    s.replay.control(pause=0)
    s.wait(len(wanted))
    # The next request names the topic that is left only, and is not refused.
    s.replay.control(close_all=1)
    s.wait_connected()
    wait_until(lambda: EQIAD in s.replay.control()['last']['last_event_id'], 20, 'resumed by position')
    last_id = s.replay.control()['last']
    assert last_id['status'] == 200 and CODFW not in last_id['last_event_id'], last_id
    assert s.metric('wikisrcd_source_fallbacks_total') == 1
    s.finish(wanted)


def into_topic(file, topic, chosen):
    """Moves the events that `chosen(number)` says into another topic."""
    lines = []
    for number, event in enumerate(all_events(file)):
        if chosen(number):
            event['meta']['topic'] = topic
        lines.append(json.dumps(event) + '\n')
    file.write_text(''.join(lines))
    return file


def test_new_topic(pipeline):
    """A topic that is new is found within source.discover_every, with what it had before that.

    Last-Event-ID pins the topics; only a look without one shows the new. Times are those of now, for what the new topic
    had since it was last known not to be there is asked by time.
    """
    count, rate = 8000, 100
    file = make_events(pipeline.folder / 'events.jsonl', count, '--seed', 12, '--rate', rate, '--start', now_iso(1))
    into_topic(file, NEW, lambda n: n >= 1000 and n % 5 == 0)
    topics = [e['meta'].get('topic') for e in events(file)]
    s = Source(pipeline, file, '--rate', rate, '--from-start', '--close-after', '5', source={'discover_every': '1m'})
    s.replay.control(drop_topic=NEW)
    s.start()
    wait_until(lambda: s.replay.control()['head'] >= 500, 30, 'playing')
    s.replay.control(add_topic=NEW)
    s.wait(count, 120)
    s.finish()
    assert topics.count(NEW) == 1400


def test_silent_data_centre_wakes_while_away(pipeline):
    """The service says offset:-1 (latest) for a topic that delivered nothing. While wikisrcd is away it becomes the
    active one: all of it must come."""
    file = into_topic(made(pipeline, 1000), CODFW, lambda n: n >= 500)
    s = Source(pipeline, file, '--rate', '100', '--from-start')
    s.start()
    wait_until(lambda: s.replay.control()['head'] >= 150, 30, 'some of eqiad')
    s.wait(100)
    s.daemon.kill()
    assert s.replay.control()['head'] < 500
    s.replay.control(rate=1000)
    wait_until(lambda: s.replay.control()['head'] == 1000, 30, 'all played, nobody there')
    s.start().wait(1000)
    headers = s.finish()
    assert CODFW in headers[-1]


def test_restart_begins_where_it_was(pipeline):
    """kill -9 at several places: the stream is asked from before the position, repeated events are dropped."""
    s = Source(pipeline, made(pipeline, 4000), '--rate', '500', '--from-start')
    for head in (700, 1500, 2500):
        s.start()
        wait_until(lambda: s.replay.control()['head'] >= head, 30, 'playing')  # pylint: disable=cell-var-from-loop
        s.daemon.kill()
    s.start().wait(4000)
    assert s.metric('wikisrcd_events_dropped_total{reason="duplicate"}') > 0
    assert len(s.finish()) >= 3


# ---- what is taken ----

def test_other_types_and_times_from_the_future(pipeline):
    """Both are counted and said, and the law holds; more from the future than are remembered are counted, too."""
    file = made(pipeline, 1000)
    lines = all_events(file)
    for event in lines[::3]:
        event['meta']['dt'] = now_iso(86400)
    file.write_text(''.join(json.dumps(event) + '\n' for event in lines))
    s = Source(pipeline, file, '--fast', '--from-start')
    s.replay.control(other_type='heart\x1b[31mbeat')
    s.start().wait(1000)
    assert s.metric('wikisrcd_events_dropped_total{reason="type"}') == 1
    assert s.metric('wikisrcd_events_received_total') == 1001
    assert s.metric('wikisrcd_events_ahead_total') == 334
    assert s.metric('wikisrcd_window_cut_ahead_ids_total') == 334 - 256
    assert 'are skipped type="heart [31mbeat"' in s.daemon.text(), s.daemon.tail()
    assert "in the service's future" in s.daemon.text() and 'one may be doubled' in s.daemon.text()
    s.finish()


def all_events(file):
    with open(file, encoding='utf-8') as lines:  # not splitlines(): U+2028 is no end of a line in JSON
        return [json.loads(line) for line in lines]


def take(p, file, wanted, **options):
    """Runs until `wanted` of the file's events are delivered and all are accounted for; the messages."""
    s = Source(p, file, '--fast', '--from-start', **options)
    s.start()
    total = len(all_events(file))
    wait_until(lambda: s.metric('wikisrcd_events_received_total') >= total, 40, 'all received')
    s.finish([e['meta']['id'] for e in wanted])
    return s.messages()


def is_canary(event):
    return event['meta'].get('domain') == 'canary'


def test_position_by_hand(pipeline):
    """--position shows where it is and disturbs nobody; with --set what is newer than that comes again."""
    p = pipeline
    file = make_events(p.folder / 'events.jsonl', 600, '--seed', 11)
    s = Source(p, file, '--rate', '300', '--from-start')
    s.start().wait(600)

    def position(*args):
        daemon = p.wikisrcd(s.replay.url, name='look', args=('--position', *args))
        done = subprocess.run(daemon.args, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              check=False)
        return done.returncode, done.stdout

    status, text = position()
    assert status == 0 and re.search(r'asks from 20\S+Z, newest event 20\S+Z, \d+ ids remembered', text), text
    assert s.daemon.running()
    assert s.daemon.terminate()[0] == 0, s.daemon.tail()
    all_events = list(events(file))
    to = all_events[400]['meta']['dt']
    status, text = position('--set', to)
    assert status == 0 and f'new: asks from {to[:19]}' in text and 'old: asks from' in text, text
    s.daemon.start()
    s.wait(600 + sum(e['meta']['dt'] >= to for e in all_events))
    assert s.daemon.terminate()[0] == 0, s.daemon.tail()
    found = collections.Counter(json.loads(m.value())['meta']['id'] for m in s.messages())
    for e in all_events:
        assert found[e['meta']['id']] == (2 if e['meta']['dt'] >= to else 1), e['meta']


def test_canaries_dropped_and_kept(pipeline):
    file = made(pipeline, 1000, '--canaries', '--rate', '1')
    everything = all_events(file)
    canaries = [e for e in everything if is_canary(e)]
    assert len(canaries) >= 2
    take(pipeline, file, [e for e in everything if not is_canary(e)])
    take(fresh(pipeline), file, everything, filter={'canaries': 'keep'})


def fresh(p):
    """Other topics and another source for the same test."""
    p.tag += 'x'
    p.topic += 'x'
    for process in p.processes:
        process.close()
    p.processes.clear()
    log = p.folder / 'wikisrcd.log'
    if log.exists():
        log.unlink()
    return p


def test_filters(pipeline):
    file = made(pipeline, 2000, '--canaries', '--hard')
    everything = [e for e in all_events(file) if not is_canary(e)]
    wikis = [w for w, _ in collections.Counter(e.get('wiki') for e in everything).most_common(3)]
    cases = (
        ({'wiki': {'include': wikis[:2]}}, lambda e: e.get('wiki') in wikis[:2]),
        ({'wiki': {'exclude': wikis[:1]}, 'bot': 'exclude'},
         lambda e: e.get('wiki') != wikis[0] and e.get('bot') is not True),
        ({'bot': 'only', 'type': {'include': ['edit', 'new']}},
         lambda e: e.get('bot') is True and e.get('type') in ('edit', 'new')),
        ({'namespace': {'include': ['0', '4']}, 'type': {'exclude': ['log']}},
         lambda e: e.get('namespace') in (0, 4) and e.get('type') != 'log'),
    )
    for number, (conf, fits) in enumerate(cases):
        wanted = [e for e in everything if fits(e)]
        assert 0 < len(wanted) < len(everything), conf
        take(fresh(pipeline) if number else pipeline, file, wanted, filter=conf)


def test_key_and_timestamp(pipeline):
    """Key: the title, another path, none. The message's timestamp is the event's own; its value the JSON as sent."""
    file = made(pipeline, 500, '--hard')
    everything = {e['meta']['id']: e for e in all_events(file)}
    keys = ((None, lambda e: e.get('title')), ('meta.domain', lambda e: e['meta'].get('domain')), ('', lambda e: None))
    for number, (path, wanted) in enumerate(keys):
        options = {} if path is None else {'key': path}
        for m in take(fresh(pipeline) if number else pipeline, file, everything.values(), **options):
            event = json.loads(m.value())
            key = wanted(event)
            if key is None or is_surrogate(key):
                assert m.key() in (None, b'') or is_surrogate(key)
            else:
                assert m.key() == key.encode(), event['meta']['id']
            own = datetime.datetime.fromisoformat(event['meta']['dt'].replace('Z', '+00:00')).timestamp()
            kind, ms = m.timestamp()
            assert kind == confluent_kafka.TIMESTAMP_CREATE_TIME and ms == round(own * 1000)
            for added in ('offset', 'partition', 'topic'):  # put in by the service
                event['meta'].pop(added, None)
            original = json.loads(json.dumps(everything[event['meta']['id']]))
            for added in ('offset', 'partition', 'topic'):
                original['meta'].pop(added, None)
            assert event == original


def test_topic_that_accepts_no_old_events(pipeline):
    """A broker with a limit for times: said what it is and what helps, and with times of arrival all are there."""
    p = pipeline
    p.kafka.create(p.topic, message_timestamp_before_max_ms='86400000')
    file = made(p, 200)
    s = Source(p, file, '--fast', '--from-start')
    status, text = run_to_end(s.daemon, 40)
    assert status == CONFIG, text
    line = error_lines(text)[-1]
    assert 'message.timestamp.before.max.ms' in line and 'timestamp: arrival' in line and p.topic in line, text
    assert not s.messages()
    s.daemon.log.unlink()
    began = time.time() * 1000
    s = Source(p, file, '--fast', '--from-start', timestamp='arrival').start()
    s.wait(len(list(events(file))))
    s.finish()
    assert all(m.timestamp()[1] >= began - 1000 for m in s.messages())


def is_surrogate(text):
    return text is not None and any(0xD800 <= ord(c) < 0xE000 for c in text)


def test_several_streams(pipeline):
    """Two streams in one request. Two events of different streams may have one meta.id."""
    first = made(pipeline, 600)
    second = pipeline.folder / 'second.jsonl'
    lines = []
    for event in all_events(first):
        event['meta'].update(stream='mediawiki.revision-create', topic='eqiad.mediawiki.revision-create')
        lines.append(json.dumps(event) + '\n')
    second.write_text(''.join(lines))
    s = Source(pipeline, first, '--rate', '300', '--from-start', '--stream', 'recentchange', '--stream',
               f'revision-create={second}', '--close-after', '1.5',
               source={'streams': ['recentchange', 'revision-create']})
    s.start().wait(1200)
    law(s.metrics_port)
    assert '/recentchange,revision-create' in s.replay.control()['last']['path']
    assert s.daemon.terminate()[0] == 0
    found = collections.Counter((e['meta']['stream'], e['meta']['id'])
                                for e in (json.loads(m.value()) for m in s.messages()))
    assert len(found) == 1200 and set(found.values()) == {1}
    assert {stream for stream, _ in found} == {'mediawiki.recentchange', 'mediawiki.revision-create'}

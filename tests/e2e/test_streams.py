# SPDX-License-Identifier: Apache-2.0
"""Wikimedia's other streams through wikisrcd: several at once, filtered by fields of each schema, personal data taken
out before Kafka, a topic for each, and from there into tables by routes that chsinkd suggests."""
import collections
import hashlib
import hmac
import json
import re
import signal
import subprocess
import uuid

from helpers import metrics, run_to_end
from pipeline import BUILD, ROOT, free_port, wait_until, write_whole
from test_modes import suggested_route
from test_source import law

PAGE_CHANGE, PAGE_CREATE = 'mediawiki.page_change.v1', 'page-create'
STREAMS = ('recentchange', PAGE_CHANGE, PAGE_CREATE)
KEY = '0123456789abcdef-of-a-test'
REDACT = {'user': 'hash', 'performer.user_text': 'hash', 'revision.editor.user_text': 'hash', 'comment': 'drop',
          'prior_state.revision.editor': 'drop', 'revision.comment': 'drop', 'parsedcomment': 'drop',
          'title_url': 'drop'}


def hash_of(name):
    return hmac.new(KEY.encode(), name.encode(), hashlib.sha256).hexdigest()


def templates():
    """An event of each schema, by its stream."""
    with open(ROOT / 'tests' / 'data' / 'streams.jsonl', encoding='utf-8') as lines:
        events = [json.loads(line) for line in lines]
    return {e['meta']['stream'].removeprefix('mediawiki.' if 'page_change' not in e['meta']['stream'] else ''): e
            for e in reversed(events)}


def personal(event, number):
    """Gives it a name that nobody else has, with odd characters; in every place that REDACT names."""
    name = ['Qzx{}Nobody', 'Qzx{}Né "quoted" \\ slash/ed', 'Qzx{}😀 用户', '2001:db8::Qzx{}'][number % 4].format(number)
    for place in (event, event.get('performer'), event.get('revision', {}).get('editor')):
        for key in ('user', 'user_text'):
            if isinstance(place, dict) and key in place:
                place[key] = name
    if 'prior_state' in event:
        event['prior_state']['revision']['editor'] = {'user_text': f'Qzx{number}Before'}
    for key in ('comment', 'parsedcomment', 'title_url'):
        if key in event:
            event[key] = f'said by {name}'
    if 'comment' in event.get('revision', {}):
        event['revision']['comment'] = f'/* {name} */'
    return name


def doubles(number):
    """Whether it has keys twice, which chsinkd has no single value for: a dead letter."""
    return number % 6 == 2


def odd_text(event, number):
    """The same event with keys that are escaped or there twice, texts escaped or not, white space."""
    text = json.dumps(event, ensure_ascii=number % 3 == 0, separators=(', ', ' : ') if number % 5 == 0 else (',', ':'))
    if number % 4 == 1:
        text = text.replace('"user_text"', '"user\\u005ftext"').replace('"user"', '"\\u0075ser"')
    if doubles(number):
        text = re.sub(r'"(user|user_text|comment)" ?: ?"', f'"\\1":"Qzx{number}Other","\\1":null,"\\1":"', text)
    return text.replace('Nobody', '\\u004eobody') if number % 7 == 3 else text


def make_streams(path, count):
    """`count` events of each stream in turn; what was made: {id: (stream, event, name)}."""
    made, lines = {}, []
    for number in range(count * len(STREAMS)):
        stream = STREAMS[number % len(STREAMS)]
        event = json.loads(json.dumps(templates()[stream]))
        turn = number // len(STREAMS)
        wiki, bot = ('enwiki', 'dewiki', 'frwiki')[turn % 3], turn % 4 == 0
        event['meta'].update(id=str(uuid.UUID(int=0x40008000000000000000 | (number << 80))),
                             dt=f'2026-03-01T00:{number // 60 % 60:02}:{number % 60:02}.{number % 1000:03}Z')
        if stream == 'recentchange':
            event.update(wiki=wiki, bot=bot, title=f'Page {turn}')
        elif stream == PAGE_CHANGE:
            event.update(wiki_id=wiki)
            event['page']['page_title'] = f'Page {turn}'
            event['performer'].update(is_bot=bot, groups=['user', 'sysop'] if turn % 5 == 0 else ['user'])
        else:
            event.update(database=wiki, page_title=f'Page {turn}')
            event['performer'].update(user_is_bot=bot)
        name = personal(event, number)
        made[event['meta']['id']] = (stream, event, name)
        lines.append(odd_text(event, number))
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return made


def wanted(made):
    """What the filter of the test lets through, as Python sees it."""
    def fits(stream, event):
        who = event.get('performer', {})
        wiki = event.get('wiki') or event.get('wiki_id') or event.get('database')
        bot = event.get('bot') or who.get('is_bot') or who.get('user_is_bot')
        return wiki != 'frwiki' and not bot and 'sysop' not in who.get('groups', [])
    return {i: v for i, v in made.items() if fits(*v[:2])}


def redacted(stream, event, name):
    """The event as it should be in Kafka."""
    event = json.loads(json.dumps(event))
    for key in ('comment', 'parsedcomment', 'title_url'):
        event.pop(key, None)
    if 'user' in event:
        event['user'] = hash_of(name)
    if 'performer' in event:
        event['performer']['user_text'] = hash_of(name)
    if stream == PAGE_CHANGE:
        del event['prior_state']['revision']['editor'], event['revision']['comment']
        event['revision']['editor']['user_text'] = hash_of(name)
    return event


def source(p, file, *args, replay=None, **options):
    streams = [a for s in STREAMS for a in ('--stream', s)]
    replay = replay or p.replay(file, '--fast', *streams, '--max-connections', '9')
    return p.wikisrcd(replay.url, args=args, source={'start': '2000-01-01T00:00:00Z', 'streams': list(STREAMS)},
                      redact=[{'path': path, 'action': action} for path, action in REDACT.items()],
                      redact_key=KEY, **options)


def taken_in(left_out):
    path = left_out[1]
    return f"  - {{ name: {path.replace('.', '_')}, type: Nullable(String), path: '$.{path}' }}"


def test_three_streams_filtered_and_redacted_into_tables(pipeline):
    p = pipeline
    file = p.folder / 'streams.jsonl'
    made = make_streams(file, 120)
    fits = wanted(made)
    counts = collections.Counter(stream for stream, *_ in fits.values())
    assert all(30 < counts[s] < 110 for s in STREAMS), counts
    topics = {'recentchange': p.topic, PAGE_CHANGE: f'changes-{p.tag}', PAGE_CREATE: f'creates-{p.tag}'}
    port = free_port()
    daemon = source(p, file, '-v', topics={s: t for s, t in topics.items() if s != 'recentchange'},
                    metrics={'listen': f'127.0.0.1:{port}'},
                    filter={'wiki': {'include': ['enwiki', 'dewiki']}, 'bot': 'exclude',
                            'fields': [{'path': 'performer.groups', 'not_in': ['sysop']}]}).start()
    wait_until(lambda: metrics(port)['wikisrcd_events_received_total'] >= len(made), 60, 'all events were received')
    law(port)
    assert daemon.terminate()[0] == 0, daemon.tail()

    for stream, topic in topics.items():
        messages = list(p.kafka.read(topic))
        ids = collections.Counter(json.loads(m.value())['meta']['id'] for m in messages)
        assert ids == collections.Counter(i for i, v in fits.items() if v[0] == stream), topic
        for m in messages:
            event = json.loads(m.value())
            for key in ('topic', 'partition', 'offset'):  # the service puts them in
                del event['meta'][key]
            assert event == redacted(*fits[event['meta']['id']]), m.value()
            assert dict(m.headers()) == {'wikisrcd-stream': event['meta']['stream'].encode(),
                                         'wikisrcd-id': event['meta']['id'].encode()}
            title = event.get('title') or event.get('page_title') or event['page']['page_title']
            assert m.key().decode() == title
            assert b'Qzx' not in m.value() + m.key() + repr(m.headers()).encode()
    assert 'Qzx' not in daemon.text()  # at debug

    routes, tables, left_out = [], {}, 0
    for stream, topic in topics.items():
        done = subprocess.run([BUILD / 'chsinkd', '-c', p.chsinkd(f'look-{stream}').args[2], '--schema', '100000',
                               '--topic', topic], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and 'Qzx' not in done.stdout, done
        routes.append(p.folder / f'route-{stream}.yaml')
        # It leaves out what is there twice in some; a person takes it all the same, and those are dead letters.
        text, taken = re.subn(r'^  # left out: (\S+) \(an object holds it twice\)$',
                              taken_in, suggested_route(done.stdout), flags=re.M)
        left_out += taken
        routes[-1].write_text(text)
        tables[stream] = re.search(r'^table: (\S+)$', routes[-1].read_text(), re.M).group(1)
    assert left_out
    try:
        once = p.chsinkd('suggested', args=['--once'], routes=[str(r) for r in routes])
        dead = {i for number, i in enumerate(made) if doubles(number) and i in fits}
        status, text = run_to_end(once, 90)
        assert dead and status == 0 and f'dead_lettered={len(dead)} ' in text, text
        assert {dict(m.headers())['wikisrcd-id'].decode() for m in p.kafka.read(p.dead)} == dead
        assert not [m for m in p.kafka.read(p.dead) if b'Qzx' in m.value() + repr(m.headers()).encode()]
        for stream, table in tables.items():
            rows = p.clickhouse.query(f'SELECT * FROM {table} FORMAT JSONEachRow')
            found = [json.loads(line) for line in rows.splitlines()]
            loads = {i: v for i, v in fits.items() if v[0] == stream and i not in dead}
            assert {r['meta_id'] for r in found} == loads.keys() and len(found) == len(loads)
            assert 'Qzx' not in rows
            column = 'user' if stream == 'recentchange' else 'performer_user_text'
            assert {r[column] for r in found} == {hash_of(v[2]) for v in loads.values()}
    finally:
        for table in tables.values():
            p.clickhouse.query(f'DROP TABLE IF EXISTS {table}')


def test_modes_show_the_redacted_form(pipeline):
    p = pipeline
    file = p.folder / 'streams.jsonl'
    made = make_streams(file, 20)
    path = source(p, file, filter={'fields': [{'path': 'performer.is_bt', 'not_in': ['x']}]}).args[2]
    whole = json.loads(open(path, encoding='utf-8').read())
    whole['redact'].append({'path': 'performer.user_txt', 'action': 'drop'})
    write_whole(p.folder / 'wikisrcd.yaml', json.dumps(whole))
    hashes = {hash_of(name)[:20] for _, _, name in made.values()}
    for mode in ('--sample', '--schema', '--produce'):
        done = subprocess.run([BUILD / 'wikisrcd', '-c', path, mode, '60'], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        assert 'Qzx' not in done.stdout + done.stderr and 'said by' not in done.stdout, (mode, done.stdout)
        told = [line for line in done.stderr.splitlines() if 'no event had a field that an option names' in line]
        assert len([t for t in told if 'performer.is_bt' in t]) == len(STREAMS), done.stderr
        # One line for each stream, with all that the options name for other streams.
        redact = [t for t in told if 'option=redact' in t and 'performer.user_txt' in t]
        assert {re.search(r'stream=(\S+)', t)[1] for t in redact} == {re.search(r'stream=(\S+)', t)[1] for t in told}
        assert len(redact) == len(STREAMS) and len(told) == 2 * len(STREAMS), done.stderr
        recent, = [t for t in redact if 'stream=mediawiki.recentchange' in t]
        assert 'performer.user_text' in recent and not re.search(r'field="user,', recent), recent
        assert mode != '--sample' or any(h in done.stdout for h in hashes), (mode, done.stdout)
    assert f'headers    wikisrcd-stream={PAGE_CHANGE} wikisrcd-id=' in done.stdout, done.stdout


def test_reload_redacts_from_then_on(pipeline):
    p = pipeline
    file = p.folder / 'streams.jsonl'
    made = make_streams(file, 60)
    port = free_port()
    replay = p.replay(file, '--rate', '60', '--from-start', *[a for s in STREAMS for a in ('--stream', s)])
    conf = {'metrics': {'listen': f'127.0.0.1:{port}'}, 'replay': replay}
    daemon = source(p, file, **conf, key='user')
    path = daemon.args[2]
    whole = json.loads(open(path, encoding='utf-8').read())
    write_whole(daemon.folder / 'wikisrcd.yaml', json.dumps({k: v for k, v in whole.items() if 'redact' not in k}))
    daemon.start()
    wait_until(lambda: metrics(port)['wikisrcd_events_received_total'] >= 30, 30, 'the first events')
    replay.control(pause=1)
    wait_until(lambda: metrics(port)['wikisrcd_events_received_total'] == replay.control()['head'], 10, 'a pause')
    before = int(metrics(port)['wikisrcd_events_received_total'])
    write_whole(daemon.folder / 'wikisrcd.yaml', json.dumps(whole))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: 'RELOADING=1' in daemon.messages and daemon.messages.count('READY=1') == 2, 10, 'reloaded')
    assert re.search(r'changed="?[^"\n]*redact[^"\n]*redact_key', daemon.text()) and KEY not in daemon.text()
    replay.control(pause=0)
    wait_until(lambda: metrics(port)['wikisrcd_events_received_total'] == len(made), 60, 'the others')
    assert daemon.terminate()[0] == 0, daemon.tail()
    bare = [m for m in p.kafka.read(p.topic) if b'Qzx' in m.value() + (m.key() or b'')]
    assert 0 < len(bare) == before < len(made)


def test_event_that_cannot_be_redacted(pipeline):
    """It is left out, counted and logged without its text; the stream goes on."""
    p = pipeline
    file = p.folder / 'streams.jsonl'
    made = make_streams(file, 10)
    lines = file.read_text().splitlines()
    lines[4] = lines[4][:-1] + ',"user":"Qzx\\ufffg"}'  # no such escape
    file.write_text('\n'.join(lines) + '\n')
    port = free_port()
    daemon = source(p, file, '-v', metrics={'listen': f'127.0.0.1:{port}'}).start()
    wait_until(lambda: metrics(port)['wikisrcd_events_received_total'] >= len(made), 60, 'all events were received')
    law(port)
    assert metrics(port)['wikisrcd_events_dropped_total{reason="not_redactable"}'] == 1
    assert daemon.terminate()[0] == 0, daemon.tail()
    assert 'cannot be redacted' in daemon.text() and 'Qzx' not in daemon.text()
    messages = list(p.kafka.read(p.topic))
    assert len(messages) == len(made) - 1 and not any(b'Qzx' in m.value() for m in messages)


def test_filter_that_never_finds_its_field(pipeline):
    """A warning, once, with option, field and stream; STATUS; a counter."""
    p = pipeline
    file = p.folder / 'streams.jsonl'
    made = make_streams(file, 150)
    port = free_port()
    daemon = source(p, file, metrics={'listen': f'127.0.0.1:{port}'},
                    filter={'fields': [{'path': 'performer.is_bot', 'in': ['false']}]}).start()
    wait_until(lambda: metrics(port)['wikisrcd_events_received_total'] >= len(made), 60, 'all events were received')
    wait_until(lambda: any('filter.fields: stream' in m for m in daemon.messages), 10, 'STATUS says it')
    status = [m for m in daemon.messages if 'filter.fields: stream' in m][-1]
    assert 'performer.is_bot, all its events are left out' in status and PAGE_CHANGE not in status
    law(port)
    assert metrics(port)['wikisrcd_filter_field_absent_total'] == 300
    told = [line for line in daemon.text().splitlines() if 'no event has a field that an option names' in line]
    assert len(told) == 2 and all('performer.is_bot' in line and 'WARN ' in line for line in told), told
    assert {'mediawiki.recentchange', 'mediawiki.page-create'} == set(re.findall(r'stream=(\S+)', '\n'.join(told)))
    assert daemon.terminate()[0] == 0, daemon.tail()
    values = [json.loads(m.value()) for m in p.kafka.read(p.topic)]
    assert len(values) == sum(v[0] == PAGE_CHANGE and not v[1]['performer']['is_bot'] for v in made.values())

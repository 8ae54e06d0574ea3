# SPDX-License-Identifier: Apache-2.0
"""wmfetchd between a real Keycloak, the API with its faults, a real Kafka, and chsinkd's table."""
import collections
import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

from browser import looked_at, page
from helpers import CONFIG, assert_ends, error_lines, http_get, its_end, metrics, one_lives, run_to_end, take
from pipeline import BUILD, ROOT, free_port, wait_until
from wm import APP, CLIENT_SECRET, END, START, USER_PASSWORD, WmPipeline, expected_rows, watermelon

HOUR = watermelon.HOUR_MS
SEED = int(os.environ.get('SEED', '1'))


@pytest.fixture
def pipeline(folder, kafka, clickhouse, keycloak, request):
    path = folder / re.sub(r'[^\w.-]', '_', request.node.name)
    path.mkdir()
    p = WmPipeline(path, kafka, clickhouse, keycloak)
    yield p
    p.close()


class Service:
    """wmfetchd as a service that catches up from `hours` ago, window by window."""

    def __init__(self, p, hours=24, size=2, transactions=20, overlap=0, **options):
        self.p, self.size, self.overlap = p, size * HOUR, overlap * HOUR
        self.start = (int(time.time() * 1000) // HOUR - hours) * HOUR
        # The last window ends one window's length ago, so that the hour may turn meanwhile.
        self.end = self.start + (hours // size - 1) * size * HOUR
        self.data = watermelon.Data(transactions)
        self.api = p.api('--transactions', transactions)
        self.metrics_port = free_port()
        options.setdefault('window', {})
        window = {'start': str(self.start), 'size': f'{size}h', 'delay': '0s', 'overlap': f'{overlap}h',
                  **options.pop('window')}
        self.daemon = p.wmfetchd(self.api, name='wmfetchd', window=window,
                                 metrics={'listen': f'127.0.0.1:{self.metrics_port}'}, **options)

    def begin(self, **kw):
        self.daemon.start(**kw)
        return self

    def position(self):
        """The end of what is in Kafka, by the topic of positions."""
        return self.p.position(APP)

    def wait(self, end=None, seconds=90):
        wanted = end or self.end
        wait_until(lambda: self.position() >= wanted or not self.daemon.running(), seconds,
                   f'position {wanted}:\n{self.daemon.tail(30)}', 0.2)
        assert self.daemon.running(), self.daemon.tail(30)
        return self

    def metric(self, name):
        return metrics(self.metrics_port)[name]

    def wanted(self, end):
        """The messages of all windows up to `end`, each as often as it must be there."""
        found = collections.Counter()
        for begin in range(self.start, end, self.size):
            found.update(self.data.pieces(APP, max(self.start, begin - self.overlap), begin + self.size))
        return found

    def finish(self, law=True):
        """Stops; each window's messages are in the topic once and nothing else, and the law holds."""
        if law:
            values = metrics(self.metrics_port)
            assert values['wmfetchd_elements_received_total'] == (
                values['wmfetchd_elements_delivered_total'] + values['wmfetchd_elements_refetched_total'] +
                values['wmfetchd_elements_in_flight']), values
        assert self.daemon.terminate(15)[0] == 0, self.daemon.tail()
        end = self.position()
        found = collections.Counter(m.value() for m in self.p.messages())
        wanted = self.wanted(end)
        missing, strange = wanted - found, found - wanted
        assert not missing and not strange, \
            f'{sum(missing.values())} messages missing, {sum(strange.values())} too many or strange'
        assert sum(wanted.values()) > 0
        self.p.assert_no_secrets()
        return found


def run(p, daemon, seconds=120):
    """As a person runs it, in the test's folder: (status, output)."""
    environment = {k: v for k, v in os.environ.items() if k not in ('JOURNAL_STREAM', 'NOTIFY_SOCKET')}
    done = subprocess.run(daemon.args, cwd=p.folder, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    with open(daemon.log, 'a', encoding='utf-8') as log:
        log.write(done.stdout)
    return done.returncode, done.stdout


def twelve_days(transactions=122):
    return list(watermelon.Data(transactions).pieces(APP, START, END))


# ---- a person's modes ----

GRANTS = {
    'password, public client': lambda p: p.auth('password'),
    'password, client with a secret': lambda p: p.auth('password', client_id='watermelon-confidential',
                                                       client_secret=p.secret('client-secret', CLIENT_SECRET)),
    'client credentials, Basic': lambda p: p.auth(client_auth='basic'),
    'client credentials, body': lambda p: p.auth(client_auth='body'),
    'client credentials, environment': lambda p: p.auth(client_secret={'env': 'WM_SECRET'}),
    'with a scope': lambda p: p.auth('password', scope='openid profile'),
}


@pytest.mark.parametrize('grant', GRANTS)
def test_auth_test(pipeline, grant, monkeypatch):
    """Token, one fetch, the sample saved; says what the token is good for and until when, never the token."""
    p = pipeline
    monkeypatch.setenv('WM_SECRET', CLIENT_SECRET)
    api = p.api('--transactions', 12)
    status, text = run(p, p.wmfetchd(api, args=('--auth-test',), auth=GRANTS[grant](p)))
    assert status == 0, text
    sample = p.folder / 'service_health_response.json'
    request, = api.requests()
    query = request['query']
    assert json.loads(sample.read_text()) == watermelon.Data(12).answer(
        APP, int(query['start_time']), int(query['end_time']), query['index'])
    assert 'watermelon-api' in text and p.keycloak.issuer in text, text
    assert re.search(r'\b(5\d|60) ?s\b', text), text
    p.assert_no_secrets()


WRONG = {
    'password': (lambda p: p.auth('password', password=p.secret('wrong', 'Wr0ng-pa55')), 'invalid_grant',
                 'auth.password'),
    'user': (lambda p: p.auth('password', user='nobody'), 'invalid_grant', 'auth.user'),
    'secret': (lambda p: p.auth(client_secret=p.secret('wrong', 'Wr0ng-53cret')), 'unauthorized_client',
               'auth.client_secret'),
    'client': (lambda p: p.auth(client_id='nobody'), 'invalid_client', 'auth.client_id'),
    'realm': (lambda p: p.auth(realm='melon'), '404', 'auth.realm'),
    'scope': (lambda p: p.auth(scope='no-such-scope'), 'invalid_scope', 'auth.scope'),
}


@pytest.mark.parametrize('what', WRONG)
def test_auth_test_refused(pipeline, what):
    """One line that names what Keycloak said and what to look at; no request to the API."""
    p = pipeline
    auth, *words = WRONG[what]
    api = p.api('--transactions', 2)
    status, text = run(p, p.wmfetchd(api, args=('--auth-test',), auth=auth(p)))
    assert status != 0 and len(error_lines(text)) <= 1, text
    assert all(w in text for w in words), text
    assert not api.requests()
    assert not (p.folder / 'service_health_response.json').exists()
    p.assert_no_secrets()


def test_init(pipeline):
    """A first configuration by flags, tried with a token and a fetch; a wrong secret is named and never shown."""
    p = pipeline
    api, ca, file = p.api('--transactions', 12), p.keycloak.ca, p.folder / 'made' / 'wmfetchd.yaml'
    answers = (f'api.url={api.url}', f'api.applications={APP}', f'api.tls.ca_file={ca}', f'auth.url={p.keycloak.url}',
               f'auth.tls.ca_file={ca}', 'auth.grant=client_credentials', 'auth.client_id=watermelon-confidential',
               f'auth.client_secret=@{p.secret("client-secret", CLIENT_SECRET)["file"]}',
               f'kafka.bootstrap.servers={p.kafka.servers}', f'topic={p.topic}')

    def init(*given):
        args = [a for answer in given for a in ('--answer', answer)]
        return run(p, p.process('init', [BUILD / 'wmfetchd', '--init', '-c', file, *args]))
    status, text = init(*answers)
    assert status == 0, text
    assert re.search(rf'works: the API at {api.url}: it takes our token; \d+ transactions of application {APP}', text)
    assert 'works: Kafka at ' in text and f'works: topic {p.topic}: not there yet' in text, text
    assert (file.parent / 'secrets' / 'auth-client-secret').read_text() == CLIENT_SECRET + '\n'
    assert CLIENT_SECRET not in file.read_text() and len(api.requests()) == 1
    status, text = init(f'auth.client_secret=@{p.secret("wrong", "Wr0ng-53cret")["file"]}')
    assert status != 0 and re.search('FAILS: the API at .*unauthorized_client', text), text
    p.assert_no_secrets()


def test_once_twice(pipeline):
    """The twelve days: one message for each of 122 transactions, the bytes as they came; a second time nothing new
    in the table."""
    p = pipeline
    api = p.api()
    pieces = twelve_days()
    dump = p.folder / 'api_response_debug.json'
    began = time.monotonic()
    status, text = run(p, p.once(api, args=('--dump', str(dump))))
    assert status == 0, text
    print(f'--once of {sum(map(len, pieces))} bytes: {time.monotonic() - began:.1f} s\n{text}')
    messages = p.messages()
    assert [m.value() for m in sorted(messages, key=lambda m: m.key())] == pieces
    assert {m.key().decode() for m in messages} == {str(700000 + t) for t in range(122)}
    assert json.loads(dump.read_bytes()) == [json.loads(piece) for piece in pieces]
    records = sum(len(json.loads(piece)['transactionSeries']) for piece in pieces)
    assert re.search(r'\b122\b', text) and str(records) in text.replace(',', ''), text
    p.load(batch={'rows': 5000})
    answer = [json.loads(piece) for piece in pieces]
    first = p.assert_table(answer)
    assert run(p, p.once(api))[0] == 0
    assert len(p.messages()) == 244
    p.load(batch={'rows': 5000})
    second = p.assert_table(answer)
    assert len(first) == len(second) == records
    # A new group, and the table as it was.
    p.clickhouse.query(f'DROP TABLE {p.table} SYNC')
    p.load(group=f'again-{p.tag}')
    assert len(p.assert_table(answer)) == records
    p.assert_no_secrets()


def test_dump(pipeline):
    """For nobody else to read, also where the file was there; a full disk does not undo what is committed."""
    p = pipeline
    api = p.api('--transactions', 2)
    dump = p.folder / 'answer.json'
    dump.write_text('old')
    dump.chmod(0o644)
    assert run(p, p.once(api, args=('--dump', str(dump))))[0] == 0
    assert dump.stat().st_mode & 0o777 == 0o600
    assert json.loads(dump.read_bytes()) == [json.loads(piece) for piece in twelve_days(2)]
    api.control({'cut_after': 300, 'times': -1})
    status, text = run(p, p.once(api, args=('--dump', str(dump)), api={'timeout': '5s'}))
    assert status == 69 and f'what came of the answer is in {dump}.part' in text, text
    part = p.folder / 'answer.json.part'
    assert part.stat().st_size == 300 and part.stat().st_mode & 0o777 == 0o600
    assert json.loads(dump.read_bytes())  # the whole one is still there
    dump.unlink()
    part.unlink()
    api.control({'reset': True})
    small = p.once(api, args=('--dump', str(dump)))
    small.args = ['/bin/bash', '-c', 'trap "" XFSZ; ulimit -f 8; exec "$@"', 'sh', *small.args]
    status, text = run(p, small)
    assert status == 78 and str(dump) in text and 'File too large' in text, text
    assert not list(p.folder.glob('answer.json*'))


def test_files_are_never_written_through_links(pipeline):
    """Somebody else has put a link in their place (in /tmp, say): refused, and what it points to stays as it is."""
    p = pipeline
    api = p.api('--transactions', 2)
    precious = p.folder / 'precious'
    precious.write_text('precious')
    precious.chmod(0o644)
    for name, daemon in (('answer.json', p.once(api, name='once', args=('--dump', str(p.folder / 'answer.json')))),
                         ('service_health_response.json',
                          p.wmfetchd(api, args=('--auth-test',), auth=p.auth('password')))):
        link = p.folder / name
        link.symlink_to(precious)
        status, text = run(p, daemon)
        assert status == 78 and name in text and 'symbolic link' in text, text
        assert precious.read_text() == 'precious' and precious.stat().st_mode & 0o777 == 0o644
        assert link.is_symlink() and not list(p.folder.glob(f'{name}.*'))
    assert not api.requests()
    # A name of somebody else's, which everybody may read: the new file is ours alone.
    link.unlink()
    link.hardlink_to(precious)
    status, text = run(p, p.wmfetchd(api, name='again', args=('--auth-test',), auth=p.auth('password')))
    assert status == 0, text
    assert precious.read_text() == 'precious' and link.stat().st_mode & 0o777 == 0o600
    # Nothing but files: a device would be replaced.
    status, text = run(p, p.once(api, name='device', args=('--dump', '/dev/null')))
    assert status == 78 and 'not a regular file' in text, text


def test_once_with_times_for_people(pipeline):
    """RFC 3339 and relative times are the same as milliseconds."""
    p = pipeline
    api = p.api('--transactions', 2)
    before = time.time() * 1000
    assert run(p, p.once(api, '2025-12-31T18:30:00Z', '2026-01-12T23:59:00+05:30'))[0] == 0
    assert run(p, p.once(api, '-12d', 'now'))[0] == 0
    exact, relative = [{k: int(r['query'][k]) for k in ('start_time', 'end_time')} for r in api.requests()]
    assert exact == {'start_time': START, 'end_time': END}
    assert 0 <= relative['end_time'] - before < 60000
    assert abs(relative['end_time'] - relative['start_time'] - 12 * 24 * HOUR) < 1000


@pytest.mark.parametrize('arguments', [('--once', '--start', 'yesterday', '--end', 'now'), ('--once', '--start', '-1d'),
                                       ('--once', '--start', 'now', '--end', '-1d'), ('--start', '-1d')])
def test_usage(pipeline, arguments):
    p = pipeline
    daemon = p.wmfetchd(p.api('--transactions', 2), args=arguments)
    status, text = run(p, daemon)
    if arguments == ('--once', '--start', '-1d'):
        assert status in (0, 64), text  # an end that is not given may be now
    else:
        assert status == 64 and '--' in text, text


def test_sample_and_schema(pipeline):
    """Prints transactions, or fields and types; writes nothing."""
    p = pipeline
    api = p.api('--transactions', 12)
    status, text = run(p, p.wmfetchd(api, args=('--sample', '3')))
    assert status == 0 and 'nothing was written' in text, text
    for transaction in watermelon.Data(3).answer(APP, START, END):
        assert transaction['transactionName'] in text and str(transaction['transactionId']) in text
    assert 'service-003' not in text
    status, text = run(p, p.wmfetchd(api, args=('--schema', '12')))
    assert status == 0, text
    for field in ('transactionName', 'transactionSeries', 'percentile95', 'ebBreached'):
        assert field in text
    assert p.messages() == []
    p.assert_no_secrets()


@pytest.mark.parametrize('args, status', [((), 0), (('--once', '--start', '-1d'), 1)], ids=['service', 'once'])
def test_stopped_while_it_waits_for_kafka(pipeline, args, status):
    """A stop is in order while the service starts; a range that is not loaded is not."""
    p = pipeline
    daemon = p.wmfetchd(p.api('--transactions', 2), args=args, kafka={'bootstrap.servers': f'127.0.0.1:{free_port()}'})
    daemon.start(timeout=0)
    wait_until(lambda: 'Connection refused' in daemon.text(), 20, daemon.tail)
    assert daemon.terminate(15)[0] == status, daemon.tail()
    assert not error_lines(daemon.text()), daemon.tail()


# ---- the service: nothing lost, nothing doubled ----

@pytest.mark.parametrize('hours', (-30, 30), ids=['ours is ahead', 'ours is behind'])
def test_series_begins_by_the_clock_of_the_api(pipeline, hours):
    """Where a series begins stays for good: the API's Date decides, not our clock."""
    s = Service(pipeline, size=1, window={'start': 'now'})
    s.api.control({'clock': hours * 3600})
    s.begin()
    wait_until(lambda: s.position() > 0, 60, s.daemon.tail)
    assert abs(s.position() - time.time() * 1000 - hours * HOUR) < 120_000, s.daemon.tail()
    wait_until(lambda: 'our clock differs' in s.daemon.text(), 20, s.daemon.tail)
    assert abs(s.metric('wmfetchd_clock_skew_seconds') - hours * 3600) < 120
    assert s.daemon.terminate(15)[0] == 0, s.daemon.tail()
    assert not s.api.requests()


def test_page(pipeline, browser):
    """The page at / in a browser: windows done and due, a failure, the token's life; no secret and no token."""
    p = pipeline
    service = Service(p, 60, size=1, api={'applications': [APP, 7]})
    service.api.control({'delay': 0.15, 'times': -1})
    service.begin()
    wait_until(lambda: service.metric('wmfetchd_windows_total{result="committed"}') >= 24, 60, '24 windows')
    service.api.control({'reset': True}, {'status': 503, 'times': -1})
    wait_until(lambda: 'failed, again in' in page(service.metrics_port), 60, 'a failure')
    looked_at(browser, service.metrics_port, 'wmfetchd', 'wmfetchd', 'Applications', str(APP), 'Windows of 1 h',
              'Token, life left', '503', 'not due yet', 'due at its end')
    text = page(service.metrics_port)
    p.assert_no_secrets_in(text.encode(), 'the page')
    assert service.daemon.terminate(15)[0] == 0, service.daemon.tail()


def test_killed_20_times_while_catching_up(pipeline):
    """Twelve days, window by window, kill -9 at random: each window's messages are in the topic once."""
    p = pipeline
    rng = random.Random(SEED)
    s = Service(p, hours=12 * 24, size=6, transactions=122)
    kills = int(os.environ.get('KILLS', '20'))
    for number in range(kills):
        s.begin(timeout=0)
        # Evenly over the way, at a random moment inside of a window; not a wait for luck.
        part = s.start + (s.end - s.start) * (number + 1) // (kills + 5)
        wait_until(lambda: s.position() >= part or len(s.api.requests()) > 6 * (number + 1), 60, s.daemon.tail, 0.02)
        time.sleep(rng.uniform(0, 0.3))
        assert s.daemon.running(), s.daemon.tail()
        s.daemon.kill()
    s.begin().wait(seconds=180)
    found = s.finish()
    wanted = {}
    for begin in range(s.start, s.position(), s.size):
        wanted.update(expected_rows(s.data.answer(APP, begin, begin + s.size)))
    print(f'{sum(found.values())} messages of {(s.position() - s.start) // s.size} windows, {len(wanted)} rows')
    p.load()
    assert p.table_rows().keys() == wanted.keys()


def test_overlap_brings_late_data(pipeline):
    """An hour that changes after it was fetched is fetched again with the next windows, and replaces the old one."""
    p = pipeline
    s = Service(p, hours=24, size=2, overlap=4, transactions=12, window={'delay': '12h'})
    s.begin().wait(s.start + 10 * HOUR)
    assert s.daemon.terminate()[0] == 0
    end = s.position()
    assert end < s.end - 4 * HOUR
    conf = json.loads((p.folder / 'wmfetchd.yaml').read_text())
    conf['window']['delay'] = '0s'
    (p.folder / 'wmfetchd.yaml').write_text(json.dumps(conf))
    before = list(s.wanted(end).elements())
    # What is newest changes: within the overlap.
    revise = {'from': end - 3 * HOUR, 'revision': 1}
    s.api.control({'revise': revise})
    s.begin().wait()
    assert s.daemon.terminate()[0] == 0
    s.data.revise_from, s.data.revision = revise['from'], revise['revision']
    p.load()
    wanted = expected_rows(s.data.answer(APP, s.start, s.position()))
    assert {k: {c: v for c, v in row.items() if c in wanted[k]} for k, row in p.table_rows().items()} == wanted
    assert wanted != {**wanted, **expected_rows(json.loads(b) for b in before)}


def test_several_applications_and_indexes(pipeline):
    """Each has a position of its own; one request at a time for an application."""
    p = pipeline
    s = Service(p, hours=48, size=24, transactions=5,
                api={'applications': ['31854', '77'], 'index': ['HOURLY', 'DAILY']})
    s.api.control({'rate': 200000, 'times': -1})
    s.begin()
    for app in (31854, 77):
        for index in ('HOURLY', 'DAILY'):
            wait_until(lambda a=app, i=index: p.position(a, i) >= s.end, 60, f'{app} {index}:\n{s.daemon.tail()}')
    assert s.daemon.terminate()[0] == 0
    assert s.api.control()['open_most'] <= 2
    wanted = collections.Counter()
    for app in (31854, 77):
        for index in ('HOURLY', 'DAILY'):
            for begin in range(s.start, p.position(app, index), s.size):
                wanted.update(s.data.pieces(app, begin, begin + s.size, index))
    assert collections.Counter(m.value() for m in p.messages()) == wanted


@pytest.mark.parametrize('fault, option', [
    ({'status': 403}, None), ({'status': 404}, None), ({'long_series': 3 << 20}, 'api.answer_bytes_max'),
    ({'long_series': 3 << 20}, 'api.element_bytes_max')], ids=['403', '404', 'answer too large', 'element too large'])
def test_one_application_holds_up_no_other(pipeline, fault, option):
    """What a person must mend for one of two, from the start on: the other goes on; SIGHUP says that it is mended."""
    p = pipeline
    api = {'applications': ['1', '2'], **({option.split('.')[1]: '1MiB'} if option else {})}
    s = Service(p, hours=12, size=2, transactions=3, api=api)
    s.api.control({**fault, 'application': 1, 'times': -1})
    s.begin()
    wait_until(lambda: p.position(2) >= s.end or not s.daemon.running(), 60, s.daemon.tail)
    assert s.daemon.running(), s.daemon.tail()
    assert p.position(1) == s.start
    error, = error_lines(s.daemon.text())  # not asked again for a minute
    assert 'application=1 ' in error and (option or str(fault['status'])) in error
    wait_until(lambda: any('1 of 2 series fails (1/HOURLY)' in m for m in s.daemon.messages), 20, lambda: s.daemon.messages[-1])
    s.api.control({'reset': True})
    s.daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: p.position(1) >= s.end or not s.daemon.running(), 60, s.daemon.tail)
    assert s.daemon.terminate()[0] == 0
    found = collections.Counter(m.value() for m in p.messages())
    wanted = collections.Counter()
    for app in (1, 2):
        for begin in range(s.start, p.position(app), s.size):
            wanted.update(s.data.pieces(app, begin, begin + s.size))
    assert found == wanted


def test_all_applications_refused(pipeline):
    """Where nothing works for any of them it is the configuration: the start ends with 78."""
    s = Service(pipeline, hours=12, size=2, transactions=3, api={'applications': ['1', '2']})
    s.api.control({'status': 403, 'times': -1})
    s.begin(timeout=0)
    assert s.daemon.process.wait(30) == 78, s.daemon.tail()
    assert {r['query']['application_id'] for r in s.api.requests()} == {'1', '2'}


def test_in_turn(pipeline):
    """An application added later has hundreds of windows to catch up with: the others are fetched in between."""
    p = pipeline
    s = Service(p, hours=20 * 24, size=1, transactions=2, api={'applications': ['2'], 'requests': 1},
                window={'delay': '12h'})
    s.api.control({'limit': 0, 'times': -1})
    s.begin()
    wait_until(lambda: p.position(2) >= s.end - 12 * HOUR, 120, s.daemon.tail)
    assert s.daemon.terminate()[0] == 0
    conf = json.loads((p.folder / 'wmfetchd.yaml').read_text())
    conf['window']['delay'] = '0s'
    conf['api']['applications'] = ['1', '2']
    (p.folder / 'wmfetchd.yaml').write_text(json.dumps(conf))
    before = len(s.api.requests())
    s.begin()
    wait_until(lambda: p.position(2) >= s.end, 120, s.daemon.tail)
    assert s.daemon.terminate()[0] == 0
    order = [r['query']['application_id'] for r in s.api.requests()[before:]]
    assert order[:20] == ['2', '1'] * 10, order


def test_slow_request_holds_up_no_other(pipeline):
    """One application's answer takes minutes: the others are fetched meanwhile, one request for each."""
    p = pipeline
    s = Service(p, hours=12, size=2, transactions=3, api={'applications': ['1', '2', '3'], 'index': ['HOURLY', 'DAILY']})
    s.api.control({'delay': 300, 'application': 1, 'times': -1})
    s.begin()
    wait_until(lambda: all(p.position(a, i) >= s.end for a in (2, 3) for i in ('HOURLY', 'DAILY')), 60, s.daemon.tail)
    assert p.position(1) == s.start
    assert [r['query']['application_id'] for r in s.api.requests()].count('1') == 1
    assert s.api.control()['open_most'] <= 2
    wait_until(lambda: 'STATUS=fetching 1/' in s.daemon.messages[-1], 20, lambda: s.daemon.messages[-1])
    assert s.daemon.terminate(15)[0] == 0, s.daemon.tail()


def test_frozen_instance_with_more_slots(pipeline):
    """Four windows under way when it freezes; another with one request at a time takes over and does them. What the
    first still has in hand when it thaws is committed by none of its ids."""
    p = pipeline
    apps = ['1', '2', '3', '4']
    s = Service(p, hours=12, size=2, transactions=10, api={'applications': apps, 'requests': 4})
    s.api.control({'delay': 300, 'times': 4})
    s.begin(timeout=0)
    wait_until(lambda: s.api.control()['open_most'] == 4, 60, s.daemon.tail)
    s.daemon.process.send_signal(signal.SIGSTOP)
    conf = json.loads((p.folder / 'wmfetchd.yaml').read_text())
    del conf['metrics']
    conf['api']['requests'] = 1
    second = p.wmfetchd(s.api, name='second', **{k: conf[k] for k in ('api', 'window')})
    second.start()
    wait_until(lambda: all(p.position(a) >= s.end for a in apps), 60, second.tail)
    s.api.control({'reset': True})  # what the first had asked for arrives
    s.daemon.process.send_signal(signal.SIGCONT)
    assert s.daemon.process.wait(60) != 0, s.daemon.tail()
    assert second.running()
    assert second.terminate(15)[0] == 0, second.tail()
    wanted = collections.Counter()
    for app in (1, 2, 3, 4):
        for begin in range(s.start, p.position(app), s.size):
            wanted.update(s.data.pieces(app, begin, begin + s.size))
    assert collections.Counter(m.value() for m in p.messages()) == wanted


def test_asked_to_wait_all_wait(pipeline):
    """429 is for whoever asks: no application's window is asked for meanwhile."""
    p = pipeline
    s = Service(p, hours=6, size=2, transactions=3, api={'applications': ['1', '2', '3']})
    s.api.control({'status': 429, 'retry_after': 3})
    s.begin()
    wait_until(lambda: all(p.position(a) >= s.end for a in (1, 2, 3)), 60, s.daemon.tail)
    requests = s.api.requests()
    refused, = [r for r in requests if r['status'] == 429]
    # Another may have been asked for at the same time.
    assert not [r for r in requests if 0.5 < r['at'] - refused['at'] < 3], requests
    assert [m for m in s.daemon.messages if 'STATUS=nothing is asked for another ' in m], s.daemon.messages
    assert s.daemon.terminate()[0] == 0


def test_wrong_secret_is_sent_once(pipeline):
    """Keycloak counts what is wrong: one application's attempt is that of all."""
    p = pipeline
    s = Service(p, hours=12 * 24, size=2, transactions=3, api={'applications': ['1', '2', '3', '4']},
                auth=p.auth(client_id='watermelon-short'))
    s.api.control({'delay': 0.3, 'times': -1})
    s.begin()
    committed = 'wmfetchd_windows_total{result="committed"}'
    wait_until(lambda: s.metric(committed) >= 8, 60, s.daemon.tail)
    try:
        p.keycloak.revoke('secret', 'watermelon-short', 'r0tated-S3cret')
        wait_until(lambda: error_lines(s.daemon.text()), 60, s.daemon.tail)
        p.secret('client-secret', 'r0tated-S3cret')
        s.daemon.process.send_signal(signal.SIGHUP)
        s.api.control({'reset': True})
        before = s.metric(committed)
        wait_until(lambda: s.metric(committed) >= before + 8, 60, s.daemon.tail)
        assert s.metric('wmfetchd_tokens_total{way="failed"}') == 1
        assert len(error_lines(s.daemon.text())) == 1
    finally:
        p.keycloak.revoke('secret', 'watermelon-short', CLIENT_SECRET)
    assert s.daemon.terminate()[0] == 0
    p.assert_no_secrets()


def test_position_shown_and_moved(pipeline):
    """--position shows all series and disturbs nobody; with --set it moves one: its windows from there come again, the
    other's do not. A service that runs is ended."""
    p = pipeline
    s = Service(p, hours=12, size=2, overlap=2, transactions=3, api={'applications': ['1', '2']})
    s.begin()
    wait_until(lambda: all(p.position(a) >= s.end for a in (1, 2)), 60, s.daemon.tail)
    conf = json.loads((p.folder / 'wmfetchd.yaml').read_text())

    def position(*args):
        return run(p, p.wmfetchd(s.api, name='look', args=('--position', *args),
                                 **{k: conf[k] for k in ('api', 'window', 'auth')}))

    def iso(ms):
        return time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(ms / 1000))

    status, text = position()
    assert status == 0 and [line.split()[:2] for line in text.splitlines()] == [
        [f'watermelon/{a}/HOURLY', iso(p.position(a))] for a in (1, 2)], text
    assert position('1/HOURLY') == (0, text.splitlines(keepends=True)[0])
    assert position('3/HOURLY')[0] == 64 and position('--set', '-1h')[0] == 64
    assert s.daemon.running()
    assert s.daemon.terminate(15)[0] == 0, s.daemon.tail()
    end, to = p.position(1), s.start + 6 * HOUR
    status, text = position('watermelon/1/HOURLY', '--set', str(to))
    assert status == 0 and f'old: {iso(end)}' in text and f'new: {iso(to)}' in text, text
    assert p.position(1) == to
    s.begin()
    wait_until(lambda: p.position(1) >= end, 60, s.daemon.tail)
    wanted = collections.Counter()
    for app, start in ((1, s.start), (2, s.start), (1, to)):
        for begin in range(start, end, s.size):
            wanted.update(s.data.pieces(app, max(start, begin - 2 * HOUR), begin + s.size))
    assert collections.Counter(m.value() for m in p.messages()) == wanted
    # With a window of each under way.
    assert s.daemon.terminate(15)[0] == 0, s.daemon.tail()
    assert [position(f'{a}/HOURLY', '--set', iso(to))[0] for a in (1, 2)] == [0, 0]
    s.api.control({'delay': 300, 'times': -1})
    s.begin()
    wait_until(lambda: s.api.control()['open'] == 2, 60, s.daemon.tail)
    assert position('1/HOURLY', '--set', iso(to - 4 * HOUR))[0] == 0
    s.api.control({'reset': True})
    assert s.daemon.process.wait(60) == 150, s.daemon.tail()
    assert (p.position(1), p.position(2)) == (to - 4 * HOUR, to)
    assert collections.Counter(m.value() for m in p.messages()) == wanted


def test_fenced_on_one_of_its_ids(pipeline):
    """Whoever takes over takes the first id first. One that took only another is gone: a restart, not the end."""
    p = pipeline
    s = Service(p, hours=12 * 24, size=2, transactions=3, api={'applications': ['1', '2']})
    s.api.control({'delay': 0.2, 'times': -1})
    committed = 'wmfetchd_windows_total{result="committed"}'
    s.begin()
    wait_until(lambda: s.metric(committed) >= 4, 60, s.daemon.tail)
    take(p, 'wmfetchd-watermelon/1')
    assert_ends(its_end(s.daemon, 60), 1, 'fenced by nobody that is still there', 'wmfetchd-watermelon/1')
    s.begin()
    wait_until(lambda: s.metric(committed) >= 4, 60, s.daemon.tail)
    assert s.daemon.terminate(15)[0] == 0, s.daemon.tail()


def test_two_at_once(pipeline):
    """Two instances start in the same moment and each gets some of the ids: exactly one lives."""
    p = pipeline
    apps = ['1', '2', '3', '4']
    # So many windows that the older one is still at work when the newer one fences it: one with nothing to do until the
    # next hour would not see it before.
    s = Service(p, hours=96, size=2, transactions=3, api={'applications': apps})
    conf = json.loads((p.folder / 'wmfetchd.yaml').read_text())
    other = p.wmfetchd(s.api, name='other', **{k: conf[k] for k in ('api', 'window', 'auth')})
    alive, _ = one_lives([s.daemon, other])

    def all_done():
        if not alive.running():  # what it lost to the other it gets back by a restart
            assert alive.process.returncode == 1, alive.tail()
            alive.start(timeout=0)
        return all(p.position(a) >= s.end for a in apps)

    wait_until(all_done, 60, 'all windows')
    assert alive.terminate(15)[0] == 0, alive.tail()
    wanted = collections.Counter()
    for app in map(int, apps):
        for begin in range(s.start, p.position(app), s.size):
            wanted.update(s.data.pieces(app, begin, begin + s.size))
    assert collections.Counter(m.value() for m in p.messages()) == wanted


# ---- what the API can do wrong ----

FAULTS = {
    '401 once': ([{'status': 401}], ['the API refuses the token']),
    '429 seconds': ([{'status': 429, 'retry_after': 2}], ['429']),
    '429 date': ([{'status': 429, 'retry_after': 'date:3'}], ['429']),
    '429 without': ([{'status': 429}], ['429']),
    '500 three times': ([{'status': 500, 'times': 3}], ['500']),
    '503 with Retry-After': ([{'status': 503, 'retry_after': 2}], ['503']),
    'stall before the first byte': ([{'stall_after': 0}], ['no whole answer']),
    'stall in the middle': ([{'stall_after': 20000}], ['no whole answer']),
    'cut': ([{'cut_after': 20000}], ['no whole answer']),
    'cut by a reset': ([{'cut_after': 20000, 'cut': 'rst'}], ['no whole answer']),
    'cut, but orderly': ([{'cut_after': 20000, 'cut': 'chunk'}], ['end']),
    'cut in gzip': ([{'cut_after': 3000, 'gzip': True}], ['no whole answer']),
    'cut at several places': ([{'cut_after': n} for n in (1, 2, 999, 30001)], ['no whole answer']),
    'HTML with 200': ([{'shape': 'html'}], ['DOCTYPE']),
    'an object without an array': ([{'shape': 'no-array'}], ['not what was expected']),
    'a number': ([{'shape': 'number'}], ['begins with: 42']),
    'null': ([{'shape': 'null'}], ['begins with: null']),
    'a string': ([{'shape': 'string'}], ['temporarily']),
    'nothing': ([{'shape': 'empty'}], []),
    'an array of numbers': ([{'shape': 'numbers'}], []),
    'an error among transactions': ([{'shape': 'error-in-array'}], []),
    'not quite JSON': ([{'shape': 'not-json'}], []),
    'text after the end': ([{'shape': 'trailing'}], []),
    'a redirect': ([{'redirect': '/elsewhere'}], ['redirect']),
    '403': ([{'status': 403}], ['403', 'role']),
}


PERSON_MUST_ACT = ('a redirect', '403')


@pytest.mark.parametrize('fault', FAULTS)
def test_fault(pipeline, fault):
    """In the middle of catching up: a line that says what is wrong, nothing lost or doubled, and it goes on."""
    commands, words = FAULTS[fault]
    s = Service(pipeline, hours=12, size=2, api={'stall_timeout': '1s'})
    s.api.control({'times': 2}, *commands)
    s.begin(timeout=0)
    if fault in PERSON_MUST_ACT:  # asked again after a minute, or when a person says that it is mended
        wait_until(lambda: error_lines(s.daemon.text()), 40, 'an error line')
        assert s.position() == s.start + 2 * s.size
        s.daemon.process.send_signal(signal.SIGHUP)
    s.wait()
    assert not s.api.control()['faults']
    lines = [line for line in s.daemon.text().splitlines() if re.match(r'\S+ (WARN|ERROR|INFO) ', line)]
    for word in words:
        assert any(word in line for line in lines), f'{word}:\n{s.daemon.tail(30)}'
    s.finish()


def test_kafka_frozen_inside_a_window(pipeline):
    """An answer that takes long (40 s) fills one transaction. That Kafka takes nothing of it shows before its end."""
    s = Service(pipeline, hours=12, size=2, transactions=100)
    s.api.control({'times': 2}, {'rate': 4000})
    s.begin()
    wait_until(lambda: s.metric('wmfetchd_windows_total{result="committed"}') == 2 and
               s.metric('wmfetchd_elements_in_flight') > 0, 40, 'inside a window')
    assert http_get(s.metrics_port, '/readyz')[0] == 200
    with pipeline.kafka.frozen():
        wait_until(lambda: http_get(s.metrics_port, '/readyz') == (503, 'Kafka does not answer\n'), 25, 'not ready')
        assert 'WARN   wmfetchd: Kafka does not answer' in s.daemon.text(), s.daemon.tail()
        assert s.metric('wmfetchd_windows_total{result="committed"}') == 2
    wait_until(lambda: http_get(s.metrics_port, '/readyz')[0] == 200, 40, 'ready again')
    assert 'Kafka answers again' in s.daemon.text(), s.daemon.tail()
    s.api.control({'reset': True})
    s.wait()
    s.finish()


# ---- an answer that says itself that it is not whole ----

FAILED = {
    'status': ({'wrap': 'data', 'limit': 0, 'before': {'status': 'ERROR', 'message': 'shard 3 is away'}},
               'status is "ERROR" (message: "shard 3 is away")'),
    'errors behind the array': ({'wrap': 'records', 'limit': 0, 'after': {'errors': ['timeout']}},
                                'errors is ["timeout"]'),
    'success': ({'wrap': 'series', 'limit': 2, 'after': {'success': False}}, 'success is false'),
    'no content': ({'status': 204}, 'api.answer.accept_no_content'),
    'null': ({'shape': 'null-data'}, 'null instead of its array'),
}
PARTS = {
    'page 1 of 14': ({'wrap': 'data', 'limit': 5, 'before': {'page': 1, 'totalPages': 14}}, 'totalPages is 14'),
    'hasMore': ({'wrap': 'data', 'limit': 5, 'after': {'hasMore': True}}, 'hasMore is true'),
    'next': ({'wrap': 'data', 'limit': 5, 'after': {'links': {'next': '/all?page=2'}}}, 'links.next is "/all?page=2"'),
    'total': ({'wrap': 'data', 'limit': 5, 'before': {'total': 20}}, 'total is 20'),
    'Link': ({'limit': 5, 'headers': {'Link': '</all?page=0>; rel="first", </all?page=1>; rel="next"'}}, 'rel="next"'),
    'X-Total-Count': ({'limit': 5, 'headers': {'X-Total-Count': '20'}}, 'X-Total-Count is 20'),
}


def unquoted(text):
    """Quotes of an error as they were."""
    return text.replace('\\"', '"')


def test_answer_says_that_it_failed(pipeline):
    """In the middle of catching up: said with its words, nothing of it is written, the window is asked for again."""
    s = Service(pipeline, hours=12, size=2)
    s.api.control({'times': 2}, *(fault for fault, _ in FAILED.values()))
    s.begin(timeout=0).wait()
    assert not s.api.control()['faults']
    for _, words in FAILED.values():
        assert words in unquoted(s.daemon.text()), f'{words}:\n{s.daemon.tail(30)}'
    s.finish()


def test_answer_is_a_part(pipeline):
    """Pages are not followed: an error that says by what it is known, the position stays, a person says try again."""
    s = Service(pipeline, hours=20, size=2)
    s.api.control({'times': 2}, *(one for fault, _ in PARTS.values() for one in (fault, {'times': 1})))
    s.begin(timeout=0)
    for number, (_, words) in enumerate(PARTS.values(), 1):
        wait_until(lambda n=number: len(error_lines(s.daemon.text())) >= n, 40, s.daemon.tail)
        assert words in unquoted(error_lines(s.daemon.text())[-1]), s.daemon.tail()
        assert s.position() == s.start + (1 + number) * s.size
        s.daemon.process.send_signal(signal.SIGHUP)
    s.wait()
    s.finish()


def test_once_refuses_a_part(pipeline):
    """Nothing is written, and a person reads what to do; with `total` ignored the same answer counts."""
    p = pipeline
    api = p.api('--transactions', 5)
    fault, words = {'wrap': 'data', 'before': {'total': 300, 'status': 'FRESH'}, 'times': -1}, 'total is 300'
    api.control(fault)
    answer = {'require': {'status': 'FRESH|CACHED'}}
    status, text = run(p, p.once(api, api={'answer': answer}))
    assert status == 78 and words in text and 'api.answer.ignore' in text, text
    assert p.messages() == []
    status, text = run(p, p.once(api, api={'answer': {**answer, 'ignore': ['total']}}))
    assert status == 0, text
    assert len(p.messages()) == 5


def test_empty_windows(pipeline):
    """One after another they count, and are said; so is their end."""
    s = Service(pipeline, hours=20, size=1, transactions=3)
    s.api.control({'limit': 0, 'times': 12})
    s.begin().wait()
    lines = [line for line in s.daemon.text().splitlines() if 'in a row without a record' in line]
    assert [int(re.search(r'windows=(\d+)', line)[1]) for line in lines] == [3, 10], s.daemon.tail(30)
    assert 'windows have records again' in s.daemon.text()
    assert s.metric('wmfetchd_windows_empty_total') >= 12
    s.api.control({'reset': True})
    assert s.daemon.terminate()[0] == 0


def test_another_api(pipeline):
    """Another path, other names and headers, seconds, a wrapped array, another key: the bytes stay as they came."""
    p = pipeline
    form = {'path': '/v2/all', 'application': 'app', 'index': '', 'start': 'from', 'end': 'to', 'time': 's', 'range': '',
            'wrap': 'result.items', 'headers': {'X-Tenant': 'n0rth-Tenant'},
            'members': {'transactionId': 'id', 'transactionSeries': 'values'}}
    path = p.folder / 'form.json'
    path.write_text(json.dumps(form))
    api = p.api('--transactions', 12, '--form', path)
    path.unlink()
    options = {'path': '/v2/all', 'names': {'application': 'app', 'index': ''},
               'time': {'start': 'from', 'end': 'to', 'format': 's', 'range': ''},
               'headers': {'X-Tenant': p.secret('wrong', 'n0rth-Tenant')}, 'answer': {'array': 'result.items'},
               'record': {'key': ['id'], 'series': 'values'}}
    status, text = run(p, p.once(api, api=options))
    assert status == 0, text
    wanted = [piece.replace(b'"transactionId":', b'"id":').replace(b'"transactionSeries":', b'"values":')
              for piece in twelve_days(12)]
    messages = sorted(p.messages(), key=lambda m: m.key())
    assert [m.value() for m in messages] == wanted
    assert [m.key().decode() for m in messages] == [str(700000 + t) for t in range(12)]
    request, = api.requests()
    assert request['query'] == {'app': str(APP), 'from': str(START // 1000), 'to': str(END // 1000)}
    status, text = run(p, p.once(api, start=START + 1, api=options))
    assert status == 64 and 'whole second' in text, text
    status, text = run(p, p.once(api, start='-2h', end='now', api=options))
    assert status == 0, text
    p.assert_no_secrets()


@pytest.mark.parametrize('fault', [{'gzip': True}, {'wrap': 'data'}, {'wrap': 'records'}, {'wrap': 'series'},
                                   {'rate': 300000}, {'wrap': 'data', 'gzip': True, 'rate': 100000}],
                         ids=lambda f: ' '.join(f))
def test_shape(pipeline, fault):
    """What is no fault: the shape is found out, the bytes of the transactions stay as they are."""
    s = Service(pipeline, hours=12, size=2)
    s.api.control({**fault, 'times': -1})
    s.begin().wait()
    assert not error_lines(s.daemon.text()), s.daemon.tail()
    s.finish()
    if 'gzip' in fault:
        assert all('gzip' in r['encoding'] for r in s.api.requests())


@pytest.mark.parametrize('after', ['3', 'date:4'])
def test_retry_after_is_obeyed(pipeline, after):
    """Seconds or a date: not asked again before."""
    s = Service(pipeline, hours=6, size=2, transactions=3)
    s.api.control({'times': 1}, {'status': 429, 'retry_after': after})
    s.begin(timeout=0).wait()
    requests = s.api.requests()
    assert [r['status'] for r in requests[:3]] == [200, 429, 200]
    assert requests[2]['at'] - requests[1]['at'] >= 3, requests
    s.finish()


def test_back_off_grows(pipeline):
    """500 again and again: asked less and less often, and not in step."""
    s = Service(pipeline, hours=6, size=2, transactions=3)
    s.api.control({'status': 500, 'times': 6})
    s.begin().wait(seconds=180)
    times = [r['at'] for r in s.api.requests()]
    waits = [b - a for a, b in zip(times[:6], times[1:7])]
    # Each is random between half a second and 1, 2, 4 … 32 s: that none of them is above 1.5 s happens once in
    # 20,000 runs; without growth none could be (the backoff itself is tested by tests/unit/lib/check_backoff.c).
    assert min(waits) >= 0.49 and max(waits) > 1.5, waits
    s.finish()


def test_answer_too_large(pipeline):
    """Beyond api.answer_bytes_max: an error that names the option; nothing is written."""
    p = pipeline
    api = p.api('--transactions', 20)
    status, text = run(p, p.once(api, api={'answer_bytes_max': '100KiB'}))
    assert status != 0 and 'answer_bytes_max' in text, text
    assert p.messages() == []


def test_window_that_cannot_be_read_is_passed(pipeline):
    """A byte of Latin-1 in one window: it is a dead letter, in one transaction with the position behind it. What is bad
    in an overlap costs nothing: neither the window before nor those after."""
    p = pipeline
    dead = f'wmfetchd-dead-letters-{p.tag}'
    s = Service(p, hours=16, size=2, overlap=2, transactions=3, dead_letter_topic=dead,
                window={'give_up_after': 2, 'give_up_time': 0})
    bad = s.start + 5 * HOUR - HOUR // 4
    s.api.control({'latin1': bad, 'times': -1})
    s.begin().wait()
    passed = s.metric('wmfetchd_windows_total{result="passed"}')
    assert s.daemon.terminate(15)[0] == 0, s.daemon.tail()
    assert passed == 1
    letter, = p.kafka.read(dead)
    headers = {name: value.decode() for name, value in letter.headers()}
    assert letter.key().decode() == f'watermelon/{APP}/HOURLY'
    assert headers['wmfetchd-window'] == f'{APP}/HOURLY/{s.start + 4 * HOUR}/{s.start + 6 * HOUR}'
    assert 'UTF-8' in headers['wmfetchd-reason'] and headers['wmfetchd-begin'].startswith('[{"')
    assert b'caf\xe9 ' in letter.value() and len(letter.value()) <= 32768
    assert [line for line in error_lines(s.daemon.text()) if 'window passed' in line and dead in line]
    wanted = collections.Counter()
    for begin in range(s.start, s.position(), s.size):
        if begin != s.start + 4 * HOUR:
            overlap = 0 if begin in (s.start, s.start + 6 * HOUR) else 2 * HOUR
            wanted.update(s.data.pieces(APP, begin - overlap, begin + s.size))
    assert collections.Counter(m.value() for m in p.messages()) == wanted
    ranges = [tuple(int(r['query'][k]) for k in ('start_time', 'end_time')) for r in s.api.requests()]
    assert ranges.count((s.start + 2 * HOUR, s.start + 6 * HOUR)) == 2
    assert ranges.count((s.start + 4 * HOUR, s.start + 6 * HOUR)) == 2


def test_record_too_large_is_passed(pipeline):
    """The only application, so that nothing else works: a limit of ours would end the start with 78."""
    p = pipeline
    dead = f'wmfetchd-dead-letters-{p.tag}'
    s = Service(p, hours=8, size=2, transactions=3, api={'element_bytes_max': '1MiB'}, dead_letter_topic=dead,
                window={'give_up_after': 2, 'give_up_time': 0})
    s.api.control({'long_series': 3 << 20, 'times': 2})
    s.begin().wait()
    assert s.daemon.terminate(15)[0] == 0, s.daemon.tail()
    letter, = p.kafka.read(dead)
    assert 'api.element_bytes_max' in dict(letter.headers())['wmfetchd-reason'].decode()
    assert letter.value().startswith(b'{"transactionName"') and len(letter.value()) == 32768
    wanted = collections.Counter()
    for begin in range(s.start + s.size, s.position(), s.size):
        wanted.update(s.data.pieces(APP, begin, begin + s.size))
    assert collections.Counter(m.value() for m in p.messages()) == wanted


def test_window_is_not_passed_for_what_the_far_side_says(pipeline):
    """A page of HTML, a refusal, an answer that breaks off: however often, they are waited for."""
    p = pipeline
    s = Service(p, hours=6, size=2, transactions=3, window={'give_up_after': 1, 'give_up_time': 0},
                dead_letter_topic=f'wmfetchd-dead-letters-{p.tag}')
    s.api.control({'shape': 'html', 'times': 2}, {'cut_after': 500}, {'status': 503}, {'status': 500},
                  {'shape': 'no-array'})
    s.begin().wait()
    assert s.metric('wmfetchd_windows_total{result="passed"}') == 0
    assert s.metric('wmfetchd_windows_total{result="failed"}') == 6
    s.finish()


def test_bad_minute_costs_no_window(pipeline):
    """More unreadable answers than tries, but over seconds: the window waits for a good one."""
    p = pipeline
    s = Service(p, hours=6, size=2, transactions=3, window={'give_up_after': 1},
                dead_letter_topic=f'wmfetchd-dead-letters-{p.tag}')
    s.api.control({'shape': 'not-json', 'times': 3})
    s.begin().wait()
    assert s.metric('wmfetchd_windows_total{result="passed"}') == 0
    assert s.metric('wmfetchd_windows_total{result="failed"}') == 3
    s.finish()


def test_transaction_larger_than_a_message(pipeline):
    """Is split by its series: every record once, the fields around it on each part."""
    p = pipeline
    api = p.api()
    size = 20 << 20
    api.control({'long_series': size})
    p.kafka.create(p.topic, 2)  # with the broker's max.message.bytes, 16 MiB
    status, text = run(p, p.once(api, message_bytes_max='2MiB'))
    assert status == 0, text
    messages = p.messages()
    assert len(messages) >= size // (2 << 20) and {m.key() for m in messages} == {b'700000'}
    parts = [json.loads(m.value()) for m in messages]
    wanted, = json.loads(b'[' + b''.join(watermelon.Data().long_series(APP, size, END)) + b']')
    found = sorted((e for part in parts for e in part['transactionSeries']), key=lambda e: -e['timestamp'])
    assert found == wanted['transactionSeries']
    head = {k: v for k, v in wanted.items() if k != 'transactionSeries'}
    assert all({k: v for k, v in part.items() if k != 'transactionSeries'} == head for part in parts)
    p.load()
    assert p.table_rows().keys() == expected_rows([wanted]).keys()


@pytest.mark.parametrize('size', [28 * 10 ** 6, 10 ** 9])
def test_memory_is_flat(pipeline, size):
    """1 GB in under 32 MB, as the twelve days of the example."""
    p = pipeline
    api = p.api()
    if size > 10 ** 8:
        api.control({'huge': size})
    daemon = p.once(api).start(timeout=0)
    peak = 0
    began = time.monotonic()
    while daemon.process.poll() is None:
        assert time.monotonic() - began < 600, daemon.tail()
        try:
            with open(f'/proc/{daemon.process.pid}/status', encoding='ascii') as status:
                peak = max([peak] + [int(line.split()[1]) for line in status if line.startswith('VmHWM')])
        except OSError:
            pass
        time.sleep(0.05)
    assert daemon.process.returncode == 0, daemon.tail()
    sent = api.requests()[0]['sent']
    print(f'{sent} bytes in {time.monotonic() - began:.1f} s, peak {peak} kB')
    assert sent >= size and 0 < peak < 32 * 1024
    number = sum(1 for _ in p.kafka.read(p.topic))
    assert number == (sum(1 for _ in watermelon.Data().huge(APP, size, START, END)) if size > 10 ** 8 else 122)


# ---- tokens ----

def test_token_revoked_in_the_middle_of_its_life(pipeline):
    """Not-before at the realm, then the user's logout: a 401, one new token, and it goes on."""
    s = Service(pipeline, hours=48, size=2, transactions=40, auth=pipeline.auth('password'))
    s.api.control({'rate': 150000, 'times': -1})
    s.begin(timeout=0)
    s.wait(s.start + 4 * HOUR)
    for revoke in (('not-before',), ('logout', 'pipeline')):
        before = s.metric('wmfetchd_tokens_refused_total')
        pipeline.keycloak.revoke(*revoke)
        wait_until(lambda b=before: s.metric('wmfetchd_tokens_refused_total') > b, 60, 'a refused token')
    s.wait()
    assert s.metric('wmfetchd_tokens_refused_total') == 2
    assert not error_lines(s.daemon.text()), s.daemon.tail()
    statuses = [r['status'] for r in s.api.requests() if r['status']]  # without the one under way
    assert statuses.count(401) == 2 and set(statuses) == {200, 401}
    s.finish()


def test_tokens_are_renewed_before_their_end(pipeline):
    """Tokens of 5 s for some 20 s of work: the API never sees one that has ended, and few are asked for."""
    s = Service(pipeline, hours=48, size=2, transactions=40, auth=pipeline.auth(client_id='watermelon-short'))
    s.api.control({'delay': 1, 'times': -1})
    s.begin(timeout=0)
    s.wait(seconds=120)
    requests = [r for r in s.api.requests() if r['status']]  # without the one under way
    assert {r['status'] for r in requests} == {200}
    seconds = requests[-1]['at'] - requests[0]['at']
    tokens = len({r['token'] for r in requests})
    assert seconds > 15 and seconds / 5 <= tokens <= seconds / 3 + 2, (seconds, tokens)
    s.finish()


def test_refreshed_where_there_is_a_refresh_token(pipeline):
    """The password grant gives one: the password is sent once."""
    s = Service(pipeline, hours=24, size=2, transactions=20,
                auth=pipeline.auth('password', client_id='watermelon-short',
                                   client_secret=pipeline.secret('client-secret', CLIENT_SECRET)))
    s.api.control({'delay': 1, 'times': -1})
    s.begin(timeout=0).wait(seconds=120)
    assert s.metric('wmfetchd_tokens_total{way="grant"}') == 1
    assert s.metric('wmfetchd_tokens_total{way="refresh"}') >= 1
    s.finish()


def test_one_token_for_all(pipeline):
    """Several applications at once share a token, and a renewal."""
    p = pipeline
    s = Service(p, hours=12, size=2, transactions=5, api={'applications': [str(a) for a in range(1, 9)]})
    s.begin()
    wait_until(lambda: all(p.position(a) >= s.end for a in range(1, 9)), 60, s.daemon.tail)
    assert s.metric('wmfetchd_tokens_total{way="grant"}') == 1
    assert len({r['token'] for r in s.api.requests()}) == 1
    p.keycloak.revoke('not-before')
    assert s.daemon.terminate()[0] == 0


def stop_and_refuse(s):
    """A window or two are committed; then it is killed."""
    s.api.control({'delay': 0.5, 'times': -1})
    s.begin()
    s.wait(s.start + 4 * HOUR)
    s.daemon.kill()
    s.daemon.log.unlink()
    s.api.control({'reset': True})


def test_front_refuses_at_the_start(pipeline):
    """At boot a front answers for the API. That it has worked before stands in Kafka: it waits, and says so once."""
    s = Service(pipeline, hours=48, size=2, transactions=5)
    stop_and_refuse(s)
    for status in (302, 403, 404):
        s.api.control({'reset': True}, {'status': status, 'times': -1})
        s.daemon.start()
        wait_until(lambda: error_lines(s.daemon.text()) or not s.daemon.running(), 40, s.daemon.tail)
        wait_until(lambda: s.daemon.running() and s.metric('wmfetchd_refused_seconds') > 0, 20, s.daemon.tail)
        error, = error_lines(s.daemon.text())
        assert str(status) in error and 'tried again' in error, error
        s.daemon.kill()
        s.daemon.log.unlink()
    s.api.control({'reset': True}, {'status': 404, 'times': 1})
    s.daemon.start()
    wait_until(lambda: error_lines(s.daemon.text()), 40, s.daemon.tail)
    s.daemon.process.send_signal(signal.SIGHUP)  # instead of waiting for a minute
    s.wait(seconds=120)
    assert 'no longer refused' in s.daemon.text() and s.metric('wmfetchd_refused_seconds') == 0
    s.finish()


def test_password_refused_after_it_had_worked(pipeline):
    """At boot, and for all applications: Keycloak is asked for a token as seldom as for one, so that no account is
    locked; a reload with the right password tries at once."""
    p = pipeline
    s = Service(p, hours=48, size=2, transactions=5, auth=p.auth('password'), api={'applications': [str(APP), '2', '3']})
    stop_and_refuse(s)
    p.secret('user-password', 'Wr0ng-pa55')
    s.daemon.start()
    refused = 'wmfetchd_credentials_refused'
    wait_until(lambda: s.metric(refused) >= 1 or not s.daemon.running(), 40, s.daemon.tail)
    wait_until(lambda: s.metric(refused) == 2, 60, 'the second try, after 10 s')
    for _ in range(5):  # not for being asked
        s.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda n=s.daemon.messages.count('READY=1'): s.daemon.messages.count('READY=1') > n, 20, 'a reload')
    assert s.metric(refused) == s.metric('wmfetchd_tokens_total{way="failed"}') == 2
    error, = error_lines(s.daemon.text())
    assert 'invalid_grant' in error and 'Invalid user credentials' in error, error
    assert http_get(s.metrics_port, '/readyz')[0] == 503
    p.secret('user-password', USER_PASSWORD)
    s.daemon.process.send_signal(signal.SIGHUP)
    s.wait(seconds=120)
    assert s.metric(refused) == 0 and http_get(s.metrics_port, '/readyz')[0] == 200
    assert s.daemon.terminate()[0] == 0
    p.assert_no_secrets()


def test_every_token_refused(pipeline):
    """A 401 for a token that Keycloak has just given ends a start with 78 and a clear error; goes on when it is mended."""
    s = Service(pipeline, hours=12, size=2, transactions=5)
    s.api.control({'status': 401, 'times': -1})
    s.begin(timeout=0)
    assert s.daemon.process.wait(30) == 78, s.daemon.tail()
    assert '401' in '\n'.join(error_lines(s.daemon.text()))
    assert len(s.api.requests()) <= 4
    s.api.control({'reset': True})
    s.begin(timeout=0)
    s.wait(seconds=120)
    s.finish()


def test_secret_rotated(pipeline):
    """Keycloak has another secret: an error that names it; the new one by SIGHUP, and it goes on."""
    p = pipeline
    auth = p.auth(client_id='watermelon-short')
    s = Service(p, hours=48, size=2, transactions=10, auth=auth)
    s.api.control({'delay': 1, 'times': -1})
    s.begin(timeout=0)
    s.wait(s.start + 4 * HOUR)
    try:
        p.keycloak.revoke('secret', 'watermelon-short', 'r0tated-S3cret')
        wait_until(lambda: 'auth.client_secret' in s.daemon.text(), 60, s.daemon.tail)
        p.secret('client-secret', 'r0tated-S3cret')
        if s.daemon.running():
            s.daemon.process.send_signal(signal.SIGHUP)
        else:
            s.begin(timeout=0)
        s.api.control({'reset': True})
        s.wait(seconds=120)
        s.finish()
    finally:
        p.keycloak.revoke('secret', 'watermelon-short', CLIENT_SECRET)


OTHER_AUTH = {
    'basic': (lambda p: {'user': 'reader', 'password': p.secret('client-secret', 'M3lon-pa55')},
              'Authorization: Basic cmVhZGVyOk0zbG9uLXBhNTU=', ['user reader', 'auth.password']),
    'bearer': (lambda p: {'bearer': p.secret('client-secret', 'M3lon-t0ken')}, 'Authorization: Bearer M3lon-t0ken',
               ['opaque', 'auth.bearer']),
    'header': (lambda p: {'header': {'name': 'X-Api-Key', 'value': p.secret('client-secret', 'M3lon-k3y')}},
               'X-Api-Key: M3lon-k3y', ['X-Api-Key', 'auth.header.value']),
}


@pytest.mark.parametrize('method', OTHER_AUTH)
def test_auth_without_a_token(pipeline, method):
    """--auth-test by other methods than a token: says who asks, never the secret; refused, what to look at."""
    p = pipeline
    auth, line, words = OTHER_AUTH[method]
    api = p.api('--transactions', 3)
    api.control({'header': line, 'times': 1}, {'header': 'X-Api-Key: another', 'times': -1})
    for status, word in zip((0, 78), words):
        daemon = p.wmfetchd(api, args=('--auth-test',), auth={'method': method, **auth(p)})
        found, text = run(p, daemon)
        assert found == status and word in text, text
    assert len(api.requests()) == 2
    p.assert_no_secrets()


def test_auth_key_rotated(pipeline):
    """A service without Keycloak: it starts, catches up, survives another key at the API, goes on with it."""
    p = pipeline
    auth, line, _ = OTHER_AUTH['header']
    s = Service(p, hours=48, size=2, transactions=10, auth={'method': 'header', **auth(p)})
    s.api.control({'header': line, 'delay': 0.5, 'times': -1})
    s.begin()
    s.wait(s.start + 4 * HOUR)
    s.api.control({'reset': True}, {'header': 'X-Api-Key: r0tated-k3y', 'times': -1})
    wait_until(lambda: 'auth.header.value' in s.daemon.text(), 60, s.daemon.tail)
    p.secret('client-secret', 'r0tated-k3y')
    s.daemon.process.send_signal(signal.SIGHUP)
    s.wait()
    s.finish()


def test_redirect_never_carries_the_token(pipeline):
    """Another host, another port, the same host: the token stays with the API."""
    p = pipeline
    api = p.api('--transactions', 3)
    for target in (f'https://localhost:{api.port}/elsewhere', f'http://127.0.0.1:{api.control_port}/elsewhere',
                   f'http://localhost:{api.control_port}/elsewhere'):
        api.control({'redirect': target})
        status, text = run(p, p.once(api))
        assert status != 0 and 'redirect' in text, text
    assert not [e for e in api.control()['elsewhere'] if e['token']]
    assert p.messages() == []


# ---- TLS ----

@pytest.mark.parametrize('whose, what', [('api', 'no CA'), ('api', 'another CA'), ('api', 'wrong name'),
                                         ('api', 'expired'), ('auth', 'no CA'), ('auth', 'another CA')])
def test_tls_refused(pipeline, whose, what):
    """A server that cannot be trusted gets neither secret nor token; the line says why."""
    p = pipeline
    pki = p.keycloak.pki
    pem = {'wrong name': 'wrong-name.pem', 'expired': 'expired.pem'}.get(what, 'server.pem')
    api = p.api('--transactions', 3, pem=pki / pem)
    ca = {'no CA': None, 'another CA': pki / 'other-ca.pem'}.get(what, pki / 'ca.pem')
    tls = {'ca_file': str(ca)} if ca else {}
    more = {'api': {'tls': tls}} if whose == 'api' else {'auth': p.auth(tls=tls)}
    status, text = run(p, p.once(api, **more))
    assert status != 0, text
    assert re.search('certificate|TLS|SSL', text), text
    assert not api.requests()
    assert p.messages() == []
    p.assert_no_secrets()


def test_tls_switched_off_warns(pipeline):
    p = pipeline
    api = p.api('--transactions', 3)
    status, text = run(p, p.once(api, api={'tls': {'insecure_skip_verify': True}}))
    assert status == 0 and re.search(r' WARN .*(verif|insecure)', text), text


# ---- secrets ----

def test_secrets_are_nowhere(pipeline):
    """Not in the log (debug), metrics, process list, printed configuration; and no core is written that held them."""
    p = pipeline
    auth = p.auth('password', client_id='watermelon-confidential',
                  client_secret=p.secret('client-secret', CLIENT_SECRET))
    s = Service(p, hours=24, size=2, transactions=10, auth=auth, log_level='debug')
    s.api.control({'delay': 0.5, 'times': -1})
    s.begin()
    seen = []
    with open(f'/proc/{s.daemon.process.pid}/cmdline', 'rb') as cmdline:
        seen.append(cmdline.read())
    with open(f'/proc/{s.daemon.process.pid}/limits', encoding='ascii') as limits:
        core = next(line.split()[4] for line in limits if line.startswith('Max core file size'))
    s.wait(seconds=120)
    for path in ('/metrics', '/healthz', '/readyz'):
        seen.append(http_get(s.metrics_port, path)[1].encode())
    status, text = run(p, p.wmfetchd(s.api, name='printed', args=('--print-config',), auth=auth))
    assert status == 0 and 'auth' in text, text
    seen.append(text.encode())
    s.finish()
    for content in seen:
        p.assert_no_secrets_in(content, 'a place')
    unit = ROOT / 'units' / 'wmfetchd.service'
    assert core == '0' or unit.exists() and 'LimitCORE=0' in unit.read_text(), 'cores hold secrets'


def test_config_faults(pipeline):
    """What is missing or does not fit, all at once, with status 78."""
    p = pipeline
    api = p.api('--transactions', 2)
    daemon = p.wmfetchd(api, auth={'url': p.keycloak.url, 'grant': 'client_credentials', 'client_id': 'x'},
                        window={'start': 'soon'})
    assert_ends(run_to_end(daemon), CONFIG, 'auth.client_secret', 'window.start', errors=2, hidden=[USER_PASSWORD])

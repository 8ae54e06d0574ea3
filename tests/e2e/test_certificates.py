# SPDX-License-Identifier: Apache-2.0
"""Who the far side is, and who we are: certificates that are refused, for every far side, and logins at Kafka over TLS."""
import contextlib
import re
import socket
import ssl
import threading
import urllib.request

import confluent_kafka
import pytest

from helpers import CONFIG, UNAVAILABLE, TlsProxy, assert_ends, make_pki, run_to_end
from pipeline import Kafka, Pipeline, make_events, script, wait_until
from test_iceberg import ROUTE, output_of
from wm import APP, CLIENT_SECRET, START, DAY, WmPipeline, write_whole

WRONG = 'Wr0ng-pa55word'
# What the certificate is, the authority we trust; what a far side over HTTP, and Kafka, must be told of.
BAD = {
    'expired': ('expired', 'ca', ('certificate has expired', 'another certificate'),
                ('certificate has expired', 'another certificate')),
    'wrong host': ('wrong-name', 'ca', ('no alternative certificate subject name', 'name or address'),
                   ('mismatch', 'kafka.bootstrap.servers')),
    'unknown authority': ('server', 'other-ca', ('unable to get local issuer certificate', 'ca_file'),
                          ('unable to get local issuer certificate', 'kafka.ssl.ca.location')),
}


@pytest.fixture(scope='module')
def pki(folder):
    return make_pki(folder / 'certificates-pki')


@pytest.fixture
def pipeline(folder, kafka, clickhouse, keycloak, request):
    path = folder / re.sub(r'[^\w.-]', '_', request.node.name)
    path.mkdir()
    p = WmPipeline(path, kafka, clickhouse, keycloak)
    p.edits = Pipeline(path, kafka, clickhouse)
    p.edits.processes = p.processes
    yield p
    p.close()
    p.edits.close()


# ---- certificates ----

class Nobody:
    """Where the proxies lead: not a byte may come here. (A name is looked at after the handshake.)"""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.came = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                with self.listener.accept()[0] as connection:
                    self.came += len(connection.recv(1))


def stream(p, name, port, ca):
    return p.edits.wikisrcd(f'https://127.0.0.1:{port}/v2/stream', name, source={
        'start': '2000-01-01T00:00:00Z', 'tls': {'ca_file': ca}})


def clickhouse(p, name, port, ca):
    return p.edits.chsinkd(name, start_timeout='2s', clickhouse={'urls': [f'https://127.0.0.1:{port}'],
                                                                 'tls': {'ca_file': ca}})


def api(p, name, port, ca):
    return p._daemon('wmfetchd', name, {  # pylint: disable=protected-access
        'api': {'url': f'https://127.0.0.1:{port}', 'applications': [APP], 'tls': {'ca_file': ca}},
        'auth': {'method': 'bearer', 'bearer': p.secret('bearer', WRONG)}, 'window': {'start': '-2h'},
        'kafka': {'bootstrap.servers': p.kafka.servers}, 'topic': p.topic, 'position_topic': p.positions}, ())


def token(p, name, port, ca):
    auth = p.auth(url=f'https://127.0.0.1:{port}', tls={'ca_file': ca})
    return p._daemon('wmfetchd', name, {  # pylint: disable=protected-access
        'api': {'url': 'http://127.0.0.1:1', 'applications': [APP]}, 'auth': auth, 'window': {'start': '-2h'},
        'kafka': {'bootstrap.servers': p.kafka.servers}, 'topic': p.topic, 'position_topic': p.positions}, ())


def lake(p, name, **iceberg):
    route = write_whole(p.folder / f'{p.edits.table}.yaml', ROUTE.format(topic=p.edits.topic, table=p.edits.table, more=''))
    return p.edits.chsinkd(name, start_timeout='2s', route=route, output='iceberg', iceberg={
        'library': output_of('duckdb.sh', 'library'), 'timeout': '2s', 'namespace': 'db', **iceberg})


def s3_of(p, url, **more):
    return {'endpoint': url, 'access_key': 'key', 'secret_key': p.secret('s3-secret', WRONG), 'staging': str(p.folder),
            **more}


def catalogue(p, name, port, ca):
    rest = {'url': f'https://127.0.0.1:{port}', 'tls': {'ca_file': ca},
            'auth': {'method': 'bearer', 'bearer': p.secret('bearer', WRONG)}}
    return lake(p, name, catalog='rest', rest=rest, s3=s3_of(p, 'http://127.0.0.1:1'))


def catalogue_token(p, name, port, ca):
    auth = {'method': 'token', 'token_url': f'https://127.0.0.1:{port}/token', 'grant': 'client_credentials',
            'client_id': 'chsinkd', 'client_secret': p.secret('client-secret', CLIENT_SECRET), 'tls': {'ca_file': ca}}
    return lake(p, name, catalog='rest', rest={'url': 'http://127.0.0.1:1', 'auth': auth},
                s3=s3_of(p, 'http://127.0.0.1:1'))


def s3(p, name, port, ca):
    return lake(p, name, catalog='path', warehouse='s3://lake/w',
                s3=s3_of(p, f'https://127.0.0.1:{port}', tls={'ca_file': ca}))


@pytest.mark.parametrize('side', [stream, clickhouse, api, token, catalogue, catalogue_token, s3],
                         ids=lambda side: side.__name__)
def test_certificate_refused(pipeline, pki, side):
    """At the first start: 78, what is wrong and what helps; nothing was sent."""
    p = pipeline
    p.kafka.create(p.edits.topic)
    nobody = Nobody()
    for pem, ca, words, _ in BAD.values():
        proxy = TlsProxy(p.folder, nobody.port, pki / f'{pem}.pem', f'proxy-{pem}')
        p.processes.append(proxy)
        end = run_to_end(side(p, f'{side.__name__}-{pem}', proxy.port, str(pki / f'{ca}.pem')))
        assert_ends(end, CONFIG, f':{proxy.port}', *words, hidden=[WRONG, CLIENT_SECRET])
    assert nobody.came == 0


def fetch_nothing(p, name, kafka):
    return p._daemon('wmfetchd', name, {  # pylint: disable=protected-access
        'api': {'url': 'http://127.0.0.1:1', 'applications': [APP]}, 'auth': {'method': 'none'},
        'kafka': kafka, 'topic': p.topic, 'position_topic': p.positions}, ())


KAFKA = {
    'wikisrcd': lambda p, name, kafka: p.edits.wikisrcd('http://127.0.0.1:1/v2/stream', name, kafka=kafka),
    'wmfetchd': fetch_nothing,
    'chsinkd': lambda p, name, kafka: p.edits.chsinkd(name, start_timeout='2s', kafka=kafka),
}


@pytest.mark.parametrize('program', KAFKA)
def test_kafka_certificate_refused(pipeline, pki, program):
    """Whether it has worked before is not known: 69, tried again by systemd."""
    p, nobody = pipeline, Nobody()
    for pem, ca, _, words in BAD.values():
        proxy = TlsProxy(p.folder, nobody.port, pki / f'{pem}.pem', f'proxy-{pem}')
        p.processes.append(proxy)
        end = run_to_end(KAFKA[program](p, f'{program}-{pem}', {
            'bootstrap.servers': f'127.0.0.1:{proxy.port}', 'security.protocol': 'SSL',
            'ssl.ca.location': str(pki / f'{ca}.pem')}))
        assert_ends(end, UNAVAILABLE, f':{proxy.port}', *words)
    assert nobody.came == 0


def test_client_certificate_over_http(pipeline, pki):
    """The stream and ClickHouse want to know who we are: with our certificate all is loaded, without it nothing."""
    p = pipeline.edits
    replay = p.replay(make_events(p.folder / 'events.jsonl', 200, '--seed', 3), '--fast')
    ports = {}
    for name, target in (('stream', replay.port), ('clickhouse', p.clickhouse.port)):
        proxy = TlsProxy(p.folder, target, pki / 'server.pem', f'proxy-{name}')
        proxy.terminate()
        proxy.args += ['--client-ca', str(pki / 'ca.pem')]
        began = len(proxy.text())
        proxy.start()
        wait_until(lambda p=proxy, b=began: 'listening' in p.text()[b:], 20, 'the proxy listens')
        p.processes.append(proxy)
        ports[name] = proxy.port
    ca = {'ca_file': str(pki / 'ca.pem')}
    ours = {**ca, 'cert_file': str(pki / 'client.crt'), 'key_file': str(pki / 'client.key')}
    url = f'https://127.0.0.1:{ports["stream"]}/v2/stream'
    source = {'start': '2000-01-01T00:00:00Z'}
    status, text = run_to_end(p.wikisrcd(url, 'sample', args=['--sample', '3'], source={**source, 'tls': ca}))
    assert status in (CONFIG, UNAVAILABLE), text  # TLS 1.3 says it after the handshake, if the alert comes through
    source = p.wikisrcd(url, source={**source, 'tls': ours}).start()
    sink = p.chsinkd(clickhouse={'urls': [f'https://127.0.0.1:{ports["clickhouse"]}'], 'tls': ours}).start()
    wait_until(lambda: p.rows() == 200, 40, 'all rows')
    for process in (source, sink):
        assert process.terminate()[0] == 0


# ---- logins at Kafka ----

@pytest.fixture(scope='module')
def guarded(folder, pki, keycloak):
    """A Kafka that wants to know who we are; it takes Keycloak's tokens for watermelon-api."""
    context = ssl.create_default_context(cafile=str(keycloak.ca))
    with urllib.request.urlopen(f'{keycloak.issuer}/protocol/openid-connect/certs', timeout=30, context=context) as answer:
        jwks = write_whole(folder / 'jwks.json', answer.read().decode())
    service = Kafka(folder / 'kafka-guarded', KAFKA_SASL_TLS=str(pki), KAFKA_HEAP='512m', KAFKA_OAUTH_JWKS=str(jwks),
                    KAFKA_OAUTH_AUDIENCE='watermelon-api')
    yield service
    service.stop()


def login(service, pki, keycloak, way, **more):
    """The properties of that way to log in."""
    sasl = {'bootstrap.servers': f'127.0.0.1:{service.port + 2}', 'security.protocol': 'SASL_SSL',
            'ssl.ca.location': str(pki / 'ca.pem')}
    conf = {
        'SCRAM': {**sasl, 'sasl.mechanism': 'SCRAM-SHA-512', 'sasl.username': 'scram-user',
                  'sasl.password': 'scram-Pa55word'},
        'OAUTHBEARER': {**sasl, 'sasl.mechanism': 'OAUTHBEARER', 'sasl.oauthbearer.method': 'oidc',
                        'sasl.oauthbearer.token.endpoint.url': f'{keycloak.issuer}/protocol/openid-connect/token',
                        'sasl.oauthbearer.client.id': 'watermelon-short',
                        'sasl.oauthbearer.client.secret': CLIENT_SECRET, 'https.ca.location': str(keycloak.ca)},
        'certificate': {**sasl, 'bootstrap.servers': f'127.0.0.1:{service.port + 3}', 'security.protocol': 'SSL',
                        'ssl.certificate.location': str(pki / 'client.crt'),
                        'ssl.key.location': str(pki / 'client.key')},
    }[way]
    return {k: v for k, v in {**conf, **more}.items() if v is not None}


@pytest.fixture(scope='module')
def guarded_before_4(folder, pki):
    """Librdkafka before 2.6.1 cannot use SCRAM at Kafka 4: it sends its nonce twice."""
    service = Kafka(folder / 'kafka-guarded-3', KAFKA_SASL_TLS=str(pki), KAFKA_HEAP='512m', KAFKA_VERSION='3.9.1')
    script('kafka.sh', 'user', service.dir, service.port, 'scram-user', 'scram-Pa55word', KAFKA_VERSION='3.9.1')
    yield service
    service.stop()


@pytest.mark.parametrize('way', ['SCRAM', 'OAUTHBEARER', 'certificate'])
def test_login(pipeline, request, pki, way):
    """All three daemons, over TLS, by that way."""
    p = pipeline
    old = way == 'SCRAM' and confluent_kafka.libversion()[1] < 0x02060100
    guarded = request.getfixturevalue('guarded_before_4' if old else 'guarded')
    edits = p.edits
    kafka = login(guarded, pki, p.keycloak, way)
    guarded.create(edits.topic)
    p.kafka = edits.kafka = guarded  # where the messages are read here
    replay = edits.replay(make_events(p.folder / 'events.jsonl', 300, '--seed', 3), '--fast')
    source = edits.wikisrcd(replay.url, source={'start': '2000-01-01T00:00:00Z'}, kafka=kafka, log_level='debug').start()
    server = p.api('--transactions', 3, tls=False)
    fetch = p._daemon('wmfetchd', 'wmfetchd', {  # pylint: disable=protected-access
        'api': {'url': server.url, 'applications': [APP]}, 'auth': {'method': 'bearer', 'bearer': 'x'}, 'kafka': kafka,
        'topic': p.topic, 'position_topic': p.positions},
        ('--once', '--start', str(START), '--end', str(START + DAY)))
    assert run_to_end(fetch, 60)[0] == 0, fetch.tail()
    sink = edits.chsinkd(kafka=kafka, routes=[str(edits.route()), str(p.route())]).start()
    wait_until(lambda: edits.rows() == 300 and p.rows() > 0, 60, 'all rows')
    if way == 'OAUTHBEARER':  # a token has 5 s
        wait_until(lambda: source.text().count('token received') >= 4, 60, 'the next tokens')
    for process in (source, sink):
        assert process.terminate()[0] == 0
    p.secrets |= {'scram-Pa55word'}
    for process in (source, fetch, sink):
        p.assert_no_secrets_in(process.text().encode(), process.name)


REFUSED = {
    'SCRAM, wrong password': ('SCRAM', {'sasl.password': WRONG}, ('refuses the login', 'sasl.password', 'SCRAM')),
    'OAUTHBEARER, wrong secret': ('OAUTHBEARER', {'sasl.oauthbearer.client.secret': WRONG},
                                  ('kafka.sasl.oauthbearer', '401', 'client_secret')),
    'OAUTHBEARER, token endpoint of an unknown authority': (
        'OAUTHBEARER', {'https.ca.location': None}, ('kafka.sasl.oauthbearer', 'certificate', 'ca_file')),
    'OAUTHBEARER, unsigned token': (
        'OAUTHBEARER', {'sasl.oauthbearer.method': None, 'sasl.oauthbearer.token.endpoint.url': None,
                        'sasl.oauthbearer.client.id': None, 'sasl.oauthbearer.client.secret': None,
                        'https.ca.location': None, 'enable.sasl.oauthbearer.unsecure.jwt': 'true',
                        'sasl.oauthbearer.config': 'principal=pipeline'}, ('refuses the login', 'invalid_token')),
    'no certificate': ('certificate', {'ssl.certificate.location': None, 'ssl.key.location': None},
                       ('certificate',)),
}


@pytest.mark.parametrize('what', REFUSED)
def test_login_refused(pipeline, guarded, pki, what):
    p = pipeline
    way, more, words = REFUSED[what]
    # Without a certificate the handshake only breaks off, which may pass: wikisrcd waits for 30 s.
    for program in ('wikisrcd', 'chsinkd') if way != 'certificate' else ('chsinkd',):
        kafka = login(guarded, pki, p.keycloak, way, **more)
        end = run_to_end(KAFKA[program](p, program, kafka), 45)
        assert_ends(end, UNAVAILABLE, *words, hidden=[WRONG, CLIENT_SECRET])

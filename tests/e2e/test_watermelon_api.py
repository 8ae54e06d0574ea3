# SPDX-License-Identifier: Apache-2.0
"""The Watermelon API and the Keycloak that the other tests rest on: tokens are looked at, faults come as ordered."""
import gzip
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from wm import APP, CLIENT_SECRET, DAY, END, SERIES, START, USER_PASSWORD, Api, Keycloak, watermelon


@pytest.fixture(scope='module')
def keycloak(folder):
    service = Keycloak(folder / 'keycloak-api')
    yield service
    service.stop()


@pytest.fixture(scope='module')
def api(folder, keycloak):
    path = folder / 'watermelon-api'
    path.mkdir()
    service = Api(path, keycloak)
    yield service
    service.close()


@pytest.fixture(autouse=True)
def no_faults(api):
    yield
    api.control({'reset': True})


def opener(ca):
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(
        context=ssl.create_default_context(cafile=str(ca))))


def token(keycloak, grant='client_credentials', **form):
    form = {'grant_type': grant, 'client_id': 'watermelon-confidential', 'client_secret': CLIENT_SECRET, **form}
    with opener(keycloak.ca).open(f'{keycloak.issuer}/protocol/openid-connect/token',
                                  urllib.parse.urlencode(form).encode(), 30) as answer:
        return json.load(answer)['access_token']


def get(keycloak, api, bearer, start=START, end=START + DAY, **headers):
    """(status, headers, body)"""
    query = urllib.parse.urlencode({'application_id': APP, 'range': 'CUSTOM', 'start_time': start, 'end_time': end,
                                    'index': 'HOURLY'})
    if bearer:
        headers['Authorization'] = f'Bearer {bearer}'
    request = urllib.request.Request(f'{api.url}{SERIES}?{query}', headers=headers)
    try:
        with opener(keycloak.ca).open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_answers_with_every_grant(keycloak, api):
    wanted = watermelon.Data().answer(APP, START, END)
    for bearer in (token(keycloak), token(keycloak, 'password', client_id='watermelon-public', client_secret='',
                                          username='pipeline', password=USER_PASSWORD)):
        status, headers, body = get(keycloak, api, bearer, START, END)
        assert status == 200 and headers['Transfer-Encoding'] == 'chunked'
        assert json.loads(body) == wanted
    assert len(wanted) == 122 and 27 << 20 < len(body) < 30 << 20


def test_tokens_are_looked_at(keycloak, api):
    good = token(keycloak)
    head, body, signature = good.split('.')
    other = token(keycloak)
    for bearer, why in ((None, 'no token'), ('abc', 'not a JWT'), (f'{head}.{body}.{other.split(".")[2]}', 'signature'),
                        (f'{head}.{other.split(".")[1]}.{signature}', 'signature')):
        status, headers, text = get(keycloak, api, bearer)
        assert status == 401 and 'Bearer' in headers['WWW-Authenticate']
        assert json.loads(text)['error'] == why
    assert get(keycloak, api, good)[0] == 200


def test_tokens_end(keycloak, api):
    bearer = token(keycloak, client_id='watermelon-short')
    assert get(keycloak, api, bearer)[0] == 200
    end = time.monotonic() + 20
    while time.monotonic() < end:
        status, _, text = get(keycloak, api, bearer)
        if status == 401:
            break
        time.sleep(0.5)
    assert status == 401 and json.loads(text)['error'] == 'expired'


def test_tokens_are_revoked(keycloak, api):
    user = {'client_id': 'watermelon-public', 'client_secret': '', 'username': 'pipeline', 'password': USER_PASSWORD}
    for revoke in (('logout', 'pipeline'), ('not-before',)):
        bearer = token(keycloak, 'password', **user)
        assert get(keycloak, api, bearer)[0] == 200
        keycloak.revoke(*revoke)
        status, _, text = get(keycloak, api, bearer)
        assert status == 401 and json.loads(text)['error'] == 'revoked', revoke
        assert get(keycloak, api, token(keycloak, 'password', **user))[0] == 200


def test_faults(keycloak, api):
    bearer = token(keycloak)
    api.control({'status': 429, 'retry_after': 7}, {'status': 429, 'retry_after': 'date:7'}, {'status': 503},
                {'gzip': True}, {'wrap': 'records'}, {'cut_after': 5000}, {'cut_after': 5000, 'cut': 'chunk'},
                {'long_series': 3 << 20}, {'shape': 'html'}, {'limit': 2, 'times': 2})
    status, headers, _ = get(keycloak, api, bearer)
    assert (status, headers['Retry-After']) == (429, '7')
    status, headers, _ = get(keycloak, api, bearer)
    assert status == 429 and re.match(r'\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT', headers['Retry-After'])
    assert get(keycloak, api, bearer)[0] == 503
    wanted = watermelon.Data().answer(APP, START, START + DAY)
    _, headers, body = get(keycloak, api, bearer, **{'Accept-Encoding': 'gzip'})
    assert headers['Content-Encoding'] == 'gzip' and json.loads(gzip.decompress(body)) == wanted
    assert json.loads(get(keycloak, api, bearer)[2])['records'] == wanted
    with pytest.raises((http.client.IncompleteRead, OSError)):
        get(keycloak, api, bearer)
    assert len(get(keycloak, api, bearer)[2]) == 5000
    one, = json.loads(get(keycloak, api, bearer)[2])
    times = [e['timestamp'] for e in one['transactionSeries']]
    assert len(times) == len(set(times)) > 1000
    assert get(keycloak, api, bearer)[1]['Content-Type'] == 'text/html'
    assert [len(json.loads(get(keycloak, api, bearer)[2])) for _ in range(3)] == [2, 2, len(wanted)]


def test_huge(keycloak, api):
    """A large answer is made while it is sent, and is JSON."""
    api.control({'huge': 50 << 20})
    body = get(keycloak, api, token(keycloak), START, END)[2]
    transactions = json.loads(body)
    assert len(body) >= 50 << 20 and len({t['transactionId'] for t in transactions}) == len(transactions)


def test_redirect_elsewhere_is_noted(keycloak, api):
    """urllib takes the token along, as nobody should: the API sees it."""
    api.control({'redirect': f'https://localhost:{api.port}/elsewhere'})
    assert get(keycloak, api, token(keycloak))[0] == 200
    assert api.control()['elsewhere'] == [{'host': f'localhost:{api.port}', 'token': True}]

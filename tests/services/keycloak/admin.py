# SPDX-License-Identifier: Apache-2.0
"""What ends tokens before their time, through Keycloak's admin REST API; called by keycloak.sh revoke.

usage: admin.py DIR not-before | logout USER | secret CLIENT NEW | password USER NEW | disable|enable CLIENT
"""
import json
import pathlib
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

REALM = 'watermelon'


class Admin:
    """The administrator of the Keycloak that runs in a folder of keycloak.sh."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.url = f'https://127.0.0.1:{(folder / "port").read_text().strip()}'
        context = ssl.create_default_context(cafile=str(folder / 'ca.pem'))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                                  urllib.request.HTTPSHandler(context=context))
        form = urllib.parse.urlencode({'grant_type': 'password', 'client_id': 'admin-cli', 'username': 'admin',
                                       'password': 'admin-Pa55word'}).encode()
        with self.opener.open(f'{self.url}/realms/master/protocol/openid-connect/token', form, 30) as answer:
            self.token = json.load(answer)['access_token']

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f'{self.url}/admin/realms/{REALM}{path}', method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'Authorization': f'Bearer {self.token}', 'Content-Type': 'application/json'})
        with self.opener.open(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def not_before(self):
        """Tokens of this second stay good, so that those issued right afterwards are: waits for its end first."""
        time.sleep(1 - time.time() % 1)
        self.ask('PUT', '', {'realm': REALM, 'notBefore': int(time.time())})

    def user(self, name):
        found = self.ask('GET', f'/users?exact=true&username={urllib.parse.quote(name)}')
        if not found:
            raise SystemExit(f'no user {name}')
        return found[0]['id']

    def client(self, name):
        found = self.ask('GET', f'/clients?clientId={urllib.parse.quote(name)}')
        if not found:
            raise SystemExit(f'no client {name}')
        return found[0]

    def change_client(self, name, **changes):
        client = {**self.client(name), **changes}
        self.ask('PUT', f'/clients/{client["id"]}', client)

    def logout(self, name):
        self.ask('POST', f'/users/{self.user(name)}/logout')

    def secret(self, name, new):
        self.change_client(name, secret=new)

    def password(self, name, new):
        self.ask('PUT', f'/users/{self.user(name)}/reset-password',
                 {'type': 'password', 'value': new, 'temporary': False})

    def disable(self, name):
        self.change_client(name, enabled=False)

    def enable(self, name):
        self.change_client(name, enabled=True)


COMMANDS = {'not-before': 0, 'logout': 1, 'secret': 2, 'password': 2, 'disable': 1, 'enable': 1}


def main():
    folder, command, *args = sys.argv[1:] + [''] * (3 - len(sys.argv))
    if COMMANDS.get(command) != len(args):
        raise SystemExit(__doc__)
    try:
        getattr(Admin(folder), command.replace('-', '_'))(*args)
    except urllib.error.HTTPError as error:
        raise SystemExit(f'Keycloak: {error} {error.read().decode(errors="replace")}') from None
    except OSError as error:
        raise SystemExit(f'Keycloak does not answer: {error}') from None


if __name__ == '__main__':
    main()

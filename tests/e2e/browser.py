# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven through a pipe by the DevTools protocol, and what a page must be like in it: JavaScript is
off, two widths, light and dark. Screenshots are kept in build/results/pages."""
import base64
import contextlib
import itertools
import json
import os
import re
import select
import shutil
import subprocess
import time
import xml.etree.ElementTree

from helpers import http_get
from pipeline import BUILD

PICTURES = BUILD / 'results' / 'pages'
WIDE, NARROW = 1280, 390
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')


class Browser:
    def __init__(self, folder):
        assert CHROMIUM, 'no Chromium: tests/services/deps.sh browser installs it'
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        self._numbers, self._rest, self._events = itertools.count(1), b'', []
        with open(folder / 'chromium.log', 'ab') as log:
            self._process = subprocess.Popen(
                ['bash', '-c', f'exec "$0" "$@" 3<&{commands} 4>&{answers}', CHROMIUM, '--headless=new', '--no-sandbox',
                 '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions',
                 '--disable-background-networking', '--hide-scrollbars', '--remote-debugging-pipe',
                 f'--user-data-dir={folder / "chromium"}', 'about:blank'],
                pass_fds=(commands, answers), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(commands)
        os.close(answers)
        target = self._ask('Target.createTarget', url='about:blank')['targetId']
        self._session = None
        self._session = self._ask('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in 'Page', 'Log', 'Runtime', 'Network', 'DOM':
            self._ask(f'{domain}.enable')
        self._ask('Emulation.setScriptExecutionDisabled', value=True)

    def close(self):
        os.close(self._out)
        os.close(self._in)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _receive(self, end):
        while b'\0' not in self._rest:
            left = end - time.monotonic()
            assert left > 0 and select.select([self._in], [], [], left)[0], 'Chromium does not answer'
            data = os.read(self._in, 1 << 20)
            assert data, 'Chromium has ended'
            self._rest += data
        message, self._rest = self._rest.split(b'\0', 1)
        return json.loads(message)

    def _ask(self, method, **params):
        message = {'id': next(self._numbers), 'method': method, 'params': params}
        if getattr(self, '_session', None):
            message['sessionId'] = self._session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        end = time.monotonic() + 60
        while True:
            answer = self._receive(end)
            if answer.get('id') == message['id']:
                assert 'error' not in answer, answer
                return answer['result']
            self._events.append(answer)

    def _until(self, method):
        end = time.monotonic() + 60
        while not any(e.get('method') == method for e in self._events):
            self._events.append(self._receive(end))

    def _load(self, url):
        self._events = []
        self._ask('Page.navigate', url=url)
        self._until('Page.loadEventFired')

    def open(self, url, width, height=900, dark=False):
        """Loads it in a window of that size; returns the layout's content width in CSS pixels."""
        self._load('about:blank')  # what was there asks again by itself
        self._ask('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self._ask('Emulation.setEmulatedMedia',
                  features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        self._load(url)
        return self._ask('Page.getLayoutMetrics')['cssContentSize']['width']

    def requests(self):
        """The addresses that were asked for since open()."""
        return [e['params']['request']['url'] for e in self._events if e.get('method') == 'Network.requestWillBeSent']

    def complaints(self):
        """What the console says since open(): errors, warnings, what the policy blocked."""
        return [e['params'] for e in self._events
                if e.get('method') in ('Log.entryAdded', 'Runtime.consoleAPICalled', 'Runtime.exceptionThrown')]

    def text(self):
        """As the DOM has it."""
        root = self._ask('DOM.getDocument', depth=0)['root']['nodeId']
        return self._ask('DOM.getOuterHTML', nodeId=root)['outerHTML']

    def screenshot(self, path):
        """The whole page, however long."""
        size = self._ask('Page.getLayoutMetrics')['cssContentSize']
        data = self._ask('Page.captureScreenshot', format='png', captureBeyondViewport=True,
                         clip={'x': 0, 'y': 0, 'width': size['width'], 'height': size['height'], 'scale': 1})['data']
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))


def page(port):
    """Its text, well-formed XML, with the headings and cells as plain text."""
    status, text = http_get(port, '/')
    assert status == 200, text
    xml.etree.ElementTree.fromstring(text.replace('<!DOCTYPE html>', ''))
    return text


def served(port):
    """The page, or None while nobody listens."""
    with contextlib.suppress(OSError):
        return page(port)
    return None


def plain(text):
    body = text.split('<main>', 1)[0].rsplit('</style>', 1)[1] + text.split('<main>', 1)[1]
    return re.sub(r'\s+', ' ', re.sub(r'<[^>]+>', ' ', body))


def looked_at(browser, port, name, *texts):
    """The browser shows it whole at both widths and in both schemes, says nothing, and asks for nothing else."""
    url = f'http://127.0.0.1:{port}/'
    for width, dark in (WIDE, False), (WIDE, True), (NARROW, False), (NARROW, True):
        found = browser.open(url, width, dark=dark)
        assert found <= width, f'{name}: {found} pixels at {width}'
        assert browser.requests() and set(browser.requests()) <= {url, 'data:,'}, browser.requests()
        shown = plain(browser.text())
        missing = [t for t in texts if t not in shown]
        assert not missing, f'{missing} not in {shown}'
        browser.screenshot(PICTURES / f'{name}-{width}-{"dark" if dark else "light"}.png')
        assert not browser.complaints(), browser.complaints()


def contrast(one, other):
    def luminance(colour):
        colour = colour.lstrip('#')
        colour = ''.join(c * 2 for c in colour) if len(colour) == 3 else colour
        parts = [int(colour[i:i + 2], 16) / 255 for i in (0, 2, 4)]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def readable(text):
    """All colours of text on both backgrounds, in both schemes (WCAG 2.2, 1.4.3)."""
    schemes = re.findall(r':root\{([^}]*--bg[^}]*)\}', text)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r'--(\w+):(#\w+)', scheme))
        for name in 'fg', 'dim', 'blue', 'good', 'warn', 'bad':
            for ground in 'bg', 'soft':
                assert contrast(colours[name], colours[ground]) >= 4.5, f'{name} on {ground} of {scheme}'

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands of README.md: each is known here, with how it is tried.

    readme.py check BUILD     offline: all are known, none is known that is not there, what they name exists
    readme.py run BUILD       runs them with real parts, and compares in kind what they print

A command is tried by running it (Run), by make's dry run where it takes too long (Dry), or by another test, whose file
must have the words (Elsewhere). In kind: the README's lines of output, their numbers apart, are found in the same order
in what the command prints.
"""
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / 'README.md'
# The demo as it is, but for a shorter time, and without the world.
QUICK = {'DEMO_SECONDS': '4', 'DEMO_HISTORY': '3', 'SOURCE': 'replay', 'RECORDED': ''}


class Elsewhere:
    """Another test runs it: the words stand in its file."""

    def __init__(self, file, *words):
        self.file, self.words = file, words

    def check(self, faults, command):
        path = ROOT / self.file
        text = path.read_text() if path.exists() else ''
        faults += [f'{command}: {self.file} does not have "{word}"' for word in self.words if word not in text]

    def run(self, _command):
        return f'by {self.file}'


class Dry:
    """Too long for a test: that make knows what to do."""

    def check(self, faults, command):
        done = subprocess.run(['make', '-n', *command.split()[1:]], cwd=ROOT, text=True, capture_output=True,
                              check=False)
        if done.returncode != 0:
            faults.append(f'{command}: {done.stderr.strip()}')

    def run(self, _command):
        return 'make -n'


class Run:
    """It ends with 0, and what it prints has the lines that match, in this order."""

    def __init__(self, *patterns, env=None, configuration=None, after=None):
        self.patterns, self.env, self.configuration, self.after = patterns, env or {}, configuration, after

    def check(self, faults, command):
        pass

    def run(self, command):
        began = time.monotonic()
        words = re.sub(r'^((\w+=\S+ )*)', '', command).split()
        env = {**os.environ, **self.env, **dict(re.findall(r'(\w+)=(\S+) ', command.split('make')[0]))}
        env.pop('MAKEFLAGS', None)
        if self.configuration:
            words = [str(BUILD / words[0]), '-c', str(BUILD / self.configuration), *words[1:]]
        done = subprocess.run(words, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=600, check=False)
        if done.returncode != 0:
            raise AssertionError(f'status {done.returncode}:\n{done.stdout[-3000:]}')
        in_order(self.patterns, done.stdout)
        if self.after:
            self.after(done.stdout)
        return f'{time.monotonic() - began:.0f} s'


def in_order(patterns, text):
    place = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(text, place)
        if not found:
            raise AssertionError(f'no line "{pattern}" from there on:\n{text[place:place + 3000]}')
        place = found.end()


def kind(line):
    """A line of output with numbers, times and bars apart, as a pattern."""
    bars = '▁▂▃▄▅▆▇█▏▎▍▌▋▊▉'
    line = re.sub(f'[{bars} ]*[{bars}][{bars} ]*', ' BAR ', line.strip())
    words = [re.sub(r'[\d.,:-]*\d[\d.,:-]*', 'NUMBER', word) for word in line.split()]
    pattern = r' +'.join(map(re.escape, words)).replace('NUMBER', r'[\d.,:-]+')
    return '^ *' + pattern.replace(' +BAR +', f' *[{bars} ]+ *')


def demo_lines():
    """The README's example of what the demo prints; "…" is what was left out."""
    block = re.search(r'^```\n(== .*?)^```', README.read_text(), re.M | re.S)
    return [line for line in block[1].splitlines() if line.strip() not in ('', '…')] if block else []


def is_running(text):
    """KEEP=1: the page for queries answers, and the table can be asked."""
    url = re.search(r'(http://127\.0\.0\.1:\d+)/play', text)[1]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert b'<html' in opener.open(f'{url}/play', timeout=30).read()
    assert int(opener.open(f'{url}/?query=SELECT+count()+FROM+wikipedia_edits', timeout=30).read()) > 0


def has_picture(_text):
    svg = (BUILD / 'demo' / 'edits.svg').read_text()
    assert svg.count('<rect') > 20 and len(svg) < 30000, svg[:500]


COMMANDS = {
    'make demo': Run(env=QUICK, after=has_picture),
    'KEEP=1 make demo': Run('^== Still running', 'make demo-stop', env=QUICK, after=is_running),
    'wikisrcd --sample 5': Run(*[r'^ +\d+ +\d{4}-\S+ +\w+ +\w+wi[kn]'] * 5, configuration='demo/wikisrcd.yaml'),
    'chsinkd --dry-run': Run('wikipedia_edits', 'rows', configuration='demo/chsinkd.yaml'),
    'make demo-stop': Run('^stopped: .*wikisrcd.*chsinkd'),
    'make demo OUTPUT=duckdb': Run('^== What is in', 'none lost, none doubled', env=QUICK, after=has_picture),
    'make demo OUTPUT=iceberg': Run('^== What is in', 'none lost, none doubled', env=QUICK, after=has_picture),
    'make demo-watermelon': Run('^== ', 'transaction_metrics'),
    'make bench': Dry(),
    'make deb': Elsewhere('tests/run/test.sh', 'build deb'),
    'apt install ./build/deb/*.deb': Elsewhere('tests/systemd/test_older.py', "PACKAGES.glob('*.deb')"),
    'wikisrcd --init': Elsewhere('tests/e2e/test_init.py', '--init', 'wikisrcd'),
    'chsinkd --init': Elsewhere('tests/e2e/test_init.py', '--init', 'chsinkd'),
    'systemctl enable --now wikisrcd': Elsewhere('tests/systemd/conftest.py', 'enable', '--now'),
    'systemctl enable --now chsinkd': Elsewhere('tests/systemd/conftest.py', 'enable', '--now'),
    'systemctl status chsinkd': Elsewhere('tests/systemd/test_running.py', 'status'),
    'man streaming-daemons': Elsewhere('tests/run/docs.sh', 'man --warnings', 'daemons/*.[0-9]'),
    'make html': Run(),
    'make check': Elsewhere('tests/run/test.sh', 'check check'),
    'make torture': Elsewhere('tests/run/test.sh', 'torture'),
    'make test': Elsewhere('.ci/run', 'make test'),
}


def commands():
    """Of the README's blocks of shell, without comments."""
    for block in re.findall(r'^```sh\n(.*?)^```', README.read_text(), re.M | re.S):
        for line in block.splitlines():
            command = re.sub(r'(^|\s+)#.*', '', line).strip()
            if command:
                yield command


def check():
    found = list(commands())
    faults = [f'{command}: how it is tried is not known to tests/run/readme.py' for command in found
              if command not in COMMANDS]
    faults += [f'{command}: not in the README any more' for command in COMMANDS if command not in found]
    for command in found:
        if command in COMMANDS:
            COMMANDS[command].check(faults, command)
    text = README.read_text()
    faults += [f'link to {path}, which is not there' for path in re.findall(r'\]\(([^)#:]+)\)', text)
               if not (ROOT / path).exists()]
    lines = len(text.splitlines())
    if lines >= 160:
        faults.append(f'{lines} lines: one page has fewer than 160')
    if len(demo_lines()) < 10:
        faults.append('no example of what make demo prints')
    for program, options in re.findall(r'`(wikisrcd|wmfetchd|chsinkd)((?:\s+[^`\s]+)+)`', text):
        if (BUILD / program).exists():
            usage = subprocess.run([BUILD / program, '--help'], text=True, capture_output=True, check=True).stdout
            faults += [f'{program} {option}: no such option' for option in re.findall(r'--[a-z-]+', options)
                       if not re.search(rf'{option}\b', usage)]
    return faults, len(COMMANDS) + 4


def run():
    faults, known = [], [command for command in COMMANDS if command in set(commands())]
    only = os.environ.get('README_COMMANDS', '')
    COMMANDS['make demo'].patterns = [kind(line) for line in demo_lines()]

    def one(command):
        try:
            result = COMMANDS[command].run(command)
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            faults.append(f'{command}: {error}')
            result = 'FAILED'
        print(f'  {command:<52} {result}', flush=True)

    for command in known:
        if re.search(only, command):
            one(command)
    return faults, len(known)


if __name__ == '__main__':
    if len(sys.argv) != 3 or sys.argv[1] not in ('check', 'run'):
        sys.exit('usage: readme.py check|run BUILD')
    BUILD = pathlib.Path(sys.argv[2]).resolve()
    found_faults, count = check() if sys.argv[1] == 'check' else run()
    for fault in found_faults:
        print(fault)
    print(f'{100 * (count - len(found_faults)) // count}%: Checks: {count}, Failures: {len(found_faults)}, Errors: 0')
    sys.exit(1 if found_faults else 0)

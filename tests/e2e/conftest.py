# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one Kafka and one ClickHouse for all tests, a pipeline of its own for each."""
import os
import pathlib
import re
import shutil
import tempfile

import pytest

from browser import Browser
from pipeline import ClickHouse, Kafka, Pipeline
from wm import Keycloak


@pytest.fixture(scope='session')
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix='e2e-'))
    yield path
    if os.environ.get('KEEP_E2E'):
        print(f'kept: {path}')
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope='session')
def kafka(folder):
    service = Kafka(folder / 'kafka')
    yield service
    service.stop()


@pytest.fixture(scope='session')
def clickhouse(folder):
    service = ClickHouse(folder / 'clickhouse')
    yield service
    service.stop()


@pytest.fixture(scope='session')
def browser(folder):
    path = folder / 'browser'
    path.mkdir()
    b = Browser(path)
    yield b
    b.close()


@pytest.fixture(scope='session')
def keycloak(folder):
    """Where it cannot be fetched or started, the tests that need it fail and say so."""
    service = Keycloak(folder / 'keycloak')
    yield service
    service.stop()


@pytest.fixture
def pipeline(folder, kafka, clickhouse, request):
    name = re.sub(r'[^\w.-]', '_', request.node.name)  # brackets would be a pattern in routes:
    path = folder / name
    while path.exists():  # two files have a test of that name
        path = path.with_name(f'{path.name}-2')
    path.mkdir()
    p = Pipeline(path, kafka, clickhouse)
    yield p
    p.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of its daemons' logs."""
    report = (yield).get_result()
    p = item.funcargs.get('pipeline') if hasattr(item, 'funcargs') else None
    if report.failed and p:
        for process in p.processes:
            report.sections.append((f'{process.name} log', process.tail(40)))

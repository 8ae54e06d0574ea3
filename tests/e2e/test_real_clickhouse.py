# SPDX-License-Identifier: Apache-2.0
"""The unit tests that need a real ClickHouse: without one they count as skipped in `make check`."""
import os
import subprocess

import pytest

from pipeline import BUILD


@pytest.mark.parametrize('program', ['check_clickhouse', 'check_output', 'check_table'])
def test_unit(clickhouse, program):
    done = subprocess.run([BUILD / 'unit' / 'chsinkd' / program], env={**os.environ, 'CLICKHOUSE': clickhouse.url},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0 and 'skipped' not in done.stdout, done.stdout

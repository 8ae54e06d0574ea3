#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# inside.sh - what run.sh has the container do: the journal keeps everything, then the tests.
set -euo pipefail

# Secrets are searched for in all that was ever logged: nothing is dropped.
mkdir -p /run/systemd/journald.conf.d
printf '[Journal]\nRateLimitIntervalSec=0\nRuntimeMaxUse=2G\nRuntimeKeepFree=1M\n' \
    >/run/systemd/journald.conf.d/test.conf
systemctl restart systemd-journald

mkdir -p /tests/tests
cp -r /src/etc /src/lib /tests/
cp -r /src/tests/data /src/tests/e2e /src/tests/services /src/tests/systemd /tests/tests/
cd /tests/tests
# `secret` alone stands in too many lines that are harmless.
sed -i "s/<password>secret</<password>Cl1ckH0use-pa55</" services/clickhouse.sh
sed -i "s/user_pipeline=\"secret\"/user_pipeline=\"Kafk4-pa55\"/" services/kafka.sh
sed -i "s/password='secret'/password='Cl1ckH0use-pa55'/" e2e/pipeline.py

export PIPELINE_CACHE=/services BUILD=/build CLICKHOUSE_EMBEDDED=1 PYTHONPATH=/tests/tests/e2e
cd systemd
tests=(test_{fresh,sandbox,running,monitoring,upgrade,older}.py)
[ -z "${TESTS:-}" ] || read -ra tests <<<"$TESTS"
status=0
/usr/bin/python3 -m pytest -q -p no:cacheprovider --junitxml=/out/systemd.xml \
    -c /dev/null --rootdir=. "${tests[@]}" || status=$?
journalctl -q -o short-precise >/out/systemd.journal
exit "$status"

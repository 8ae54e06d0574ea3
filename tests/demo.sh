#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh - `make demo`: packages and build, then demo/demo.py, whose head lists the knobs.
#
#   demo.sh          the demo
#   demo.sh stop     stop what a demo with KEEP=1 left running
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make=${MAKE:-make}
python=/usr/bin/python3

if [ "${1:-}" = stop ]; then
    exec "$python" tests/demo/demo.py stop
fi

printf '== Set up\n'
# With a Kafka and a ClickHouse of one's own nothing needs to be fetched.
if [ -n "${KAFKA:-}" ] && [ -n "${CLICKHOUSE:-}" ] && [ "${OUTPUT:-clickhouse}" = clickhouse ] && [ -x "$python" ]; then
    tests/services/deps.sh build
else
    tests/services/deps.sh services
fi | sed -u 's/^/  packages     /'
printf '  build        ... '
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$make" --no-print-directory -j"$(nproc)" all build/services/eventstreams \
    build/services/make-events >"$log" 2>&1; then
    printf 'failed\n'
    grep -Ev '^  (CC|AR|LD) ' "$log" | tail -n 30
    exit 1
fi
printf '%s, %s\n' "$(build/wikisrcd --version)" "$(build/chsinkd --version)"
rm -f "$log"
exec "$python" tests/demo/demo.py

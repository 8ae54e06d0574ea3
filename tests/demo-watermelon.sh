#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo-watermelon.sh - `make demo-watermelon`: packages and build, then demo/demo_watermelon.py,
# whose head lists the knobs.
#
#   demo-watermelon.sh          the demo
#   demo-watermelon.sh stop     stop what a demo with KEEP=1 left running
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make=${MAKE:-make}
python=/usr/bin/python3

if [ "${1:-}" = stop ]; then
    exec "$python" tests/demo/demo_watermelon.py stop
fi

printf '== Set up\n'
tests/services/deps.sh services | sed -u 's/^/  packages     /'
printf '  build        ... '
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$make" --no-print-directory -j"$(nproc)" all >"$log" 2>&1; then
    printf 'failed\n'
    grep -Ev '^  (CC|AR|LD) ' "$log" | tail -n 30
    exit 1
fi
printf '%s, %s\n' "$(build/wmfetchd --version)" "$(build/chsinkd --version)"
rm -f "$log"
exec "$python" tests/demo/demo_watermelon.py

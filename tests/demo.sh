#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh - `make demo`: packages and build, then demo/demo.py, whose head lists the knobs.
#
#   demo.sh          the demo
#   demo.sh stop     stop what a demo with KEEP=1 left running
#
# On a fresh machine most of the time goes into downloads. So only what the demo runs is brought and
# built, and it is built while Kafka and ClickHouse come.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make=${MAKE:-make}
python=/usr/bin/python3

if [ "${1:-}" = stop ]; then
    exec "$python" tests/demo/demo.py stop
fi

jobs=()
log=$(mktemp)
cleanup() {
    local job
    for job in "${jobs[@]}"; do
        kill -- "-$job" 2>/dev/null || true
    done
    rm -f "$log"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# in_background COMMAND...: as a process group of its own, which is ended as a whole.
in_background() {
    set -m
    "$@" &
    set +m
    jobs+=("$!")
}

packages() {
    tests/services/deps.sh "$1" | sed -u 's/^/  packages     /'
}

build() {
    if ! "$make" --no-print-directory -j"$(nproc)" build/wikisrcd build/chsinkd \
        build/services/eventstreams build/services/make-events >"$log" 2>&1; then
        printf '  build        failed\n'
        grep -Ev '^  (CC|AR|LD) ' "$log" | tail -n 30
        return 1
    fi
    printf '  build        %s, %s\n' "$(build/wikisrcd --version)" "$(build/chsinkd --version)"
}

fetch() {
    "tests/services/$1.sh" fetch 2>&1 |
        sed -u 's/^fetching .*/& (once; kept in the cache)/; s/^/               /'
}

# With a Kafka and a ClickHouse of one's own nothing needs to be fetched; what another OUTPUT needs
# it fetches itself.
needed=demo fetched=()
[ -n "${KAFKA:-}" ] || fetched+=(kafka)
if [ "${OUTPUT:-clickhouse}" != clickhouse ]; then
    needed=services
elif [ -z "${CLICKHOUSE:-}" ]; then
    fetched+=(clickhouse)
fi
[ "$needed$((${#fetched[@]}))" != demo0 ] || [ ! -x "$python" ] || needed=daemons

printf '== Set up\n'
packages daemons
in_background build
packages "$needed"
for service in "${fetched[@]}"; do
    in_background fetch "$service"
done
for job in "${jobs[@]}"; do
    wait "$job"
done
jobs=()
rm -f "$log"
exec "$python" tests/demo/demo.py

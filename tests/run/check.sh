#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh BUILD RESULTS -- UNIT_TEST... -- FUZZER...
#
# Runs the unit tests, replays the corpora of the fuzzers, looks at the tree. A program that passes
# gets one line; the output of one that fails is shown. Neither network nor root is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/run/common.bash
. tests/run/common.bash

build=$1 results=$2
shift 3
mkdir -p "$(dirname "$results")"
: >"$results"
log=$results.log

# Adds up libcheck's "100%: Checks: 12, Failures: 0, Errors: 0"; a program without counts as one.
checks_of() {
    awk -v status="$2" '
        match($0, /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
            split(substr($0, RSTART, RLENGTH), n, /[^0-9]+/)
            all += n[2]; bad += n[3] + n[4]
        }
        END {
            if (status != 0 && bad == 0) bad = 1
            if (all < bad || all == 0) all = all + 1
            printf "%d %d\n", all - bad, bad
        }' "$1"
}

# run NAME COMMAND...
run() {
    local name=$1 status=0 passed failed
    shift
    CK_VERBOSITY=normal "$@" >"$log" 2>&1 || status=$?
    read -r passed failed < <(checks_of "$log" "$status")
    note "$results" "$passed" "$failed" 0 "$name"
    if [ "$failed" -eq 0 ]; then
        printf '  ok    %-28s %5d\n' "$name" "$passed"
        grep -i 'going on without' "$log" | sed 's/^/        /' || true
    else
        sed 's/^/        /' "$log"
        printf '  FAIL  %-28s %5d of %d, status %d\n' "$name" "$failed" $((passed + failed)) \
            "$status"
    fi
}

while [ "$1" != -- ]; do
    run "${1##*/}" "$1"
    shift
done
shift
for name in "$@"; do
    run "corpus of $name" "$build/fuzz/replay_$name" "tests/fuzz/corpus/$name"
done
run "layers" tests/run/layers.sh
run "units" tests/run/units.sh
for daemon in daemons/*/; do
    daemon=$(basename "$daemon")
    # A build for sanitizers alone has no daemons.
    if [ -x "$build/$daemon" ]; then
        run "etc/$daemon.yaml" tests/run/etc.sh "$build/$daemon" "etc/$daemon.yaml"
    fi
done
# The same: the pages are compared with what the programs print.
if [ -x "$build/chsinkd" ]; then
    run "manual pages, catalog, completion" tests/run/docs.sh "$build"
fi
if command -v python3 >/dev/null; then
    run "dashboards and alerts" tests/run/monitoring.py "$build"
else
    printf '  dashboards and alerts are not looked at: no python3\n'
fi
rm -f "$log"
summary "$results"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh BUILD RESULTS -- UNIT_TEST... -- FUZZER...
#
# Runs the unit tests, replays the corpora of the fuzzers, looks at the tree, side by side. A program
# that passes gets one line; the output of one that fails is shown. Needs neither network nor root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/run/common.bash
. tests/run/common.bash

build=$1 results=$2
shift 3
mkdir -p "$(dirname "$results")"
: >"$results"
logs=$results.logs
rm -rf "$logs"
mkdir "$logs"

# Adds up libcheck's "100%: Checks: 12, Failures: 0, Errors: 0", and "skipped: 2 (why)" of what was
# not run. A program without such a count is one check.
checks_of() {
    awk -v status="$2" '
        match($0, /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
            split(substr($0, RSTART, RLENGTH), n, /[^0-9]+/)
            all += n[2]; bad += n[3] + n[4]; counts = 1
        }
        /^skipped: [0-9]+ / { skipped += $2 }
        END {
            if (!counts) all = 1
            if (status != 0 && bad == 0) { all += counts; bad = 1 }
            printf "%d %d %d\n", all - bad, bad, skipped
        }' "$1"
}

# Programs mostly wait, so more of them run at once than there are cores.
jobs_max=$(($(nproc) * 4))
names=()

# run NAME COMMAND...: in the background, as soon as there is room.
run() {
    local n=${#names[@]}
    names+=("$1")
    shift
    while [ "$(jobs -rp | wc -l)" -ge "$jobs_max" ]; do
        wait -n || true
    done
    {
        status=0
        CK_VERBOSITY=normal "$@" >"$logs/$n" 2>&1 </dev/null || status=$?
        echo "$status" >"$logs/$n.status"
    } &
}

# show N: what came of it.
show() {
    local name=${names[$1]} log=$logs/$1 status passed failed skipped
    status=$(cat "$log.status" 2>/dev/null) || status='unknown'
    read -r passed failed skipped < <(checks_of "$log" "$status")
    note "$results" "$passed" "$failed" "$skipped" "$name"
    if [ "$failed" -eq 0 ]; then
        printf '  ok    %-32s %5d\n' "$name" "$passed"
        grep '^skipped: ' "$log" | sed 's/^/        /' || true
    else
        sed 's/^/        /' "$log"
        printf '  FAIL  %-32s %5d of %d, status %s\n' "$name" "$failed" $((passed + failed)) \
            "$status"
    fi
}

while [ "$1" != -- ]; do
    run "${1#"$build/unit/"}" "$1"
    shift
done
shift
for name in "$@"; do
    run "corpus of $name" "$build/fuzz/replay_$name" "tests/fuzz/corpus/$name"
done
run "layers" tests/run/layers.sh
run "layers can fail" tests/run/layers_test.sh
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
    run "README" tests/run/readme.py check "$build"
else
    printf '  dashboards and alerts are not looked at: no python3\n'
fi
wait
for n in "${!names[@]}"; do
    show "$n"
done
summary "$results"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# test.sh - `make test`: installs what is missing, builds, runs everything, and says what came out.
#
# A part that cannot be run (Kafka or ClickHouse not fetched, a build that breaks) is a failure, and
# the others are run all the same. Knobs: make's WERROR, -j and CC; PYTEST_ADDOPTS.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/run/common.bash
. tests/run/common.bash

make=${MAKE:-make}
results=$PWD/build/results
# Far above what it takes; a test that hangs ends the run with a failure.
e2e_seconds=1800
python=/usr/bin/python3

title() {
    printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

# make, without a line for each file.
build() {
    local jobs=(-j"$(nproc)")
    # With a -j of one's own that one.
    [[ " ${MAKEFLAGS:-} " != *-j* ]] || jobs=()
    "$make" --no-print-directory "${jobs[@]}" "$@" | { grep -Ev '^  (CC|AR|LD) ' || true; }
}

# step NAME COMMAND...: a failure of what itself notes no results
step() {
    local name=$1
    shift
    "$@" || {
        note "$results/steps" 0 1 0 "$name"
        printf '  FAIL  %s\n' "$name"
        return 1
    }
}

# In its own results file; make's own failure (a file that does not compile) counts, too.
check() {
    local name=$1 file=$2
    shift 2
    rm -f "$file"
    build "$@" check || [ -s "$file" ] || note "$results/steps" 0 1 0 "$name"
    [ ! -s "$file" ] || awk -F '\t' -v OFS='\t' -v name="$name" '{ $4 = name ": " $4; print }' \
        "$file" >"$results/all.$name"
}

# pytest NAME ARGUMENT...
pytest() {
    local name=$1 xml=$results/$1.xml status=0
    shift
    rm -f "$xml"
    timeout -s INT -k 60 "$e2e_seconds" "$python" -m pytest -q -p no:cacheprovider \
        "--junitxml=$xml" "$@" || status=$?
    junit "$name" "$xml" "$status"
}

# junit NAME FILE STATUS: counts from a JUnit file. Nothing in it, or a status that it does not
# explain, is a failure.
junit() {
    "$python" - "$2" "$3" "$1" <<'END' >>"$results/steps"
import sys
import xml.etree.ElementTree
path, status, name = sys.argv[1:]
passed = failed = skipped = 0
try:
    for case in xml.etree.ElementTree.parse(path).iter('testcase'):
        kinds = {child.tag for child in case}
        if kinds & {'failure', 'error'}:
            failed += 1
        elif 'skipped' in kinds:
            skipped += 1
        else:
            passed += 1
except (OSError, xml.etree.ElementTree.ParseError):
    pass
if status != '0' and not failed:
    failed = 1
print(passed, failed, skipped, name, sep='\t')
END
}

# Parts that run at once, since they wait more than they work. What none of these names is the first;
# what the others print comes when they are done.
e2e_parts=(wmfetchd 'duckdb heart service exactly_once'
    'source heart_server backfill certificates watermelon* positions')

end_to_end() {
    local part name ignored=() files
    for part in "${!e2e_parts[@]}"; do
        files=()
        for name in ${e2e_parts[part]}; do
            # shellcheck disable=SC2206 # a pattern
            files+=(tests/e2e/test_$name.py)
            ignored+=("--ignore-glob=*/test_$name.py")
        done
        BUILD=$PWD/build E2E_PART=$((part + 1)) pytest "end-to-end-$((part + 2))" "${files[@]}" \
            >"$results/end-to-end-$((part + 2)).log" 2>&1 &
    done
    E2E_PART=$((${#e2e_parts[@]} + 1)) step torture torture >"$results/end-to-end-torture.log" 2>&1 &
    BUILD=$PWD/build E2E_PART=0 pytest end-to-end tests/e2e "${ignored[@]}"
    wait
    cat "$results"/end-to-end-*.log
}

# What has no libcheck counts is one step that fails.
readme() {
    tests/run/readme.py run build
}

# Two seeds of make torture, and before them a run without faults, in which every step is passed.
torture() {
    local run=("$python" tests/torture/run.py)
    build B=build/steps STEPS=1 torture-bins &&
        BUILD=$PWD/build/steps "${run[@]}" --plain clickhouse &&
        BUILD=$PWD/build/steps "${run[@]}" --seed 4 --runs 2 &&
        note "$results/steps" 3 0 0 torture
}

packages() {
    build deb WERROR= && packaging/deb-check.sh build
}

# Without root there is no container: it says so, and leaves no results.
systemd() {
    local xml=$results/systemd.xml status=0
    rm -f "$xml"
    tests/systemd/run.sh build || status=$?
    if [ -e "$xml" ] || [ "$status" -ne 0 ]; then
        junit systemd "$xml" "$status"
    fi
}

# The first of two free ports, for the checks of the replay server.
two_ports() {
    "$python" -c 'import sys; sys.path.insert(0, "tests/e2e"); import pipeline
print(pipeline.free_port(2))'
}

main() {
    local port
    mkdir -p "$results"
    rm -rf "${results:?}"/*
    title "packages"
    tests/services/deps.sh services
    step "a browser" tests/services/deps.sh browser || true
    # The unit tests take it if it is there.
    if step "fetch DuckDB" tests/services/duckdb.sh fetch; then
        DUCKDB_LIBRARY=$(tests/services/duckdb.sh library)
        { read -r DUCKLAKE_LIBRARY && read -r DUCKLAKE_EXTENSION; } < <(tests/services/duckdb.sh lake)
        export DUCKDB_LIBRARY DUCKLAKE_LIBRARY DUCKLAKE_EXTENSION
    fi
    title "check"
    check check "$results/check" WERROR="${WERROR:-}"
    title "programs, Kafka and ClickHouse"
    if step "build" build all check-bins build/services/eventstreams build/services/make-events; then
        title "replay server"
        port=$(two_ports)
        BUILD=$PWD/build/services EVENTSTREAMS_PORT=$port pytest replay-server \
            tests/services/check_eventstreams.py
        if step "fetch Kafka" tests/services/kafka.sh fetch &&
            step "fetch ClickHouse" tests/services/clickhouse.sh fetch &&
            step "fetch Keycloak" tests/services/keycloak.sh fetch &&
            step "fetch readers of Iceberg" tests/services/iceberg.sh fetch &&
            step "fetch a catalogue and S3" tests/services/lake.sh fetch; then
            title "end to end, in four parts at once, and seeds of torture"
            pytest check-torture tests/torture/check_torture.py
            end_to_end
        fi
    fi
    title "the README's commands"
    step "README" readme || true
    title "address and undefined-behaviour sanitizers: unit tests and corpora"
    check sanitizers "$PWD/build/asan/results/check" B=build/asan SANITIZE=address,undefined \
        CFLAGS='-O1 -g'
    title "Debian packages: built, checked by lintian, built again to the same bytes"
    if step "packages" packages; then
        title "systemd: installed and run in a booted container"
        systemd
    fi
    title "result"
    summary "$results"/all.* "$results"/steps
}

main

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh BUILD SECONDS FUZZER... - each in turn; what is found lies in BUILD/fuzz/NAME.found/. The
# corpora are copied first: what the fuzzers add stays in BUILD/fuzz/NAME.corpus/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1 seconds=$2
shift 2
failed=0
for name in "$@"; do
    corpus=$build/fuzz/$name.corpus found=$build/fuzz/$name.found
    mkdir -p "$corpus" "$found"
    cp -r "tests/fuzz/corpus/$name/." "$corpus/"
    printf '%s: %s s, from %d inputs\n' "$name" "$seconds" "$(find "$corpus" -type f | wc -l)"
    if "$build/clang/fuzz/fuzz_$name" -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="$found/" "$corpus" >"$build/fuzz/$name.log" 2>&1; then
        grep -E 'number_of_executed_units|peak_rss' "$build/fuzz/$name.log" | sed 's/^/    /'
    else
        tail -n 40 "$build/fuzz/$name.log"
        printf '%s FAILED: see %s/\n' "$name" "$found"
        failed=1
    fi
done
exit $failed

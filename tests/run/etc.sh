#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# etc.sh BINARY FILE.yaml - the file is what BINARY --help-config prints: each option in its place
# with its text and its default. An option may be set in the file (not commented out): then its
# value is its own, and so are list items and librdkafka's properties (names with dots) below it.
# Unedited, it says what one thing must be filled in, and nothing else.
set -euo pipefail
binary=$1 file=$2
reference=$(mktemp)
trap 'rm -f "$reference"' EXIT

"$binary" --help-config >"$reference" || {
    printf '%s --help-config failed with status %d\n' "$binary" $?
    exit 1
}
awk -v file="$file" '
    function bad(line, text) { printf "%s:%d: %s\n", file, line, text; faults++ }
    /^ *$/ { next }
    FNR == NR && !/^ *#?- / { want[++n] = $0 }
    FNR == NR || /SPDX-License-Identifier/ { next }
    /^ *#?- / || /^ *#?[a-z_]+\.[a-z_.]+:/ { next }      # values, of lists and of kafka
    faults { next }                                      # the rest would be shifted
    {
        at++
        line = $0; ref = want[at]
        if (line ~ /^ *[a-z_][a-z0-9_]*:/) {                      # set here: compare the name only
            sub(/:.*/, ":", line)
            sub(/:.*/, ":", ref)
            if (ref !~ /^ *# /) sub(/#/, "", ref)
        }
        if (line != ref) bad(FNR, "\"" $0 "\", where --help-config has \"" want[at] "\"")
    }
    END {
        if (!faults && at < n) bad(FNR, "ends, where --help-config goes on: \"" want[at + 1] "\"")
        exit faults > 0
    }' "$reference" "$file"

status=0
findings=$("$binary" --check-config -c "$file" 2>&1) || status=$?
findings=$(grep -v '^/etc/chsinkd/routes/' <<<"$findings") # installed only with the package
if [ "$status" -ne 78 ] || [ "$(wc -l <<<"$findings")" -ne 1 ]; then
    printf '%s, unedited, has not one finding (status %d):\n%s\n' "$file" "$status" "$findings"
    exit 1
fi

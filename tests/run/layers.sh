#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh - lib/ includes no daemon, and a daemon includes lib/ and itself only: each
# `#include "X"` must be found there. Prints what is not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# foreign FOLDER ALLOWED...: the quoted includes of FOLDER's files that no ALLOWED folder has
foreign() {
    local folder=$1 file name dir
    shift
    { grep -Ho '^ *# *include *"[^"]*"' "$folder"/*.[ch] || true; } |
        sed 's/: *# *include *"/ /; s/"$//' |
        while read -r file name; do
            for dir in "$@"; do
                [[ $name == */* || ! -f $dir/$name ]] || continue 2
            done
            printf '%s includes "%s", which is not in: %s\n' "$file" "$name" "$*"
        done
}

found=$(
    foreign lib lib
    for daemon in daemons/*/; do
        foreign "${daemon%/}" "${daemon%/}" lib
    done
)
[ -z "$found" ] || {
    printf '%s\n' "$found"
    exit 1
}

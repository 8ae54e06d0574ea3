#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# layers_test.sh - layers.sh can fail: this tree with one include added by hand is refused, each
# time for the reason that is expected. The last line has the sums in libcheck's form.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
checks=0 failures=0

# refuses FILE INCLUDE TEXT: with the include in that file, layers.sh fails and prints the text.
refuses() {
    local said status=0
    rm -rf "$temp/tree"
    mkdir "$temp/tree"
    cp -r lib daemons "$temp/tree"
    mkdir -p "$(dirname "$temp/tree/$1")"
    printf '#include "%s"\n' "$2" >>"$temp/tree/$1"
    said=$(tests/run/layers.sh "$temp/tree") || status=$?
    checks=$((checks + 1))
    if [ "$status" -eq 0 ] || [[ $said != *"$1 includes \"$2\": $3"* ]]; then
        failures=$((failures + 1))
        printf 'with "%s" in %s, layers.sh ended with %d and printed:\n%s\n' "$2" "$1" "$status" "$said"
    fi
}

refuses lib/base/buf.c lib/log/log.h 'lib/base may not include lib/log'
refuses lib/json/reader.c daemons/chsinkd/conf.h 'lib/json may not include daemons/chsinkd/conf'
refuses daemons/wikisrcd/event/event.c daemons/wikisrcd/stream/source.h \
    'daemons/wikisrcd/event/event may not include daemons/wikisrcd/stream'
refuses daemons/wikisrcd/wikisrcd.c daemons/chsinkd/route/route.h \
    'daemons/wikisrcd may not include daemons/chsinkd/route'
refuses lib/kafka/client.c producer.h 'write it from the root of the tree'
refuses lib/new/thing.c lib/base/buf.h 'no line of layers.sh names its folder'
printf '%d%%: Checks: %d, Failures: %d, Errors: 0\n' $(((checks - failures) * 100 / checks)) \
    "$checks" "$failures"
[ "$failures" -eq 0 ]

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# deb-check.sh BUILD - what `make deb` left in BUILD/deb passes lintian, and comes out the same from
# a second build in another place, with another umask, language, time zone and number of jobs. (The
# second one does without the tests, which the first one ran.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

first=$1/deb
# Longer than the first one's path, so that a path that gets into a program changes its size, too.
second=$1/deb/built-again-in-another-place
status=0

lintian --fail-on error,warning --info --tag-display-limit 0 --allow-root \
    "$first"/*.changes || status=1

(umask 0077 && packaging/deb.sh "$second" LC_ALL=C TZ=Asia/Kathmandu HOME=/nonexistent \
    DEB_BUILD_OPTIONS='nocheck parallel=1' >/dev/null)
if ! cmp -s "$first/built-from" "$second/built-from"; then
    printf 'deb-check: the tree changed since it was built; run make deb again\n' >&2
    exit 1
fi
for deb in "$first"/*.deb; do
    cmp "$deb" "$second/${deb##*/}" || status=1
done
[ "$status" -ne 0 ] || printf '%d packages pass lintian and are the same when built again\n' \
    "$(find "$first" -maxdepth 1 -name '*.deb' | wc -l)"
exit "$status"

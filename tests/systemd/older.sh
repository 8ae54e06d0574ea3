#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# older.sh OUT - the Debian packages of the version before, into OUT, for test_older.py: built from
# this repository's history. Once: OUT is kept.
#
# It is about what the older programs leave in Kafka and on disk, not about how fast they are, so
# they are built without optimisation and without their tests. Where the history does not reach so
# far (a shallow clone), OUT holds only `why`, one line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The last one without streaming-daemons-common: 0.1.0-1.
commit=496601ff55b07bc0078006bb11dea36cf3d4e8f2

[ $# = 1 ] || {
    printf 'usage: older.sh OUT\n' >&2
    exit 64
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
[ "$(cat "$out/built-from" 2>/dev/null)" != "$commit" ] || exit 0
rm -rf "${out:?}"/*

if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
    printf 'the history of this clone does not reach back to %.12s\n' "$commit" | tee "$out/why"
    exit 0
fi
printf 'building the packages of %.12s\n' "$commit"
mkdir "$out/src"
git archive "$commit" | tar -xf - -C "$out/src"
cp -r "$out/src/packaging/debian" "$out/src/debian"
if ! (cd "$out/src" && env -i "PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin" "HOME=$HOME" \
    LC_ALL=C.UTF-8 "DEB_BUILD_OPTIONS=nocheck noopt noautodbgsym parallel=$(nproc)" \
    dpkg-buildpackage -b -us -uc) >"$out/build.log" 2>&1; then
    tail -n 30 "$out/build.log" >&2
    printf 'older.sh: the build failed; all of it is in %s\n' "$out/build.log" >&2
    exit 1
fi
rm -rf "$out/src"
printf '%s\n' "$commit" >"$out/built-from"

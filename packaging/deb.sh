#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# deb.sh OUT [VARIABLE=VALUE...] - build the Debian packages of the tree as it is (committed or not)
# into OUT.
#
# The tree is copied to OUT/src with packaging/debian as debian/, and built there, in an environment
# that has nothing of the caller's but the VARIABLEs (and DEB_BUILD_OPTIONS): the same tree gives
# the same bytes. When OUT was built from just this tree, nothing is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p "$1"
out=$(cd "$1" && pwd)
shift

git rev-parse --is-inside-work-tree >/dev/null 2>&1 || {
    printf '%s\n' 'deb.sh: only git can tell what belongs to the tree, and this is no checkout.' \
        'By hand: make clean && cp -r packaging/debian debian && dpkg-buildpackage -b -us -uc' >&2
    exit 69
}

# copy_tree TO: what git knows or would add, but not what is deleted already. The files get the time
# of now: dpkg takes times later than the changelog's back to that, earlier ones it would keep.
copy_tree() {
    local file
    rm -rf "$1"
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do
            if [ -e "$file" ] || [ -L "$file" ]; then
                printf '%s\0' "$file"
            fi
        done | tar --null -T - -cf - | tar -xmf - -C "$1"
    cp -r "$1/packaging/debian" "$1/debian"
}

sum_of() {
    (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum
}

copy_tree "$out/src"
sum=$(sum_of "$out/src")
if [ "$(cat "$out/built-from" 2>/dev/null)" != "$sum" ]; then
    rm -f "$out"/*.{deb,changes,buildinfo} "$out/built-from"
    if ! (cd "$out/src" && env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=$(nproc)}" "$@" \
        dpkg-buildpackage -b -us -uc) >"$out/build.log" 2>&1; then
        tail -n 40 "$out/build.log" >&2
        printf 'deb.sh: the build failed; all of it is in %s\n' "$out/build.log" >&2
        exit 1
    fi
    printf '%s\n' "$sum" >"$out/built-from"
fi
rm -rf "$out/src"
ls -1 -- "$out"/*.deb

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# newcomer.sh [COMMIT] - how long it takes from `git clone` to the first rows on a fresh Debian: a
# chroot with nothing but debootstrap's smallest system, git and make, in which COMMIT (HEAD) of
# this repository is cloned and `make demo` is run. Needs root and the package registries.
#
# Prints what the demo prints, each line with the seconds since the clone began, and at the end the
# seconds to the first line that counts rows. VM_SUITE=trixie: on another Debian (systemd/vm.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

commit=$(git rev-parse "${1:-HEAD}")
repository=$(realpath "$(git rev-parse --git-common-dir)")
# shellcheck disable=SC2016  # for the shell inside
VM_PACKAGES='git make' VM_SECONDS=${VM_SECONDS:-900} tests/systemd/vm.sh -c -b "$repository:/git" '
set -e
git config --global safe.directory "*"
cd /root
begin=$EPOCHREALTIME first=
passed() { printf "%7.1f" "$(((${EPOCHREALTIME/./} - ${begin/./}) / 100000))e-1"; }
while IFS= read -r line; do
    printf "%s  %s\n" "$(passed)" "$line"
    [[ -n $first || $line != *" rows in the table"* || $line == *" 0 rows in"* ]] || first=$(passed)
done < <(
    git clone -q -n /git clone && cd clone && git checkout -q '"$commit"'
    echo "== cloned"
    DEMO_SECONDS=6 make demo 2>&1
)
printf "first rows after %s s\n" "${first:-no}"
[ -n "$first" ]'

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# systems.sh BUILD - what `make test-systems` does, too long for `make test`: the packages on other
# systems than the one that built them.
#
#   1. Debian 13 (systemd 257), booted: the packages in BUILD/deb as they are, by all of the tests
#      of run.sh.
#   2. Debian 13: `make deb` of HEAD there, in a chroot; what comes out installed and run in the
#      same way, but by the shorter tests.
#
# Of Ubuntu no root file system can be had by the package managers that the tests use: Ubuntu is
# not tried.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=$(realpath "$1")
export VM_SUITE=trixie VM_SECONDS=${VM_SECONDS:-1800}

printf '== packages built here, on %s\n' "$VM_SUITE"
tests/systemd/run.sh "$build"

printf '== built on %s\n' "$VM_SUITE"
there=$build/deb-$VM_SUITE
rm -rf "$there"
mkdir -p "$there"
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone -q . "$clone/tree"
# shellcheck disable=SC2016  # for the shell inside
VM_PACKAGES='git make' tests/systemd/vm.sh -c -b "$clone/tree:/src" -o "$there" '
set -e
cp -r /src /root/tree
cd /root/tree
DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" make deb
apt-get install -y ./build/deb/*.deb
cp build/deb/*.deb /out/'
DEB=$there TESTS='test_fresh.py test_sandbox.py' tests/systemd/run.sh "$build"

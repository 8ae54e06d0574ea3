#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# systems.sh BUILD - what `make test-systems` does: the packages in BUILD/deb, built on this Debian,
# are installed on Debian 13 (systemd 257) and, where UBUNTU_MIRROR names a mirror of it, on Ubuntu
# 24.04 (systemd 255), in a chroot; the programs start, systemd-analyze verify complains of nothing,
# and each unit's exposure is at most 1.2. Not booted there, nor built there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
debs=$(realpath "$1")/deb

# system SUITE [MIRROR]
system() {
    # shellcheck disable=SC2016  # for the shell inside
    VM_SUITE=$1 VM_MIRROR=${2:-} VM_PACKAGES='' tests/systemd/vm.sh -c -b "$debs:/deb" '
set -e
. /etc/os-release
apt-get update -q >/root/apt.log 2>&1
apt-get install -y -q man-db /deb/*.deb >>/root/apt.log 2>&1 || { tail /root/apt.log; exit 1; }
printf "== %s: installed\n" "$PRETTY_NAME"
units=$(printf "%s.service " {wikisrcd,wmfetchd,chsinkd}{,@x})
said=$(systemd-analyze verify $units 2>&1)
[ -z "$said" ] || { printf "%s\n" "$said"; exit 1; }
for name in wikisrcd wmfetchd chsinkd; do
    $name --version
    systemd-analyze security --offline=true --threshold=12 --no-pager $name.service | tail -n 1
done
systemctl --version | head -n 1'
}

system trixie
if [ -n "${UBUNTU_MIRROR:-}" ]; then
    system noble "$UBUNTU_MIRROR"
else
    printf '== Ubuntu 24.04: not tried, UBUNTU_MIRROR names no mirror\n'
fi

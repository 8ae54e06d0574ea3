#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# systems.sh BUILD - what `make test-systems` does: the packages in BUILD/deb, built on this Debian,
# are installed on Debian 13 (systemd 257) in a chroot; the programs start, systemd-analyze verify
# complains of nothing, and each unit's exposure is at most 1.2.
#
# Not booted there, nor built there. Ubuntu was not tried.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck disable=SC2016  # for the shell inside
VM_SUITE=trixie VM_PACKAGES='' tests/systemd/vm.sh -c -b "$(realpath "$1")/deb:/deb" '
set -e
apt-get install -y -q man-db /deb/*.deb >/root/apt.log 2>&1 || { tail /root/apt.log; exit 1; }
units=$(printf "%s.service " {wikisrcd,wmfetchd,chsinkd}{,@x})
said=$(systemd-analyze verify $units 2>&1)
[ -z "$said" ] || { printf "%s\n" "$said"; exit 1; }
for name in wikisrcd wmfetchd chsinkd; do
    $name --version
    systemd-analyze security --offline=true --threshold=12 --no-pager $name.service | tail -n 1
done
systemctl --version | head -n 1'

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# units.sh - an instance unit is its main unit but for the description and the configuration, and all
# daemons are confined in the same way: what differs between units is listed here, all else is drift.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

status=0
# same WHAT FILE FILE
same() {
    diff -u --label "$1" --label "$1 (expected)" "$2" "$3" || status=1
}

settings() {
    sed -e '/^#/d' -e '/^Description=/d' -e '/^Documentation=/d' -e '/^MemoryMax=/d' \
        -e '/^StateDirectory=/d' -e "s/$1/NAME/g" "units/$1.service"
}

fenced=$(sed -n 's/^#define PL_EXIT_FENCED //p' lib/base/err.h)
for main in units/*d.service; do
    name=$(basename "$main" .service)
    same "units/$name@.service" "units/$name@.service" <(sed -e "s|^# $name\.service - .*|# $name@.service \
- as $name.service, for $name@INSTANCE with /etc/$name/INSTANCE.yaml.|" \
        -e 's|^Description=.*|&, instance %i|' -e 's|^StateDirectory=.*|&-%i|' -e "s|/$name\.yaml|/%i.yaml|" "$main")
    # What a person must mend, and an instance whose name another has taken, stay down.
    grep -qx "RestartPreventExitStatus=64 78 $fenced" "$main" ||
        { echo "$main: RestartPreventExitStatus= must be 64 78 $fenced (lib/base/err.h)" && status=1; }
    same "$main and units/chsinkd.service" <(settings "$name") <(settings chsinkd)
done
exit "$status"

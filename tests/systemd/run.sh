#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh BUILD - what `make test-systemd` does: installs the packages in BUILD/deb in a booted
# container (vm.sh), where a real Kafka, ClickHouse, Keycloak and Prometheus run, and does as an
# operator does.
#
# Writes BUILD/results/systemd.xml (JUnit) and systemd.journal (all that was logged), and fails when
# a test fails or the container does not come up. Where it cannot work at all (no root, no apt) it
# says so in one line, writes no file and ends with 0. It cannot show that MemoryMax=, TasksMax= and
# LimitNOFILE= above 20000 are kept: the container has no such limits.
#
# TESTS=test_running.py runs one file; PYTEST_ADDOPTS gives pytest's options, such as '-k reload'.
# VM_SUITE=trixie is another Debian, whose results have that in their names; DEB=FOLDER other
# packages.
#
# Inside, /src is the checkout, /build is BUILD, /packages is BUILD/deb (DEB), /older the packages
# of the version before (older.sh) and /services is the cache of what tests/services/ fetches, all
# of them read-only and none of them copied. The tests themselves are a copy in /tests, in which the
# services' passwords can be searched for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

[ $# = 1 ] || {
    printf 'usage: run.sh BUILD\n' >&2
    exit 64
}
build=$(realpath "$1")

for tool in apt-get dpkg unshare; do
    command -v "$tool" >/dev/null || {
        printf 'test-systemd: not run: no %s here (it needs Debian or Ubuntu)\n' "$tool"
        exit 0
    }
done
[ "$(id -u)" = 0 ] || {
    printf 'test-systemd: not run: it needs root (mounts, namespaces): sudo make test-systemd\n'
    exit 0
}

# The tests and the services; then what the packages depend on, since there is no network inside;
# man-db, so that systemd-analyze finds the pages that the units name.
export VM_PACKAGES='python3-pytest python3-confluent-kafka default-jre-headless openssl prometheus
    libcjson1 libcurl4 liblz4-1 libmicrohttpd12 librdkafka1 libssl3 libsystemd0 libyaml-0-2 libzstd1
    man-db'
export VM_SECONDS=${VM_SECONDS:-1200}

# A clickhouse in the host's PATH would not be inside.
export CLICKHOUSE_EMBEDDED=1
cache=${PIPELINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pipeline-services}
tests/services/deps.sh services
for service in kafka clickhouse keycloak duckdb; do
    tests/services/$service.sh fetch
done
binds=(-b "$PWD:/src" -b "$build:/build" -b "${DEB:-$build/deb}:/packages")
# One by one: the folder itself must be writable, for its locks.
for part in "$cache"/*; do
    binds+=(-b "$part:/services/${part##*/}")
done
older=$cache/older-$(cksum <tests/systemd/older.sh | cut -d' ' -f1)
tests/systemd/older.sh "$older"
binds+=(-b "$older:/older")
name=systemd${VM_SUITE:+-$VM_SUITE}
rm -f "$build/results/$name.xml"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
command="PYTEST_ADDOPTS='${PYTEST_ADDOPTS:-}' TESTS='${TESTS:-}' bash /src/tests/systemd/inside.sh"
tests/systemd/vm.sh "${binds[@]}" -o "$out" "$command" || status=$?
mkdir -p "$build/results"
for kind in xml journal; do
    [ ! -s "$out/systemd.$kind" ] || cp "$out/systemd.$kind" "$build/results/$name.$kind"
done
exit "$status"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh - install the Debian packages that building, or the services of the tests, need.
#
#   deps.sh daemons     what building the daemons needs
#   deps.sh build       the same, and what the unit tests need
#   deps.sh deb         as build, and what makes and checks the Debian packages
#   deps.sh demo        as daemons, and what fetches and runs Kafka and ClickHouse
#   deps.sh services    as build and demo, and what the end-to-end tests need
#   deps.sh browser     what shows the daemons' pages to the tests (400 MB)
#
# Does nothing, says nothing and needs no root where nothing is missing.
set -euo pipefail

daemon_packages=(gcc libc6-dev make pkg-config libcurl4-openssl-dev librdkafka-dev libcjson-dev
    libsystemd-dev libyaml-dev libmicrohttpd-dev liblz4-dev libzstd-dev libssl-dev zlib1g-dev)
unit_packages=(check mandoc)
deb_packages=(debhelper dpkg-dev lintian)
browser_packages=(chromium fonts-dejavu-core)
demo_packages=(ca-certificates python3)
service_packages=(openssl python3-confluent-kafka python3-pip python3-pytest)

have() {
    command -v "$1" >/dev/null 2>&1
}

# Prints those of its arguments that are not installed, one a line.
missing_of() {
    local installed name
    # dpkg-query fails when it does not know one of them, which is just the case of interest.
    installed=" $({ dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true; } |
        awk '$2 == "installed" { printf "%s ", $1 }')"
    for name in "$@"; do
        case "$installed" in
        *" $name "*) ;;
        *) printf '%s\n' "$name" ;;
        esac
    done
}

# A tool of another name or origin (a JDK, a node of one's own) is as good as Debian's package.
wanted_packages() {
    if [ "$1" = browser ]; then
        have google-chrome || printf '%s\n' "${browser_packages[@]}"
        return
    fi
    printf '%s\n' "${daemon_packages[@]}"
    case "$1" in
    build) printf '%s\n' "${unit_packages[@]}" ;;
    deb) printf '%s\n' "${unit_packages[@]}" "${deb_packages[@]}" ;;
    demo) printf '%s\n' "${demo_packages[@]}" ;;
    services) printf '%s\n' "${unit_packages[@]}" "${demo_packages[@]}" "${service_packages[@]}" ;;
    esac
    case "$1" in
    demo | services)
        have mvn || printf 'maven\n'
        have java || printf 'default-jre-headless\n'
        have npm || printf 'npm\n'
        ;;
    esac
}

install_packages() {
    local as_root=() log
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
        if ! have sudo || ! sudo -n true 2>/dev/null; then
            if have sudo && [ -t 0 ]; then
                as_root=(sudo)
            else
                by_hand "neither root nor sudo is at hand" "$@"
            fi
        fi
    fi
    log=$(mktemp)
    # A list of packages that is there but old fails to find some: then it is renewed and tried again.
    if "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 ||
        { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >"$log" 2>&1 &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1; }; then
        rm -f "$log"
        return
    fi
    tail -n 15 "$log" >&2
    rm -f "$log"
    by_hand "apt-get failed (see above)" "$@"
}

by_hand() {
    local why=$1
    shift
    printf 'deps.sh: %s. Install by hand, as root:\n    apt-get install --no-install-recommends %s\n' \
        "$why" "$*" >&2
    exit 69
}

main() {
    local set_name=${1:-} missing wanted
    case "$set_name" in
    daemons | build | deb | demo | services | browser) ;;
    *)
        printf 'usage: deps.sh daemons|build|deb|demo|services|browser\n' >&2
        exit 64
        ;;
    esac
    mapfile -t wanted < <(wanted_packages "$set_name")
    if ! have dpkg-query || ! have apt-get; then
        by_hand "this is no Debian or Ubuntu; the same things have other names here" "${wanted[@]}"
    fi
    mapfile -t missing < <(missing_of "${wanted[@]}")
    if [ "${#missing[@]}" -gt 0 ]; then
        printf 'installing: %s\n' "${missing[*]}"
        install_packages "${missing[@]}"
    fi
}

main "$@"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# keycloak.sh - a real Keycloak 26 (on 127.0.0.1 only, HTTPS only) for tests and the demo.
#
#   keycloak.sh fetch                      by Maven, built once, kept in the cache (190 MB)
#   keycloak.sh start DIR HTTPS_PORT       start; returns when the realm answers (10 to 20 s)
#   keycloak.sh stop DIR                   end it in order (SIGTERM)
#   keycloak.sh kill DIR                   end it at once (SIGKILL)
#   keycloak.sh revoke DIR not-before      no token of the realm issued until now is good any more
#   keycloak.sh revoke DIR logout USER     the sessions of a user end, and their tokens
#   keycloak.sh revoke DIR secret CLIENT NEW    a client gets another secret
#   keycloak.sh revoke DIR password USER NEW    a user gets another password
#   keycloak.sh revoke DIR disable|enable CLIENT
#
# The realm `watermelon` (keycloak/realm.json) is made anew at each start: nothing is kept on disk.
#   user pipeline / user-Pa55word
#   client watermelon-public        no secret; password grant
#   client watermelon-confidential  client-S3cret; client credentials and password grant; the secret
#                                   by HTTP Basic or in the body
#   client watermelon-short         the same with tokens of 5 s
#   client watermelon-api           api-S3cret; may ask whether a token is good (introspection)
#   administrator admin / admin-Pa55word, of the realm master
# The issuer is https://127.0.0.1:HTTPS_PORT/realms/watermelon, whatever name the client used.
#
# DIR holds home/ (what Keycloak takes for its folder), tls/, port, server.log and pid.
#
# Environment:
#   PIPELINE_CACHE=FOLDER        where fetched things are kept (~/.cache/pipeline-services)
#   KEYCLOAK_TLS=FOLDER          certificates made by pki.sh (DIR/tls, made when missing)
#   KEYCLOAK_TOKEN_SECONDS=60    how long access tokens are good
#   KEYCLOAK_HEAP=384m           the heap's size at most; 500 MB in all
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.bash
. "$here/common.bash"

keycloak_version=26.7.3
# Those which the build changes: without them the answer is the same and the start is longer.
build_options=(--db=dev-mem --health-enabled=false --metrics-enabled=false
    '--features-disabled=account,device-flow,ciba,par,kerberos,organization,impersonation')
dist_dir="$(cache_dir)/keycloak-$keycloak_version-$({
    cat "$here/keycloak/pom.xml"
    printf '%s\n' "${build_options[@]}"
} | cksum | cut -d' ' -f1)"

fetch_keycloak() {
    local tmp="$dist_dir.tmp"
    [ ! -f "$dist_dir/complete" ] || return 0
    command -v mvn >/dev/null || die "no mvn: run deps.sh services" 69
    command -v java >/dev/null || die "no java: run deps.sh services" 69
    printf 'fetching Keycloak %s\n' "$keycloak_version"
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! mvn -B -ntp -f "$here/keycloak/pom.xml" dependency:unpack-dependencies \
        "-DoutputDirectory=$tmp" "-DmarkersDirectory=$tmp/markers" >"$tmp/mvn.log" 2>&1; then
        grep -m 8 ERROR "$tmp/mvn.log" >&2 || tail -n 8 "$tmp/mvn.log" >&2
        die "Maven could not fetch org.keycloak:keycloak-quarkus-dist:$keycloak_version (all of \
it: $tmp/mvn.log). Mend the network or Maven's settings" 69
    fi
    mv "$tmp/keycloak-$keycloak_version" "$tmp/keycloak" ||
        die "no keycloak-$keycloak_version in what Maven fetched: see $tmp" 69
    if ! "$tmp/keycloak/bin/kc.sh" build "${build_options[@]}" >"$tmp/build.log" 2>&1; then
        tail -n 12 "$tmp/build.log" >&2
        die "Keycloak could not be built (all of it: $tmp/build.log)"
    fi
    touch "$tmp/complete"
    rm -rf "$dist_dir"
    mv "$tmp" "$dist_dir"
}

# A folder of its own that Keycloak takes for the whole distribution, so that several can run.
write_home() {
    local home=$1 part
    mkdir -p "$home/data/import"
    for part in bin conf lib providers themes; do
        ln -sfn "$dist_dir/keycloak/$part" "$home/$part"
    done
    sed -e "s/@TOKEN_SECONDS@/${KEYCLOAK_TOKEN_SECONDS:-60}/" \
        -e 's/@USER_PASSWORD@/user-Pa55word/' -e 's/@CLIENT_SECRET@/client-S3cret/' \
        -e 's/@API_SECRET@/api-S3cret/' "$here/keycloak/realm.json" \
        >"$home/data/import/watermelon-realm.json"
}

# The line comes after the import and after the port is open.
answers() {
    grep -q 'Listening on: https' "$1/server.log" && port_open "$2"
}

start() {
    local dir=$1 port=$2 tls=${KEYCLOAK_TLS:-} threads
    running_pid "$dir" >/dev/null && die "$dir: already running as process $(running_pid "$dir")"
    ! port_open "$port" || die "port $port is taken"
    locked keycloak fetch_keycloak
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    if [ -z "$tls" ]; then
        tls=$dir/tls
        "$here/pki.sh" "$tls"
    fi
    tls=$(cd "$tls" && pwd)
    [ -r "$tls/server.key" ] || die "no $tls/server.key: see pki.sh" 66
    ln -sfn "$tls/ca.pem" "$dir/ca.pem"
    printf '%s\n' "$port" >"$dir/port"
    write_home "$dir/home"
    [ ! -f "$dir/server.log" ] || mv "$dir/server.log" "$dir/server.log.before"
    threads=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory
    # As kc.sh starts it, but as one process, and with the compiler and the collector that start
    # fastest and take least.
    KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin-Pa55word \
        launch "$dir" "$dir/server.log" java -Xms64m "-Xmx${KEYCLOAK_HEAP:-384m}" \
        -XX:MaxMetaspaceSize=256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
        -XX:+ExitOnOutOfMemoryError -Dfile.encoding=UTF-8 -Djava.awt.headless=true \
        --add-opens=java.base/java.util=ALL-UNNAMED \
        --add-opens=java.base/java.util.concurrent=ALL-UNNAMED \
        --add-opens=java.base/java.security=ALL-UNNAMED \
        --add-opens=java.base/java.lang=ALL-UNNAMED \
        "-Dkc.home.dir=$dir/home" "-Djboss.server.config.dir=$dir/home/conf" \
        -Djava.util.logging.manager=org.jboss.logmanager.LogManager \
        -Dpicocli.disable.closures=true \
        "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=$threads" \
        -cp "$dir/home/lib/quarkus-run.jar" io.quarkus.bootstrap.runner.QuarkusEntryPoint \
        start --optimized --import-realm --cache=local --http-host=127.0.0.1 \
        "--https-port=$port" "--hostname=https://127.0.0.1:$port" --log-level=info \
        "--https-certificate-file=$tls/server.crt" "--https-certificate-key-file=$tls/server.key"
    wait_until_up "$dir" "$dir/server.log" 180 answers "$dir" "$port"
}

usage() {
    sed -n '5,13s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 64
}

case "${1:-}/$#" in
fetch/1) locked keycloak fetch_keycloak ;;
start/3)
    need_port "$3"
    start "$2" "$3"
    ;;
stop/2) end_server "$2" TERM ;;
kill/2) end_server "$2" KILL ;;
revoke/[345])
    running_pid "$2" >/dev/null || die "$2: no Keycloak is running"
    exec python3 "$here/keycloak/admin.py" "$2" "${@:3}"
    ;;
*) usage ;;
esac

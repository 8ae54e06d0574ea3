#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lake.sh - an Iceberg REST catalogue and an S3 for tests: Apache Iceberg's own server (of its
# tests; a JDBC catalogue on SQLite behind it) and moto, whose S3 checks signatures.
#
#   lake.sh fetch                           by Maven and pip, into the cache (once; 145 and 150 MB)
#   lake.sh start DIR CATALOG_PORT S3_PORT  start both; returns when they answer (5 to 10 s)
#   lake.sh session DIR S3_PORT             print temporary credentials: key, secret, token, a line each
#   lake.sh stop DIR                        end both (SIGTERM)
#
# The bucket is `lake`, the catalogue's warehouse s3://lake/warehouse; DIR/keys has S3's access key
# and secret, a line each. S3 keeps all in memory. Both listen on loopback only. The catalogue, which
# asks nobody who they are, has no option for that: loopback.c does it, which needs a C compiler.
#
# Environment:
#   PIPELINE_CACHE=FOLDER   where fetched things are kept (~/.cache/pipeline-services)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.bash
. "$here/common.bash"

moto_packages=('moto[s3,server]==5.2.5')
catalog_dir="$(cache_dir)/iceberg-catalog-$(cksum <"$here/lake/pom.xml" | cut -d ' ' -f 1)"
moto_dir="$(cache_dir)/moto-$(cksum <<<"${moto_packages[*]}" | cut -d ' ' -f 1)"

loopback="$(cache_dir)/loopback-$(cksum <"$here/loopback.c" | cut -d ' ' -f 1).so"

make_loopback() {
    [ ! -f "$loopback" ] || return 0
    cc -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -o "$loopback.$$" "$here/loopback.c" \
        -ldl || die "could not compile loopback.c: run deps.sh build"
    mv "$loopback.$$" "$loopback"
}

fetch_catalog() {
    local tmp="$catalog_dir.tmp"
    [ ! -d "$catalog_dir" ] || return 0
    command -v mvn >/dev/null || die "no mvn: run deps.sh services" 69
    printf "fetching Iceberg's REST catalogue\n"
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! mvn -B -ntp -f "$here/lake/pom.xml" dependency:copy-dependencies \
        "-DoutputDirectory=$tmp" >"$tmp.log" 2>&1; then
        grep -m 8 ERROR "$tmp.log" >&2 || tail -n 8 "$tmp.log" >&2
        die "Maven could not fetch Iceberg's catalogue (all of it: $tmp.log). Mend the network or \
Maven's settings" 69
    fi
    mv "$tmp" "$catalog_dir"
    rm -f "$tmp.log"
}

fetch_moto() {
    local tmp="$moto_dir.tmp" python=/usr/bin/python3
    [ ! -d "$moto_dir" ] || return 0
    "$python" -m pip --version >/dev/null 2>&1 || die "no pip: run deps.sh services" 69
    printf 'fetching moto\n'
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! "$python" -m pip install --quiet --disable-pip-version-check --target "$tmp" \
        "${moto_packages[@]}" >"$tmp.log" 2>&1; then
        tail -n 8 "$tmp.log" >&2
        die "pip could not fetch ${moto_packages[*]} (see above). Mend the network or pip's \
settings" 69
    fi
    mv "$tmp" "$moto_dir"
    rm -f "$tmp.log"
}

start() {
    local dir=$1 catalog_port=$2 s3_port=$3
    locked iceberg-catalog fetch_catalog
    locked moto fetch_moto
    make_loopback
    mkdir -p "$dir/s3" "$dir/catalog"
    dir=$(cd "$dir" && pwd)
    need_free_port "$catalog_port"
    need_free_port "$s3_port"
    INITIAL_NO_AUTH_ACTION_COUNT=3 PYTHONPATH=$moto_dir launch "$dir/s3" "$dir/s3.log" \
        /usr/bin/python3 -m moto.server -H 127.0.0.1 -p "$s3_port"
    wait_until_up "$dir/s3" "$dir/s3.log" 60 port_open "$s3_port"
    PYTHONPATH=$moto_dir /usr/bin/python3 "$here/lake/s3.py" "$s3_port" "$dir/keys" \
        >"$dir/setup.log" 2>&1 || {
        tail -n 5 "$dir/setup.log" >&2
        die "S3's bucket could not be made"
    }
    local keys
    mapfile -t keys <"$dir/keys"
    # As RCKUtils reads them: CATALOG_A_B__C is the property a.b-c.
    CATALOG_REST_PORT=$catalog_port CATALOG_CATALOG__IMPL=org.apache.iceberg.jdbc.JdbcCatalog \
        CATALOG_URI="jdbc:sqlite:$dir/catalog/catalog.db" CATALOG_WAREHOUSE=s3://lake/warehouse \
        CATALOG_IO__IMPL=org.apache.iceberg.aws.s3.S3FileIO \
        CATALOG_S3_ENDPOINT="http://127.0.0.1:$s3_port" CATALOG_S3_PATH__STYLE__ACCESS=true \
        CATALOG_S3_ACCESS__KEY__ID=${keys[0]} CATALOG_S3_SECRET__ACCESS__KEY=${keys[1]} \
        CATALOG_CLIENT_REGION=us-east-1 \
        LD_PRELOAD=$loopback launch "$dir/catalog" "$dir/catalog.log" java -Xmx256m -XX:+UseSerialGC \
        -XX:TieredStopAtLevel=1 -cp "$catalog_dir/*" org.apache.iceberg.rest.RESTCatalogServer
    wait_until_up "$dir/catalog" "$dir/catalog.log" 120 port_open "$catalog_port"
}

case "${1:-}/$#" in
fetch/1)
    locked iceberg-catalog fetch_catalog
    locked moto fetch_moto
    ;;
start/4)
    need_port "$3"
    need_port "$4"
    start "$2" "$3" "$4"
    ;;
session/3)
    need_port "$3"
    PYTHONPATH=$moto_dir /usr/bin/python3 "$here/lake/sts.py" "$3" "$2/keys"
    ;;
stop/2)
    end_server "$2/catalog" TERM
    end_server "$2/s3" TERM
    ;;
*)
    sed -n '7,10s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 64
    ;;
esac

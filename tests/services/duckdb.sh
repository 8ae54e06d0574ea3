#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# duckdb.sh - DuckDB's library for chsinkd, and its Python client for what tests and demo read.
#
#   duckdb.sh fetch      all, by npm and pip, into the cache (once; 70, 60 and 110 MB)
#   duckdb.sh library    prints the library's path, fetched or not: for DUCKDB_LIBRARY=
#   duckdb.sh python     prints the folder with the client, fetched or not: for PYTHONPATH=
#   duckdb.sh lake       prints the path of a library and of the extension ducklake that it takes, a
#                        line each: for DUCKLAKE_LIBRARY= and DUCKLAKE_EXTENSION=
#
# The client is of a newer version than the library: that it reads the file is part of the test. An
# extension is of just one version, and there is none yet for the library's.
#
# Environment:
#   PIPELINE_CACHE=FOLDER   where fetched things are kept (~/.cache/pipeline-services)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.bash
. "$here/common.bash"

library_version=1.5.6-r.1
client_version=2.0.1
lake_library_version=1.5.5-r.5
lake_version=1.5.5
# The client needs it to show times with a zone.
zones_version=2026.2
library_dir="$(cache_dir)/duckdb-$library_version"
client_dir="$(cache_dir)/duckdb-python-$client_version"
lake_library_dir="$(cache_dir)/duckdb-$lake_library_version"
lake_dir="$(cache_dir)/ducklake-$lake_version"

# fetch_library VERSION FOLDER
fetch_library() {
    local library_version=$1 library_dir=$2 tmp="$2.tmp" package
    [ ! -f "$library_dir/libduckdb.so" ] || return 0
    case "$(uname -m)" in
    x86_64) package=@duckdb/node-bindings-linux-x64 ;;
    aarch64) package=@duckdb/node-bindings-linux-arm64 ;;
    *) die "no library for $(uname -m)" 69 ;;
    esac
    command -v npm >/dev/null || die "no npm: run deps.sh services" 69
    printf 'fetching DuckDB %s\n' "$library_version"
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! (cd "$tmp" && npm pack --silent "$package@$library_version" >npm.out 2>npm.log); then
        tail -n 8 "$tmp/npm.log" "$tmp/npm.out" >&2
        die "npm could not fetch $package@$library_version (see above). Mend the network or npm's \
settings" 69
    fi
    (cd "$tmp" && tar -xzf ./*.tgz --strip-components=1 package/libduckdb.so && rm -f ./*.tgz) ||
        die "could not unpack the library into $tmp (70 MB): is the disk full?"
    rm -rf "$library_dir"
    mv "$tmp" "$library_dir"
}

fetch_client() {
    local tmp="$client_dir.tmp" python=/usr/bin/python3
    [ ! -d "$client_dir" ] || return 0
    "$python" -m pip --version >/dev/null 2>&1 || die "no pip: run deps.sh services" 69
    printf "fetching DuckDB's Python client %s\n" "$client_version"
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$tmp" \
        "duckdb==$client_version" "pytz==$zones_version" >"$tmp.log" 2>&1; then
        tail -n 8 "$tmp.log" >&2
        die "pip could not fetch duckdb==$client_version (see above). Mend the network or pip's \
settings" 69
    fi
    mv "$tmp" "$client_dir"
    rm -f "$tmp.log"
}

fetch_lake() {
    local tmp="$lake_dir.tmp"
    [ ! -d "$lake_dir" ] || return 0
    printf "fetching DuckDB's extension ducklake %s\n" "$lake_version"
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! /usr/bin/python3 -m pip install --quiet --disable-pip-version-check --no-deps \
        --target "$tmp" "duckdb-extension-ducklake==$lake_version" >"$tmp.log" 2>&1; then
        tail -n 8 "$tmp.log" >&2
        die "pip could not fetch duckdb-extension-ducklake==$lake_version (see above). Mend the \
network or pip's settings" 69
    fi
    mv "$tmp" "$lake_dir"
    rm -f "$tmp.log"
}

case "${1:-}/$#" in
fetch/1)
    locked duckdb fetch_library "$library_version" "$library_dir"
    locked duckdb fetch_client
    locked duckdb fetch_library "$lake_library_version" "$lake_library_dir"
    locked duckdb fetch_lake
    ;;
lake/1)
    printf '%s\n' "$lake_library_dir/libduckdb.so" \
        "$lake_dir/duckdb_extension_ducklake/extensions/v$lake_version/ducklake.duckdb_extension"
    ;;
library/1) printf '%s\n' "$library_dir/libduckdb.so" ;;
python/1) printf '%s\n' "$client_dir" ;;
*)
    printf 'usage: duckdb.sh fetch | library | python | lake\n' >&2
    exit 64
    ;;
esac

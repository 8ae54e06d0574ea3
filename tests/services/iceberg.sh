#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# iceberg.sh - readers of Iceberg tables that are not ours: pyiceberg, and DuckDB with its iceberg
# extension. (ClickHouse is the third.)
#
#   iceberg.sh fetch     by pip, into the cache (once; 300 MB)
#   iceberg.sh python    prints the folder, fetched or not: for PYTHONPATH=
#
# Environment:
#   PIPELINE_CACHE=FOLDER   where fetched things are kept (~/.cache/pipeline-services)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.bash
. "$here/common.bash"

# The extensions are of just this version of DuckDB.
packages=("pyiceberg[pyarrow,sql-sqlite]==0.12.0" pyarrow==26.0.1 duckdb==1.5.5
    duckdb-extension-avro==1.5.5 duckdb-extension-iceberg==1.5.5 duckdb-extension-httpfs==1.5.5
    pytz==2026.2)
readers_dir="$(cache_dir)/iceberg-readers-$(cksum <<<"${packages[*]}" | cut -d ' ' -f 1)"

fetch_readers() {
    local tmp="$readers_dir.tmp" python=/usr/bin/python3
    [ ! -d "$readers_dir" ] || return 0
    "$python" -m pip --version >/dev/null 2>&1 || die "no pip: run deps.sh services" 69
    printf "fetching readers of Iceberg tables\n"
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! "$python" -m pip install --quiet --disable-pip-version-check --target "$tmp" \
        "${packages[@]}" >"$tmp.log" 2>&1; then
        tail -n 8 "$tmp.log" >&2
        die "pip could not fetch ${packages[*]} (see above). Mend the network or pip's settings" 69
    fi
    mv "$tmp" "$readers_dir"
    rm -f "$tmp.log"
}

case "${1:-}/$#" in
fetch/1) locked iceberg fetch_readers ;;
python/1) printf '%s\n' "$readers_dir" ;;
*)
    printf 'usage: iceberg.sh fetch | python\n' >&2
    exit 64
    ;;
esac

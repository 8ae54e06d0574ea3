#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh BUILD - runs the benchmarks on RECORDED, else on recorded events where they lie beside
# the checkout, else on made ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1
events=${RECORDED:-../shared/data/recentchange.jsonl}
if [ ! -f "$events" ]; then
    [ -z "${RECORDED:-}" ] || {
        printf 'bench: no file %s\n' "$RECORDED" >&2
        exit 66
    }
    events=$build/bench/events.jsonl
    "$build/services/make-events" --count 20000 >"$events"
    printf '20,000 made events (RECORDED=FILE: recorded ones)\n'
else
    printf '%d recorded events\n' "$(wc -l <"$events")"
fi
printf '%s, %d cores\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)"
printf '\nreading JSON (bench_json): lib/json beside cJSON\n'
"$build/bench/bench_json" "$events" 20
printf '\nfrom message to Native block (bench_rows), one core\n'
"$build/bench/bench_rows" etc/routes/wikipedia_edits.yaml "$events" 5

printf '\nwmfetchd: peak memory for an answer of 28 MB and of 1 GB (Keycloak, Kafka, the API)\n'
tests/services/keycloak.sh fetch
tests/services/kafka.sh fetch
tests/services/clickhouse.sh fetch
BUILD=$PWD/$build /usr/bin/python3 -m pytest -q -s -p no:cacheprovider tests/e2e/test_wmfetchd.py \
    -k test_memory_is_flat | grep -E ' bytes in |passed|failed|Error'

printf '\nchsinkd: 400,000 made events into a table (Kafka, ClickHouse); BASE=DIR: beside the build in DIR\n'
BUILD=$PWD/$build /usr/bin/python3 -m pytest -q -s -p no:cacheprovider tests/e2e/bench_sink.py |
    grep -E ' rows/s|rows/s of |passed|failed|Error'

printf '\nchsinkd into DuckDB and Iceberg, beside Python programs that do the same (pip, into %s)\n' "$build/bench/peers"
[ -x "$build/bench/peers/bin/dlt" ] || {
    /usr/bin/python3 -m venv "$build/bench/peers"
    "$build/bench/peers/bin/pip" -q install 'dlt[duckdb]==1.31.0' duckdb==1.5.5 pyarrow==26.0.1 \
        'pyiceberg[pyarrow,sql-sqlite]==0.12.0' kafka-python-ng==2.2.3 pyyaml
}
DUCKDB_LIBRARY=$(tests/services/duckdb.sh library)
export DUCKDB_LIBRARY
PEERS=$PWD/$build/bench/peers/bin/python BUILD=$PWD/$build /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
    tests/e2e/bench_outputs.py | grep -E ' rows/s|the same|passed|failed|Error'

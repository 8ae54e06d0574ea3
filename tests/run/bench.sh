#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh BUILD - runs the benchmark (tests/bench/bench.py): loaders side by side on this machine, in turn, each into
# an empty table, which must then hold the same rows. It fetches what it needs: Kafka, ClickHouse, the peers' Python
# packages, and libsimdjson-dev and a C++ compiler for the trial (root or sudo).
#
# Environment, all of it optional:
#   BENCH=all           parts: chsinkd, series, wikisrcd, wmfetchd (sources: both), duckdb, iceberg
#                       (outputs: both), start, live, scale; all: all but scale
#   RUNS=3              runs of each; the median is shown
#   EVENTS=1000000      events of chsinkd's part; OUTPUT_EVENTS=100000, SOURCE_EVENTS=200000,
#                       APPLICATIONS=10 (series), LIVE_SECONDS=600, SCALE_EVENTS=10000000
#   PARTITIONS=1,4      topics with so many partitions
#   LOADERS=PATTERN     those whose name has it (a Python regular expression)
#   BASE=DIR            another build, whose chsinkd takes turns with this one's
#   CHSINKD_OPTIONS=JSON  over chsinkd's configuration: {"kafka": {"queued.min.messages": "300000"}}
#   PEER=COMMAND        another loader, started by /bin/sh. In its environment: BENCH_BOOTSTRAP,
#                       BENCH_TOPIC, BENCH_GROUP, BENCH_CLICKHOUSE_URL, BENCH_CLICKHOUSE_TCP_PORT,
#                       BENCH_CLICKHOUSE_USER, BENCH_CLICKHOUSE_PASSWORD, BENCH_DATABASE, BENCH_TABLE,
#                       BENCH_ROWS, BENCH_ROUTE. It gets SIGTERM when the table holds all rows.
#   BENCH_HISTORY=FILE  one JSON line a run (BUILD/bench/history.jsonl), for make bench-compare
#   KEEP_BENCH=1        keep the folder with logs and data
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1
wanted=()

mkdir -p "$build/bench"
command -v g++ >/dev/null || wanted+=(g++)
[ -f /usr/include/simdjson.h ] || wanted+=(libsimdjson-dev)
if [ ${#wanted[@]} -gt 0 ]; then
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get install -y -q "${wanted[@]}" >"$build/bench/apt.log" 2>&1 || {
        tail -n 5 "$build/bench/apt.log" >&2
        printf 'bench: could not install %s; by hand: apt-get install %s\n' "${wanted[*]}" "${wanted[*]}" >&2
        exit 69
    }
fi
if [ tests/bench/trial.cpp -nt "$build/bench/trial" ] || [ tests/bench/trial_rows.hpp -nt "$build/bench/trial" ]; then
    g++ -O2 -I. -std=gnu++17 -Wall -Wextra -o "$build/bench/trial" tests/bench/trial.cpp -lsimdjson -lrdkafka -lcurl -lpthread
fi
tests/services/kafka.sh fetch
tests/services/clickhouse.sh fetch
tests/services/keycloak.sh fetch
tests/services/duckdb.sh fetch
DUCKDB_LIBRARY=$(tests/services/duckdb.sh library)
export DUCKDB_LIBRARY
[ -x "$build/bench/peers/bin/dlt" ] || {
    /usr/bin/python3 -m venv "$build/bench/peers"
    "$build/bench/peers/bin/pip" -q install kafka-python-ng==2.2.3 clickhouse-connect==1.12.0 \
        confluent-kafka==2.16.1 requests-sse==0.5.3 requests 'dlt[duckdb]==1.31.0' duckdb==1.5.5 \
        pyarrow==26.0.1 'pyiceberg[pyarrow,sql-sqlite]==0.12.0' pyyaml
}
PEERS=$PWD/$build/bench/peers/bin/python
export PEERS
BUILD=$PWD/$build exec /usr/bin/python3 tests/bench/bench.py

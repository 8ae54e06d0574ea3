#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# peer_clickhouse_sinker.sh - clickhouse_sinker as the benchmark's PEER for recentchange events:
#
#     make bench PEER=tests/bench/peer_clickhouse_sinker.sh SINKER=/path/to/clickhouse_sinker
#
# To have it: git clone https://github.com/viru-tech/clickhouse_sinker && go build ./cmd/clickhouse_sinker
# Batches of 65,536 (its bufferSize), two connections, as was fastest. gjson is its parser that reads nested fields.
set -eu
file=$(mktemp)
cat >"$file" <<CONF
{
  clickhouse: {
    hosts: [["127.0.0.1"]], port: $BENCH_CLICKHOUSE_TCP_PORT, db: "$BENCH_DATABASE"
    username: "$BENCH_CLICKHOUSE_USER", password: "$BENCH_CLICKHOUSE_PASSWORD", maxOpenConns: 2, retryTimes: 0
  }
  kafka: { brokers: "$BENCH_BOOTSTRAP" }
  task: {
    name: "$BENCH_TABLE", topic: "$BENCH_TOPIC", consumerGroup: "$BENCH_GROUP", earliest: true, parser: "gjson"
    tableName: "$BENCH_TABLE", bufferSize: 65536, flushInterval: 1, timeZone: "UTC", timeUnit: 1.0
    dims: [
      { name: "title", type: "String" }, { name: "user", type: "String" }, { name: "wiki", type: "String" }
      { name: "type", type: "String" }, { name: "time", type: "DateTime", sourceName: "timestamp" }
      { name: "comment", type: "String" }
      { name: "revision_old", type: "Nullable(Int64)", sourceName: "revision.old" }
      { name: "revision_new", type: "Nullable(Int64)", sourceName: "revision.new" }
      { name: "length_old", type: "Nullable(Int64)", sourceName: "length.old" }
      { name: "length_new", type: "Nullable(Int64)", sourceName: "length.new" }
      { name: "bot", type: "Bool" }, { name: "minor", type: "Bool" }, { name: "namespace", type: "Nullable(Int32)" }
      { name: "id", type: "Nullable(Int64)" }
      { name: "event_id", type: "Nullable(UUID)", sourceName: "meta.id" }
      { name: "domain", type: "String", sourceName: "meta.domain" }
    ]
  }
}
CONF
exec "${SINKER:-clickhouse_sinker}" --local-cfg-file "$file" --log-paths stdout

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh [ROOT] - the architecture as a table: which folder may include which, held against the
# `#include "..."` of lib/ and daemons/ (below ROOT: this tree). Prints what is not allowed, and what
# is allowed but not used.
#
# A line names a folder (or a file, without its ending: the longest name that fits counts) and those
# it may include; itself always. All that a line names stands above it, so there are no cycles. A
# daemon may include all of lib/; lib/ knows no daemon.
set -euo pipefail
cd "${1:-"$(dirname "${BASH_SOURCE[0]}")/../.."}"

table='
lib/base
lib/log                     base
lib/config                  base
lib/json                    base
lib/page                    base
lib/metrics                 base page
lib/config/common           log config metrics
lib/http                    base config
lib/service                 base log config config/common page metrics http
lib/auth                    base log config json metrics http
lib/kafka/oauth             base config auth http
lib/kafka                   base log config config/common service kafka/oauth
lib/batch                   base log config/common metrics service kafka

daemons/wikisrcd/event/path
daemons/wikisrcd/event/fields
daemons/wikisrcd/event/event event/path event/fields
daemons/wikisrcd/event/rules event/path
daemons/wikisrcd/event/redact event/path event/rules
daemons/wikisrcd/conf       event/path event/rules event/redact
daemons/wikisrcd/metrics
daemons/wikisrcd/event      conf event/event event/fields event/redact event/rules
daemons/wikisrcd/position   event/event
daemons/wikisrcd/stream     conf metrics position
daemons/wikisrcd/backfill   position
daemons/wikisrcd            conf metrics backfill event event/event position stream

daemons/wmfetchd/window/schedule
daemons/wmfetchd/window/turns
daemons/wmfetchd/conf       window/turns
daemons/wmfetchd/metrics    conf
daemons/wmfetchd/api        conf metrics
daemons/wmfetchd/delivery   conf metrics api window/schedule window/turns
daemons/wmfetchd/window     metrics api delivery window/schedule
daemons/wmfetchd            conf metrics api delivery window window/turns

daemons/chsinkd/route
daemons/chsinkd/batch       route
daemons/chsinkd/decode      batch route
daemons/chsinkd/output      route
daemons/chsinkd/clickhouse/body
daemons/chsinkd/clickhouse/client clickhouse/body output
daemons/chsinkd/clickhouse  clickhouse/client output batch route
daemons/chsinkd/duckdb/library
daemons/chsinkd/duckdb/database duckdb/library
daemons/chsinkd/duckdb/append batch duckdb/library duckdb/database
daemons/chsinkd/duckdb/select duckdb/database output
daemons/chsinkd/duckdb      duckdb/database duckdb/append duckdb/select batch output route
daemons/chsinkd/iceberg/conf
daemons/chsinkd/iceberg/format iceberg/conf route
daemons/chsinkd/iceberg/http iceberg/conf
daemons/chsinkd/iceberg/store iceberg/conf iceberg/http
daemons/chsinkd/iceberg/catalog iceberg/conf iceberg/format iceberg/http iceberg/store
daemons/chsinkd/iceberg     duckdb/database duckdb/append duckdb/select duckdb/library output batch route iceberg/format iceberg/store iceberg/catalog
daemons/chsinkd/conf        clickhouse clickhouse/client duckdb duckdb/library duckdb/database iceberg output route iceberg/conf iceberg/format
daemons/chsinkd/metrics
daemons/chsinkd/sink/protocol conf batch
daemons/chsinkd/sink/kafka  batch conf
daemons/chsinkd/sink/work   output
daemons/chsinkd/sink        sink/protocol sink/kafka sink/work batch decode output conf metrics route
daemons/chsinkd/show        batch output conf sink/protocol
daemons/chsinkd             show sink conf metrics output route
'

grep -rHo '^ *# *include *"[^"]*"' lib daemons --include='*.[ch]' |
    sed 's/: *# *include *"/ /; s/"$//' |
    awk -v table="$table" '
        # The line of the table that a file belongs to.
        function node_of(file,    name) {
            name = file
            sub(/\.[ch]$/, "", name)
            while (!(name in known) && sub("/[^/]*$", "", name)) ;
            return name in known ? name : ""
        }
        function complain(text) { print text; bad = 1 }
        BEGIN {
            n = split(table, lines, "\n")
            for (i = 1; i <= n; i++) {
                fields = split(lines[i], f, " ")
                if (fields == 0) continue
                root = f[1]
                sub("^lib/.*", "lib", root)
                if (root != "lib") { split(root, part, "/"); root = part[1] "/" part[2] }
                for (k = 2; k <= fields; k++) {
                    to = root "/" f[k]
                    if (!(to in known))
                        complain("layers.sh: " f[1] " names " to ", which does not stand above it")
                    allowed[f[1], to] = 1
                }
                known[f[1]] = root
            }
        }
        {
            from = node_of($1); to = node_of($2)
            if ($2 !~ "/")
                complain($1 " includes \"" $2 "\": write it from the root of the tree")
            else if (from == "" || to == "")
                complain($1 " includes \"" $2 "\": no line of layers.sh names its folder")
            else if (from == to || (known[to] == "lib" && known[from] != "lib"))
                next
            else if ((from, to) in allowed)
                used[from, to] = 1
            else
                complain($1 " includes \"" $2 "\": " from " may not include " to)
        }
        END {
            for (edge in allowed)
                if (!(edge in used)) {
                    split(edge, part, SUBSEP)
                    complain("layers.sh: " part[1] " may include " part[2] ", but does not")
                }
            exit bad
        }'

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# clickhouse.sh - a real ClickHouse (on 127.0.0.1 only) for tests and the demo.
#
#   clickhouse.sh fetch                         the engine, by npm, into the cache (once; 570 MB)
#   clickhouse.sh start DIR HTTP_PORT TCP_PORT  start on DIR's data; returns when it answers
#   clickhouse.sh stop DIR                      end it (SIGTERM)
#   clickhouse.sh kill DIR                      end it at once (SIGKILL); DIR can be started again
#
# A `clickhouse` program in the PATH comes first (`clickhouse server`); else the engine as a library
# is started by clickhouse-server.c, which needs a C compiler.
#
# Users, all from 127.0.0.1 only:
#   default              no password, all rights
#   pipeline / secret    all rights
#   writer / secret      SELECT and INSERT everywhere, but neither CREATE nor ALTER nor DROP
#   reader / secret      read-only (readonly=1)
# They stand in DIR/users.xml. CREATE USER does not work in the embedded server (it has no writable
# access storage). Neither does https_port: put tls-proxy.py in front.
#
# DIR holds data/, config.xml and users.xml (written anew at each start), server.log and pid.
#
# Environment:
#   PIPELINE_CACHE=FOLDER         where fetched things are kept (~/.cache/pipeline-services)
#   CLICKHOUSE_MEMORY=4000000000  max_server_memory_usage, bytes
#   CLICKHOUSE_QUERY_LOG=1        keep system.query_log, as an installed server does
#   CLICKHOUSE_CONFIG=TEXT        lines for config.xml
#   CLICKHOUSE_EMBEDDED=1         take the library even if there is a clickhouse in the PATH
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.bash
. "$here/common.bash"

engine_version=26.7.3-stable.1
engine_dir="$(cache_dir)/clickhouse-$engine_version"
launcher="$(cache_dir)/clickhouse-server-$(cksum <"$here/clickhouse-server.c" | cut -d' ' -f1)"

use_installed() {
    [ -z "${CLICKHOUSE_EMBEDDED:-}" ] && command -v clickhouse >/dev/null
}

fetch_engine() {
    local tmp="$engine_dir.tmp" package
    [ ! -f "$engine_dir/libchdb.so" ] || return 0
    case "$(uname -m)" in
    x86_64) package=@chdb/lib-linux-x64-gnu ;;
    aarch64) package=@chdb/lib-linux-arm64-gnu ;;
    *) die "no engine for $(uname -m); put a clickhouse program in the PATH, or name a server \
you already have: CLICKHOUSE=http://host:8123" 69 ;;
    esac
    command -v npm >/dev/null || die "no npm: run deps.sh services, put a clickhouse program in \
the PATH, or name a server you already have: CLICKHOUSE=http://host:8123" 69
    printf 'fetching ClickHouse %s\n' "$engine_version"
    rm -rf "$tmp"
    mkdir -p "$tmp"
    if ! (cd "$tmp" && npm pack --silent "$package@$engine_version" >npm.out 2>npm.log); then
        tail -n 8 "$tmp/npm.log" "$tmp/npm.out" >&2
        die "npm could not fetch $package@$engine_version (see above). Mend the network or npm's \
settings, put a clickhouse program in the PATH, or name a server you already have: \
CLICKHOUSE=http://host:8123" 69
    fi
    (cd "$tmp" && tar -xzf ./*.tgz --strip-components=1 package/libchdb.so && rm -f ./*.tgz) ||
        die "could not unpack the engine into $tmp (570 MB): is the disk full?"
    rm -rf "$engine_dir"
    mv "$tmp" "$engine_dir"
}

build_launcher() {
    [ ! -x "$launcher" ] || return 0
    "${CC:-cc}" -std=gnu11 -O1 -o "$launcher.$$" "$here/clickhouse-server.c" -ldl ||
        die "could not compile clickhouse-server.c: run deps.sh build" 69
    mv "$launcher.$$" "$launcher"
}

fetch() {
    use_installed && return 0
    locked clickhouse fetch_engine
    locked clickhouse build_launcher
}

# write_config DIR HTTP_PORT TCP_PORT
write_config() {
    cat <<END
<clickhouse>
  <path>$1/data/</path>
  <tmp_path>$1/data/tmp/</tmp_path>
  <user_files_path>$1/data/user_files/</user_files_path>
  <format_schema_path>$1/data/format_schemas/</format_schema_path>
  <listen_host>127.0.0.1</listen_host>
  <http_port>$2</http_port>
  <tcp_port>$3</tcp_port>
  <users_config>$1/users.xml</users_config>
  <max_server_memory_usage>${CLICKHOUSE_MEMORY:-4000000000}</max_server_memory_usage>
END
    if use_installed; then
        cat <<END
  <logger><level>information</level><console>1</console></logger>
  <mark_cache_size>268435456</mark_cache_size>
END
    fi
    if [ -n "${CLICKHOUSE_QUERY_LOG:-}" ]; then
        printf '  <query_log><database>system</database><table>query_log</table></query_log>\n'
    fi
    printf '%s\n</clickhouse>\n' "${CLICKHOUSE_CONFIG:-}"
}

write_users() {
    local name
    printf '<clickhouse>\n  <users>\n'
    for name in default pipeline writer reader; do
        printf '    <%s>\n' "$name"
        if [ "$name" = default ]; then
            printf '      <password></password>\n'
        else
            printf '      <password>secret</password>\n'
        fi
        printf '      <networks><ip>127.0.0.1</ip></networks>\n      <quota>default</quota>\n'
        case "$name" in
        reader) printf '      <profile>readonly</profile>\n' ;;
        writer)
            printf '      <profile>default</profile>\n      <grants>\n'
            printf '        <query>GRANT SELECT, INSERT, SHOW ON *.*</query>\n      </grants>\n'
            ;;
        *)
            printf '      <profile>default</profile>\n'
            printf '      <access_management>1</access_management>\n'
            ;;
        esac
        printf '    </%s>\n' "$name"
    done
    printf '  </users>\n  <quotas><default/></quotas>\n'
    printf '  <profiles><default/><readonly><readonly>1</readonly></readonly></profiles>\n'
    printf '</clickhouse>\n'
}

answers() {
    local line
    {
        exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
        printf 'GET /ping HTTP/1.0\r\n\r\n' >&3
        read -r -t 2 line <&3 || line=
        exec 3>&-
    } 2>/dev/null
    case "$line" in
    'HTTP/1.'?' 200'*) ;;
    *) return 1 ;;
    esac
    port_open "$2"
}

start() {
    local dir=$1 http=$2 tcp=$3 command port
    running_pid "$dir" >/dev/null && die "$dir: already running as process $(running_pid "$dir")"
    for port in "$http" "$tcp"; do
        need_free_port "$port"
    done
    fetch
    mkdir -p "$dir/data"
    dir=$(cd "$dir" && pwd)
    write_users >"$dir/users.xml"
    write_config "$dir" "$http" "$tcp" >"$dir/config.xml"
    if use_installed; then
        command=(clickhouse server "--config-file=$dir/config.xml")
    else
        command=("$launcher" "$engine_dir/libchdb.so" "--config-file=$dir/config.xml"
            "--path=$dir/data" --listen_host=127.0.0.1 "--http_port=$http" "--tcp_port=$tcp")
    fi
    [ ! -f "$dir/server.log" ] || mv "$dir/server.log" "$dir/server.log.before"
    launch "$dir" "$dir/server.log" "${command[@]}"
    wait_until_up "$dir" "$dir/server.log" 60 answers "$http" "$tcp"
}

usage() {
    printf 'usage: clickhouse.sh fetch | start DIR HTTP_PORT TCP_PORT | stop DIR | kill DIR\n' >&2
    exit 64
}

case "${1:-}/$#" in
fetch/1) fetch ;;
start/4)
    need_port "$3"
    need_port "$4"
    start "$2" "$3" "$4"
    ;;
stop/2) end_server "$2" TERM ;;
kill/2) end_server "$2" KILL ;;
*) usage ;;
esac

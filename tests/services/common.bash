# SPDX-License-Identifier: Apache-2.0
#
# common.bash - what kafka.sh and clickhouse.sh share: the cache, one fetch at a time, and starting
# and stopping a server whose process id stands in DIR/pid.
#
# The one idea: a process is only ever addressed by the id in DIR/pid, and only if its start time
# still is the one noted there too, so that an id which the kernel gave to somebody else since is
# left alone.

cache_dir() {
    printf '%s\n' "${PIPELINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pipeline-services}"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit "${2:-1}"
}

# Runs "$@" while nobody else runs a fetch of the same name.
locked() {
    local name=$1 fd
    shift
    mkdir -p "$(cache_dir)"
    exec {fd}>"$(cache_dir)/.$name.lock"
    flock -w 900 "$fd" || die "somebody else has been fetching $name for 15 minutes"
    "$@"
    exec {fd}>&-
}

# Field 22 of /proc/PID/stat: when the process started, in ticks since boot.
start_time_of() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    stat=${stat##*) }
    read -ra fields <<<"$stat"
    [ "${fields[0]}" != Z ] || return 1
    printf '%s\n' "${fields[19]}"
}

# Prints the id of DIR's server if it runs.
running_pid() {
    local pid ticks now
    [ -f "$1/pid" ] || return 1
    pid=$(<"$1/pid")
    ticks=$(cat "$1/pid.started" 2>/dev/null) || return 1
    now=$(start_time_of "$pid") || return 1
    [ "$now" = "$ticks" ] || return 1
    printf '%s\n' "$pid"
}

# launch DIR LOG COMMAND...: start in a session of its own, so that it outlives this script and its
# terminal's signals, and write down who it is.
launch() {
    local dir=$1 log=$2 pid
    shift 2
    rm -f "$dir/pid" "$dir/pid.started"
    # shellcheck disable=SC2016  # to be expanded by the inner shell
    setsid bash -c 'echo $$ >"$1/pid.new"; mv "$1/pid.new" "$1/pid"; shift; exec "$@"' \
        launch "$dir" "$@" >>"$log" 2>&1 </dev/null &
    disown
    for _ in {1..200}; do
        [ -s "$dir/pid" ] && break
        sleep 0.02
    done
    pid=$(cat "$dir/pid" 2>/dev/null) || die "could not start $1"
    start_time_of "$pid" >"$dir/pid.started" || true
}

# wait_until_up DIR LOG SECONDS PROBE...: return when PROBE succeeds; on death or at the deadline
# show the end of the log and fail.
wait_until_up() {
    local dir=$1 log=$2 seconds=$3 deadline
    shift 3
    deadline=$((SECONDS + seconds))
    while ! "$@"; do
        if ! running_pid "$dir" >/dev/null; then
            tail -n 30 "$log" >&2
            die "the server ended at once; the end of $log stands above"
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            tail -n 30 "$log" >&2
            end_server "$dir" KILL
            die "the server did not answer within $seconds s; the end of $log stands above"
        fi
        sleep 0.1
    done
}

# end_server DIR TERM|KILL: returns when the process is gone; TERM becomes KILL after 30 s. Ending
# what does not run is no error.
end_server() {
    local dir=$1 signal=$2 pid
    pid=$(running_pid "$dir") || {
        rm -f "$dir/pid" "$dir/pid.started"
        return 0
    }
    kill "-$signal" "$pid" 2>/dev/null || true
    for _ in {1..600}; do
        running_pid "$dir" >/dev/null || break
        sleep 0.05
    done
    if running_pid "$dir" >/dev/null; then
        kill -KILL "$pid" 2>/dev/null || true
        sleep 0.2
    fi
    rm -f "$dir/pid" "$dir/pid.started"
}

# Is something listening on 127.0.0.1:$1?
port_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A killed server's threads may hold its port a moment longer than its process id lives.
need_free_port() {
    local try
    for try in {1..100}; do
        port_open "$1" || return 0
        sleep 0.05
    done
    die "port $1 is taken (asked $try times)"
}

need_port() {
    case "${1:-}" in
    '' | *[!0-9]*) die "not a port: '${1:-}'" 64 ;;
    esac
    { [ "$1" -gt 0 ] && [ "$1" -lt 65534 ]; } || die "not a port: '$1'" 64
}

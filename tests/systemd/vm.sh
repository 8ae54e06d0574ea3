#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# vm.sh - runs a shell command under a real systemd (PID 1), in a throw-away Debian container whose
# only network is its own loopback. Needs root; neither Docker nor systemd on the host.
#
#   vm.sh [-b HOST:INSIDE]... [-o DIR] [-c] 'COMMAND'
#     -b HOST:INSIDE   show a file or folder of the host inside, read-only
#     -o DIR           show a folder of the host at /out, writable
#     -c               without systemd: a chroot that has this machine's network
#
# Prints the command's output and ends with its status; 124: it took longer than VM_SECONDS;
# 125: the container ended without a status; 69: the root file system could not be made.
#
# Environment:
#   VM_CACHE=FOLDER    where root file systems are kept (/var/cache/systemd-vm; 600 MB each)
#   VM_SUITE=trixie    another Debian than this machine's, from the same mirror
#   VM_MIRROR=URL      Ubuntu's, of which VM_SUITE then is. Its signatures are not checked: Debian has
#                      no keyring of it.
#   VM_PACKAGES=TEXT   Debian packages that are to be inside
#   VM_SECONDS=600     how long the command may take
#   VM_REBUILD=1       make the root file system anew, with the newest packages
#
# The one idea: a root file system is made once by debootstrap and never changes; each run sees it
# through an overlay whose upper layer is a tmpfs, all in a mount namespace of its own, so that the
# end of the process is the end of everything. The script calls itself for what happens in there.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")

export VM_CACHE=${VM_CACHE:-/var/cache/systemd-vm} VM_SECONDS=${VM_SECONDS:-600} VM_ROOT

say() {
    printf 'vm.sh: %s\n' "$1" >&2
}

usage() {
    sed -n '7,10s/^# *//p' "$self" >&2
    exit 64
}

# ---- the root file system ----

install_tools() {
    local missing=() tool
    for tool in debootstrap:debootstrap systemd-nspawn:systemd-container findmnt:util-linux; do
        command -v "${tool%:*}" >/dev/null || missing+=("${tool#*:}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install \
        --no-install-recommends "${missing[@]}" >/dev/null
}

# What apt on this machine uses, one line each: index_targets FORMAT FILTER...
index_targets() {
    apt-get indextargets --format "$1" 'Created-By: Packages' 'Origin: Debian' "${@:2}" | sort -u
}

# In a mount namespace of its own. Mirror, suites and proxy are this machine's.
make_root() {
    local new=$VM_ROOT.new here mirror packages http='' https='' ubuntu=() script=()
    here=$(debian_codename)
    read -ra packages <<<"$VM_PACKAGES"
    # shellcheck disable=SC2016  # apt's own variables
    [ -n "$(index_targets '$(SITE)')" ] || apt-get -qq update
    # shellcheck disable=SC2016
    mirror=${VM_MIRROR:-$(index_targets '$(SITE)' "Codename: $here" 'Component: main' | head -n 1)}
    [ -n "$mirror" ] || {
        say "apt knows no mirror of Debian $here"
        return 69
    }
    eval "$(apt-config shell http Acquire::http::Proxy https Acquire::https::Proxy)"
    [ -z "$http" ] || export http_proxy=$http
    [ -z "$https" ] || export https_proxy=$https
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
    # All of Ubuntu's releases are made as gutsy was.
    if [ -n "${VM_MIRROR:-}" ]; then
        ubuntu=(--no-check-gpg '--components=main,universe')
        script=(/usr/share/debootstrap/scripts/gutsy)
    fi
    rm -rf "$new"
    debootstrap --variant=minbase "${ubuntu[@]}" \
        --include=systemd,systemd-sysv,dbus,libnss-systemd,procps,ca-certificates \
        "$VM_SUITE" "$new" "$mirror" "${script[@]}"
    if [ -n "${VM_MIRROR:-}" ]; then
        printf 'deb [trusted=yes] %s %s main universe\n' "$mirror" "$VM_SUITE"
    else
        # shellcheck disable=SC2016
        index_targets '$(REPO_URI) $(RELEASE) $(COMPONENT)' | sed "s/ $here/ $VM_SUITE/
s|^|deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] |"
    fi >"$new/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https|Retries|Check)[-:a-zA-Z]* ' \
        >"$new/etc/apt/apt.conf.d/99host" || true
    # Nothing is started while packages are installed here: there is no systemd yet.
    printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
    chmod +x "$new/usr/sbin/policy-rc.d"
    mount -t proc proc "$new/proc"
    printf 'systemd-vm\n' >"$new/etc/hostname"
    printf '127.0.0.1 localhost systemd-vm\n' >"$new/etc/hosts"
    chroot "$new" apt-get -q update
    chroot "$new" apt-get -qy upgrade
    [ ${#packages[@]} = 0 ] ||
        chroot "$new" apt-get -qy install --no-install-recommends "${packages[@]}"
    chroot "$new" apt-get clean
    # Prometheus (run.sh) is started by who wants it.
    chroot "$new" systemctl mask apt-daily.timer apt-daily-upgrade.timer prometheus.service
    rm "$new/usr/sbin/policy-rc.d"
    umount "$new/proc"
    mv "$new" "$VM_ROOT"
}

debian_codename() {
    (
        # shellcheck source=/dev/null
        . /etc/os-release
        printf '%s\n' "$VERSION_CODENAME"
    )
}

# Another list of packages or another make_root() is another folder.
ensure_root() {
    local log=$VM_CACHE/build.log lock
    mkdir -p "$VM_CACHE/mnt"
    VM_ROOT=$VM_CACHE/$VM_SUITE-$({
        declare -f make_root
        printf '%s\n' "$VM_PACKAGES"
    } | sha256sum | cut -c1-12)
    exec {lock}>"$VM_CACHE/lock"
    flock "$lock"
    [ -z "${VM_REBUILD:-}" ] || rm -rf "$VM_ROOT"
    if [ ! -d "$VM_ROOT" ]; then
        say "making $VM_ROOT, once, in a minute or two (log: $log)"
        unshare --mount --propagation private "$self" --make-root >"$log" 2>&1 {lock}>&- || {
            tail -n 20 "$log" >&2
            rm -rf "$VM_ROOT.new"
            say "could not make $VM_ROOT"
            exit 69
        }
    fi
    exec {lock}>&-
}

# ---- a run ----

# The unit that runs the command, and what it needs. The boot is over when it begins.
write_command() {
    local root=$1
    printf '%s\n' "$VM_COMMAND" >"$root/.command"
    : >"$root/.output"
    cat >"$root/etc/systemd/system/vm-command.service" <<'END'
[Service]
Type=exec
WorkingDirectory=/
Environment=HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
Environment=PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0
StandardOutput=append:/.output
StandardError=inherit
ExecStart=/bin/sh -c "systemctl is-system-running --wait >/dev/null; \
    bash /.command; echo $$? >/.status; systemctl exit"
END
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -s ../vm-command.service "$root/etc/systemd/system/multi-user.target.wants/"
}

# systemd in the container wants cgroup 2 alone, whatever the host has.
mount_cgroup2() {
    local there
    [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ] || return 0
    there=$(findmnt -fnt cgroup2 -o TARGET || true)
    if [ -n "$there" ]; then
        mount --bind "$there" /sys/fs/cgroup
    else
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
    fi
}

# In its own cgroup, bounded in time, and ended when this script is.
nspawn() {
    local root=$1
    shift
    printf '%s\n' "$BASHPID" >"$cgroup/cgroup.procs"
    ulimit -Hn 524288 2>/dev/null || true
    exec setpriv --pdeathsig TERM timeout -k 15 "$VM_SECONDS" systemd-nspawn -q -b -D "$root" \
        -M systemd-vm --register=no --keep-unit --private-network --console=pipe \
        --resolv-conf=off --timezone=off --link-journal=no --rlimit=NOFILE=1024:524288 \
        --capability=CAP_BPF,CAP_SYS_RESOURCE --system-call-filter=bpf "$@" </dev/null
}

# In a mount namespace of its own: boot [--bind…]...
boot() {
    local work=$VM_CACHE/mnt root=$VM_CACHE/mnt/root pid='' status=0
    cgroup=/sys/fs/cgroup/systemd-vm.$$
    mount -t tmpfs -o mode=755 tmpfs "$work"
    mkdir "$work/upper" "$work/work" "$root"
    mount -t overlay -o "lowerdir=$VM_ROOT,upperdir=$work/upper,workdir=$work/work" overlay "$root"
    mkdir -p /run/systemd
    mount -t tmpfs -o mode=755 tmpfs /run/systemd
    mount_cgroup2
    write_command "$root"
    mkdir "$cgroup"
    # shellcheck disable=SC2064  # the cgroup of now
    trap "kill \$pid 2>/dev/null || true; wait; find $cgroup -depth -type d -exec rmdir {} + ||
        true" EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
    nspawn "$root" "$@" >"$work/console" 2>&1 &
    pid=$!
    tail -q -n +1 -s 0.1 "--pid=$pid" -f "$root/.output" &
    wait "$pid" || status=$?
    wait
    pid=''
    [ ! -s "$root/.status" ] || exit "$(<"$root/.status")"
    say "no status from the command (nspawn: $status); the console:"
    tail -n 40 "$work/console" >&2
    [ "$status" = 124 ] || status=125
    exit "$status"
}

# In a mount namespace of its own, and one of process ids: chroot_run [--bind…]...
chroot_run() {
    local work root option from to
    work=$(mktemp -d -p "$VM_CACHE")
    root=$work/root
    # shellcheck disable=SC2064  # the folder of now
    trap "umount -R -l $root 2>/dev/null; rm -rf $work" EXIT
    mkdir "$work/upper" "$work/work" "$root"
    mount -t overlay -o "lowerdir=$VM_ROOT,upperdir=$work/upper,workdir=$work/work" overlay "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    for option in "$@"; do
        from=${option#*=} to=$root${option##*:}
        from=${from%:*}
        if [ -d "$from" ]; then
            mkdir -p "$to"
        else
            mkdir -p "$(dirname "$to")" && : >"$to"
        fi
        mount --bind "$from" "$to"
        [[ $option != --bind-ro* ]] || mount -o remount,bind,ro "$to"
    done
    cat /etc/resolv.conf >"$root/etc/resolv.conf"
    # A network may need certificates that this machine's administrator installed.
    if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
        cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
        chroot "$root" update-ca-certificates >/dev/null 2>&1
    fi
    timeout -k 15 "$VM_SECONDS" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$root" bash -c "$VM_COMMAND" </dev/null
}

main() {
    local binds=() option way=--boot spaces=(--mount)
    case "${1:-}" in
    --make-root)
        make_root
        return
        ;;
    --boot) boot "${@:2}" ;;
    --chroot)
        chroot_run "${@:2}"
        return
        ;;
    esac
    while getopts b:o:c option; do
        case $option in
        b) binds+=("--bind-ro=$OPTARG") ;;
        o) binds+=("--bind=$(realpath -e "$OPTARG"):/out") ;;
        c) way=--chroot spaces=(--mount --pid --fork --kill-child) ;;
        *) usage ;;
        esac
    done
    shift $((OPTIND - 1))
    [ $# = 1 ] || usage
    [ "$(id -u)" = 0 ] || {
        say 'must be root'
        exit 69
    }
    export VM_COMMAND=$1 VM_SUITE=${VM_SUITE:-$(debian_codename)}
    # In one order, each once.
    # shellcheck disable=SC2086
    VM_PACKAGES=$(printf '%s\n' ${VM_PACKAGES:-} | sort -u | xargs)
    export VM_PACKAGES
    install_tools
    ensure_root
    exec unshare "${spaces[@]}" --propagation private "$self" "$way" "${binds[@]}"
}

main "$@"

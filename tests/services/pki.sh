#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# pki.sh DIR - a private certificate authority and a server certificate for TLS tests.
#
#   DIR/ca.pem          the authority's certificate: what a client is given to trust
#   DIR/server.pem      key, then certificate, of localhost and 127.0.0.1 (the order Kafka wants)
#   DIR/server.key, DIR/server.crt   the same, apart
#   DIR/other-ca.pem    an authority that signed nothing: a client that trusts it must refuse
#   DIR/client.pem      key and certificate of a client; client.key, client.crt: apart
#   DIR/expired.pem     key and certificate of a server whose time is over
#   DIR/wrong-name.pem  key and certificate of a server with another name (and no address)
#
# What is there already is kept, so that servers may be started again with it.
set -euo pipefail

ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 \
        -subj "/CN=$2" -addext 'basicConstraints=critical,CA:TRUE' \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' \
        -keyout "$1.key" -out "$1.pem" 2>"$dir/openssl.log"
}

# server NAME SUBJECT_ALT_NAMES DAYS [USAGE]
server() {
    openssl req -new -newkey rsa:2048 -nodes -sha256 -subj "/CN=$1" \
        -keyout "$dir/$1.key" -out "$dir/$1.csr" 2>"$dir/openssl.log"
    printf 'subjectAltName=%s\nextendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' "$2" \
        "${4:-serverAuth}" \
        >"$dir/$1.ext"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial \
        -sha256 -days "$3" -extfile "$dir/$1.ext" -out "$dir/$1.crt" 2>"$dir/openssl.log"
    cat "$dir/$1.key" "$dir/$1.crt" >"$dir/$1.pem.new"
    rm -f "$dir/$1.csr" "$dir/$1.ext"
    mv "$dir/$1.pem.new" "$dir/$1.pem"
}

if [ $# -ne 1 ]; then
    printf 'usage: pki.sh DIR\n' >&2
    exit 64
fi
dir=$1
command -v openssl >/dev/null || {
    printf 'pki.sh: no openssl: run deps.sh services\n' >&2
    exit 69
}
mkdir -p "$dir"
chmod 700 "$dir"
trap '[ $? -eq 0 ] || cat "$dir/openssl.log" >&2' EXIT
[ -s "$dir/ca.pem" ] || ca "$dir/ca" 'pipeline tests CA'
[ -s "$dir/other-ca.pem" ] || ca "$dir/other-ca" 'another CA'
[ -s "$dir/server.pem" ] || server server 'DNS:localhost,IP:127.0.0.1' 825
[ -s "$dir/client.pem" ] || server client 'DNS:client.invalid' 825 clientAuth
[ -s "$dir/wrong-name.pem" ] || server wrong-name 'DNS:elsewhere.invalid' 825
# `openssl x509 -days` takes no negative number everywhere: one that was good for a day in the past
# is made by -not_after where known, else by a lifetime of 0 days, over as soon as it is made.
[ -s "$dir/expired.pem" ] || server expired 'DNS:localhost,IP:127.0.0.1' 0

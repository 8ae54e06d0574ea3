#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kafka.sh - a real Kafka (one node, KRaft, on 127.0.0.1 only) for tests and the demo.
#
#   kafka.sh fetch             the jars, by Maven, into the cache (once; 45 MB)
#   kafka.sh start DIR PORT    start on DIR's data; returns when it answers. PORT+1: controller
#   kafka.sh stop DIR          end it in order (SIGTERM)
#   kafka.sh kill DIR          end it at once (SIGKILL); DIR can be started again
#   kafka.sh user DIR PORT NAME PASSWORD    a user of SCRAM-SHA-512 (with KAFKA_SASL_TLS)
#
# DIR holds data/, server.properties (written anew at each start), server.log and pid.
#
# Environment:
#   PIPELINE_CACHE=FOLDER      where fetched things are kept (~/.cache/pipeline-services)
#   KAFKA_SASL_TLS=FOLDER      two more listeners, with the certificate FOLDER/server.pem (made by
#                              pki.sh; a client verifies it with FOLDER/ca.pem): SASL_SSL on PORT+2,
#                              mechanisms PLAIN (user `pipeline`, password `secret`) and
#                              SCRAM-SHA-512; SSL on PORT+3, which wants a client certificate
#   KAFKA_OAUTH_JWKS=FILE      with that, OAUTHBEARER on PORT+2: tokens signed by these keys
#   KAFKA_OAUTH_AUDIENCE=NAME  and made for NAME
#   KAFKA_PROPERTIES=TEXT      lines for server.properties that win over those here
#   KAFKA_HEAP=1g              the heap's size
#   KAFKA_VERSION=4.1.1        another one; before 3 with ZooKeeper on PORT+1, in DIR/zookeeper
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.bash
. "$here/common.bash"

kafka_version=${KAFKA_VERSION:-4.1.1}
# A change of the pom makes another folder: what is there is then never half old.
jars_dir="$(cache_dir)/kafka-$kafka_version-$(cksum <"$here/kafka/pom.xml" | cut -d' ' -f1)"

with_zookeeper() {
    [ "${kafka_version%%.*}" -lt 3 ]
}

fetch_jars() {
    local tmp="$jars_dir.tmp"
    [ ! -f "$jars_dir/complete" ] || return 0
    command -v mvn >/dev/null || die "no mvn: run deps.sh services, or name a Kafka you already \
have: KAFKA=host:port" 69
    command -v java >/dev/null || die "no java: run deps.sh services, or name a Kafka you already \
have: KAFKA=host:port" 69
    printf 'fetching Kafka %s\n' "$kafka_version"
    rm -rf "$tmp"
    mkdir -p "$tmp/jars"
    if ! mvn -B -ntp -f "$here/kafka/pom.xml" "-Dkafka.version=$kafka_version" \
        dependency:copy-dependencies "-DoutputDirectory=$tmp/jars" >"$tmp/mvn.log" 2>&1; then
        grep -m 8 ERROR "$tmp/mvn.log" >&2 || tail -n 8 "$tmp/mvn.log" >&2
        die "Maven could not fetch org.apache.kafka:kafka_2.13:$kafka_version (all of it: \
$tmp/mvn.log). Mend the network or Maven's settings, or name a Kafka you already have: \
KAFKA=host:port" 69
    fi
    write_log_config "$tmp/log4j2.properties"
    with_zookeeper || format_template "$tmp"
    touch "$tmp/complete"
    rm -rf "$jars_dir"
    mv "$tmp" "$jars_dir"
}

write_log_config() {
    cat >"$1" <<'END'
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n%throwable
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
logger.config.name = org.apache.kafka.common.config
logger.config.level = warn
END
}

# An empty formatted storage, copied by each first start: spares it the start of a second JVM.
format_template() {
    write_properties "$1/template" 9092 >"$1/template.properties"
    if ! java -Xshare:auto -cp "$1/jars/*" "-Dlog4j2.configurationFile=$1/log4j2.properties" \
        kafka.tools.StorageTool format -t cGlwZWxpbmUtdGVzdHMtMQ \
        -c "$1/template.properties" >"$1/format.log" 2>&1; then
        tail -n 8 "$1/format.log" >&2
        die "could not format Kafka's storage"
    fi
}

# write_properties DATA PORT
write_properties() {
    local data=$1 port=$2 sasl_tls=${KAFKA_SASL_TLS:-}
    local listeners="PLAINTEXT://127.0.0.1:$port"
    local mechanisms=PLAIN,SCRAM-SHA-512
    [ -z "$sasl_tls" ] ||
        listeners+=",SASL_SSL://127.0.0.1:$((port + 2)),SSL://127.0.0.1:$((port + 3))"
    [ -z "${KAFKA_OAUTH_JWKS:-}" ] || mechanisms+=,OAUTHBEARER
    if with_zookeeper; then
        printf '%s\n' broker.id=1 "zookeeper.connect=127.0.0.1:$((port + 1))" \
            zookeeper.session.timeout.ms=2000 "listeners=$listeners"
    else
        printf '%s\n' process.roles=broker,controller node.id=1 \
            "controller.quorum.voters=1@127.0.0.1:$((port + 1))" \
            controller.listener.names=CONTROLLER \
            "listeners=$listeners,CONTROLLER://127.0.0.1:$((port + 1))"
    fi
    cat <<END
advertised.listeners=$listeners
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
log.dirs=$data
num.partitions=1
auto.create.topics.enable=false
# Recorded and made events are months old, and retention goes by the messages' timestamps.
log.retention.ms=-1
default.replication.factor=1
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.initial.task.delay.ms=500
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
num.recovery.threads.per.data.dir=2
END
    if [ -n "$sasl_tls" ]; then
        cat <<END
sasl.enabled.mechanisms=$mechanisms
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_pipeline="secret";
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location=$sasl_tls/server.pem
listener.name.sasl_ssl.ssl.client.auth=none
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.ssl.ssl.keystore.type=PEM
listener.name.ssl.ssl.keystore.location=$sasl_tls/server.pem
listener.name.ssl.ssl.truststore.type=PEM
listener.name.ssl.ssl.truststore.location=$sasl_tls/ca.pem
listener.name.ssl.ssl.client.auth=required
END
    fi
    if [ -n "${KAFKA_OAUTH_JWKS:-}" ]; then
        cat <<END
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.sasl_ssl.oauthbearer.sasl.oauthbearer.jwks.endpoint.url=file://$KAFKA_OAUTH_JWKS
listener.name.sasl_ssl.oauthbearer.sasl.oauthbearer.expected.audience=${KAFKA_OAUTH_AUDIENCE:-}
END
    fi
    printf '%s\n' "${KAFKA_PROPERTIES:-}"
}

# In KRaft mode the port opens before requests are served; this line comes after both.
answers() {
    grep -q 'Kafka Server started\|KafkaServer id=1] started' "$1/server.log" && port_open "$2"
}

start_zookeeper() {
    mkdir -p "$1/data"
    running_pid "$1" >/dev/null || launch "$1" "$1/server.log" java -Xmx128m -Xshare:auto \
        "-Dlog4j2.configurationFile=$jars_dir/log4j2.properties" -Dzookeeper.admin.enableServer=false \
        -cp "$jars_dir/jars/*" org.apache.zookeeper.server.ZooKeeperServerMain "$2" "$1/data"
    wait_until_up "$1" "$1/server.log" 60 port_open "$2"
}

start() {
    local dir=$1 port=$2
    running_pid "$dir" >/dev/null && die "$dir: already running as process $(running_pid "$dir")"
    for p in "$port" $((port + 1)); do
        if [ "$p" -eq "$port" ] || ! running_pid "$dir/zookeeper" >/dev/null; then
            need_free_port "$p"
        fi
    done
    if [ -n "${KAFKA_SASL_TLS:-}" ]; then
        KAFKA_SASL_TLS=$(cd "$KAFKA_SASL_TLS" && pwd)
        [ -r "$KAFKA_SASL_TLS/server.pem" ] || die "no $KAFKA_SASL_TLS/server.pem: see pki.sh" 66
    fi
    locked kafka fetch_jars
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    if with_zookeeper; then
        start_zookeeper "$dir/zookeeper" $((port + 1))
    elif [ ! -f "$dir/data/meta.properties" ]; then
        rm -rf "$dir/data.new"
        cp -r "$jars_dir/template" "$dir/data.new"
        mv "$dir/data.new" "$dir/data"
    fi
    write_properties "$dir/data" "$port" >"$dir/server.properties"
    [ ! -f "$dir/server.log" ] || mv "$dir/server.log" "$dir/server.log.before"
    launch "$dir" "$dir/server.log" java "-Xmx${KAFKA_HEAP:-1g}" "-Xms${KAFKA_HEAP:-1g}" \
        -XX:+UseG1GC -Xshare:auto -Djava.awt.headless=true \
        "-Dlog4j2.configurationFile=$jars_dir/log4j2.properties" \
        "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://${KAFKA_OAUTH_JWKS:-}" \
        -cp "$jars_dir/jars/*" kafka.Kafka "$dir/server.properties"
    wait_until_up "$dir" "$dir/server.log" 60 answers "$dir" "$port"
}

add_user() {
    local out
    out=$(java -Xshare:auto -cp "$jars_dir/jars/*" \
        "-Dlog4j2.configurationFile=$jars_dir/log4j2.properties" kafka.admin.ConfigCommand \
        --bootstrap-server "127.0.0.1:$2" --alter --entity-type users --entity-name "$3" \
        --add-config "SCRAM-SHA-512=[password=$4]" 2>&1) || die "no user $3: $out"
}

usage() {
    printf 'usage: kafka.sh fetch | start DIR PORT | stop DIR | kill DIR | user DIR PORT NAME PASSWORD\n' >&2
    exit 64
}

case "${1:-}/$#" in
fetch/1) locked kafka fetch_jars ;;
start/3)
    need_port "$3"
    start "$2" "$3"
    ;;
stop/2)
    end_server "$2" TERM
    end_server "$2/zookeeper" TERM
    ;;
kill/2) end_server "$2" KILL ;; # a ZooKeeper stays
user/5)
    need_port "$3"
    add_user "$2" "$3" "$4" "$5"
    ;;
*) usage ;;
esac

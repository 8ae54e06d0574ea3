/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.h - the options that the daemons share, with the same words, limits and checks. What
 * differs (a default, a part of the help) is a parameter.
 *
 * The rows fill fields of these names in the daemon's `struct type`:
 *     struct pl_map kafka;
 *     char *topic, *position_topic;
 *     int64_t message_bytes_max, queue_bytes_max;
 *     struct pl_create_topics create;
 *     struct { char *listen; } metrics;
 *     int log_level;
 *     int64_t start_timeout_ms, stop_timeout_ms;
 * (Those of `tls:` are in lib/http/http.h.)
 *
 * Pure.
 */
#ifndef PL_CONFIG_COMMON_H
#define PL_CONFIG_COMMON_H

#include "lib/config/options.h"
#include "lib/log/log.h"

/* Not PL_OPT_REQUIRED where some modes need no Kafka. */
#define PL_KAFKA_OPT(type, flags_, more)                                                           \
    PL_OPTION("kafka", MAP, type, kafka, .min = ((flags_)&PL_OPT_REQUIRED) != 0,                   \
              .flags = (flags_),                                                                   \
              .help = "Any librdkafka property by its own name; bootstrap.servers is needed. "     \
                      "Values may be secret references: sasl.password: { credential: "             \
                      "kafka-password }." more)

/* 249: Kafka's limit. */
#define PL_TOPIC_OPT(path_, type, field_, dflt_, help_)                                            \
    PL_OPTION(path_, STRING, type, field_, .min = 1, .max = 249, .dflt = (dflt_), .help = help_)

#define PL_POSITION_TOPIC_OPT(type, dflt_)                                                         \
    PL_TOPIC_OPT("position_topic", type, position_topic, dflt_,                                    \
                 "The compacted topic that holds the positions, written in the same Kafka "        \
                 "transactions as the messages.")

/* message_bytes_max, queue_bytes_max */
#define PL_BYTES_MAX_OPTS(type, message_help, queue_dflt)                                          \
    PL_OPTION("message_bytes_max", SIZE, type, message_bytes_max, .min = 65536,                    \
              .max = 512 * PL_MIB, .dflt = "8MiB", .help = message_help),                          \
        PL_OPTION("queue_bytes_max", SIZE, type, queue_bytes_max, .min = PL_MIB,                   \
                  .max = 2 * PL_GIB - 1024, .dflt = (queue_dflt),                                  \
                  .help = "Memory for messages that Kafka has not acknowledged; when it is full, " \
                          "reading pauses.")

struct pl_create_topics {
    bool enabled;
    int64_t partitions, replication, retention_ms;
};
/* create_topics.enabled, .partitions, .replication */
#define PL_CREATE_TOPICS_OPTS(type, which, partitions_dflt, partitions_more)                       \
    PL_OPTION("create_topics.enabled", BOOL, type, create.enabled, .dflt = "true",                 \
              .help = "Create " which " where missing; false: a missing topic is an error."),      \
        PL_OPTION("create_topics.partitions", INT, type, create.partitions, .min = -1,             \
                  .max = 10000, .dflt = (partitions_dflt),                                         \
                  .help =                                                                          \
                      "Partitions of a created topic; -1: the broker's default." partitions_more), \
        PL_OPTION("create_topics.replication", INT, type, create.replication, .min = -1,           \
                  .max = 100, .dflt = "-1",                                                        \
                  .help = "Replication factor of a created topic; -1: the broker's default.")
/* create_topics.retention */
#define PL_CREATE_RETENTION_OPT(type, more)                                                        \
    PL_OPTION("create_topics.retention", DURATION, type, create.retention_ms,                      \
              .max = 3650 * PL_DAY_MS, .dflt = "0",                                                \
              .help = "How long a created topic keeps messages, counted from their time; 0: the "  \
                      "broker's default (usually 7d)." more)

/* metrics.listen, log_level (an index in pl_log_level_names), start_timeout, stop_timeout. `port`
 * is the example's; `start` and `stop` end the sentences of the timeouts. */
#define PL_SERVICE_OPTS(type, port, start, stop)                                                   \
    PL_OPTION("metrics.listen", STRING, type, metrics.listen, .min = 1, .max = 255,                \
              .help = "Address of a page that shows what is going on (/), Prometheus metrics, "    \
                      "/healthz and /readyz: 127.0.0.1:" port ". Default: none."),                 \
        PL_OPTION("log_level", ENUM, type, log_level, .dflt = "info", .flags = PL_OPT_RELOADABLE,  \
                  .choices = pl_log_level_names,                                                   \
                  .help = "Lines of this level and above are logged."),                            \
        PL_OPTION("start_timeout", DURATION, type, start_timeout_ms, .min = 1000,                  \
                  .max = 10 * PL_MINUTE_MS, .dflt = "30s",                                         \
                  .help = "How long each step of the start may wait for " start),                  \
        PL_OPTION("stop_timeout", DURATION, type, stop_timeout_ms, .min = 100,                     \
                  .max = 10 * PL_MINUTE_MS, .dflt = "4s", .help = "On SIGTERM, how long " stop)

/* Checks across options. NULL texts pass: they have findings already. */

/* `without`: the modes that need no Kafka, for the text; NULL: all need it. */
void pl_common_check_kafka(const struct pl_map *kafka, const char *without,
                           struct pl_findings *errs);

/* Default transaction.timeout.ms, unless a daemon has its own. */
#define PL_TRANSACTION_TIMEOUT_MS 60000

/* How long a transaction may be filled before Kafka might undo it for its age: the time-out less
 * some time for the commit. */
int64_t pl_transaction_open_ms_max(int64_t timeout_ms);

/* `option` keeps a transaction open for open_ms, which must fit in transaction.timeout.ms (of
 * `kafka`, else dflt_ms), or it is never committed. option NULL: open_ms is fixed. */
void pl_common_check_transaction(const struct pl_map *kafka, int64_t dflt_ms, const char *option,
                                 int64_t open_ms, struct pl_findings *errs);
void pl_common_check_topics(const char *topic, const char *position_topic,
                            struct pl_findings *errs);
void pl_common_check_create(const struct pl_create_topics *create, struct pl_findings *errs);
void pl_common_check_bytes(int64_t message_bytes_max, int64_t queue_bytes_max,
                           struct pl_findings *errs);
void pl_common_check_listen(const char *listen, struct pl_findings *errs);

#endif

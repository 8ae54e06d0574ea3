/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - chsinkd's configuration: one struct, filled from the option table in conf.c.
 *
 * Threads: read-only after load.
 */
#ifndef CHSINKD_CONF_H
#define CHSINKD_CONF_H

#include "daemons/chsinkd/clickhouse/client.h"
#include "daemons/chsinkd/duckdb/conf.h"
#include "daemons/chsinkd/iceberg/conf.h"
#include "daemons/chsinkd/output/output.h"
#include "daemons/chsinkd/route/route.h"
#include "lib/config/common.h"

/* Default transaction.timeout.ms of the dead letter writer. Short, because what a killed sink left
 * open holds back the group's offsets that long. */
#define CHSINKD_TRANSACTION_TIMEOUT_MS 10000
/* How long writing a batch's dead letters may take; a shorter time-out never lets it finish. */
#define CHSINKD_TRANSACTION_OPEN_MS 5000

struct chsinkd_conf {
    struct pl_map kafka;
    int output; /* index of conf.c's outputs */
    struct clickhouse_conf clickhouse;
    struct duckdb_conf duckdb;
    struct iceberg_conf iceberg;
    struct pl_strings route_files;
    int start;        /* enum chsinkd_start */
    int offsets_lost; /* enum chsinkd_offsets_lost */
    char *dead_letter_topic;
    struct pl_create_topics create; /* of the dead-letter topic; no retention */
    int64_t batch_rows, batch_bytes, batch_age_ms;
    int64_t inserts_per_second;
    int64_t insert_threads;
    int64_t memory_bytes_max;
    int64_t ask_table_after_ms;
    struct {
        char *listen;
    } metrics;
    int log_level;
    int64_t start_timeout_ms, stop_timeout_ms;

    /* Loaded from route_files. */
    struct route **routes;
    unsigned routes_n;
    struct pl_strings routes_skipped; /* names of those whose `outputs` are others */
};

enum chsinkd_start { CHSINKD_EARLIEST, CHSINKD_LATEST };
enum chsinkd_offsets_lost { CHSINKD_LOST_TABLE, CHSINKD_LOST_STOP, CHSINKD_LOST_START };

extern const struct pl_option chsinkd_options[];
extern const char chsinkd_conf_intro[]; /* the comment at the top of the reference file */

/* What the table cannot check; and loads all routes that the configuration names. The findings of
 * all files are in errs, whose file at the call is the configuration's. */
void chsinkd_conf_check(struct chsinkd_conf *conf, struct pl_findings *errs);
void chsinkd_conf_release(struct chsinkd_conf *conf);

/* -1, CONFIG (ours): two routes of one group take the topic, or two that fill the same table, whose
 * overlap --check-config did not find. It must not be loaded. */
int chsinkd_conf_topic_check(const struct chsinkd_conf *conf, const char *topic,
                             struct pl_err *err);

/* What is written into, with its part of the configuration. */
const struct output_kind *chsinkd_conf_output(const struct chsinkd_conf *conf,
                                              const void **ret_output_conf);

/* The consumer group: kafka's group.id, else "chsinkd"; and that of a route, which may have its
 * own. */
const char *chsinkd_conf_group(const struct chsinkd_conf *conf);
const char *chsinkd_conf_route_group(const struct chsinkd_conf *conf, const struct route *r);

/* The groups of the routes, each once, as an array to free() of borrowed texts; how many. */
unsigned chsinkd_conf_groups(const struct chsinkd_conf *conf, const char ***ret);

/* What differs between the routes of two configurations: "new route a, changed route b, removed
 * route c"; appended. "": nothing, whatever their options are. */
void chsinkd_conf_compare(const struct chsinkd_conf *conf, const struct chsinkd_conf *fresh,
                          struct pl_buf *out);

/* For a run that ends (--once, --replay), beside which the service may run: without metrics.listen,
 * where that listens, and without group.instance.id. As the static member that the service is, and
 * with the transactional.id made of it, it would fence the service. */
void chsinkd_conf_one_shot(struct chsinkd_conf *conf);

#endif

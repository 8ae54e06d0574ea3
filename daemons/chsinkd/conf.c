/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - chsinkd's option table and the loading of its routes.
 */
#include "daemons/chsinkd/conf.h"

#include <glob.h>
#include <stdio.h>

#include "lib/log/log.h"

static const char *const start_choices[] = {"earliest", "latest", NULL};
static const char *const compression_choices[] = {"none", "lz4", "zstd", NULL};

#define MIB       (1024LL * 1024)
#define MINUTE_MS (60 * 1000LL)
#define DAY_MS    (24 * 60 * MINUTE_MS)

#define OPT(path, type, field, min, max, dflt, flags, choices, help)                               \
    {                                                                                              \
        path, type, offsetof(struct chsinkd_conf, field), min, max, dflt, flags, choices, help     \
    }

const struct pl_option chsinkd_options[] = {
    OPT("kafka", PL_OPT_MAP, kafka, 1, 0, NULL, PL_OPT_REQUIRED, NULL,
        "Any librdkafka property by its own name; bootstrap.servers is needed. group.id names this "
        "sink's position in the topics (default chsinkd): a new group reads them again from the "
        "start. "
        "Give each instance a group.instance.id to have its partitions back at once after a "
        "restart."),
    OPT("clickhouse.urls", PL_OPT_STRINGS, clickhouse.urls, 1, 64, NULL, PL_OPT_REQUIRED, NULL,
        "ClickHouse's HTTP addresses, as http://host:8123 or https://host:8443; the next one is "
        "used "
        "when one does not answer."),
    OPT("clickhouse.database", PL_OPT_STRING, clickhouse.database, 1, 256, "default", 0, NULL,
        "Database of the tables whose route names none. It must exist."),
    OPT("clickhouse.user", PL_OPT_STRING, clickhouse.user, 1, 256, "default", 0, NULL,
        "User with the right to SELECT, INSERT, CREATE TABLE, CREATE VIEW and ALTER ADD COLUMN "
        "there."),
    OPT("clickhouse.password", PL_OPT_SECRET, clickhouse.password, 0, 0, NULL, 0, NULL,
        "Its password: { file: PATH }, { credential: NAME } or { env: VARIABLE }."),
    PL_HTTP_TLS_OPTS("clickhouse.tls", struct chsinkd_conf, clickhouse.tls),
    OPT("clickhouse.compression", PL_OPT_ENUM, clickhouse.compression, 0, 0, "none", 0,
        compression_choices,
        "Compression of inserts on the way: none is cheapest on one machine, lz4 over a network."),
    OPT("clickhouse.connect_timeout", PL_OPT_DURATION, clickhouse.connect_timeout_ms, 100,
        MINUTE_MS, "5s", 0, NULL, "Time to connect."),
    OPT("clickhouse.timeout", PL_OPT_DURATION, clickhouse.timeout_ms, 1000, 60 * MINUTE_MS, "5m", 0,
        NULL, "Time for one query or insert; afterwards it is tried again with the same token."),
    OPT("clickhouse.settings", PL_OPT_MAP, clickhouse.settings, 0, 0, NULL, 0, NULL,
        "Further ClickHouse settings for every insert, by their own names."),
    OPT("routes", PL_OPT_STRINGS, route_files, 1, 256, NULL, PL_OPT_REQUIRED, NULL,
        "Route files, from topic to table; shell patterns are allowed, as in "
        "/etc/chsinkd/routes/*.yaml. A topic belongs to one route."),
    OPT("start", PL_OPT_ENUM, start, 0, 0, "earliest", 0, start_choices,
        "Where a new consumer group begins in a topic: earliest or latest."),
    OPT("dead_letter_topic", PL_OPT_STRING, dead_letter_topic, 1, 249, "chsinkd-dead-letters", 0,
        NULL, "Topic for messages that do not fit their table; chsinkd --replay brings them back."),
    OPT("create_topics.enabled", PL_OPT_BOOL, create_topics, 0, 0, "true", 0, NULL,
        "Create the dead-letter topic when it is missing."),
    OPT("create_topics.partitions", PL_OPT_INT, create_partitions, -1, 10000, "1", 0, NULL,
        "Its partitions; -1 is the broker's default."),
    OPT("create_topics.replication", PL_OPT_INT, create_replication, -1, 100, "-1", 0, NULL,
        "Its replication factor; -1 is the broker's default."),
    OPT("batch.rows", PL_OPT_INT, batch_rows, 1, 1000000, "100000", PL_OPT_RELOADABLE, NULL,
        "A batch is inserted when it has so many rows (below ClickHouse's max_insert_block_size, "
        "so "
        "that it is one block)."),
    OPT("batch.bytes", PL_OPT_SIZE, batch_bytes, 1024, 200 * MIB, "64MiB", PL_OPT_RELOADABLE, NULL,
        "… or so many bytes,"),
    OPT("batch.age", PL_OPT_DURATION, batch_age_ms, 10, 10 * MINUTE_MS, "1s", PL_OPT_RELOADABLE,
        NULL, "… or its first message has waited so long."),
    OPT("batch.inserts_per_second", PL_OPT_INT, inserts_per_second, 1, 1000, "4", PL_OPT_RELOADABLE,
        NULL,
        "With many quiet partitions the age grows so that no more than so many inserts a second "
        "are "
        "made because of age."),
    OPT("insert_threads", PL_OPT_INT, insert_threads, 1, 16, "2", 0, NULL,
        "Inserts that may be under way at once; one partition has one at a time."),
    OPT("memory_max", PL_OPT_SIZE, memory_bytes_max, 16 * MIB, 1024 * 1024 * MIB, "256MiB", 0, NULL,
        "Bytes of decoded rows and dead letters held at most; when it is reached, reading waits. "
        "librdkafka's own queue is bounded apart, by kafka's queued.max.messages.kbytes."),
    OPT("ask_table_after", PL_OPT_DURATION, ask_table_after_ms, 0, 365 * DAY_MS, "5m", 0, NULL,
        "An announced batch that is found so long after its announcement is looked up in the table "
        "before it is inserted again, since ClickHouse may have forgotten its token. Needs the "
        "columns "
        "from topic, partition and offset in the route."),
    OPT("metrics.listen", PL_OPT_STRING, metrics_listen, 1, 256, NULL, 0, NULL,
        "Address for Prometheus, /healthz and /readyz, as 127.0.0.1:9465; off when not set."),
    OPT("log_level", PL_OPT_ENUM, log_level, 0, 0, "info", PL_OPT_RELOADABLE, pl_log_level_names,
        "error, warning, notice, info or debug."),
    OPT("start_timeout", PL_OPT_DURATION, start_timeout_ms, 1000, 10 * MINUTE_MS, "30s", 0, NULL,
        "How long to wait at start for Kafka and ClickHouse to answer."),
    OPT("stop_timeout", PL_OPT_DURATION, stop_timeout_ms, 100, 10 * MINUTE_MS, "4s", 0, NULL,
        "How long to finish what is in flight when stopping."),
    PL_OPT_END,
};

const char chsinkd_conf_intro[] =
    "chsinkd: from Kafka topics to ClickHouse tables. See chsinkd(8).\n"
    "Every option with its default. Durations: 500ms 5s 15m 2h 7d. Sizes: 4096 64KiB 8MiB.\n"
    "Secrets: { credential: NAME } (the file /etc/chsinkd/secrets/NAME, or the unit's\n"
    "LoadCredential=NAME:PATH), { file: PATH } or { env: VARIABLE }.\n"
    "`systemctl reload` takes over batch and log_level.";

static void routes_add(struct chsinkd_conf *conf, const char *file, struct pl_findings *errs)
{
    struct route *r = route_load(file, errs);

    if (!r)
        return;
    for (unsigned i = 0; i < conf->routes_n; i++) {
        const struct route *other = conf->routes[i];
        if (r->topic && other->topic && strcmp(r->topic, other->topic) == 0) {
            errs->file = file;
            pl_findings_add(
                errs, 0, 0,
                "topic %s already belongs to route %s; for a second table use a view, or "
                "another instance with a group.id of its own",
                r->topic, other->name);
        }
    }
    if (conf->dead_letter_topic && route_takes(r, conf->dead_letter_topic)) {
        errs->file = file;
        pl_findings_add(
            errs, 0, 0,
            "the route takes dead_letter_topic %s: dead letters would come back for ever; "
            "name the topics more narrowly, and use --replay",
            conf->dead_letter_topic);
    }
    conf->routes = pl_realloc_array(conf->routes, conf->routes_n + 1, sizeof(*conf->routes));
    conf->routes[conf->routes_n++] = r;
}

static void routes_load(struct chsinkd_conf *conf, const char *file, struct pl_findings *errs)
{
    for (size_t i = 0; i < conf->route_files.n; i++) {
        const char *pattern = conf->route_files.v[i];
        glob_t found = {0};
        int rc = glob(pattern, GLOB_NOCHECK, NULL, &found);

        if (rc == 0 && found.gl_pathc == 1 && strpbrk(pattern, "*?[") &&
            strcmp(found.gl_pathv[0], pattern) == 0) {
            errs->file = file;
            pl_findings_add(errs, 0, 0, "routes: no file matches %s", pattern);
        } else if (rc == 0) {
            for (size_t f = 0; f < found.gl_pathc; f++)
                routes_add(conf, found.gl_pathv[f], errs);
        } else {
            errs->file = file;
            pl_findings_add(errs, 0, 0, "routes: cannot look for %s", pattern);
        }
        globfree(&found);
    }
}

int chsinkd_conf_load(const char *file, struct chsinkd_conf *ret, struct pl_findings *errs)
{
    unsigned before = errs->count;

    memset(ret, 0, sizeof(*ret));
    pl_options_load(chsinkd_options, file, ret, NULL, errs);
    routes_load(ret, file, errs);
    return errs->count == before ? 0 : -1;
}

void chsinkd_conf_release(struct chsinkd_conf *conf)
{
    for (unsigned i = 0; i < conf->routes_n; i++)
        route_free(conf->routes[i]);
    free(conf->routes);
    conf->routes = NULL;
    conf->routes_n = 0;
    pl_options_release(chsinkd_options, conf);
}

const struct route *chsinkd_conf_route(const struct chsinkd_conf *conf, const char *topic)
{
    for (unsigned i = 0; i < conf->routes_n; i++)
        if (route_takes(conf->routes[i], topic))
            return conf->routes[i];
    return NULL;
}

const char *chsinkd_conf_group(const struct chsinkd_conf *conf)
{
    const char *group = pl_map_get(&conf->kafka, "group.id");

    return group ? group : "chsinkd";
}

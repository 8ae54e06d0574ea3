/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - chsinkd's option table and the loading of its routes.
 */
#include "daemons/chsinkd/conf.h"

#include <glob.h>
#include <inttypes.h>
#include <strings.h>

#include "daemons/chsinkd/clickhouse/output.h"
#include "daemons/chsinkd/duckdb/database.h"
#include "daemons/chsinkd/duckdb/library.h"
#include "daemons/chsinkd/duckdb/output.h"
#include "daemons/chsinkd/duckdb/table.h"
#include "daemons/chsinkd/iceberg/format/schema.h"
#include "daemons/chsinkd/iceberg/output.h"
#include "daemons/chsinkd/route/overlap.h"
#include "lib/base/file.h"

static const char *const start_choices[] = {"earliest", "latest", NULL};
static const char *const offsets_lost_choices[] = {"table", "stop", "start", NULL};
static const char *const compression_choices[] = {"none", "lz4", "zstd", NULL};

static const char *const hold_choices[] = {"batch", "always", NULL};
static const char *const uint64_choices[] = {"decimal", "refuse", NULL};

/* Where a batch goes: what `output` can be. */
enum { OUTPUT_CLICKHOUSE, OUTPUT_DUCKDB, OUTPUT_ICEBERG };
static const char *const output_choices[] = {"clickhouse", "duckdb", "iceberg", NULL};
static const struct {
    const struct output_kind *kind;
    size_t conf; /* offset of its options in struct chsinkd_conf */
} outputs[] = {
    {&clickhouse_output, offsetof(struct chsinkd_conf, clickhouse)},
    {&duckdb_output, offsetof(struct chsinkd_conf, duckdb)},
    {&iceberg_output, offsetof(struct chsinkd_conf, iceberg)},
};

#define MEMORY_BYTES_MIN (16 * PL_MIB) /* of a group */

#define OPT(path_, type_, field_, ...)                                                             \
    PL_OPTION(path_, type_, struct chsinkd_conf, field_, __VA_ARGS__)

const struct pl_option chsinkd_options[] = {
    PL_KAFKA_OPT(
        struct chsinkd_conf, PL_OPT_REQUIRED,
        " group.id names this sink's position in the topics (default chsinkd; a route may have "
        "another); where a new group begins, start and offsets_lost say. Give each instance a "
        "group.instance.id to "
        "have its partitions back at once after a restart."),
    OPT("output", ENUM, output, .dflt = "clickhouse", .choices = output_choices,
        .help = "Where the rows go. A topic goes to a second output by a second instance "
                "(chsinkd@NAME.service) with its own group.id, so that one that is away holds up "
                "nothing of the other."),
    OPT("clickhouse.urls", URLS, clickhouse.urls,
        .login = "clickhouse.user and clickhouse.password", .min = 1, .max = 64,
        .help =
            "ClickHouse's HTTP addresses, as http://host:8123 or https://host:8443; when one does "
            "not answer, the next is used."),
    OPT("clickhouse.database", STRING, clickhouse.database, .min = 1, .max = 256, .dflt = "default",
        .help = "Database of the tables whose route names none. It must exist."),
    OPT("clickhouse.user", STRING, clickhouse.user, .min = 1, .max = 256, .dflt = "default",
        .help = "User with the right to SELECT, INSERT, CREATE TABLE, CREATE VIEW and ALTER ADD "
                "COLUMN there."),
    OPT("clickhouse.password", SECRET, clickhouse.password,
        .help = "Its password: { file: PATH }, { credential: NAME } or { env: VARIABLE }."),
    PL_HTTP_TLS_OPTS("clickhouse.tls", struct chsinkd_conf, clickhouse.tls),
    OPT("clickhouse.compression", ENUM, clickhouse.compression, .dflt = "none",
        .choices = compression_choices,
        .help = "Compression of inserts on the way: none is cheapest on one machine, lz4 over a "
                "network."),
    OPT("clickhouse.connect_timeout", DURATION, clickhouse.connect_timeout_ms, .min = 100,
        .max = PL_MINUTE_MS, .dflt = "5s", .help = "Time to connect."),
    OPT("clickhouse.timeout", DURATION, clickhouse.timeout_ms, .min = 1000,
        .max = 60 * PL_MINUTE_MS, .dflt = "5m",
        .help = "Time for one query or insert; then it is tried again with the same token. A "
                "partition waits longer than this before its table is asked which rows it has."),
    OPT("clickhouse.settings", MAP, clickhouse.settings,
        .help = "Further ClickHouse settings for every insert, by their own names."),
    OPT("duckdb.file", STRING, duckdb.file, .min = 1, .max = 4096,
        .help = "The DuckDB file, which is made where it is not there: below "
                "/var/lib/chsinkd, which the unit may write to. One process at a time has it open, "
                "to write or to read."),
    OPT("duckdb.attach", STRING, duckdb.attach, .min = 1, .max = 4096,
        .help = "A DuckLake instead of a file: ducklake:/PATH of its catalogue, which is a DuckDB "
                "file and is made where it is not there, with the rows in Parquet files in "
                "/PATH.files. Needs DuckDB's extension ducklake (extensions)."),
    OPT("duckdb.extensions", STRINGS, duckdb.extensions, .max = 16,
        .help = "Files of DuckDB's extensions (ducklake.duckdb_extension) that are loaded, of "
                "just the version that the library has. None is ever fetched."),
    OPT("duckdb.hold", ENUM, duckdb.hold, .dflt = "batch", .choices = hold_choices,
        .help = "batch: the file is open for each batch only, and others can read it in between; "
                "always: it stays open, which is faster, and nobody else can read it while chsinkd "
                "runs."),
    OPT("duckdb.library", STRING, duckdb.library, .min = 1, .max = 4096,
        .dflt = DUCKDB_LIBRARY_DFLT,
        .help = "DuckDB's library, " DUCKDB_VERSION_MIN
                " or newer: a path, or a name that the loader finds. It is in DuckDB's own "
                "releases, in npm's @duckdb/node-bindings-linux-x64 (or -arm64) and in Maven's "
                "org.duckdb:duckdb_jdbc."),
    OPT("duckdb.memory_limit", SIZE, duckdb.memory_bytes, .min = 64 * PL_MIB, .max = 1024 * PL_GIB,
        .dflt = "512MiB",
        .help = "Memory that DuckDB may take, beside memory_max: at least 1.25 MiB for each column "
                "of a route. A batch for which it is not enough is halved."),
    OPT("duckdb.threads", INT, duckdb.threads, .min = 1, .max = 64, .dflt = "1",
        .help = "Threads of DuckDB's. More make a batch no faster and take more CPU."),
    OPT("duckdb.storage_version", STRING, duckdb.storage_version, .min = 1, .max = 16,
        .dflt = "v1.4.0",
        .help = "The oldest DuckDB that can read a file which is made here; \"latest\": what the "
                "library has best. Before v1.4.0 nothing tells a file's WAL from that of an older "
                "copy: where one is put back after a crash, remove FILE.wal first, or rows are "
                "lost."),
    OPT("iceberg.catalog", ENUM, iceberg.catalog, .dflt = "path",
        .choices = iceberg_catalog_choices,
        .help =
            "Who says which metadata is a table's current one: path, a folder here or in S3, or "
            "rest, a REST catalogue (iceberg.rest)."),
    OPT("iceberg.warehouse", STRING, iceberg.warehouse, .min = 1, .max = 4096,
        .help = "path: the folder of the Iceberg tables, each in NAMESPACE/TABLE below it; under "
                "/var/lib/chsinkd, which the unit may write to, or s3://BUCKET/PREFIX of a store "
                "that knows If-None-Match. Each table's current metadata is the highest "
                "metadata/vN.metadata.json. rest: the catalogue's name of the "
                "warehouse, if it has several; where files lie, it says itself."),
    OPT("iceberg.namespace", STRING, iceberg.namespace_, .min = 1, .max = 256, .dflt = "default",
        .help = "Namespace of the tables whose route names no database; dots separate levels."),
    OPT("iceberg.library", STRING, iceberg.library, .min = 1, .max = 4096,
        .dflt = DUCKDB_LIBRARY_DFLT,
        .help = "DuckDB's library, which writes the Parquet files: as duckdb.library."),
    OPT("iceberg.uint64", ENUM, iceberg.uint64, .dflt = "decimal", .choices = uint64_choices,
        .help = "What a UInt64 column becomes, for which Iceberg has no type: decimal (20, 0), or "
                "its route is refused. (Offsets and partitions of Kafka's are long.)"),
    OPT("iceberg.keep_snapshots", DURATION, iceberg.keep_snapshots_ms, .min = 60 * PL_MINUTE_MS,
        .max = 3650 * PL_DAY_MS, .dflt = "5d",
        .help =
            "Older snapshots are expired by chsinkd --maintain yes. (And the oldest by the service "
            "itself, when all take more than 16 MiB of the table's metadata.)"),
    OPT("iceberg.timeout", DURATION, iceberg.timeout_ms, .min = 1000, .max = 60 * PL_MINUTE_MS,
        .dflt = "1m", .help = "Time for one file, or one request to a catalogue."),
    ICEBERG_REST_OPTS("iceberg.rest", struct chsinkd_conf, iceberg.rest),
    ICEBERG_S3_OPTS("iceberg.s3", struct chsinkd_conf, iceberg.s3),
    OPT("routes", STRINGS, route_files, .min = 1, .max = 256, .flags = PL_OPT_REQUIRED,
        .help = "Route files, from topic to table; shell patterns are allowed, as in "
                "/etc/chsinkd/routes/*.yaml. A topic belongs to one route; a start at which two "
                "take it is refused."),
    OPT("start", ENUM, start, .dflt = "earliest", .choices = start_choices,
        .help = "Where a group without offsets begins in a topic whose rows are not in the table: "
                "earliest, or latest. Latest is for the partitions that are there when the group "
                "is new to the topic; later ones are read from their beginning."),
    OPT("offsets_lost", ENUM, offsets_lost, .dflt = "table", .choices = offsets_lost_choices,
        .help = "What to do when the group has no offset in a partition whose rows are in the "
                "table, since Kafka forgets those of a group that is idle for longer than its "
                "offsets.retention.minutes, or group.id is a new one. table: go on behind the "
                "highest offset in the table, if the rows there are of the same messages. stop: "
                "end with status 78. start: begin as start says, which loads rows again. Needs "
                "columns from topic, partition and offset in the route; without them it is always "
                "start."),
    PL_TOPIC_OPT("dead_letter_topic", struct chsinkd_conf, dead_letter_topic,
                 "chsinkd-dead-letters",
                 "Topic for messages that do not fit their table; chsinkd --replay brings them "
                 "back."),
    PL_CREATE_TOPICS_OPTS(struct chsinkd_conf, "dead_letter_topic", "1", ""),
    OPT("batch.rows", INT, batch_rows, .min = 1, .max = 1000000, .flags = PL_OPT_RELOADABLE,
        .help = "A batch is inserted when it has this many rows (default 100000, with DuckDB "
                "50000, with Iceberg 500000; for ClickHouse below its max_insert_block_size, so "
                "that it is one block),"),
    OPT("batch.bytes", SIZE, batch_bytes, .min = 1024, .max = 200 * PL_MIB,
        .flags = PL_OPT_RELOADABLE,
        .help = "… or this many bytes (default 64MiB, with Iceberg 128MiB),"),
    OPT("batch.age", DURATION, batch_age_ms, .min = 10, .max = 10 * PL_MINUTE_MS,
        .flags = PL_OPT_RELOADABLE,
        .help = "… or its first message has waited this long (default 1s, with DuckDB 5s, with "
                "Iceberg 1m)."),
    OPT("batch.inserts_per_second", INT, inserts_per_second, .min = 1, .max = 1000, .dflt = "4",
        .flags = PL_OPT_RELOADABLE,
        .help =
            "With many quiet partitions the age grows, so that age alone causes at most this many "
            "inserts a second."),
    OPT("insert_threads", INT, insert_threads, .min = 1, .max = 16, .dflt = "2",
        .help = "Inserts that may be under way at once for a consumer group; one partition has one "
                "at a time."),
    OPT("memory_max", SIZE, memory_bytes_max, .min = MEMORY_BYTES_MIN, .max = 1024 * PL_GIB,
        .dflt = "208MiB",
        .help = "Memory for messages and rows: five eighths for decoded rows and dead letters, an "
                "eighth for librdkafka's queue (kafka's queued.max.messages.kbytes, 64 MiB at "
                "most), the rest for what is on the way between them. When it is full, reading "
                "waits. The groups of the routes share it."),
    OPT("ask_table_after", DURATION, ask_table_after_ms, .max = 365 * PL_DAY_MS, .dflt = "5m",
        .help =
            "How long after its announcement a batch is repeated by its token alone. Later, or "
            "when its route has changed since, the table is asked which rows it has, and only the "
            "others are inserted. ClickHouse must remember tokens for this long, "
            "clickhouse.timeout and a minute together. Needs columns from topic, partition and "
            "offset in the route."),
    PL_SERVICE_OPTS(struct chsinkd_conf, "9465", "Kafka and the output.",
                    "what is in flight may take."),
    PL_OPT_END,
};

const char chsinkd_conf_intro[] =
    "chsinkd: from Kafka topics to ClickHouse, DuckDB or Iceberg tables. See chsinkd(8).\n"
    "Every option with its default. Durations: 500ms 5s 15m 2h 7d. Sizes: 4096 64KiB 8MiB.\n"
    "Secrets: { credential: NAME } (the file /etc/chsinkd/secrets/NAME, or the unit's\n"
    "LoadCredential=NAME:PATH), { file: PATH } or { env: VARIABLE }.\n"
    "`systemctl reload` takes over routes, batch and log_level.";

const char *chsinkd_conf_group(const struct chsinkd_conf *conf)
{
    const char *group = pl_map_get(&conf->kafka, "group.id");
    return group ? group : "chsinkd";
}

const char *chsinkd_conf_route_group(const struct chsinkd_conf *conf, const struct route *r)
{
    return r->group ? r->group : chsinkd_conf_group(conf);
}

static bool group_is_same(const struct chsinkd_conf *conf, const struct route *a,
                          const struct route *b)
{
    return strcmp(chsinkd_conf_route_group(conf, a), chsinkd_conf_route_group(conf, b)) == 0;
}

/* Rows are looked for by topic, partition and offset, and tokens are made of them, whatever the
 * group. DuckDB's names differ in more than the case of letters. */
static bool table_is_same(const struct chsinkd_conf *conf, const struct route *a,
                          const struct route *b)
{
    int (*compare)(const char *, const char *) =
        conf->output == OUTPUT_DUCKDB ? strcasecmp : strcmp;
    const char *dflt = conf->output == OUTPUT_DUCKDB    ? "main"
                       : conf->output == OUTPUT_ICEBERG ? conf->iceberg.namespace_
                                                        : conf->clickhouse.database;
    dflt = dflt ? dflt : "";
    return compare(a->table, b->table) == 0 &&
           compare(a->database ? a->database : dflt, b->database ? b->database : dflt) == 0;
}

/* A message is taken by one route of each group; by its name a dead letter finds back to it. */
static void routes_compare(const struct chsinkd_conf *conf, const struct route *r,
                           const struct route *other, struct pl_findings *errs)
{
    char topic[ROUTE_TOPIC_MAX + 1];
    if (strcmp(r->name, other->name) == 0)
        pl_findings_add(errs, 0, 0,
                        "another route has the name %s, in another directory: rename one of the "
                        "files, since dead letters carry the route's name",
                        r->name);
    if (!route_overlaps(r, other, topic))
        return;
    if (table_is_same(conf, r, other))
        pl_findings_add(errs, 0, 0,
                        "topic %s is loaded into the same table by route %s: the rows of one would "
                        "be taken for those of the other",
                        topic, other->name);
    else if (!group_is_same(conf, r, other))
        return;
    else if (r->topic && other->topic)
        pl_findings_add(errs, 0, 0,
                        "topic %s already belongs to route %s; for a second table give one of them "
                        "a group of its own (group: NAME)",
                        r->topic, other->name);
    else
        pl_findings_add(errs, 0, 0,
                        "%s %s and route %s's %s %s both take topic %s: name the topics more "
                        "narrowly, so that each belongs to one route; for a second table give one "
                        "of them a group of its own (group: NAME)",
                        r->topic ? "topic" : "topic_pattern",
                        r->topic ? r->topic : r->topic_pattern, other->name,
                        other->topic ? "topic" : "topic_pattern",
                        other->topic ? other->topic : other->topic_pattern, topic);
}

/* Whether this instance takes the route: its `outputs` name ours, or none. */
static bool route_is_ours(const struct chsinkd_conf *conf, const struct route *r,
                          struct pl_findings *errs)
{
    bool ours = r->outputs.n == 0;
    for (size_t i = 0; i < r->outputs.n; i++) {
        const char *name = r->outputs.v[i];
        size_t k = 0;
        while (output_choices[k] && strcmp(output_choices[k], name) != 0)
            k++;
        if (!output_choices[k])
            pl_findings_add(errs, 0, 0,
                            "outputs: there is no output %s; they are called as in the "
                            "configuration's option output",
                            name);
        ours |= k == (size_t)conf->output;
    }
    return ours;
}

/* The routes of table_by read their topic by a group each. */
static void group_of_value(const struct chsinkd_conf *conf, struct route *r)
{
    if (!r->value)
        return;
    char *group = pl_strf("%s.%s", chsinkd_conf_route_group(conf, r), r->value);
    free(r->group);
    r->group = group;
}

static void route_add(struct chsinkd_conf *conf, struct route *r, struct pl_findings *errs)
{
    group_of_value(conf, r);
    if (!route_is_ours(conf, r, errs)) {
        pl_strings_add(&conf->routes_skipped, r->name);
        route_free(r);
        return;
    }
    for (unsigned i = 0; i < conf->routes_n; i++)
        routes_compare(conf, r, conf->routes[i], errs);
    if (conf->dead_letter_topic && route_takes(r, conf->dead_letter_topic))
        pl_findings_add(
            errs, 0, 0,
            "the route takes dead_letter_topic %s: dead letters would come back forever; "
            "name the topics more narrowly, and use --replay",
            conf->dead_letter_topic);
    conf->routes = pl_realloc_array(conf->routes, conf->routes_n + 1, sizeof(*conf->routes));
    conf->routes[conf->routes_n++] = r;
}

static void routes_add(struct chsinkd_conf *conf, const char *file, struct pl_findings *errs)
{
    struct route **routes = NULL;
    unsigned n = route_load_all(file, errs, &routes);
    errs->file = file;
    for (unsigned i = 0; i < n; i++)
        route_add(conf, routes[i], errs);
    free(routes);
}

static void routes_load(struct chsinkd_conf *conf, struct pl_findings *errs)
{
    const char *file = errs->file;
    unsigned before = errs->count;
    for (size_t i = 0; i < conf->route_files.n; i++) {
        const char *pattern = conf->route_files.v[i];
        bool is_pattern = strpbrk(pattern, "*?[");
        glob_t found = {0};
        int rc = glob(pattern, is_pattern ? 0 : GLOB_NOCHECK, NULL, &found);
        if (rc == GLOB_NOMATCH)
            pl_findings_add(errs, 0, 0, "routes: no file matches %s", pattern);
        else if (rc != 0)
            pl_findings_add(errs, 0, 0, "routes: cannot search for %s", pattern);
        else
            for (size_t f = 0; f < found.gl_pathc; f++)
                routes_add(conf, found.gl_pathv[f], errs);
        globfree(&found);
        errs->file = file; /* the last route's name is freed */
    }
    if (conf->routes_n == 0 && conf->routes_skipped.n > 0 && errs->count == before)
        pl_findings_add(errs, 0, 0,
                        "routes: none is left, as the outputs of all of them are others than %s",
                        output_choices[conf->output]);
}

static void groups_check(const struct chsinkd_conf *conf, struct pl_findings *errs)
{
    const char **groups;
    unsigned n = chsinkd_conf_groups(conf, &groups);
    if (n > 1 && conf->memory_bytes_max > 0 && conf->memory_bytes_max / n < MEMORY_BYTES_MIN)
        pl_findings_add(errs, 0, 0,
                        "memory_max: %u groups share it, and each needs 16MiB at least: %" PRId64
                        "MiB",
                        n, n * MEMORY_BYTES_MIN / PL_MIB);
    free(groups);
}

static void settings_check(const struct pl_map *settings, struct pl_findings *errs)
{
    for (size_t i = 0; i < settings->n; i++) {
        const char *name = settings->v[i].key, *wanted;
        if (clickhouse_setting_allowed(name, settings->v[i].value, &wanted))
            continue;
        if (wanted)
            pl_findings_add(errs, 0, 0,
                            "clickhouse.settings: %s must be %s, since exactly once rests on it",
                            name, wanted);
        else
            pl_findings_add(errs, 0, 0, "clickhouse.settings: %s is chsinkd's own", name);
    }
}

static void batch_default(struct chsinkd_conf *conf)
{
    const struct output_batch *suits = &outputs[conf->output].kind->batch;
    if (conf->batch_rows == 0)
        conf->batch_rows = suits->rows;
    if (conf->batch_bytes == 0)
        conf->batch_bytes = suits->bytes;
    if (conf->batch_age_ms == 0)
        conf->batch_age_ms = suits->age_ms;
}

static void clickhouse_check(const struct chsinkd_conf *conf, struct pl_findings *errs)
{
    /* One that is wrong is empty, too, and told of already. */
    if (conf->clickhouse.urls.n == 0 && !strstr(pl_buf_cstr(&errs->text), "clickhouse.urls"))
        pl_findings_add(errs, 0, 0, "clickhouse.urls is required with output: clickhouse");
    settings_check(&conf->clickhouse.settings, errs);
}

static void duckdb_route(const struct chsinkd_conf *conf, const struct route *r,
                         struct pl_findings *errs)
{
    int64_t least = duckdb_memory_least(r);
    struct pl_err err;
    if (duckdb_route_check(r, &err) < 0)
        pl_findings_add(errs, 0, 0, "route %s: %s", r->name, err.msg);
    if (conf->duckdb.memory_bytes < least)
        pl_findings_add(errs, 0, 0,
                        "duckdb.memory_limit: for the %u columns of route %s DuckDB needs %" PRId64
                        "MiB at least, however small the batches are",
                        r->columns_n, r->name, (least + PL_MIB - 1) / PL_MIB);
}

/* It says a file or a catalogue; false: a finding. */
static bool duckdb_place_check(const struct duckdb_conf *conf, struct pl_findings *errs)
{
    static const char lake[] = DUCKDB_LAKE "/";
    if (conf->attach && conf->file)
        pl_findings_add(errs, 0, 0, "duckdb.attach: instead of duckdb.file, not beside it");
    else if (conf->attach && strncmp(conf->attach, lake, strlen(lake)) != 0)
        pl_findings_add(errs, 0, 0,
                        "duckdb.attach: is ducklake:/PATH of a catalogue in a DuckDB file; with "
                        "others (PostgreSQL, SQLite, MySQL) two owners of a new partition could "
                        "both load its first batch");
    else if (conf->attach && conf->extensions.n == 0)
        pl_findings_add(errs, 0, 0,
                        "duckdb.extensions: duckdb.attach needs DuckDB's extension ducklake, of "
                        "just the library's version, as in PyPI's duckdb-extension-ducklake");
    else if (!conf->attach && (!conf->file || conf->file[0] != '/')) /* ":memory:" is no file */
        pl_findings_add(errs, 0, 0,
                        "duckdb.file is required with output: duckdb, and begins with /");
    else
        return true;
    return false;
}

/* Whether the library takes them, tried in a database in memory. */
static void duckdb_extensions_check(const struct chsinkd_conf *conf,
                                    const struct duckdb_library *library, struct pl_findings *errs)
{
    const struct duckdb_open how = {.extensions = &conf->duckdb.extensions, .threads = 1};
    struct duckdb db;
    struct pl_err err;
    if (conf->duckdb.extensions.n == 0)
        return;
    if (duckdb_open(&db, library, &how, &err) < 0)
        pl_findings_add(errs, 0, 0, "%s", err.msg);
    else
        duckdb_close(&db);
}

static void duckdb_check(const struct chsinkd_conf *conf, struct pl_findings *errs)
{
    struct duckdb_library library;
    struct pl_err err;
    if (duckdb_place_check(&conf->duckdb, errs) &&
        duckdb_file_check(duckdb_conf_file(&conf->duckdb), &err) < 0)
        pl_findings_add(errs, 0, 0, "duckdb.%s: %s", conf->duckdb.attach ? "attach" : "file",
                        err.msg);
    if (duckdb_library_load(&library, conf->duckdb.library, &err) < 0)
        pl_findings_add(errs, 0, 0, "%s", err.msg);
    else
        duckdb_extensions_check(conf, &library, errs);
    for (unsigned i = 0; i < conf->routes_n; i++)
        duckdb_route(conf, conf->routes[i], errs);
}

static void iceberg_check(const struct chsinkd_conf *conf, struct pl_findings *errs)
{
    struct duckdb_library library;
    struct pl_err err;
    const char *warehouse = conf->iceberg.warehouse;
    if (conf->iceberg.catalog == ICEBERG_CATALOG_PATH &&
        (!warehouse || (warehouse[0] != '/' && strncmp(warehouse, "s3://", 5) != 0)))
        pl_findings_add(errs, 0, 0,
                        "iceberg.warehouse is required with iceberg.catalog: path, and begins with "
                        "/ or s3://");
    else if (conf->iceberg.catalog == ICEBERG_CATALOG_PATH && warehouse[0] == '/' &&
             pl_path_check(warehouse, true, &err) < 0)
        pl_findings_add(errs, 0, 0, "iceberg.warehouse: %s", err.msg);
    if ((conf->iceberg.s3.access_key.value || conf->iceberg.s3.credentials == ICEBERG_S3_VENDED) &&
        pl_path_check(conf->iceberg.s3.staging, true, &err) < 0)
        pl_findings_add(errs, 0, 0, "iceberg.s3.staging: %s", err.msg);
    iceberg_remote_check(&conf->iceberg, errs);
    if (duckdb_library_load(&library, conf->iceberg.library, &err) < 0)
        pl_findings_add(errs, 0, 0, "%s", err.msg);
    for (unsigned i = 0; i < conf->routes_n; i++)
        if (iceberg_route_check(conf->routes[i], conf->iceberg.uint64, &err) < 0)
            pl_findings_add(errs, 0, 0, "route %s: %s", conf->routes[i]->name, err.msg);
}

void chsinkd_conf_check(struct chsinkd_conf *conf, struct pl_findings *errs)
{
    pl_common_check_create(&conf->create, errs);
    pl_common_check_listen(conf->metrics.listen, errs);
    if (conf->kafka.n > 0) /* else it is known to be missing */
        pl_common_check_kafka(&conf->kafka, NULL, errs);
    pl_common_check_transaction(&conf->kafka, CHSINKD_TRANSACTION_TIMEOUT_MS, NULL,
                                CHSINKD_TRANSACTION_OPEN_MS, errs);
    batch_default(conf);
    routes_load(conf, errs);
    groups_check(conf, errs);
    if (conf->output == OUTPUT_CLICKHOUSE)
        clickhouse_check(conf, errs);
    else if (conf->output == OUTPUT_DUCKDB)
        duckdb_check(conf, errs);
    else if (conf->output == OUTPUT_ICEBERG)
        iceberg_check(conf, errs);
}

void chsinkd_conf_release(struct chsinkd_conf *conf)
{
    for (unsigned i = 0; i < conf->routes_n; i++)
        route_free(conf->routes[i]);
    free(conf->routes);
    conf->routes = NULL;
    conf->routes_n = 0;
    pl_strings_release(&conf->routes_skipped);
    pl_options_release(chsinkd_options, conf);
}

int chsinkd_conf_topic_check(const struct chsinkd_conf *conf, const char *topic, struct pl_err *err)
{
    for (unsigned i = 0; i < conf->routes_n; i++) {
        const struct route *r = conf->routes[i];
        for (unsigned k = 0; k < i && route_takes(r, topic); k++) {
            const struct route *other = conf->routes[k];
            bool same_group = group_is_same(conf, r, other);
            if ((same_group || table_is_same(conf, r, other)) && route_takes(other, topic))
                return pl_err_set(err, PL_ERR_CONFIG, 0,
                                  "topic %.60s is taken by route %.40s and by route %.40s%s: name "
                                  "the topics more narrowly, so that each belongs to one route",
                                  topic, other->name, r->name,
                                  same_group ? "" : " for the same table");
        }
    }
    return 0;
}

const struct output_kind *chsinkd_conf_output(const struct chsinkd_conf *conf,
                                              const void **ret_output_conf)
{
    *ret_output_conf = (const char *)conf + outputs[conf->output].conf;
    return outputs[conf->output].kind;
}

unsigned chsinkd_conf_groups(const struct chsinkd_conf *conf, const char ***ret)
{
    unsigned n = 0;
    const char **groups = pl_alloc_array(conf->routes_n + 1, sizeof(*groups));
    for (unsigned i = 0; i < conf->routes_n; i++) {
        const char *group = chsinkd_conf_route_group(conf, conf->routes[i]);
        unsigned k = 0;
        while (k < n && strcmp(groups[k], group) != 0)
            k++;
        groups[k] = group;
        n += k == n;
    }
    *ret = groups;
    return n;
}

static const struct route *route_named(const struct chsinkd_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->routes_n; i++)
        if (strcmp(conf->routes[i]->name, name) == 0)
            return conf->routes[i];
    return NULL;
}

void chsinkd_conf_compare(const struct chsinkd_conf *conf, const struct chsinkd_conf *fresh,
                          struct pl_buf *out)
{
    for (unsigned i = 0; i < fresh->routes_n; i++) {
        const struct route *r = fresh->routes[i], *before = route_named(conf, r->name);
        if (!before || strcmp(before->text, r->text) != 0)
            pl_buf_addf(out, "%s%s route %s", out->len > 0 ? ", " : "", before ? "changed" : "new",
                        r->name);
    }
    for (unsigned i = 0; i < conf->routes_n; i++)
        if (!route_named(fresh, conf->routes[i]->name))
            pl_buf_addf(out, "%sremoved route %s", out->len > 0 ? ", " : "", conf->routes[i]->name);
}

void chsinkd_conf_one_shot(struct chsinkd_conf *conf)
{
    struct pl_map *kafka = &conf->kafka;
    free(PL_TAKE(conf->metrics.listen));
    for (size_t i = 0; i < kafka->n; i++) {
        if (strcmp(kafka->v[i].key, "group.instance.id") != 0)
            continue;
        free(kafka->v[i].key);
        pl_wipe(kafka->v[i].value);
        kafka->n--;
        memmove(&kafka->v[i], &kafka->v[i + 1], (kafka->n - i) * sizeof(*kafka->v));
        return;
    }
}

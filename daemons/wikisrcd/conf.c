/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 *
 * The table is the only place where an option is named; what it cannot express is checked below
 * it, and added to the same list of findings.
 */
#include "daemons/wikisrcd/conf.h"

#include <errno.h>
#include <limits.h>

#include "lib/base/clock.h"
#include "lib/log/log.h"

static const char *const bot_choices[] = {"any", "only", "exclude", NULL};
static const char *const canaries_choices[] = {"drop", "keep", NULL};
static const char *const too_large_choices[] = {"stop", "skip", NULL};

#define AT(field) offsetof(struct wikisrcd_conf, field)

const struct pl_option wikisrcd_opts[] = {
    {"name", PL_OPT_STRING, AT(name), 1, 128, "wikipedia", 0, NULL,
     "Names this pipeline: the key of its position in position_topic, and a part of its Kafka "
     "transactional.id (wikisrcd-NAME), by which a second instance of the same name is fenced. "
     "Another name begins anew."},
    {"source.user_agent_contact", PL_OPT_STRING, AT(source.user_agent_contact), 3, 200, NULL,
     PL_OPT_REQUIRED, NULL,
     "An e-mail address or URL where you can be reached. Wikimedia's User-Agent policy asks for it "
     "and refuses clients without (403)."},
    {"source.url", PL_OPT_STRING, AT(source.url), 8, 2000, "https://stream.wikimedia.org/v2/stream",
     0, NULL, "The service, without the names of streams."},
    {"source.streams", PL_OPT_STRINGS, AT(source.streams), 1, 64, "recentchange", 0, NULL,
     "Which streams to follow, as the service names them. A stream added later begins when it is "
     "first seen."},
    {"source.start", PL_OPT_STRING, AT(source.start), 1, 64, "now", 0, NULL,
     "Where to begin when there is no position yet: now, oldest, an RFC 3339 time "
     "(2026-11-21T00:00:00Z) or milliseconds since 1970. The service keeps 7 to 31 days."},
    {"source.stall_timeout", PL_OPT_DURATION, AT(source.stall_timeout_ms), 0, 86400000, "10s", 0,
     NULL,
     "So long without a byte is a dead connection. 10s suits recentchange; a quiet stream needs "
     "more than its longest silence (its canary events come every 15m). 0: never."},
    {"source.connect_timeout", PL_OPT_DURATION, AT(source.connect_timeout_ms), 100, 600000, "10s",
     0, NULL, "How long connecting may take, with TLS."},
    {"source.slack", PL_OPT_DURATION, AT(source.slack_ms), 0, 600000, "5s", 0, NULL,
     "How far before the position each connect asks again; what is repeated is dropped by its id. "
     "It must be longer than events of one topic come out of order (51 ms measured)."},
    {"source.discover_every", PL_OPT_DURATION, AT(source.discover_every_ms), 60000,
     INT64_C(2592000000), "1d", 0, NULL,
     "How often a reconnect looks whether the streams have new upstream topics (a new data "
     "centre); resuming pins the known ones."},
    {"source.proxy", PL_OPT_STRING, AT(source.proxy), 1, 2000, NULL, 0, NULL,
     "URL of a proxy; default: https_proxy and no_proxy of the environment."},
    PL_HTTP_TLS_OPTS("source.tls", struct wikisrcd_conf, source.tls),
    {"filter.wiki.include", PL_OPT_STRINGS, AT(filter.wiki.include), 0, 2000, NULL,
     PL_OPT_RELOADABLE, NULL, "Only events of these wikis (enwiki, commonswiki); empty: all."},
    {"filter.wiki.exclude", PL_OPT_STRINGS, AT(filter.wiki.exclude), 0, 2000, NULL,
     PL_OPT_RELOADABLE, NULL, "No events of these wikis."},
    {"filter.type.include", PL_OPT_STRINGS, AT(filter.type.include), 0, 100, NULL,
     PL_OPT_RELOADABLE, NULL,
     "Only events of these types (edit, new, log, categorize, external); empty: all."},
    {"filter.type.exclude", PL_OPT_STRINGS, AT(filter.type.exclude), 0, 100, NULL,
     PL_OPT_RELOADABLE, NULL, "No events of these types."},
    {"filter.namespace.include", PL_OPT_STRINGS, AT(filter.namespaces.include), 0, 1000, NULL,
     PL_OPT_RELOADABLE, NULL,
     "Only events in these namespaces, by number (0: articles); empty: all."},
    {"filter.namespace.exclude", PL_OPT_STRINGS, AT(filter.namespaces.exclude), 0, 1000, NULL,
     PL_OPT_RELOADABLE, NULL, "No events in these namespaces."},
    {"filter.bot", PL_OPT_ENUM, AT(filter.bot), 0, 0, "any", PL_OPT_RELOADABLE, bot_choices,
     "Edits by bots: any (no matter), only, exclude."},
    {"filter.canaries", PL_OPT_ENUM, AT(filter.canaries), 0, 0, "drop", PL_OPT_RELOADABLE,
     canaries_choices, "The service's own test events, one each 15m in each topic: drop or keep."},
    {"kafka", PL_OPT_MAP, AT(kafka), 0, 0, NULL, 0, NULL,
     "Any librdkafka property by its own name; bootstrap.servers is needed. Values may be secret "
     "references: sasl.password: { credential: kafka-password }."},
    {"topic", PL_OPT_STRING, AT(topic), 1, 249, "wikipedia-data", 0, NULL,
     "The topic that gets the events, one message an event, its JSON as received."},
    {"key", PL_OPT_STRING, AT(key), 0, 500, "title", 0, NULL,
     "Path of the message key inside the event (title, meta.domain); \"\": no key. Events without "
     "it have no key."},
    {"position_topic", PL_OPT_STRING, AT(position_topic), 1, 249, "wikisrcd-positions", 0, NULL,
     "The compacted topic that holds the position, written in the same transactions as the "
     "events."},
    {"message_bytes_max", PL_OPT_SIZE, AT(message_bytes_max), 65536, INT64_C(536870912), "8MiB", 0,
     NULL,
     "The largest event that is taken. A topic that wikisrcd creates accepts it; one that was "
     "there "
     "needs max.message.bytes to fit."},
    {"too_large", PL_OPT_ENUM, AT(too_large), 0, 0, "stop", PL_OPT_RELOADABLE, too_large_choices,
     "An event above message_bytes_max: stop (nothing is lost, a person decides) or skip (logged "
     "and counted)."},
    {"queue_bytes_max", PL_OPT_SIZE, AT(queue_bytes_max), INT64_C(1048576), INT64_C(2147482624),
     "64MiB", 0, NULL,
     "Memory for messages that Kafka has not acknowledged; when it is full, reading pauses."},
    {"batch.age", PL_OPT_DURATION, AT(batch.age_ms), 10, 60000, "1s", PL_OPT_RELOADABLE, NULL,
     "A transaction is committed when it is so old,"},
    {"batch.bytes", PL_OPT_SIZE, AT(batch.bytes), 1, INT64_C(1073741824), "32MiB",
     PL_OPT_RELOADABLE, NULL, "or holds so much,"},
    {"batch.messages", PL_OPT_INT, AT(batch.messages), 1, 10000000, "50000", PL_OPT_RELOADABLE,
     NULL, "or so many messages."},
    {"create_topics.enabled", PL_OPT_BOOL, AT(create.enabled), 0, 0, "true", 0, NULL,
     "Create topic and position_topic where they are missing; false: missing is an error."},
    {"create_topics.partitions", PL_OPT_INT, AT(create.partitions), -1, 10000, "-1", 0, NULL,
     "Partitions of a created topic; -1: the broker's default. (position_topic has one.)"},
    {"create_topics.replication", PL_OPT_INT, AT(create.replication), -1, 100, "-1", 0, NULL,
     "Replication factor of created topics; -1: the broker's default."},
    {"create_topics.retention", PL_OPT_DURATION, AT(create.retention_ms), 0, INT64_C(315360000000),
     "0", 0, NULL,
     "How long a created topic keeps events, counted from the event's time; 0: the broker's "
     "default (usually 7d: events of an older start are then deleted soon)."},
    {"metrics.listen", PL_OPT_STRING, AT(metrics.listen), 1, 255, NULL, 0, NULL,
     "Address for Prometheus metrics, /healthz and /readyz: 127.0.0.1:9464. Default: none."},
    {"log_level", PL_OPT_ENUM, AT(log_level), 0, 0, "info", PL_OPT_RELOADABLE, pl_log_level_names,
     "error, warning, notice, info or debug."},
    {"start_timeout", PL_OPT_DURATION, AT(start_timeout_ms), 1000, 600000, "30s", 0, NULL,
     "How long each step of the start may wait for Kafka, and the last for the source: without "
     "Kafka the start fails then, without the source it goes on trying as the service."},
    {"stop_timeout", PL_OPT_DURATION, AT(stop_timeout_ms), 100, 600000, "4s", 0, NULL,
     "On SIGTERM, how long the open transaction may take to commit."},
    PL_OPT_END,
};

const char wikisrcd_conf_intro[] =
    "wikisrcd: Wikimedia EventStreams to a Kafka topic, exactly once.\n"
    "Every option with its default. Durations: 500ms 5s 15m 2h 7d. Sizes: 4096 64KiB 8MiB.\n"
    "Secrets: { credential: NAME } (the file /etc/wikisrcd/secrets/NAME, or the unit's\n"
    "LoadCredential=NAME:PATH), { file: PATH } or { env: VARIABLE }.\n"
    "`systemctl reload` takes over filter, batch, too_large and log_level.";

int wikisrcd_conf_log_level(const struct wikisrcd_conf *conf)
{
    static const int levels[] = {PL_ERROR, PL_WARNING, PL_NOTICE, PL_INFO, PL_DEBUG};
    return levels[conf->log_level];
}

bool wikisrcd_conf_start(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    size_t len = strlen(text);
    if (strcmp(text, "now") == 0) {
        *ret_ms = now_ms;
        return true;
    }
    if (strcmp(text, "oldest") == 0) {
        *ret_ms = 0;
        return true;
    }
    if (len <= 15 && len > 0 && strspn(text, "0123456789") == len) {
        *ret_ms = strtoll(text, NULL, 10);
        return true;
    }
    int64_t ms;
    if (!pl_time_parse(text, len, 3, &ms, NULL) || ms < 0)
        return false;
    *ret_ms = ms;
    return true;
}

/* The service's names of streams; they go into the URL as they are. */
static bool stream_is_valid(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
           strlen(name);
}

static void numbers_check(const struct pl_strings *list, const char *path, struct pl_findings *errs)
{
    for (size_t i = 0; i < list->n; i++) {
        char *end;
        errno = 0;
        strtoll(list->v[i], &end, 10);
        if (end == list->v[i] || *end != '\0' || errno != 0)
            pl_findings_add(errs, 0, 0, "%s: '%s' is not a number: namespaces are given by number",
                            path, list->v[i]);
    }
}

static void key_check(const char *key, struct pl_findings *errs)
{
    unsigned depth = 1;
    size_t len = strlen(key);
    for (const char *c = key; *c; c++)
        depth += *c == '.';
    if (len > 0 && (key[0] == '.' || key[len - 1] == '.' || strstr(key, "..") || depth > 8))
        pl_findings_add(errs, 0, 0,
                        "key: '%s' is not a path: names joined by dots, 8 at most (meta.domain)",
                        key);
}

void wikisrcd_conf_check(const struct wikisrcd_conf *conf, bool needs_kafka,
                         struct pl_findings *errs)
{
    int64_t ms;
    for (size_t i = 0; i < conf->source.streams.n; i++)
        if (!stream_is_valid(conf->source.streams.v[i]))
            pl_findings_add(errs, 0, 0,
                            "source.streams: '%s' is not a stream's name: letters, digits, '.', "
                            "'_' and '-'",
                            conf->source.streams.v[i]);
    if (conf->source.url && strpbrk(conf->source.url, "?# "))
        pl_findings_add(errs, 0, 0, "source.url: without a query ('?', '#') or spaces");
    if (conf->source.start && !wikisrcd_conf_start(conf->source.start, 0, &ms))
        pl_findings_add(errs, 0, 0,
                        "source.start: '%s' is none of now, oldest, a time such as "
                        "2026-11-21T00:00:00Z, milliseconds since 1970",
                        conf->source.start);
    if (conf->source.user_agent_contact && strpbrk(conf->source.user_agent_contact, "\r\n()"))
        pl_findings_add(errs, 0, 0, "source.user_agent_contact: one line without parentheses");
    numbers_check(&conf->filter.namespaces.include, "filter.namespace.include", errs);
    numbers_check(&conf->filter.namespaces.exclude, "filter.namespace.exclude", errs);
    if (conf->key)
        key_check(conf->key, errs);
    if (conf->topic && conf->position_topic && strcmp(conf->topic, conf->position_topic) == 0)
        pl_findings_add(errs, 0, 0, "position_topic: must be another topic than `topic`");
    if (conf->create.partitions == 0 || conf->create.replication == 0)
        pl_findings_add(errs, 0, 0,
                        "create_topics: partitions and replication are -1 (the broker's default) "
                        "or at least 1");
    if (conf->queue_bytes_max < conf->message_bytes_max)
        pl_findings_add(errs, 0, 0,
                        "queue_bytes_max: must be at least message_bytes_max, or the largest "
                        "event never fits");
    if (needs_kafka && !pl_map_get(&conf->kafka, "bootstrap.servers"))
        pl_findings_add(errs, 0, 0,
                        "kafka: needs bootstrap.servers, such as \"localhost:9092\" (only "
                        "--sample and --schema work without)");
}

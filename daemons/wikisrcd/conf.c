/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 *
 * What the table cannot express is checked below it and added to the same list of findings.
 */
#include "daemons/wikisrcd/conf.h"

#include <errno.h>

#include "daemons/wikisrcd/event/path.h"
#include "daemons/wikisrcd/event/redact.h"
#include "daemons/wikisrcd/event/rules.h"

static const char *const bot_choices[] = {"any", "only", "exclude", NULL};
static const char *const canaries_choices[] = {"drop", "keep", NULL};
static const char *const timestamp_choices[] = {"event", "arrival", NULL};
static const char *const too_large_choices[] = {"stop", "skip", NULL};

#define OPT(path_, type_, field_, ...)                                                             \
    PL_OPTION(path_, type_, struct wikisrcd_conf, field_, __VA_ARGS__)

const struct pl_option wikisrcd_opts[] = {
    OPT("name", STRING, name, .min = 1, .max = 128, .dflt = "wikipedia",
        .help = "Names this pipeline: the key of its position in position_topic, and a part of its "
                "Kafka transactional.id (wikisrcd-NAME), by which a second instance of the same "
                "name is fenced. Another name starts over."),
    OPT("source.user_agent_contact", STRING, source.user_agent_contact, .min = 3, .max = 200,
        .flags = PL_OPT_REQUIRED,
        .help = "An e-mail address or URL where you can be reached. Wikimedia's User-Agent policy "
                "asks for it and refuses clients without (403)."),
    OPT("source.url", URL, source.url, .dflt = "https://stream.wikimedia.org/v2/stream",
        .help = "The service, without the names of streams."),
    OPT("source.streams", STRINGS, source.streams, .min = 1, .max = 64, .dflt = "recentchange",
        .help = "Which streams to follow, as the service names them. A stream added later begins "
                "when it is first seen."),
    OPT("source.start", STRING, source.start, .min = 1, .max = 64, .dflt = "now",
        .help =
            "Where to begin when there is no position yet: now, oldest, -2d (before now), an "
            "RFC 3339 time (2026-11-21T00:00:00Z) or milliseconds since 1970. The service keeps "
            "7 to 31 days."),
    OPT("source.stall_timeout", DURATION, source.stall_timeout_ms, .max = PL_DAY_MS, .dflt = "10s",
        .help =
            "A connection without a byte for this long is dead. 10s suits recentchange; a quiet "
            "stream "
            "needs more than its longest silence (its canary events come every 15m). 0: never."),
    OPT("source.connect_timeout", DURATION, source.connect_timeout_ms, .min = 100,
        .max = 10 * PL_MINUTE_MS, .dflt = "10s", .help = "How long connecting may take, with TLS."),
    OPT("source.slack", DURATION, source.slack_ms, .max = 10 * PL_MINUTE_MS, .dflt = "5s",
        .help = "How far before the position each connect asks again; what is repeated is dropped "
                "by its id. It must exceed how far events of one topic are out of order (51 ms "
                "measured)."),
    OPT("source.discover_every", DURATION, source.discover_every_ms, .min = PL_MINUTE_MS,
        .max = 30 * PL_DAY_MS, .dflt = "1d",
        .help = "How often a reconnect looks whether the streams have new upstream topics (a new "
                "data centre); resuming pins the known ones."),
    OPT("source.proxy", URL, source.proxy, .flags = PL_OPT_PROXY,
        .login = "source.proxy_user and source.proxy_password",
        .help = "URL of a proxy (http, https, socks4, socks4a, socks5 or socks5h); default: "
                "https_proxy and no_proxy of the environment."),
    OPT("source.proxy_user", STRING, source.proxy_user, .min = 1, .max = 255,
        .help = "The user of the proxy, where it asks for one."),
    OPT("source.proxy_password", SECRET, source.proxy_password, .help = "That user's password."),
    PL_HTTP_TLS_OPTS("source.tls", struct wikisrcd_conf, source.tls),
    OPT("filter.wiki.include", STRINGS, filter.wiki.include, .max = 2000,
        .flags = PL_OPT_RELOADABLE,
        .help = "Only events of these wikis (enwiki, commonswiki); empty: all. The field is wiki, "
                "wiki_id or database, as the stream's schema has it."),
    OPT("filter.wiki.exclude", STRINGS, filter.wiki.exclude, .max = 2000,
        .flags = PL_OPT_RELOADABLE, .help = "No events of these wikis."),
    OPT("filter.type.include", STRINGS, filter.type.include, .max = 100, .flags = PL_OPT_RELOADABLE,
        .help = "Only events of these types (edit, new, log, categorize, external); empty: all. "
                "The field is type, page_change_kind (create, edit, move, delete, undelete, "
                "visibility_change) or changelog_kind (insert, update, delete)."),
    OPT("filter.type.exclude", STRINGS, filter.type.exclude, .max = 100, .flags = PL_OPT_RELOADABLE,
        .help = "No events of these types."),
    OPT("filter.namespace.include", STRINGS, filter.namespaces.include, .max = 1000,
        .flags = PL_OPT_RELOADABLE,
        .help = "Only events in these namespaces, by number (0: articles); empty: all. The field "
                "is namespace, page.namespace_id or page_namespace."),
    OPT("filter.namespace.exclude", STRINGS, filter.namespaces.exclude, .max = 1000,
        .flags = PL_OPT_RELOADABLE, .help = "No events in these namespaces."),
    OPT("filter.bot", ENUM, filter.bot, .dflt = "any", .flags = PL_OPT_RELOADABLE,
        .choices = bot_choices,
        .help = "Edits by bots: any (include them), only, exclude. The field is bot, "
                "performer.is_bot or performer.user_is_bot."),
    OPT("filter.fields", ROWS, filter.fields, .max = FILTER_RULES_MAX, .flags = PL_OPT_RELOADABLE,
        .help =
            "More conditions, on any field; all must hold. A list of { path: page.page_id, in: "
            "[1, 2] }, { path: performer.groups, not_in: [sysop] } or { path: revision.comment, "
            "exists: true }. In an array, in holds if one of the values is in the list, not_in if "
            "none is. An event without the field fails in and passes not_in; a stream that never "
            "has it causes a warning. Numbers are compared by value; null counts as absent."),
    OPT("filter.canaries", ENUM, filter.canaries, .dflt = "drop", .flags = PL_OPT_RELOADABLE,
        .choices = canaries_choices,
        .help = "The service's own test events, one every 15m in each topic: drop or keep."),
    PL_KAFKA_OPT(struct wikisrcd_conf, 0, ""),
    PL_TOPIC_OPT("topic", struct wikisrcd_conf, topic, "wikipedia-data",
                 "The topic that gets the events, one message per event, its JSON as received "
                 "(minus what redact takes out). The headers wikisrcd-stream and wikisrcd-id "
                 "carry its meta.stream and meta.id."),
    OPT("topics", MAP, topics, .max = 64,
        .help = "Other topics for some streams: { mediawiki.page_change.v1: wiki-page-changes }. "
                "The rest goes to topic."),
    OPT("key", STRINGS, key, .min = 1, .max = 8, .dflt = "title",
        .help = "Path of the message key inside the event (title, meta.domain), or a list of "
                "paths, of which the first that the event has is used; \"\": no key. wiki, type, "
                "namespace, title, user and bot stand for the field of the stream's schema: title "
                "is also page.page_title and page_title. Events without it have no key."),
    OPT("timestamp", ENUM, timestamp, .dflt = "event", .choices = timestamp_choices,
        .flags = PL_OPT_RELOADABLE,
        .help = "Time of the messages: the event's own, or its arrival, for topics that reject "
                "old times (message.timestamp.before.max.ms): some events are years old. An event "
                "whose own time is absent or in the future gets its arrival."),
    OPT("redact", ROWS, redact, .max = REDACT_RULES_MAX, .flags = PL_OPT_RELOADABLE,
        .help =
            "Personal data to take out of events before they go to Kafka: a list of { path: user, "
            "action: drop } (removes the member) or action: hash (replaces the value with its "
            "HMAC-SHA256 under redact_key, the same for the same value). Names and addresses are "
            "in user (recentchange), performer.user_text, revision.editor.user_text, "
            "prior_state.revision.editor.user_text (page_change) and user_text "
            "(user-blocks-change); they may also be in title, title_url, comment, parsedcomment, "
            "log_params, log_action_comment, meta.uri, page.page_title, page_title and the like, "
            "each of which needs a row. In an array, the path applies to each element. Other "
            "members stay as they are; the message key is taken from what is left. An event that "
            "is not valid JSON is then left out."),
    OPT("redact_key", SECRET, redact_key, .flags = PL_OPT_RELOADABLE,
        .help = "The key of the hashes, at least 16 bytes, for instance from: openssl rand -hex "
                "32. With another key the same people get other hashes."),
    PL_POSITION_TOPIC_OPT(struct wikisrcd_conf, "wikisrcd-positions"),
    PL_BYTES_MAX_OPTS(struct wikisrcd_conf,
                      "The largest event accepted. A topic that wikisrcd creates allows it; an "
                      "existing one needs a max.message.bytes that does.",
                      "8MiB"),
    OPT("too_large", ENUM, too_large, .dflt = "stop", .flags = PL_OPT_RELOADABLE,
        .choices = too_large_choices,
        .help = "An event above message_bytes_max: stop (nothing is lost, a person decides) or "
                "skip (logged and counted)."),
    OPT("batch.age", DURATION, batch.age_ms, .min = 10, .max = PL_MINUTE_MS, .dflt = "250ms",
        .flags = PL_OPT_RELOADABLE, .help = "A transaction is committed when it is this old,"),
    OPT("batch.bytes", SIZE, batch.bytes, .min = 1, .max = PL_GIB, .dflt = "32MiB",
        .flags = PL_OPT_RELOADABLE, .help = "or holds this much,"),
    OPT("batch.messages", INT, batch.messages, .min = 1, .max = 10000000, .dflt = "50000",
        .flags = PL_OPT_RELOADABLE, .help = "or this many messages."),
    PL_CREATE_TOPICS_OPTS(struct wikisrcd_conf, "topic and position_topic", "-1",
                          " (position_topic has one.)"),
    PL_CREATE_RETENTION_OPT(struct wikisrcd_conf,
                            " Events of an older start are then deleted soon."),
    PL_SERVICE_OPTS(struct wikisrcd_conf, "9464",
                    "Kafka, and the last for the source: without Kafka the start then fails, "
                    "without the source the service keeps trying.",
                    "the open transaction may take to commit."),
    PL_OPT_END,
};

const char wikisrcd_conf_intro[] =
    "wikisrcd: Wikimedia EventStreams to a Kafka topic, exactly once.\n"
    "Every option with its default. Durations: 500ms 5s 15m 2h 7d. Sizes: 4096 64KiB 8MiB.\n"
    "Secrets: { credential: NAME } (the file /etc/wikisrcd/secrets/NAME, or the unit's\n"
    "LoadCredential=NAME:PATH), { file: PATH } or { env: VARIABLE }.\n"
    "`systemctl reload` applies filter, timestamp, redact, redact_key, batch, too_large and\n"
    "log_level.";

bool wikisrcd_conf_start(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    const char *why;
    if (strcmp(text, "oldest") != 0)
        return pl_moment_parse(text, now_ms, ret_ms, &why);
    *ret_ms = 0;
    return true;
}

bool wikisrcd_conf_start_is_relative(const char *text)
{
    int64_t a_ms, b_ms;
    return wikisrcd_conf_start(text, PL_MOMENT_MAX_MS - 1, &a_ms) &&
           wikisrcd_conf_start(text, PL_MOMENT_MAX_MS, &b_ms) && a_ms != b_ms;
}

/* They go into the URL as they are. */
static void streams_check(const struct pl_strings *streams, struct pl_findings *errs)
{
    static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (size_t i = 0; i < streams->n; i++)
        if (streams->v[i][strspn(streams->v[i], valid)] != '\0')
            pl_findings_add(errs, 0, 0,
                            "source.streams: '%s' is not a stream's name: letters, digits, '.', "
                            "'_' and '-'",
                            streams->v[i]);
}

static void numbers_check(const struct pl_strings *list, const char *path, struct pl_findings *errs)
{
    for (size_t i = 0; i < list->n; i++) {
        errno = 0;
        char *end;
        strtoll(list->v[i], &end, 10);
        if (end == list->v[i] || *end != '\0' || errno != 0)
            pl_findings_add(errs, 0, 0, "%s: '%s' is not a number: namespaces are given by number",
                            path, list->v[i]);
    }
}

static void key_check(const struct pl_strings *key, struct pl_findings *errs)
{
    if (key->n == 1 && key->v[0][0] == '\0')
        return;
    for (size_t i = 0; i < key->n; i++) {
        struct event_path path;
        if (event_path_init(&path, key->v[i]))
            event_path_release(&path);
        else
            pl_findings_add(errs, 0, 0, "key: '%s' is not a path: %s", key->v[i], EVENT_PATH_RULE);
    }
}

bool wikisrcd_conf_stream_is(const char *name, const char *stream, size_t len)
{
    static const char left_out[] = "mediawiki.";
    size_t n = sizeof(left_out) - 1, name_len = strlen(name);
    if (len == name_len + n && memcmp(stream, left_out, n) == 0)
        return memcmp(stream + n, name, name_len) == 0;
    return len == name_len && memcmp(stream, name, len) == 0;
}

static void topics_check(const struct wikisrcd_conf *conf, struct pl_findings *errs)
{
    for (size_t i = 0; i < conf->topics.n; i++) {
        const struct pl_map_entry *e = &conf->topics.v[i];
        bool known = false;
        for (size_t k = 0; k < conf->source.streams.n && !known; k++) {
            const char *stream = conf->source.streams.v[k];
            known = wikisrcd_conf_stream_is(stream, e->key, strlen(e->key)) ||
                    wikisrcd_conf_stream_is(e->key, stream, strlen(stream));
        }
        if (!known)
            pl_findings_add(errs, e->line, e->column, "topics: %s is not in source.streams",
                            e->key);
        size_t len = strlen(e->value);
        if (len == 0 || len > 249)
            pl_findings_add(errs, e->line, e->column,
                            "topics: %s: a topic's name has 1 to 249 bytes", e->key);
        if (conf->position_topic && strcmp(e->value, conf->position_topic) == 0)
            pl_findings_add(errs, e->line, e->column,
                            "topics: %s: must be another topic than position_topic", e->key);
    }
}

static void rules_check(const struct wikisrcd_conf *conf, struct pl_findings *errs)
{
    PL_CLEANUP(filter_rules_release) struct filter_rules filter = {0};
    PL_CLEANUP(redact_rules_release) struct redact_rules redact = {0};
    bool hashes = false;
    filter_rules_parse(conf->filter.fields, &filter, errs);
    redact_rules_parse(conf->redact, &redact, errs);
    for (size_t i = 0; i < redact.n; i++)
        hashes |= redact.v[i].action == REDACT_HASH;
    const char *key = conf->redact_key.value;
    if (hashes && !key)
        pl_findings_add(errs, 0, 0,
                        "redact_key: is needed for action: hash; without a secret, names could be "
                        "found by trying");
    if (key && strlen(key) < REDACT_KEY_MIN)
        pl_findings_add(errs, 0, 0, "redact_key: at least %d bytes, such as: openssl rand -hex 32",
                        REDACT_KEY_MIN);
}

void wikisrcd_conf_check(void *data, bool for_service, struct pl_findings *errs)
{
    const struct wikisrcd_conf *conf = data;
    streams_check(&conf->source.streams, errs);
    int64_t ms;
    if (conf->source.start && !wikisrcd_conf_start(conf->source.start, 0, &ms))
        pl_findings_add(errs, 0, 0,
                        "source.start: '%s' is none of now, oldest, -2d (two days ago), a time "
                        "such as 2026-11-21T00:00:00Z, milliseconds since 1970",
                        conf->source.start);
    if (conf->source.proxy_password.value && !conf->source.proxy_user)
        pl_findings_add(errs, 0, 0, "source.proxy_password: needs source.proxy_user");
    if (conf->source.user_agent_contact && strpbrk(conf->source.user_agent_contact, "\r\n()"))
        pl_findings_add(errs, 0, 0, "source.user_agent_contact: one line without parentheses");
    numbers_check(&conf->filter.namespaces.include, "filter.namespace.include", errs);
    numbers_check(&conf->filter.namespaces.exclude, "filter.namespace.exclude", errs);
    key_check(&conf->key, errs);
    topics_check(conf, errs);
    rules_check(conf, errs);
    pl_common_check_transaction(&conf->kafka, PL_TRANSACTION_TIMEOUT_MS, "batch.age",
                                conf->batch.age_ms, errs);
    pl_common_check_topics(conf->topic, conf->position_topic, errs);
    pl_common_check_create(&conf->create, errs);
    pl_common_check_bytes(conf->message_bytes_max, conf->queue_bytes_max, errs);
    pl_common_check_listen(conf->metrics.listen, errs);
    if (for_service)
        pl_common_check_kafka(&conf->kafka, "--sample and --schema", errs);
}

char *wikisrcd_conf_url(const struct wikisrcd_conf *conf)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf url = {0};
    size_t len = strlen(conf->source.url);
    while (len > 0 && conf->source.url[len - 1] == '/')
        len--;
    pl_buf_add(&url, conf->source.url, len);
    for (size_t i = 0; i < conf->source.streams.n; i++) {
        pl_buf_add_str(&url, i == 0 ? "/" : ",");
        pl_buf_add_str(&url, conf->source.streams.v[i]);
    }
    return pl_buf_take(&url);
}

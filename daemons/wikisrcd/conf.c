/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 *
 * What the table cannot express is checked below it and added to the same list of findings.
 */
#include "daemons/wikisrcd/conf.h"

#include <errno.h>

#include "daemons/wikisrcd/event/event.h"
#include "lib/base/time_text.h"

static const char *const bot_choices[] = {"any", "only", "exclude", NULL};
static const char *const canaries_choices[] = {"drop", "keep", NULL};
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
            "Where to begin when there is no position yet: now, oldest, an RFC 3339 time "
            "(2026-11-21T00:00:00Z) or milliseconds since 1970. The service keeps 7 to 31 days."),
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
        .help = "Only events of these wikis (enwiki, commonswiki); empty: all."),
    OPT("filter.wiki.exclude", STRINGS, filter.wiki.exclude, .max = 2000,
        .flags = PL_OPT_RELOADABLE, .help = "No events of these wikis."),
    OPT("filter.type.include", STRINGS, filter.type.include, .max = 100, .flags = PL_OPT_RELOADABLE,
        .help = "Only events of these types (edit, new, log, categorize, external); empty: all."),
    OPT("filter.type.exclude", STRINGS, filter.type.exclude, .max = 100, .flags = PL_OPT_RELOADABLE,
        .help = "No events of these types."),
    OPT("filter.namespace.include", STRINGS, filter.namespaces.include, .max = 1000,
        .flags = PL_OPT_RELOADABLE,
        .help = "Only events in these namespaces, by number (0: articles); empty: all."),
    OPT("filter.namespace.exclude", STRINGS, filter.namespaces.exclude, .max = 1000,
        .flags = PL_OPT_RELOADABLE, .help = "No events in these namespaces."),
    OPT("filter.bot", ENUM, filter.bot, .dflt = "any", .flags = PL_OPT_RELOADABLE,
        .choices = bot_choices, .help = "Edits by bots: any (no matter), only, exclude."),
    OPT("filter.canaries", ENUM, filter.canaries, .dflt = "drop", .flags = PL_OPT_RELOADABLE,
        .choices = canaries_choices,
        .help = "The service's own test events, one each 15m in each topic: drop or keep."),
    PL_KAFKA_OPT(struct wikisrcd_conf, 0, ""),
    PL_TOPIC_OPT("topic", struct wikisrcd_conf, topic, "wikipedia-data",
                 "The topic that gets the events, one message an event, its JSON as received."),
    OPT("key", STRING, key, .max = 500, .dflt = "title",
        .help = "Path of the message key inside the event (title, meta.domain); \"\": no key. "
                "Events without it have no key."),
    PL_POSITION_TOPIC_OPT(struct wikisrcd_conf, "wikisrcd-positions"),
    PL_BYTES_MAX_OPTS(struct wikisrcd_conf,
                      "The largest event accepted. A topic that wikisrcd creates allows it; an "
                      "existing one needs a max.message.bytes that does.",
                      "64MiB"),
    OPT("too_large", ENUM, too_large, .dflt = "stop", .flags = PL_OPT_RELOADABLE,
        .choices = too_large_choices,
        .help = "An event above message_bytes_max: stop (nothing is lost, a person decides) or "
                "skip (logged and counted)."),
    OPT("batch.age", DURATION, batch.age_ms, .min = 10, .max = PL_MINUTE_MS, .dflt = "1s",
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
    "`systemctl reload` applies filter, batch, too_large and log_level.";

bool wikisrcd_conf_start(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    size_t len = strlen(text);
    int64_t ms = 0; /* "oldest" */
    if (strcmp(text, "now") == 0)
        ms = now_ms;
    else if (len > 0 && len <= 15 && strspn(text, "0123456789") == len)
        ms = strtoll(text, NULL, 10);
    else if (strcmp(text, "oldest") != 0 && (!pl_time_parse(text, len, 3, &ms, NULL) || ms < 0))
        return false;
    *ret_ms = ms;
    return true;
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

static void key_check(const char *key, struct pl_findings *errs)
{
    struct event_path path;
    if (!event_path_init(&path, key))
        pl_findings_add(errs, 0, 0,
                        "key: '%s' is not a path: names joined by dots, 8 at most (meta.domain)",
                        key);
    event_path_release(&path);
}

void wikisrcd_conf_check(void *data, bool for_service, struct pl_findings *errs)
{
    const struct wikisrcd_conf *conf = data;
    streams_check(&conf->source.streams, errs);
    int64_t ms;
    if (conf->source.start && !wikisrcd_conf_start(conf->source.start, 0, &ms))
        pl_findings_add(errs, 0, 0,
                        "source.start: '%s' is none of now, oldest, a time such as "
                        "2026-11-21T00:00:00Z, milliseconds since 1970",
                        conf->source.start);
    if (conf->source.proxy_password.value && !conf->source.proxy_user)
        pl_findings_add(errs, 0, 0, "source.proxy_password: needs source.proxy_user");
    if (conf->source.user_agent_contact && strpbrk(conf->source.user_agent_contact, "\r\n()"))
        pl_findings_add(errs, 0, 0, "source.user_agent_contact: one line without parentheses");
    numbers_check(&conf->filter.namespaces.include, "filter.namespace.include", errs);
    numbers_check(&conf->filter.namespaces.exclude, "filter.namespace.exclude", errs);
    if (conf->key)
        key_check(conf->key, errs);
    pl_common_check_topics(conf->topic, conf->position_topic, errs);
    pl_common_check_create(&conf->create, errs);
    pl_common_check_bytes(conf->message_bytes_max, conf->queue_bytes_max, errs);
    pl_common_check_listen(conf->metrics.listen, errs);
    if (for_service)
        pl_common_check_kafka(&conf->kafka, "--sample and --schema", errs);
}

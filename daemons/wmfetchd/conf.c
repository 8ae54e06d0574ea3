/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 *
 * What the table cannot express is checked below it and added to the same list of findings.
 */
#include "daemons/wmfetchd/conf.h"

#include <stdio.h>

#include "daemons/wmfetchd/window/turns.h"

#define OPT(path_, type_, field_, ...)                                                             \
    PL_OPTION(path_, type_, struct wmfetchd_conf, field_, __VA_ARGS__)

const struct pl_option wmfetchd_opts[] = {
    OPT("name", STRING, name, .min = 1, .max = 128, .dflt = "watermelon",
        .help =
            "Names this pipeline: the first part of the keys of its positions in position_topic "
            "(NAME/APPLICATION/INDEX), and a part of its Kafka transactional.id (wmfetchd-NAME), "
            "by which a second instance of the same name is fenced. Another name starts over."),
    OPT("api.url", URL, api.url, .dflt = "https://watermelon.example/api", .flags = PL_OPT_REQUIRED,
        .login = "auth.user and auth.password",
        .help = "The API, without the path of the service."),
    OPT("api.path", STRING, api.path, .min = 1, .max = 2000,
        .dflt = "services/wmerrorbudgetstatisticsservice/api/transactions/summary/series/all",
        .help = "The path below api.url that answers with the transactions and their series."),
    OPT("api.applications", STRINGS, api.applications, .min = 1, .max = 1000,
        .flags = PL_OPT_REQUIRED,
        .help = "The application_id of each application to fetch. One added later begins at "
                "window.start."),
    OPT("api.index", STRINGS, api.index, .min = 1, .max = 16, .dflt = "HOURLY",
        .help = "The indexes to fetch of each application."),
    OPT("api.parameters", MAP, api.parameters,
        .help = "Further parameters of the query, besides application_id, range, start_time, "
                "end_time and index. Values may be secret references."),
    OPT("api.requests", INT, api.requests, .min = 1, .max = TURNS_SLOTS_MAX, .dflt = "2",
        .help = "How many applications are asked for at once, so that one whose answer is slow "
                "holds up no other; one request at a time for each. Memory: queue_bytes_max and "
                "api.element_bytes_max for each. One of two or more is kept free of applications "
                "that failed last."),
    OPT("api.connect_timeout", DURATION, api.connect_timeout_ms, .min = 100,
        .max = 10 * PL_MINUTE_MS, .dflt = "10s", .help = "How long connecting may take, with TLS."),
    OPT("api.timeout", DURATION, api.timeout_ms, .min = 1000, .max = PL_DAY_MS, .dflt = "10m",
        .help = "How long a whole answer may take. The Kafka transaction is open that long: beyond "
                "14m, raise transaction.timeout.ms under kafka (and the broker's "
                "transaction.max.timeout.ms), which counts where it is shorter."),
    OPT("api.stall_timeout", DURATION, api.stall_timeout_ms, .max = PL_DAY_MS, .dflt = "2m",
        .help = "A request without a byte for this long ends, also before the first: the service "
                "may need a while to gather a large answer. 0: never."),
    OPT("api.answer_bytes_max", SIZE, api.answer_bytes_max, .min = 1024, .max = 1048576 * PL_GIB,
        .dflt = "4GiB",
        .help = "An answer with more bytes (unpacked) is refused. Memory does not depend on it."),
    OPT("api.element_bytes_max", SIZE, api.element_bytes_max, .min = 1024, .max = PL_GIB,
        .dflt = "64MiB", .help = "The largest transaction in an answer; one is kept in memory."),
    PL_HTTP_TLS_OPTS("api.tls", struct wmfetchd_conf, api.tls),
    PL_AUTH_OPTS("auth", struct wmfetchd_conf, auth, "token", "watermelon"),
    OPT("window.size", DURATION, window.size_ms, .min = 1000, .max = 365 * PL_DAY_MS, .dflt = "1h",
        .flags = PL_OPT_RELOADABLE,
        .help = "The range that is fetched, and written in one Kafka transaction, at a time. After "
                "an outage window follows window."),
    OPT("window.delay", DURATION, window.delay_ms, .max = 365 * PL_DAY_MS, .dflt = "10m",
        .flags = PL_OPT_RELOADABLE,
        .help =
            "How long after its end a window is fetched: the service needs time to compute it."),
    OPT("window.overlap", DURATION, window.overlap_ms, .max = 365 * PL_DAY_MS, .dflt = "2h",
        .flags = PL_OPT_RELOADABLE,
        .help = "How much before a window is fetched with it again, for data that came late or was "
                "corrected. The table's key makes the newer replace the older. At least 1h where "
                "hours begin at half past in UTC (India): the last one of a window is not over "
                "when it is fetched."),
    OPT("window.start", STRING, window.start, .min = 1, .max = 64,
        .help = "Where to begin when there is no position yet: 2026-01-01T00:00:00Z, milliseconds "
                "since 1970, or -12d (12 days ago). Default: the last whole window."),
    PL_KAFKA_OPT(struct wmfetchd_conf, 0, ""),
    PL_TOPIC_OPT("topic", struct wmfetchd_conf, topic, "services_series_12days",
                 "The topic that gets the transactions, one message each with its whole series, "
                 "its JSON as received, keyed by transactionId."),
    PL_POSITION_TOPIC_OPT(struct wmfetchd_conf, "wmfetchd-positions"),
    PL_BYTES_MAX_OPTS(struct wmfetchd_conf,
                      "A transaction that is larger is written as several messages, each with a "
                      "part of its series (header wmfetchd-part). A topic that wmfetchd creates "
                      "accepts it; for an existing one its max.message.bytes counts, if smaller.",
                      "8MiB"),
    PL_CREATE_TOPICS_OPTS(struct wmfetchd_conf, "topic and position_topic", "-1",
                          " (position_topic has one.)"),
    PL_CREATE_RETENTION_OPT(struct wmfetchd_conf, ""),
    PL_SERVICE_OPTS(struct wmfetchd_conf, "9466", "Kafka.",
                    "a running commit may take. A window that is still being fetched is given up "
                    "at once: nothing of it is written, the next start fetches it again."),
    PL_OPT_END,
};

const char wmfetchd_conf_intro[] =
    "wmfetchd: Watermelon's hourly series to a Kafka topic, exactly once.\n"
    "Every option with its default. Durations: 500ms 5s 15m 2h 7d. Sizes: 4096 64KiB 8MiB.\n"
    "Secrets: { credential: NAME } (the file /etc/wmfetchd/secrets/NAME, or the unit's\n"
    "LoadCredential=NAME:PATH), { file: PATH } or { env: VARIABLE }.\n"
    "`systemctl reload` applies auth.user and the secrets of auth, window.size, .delay,\n"
    ".overlap and log_level. (A rotated secret takes a reload where it is in a file, a\n"
    "restart where it is a credential: systemd loads those at the start.)";

bool wmfetchd_url_is_exposed(const char *url)
{
    if (strncasecmp(url, "http://", 7) != 0)
        return false;
    char host[256];
    pl_http_host(url, host, sizeof(host));
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    bool loopback = strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
    return !(loopback || (len == 9 && strncasecmp(host, "localhost", 9) == 0) ||
             (len == 5 && strncmp(host, "[::1]", 5) == 0));
}

const char *wmfetchd_user_agent(void)
{
    static char text[128];
    if (!text[0])
        snprintf(text, sizeof(text), "wmfetchd/" PL_VERSION " libcurl/%s",
                 curl_version_info(CURLVERSION_NOW)->version);
    return text;
}

size_t wmfetchd_series_count(const struct wmfetchd_conf *conf)
{
    return conf->api.applications.n * conf->api.index.n;
}

struct wmfetchd_series wmfetchd_series(const struct wmfetchd_conf *conf, size_t i)
{
    const struct wmfetchd_api_conf *api = &conf->api;
    return (struct wmfetchd_series){api->applications.v[i / api->index.n],
                                    api->index.v[i % api->index.n]};
}

/* Applications and indexes go into URLs, keys of positions and headers as they are. */
static void names_check(const struct pl_strings *names, const char *path, struct pl_findings *errs)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->v[i];
        size_t len = strlen(name);
        if (len == 0 || len > 128 ||
            strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
                len)
            pl_findings_add(errs, 0, 0,
                            "%s: '%s' is not a name: up to 128 letters, digits, '.', '_' and '-'",
                            path, name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(names->v[k], name) == 0)
                pl_findings_add(errs, 0, 0, "%s: '%s' is there twice", path, name);
    }
}

static void api_check(const struct wmfetchd_api_conf *api, struct pl_findings *errs)
{
    static const char *const ours[] = {"application_id", "range", "start_time", "end_time",
                                       "index"};
    names_check(&api->applications, "api.applications", errs);
    names_check(&api->index, "api.index", errs);
    if (api->path && strpbrk(api->path, "?# "))
        pl_findings_add(errs, 0, 0, "api.path: without a query: that is for api.parameters");
    for (size_t i = 0; i < PL_COUNT(ours); i++)
        if (pl_map_get(&api->parameters, ours[i]))
            pl_findings_add(errs, 0, 0, "api.parameters: %s is set by wmfetchd", ours[i]);
}

void wmfetchd_conf_check(void *data, bool for_service, struct pl_findings *errs)
{
    const struct wmfetchd_conf *conf = data;
    api_check(&conf->api, errs);
    pl_auth_conf_check(&conf->auth, "auth", errs);
    if (conf->name && strchr(conf->name, '/'))
        pl_findings_add(errs, 0, 0,
                        "name: without '/', which separates the parts of a position's key");
    int64_t ms;
    const char *why;
    if (conf->window.start && !pl_moment_parse(conf->window.start, 0, &ms, &why))
        pl_findings_add(errs, 0, 0, "window.start: '%s': %s", conf->window.start, why);
    pl_common_check_topics(conf->topic, conf->position_topic, errs);
    pl_common_check_create(&conf->create, errs);
    pl_common_check_bytes(conf->message_bytes_max, conf->queue_bytes_max, errs);
    pl_common_check_listen(conf->metrics.listen, errs);
    if (for_service)
        pl_common_check_kafka(&conf->kafka, "--auth-test, --sample and --schema", errs);
}

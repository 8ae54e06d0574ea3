/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 *
 * The table is the only place where an option is named; what it cannot express is checked below
 * it, and added to the same list of findings.
 */
#include "daemons/wmfetchd/conf.h"

#include <stdio.h>

#include "daemons/wmfetchd/window/schedule.h"
#include "lib/log/log.h"
#include "lib/metrics/metrics.h"

#define AT(field) offsetof(struct wmfetchd_conf, field)

const struct pl_option wmfetchd_opts[] = {
    {"name", PL_OPT_STRING, AT(name), 1, 128, "watermelon", 0, NULL,
     "Names this pipeline: the first part of the keys of its positions in position_topic "
     "(NAME/APPLICATION/INDEX), and a part of its Kafka transactional.id (wmfetchd-NAME), by which "
     "a second instance of the same name is fenced. Another name begins anew."},
    {"api.url", PL_OPT_STRING, AT(api.url), 8, 2000, "https://watermelon.example/api",
     PL_OPT_REQUIRED, NULL, "The API, without the path of the service."},
    {"api.path", PL_OPT_STRING, AT(api.path), 1, 2000,
     "services/wmerrorbudgetstatisticsservice/api/transactions/summary/series/all", 0, NULL,
     "The path below api.url that answers with the transactions and their series."},
    {"api.applications", PL_OPT_STRINGS, AT(api.applications), 1, 1000, NULL, PL_OPT_REQUIRED, NULL,
     "The application_id of each application to fetch. One added later begins at window.start."},
    {"api.index", PL_OPT_STRINGS, AT(api.index), 1, 16, "HOURLY", 0, NULL,
     "The indexes to fetch of each application."},
    {"api.parameters", PL_OPT_MAP, AT(api.parameters), 0, 0, NULL, 0, NULL,
     "Further parameters of the query, besides application_id, range, start_time, end_time and "
     "index. Values may be secret references."},
    {"api.connect_timeout", PL_OPT_DURATION, AT(api.connect_timeout_ms), 100, 600000, "10s", 0,
     NULL, "How long connecting may take, with TLS."},
    {"api.timeout", PL_OPT_DURATION, AT(api.timeout_ms), 1000, INT64_C(86400000), "10m", 0, NULL,
     "How long a whole answer may take. The Kafka transaction is open as long: beyond 14m, raise "
     "transaction.timeout.ms under kafka (and the broker's transaction.max.timeout.ms), which "
     "counts where it is shorter."},
    {"api.stall_timeout", PL_OPT_DURATION, AT(api.stall_timeout_ms), 0, INT64_C(86400000), "2m", 0,
     NULL,
     "So long without a byte ends the request, also before the first: the service may need a while "
     "to gather a large answer. 0: never."},
    {"api.answer_bytes_max", PL_OPT_SIZE, AT(api.answer_bytes_max), 1024, INT64_C(1125899906842624),
     "4GiB", 0, NULL,
     "An answer with more bytes (unpacked) is refused. Memory does not depend on it."},
    {"api.element_bytes_max", PL_OPT_SIZE, AT(api.element_bytes_max), 1024, INT64_C(1073741824),
     "64MiB", 0, NULL, "The largest transaction in an answer; one is kept in memory."},
    PL_HTTP_TLS_OPTS("api.tls", struct wmfetchd_conf, api.tls),
    PL_AUTH_OPTS("auth", struct wmfetchd_conf, auth, "token", "watermelon"),
    {"window.size", PL_OPT_DURATION, AT(window.size_ms), 1000, INT64_C(31536000000), "1h",
     PL_OPT_RELOADABLE, NULL,
     "How long a range is fetched, and written in one Kafka transaction, at a time. After an "
     "outage window follows upon window."},
    {"window.delay", PL_OPT_DURATION, AT(window.delay_ms), 0, INT64_C(31536000000), "10m",
     PL_OPT_RELOADABLE, NULL,
     "So long after its end a window is fetched: what the service takes to compute it."},
    {"window.overlap", PL_OPT_DURATION, AT(window.overlap_ms), 0, INT64_C(31536000000), "2h",
     PL_OPT_RELOADABLE, NULL,
     "So much before a window is fetched with it again, for data that came late or was mended. The "
     "table's key makes the newer replace the older. At least 1h where hours begin at half past in "
     "UTC (India): the last one of a window is not over when it is fetched."},
    {"window.start", PL_OPT_STRING, AT(window.start), 1, 64, NULL, 0, NULL,
     "Where to begin when there is no position yet: 2026-01-01T00:00:00Z, milliseconds since 1970, "
     "or -12d (so long ago). Default: the last whole window."},
    {"kafka", PL_OPT_MAP, AT(kafka), 0, 0, NULL, 0, NULL,
     "Any librdkafka property by its own name; bootstrap.servers is needed. Values may be secret "
     "references: sasl.password: { credential: kafka-password }."},
    {"topic", PL_OPT_STRING, AT(topic), 1, 249, "services_series_12days", 0, NULL,
     "The topic that gets the transactions, one message each with its whole series, its JSON as "
     "received, keyed by transactionId."},
    {"position_topic", PL_OPT_STRING, AT(position_topic), 1, 249, "wmfetchd-positions", 0, NULL,
     "The compacted topic that holds the positions, written in the same Kafka transactions as the "
     "messages."},
    {"message_bytes_max", PL_OPT_SIZE, AT(message_bytes_max), 65536, INT64_C(536870912), "8MiB", 0,
     NULL,
     "A transaction that is larger is written as several messages, each with a part of its series "
     "(header wmfetchd-part). A topic that wmfetchd creates accepts it; of one that was there the "
     "smaller max.message.bytes counts."},
    {"queue_bytes_max", PL_OPT_SIZE, AT(queue_bytes_max), INT64_C(1048576), INT64_C(2147482624),
     "8MiB", 0, NULL,
     "Memory for messages that Kafka has not acknowledged; when it is full, reading pauses."},
    {"create_topics.enabled", PL_OPT_BOOL, AT(create.enabled), 0, 0, "true", 0, NULL,
     "Create topic and position_topic where they are missing; false: missing is an error."},
    {"create_topics.partitions", PL_OPT_INT, AT(create.partitions), -1, 10000, "-1", 0, NULL,
     "Partitions of a created topic; -1: the broker's default. (position_topic has one.)"},
    {"create_topics.replication", PL_OPT_INT, AT(create.replication), -1, 100, "-1", 0, NULL,
     "Replication factor of created topics; -1: the broker's default."},
    {"create_topics.retention", PL_OPT_DURATION, AT(create.retention_ms), 0, INT64_C(315360000000),
     "0", 0, NULL,
     "How long a created topic keeps messages; 0: the broker's default (usually 7d)."},
    {"metrics.listen", PL_OPT_STRING, AT(metrics.listen), 1, 255, NULL, 0, NULL,
     "Address for Prometheus metrics, /healthz and /readyz: 127.0.0.1:9465. Default: none."},
    {"log_level", PL_OPT_ENUM, AT(log_level), 0, 0, "info", PL_OPT_RELOADABLE, pl_log_level_names,
     "error, warning, notice, info or debug."},
    {"start_timeout", PL_OPT_DURATION, AT(start_timeout_ms), 1000, 600000, "30s", 0, NULL,
     "How long each step of the start may wait for Kafka."},
    {"stop_timeout", PL_OPT_DURATION, AT(stop_timeout_ms), 100, 600000, "4s", 0, NULL,
     "On SIGTERM, how long a commit that runs may take. A window that is still being fetched is "
     "given up at once: nothing of it is written, the next start fetches it again."},
    PL_OPT_END,
};

const char wmfetchd_conf_intro[] =
    "wmfetchd: Watermelon's hourly series to a Kafka topic, exactly once.\n"
    "Every option with its default. Durations: 500ms 5s 15m 2h 7d. Sizes: 4096 64KiB 8MiB.\n"
    "Secrets: { credential: NAME } (the file /etc/wmfetchd/secrets/NAME, or the unit's\n"
    "LoadCredential=NAME:PATH), { file: PATH } or { env: VARIABLE }.\n"
    "`systemctl reload` takes over auth.user and the secrets of auth, window.size, .delay,\n"
    ".overlap and log_level. (A rotated secret takes a reload where it is in a file, a\n"
    "restart where it is a credential: systemd loads those at the start.)";

int wmfetchd_conf_log_level(const struct wmfetchd_conf *conf)
{
    static const int levels[] = {PL_ERROR, PL_WARNING, PL_NOTICE, PL_INFO, PL_DEBUG};
    return levels[conf->log_level];
}

bool wmfetchd_url_is_exposed(const char *url)
{
    char host[256];
    if (strncasecmp(url, "http://", 7) != 0)
        return false;
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
                            "%s: '%s' is none: up to 128 letters, digits, '.', '_' and '-'", path,
                            name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(names->v[k], name) == 0)
                pl_findings_add(errs, 0, 0, "%s: '%s' stands there twice", path, name);
    }
}

static void api_check(const struct wmfetchd_api_conf *api, struct pl_findings *errs)
{
    static const char *const ours[] = {"application_id", "range", "start_time", "end_time",
                                       "index"};
    names_check(&api->applications, "api.applications", errs);
    names_check(&api->index, "api.index", errs);
    if (api->url)
        pl_http_url_check(api->url, "api.url", errs);
    if (api->path && strpbrk(api->path, "?# "))
        pl_findings_add(errs, 0, 0, "api.path: without a query: that is for api.parameters");
    for (size_t i = 0; i < PL_COUNT(ours); i++)
        if (pl_map_get(&api->parameters, ours[i]))
            pl_findings_add(errs, 0, 0, "api.parameters: %s is set by wmfetchd", ours[i]);
}

static void kafka_check(const struct wmfetchd_conf *conf, bool needs_kafka,
                        struct pl_findings *errs)
{
    if (conf->topic && conf->position_topic && strcmp(conf->topic, conf->position_topic) == 0)
        pl_findings_add(errs, 0, 0, "position_topic: must be another topic than `topic`");
    if (conf->create.partitions == 0 || conf->create.replication == 0)
        pl_findings_add(errs, 0, 0,
                        "create_topics: partitions and replication are -1 (the broker's default) "
                        "or at least 1");
    if (conf->queue_bytes_max < conf->message_bytes_max)
        pl_findings_add(errs, 0, 0,
                        "queue_bytes_max: must be at least message_bytes_max, or the largest "
                        "message never fits");
    if (needs_kafka && !pl_map_get(&conf->kafka, "bootstrap.servers") &&
        !pl_map_get(&conf->kafka, "metadata.broker.list"))
        pl_findings_add(errs, 0, 0,
                        "kafka: needs bootstrap.servers, such as \"localhost:9092\" (only "
                        "--auth-test, --sample and --schema work without)");
}

void wmfetchd_conf_check(const struct wmfetchd_conf *conf, bool needs_kafka,
                         struct pl_findings *errs)
{
    const char *why;
    struct pl_err err;
    int64_t ms;
    api_check(&conf->api, errs);
    pl_auth_conf_check(&conf->auth, "auth", errs);
    if (conf->name && strchr(conf->name, '/'))
        pl_findings_add(errs, 0, 0, "name: without '/', which parts the keys of positions");
    if (conf->window.start && !schedule_time_parse(conf->window.start, 0, &ms, &why))
        pl_findings_add(errs, 0, 0, "window.start: '%s': %s", conf->window.start, why);
    if (conf->metrics.listen && pl_metrics_address_check(conf->metrics.listen, &err) < 0)
        pl_findings_add(errs, 0, 0, "metrics.listen: %s", err.msg);
    kafka_check(conf, needs_kafka, errs);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 *
 * What the table cannot express is checked below it and added to the same list of findings.
 */
#include "daemons/wmfetchd/conf.h"

#include <stdio.h>
#include <strings.h>

#include "daemons/wmfetchd/window/turns.h"
#include "lib/http/field.h"

#define OPT(path_, type_, field_, ...)                                                             \
    PL_OPTION(path_, type_, struct wmfetchd_conf, field_, __VA_ARGS__)

/* enum wmfetchd_time_format */
static const char *const time_formats[] = {"ms", "s", "rfc3339", NULL};

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
        .help = "More parameters for the query, besides application_id, range, start_time, "
                "end_time and index. Values may be secret references."),
    OPT("api.headers", MAP, api.headers, .max = 32,
        .help = "More headers for the request, such as X-Tenant: { credential: tenant }. Values "
                "may be secret references."),
    OPT("api.names.application", STRING, api.query.application, .max = 128,
        .dflt = "application_id",
        .help = "The parameter for the application; \"\": it is not sent."),
    OPT("api.names.index", STRING, api.query.index, .max = 128, .dflt = "index",
        .help = "The parameter for the index; \"\": it is not sent."),
    OPT("api.time.start", STRING, api.query.start, .min = 1, .max = 128, .dflt = "start_time",
        .help = "The parameter for the start of the range."),
    OPT("api.time.end", STRING, api.query.end, .min = 1, .max = 128, .dflt = "end_time",
        .help = "The parameter for the end of the range."),
    OPT("api.time.format", ENUM, api.query.time_format, .choices = time_formats, .dflt = "ms",
        .help = "Their format: ms or s since 1970, or rfc3339 (2026-01-01T00:00:00.000Z). With s, "
                "window.size, .overlap and .start must be whole seconds."),
    OPT("api.time.range", STRING, api.query.range, .max = 128, .dflt = "CUSTOM",
        .help =
            "The value of the parameter range, which makes the API use these times; \"\": it is "
            "not sent."),
    OPT("api.answer.array", STRING, api.answer.array, .min = 1, .max = 256,
        .help = "Where the array is in the answer, such as result.items. Default: the answer "
                "itself, or data, records or series in it."),
    OPT("api.answer.ignore", STRINGS, api.answer.ignore, .max = 32,
        .help = "An answer that reports an error (status: ERROR, errors, success: false) or is "
                "only part of the data (hasMore, next, totalPages, a total larger than the "
                "array, a Link header with rel=next) is refused. List names here that mean "
                "something else in your API, as the error shows them: [total, meta.count]."),
    OPT("api.answer.require", MAP, api.answer.require, .max = 16,
        .help = "Members that every answer must have, with their allowed values: { status: "
                "OK|DONE, meta.complete: true }. They replace the built-in check of these names."),
    OPT("api.answer.accept_no_content", BOOL, api.answer.accept_no_content, .dflt = "false",
        .help = "Whether 204 (no content), or null in place of the array, means that a range has "
                "no data. By default neither is trusted and the range is fetched again. An empty "
                "array is always accepted."),
    OPT("api.record.key", STRINGS, api.record.key, .max = 8,
        .dflt = "[transactionId, transactionName]",
        .help = "The member of a record that becomes its message's key: the first of these that "
                "it has as a text or number. []: messages have no key."),
    OPT("api.record.series", STRING, api.record.series, .max = 128, .dflt = "transactionSeries",
        .help = "The array in each record by which a record too large for a message is split; a "
                "record without it is refused. \"\": records have none and are never split."),
    OPT("api.requests", INT, api.requests, .min = 1, .max = TURNS_SLOTS_MAX, .dflt = "2",
        .help = "How many applications are fetched at once, so that a slow one does not block the "
                "others; each has one request at a time. Memory: queue_bytes_max and "
                "api.element_bytes_max for each request. With 2 or more, one request is "
                "reserved for applications whose last fetch did not fail."),
    OPT("api.connect_timeout", DURATION, api.connect_timeout_ms, .min = 100,
        .max = 10 * PL_MINUTE_MS, .dflt = "10s", .help = "How long connecting may take, with TLS."),
    OPT("api.timeout", DURATION, api.timeout_ms, .min = 1000, .max = PL_DAY_MS, .dflt = "10m",
        .help = "How long a whole answer may take. The Kafka transaction is open that long: beyond "
                "14m, raise transaction.timeout.ms under kafka (and the broker's "
                "transaction.max.timeout.ms), which must be longer."),
    OPT("api.stall_timeout", DURATION, api.stall_timeout_ms, .max = PL_DAY_MS, .dflt = "2m",
        .help = "A request without a byte for this long ends, also before the first: the service "
                "may need a while to gather a large answer. 0: never."),
    OPT("api.answer_bytes_max", SIZE, api.answer_bytes_max, .min = 1024, .max = 1048576 * PL_GIB,
        .dflt = "4GiB",
        .help = "An answer with more bytes (unpacked) is refused. Memory does not depend on it."),
    OPT("api.element_bytes_max", SIZE, api.element_bytes_max, .min = 1024, .max = PL_GIB,
        .dflt = "64MiB", .help = "The largest transaction in an answer; one is kept in memory."),
    PL_HTTP_TLS_OPTS("api.tls", struct wmfetchd_conf, api.tls),
    PL_AUTH_OPTS("auth", struct wmfetchd_conf, auth, "token", "watermelon", PL_OPT_RELOADABLE),
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
    OPT("window.give_up_after", INT, window.give_up_after, .max = 1000, .dflt = "0",
        .help =
            "How many times to try a window whose data cannot be read before it is passed "
            "(skipped): an element is not JSON, not UTF-8, or larger than api.element_bytes_max "
            "or message_bytes_max allow. After these tries, over at least give_up_time, it is "
            "tried as often and as long without its overlap; then the data around the fault are "
            "written to dead_letter_topic, in one Kafka transaction with the position after the "
            "window. 0: never; the series waits for a person. A window that the API refuses or "
            "does not answer is never passed."),
    OPT("window.give_up_time", DURATION, window.give_up_time_ms, .max = 365 * PL_DAY_MS,
        .dflt = "1h",
        .help = "How long such a window is tried at least, however many tries that takes: the "
                "first follow within seconds, later ones up to 5m apart, and a fault of the API "
                "may pass. If every window has the fault, each takes this long: to keep up then, "
                "it must be less than window.size. Counted anew after a restart. 0: only the "
                "number of tries counts."),
    PL_KAFKA_OPT(struct wmfetchd_conf, 0, ""),
    PL_TOPIC_OPT("topic", struct wmfetchd_conf, topic, "services_series_12days",
                 "The topic that gets the transactions, one message each with its whole series, "
                 "its JSON as received, keyed by transactionId."),
    PL_POSITION_TOPIC_OPT(struct wmfetchd_conf, "wmfetchd-positions"),
    PL_TOPIC_OPT("dead_letter_topic", struct wmfetchd_conf, dead_letter_topic,
                 "wmfetchd-dead-letters",
                 "The topic for dead letters: windows that were passed (window.give_up_after). The "
                 "key is the position's; the headers are wmfetchd-window, wmfetchd-reason and "
                 "wmfetchd-begin."),
    PL_BYTES_MAX_OPTS(struct wmfetchd_conf,
                      "A transaction that is larger is written as several messages, each with a "
                      "part of its series (header wmfetchd-part). A topic that wmfetchd creates "
                      "accepts it; for an existing one its max.message.bytes counts, if smaller.",
                      "8MiB"),
    PL_CREATE_TOPICS_OPTS(struct wmfetchd_conf, "topic, position_topic and dead_letter_topic", "-1",
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

int64_t wmfetchd_time_unit_ms(const struct wmfetchd_conf *conf)
{
    return conf->api.query.time_format == WMFETCHD_TIME_S ? 1000 : 1;
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

/* If several series differ only in what is not sent, all get the same answer. */
static void untold_check(const char *name, size_t n, const char *which, struct pl_findings *errs)
{
    if (name && !name[0] && n > 1)
        pl_findings_add(errs, 0, 0,
                        "api.names.%s: must be set, or the API cannot tell the several %s apart",
                        which, which[0] == 'i' ? "api.index" : "api.applications");
}

/* Each parameter name may be sent once only. */
static void query_check(const struct wmfetchd_api_conf *api, struct pl_findings *errs)
{
    const struct wmfetchd_query_conf *q = &api->query;
    untold_check(q->application, api->applications.n, "application", errs);
    untold_check(q->index, api->index.n, "index", errs);
    const char *const ours[] = {q->application, q->index, q->start, q->end,
                                q->range && q->range[0] ? "range" : ""};
    for (size_t i = 0; i < PL_COUNT(ours); i++) {
        if (!ours[i] || !ours[i][0])
            continue;
        if (pl_map_get(&api->parameters, ours[i]))
            pl_findings_add(errs, 0, 0, "api.parameters: %s is set by wmfetchd", ours[i]);
        for (size_t k = 0; k < i; k++)
            if (ours[k] && strcmp(ours[i], ours[k]) == 0)
                pl_findings_add(errs, 0, 0,
                                "api.names, api.time: two parameters have the name '%s'", ours[i]);
    }
}

/* Headers that we set, that belong to the connection (RFC 9110, section 7.6.1), or that would make
 * the answer partial or conditional. */
static bool is_header_of_ours(const char *name, const struct pl_auth_conf *auth)
{
    static const char *const ours[] = {"Accept",
                                       "Accept-Encoding",
                                       "Authorization",
                                       "Cache-Control",
                                       "Connection",
                                       "Content-Length",
                                       "Content-Type",
                                       "Expect",
                                       "Host",
                                       "If-Match",
                                       "If-Modified-Since",
                                       "If-None-Match",
                                       "If-Range",
                                       "If-Unmodified-Since",
                                       "Keep-Alive",
                                       "Range",
                                       "TE",
                                       "Trailer",
                                       "Transfer-Encoding",
                                       "Upgrade",
                                       "User-Agent"};
    for (size_t i = 0; i < PL_COUNT(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return strncasecmp(name, "Proxy-", 6) == 0 ||
           (auth->header.name && strcasecmp(name, auth->header.name) == 0);
}

static void headers_check(const struct wmfetchd_conf *conf, struct pl_findings *errs)
{
    const struct pl_map *headers = &conf->api.headers;
    for (size_t i = 0; i < headers->n; i++) {
        const struct pl_map_entry *e = &headers->v[i];
        if (!pl_http_is_field_name(e->key))
            pl_findings_add(errs, e->line, e->column,
                            "api.headers: '%.60s': the name only, without ':' or spaces", e->key);
        else if (is_header_of_ours(e->key, &conf->auth))
            pl_findings_add(errs, e->line, e->column, "api.headers: %s is set by wmfetchd", e->key);
        if (!e->value[0] || !pl_http_is_field_value(e->value, true))
            pl_findings_add(
                errs, e->line, e->column,
                "api.headers: %.60s: is empty or has characters that a header may not have",
                e->key);
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(headers->v[k].key, e->key) == 0)
                pl_findings_add(errs, e->line, e->column, "api.headers: '%.60s' is there twice",
                                e->key);
    }
}

static void answer_check(const struct wmfetchd_answer_conf *answer, struct pl_findings *errs)
{
    const char *array = answer->array;
    if (array && (array[0] == '.' || array[strlen(array) - 1] == '.' || strstr(array, "..")))
        pl_findings_add(errs, 0, 0, "api.answer.array: names separated by '.', such as data.items");
    for (size_t i = 0; i < answer->require.n; i++)
        for (size_t k = 0; k < answer->ignore.n; k++)
            if (strcasecmp(answer->require.v[i].key, answer->ignore.v[k]) == 0)
                pl_findings_add(errs, 0, 0, "api.answer: '%.60s' is both in ignore and in require",
                                answer->ignore.v[k]);
}

static void api_check(const struct wmfetchd_conf *conf, struct pl_findings *errs)
{
    const struct wmfetchd_api_conf *api = &conf->api;
    names_check(&api->applications, "api.applications", errs);
    names_check(&api->index, "api.index", errs);
    if (api->path && strpbrk(api->path, "?# "))
        pl_findings_add(errs, 0, 0, "api.path: without a query: that is for api.parameters");
    query_check(api, errs);
    headers_check(conf, errs);
    answer_check(&api->answer, errs);
}

/* A time that api.time.format cannot express would be rounded to another. */
static void unit_check(int64_t ms, int64_t unit_ms, const char *path, struct pl_findings *errs)
{
    if (ms % unit_ms != 0)
        pl_findings_add(errs, 0, 0, "%s: must be whole seconds, because api.time.format is s",
                        path);
}

static void window_check(const struct wmfetchd_conf *conf, struct pl_findings *errs)
{
    int64_t ms, unit_ms = wmfetchd_time_unit_ms(conf);
    const char *why, *start = conf->window.start;
    unit_check(conf->window.size_ms, unit_ms, "window.size", errs);
    unit_check(conf->window.overlap_ms, unit_ms, "window.overlap", errs);
    if (start && !pl_moment_parse(start, 0, &ms, &why))
        pl_findings_add(errs, 0, 0, "window.start: '%s': %s", start, why);
    else if (start && start[0] >= '0' && start[0] <= '9')
        unit_check(ms, unit_ms, "window.start", errs);
}

void wmfetchd_conf_check(void *data, bool for_service, struct pl_findings *errs)
{
    const struct wmfetchd_conf *conf = data;
    api_check(conf, errs);
    pl_auth_conf_check(&conf->auth, "auth", errs);
    if (conf->name && strchr(conf->name, '/'))
        pl_findings_add(errs, 0, 0,
                        "name: without '/', which separates the parts of a position's key");
    window_check(conf, errs);
    pl_common_check_transaction(&conf->kafka, WMFETCHD_TRANSACTION_TIMEOUT_MS, "api.timeout",
                                conf->api.timeout_ms, errs);
    pl_common_check_topics(conf->topic, conf->position_topic, errs);
    if (conf->dead_letter_topic && conf->topic && conf->position_topic &&
        (strcmp(conf->dead_letter_topic, conf->topic) == 0 ||
         strcmp(conf->dead_letter_topic, conf->position_topic) == 0))
        pl_findings_add(errs, 0, 0, "dead_letter_topic: must be another topic than '%s'",
                        conf->dead_letter_topic);
    pl_common_check_create(&conf->create, errs);
    pl_common_check_bytes(conf->message_bytes_max, conf->queue_bytes_max, errs);
    pl_common_check_listen(conf->metrics.listen, errs);
    if (for_service)
        pl_common_check_kafka(&conf->kafka, "--auth-test, --sample and --schema", errs);
}

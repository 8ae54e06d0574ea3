/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - see client.h.
 *
 * librdkafka recovers from most faults by itself and reports them through its error callback. The
 * health record keeps the text, for a start check or commit that waits in vain to give as reason.
 */
#include "lib/kafka/client.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/log/log.h"
#include "lib/service/signals.h"

/* How long one call into librdkafka may block: at first, and later, since a distant broker may need
 * longer to answer. */
#define SLICE_MS     200
#define SLICE_MAX_MS 2000
#define ASK_MS       100

/* ---- what librdkafka says ---- */

/* librdkafka reports a broken connection twice, by a log line and by the error callback, and fatal
 * and transaction errors are returned by the calls too: their log lines are for debugging only. */
static enum pl_log_level log_level_map(int level, const char *facility, bool borrowed_map)
{
    static const char *const repeated[] = {"FAIL",  "ERROR",     "TXNERR",
                                           "FATAL", "TERMINATE", "SSLCERTVRFY"};
    for (size_t i = 0; i < PL_COUNT(repeated); i++)
        if (strcmp(facility, repeated[i]) == 0)
            return PL_DEBUG;
    if (strcmp(facility, "CONFWARN") == 0 && borrowed_map)
        return PL_DEBUG;
    /* syslog's scale. librdkafka recovers from its "errors", so they are warnings to us. */
    return level <= 4 ? PL_WARNING : level == 5 ? PL_INFO : PL_DEBUG;
}

static void kafka_on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const struct pl_kafka_health *health = rk ? rd_kafka_opaque(rk) : NULL;
    enum pl_log_level mapped = log_level_map(level, facility, health && health->borrowed_map);
    pl_log(mapped, mapped <= PL_WARNING ? PL_EVENT_KAFKA_ERROR : NULL, "librdkafka",
           PL_F_STR("FACILITY", facility), PL_F_STR("ERROR", text));
}

static void health_record(struct pl_kafka_health *health, int code, const char *text)
{
    pthread_mutex_lock(&health->lock);
    pl_text_copy(text, strlen(text), health->last_text, sizeof(health->last_text));
    health->last_error_ms = pl_clock_monotonic_ms();
    health->last_error = code;
    pthread_mutex_unlock(&health->lock);
}

static void fault_take(struct pl_kafka_health *health, int code, const char *text, bool fatal)
{
    /* "All brokers are down" follows the error that says why: that one is kept. */
    bool all_down = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    if (fatal)
        health->fatal = true;
    if (all_down)
        health->all_down = true;
    if (!all_down || health->last_error == 0)
        health_record(health, code, text);
    /* A fatal error ends the daemon, whose last line reports it. A broker closes connections when
     * it restarts: if it does not come back, the next line says so. */
    bool quiet = fatal || all_down ||
                 (code == RD_KAFKA_RESP_ERR__TRANSPORT && strstr(text, ": Disconnected ("));
    pl_log(quiet ? PL_DEBUG : PL_WARNING, PL_EVENT_KAFKA_ERROR, "Kafka client reports a fault",
           PL_F_STR("ERROR", text), PL_F_INT("CODE", code));
}

static void kafka_on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    if (code != RD_KAFKA_RESP_ERR__FATAL) {
        fault_take(opaque, code, text, false);
        return;
    }
    char cause[256];
    code = rd_kafka_fatal_error(rk, cause, sizeof(cause));
    fault_take(opaque, code, cause, true);
}

/* OpenSSL has looked at one of a broker's certificates. librdkafka does not tell what it found. */
static int kafka_on_certificate(rd_kafka_t *rk, const char *broker, int32_t id, int *x509_error,
                                int depth, const char *der, size_t size, char *text,
                                size_t text_size, void *opaque)
{
    struct pl_kafka_health *health = opaque;
    (void)rk, (void)broker, (void)id, (void)depth, (void)der, (void)size;
    if (*x509_error == X509_V_OK)
        return 1;
    health->x509_error = *x509_error;
    snprintf(text, text_size, "%s", X509_verify_cert_error_string(*x509_error));
    return 0;
}

/* Only when the user sets statistics.interval.ms. */
static int kafka_on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    (void)rk;
    (void)opaque;
    pl_log(PL_DEBUG, NULL, "librdkafka statistics", PL_F_SLICE("STATISTICS", json, len));
    return 0; /* librdkafka frees the text */
}

void pl_kafka_event(struct pl_kafka_health *health, rd_kafka_event_t *event)
{
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
        fault_take(health, rd_kafka_event_error(event), rd_kafka_event_error_string(event),
                   rd_kafka_event_error_is_fatal(event));
    else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_STATS)
        pl_log(PL_DEBUG, NULL, "librdkafka statistics",
               PL_F_STR("STATISTICS", rd_kafka_event_stats(event)));
}

bool pl_kafka_health_text(struct pl_kafka_health *health, int64_t within_ms, char *out)
{
    pthread_mutex_lock(&health->lock);
    bool there =
        health->last_error != 0 && pl_clock_monotonic_ms() - health->last_error_ms <= within_ms;
    if (there)
        memcpy(out, health->last_text, sizeof(health->last_text));
    pthread_mutex_unlock(&health->lock);
    return there;
}

bool pl_kafka_is_away(rd_kafka_t *rk, struct pl_kafka_health *health)
{
    const struct rd_kafka_metadata *md = NULL;
    if (!health->all_down)
        return false;
    if (rd_kafka_metadata(rk, 0, NULL, &md, ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    rd_kafka_metadata_destroy(md);
    health->all_down = false;
    return false;
}

/* ---- configuration ---- */

PL_DEFINE_CLEANUP(rd_kafka_conf_t *, rd_kafka_conf_destroy);

static bool conf_text_is(const rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char got[64];
    size_t size = sizeof(got);
    return rd_kafka_conf_get(conf, name, got, &size) == RD_KAFKA_CONF_OK &&
           strcasecmp(got, value) == 0;
}

/* librdkafka's older names of properties that we look at. */
static const char *property_canonical(const char *name)
{
    static const char *const alias[][2] = {
        {"request.required.acks", "acks"},
        {"metadata.broker.list", "bootstrap.servers"},
        {"auto.commit.enable", "enable.auto.commit"},
    };
    for (size_t i = 0; i < PL_COUNT(alias); i++)
        if (strcmp(name, alias[i][0]) == 0)
            return alias[i][1];
    return name;
}

static int conf_set_user(rd_kafka_conf_t *conf, const struct pl_map_entry *e, struct pl_err *err)
{
    char text[512] = "";
    rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, e->key, e->value, text, sizeof(text));
    if (res == RD_KAFKA_CONF_OK)
        return 0;
    /* For an unknown property librdkafka's text has only its name. */
    if (res == RD_KAFKA_CONF_INVALID && (e->secret || pl_key_is_secret(e->key)))
        snprintf(text, sizeof(text), "the value is not valid (not shown: it is a secret)");
    return pl_err_set(err, PL_ERR_CONFIG, 0, "kafka.%s (line %u): %s", e->key, e->line, text);
}

/* Can fail: a value may come from the daemon's options (a size, a client.id). */
static int conf_set_ours(rd_kafka_conf_t *conf, const char *const *pairs, struct pl_err *err)
{
    char text[512] = "";
    for (; pairs && pairs[0]; pairs += 2)
        if (rd_kafka_conf_set(conf, pairs[0], pairs[1], text, sizeof(text)) != RD_KAFKA_CONF_OK)
            return pl_err_set(err, PL_ERR_CONFIG, 0, "librdkafka refuses what %s sets: %s",
                              program_invocation_short_name, text);
    return 0;
}

/* The value as librdkafka writes it ("1" and "t" are "true", "all" is "-1"). */
static bool property_normalize(const char *name, const char *value, char *out, size_t size)
{
    PL_CLEANUP(rd_kafka_conf_destroyp) rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    return rd_kafka_conf_set(scratch, name, value, NULL, 0) == RD_KAFKA_CONF_OK &&
           rd_kafka_conf_get(scratch, name, out, &size) == RD_KAFKA_CONF_OK;
}

static int conf_check_forced(const struct pl_map *map, const char *const *forced,
                             struct pl_err *err)
{
    char want[256], got[256];
    for (; forced && forced[0]; forced += 2)
        for (size_t i = 0; i < map->n; i++) {
            const struct pl_map_entry *e = &map->v[i];
            if (strcmp(property_canonical(e->key), forced[0]) != 0)
                continue;
            if (property_normalize(forced[0], forced[1], want, sizeof(want)) &&
                property_normalize(forced[0], e->value, got, sizeof(got)) && strcmp(want, got) == 0)
                continue;
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "kafka.%s (line %u) is set by %s to \"%s\", which its delivery "
                              "guarantee needs: remove it from the configuration",
                              e->key, e->line, program_invocation_short_name, forced[1]);
        }
    return 0;
}

/* NULL: not set. */
static const char *map_servers(const struct pl_map *map)
{
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(property_canonical(map->v[i].key), "bootstrap.servers") == 0 &&
            map->v[i].value[0] != '\0')
            return map->v[i].value;
    return NULL;
}

rd_kafka_conf_t *pl_kafka_conf_new(const struct pl_map *map, const char *const *defaults,
                                   const char *const *forced, struct pl_kafka_health *health,
                                   struct pl_err *err)
{
    /* Under TLS a request is several records, and with Nagle's algorithm the last of them waits for
     * the broker's delayed ACK (40 ms). With five requests in flight librdkafka 2.0 does not sleep:
     * measured, 250 messages/s took 70 % of a core. */
    static const char *const common[] = {"socket.nagle.disable", "true", NULL};
    PL_CLEANUP(rd_kafka_conf_destroyp) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!map_servers(map)) {
        pl_err_set(err, PL_ERR_CONFIG, 0,
                   "kafka.bootstrap.servers is not set: name the brokers, as in "
                   "\"kafka1:9092,kafka2:9092\"");
        return NULL;
    }
    if (conf_set_ours(conf, common, err) < 0 || conf_set_ours(conf, defaults, err) < 0)
        return NULL;
    bool oauth = kafka_oauth_is_on(map);
    for (size_t i = 0; i < map->n; i++)
        if (!(oauth && kafka_oauth_is_ours(map->v[i].key)) &&
            conf_set_user(conf, &map->v[i], err) < 0)
            return NULL;
    if (oauth && kafka_oauth_set(conf, map, err) < 0)
        return NULL;
    if (conf_check_forced(map, forced, err) < 0 || conf_set_ours(conf, forced, err) < 0)
        return NULL;
    rd_kafka_conf_set_opaque(conf, health);
    rd_kafka_conf_set_log_cb(conf, kafka_on_log);
    rd_kafka_conf_set_error_cb(conf, kafka_on_error);
    rd_kafka_conf_set_stats_cb(conf, kafka_on_stats);
    if (conf_text_is(conf, "enable.ssl.certificate.verification", "true"))
        rd_kafka_conf_set_ssl_cert_verify_cb(conf, kafka_on_certificate);
    return PL_TAKE(conf);
}

rd_kafka_t *pl_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct pl_err *err)
{
    char text[512] = "";
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (rk) {
        kafka_oauth_start(rk);
        return rk;
    }
    /* Of a configuration without a code: no broker was asked. */
    bool no_resource = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    pl_err_set(err, no_resource ? PL_ERR_FATAL : PL_ERR_CONFIG,
               no_resource ? (int)rd_kafka_last_error() : 0,
               "cannot make a Kafka client from the properties under kafka: %s", text);
    rd_kafka_conf_destroy(conf); /* rd_kafka_new() takes it only on success */
    return NULL;
}

const char *pl_kafka_servers(const struct pl_map *map)
{
    const char *servers = map_servers(map);
    return servers ? servers : "(not set)";
}

int64_t pl_kafka_conf_int(const rd_kafka_conf_t *conf, const char *name)
{
    char text[32] = "";
    size_t size = sizeof(text);
    rd_kafka_conf_get(conf, name, text, &size);
    return strtoll(text, NULL, 10);
}

/* ---- start checks ---- */

static bool conf_value_is(rd_kafka_t *rk, const char *name, const char *value)
{
    return conf_text_is(rd_kafka_conf(rk), name, value);
}

static void probe_warn_insecure(rd_kafka_t *rk)
{
    if (!conf_value_is(rk, "security.protocol", "ssl") &&
        !conf_value_is(rk, "security.protocol", "sasl_ssl"))
        return;
    if (conf_value_is(rk, "enable.ssl.certificate.verification", "false"))
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "kafka.enable.ssl.certificate.verification is false: "
               "anyone on the network can pose as Kafka");
    else if (conf_value_is(rk, "ssl.endpoint.identification.algorithm", "none"))
        pl_log(PL_WARNING, PL_EVENT_INSECURE,
               "kafka.ssl.endpoint.identification.algorithm is none: "
               "any certificate of the same authority passes as Kafka's");
}

/* A handshake that broke off may be a broker that is starting: only a refused certificate needs a
 * person. */
static bool ssl_is_certificate(const char *text)
{
    return strstr(text, "certificate") || strstr(text, "verify");
}

/* `text` names the mechanism. */
static const char *login_advice(const char *text)
{
    /* https://github.com/confluentinc/librdkafka/pull/4895: it sends its nonce twice, which Kafka
     * 4.0 is the first to refuse. */
    if (strstr(text, "SCRAM") && rd_kafka_version() < 0x02060100)
        return "kafka.sasl.username and sasl.password; and at Kafka 4 librdkafka before 2.6.1 "
               "cannot use SCRAM: update it, or use another sasl.mechanism";
    if (strstr(text, "OAUTHBEARER") || strstr(text, "invalid_token"))
        return "that Kafka expects these tokens: their signer, issuer and audience";
    return "kafka.sasl.mechanism, sasl.username and sasl.password";
}

/* What helps, where librdkafka's text does not know. */
static const char *certificate_advice(int x509_error)
{
    switch (x509_error) {
    case X509_V_OK:
        return "check kafka.ssl.ca.location (and ssl.certificate.location where Kafka asks for "
               "one)";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "Kafka needs another certificate (or is this machine's clock wrong?)";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "kafka.bootstrap.servers, and what Kafka advertises, must be names that its "
               "certificate has";
    default:
        return "kafka.ssl.ca.location must name a PEM file of the authority that signed Kafka's "
               "certificate";
    }
}

static int certificate_err(struct pl_err *err, const struct pl_kafka_health *health,
                           const char *text, const char *servers)
{
    int x509_error = health->x509_error;
    return pl_err_set(err, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR__SSL,
                      "no trusted TLS connection with Kafka at %s: %s: %s", servers,
                      x509_error ? X509_verify_cert_error_string(x509_error) : text,
                      certificate_advice(x509_error));
}

static int probe_err(struct pl_err *err, rd_kafka_resp_err_t code, const char *text,
                     const char *servers)
{
    if (code == RD_KAFKA_RESP_ERR__RESOLVE)
        return pl_err_set(err, PL_ERR_RETRY, code,
                          "cannot resolve Kafka's address: check kafka.bootstrap.servers (%s): %s",
                          servers, text);
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
        code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
        return pl_err_set(err, PL_ERR_CONFIG, code, "Kafka at %s refuses the login: check %s: %s",
                          servers, login_advice(text), text);
    if (code == RD_KAFKA_RESP_ERR__SSL)
        return pl_err_set(err, PL_ERR_RETRY, code,
                          "the TLS handshake with Kafka at %s fails: check "
                          "kafka.security.protocol and the port: %s",
                          servers, text);
    enum pl_err_kind kind = pl_kafka_err_kind(code);
    return pl_err_set(err, kind == PL_ERR_CONFIG ? PL_ERR_CONFIG : PL_ERR_RETRY, code,
                      "cannot reach Kafka: check kafka.bootstrap.servers (%s): %s", servers, text);
}

/* By what librdkafka has reported. */
static int told_err(struct pl_err *err, struct pl_kafka_health *health, const char *text,
                    const char *servers)
{
    rd_kafka_resp_err_t code = health->last_error;
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION && kafka_oauth_failed(&health->oauth, err)) {
        err->code = code; /* the far side's */
        return -1;
    }
    if (code == RD_KAFKA_RESP_ERR__SSL && ssl_is_certificate(text))
        return certificate_err(err, health, text, servers);
    return probe_err(err, code, text, servers);
}

/* Whether waiting cannot help. */
static bool probe_is_hopeless(struct pl_kafka_health *health, const char *text)
{
    rd_kafka_resp_err_t code = health->last_error;
    struct pl_err err;
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION && kafka_oauth_failed(&health->oauth, &err))
        return err.kind == PL_ERR_CONFIG;
    return pl_kafka_err_kind(code) == PL_ERR_CONFIG &&
           (code != RD_KAFKA_RESP_ERR__SSL || ssl_is_certificate(text));
}

int pl_kafka_slice_ms(int64_t waited_ms, int64_t left_ms)
{
    int64_t slice_ms = waited_ms < SLICE_MS       ? SLICE_MS
                       : waited_ms > SLICE_MAX_MS ? SLICE_MAX_MS
                                                  : waited_ms;
    return (int)(slice_ms < left_ms ? slice_ms : left_ms);
}

int pl_kafka_probe(rd_kafka_t *rk, struct pl_kafka_health *health, const char *servers,
                   int64_t timeout_ms, struct pl_err *err)
{
    int64_t start = pl_clock_monotonic_ms(), waited = 0;
    probe_warn_insecure(rk);
    char text[sizeof(health->last_text)];
    do {
        const struct rd_kafka_metadata *md = NULL;
        rd_kafka_resp_err_t code =
            rd_kafka_metadata(rk, 0, NULL, &md, pl_kafka_slice_ms(waited, timeout_ms - waited));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(md);
            return 0;
        }
        rd_kafka_poll(rk, 0);
        if (pl_kafka_health_text(health, INT64_MAX, text) && probe_is_hopeless(health, text))
            return told_err(err, health, text, servers);
        if (pl_signals_stop_is_pending())
            return pl_err_set(err, PL_ERR_RETRY, 0, "stopped while waiting for Kafka");
        waited = pl_clock_monotonic_ms() - start;
    } while (waited < timeout_ms);
    if (pl_kafka_health_text(health, INT64_MAX, text))
        return told_err(err, health, text, servers);
    snprintf(text, sizeof(text), "no answer within %lld ms", (long long)timeout_ms);
    return probe_err(err, RD_KAFKA_RESP_ERR__TIMED_OUT, text, servers);
}

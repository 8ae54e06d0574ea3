/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth.c - see oauth.h.
 *
 * lib/auth lives on an event loop: one is run for the time that a token takes. rd_kafka_destroy()
 * waits for the thread, so a token may take TIMEOUT_MS at most.
 */
#include "lib/kafka/oauth.h"

#include <string.h>

#include "lib/auth/token.h"
#include "lib/auth/token_answer.h"
#include "lib/base/clock.h"
#include "lib/http/request.h"

#define TIMEOUT_MS 3000
#define TURN_USEC  100000

#define METHOD "sasl.oauthbearer.method"
#define CA     "https.ca.location"
/* The order in which they are kept, a line each. */
enum { URL, ID, SECRET, SCOPE, CA_FILE, VALUES };
static const char *const names[VALUES] = {
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.scope",
    CA,
};

/* ---- the properties ---- */

bool kafka_oauth_is_on(const struct pl_map *map)
{
    const char *method = pl_map_get(map, METHOD);
    return method && strcasecmp(method, "oidc") == 0;
}

bool kafka_oauth_is_ours(const char *key)
{
    for (size_t i = 0; i < VALUES; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return strcmp(key, METHOD) == 0;
}

static void refresh(rd_kafka_t *rk, const char *config, void *opaque);

int kafka_oauth_set(rd_kafka_conf_t *conf, const struct pl_map *map, struct pl_err *err)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf config = {0};
    for (size_t i = 0; i < VALUES; i++) {
        const char *value = pl_map_get(map, names[i]);
        if (!value && i <= SECRET)
            return pl_err_set(err, PL_ERR_CONFIG, 0,
                              "kafka.%s: is needed for kafka." METHOD ": oidc", names[i]);
        if (value && strpbrk(value, "\r\n"))
            return pl_err_set(err, PL_ERR_CONFIG, 0, "kafka.%s: must be one line", names[i]);
        pl_buf_add_str(&config, value ? value : "");
        pl_buf_add_str(&config, "\n");
    }
    if (rd_kafka_conf_set(conf, "sasl.oauthbearer.config", pl_buf_cstr(&config), NULL, 0) !=
        RD_KAFKA_CONF_OK)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "kafka." METHOD ": this librdkafka was built without OAUTHBEARER");
    rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, refresh);
    rd_kafka_conf_enable_sasl_queue(conf, 1);
    return 0;
}

void kafka_oauth_start(rd_kafka_t *rk)
{
    /* An error: the client has no such queue, since the tokens do not come from here. */
    rd_kafka_error_t *error = rd_kafka_sasl_background_callbacks_enable(rk);
    if (error)
        rd_kafka_error_destroy(error);
}

/* ---- a token ---- */

struct wait {
    bool done;
    char *token; /* NULL: err says why */
    struct pl_err err;
};

static void on_token(void *userdata, const char *token, const struct pl_err *err)
{
    struct wait *wait = userdata;
    wait->done = true;
    if (token)
        wait->token = pl_strdup(token);
    else
        wait->err = *err;
}

/* `ret_left_ms`: of its life. The token is to be wiped. */
static char *token_get(const struct pl_auth_conf *conf, int64_t *ret_left_ms, struct pl_err *err)
{
    static const struct pl_auth_owner owner = {0};
    PL_CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    struct pl_http *http = NULL;
    struct pl_token_waiter waiter = {0};
    struct pl_token_info info = {0};
    struct wait wait = {0};
    int rc = sd_event_new(&event);
    if (rc < 0) {
        pl_err_set(err, PL_ERR_RETRY, 0, "no event loop: %s", strerror(-rc));
        return NULL;
    }
    if (pl_http_new(event, &http, err) < 0)
        return NULL;
    struct pl_token *token = pl_token_new(http, conf, &owner);
    pl_token_get(token, &waiter, on_token, &wait); /* it has none yet */
    while (!wait.done && rc >= 0)
        rc = sd_event_run(event, TURN_USEC);
    if (!wait.done)
        pl_err_set(&wait.err, PL_ERR_RETRY, 0, "waiting for a token: %s", strerror(-rc));
    if (wait.token && pl_token_info(token, &info))
        *ret_left_ms = info.left_ms;
    pl_token_cancel(token, &waiter);
    pl_token_free(token);
    pl_http_free(http);
    if (!wait.token)
        *err = wait.err;
    return wait.token;
}

/* ---- librdkafka's call ---- */

static void failed(rd_kafka_t *rk, struct kafka_oauth *o, const struct pl_err *err)
{
    pthread_mutex_lock(&o->lock);
    o->err = *err;
    pthread_mutex_unlock(&o->lock);
    rd_kafka_oauthbearer_set_token_failure(rk, err->msg);
}

/* In the background thread of the client. */
static void refresh(rd_kafka_t *rk, const char *config, void *opaque)
{
    struct kafka_oauth *o = opaque;
    struct pl_err err = {0};
    char text[512];
    PL_CLEANUP(pl_buf_wipe) struct pl_buf lines = {0};
    pl_buf_add_str(&lines, config ? config : "");
    pl_buf_cstr(&lines);
    char *value[VALUES] = {0}, *rest = lines.data;
    for (size_t i = 0; i < VALUES && rest; i++) {
        char *line = strsep(&rest, "\n");
        value[i] = line[0] ? line : NULL;
    }
    const struct pl_auth_conf conf = {
        .method = PL_AUTH_TOKEN,
        .grant = PL_GRANT_CLIENT_CREDENTIALS,
        .client_auth = PL_CLIENT_AUTH_BASIC,
        .token_url = value[URL],
        .client_id = value[ID],
        .client_secret.value = value[SECRET],
        .scope = value[SCOPE],
        .timeout_ms = TIMEOUT_MS,
        .tls.ca_file = value[CA_FILE],
    };
    int64_t now_ms = pl_clock_monotonic_ms(), left_ms = 0;
    if (o->denied > 0 && now_ms - o->denied_ms < pl_token_denied_wait_ms(o->denied)) {
        kafka_oauth_failed(o, &err);
        failed(rk, o, &err);
        return;
    }
    char *token = token_get(&conf, &left_ms, &err);
    if (!token) {
        bool denied = err.kind == PL_ERR_CONFIG && err.code >= 400; /* HTTP's */
        o->denied = denied ? o->denied + 1 : 0;
        o->denied_ms = now_ms;
        pl_err_prefix(&err, "kafka.sasl.oauthbearer (its names for auth.…)");
        failed(rk, o, &err);
        return;
    }
    o->denied = 0;
    if (rd_kafka_oauthbearer_set_token(rk, token, pl_clock_realtime_ms() + left_ms, value[ID], NULL,
                                       0, text, sizeof(text)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        pl_err_set(&err, PL_ERR_CONFIG, RD_KAFKA_RESP_ERR__AUTHENTICATION,
                   "the token of kafka.sasl.oauthbearer cannot be used: %s", text);
        failed(rk, o, &err);
    } else {
        pthread_mutex_lock(&o->lock);
        o->err.kind = PL_ERR_NONE;
        pthread_mutex_unlock(&o->lock);
    }
    pl_wipe(token);
}

bool kafka_oauth_failed(struct kafka_oauth *o, struct pl_err *ret)
{
    pthread_mutex_lock(&o->lock);
    bool is = o->err.kind != PL_ERR_NONE;
    if (is)
        *ret = o->err;
    pthread_mutex_unlock(&o->lock);
    return is;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog_rest.c - see catalog_rest.h.
 *
 * lib/auth lives on an event loop: one of this catalogue's own is run while it gets a token.
 */
#include "daemons/chsinkd/iceberg/catalog/catalog_rest.h"

#include <errno.h>
#include <inttypes.h>

#include "daemons/chsinkd/iceberg/format/json.h"
#include "daemons/chsinkd/iceberg/catalog/rest_answer.h"
#include "daemons/chsinkd/iceberg/http/transfer.h"
#include "lib/auth/auth.h"
#include "lib/base/clock.h"
#include "lib/http/request.h"
#include "lib/json/reader.h"

#define CONFIG_BYTES_MAX 65536
/* How long it may take until a stop is seen while a token is awaited. */
#define TOKEN_TURN_USEC 500000

struct rest {
    struct iceberg_catalog base;
    const struct iceberg_conf *conf;
    struct iceberg_stop *stop;
    struct transfer *transfer;
    sd_event *event; /* NULL until the first call */
    struct pl_http *http;
    struct pl_auth *auth;
    bool configured;
    struct rest_config config;
    int64_t wait_until_ms; /* boot clock: Retry-After */
    struct pl_err waits_for;
};

/* ---- the token ---- */

struct token_wait {
    bool done;
    char *header; /* NULL: err says why */
    struct pl_err err;
};

static void on_header(void *userdata, const char *header, const struct pl_err *err)
{
    struct token_wait *wait = userdata;
    wait->done = true;
    if (header)
        wait->header = pl_strdup(header);
    else
        wait->err = *err;
}

static int auth_open(struct rest *c, struct pl_err *err)
{
    static const struct pl_auth_owner owner = {.user_agent = "chsinkd/" PL_VERSION};
    if (c->auth)
        return 0;
    int rc = c->event ? 0 : sd_event_new(&c->event);
    if (rc < 0)
        return pl_err_set(err, PL_ERR_RETRY, 0, "no event loop: %s", strerror(-rc));
    if (!c->http && pl_http_new(c->event, &c->http, err) < 0)
        return -1;
    c->auth = pl_auth_new(c->http, &c->conf->rest.auth, &owner);
    return 0;
}

/* The line that authenticates, "" for none; to pl_wipe(). */
static int header_get(struct rest *c, char **ret, struct pl_err *err)
{
    struct pl_auth_waiter waiter = {0};
    struct token_wait wait = {0};
    if (auth_open(c, err) < 0)
        return -1;
    const char *header = pl_auth_get(c->auth, &waiter, on_header, &wait);
    if (header) {
        *ret = pl_strdup(header);
        return 0;
    }
    while (!wait.done) {
        int rc = iceberg_stopped(c->stop) ? -ECANCELED : sd_event_run(c->event, TOKEN_TURN_USEC);
        if (rc >= 0)
            continue;
        pl_auth_cancel(c->auth, &waiter);
        return rc == -ECANCELED
                   ? pl_err_set(err, PL_ERR_RETRY, 0, "stopped")
                   : pl_err_set(err, PL_ERR_RETRY, 0, "waiting for a token: %s", strerror(-rc));
    }
    if (!wait.header) {
        *err = wait.err;
        return pl_err_prefix(err, "iceberg.rest.auth");
    }
    *ret = wait.header;
    return 0;
}

/* ---- a call ---- */

struct call {
    const char *method, *url;
    const struct pl_buf *body; /* POST */
    const char *what;
    size_t answer_max;
};

/* The answer to one request. */
static enum rest_outcome call_once(struct rest *c, const struct call *call, const char *header,
                                   struct transfer_answer *ret, struct pl_err *err)
{
    const char *headers[5] = {"Accept: application/json"};
    size_t n = 1;
    if (c->conf->s3.credentials == ICEBERG_S3_VENDED)
        headers[n++] = ICEBERG_DELEGATION_HEADER;
    if (call->body)
        headers[n++] = "Content-Type: application/json";
    if (header[0])
        headers[n++] = header;
    const struct transfer_request request = {
        .method = call->method,
        .url = call->url,
        .headers = headers,
        .body = call->body ? (struct pl_slice){call->body->data, call->body->len}
                           : (struct pl_slice){"", 0},
        .answer_max = call->answer_max,
        .alone = call->body != NULL,
    };
    if (transfer_run(c->transfer, &request, ret, err) < 0) {
        pl_err_prefix(err, "%s", call->what);
        if (!call->body || ret->never_sent)
            return REST_FAILED;
        err->kind = PL_ERR_RETRY;
        return REST_UNKNOWN;
    }
    enum rest_outcome outcome = rest_answer_check(
        ret->status, (struct pl_slice){ret->body.data ? ret->body.data : "", ret->body.len},
        call->what, err);
    if (outcome != REST_DONE)
        err->msg[pl_auth_before_secret(c->auth, header, err->msg, strlen(err->msg))] = '\0';
    return outcome;
}

/* Calls until then are refused here. */
static void wait_note(struct rest *c, int64_t ms, const struct pl_err *err)
{
    if (ms <= 0)
        return;
    c->wait_until_ms = pl_clock_boot_ms() + ms;
    c->waits_for = *err;
}

static bool waits(const struct rest *c, const char *what, struct pl_err *err)
{
    int64_t left_ms = c->wait_until_ms - pl_clock_boot_ms();
    if (left_ms <= 0)
        return false;
    *err = c->waits_for;
    err->kind = PL_ERR_RETRY;
    pl_err_prefix(err, "%s: not before %" PRId64 " s, as it has asked", what,
                  (left_ms + 999) / 1000);
    return true;
}

/* DENIED does not come back. `ret` is to be released in any case. */
static enum rest_outcome call_run(struct rest *c, const struct call *call,
                                  struct transfer_answer *ret, struct pl_err *err)
{
    *ret = (struct transfer_answer){0};
    if (waits(c, call->what, err))
        return REST_FAILED;
    for (bool again = false;; again = true) {
        char *header = NULL;
        if (header_get(c, &header, err) < 0) {
            pl_err_prefix(err, "%s", call->what);
            return REST_FAILED;
        }
        enum rest_outcome outcome = call_once(c, call, header, ret, err);
        bool other = outcome == REST_DENIED && !again && pl_auth_refused(c->auth, header);
        pl_wipe(header);
        if (other) {
            transfer_answer_release(ret);
            continue;
        }
        if (outcome == REST_DENIED)
            pl_err_set(err, PL_ERR_CONFIG, err->code, "%s; %s", err->msg,
                       pl_auth_refused_advice(c->auth));
        if (outcome != REST_DONE)
            wait_note(c, ret->retry_after_ms, err);
        return outcome == REST_DENIED ? REST_FAILED : outcome;
    }
}

/* The prefix, once. */
static int configure(struct rest *c, struct pl_err *err)
{
    if (c->configured)
        return 0;
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    PL_CLEANUP(cJSON_Deletep) cJSON *document = NULL;
    PL_FREE char *url = rest_url_config(c->conf->rest.url, c->conf->warehouse);
    const struct call call = {"GET", url, NULL, "the catalogue's configuration", CONFIG_BYTES_MAX};
    if (call_run(c, &call, &answer, err) != REST_DONE)
        return -1;
    if (pl_doc_parse(answer.body.data, answer.body.len, CONFIG_BYTES_MAX, &document, err) < 0) {
        err->kind = PL_ERR_RETRY; /* a page of a proxy, with status 200 */
        return pl_err_prefix(err, "%s", call.what);
    }
    if (rest_config_read(document, &c->config, err) < 0)
        return -1;
    c->configured = true;
    return 0;
}

/* ---- tables ---- */

/* LoadTableResult, CommitTableResponse. */
static int table_read(const struct rest *c, struct transfer_answer *answer, const char *what,
                      struct iceberg_loaded *ret, struct pl_err *err)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *document = NULL;
    struct iceberg_vended vended = {0};
    bool is_vended = c->conf->s3.credentials == ICEBERG_S3_VENDED;
    if (iceberg_json_parse(answer->body.data, answer->body.len, ICEBERG_METADATA_MAX, &document,
                           err) < 0) {
        err->kind = PL_ERR_RETRY;
        return pl_err_prefix(err, "%s: the answer is no table", what);
    }
    const char *location = pl_doc_str(document, "metadata-location");
    if (!cJSON_IsObject(pl_doc_get(document, "metadata")) || !location)
        return pl_err_set(err, PL_ERR_RETRY, 0, "%s: the answer has no table metadata", what);
    if (is_vended &&
        iceberg_vended_read(document, pl_clock_realtime_ms(), &vended, err) < 0)
        return pl_err_prefix(err, "%s", what);
    if (is_vended)
        pl_buf_wipe(&answer->body);
    *ret = (struct iceberg_loaded){
        .metadata = cJSON_DetachItemFromObjectCaseSensitive(document, "metadata"),
        .metadata_location = pl_strdup(location),
        .vended = vended,
    };
    return 0;
}

static int rest_load(struct iceberg_catalog *base, const struct iceberg_name *name,
                     struct iceberg_loaded *ret, struct pl_err *err)
{
    struct rest *c = (struct rest *)base;
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    if (configure(c, err) < 0)
        return -1;
    PL_FREE char *url = rest_url(c->conf->rest.url, &c->config, name, true);
    PL_FREE char *what = pl_strf("loading %s.%s", name->namespace_, name->table);
    const struct call call = {"GET", url, NULL, what, ICEBERG_METADATA_MAX};
    switch (call_run(c, &call, &answer, err)) {
    case REST_DONE:
        return table_read(c, &answer, what, ret, err);
    case REST_ABSENT:
        *ret = (struct iceberg_loaded){0};
        return 0;
    case REST_CONFLICT:
    case REST_DENIED:
    case REST_FAILED:
    case REST_UNKNOWN:
        break;
    }
    return -1;
}

/* POSTs what changes a table. *ret_absent: it failed, as the table or namespace is not there. */
static enum iceberg_committed change(struct rest *c, const struct call *call,
                                     struct iceberg_loaded *ret, bool *ret_absent,
                                     struct pl_err *err)
{
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    *ret_absent = false;
    switch (call_run(c, call, &answer, err)) {
    case REST_DONE:
        return table_read(c, &answer, call->what, ret, err) < 0 ? ICEBERG_COMMIT_UNKNOWN
                                                             : ICEBERG_COMMITTED;
    case REST_CONFLICT:
        return ICEBERG_CONFLICT;
    case REST_UNKNOWN:
        return ICEBERG_COMMIT_UNKNOWN;
    case REST_ABSENT:
        *ret_absent = true;
        break;
    case REST_DENIED:
    case REST_FAILED:
        break;
    }
    return ICEBERG_COMMIT_FAILED;
}

/* Each level that is missing: some catalogues make no parents. That a parent is refused does not
 * matter if it is there. */
static int namespace_make(struct rest *c, const char *namespace_, struct pl_err *err)
{
    PL_FREE char *url = rest_url(c->conf->rest.url, &c->config, NULL, false);
    PL_FREE char *what = pl_strf("making namespace %s", namespace_);
    unsigned levels = rest_namespace_levels(namespace_);
    enum rest_outcome outcome = REST_FAILED;
    for (unsigned n = 1; n <= levels; n++) {
        PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
        PL_CLEANUP(cJSON_Deletep) cJSON *names = rest_namespace(namespace_, n);
        PL_CLEANUP(pl_buf_release) struct pl_buf body = {0};
        pl_buf_add_str(&body, "{\"namespace\":");
        iceberg_json_print(names, &body);
        pl_buf_add_str(&body, ",\"properties\":{}}");
        const struct call call = {"POST", url, &body, what, ICEBERG_METADATA_MAX};
        outcome = call_run(c, &call, &answer, err);
    }
    return outcome == REST_DONE || outcome == REST_CONFLICT ? 0 : -1;
}

static enum iceberg_committed rest_create(struct iceberg_catalog *base,
                                          const struct iceberg_name *name, const cJSON *request,
                                          struct iceberg_loaded *ret, struct pl_err *err)
{
    struct rest *c = (struct rest *)base;
    bool absent;
    if (configure(c, err) < 0)
        return ICEBERG_COMMIT_FAILED;
    PL_FREE char *url = rest_url(c->conf->rest.url, &c->config, name, false);
    PL_FREE char *what = pl_strf("creating %s.%s", name->namespace_, name->table);
    PL_CLEANUP(pl_buf_release) struct pl_buf body = {0};
    iceberg_json_print(request, &body);
    const struct call call = {"POST", url, &body, what, ICEBERG_METADATA_MAX};
    enum iceberg_committed committed = change(c, &call, ret, &absent, err);
    if (!absent)
        return committed;
    if (namespace_make(c, name->namespace_, err) < 0)
        return ICEBERG_COMMIT_FAILED;
    return change(c, &call, ret, &absent, err);
}

static enum iceberg_committed rest_commit(struct iceberg_catalog *base,
                                          const struct iceberg_name *name,
                                          const struct iceberg_loaded *loaded,
                                          const cJSON *requirements, const cJSON *updates,
                                          struct iceberg_loaded *ret, struct pl_err *err)
{
    struct rest *c = (struct rest *)base;
    bool absent;
    (void)loaded;
    if (configure(c, err) < 0)
        return ICEBERG_COMMIT_FAILED;
    PL_FREE char *url = rest_url(c->conf->rest.url, &c->config, name, true);
    PL_FREE char *what = pl_strf("commit to %s.%s", name->namespace_, name->table);
    PL_CLEANUP(cJSON_Deletep) cJSON *names = rest_namespace(name->namespace_, 0);
    PL_CLEANUP(pl_buf_release) struct pl_buf body = {0};
    pl_buf_add_str(&body, "{\"identifier\":{\"namespace\":");
    iceberg_json_print(names, &body);
    pl_buf_add_str(&body, ",\"name\":");
    pl_json_quote(&body, name->table, strlen(name->table));
    pl_buf_add_str(&body, "},\"requirements\":");
    iceberg_json_print(requirements, &body);
    pl_buf_add_str(&body, ",\"updates\":");
    iceberg_json_print(updates, &body);
    pl_buf_add_byte(&body, '}');
    const struct call call = {"POST", url, &body, what, ICEBERG_METADATA_MAX};
    return change(c, &call, ret, &absent, err);
}

/* ---- construction ---- */

static void rest_free(struct iceberg_catalog *base)
{
    struct rest *c = (struct rest *)base;
    pl_auth_free(c->auth);
    pl_http_free(c->http);
    sd_event_unref(c->event);
    transfer_free(c->transfer);
    rest_config_release(&c->config);
    free(c);
}

struct iceberg_catalog *iceberg_catalog_rest_new(const struct iceberg_conf *conf,
                                                 struct iceberg_stop *stop)
{
    static const struct iceberg_catalog_ops ops = {
        .free = rest_free, .load = rest_load, .create = rest_create, .commit = rest_commit};
    struct rest *c = pl_alloc(sizeof(*c));
    c->base.ops = &ops;
    c->conf = conf;
    c->stop = stop;
    c->transfer = transfer_new(&conf->rest.tls, conf->timeout_ms, stop);
    return &c->base;
}

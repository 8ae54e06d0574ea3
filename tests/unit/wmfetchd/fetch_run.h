/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_run.h - one range from the API, fetched from a server in this process that is Keycloak and
 * API at once.
 *
 * The server answers requests to the API from a list laid out by the test, byte by byte as it
 * stands there; a record says what the fetch made of it.
 */
#ifndef TESTS_UNIT_WMFETCHD_FETCH_RUN_H
#define TESTS_UNIT_WMFETCHD_FETCH_RUN_H

#include <stdio.h>

#include "daemons/wmfetchd/api/fetch.h"
#include "daemons/wmfetchd/metrics.h"
#include "lib/base/clock.h"
#include "lib/http/request.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

#define ANSWERS_MAX 16

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X100 X50 X50

struct reply {
    const char *text; /* head and body as they are sent; NULL: closes at once */
    size_t len;       /* 0: strlen(text) */
};

struct script {
    struct reply replies[ANSWERS_MAX];
    size_t n;
    atomic_int asked, tokens;
    atomic_bool hang; /* silence behind an answer, until the client goes */
    struct pl_buf heads[ANSWERS_MAX];
};

struct record {
    struct fetch *fetch;
    struct pl_buf elements; /* each followed by ';' */
    struct pl_buf bytes;
    struct fetch_result result;
    struct pl_err err;
    int done, offers;
    int later_each; /* each element is taken at the so-manieth offer, after this many LATER */
    int later;      /* said for this one */
    int refuse_at;  /* the so-manieth element is refused (from 1) */
    bool bytes_fail;
};

static sd_event *loop;
static struct pl_http *http;
static struct server server;
static struct script script;
static struct record record;
static struct pl_auth *auth;
static struct fetch *fetch;
static struct pl_metrics *metrics;
static struct pl_auth_conf auth_conf;
static struct wmfetchd_api_conf api;
static struct pl_map_entry parameters[] = {{.key = (char *)"tenant id", .value = (char *)"a&b"}};

static inline bool answer(struct server *s, int fd, const struct server_request *r)
{
    struct script *sc = s->arg;
    if (strncmp(r->head.data, "POST ", 5) == 0) {
        char text[256], body[128];
        snprintf(body, sizeof(body), "{\"access_token\":\"token-number-%d\",\"expires_in\":3600}",
                 atomic_fetch_add(&sc->tokens, 1) + 1);
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        return server_send_str(s, fd, text);
    }
    int n = atomic_fetch_add(&sc->asked, 1);
    ck_assert_int_lt(n, ANSWERS_MAX);
    pl_buf_add(&sc->heads[n], r->head.data, r->head.len);
    const struct reply *reply = &sc->replies[n];
    if ((size_t)n >= sc->n || !reply->text)
        return false;
    server_send(s, fd, reply->text, reply->len > 0 ? reply->len : strlen(reply->text));
    if (sc->hang)
        server_wait_close(fd);
    return false;
}

static inline enum fetch_take on_element(void *userdata, struct pl_slice element,
                                         struct pl_err *err)
{
    struct record *r = userdata;
    r->offers++;
    if (r->later < r->later_each) {
        r->later++;
        return FETCH_LATER;
    }
    r->later = 0;
    if (r->refuse_at > 0 && --r->refuse_at == 0) {
        pl_err_set(err, PL_ERR_CONFIG, 0, "refused by the test");
        return FETCH_REFUSED;
    }
    pl_buf_add(&r->elements, element.p, element.len);
    pl_buf_add_byte(&r->elements, ';');
    return FETCH_TAKEN;
}

static inline int on_bytes(void *userdata, const char *data, size_t len, struct pl_err *err)
{
    struct record *r = userdata;
    pl_buf_add(&r->bytes, data, len);
    return r->bytes_fail ? pl_err_set(err, PL_ERR_CONFIG, 5, "disk full") : 0;
}

static inline void on_done(void *userdata, const struct fetch_result *result,
                           const struct pl_err *err)
{
    struct record *r = userdata;
    r->done++;
    r->result = *result;
    r->err = err ? *err : (struct pl_err){0};
}

static const struct fetch_ops ops = {on_element, on_bytes, on_done};

static inline void fetch_make(void)
{
    const struct pl_auth_owner owner = wmfetchd_auth_owner(metrics);
    auth = pl_auth_new(http, &auth_conf, &owner);
    fetch = fetch_new(http, &api, auth, metrics, &ops, &record);
    record.fetch = fetch;
}

static inline void set_up(void)
{
    struct pl_err err;
    memset(&script, 0, sizeof(script));
    memset(&record, 0, sizeof(record));
    server_start(&server, answer, &script);
    auth_conf = (struct pl_auth_conf){.method = PL_AUTH_TOKEN,
                                      .url = server.url,
                                      .realm = (char *)"w",
                                      .grant = PL_GRANT_CLIENT_CREDENTIALS,
                                      .client_id = (char *)"c",
                                      .client_secret = {.value = (char *)"s"},
                                      .timeout_ms = 10000};
    api = (struct wmfetchd_api_conf){.url = server.url,
                                     .path = (char *)"/a/b",
                                     .parameters = {parameters, 1},
                                     .query = {(char *)"application_id", (char *)"index",
                                               (char *)"start_time", (char *)"end_time",
                                               (char *)"CUSTOM", WMFETCHD_TIME_MS},
                                     .connect_timeout_ms = 5000,
                                     .timeout_ms = 20000,
                                     .answer_bytes_max = 100000,
                                     .element_bytes_max = 1000};
    ck_assert_int_ge(sd_event_new(&loop), 0);
    metrics = pl_metrics_new(wmfetchd_metrics, M_COUNT);
    ck_assert_int_eq(pl_http_new(loop, &http, &err), 0);
    fetch_make();
}

static inline void tear_down(void)
{
    fetch_free(fetch);
    pl_auth_free(auth);
    pl_http_free(http);
    sd_event_unref(loop);
    server_stop(&server);
    pl_metrics_free(metrics);
    pl_buf_release(&record.elements);
    pl_buf_release(&record.bytes);
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        pl_buf_release(&script.heads[i]);
}

static inline void reply(const char *text)
{
    script.replies[script.n++] = (struct reply){text, 0};
}

static inline void run(void)
{
    static const struct fetch_ask asked = {"31854", "HOURLY", INT64_C(1767205800000),
                                           INT64_C(1768242540000)};
    int before = record.done;
    record.elements.len = 0;
    fetch_start(fetch, &asked);
    ck_assert_int_eq(record.done, before);
    while (record.done == before) {
        ck_assert_int_ge(sd_event_run(loop, record.later > 0 ? 0 : UINT64_MAX), 0);
        if (record.later > 0)
            fetch_resume(fetch);
    }
    ck_assert(!fetch_is_running(fetch));
}

static inline const char *elements(void)
{
    return pl_buf_cstr(&record.elements);
}

#define LENGTH(n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n"
#define CLOSED    "HTTP/1.1 200 OK\r\n\r\n" /* the connection's end is the answer's */

#endif

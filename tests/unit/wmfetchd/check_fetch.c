/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_fetch.c - one range from the API: whole answers in all forms, refusals, cuts,
 * back-pressure, against a server in this process that is Keycloak and API at once.
 * links: wmfetchd
 *
 * The server answers requests to the API from a list laid out by the test, byte by byte as it
 * stands there; a record says what the fetch made of it.
 */
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

/* ---- pure ---- */

START_TEST(statuses)
{
    static const struct {
        long status;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {202, PL_ERR_RETRY, "202"},
        {206, PL_ERR_RETRY, "206"},
        {301, PL_ERR_CONFIG, "redirect"},
        {307, PL_ERR_CONFIG, "api.url"},
        {400, PL_ERR_CONFIG, "check api.parameters"},
        {401, PL_ERR_CONFIG, "check who asks"},
        {403, PL_ERR_CONFIG, "role"},
        {404, PL_ERR_CONFIG, "api.path"},
        {408, PL_ERR_RETRY, "408"},
        {413, PL_ERR_CONFIG, "413"},
        {422, PL_ERR_CONFIG, "api.applications"},
        {429, PL_ERR_RETRY, "429"},
        {500, PL_ERR_RETRY, "500"},
        {502, PL_ERR_RETRY, "502"},
        {503, PL_ERR_RETRY, "503"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_err err;
        fetch_err_from_status(&err, cases[i].status, "check who asks", "api.example", "its words");
        ck_assert_msg(err.kind == cases[i].kind, "%ld: %s", cases[i].status, err.msg);
        ck_assert_int_eq(err.code, cases[i].status);
        ck_assert_msg(strstr(err.msg, cases[i].has), "%ld: %s", cases[i].status, err.msg);
        ck_assert_ptr_nonnull(strstr(err.msg, "api.example"));
        ck_assert_ptr_nonnull(strstr(err.msg, "its words"));
    }
}
END_TEST

/* ---- with a server ---- */

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

static bool answer(struct server *s, int fd, const struct server_request *r)
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

static enum fetch_take on_element(void *userdata, struct pl_slice element, struct pl_err *err)
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

static int on_bytes(void *userdata, const char *data, size_t len, struct pl_err *err)
{
    struct record *r = userdata;
    pl_buf_add(&r->bytes, data, len);
    return r->bytes_fail ? pl_err_set(err, PL_ERR_CONFIG, 5, "disk full") : 0;
}

static void on_done(void *userdata, const struct fetch_result *result, const struct pl_err *err)
{
    struct record *r = userdata;
    r->done++;
    r->result = *result;
    r->err = err ? *err : (struct pl_err){0};
}

static const struct fetch_ops ops = {on_element, on_bytes, on_done};

static void fetch_make(void)
{
    const struct pl_auth_owner owner = wmfetchd_auth_owner(metrics);
    auth = pl_auth_new(http, &auth_conf, &owner);
    fetch = fetch_new(http, &api, auth, metrics, &ops, &record);
    record.fetch = fetch;
}

static void set_up(void)
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

static void tear_down(void)
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

static void reply(const char *text)
{
    script.replies[script.n++] = (struct reply){text, 0};
}

static void run(void)
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

static const char *elements(void)
{
    return pl_buf_cstr(&record.elements);
}

#define LENGTH(n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n"
#define CLOSED    "HTTP/1.1 200 OK\r\n\r\n" /* the connection's end is the answer's */

START_TEST(asked_as_it_should_be)
{
    reply(LENGTH("5") "[{} ]");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
    ck_assert_str_eq(elements(), "{};");
    ck_assert_str_eq(pl_buf_cstr(&record.bytes), "[{} ]");
    ck_assert_uint_eq(record.result.bytes, 5);
    ck_assert_uint_eq(record.result.elements, 1);
    ck_assert_int_eq(record.result.status, 200);
    ck_assert_int_eq(record.result.retry_after_ms, -1);
    ck_assert_int_eq(record.result.heard.date_ms, 0);
    const char *head = pl_buf_cstr(&script.heads[0]);
    ck_assert_msg(strstr(head,
                         "GET /a/b?application_id=31854&range=CUSTOM&start_time=1767205800000&"
                         "end_time=1768242540000&index=HOURLY&tenant%20id=a%26b HTTP/1.1\r\n"),
                  "%s", head);
    ck_assert_ptr_nonnull(strstr(head, "\r\nAuthorization: Bearer token-number-1\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nAccept-Encoding: gzip\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nUser-Agent: wmfetchd/"));
    ck_assert_ptr_null(strstr(fetch_address(fetch), "tenant"));
}
END_TEST

START_TEST(good_answers)
{
    static const struct {
        const char *text, *elements;
    } cases[] = {
        {CLOSED "[]", ""},
        {CLOSED "{\"data\":[{\"a\":1},{\"a\":2}],\"n\":1}", "{\"a\":1};{\"a\":2};"},
        {CLOSED "{\"status\":200,\"errors\":[],\"data\":[{}],\"total\":1,\"next\":null}", "{};"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[{}\r\n2\r\n,{\r\n2\r\n}]"
         "\r\n0\r\n\r\n",
         "{};{};"},
        {"HTTP/1.1 204 No Content\r\n\r\n", ""},
    };
    api.answer.accept_no_content = true;
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        reply(cases[i].text);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        run();
        ck_assert_msg(record.err.kind == PL_ERR_NONE, "%zu: %s", i, record.err.msg);
        ck_assert_str_eq(elements(), cases[i].elements);
    }
    ck_assert_int_eq(script.tokens, 1);
}
END_TEST

/* `printf '[{"a":"aaaaaaaaaaaaaaaaaaaaaaaa"},{}]' | gzip -n` */
static const char gzipped[] =
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 35\r\n\r\n"
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x8b\xae\x56\x4a\x54\xb2\x52\x4a\xc4\x01"
    "\x94\x6a\x75\xaa\x6b\x63\x01\x9d\x80\x85\x7b\x25\x00\x00\x00";

START_TEST(unpacked)
{
    script.replies[0] = script.replies[1] = (struct reply){gzipped, sizeof(gzipped) - 1};
    script.n = 2;
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_str_eq(elements(), "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaa\"};{};");
    ck_assert_uint_eq(record.result.bytes, 37);
    api.answer_bytes_max = 36; /* counts what comes out */
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "answer_bytes_max"));
}
END_TEST

START_TEST(bad_answers)
{
    static const struct {
        const char *text;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {LENGTH("9") "[{},", PL_ERR_RETRY, "no whole answer (4 bytes came)"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[{}\r\n", PL_ERR_RETRY,
         "no whole answer"},
        {CLOSED "[{},", PL_ERR_RETRY, "ends too early"},
        {CLOSED, PL_ERR_RETRY, "ends too early, after 0 bytes"},
        {CLOSED "<!DOCTYPE html>\n<title>Log in</title>", PL_ERR_REJECT,
         "begins with: <!DOCTYPE html> <title>Log in"},
        {CLOSED "{\"note\":\"no\"}", PL_ERR_REJECT, "begins with: {\"note\":\"no\"}"},
        {CLOSED "{\"error\":\"no\"}", PL_ERR_RETRY, "error is \"no\""},
        {CLOSED "{\"n\":1,\"items\":[{}]}", PL_ERR_REJECT,
         "if its array items is meant, set api.answer.array"},
        {CLOSED "you sent token-number-1 to me", PL_ERR_REJECT, "begins with: you sent"},
        {CLOSED "[{}] and more", PL_ERR_REJECT, "text after the end"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        reply(cases[i].text);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        run();
        ck_assert_msg(record.err.kind == cases[i].kind, "%zu: %s", i, record.err.msg);
        ck_assert_msg(strstr(record.err.msg, cases[i].has), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "token-number-1"), "%s", record.err.msg);
    }
    ck_assert_int_eq(script.asked, PL_COUNT(cases));
}
END_TEST

/* Answers of the right shape that report an error or a part. check_answer.c tests the rules; this
 * tests the error texts, and that they hold no secret. */
START_TEST(says_that_it_is_not_whole)
{
    static const struct {
        const char *text;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {CLOSED "{\"status\":\"ERROR\",\"data\":[],\"message\":\"shard 3 is away\"}", PL_ERR_RETRY,
         "status is \"ERROR\" (message: \"shard 3 is away\")"},
        {CLOSED "{\"errors\":[\"timeout of 5 s\"],\"records\":[]}", PL_ERR_RETRY,
         "errors is [\"timeout of 5 s\"]"},
        {CLOSED "{\"data\":[{}],\"hasMore\":true}", PL_ERR_CONFIG, "hasMore is true"},
        {CLOSED "{\"data\":[{}],\"next\":\"/all?key=token-number-1\"}", PL_ERR_CONFIG,
         "next is \"/all?key="},
        {CLOSED "{\"data\":[{}],\"page\":1,\"totalPages\":14}", PL_ERR_CONFIG, "totalPages is 14"},
        {CLOSED "{\"total\":122,\"data\":[{}]}", PL_ERR_CONFIG, "total is 122"},
        {"HTTP/1.1 200 OK\r\nX-Total-Count: 122\r\n\r\n[{}]", PL_ERR_CONFIG,
         "X-Total-Count is 122"},
        {"HTTP/1.1 200 OK\r\nLink: </x?page=0>; rel=\"first\"\r\n"
         "link: </x?page=1>; rel=\"next\"\r\n\r\n[{}]",
         PL_ERR_CONFIG, "Link is </x?page=1>; rel=\"next\""},
        {CLOSED "{\"status\":\"ERROR\",\"message\":\"no database\"}", PL_ERR_RETRY, "no database"},
        {"HTTP/1.1 204 No Content\r\n\r\n", PL_ERR_RETRY, "api.answer.accept_no_content"},
        /* null instead of the array: the same doubt, unless the answer says more. */
        {CLOSED "{\"data\":null}", PL_ERR_RETRY, "api.answer.accept_no_content"},
        {CLOSED "{\"data\":null,\"total\":0}", PL_ERR_RETRY, "api.answer.accept_no_content"},
        {CLOSED "{\"data\":null,\"message\":\"shard 3 is away\"}", PL_ERR_RETRY,
         "(message: \"shard 3 is away\")"},
        {CLOSED "{\"data\":null,\"status\":\"ERROR\"}", PL_ERR_RETRY, "status is \"ERROR\""},
        {CLOSED "{\"hasMore\":true,\"data\":null}", PL_ERR_CONFIG, "hasMore is true"},
        {CLOSED "{\"data\":null,\"total\":3}", PL_ERR_CONFIG, "total is 3"},
        {CLOSED "{\"data\":null,\"items\":[{}]}", PL_ERR_REJECT, "if its array items is meant"},
        {CLOSED "{\"data\":nul}", PL_ERR_REJECT, "it begins with"},
        {CLOSED "{\"rows\":null}", PL_ERR_REJECT, "an object without an array"},
        /* A member's name is the server's text, too, and must leave room for what to do. */
        {CLOSED "{\"data\":[{}],\"nextPage token-number-1\":\"x\"}", PL_ERR_CONFIG,
         "nextPage is \"x\""},
        {CLOSED "{\"data\":[{}],\"next_page\\u001b[2J\\n\":\"x\"}", PL_ERR_CONFIG,
         "next_page [2J is \"x\""},
        {CLOSED "{\"message\":\"" X100 X100 "\",\"data\":[{}],\"nextPage" X100 "\":\"" X100 X100
                "\"}",
         PL_ERR_CONFIG, "name it in api.answer.ignore"},
        {CLOSED "{\"message\":\"" X100 X100 "\",\"data\":[{}],\"error\":\"" X100 X100 "\"}",
         PL_ERR_RETRY, "see api.answer.require and .ignore"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        script.asked = 0;
        script.n = 0;
        reply(cases[i].text);
        run();
        ck_assert_msg(record.err.kind == cases[i].kind, "%zu: kind %d %s", i, record.err.kind,
                      record.err.msg);
        ck_assert_msg(strstr(record.err.msg, cases[i].has), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "token-number-1"), "%s", record.err.msg);
    }
}
END_TEST

/* Where null means that there is nothing. */
START_TEST(null_accepted)
{
    static const struct {
        const char *text, *elements;
    } cases[] = {
        {CLOSED "{\"data\":null}", ""},
        {CLOSED "{\"status\":\"OK\",\"total\":0,\"records\": null }", ""},
        {CLOSED "{\"data\":null,\"records\":[{}]}", "{};"},
        {CLOSED "{\"data\":null,\"status\":\"ERROR\"}", NULL},
        {CLOSED "{\"data\":null,\"total\":3}", NULL},
        {CLOSED "{\"data\":null,\"items\":[{}]}", NULL},
        {CLOSED "{\"data\":null,\"errors\":[]}", ""},
        {CLOSED "{\"data\":null", NULL},
        {CLOSED "{\"data\":null}x", NULL},
        {CLOSED "{\"data\":false}", NULL},
        {CLOSED "{\"data\":\"null\"}", NULL},
        {CLOSED "{\"data\":{\"data\":null}}", NULL},
        {CLOSED "null", NULL},
    };
    api.answer.accept_no_content = true;
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        script.asked = 0;
        script.n = 0;
        reply(cases[i].text);
        run();
        ck_assert_msg((record.err.kind == PL_ERR_NONE) == (cases[i].elements != NULL), "%zu: %s", i,
                      record.err.msg);
        if (cases[i].elements)
            ck_assert_str_eq(elements(), cases[i].elements);
    }
}
END_TEST

START_TEST(refused_once)
{
    reply("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    reply(CLOSED "[{}]");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_str_eq(elements(), "{};");
    ck_assert_int_eq(script.tokens, 2);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&script.heads[1]), "Bearer token-number-2\r\n"));
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_REFUSED), 1);
    ck_assert_uint_eq(pl_metrics_get(metrics, M_ANSWER_401), 1);
}
END_TEST

START_TEST(refused_twice)
{
    reply("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    reply("HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error=\"invalid_token\", "
          "error_description=\"no audience in token-number-2\"\r\nContent-Length: 0\r\n\r\n");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(record.err.code, 401);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "no audience"));
    ck_assert_ptr_nonnull(strstr(record.err.msg, "are auth.url and auth.realm those"));
    ck_assert_ptr_null(strstr(record.err.msg, "token-number"));
    ck_assert_int_eq(script.tokens, 2);
    ck_assert_int_eq(script.asked, 2);
    /* Neither the token nor what it was got by is used again. */
    reply(CLOSED "[]");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_NONE);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&script.heads[2]), "Bearer token-number-3\r\n"));
}
END_TEST

/* Who asks by something that stays the same is refused at once; what it is does not come back. */
START_TEST(refused_key)
{
    auth_conf = (struct pl_auth_conf){
        .method = PL_AUTH_HEADER,
        .header = {.name = (char *)"X-Api-Key", .value = {.value = (char *)"k3y 0123456789"}}};
    fetch_free(fetch);
    pl_auth_free(auth);
    fetch_make();
    reply(CLOSED "[{}]");
    reply("HTTP/1.1 401 No\r\n\r\nwho is k3y 0123456789?");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&script.heads[0]), "X-Api-Key: k3y 0123456789\r\n"));
    ck_assert_ptr_null(strstr(pl_buf_cstr(&script.heads[0]), "Authorization"));
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(record.err.code, 401);
    ck_assert_msg(strstr(record.err.msg, "auth.header.value"), "%s", record.err.msg);
    ck_assert_msg(strstr(record.err.msg, "who is)"), "%s", record.err.msg);
    ck_assert_int_eq(script.asked, 2);
    ck_assert_int_eq(script.tokens, 0);
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_REFUSED), 0);
}
END_TEST

/* Configured headers are sent after ours, and their secrets never show up in an error. */
START_TEST(further_headers)
{
    struct pl_map_entry headers[] = {
        {.key = (char *)"X-Tenant", .value = (char *)"north"},
        {.key = (char *)"X-Key", .value = (char *)"K3y 0123456789abcdef", .secret = true}};
    api.headers = (struct pl_map){headers, 2};
    reply(CLOSED "[]");
    reply(CLOSED "{\"status\":\"bad key K3y 0123456789abcdef of north\",\"data\":[]}");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_msg(strstr(pl_buf_cstr(&script.heads[0]),
                         "\r\nX-Tenant: north\r\nX-Key: K3y 0123456789abcdef\r\n"),
                  "%s", pl_buf_cstr(&script.heads[0]));
    run();
    ck_assert_msg(strstr(record.err.msg, "status is \"bad key"), "%s", record.err.msg);
    ck_assert_msg(!strstr(record.err.msg, "K3y"), "%s", record.err.msg);
}
END_TEST

/* The array where the configuration says, and the members around it. */
START_TEST(array_named)
{
    api.answer.array = (char *)"result.items";
    fetch_free(fetch);
    pl_auth_free(auth);
    fetch_make();
    reply(CLOSED "{\"data\":[1],\"result\":{\"items\":[{\"a\":1}],\"total\":1}}");
    reply(CLOSED "{\"result\":{\"items\":[{\"a\":1}],\"total\":2}}");
    reply(CLOSED "[{}]");
    run();
    ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
    ck_assert_str_eq(elements(), "{\"a\":1};");
    ck_assert_str_eq(record.result.shape, "an object with the array under result.items");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(record.err.msg, "result.total is 2"), "%s", record.err.msg);
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_REJECT);
    ck_assert_msg(strstr(record.err.msg, "api.answer.array"), "%s", record.err.msg);
}
END_TEST

/* An answer may repeat the address it was asked by: what is secret in it is not passed on. */
START_TEST(repeats_our_secret)
{
    static const char *const cases[] = {
        "HTTP/1.1 404 No\r\n\r\nnot found: /a?key=K3y%26-0123456789abcdef",
        "HTTP/1.1 404 No\r\n\r\nbad key: K3y&-0123456789abcdef",
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error=\"K3y&-0123456789abcdef\"\r\n\r\n",
        CLOSED "<html>K3y&-0123456789abcdef</html>",
        /* Where what is shown of an answer ends in the middle of it. */
        CLOSED "<html>......................................................K3y&-0123456789abcdef",
        CLOSED "<html>............................................................K3y&-0123456789",
        CLOSED "<html>................................................................K3y&-012345",
    };
    static const char *const words[] = {"not found", "bad key", "Bearer", "<html>",
                                        "<html>",    "<html>",  "<html>"};
    struct pl_map_entry secret = {
        .key = (char *)"key", .value = (char *)"K3y&-0123456789abcdef", .secret = true};
    api.parameters = (struct pl_map){&secret, 1};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        script.asked = 0;
        script.n = 0;
        if (i == 2)
            reply(cases[i]);
        reply(cases[i]);
        run();
        ck_assert_int_ne(record.err.kind, PL_ERR_NONE);
        ck_assert_msg(strstr(record.err.msg, words[i]), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "K3y"), "%zu: %s", i, record.err.msg);
        ck_assert_msg(!strstr(record.err.msg, "0123"), "%zu: %s", i, record.err.msg);
    }
}
END_TEST

START_TEST(asked_to_wait)
{
    reply("HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 9\r\n\r\nslow down");
    reply("HTTP/1.1 503 Away\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert(!record.result.no_token);
    ck_assert_int_eq(record.err.code, 429);
    ck_assert_int_eq(record.result.retry_after_ms, 3000);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "it says: slow down"));
    run();
    ck_assert_int_eq(record.err.code, 503);
    ck_assert_int_eq(record.result.retry_after_ms, 0);
}
END_TEST

START_TEST(redirect_not_followed)
{
    char text[256];
    snprintf(text, sizeof(text),
             "HTTP/1.1 302 Found\r\nLocation: http://localhost:%d/x\r\nContent-Length: 0\r\n\r\n",
             server.port);
    reply(text);
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(script.asked, 1);
}
END_TEST

START_TEST(server_clock)
{
    reply("HTTP/1.1 200 OK\r\nDate: Fri, 01 Jan 2021 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n[]");
    reply("HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 2\r\n\r\n[]");
    run();
    ck_assert_int_eq(record.result.heard.date_ms, INT64_C(1609459200000));
    ck_assert_int_gt(record.result.heard.now_ms, INT64_C(1609459200000));
    run();
    ck_assert_int_eq(record.result.heard.date_ms, 0);
}
END_TEST

START_TEST(stalls)
{
    api.stall_timeout_ms = 50;
    reply("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[{},");
    atomic_store(&script.hang, true);
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "no data for"));
    ck_assert_str_eq(elements(), "{};");
}
END_TEST

/* Each element refused a few times: nothing lost, nothing doubled, and the end is seen although the
 * request is over long before. */
START_TEST(held_back)
{
    struct pl_buf text = {0}, want = {0};
    pl_buf_add_str(&text, CLOSED "{\"data\":[");
    for (int i = 0; i < 1500; i++) {
        pl_buf_addf(&text, "%s{\"n\":%d,\"x\":\"yyyyyyyyyyyyyyyyyy\"}", i > 0 ? "," : "", i);
        pl_buf_addf(&want, "{\"n\":%d,\"x\":\"yyyyyyyyyyyyyyyyyy\"};", i);
    }
    pl_buf_add_str(&text, "]}");
    for (int later = 0; later < 3; later++)
        script.replies[script.n++] = (struct reply){text.data, text.len};
    for (int later = 0; later < 3; later++) {
        record.later_each = later;
        record.offers = 0;
        run();
        ck_assert_msg(record.err.kind == PL_ERR_NONE, "%s", record.err.msg);
        ck_assert_str_eq(elements(), pl_buf_cstr(&want));
        ck_assert_int_eq(record.offers, 1500 * (later + 1));
    }
    pl_buf_release(&text);
    pl_buf_release(&want);
}
END_TEST

START_TEST(refused_by_who_takes)
{
    reply(CLOSED "[{},{},{}]");
    reply(CLOSED "[{},{},{}]");
    record.refuse_at = 2;
    run();
    ck_assert_str_eq(elements(), "{};");
    ck_assert_str_eq(record.err.msg, "refused by the test");
    record.refuse_at = 2; /* the same from a resume */
    record.later_each = 1;
    run();
    ck_assert_str_eq(elements(), "{};");
    ck_assert_str_eq(record.err.msg, "refused by the test");
}
END_TEST

START_TEST(disk_full)
{
    reply(CLOSED "[{},{},{}]");
    record.bytes_fail = true;
    run();
    ck_assert_str_eq(record.err.msg, "disk full");
    ck_assert_str_eq(elements(), "");
}
END_TEST

/* Stopped in each state, then used again. */
START_TEST(stopped)
{
    static const struct fetch_ask asked = {"1", "HOURLY", 0, 1};
    reply(CLOSED "[{},{},{}]");
    reply(CLOSED "[{\"last\":1}]");
    fetch_start(fetch, &asked); /* waits for the token */
    fetch_stop(fetch);
    fetch_stop(fetch);
    record.later_each = 1000;
    fetch_start(fetch, &asked);
    while (record.offers == 0)
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
    fetch_stop(fetch); /* held */
    fetch_resume(fetch);
    ck_assert_int_eq(record.done, 0);
    record.later_each = record.later = 0;
    run();
    ck_assert_int_eq(record.done, 1);
    ck_assert_str_eq(elements(), "{\"last\":1};");
}
END_TEST

START_TEST(no_token)
{
    auth_conf.url = (char *)"http://127.0.0.1:1";
    fetch_free(fetch);
    pl_auth_free(auth);
    fetch_make();
    run();
    ck_assert_int_eq(record.err.kind, PL_ERR_RETRY);
    ck_assert_ptr_nonnull(strstr(record.err.msg, "no token"));
    ck_assert(record.result.no_token);
    ck_assert_int_eq(script.asked, 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("pure"),
        TEST(statuses),
        TCASE("server", .set_up = set_up, .tear_down = tear_down),
        TEST(asked_as_it_should_be),
        TEST(good_answers),
        TEST(unpacked),
        TEST(bad_answers),
        TEST(says_that_it_is_not_whole),
        TEST(null_accepted),
        TEST(refused_once),
        TEST(refused_twice),
        TEST(refused_key),
        TEST(further_headers),
        TEST(array_named),
        TEST(repeats_our_secret),
        TEST(asked_to_wait),
        TEST(redirect_not_followed),
        TEST(server_clock),
        TEST(stalls),
        TEST(held_back),
        TEST(refused_by_who_takes),
        TEST(disk_full),
        TEST(stopped),
        TEST(no_token),
    };
    pl_http_global_init();
    return unit_main("fetch", tests, PL_COUNT(tests));
}

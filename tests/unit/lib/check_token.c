/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_token.c - tokens: forms, answers and errors by table; keeping, renewing and sharing
 * against a server in this process. links: wmfetchd
 *
 * The server notes each form it gets and answers what the test laid out, in order; so a test says
 * "these were asked for, and no more".
 */
#include <stdio.h>

#include "daemons/wmfetchd/metrics.h"
#include "lib/auth/token.h"
#include "lib/auth/token_answer.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

/* ---- pure ---- */

static struct pl_token_conf conf_of(int grant, int client_auth, const char *secret)
{
    return (struct pl_token_conf){
        .url = (char *)"https://kc.example/auth/",
        .realm = (char *)"water melon",
        .grant = grant,
        .client_id = (char *)"the client",
        .client_secret = {.value = (char *)secret},
        .client_auth = client_auth,
        .user = grant == PL_GRANT_PASSWORD ? (char *)"j.d\xC3\xB6" : NULL,
        .password = {.value = grant == PL_GRANT_PASSWORD ? (char *)"p&=%+ \xE2\x82\xAC" : NULL},
        .timeout_ms = 10000,
    };
}

START_TEST(forms)
{
    static const struct {
        int grant, client_auth;
        const char *secret, *refresh, *scope, *form, *basic;
    } cases[] = {
        {PL_GRANT_PASSWORD, PL_CLIENT_AUTH_BASIC, NULL, NULL, NULL,
         "grant_type=password&username=j.d%C3%B6&password=p%26%3D%25%2B%20%E2%82%AC&"
         "client_id=the%20client",
         ""},
        {PL_GRANT_PASSWORD, PL_CLIENT_AUTH_BASIC, "s:3", NULL, "openid profile",
         "grant_type=password&username=j.d%C3%B6&password=p%26%3D%25%2B%20%E2%82%AC&"
         "scope=openid%20profile",
         "Authorization: Basic dGhlJTIwY2xpZW50OnMlM0Ez"},
        {PL_GRANT_PASSWORD, PL_CLIENT_AUTH_BODY, "s:3", "re.fresh", "openid",
         "grant_type=refresh_token&refresh_token=re.fresh&client_id=the%20client&client_secret="
         "s%3A3",
         ""},
        {PL_GRANT_CLIENT_CREDENTIALS, PL_CLIENT_AUTH_BODY, "s:3", NULL, NULL,
         "grant_type=client_credentials&client_id=the%20client&client_secret=s%3A3", ""},
        {PL_GRANT_CLIENT_CREDENTIALS, PL_CLIENT_AUTH_BASIC, "s", NULL, NULL,
         "grant_type=client_credentials", "Authorization: Basic dGhlJTIwY2xpZW50OnM="},
        {PL_GRANT_CLIENT_CREDENTIALS, PL_CLIENT_AUTH_BASIC, "s4", NULL, NULL,
         "grant_type=client_credentials", "Authorization: Basic dGhlJTIwY2xpZW50OnM0"},
        {PL_GRANT_CLIENT_CREDENTIALS, PL_CLIENT_AUTH_BASIC, "s45", NULL, NULL,
         "grant_type=client_credentials", "Authorization: Basic dGhlJTIwY2xpZW50OnM0NQ=="},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_token_conf conf = conf_of(cases[i].grant, cases[i].client_auth, cases[i].secret);
        struct pl_buf form = {0}, basic = {0};
        conf.scope = (char *)cases[i].scope;
        pl_token_form(&conf, cases[i].refresh, &form);
        pl_token_basic(&conf, &basic);
        ck_assert_str_eq(pl_buf_cstr(&form), cases[i].form);
        ck_assert_str_eq(pl_buf_cstr(&basic), cases[i].basic);
        pl_buf_wipe(&form);
        pl_buf_wipe(&basic);
    }
}
END_TEST

START_TEST(answers)
{
    static const struct {
        const char *body, *access, *refresh; /* access NULL: refused */
        int64_t life_ms, refresh_life_ms;
    } cases[] = {
        {"{\"access_token\":\"a.b.c\",\"expires_in\":60,\"refresh_expires_in\":1800,"
         "\"refresh_token\":\"r\",\"token_type\":\"Bearer\",\"scope\":\"email profile\"}",
         "a.b.c", "r", 60000, 1800000},
        {"{\"access_token\":\"a\",\"expires_in\":59,\"refresh_expires_in\":0}", "a", NULL, 59000,
         0},
        {"{\"access_token\":\"a\"}", "a", NULL, PL_TOKEN_LIFE_UNKNOWN_MS, 0},
        {"{\"access_token\":\"a\",\"expires_in\":\"300\"}", "a", NULL, 300000, 0},
        {"{\"access_token\":\"a\",\"expires_in\":\"x\"}", "a", NULL, PL_TOKEN_LIFE_UNKNOWN_MS, 0},
        {"{\"access_token\":\"a\",\"expires_in\":-5}", "a", NULL, PL_TOKEN_LIFE_UNKNOWN_MS, 0},
        {"{\"access_token\":\"a\",\"expires_in\":0}", "a", NULL, 0, 0},
        {"{\"access_token\":\"a\",\"expires_in\":1e300}", "a", NULL, PL_TOKEN_LIFE_UNKNOWN_MS, 0},
        {"{\"access_token\":\"a\\u002db\",\"refresh_token\":null}", "a-b", NULL,
         PL_TOKEN_LIFE_UNKNOWN_MS, 0},
        {"{\"access_token\":\"a\",\"refresh_token\":\"x\\ny\"}", "a", NULL,
         PL_TOKEN_LIFE_UNKNOWN_MS, 0},
        {"{\"access_token\":\"a\\r\\nX-Evil: 1\"}", NULL, NULL, 0, 0},
        {"{\"access_token\":\"\"}", NULL, NULL, 0, 0},
        {"{\"access_token\":1}", NULL, NULL, 0, 0},
        {"{\"token_type\":\"Bearer\"}", NULL, NULL, 0, 0},
        {"{\"access_token\":\"a\"", NULL, NULL, 0, 0},
        {"<html>", NULL, NULL, 0, 0},
        {"", NULL, NULL, 0, 0},
        {"[]", NULL, NULL, 0, 0},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_token_answer t = {0};
        struct pl_err err;
        int r = pl_token_answer_read(cases[i].body, strlen(cases[i].body), &t, &err);
        ck_assert_msg((r == 0) == (cases[i].access != NULL), "%s", cases[i].body);
        if (r < 0) {
            ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
            continue;
        }
        ck_assert_str_eq(t.access, cases[i].access);
        ck_assert_msg((t.refresh != NULL) == (cases[i].refresh != NULL), "%s", cases[i].body);
        ck_assert_msg(t.life_ms == cases[i].life_ms, "%s: %lld", cases[i].body,
                      (long long)t.life_ms);
        ck_assert_int_eq(t.refresh_life_ms, cases[i].refresh_life_ms);
        pl_token_answer_release(&t);
    }
}
END_TEST

START_TEST(errors)
{
    static const struct {
        long status;
        const char *body;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Account is not fully set up\"}",
         PL_ERR_CONFIG, "first or last name"},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Account disabled\"}",
         PL_ERR_CONFIG, "enable the user"},
        {401, "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid user credentials\"}",
         PL_ERR_CONFIG, "check auth.user and auth.password"},
        {401,
         "{\"error\":\"unauthorized_client\",\"error_description\":\"Invalid client or Invalid "
         "client credentials\"}",
         PL_ERR_CONFIG, "check auth.client_id and auth.client_secret"},
        {400,
         "{\"error\":\"unauthorized_client\",\"error_description\":\"Client not allowed for direct "
         "access grants\"}",
         PL_ERR_CONFIG, "direct access grants"},
        {401, "{\"error\":\"invalid_client\"}", PL_ERR_CONFIG, "auth.client_auth"},
        {400, "{\"error\":\"invalid_scope\"}", PL_ERR_CONFIG, "auth.scope"},
        {400, "{\"error\":\"unsupported_grant_type\"}", PL_ERR_CONFIG, "auth.grant"},
        {400, "{\"error\":\"temporarily_unavailable\"}", PL_ERR_RETRY, "400"},
        {404, "{\"error\":\"Realm does not exist\"}", PL_ERR_CONFIG, "auth.realm"},
        {404, "<html>", PL_ERR_CONFIG, "auth.url"},
        {302, "", PL_ERR_CONFIG, "redirects"},
        {403, "", PL_ERR_CONFIG, "403"},
        {429, "", PL_ERR_RETRY, "429"},
        {500, "{\"error\":\"invalid_grant\"}", PL_ERR_RETRY, "500"},
        {503, "not JSON", PL_ERR_RETRY, "503"},
        {400, "", PL_ERR_CONFIG, "400"},
        {400, "{\"error\":\"line\\nbreak\\u001b[31m\"}", PL_ERR_CONFIG, "line break [31m"},
    };
    struct pl_token_conf conf = conf_of(PL_GRANT_PASSWORD, PL_CLIENT_AUTH_BASIC, NULL);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_err err;
        ck_assert_int_eq(pl_token_err_from_status(&err, &conf, cases[i].status, cases[i].body,
                                                  strlen(cases[i].body)),
                         -1);
        ck_assert_msg(err.kind == cases[i].kind, "%ld %s: %s", cases[i].status, cases[i].body,
                      err.msg);
        ck_assert_int_eq(err.code, cases[i].status);
        ck_assert_msg(strstr(err.msg, cases[i].has), "%ld %s: %s", cases[i].status, cases[i].body,
                      err.msg);
        ck_assert_msg(strstr(err.msg, "kc.example"), "%s", err.msg);
    }
}
END_TEST

START_TEST(renewal_times)
{
    static const int64_t lives[] = {0, 1, 999, 5000, 9999, 10000, 30000, 60000, 3600000};
    for (size_t i = 0; i < PL_COUNT(lives); i++) {
        int64_t life = lives[i], least = INT64_MAX, most = -1;
        for (uint64_t random = 0; random < 100000; random += 7) {
            int64_t ms = pl_token_renew_after_ms(life, random * UINT64_C(0x9e3779b97f4a7c15));
            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        ck_assert_int_ge(least, life / 2);
        ck_assert_int_le(most, life);
        if (life >= 10000) {
            ck_assert_int_le(most, life - 5000);
            ck_assert_int_le(most, life / 10 * 9);
        }
        if (life >= 60000) { /* jitter over the whole of 70 to 90 % */
            ck_assert_int_ge(least, life / 10 * 7);
            ck_assert_int_lt(least, life / 100 * 71);
            ck_assert_int_gt(most, life / 100 * 89);
        }
    }
}
END_TEST

START_TEST(claims)
{
    /* {"exp":1767205860,"iss":"https://kc/realms/w","aud":["api","account"],"azp":"cl",
     * "preferred_username":"j\u001bd","scope":"email","realm_access":{"roles":["a","b"]},
     * "resource_access":{"api":{"roles":["read"]}},"other":[{}]} */
    static const char token[] =
        "eyJhbGciOiJSUzI1NiJ9."
        "eyJleHAiOjE3NjcyMDU4NjAsImlzcyI6Imh0dHBzOi8va2MvcmVhbG1zL3ciLCJhdWQiOlsiYXBpIiwiYWNjb3VudC"
        "JdLCJhenAiOiJjbCIsInByZWZlcnJlZF91c2VybmFtZSI6ImpcdTAwMWJkIiwic2NvcGUiOiJlbWFpbCIsInJlYWxt"
        "X2FjY2VzcyI6eyJyb2xlcyI6WyJhIiwiYiJdfSwicmVzb3VyY2VfYWNjZXNzIjp7ImFwaSI6eyJyb2xlcyI6WyJyZW"
        "FkIl19fSwib3RoZXIiOlt7fV19."
        "c2lnbmF0dXJl";
    static const char *const none[] = {"", "opaque", "a.b", "a.!.c", "a.e30.", "a.bm90IGpzb24.c"};
    struct pl_buf out = {0};
    int64_t exp_ms = 0;
    ck_assert(pl_token_claims_print(token, &out, &exp_ms));
    ck_assert_int_eq(exp_ms, INT64_C(1767205860000));
    ck_assert_str_eq(pl_buf_cstr(&out), "  issuer    https://kc/realms/w\n"
                                        "  audience  api, account\n"
                                        "  client    cl\n"
                                        "  user      j d\n"
                                        "  scopes    email\n"
                                        "  roles     a, b (of the realm)\n"
                                        "  roles     read (of client api)\n");
    for (size_t i = 0; i < PL_COUNT(none); i++) {
        pl_buf_reset(&out);
        bool empty_claims = strcmp(none[i], "a.e30.") == 0;
        ck_assert_msg(pl_token_claims_print(none[i], &out, NULL) == empty_claims, "%s", none[i]);
        ck_assert_uint_eq(out.len, 0);
    }
    pl_buf_release(&out);
}
END_TEST

START_TEST(scrubbing)
{
    static const struct {
        const char *text, *secret, *out;
    } cases[] = {
        {"plain text", NULL, "plain text"},
        {"a\nb\tc\x1b[1m\x7f ", NULL, "a b c [1m"},
        {"c1 \xC2\x9B"
         "x",
         NULL, "c1  x"},
        {"token eyJhbGciOiJSUzI1NiJ9.x and more", "eyJhbGciOiJSUzI1NiJ9.x", "token"},
        {"the begin is enough: eyJhbGciOiJS", "eyJhbGciOiJSUzI1NiJ9.x", "the begin is enough:"},
        {"short secrets are no token", "short", "short secrets are no token"},
        {"12345678901234567890123456789012345678901234567890", NULL, "123456789012345678901234567"},
        {"12345678901234567890123456\xC3\xA4\xC3\xA4", NULL, "12345678901234567890123456"},
    };
    char out[28];
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        pl_token_scrub(cases[i].text, strlen(cases[i].text), cases[i].secret, out, sizeof(out));
        ck_assert_str_eq(out, cases[i].out);
    }
}
END_TEST

/* ---- with a server ---- */

#define SCRIPT_MAX 16

struct script {
    const char *answers[SCRIPT_MAX]; /* one a request; NULL: closes the connection without one */
    size_t n;
    struct pl_buf forms[SCRIPT_MAX], heads[SCRIPT_MAX];
    atomic_int hold; /* answers wait while it is not 0 */
};

static sd_event *loop;
static struct pl_http *http;
static struct server server;
static struct script script;
static struct pl_token *tokens;
static struct pl_metrics *metrics;
static struct pl_token_conf conf;

#define OK(access, more)                                                                           \
    "200 OK\r\n\r\n{\"access_token\":\"" access "\",\"token_type\":\"Bearer\"" more "}"

static bool answer(struct server *s, int fd, const struct server_request *r)
{
    struct script *sc = s->arg;
    char head[512];
    ck_assert_int_lt(r->n, SCRIPT_MAX);
    pl_buf_add(&sc->forms[r->n], r->body.data, r->body.len);
    pl_buf_add(&sc->heads[r->n], r->head.data, r->head.len);
    while (atomic_load(&sc->hold) && !atomic_load(&s->stopping))
        usleep(1000);
    const char *text = (size_t)r->n < sc->n ? sc->answers[r->n] : NULL;
    if (!text)
        return false;
    const char *body = strstr(text, "\r\n\r\n");
    snprintf(head, sizeof(head), "HTTP/1.1 %.*s\r\nContent-Length: %zu\r\n\r\n", (int)(body - text),
             text, strlen(body + 4));
    return server_send_str(s, fd, head) && server_send_str(s, fd, body + 4);
}

static void set_up(void)
{
    struct pl_err err;
    memset(&script, 0, sizeof(script));
    server_start(&server, answer, &script);
    ck_assert_int_ge(sd_event_new(&loop), 0);
    ck_assert_int_eq(pl_http_new(loop, &http, &err), 0);
    metrics = pl_metrics_new(wmfetchd_metrics, M_COUNT);
    conf = conf_of(PL_GRANT_PASSWORD, PL_CLIENT_AUTH_BASIC, NULL);
    conf.url = server.url;
    const struct pl_token_user user = wmfetchd_token_user(metrics);
    ck_assert_int_eq(pl_token_new(http, &conf, &user, &tokens, &err), 0);
}

static void tear_down(void)
{
    pl_token_free(tokens);
    pl_http_free(http);
    sd_event_unref(loop);
    server_stop(&server);
    pl_metrics_free(metrics);
    for (size_t i = 0; i < SCRIPT_MAX; i++) {
        pl_buf_release(&script.forms[i]);
        pl_buf_release(&script.heads[i]);
    }
}

static void answers_are(const char *const *list)
{
    for (; *list; list++)
        script.answers[script.n++] = *list;
}
#define ANSWERS(...) answers_are((const char *const[]){__VA_ARGS__, NULL})

struct asker {
    struct pl_token_waiter waiter;
    char token[64];
    struct pl_err err;
    int called;
};

static void on_token(void *userdata, const char *token, const struct pl_err *err)
{
    struct asker *a = userdata;
    a->called++;
    snprintf(a->token, sizeof(a->token), "%s", token ? token : "");
    a->err = err ? *err : (struct pl_err){0};
    ck_assert((token == NULL) == (err != NULL));
}

/* Asks; what is kept counts as called. */
static void ask(struct asker *a)
{
    a->called = 0;
    const char *token = pl_token_get(tokens, &a->waiter, on_token, a);
    ck_assert_int_eq(a->called, 0); /* never from inside */
    if (token)
        on_token(a, token, NULL);
}

static void wait_for(struct asker *a)
{
    while (a->called == 0)
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
    ck_assert_int_eq(a->called, 1);
}

static const char *get(void)
{
    static struct asker a;
    memset(&a, 0, sizeof(a));
    ask(&a);
    wait_for(&a);
    return a.err.kind == PL_ERR_NONE ? a.token : a.err.msg;
}

static const char *form(size_t i)
{
    return pl_buf_cstr(&script.forms[i]);
}

#define LONG    ",\"expires_in\":3600"
#define REFRESH ",\"refresh_token\":\"r1\",\"refresh_expires_in\":3600"

START_TEST(kept)
{
    ANSWERS(OK("t1", LONG), OK("t2", LONG));
    ck_assert_str_eq(get(), "t1");
    ck_assert_str_eq(get(), "t1");
    ck_assert_int_eq(server.requests, 1);
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&script.heads[0]),
                                 "POST /realms/water%20melon/protocol/openid-connect/token "));
    ck_assert_ptr_nonnull(strstr(form(0), "grant_type=password&username=j.d%C3%B6&"));
    ck_assert_ptr_null(strstr(pl_buf_cstr(&script.heads[0]), "Cookie"));
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_GRANT), 1);
}
END_TEST

START_TEST(one_renewal_for_all)
{
    struct asker a[5] = {0}, given_up = {0};
    ANSWERS(OK("t1", LONG));
    atomic_store(&script.hold, 1);
    for (size_t i = 0; i < PL_COUNT(a); i++)
        ask(&a[i]);
    ask(&given_up);
    while (server.requests == 0)
        sd_event_run(loop, 10000);
    pl_token_cancel(tokens, &given_up.waiter);
    pl_token_cancel(tokens, &given_up.waiter);
    atomic_store(&script.hold, 0);
    for (size_t i = 0; i < PL_COUNT(a); i++) {
        wait_for(&a[i]);
        ck_assert_str_eq(a[i].token, "t1");
    }
    ck_assert_int_eq(given_up.called, 0);
    ck_assert_int_eq(server.requests, 1);
}
END_TEST

START_TEST(one_failure_for_all)
{
    struct asker a[3] = {0};
    ANSWERS("503 Away\r\nRetry-After: 7\r\n\r\n", OK("t1", LONG));
    for (size_t i = 0; i < PL_COUNT(a); i++)
        ask(&a[i]);
    for (size_t i = 0; i < PL_COUNT(a); i++) {
        wait_for(&a[i]);
        ck_assert_int_eq(a[i].err.kind, PL_ERR_RETRY);
    }
    ck_assert_int_eq(server.requests, 1);
    ck_assert_int_eq(pl_token_retry_after_ms(tokens), 7000);
    ck_assert_str_eq(get(), "t1");
    ck_assert_int_eq(pl_token_retry_after_ms(tokens), -1);
}
END_TEST

/* A life of 0: renewed each time, and what was just given is given out. */
START_TEST(short_lives)
{
    ANSWERS(OK("t1", ",\"expires_in\":0"), OK("t2", ",\"expires_in\":0"), OK("t3", LONG));
    ck_assert_str_eq(get(), "t1");
    ck_assert_str_eq(get(), "t2");
    ck_assert_str_eq(get(), "t3");
    ck_assert_str_eq(get(), "t3");
    ck_assert_int_eq(server.requests, 3);
}
END_TEST

START_TEST(refreshed)
{
    ANSWERS(OK("t1", ",\"expires_in\":0" REFRESH),
            OK("t2", ",\"expires_in\":0,\"refresh_token\":\"r2\""), OK("t3", ",\"expires_in\":0"),
            OK("t4", LONG));
    ck_assert_str_eq(get(), "t1");
    ck_assert_str_eq(get(), "t2");
    ck_assert_str_eq(get(), "t3");
    ck_assert_str_eq(get(), "t4");
    ck_assert_str_eq(form(1), "grant_type=refresh_token&refresh_token=r1&client_id=the%20client");
    ck_assert_str_eq(form(2), "grant_type=refresh_token&refresh_token=r2&client_id=the%20client");
    /* Without a new one the old one stays. */
    ck_assert_str_eq(form(3), "grant_type=refresh_token&refresh_token=r2&client_id=the%20client");
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_REFRESH), 3);
}
END_TEST

START_TEST(refresh_refused)
{
    ANSWERS(OK("t1", ",\"expires_in\":0" REFRESH),
            "400 Bad\r\n\r\n{\"error\":\"invalid_grant\",\"error_description\":\"Token is not "
            "active\"}",
            OK("t2", LONG));
    ck_assert_str_eq(get(), "t1");
    ck_assert_str_eq(get(), "t2");
    ck_assert_ptr_nonnull(strstr(form(1), "grant_type=refresh_token"));
    ck_assert_ptr_nonnull(strstr(form(2), "grant_type=password"));
    ck_assert_int_eq(server.requests, 3);
}
END_TEST

/* A refresh token that has ended is not tried. */
START_TEST(refresh_ended)
{
    ANSWERS(OK("t1", ",\"expires_in\":0,\"refresh_token\":\"r\",\"refresh_expires_in\":1"),
            OK("t2", LONG));
    ck_assert_str_eq(get(), "t1");
    usleep(1010000); /* its one second of life; not a wait for luck */
    ck_assert_str_eq(get(), "t2");
    ck_assert_ptr_nonnull(strstr(form(1), "grant_type=password"));
}
END_TEST

START_TEST(refused_by_the_api)
{
    ANSWERS(OK("t1", LONG REFRESH), OK("t2", LONG));
    ck_assert_str_eq(get(), "t1");
    pl_token_refused(tokens, "another");
    ck_assert_str_eq(get(), "t1");
    pl_token_refused(tokens, "t1");
    ck_assert_str_eq(get(), "t2");
    pl_token_refused(tokens, "t1"); /* late: not the kept one any more */
    ck_assert_str_eq(get(), "t2");
    ck_assert_int_eq(server.requests, 2);
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_REFUSED), 1);
}
END_TEST

START_TEST(refused_for_good)
{
    ANSWERS("401 No\r\n\r\n{\"error\":\"invalid_grant\",\"error_description\":\"Invalid user "
            "credentials\"}",
            "302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "200 OK\r\n\r\n<html>");
    struct asker a = {0};
    for (int i = 0; i < 3; i++) {
        ask(&a);
        wait_for(&a);
        ck_assert_int_eq(a.err.kind, PL_ERR_CONFIG);
        ck_assert_int_ne(a.err.code, 0);
        ck_assert_msg(!strstr(a.err.msg, "p&=") && !strstr(a.err.msg, "p%26"), "%s", a.err.msg);
    }
    ck_assert_int_eq(server.requests, 3);
    ck_assert_uint_eq(pl_metrics_get(metrics, M_TOKENS_FAILED), 3);
}
END_TEST

START_TEST(connection_lost)
{
    script.n = 1; /* closes without an answer; curl tries once more on a connection used before */
    struct asker a = {0};
    ask(&a);
    wait_for(&a);
    ck_assert_int_eq(a.err.kind, PL_ERR_RETRY);
}
END_TEST

/* While the token has not ended, a renewal that fails for a passing reason does no harm. */
START_TEST(renewal_fails_early)
{
    ANSWERS(OK("t1", ",\"expires_in\":2"), "503 Away\r\n\r\n", "503 Away\r\n\r\n",
            "503 Away\r\n\r\n", "503 Away\r\n\r\n", "503 Away\r\n\r\n");
    struct asker a = {0};
    bool good_after_failure = false;
    ask(&a);
    wait_for(&a);
    while (!good_after_failure && a.err.kind == PL_ERR_NONE) {
        ask(&a);
        wait_for(&a);
        good_after_failure = server.requests > 1 && strcmp(a.token, "t1") == 0;
        usleep(10000);
    }
    ck_assert(good_after_failure);
}
END_TEST

/* … but when it has ended it is not given out, however little time has passed since the failure. */
START_TEST(ended_token_is_not_given_out)
{
    ANSWERS(OK("t1", ",\"expires_in\":1"), "503 Away\r\n\r\n", "503 Away\r\n\r\n",
            "503 Away\r\n\r\n", "503 Away\r\n\r\n", "503 Away\r\n\r\n");
    ck_assert_str_eq(get(), "t1");
    while (server.requests == 1) { /* half of its life is over: a renewal is tried, and fails */
        get();
        usleep(10000);
    }
    usleep(1010000); /* its end; not a wait for luck */
    ck_assert_msg(strstr(get(), "503"), "%s", get());
}
END_TEST

/* New secrets while a request with the old ones is under way. */
START_TEST(forgotten_meanwhile)
{
    struct asker a = {0};
    ANSWERS(OK("old", LONG), OK("new", LONG));
    atomic_store(&script.hold, 1);
    ask(&a);
    while (server.requests == 0)
        sd_event_run(loop, 10000);
    conf.user = (char *)"other";
    pl_token_forget(tokens);
    atomic_store(&script.hold, 0);
    wait_for(&a);
    ck_assert_str_eq(a.token, "new");
    ck_assert_ptr_nonnull(strstr(form(1), "username=other&"));
}
END_TEST

static void ask_again(void *userdata, const char *token, const struct pl_err *err)
{
    struct asker *a = userdata;
    (void)err;
    if (strcmp(token, "t1") == 0) {
        pl_token_refused(tokens, token);
        ask(a);
    }
}

/* From inside the callback: the token refused and asked for again. */
START_TEST(asked_again_from_inside)
{
    struct asker first = {0}, second = {0}, other = {0};
    ANSWERS(OK("t1", LONG), OK("t2", LONG));
    ck_assert_ptr_null(pl_token_get(tokens, &first.waiter, ask_again, &second));
    ask(&other);
    wait_for(&other);
    ck_assert_str_eq(other.token, "t1");
    wait_for(&second);
    ck_assert_str_eq(second.token, "t2");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("pure"),
        TEST(forms),
        TEST(answers),
        TEST(errors),
        TEST(renewal_times),
        TEST(claims),
        TEST(scrubbing),
        TCASE("server", .set_up = set_up, .tear_down = tear_down),
        TEST(kept),
        TEST(one_renewal_for_all),
        TEST(one_failure_for_all),
        TEST(short_lives),
        TEST(refreshed),
        TEST(refresh_refused),
        TEST(refresh_ended),
        TEST(refused_by_the_api),
        TEST(refused_for_good),
        TEST(connection_lost),
        TEST(renewal_fails_early),
        TEST(ended_token_is_not_given_out),
        TEST(forgotten_meanwhile),
        TEST(asked_again_from_inside),
    };
    pl_http_global_init();
    return unit_main("token", tests, PL_COUNT(tests));
}

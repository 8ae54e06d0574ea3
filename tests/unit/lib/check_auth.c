/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_auth.c - conf.c and auth.c: what each method needs and sends, against a server in this
 * process that gives tokens and knows who may ask.
 *
 * The client here does what auth.h says: asks for its line, sends it, and after a 401 once more
 * where there is another one.
 */
#include "lib/auth/auth.h"
#include "lib/http/request.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

/* ---- options ---- */

struct peer {
    struct pl_auth_conf auth;
};

static const struct pl_option options[] = {
    PL_AUTH_OPTS("peer.auth", struct peer, auth, "none", "realm", PL_OPT_RELOADABLE),
    PL_OPT_END,
};

static void load(const char *yaml, struct peer *ret, struct pl_findings *errs)
{
    PL_FREE char *text = pl_strf("peer: { auth: { %s } }", yaml);
    pl_findings_init(errs);
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text, strlen(text), errs);
    *ret = (struct peer){0};
    pl_options_apply(options, root, ret, errs);
    pl_auth_conf_check(&ret->auth, "peer.auth", errs);
}

#define TOKEN   "method: token, client_id: c, url: 'https://kc.example/auth'"
#define HEADER  "method: header, header: { name: X-Key, value: "
#define IS_FOR  " is for peer.auth."
#define NOT_SET ", which is not set"

START_TEST(needs)
{
    static const struct {
        const char *yaml, *findings; /* each without "input: peer.auth." at its beginning */
    } cases[] = {
        {"", ""},
        {"method: none", ""},
        {"method: basic, user: u, password: p", ""},
        {"method: bearer, bearer: b", ""},
        {HEADER "'a b' }", ""},
        {TOKEN ", user: u, password: p", ""},
        {TOKEN ", user: u, password: p, realm: r, client_secret: s, scope: a b", ""},
        {TOKEN ", grant: client_credentials, client_secret: s", ""},
        {"method: token, client_id: c, token_url: 'https://h/t', user: u, password: p", ""},
        {TOKEN ", token_url: 'https://h/t', user: u, password: p", ""},

        {"method: basic",
         "user: is needed for peer.auth.method: basic, and peer.auth.password, such as "
         "{ credential: NAME }\n"},
        {"method: bearer",
         "bearer: is needed for peer.auth.method: bearer, such as { credential: NAME }\n"},
        {"method: header",
         "header.name: is needed for peer.auth.method: header\n"
         "header.value: is needed for peer.auth.method: header, such as { credential: NAME }\n"},
        {"method: token",
         "url: is needed for peer.auth.method: token\n"
         "client_id: is needed for peer.auth.method: token\n"
         "user: is needed for peer.auth.grant: password, and peer.auth.password, such as "
         "{ credential: NAME }\n"},
        {TOKEN ", grant: client_credentials",
         "client_secret: is needed for peer.auth.grant: client_credentials, such as "
         "{ credential: NAME }\n"},
        /* What is wrong with a secret is told once. */
        {"method: bearer, bearer: { env: CHECK_AUTH_NOT_SET }",
         "bearer: the environment variable CHECK_AUTH_NOT_SET is not set\n"},

        {"user: u",
         "user: is for peer.auth.method: basic or peer.auth.grant: password" NOT_SET "\n"},
        {TOKEN ", grant: client_credentials, client_secret: s, password: p",
         "password: is for peer.auth.method: basic or peer.auth.grant: password" NOT_SET "\n"},
        {"bearer: b", "bearer:" IS_FOR "method: bearer" NOT_SET "\n"},
        {"header: { name: n, value: v }", "header.name:" IS_FOR "method: header" NOT_SET "\n"
                                          "header.value:" IS_FOR "method: header" NOT_SET "\n"},
        {"token_url: 'https://h/t', scope: s, client_id: c, client_secret: s",
         "token_url:" IS_FOR "method: token" NOT_SET "\n"
         "client_id:" IS_FOR "method: token" NOT_SET "\n"
         "client_secret:" IS_FOR "method: token" NOT_SET "\n"
         "scope:" IS_FOR "method: token" NOT_SET "\n"},

        {TOKEN ", user: u, password: p, realm: a/b", "realm: the name only, without '/'\n"},
        {"method: token, client_id: c, url: 'https://me@h/', user: u, password: p",
         "url: a URL must not hold a user or password, since messages show it; use "
         "peer.auth.user and peer.auth.password\n"},
        {"method: token, client_id: c, token_url: 'ftp://h/', user: u, password: p",
         "token_url: must begin with https:// or http://\n"},
        {"method: basic, user: 'a:b', password: p",
         "user: without ':', which HTTP Basic parts it by\n"},
        {"method: bearer, bearer: 'Bearer s3cret'",
         "bearer: the token only, without \"Bearer\" or spaces\n"},
        {"method: bearer, bearer: \"s3cret\\r\\nX: y\"",
         "bearer: the token only, without \"Bearer\" or spaces\n"},
        {"method: header, header: { name: 'X-Key:', value: v }",
         "header.name: the name only, without ':' or spaces\n"},
        {"method: header, header: { name: \"A\\r\\nB\", value: v }",
         "header.name: the name only, without ':' or spaces\n"},
        {HEADER "\"s3cret\\r\\nX: y\" }", "header.value: has characters that no header may have\n"},
        {HEADER "\"s3cret \" }", "header.value: has characters that no header may have\n"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf want = {0};
        struct pl_findings errs;
        struct peer peer;
        for (const char *line = cases[i].findings; *line; line = strchr(line, '\n') + 1)
            pl_buf_addf(&want, "peer.auth.%.*s", (int)(strchr(line, '\n') + 1 - line), line);
        load(cases[i].yaml, &peer, &errs);
        /* Without what pl_findings_add() puts before each. */
        PL_CLEANUP(pl_buf_release) struct pl_buf have = {0};
        for (const char *line = pl_buf_cstr(&errs.text); *line; line = strchr(line, '\n') + 1) {
            const char *text = strstr(line, "peer.auth.");
            pl_buf_addf(&have, "%.*s", (int)(strchr(line, '\n') + 1 - text), text);
        }
        ck_assert_msg(strcmp(pl_buf_cstr(&have), pl_buf_cstr(&want)) == 0, "%s:\n%s", cases[i].yaml,
                      pl_buf_cstr(&errs.text));
        ck_assert_msg(!strstr(pl_buf_cstr(&errs.text), "s3cret"), "%s", pl_buf_cstr(&errs.text));
        pl_options_release(options, &peer);
        pl_findings_release(&errs);
    }
}
END_TEST

START_TEST(token_urls)
{
    static const struct {
        const char *url, *realm, *token_url, *made, *host;
    } cases[] = {
        {"https://kc.example/auth/", "water melon", NULL,
         "https://kc.example/auth/realms/water%20melon/protocol/openid-connect/token",
         "kc.example"},
        {"https://kc.example:8443", "r", NULL,
         "https://kc.example:8443/realms/r/protocol/openid-connect/token", "kc.example:8443"},
        {"https://kc.example", "r", "https://id.example/oauth/token",
         "https://id.example/oauth/token", "id.example"},
        {NULL, NULL, "https://id.example/token", "https://id.example/token", "id.example"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        const struct pl_auth_conf conf = {.url = (char *)cases[i].url,
                                          .realm = (char *)cases[i].realm,
                                          .token_url = (char *)cases[i].token_url};
        PL_FREE char *made = pl_auth_token_url(&conf);
        char host[64];
        pl_auth_token_host(&conf, host, sizeof(host));
        ck_assert_str_eq(made, cases[i].made);
        ck_assert_str_eq(host, cases[i].host);
    }
}
END_TEST

/* ---- with a server ---- */

#define REQUESTS_MAX 16

/* What the server knows, and what it was asked. */
static struct {
    char known[128];     /* the line of who may ask; "": everybody */
    const char *outcome; /* of the token endpoint: NULL a token, else an answer */
    atomic_int tokens, asked;
    char lines[REQUESTS_MAX][128]; /* who asked: the whole line, "" none */
    char paths[REQUESTS_MAX][128]; /* of the token endpoint */
} far;

static sd_event *loop;
static struct pl_http *http;
static struct server server;
static char token_url[128];
static struct pl_auth_conf conf;
static struct pl_auth *auth;

static bool say(struct server *s, int fd, const char *head, const char *body)
{
    PL_FREE char *text =
        pl_strf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
    return server_send_str(s, fd, text);
}

static void line_note(const struct server_request *r, const char *name, char *out)
{
    struct pl_slice value = server_header(r, name);
    if (value.len > 0)
        snprintf(out, sizeof(far.lines[0]), "%s: %.*s", name, (int)value.len, value.p);
}

static bool answer(struct server *s, int fd, const struct server_request *r)
{
    if (strncmp(r->head.data, "POST ", 5) == 0) {
        int n = atomic_fetch_add(&far.tokens, 1);
        PL_FREE char *body = pl_strf("{\"access_token\":\"t%d\",\"expires_in\":3600}", n + 1);
        snprintf(far.paths[n], sizeof(far.paths[n]), "%.*s", (int)strcspn(r->head.data + 5, " "),
                 r->head.data + 5);
        return far.outcome ? say(s, fd, far.outcome, "{}") : say(s, fd, "200 OK", body);
    }
    int n = atomic_fetch_add(&far.asked, 1);
    ck_assert_int_lt(n, REQUESTS_MAX);
    line_note(r, "Authorization", far.lines[n]);
    line_note(r, "X-Key", far.lines[n]);
    bool known = !far.known[0] || strcmp(far.known, far.lines[n]) == 0;
    return say(s, fd, known ? "200 OK" : "401 Unauthorized", "");
}

static void set_up(void)
{
    struct pl_err err;
    memset(&far, 0, sizeof(far));
    server_start(&server, answer, NULL);
    snprintf(token_url, sizeof(token_url), "%s/oauth/token", server.url);
    ck_assert_int_ge(sd_event_new(&loop), 0);
    ck_assert_done(pl_http_new(loop, &http, &err), err);
    auth = NULL;
}

static void tear_down(void)
{
    pl_auth_free(auth);
    pl_http_free(http);
    sd_event_unref(loop);
    server_stop(&server);
}

static void auth_make(const struct pl_auth_conf *with)
{
    const struct pl_auth_owner owner = {.user_agent = "check"};
    conf = *with;
    conf.timeout_ms = 10000;
    auth = pl_auth_new(http, &conf, &owner);
}

static const struct pl_auth_conf none = {.method = PL_AUTH_NONE};
static const struct pl_auth_conf basic = {.method = PL_AUTH_BASIC,
                                          .user = (char *)"Aladdin",
                                          .password = {(char *)"open sesame", (char *)"file /p"}};
static const struct pl_auth_conf bearer = {
    .method = PL_AUTH_BEARER, .bearer = {(char *)"mF_9.B5f-4.1JqM", (char *)"credential b"}};
static const struct pl_auth_conf key = {
    .method = PL_AUTH_HEADER,
    .header = {(char *)"X-Key", {(char *)"k e y 12345678", (char *)"environment K"}}};
static const struct pl_auth_conf token = {.method = PL_AUTH_TOKEN,
                                          .token_url = token_url,
                                          .grant = PL_GRANT_CLIENT_CREDENTIALS,
                                          .client_id = (char *)"c",
                                          .client_secret = {.value = (char *)"s3cret"}};

/* One question, from its line to its answer. */
struct question {
    struct pl_auth_waiter waiter;
    char line[128];
    bool later, renewed, done;
    long status; /* 0: there was no line */
    struct pl_err err;
};

static void ask(struct question *q);

static void on_answer(void *userdata, struct pl_http_request *r, const struct pl_err *err)
{
    struct question *q = userdata;
    ck_assert_msg(!err, "%s", err->msg);
    curl_easy_getinfo(pl_http_request_easy(r), CURLINFO_RESPONSE_CODE, &q->status);
    if (q->status == 401 && pl_auth_refused(auth, q->line) && !q->renewed) {
        q->renewed = true;
        ask(q);
        return;
    }
    q->done = true;
}

static void on_line(void *userdata, const char *line, const struct pl_err *err)
{
    static const struct pl_http_ops ops = {.on_done = on_answer};
    struct question *q = userdata;
    ck_assert((line == NULL) == (err != NULL));
    if (err) {
        q->err = *err;
        q->done = true;
        return;
    }
    snprintf(q->line, sizeof(q->line), "%s", line);
    const char *headers[] = {q->line[0] ? q->line : NULL, NULL};
    const struct pl_http_conf http_conf = {.total_timeout_ms = 10000};
    ck_assert_done(
        pl_http_request_new(http, &http_conf, server.url, headers, NULL, 0, &ops, q, NULL, &q->err),
        q->err);
}

static void ask(struct question *q)
{
    const char *line = pl_auth_get(auth, &q->waiter, on_line, q);
    q->later = line == NULL;
    if (line)
        on_line(q, line, NULL);
}

static void wait_for(struct question *q)
{
    while (!q->done)
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
}

START_TEST(sent)
{
    static const struct {
        const struct pl_auth_conf *conf;
        const char *line;
    } cases[] = {
        {&none, ""},
        {&basic, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, /* RFC 7617, section 2 */
        {&bearer, "Authorization: Bearer mF_9.B5f-4.1JqM"},            /* RFC 6750, 2.1 */
        {&key, "X-Key: k e y 12345678"},
        {&token, "Authorization: Bearer t1"},
        {&token, "Authorization: Bearer t1"}, /* kept */
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct question q = {0};
        bool kept = i > 0 && cases[i].conf == cases[i - 1].conf;
        if (!kept) {
            pl_auth_free(auth);
            auth_make(cases[i].conf);
        }
        snprintf(far.known, sizeof(far.known), "%s", cases[i].line);
        ask(&q);
        ck_assert_int_eq(q.later, cases[i].conf == &token && !kept);
        wait_for(&q);
        ck_assert_int_eq(q.status, 200);
        ck_assert_str_eq(far.lines[i], cases[i].line);
    }
    ck_assert_int_eq(far.tokens, 1);
    ck_assert_str_eq(far.paths[0], "/oauth/token");
}
END_TEST

/* Only a token can be had again. */
START_TEST(refused_for_good)
{
    static const struct {
        const struct pl_auth_conf *conf;
        int asked, tokens;
        const char *advice;
    } cases[] = {
        {&none, 1, 0, "set auth.method"}, {&basic, 1, 0, "auth.user and auth.password"},
        {&bearer, 1, 0, "auth.bearer"},   {&key, 1, 0, "auth.header.name and auth.header.value"},
        {&token, 2, 2, "auth.token_url"},
    };
    snprintf(far.known, sizeof(far.known), "Authorization: Bearer another");
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct question q = {0};
        far.asked = far.tokens = 0;
        pl_auth_free(auth);
        auth_make(cases[i].conf);
        ask(&q);
        wait_for(&q);
        ck_assert_int_eq(q.status, 401);
        ck_assert_int_eq(far.asked, cases[i].asked);
        ck_assert_int_eq(far.tokens, cases[i].tokens);
        ck_assert_msg(strstr(pl_auth_refused_advice(auth), cases[i].advice), "%zu", i);
    }
}
END_TEST

START_TEST(renewed)
{
    struct question q = {0};
    auth_make(&token);
    snprintf(far.known, sizeof(far.known), "Authorization: Bearer t2");
    ask(&q);
    wait_for(&q);
    ck_assert_int_eq(q.status, 200);
    ck_assert_str_eq(q.line, "Authorization: Bearer t2");
    ck_assert(pl_auth_refused(auth, "Authorization: Bearer t1")); /* late: t2 stays */
    q = (struct question){0};
    ask(&q);
    ck_assert(!q.later);
    wait_for(&q);
    ck_assert_int_eq(far.tokens, 2);
    pl_auth_forget(auth);
    q = (struct question){0};
    ask(&q);
    ck_assert(q.later);
    wait_for(&q);
    ck_assert_int_eq(q.status, 401);
    ck_assert_int_eq(far.tokens, 4); /* t3, and t4 because t3 is not known */
}
END_TEST

/* A secret that a reload has changed counts from the next request on; what was sent with the old
 * one is worth another try. */
START_TEST(changed_secret)
{
    struct question q = {0};
    auth_make(&bearer);
    snprintf(far.known, sizeof(far.known), "Authorization: Bearer new");
    ask(&q);
    conf.bearer.value = (char *)"new";
    pl_auth_forget(auth);
    wait_for(&q);
    ck_assert_int_eq(q.status, 200);
    ck_assert_int_eq(far.asked, 2);
    ck_assert(!pl_auth_refused(auth, "Authorization: Bearer new"));
}
END_TEST

START_TEST(no_token)
{
    struct question q = {0}, cancelled = {0};
    auth_make(&token);
    far.outcome = "503 Away\r\nRetry-After: 7";
    ask(&q);
    ask(&cancelled);
    pl_auth_cancel(auth, &cancelled.waiter);
    wait_for(&q);
    ck_assert_int_eq(q.err.kind, PL_ERR_RETRY);
    ck_assert_int_eq(pl_auth_retry_after_ms(auth), 7000);
    ck_assert(!cancelled.done);
    ck_assert_int_eq(far.asked, 0);
    far.outcome = "404 Not Found";
    q = (struct question){0};
    ask(&q);
    wait_for(&q);
    ck_assert_int_eq(q.err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(q.err.msg, "no token endpoint") && strstr(q.err.msg, "auth.token_url"),
                  "%s", q.err.msg);
    ck_assert_int_eq(pl_auth_retry_after_ms(auth), -1);
}
END_TEST

START_TEST(described)
{
    /* {"sub":"x","iss":"https://kc","exp":1} */
    static const struct pl_auth_conf jwt = {
        .method = PL_AUTH_BEARER,
        .bearer = {(char *)"e30.eyJzdWIiOiJ4IiwiaXNzIjoiaHR0cHM6Ly9rYyIsImV4cCI6MX0.sig",
                   (char *)"file /t"}};
    static const struct {
        const struct pl_auth_conf *conf;
        const char *text, *hidden;
    } cases[] = {
        {&none, "auth: none, ", NULL},
        {&basic, "auth: user Aladdin, password from file /p\n", "sesame"},
        {&bearer, "token: from credential b\n  it is opaque: ", "mF_9"},
        {&jwt, "token: from file /t\n  issuer    https://kc\n  ENDED     1970-01-01T00:00:01",
         "eyJ"},
        {&key, "auth: header X-Key from environment K\n", "k e y"},
        {&token, "", NULL}, /* nothing is known yet */
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        pl_auth_free(auth);
        auth_make(cases[i].conf);
        pl_auth_describe(auth, &text);
        const char *have = pl_buf_cstr(&text);
        ck_assert_msg(strncmp(have, cases[i].text, strlen(cases[i].text)) == 0, "%s", have);
        ck_assert_msg(!cases[i].hidden || !strstr(have, cases[i].hidden), "%s", have);
    }
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct question q = {0};
    char want[128];
    ask(&q);
    wait_for(&q);
    pl_auth_describe(auth, &text);
    snprintf(want, sizeof(want), "token: given by 127.0.0.1:%d, grant client_credentials\n",
             server.port);
    ck_assert_msg(strncmp(pl_buf_cstr(&text), want, strlen(want)) == 0, "%s", text.data);
    ck_assert_ptr_nonnull(strstr(text.data, "  until     20"));
    ck_assert_ptr_nonnull(strstr(text.data, "  renewal   by the grant"));
}
END_TEST

/* Servers repeat what they refuse, whole or cut. */
START_TEST(kept_back)
{
    static const struct {
        const struct pl_auth_conf *conf;
        const char *line, *text, *shown;
    } cases[] = {
        {&basic, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "not you: QWxhZGRpbjpvcGVuI",
         "not you: "},
        {&basic, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
         "Aladdin's open sesame is wrong", "Aladdin's "},
        {&bearer, "Authorization: Bearer mF_9.B5f-4.1JqM", "Bearer mF_9.B5f-4.1JqM", "Bearer "},
        {&bearer, "Authorization: Bearer mF_9.B5f-4.1JqM", "all mF_9 is ours", "all mF_9 is ours"},
        {&key, "X-Key: k e y 12345678", "key k e y 12345678?", "key "},
        {&token, "Authorization: Bearer t1-long-enough", "t1-long-enou", ""},
        {&token, "Authorization: Bearer t1-long-enough", "is s3cret yours", "is "},
        {&none, "", "who are you?", "who are you?"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        pl_auth_free(auth);
        auth_make(cases[i].conf);
        size_t n = pl_auth_before_secret(auth, cases[i].line, cases[i].text, strlen(cases[i].text));
        ck_assert_msg(n == strlen(cases[i].shown), "%zu: %zu", i, n);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("options"), TEST(needs),
        TEST(token_urls), TCASE("server", .set_up = set_up, .tear_down = tear_down),
        TEST(sent),       TEST(refused_for_good),
        TEST(renewed),    TEST(changed_secret),
        TEST(no_token),   TEST(described),
        TEST(kept_back),
    };
    pl_http_global_init();
    return unit_main("auth", tests, PL_COUNT(tests));
}

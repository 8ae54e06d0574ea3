/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_token.c - token.c: keeping, renewing and sharing, against a server in this process.
 *
 * The server notes each form it gets and answers what the test laid out, in order; so a test says
 * "these were asked for, and no more".
 */
#include <stdio.h>

#include "lib/auth/token.h"
#include "lib/http/request.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

#define SCRIPT_MAX 16

struct script {
    const char *answers[SCRIPT_MAX]; /* one a request; NULL: closes the connection without one */
    size_t n;
    struct pl_buf forms[SCRIPT_MAX], heads[SCRIPT_MAX];
    atomic_int hold; /* answers wait while it is not 0 */
};

/* One that is not ours, then the five. */
enum { FIRST = 1 };
static const struct pl_metric counters[] = {
    {"other_total", NULL, PL_COUNTER, "Of others."},
    [FIRST + PL_TOKEN_GRANTED] = {"tokens_total", "way=\"grant\"", PL_COUNTER, "Tokens."},
    [FIRST + PL_TOKEN_REFRESHED] = {"tokens_total", "way=\"refresh\"", PL_COUNTER, "Tokens."},
    [FIRST + PL_TOKEN_FAILED] = {"tokens_total", "way=\"failed\"", PL_COUNTER, "Tokens."},
    [FIRST + PL_TOKEN_REFUSED] = {"refused_total", NULL, PL_COUNTER, "Refused."},
    [FIRST + PL_TOKEN_DENIED] = {"credentials_refused", NULL, PL_GAUGE, "In a row."},
};

static sd_event *loop;
static struct pl_http *http;
static struct server server;
static struct script script;
static struct pl_token *tokens;
static struct pl_metrics *metrics;
static struct pl_auth_conf conf;

#define OK(access, more)                                                                           \
    "200 OK\r\n\r\n{\"access_token\":\"" access "\",\"token_type\":\"Bearer\"" more "}"

#define DENIED                                                                                     \
    "401 No\r\n\r\n{\"error\":\"invalid_grant\",\"error_description\":\"Invalid user "             \
    "credentials\"}"

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

static uint64_t counted(enum pl_token_event event)
{
    return pl_metrics_get(metrics, FIRST + event);
}

static void set_up(void)
{
    struct pl_err err;
    memset(&script, 0, sizeof(script));
    server_start(&server, answer, &script);
    ck_assert_int_ge(sd_event_new(&loop), 0);
    ck_assert_int_eq(pl_http_new(loop, &http, &err), 0);
    metrics = pl_metrics_new(counters, PL_COUNT(counters));
    conf = (struct pl_auth_conf){
        .method = PL_AUTH_TOKEN,
        .url = server.url,
        .realm = (char *)"water melon",
        .grant = PL_GRANT_PASSWORD,
        .client_id = (char *)"the client",
        .user = (char *)"j.d\xC3\xB6",
        .password = {.value = (char *)"p&=%+ \xE2\x82\xAC"},
        .timeout_ms = 10000,
    };
    const struct pl_auth_owner owner = {NULL, metrics, FIRST};
    tokens = pl_token_new(http, &conf, &owner);
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
    ck_assert_uint_eq(counted(PL_TOKEN_GRANTED), 1);
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
    ck_assert_uint_eq(counted(PL_TOKEN_REFRESHED), 3);
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
    ck_assert_uint_eq(counted(PL_TOKEN_REFUSED), 1);
}
END_TEST

START_TEST(refused_for_good)
{
    ANSWERS("302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "200 OK\r\n\r\n<html>", DENIED);
    struct asker a = {0};
    for (int i = 0; i < 3; i++) {
        ask(&a);
        wait_for(&a);
        ck_assert_int_eq(a.err.kind, PL_ERR_CONFIG);
        ck_assert_int_ne(a.err.code, 0);
        ck_assert_msg(!strstr(a.err.msg, "p&=") && !strstr(a.err.msg, "p%26"), "%s", a.err.msg);
    }
    ck_assert_int_eq(server.requests, 3);
    ck_assert_uint_eq(counted(PL_TOKEN_FAILED), 3);
}
END_TEST

/* Asked for by many, again and again: refused credentials are not tried more often for that. */
START_TEST(denied_is_held)
{
    struct asker a[3] = {0};
    ANSWERS(DENIED, DENIED, OK("t1", LONG));
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < PL_COUNT(a); i++)
            ask(&a[i]);
        for (size_t i = 0; i < PL_COUNT(a); i++) {
            wait_for(&a[i]);
            ck_assert_int_eq(a[i].err.kind, PL_ERR_CONFIG);
            ck_assert_int_eq(a[i].err.code, 401);
            ck_assert_msg(strstr(a[i].err.msg, "Invalid user credentials"), "%s", a[i].err.msg);
        }
    }
    ck_assert_int_eq(server.requests, 1);
    ck_assert_msg(strstr(a[0].err.msg, "refused (1 in a row), not tried again for"), "%s",
                  a[0].err.msg);
    int64_t wait_ms = pl_token_retry_after_ms(tokens);
    ck_assert(wait_ms > 0 && wait_ms <= 10000);
    ck_assert_uint_eq(counted(PL_TOKEN_FAILED), 1);
    ck_assert_uint_eq(counted(PL_TOKEN_DENIED), 1);
    pl_token_forget(tokens); /* other secrets: at once */
    ck_assert_uint_eq(counted(PL_TOKEN_DENIED), 0);
    ask(&a[0]);
    wait_for(&a[0]);
    ck_assert_int_eq(server.requests, 2);
    ask(&a[1]); /* held, and the secrets change before its answer */
    pl_token_forget(tokens);
    wait_for(&a[1]);
    ck_assert_str_eq(a[1].token, "t1");
    ck_assert_uint_eq(counted(PL_TOKEN_DENIED), 0);
    ck_assert_int_eq(pl_token_retry_after_ms(tokens), -1);
}
END_TEST

/* The password was changed, and the last token still has some life: it is used until its end. */
START_TEST(denied_while_the_token_lives)
{
    struct asker a = {0};
    ANSWERS(OK("t1", ",\"expires_in\":3"), DENIED);
    ck_assert_str_eq(get(), "t1");
    while (server.requests == 1) { /* half of its life is over */
        ck_assert_str_eq(get(), "t1");
        usleep(10000);
    }
    ck_assert_str_eq(get(), "t1");
    do {
        ask(&a);
        wait_for(&a);
        usleep(10000);
    } while (a.err.kind == PL_ERR_NONE); /* its end */
    ck_assert_msg(strstr(a.err.msg, "Invalid user credentials"), "%s", a.err.msg);
    ck_assert_int_eq(server.requests, 2);
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
        TEST(denied_is_held),
        TEST(denied_while_the_token_lives),
        TEST(connection_lost),
        TEST(renewal_fails_early),
        TEST(ended_token_is_not_given_out),
        TEST(forgotten_meanwhile),
        TEST(asked_again_from_inside),
    };
    pl_http_global_init();
    return unit_main("token", tests, PL_COUNT(tests));
}

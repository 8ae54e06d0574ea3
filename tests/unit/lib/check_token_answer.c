/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_token_answer.c - token_answer.c and token_claims.c: forms, answers, errors and claims by
 * table; trees that held a token are wiped.
 */
#include "lib/auth/token_answer.h"
#include "lib/auth/token_claims.h"
#include "lib/json/document.h"
#include "tests/unit/unit.h"

static struct pl_auth_conf conf_of(int grant, int client_auth, const char *secret)
{
    return (struct pl_auth_conf){
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

/* The answer read, without a refresh token sent. */
static int reply_read(const struct pl_auth_conf *conf, long status, const char *body,
                      struct pl_token_answer *ret, struct pl_err *err)
{
    const struct pl_token_reply reply = {status, body, strlen(body), NULL};
    bool denied;
    return pl_token_reply_read(conf, &reply, ret, &denied, err);
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
        struct pl_auth_conf conf = conf_of(cases[i].grant, cases[i].client_auth, cases[i].secret);
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
    const struct pl_auth_conf conf = {.token_url = (char *)"https://h/t"};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_token_answer t = {0};
        struct pl_err err;
        int r = reply_read(&conf, 200, cases[i].body, &t, &err);
        ck_assert_msg((r == 0) == (cases[i].access != NULL), "%s", cases[i].body);
        if (r < 0) {
            ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
            ck_assert_msg(strstr(err.msg, "check auth.token_url"), "%s", err.msg);
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
    struct pl_auth_conf conf = conf_of(PL_GRANT_PASSWORD, PL_CLIENT_AUTH_BASIC, NULL);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_token_answer t = {0};
        struct pl_err err;
        ck_assert_int_eq(reply_read(&conf, cases[i].status, cases[i].body, &t, &err), -1);
        ck_assert_msg(err.kind == cases[i].kind, "%ld %s: %s", cases[i].status, cases[i].body,
                      err.msg);
        ck_assert_int_eq(err.code, cases[i].status);
        ck_assert_msg(strstr(err.msg, cases[i].has), "%ld %s: %s", cases[i].status, cases[i].body,
                      err.msg);
        ck_assert_msg(strstr(err.msg, "kc.example"), "%s", err.msg);
    }
}
END_TEST

/* The server's own words reach the person, whatever the status, and nothing else of its answer. */
START_TEST(words)
{
    static const struct {
        long status;
        const char *body;
        enum pl_err_kind kind;
        bool denied;
        const char *has[5], *lacks[5]; /* NULL ends each */
    } cases[] = {
        {200,
         "{\"error\":\"invalid_grant\",\"error_description\":\"Account is locked\"}",
         PL_ERR_CONFIG,
         true,
         {"invalid_grant", "Account is locked", "check auth.user and auth.password"},
         {"without a token"}},
        {200,
         "{\"error\":\"temporarily_unavailable\",\"error_description\":\"Come back later\"}",
         PL_ERR_RETRY,
         false,
         {"temporarily_unavailable", "Come back later"},
         {"check"}},
        {200, "{\"error\":\"code_42\"}", PL_ERR_CONFIG, false, {"code_42"}, {0}},
        {200,
         "{\"error_description\":\"no error named\"}",
         PL_ERR_CONFIG,
         false,
         {"no error named"},
         {0}},
        {200, "{\"error\":5}", PL_ERR_CONFIG, false, {"200 without a token"}, {0}},
        {404,
         "{\"error\":\"unknown_realm\",\"error_description\":\"There is no such realm\"}",
         PL_ERR_CONFIG,
         false,
         {"unknown_realm", "There is no such realm", "auth.realm"},
         {0}},
        {302,
         "{\"error\":\"moved\",\"error_description\":\"To the new house\"}",
         PL_ERR_CONFIG,
         false,
         {"redirects", "moved", "To the new house"},
         {0}},
        {503,
         "{\"error\":\"busy\",\"error_description\":\"Too many logins\"}",
         PL_ERR_RETRY,
         false,
         {"503", "busy", "Too many logins"},
         {0}},
        {401, "{\"error\":\"invalid_client\"}", PL_ERR_CONFIG, true, {"invalid_client"}, {"()"}},
        {401, "", PL_ERR_CONFIG, true, {"401"}, {0}},
        {400, "{\"error\":\"unauthorized_client\"}", PL_ERR_CONFIG, true, {"400"}, {0}},
        {400, "{\"error\":\"invalid_scope\"}", PL_ERR_CONFIG, false, {"400"}, {0}},
        {500, "{\"error\":\"invalid_grant\"}", PL_ERR_RETRY, false, {"500"}, {0}},
        /* What is repeated of what we sent, as it is or as it went, and all after it. */
        {401,
         "{\"error\":\"invalid_grant\",\"error_description\":\"wrong: pass-word & word (really)\"}",
         PL_ERR_CONFIG,
         true,
         {"wrong:"},
         {"pass-word", "really"}},
        {401,
         "{\"error\":\"invalid_grant\",\"error_description\":\"wrong: pass-word%20%26%20word\"}",
         PL_ERR_CONFIG,
         true,
         {"wrong:"},
         {"pass-word"}},
        {401,
         "{\"error\":\"client-secret-1 is wrong\"}",
         PL_ERR_CONFIG,
         true,
         {"401"},
         {"client-secret"}},
        {200,
         "{\"error\":\"no\",\"error_description\":\"token refresh.tok.en.1 has ended\"}",
         PL_ERR_CONFIG,
         false,
         {"no", "token"},
         {"refresh.tok.en", "has ended"}},
        {200,
         "{\"error\":\"a\\u001b[31mb\\r\\nc\",\"error_description\":\"\\u0007d\"}",
         PL_ERR_CONFIG,
         false,
         {"a [31mb", "c"},
         {"\x1b", "\n", "\r", "\a"}},
    };
    struct pl_auth_conf conf = conf_of(PL_GRANT_PASSWORD, PL_CLIENT_AUTH_BODY, "client-secret-1");
    conf.password.value = (char *)"pass-word & word";
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_token_answer t = {0};
        struct pl_err err;
        bool denied;
        size_t len = strlen(cases[i].body);
        const struct pl_token_reply reply = {cases[i].status, cases[i].body, len,
                                             "refresh.tok.en.1"};
        ck_assert_int_eq(pl_token_reply_read(&conf, &reply, &t, &denied, &err), -1);
        ck_assert_msg(err.kind == cases[i].kind && denied == cases[i].denied, "%s: %d %d: %s",
                      cases[i].body, err.kind, denied, err.msg);
        ck_assert_int_eq(err.code, cases[i].status);
        for (const char *const *has = cases[i].has; *has; has++)
            ck_assert_msg(strstr(err.msg, *has), "no %s: %s", *has, err.msg);
        for (const char *const *lacks = cases[i].lacks; *lacks; lacks++)
            ck_assert_msg(!strstr(err.msg, *lacks), "%s: %s", *lacks, err.msg);
    }
}
END_TEST

/* A server that repeats our Authorization header gives the client's secret away in base64. */
START_TEST(basic_is_not_repeated)
{
    struct pl_auth_conf conf =
        conf_of(PL_GRANT_CLIENT_CREDENTIALS, PL_CLIENT_AUTH_BASIC, "client-secret-1");
    PL_CLEANUP(pl_buf_release) struct pl_buf basic = {0};
    pl_token_basic(&conf, &basic);
    const char *credentials = strrchr(pl_buf_cstr(&basic), ' ') + 1;
    PL_FREE char *body = pl_strf("{\"error\":\"invalid_client\",\"error_description\":"
                                 "\"no such client: Basic %s\"}",
                                 credentials);
    const struct pl_token_reply reply = {401, body, strlen(body), NULL};
    struct pl_token_answer t = {0};
    struct pl_err err;
    bool denied;
    ck_assert_int_eq(pl_token_reply_read(&conf, &reply, &t, &denied, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "no such client: Basic"));
    ck_assert_msg(!memmem(err.msg, strlen(err.msg), credentials, 12), "%s", err.msg);
}
END_TEST

/* Asked each second for a day: three tries, then one an hour, below the 30 at which Keycloak locks
 * an account. */
START_TEST(tries_of_what_is_refused)
{
    static const int64_t at_s[] = {0, 10, 70, 3670, 7270};
    int64_t again_ms = 0;
    unsigned denied = 0;
    ck_assert_int_eq(pl_token_denied_wait_ms(0), 0);
    for (int64_t s = 0; s < 86400; s++) {
        if (s * 1000 < again_ms)
            continue;
        if (denied < PL_COUNT(at_s))
            ck_assert_int_eq(s, at_s[denied]);
        again_ms = s * 1000 + pl_token_denied_wait_ms(++denied);
    }
    ck_assert_uint_eq(denied, 26);
    ck_assert_int_eq(pl_token_denied_wait_ms(UINT32_MAX), 3600000);
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

/* ---- wiping ---- */

#define SECRET "s3cr3t-t0k3n-0123456789"

/* Blocks know their size, and whether the secret is in them is looked at when they are freed. */
static size_t freed, left_behind;

static void *block_new(size_t size)
{
    size_t *block = malloc(size + 2 * sizeof(size_t));
    *block = size;
    return block + 2;
}

static void block_free(void *p)
{
    if (!p)
        return;
    size_t *block = (size_t *)p - 2;
    freed++;
    left_behind += memmem(p, *block, SECRET, strlen(SECRET)) != NULL;
    free(block);
}

START_TEST(wiped)
{
    static const char *const bodies[] = {
        "{\"access_token\":\"" SECRET "\",\"refresh_token\":\"" SECRET "\",\"scope\":\"" SECRET
        "\"}",
        "{\"token\":\"" SECRET "\"}",
        "{\"access_token\":\"" SECRET "\\n\"}",
        "{\"error\":\"x\",\"error_description\":[[{\"a\":\"" SECRET "\"}]]}",
        /* Cut: what is no JSON does not come into a tree at all. */
        "{\"access_token\":\"" SECRET "\",\"a\":",
    };
    /* {"sub":"s3cr3t-t0k3n-0123456789"} */
    static const char token[] = "e30.eyJzdWIiOiJzM2NyM3QtdDBrM24tMDEyMzQ1Njc4OSJ9.";
    const struct pl_auth_conf conf = {.token_url = (char *)"https://h/t"};
    struct pl_buf out = {0};
    struct pl_err err;
    cJSON *tree;
    cJSON_InitHooks(&(cJSON_Hooks){block_new, block_free});
    ck_assert_int_eq(pl_doc_parse(bodies[0], strlen(bodies[0]), 1000, &tree, &err), 0);
    cJSON_Delete(tree);
    ck_assert_uint_eq(left_behind, 3); /* it would be seen */
    left_behind = 0;
    for (size_t i = 0; i < PL_COUNT(bodies); i++) {
        struct pl_token_answer t = {0};
        int r = reply_read(&conf, 200, bodies[i], &t, &err);
        ck_assert_int_eq(r, i == 0 ? 0 : -1);
        pl_token_answer_release(&t);
        ck_assert_int_eq(reply_read(&conf, 400, bodies[i], &t, &err), -1);
        ck_assert_msg(!strstr(err.msg, SECRET), "%s", err.msg);
    }
    freed = 0;
    ck_assert(pl_token_claims_print(token, &out, NULL));
    ck_assert_uint_gt(freed, 0);
    ck_assert_uint_eq(left_behind, 0);
    cJSON_InitHooks(NULL);
    pl_buf_release(&out);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(forms),
        TEST(answers),
        TEST(errors),
        TEST(words),
        TEST(basic_is_not_repeated),
        TEST(tries_of_what_is_refused),
        TEST(renewal_times),
        TEST(claims),
        TEST(wiped),
    };
    return unit_main("token_answer", tests, PL_COUNT(tests));
}

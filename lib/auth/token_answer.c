/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_answer.c - see token_answer.h.
 */
#include "lib/auth/token_answer.h"

#include <stdio.h>

#include "lib/base/text.h"
#include "lib/http/percent.h"
#include "lib/json/document.h"

#define DESCRIPTION_MAX 160 /* bytes of the server's words that are passed on */

#define LIFE_MAX_S INT64_C(315360000) /* ten years: sums of milliseconds cannot overflow */

void pl_token_answer_release(struct pl_token_answer *t)
{
    pl_wipe(t->access);
    pl_wipe(t->refresh);
    *t = (struct pl_token_answer){0};
}

/* ---- forms ---- */

/* application/x-www-form-urlencoded, as RFC 6749 (appendix B) requires. */
static void add_field(struct pl_buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    if (out->len > 0)
        pl_buf_add_byte(out, '&');
    pl_buf_add_str(out, name);
    pl_buf_add_byte(out, '=');
    pl_percent_add(out, value);
}

static size_t len_of(const char *text)
{
    return text ? strlen(text) : 0;
}

static bool uses_basic(const struct pl_auth_conf *conf)
{
    return conf->client_secret.value && conf->client_auth == PL_CLIENT_AUTH_BASIC;
}

void pl_token_form(const struct pl_auth_conf *conf, const char *refresh, struct pl_buf *ret)
{
    pl_buf_reserve(ret, 256 + 3 * (len_of(refresh) + len_of(conf->client_id) +
                                   len_of(conf->client_secret.value) + len_of(conf->user) +
                                   len_of(conf->password.value) + len_of(conf->scope)));
    if (refresh) {
        add_field(ret, "grant_type", "refresh_token");
        add_field(ret, "refresh_token", refresh);
    } else if (conf->grant == PL_GRANT_PASSWORD) {
        add_field(ret, "grant_type", "password");
        add_field(ret, "username", conf->user);
        add_field(ret, "password", conf->password.value);
    } else {
        add_field(ret, "grant_type", "client_credentials");
    }
    if (!refresh)
        add_field(ret, "scope", conf->scope);
    if (uses_basic(conf))
        return;
    add_field(ret, "client_id", conf->client_id);
    add_field(ret, "client_secret", conf->client_secret.value);
}

void pl_auth_basic(const char *user, const char *password, struct pl_buf *ret)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf pair = {0};
    size_t size = len_of(user) + len_of(password) + 8;
    pl_buf_reserve(&pair, size);
    pl_buf_reserve(ret, 2 * size + 64);
    pl_buf_add_str(&pair, user);
    pl_buf_add_byte(&pair, ':');
    pl_buf_add_str(&pair, password);
    pl_buf_add_str(ret, "Authorization: Basic ");
    pl_buf_reserve(ret, PL_BASE64_SIZE(pair.len));
    ret->len += pl_base64_encode(pair.data, pair.len, ret->data + ret->len);
}

void pl_token_basic(const struct pl_auth_conf *conf, struct pl_buf *ret)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf id = {0};
    PL_CLEANUP(pl_buf_wipe) struct pl_buf secret = {0};
    if (!uses_basic(conf))
        return;
    pl_buf_reserve(&id, 3 * len_of(conf->client_id) + 1);
    pl_buf_reserve(&secret, 3 * len_of(conf->client_secret.value) + 1);
    pl_percent_add(&id, conf->client_id);
    pl_percent_add(&secret, conf->client_secret.value);
    pl_auth_basic(pl_buf_cstr(&id), pl_buf_cstr(&secret), ret);
}

/* ---- tokens ---- */

/* A copy of what can be a header's value as it is: visible ASCII (RFC 6750, 2.1; RFC 6749, A.12);
 * or NULL. */
static char *token_text(const char *text)
{
    if (!text || !text[0])
        return NULL;
    for (const char *p = text; *p; p++)
        if (*p <= 0x20 || *p > 0x7e)
            return NULL;
    return pl_strdup(text);
}

/* Some servers write the seconds as a text. `unknown`: where there are none. */
static int64_t seconds_ms(const cJSON *answer, const char *name, int64_t unknown)
{
    const char *text = pl_doc_str(answer, name);
    int64_t s = -1;
    if (text && text[0] && strlen(text) < 16 && text[strspn(text, "0123456789")] == '\0')
        s = strtoll(text, NULL, 10);
    else
        pl_doc_int(answer, name, &s);
    return s < 0 ? unknown : (s < LIFE_MAX_S ? s : LIFE_MAX_S) * 1000;
}

int64_t pl_token_renew_after_ms(int64_t life_ms, uint64_t random)
{
    int64_t after_ms = life_ms / 100 * 70 + (int64_t)(random % (uint64_t)(life_ms / 5 + 1));
    if (after_ms > life_ms - 5000)
        after_ms = life_ms - 5000;
    return after_ms > life_ms / 2 ? after_ms : life_ms / 2;
}

/* ---- errors ---- */

/* The usual cause at Keycloak of each error. */
static const struct pl_token_error {
    const char *name;        /* RFC 6749, 5.2 */
    const char *description; /* a part of the server's; NULL: any */
    enum pl_err_kind kind;
    const char *advice;
} pl_token_errors[] = {
    {"invalid_grant", "not fully set up", PL_ERR_CONFIG,
     "the user's account lacks an e-mail, first or last name, or has required actions: complete it "
     "in Keycloak"},
    {"invalid_grant", "disabled", PL_ERR_CONFIG, "enable the user in Keycloak (auth.user)"},
    {"invalid_grant", NULL, PL_ERR_CONFIG, "check auth.user and auth.password"},
    {"unauthorized_client", "client secret", PL_ERR_CONFIG,
     "check auth.client_id and auth.client_secret"},
    {"unauthorized_client", NULL, PL_ERR_CONFIG,
     "check auth.client_id and auth.client_secret, and that the client may use this grant (direct "
     "access grants for password, service accounts for client_credentials)"},
    {"invalid_client", NULL, PL_ERR_CONFIG,
     "check auth.client_id, auth.client_secret and auth.client_auth"},
    {"unsupported_grant_type", NULL, PL_ERR_CONFIG, "check auth.grant"},
    {"invalid_scope", NULL, PL_ERR_CONFIG, "check auth.scope"},
    {"temporarily_unavailable", NULL, PL_ERR_RETRY, NULL},
    {"server_error", NULL, PL_ERR_RETRY, NULL},
};

/* The server's own words. */
struct words {
    char error[DESCRIPTION_MAX], description[DESCRIPTION_MAX];
};

/* The length of the text before a secret that it repeats, plain or percent-encoded. */
static size_t before_secret(const char *text, size_t len, const char *secret)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf encoded = {0};
    if (!secret)
        return len;
    pl_buf_reserve(&encoded, 3 * strlen(secret) + 1);
    pl_percent_add(&encoded, secret);
    len = pl_text_before_secret(text, len, secret);
    return pl_text_before_secret(text, len, pl_buf_cstr(&encoded));
}

/* The same for our Authorization header: base64 hides nothing. */
static size_t before_basic(const struct pl_auth_conf *conf, const char *text, size_t len)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf basic = {0};
    pl_token_basic(conf, &basic);
    const char *credentials = strrchr(pl_buf_cstr(&basic), ' ');
    return pl_text_before_secret(text, len, credentials ? credentials + 1 : NULL);
}

/* A text of the answer as one short line; "": none. */
static void word_read(const struct pl_auth_conf *conf, const char *refresh, const char *text,
                      char *ret)
{
    size_t len = len_of(text);
    len = before_secret(text, len, conf->password.value);
    len = before_secret(text, len, conf->client_secret.value);
    len = before_secret(text, len, refresh);
    len = before_basic(conf, text, len);
    pl_text_scrub(text, len, NULL, ret, DESCRIPTION_MAX);
}

static const struct pl_token_error *error_find(const struct words *words)
{
    for (size_t i = 0; i < PL_COUNT(pl_token_errors); i++) {
        const struct pl_token_error *e = &pl_token_errors[i];
        if (strcmp(e->name, words->error) == 0 &&
            (!e->description || strcasestr(words->description, e->description)))
            return e;
    }
    return NULL;
}

/* " invalid_grant (Account disabled)", or what there is of it. */
static void words_join(const struct words *w, char *ret, size_t size)
{
    snprintf(ret, size, "%s%s%s%s%s", w->error[0] ? " " : "", w->error,
             w->description[0] ? " (" : "", w->description, w->description[0] ? ")" : "");
}

static bool is_denied(const struct words *words, const struct pl_token_error *known, long status)
{
    static const char *const names[] = {"invalid_grant", "invalid_client", "unauthorized_client"};
    if (pl_http_status_kind(status) == PL_ERR_RETRY || (known && known->kind == PL_ERR_RETRY))
        return false;
    for (size_t i = 0; i < PL_COUNT(names); i++)
        if (strcmp(words->error, names[i]) == 0)
            return true;
    return status == 401;
}

static int err_from_words(struct pl_err *err, const struct pl_auth_conf *conf, long status,
                          const struct words *words, bool *ret_denied)
{
    const struct pl_token_error *known = error_find(words);
    enum pl_err_kind kind = pl_http_status_kind(status);
    char host[256], said[2 * DESCRIPTION_MAX + 8];
    pl_auth_token_host(conf, host, sizeof(host));
    words_join(words, said, sizeof(said));
    *ret_denied = is_denied(words, known, status);
    if (kind != PL_ERR_RETRY)
        kind = PL_ERR_CONFIG;
    if (status >= 300 && status < 400)
        return pl_err_set(err, PL_ERR_CONFIG, (int)status,
                          "%s redirects (%ld%s), which is not followed with secrets: set %s to "
                          "where it points",
                          host, status, said, conf->token_url ? "auth.token_url" : "auth.url");
    if (status == 404 && conf->token_url)
        return pl_err_set(err, kind, 404,
                          "%s has no token endpoint at this path (404%s): check auth.token_url",
                          host, said);
    if (status == 404)
        return pl_err_set(err, kind, 404,
                          "%s has no realm %s at this path (404%s): check auth.url (old Keycloaks "
                          "have /auth at its end) and auth.realm",
                          host, conf->realm, said);
    if (known && kind != PL_ERR_RETRY)
        kind = known->kind;
    const char *advice = known ? known->advice : NULL;
    return pl_err_set(err, kind, (int)status, "%s gives no token: %ld%s%s%s", host, status, said,
                      advice ? ": " : "", advice ? advice : "");
}

int pl_token_reply_read(const struct pl_auth_conf *conf, const struct pl_token_reply *reply,
                        struct pl_token_answer *ret, bool *ret_denied, struct pl_err *err)
{
    PL_CLEANUP(pl_doc_wipep) cJSON *answer = NULL;
    struct pl_err why = {.msg = "no usable access_token in it"};
    struct words words;
    pl_doc_parse(reply->body, reply->len, PL_TOKEN_ANSWER_MAX, &answer, &why); /* or no tree */
    char *access = reply->status == 200 ? token_text(pl_doc_str(answer, "access_token")) : NULL;
    *ret_denied = false;
    if (access) {
        *ret = (struct pl_token_answer){
            .access = access,
            .refresh = token_text(pl_doc_str(answer, "refresh_token")),
            .life_ms = seconds_ms(answer, "expires_in", PL_TOKEN_LIFE_UNKNOWN_MS),
            .refresh_life_ms = seconds_ms(answer, "refresh_expires_in", 0),
        };
        return 0;
    }
    word_read(conf, reply->refresh, pl_doc_str(answer, "error"), words.error);
    word_read(conf, reply->refresh, pl_doc_str(answer, "error_description"), words.description);
    if (reply->status == 200 && !words.error[0] && !words.description[0])
        return pl_err_set(err, PL_ERR_CONFIG, 200,
                          "the token endpoint answered 200 without a token (%s): check %s", why.msg,
                          pl_auth_url_options(conf));
    return err_from_words(err, conf, reply->status, &words, ret_denied);
}

int64_t pl_token_denied_wait_ms(unsigned denied)
{
    static const int64_t waits_ms[PL_TOKEN_DENIED_OFTEN + 1] = {0, 10000, 60000, 3600000};
    return waits_ms[denied < PL_TOKEN_DENIED_OFTEN ? denied : PL_TOKEN_DENIED_OFTEN];
}

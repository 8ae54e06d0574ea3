/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_answer.c - see token_answer.h.
 *
 * Servers name their errors by a few words (RFC 6749, 5.2), and each has one usual cause at
 * Keycloak; a table gives it to the person who reads the log.
 */
#include "lib/auth/token_answer.h"

#include <stdio.h>

#include "lib/json/reader.h"

enum {
    DESCRIPTION_MAX = 160, /* of the server's words that are passed on */
    SECRET_BEGIN = 12,     /* bytes by which a token is recognised in a text */
};

/* ---- secrets ---- */

void pl_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void pl_buf_wipe(struct pl_buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    pl_buf_release(b);
}

void pl_token_answer_release(struct pl_token_answer *t)
{
    pl_wipe(t->access);
    pl_wipe(t->refresh);
    free(t->scope);
    *t = (struct pl_token_answer){0};
}

void pl_token_scrub(const char *text, size_t len, const char *secret, char *out, size_t size)
{
    size_t begin = secret ? strnlen(secret, SECRET_BEGIN) : 0, n = 0;
    const char *found = begin == SECRET_BEGIN && len > 0 ? memmem(text, len, secret, begin) : NULL;
    if (found)
        len = (size_t)(found - text);
    for (size_t i = 0; i < len && n < size - 1; i++) {
        unsigned char c = (unsigned char)text[i];
        /* C0, DEL, and the C1 controls, which are C2 80 to C2 9F in UTF-8. */
        bool c1 = c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0;
        out[n++] = c < 0x20 || c == 0x7f || c1 ? ' ' : text[i];
        i += c1;
    }
    /* Not in the middle of a character. */
    if (n == size - 1)
        while (n > 0 && ((unsigned char)out[n - 1] & 0x80))
            n--;
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* ---- forms ---- */

/* application/x-www-form-urlencoded, as RFC 6749 (appendix B) wants it. */
static void add_encoded(struct pl_buf *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
            strchr("-._~", c)) {
            pl_buf_add_byte(out, (char)c);
        } else {
            const char bytes[] = {'%', hex[c >> 4], hex[c & 15]};
            pl_buf_add(out, bytes, sizeof(bytes));
        }
    }
}

static void add_field(struct pl_buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    if (out->len > 0)
        pl_buf_add_byte(out, '&');
    pl_buf_add_str(out, name);
    pl_buf_add_byte(out, '=');
    add_encoded(out, value);
}

static size_t len_of(const char *text)
{
    return text ? strlen(text) : 0;
}

static bool uses_basic(const struct pl_token_conf *conf)
{
    return conf->client_secret.value && conf->client_auth == PL_CLIENT_AUTH_BASIC;
}

void pl_token_form(const struct pl_token_conf *conf, const char *refresh, struct pl_buf *ret)
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

static void add_base64(struct pl_buf *out, const unsigned char *p, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v =
            (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        const char four[] = {digits[v >> 18], digits[v >> 12 & 63],
                             n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};
        pl_buf_add(out, four, sizeof(four));
    }
}

void pl_token_basic(const struct pl_token_conf *conf, struct pl_buf *ret)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf pair = {0};
    if (!uses_basic(conf))
        return;
    size_t size = 3 * (len_of(conf->client_id) + len_of(conf->client_secret.value)) + 8;
    pl_buf_reserve(&pair, size);
    pl_buf_reserve(ret, 2 * size + 64);
    add_encoded(&pair, conf->client_id);
    pl_buf_add_byte(&pair, ':');
    add_encoded(&pair, conf->client_secret.value);
    pl_buf_add_str(ret, "Authorization: Basic ");
    add_base64(ret, (const unsigned char *)pair.data, pair.len);
}

/* ---- tokens ---- */

/* A text that is a header's value as it is: visible ASCII (RFC 6750, 2.1; RFC 6749, A.12). NULL
 * when it is none. */
static char *token_text(struct pl_json *j)
{
    struct pl_json_str str;
    if (pl_json_peek(j) != PL_JSON_STRING) {
        pl_json_skip(j, NULL);
        return NULL;
    }
    pl_json_string(j, &str);
    char *text = pl_alloc(str.len + 1);
    ssize_t len = pl_json_unescape(&str, text);
    for (ssize_t i = 0; i < len; i++)
        if (text[i] <= 0x20 || text[i] > 0x7e)
            len = 0;
    if (len > 0)
        return text;
    pl_wipe(text);
    return NULL;
}

static void scope_read(struct pl_json *j, char **ret)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct pl_json_str str;
    if (*ret || pl_json_peek(j) != PL_JSON_STRING)
        pl_json_skip(j, NULL);
    else if (pl_json_string(j, &str) && pl_json_unescape_buf(&str, &text) && text.len > 0)
        *ret = pl_buf_take(&text);
}

/* Seconds, some servers write them as a text. -1: none. */
static int64_t seconds_read(struct pl_json *j)
{
    struct pl_json_num num;
    struct pl_json_str str;
    int64_t s = -1;
    enum pl_json_type type = pl_json_peek(j);
    if (type == PL_JSON_NUMBER && pl_json_number(j, &num)) {
        if (pl_json_num_i64(&num, &s) != PL_JSON_NUM_OK)
            s = -1;
    } else if (type == PL_JSON_STRING && pl_json_string(j, &str)) {
        struct pl_json inner;
        pl_json_init(&inner, str.p, str.len, 0);
        if (!pl_json_number(&inner, &num) || !pl_json_end(&inner) ||
            pl_json_num_i64(&num, &s) != PL_JSON_NUM_OK)
            s = -1;
    } else {
        pl_json_skip(j, NULL);
    }
    return s < 0 ? -1 : s > INT64_C(315360000) ? INT64_C(315360000) : s;
}

int pl_token_answer_read(const char *body, size_t len, struct pl_token_answer *ret,
                         struct pl_err *err)
{
    PL_CLEANUP(pl_token_answer_release) struct pl_token_answer t = {0};
    int64_t life_s = -1, refresh_life_s = -1;
    struct pl_json_str key;
    struct pl_json j;
    pl_json_init(&j, body, len, 0);
    pl_json_object_begin(&j);
    while (pl_json_object_next(&j, &key)) {
        if (pl_json_str_eq(&key, "access_token") && !t.access)
            t.access = token_text(&j);
        else if (pl_json_str_eq(&key, "refresh_token") && !t.refresh)
            t.refresh = token_text(&j);
        else if (pl_json_str_eq(&key, "expires_in"))
            life_s = seconds_read(&j);
        else if (pl_json_str_eq(&key, "refresh_expires_in"))
            refresh_life_s = seconds_read(&j);
        else if (pl_json_str_eq(&key, "scope"))
            scope_read(&j, &t.scope);
        else
            pl_json_skip(&j, NULL);
    }
    if (!pl_json_end(&j) || !t.access)
        return pl_err_set(err, PL_ERR_CONFIG, 200,
                          "the token endpoint answered 200 without a token (%s): check auth.url "
                          "and auth.realm",
                          j.error ? j.error : "no usable access_token in it");
    t.life_ms = life_s < 0 ? PL_TOKEN_LIFE_UNKNOWN_MS : life_s * 1000;
    t.refresh_life_ms = refresh_life_s < 0 ? 0 : refresh_life_s * 1000;
    *ret = t;
    t = (struct pl_token_answer){0};
    return 0;
}

int64_t pl_token_renew_after_ms(int64_t life_ms, uint64_t random)
{
    int64_t after_ms = life_ms / 100 * 70 + (int64_t)(random % (uint64_t)(life_ms / 5 + 1));
    if (after_ms > life_ms - 5000)
        after_ms = life_ms - 5000;
    return after_ms > life_ms / 2 ? after_ms : life_ms / 2;
}

/* ---- errors ---- */

static const struct pl_token_error {
    const char *name;        /* RFC 6749, 5.2; NULL: any */
    const char *description; /* is a part of the server's; NULL: any */
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

/* `error` and `error_description` of the answer, "" where there are none. */
static void error_read(const char *body, size_t len, char *ret_name, char *ret_description)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct pl_json_str key, str;
    struct pl_json j;
    ret_name[0] = ret_description[0] = '\0';
    pl_json_init(&j, body, len, 0);
    pl_json_object_begin(&j);
    while (pl_json_object_next(&j, &key)) {
        bool name = pl_json_str_eq(&key, "error");
        if ((!name && !pl_json_str_eq(&key, "error_description")) ||
            pl_json_peek(&j) != PL_JSON_STRING) {
            pl_json_skip(&j, NULL);
            continue;
        }
        pl_json_string(&j, &str);
        pl_buf_reset(&text);
        if (pl_json_unescape_buf(&str, &text))
            pl_token_scrub(text.data, text.len, NULL, name ? ret_name : ret_description,
                           DESCRIPTION_MAX);
    }
}

static const struct pl_token_error *error_find(const char *name, const char *description)
{
    for (size_t i = 0; i < PL_COUNT(pl_token_errors); i++) {
        const struct pl_token_error *e = &pl_token_errors[i];
        if (strcmp(e->name, name) == 0 &&
            (!e->description || strcasestr(description, e->description)))
            return e;
    }
    return NULL;
}

int pl_token_err_from_status(struct pl_err *err, const struct pl_token_conf *conf, long status,
                             const char *body, size_t len)
{
    char name[DESCRIPTION_MAX], description[DESCRIPTION_MAX], host[256];
    enum pl_err_kind kind = pl_http_status_kind(status);
    const struct pl_token_error *known;
    pl_http_host(conf->url, host, sizeof(host));
    error_read(body, len, name, description);
    if (kind != PL_ERR_RETRY)
        kind = PL_ERR_CONFIG;
    if (status >= 300 && status < 400)
        return pl_err_set(err, PL_ERR_CONFIG, (int)status,
                          "%s redirects (%ld), which is not followed with secrets: set auth.url to "
                          "where it points",
                          host, status);
    if (status == 404)
        return pl_err_set(
            err, kind, 404,
            "%s has no realm %s at this path (404%s%s): check auth.url (old Keycloaks "
            "have /auth at its end) and auth.realm",
            host, conf->realm, name[0] ? " " : "", name);
    known = error_find(name, description);
    if (known && kind != PL_ERR_RETRY)
        kind = known->kind;
    return pl_err_set(err, kind, (int)status, "%s gives no token: %ld%s%s%s%s%s%s%s", host, status,
                      name[0] ? " " : "", name, description[0] ? " (" : "", description,
                      description[0] ? ")" : "", known && known->advice ? ": " : "",
                      known && known->advice ? known->advice : "");
}

/* ---- claims ---- */

static int base64url_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' || c == '+' ? 62 : c == '_' || c == '/' ? 63 : -1;
}

static bool base64url_decode(const char *p, size_t len, struct pl_buf *out)
{
    uint32_t bits = 0;
    unsigned n = 0;
    for (size_t i = 0; i < len && p[i] != '='; i++) {
        int digit = base64url_digit(p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n += 6;
        if (n >= 8) {
            n -= 8;
            pl_buf_add_byte(out, (char)(bits >> n & 0xff));
        }
    }
    return true;
}

static void text_print(const struct pl_json_str *str, struct pl_buf *out)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    char plain[256];
    if (!pl_json_unescape_buf(str, &text) || text.len == 0)
        return;
    pl_token_scrub(text.data, text.len, NULL, plain, sizeof(plain));
    pl_buf_add_str(out, plain);
}

/* A text, or a list of texts joined by commas. */
static void texts_print(struct pl_json *j, struct pl_buf *out)
{
    struct pl_json_str str;
    enum pl_json_type type = pl_json_peek(j);
    if (type == PL_JSON_STRING && pl_json_string(j, &str)) {
        text_print(&str, out);
    } else if (type == PL_JSON_ARRAY) {
        pl_json_array_begin(j);
        for (size_t n = 0; pl_json_array_next(j); n++) {
            pl_buf_add_str(out, n > 0 ? ", " : "");
            texts_print(j, out);
        }
    } else {
        pl_json_skip(j, NULL);
    }
}

/* The roles inside {"roles":[…]}; `of`: whose. */
static void roles_print(struct pl_json *j, const struct pl_json_str *of, struct pl_buf *out)
{
    struct pl_json_str key;
    if (pl_json_peek(j) != PL_JSON_OBJECT) {
        pl_json_skip(j, NULL);
        return;
    }
    pl_json_object_begin(j);
    while (pl_json_object_next(j, &key)) {
        if (!pl_json_str_eq(&key, "roles")) {
            pl_json_skip(j, NULL);
            continue;
        }
        pl_buf_add_str(out, "  roles     ");
        texts_print(j, out);
        pl_buf_add_str(out, of ? " (of client " : " (of the realm");
        if (of)
            text_print(of, out);
        pl_buf_add_str(out, ")\n");
    }
}

static void client_roles_print(struct pl_json *j, struct pl_buf *out)
{
    struct pl_json_str client;
    if (pl_json_peek(j) != PL_JSON_OBJECT) {
        pl_json_skip(j, NULL);
        return;
    }
    pl_json_object_begin(j);
    while (pl_json_object_next(j, &client))
        roles_print(j, &client, out);
}

static void claim_print(struct pl_json *j, const struct pl_json_str *key, struct pl_buf *out)
{
    static const struct {
        const char *claim, *label;
    } claims[] = {
        {"iss", "issuer"},   {"preferred_username", "user"}, {"azp", "client"}, {"aud", "audience"},
        {"scope", "scopes"},
    };
    for (size_t i = 0; i < PL_COUNT(claims); i++) {
        if (!pl_json_str_eq(key, claims[i].claim))
            continue;
        pl_buf_addf(out, "  %-9s ", claims[i].label);
        texts_print(j, out);
        pl_buf_add_byte(out, '\n');
        return;
    }
    if (pl_json_str_eq(key, "realm_access"))
        roles_print(j, NULL, out);
    else if (pl_json_str_eq(key, "resource_access"))
        client_roles_print(j, out);
    else
        pl_json_skip(j, NULL);
}

bool pl_token_claims_print(const char *access, struct pl_buf *out, int64_t *ret_exp_ms)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf payload = {0};
    const char *first = strchr(access, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    struct pl_json_str key;
    struct pl_json_num num;
    struct pl_json j;
    size_t before = out->len;
    int64_t exp_s = 0;
    if (!second)
        return false;
    pl_buf_reserve(&payload, (size_t)(second - first));
    if (!base64url_decode(first + 1, (size_t)(second - first) - 1, &payload))
        return false;
    pl_json_init(&j, payload.data ? payload.data : "", payload.len, 0);
    pl_json_object_begin(&j);
    while (pl_json_object_next(&j, &key)) {
        if (!pl_json_str_eq(&key, "exp") || pl_json_peek(&j) != PL_JSON_NUMBER)
            claim_print(&j, &key, out);
        else if (pl_json_number(&j, &num) && pl_json_num_i64(&num, &exp_s) != PL_JSON_NUM_OK)
            exp_s = 0;
    }
    if (!pl_json_end(&j)) {
        out->len = before;
        return false;
    }
    if (ret_exp_ms)
        *ret_exp_ms = exp_s > 0 && exp_s < INT64_C(253402300800) ? exp_s * 1000 : 0;
    return true;
}

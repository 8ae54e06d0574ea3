/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 */
#include "lib/auth/conf.h"

#include "lib/http/field.h"
#include "lib/http/percent.h"

const char *const pl_auth_methods[] = {"none", "basic", "bearer", "header", "token", NULL};
const char *const pl_auth_grants[] = {"password", "client_credentials", NULL};
const char *const pl_auth_clients[] = {"basic", "body", NULL};

/* What options are for: a method, and of the method token each grant. */
enum {
    FOR_BASIC = 1 << PL_AUTH_BASIC,
    FOR_BEARER = 1 << PL_AUTH_BEARER,
    FOR_HEADER = 1 << PL_AUTH_HEADER,
    FOR_PASSWORD = 1 << PL_AUTH_TOKEN,
    FOR_CLIENT = 2 << PL_AUTH_TOKEN,
    FOR_TOKEN = FOR_PASSWORD | FOR_CLIENT,
};

static unsigned purpose_of(const struct pl_auth_conf *conf)
{
    bool by_client = conf->method == PL_AUTH_TOKEN && conf->grant == PL_GRANT_CLIENT_CREDENTIALS;
    return by_client ? FOR_CLIENT : 1U << conf->method;
}

/* "auth.grant: password" */
static const char *purpose_name(unsigned purpose)
{
    return purpose == FOR_BASIC      ? "method: basic"
           : purpose == FOR_BEARER   ? "method: bearer"
           : purpose == FOR_HEADER   ? "method: header"
           : purpose == FOR_PASSWORD ? "grant: password"
           : purpose == FOR_CLIENT   ? "grant: client_credentials"
                                     : "method: token";
}

struct option {
    const char *name, *value; /* value NULL: not set */
    bool secret;
    unsigned used, needed; /* for what */
    const char *with;      /* told together with this secret, which is missing as well; or NULL */
};

/* It may have a finding already: a file that cannot be read. */
static bool is_told(struct pl_findings *errs, const char *path)
{
    PL_FREE char *begin = pl_strf(" %s: ", path);
    return strstr(pl_buf_cstr(&errs->text), begin) != NULL;
}

static void option_check(const struct option *o, unsigned purpose, const char *prefix,
                         struct pl_findings *errs)
{
    PL_FREE char *path = pl_strf("%s.%s", prefix, o->name);
    PL_FREE char *with = o->with ? pl_strf(", and %s.%s", prefix, o->with) : NULL;
    if (!o->value && (o->needed & purpose) && !is_told(errs, path))
        pl_findings_add(errs, 0, 0, "%s: is needed for %s.%s%s%s", path, prefix,
                        purpose_name(o->needed == FOR_TOKEN ? FOR_TOKEN : purpose),
                        with ? with : "",
                        o->secret || with ? ", such as { credential: NAME }" : "");
    if (!o->value || (o->used & purpose))
        return;
    if (o->used == (FOR_BASIC | FOR_PASSWORD))
        pl_findings_add(errs, 0, 0,
                        "%s: is for %s.method: basic or %s.grant: password, which is not set", path,
                        prefix, prefix);
    else
        pl_findings_add(errs, 0, 0, "%s: is for %s.%s, which is not set", path, prefix,
                        purpose_name(o->used));
}

/* ---- what can be sent as it is ---- */

static void values_check(const struct pl_auth_conf *conf, const char *prefix,
                         struct pl_findings *errs)
{
    if (conf->realm && strpbrk(conf->realm, "/?# "))
        pl_findings_add(errs, 0, 0, "%s.realm: the name only, without '/'", prefix);
    if (conf->method == PL_AUTH_BASIC && conf->user && strchr(conf->user, ':'))
        pl_findings_add(errs, 0, 0, "%s.user: without ':', which HTTP Basic parts it by", prefix);
    if (conf->header.name && !pl_http_is_field_name(conf->header.name))
        pl_findings_add(errs, 0, 0, "%s.header.name: the name only, without ':' or spaces", prefix);
    if (conf->header.value.value && !pl_http_is_field_value(conf->header.value.value, true))
        pl_findings_add(errs, 0, 0, "%s.header.value: has characters that no header may have",
                        prefix);
    if (conf->bearer.value && !pl_http_is_field_value(conf->bearer.value, false))
        pl_findings_add(errs, 0, 0, "%s.bearer: the token only, without \"Bearer\" or spaces",
                        prefix);
}

void pl_auth_conf_check(const struct pl_auth_conf *conf, const char *prefix,
                        struct pl_findings *errs)
{
    const unsigned user = FOR_BASIC | FOR_PASSWORD;
    PL_FREE char *token_url = pl_strf("%s.token_url", prefix);
    bool other = conf->token_url || is_told(errs, token_url);
    PL_FREE char *password = pl_strf("%s.password", prefix);
    bool neither = !conf->user && !conf->password.value && !is_told(errs, password);
    const struct option options[] = {
        {"url", conf->url, false, FOR_TOKEN, other ? 0 : FOR_TOKEN, NULL},
        {"token_url", conf->token_url, false, FOR_TOKEN, 0, NULL},
        {"client_id", conf->client_id, false, FOR_TOKEN, FOR_TOKEN, NULL},
        {"client_secret", conf->client_secret.value, true, FOR_TOKEN, FOR_CLIENT, NULL},
        {"user", conf->user, false, user, user, neither ? "password" : NULL},
        {"password", conf->password.value, true, user, neither ? 0 : user, NULL},
        {"scope", conf->scope, false, FOR_TOKEN, 0, NULL},
        {"bearer", conf->bearer.value, true, FOR_BEARER, FOR_BEARER, NULL},
        {"header.name", conf->header.name, false, FOR_HEADER, FOR_HEADER, NULL},
        {"header.value", conf->header.value.value, true, FOR_HEADER, FOR_HEADER, NULL},
    };
    for (size_t i = 0; i < PL_COUNT(options); i++)
        option_check(&options[i], purpose_of(conf), prefix, errs);
    values_check(conf, prefix, errs);
}

/* ---- the token endpoint ---- */

char *pl_auth_token_url(const struct pl_auth_conf *conf)
{
    if (conf->token_url)
        return pl_strdup(conf->token_url);
    /* https://www.keycloak.org/securing-apps/oidc-layers, "Token endpoint". */
    struct pl_buf url = {0};
    pl_buf_add_str(&url, conf->url);
    while (url.len > 0 && url.data[url.len - 1] == '/')
        url.len--;
    pl_buf_add_str(&url, "/realms/");
    pl_percent_add(&url, conf->realm);
    pl_buf_add_str(&url, "/protocol/openid-connect/token");
    return pl_buf_take(&url);
}

const char *pl_auth_url_options(const struct pl_auth_conf *conf)
{
    return conf->token_url ? "auth.token_url" : "auth.url and auth.realm";
}

void pl_auth_token_host(const struct pl_auth_conf *conf, char *out, size_t out_len)
{
    pl_http_host(conf->token_url ? conf->token_url : conf->url, out, out_len);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - the options of an `auth:` mapping: how we authenticate to an HTTP peer.
 *
 *   none     not at all
 *   basic    user and password (RFC 7617)
 *   bearer   a fixed token (RFC 6750, section 2.1)
 *   header   any header with a secret value: "X-Api-Key: …"
 *   token    a token that an OAuth 2.0 server grants (RFC 6749, sections 4.3 and 4.4), renewed
 *            before it ends
 *
 * The OAuth server is named by the URL of its token endpoint; for Keycloak its base URL and a realm
 * are enough. Errors name the options auth.user and so on, wherever the mapping is.
 *
 * Pure.
 */
#ifndef PL_AUTH_CONF_H
#define PL_AUTH_CONF_H

#include "lib/config/options.h"
#include "lib/http/http.h"

enum pl_auth_method { PL_AUTH_NONE, PL_AUTH_BASIC, PL_AUTH_BEARER, PL_AUTH_HEADER, PL_AUTH_TOKEN };
enum pl_auth_grant { PL_GRANT_PASSWORD, PL_GRANT_CLIENT_CREDENTIALS };
enum pl_auth_client { PL_CLIENT_AUTH_BASIC, PL_CLIENT_AUTH_BODY };

extern const char *const pl_auth_methods[];
extern const char *const pl_auth_grants[];
extern const char *const pl_auth_clients[];

struct pl_auth_conf {
    int method;                /* enum pl_auth_method */
    char *user;                /* basic, and the password grant */
    struct pl_secret password; /* the same */
    struct pl_secret bearer;
    struct {
        char *name;
        struct pl_secret value;
    } header;
    /* The rest is for the method token. */
    char *url, *realm; /* Keycloak's */
    char *token_url;   /* any server's, instead of url and realm */
    int grant;         /* enum pl_auth_grant */
    char *client_id;
    struct pl_secret client_secret;
    int client_auth; /* enum pl_auth_client */
    char *scope;
    int64_t timeout_ms;
    struct pl_tls tls;
};

/* The options, for a daemon's table: PL_AUTH_OPTS("auth", struct x, auth, "token", "watermelon",
 * PL_OPT_RELOADABLE). `method_dflt` and `realm_dflt`: the defaults of those two (texts, or NULL).
 * `secret_flags`: of user and secrets; 0 where a thread uses them that is not the one to reload. */
/* clang-format off */
#define PL_AUTH_OPTS(prefix, t, f, method_dflt, realm_dflt, secret_flags)                          \
    PL_OPTION(prefix ".method", ENUM, t, f.method, .dflt = method_dflt,                            \
        .choices = pl_auth_methods,                                                                \
        .help = "How to authenticate: none; basic (user and password); bearer (a fixed token); "   \
                "header (any header with a secret in it, such as an API key); token (granted "     \
                "by an OAuth 2.0 server such as Keycloak, renewed in time)."),                     \
    PL_OPTION(prefix ".url", URL, t, f.url, .login = prefix ".user and " prefix ".password",       \
        .help = "Keycloak, without /realms: tokens come from {url}/realms/{realm}/protocol/"       \
                "openid-connect/token. Needed for " prefix ".method: token, unless "               \
                prefix ".token_url is set."),                                                      \
    PL_OPTION(prefix ".realm", STRING, t, f.realm, .min = 1, .max = 255,                           \
        .dflt = realm_dflt, .help = "The realm."),                                                 \
    PL_OPTION(prefix ".token_url", URL, t, f.token_url,                                            \
        .login = prefix ".user and " prefix ".password",                                           \
        .help = "The token endpoint of another OAuth 2.0 server, in place of "                     \
                prefix ".url and " prefix ".realm."),                                              \
    PL_OPTION(prefix ".grant", ENUM, t, f.grant, .dflt = "password",                               \
        .choices = pl_auth_grants,                                                                 \
        .help = "How a token is got: password (user and password) or client_credentials (the "     \
                "client's own)."),                                                                 \
    PL_OPTION(prefix ".client_id", STRING, t, f.client_id, .min = 1, .max = 255,                   \
        .help = "The client, as Keycloak knows it. Needed for " prefix ".method: token."),         \
    PL_OPTION(prefix ".client_secret", SECRET, t, f.client_secret,                                 \
        .flags = (secret_flags),                                                                   \
        .help = "The client's secret. A public client has none; client_credentials needs one."),   \
    PL_OPTION(prefix ".client_auth", ENUM, t, f.client_auth, .dflt = "basic",                      \
        .choices = pl_auth_clients,                                                                \
        .help = "Where the secret is sent: basic (HTTP Basic) or body (in the form)."),            \
    PL_OPTION(prefix ".user", STRING, t, f.user, .min = 1, .max = 255,                             \
        .flags = (secret_flags),                                                                   \
        .help = "The user of the password grant, and of " prefix ".method: basic."),               \
    PL_OPTION(prefix ".password", SECRET, t, f.password, .flags = (secret_flags),                  \
        .help = "The user's password."),                                                           \
    PL_OPTION(prefix ".scope", STRING, t, f.scope, .min = 1, .max = 1000,                          \
        .help = "Scopes to ask for, with spaces between; default: the client's own."),             \
    PL_OPTION(prefix ".timeout", DURATION, t, f.timeout_ms, .min = 100, .max = 600000,             \
        .dflt = "30s", .help = "How long getting a token may take."),                              \
    PL_HTTP_TLS_OPTS(prefix ".tls", t, f.tls),                                                     \
    PL_OPTION(prefix ".bearer", SECRET, t, f.bearer, .flags = (secret_flags),                      \
        .help = "The token of " prefix ".method: bearer, without \"Bearer\"."),                    \
    PL_OPTION(prefix ".header.name", STRING, t, f.header.name, .min = 1, .max = 255,               \
        .help = "The header of " prefix ".method: header, such as X-Api-Key."),                    \
    PL_OPTION(prefix ".header.value", SECRET, t, f.header.value,                                   \
        .flags = (secret_flags), .help = "Its value, all of it.")
/* clang-format on */

/* What the table cannot express: which options the method (and the grant) needs, which it does not
 * use, and whether names and secrets can be sent as they are. `prefix`: as in the table. Findings
 * name the option and hold no secret. */
void pl_auth_conf_check(const struct pl_auth_conf *conf, const char *prefix,
                        struct pl_findings *errs);

/* The token endpoint: token_url, or Keycloak's for this URL and realm. The caller frees it. */
char *pl_auth_token_url(const struct pl_auth_conf *conf);

/* The options that name the token endpoint: "auth.token_url" or "auth.url and auth.realm". */
const char *pl_auth_url_options(const struct pl_auth_conf *conf);

/* pl_http_host() of the token endpoint. */
void pl_auth_token_host(const struct pl_auth_conf *conf, char *out, size_t out_len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.c - secrets from files, systemd credentials and the environment.
 *
 * No finding shows a text that may be the secret: someone may have written it where a reference
 * belongs.
 */
#include <errno.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/config/internal.h"

#define SECRET_BYTES_MAX (64u << 10)
/* The ID by which the units load the folder /etc/NAME/secrets: systemd makes each file of it a
 * credential ID_FILE (systemd.exec(5), LoadCredential=, since 250). */
#define CREDENTIAL_FOLDER "secrets"

bool pl_key_is_secret(const char *key)
{
    static const char *const parts[] = {"password", "passphrase", "secret"};
    static const char *const ends[] = {
        "key.pem", "oauthbearer.config", "jaas.config", "token", "api_key", "api-key", "apikey"};
    size_t len = strlen(key);
    for (size_t i = 0; i < PL_COUNT(parts); i++)
        if (strcasestr(key, parts[i]))
            return true;
    for (size_t i = 0; i < PL_COUNT(ends); i++)
        if (len >= strlen(ends[i]) && strcasecmp(key + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

void pl_secret_release(struct pl_secret *s)
{
    pl_wipe(s->value);
    free(s->origin);
    *s = (struct pl_secret){0};
}

/* Cuts the text of a secret file: the first line, or all but the last line's end. */
static size_t text_cut(const char *text, size_t len, bool whole)
{
    const char *newline = memchr(text, '\n', len);
    if (!whole && newline)
        len = (size_t)(newline - text);
    else if (len > 0 && text[len - 1] == '\n')
        len--;
    else
        return len;
    return len > 0 && text[len - 1] == '\r' ? len - 1 : len;
}

static char *secret_from_file(const struct pl_node *n, const char *name, const char *path,
                              bool whole, struct pl_findings *errs)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf text = {0};
    if (!pl_file_read(path, SECRET_BYTES_MAX, &text, NULL)) {
        PL_FINDING(errs, n, "%s: cannot read %.200s: %s", name, path,
                   errno == EFBIG ? "larger than 64 KiB" : strerror(errno));
        return NULL;
    }
    size_t len = text_cut(text.data, text.len, whole);
    if (len == 0)
        PL_FINDING(errs, n, "%s: %.200s is empty", name, path);
    else if (memchr(text.data, '\0', len))
        PL_FINDING(errs, n, "%s: %.200s holds a NUL byte; expected a text", name, path);
    else
        return pl_strndup(text.data, len);
    return NULL;
}

/* Reading finds out what is wrong with a file that is there. */
static bool is_there(const char *path)
{
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static char *secret_from_credential(const struct pl_node *n, const char *name, bool whole,
                                    struct pl_findings *errs)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY"), *daemon = program_invocation_short_name;
    if (n->value[0] == '\0' || n->value[0] == '.' || strchr(n->value, '/')) {
        PL_FINDING(errs, n, "%s: \"%.60s\" is not the name of a credential", name, n->value);
        return NULL;
    }
    if (!dir || !*dir) {
        PL_FINDING(errs, n,
                   "%s: credential %.60s: $CREDENTIALS_DIRECTORY is not set; systemd sets it for "
                   "the service, by hand use CREDENTIALS_DIRECTORY=/etc/%s/secrets",
                   name, n->value, daemon);
        return NULL;
    }
    PL_FREE char *own = pl_strf("%s/%s", dir, n->value);
    PL_FREE char *in_folder = pl_strf("%s/" CREDENTIAL_FOLDER "_%s", dir, n->value);
    if (is_there(own))
        return secret_from_file(n, name, own, whole, errs);
    if (is_there(in_folder))
        return secret_from_file(n, name, in_folder, whole, errs);
    PL_FINDING(errs, n,
               "%s: there is no credential %.60s: put it into the file /etc/%s/secrets/%.60s and "
               "restart, or add LoadCredential=%.60s:PATH to the unit",
               name, n->value, daemon, n->value, n->value);
    return NULL;
}

static char *secret_from_env(const struct pl_node *n, const char *name, struct pl_findings *errs)
{
    const char *value = getenv(n->value);
    if (!value || !*value)
        PL_FINDING(errs, n, "%s: the environment variable %.60s is %s", name, n->value,
                   value ? "empty" : "not set");
    return value && *value ? pl_strdup(value) : NULL;
}

static bool secret_literal(const struct pl_node *n, const char *name, struct pl_secret *ret,
                           struct pl_findings *errs)
{
    if (n->value[0] == '\0') {
        PL_FINDING(errs, n, "%s is empty", name);
        return false;
    }
    if (errs->file_exposed)
        pl_findings_warn(errs, n->line, n->column,
                         "%s is a plain text here, and others can read this file: restrict its "
                         "permissions, or name a file or credential",
                         name);
    *ret = (struct pl_secret){.value = pl_strdup(n->value), .origin = pl_strdup("configuration")};
    return true;
}

static const char *const forms[] = {"file", "credential", "env"};

/* The one entry of a reference, or NULL. */
static const struct pl_node *reference_entry(struct pl_node *n, const char *name,
                                             struct pl_findings *errs)
{
    unsigned before = errs->count;
    for (struct pl_node *c = n->child; c; c = c->next) {
        const char *near = NULL;
        bool known = false;
        for (size_t i = 0; i < PL_COUNT(forms); i++) {
            known |= strcmp(c->key, forms[i]) == 0;
            if (pl_edit_distance(c->key, forms[i]) <= 2)
                near = forms[i];
        }
        if (!known)
            pl_findings_add(errs, c->key_line, c->key_column,
                            "%s: unknown key; expected file, credential or env%s%s%s", name,
                            near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
        else if (c != n->child && errs->count == before)
            pl_findings_add(errs, c->key_line, c->key_column,
                            "%s: both %s and %s; expected only one of file, credential and env",
                            name, n->child->key, c->key);
        else if (c->type != PL_NODE_SCALAR || pl_node_is_null(c) || !*c->value)
            PL_FINDING(errs, c, "%s: expected a text after %s", name, c->key);
    }
    if (!n->child)
        PL_FINDING(errs, n, "%s: expected one of file, credential and env", name);
    return errs->count == before ? n->child : NULL;
}

bool pl_secret_resolve(struct pl_node *n, const char *name, bool whole, struct pl_secret *ret,
                       struct pl_findings *errs)
{
    if (n->type == PL_NODE_SCALAR)
        return secret_literal(n, name, ret, errs);
    if (n->type == PL_NODE_SEQ)
        PL_FINDING(errs, n,
                   "%s: expected a secret ({ file: PATH }, { credential: NAME } or "
                   "{ env: VARIABLE }), found a list",
                   name);
    const struct pl_node *entry = n->type == PL_NODE_MAP ? reference_entry(n, name, errs) : NULL;
    if (!entry)
        return false;
    bool env = strcmp(entry->key, "env") == 0;
    char *value;
    if (env)
        value = secret_from_env(entry, name, errs);
    else if (strcmp(entry->key, "file") == 0)
        value = secret_from_file(entry, name, entry->value, whole, errs);
    else
        value = secret_from_credential(entry, name, whole, errs);
    if (!value)
        return false;
    *ret = (struct pl_secret){
        .value = value,
        .origin = pl_strf("%s %s", env ? "environment" : entry->key, entry->value),
    };
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* vended.c - see vended.h. */
#include "daemons/chsinkd/iceberg/store/vended.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/http/field.h"

#define OLD_MS 60000

/* ---- one of them ---- */

/* The value in the credential's own config, else in the table's. */
static const char *value_of(const cJSON *own, const cJSON *table, const char *name)
{
    const char *value = pl_doc_str(own, name);
    value = value ? value : pl_doc_str(table, name);
    return value && value[0] ? value : NULL;
}

static int refuse(const char *name, const char *must, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, 0, "what the catalogue gives out as %s %s", name, must);
}

/* Scheme, host and port: a user, a path or anything else has no place there. */
static bool is_endpoint(const char *text)
{
    const char *host = strncasecmp(text, "https://", 8) == 0  ? text + 8
                       : strncasecmp(text, "http://", 7) == 0 ? text + 7
                                                              : "";
    size_t len = strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              "-._:[]");
    return len > 0 && (host[len] == '\0' || strcmp(host + len, "/") == 0);
}

static int keys_check(const struct vended_keys *k, struct pl_err *err)
{
    if (!pl_http_is_field_value(k->access, false) || strpbrk(k->access, "/,"))
        return refuse("s3.access-key-id", "has characters that no key has", err);
    if (!k->secret)
        return refuse("s3.secret-access-key", "is missing", err);
    if (k->session_token && !pl_http_is_field_value(k->session_token, false))
        return refuse("s3.session-token", "has characters that no token has", err);
    if (k->region && k->region[strspn(k->region, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
        return refuse("s3.region", "is no region", err);
    if (k->endpoint && !is_endpoint(k->endpoint))
        return refuse("s3.endpoint", "is not http(s)://host[:port]", err);
    return 0;
}

static void keys_release(struct vended_keys *k)
{
    free(k->prefix);
    pl_wipe(k->access);
    pl_wipe(k->secret);
    pl_wipe(k->session_token);
    free(k->region);
    free(k->endpoint);
    *k = (struct vended_keys){0};
}

static struct vended_keys keys_of(const char *prefix, const cJSON *own, const cJSON *table,
                                  int64_t now_ms)
{
    const char *region = value_of(own, table, "s3.region");
    const char *style = value_of(own, table, "s3.path-style-access");
    /* Of these own ones alone: a token of another key would be none. */
    const char *token = pl_doc_str(own, "s3.session-token");
    const char *expires = pl_doc_str(own, "s3.session-token-expires-at-ms");
    bool is_number = expires && expires[0] && expires[strspn(expires, "0123456789")] == '\0';
    region = region ? region : value_of(own, table, "client.region");
    return (struct vended_keys){
        .prefix = pl_strdup(prefix),
        .access = pl_strdup(pl_doc_str(own, "s3.access-key-id")),
        .secret = pl_strdup(pl_doc_str(own, "s3.secret-access-key")),
        .session_token = token && token[0] ? pl_strdup(token) : NULL,
        .region = pl_strdup(region),
        .endpoint = pl_strdup(value_of(own, table, "s3.endpoint")),
        .path_style = !style ? -1 : strcasecmp(style, "true") == 0,
        .got_ms = now_ms,
        .expires_ms = is_number ? strtoll(expires, NULL, 10) : -1,
    };
}

static int keys_add(struct iceberg_vended *v, const char *prefix, const cJSON *own,
                    const cJSON *table, int64_t now_ms, struct pl_err *err)
{
    const char *access = pl_doc_str(own, "s3.access-key-id");
    if (!access || !access[0] || v->n == ICEBERG_VENDED_MAX) /* for another kind of store */
        return 0;
    v->v = pl_realloc_array(v->v, v->n + 1, sizeof(*v->v));
    v->v[v->n] = keys_of(prefix, own, table, now_ms);
    return keys_check(&v->v[v->n++], err);
}

/* ---- all ---- */

static void secrets_wipe(const cJSON *config)
{
    static const char *const names[] = {"s3.secret-access-key", "s3.session-token"};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        const cJSON *value = pl_doc_get(config, names[i]);
        if (cJSON_IsString(value))
            explicit_bzero(value->valuestring, strlen(value->valuestring));
    }
}

int iceberg_vended_read(cJSON *answer, int64_t now_ms, struct iceberg_vended *ret,
                        struct pl_err *err)
{
    const cJSON *config = pl_doc_get(answer, "config"), *c;
    const cJSON *credentials = pl_doc_get(answer, "storage-credentials");
    struct iceberg_vended v = {0};
    int rc = 0;
    cJSON_ArrayForEach(c, credentials)
    {
        const char *prefix = pl_doc_str(c, "prefix");
        if (rc == 0)
            rc = keys_add(&v, prefix ? prefix : "", pl_doc_get(c, "config"), config, now_ms, err);
    }
    if (rc == 0)
        rc = keys_add(&v, "", config, config, now_ms, err);
    cJSON_ArrayForEach(c, credentials) secrets_wipe(pl_doc_get(c, "config"));
    secrets_wipe(config);
    if (rc < 0)
        iceberg_vended_release(&v);
    else
        *ret = v;
    return rc;
}

/* s3a and s3n are s3. */
static const char *place_of(const char *location)
{
    static const char *const schemes[] = {"s3://", "s3a://", "s3n://"};
    for (size_t i = 0; i < PL_COUNT(schemes); i++)
        if (strncasecmp(location, schemes[i], strlen(schemes[i])) == 0)
            return location + strlen(schemes[i]);
    return NULL;
}

/* "s3" alone is the prefix of all, as some catalogues have it. */
static bool fits(const char *prefix, const char *location)
{
    const char *from = place_of(prefix), *to = place_of(location);
    if (from && to)
        return strncmp(to, from, strlen(from)) == 0;
    return strncmp(location, prefix, strlen(prefix)) == 0;
}

const struct vended_keys *iceberg_vended_find(const struct iceberg_vended *v, const char *location)
{
    const struct vended_keys *best = NULL;
    for (unsigned i = 0; i < v->n; i++) {
        const struct vended_keys *k = &v->v[i];
        if (fits(k->prefix, location) && (!best || strlen(k->prefix) > strlen(best->prefix)))
            best = k;
    }
    return best;
}

bool iceberg_vended_is_old(const struct vended_keys *k, int64_t now_ms)
{
    if (k->expires_ms < 0)
        return false;
    int64_t quarter = (k->expires_ms - k->got_ms) / 4;
    int64_t margin = quarter < 0 ? 0 : quarter < OLD_MS ? quarter : OLD_MS;
    return now_ms >= k->expires_ms - margin;
}

void iceberg_vended_replace(struct iceberg_vended *v, struct iceberg_vended *by)
{
    iceberg_vended_release(v);
    *v = *by;
    *by = (struct iceberg_vended){0};
}

void iceberg_vended_release(struct iceberg_vended *v)
{
    for (unsigned i = 0; i < v->n; i++)
        keys_release(&v->v[i]);
    free(v->v);
    *v = (struct iceberg_vended){0};
}

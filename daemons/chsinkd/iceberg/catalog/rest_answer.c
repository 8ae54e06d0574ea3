/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_answer.c - see rest_answer.h.
 */
#include "daemons/chsinkd/iceberg/catalog/rest_answer.h"

#include "daemons/chsinkd/iceberg/http/sigv4.h"
#include "lib/base/text.h"

/* Of an error; stack traces are long. */
#define ERROR_BYTES_MAX (64 * 1024)

/* ---- answers ---- */

/* The first line that fits counts; else 5xx is UNKNOWN, all other FAILED for a person. */
static const struct meaning {
    long status;
    enum rest_outcome outcome;
    enum pl_err_kind kind;
    const char *advice;
} meanings[] = {
    {400, REST_FAILED, PL_ERR_CONFIG, NULL},
    {401, REST_DENIED, PL_ERR_CONFIG, NULL},
    {403, REST_FAILED, PL_ERR_CONFIG, "the one who asks (iceberg.rest.auth) needs the right to it"},
    {404, REST_FAILED, PL_ERR_CONFIG, "is iceberg.rest.url the catalogue's, without /v1?"},
    {408, REST_FAILED, PL_ERR_RETRY, NULL},
    {409, REST_CONFLICT, PL_ERR_RETRY, NULL},
    {419, REST_DENIED, PL_ERR_CONFIG, NULL},
    {425, REST_FAILED, PL_ERR_RETRY, NULL},
    {429, REST_FAILED, PL_ERR_RETRY, "it has too much to do"},
    {501, REST_FAILED, PL_ERR_CONFIG, "the catalogue does not know this call"},
};

/* {"error": {"message", "type", "code"}}; NULL: the answer is not the catalogue's. */
static const cJSON *error_of(const cJSON *document)
{
    const cJSON *error = pl_doc_get(document, "error");
    return pl_doc_str(error, "message") || pl_doc_str(error, "type") ? error : NULL;
}

enum rest_outcome rest_answer_check(long status, struct pl_slice body, const char *what,
                                    struct pl_err *err)
{
    if (status >= 200 && status < 300)
        return REST_DONE;
    PL_CLEANUP(cJSON_Deletep) cJSON *document = NULL;
    struct pl_err ignored;
    pl_doc_parse(body.p, body.len, ERROR_BYTES_MAX, &document, &ignored);
    const cJSON *error = error_of(document);
    const char *type = pl_doc_str(error, "type"), *message = pl_doc_str(error, "message");
    struct meaning m = {status, status >= 500 ? REST_UNKNOWN : REST_FAILED,
                        status >= 500 ? PL_ERR_RETRY : PL_ERR_CONFIG, NULL};
    for (size_t i = 0; i < PL_COUNT(meanings); i++)
        if (meanings[i].status == status)
            m = meanings[i];
    if (status == 404 && error) {
        m.outcome = REST_ABSENT;
        m.advice = NULL;
    }
    if (status >= 300 && status < 400)
        m.advice = "it sends us elsewhere, which is not followed: check iceberg.rest.url";
    pl_err_set(err, m.kind, (int)status, "%s: status %ld%s%s%s%s%s%s", what, status,
               type ? " " : "", type ? type : "", message ? ": " : "", message ? message : "",
               m.advice ? "; " : "", m.advice ? m.advice : "");
    return m.outcome;
}

/* ---- configuration ---- */

static const char *config_get(const cJSON *answer, const char *name)
{
    const char *value = pl_doc_str(pl_doc_get(answer, "overrides"), name);
    return value ? value : pl_doc_str(pl_doc_get(answer, "defaults"), name);
}

/* What may stand in a path as it is (RFC 3986, pchar, and '/'); '%' begins what is encoded. */
static bool is_path(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-._~!$&'()*+,;=:@%/";
    return text[strspn(text, allowed)] == '\0';
}

int rest_config_read(const cJSON *answer, struct rest_config *ret, struct pl_err *err)
{
    const char *prefix = config_get(answer, "prefix");
    const char *separator = config_get(answer, "namespace-separator");
    prefix = prefix ? prefix : "";
    separator = separator ? separator : "%1F";
    prefix += strspn(prefix, "/");
    struct pl_buf encoded = {0};
    /* Some give it out encoded, and some have a '|' in it. */
    if (is_path(prefix))
        pl_buf_add_str(&encoded, prefix);
    else
        sigv4_encode(&encoded, (struct pl_slice){prefix, strlen(prefix)}, true);
    while (encoded.len > 0 && encoded.data[encoded.len - 1] == '/')
        encoded.len--;
    ret->prefix = pl_buf_take(&encoded);
    if (strlen(separator) > 16 || separator[0] == '\0' || !is_path(separator) ||
        strchr(separator, '/')) {
        rest_config_release(ret);
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "the catalogue's namespace-separator cannot stand in a path");
    }
    ret->separator = pl_strdup(separator);
    return 0;
}

void rest_config_release(struct rest_config *c)
{
    free(c->prefix);
    free(c->separator);
    *c = (struct rest_config){0};
}

/* ---- paths ---- */

static void base_add(struct pl_buf *out, const char *url)
{
    pl_buf_add_str(out, url);
    while (out->len > 0 && out->data[out->len - 1] == '/')
        out->len--;
    if (out->len > 3 && memcmp(out->data + out->len - 3, "/v1", 3) == 0)
        out->len -= 3;
    pl_buf_add_str(out, "/v1");
}

char *rest_url_config(const char *url, const char *warehouse)
{
    struct pl_buf out = {0};
    base_add(&out, url);
    pl_buf_add_str(&out, "/config");
    if (warehouse) {
        pl_buf_add_str(&out, "?warehouse=");
        sigv4_encode(&out, (struct pl_slice){warehouse, strlen(warehouse)}, false);
    }
    return pl_buf_take(&out);
}

/* The level that begins at `p`. */
static struct pl_slice level_at(const char *p)
{
    return (struct pl_slice){p, strcspn(p, ".")};
}

char *rest_url(const char *url, const struct rest_config *config, const struct iceberg_name *name,
               bool table)
{
    struct pl_buf out = {0};
    base_add(&out, url);
    if (config->prefix[0])
        pl_buf_addf(&out, "/%s", config->prefix);
    pl_buf_add_str(&out, "/namespaces");
    if (!name)
        return pl_buf_take(&out);
    pl_buf_add_byte(&out, '/');
    for (const char *p = name->namespace_;;) {
        struct pl_slice level = level_at(p);
        sigv4_encode(&out, level, false);
        p += level.len;
        if (*p++ == '\0')
            break;
        pl_buf_add_str(&out, config->separator);
    }
    pl_buf_add_str(&out, "/tables");
    if (table) {
        pl_buf_add_byte(&out, '/');
        sigv4_encode(&out, (struct pl_slice){name->table, strlen(name->table)}, false);
    }
    return pl_buf_take(&out);
}

unsigned rest_namespace_levels(const char *namespace_)
{
    unsigned n = 1;
    for (const char *p = namespace_; (p = strchr(p, '.')); p++)
        n++;
    return n;
}

cJSON *rest_namespace(const char *namespace_, unsigned n)
{
    cJSON *levels = cJSON_CreateArray();
    unsigned all = rest_namespace_levels(namespace_);
    const char *p = namespace_;
    for (unsigned i = 0; i < all && (n == 0 || i < n); i++) {
        struct pl_slice level = level_at(p);
        PL_FREE char *text = pl_strndup(level.p, level.len);
        cJSON_AddItemToArray(levels, cJSON_CreateString(text));
        p += level.len + 1;
    }
    return levels;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - see conf.h.
 */
#include "daemons/chsinkd/iceberg/conf.h"

#include "lib/http/field.h"

const char *const iceberg_catalog_choices[] = {"path", "rest", NULL};
const char *const iceberg_s3_addressings[] = {"path", "virtual", NULL};
const char *const iceberg_s3_credentials[] = {"configured", "vended", NULL};

static void rest_check(const struct iceberg_rest_conf *rest, struct pl_findings *errs)
{
    if (!rest->url)
        pl_findings_add(errs, 0, 0, "iceberg.rest.url: is needed for iceberg.catalog: rest");
    pl_auth_conf_check(&rest->auth, "iceberg.rest.auth", errs);
}

static void s3_check(const struct iceberg_s3_conf *s3, bool needed, struct pl_findings *errs)
{
    const struct {
        const char *name, *value;
    } keys[] = {
        {"access_key", s3->access_key.value},
        {"secret_key", s3->secret_key.value},
        {"session_token", s3->session_token.value},
    };
    bool vended = s3->credentials == ICEBERG_S3_VENDED;
    bool any = !vended && (needed || keys[0].value || keys[1].value || keys[2].value);
    for (size_t i = 0; i < PL_COUNT(keys); i++) {
        if (keys[i].value && vended)
            pl_findings_add(errs, 0, 0,
                            "iceberg.s3.%s: has no effect with iceberg.s3.credentials: vended: "
                            "leave one of them out",
                            keys[i].name);
        if (!keys[i].value && any && i < 2)
            pl_findings_add(errs, 0, 0,
                            "iceberg.s3.%s: is needed for files at s3://, such as { credential: "
                            "NAME }",
                            keys[i].name);
        /* The access key stands in a header, and between commas and slashes. */
        if (keys[i].value && (!pl_http_is_field_value(keys[i].value, false) ||
                              (i == 0 && strpbrk(keys[i].value, "/,"))))
            pl_findings_add(errs, 0, 0, "iceberg.s3.%s: has characters that no key has",
                            keys[i].name);
    }
    const char *host = s3->endpoint ? strstr(s3->endpoint, "://") : NULL;
    const char *path = host ? strchr(host + 3, '/') : NULL;
    if (path && path[1] != '\0')
        pl_findings_add(errs, 0, 0,
                        "iceberg.s3.endpoint: scheme, host and port only; the bucket stands in the "
                        "location");
    if (s3->region &&
        strspn(s3->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s3->region))
        pl_findings_add(errs, 0, 0,
                        "iceberg.s3.region: is made of a-z, 0-9 and '-', such as eu-central-1");
}

void iceberg_remote_check(const struct iceberg_conf *conf, struct pl_findings *errs)
{
    bool is_rest = conf->catalog == ICEBERG_CATALOG_REST;
    if (is_rest)
        rest_check(&conf->rest, errs);
    if (!is_rest && conf->s3.credentials == ICEBERG_S3_VENDED)
        pl_findings_add(errs, 0, 0,
                        "iceberg.s3.credentials: vended needs iceberg.catalog: rest, which gives "
                        "them out");
    bool needed = !is_rest && conf->warehouse && strncmp(conf->warehouse, "s3://", 5) == 0;
    s3_check(&conf->s3, needed, errs);
}

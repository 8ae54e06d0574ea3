/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - the options of `output: iceberg`, as conf.c's table fills them; and how its calls are
 * ended from outside.
 *
 * Threads: the configuration is read-only after load.
 */
#ifndef CHSINKD_ICEBERG_CONF_H
#define CHSINKD_ICEBERG_CONF_H

#include <stdatomic.h>

#include "lib/auth/conf.h"

enum iceberg_s3_addressing { ICEBERG_S3_PATH, ICEBERG_S3_VIRTUAL };
enum iceberg_s3_credentials { ICEBERG_S3_CONFIGURED, ICEBERG_S3_VENDED };

struct iceberg_rest_conf { /* of the REST catalogue */
    char *url;             /* with or without /v1 at its end */
    struct pl_auth_conf auth;
    struct pl_tls tls;
};

struct iceberg_s3_conf { /* of files at s3:// */
    char *endpoint;      /* NULL: Amazon's of the region */
    char *region;
    int credentials;                                        /* enum iceberg_s3_credentials */
    struct pl_secret access_key, secret_key, session_token; /* no token: of a user, not a role */
    int addressing;                                         /* enum iceberg_s3_addressing */
    char *staging;                                          /* folder for files on their way */
    struct pl_tls tls;
};

enum iceberg_catalog_choice { ICEBERG_CATALOG_PATH, ICEBERG_CATALOG_REST };
enum iceberg_uint64 { ICEBERG_UINT64_DECIMAL, ICEBERG_UINT64_REFUSE }; /* Iceberg has none */

struct iceberg_conf {
    int catalog;      /* enum iceberg_catalog_choice */
    char *warehouse;  /* PATH: the directory (or s3://bucket/prefix) that holds namespace/table;
                       * REST: the catalogue's name for it, may be NULL */
    char *namespace_; /* of a route that names no database; levels are separated by dots */
    char *library;    /* libduckdb, which writes the Parquet files; NULL: searched for */
    int uint64;       /* enum iceberg_uint64 */
    int64_t keep_snapshots_ms;
    int64_t timeout_ms; /* for one request to the catalogue, and for one file */
    struct iceberg_rest_conf rest;
    struct iceberg_s3_conf s3;
};

/* What the table cannot express of rest and s3: what is needed with what, and whether secrets can
 * be sent. Findings hold no secret. For `output: iceberg` only. */
void iceberg_remote_check(const struct iceberg_conf *conf, struct pl_findings *errs);

/* Their options, for the table: ICEBERG_REST_OPTS("iceberg.rest", struct x, iceberg.rest). */
extern const char *const iceberg_catalog_choices[], *const iceberg_s3_addressings[],
                                                        *const iceberg_s3_credentials[];
/* clang-format off */
#define ICEBERG_REST_OPTS(prefix, t, f)                                                            \
    PL_OPTION(prefix ".url", URL, t, f.url, .login = prefix ".auth",                               \
        .help = "The REST catalogue, without /v1. Needed for iceberg.catalog: rest."),             \
    PL_HTTP_TLS_OPTS(prefix ".tls", t, f.tls),                                                     \
    PL_AUTH_OPTS(prefix ".auth", t, f.auth, "none", NULL, 0)
#define ICEBERG_S3_OPTS(prefix, t, f)                                                              \
    PL_OPTION(prefix ".endpoint", URL, t, f.endpoint,                                              \
        .login = prefix ".access_key and " prefix ".secret_key",                                   \
        .help = "The S3 service for files at s3://; default: Amazon's of the region."),            \
    PL_OPTION(prefix ".region", STRING, t, f.region, .min = 1, .max = 64, .dflt = "us-east-1",     \
        .help = "Its region, as requests are signed for it."),                                     \
    PL_OPTION(prefix ".credentials", ENUM, t, f.credentials, .dflt = "configured",                 \
        .choices = iceberg_s3_credentials,                                                         \
        .help = "Whose credentials sign for files at s3://: configured, access_key and "           \
                "secret_key; or vended, those that the REST catalogue gives out with each table, " \
                "with their region and addressing, and endpoint unless it is set here. They are "  \
                "renewed before they end."),                                                       \
    PL_OPTION(prefix ".access_key", SECRET, t, f.access_key,                                       \
        .help = "Access key with the right to get, put, delete and list below the tables' "        \
                "location. Needed for files at s3://, unless credentials are vended."),            \
    PL_OPTION(prefix ".secret_key", SECRET, t, f.secret_key, .help = "Its secret."),               \
    PL_OPTION(prefix ".session_token", SECRET, t, f.session_token,                                 \
        .help = "The session token of temporary credentials; they are read at the start."),        \
    PL_OPTION(prefix ".addressing", ENUM, t, f.addressing, .dflt = "path",                         \
        .choices = iceberg_s3_addressings,                                                         \
        .help = "Where the bucket stands in a URL: path (http://host/bucket/key, understood by "   \
                "most) or virtual (http://bucket.host/key)."),                                     \
    PL_OPTION(prefix ".staging", STRING, t, f.staging, .min = 1, .max = 4096,                      \
        .dflt = "/var/tmp",                                                                        \
        .help = "Folder where a data file is written before it is sent: room for one of "          \
                "batch.bytes."),                                                                   \
    PL_HTTP_TLS_OPTS(prefix ".tls", t, f.tls)
/* clang-format on */

/* One for each output. Catalogue and store look at it about once a second while they wait, and
 * before they begin: a call is ended (RETRY, "stopped") when it says so. */
struct iceberg_stop {
    atomic_bool aborted;
    bool (*asked)(void); /* may be NULL; called in the thread of the call */
};

static inline bool iceberg_stopped(struct iceberg_stop *s)
{
    return atomic_load(&s->aborted) || (s->asked && s->asked());
}

#endif

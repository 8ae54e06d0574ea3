/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vended.h - credentials for files in S3 that a REST catalogue gives out with a table.
 *
 * Source: Apache Iceberg, open-api/rest-catalog-open-api.yaml: LoadTableResult's `config` ("AWS
 * Configurations") and `storage-credentials` (StorageCredential), and the header
 * X-Iceberg-Access-Delegation, which asks for them. A location has the credentials of the longest
 * prefix that it begins with; only where none fits, those of `config`. What they leave out (region,
 * endpoint) stands in `config`.
 *
 *     s3.access-key-id, s3.secret-access-key, s3.session-token, s3.session-token-expires-at-ms,
 *     s3.region or client.region, s3.endpoint, s3.path-style-access
 *
 * Each comes from outside: what cannot stand in a header or a URL is refused.
 *
 * Pure. Threads: one owner.
 */
#ifndef CHSINKD_ICEBERG_VENDED_H
#define CHSINKD_ICEBERG_VENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/json/document.h"

#define ICEBERG_VENDED_MAX 64 /* for a table */

/* What the catalogue is asked with. */
#define ICEBERG_DELEGATION_HEADER "X-Iceberg-Access-Delegation: vended-credentials"

struct vended_keys {
    char *prefix; /* "": any location */
    char *access, *secret;
    char *session_token; /* NULL: none */
    char *region;        /* NULL: not said, as endpoint */
    char *endpoint;      /* scheme, host and port */
    int path_style;      /* -1: not said */
    int64_t got_ms;      /* realtime */
    int64_t expires_ms;  /* realtime, the far side's; -1: not said */
};

struct iceberg_vended { /* zero-initialised there is none */
    struct vended_keys *v;
    unsigned n;
};

/* Of a LoadTableResult; none may be there. What is secret in it is overwritten. CONFIG: they cannot
 * be used; the message holds no secret. */
int iceberg_vended_read(cJSON *answer, int64_t now_ms, struct iceberg_vended *ret,
                        struct pl_err *err);
/* NULL: there is none for it. */
const struct vended_keys *iceberg_vended_find(const struct iceberg_vended *v, const char *location);
/* They end within a minute, or in the last quarter of their time if that is shorter. */
bool iceberg_vended_is_old(const struct vended_keys *k, int64_t now_ms);

/* `by` is emptied. */
void iceberg_vended_replace(struct iceberg_vended *v, struct iceberg_vended *by);
void iceberg_vended_release(struct iceberg_vended *v); /* overwritten */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4.h - requests to S3 signed by AWS Signature Version 4 ("Authenticating Requests (AWS
 * Signature Version 4)" in the S3 API reference).
 *
 * libcurl can sign, too, but Debian 12's (7.88) signs the digest of an empty body for a PUT, which
 * S3 refuses (tried), and later versions differ in what they do to a query.
 *
 * Pure. Threads: any.
 */
#ifndef CHSINKD_ICEBERG_SIGV4_H
#define CHSINKD_ICEBERG_SIGV4_H

#include "lib/base/buf.h"

#define SIGV4_SHA256_HEX 65

struct sigv4_request {
    const char *method;
    const char *host;  /* with the port, unless it is the scheme's */
    const char *path;  /* as it is sent: begins with '/', encoded */
    const char *query; /* as it is sent, without '?': sorted, encoded, each name with '='; "" */
    const char *body_sha256; /* in hex */
    /* Further headers "name: value" that are signed: lower case, their names between "host" and
     * "x-amz-content-sha256" and sorted ("if-none-match", "range"); ends with NULL. */
    const char *const *headers;
    int64_t now_ms; /* since 1970 */
};

struct sigv4_keys {
    const char *access, *secret, *region;
    const char *session_token; /* or NULL */
};

/* The headers to be sent beside `headers`: Host is the caller's. Each is to be wiped. */
struct sigv4_signed {
    char date[40];               /* "x-amz-date: …" */
    char body_sha256[96];        /* "x-amz-content-sha256: …" */
    char *session_token;         /* "x-amz-security-token: …", or NULL */
    struct pl_buf authorization; /* "Authorization: AWS4-HMAC-SHA256 …" */
};
void sigv4_sign(const struct sigv4_request *r, const struct sigv4_keys *keys,
                struct sigv4_signed *ret);
void sigv4_signed_release(struct sigv4_signed *s);

/* In hex, with a NUL. */
void sigv4_sha256(struct pl_slice data, char ret_hex[SIGV4_SHA256_HEX]);
/* Of a digest of 32 bytes. */
void sigv4_hex(const unsigned char *digest, char ret_hex[SIGV4_SHA256_HEX]);

/* Appends text as a part of a path or a query: all but unreserved characters encoded (upper case);
 * with `slashes` '/' is kept. */
void sigv4_encode(struct pl_buf *out, struct pl_slice text, bool slashes);

#endif

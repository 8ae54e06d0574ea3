/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4.c - see sigv4.h.
 */
#include "daemons/chsinkd/iceberg/http/sigv4.h"

#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <time.h>

enum { KEY_BYTES = SHA256_DIGEST_LENGTH };

void sigv4_hex(const unsigned char *digest, char ret_hex[SIGV4_SHA256_HEX])
{
    for (size_t i = 0; i < KEY_BYTES; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

void sigv4_sha256(struct pl_slice data, char ret_hex[SIGV4_SHA256_HEX])
{
    unsigned char digest[KEY_BYTES];
    SHA256((const unsigned char *)data.p, data.len, digest);
    sigv4_hex(digest, ret_hex);
}

void sigv4_encode(struct pl_buf *out, struct pl_slice text, bool slashes)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool kept = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '.' || c == '_' || c == '~' || (slashes && c == '/');
        if (kept)
            pl_buf_add_byte(out, (char)c);
        else
            pl_buf_addf(out, "%%%02X", c);
    }
}

/* The next key of the chain; `key` and `ret` may be the same. */
static void hmac(const unsigned char *key, size_t key_len, const char *text,
                 unsigned char ret[KEY_BYTES])
{
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), ret,
              NULL))
        abort(); /* out of memory: the policy of alloc.h */
}

/* A header's line "name: value" as it is signed: "name:value\n". */
static void canonical_add(struct pl_buf *out, struct pl_buf *names, const char *line)
{
    const char *colon = strchr(line, ':');
    if (names->len > 0)
        pl_buf_add_byte(names, ';');
    pl_buf_add(names, line, (size_t)(colon - line));
    pl_buf_add(out, line, (size_t)(colon - line) + 1);
    pl_buf_add_str(out, colon + 1 + strspn(colon + 1, " "));
    pl_buf_add_byte(out, '\n');
}

/* The request in its canonical form, and the names of its headers. */
static void canonical_make(const struct sigv4_request *r, const struct sigv4_signed *s,
                           struct pl_buf *out, struct pl_buf *names)
{
    PL_FREE char *host = pl_strf("host: %s", r->host);
    pl_buf_addf(out, "%s\n%s\n%s\n", r->method, r->path, r->query);
    canonical_add(out, names, host);
    for (const char *const *h = r->headers; h && *h; h++)
        canonical_add(out, names, *h);
    canonical_add(out, names, s->body_sha256);
    canonical_add(out, names, s->date);
    if (s->session_token)
        canonical_add(out, names, s->session_token);
    pl_buf_addf(out, "\n%s\n%s", pl_buf_cstr(names), r->body_sha256);
}

static void signature_make(const struct sigv4_keys *keys, const char *day, const char *text,
                           char ret_hex[SIGV4_SHA256_HEX])
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf first = {0};
    unsigned char key[KEY_BYTES];
    pl_buf_reserve(&first, strlen(keys->secret) + 8);
    pl_buf_add_str(&first, "AWS4");
    pl_buf_add_str(&first, keys->secret);
    hmac((const unsigned char *)first.data, first.len, day, key);
    hmac(key, KEY_BYTES, keys->region, key);
    hmac(key, KEY_BYTES, "s3", key);
    hmac(key, KEY_BYTES, "aws4_request", key);
    hmac(key, KEY_BYTES, text, key);
    sigv4_hex(key, ret_hex);
    explicit_bzero(key, sizeof(key));
}

void sigv4_sign(const struct sigv4_request *r, const struct sigv4_keys *keys,
                struct sigv4_signed *ret)
{
    *ret = (struct sigv4_signed){0};
    time_t seconds = (time_t)(r->now_ms / 1000);
    struct tm tm;
    char stamp[24], day[12], digest[SIGV4_SHA256_HEX], signature[SIGV4_SHA256_HEX];
    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof(tm)); /* no such year: refused by the far side */
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    strftime(day, sizeof(day), "%Y%m%d", &tm);
    snprintf(ret->date, sizeof(ret->date), "x-amz-date: %s", stamp);
    snprintf(ret->body_sha256, sizeof(ret->body_sha256), "x-amz-content-sha256: %s",
             r->body_sha256);
    if (keys->session_token)
        ret->session_token = pl_strf("x-amz-security-token: %s", keys->session_token);

    PL_CLEANUP(pl_buf_wipe) struct pl_buf canonical = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf names = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    canonical_make(r, ret, &canonical, &names);
    sigv4_sha256((struct pl_slice){canonical.data, canonical.len}, digest);
    pl_buf_addf(&text, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", stamp, day, keys->region,
                digest);
    signature_make(keys, day, pl_buf_cstr(&text), signature);
    pl_buf_addf(&ret->authorization,
                "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
                "SignedHeaders=%s, Signature=%s",
                keys->access, day, keys->region, pl_buf_cstr(&names), signature);
    pl_buf_cstr(&ret->authorization);
}

void sigv4_signed_release(struct sigv4_signed *s)
{
    pl_wipe(s->session_token);
    pl_buf_wipe(&s->authorization);
    *s = (struct sigv4_signed){0};
}

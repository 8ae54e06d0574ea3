/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_answer.c - see s3_answer.h.
 */
#include "daemons/chsinkd/iceberg/store/s3_answer.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/text.h"
#include "lib/base/time_text.h"

/* ---- errors ---- */

void s3_error_read(struct pl_slice body, struct s3_error *ret)
{
    struct s3_xml x;
    struct pl_slice text;
    PL_CLEANUP(pl_buf_release) struct pl_buf value = {0};
    *ret = (struct s3_error){0};
    s3_xml_init(&x, body);
    for (;;) {
        switch (s3_xml_next(&x, &text)) {
        case S3_XML_BEGIN:
            if (x.depth == 1 && !pl_slice_eq(text, "Error"))
                return;
            pl_buf_reset(&value);
            break;
        case S3_XML_TEXT:
            if (!s3_xml_text_add(&x, text, &value))
                return;
            break;
        case S3_XML_END:
            if (x.depth == 2 && pl_slice_eq(text, "Code"))
                pl_text_copy(value.data ? value.data : "", value.len, ret->code, sizeof(ret->code));
            if (x.depth == 2 && pl_slice_eq(text, "Message"))
                pl_text_copy(value.data ? value.data : "", value.len, ret->message,
                             sizeof(ret->message));
            break;
        case S3_XML_DONE:
        case S3_XML_BAD:
            return;
        }
    }
}

/* By "Error responses" of the S3 API reference. The first line that fits counts. */
static const struct meaning {
    long status;      /* 0: any */
    const char *code; /* NULL: any */
    enum s3_outcome outcome;
    enum pl_err_kind kind;
    const char *advice;
} meanings[] = {
    {404, "NoSuchKey", S3_ABSENT, PL_ERR_RETRY, NULL},
    {404, "", S3_ABSENT, PL_ERR_RETRY, NULL},
    {0, "NoSuchBucket", S3_FAILED, PL_ERR_CONFIG, "make the bucket, or mend the location"},
    {404, NULL, S3_FAILED, PL_ERR_CONFIG, "is iceberg.s3.endpoint S3's?"},
    {412, NULL, S3_TAKEN, PL_ERR_RETRY, NULL},
    {409, "ConditionalRequestConflict", S3_FAILED, PL_ERR_RETRY, "another writes it just now"},
    {409, "OperationAborted", S3_FAILED, PL_ERR_RETRY, NULL},
    {0, "SlowDown", S3_FAILED, PL_ERR_RETRY, "it has too much to do"},
    {503, "ServiceUnavailable", S3_FAILED, PL_ERR_RETRY, NULL},
    {429, NULL, S3_FAILED, PL_ERR_RETRY, "it has too much to do"},
    {501, NULL, S3_FAILED, PL_ERR_CONFIG, "it does not know what was asked for"},
    {0, "RequestTimeTooSkewed", S3_FAILED, PL_ERR_RETRY, "its clock and ours differ"},
    {0, "RequestTimeout", S3_FAILED, PL_ERR_RETRY, NULL},
    {408, NULL, S3_FAILED, PL_ERR_RETRY, NULL},
    {400, "IncompleteBody", S3_FAILED, PL_ERR_RETRY, "it was cut on the way"},
    {400, "BadDigest", S3_FAILED, PL_ERR_RETRY, "it was changed on the way"},
    {400, "XAmzContentSHA256Mismatch", S3_FAILED, PL_ERR_RETRY, "it was changed on the way"},
    {0, "ExpiredToken", S3_DENIED, PL_ERR_CONFIG,
     "the temporary credentials have ended: give newer ones and restart"},
    {0, "TokenRefreshRequired", S3_DENIED, PL_ERR_CONFIG,
     "the temporary credentials have ended: give newer ones and restart"},
    {0, "InvalidToken", S3_DENIED, PL_ERR_CONFIG, "check iceberg.s3.session_token"},
    {0, "InvalidAccessKeyId", S3_DENIED, PL_ERR_CONFIG, "check iceberg.s3.access_key"},
    {0, "SignatureDoesNotMatch", S3_FAILED, PL_ERR_CONFIG,
     "check iceberg.s3.secret_key; a proxy that changes the Host header does this, too"},
    {0, "AuthorizationHeaderMalformed", S3_FAILED, PL_ERR_CONFIG, "check iceberg.s3.region"},
    {0, "PermanentRedirect", S3_FAILED, PL_ERR_CONFIG,
     "check iceberg.s3.region and iceberg.s3.endpoint"},
    {0, "TemporaryRedirect", S3_FAILED, PL_ERR_RETRY, "the bucket is new"},
    {301, NULL, S3_FAILED, PL_ERR_CONFIG, "check iceberg.s3.region and iceberg.s3.endpoint"},
    {403, NULL, S3_DENIED, PL_ERR_CONFIG,
     "does the key have the right to get, put, delete and list there?"},
    {401, NULL, S3_DENIED, PL_ERR_CONFIG, "check iceberg.s3.access_key and secret_key"},
};

static const char vended_advice[] =
    "the catalogue gave out these credentials: do they allow to get, put, delete and list there?";

static const struct meaning *meaning_of(long status, const char *code)
{
    static const struct meaning later = {0, NULL, S3_UNKNOWN, PL_ERR_RETRY, NULL};
    static const struct meaning never = {0, NULL, S3_FAILED, PL_ERR_CONFIG, NULL};
    for (size_t i = 0; i < PL_COUNT(meanings); i++) {
        const struct meaning *m = &meanings[i];
        if ((m->status == 0 || m->status == status) && (!m->code || strcmp(m->code, code) == 0))
            return m;
    }
    return status >= 500 ? &later : &never;
}

enum s3_outcome s3_answer_check(long status, struct pl_slice body, const char *what, bool vended,
                                struct pl_err *err)
{
    if (status >= 200 && status < 300)
        return S3_DONE;
    struct s3_error e;
    s3_error_read(body, &e);
    /* A page that is no S3's has no code, but it says something. */
    bool foreign = e.code[0] == '\0' && body.len > 0;
    const struct meaning *m = meaning_of(status, foreign ? "?" : e.code);
    const char *advice = vended && m->outcome == S3_DENIED ? vended_advice : m->advice;
    pl_err_set(err, m->kind, (int)status, "%s: status %ld%s%s%s%s%s%s", what, status,
               e.code[0] ? " " : "", e.code, e.message[0] ? ": " : "", e.message,
               advice ? "; " : "", advice ? advice : "");
    return m->outcome;
}

/* ---- lists ---- */

/* What is read of a page: its own elements, or those of one object. */
struct page {
    struct pl_buf key, size, modified; /* of the object that is being read */
    struct pl_buf token;
    bool truncated, encoded;
    bool is_list; /* the root element is a list's */
};

static void page_release(struct page *g)
{
    pl_buf_release(&g->key);
    pl_buf_release(&g->size);
    pl_buf_release(&g->modified);
    pl_buf_release(&g->token);
}

static bool buf_eq(struct pl_buf *b, const char *text)
{
    return strcmp(pl_buf_cstr(b), text) == 0;
}

static void element_take(struct page *g, unsigned depth, struct pl_slice name, struct pl_buf *value)
{
    struct pl_buf *to = NULL;
    if (depth == 2 && pl_slice_eq(name, "IsTruncated"))
        g->truncated = buf_eq(value, "true");
    else if (depth == 2 && pl_slice_eq(name, "EncodingType"))
        g->encoded = buf_eq(value, "url");
    else if (depth == 2 && pl_slice_eq(name, "NextContinuationToken"))
        to = &g->token;
    else if (depth == 3 && pl_slice_eq(name, "Key"))
        to = &g->key;
    else if (depth == 3 && pl_slice_eq(name, "Size"))
        to = &g->size;
    else if (depth == 3 && pl_slice_eq(name, "LastModified"))
        to = &g->modified;
    if (!to)
        return;
    pl_buf_reset(to);
    pl_buf_add(to, value->data, value->len);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* In place: as forms are encoded, '+' is a space (so does Amazon's). */
static bool url_decode(struct pl_buf *text)
{
    size_t to = 0;
    for (size_t i = 0; i < text->len; i++) {
        char c = text->data[i];
        if (c == '%') {
            int high = i + 2 < text->len ? digit_of(text->data[i + 1]) : -1;
            int low = i + 2 < text->len ? digit_of(text->data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return false;
        text->data[to++] = c;
    }
    text->len = to;
    return true;
}

static bool object_make(struct page *g, bool encoded, struct s3_object *ret)
{
    if (g->key.len == 0 || g->size.len == 0 || g->size.len > 19 ||
        strspn(pl_buf_cstr(&g->size), "0123456789") != g->size.len)
        return false;
    if (encoded && !url_decode(&g->key))
        return false;
    ret->size = strtoull(pl_buf_cstr(&g->size), NULL, 10);
    if (!pl_time_parse(g->modified.data, g->modified.len, 3, &ret->modified_ms, NULL))
        return false;
    ret->key = pl_buf_cstr(&g->key);
    return true;
}

/* Reads the page once; `each` NULL: only checks it. false: malformed or cut. */
static bool page_read(struct pl_slice body, struct page *g, bool encoded,
                      bool (*each)(void *, const struct s3_object *), void *userdata,
                      bool *ret_ended)
{
    struct s3_xml x;
    struct pl_slice text;
    PL_CLEANUP(pl_buf_release) struct pl_buf value = {0};
    s3_xml_init(&x, body);
    for (;;) {
        struct s3_object o;
        switch (s3_xml_next(&x, &text)) {
        case S3_XML_BEGIN:
            g->is_list = g->is_list || (x.depth == 1 && pl_slice_eq(text, "ListBucketResult"));
            if (x.depth == 2)
                g->key.len = g->size.len = g->modified.len = 0;
            pl_buf_reset(&value);
            break;
        case S3_XML_TEXT:
            if (!s3_xml_text_add(&x, text, &value))
                return false;
            break;
        case S3_XML_END:
            element_take(g, x.depth, text, &value);
            pl_buf_reset(&value);
            if (x.depth != 2 || !pl_slice_eq(text, "Contents"))
                break;
            if (!object_make(g, encoded, &o))
                return false;
            if (each && !each(userdata, &o)) {
                *ret_ended = true;
                return true;
            }
            break;
        case S3_XML_DONE:
            return g->is_list;
        case S3_XML_BAD:
            return false;
        }
    }
}

int s3_list_read(struct pl_slice body, bool (*each)(void *userdata, const struct s3_object *o),
                 void *userdata, bool *ret_ended, char **ret_next, struct pl_err *err)
{
    PL_CLEANUP(page_release) struct page first = {0};
    PL_CLEANUP(page_release) struct page second = {0};
    bool ended = false;
    /* How keys are encoded may stand behind them; and nothing is told of a page that is cut. */
    if (!page_read(body, &first, false, NULL, NULL, &ended) ||
        !page_read(body, &second, first.encoded, NULL, NULL, &ended) ||
        !page_read(body, &second, first.encoded, each, userdata, &ended))
        return pl_err_set(err, PL_ERR_RETRY, 0, "the list is malformed or was cut");
    if (!ended && first.truncated && first.token.len == 0)
        return pl_err_set(err, PL_ERR_RETRY, 0, "the list goes on, but does not say where");
    *ret_ended = ended;
    *ret_next = !ended && first.truncated ? pl_buf_take(&first.token) : NULL;
    return 0;
}

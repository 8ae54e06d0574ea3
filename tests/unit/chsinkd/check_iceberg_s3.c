/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_iceberg_s3.c - S3 as Iceberg's store: signatures by Amazon's own examples, XML whole and
 * cut at each offset, what answers mean by table, and the store against servers of this process
 * that refuse, cut, are away and forget If-None-Match. links: chsinkd
 */
#include <sys/stat.h>

#include "daemons/chsinkd/iceberg/http/sigv4.h"
#include "daemons/chsinkd/iceberg/store/s3_answer.h"
#include "daemons/chsinkd/iceberg/store/staging.h"
#include "daemons/chsinkd/iceberg/store/store_s3.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

/* ---- signatures ---- */

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* "Examples: Signature Calculations" in Amazon's "Authenticating Requests". */
START_TEST(signs_as_amazon_does)
{
    static const char *const range[] = {"range: bytes=0-9", NULL};
    static const struct {
        const char *path, *query;
        const char *const *headers;
        const char *signature;
    } cases[] = {
        {"/test.txt", "", range,
         "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
         "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {"/", "lifecycle=", NULL,
         "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
         "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"/", "max-keys=2&prefix=J", NULL,
         "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    const struct sigv4_keys keys = {.access = "AKIAIOSFODNN7EXAMPLE",
                                    .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                    .region = "us-east-1"};
    const struct sigv4_request r = {.method = "GET",
                                    .host = "examplebucket.s3.amazonaws.com",
                                    .path = cases[_i].path,
                                    .query = cases[_i].query,
                                    .body_sha256 = EMPTY_SHA256,
                                    .headers = cases[_i].headers,
                                    .now_ms = INT64_C(1369353600000)};
    PL_CLEANUP(sigv4_signed_release) struct sigv4_signed s;
    sigv4_sign(&r, &keys, &s);
    const char *text = pl_buf_cstr(&s.authorization);
    ck_assert_msg(strstr(text, cases[_i].signature), "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"));
    ck_assert_str_eq(s.date, "x-amz-date: 20130524T000000Z");
}
END_TEST

START_TEST(encodes)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    sigv4_encode(&out, PL_SLICE_LIT("a/b c+d=é~%"), true);
    ck_assert_str_eq(pl_buf_cstr(&out), "a/b%20c%2Bd%3D%C3%A9~%25");
    pl_buf_reset(&out);
    sigv4_encode(&out, PL_SLICE_LIT("a/b"), false);
    ck_assert_str_eq(pl_buf_cstr(&out), "a%2Fb");
}
END_TEST

/* ---- XML ---- */

static const char page[] =
    "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- <Key>no</Key> -->\n"
    "<a:ListBucketResult xmlns:a='http://s3/doc/\">/' >\n  <a:Name>lake</a:Name><Prefix/>"
    "<IsTruncated>true</IsTruncated>"
    "<Contents><Key>t/a+b%2Bc%25&#x2f;&lt;.parquet</Key><LastModified>2026-01-02T03:04:05.678Z"
    "</LastModified><ETag>&quot;1&quot;</ETag><Size>12</Size><Owner><ID>Key</ID></Owner></Contents>"
    "<Contents><Key><![CDATA[t/&amp;]]>x</Key><LastModified>2026-01-02T03:04:05Z</LastModified>"
    "<Size>0</Size></Contents>"
    "<NextContinuationToken>to&amp;ken</NextContinuationToken><EncodingType>url</EncodingType>"
    "</a:ListBucketResult>\n";

struct seen {
    struct pl_buf keys;
    unsigned n, end_after;
    uint64_t bytes;
    int64_t modified_ms;
};

static bool see(void *userdata, const struct s3_object *o)
{
    struct seen *s = userdata;
    pl_buf_addf(&s->keys, "%s|", o->key);
    s->bytes += o->size;
    s->modified_ms = o->modified_ms;
    return ++s->n != s->end_after;
}

START_TEST(list_whole)
{
    struct seen seen = {0};
    char *next = NULL;
    bool ended = true;
    struct pl_err err;
    ck_assert_done(s3_list_read(PL_SLICE_LIT(page), see, &seen, &ended, &next, &err), err);
    ck_assert_str_eq(pl_buf_cstr(&seen.keys), "t/a b+c%/<.parquet|t/&amp;x|");
    ck_assert_uint_eq(seen.bytes, 12);
    ck_assert_int_eq(seen.modified_ms, INT64_C(1767323045000));
    ck_assert_str_eq(next, "to&ken");
    ck_assert(!ended);
    free(next);
    pl_buf_reset(&seen.keys);
    seen.n = 0;
    seen.end_after = 1;
    ck_assert_done(s3_list_read(PL_SLICE_LIT(page), see, &seen, &ended, &next, &err), err);
    ck_assert(ended);
    ck_assert_ptr_null(next);
    ck_assert_str_eq(pl_buf_cstr(&seen.keys), "t/a b+c%/<.parquet|");
    pl_buf_release(&seen.keys);
}
END_TEST

/* A list that is cut anywhere is no list, and nothing of it is told. */
START_TEST(list_cut)
{
    size_t whole = strstr(page, "</a:ListBucketResult>") - page + strlen("</a:ListBucketResult>");
    for (size_t len = 0; len < sizeof(page); len++) {
        /* Of exactly this length, for the sanitizer. */
        char *copy = malloc(len ? len : 1);
        memcpy(copy, page, len);
        struct seen seen = {0};
        char *next = NULL;
        bool ended;
        struct pl_err err;
        int rc = s3_list_read((struct pl_slice){copy, len}, see, &seen, &ended, &next, &err);
        ck_assert_msg((rc == 0) == (len >= whole), "%zu of %zu bytes", len, whole);
        ck_assert_uint_eq(seen.n, rc == 0 ? 2 : 0);
        free(next);
        free(copy);
        pl_buf_release(&seen.keys);
    }
}
END_TEST

/* Any byte changed to one that XML is made of: an answer of some kind, and no access beyond. */
START_TEST(list_garbled)
{
    static const char marks[] = "<>&;/\"'!?[]%- x";
    for (size_t i = 0; i < sizeof(page) - 1; i++) {
        for (size_t m = 0; m < sizeof(marks); m++) { /* the NUL byte, too */
            char *copy = malloc(sizeof(page) - 1);
            memcpy(copy, page, sizeof(page) - 1);
            copy[i] = marks[m];
            struct seen seen = {0};
            char *next = NULL;
            bool ended;
            struct pl_err err;
            int rc = s3_list_read((struct pl_slice){copy, sizeof(page) - 1}, see, &seen, &ended,
                                  &next, &err);
            ck_assert(rc == 0 || (err.kind == PL_ERR_RETRY && seen.n == 0));
            free(next);
            free(copy);
            pl_buf_release(&seen.keys);
        }
    }
}
END_TEST

START_TEST(list_refused)
{
    static const char *const cases[] = {
        "<Error><Code>NoSuchBucket</Code></Error>",
        "<html><body>hello</body></html>",
        "<!DOCTYPE x [<!ENTITY e 'x'>]><ListBucketResult></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents></ListBucketResult></Contents>",
        "<ListBucketResult>&nbsp;</ListBucketResult>",
        "<ListBucketResult>&#xd800;</ListBucketResult>",
        "<ListBucketResult>&#0;</ListBucketResult>",
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a>",
    };
    struct seen seen = {0};
    char *next = NULL;
    bool ended;
    struct pl_err err;
    ck_assert_int_eq(s3_list_read((struct pl_slice){cases[_i], strlen(cases[_i])}, see, &seen,
                                  &ended, &next, &err),
                     -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_uint_eq(seen.n, 0);
}
END_TEST

/* ---- what answers mean ---- */

static const struct {
    long status;
    const char *code; /* NULL: no body; beginning with '<': the body */
    enum s3_outcome outcome;
    enum pl_err_kind kind;
    const char *has;
} answers[] = {
    {200, NULL, S3_DONE, PL_ERR_NONE, NULL},
    {204, NULL, S3_DONE, PL_ERR_NONE, NULL},
    {404, "NoSuchKey", S3_ABSENT, PL_ERR_RETRY, ""},
    {404, NULL, S3_ABSENT, PL_ERR_RETRY, ""},
    {404, "NoSuchBucket", S3_FAILED, PL_ERR_CONFIG, "make the bucket"},
    {404, "<html>Not here</html>", S3_FAILED, PL_ERR_CONFIG, "iceberg.s3.endpoint"},
    {412, "PreconditionFailed", S3_TAKEN, PL_ERR_RETRY, ""},
    {409, "ConditionalRequestConflict", S3_FAILED, PL_ERR_RETRY, ""},
    {409, "BucketAlreadyExists", S3_FAILED, PL_ERR_CONFIG, ""},
    {503, "SlowDown", S3_FAILED, PL_ERR_RETRY, "too much to do"},
    {503, "ServiceUnavailable", S3_FAILED, PL_ERR_RETRY, ""},
    {503, "<html>no healthy upstream</html>", S3_UNKNOWN, PL_ERR_RETRY, ""},
    {503, NULL, S3_UNKNOWN, PL_ERR_RETRY, ""},
    {500, "InternalError", S3_UNKNOWN, PL_ERR_RETRY, ""},
    {502, NULL, S3_UNKNOWN, PL_ERR_RETRY, ""},
    {504, NULL, S3_UNKNOWN, PL_ERR_RETRY, ""},
    {501, "NotImplemented", S3_FAILED, PL_ERR_CONFIG, ""},
    {429, NULL, S3_FAILED, PL_ERR_RETRY, ""},
    {408, NULL, S3_FAILED, PL_ERR_RETRY, ""},
    {400, "RequestTimeout", S3_FAILED, PL_ERR_RETRY, ""},
    {400, "XAmzContentSHA256Mismatch", S3_FAILED, PL_ERR_RETRY, "changed on the way"},
    {400, "ExpiredToken", S3_DENIED, PL_ERR_CONFIG, "newer ones"},
    {400, "AuthorizationHeaderMalformed", S3_FAILED, PL_ERR_CONFIG, "region"},
    {400, "EntityTooLarge", S3_FAILED, PL_ERR_CONFIG, ""},
    {403, "RequestTimeTooSkewed", S3_FAILED, PL_ERR_RETRY, "clock"},
    {403, "SignatureDoesNotMatch", S3_FAILED, PL_ERR_CONFIG, "secret_key"},
    {403, "InvalidAccessKeyId", S3_DENIED, PL_ERR_CONFIG, "access_key"},
    {403, "AccessDenied", S3_DENIED, PL_ERR_CONFIG, "right to"},
    {301, "PermanentRedirect", S3_FAILED, PL_ERR_CONFIG, "region"},
    {307, "TemporaryRedirect", S3_FAILED, PL_ERR_RETRY, ""},
    {302, NULL, S3_FAILED, PL_ERR_CONFIG, ""},
};

START_TEST(answers_mean)
{
    const char *code = answers[_i].code;
    PL_FREE char *body = !code            ? pl_strdup("")
                         : code[0] == '<' ? pl_strdup(code)
                                          : pl_strf("<?xml version=\"1.0\"?><Error><Code>%s</Code>"
                                                    "<Message>Own &lt;words&gt;</Message></Error>",
                                                    code);
    struct pl_err err = {0};
    enum s3_outcome outcome = s3_answer_check(
        answers[_i].status, (struct pl_slice){body, strlen(body)}, "PUT s3://b/k", false, &err);
    ck_assert_msg(outcome == answers[_i].outcome, "%ld %s: %d", answers[_i].status, body, outcome);
    ck_assert_msg(err.kind == answers[_i].kind, "%ld %s: %s", answers[_i].status, body, err.msg);
    if (!answers[_i].has)
        return;
    ck_assert_msg(strstr(err.msg, answers[_i].has), "%s", err.msg);
    if (code && code[0] != '<')
        ck_assert_msg(strstr(err.msg, "Own <words>"), "%s", err.msg);
}
END_TEST

/* ---- the store against servers ---- */

static struct server server;
static struct iceberg_conf conf;
static struct iceberg_stop stop;
static struct iceberg_store *store;
static struct pl_err err;
static char *folder;

static char region[] = "us-east-1", access_key[] = "AKID", secret_key[] = "geheim";

static void store_open(bool (*answer)(struct server *, int, const struct server_request *))
{
    folder = unit_dir();
    server_start(&server, answer, NULL);
    atomic_init(&stop.aborted, false);
    conf = (struct iceberg_conf){.timeout_ms = 10000,
                                 .s3 = {.endpoint = server.url,
                                        .region = region,
                                        .access_key = {.value = access_key},
                                        .secret_key = {.value = secret_key},
                                        .staging = folder}};
    store = iceberg_store_s3_new(&conf, &stop);
}

static void store_close(void)
{
    iceberg_store_free(store);
    server_stop(&server);
    free(folder);
}

static void say(struct server *s, int fd, const char *status, const char *headers, const char *body)
{
    PL_FREE char *text = pl_strf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
                                 strlen(body), body);
    server_send_str(s, fd, text);
}

static bool is(const struct server_request *r, const char *begin)
{
    return strncmp(r->head.data, begin, strlen(begin)) == 0;
}

/* A bucket with one object, "k": enough to see what is sent. */
static struct pl_buf kept;
static char kept_path[256], kept_digest[128];
static _Atomic int kept_puts;

static bool bucket(struct server *s, int fd, const struct server_request *r)
{
    if (is(r, "PUT ")) {
        struct pl_slice digest = server_header(r, "x-amz-content-sha256");
        snprintf(kept_path, sizeof(kept_path), "%.*s", (int)strcspn(r->head.data + 4, " "),
                 r->head.data + 4);
        snprintf(kept_digest, sizeof(kept_digest), "%.*s", (int)digest.len, digest.p);
        if (server_header(r, "if-none-match").len > 0 && kept.len > 0) {
            say(s, fd, "412 Precondition Failed", "", "");
            return true;
        }
        pl_buf_reset(&kept);
        pl_buf_add(&kept, r->body.data, r->body.len);
        kept_puts++;
        say(s, fd, "200 OK", "ETag: \"e\"\r\n", "");
    } else if (is(r, "DELETE ")) {
        pl_buf_reset(&kept);
        say(s, fd, "204 No Content", "", "");
    } else if (kept.len == 0) {
        say(s, fd, "404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>");
    } else {
        say(s, fd, "200 OK", "", pl_buf_cstr(&kept));
    }
    return true;
}

START_TEST(puts_and_gets)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    bool found = true;
    store_open(bucket);
    ck_assert_done(store->ops->get(store, "s3://b/k", 100, &out, &found, &err), err);
    ck_assert(!found);
    ck_assert_done(store->ops->put(store, "s3a://b/a b/d=1/k", PL_SLICE_LIT("hello"), &err), err);
    ck_assert_str_eq(kept_path, "/b/a%20b/d%3D1/k");
    ck_assert_str_eq(kept_digest,
                     "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    pl_buf_add_str(&out, "before ");
    ck_assert_done(store->ops->get(store, "s3://b/k", 5, &out, &found, &err), err);
    ck_assert(found);
    ck_assert_str_eq(pl_buf_cstr(&out), "before hello");
    ck_assert_int_eq(store->ops->get(store, "s3://b/k", 4, &out, &found, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    ck_assert_uint_eq(out.len, strlen("before hello"));
    ck_assert_done(store->ops->remove(store, "s3://b/k", &err), err);
    ck_assert_uint_eq(kept.len, 0);
    ck_assert_int_eq(store->ops->put(store, "/local/path", PL_SLICE_LIT("x"), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    store_close();
}
END_TEST

/* A file is sent as it lies there, and is gone then; the folder, too, when the store is. */
START_TEST(sends_staged_files)
{
    store_open(bucket);
    char *path = store->ops->stage(store, "s3://b/k", &err);
    ck_assert_ptr_nonnull(path);
    FILE *f = fopen(path, "wx");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 300000; i++)
        fprintf(f, "%09d\n", i);
    fclose(f);
    uint64_t size = 0;
    ck_assert_done(store->ops->put_staged(store, "s3://b/k", path, &size, &err), err);
    ck_assert_uint_eq(size, 3000000);
    ck_assert_uint_eq(kept.len, 3000000);
    ck_assert_int_eq(memcmp(kept.data + 2999990, "000299999\n", 10), 0);
    ck_assert_int_eq(access(path, F_OK), -1);
    free(path);
    path = store->ops->stage(store, "s3://b/k", &err);
    ck_assert_int_eq(store->ops->put_staged(store, "s3://b/k", path, &size, &err), -1);
    store->ops->unstage(store, "s3://b/k", path); /* absent */
    free(path);
    PL_FREE char *kept_folder = pl_strdup(folder);
    store_close();
    ck_assert_int_eq(rmdir(kept_folder), 0); /* empty */
}
END_TEST

START_TEST(creates_once)
{
    store_open(bucket);
    ck_assert_int_eq(store->ops->create(store, "s3://b/v1", PL_SLICE_LIT("1"), &err),
                     ICEBERG_CREATED);
    ck_assert_int_eq(store->ops->create(store, "s3://b/v1", PL_SLICE_LIT("2"), &err),
                     ICEBERG_EXISTS);
    ck_assert_str_eq(pl_buf_cstr(&kept), "1");
    store_close();
}
END_TEST

static bool forgetful(struct server *s, int fd, const struct server_request *r)
{
    (void)r;
    say(s, fd, "200 OK", "", "");
    return true;
}

/* A store that overwrites would lose commits. */
START_TEST(creates_only_where_it_is_safe)
{
    store_open(forgetful);
    ck_assert_int_eq(store->ops->create(store, "s3://b/v1", PL_SLICE_LIT("1"), &err),
                     ICEBERG_CREATE_FAILED);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, "If-None-Match"), "%s", err.msg);
    store_close();
}
END_TEST

/* The first ones (of the check) are as they should be, then a connection ends without an answer. */
static bool dies_later(struct server *s, int fd, const struct server_request *r)
{
    if (r->n < 3)
        return bucket(s, fd, r);
    return false;
}

START_TEST(creates_in_doubt)
{
    store_open(dies_later);
    ck_assert_int_eq(store->ops->create(store, "s3://b/v1", PL_SLICE_LIT("1"), &err),
                     ICEBERG_CREATE_UNKNOWN);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_int_eq(server.requests, 4); /* not sent again by itself */
    store_close();
}
END_TEST

static bool cuts(struct server *s, int fd, const struct server_request *r)
{
    (void)r;
    server_send_str(s, fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhell");
    return false;
}

static bool slow_down(struct server *s, int fd, const struct server_request *r)
{
    (void)r;
    say(s, fd, "503 Slow Down", "Retry-After: 7\r\n",
        "<Error><Code>SlowDown</Code><Message>Reduce</Message></Error>");
    return true;
}

START_TEST(faults_are_for_later)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    bool found;
    store_open(_i == 0 ? cuts : slow_down);
    ck_assert_int_eq(store->ops->get(store, "s3://b/k", 100, &out, &found, &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_msg(strstr(err.msg, "s3://b/k"), "%s", err.msg);
    ck_assert_int_eq(store->ops->put(store, "s3://b/k", PL_SLICE_LIT("x"), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    store_close();
}
END_TEST

START_TEST(away_or_stopped_is_for_later)
{
    store_open(bucket);
    atomic_store(&stop.aborted, true);
    ck_assert_int_eq(store->ops->put(store, "s3://b/k", PL_SLICE_LIT("x"), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(err.msg, "stopped"), "%s", err.msg);
    atomic_store(&stop.aborted, false);
    ck_assert_done(store->ops->put(store, "s3://b/k", PL_SLICE_LIT("x"), &err), err);
    server_stop(&server);
    ck_assert_int_eq(store->ops->put(store, "s3://b/k", PL_SLICE_LIT("x"), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    iceberg_store_free(store);
    free(folder);
}
END_TEST

/* Pages until there is no more; folders that tools make are left out. */
static char list_heads[2][512];

static bool pages(struct server *s, int fd, const struct server_request *r)
{
    if (r->n < 2)
        snprintf(list_heads[r->n], sizeof(list_heads[0]), "%.*s", (int)strcspn(r->head.data, "\r"),
                 r->head.data);
    say(s, fd, "200 OK", "",
        r->n == 0 ? "<ListBucketResult><IsTruncated>true</IsTruncated><EncodingType>url"
                    "</EncodingType><Contents><Key>w/t+1/</Key><Size>0</Size><LastModified>"
                    "2026-01-01T00:00:00Z</LastModified></Contents><Contents><Key>w/t+1/a%3D1"
                    "</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified>"
                    "</Contents><NextContinuationToken>1/+=</NextContinuationToken>"
                    "</ListBucketResult>"
                  : "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>w/t 1/b"
                    "</Key><Size>2</Size><LastModified>2026-01-01T00:00:00Z</LastModified>"
                    "</Contents></ListBucketResult>");
    return true;
}

static bool each_file(void *userdata, const struct iceberg_file *f)
{
    pl_buf_addf(userdata, "%s %d|", f->location, (int)f->size);
    return true;
}

START_TEST(lists_all_pages)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};
    store_open(pages);
    ck_assert_done(store->ops->list(store, "s3n://b/w/t 1", each_file, &out, &err), err);
    ck_assert_str_eq(pl_buf_cstr(&out), "s3n://b/w/t 1/a=1 1|s3n://b/w/t 1/b 2|");
    ck_assert_str_eq(list_heads[0],
                     "GET /b?encoding-type=url&list-type=2&prefix=w%2Ft%201%2F HTTP/1.1");
    ck_assert_str_eq(list_heads[1], "GET /b?continuation-token=1%2F%2B%3D&encoding-type=url&"
                                    "list-type=2&prefix=w%2Ft%201%2F HTTP/1.1");
    store_close();
}
END_TEST

/* A clock of ours that is wrong: refused once, then signed with the store's. */
static char dates[2][32];

static bool skewed(struct server *s, int fd, const struct server_request *r)
{
    if (r->n < 2)
        snprintf(dates[r->n], sizeof(dates[0]), "%.8s", server_header(r, "x-amz-date").p);
    if (r->n == 0)
        say(s, fd, "403 Forbidden", "Date: Sun, 06 Nov 2039 08:49:37 GMT\r\n",
            "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    else
        say(s, fd, "200 OK", "Date: Sun, 06 Nov 2039 08:49:38 GMT\r\n", "");
    return true;
}

START_TEST(signs_with_the_stores_time)
{
    store_open(skewed);
    ck_assert_int_eq(store->ops->put(store, "s3://b/k", PL_SLICE_LIT("x"), &err), -1);
    ck_assert_int_eq(err.kind, PL_ERR_RETRY);
    ck_assert_done(store->ops->put(store, "s3://b/k", PL_SLICE_LIT("x"), &err), err);
    ck_assert_str_eq(dates[1], "20391106");
    store_close();
}
END_TEST

/* ---- staging ---- */

/* What a killed process left is removed; what another one has is not. */
START_TEST(staging_is_swept)
{
    PL_FREE char *parent = unit_dir();
    PL_FREE char *left = pl_strf("%s/chsinkd-iceberg-killed", parent);
    PL_FREE char *left_file = pl_strf("%s/0", left);
    ck_assert_int_eq(mkdir(left, 0700), 0);
    fclose(fopen(left_file, "w"));
    struct staging *first = staging_new(parent), *second = staging_new(parent);
    PL_FREE char *a = staging_path(first, &err);
    ck_assert_int_eq(access(left, F_OK), -1);
    fclose(fopen(a, "w"));
    PL_FREE char *b = staging_path(second, &err), *c = staging_path(second, &err);
    ck_assert_int_eq(access(a, F_OK), 0);
    ck_assert_str_ne(b, c);
    staging_free(first);
    ck_assert_int_eq(access(a, F_OK), -1);
    staging_free(second);
    ck_assert_int_eq(rmdir(parent), 0);
    struct staging *none = staging_new("/nowhere/at/all");
    ck_assert_ptr_null(staging_path(none, &err));
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    staging_free(none);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(signs_as_amazon_does, .count = 3),
        TEST(encodes),
        TEST(list_whole),
        TEST(list_cut),
        TEST(list_garbled),
        TEST(list_refused, .count = 11),
        TEST(answers_mean, .count = PL_COUNT(answers)),
        TEST(puts_and_gets),
        TEST(sends_staged_files),
        TEST(creates_once),
        TEST(creates_only_where_it_is_safe),
        TEST(creates_in_doubt),
        TEST(faults_are_for_later, .count = 2),
        TEST(away_or_stopped_is_for_later),
        TEST(lists_all_pages),
        TEST(signs_with_the_stores_time),
        TEST(staging_is_swept),
    };
    return unit_main("iceberg_s3", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_s3.c - see store_s3.h.
 */
#include "daemons/chsinkd/iceberg/store/store_s3.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemons/chsinkd/iceberg/store/s3_answer.h"
#include "daemons/chsinkd/iceberg/http/sigv4.h"
#include "daemons/chsinkd/iceberg/store/staging.h"
#include "daemons/chsinkd/iceberg/http/transfer.h"

#define ANSWER_BYTES_MAX (64 * 1024) /* which should be empty */
#define LIST_BYTES_MAX   (16 * 1024 * 1024)
#define FILE_BYTES_MAX   (UINT64_C(5) << 30) /* of one PUT */

struct s3 {
    struct iceberg_store base;
    const struct iceberg_conf *conf;
    struct transfer *transfer;
    struct staging *staging;
    const struct s3_lender *lender; /* NULL: none yet */
    bool conditional;               /* it knows If-None-Match */
};

/* ---- locations ---- */

static const char *const schemes[] = {"s3://", "s3a://", "s3n://"};

struct place {
    struct pl_slice bucket;
    const char *key; /* without '/' at its beginning; may be "" */
};

static const char *after_scheme(const char *location)
{
    for (size_t i = 0; i < PL_COUNT(schemes); i++)
        if (strncasecmp(location, schemes[i], strlen(schemes[i])) == 0)
            return location + strlen(schemes[i]);
    return NULL;
}

bool iceberg_store_is_s3(const char *location)
{
    return after_scheme(location) != NULL;
}

static int place_find(const char *location, struct place *ret, struct pl_err *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  ".-_";
    const char *bucket = after_scheme(location);
    size_t len = bucket ? strspn(bucket, allowed) : 0;
    if (len == 0 || (bucket[len] != '/' && bucket[len] != '\0'))
        return pl_err_set(err, PL_ERR_CONFIG, 0, "%s is no location like s3://bucket/key",
                          location);
    *ret = (struct place){{bucket, len}, bucket + len + (bucket[len] == '/')};
    return 0;
}

/* ---- who signs, and for where ---- */

struct access {
    struct sigv4_keys keys; /* borrowed, until they are renewed */
    char *scheme, *host;    /* "https://"; with a port that is not the scheme's */
    bool is_virtual;
};

static void access_release(struct access *a)
{
    free(a->scheme);
    free(a->host);
    *a = (struct access){0};
}

static void endpoint_split(const char *configured, struct access *a)
{
    PL_FREE char *endpoint = configured
                                 ? pl_strdup(configured)
                                 : pl_strf("https://s3.%s.amazonaws.com", a->keys.region);
    const char *host = strstr(endpoint, "://"); /* an option of type URL has it */
    host = host ? host + 3 : endpoint;
    a->scheme = pl_strndup(endpoint, (size_t)(host - endpoint));
    a->host = pl_strndup(host, strcspn(host, "/"));
    /* curl does not send the scheme's own port, and what is sent is signed. */
    const char *own = strcasecmp(a->scheme, "https://") == 0 ? ":443" : ":80";
    size_t len = strlen(a->host), own_len = strlen(own);
    if (len > own_len && strcmp(a->host + len - own_len, own) == 0)
        a->host[len - own_len] = '\0';
}

static bool is_vended(const struct s3 *s)
{
    return s->conf->s3.credentials == ICEBERG_S3_VENDED;
}

/* An endpoint of the configuration goes before the catalogue's, which may be one that only machines
 * beside it reach; then the configuration says the addressing, too. */
static void access_vended(const struct s3 *s, const struct vended_keys *k, struct access *ret)
{
    const struct iceberg_s3_conf *conf = &s->conf->s3;
    bool own = conf->endpoint || k->path_style < 0;
    ret->keys = (struct sigv4_keys){k->access, k->secret, k->region ? k->region : conf->region,
                                    k->session_token};
    ret->is_virtual = own ? conf->addressing == ICEBERG_S3_VIRTUAL : k->path_style == 0;
    endpoint_split(conf->endpoint ? conf->endpoint : k->endpoint, ret);
}

static const struct vended_keys *lent_find(const struct s3 *s, const char *location)
{
    return s->lender ? iceberg_vended_find(s->lender->vended, location) : NULL;
}

static int access_lent(struct s3 *s, const char *location, struct access *ret, struct pl_err *err)
{
    const struct vended_keys *k = lent_find(s, location);
    if (k && iceberg_vended_is_old(k, transfer_peer_now_ms(s->transfer))) {
        if (s->lender->renew(s->lender->userdata, err) < 0)
            return pl_err_prefix(err, "renewing the credentials for %.100s", location);
        k = lent_find(s, location);
    }
    if (!k)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%.150s: the catalogue gave out no credentials for it, though it was "
                          "asked to (iceberg.s3.credentials: vended): can it, and may we have them?",
                          location);
    access_vended(s, k, ret);
    return 0;
}

static int access_find(struct s3 *s, const char *location, struct access *ret, struct pl_err *err)
{
    const struct iceberg_s3_conf *conf = &s->conf->s3;
    if (is_vended(s))
        return access_lent(s, location, ret, err);
    if (!conf->access_key.value || !conf->secret_key.value)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%s: iceberg.s3.access_key and iceberg.s3.secret_key are needed",
                          location);
    ret->keys = (struct sigv4_keys){conf->access_key.value, conf->secret_key.value, conf->region,
                                    conf->session_token.value};
    ret->is_virtual = conf->addressing == ICEBERG_S3_VIRTUAL;
    endpoint_split(conf->endpoint, ret);
    return 0;
}

/* 0: there are others than those that were refused; 1: the same. */
static int access_renew(struct s3 *s, const char *location, const struct access *refused,
                        struct pl_err *err)
{
    const char *token = refused->keys.session_token;
    char *before = pl_strf("%s %s", refused->keys.access, token ? token : "");
    int rc = s->lender->renew(s->lender->userdata, err);
    const struct vended_keys *k = rc == 0 ? lent_find(s, location) : NULL;
    if (rc < 0)
        pl_err_prefix(err, "renewing the credentials for %.100s, which were refused", location);
    if (k) {
        char *after = pl_strf("%s %s", k->access, k->session_token ? k->session_token : "");
        rc = strcmp(before, after) == 0;
        pl_wipe(after);
    } else if (rc == 0) {
        rc = 1;
    }
    pl_wipe(before);
    return rc;
}

/* ---- a request ---- */

struct s3_call {
    const char *method, *location;
    const char *query; /* sorted and encoded; then the key is not part of the path */
    struct pl_slice body;
    int file; /* > 0: instead of it */
    uint64_t file_size;
    const char *sha256; /* of the body, in hex; NULL: of `body` */
    bool if_absent;
    size_t answer_max; /* 0: none is wanted */
};

/* Where a call goes: host and path as they are sent and signed. */
static void target_make(const struct access *a, const struct place *place, bool with_key,
                        struct pl_buf *ret_host, struct pl_buf *ret_path)
{
    bool is_virtual = a->is_virtual;
    if (is_virtual) {
        pl_buf_add(ret_host, place->bucket.p, place->bucket.len);
        pl_buf_add_byte(ret_host, '.');
    }
    pl_buf_add_str(ret_host, a->host);
    pl_buf_add_byte(ret_path, '/');
    if (!is_virtual)
        sigv4_encode(ret_path, place->bucket, false);
    if (!with_key)
        return;
    if (!is_virtual)
        pl_buf_add_byte(ret_path, '/');
    sigv4_encode(ret_path, (struct pl_slice){place->key, strlen(place->key)}, true);
}

static int signed_run(struct s3 *s, const struct s3_call *call, const struct access *access,
                      struct transfer_answer *ret, struct pl_err *err)
{
    static const char *const if_absent[] = {"if-none-match: *", NULL};
    PL_CLEANUP(pl_buf_release) struct pl_buf host = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf path = {0};
    char body_sha256[SIGV4_SHA256_HEX];
    struct place place;
    if (place_find(call->location, &place, err) < 0) {
        ret->never_sent = true;
        return -1;
    }
    target_make(access, &place, call->query == NULL, &host, &path);
    sigv4_sha256(call->body, body_sha256);
    const struct sigv4_request to_sign = {
        .method = call->method,
        .host = pl_buf_cstr(&host),
        .path = pl_buf_cstr(&path),
        .query = call->query ? call->query : "",
        .body_sha256 = call->sha256 ? call->sha256 : body_sha256,
        .headers = call->if_absent ? if_absent : NULL,
        .now_ms = transfer_peer_now_ms(s->transfer),
    };
    PL_CLEANUP(sigv4_signed_release) struct sigv4_signed is = {0};
    sigv4_sign(&to_sign, &access->keys, &is);
    PL_FREE char *host_line = pl_strf("Host: %s", pl_buf_cstr(&host));
    PL_FREE char *url = pl_strf("%s%s%s%s%s", access->scheme, pl_buf_cstr(&host), pl_buf_cstr(&path),
                                call->query ? "?" : "", to_sign.query);
    const char *headers[8] = {host_line, is.date, is.body_sha256, pl_buf_cstr(&is.authorization)};
    size_t n = 4;
    if (call->if_absent)
        headers[n++] = if_absent[0];
    if (is.session_token)
        headers[n++] = is.session_token;
    const struct transfer_request request = {
        .method = call->method,
        .url = url,
        .headers = headers,
        .body = call->body,
        .file = call->file,
        .file_size = call->file_size,
        .answer_max = call->answer_max > 0 ? call->answer_max : ANSWER_BYTES_MAX,
        .alone = call->if_absent,
    };
    return transfer_run(s->transfer, &request, ret, err);
}

static enum s3_outcome call_once(struct s3 *s, const struct s3_call *call,
                                 const struct access *access, struct transfer_answer *ret,
                                 struct pl_err *err)
{
    PL_FREE char *what = pl_strf("%s %s", call->method, call->location);
    if (signed_run(s, call, access, ret, err) < 0) {
        pl_err_prefix(err, "%s", what);
        return ret->never_sent ? S3_FAILED : S3_UNKNOWN;
    }
    return s3_answer_check(ret->status,
                           (struct pl_slice){ret->body.data ? ret->body.data : "", ret->body.len},
                           what, is_vended(s), err);
}

/* `ret` is to be released in any case. DENIED does not come back. */
static enum s3_outcome call_run(struct s3 *s, const struct s3_call *call,
                                struct transfer_answer *ret, struct pl_err *err)
{
    *ret = (struct transfer_answer){0};
    for (bool again = false;; again = true) {
        PL_CLEANUP(access_release) struct access access = {0};
        if (access_find(s, call->location, &access, err) < 0)
            return S3_FAILED;
        enum s3_outcome outcome = call_once(s, call, &access, ret, err);
        if (outcome != S3_DENIED)
            return outcome;
        struct pl_err denied = *err;
        int rc = again || !is_vended(s) ? 1 : access_renew(s, call->location, &access, err);
        if (rc == 1)
            *err = denied;
        if (rc != 0)
            return S3_FAILED;
        transfer_answer_release(ret);
        *ret = (struct transfer_answer){0};
    }
}

/* ---- files ---- */

static int outcome_of_put(enum s3_outcome outcome, struct pl_err *err)
{
    if (outcome == S3_ABSENT || outcome == S3_TAKEN)
        err->kind = PL_ERR_CONFIG; /* no answer to what was asked */
    return outcome == S3_DONE ? 0 : -1;
}

static int s3_put(struct iceberg_store *base, const char *location, struct pl_slice data,
                  struct pl_err *err)
{
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    const struct s3_call call = {.method = "PUT", .location = location, .body = data};
    return outcome_of_put(call_run((struct s3 *)base, &call, &answer, err), err);
}

static enum iceberg_created create_once(struct s3 *s, const char *location, struct pl_slice data,
                                        struct pl_err *err)
{
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    const struct s3_call call = {
        .method = "PUT", .location = location, .body = data, .if_absent = true};
    switch (call_run(s, &call, &answer, err)) {
    case S3_DONE:
        return ICEBERG_CREATED;
    case S3_TAKEN:
        return ICEBERG_EXISTS;
    case S3_ABSENT:
        err->kind = PL_ERR_CONFIG;
        return ICEBERG_CREATE_FAILED;
    case S3_DENIED:
    case S3_FAILED:
        return ICEBERG_CREATE_FAILED;
    case S3_UNKNOWN:
        break;
    }
    err->kind = PL_ERR_RETRY;
    return ICEBERG_CREATE_UNKNOWN;
}

static int s3_remove(struct iceberg_store *base, const char *location, struct pl_err *err)
{
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    const struct s3_call call = {.method = "DELETE", .location = location};
    enum s3_outcome outcome = call_run((struct s3 *)base, &call, &answer, err);
    return outcome == S3_DONE || outcome == S3_ABSENT ? 0 : -1;
}

/* Whether the second of two that create the same is refused. */
static int conditional_check(struct s3 *s, const char *location, struct pl_err *err)
{
    static const char text[] = "Made to see whether this store knows If-None-Match.\n";
    if (s->conditional)
        return 0;
    unsigned random;
    arc4random_buf(&random, sizeof(random));
    PL_FREE char *probe = pl_strf("%s.probe-%08x", location, random);
    enum iceberg_created created = create_once(s, probe, PL_SLICE_LIT(text), err);
    if (created == ICEBERG_CREATED)
        created = create_once(s, probe, PL_SLICE_LIT(text), err);
    struct pl_err ignored;
    s3_remove(&s->base, probe, &ignored);
    if (created == ICEBERG_CREATED)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%s: this store does not know If-None-Match, on which one commit at a "
                          "time rests: use a REST catalogue, or a store that knows it",
                          location);
    s->conditional = created == ICEBERG_EXISTS;
    return s->conditional ? 0 : -1;
}

static enum iceberg_created s3_create(struct iceberg_store *base, const char *location,
                                      struct pl_slice data, struct pl_err *err)
{
    struct s3 *s = (struct s3 *)base;
    if (conditional_check(s, location, err) < 0)
        return ICEBERG_CREATE_FAILED;
    return create_once(s, location, data, err);
}

static int s3_get(struct iceberg_store *base, const char *location, size_t max, struct pl_buf *out,
                  bool *ret_found, struct pl_err *err)
{
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    const struct s3_call call = {.method = "GET", .location = location, .answer_max = max + 1};
    enum s3_outcome outcome = call_run((struct s3 *)base, &call, &answer, err);
    if (outcome == S3_ABSENT) {
        *ret_found = false;
        return 0;
    }
    if (answer.too_long || answer.body.len > max ||
        (outcome == S3_DONE && !pl_buf_add(out, answer.body.data, answer.body.len)))
        return pl_err_set(err, PL_ERR_REJECT, 0, "%s is larger than %zu bytes", location, max);
    if (outcome != S3_DONE)
        return -1;
    *ret_found = true;
    return 0;
}

/* ---- staged files ---- */

static char *s3_stage(struct iceberg_store *base, const char *location, struct pl_err *err)
{
    struct s3 *s = (struct s3 *)base;
    struct place place;
    if (place_find(location, &place, err) < 0)
        return NULL;
    return staging_path(s->staging, err);
}

/* Also its size. */
static int file_sha256(int fd, char ret_hex[SIGV4_SHA256_HEX], uint64_t *ret_size)
{
    unsigned char digest[EVP_MAX_MD_SIZE], piece[65536];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        abort(); /* out of memory: the policy of alloc.h */
    ssize_t n;
    uint64_t size = 0;
    while ((n = pread(fd, piece, sizeof(piece), (off_t)size)) > 0) {
        EVP_DigestUpdate(context, piece, (size_t)n);
        size += (uint64_t)n;
    }
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    if (n < 0)
        return -1;
    sigv4_hex(digest, ret_hex);
    *ret_size = size;
    return 0;
}

static int staged_put(struct s3 *s, const char *location, int fd, uint64_t *ret_size,
                      struct pl_err *err)
{
    PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
    char sha256[SIGV4_SHA256_HEX];
    uint64_t size;
    if (file_sha256(fd, sha256, &size) < 0)
        return pl_err_set(err, PL_ERR_RETRY, 0, "%s: reading the staged file: %s", location,
                          strerror(errno));
    if (size > FILE_BYTES_MAX)
        return pl_err_set(err, PL_ERR_CONFIG, 0,
                          "%s has %" PRIu64 " bytes, and 5 GiB can be sent at once: lower "
                          "batch.bytes",
                          location, size);
    const struct s3_call call = {.method = "PUT",
                                 .location = location,
                                 .body = {"", 0},
                                 .file = fd,
                                 .file_size = size,
                                 .sha256 = sha256};
    if (outcome_of_put(call_run(s, &call, &answer, err), err) < 0)
        return -1;
    *ret_size = size;
    return 0;
}

static int s3_put_staged(struct iceberg_store *base, const char *location, const char *staged,
                         uint64_t *ret_size, struct pl_err *err)
{
    int fd = open(staged, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pl_err_set(err, PL_ERR_RETRY, 0, "%s: opening the staged file %s: %s", location,
                          staged, strerror(errno));
    int rc = staged_put((struct s3 *)base, location, fd, ret_size, err);
    close(fd);
    if (rc == 0)
        unlink(staged);
    return rc;
}

static void s3_unstage(struct iceberg_store *base, const char *location, const char *staged)
{
    (void)base, (void)location;
    unlink(staged);
}

/* ---- lists ---- */

struct listing {
    const char *begin; /* "s3://bucket/" as the caller spelled it */
    size_t begin_len;
    bool (*each)(void *userdata, const struct iceberg_file *f);
    void *userdata;
};

static bool object_tell(void *userdata, const struct s3_object *o)
{
    const struct listing *l = userdata;
    size_t len = strlen(o->key);
    if (len > 0 && o->key[len - 1] == '/')
        return true; /* a folder, as some tools make them */
    PL_FREE char *location = pl_strf("%.*s%s", (int)l->begin_len, l->begin, o->key);
    const struct iceberg_file f = {location, o->size, o->modified_ms};
    return l->each(l->userdata, &f);
}

static char *list_query(const char *key, const char *token)
{
    struct pl_buf query = {0};
    if (token) {
        pl_buf_add_str(&query, "continuation-token=");
        sigv4_encode(&query, (struct pl_slice){token, strlen(token)}, false);
        pl_buf_add_byte(&query, '&');
    }
    pl_buf_add_str(&query, "encoding-type=url&list-type=2&prefix=");
    size_t len = strlen(key);
    sigv4_encode(&query, (struct pl_slice){key, len}, false);
    if (len > 0 && key[len - 1] != '/')
        pl_buf_add_str(&query, "%2F");
    return pl_buf_take(&query);
}

static int s3_list(struct iceberg_store *base, const char *prefix,
                   bool (*each)(void *userdata, const struct iceberg_file *f), void *userdata,
                   struct pl_err *err)
{
    struct s3 *s = (struct s3 *)base;
    struct place place;
    if (place_find(prefix, &place, err) < 0)
        return -1;
    const char *bucket_end = place.bucket.p + place.bucket.len;
    PL_FREE char *begin = pl_strf("%.*s/", (int)(bucket_end - prefix), prefix);
    struct listing listing = {begin, strlen(begin), each, userdata};
    PL_FREE char *token = NULL;
    for (bool ended = false; !ended;) {
        PL_CLEANUP(transfer_answer_release) struct transfer_answer answer = {0};
        PL_FREE char *query = list_query(place.key, token);
        char *next = NULL;
        const struct s3_call call = {
            .method = "GET", .location = prefix, .query = query, .answer_max = LIST_BYTES_MAX};
        if (outcome_of_put(call_run(s, &call, &answer, err), err) < 0)
            return -1;
        if (s3_list_read((struct pl_slice){answer.body.data, answer.body.len}, object_tell,
                         &listing, &ended, &next, err) < 0)
            return pl_err_prefix(err, "list of %s", prefix);
        bool same = next && token && strcmp(next, token) == 0;
        free(token);
        token = next;
        if (same)
            return pl_err_set(err, PL_ERR_RETRY, 0, "list of %s: the same page again", prefix);
        ended = ended || !next;
    }
    return 0;
}

/* ---- construction ---- */

static void s3_free(struct iceberg_store *base)
{
    struct s3 *s = (struct s3 *)base;
    staging_free(s->staging);
    transfer_free(s->transfer);
    free(s);
}

struct iceberg_store *iceberg_store_s3_new(const struct iceberg_conf *conf,
                                           struct iceberg_stop *stop)
{
    static const struct iceberg_store_ops ops = {
        .free = s3_free,
        .put = s3_put,
        .create = s3_create,
        .stage = s3_stage,
        .put_staged = s3_put_staged,
        .unstage = s3_unstage,
        .get = s3_get,
        .remove = s3_remove,
        .list = s3_list,
    };
    struct s3 *s = pl_alloc(sizeof(*s));
    s->base.ops = &ops;
    s->conf = conf;
    s->transfer = transfer_new(&conf->s3.tls, conf->timeout_ms, stop);
    s->staging = staging_new(conf->s3.staging);
    return &s->base;
}

void iceberg_store_s3_lend(struct iceberg_store *s, const struct s3_lender *lender)
{
    ((struct s3 *)s)->lender = lender;
}

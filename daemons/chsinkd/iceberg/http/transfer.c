/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.c - see transfer.h.
 */
#include "daemons/chsinkd/iceberg/http/transfer.h"

#include <unistd.h>

#include "lib/base/clock.h"

/* Of an error's body: a page of a proxy, or a server's sentence with its stack trace. */
#define ERROR_BYTES_MAX (64 * 1024)
#define UPLOAD_BYTES    (256 * 1024L)
#define CONNECT_MS_MAX  10000

struct transfer {
    const struct pl_tls *tls;
    int64_t timeout_ms;
    struct iceberg_stop *stop;
    CURL *easy;
    char errbuf[CURL_ERROR_SIZE];
    struct pl_peer_clock clock;
};

/* One request on its way. */
struct run {
    struct transfer *transfer;
    const struct transfer_request *request;
    struct transfer_answer *answer;
    uint64_t sent;
    bool read_failed;
};

struct transfer *transfer_new(const struct pl_tls *tls, int64_t timeout_ms,
                              struct iceberg_stop *stop)
{
    struct transfer *t = pl_alloc(sizeof(*t));
    pl_http_global_init();
    t->tls = tls;
    t->timeout_ms = timeout_ms;
    t->stop = stop;
    t->easy = curl_easy_init();
    if (!t->easy)
        abort(); /* out of memory: the policy of alloc.h */
    return t;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    curl_easy_cleanup(t->easy);
    free(t);
}

void transfer_answer_release(struct transfer_answer *a)
{
    pl_buf_release(&a->body);
}

int64_t transfer_peer_now_ms(const struct transfer *t)
{
    return pl_peer_clock_now(&t->clock, pl_clock_realtime_ms(), pl_clock_boot_ms());
}

/* ---- curl's callbacks ---- */

static size_t answer_take(char *data, size_t size, size_t n, void *userdata)
{
    struct run *run = userdata;
    size_t len = size * n;
    long status = 0;
    curl_easy_getinfo(run->transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) {
        run->answer->too_long = run->answer->body.len + len > run->request->answer_max ||
                                !pl_buf_add(&run->answer->body, data, len);
        return run->answer->too_long ? 0 : len;
    }
    size_t room = ERROR_BYTES_MAX - run->answer->body.len;
    pl_buf_add(&run->answer->body, data, len < room ? len : room);
    return len;
}

static size_t body_read(char *to, size_t size, size_t n, void *userdata)
{
    struct run *run = userdata;
    const struct transfer_request *r = run->request;
    bool from_file = r->file > 0;
    uint64_t left = (from_file ? r->file_size : r->body.len) - run->sent;
    size_t len = size * n < left ? size * n : (size_t)left;
    if (from_file) {
        ssize_t got = len > 0 ? pread(r->file, to, len, (off_t)run->sent) : 0;
        /* Shorter than it was: less than announced must not be sent as if it were whole. */
        if (got < 0 || (got == 0 && len > 0)) {
            run->read_failed = true;
            return CURL_READFUNC_ABORT;
        }
        len = (size_t)got;
    } else if (len > 0) {
        memcpy(to, r->body.p + run->sent, len);
    }
    run->sent += len;
    return len;
}

static int body_seek(void *userdata, curl_off_t offset, int origin)
{
    struct run *run = userdata;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    run->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int watch_stop(void *userdata, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    struct transfer *t = userdata;
    (void)dt, (void)dn, (void)ut, (void)un;
    return iceberg_stopped(t->stop);
}

/* ---- a request ---- */

static void body_set(CURL *easy, struct run *run)
{
    const struct transfer_request *r = run->request;
    uint64_t size = r->file > 0 ? r->file_size : r->body.len;
    bool is_put = strcmp(r->method, "PUT") == 0;
    curl_easy_setopt(easy, is_put ? CURLOPT_UPLOAD : CURLOPT_POST, 1L);
    curl_easy_setopt(easy, is_put ? CURLOPT_INFILESIZE_LARGE : CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)size);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, body_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, run);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, body_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, run);
}

static struct curl_slist *headers_new(const struct transfer_request *r)
{
    /* Without it curl waits up to a second for "100 Continue" before a large body. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (const char *const *h = r->headers; h && *h; h++)
        list = curl_slist_append(list, *h);
    return list;
}

static void headers_free(struct curl_slist *list)
{
    for (struct curl_slist *s = list; s; s = s->next)
        explicit_bzero(s->data, strlen(s->data));
    curl_slist_free_all(list);
}

static void request_set(struct run *run, struct curl_slist *headers)
{
    struct transfer *t = run->transfer;
    const struct transfer_request *r = run->request;
    CURL *easy = t->easy;
    struct pl_http_conf http = {
        .user_agent = "chsinkd/" PL_VERSION,
        .tls = *t->tls,
        .connect_timeout_ms = t->timeout_ms < CONNECT_MS_MAX ? t->timeout_ms : CONNECT_MS_MAX,
        .total_timeout_ms = t->timeout_ms,
    };
    curl_easy_reset(easy); /* keeps connections */
    pl_http_prepare(easy, &http, r->url, t->errbuf);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* what is signed is what is sent */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, r->alone ? 1L : 0L);
    if (strcmp(r->method, "PUT") == 0 || strcmp(r->method, "POST") == 0)
        body_set(easy, run);
    else if (strcmp(r->method, "GET") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, answer_take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, run);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, watch_stop);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

static const char *header_get(CURL *easy, const char *name)
{
    struct curl_header *header = NULL;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value
                                                                                   : NULL;
}

static void headers_read(struct transfer *t, int64_t took_ms, struct transfer_answer *ret)
{
    int64_t now_ms = pl_clock_realtime_ms();
    ret->retry_after_ms = pl_http_retry_after_ms(header_get(t->easy, "Retry-After"), now_ms);
    /* curl gives out one header at a time. */
    PL_FREE char *date = pl_strdup(header_get(t->easy, "Date"));
    const struct pl_peer_answer heard = {
        .date_ms = pl_peer_date(date, header_get(t->easy, "Age")),
        .now_ms = now_ms,
        .boot_ms = pl_clock_boot_ms(),
        .took_ms = took_ms,
    };
    pl_peer_clock_hear(&t->clock, &heard);
}

static bool never_sent(CURL *easy, CURLcode rc)
{
    curl_off_t connected = 0;
    switch ((int)rc) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return true;
    default:
        curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
        return connected == 0;
    }
}

static int failure_read(struct run *run, CURLcode rc, struct pl_err *err)
{
    struct transfer *t = run->transfer;
    char host[256];
    pl_http_host(run->request->url, host, sizeof(host));
    run->answer->status = 0;
    run->answer->never_sent = never_sent(t->easy, rc);
    if (rc == CURLE_ABORTED_BY_CALLBACK && run->read_failed)
        return pl_err_set(err, PL_ERR_RETRY, 0, "%s: the file to be sent cannot be read", host);
    if (rc == CURLE_ABORTED_BY_CALLBACK)
        return pl_err_set(err, PL_ERR_RETRY, 0, "%s: stopped", host);
    if (run->answer->too_long)
        return pl_err_set(err, PL_ERR_CONFIG, 0, "%s: the answer is longer than %zu bytes", host,
                          run->request->answer_max);
    pl_http_err_from_curl(err, rc, t->errbuf, run->request->url);
    err->code = 0; /* curl's numbers are not statuses */
    return -1;
}

int transfer_run(struct transfer *t, const struct transfer_request *r, struct transfer_answer *ret,
                 struct pl_err *err)
{
    *ret = (struct transfer_answer){.retry_after_ms = -1, .never_sent = true};
    struct run run = {.transfer = t, .request = r, .answer = ret};
    if (iceberg_stopped(t->stop))
        return pl_err_set(err, PL_ERR_RETRY, 0, "stopped");
    ret->never_sent = false;
    struct curl_slist *headers = headers_new(r);
    request_set(&run, headers);
    int64_t begun_ms = pl_clock_boot_ms();
    CURLcode rc = curl_easy_perform(t->easy);
    headers_free(headers);
    if (rc != CURLE_OK)
        return failure_read(&run, rc, err);
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &ret->status);
    headers_read(t, pl_clock_boot_ms() - begun_ms, ret);
    return 0;
}

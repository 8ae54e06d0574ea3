/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - see request.h.
 *
 * Curl is entered only from a socket, curl's timer and our deferred work, each between http_enter()
 * and http_leave(). What a user's callback asks for meanwhile (start, cancel, resume) is only noted
 * and is done by http_leave() or on the loop's next turn, so that neither curl nor the user is ever
 * entered twice.
 */
#include "lib/http/request.h"

#include <assert.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <time.h>

#include "lib/base/clock.h"

/* All header lines of an answer together. curl 7.88 bounds a line (100 KB), not their number. */
#define HTTP_HEADERS_BYTES_MAX (256 * 1024)
/* What one call to recv() may bring. curl's own 16 KiB costs a fast answer four times the calls. */
#define HTTP_BUFFER_BYTES (64 * 1024)
/* sd-event may wake up this much later than asked for, to save wake-ups. */
#define HTTP_TIMER_ACCURACY_USEC 1000

struct pl_http {
    CURLM *multi;
    sd_event *event;
    sd_event_source *timer; /* what curl asked for by CURLMOPT_TIMERFUNCTION */
    sd_event_source *work;  /* deferred: starts, resumes, frees */
    LIST_HEAD(, pl_http_request) requests;
    unsigned depth; /* > 0: curl or a callback of the user is on the stack */
};

enum request_state {
    REQUEST_NEW,       /* waits for the loop's turn to be given to curl */
    REQUEST_RUNNING,   /* known to the multi handle */
    REQUEST_CANCELLED, /* no callback any more, freed when nothing is on the stack */
    REQUEST_DONE,      /* on_done is being called */
};

struct pl_http_request {
    struct pl_http *http;
    LIST_ENTRY(pl_http_request) list;
    CURL *easy;
    char errbuf[CURL_ERROR_SIZE];
    char *url;
    struct curl_slist *headers;
    const struct pl_http_ops *ops;
    void *userdata;
    enum request_state state;
    bool headers_done, ended; /* ended: on_data returned false */
    size_t header_bytes;
    bool paused, curl_paused; /* what the user wants; what curl was told */
    sd_event_source *stall;
    int64_t stall_timeout_ms, active_ms;
    int64_t begun_ms;    /* boot clock, when it was given to curl */
    curl_off_t uploaded; /* as last seen by the stall timer */
};

/* ---- requests ---- */

static void http_work_later(struct pl_http *h)
{
    sd_event_source_set_enabled(h->work, SD_EVENT_ONESHOT);
}

static uint64_t usec_after(int64_t ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 + (uint64_t)ms * 1000;
}

static void stall_arm(struct pl_http_request *r, int64_t after_ms)
{
    if (!r->stall)
        return;
    sd_event_source_set_time(r->stall, usec_after(after_ms));
    sd_event_source_set_enabled(r->stall, SD_EVENT_ONESHOT);
}

/* Headers may hold tokens and passwords: they do not stay in freed memory. */
static void slist_wipe(struct curl_slist *list)
{
    for (struct curl_slist *s = list; s; s = s->next)
        explicit_bzero(s->data, strlen(s->data));
    curl_slist_free_all(list);
}

static void request_destroy(struct pl_http_request *r)
{
    sd_event_source_disable_unref(r->stall);
    curl_easy_cleanup(r->easy);
    slist_wipe(r->headers);
    if (r->url) /* its parameters may be secret; curl's own copy is out of reach */
        explicit_bzero(r->url, strlen(r->url));
    free(r->url);
    free(r);
}

/* Takes the request out of curl and of the list. */
static void request_detach(struct pl_http_request *r)
{
    curl_multi_remove_handle(r->http->multi, r->easy); /* no harm where it was never added */
    LIST_REMOVE(r, list);
}

static void http_enter(struct pl_http *h)
{
    h->depth++;
}

/* Frees what was cancelled while something was on the stack. */
static void http_leave(struct pl_http *h)
{
    if (--h->depth > 0)
        return;
    for (struct pl_http_request *r = LIST_FIRST(&h->requests), *next; r; r = next) {
        next = LIST_NEXT(r, list);
        if (r->state == REQUEST_CANCELLED) {
            request_detach(r);
            request_destroy(r);
        }
    }
}

/* The last call of a request, between enter and leave. */
static void request_finish(struct pl_http_request *r, const struct pl_err *err)
{
    bool tell = r->state != REQUEST_CANCELLED;
    request_detach(r);
    r->state = REQUEST_DONE;
    if (tell)
        r->ops->on_done(r->userdata, r, err);
    request_destroy(r);
}

static void request_finish_curl(struct pl_http_request *r, CURLcode code)
{
    if (code == CURLE_OK && !r->ended) {
        request_finish(r, NULL);
        return;
    }
    char host[256];
    pl_http_host(r->url, host, sizeof(host));
    struct pl_err err;
    if (r->ended)
        pl_err_set(&err, PL_ERR_REJECT, 0, "%s: ended by the caller", host);
    else if (r->header_bytes > HTTP_HEADERS_BYTES_MAX)
        pl_err_set(&err, PL_ERR_RETRY, 0, "%s: the answer's headers are larger than %d bytes", host,
                   HTTP_HEADERS_BYTES_MAX);
    else
        pl_http_err_from_curl(&err, code, r->errbuf, r->url);
    request_finish(r, &err);
}

/* Finishes what curl says is done, whatever that was about. */
static void http_drain(struct pl_http *h)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(h->multi, &left))) {
        struct pl_http_request *r = NULL;
        CURLcode code = msg->data.result;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        request_finish_curl(r, code);
    }
}

/* A failing multi handle (out of memory, or a bug of ours) is useless: all requests end. */
static void http_fail_all(struct pl_http *h, CURLMcode code)
{
    struct pl_err err;
    pl_err_set(&err, PL_ERR_FATAL, (int)code, "curl: %s", curl_multi_strerror(code));
    /* Only those of now: on_done may start new ones. */
    for (struct pl_http_request *r = LIST_FIRST(&h->requests), *next; r; r = next) {
        next = LIST_NEXT(r, list);
        if (r->state == REQUEST_RUNNING)
            request_finish(r, &err);
    }
}

static void http_action(struct pl_http *h, curl_socket_t fd, int mask)
{
    http_enter(h);
    int running;
    CURLMcode code = curl_multi_socket_action(h->multi, fd, mask, &running);
    http_drain(h);
    if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
        http_fail_all(h, code);
    http_leave(h);
}

/* ---- between curl and sd-event ---- */

static int on_socket(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
    int mask = 0;
    (void)s;
    if (revents & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
        mask |= CURL_CSELECT_IN;
    if (revents & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (revents & EPOLLERR)
        mask |= CURL_CSELECT_ERR;
    http_action(userdata, fd, mask);
    return 0;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp)
{
    struct pl_http *h = userdata;
    sd_event_source *source = socketp;
    uint32_t events = 0;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(h->multi, fd, NULL);
        sd_event_source_disable_unref(source);
        return 0;
    }
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= EPOLLOUT;
    if (source)
        return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
    if (sd_event_add_io(h->event, &source, fd, events, on_socket, h) < 0)
        return -1;
    return curl_multi_assign(h->multi, fd, source) == CURLM_OK ? 0 : -1;
}

static int on_curl_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s;
    (void)usec;
    http_action(userdata, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

/* May not call curl back: only arms. */
static int arm_timer(CURLM *multi, long timeout_ms, void *userdata)
{
    struct pl_http *h = userdata;
    (void)multi;
    if (timeout_ms < 0)
        return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
    if (sd_event_source_set_time(h->timer, usec_after(timeout_ms)) < 0)
        return -1;
    return sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* ---- curl's callbacks for one request ---- */

static size_t take_header(char *line, size_t size, size_t n, void *userdata)
{
    struct pl_http_request *r = userdata;
    size_t len = size * n;
    if (r->state == REQUEST_CANCELLED)
        return 0;
    r->active_ms = pl_clock_monotonic_ms();
    r->header_bytes += len;
    if (r->header_bytes > HTTP_HEADERS_BYTES_MAX)
        return 0;
    if (r->headers_done) /* trailers of a chunked body */
        return len;
    if (len > 2 || (len > 0 && line[0] != '\r' && line[0] != '\n'))
        return len;
    /* The empty line. Informational answers (100, 103) are followed by another head. */
    long status = 0;
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 100 && status < 200)
        return len;
    r->headers_done = true;
    if (r->ops->on_headers)
        r->ops->on_headers(r->userdata, r, status);
    return r->state == REQUEST_CANCELLED ? 0 : len;
}

static size_t take_body(char *data, size_t size, size_t n, void *userdata)
{
    struct pl_http_request *r = userdata;
    size_t len = size * n;
    if (r->state == REQUEST_CANCELLED || r->ended)
        return 0;
    r->active_ms = pl_clock_monotonic_ms();
    if (r->paused) {
        /* curl keeps this one piece (at most its buffer) and stops reading the socket. */
        r->curl_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (len > 0 && r->ops->on_data && !r->ops->on_data(r->userdata, r, data, len))
        r->ended = true;
    return r->ended || r->state == REQUEST_CANCELLED ? 0 : len;
}

/* ---- stalls ---- */

/* Armed once for the whole limit, not at every byte: when it fires it looks how long the silence
 * really was and waits for the rest. */
static int on_stall(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct pl_http_request *r = userdata;
    struct pl_http *h = r->http;
    int64_t now = pl_clock_monotonic_ms();
    curl_off_t uploaded = 0, connected = 0;
    (void)s;
    (void)usec;
    if (r->state != REQUEST_RUNNING || r->paused)
        return 0;
    curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    /* Connecting has its own limit, and sending is not silence. */
    if (connected == 0 || uploaded != r->uploaded)
        r->active_ms = now;
    r->uploaded = uploaded;
    int64_t silent = now - r->active_ms;
    if (silent < r->stall_timeout_ms) {
        stall_arm(r, r->stall_timeout_ms - silent);
        return 0;
    }
    char host[256];
    pl_http_host(r->url, host, sizeof(host));
    struct pl_err err;
    pl_err_set(&err, PL_ERR_RETRY, (int)CURLE_OPERATION_TIMEDOUT, "%s: no data for %lld ms", host,
               (long long)silent);
    http_enter(h);
    request_finish(r, &err);
    http_leave(h);
    return 0;
}

/* ---- deferred work ---- */

static void request_start(struct pl_http_request *r)
{
    CURLMcode code = curl_multi_add_handle(r->http->multi, r->easy);
    struct pl_err err;
    if (code != CURLM_OK) {
        pl_err_set(&err, PL_ERR_FATAL, (int)code, "curl: %s", curl_multi_strerror(code));
        request_finish(r, &err);
        return;
    }
    r->state = REQUEST_RUNNING;
    r->active_ms = pl_clock_monotonic_ms();
    r->begun_ms = pl_clock_boot_ms();
    stall_arm(r, r->stall_timeout_ms);
}

/* curl hands out what it held back from inside curl_easy_pause(). That the user ended the request
 * there is reported by this call's result only; curl would continue the transfer. */
static void request_resume(struct pl_http_request *r)
{
    r->curl_paused = false;
    CURLcode code = curl_easy_pause(r->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK)
        request_finish_curl(r, code);
}

static int on_work(sd_event_source *s, void *userdata)
{
    struct pl_http *h = userdata;
    (void)s;
    http_enter(h);
    /* Callbacks add requests at the list's head, so this walk does not meet them; it is scheduled
     * again. A finished request removes only itself, cancelled ones stay until http_leave(). */
    for (struct pl_http_request *r = LIST_FIRST(&h->requests), *next; r; r = next) {
        next = LIST_NEXT(r, list);
        if (r->state == REQUEST_NEW)
            request_start(r);
        else if (r->state == REQUEST_RUNNING && r->curl_paused && !r->paused)
            request_resume(r);
    }
    http_drain(h);
    http_leave(h);
    return 0;
}

/* ---- public ---- */

int pl_http_new(sd_event *event, struct pl_http **ret, struct pl_err *err)
{
    pl_http_global_init();
    struct pl_http *h = pl_alloc(sizeof(*h));
    h->event = sd_event_ref(event);
    h->multi = curl_multi_init();
    if (!h->multi ||
        sd_event_add_time(event, &h->timer, CLOCK_MONOTONIC, 0, HTTP_TIMER_ACCURACY_USEC,
                          on_curl_timer, h) < 0 ||
        sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ||
        sd_event_add_defer(event, &h->work, on_work, h) < 0 ||
        sd_event_source_set_enabled(h->work, SD_EVENT_OFF) < 0) {
        pl_http_free(h);
        return pl_err_set(err, PL_ERR_FATAL, 0, "cannot set up HTTP on the event loop");
    }
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, arm_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    *ret = h;
    return 0;
}

sd_event *pl_http_event(struct pl_http *h)
{
    return h->event;
}

void pl_http_free(struct pl_http *h)
{
    if (!h)
        return;
    assert(h->depth == 0); /* not from a callback: curl is on the stack */
    struct pl_http_request *r;
    while ((r = LIST_FIRST(&h->requests))) {
        request_detach(r);
        request_destroy(r);
    }
    curl_multi_cleanup(h->multi); /* closes connections: watch_socket() removes their sources */
    sd_event_source_disable_unref(h->timer);
    sd_event_source_disable_unref(h->work);
    sd_event_unref(h->event);
    free(h);
}

/* "Name: value" texts into curl's list. A line end inside would smuggle in another header. */
static int headers_copy(struct curl_slist **list, const char *const *headers, struct pl_err *err)
{
    /* Never wait for "100 Continue": it costs a round trip, and a second where it is not known. */
    struct curl_slist *all = curl_slist_append(NULL, "Expect:");
    for (; all && headers && *headers; headers++) {
        if (strpbrk(*headers, "\r\n")) {
            slist_wipe(all);
            return pl_err_set(err, PL_ERR_CONFIG, 0, "a header's value has a line end in it: %.*s",
                              (int)strcspn(*headers, ":"), *headers);
        }
        struct curl_slist *more = curl_slist_append(all, *headers);
        if (!more) {
            slist_wipe(all);
            all = NULL;
            break;
        }
        all = more;
    }
    if (!all)
        return pl_err_set(err, PL_ERR_FATAL, 0, "out of memory");
    *list = all;
    return 0;
}

static int request_set_up(struct pl_http_request *r, const struct pl_http_conf *conf,
                          const char *body, size_t body_len)
{
    struct pl_http_conf c = *conf;
    c.stall_timeout_ms = 0; /* ours is exact, and rests while paused */
    pl_http_prepare(r->easy, &c, r->url, r->errbuf);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, (long)HTTP_BUFFER_BYTES);
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    if (!body)
        return 0;
    curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_len);
    return curl_easy_setopt(r->easy, CURLOPT_COPYPOSTFIELDS, body) == CURLE_OK ? 0 : -1;
}

int pl_http_request_new(struct pl_http *h, const struct pl_http_conf *conf, const char *url,
                        const char *const *headers, const char *body, size_t body_len,
                        const struct pl_http_ops *ops, void *userdata, struct pl_http_request **ret,
                        struct pl_err *err)
{
    struct curl_slist *list = NULL;
    if (headers_copy(&list, headers, err) < 0)
        return -1;
    struct pl_http_request *r = pl_alloc(sizeof(*r));
    r->http = h;
    r->ops = ops;
    r->userdata = userdata;
    r->url = pl_strdup(url);
    r->headers = list;
    r->stall_timeout_ms = conf->stall_timeout_ms;
    r->easy = curl_easy_init();
    if (!r->easy || request_set_up(r, conf, body, body_len) < 0 ||
        (r->stall_timeout_ms > 0 && (sd_event_add_time(h->event, &r->stall, CLOCK_MONOTONIC, 0,
                                                       HTTP_TIMER_ACCURACY_USEC, on_stall, r) < 0 ||
                                     sd_event_source_set_enabled(r->stall, SD_EVENT_OFF) < 0))) {
        request_destroy(r);
        return pl_err_set(err, PL_ERR_FATAL, 0, "cannot set up an HTTP request");
    }
    LIST_INSERT_HEAD(&h->requests, r, list);
    http_work_later(h);
    if (ret)
        *ret = r;
    return 0;
}

void pl_http_request_cancel(struct pl_http_request *r)
{
    struct pl_http *h = r->http;
    if (r->state == REQUEST_DONE)
        return; /* inside its on_done: it is freed right after */
    r->state = REQUEST_CANCELLED;
    http_enter(h);
    http_leave(h);
}

void pl_http_request_pause(struct pl_http_request *r, bool paused)
{
    if (r->paused == paused)
        return;
    r->paused = paused;
    if (paused || r->state != REQUEST_RUNNING)
        return;
    r->active_ms = pl_clock_monotonic_ms();
    stall_arm(r, r->stall_timeout_ms);
    if (r->curl_paused)
        http_work_later(r->http);
}

const char *pl_http_request_header(struct pl_http_request *r, const char *name)
{
    struct curl_header *header = NULL;
    return curl_easy_header(r->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

struct pl_peer_answer pl_http_request_heard(struct pl_http_request *r)
{
    int64_t boot_ms = pl_clock_boot_ms();
    /* A value is valid only until the next call. */
    PL_FREE char *date = pl_strdup(pl_http_request_header(r, "Date"));
    return (struct pl_peer_answer){
        .date_ms = pl_peer_date(date, pl_http_request_header(r, "Age")),
        .now_ms = pl_clock_realtime_ms(),
        .boot_ms = boot_ms,
        .took_ms = boot_ms - r->begun_ms,
    };
}

CURL *pl_http_request_easy(struct pl_http_request *r)
{
    return r->easy;
}

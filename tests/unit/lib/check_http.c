/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_http.c - http.c: what results mean, by table; request.c: requests on a real event loop
 * against servers in this process: whole answers, cut, stalled, paused, cancelled, refused.
 */
#include "lib/http/request.h"
#include "tests/unit/http_server.h"
#include "tests/unit/unit.h"

/* ---- meanings ---- */

START_TEST(status_kinds)
{
    static const struct {
        long status;
        enum pl_err_kind kind;
    } cases[] = {
        {200, PL_ERR_NONE},   {204, PL_ERR_NONE},   {301, PL_ERR_CONFIG}, {302, PL_ERR_CONFIG},
        {308, PL_ERR_CONFIG}, {400, PL_ERR_REJECT}, {401, PL_ERR_CONFIG}, {403, PL_ERR_CONFIG},
        {404, PL_ERR_CONFIG}, {405, PL_ERR_CONFIG}, {407, PL_ERR_CONFIG}, {408, PL_ERR_RETRY},
        {410, PL_ERR_CONFIG}, {413, PL_ERR_REJECT}, {422, PL_ERR_REJECT}, {425, PL_ERR_RETRY},
        {429, PL_ERR_RETRY},  {500, PL_ERR_RETRY},  {502, PL_ERR_RETRY},  {503, PL_ERR_RETRY},
        {504, PL_ERR_RETRY},  {599, PL_ERR_RETRY},
    };

    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(pl_http_status_kind(cases[i].status) == cases[i].kind, "status %ld",
                      cases[i].status);
}
END_TEST

/* What helps depends on what is wrong with it; the texts are curl's and OpenSSL's. */
static const struct {
    CURLcode code;
    const char *says, *has;
} certificates[] = {
    {CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate has expired",
     "the server needs another certificate"},
    {CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate is not yet valid",
     "clock"},
    {CURLE_PEER_FAILED_VERIFICATION,
     "SSL: no alternative certificate subject name matches target host name 'h'",
     "name or address that the certificate is for"},
    {CURLE_PEER_FAILED_VERIFICATION,
     "SSL certificate problem: unable to get local issuer certificate", "tls ca_file"},
    {CURLE_RECV_ERROR,
     "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0",
     "tls cert_file and key_file"},
};

START_TEST(curl_kinds)
{
    static const struct {
        CURLcode code;
        enum pl_err_kind kind;
        const char *has;
    } cases[] = {
        {CURLE_COULDNT_RESOLVE_HOST, PL_ERR_RETRY, "name service"},
        {CURLE_COULDNT_CONNECT, PL_ERR_RETRY, "is it running"},
        {CURLE_OPERATION_TIMEDOUT, PL_ERR_RETRY, "h.example:8443: "},
        {CURLE_GOT_NOTHING, PL_ERR_RETRY, "h.example:8443: "},
        {CURLE_RECV_ERROR, PL_ERR_RETRY, "h.example:8443: "},
        {CURLE_SEND_ERROR, PL_ERR_RETRY, "h.example:8443: "},
        {CURLE_PARTIAL_FILE, PL_ERR_RETRY, "h.example:8443: "},
        {CURLE_SSL_CONNECT_ERROR, PL_ERR_RETRY, "https port"},
        {CURLE_PEER_FAILED_VERIFICATION, PL_ERR_CONFIG, "ca_file"},
        {CURLE_SSL_CACERT_BADFILE, PL_ERR_CONFIG, "ca_file"},
        {CURLE_SSL_CERTPROBLEM, PL_ERR_CONFIG, "cert_file"},
        {CURLE_URL_MALFORMAT, PL_ERR_CONFIG, "check the URL"},
        {CURLE_UNSUPPORTED_PROTOCOL, PL_ERR_CONFIG, "http://"},
        {CURLE_OUT_OF_MEMORY, PL_ERR_FATAL, "h.example:8443: "},
    };
    struct pl_err err;

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        pl_http_err_from_curl(&err, cases[i].code, NULL,
                              "https://me:geheim@h.example:8443/p?k=geheim");
        ck_assert_msg(err.kind == cases[i].kind, "code %d", cases[i].code);
        ck_assert_int_eq(err.code, (int)cases[i].code);
        ck_assert_msg(strstr(err.msg, cases[i].has), "%s", err.msg);
        ck_assert_msg(!strstr(err.msg, "geheim"), "%s", err.msg);
    }
    for (size_t i = 0; i < PL_COUNT(certificates); i++) {
        pl_http_err_from_curl(&err, certificates[i].code, certificates[i].says, "https://h/");
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, certificates[i].has), "%s", err.msg);
    }
    pl_http_err_from_curl(&err, CURLE_COULDNT_CONNECT, "curl's own words", "http://h.example/");
    ck_assert_ptr_nonnull(strstr(err.msg, "h.example: curl's own words"));
}
END_TEST

START_TEST(hosts)
{
    static const char *const cases[][2] = {
        {"http://h.example", "h.example"},
        {"https://u:p@h.example:99/x?y=z", "h.example:99"},
        {"http://[::1]:8123/", "[::1]:8123"},
        {"not a url", "the configured URL"},
    };
    char out[64];

    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        pl_http_host(cases[i][0], out, sizeof(out));
        ck_assert_str_eq(out, cases[i][1]);
    }
}
END_TEST

/* ---- requests on the loop ---- */

static sd_event *loop;
static struct pl_http *http;
static struct server server;
static const struct pl_http_conf conf_dflt = {.connect_timeout_ms = 3000,
                                              .total_timeout_ms = 20000};
static unsigned inside; /* callbacks on the stack: never more than one */

/* A request and what came of it. */
struct fetch {
    struct pl_http_request *request;
    struct pl_buf body;
    long status;
    int headers_seen, data_seen, done;
    bool failed;
    struct pl_err err;
    char header[64];                /* X-Test */
    bool (*more)(struct fetch *f);  /* from on_data */
    void (*after)(struct fetch *f); /* from on_done */
    struct fetch *other;
};

static int running; /* fetches that are not done */

static void fetch_on_headers(void *userdata, struct pl_http_request *r, long status)
{
    struct fetch *f = userdata;
    const char *value = pl_http_request_header(r, "x-test");

    ck_assert_uint_eq(inside++, 0);
    f->headers_seen++;
    f->status = status;
    snprintf(f->header, sizeof(f->header), "%s", value ? value : "");
    inside--;
}

static bool fetch_on_data(void *userdata, struct pl_http_request *r, const char *data, size_t len)
{
    struct fetch *f = userdata;
    bool go_on;

    (void)r;
    ck_assert_uint_eq(inside++, 0);
    ck_assert_int_eq(f->headers_seen, 1);
    ck_assert_uint_gt(len, 0);
    f->data_seen++;
    pl_buf_add(&f->body, data, len);
    go_on = f->more ? f->more(f) : true;
    inside--;
    return go_on;
}

static void fetch_end(struct fetch *f)
{
    f->request = NULL;
    running--;
}

static void fetch_on_done(void *userdata, struct pl_http_request *r, const struct pl_err *err)
{
    struct fetch *f = userdata;

    (void)r;
    ck_assert_uint_eq(inside++, 0);
    f->done++;
    f->failed = err != NULL;
    if (err)
        f->err = *err;
    if (f->after)
        f->after(f);
    fetch_end(f);
    inside--;
}

static const struct pl_http_ops fetch_ops = {fetch_on_headers, fetch_on_data, fetch_on_done};

static void fetch_start(struct fetch *f, const struct pl_http_conf *conf, const char *url,
                        const char *body)
{
    static const char *const headers[] = {"X-Mine: yes", NULL};
    struct pl_err err;

    running++;
    ck_assert_int_eq(pl_http_request_new(http, conf, url, headers, body, body ? strlen(body) : 0,
                                         &fetch_ops, f, &f->request, &err),
                     0);
    ck_assert_int_eq(f->headers_seen + f->data_seen + f->done, 0); /* never from inside */
}

static void fetch_cancel(struct fetch *f)
{
    pl_http_request_cancel(f->request);
    fetch_end(f);
}

static void loop_run(void)
{
    while (running > 0)
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
}

static void loop_set_up(void)
{
    struct pl_err err;

    running = 0;
    ck_assert_int_ge(sd_event_new(&loop), 0);
    ck_assert_int_eq(pl_http_new(loop, &http, &err), 0);
}

static void loop_tear_down(void)
{
    pl_http_free(http);
    sd_event_unref(loop);
}

static int on_after_ms(sd_event_source *s, uint64_t usec, void *userdata)
{
    void (*fn)(void) = userdata;

    (void)s, (void)usec;
    fn();
    return 0;
}

static void call_after_ms(uint64_t ms, void (*fn)(void))
{
    uint64_t now;

    sd_event_now(loop, CLOCK_MONOTONIC, &now);
    ck_assert_int_ge(sd_event_add_time(loop, NULL, CLOCK_MONOTONIC, now + ms * 1000, 1000,
                                       on_after_ms, (void *)fn),
                     0);
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Test: t\r\n\r\n"

static bool answer_echo(struct server *s, int fd, const struct server_request *r)
{
    char head[128];

    snprintf(head, sizeof(head),
             "HTTP/1.1 201 Created\r\nX-Test: a b\r\nContent-Length: %zu\r\n\r\n",
             r->head.len + r->body.len);
    return server_send_str(s, fd, head) && server_send(s, fd, r->head.data, r->head.len) &&
           server_send(s, fd, r->body.data, r->body.len);
}

START_TEST(whole_answers)
{
    struct fetch get = {0}, post = {0}, empty = {0};
    char url[128];

    server_start(&server, answer_echo, NULL);
    snprintf(url, sizeof(url), "%s/a?b=c", server.url);
    fetch_start(&get, &conf_dflt, url, NULL);
    fetch_start(&post, &conf_dflt, url, "grant_type=x");
    fetch_start(&empty, &conf_dflt, url, "");
    loop_run();
    ck_assert(!get.failed && !post.failed && !empty.failed);
    ck_assert_int_eq(get.status, 201);
    ck_assert_str_eq(get.header, "a b");
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&get.body), "GET /a?b=c HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&get.body), "User-Agent: libpipeline/"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&get.body), "X-Mine: yes\r\n"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&post.body), "POST /a?b=c HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&post.body), "\r\n\r\ngrant_type=x"));
    ck_assert_ptr_null(strstr(pl_buf_cstr(&post.body), "Expect"));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&empty.body), "Content-Length: 0\r\n"));
    pl_buf_release(&get.body);
    pl_buf_release(&post.body);
    pl_buf_release(&empty.body);
    server_stop(&server);
}
END_TEST

static bool answer_informational(struct server *s, int fd, const struct server_request *r)
{
    (void)r;
    return server_send_str(s, fd,
                           "HTTP/1.1 103 Early Hints\r\nX-Test: early\r\n\r\n"
                           "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nX-Test: last\r\n"
                           "Content-Length: 2\r\n\r\nok");
}

/* Informational answers are passed by, redirects are answers. */
START_TEST(informational_and_redirect)
{
    struct fetch f = {0};

    server_start(&server, answer_informational, NULL);
    fetch_start(&f, &conf_dflt, server.url, NULL);
    loop_run();
    ck_assert(!f.failed);
    ck_assert_int_eq(f.headers_seen, 1);
    ck_assert_int_eq(f.status, 302);
    ck_assert_str_eq(f.header, "last");
    ck_assert_int_eq(server.requests, 1);
    pl_buf_release(&f.body);
    server_stop(&server);
}
END_TEST

static bool answer_cut(struct server *s, int fd, const struct server_request *r)
{
    (void)r;
    server_send_str(s, fd, CHUNKED "5\r\nhello\r\n20\r\nhalf of");
    return false;
}

START_TEST(cut_is_retry)
{
    struct fetch f = {0};

    server_start(&server, answer_cut, NULL);
    fetch_start(&f, &conf_dflt, server.url, NULL);
    loop_run();
    ck_assert(f.failed);
    ck_assert_int_eq(f.done, 1);
    ck_assert_int_eq(f.err.kind, PL_ERR_RETRY);
    ck_assert_str_eq(pl_buf_cstr(&f.body), "hellohalf of");
    ck_assert_msg(strstr(f.err.msg, "127.0.0.1:"), "%s", f.err.msg);
    pl_buf_release(&f.body);
    server_stop(&server);
}
END_TEST

static bool answer_long_headers(struct server *s, int fd, const struct server_request *r)
{
    char line[1024];

    (void)r;
    server_send_str(s, fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 400; i++) {
        snprintf(line, sizeof(line), "X-%d: %0900d\r\n", i, i);
        server_send_str(s, fd, line);
    }
    server_send_str(s, fd, "\r\n");
    return false;
}

START_TEST(headers_are_bounded)
{
    struct fetch f = {0};

    server_start(&server, answer_long_headers, NULL);
    fetch_start(&f, &conf_dflt, server.url, NULL);
    loop_run();
    ck_assert(f.failed);
    ck_assert_msg(strstr(f.err.msg, "headers are larger"), "%s", f.err.msg);
    server_stop(&server);
}
END_TEST

static bool answer_stall(struct server *s, int fd, const struct server_request *r)
{
    (void)r;
    server_send_str(s, fd, CHUNKED "5\r\nhello\r\n");
    server_wait_close(fd);
    return false;
}

START_TEST(stall_ends)
{
    struct pl_http_conf conf = conf_dflt;
    struct fetch f = {0};

    conf.stall_timeout_ms = 60;
    server_start(&server, answer_stall, NULL);
    fetch_start(&f, &conf, server.url, NULL);
    loop_run();
    ck_assert(f.failed);
    ck_assert_int_eq(f.err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(f.err.msg, "no data for"), "%s", f.err.msg);
    ck_assert_str_eq(pl_buf_cstr(&f.body), "hello");
    pl_buf_release(&f.body);
    server_stop(&server);
}
END_TEST

#define LONG_BYTES (48 * 1024 * 1024)

static bool answer_long(struct server *s, int fd, const struct server_request *r)
{
    static char piece[65536];
    char head[128];

    (void)r;
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LONG_BYTES);
    server_send_str(s, fd, head);
    for (int i = 0; i < LONG_BYTES / (int)sizeof(piece); i++) {
        memset(piece, 'a' + i % 26, sizeof(piece));
        if (!server_send(s, fd, piece, sizeof(piece)))
            return false;
    }
    return true;
}

static struct fetch paused;
static int paused_data_seen;

static bool pause_once(struct fetch *f)
{
    if (f->data_seen == 1) {
        pl_http_request_pause(f->request, true);
        paused_data_seen = f->data_seen;
    }
    return true;
}

static void resume_paused(void)
{
    ck_assert_int_eq(paused.data_seen, paused_data_seen);     /* nothing came meanwhile */
    ck_assert_uint_lt(atomic_load(&server.sent), LONG_BYTES); /* TCP held the server back */
    pl_http_request_pause(paused.request, false);
    ck_assert_int_eq(paused.data_seen, paused_data_seen); /* nor from inside the call */
}

/* The pause is longer than the stall limit, which rests meanwhile. */
START_TEST(pause_and_resume)
{
    struct pl_http_conf conf = conf_dflt;

    conf.stall_timeout_ms = 1000;
    paused = (struct fetch){.more = pause_once};
    server_start(&server, answer_long, NULL);
    fetch_start(&paused, &conf, server.url, NULL);
    call_after_ms(1500, resume_paused);
    loop_run();
    ck_assert_msg(!paused.failed, "%s", paused.err.msg);
    ck_assert_uint_eq(paused.body.len, LONG_BYTES);
    for (size_t i = 0; i < LONG_BYTES; i += 65536)
        ck_assert_int_eq(paused.body.data[i], 'a' + (int)(i / 65536 % 26));
    pl_buf_release(&paused.body);
    server_stop(&server);
}
END_TEST

static bool pause_then_refuse(struct fetch *f)
{
    if (f->data_seen > 1)
        return false;
    pl_http_request_pause(f->request, true);
    return true;
}

/* curl hands the held data out inside curl_easy_pause(): an end from there must end the request. */
START_TEST(ended_while_resuming)
{
    paused = (struct fetch){.more = pause_then_refuse};
    paused_data_seen = 1;
    server_start(&server, answer_long, NULL);
    fetch_start(&paused, &conf_dflt, server.url, NULL);
    call_after_ms(100, resume_paused);
    loop_run();
    ck_assert(paused.failed);
    ck_assert_int_eq(paused.done, 1);
    ck_assert_int_eq(paused.err.kind, PL_ERR_REJECT);
    ck_assert_int_eq(paused.data_seen, 2);
    pl_buf_release(&paused.body);
    server_stop(&server);
}
END_TEST

static bool refuse(struct fetch *f)
{
    (void)f;
    return false;
}

START_TEST(ended_by_caller)
{
    struct fetch f = {.more = refuse};

    server_start(&server, answer_long, NULL);
    fetch_start(&f, &conf_dflt, server.url, NULL);
    loop_run();
    ck_assert(f.failed);
    ck_assert_int_eq(f.err.kind, PL_ERR_REJECT);
    ck_assert_int_eq(f.data_seen, 1);
    ck_assert_msg(strstr(f.err.msg, "ended by the caller"), "%s", f.err.msg);
    pl_buf_release(&f.body);
    server_stop(&server);
}
END_TEST

static bool cancel_self(struct fetch *f)
{
    fetch_cancel(f);
    return true;
}

static bool cancel_other(struct fetch *f)
{
    if (f->other->request)
        fetch_cancel(f->other);
    return true;
}

static void start_other(struct fetch *f)
{
    fetch_start(f->other, &conf_dflt, server.url, NULL);
}

static bool start_other_once(struct fetch *f)
{
    if (f->data_seen == 1)
        start_other(f);
    return true;
}

START_TEST(cancel_from_its_own_data)
{
    struct fetch f = {.more = cancel_self};

    server_start(&server, answer_long, NULL);
    fetch_start(&f, &conf_dflt, server.url, NULL);
    loop_run();
    ck_assert_int_eq(f.data_seen, 1);
    ck_assert_int_eq(f.done, 0);
    pl_buf_release(&f.body);
    server_stop(&server);
}
END_TEST

/* Whichever comes first ends the other. */
START_TEST(cancel_each_other)
{
    struct fetch a = {.more = cancel_other}, b = {.more = cancel_other};

    a.other = &b;
    b.other = &a;
    server_start(&server, answer_echo, NULL);
    fetch_start(&a, &conf_dflt, server.url, NULL);
    fetch_start(&b, &conf_dflt, server.url, NULL);
    loop_run();
    ck_assert_int_eq(a.done + b.done, 1);
    pl_buf_release(&a.body);
    pl_buf_release(&b.body);
    server_stop(&server);
}
END_TEST

START_TEST(start_from_callbacks)
{
    struct fetch c = {0}, b = {.after = start_other, .other = &c};
    struct fetch a = {.more = start_other_once, .other = &b};

    server_start(&server, answer_echo, NULL);
    fetch_start(&a, &conf_dflt, server.url, NULL);
    loop_run();
    ck_assert(a.done == 1 && b.done == 1 && c.done == 1);
    ck_assert(!a.failed && !b.failed && !c.failed);
    pl_buf_release(&a.body);
    pl_buf_release(&b.body);
    pl_buf_release(&c.body);
    server_stop(&server);
}
END_TEST

/* Freed while running, before it ran, and cancelled from outside: no callback, nothing leaks. */
START_TEST(free_while_running)
{
    struct fetch a = {0}, b = {0}, c = {0}, d = {0};

    server_start(&server, answer_stall, NULL);
    fetch_start(&a, &conf_dflt, server.url, NULL);
    fetch_start(&b, &conf_dflt, server.url, NULL);
    while (!a.data_seen || !b.data_seen)
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
    fetch_cancel(&b);
    fetch_start(&c, &conf_dflt, server.url, NULL);
    fetch_start(&d, &conf_dflt, server.url, NULL);
    fetch_cancel(&d);
    pl_http_free(http);
    http = NULL;
    ck_assert_int_eq(a.done + b.done + c.done + d.done, 0);
    pl_buf_release(&a.body);
    pl_buf_release(&b.body);
    server_stop(&server);
}
END_TEST

START_TEST(nobody_there)
{
    struct fetch refused = {0}, unknown = {0}, bad = {0};
    char url[64];
    int port, fd = server_bind(&port); /* bound, but nobody listens */

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    fetch_start(&refused, &conf_dflt, url, NULL);
    fetch_start(&unknown, &conf_dflt, "http://no-such-host.invalid/", NULL);
    fetch_start(&bad, &conf_dflt, "file:///etc/hostname", NULL);
    loop_run();
    ck_assert(refused.failed && unknown.failed && bad.failed);
    ck_assert_int_eq(refused.err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(refused.err.msg, "is it running"), "%s", refused.err.msg);
    url[strlen(url) - 1] = '\0';
    ck_assert_msg(strstr(refused.err.msg, url + strlen("http://")), "%s", refused.err.msg);
    ck_assert_int_eq(unknown.err.kind, PL_ERR_RETRY);
    ck_assert_msg(strstr(unknown.err.msg, "no-such-host.invalid"), "%s", unknown.err.msg);
    ck_assert_int_eq(bad.err.kind, PL_ERR_CONFIG);
    ck_assert_int_eq(bad.body.len, 0);
    close(fd);
}
END_TEST

/* The proxy is asked with the user and password of their own options. */
START_TEST(proxy_login)
{
    struct pl_http_conf conf = conf_dflt;
    struct fetch f = {0}, none = {0};

    server_start(&server, answer_echo, NULL);
    conf.interface_proxy = server.url;
    fetch_start(&none, &conf, "http://service.example/a", NULL);
    conf.proxy_user = "me";
    conf.proxy_password = "hunter2";
    fetch_start(&f, &conf, "http://service.example/a", NULL);
    loop_run();
    ck_assert(!f.failed && !none.failed);
    ck_assert_ptr_nonnull(
        strstr(pl_buf_cstr(&f.body), "GET http://service.example/a HTTP/1.1\r\n"));
    /* base64 of me:hunter2 */
    ck_assert_msg(strstr(f.body.data, "\r\nProxy-Authorization: Basic bWU6aHVudGVyMg==\r\n") !=
                      NULL,
                  "%s", f.body.data);
    ck_assert_ptr_null(strstr(pl_buf_cstr(&none.body), "Proxy-Authorization"));
    pl_buf_release(&f.body);
    pl_buf_release(&none.body);
    server_stop(&server);
}
END_TEST

/* libcurl shows the whole of a proxy's URL that it does not understand; ours of the environment may
 * hold a password. */
START_TEST(proxy_of_the_environment)
{
    static const char *const proxies[] = {
        "http://me:hunter2@127.0.0.1:99999",
        "http://me:hunter2@",
        "me:hunter2@127.0.0.1:x",
        "ftp://me:hunter2@127.0.0.1:1",
        "http://me:hunter2@no-such-host.invalid:1",
        "http://me:hunter2@127.0.0.1:1",
    };

    for (size_t i = 0; i < PL_COUNT(proxies); i++) {
        struct fetch f = {0};

        setenv("http_proxy", proxies[i], 1);
        fetch_start(&f, &conf_dflt, "http://service.example/", NULL);
        loop_run();
        ck_assert_msg(f.failed, "%s", proxies[i]);
        ck_assert_msg(!strstr(f.err.msg, "hunter2"), "%s", f.err.msg);
        ck_assert_msg(strncmp(f.err.msg, "service.example: ", 17) == 0, "%s", f.err.msg);
        ck_assert_msg(i >= 4 || strstr(f.err.msg, "https_proxy"), "%s", f.err.msg);
    }
    unsetenv("http_proxy");
}
END_TEST

START_TEST(header_injection)
{
    static const char *const headers[] = {"Authorization: Bearer geheim\r\nX: y", NULL};
    struct pl_http_request *r;
    struct pl_err err;

    ck_assert_int_eq(pl_http_request_new(http, &conf_dflt, "http://127.0.0.1/", headers, NULL, 0,
                                         &fetch_ops, NULL, &r, &err),
                     -1);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_msg(!strstr(err.msg, "geheim") && strstr(err.msg, "Authorization"), "%s", err.msg);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("meanings"),
        TEST(status_kinds),
        TEST(curl_kinds),
        TEST(hosts),
        TCASE("loop", .set_up = loop_set_up, .tear_down = loop_tear_down),
        TEST(whole_answers),
        TEST(informational_and_redirect),
        TEST(cut_is_retry),
        TEST(headers_are_bounded),
        TEST(stall_ends),
        TEST(pause_and_resume),
        TEST(ended_while_resuming),
        TEST(ended_by_caller),
        TEST(cancel_from_its_own_data),
        TEST(cancel_each_other),
        TEST(start_from_callbacks),
        TEST(free_while_running),
        TEST(nobody_there),
        TEST(proxy_login),
        TEST(proxy_of_the_environment),
        TEST(header_injection),
    };
    return unit_main("http", tests, PL_COUNT(tests));
}

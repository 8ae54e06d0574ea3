/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_metrics_server.c - /, /metrics, /healthz and /readyz through a plain socket on a free port
 * of loopback, and the addresses that the server takes.
 */
#include "lib/metrics/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tests/unit/exposition.h"
#include "tests/unit/markup.h"
#include "tests/unit/unit.h"

enum { RECEIVED, LATENCY, N };

static const struct pl_metric table[N] = {
    [RECEIVED] = {"t_received_total", NULL, PL_COUNTER, "Messages received."},
    [LATENCY] = {"t_latency_seconds", "stage=\"row\"", PL_HISTOGRAM, "Latency."},
};

/* From 127.0.0.`host` to 127.0.0.1. */
static int connect_from(unsigned host, unsigned port)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

/* The whole answer, headers and all, in a static buffer; returns the status. */
static char answer_text[65536];

static int http_from(unsigned host, unsigned port, const char *request_line)
{
    char request[512];
    int fd = connect_from(host, port), status;
    size_t len = 0;
    ssize_t n;

    /* Without "Connection: close": it is the server that ends a connection after its answer. */
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\n\r\n", request_line);
    ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    while ((n = read(fd, answer_text + len, sizeof(answer_text) - 1 - len)) > 0)
        len += (size_t)n;
    ck_assert_int_eq(n, 0);
    answer_text[len] = '\0';
    close(fd);
    ck_assert_int_eq(sscanf(answer_text, "HTTP/1.1 %d ", &status), 1);
    return status;
}

static int http(unsigned port, const char *request_line)
{
    return http_from(1, port, request_line);
}

static const char *body(void)
{
    const char *b = strstr(answer_text, "\r\n\r\n");

    ck_assert_ptr_nonnull(b);
    return b + 4;
}

static const struct request_case {
    const char *request;
    bool ready, alive;
    int status;
    const char *text; /* stands in the answer */
} request_cases[] = {
    {"GET /metrics", true, true, 200, "text/plain; version=0.0.4; charset=utf-8"},
    {"GET /metrics?x=1", true, true, 200, "\nt_received_total 42\n"},
    {"GET /healthz", false, true, 200, "\r\n\r\nok\n"},
    {"GET /healthz", true, false, 503, "has not turned for 60 s"},
    {"GET /readyz", true, true, 200, "\r\n\r\nready\n"},
    {"GET /readyz", false, true, 503, "\r\n\r\nKafka is away\n"},
    {"HEAD /readyz", false, true, 503, "Content-Length: 14\r\n"},
    {"GET /", true, true, 200, "text/html; charset=utf-8"},
    {"GET /?x=1", true, true, 200, "<!DOCTYPE html>"},
    {"HEAD /", true, true, 200, "Content-Security-Policy: default-src 'none'; style-src"},
    {"POST /", true, true, 405, "Allow: GET, HEAD\r\n"},
    {"GET /index.html", true, true, 404, "there are /, /metrics"},
    {"GET //", true, true, 404, ""},
    {"GET /metrics/", true, true, 404, ""},
    {"POST /nothing", true, true, 404, ""},
    {"POST /metrics", true, true, 405, "Allow: GET, HEAD\r\n"},
    {"DELETE /readyz", true, true, 405, "Allow: GET, HEAD\r\n"},
    {"OPTIONS /healthz", true, true, 405, "only GET and HEAD"},
};

START_TEST(http_requests)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metrics_server *srv = NULL;
    struct pl_err err;
    unsigned i, port;
    int status;

    ck_assert_int_eq(pl_metrics_serve(s, "127.0.0.1:0", &srv, &err), 0);
    port = pl_metrics_server_port(srv);
    ck_assert_uint_gt(port, 0);
    ck_assert_int_eq(http(port, "GET /readyz"), 503);
    ck_assert_str_eq(body(), "starting\n");
    ck_assert_int_eq(http(port, "GET /healthz"), 200);
    pl_metrics_inc(s, RECEIVED, 42);
    for (i = 0; i < PL_COUNT(request_cases); i++) {
        const struct request_case *c = &request_cases[i];

        pl_metrics_set_ready(s, c->ready ? NULL : "Kafka is away");
        pl_metrics_heartbeat_at(s, pl_clock_monotonic_ms() - (c->alive ? 0 : 61000));
        status = http(port, c->request);
        ck_assert_msg(status == c->status, "%s: %s", c->request, answer_text);
        ck_assert_msg(strstr(answer_text, c->text) != NULL, "%s: %s", c->request, answer_text);
        if (c->request[0] == 'H')
            ck_assert_str_eq(body(), "");
    }
    pl_metrics_server_free(srv);
    pl_metrics_free(s);
}
END_TEST

START_TEST(http_metrics_are_well_formed)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metrics_server *srv = NULL;
    struct samples got;
    struct pl_err err;

    pl_metrics_observe(s, LATENCY, 0.3);
    ck_assert_int_eq(pl_metrics_serve(s, "localhost:0", &srv, &err), 0);
    ck_assert_int_eq(http(pl_metrics_server_port(srv), "GET /metrics"), 200);
    read_text(body(), &got);
    ck_assert_double_eq(value_of(&got, "t_latency_seconds_sum", "stage=\"row\""), 0.3);
    pl_metrics_server_free(srv);
    pl_metrics_free(s);
}
END_TEST

/* ---- the page ---- */

/* The daemon's loop, in a thread. */
struct maker {
    struct pl_metrics *metrics;
    int fd;
    atomic_bool hangs, ends;
    atomic_uint made;
};

static void *make_pages(void *arg)
{
    struct maker *m = arg;
    while (!m->ends) {
        struct pollfd fd = {.fd = m->fd, .events = POLLIN};
        if (poll(&fd, 1, 10) <= 0 || m->hangs)
            continue;
        struct pl_buf html = {0};
        pl_buf_addf(&html, "<!DOCTYPE html>page %u", ++m->made);
        pl_metrics_page_answer(m->metrics, &html);
    }
    return NULL;
}

static void page_is(unsigned port, const char *text)
{
    ck_assert_int_eq(http(port, "GET /"), 200);
    ck_assert_msg(strstr(body(), text) != NULL, "%s", answer_text);
}

/* It is the loop's while there is one that answers, and in between the server's own. */
START_TEST(page)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metrics_server *srv = NULL;
    struct maker m = {.metrics = s};
    struct pl_err err;
    pthread_t thread;

    ck_assert_int_eq(pl_metrics_serve(s, "127.0.0.1:0", &srv, &err), 0);
    unsigned port = pl_metrics_server_port(srv);
    pl_metrics_set_name(s, "testd");
    pl_metrics_set_status(s, "waiting for <Kafka>");
    page_is(port, "<h1>testd");
    ck_assert_ptr_nonnull(strstr(body(), "Waiting for &lt;Kafka&gt;"));
    markup_check(body(), strlen(body()));

    m.fd = pl_metrics_page_open(s);
    ck_assert_int_ge(m.fd, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, make_pages, &m), 0);
    page_is(port, "page 1");
    int64_t begun_ms = pl_clock_monotonic_ms();
    page_is(port, "page "); /* the same, unless this machine is very slow */
    if (pl_clock_monotonic_ms() - begun_ms < PL_METRICS_PAGE_KEPT_MS / 2)
        ck_assert_uint_eq(m.made, 1);

    m.hangs = true;
    poll(NULL, 0, PL_METRICS_PAGE_KEPT_MS + 50);
    page_is(port, "the daemon's event loop");
    begun_ms = pl_clock_monotonic_ms();
    for (int i = 0; i < 20; i++) /* nobody waits for it again */
        page_is(port, "the daemon's event loop");
    ck_assert_int_lt(pl_clock_monotonic_ms() - begun_ms, 20 * PL_METRICS_PAGE_WAIT_MS / 2);
    ck_assert_int_eq(http(port, "GET /healthz"), 200);

    unsigned made = m.made;
    m.hangs = false;
    for (int i = 0; i < 1000 && m.made == made; i++)
        poll(NULL, 0, 10);
    page_is(port, "<!DOCTYPE html>page ");
    m.ends = true;
    pthread_join(thread, NULL);
    pl_metrics_page_close(s);
    page_is(port, "<h1>testd");
    pl_metrics_server_free(srv);
    pl_metrics_free(s);
}
END_TEST

static bool asks_and_is_answered(int fd)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    char c;
    return send(fd, request, strlen(request), MSG_NOSIGNAL) > 0 && read(fd, &c, 1) == 1 && c == 'H';
}

/* Idle connections use up what one address may have, and those of several what there is: the next
 * one is refused or waits, the server lives. */
START_TEST(http_connection_limit)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metrics_server *srv = NULL;
    struct pl_err err;
    int fds[40];
    unsigned i, port;

    ck_assert_int_eq(pl_metrics_serve(s, "127.0.0.1:0", &srv, &err), 0);
    port = pl_metrics_server_port(srv);
    for (i = 0; i < PL_COUNT(fds); i++) {
        fds[i] = connect_from(1 + i / 8, port);
        if (i == 7) {
            int one_more = connect_from(1, port);
            ck_assert(!asks_and_is_answered(one_more));
            close(one_more);
        }
    }
    for (i = 0; i < 32; i++)
        ck_assert_msg(asks_and_is_answered(fds[i]), "connection %u", i);
    for (i = 0; i < PL_COUNT(fds); i++)
        close(fds[i]);
    pl_metrics_server_free(srv);
    pl_metrics_free(s);
}
END_TEST

struct dripping {
    int fds[40];
    atomic_uint left; /* connections that the server has not ended */
};

/* Requests that never end, though a byte comes now and then. */
static void *drip(void *arg)
{
    struct dripping *d = arg;
    int64_t end = pl_clock_monotonic_ms() + 60000; /* only a failing test meets it */
    for (unsigned left = 1; left > 0 && pl_clock_monotonic_ms() < end; poll(NULL, 0, 100)) {
        left = 0;
        for (unsigned i = 0; i < PL_COUNT(d->fds); i++) {
            char c;
            if (d->fds[i] >= 0 && (send(d->fds[i], "G", 1, MSG_NOSIGNAL) < 0 ||
                                   recv(d->fds[i], &c, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)) {
                close(d->fds[i]);
                d->fds[i] = -1;
            }
            left += d->fds[i] >= 0;
        }
        d->left = left;
    }
    return NULL;
}

/* From one address they hold up nobody else, and they are ended. */
START_TEST(dripping_holds_nobody_up)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metrics_server *srv = NULL;
    static struct dripping d = {.left = PL_COUNT(d.fds)};
    struct pl_err err;
    pthread_t thread;

    ck_assert_int_eq(pl_metrics_serve(s, "127.0.0.1:0", &srv, &err), 0);
    unsigned port = pl_metrics_server_port(srv);
    for (unsigned i = 0; i < PL_COUNT(d.fds); i++)
        d.fds[i] = connect_from(1, port);
    ck_assert_int_eq(pthread_create(&thread, NULL, drip, &d), 0);
    ck_assert_int_eq(http_from(2, port, "GET /healthz"), 200);
    ck_assert_uint_gt(d.left, 0);
    pthread_join(thread, NULL);
    ck_assert_msg(d.left == 0, "%u connections that drip were not ended", d.left);
    ck_assert_int_eq(http_from(1, port, "GET /healthz"), 200);
    pl_metrics_server_free(srv);
    pl_metrics_free(s);
}
END_TEST

static const struct address_case {
    const char *address;
    bool ok;
} addresses[] = {
    {"127.0.0.1:0", true},
    {"localhost:0", true},
    {"[::1]:0", true},
    {":0", true},
    {"0.0.0.0:0", true},
    {"[::]:0", true},
    {"127.0.0.1:65536", false},
    {"127.0.0.1:", false},
    {"127.0.0.1", false},
    {"9464", false},
    {"", false},
    {":", false},
    {"::1:9464", false},
    {"[::1]", false},
    {"[::1:9464", false},
    {"[]:9464", false},
    {"[127.0.0.1]:9464", false},
    {"127.0.0.1:-1", false},
    {"127.0.0.1: 80", false},
    {"127.0.0.1:80x", false},
    {"example.org:80", false},
    {"1.2.3:80", false},
    {"127.0.0.1:000080", false},
    {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80", false},
};

START_TEST(address)
{
    const struct address_case *c = &addresses[_i];
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metrics_server *srv = NULL;
    struct pl_err err = {0};
    int r;

    ck_assert_int_eq(pl_metrics_address_check(c->address, &err), c->ok ? 0 : -1);
    r = pl_metrics_serve(s, c->address, &srv, &err);
    if (!c->ok) {
        ck_assert_int_eq(r, -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.msg, "is not an address to listen on"));
    } else if (r < 0) { /* a machine without IPv6 */
        ck_assert_msg(c->address[0] == '[', "%s", err.msg);
    } else if (strchr(c->address, '[') == NULL) {
        ck_assert_int_eq(http(pl_metrics_server_port(srv), "GET /healthz"), 200);
    }
    pl_metrics_server_free(srv);
    pl_metrics_free(s);
}
END_TEST

START_TEST(address_in_use)
{
    struct pl_metrics *s = pl_metrics_new(table, N);
    struct pl_metrics_server *srv = NULL, *second = NULL;
    struct pl_err err = {0};
    char text[64];

    ck_assert_int_eq(pl_metrics_serve(s, "127.0.0.1:0", &srv, &err), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%u", pl_metrics_server_port(srv));
    ck_assert_int_eq(pl_metrics_serve(s, text, &second, &err), -1);
    ck_assert_ptr_null(second);
    ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "Address already in use"));
    ck_assert_ptr_nonnull(strstr(err.msg, text));
    /* And free again, with no wait for the connection that the server closed (TIME_WAIT). */
    ck_assert_int_eq(http(pl_metrics_server_port(srv), "GET /healthz"), 200);
    pl_metrics_server_free(srv);
    ck_assert_int_eq(pl_metrics_serve(s, text, &srv, &err), 0);
    pl_metrics_server_free(srv);
    pl_metrics_free(s);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(http_requests),
        TEST(http_metrics_are_well_formed),
        TEST(page),
        TEST(http_connection_limit),
        TEST(dripping_holds_nobody_up),
        TEST(address, .count = PL_COUNT(addresses)),
        TEST(address_in_use),
    };
    return unit_main("metrics_server", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - see metrics.h: /, /metrics, /healthz and /readyz over HTTP.
 *
 * The socket is ours, so that "cannot listen" can say why, and so is the thread that runs
 * libmicrohttpd, whose own time-out restarts with every byte: a slow peer could keep its connection
 * for ever. Here each connection has REQUEST_MS in all.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/metrics/internal.h"
#include "lib/page/page.h"

enum {
    CONNECTIONS_MAX = 32,
    PER_ADDRESS_MAX = 8, /* a Prometheus, a prober and a person may share one */
    REQUEST_MS = 10000,  /* from accepting to the answer's last byte */
    LOOK_MS = 1000,      /* between looks for connections that are too old */
    BACKLOG = 16,
    REQUEST_BYTES_MAX = 16 * 1024, /* libmicrohttpd's memory for one connection */
    ANSWER_BYTES_MAX = 16 << 20,   /* 4,096 series are about 1 MiB */
};

/* Zero: free. */
struct slot {
    bool used;
    int fd;
    int64_t end_ms;
};

struct pl_metrics_server {
    struct pl_metrics *metrics;
    struct MHD_Daemon *http;
    unsigned port;
    int stop_fd; /* an eventfd, readable: the thread ends */
    bool running;
    pthread_t thread;
    struct slot slots[CONNECTIONS_MAX]; /* the thread's */
};

/* ---- the address ---- */

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
    bool any; /* ":9464" */
};

static bool parse_port(const char *text, unsigned *ret_port)
{
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    unsigned long port = strtoul(text, NULL, 10);
    if (port > 65535)
        return false;
    *ret_port = (unsigned)port;
    return true;
}

static bool parse_host(const char *host, bool bracketed, unsigned port, struct address *ret)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&ret->sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->sa;
    *ret = (struct address){.any = !bracketed && host[0] == '\0'};
    if (bracketed || ret->any) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        ret->len = sizeof(*in6);
        return inet_pton(AF_INET6, ret->any ? "::" : host, &in6->sin6_addr) == 1;
    }
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    ret->len = sizeof(*in);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in->sin_addr) ==
           1;
}

static int parse_address(const char *text, struct address *ret, struct pl_err *err)
{
    const char *colon = strrchr(text, ':');
    unsigned port;
    struct address a;
    if (colon && parse_port(colon + 1, &port)) {
        bool bracketed = colon - text >= 2 && text[0] == '[' && colon[-1] == ']';
        PL_FREE char *host = bracketed ? pl_strndup(text + 1, (size_t)(colon - text) - 2)
                                       : pl_strndup(text, (size_t)(colon - text));
        if (parse_host(host, bracketed, port, &a)) {
            *ret = a;
            return 0;
        }
    }
    return pl_err_set(
        err, PL_ERR_CONFIG, 0,
        "'%s' is not an address to listen on: use 127.0.0.1:9464, [::1]:9464 or :9464", text);
}

int pl_metrics_address_check(const char *address, struct pl_err *err)
{
    struct address a;
    return parse_address(address, &a, err);
}

/* ---- the socket ---- */

static int socket_bound(const struct address *a)
{
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1, off = 0;
    if (fd < 0)
        return -1;
    /* So that a restart need not wait for the previous process's connections. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->any) /* IPv4 as well, whatever net.ipv6.bindv6only says */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0 || listen(fd, BACKLOG) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* On a machine without IPv6, all addresses are those of IPv4. */
static int socket_open(const struct address *a)
{
    int fd = socket_bound(a);
    if (fd >= 0 || !a->any || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    struct address four = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&four.sa;
    in->sin_family = AF_INET;
    in->sin_port = ((const struct sockaddr_in6 *)&a->sa)->sin6_port;
    return socket_bound(&four);
}

static unsigned socket_port(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    getsockname(fd, (struct sockaddr *)&sa, &len);
    return ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
                                         : ((struct sockaddr_in6 *)&sa)->sin6_port);
}

/* ---- answers ---- */

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_HTML  "text/html; charset=utf-8"
/* Nothing is loaded or run, whatever a page would hold. */
#define PAGE_POLICY                                                                                \
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "              \
    "form-action 'none'; frame-ancestors 'none'"

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, struct pl_buf *body,
                              const char *type, const char *allow)
{
    size_t len = body->len;
    char *bytes = pl_buf_take(body);
    struct MHD_Response *r = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        free(bytes);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    /* One request a connection: an idle one would take a place from others. */
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (strcmp(type, TEXT_HTML) == 0)
        MHD_add_response_header(r, "Content-Security-Policy", PAGE_POLICY);
    if (allow)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

/* Each writes its body and returns its status. */
static unsigned get_metrics(struct pl_metrics *s, struct pl_buf *body)
{
    pl_metrics_render(s, body);
    return MHD_HTTP_OK;
}

static unsigned get_healthz(struct pl_metrics *s, struct pl_buf *body)
{
    bool alive = pl_metrics_is_healthy(s, pl_clock_monotonic_ms());
    pl_buf_add_str(body, alive ? "ok\n" : "the event loop has not turned for 60 s\n");
    return alive ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned get_readyz(struct pl_metrics *s, struct pl_buf *body)
{
    char why_not[256];
    bool ready = pl_metrics_is_ready(s, why_not, sizeof(why_not));
    pl_buf_addf(body, "%s\n", ready ? "ready" : why_not);
    return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* While the loop does not run, or hangs. */
static void short_page(struct pl_metrics *s, struct pl_buf *body)
{
    struct pl_page p;
    char name[64], status[256];
    pthread_mutex_lock(&s->desk.lock);
    memcpy(name, s->desk.name, sizeof(name));
    memcpy(status, s->desk.status, sizeof(status));
    pthread_mutex_unlock(&s->desk.lock);
    status[0] = (char)toupper((unsigned char)status[0]);
    const int64_t now_ms = pl_clock_realtime_ms();
    pl_page_begin(&p, &(struct pl_page_head){.name = name[0] ? name : "daemon",
                                             .version = PL_VERSION,
                                             .status = status[0] ? status : "Starting",
                                             .tone = PL_PAGE_WARN,
                                             .now_ms = now_ms,
                                             .up_ms = now_ms - (int64_t)(s->start_time * 1000)});
    pl_page_text(&p, PL_PAGE_DIM,
                 "More is shown here as soon as the daemon's event loop answers: it has not begun, "
                 "or has ended, or is busy with one thing. The metrics are there all the time.");
    pl_page_end(&p, body);
}

static unsigned get_page(struct pl_metrics *s, struct pl_buf *body)
{
    if (!desk_get(&s->desk, body))
        short_page(s, body);
    return MHD_HTTP_OK;
}

static const struct page {
    const char *path, *type;
    unsigned (*get)(struct pl_metrics *s, struct pl_buf *body);
} pages[] = {
    {"/", TEXT_HTML, get_page},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", get_metrics},
    {"/healthz", TEXT_PLAIN, get_healthz},
    {"/readyz", TEXT_PLAIN, get_readyz},
};

/* MHD_AccessHandlerCallback. The first call comes with the headers; answering then makes
 * libmicrohttpd close a connection that sends a body. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **request_data)
{
    const struct pl_metrics_server *srv = userdata;
    (void)version;
    (void)upload_data;
    (void)upload_data_size;
    (void)request_data;
    struct pl_buf body = {.max = ANSWER_BYTES_MAX};
    const struct page *page = NULL;
    for (size_t i = 0; i < PL_COUNT(pages); i++)
        if (strcmp(url, pages[i].path) == 0)
            page = &pages[i];
    if (!page) {
        pl_buf_add_str(&body, "not found; there are /, /metrics, /healthz and /readyz\n");
        return answer(c, MHD_HTTP_NOT_FOUND, &body, TEXT_PLAIN, NULL);
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        pl_buf_add_str(&body, "only GET and HEAD\n");
        return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, &body, TEXT_PLAIN, "GET, HEAD");
    }
    unsigned status = page->get(srv->metrics, &body);
    return answer(c, status, &body, page->type, NULL);
}

/* A port scan must not fill the log with what peers do wrong. */
static void drop_message(void *userdata, const char *fmt, va_list ap)
{
    (void)userdata;
    (void)fmt;
    (void)ap;
}

/* ---- the thread ---- */

/* MHD_NotifyConnectionCallback. */
static void on_connection(void *userdata, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct pl_metrics_server *srv = userdata;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*context)
            ((struct slot *)*context)->used = false;
        return;
    }
    for (size_t i = 0; i < CONNECTIONS_MAX && !*context; i++)
        if (!srv->slots[i].used) {
            int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
            srv->slots[i] = (struct slot){true, fd, pl_clock_monotonic_ms() + REQUEST_MS};
            *context = &srv->slots[i];
        }
}

/* Ends connections that are too old: libmicrohttpd sees the end and closes them. Returns whether
 * there are any connections. */
static bool connections_expire(struct pl_metrics_server *srv)
{
    int64_t now_ms = pl_clock_monotonic_ms();
    bool any = false;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        any = any || srv->slots[i].used;
        if (srv->slots[i].used && now_ms >= srv->slots[i].end_ms)
            shutdown(srv->slots[i].fd, SHUT_RDWR);
    }
    return any;
}

static void *serve(void *userdata)
{
    struct pl_metrics_server *srv = userdata;
    struct pollfd fds[] = {
        {.fd = MHD_get_daemon_info(srv->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
         .events = POLLIN},
        {.fd = srv->stop_fd, .events = POLLIN},
    };
    while (!(fds[1].revents & POLLIN)) {
        MHD_UNSIGNED_LONG_LONG due;
        int wait_ms = connections_expire(srv) ? LOOK_MS : -1;
        if (MHD_get_timeout(srv->http, &due) == MHD_YES && due < LOOK_MS)
            wait_ms = (int)due;
        poll(fds, PL_COUNT(fds), wait_ms);
        MHD_run(srv->http);
    }
    return NULL;
}

/* A thread inherits its maker's mask: no signal must be handled here. */
static bool thread_start(struct pl_metrics_server *srv)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    srv->running = pthread_create(&srv->thread, NULL, serve, srv) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return srv->running;
}

/* ---- the object ---- */

static struct MHD_Daemon *http_new(struct pl_metrics_server *srv, int fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, srv,
        MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES_MAX,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, srv, MHD_OPTION_END);
}

int pl_metrics_serve(struct pl_metrics *s, const char *address, struct pl_metrics_server **ret,
                     struct pl_err *err)
{
    struct address a;
    if (parse_address(address, &a, err) < 0)
        return -1;
    int fd = socket_open(&a);
    if (fd < 0)
        return pl_err_set(err, PL_ERR_CONFIG, errno, "cannot listen on %s for metrics: %s", address,
                          strerror(errno));
    PL_CLEANUP(pl_metrics_server_freep) struct pl_metrics_server *srv = pl_alloc(sizeof(*srv));
    srv->metrics = s;
    srv->port = socket_port(fd);
    srv->stop_fd = eventfd(0, EFD_CLOEXEC);
    srv->http = http_new(srv, fd);
    if (!srv->http)
        close(fd);
    if (!srv->http || srv->stop_fd < 0 || !thread_start(srv))
        return pl_err_set(err, PL_ERR_FATAL, 0, "cannot start the HTTP server for metrics on %s",
                          address);
    *ret = PL_TAKE(srv);
    return 0;
}

unsigned pl_metrics_server_port(const struct pl_metrics_server *srv)
{
    return srv->port;
}

void pl_metrics_server_free(struct pl_metrics_server *srv)
{
    if (!srv)
        return;
    if (srv->running) {
        eventfd_write(srv->stop_fd, 1);
        pthread_join(srv->thread, NULL);
    }
    if (srv->http)
        MHD_stop_daemon(srv->http); /* closes the socket */
    if (srv->stop_fd >= 0)
        close(srv->stop_fd);
    free(srv);
}

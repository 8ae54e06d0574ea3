/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.h - an HTTP server for unit tests: plain sockets, a thread for each connection, and a
 * function of the test that writes the answer byte by byte as it likes (cut, slow, wrong).
 *
 * The request is read whole (Content-Length or chunks) before the test's function sees it; what
 * that function writes is the answer, nothing is added.
 *
 * Header-only, so that each test stays one program.
 */
#ifndef TESTS_UNIT_HTTP_SERVER_H
#define TESTS_UNIT_HTTP_SERVER_H

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"

#define SERVER_CONNECTIONS_MAX 64

struct server_request {
    struct pl_buf head; /* request line and headers, NUL-terminated */
    struct pl_buf body; /* chunks joined */
    int n;              /* the server's n-th request, from 0 */
};

struct server {
    int fd;
    int port;
    char url[64];
    /* Writes the answer to `fd`. false: the connection is closed after it. */
    bool (*answer)(struct server *s, int fd, const struct server_request *r);
    void *arg;
    pthread_t thread;
    pthread_t threads[SERVER_CONNECTIONS_MAX];
    int fds[SERVER_CONNECTIONS_MAX];
    _Atomic int connections, requests;
    _Atomic size_t sent; /* by server_send() */
    atomic_bool stopping;
};

struct server_connection {
    struct server *server;
    int fd;
};

static inline bool server_send(struct server *s, int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
        atomic_fetch_add(&s->sent, (size_t)n);
    }
    return true;
}

static inline bool server_send_str(struct server *s, int fd, const char *text)
{
    return server_send(s, fd, text, strlen(text));
}

/* Waits until the client has closed its side (or the server stops). */
static inline void server_wait_close(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

/* The value of a request header, as a slice up to the line's end; len 0 when not there. */
static inline struct pl_slice server_header(const struct server_request *r, const char *name)
{
    const char *line = r->head.data;

    while ((line = strstr(line, "\r\n"))) {
        size_t n = strlen(name);

        line += 2;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *value = line + n + 1 + strspn(line + n + 1, " ");

            return (struct pl_slice){value, strcspn(value, "\r")};
        }
    }
    return (struct pl_slice){"", 0};
}

static inline bool server_read_byte(int fd, struct pl_buf *to)
{
    char c;

    return recv(fd, &c, 1, 0) == 1 && pl_buf_add_byte(to, c);
}

static inline bool server_read_bytes(int fd, struct pl_buf *to, size_t len)
{
    char piece[65536];

    while (len > 0) {
        ssize_t n = recv(fd, piece, len < sizeof(piece) ? len : sizeof(piece), 0);

        if (n <= 0)
            return false;
        pl_buf_add(to, piece, (size_t)n);
        len -= (size_t)n;
    }
    return true;
}

static inline bool server_read_chunks(int fd, struct server_request *r)
{
    for (;;) {
        PL_CLEANUP(pl_buf_release) struct pl_buf line = {0};
        size_t len;

        while (line.len < 2 || memcmp(line.data + line.len - 2, "\r\n", 2) != 0) {
            if (!server_read_byte(fd, &line))
                return false;
        }
        len = strtoul(pl_buf_cstr(&line), NULL, 16);
        if (!server_read_bytes(fd, &r->body, len))
            return false;
        pl_buf_reset(&line);
        if (!server_read_bytes(fd, &line, 2)) /* the line end after each chunk, and at the end */
            return false;
        if (len == 0)
            return true;
    }
}

static inline bool server_read_request(int fd, struct server_request *r)
{
    pl_buf_reset(&r->head);
    pl_buf_reset(&r->body);
    while (r->head.len < 4 || memcmp(r->head.data + r->head.len - 4, "\r\n\r\n", 4) != 0) {
        if (!server_read_byte(fd, &r->head))
            return false;
    }
    pl_buf_cstr(&r->head);
    if (server_header(r, "Transfer-Encoding").len > 0)
        return server_read_chunks(fd, r);
    return server_read_bytes(fd, &r->body, strtoul(server_header(r, "Content-Length").p, NULL, 10));
}

static inline void *server_serve(void *arg)
{
    struct server_connection *c = arg;
    struct server_request r = {0};

    while (server_read_request(c->fd, &r)) {
        r.n = atomic_fetch_add(&c->server->requests, 1);
        if (!c->server->answer(c->server, c->fd, &r))
            break;
    }
    shutdown(c->fd, SHUT_RDWR); /* closed by server_stop(), so that its number is not given away */
    pl_buf_release(&r.head);
    pl_buf_release(&r.body);
    free(c);
    return NULL;
}

static inline void *server_accept(void *arg)
{
    struct server *s = arg;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        struct server_connection *c = pl_alloc(sizeof(*c));
        int n = s->connections;

        assert(n < SERVER_CONNECTIONS_MAX);
        *c = (struct server_connection){s, fd};
        s->fds[n] = fd;
        if (pthread_create(&s->threads[n], NULL, server_serve, c) != 0)
            abort();
        s->connections++;
    }
    return NULL;
}

/* Binds a free port of 127.0.0.1. */
static inline int server_bind(int *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static inline void server_start(struct server *s,
                                bool (*answer)(struct server *, int, const struct server_request *),
                                void *arg)
{
    *s = (struct server){.answer = answer, .arg = arg};
    s->fd = server_bind(&s->port);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
    if (listen(s->fd, 16) < 0 || pthread_create(&s->thread, NULL, server_accept, s) != 0)
        abort();
}

static inline void server_stop(struct server *s)
{
    atomic_store(&s->stopping, true);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->connections; i++) {
        shutdown(s->fds[i], SHUT_RDWR);
        pthread_join(s->threads[i], NULL);
        close(s->fds[i]);
    }
    close(s->fd);
}

#endif

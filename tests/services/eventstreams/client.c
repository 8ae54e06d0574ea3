/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - one connection: what it still gets, how that is framed, and how it ends.
 *
 * Body bytes are counted before chunked framing, so that "cut after N bytes" means N bytes of the
 * event stream whatever the chunks are.
 */
#include "tests/services/eventstreams/replay.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct client *client_new(int fd)
{
    struct client *client = calloc(1, sizeof(*client));

    if (!client)
        abort();
    client->fd = fd;
    client->cut_at = client->stall_at = client->error_at = client->close_at = -1;
    client->opened_ms = monotonic_ms();
    return client;
}

void client_free(struct client *client)
{
    struct linger now = {1, 0};

    if (!client)
        return;
    if (client->state == CLIENT_RESETTING)
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(client->fd);
    free(client->in.data);
    free(client->out.data);
    free(client->scratch.data);
    free(client);
}

void client_end(struct client *client)
{
    client->state = CLIENT_ENDING;
    client->ending_ms = monotonic_ms();
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

/* The header line that says what time it is here. */
static void put_date(struct client *client)
{
    time_t now = (time_t)((wall_ms() + client->clock_ms) / 1000);
    char text[64];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(text, sizeof(text), "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    bytes_add(&client->out, text, strlen(text));
}

void client_answer(struct client *client, int status, const char *type, const char *extra,
                   const char *body)
{
    bytes_print(&client->out, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    put_date(client);
    bytes_print(&client->out,
                "content-type: %s\r\ncontent-length: %zu\r\n"
                "access-control-allow-origin: *\r\n%sconnection: close\r\n\r\n",
                type, strlen(body), extra);
    bytes_add(&client->out, body, strlen(body));
    client_end(client);
}

static void put_chunks(const struct server *server, struct client *client, const char *data,
                       size_t len)
{
    while (len > 0) {
        size_t part = server->chunk_bytes && server->chunk_bytes < len ? server->chunk_bytes : len;

        bytes_print(&client->out, "%zx\r\n", part);
        bytes_add(&client->out, data, part);
        bytes_add(&client->out, "\r\n", 2);
        if (server->split_writes)
            client_flush(client);
        data += part;
        len -= part;
    }
}

/* Sends a part of the body, or what the cut or the stall lets through of it. */
static void put_body(struct server *server, struct client *client, const char *data, size_t len)
{
    bool stalls = client->stall_at >= 0 && client->body_bytes + (int64_t)len >= client->stall_at;
    bool cuts = client->cut_at >= 0 && client->body_bytes + (int64_t)len >= client->cut_at;

    if (client->state != CLIENT_STREAMING)
        return;
    if (cuts && stalls) { /* the one that comes first */
        cuts = client->cut_at <= client->stall_at;
        stalls = !cuts;
    }
    if (cuts || stalls)
        len = (size_t)((cuts ? client->cut_at : client->stall_at) - client->body_bytes);
    put_chunks(server, client, data, len);
    client->body_bytes += (int64_t)len;
    server->seen.body_bytes += len;
    if (client->state != CLIENT_STREAMING)
        return; /* the peer was found gone while writing */
    if (cuts)
        client_end(client);
    else if (stalls)
        client->state = CLIENT_STALLED;
}

void client_start_stream(struct server *server, struct client *client)
{
    static const char head[] = "content-type: text/event-stream; charset=utf-8\r\n"
                               "cache-control: private, max-age=0, s-maxage=0, no-cache\r\n"
                               "access-control-allow-origin: *\r\n"
                               "transfer-encoding: chunked\r\n\r\n";

    client->state = CLIENT_STREAMING;
    client->opened_ms = monotonic_ms();
    bytes_print(&client->out, "HTTP/1.1 200 OK\r\n");
    put_date(client);
    bytes_add(&client->out, head, sizeof(head) - 1);
    client->next = UINT64_MAX;
    for (size_t i = 0; i < server->log.topic_count; i++)
        if (client->positions[i].wanted && client->positions[i].from < client->next)
            client->next = client->positions[i].from;
    put_body(server, client, ":ok\n\n", 5);
    if (client->other_type[0]) {
        struct bytes text = {0};

        bytes_print(&text, "event: %s\ndata: {}\n\n", client->other_type);
        put_body(server, client, text.data, text.len);
        free(text.data);
    }
}

/* A page of a front that is no stream, and has no end. */
void client_start_endless(struct client *client)
{
    bytes_print(&client->out, "HTTP/1.1 200 OK\r\n");
    put_date(client);
    bytes_print(&client->out, "content-type: text/html\r\n\r\n<html><p>Log in to the network\n");
    client->state = CLIENT_ENDLESS;
}

/* The id line: an entry for each topic, the first of them another one from event to event. */
static void add_id(const struct log *log, const struct client *client, struct bytes *out)
{
    size_t turn = client->events / 3 % log->topic_count;
    const char *comma = "";

    bytes_add(out, "id: [", 5);
    for (size_t i = 0; i < log->topic_count; i++) {
        size_t topic = (i + turn) % log->topic_count;
        const struct position *position = &client->positions[topic];

        if (!position->wanted)
            continue;
        bytes_print(out, "%s{\"topic\":\"%s\",\"partition\":0,\"%s\":%lld}", comma,
                    log->topics[topic].name,
                    position->kind == POSITION_TIME ? "timestamp" : "offset",
                    position->kind == POSITION_LATEST ? -1LL : (long long)position->value);
        comma = ",";
    }
    bytes_add(out, "]\n", 2);
}

static void put_event(struct server *server, struct client *client, uint64_t seq)
{
    const struct log *log = &server->log;
    struct position *position = &client->positions[log_at(log, seq)->topic];
    struct bytes *text = &client->scratch;
    size_t id_at, data_at;

    position->kind = POSITION_TIME;
    position->value = log_time(log, seq) + 1;
    text->len = 0;
    bytes_add(text, "event: message\n", 15);
    id_at = text->len;
    add_id(log, client, text);
    data_at = text->len;
    bytes_add(text, "data: ", 6);
    log_render(log, seq, text);
    bytes_add(text, "\n\n", 2);
    client->events++;
    server->seen.events++;
    if (!server->split_writes) {
        put_body(server, client, text->data, text->len);
        return;
    }
    put_body(server, client, text->data, id_at);
    put_body(server, client, text->data + id_at, data_at - id_at);
    put_body(server, client, text->data + data_at, text->len - 1 - data_at);
    put_body(server, client, "\n", 1);
}

static void put_error(struct server *server, struct client *client)
{
    static const char text[] =
        "event: error\ndata: {\"message\":\"Local: Broker transport failure\",\"origin\":"
        "\"KafkaSSE\",\"name\":\"KafkaError\"}\n\n";

    put_body(server, client, text, sizeof(text) - 1);
    if (client->state == CLIENT_STREAMING)
        client_end(client);
}

void client_fill(struct server *server, struct client *client)
{
    const struct log *log = &server->log;

    if (client->state == CLIENT_ENDLESS)
        for (int64_t i = 0; i < client->endless && client->out.len - client->sent < OUT_LOW; i++)
            bytes_add(&client->out, ".", 1);
    while (client->state == CLIENT_STREAMING && !client->half_closed) {
        const struct position *position;

        if (client->close_at >= 0 && (int64_t)client->events >= client->close_at) {
            bytes_add(&client->out, "0\r\n\r\n", 5);
            client_end(client);
            return;
        }

        if (client->error_at >= 0 && (int64_t)client->events >= client->error_at) {
            put_error(server, client);
            return;
        }
        if (client->out.len - client->sent >= OUT_LOW || client->next >= log->head)
            return;
        if (client->next < log_oldest(log))
            client->next = log_oldest(log);
        position = &client->positions[log_at(log, client->next)->topic];
        if (position->wanted && client->next >= position->from)
            put_event(server, client, client->next);
        client->next++;
    }
}

static void client_finish(struct client *client)
{
    int unsent = 0;

    if (client->state == CLIENT_ENDING && client->cut_at >= 0 && client->cut_kind == CUT_RESET &&
        client->body_bytes == client->cut_at)
        client->state = CLIENT_RESETTING;
    if (client->state == CLIENT_ENDING) {
        client->state = CLIENT_DEAD;
    } else if (client->state == CLIENT_RESETTING) {
        /* A reset throws away what the peer has not acknowledged: the count would not be exact. */
        struct linger now = {1, 0};

        if (ioctl(client->fd, SIOCOUTQ, &unsent) == 0 && unsent > 0 &&
            monotonic_ms() - client->ending_ms < 5000)
            return;
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        client->state = CLIENT_DEAD;
    }
}

void client_flush(struct client *client)
{
    while (client->sent < client->out.len) {
        ssize_t count = send(client->fd, client->out.data + client->sent,
                             client->out.len - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (count < 0) {
            client->state = CLIENT_DEAD;
            return;
        }
        client->sent += (size_t)count;
    }
    if (client->sent == client->out.len) {
        client->sent = client->out.len = 0;
        client_finish(client);
    } else if (client->sent > OUT_LOW) {
        client->out.len -= client->sent;
        memmove(client->out.data, client->out.data + client->sent, client->out.len);
        client->sent = 0;
    }
}

bool client_wants_write(const struct server *server, const struct client *client)
{
    return client->sent < client->out.len ||
           (client->state == CLIENT_STREAMING && !client->half_closed &&
            client->next < server->log.head);
}

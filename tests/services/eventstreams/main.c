/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - eventstreams: options and the poll loop.
 */
#include "tests/services/eventstreams/replay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct options {
    int port;
    const char *files[FILES_MAX];
    size_t file_count;
    int history_s;
    bool split;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void usage(FILE *stream)
{
    fputs("usage: eventstreams --port P --file FILE.jsonl [OPTION]...\n"
          "  --stream NAME[=FILE]   a stream that is served (recentchange), and more events\n"
          "  --rate N               events a second (33)\n"
          "  --pace recorded        as far apart as in the recording\n"
          "  --fast                 the whole log is there at once\n"
          "  --from-start           the log begins to play at the first connection\n"
          "  --restamp              times become those of playing, ids new in each run and loop\n"
          "  --loop                 begin again at the end (implies --restamp)\n"
          "  --history S            with --restamp: it has played for S seconds when it starts\n"
          "  --close-after S        end each connection after S seconds, fractions allowed\n"
          "  --split-writes         each line a write of its own also with --fast\n"
          "  --chunk-bytes N        chunks of at most N bytes: they end inside of characters\n"
          "  --max-connections N    above: 429 (2)\n"
          "  --retry-after S        send Retry-After with that 429\n"
          "Faults for tests: POST /_control?KEY=VALUE, see README.md.\n",
          stream);
}

static void add_stream(struct server *server, struct options *opt, char *text)
{
    char *file = strchr(text, '=');

    if (file) {
        *file++ = '\0';
        if (opt->file_count < FILES_MAX)
            opt->files[opt->file_count++] = file;
    }
    log_add_stream(&server->log, text);
}

static bool parse_option(struct server *server, struct options *opt, int letter)
{
    switch (letter) {
    case 'p':
        opt->port = atoi(optarg);
        return true;
    case 'f':
        if (opt->file_count < FILES_MAX)
            opt->files[opt->file_count++] = optarg;
        return true;
    case 's':
        add_stream(server, opt, optarg);
        return true;
    case 'r':
        server->log.rate = strtod(optarg, NULL);
        return server->log.rate > 0;
    case 'P':
        server->log.recorded = true;
        return !strcmp(optarg, "recorded");
    case 'F':
        server->log.fast = true;
        return true;
    case 'S':
        server->log.waiting = true;
        return true;
    case 'm':
        server->log.restamp = true;
        return true;
    case 'l':
        server->log.loop = server->log.restamp = true;
        return true;
    case 'H':
        opt->history_s = atoi(optarg);
        return opt->history_s > 0;
    case 'c':
        server->close_after_ms = (int64_t)(strtod(optarg, NULL) * 1000);
        return true;
    case 'w':
        opt->split = true;
        return true;
    case 'k':
        server->chunk_bytes = strtoul(optarg, NULL, 10);
        return true;
    case 'x':
        server->max_connections = strtoul(optarg, NULL, 10);
        return true;
    case 'a':
        server->retry_after = atoi(optarg);
        return true;
    default:
        return false;
    }
}

static int parse_options(struct server *server, struct options *opt, int argc, char **argv)
{
    static const struct option names[] = {{"port", required_argument, NULL, 'p'},
                                          {"file", required_argument, NULL, 'f'},
                                          {"stream", required_argument, NULL, 's'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"pace", required_argument, NULL, 'P'},
                                          {"fast", no_argument, NULL, 'F'},
                                          {"from-start", no_argument, NULL, 'S'},
                                          {"restamp", no_argument, NULL, 'm'},
                                          {"loop", no_argument, NULL, 'l'},
                                          {"history", required_argument, NULL, 'H'},
                                          {"close-after", required_argument, NULL, 'c'},
                                          {"split-writes", no_argument, NULL, 'w'},
                                          {"chunk-bytes", required_argument, NULL, 'k'},
                                          {"max-connections", required_argument, NULL, 'x'},
                                          {"retry-after", required_argument, NULL, 'a'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int letter;

    while ((letter = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (letter == 'h') {
            usage(stdout);
            return -1;
        }
        if (!parse_option(server, opt, letter)) {
            usage(stderr);
            return 64;
        }
    }
    if (optind < argc || opt->port <= 0 || opt->file_count == 0) {
        usage(stderr);
        return 64;
    }
    if (server->log.fast && server->log.loop) {
        fputs("eventstreams: --fast --loop would be a log without an end\n", stderr);
        return 64;
    }
    server->split_writes = !server->log.fast || opt->split;
    return 0;
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 64) < 0) {
        fprintf(stderr, "eventstreams: port %d: %s\n", port, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static void accept_clients(struct server *server, int listener)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        int fd, on = 1;

        if (server->clients[i])
            continue;
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        server->clients[i] = client_new(fd);
    }
}

static void read_client(struct server *server, struct client *client)
{
    char data[16384];
    ssize_t count = recv(client->fd, data, sizeof(data), MSG_DONTWAIT);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        client->state = CLIENT_DEAD;
    } else if (client->state == CLIENT_REQUEST) {
        bytes_add(&client->in, data, (size_t)count);
        http_request(server, client);
    }
}

static void work_on(struct server *server, struct client *client, int64_t now)
{
    if (client->state == CLIENT_STREAMING && server->close_after_ms > 0 &&
        now - client->opened_ms >= server->close_after_ms)
        client_end(client);
    client_fill(server, client);
    if (client->state != CLIENT_DEAD)
        client_flush(client);
}

/* Anything that happens without a socket saying so: play, ends by time, resets. */
static int poll_timeout(const struct server *server)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (server->clients[i] && server->clients[i]->state != CLIENT_REQUEST &&
            server->clients[i]->state != CLIENT_STALLED)
            return 5;
    return 100;
}

static void run(struct server *server, int listener)
{
    while (!stopped) {
        struct pollfd polls[CLIENTS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
        int64_t now;

        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            struct client *client = server->clients[i];
            short write = client && client_wants_write(server, client) ? POLLOUT : 0;

            polls[i + 1].fd = client ? client->fd : -1;
            polls[i + 1].events = (short)(POLLIN | write);
            /* A peer that was told of the end may be silent or gone: only its hang-up counts. */
            if (client && client->state == CLIENT_RESETTING)
                polls[i + 1].events = 0;
        }
        if (poll(polls, CLIENTS_MAX + 1, poll_timeout(server)) < 0 && errno != EINTR)
            break;
        now = monotonic_ms();
        for (size_t i = 0; i < CLIENTS_MAX; i++)
            if (server->clients[i] && polls[i + 1].revents & (POLLIN | POLLHUP | POLLERR))
                read_client(server, server->clients[i]);
        log_advance(&server->log, now);
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            if (server->clients[i] && server->clients[i]->state != CLIENT_DEAD)
                work_on(server, server->clients[i], now);
            if (server->clients[i] && server->clients[i]->state == CLIENT_DEAD) {
                client_free(server->clients[i]);
                server->clients[i] = NULL;
            }
        }
        if (polls[0].revents)
            accept_clients(server, listener);
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct server *server = calloc(1, sizeof(*server));
    struct options opt = {0};
    int status, listener;

    if (!server)
        abort();
    server->log.rate = 33;
    server->max_connections = 2;
    control_init(&server->faults);
    status = parse_options(server, &opt, argc, argv);
    if (status)
        return status < 0 ? 0 : status;
    if (server->log.stream_count == 0)
        log_add_stream(&server->log, "recentchange");
    for (size_t i = 0; i < opt.file_count; i++)
        if (!log_load(&server->log, opt.files[i]))
            return 66;
    log_finish_loading(&server->log);
    log_play_history(&server->log, opt.history_s);
    listener = listen_on(opt.port);
    if (listener < 0)
        return 69;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    printf("eventstreams: %zu events, listening on 127.0.0.1:%d\n", server->log.count, opt.port);
    fflush(stdout);
    run(server, listener);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        client_free(server->clients[i]);
    close(listener);
    free(server->log.entries);
    free(server->log.restamps);
    free(server);
    return 0;
}

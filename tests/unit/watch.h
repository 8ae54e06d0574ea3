/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.h - a daemon in a forked child watched as systemd would, for tests: by what it sends to a
 * NOTIFY_SOCKET of ours, by its stderr and by its exit status. Every wait is for an event, with a
 * deadline that only a failure reaches. Included once by a test program.
 */
#ifndef TESTS_UNIT_WATCH_H
#define TESTS_UNIT_WATCH_H

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/log/log.h"
#include "tests/unit/unit.h"

enum { DEADLINE_MS = 20000 };

struct watch {
    int notify_fd, err_fd; /* the daemon's notifications and stderr */
    pid_t pid;
    struct pl_buf err_text;
    char path[108];
    char last[4096]; /* the notification received last */
};

static void watch_open(struct watch *w, bool abstract)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    socklen_t len;

    memset(w, 0, sizeof(*w));
    if (abstract) {
        snprintf(w->path, sizeof(w->path), "@check_daemon-%d", (int)getpid());
        memcpy(sa.sun_path + 1, w->path + 1, strlen(w->path) - 1);
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(w->path));
    } else {
        PL_FREE char *dir = unit_dir();
        snprintf(w->path, sizeof(w->path), "%s/notify", dir);
        strcpy(sa.sun_path, w->path);
        len = sizeof(sa);
    }
    w->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(w->notify_fd, 0);
    ck_assert_int_eq(bind(w->notify_fd, (struct sockaddr *)&sa, len), 0);
}

/* Runs `fn`, whose result is the exit status, in a child. */
static void watch_start(struct watch *w, int (*fn)(void))
{
    int p[2];

    ck_assert_int_eq(pipe(p), 0);
    w->pid = fork();
    ck_assert_int_ge(w->pid, 0);
    if (w->pid == 0) {
        setenv("NOTIFY_SOCKET", w->path, 1);
        dup2(p[1], STDERR_FILENO);
        close(p[0]);
        close(p[1]);
        close(w->notify_fd);
        pl_log_open("testd");
        exit(fn());
    }
    close(p[1]);
    w->err_fd = p[0];
}

static bool message_has(const char *message, const char *line)
{
    size_t n = strlen(line);
    const char *c;

    for (c = message; c; c = strchr(c, '\n'), c = c ? c + 1 : NULL)
        if (strncmp(c, line, n) == 0 && (c[n] == '\n' || c[n] == '\0' || line[n - 1] == '='))
            return true;
    return false;
}

static void receive(struct watch *w, const char *line)
{
    struct pollfd p = {.fd = w->notify_fd, .events = POLLIN};
    ck_assert_msg(poll(&p, 1, DEADLINE_MS) == 1, "nothing came instead of %s", line);
    ssize_t n = recv(w->notify_fd, w->last, sizeof(w->last) - 1, 0);
    ck_assert_int_gt(n, 0);
    w->last[n] = '\0';
}

/* The next notification holds this line ("NAME=" alone: whatever its value). */
static void expect(struct watch *w, const char *line)
{
    receive(w, line);
    ck_assert_msg(message_has(w->last, line), "%s instead of %s", w->last, line);
}

/* The same, but the watchdog may be fed before it. */
static inline void expect_beside_watchdog(struct watch *w, const char *line)
{
    do
        receive(w, line);
    while (message_has(w->last, "WATCHDOG=1"));
    ck_assert_msg(message_has(w->last, line), "%s instead of %s", w->last, line);
}

static void expect_no_more(struct watch *w)
{
    char text[4096];
    ssize_t n = recv(w->notify_fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    ck_assert_msg(n < 0, "%.*s instead of nothing", (int)n, text);
}

static void watch_kill(struct watch *w, int signo)
{
    ck_assert_int_eq(kill(w->pid, signo), 0);
}

/* Reads stderr to its end, which is the child's end; then the status. */
static void expect_exit(struct watch *w, int status)
{
    struct pollfd p = {.fd = w->err_fd, .events = POLLIN};
    char chunk[4096];
    ssize_t n = 1;
    int got;

    while (n > 0) {
        ck_assert_msg(poll(&p, 1, DEADLINE_MS) == 1, "the daemon does not end");
        n = read(w->err_fd, chunk, sizeof(chunk));
        if (n > 0)
            ck_assert(pl_buf_add(&w->err_text, chunk, (size_t)n));
    }
    ck_assert_int_eq(waitpid(w->pid, &got, 0), w->pid);
    ck_assert_msg(WIFEXITED(got), "ended by signal %d; %s", WTERMSIG(got),
                  pl_buf_cstr(&w->err_text));
    ck_assert_msg(WEXITSTATUS(got) == status, "status %d instead of %d; %s", WEXITSTATUS(got),
                  status, pl_buf_cstr(&w->err_text));
    w->pid = 0;
}

/* How often `text` stands in what the ended daemon wrote to stderr. */
static unsigned logged(struct watch *w, const char *text)
{
    const char *c = pl_buf_cstr(&w->err_text);
    unsigned n = 0;

    for (; (c = strstr(c, text)); c++)
        n++;
    return n;
}

static void watch_close(struct watch *w)
{
    close(w->notify_fd);
    close(w->err_fd);
    pl_buf_release(&w->err_text);
}

#endif

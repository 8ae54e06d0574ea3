/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_init_asked.c - --init on a pseudo-terminal: what is asked, again where it is wrong, without
 * echo where it is secret, and what is left of it when somebody leaves.
 */
#include "lib/service/init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

#include "tests/unit/init_sample.h"

/* A terminal in raw form: what is typed, and what is shown. */
struct terminal {
    int fd;
    pid_t child;
    size_t len, seen;
    char text[16384];
};

static void terminal_open(struct terminal *t, const char *file, const char *answer)
{
    *t = (struct terminal){.fd = posix_openpt(O_RDWR | O_NOCTTY)};
    ck_assert_int_ge(t->fd, 0);
    ck_assert(grantpt(t->fd) == 0 && unlockpt(t->fd) == 0);
    const char *name = ptsname(t->fd);
    fflush(stdout);
    t->child = fork();
    if (t->child == 0) {
        setsid();
        signal(SIGINT, SIG_DFL);        /* libcheck has its own */
        int slave = open(name, O_RDWR); /* becomes the controlling terminal */
        dup2(slave, 0), dup2(slave, 1), dup2(slave, 2);
        close(t->fd);
        const char *const argv[] = {"testd", "--init", "-c", file, "--answer", answer};
        struct pl_service service = {0};
        int status = parse_args(&service, answer ? 6 : 4, argv);
        fflush(stdout);
        _exit(status);
    }
}

/* Waits until `what` is shown, after what was waited for before. NULL: until the end. */
static void terminal_expect(struct terminal *t, const char *what)
{
    const char *at = NULL;
    while (!what || !(at = strstr(t->text + t->seen, what))) {
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        ck_assert_msg(poll(&p, 1, 30000) == 1, "not shown: %s\n%s", what ? what : "the end",
                      t->text);
        ssize_t n = read(t->fd, t->text + t->len, sizeof(t->text) - 1 - t->len);
        if (n <= 0) {
            ck_assert_msg(!what, "ended without: %s\n%s", what, t->text);
            return;
        }
        t->len += (size_t)n;
    }
    t->seen = (size_t)(at - t->text) + strlen(what);
}

static void terminal_type(struct terminal *t, const char *text)
{
    ck_assert_int_eq(write(t->fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int terminal_end(struct terminal *t)
{
    int status;
    terminal_expect(t, NULL);
    ck_assert_int_eq(waitpid(t->child, &status, 0), t->child);
    close(t->fd);
    return status;
}

START_TEST(asked)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir), *secret = pl_strf("%s/secrets", dir);
    struct terminal *t = pl_alloc(sizeof(*t));
    terminal_open(t, file, NULL);
    terminal_expect(t, "Brokers.\r\nkafka.bootstrap.servers [localhost:9092]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "(plaintext, ssl, sasl_plaintext, sasl_ssl) [plaintext]: ");
    terminal_type(t, "tls\n");
    terminal_expect(t, "kafka.security.protocol: expected one of");
    terminal_expect(t, "[plaintext]: ");
    terminal_type(t, "ssl\n");
    terminal_expect(t, "Where. And more.\r\napi.url: ");
    terminal_type(t, "\n");
    terminal_expect(t, "api.url is needed\r\napi.url: ");
    terminal_type(t, "ftp://x\n");
    terminal_expect(t, "api.url: must begin with https:// or http://\r\n");
    terminal_expect(t, "api.url: ");
    terminal_type(t, "http://x\n");
    terminal_expect(t, "api.apps (several: separated by commas): ");
    terminal_type(t, "a, b\n");
    terminal_expect(t, "auth.mode (open, user) [open]: ");
    terminal_type(t, "user\n");
    terminal_expect(t, "auth.user: ");
    terminal_type(t, "root\n");
    terminal_expect(t, "auth.user: not root\r\nauth.user: ");
    terminal_type(t, "me: \"#1\"\n");
    terminal_expect(t, "auth.password (not shown): ");
    terminal_type(t, "hush hush\n");
    terminal_expect(t, "routes (several: separated by commas) [none]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "works: password: 9 long");
    int status = terminal_end(t);
    ck_assert_msg(status == 0, "%d: %s", status, t->text);
    ck_assert_ptr_null(strstr(t->text, "hush"));
    PL_FREE char *text = file_of(file);
    ck_assert_ptr_nonnull(strstr(text, "    bootstrap.servers: localhost:9092\n"
                                       "    security.protocol: ssl\n"));
    ck_assert_ptr_nonnull(strstr(text, "    mode: user\n"));
    ck_assert_ptr_nonnull(strstr(text, "    user: \"me: \\\"#1\\\"\"\n"));
    free(t);
    /* Again: all that was said is offered, the secret kept without being read. */
    t = pl_alloc(sizeof(*t));
    terminal_open(t, file, NULL);
    terminal_expect(t, "is there: what it says is kept, or offered as the answer");
    terminal_expect(t, "[localhost:9092]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "[ssl]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "[http://x]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "[a,b]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "[user]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "[me: \"#1\"]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "(not shown) [kept as it is]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "[none]: ");
    terminal_type(t, "\n");
    status = terminal_end(t);
    ck_assert_msg(status == 0, "%d: %s", status, t->text);
    PL_FREE char *same = file_of(file);
    ck_assert_str_eq(same, text);
    free(t);
}
END_TEST

/* A flag is not asked for; where nothing is missing then, nothing is. */
START_TEST(asked_the_rest)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir);
    struct terminal *t = pl_alloc(sizeof(*t));
    terminal_open(t, file, "kafka.bootstrap.servers=k:1");
    terminal_expect(t, "[plaintext]: ");
    ck_assert_ptr_null(strstr(t->text, "Brokers."));
    terminal_type(t, "\n");
    terminal_expect(t, "api.url: ");
    terminal_type(t, "http://x\n");
    terminal_expect(t, "api.apps");
    terminal_type(t, "a\n");
    terminal_expect(t, "[open]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "[none]: ");
    terminal_type(t, "\n");
    ck_assert_int_eq(terminal_end(t), 0);
    *t = (struct terminal){0};
    terminal_open(t, file, "rows=2");
    ck_assert_int_eq(terminal_end(t), 0);
    ck_assert_ptr_null(strstr(t->text, "api.url"));
    free(t);
}
END_TEST

/* What the file says is checked as if it were typed, also where it names other files. */
START_TEST(asked_what_is_wrong_now)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir);
    FILE *f = fopen(file, "w");
    fputs("kafka: { bootstrap.servers: k }\napi: { url: x, apps: [a] }\nroutes: [/missing]\n", f);
    fclose(f);
    struct terminal *t = pl_alloc(sizeof(*t));
    terminal_open(t, file, NULL);
    terminal_expect(t, "[k]: ");
    terminal_type(t, "\n\n");
    terminal_expect(t, "api.url [x]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "api.url: must begin with");
    terminal_type(t, "http://x\n\n\n");
    terminal_expect(t, "[/missing]: ");
    terminal_type(t, "\n");
    terminal_expect(t, "/missing: cannot read it\r\nroutes ");
    terminal_type(t, "/there\n");
    ck_assert_int_eq(terminal_end(t), 0);
    PL_FREE char *text = file_of(file);
    ck_assert_ptr_nonnull(strstr(text, "- /there\n"));
    free(t);
}
END_TEST

/* Whoever leaves in the middle leaves nothing, and a terminal that echoes. */
START_TEST(asked_and_left)
{
    static const char *const keys[] = {"\004", "\003"}; /* Ctrl-D: the end; Ctrl-C: SIGINT */
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir);
    struct terminal *t = pl_alloc(sizeof(*t));
    struct termios before, after;
    terminal_open(t, file, "auth.mode=user");
    terminal_expect(t, "kafka.bootstrap.servers [localhost:9092]: ");
    ck_assert_int_eq(tcgetattr(t->fd, &before), 0);
    terminal_type(t, "\n\nhttp://x\na\nu\n");
    terminal_expect(t, "(not shown): ");
    ck_assert_int_eq(tcgetattr(t->fd, &after), 0);
    ck_assert_uint_eq(after.c_lflag & ECHO, 0);
    terminal_type(t, keys[_i]);
    int slave = open(ptsname(t->fd), O_RDWR | O_NOCTTY); /* keeps the settings */
    ck_assert_int_ge(slave, 0);
    int status;
    ck_assert_int_eq(waitpid(t->child, &status, 0), t->child);
    if (_i == 0)
        ck_assert_int_eq(WEXITSTATUS(status), 64);
    else
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    ck_assert_int_eq(tcgetattr(slave, &after), 0);
    ck_assert_uint_eq(after.c_lflag, before.c_lflag);
    ck_assert_int_ne(access(file, F_OK), 0);
    close(slave);
    close(t->fd);
    free(t);
}
END_TEST

/* ---- a line ---- */

START_TEST(line_of_a_pipe)
{
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(write(p[1], "one\n\nlast", 9), 9);
    close(p[1]);
    static const char *const want[] = {"one", "", "last"};
    for (size_t i = 0; i < PL_COUNT(want); i++) {
        PL_CLEANUP(pl_buf_wipe) struct pl_buf line = {0};
        ck_assert_int_eq(pl_init_line_read(p[0], "", i == 1, &line), 1);
        ck_assert_str_eq(pl_buf_cstr(&line), want[i]);
    }
    PL_CLEANUP(pl_buf_wipe) struct pl_buf line = {0};
    ck_assert_int_eq(pl_init_line_read(p[0], "", false, &line), 0);
    close(p[0]);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(asked),
        TEST(asked_the_rest),
        TEST(asked_what_is_wrong_now),
        TEST(asked_and_left, .count = 2),
        TEST(line_of_a_pipe),
    };
    return unit_main("init_asked", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_log.c - the text of log lines, the rate limit (by its own clock), what reaches a stderr and
 * what reaches a journal. The journal is a socket of ours at its real place, in a mount namespace
 * of a forked child; where namespaces are not allowed that one case says so and is left out.
 */
#include "lib/log/log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/text.h"
#include "tests/unit/unit.h"

#define FIELDS(...) ((const struct pl_log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

static const struct text_case {
    const char *text;
    struct pl_log_field field;
    const char *expect;
} texts[] = {
    {"m", {0}, "m"},
    {"m", {"TABLE", PL_LOG_STR, {"t_1"}, 0}, "m table=t_1"},
    {"m", {"TABLE", PL_LOG_STR, {NULL}, 0}, "m"},
    {"m", {"TABLE", PL_LOG_STR, {""}, 0}, "m table=\"\""},
    {"m", {"TABLE", PL_LOG_STR, {"a b"}, 0}, "m table=\"a b\""},
    {"m", {"TABLE", PL_LOG_STR, {"a=b"}, 0}, "m table=\"a=b\""},
    {"m", {"TABLE", PL_LOG_STR, {"a\"b\\c"}, 0}, "m table=\"a\\\"b\\\\c\""},
    {"m", {"TABLE", PL_LOG_STR, {"a\nb\tc\rd"}, 0}, "m table=\"a\\nb\\tc\\rd\""},
    {"m", {"TABLE", PL_LOG_STR, {"\033[31mred"}, 0}, "m table=\"\\x1b[31mred\""},
    {"m", {"TABLE", PL_LOG_STR, {"a\u202eb"}, 0}, "m table=\"a\\xe2\\x80\\xaeb\""},
    {"m", {"TABLE", PL_LOG_STR, {"\x7f"}, 0}, "m table=\"\\x7f\""},
    {"m", {"TABLE", PL_LOG_STR, {"Ελλάδα"}, 0}, "m table=Ελλάδα"},
    {"m", {"TABLE", PL_LOG_STR, {"\xf0\x9f\x98\x80"}, 0}, "m table=\xf0\x9f\x98\x80"},
    {"m",
     {"TABLE",
      PL_LOG_STR,
      {"\xc2\x9b"
       "1m"},
      0},
     "m table=\"\\xc2\\x9b1m\""},
    {"m", {"TABLE", PL_LOG_STR, {"\xff"}, 0}, "m table=\"\\xff\""},
    {"m", {"TABLE", PL_LOG_STR, {"\xc0\xaf"}, 0}, "m table=\"\\xc0\\xaf\""},
    {"m", {"TABLE", PL_LOG_STR, {"\xed\xa0\x80"}, 0}, "m table=\"\\xed\\xa0\\x80\""},
    {"m", {"TABLE", PL_LOG_STR, {"a\xe2\x82"}, 0}, "m table=\"a\\xe2\\x82\""},
    {"m", {"KEY", PL_LOG_SLICE, {"abcdef"}, 3}, "m key=abc"},
    {"m", {"KEY", PL_LOG_SLICE, {"a\0b"}, 3}, "m key=\"a\\x00b\""},
    {"m", {"KEY", PL_LOG_SLICE, {NULL}, 0}, "m"},
    {"m", {"ROWS", PL_LOG_INT, {.i = 1000}, 0}, "m rows=1000"},
    {"m", {"ROWS", PL_LOG_INT, {.i = 0}, 0}, "m rows=0"},
    {"m", {"ROWS", PL_LOG_INT, {.i = -1}, 0}, "m rows=-1"},
    {"m", {"ROWS", PL_LOG_INT, {.i = INT64_MIN}, 0}, "m rows=-9223372036854775808"},
    {"m", {"ROWS", PL_LOG_INT, {.i = INT64_MAX}, 0}, "m rows=9223372036854775807"},
    {"m", {"ROWS", PL_LOG_UINT, {.u = UINT64_MAX}, 0}, "m rows=18446744073709551615"},
    {"m", {"LAG", PL_LOG_FLOAT, {.f = 1.5}, 0}, "m lag=1.5"},
    {"m", {"LAG", PL_LOG_FLOAT, {.f = -0.001}, 0}, "m lag=-0.001"},
    {"a\nb", {0}, "a\\nb"},
};

START_TEST(text_of_one_field)
{
    const struct text_case *c = &texts[_i];
    char out[256];
    size_t len = pl_log_text(out, sizeof(out), "", c->text, FIELDS(c->field), 0);

    ck_assert_str_eq(out, c->expect);
    ck_assert_uint_eq(len, strlen(c->expect));
}
END_TEST

START_TEST(text_of_many_fields)
{
    char out[256];

    pl_log_text(out, sizeof(out), ":", "rows inserted",
                FIELDS(PL_F_STR("TABLE", "t"), PL_F_STR("NOT", NULL), PL_F_INT("OFFSET_START", 7)),
                3);
    ck_assert_str_eq(out, "rows inserted: table=t offset_start=7 suppressed=3");
    pl_log_text(out, sizeof(out), ":", "m", FIELDS(PL_F_STR("NOT", NULL)), 0);
    ck_assert_str_eq(out, "m");
    pl_log_text(out, sizeof(out), ":", "m", FIELDS(), 2);
    ck_assert_str_eq(out, "m: suppressed=2");
}
END_TEST

START_TEST(text_has_at_most_so_many_fields)
{
    struct pl_log_field fields[PL_LOG_FIELDS_MAX + 8] = {0};
    char out[4096];
    unsigned i, n = 0;

    for (i = 0; i + 1 < PL_COUNT(fields); i++)
        fields[i] = PL_F_INT("F", i);
    pl_log_text(out, sizeof(out), "", "m", fields, 0);
    for (i = 0; out[i]; i++)
        n += out[i] == '=';
    ck_assert_uint_eq(n, PL_LOG_FIELDS_MAX);
}
END_TEST

/* Every length of buffer: never beyond it, never a torn character or escape. */
START_TEST(text_is_cut_at_a_character)
{
    static const char value[] = "aé€😀\x01\"z and a little more";
    char full[256], out[256];
    size_t whole, size, len, i, n;

    whole = pl_log_text(full, sizeof(full), "", "msg", FIELDS(PL_F_STR("A", value)), 0);
    for (size = 8; size < whole + 8; size++) {
        memset(out, 0x55, sizeof(out));
        len = pl_log_text(out, size, "", "msg", FIELDS(PL_F_STR("A", value)), 0);
        ck_assert_uint_lt(len, size);
        ck_assert_int_eq(out[size], 0x55);
        for (i = 0; i < len; i += n) {
            n = pl_utf8_char(out + i, len - i);
            ck_assert_uint_gt(n, 0);
        }
        if (len == whole && strcmp(out, full) == 0)
            continue;
        ck_assert_str_eq(out + len - 3, "...");
        ck_assert_int_eq(memcmp(out, full, len - 3), 0);
        ck_assert(!(out[len - 4] == '\\' && out[len - 5] != '\\'));
    }
}
END_TEST

/* ---- the rate limit ---- */

START_TEST(limit_by_window)
{
    static const struct step {
        int64_t now;
        unsigned calls, passed, suppressed_at_first;
    } steps[] = {
        {1, 25, 10, 0},    {10000, 5, 0, 0},   {10001, 1, 1, 20}, {10002, 20, 9, 0},
        {20001, 3, 3, 11}, {90000, 10, 10, 0}, {99999, 1, 0, 0},  {500000, 1, 1, 1},
    };
    struct pl_log_site site = {.file = "f", .line = 1, .func = "g"};
    unsigned i, k, passed, suppressed;

    for (i = 0; i < PL_COUNT(steps); i++) {
        passed = 0;
        for (k = 0; k < steps[i].calls; k++) {
            suppressed = 999;
            if (!pl_log_admit(&site, steps[i].now, &suppressed)) {
                ck_assert_uint_eq(suppressed, 999);
                continue;
            }
            ck_assert_uint_eq(suppressed, passed == 0 ? steps[i].suppressed_at_first : 0);
            passed++;
        }
        ck_assert_msg(passed == steps[i].passed, "step %u: %u passed", i, passed);
    }
}
END_TEST

/* ---- stderr ---- */

/* What `fn` writes to a stderr that is a pipe; `_exit`s are the child's. The caller frees. */
static char *stderr_of(void (*fn)(void))
{
    struct pl_buf out = {0};
    char chunk[65536];
    ssize_t n;
    int p[2], status;
    pid_t pid;

    ck_assert_int_eq(pipe(p), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(p[1], STDERR_FILENO);
        close(p[0]);
        close(p[1]);
        fn();
        _exit(0);
    }
    close(p[1]);
    while ((n = read(p[0], chunk, sizeof(chunk))) > 0)
        ck_assert(pl_buf_add(&out, chunk, (size_t)n));
    close(p[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    pl_buf_cstr(&out);
    return pl_buf_take(&out);
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t re;

    ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0, "%s\ndoes not match\n%s", text, pattern);
    regfree(&re);
}

static void log_each_level(void)
{
    struct pl_err err = {.kind = PL_ERR_RETRY, .code = 7, .msg = "cannot connect"};

    struct stat st;
    char stream[64];

    /* Another's stream on the same device, as a child with a redirected stderr has it: no
     * journal. */
    if (fstat(STDERR_FILENO, &st) < 0)
        _exit(1);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    pl_log_open("testd");
    pl_log(PL_INFO, PL_EVENT_READY, "rows inserted", PL_F_STR("TABLE", "wikipedia_edits"),
           PL_F_INT("ROWS", 1000));
    pl_log(PL_DEBUG, NULL, "not shown");
    pl_log_set_level(PL_DEBUG);
    pl_log(PL_DEBUG, NULL, "shown");
    pl_log_set_level(PL_WARNING);
    pl_log(PL_NOTICE, NULL, "not shown");
    pl_log(PL_WARNING, NULL, "careful");
    pl_log_err(PL_ERROR, PL_EVENT_EXITING, "ends", &err, PL_F_STR("FILE", "x"));
}

START_TEST(stderr_levels)
{
    PL_FREE char *got = stderr_of(log_each_level);
#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

    assert_matches(got,
                   "^" TIME "INFO   testd: rows inserted table=wikipedia_edits rows=1000\n" TIME
                   "DEBUG  testd: shown\n" TIME "WARN   testd: careful\n" TIME
                   "ERROR  testd: ends error=\"cannot connect\" kind=retry code=7 file=x\n$");
    ck_assert_ptr_null(strchr(got, '\033'));
}
END_TEST

static void log_without_open(void)
{
    pl_log(PL_ERROR, NULL, "early");
}

START_TEST(stderr_without_open)
{
    PL_FREE char *got = stderr_of(log_without_open);

    assert_matches(got, "^" TIME "ERROR  early\n$");
}
END_TEST

static void log_a_long_line(void)
{
    static char big[20000];

    memset(big, 'x', sizeof(big) - 1);
    pl_log(PL_INFO, NULL, "long", PL_F_STR("BIG", big), PL_F_INT("AFTER", 1));
}

START_TEST(stderr_long_line)
{
    PL_FREE char *got = stderr_of(log_a_long_line);
    size_t len = strlen(got);

    ck_assert_uint_eq(len, PL_LOG_LINE_MAX);
    ck_assert_str_eq(got + len - 5, "x...\n");
    ck_assert_ptr_null(strstr(got, "after="));
}
END_TEST

static void log_one_site(int n)
{
    for (int i = 0; i < n; i++)
        pl_log(PL_ERROR, NULL, "again", PL_F_INT("I", i));
}

static void log_too_often(void)
{
    log_one_site(1000);
}

START_TEST(stderr_rate_limit)
{
    PL_FREE char *got = stderr_of(log_too_often);
    unsigned lines = 0;

    for (const char *c = got; *c; c++)
        lines += *c == '\n';
    /* Ten, or twenty should a window end in this very moment. */
    ck_assert(lines == 10 || lines == 20);
    ck_assert_ptr_nonnull(strstr(got, "again i=9\n"));
}
END_TEST

enum { THREADS = 8, LINES = 200 };

static void *log_in_a_thread(void *arg)
{
    char body[1000];
    int id = *(int *)arg;

    memset(body, 'a' + id, sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        pl_log(PL_DEBUG, NULL, "t", PL_F_STR("BODY", body));
    return NULL;
}

static void log_in_threads(void)
{
    pthread_t threads[THREADS];
    int ids[THREADS], i;

    pl_log_set_level(PL_DEBUG);
    for (i = 0; i < THREADS; i++) {
        ids[i] = i;
        if (pthread_create(&threads[i], NULL, log_in_a_thread, &ids[i]) != 0)
            _exit(1);
    }
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

START_TEST(stderr_lines_of_threads_stay_whole)
{
    PL_FREE char *got = stderr_of(log_in_threads);
    unsigned counts[THREADS] = {0};
    char *line, *state = NULL;
    const char *body;

    for (line = strtok_r(got, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        body = strstr(line, "body=");
        ck_assert_ptr_nonnull(body);
        body += 5;
        ck_assert_uint_eq(strspn(body, (char[]){*body, 0}), 999);
        ck_assert_uint_eq(strlen(body), 999);
        ck_assert(*body >= 'a' && *body < 'a' + THREADS);
        counts[*body - 'a']++;
    }
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_uint_eq(counts[i], LINES);
}
END_TEST

/* ---- a terminal ---- */

static const struct tty_case {
    const char *no_color, *term;
    bool colour;
} ttys[] = {
    {NULL, "xterm", true}, {"", "xterm", true}, {"1", "xterm", false}, {NULL, "dumb", false}};

/* What `fn` writes to a terminal of 30 columns, up to `end`. */
static void tty_of(void (*fn)(const struct tty_case *), const struct tty_case *c, const char *end,
                   char *got, size_t size)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), status;
    const struct winsize window = {.ws_row = 5, .ws_col = 30};
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
        if (slave < 0 || ioctl(slave, TIOCSWINSZ, &window) < 0 || dup2(slave, STDERR_FILENO) < 0)
            _exit(1);
        unsetenv("NO_COLOR");
        if (c->no_color)
            setenv("NO_COLOR", c->no_color, 1);
        setenv("TERM", c->term, 1);
        pl_log_open("testd");
        fn(c);
        _exit(0);
    }
    size_t len = 0;
    ssize_t n;
    *got = '\0';
    while (len < size - 1 && !strstr(got, end) &&
           (n = read(master, got + len, size - 1 - len)) > 0) {
        len += (size_t)n;
        got[len] = '\0';
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(master);
}

static void log_red(const struct tty_case *c)
{
    (void)c;
    pl_log(PL_ERROR, NULL, "red");
}

START_TEST(tty_colour)
{
    const struct tty_case *c = &ttys[_i];
    char got[512];
    tty_of(log_red, c, "\n", got, sizeof(got));
    ck_assert_ptr_nonnull(strstr(got, "testd: red"));
    ck_assert_int_eq(strstr(got, "\033[1;31m") != NULL, c->colour);
    ck_assert_int_eq(strstr(got, "red\033[0m") != NULL, c->colour);
}
END_TEST

static void show_progress(const struct tty_case *c)
{
    (void)c;
    pl_log_progress("%d %%", 10);
    pl_log_progress("20 %% \033[31m of more than a line of thirty");
    pl_log(PL_WARNING, NULL, "between");
    pl_log(PL_WARNING, NULL, "more");
    pl_log_progress("30 %%");
    pl_log_progress_end();
    pl_log_progress_end();
    pl_log(PL_WARNING, NULL, "after");
}

/* One line that is written over; a log line takes its place, and what comes after its end. */
START_TEST(tty_progress)
{
    char got[1024];
    tty_of(show_progress, &ttys[2], "after", got, sizeof(got));
    assert_matches(got, "^\r\033\\[K10 %\r\033\\[K20 %  \\[31m of more than a lin"
                        "\r\033\\[K[0-9TZ:.-]+ WARN   testd: between\r\n"
                        "[0-9TZ:.-]+ WARN   testd: more\r\n"
                        "\r\033\\[K30 %\r\033\\[K"
                        "[0-9TZ:.-]+ WARN   testd: after");
}
END_TEST

static void show_progress_in_a_pipe(void)
{
    show_progress(NULL);
}

/* No terminal: a line each ten seconds, none overwritten. */
START_TEST(stderr_progress)
{
    char *got = stderr_of(show_progress_in_a_pipe);
    assert_matches(got, "^10 %\n[0-9TZ:.-]+ WARN   between\n[^\n]* more\n[^\n]* after\n$");
    free(got);
}
END_TEST

/* ---- the journal ---- */

/* A field of the native protocol: "NAME=value\n", or the name, a newline, 8 bytes of length and the
 * value when it holds newlines. */
static bool record_has(const char *record, size_t len, const char *field)
{
    char line[512];
    int n = snprintf(line, sizeof(line), "%s\n", field);
    const char *at = record;

    while ((at = memmem(at, len - (size_t)(at - record), line, (size_t)n))) {
        if (at == record || at[-1] == '\n')
            return true;
        at++;
    }
    return false;
}

/* In the child: a private /run with our socket as the journal's, stderr a stream that is "it". */
static int journal_fake(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    char stream[64];
    struct stat st;
    int fd, p[2];

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
        return -1;
    mkdir("/run/systemd", 0755);
    mkdir("/run/systemd/journal", 0755);
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || pipe(p) < 0 ||
        fcntl(p[0], F_SETFL, O_NONBLOCK) < 0 || dup2(p[1], STDERR_FILENO) < 0 ||
        fstat(STDERR_FILENO, &st) < 0)
        return -1;
    dup2(p[0], STDIN_FILENO);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    return fd;
}

#define CHECK_OR_EXIT(cond)                                                                        \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                              \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static ssize_t journal_read(int fd, char *record, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    CHECK_OR_EXIT(poll(&p, 1, 10000) == 1);
    return recv(fd, record, size, 0);
}

static void journal_child(void)
{
    static char record[65536], big[20000];
    int fd = journal_fake();
    ssize_t len;
    int line;
    char code[64];
    ssize_t n;

    if (fd < 0)
        _exit(77);
    pl_log_open("testd");
    line = __LINE__ + 1;
    pl_log(PL_WARNING, PL_EVENT_DEAD_LETTER, "dead letters", PL_F_STR("TOPIC", "a b"),
           PL_F_INT("COUNT", -3), PL_F_FLOAT("LAG", 0.5), PL_F_STR("NOT", NULL),
           PL_F_SLICE("KEY", "\xffxyz", 2));
    len = journal_read(fd, record, sizeof(record));
    CHECK_OR_EXIT(len > 0);
    CHECK_OR_EXIT(record_has(record, (size_t)len,
                             "MESSAGE=dead letters: topic=\"a b\" count=-3 lag=0.5 "
                             "key=\"\\xffx\""));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "PRIORITY=4"));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "MESSAGE_ID=" PL_EVENT_DEAD_LETTER));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "SYSLOG_IDENTIFIER=testd"));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "CODE_FILE=" __FILE__));
    snprintf(code, sizeof(code), "CODE_LINE=%d", line);
    CHECK_OR_EXIT(record_has(record, (size_t)len, code));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "CODE_FUNC=journal_child"));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "TOPIC=a b"));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "COUNT=-3"));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "LAG=0.5"));
    CHECK_OR_EXIT(record_has(record, (size_t)len, "KEY=\xffx"));
    CHECK_OR_EXIT(!memmem(record, (size_t)len, "NOT=", 4));

    memset(big, 'x', sizeof(big) - 1);
    pl_log(PL_INFO, NULL, "long", PL_F_STR("A", big), PL_F_STR("B", big), PL_F_STR("C", big));
    len = journal_read(fd, record, sizeof(record));
    CHECK_OR_EXIT(len > 0 && len <= 2 * PL_LOG_LINE_MAX + 256);
    CHECK_OR_EXIT(memmem(record, (size_t)len, "x...\n", 5));
    CHECK_OR_EXIT(memmem(record, (size_t)len, "\nA=xxx", 6));
    CHECK_OR_EXIT(memmem(record, (size_t)len, "\nCODE_FUNC=", 11));
    CHECK_OR_EXIT(!memmem(record, (size_t)len, "MESSAGE_ID=", 11));
    /* What went to stderr besides: that by which journald knows the unit. */
    n = read(STDIN_FILENO, record, sizeof(record) - 1);
    record[n < 0 ? 0 : n] = '\0';
    CHECK_OR_EXIT(strcmp(record, "<6>version " PL_VERSION "\n") == 0);
    _exit(0);
}

START_TEST(journal_native)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        journal_child();
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        printf("journal_native: no mount namespaces here, left out\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(level_names)
{
    unsigned n = 0;

    while (pl_log_level_names[n])
        n++;
    ck_assert_uint_eq(n, PL_DEBUG - PL_ERROR + 1);
    ck_assert_str_eq(pl_log_level_names[PL_WARNING - PL_ERROR], "warning");
    ck_assert_str_eq(pl_log_level_names[PL_DEBUG - PL_ERROR], "debug");
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("text"),
        TEST(text_of_one_field, .count = PL_COUNT(texts)),
        TEST(text_of_many_fields),
        TEST(text_has_at_most_so_many_fields),
        TEST(text_is_cut_at_a_character),
        TEST(limit_by_window),
        TEST(level_names),
        TCASE("output"),
        TEST(stderr_levels),
        TEST(stderr_without_open),
        TEST(stderr_long_line),
        TEST(stderr_rate_limit),
        TEST(stderr_lines_of_threads_stay_whole),
        TEST(tty_colour, .count = PL_COUNT(ttys)),
        TEST(tty_progress),
        TEST(stderr_progress),
        TEST(journal_native),
    };
    return unit_main("log", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init_ask.c - the answers of --init: asked for, checked, put into the draft.
 */
#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/text.h"
#include "lib/service/internal.h"

const char *const pl_kafka_protocols[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl", NULL};

enum { WIDTH = 78, TRIES_MAX = 100 };

/* ---- conditions ---- */

/* One: "path=value,value" or "!path". */
static bool condition_holds(const struct pl_option *table, const struct pl_node *draft,
                            const char *text, size_t len)
{
    size_t path_len = strcspn(text, "= ");
    if (text[0] == '!') {
        PL_FREE char *path = pl_strndup(text + 1, len - 1);
        return !pl_draft_get(table, draft, path);
    }
    PL_FREE char *path = pl_strndup(text, path_len);
    PL_FREE char *set = pl_draft_text(table, draft, path);
    PL_FREE char *dflt = set ? NULL : pl_draft_default(table, path);
    const char *value = set ? set : dflt;
    for (const char *at = text + path_len + 1, *end = text + len; value && at < end;) {
        size_t n = strcspn(at, ", ");
        if (strlen(value) == n && memcmp(value, at, n) == 0)
            return true;
        at += n + 1;
    }
    return false;
}

bool pl_question_applies(const struct pl_option *table, const struct pl_node *draft,
                         const char *when)
{
    for (const char *at = when ? when : ""; *at;) {
        size_t len = strcspn(at, " ");
        if (!condition_holds(table, draft, at, len))
            return false;
        at += len + strspn(at + len, " ");
    }
    return true;
}

/* ---- one answer ---- */

/* Whether a line of findings is about the path: of our own text ("draft:1:2: PATH …"), or of
 * another file that the answer names and that was not at fault before. */
static const char *finding_about(const char *line, const char *path, const char *before)
{
    static const char own[] = "draft";
    size_t len = strcspn(line, "\n"), path_len = strlen(path);
    if (strncmp(line, own, sizeof(own) - 1) != 0 || line[sizeof(own) - 1] != ':') {
        PL_FREE char *text = pl_strndup(line, len + 1);
        return strstr(before, text) ? NULL : line;
    }
    const char *text = strstr(line, ": ");
    if (!text || text > line + len || strncmp(text + 2, path, path_len) != 0)
        return NULL;
    char next = text[2 + path_len];
    return next == ':' || next == ' ' ? text + 2 : NULL;
}

static void findings_of(const struct init *in, struct pl_findings *errs)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf text = {0};
    init_text(in, &text);
    pl_service_conf_free(in->program, init_conf(in->program, "draft", &text, errs));
}

/* Whether the draft with the new value has a finding about it. */
static bool value_is_wrong(const struct init *in, const char *path, const char *before, char *why,
                           size_t size)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs = {0};
    findings_of(in, &errs);
    const char *end;
    for (const char *line = pl_buf_cstr(&errs.text); (end = strchr(line, '\n')); line = end + 1) {
        const char *found = finding_about(line, path, before);
        if (!found)
            continue;
        pl_text_copy(found, (size_t)(end - found), why, size);
        return true;
    }
    return false;
}

static bool text_is_plain(const char *text)
{
    size_t n;
    for (size_t i = 0, len = strlen(text); i < len; i += n) {
        n = pl_utf8_char(text + i, len - i);
        if (n == 0 || pl_text_acts(text + i, n))
            return false;
    }
    return true;
}

static const struct pl_question *question_of(const struct init *in, const char *path)
{
    for (const struct pl_question *q = in->program->init->questions; q->path; q++)
        if (strcmp(q->path, path) == 0)
            return q;
    return NULL;
}

static bool choice_is_wrong(const struct pl_question *q, const char *text, char *why, size_t size)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf list = {0};
    if (!q || !q->choices)
        return false;
    for (size_t i = 0; q->choices[i]; i++) {
        if (strcmp(q->choices[i], text) == 0)
            return false;
        pl_buf_addf(&list, "%s%s", i > 0 ? ", " : "", q->choices[i]);
    }
    snprintf(why, size, "%s: expected one of %s", q->path, pl_buf_cstr(&list));
    return true;
}

static bool option_takes_text(const struct pl_option *o, const char *path)
{
    return o && o->type != PL_OPT_ROWS && o->type != PL_OPT_NODE &&
           (o->type != PL_OPT_MAP || strcmp(o->path, path) != 0);
}

/* What it stands for: *ret NULL, itself. */
static bool text_expand(struct init *in, const char *path, const char *text, char **ret, char *why,
                        size_t size)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs = {0};
    PL_CLEANUP(pl_buf_wipe) struct pl_buf so_far = {0};
    struct pl_err err;
    *ret = NULL;
    if (!in->program->init->expand)
        return true;
    init_text(in, &so_far);
    void *conf = init_conf(in->program, "draft", &so_far, &errs);
    int rc = in->program->init->expand(conf, in->place.folder, path, text, ret, &err);
    pl_service_conf_free(in->program, conf);
    if (rc < 0)
        pl_text_copy(err.msg, strlen(err.msg), why, size);
    return rc == 0;
}

static bool secret_is_noted(const struct init *in, const char *path)
{
    for (size_t i = 0; i < in->secrets.n; i++)
        if (strcmp(in->secrets.v[i], path) == 0)
            return true;
    return false;
}

bool init_answer(struct init *in, const char *path, const char *text, char *ret_why, size_t size)
{
    const struct pl_option *table = in->program->options;
    PL_CLEANUP(pl_findings_release) struct pl_findings before = {0};
    PL_FREE char *expanded = NULL;
    if (!option_takes_text(pl_draft_option(table, path), path)) {
        snprintf(ret_why, size,
                 "%.80s: no option of that name takes a text; --help-config shows all", path);
        return false;
    }
    if (!text_is_plain(text)) {
        snprintf(ret_why, size, "%s: one line of UTF-8, without control characters", path);
        return false;
    }
    if (choice_is_wrong(question_of(in, path), text, ret_why, size) ||
        !text_expand(in, path, text, &expanded, ret_why, size))
        return false;
    struct pl_node *old = pl_draft_take(table, in->draft, path);
    findings_of(in, &before);
    pl_draft_set(table, in->draft, path, expanded ? expanded : text);
    if (value_is_wrong(in, path, pl_buf_cstr(&before.text), ret_why, size)) {
        pl_draft_put(table, in->draft, path, old);
        return false;
    }
    pl_node_free(old);
    if (pl_draft_is_secret(table, path) && !secret_is_noted(in, path))
        pl_strings_add(&in->secrets, path);
    return true;
}

/* ---- what is missing ---- */

static char *beside_default(const struct init *in, const struct pl_question *q)
{
    glob_t found = {0};
    if (!q->beside)
        return NULL;
    char *pattern = pl_strf("%s/%s", in->place.folder, q->beside);
    if (glob(pattern, 0, NULL, &found) != 0)
        free(PL_TAKE(pattern));
    globfree(&found);
    return pattern;
}

static bool is_open(const struct init *in, const struct pl_question *q)
{
    const struct pl_option *table = in->program->options;
    return pl_question_applies(table, in->draft, q->when) &&
           !pl_draft_get(table, in->draft, q->path);
}

void init_defaults(struct init *in)
{
    for (const struct pl_question *q = in->program->init->questions; q->path; q++) {
        PL_FREE char *beside = is_open(in, q) ? beside_default(in, q) : NULL;
        if (beside)
            pl_draft_set(in->program->options, in->draft, q->path, beside);
    }
}

const struct pl_question *init_missing(const struct init *in)
{
    for (const struct pl_question *q = in->program->init->questions; q->path; q++) {
        PL_FREE char *dflt = pl_draft_default(in->program->options, q->path);
        PL_FREE char *beside = beside_default(in, q);
        if (!q->optional && !dflt && !beside && is_open(in, q))
            return q;
    }
    return NULL;
}

/* ---- a person's line ---- */

/* Without echo until it is released, also when a signal ends us. */
struct silence {
    int fd, signals; /* -1: echo is as it was */
    struct termios before;
    sigset_t mask;
};

static void silence_begin(struct silence *s, int fd)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    sigset_t set;
    *s = (struct silence){.fd = fd, .signals = -1};
    if (tcgetattr(fd, &s->before) < 0) {
        s->fd = -1;
        return;
    }
    struct termios quiet = s->before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    sigemptyset(&set);
    for (size_t i = 0; i < PL_COUNT(ends); i++)
        sigaddset(&set, ends[i]);
    sigprocmask(SIG_BLOCK, &set, &s->mask);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC);
    tcsetattr(fd, TCSADRAIN, &quiet);
}

static void silence_end(struct silence *s)
{
    if (s->fd < 0)
        return;
    tcsetattr(s->fd, TCSADRAIN, &s->before);
    puts(""); /* the person's own newline was not echoed */
    fflush(stdout);
    if (s->signals >= 0)
        close(s->signals);
    sigprocmask(SIG_SETMASK, &s->mask, NULL); /* a signal that came now does its work */
}

/* false: the end, or a signal. */
static bool byte_read(int fd, int signals, char *c)
{
    struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    ssize_t n;
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    if (p[1].revents)
        return false;
    while ((n = read(fd, c, 1)) < 0 && errno == EINTR)
        ;
    return n == 1;
}

int pl_init_line_read(int fd, const char *prompt, bool hidden, struct pl_buf *out)
{
    struct silence silence = {.fd = -1, .signals = -1};
    char c = '\0';
    int got = 0;
    pl_buf_reserve(out, PL_INIT_LINE_MAX); /* no copies of a secret */
    if (hidden)
        silence_begin(&silence, fd);
    fputs(prompt, stdout);
    fflush(stdout);
    while (byte_read(fd, silence.signals, &c)) {
        got = 1;
        if (c == '\n')
            break;
        if (out->len < PL_INIT_LINE_MAX - 1)
            pl_buf_add_byte(out, c);
        c = '\0';
    }
    silence_end(&silence);
    return got;
}

/* ---- questions ---- */

static void help_print(const char *text)
{
    puts("");
    while (*text) {
        size_t len = strlen(text), cut = len;
        if (len > WIDTH)
            for (cut = WIDTH; cut > 0 && text[cut] != ' '; cut--)
                ;
        cut = cut > 0 ? cut : len;
        printf("%.*s\n", (int)cut, text);
        text += cut + strspn(text + cut, " ");
    }
}

static void choices_add(struct pl_buf *out, const struct pl_option *o, const struct pl_question *q)
{
    const char *const *choices = q->choices               ? q->choices
                                 : o->type == PL_OPT_ENUM ? o->choices
                                                          : NULL;
    for (size_t i = 0; choices && choices[i]; i++)
        pl_buf_addf(out, "%s%s", i == 0 ? " (" : ", ", choices[i]);
    if (choices)
        pl_buf_add_str(out, ")");
    else if (o->type == PL_OPT_STRINGS || o->type == PL_OPT_URLS)
        pl_buf_add_str(out, " (several: separated by commas)");
}

/* What Enter alone means; *ret_kept: what is set already. */
static char *default_of(const struct init *in, const struct pl_question *q, bool *ret_kept)
{
    const struct pl_option *table = in->program->options;
    *ret_kept = pl_draft_get(table, in->draft, q->path) != NULL;
    if (*ret_kept)
        return pl_draft_is_secret(table, q->path) ? NULL : pl_draft_text(table, in->draft, q->path);
    char *text = beside_default(in, q);
    if (!text)
        text = pl_draft_default(table, q->path);
    return text ? text : pl_strdup(q->suggest);
}

static void prompt_make(const struct init *in, const struct pl_question *q, const char *dflt,
                        bool kept, struct pl_buf *out)
{
    pl_buf_add_str(out, q->path);
    choices_add(out, pl_draft_option(in->program->options, q->path), q);
    if (pl_draft_is_secret(in->program->options, q->path))
        pl_buf_add_str(out, " (not shown)");
    if (dflt)
        pl_buf_addf(out, " [%s]", dflt);
    else if (kept || q->optional)
        pl_buf_add_str(out, kept ? " [kept as it is]" : " [none]");
    pl_buf_add_str(out, ": ");
}

/* Until the answer is right. false: the input has ended. */
static bool question_ask(struct init *in, int fd, const struct pl_question *q)
{
    const struct pl_option *o = pl_draft_option(in->program->options, q->path);
    bool secret = pl_draft_is_secret(in->program->options, q->path), kept;
    PL_FREE char *dflt = default_of(in, q, &kept);
    PL_CLEANUP(pl_buf_release) struct pl_buf prompt = {0};
    char why[512];
    prompt_make(in, q, dflt, kept, &prompt);
    help_print(q->help ? q->help : o->help);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        PL_CLEANUP(pl_buf_wipe) struct pl_buf line = {0};
        if (pl_init_line_read(fd, pl_buf_cstr(&prompt), secret, &line) == 0)
            return false;
        const char *text = pl_buf_cstr(&line);
        if (line.len == 0 && !dflt && (kept || q->optional))
            return true;
        if (line.len == 0 && !dflt)
            snprintf(why, sizeof(why), "%s is needed", q->path);
        else if (init_answer(in, q->path, line.len > 0 ? text : dflt, why, sizeof(why)))
            return true;
        printf("%s\n", why);
    }
    return false;
}

bool init_ask(struct init *in, int fd, const struct pl_strings *answered)
{
    for (const struct pl_question *q = in->program->init->questions; q->path; q++) {
        bool done = !pl_question_applies(in->program->options, in->draft, q->when);
        for (size_t i = 0; i < answered->n && !done; i++)
            done = strcmp(answered->v[i], q->path) == 0;
        if (!done && !question_ask(in, fd, q))
            return false;
    }
    return true;
}

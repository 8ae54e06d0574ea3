/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.c - see init.h.
 */
#include "lib/service/init.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/http/http.h"
#include "lib/log/log.h"
#include "lib/service/internal.h"

#define SECRET_BYTES_MAX (64u << 10)

/* ---- the configuration of a text ---- */

void *init_conf(const struct pl_program *program, const char *name, const struct pl_buf *text,
                struct pl_findings *errs)
{
    errs->file = name;
    PL_CLEANUP(pl_node_freep) struct pl_node *root = pl_yaml_parse(text->data, text->len, errs);
    void *conf = pl_alloc(program->conf_size);
    pl_options_apply(program->options, root, conf, errs);
    program->conf_check(conf, true, errs);
    return conf;
}

void init_text(const struct init *in, struct pl_buf *out)
{
    PL_FREE char *intro =
        pl_strf("%s: written by %s --init. All options and their defaults: man %s.yaml.",
                in->program->cli.name, in->program->cli.name, in->program->cli.name);
    pl_draft_print(in->program->options, in->draft, intro, out);
}

/* ---- the start ---- */

/* The file that is there. -1, or the exit status. */
static int draft_load(struct init *in)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs = {0};
    const char *file = in->place.file;
    in->there = access(file, F_OK) == 0;
    if (!in->there) {
        in->draft = pl_draft_new();
        return -1;
    }
    in->draft = pl_yaml_load(file, &errs);
    PL_FREE char *stranger = in->draft ? pl_draft_stranger(in->program->options, in->draft) : NULL;
    if (stranger)
        pl_findings_add(&errs, 0, 0, "unknown key %.80s", stranger);
    if (errs.count == 0) {
        printf("%s is there: what it says is kept, or offered as the answer.\n", file);
        return -1;
    }
    fprintf(stderr,
            "%s%s: --init begins from the file that is there: correct it, move it away, "
            "or name another with -c\n",
            pl_buf_cstr(&errs.text), in->program->cli.name);
    return EX_CONFIG;
}

/* @FILE: its first line. */
static bool secret_read(const char *path, const char *value, struct pl_buf *out, char *why,
                        size_t size)
{
    if (value[0] != '@' || !value[1]) {
        snprintf(why, size,
                 "%s is a secret, and a command line can be read by all: %s=@FILE, whose first "
                 "line it is",
                 path, path);
        return false;
    }
    if (!pl_file_read(value + 1, SECRET_BYTES_MAX, out, NULL)) {
        snprintf(why, size, "%s: cannot read %.200s: %s", path, value + 1, strerror(errno));
        return false;
    }
    const char *newline = out->len > 0 ? memchr(out->data, '\n', out->len) : NULL;
    out->len = newline ? (size_t)(newline - out->data) : out->len;
    out->len -= out->len > 0 && out->data[out->len - 1] == '\r';
    if (out->len > 0 && !memchr(out->data, '\0', out->len))
        return true;
    snprintf(why, size, "%s: %.200s has no text in its first line", path, value + 1);
    return false;
}

static bool flag_take(struct init *in, const char *path, const char *value, char *why, size_t size)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf secret = {0};
    if (!pl_draft_is_secret(in->program->options, path))
        return init_answer(in, path, value, why, size);
    return secret_read(path, value, &secret, why, size) &&
           init_answer(in, path, pl_buf_cstr(&secret), why, size);
}

/* Those of `path`; NULL: those of no question. -1, or the exit status. */
static int flags_take_of(struct init *in, const char *path, struct pl_strings *answered)
{
    char why[512];
    for (unsigned i = 0; i < in->cli->answers_n; i++) {
        const char *text = in->cli->answers[i], *equals = strchr(text, '=');
        if (!equals || equals == text)
            return pl_cli_refuse(&in->program->cli, "--answer needs KEY=VALUE, such as "
                                                    "kafka.bootstrap.servers=localhost:9092");
        PL_FREE char *key = pl_strndup(text, (size_t)(equals - text));
        bool asked = false;
        for (const struct pl_question *q = in->program->init->questions; q->path; q++)
            asked |= strcmp(q->path, key) == 0;
        if (path ? strcmp(path, key) != 0 : asked)
            continue;
        if (!flag_take(in, key, equals + 1, why, sizeof(why)))
            return pl_cli_refuse(&in->program->cli, "--answer: %s", why);
        pl_strings_add(answered, key);
    }
    return -1;
}

/* In the order of the questions, as one may rest on another. -1, or the exit status. */
static int flags_take(struct init *in, struct pl_strings *answered)
{
    int status = -1;
    for (const struct pl_question *q = in->program->init->questions; q->path && status < 0; q++)
        status = flags_take_of(in, q->path, answered);
    return status >= 0 ? status : flags_take_of(in, NULL, answered);
}

/* -1, or the exit status. */
static int missing_refuse(const struct init *in)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf list = {0};
    const struct pl_option *table = in->program->options;
    for (const struct pl_question *q = init_missing(in); q; q = init_missing(in)) {
        pl_buf_addf(&list, " --answer %s=%s", q->path,
                    pl_draft_is_secret(table, q->path) ? "@FILE" : "…");
        pl_draft_set(table, in->draft, q->path, q->suggest ? q->suggest : "x");
    }
    return pl_cli_refuse(&in->program->cli,
                         "--init: there is no terminal to ask on, and this is missing:%s",
                         pl_buf_cstr(&list));
}

/* -1, or the exit status. */
static int answers_get(struct init *in)
{
    PL_CLEANUP(pl_strings_release) struct pl_strings answered = {0};
    int status = flags_take(in, &answered);
    if (status >= 0)
        return status;
    bool missing = init_missing(in) != NULL;
    if (isatty(STDIN_FILENO) && (missing || in->cli->answers_n == 0)) {
        puts("Enter alone takes what is in brackets; Ctrl-C ends, and nothing is written.");
        if (init_ask(in, STDIN_FILENO, &answered))
            return -1;
        fprintf(stderr, "\n%s: ended before all was answered; nothing is written\n",
                in->program->cli.name);
        return EX_USAGE;
    }
    if (missing)
        return missing_refuse(in);
    init_defaults(in);
    return -1;
}

/* ---- the end ---- */

void pl_attempt_works(struct pl_attempt *a, const char *what, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    (void)a;
    va_start(ap, fmt);
    pl_text_formatv(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("works: %s: %s\n", what, text);
    fflush(stdout);
}

void pl_attempt_fails(struct pl_attempt *a, const char *what, const struct pl_err *err)
{
    printf("FAILS: %s: %s\n", what, err->msg);
    fflush(stdout);
    if (a->status == 0)
        a->status = pl_err_exit_status(err->kind);
}

/* What starts it. */
static void next_print(const struct init *in, int status)
{
    const struct pl_init_place *p = &in->place;
    bool usual = strcmp(p->file, in->cli->config_default) == 0;
    if (status != 0)
        printf("%s is written all the same. Mend what fails, then again: %s --init%s%s "
               "(what it says now is offered)\n",
               p->file, p->name, usual ? "" : " -c ", usual ? "" : p->file);
    else if (usual)
        printf("next: systemctl enable --now %s\n", p->name);
    else if (p->standard)
        printf("next: systemctl enable --now %s@%s\n", p->name, p->stem);
    else
        printf("next: %s -c %s\n", p->name, p->file);
}

/* Returns the exit status. */
static int attempt(const struct init *in, const void *conf)
{
    struct pl_attempt a = {0};
    /* Its lines say it all. */
    pl_log_set_level(in->cli->verbose ? PL_DEBUG : (enum pl_log_level)(PL_ERROR - 1));
    pl_http_global_init();
    in->program->init->attempt(conf, &a);
    next_print(in, a.status);
    return a.status;
}

/* The configuration of the draft; NULL: findings were shown. */
static void *draft_check(const struct init *in, struct pl_buf *ret_text)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs = {0};
    init_text(in, ret_text);
    void *conf = init_conf(in->program, in->place.file, ret_text, &errs);
    if (errs.count == 0)
        return conf;
    pl_service_conf_free(in->program, conf);
    fprintf(stderr, "%s%s: %s is not written\n", pl_buf_cstr(&errs.text), in->program->cli.name,
            in->place.file);
    return NULL;
}

/* Checks all that it is to be, and what it is with its secrets in files; then writes it and tries
 * it. Returns the exit status. */
static int finish(struct init *in)
{
    PL_CLEANUP(pl_buf_wipe) struct pl_buf draft = {0};
    PL_CLEANUP(pl_buf_wipe) struct pl_buf text = {0};
    PL_FREE char *backup = NULL;
    struct pl_err err;
    void *conf = draft_check(in, &draft);
    if (!conf)
        return EX_CONFIG;
    pl_service_conf_free(in->program, conf);
    if (init_secrets_write(in, &err) < 0) {
        fprintf(stderr, "%s: %s\n", in->program->cli.name, err.msg);
        return pl_err_exit_status(err.kind);
    }
    conf = draft_check(in, &text);
    if (!conf)
        return EX_CONFIG;
    int status = EX_CONFIG;
    if (init_file_write(in, &text, &backup, &err) < 0) {
        fprintf(stderr, "%s: %s\n", in->program->cli.name, err.msg);
    } else {
        printf("%s is written%s%s\n", in->place.file, backup ? "; the one before is " : "",
               backup ? backup : "");
        fflush(stdout);
        status = attempt(in, conf);
    }
    pl_service_conf_free(in->program, conf);
    return status;
}

static void release(struct init *in)
{
    pl_init_place_release(&in->place);
    pl_node_free(in->draft);
    pl_strings_release(&in->secrets);
}

int pl_init_run(const struct pl_program *program, const struct pl_cli *cli)
{
    PL_CLEANUP(release) struct init in = {.program = program, .cli = cli};
    pl_init_place_make(program->cli.name, cli->config, &in.place);
    /* As the unit does; by hand it is not set. */
    setenv("CREDENTIALS_DIRECTORY", in.place.secrets, in.place.standard);
    int status = draft_load(&in);
    if (status < 0)
        status = answers_get(&in);
    return status >= 0 ? status : finish(&in);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.c - the command line that all daemons share (see cli.h).
 *
 * The common options and the daemon's own are two tables of one form, and parsing, --help and "did
 * you mean" all walk both. getopt_long() is not used because it takes abbreviations (--sam for
 * --sample), which break scripts when an option is added, and cannot suggest.
 */
#include "lib/service/cli.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/buf.h"
#include "lib/base/text.h"
#include "lib/config/options.h"
#include "lib/log/log.h"

enum common { CONFIG, CHECK_CONFIG, PRINT_CONFIG, HELP_CONFIG, VERBOSE, HELP, VERSION };

static const struct common_opt {
    char letter; /* 0: none */
    struct pl_cli_opt opt;
} commons[] = {
    [CONFIG] = {'c', {"config", true, "FILE", "Read this configuration."}},
    [CHECK_CONFIG] = {0, {"check-config", false, NULL, "Check the configuration and exit."}},
    [PRINT_CONFIG] = {0, {"print-config", false, NULL, "Print what is in force, without secrets."}},
    [HELP_CONFIG] = {0, {"help-config", false, NULL, "Print every option of the configuration."}},
    [VERBOSE] = {'v', {"verbose", false, NULL, "Log at level debug."}},
    [HELP] = {'h', {"help", false, NULL, "Show this and exit."}},
    [VERSION] = {'V', {"version", false, NULL, "Show the version and exit."}},
};

struct parser {
    int argc, at;
    char **argv;
    const char *name, *summary;
    const struct pl_cli_opt *table;
    struct pl_cli *cli;
};

static const struct pl_cli_opt no_options[] = {{0}};

static int usage_error(const struct parser *p)
{
    fprintf(stderr, "Try '%s --help'.\n", p->name);
    return EX_USAGE;
}

/* ---- --help ---- */

static void print_option(char letter, const struct pl_cli_opt *opt)
{
    char left[64];
    int n;

    if (letter)
        n = snprintf(left, sizeof(left), "-%c, ", letter);
    else
        n = snprintf(left, sizeof(left), "    ");
    n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", opt->name);
    if (opt->has_value && n < (int)sizeof(left))
        snprintf(left + n, sizeof(left) - (size_t)n, " %s",
                 opt->value_name ? opt->value_name : "VALUE");
    printf("  %-26s %s\n", left, opt->help ? opt->help : "");
}

static void print_help(const struct parser *p)
{
    size_t i;

    printf("Usage: %s [OPTION]...\n%s\n\n", p->name, p->summary);
    for (i = 0; p->table[i].name; i++)
        print_option(0, &p->table[i]);
    if (i > 0)
        printf("\n");
    for (i = 0; i < PL_COUNT(commons); i++)
        print_option(commons[i].letter, &commons[i].opt);
    printf("\nThe configuration is %s unless -c says otherwise.\n"
           "Exit status: 0 in order, 64 wrong use, 65 bad data, 69 service away, 78 bad\n"
           "configuration, 1 anything else.\n",
           p->cli->config_default);
}

/* ---- "did you mean" ---- */

enum { NAME_MAX_LEN = 40 };

struct nearest {
    const char *name;
    unsigned distance;
};

static void nearest_try(struct nearest *n, const char *text, const char *name)
{
    /* What was begun and not ended ("--sam") is nearer than any mistyping. */
    size_t len = strlen(text);
    unsigned distance =
        len >= 2 && strncmp(text, name, len) == 0 ? 0 : pl_edit_distance(text, name);

    if (distance < n->distance)
        *n = (struct nearest){name, distance};
}

/* NULL when nothing is near: two slips, and not more than half of a short word. */
static const char *nearest_name(const struct parser *p, const char *text, size_t len)
{
    struct nearest n = {NULL, len / 2 < 2 ? (unsigned)len / 2 + 1 : 3};
    PL_FREE char *typed = pl_strndup(text, len);
    size_t i;

    for (i = 0; p->table[i].name; i++)
        nearest_try(&n, typed, p->table[i].name);
    for (i = 0; i < PL_COUNT(commons); i++)
        nearest_try(&n, typed, commons[i].opt.name);
    return n.name;
}

static int unknown_option(const struct parser *p, const char *text, size_t len)
{
    const char *near = nearest_name(p, text, len);

    fprintf(stderr, "%s: unknown option '--%.*s'", p->name, (int)len, text);
    if (near)
        fprintf(stderr, ", did you mean '--%s'?", near);
    fprintf(stderr, "\n");
    return usage_error(p);
}

/* ---- parsing ---- */

/* Returns as pl_cli_parse(). */
static int take_common(const struct parser *p, enum common which, const char *value)
{
    struct pl_cli *cli = p->cli;

    switch (which) {
    case CONFIG:
        cli->config = value;
        cli->config_given = true;
        break;
    case CHECK_CONFIG:
        cli->check_config = true;
        break;
    case PRINT_CONFIG:
        cli->print_config = true;
        break;
    case HELP_CONFIG:
        cli->help_config = true;
        break;
    case VERBOSE:
        cli->verbose = true;
        break;
    case HELP:
        print_help(p);
        return 0;
    case VERSION:
        printf("%s %s\n", p->name, PL_VERSION);
        return 0;
    }
    return -1;
}

/* The value of an option: what stood behind '=' (or a letter), else the next argument. 0 or
 * EX_USAGE. */
static int find_value(struct parser *p, const char *shown, bool has_value, const char *attached,
                      const char **ret_value)
{
    if (!has_value && attached) {
        fprintf(stderr, "%s: option '%s' takes no value\n", p->name, shown);
        return usage_error(p);
    }
    if (has_value && !attached) {
        if (p->at >= p->argc) {
            fprintf(stderr, "%s: option '%s' needs a value\n", p->name, shown);
            return usage_error(p);
        }
        attached = p->argv[p->at++];
    }
    if (has_value && !attached[0]) {
        fprintf(stderr, "%s: option '%s' has an empty value\n", p->name, shown);
        return usage_error(p);
    }
    *ret_value = has_value ? attached : "";
    return 0;
}

static int parse_long(struct parser *p, const char *text)
{
    const char *equals = strchr(text, '='), *attached = equals ? equals + 1 : NULL, *value;
    size_t len = equals ? (size_t)(equals - text) : strlen(text), i;
    char shown[NAME_MAX_LEN + 8];
    int r;

    snprintf(shown, sizeof(shown), "--%.*s", (int)(len < NAME_MAX_LEN ? len : NAME_MAX_LEN), text);
    for (i = 0; p->table[i].name; i++)
        if (strlen(p->table[i].name) == len && memcmp(p->table[i].name, text, len) == 0) {
            r = find_value(p, shown, p->table[i].has_value, attached, &value);
            if (r != 0)
                return r;
            p->cli->storage[i] = value;
            return -1;
        }
    for (i = 0; i < PL_COUNT(commons); i++)
        if (strlen(commons[i].opt.name) == len && memcmp(commons[i].opt.name, text, len) == 0) {
            r = find_value(p, shown, commons[i].opt.has_value, attached, &value);
            return r != 0 ? r : take_common(p, (enum common)i, value);
        }
    return unknown_option(p, text, len);
}

/* "-v", "-cFILE", "-vc FILE". */
static int parse_letters(struct parser *p, const char *letters)
{
    const char *value;
    char shown[3] = "-?";
    size_t i;
    int r;

    for (; *letters; letters++) {
        for (i = 0; i < PL_COUNT(commons) && commons[i].letter != *letters; i++)
            ;
        shown[1] = *letters;
        if (i == PL_COUNT(commons)) {
            fprintf(stderr, "%s: unknown option '%s'\n", p->name, shown);
            return usage_error(p);
        }
        if (commons[i].opt.has_value) {
            r = find_value(p, shown, true, letters[1] ? letters + 1 : NULL, &value);
            return r != 0 ? r : take_common(p, (enum common)i, value);
        }
        r = take_common(p, (enum common)i, "");
        if (r >= 0)
            return r;
    }
    return -1;
}

int pl_cli_parse(int argc, char **argv, const char *name, const char *summary,
                 const struct pl_cli_opt *table, struct pl_cli *ret)
{
    struct parser p = {
        .argc = argc, .at = 1, .argv = argv, .name = name, .summary = summary, .cli = ret};
    const char *arg;
    size_t n = 0;
    int r = -1;

    p.table = table ? table : no_options;
    while (p.table[n].name)
        n++;
    assert(n <= PL_CLI_OPTS_MAX);
    memset(ret, 0, sizeof(*ret));
    snprintf(ret->config_default, sizeof(ret->config_default), "/etc/%s/%s.yaml", name, name);
    ret->config = ret->config_default;
    ret->values = ret->storage;
    while (r < 0 && p.at < argc) {
        arg = argv[p.at++];
        if (arg[0] == '-' && arg[1] == '-' && arg[2]) {
            r = parse_long(&p, arg + 2);
        } else if (arg[0] == '-' && arg[1] && arg[1] != '-') {
            r = parse_letters(&p, arg + 1);
        } else if (strcmp(arg, "--") != 0 || p.at < argc) {
            fprintf(stderr, "%s: unexpected argument '%s'\n", name,
                    strcmp(arg, "--") == 0 ? argv[p.at] : arg);
            r = usage_error(&p);
        }
    }
    return r;
}

int pl_cli_count(const char *option, const char *text, int64_t max, int64_t *ret_n)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    /* strtoll() would take a sign and spaces before the digits. */
    if (text[0] < '0' || text[0] > '9' || *end || errno == ERANGE || n < 1 || n > max) {
        fprintf(stderr, "option '--%s' needs a number from 1 to %" PRId64 ", not '%s'\n", option,
                max, text);
        return EX_USAGE;
    }
    *ret_n = n;
    return -1;
}

int pl_cli_mode(const struct pl_cli *cli, const char *name, const struct pl_cli_opt *table, int n)
{
    int mode = n;

    for (int i = 0; i < n; i++) {
        if (!cli->values[i])
            continue;
        if (mode != n) {
            fprintf(stderr, "%s: --%s and --%s exclude each other\nTry '%s --help'.\n", name,
                    table[mode].name, table[i].name, name);
            return -1;
        }
        mode = i;
    }
    return mode;
}

static void findings_lines_log(const struct pl_buf *lines, enum pl_log_level level)
{
    for (size_t at = 0; at < lines->len;) {
        const char *line = lines->data + at;
        const char *end = memchr(line, '\n', lines->len - at);
        size_t len = end ? (size_t)(end - line) : lines->len - at;
        /* A site of its own for each line: a person is to see all that is wrong at once. */
        struct pl_log_site site = {.file = __FILE__, .line = __LINE__, .func = __func__};
        pl_log_at(&site, level, PL_EVENT_CONFIG_ERROR, "configuration",
                  (const struct pl_log_field[]){PL_F_SLICE("ERROR", line, len), {0}});
        at += len + 1;
    }
}

void pl_cli_findings_log(const struct pl_findings *errs)
{
    findings_lines_log(&errs->text, PL_ERROR);
    findings_lines_log(&errs->warnings, PL_WARNING);
}

/* For who asked for the check: on stderr, a warning with that word in front. */
static void findings_print(struct pl_findings *errs)
{
    const char *line = pl_buf_cstr(&errs->warnings);

    fputs(pl_buf_cstr(&errs->text), stderr);
    for (size_t len; *line; line += len) {
        len = strcspn(line, "\n") + 1;
        fprintf(stderr, "warning: %.*s", (int)len, line);
    }
}

int pl_cli_config(const struct pl_cli *cli, struct pl_findings *errs,
                  const struct pl_option *options, const void *conf, const char *more)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};

    if (cli->check_config)
        findings_print(errs);
    else
        pl_cli_findings_log(errs);
    if (errs->count > 0)
        return EX_CONFIG;
    if (!cli->check_config && !cli->print_config)
        return -1;
    if (cli->print_config)
        pl_options_print(options, conf, &text);
    else
        pl_buf_addf(&text, "%s: in order%s%s\n", cli->config, more ? ", " : "", more ? more : "");
    fputs(pl_buf_cstr(&text), stdout);
    return 0;
}

static void strings_join(const struct pl_strings *strings, struct pl_buf *out)
{
    for (size_t i = 0; i < strings->n; i++) {
        pl_buf_add_str(out, i > 0 ? " " : "");
        pl_buf_add_str(out, strings->v[i]);
    }
}

void pl_cli_reload_log(const struct pl_strings *changed, const struct pl_strings *needs_restart)
{
    PL_CLEANUP(pl_buf_release) struct pl_buf taken = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf left = {0};

    strings_join(changed, &taken);
    strings_join(needs_restart, &left);
    pl_log(PL_NOTICE, PL_EVENT_RELOADED, "configuration reloaded",
           PL_F_STR("CHANGED", changed->n > 0 ? pl_buf_cstr(&taken) : "nothing"));
    if (needs_restart->n > 0)
        pl_log(PL_WARNING, PL_EVENT_RELOADED, "these options change only with a restart",
               PL_F_STR("OPTIONS", pl_buf_cstr(&left)));
}

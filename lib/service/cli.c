/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.c - see cli.h.
 */
#include "lib/service/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/alloc.h"
#include "lib/base/text.h"

/* What getopt_long() returns beside letters: OWN and the index of a daemon's option. */
enum { SET = 0, POSITIONAL = 1, ANSWER = 2, OWN = 0x100 };

static const struct common {
    char letter; /* 0: sets a flag, or is ANSWER, the one with a value */
    struct pl_cli_opt opt;
} commons[] = {
    {'c', {"config", "FILE", "Read this configuration."}},
    {0, {"check-config", NULL, "Check the configuration and exit."}},
    {0, {"print-config", NULL, "Print what is in force, without secrets."}},
    {0, {"help-config", NULL, "Print every option of the configuration."}},
    {0, {"init", NULL, "Write a first configuration, asking for it, and try it."}},
    {0, {"answer", "KEY=VALUE", "With --init: not to be asked; a secret's is @FILE."}},
    {'v', {"verbose", NULL, "Log at level debug."}},
    {'h', {"help", NULL, "Show this and exit."}},
    {'V', {"version", NULL, "Show the version and exit."}},
};

enum { LONGS_MAX = PL_CLI_OPTS_MAX + PL_COUNT(commons) + 1 };

int pl_cli_refuse(const struct pl_cli_spec *spec, const char *fmt, ...)
{
    fprintf(stderr, "%s: ", spec->name);
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry '%s --help'.\n", spec->name);
    return EX_USAGE;
}

/* ---- --help ---- */

static void option_print(char letter, const struct pl_cli_opt *opt)
{
    char left[64];
    snprintf(left, sizeof(left), letter ? "-%c, --%s %s" : "%c   --%s %s", letter ? letter : ' ',
             opt->name, opt->value ? opt->value : "");
    printf("  %-26s %s\n", left, opt->help);
}

static void help_print(const struct pl_cli_spec *spec, const char *config_default)
{
    printf("Usage: %s [OPTION]...\n%s\n\n", spec->name, spec->summary);
    for (const struct pl_cli_opt *o = spec->opts; o && o->name; o++)
        option_print(0, o);
    if (spec->opts)
        printf("\n");
    for (size_t i = 0; i < PL_COUNT(commons); i++)
        option_print(commons[i].letter, &commons[i].opt);
    printf("\nThe configuration is %s unless -c says otherwise.\n"
           "Exit status: 0 success, 64 wrong use, 65 bad data, 69 a service is away, 78 bad\n"
           "configuration, 1 anything else.\n",
           config_default);
}

/* ---- "did you mean" ---- */

/* Within two typing errors, or half of a short word; NULL: nothing is. */
static const char *nearest_name(const struct option *longs, const char *text)
{
    size_t len = strlen(text);
    unsigned best = len / 2 < 2 ? (unsigned)len / 2 + 1 : 3;
    const char *near = NULL;
    for (const struct option *o = longs; o->name; o++) {
        /* An abbreviation ("--sam") is nearer than any typing error. */
        bool begun = len >= 2 && strncmp(text, o->name, len) == 0;
        unsigned distance = begun ? 0 : pl_edit_distance(text, o->name);
        if (distance < best) {
            best = distance;
            near = o->name;
        }
    }
    return near;
}

/* ---- parsing ---- */

static struct option long_make(const struct pl_cli_opt *o, int *flag, int val)
{
    int has_arg = !o->value            ? no_argument
                  : o->value[0] == '[' ? optional_argument
                                       : required_argument;
    return (struct option){o->name, has_arg, flag, val};
}

static void longs_make(const struct pl_cli_spec *spec, struct pl_cli *cli, struct option *ret)
{
    int *flags[] = {&cli->check_config, &cli->print_config, &cli->help_config, &cli->init};
    int **flag = flags;
    int n = 0;
    for (const struct pl_cli_opt *o = spec->opts; o && o->name; o++, n++) {
        assert(n < PL_CLI_OPTS_MAX);
        ret[n] = long_make(o, NULL, OWN + n);
    }
    for (const struct common *c = commons; c < commons + PL_COUNT(commons); c++) {
        bool is_flag = !c->letter && !c->opt.value;
        ret[n++] = long_make(&c->opt, is_flag ? *flag++ : NULL,
                             is_flag     ? 1
                             : c->letter ? c->letter
                                         : ANSWER);
    }
    ret[n] = (struct option){0};
}

/* getopt_long() would take abbreviations. -1, or the exit status. */
static int name_check(const struct pl_cli_spec *spec, const struct option *longs, const char *arg)
{
    if (!arg || strncmp(arg, "--", 2) != 0 || !arg[2])
        return -1;
    PL_FREE char *name = pl_strndup(arg + 2, strcspn(arg + 2, "="));
    for (const struct option *o = longs; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return -1;
    const char *near = nearest_name(longs, name);
    return pl_cli_refuse(spec, "unknown option '--%s'%s%s%s", name,
                         near ? ", did you mean '--" : "", near ? near : "", near ? "'?" : "");
}

/* One option, as getopt_long() returned it for `arg`. -1, or the exit status. */
static int option_take(const struct pl_cli_spec *spec, int code, const char *arg,
                       struct pl_cli *cli)
{
    const char *fault = code == ':'                   ? "needs a value"
                        : code == '?'                 ? "takes no value"
                        : optarg && optarg[0] == '\0' ? "has an empty value"
                                                      : NULL;
    bool is_long = strncmp(arg, "--", 2) == 0;
    if (code == POSITIONAL)
        return pl_cli_refuse(spec, "unexpected argument '%s'", optarg);
    if (code == '?' && !is_long)
        return pl_cli_refuse(spec, "unknown option '-%c'", optopt);
    if (fault && is_long)
        return pl_cli_refuse(spec, "option '%.*s' %s", (int)strcspn(arg, "="), arg, fault);
    if (fault)
        return pl_cli_refuse(spec, "option '-%c' %s", code == ':' ? optopt : code, fault);
    switch (code) {
    case 'c':
        cli->config = optarg;
        break;
    case SET:
        break;
    case ANSWER:
        if (cli->answers_n == PL_CLI_ANSWERS_MAX)
            return pl_cli_refuse(spec, "more than %d --answer", PL_CLI_ANSWERS_MAX);
        cli->answers[cli->answers_n++] = optarg;
        break;
    case 'v':
        cli->verbose = true;
        break;
    case 'h':
        help_print(spec, cli->config_default);
        return 0;
    case 'V':
        printf("%s %s\n", spec->name, PL_VERSION);
        return 0;
    default:
        cli->values[code - OWN] = optarg ? optarg : "";
    }
    return -1;
}

/* -1, or the exit status. */
static int mode_take(const struct pl_cli_spec *spec, struct pl_cli *cli)
{
    cli->mode = spec->modes;
    for (int i = 0; i < spec->modes; i++) {
        if (!cli->values[i])
            continue;
        if (cli->mode != spec->modes)
            return pl_cli_refuse(spec, "--%s and --%s exclude each other",
                                 spec->opts[cli->mode].name, spec->opts[i].name);
        cli->mode = i;
    }
    if (cli->init && cli->mode != spec->modes)
        return pl_cli_refuse(spec, "--init and --%s exclude each other",
                             spec->opts[cli->mode].name);
    if (cli->answers_n > 0 && !cli->init)
        return pl_cli_refuse(spec, "--answer goes with --init");
    const struct pl_cli_opt *opt = &spec->opts[cli->mode];
    if (cli->mode == spec->modes || !opt->value || strcmp(opt->value, "N") != 0)
        return -1;
    const char *text = cli->values[cli->mode];
    errno = 0;
    char *end;
    cli->count = strtoll(text, &end, 10);
    /* strtoll() would take a sign and spaces before the digits. */
    if (text[0] < '0' || text[0] > '9' || *end || errno == ERANGE || cli->count < 1 ||
        cli->count > spec->count_max)
        return pl_cli_refuse(spec, "option '--%s' needs a number from 1 to %" PRId64 ", not '%s'",
                             opt->name, spec->count_max, text);
    return -1;
}

int pl_cli_parse(int argc, char **argv, const struct pl_cli_spec *spec, struct pl_cli *ret)
{
    int status = -1;
    *ret = (struct pl_cli){.config = ret->config_default};
    snprintf(ret->config_default, sizeof(ret->config_default), "/etc/%s/%s.yaml", spec->name,
             spec->name);
    struct option longs[LONGS_MAX];
    longs_make(spec, ret, longs);
    opterr = 0;
    optind = 0; /* glibc's way to begin */
    while (status < 0) {
        const char *arg = optind < argc ? argv[optind > 0 ? optind : 1] : NULL;
        status = name_check(spec, longs, arg);
        if (status >= 0)
            break;
        /* '-': arguments keep their order; ':': a missing value differs from an unknown option. */
        int code = getopt_long(argc, argv, "-:c:vhV", longs, NULL);
        if (code == -1)
            break;
        if (code >= OWN && longs[code - OWN].has_arg == optional_argument && !optarg &&
            optind < argc && argv[optind][0] != '-')
            optarg = argv[optind++];
        status = option_take(spec, code, arg, ret);
    }
    if (status >= 0)
        return status;
    if (optind < argc)
        return pl_cli_refuse(spec, "unexpected argument '%s'", argv[optind]);
    return mode_take(spec, ret);
}

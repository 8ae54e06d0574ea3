/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the command line that all daemons share: -c/--config FILE, --check-config,
 * --print-config, --help-config, --init with --answer KEY=VALUE, -h/--help, -V/--version,
 * -v/--verbose (log level debug), and the daemon's own long options.
 *
 * By getopt_long(3), but without abbreviations (--sam): they break scripts when an option is added.
 * For an unknown option the nearest name is suggested.
 *
 * Threads: the main one, before any other starts.
 */
#ifndef PL_SERVICE_CLI_H
#define PL_SERVICE_CLI_H

#include <stdbool.h>
#include <stdint.h>

#define PL_CLI_OPTS_MAX    32 /* of a daemon */
#define PL_CLI_ANSWERS_MAX 64

struct pl_cli_opt {
    const char *name; /* "sample"; NULL ends a table */
    /* As --help shows it. NULL: it takes none. "N": of a mode, a number from 1 to count_max.
     * "[FILE]": optional; the next argument, unless it begins with '-'. Else: any text but "". */
    const char *value;
    const char *help;
};

struct pl_cli_spec {
    const char *name, *summary; /* "wikisrcd"; a sentence for --help */
    const struct pl_cli_opt *opts;
    int modes; /* the first `modes` of `opts` exclude each other */
    int64_t count_max;
};

/* Not to be copied: it points into itself. */
struct pl_cli {
    const char *config; /* "/etc/NAME/NAME.yaml", or that of -c, borrowed from argv */
    int check_config, print_config, help_config, init; /* 1: given */
    const char *answers[PL_CLI_ANSWERS_MAX];           /* each --answer, borrowed from argv */
    unsigned answers_n;
    bool verbose;
    const char *values[PL_CLI_OPTS_MAX]; /* of `opts`: NULL not given, "" given without value */
    int mode;                            /* the one given; spec->modes: none */
    int64_t count;                       /* its number, where it has one */
    char config_default[128];
};

/* Returns -1 to continue, or the exit status: 0 after --help and --version, else that of
 * pl_cli_refuse(). Of an option given twice the last counts,
 * but --answer. Positional arguments are refused. */
int pl_cli_parse(int argc, char **argv, const struct pl_cli_spec *spec, struct pl_cli *ret);

/* Prints on stderr what is wrong with the command line, and how to get help. EX_USAGE (64). */
int pl_cli_refuse(const struct pl_cli_spec *spec, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif

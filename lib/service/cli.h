/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the command line that all daemons share: -c/--config FILE, --check-config,
 * --print-config, --help-config, -h/--help, -V/--version, -v/--verbose (log level debug), and the
 * daemon's own long options.
 *
 * By getopt_long(3), but an option is written in full: abbreviations (--sam) break scripts when an
 * option is added. What is not known is answered with the nearest that is.
 *
 * Threads: the main one, before any other starts.
 */
#ifndef PL_SERVICE_CLI_H
#define PL_SERVICE_CLI_H

#include <stdbool.h>
#include <stdint.h>

#define PL_CLI_OPTS_MAX 32 /* of a daemon */

struct pl_cli_opt {
    const char *name; /* "sample"; NULL ends a table */
    const char
        *value; /* as --help shows it. NULL: it takes none. "N": of a mode, a number from 1 to
                          count_max. "[FILE]": may be left out, and what follows is it unless it
                          begins with '-'. Else: any text but "" */
    const char *help;
};

struct pl_cli_spec {
    const char *name, *summary; /* "wikisrcd"; a sentence for --help */
    const struct pl_cli_opt *opts;
    int modes; /* the first so many of `opts` exclude each other */
    int64_t count_max;
};

/* Not to be copied: it points into itself. */
struct pl_cli {
    const char *config; /* "/etc/NAME/NAME.yaml", or that of -c, borrowed from argv */
    int check_config, print_config, help_config; /* 1: given */
    bool verbose;
    const char *values[PL_CLI_OPTS_MAX]; /* of `opts`: NULL not given, "" given without value */
    int mode;                            /* the one given; spec->modes: none */
    int64_t count;                       /* its number, where it has one */
    char config_default[128];
};

/* Parses. Returns -1 to go on, or the exit status: 0 after --help and --version, else that of
 * pl_cli_refuse(). An option given twice: the last one counts. Positional arguments are refused. */
int pl_cli_parse(int argc, char **argv, const struct pl_cli_spec *spec, struct pl_cli *ret);

/* Says on stderr what is wrong with the command line, and how to ask for help. EX_USAGE (64). */
int pl_cli_refuse(const struct pl_cli_spec *spec, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif

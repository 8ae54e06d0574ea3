/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the command line that all daemons share, and what is printed and logged about a
 * configuration.
 *
 * Threads: the main one, before any other starts.
 */
#ifndef PL_SERVICE_CLI_H
#define PL_SERVICE_CLI_H

#include <stdbool.h>
#include <stdint.h>

/* Options all daemons have: -c/--config FILE, --check-config, --print-config, --help-config,
 * -h/--help, -V/--version, -v/--verbose (log level debug). A daemon adds its own modes by a table
 * of at most 32, ended by {0}. */
struct pl_cli_opt {
    const char *name; /* "sample" */
    bool has_value;
    const char *value_name; /* "N" */
    const char *help;
};

#define PL_CLI_OPTS_MAX 32

/* Not to be copied: it points into itself. */
struct pl_cli {
    const char *config; /* "/etc/NAME/NAME.yaml", or that of -c, borrowed from argv */
    bool config_given;  /* by -c */
    bool check_config, print_config, help_config, verbose;
    const char *const *values; /* parallel to the table: NULL not given, "" given without value */
    const char *storage[PL_CLI_OPTS_MAX];
    char config_default[128];
};

/* Parses. Returns -1 to go on, or the exit status to end with (0 after --help/--version, 64
 * EX_USAGE after a message on stderr that says what was wrong and names --help). `summary`: a
 * sentence or two for --help. An option given twice: the last one counts. Positional arguments
 * are refused. */
int pl_cli_parse(int argc, char **argv, const char *name, const char *summary,
                 const struct pl_cli_opt *table, struct pl_cli *ret);

/* Logs what pl_findings holds: each finding as an error line (MESSAGE_ID PL_EVENT_CONFIG_ERROR),
 * each warning as a warning. All of them: the rate limit does not apply. */
struct pl_findings;
void pl_cli_findings_log(const struct pl_findings *errs);

/* Logs what a reload did: the options taken over, and those that need a restart (of
 * pl_options_reload()). */
struct pl_strings;
void pl_cli_reload_log(const struct pl_strings *changed, const struct pl_strings *needs_restart);

/* Which of the table's first `n` options, its modes, is given: its index, `n` where none is, or -1
 * after a message on stderr: they exclude each other. */
int pl_cli_mode(const struct pl_cli *cli, const char *name, const struct pl_cli_opt *table, int n);

/* --check-config and --print-config, after the configuration was read: prints the findings and what
 * is asked for, in the same words in all daemons. Returns the exit status, or -1 to go on (findings
 * are then logged). `more` is said behind "in order" (NULL: nothing). */
struct pl_option;
int pl_cli_config(const struct pl_cli *cli, struct pl_findings *errs,
                  const struct pl_option *options, const void *conf, const char *more);

/* A positive count from the command line; 64 with a message on stderr when it is none; -1 = ok. */
int pl_cli_count(const char *option, const char *text, int64_t max, int64_t *ret_n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_cli.c - the command line that all daemons share: what each way of writing an option gives,
 * and what a person reads who got it wrong.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/config/options.h"
#include "lib/service/cli.h"
#include "lib/service/daemon.h"
#include "tests/unit/unit.h"

static const struct pl_cli_opt cli_table[] = {
    {"sample", true, "N", "Print N messages."},
    {"once", false, NULL, "Run to the end."},
    {0},
};

static const struct cli_case {
    const char *args[6];
    int status; /* -1: go on */
    const char *config, *sample, *once;
    const char *flags; /* of k(check) p(rint) H(elp-config) v */
    const char *text;  /* stands in the output */
} cli_cases[] = {
    {{NULL}, -1, "/etc/testd/testd.yaml", NULL, NULL, "", ""},
    {{"-c", "x.yaml"}, -1, "x.yaml", NULL, NULL, "", ""},
    {{"-cx.yaml"}, -1, "x.yaml", NULL, NULL, "", ""},
    {{"--config=x=y"}, -1, "x=y", NULL, NULL, "", ""},
    {{"--config", "-"}, -1, "-", NULL, NULL, "", ""},
    {{"-vc", "x"}, -1, "x", NULL, NULL, "v", ""},
    {{"--sample", "5", "--once"}, -1, NULL, "5", "", "", ""},
    {{"--sample=5", "--sample=6"}, -1, NULL, "6", NULL, "", ""},
    {{"--check-config", "--print-config", "--help-config", "--verbose"},
     -1,
     NULL,
     NULL,
     NULL,
     "kpHv",
     ""},
    {{"--once", "--"}, -1, NULL, NULL, "", "", ""},
    {{"--help"}, 0, NULL, NULL, NULL, "", "--sample N"},
    {{"-h"}, 0, NULL, NULL, NULL, "", "Does a test."},
    {{"--help"}, 0, NULL, NULL, NULL, "", "-c, --config FILE"},
    {{"-vV"}, 0, NULL, NULL, NULL, "v", "testd " PL_VERSION "\n"},
    {{"--version"}, 0, NULL, NULL, NULL, "", "testd " PL_VERSION "\n"},
    {{"--sampel", "5"},
     64,
     NULL,
     NULL,
     NULL,
     "",
     "unknown option '--sampel', did you mean '--sample'?"},
    {{"--sam=5"}, 64, NULL, NULL, NULL, "", "unknown option '--sam', did you mean '--sample'?"},
    {{"--chek-config"}, 64, NULL, NULL, NULL, "", "did you mean '--check-config'?"},
    {{"--zzzzzz"}, 64, NULL, NULL, NULL, "", "unknown option '--zzzzzz'\nTry 'testd --help'.\n"},
    {{"-x"}, 64, NULL, NULL, NULL, "", "unknown option '-x'\n"},
    {{"--once=1"}, 64, NULL, NULL, NULL, "", "option '--once' takes no value"},
    {{"--sample"}, 64, NULL, NULL, NULL, "", "option '--sample' needs a value"},
    {{"--sample="}, 64, NULL, NULL, NULL, "", "option '--sample' has an empty value"},
    {{"-c"}, 64, NULL, NULL, NULL, "", "option '-c' needs a value"},
    {{"--config", ""}, 64, NULL, NULL, NULL, "", "option '--config' has an empty value"},
    {{"file"}, 64, NULL, NULL, NULL, "", "unexpected argument 'file'"},
    {{"-"}, 64, NULL, NULL, NULL, "", "unexpected argument '-'"},
    {{"--", "file"}, 64, NULL, NULL, NULL, "", "unexpected argument 'file'"},
};

/* stdout and stderr of the parser end in a file. */
static int capture_begin(FILE *into, int saved[2])
{
    fflush(stdout);
    saved[0] = dup(STDOUT_FILENO);
    saved[1] = dup(STDERR_FILENO);
    return dup2(fileno(into), STDOUT_FILENO) < 0 || dup2(fileno(into), STDERR_FILENO) < 0;
}

static void capture_end(FILE *from, const int saved[2], char *text, size_t size)
{
    fflush(stdout);
    dup2(saved[0], STDOUT_FILENO);
    dup2(saved[1], STDERR_FILENO);
    close(saved[0]);
    close(saved[1]);
    rewind(from);
    text[fread(text, 1, size - 1, from)] = '\0';
    fclose(from);
}

static void assert_same(const char *got, const char *expected)
{
    ck_assert_int_eq(got != NULL, expected != NULL);
    if (got)
        ck_assert_str_eq(got, expected);
}

START_TEST(cli)
{
    const struct cli_case *c = &cli_cases[_i];
    char *argv[8] = {(char[]){"testd"}};
    char text[4096], name[6] = "testd";
    struct pl_cli got;
    FILE *out = tmpfile();
    int argc = 1, saved[2], status;

    argv[0] = name;
    ck_assert_ptr_nonnull(out);
    while (argc <= 6 && c->args[argc - 1]) {
        argv[argc] = (char *)(uintptr_t)c->args[argc - 1];
        argc++;
    }
    ck_assert_int_eq(capture_begin(out, saved), 0);
    status = pl_cli_parse(argc, argv, "testd", "Does a test.", cli_table, &got);
    capture_end(out, saved, text, sizeof(text));
    ck_assert_msg(status == c->status, "status %d: %s", status, text);
    ck_assert_msg(c->text[0] ? strstr(text, c->text) != NULL : text[0] == '\0', "output: %s", text);
    if (status == 64)
        ck_assert_ptr_nonnull(strstr(text, "Try 'testd --help'."));
    if (c->config) {
        ck_assert_str_eq(got.config, c->config);
        ck_assert_int_eq(got.config_given, c->args[0] != NULL);
    }
    if (status == -1) {
        assert_same(got.values[0], c->sample);
        assert_same(got.values[1], c->once);
    }
    ck_assert_int_eq(got.check_config, strchr(c->flags, 'k') != NULL);
    ck_assert_int_eq(got.print_config, strchr(c->flags, 'p') != NULL);
    ck_assert_int_eq(got.help_config, strchr(c->flags, 'H') != NULL);
    ck_assert_int_eq(got.verbose, strchr(c->flags, 'v') != NULL);
}
END_TEST

static const struct mode_case {
    const char *args[4];
    int mode;
    const char *text;
} mode_cases[] = {
    {{NULL}, 2, ""},
    {{"--sample=1"}, 0, ""},
    {{"--once"}, 1, ""},
    {{"--once", "--once"}, 1, ""},
    {{"--once", "--sample=1"},
     -1,
     "testd: --sample and --once exclude each other\nTry 'testd --help'.\n"},
};

START_TEST(cli_mode)
{
    const struct mode_case *c = &mode_cases[_i];
    char name[] = "testd", *argv[5] = {name}, text[512];
    FILE *out = tmpfile();
    struct pl_cli got;
    int argc = 1, saved[2], mode;

    for (; c->args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)c->args[argc - 1];
    ck_assert_int_eq(pl_cli_parse(argc, argv, "testd", "", cli_table, &got), -1);
    ck_assert_int_eq(capture_begin(out, saved), 0);
    mode = pl_cli_mode(&got, "testd", cli_table, 2);
    capture_end(out, saved, text, sizeof(text));
    ck_assert_int_eq(mode, c->mode);
    ck_assert_str_eq(text, c->text);
    ck_assert_int_eq(pl_cli_mode(&got, "testd", cli_table, 0), 0); /* the others are no modes */
}
END_TEST

/* ---- --check-config, --print-config ---- */

struct target {
    int64_t rows;
};
static const struct pl_option options[] = {
    PL_OPTION("rows", INT, struct target, rows, .min = 1, .max = 9, .dflt = "5", .help = "Rows."),
    PL_OPT_END};

static const struct config_case {
    const char *arg; /* NULL: none */
    bool finding, warning;
    int status;
    const char *text; /* all of stdout and stderr; NULL: log lines that name the finding */
    const char *more;
} config_cases[] = {
    {"--check-config", false, false, 0, "x.yaml: in order\n", NULL},
    {"--check-config", false, false, 0, "x.yaml: in order, 3 routes\n", "3 routes"},
    {"--check-config", false, true, 0, "warning: x.yaml:2:1: mind\nx.yaml: in order\n", NULL},
    {"--check-config", true, false, 78, "x.yaml:1:1: bad\n", "3 routes"},
    {"--check-config", true, true, 78, "x.yaml:1:1: bad\nwarning: x.yaml:2:1: mind\n", NULL},
    {"--print-config", false, false, 0, "rows: 7\n", "3 routes"},
    {"--print-config", true, false, 78, NULL, NULL},
    {NULL, true, false, 78, NULL, NULL},
    {NULL, false, false, -1, "", NULL},
};

START_TEST(cli_config)
{
    const struct config_case *c = &config_cases[_i];
    char name[] = "testd", config[] = "-cx.yaml",
         *argv[] = {name, config, (char *)(uintptr_t)c->arg, NULL}, text[1024];
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    const struct target target = {7};
    FILE *out = tmpfile();
    struct pl_cli got;
    int saved[2], status;

    pl_findings_init(&errs);
    errs.file = "x.yaml";
    if (c->finding)
        pl_findings_add(&errs, 1, 1, "bad");
    if (c->warning)
        pl_findings_warn(&errs, 2, 1, "mind");
    ck_assert_int_eq(pl_cli_parse(c->arg ? 3 : 2, argv, "testd", "", NULL, &got), -1);
    ck_assert_int_eq(capture_begin(out, saved), 0);
    status = pl_cli_config(&got, &errs, options, &target, c->more);
    capture_end(out, saved, text, sizeof(text));
    ck_assert_int_eq(status, c->status);
    if (c->text)
        ck_assert_str_eq(text, c->text);
    else
        ck_assert_msg(strstr(text, "error=\"x.yaml:1:1: bad\""), "%s", text);
}
END_TEST

START_TEST(cli_without_table)
{
    char name[] = "testd", flag[] = "-v", *argv[] = {name, flag, NULL};
    struct pl_cli got;

    ck_assert_int_eq(pl_cli_parse(2, argv, "testd", "", NULL, &got), -1);
    ck_assert(got.verbose);
}
END_TEST

static const struct count_case {
    const char *text;
    int64_t n; /* 0: refused */
} count_cases[] = {
    {"1", 1},   {"100", 100}, {"007", 7}, {"0", 0},   {"-1", 0},
    {"101", 0}, {"", 0},      {" 5", 0},  {"+5", 0},  {"5 ", 0},
    {"5k", 0},  {"0x10", 0},  {"1e1", 0}, {"ten", 0}, {"99999999999999999999", 0},
};

START_TEST(cli_count)
{
    const struct count_case *c = &count_cases[_i];
    char text[512];
    FILE *out = tmpfile();
    int64_t n = -7;
    int saved[2], status;

    ck_assert_int_eq(capture_begin(out, saved), 0);
    status = pl_cli_count("sample", c->text, 100, &n);
    capture_end(out, saved, text, sizeof(text));
    ck_assert_int_eq(status, c->n ? -1 : 64);
    ck_assert_int_eq(n, c->n ? c->n : -7);
    if (c->n == 0)
        ck_assert_ptr_nonnull(strstr(text, "option '--sample' needs a number from 1 to 100"));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(cli, .count = PL_COUNT(cli_cases)),
        TEST(cli_without_table),
        TEST(cli_count, .count = PL_COUNT(count_cases)),
        TEST(cli_mode, .count = PL_COUNT(mode_cases)),
        TEST(cli_config, .count = PL_COUNT(config_cases)),
    };
    return unit_main("cli", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_cli.c - the command line that all daemons share: what each way of writing an option gives,
 * and what a person reads who got it wrong.
 */
#include "lib/service/cli.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/capture.h"
#include "tests/unit/unit.h"

static const struct pl_cli_opt opts[] = {
    {"sample", "N", "Print N messages."},
    {"once", NULL, "Run to the end."},
    {"dump", "[FILE]", "Keep the answer."},
    {0},
};
static const struct pl_cli_spec spec = {"testd", "Does a test.", opts, 2, 100};

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
    {{"--sample", "5", "--dump"}, -1, NULL, "5", NULL, "", ""},
    {{"--once", "--dump=x"}, -1, NULL, NULL, "", "", ""},
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
    {{"--sam"}, 64, NULL, NULL, NULL, "", "unknown option '--sam', did you mean '--sample'?"},
    {{"--c", "x"}, 64, NULL, NULL, NULL, "", "unknown option '--c'\n"},
    {{"--onc"}, 64, NULL, NULL, NULL, "", "unknown option '--onc', did you mean '--once'?"},
    {{"--verb"}, 64, NULL, NULL, NULL, "", "unknown option '--verb', did you mean '--verbose'?"},
    {{"--=5"}, 64, NULL, NULL, NULL, "", "unknown option '--'\n"},
    {{"--sample", "--once"}, 64, NULL, NULL, NULL, "", "from 1 to 100, not '--once'"},
    {{"--config", "--sam"}, -1, "--sam", NULL, NULL, "", ""},
    {{"-c", "--sam", "-v"}, -1, "--sam", NULL, NULL, "v", ""},
    {{"-vx"}, 64, NULL, NULL, NULL, "v", "unknown option '-x'\n"},
    {{"-sample"}, 64, NULL, NULL, NULL, "", "unknown option '-s'\n"},
    {{"--once", "file", "-v"}, 64, NULL, NULL, NULL, "", "unexpected argument 'file'"},
    {{"--help"}, 0, NULL, NULL, NULL, "", "\n      --dump [FILE]          Keep the answer.\n"},
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

static struct capture capture;

static int parse(const char *const *args, const struct pl_cli_spec *of, struct pl_cli *ret)
{
    char name[] = "testd", *argv[8] = {name};
    int argc = 1, status;

    for (; argc < 8 && args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    capture_begin(&capture);
    status = pl_cli_parse(argc, argv, of, ret);
    capture_end(&capture);
    return status;
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
    struct pl_cli got;
    int status = parse(c->args, &spec, &got);

    ck_assert_msg(status == c->status, "status %d: %s", status, capture.text);
    ck_assert_msg(c->text[0] ? strstr(capture.text, c->text) != NULL : !capture.text[0],
                  "output: %s", capture.text);
    if (status == 64)
        ck_assert_ptr_nonnull(strstr(capture.text, "Try 'testd --help'."));
    if (c->config)
        ck_assert_str_eq(got.config, c->config);
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

/* ---- a value that may be left out ---- */

static const struct dump_case {
    const char *args[4];
    int status;
    const char *dump, *config;
} dump_cases[] = {
    {{"--dump"}, -1, "", NULL},
    {{"--dump", "x.json"}, -1, "x.json", NULL},
    {{"--dump=x.json"}, -1, "x.json", NULL},
    {{"--dump", "-c", "x"}, -1, "", "x"},
    {{"--dump", "--once"}, -1, "", NULL},
    {{"--dump", "x", "-vcy"}, -1, "x", "y"},
    {{"--dump=-"}, -1, "-", NULL},
    {{"--dump", "x", "y"}, 64, NULL, NULL},
    {{"--dump", "-"}, 64, NULL, NULL},
    {{"--dump", "--"}, -1, "", NULL},
    {{"--dump="}, 64, NULL, NULL},
    {{"--dump", ""}, 64, NULL, NULL},
    {{"--dum"}, 64, NULL, NULL},
};

START_TEST(value_optional)
{
    const struct dump_case *c = &dump_cases[_i];
    struct pl_cli got;

    ck_assert_int_eq(parse(c->args, &spec, &got), c->status);
    if (c->status == -1)
        assert_same(got.values[2], c->dump);
    if (c->config)
        ck_assert_str_eq(got.config, c->config);
}
END_TEST

/* ---- modes ---- */

static const struct mode_case {
    const char *args[4];
    int mode; /* -1: refused */
    const char *text;
} mode_cases[] = {
    {{NULL}, 2, ""},
    {{"--sample=1"}, 0, ""},
    {{"--once"}, 1, ""},
    {{"--once", "--once"}, 1, ""},
    {{"--dump"}, 2, ""}, /* is no mode */
    {{"--once", "--dump"}, 1, ""},
    {{"--once", "--sample=1"},
     -1,
     "testd: --sample and --once exclude each other\nTry 'testd --help'.\n"},
};

START_TEST(mode)
{
    const struct mode_case *c = &mode_cases[_i];
    struct pl_cli got;

    ck_assert_int_eq(parse(c->args, &spec, &got), c->mode < 0 ? 64 : -1);
    ck_assert_str_eq(capture.text, c->text);
    if (c->mode >= 0)
        ck_assert_int_eq(got.mode, c->mode);
}
END_TEST

static const struct count_case {
    const char *text;
    int64_t n; /* 0: refused */
} count_cases[] = {
    {"1", 1},   {"100", 100}, {"007", 7}, {"0", 0},   {"-1", 0},
    {"101", 0}, {" ", 0},     {" 5", 0},  {"+5", 0},  {"5 ", 0},
    {"5k", 0},  {"0x10", 0},  {"1e1", 0}, {"ten", 0}, {"99999999999999999999", 0},
};

START_TEST(count)
{
    const struct count_case *c = &count_cases[_i];
    const char *const args[] = {"--sample", c->text, NULL};
    char expected[256] = "";
    struct pl_cli got;

    ck_assert_int_eq(parse(args, &spec, &got), c->n ? -1 : 64);
    if (c->n)
        ck_assert_int_eq(got.count, c->n);
    else
        snprintf(expected, sizeof(expected),
                 "testd: option '--sample' needs a number from 1 to 100, not '%s'\n"
                 "Try 'testd --help'.\n",
                 c->text);
    ck_assert_str_eq(capture.text, expected);
}
END_TEST

START_TEST(without_options)
{
    const struct pl_cli_spec plain = {.name = "testd", .summary = "Does a test."};
    const char *const verbose[] = {"-v", NULL}, *const unknown[] = {"--versoin", NULL};
    struct pl_cli got;

    ck_assert_int_eq(parse(verbose, &plain, &got), -1);
    ck_assert(got.verbose);
    ck_assert_int_eq(got.mode, 0);
    ck_assert_int_eq(parse(unknown, &plain, &got), 64);
    ck_assert_ptr_nonnull(strstr(capture.text, "did you mean '--version'?"));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(cli, .count = PL_COUNT(cli_cases)),
        TEST(value_optional, .count = PL_COUNT(dump_cases)),
        TEST(mode, .count = PL_COUNT(mode_cases)),
        TEST(count, .count = PL_COUNT(count_cases)),
        TEST(without_options),
    };
    return unit_main("cli", tests, PL_COUNT(tests));
}

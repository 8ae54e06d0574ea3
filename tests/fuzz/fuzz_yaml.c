/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_yaml.c - any bytes as a configuration file.
 *
 * What loads must print as a file that loads to the same values and prints the same again; so the
 * printer and its quoting are under test as well as the parser. No secrets are in the table: a
 * file name in them would have the fuzzer read files.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/config/options.h"

static const char *const choices[] = {"one", "two", "three", NULL};

struct sample {
    char *name, *text, *file;
    bool flag;
    int64_t count, size, duration;
    int choice;
    struct pl_strings list, words;
    const struct pl_node *node;
};

#define OPT(path_, type_, field_, ...) PL_OPTION(path_, type_, struct sample, field_, __VA_ARGS__)
static const struct pl_option table[] = {
    OPT("name", STRING, name, .min = 1, .max = 40, .flags = PL_OPT_REQUIRED, .help = "Name."),
    OPT("text", STRING, text, .dflt = "a", .help = "Text."),
    OPT("tls.file", STRING, file, .help = "File."),
    OPT("tls.flag", BOOL, flag, .dflt = "true", .help = "Flag."),
    OPT("count", INT, count, .dflt = "7", .help = "Count."),
    OPT("a.size", SIZE, size, .max = INT64_MAX, .dflt = "64MiB", .help = "Size."),
    OPT("a.b.duration", DURATION, duration, .max = INT64_MAX, .dflt = "1s", .help = "Duration."),
    OPT("choice", ENUM, choice, .dflt = "two", .choices = choices, .help = "Choice."),
    OPT("list", STRINGS, list, .dflt = "[a, b]", .help = "List."),
    OPT("a.words", STRINGS, words, .min = 1, .help = "Words."),
    OPT("node", NODE, node, .help = "Anything."),
    PL_OPT_END,
};

static void require(bool what, const char *why, struct pl_buf *text, struct pl_findings *errs)
{
    if (what)
        return;
    fprintf(stderr, "%s\n%s\n%s\n", why, pl_buf_cstr(text), pl_buf_cstr(&errs->text));
    abort();
}

/* Whether a key says that what stands below is printed as "(hidden)". */
static bool has_hidden(struct pl_buf *printed)
{
    return strstr(pl_buf_cstr(printed), "(hidden)") != NULL;
}

static void round_trip(struct sample *c)
{
    struct pl_findings errs;
    struct sample again = {0};
    struct pl_buf first PL_CLEANUP(pl_buf_release) = {0};
    struct pl_buf second PL_CLEANUP(pl_buf_release) = {0};
    struct pl_strings changed PL_CLEANUP(pl_strings_release) = {0};
    struct pl_strings restart PL_CLEANUP(pl_strings_release) = {0};

    pl_findings_init(&errs);
    pl_options_print(table, c, &first);
    struct pl_node *root PL_CLEANUP(pl_node_freep) = pl_yaml_parse(first.data, first.len, &errs);
    /* Quoting can make a file of nearly 1 MiB larger than that. */
    if (root || first.len <= 1 << 20) {
        require(root != NULL, "what was printed is not YAML", &first, &errs);
        require(pl_options_apply(table, root, &again, &errs) == 0, "not taken again", &first,
                &errs);
        pl_options_print(table, &again, &second);
        require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0,
                "prints differ", &first, &errs);
        pl_options_reload(table, c, &again, &changed, &restart);
        require(has_hidden(&first) || (changed.n == 0 && restart.n == 0), "values differ", &first,
                &errs);
    }
    pl_options_release(table, &again);
    pl_findings_release(&errs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_findings errs;
    struct sample c = {0};

    pl_findings_init(&errs);
    struct pl_node *root PL_CLEANUP(pl_node_freep) = pl_yaml_parse((const char *)data, size, &errs);
    require((root != NULL) == (errs.count == 0), "a tree or a finding", &errs.text, &errs);
    if (root && pl_options_apply(table, root, &c, &errs) == 0)
        round_trip(&c);
    else
        require(errs.count > 0, "refused without a finding", &errs.text, &errs);
    pl_options_release(table, &c);
    pl_findings_release(&errs);
    return 0;
}

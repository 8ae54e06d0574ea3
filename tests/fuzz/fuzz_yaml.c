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

#define AT(field) offsetof(struct sample, field)
static const struct pl_option table[] = {
    {"name", PL_OPT_STRING, AT(name), 1, 40, NULL, PL_OPT_REQUIRED, NULL, "Name."},
    {"text", PL_OPT_STRING, AT(text), 0, 0, "a", 0, NULL, "Text."},
    {"tls.file", PL_OPT_STRING, AT(file), 0, 0, NULL, 0, NULL, "File."},
    {"tls.flag", PL_OPT_BOOL, AT(flag), 0, 0, "true", 0, NULL, "Flag."},
    {"count", PL_OPT_INT, AT(count), 0, 0, "7", 0, NULL, "Count."},
    {"a.size", PL_OPT_SIZE, AT(size), 0, INT64_MAX, "64MiB", 0, NULL, "Size."},
    {"a.b.duration", PL_OPT_DURATION, AT(duration), 0, INT64_MAX, "1s", 0, NULL, "Duration."},
    {"choice", PL_OPT_ENUM, AT(choice), 0, 0, "two", 0, choices, "Choice."},
    {"list", PL_OPT_STRINGS, AT(list), 0, 0, "[a, b]", 0, NULL, "List."},
    {"a.words", PL_OPT_STRINGS, AT(words), 1, 0, NULL, 0, NULL, "Words."},
    {"node", PL_OPT_NODE, AT(node), 0, 0, NULL, 0, NULL, "Anything."},
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

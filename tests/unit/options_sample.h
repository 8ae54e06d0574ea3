/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_sample.h - an option table with an option of each type, and loading a text by it; for the
 * tests of conf.
 */
#ifndef TESTS_UNIT_OPTIONS_SAMPLE_H
#define TESTS_UNIT_OPTIONS_SAMPLE_H

#include "lib/config/options.h"
#include "tests/unit/unit.h"

enum mode { MODE_FAST, MODE_SLOW, MODE_EXACT };
static const char *const modes[] = {"fast", "slow", "exact", NULL};

struct sample {
    char *topic, *note, *ca_file, *contact;
    bool insecure;
    int64_t rows, level, bytes, wait_ms, poll_ms;
    int mode;
    struct pl_strings wikis, types;
    struct pl_map kafka, settings;
    struct pl_secret password;
    const struct pl_node *columns;
};

#define AT(field) offsetof(struct sample, field)
static const struct pl_option table[] = {
    {"topic", PL_OPT_STRING, AT(topic), 1, 20, "wikipedia-data", PL_OPT_REQUIRED, NULL,
     "The topic to write to."},
    {"note", PL_OPT_STRING, AT(note), 0, 0, "", PL_OPT_RELOADABLE, NULL, "Any text; may be empty."},
    {"tls.ca_file", PL_OPT_STRING, AT(ca_file), 1, 4096, NULL, 0, NULL,
     "PEM file of the authorities to trust. This help is long enough that it has to be wrapped, "
     "for it goes on and on, until there is no more room in one line of the file."},
    {"batch.rows", PL_OPT_INT, AT(rows), 1, 1000000, "50000", PL_OPT_RELOADABLE, NULL, "Rows."},
    {"tls.insecure_skip_verify", PL_OPT_BOOL, AT(insecure), 0, 0, "false", 0, NULL, "Do not."},
    {"level", PL_OPT_INT, AT(level), 0, 0, NULL, 0, NULL, NULL},
    {"batch.bytes", PL_OPT_SIZE, AT(bytes), 1024, 1 << 30, "64MiB", PL_OPT_RELOADABLE, NULL,
     "Size."},
    {"batch.age", PL_OPT_DURATION, AT(wait_ms), 100, 3600000, "1s", PL_OPT_RELOADABLE, NULL,
     "Age."},
    {"poll", PL_OPT_DURATION, AT(poll_ms), 0, 0, "0", 0, NULL, "Poll."},
    {"mode", PL_OPT_ENUM, AT(mode), 0, 0, "slow", PL_OPT_RELOADABLE, modes, "How."},
    {"filter.wikis", PL_OPT_STRINGS, AT(wikis), 0, 3, NULL, PL_OPT_RELOADABLE, NULL, "Wikis."},
    {"filter.types", PL_OPT_STRINGS, AT(types), 1, 0, "[edit, new]", 0, NULL, "Types."},
    {"kafka", PL_OPT_MAP, AT(kafka), 1, 0, "{ bootstrap.servers: \"localhost:9092\" }", 0, NULL,
     "librdkafka's properties by their own names."},
    {"settings", PL_OPT_MAP, AT(settings), 0, 0, NULL, 0, NULL, "Settings."},
    {"source.auth.password", PL_OPT_SECRET, AT(password), 0, 0, NULL, PL_OPT_RELOADABLE, NULL,
     "The password."},
    {"columns", PL_OPT_NODE, AT(columns), 0, 0, NULL, 0, NULL, "Columns."},
    {"source.auth.contact", PL_OPT_STRING, AT(contact), 1, 0, "\"a: b\"", 0, NULL, "Contact."},
    PL_OPT_END,
};

struct loaded {
    struct sample c;
    struct pl_node *root;
    struct pl_findings errs;
    int result;
};

static void load_text(struct loaded *l, const char *text)
{
    memset(l, 0, sizeof(*l));
    pl_findings_init(&l->errs);
    l->errs.file = "f";
    l->root = pl_yaml_parse(text, strlen(text), &l->errs);
    l->result = l->root ? pl_options_apply(table, l->root, &l->c, &l->errs) : -1;
    ck_assert_int_eq(l->result, l->errs.count ? -1 : 0);
}

static void load_release(struct loaded *l)
{
    static const struct sample zero;
    pl_options_release(table, &l->c);
    ck_assert_mem_eq(&l->c, &zero, sizeof(zero));
    pl_node_free(l->root);
    pl_findings_release(&l->errs);
}

#endif

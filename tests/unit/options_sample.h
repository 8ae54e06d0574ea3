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

#define OPT(path_, type_, field_, ...) PL_OPTION(path_, type_, struct sample, field_, __VA_ARGS__)
static const struct pl_option table[] = {
    OPT("topic", STRING, topic, .min = 1, .max = 20, .dflt = "wikipedia-data",
        .flags = PL_OPT_REQUIRED, .help = "The topic to write to."),
    OPT("note", STRING, note, .dflt = "", .flags = PL_OPT_RELOADABLE,
        .help = "Any text; may be empty."),
    OPT("tls.ca_file", STRING, ca_file, .min = 1, .max = 4096,
        .help =
            "PEM file of the authorities to trust. This help is long enough that it has to be "
            "wrapped, for it goes on and on, until there is no more room in one line of the file."),
    OPT("batch.rows", INT, rows, .min = 1, .max = 1000000, .dflt = "50000",
        .flags = PL_OPT_RELOADABLE, .help = "Rows."),
    OPT("tls.insecure_skip_verify", BOOL, insecure, .dflt = "false", .help = "Do not."),
    OPT("level", INT, level),
    OPT("batch.bytes", SIZE, bytes, .min = 1024, .max = 1 << 30, .dflt = "64MiB",
        .flags = PL_OPT_RELOADABLE, .help = "Size."),
    OPT("batch.age", DURATION, wait_ms, .min = 100, .max = 3600000, .dflt = "1s",
        .flags = PL_OPT_RELOADABLE, .help = "Age."),
    OPT("poll", DURATION, poll_ms, .dflt = "0", .help = "Poll."),
    OPT("mode", ENUM, mode, .dflt = "slow", .flags = PL_OPT_RELOADABLE, .choices = modes,
        .help = "How."),
    OPT("filter.wikis", STRINGS, wikis, .max = 3, .flags = PL_OPT_RELOADABLE, .help = "Wikis."),
    OPT("filter.types", STRINGS, types, .min = 1, .dflt = "[edit, new]", .help = "Types."),
    OPT("kafka", MAP, kafka, .min = 1, .dflt = "{ bootstrap.servers: \"localhost:9092\" }",
        .help = "librdkafka's properties by their own names."),
    OPT("settings", MAP, settings, .help = "Settings."),
    OPT("source.auth.password", SECRET, password, .flags = PL_OPT_RELOADABLE,
        .help = "The password."),
    OPT("columns", NODE, columns, .help = "Columns."),
    OPT("source.auth.contact", STRING, contact, .min = 1, .dflt = "\"a: b\"", .help = "Contact."),
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

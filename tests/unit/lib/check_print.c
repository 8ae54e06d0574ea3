/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_print.c - what --print-config prints, which reads back as the same, and the reference that
 * is made of an option table.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/options_sample.h"
#include "tests/unit/unit.h"

/* ---- printing ---- */

static const struct {
    const char *text, *printed; /* NULL: only the round trip */
} prints[] = {
    {"topic: t\n", "topic: t\n"
                   "note: \"\"\n"
                   "tls:\n"
                   "    ca_file:\n"
                   "    insecure_skip_verify: false\n"
                   "batch:\n"
                   "    rows: 50000\n"
                   "    bytes: 64MiB\n"
                   "    age: 1s\n"
                   "level: 0\n"
                   "poll: 0\n"
                   "mode: slow\n"
                   "filter:\n"
                   "    wikis: []\n"
                   "    types:\n"
                   "        - edit\n"
                   "        - new\n"
                   "kafka:\n"
                   "    bootstrap.servers: localhost:9092\n"
                   "settings: {}\n"
                   "source:\n"
                   "    auth:\n"
                   "        password:\n"
                   "        contact: \"a: b\"\n"
                   "columns:\n"},
    {"topic: t\nnote: \"a\\nb\\t\\\"\\\\\\x07\\u2028\\x85 \\U0001F600 ü \"\n", NULL},
    {"topic: 'null'\nnote: '- x'\nfilter: {wikis: ['~', '', ' x '], types: ['yes', '1', 'a:']}\n",
     NULL},
    {"topic: '#'\nnote: \"\\uFEFFx\\uFFFD\"\nkafka: {' ': x, '': y, 'a: b': '*x'}\n", NULL},
    {"topic: t\nbatch: {bytes: 1234567, age: 90s}\nlevel: -9223372036854775808\npoll: 1d\n", NULL},
    {"topic: t\ncolumns: [1, '1', -2.5, true, 'true', null, [], {}, {a: [x, {b: c}], 'd e': "
     "2026-11-21}, "
     "\"x\\ny\", a b, [[1]]]\n",
     NULL},
    {"topic: t\ncolumns: {}\nsettings: {a: 'x y', b: '1'}\n", NULL},
};

START_TEST(test_print)
{
    struct loaded a, b;
    struct pl_buf first = {0}, second = {0};
    load_text(&a, prints[_i].text);
    ck_assert_str_eq(pl_buf_cstr(&a.errs.text), "");
    pl_options_print(table, &a.c, &first);
    if (prints[_i].printed)
        ck_assert_str_eq(pl_buf_cstr(&first), prints[_i].printed);
    load_text(&b, pl_buf_cstr(&first));
    ck_assert_msg(b.result == 0, "%s%s", pl_buf_cstr(&b.errs.text), pl_buf_cstr(&first));
    pl_options_print(table, &b.c, &second);
    ck_assert_str_eq(pl_buf_cstr(&first), pl_buf_cstr(&second));
    /* The reload's comparison is the judge of equal values. */
    struct pl_strings changed = {0}, restart = {0};
    pl_options_reload(table, &a.c, &b.c, &changed, &restart);
    ck_assert_msg(changed.n == 0 && restart.n == 0, "%s",
                  changed.n   ? changed.v[0]
                  : restart.n ? restart.v[0]
                              : "");
    pl_buf_release(&first);
    pl_buf_release(&second);
    load_release(&a);
    load_release(&b);
}
END_TEST

/* Texts that YAML would take for something else, or break a line at. */
static const char *const hard_texts[] = {
    "",
    "null",
    "~",
    "yes",
    "No",
    "on",
    "y",
    "true",
    "1e3",
    "0x10",
    "010",
    "1_000",
    "-1",
    "+1",
    ".5",
    "1:30",
    ".inf",
    "2026-11-21",
    "=",
    "<<",
    " leading",
    "trailing ",
    " ",
    "a: b",
    "a:",
    ":a",
    "#",
    "a #b",
    "a#b",
    "- a",
    "-",
    "---",
    "...",
    "? a",
    "[a",
    "a]",
    "{a",
    "a, b",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "'",
    "\"",
    "'a'",
    "\"a\"",
    "a'b\"c",
    "\\",
    "a\\nb",
    "a\nb",
    "a\n",
    "\na",
    "\n\n",
    "a\rb",
    "a\tb",
    "\t",
    "\x01\x1b[31m\x7f",
    "\xc2\x85",
    "\xe2\x80\xa8"
    "a",
    "\xef\xbb\xbf"
    "a",
    "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
    "(hidden)",
    "https://h:1/a?b=c&d",
    "a b",
};

/* What is printed loads to the same text: as a value, in a list, as key and value of a mapping. */
START_TEST(test_print_hard)
{
    char *text = (char *)hard_texts[_i];
    struct pl_map_entry entry = {.key = text, .value = text};
    struct sample c = {.topic = (char *)"t",
                       .note = text,
                       .wikis = {&text, 1},
                       .types = {&text, 1},
                       .kafka = {&entry, 1},
                       .settings = {&entry, 1}};
    c.bytes = 1024, c.wait_ms = 100, c.rows = 1;
    struct pl_buf out = {0};
    struct loaded l;
    pl_options_print(table, &c, &out);
    size_t lines = 0;
    for (const char *p = pl_buf_cstr(&out); *p; p++)
        lines += *p == '\n';
    ck_assert_uint_eq(lines, 26);
    load_text(&l, out.data);
    ck_assert_msg(l.result == 0, "%s%s", pl_buf_cstr(&l.errs.text), out.data);
    ck_assert_str_eq(l.c.note, text);
    ck_assert_str_eq(l.c.wikis.v[0], text);
    ck_assert_str_eq(l.c.types.v[0], text);
    ck_assert_str_eq(l.c.settings.v[0].key, text);
    ck_assert_str_eq(l.c.settings.v[0].value, text);
    load_release(&l);
    pl_buf_release(&out);
}
END_TEST

/* ---- the reference ---- */

static const char reference[] =
    "# Sample.\n"
    "#\n"
    "# Second paragraph.\n"
    "\n"
    "# The topic to write to.\n"
    "# Text; required.\n"
    "topic: wikipedia-data\n"
    "\n"
    "# Any text; may be empty.\n"
    "# Text; reloadable (SIGHUP).\n"
    "#note: \"\"\n"
    "\n"
    "#tls:\n"
    "\n"
    "    # PEM file of the authorities to trust. This help is long enough that it has to be\n"
    "    # wrapped, for it goes on and on, until there is no more room in one line of the file.\n"
    "    # Text.\n"
    "    #ca_file:\n";

/* Takes one '#' away where no space follows it. */
static char *uncomment(const char *text)
{
    struct pl_buf out = {0};
    bool start = true;
    for (; *text; text++) {
        bool skip = start && *text == '#' && text[1] != ' ' && text[1] != '\n';
        if (!skip)
            pl_buf_add_byte(&out, *text);
        start = *text == '\n' || (start && *text == ' ');
    }
    return pl_buf_take(&out);
}

START_TEST(test_reference)
{
    struct pl_buf out = {0}, a = {0}, b = {0}, c = {0};
    pl_options_print_reference(table, "Sample.\n\nSecond paragraph.", &out);
    const char *text = pl_buf_cstr(&out);
    ck_assert_msg(strncmp(text, reference, sizeof(reference) - 1) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "\n#kafka:\n    #bootstrap.servers: \"localhost:9092\"\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n    #types:\n        #- edit\n        #- new\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "    # Size from 1KiB to 1GiB; reloadable (SIGHUP).\n    #bytes: 64MiB\n"));
    ck_assert_ptr_nonnull(strstr(text, "# One of fast, slow, exact; reloadable"));
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        ck_assert_msg(end - line <= 100, "%.*s", (int)(end - line), line);

    /* As it stands and with all taken in, it says what the defaults say. */
    struct loaded defaults, commented, uncommented;
    char *open = uncomment(text);
    load_text(&defaults, "topic: wikipedia-data\n");
    load_text(&commented, text);
    load_text(&uncommented, open);
    ck_assert_str_eq(pl_buf_cstr(&commented.errs.text), "");
    ck_assert_msg(uncommented.result == 0, "%s%s", pl_buf_cstr(&uncommented.errs.text), open);
    ck_assert_ptr_nonnull(pl_node_get(pl_node_get(uncommented.root, "tls"), "ca_file"));
    pl_options_print(table, &defaults.c, &a);
    pl_options_print(table, &commented.c, &b);
    pl_options_print(table, &uncommented.c, &c);
    ck_assert_str_eq(pl_buf_cstr(&a), pl_buf_cstr(&b));
    ck_assert_str_eq(pl_buf_cstr(&a), pl_buf_cstr(&c));
    load_release(&defaults);
    load_release(&commented);
    load_release(&uncommented);
    free(open);
    pl_buf_release(&out);
    pl_buf_release(&a);
    pl_buf_release(&b);
    pl_buf_release(&c);
}
END_TEST

/* A mapping that holds a required option stands uncommented, as does the option, empty without a
 * default; so the file as it was written says by its findings what is to be filled in. */
START_TEST(test_reference_required)
{
    struct nested {
        char *url, *agent;
    } c = {0};
    static const struct pl_option nested[] = {
        PL_OPTION("source.url", STRING, struct nested, url, .min = 1, .flags = PL_OPT_REQUIRED,
                  .help = "Where: "
                          "https://a.very.long.address.example/which/does/not/fit/into/a/line/of/"
                          "ninety/columns/at/all"),
        PL_OPTION("source.agent", STRING, struct nested, agent, .min = 1, .dflt = "x",
                  .help = "Who."),
        PL_OPT_END,
    };
    struct pl_buf out = {0};
    struct pl_findings errs;
    pl_findings_init(&errs);
    pl_options_print_reference(nested, NULL, &out);
    ck_assert_str_eq(
        pl_buf_cstr(&out),
        "\nsource:\n"
        "\n    # Where:\n"
        "    # "
        "https://a.very.long.address.example/which/does/not/fit/into/a/line/of/ninety/columns/"
        "at/all\n"
        "    # Text; required.\n"
        "    url:\n"
        "\n    # Who.\n"
        "    # Text.\n"
        "    #agent: x\n");
    struct pl_node *root = pl_yaml_parse(out.data, out.len, &errs);
    ck_assert_int_eq(pl_options_apply(nested, root, &c, &errs), -1);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), "input:7:5: source.url is empty; it is required\n");
    pl_options_release(nested, &c);
    pl_node_free(root);
    pl_findings_release(&errs);
    pl_buf_release(&out);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_print, .count = PL_COUNT(prints)),
        TEST(test_print_hard, .count = PL_COUNT(hard_texts)),
        TEST(test_reference),
        TEST(test_reference_required),
    };
    return unit_main("print", tests, PL_COUNT(tests));
}

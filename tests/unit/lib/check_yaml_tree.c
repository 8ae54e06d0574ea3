/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_yaml_tree.c - trees with their positions, and what is refused, where and in which words.
 *
 * A tree is written as one line ("{a@1:1=b@1:4}"), so that a table of texts says it all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config/yaml_tree.h"
#include "tests/unit/unit.h"

/* key@line:column= then the value, "quoted" or plain, with its own position. */
static void tree_write(struct pl_buf *out, const struct pl_node *n)
{
    if (n->key)
        pl_buf_addf(out, "%s@%u:%u=", n->key, n->key_line, n->key_column);
    if (n->type == PL_NODE_SCALAR) {
        pl_buf_addf(out, n->quoted ? "\"%s\"" : "%s", n->value);
    } else {
        pl_buf_add_byte(out, n->type == PL_NODE_SEQ ? '[' : '{');
        for (const struct pl_node *c = n->child; c; c = c->next) {
            tree_write(out, c);
            if (c->next)
                pl_buf_add_byte(out, ' ');
        }
        pl_buf_add_byte(out, n->type == PL_NODE_SEQ ? ']' : '}');
    }
    pl_buf_addf(out, "@%u:%u", n->line, n->column);
}

static const struct {
    const char *text, *tree;
} good[] = {
    {"", "{}@1:1"},
    {"# nothing\n", "{}@1:1"},
    {"---\n...\n", "{}@1:1"},
    {"{}", "{}@1:1"},
    {"%YAML 1.1\n---\na: b\n", "{a@3:1=b@3:4}@3:1"},
    {"\xef\xbb\xbf"
     "a: b\n",
     "{a@1:1=b@1:4}@1:1"},
    {"a: b\nc:\n  d: \"1\"\n  e: 'x'\n",
     "{a@1:1=b@1:4 c@2:1={d@3:3=\"1\"@3:6 e@4:3=\"x\"@4:6}@3:3}@1:1"},
    {"a:\r\n  - 1\r\n  - {b: c}\r\n", "{a@1:1=[1@2:5 {b@3:6=c@3:9}@3:5]@2:3}@1:1"},
    {"a: |\n  x\n  y\n", "{a@1:1=\"x\ny\n\"@1:4}@1:1"},
    {"a:\nb: ~\n", "{a@1:1=@1:3 b@2:1=~@2:4}@1:1"},
    {"ä: ö ü\nb: [ü, x]\n", "{ä@1:1=ö ü@1:4 b@2:1=[ü@2:5 x@2:8]@2:4}@1:1"},
    {"a.b: c\n'': d\n", "{a.b@1:1=c@1:6 @2:1=d@2:5}@1:1"},
    {"a: [x: 1]\n", "{a@1:1=[{x@1:5=1@1:8}@1:5]@1:4}@1:1"},
};

START_TEST(test_good)
{
    struct pl_findings errs;
    struct pl_buf out = {0};
    pl_findings_init(&errs);
    struct pl_node *root = pl_yaml_parse(good[_i].text, strlen(good[_i].text), &errs);
    ck_assert_msg(root != NULL, "%s", pl_buf_cstr(&errs.text));
    ck_assert_uint_eq(errs.count, 0);
    tree_write(&out, root);
    ck_assert_str_eq(pl_buf_cstr(&out), good[_i].tree);
    pl_node_free(root);
    pl_buf_release(&out);
    pl_findings_release(&errs);
}
END_TEST

static const struct {
    const char *text, *findings;
} bad[] = {
    /* syntax: one finding, libyaml's words */
    {"a: b\n c: d\n", "f:2:3: mapping values are not allowed in this context\n"},
    {"a: [1, 2\n", "f:2:1: did not find expected ',' or ']' while parsing a flow sequence\n"},
    {"a: \"b\n", "f:2:1: found unexpected end of stream while scanning a quoted scalar\n"},
    {"a:\n\tb: c\n",
     "f:2:1: found character that cannot start any token while scanning for the next "
     "token; indent by spaces, not by tabs\n"},
    {"p: x\nq: @.time\n",
     "f:2:4: found character that cannot start any token while scanning for the "
     "next token; put the text in quotes\n"},
    {"a: b\nc: \xff\n", "f:2:4: invalid leading UTF-8 octet\n"},
    {"ü: b\nü: \x01\n", "f:2:4: control characters are not allowed\n"},
    {"a: \"x\\0y\"\n", "f:1:4: a text cannot hold a NUL character\n"},
    /* the root */
    {"- a\n- b\n", "f:1:1: expected a mapping (\"key: value\"), found a list\n"},
    {"just words\n", "f:1:1: expected a mapping (\"key: value\"), found a text\n"},
    {"\"\"\n", "f:1:1: expected a mapping (\"key: value\"), found a text\n"},
    /* soft ones: all of them at once */
    {"a: 1\nb: 2\na: 3\nc:\n  b: 1\n  b: 2\n", "f:3:1: duplicate key a, first on line 1\n"
                                               "f:6:3: duplicate key b, first on line 5\n"},
    {"a: &x 1\nb: *x\nc: !!str 1\n", "f:1:4: anchors (&x) are not used here\n"
                                     "f:2:4: aliases (*x) are not used here\n"
                                     "f:3:4: tags (tag:yaml.org,2002:str) are not used here\n"},
    {"a: !x [1]\nb: !y {c: d}\n&k e: f\n", "f:1:4: tags (!x) are not used here\n"
                                           "f:2:4: tags (!y) are not used here\n"
                                           "f:3:1: anchors (&k) are not used here\n"},
    {"[a]: b\n? {c: d}\n: e\n*x : y\n", "f:1:1: a key must be a text\n"
                                        "f:2:3: a key must be a text\n"
                                        "f:4:1: a key must be a text\n"
                                        "f:4:1: aliases (*x) are not used here\n"},
    {"a: b\n---\nc: d\n", "f:2:1: a second document begins here; one file holds one\n"},
};

START_TEST(test_bad)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = "f";
    ck_assert_ptr_null(pl_yaml_parse(bad[_i].text, strlen(bad[_i].text), &errs));
    ck_assert_str_eq(pl_buf_cstr(&errs.text), bad[_i].findings);
    pl_findings_release(&errs);
}
END_TEST

/* Expects one finding that holds `words`. */
static void limit_expect(struct pl_buf *text, const char *words)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    struct pl_node *root = pl_yaml_parse(text->data, text->len, &errs);
    if (words) {
        ck_assert_ptr_null(root);
        ck_assert_uint_eq(errs.count, 1);
        ck_assert_msg(strstr(pl_buf_cstr(&errs.text), words) != NULL, "%s",
                      pl_buf_cstr(&errs.text));
    } else {
        ck_assert_msg(root != NULL, "%s", pl_buf_cstr(&errs.text));
    }
    pl_node_free(root);
    pl_findings_release(&errs);
    pl_buf_release(text);
}

static void nested_write(struct pl_buf *out, int depth)
{
    pl_buf_add_str(out, "a: ");
    for (int i = 0; i < depth; i++)
        pl_buf_add_byte(out, '[');
    for (int i = 0; i < depth; i++)
        pl_buf_add_byte(out, ']');
}

static void many_write(struct pl_buf *out, int n)
{
    pl_buf_add_str(out, "a:\n");
    for (int i = 0; i < n; i++)
        pl_buf_add_str(out, "- x\n");
}

START_TEST(test_limits)
{
    struct pl_buf b = {0};
    nested_write(&b, 31);
    limit_expect(&b, NULL);
    nested_write(&b, 32);
    limit_expect(&b, "input:1:35: nested deeper than 32 levels\n");
    nested_write(&b, 5000);
    limit_expect(&b, "nested deeper than 32 levels\n");
    many_write(&b, 19998); /* with the root and the list 20,000 */
    limit_expect(&b, NULL);
    many_write(&b, 19999);
    limit_expect(&b, "input:20000:3: more than 20000 values");
    pl_buf_add_str(&b, "a: 1\n#");
    while (b.len < 1 << 20)
        pl_buf_add_byte(&b, 'x');
    struct pl_buf larger = {0};
    pl_buf_add(&larger, b.data, b.len);
    pl_buf_add_byte(&larger, 'x');
    limit_expect(&b, NULL);
    limit_expect(&larger, "input: larger than 1 MiB\n");
}
END_TEST

START_TEST(test_findings)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = "a.yaml";
    pl_findings_add(&errs, 0, 0, "no %s", "position");
    errs.file = "b.yaml";
    pl_findings_add(&errs, 3, 4, "one\nline\x1b[1m");
    pl_findings_warn(&errs, 5, 6, "mind %d", 7);
    ck_assert_str_eq(pl_buf_cstr(&errs.text), "a.yaml: no position\nb.yaml:3:4: one line [1m\n");
    ck_assert_str_eq(pl_buf_cstr(&errs.warnings), "b.yaml:5:6: mind 7\n");
    ck_assert_uint_eq(errs.count, 2);
    ck_assert_uint_eq(errs.warnings_count, 1);
    for (int i = 0; i < 200; i++)
        pl_findings_add(&errs, 1, 1, "x");
    ck_assert_uint_eq(errs.count, 202);
    unsigned lines = 0;
    for (size_t i = 0; i < errs.text.len; i++)
        lines += errs.text.data[i] == '\n';
    ck_assert_uint_eq(lines, 100);
    pl_findings_release(&errs);
    ck_assert_uint_eq(errs.count, 0);
}
END_TEST

START_TEST(test_get_and_null)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    const char *text = "a: 1\nb: []\nn: null\nN: NULL\nq: \"null\"\ne:\n";
    struct pl_node *root = pl_yaml_parse(text, strlen(text), &errs);
    ck_assert_str_eq(pl_node_get(root, "a")->value, "1");
    ck_assert_ptr_null(pl_node_get(root, "x"));
    ck_assert_ptr_null(pl_node_get(NULL, "x"));
    ck_assert_ptr_null(pl_node_get(pl_node_get(root, "b"), "x"));
    ck_assert(!pl_node_is_null(pl_node_get(root, "a")));
    ck_assert(!pl_node_is_null(pl_node_get(root, "b")));
    ck_assert(pl_node_is_null(pl_node_get(root, "n")));
    ck_assert(pl_node_is_null(pl_node_get(root, "N")));
    ck_assert(!pl_node_is_null(pl_node_get(root, "q")));
    ck_assert(pl_node_is_null(pl_node_get(root, "e")));
    pl_node_free(root);
    pl_node_free(NULL);
    pl_findings_release(&errs);
}
END_TEST

START_TEST(test_files)
{
    PL_FREE char *dir = unit_dir();
    char *file = pl_strf("%s/f.yaml", dir);
    struct pl_findings errs;
    pl_findings_init(&errs);

    ck_assert_ptr_null(pl_yaml_load(file, &errs));
    ck_assert_ptr_nonnull(
        strstr(pl_buf_cstr(&errs.text), "/f.yaml: cannot read it: No such file or directory\n"));
    ck_assert_ptr_null(pl_yaml_load(dir, &errs));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&errs.text), "cannot read it: Is a directory\n"));
    pl_findings_release(&errs);

    FILE *f = fopen(file, "w");
    fputs("a: 1\nb: 2\na: 3\n", f);
    fclose(f);
    ck_assert_ptr_null(pl_yaml_load(file, &errs));
    ck_assert_uint_eq(errs.count, 1);
    struct pl_node *root = pl_yaml_load_lenient(file, &errs);
    ck_assert_uint_eq(errs.count, 2);
    ck_assert_str_eq(pl_node_get(root, "a")->value, "1");
    ck_assert_str_eq(pl_node_get(root, "b")->value, "2");
    pl_node_free(root);

    static const struct {
        mode_t mode;
        bool exposed;
    } modes[] = {{0600, false}, {0640, false}, {0644, true}, {0604, true}};
    for (size_t i = 0; i < PL_COUNT(modes); i++) {
        ck_assert_int_eq(chmod(file, modes[i].mode), 0);
        pl_node_free(pl_yaml_load_lenient(file, &errs));
        ck_assert_int_eq(errs.file_exposed, modes[i].exposed);
    }
    f = fopen(file, "w");
    for (int i = 0; i < 1 << 18; i++)
        fputs("#####\n", f);
    fclose(f);
    pl_findings_release(&errs);
    ck_assert_ptr_null(pl_yaml_load(file, &errs));
    ck_assert_ptr_nonnull(strstr(pl_buf_cstr(&errs.text), "larger than 1 MiB\n"));
    pl_findings_release(&errs);
    free(file);
}
END_TEST

/* Any cut of a text is a tree or a finding, never both and never neither. */
START_TEST(test_cut_anywhere)
{
    const char *text =
        "a: {b: [1, \"x\\u00e4\", 'y']}\nc: |\n  d\n\ne:\n  - &f g\n  - *f\n? h\n: ü\n";
    for (size_t len = 0; len <= strlen(text); len++) {
        struct pl_findings errs;
        pl_findings_init(&errs);
        char *copy = malloc(len + (len == 0));
        memcpy(copy, text, len);
        struct pl_node *root = pl_yaml_parse(copy, len, &errs);
        ck_assert_int_eq(root != NULL, errs.count == 0);
        pl_node_free(root);
        free(copy);
        pl_findings_release(&errs);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_good, .count = PL_COUNT(good)),
        TEST(test_bad, .count = PL_COUNT(bad)),
        TEST(test_limits),
        TEST(test_findings),
        TEST(test_get_and_null),
        TEST(test_files),
        TEST(test_cut_anywhere),
    };
    return unit_main("yaml_tree", tests, PL_COUNT(tests));
}

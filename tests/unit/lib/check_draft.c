/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_draft.c - a configuration that is being made: what is set comes back from its file as it
 * was, whatever it holds, and what a file had before stays.
 */
#include "lib/config/draft.h"

#include <string.h>

#include "tests/unit/options_sample.h"

static char *print(const struct pl_node *draft)
{
    struct pl_buf text = {0};
    pl_draft_print(table, draft, "Made by a test.", &text);
    return pl_buf_take(&text);
}

static struct pl_node *parse(const char *text)
{
    struct pl_findings errs = {0};
    struct pl_node *root = pl_yaml_parse(text, strlen(text), &errs);
    ck_assert_msg(root != NULL, "%s", pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    return root;
}

/* ---- texts ---- */

static const char *const texts[] = {
    "plain",
    "two words",
    "a: b",
    "#no comment",
    "a #b",
    "'single'",
    "\"double\"",
    "back\\",
    "é – 日本 🚀",
    "null",
    "~",
    "true",
    "0123",
    "1e3",
    " spaces ",
    "-",
    "- a",
    "[a]",
    "{ file: x }",
    "*alias",
    "&anchor",
    "!tag",
    "%percent",
    "@at",
    "`tick`",
    "a,b",
    "?",
    "key: [",
    "|",
    ">",
    "<<",
    "=",
    "2026-01-01",
    "a:b",
    "C:\\n",
    "x'y\"z",
    "me@example.org",
    "http://x/y",
    "%41",
    "no",
};

/* A string, one key of a mapping and a secret come back byte for byte. */
START_TEST(text_returns)
{
    const char *text = texts[_i];
    PL_CLEANUP(pl_node_freep) struct pl_node *draft = pl_draft_new();
    pl_draft_set(table, draft, "note", text);
    pl_draft_set(table, draft, "kafka.sasl.username", text);
    pl_draft_set(table, draft, "source.auth.password", text);
    pl_draft_set(table, draft, "topic", "t");
    PL_FREE char *file = print(draft);
    struct loaded l;
    load_text(&l, file);
    ck_assert_msg(l.result == 0, "%s\n%s", pl_buf_cstr(&l.errs.text), file);
    ck_assert_str_eq(l.c.note, text);
    ck_assert_str_eq(pl_map_get(&l.c.kafka, "sasl.username"), text);
    ck_assert_str_eq(l.c.password.value, text);
    load_release(&l);
    /* And so does the file of the file. */
    PL_CLEANUP(pl_node_freep) struct pl_node *again = parse(file);
    PL_FREE char *second = print(again);
    ck_assert_str_eq(second, file);
    PL_FREE char *got = pl_draft_text(table, again, "note");
    ck_assert_str_eq(got, text);
}
END_TEST

static const struct list_case {
    const char *text, *back;
    size_t n;
} lists[] = {
    {"a", "a", 1},         {"a,b", "a,b", 2},   {" a , b ,c", "a,b,c", 3},
    {"31854", "31854", 1}, {"a,,b,", "a,b", 2}, {"null,true", "null,true", 2},
    {"a b", "a b", 1},     {"x: 1", "x: 1", 1},
};

START_TEST(list_returns)
{
    const struct list_case *c = &lists[_i];
    PL_CLEANUP(pl_node_freep) struct pl_node *draft = pl_draft_new();
    pl_draft_set(table, draft, "topic", "t");
    pl_draft_set(table, draft, "filter.wikis", c->text);
    PL_FREE char *file = print(draft);
    struct loaded l;
    load_text(&l, file);
    ck_assert_msg(l.result == 0, "%s\n%s", pl_buf_cstr(&l.errs.text), file);
    ck_assert_uint_eq(l.c.wikis.n, c->n);
    load_release(&l);
    PL_FREE char *got = pl_draft_text(table, draft, "filter.wikis");
    ck_assert_str_eq(got, c->back);
}
END_TEST

/* ---- the file ---- */

/* In the table's order whatever the order of setting, each under the first sentence of its help. */
START_TEST(whole_file)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *draft = pl_draft_new();
    pl_draft_set_reference(table, draft, "source.auth.password", "credential", "source-password");
    pl_draft_set(table, draft, "source.auth.contact", "me");
    pl_draft_set(table, draft, "kafka.bootstrap.servers", "k1:9092,k2:9092");
    pl_draft_set_reference(table, draft, "kafka.sasl.password", "file", "/a b/c");
    pl_draft_set(table, draft, "filter.types", "edit, new");
    pl_draft_set(table, draft, "batch.bytes", "1MiB");
    pl_draft_set(table, draft, "mode", "exact");
    pl_draft_set(table, draft, "tls.insecure_skip_verify", "true");
    pl_draft_set(table, draft, "topic", "first");
    pl_draft_set(table, draft, "topic", "second");
    PL_FREE char *file = print(draft);
    ck_assert_str_eq(file, "# Made by a test.\n"
                           "\n"
                           "# The topic to write to.\n"
                           "topic: second\n"
                           "\n"
                           "tls:\n"
                           "    # Do not.\n"
                           "    insecure_skip_verify: true\n"
                           "\n"
                           "batch:\n"
                           "    # Size.\n"
                           "    bytes: 1MiB\n"
                           "\n"
                           "# How.\n"
                           "mode: exact\n"
                           "\n"
                           "filter:\n"
                           "    # Types.\n"
                           "    types:\n"
                           "        - edit\n"
                           "        - new\n"
                           "\n"
                           "# librdkafka's properties by their own names.\n"
                           "kafka:\n"
                           "    bootstrap.servers: k1:9092,k2:9092\n"
                           "    sasl.password:\n"
                           "        file: /a b/c\n"
                           "\n"
                           "source:\n"
                           "    auth:\n"
                           "        # The password.\n"
                           "        password: { credential: source-password }\n"
                           "        # Contact.\n"
                           "        contact: me\n");
}
END_TEST

/* What a file has and nobody asks for is kept: trees, references, empty things. */
START_TEST(file_kept)
{
    static const char before[] = "topic: t   # a comment, which is not\n"
                                 "kafka:\n"
                                 "    bootstrap.servers: \"k:1\"\n"
                                 "    ssl.key.pem: |\n"
                                 "        -----BEGIN\n"
                                 "        x\n"
                                 "    sasl.password: { env: HOME }\n"
                                 "columns: [ { a: 1, b: [] }, \"0\", null, { c: { d: x } } ]\n"
                                 "settings: {}\n"
                                 "batch:\n";
    PL_CLEANUP(pl_node_freep) struct pl_node *draft = parse(before);
    ck_assert_ptr_null(pl_draft_stranger(table, draft));
    pl_draft_set(table, draft, "batch.rows", "7");
    PL_FREE char *file = print(draft);
    struct loaded a, b;
    load_text(&a, before);
    load_text(&b, file);
    ck_assert_msg(b.result == 0, "%s\n%s", pl_buf_cstr(&b.errs.text), file);
    ck_assert_str_eq(pl_map_get(&b.c.kafka, "ssl.key.pem"), "-----BEGIN\nx\n");
    ck_assert_int_eq(b.c.rows, 7);
    b.c.rows = a.c.rows;
    struct pl_buf texts_of[2] = {{0}, {0}};
    pl_options_print(table, &a.c, &texts_of[0]);
    pl_options_print(table, &b.c, &texts_of[1]);
    ck_assert_str_eq(pl_buf_cstr(&texts_of[0]), pl_buf_cstr(&texts_of[1]));
    pl_buf_release(&texts_of[0]);
    pl_buf_release(&texts_of[1]);
    load_release(&a);
    load_release(&b);
}
END_TEST

static const struct stranger_case {
    const char *text, *path;
} strangers[] = {
    {"topic: t\nnew: 1\n", "new"},
    {"batch: { rows: 1, row: 2 }\n", "batch.row"},
    {"batch.rows: 1\n", "batch.rows"},
    {"batch: [1]\n", "batch"},
    {"kafka: { anything: 1 }\n", NULL},
    {"new:\n", NULL},
    {"source: { auth: { x: 1 } }\n", "source.auth.x"},
};

START_TEST(stranger)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *draft = parse(strangers[_i].text);
    PL_FREE char *path = pl_draft_stranger(table, draft);
    ck_assert_pstr_eq(path, strangers[_i].path);
}
END_TEST

/* ---- places ---- */

START_TEST(take_and_put)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *draft = parse("kafka:\ntopic: t\n");
    ck_assert_ptr_null(pl_draft_take(table, draft, "kafka.a.b"));
    ck_assert_ptr_null(pl_draft_get(table, draft, "kafka.a.b"));
    pl_draft_set(table, draft, "kafka.a.b", "1");
    pl_draft_set(table, draft, "kafka.a", "2");
    struct pl_node *one = pl_draft_take(table, draft, "kafka.a.b");
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_null(pl_draft_get(table, draft, "kafka.a.b"));
    pl_draft_set(table, draft, "kafka.a.b", "3");
    pl_draft_put(table, draft, "kafka.a.b", one);
    PL_FREE char *back = pl_draft_text(table, draft, "kafka.a.b");
    PL_FREE char *other = pl_draft_text(table, draft, "kafka.a");
    ck_assert_str_eq(back, "1");
    ck_assert_str_eq(other, "2");
    pl_draft_put(table, draft, "kafka.a.b", NULL);
    ck_assert_ptr_null(pl_draft_get(table, draft, "kafka.a.b"));
}
END_TEST

START_TEST(options_of_paths)
{
    ck_assert_str_eq(pl_draft_option(table, "kafka.sasl.password")->path, "kafka");
    ck_assert_str_eq(pl_draft_option(table, "batch.rows")->path, "batch.rows");
    ck_assert_ptr_null(pl_draft_option(table, "batch"));
    ck_assert_ptr_null(pl_draft_option(table, "batch.rows.x"));
    ck_assert_ptr_null(pl_draft_option(table, "kafka."));
    ck_assert(pl_draft_is_secret(table, "kafka.sasl.password"));
    ck_assert(pl_draft_is_secret(table, "source.auth.password"));
    ck_assert(!pl_draft_is_secret(table, "kafka.sasl.username"));
    PL_FREE char *a = pl_draft_default(table, "mode"), *b = pl_draft_default(table, "filter.types");
    PL_FREE char *c = pl_draft_default(table, "topic"), *d = pl_draft_default(table, "kafka.x");
    ck_assert_str_eq(a, "slow");
    ck_assert_str_eq(b, "edit,new");
    ck_assert_ptr_null(c); /* required: its default is an example */
    ck_assert_ptr_null(d);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(text_returns, .count = PL_COUNT(texts)),
        TEST(list_returns, .count = PL_COUNT(lists)),
        TEST(whole_file),
        TEST(file_kept),
        TEST(stranger, .count = PL_COUNT(strangers)),
        TEST(take_and_put),
        TEST(options_of_paths),
    };
    return unit_main("draft", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_condition.c - the language of a route's `when`: what it means, as a text with all its
 * parentheses, and what is said where it is wrong.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/route/route.h"
#include "tests/unit/unit.h"

static void path_print(const struct column_path *p, struct pl_buf *out)
{
    pl_buf_add_byte(out, p->from_row ? '@' : '$');
    for (unsigned i = 0; i < p->keys_n; i++)
        pl_buf_addf(out, ".%s", p->keys[i]);
}

static void values_print(const struct condition *c, const struct condition_node *n,
                         struct pl_buf *out)
{
    for (unsigned i = 0; i < n->values_n; i++) {
        const struct condition_value *v = &c->values[n->value_at + i];
        pl_buf_add_str(out, i > 0 ? "," : "");
        if (v->type == PL_JSON_STRING)
            pl_json_quote(out, v->text.data, v->text.len);
        else if (v->type == PL_JSON_NUMBER)
            pl_buf_add(out, v->num.p, v->num.len);
        else
            pl_buf_add_str(out, v->type == PL_JSON_TRUE ? "true" : "false");
    }
}

static void node_print(const struct condition *c, unsigned i, struct pl_buf *out)
{
    static const char *const signs[] = {[CONDITION_EQUAL] = "=",
                                        [CONDITION_LESS] = "<",
                                        [CONDITION_LESS_EQUAL] = "<=",
                                        [CONDITION_GREATER] = ">",
                                        [CONDITION_GREATER_EQUAL] = ">="};
    const struct condition_node *n = &c->nodes[i];
    switch (n->kind) {
    case CONDITION_AND:
    case CONDITION_OR:
        ck_assert(n->left < i && n->right < i);
        pl_buf_add_byte(out, '(');
        node_print(c, n->left, out);
        pl_buf_add_str(out, n->kind == CONDITION_AND ? " & " : " | ");
        node_print(c, n->right, out);
        pl_buf_add_byte(out, ')');
        break;
    case CONDITION_NOT:
        ck_assert_uint_lt(n->left, i);
        pl_buf_add_byte(out, '!');
        node_print(c, n->left, out);
        break;
    case CONDITION_EXISTS:
        pl_buf_add_byte(out, '?');
        path_print(&c->paths[n->path], out);
        break;
    case CONDITION_EQUAL:
    case CONDITION_LESS:
    case CONDITION_LESS_EQUAL:
    case CONDITION_GREATER:
    case CONDITION_GREATER_EQUAL:
        path_print(&c->paths[n->path], out);
        pl_buf_add_str(out, signs[n->kind]);
        values_print(c, n, out);
        break;
    }
}

#define NOTS "not not not not not not not not not not not not not not not not "

/* What is wrong has no second text, but the beginning of the sentence. */
static const struct {
    const char *text, *parsed, *wrong;
} conditions[] = {
    {"$.a == 1", "$.a=1", NULL},
    {" \t\r\n$.a\n==1 ", "$.a=1", NULL},
    {"$.a==\"edit\"", "$.a=\"edit\"", NULL},
    {"$.a == \"\\u00e4\\n\\\"\"", "$.a=\"\xc3\xa4\\n\\\"\"", NULL},
    {"@.a != true", "!@.a=true", NULL},
    {"$.a < 1.50e1", "$.a<1.50e1", NULL},
    {"$.a <= -0", "$.a<=-0", NULL},
    {"$.a > \"m\"", "$.a>\"m\"", NULL},
    {"$.a>=2", "$.a>=2", NULL},
    {"$.a in [1]", "$.a=1", NULL},
    {"$.a in[1, \"x\",false ]", "$.a=1,\"x\",false", NULL},
    {"exists($.a)", "?$.a", NULL},
    {"exists ( @.\"a b\".c )", "?@.a b.c", NULL},
    {"$.\"a=b\" == 1", "$.a=b=1", NULL},
    {"$.\"a\\\"==\".x==1", "$.a\"==.x=1", NULL},
    {"$.in in [1] or $.or == 2", "($.in=1 | $.or=2)", NULL},
    {"$.a == 1 and $.b == 2 or $.c == 3", "(($.a=1 & $.b=2) | $.c=3)", NULL},
    {"$.a == 1 or $.b == 2 and $.c == 3", "($.a=1 | ($.b=2 & $.c=3))", NULL},
    {"($.a == 1 or $.b == 2) and $.c == 3", "(($.a=1 | $.b=2) & $.c=3)", NULL},
    {"not $.a == 1 and $.b == 2", "(!$.a=1 & $.b=2)", NULL},
    {"not ($.a == 1 and $.b != 2)", "!($.a=1 & !$.b=2)", NULL},
    {"not not exists($.a)", "!!?$.a", NULL},
    {"$.type == \"edit\" and not exists($.log_id) or @.n in [1, 2]",
     "(($.type=\"edit\" & !?$.log_id) | @.n=1,2)", NULL},
    {NOTS NOTS "exists($.a)", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!?$.a", NULL},

    {"", NULL, "at its end: a path ($.key or @.key), exists(path), not or ( is expected"},
    {"  ", NULL, "at its end: a path"},
    {"$.a", NULL, "at its end: == != < <= > >= or in is expected"},
    {"$.a = 1", NULL, "character 5 (= 1): == is expected"},
    {"$.a == ", NULL, "at its end: a text in \"...\", a number, true or false is expected"},
    {"$.a == 'x'", NULL, "character 8 ('x'): a text in \"...\", a number, true or false"},
    {"$.a == x", NULL, "character 8 (x): a text in"},
    {"$.a == \"x", NULL, "character 8 (\"x): document ends too early"},
    {"$.a == \"\\ud800\"", NULL, "character 8 (\"\\ud800\"): half of a surrogate pair"},
    {"$.a == 1.", NULL, "character 8 (1.): "},
    {"$.a == 01", NULL, "character 9 (1): and, or or the end is expected"},
    {"$.a == null", NULL, "character 8 (null): null counts as absent: exists(path)"},
    {"$.a == [1]", NULL, "character 8 ([1]): a text in"},
    {"$.a == $.b", NULL, "character 8 ($.b): a text in"},
    {"1 == $.a", NULL, "character 1 (1 == $.a): a path"},
    {"$.a < true", NULL, "character 6 ( true): only texts and numbers have an order"},
    {"$.a in 1", NULL, "character 8 (1): [ is expected"},
    {"$.a in []", NULL, "character 9 (]): a text in"},
    {"$.a in [1 2]", NULL, "character 11 (2]): , or ] is expected"},
    {"$.a in [1,", NULL, "at its end: a text in"},
    {"$.a in [1", NULL, "at its end: , or ] is expected"},
    {"exists $.a", NULL, "character 8 ($.a): ( is expected: exists($.key)"},
    {"exists($.a", NULL, "at its end: ) is expected"},
    {"exists(a)", NULL, "character 8 (a)): a path"},
    {"existsx($.a)", NULL, "character 1 (existsx($.a)): a path"},
    {"($.a == 1", NULL, "at its end: and, or or ) is expected"},
    {"$.a == 1)", NULL, "character 9 ()): and, or or the end is expected"},
    {"$.a == 1 && $.b == 1", NULL,
     "character 10 (&& $.b == 1): and, or or the end is expected, as"},
    {"!exists($.a)", NULL, "character 1 (!exists($.a)): a path ($.key or @.key), exists(path), "},
    {"$.a == 1 and", NULL, "at its end: a path"},
    {"$.a == 1 or or", NULL, "character 13 (or): a path"},
    {"$.a == 1 AND $.b == 1", NULL, "character 10 (AND $.b == 1): and, or or the end"},
    {"$.a[0] == 1", NULL, "character 1 ($.a[0] == 1): path \"$.a[0]\": elements of arrays"},
    {"$.\"a == 1", NULL, "character 1 ($.\"a == 1): path \"$.\"a == 1\": a key in quotes"},
    {"$. == 1", NULL, "character 1 ($. == 1): path \"$.\": a key is missing"},
    {"$.\xc3\xa4 == 1 x", NULL, "character 10 (x): and, or or the end"},
    {NOTS NOTS "not exists($.a)", NULL, "character 132 ( exists($.a)): more than 32 parentheses"},
};

START_TEST(check_parse)
{
    PL_CLEANUP(condition_release) struct condition c = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    struct pl_err err;
    bool good = condition_parse(conditions[_i].text, &c, &err) == 0;
    if (good) {
        node_print(&c, c.nodes_n - 1, &text);
        ck_assert_msg(conditions[_i].parsed, "%s", pl_buf_cstr(&text));
        ck_assert_str_eq(pl_buf_cstr(&text), conditions[_i].parsed);
    } else {
        ck_assert_msg(conditions[_i].wrong, "%s", err.msg);
        ck_assert_msg(strncmp(err.msg, conditions[_i].wrong, strlen(conditions[_i].wrong)) == 0,
                      "%s", err.msg);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_uint_eq(c.nodes_n, 0);
    }
}
END_TEST

/* As many as `repeat` says of a part, between a begin and an end. */
static int repeated(const char *begin, const char *part, unsigned repeat, const char *end,
                    struct pl_err *err)
{
    PL_CLEANUP(condition_release) struct condition c = {0};
    PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
    pl_buf_add_str(&text, begin);
    for (unsigned i = 0; i < repeat; i++)
        pl_buf_add_str(&text, part);
    pl_buf_add_str(&text, end);
    return condition_parse(pl_buf_cstr(&text), &c, err);
}

START_TEST(check_limits)
{
    struct pl_err err;
    unsigned ors = (CONDITION_NODES_MAX - 1) / 2;
    ck_assert_int_eq(repeated("", "exists($.a) or ", ors, "exists($.b)", &err), 0);
    ck_assert_int_eq(repeated("", "exists($.a) or ", ors + 1, "exists($.b)", &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "more than 256 comparisons"));
    ck_assert_int_eq(repeated("$.a in [1", ",1", CONDITION_VALUES_MAX - 1, "]", &err), 0);
    ck_assert_int_eq(repeated("$.a in [1", ",1", CONDITION_VALUES_MAX, "]", &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "more than 1024 values"));
    ck_assert_int_eq(repeated("", "(", CONDITION_DEPTH_MAX + 1, "", &err), -1);
    ck_assert_ptr_nonnull(strstr(err.msg, "more than 32 parentheses"));
}
END_TEST

#define COLUMNS "columns: [{name: i, type: Int8, path: '@.i'}]\n"

static const struct {
    const char *text, *finding; /* NULL: none */
} routes[] = {
    {"when: $.a == 1\n" COLUMNS, NULL},
    {"when: '@.a == 1'\n" COLUMNS, NULL},
    {"when: \"\"\n" COLUMNS, NULL},
    {"rows: $.a[*]\nwhen: $.b == 1 and @ == 1 and exists($.a.b)\n" COLUMNS,
     "5:7: when: a path goes into the array of the rows; begin it with @"},
    {"rows: $.a[*]\nwhen: $.b == 1 and @ == 1 and exists($.a)\n" COLUMNS, NULL},
    {"rows: $[*]\nwhen: $.a == 1\n" COLUMNS, "when: a path goes into the array of the rows"},
    {"when: $ == 1\n" COLUMNS, "4:7: when: the message as a whole is compared with nothing"},
    {"when: exists($)\n" COLUMNS, "when: the message as a whole"},
    {"when: '@ == 1'\n" COLUMNS, "when: the message as a whole"},
    {"when: $.a = 1\n" COLUMNS, "test:4:7: when: character 5 (= 1): == is expected"},
};

START_TEST(check_route)
{
    struct pl_findings errs;
    PL_FREE char *yaml = pl_strf("topic: t\ntable: t\norder_by: tuple()\n%s", routes[_i].text);
    pl_findings_init(&errs);
    errs.file = "test";
    PL_CLEANUP(route_freep) struct route *route = route_parse("test", yaml, strlen(yaml), &errs);
    ck_assert_int_eq(route != NULL, routes[_i].finding == NULL);
    if (routes[_i].finding)
        ck_assert_msg(strstr(pl_buf_cstr(&errs.text), routes[_i].finding), "%s",
                      pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_parse, .count = PL_COUNT(conditions)),
        TEST(check_limits),
        TEST(check_route, .count = PL_COUNT(routes)),
    };
    return unit_main("condition", tests, PL_COUNT(tests));
}

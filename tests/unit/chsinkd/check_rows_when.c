/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows_when.c - the filter of a route: what a condition says of which values, and what
 * becomes of rows that are not taken.
 *
 * links: chsinkd
 */
#include "tests/unit/rows_fixture.h"

static struct fixture fixture_when(const char *when, const char *rest)
{
    PL_FREE char *text = pl_strf("when: '%s'\n%s", when, rest);
    return fixture_new(text);
}

/* Each of these holds for an event, or not. Its file is one JSON document a line. */
static const char *const events[] = {
    "{\"a\":1}",          "{\"a\":1.0}",
    "{\"a\":10e-1}",      "{\"a\":2}",
    "{\"a\":-1}",         "{\"a\":\"1\"}",
    "{\"a\":\"edit\"}",   "{\"a\":\"\\u0065dit\"}",
    "{\"a\":\"editor\"}", "{\"a\":\"\"}",
    "{\"a\":true}",       "{\"a\":false}",
    "{\"a\":null}",       "{}",
    "{\"a\":[1]}",        "{\"a\":{\"b\":1}}",
    "{\"a\":{}}",         "{\"a\":\"\\ud800\"}",
    "{\"b\":1}",
};

static const struct {
    const char *when, *events; /* x: it holds */
} cases[] = {
    /* 1 1.0 10e-1 2 -1 "1" edit \u0065dit editor "" true false null {} [1] {b:1} {} \ud800 b:1 */
    {"$.a == 1", "xxx----------------"},
    {"$.a != 1", "---xxxxxxxxxxxxxxxx"}, /* absent, null and other types are not 1 */
    {"not $.a == 1", "---xxxxxxxxxxxxxxxx"},
    {"not $.a != 1", "xxx----------------"},
    {"$.a < 1", "----x--------------"},
    {"$.a <= 1", "xxx-x--------------"},
    {"$.a > 1", "---x---------------"},
    {"$.a >= 1", "xxxx---------------"},
    {"not $.a < 1", "xxxx-xxxxxxxxxxxxxx"},
    {"$.a == \"1\"", "-----x-------------"},
    {"$.a == \"edit\"", "------xx-----------"},
    {"$.a == \"\\u0065dit\"", "------xx-----------"},
    {"$.a != \"edit\"", "xxxxxx--xxxxxxxxxxx"},
    {"$.a < \"edit\"", "-----x---x---------"}, /* by bytes */
    {"$.a >= \"edit\"", "------xxx----------"},
    {"$.a == \"\"", "---------x---------"},
    {"$.a == true", "----------x--------"},
    {"$.a == false", "-----------x-------"},
    {"$.a != true", "xxxxxxxxxx-xxxxxxxx"},
    {"$.a in [2, \"edit\", true]", "---x--xx--x--------"},
    {"not $.a in [2, \"edit\"]", "xxx-xx--xxxxxxxxxxx"},
    {"exists($.a)", "xxxxxxxxxxxx--xxxx-"},
    {"not exists($.a)", "------------xx----x"},
    {"$.a.b == 1", "---------------x---"},
    {"exists($.a.b)", "---------------x---"},
    {"$.b == 1", "------------------x"},
    {"@.a == 2 or $.b == 1", "---x--------------x"},
    {"exists($.a) and not $.a == 1", "---xxxxxxxxx--xxxx-"},
    {"$.a == 1 and $.a == 1.00 or $.a == \"\"", "xxx------x---------"},
};

START_TEST(check_holds)
{
    FIXTURE f = fixture_when(cases[_i].when,
                             "columns:\n  - {name: o, from: offset, type: UInt64}\n"
                             "  - {name: a, path: $.a, type: Nullable(String), json: true}\n");
    char got[PL_COUNT(events) + 1] = "";
    for (size_t i = 0; i < PL_COUNT(events); i++)
        got[i] = decode(&f, events[i]) == 1 ? 'x' : '-';
    ck_assert_str_eq(got, cases[_i].events);
    uint64_t rows = rows_counts(f.rows)->rows;
    ck_assert_uint_eq(rows, block_rows(f.block));
    ck_assert_uint_eq(rows_counts(f.rows)->filtered, PL_COUNT(events) - rows);
    ck_assert_uint_eq(f.rejects, 0);
}
END_TEST

/* The filter comes before the values: what is not taken is not refused. */
START_TEST(check_before_values)
{
    FIXTURE f =
        fixture_when("$.type == \"edit\"", "columns:\n  - {name: id, path: $.id, type: Int8}\n");
    ck_assert_uint_eq(decode(&f, "{\"type\":\"edit\",\"id\":1}"), 1);
    ck_assert_uint_eq(decode(&f, "{\"type\":\"log\",\"id\":1000}"), 0);
    ck_assert_uint_eq(decode(&f, "{\"type\":\"log\",\"id\":1,\"id\":2}"), 0);
    ck_assert_uint_eq(f.rejects, 0);
    ck_assert_uint_eq(rows_counts(f.rows)->filtered, 2);
    /* But its JSON counts, and that its type is known. */
    ck_assert_uint_eq(decode(&f, "{\"type\":\"log\",\"id\":1"), 0);
    ck_assert_str_eq(f.reason, "not valid JSON");
    ck_assert_uint_eq(decode(&f, "{\"type\":\"log\"} x"), 0);
    ck_assert_str_eq(f.detail, "expected the end of the document");
    ck_assert_uint_eq(decode(&f, "{\"type\":\"log\",\"type\":\"log\"}"), 0);
    ck_assert_str_eq(f.reason, "duplicate key");
    ck_assert_uint_eq(decode(&f, "{\"type\":\"edit\",\"id\":1000}"), 0);
    ck_assert_str_eq(f.reason, "value is out of range for the column");
    ck_assert_uint_eq(decode(&f, "7"), 0);
    ck_assert_str_eq(f.reason, "message is not a JSON object");
    ck_assert_uint_eq(f.rejects, 5);
    ck_assert_uint_eq(rows_counts(f.rows)->filtered, 2);
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 1);
}
END_TEST

/* Fields that only the filter wants are unknown to the columns, as without it. */
START_TEST(check_unknown_fields)
{
    static const char columns[] = "unknown_fields: keep\ncolumns:\n"
                                  "  - {name: a, path: $.a, type: Int8}\n"
                                  "  - {name: rest, type: String, unknown: true}\n";
    FIXTURE f = fixture_when("$.meta.x == 1 or exists($.y)", columns);
    FIXTURE plain = fixture_new(columns);
    PL_CLEANUP(pl_buf_release) struct pl_buf with = {0}, without = {0};
    static const char *const values[] = {
        "{\"a\":1,\"meta\":{\"x\":1,\"z\":[2]}}",
        "{\"y\":\"\",\"a\":1,\"meta\":5}",
        "{\"y\":{},\"a\":1,\"meta\":null}",
    };
    for (size_t i = 0; i < PL_COUNT(values); i++) {
        ck_assert_uint_eq(decode(&f, values[i]), 1);
        ck_assert_uint_eq(decode(&plain, values[i]), 1);
    }
    block_native(f.block, &with);
    block_native(plain.block, &without);
    ck_assert_uint_eq(with.len, without.len);
    ck_assert_mem_eq(with.data, without.data, with.len);
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, rows_counts(plain.rows)->unknown_fields);
}
END_TEST

/* --- rows out of an array --- */

#define ROWS                                                                                       \
    "rows: $.a[*]\ncolumns:\n"                                                                     \
    "  - {name: n, path: $.n, type: Int8, missing: default}\n"                                     \
    "  - {name: i, path: '@.i', type: Int8}\n"

static const struct {
    const char *when, *value, *rows;
    unsigned filtered, rejects;
    const char *reason;
} elements[] = {
    /* By the message alone: nothing else is asked of it. */
    {"$.t == 1", "{\"t\":1,\"a\":[{\"i\":1},{\"i\":2}]}", "12", 0, 0, ""},
    {"$.t == 1", "{\"a\":[{\"i\":1},{\"i\":2}],\"t\":1}", "12", 0, 0, ""},
    {"$.t == 1", "{\"t\":2,\"a\":[{\"i\":1},{\"i\":2}]}", "", 2, 0, ""},
    {"$.t == 1", "{\"t\":2,\"n\":1000,\"a\":[{\"i\":1},{\"i\":2},7]}", "", 3, 0, ""},
    {"$.t == 1", "{\"t\":2,\"a\":[]}", "", 1, 0, ""},
    {"$.t == 1", "{\"t\":2}", "", 1, 0, ""},
    {"$.t == 1", "{\"t\":2,\"a\":7}", "", 1, 0, ""},
    {"$.t == 1", "{\"t\":1}", "", 0, 1, "message has no array of rows at the route's path"},
    {"$.t == 1", "{\"t\":2,\"a\":[{\"i\":1}", "", 0, 1, "not valid JSON"},
    {"$.t == 1", "{\"t\":2} {}", "", 0, 1, "not valid JSON"},
    {"$.t == 1 and @.i > 1", "{\"t\":2,\"a\":7}", "", 1, 0, ""}, /* decided already */
    {"$.t == 1 or @.i > 1", "{\"t\":1,\"a\":[{\"i\":1},{\"i\":2}]}", "12", 0, 0, ""},
    /* By each element. */
    {"@.i > 1", "{\"a\":[{\"i\":1},{\"i\":2},{\"i\":3}]}", "23", 1, 0, ""},
    {"@.i > 1", "{\"a\":[{\"i\":1},{\"i\":0}]}", "", 2, 0, ""},
    {"@.i < 9", "{\"a\":[{\"i\":1},{\"i\":1000},7,{\"i\":1,\"x\":[}]}", "", 0, 1, "not valid JSON"},
    {"@.i < 9", "{\"a\":[{\"i\":1},{\"i\":1000},7,{\"x\":1}]}", "1", 3, 0, ""},
    {"@.i < 9", "{\"a\":[{\"i\":1,\"i\":2},{\"i\":3}]}", "3", 0, 1, "duplicate key"},
    {"not @.i < 9", "{\"a\":[{\"i\":1},{\"i\":10},7,{\"i\":12}]}", "1012", 1, 1,
     "element is not a JSON object"},
    {"$.t == 1 or @.i > 1", "{\"a\":[{\"i\":1},{\"i\":2}]}", "2", 1, 0, ""},
    {"$.t == 1 and @.i > 1", "{\"a\":[{\"i\":1},{\"i\":2}],\"t\":1}", "2", 1, 0, ""},
    {"@ == 7 or @.i == 2", "{\"a\":[{\"i\":1},{\"i\":2},8]}", "2", 2, 0, ""},
    /* What is around the rows must fit, even where none is taken in the end. */
    {"@.i > 1", "{\"n\":1000,\"a\":[{\"i\":1}]}", "", 0, 1, "value is out of range for the column"},
    {"@.i > 1", "{\"n\":1000,\"a\":[]}", "", 0, 0, ""},
};

START_TEST(check_elements)
{
    FIXTURE f = fixture_when(elements[_i].when, ROWS);
    PL_CLEANUP(pl_buf_release) struct pl_buf rows = {0};
    decode(&f, elements[_i].value);
    for (uint64_t i = 0; i < block_rows(f.block); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf row = {0};
        block_print_row(f.block, i, &row);
        const char *at = strstr(pl_buf_cstr(&row), "\"i\":") + 4;
        pl_buf_add(&rows, at, strcspn(at, "}"));
    }
    ck_assert_str_eq(pl_buf_cstr(&rows), elements[_i].rows);
    ck_assert_uint_eq(rows_counts(f.rows)->filtered, elements[_i].filtered);
    ck_assert_uint_eq(f.rejects, elements[_i].rejects);
    ck_assert_str_eq(f.reason ? f.reason : "", elements[_i].reason);
}
END_TEST

/* Once or twice, all or one by one: the same. */
START_TEST(check_elements_one_by_one)
{
    FIXTURE f = fixture_when("$.t == 1 or @.i in [1, 4]", ROWS);
    static const char good[] = "{\"n\":3,\"a\":[{\"i\":1},{\"i\":2},{\"i\":3},{\"i\":4}]}";
    static const char bad[] = "{\"n\":3,\"a\":[{\"i\":1},{\"i\":2},{\"i\":4,\"i\":4},{\"i\":4}]}";
    PL_CLEANUP(pl_buf_release) struct pl_buf all = {0}, one = {0};
    for (unsigned k = 0; k < 2; k++) {
        const char *value = k == 0 ? good : bad;
        block_reset(f.block);
        ck_assert_uint_eq(decode(&f, value), 2);
        ck_assert_uint_eq(f.rejects, k);
        block_native(f.block, &all);
        block_reset(f.block);
        for (int64_t i = 0; i < 4; i++)
            decode_bytes(&f, value, strlen(value), i);
        ck_assert_uint_eq(f.rejects, 2 * k);
        block_native(f.block, &one);
        ck_assert_mem_eq(one.data, all.data, all.len);
    }
}
END_TEST

START_TEST(check_skipped)
{
    FIXTURE f = fixture_when("@.i > 1", "documents: many\n" ROWS);
    struct row_set skipped;
    rows_note_skipped(f.rows);
    /*                      0         1         2                3  4       5         */
    decode(&f, "{\"a\":[{\"i\":1},{\"i\":2},{\"i\":1000}]}\n{\"a\":[]}{}{\"a\":[{\"i\":1}]}");
    ck_assert_uint_eq(f.rejects, 2);
    ck_assert(rows_skipped(f.rows, &skipped));
    ck_assert_uint_eq(row_set_count(&skipped), 3);
    ck_assert_uint_eq(skipped.n, 3);
    ck_assert_int_eq(skipped.ranges[1].first, 3);
    ck_assert_int_eq(skipped.ranges[2].first, 5);
    row_set_release(&skipped);
    PL_CLEANUP(pl_buf_release) struct pl_buf many = {0};
    pl_buf_add_str(&many, "{\"a\":[");
    for (unsigned i = 0; i <= ROW_SET_RANGES_MAX; i++)
        pl_buf_add_str(&many, "{\"i\":1},{\"i\":2},");
    pl_buf_add_str(&many, "{\"i\":2}]}");
    ck_assert_uint_eq(decode_bytes(&f, many.data, many.len, -1), ROW_SET_RANGES_MAX + 2);
    ck_assert(!rows_skipped(f.rows, &skipped));
}
END_TEST

/* A row is counted by its own memory only, whatever the message before had. */
START_TEST(check_memory)
{
    FIXTURE f = fixture_when("@.i > 1", "message_memory_max: 6\n" ROWS);
    ck_assert_uint_eq(decode(&f, "{\"a\":[{\"i\":2},{\"i\":2},{\"i\":2},{\"i\":2}]}"), 0);
    ck_assert_str_eq(f.reason, "rows of the message are larger than message_memory_max");
    ck_assert_uint_eq(decode(&f, "{\"a\":[{\"i\":1}]}"), 0);
    ck_assert_uint_eq(f.rejects, 1);
}
END_TEST

START_TEST(check_documents)
{
    FIXTURE f =
        fixture_when("$.i > 1", "documents: many\ncolumns: [{name: i, path: $.i, type: Int8}]\n");
    ck_assert_uint_eq(decode(&f, "{\"i\":1}\n{\"i\":2}\n{\"i\":1000}\n{\"i\":3}\n{\"i\":\"x\"}"),
                      2);
    ck_assert_uint_eq(f.rejects, 1);
    ck_assert_int_eq(f.row, 2);
    ck_assert_uint_eq(rows_counts(f.rows)->filtered, 2);
    ck_assert_uint_eq(decode(&f, "{\"i\":1}\n{\"i\":2}\n{"), 0);
    ck_assert_int_eq(f.row, -1);
    ck_assert_uint_eq(rows_counts(f.rows)->filtered, 2);
}
END_TEST

START_TEST(check_tombstone)
{
    static const char columns[] = "tombstones: row\ncolumns:\n"
                                  "  - {name: k, from: key, type: String}\n";
    const struct rows_message m = {.topic = "t", .key = "x", .key_len = 1};
    FIXTURE with = fixture_when("not exists($.a)", columns);
    FIXTURE without = fixture_when("exists($.a)", columns);
    ck_assert_uint_eq(rows_decode(with.rows, &m, NULL, with.block, on_reject, &with), 1);
    ck_assert_uint_eq(rows_decode(without.rows, &m, NULL, without.block, on_reject, &without), 0);
    ck_assert_uint_eq(rows_counts(without.rows)->filtered, 1);
    ck_assert_uint_eq(without.rejects, 0);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_holds, .count = PL_COUNT(cases)),
        TEST(check_before_values),
        TEST(check_unknown_fields),
        TEST(check_elements, .count = PL_COUNT(elements)),
        TEST(check_elements_one_by_one),
        TEST(check_skipped),
        TEST(check_memory),
        TEST(check_documents),
        TEST(check_tombstone),
    };
    return unit_main("rows_when", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows_shapes.c - messages that are not one JSON object of UTF-8: byte order marks, other
 * formats (named in the reason), tombstones, arrays at the top, elements that are no objects.
 *
 * links: chsinkd
 */
#include "tests/unit/rows_fixture.h"

#define NO_VALUE "no value for the column"
#define NOT_JSON "not valid JSON"

START_TEST(check_bom)
{
    FIXTURE f = fixture_new("columns:\n  - {name: s, path: $.s, type: String}\n");
    ck_assert_uint_eq(decode(&f, "\xef\xbb\xbf {\"s\":\"x\"}"), 1);
    assert_row(&f, 0, "{\"s\":\"x\"}");
    /* Offsets are those of the message. */
    ck_assert_uint_eq(decode(&f, "\xef\xbb\xbf{\"s\":1}"), 0);
    ck_assert_uint_eq(f.offset, 8);
}
END_TEST

static const struct {
    const char *value;
    size_t len;
    const char *begins; /* of the detail */
} payloads[] = {
    {"\x1f\x8b\x08\0", 4, "the value is compressed (gzip)"},
    {"\x28\xb5\x2f\xfd", 4, "the value is compressed (zstd)"},
    {"\x04\x22\x4d\x18", 4, "the value is compressed (lz4)"},
    {"\x82SNAPPY\0", 8, "the value is compressed (snappy)"},
    {"\xff\xfe{\0", 4, "the value is UTF-16"},
    {"\xfe\xff\0{", 4, "the value is UTF-16"},
    {"{\0\"\0", 4, "the value is UTF-16"},
    {"\0{\0\"", 4, "the value is UTF-16"},
    {"Obj\x01", 4, "the value is an Avro file"},
    {"<html>", 6, "the value is XML or HTML"},
    {"\0\0\0\0\x07{}", 7, "five bytes of a schema registry"},
    {"\0\0\0\0\x07\x02\x04", 7, "the value is framed by a schema registry"},
    {"x", 1, "expected a value"},
    {"\0", 1, "expected a value"},
    {"\x1f", 1, "expected a value"},
    {"{} {}", 5, "a second document begins here"},
    {"{} x", 4, "expected the end of the document"},
};

START_TEST(check_payload)
{
    FIXTURE f = fixture_new("columns:\n  - {name: s, path: $.s, type: String, missing: default}\n");
    const struct rows_message m = {
        .topic = "t", .value = payloads[_i].value, .value_len = payloads[_i].len};
    ck_assert_uint_eq(rows_decode(f.rows, &m, NULL, f.block, on_reject, &f), 0);
    ck_assert_str_eq(f.reason, NOT_JSON);
    ck_assert_msg(strncmp(f.detail, payloads[_i].begins, strlen(payloads[_i].begins)) == 0, "%s",
                  f.detail);
    ck_assert_uint_eq(block_rows(f.block), 0);
}
END_TEST

START_TEST(check_tombstone_row)
{
    FIXTURE f = fixture_new("tombstones: row\nunknown_fields: keep\ncolumns:\n"
                            "  - {name: s, path: $.s, type: Nullable(String)}\n"
                            "  - {name: k, from: key, type: String, missing: default}\n"
                            "  - {name: v, path: [$.a, $.b], type: Int8, missing: default}\n"
                            "  - {name: rest, type: String, unknown: true}\n");
    ck_assert_uint_eq(decode(&f, "{\"s\":\"x\",\"a\":1,\"u\":2}"), 1);
    const struct rows_message tombstone = {.topic = "t", .key = "id", .key_len = 2};
    ck_assert_uint_eq(rows_decode(f.rows, &tombstone, NULL, f.block, on_reject, &f), 1);
    assert_row(&f, 1, "{\"s\":null,\"k\":\"id\",\"v\":0,\"rest\":\"{}\"}");
    const struct rows_message empty = {.topic = "t", .value = ""};
    ck_assert_uint_eq(rows_decode(f.rows, &empty, NULL, f.block, on_reject, &f), 0);
    ck_assert_str_eq(f.reason, "empty value");
}
END_TEST

START_TEST(check_tombstone_row_missing)
{
    FIXTURE f = fixture_new("tombstones: row\ncolumns:\n  - {name: s, path: $.s, type: String}\n");
    const struct rows_message tombstone = {.topic = "t"};
    ck_assert_uint_eq(rows_decode(f.rows, &tombstone, NULL, f.block, on_reject, &f), 0);
    ck_assert_str_eq(f.reason, NO_VALUE);
    ck_assert_int_eq(f.row, -1);
}
END_TEST

START_TEST(check_array_at_the_top)
{
    FIXTURE f = fixture_new("rows: $[*]\ncolumns:\n  - {name: i, path: '@.i', type: Int8}\n");
    ck_assert_uint_eq(decode(&f, "[{\"i\":1},{\"i\":2}]"), 2);
    assert_row(&f, 1, "{\"i\":2}");
    ck_assert_uint_eq(decode(&f, "\xef\xbb\xbf [ ] "), 0);
    ck_assert_uint_eq(f.rejects, 0);
    ck_assert_uint_eq(decode(&f, "[{\"i\":1},{\"i\":1000},3,{\"i\":4}]"), 2);
    ck_assert_uint_eq(f.rejects, 2);
    ck_assert_str_eq(f.reason, "element is not a JSON object");
    f.rejects = 0;
    ck_assert_uint_eq(decode(&f, "{\"i\":1}"), 0);
    ck_assert_str_eq(f.reason, "message is not a JSON array");
    ck_assert_uint_eq(decode(&f, "[{\"i\":1}] []"), 0);
    ck_assert_str_eq(f.reason, NOT_JSON);
    ck_assert_uint_eq(decode(&f, "[{\"i\":1},{\"i\":2]"), 0);
    ck_assert_str_eq(f.reason, NOT_JSON);
    ck_assert_uint_eq(f.rejects, 3);
    ck_assert_uint_eq(block_rows(f.block), 4);
}
END_TEST

START_TEST(check_elements_no_objects)
{
    FIXTURE f =
        fixture_new("rows: $.tags[*]\ncolumns:\n"
                    "  - {name: id, path: $.id, type: Int8}\n"
                    "  - {name: tag, path: '@', type: String}\n"
                    "  - {name: x, path: '@.x', type: Nullable(Int8), invalid: \"null\"}\n");
    ck_assert_uint_eq(decode(&f, "{\"id\":7,\"tags\":[\"a\",\"b\"]}"), 2);
    assert_row(&f, 0, "{\"id\":7,\"tag\":\"a\",\"x\":null}");
    assert_row(&f, 1, "{\"id\":7,\"tag\":\"b\",\"x\":null}");
    ck_assert_uint_eq(decode(&f, "{\"id\":7,\"tags\":[1,null,[],\"c\"]}"), 1);
    ck_assert_uint_eq(f.rejects, 3);
}
END_TEST

START_TEST(check_rows_missing)
{
    FIXTURE f = fixture_new("rows: $.a[*]\nrows_missing: none\ncolumns:\n"
                            "  - {name: i, path: '@.i', type: Int8}\n");
    ck_assert_uint_eq(decode(&f, "{}"), 0);
    ck_assert_uint_eq(decode(&f, "{\"a\":null}"), 0);
    ck_assert_uint_eq(f.rejects, 0);
    ck_assert_uint_eq(decode(&f, "{\"a\":{}}"), 0); /* there, and no array */
    ck_assert_uint_eq(f.rejects, 1);
    ck_assert_uint_eq(decode(&f, "{\"a\":[{\"i\":1}]}"), 1);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_bom),
        TEST(check_payload, .count = PL_COUNT(payloads)),
        TEST(check_tombstone_row),
        TEST(check_tombstone_row_missing),
        TEST(check_array_at_the_top),
        TEST(check_elements_no_objects),
        TEST(check_rows_missing),
    };
    return unit_main("rows_shapes", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows.c - from messages to Native blocks: the bytes, the policies, rows out of arrays, and
 * that what is refused leaves nothing behind. The values are check_rows_values.c's.
 *
 * links: chsinkd
 */
#include <inttypes.h>
#include <stdio.h>

#include "daemons/chsinkd/clickhouse/table.h"
#include "daemons/chsinkd/decode/internal.h"
#include "tests/unit/rows_fixture.h"
#include "tests/unit/unit.h"

#define WRONG    "value has the wrong type for the column"
#define UUID     "value is not a UUID"
#define NO_VALUE "no value for the column"
#define NOT_JSON "not valid JSON"

START_TEST(check_golden)
{
    FIXTURE f = fixture_new("columns:\n"
                            "  - {name: s, path: $.s, type: LowCardinality(String)}\n"
                            "  - {name: n, path: $.n, type: Nullable(Int16)}\n"
                            "  - {name: t, path: $.t, type: DateTime64(3)}\n"
                            "  - {name: u, path: $.u, type: UUID}\n"
                            "  - {name: x, type: UInt8, expression: '1'}\n"
                            "  - {name: ns, path: $.ns, type: Nullable(String)}\n");
    static const char want[] = "\x05\x02"
                               "\x01s\x06String"
                               "\x02hi"
                               "\x00"
                               "\x01n\x0fNullable(Int16)"
                               "\x00\x01"
                               "\xfe\xff\x00\x00"
                               "\x01t\x0d"
                               "DateTime64(3)"
                               "\x01\x00\x00\x00\x00\x00\x00\x00"
                               "\xff\xff\xff\xff\xff\xff\xff\xff"
                               "\x01u\x04UUID"
                               "\x77\x66\x55\x44\x33\x22\x11\x00"
                               "\xff\xee\xdd\xcc\xbb\xaa\x99\x88"
                               "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
                               "\x02ns\x10Nullable(String)"
                               "\x01\x00"
                               "\x00\x01z";
    ck_assert_uint_eq(decode(&f, "{\"s\":\"hi\",\"n\":-2,\"t\":\"1970-01-01T00:00:00.001Z\","
                                 "\"u\":\"00112233-4455-6677-8899-aabbccddeeff\",\"ns\":null}"),
                      1);
    ck_assert_uint_eq(decode(&f, "{\"s\":\"\",\"t\":\"1969-12-31T23:59:59.999Z\","
                                 "\"u\":\"00000000-0000-0000-0000-000000000001\",\"ns\":\"z\"}"),
                      1);
    struct pl_buf got = {0}, sql = {0};
    block_native(f.block, &got);
    ck_assert_uint_eq(got.len, sizeof(want) - 1);
    ck_assert_mem_eq(got.data, want, got.len);
    ck_assert_uint_eq(block_bytes(f.block), 4 + 6 + 16 + 32 + 5);
    ck_assert_uint_ge(block_capacity(f.block), block_bytes(f.block));
    table_insert_sql(f.route, "db", &sql);
    ck_assert_str_eq(pl_buf_cstr(&sql),
                     "INSERT INTO `db`.`t` (`s`, `n`, `t`, `u`, `ns`) FORMAT Native");
    block_reset(f.block);
    block_native(f.block, &got);
    ck_assert_uint_eq(block_bytes(f.block), 0);
    ck_assert_int_eq(got.data[1], 0);
    pl_buf_release(&got);
    pl_buf_release(&sql);
}
END_TEST

static const char wide_columns[] = "columns:\n"
                                   "  - {name: s, path: $.s, type: String}\n"
                                   "  - {name: n, path: $.o.n, type: Nullable(Int64)}\n"
                                   "  - {name: b, path: $.b, type: Bool}\n"
                                   "  - {name: j, path: $.j, type: String, json: true}\n"
                                   "  - {name: f, path: $.f, type: Float64}\n";

/* A message cut anywhere, or with one byte spoiled, is refused or (spoiled) a row; never a
 * trace. */
START_TEST(check_cut)
{
    static const char text[] = "{\"s\":\"a\\u00e9\xc3\xa9\",\"o\":{\"n\":-12},\"b\":true,\"j\":[{"
                               "\"x\":null}],\"f\":1.5e3,\"z\":{\"y\":[1]}}";
    FIXTURE f = fixture_new(wide_columns);
    struct pl_buf before = {0}, after = {0};
    size_t len = strlen(text);
    ck_assert_uint_eq(decode(&f, text), 1);
    block_native(f.block, &before);
    for (size_t cut = 0; cut < len; cut++) {
        ck_assert_uint_eq(decode_bytes(&f, text, cut, -1), 0);
        ck_assert_uint_eq(f.rejects, cut + 1);
        ck_assert_str_eq(f.reason, cut == 0 ? "empty value" : NOT_JSON);
        ck_assert_int_eq(f.row, -1);
        ck_assert_uint_le(f.offset, cut);
        block_native(f.block, &after);
        ck_assert_uint_eq(after.len, before.len);
        ck_assert_mem_eq(after.data, before.data, before.len);
    }
    for (size_t i = 0; i < len; i++) {
        PL_FREE char *spoiled = pl_strdup(text);
        spoiled[i] = '\xff';
        ck_assert_uint_eq(decode(&f, spoiled), 0);
    }
    ck_assert_uint_eq(decode(&f, text), 1);
    ck_assert_uint_eq(rows_counts(f.rows)->messages, 2 * len + 2);
    ck_assert_uint_eq(rows_counts(f.rows)->rows, 2);
    ck_assert_uint_eq(rows_counts(f.rows)->rejected_messages, 2 * len);
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 2);
    pl_buf_release(&before);
    pl_buf_release(&after);
}
END_TEST

static const struct {
    const char *message, *reason, *column;
} refused[] = {
    {"[]", "message is not a JSON object", ""},
    {"\"x\"", "message is not a JSON object", ""},
    {"null", "message is not a JSON object", ""},
    {" \n", "empty value", ""},
    {"{} {}", NOT_JSON, ""},
    {"{\"s\":\"a\"}\n[]", NOT_JSON, ""},
    {"{}", NO_VALUE, "s"},
    {"\xef\xbb\xbf{}", NO_VALUE, "s"},
    {"\xef\xbb\xbf\xef\xbb\xbf{}", NOT_JSON, ""},
    {"{\"x\":\"\xc0\x80\"}", NOT_JSON, ""},
    {"{\"s\":\"a\",\"s\":\"a\"}", "duplicate key", ""},
    {"{\"s\":\"a\",\"\\u0073\":\"a\"}", "duplicate key", ""},
    {"{\"o\":{\"n\":1},\"o\":{}}", "duplicate key", ""},
    {"{\"o\":{\"n\":1,\"n\":1}}", "duplicate key", ""},
    {"{\"s\":\"a\",\"o\":[1,2],\"b\":true,\"j\":1,\"f\":1}", WRONG, "n"},
    {"{\"s\":\"a\",\"o\":\"x\",\"b\":true,\"j\":1,\"f\":1}", WRONG, "n"},
    {"{\"s\":\"a\",\"b\":3}", WRONG, "b"},
};

START_TEST(check_refused)
{
    FIXTURE f = fixture_new(wide_columns);
    ck_assert_uint_eq(decode(&f, refused[_i].message), 0);
    ck_assert_uint_eq(f.rejects, 1);
    ck_assert_str_eq(f.reason, refused[_i].reason);
    ck_assert_str_eq(f.column, refused[_i].column);
    ck_assert_uint_eq(block_rows(f.block), 0);
    ck_assert_uint_eq(block_bytes(f.block), 0);
}
END_TEST

START_TEST(check_accepted)
{
    FIXTURE f = fixture_new(wide_columns);
    /* Doubles that no column wants, null on the way, an escaped key, space everywhere. */
    ck_assert_uint_eq(
        decode(&f, "{\"x\":1,\"x\":2,\"s\":\"\",\"o\":null,\"b\":false,\"j\":0,\"f\":0}"), 1);
    assert_row(&f, 0, "{\"s\":\"\",\"n\":null,\"b\":false,\"j\":0,\"f\":0}");
    ck_assert_uint_eq(
        decode(&f,
               "\r\n{ \"f\" : 2 ,\t\"j\" : { } , \"b\" : true , \"\\u006f\" : { \"\\u006e\" : 5 } "
               ", \"s\" : \"x\" }\n"),
        1);
    assert_row(&f, 1, "{\"s\":\"x\",\"n\":5,\"b\":true,\"j\":{ },\"f\":2}");
    ck_assert_uint_eq(f.rejects, 0);
}
END_TEST

START_TEST(check_limits)
{
    FIXTURE f = fixture_new("message_bytes_max: 20\ndepth_max: 3\ncolumns:\n"
                            "  - {name: j, path: $.j, type: String, json: true}\n");
    ck_assert_uint_eq(decode(&f, "{\"j\":[[1]],\"abcd\":1}"), 1);
    ck_assert_uint_eq(decode(&f, "{\"j\":[[1]],\"abcde\":1}"), 0);
    ck_assert_str_eq(f.reason, "message is larger than message_bytes_max");
    ck_assert_uint_eq(decode(&f, "{\"j\":[[[1]]]}"), 0);
    ck_assert_str_eq(f.reason, NOT_JSON);
    ck_assert_str_eq(f.detail, "document is nested too deeply");
    struct rows_message tombstone = {.topic = "t"};
    ck_assert_uint_eq(rows_decode(f.rows, &tombstone, NULL, f.block, on_reject, &f), 0);
    ck_assert_str_eq(f.reason, "no value (a tombstone)");
    tombstone.value = "";
    ck_assert_uint_eq(rows_decode(f.rows, &tombstone, NULL, f.block, on_reject, &f), 0);
    ck_assert_str_eq(f.reason, "empty value");
}
END_TEST

static const char element_columns[] =
    "rows: $.a.list[*]\nunknown_fields: keep\ncolumns:\n"
    "  - {name: name, path: $.name, type: String}\n"
    "  - {name: size, path: $.size, type: Nullable(Int8), invalid: \"null\"}\n"
    "  - {name: t, path: '@.t', type: UInt8}\n"
    "  - {name: v, path: ['@.v', $.v], type: String, missing: default}\n"
    "  - {name: rest, type: String, unknown: true}\n"
    "  - {name: _offset, type: UInt64, from: offset}\n";

START_TEST(check_elements)
{
    FIXTURE f = fixture_new(element_columns);
    ck_assert_uint_eq(decode(&f, "{\"v\":\"m\",\"a\":{\"q\":0,\"list\":[{\"t\":1,\"v\":\"e\"},{"
                                 "\"t\":2,\"k\":{\"x\":1}}]},"
                                 "\"size\":300,\"name\":\"n\",\"other\":[ 1 ]}"),
                      2);
    assert_row(&f, 0,
               "{\"name\":\"n\",\"size\":null,\"t\":1,\"v\":\"e\","
               "\"rest\":\"{\\\"$.a.q\\\":0,\\\"$.other\\\":[ 1 ]}\",\"_offset\":7}");
    assert_row(&f, 1,
               "{\"name\":\"n\",\"size\":null,\"t\":2,\"v\":\"m\","
               "\"rest\":\"{\\\"$.a.q\\\":0,\\\"$.other\\\":[ 1 "
               "],\\\"k\\\":{\\\"x\\\":1}}\",\"_offset\":7}");
    ck_assert_uint_eq(rows_counts(f.rows)->nulled, 2);
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 3);
    /* One bad element is refused alone. */
    ck_assert_uint_eq(
        decode(&f, "{\"name\":\"n\",\"a\":{\"list\":[{\"t\":1},{\"t\":[{}, 256]},7,{\"t\":3}]}}"),
        2);
    ck_assert_uint_eq(f.rejects, 2);
    ck_assert_int_eq(f.row, 2);
    ck_assert_str_eq(f.reason, "element is not a JSON object");
    assert_row(&f, 3,
               "{\"name\":\"n\",\"size\":null,\"t\":3,\"v\":\"\",\"rest\":\"{}\",\"_offset\":7}");
    ck_assert_uint_eq(rows_counts(f.rows)->rejected_rows, 2);
    ck_assert_uint_eq(rows_counts(f.rows)->rejected_messages, 0);
    ck_assert_uint_eq(decode(&f, "{\"a\":{\"list\":[]}}"), 0);
    ck_assert_uint_eq(f.rejects, 2);
}
END_TEST

static const struct {
    const char *message, *reason;
    int64_t only_row, row;
    uint64_t rows;
} element_cases[] = {
    {"{\"a\":{\"list\":[{\"t\":1}]}}", NO_VALUE, -1, -1, 0}, /* name is the message's: all of it */
    {"{\"name\":\"n\"}", "message has no array of rows at the route's path", -1, -1, 0},
    {"{\"name\":\"n\",\"a\":null}", "message has no array of rows at the route's path", -1, -1, 0},
    {"{\"name\":\"n\",\"a\":[]}", WRONG, -1, -1, 0},
    {"{\"name\":\"n\",\"a\":{\"list\":{}}}", WRONG, -1, -1, 0},
    {"{\"name\":\"n\",\"a\":{\"list\":[{\"t\":1}]}", NOT_JSON, -1, -1, 0},
    {"{\"name\":\"n\",\"a\":{\"list\":[{\"t\":1},{\"t\":2}]}}", NULL, 1, 0, 1},
    {"{\"name\":\"n\",\"a\":{\"list\":[{\"t\":1},{\"t\":2}]}}", "message has no such element", 2,
     -1, 0},
    {"{\"name\":\"n\",\"a\":{\"list\":[]}}", "message has no such element", 0, -1, 0},
    {"{\"name\":\"n\",\"a\":{\"list\":[{\"t\":1,\"t\":1},{\"t\":2}]}}", "duplicate key", -1, 0, 1},
    {"{\"name\":\"n\",\"a\":{\"list\":[],\"list\":[]}}", "duplicate key", -1, -1, 0},
};

START_TEST(check_element_cases)
{
    FIXTURE f = fixture_new(element_columns);
    const char *m = element_cases[_i].message;
    ck_assert_uint_eq(decode_bytes(&f, m, strlen(m), element_cases[_i].only_row),
                      element_cases[_i].rows);
    ck_assert_uint_eq(block_rows(f.block), element_cases[_i].rows);
    if (!element_cases[_i].reason) {
        ck_assert_uint_eq(f.rejects, 0);
        return;
    }
    ck_assert_uint_eq(f.rejects, 1);
    ck_assert_str_eq(f.reason, element_cases[_i].reason);
    ck_assert_int_eq(f.row, element_cases[_i].row);
}
END_TEST

/* The block with many rows of one message is the block with the rows of many messages. */
START_TEST(check_elements_many)
{
    FIXTURE f = fixture_new("rows: $.r[*]\ncolumns:\n"
                            "  - {name: name, path: $.name, type: Nullable(String)}\n"
                            "  - {name: x, path: $.x, type: Float64}\n"
                            "  - {name: v, path: '@.v', type: String}\n");
    FIXTURE single = fixture_new("columns:\n"
                                 "  - {name: name, path: $.name, type: Nullable(String)}\n"
                                 "  - {name: x, path: $.x, type: Float64}\n"
                                 "  - {name: v, path: $.v, type: String}\n");
    struct pl_buf m = {0}, one = {0}, a = {0}, b = {0};
    pl_buf_add_str(&m, "{\"x\":0.25,\"r\":[");
    for (unsigned i = 0; i < 3000; i++) {
        pl_buf_addf(&m, "%s{\"v\":\"%u\"}", i ? "," : "", i);
        pl_buf_reset(&one);
        pl_buf_addf(&one, "{\"x\":0.25,\"name\":\"a name of some length\",\"v\":\"%u\"}", i);
        ck_assert_uint_eq(decode(&single, pl_buf_cstr(&one)), 1);
    }
    pl_buf_add_str(&m, "],\"name\":\"a name of some length\"}");
    ck_assert_uint_eq(decode(&f, pl_buf_cstr(&m)), 3000);
    block_native(f.block, &a);
    block_native(single.block, &b);
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_mem_eq(a.data, b.data, a.len);
    pl_buf_release(&m);
    pl_buf_release(&one);
    pl_buf_release(&a);
    pl_buf_release(&b);
}
END_TEST

START_TEST(check_unknown)
{
    FIXTURE f =
        fixture_new("unknown_fields: keep\ncolumns:\n"
                    "  - {name: id, path: $.meta.id, type: Nullable(String)}\n"
                    "  - {name: raw, path: $.raw, type: String, json: true, missing: default}\n"
                    "  - {name: deep, path: $.raw.x, type: Nullable(Int8)}\n"
                    "  - {name: rest, type: String, unknown: true}\n");
    ck_assert_uint_eq(
        decode(&f,
               "{\"a\":1,\"meta\":{\"b\":\"\\ud800\",\"id\":\"x\",\"c.d\":[ ]},\"\\\"\\u00e9\":{},"
               "\"raw\":{\"x\":3,\"y\":4}}"),
        1);
    assert_row(&f, 0,
               "{\"id\":\"x\",\"raw\":{\"x\":3,\"y\":4},\"deep\":3,\"rest\":\"{\\\"a\\\":1,"
               "\\\"meta.b\\\":\\\"\\\\ud800\\\","
               "\\\"meta.\\\\\\\"c.d\\\\\\\"\\\":[ "
               "],\\\"\\\\\\\"\\\\\\\\\\\\\\\"\xc3\xa9\\\\\\\"\\\":{}}\"}");
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 4);
    ck_assert_uint_eq(decode(&f, "{}"), 1);
    assert_row(&f, 1, "{\"id\":null,\"raw\":\"\",\"deep\":null,\"rest\":\"{}\"}");
}
END_TEST

/* Keys that no column wants are learned, more than there is room for: a decoder that has seen many
 * gives the same as a new one. */
START_TEST(check_learned)
{
    static const char route[] = "unknown_fields: keep\ncolumns:\n"
                                "  - {name: a, path: $.a, type: Nullable(Int64)}\n"
                                "  - {name: b, path: $.o.b, type: Nullable(Int64)}\n"
                                "  - {name: rest, type: String, unknown: true}\n";
    FIXTURE used = fixture_new(route);
    unsigned state = 7;
    for (unsigned i = 0; i < 600; i++) {
        FIXTURE fresh = fixture_new(route);
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        struct pl_buf a = {0}, b = {0};
        pl_buf_add_str(&text, "{");
        for (unsigned k = 0; k < 8; k++) { /* with doubles, of wanted keys, too; \\u0062 is b */
            static const char *const keys[] = {"a",   "k%u",  "o\":{\"b\":%u},\"x",  "\\u006b%u",
                                               "k%u", "long", "o\":{\"k%u\":1},\"y", "\\u0061%u"};
            state = state * 1103515245 + 12345;
            PL_FREE char *key = pl_strf("%u", i < 300 ? state >> 20 & 7 : state >> 20 & 127);
            const char *form = keys[state >> 16 & 7], *at = strstr(form, "%u");
            pl_buf_addf(&text, "%s\"%.*s%s%s\":%u", k > 0 ? "," : "",
                        (int)(at ? at - form : (int)strlen(form)), form, at ? key : "",
                        at ? at + 2 : "", k);
        }
        pl_buf_add_str(&text, "}");
        block_reset(used.block);
        uint64_t unknown = rows_counts(used.rows)->unknown_fields;
        ck_assert_uint_eq(decode(&used, pl_buf_cstr(&text)), decode(&fresh, pl_buf_cstr(&text)));
        ck_assert_uint_eq(rows_counts(used.rows)->unknown_fields - unknown,
                          rows_counts(fresh.rows)->unknown_fields);
        if (block_rows(fresh.block) > 0) {
            block_print_row(used.block, 0, &a);
            block_print_row(fresh.block, 0, &b);
            ck_assert_str_eq(pl_buf_cstr(&a), pl_buf_cstr(&b));
        }
        pl_buf_release(&a);
        pl_buf_release(&b);
    }
    ck_assert_uint_gt(rows_counts(used.rows)->rows, 50);
    ck_assert_uint_gt(rows_counts(used.rows)->rejected_messages, 50);
}
END_TEST

/* Read once or twice, a message of rows gives the same rows, counts and last reject. */
START_TEST(check_once)
{
    static const char route[] = "rows: $.a.r[*]\nmessage_memory_max: 400\ndepth_max: 6\ncolumns:\n"
                                "  - {name: n, path: $.n, type: Nullable(String)}\n"
                                "  - {name: m, path: $.a.m, type: Int8, missing: default}\n"
                                "  - {name: r, path: $.a.r, type: String, json: true}\n"
                                "  - {name: v, path: \"@.v\", type: Int16}\n"
                                "  - {name: w, path: [\"@.w\", \"@.x\"], type: Nullable(String)}\n";
    static const char *const messages[] = {
        "{\"a\":{\"r\":[{\"v\":1},{\"v\":2,\"x\":\"b\",\"w\":null}],\"m\":3},\"n\":\"text\",\"z\":["
        "]}",
        "{\"n\":\"\\u0041\",\"a\":{\"m\":3,\"r\":[{\"v\":1,\"w\":\"\",\"y\":{\"v\":4}},{\"x\":"
        "\"x\",\"v\":5}]}}",
        "{\"a\":{\"r\":[]},\"n\":null}",
        "{\"n\":\"x\",\"a\":{\"r\":[{\"v\":1},{\"v\":\"no\"},{\"v\":3},{\"v\":[[1]]}]}}",
        "{\"a\":{\"r\":[{\"v\":1},{\"v\":2},{\"v\":3},{\"v\":4},{\"v\":5},{\"v\":6},{\"v\":7}]},"
        "\"n\":\"0123456789\"}",
    };
    static const char bytes[] = "{}[]\",:\\0123nxavmrw e";
    FIXTURE once = fixture_new(route), twice = fixture_new(route);
    PL_CLEANUP(pl_buf_release) struct pl_buf a = {0}, b = {0};
    unsigned state = 3, unchanged = 0;
    ck_assert(once.rows->can_once);
    twice.rows->can_once = false;
    for (unsigned i = 0; i < 40000; i++) {
        char text[200];
        size_t len = strlen(messages[i % PL_COUNT(messages)]);
        memcpy(text, messages[i % PL_COUNT(messages)], len);
        for (unsigned k = 0; k < i / 5 % 3; k++) {
            state = state * 1103515245 + 12345;
            text[(state >> 8) % len] = bytes[(state >> 20) % (sizeof(bytes) - 1)];
        }
        unchanged += i / 5 % 3 == 0;
        ck_assert_uint_eq(decode_bytes(&once, text, len, -1), decode_bytes(&twice, text, len, -1));
        ck_assert_int_eq(once.row, twice.row);
        ck_assert_ptr_eq(once.reason, twice.reason);
        ck_assert_ptr_eq(once.detail, twice.detail);
        ck_assert_uint_eq(once.offset, twice.offset);
        ck_assert_str_eq(once.column, twice.column);
        ck_assert_uint_eq(once.rejects, twice.rejects);
        ck_assert_mem_eq(rows_counts(once.rows), rows_counts(twice.rows),
                         sizeof(struct rows_counts));
        if (i % 100 == 99) {
            block_native(once.block, &a);
            block_native(twice.block, &b);
            ck_assert_uint_eq(a.len, b.len);
            ck_assert_mem_eq(a.data, b.data, a.len);
            block_reset(once.block);
            block_reset(twice.block);
        }
    }
    ck_assert_uint_gt(rows_counts(once.rows)->rows, unchanged);
    ck_assert_uint_gt(rows_counts(once.rows)->rejected_messages, 1000);
    ck_assert_uint_gt(rows_counts(once.rows)->rejected_rows, 1000);
}
END_TEST

START_TEST(check_paths)
{
    FIXTURE f = fixture_new(
        "columns:\n"
        "  - {name: a, path: [$.x.a, $.b, $.\"c.d\"], type: Nullable(Int8), invalid: \"null\"}\n"
        "  - {name: b, path: $.b, type: Nullable(String), invalid: \"null\"}\n"
        "  - {name: all, path: $, type: String, json: true}\n");
    static const struct {
        const char *message, *a, *b;
    } cases[] = {
        {"{\"b\":2,\"x\":{\"a\":1}}", "1", "null"}, {"{\"b\":2,\"x\":{\"a\":null}}", "2", "null"},
        {"{\"c.d\":3,\"x\":null}", "3", "null"},    {"{\"x\":[],\"b\":2}", "null", "null"},
        {"{\"b\":\"s\"}", "null", "\"s\""},         {"{}", "null", "null"},
    };
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *want =
            pl_strf("{\"a\":%s,\"b\":%s,\"all\":%s}", cases[i].a, cases[i].b, cases[i].message);
        ck_assert_uint_eq(decode(&f, cases[i].message), 1);
        assert_row(&f, i, want);
    }
}
END_TEST

static bool header_find(const void *userdata, const char *name, struct pl_slice *ret)
{
    if (strcmp(name, userdata) != 0)
        return false;
    *ret = PL_SLICE_LIT("value");
    return true;
}

START_TEST(check_kafka)
{
    FIXTURE f =
        fixture_new("columns:\n"
                    "  - {name: topic, type: LowCardinality(String), from: topic}\n"
                    "  - {name: partition, type: Int32, from: partition}\n"
                    "  - {name: offset, type: Int64, from: offset}\n"
                    "  - {name: ts, type: DateTime64(6), from: timestamp, missing: default}\n"
                    "  - {name: ms, type: Nullable(Int64), from: timestamp}\n"
                    "  - {name: key, type: Nullable(String), from: key}\n"
                    "  - {name: h, type: String, from: \"header:h\"}\n");
    struct rows_message m = {.topic = "wiki",
                             .partition = 9,
                             .offset = 1LL << 40,
                             .timestamp_ms = 1500,
                             .key = "k",
                             .key_len = 1,
                             .value = "{}",
                             .value_len = 2,
                             .header = header_find,
                             .header_userdata = "h"};
    ck_assert_uint_eq(rows_decode(f.rows, &m, NULL, f.block, on_reject, &f), 1);
    assert_row(&f, 0,
               "{\"topic\":\"wiki\",\"partition\":9,\"offset\":1099511627776,"
               "\"ts\":\"1970-01-01T00:00:01.500000Z\",\"ms\":1500,\"key\":\"k\",\"h\":\"value\"}");
    m.timestamp_ms = -1;
    m.key = NULL;
    ck_assert_uint_eq(rows_decode(f.rows, &m, NULL, f.block, on_reject, &f), 1);
    assert_row(&f, 1,
               "{\"topic\":\"wiki\",\"partition\":9,\"offset\":1099511627776,"
               "\"ts\":\"1970-01-01T00:00:00.000000Z\",\"ms\":null,\"key\":null,\"h\":\"value\"}");
    m.header = NULL;
    ck_assert_uint_eq(rows_decode(f.rows, &m, NULL, f.block, on_reject, &f), 0);
    ck_assert_str_eq(f.column, "h");
    m.header = header_find;
    m.timestamp_ms = INT64_MAX;
    ck_assert_uint_eq(rows_decode(f.rows, &m, NULL, f.block, on_reject, &f), 0);
    ck_assert_str_eq(f.column, "ts");
    ck_assert_uint_eq(block_rows(f.block), 2);
}
END_TEST

/* Decoding is a function of the message: what was decoded before, kept or refused, in what order of
 * keys, changes nothing. */
START_TEST(check_determinism)
{
    static const char *const messages[] = {
        "{\"s\":\"a\",\"o\":{\"n\":1},\"b\":true,\"j\":[],\"f\":1}",
        "{\"f\":2,\"j\":{},\"b\":false,\"o\":{\"n\":2,\"m\":3},\"s\":\"b\"}",
        "{\"x\":1,\"s\":\"c\",\"y\":2,\"b\":true,\"z\":3,\"f\":4,\"j\":5}",
        "{\"s\":1}",
        "{\"s\":\"d\",\"b\":tru}",
    };
    FIXTURE fresh = fixture_new(wide_columns);
    FIXTURE used = fixture_new(wide_columns);
    struct pl_buf a = {0}, b = {0};
    unsigned state = 12345;
    for (unsigned i = 0; i < 5000; i++) {
        state = state * 1103515245 + 12345;
        decode(&used, messages[state >> 16 & 3]);
    }
    block_reset(used.block);
    for (unsigned i = 0; i < PL_COUNT(messages); i++) {
        decode(&fresh, messages[i]);
        decode(&used, messages[i]);
    }
    block_native(fresh.block, &a);
    block_native(used.block, &b);
    ck_assert_uint_eq(block_rows(fresh.block), 3);
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_mem_eq(a.data, b.data, a.len);
    pl_buf_release(&a);
    pl_buf_release(&b);
}
END_TEST

/* What one message may become. Values of the message around the rows are copied into each row. */
START_TEST(check_memory)
{
    FIXTURE f = fixture_new("rows: $.r[*]\ncolumns:\n  - {name: e, path: $.e, type: String}\n"
                            "  - {name: n, path: '@.n', type: Nullable(Int64)}\n");
    PL_CLEANUP(pl_buf_release) struct pl_buf m = {0}, before = {0}, after = {0};
    ck_assert_uint_eq(decode(&f, "{\"e\":\"x\",\"r\":[{\"n\":1},{\"x\":2}]}"), 2);
    block_native(f.block, &before);
    uint64_t unknown = rows_counts(f.rows)->unknown_fields;
    /* 120 KB that would be 1.3 GB. */
    pl_buf_add_str(&m, "{\"e\":\"");
    for (int i = 0; i < 60000; i++)
        pl_buf_add_byte(&m, 'e');
    pl_buf_add_str(&m, "\",\"y\":1,\"r\":[7,{}");
    for (int i = 0; i < 20000; i++)
        pl_buf_add_str(&m, ",{}");
    pl_buf_add_str(&m, "]}");
    ck_assert_uint_eq(decode_bytes(&f, m.data, m.len, -1), 0);
    ck_assert_str_eq(f.reason, "rows of the message are larger than message_memory_max");
    ck_assert_int_eq(f.row, -1);
    ck_assert_uint_eq(f.rejects, 2); /* the first element, and then the message */
    block_native(f.block, &after);
    ck_assert(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
    ck_assert_uint_lt(block_capacity(f.block), 200 << 20);
    ck_assert_uint_eq(rows_counts(f.rows)->rows, 2);
    ck_assert_uint_eq(rows_counts(f.rows)->rejected_rows, 0);
    ck_assert_uint_eq(rows_counts(f.rows)->rejected_messages, 1);
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, unknown);
    ck_assert_uint_eq(decode(&f, "{\"e\":\"x\",\"r\":[{\"n\":1}]}"), 1);
}
END_TEST

/* To the byte: a row is 1 + 3 of `e`, 8 + 1 of `n`. */
START_TEST(check_memory_exact)
{
    static const char m[] = "{\"e\":\"abc\",\"r\":[{},{},{}]}";
    FIXTURE fits = fixture_new("rows: $.r[*]\nmessage_memory_max: 39\ncolumns:\n"
                               "  - {name: e, path: $.e, type: String}\n"
                               "  - {name: n, path: '@.n', type: Nullable(Int64)}\n");
    FIXTURE over = fixture_new("rows: $.r[*]\nmessage_memory_max: 38\ncolumns:\n"
                               "  - {name: e, path: $.e, type: String}\n"
                               "  - {name: n, path: '@.n', type: Nullable(Int64)}\n");
    FIXTURE row = fixture_new("message_memory_max: 4\ncolumns:\n"
                              "  - {name: e, path: $.e, type: String}\n");
    for (int i = 0; i < 3; i++) { /* for each message anew */
        ck_assert_uint_eq(decode(&fits, m), 3);
        ck_assert_uint_eq(decode(&over, m), 0);
        ck_assert_uint_eq(decode_bytes(&over, m, strlen(m), 1), 1); /* one row of it fits */
        ck_assert_uint_eq(decode(&row, "{\"e\":\"abc\"}"), 1);
        ck_assert_uint_eq(decode(&row, "{\"e\":\"abcd\"}"), 0);
    }
    ck_assert_uint_eq(block_bytes(fits.block), 3 * 39);
    ck_assert_uint_eq(block_bytes(over.block), 3 * 13);
    ck_assert_uint_eq(block_bytes(row.block), 3 * 4);
    ck_assert_uint_eq(over.rejects, 3);
    ck_assert_uint_eq(row.rejects, 3);
}
END_TEST

/* What would be too large is not made first: 400 KB that would become 1 GB. */
START_TEST(check_memory_of_the_stash)
{
    FIXTURE f = fixture_new("rows: $.r[*]\nmessage_memory_max: 1MiB\ncolumns:\n"
                            "  - {name: s, path: $.s, type: String}\n"
                            "  - {name: n, path: '@.n', type: Nullable(Int8)}\n");
    PL_CLEANUP(pl_buf_release) struct pl_buf m = {0};
    pl_buf_add_str(&m, "{\"s\":\"");
    for (unsigned i = 0; i < 100000; i++)
        pl_buf_add_byte(&m, 'x');
    pl_buf_add_str(&m, "\",\"r\":[{}");
    for (unsigned i = 0; i < 10000; i++)
        pl_buf_add_str(&m, ",{}");
    pl_buf_add_str(&m, "]}");
    ck_assert_uint_eq(decode_bytes(&f, m.data, m.len, -1), 0);
    ck_assert_str_eq(f.reason, "rows of the message are larger than message_memory_max");
    ck_assert_uint_lt(block_capacity(f.block), 16 << 20);
}
END_TEST

START_TEST(check_memory_default)
{
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {{"", INT64_C(64) << 20},
                 {"message_bytes_max: 16MiB\n", INT64_C(64) << 20},
                 {"message_bytes_max: 20MiB\n", INT64_C(80) << 20},
                 {"message_memory_max: 1KiB\n", 1024}};
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        PL_FREE char *text =
            pl_strf("%scolumns:\n  - {name: e, path: $.e, type: String}\n", cases[i].text);
        FIXTURE f = fixture_new(text);
        ck_assert_int_eq(f.route->message_memory_max, cases[i].want);
    }
}
END_TEST

/* A dead letter names the refused rows in a header, which is bounded. */
START_TEST(check_many_refused)
{
    for (unsigned over = 0; over <= 1; over++) {
        FIXTURE f =
            fixture_new("rows: $.r[*]\ncolumns:\n  - {name: n, path: '@.n', type: Int64}\n");
        PL_CLEANUP(pl_buf_release) struct pl_buf m = {0};
        pl_buf_add_str(&m, "{\"r\":[{\"n\":1}");
        for (unsigned i = 0; i < ROW_SET_RANGES_MAX + over; i++)
            pl_buf_add_str(&m, ",7,8,{\"n\":1}");
        pl_buf_add_str(&m, "]}");
        uint64_t rows = decode_bytes(&f, m.data, m.len, -1);
        ck_assert_uint_eq(rows, over ? 0 : ROW_SET_RANGES_MAX + 1);
        ck_assert_uint_eq(block_rows(f.block), rows);
        ck_assert_uint_eq(f.rejects, 2 * ROW_SET_RANGES_MAX + over);
        ck_assert_str_eq(f.reason, over ? "too many rows of the message are refused"
                                        : "element is not a JSON object");
        ck_assert_int_eq(f.row, over ? -1 : 3 * ROW_SET_RANGES_MAX - 1);
        ck_assert_uint_eq(rows_counts(f.rows)->rejected_rows, over ? 0 : 2 * ROW_SET_RANGES_MAX);
        ck_assert_uint_eq(rows_counts(f.rows)->rejected_messages, over);
    }
}
END_TEST

/* Of several rows that are asked for, each is taken once; a row that is not there refuses all. */
START_TEST(check_row_sets)
{
    FIXTURE f = fixture_new("rows: $.r[*]\ncolumns:\n  - {name: n, path: '@.n', type: Int64}\n");
    static const char value[] = "{\"r\":[{\"n\":0},{\"n\":1},{},{\"n\":3},{\"n\":4}]}";
    const struct rows_message m = {.topic = "t", .value = value, .value_len = strlen(value)};
    PL_CLEANUP(row_set_release) struct row_set set = {0};
    ck_assert(row_set_parse(&set, "0,2-3", 5));
    ck_assert_uint_eq(rows_decode(f.rows, &m, &set, f.block, on_reject, &f), 2);
    assert_row(&f, 0, "{\"n\":0}");
    assert_row(&f, 1, "{\"n\":3}");
    ck_assert_int_eq(f.row, 2);
    ck_assert(row_set_parse(&set, "0,4-5", 5));
    ck_assert_uint_eq(rows_decode(f.rows, &m, &set, f.block, on_reject, &f), 0);
    ck_assert_int_eq(f.row, -1);
    ck_assert_str_eq(f.reason, "message has no such element");
    ck_assert_uint_eq(block_rows(f.block), 2);
    ck_assert(!row_set_parse(&set, "", 0)); /* empty: all */
    ck_assert_uint_eq(rows_decode(f.rows, &m, &set, f.block, on_reject, &f), 4);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_golden),
        TEST(check_cut),
        TEST(check_refused, .count = PL_COUNT(refused)),
        TEST(check_accepted),
        TEST(check_limits),
        TEST(check_elements),
        TEST(check_element_cases, .count = PL_COUNT(element_cases)),
        TEST(check_elements_many),
        TEST(check_unknown),
        TEST(check_learned),
        TEST(check_once),
        TEST(check_paths),
        TEST(check_kafka),
        TEST(check_determinism),
        TEST(check_memory),
        TEST(check_memory_exact),
        TEST(check_memory_of_the_stash),
        TEST(check_memory_default),
        TEST(check_many_refused),
        TEST(check_row_sets),
    };
    return unit_main("rows", tests, PL_COUNT(tests));
}

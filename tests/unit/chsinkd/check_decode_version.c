/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_decode_version.c - DECODE_VERSION stands for what the decoder makes of a message: a sample
 * of values, spellings and shapes gives the bytes that are recorded here for it. Who changes what
 * comes out raises the version; then a range that the version before announced is not inserted
 * again blindly (route/digest.h), but compared with the table.
 *
 * links: chsinkd
 */
#include <inttypes.h>

#include "daemons/chsinkd/batch/column.h"
#include "daemons/chsinkd/decode/rows.h"
#include "tests/unit/unit.h"

/* For this version the bytes below were recorded. */
#define VERSION 2
_Static_assert(VERSION == DECODE_VERSION, "run this test, record both numbers anew");
#define VALUES_HASH UINT64_C(0x790362e570f6f2fa)
#define SHAPES_HASH UINT64_C(0xda2d5a271d7e8a7f)
#define PARTS_HASH  UINT64_C(0x4284c53514ea5320)

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t hash_block(const struct block *b)
{
    uint64_t hash = hash_bytes(UINT64_C(14695981039346656037), &b->rows, sizeof(b->rows));

    for (unsigned i = 0; i < b->columns_n; i++) {
        const struct block_column *c = &b->columns[i];
        hash = hash_bytes(hash, c->data, c->width ? b->rows * c->width : c->len);
        if (c->nulls)
            hash = hash_bytes(hash, c->nulls, b->rows);
    }
    return hash;
}

static uint64_t decode(const char *text, const char *const *values, size_t n, const char *format)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    PL_CLEANUP(route_freep) struct route *route = route_parse("r", text, strlen(text), &errs);
    ck_assert_msg(route != NULL, "%s", pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
    PL_CLEANUP(block_freep) struct block *block = block_new(route);
    PL_CLEANUP(rows_freep) struct rows *rows = rows_new(route);
    PL_CLEANUP(pl_buf_release) struct pl_buf buf = {0};

    for (size_t i = 0; i < n; i++) {
        const char *at = strchr(format, '%');
        pl_buf_reset(&buf);
        pl_buf_add(&buf, format, (size_t)(at - format));
        pl_buf_add_str(&buf, values[i]);
        pl_buf_add_str(&buf, at + 1);
        if (route->strip == STRIP_SCHEMA_REGISTRY)
            memcpy(buf.data, "\0\0\1\2\3", 5);
        const struct rows_message m = {.topic = "t",
                                       .partition = 3,
                                       .offset = (int64_t)i,
                                       .timestamp_ms = INT64_C(1763715600123),
                                       .key = "k",
                                       .key_len = 1,
                                       .value = buf.data,
                                       .value_len = buf.len};
        rows_decode(rows, &m, NULL, block, NULL, NULL);
    }
    ck_assert_uint_gt(block_rows(block), n / 3);
    return hash_block(block);
}

#define C(name, type, more)                                                                        \
    "  - {name: " name ", type: \"Nullable(" type ")\", path: $.v, invalid: \"null\"" more "}\n"

/* Every type takes every value. */
START_TEST(values)
{
    /* clang-format off */
    static const char route[] =
        "topic: t\ntable: x\nengine: MergeTree\norder_by: tuple()\ncolumns:\n"
        C("s", "String", "") C("j", "String", ", json: true") C("b", "Bool", "")
        C("i8", "Int8", "") C("i16", "Int16", "") C("i32", "Int32", "") C("i64", "Int64", "")
        C("u8", "UInt8", "") C("u16", "UInt16", "") C("u32", "UInt32", "") C("u64", "UInt64", "")
        C("f32", "Float32", "") C("f64", "Float64", "") C("d", "Date", "") C("dt", "DateTime", "")
        C("dt_ms", "DateTime", ", unit: ms") C("t0", "DateTime64(0)", "")
        C("t3", "DateTime64(3)", "") C("t3_s", "DateTime64(3)", ", unit: s")
        C("t6_ns", "DateTime64(6)", ", unit: ns") C("t8", "DateTime64(8)", ", unit: us")
        C("t9", "DateTime64(9)", "") C("id", "UUID", "");
    /* clang-format on */
    static const char *const all[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "127",
        "128",
        "-128",
        "-129",
        "255",
        "256",
        "32767",
        "32768",
        "65535",
        "65536",
        "2147483647",
        "2147483648",
        "-2147483648",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "16777216",
        "16777217",
        "16777217.0",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.0",
        "0.5",
        "0.1",
        "1e2",
        "1E+2",
        "1.0e-2",
        "1e400",
        "-1e400",
        "1e-400",
        "3.4028235e38",
        "3.5e38",
        "1763715600",
        "1763715600.5",
        "1763715600123",
        "1763715600123456",
        "1763715600123456789",
        "4102444800",
        "187130908800",
        "\"\"",
        "\"a\"",
        "\"1\"",
        "\"-1\"",
        "\"1.5\"",
        "\" 1\"",
        "\"true\"",
        "\"nan\"",
        "\"inf\"",
        "\"2025-11-21\"",
        "\"2025-11-21 09:00:00\"",
        "\"2025-11-21T09:00:00Z\"",
        "\"2025-11-21T09:00:00.123456789Z\"",
        "\"2025-11-21T09:00:00+02:00\"",
        "\"1969-12-31T23:59:59.5Z\"",
        "\"1899-12-31T00:00:00Z\"",
        "\"2262-04-11T23:47:16Z\"",
        "\"2262-04-12T00:00:00Z\"",
        "\"7900-01-01T00:00:00Z\"",
        "\"2025-02-30\"",
        "\"2016-12-31T23:59:60Z\"",
        "\"61f0c404-5cb3-11e7-907b-a6006ad3dba0\"",
        "\"61F0C404-5CB3-11E7-907B-A6006AD3DBA0\"",
        "\"61f0c4045cb311e7907ba6006ad3dba0\"",
        "\"\\u00e4\\n\\\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\xc3\xa4\"",
        "\"\xff\"",
        "{}",
        "[]",
        "{\"a\": [1, 2.50, \"x\"]}",
        "[ 1 , 2 ]",
    };
    uint64_t hash = decode(route, all, PL_COUNT(all), "{\"v\": %}");

    ck_assert_msg(hash == VALUES_HASH,
                  "what the decoder makes of these values has changed: raise DECODE_VERSION and "
                  "record it with %016" PRIx64,
                  hash);
}
END_TEST

/* Where values are found, what is missing, twice or unknown. */
START_TEST(shapes)
{
    static const char route[] =
        "topic: t\ntable: x\nengine: MergeTree\norder_by: tuple()\nrows: $.r[*]\n"
        "unknown_fields: keep\ndepth_max: 5\nmessage_bytes_max: 200\ncolumns:\n"
        "  - {name: a, type: UInt8, path: \"@.a\"}\n"
        "  - {name: b, type: String, path: [\"@.b\", \"@.c.d\"], missing: default}\n"
        "  - {name: m, type: Nullable(Int64), path: $.m.n}\n"
        "  - {name: j, type: String, path: \"@.j\", json: true, missing: default}\n"
        "  - {name: t, type: String, from: topic}\n"
        "  - {name: p, type: Int32, from: partition}\n"
        "  - {name: o, type: UInt64, from: offset}\n"
        "  - {name: w, type: DateTime64(3), from: timestamp}\n"
        "  - {name: k, type: String, from: key}\n"
        "  - {name: u, type: String, unknown: true}\n";
    static const char *const all[] = {
        "",
        "null",
        "1",
        "{}",
        "{\"r\": 1}",
        "{\"r\": []}",
        "\xef\xbb\xbf{\"r\": [{\"a\": 1}]}",
        "{\"r\": [{}]}",
        "{\"r\": [{\"a\": 1}, {\"a\": 256}, {\"a\": 2}]}",
        "{\"r\": [{\"a\": 1}, 5, null]}",
        "{\"r\": [{\"a\": 1}]} x",
        "{\"r\": [{\"a\": 1}",
        "{\"r\": [{\"a\": 1, \"a\": 2}]}",
        "{\"r\": [{\"a\": 1, \"x\": 1, \"x\": 2}]}",
        "{\"r\": [{\"a\": 1}], \"r\": [{\"a\": 2}]}",
        "{\"m\": {\"n\": 7}, \"r\": [{\"a\": 1}, {\"a\": 2}]}",
        "{\"r\": [{\"a\": 1}, {\"a\": 2}], \"m\": {\"n\": 7}, \"y\": {\"z\": [1]}}",
        "{\"r\": [{\"a\": 1}], \"m\": 5}",
        "{\"r\": [{\"a\": 1}], \"m\": {\"n\": \"x\"}}",
        "{\"r\": [{\"a\": 1, \"b\": \"b\", \"c\": {\"d\": \"d\", \"e\": 1}}]}",
        "{\"r\": [{\"a\": 1, \"b\": null, \"c\": {\"d\": \"d\"}}]}",
        "{\"r\": [{\"a\": 1, \"j\": {\"q\": [ 1, {}]}, \"a.b\": 1, \"q\\\"\": 2}]}",
        "{\"r\": [{\"a\": 1, \"j\": [[[[1]]]]}]}",
        "{\"r\": [{\"a\": 1, \"b\": "
        "\"0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789012345678901234567890123456789\"}]}",
    };
    uint64_t hash = decode(route, all, PL_COUNT(all), "%");

    ck_assert_msg(hash == SHAPES_HASH,
                  "what the decoder makes of these messages has changed: raise DECODE_VERSION and "
                  "record it with %016" PRIx64,
                  hash);
}
END_TEST

/* What is before and between documents, and which of their rows are taken. */
START_TEST(parts)
{
    static const char route[] =
        "topic: t\ntable: x\nengine: MergeTree\norder_by: tuple()\nrows: $.r[*]\n"
        "rows_missing: none\ndocuments: many\nmessage: {strip: schema_registry}\n"
        "when: '$.t == \"x\" or @.a >= 2 and not @.b in [1, true, \"y\"]'\ncolumns:\n"
        "  - {name: a, type: UInt8, path: \"@.a\"}\n"
        "  - {name: b, type: String, path: \"@.b\", json: true, missing: default}\n"
        "  - {name: m, type: Nullable(Int8), path: $.m}\n"
        "  - {name: id, type: UInt32, from: schema_id}\n";
    static const char *const all[] = {
        "{\"r\": [{\"a\": 1}, {\"a\": 2}, {\"a\": 2.0, \"b\": 1e0}, {\"a\": 3, \"b\": false}]}",
        "{\"t\": \"x\", \"r\": [{\"a\": 1}, {\"a\": 256}]}\n{\"r\": [{\"a\": 9, \"b\": \"y\"}]}\n",
        "{\"m\": 1, \"t\": \"\\u0078\", \"r\": [{\"a\": 1}]}\x1e{\"m\": 999, \"r\": [{\"a\": 2}]} "
        "{}",
        "{\"r\": [{\"a\": 2}]}{\"m\": 3, \"r\": [{\"a\": 4, \"b\": null}]}\n5\n",
        "{\"t\": \"x\", \"r\": [{\"a\": 1}]}\n{",
        "{\"t\": \"x\", \"t\": \"x\", \"r\": [{\"a\": 1}]}\n{\"t\": \"x\", \"r\": [{\"a\": 2}]}",
    };
    uint64_t hash = decode(route, all, PL_COUNT(all), "frame%");

    ck_assert_msg(hash == PARTS_HASH,
                  "what the decoder makes of these messages has changed: raise DECODE_VERSION and "
                  "record it with %016" PRIx64,
                  hash);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {TEST(values), TEST(shapes), TEST(parts)};
    return unit_main("decode_version", tests, PL_COUNT(tests));
}

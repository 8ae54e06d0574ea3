/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows_values.c - every type of a column with every kind of value: what comes of it, or why
 * it is refused.
 *
 * links: chsinkd
 */
#include "tests/unit/rows_fixture.h"
#include "tests/unit/unit.h"

#define WRONG     "value has the wrong type for the column"
#define RANGE     "value is out of range for the column"
#define PRECISION "value would lose precision in the column"
#define SURROGATE "string holds a lone surrogate"
#define TIME      "value is not an RFC 3339 time"
#define UUID      "value is not a UUID"
#define TEXT      "string is not just a value for the column"
#define NO_VALUE  "no value for the column"
#define NOT_JSON  "not valid JSON"

/* type (and policies), the value, what is printed or (with !) why it is refused. */
static const struct {
    const char *type, *value, *want;
} values[] = {
    {"String", "\"\"", "\"\""},
    {"String", "\"abc\"", "\"abc\""},
    {"String", "\"a\\u0000b\\n\\ud83d\\ude00\\/\"", "\"a\\u0000b\\n\xf0\x9f\x98\x80/\""},
    {"String", "\"\xf0\x9f\x98\x80\xe2\x80\xa8\"", "\"\xf0\x9f\x98\x80\xe2\x80\xa8\""},
    {"String", "\"\\ud800\"", "!" SURROGATE},
    {"String", "\"\\udc00\\ud800\"", "!" SURROGATE},
    {"String", "1", "!" WRONG},
    {"String", "true", "!" WRONG},
    {"String", "[\"a\"]", "!" WRONG},
    {"String", "{\"a\":1}", "!" WRONG},
    {"String", "null", "!" NO_VALUE},
    {"String, json: true", "{\"a\": [1, 2.50, \"\\ud800\"]}", "{\"a\": [1, 2.50, \"\\ud800\"]}"},
    {"String, json: true", "[]", "[]"},
    {"String, json: true", "\"x\"", "\"x\""},
    {"String, json: true", "-0.0e-5", "-0.0e-5"},
    {"String, json: true", "false", "false"},
    {"String, json: true", "null", "!" NO_VALUE},
    {"String, json: true", "[1,]", "!" NOT_JSON},
    {"LowCardinality(String)", "\"x\"", "\"x\""},
    {"LowCardinality(Nullable(String))", "null", "null"},
    {"Bool", "true", "true"},
    {"Bool", "false", "false"},
    {"Bool", "1", "!" WRONG},
    {"Bool", "\"true\"", "!" WRONG},
    {"Bool", "tru", "!" NOT_JSON},
    {"Int8", "127", "127"},
    {"Int8", "-128", "-128"},
    {"Int8", "128", "!" RANGE},
    {"Int8", "-129", "!" RANGE},
    {"Int16", "32767", "32767"},
    {"Int16", "-32768", "-32768"},
    {"Int16", "32768", "!" RANGE},
    {"Int32", "2147483647", "2147483647"},
    {"Int32", "-2147483648", "-2147483648"},
    {"Int32", "2147483648", "!" RANGE},
    {"Int64", "9223372036854775807", "9223372036854775807"},
    {"Int64", "-9223372036854775808", "-9223372036854775808"},
    {"Int64", "9223372036854775808", "!" RANGE},
    {"Int64", "-9223372036854775809", "!" RANGE},
    {"Int64", "999999999999999999", "999999999999999999"},
    {"Int64", "-99999999999999999", "-99999999999999999"},
    {"Int64", "1.0", "1"},
    {"Int64", "1e3", "1000"},
    {"Int64", "-0", "0"},
    {"Int64", "1.5", "!" PRECISION},
    {"Int64", "1e30", "!" RANGE},
    {"Int64", "\"1\"", "!" WRONG},
    {"Int64", "true", "!" WRONG},
    {"Int64", "01", "!" NOT_JSON},
    {"Int64", "-", "!" NOT_JSON},
    {"UInt8", "255", "255"},
    {"UInt8", "256", "!" RANGE},
    {"UInt8", "-1", "!" RANGE},
    {"UInt16", "65535", "65535"},
    {"UInt16", "65536", "!" RANGE},
    {"UInt32", "4294967295", "4294967295"},
    {"UInt32", "4294967296", "!" RANGE},
    {"UInt64", "18446744073709551615", "18446744073709551615"},
    {"UInt64", "18446744073709551616", "!" RANGE},
    {"UInt64", "-1", "!" RANGE},
    {"UInt64", "0.5", "!" PRECISION},
    {"Float64", "1.5", "1.5"},
    {"Float64", "0.1", "0.10000000000000001"},
    {"Float64", "-1e-3", "-0.001"},
    {"Float64", "9007199254740992", "9007199254740992"},
    {"Float64", "9007199254740993", "!" PRECISION},
    {"Float64", "1e400", "!" RANGE},
    {"Float64", "\"NaN\"", "!" WRONG},
    {"Float64", "9007199254740993.0", "!" PRECISION},
    {"Float64", "9.007199254740993e15", "!" PRECISION},
    {"Float32", "1.5", "1.5"},
    {"Float32", "16777217.0", "!" PRECISION},
    {"Float32", "1.6777217e7", "!" PRECISION},
    {"Float32", "16777216", "16777216"},
    {"Float32", "16777217", "!" PRECISION},
    {"Float32", "1e39", "!" RANGE},
    {"Float32", "0.1", "0.100000001"},
    {"Date", "\"2024-02-29\"", "\"2024-02-29\""},
    {"Date", "\"2024-02-29T00:00:00Z\"", "\"2024-02-29\""},
    {"Date", "\"2024-02-29T00:00:01Z\"", "!" PRECISION},
    {"Date", "\"2023-02-29\"", "!" TIME},
    {"Date", "\"1970-01-01\"", "\"1970-01-01\""},
    {"Date", "\"1969-12-31\"", "!" RANGE},
    {"Date", "\"2149-06-06\"", "\"2149-06-06\""},
    {"Date", "\"2149-06-07\"", "!" RANGE},
    {"Date", "1", "!" WRONG},
    {"DateTime", "\"2024-09-01T17:56:28Z\"", "\"2024-09-01T17:56:28Z\""},
    {"DateTime", "\"2024-09-01T17:56:28.000Z\"", "\"2024-09-01T17:56:28Z\""},
    {"DateTime", "\"2024-09-01T17:56:28.001Z\"", "!" PRECISION},
    {"DateTime", "\"2024-09-01T19:56:28+02:00\"", "\"2024-09-01T17:56:28Z\""},
    {"DateTime", "\"1969-12-31T23:59:59Z\"", "!" RANGE},
    {"DateTime", "\"2106-02-07T06:28:15Z\"", "\"2106-02-07T06:28:15Z\""},
    {"DateTime", "\"2106-02-07T06:28:16Z\"", "!" RANGE},
    {"DateTime", "5", "!a number for a time, but the route names no unit"},
    {"DateTime, unit: s", "1725213388", "\"2024-09-01T17:56:28Z\""},
    {"DateTime, unit: s", "-1", "!" RANGE},
    {"DateTime, unit: s", "4294967296", "!" RANGE},
    {"DateTime, unit: s", "1.5", "!" PRECISION},
    {"DateTime, unit: s", "1725213388.000", "\"2024-09-01T17:56:28Z\""},
    {"DateTime, unit: ms", "1725213388000.5", "!" PRECISION},
    {"DateTime, unit: ms", "1725213.388e6", "\"2024-09-01T17:56:28Z\""},
    {"DateTime, unit: d", "1", "\"1970-01-02T00:00:00Z\""},
    {"DateTime, unit: d", "1.5", "!" PRECISION},
    {"Date", "19844", "!" WRONG},
    {"Date, unit: d", "19844", "\"2024-05-01\""},
    {"Date, unit: d", "19844.0", "\"2024-05-01\""},
    {"Date, unit: d", "0", "\"1970-01-01\""},
    {"Date, unit: d", "65535", "\"2149-06-06\""},
    {"Date, unit: d", "65536", "!" RANGE},
    {"Date, unit: d", "-1", "!" RANGE},
    {"Date, unit: d", "106751991167301", "!" RANGE},
    {"Date, unit: d", "\"2024-05\"", "!" TIME},
    {"Date, unit: d", "\"2024-05-01T00:00:00Z\"", "\"2024-05-01\""},
    {"Date, unit: ms", "1714521600000", "\"2024-05-01\""},
    {"Date, unit: s", "1714521601", "!" PRECISION},
    {"DateTime, unit: ms", "1725213388000", "\"2024-09-01T17:56:28Z\""},
    {"DateTime, unit: ms", "1725213388001", "!" PRECISION},
    {"DateTime64(3)", "\"2024-09-01T17:56:28.125Z\"", "\"2024-09-01T17:56:28.125Z\""},
    {"DateTime64(3)", "\"2024-09-01T17:56:28.1Z\"", "\"2024-09-01T17:56:28.100Z\""},
    {"DateTime64(3)", "\"2024-09-01T17:56:28.1250Z\"", "\"2024-09-01T17:56:28.125Z\""},
    {"DateTime64(3)", "\"2024-09-01T17:56:28.1251Z\"", "!" PRECISION},
    {"DateTime64(3)", "\"2024-09-01T17:56:28.Z\"", "!" TIME},
    {"DateTime64(3)", "\"2024-09-01T24:00:00Z\"", "!" TIME},
    {"DateTime64(3)", "\"2024-09-01T17:60:00Z\"", "!" TIME},
    {"DateTime64(3)", "\"2024-09-01T17:56:60Z\"", "!" TIME},
    {"DateTime64(3)", "\"2024-13-01T17:56:28Z\"", "!" TIME},
    {"DateTime64(3)", "\"2024-09-01T17:56:2:Z\"", "!" TIME},
    {"DateTime64(3)", "\"2024\\u002d09-01T17:56:28Z\"", "\"2024-09-01T17:56:28.000Z\""},
    {"DateTime64(3)",
     "\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000T17:56:28Z\"",
     "!" TIME},
    {"DateTime64(3)", "\"1900-01-01T00:00:00Z\"", "\"1900-01-01T00:00:00.000Z\""},
    {"DateTime64(3)", "\"1899-12-31T23:59:59.999Z\"", "!" RANGE},
    {"DateTime64(3)", "\"2299-12-31T23:59:59.999Z\"", "\"2299-12-31T23:59:59.999Z\""},
    {"DateTime64(3)", "\"2300-01-01T00:00:00Z\"", "!" RANGE},
    {"DateTime64(3)", "\"1969-12-31T23:59:59.999Z\"", "\"1969-12-31T23:59:59.999Z\""},
    {"DateTime64(0)", "\"1969-12-31T23:59:59Z\"", "\"1969-12-31T23:59:59Z\""},
    {"DateTime64(9)", "\"2024-09-01T17:56:28.123456789Z\"", "\"2024-09-01T17:56:28.123456789Z\""},
    {"DateTime64(9)", "\"2262-04-11T23:47:16.854775807Z\"", "\"2262-04-11T23:47:16.854775807Z\""},
    {"DateTime64(9)", "\"2262-04-11T23:47:16.854775808Z\"", "!" RANGE},
    {"DateTime64(9)", "\"2299-01-01T00:00:00Z\"", "!" RANGE},
    {"DateTime64(3), unit: ms", "1725213388125", "\"2024-09-01T17:56:28.125Z\""},
    {"DateTime64(3), unit: s", "1725213388", "\"2024-09-01T17:56:28.000Z\""},
    {"DateTime64(3), unit: us", "1725213388125000", "\"2024-09-01T17:56:28.125Z\""},
    {"DateTime64(3), unit: us", "1725213388125001", "!" PRECISION},
    {"DateTime64(3), unit: s", "1725213388.125", "\"2024-09-01T17:56:28.125Z\""},
    {"DateTime64(3), unit: s", "1725213388.1250", "\"2024-09-01T17:56:28.125Z\""},
    {"DateTime64(3), unit: s", "1725213388.1254", "!" PRECISION},
    {"DateTime64(6), unit: s", "1725213388.125400", "\"2024-09-01T17:56:28.125400Z\""},
    {"DateTime64(3), unit: s", "-0.001", "\"1969-12-31T23:59:59.999Z\""},
    {"DateTime64(3), unit: s", "1.725213388125e9", "\"2024-09-01T17:56:28.125Z\""},
    {"DateTime64(3), unit: us", "1725213388125000.5", "!" PRECISION},
    {"DateTime64(9), unit: us", "1725213388125000.5", "\"2024-09-01T17:56:28.125000500Z\""},
    {"DateTime64(3), unit: s", "1e17", "!" RANGE},
    {"DateTime64(3), unit: s", "1e-400", "!" PRECISION},
    {"DateTime64(3), unit: d", "1", "\"1970-01-02T00:00:00.000Z\""},
    {"DateTime64(3), unit: ns", "-1000000", "\"1969-12-31T23:59:59.999Z\""},
    {"DateTime64(9), unit: s", "9223372037", "!" RANGE},
    {"DateTime64(3), unit: ms", "1e400", "!" RANGE},
    {"DateTime64(8)", "\"7900-01-01T00:00:00Z\"", "!" RANGE},
    {"DateTime64(8)", "\"7900-01-01T00:00:00+00:00\"", "!" RANGE},
    {"DateTime64(8), unit: s", "187133587200", "!" RANGE},
    {"DateTime64(8), unit: ms", "187133587200000", "!" RANGE},
    {"DateTime64(3)", "true", "!" WRONG},
    {"DateTime64(3)", "{}", "!" WRONG},
    {"UUID", "\"00112233-4455-6677-8899-AabbCCddeEff\"",
     "\"00112233-4455-6677-8899-aabbccddeeff\""},
    {"UUID", "\"00112233-4455-6677-8899-aabbccddeef\"", "!" UUID},
    {"UUID", "\"00112233-4455-6677-8899-aabbccddeefg\"", "!" UUID},
    {"UUID", "\"001122334455-6677-8899-aabb-ccddeeff\"", "!" UUID},
    {"UUID", "\"\\u00300112233-4455-6677-8899-aabbccddeeff\"",
     "\"00112233-4455-6677-8899-aabbccddeeff\""},
    {"UUID", "\"00112233445566778899AabbCCddeEff\"", "\"00112233-4455-6677-8899-aabbccddeeff\""},
    {"UUID", "\"0011223344556677-8899AabbCCddeEff\"", "!" UUID},
    {"UUID", "\"00112233445566778899AabbCCddeEfg\"", "!" UUID},
    {"UUID", "\"\"", "!" UUID},
    {"UUID", "\"\\ud800\"", "!" UUID},
    {"UUID", "1", "!" WRONG},
    {"UInt64, from_text: true", "\"18446744073709551615\"", "18446744073709551615"},
    {"UInt64, from_text: true", "27", "27"},
    {"UInt64, from_text: true", "\"18446744073709551616\"", "!" RANGE},
    {"UInt64, from_text: true", "\"27 \"", "!" TEXT},
    {"UInt64, from_text: true", "\" 27\"", "!" TEXT},
    {"UInt64, from_text: true", "\"027\"", "!" TEXT},
    {"UInt64, from_text: true", "\"0x1b\"", "!" TEXT},
    {"UInt64, from_text: true", "\"-\"", "!" TEXT},
    {"UInt64, from_text: true", "\"\"", "!" TEXT},
    {"UInt64, from_text: true", "\"27\\u0030\"", "!" TEXT},
    {"UInt64, from_text: true", "\"true\"", "!" WRONG},
    {"UInt64, from_text: true", "[\"27\"]", "!" WRONG},
    {"Int8, from_text: true", "\"-128\"", "-128"},
    {"Int8, from_text: true", "\"1.5\"", "!" PRECISION},
    {"Float64, from_text: true", "\"1.5\"", "1.5"},
    {"Float64, from_text: true", "\"NaN\"", "!" TEXT},
    {"Bool, from_text: true", "\"true\"", "true"},
    {"Bool, from_text: true", "\"false\"", "false"},
    {"Bool, from_text: true", "\"truex\"", "!" TEXT},
    {"Bool, from_text: true", "\"True\"", "!" TEXT},
    {"Bool, from_text: true", "true", "true"},
    {"DateTime, unit: s, from_text: true", "\"1725213388\"", "\"2024-09-01T17:56:28Z\""},
    {"DateTime, unit: s, from_text: true", "\"2024-09-01T17:56:28Z\"", "\"2024-09-01T17:56:28Z\""},
    {"DateTime, unit: s, from_text: true", "\"2024-09\"", "!" TEXT},
    {"Nullable(Int8), from_text: true, invalid: \"null\"", "\"12x\"", "null"},
    {"Nullable(Int8), invalid: \"null\"", "300", "null"},
    {"Nullable(Int8), invalid: \"null\"", "\"a\"", "null"},
    {"Nullable(Int8), invalid: \"null\"", "[1, {\"a\": 2}]", "null"},
    {"Nullable(Int8), invalid: \"null\"", "[1, {\"a\": 2]", "!" NOT_JSON},
    {"Nullable(Int8)", "300", "!" RANGE},
    {"Nullable(Int8)", "null", "null"},
    {"Nullable(Int8), missing: reject", "null", "!" NO_VALUE},
    {"Nullable(Int8), missing: default", "null", "0"},
    {"Nullable(String), invalid: \"null\"", "\"\\ud800\"", "null"},
    {"Nullable(UUID), invalid: \"null\"", "\"x\"", "null"},
    {"UUID, missing: default", "null", "\"00000000-0000-0000-0000-000000000000\""},
    {"DateTime, missing: default", "null", "\"1970-01-01T00:00:00Z\""},
};

/* Each value in four places: alone, found out of the guessed order, through two paths, and in an
 * element. */
static const char *const value_places[][2] = {
    {"columns:\n  - {name: v, path: $.v, type: %s}\n", "{\"v\":%s}"},
    {"columns:\n  - {name: v, path: $.a.v, type: %s}\n",
     " { \"x\" : [ ] , \"a\" : { \"v\" : %s } } "},
    {"columns:\n  - {name: v, path: [$.w, $.v], type: %s}\n", "{\"w\":null,\"v\":%s,\"y\":1}"},
    {"rows: $.r[*]\ncolumns:\n  - {name: v, path: '@.v', type: %s}\n", "{\"r\":[{\"v\":%s}]}"},
    {"rows: $.r[*]\ncolumns:\n  - {name: v, path: $.v, type: %s}\n", "{\"r\":[{}],\"v\":%s}"},
};

START_TEST(check_values)
{
    for (unsigned p = 0; p < PL_COUNT(value_places); p++) {
        /* The types hold commas, so inside { } those with parentheses stand in quotes. */
        PL_FREE char *type = NULL;
        const char *text = values[_i].type, *comma = strchr(text, ',');
        type = comma ? pl_strf("\"%.*s\"%s", (int)(comma - text), text, comma)
                     : pl_strf("\"%s\"", text);
        struct pl_buf yaml = {0}, message = {0}, line = {0};
        const char *at = strstr(value_places[p][0], "%s");
        pl_buf_add(&yaml, value_places[p][0], (size_t)(at - value_places[p][0]));
        pl_buf_add_str(&yaml, type);
        pl_buf_add_str(&yaml, at + 2);
        at = strstr(value_places[p][1], "%s");
        pl_buf_add(&message, value_places[p][1], (size_t)(at - value_places[p][1]));
        pl_buf_add_str(&message, values[_i].value);
        pl_buf_add_str(&message, at + 2);
        FIXTURE f = fixture_new(pl_buf_cstr(&yaml));
        for (unsigned turn = 0; turn < 3; turn++) { /* the guesses change between them */
            uint64_t n = decode(&f, pl_buf_cstr(&message));
            const char *want = values[_i].want;
            if (*want == '!') {
                ck_assert_uint_eq(n, 0);
                ck_assert_uint_eq(f.rejects, turn + 1);
                ck_assert_msg(strcmp(f.reason, want + 1) == 0, "%s %s place %u: %s", text,
                              values[_i].value, p, f.reason);
                ck_assert_uint_eq(block_rows(f.block), 0);
                continue;
            }
            ck_assert_msg(n == 1, "%s %s place %u: %s", text, values[_i].value, p, f.reason);
            pl_buf_reset(&line);
            pl_buf_addf(&line, "{\"v\":%s}", want);
            assert_row(&f, turn, pl_buf_cstr(&line));
        }
        pl_buf_release(&yaml);
        pl_buf_release(&message);
        pl_buf_release(&line);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_values, .count = PL_COUNT(values)),
    };
    return unit_main("rows_values", tests, PL_COUNT(tests));
}

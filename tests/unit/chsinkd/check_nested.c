/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_nested.c - columns with values made of values: Array, Map, Tuple, JSON, and $.a[*].b: their
 * types, and what comes of every kind of value.
 *
 * links: chsinkd
 */
#include "daemons/chsinkd/duckdb/append.h"
#include "daemons/chsinkd/iceberg/format/schema.h"
#include "daemons/chsinkd/route/digest.h"
#include "tests/unit/rows_fixture.h"

/* ---- types ---- */

/* text; what it is spelled as and sent as; NULL: refused. */
static const struct {
    const char *text, *ddl, *wire;
} types[] = {
    {"Array(String)", "Array(String)", "Array(String)"},
    {" Array ( Nullable( bigint ) ) ", "Array(Nullable(Int64))", "Array(Nullable(Int64))"},
    {"Array(LowCardinality(String))", "Array(LowCardinality(String))", "Array(String)"},
    {"Array(Array(DateTime64(3,'UTC')))", "Array(Array(DateTime64(3, 'UTC')))",
     "Array(Array(DateTime64(3, 'UTC')))"},
    {"Map(String,UInt8)", "Map(String, UInt8)", "Map(String, UInt8)"},
    {"Map(LowCardinality(String), LowCardinality(Nullable(String)))",
     "Map(LowCardinality(String), LowCardinality(Nullable(String)))",
     "Map(String, Nullable(String))"},
    {"Tuple(String, UInt8)", "Tuple(String, UInt8)", "Tuple(String, UInt8)"},
    {"Tuple(DateTime64(3), Array(Int8))", "Tuple(DateTime64(3), Array(Int8))",
     "Tuple(DateTime64(3), Array(Int8))"},
    {"Tuple(a String,b_2 Nullable(UInt8))", "Tuple(a String, b_2 Nullable(UInt8))",
     "Tuple(a String, b_2 Nullable(UInt8))"},
    {"Tuple(\n    `a b` String,\n    \"c`d\" Array(Bool))",
     "Tuple(`a b` String, `c\\`d` Array(Bool))", "Tuple(`a b` String, `c\\`d` Array(Bool))"},
    {"Tuple(Array String)", "Tuple(Array String)", "Tuple(Array String)"},
    {"Array(Tuple(k String, v Map(String, Array(UInt8))))",
     "Array(Tuple(k String, v Map(String, Array(UInt8))))",
     "Array(Tuple(k String, v Map(String, Array(UInt8))))"},
    {"JSON", "JSON", "JSON"},
    {"Nullable(JSON)", "Nullable(JSON)", "Nullable(JSON)"},
    {"Array(JSON)", "Array(JSON)", "Array(JSON)"},
    {"JSON( max_dynamic_paths = 8,a.b  UInt32, SKIP `x y`)",
     "JSON(max_dynamic_paths=8, a.b UInt32, SKIP `x y`)",
     "JSON(max_dynamic_paths=8, a.b UInt32, SKIP `x y`)"},
    {"JSON()", "JSON", "JSON"},
    {"Array", NULL, NULL},
    {"Array()", NULL, NULL},
    {"Array(String", NULL, NULL},
    {"Array(String, String)", NULL, NULL},
    {"array(String)", NULL, NULL},
    {"Array(Strin)", NULL, NULL},
    {"Nullable(Array(String))", NULL, NULL},
    {"Nullable(Tuple(String))", NULL, NULL},
    {"LowCardinality(Array(String))", NULL, NULL},
    {"LowCardinality(JSON)", NULL, NULL},
    {"Array(Array(Array(Array(Array(Int8)))))", NULL, NULL},
    {"Map(String)", NULL, NULL},
    {"Map(UInt8, String)", NULL, NULL},
    {"Map(Nullable(String), String)", NULL, NULL},
    {"Map(LowCardinality(Nullable(String)), String)", NULL, NULL},
    {"Map(String, String, String)", NULL, NULL},
    {"Tuple()", NULL, NULL},
    {"Tuple(a String, UInt8)", NULL, NULL},
    {"Tuple(String, a UInt8)", NULL, NULL},
    {"Tuple(a String, a UInt8)", NULL, NULL},
    {"Tuple(`` String)", NULL, NULL},
    {"Tuple(a)", NULL, NULL},
    {"Tuple(`a String)", NULL, NULL},
    {"JSON(", NULL, NULL},
    {"JSON(a 'x)", NULL, NULL},
};

START_TEST(check_type)
{
    struct ch_type t;
    struct pl_err err;
    int result = ch_type_parse(types[_i].text, &t, &err);
    ck_assert_msg(result == (types[_i].ddl ? 0 : -1), "%s", types[_i].text);
    if (result < 0) {
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, "Array"), "%s: %s", types[_i].text, err.msg);
        return;
    }
    ck_assert_str_eq(t.ddl, types[_i].ddl);
    ck_assert_str_eq(t.wire, types[_i].wire);
    ck_assert(ch_type_matches(&t, types[_i].text));
    ck_assert(ch_type_matches(&t, t.ddl));
    ch_type_release(&t);
}
END_TEST

static const struct {
    const char *ours, *server;
    bool same;
} matches[] = {
    {"Array(String)", "Array(LowCardinality(String))", false},
    {"Array(DateTime)", "Array(DateTime('UTC'))", true},
    {"Array(DateTime64(3))", "Array(DateTime64(6))", false},
    {"Array(String)", "String", false},
    {"Map(String, Int8)", "Map(String, Int16)", false},
    {"Map(String, Int8)", "Array(Tuple(String, Int8))", false},
    {"Tuple(a String)", "Tuple(`a` String)", true},
    {"Tuple(a String)", "Tuple(b String)", false},
    {"Tuple(a String)", "Tuple(String)", false},
    {"Tuple(a String)", "Tuple(a String, b String)", false},
    {"Tuple(String, Int8)", "Tuple(Int8, String)", false},
    {"JSON", "JSON", true},
    {"JSON", "String", false},
    {"JSON", "Nullable(JSON)", false},
    {"JSON(max_dynamic_paths=8)", "JSON(max_dynamic_paths = 8)", true},
    {"JSON(max_dynamic_paths=8)", "JSON", false},
};

START_TEST(check_match)
{
    struct ch_type t;
    struct pl_err err;
    ck_assert_int_eq(ch_type_parse(matches[_i].ours, &t, &err), 0);
    ck_assert_int_eq(ch_type_matches(&t, matches[_i].server), matches[_i].same);
    ch_type_release(&t);
}
END_TEST

/* ---- route files ---- */

#define HEAD "topic: t\ntable: t\norder_by: tuple()\ncolumns:\n"

static const struct {
    const char *columns, *finding;
} bad_columns[] = {
    {"  - {name: b, type: Array(Int8), path: $.b, missing: \"null\"}\n",
     "column b: Array(Int8) is never null; missing: default makes it empty"},
    {"  - {name: b, type: Array(Nullable(Int8)), path: $.b, invalid: \"null\"}\n",
     "column b: Array(Nullable(Int8)) is never null"},
    {"  - {name: b, type: Array(String), path: $.b, json: true}\n",
     "column b: json: true needs the type String"},
    {"  - {name: b, type: Array(String), path: $.b, unit: ms}\n", "column b: unit belongs to"},
    {"  - {name: b, type: Array(String), path: $.b, from_text: true}\n",
     "column b: from_text belongs to"},
    {"  - {name: b, type: Array(DateTime), path: $.b, from_text: true}\n",
     "column b: from_text belongs to"},
    {"  - {name: b, type: Array(String), from: key}\n",
     "column b: from: key needs the type String"},
    {"  - {name: b, type: Array(String), path: $}\n", "column b: $ is an object"},
    {"  - {name: b, type: String, path: \"$.a[*].b\"}\n", "column b: a path with [*] is the only"},
    {"  - {name: b, type: Array(String), path: [\"$.a[*].b\", $.c]}\n",
     "column b: a path with [*] is the only"},
    {"  - {name: b, type: Array(String), path: \"$.a[*].b.c\"}\n", "one key may follow [*]"},
    {"  - {name: b, type: Array(String), path: \"$.a[*]\"}\n", "take the array as Array(T)"},
    {"  - {name: b, type: Array(String), path: \"$.a[*].b[*].c\"}\n", "take the array as Array(T)"},
    {"  - {name: b, type: Array(String), path: \"$.a[0].b\"}\n", "take the array as Array(T)"},
    {"  - {name: b, type: Array(String), path: \"$.a[*].\"}\n", "a key is missing after a dot"},
    {"  - {name: b, type: Nullable(Array(String)), path: $.b}\n",
     "column b: type Nullable(Array(String)) is not one a route can fill: a container is"},
};

static struct route *parse(const char *columns, struct pl_findings *errs)
{
    PL_FREE char *text = pl_strf(HEAD "%s", columns);
    pl_findings_init(errs);
    errs->file = "r.yaml";
    return route_parse("r", text, strlen(text), errs);
}

START_TEST(check_bad_column)
{
    struct pl_findings errs;
    ck_assert_ptr_null(parse(bad_columns[_i].columns, &errs));
    ck_assert_msg(strstr(pl_buf_cstr(&errs.text), bad_columns[_i].finding) != NULL, "%s",
                  pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
}
END_TEST

/* Each changes what becomes of a message, so each is in the digest. */
START_TEST(check_digest)
{
    static const char *const columns[] = {
        "  - {name: b, type: Array(String), path: $.a.b}\n",
        "  - {name: b, type: Array(Nullable(String)), path: $.a.b}\n",
        "  - {name: b, type: Array(String), path: \"$.a[*].b\"}\n",
        "  - {name: b, type: Tuple(b String), path: $.a.b}\n",
        "  - {name: b, type: Tuple(c String), path: $.a.b}\n",
        "  - {name: b, type: JSON, path: $.a.b}\n",
    };
    uint64_t digests[PL_COUNT(columns)];
    for (unsigned i = 0; i < PL_COUNT(columns); i++) {
        struct pl_findings errs;
        struct route *r = parse(columns[i], &errs);
        ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
        digests[i] = route_digest(r, "default", 1);
        for (unsigned k = 0; k < i; k++)
            ck_assert_uint_ne(digests[i], digests[k]);
        pl_findings_release(&errs);
        route_free(r);
    }
}
END_TEST

/* ---- values ---- */

#define WRONG     "value has the wrong type for the column"
#define RANGE     "value is out of range for the column"
#define PRECISION "value would lose precision in the column"
#define SURROGATE "string holds a lone surrogate"
#define NO_VALUE  "no value for the column"
#define NOT_JSON  "not valid JSON"
#define NO_NULL   "a value inside is null, and its type is not Nullable"
#define LACKS     "an object inside lacks a field whose type is not Nullable"
#define TWICE     "a key is there twice"
#define LENGTH    "array has another length than the tuple"
#define NO_OBJECT "an element is not an object"
#define NUMBER    "a number inside does not fit Int64, UInt64 or Float64 exactly"

#define ARRAY   "Array(Int8)"
#define STRINGS "Array(Nullable(String))"
#define MAP     "Map(String, Nullable(Int8))"
#define PAIR    "Tuple(Int8, Nullable(String))"
#define NAMED   "Tuple(a Int8, b Nullable(String), `c d` Array(Int8))"
#define EACH    "Array(Int8); path: $.v[*].x"
#define EACH_N  "Array(Nullable(Int8)); path: $.v[*].x"

/* type (; option), the value, what is printed or (with !) why it is refused. */
static const struct {
    const char *type, *value, *want;
} values[] = {
    {ARRAY, "[]", "[]"},
    {ARRAY, "[1]", "[1]"},
    {ARRAY, " [ 1 , -128,\n127 ] ", "[1,-128,127]"},
    {ARRAY, "[1,128]", "!" RANGE},
    {ARRAY, "[1.5]", "!" PRECISION},
    {ARRAY, "[\"1\"]", "!" WRONG},
    {ARRAY, "[1,null]", "!" NO_NULL},
    {ARRAY, "[[1]]", "!" WRONG},
    {ARRAY, "{}", "!" WRONG},
    {ARRAY, "1", "!" WRONG},
    {ARRAY, "\"[1]\"", "!" WRONG},
    {ARRAY, "null", "!" NO_VALUE},
    {ARRAY, "[1,]", "!" NOT_JSON},
    {ARRAY, "[1", "!" NOT_JSON},
    {ARRAY "; missing: default", "null", "[]"},
    {"Array(Int8); from_text: true", "[\"1\",2]", "[1,2]"},
    {"Array(Int8); from_text: true", "[\"x\"]", "!string is not just a value for the column"},
    {"Array(DateTime64(3)); unit: ms", "[1714564800123,\"2024-05-01T12:00:00Z\"]",
     "[\"2024-05-01T12:00:00.123Z\",\"2024-05-01T12:00:00.000Z\"]"},
    {STRINGS, "[\"\",null,\"a\\u0000\\n\"]", "[\"\",null,\"a\\u0000\\n\"]"},
    {STRINGS, "[\"\\ud800\"]", "!" SURROGATE},
    {"Array(LowCardinality(String))", "[\"x\",\"x\"]", "[\"x\",\"x\"]"},
    {"Array(Array(Int8))", "[[],[1],[],[2,3]]", "[[],[1],[],[2,3]]"},
    {"Array(Array(Int8))", "[null]", "!" NO_NULL},
    {"Array(Array(Array(Array(Int8))))", "[[[[1],[]],[]],[]]", "[[[[1],[]],[]],[]]"},
    {"Array(UUID)", "[\"00112233-4455-6677-8899-aabbccddeeff\"]",
     "[\"00112233-4455-6677-8899-aabbccddeeff\"]"},
    {MAP, "{}", "{}"},
    {MAP, "{\"a\":1,\"\":null,\"\\u0062\":3}", "{\"a\":1,\"\":null,\"b\":3}"},
    {MAP, "{\"a\":1,\"b\":2,\"a\":1}", "!" TWICE},
    {MAP, "{\"a\":1,\"\\u0061\":1}", "!" TWICE},
    {MAP, "{\"\\ud800\":1}", "!" SURROGATE},
    {MAP, "{\"a\":300}", "!" RANGE},
    {MAP, "[]", "!" WRONG},
    {"Map(String, Int8)", "{\"a\":null}", "!" NO_NULL},
    {"Map(LowCardinality(String), Array(Int8))", "{\"a\":[1],\"b\":[]}", "{\"a\":[1],\"b\":[]}"},
    {"Map(String, Map(String, Int8))", "{\"a\":{\"x\":1},\"b\":{\"x\":2}}",
     "{\"a\":{\"x\":1},\"b\":{\"x\":2}}"},
    {"Map(String, Int8)",
     "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
     "\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"aa\":1}",
     "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
     "\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"aa\":1}"},
    {"Map(String, Int8)",
     "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
     "\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"a\":1}",
     "!" TWICE},
    {PAIR, "[1,\"x\"]", "[1,\"x\"]"},
    {PAIR, "[1,null]", "[1,null]"},
    {PAIR, "[1]", "!" LENGTH},
    {PAIR, "[]", "!" LENGTH},
    {PAIR, "[1,\"x\",2]", "!" LENGTH},
    {PAIR, "[null,\"x\"]", "!" NO_NULL},
    {PAIR, "{\"1\":1,\"2\":\"x\"}", "!" WRONG},
    {PAIR "; missing: default", "null", "[0,null]"},
    {NAMED, "{\"a\":1,\"b\":\"x\",\"c d\":[1]}", "{\"a\":1,\"b\":\"x\",\"c d\":[1]}"},
    {NAMED, "{\"c\\u0020d\":[],\"a\":1}", "{\"a\":1,\"b\":null,\"c d\":[]}"},
    {NAMED, "{\"a\":1,\"z\":[{}],\"c d\":[]}", "{\"a\":1,\"b\":null,\"c d\":[]}"},
    {NAMED, "{\"a\":1}", "!" LACKS},
    {NAMED, "{}", "!" LACKS},
    {NAMED, "{\"a\":1,\"a\":1,\"c d\":[]}", "!" TWICE},
    {NAMED, "{\"a\":null,\"c d\":[]}", "!" NO_NULL},
    {NAMED, "{\"a\":1,\"c d\":[],\"z\":tru}", "!" NOT_JSON},
    {NAMED, "[1,\"x\",[]]", "!" WRONG},
    {NAMED "; missing: default", "null", "{\"a\":0,\"b\":null,\"c d\":[]}"},
    {"Array(Tuple(a Int8, b Map(String, String)))",
     "[{\"a\":1,\"b\":{}},{\"b\":{\"x\":\"y\"},\"a\":2}]",
     "[{\"a\":1,\"b\":{}},{\"a\":2,\"b\":{\"x\":\"y\"}}]"},
    {"Tuple(a Tuple(b Tuple(c Int8)))", "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":1}}}"},
    {EACH, "[]", "[]"},
    {EACH, "[{\"x\":1,\"y\":[2]},{\"y\":{},\"x\":2}]", "[1,2]"},
    {EACH, "[{\"x\":1},{}]", "!" LACKS},
    {EACH, "[{\"x\":1},{\"x\":null}]", "!" NO_NULL},
    {EACH, "[{\"x\":1,\"x\":1}]", "!" TWICE},
    {EACH, "[1]", "!" NO_OBJECT},
    {EACH, "[null]", "!" NO_OBJECT},
    {EACH, "{\"x\":1}", "!" WRONG},
    {EACH, "[{\"x\":1},]", "!" NOT_JSON},
    {EACH "; missing: default", "null", "[]"},
    {EACH_N, "[{\"x\":1},{},{\"x\":null},{\"\\u0078\":4}]", "[1,null,null,4]"},
    {"JSON", "{\"a\": [1, 2.50, \"\\u00e9\"]}", "{\"a\": [1, 2.50, \"\\u00e9\"]}"},
    {"JSON", "{}", "{}"},
    {"JSON", "[]", "!" WRONG},
    {"JSON", "\"{}\"", "!" WRONG},
    {"JSON", "null", "!" NO_VALUE},
    {"JSON", "{\"a\":18446744073709551615,\"b\":-9223372036854775808}",
     "{\"a\":18446744073709551615,\"b\":-9223372036854775808}"},
    {"JSON", "{\"a\":[18446744073709551617]}", "!" NUMBER},
    {"JSON", "{\"a\":1e400}", "!" NUMBER},
    {"JSON", "{\"a\":\"18446744073709551617\\\"1e400\"}",
     "{\"a\":\"18446744073709551617\\\"1e400\"}"},
    {"JSON", "{\"a\":\"\\ud800\"}", "!" SURROGATE},
    {"JSON", "{\"\\udc00\":1}", "!" SURROGATE},
    {"JSON; missing: default", "null", "{}"},
    {"Nullable(JSON)", "null", "null"},
    {"Nullable(JSON); invalid: \"null\"", "[1]", "null"},
    {"Array(JSON)", "[{\"a\":1},{}]", "[{\"a\":1},{}]"},
};

/* The row; an element of an array; an element with a path from the message, which all rows take. */
static const char *const value_messages[] = {"{\"v\":%s}", "{\"r\":[{\"v\":%s}]}",
                                             "{\"v\":%s,\"r\":[{}]}"};

static struct fixture value_fixture(const char *type, unsigned place)
{
    const char *option = strchr(type, ';'), *path = strstr(type, "path: $.v");
    int len = option ? (int)(option - type) : (int)strlen(type);
    PL_CLEANUP(pl_buf_release) struct pl_buf yaml = {0};
    if (place > 0)
        pl_buf_add_str(&yaml, "rows: $.r[*]\n");
    pl_buf_addf(&yaml, "columns:\n  - name: v\n    type: \"%.*s\"\n    path: \"%s.v%s\"\n", len,
                type, place == 1 ? "@" : "$", path ? "[*].x" : "");
    if (option && strncmp(option, "; path", 6) != 0)
        pl_buf_addf(&yaml, "    %s\n", option + 2);
    else if (path && strchr(path, ';'))
        pl_buf_addf(&yaml, "    %s\n", strchr(path, ';') + 2);
    return fixture_new(pl_buf_cstr(&yaml));
}

START_TEST(check_value)
{
    for (unsigned p = 0; p < PL_COUNT(value_messages); p++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf message = {0};
        const char *at = strstr(value_messages[p], "%s"), *want = values[_i].want;
        pl_buf_add(&message, value_messages[p], (size_t)(at - value_messages[p]));
        pl_buf_add_str(&message, values[_i].value);
        pl_buf_add_str(&message, at + 2);
        FIXTURE f = value_fixture(values[_i].type, p);
        for (unsigned turn = 0; turn < 3; turn++) {
            uint64_t n = decode(&f, pl_buf_cstr(&message));
            PL_CLEANUP(pl_buf_release) struct pl_buf native = {0};
            block_native(f.block, &native);
            if (*want == '!') {
                ck_assert_uint_eq(n, 0);
                ck_assert_uint_eq(f.rejects, turn + 1);
                ck_assert_msg(strcmp(f.reason, want + 1) == 0, "%s %s place %u: %s",
                              values[_i].type, values[_i].value, p, f.reason);
                ck_assert_uint_eq(block_bytes(f.block), 0);
                continue;
            }
            ck_assert_msg(n == 1, "%s %s place %u: %s", values[_i].type, values[_i].value, p,
                          f.reason);
            PL_FREE char *line = pl_strf("{\"v\":%s}", want);
            assert_row(&f, turn, line);
        }
    }
}
END_TEST

/* ---- unknown fields ---- */

START_TEST(unknown_are_counted)
{
    FIXTURE f =
        fixture_new("columns:\n"
                    "  - {name: t, path: $.t, type: \"Array(Tuple(a Int8))\", missing: default}\n"
                    "  - {name: x, path: \"$.e[*].x\", type: Array(Int8), missing: default}\n"
                    "  - {name: y, path: \"$.e[*].y\", type: Array(Int8), missing: default}\n"
                    "  - {name: m, path: $.m, type: \"Map(String, Int8)\", missing: default}\n"
                    "  - {name: j, path: $.j, type: JSON, missing: default}\n");
    decode(&f, "{\"t\":[{\"a\":1,\"b\":2},{\"c\":{\"d\":1},\"a\":1}],\"m\":{\"k\":1},"
               "\"j\":{\"k\":1},\"z\":1}");
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 3);
    /* Each key of the objects counts once, whichever of the columns comes first. */
    decode(&f, "{\"e\":[{\"x\":1,\"y\":2},{\"z\":1,\"y\":3,\"x\":4}]}");
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 4);
    /* Those of a row that is refused do not. */
    decode(&f, "{\"t\":[{\"a\":1,\"b\":2},{\"a\":null}]}");
    ck_assert_uint_eq(f.rejects, 1);
    decode(&f, "{}");
    ck_assert_uint_eq(rows_counts(f.rows)->unknown_fields, 4);
    ck_assert_uint_eq(block_rows(f.block), 3);
}
END_TEST

START_TEST(unknown_are_not_lost)
{
    FIXTURE f =
        fixture_new("unknown_fields: keep\ncolumns:\n"
                    "  - {name: t, path: $.t, type: \"Tuple(a Int8)\", missing: default}\n"
                    "  - {name: x, path: \"$.e[*].x\", type: Array(Int8), missing: default}\n"
                    "  - {name: rest, type: String, unknown: true}\n");
    static const char *const refused[] = {"{\"t\":{\"a\":1,\"b\":2}}",
                                          "{\"e\":[{\"x\":1,\"z\":1}]}"};
    for (unsigned i = 0; i < PL_COUNT(refused); i++) {
        ck_assert_uint_eq(decode(&f, refused[i]), 0);
        ck_assert_str_eq(f.reason, "an object inside has a field that the type has not "
                                   "(unknown_fields is keep)");
    }
    ck_assert_uint_eq(decode(&f, "{\"t\":{\"a\":1},\"z\":2,\"e\":[{\"x\":1}]}"), 1);
    assert_row(&f, 0, "{\"t\":{\"a\":1},\"x\":[1],\"rest\":\"{\\\"z\\\":2}\"}");
}
END_TEST

/* ---- bounds ---- */

/* Elements of 63 bytes each, of three bytes of text: the message is refused as a whole long before
 * it has grown to that, whatever stands in the block. */
START_TEST(memory_is_bounded)
{
    static const char *const routes[] = {"", "rows: $.r[*]\n"};
    for (unsigned i = 0; i < PL_COUNT(routes); i++) {
        PL_FREE char *yaml =
            pl_strf("%smessage_memory_max: 64KiB\nmessage_bytes_max: 16MiB\ncolumns:\n"
                    "  - {name: v, path: \"%s.v\", type: \"Array(Tuple(a Nullable(UUID), b "
                    "Nullable(UUID), c Nullable(UUID)))\"}\n",
                    routes[i], i ? "@" : "$");
        FIXTURE f = fixture_new(yaml);
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        pl_buf_add_str(&text, i ? "{\"r\":[{\"v\":[]},{\"v\":[{}" : "{\"v\":[{}");
        for (unsigned k = 0; k < 1000000; k++)
            pl_buf_add_str(&text, ",{}");
        pl_buf_add_str(&text, i ? "]}]}" : "]}");
        for (unsigned k = 0; k < 3; k++) {
            ck_assert_uint_eq(decode_bytes(&f, text.data, text.len, -1), 0);
            ck_assert_str_eq(f.reason, "rows of the message are larger than message_memory_max");
            ck_assert_int_eq(f.row, -1);
            ck_assert_uint_lt(block_capacity(f.block), 1 << 20);
            ck_assert_uint_eq(decode(&f, i ? "{\"r\":[{\"v\":[{}]}]}" : "{\"v\":[{}]}"), 1);
        }
        ck_assert_uint_eq(block_bytes(f.block), 3 * (8 + 3 * 17));
    }
}
END_TEST

/* ---- outputs ---- */

START_TEST(other_outputs_refuse)
{
    static const char *const only[] = {"Array(Int8)", "Map(String, Int8)", "Tuple(Int8)", "JSON"};
    for (unsigned i = 0; i < PL_COUNT(only); i++) {
        struct column c = {.name = (char *)"c"};
        struct duckdb_type duckdb;
        enum iceberg_type iceberg;
        struct pl_err err;
        ck_assert_int_eq(ch_type_parse(only[i], &c.type, &err), 0);
        ck_assert_int_eq(duckdb_type_of(&c.type, &duckdb, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, "goes to ClickHouse only"), "%s", err.msg);
        ck_assert_int_eq(iceberg_type_of(&c, 0, &iceberg, &err), -1);
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        ck_assert_msg(strstr(err.msg, "goes to ClickHouse only"), "%s", err.msg);
        ch_type_release(&c.type);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_type, .count = PL_COUNT(types)),
        TEST(check_match, .count = PL_COUNT(matches)),
        TEST(check_bad_column, .count = PL_COUNT(bad_columns)),
        TEST(check_digest),
        TEST(check_value, .count = PL_COUNT(values)),
        TEST(unknown_are_counted),
        TEST(unknown_are_not_lost),
        TEST(memory_is_bounded),
        TEST(other_outputs_refuse),
    };
    return unit_main("nested", tests, PL_COUNT(tests));
}

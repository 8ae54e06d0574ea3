/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_route.c - types, paths and route files: what is taken, and each finding at its line and
 * column.
 *
 * links: chsinkd
 */
#include <stdio.h>
#include <unistd.h>

#include "daemons/chsinkd/route/overlap.h"
#include "daemons/chsinkd/route/route.h"
#include "daemons/chsinkd/route/table_name.h"
#include "tests/unit/unit.h"

/* text; what it is spelled as and sent as; NULL: refused. */
static const struct {
    const char *text, *ddl, *wire;
} types[] = {
    {"String", "String", "String"},
    {" Nullable( String ) ", "Nullable(String)", "Nullable(String)"},
    {"LowCardinality(String)", "LowCardinality(String)", "String"},
    {"LowCardinality(Nullable(String))", "LowCardinality(Nullable(String))", "Nullable(String)"},
    {"bool", "Bool", "Bool"},
    {"BOOLEAN", "Bool", "Bool"},
    {"bigint", "Int64", "Int64"},
    {"Int8", "Int8", "Int8"},
    {"Nullable(UInt64)", "Nullable(UInt64)", "Nullable(UInt64)"},
    {"DateTime", "DateTime", "DateTime"},
    {"datetime( 'UTC' )", "DateTime('UTC')", "DateTime('UTC')"},
    {"DateTime64", "DateTime64(3)", "DateTime64(3)"},
    {"DateTime64(9)", "DateTime64(9)", "DateTime64(9)"},
    {"DateTime64(6,'Europe/Berlin')", "DateTime64(6, 'Europe/Berlin')",
     "DateTime64(6, 'Europe/Berlin')"},
    {"Nullable(DateTime('Etc/GMT+1'))", "Nullable(DateTime('Etc/GMT+1'))",
     "Nullable(DateTime('Etc/GMT+1'))"},
    {"UUID", "UUID", "UUID"},
    {"", NULL, NULL},
    {"Strin", NULL, NULL},
    {"string", NULL, NULL},
    {"int64x", NULL, NULL},
    {"String)", NULL, NULL},
    {"Nullable(String", NULL, NULL},
    {"Nullable(Nullable(String))", NULL, NULL},
    {"Nullable(LowCardinality(String))", NULL, NULL},
    {"LowCardinality(UInt16)", "LowCardinality(UInt16)", "UInt16"},
    {"LowCardinality(Nullable(Date))", "LowCardinality(Nullable(Date))", "Nullable(Date)"},
    {"LowCardinality(FixedString(2))", "LowCardinality(FixedString(2))", "FixedString(2)"},
    {"LowCardinality(Decimal(9, 2))", NULL, NULL},
    {"LowCardinality(Enum8('a' = 1))", NULL, NULL},
    {"Arra(String)", NULL, NULL},
    {"Int128", "Int128", "Int128"},
    {"Nullable(UInt256)", "Nullable(UInt256)", "Nullable(UInt256)"},
    {"Int512", NULL, NULL},
    {"Date32", "Date32", "Date32"},
    {"IPv4", "IPv4", "IPv4"},
    {"INET6", "IPv6", "IPv6"},
    {"FixedString(3)", "FixedString(3)", "FixedString(3)"},
    {"FixedString(256)", "FixedString(256)", "FixedString(256)"},
    {"FixedString(257)", NULL, NULL},
    {"FixedString(0)", NULL, NULL},
    {"FixedString(-1)", NULL, NULL},
    {"FixedString", NULL, NULL},
    {"Decimal(9, 2)", "Decimal(9, 2)", "Decimal(9, 2)"},
    {"decimal( 76,76 )", "Decimal(76, 76)", "Decimal(76, 76)"},
    {"Nullable(Decimal(5))", "Nullable(Decimal(5, 0))", "Nullable(Decimal(5, 0))"},
    {"Decimal", "Decimal(10, 0)", "Decimal(10, 0)"},
    {"Decimal32(2)", "Decimal(9, 2)", "Decimal(9, 2)"},
    {"Decimal64(18)", "Decimal(18, 18)", "Decimal(18, 18)"},
    {"DECIMAL128(0)", "Decimal(38, 0)", "Decimal(38, 0)"},
    {"Decimal256(5)", "Decimal(76, 5)", "Decimal(76, 5)"},
    {"numeric(10, 2)", "Decimal(10, 2)", "Decimal(10, 2)"},
    {"Decimal32", NULL, NULL},
    {"Decimal32(10)", NULL, NULL},
    {"Decimal(0, 0)", NULL, NULL},
    {"Decimal(77, 0)", NULL, NULL},
    {"Decimal(9, 10)", NULL, NULL},
    {"Decimal(9, -1)", NULL, NULL},
    {"Decimal()", NULL, NULL},
    {"Decimal(9,)", NULL, NULL},
    {"Enum8('b'=2,'a'=-1)", "Enum8('a' = -1, 'b' = 2)", "Enum8('a' = -1, 'b' = 2)"},
    {"Enum8('x', 'y')", "Enum8('x' = 1, 'y' = 2)", "Enum8('x' = 1, 'y' = 2)"},
    {"Enum('x' = 127)", "Enum8('x' = 127)", "Enum8('x' = 127)"},
    {"ENUM('x' = 128)", "Enum16('x' = 128)", "Enum16('x' = 128)"},
    {"Nullable(Enum16('' = -32768, '''' = 32767))", "Nullable(Enum16('' = -32768, '\\'' = 32767))",
     "Nullable(Enum16('' = -32768, '\\'' = 32767))"},
    {"Enum8('\\'\\\\' = 0, '),(' = 1)", "Enum8('\\'\\\\' = 0, '),(' = 1)",
     "Enum8('\\'\\\\' = 0, '),(' = 1)"},
    {"Enum8", NULL, NULL},
    {"Enum8()", NULL, NULL},
    {"Enum8('a' = 128)", NULL, NULL},
    {"Enum8('a' = -129)", NULL, NULL},
    {"Enum16('a' = 32768)", NULL, NULL},
    {"Enum8('a' = 1, 'b')", NULL, NULL},
    {"Enum8('a', 'b' = 2)", NULL, NULL},
    {"Enum8('a' = 1, 'b' = 1)", NULL, NULL},
    {"Enum8('a' = 1, 'a' = 2)", NULL, NULL},
    {"Enum8('a' = 1,)", NULL, NULL},
    {"Enum8('a\n' = 1)", NULL, NULL},
    {"Enum8('a\\n' = 1)", NULL, NULL},
    {"Enum8('a = 1)", NULL, NULL},
    {"Enum8(a = 1)", NULL, NULL},
    {"DateTime64(10)", NULL, NULL},
    {"DateTime64(a)", NULL, NULL},
    {"DateTime64('UTC')", NULL, NULL},
    {"DateTime('UTC\\'')", NULL, NULL},
    {"DateTime('')", NULL, NULL},
    {"DateTime(UTC)", NULL, NULL},
};

START_TEST(check_type)
{
    struct ch_type t;
    struct pl_err err;
    int result = ch_type_parse(types[_i].text, &t, &err);
    ck_assert_int_eq(result, types[_i].ddl ? 0 : -1);
    if (result < 0) {
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
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
    {"String", "LowCardinality(String)", false},
    {"String", "Nullable(String)", false},
    {"Int64", "UInt64", false},
    {"Int64", "Int32", false},
    {"DateTime", "DateTime('UTC')", true},
    {"DateTime('UTC')", "DateTime", true},
    {"DateTime('UTC')", "DateTime('Europe/Berlin')", false},
    {"DateTime64(3)", "DateTime64(6)", false},
    {"DateTime64(3)", "DateTime64(3, 'UTC')", true},
    {"DateTime", "DateTime64(0)", false},
    {"Nullable(DateTime64(3, 'UTC'))", "Nullable(DateTime64(3,'UTC'))", true},
    {"String", "Array(String)", false},
    {"Decimal(18, 2)", "Decimal(18, 3)", false},
    {"Decimal(18, 2)", "Decimal(17, 2)", false},
    {"Decimal(18, 2)", "Decimal(18,2)", true},
    {"Enum8('a' = 1, 'b' = 2)", "Enum8('b' = 2, 'a' = 1)", true},
    {"Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1, 'b' = 3)", false},
    {"Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1, 'c' = 2)", false},
    {"Enum8('a' = 1, 'b' = 2)", "Enum8('a' = 1, 'b' = 2, 'c' = 3)", false},
    {"Enum8('a' = 1)", "Enum16('a' = 1)", false},
    {"FixedString(2)", "FixedString(3)", false},
    {"FixedString(2)", "String", false},
    {"Date32", "Date", false},
    {"IPv4", "IPv6", false},
    {"UInt128", "Int128", false},
    {"LowCardinality(UInt16)", "UInt16", false},
};

/* A column that the server computes has any of its types; one that is sent has not. */
START_TEST(check_other_types)
{
    static const char *const good[] = {"Variant(String, Array(UInt8))", "Point",
                                       "AggregateFunction(uniq, String)", "Time64(3)"};
    static const char *const bad[] = {"Variant(String", "Point)", "", "1", "Point; DROP TABLE t"};
    struct pl_err err;
    struct ch_type t;
    for (unsigned i = 0; i < PL_COUNT(good); i++) {
        ck_assert_done(ch_type_parse_other(good[i], &t, &err), err);
        ck_assert_str_eq(t.ddl, good[i]);
        ck_assert_int_eq(t.kind, CH_OTHER);
        ck_assert(ch_type_matches(&t, "whatever the server makes of it"));
        ch_type_release(&t);
    }
    for (unsigned i = 0; i < PL_COUNT(bad); i++)
        ck_assert_int_eq(ch_type_parse_other(bad[i], &t, &err), -1);
}
END_TEST

START_TEST(check_match)
{
    struct ch_type t;
    struct pl_err err;
    ck_assert_int_eq(ch_type_parse(matches[_i].ours, &t, &err), 0);
    ck_assert_int_eq(ch_type_matches(&t, matches[_i].server), matches[_i].same);
    ch_type_release(&t);
}
END_TEST

/* The keys, each in brackets; NULL: refused. */
static const struct {
    const char *text, *keys;
} paths[] = {
    {"$", "$"},
    {"@", "@"},
    {"$.a", "$[a]"},
    {"$.a.b-c.d e", NULL},
    {"$.a.b-c", "$[a][b-c]"},
    {"@.x", "@[x]"},
    {"$.$schema", "$[$schema]"},
    {"$.\"a.b\".c", "$[a.b][c]"},
    {"$.\"a\\\"b\\\\\"", "$[a\"b\\]"},
    {"$.\"\"", "$[]"},
    {"$.\xc3\xa9", "$[\xc3\xa9]"},
    {"", NULL},
    {"a", NULL},
    {"$a", NULL},
    {"$.", NULL},
    {"$.a.", NULL},
    {"$..a", NULL},
    {"$.a[0]", NULL},
    {"$.a[*]", NULL},
    {"$.\"a", NULL},
    {"$.\"a\\n\"", NULL},
    {"$.\"a\"b", NULL},
    {"$.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", NULL},
};

START_TEST(check_path)
{
    struct column_path p;
    struct pl_err err;
    int result = column_path_parse(paths[_i].text, &p, &err);
    ck_assert_msg(result == (paths[_i].keys ? 0 : -1), "%s", paths[_i].text);
    if (result < 0)
        return;
    struct pl_buf got = {0};
    pl_buf_add_byte(&got, p.from_row ? '@' : '$');
    for (unsigned i = 0; i < p.keys_n; i++)
        pl_buf_addf(&got, "[%s]", p.keys[i]);
    ck_assert_str_eq(pl_buf_cstr(&got), paths[_i].keys);
    pl_buf_release(&got);
    column_path_release(&p);
}
END_TEST

/* What is written, the parts in brackets, and the one text of the table in the database d. NULL:
 * refused. */
static const struct {
    const char *text, *parts, *name;
} table_names[] = {
    {"ev", "[][ev]", "d.ev"},
    {"db.ev", "[db][ev]", "db.ev"},
    {"da ta.e-v", "[da ta][e-v]", "da ta.e-v"},
    {"a\"b.c`d", "[a\"b][c`d]", "a\"b.c`d"},
    {"\"my.db\".ev", "[my.db][ev]", "\"my.db\".ev"},
    {"`my.db`.ev", "[my.db][ev]", "\"my.db\".ev"},
    {"db.\"e.v\"", "[db][e.v]", "db.\"e.v\""},
    {"\"a.b\".\"c\"", "[a.b][c]", "\"a.b\".c"},
    {"a.\"b.c\"", "[a][b.c]", "a.\"b.c\""},
    {"\"e.v\"", "[][e.v]", "d.\"e.v\""},
    {"\"ev\"", "[][ev]", "d.ev"},
    {"\"\"\"ev\"\"\"", "[][\"ev\"]", "d.\"\"\"ev\"\"\""},
    {"\"a\\\"b.\\\\\"", "[][a\"b.\\]", "d.\"a\"\"b.\\\\\""},
    {"`a``b\\`.\"`.c`", "[a`b`.\"][c`]", "\"a`b`.\"\"\".c`"},
    {"`a``b\\`.\"`.c", "[a`b`.\"][c]", "\"a`b`.\"\"\".c"},
    {"a\\b", "[][a\\b]", "d.a\\b"},
    {"", NULL, NULL},
    {".", NULL, NULL},
    {"a.", NULL, NULL},
    {".a", NULL, NULL},
    {"a.b.c", NULL, NULL},
    {"\"a", NULL, NULL},
    {"\"a\\", NULL, NULL},
    {"\"a\\n\"", NULL, NULL},
    {"\"a\"b", NULL, NULL},
    {"\"a\".\"b\".c", NULL, NULL},
    {"\"a\".", NULL, NULL},
    {"\"\"", NULL, NULL},
    {"\"\".a", NULL, NULL},
    {"`a\".b", NULL, NULL},
};

START_TEST(check_table_name)
{
    PL_FREE char *database = NULL;
    PL_FREE char *table = NULL;
    PL_FREE char *again_database = NULL;
    PL_FREE char *again_table = NULL;
    struct pl_err err;
    int rc = table_name_parse(table_names[_i].text, &database, &table, &err);
    ck_assert_msg(rc == (table_names[_i].parts ? 0 : -1), "%s", table_names[_i].text);
    if (rc < 0) {
        ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
        return;
    }
    PL_FREE char *parts = pl_strf("[%s][%s]", database ? database : "", table);
    ck_assert_str_eq(parts, table_names[_i].parts);
    const char *in = database ? database : "d";
    PL_FREE char *name = table_name_text(in, table);
    ck_assert_str_eq(name, table_names[_i].name);
    /* The text is read as the same table, so no other has it. */
    ck_assert_int_eq(table_name_parse(name, &again_database, &again_table, &err), 0);
    ck_assert_str_eq(again_database, in);
    ck_assert_str_eq(again_table, table);
    ck_assert_int_eq(table_name_is_quoted(in, table),
                     strchr(name, '"') == name || strstr(name, ".\"") != NULL);
}
END_TEST

START_TEST(check_rows_path)
{
    static const struct {
        const char *text;
        int keys_n;
    } cases[] = {{"$", 0},       {"$.a[*]", 1},  {"$.a.b[*]", 2},  {"$[*]", 0}, {"$.a", -1},
                 {"@.a[*]", -1}, {"$.a[0]", -1}, {"$.a[*].b", -1}, {"a", -1},   {"", -1}};
    for (unsigned i = 0; i < PL_COUNT(cases); i++) {
        struct column_path p = {0};
        struct pl_err err;
        bool each = false;
        ck_assert_int_eq(rows_path_parse(cases[i].text, &p, &each, &err),
                         cases[i].keys_n < 0 ? -1 : 0);
        if (cases[i].keys_n >= 0) {
            ck_assert_int_eq((int)p.keys_n, cases[i].keys_n);
            ck_assert_int_eq(each, strcmp(cases[i].text, "$") != 0);
        }
        column_path_release(&p);
    }
}
END_TEST

static struct route *parse(const char *text, struct pl_findings *errs)
{
    pl_findings_init(errs);
    errs->file = "r.yaml";
    return route_parse("r", text, strlen(text), errs);
}

#define HEAD   "topic: t\ntable: t\norder_by: tuple()\n"
#define COLUMN "columns:\n  - {name: a, type: Int8, path: $.a}\n"

/* A file and the one finding it has to have, with its position. */
static const struct {
    const char *text, *finding;
} faults[] = {
    {"table: t\norder_by: tuple()\n" COLUMN, "topic or topic_pattern is needed"},
    {"topic: a\ntopic_pattern: ^b\ntable: t\norder_by: tuple()\n" COLUMN,
     "r.yaml:2:16: topic and topic_pattern are both"},
    {"topic_pattern: b\ntable: t\norder_by: tuple()\n" COLUMN,
     "r.yaml:1:16: topic_pattern must begin with ^"},
    {"topic_pattern: ^(b\ntable: t\norder_by: tuple()\n" COLUMN, "r.yaml:1:16: topic_pattern: "},
    {"topic: t\norder_by: tuple()\n" COLUMN, "table"},
    {"topic: t\ntable: a.b.c\norder_by: tuple()\n" COLUMN, "r.yaml:2:8: table: "},
    {"topic: t\ntable: t\n" COLUMN, "order_by is needed by the engine MergeTree"},
    {"topic: t\ntable: t\norder_by: (a, b)\n" COLUMN,
     "r.yaml:3:11: order_by: there is no column b"},
    {"topic: t\ntable: t\norder_by: a\ncolumns: [{name: a, type: Nullable(Int8), path: $.a}]\n",
     "r.yaml:3:11: order_by: column a is Nullable"},
    {HEAD "columns: [{name: a, type: Nullable(Int8), path: $.a, missing: table}]\n",
     "column a: missing: table needs a type that is not Nullable"},
    {HEAD "columns: [{name: a, type: Array(Int8), path: $.a, missing: table}]\n",
     "column a: missing: table needs a type that is not Nullable and no container"},
    {HEAD "columns: [{name: a, type: Int8, expression: '1', ephemeral: true}]\n",
     "column a: ephemeral belongs to columns with a path"},
    {HEAD "primary_key: b\n" COLUMN, "r.yaml:4:14: primary_key: there is no column b"},
    {HEAD "rows: $.a\n" COLUMN, "r.yaml:4:7: rows: "},
    {HEAD "table_by: $.a\n" COLUMN, "r.yaml:4:11: table_by and table_values belong together"},
    {HEAD "table_values: [a]\n" COLUMN, "table_by and table_values belong together"},
    {HEAD "table_by: $.a\ntable_values: [a]\n" COLUMN,
     "r.yaml:2:8: table: with table_by its name has {} in it"},
    {"topic: t\ntable: t{}\ntable_by: a\ntable_values: [a]\norder_by: a\n" COLUMN,
     "r.yaml:3:11: table_by: "},
    {"topic: t\ntable: t{}\ntable_by: $.a\ntable_values: [a, b, a]\norder_by: a\n" COLUMN,
     "table_values: a is there twice"},
    {"topic: t\ntable: t{}\ntable_by: $.a\ntable_values: ['']\norder_by: a\n" COLUMN,
     "table_values"},
    {"topic: t\ntable: t{}\ntable_by: $.a\ntable_values: [a]\nwhen: \"$.b =\"\norder_by: "
     "a\n" COLUMN,
     "when: "},
    {"topic: t\ntable: t{}\ntable_by: $.a\ntable_values: [a]\norder_by: a\n" COLUMN
     "views: [{name: v, engine: Log, select: 'SELECT a FROM {table}'}]\n",
     "view v: with table_by its name has {} in it"},
    {HEAD "group: \"a\\nb\"\n" COLUMN, "r.yaml:4:8: group: a name is UTF-8 without control"},
    {"topic: t\ntable: '\"a\"b'\norder_by: tuple()\n" COLUMN, "r.yaml:2:8: table: \"table\" or"},
    {"topic: t\ntable: \"a\\tb\"\norder_by: tuple()\n" COLUMN,
     "r.yaml:2:8: table: a name is UTF-8 without control characters"},
    {HEAD "colums: 1\n" COLUMN, "r.yaml:4:1: "},
    {HEAD "message_bytes_max: 5 apples\n" COLUMN, "r.yaml:4:20: "},
    {HEAD "depth_max: 5000\n" COLUMN, "r.yaml:4:12: "},
    {HEAD "unknown_fields: keep\n" COLUMN,
     "unknown_fields: keep needs a column with unknown: true"},
    {HEAD, "columns"},
    {HEAD "columns: []\n", "r.yaml:4:10: columns: a list of at least one column"},
    {HEAD "columns: x\n", "r.yaml:4:10: columns: a list of at least one column"},
    {HEAD "columns: [x]\n", "r.yaml:4:11: columns: each column is a mapping"},
    {HEAD "columns: [{name: a, type: Int8, expression: '1'}]\n", "all are expressions"},
    {HEAD COLUMN "  - {name: a, type: Int8, path: $.b}\n", "r.yaml:6:12: column a is there twice"},
    {HEAD COLUMN "  - {name: A, type: Int8, path: $.b}\n",
     "r.yaml:6:12: columns a and A differ only in the case"},
    {HEAD COLUMN "  - {name: b, type: Array(Int), path: $.b, unit: s}\n",
     "r.yaml:6:50: column b: unit belongs to"},
    {HEAD COLUMN "  - {name: b, type: Int8}\n", "r.yaml:6:5: column b: needs one of path, from"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, from: key}\n",
     "r.yaml:6:5: column b: needs one of path, from"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: b}\n",
     "r.yaml:6:33: column b: path \"b\": must begin with"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $}\n", "r.yaml:6:33: column b: $ is an object"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, missing: never}\n", "r.yaml:6:47: "},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, missing: null}\n",
     "r.yaml:6:47: column b: missing: null needs Nullable(Int8)"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, invalid: \"null\"}\n",
     "r.yaml:6:47: column b: invalid: null needs Nullable(Int8)"},
    {HEAD COLUMN "engine: Null\n", "r.yaml:6:9: engine: Null is nothing in YAML"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, json: true}\n",
     "r.yaml:6:44: column b: json: true needs the type String"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, unit: s}\n",
     "r.yaml:6:44: column b: unit belongs to Date, Date32, DateTime"},
    {HEAD COLUMN "  - {name: b, type: String, path: $.b, from_text: true}\n",
     "r.yaml:6:51: column b: from_text belongs to numbers, Bool, and times with a unit"},
    {HEAD COLUMN "  - {name: b, type: DateTime, path: $.b, from_text: true}\n",
     "r.yaml:6:53: column b: from_text belongs to numbers, Bool, and times with a unit"},
    {HEAD COLUMN "  - {name: b, type: Float64, path: $.b, on_overflow: clamp}\n",
     "column b: on_overflow belongs to integers and Decimal"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, on_overflow: \"null\"}\n",
     "column b: on_overflow: null needs Nullable(Int8)"},
    {HEAD COLUMN "  - {name: b, type: Int64, from: offset, on_overflow: clamp}\n",
     "column b: on_overflow belongs to columns with a path"},
    {HEAD COLUMN "  - {name: b, type: Point, path: $.b}\n", "column b: type Point is not one"},
    {HEAD COLUMN "  - {name: b, type: 'Point)', expression: '1'}\n",
     "column b: type Point) is none"},
    {HEAD COLUMN "  - {name: b, type: 'Enum8(''x'' = 1)', path: $.b, from_text: true}\n",
     "column b: from_text belongs to numbers"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: $.b, from_number: true}\n",
     "r.yaml:6:51: column b: from_number belongs to Bool and Enum"},
    {HEAD COLUMN "  - {name: b, type: Bool, expression: '1', from_number: true}\n",
     "column b: from_number belongs to columns with a path"},
    {HEAD COLUMN "  - {name: b, type: Decimal(9), path: $.b, unit: s}\n",
     "column b: unit belongs to Date, Date32, DateTime and DateTime64"},
    {HEAD COLUMN "  - {name: b, type: UInt64, from: offset, from_text: true}\n",
     "r.yaml:6:54: column b: from_text belongs to columns with a path"},
    {HEAD COLUMN "  - {name: b, type: Int8, from: offset}\n",
     "r.yaml:6:21: column b: from: offset needs the type Int64"},
    {HEAD COLUMN "  - {name: b, type: Int8, from: partition}\n",
     "r.yaml:6:21: column b: from: partition needs the type Int32"},
    {HEAD COLUMN "  - {name: b, type: DateTime, from: timestamp}\n",
     "r.yaml:6:21: column b: from: timestamp needs the type DateTime64(3)"},
    {HEAD COLUMN "  - {name: b, type: Int8, from: topic}\n",
     "r.yaml:6:21: column b: from: topic needs the type String"},
    {HEAD COLUMN "  - {name: b, type: String, from: \"header:\"}\n", "r.yaml:6:35: from: header:"},
    {HEAD COLUMN "  - {name: b, type: String, from: value}\n", "r.yaml:6:35: from: value"},
    {HEAD COLUMN "  - {name: b, type: String, from: key, json: true}\n",
     "r.yaml:6:46: column b: json belongs to columns with a path"},
    {HEAD COLUMN "  - {name: b, type: String, from: topic, missing: default}\n",
     "r.yaml:6:51: column b: topic is never missing"},
    {HEAD COLUMN "  - {name: b, type: String, expression: '1', missing: default}\n",
     "column b: an expression column is never missing"},
    {HEAD COLUMN "  - {name: b, type: String, unknown: true}\n",
     "a column has unknown: true, but unknown_fields is drop"},
    {HEAD "unknown_fields: keep\n" COLUMN "  - {name: b, type: Nullable(String), unknown: true}\n",
     "column b: unknown: true needs the type String"},
    {HEAD
     "unknown_fields: keep\n" COLUMN
     "  - {name: b, type: String, unknown: true}\n  - {name: c, type: String, unknown: true}\n",
     "r.yaml:8:5: column c: another column has unknown: true"},
    {HEAD "rows: $.r[*]\ncolumns: [{name: a, type: Int8, path: $.r.a}]\n",
     "r.yaml:5:39: column a: its path goes into the array"},
    {HEAD "rows: $[*]\ncolumns: [{name: a, type: Int8, path: $.a}]\n",
     "r.yaml:5:39: column a: its path goes into the array"},
    {HEAD COLUMN "  - {name: b, type: Int8, path: '@'}\n",
     "r.yaml:6:33: column b: the message is an object: it needs json: true"},
    {HEAD "rows_missing: none\n" COLUMN, "r.yaml:4:15: rows_missing is for rows out of an array"},
    {HEAD "tombstones: row\nrows: $.r[*]\ncolumns: [{name: a, type: Int8, path: '@.a'}]\n",
     "r.yaml:4:13: tombstones: row needs rows: $"},
    {HEAD COLUMN "views: x\n", "views: a list is needed"},
    {HEAD COLUMN "views: [{name: v, engine: Log}]\n", "select"},
    {HEAD COLUMN "views: [{name: v, engine: Log, select: SELECT 1}]\n",
     "view v: select reads FROM {table}"},
    {HEAD COLUMN "views: [{name: v, engine: MergeTree, select: \"SELECT a FROM {table}\"}]\n",
     "view v: engine MergeTree needs order_by"},
    {HEAD COLUMN "views: [{name: t, engine: Log, select: \"SELECT a FROM {table}\"}]\n",
     "view t: the name must be plain"},
    {HEAD COLUMN "views: [{name: v, engine: Log, select: \"{table}\"}, {name: v, engine: Log, "
                 "select: \"{table}\"}]\n",
     "view v is there twice"},
};

START_TEST(check_fault)
{
    struct pl_findings errs;
    struct route *r = parse(faults[_i].text, &errs);
    const char *text = pl_buf_cstr(&errs.text);
    ck_assert_msg(!r, "taken: %s", faults[_i].text);
    ck_assert_msg(strstr(text, faults[_i].finding), "%s\n%s", faults[_i].text, text);
    ck_assert_msg(errs.count == 1, "%s\n%s", faults[_i].text, text);
    pl_findings_release(&errs);
}
END_TEST

/* One file, a route for each value. */
START_TEST(check_split)
{
    static const struct {
        const char *name, *database, *table, *when, *view;
    } wanted[] = {
        {"f.edit", "d_edit", "ev.edit", "(exists($.x) or $.y == 1) and $.type in [\"edit\"]",
         "per_edit"},
        {"f.0", "d_0", "ev.0", "(exists($.x) or $.y == 1) and $.type in [\"0\", 0]", "per_0"},
        {"f.007", "d_007", "ev.007", "(exists($.x) or $.y == 1) and $.type in [\"007\"]",
         "per_007"},
        {"f.true", "d_true", "ev.true", "(exists($.x) or $.y == 1) and $.type in [\"true\", true]",
         "per_true"},
        {"f.a\"b", "d_a\"b", "ev.a\"b", "(exists($.x) or $.y == 1) and $.type in [\"a\\\"b\"]",
         "per_a\"b"},
    };
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/f.yaml", dir);
    struct route **all = NULL;
    FILE *f = fopen(file, "w");
    fputs(
        "topic: t\ntable: 'd_{}.\"ev.{}\"'\ntable_by: $.type\ntable_values: [edit, 0, '007', true, "
        "'a\"b']\nwhen: exists($.x) or $.y == 1\norder_by: tuple()\n" COLUMN
        "views: [{name: 'per_{}', engine: Log, select: 'SELECT a FROM {table}'}]\n",
        f);
    fclose(f);
    pl_findings_init(&errs);
    unsigned n = route_load_all(file, &errs, &all);
    ck_assert_msg(n == PL_COUNT(wanted), "%u: %s", n, pl_buf_cstr(&errs.text));
    for (unsigned i = 0; i < n; i++) {
        ck_assert_str_eq(all[i]->name, wanted[i].name);
        ck_assert_str_eq(all[i]->database, wanted[i].database);
        ck_assert_str_eq(all[i]->table, wanted[i].table);
        ck_assert_str_eq(all[i]->when, wanted[i].when);
        ck_assert_str_eq(all[i]->views[0].name, wanted[i].view);
        ck_assert_str_eq(all[i]->text, all[0]->text);
        ck_assert(all[i]->condition.nodes_n > 0);
    }
    for (unsigned i = 0; i < n; i++)
        route_free(all[i]);
    free(all);
}
END_TEST

START_TEST(check_all_faults)
{
    struct pl_findings errs;
    struct route *r =
        parse("topic: t\ntopic_pattern: ^x\nrows: x\norder_by: (q, a)\nnonsense: 1\ncolumns:\n"
              "  - {name: a, type: Int, path: $.a, codec: 5, wrong: 1}\n"
              "  - {name: b, type: Text9, path: $.b}\n"
              "  - {name: b, type: Int8, path: b}\n",
              &errs);
    ck_assert_ptr_null(r);
    static const char *const findings[] = {
        "r.yaml:2:", "table",       "r.yaml:3:7",  "r.yaml:4:11", "r.yaml:5:1",
        "r.yaml:7:", "r.yaml:8:21", "r.yaml:9:12", "r.yaml:9:33"};
    for (unsigned i = 0; i < PL_COUNT(findings); i++)
        ck_assert_msg(strstr(pl_buf_cstr(&errs.text), findings[i]), "%s not in\n%s", findings[i],
                      pl_buf_cstr(&errs.text));
    pl_findings_release(&errs);
}
END_TEST

/* A zone that is spelled wrong is found, where this machine knows zones at all; what a newer system
 * leaves out, and names without an area, may be the server's. */
static const struct {
    const char *zone;
    bool good;
} zones[] = {
    {"Europe/Berlin", true},  {"America/Argentina/Ushuaia", true},
    {"Etc/GMT+1", true},      {"US/Eastern", true},
    {"Brazil/Nowhere", true}, {"UTC", true},
    {"Nowhere", true},        {"Europe/Berln", false},
    {"Mars/Olympus", false},
};

START_TEST(check_zone)
{
    struct pl_findings errs;
    PL_FREE char *text = pl_strf("topic: t\ntable: t\norder_by: tuple()\ncolumns:\n"
                                 "  - {name: a, type: \"DateTime64(3, '%s')\", path: $.a}\n",
                                 zones[_i].zone);
    PL_CLEANUP(route_freep) struct route *r = parse(text, &errs);
    const char *finding = "r.yaml:5:21: column a: there is no time zone ";
    ck_assert_msg((r != NULL) == zones[_i].good, "%s: %s", text, pl_buf_cstr(&errs.text));
    ck_assert_msg(r || strstr(pl_buf_cstr(&errs.text), finding), "%s", errs.text.data);
    pl_findings_release(&errs);
}
END_TEST

START_TEST(check_route_whole)
{
    struct pl_findings errs;
    PL_CLEANUP(route_freep)
    struct route *r = parse(
        "topic_pattern: \"^wiki-.*\"\ntable: db.t\nrows: $.series[*]\nunknown_fields: keep\n"
        "message_bytes_max: 2MiB\ndepth_max: 9\nengine: ReplacingMergeTree\norder_by: (a, "
        "toDate(t))\n"
        "partition_by: toYYYYMM(t)\nttl: \"\"\ncluster: c1\nsettings: {index_granularity: "
        "\"8192\"}\ncolumns:\n"
        "  - {name: a, type: Int64, path: [$.a, '@.a'], missing: default}\n"
        "  - {name: t, type: DateTime64(3), path: '@.t', unit: ms, codec: \"Delta, ZSTD\", "
        "comment: when}\n"
        "  - {name: n, type: Nullable(Float64), path: '@.n', invalid: null}\n"
        "  - {name: e, type: Int8, expression: 1 + 1}\n"
        "  - {name: rest, type: String, unknown: true}\n"
        "  - {name: _t, type: String, from: topic}\n  - {name: _p, type: Int32, from: partition}\n"
        "  - {name: _o, type: UInt64, from: offset}\n  - {name: h, type: Nullable(String), from: "
        "\"header:x:y\"}\n"
        "views:\n  - {name: v, engine: Log, select: \"SELECT a FROM {table}\"}\n",
        &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    ck_assert_str_eq(r->name, "r");
    ck_assert_str_eq(r->database, "db");
    ck_assert_str_eq(r->table, "t");
    ck_assert(r->unknown_keep);
    ck_assert_int_eq(r->message_bytes_max, 2 << 20);
    ck_assert_uint_eq(r->depth_max, 9);
    ck_assert_ptr_null(r->ttl);
    ck_assert_str_eq(r->cluster, "c1");
    ck_assert_str_eq(pl_map_get(&r->settings, "index_granularity"), "8192");
    ck_assert_uint_eq(r->columns_n, 9);
    ck_assert_uint_eq(r->columns[0].paths_n, 2);
    ck_assert_int_eq(r->columns[0].missing, MISSING_DEFAULT);
    ck_assert_int_eq(r->columns[1].missing, MISSING_REJECT);
    ck_assert(r->columns[1].unit_given && r->columns[1].unit == UNIT_MS);
    ck_assert_str_eq(r->columns[1].codec, "Delta, ZSTD");
    ck_assert_int_eq(r->columns[2].missing, MISSING_NULL);
    ck_assert_int_eq(r->columns[2].invalid, INVALID_NULL);
    ck_assert_int_eq(r->columns[3].source, COLUMN_EXPRESSION);
    ck_assert_str_eq(r->columns[8].header, "x:y");
    ck_assert_int_eq(r->has_topic, 5);
    ck_assert_int_eq(r->has_partition, 6);
    ck_assert_int_eq(r->has_offset, 7);
    ck_assert_uint_eq(r->views_n, 1);
    ck_assert(route_takes(r, "wiki-edits") && !route_takes(r, "my-wiki-edits"));
    pl_findings_release(&errs);
}
END_TEST

START_TEST(check_preset)
{
    struct pl_findings errs;
    pl_findings_init(&errs);
    errs.file = "etc/routes/wikipedia_edits.yaml";
    PL_CLEANUP(route_freep) struct route *r = route_load(errs.file, &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    ck_assert_str_eq(r->name, "wikipedia_edits");
    ck_assert(route_takes(r, "wikipedia-data") && !route_takes(r, "wikipedia-data2"));
    ck_assert_int_ge(r->has_offset, 0);
    pl_findings_release(&errs);
}
END_TEST

/* Two routes, by topic or by a pattern that begins with ^, and a topic that both take; NULL: none
 * is
 * found, and none exists unless the comment says so. */
static const struct {
    const char *a, *b, *topic;
} overlaps[] = {
    {"edits", "edits", "edits"},
    {"edits", "edits2", NULL},
    {"edits", "^ed", "edits"},
    {"edits", "^ed$", NULL},
    {"^wiki-.*", "^wiki-.*", "wiki-"},
    {"^wiki-.*", "^wiki-data-.*", "wiki-data-"},
    {"^wiki-.*", "^.*-data$", "wiki--data"},
    {"^wiki-.*", "^w", "wiki-"},
    {"^wiki-.*$", "^wind-.*$", NULL},
    {"^a+b", "^aab", "aab"},
    {"^(en|de)-edits$", "^(en|fr)-.+", "en-edits"},
    {"^(en|de)-edits$", "^(it|fr)-edits$", NULL},
    {"^x[0-9]{3}$", "^x0[^b-z]*", "x000"},
    {"^x[0-9]{3}$", "^x[0-9]{2}$", NULL},
    {"^[[:digit:]]-a$", "^[[:alpha:]]-a$", NULL},
    {"^[[:digit:]]-a$", "^.-a$", "0-a"},
    {"^a\\.b$", "^a.b$", "a.b"},
    {"^a\\.b$", "^a-b$", NULL},
    {"^a(b|c)?d$", "^abd$", "abd"},
    {"^(de|en)x$", "^(fr|en)x$", "enx"},
    {"^de|^en|^fr", "^f.$", "fr"},
    {"^a(b(c|d)+|e)f", "^abdf", "abdf"},
    {"^a(b|c)(d|e)$", "^ac.$", "ace"},
    {"^a(b|c)(d|e)$", "^acd$", "acd"},
    {"^a(b|c)(d|e).$", "^.(c|x)(d|y)[^f-z]$", NULL}, /* acda: a limit of the search */
};

static struct route *route_of(const char *topic)
{
    PL_CLEANUP(pl_findings_release) struct pl_findings errs;
    PL_FREE char *text =
        pl_strf("%s: '%s'\ntable: t\norder_by: a\ncolumns:\n  - {name: a, type: Int8, path: $.a}\n",
                *topic == '^' ? "topic_pattern" : "topic", topic);
    pl_findings_init(&errs);
    struct route *r = route_parse("r", text, strlen(text), &errs);
    ck_assert_msg(r != NULL, "%s", pl_buf_cstr(&errs.text));
    return r;
}

START_TEST(check_overlap)
{
    PL_CLEANUP(route_freep) struct route *a = route_of(overlaps[_i].a);
    PL_CLEANUP(route_freep) struct route *b = route_of(overlaps[_i].b);
    char topic[ROUTE_TOPIC_MAX + 1] = "", back[ROUTE_TOPIC_MAX + 1] = "";
    bool found = route_overlaps(a, b, topic);
    ck_assert_msg(found == (overlaps[_i].topic != NULL), "%s and %s: '%s'", overlaps[_i].a,
                  overlaps[_i].b, topic);
    ck_assert_int_eq(route_overlaps(b, a, back), found);
    if (found) {
        ck_assert_str_eq(topic, overlaps[_i].topic);
        ck_assert(route_takes(a, back) && route_takes(b, back));
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(check_type, .count = PL_COUNT(types)),
        TEST(check_other_types),
        TEST(check_match, .count = PL_COUNT(matches)),
        TEST(check_path, .count = PL_COUNT(paths)),
        TEST(check_table_name, .count = PL_COUNT(table_names)),
        TEST(check_rows_path),
        TEST(check_fault, .count = PL_COUNT(faults)),
        TEST(check_split),
        TEST(check_all_faults),
        TEST(check_zone, .count = PL_COUNT(zones),
             .skip = access("/usr/share/zoneinfo/Europe/Berlin", F_OK) == 0 ? NULL : "no tzdata"),
        TEST(check_route_whole),
        TEST(check_preset),
        TEST(check_overlap, .count = PL_COUNT(overlaps)),
    };
    return unit_main("route", tests, PL_COUNT(tests));
}

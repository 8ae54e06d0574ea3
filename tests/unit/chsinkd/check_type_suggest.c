/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_type_suggest.c - which type is proposed for a field, and that a route can name it.
 * links: chsinkd
 */
#include "daemons/chsinkd/route/type_suggest.h"

#include "daemons/chsinkd/route/type.h"
#include "tests/unit/unit.h"

static void document_add(struct pl_schema *p, const char *doc)
{
    const char *error = NULL;

    ck_assert_msg(pl_schema_add(p, doc, strlen(doc), &error), "%s: %s", doc, error);
}

static int field_find(const struct pl_schema *p, const char *path)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (strcmp(p->fields[i]->path, path) == 0)
            return (int)i;
    }
    return -1;
}

static const struct {
    const char *values; /* one a document; "-" stands for a document without the field */
    const char *type;
} types[] = {
    {"1 2 3", "UInt32"},
    {"1 -", "Nullable(UInt32)"},
    {"1 null", "Nullable(UInt32)"},
    {"null", "Nullable(String)"},
    {"0 2147483647", "UInt32"},
    {"0 2147483648", "UInt64"},
    {"-1 5", "Int32"},
    {"-1 1073741824", "Int64"},
    {"-1073741825", "Int64"},
    {"9223372036854775808 1", "UInt64"},
    {"9223372036854775808 -1", "String"},
    {"18446744073709551616", "String"},
    {"1.5", "Float64"},
    {"1.5 2", "Float64"},
    {"1.5 9007199254740993", "String"},
    {"1e400", "String"},
    {"true false", "Bool"},
    {"true 1", "String"},
    {"1 \"a\"", "String"},
    {"{}", ""},
    {"{} null -", ""},
    {"{} []", "String"},
    {"[]", "String"},
    {"[] -", "Nullable(String)"},
    {"\"ffef6020-2127-4d54-b11a-1d55546aa1a7\"", "UUID"},
    {"\"ffef6020-2127-4d54-b11a-1d55546aa1a7\" null", "Nullable(UUID)"},
    {"\"ffef6020-2127-4d54-b11a-1d55546aa1a7\" \"x\"", "String"},
    {"\"ffef6020-2127-4d54-b11a-1d55546aa1ag\"", "String"},
    {"\"ffef602002127-4d54-b11a-1d55546aa1a7\"", "String"},
    {"\"2023-08-15T04:43:59Z\"", "DateTime64(3)"},
    {"\"2023-08-15T04:43:59Z\" -", "Nullable(DateTime64(3))"},
    {"\"2023-08-15T04:43:59.123Z\"", "DateTime64(3)"},
    {"\"2023-08-15T04:43:59.1234Z\"", "DateTime64(6)"},
    {"\"2023-08-15T04:43:59.1234567+02:00\"", "DateTime64(9)"},
    {"\"2023-08-15T04:43:59.1234567890Z\"", "DateTime64(9)"},
    {"\"2023-08-15T04:43:59.1234567891Z\"", "String"},
    {"\"2023-08-15T04:43:59.100000Z\"", "DateTime64(6)"},
    {"\"2023-08-15t04:43:59-23:59\"", "DateTime64(3)"},
    {"\"2024-02-29T00:00:00Z\"", "DateTime64(3)"},
    {"\"2023-02-29T00:00:00Z\"", "String"},
    {"\"2023-13-01T00:00:00Z\"", "String"},
    {"\"2023-08-15T24:00:00Z\"", "String"},
    {"\"2023-08-15T04:43:60Z\"", "String"},
    {"\"2023-08-15T04:43:59\"", "DateTime64(3)"},
    {"\"2023-08-15\"", "DateTime64(3)"},
    {"\"2023-08-15T04:43:59.Z\"", "String"},
    {"\"2023-08-15T04:43:59Z.\"", "String"},
    {"\"2023-08-15T04:43:59+2:00\"", "String"},
    {"\"0001-01-01T00:00:00Z\"", "String"},
    {"\"9999-12-31T23:59:59Z\"", "String"},
    {"\"2299-12-31T23:59:59.1234567Z\"", "String"},
    {"\"2023-08-15T04:43:59Z\" \"x\"", "String"},
    {"\"a\" \"b\"", "String"},
    {"\"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\"", "LowCardinality(String)"},
    {"\"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\" \"a\" -",
     "LowCardinality(Nullable(String))"},
};

START_TEST(test_types)
{
    for (unsigned i = 0; i < PL_COUNT(types); i++) {
        PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
        PL_FREE char *values = pl_strdup(types[i].values);
        PL_CLEANUP(pl_buf_release) struct pl_buf type = {0};
        char *rest = NULL;
        for (char *v = strtok_r(values, " ", &rest); v; v = strtok_r(NULL, " ", &rest)) {
            PL_FREE char *doc = strcmp(v, "-") == 0 ? pl_strdup("{}") : pl_strf("{\"v\":%s}", v);
            document_add(p, doc);
        }
        type_suggest(p, (unsigned)field_find(p, "v"), &type);
        ck_assert_msg(strcmp(pl_buf_cstr(&type), types[i].type) == 0, "%s: %s, not %s",
                      types[i].values, type.data, types[i].type);
        struct ch_type parsed = {0};
        struct pl_err err;
        ck_assert_msg(type.len == 0 || ch_type_parse(type.data, &parsed, &err) == 0, "%s", err.msg);
        ch_type_release(&parsed);
    }
}
END_TEST

/* Below an array, absent means absent from an element. */
START_TEST(test_types_in_array)
{
    static const struct {
        const char *path, *type;
    } fields[] = {{"l[*].a", "UInt32"}, {"l[*].b.c", "Nullable(UInt32)"}, {"l[*]", ""}};
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    document_add(p, "{\"l\":[{\"a\":1,\"b\":{\"c\":1}},{\"a\":2}]}");
    document_add(p, "{}");
    for (unsigned i = 0; i < PL_COUNT(fields); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf type = {0};
        type_suggest(p, (unsigned)field_find(p, fields[i].path), &type);
        ck_assert_str_eq(pl_buf_cstr(&type), fields[i].type);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_types),
        TEST(test_types_in_array),
    };
    return unit_main("type_suggest", tests, PL_COUNT(tests));
}

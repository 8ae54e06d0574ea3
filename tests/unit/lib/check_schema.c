/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_schema.c - what a schema says about made documents.
 */
#include "lib/json/schema.h"
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

static const struct pl_schema_field *field_at(const struct pl_schema *p, const char *path)
{
    int i = field_find(p, path);

    ck_assert_msg(i >= 0, "no field %s", path);
    return p->fields[i];
}

START_TEST(test_paths)
{
    static const char *const expected[] = {
        "meta",      "meta.id", "a",        "a[*]",       "a[*].b",    "a[*].b[*]", "\"x.y\"",
        "\"x.y\".z", "\"\"",    "\"a[0]\"", "\"sp ace\"", "\"q\\\"\"", "\xC3\xA9",  "late"};
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    document_add(p, "{\"meta\":{\"id\":1},\"a\":[1,{\"b\":[2,3]}],\"x.y\":{\"z\":1},\"\":0,"
                    "\"a[0]\":0,\"sp ace\":0,\"q\\\"\":0,\"\\u00e9\":0}");
    document_add(p, "{\"late\":1,\"meta\":{\"\\u0069d\":2}}");
    ck_assert_uint_eq(p->n, PL_COUNT(expected));
    for (unsigned i = 0; i < PL_COUNT(expected); i++)
        ck_assert_str_eq(p->fields[i]->path, expected[i]);
    ck_assert_uint_eq(field_at(p, "meta.id")->present, 2);
}
END_TEST

START_TEST(test_roots)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    document_add(p, "[{\"a\":1},{\"a\":2},{}]");
    document_add(p, "7");
    document_add(p, "{\"a\":1}");
    ck_assert_uint_eq(field_at(p, "$")->present, 2);
    ck_assert_uint_eq(field_at(p, "$")->arrays, 1);
    ck_assert_uint_eq(field_at(p, "$")->integers, 1);
    ck_assert_uint_eq(field_at(p, "$[*]")->objects, 3);
    ck_assert_uint_eq(field_at(p, "$[*].a")->present, 2);
    ck_assert_uint_eq(pl_schema_field_rows(p, (unsigned)field_find(p, "$[*].a")), 3);
    ck_assert_uint_eq(pl_schema_field_rows(p, (unsigned)field_find(p, "a")), 3);
}
END_TEST

START_TEST(test_counts)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    document_add(p, "{\"v\":null}");
    document_add(p, "{\"v\":true}");
    document_add(p, "{\"v\":-5}");
    document_add(p, "{\"v\":1.5}");
    document_add(p, "{\"v\":\"ab\\u20ac\"}");
    document_add(p, "{\"v\":[]}");
    document_add(p, "{\"v\":{}}");
    document_add(p, "{\"v\":12}");
    document_add(p, "{}");
    const struct pl_schema_field *f = field_at(p, "v");
    ck_assert_uint_eq(f->present, 8);
    ck_assert_uint_eq(f->nulls, 1);
    ck_assert_uint_eq(f->bools, 1);
    ck_assert_uint_eq(f->integers, 2);
    ck_assert_uint_eq(f->floats, 1);
    ck_assert_uint_eq(f->strings, 1);
    ck_assert_uint_eq(f->arrays, 1);
    ck_assert_uint_eq(f->objects, 1);
    ck_assert_int_eq(f->int_min, -5);
    ck_assert_int_eq(f->int_max, 12);
    ck_assert(!f->int_overflow && !f->uint_fits);
    ck_assert_uint_eq(f->string_len_max, 5);
    ck_assert_uint_eq(f->distinct, 1);
    ck_assert_str_eq(f->example, "true");
    ck_assert_uint_eq(p->documents, 9);
}
END_TEST

/* A bad document is counted and leaves no other trace. */
START_TEST(test_invalid)
{
    static const char *const bad[] = {"", "{", "{\"a\":1,}", "{\"a\":\"\xFF\"}", "{\"a\":1} {"};
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    for (unsigned i = 0; i < PL_COUNT(bad); i++) {
        const char *error = NULL;
        ck_assert(!pl_schema_add(p, bad[i], strlen(bad[i]), &error));
        ck_assert_ptr_nonnull(error);
    }
    ck_assert_uint_eq(p->invalid, PL_COUNT(bad));
    ck_assert_uint_eq(p->documents, 0);
    ck_assert_uint_eq(p->n, 0);
}
END_TEST

START_TEST(test_key_twice)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    document_add(p, "{\"a\":1,\"a\":\"x\",\"l\":[{\"b\":1,\"b\":2},{\"b\":3}]}");
    ck_assert_uint_eq(field_at(p, "a")->present, 1);
    ck_assert_uint_eq(field_at(p, "a")->strings, 0);
    ck_assert_uint_eq(field_at(p, "l[*].b")->present, 2);
    ck_assert_int_eq(field_at(p, "l[*].b")->int_max, 3);
}
END_TEST

static const struct {
    const char *values; /* one a document; "-" stands for a document without the field */
    const char *type;
} types[] = {
    {"1 -2 18446744073709551616", "Integer"},
    {"1 -", "Integer, optional"},
    {"1 null", "Integer, optional"},
    {"null -", "Null"},
    {"1.5 2", "Number"},
    {"true false", "Boolean"},
    {"true 1", "Mixed"},
    {"1 \"a\" null", "Mixed, optional"},
    {"{} null -", ""},
    {"{} []", "Mixed"},
    {"[] [1]", "Array"},
    {"\"ffef6020-2127-4d54-b11a-1d55546aa1a7\" null", "UUID, optional"},
    {"\"2023-08-15T04:43:59.123Z\"", "Time"},
    {"\"2023-08-15T04:43:59Z\" \"x\"", "String"},
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
        pl_schema_type(p, (unsigned)field_find(p, "v"), &type);
        ck_assert_msg(strcmp(pl_buf_cstr(&type), types[i].type) == 0, "%s: %s, not %s",
                      types[i].values, type.data, types[i].type);
    }
}
END_TEST

/* Below an array, absent means absent from an element. */
START_TEST(test_optional_in_array)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    document_add(p, "{\"l\":[{\"a\":1,\"b\":{\"c\":1}},{\"a\":2}]}");
    document_add(p, "{}");
    ck_assert(!pl_schema_field_is_optional(p, (unsigned)field_find(p, "l[*].a")));
    ck_assert(pl_schema_field_is_optional(p, (unsigned)field_find(p, "l[*].b.c")));
}
END_TEST

START_TEST(test_limits)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    for (unsigned i = 0; i < 2100; i++) {
        PL_FREE char *doc = pl_strf("{\"key%u\":{\"x\":1}}", i);
        document_add(p, doc);
    }
    ck_assert_uint_eq(p->n, 2000);
    ck_assert_uint_eq(p->left_out, 1100);
    ck_assert_uint_eq(field_at(p, "key999.x")->present, 1);

    /* Too long a path, too many levels: left out, and no harm done. */
    PL_CLEANUP(pl_schema_freep) struct pl_schema *q = pl_schema_new();
    struct pl_buf b = {0};
    pl_buf_add_str(&b, "{\"");
    for (unsigned i = 0; i < 1025; i++)
        pl_buf_add_byte(&b, 'k');
    pl_buf_add_str(&b, "\":{\"x\":1},\"d\":");
    for (unsigned i = 0; i < 500; i++)
        pl_buf_add_byte(&b, '[');
    for (unsigned i = 0; i < 500; i++)
        pl_buf_add_byte(&b, ']');
    pl_buf_add_byte(&b, '}');
    document_add(q, pl_buf_cstr(&b));
    ck_assert_uint_eq(q->left_out, 1);
    ck_assert_uint_eq(q->n, 16);
    pl_buf_release(&b);
}
END_TEST

START_TEST(test_distinct_and_example)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();

    for (unsigned i = 0; i < 200; i++) {
        PL_FREE char *doc = pl_strf("{\"few\":\"%u\",\"many\":\"%u\"}", i % 63, i);
        document_add(p, doc);
    }
    ck_assert_uint_eq(field_at(p, "few")->distinct, 63);
    ck_assert_uint_eq(field_at(p, "many")->distinct, 64);

    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (unsigned c = 0; c < PL_COUNT(characters); c++) {
        struct pl_buf b = {0};
        pl_buf_addf(&b, "{\"e%u\":\"\\n\\u001b\\u0085", c);
        for (unsigned i = 0; i < 80; i++)
            pl_buf_add_str(&b, characters[c]);
        pl_buf_add_str(&b, "\",\"lone\":\"\\ud800\"}");
        document_add(p, pl_buf_cstr(&b));
        pl_buf_release(&b);
        PL_FREE char *path = pl_strf("e%u", c);
        const char *example = field_at(p, path)->example;
        ck_assert(pl_utf8_valid(example, strlen(example)));
        ck_assert_uint_ge(strlen(example), 60);
        ck_assert_mem_eq(example, "    ", 4);
    }
    ck_assert_str_eq(field_at(p, "lone")->example, "\\ud800");
}
END_TEST

START_TEST(test_print)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
    const char *error;
    struct pl_buf out = {0};

    document_add(p, "{\"id\":1,\"meta\":{\"t\":\"2023-08-15T04:43:59Z\"}}");
    document_add(p, "{\"id\":20,\"user\":\"J\xC3\xBCrgen\"}");
    document_add(p, "{\"id\":3,\"user\":null}");
    pl_schema_add(p, "{", 1, &error);
    pl_schema_print(p, "TYPE", pl_schema_type, &out);
    ck_assert_str_eq(
        pl_buf_cstr(&out),
        "FIELD   PRESENT  SEEN         TYPE              RANGE                       EXAMPLE\n"
        "id      100.0%   int          Integer           1..20                       1\n"
        "meta    33.3%    object\n"
        "meta.t  33.3%    string       Time, optional    up to 20 bytes, 1 distinct  "
        "2023-08-15T04:43:59Z\n"
        "user    66.6%    string|null  String, optional  up to 7 bytes, 1 distinct   "
        "J\xC3\xBCrgen\n"
        "3 documents, 4 fields, not valid JSON: 1\n");
    pl_buf_release(&out);
}
END_TEST

/* Keys come from outside as well as values. */
START_TEST(test_print_cannot_act)
{
    PL_CLEANUP(pl_schema_freep) struct pl_schema *p = pl_schema_new();
    PL_CLEANUP(pl_buf_release) struct pl_buf out = {0};

    document_add(p, "{\"k\\u009b31m\":\"v\\u009b31m\",\"\\u202ekey\":\"\\u202etext\"}");
    pl_schema_print(p, "TYPE", pl_schema_type, &out);
    pl_buf_cstr(&out);
    ck_assert_ptr_nonnull(strstr(out.data, "\nk  31m "));
    ck_assert_ptr_nonnull(strstr(out.data, "v  31m\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "\n   key "));
    ck_assert_ptr_nonnull(strstr(out.data, "   text\n"));
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_paths),
        TEST(test_roots),
        TEST(test_counts),
        TEST(test_invalid),
        TEST(test_key_twice),
        TEST(test_types),
        TEST(test_optional_in_array),
        TEST(test_limits),
        TEST(test_distinct_and_example),
        TEST(test_print),
        TEST(test_print_cannot_act),
    };
    return unit_main("schema", tests, PL_COUNT(tests));
}

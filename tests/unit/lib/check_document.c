/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_document.c - small documents: what is refused that cJSON alone would take, and members by
 * name.
 */
#include "lib/json/document.h"

#include <string.h>

#include "tests/unit/unit.h"

#define LEN_MAX 70

/* From a copy of its own size, so that a sanitizer sees a read beyond it. */
static int parse(const char *text, size_t len, cJSON **ret, struct pl_err *err)
{
    PL_FREE char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    return pl_doc_parse(copy, len, LEN_MAX, ret, err);
}

static const struct {
    const char *text, *why; /* NULL: taken */
} documents[] = {
    {"{}", NULL},
    {" [1, 2 ] \n", NULL},
    {"\"a\"", "neither an object nor"},
    {"-1", "neither an object nor"},
    {"{\"a\":\"\\\\u0000\"}", NULL},
    {"{\"a\":\"\\uD83D\\uDE00\"}", NULL},
    {"", "at byte 0"},
    {" ", "at byte 1"},
    {"{", "at byte 1"},
    {"{\"a\":1", "at byte 6"},
    {"{\"a\":1} x", "expected the end of the document at byte 8"},
    {"{\"a\":1}{", "expected the end of the document at byte 7"},
    {"[01]", "expected ',' or ']' at byte 2"},
    {"{\"a\":+1}", "expected a value at byte 5"},
    {"[1,]", "at byte 3"},
    {"{'a':1}", "expected a key"},
    {"nul", "at byte 3"},
    {"[\"\n\"]", "at byte 2"},
    {"[\"\xFF\"]", "string is not valid UTF-8"},
    {"\xEF\xBB\xBF{}", "expected a value at byte 0"},
    {"{\"a\":\"b\\u0000c\"}", "a NUL character in a text at byte 7"},
    {"{\"\\u0000\":1}", "a NUL character"},
    {"[\"\\\\\\u0000\"]", "a NUL character"},
    {"[\"\\uD83D\"]", "half a surrogate pair"},
    {"[\"\\uDE00\"]", "half a surrogate pair"},
    {"[\"123456789012345678901234567890123456789012345678901234567890123456\"]", NULL},
    {"[\"1234567890123456789012345678901234567890123456789012345678901234567\"]", "longer than 70"},
};

START_TEST(documents_are_one_or_refused)
{
    cJSON *const untouched = (cJSON *)(void *)&documents;
    const char *text = documents[_i].text, *why = documents[_i].why;
    cJSON *root = untouched;
    struct pl_err err = {0};
    int r = parse(text, strlen(text), &root, &err);
    ck_assert_msg((r == 0) == (why == NULL), "%s: %s", text, err.msg);
    if (!why) {
        cJSON_Delete(root);
        return;
    }
    ck_assert_msg(strstr(err.msg, why) != NULL, "%s: %s", text, err.msg);
    ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    ck_assert_ptr_eq(root, untouched);
}
END_TEST

/* A byte that is NUL is white space to cJSON, and so would be what follows. */
START_TEST(raw_nul_is_refused)
{
    static const char texts[][6] = {"{}\0{}", "[1\0]"};
    struct pl_err err;
    cJSON *root;
    for (size_t i = 0; i < PL_COUNT(texts); i++)
        ck_assert_int_eq(parse(texts[i], i == 0 ? 5 : 4, &root, &err), -1);
}
END_TEST

START_TEST(members_by_name)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *root = NULL;
    static const char text[] =
        "{\"s\":\"\\u00e4\",\"S\":\"\",\"t\":true,\"n\":null,\"s\":\"x\",\"a\":[5]}";
    struct pl_err err;
    bool flag = false;
    int64_t number = 7;
    ck_assert_int_eq(parse(text, strlen(text), &root, &err), 0);
    ck_assert_str_eq(pl_doc_str(root, "s"), "\xC3\xA4");
    ck_assert_str_eq(pl_doc_str(root, "S"), "");
    ck_assert_ptr_null(pl_doc_str(root, "t"));
    ck_assert_ptr_null(pl_doc_str(root, "other"));
    ck_assert(pl_doc_bool(root, "t", &flag) && flag);
    ck_assert(!pl_doc_bool(root, "n", &flag) && flag);
    ck_assert(!pl_doc_int(root, "t", &number) && !pl_doc_int(root, "other", &number));
    ck_assert_int_eq(number, 7);
    ck_assert(pl_doc_value_int(pl_doc_get(root, "a")->child, &number));
    ck_assert_int_eq(number, 5);
    ck_assert_ptr_null(pl_doc_get(NULL, "s"));
    ck_assert_ptr_null(pl_doc_get(pl_doc_get(root, "a"), "s"));
    ck_assert_ptr_null(pl_doc_str(pl_doc_get(root, "s"), "s"));
}
END_TEST

START_TEST(integers_are_exact)
{
    static const struct {
        const char *text;
        bool exact;
        int64_t value;
    } cases[] = {
        {"{\"v\":0}", true, 0},
        {"{\"v\":-0}", true, 0},
        {"{\"v\":1.0}", true, 1},
        {"{\"v\":1e3}", true, 1000},
        {"{\"v\":253402300799999}", true, INT64_C(253402300799999)},
        {"{\"v\":9007199254740991}", true, INT64_C(9007199254740991)},
        {"{\"v\":-9007199254740991}", true, -INT64_C(9007199254740991)},
        {"{\"v\":9007199254740992}", false, 0},
        {"{\"v\":9007199254740993}", false, 0},
        {"{\"v\":-9007199254740992}", false, 0},
        {"{\"v\":9223372036854775807}", false, 0},
        {"{\"v\":1e300}", false, 0},
        {"{\"v\":1e999}", false, 0},
        {"{\"v\":1.5}", false, 0},
        {"{\"v\":\"1\"}", false, 0},
        {"{\"v\":true}", false, 0},
        {"{\"v\":[1]}", false, 0},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(cJSON_Deletep) cJSON *root = NULL;
        struct pl_err err;
        int64_t value = -7;
        ck_assert_int_eq(parse(cases[i].text, strlen(cases[i].text), &root, &err), 0);
        ck_assert_msg(pl_doc_int(root, "v", &value) == cases[i].exact, "%s", cases[i].text);
        ck_assert_int_eq(value, cases[i].exact ? cases[i].value : -7);
    }
}
END_TEST

START_TEST(made_of)
{
    static const char *const names[] = {"a", "b", NULL};
    static const struct {
        const char *text;
        bool is;
    } cases[] = {
        {"{}", true},
        {"{\"b\":1,\"a\":2}", true},
        {"{\"a\":{\"c\":1}}", true},
        {"{\"a\":1,\"c\":2}", false},
        {"{\"A\":1}", false},
        {"{\"a\":1,\"b\":2,\"a\":1}", false},
        {"{\"a\":1,\"\\u0061\":1}", false},
        {"[]", false},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(cJSON_Deletep) cJSON *root = NULL;
        struct pl_err err;
        ck_assert_int_eq(parse(cases[i].text, strlen(cases[i].text), &root, &err), 0);
        ck_assert_msg(pl_doc_is_made_of(root, names) == cases[i].is, "%s", cases[i].text);
    }
    ck_assert(!pl_doc_is_made_of(NULL, names));
}
END_TEST

/* What was freed is looked at through the allocator: nothing of a secret may be in it. */
static unsigned secrets_freed;

static void *watched_malloc(size_t size)
{
    return malloc(size);
}

static void watched_free(void *p)
{
    secrets_freed += p && strncmp(p, "hunter2", 7) == 0;
    free(p);
}

START_TEST(secrets_are_wiped)
{
    static const char text[] =
        "{\"a\":\"hunter2\",\"b\":[{\"c\":\"hunter2\"},1],\"d\":\"hunter2\"}";
    cJSON_Hooks hooks = {watched_malloc, watched_free};
    struct pl_err err;
    cJSON *root;
    cJSON_InitHooks(&hooks);
    ck_assert_int_eq(parse(text, strlen(text), &root, &err), 0);
    cJSON_Delete(root);
    ck_assert_uint_eq(secrets_freed, 3);
    ck_assert_int_eq(parse(text, strlen(text), &root, &err), 0);
    pl_doc_wipe(root);
    ck_assert_uint_eq(secrets_freed, 3);
    pl_doc_wipe(NULL);
    cJSON_InitHooks(NULL);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(documents_are_one_or_refused, .count = PL_COUNT(documents)),
        TEST(raw_nul_is_refused),
        TEST(members_by_name),
        TEST(integers_are_exact),
        TEST(made_of),
        TEST(secrets_are_wiped),
    };
    return unit_main("document", tests, PL_COUNT(tests));
}

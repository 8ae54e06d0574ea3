/* SPDX-License-Identifier: Apache-2.0 */
/* links: chsinkd */
#include "daemons/chsinkd/iceberg/format/json.h"
#include "tests/unit/unit.h"

static char *again(const char *text)
{
    struct pl_err err;
    PL_CLEANUP(cJSON_Deletep) cJSON *doc = NULL;
    ck_assert_done(iceberg_json_parse(text, strlen(text), 4096, &doc, &err), err);
    struct pl_buf out = {0};
    iceberg_json_print(doc, &out);
    return pl_buf_take(&out);
}

START_TEST(what_is_read_is_printed_the_same)
{
    static const char *const texts[] = {
        "{\"current-snapshot-id\":3051729675574597004,\"last-updated-ms\":1602638573590}",
        "{\"a\":[1,-9223372036854775808,9223372036854775807,[8744736658442914487,{}]],\"b\":{}}",
        "[123456789012345,1234567890123456,-12345678901234,-123456789012345]",
        "{\"s\":\"1234567890123456789\",\"d\":0.5,\"e\":[],\"n\":null,\"t\":true}",
    };
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        PL_FREE char *printed = again(texts[i]);
        ck_assert_str_eq(printed, texts[i]);
    }
}
END_TEST

START_TEST(integers_are_exact)
{
    static const struct {
        const char *text;
        bool there;
        int64_t value;
    } cases[] = {
        {"{\"v\":3051729675574597004}", true, 3051729675574597004},
        {"{\"v\":-9223372036854775808}", true, INT64_MIN},
        {"{\"v\":9223372036854775807}", true, INT64_MAX},
        {"{\"v\":9223372036854775808}", false, 0},
        {"{\"v\":-1}", true, -1},
        {"{\"v\":1234567890123456.5}", false, 0},
        {"{\"v\":\"1234567890123456789\"}", false, 0},
        {"{\"w\":1}", false, 0},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_err err;
        PL_CLEANUP(cJSON_Deletep) cJSON *doc = NULL;
        int64_t v = 0;
        ck_assert_done(iceberg_json_parse(cases[i].text, strlen(cases[i].text), 4096, &doc, &err),
                       err);
        ck_assert_msg(iceberg_json_int(doc, "v", &v) == cases[i].there, "%s", cases[i].text);
        ck_assert_int_eq(v, cases[i].value);
    }
}
END_TEST

START_TEST(an_integer_that_is_made_is_exact)
{
    PL_CLEANUP(cJSON_Deletep) cJSON *doc = cJSON_CreateObject();
    iceberg_json_add_int(doc, "id", INT64_MAX);
    int64_t v;
    ck_assert(iceberg_json_int(doc, "id", &v));
    ck_assert_int_eq(v, INT64_MAX);
    struct pl_buf out = {0};
    iceberg_json_print(doc, &out);
    ck_assert_str_eq(pl_buf_cstr(&out), "{\"id\":9223372036854775807}");
    pl_buf_release(&out);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(what_is_read_is_printed_the_same),
        TEST(integers_are_exact),
        TEST(an_integer_that_is_made_is_exact),
    };
    return unit_main("iceberg_json", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_element.c - one transaction object: key, records, and its parts where it is too
 * large for a message. links: wmfetchd
 */
#include <stdio.h>

#include "daemons/wmfetchd/api/element.h"
#include "tests/unit/unit.h"

static char *const default_keys[] = {(char *)"transactionId", (char *)"transactionName"};
static const struct wmfetchd_record_conf conf = {{(char **)default_keys, 2},
                                                 (char *)"transactionSeries"};

static struct pl_slice slice(const char *text)
{
    return (struct pl_slice){text, strlen(text)};
}

START_TEST(keys_and_records)
{
    static const struct {
        const char *in, *key; /* NULL: none */
        uint64_t records;
        bool transaction;
    } cases[] = {
        {"{\"transactionId\":\"a\\u00e4\",\"transactionName\":\"n\",\"transactionSeries\":[1,{},[]]"
         "}",
         "a\xC3\xA4", 3, true},
        {"{\"transactionName\":\"n\",\"transactionId\":700001,\"transactionSeries\":[]}", "700001",
         0, true},
        {"{\"transactionName\":\"n\",\"transactionSeries\":null}", "n", 0, true},
        {"{\"transactionId\":null,\"transactionName\":\"n\"}", "n", 0, false},
        {"{\"transactionId\":\"\",\"transactionName\":\"n\"}", "n", 0, false},
        {"{\"transactionId\":{},\"transactionName\":\"n\"}", "n", 0, false},
        {"{\"transactionId\":\"\\ud800\",\"transactionName\":\"n\"}", "n", 0, false},
        {"{\"transactionId\":1.50,\"a\":1}", "1.50", 0, false},
        {"{\"transactionSeries\":{}}", NULL, 0, false},
        {"{\"transactionSeries\":\"x\"}", NULL, 0, false},
        {"{\"a\":{\"transactionId\":1,\"transactionSeries\":[1]}}", NULL, 0, false},
        {"{}", NULL, 0, false},
        {"{\"transactionSeries\" : [ 1 , 2 ] , \"transactionId\" : \"x\" }", "x", 2, true},
    };
    struct element e = {0};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_err err;
        element_read(&e, &conf, slice(cases[i].in));
        ck_assert_msg(e.has_key == (cases[i].key != NULL), "%s", cases[i].in);
        if (!cases[i].key) /* nothing of the one before */
            ck_assert_uint_eq(e.key.len, 0);
        else
            ck_assert_str_eq(pl_buf_cstr(&e.key), cases[i].key);
        ck_assert_msg(e.records == cases[i].records, "%s", cases[i].in);
        ck_assert_msg((element_check(&e, &err) == 0) == cases[i].transaction, "%s", cases[i].in);
        if (!cases[i].transaction)
            ck_assert_int_eq(err.kind, PL_ERR_REJECT);
    }
    element_release(&e);
}
END_TEST

/* Other names, by api.record. */
START_TEST(other_names)
{
    static char *names[] = {(char *)"id", (char *)"data id", (char *)"c"};
    static const struct {
        size_t keys;
        const char *series, *in, *key;
        bool good;
        uint64_t records;
    } cases[] = {
        {1, "values", "{\"id\":7,\"values\":[1,2,3]}", "7", true, 3},
        {1, "values", "{\"id\":7,\"transactionSeries\":[1,2,3]}", "7", false, 0},
        {3, "values", "{\"c\":1,\"data id\":2,\"values\":[]}", "2", true, 0},
        {3, "values", "{\"id\":null,\"data id\":[],\"c\":3,\"values\":null}", "3", true, 0},
        {3, "values", "{\"id\":\"a\",\"data id\":\"b\",\"values\":null}", "a", true, 0},
        {0, "values", "{\"id\":7,\"values\":[0]}", NULL, true, 1},
        {1, "", "{\"id\":7,\"values\":[1,2,3]}", "7", true, 1},
        {1, "", "{}", NULL, true, 1},
        {1, "id", "{\"id\":[1,2]}", NULL, true, 2},
    };
    struct element e = {0};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        const struct wmfetchd_record_conf other = {{names, cases[i].keys},
                                                   (char *)(uintptr_t)cases[i].series};
        struct pl_err err;
        uint32_t n;
        element_read(&e, &other, slice(cases[i].in));
        ck_assert_msg(e.has_key == (cases[i].key != NULL), "%s", cases[i].in);
        ck_assert_str_eq(pl_buf_cstr(&e.key), cases[i].key ? cases[i].key : "");
        ck_assert_msg((element_check(&e, &err) == 0) == cases[i].good, "%s", cases[i].in);
        ck_assert_msg(cases[i].good || strstr(err.msg, cases[i].series), "%s", err.msg);
        ck_assert_msg(e.records == cases[i].records, "%s", cases[i].in);
        if (!cases[i].series[0]) /* never cut */
            ck_assert_int_eq(element_parts(&e, 1, &n, &err), -1);
    }
    element_release(&e);
}
END_TEST

#define SERIES        " {\"k\":1}, {\"k\":22} ,{\"k\":333}"
#define FRAME(inside) "{\"a\":1,\"transactionSeries\":[" inside "],\"b\":2}"
#define ABC           FRAME(SERIES)

START_TEST(parts)
{
    static const struct {
        const char *in;
        size_t max;
        const char *parts[5]; /* none: refused */
    } cases[] = {
        {ABC, 200, {ABC}},
        {ABC, sizeof(ABC) - 1, {ABC}},
        {ABC,
         sizeof(ABC) - 2,
         {FRAME("{\"k\":1}, {\"k\":22} ,{\"k\":333}")}}, /* without the space it fits */
        {ABC,
         sizeof(FRAME("{\"k\":1}, {\"k\":22}")) - 1,
         {FRAME("{\"k\":1}, {\"k\":22}"), FRAME("{\"k\":333}")}},
        {ABC,
         sizeof(FRAME("{\"k\":333}")) - 1,
         {FRAME("{\"k\":1}"), FRAME("{\"k\":22}"), FRAME("{\"k\":333}")}},
        {ABC, sizeof(FRAME("{\"k\":333}")) - 2, {NULL}},
        {ABC, 10, {NULL}},
        {"{\"transactionSeries\":[]}", 5, {NULL}},
        {"{\"x\":\"no series and too large\"}", 5, {NULL}},
        {"{\"transactionSeries\":[1,2,3,4]}",
         25,
         {"{\"transactionSeries\":[1]}", "{\"transactionSeries\":[2]}",
          "{\"transactionSeries\":[3]}", "{\"transactionSeries\":[4]}"}},
        {"{\"transactionSeries\":[\"],\",\"\\\"]\"]}",
         29,
         {"{\"transactionSeries\":[\"],\"]}", "{\"transactionSeries\":[\"\\\"]\"]}"}},
    };
    struct element e = {0};
    struct pl_buf part = {0};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct element_cut cut;
        struct pl_err err;
        uint32_t n = 0, made = 0;
        element_read(&e, &conf, slice(cases[i].in));
        int r = element_parts(&e, cases[i].max, &n, &err);
        ck_assert_msg((r == 0) == (cases[i].parts[0] != NULL), "case %zu", i);
        if (r < 0) {
            ck_assert_int_eq(err.kind, PL_ERR_CONFIG);
            ck_assert_ptr_nonnull(strstr(err.msg, "message_bytes_max"));
            continue;
        }
        for (element_cut_init(&cut, &e, cases[i].max); element_cut_next(&cut, &part); made++) {
            ck_assert_msg(cases[i].parts[made] != NULL, "case %zu: %s", i, pl_buf_cstr(&part));
            ck_assert_str_eq(pl_buf_cstr(&part), cases[i].parts[made]);
            ck_assert_uint_le(part.len, cases[i].max);
            pl_buf_reset(&part);
        }
        ck_assert_uint_eq(made, n);
        ck_assert_ptr_null(cases[i].parts[made]);
    }
    pl_buf_release(&part);
    element_release(&e);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(keys_and_records),
        TEST(other_names),
        TEST(parts),
    };
    return unit_main("element", tests, PL_COUNT(tests));
}

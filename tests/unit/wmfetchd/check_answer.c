/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_answer.c - answers that report an error or a part, by tables: members, headers and the
 * configuration's say. links: wmfetchd
 *
 * Each answer goes through the splitter, so that the members are those that fetch.c would see.
 */
#include <stdio.h>

#include "daemons/wmfetchd/api/answer.h"
#include "tests/unit/unit.h"

#define YES  ANSWER_NOTHING
#define FAIL ANSWER_FAILED
#define PART ANSWER_PART

static bool on_element(void *userdata, struct pl_slice element)
{
    (void)userdata;
    (void)element;
    return true;
}

static void on_member(void *userdata, const struct pl_split_member *member)
{
    answer_member(userdata, member);
}

static enum answer_says read_answer(struct answer *a, const struct wmfetchd_answer_conf *conf,
                                    const char *text)
{
    struct pl_split s;
    struct pl_err err = {0};
    answer_init(a, conf);
    pl_split_init(&s, 1 << 20, on_element, a);
    pl_split_around(&s, conf->array, on_member);
    pl_split_feed(&s, text, strlen(text));
    ck_assert_msg(pl_split_end(&s, &err) == 0 || !s.array_seen, "%s: %s", text, err.msg);
    uint64_t elements = s.elements;
    pl_split_release(&s);
    return answer_end(a, elements);
}

static const struct wmfetchd_answer_conf plain;

/* One member in an answer of two elements. */
static const struct {
    const char *member;
    enum answer_says says;
    const char *name; /* of the culprit; NULL: the member's */
} members[] = {
    {"\"status\":\"ERROR\"", FAIL, NULL},
    {"\"status\":\"error\"", FAIL, NULL},
    {"\"status\":\"FAILED\"", FAIL, NULL},
    {"\"status\":\"PARTIAL\"", FAIL, NULL},
    {"\"status\":\"PENDING\"", FAIL, NULL},
    {"\"status\":\"what nobody knows\"", FAIL, NULL},
    {"\"status\":\"a text that is longer than any word for a status that anybody would use here\"",
     FAIL, NULL},
    {"\"status\":\"\\ud800\"", FAIL, NULL},
    {"\"status\":false", FAIL, NULL},
    {"\"status\":500", FAIL, NULL},
    {"\"status\":206", FAIL, NULL},
    {"\"status\":-1", FAIL, NULL},
    {"\"status\":1e999", FAIL, NULL},
    {"\"status\":\"500\"", FAIL, NULL},
    {"\"status\":\"503 Service Unavailable\"", FAIL, NULL},
    {"\"Status-Code\":404", FAIL, NULL},
    {"\"status\":{\"code\":7,\"text\":\"x\"}", FAIL, "status.code"},
    {"\"code\":\"E1234\"", FAIL, NULL},
    {"\"resultCode\":10001", FAIL, NULL},
    {"\"result\":\"failure\"", FAIL, NULL},
    {"\"status\":\"OK\"", YES, NULL},
    {"\"status\":\"ok\"", YES, NULL},
    {"\"status\":\"SUCCESS\"", YES, NULL},
    {"\"status\":\"Success\"", YES, NULL},
    {"\"status\":\"COMPLETED\"", YES, NULL},
    {"\"status\":\"O\\u004b\"", YES, NULL},
    {"\"status\":200", YES, NULL},
    {"\"status\":200.0", YES, NULL},
    {"\"status\":\"200\"", YES, NULL},
    {"\"status\":\"200 OK\"", YES, NULL},
    {"\"status\":0", YES, NULL},
    {"\"status\":true", YES, NULL},
    {"\"status\":null", YES, NULL},
    {"\"status\":\"\"", YES, NULL},
    {"\"status\":[\"ERROR\"]", YES, NULL},
    {"\"status\":{\"code\":0,\"text\":\"ERROR\"}", YES, NULL},
    {"\"code\":\"00000\"", YES, NULL},

    {"\"success\":false", FAIL, NULL},
    {"\"success\":\"false\"", FAIL, NULL},
    {"\"success\":0", FAIL, NULL},
    {"\"isSuccessful\":false", FAIL, NULL},
    {"\"ok\":false", FAIL, NULL},
    {"\"success\":true", YES, NULL},
    {"\"success\":1", YES, NULL},
    {"\"success\":null", YES, NULL},
    {"\"success\":\"\"", YES, NULL},
    {"\"ok\":\"true\"", YES, NULL},

    {"\"error\":\"timeout\"", FAIL, NULL},
    {"\"error\":true", FAIL, NULL},
    {"\"error\":{\"code\":7}", FAIL, NULL},
    {"\"error\":{\"a\":{\"b\":[0]}}", FAIL, NULL},
    {"\"errors\":[\"shard 3\"]", FAIL, NULL},
    {"\"errors\":[null]", FAIL, NULL},
    {"\"errors\":3", FAIL, NULL},
    {"\"error\":\"0 shards answered\"", FAIL, NULL},
    {"\"error\":\"\\u0000x\"", FAIL, NULL},
    {"\"error\":9007199254740993", FAIL, NULL},
    {"\"error_message\":\"no\"", FAIL, NULL},
    {"\"errorCode\":\"E7\"", FAIL, NULL},
    {"\"exception\":\"java.lang.NullPointerException\"", FAIL, NULL},
    {"\"partial\":true", FAIL, NULL},
    {"\"incomplete_results\":true", FAIL, NULL},
    {"\"timed_out\":true", FAIL, NULL},
    {"\"errors\":[]", YES, NULL},
    {"\"errors\":[ ]", YES, NULL},
    {"\"errors\":{}", YES, NULL},
    {"\"errors\":0", YES, NULL},
    {"\"error\":null", YES, NULL},
    {"\"error\":false", YES, NULL},
    {"\"error\":\"\"", YES, NULL},
    {"\"error\":{\"code\":0,\"message\":null,\"details\":[]}", YES, NULL},
    {"\"errorCode\":\"0\"", YES, NULL},
    {"\"timed_out\":false", YES, NULL},
    {"\"message\":\"122 series\"", YES, NULL},

    {"\"hasMore\":true", PART, NULL},
    {"\"has_more\":true", PART, NULL},
    {"\"HasMore\":1", PART, NULL},
    {"\"hasNextPage\":\"true\"", PART, NULL},
    {"\"truncated\":true", PART, NULL},
    {"\"next\":\"https://api.example/all?page=2\"", PART, NULL},
    {"\"next\":{\"href\":\"/all?page=2\"}", PART, NULL},
    {"\"next\":2", PART, NULL},
    {"\"nextPage\":2", PART, NULL},
    {"\"next_page_token\":\"CAEQAA\"", PART, NULL},
    {"\"nextPageStartsAt\":\"7\"", PART, NULL},
    {"\"nextCursor\":\"x\"", PART, NULL},
    {"\"@odata.nextLink\":\"https://api.example/x\"", PART, NULL},
    {"\"links\":{\"self\":\"/a\",\"next\":\"/b\"}", PART, "links.next"},
    {"\"_links\":{\"next\":{\"href\":\"/b\"}}", PART, "_links.next"},
    {"\"links\":[{\"rel\":\"self\",\"href\":\"/a\"},{\"href\":\"/b\",\"rel\":\"next\"}]", PART,
     "links"},
    {"\"meta\":{\"pagination\":{\"has-more\":true}}", PART, "meta.pagination.has-more"},
    {"\"hasMoreRecords\":true", PART, NULL},
    {"\"has_more_pages\":true", PART, NULL},
    {"\"hasNextLink\":true", PART, NULL},
    {"\"last\":false", PART, NULL},
    {"\"last\":\"false\"", PART, NULL},
    {"\"lastPage\":false", PART, NULL},
    {"\"lastPage\":true", YES, NULL},
    {"\"hasMoreRecords\":false", YES, NULL},
    {"\"complete\":false", PART, NULL},
    {"\"done\":false", PART, NULL},
    {"\"page\":1,\"totalPages\":14", PART, "totalPages"},
    {"\"page\":{\"size\":20,\"totalElements\":2,\"totalPages\":14,\"number\":0}", PART,
     "page.totalPages"},
    {"\"current_page\":1,\"last_page\":2", PART, "last_page"},
    {"\"pages\":14", PART, NULL},
    {"\"total\":3", PART, NULL},
    {"\"total\":122", PART, NULL},
    {"\"total\":\"122\"", PART, NULL},
    {"\"total\":1e300", PART, NULL},
    {"\"total\":1e999", PART, NULL},
    {"\"total\":9007199254740993", PART, NULL}, /* not exact as a double */
    {"\"totalPages\":1e999", PART, NULL},
    {"\"totalCount\":3", PART, NULL},
    {"\"total_count\":3", PART, NULL},
    {"\"count\":3", PART, NULL},
    {"\"count\":2,\"total\":3", PART, "total"},
    {"\"total\":3,\"count\":2", PART, "total"},
    {"\"meta\":{\"count\":3}", PART, "meta.count"},
    {"\"hasMore\":false", YES, NULL},
    {"\"hasMore\":null", YES, NULL},
    {"\"hasMore\":\"false\"", YES, NULL},
    {"\"next\":null", YES, NULL},
    {"\"next\":\"\"", YES, NULL},
    {"\"next\":false", YES, NULL},
    {"\"next\":{}", YES, NULL},
    {"\"next\":{\"href\":null}", YES, NULL},
    {"\"nextPage\":0", YES, NULL},
    {"\"nextPage\":-1", YES, NULL},
    {"\"nextRefresh\":\"2026-01-01T00:00:00Z\"", YES, NULL},
    {"\"links\":{\"self\":\"/a\",\"first\":\"/a\",\"last\":\"/a\",\"next\":null}", YES, NULL},
    {"\"links\":[{\"rel\":\"prev\",\"href\":\"/a\"},{},7,{\"rel\":null}]", YES, NULL},
    {"\"last\":true", YES, NULL},
    {"\"last\":\"/all?page=14\"", YES, NULL},
    {"\"done\":true", YES, NULL},
    {"\"page\":1,\"totalPages\":1", YES, NULL},
    {"\"totalPages\":0", YES, NULL},
    {"\"pages\":[1,2]", YES, NULL},
    {"\"total\":2", YES, NULL},
    {"\"total\":1", YES, NULL},
    {"\"total\":-1", YES, NULL},
    {"\"total\":-1e999", YES, NULL},
    {"\"total\":null", YES, NULL},
    {"\"total\":{\"value\":122}", YES, NULL},
    {"\"count\":2,\"total\":2,\"size\":500,\"limit\":10", YES, NULL},
    {"\"nothing\":{\"total\":122,\"next\":\"x\",\"error\":1}", YES, NULL}, /* an unknown name */
    {"\"meta\":{\"links\":{\"page\":{\"meta\":{\"next\":\"x\"}}}}", YES, NULL}, /* too deep */
    {"\"\":1,\"x\":\"ERROR\"", YES, NULL},
    {"\"hasMore\":true,\"status\":\"ERROR\"", FAIL, "status"}, /* the error counts */
    {"\"status\":\"ERROR\",\"error\":\"x\",\"hasMore\":true", FAIL, "status"},
};

/* The text between the first quotes. */
static void name_of(const char *member, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)strcspn(member + 1, "\""), member + 1);
}

START_TEST(what_members_say)
{
    for (size_t i = 0; i < PL_COUNT(members); i++) {
        const char *formats[] = {"{%s,\"data\":[{},{}]}", "{\"data\":[{},{}],%s}"};
        for (size_t k = 0; k < PL_COUNT(formats); k++) {
            struct answer a;
            char text[400], name[100];
            const char *before = strchr(formats[k], '%');
            snprintf(text, sizeof(text), "%.*s%s%s", (int)(before - formats[k]), formats[k],
                     members[i].member, before + 2);
            enum answer_says says = read_answer(&a, &plain, text);
            ck_assert_msg(says == members[i].says, "%s: %d by %s", text, says, a.name);
            name_of(members[i].member, name, sizeof(name));
            if (says != YES)
                ck_assert_str_eq(a.name, members[i].name ? members[i].name : name);
            ck_assert_msg(says == YES || a.value.len > 0, "%s", text);
        }
    }
}
END_TEST

START_TEST(its_words)
{
    struct answer a;
    read_answer(&a, &plain,
                "{\"message\":\"shard 3\",\"msg\":\"x\",\"data\":[],\"status\":\"BAD\"}");
    ck_assert_int_eq((int)a.value.len, 5);
    ck_assert(memcmp(a.value.p, "\"BAD\"", 5) == 0);
    ck_assert_int_eq((int)a.message.len, 9);
    ck_assert(memcmp(a.message.p, "\"shard 3\"", 9) == 0);
    /* An array that may be the data; but not one whose name is in the table. */
    read_answer(&a, &plain, "{\"errors\":[],\"items\":[{}],\"more_items\":[{}]}");
    ck_assert_str_eq(a.array, "items");
}
END_TEST

/* A member too large to keep is not empty; one with an unknown name may be large. */
START_TEST(too_large)
{
    static const struct {
        const char *name;
        enum answer_says says;
    } cases[] = {{"errors", FAIL}, {"meta", FAIL},   {"status", FAIL},
                 {"next", FAIL},   {"message", YES}, {"items", YES}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        PL_CLEANUP(pl_buf_release) struct pl_buf text = {0};
        struct answer a;
        pl_buf_addf(&text, "{\"%s\":[", cases[i].name);
        for (size_t k = 0; k < PL_SPLIT_BESIDE_MAX; k++)
            pl_buf_add_str(&text, "0,");
        pl_buf_add_str(&text, "0],\"data\":[]}");
        ck_assert_int_eq(read_answer(&a, &plain, pl_buf_cstr(&text)), cases[i].says);
        ck_assert_uint_eq(a.value.len, cases[i].says == YES ? 0 : strlen("too large to be read"));
    }
}
END_TEST

/* ---- headers ---- */

START_TEST(links)
{
    static const struct {
        const char *value;
        bool next;
    } cases[] = {
        {"<https://a/?page=2>; rel=\"next\"", true},
        {"<https://a/?page=2>;rel=next", true},
        {"<https://a/?page=2> ; REL = \"Next\"", true},
        {"</1>; rel=\"first\", </2>; rel=\"next\"", true},
        {"</1>; title=\"a, b; rel=next\"; rel=\"prev next\"", true},
        {"</1>; rel=\"prev\tx  next\"", true},
        {"</a,b;c>; rel=\"next\"; title=x", true},
        {"</1>; x; rel=next", true},
        {"</1>; rel=\"prev\", </14>; rel=\"last\"", false},
        {"</1>; title=\"rel=next\"", false},
        {"</1>; title=\"a \\\"; rel=next\"; rel=prev", false},
        {"</x;rel=next>; rel=prev", false},
        {"</1>; rel=\"nextarchive\"", false},
        {"</1>; rel=next-archive", false},
        {"</1>; rel=\"https://a/rels/next\"", false},
        {"</1>; rev=next", false},
        {"</1>; rel", false},
        {"</1>; rel=", false},
        {"</1>; rel=\"next", true}, /* no closing quote: better safe */
        {"</1", false},
        {"; ; ,, <>;", false},
        {"", false},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        ck_assert_msg(answer_link_is_next(cases[i].value) == cases[i].next, "%s", cases[i].value);
}
END_TEST

START_TEST(headers)
{
    static char *names[] = {(char *)"link", (char *)"X-Total-Count"};
    static const struct wmfetchd_answer_conf ignore = {.ignore = {names, 2}};
    static const struct {
        const char *name, *value;
        enum answer_says says;
    } cases[] = {
        {"Link", "</2>; rel=next", PART},  {"link", "</2>; rel=next", PART},
        {"Link", "</1>; rel=prev", YES},   {"X-Total-Count", "3", PART},
        {"x-total-count", "122", PART},    {"X-Total-Count", "2", YES},
        {"X-Total-Count", "many", YES},    {"X-Total-Count", "", YES},
        {"X-Link", "</2>; rel=next", YES},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct answer a;
        answer_init(&a, &plain);
        answer_header(&a, cases[i].name, cases[i].value);
        ck_assert_msg(answer_end(&a, 2) == cases[i].says, "%s: %s", cases[i].name, cases[i].value);
        answer_init(&a, &ignore);
        answer_header(&a, cases[i].name, cases[i].value);
        ck_assert_int_eq(answer_end(&a, 2), YES);
    }
}
END_TEST

/* ---- the configuration ---- */

START_TEST(configured)
{
    static char *total[] = {(char *)"total", (char *)"meta.count", (char *)"result.next"};
    static struct pl_map_entry done[] = {{.key = (char *)"status", .value = (char *)"DONE|7|true"},
                                         {.key = (char *)"x.y", .value = (char *)"1"}};
    static const struct wmfetchd_answer_conf ignore = {.ignore = {total, 3}};
    static const struct wmfetchd_answer_conf one = {.require = {done, 1}};
    static const struct wmfetchd_answer_conf two = {.require = {done, 2}};
    static const struct wmfetchd_answer_conf deep = {.array = (char *)"result.items",
                                                     .ignore = {total, 3}};
    static const struct {
        const struct wmfetchd_answer_conf *conf;
        const char *text;
        enum answer_says says;
        const char *name;
    } cases[] = {
        {&ignore, "{\"total\":122,\"meta\":{\"count\":122},\"data\":[]}", YES, ""},
        {&ignore, "{\"Total\":122,\"data\":[]}", YES, ""},
        {&ignore, "{\"count\":122,\"data\":[]}", PART, "count"},
        {&ignore, "{\"meta\":{\"total\":122},\"data\":[]}", PART, "meta.total"},
        {&one, "{\"status\":\"DONE\",\"data\":[]}", YES, ""},
        {&one, "{\"data\":[],\"status\":\"DO\\u004eE\"}", YES, ""},
        {&one, "{\"status\":7,\"data\":[]}", YES, ""},
        {&one, "{\"status\":true,\"data\":[]}", YES, ""},
        {&one, "{\"status\":\"DONE|7\",\"data\":[]}", FAIL, "status"},
        {&one, "{\"status\":\"OK\",\"data\":[]}", FAIL, "status"},
        {&one, "{\"status\":\"\",\"data\":[]}", FAIL, "status"},
        {&one, "{\"status\":null,\"data\":[]}", FAIL, "status"},
        {&one, "{\"data\":[]}", FAIL, "status"},
        {&one, "[]", FAIL, "status"},
        {&one, "{\"status\":\"DONE\",\"data\":[],\"hasMore\":true}", PART, "hasMore"},
        {&two, "{\"status\":\"DONE\",\"x\":{\"y\":1},\"data\":[]}", YES, ""},
        {&two, "{\"status\":\"DONE\",\"x\":{\"y\":2},\"data\":[]}", FAIL, "x.y"},
        {&two, "{\"status\":\"DONE\",\"x\":1,\"data\":[]}", FAIL, "x.y"},
        {&deep, "{\"result\":{\"next\":1,\"items\":[{}],\"count\":1},\"total\":9}", YES, ""},
        {&deep, "{\"result\":{\"items\":[{}],\"count\":2}}", PART, "result.count"},
        {&deep, "{\"result\":{\"items\":[{}]},\"next\":2}", PART, "next"},
        {&deep, "{\"result\":{\"items\":[{}]},\"status\":\"NO\"}", FAIL, "status"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct answer a;
        enum answer_says says = read_answer(&a, cases[i].conf, cases[i].text);
        ck_assert_msg(says == cases[i].says, "%zu: %s: %d", i, cases[i].text, says);
        ck_assert_str_eq(a.name, cases[i].name);
    }
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(what_members_say), TEST(its_words),  TEST(too_large), TEST(links),
        TEST(headers),          TEST(configured),
    };
    return unit_main("answer", tests, PL_COUNT(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_reader_events.c - the reader and cJSON see the same in recorded recentchange events.
 *
 * The reader builds cJSON's tree by walking, and the trees are compared. The events lie outside
 * the checkout (RECORDED, or ../shared/data/recentchange.jsonl); without them the made documents
 * below are what is compared.
 */
#include "lib/json/reader.h"
#include "tests/unit/json_walk.h"
#include "tests/unit/unit.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static char *text_make(const struct pl_json_str *str)
{
    struct pl_buf b = {0};

    ck_assert(pl_json_unescape_buf(str, &b));
    return pl_buf_take(&b);
}

static cJSON *tree_make(struct pl_json *j)
{
    struct pl_json_str str;
    struct pl_json_num num;
    cJSON *item = NULL;
    bool value = false;
    double d = 0;

    switch (pl_json_peek(j)) {
    case PL_JSON_NULL:
        ck_assert(pl_json_null(j));
        return cJSON_CreateNull();
    case PL_JSON_FALSE:
    case PL_JSON_TRUE:
        ck_assert(pl_json_bool(j, &value));
        return cJSON_CreateBool(value);
    case PL_JSON_NUMBER:
        ck_assert(pl_json_number(j, &num));
        ck_assert_int_eq(pl_json_num_f64(&num, &d), PL_JSON_NUM_OK);
        return cJSON_CreateNumber(d);
    case PL_JSON_STRING: {
        ck_assert(pl_json_string(j, &str));
        PL_FREE char *text = text_make(&str);
        return cJSON_CreateString(text);
    }
    case PL_JSON_ARRAY:
        item = cJSON_CreateArray();
        ck_assert(pl_json_array_begin(j));
        while (pl_json_array_next(j))
            cJSON_AddItemToArray(item, tree_make(j));
        return item;
    case PL_JSON_OBJECT:
        item = cJSON_CreateObject();
        ck_assert(pl_json_object_begin(j));
        while (pl_json_object_next(j, &str)) {
            PL_FREE char *key = text_make(&str);
            cJSON_AddItemToObject(item, key, tree_make(j));
        }
        return item;
    case PL_JSON_NONE:
        break;
    }
    ck_abort_msg("no value: %s", j->error ? j->error : "end of the input");
    return NULL;
}

static void documents_compare(const char *p, size_t len)
{
    struct pl_json j;

    pl_json_init(&j, p, len, 0);
    cJSON *ours = tree_make(&j);
    cJSON *theirs = cJSON_ParseWithLength(p, len);
    ck_assert_msg(pl_json_end(&j), "%s: %.*s", j.error, (int)len, p);
    ck_assert_msg(cJSON_Compare(ours, theirs, true), "%.*s", (int)len, p);
    ck_assert(json_skip_all(&j, p, len, 0));
    cJSON_Delete(ours);
    cJSON_Delete(theirs);
}

/* What a skip hands out as raw bytes of each member is a document of its own. */
static void members_check(const char *p, size_t len)
{
    struct pl_json j, inner;
    struct pl_json_str key;
    struct pl_slice raw;

    pl_json_init(&j, p, len, 0);
    ck_assert(pl_json_object_begin(&j));
    while (pl_json_object_next(&j, &key)) {
        ck_assert(pl_json_skip(&j, &raw));
        ck_assert(json_skip_all(&inner, raw.p, raw.len, 0));
        ck_assert(raw.len > 0 && !strchr(" \n\r\t,", raw.p[0]));
    }
    ck_assert(pl_json_end(&j));
}

START_TEST(test_made)
{
    static const char *const docs[] = {
        "{\"title\":\"\\u0422\\u0435\\u0441\\u0442\",\"id\":2577118435,\"bot\":false}",
        "{\"a\":[1,-2.5,3e10,null,true,{\"b\":\"\\\"\\\\\\/\\n\"}],\"\":{}}",
        "{\"emoji\":\"\\ud83d\\ude00 \xF0\x9F\x98\x80\",\"nested\":[[[[]]],{\"x\":{\"y\":[]}}]}",
    };

    for (size_t i = 0; i < PL_COUNT(docs); i++) {
        documents_compare(docs[i], strlen(docs[i]));
        members_check(docs[i], strlen(docs[i]));
    }
}
END_TEST

START_TEST(test_recorded)
{
    const char *path = getenv("RECORDED");
    char *line = NULL;
    size_t cap = 0, n = 0;
    ssize_t len;

    if (!path || !path[0])
        path = "../shared/data/recentchange.jsonl";
    FILE *f = fopen(path, "re");
    if (!f) {
        printf("check_json_events: no recorded events at %s, going on without\n", path);
        return;
    }
    while ((len = getline(&line, &cap, f)) > 0) {
        if (line[len - 1] == '\n')
            len--;
        if (len == 0)
            continue;
        documents_compare(line, (size_t)len);
        members_check(line, (size_t)len);
        /* Every prefix is cheap enough for a sample only. */
        if (n++ % 500 == 0) {
            struct pl_json j;
            struct json_walk w;
            for (size_t cut = 0; cut < (size_t)len; cut++) {
                char *copy = malloc(cut + (cut == 0));
                memcpy(copy, line, cut);
                ck_assert(!json_skip_all(&j, copy, cut, 0));
                ck_assert(!json_walk(&j, copy, cut, 0, &w));
                free(copy);
            }
        }
    }
    ck_assert_uint_gt(n, 0);
    free(line);
    fclose(f);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(test_made),
        TEST(test_recorded),
    };
    return unit_main("reader_events", tests, PL_COUNT(tests));
}
